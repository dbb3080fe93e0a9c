//! Plans and chunk indexes, parsed once a process. Only committed, unchanging rows are kept: a plan by
//! its generation, a chunk's index by the token of the attempt that stored it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use vidstream_media::{Plan, VideoId, index::Chunk};

use crate::limits;

/// Chunks by their first segment.
pub(crate) type Chunks = BTreeMap<u64, Arc<Chunk>>;

/// Parsed generations, least recently used ones dropped.
#[derive(Default)]
pub(crate) struct Cache {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    uses: u64,
    generations: HashMap<(VideoId, u32), Generation>,
}

struct Generation {
    used: u64,
    plan: Arc<Plan>,
    chunks: Chunks,
}

// === impl Cache ===

impl Cache {
    /// The plan of a generation, if it is kept.
    pub(crate) fn plan(&self, video: VideoId, generation: u32) -> Option<Arc<Plan>> {
        self.lock().used(video, generation).map(|kept| Arc::clone(&kept.plan))
    }

    /// Keeps a committed plan.
    pub(crate) fn keep_plan(&self, video: VideoId, generation: u32, plan: &Arc<Plan>) {
        let mut kept = self.lock();
        if kept.used(video, generation).is_some() {
            return;
        }
        if kept.generations.len() >= limits::GENERATIONS_CACHED_MAX {
            let oldest = kept.generations.iter().min_by_key(|(_, generation)| generation.used).map(|(&key, _)| key);
            oldest.and_then(|key| kept.generations.remove(&key));
        }
        let used = kept.uses;
        let new = Generation { used, plan: Arc::clone(plan), chunks: Chunks::new() };
        kept.generations.insert((video, generation), new);
    }

    /// The chunks that are kept of a generation.
    pub(crate) fn chunks(&self, video: VideoId, generation: u32) -> Chunks {
        self.lock().used(video, generation).map(|kept| kept.chunks.clone()).unwrap_or_default()
    }

    /// Keeps the committed chunks of a generation whose plan is kept.
    pub(crate) fn keep_chunks(&self, video: VideoId, generation: u32, chunks: &Chunks) {
        if let Some(kept) = self.lock().used(video, generation) {
            kept.chunks.clone_from(chunks);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Kept ===

impl Kept {
    fn used(&mut self, video: VideoId, generation: u32) -> Option<&mut Generation> {
        self.uses += 1;
        let kept = self.generations.get_mut(&(video, generation))?;
        kept.used = self.uses;
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use vidstream_media::{Rational, Timeline, timeline::Config};

    use super::*;

    #[test]
    fn so_many_generations_are_kept_and_the_one_longest_unused_goes_first() {
        let plan = Arc::new(Plan {
            timeline: Timeline::new(Rational::new(25, 1), 100, Config::default()),
            rungs: Vec::new(),
            trick: None,
            audio: None,
            storyboard: None,
            target_duration_s: 4,
            chunks: Vec::new(),
        });
        let video = |n: usize| VideoId::from_bits(n as u128);
        let cache = Cache::default();
        let is_kept = |n| cache.plan(video(n), 1).is_some();
        for n in 0..limits::GENERATIONS_CACHED_MAX {
            cache.keep_plan(video(n), 1, &plan);
        }
        assert!((0..limits::GENERATIONS_CACHED_MAX).all(is_kept));
        assert!(is_kept(0), "used once more than the others");
        cache.keep_plan(video(limits::GENERATIONS_CACHED_MAX), 1, &plan);
        assert!(!is_kept(1) && is_kept(0) && (2..=limits::GENERATIONS_CACHED_MAX).all(is_kept));
    }
}
