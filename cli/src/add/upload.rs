//! Sending the file: one streamed request, a bar with bytes, rate and time left.

use std::{io::IsTerminal, path::Path, time::Duration};

use futures_util::StreamExt;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use tokio_util::io::ReaderStream;

use crate::{
    add::{print, refusal, unreachable},
    exit::{Code, Failure},
};

/// One read of the file; large enough that the system calls do not show.
const READ_BYTES: usize = 256 << 10;
/// Without a terminal, one line each time this share more is sent.
const LINE_EVERY_PERCENT: u64 = 10;

/// Uploads the file and gives the id of the video.
pub(crate) async fn send(
    client: &reqwest::Client,
    server: &str,
    path: &Path,
    title: &str,
    token: Option<&str>,
) -> Result<String, Failure> {
    let no_input =
        |error: std::io::Error| Failure::new(Code::NoInput, format!("cannot read {}: {error}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(no_input)?;
    let meta = file.metadata().await.map_err(no_input)?;
    if !meta.is_file() {
        return Err(Failure::new(Code::NoInput, format!("{} is not a file", path.display())));
    }
    let progress = Progress::new(meta.len());
    let shown = progress.clone();
    let stream = ReaderStream::with_capacity(file, READ_BYTES).inspect(move |piece| {
        if let Ok(bytes) = piece {
            shown.advance(bytes.len() as u64);
        }
    });
    let mut request = client.put(format!("{server}/v1/videos")).query(&[("title", title)]);
    request = request.header("content-length", meta.len()).header("content-type", "application/octet-stream");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let response =
        request.body(reqwest::Body::wrap_stream(stream)).send().await.map_err(|error| unreachable(server, &error))?;
    progress.bar.finish_and_clear();
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let video: serde_json::Value = response.json().await.map_err(|error| unreachable(server, &error))?;
    let id = video.get("id").and_then(serde_json::Value::as_str);
    let id =
        id.ok_or_else(|| Failure::new(Code::Unavailable, format!("{server} does not speak the API of vidstream")))?;
    print(&format!("uploaded {} ({}) as {id}\n", path.display(), HumanBytes(meta.len())));
    Ok(id.to_owned())
}

#[derive(Clone)]
struct Progress {
    bar: ProgressBar,
    lines: bool,
}

// === impl Progress ===

impl Progress {
    fn new(bytes: u64) -> Self {
        let lines = !std::io::stderr().is_terminal();
        let bar = if lines { ProgressBar::hidden() } else { ProgressBar::new(bytes) };
        bar.set_length(bytes);
        let style = ProgressStyle::with_template(
            "uploading [{bar:32}] {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} left",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, lines }
    }

    fn advance(&self, bytes: u64) {
        let total = self.bar.length().unwrap_or(0).max(1);
        let step = |position: u64| position.saturating_mul(100) / total / LINE_EVERY_PERCENT;
        let before = step(self.bar.position());
        self.bar.inc(bytes);
        let after = step(self.bar.position());
        if self.lines && after > before {
            print(&format!("uploading {} %\n", after * LINE_EVERY_PERCENT));
        }
    }
}
