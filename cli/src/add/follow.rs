//! Following a video from `queued` to its end.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::{
    add::{print, refusal, unreachable},
    exit::{Code, Failure},
    lines::{Lines, whole},
};

/// How often the state is asked for.
const POLL_EVERY: Duration = Duration::from_millis(300);
/// This many polls in a row may fail, so that a restart of the server is ridden over (15 s).
const FAILED_POLLS_MAX: u32 = 50;

/// The part of the video object that is shown.
#[derive(Deserialize)]
struct Video {
    state: String,
    playable: bool,
    progress: Progress,
    urls: Urls,
    #[serde(default)]
    warnings: Vec<Sentence>,
    error: Option<Sentence>,
}

#[derive(Deserialize)]
struct Progress {
    percent: f64,
    eta_s: Option<f64>,
}

#[derive(Deserialize)]
struct Urls {
    hls: Option<String>,
    dash: Option<String>,
}

#[derive(Deserialize)]
struct Sentence {
    code: String,
    detail: String,
}

/// Shows the progress until the video is ready (0) or has failed (1).
pub(crate) async fn until_ready(client: &reqwest::Client, server: &str, id: &str) -> anyhow::Result<Code> {
    let mut lines = (!std::io::stderr().is_terminal()).then(Lines::new);
    let bar = if lines.is_some() { ProgressBar::hidden() } else { ProgressBar::new(100) };
    let style = ProgressStyle::with_template("packaging [{bar:32}] {percent} % {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    let mut said_playable = false;
    let mut failed_polls = 0;
    loop {
        let video = match poll(client, server, id).await {
            Ok(video) => video,
            Err(failure) if failed_polls == FAILED_POLLS_MAX => return Err(failure.into()),
            Err(_) => {
                failed_polls += 1;
                tokio::time::sleep(POLL_EVERY).await;
                continue;
            }
        };
        failed_polls = 0;
        if video.playable && !said_playable {
            said_playable = true;
            bar.suspend(|| print(&addresses(server, id, &video.urls)));
        }
        let percent = whole(video.progress.percent);
        bar.set_position(percent);
        bar.set_message(video.progress.eta_s.map_or(String::new(), |eta| format!("about {eta:.0} s left")));
        if let Some(line) = lines.as_mut().and_then(|lines| lines.at(percent)) {
            print(&line);
        }
        if let Some((last, code)) = ended(&video) {
            bar.finish_and_clear();
            print(&last);
            return code.map_err(Into::into);
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

async fn poll(client: &reqwest::Client, server: &str, id: &str) -> Result<Video, Failure> {
    let response =
        client.get(format!("{server}/v1/videos/{id}")).send().await.map_err(|error| unreachable(server, &error))?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    response.json().await.map_err(|error| unreachable(server, &error))
}

/// How a video that has ended did so: the last lines, and the code.
fn ended(video: &Video) -> Option<(String, Result<Code, Failure>)> {
    let failed = |sentence: String| Some((String::new(), Err(Failure::new(Code::Verdict, sentence))));
    match video.state.as_str() {
        "ready" => {
            let line = |Sentence { code, detail }: &Sentence| format!("warning: {detail} ({code})\n");
            let warnings: Vec<String> = video.warnings.iter().map(line).collect();
            Some((warnings.concat() + "ready\n", Ok(Code::Done)))
        }
        "failed" => {
            let reason = video
                .error
                .as_ref()
                .map_or("no reason given".to_owned(), |error| format!("{} ({})", error.detail, error.code));
            failed(format!("the video failed: {reason}"))
        }
        "deleting" => failed("the video was deleted".to_owned()),
        _ => None,
    }
}

fn addresses(server: &str, id: &str, urls: &Urls) -> String {
    let line = |name: &str, path: &Option<String>| {
        path.as_ref().map_or(String::new(), |path| format!("  {name:<5} {server}{path}\n"))
    };
    format!("playable:\n{}{}  page  {server}/#/{id}\n", line("HLS", &urls.hls), line("DASH", &urls.dash))
}
