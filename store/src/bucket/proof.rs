//! What a server must do before anything is entrusted to it, tried out with one small object.

use std::error::Error as _;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::{Error as Cause, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};
use uuid::Uuid;

use super::{
    Bucket, Large,
    patience::{START_WAIT_MAX, patiently},
};
use crate::Error;

/// What is stored and read back.
const BYTES: &[u8] = b"vidstream";
/// How much of what a server says is told.
const SAID_CHARS_MAX: usize = 300;

/// Lists, creates, reads and deletes, and tries to create a second time, at once and in parts.
pub(super) async fn prove(bucket: &Bucket, url: &str) -> Result<(), Error> {
    let place = bucket.place(&format!("proof-{}", Uuid::now_v7()));
    let fails = |error: Cause| of_cause(&error, url);
    // Some servers make a bucket when something is put into it, so it is looked at first.
    patiently(START_WAIT_MAX, || async { bucket.objects.list(Some(&place)).try_next().await.map(|_| ()) })
        .await
        .map_err(fails)?;
    let proven = creates_once(bucket, &place, url).await;
    let removed = patiently(START_WAIT_MAX, || bucket.objects.delete(&place)).await;
    proven?;
    removed.map_err(fails)
}

async fn creates_once(bucket: &Bucket, place: &Path, url: &str) -> Result<(), Error> {
    let fails = |error: Cause| of_cause(&error, url);
    let refuses_nothing = |what: &str| Error::Unavailable {
        bucket: url.to_owned(),
        reason: format!("its server overwrites an object that is there, although {what} with If-None-Match: *"),
    };
    let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    let create = || bucket.objects.put_opts(place, PutPayload::from_static(BYTES), options.clone());
    match patiently(START_WAIT_MAX, create).await {
        // An answer that was lost, to the same request: nobody else has this name.
        Ok(_) | Err(Cause::AlreadyExists { .. }) => {}
        Err(error) => return Err(fails(error)),
    }
    match patiently(START_WAIT_MAX, create).await {
        Err(Cause::AlreadyExists { .. }) => {}
        Ok(_) => return Err(refuses_nothing("PutObject came")),
        Err(error) => return Err(fails(error)),
    }
    if let Some(large) = &bucket.large
        && !refuses_parts(large, place).await.map_err(fails)?
    {
        return Err(refuses_nothing("CompleteMultipartUpload came"));
    }
    let read = || bucket.objects.get_range(place, 3..6);
    let read = patiently(START_WAIT_MAX, read).await.map_err(fails)?;
    if read != Bytes::from_static(BYTES).slice(3..6) {
        let reason = "its server gives other bytes of an object than were asked for".to_owned();
        return Err(Error::Unavailable { bucket: url.to_owned(), reason });
    }
    Ok(())
}

/// Whether parts are not made an object where one is.
async fn refuses_parts(large: &Large, place: &Path) -> Result<bool, Cause> {
    let id = patiently(START_WAIT_MAX, || large.parts.create_multipart(place)).await?;
    let tried = async {
        let send = || large.parts.put_part(place, &id, 0, PutPayload::from_static(BYTES));
        let part = patiently(START_WAIT_MAX, send).await?;
        let complete = || large.creating.complete_multipart(place, &id, vec![part.clone()]);
        match patiently(START_WAIT_MAX, complete).await {
            Ok(_) => Ok(false),
            Err(Cause::AlreadyExists { .. } | Cause::Precondition { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    };
    let tried = tried.await;
    match patiently(START_WAIT_MAX, || large.parts.abort_multipart(place, &id)).await {
        Err(error) if matches!(tried, Ok(true)) => Err(error),
        _ => tried,
    }
}

/// What a failure means for whoever starts the program.
fn of_cause(error: &Cause, url: &str) -> Error {
    let bucket = url.to_owned();
    match error {
        Cause::NotFound { .. } => Error::Settings { bucket, reason: "there is no such bucket".to_owned() },
        Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => Error::Settings {
            bucket,
            reason: format!(
                "its server refuses these credentials, of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or their kin: {}",
                sentence(error)
            ),
        },
        error => {
            Error::Unavailable { bucket, reason: format!("its server does not do what is asked: {}", sentence(error)) }
        }
    }
}

/// The innermost cause, on one line of bounded length: the layers above it repeat each other.
pub(super) fn sentence(error: &Cause) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.chars().take(SAID_CHARS_MAX).collect()
}
