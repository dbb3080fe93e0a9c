//! The tree: every document and segment as a file, under the paths that the origin serves.

use std::{fs, io, path::Path};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use vidstream_media::{Presentation, Track, cmaf, dash, hls, presentation::Located, storyboard};
use vidstream_store::{Key, Store};

use super::{disk, unwritable};
use crate::exit::{Code, Failure};

/// Lays out a complete presentation in `root`: `master.m3u8`, `manifest.mpd` and, under its generation,
/// what they name.
pub(super) async fn write(
    presentation: &Presentation,
    store: &Store,
    root: &Path,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let folder = root.join(presentation.generation.to_string());
    for track in presentation.plan.tracks() {
        let place = folder.join(track.to_string());
        fs::create_dir_all(&place).map_err(|error| unwritable(&place, &error))?;
        documents(presentation, track, &place)?;
        for n in 1..=presentation.plan.segments(track) {
            if stop.is_cancelled() {
                return Err(Failure::new(Code::Verdict, "interrupted; nothing was left behind").into());
            }
            let bytes = segment(presentation, store, track, n).await?;
            file(&place.join(format!("{n}.m4s")), &bytes)?;
        }
    }
    pictures(presentation, store, &folder).await?;
    file(&root.join("master.m3u8"), hls::multivariant(presentation).as_bytes())?;
    file(&root.join("manifest.mpd"), dash::mpd(presentation).as_bytes())?;
    Ok(())
}

fn documents(presentation: &Presentation, track: Track, place: &Path) -> anyhow::Result<()> {
    let config = presentation.configs.get(&track).context("a track of a ready video has no configuration")?;
    file(&place.join("init.mp4"), &cmaf::init(&presentation.plan, track, config)?)?;
    if let Some(text) = hls::media(presentation, track) {
        file(&place.join("index.m3u8"), text.as_bytes())?;
    }
    if let Some(text) = hls::iframes(presentation, track) {
        file(&place.join("iframes.m3u8"), text.as_bytes())?;
    }
    Ok(())
}

async fn segment(presentation: &Presentation, store: &Store, track: Track, n: u64) -> anyhow::Result<bytes::Bytes> {
    let Located::Stored(place) = presentation.locate(track, n) else {
        anyhow::bail!("segment {n} of {track} of a ready video is not stored");
    };
    let (id, generation) = (presentation.id, presentation.generation);
    let key = Key::Media { id, generation, track, first: place.chunk_first, token: place.token };
    let end = place.offset.saturating_add(place.bytes);
    Ok(store.range(&key, place.offset..end).await.map_err(|error| disk(&error))?)
}

/// Tile sheets with what describes them, and the poster.
async fn pictures(presentation: &Presentation, store: &Store, folder: &Path) -> anyhow::Result<()> {
    let (id, generation) = (presentation.id, presentation.generation);
    let texts = [
        ("thumbnails.vtt", storyboard::vtt(presentation)),
        ("thumbnails.json", storyboard::json(presentation)),
        ("thumbnails.m3u8", hls::images(presentation)),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            file(&folder.join(name), text.as_bytes())?;
        }
    }
    let sheets = folder.join("thumbnails");
    fs::create_dir_all(&sheets).map_err(|error| unwritable(&sheets, &error))?;
    for (&n, sheet) in &presentation.sheets {
        let key = Key::Sheet { id, generation, n, token: sheet.token };
        let bytes = store.get(&key).await.map_err(|error| disk(&error))?;
        file(&sheets.join(format!("{n}.jpg")), &bytes)?;
    }
    if let Some(poster) = presentation.poster {
        let key = Key::Poster { id, generation, token: poster.token };
        let bytes = store.get(&key).await.map_err(|error| disk(&error))?;
        file(&folder.join("poster.jpg"), &bytes)?;
    }
    Ok(())
}

/// Writes a file whole and to the disk.
fn file(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = || -> io::Result<()> {
        let mut file = fs::File::create(path)?;
        io::Write::write_all(&mut file, bytes)?;
        file.sync_data()
    };
    written().map_err(|error| unwritable(path, &error))
}
