//! Movie fragments (§8.8) as packets.

use mp4_atom::{Atom, Tfdt, Tfhd, Trex, Trun};

use super::{Error, PACKET_BYTES_MAX, PACKETS_MAX, Track, boxes};
use crate::source::Packet;

/// `sample_is_non_sync_sample` of sample flags (§8.8.3.1).
const FLAG_NON_SYNC: u32 = 0x0001_0000;

/// What `trex` says about samples of which `tfhd` says nothing, and where the next fragment begins
/// if it has no `tfdt`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Defaults {
    pub(super) duration: u32,
    pub(super) bytes: u32,
    pub(super) flags: u32,
    pub(super) next_tick: i64,
}

/// One `traf`, its defaults resolved.
struct Run {
    defaults: Defaults,
    tick: i64,
    offset: u64,
}

// === impl Defaults ===

impl From<&Trex> for Defaults {
    fn from(trex: &Trex) -> Self {
        Self {
            duration: trex.default_sample_duration,
            bytes: trex.default_sample_size,
            flags: trex.default_sample_flags,
            next_tick: 0,
        }
    }
}

/// Adds the packets of a `moof` that lies at `moof_offset`.
pub(super) fn add(tracks: &mut [Track], moof: &[u8], moof_offset: u64) -> Result<(), Error> {
    // Without a base, data follows the data of the traf before; the first begins at the moof (§8.8.7.1).
    let mut data_end = moof_offset;
    for (kind, traf) in boxes::children(moof) {
        if kind != *b"traf" {
            continue;
        }
        let Some(head) = boxes::leaf::<Tfhd>(traf) else { continue };
        let Some(track) = tracks.iter_mut().find(|track| track.id == head.track_id) else { continue };
        let base = match head.base_data_offset {
            Some(base) => base,
            None if head.default_base_is_moof => moof_offset,
            None => data_end,
        };
        let decode_time = boxes::leaf::<Tfdt>(traf).map(|tfdt| tfdt.base_media_decode_time);
        let mut run = Run {
            defaults: Defaults {
                duration: head.default_sample_duration.unwrap_or(track.defaults.duration),
                bytes: head.default_sample_size.unwrap_or(track.defaults.bytes),
                flags: head.default_sample_flags.unwrap_or(track.defaults.flags),
                next_tick: 0,
            },
            tick: decode_time.map_or(track.defaults.next_tick, |ticks| i64::try_from(ticks).unwrap_or(i64::MAX)),
            offset: base,
        };
        for (kind, body) in boxes::children(traf) {
            if kind == *b"trun"
                && let Some(trun) = boxes::decode::<Trun>(body)
            {
                run.add(track, &trun, base)?;
            }
        }
        track.defaults.next_tick = run.tick;
        data_end = run.offset;
    }
    Ok(())
}

// === impl Run ===

impl Run {
    fn add(&mut self, track: &mut Track, trun: &Trun, base: u64) -> Result<(), Error> {
        if let Some(shift) = trun.data_offset {
            self.offset = base.saturating_add_signed(i64::from(shift));
        }
        if track.packets.len().saturating_add(trun.samples.len()) > PACKETS_MAX {
            return Err(Error::TooManyPackets);
        }
        for sample in &trun.samples {
            let bytes = sample.size.unwrap_or(self.defaults.bytes);
            let duration = sample.duration.unwrap_or(self.defaults.duration);
            let flags = sample.flags.unwrap_or(self.defaults.flags);
            let tick = self.tick.saturating_add(sample.cts.unwrap_or(0));
            if (1..=PACKET_BYTES_MAX).contains(&bytes) {
                track.packets.push(Packet {
                    offset: self.offset,
                    bytes,
                    sync: track.media == super::Media::Audio || flags & FLAG_NON_SYNC == 0,
                    pts_ns: track.clock.presented_ns(tick),
                    duration_ns: track.clock.duration_ns(u64::from(duration)),
                });
            }
            self.tick = self.tick.saturating_add(i64::from(duration));
            self.offset = self.offset.saturating_add(u64::from(bytes));
        }
        Ok(())
    }
}

/// Reads the `trex` of each track from the content of `mvex`.
pub(super) fn defaults(mvex: &[u8]) -> Vec<Trex> {
    let kind: boxes::Kind = Trex::KIND.into();
    boxes::children(mvex).filter(|(found, _)| *found == kind).filter_map(|(_, body)| boxes::decode(body)).collect()
}
