//! A stored source against the digest of what was uploaded.

use std::fmt::Write;

use sha2::{Digest, Sha256};
use vidstream_store::{Error, Key, Store};

use super::damage::{Damage, lasting, read};

// === impl Damage ===

impl Damage<()> {
    /// The end of a sentence, after the name of the object.
    pub(crate) fn told(&self) -> &str {
        match self {
            Self::Other(()) => "has other bytes than were uploaded",
            Self::Unreadable(text) => text,
        }
    }
}

/// What is wrong with the bytes of a source. What is missing is for others to find.
///
/// # Errors
/// Those of the store.
pub(crate) async fn damage(store: &Store, key: &Key, sha256: &str) -> Result<Option<Damage<()>>, Error> {
    lasting(store, async || Ok((digest(store, key).await? != sha256).then_some(()))).await
}

/// In lower-case hexadecimal, as the catalog has it.
async fn digest(store: &Store, key: &Key) -> Result<String, Error> {
    let mut state = Sha256::new();
    let take = |bytes: &[u8]| {
        state.update(bytes);
        true
    };
    read(store, key, take).await?;
    let mut text = String::new();
    for byte in state.finalize() {
        // A text takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use vidstream_media::VideoId;
    use vidstream_testkit::s3::Fault;

    use super::{
        super::{READS_MAX, tests::bucket},
        *,
    };

    /// Of "hello world".
    const SHA256: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

    #[tokio::test]
    async fn a_source_is_what_was_uploaded_or_is_told() {
        let (server, store) = bucket().await;
        let [whole, other, missing] = [1, 2, 3].map(|n| Key::Source { id: VideoId::from_bits(n) });
        store.put(&whole, "hello world".into()).await.unwrap();
        store.put(&other, "hello worle".into()).await.unwrap();
        assert_eq!(damage(&store, &whole, SHA256).await.unwrap(), None);
        assert_eq!(damage(&store, &other, SHA256).await.unwrap(), Some(Damage::Other(())));
        assert_eq!(damage(&store, &missing, SHA256).await.unwrap(), None);
        for (times, found) in [(READS_MAX - 1, None), (READS_MAX, Some(Damage::Other(())))] {
            for _ in 0..times {
                server.meet(" bytes=", Fault::DamageAnswer);
            }
            assert_eq!(damage(&store, &whole, SHA256).await.unwrap(), found);
            assert_eq!(server.faults_left(), 0);
        }
    }
}
