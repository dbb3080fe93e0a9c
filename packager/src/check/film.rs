//! The made-up film as a source: its packet file, and its bytes, made when they are read.

use vidstream_media::{
    Plan,
    rational::mul_div_round,
    source::{
        Packet,
        packets::{PacketFile, SourceTrack, encode_records},
        spans::{Shown, Sound, spans},
    },
};

use super::{
    planned::{AUDIO_GRID, CHANNELS, SIZE},
    scenes, tones,
};
use crate::protocol::Failure;

const SECOND_NS: u64 = 1_000_000_000;

/// A source of raw pictures or raw sound.
pub(super) struct Film {
    /// The packet file.
    pub(super) packets: Vec<u8>,
    /// Bytes of a picture, or of an audio frame.
    pub(super) unit_bytes: u32,
    /// Pictures, or samples of all channels.
    pub(super) units: u64,
    pub(super) is_sound: bool,
}

// === impl Film ===

impl Film {
    /// The source that a plan is made for.
    ///
    /// # Errors
    /// When its packet file cannot be written.
    pub(super) fn of(plan: &Plan) -> Result<Self, Failure> {
        let is_sound = plan.audio.is_some();
        let (packets, unit_bytes, units) = if is_sound {
            let samples = samples(plan);
            let frame = u64::from(AUDIO_GRID.frame_samples);
            let packets = sound_packets(samples, frame);
            (packets, AUDIO_GRID.frame_samples * tones::SAMPLE_BYTES, samples)
        } else {
            let bytes = u32::try_from(scenes::picture_bytes()).unwrap_or(u32::MAX);
            (picture_packets(plan, bytes), bytes, plan.timeline.frames)
        };
        let packets = packet_file(plan, &packets, is_sound)?;
        Ok(Self { packets, unit_bytes, units, is_sound })
    }

    /// Bytes of the source, short at its end.
    pub(super) fn read(&self, offset: u64, bytes: u32) -> Vec<u8> {
        let size = if self.is_sound { u64::from(tones::SAMPLE_BYTES) } else { u64::from(self.unit_bytes) };
        let end = offset.saturating_add(u64::from(bytes)).min(self.units * size);
        let mut read = Vec::new();
        for unit in offset / size..end.div_ceil(size) {
            let whole = if self.is_sound { tones::sample(unit) } else { scenes::picture(unit) };
            let place = |at: u64| usize::try_from(at.saturating_sub(unit * size)).unwrap_or(usize::MAX);
            read.extend_from_slice(whole.get(place(offset)..place(end).min(whole.len())).unwrap_or_default());
        }
        read
    }

    /// Bytes of the whole source.
    pub(super) fn bytes(&self) -> u64 {
        self.units * if self.is_sound { u64::from(tones::SAMPLE_BYTES) } else { u64::from(self.unit_bytes) }
    }
}

fn samples(plan: &Plan) -> u64 {
    let timeline = &plan.timeline;
    let rate = u64::from(AUDIO_GRID.sample_rate) * u64::from(timeline.fps.den);
    mul_div_round(timeline.frames, rate, u64::from(timeline.fps.num))
}

fn picture_packets(plan: &Plan, bytes: u32) -> Vec<Packet> {
    let fps = plan.timeline.fps;
    let time = |frame: u64| mul_div_round(frame, u64::from(fps.den) * SECOND_NS, u64::from(fps.num));
    (0..plan.timeline.frames)
        .map(|frame| packet(frame * u64::from(bytes), bytes, time(frame)..time(frame + 1)))
        .collect()
}

fn sound_packets(samples: u64, frame: u64) -> Vec<Packet> {
    let time = |sample: u64| mul_div_round(sample, SECOND_NS, u64::from(AUDIO_GRID.sample_rate));
    let starts = (0..samples.div_ceil(frame)).map(|n| n * frame);
    let packets = starts.map(|start| {
        let end = (start + frame).min(samples);
        let bytes = u32::try_from(end - start).unwrap_or(0) * tones::SAMPLE_BYTES;
        packet(start * u64::from(tones::SAMPLE_BYTES), bytes, time(start)..time(end))
    });
    packets.collect()
}

fn packet(offset: u64, bytes: u32, time_ns: std::ops::Range<u64>) -> Packet {
    let duration_ns = time_ns.end - time_ns.start;
    Packet { offset, bytes, sync: true, pts_ns: i64::try_from(time_ns.start).unwrap_or(i64::MAX), duration_ns }
}

fn packet_file(plan: &Plan, packets: &[Packet], is_sound: bool) -> Result<Vec<u8>, Failure> {
    let (width, height) = SIZE;
    let timeline = &plan.timeline;
    let caps = if is_sound {
        let rate = AUDIO_GRID.sample_rate;
        format!(
            "audio/x-raw, format=F32LE, layout=interleaved, rate={rate}, channels={CHANNELS}, channel-mask=(bitmask)3"
        )
    } else {
        let fps = timeline.fps;
        format!(
            "video/x-raw, format=I420, width={width}, height={height}, framerate={}/{}, pixel-aspect-ratio=1/1, \
             interlace-mode=progressive, colorimetry=bt709",
            fps.num, fps.den
        )
    };
    let track = SourceTrack { caps, codec: "raw".to_owned(), records: 0..packets.len() as u64 };
    let shown = (!is_sound).then(|| Shown::new(packets));
    let sound = is_sound.then_some(Sound { packets, grid: AUDIO_GRID });
    let mut file = PacketFile {
        video: (!is_sound).then(|| track.clone()),
        audio: is_sound.then_some(track),
        remuxed: false,
        t0_ns: 0,
        t1_ns: packets
            .iter()
            .map(|packet| packet.pts_ns.saturating_add_unsigned(packet.duration_ns))
            .max()
            .unwrap_or(0),
        rotation: 0,
        interlaced: false,
        segments: spans(timeline, 0, shown.as_ref(), sound),
        header_bytes: 0,
    };
    let unwritable = |error| Failure::permanent("packet_index", "the packet index cannot be written", error);
    let mut bytes = file.write_header().map_err(unwritable)?;
    bytes.extend(encode_records(packets));
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_is_a_part_of_the_whole() {
        for is_sound in [false, true] {
            let unit_bytes = if is_sound { 8192 } else { u32::try_from(scenes::picture_bytes()).unwrap() };
            let film = Film { packets: Vec::new(), unit_bytes, units: 3, is_sound };
            let whole = film.read(0, u32::MAX);
            assert_eq!(whole.len() as u64, film.bytes());
            for (offset, bytes) in [(0, 5), (7, 1), (unit_bytes / 2, unit_bytes), (5, u32::MAX)] {
                let start = usize::try_from(offset).unwrap().min(whole.len());
                let end = whole.len().min(start.saturating_add(usize::try_from(bytes).unwrap()));
                assert_eq!(film.read(offset.into(), bytes), whole[start..end], "{offset} {bytes}");
            }
        }
    }
}
