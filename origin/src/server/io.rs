//! A socket that gives up on readers who do not read.
//!
//! hyper has no write timeout. A response to a client that takes nothing would keep its bytes for as
//! long as the client likes; here a blocked reader must take a minimum of bytes in each window.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::activity::Activity;
use crate::limits::WRITE_PROGRESS_BYTES_MIN;

/// A stream whose writes fail with `TimedOut` when the other end takes too little for too long.
pub(super) struct Patient<S> {
    stream: S,
    activity: Arc<Activity>,
    window: Duration,
    /// Runs from the first write that was not taken whole.
    blocked: Option<Pin<Box<Sleep>>>,
    taken_bytes: u64,
}

// === impl Patient ===

impl<S> Patient<S> {
    pub(super) fn new(stream: S, window: Duration, activity: Arc<Activity>) -> Self {
        Self { stream, activity, window, blocked: None, taken_bytes: 0 }
    }

    /// Judges the outcome of a write of `offered` bytes.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        wrote: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(taken)) => {
                self.taken_bytes = self.taken_bytes.saturating_add(taken as u64);
                self.activity.wrote(taken == offered);
                if taken == offered {
                    self.blocked = None;
                }
                Poll::Ready(Ok(taken))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.check_window(cx))?;
                Poll::Pending
            }
        }
    }

    /// Pending while the reader may go on; an error once it took too little.
    fn check_window(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let window = self.window;
        if self.blocked.is_none() {
            self.taken_bytes = 0;
        }
        let timer = self.blocked.get_or_insert_with(|| Box::pin(sleep(window)));
        while timer.as_mut().poll(cx).is_ready() {
            if self.taken_bytes < WRITE_PROGRESS_BYTES_MIN {
                metrics::counter!("vidstream_slow_readers_total").increment(1);
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the reader took too little for too long",
                )));
            }
            self.taken_bytes = 0;
            timer.as_mut().reset(Instant::now() + window);
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, bytes.len(), wrote)
    }

    // Forwarded with `is_write_vectored`: without them hyper copies each body into one buffer.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let offered = slices.iter().map(|slice| slice.len()).sum();
        self.judge(cx, offered, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_given_up() {
        let (near, _far) = duplex(1_024);
        let mut patient = Patient::new(near, WINDOW, Arc::default());
        let began = Instant::now();
        let error = patient.write_all(&[0; 4_096]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), WINDOW.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_is_not_enough_but_a_slow_reader_is() {
        for (step_bytes, served) in [(16, false), (8_192, true)] {
            let (near, mut far) = duplex(1_024);
            let reading = tokio::spawn(async move {
                let mut buffer = vec![0; step_bytes];
                while far.read_exact(&mut buffer).await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            });
            let mut patient = Patient::new(near, WINDOW, Arc::default());
            let written = patient.write_all(&vec![0; 512 << 10]).await;
            assert_eq!(written.is_ok(), served, "{step_bytes}");
            drop(patient);
            reading.await.unwrap();
        }
    }
    #[tokio::test(start_paused = true)]
    async fn so_many_bytes_in_a_window_are_enough_and_one_less_is_not() {
        let enough = usize::try_from(WRITE_PROGRESS_BYTES_MIN).unwrap();
        for (read_bytes, served) in [(enough, true), (enough - 1, false)] {
            let (near, mut far) = duplex(1_024);
            let reading = tokio::spawn(async move {
                sleep(WINDOW.saturating_sub(Duration::from_millis(1))).await;
                let mut buffer = vec![0; read_bytes];
                far.read_exact(&mut buffer).await.unwrap();
                // Into the next window.
                sleep(Duration::from_secs(1)).await;
                far.read_to_end(&mut buffer).await.map(|_| ())
            });
            let mut patient = Patient::new(near, WINDOW, Arc::default());
            let written = patient.write_all(&vec![0; enough + 4_096]).await;
            assert_eq!(written.is_ok(), served, "{read_bytes}");
            drop(patient);
            reading.await.unwrap().unwrap();
        }
    }
}
