//! `vidstream add`: upload with a progress bar, then follow the packaging to its end.

mod follow;
mod upload;

use std::{io::Write, path::Path};

use anyhow::Context;

use crate::{
    args::Add,
    client,
    exit::{Code, Failure},
};

pub(crate) fn run(args: &Add) -> anyhow::Result<Code> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no async runtime")?;
    runtime.block_on(async {
        let server = args.server.trim_end_matches('/');
        let client = client::builder(server, args.ca_file.as_deref())?.build().context("no HTTP client")?;
        let title = args.title.clone().unwrap_or_else(|| title_of(&args.file));
        let token = token(args.token_file.as_deref())?;
        let video = upload::send(&client, server, &args.file, &title, token.as_deref()).await?;
        follow::until_ready(&client, server, &video).await
    })
}

/// Prints to standard output; a reader that has gone away is no failure.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn title_of(path: &Path) -> String {
    path.file_stem().map_or_else(|| "Untitled".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

fn token(path: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| {
        Failure::new(Code::NoInput, format!("cannot read the token file {}: {error}", path.display()))
    })?;
    Ok(Some(text.trim().to_owned()))
}

/// The sentence of an error answer: `detail` of its problem document, else its status.
pub(crate) async fn refusal(response: reqwest::Response) -> Failure {
    let status = response.status();
    let problem: serde_json::Value = response.json().await.unwrap_or_default();
    let detail = problem.get("detail").or_else(|| problem.get("title")).and_then(serde_json::Value::as_str);
    let sentence = format!("the server refused: {} ({status})", detail.unwrap_or("no reason given"));
    let code = if status.as_u16() == 507 {
        Code::Io
    } else if status.is_server_error() {
        Code::Unavailable
    } else {
        Code::Verdict
    };
    Failure::new(code, sentence)
}

pub(crate) fn unreachable(server: &str, error: &reqwest::Error) -> Failure {
    let reason =
        std::error::Error::source(error).map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    Failure::new(Code::Unavailable, format!("no answer from {server}; is `vidstream serve` running? ({reason})"))
}
