//! Bytes in memory files, which the kernel sends to a socket without copying them.
//!
//! [`hold`] moves bytes into a sealed memory file and gives them back as [`Bytes`], so that whoever carries them knows
//! nothing of it. The socket asks [`find`] whether what it is to write lies in such a file, and then lets the kernel
//! send the file's pages. A copy of 1.2 MB takes as long as the rest of the answer.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    sync::{Arc, PoisonError, RwLock},
};

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::limits::{MEMORY_FILE_BYTES, MEMORY_FILES_MAX};

/// All memory files, by the address that they are mapped to.
static FILES: RwLock<BTreeMap<usize, Place>> = RwLock::new(BTreeMap::new());

#[derive(Clone)]
struct Place {
    file: Arc<File>,
    bytes: usize,
}

/// Owns a mapping; what was found of it is found no more before the addresses are given back.
struct Mapped(Mmap);

/// The same bytes; of a fitting size and while there is room, in a memory file.
pub(crate) fn hold(bytes: Bytes) -> Bytes {
    if !is_worth(bytes.len(), read(BTreeMap::len)) {
        return bytes;
    }
    match Mapped::new(&bytes) {
        Ok(mapped) => Bytes::from_owner(mapped),
        Err(error) => {
            // They are sent with a copy then.
            tracing::debug!(%error, "no memory file");
            bytes
        }
    }
}

/// Whether so many bytes get a file while there are so many.
fn is_worth(bytes: usize, files: usize) -> bool {
    MEMORY_FILE_BYTES.contains(&bytes) && files < MEMORY_FILES_MAX
}

/// The memory file that all of `slice` lies in, and where in it.
pub(crate) fn find(slice: &[u8]) -> Option<(Arc<File>, u64)> {
    if slice.is_empty() {
        return None;
    }
    let address = slice.as_ptr().addr();
    let (start, place) = read(|files| files.range(..=address).next_back().map(|(at, place)| (*at, place.clone())))?;
    let offset = address - start;
    let inside = offset.checked_add(slice.len()).is_some_and(|end| end <= place.bytes);
    inside.then_some((place.file, offset as u64))
}

fn read<T>(look: impl FnOnce(&BTreeMap<usize, Place>) -> T) -> T {
    look(&FILES.read().unwrap_or_else(PoisonError::into_inner))
}

// === impl Mapped ===

impl Mapped {
    fn new(bytes: &[u8]) -> io::Result<Self> {
        let mut file = File::from(memfd_create("vidstream", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.write_all(bytes)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        #[expect(unsafe_code, reason = "the file is sealed: it never shrinks, and nobody can change what is mapped")]
        // SAFETY: a mapping is sound while its file neither shrinks nor changes. This file has no name, and the seals
        // above forbid both to every process, for good.
        let map = unsafe { MmapOptions::new().len(bytes.len()).map_copy_read_only(&file)? };
        let place = Place { file: Arc::new(file), bytes: bytes.len() };
        FILES.write().unwrap_or_else(PoisonError::into_inner).insert(map.as_ptr().addr(), place);
        Ok(Self(map))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        FILES.write().unwrap_or_else(PoisonError::into_inner).remove(&self.0.as_ptr().addr());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn held_bytes_are_found_where_they_are() {
        let length = *MEMORY_FILE_BYTES.start() + 1;
        let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        let held = hold(Bytes::from(bytes.clone()));
        assert_eq!(held, bytes);
        let part = held.slice(1_000..5_000);
        let (file, offset) = find(&part).unwrap();
        let mut there = vec![0; part.len()];
        file.read_exact_at(&mut there, offset).unwrap();
        assert_eq!((offset, there), (1_000, bytes[1_000..5_000].to_vec()));
        assert!(find(&bytes).is_none() && find(&[]).is_none());
        let address = held.as_ptr().addr();
        drop((held, part));
        assert!(read(|files| !files.contains_key(&address)));
    }

    #[test]
    fn sizes_and_numbers_have_their_bounds() {
        let (least, most) = MEMORY_FILE_BYTES.into_inner();
        assert_eq!([least - 1, least, most, most + 1].map(|bytes| is_worth(bytes, 0)), [false, true, true, false]);
        assert_eq!([MEMORY_FILES_MAX - 1, MEMORY_FILES_MAX].map(|files| is_worth(least, files)), [true, false]);
    }

    #[test]
    fn small_bytes_stay_where_they_are() {
        let small = Bytes::from(vec![1; 1_000]);
        assert_eq!(hold(small.clone()).as_ptr(), small.as_ptr());
        assert!(find(&small).is_none());
    }
}
