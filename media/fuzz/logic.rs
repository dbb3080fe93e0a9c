//! What the fuzz targets run, and the test that replays their corpora: readers of what strangers send, and what
//! holds for every input.

use std::collections::HashMap;

use vidstream_media::{
    Timeline,
    check::{Answer, Crawl, Level, Transport, Verdict},
    cmaf,
    source::{
        clock::Clock,
        mp4::{Movie, PACKET_BYTES_MAX, PACKETS_MAX, TRACKS_MAX, boxes, is_quicktime, sniff},
        nominal_rate, pace,
        packets::{PREFIX_BYTES, PacketFile, decode_records, encode_records},
        spans::{Shown, Sound, spans},
    },
    timeline::{AudioGrid, Config},
};

/// Boxes that are looked at, and frames that are planned: enough for what a small input can hold.
const BOXES_MAX: usize = 10_000;
const FRAMES_MAX: u64 = 20_000;
/// Requests of a walk over a stream that are answered: a few digits can name half a million.
const ASKS_MAX: usize = 1_000;

/// An MP4 or `QuickTime` file as the scan walks it: the tables of `moov` and `moof`.
///
/// # Panics
/// If a walk does not go on, or tables lead to packets out of bounds.
pub fn file(input: &[u8]) {
    sniff(input);
    let mut movie: Option<Movie> = None;
    let mut at = 0;
    for _ in 0..BOXES_MAX {
        let Some(head) = input.get(at..).and_then(boxes::header) else { break };
        let content = at.saturating_add(usize::try_from(head.header_bytes).unwrap_or(usize::MAX));
        let end = head.bytes.map_or(Some(input.len()), |bytes| at.checked_add(usize::try_from(bytes).ok()?));
        let Some(end) = end else { break };
        assert!(end > at, "a box of nothing");
        let body = input.get(content..end);
        match (&head.kind, body, &mut movie) {
            (b"ftyp", Some(body), _) => drop(is_quicktime(body)),
            (b"moov", Some(body), None) => movie = Movie::parse(body).ok(),
            (b"moof", Some(body), Some(movie)) => {
                let added = movie.add_fragment(body, at as u64);
                if added.is_err() {
                    break;
                }
            }
            _ => {}
        }
        at = end;
    }
    let Some(mut movie) = movie else { return };
    assert!(movie.tracks.len() <= TRACKS_MAX);
    for track in &mut movie.tracks {
        assert!([0, 90, 180, 270].contains(&track.rotation), "{}", track.rotation);
        assert!(track.packets.len() <= PACKETS_MAX);
        let before = track.packets.len();
        assert_eq!(track.truncate(input.len() as u64) + track.packets.len(), before);
        for packet in &track.packets {
            assert!(packet.bytes <= PACKET_BYTES_MAX);
            assert!(packet.offset + u64::from(packet.bytes) <= input.len() as u64);
        }
    }
}

/// Fragments and init segments as they are read back from the store.
///
/// # Panics
/// If a fragment or sample lies outside of the input, or two overlap.
pub fn cmaf(input: &[u8]) {
    let _ = cmaf::read_init(input);
    let Ok(fragments) = cmaf::read_fragments(input) else { return };
    let mut end = 0;
    for fragment in fragments {
        assert!(end <= fragment.offset && fragment.bytes > 0);
        end = fragment.offset + fragment.bytes;
        assert!(end <= input.len() as u64);
        assert!(!fragment.samples.is_empty());
        for sample in &fragment.samples {
            assert!(!sample.data.is_empty() && sample.data.end <= input.len());
        }
    }
}

/// A packet file: its header, its records, and the plan that is made of them.
///
/// # Panics
/// If records change on the way, or a segment needs a record that is not there.
pub fn packets(input: &[u8]) {
    let (Ok(head), Ok(mut file)) = (PacketFile::head_bytes(input), PacketFile::read_header(input)) else {
        return records(input.get(PREFIX_BYTES.try_into().unwrap_or(4)..).unwrap_or_default());
    };
    assert_eq!(head, PREFIX_BYTES + file.header_bytes);
    // Written and read again it says the same.
    let written = file.write_header().expect("a header that was read");
    assert_eq!(PacketFile::read_header(&written).expect("a header that was written"), file);
    records(input.get(usize::try_from(head).unwrap_or(usize::MAX)..).unwrap_or_default());
}

fn records(bytes: &[u8]) {
    let packets = decode_records(bytes);
    assert_eq!(decode_records(&encode_records(&packets)), packets);
    let shown = Shown::new(&packets);
    let times = shown.times_ns();
    assert!(times.is_sorted());
    let fps = pace(&times, None).fps;
    let mut gaps: Vec<u64> = times.windows(2).map(|pair| pair[1].abs_diff(pair[0])).collect();
    for rate in [fps, nominal_rate(&mut gaps)] {
        assert!(rate.num > 0 && rate.den > 0, "{rate:?}");
    }
    let Some((t0, t1)) = shown.interval(0, None) else { return };
    assert!(t0 < t1);
    let frames = ((t1.abs_diff(t0)) as f64 / 1e9 * fps.as_f64()).round().clamp(1.0, FRAMES_MAX as f64) as u64;
    let timeline = Timeline::new(fps, frames, Config::default());
    let syncs = shown.sync_frames(&timeline, t0);
    assert!(syncs.is_sorted() && syncs.iter().all(|&frame| frame < timeline.frames));
    let grid = AudioGrid { sample_rate: 48_000, frame_samples: 1_024 };
    let count = packets.len() as u64;
    for span in spans(&timeline, t0, Some(&shown), Some(Sound { packets: &packets, grid })) {
        assert!(span.video.end <= count && span.video_earlier <= span.video.start, "{span:?} of {count}");
        assert!(span.audio.start >= count && span.audio.end <= 2 * count, "{span:?} of {count}");
    }
}

/// An FLV file or a transport stream, as its headers are read beside the demuxer.
///
/// # Panics
/// If it matters in which pieces the file comes.
pub fn clock(input: &[u8]) {
    for container in ["flv", "mpegts"] {
        let read = |piece: usize| {
            let mut clock = Clock::of(container).expect("a container with a clock");
            input.chunks(piece).for_each(|part| clock.read(part));
            clock.take(0, input);
            format!("{clock:?}")
        };
        assert_eq!(read(97), read(usize::MAX), "{container}");
    }
}

/// A served stream, as `vidstream check` walks and judges it. The input is its files; a line `== NAME`, with an empty
/// one before it, begins each.
///
/// # Panics
/// If a rule has no verdict, or a verdict not what belongs to it.
pub fn check(input: &[u8]) {
    let files = files(input);
    let mut crawl = Crawl::new("http://h/", Transport::Http);
    let mut asked = 0;
    while let Some(ask) = crawl.next() {
        asked += 1;
        if asked > ASKS_MAX {
            return;
        }
        let file = ask.place.url.strip_prefix("http://h/").and_then(|name| files.get(name));
        let part = match ask.place.range {
            Some((offset, bytes)) => file.and_then(|file| part(file, offset, bytes)),
            None => file.copied(),
        };
        let found = if ask.place.range.is_some() { 206 } else { 200 };
        let status = if part.is_some() { found } else { 404 };
        let body = part.unwrap_or_default().to_vec();
        crawl.answer(ask, Ok(Answer { status, body, ..Answer::default() }));
    }
    let Ok(report) = crawl.report() else { return };
    assert!(report.rules.iter().map(|outcome| outcome.rule).eq(1..=76));
    let is_broken = |level| report.rules.iter().any(|rule| rule.verdict == Verdict::Fail && rule.level == level);
    assert_eq!(report.ok, !is_broken(Level::Must));
    for outcome in &report.rules {
        assert_eq!(outcome.place.is_some(), outcome.verdict == Verdict::Fail, "{outcome:?}");
        assert_eq!(outcome.reason.is_none(), outcome.verdict == Verdict::Pass, "{outcome:?}");
    }
    assert!(report.text().ends_with("that apply\n"));
}

fn files(input: &[u8]) -> HashMap<String, &[u8]> {
    const MARK: &[u8] = b"\n== ";
    let marks = input.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK);
    let starts: Vec<usize> = marks.map(|(at, _)| at).collect();
    let ends = starts.iter().copied().skip(1).chain([input.len()]);
    let file = |(start, end): (usize, usize)| {
        let rest = input.get(start + MARK.len()..end)?;
        let line = rest.iter().position(|&byte| byte == b'\n')?;
        Some((String::from_utf8_lossy(&rest[..line]).into_owned(), &rest[line + 1..]))
    };
    starts.iter().copied().zip(ends).filter_map(file).collect()
}

fn part(file: &[u8], offset: u64, bytes: u64) -> Option<&[u8]> {
    let end = usize::try_from(offset.checked_add(bytes)?).ok()?;
    file.get(usize::try_from(offset).ok()?..end)
}
