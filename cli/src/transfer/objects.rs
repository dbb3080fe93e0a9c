//! Copies the objects of videos from one store to another, those that are not there yet.

use std::{collections::BTreeMap, fmt, io::IsTerminal};

use futures_util::{StreamExt, TryStreamExt, stream};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use vidstream_media::VideoId;
use vidstream_store::{Error, Key, Store};

use crate::{add::print, exit::Failure, inventory::of_store};

/// Objects of a video that are copied side by side.
const COPIES_MAX: usize = 4;
/// Bytes that one read takes.
const READ_BYTES: u64 = 4 << 20;
/// Without a terminal, one line each time so many more videos are copied.
const LINE_EVERY: usize = 100;

/// How much was copied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copied {
    objects: u64,
    bytes: u64,
    /// They were there already, with as many bytes.
    present: u64,
}

/// Copies all objects of these videos. What goes away meanwhile belongs to a video that does, or is found missing after.
pub(super) async fn copy(from: &Store, to: &Store, videos: &[VideoId]) -> Result<Copied, Failure> {
    let lines = !std::io::stderr().is_terminal();
    let bar = if lines { ProgressBar::hidden() } else { ProgressBar::new(videos.len() as u64) };
    let style = ProgressStyle::with_template("copying [{bar:32}] {pos} of {len} videos, {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    let mut copied = Copied::default();
    for (place, &id) in videos.iter().enumerate() {
        copy_video(from, to, id, &mut copied).await.map_err(|error| of_store(&error))?;
        bar.inc(1);
        bar.set_message(copied.to_string());
        if lines && (place + 1) % LINE_EVERY == 0 {
            print(&format!("copied {} of {} videos, {copied}\n", place + 1, videos.len()));
        }
    }
    bar.finish_and_clear();
    Ok(copied)
}

async fn copy_video(from: &Store, to: &Store, id: VideoId, copied: &mut Copied) -> Result<(), Error> {
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
    let transfers = stream::iter(missing).map(|(key, bytes)| copy_object(from, to, key, bytes));
    let done: Vec<Option<u64>> = transfers.buffer_unordered(COPIES_MAX).try_collect().await?;
    for bytes in done.into_iter().flatten() {
        copied.objects += 1;
        copied.bytes += bytes;
    }
    Ok(())
}

/// Gives the bytes of the object; `None` if it went away before the first was read.
async fn copy_object(from: &Store, to: &Store, key: Key, bytes: u64) -> Result<Option<u64>, Error> {
    let mut writer = to.writer(&key).await?;
    writer.expect(bytes);
    let mut at = 0;
    while at < bytes {
        let end = at.saturating_add(READ_BYTES).min(bytes);
        match from.range(&key, at..end).await {
            Ok(piece) => writer.write(piece).await?,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        at = end;
    }
    writer.finish().await?;
    Ok(Some(bytes))
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects ({})", self.objects, HumanBytes(self.bytes))?;
        if self.present > 0 { write!(f, ", {} more that were there,", self.present) } else { Ok(()) }
    }
}
