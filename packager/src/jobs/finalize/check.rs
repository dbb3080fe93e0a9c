//! Reads every stored object of a generation, one at a time, and compares it with index and grid.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use vidstream_catalog::Warning;
use vidstream_media::{
    Plan, Presentation, Track,
    cmaf::{self, Finding, Severity},
    index::{Chunk, TrackChunk},
};
use vidstream_store::{Error as StoreError, Key, Store};

use super::Verdict;
use crate::{
    jobs::{Shop, Stop},
    protocol::Failure,
};

/// An object larger than this is not read into memory for its check: at the highest cap it is some
/// minutes long, and jobs publish shorter runs.
const OBJECT_BYTES_MAX: u64 = 512 << 20;
/// Broken rules are told with this many examples each.
const EXAMPLES_MAX: usize = 3;

/// What was found of each broken rule.
#[derive(Default)]
struct Broken {
    count: u64,
    examples: Vec<String>,
}

pub(super) async fn stored(shop: &Shop<'_>, presentation: &Presentation) -> Result<Verdict, Stop> {
    let mut damaged = BTreeSet::new();
    let mut broken: BTreeMap<u16, Broken> = BTreeMap::new();
    for (&first, chunk) in &presentation.chunks {
        for part in &chunk.tracks {
            let findings = part_findings(shop, presentation, chunk, part.track).await?;
            for finding in findings {
                if finding.severity == Severity::Damaged {
                    tracing::warn!(first, track = %part.track, text = finding.text, "damaged object");
                    damaged.insert(first);
                } else {
                    broken.entry(finding.rule).or_default().add(finding.text);
                }
            }
        }
    }
    let warnings = broken.into_iter().map(|(rule, broken)| broken.warning(rule)).collect();
    Ok(Verdict { damaged, warnings })
}

async fn part_findings(
    shop: &Shop<'_>,
    presentation: &Presentation,
    chunk: &Arc<Chunk>,
    track: Track,
) -> Result<Vec<Finding>, Stop> {
    let Some(part) = chunk.track(track) else { return Ok(Vec::new()) };
    let key = Key::Media {
        id: presentation.id,
        generation: presentation.generation,
        track,
        first: chunk.segments.first,
        token: chunk.token,
    };
    let missing = |text: String| vec![Finding { rule: 0, severity: Severity::Damaged, text }];
    let store = &shop.context.store;
    match of_object(store, store.size(&key).await).await? {
        Ok(bytes) if bytes != part.bytes() => {
            return Ok(missing(format!("{bytes} bytes stored, {} indexed", part.bytes())));
        }
        Ok(bytes) if bytes > OBJECT_BYTES_MAX => return Ok(Vec::new()),
        Ok(_) => {}
        Err(text) => return Ok(missing(text)),
    }
    let bytes = match of_object(store, store.get(&key).await).await? {
        Ok(bytes) => bytes,
        Err(text) => return Ok(missing(text)),
    };
    let (plan, chunk) = (Arc::clone(&presentation.plan), Arc::clone(chunk));
    let verified = tokio::task::spawn_blocking(move || chunk.track(track).map(|part| verify(&plan, part, &bytes)));
    let findings = verified.await.map_err(|error| Failure::retryable("internal", "the check ran into a bug", error))?;
    Ok(findings.unwrap_or_default())
}

/// What an object gave, or a sentence that says what is wrong with it. Other errors are the store's.
async fn of_object<T>(store: &Store, asked: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match asked {
        Ok(given) => Ok(Ok(given)),
        Err(StoreError::NotFound { .. }) => Ok(Err("the object is missing".to_owned())),
        Err(error) => match store.unreadable(&error).await {
            Some(text) => Ok(Err(format!("the object {text}"))),
            None => Err(error),
        },
    }
}

fn verify(plan: &Plan, part: &TrackChunk, bytes: &[u8]) -> Vec<Finding> {
    cmaf::verify(plan, part, bytes)
}

// === impl Broken ===

impl Broken {
    fn add(&mut self, text: String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text);
        }
    }

    fn warning(self, rule: u16) -> Warning {
        let detail = format!("{} times, such as: {}", self.count, self.examples.join("; "));
        Warning { code: "nonconforming".to_owned(), detail, rules: vec![u32::from(rule)], ..Warning::default() }
    }
}

#[cfg(test)]
mod tests {
    use vidstream_media::VideoId;

    use super::*;

    #[tokio::test]
    async fn an_object_that_cannot_be_read_is_as_one_that_is_missing_and_a_failure_of_the_store_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}", folder.path().display())).await.unwrap();
        let key = Key::Source { id: VideoId::from_bits(7) };
        let place = folder.path().join("objects").join(key.path());
        let missing = of_object(&store, store.get(&key).await).await.unwrap().unwrap_err();
        assert_eq!(missing, "the object is missing");
        std::fs::create_dir_all(&place).unwrap();
        let unreadable = of_object(&store, store.get(&key).await).await.unwrap().unwrap_err();
        assert!(unreadable.starts_with("the object cannot be read: Is a directory"), "{unreadable}");
        std::fs::remove_dir(&place).unwrap();
        std::os::unix::fs::symlink(&place, &place).unwrap();
        assert!(matches!(of_object(&store, store.get(&key).await).await, Err(StoreError::Io { .. })));
    }
}
