//! Reads of one place after another, made few and large where each is a request over a network.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};
use vidstream_store::Error;

use crate::protocol::Input;

/// Strides that a job keeps: its pictures and its sound are read from different places of different objects.
const STRIDES_KEPT_MAX: usize = 6;

/// The last strides that a job has read.
#[derive(Debug)]
pub(crate) struct Strides {
    /// Bytes of a stride; without them, reads go through as they are.
    bytes: Option<u64>,
    kept: Mutex<VecDeque<Stride>>,
}

#[derive(Debug)]
struct Stride {
    object: Input,
    start: u64,
    bytes: Bytes,
}

// === impl Strides ===

impl Strides {
    pub(crate) fn new(bytes: Option<u32>) -> Self {
        Self { bytes: bytes.map(u64::from).filter(|&bytes| bytes > 0), kept: Mutex::default() }
    }

    /// Bytes of an object that has `there` of them now, by way of `read`; fewer only where `read` gives fewer.
    pub(crate) async fn read<F: Future<Output = Result<Bytes, Error>>>(
        &self,
        object: Input,
        range: Range<u64>,
        there: u64,
        read: impl Fn(Range<u64>) -> F,
    ) -> Result<Bytes, Error> {
        let length = range.end.saturating_sub(range.start);
        let Some(stride) = self.bytes.filter(|&stride| length < stride && range.end <= there) else {
            return read(range).await;
        };
        let mut found = BytesMut::new();
        let mut at = range.start;
        while at < range.end {
            let start = at - at % stride;
            let end = start.saturating_add(stride);
            let bytes = match self.kept(object, start, range.end.min(end)) {
                Some(bytes) => bytes,
                None => self.keep(object, start, read(start..end.min(there)).await?),
            };
            let wanted = at - start..(range.end - start).min(bytes.len() as u64);
            let wanted = usize::try_from(wanted.start).ok().zip(usize::try_from(wanted.end).ok());
            let Some(part) = wanted.and_then(|(from, to)| bytes.get(from..to)).filter(|part| !part.is_empty()) else {
                break;
            };
            found.extend_from_slice(part);
            at += part.len() as u64;
        }
        Ok(found.freeze())
    }

    /// The stride at `start`, if it reaches to `end`: what was read of a growing object may be short.
    fn kept(&self, object: Input, start: u64, end: u64) -> Option<Bytes> {
        let kept = self.lock();
        let mut found = kept.iter().filter(|stride| stride.object == object && stride.start == start);
        found.find(|stride| stride.start + stride.bytes.len() as u64 >= end).map(|stride| stride.bytes.clone())
    }

    fn keep(&self, object: Input, start: u64, bytes: Bytes) -> Bytes {
        let mut kept = self.lock();
        kept.retain(|stride| stride.object != object || stride.start != start);
        kept.push_front(Stride { object, start, bytes: bytes.clone() });
        kept.truncate(STRIDES_KEPT_MAX);
        bytes
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Stride>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u64) -> usize {
        usize::try_from(n).unwrap()
    }

    /// An object whose bytes say where they are, and a record of what was read of it.
    struct Object {
        bytes: Bytes,
        reads: Mutex<Vec<(u64, u64)>>,
    }

    impl Object {
        fn new(length: u8) -> Self {
            Self { bytes: (0..length).collect(), reads: Mutex::default() }
        }

        async fn read(&self, strides: &Strides, range: Range<u64>) -> Bytes {
            let there = self.bytes.len() as u64;
            let read = |range: Range<u64>| async move {
                self.reads.lock().unwrap().push((range.start, range.end));
                Ok(self.bytes.slice(at(range.start)..at(range.end)))
            };
            strides.read(Input::Source, range, there, read).await.unwrap()
        }

        fn reads(&self) -> Vec<(u64, u64)> {
            std::mem::take(&mut self.reads.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn short_reads_become_strides_and_long_ones_stay() {
        let (object, strides) = (Object::new(100), Strides::new(Some(16)));
        for start in 0..40 {
            assert_eq!(object.read(&strides, start..start + 4).await, object.bytes.slice(at(start)..at(start) + 4));
        }
        assert_eq!(object.reads(), [(0, 16), (16, 32), (32, 48)]);
        assert_eq!(object.read(&strides, 90..100).await, object.bytes.slice(90..));
        assert_eq!(object.reads(), [(80, 96), (96, 100)]);
        assert_eq!(object.read(&strides, 1..31).await, object.bytes.slice(1..31));
        assert_eq!(object.reads(), [(1, 31)]);
        let through = Strides::new(None);
        assert_eq!(object.read(&through, 3..4).await, object.bytes.slice(3..4));
        assert_eq!(object.reads(), [(3, 4)]);
    }

    #[tokio::test]
    async fn a_stride_of_what_grows_is_read_again_when_more_is_wanted() {
        let strides = Strides::new(Some(16));
        let short = Object::new(10);
        assert_eq!(short.read(&strides, 8..10).await.len(), 2);
        let long = Object::new(20);
        assert_eq!(long.read(&strides, 8..10).await.len(), 2);
        assert_eq!(long.read(&strides, 8..12).await, long.bytes.slice(8..12));
        assert_eq!((short.reads(), long.reads()), (vec![(0, 10)], vec![(0, 16)]));
    }

    #[tokio::test]
    async fn so_many_strides_are_kept_and_the_oldest_goes_first() {
        let (object, strides) = (Object::new(200), Strides::new(Some(10)));
        for start in (0..=10 * STRIDES_KEPT_MAX as u64).step_by(10) {
            object.read(&strides, start..start + 1).await;
        }
        object.reads();
        object.read(&strides, 10..11).await;
        assert_eq!(object.reads(), [], "one of the last six");
        object.read(&strides, 0..1).await;
        assert_eq!(object.reads(), [(0, 10)]);
    }
}
