//! Bytes on their way into a bucket, in blocks of one size.

use bytes::{Bytes, BytesMut};

/// Bytes of a block. Large buffers that grow and are freed leave holes in the heap: with one buffer for each part of 12 MiB, an
/// upload took up to 122 MB.
const BLOCK_BYTES: usize = 1 << 20;

/// What arrived and was not cut off yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    full: Vec<Bytes>,
    open: BytesMut,
}

// === impl Gathered ===

impl Gathered {
    /// How many bytes that is.
    pub(super) fn len(&self) -> usize {
        self.full.len() * BLOCK_BYTES + self.open.len()
    }

    pub(super) fn extend(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOCK_BYTES - self.open.len()));
            self.open.extend_from_slice(now);
            if self.open.len() == BLOCK_BYTES {
                self.full.push(std::mem::replace(&mut self.open, BytesMut::with_capacity(BLOCK_BYTES)).freeze());
            }
            bytes = later;
        }
    }

    /// All of it, in its order; none of the blocks is empty.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        let mut blocks = std::mem::take(&mut self.full);
        let rest = std::mem::take(&mut self.open).freeze();
        if !rest.is_empty() {
            blocks.push(rest);
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in_and_in_blocks() {
        let all: Vec<u8> = (0..=250).cycle().take(2 * BLOCK_BYTES + 5).collect();
        for step in [3, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, all.len()] {
            let mut gathered = Gathered::default();
            assert!(gathered.take().is_empty());
            all.chunks(step).for_each(|bytes| gathered.extend(bytes));
            assert_eq!(gathered.len(), all.len());
            let blocks = gathered.take();
            assert_eq!(blocks.iter().map(Bytes::len).collect::<Vec<_>>(), [BLOCK_BYTES, BLOCK_BYTES, 5]);
            assert!(blocks.concat() == all && gathered.len() == 0, "{step}");
        }
    }
}
