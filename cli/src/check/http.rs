//! One request at a time to a server, as a player makes them; what comes is never decoded.

use std::{error::Error as _, path::Path, time::Duration};

use futures_util::StreamExt;
use reqwest::{StatusCode, Url, header};
use vidstream_media::check::{Answer, Ask};

use crate::{
    client,
    exit::{Code, Failure},
};

/// A body that has not come whole by then is as good as missing; longer than an origin may hold a request.
const FETCH_WAIT_MAX: Duration = Duration::from_secs(30);

/// How often one thing is asked for while a server answers 503 and when to come back, as players do: what a video in the
/// making lists may take a busy machine longer than an origin holds a request.
const ASKS_MAX: u32 = 4;
/// A server that sends away for longer is not asked again.
const RETRY_AFTER_S_MAX: u64 = 10;

pub(super) struct Client {
    http: reqwest::Client,
    has_answered: bool,
}

// === impl Client ===

impl Client {
    /// A client, and the URL to begin at: a last part without a dot is a folder.
    pub(super) fn open(stream: &str, ca_file: Option<&Path>) -> Result<(Self, String), Failure> {
        let usage = |error: String| Failure::new(Code::Usage, format!("{stream} is no URL: {error}"));
        let mut url = Url::parse(stream).map_err(|error| usage(error.to_string()))?;
        url.set_fragment(None);
        let last = url.path_segments().and_then(|mut parts| parts.next_back().map(str::to_owned)).unwrap_or_default();
        if !last.is_empty() && !last.contains('.') {
            let folder = format!("{}/", url.path());
            url.set_path(&folder);
        }
        let http = client::builder(stream, ca_file)?.timeout(FETCH_WAIT_MAX).build();
        let http = http.map_err(|error| Failure::new(Code::Software, format!("no HTTP client: {error}")))?;
        Ok((Self { http, has_answered: false }, url.into()))
    }

    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    pub(super) async fn fetch(&mut self, ask: &Ask) -> Result<Answer, String> {
        for _ in 1..ASKS_MAX {
            match self.once(ask).await? {
                (_, Some(wait)) => tokio::time::sleep(wait).await,
                (answer, None) => return Ok(answer),
            }
        }
        self.once(ask).await.map(|(answer, _)| answer)
    }

    /// One answer, and if it is to be asked for again, after which time.
    async fn once(&mut self, ask: &Ask) -> Result<(Answer, Option<Duration>), String> {
        let coding = if ask.gzip { "gzip" } else { "identity" };
        let mut request = self.http.get(&ask.place.url).header(header::ACCEPT_ENCODING, coding);
        if let Some((offset, bytes)) = ask.place.range {
            let last = offset.saturating_add(bytes).saturating_sub(1);
            request = request.header(header::RANGE, format!("bytes={offset}-{last}"));
        }
        let response = request.send().await.map_err(|error| sentence(&error))?;
        self.has_answered = true;
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut answer = Answer {
            status: response.status().as_u16(),
            url: Some(response.url().to_string()).filter(|url| *url != ask.place.url),
            content_type: text(header::CONTENT_TYPE),
            content_encoding: text(header::CONTENT_ENCODING),
            cache_control: text(header::CACHE_CONTROL),
            body: Vec::new(),
        };
        let wait = wait(response.status(), text(header::RETRY_AFTER).as_deref());
        let mut body = response.bytes_stream();
        while let Some(piece) = body.next().await {
            answer.body.extend_from_slice(&piece.map_err(|error| sentence(&error))?);
            if u64::try_from(answer.body.len()).unwrap_or(u64::MAX) > ask.bytes_max {
                return Err(format!("it has more than {} bytes", ask.bytes_max));
            }
        }
        Ok((answer, wait))
    }
}

/// After which time a server that sends away wants to be asked again, if that is soon.
fn wait(status: StatusCode, retry_after: Option<&str>) -> Option<Duration> {
    let seconds = retry_after?.parse::<u64>().ok().filter(|seconds| *seconds <= RETRY_AFTER_S_MAX)?;
    (status == StatusCode::SERVICE_UNAVAILABLE).then_some(Duration::from_secs(seconds))
}

/// What went wrong, with its cause, without the URL: that is told beside it.
fn sentence(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("it did not come within {} s", FETCH_WAIT_MAX.as_secs());
    }
    let mut deepest: &dyn std::error::Error = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    if error.source().is_none() { "the request failed".to_owned() } else { deepest.to_string() }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use vidstream_media::check::{Crawl, Transport};

    use super::*;

    /// Answers one request with so many bytes.
    async fn serve(listener: &TcpListener, bytes: usize) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n");
        stream.write_all(&[head.into_bytes(), vec![b'x'; bytes]].concat()).await.unwrap();
    }

    #[tokio::test]
    async fn a_body_may_be_as_long_as_was_asked_for_and_not_a_byte_longer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a.m3u8", listener.local_addr().unwrap());
        let Ok((mut client, url)) = Client::open(&url, None) else { panic!("no client") };
        let mut ask = Crawl::new(&url, Transport::Http).next().unwrap();
        ask.bytes_max = 1000;
        for (bytes, expected) in [(1000, Ok(1000)), (1001, Err("it has more than 1000 bytes".to_owned()))] {
            let (answer, ()) = tokio::join!(client.fetch(&ask), serve(&listener, bytes));
            assert_eq!(answer.map(|answer| answer.body.len()), expected);
        }
    }

    /// Sends so many requests away, and answers the next.
    async fn send_away(listener: &TcpListener, times: u32) {
        for _ in 0..times {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let status = "503 Service Unavailable\r\nretry-after: 0";
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
        }
        serve(listener, 1).await;
        std::future::pending::<()>().await;
    }

    #[tokio::test]
    async fn a_server_that_sends_away_is_asked_so_often_and_not_once_more() {
        for (times, status) in [(ASKS_MAX - 1, 200), (ASKS_MAX, 503)] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/a.m3u8", listener.local_addr().unwrap());
            let Ok((mut client, url)) = Client::open(&url, None) else { panic!("no client") };
            let ask = Crawl::new(&url, Transport::Http).next().unwrap();
            tokio::select! {
                answer = client.fetch(&ask) => assert_eq!(answer.unwrap().status, status),
                () = send_away(&listener, times) => {}
            }
        }
    }

    #[test]
    fn only_who_sends_away_for_a_moment_is_asked_again() {
        let busy = StatusCode::SERVICE_UNAVAILABLE;
        let most = RETRY_AFTER_S_MAX.to_string();
        let longer = (RETRY_AFTER_S_MAX + 1).to_string();
        assert_eq!(wait(busy, Some(&most)), Some(Duration::from_secs(RETRY_AFTER_S_MAX)));
        for (status, retry_after) in
            [(busy, Some(longer.as_str())), (busy, Some("soon")), (busy, None), (StatusCode::NOT_FOUND, Some("1"))]
        {
            assert_eq!(wait(status, retry_after), None, "{status} {retry_after:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_waited_for_for_half_a_minute() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a.m3u8", silent.local_addr().unwrap());
        let Ok((mut client, url)) = Client::open(&url, None) else { panic!("no client") };
        let ask = Crawl::new(&url, Transport::Http).next().unwrap();
        // A clock that stands still goes on to the next bound, that of connecting, if that takes a moment.
        let accepting = async {
            let held = silent.accept().await.unwrap();
            tokio::time::pause();
            (held, tokio::time::Instant::now())
        };
        let (answer, (_held, began)) = tokio::join!(client.fetch(&ask), accepting);
        let waited = began.elapsed();
        assert_eq!(answer.err().as_deref(), Some("it did not come within 30 s"));
        assert!(FETCH_WAIT_MAX.abs_diff(waited) < Duration::from_secs(2), "{waited:?}");
        assert!(!client.has_answered());
    }
}
