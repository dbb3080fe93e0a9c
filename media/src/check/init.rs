//! What an initialisation segment says, read from its boxes (ISO/IEC 14496-12 §8).

use std::ops::Range;

use super::{
    boxes::{Atoms, Fields, child, descend, walk},
    entry::{self, Entry},
};

/// Tracks and edits looked at in one `moov`.
const ENTRIES_MAX: usize = 64;

/// An initialisation segment reduced to what rules ask of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Init {
    pub(super) bytes: u64,
    /// Kinds of the boxes on the outermost level.
    pub(super) outer: Vec<[u8; 4]>,
    /// What is wrong with the outermost level, if it cannot be walked.
    pub(super) fault: Option<&'static str>,
    /// Major and compatible brands.
    pub(super) brands: Vec<[u8; 4]>,
    pub(super) mvhd_duration: Option<u64>,
    pub(super) tracks: Vec<Track>,
    /// What `trex` says, by track.
    pub(super) defaults: Vec<Defaults>,
    /// Whether `udta` or the track holds a loudness box (`ludt`).
    pub(super) loudness: bool,
}

/// One `trak`.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) handler: [u8; 4],
    pub(super) timescale: u32,
    pub(super) tkhd_duration: u64,
    /// Width and height of the presentation, in pixels.
    pub(super) display: (u32, u32),
    /// `(segment_duration, media_time)` of the edit list, the duration in the movie's timescale.
    pub(super) edits: Vec<(u64, i64)>,
    pub(super) movie_timescale: u32,
    /// Entries in the sample tables; an initialisation segment has none.
    pub(super) listed_samples: u64,
    /// Whether all data references point into the file itself.
    pub(super) self_contained: bool,
    pub(super) entry: Option<Entry>,
}

/// One `trex`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    pub(super) track_id: u32,
    pub(super) duration: u32,
    pub(super) size: u32,
    pub(super) flags: u32,
}

// === impl Init ===

impl Init {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let outer = walk(bytes, 0..bytes.len());
        let mut init = Self {
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            outer: outer.list.iter().map(|atom| atom.kind).collect(),
            fault: outer.fault,
            ..Self::default()
        };
        if let Some(ftyp) = outer.of_kind(*b"ftyp").next() {
            init.brands = brands(bytes, &ftyp.body);
        }
        if let Some(moov) = outer.of_kind(*b"moov").next() {
            init.moov(bytes, &moov.body);
        }
        init
    }

    fn moov(&mut self, bytes: &[u8], moov: &Range<usize>) {
        let atoms = walk(bytes, moov.clone());
        let header = child(bytes, moov, *b"mvhd").and_then(|body| movie_header(bytes, &body));
        self.mvhd_duration = header.map(|(_, duration)| duration);
        let movie_timescale = header.map_or(0, |(timescale, _)| timescale);
        for trak in atoms.of_kind(*b"trak").take(ENTRIES_MAX) {
            let mut track = Track { movie_timescale, ..read_track(bytes, &trak.body) };
            track.entry = entry(bytes, &trak.body, track.handler);
            self.loudness |= descend(bytes, &trak.body, &[*b"udta", *b"ludt"]).is_some();
            self.tracks.push(track);
        }
        self.loudness |= descend(bytes, moov, &[*b"udta", *b"ludt"]).is_some();
        if let Some(mvex) = child(bytes, moov, *b"mvex") {
            let atoms = walk(bytes, mvex);
            self.defaults =
                atoms.of_kind(*b"trex").take(ENTRIES_MAX).filter_map(|trex| extends(bytes, &trex.body)).collect();
        }
    }

    /// The only track; rule 53 is about files with more.
    pub(super) fn track(&self) -> Option<&Track> {
        self.tracks.first()
    }

    pub(super) fn has_brand(&self, brand: [u8; 4]) -> bool {
        self.brands.contains(&brand)
    }

    /// Whether it claims to be a CMAF track (ISO/IEC 23000-19 §7.2).
    pub(super) fn claims_cmaf(&self) -> bool {
        self.brands.iter().any(|brand| brand.starts_with(b"cmf"))
    }
}

// === impl Track ===

impl Track {
    pub(super) fn is_video(&self) -> bool {
        &self.handler == b"vide"
    }

    pub(super) fn is_audio(&self) -> bool {
        &self.handler == b"soun"
    }

    /// What the edit list takes off every time, in ticks: its media time, less the empty edits before it.
    pub(super) fn edit_shift(&self) -> i64 {
        let scale = |duration: u64| {
            let ticks = i128::from(duration) * i128::from(self.timescale) / i128::from(self.movie_timescale.max(1));
            i64::try_from(ticks).unwrap_or(i64::MAX)
        };
        let mut shift: i64 = 0;
        for &(duration, media_time) in &self.edits {
            if media_time >= 0 {
                return shift.saturating_add(media_time);
            }
            shift = shift.saturating_sub(scale(duration));
        }
        shift
    }
}

fn brands(bytes: &[u8], ftyp: &Range<usize>) -> Vec<[u8; 4]> {
    let mut fields = Fields::of(bytes, ftyp);
    let mut brands: Vec<[u8; 4]> = fields.array().into_iter().collect();
    // The minor version.
    fields.skip(4);
    while let Some(brand) = fields.array() {
        if brands.len() == ENTRIES_MAX {
            break;
        }
        brands.push(brand);
    }
    brands
}

/// Timescale and duration of `mvhd` or `mdhd`, which begin alike.
fn movie_header(bytes: &[u8], body: &Range<usize>) -> Option<(u32, u64)> {
    let mut fields = Fields::of(bytes, body);
    let (version, _) = fields.version_flags()?;
    fields.word(version)?;
    fields.word(version)?;
    Some((fields.u32()?, fields.word(version)?))
}

fn read_track(bytes: &[u8], trak: &Range<usize>) -> Track {
    let mut read = Track { self_contained: true, ..Track::default() };
    if let Some(body) = child(bytes, trak, *b"tkhd") {
        // What is cut short stays at its default.
        track_header(bytes, &body, &mut read);
    }
    if let Some(body) = descend(bytes, trak, &[*b"edts", *b"elst"]) {
        read.edits = edits(bytes, &body);
    }
    if let Some(mdhd) = descend(bytes, trak, &[*b"mdia", *b"mdhd"]) {
        read.timescale = movie_header(bytes, &mdhd).map_or(0, |(timescale, _)| timescale);
    }
    if let Some(hdlr) = descend(bytes, trak, &[*b"mdia", *b"hdlr"]) {
        let mut fields = Fields::of(bytes, &hdlr);
        fields.skip(8);
        read.handler = fields.array().unwrap_or_default();
    }
    if let Some(dref) = descend(bytes, trak, &[*b"mdia", *b"minf", *b"dinf", *b"dref"]) {
        let entries = walk(bytes, (dref.start + 8).min(dref.end)..dref.end);
        read.self_contained = !entries.list.is_empty()
            && entries.list.iter().all(|entry| bytes.get(entry.body.start + 3).is_some_and(|flags| flags & 1 == 1));
    }
    if let Some(stbl) = descend(bytes, trak, &[*b"mdia", *b"minf", *b"stbl"]) {
        read.listed_samples = listed_samples(bytes, &walk(bytes, stbl));
    }
    read
}

fn track_header(bytes: &[u8], body: &Range<usize>, track: &mut Track) -> Option<()> {
    let mut fields = Fields::of(bytes, body);
    let (version, _) = fields.version_flags()?;
    fields.word(version)?;
    fields.word(version)?;
    track.id = fields.u32()?;
    fields.skip(4)?;
    track.tkhd_duration = fields.word(version)?;
    fields.skip(52)?;
    // 16.16 fixed point.
    track.display = (fields.u32()? >> 16, fields.u32()? >> 16);
    Some(())
}

fn edits(bytes: &[u8], body: &Range<usize>) -> Vec<(u64, i64)> {
    let mut fields = Fields::of(bytes, body);
    let Some((version, _)) = fields.version_flags() else { return Vec::new() };
    let count = fields.u32().map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let mut edits = Vec::new();
    for _ in 0..count.min(ENTRIES_MAX) {
        let Some(duration) = fields.word(version) else { break };
        let media_time = if version == 0 {
            fields.u32().map(|time| i64::from(time.cast_signed()))
        } else {
            fields.u64().map(u64::cast_signed)
        };
        let Some(media_time) = media_time else { break };
        fields.skip(4);
        edits.push((duration, media_time));
    }
    edits
}

fn listed_samples(bytes: &[u8], stbl: &Atoms) -> u64 {
    let count = |kind: [u8; 4], skip: usize| {
        stbl.of_kind(kind).map(move |atom| {
            let mut fields = Fields::of(bytes, &atom.body);
            fields.skip(skip);
            fields.u32().map_or(0, u64::from)
        })
    };
    // Version and flags come before the count; `stsz` has a common size between.
    let tables = count(*b"stts", 4).chain(count(*b"stsc", 4)).chain(count(*b"stco", 4)).chain(count(*b"co64", 4));
    tables.chain(count(*b"stsz", 8)).sum()
}

fn entry(bytes: &[u8], trak: &Range<usize>, handler: [u8; 4]) -> Option<Entry> {
    let stsd = descend(bytes, trak, &[*b"mdia", *b"minf", *b"stbl", *b"stsd"])?;
    let entries = walk(bytes, (stsd.start + 8).min(stsd.end)..stsd.end);
    let first = entries.list.first()?;
    Some(entry::read(bytes, first.kind, &first.body, handler))
}

fn extends(bytes: &[u8], body: &Range<usize>) -> Option<Defaults> {
    let mut fields = Fields::of(bytes, body);
    fields.version_flags()?;
    let track_id = fields.u32()?;
    fields.u32()?;
    Some(Defaults { track_id, duration: fields.u32()?, size: fields.u32()?, flags: fields.u32()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_tracks_and_brands_are_looked_at_and_not_one_more() {
        let boxed = |kind: &[u8; 4], body: &[u8]| {
            let size = u32::try_from(8 + body.len()).unwrap();
            [&size.to_be_bytes()[..], kind, body].concat()
        };
        for (told, read) in [(ENTRIES_MAX, ENTRIES_MAX), (ENTRIES_MAX + 1, ENTRIES_MAX)] {
            // The major brand and its version stand before the compatible ones.
            let ftyp = boxed(b"ftyp", &[&b"iso6\0\0\0\0"[..], &b"cmfc".repeat(told - 1)].concat());
            let moov = boxed(b"moov", &boxed(b"trak", b"").repeat(told));
            let init = Init::read(&[ftyp, moov].concat());
            assert_eq!((init.tracks.len(), init.brands.len()), (read, read), "{told}");
        }
    }
}
