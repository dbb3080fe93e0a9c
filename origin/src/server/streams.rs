//! The streams of one HTTP/2 connection: whether there are any, and whether their reader takes what it asked for.
//!
//! Flow control lets a client ask for a response and then open its window for none of it. Such a
//! stream writes nothing, so the socket does not block and [`super::io`] sees nothing amiss. Bodies
//! are therefore handed over in small pieces, and each piece that is taken is noted here.

use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    Patience,
    limits::{H2_PIECE_BYTES, WRITE_PROGRESS_BYTES_MIN},
    respond::Body,
};

/// What is known of all streams of a connection.
pub(super) struct Streams {
    idle_max: Duration,
    stall_max: Duration,
    state: Mutex<State>,
}

struct State {
    open: HashMap<u64, Option<Window>>,
    next: u64,
    /// When the last stream ended.
    idle_since: Instant,
}

/// A reader must take a minimum of bytes before so long has passed since the beginning.
struct Window {
    since: Instant,
    taken_bytes: u64,
}

/// One stream, from its request to the end of its response.
pub(super) struct Stream {
    streams: Arc<Streams>,
    id: u64,
}

/// The body of a response, in pieces.
pub(super) struct Pieces {
    body: Body,
    rest: Bytes,
    stream: Stream,
}

/// Why a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// There was no stream for long enough.
    Idle,
    /// The reader of a stream takes too little.
    Stalled,
}

// === impl Streams ===

impl Streams {
    pub(super) fn new(patience: Patience) -> Arc<Self> {
        let state = State { open: HashMap::new(), next: 0, idle_since: Instant::now() };
        Arc::new(Self { idle_max: patience.header_read, stall_max: patience.write_stall, state: Mutex::new(state) })
    }

    /// A stream begins.
    pub(super) fn begin(self: &Arc<Self>) -> Stream {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.open.insert(id, None);
        Stream { streams: Arc::clone(self), id }
    }

    /// Ends when the connection should.
    pub(super) async fn ending(&self) -> Reason {
        loop {
            let due = self.due();
            match due {
                Some((at, reason)) if at <= Instant::now() => return reason,
                Some((at, _)) => sleep_until(at).await,
                // All streams are being answered, which others bound. What begins meanwhile is due later than this.
                None => sleep(self.stall_max.min(self.idle_max)).await,
            }
        }
    }

    /// When the connection is to end, if nothing happens until then.
    fn due(&self) -> Option<(Instant, Reason)> {
        let state = self.lock();
        if state.open.is_empty() {
            return Some((state.idle_since + self.idle_max, Reason::Idle));
        }
        let since = state.open.values().flatten().map(|window| window.since).min();
        since.map(|since| (since + self.stall_max, Reason::Stalled))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Stream ===

impl Stream {
    /// The response of this stream.
    pub(super) fn respond(self, body: Body) -> Pieces {
        self.took(0);
        Pieces { body, rest: Bytes::new(), stream: self }
    }

    /// Notes that so many bytes more were taken.
    fn took(&self, bytes: u64) {
        let mut state = self.streams.lock();
        let Some(window) = state.open.get_mut(&self.id) else { return };
        let taken_bytes = window.as_ref().map_or(0, |window| window.taken_bytes).saturating_add(bytes);
        match window {
            Some(window) if taken_bytes < WRITE_PROGRESS_BYTES_MIN => window.taken_bytes = taken_bytes,
            _ => *window = Some(Window { since: Instant::now(), taken_bytes: 0 }),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        state.open.remove(&self.id);
        if state.open.is_empty() {
            state.idle_since = Instant::now();
        }
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.rest.is_empty() {
            let Some(Ok(frame)) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else { return Poll::Ready(None) };
            self.rest = frame.into_data().unwrap_or_default();
        }
        let length = self.rest.len().min(H2_PIECE_BYTES);
        let piece = self.rest.split_to(length);
        self.stream.took(length as u64);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        SizeHint::with_exact(rest + self.body.size_hint().exact().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::body::Body as _;

    use super::*;

    fn streams() -> (Arc<Streams>, Patience) {
        let patience = Patience::default();
        (Streams::new(patience), patience)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_streams_ends() {
        let (streams, patience) = streams();
        let began = Instant::now();
        assert_eq!(streams.ending().await, Reason::Idle);
        assert_eq!(began.elapsed().as_secs(), patience.header_read.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_be_answered_for_long_but_must_then_be_read() {
        let (streams, patience) = streams();
        let began = Instant::now();
        let (answering, slow) = (streams.begin(), streams.begin());
        let watched = Arc::clone(&streams);
        let ending = tokio::spawn(async move { watched.ending().await });
        sleep(patience.write_stall * 5).await;
        assert!(!ending.is_finished());
        let mut body = slow.respond(Bytes::from(vec![7; 1 << 20]).into());
        assert_eq!(body.size_hint().exact(), Some(1 << 20));
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(piece.len(), H2_PIECE_BYTES);
        assert_eq!(body.size_hint().exact(), Some((1 << 20) - H2_PIECE_BYTES as u64));
        assert_eq!(ending.await.unwrap(), Reason::Stalled);
        assert!(began.elapsed() >= patience.write_stall * 6);
        drop((answering, body));
        assert_eq!(streams.ending().await, Reason::Idle);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_goes_on_is_served_whole() {
        let (streams, patience) = streams();
        let watched = Arc::clone(&streams);
        let ending = tokio::spawn(async move { watched.ending().await });
        let mut body = streams.begin().respond(Bytes::from(vec![7; 1 << 20]).into());
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            read += frame.unwrap().into_data().unwrap().len();
            sleep(patience.write_stall / 2).await;
        }
        assert_eq!(read, 1 << 20);
        assert!(body.is_end_stream() && !ending.is_finished());
    }
    #[tokio::test(start_paused = true)]
    async fn so_many_bytes_begin_a_new_window_and_one_less_does_not() {
        for (taken_bytes, windows) in [(WRITE_PROGRESS_BYTES_MIN, 2), (WRITE_PROGRESS_BYTES_MIN - 1, 1)] {
            let (streams, patience) = streams();
            let began = Instant::now();
            let body = streams.begin().respond(Bytes::from(vec![7; 1 << 20]).into());
            let late = patience.write_stall.saturating_sub(Duration::from_secs(1));
            sleep(late).await;
            body.stream.took(taken_bytes);
            assert_eq!(streams.ending().await, Reason::Stalled);
            let expected = if windows == 2 { late + patience.write_stall } else { patience.write_stall };
            assert_eq!(began.elapsed().as_secs(), expected.as_secs(), "{taken_bytes}");
        }
    }
}
