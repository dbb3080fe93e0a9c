//! The one field of a sequence parameter set that the suite needs: how far pictures may be moved.

/// A sequence parameter set in an `avcC` (ISO/IEC 14496-15 §5.3.3.1): its length lies here.
const SPS_LENGTH_AT: usize = 6;
/// Profiles whose parameter sets tell the chroma format and the like (ITU-T H.264 §7.3.2.1.1).
const HIGH_PROFILES: [u8; 12] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134];
/// `Extended_SAR` (table E-1).
const EXTENDED_SAR: u32 = 255;
/// No value of these fields has more bits.
const GOLOMB_ZEROS_MAX: u32 = 31;
/// A cycle of picture order counts and a list of coded picture buffers have at most this many entries.
const ENTRIES_MAX: u32 = 256;

/// `max_num_reorder_frames` (§E.2.1) of the first parameter set in an `avcC`; `None` where none is declared.
pub(super) fn reorder_frames(avcc: &[u8]) -> Option<u32> {
    let (length, rest) = avcc.get(SPS_LENGTH_AT..)?.split_first_chunk::<2>()?;
    let unit = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
    let payload = without_emulation_prevention(unit.get(1..)?);
    Bits { bytes: &payload, at: 0 }.reorder_frames()
}

/// Takes out the bytes that keep start codes from occurring (§7.4.1).
fn without_emulation_prevention(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        plain.push(byte);
    }
    plain
}

/// Reads bits, the most significant ones first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

// === impl Bits ===

impl Bits<'_> {
    /// §7.3.2.1.1 up to the end of §E.1.1.
    fn reorder_frames(&mut self) -> Option<u32> {
        let profile = u8::try_from(self.bits(8)?).ok()?;
        self.bits(16)?;
        self.golomb()?;
        if HIGH_PROFILES.contains(&profile) {
            self.high_profile()?;
        }
        self.golomb()?;
        match self.golomb()? {
            0 => drop(self.golomb()?),
            1 => {
                self.bits(1)?;
                self.golombs(2)?;
                let cycle = self.golomb()?.min(ENTRIES_MAX);
                self.golombs(cycle)?;
            }
            _ => {}
        }
        self.golomb()?;
        self.bits(1)?;
        self.golombs(2)?;
        if !self.flag()? {
            self.bits(1)?;
        }
        self.bits(1)?;
        if self.flag()? {
            self.golombs(4)?;
        }
        if self.flag()? { self.usability() } else { None }
    }

    fn high_profile(&mut self) -> Option<()> {
        if self.golomb()? == 3 {
            self.bits(1)?;
        }
        self.golombs(2)?;
        self.bits(1)?;
        // Scaling matrices are not read: encoders that send any are judged without this field.
        if self.flag()? { None } else { Some(()) }
    }

    /// §E.1.1.
    fn usability(&mut self) -> Option<u32> {
        if self.flag()? && self.bits(8)? == EXTENDED_SAR {
            self.bits(32)?;
        }
        if self.flag()? {
            self.bits(1)?;
        }
        if self.flag()? {
            self.bits(4)?;
            if self.flag()? {
                self.bits(24)?;
            }
        }
        if self.flag()? {
            self.golombs(2)?;
        }
        if self.flag()? {
            self.bits(32)?;
            self.bits(32)?;
            self.bits(1)?;
        }
        let nal = self.flag()?;
        if nal {
            self.decoder()?;
        }
        let vcl = self.flag()?;
        if vcl {
            self.decoder()?;
        }
        if nal || vcl {
            self.bits(1)?;
        }
        self.bits(1)?;
        if !self.flag()? {
            return None;
        }
        self.bits(1)?;
        self.golombs(4)?;
        self.golomb()
    }

    /// §E.1.2.
    fn decoder(&mut self) -> Option<()> {
        let count = self.golomb()?.checked_add(1)?.min(ENTRIES_MAX);
        self.bits(8)?;
        for _ in 0..count {
            self.golombs(2)?;
            self.bits(1)?;
        }
        self.bits(20).map(drop)
    }

    fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    /// At most 32 bits.
    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// An Exp-Golomb code (§9.1), read as an unsigned value.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > GOLOMB_ZEROS_MAX {
                return None;
            }
        }
        Some((1_u32 << zeros) - 1 + self.bits(zeros)?)
    }

    fn golombs(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.golomb()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An `avcC` around a parameter set.
    fn avcc(sps: &[u8]) -> Vec<u8> {
        let mut record = vec![1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, u8::try_from(sps.len()).unwrap()];
        record.extend_from_slice(sps);
        record
    }

    /// Made by x264, high profile, 480x270: no B-frames, two, and three with a pyramid.
    const REORDERED: [&[u8]; 3] = [
        &[
            0x67, 0x64, 0x00, 0x15, 0xac, 0xb4, 0x0f, 0x04, 0x7f, 0x58, 0x08, 0x80, 0x00, 0x01, 0xf4, 0x80, 0x00, 0x5d,
            0xc0, 0x07, 0x8b, 0x17, 0x50,
        ],
        &[
            0x67, 0x64, 0x00, 0x15, 0xac, 0xd3, 0x07, 0x82, 0x3f, 0xac, 0x04, 0x40, 0x00, 0x00, 0xfa, 0x40, 0x00, 0x2e,
            0xe0, 0x03, 0xc5, 0x8b, 0x4e,
        ],
        &[
            0x67, 0x64, 0x00, 0x15, 0xac, 0xd9, 0x41, 0xe0, 0x8f, 0xeb, 0x01, 0x10, 0x00, 0x00, 0x3e, 0x90, 0x00, 0x0b,
            0xb8, 0x00, 0xf1, 0x62, 0xd9, 0x60,
        ],
    ];

    #[test]
    fn what_is_declared_is_read() {
        assert_eq!(REORDERED.map(|sps| reorder_frames(&avcc(sps))), [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn what_is_cut_short_declares_nothing() {
        for sps in REORDERED {
            for cut in 0..sps.len() - 2 {
                assert_eq!(reorder_frames(&avcc(&sps[..cut])), None, "{cut}");
            }
        }
        assert_eq!(reorder_frames(&[]), None);
        assert_eq!(reorder_frames(&avcc(&[0x67; 60])), None);
    }

    #[test]
    fn bytes_against_start_codes_are_taken_out() {
        assert_eq!(without_emulation_prevention(&[1, 0, 0, 3, 1, 0, 0, 0, 3, 0, 3]), [1, 0, 0, 1, 0, 0, 0, 0, 3]);
    }
}
