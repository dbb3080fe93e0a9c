//! What the file of a film is made of, as its own bytes have it: the boxes of an MP4, the index of a Matroska file.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// Elements of Matroska (RFC 9559 §5.1).
const SEGMENT: u64 = 0x1853_8067;
const CUES: u64 = 0x1C53_BB6B;

/// The names of the boxes of a file, but not of those in them (ISO/IEC 14496-12 §4.2).
pub(crate) fn boxes(path: &Path) -> Vec<[u8; 4]> {
    let (mut file, length) = open(path);
    let (mut at, mut names) = (0, Vec::new());
    while at < length {
        file.seek(SeekFrom::Start(at)).unwrap();
        let (size, name) = (read::<4>(&mut file), read::<4>(&mut file));
        at += match u32::from_be_bytes(size) {
            0 => length,
            1 => u64::from_be_bytes(read(&mut file)),
            size => u64::from(size),
        };
        names.push(name);
    }
    names
}

/// Whether a Matroska file has an index.
pub(crate) fn has_cues(path: &Path) -> bool {
    let (mut file, length) = open(path);
    let mut at = 0;
    while at < length {
        file.seek(SeekFrom::Start(at)).unwrap();
        let (id, _) = number(&mut file);
        let (marked, bits) = number(&mut file);
        let size = marked & !(1 << bits);
        at = file.stream_position().unwrap();
        // What goes on until something else begins is looked into, as is the one that has the others in it.
        let is_endless = size == (1 << bits) - 1;
        match id {
            CUES => return true,
            SEGMENT => {}
            _ if is_endless => {}
            _ => at += size,
        }
    }
    false
}

fn open(path: &Path) -> (File, u64) {
    let file = File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    (file, length)
}

fn read<const BYTES: usize>(file: &mut File) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    file.read_exact(&mut bytes).unwrap();
    bytes
}

/// A number whose first byte tells its length, with the mark that does so, and the bits below that (RFC 8794 §4).
fn number(file: &mut File) -> (u64, u32) {
    let [first] = read(file);
    let more = first.leading_zeros();
    let bytes = (0..more).map(|_| read::<1>(file)[0]);
    let value = bytes.fold(u64::from(first), |value, byte| value << 8 | u64::from(byte));
    (value, 7 * (more + 1))
}
