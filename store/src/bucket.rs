//! The store in a bucket: of an S3-compatible server, or in memory.
//!
//! Objects have the names that they have as files, so a folder and a bucket can be copied onto each
//! other. What is not complete lies beside its place, under `PATH.part/`: copies of a source for those
//! who scan it while it uploads, and records of uploads in parts, so that deleting a video leaves
//! nothing of them behind, whoever died when.

use std::{
    fmt,
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    Attribute, Error as Cause, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload,
    memory::InMemory, multipart::MultipartStore, path::Path,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use vidstream_media::VideoId;

use crate::{Access, Error, Key};

mod copies;
mod gathered;
mod growing;
mod open;
mod parts;
mod patience;
mod proof;
mod refusal;
mod upload;

pub(crate) use growing::Growing;
pub(crate) use refusal::{is_full, is_passing, sentence};
pub(crate) use upload::Upload;

use patience::{ANSWER_WAIT_MAX, patiently};

/// How often it is reasonable to ask a server whether something has changed.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a server may take to say that it is there.
const LOOK_WAIT_MAX: Duration = Duration::from_secs(5);
/// The object that is written and deleted to see whether it is; always the same one, so that no more are left behind.
const LOOK: &str = "proof-answers";
/// What a reader of one place after another takes at once: a request costs as long as some 100 KiB.
pub(crate) const STRIDE_BYTES: u32 = 2 << 20;
/// Longer ranges are read in pieces of this size: one request must end in the time that it has.
const PIECE_BYTES: u64 = 8 << 20;
/// Pieces of a range that are on their way at once.
const PIECES_MAX: usize = 4;
/// A deletion looks this often whether something came while it ran.
const DELETE_PASSES_MAX: usize = 4;
/// Follows the name of an object that is not complete.
const PART: &str = ".part";
/// How the record of an upload in parts is called; its content is the server's id of the upload.
const RECORD: &str = "multipart-";

/// A bucket and the place in it.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    objects: Arc<dyn ObjectStore>,
    /// The same for requests that carry bytes, whose time is bounded by how many and not by the client.
    carrying: Arc<dyn ObjectStore>,
    /// How large objects are stored; absent where none is too large for one request.
    large: Option<Large>,
    prefix: Path,
}

/// Uploads in parts.
#[derive(Clone)]
struct Large {
    parts: Arc<dyn MultipartStore>,
    /// The same for parts themselves, as of the bucket.
    carrying: Arc<dyn MultipartStore>,
    /// Completes an upload only where no object is yet.
    creating: Arc<dyn MultipartStore>,
    sizes: parts::Sizes,
    /// Room for what is on its way, whatever object it is of.
    sending: Arc<Semaphore>,
}

// === impl Large ===

impl Large {
    /// Waits until there is room for one thing more on its way.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.sending).acquire_owned().await.ok()
    }
}

impl fmt::Debug for Large {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Large").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

// === impl Bucket ===

impl Bucket {
    /// A bucket in memory, gone with its last handle.
    pub(crate) fn in_memory() -> Self {
        let objects = Arc::new(InMemory::new());
        Self { objects: Arc::clone(&objects) as _, carrying: objects, large: None, prefix: Path::default() }
    }

    /// A bucket of a server, once that has proved itself.
    pub(crate) async fn on_s3(
        place: &str,
        variables: impl Iterator<Item = (String, String)>,
        access: Access,
    ) -> Result<Self, Error> {
        open::s3(place, variables, access).await
    }

    /// Starts an object.
    pub(crate) fn upload(&self, key: &Key) -> Upload {
        Upload::new(self.clone(), key)
    }

    /// Opens an object that may still be written.
    pub(crate) async fn growing(&self, key: &Key) -> Result<Growing, Error> {
        Growing::open(self.clone(), key.path()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, Error> {
        let size = self.size(path).await?;
        self.range(path, 0..size).await
    }

    pub(crate) async fn range(&self, path: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let short = || Error::Range { path: path.to_owned(), start: range.start, end: range.end };
        let Some(length) = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok()) else {
            return Err(short());
        };
        if length as u64 <= PIECE_BYTES && length > 0 {
            return self.piece(path, range.clone()).await?.ok_or_else(short);
        }
        // Checked before memory is set aside: an index that does not fit its object asks for nothing.
        if self.size(path).await? < range.end {
            return Err(short());
        }
        let starts = (range.start..range.end).step_by(usize::try_from(PIECE_BYTES).unwrap_or(usize::MAX));
        let pieces = starts.map(|start| self.piece(path, start..range.end.min(start.saturating_add(PIECE_BYTES))));
        let mut pieces = stream::iter(pieces).buffered(PIECES_MAX);
        let mut bytes = BytesMut::with_capacity(length);
        while let Some(piece) = pieces.try_next().await? {
            bytes.extend_from_slice(&piece.ok_or_else(short)?);
        }
        Ok(bytes.freeze())
    }

    /// Some bytes in one request; `None` if the object is shorter.
    async fn piece(&self, path: &str, range: Range<u64>) -> Result<Option<Bytes>, Error> {
        let place = self.place(path);
        let length = range.end.saturating_sub(range.start);
        let cut = || Cause::Generic { store: "S3", source: format!("not all of {length} bytes came").into() };
        let read = patiently(ANSWER_WAIT_MAX, || async {
            let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
            let read = async { self.objects.get_opts(&place, options).await?.bytes().await };
            match read.await {
                Ok(bytes) if bytes.len() as u64 == length => Ok(Some(bytes)),
                Err(error @ Cause::NotFound { .. }) => Err(error),
                // To what is beyond the end servers answer with what there is, or with an error of their own; else the
                // answer was cut on its way.
                answer => {
                    if self.head(&place).await?.size < range.end {
                        Ok(None)
                    } else {
                        Err(answer.err().unwrap_or_else(cut))
                    }
                }
            }
        });
        read.await.map_err(|error| Error::from_bucket(path, error))
    }

    pub(crate) async fn size(&self, path: &str) -> Result<u64, Error> {
        let place = self.place(path);
        let head = patiently(ANSWER_WAIT_MAX, || self.head(&place)).await;
        Ok(head.map_err(|error| Error::from_bucket(path, error))?.size)
    }

    pub(crate) async fn modified(&self, path: &str) -> Result<SystemTime, Error> {
        let place = self.place(path);
        let head = patiently(ANSWER_WAIT_MAX, || self.head(&place)).await;
        Ok(head.map_err(|error| Error::from_bucket(path, error))?.last_modified.into())
    }

    /// Deletes one object, with what an upload in parts has left at the server.
    pub(crate) async fn delete(&self, path: &str) -> Result<(), Error> {
        let place = self.place(path);
        let deleted = patiently(ANSWER_WAIT_MAX, || async {
            self.forget_parts(&place).await?;
            match self.objects.delete(&place).await {
                Err(Cause::NotFound { .. }) => Ok(()),
                other => other,
            }
        });
        deleted.await.map_err(|error| Error::from_bucket(path, error))
    }

    pub(crate) async fn delete_video(&self, id: VideoId) -> Result<(), Error> {
        let path = id.to_string();
        let fails = |error| Error::from_bucket(&path, error);
        for _ in 0..DELETE_PASSES_MAX {
            let listed = self.list(&path).await.map_err(fails)?;
            let places: Vec<Path> = listed.into_iter().map(|meta| meta.location).collect();
            if places.is_empty() {
                return Ok(());
            }
            patiently(ANSWER_WAIT_MAX, || self.delete_all(&places)).await.map_err(fails)?;
        }
        // Somebody still writes; the next attempt finds the rest.
        Err(Error::Io { path, source: std::io::ErrorKind::ResourceBusy.into() })
    }

    pub(crate) async fn list_video(&self, id: VideoId) -> Result<Vec<(String, u64)>, Error> {
        let path = id.to_string();
        let listed = self.list(&path).await.map_err(|error| Error::from_bucket(&path, error))?;
        let named = listed.into_iter().map(|meta| Some((self.path(&meta.location)?, meta.size)));
        Ok(named.flatten().collect())
    }

    /// The first parts of all paths that have several.
    pub(crate) async fn list_folders(&self) -> Result<Vec<String>, Error> {
        let prefix = Some(&self.prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let list = || async { self.objects.list_with_delimiter(prefix).await.map_err(refusal::of_list) };
        let listed = patiently(ANSWER_WAIT_MAX, list).await.map_err(|error| Error::from_bucket("", error))?;
        Ok(listed.common_prefixes.iter().filter_map(|folder| self.path(folder)).collect())
    }

    /// Whether the server does at this moment what it is asked. A bucket may be read and take nothing.
    pub(crate) async fn answers(&self) -> bool {
        let place = self.place(LOOK);
        let look = async {
            self.objects.put(&place, PutPayload::from_static(LOOK.as_bytes())).await?;
            self.list_once(&place).await?;
            self.objects.delete(&place).await
        };
        matches!(timeout(LOOK_WAIT_MAX, look).await, Ok(Ok(())))
    }

    /// Whether the server says at this moment of an object whether it is there.
    pub(crate) async fn is_reachable(&self) -> bool {
        let place = self.place(LOOK);
        let look = timeout(LOOK_WAIT_MAX, self.head(&place));
        matches!(look.await, Ok(Ok(_) | Err(Cause::NotFound { .. })))
    }

    /// All objects under a path, as under a folder.
    async fn list(&self, path: &str) -> Result<Vec<ObjectMeta>, Cause> {
        self.list_after(path, None).await
    }

    /// Those of them whose path comes after another one.
    async fn list_after(&self, path: &str, after: Option<&str>) -> Result<Vec<ObjectMeta>, Cause> {
        let (folder, after) = (self.place(path), after.map(|after| self.place(after)));
        let list = || async {
            match &after {
                Some(after) => {
                    self.objects.list_with_offset(Some(&folder), after).try_collect().await.map_err(refusal::of_list)
                }
                None => self.list_once(&folder).await,
            }
        };
        patiently(ANSWER_WAIT_MAX, list).await
    }

    async fn list_once(&self, folder: &Path) -> Result<Vec<ObjectMeta>, Cause> {
        self.objects.list(Some(folder)).try_collect().await.map_err(refusal::of_list)
    }

    async fn delete_all(&self, places: &[Path]) -> Result<(), Cause> {
        for place in places {
            self.forget_parts(place).await?;
        }
        let places: Vec<_> = places.iter().cloned().map(Ok).collect();
        let mut deleted = self.objects.delete_stream(stream::iter(places).boxed());
        while let Some(answer) = deleted.next().await {
            match answer {
                Ok(_) | Err(Cause::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// If this is the record of an upload in parts, lets the server forget them.
    async fn forget_parts(&self, place: &Path) -> Result<(), Cause> {
        let Some((of, name)) = place.as_ref().rsplit_once('/') else { return Ok(()) };
        let (Some(of), Some(large), true) = (of.strip_suffix(PART), &self.large, name.starts_with(RECORD)) else {
            return Ok(());
        };
        let Ok(of) = Path::parse(of) else { return Ok(()) };
        let id = match self.objects.get(place).await {
            Err(Cause::NotFound { .. }) => return Ok(()),
            record => String::from_utf8_lossy(&record?.bytes().await?).into_owned(),
        };
        match large.parts.abort_multipart(&of, &id).await {
            // It was completed or forgotten before.
            Err(Cause::NotFound { .. } | Cause::PermissionDenied { .. }) => Ok(()),
            other => other,
        }
    }

    async fn head(&self, place: &Path) -> Result<ObjectMeta, Cause> {
        self.objects.head(place).await
    }

    /// Who wrote an object, as [`upload::Target`] names its writers.
    async fn writer_of(&self, place: &Path) -> Result<Option<String>, Cause> {
        let options = GetOptions { head: true, ..GetOptions::default() };
        let found = self.objects.get_opts(place, options).await?;
        let writer = found.attributes.get(&Attribute::Metadata(upload::WRITER.into()));
        Ok(writer.map(|writer| writer.as_ref().to_owned()))
    }

    /// The name in the bucket of a path in the store.
    fn place(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    /// The path in the store of a name in the bucket.
    fn path(&self, place: &Path) -> Option<String> {
        let parts: Vec<_> = place.prefix_match(&self.prefix)?.map(|part| part.as_ref().to_owned()).collect();
        Some(parts.join("/"))
    }
}
