//! `moov` (§8.2.1) and `trak` (§8.3.1): the tree above the sample tables.

use mp4_atom::{Elst, Mdhd, Mvhd, Tkhd};

use super::{
    Error, Media, Movie, TRACKS_MAX, Track, boxes,
    edits::Clock,
    entry::{self, Packing},
    fragments::{self, Defaults},
    samples,
    tables::Tables,
};

/// Reads the content of a `moov`.
pub(super) fn movie(moov: &[u8]) -> Result<Movie, Error> {
    let movie_timescale = boxes::leaf::<Mvhd>(moov).map_or(1000, |mvhd| mvhd.timescale);
    let mvex = boxes::child(moov, *b"mvex");
    let mut tracks = Vec::new();
    for (kind, trak) in boxes::children(moov) {
        if kind != *b"trak" {
            continue;
        }
        if tracks.len() == TRACKS_MAX {
            return Err(Error::TooManyTracks);
        }
        if let Some(track) = track(trak, movie_timescale, mvex.is_some())? {
            tracks.push(track);
        }
    }
    for trex in mvex.map(fragments::defaults).unwrap_or_default() {
        for track in tracks.iter_mut().filter(|track| track.id == trex.track_id) {
            track.defaults = Defaults { next_tick: track.defaults.next_tick, ..Defaults::from(&trex) };
        }
    }
    if tracks.is_empty() {
        return Err(Error::NoTracks);
    }
    Ok(Movie { tracks, fragmented: mvex.is_some() })
}

/// Reads the content of a `trak`; `None` if it makes no sense.
fn track(trak: &[u8], movie_timescale: u32, fragmented: bool) -> Result<Option<Track>, Error> {
    let Some(head) = boxes::leaf::<Tkhd>(trak) else { return Ok(None) };
    let Some(mdia) = boxes::child(trak, *b"mdia") else { return Ok(None) };
    let Some(media_head) = boxes::leaf::<Mdhd>(mdia) else { return Ok(None) };
    let carries = media(mdia);
    let Some(stbl) = boxes::descend(mdia, &[*b"minf", *b"stbl"]) else { return Ok(None) };
    let Some((codec, packing)) = boxes::child(stbl, *b"stsd").and_then(|stsd| entry::read(stsd, carries)) else {
        return Ok(None);
    };
    let clock = match boxes::child(trak, *b"edts").and_then(boxes::leaf::<Elst>) {
        Some(edits) => Clock::edited(media_head.timescale, movie_timescale, &edits, fragmented),
        None => Clock::plain(media_head.timescale),
    };
    let mut packets = Vec::new();
    let mut next_tick = 0;
    if carries != Media::Other {
        let mut tables = Tables::read(stbl);
        if carries == Media::Audio {
            // Every frame of sound is a sync sample, whatever an `stss` says.
            tables.syncs = None;
        }
        let packing = if fragmented { Packing::Samples } else { packing };
        packets = samples::packets(&tables, packing, &clock)?;
        next_tick = tables.duration_ticks();
    }
    Ok(Some(Track {
        id: head.track_id,
        media: carries,
        enabled: head.enabled,
        codec,
        rotation: rotation(&head),
        language: language(&media_head.language),
        packets,
        start_ns: clock.start_ns,
        end_ns: clock.end_ns,
        edits_simplified: clock.simplified,
        clock,
        defaults: Defaults { next_tick, ..Defaults::default() },
    }))
}

fn media(mdia: &[u8]) -> Media {
    // `hdlr`: version and flags, `pre_defined`, then the handler type (§8.4.3).
    match boxes::child(mdia, *b"hdlr").and_then(|hdlr| hdlr.get(8..12)) {
        Some(b"vide") => Media::Video,
        Some(b"soun") => Media::Audio,
        _ => Media::Other,
    }
}

/// The clockwise quarter turns of a matrix. The first row is where (1, 0) goes, y pointing down.
fn rotation(head: &Tkhd) -> u16 {
    let (a, b) = (head.matrix.a, head.matrix.b);
    let (c, d) = (head.matrix.c, head.matrix.d);
    let mirrored = i64::from(a) * i64::from(d) < i64::from(b) * i64::from(c);
    if mirrored {
        return 0;
    }
    match (a.unsigned_abs() >= b.unsigned_abs(), a < 0, b < 0) {
        (true, false, _) => 0,
        (true, true, _) => 180,
        (false, _, false) => 90,
        (false, _, true) => 270,
    }
}

/// Three letters, unless undetermined or one of `QuickTime`'s numeric codes.
fn language(code: &str) -> Option<String> {
    let letters = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_lowercase());
    (letters && code != "und").then(|| code.to_owned())
}
