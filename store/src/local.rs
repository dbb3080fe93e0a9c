//! The store on local files: staged beside its place, flushed to the disk, then given its name.

use std::{
    fs, io,
    ops::Range,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use rustix::io::Errno;
use vidstream_media::VideoId;

use crate::{Access, Error, Key};

mod writer;

pub(crate) use writer::Writer;

/// The folder under the root that holds the objects.
const OBJECTS: &str = "objects";
/// What the staged file of a source is called until it is whole; readers of a growing source look there.
const PART: &str = "part";
/// How often it is reasonable to look whether a file has grown.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(25);
/// At most this much is read at once from a growing object.
const GROWING_READ_BYTES_MAX: usize = 8 << 20;

/// What the system says of bytes that a medium has lost, and of what is no file. Others, such as rights that are missing and
/// too many open files, say nothing of the object.
const OF_MEDIUM: [Errno; 6] = [Errno::IO, Errno::ISDIR, Errno::BADMSG, Errno::UCLEAN, Errno::NODATA, Errno::ILSEQ];

/// A folder of objects.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    root: Arc<PathBuf>,
    staged: Arc<AtomicU64>,
}

/// A reader of a file that may still be written, by this process or another.
#[derive(Debug)]
pub(crate) struct Growing {
    file: Arc<fs::File>,
    path: String,
}

// === impl Local ===

impl Local {
    /// Opens the store in a folder, and makes it for who writes.
    pub(crate) async fn open(directory: &Path, access: Access) -> Result<Self, Error> {
        let root = directory.join(OBJECTS);
        if access == Access::Write {
            let made = root.clone();
            blocking(directory.display().to_string(), move || fs::create_dir_all(made)).await?;
        }
        Ok(Self { root: Arc::new(root), staged: Arc::default() })
    }

    /// Whether the folder is there: it may be of a file system that is not.
    pub(crate) async fn is_reachable(&self) -> bool {
        let root = Arc::clone(&self.root);
        blocking(String::new(), move || fs::metadata(root.as_path())).await.is_ok_and(|folder| folder.is_dir())
    }

    /// Starts an object; it becomes visible when the writer is finished, and is discarded if it is dropped.
    pub(crate) async fn writer(&self, key: &Key) -> Result<Writer, Error> {
        let path = key.path();
        let place = self.root.join(&path);
        let staging = match key {
            Key::Source { .. } => place.with_extension(PART),
            _ => place.with_extension(format!(
                "{PART}-{}-{}",
                std::process::id(),
                self.staged.fetch_add(1, Ordering::Relaxed)
            )),
        };
        Writer::create(path, staging, place, key.is_replaceable()).await
    }

    /// Lets a file that lies elsewhere stand for an object, without copying it. It must not change while it does.
    pub(crate) async fn link(&self, key: &Key, file: &Path) -> Result<(), Error> {
        let path = key.path();
        let place = self.root.join(&path);
        let file = file.to_owned();
        let linked = blocking(path, move || {
            place.parent().map_or(Ok(()), fs::create_dir_all)?;
            std::os::unix::fs::symlink(file, place)
        });
        linked.await
    }

    /// The whole object.
    pub(crate) async fn get(&self, key: &Key) -> Result<Bytes, Error> {
        let path = key.path();
        let place = self.root.join(&path);
        blocking(path, move || fs::read(place)).await.map(Bytes::from)
    }

    /// Exactly the bytes of `range`, or [`Error::Range`].
    pub(crate) async fn range(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let path = key.path();
        let place = self.root.join(&path);
        let short = Error::Range { path: path.clone(), start: range.start, end: range.end };
        let Some(length) = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok()) else {
            return Err(short);
        };
        let read = blocking(path, move || {
            let file = fs::File::open(place)?;
            // Checked before memory is set aside: an index that does not fit its object asks for nothing.
            if file.metadata()?.len() < range.end {
                return Ok(None);
            }
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start)?;
            Ok(Some(bytes))
        });
        read.await?.map(Bytes::from).ok_or(short)
    }

    /// The size of an object in bytes.
    pub(crate) async fn size(&self, key: &Key) -> Result<u64, Error> {
        let path = key.path();
        let place = self.root.join(&path);
        blocking(path, move || fs::metadata(place).map(|meta| meta.len())).await
    }

    /// Opens an object that may still be written. [`Error::NotFound`] until its first byte is.
    pub(crate) async fn growing(&self, key: &Key) -> Result<Growing, Error> {
        let path = key.path();
        let place = self.root.join(&path);
        let opened = blocking(path.clone(), move || {
            // The staged file first: if it was renamed in between, its place has it.
            fs::File::open(place.with_extension(PART)).or_else(|_| fs::File::open(&place))
        });
        Ok(Growing { file: Arc::new(opened.await?), path })
    }

    /// Deletes one object; one that is not there is no error.
    pub(crate) async fn delete(&self, key: &Key) -> Result<(), Error> {
        let path = key.path();
        let place = self.root.join(&path);
        blocking(path, move || ignore_missing(fs::remove_file(place))).await
    }

    /// Deletes everything of a video, staged files included; nothing there is no error.
    pub(crate) async fn delete_video(&self, id: VideoId) -> Result<(), Error> {
        let path = id.to_string();
        let place = self.root.join(&path);
        blocking(path, move || ignore_missing(fs::remove_dir_all(place))).await
    }

    /// The names of the folders at the root.
    pub(crate) async fn list_folders(&self) -> Result<Vec<String>, Error> {
        let root = Arc::clone(&self.root);
        let read = move || {
            let names =
                fs::read_dir(root.as_path())?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            names.collect()
        };
        blocking(OBJECTS.to_owned(), read).await
    }

    /// The paths and sizes in bytes of all objects of a video, staged ones included, in no order.
    pub(crate) async fn list_video(&self, id: VideoId) -> Result<Vec<(String, u64)>, Error> {
        let path = id.to_string();
        let root = Arc::clone(&self.root);
        let top = self.root.join(&path);
        blocking(path, move || {
            let mut found = Vec::new();
            let mut folders = vec![top];
            while let Some(folder) = folders.pop() {
                let entries = match fs::read_dir(&folder) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    entries => entries?,
                };
                for entry in entries {
                    let entry = entry?;
                    if entry.file_type()?.is_dir() {
                        folders.push(entry.path());
                        continue;
                    }
                    // Others go on meanwhile: what is gone by now is not there.
                    let meta = match entry.metadata() {
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        meta => meta?,
                    };
                    if let Ok(inside) = entry.path().strip_prefix(root.as_path()) {
                        found.push((inside.to_string_lossy().into_owned(), meta.len()));
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    /// When the file of a path that was listed was last written.
    pub(crate) async fn modified(&self, listed: &str) -> Result<SystemTime, Error> {
        let place = self.root.join(listed);
        blocking(listed.to_owned(), move || fs::symlink_metadata(place)?.modified()).await
    }

    /// Deletes the file of a path that was listed.
    pub(crate) async fn delete_listed(&self, listed: &str) -> Result<(), Error> {
        let place = self.root.join(listed);
        blocking(listed.to_owned(), move || ignore_missing(fs::remove_file(place))).await
    }
}

// === impl Growing ===

impl Growing {
    /// How many bytes are there now.
    pub(crate) async fn len(&self) -> Result<u64, Error> {
        let file = Arc::clone(&self.file);
        blocking(self.path.clone(), move || file.metadata().map(|meta| meta.len())).await
    }

    /// What is there now from `offset`, at most `length` bytes; empty when nothing is.
    pub(crate) async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        let file = Arc::clone(&self.file);
        let length = length.min(GROWING_READ_BYTES_MAX);
        let read = blocking(self.path.clone(), move || {
            let mut bytes = vec![0; length];
            let mut filled = 0;
            while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match file.read_at(rest, offset.saturating_add(filled as u64))? {
                    0 => break,
                    read => filled += read,
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        });
        read.await.map(Bytes::from)
    }
}

/// Runs file work off the async threads and names the path in its error.
pub(crate) async fn blocking<T: Send + 'static>(
    path: String,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| Error::from_io(path, error)),
        Err(error) => Err(Error::Io { path, source: io::Error::other(error) }),
    }
}

/// Whether a read failed because of what lies there.
pub(crate) fn is_of_medium(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| OF_MEDIUM.contains(&errno))
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_medium_has_lost_is_told_from_what_who_reads_lacks() {
        for errno in OF_MEDIUM {
            assert!(is_of_medium(&errno.into()), "{errno}");
        }
        for errno in [Errno::ACCESS, Errno::PERM, Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::STALE] {
            assert!(!is_of_medium(&errno.into()), "{errno}");
        }
        assert!(!is_of_medium(&io::Error::other("a thread has ended")));
    }
}
