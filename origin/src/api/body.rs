//! Request bodies: small ones as JSON, and unwanted ones read on so that the client sees its answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
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
pub(crate) fn drain(mut body: Incoming, places: &Arc<Semaphore>) {
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
