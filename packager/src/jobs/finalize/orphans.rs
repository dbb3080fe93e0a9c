//! Removes objects that attempts left behind and no index names.
//!
//! Only media objects and posters of this generation: when `finalize` runs, no other job writes
//! those, so that an object which the index does not name never will be.

use std::collections::BTreeSet;

use vidstream_media::{Presentation, Track};
use vidstream_store::{Key, Store};

use crate::jobs::Shop;

/// A failed sweep costs space until the video is deleted, and nothing else.
pub(super) async fn sweep(shop: &Shop<'_>, presentation: &Presentation) {
    match try_sweep(&shop.context.store, shop.claim.token, presentation).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "objects of failed attempts were removed"),
        Err(error) => tracing::warn!(%error, "objects of failed attempts could not be removed"),
    }
}

async fn try_sweep(store: &Store, token: u64, presentation: &Presentation) -> Result<u64, vidstream_store::Error> {
    let (id, generation) = (presentation.id, presentation.generation);
    let poster = Key::Poster { id, generation, token }.path();
    let named: BTreeSet<String> = keys(presentation).map(|key| key.path()).chain([poster]).collect();
    let mut removed = 0;
    for (path, _) in store.list_video(id).await? {
        if belongs(&path, id, generation) && !named.contains(&path) {
            store.delete_listed(id, &path).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// All media objects that the index names.
fn keys(presentation: &Presentation) -> impl Iterator<Item = Key> {
    let (id, generation) = (presentation.id, presentation.generation);
    presentation.chunks.values().flat_map(move |chunk| {
        let (first, token) = (chunk.segments.first, chunk.token);
        chunk.tracks.iter().map(move |part| Key::Media { id, generation, track: part.track, first, token })
    })
}

/// Whether a listed path is a media object or poster of this generation, finished or not.
fn belongs(path: &str, id: vidstream_media::VideoId, generation: u32) -> bool {
    let Some(rest) = path.strip_prefix(&format!("{id}/{generation}/")) else { return false };
    match rest.split_once('/') {
        Some((folder, _)) => folder.parse::<Track>().is_ok(),
        None => rest.starts_with("poster-"),
    }
}

#[cfg(test)]
mod tests {
    use vidstream_media::VideoId;

    use super::*;

    #[test]
    fn only_media_and_posters_of_the_generation_are_swept() {
        let id = VideoId::from_bits(7);
        for (rest, expected) in [
            ("1/720p/1-9.m4s", true),
            ("1/audio/1-9.part-12-3", true),
            ("1/poster-4.jpg", true),
            ("1/thumbnails/1-4.jpg", false),
            ("1/packets", false),
            ("2/720p/1-9.m4s", false),
            ("source", false),
        ] {
            assert_eq!(belongs(&format!("{id}/{rest}"), id, 1), expected, "{rest}");
        }
    }
}
