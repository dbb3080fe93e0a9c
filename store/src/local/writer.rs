//! Writing an object piece by piece, durable at the end and readable meanwhile.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};
use tokio::task::JoinHandle;

use super::{blocking, ignore_missing};
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
            // A file of its own: whoever left one of this name may still write to it.
            ignore_missing(fs::remove_file(&target))?;
            fs::File::create_new(target)
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
        if !self.is_named(&self.path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let named = if replaces { fs::rename(&self.path, place) } else { name_new(&self.path, place) };
        // Over a network the answer may be lost although the name was given.
        self.kept = named.is_ok() || self.is_named(place);
        if self.kept { Ok(()) } else { named }
    }

    /// Whether that is a name of this very file.
    fn is_named(&self, place: &Path) -> bool {
        let file = |meta: fs::Metadata| (meta.dev(), meta.ino());
        self.file.metadata().map(file).ok().is_some_and(|own| fs::metadata(place).map(file).ok() == Some(own))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let is_staged = self.is_named(&self.path);
        if self.kept || !(is_staged || self.file.metadata().is_ok_and(|meta| meta.nlink() == 0)) {
            return;
        }
        // Readers of the growing object may have it open for some time yet; its room is needed at once,
        // also to write down that the object was given up.
        let emptied = self.file.set_len(0);
        let removed = if is_staged { fs::remove_file(&self.path) } else { Ok(()) };
        for error in [emptied, removed].into_iter().filter_map(Result::err) {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %self.path.display(), %error, "a staged file could not be removed");
            }
        }
    }
}

/// Renames a file where nothing is; unlike [`fs::rename`], it does not take the place of what is there.
fn name_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Not every file system can; all that cannot have links.
        Err(Errno::INVAL | Errno::NOSYS) => name_by_link(from, to),
        renamed => Ok(renamed?),
    }
}

fn name_by_link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_not_given() {
        for name in [name_new, name_by_link] {
            let folder = tempfile::tempdir().unwrap();
            let [first, second, place] = ["first", "second", "place"].map(|name| folder.path().join(name));
            fs::write(&first, "first").unwrap();
            fs::write(&second, "second").unwrap();
            name(&first, &place).unwrap();
            assert_eq!(name(&second, &place).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
            assert!(
                !first.exists() && fs::read(&place).unwrap() == b"first" && fs::read(&second).unwrap() == b"second"
            );
        }
    }

    #[tokio::test]
    async fn a_writer_that_was_displaced_neither_publishes_nor_empties_its_successor() {
        let folder = tempfile::tempdir().unwrap();
        let (staging, place) = (folder.path().join("source.part"), folder.path().join("source"));
        let writer = || Writer::create("source".to_owned(), staging.clone(), place.clone(), false);
        let mut first = writer().await.unwrap();
        first.write(Bytes::from_static(b"first")).await.unwrap();
        first.flush().await.unwrap();
        let mut second = writer().await.unwrap();
        second.write(Bytes::from_static(b"second")).await.unwrap();
        second.flush().await.unwrap();
        assert!(matches!(first.finish().await, Err(Error::NotFound { .. })) && !place.exists());
        second.finish().await.unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"second");
        assert!(!staging.exists());
    }
}
