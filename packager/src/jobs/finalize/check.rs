//! Reads every stored object of a generation, one at a time, and compares it with index and grid.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use vidstream_catalog::Warning;
use vidstream_media::{
    Presentation, Track,
    cmaf::{self, Finding, Severity},
    index::Chunk,
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
/// How often an object is read that comes damaged: the first time it may have been the way.
const READS_MAX: usize = 2;
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
    let indexed_bytes = part.bytes();
    let (plan, chunk) = (Arc::clone(&presentation.plan), Arc::clone(chunk));
    let verify = move |bytes: Bytes| {
        let part = chunk.track(track);
        part.map(|part| cmaf::verify(&plan, part, &bytes)).unwrap_or_default()
    };
    object_findings(&shop.context.store, &key, indexed_bytes, OBJECT_BYTES_MAX, verify).await
}

/// What is wrong with an object that has so many bytes by its index, as `verify` says; a larger one is not read.
async fn object_findings(
    store: &Store,
    key: &Key,
    indexed_bytes: u64,
    bytes_max: u64,
    verify: impl Fn(Bytes) -> Vec<Finding> + Clone + Send + 'static,
) -> Result<Vec<Finding>, Stop> {
    let mut findings = Vec::new();
    for _ in 0..READS_MAX {
        findings = read_once(store, key, indexed_bytes, bytes_max, verify.clone()).await?;
        if findings.iter().all(|finding| finding.severity != Severity::Damaged) {
            break;
        }
    }
    Ok(findings)
}

async fn read_once(
    store: &Store,
    key: &Key,
    indexed_bytes: u64,
    bytes_max: u64,
    verify: impl Fn(Bytes) -> Vec<Finding> + Send + 'static,
) -> Result<Vec<Finding>, Stop> {
    let damaged = |text: String| vec![Finding { rule: 0, severity: Severity::Damaged, text }];
    match of_object(store, store.size(key).await).await? {
        Ok(bytes) if bytes != indexed_bytes => {
            return Ok(damaged(format!("{bytes} bytes stored, {indexed_bytes} indexed")));
        }
        Ok(bytes) if bytes > bytes_max => return Ok(Vec::new()),
        Ok(_) => {}
        Err(text) => return Ok(damaged(text)),
    }
    let bytes = match of_object(store, store.get(key).await).await? {
        Ok(bytes) => bytes,
        Err(text) => return Ok(damaged(text)),
    };
    let verified = tokio::task::spawn_blocking(move || verify(bytes)).await;
    Ok(verified.map_err(|error| Failure::retryable("internal", "the check ran into a bug", error))?)
}

/// What an object gave, or a sentence that says what is wrong with it. Other errors are the store's.
async fn of_object<T>(store: &Store, asked: Result<T, StoreError>) -> Result<Result<T, String>, StoreError> {
    match asked {
        Ok(given) => Ok(Ok(given)),
        Err(StoreError::NotFound { .. }) => Ok(Err("the object is missing".to_owned())),
        Err(error) => Ok(Err(format!("the object {}", store.unreadable(error).await?))),
    }
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
    use vidstream_store::Access;
    use vidstream_testkit::s3::{BUCKET, Fault, Server};

    use super::*;

    #[tokio::test]
    async fn what_comes_damaged_is_read_twice_and_not_once_more() {
        let server = Server::start().unwrap();
        let variables = server.variables().into_iter();
        let store = Store::open_with(&format!("s3://{BUCKET}"), variables, Access::Write).await.unwrap();
        let key = Key::Source { id: VideoId::from_bits(7) };
        store.put(&key, vec![7; 1_000].into()).await.unwrap();
        let verify = |bytes: Bytes| {
            let is_whole = bytes[..] == [7; 1_000];
            let damage = || Finding { rule: 0, severity: Severity::Damaged, text: "other bytes".to_owned() };
            (!is_whole).then(damage).into_iter().collect::<Vec<_>>()
        };
        for (times, found) in [(0, 0), (READS_MAX - 1, 0), (READS_MAX, 1)] {
            for _ in 0..times {
                server.meet("GET ", Fault::DamageAnswer);
            }
            let findings = object_findings(&store, &key, 1_000, OBJECT_BYTES_MAX, verify).await.unwrap();
            assert_eq!((findings.len(), server.faults_left()), (found, 0));
        }
    }

    #[tokio::test]
    async fn an_object_may_be_so_large_and_not_a_byte_larger_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}", folder.path().display())).await.unwrap();
        let read = || Finding { rule: 7, severity: Severity::Nonconforming, text: "it was read".to_owned() };
        for (id, bytes, found) in [(1, 1_000, 1), (2, 1_001, 0)] {
            let key = Key::Source { id: VideoId::from_bits(id) };
            store.put(&key, vec![7; bytes].into()).await.unwrap();
            let verify = move |_: Bytes| vec![read()];
            let findings = object_findings(&store, &key, bytes as u64, 1_000, verify).await.unwrap();
            assert_eq!(findings.len(), found, "{bytes}");
        }
    }

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
