//! A video and its presentation, read in one transaction; what never changes is read and parsed once.

use std::{collections::BTreeMap, sync::Arc};

use vidstream_media::{
    Crc32, Presentation, Track, VideoId,
    bandwidth::Rates,
    chunks::Segments,
    codec::DecoderConfig,
    index::{Chunk, TrackChunk},
    presentation::{Poster, Sheet},
};

use super::{
    Db,
    cache::Chunks,
    chunks, jobs,
    rows::{self, Row, params},
    videos,
};
use crate::{Error, Result, Snapshot, State, limits};

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
    let sql = "SELECT measured, poster, poster_checksum FROM generations WHERE video = ?1 AND generation = ?2";
    let read = |row: &Row| {
        let (token, crc32) = (row.get::<Option<u64>>("poster")?, crc32(row, "poster_checksum")?);
        let poster = token.map(|token| Poster { token, crc32 });
        Ok((rows::json::<BTreeMap<Track, Rates>>(row, "measured")?, poster))
    };
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
    let sql = "SELECT n, token, bytes, checksum FROM sheets WHERE video = ?1 AND generation = ?2";
    let read = |row: &Row| {
        let (token, bytes) = (row.get::<u64>("token")?, row.get::<u64>("bytes")?);
        Ok((row.get::<u64>("n")?, Sheet { token, bytes, crc32: crc32(row, "checksum")? }))
    };
    db.all(sql, params![id.to_string(), generation], read)
}

fn crc32(row: &Row, column: &str) -> Result<Option<Crc32>> {
    Ok(row.get::<Option<u32>>(column)?.map(Crc32::from))
}

/// The committed chunks. Only those that the cache does not have are read and parsed.
fn stored(db: &Db<'_>, id: VideoId, generation: u32) -> Result<Chunks> {
    let cached = db.cache.chunks(id, generation);
    let sql = "SELECT first, last, token FROM chunks WHERE video = ?1 AND generation = ?2 ORDER BY first";
    let read = |row: &Row| Ok((jobs::run(row)?, row.get("token")?));
    let places: Vec<(Segments, u64)> = db.all(sql, params![id.to_string(), generation], read)?;
    let is_kept = |chunk: &Chunk, place: (Segments, u64)| (chunk.segments, chunk.token) == place;
    let (mut chunks, mut missing) = (Chunks::new(), Vec::new());
    for place in places {
        match cached.get(&place.0.first).filter(|chunk| is_kept(chunk, place)) {
            Some(chunk) => drop(chunks.insert(place.0.first, Arc::clone(chunk))),
            None => missing.push(place),
        }
    }
    for places in missing.chunks(limits::CHUNKS_READ_MAX) {
        let mut tracks = tracks(db, id, generation, places)?;
        for &(segments, token) in places {
            let tracks = tracks.remove(&segments.first);
            let tracks =
                tracks.ok_or_else(|| Error::Corrupt("a chunk's row is gone within a transaction".to_owned()))?;
            chunks.insert(segments.first, Arc::new(Chunk { segments, token, tracks }));
        }
    }
    if !missing.is_empty() || chunks.len() != cached.len() {
        db.cache.keep_chunks(id, generation, &chunks);
    }
    Ok(chunks)
}

/// The index data of some chunks, by their first segments.
fn tracks(
    db: &Db<'_>,
    id: VideoId,
    generation: u32,
    places: &[(Segments, u64)],
) -> Result<BTreeMap<u64, Vec<TrackChunk>>> {
    let sql = "SELECT first, tracks FROM chunks WHERE video = ?1 AND generation = ?2 AND first IN (SELECT value FROM json_each(?3))";
    let firsts: Vec<u64> = places.iter().map(|(segments, _)| segments.first).collect();
    let key = params![id.to_string(), generation, rows::to_json(&firsts)?];
    db.all(sql, key, |row| Ok((row.get("first")?, rows::json(row, "tracks")?)))
}
