//! Copies the objects of videos from one store to another, those that are not there yet.
//!
//! They are held against their checksums on the way. What is damaged where it comes from is not copied: a copy would be
//! taken for whole by whoever compares sizes. What cannot be read there is damaged as well.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    io::IsTerminal,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use vidstream_media::{Presentation, VideoId};
use vidstream_store::{Error, Key, Store};

use super::check::Rows;
use crate::{
    add::print,
    exit::Failure,
    inventory::of_store,
    sums::{self, Passing, READ_BYTES, READS_MAX, Sums},
};

/// Objects of a video that are copied side by side.
const COPIES_MAX: usize = 4;
/// Without a terminal, one line each time so many more videos are copied.
const LINE_EVERY: usize = 100;

/// How much was copied.
#[derive(Debug, Default)]
pub(super) struct Copied {
    objects: u64,
    bytes: u64,
    /// They were there already, with as many bytes.
    present: u64,
    /// A line for each object that is damaged where it comes from.
    damaged: Vec<String>,
}

/// What became of an object.
enum End {
    Copied,
    /// It went away before its first byte was read.
    Gone,
    /// What it is where it comes from.
    Damaged(String),
}

/// Copies all objects of the videos that rows name. What goes away meanwhile belongs to a video that does, or is found missing after.
pub(super) async fn copy(from: &Store, to: &Store, rows: &Rows) -> Result<Copied, Failure> {
    let videos = rows.videos();
    let lines = !std::io::stderr().is_terminal();
    let bar = if lines { ProgressBar::hidden() } else { ProgressBar::new(videos.len() as u64) };
    let style = ProgressStyle::with_template("copying [{bar:32}] {pos} of {len} videos, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    let mut copied = Copied::default();
    for (place, &id) in videos.iter().enumerate() {
        let presentation = rows.presentation(id).await?;
        let copying = copy_video(from, to, id, presentation.as_ref(), &mut copied);
        copying.await.map_err(|error| of_store(&error))?;
        bar.inc(1);
        bar.set_message(copied.to_string());
        if lines && (place + 1) % LINE_EVERY == 0 {
            print(&format!("copied {} of {} videos, {copied}\n", place + 1, videos.len()));
        }
    }
    bar.finish_and_clear();
    Ok(copied)
}

async fn copy_video(
    from: &Store,
    to: &Store,
    id: VideoId,
    presentation: Option<&Presentation>,
    copied: &mut Copied,
) -> Result<(), Error> {
    let known: HashMap<Key, Sums> = presentation.into_iter().flat_map(sums::named).collect();
    let there: BTreeMap<String, u64> = to.list_video(id).await?.into_iter().collect();
    let mut missing = Vec::new();
    for (path, bytes) in from.list_video(id).await? {
        // What no key names is still being written.
        let Some(key) = Key::parse(&path) else { continue };
        if there.get(&path) == Some(&bytes) {
            copied.present += 1;
        } else {
            missing.push((key, bytes));
        }
    }
    let transfers = stream::iter(missing).map(|(key, bytes)| copy_object(from, to, key, bytes, known.get(&key)));
    let done: Vec<(Key, u64, End)> = transfers.buffer_unordered(COPIES_MAX).try_collect().await?;
    for (key, bytes, end) in done {
        match end {
            End::Copied => {
                copied.objects += 1;
                copied.bytes += bytes;
            }
            End::Gone => {}
            End::Damaged(text) => copied.damaged.push(format!("{}: {text}, and is not copied", key.path())),
        }
    }
    Ok(())
}

async fn copy_object(
    from: &Store,
    to: &Store,
    key: Key,
    bytes: u64,
    sums: Option<&Sums>,
) -> Result<(Key, u64, End), Error> {
    let mut end = End::Gone;
    for _ in 0..READS_MAX {
        end = copy_once(from, to, &key, bytes, sums).await?;
        if !matches!(end, End::Damaged(_)) {
            break;
        }
    }
    Ok((key, bytes, end))
}

async fn copy_once(from: &Store, to: &Store, key: &Key, bytes: u64, sums: Option<&Sums>) -> Result<End, Error> {
    let mut writer = to.writer(key).await?;
    writer.expect(bytes);
    let mut passing = sums.map(Passing::new);
    let mut at = 0;
    while at < bytes {
        let end = at.saturating_add(READ_BYTES).min(bytes);
        match from.range(key, at..end).await {
            Ok(piece) => {
                if let Some(passing) = &mut passing {
                    passing.pass(&piece);
                }
                writer.write(piece).await?;
            }
            Err(Error::NotFound { .. }) => return Ok(End::Gone),
            Err(error) => {
                let text = from.unreadable(error).await?;
                writer.discard().await;
                return Ok(End::Damaged(format!("where it comes from it {text}")));
            }
        }
        at = end;
    }
    if passing.and_then(Passing::finish).is_some() {
        writer.discard().await;
        return Ok(End::Damaged("is damaged where it comes from".to_owned()));
    }
    writer.finish().await?;
    Ok(End::Copied)
}

// === impl Copied ===

impl Copied {
    /// A line for each object that is damaged where it comes from.
    pub(super) fn damaged(&self) -> &[String] {
        &self.damaged
    }
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects ({})", self.objects, HumanBytes(self.bytes))?;
        if self.present > 0 { write!(f, ", {} more that were there,", self.present) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_read_is_not_copied_and_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let open = |name: &str| format!("file://{}", folder.path().join(name).display());
        let (from, to) = (Store::open(&open("from")).await.unwrap(), Store::open(&open("to")).await.unwrap());
        let key = Key::Source { id: VideoId::from_bits(7) };
        let place = folder.path().join("from/objects").join(key.path());
        std::fs::create_dir_all(place.join("inside")).unwrap();
        let bytes = from.size(&key).await.unwrap();
        let (_, _, end) = copy_object(&from, &to, key, bytes, None).await.unwrap();
        let End::Damaged(text) = end else { panic!("it was copied") };
        assert!(text.starts_with("where it comes from it cannot be read: Is a directory"), "{text}");
        assert!(to.list_video(key.video()).await.unwrap().is_empty());
        // Other failures say nothing of bytes.
        std::fs::remove_dir_all(&place).unwrap();
        std::os::unix::fs::symlink(&place, &place).unwrap();
        assert!(matches!(copy_object(&from, &to, key, bytes, None).await, Err(Error::Io { .. })));
    }
}
