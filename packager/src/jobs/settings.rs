//! Fills the pinned encoders of a plan with the settings of their plugins' manifests.

use vidstream_media::{Plan, plan::VideoTrack};
use vidstream_plugins::{Knobs, Plugin, Registry};

use crate::protocol::{EncoderChoice, Failure};

/// Fills in the settings of all tracks. The plan must pin what the probe was offered.
pub(crate) fn fill(
    plan: &mut Plan,
    plugins: &Registry,
    video: &EncoderChoice,
    audio: &EncoderChoice,
) -> Result<(), Failure> {
    let gop_frames = plan.timeline.gop_frames;
    let video_plugin = offered(plugins, video)?;
    for (tracks, intra) in [(plan.rungs.iter_mut().collect::<Vec<_>>(), false), (plan.trick.iter_mut().collect(), true)]
    {
        for track in tracks {
            let found = &track.encoder;
            check(video, [&found.plugin, &found.version, &found.codec])?;
            let knobs = knobs(track, gop_frames, intra);
            track.encoder.settings = video_plugin.settings(&knobs);
        }
    }
    if let Some(track) = &mut plan.audio {
        let found = &track.encoder;
        check(audio, [&found.plugin, &found.version, &found.codec])?;
        let knobs = Knobs { cap_bps: track.bitrate_bps, target_bps: track.bitrate_bps, gop_frames, ..Knobs::default() };
        track.encoder.settings = offered(plugins, audio)?.settings(&knobs);
    }
    Ok(())
}

fn knobs(track: &VideoTrack, gop_frames: u32, intra: bool) -> Knobs {
    let VideoTrack { cap_bps, target_bps, buffer_ms, .. } = *track;
    Knobs { cap_bps, target_bps, buffer_ms, gop_frames, intra, ..Knobs::default() }
}

fn offered<'a>(plugins: &'a Registry, choice: &EncoderChoice) -> Result<&'a Plugin, Failure> {
    plugins
        .get(&choice.plugin)
        .ok_or_else(|| Failure::retryable("plugin_missing", "a chosen plugin is gone", &choice.plugin))
}

fn check(offered: &EncoderChoice, found: [&String; 3]) -> Result<(), Failure> {
    if found == [&offered.plugin, &offered.version, &offered.codec] {
        Ok(())
    } else {
        Err(Failure::retryable(
            "worker_protocol",
            "the plan pins another encoder than was offered",
            format!("{found:?}"),
        ))
    }
}
