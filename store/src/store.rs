//! The handle on the object store: one of the adapters, chosen by the scheme of a URL.

use std::{
    io,
    ops::Range,
    path::Path,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use vidstream_media::VideoId;

use crate::{
    Error, Key,
    bucket::{self, Bucket},
    error::without_user,
    local::{self, Local},
};

/// A handle on the object store, cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Adapter);

#[derive(Clone, Debug)]
enum Adapter {
    Local(Local),
    Bucket(Bucket),
}

/// What a store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing is written, and no folder made: reading is all that must be possible.
    Read,
    /// Everything.
    Write,
}

/// An object being written. Dropping it before it is finished discards it.
#[derive(Debug)]
pub struct Writer(Writing);

#[derive(Debug)]
enum Writing {
    Local(local::Writer),
    Bucket(Box<bucket::Upload>),
}

/// A reader of an object that may still be written, by this process or another.
#[derive(Debug)]
pub struct Growing(Reading);

#[derive(Debug)]
enum Reading {
    Local(local::Growing),
    Bucket(bucket::Growing),
}

// === impl Store ===

impl Store {
    /// As [`Store::open_with`], without settings: for folders and memory.
    pub fn open(url: &str) -> BoxFuture<'_, Result<Self, Error>> {
        Self::open_with(url, std::iter::empty(), Access::Write)
    }

    /// Opens the store at a URL: `file:///DIRECTORY`, `s3://BUCKET/PREFIX` with the `AWS_*` variables
    /// among these, or `memory://`, which is gone with the process. A folder is made for who
    /// writes; a bucket must be there, and its server is asked to prove that it keeps the contract, as far as the access
    /// needs it.
    ///
    /// # Errors
    /// [`Error::Url`] and [`Error::Settings`] when something else must be configured,
    /// [`Error::Unavailable`] when the server does not do its part.
    pub fn open_with(
        url: &str,
        variables: impl Iterator<Item = (String, String)>,
        access: Access,
    ) -> BoxFuture<'_, Result<Self, Error>> {
        let variables: Vec<_> = variables.collect();
        Box::pin(async move {
            let adapter = match url.split_once("://") {
                Some(("file", directory)) if directory.starts_with('/') => {
                    Adapter::Local(Local::open(Path::new(directory), access).await?)
                }
                Some(("memory", "")) => Adapter::Bucket(Bucket::in_memory()),
                Some(("s3", place)) => Adapter::Bucket(Bucket::on_s3(place, variables.into_iter(), access).await?),
                _ => return Err(Error::Url { url: without_user(url) }),
            };
            Ok(Self(adapter))
        })
    }

    /// Stores a whole object; it is durable and visible when this returns.
    pub fn put<'a>(&'a self, key: &'a Key, bytes: Bytes) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let mut writer = self.writer(key).await?;
            writer.write(bytes).await?;
            writer.finish().await?;
            Ok(())
        })
    }

    /// Starts an object; it becomes visible when the writer is finished, and is discarded if it is dropped.
    pub fn writer<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Writer, Error>> {
        Box::pin(async move {
            Ok(Writer(match &self.0 {
                Adapter::Local(local) => Writing::Local(local.writer(key).await?),
                Adapter::Bucket(bucket) => Writing::Bucket(Box::new(bucket.upload(key))),
            }))
        })
    }

    /// Lets a file that lies elsewhere stand for an object, without copying it. It must not change while
    /// it does. Only a store of local files can; others give [`Error::Io`].
    pub fn link<'a>(&'a self, key: &'a Key, file: &'a Path) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.link(key, file).await,
                Adapter::Bucket(_) => Err(Error::from_io(key.path(), std::io::ErrorKind::Unsupported.into())),
            }
        })
    }

    /// The whole object.
    pub fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Bytes, Error>> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.get(key).await,
                Adapter::Bucket(bucket) => bucket.get(&key.path()).await,
            }
        })
    }

    /// Exactly the bytes of `range`, or [`Error::Range`].
    pub fn range<'a>(&'a self, key: &'a Key, range: Range<u64>) -> BoxFuture<'a, Result<Bytes, Error>> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.range(key, range).await,
                Adapter::Bucket(bucket) => bucket.range(&key.path(), range).await,
            }
        })
    }

    /// The size of an object in bytes.
    pub fn size<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.size(key).await,
                Adapter::Bucket(bucket) => bucket.size(&key.path()).await,
            }
        })
    }

    /// Opens an object that may still be written. [`Error::NotFound`] until its first byte is.
    pub fn growing<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Growing, Error>> {
        Box::pin(async move {
            Ok(Growing(match &self.0 {
                Adapter::Local(local) => Reading::Local(local.growing(key).await?),
                Adapter::Bucket(bucket) => Reading::Bucket(bucket.growing(key).await?),
            }))
        })
    }

    /// Deletes one object; one that is not there is no error.
    pub fn delete<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.delete(key).await,
                Adapter::Bucket(bucket) => bucket.delete(&key.path()).await,
            }
        })
    }

    /// Deletes everything of a video, staged objects included; nothing there is no error.
    pub fn delete_video(&self, id: VideoId) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.delete_video(id).await,
                Adapter::Bucket(bucket) => bucket.delete_video(id).await,
            }
        })
    }

    /// The videos of which anything is there, in no order; what has another name is passed over.
    pub fn list_videos(&self) -> BoxFuture<'_, Result<Vec<VideoId>, Error>> {
        Box::pin(async move {
            let names = match &self.0 {
                Adapter::Local(local) => local.list_folders().await,
                Adapter::Bucket(bucket) => bucket.list_folders().await,
            };
            Ok(names?.iter().filter_map(|name| name.parse().ok()).collect())
        })
    }

    /// The paths and sizes in bytes of all objects of a video, staged ones included, in no order.
    pub fn list_video(&self, id: VideoId) -> BoxFuture<'_, Result<Vec<(String, u64)>, Error>> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.list_video(id).await,
                Adapter::Bucket(bucket) => bucket.list_video(id).await,
            }
        })
    }

    /// When an object that [`Store::list_video`] named was last written, by the clock of its server.
    pub fn modified_listed<'a>(&'a self, id: VideoId, listed: &'a str) -> BoxFuture<'a, Result<SystemTime, Error>> {
        Box::pin(async move {
            check_inside(id, listed)?;
            match &self.0 {
                Adapter::Local(local) => local.modified(listed).await,
                Adapter::Bucket(bucket) => bucket.modified(listed).await,
            }
        })
    }

    /// Deletes an object that [`Store::list_video`] named and no key in use names.
    pub fn delete_listed<'a>(&'a self, id: VideoId, listed: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            check_inside(id, listed)?;
            match &self.0 {
                Adapter::Local(local) => local.delete_listed(listed).await,
                Adapter::Bucket(bucket) => bucket.delete(listed).await,
            }
        })
    }

    /// Whether the store can be reached at all and takes what it is given, so that what just failed has a reason of its
    /// own.
    pub fn answers(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(_) => true,
                Adapter::Bucket(bucket) => bucket.answers().await,
            }
        })
    }

    /// Whether the store can be reached, as far as reading tells: it costs one small request, and may be asked often.
    pub fn is_reachable(&self) -> BoxFuture<'_, bool> {
        Box::pin(async move {
            match &self.0 {
                Adapter::Local(local) => local.is_reachable().await,
                Adapter::Bucket(bucket) => bucket.is_reachable().await,
            }
        })
    }

    /// The end of a sentence that says why an object cannot be read, if that is at fault and neither the store nor who
    /// reads: a bad sector, a folder where a file should be, a refusal of this one object. Who reads many may go on with the
    /// next one.
    ///
    /// # Errors
    /// The error itself, if it says nothing of the object.
    pub fn unreadable(&self, error: Error) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async move {
            let Error::Io { source, .. } = &error else { return Err(error) };
            let is_of_object = match &self.0 {
                Adapter::Local(_) => local::is_of_medium(source),
                Adapter::Bucket(_) => source.kind() != io::ErrorKind::NotConnected,
            };
            let text = format!("cannot be read: {source}");
            if is_of_object && self.is_reachable().await { Ok(text) } else { Err(error) }
        })
    }

    /// How often it is reasonable to look whether something has changed.
    pub fn look_every(&self) -> Duration {
        match &self.0 {
            Adapter::Local(_) => local::LOOK_EVERY,
            Adapter::Bucket(_) => bucket::LOOK_EVERY,
        }
    }

    /// How many bytes a reader of one place after another had better take at once, because each read is
    /// a request over a network; `None` where short reads cost nothing.
    pub fn stride_bytes(&self) -> Option<u32> {
        match &self.0 {
            Adapter::Local(_) => None,
            Adapter::Bucket(_) => Some(bucket::STRIDE_BYTES),
        }
    }
}

/// Refuses a path that is not below a video.
fn check_inside(id: VideoId, listed: &str) -> Result<(), Error> {
    let inside = listed
        .strip_prefix(&format!("{id}/"))
        .is_some_and(|rest| !rest.split('/').any(|part| part == ".." || part.is_empty()));
    if inside { Ok(()) } else { Err(Error::NotFound { path: listed.to_owned() }) }
}

// === impl Writer ===

impl Writer {
    /// Bytes given so far.
    pub fn bytes(&self) -> u64 {
        match &self.0 {
            Writing::Local(writer) => writer.bytes(),
            Writing::Bucket(upload) => upload.bytes(),
        }
    }

    /// Says before the first write how many bytes are to come: what is known to be small is kept in less memory.
    pub fn expect(&mut self, bytes: u64) {
        match &mut self.0 {
            Writing::Local(_) => {}
            Writing::Bucket(upload) => upload.expect(bytes),
        }
    }

    /// Appends bytes; they are gathered and go on in larger pieces.
    pub fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match &mut self.0 {
                Writing::Local(writer) => writer.write(bytes).await,
                Writing::Bucket(upload) => upload.write(bytes).await,
            }
        })
    }

    /// Shows readers of a growing object what was given so far, up to a small rest of a long one.
    pub fn flush(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match &mut self.0 {
                Writing::Local(writer) => writer.flush().await,
                Writing::Bucket(upload) => upload.flush().await,
            }
        })
    }

    /// Makes the object durable and visible; gives its size in bytes.
    ///
    /// # Errors
    /// [`Error::Exists`] where an object is that may not be replaced.
    pub fn finish(self) -> BoxFuture<'static, Result<u64, Error>> {
        Box::pin(async move {
            match self.0 {
                Writing::Local(writer) => writer.finish().await,
                Writing::Bucket(upload) => upload.finish().await,
            }
        })
    }

    /// Gives the object up. Unlike after a drop, its room is free when this returns.
    pub fn discard(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            match self.0 {
                Writing::Local(writer) => drop(writer),
                Writing::Bucket(upload) => upload.discard().await,
            }
        })
    }
}

// === impl Growing ===

impl Growing {
    /// How many bytes are there now.
    pub fn len(&self) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move {
            match &self.0 {
                Reading::Local(growing) => growing.len().await,
                Reading::Bucket(growing) => growing.len().await,
            }
        })
    }

    /// Whether no byte is there yet.
    pub fn is_empty(&self) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move { Ok(self.len().await? == 0) })
    }

    /// What is there now from `offset`, at most `length` bytes; empty when nothing is.
    pub fn read(&self, offset: u64, length: usize) -> BoxFuture<'_, Result<Bytes, Error>> {
        Box::pin(async move {
            match &self.0 {
                Reading::Local(growing) => growing.read(offset, length).await,
                Reading::Bucket(growing) => growing.read(offset, length).await,
            }
        })
    }
}
