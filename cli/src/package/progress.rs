//! Following a video of this process to its end: a bar on a terminal, lines elsewhere.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, State, Step, Video};
use vidstream_media::VideoId;

use crate::{
    add::print,
    exit::{Code, Failure},
    lines::{Lines, whole},
};

/// How often the catalog is asked; it is in this process.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Gives the video once it is ready.
///
/// # Errors
/// The reason of a failed video, as a negative verdict; or that `stop` came first.
pub(super) async fn until_made(catalog: &Catalog, id: VideoId, stop: &CancellationToken) -> anyhow::Result<Video> {
    let mut lines = (!std::io::stderr().is_terminal()).then(Lines::new);
    let bar = if lines.is_some() { ProgressBar::hidden() } else { ProgressBar::new(100) };
    let style = ProgressStyle::with_template("{prefix} [{bar:32}] {percent} % {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
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
        let percent = whole(video.progress.percent);
        bar.set_prefix(step(video.progress.step));
        bar.set_position(percent);
        bar.set_message(video.progress.eta_s.map_or(String::new(), |eta| format!("about {eta} s left")));
        if let Some(line) = lines.as_mut().and_then(|lines| lines.at(percent)) {
            print(&line);
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
