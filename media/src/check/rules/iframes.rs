//! Rules 39 and 41 to 43: I-frame entries beside the bytes that they list.

use super::super::{
    media::{Entry, Media},
    report::Findings,
    segment::{Fragment, Run, Segment},
    stream::{Stream, scaled_us, signed},
};

/// Times that should be equal may differ by this much where one of them is printed.
const PRINTED_US: i64 = 1000;

/// The first fragment of an entry with its run, if its bytes have one.
fn first<'a>(stream: &'a Stream, entry: &Entry) -> Option<(&'a Segment, &'a Fragment, &'a Run)> {
    let segment = stream.segment(&entry.place)?;
    let fragment = segment.fragments.first()?;
    Some((segment, fragment, fragment.runs.first()?))
}

/// Presentation time of the first picture of an entry.
fn time_us(stream: &Stream, entry: &Entry) -> Option<i64> {
    let track = stream.init(entry.map.as_ref())?.track()?;
    let (_, _, run) = first(stream, entry)?;
    Some(scaled_us(run.first_time.saturating_sub(track.edit_shift()), track.timescale))
}

/// Rule 39 (§4.4.3.6).
pub(super) fn durations(stream: &Stream, findings: &mut Findings) {
    let end_us = stream.end_us().filter(|_| stream.is_finished());
    for media in stream.iframes() {
        for (n, entry) in media.segments.iter().enumerate() {
            let next = match media.segments.get(n + 1) {
                Some(next) if next.discontinuity => continue,
                Some(next) => time_us(stream, next),
                None => end_us,
            };
            let (Some(stated), Some(time), Some(next)) = (entry.duration_us, time_us(stream, entry), next) else {
                continue;
            };
            if (signed(stated) - (next - time)).abs() > PRINTED_US {
                let until = if n + 1 < media.segments.len() { "the next I-frame" } else { "the end" };
                let reason = format!("EXTINF is {stated} us, and {until} is {} us away", next - time);
                findings.fail(stream.line(&media.url, entry.line), reason);
            }
        }
    }
}

/// Rule 41 (§4.4.3.6, §4.4.4.5).
pub(super) fn map(stream: &Stream, findings: &mut Findings) {
    for media in stream.iframes() {
        if !media.text.has("EXT-X-MAP") {
            findings.should(stream.name(&media.url), "EXT-X-MAP is missing");
        }
        for entry in &media.segments {
            let segment = stream.segment(&entry.place);
            let holds_init = segment.is_some_and(|segment| segment.outer.iter().any(|outer| &outer.kind == b"moov"));
            if holds_init {
                findings.must(stream.line(&media.url, entry.line), "the range contains the initialisation segment");
            }
        }
    }
}

/// Rule 42 (Apple 6.10; §3.1.2).
pub(super) fn ranges(stream: &Stream, findings: &mut Findings) {
    for media in stream.iframes() {
        for entry in &media.segments {
            if stream.segment(&entry.place).is_some()
                && let Err(reason) = range(stream, media, entry)
            {
                findings.fail(stream.line(&media.url, entry.line), reason);
            }
        }
    }
}

fn range(stream: &Stream, media: &Media, entry: &Entry) -> Result<(), String> {
    let Some((segment, fragment, run)) = first(stream, entry) else {
        return Err("the range does not begin with a moof and its samples".to_owned());
    };
    let skipped = segment.outer.iter().take_while(|outer| &outer.kind != b"moof");
    if let Some(outer) = skipped.into_iter().find(|outer| !matches!(&outer.kind, b"styp" | b"sidx" | b"emsg" | b"prft"))
    {
        return Err(format!("the range begins with {}", String::from_utf8_lossy(&outer.kind)));
    }
    if segment.fault.is_some_and(|_| segment.outer.iter().all(|outer| &outer.kind != b"mdat")) {
        return Err("the range ends within the moof".to_owned());
    }
    if run.samples == 0 {
        return Err("the moof lists no sample".to_owned());
    }
    if run.first_flags & 0x1_0000 != 0 || run.first_flags >> 24 & 3 != 2 {
        return Err(format!("the flags {:#010x} of its sample are not those of an I-frame", run.first_flags));
    }
    let header = segment.outer.iter().find(|outer| &outer.kind == b"mdat").map_or(fragment.start, |mdat| mdat.start);
    if fragment.start.saturating_add(run.first_data.start) < header.saturating_add(8) {
        return Err("its sample does not lie in its mdat".to_owned());
    }
    let end = fragment.start.saturating_add(run.first_data.end);
    if end != segment.bytes {
        return Err(format!("the I-frame ends at byte {end}, and the range at {}", segment.bytes));
    }
    let entry = stream.track(media).and_then(|track| track.entry.as_ref());
    let is_readable = entry.is_some_and(|entry| entry.nal_length.is_some() && entry.encrypted.is_none());
    if is_readable && !run.picture.idr {
        return Err("its picture is no IDR".to_owned());
    }
    Ok(())
}

/// Rule 43: a demuxer that trusts the moof rejects a fragment that lacks samples, or shows its picture too shortly.
pub(super) fn whole(stream: &Stream, findings: &mut Findings) {
    let mut reason = None;
    for media in stream.iframes() {
        let shortfall = media.segments.iter().find_map(|entry| {
            let why = shortfall(stream, entry)?;
            Some((stream.line(&media.url, entry.line), why))
        });
        match shortfall {
            None => return,
            Some(found) => {
                reason.get_or_insert(found);
            }
        }
    }
    if let Some((place, why)) = reason {
        findings.fail(place, format!("{why}, and no other I-frame playlist is better"));
    }
}

/// What an entry lacks of a whole fragment of one picture that lasts all its time.
fn shortfall(stream: &Stream, entry: &Entry) -> Option<&'static str> {
    let (segment, _, run) = first(stream, entry)?;
    let track = stream.init(entry.map.as_ref())?.track()?;
    let lasts_us = scaled_us(signed(run.first_duration), track.timescale);
    if segment.fragments.len() != 1 || run.samples != 1 {
        return Some("the fragment declares more samples than the range holds");
    }
    let stated = signed(entry.duration_us?);
    ((stated - lasts_us).abs() > PRINTED_US).then_some("its sample does not last its whole EXTINF")
}
