//! Following a video of this process to its end: a bar on a terminal, lines elsewhere.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, State, Step, Video};
use vidstream_media::VideoId;

use crate::{
    add::print,
    exit::{Code, Failure},
};

/// How often the catalog is asked; it is in this process.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// Without a terminal, one line each time this share more is made.
const LINE_EVERY_PERCENT: f64 = 10.0;

/// Gives the video once it is ready.
///
/// # Errors
/// The reason of a failed video, as a negative verdict; or that `stop` came first.
pub(super) async fn until_made(catalog: &Catalog, id: VideoId, stop: &CancellationToken) -> anyhow::Result<Video> {
    let lines = !std::io::stderr().is_terminal();
    let bar = if lines { ProgressBar::hidden() } else { ProgressBar::new(100) };
    let style = ProgressStyle::with_template("{prefix} [{bar:32}] {percent} % {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    let mut next_line_percent = LINE_EVERY_PERCENT;
    loop {
        let Some(video) = catalog.video(id).await? else {
            return Err(Failure::new(Code::Software, "the video is gone").into());
        };
        match video.state {
            State::Ready => {
                bar.finish_and_clear();
                return Ok(video);
            }
            State::Failed => {
                bar.finish_and_clear();
                return Err(refused(&video).into());
            }
            _ => {}
        }
        let percent = video.progress.percent;
        bar.set_prefix(step(video.progress.step));
        bar.set_position(whole(percent));
        bar.set_message(video.progress.eta_s.map_or(String::new(), |eta| format!("about {eta} s left")));
        if lines && percent >= next_line_percent {
            print(&format!("packaging {percent:.0} %\n"));
            next_line_percent = (percent / LINE_EVERY_PERCENT).floor() * LINE_EVERY_PERCENT + LINE_EVERY_PERCENT;
        }
        tokio::select! {
            () = tokio::time::sleep(POLL_EVERY) => {}
            () = stop.cancelled() => {
                bar.finish_and_clear();
                return Err(Failure::new(Code::Verdict, "interrupted; nothing was left behind").into());
            }
        }
    }
}

fn step(step: Step) -> &'static str {
    match step {
        Step::Upload | Step::Probe => "scanning ",
        Step::Transcode => "packaging",
        Step::Finalize | Step::Done => "checking ",
    }
}

fn refused(video: &Video) -> Failure {
    let reason = video.error.as_ref().map_or_else(
        || "it cannot be packaged, and no reason is known".to_owned(),
        |error| format!("{}: {} ({})", error.title, error.detail, error.code),
    );
    Failure::new(Code::Verdict, reason)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=100")]
fn whole(percent: f64) -> u64 {
    percent.clamp(0.0, 100.0) as u64
}
