//! Films in a bucket of a real S3 server: made, served by ranges, deleted without a rest, and finished
//! although the server goes away for a while.

use std::{path::Path, process::Command, time::Duration};

use serde_json::{Value, json};
use vidstream_testkit::{
    Clip, Encoding,
    s3::{BUCKET, Fault, Host, Server as Bucket},
};

use crate::server::{Server, VIDSTREAM, refused, until};

/// A job is given back within this: its requests are asked again for half a minute before.
const GIVEN_BACK_WAIT_MAX: Duration = Duration::from_mins(2);
/// What a worker asks a bucket for at once.
const STRIDE_BYTES: u64 = 2 << 20;

async fn serve(data: &Path, variables: &[(String, String)]) -> Server {
    let url = format!("store.url=s3://{BUCKET}/site");
    Server::with_variables(data, &["--set", &url], variables).await
}

async fn bytes(server: &Server, path: &str, range: Option<&str>) -> (u16, Vec<u8>) {
    let mut request = server.http.get(format!("{}{path}", server.url));
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_film_is_made_served_and_deleted_in_a_bucket() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Bucket::start().unwrap());
    let data = folder.path().join("data");
    let server = serve(&data, &bucket.variables()).await;
    // Matroska is read from its first byte to its last while it uploads, and copied.
    let film = Clip::new((320, 180), 25, 12);
    let clip = film.cached(&Encoding::default(), "mkv").unwrap();
    let id = server.upload(&clip).await;
    let ready = server.until(&id, "ready", Duration::from_mins(1), |video| video["state"] == "ready").await;
    assert_eq!(ready["warnings"], json!([]), "{ready:#}");
    let place = format!("{BUCKET}/site/{id}");
    let left = bucket.left();
    assert!(left.contains(&format!("{place}/source")) && left.contains(&format!("{place}/1/remux")), "{left:?}");
    assert!(left.iter().all(|name| name.starts_with(&place) && !name.contains(".part/")), "{left:?}");
    assert!(!data.join("objects").exists());

    let generation = format!("{place}/1/");
    let mut tracks = left.iter().filter_map(|name| name.strip_prefix(&generation)?.split_once('/'));
    let (rung, _) = tracks.find(|(track, _)| track.ends_with('p')).unwrap();
    let segment = format!("/v/{id}/1/{rung}/2.m4s");
    let before = bucket.requests().len();
    let (status, whole) = bytes(&server, &segment, None).await;
    assert_eq!(status, 200);
    let (status, part) = bytes(&server, &segment, Some("bytes=10-109")).await;
    assert!(status == 206 && part == whole[10..110]);
    let read = bucket.requests().split_off(before);
    assert!(read.len() == 1 && read[0].contains(&format!("{id}/1/{rung}/")) && read[0].contains(" bytes="), "{read:?}");
    server.assert_unbroken(&id, rung, film.frames);

    server.http.delete(format!("{}/v1/videos/{id}", server.url)).send().await.unwrap();
    server.until(&id, "gone", Duration::from_secs(10), |video| video["code"] == "deleted").await;
    assert_eq!(bucket.left(), [] as [&str; 0]);
}

/// How many bytes of its source each request for it asked for, until the second chunk was stored.
fn source_reads(bucket: &Bucket, id: &str) -> Vec<u64> {
    let object = format!("/{BUCKET}/site/{id}/source");
    let is_later = |line: &String| {
        let path = line.split(' ').nth(1).filter(|path| line.starts_with("PUT ") && path.contains(".m4s"));
        path.and_then(|path| path.rsplit('/').next()).is_some_and(|name| !name.starts_with("1-"))
    };
    let mut lengths = Vec::new();
    for line in bucket.requests().into_iter().take_while(|line| !is_later(line)) {
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        if method != "GET" || target.split('?').next() != Some(object.as_str()) {
            continue;
        }
        let range = words.next().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let (first, last) = range.unwrap_or_else(|| panic!("{line} asks for all of it"));
        lengths.push(last.parse::<u64>().unwrap() + 1 - first.parse::<u64>().unwrap());
    }
    lengths
}

#[tokio::test]
async fn a_source_is_read_by_ranges_and_no_more_of_it_than_a_chunk_needs() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Bucket::start().unwrap());
    // One job after the other: what was read when the first chunk is there was read for it.
    let url = format!("store.url=s3://{BUCKET}/site");
    let flags = ["--set", &url, "--set", "worker.slots=1"];
    let server = Server::with_variables(&folder.path().join("data"), &flags, &bucket.variables()).await;
    // Half a megabyte a second, whatever the pictures need.
    let padded = [
        ["-b:v", "4M"],
        ["-minrate", "4M"],
        ["-maxrate", "4M"],
        ["-bufsize", "4M"],
        ["-x264-params", "open-gop=0:scenecut=0:keyint_min=1:nal-hrd=cbr"],
    ];
    let extra = padded.concat().into_iter().map(str::to_owned).collect();
    let encoding = Encoding { crf: None, extra, ..Encoding::default() };
    let clip = Clip::new((320, 180), 25, 60).cached(&encoding, "mp4").unwrap();
    let bytes = std::fs::metadata(&clip).unwrap().len();
    assert!(bytes > 12 * STRIDE_BYTES, "{bytes}");
    let id = server.upload(&clip).await;
    server.until(&id, "playable", Duration::from_mins(1), |video| video["playable"] == true).await;
    let reads = source_reads(&bucket, &id);
    assert!(!reads.is_empty() && reads.iter().all(|&read| read <= STRIDE_BYTES), "{reads:?}");
    // A probe reads the index, the first chunk its own seconds, and the next one has begun.
    assert!(reads.iter().sum::<u64>() < bytes / 2, "{reads:?} of {bytes}");
}

/// Longer than any request is asked again, and no attempt is lost by it.
#[tokio::test]
async fn a_film_becomes_ready_although_its_bucket_is_killed() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Host::start().unwrap());
    let data = folder.path().join("data");
    let server = serve(&data, &bucket.variables()).await;
    let film = Clip::new((640, 360), 25, 45);
    let id = server.upload(&film.cached(&Encoding::default(), "mp4").unwrap()).await;
    until("a chunk", Duration::from_mins(1), || bucket.left().iter().any(|name| name.contains(".m4s"))).await;
    bucket.go_away().unwrap();
    let is_given_back = || std::fs::read_to_string(data.join("serve.log")).unwrap().contains("the job is given back");
    until("a job is given back", GIVEN_BACK_WAIT_MAX, is_given_back).await;
    let video = server.video(&id).await;
    assert_eq!(video["state"], "processing", "{video:#}");
    bucket.come_back().unwrap();
    let ready = server.until(&id, "ready", Duration::from_mins(2), |video| video["state"] == "ready").await;
    assert_eq!(ready["warnings"], json!([]), "{ready:#}");
    let left = bucket.left();
    assert!(
        left.iter().all(|name| name.starts_with(&format!("{BUCKET}/site/{id}/")) && !name.contains(".part")),
        "{left:?}"
    );
    let rung = left.iter().find_map(|name| name.split('/').find(|part| part.ends_with("0p"))).unwrap();
    server.assert_unbroken(&id, rung, film.frames);
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_in_the_bucket() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Host::start().unwrap());
    let server = serve(&folder.path().join("data"), &bucket.variables()).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let head = b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000000\r\n\r\n";
    std::io::Write::write_all(&mut socket, head).unwrap();
    std::io::Write::write_all(&mut socket, &vec![7; 20_000_000]).unwrap();
    let is_part = |name: &String| name.contains(".part-") || name.contains("/multipart/");
    until("copies and parts", Duration::from_secs(10), || {
        let left = bucket.left();
        left.iter().any(|name| name.contains("/source.part/0")) && left.iter().any(is_part)
    })
    .await;
    drop(socket);
    until("no object", Duration::from_secs(10), || bucket.left().is_empty()).await;
    server.until_no_video().await;
}

#[tokio::test]
async fn an_upload_into_a_full_bucket_is_refused_as_into_a_full_disk() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Bucket::start().unwrap());
    let server = serve(&folder.path().join("data"), &bucket.variables()).await;
    bucket.meet("PUT ", Fault::Full);
    let sent = server.http.put(format!("{}/v1/videos", server.url)).body(vec![7; 1_000_000]).send().await.unwrap();
    assert_eq!(sent.status(), 507);
    assert_eq!(sent.json::<Value>().await.unwrap()["code"], "insufficient_storage");
    until("no object", Duration::from_secs(10), || bucket.left().is_empty()).await;
}

#[test]
fn a_bucket_that_cannot_be_used_is_one_sentence_and_an_exit_code() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Bucket::start().unwrap());
    let good = format!("s3://{BUCKET}");
    let good = good.as_str();
    for (url, variable, code, sentence) in [
        ("s3://missing", ("AWS_REGION", "us-east-1"), 64, "there is no such bucket"),
        (good, ("AWS_SECRET_ACCESS_KEY", "another"), 64, "refuses these credentials"),
        (good, ("AWS_ALLOW_HTTP", "no"), 64, "AWS_ALLOW_HTTP"),
        (good, ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), 69, "Connection refused"),
        ("ftp://films", ("AWS_REGION", "us-east-1"), 64, "s3://BUCKET/PREFIX"),
    ] {
        let mut command = Command::new(VIDSTREAM);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
        command.envs(bucket.variables()).env(variable.0, variable.1).env("VIDSTREAM_STORE_URL", url);
        let (ended, text) = refused(&mut command);
        assert_eq!(ended, Some(code), "{url} {variable:?}: {text}");
        assert!(text.contains(sentence) && text.trim_end().lines().count() == 1, "{text}");
    }
}
