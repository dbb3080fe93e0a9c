//! MP4 and `QuickTime`: which of the streams that a walk over its boxes finds are played. Media stays where it is.

use std::io;

use vidstream_media::source::{
    AudioFacts, Hdr, Packet,
    mp4::{Media, Movie, Track},
};

use super::{
    Scanned, Stream, VideoStream, demux,
    fault::{self, SIDE_MAX},
    picture::{self, Candidate, First},
    source::Source,
};
use crate::{
    encode::autoplug,
    protocol::{Failure, Warning},
};

pub(super) mod walk;

use walk::{BOXES_MAX, File, Walk};

/// Scans an MP4 file.
///
/// # Errors
/// See [`super::run`].
pub(super) fn scan(source: &Source) -> Result<Scanned, Failure> {
    let mut walk = Walk::new(source);
    walk.run(BOXES_MAX)?;
    let bytes = source.end()?;
    let Walk { movie, quicktime, first, .. } = walk;
    let movie = movie.ok_or_else(fault::missing_index)?;
    if video_track(&movie.tracks).is_some_and(|track| track.codec.caps.is_none()) {
        return demux::scan_complete(source);
    }
    finish(source, movie, bytes, Seen { quicktime, first })
}

/// What the walk knows besides the tracks.
#[derive(Clone, Copy)]
struct Seen {
    quicktime: bool,
    first: Option<First>,
}

// === impl Source ===

impl File for Source {
    fn read_at(&self, offset: u64, bytes: u32) -> io::Result<Vec<u8>> {
        self.read(offset, bytes)
    }

    fn passed(&self, offset: u64) -> io::Result<()> {
        self.progress(offset)
    }

    fn first_picture(&self, track: &Track) -> Result<Option<First>, Failure> {
        first_picture(self, track)
    }
}

/// Chooses the streams once all packets are known.
fn finish(source: &Source, mut movie: Movie, bytes: u64, seen: Seen) -> Result<Scanned, Failure> {
    let had_packets = movie.tracks.iter().any(|track| track.media != Media::Other && !track.packets.is_empty());
    let missing: usize = movie.tracks.iter_mut().map(|track| track.truncate(bytes)).sum();
    let mut warnings = Vec::new();
    if missing > 0 {
        let detail = format!(
            "The file ends before the last {missing} pictures and sounds of its index; what is there is played."
        );
        warnings.push(warning("truncated", detail));
    }
    let audio_facts = movie.tracks.iter().filter(|track| track.media == Media::Audio).map(audio_facts).collect();
    let encrypted = movie.tracks.iter().any(|track| track.codec.encrypted && track.media == Media::Video);
    let video = match video_track(&movie.tracks) {
        Some(track) => {
            let first = match seen.first {
                Some(first) => Some(first),
                None => first_picture(source, track)?,
            };
            if let Some(first) = first {
                warnings.extend(lying_header(track, first));
            }
            first.map(|first| (track.id, first))
        }
        None if encrypted => return Err(fault::encrypted()),
        None => None,
    };
    let audio = audio_track(&movie.tracks).map(|track| track.id);
    let lost_sound = movie.tracks.iter().find(|track| track.media == Media::Audio && !track.packets.is_empty());
    if let (None, Some(track)) = (audio, lost_sound) {
        let detail =
            format!("The sound is coded as {}, for which no decoder is installed; it is left out.", track.codec.name);
        warnings.push(warning("audio_unsupported", detail));
    }
    let mut take = |id: u32| {
        let place = movie.tracks.iter().position(|track| track.id == id)?;
        let track = movie.tracks.swap_remove(place);
        if track.edits_simplified {
            let detail = "The file's edit list cuts or changes the speed inside the film; it is played from its first to its last point.";
            warnings.push(warning("edit_list_simplified", detail.to_owned()));
        }
        Some((track.rotation, stream(track)))
    };
    let audio = audio.and_then(&mut take).map(|(_, stream)| stream);
    let video = video.and_then(|(id, picture)| {
        let (rotation, stream) = take(id)?;
        Some(VideoStream { stream, rotation, picture })
    });
    if video.is_none() && audio.is_none() {
        return Err(if had_packets {
            fault::malformed("it ends before its first picture")
        } else {
            fault::no_streams()
        });
    }
    let container = if seen.quicktime { "mov" } else { "mp4" }.to_owned();
    warnings.dedup();
    Ok(Scanned { container, bytes, video, audio, audio_facts, remuxed: false, warnings })
}

/// The pictures to play: enabled before disabled, a film before a still, the larger before the smaller.
fn video_track(tracks: &[Track]) -> Option<&Track> {
    let pictures = tracks
        .iter()
        .filter(|track| track.media == Media::Video && !track.packets.is_empty() && !track.codec.encrypted);
    pictures.max_by_key(|track| {
        let area = u64::from(track.codec.width) * u64::from(track.codec.height);
        let known = track.codec.caps.is_some();
        // The first of equals: max_by_key would take the last.
        (known, track.enabled, track.packets.len() > 1, area, std::cmp::Reverse(track.id))
    })
}

/// The sound to play: the first that can be decoded, enabled before disabled.
fn audio_track(tracks: &[Track]) -> Option<&Track> {
    let sounds = || tracks.iter().filter(|track| track.media == Media::Audio && !track.packets.is_empty());
    let playable = |track: &&Track| {
        let caps = track.codec.caps.as_deref().and_then(|caps| caps.parse::<gst::Caps>().ok());
        caps.is_some_and(|caps| autoplug::decoder_chain(&caps).is_ok())
    };
    let enabled = sounds().filter(|track| track.enabled).find(playable);
    enabled.or_else(|| sounds().find(playable))
}

/// Decodes the first picture of a track; `None` if it has no packets that are there.
fn first_picture(source: &Source, track: &Track) -> Result<Option<First>, Failure> {
    let name = track.codec.name.as_str();
    let caps = track.codec.caps.as_deref().ok_or_else(|| fault::unsupported_codec(name))?;
    let read = |packet: &Packet| Ok(source.read(packet.offset, packet.bytes)?);
    let candidate = Candidate { codec: name, caps, packets: &track.packets };
    let first = picture::first(&candidate, &read)?;
    Ok(Some(First { hdr: resolved_hdr(track.codec.transfer, first.hdr), ..first }))
}

/// What the container says of colours stands above what the pictures say (ISO 14496-12 §12.1.5).
fn resolved_hdr(container: Option<u16>, pictures: Option<Hdr>) -> Option<Hdr> {
    container.map_or(pictures, Hdr::of_transfer)
}

/// Pictures know their size; a header that says an impossible one is only worth a word.
fn lying_header(track: &Track, first: First) -> Option<Warning> {
    let (width, height) = (track.codec.width, track.codec.height);
    let lies = width > SIDE_MAX || height > SIDE_MAX;
    let plausible = first.width <= SIDE_MAX && first.height <= SIDE_MAX;
    let detail = format!(
        "The header of the file says {width}x{height} pixels, its pictures are {}x{}; their own size is used.",
        first.width, first.height
    );
    (lies && plausible).then(|| warning("dimensions_corrected", detail))
}

fn audio_facts(track: &Track) -> AudioFacts {
    AudioFacts {
        codec: track.codec.name.clone(),
        channels: track.codec.channels,
        sample_rate: track.codec.sample_rate,
        language: track.language.clone(),
    }
}

fn stream(track: Track) -> Stream {
    Stream {
        codec: track.codec.name,
        caps: track.codec.caps.unwrap_or_default(),
        packets: track.packets,
        start_ns: track.start_ns,
        end_ns: track.end_ns,
        language: track.language,
        sample_rate: track.codec.sample_rate,
    }
}

fn warning(code: &str, detail: String) -> Warning {
    Warning { code: code.to_owned(), detail, from_s: None, to_s: None }
}

#[cfg(test)]
mod tests {
    use vidstream_media::source::mp4::{MOOF_BYTES_MAX, MOOV_BYTES_MAX};

    use super::*;
    use crate::child::ChildIo;

    /// A file of these bytes, in a folder that is there for as long as it is read.
    fn file(bytes: &[u8]) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("source");
        std::fs::write(&path, bytes).unwrap();
        let (io, _) = ChildIo::local(folder.path(), &path).unwrap();
        (folder, Source::new(io))
    }

    /// The head of a box with so much in it.
    fn head(kind: [u8; 4], content_bytes: u64) -> Vec<u8> {
        let bytes = u32::try_from(8 + content_bytes).unwrap();
        [bytes.to_be_bytes(), kind].concat()
    }

    #[test]
    fn colours_of_the_container_stand_above_those_of_the_pictures() {
        for (container, pictures, hdr) in [
            (None, Some(Hdr::Pq), Some(Hdr::Pq)),
            (Some(1), Some(Hdr::Pq), None),
            (Some(18), Some(Hdr::Pq), Some(Hdr::Hlg)),
            (Some(16), None, Some(Hdr::Pq)),
        ] {
            assert_eq!(resolved_hdr(container, pictures), hdr, "{container:?} {pictures:?}");
        }
    }

    #[test]
    fn an_index_may_be_so_long_and_not_a_byte_longer() {
        // Files that end inside of it: an index that may be as long is missed, another one is not even looked for.
        for (kind, bytes, code) in [
            (*b"moov", MOOV_BYTES_MAX, "missing_index"),
            (*b"moov", MOOV_BYTES_MAX + 1, "malformed"),
            (*b"moof", MOOF_BYTES_MAX, "missing_index"),
            (*b"moof", MOOF_BYTES_MAX + 1, "malformed"),
        ] {
            let (_folder, source) = file(&head(kind, bytes));
            let Err(failure) = scan(&source) else { panic!("{bytes} bytes of nothing were read") };
            assert_eq!(failure.code, code, "{bytes}: {failure:?}");
        }
    }
}
