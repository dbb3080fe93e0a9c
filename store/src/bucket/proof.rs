//! What a server must do before anything is entrusted to it, tried out with one small object.

use std::{
    slice,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use object_store::{
    Error as Cause, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    aws::AwsCredentialProvider, path::Path,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Bucket, Large, PART, RECORD,
    patience::{START_WAIT_MAX, patiently},
    refusal::{is_elsewhere, is_full, is_skewed, sentence},
};
use crate::{Access, Error};

/// What is stored and read back.
const BYTES: &[u8] = b"vidstream";
/// Where it lies meanwhile, each proof under a name of its own.
const FOLDER: &str = "proof";
/// How long all of it may take.
const PROOF_WAIT_MAX: Duration = Duration::from_secs(20);
/// What lies there for longer is of a process that was killed, whatever its clock.
const LEFT_AFTER: Duration = Duration::from_hours(1);

/// Gets keys, if there are to be any, and looks; for who writes also creates, reads and deletes, and tries to
/// create a second time, at once and in parts.
pub(super) async fn prove(
    bucket: &Bucket,
    keys: Option<&AwsCredentialProvider>,
    access: Access,
    url: &str,
) -> Result<(), Error> {
    let silent = || Error::Unavailable {
        bucket: url.to_owned(),
        reason: format!("its server has not done what was asked within {PROOF_WAIT_MAX:?}"),
    };
    let proven = timeout(PROOF_WAIT_MAX, async {
        has_keys(keys, url).await?;
        try_out(bucket, access, url).await
    });
    proven.await.map_err(|_| silent())?
}

/// Keys that are not in the environment come from the machine, if it has any.
async fn has_keys(keys: Option<&AwsCredentialProvider>, url: &str) -> Result<(), Error> {
    let Some(keys) = keys else { return Ok(()) };
    let found = patiently(START_WAIT_MAX, || keys.get_credential()).await;
    let reason = |error: &Cause| {
        let said = sentence(error);
        format!(
            "there is no AWS_ACCESS_KEY_ID with its AWS_SECRET_ACCESS_KEY, in a variable or a file, and this machine has no role: {said}"
        )
    };
    found.map(|_| ()).map_err(|error| Error::Settings { bucket: url.to_owned(), reason: reason(&error) })
}

async fn try_out(bucket: &Bucket, access: Access, url: &str) -> Result<(), Error> {
    let path = format!("{FOLDER}/{}", Uuid::now_v7());
    let (folder, place) = (bucket.place(FOLDER), bucket.place(&path));
    let fails = |error: Cause| of_cause(&error, url);
    // Nothing is there, and who may not read is told so. Some servers make a bucket when something is put
    // into it, so it is looked at before.
    match patiently(START_WAIT_MAX, || bucket.objects.get(&place)).await {
        Ok(_) | Err(Cause::NotFound { .. }) => {}
        Err(error) => return Err(fails(error)),
    }
    let there = patiently(START_WAIT_MAX, || bucket.list_once(&folder)).await.map_err(fails)?;
    if access == Access::Read {
        return Ok(());
    }
    let proven = creates_once(bucket, &path, url).await;
    let removed = patiently(START_WAIT_MAX, || bucket.objects.delete(&place)).await;
    match proven {
        // Nothing can be tried out then, and what is there can be played.
        Err(Error::Full { .. }) => tracing::warn!(url, "the bucket is full: it takes no uploads and no films"),
        proven => proven?,
    }
    removed.map_err(fails)?;
    forget_left(bucket, there).await;
    Ok(())
}

/// Deletes what earlier proofs left behind; what cannot be deleted now is found by the next one.
async fn forget_left(bucket: &Bucket, there: Vec<ObjectMeta>) {
    let now = SystemTime::now();
    let is_left = |meta: &ObjectMeta| now.duration_since(meta.last_modified.into()).is_ok_and(|age| age > LEFT_AFTER);
    let left: Vec<Path> = there.into_iter().filter(is_left).map(|meta| meta.location).collect();
    if let Err(error) = patiently(START_WAIT_MAX, || bucket.delete_all(&left)).await {
        let error = sentence(&error);
        tracing::warn!(error, "what an earlier start tried out is left behind");
    }
}

async fn creates_once(bucket: &Bucket, path: &str, url: &str) -> Result<(), Error> {
    let place = &bucket.place(path);
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
        && !refuses_parts(bucket, large, path).await.map_err(fails)?
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
async fn refuses_parts(bucket: &Bucket, large: &Large, path: &str) -> Result<bool, Cause> {
    let place = &bucket.place(path);
    let id = patiently(START_WAIT_MAX, || large.parts.create_multipart(place)).await?;
    let record = bucket.place(&format!("{path}{PART}/{RECORD}{FOLDER}"));
    let tried = async {
        patiently(START_WAIT_MAX, || bucket.objects.put(&record, id.clone().into())).await?;
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
    let aborted = patiently(START_WAIT_MAX, || large.parts.abort_multipart(place, &id)).await;
    let forgotten = patiently(START_WAIT_MAX, || bucket.delete_all(slice::from_ref(&record))).await;
    match aborted.and(forgotten) {
        Err(error) if matches!(tried, Ok(true)) => Err(error),
        _ => tried,
    }
}

/// What a failure means for whoever starts the program.
fn of_cause(error: &Cause, url: &str) -> Error {
    let bucket = url.to_owned();
    match error {
        error if is_full(error) => Error::Full { path: bucket },
        error if is_elsewhere(error) => Error::Settings {
            bucket,
            reason: format!(
                "it is not in the region that AWS_REGION names, or not at this server: {}",
                sentence(error)
            ),
        },
        error if is_skewed(error) => Error::Settings {
            bucket,
            reason: format!("the clock of this machine is not that of its server: {}", sentence(error)),
        },
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
