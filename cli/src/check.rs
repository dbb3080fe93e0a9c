//! `vidstream check`: fetches a stream as a player would and prints the verdicts on it.

mod files;
mod http;

use std::{io::IsTerminal, path::Path, time::Duration};

use anyhow::Context;
use indicatif::ProgressBar;
use vidstream_media::check::{Answer, Ask, Crawl, Error, Report, Transport};

use crate::{
    args::Check,
    exit::{Code, Failure},
};

/// Where the bytes of a stream come from.
enum Source {
    Http(http::Client),
    Files(files::Tree),
}

pub(crate) fn run(args: &Check) -> anyhow::Result<Code> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no async runtime")?;
    let report = runtime.block_on(report(&args.stream, args.ca_file.as_deref()))?;
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    crate::add::print(&text);
    Ok(if report.ok { Code::Done } else { Code::Verdict })
}

async fn report(stream: &str, ca_file: Option<&Path>) -> anyhow::Result<Report> {
    let (mut source, url, transport) = open(stream, ca_file)?;
    let mut crawl = Crawl::new(&url, transport);
    let progress = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    progress.enable_steady_tick(Duration::from_millis(200));
    while let Some(ask) = crawl.next() {
        progress.set_message(format!("reading {}", ask.place));
        let answer = source.fetch(&ask).await;
        crawl.answer(ask, answer);
    }
    progress.finish_and_clear();
    match crawl.report() {
        Ok(report) => Ok(report),
        Err(error @ Error::NotAStream(_)) => Err(Failure::new(Code::NoInput, error.to_string()).into()),
        Err(error @ Error::NoDocument(_)) => Err(source.failure(&error).into()),
    }
}

fn open(stream: &str, ca_file: Option<&Path>) -> Result<(Source, String, Transport), Failure> {
    if stream.starts_with("http://") || stream.starts_with("https://") {
        let (client, url) = http::Client::open(stream, ca_file)?;
        return Ok((Source::Http(client), url, Transport::Http));
    }
    let (tree, url) = files::Tree::open(Path::new(stream))?;
    Ok((Source::Files(tree), url, Transport::Files))
}

// === impl Source ===

impl Source {
    async fn fetch(&mut self, ask: &Ask) -> Result<Answer, String> {
        match self {
            Self::Http(client) => client.fetch(ask).await,
            Self::Files(tree) => tree.fetch(ask),
        }
    }

    /// A server that never answered is unavailable; one that did, like a folder, has no such stream.
    fn failure(&self, error: &Error) -> Failure {
        match self {
            Self::Http(client) if !client.has_answered() => Failure::new(Code::Unavailable, error.to_string()),
            _ => Failure::new(Code::NoInput, error.to_string()),
        }
    }
}
