//! Removes objects that attempts left behind and no index names.
//!
//! Runs when the video is ready: no job writes media, posters, packets or stream copies of the
//! generation any more, so that an object which the index does not name never will be. Sheets may
//! still be on their way.

use std::{collections::BTreeSet, time::Duration};

use tokio::time::timeout;
use vidstream_media::{Presentation, Track, VideoId};
use vidstream_store::{Error, Key, Store};

use crate::jobs::Shop;

/// A long list of objects is not worth holding a slot for longer.
const SWEEP_WAIT: Duration = Duration::from_mins(1);

/// A failed sweep costs space until the video is deleted, and nothing else.
pub(super) async fn sweep(shop: &Shop<'_>, presentation: &Presentation, poster: Option<u64>) {
    match timeout(SWEEP_WAIT, try_sweep(&shop.context.store, presentation, poster)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(removed)) => tracing::info!(removed, "objects of failed attempts were removed"),
        Ok(Err(error)) => tracing::warn!(%error, "objects of failed attempts could not be removed"),
        Err(_) => tracing::warn!("objects of failed attempts could not be removed in time"),
    }
}

async fn try_sweep(store: &Store, presentation: &Presentation, poster: Option<u64>) -> Result<u64, Error> {
    let (id, generation) = (presentation.id, presentation.generation);
    let poster = poster.map(|token| Key::Poster { id, generation, token });
    let source = [Key::Packets { id, generation }, Key::Remux { id, generation }];
    let keys = Key::named_by(presentation).map(|(key, _)| key).chain(poster).chain(source);
    let named: BTreeSet<String> = keys.map(|key| key.path()).collect();
    let mut removed = 0;
    for (path, _) in store.list_video(id).await? {
        if belongs(&path, id, generation) && !named.contains(&path) {
            store.delete_listed(id, &path).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Whether a listed path is of this generation and a kind that is swept, finished or not.
fn belongs(path: &str, id: VideoId, generation: u32) -> bool {
    // What a source was made of is nothing any more once it is there.
    if path.starts_with(&format!("{id}/source.part")) {
        return true;
    }
    let Some(rest) = path.strip_prefix(&format!("{id}/{generation}/")) else { return false };
    // In a bucket, what was left of them unfinished lies in folders of their names.
    ["poster-", "packets", "remux"].iter().any(|kind| rest.starts_with(kind))
        || rest.split_once('/').is_some_and(|(folder, _)| folder.parse::<Track>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_no_job_writes_any_more_is_swept() {
        let id = VideoId::from_bits(7);
        for (rest, expected) in [
            ("1/720p/1-9.m4s", true),
            ("1/audio/1-9.part-12-3", true),
            ("1/poster-4.jpg", true),
            ("1/thumbnails/1-4.jpg", false),
            ("1/packets.part-3-1", true),
            ("1/packets.part/multipart-0", true),
            ("1/remux.part/multipart-0", true),
            ("1/poster-4.jpg.part/multipart-0", true),
            ("1/720p/1-9.m4s.part/multipart-0", true),
            ("1/thumbnails/1-4.jpg.part/multipart-0", false),
            ("2/720p/1-9.m4s", false),
            ("source", false),
            ("source.part", true),
            ("source.part/0000000000c00000", true),
        ] {
            assert_eq!(belongs(&format!("{id}/{rest}"), id, 1), expected, "{rest}");
        }
    }
}
