//! Display order read from the bitstream, for containers that only know in which order to decode (AVI),
//! or tell when to show only some pictures (MPEG program streams).

use super::units::{starts, unit};

/// Bytes of a packet that are looked into: the headers of its first slice lie there.
pub(in crate::scan) const LOOK_BYTES: usize = 4096;
/// Bytes of a slice that hold its header up to the order count.
const SLICE_BYTES: usize = 64;
/// `log2_max_pic_order_cnt_lsb` is at most this (ITU-T H.264 §7.4.2.1.1).
const POC_BITS_MAX: u32 = 16;
/// One epoch of picture order counts, from IDR to IDR.
const EPOCH: i64 = 1 << 32;

/// Tells the place of each picture in display order, as a key to sort by.
pub(in crate::scan) enum Order {
    /// The codec has no reordering, or its container knows.
    Unknown,
    /// MPEG-1, 2 and 4 part 2, where B-pictures are shown between the two anchors before them.
    Mpeg {
        /// Whether it is part 2 of MPEG-4.
        visual: bool,
        /// Pictures of other types so far.
        anchors: i64,
    },
    /// H.264 byte stream.
    H264(Box<H264>),
}

/// What H.264 needs from picture to picture (§8.2.1.1).
#[derive(Default)]
pub(in crate::scan) struct H264 {
    parameters: Option<Parameters>,
    epoch: i64,
    /// High and low part of the last reference picture's order count.
    previous: (i64, i64),
}

/// What a slice header's syntax depends on.
#[derive(Clone, Copy)]
struct Parameters {
    separate_planes: bool,
    frame_num_bits: u32,
    poc_bits: u32,
    frames_only: bool,
}

/// Reads bits of a NAL unit without its emulation prevention bytes.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

// === impl Order ===

impl Order {
    /// For a stream with these caps.
    pub(in crate::scan) fn new(caps: &gst::CapsRef) -> Self {
        let Some(structure) = caps.structure(0) else { return Self::Unknown };
        match structure.name().as_str() {
            "video/mpeg" => Self::Mpeg { visual: structure.get::<i32>("mpegversion") == Ok(4), anchors: 0 },
            "video/x-h264" => Self::H264(Box::default()),
            _ => Self::Unknown,
        }
    }

    /// The key of the next picture in decode order.
    pub(in crate::scan) fn next(&mut self, data: &[u8]) -> Option<i64> {
        let head = data.get(..LOOK_BYTES).unwrap_or(data);
        match self {
            Self::Unknown => None,
            Self::Mpeg { visual, anchors } => {
                let between = starts(head)
                    .filter_map(|start| head.get(start..))
                    .find_map(|rest| if *visual { is_b_vop(rest) } else { is_b_picture(rest) });
                if between == Some(true) {
                    return Some(*anchors * 2 - 2);
                }
                *anchors += 1;
                Some(*anchors * 2 - 1)
            }
            Self::H264(state) => state.next(head),
        }
    }
}

/// `vop_coding_type` 2 is B (ISO 14496-2 §6.2.5); `None`: not a VOP.
fn is_b_vop(unit: &[u8]) -> Option<bool> {
    let (&kind, rest) = unit.split_first()?;
    (kind == 0xb6).then(|| rest.first().is_some_and(|byte| byte >> 6 == 2))
}

/// `picture_coding_type` 3 is B (ISO 13818-2 §6.2.3): three bits after ten of temporal reference;
/// `None`: not a picture header.
fn is_b_picture(unit: &[u8]) -> Option<bool> {
    let (&kind, rest) = unit.split_first()?;
    (kind == 0).then(|| rest.get(1).is_some_and(|byte| (byte >> 3) & 7 == 3))
}

// === impl H264 ===

impl H264 {
    fn next(&mut self, head: &[u8]) -> Option<i64> {
        for start in starts(head) {
            match head.get(start)? & 0x1f {
                7 => self.parameters = Parameters::read(unit(head, start)),
                1 | 5 => return self.picture(head.get(start..)?),
                _ => {}
            }
        }
        None
    }

    fn picture(&mut self, unit: &[u8]) -> Option<i64> {
        let parameters = self.parameters?;
        let idr = unit.first()? & 0x1f == 5;
        let reference = unit.first()? & 0x60 != 0;
        let low = i64::from(parameters.poc_lsb(unit, idr)?);
        if idr {
            self.epoch += 1;
            self.previous = (0, 0);
        }
        let span = 1_i64 << parameters.poc_bits;
        let (previous_high, previous_low) = self.previous;
        let high = if low < previous_low && previous_low - low >= span / 2 {
            previous_high + span
        } else if low > previous_low && low - previous_low > span / 2 {
            previous_high - span
        } else {
            previous_high
        };
        if reference {
            self.previous = (high, low);
        }
        Some(self.epoch * EPOCH + high + low)
    }
}

// === impl Parameters ===

impl Parameters {
    /// Reads a sequence parameter set (§7.3.2.1.1); `None` for order types without counts in slices.
    fn read(unit: &[u8]) -> Option<Self> {
        const HIGH_PROFILES: [u32; 12] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134];
        let mut bits = Bits::new(unit);
        bits.take(8)?;
        let profile = bits.take(8)?;
        bits.take(16)?;
        bits.ue()?;
        let mut separate_planes = false;
        if HIGH_PROFILES.contains(&profile) {
            let format = bits.ue()?;
            separate_planes = format == 3 && bits.take(1)? == 1;
            bits.ue()?;
            bits.ue()?;
            bits.take(1)?;
            if bits.take(1)? == 1 {
                bits.skip_scaling(if format == 3 { 12 } else { 8 })?;
            }
        }
        let frame_num_bits = bits.ue()?.checked_add(4).filter(|&count| count <= POC_BITS_MAX)?;
        if bits.ue()? != 0 {
            return None;
        }
        let poc_bits = bits.ue()?.checked_add(4).filter(|&count| count <= POC_BITS_MAX)?;
        bits.ue()?;
        bits.take(1)?;
        bits.ue()?;
        bits.ue()?;
        Some(Self { separate_planes, frame_num_bits, poc_bits, frames_only: bits.take(1)? == 1 })
    }

    /// `pic_order_cnt_lsb` of a slice header (§7.3.3).
    fn poc_lsb(self, unit: &[u8], idr: bool) -> Option<u32> {
        let mut bits = Bits::new(unit.get(..SLICE_BYTES).unwrap_or(unit));
        bits.take(8)?;
        for _ in 0..3 {
            bits.ue()?;
        }
        if self.separate_planes {
            bits.take(2)?;
        }
        bits.take(self.frame_num_bits)?;
        if !self.frames_only && bits.take(1)? == 1 {
            bits.take(1)?;
        }
        if idr {
            bits.ue()?;
        }
        bits.take(self.poc_bits)
    }
}

// === impl Bits ===

impl Bits {
    fn new(unit: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(unit.len());
        let mut zeros = 0;
        for &byte in unit {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Self { bytes, at: 0 }
    }

    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = (value << 1) | u32::from((byte >> (7 - self.at % 8)) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// An unsigned Exp-Golomb number (§9.1).
    fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = u64::from(self.take(zeros)?);
        u32::try_from((1_u64 << zeros) - 1 + rest).ok()
    }

    /// Scaling lists (§7.3.2.1.1.1): only their length matters.
    fn skip_scaling(&mut self, lists: u32) -> Option<()> {
        for list in 0..lists {
            if self.take(1)? == 0 {
                continue;
            }
            let (mut last, mut next) = (8_i64, 8_i64);
            for _ in 0..if list < 6 { 16 } else { 64 } {
                if next != 0 {
                    let code = i64::from(self.ue()?);
                    let delta = if code % 2 == 1 { code.div_euclid(2) + 1 } else { -(code / 2) };
                    next = (last + delta).rem_euclid(256);
                }
                last = if next == 0 { last } else { next };
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_pictures_come_between_their_anchors() {
        let picture = |kind: u8| [0, 0, 1, 0xb6, kind << 6];
        let mut order = Order::Mpeg { visual: true, anchors: 0 };
        // I P B B P B in decode order.
        let keys: Vec<i64> = [0, 1, 2, 2, 1, 2].into_iter().map(|kind| order.next(&picture(kind)).unwrap()).collect();
        let mut places: Vec<usize> = (0..keys.len()).collect();
        places.sort_by_key(|&at| keys[at]);
        assert_eq!(places, [0, 2, 3, 1, 5, 4]);
    }

    #[test]
    fn emulation_prevention_is_undone_and_numbers_end() {
        let mut bits = Bits::new(&[0, 0, 3, 1]);
        assert_eq!((bits.take(24), bits.take(1)), (Some(1), None));
        assert_eq!(Bits::new(&[0b0010_1000]).ue(), Some(4));
        assert_eq!(Bits::new(&[0; 8]).ue(), None);
    }

    #[test]
    fn damaged_units_have_no_order() {
        let mut order = H264::default();
        assert_eq!(order.next(&[0, 0, 1, 0x67, 100]), None);
        assert_eq!(order.next(&[0, 0, 1, 0x65, 0x88]), None);
        assert_eq!(order.next(&[]), None);
    }
}
