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
const LINE_EVERY_PERCENT: u64 = 10;

/// What is told without a terminal.
struct Lines {
    /// What must be made before the next line.
    next_percent: u64,
}

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

// === impl Lines ===

impl Lines {
    fn new() -> Self {
        Self { next_percent: LINE_EVERY_PERCENT }
    }

    /// The line for so much, if enough came since the last one.
    fn at(&mut self, percent: u64) -> Option<String> {
        if percent < self.next_percent {
            return None;
        }
        self.next_percent = (percent / LINE_EVERY_PERCENT + 1) * LINE_EVERY_PERCENT;
        Some(format!("packaging {percent} %\n"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_with_each_tenth_and_none_twice() {
        let mut lines = Lines::new();
        let made = [0.0, 9.99, 10.0, 19.6, 20.4, 21.0, 55.0, 59.9, 60.0, 100.0, 100.0];
        let told: Vec<String> = made.into_iter().filter_map(|percent| lines.at(whole(percent))).collect();
        assert_eq!(told, [10, 20, 55, 60, 100].map(|percent| format!("packaging {percent} %\n")));
    }
}
