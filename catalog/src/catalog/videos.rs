//! Uploads, edits and deletion.

use futures_util::future::BoxFuture;
use vidstream_media::VideoId;

use super::Catalog;
use crate::{Deletion, Edit, NewUpload, Result, Video, sql};

impl Catalog {
    /// Creates the video of an upload that begins: state `uploading`, held for
    /// [`crate::limits::LEASE_MS`], with a probe job that can be claimed at once.
    ///
    /// # Errors
    /// `Conflict` when the id was used before, `Invalid` when the title is too long.
    pub fn create_upload(&self, new: NewUpload) -> BoxFuture<'_, Result<Video>> {
        self.database.write(move |tx| sql::uploads::create(tx, &new))
    }

    /// Holds an upload for another [`crate::limits::LEASE_MS`].
    ///
    /// # Errors
    /// `NotFound` when it expired or was abandoned, `Conflict` when the video is not uploading any
    /// more (its probe may have failed already): the upload ends.
    pub fn renew_upload(&self, id: VideoId) -> BoxFuture<'_, Result<()>> {
        self.database.write(move |tx| sql::uploads::renew(tx, id, None))
    }

    /// Holds an upload until a time: for paused, resumable uploads that may go on much later.
    ///
    /// # Errors
    /// As [`Self::renew_upload`].
    pub fn hold_upload(&self, id: VideoId, until_ms: i64) -> BoxFuture<'_, Result<()>> {
        self.database.write(move |tx| sql::uploads::renew(tx, id, Some(until_ms)))
    }

    /// Says that all bytes of the source are durable, and their SHA-256 in lower-case hexadecimal, if it
    /// is known. From here on the upload is never lost. Saying the same again is harmless, and a video that failed
    /// meanwhile stays so.
    ///
    /// # Errors
    /// `NotFound` when the upload expired or was abandoned (the caller removes what it stored),
    /// `Conflict` when the video is being deleted, or was finished with another size or digest.
    pub fn finish_upload(&self, id: VideoId, bytes: u64, sha256: Option<String>) -> BoxFuture<'_, Result<Video>> {
        self.database.write(move |tx| sql::uploads::finish(tx, id, bytes, sha256.as_deref()))
    }

    /// Forgets an unfinished upload: its row and jobs are gone, and a `delete` job removes what was
    /// stored. An upload that is gone already is no error.
    ///
    /// # Errors
    /// `Conflict` when the upload was finished.
    pub fn abandon_upload(&self, id: VideoId) -> BoxFuture<'_, Result<()>> {
        self.database.write(move |tx| sql::uploads::abandon(tx, id))
    }

    /// Changes a video; if a `row_version` is given, only that version of it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it is being deleted, `Invalid` when the title is too long, or `meta` would be too long
    /// or have a name that is none, `Changed` when it has another `row_version`.
    pub fn edit(&self, id: VideoId, edit: Edit, row_version: Option<u64>) -> BoxFuture<'_, Result<Video>> {
        self.database.write(move |tx| sql::videos::edit(tx, id, &edit, row_version))
    }

    /// Begins to remove a video: not played from now on, its jobs cancelled, a `delete` job queued.
    pub fn delete(&self, id: VideoId) -> BoxFuture<'_, Result<Deletion>> {
        self.database.write(move |tx| sql::videos::delete(tx, id))
    }

    /// Makes a failed or ready video again, as a new generation, if it still is of this one: of another one the caller
    /// knows nothing.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` in any other state or generation, or when its upload was never finished.
    pub fn retry(&self, id: VideoId, generation: u32) -> BoxFuture<'_, Result<Video>> {
        self.database.write(move |tx| sql::videos::retry(tx, id, generation))
    }
}
