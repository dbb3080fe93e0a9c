//! Whether what a worker hands back matches what was asked for.

use std::collections::BTreeMap;

use vidstream_media::{Plan, Track, chunks::Segments, index::TrackChunk};

use crate::{Error, Published, Result, Warning, coverage, limits};

/// Refuses a plan whose chunks do not cover its segments exactly once, or that has no track.
pub(crate) fn plan(plan: &Plan) -> Result<()> {
    let tracks = plan.tracks();
    if tracks.is_empty() {
        return Err(invalid("the plan has no track"));
    }
    if (1..tracks.len()).any(|at| tracks.iter().skip(at).any(|other| tracks.get(at - 1) == Some(other))) {
        return Err(invalid("the plan has a track twice"));
    }
    if !coverage::is_partition(&plan.chunks, plan.timeline.segments()) {
        return Err(invalid("the plan's chunks do not cover its segments exactly once"));
    }
    Ok(())
}

/// Refuses a published chunk that does not start where the job does, goes beyond it, is from another
/// attempt, or lacks a track or segment of the plan.
pub(crate) fn published(plan: &Plan, job: Segments, token: u64, published: &Published) -> Result<()> {
    let chunk = &published.chunk;
    if chunk.token != token {
        return Err(invalid("the chunk's token is not the claim's"));
    }
    let run = chunk.segments;
    let ends_well = if published.last { run.last == job.last } else { (run.first..job.last).contains(&run.last) };
    if run.first != job.first || !ends_well {
        return Err(Error::Invalid(format!(
            "segments {}-{} are not of the job {}-{}",
            run.first, run.last, job.first, job.last
        )));
    }
    let planned = plan.tracks();
    if let Some(extra) = chunk.tracks.iter().find(|part| !planned.contains(&part.track)) {
        return Err(Error::Invalid(format!("track {} is not planned", extra.track)));
    }
    for track in planned {
        let expected = expected(plan, track, run);
        let parts: Vec<&TrackChunk> = chunk.tracks.iter().filter(|part| part.track == track).collect();
        let complete = match parts.as_slice() {
            [part] => is_complete(part, &expected),
            // A run so short that no trick picture falls into it.
            [] => expected.is_empty(),
            _ => false,
        };
        if !complete {
            return Err(Error::Invalid(format!("track {track} does not have exactly {expected:?}")));
        }
    }
    Ok(())
}

/// The numbers that the chunk must have of a track.
fn expected(plan: &Plan, track: Track, run: Segments) -> std::ops::Range<u64> {
    match track {
        Track::Trick => plan.timeline.tricks_of_segments(run.first, run.last),
        Track::Rung(_) | Track::Audio => run.first..run.last + 1,
    }
}

fn is_complete(part: &TrackChunk, expected: &std::ops::Range<u64>) -> bool {
    let count = u64::try_from(part.segments.len()).unwrap_or(u64::MAX);
    let mut offset = 0;
    part.segments.iter().all(|segment| {
        let follows = segment.offset >= offset;
        offset = segment.offset.saturating_add(segment.bytes());
        follows && segment.bytes() > 0
    }) && count == expected.end - expected.start
        && (count == 0 || part.first == expected.start)
}

/// Adds warnings that are not there yet, as far as there is room. Gives whether any was added.
pub(crate) fn add_warnings(kept: &mut Vec<Warning>, new: &[Warning]) -> bool {
    let before = kept.len();
    for warning in new {
        if kept.len() < limits::WARNINGS_MAX && !kept.contains(warning) {
            let detail = cut(&warning.detail).to_owned();
            kept.push(Warning { code: cut(&warning.code).to_owned(), detail, ..warning.clone() });
        }
    }
    kept.len() > before
}

/// The text, or as much of it as is kept.
pub(crate) fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(limits::TEXT_BYTES_MAX)).unwrap_or(text)
}

/// Refuses a title that is too long, or that Postgres could not store.
pub(crate) fn title(title: &str) -> Result<()> {
    if title.len() > limits::TITLE_BYTES_MAX {
        return Err(Error::Invalid(format!("a title has at most {} bytes", limits::TITLE_BYTES_MAX)));
    }
    no_nul("a title", title)
}

/// Refuses a publisher's strings if they are too many or too long, or have names that nobody could read.
pub(crate) fn meta(meta: &BTreeMap<String, String>) -> Result<()> {
    if meta.len() > limits::META_KEYS_MAX {
        return Err(Error::Invalid(format!("meta has at most {} texts", limits::META_KEYS_MAX)));
    }
    let is_name = |name: &str| !name.is_empty() && name.len() <= limits::META_KEY_BYTES_MAX;
    if !meta.keys().all(|name| is_name(name) && !name.chars().any(char::is_control)) {
        let most = limits::META_KEY_BYTES_MAX;
        return Err(Error::Invalid(format!("a name in meta has 1 to {most} bytes and no control characters")));
    }
    let bytes: usize = meta.iter().map(|(name, text)| name.len() + text.len()).sum();
    if bytes > limits::META_BYTES_MAX {
        return Err(Error::Invalid(format!("names and texts of meta have at most {} bytes", limits::META_BYTES_MAX)));
    }
    Ok(())
}

/// Refuses a name of something that is empty, too long, or that Postgres could not store.
pub(crate) fn name(what: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.len() > limits::TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("{what} has 1 to {} bytes", limits::TEXT_BYTES_MAX)));
    }
    no_nul(what, name)
}

fn no_nul(what: &str, text: &str) -> Result<()> {
    if text.contains('\0') { Err(Error::Invalid(format!("{what} has no NUL"))) } else { Ok(()) }
}

fn invalid(what: &str) -> Error {
    Error::Invalid(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_kept_once_and_bounded() {
        let warning = |n: usize| Warning { code: "x".into(), detail: format!("{n}"), ..Warning::default() };
        let mut kept = vec![warning(0)];
        assert!(!add_warnings(&mut kept, &[warning(0)]));
        let many: Vec<Warning> = (0..500).map(warning).collect();
        assert!(add_warnings(&mut kept, &many));
        assert_eq!(kept.len(), limits::WARNINGS_MAX);
    }

    #[test]
    fn texts_are_cut_between_characters() {
        let long = "é".repeat(limits::TEXT_BYTES_MAX);
        assert_eq!(cut(&long).len(), limits::TEXT_BYTES_MAX);
        assert_eq!(cut(&format!("a{long}")).len(), limits::TEXT_BYTES_MAX - 1);
        assert_eq!(cut("short"), "short");
    }
}
