//! Corpora of fuzz targets, replayed by a stable compiler: every entry as it is, then mutations of it.
//!
//! The same build finds the same cases every time: mutations are seeded by the entry's name and their number.

use std::{
    fs,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};

/// Mutations of each entry, unless the variable says another number.
const CASES: u64 = 256;
/// As proptest has it, so that one variable lengthens both.
const CASES_VARIABLE: &str = "PROPTEST_CASES";
/// Changes of one mutation.
const CHANGES_MAX: usize = 4;
/// Bytes that one change moves, copies or takes out.
const RUN_MAX: usize = 64;
/// A mutation is cut to this many bytes.
const BYTES_MAX: usize = 64 << 10;
/// Numbers at which lengths, counts and offsets go wrong.
const NUMBERS: [u32; 12] = [0, 1, 7, 8, 15, 16, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];

/// Runs a target on each file of a folder, and on mutations of it.
///
/// # Errors
/// If the folder cannot be read or is empty.
///
/// # Panics
/// As the target does, after the case was printed.
#[expect(clippy::print_stderr, reason = "the case that fails is what the test is for")]
pub fn replay(folder: &Path, target: impl Fn(&[u8])) -> Result<()> {
    let entries = entries(folder)?;
    ensure!(!entries.is_empty(), "no corpus in {}", folder.display());
    let cases = std::env::var(CASES_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    for (name, bytes) in &entries {
        for case in 0..=cases {
            let input = if case == 0 { bytes.clone() } else { mutated(name, case, bytes, &entries) };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(&input))) {
                eprintln!("{name}, case {case}: b\"{}\"", input.escape_ascii());
                resume_unwind(panic);
            }
        }
    }
    Ok(())
}

/// A mutation of one file, cut to 64 KiB: for its name and this number the same one every time.
pub fn mutation(name: &str, case: u64, bytes: &[u8]) -> Vec<u8> {
    mutated(name, case, bytes, &[(name.to_owned(), bytes.to_vec())])
}

fn entries(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("no folder {}", folder.display()))? {
        let entry = entry?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?));
    }
    entries.sort();
    Ok(entries)
}

fn mutated(name: &str, case: u64, bytes: &[u8], entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut random = Random::new(name, case);
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(CHANGES_MAX) {
        change(&mut random, &mut bytes, entries);
        bytes.truncate(BYTES_MAX);
    }
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, entries: &[(String, Vec<u8>)]) {
    let run = random.run(bytes.len());
    let at = run.start;
    match random.below(6) {
        0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        1 => {
            let number = NUMBERS.get(random.below(NUMBERS.len())).copied().unwrap_or_default().to_be_bytes();
            bytes.iter_mut().skip(at).zip(number).for_each(|(held, new)| *held = new);
        }
        2 => drop(bytes.drain(run)),
        3 => bytes.extend_from_within(run),
        4 => bytes.truncate(at),
        _ => {
            let Some((_, other)) = entries.get(random.below(entries.len())) else { return };
            let piece = other.get(random.run(other.len())).unwrap_or_default().to_vec();
            bytes.splice(at..at, piece);
        }
    }
}

/// Marsaglia's xorshift64.
struct Random(u64);

// === impl Random ===

impl Random {
    fn new(name: &str, case: u64) -> Self {
        let seed = name.bytes().fold(case, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap_or_default() % end
    }

    /// A short run of places among so many, perhaps empty.
    fn run(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below((length - start).min(RUN_MAX) + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn entries_come_as_they_are_and_changed_and_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "GET /v/vid_0/1.m4s").unwrap();
        fs::write(folder.path().join("b"), "").unwrap();
        let seen = || {
            let inputs = std::cell::RefCell::new(Vec::new());
            replay(folder.path(), |input| inputs.borrow_mut().push(input.to_vec())).unwrap();
            inputs.into_inner()
        };
        let inputs = seen();
        assert_eq!(inputs[0], b"GET /v/vid_0/1.m4s");
        let different: std::collections::HashSet<_> = inputs.iter().collect();
        assert!(different.len() * 4 > inputs.len(), "{} of {}", different.len(), inputs.len());
        assert_eq!(inputs, seen());
    }

    #[test]
    fn a_case_that_fails_is_shown_and_fails_the_test() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), "abc").unwrap();
        let count = Cell::new(0);
        let failing = catch_unwind(AssertUnwindSafe(|| {
            replay(folder.path(), |input| {
                count.set(count.get() + 1);
                assert_eq!(input, b"abc");
            })
        }));
        assert!(failing.is_err() && count.get() == 2);
    }
}
