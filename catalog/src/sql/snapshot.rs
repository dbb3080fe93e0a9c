//! A video and its presentation, read in one transaction; what never changes is read and parsed once.

use std::{collections::BTreeMap, sync::Arc};

use vidstream_media::{
    Presentation, Track, VideoId,
    bandwidth::Rates,
    codec::DecoderConfig,
    index::{Chunk, TrackChunk},
    presentation::Sheet,
};

use super::{
    Db,
    cache::Chunks,
    chunks, jobs,
    rows::{self, Row, params},
    videos,
};
use crate::{Error, Result, Snapshot, State};

/// The video and what can be played of it.
pub(crate) fn snapshot(db: &Db<'_>, id: VideoId) -> Result<Option<Snapshot>> {
    let Some(video) = videos::get(db, id)? else { return Ok(None) };
    let presentation = match video.state {
        State::Processing | State::Ready => presentation(db, id, video.generation, video.state == State::Ready)?,
        State::Uploading | State::Queued | State::Probing | State::Failed | State::Deleting => None,
    };
    Ok(Some(Snapshot { video, presentation }))
}

fn presentation(db: &Db<'_>, id: VideoId, generation: u32, ready: bool) -> Result<Option<Presentation>> {
    let Some(plan) = chunks::plan(db, id, generation)? else { return Ok(None) };
    let sql = "SELECT measured, poster FROM generations WHERE video = ?1 AND generation = ?2";
    let read =
        |row: &Row| Ok((rows::json::<BTreeMap<Track, Rates>>(row, "measured")?, row.get("poster")?));
    let key = params![id.to_string(), generation];
    let (measured, poster) = db.one(sql, key, read)?;
    let (configs, sheets) = (configs(db, id, generation)?, sheets(db, id, generation)?);
    let chunks = stored(db, id, generation)?;
    Ok(Some(Presentation { id, generation, plan, configs, chunks, sheets, poster, ready, measured }))
}

fn configs(db: &Db<'_>, id: VideoId, generation: u32) -> Result<BTreeMap<Track, DecoderConfig>> {
    let sql = "SELECT track, config FROM configs WHERE video = ?1 AND generation = ?2";
    let read = |row: &Row| Ok((rows::parsed(row, "track")?, rows::json(row, "config")?));
    db.all(sql, params![id.to_string(), generation], read)
}

fn sheets(db: &Db<'_>, id: VideoId, generation: u32) -> Result<BTreeMap<u64, Sheet>> {
    let sql = "SELECT n, token, bytes FROM sheets WHERE video = ?1 AND generation = ?2";
    let read = |row: &Row| {
        let sheet = Sheet { token: row.get::<u64>("token")?, bytes: row.get::<u64>("bytes")? };
        Ok((row.get::<u64>("n")?, sheet))
    };
    db.all(sql, params![id.to_string(), generation], read)
}

/// The committed chunks. Only those that the cache does not have are read and parsed.
fn stored(db: &Db<'_>, id: VideoId, generation: u32) -> Result<Chunks> {
    let cached = db.cache.chunks(id, generation);
    let sql = "SELECT first, last, token FROM chunks WHERE video = ?1 AND generation = ?2 ORDER BY first";
    let places = db.query(sql, params![id.to_string(), generation])?;
    let mut chunks = Chunks::new();
    let mut news = false;
    for row in &places {
        let (segments, token) = (jobs::run(row)?, row.get::<u64>("token")?);
        let kept = cached.get(&segments.first).filter(|chunk| chunk.token == token && chunk.segments == segments);
        let chunk = if let Some(chunk) = kept {
            Arc::clone(chunk)
        } else {
            news = true;
            let tracks = tracks(db, id, generation, segments.first)?;
            Arc::new(Chunk { segments, token, tracks })
        };
        chunks.insert(segments.first, chunk);
    }
    if news || chunks.len() != cached.len() {
        db.cache.keep_chunks(id, generation, &chunks);
    }
    Ok(chunks)
}

fn tracks(db: &Db<'_>, id: VideoId, generation: u32, first: u64) -> Result<Vec<TrackChunk>> {
    let sql = "SELECT tracks FROM chunks WHERE video = ?1 AND generation = ?2 AND first = ?3";
    let key = params![id.to_string(), generation, rows::int(first)];
    let tracks = db.first(sql, key, |row| rows::json(row, "tracks"))?;
    tracks.ok_or_else(|| Error::Corrupt("a chunk's row is gone within a transaction".to_owned()))
}
