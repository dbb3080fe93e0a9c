//! Writing an object piece by piece, durable at the end and readable meanwhile.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::blocking;
use crate::Error;

/// Pieces are gathered up to this size before they go to the file: one thread hop costs about 10 µs.
const GATHER_BYTES: usize = 128 << 10;
/// The disk is asked to keep up after each of these, so that finishing a large object is short.
const SYNC_EVERY_BYTES: u64 = 32 << 20;

/// A file being written.
#[derive(Debug)]
pub(crate) struct Writer {
    path: String,
    staged: Staged,
    place: PathBuf,
    replaces: bool,
    gathered: BytesMut,
    written_bytes: u64,
    synced_bytes: u64,
    syncing: Option<JoinHandle<io::Result<()>>>,
}

/// A staged file, emptied and removed when it is dropped before it was renamed into place.
#[derive(Debug)]
struct Staged {
    path: PathBuf,
    file: Arc<fs::File>,
    kept: bool,
}

// === impl Writer ===

impl Writer {
    pub(crate) async fn create(path: String, staging: PathBuf, place: PathBuf, replaces: bool) -> Result<Self, Error> {
        let target = staging.clone();
        let file = blocking(path.clone(), move || {
            if let Some(folder) = target.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::File::create(target)
        });
        let staged = Staged { path: staging, file: Arc::new(file.await?), kept: false };
        let gathered = BytesMut::new();
        Ok(Self { path, staged, place, replaces, gathered, written_bytes: 0, synced_bytes: 0, syncing: None })
    }

    /// Bytes given so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.written_bytes + self.gathered.len() as u64
    }

    /// Appends bytes; they are gathered and reach the file in larger pieces.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.gathered.extend_from_slice(&bytes);
        if self.gathered.len() >= GATHER_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Hands all gathered bytes to the file, where readers of the growing object see them.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        let bytes = self.gathered.split().freeze();
        if bytes.is_empty() {
            return Ok(());
        }
        let (file, length) = (Arc::clone(&self.staged.file), bytes.len() as u64);
        blocking(self.path.clone(), move || (&*file).write_all(&bytes)).await?;
        self.written_bytes += length;
        let idle = self.syncing.as_ref().is_none_or(JoinHandle::is_finished);
        if idle && self.written_bytes - self.synced_bytes >= SYNC_EVERY_BYTES {
            self.join_sync().await?;
            self.synced_bytes = self.written_bytes;
            let file = Arc::clone(&self.staged.file);
            self.syncing = Some(tokio::task::spawn_blocking(move || file.sync_data()));
        }
        Ok(())
    }

    /// Makes the object durable and visible; gives its size in bytes.
    pub(crate) async fn finish(mut self) -> Result<u64, Error> {
        self.flush().await?;
        self.join_sync().await?;
        let Self { path, mut staged, place, replaces, written_bytes, .. } = self;
        // The staged file goes along: if the caller goes away meanwhile, the object is whole all the same.
        blocking(path, move || {
            staged.file.sync_all()?;
            staged.publish(&place, replaces)?;
            // The name is durable once its folder is.
            place.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
        })
        .await?;
        Ok(written_bytes)
    }

    async fn join_sync(&mut self) -> Result<(), Error> {
        let Some(syncing) = self.syncing.take() else {
            return Ok(());
        };
        let synced = syncing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        synced.map_err(|error| Error::from_io(self.path.clone(), error))
    }
}

// === impl Staged ===

impl Staged {
    /// Gives the file its name; refuses with `AlreadyExists` where one is that may not be replaced.
    fn publish(&mut self, place: &Path, replaces: bool) -> io::Result<()> {
        if replaces {
            fs::rename(&self.path, place)?;
            self.kept = true;
            return Ok(());
        }
        // Unlike a rename, a link does not take the place of what is there.
        fs::hard_link(&self.path, place)?;
        self.kept = true;
        fs::remove_file(&self.path)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // Readers of the growing object may have it open for some time yet; its room is needed at once,
        // also to write down that the object was given up.
        let emptied = self.file.set_len(0);
        let removed = fs::remove_file(&self.path);
        for error in [emptied, removed].into_iter().filter_map(Result::err) {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %self.path.display(), %error, "a staged file could not be removed");
            }
        }
    }
}
