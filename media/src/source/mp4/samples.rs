//! Sample tables expanded into packets.

use super::{Error, PACKET_BYTES_MAX, PACKETS_MAX, edits::Clock, entry::Packing, tables::Tables};
use crate::source::Packet;

/// Raw audio is cut into packets of at most this many frames, 85 ms at 48 kHz.
const RAW_FRAMES_MAX: u32 = 4096;

/// The packets of an `stbl`, in decode order.
pub(super) fn packets(tables: &Tables, packing: Packing, clock: &Clock) -> Result<Vec<Packet>, Error> {
    match packing {
        Packing::Samples => coded(tables, clock),
        Packing::Frames { bytes } => raw(tables, bytes, clock),
    }
}

/// One packet a sample.
fn coded(tables: &Tables, clock: &Clock) -> Result<Vec<Packet>, Error> {
    let mut sizes = tables.sample_sizes();
    let mut steps = tables.steps();
    let mut shifts = tables.composition_offsets();
    let mut syncs = tables.syncs.as_ref().map(|list| list.iter().peekable());
    let mut packets = Vec::with_capacity(tables.listed());
    let (mut decode_tick, mut number) = (0_i64, 0_u32);
    for (chunk, samples) in tables.chunk_samples() {
        let mut offset = chunk;
        for bytes in sizes.by_ref().take(usize::try_from(samples).unwrap_or(usize::MAX)) {
            number = number.saturating_add(1);
            let step = steps.next().unwrap_or(0);
            let sync = syncs.as_mut().is_none_or(|list| {
                while list.next_if(|at| **at < number).is_some() {}
                list.next_if(|at| **at == number).is_some()
            });
            let tick = decode_tick.saturating_add(shifts.next().unwrap_or(0));
            if (1..=PACKET_BYTES_MAX).contains(&bytes) {
                packets.push(Packet {
                    offset,
                    bytes,
                    sync,
                    pts_ns: clock.presented_ns(tick),
                    duration_ns: clock.duration_ns(u64::from(step)),
                });
            }
            if packets.len() > PACKETS_MAX {
                return Err(Error::TooManyPackets);
            }
            decode_tick = decode_tick.saturating_add(i64::from(step));
            offset = offset.saturating_add(u64::from(bytes));
        }
    }
    Ok(packets)
}

/// Raw audio, where a sample is one frame of all channels: packets of many of them.
fn raw(tables: &Tables, frame_bytes: u32, clock: &Clock) -> Result<Vec<Packet>, Error> {
    let step = i64::from(tables.steps().next().unwrap_or(1));
    let mut packets = Vec::new();
    let mut first_frame = 0_i64;
    for (chunk, frames) in tables.chunk_samples() {
        let mut done = 0;
        while done < frames {
            let take = (frames - done).min(RAW_FRAMES_MAX);
            let tick = first_frame.saturating_add(i64::from(done)).saturating_mul(step);
            packets.push(Packet {
                offset: chunk.saturating_add(u64::from(done) * u64::from(frame_bytes)),
                bytes: take.saturating_mul(frame_bytes),
                sync: true,
                pts_ns: clock.presented_ns(tick),
                duration_ns: clock.duration_ns(u64::from(take).saturating_mul(step.unsigned_abs())),
            });
            if packets.len() > PACKETS_MAX {
                return Err(Error::TooManyPackets);
            }
            done += take;
        }
        first_frame = first_frame.saturating_add(i64::from(frames));
    }
    Ok(packets)
}
