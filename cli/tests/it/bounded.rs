//! Bounded memory and disk: uploads larger than memory should be, a full disk, large pictures.

use std::{collections::BTreeMap, fs, io, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use vidstream_testkit::{Clip, Encoding, s3};

use crate::server::{Server, after, number, small_clip, until};

/// How much of the server's own memory an upload may take, whatever its size.
const UPLOAD_MEMORY_BYTES_MAX: u64 = 100 << 20;
/// The size of an upload: a short row in every run, a longer one by environment.
const UPLOAD_BYTES: u64 = 2 << 30;
/// Of which every packet is read, and into a bucket, where it goes twice: many times the memory that it may take.
const READ_UPLOAD_BYTES: u64 = 384 << 20;
/// How fast packets of a file are read at least, by jobs beside other tests.
const READ_BYTES_A_SECOND_MIN: u64 = 16 << 20;
const BUCKET_UPLOAD_BYTES: u64 = 384 << 20;
/// The file system of the server whose disk fills up.
const DISK_BYTES: u64 = 64 << 20;
/// A child at 1920x1080 and 60 frames a second stays below this.
const CHILD_BYTES_MAX: u64 = 1 << 30;
/// So long a film it makes, all in short chunks.
const CLIP_S: u64 = 8;
const PIECE_BYTES: u64 = 1 << 20;
/// A packet of a transport stream (ISO/IEC 13818-1 §2.4.3.2), and those at its head that follow one another closely, so
/// that it is known as one.
const PACKET_BYTES: usize = 188;
const HEAD_PACKETS: usize = 64;
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A line of `/proc/PID/status` in bytes; `None` once the process is gone.
fn status_bytes(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// The start of an MP4 file whose one large `mdat` ends `bytes` later and whose index never comes.
fn film_without_end(bytes: u64) -> impl Iterator<Item = io::Result<Bytes>> {
    let ftyp = b"\0\0\0\x18ftypisom\0\0\x02\0isommp41";
    let mut head = ftyp.to_vec();
    head.extend([0, 0, 0, 1]);
    head.extend(b"mdat");
    head.extend((bytes - ftyp.len() as u64).to_be_bytes());
    let rest = bytes - head.len() as u64;
    let piece = Bytes::from(vec![0x5a; usize::try_from(PIECE_BYTES).unwrap()]);
    let pieces = (0..rest.div_ceil(PIECE_BYTES)).map(move |n| {
        let take = (rest - n * PIECE_BYTES).min(PIECE_BYTES);
        Ok(piece.slice(..usize::try_from(take).unwrap()))
    });
    std::iter::once(Ok(Bytes::from(head))).chain(pieces)
}

/// A small film as a transport stream of a high constant rate, some `bytes` long: behind each of its packets come null
/// packets, which whoever reads the stream has to read.
fn film_with_room(bytes: u64) -> Vec<Bytes> {
    let film = Clip::new((320, 180), 25, 4).cached(&Encoding::default(), "ts").unwrap();
    let film = Bytes::from(fs::read(film).unwrap());
    let packets: Vec<Bytes> =
        (0..film.len() / PACKET_BYTES).map(|n| film.slice(n * PACKET_BYTES..(n + 1) * PACKET_BYTES)).collect();
    let mut null = [0xff; PACKET_BYTES];
    null[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
    let room = usize::try_from(bytes).unwrap() / PACKET_BYTES / packets.len();
    let nulls = Bytes::from(null.repeat(room));
    let (head, rest) = packets.split_at(HEAD_PACKETS);
    let spread = rest.iter().flat_map(|packet| [packet.clone(), nulls.clone()]);
    head.iter().cloned().chain(spread).collect()
}

fn put<I>(server: &Server, pieces: I) -> reqwest::RequestBuilder
where
    I: Iterator<Item = io::Result<Bytes>> + Send + 'static,
{
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    server.http.put(format!("{}/v1/videos?title=large", server.url)).body(body)
}

#[tokio::test]
async fn an_upload_takes_no_more_memory_the_larger_it_is() {
    let bytes = number("TEST_UPLOAD_BYTES").unwrap_or(UPLOAD_BYTES);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let id = upload_within_memory(&server, put(&server, film_without_end(bytes))).await;
    let stored = fs::metadata(folder.path().join("data/objects").join(&id).join("source")).unwrap();
    assert_eq!(stored.len(), bytes);
    let failed = server.until(&id, "failed", Duration::from_secs(10), |video| video["state"] == "failed").await;
    assert_eq!(failed["error"]["code"], "missing_index", "{failed:#}");
}

#[tokio::test]
async fn an_upload_of_which_every_packet_is_read_takes_no_more_memory_the_larger_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let pieces = film_with_room(number("TEST_READ_UPLOAD_BYTES").unwrap_or(READ_UPLOAD_BYTES));
    let bytes: usize = pieces.iter().map(Bytes::len).sum();
    let id = upload_within_memory(&server, put(&server, pieces.into_iter().map(Ok))).await;
    // Its last picture lies at its end.
    let wait = Duration::from_mins(1) + Duration::from_secs(bytes as u64 / READ_BYTES_A_SECOND_MIN);
    let ready = server.until(&id, "ready", wait, |video| video["state"] == "ready").await;
    assert_eq!(ready["source"]["bytes"], bytes);
}

#[tokio::test]
async fn an_upload_into_a_bucket_takes_no_more_memory_the_larger_it_is() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), s3::Server::start().unwrap());
    let url = format!("store.url=s3://{}", s3::BUCKET);
    let server = Server::with_variables(&folder.path().join("data"), &["--set", &url], &bucket.variables()).await;
    let bytes = number("TEST_BUCKET_UPLOAD_BYTES").unwrap_or(BUCKET_UPLOAD_BYTES);
    let id = upload_within_memory(&server, put(&server, film_without_end(bytes))).await;
    let failed = server.until(&id, "failed", Duration::from_secs(10), |video| video["state"] == "failed").await;
    assert_eq!(failed["error"]["code"], "missing_index", "{failed:#}");
    assert_eq!(failed["source"]["bytes"], bytes);
}

/// Uploads while the server's memory is looked at; gives the id of the video.
async fn upload_within_memory(server: &Server, upload: reqwest::RequestBuilder) -> String {
    let pid = server.child.id();
    let before = status_bytes(pid, "RssAnon").unwrap();
    let sending = tokio::spawn(upload.send());
    let mut most = before;
    while !sending.is_finished() {
        most = most.max(status_bytes(pid, "RssAnon").unwrap());
        after(LOOK_EVERY).await;
    }
    let answer = sending.await.unwrap().unwrap();
    assert_eq!(answer.status(), 202);
    println!("RssAnon rose by {} KiB", (most - before) >> 10);
    assert!(most - before <= UPLOAD_MEMORY_BYTES_MAX, "RssAnon rose by {} bytes", most - before);
    answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_full_disk_refuses_the_upload_and_keeps_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::on_small_disk(folder.path(), DISK_BYTES).await;
    for _ in 0..2 {
        let answer = put(&server, film_without_end(2 * DISK_BYTES)).send().await.unwrap();
        assert_eq!(answer.status(), 507);
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], "insufficient_storage");
        let list = server.http.get(format!("{}/v1/videos", server.url)).send().await.unwrap();
        assert_eq!(list.json::<Value>().await.unwrap()["data"], json!([]));
        // The bytes are gone at once; a job removes the folder, and whatever else was made of them meanwhile.
        let objects = || fs::read_dir(server.data.join("objects")).map_or(0, Iterator::count);
        until("without objects", Duration::from_secs(10), || objects() == 0).await;
    }
    let id = server.upload(&small_clip()).await;
    server.until(&id, "ready", Duration::from_mins(1), |video| video["state"] == "ready").await;
}

#[tokio::test]
async fn a_child_that_makes_1080p60_stays_below_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let seconds = u32::try_from(number("TEST_1080P60_S").unwrap_or(CLIP_S)).unwrap();
    let clip = Clip::new((1920, 1080), 60, seconds).cached(&Encoding::default(), "mp4").unwrap();
    let id = server.upload(&clip).await;
    let mut peaks = BTreeMap::new();
    while server.video(&id).await["state"] != "ready" {
        assert_ne!(server.video(&id).await["state"], "failed");
        for child in server.children() {
            if let Some(bytes) = status_bytes(child, "VmHWM") {
                peaks.insert(child, bytes);
            }
        }
        after(LOOK_EVERY).await;
    }
    let most = peaks.values().copied().max().unwrap();
    println!("the largest child took {} MiB", most >> 20);
    // Less than the pictures of one GOP would mean that no encoder was seen.
    assert!((100 << 20..=CHILD_BYTES_MAX).contains(&most), "VmHWM of {most} bytes");
}
