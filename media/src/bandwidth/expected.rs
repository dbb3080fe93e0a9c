//! The rates of a track before a byte of it is made, from its plan (RFC 8216bis §4.4.6.2 asks for
//! those of representative content).

use super::{Rates, window};
use crate::{
    plan::{Plan, VideoTrack},
    rational::mul_div_ceil,
    track::Track,
};

/// Bytes of a fragment before its samples: `moof` with its constant boxes, and the `mdat` header.
const FRAGMENT_BYTES: u64 = 128;
/// Bytes of a sample in `trun`: duration, size, flags and composition offset.
const SAMPLE_BYTES: u64 = 16;

/// Peak and average as planned; `None` when there is no such track.
pub(super) fn rates(plan: &Plan, track: Track) -> Option<Rates> {
    let container_bps = container_bps(plan, track);
    let coded = match track {
        Track::Audio => {
            let bitrate_bps = u64::from(plan.audio.as_ref()?.bitrate_bps);
            Rates { peak_bps: bitrate_bps, average_bps: bitrate_bps }
        }
        Track::Trick | Track::Rung(_) => {
            let video = plan.video(track)?;
            Rates {
                peak_bps: peak_bps(video, shortest_window_us(plan, track)),
                average_bps: u64::from(video.target_bps),
            }
        }
    };
    let container = Rates { peak_bps: container_bps, average_bps: container_bps };
    Some(coded + container)
}

/// The cap, and two buffers more in the shortest window: the buffer starts anew at the join of two
/// chunks, so that a window over the join can hold both.
fn peak_bps(video: &VideoTrack, window_us: u64) -> u64 {
    let cap_bps = u64::from(video.cap_bps);
    let buffers_us = u64::from(video.buffer_ms) * 2000;
    cap_bps + mul_div_ceil(cap_bps, buffers_us, window_us)
}

fn shortest_window_us(plan: &Plan, track: Track) -> u64 {
    let times = (1..=plan.segments(track)).filter_map(|n| plan.segment_us(track, n));
    let durations: Vec<u64> = times.map(|span| span.end - span.start).collect();
    window::shortest_us(&durations, plan.track_target_duration_s(track))
}

fn container_bps(plan: &Plan, track: Track) -> u64 {
    let timeline = &plan.timeline;
    let (samples, fragments) = match (track, plan.audio_grid()) {
        (Track::Audio, Some(grid)) => (timeline.audio_total(grid), timeline.segments()),
        (Track::Trick, _) => (timeline.tricks(), timeline.tricks()),
        _ => {
            let gop_frames = u64::from(timeline.gop_frames.max(1));
            (timeline.frames, timeline.frames.div_ceil(gop_frames))
        }
    };
    let bytes = samples.saturating_mul(SAMPLE_BYTES) + fragments.saturating_mul(FRAGMENT_BYTES);
    let scaled = u64::from(timeline.timescale) * 8;
    mul_div_ceil(bytes, scaled, timeline.duration_ticks())
}
