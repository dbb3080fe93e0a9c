//! Fills the pinned encoders of a plan with the settings of their plugins' manifests.

use vidstream_media::{
    Plan, Track,
    plan::{Encoder, VideoTrack},
};
use vidstream_plugins::{Knobs, Plugin, Registry};

use crate::protocol::{EncoderChoice, Encoders, Failure};

/// Fills in the settings of all tracks. The plan must pin what the probe was offered.
pub(crate) fn fill(plan: &mut Plan, plugins: &Registry, encoders: &Encoders) -> Result<(), Failure> {
    let gop_frames = plan.timeline.gop_frames;
    for track in plan.rungs.iter_mut().chain(plan.trick.as_mut()) {
        let plugin = pinned(plugins, encoders.of(track.track), &track.encoder)?;
        let knobs = knobs(track, gop_frames, track.track == Track::Trick);
        track.encoder.settings = plugin.settings(&knobs);
    }
    if let Some(track) = &mut plan.audio {
        let plugin = pinned(plugins, encoders.of(Track::Audio), &track.encoder)?;
        let knobs = Knobs { cap_bps: track.bitrate_bps, target_bps: track.bitrate_bps, gop_frames, ..Knobs::default() };
        track.encoder.settings = plugin.settings(&knobs);
    }
    Ok(())
}

fn knobs(track: &VideoTrack, gop_frames: u32, intra: bool) -> Knobs {
    let VideoTrack { cap_bps, target_bps, buffer_ms, .. } = *track;
    Knobs { cap_bps, target_bps, buffer_ms, gop_frames, intra, ..Knobs::default() }
}

/// The plugin that was offered and that a track pins.
fn pinned<'a>(plugins: &'a Registry, offered: &EncoderChoice, found: &Encoder) -> Result<&'a Plugin, Failure> {
    let Encoder { plugin, version, codec, .. } = found;
    if [plugin, version, codec] != [&offered.plugin, &offered.version, &offered.codec] {
        let detail = format!("{:?}", [plugin, version, codec]);
        return Err(Failure::retryable("worker_protocol", "the plan pins another encoder than was offered", detail));
    }
    plugins.get(plugin).ok_or_else(|| Failure::retryable("plugin_missing", "a chosen plugin is gone", plugin))
}
