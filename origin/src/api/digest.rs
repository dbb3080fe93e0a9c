//! The SHA-256 of an upload, made from its bytes as they arrive, beside their way to the store.
//!
//! Threads for blocking work do it: a core without instructions for it hashes some hundred megabytes a second, and
//! those that serve connections have others to serve meanwhile.

use std::{fmt::Write, mem};

use sha2::{Digest as _, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::respond::{Kind, Problem};

/// Pieces are gathered up to this size before they are hashed: one thread hop costs about 10 µs.
const GATHER_BYTES: usize = 128 << 10;

/// A digest in the making.
#[derive(Default)]
pub(super) struct Digest {
    /// What arrived and is not hashed yet: less than [`GATHER_BYTES`] and the next piece.
    gathered: Vec<u8>,
    /// What came before it, on its thread.
    hashing: Option<JoinHandle<Sha256>>,
}

// === impl Digest ===

impl Digest {
    /// Adds bytes. Those before them may be hashed meanwhile, but no more than one thread is at work.
    pub(super) async fn update(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHER_BYTES { self.hash().await } else { Ok(()) }
    }

    /// The digest of all bytes, in lower-case hexadecimal.
    pub(super) async fn finish(mut self) -> Result<String, Problem> {
        self.hash().await?;
        let state = self.hashed().await?;
        let mut text = String::new();
        for byte in state.finalize() {
            // A text takes everything.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    /// Begins to hash what was gathered, once that is done with what came before it.
    async fn hash(&mut self) -> Result<(), Problem> {
        let mut state = self.hashed().await?;
        let bytes = mem::replace(&mut self.gathered, Vec::with_capacity(GATHER_BYTES));
        self.hashing = Some(spawn_blocking(move || {
            state.update(&bytes);
            state
        }));
        Ok(())
    }

    async fn hashed(&mut self) -> Result<Sha256, Problem> {
        match self.hashing.take() {
            Some(hashing) => hashing.await.map_err(|_| Kind::Internal.because("the upload ended unexpectedly")),
            None => Ok(Sha256::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(all: &[u8], step: usize) -> String {
        let mut digest = Digest::default();
        for piece in all.chunks(step) {
            digest.update(piece).await.unwrap();
            assert!(digest.gathered.len() < GATHER_BYTES);
        }
        digest.finish().await.unwrap()
    }

    #[tokio::test]
    async fn the_digest_is_that_of_all_bytes_however_they_come() {
        // FIPS 180-4, and its examples.
        assert_eq!(of(b"", 1).await, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(of(b"abc", 1).await, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let all: Vec<u8> = (0..=250).cycle().take(3 * GATHER_BYTES + 5).collect();
        let whole = of(&all, all.len()).await;
        assert_eq!(whole.len(), 64);
        for step in [7, GATHER_BYTES - 1, GATHER_BYTES, GATHER_BYTES + 1] {
            assert_eq!(of(&all, step).await, whole, "{step}");
        }
        assert_ne!(of(&all[1..], GATHER_BYTES).await, whole);
    }
}
