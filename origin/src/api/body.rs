//! Request bodies: small ones as JSON, and unwanted ones read on so that the client sees its answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use tokio::{sync::Semaphore, time::timeout};

use crate::{
    limits::{DRAIN_BYTES_MAX, DRAIN_IDLE_MAX, DRAIN_WAIT_MAX, JSON_BYTES_MAX},
    respond::{Kind, Problem},
};

/// The whole of a small body.
pub(crate) async fn small(body: Incoming, idle_max: Duration) -> Result<Bytes, Problem> {
    let reading = timeout(idle_max, Limited::new(body, JSON_BYTES_MAX).collect());
    match reading.await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Kind::TooLarge.because(format!("the body may have {JSON_BYTES_MAX} bytes")))
        }
        Ok(Err(_)) => Err(Kind::BodyBroken.because("the body did not arrive whole")),
        Err(_) => Err(Kind::BodyTimeout.because("the body did not arrive in time")),
    }
}

/// Reads a body that nobody wants: closing a connection with unread bytes resets it, and the client
/// would lose the answer. Bounded in bytes, in time and by `places`.
pub(crate) fn drain<B>(mut body: B, places: &Arc<Semaphore>)
where
    B: Body<Data = Bytes, Error: Send> + Send + Unpin + 'static,
{
    if body.is_end_stream() {
        return;
    }
    let Ok(place) = Arc::clone(places).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let reading = async {
            let mut left = DRAIN_BYTES_MAX;
            while let Ok(Some(Ok(frame))) = timeout(DRAIN_IDLE_MAX, body.frame()).await {
                left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                if left == 0 {
                    break;
                }
            }
        };
        if timeout(DRAIN_WAIT_MAX, reading).await.is_err() {
            tracing::debug!("an unwanted body did not end in time");
        }
        drop(place);
    });
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures_util::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::{
        task::yield_now,
        time::{Instant, sleep},
    };

    use super::*;

    /// A body that gives a piece after each pause, and counts the bytes that were taken.
    fn pieces(
        count: usize,
        bytes: usize,
        pause: Duration,
    ) -> (impl Body<Data = Bytes, Error = Infallible> + Send + Unpin, Arc<AtomicUsize>) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let next = move |n| {
            let counted = Arc::clone(&counted);
            async move {
                sleep(pause).await;
                counted.fetch_add(if n < count { bytes } else { 0 }, Ordering::Relaxed);
                (n < count).then(|| (Ok(Frame::data(Bytes::from(vec![0; bytes]))), n + 1))
            }
        };
        (StreamBody::new(Box::pin(stream::unfold(0, next))), taken)
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_wants_is_read_within_bounds() {
        let ms = Duration::from_millis;
        let most = usize::try_from(DRAIN_BYTES_MAX).unwrap();
        for (count, bytes, pause, taken_bytes, ends_s) in [
            (3, 1_000, ms(0), 3_000, 0),
            // All that may be read, to the byte, and the piece in which that is exceeded.
            (20, 1 << 20, ms(0), most, 0),
            (20, (1 << 20) + 1, ms(0), most + 16, 0),
            // Five seconds of a trickle; a second of silence.
            (100, 1, ms(990), 5, 5),
            (100, 1, ms(1_010), 0, 1),
        ] {
            let places = Arc::new(Semaphore::new(1));
            let (body, taken) = pieces(count, bytes, pause);
            let began = Instant::now();
            drain(body, &places);
            drop(places.acquire().await.unwrap());
            assert_eq!(
                (taken.load(Ordering::Relaxed), began.elapsed().as_secs()),
                (taken_bytes, ends_s),
                "{bytes} {pause:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_place_nothing_is_read() {
        let places = Arc::new(Semaphore::new(1));
        let (first, taken) = pieces(1, 10, Duration::ZERO);
        let (second, untouched) = pieces(1, 10, Duration::ZERO);
        drain(first, &places);
        drain(second, &places);
        drop(places.acquire().await.unwrap());
        yield_now().await;
        assert_eq!([taken, untouched].map(|taken| taken.load(Ordering::Relaxed)), [10, 0]);
    }
}
