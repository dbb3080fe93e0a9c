//! Records of a trial: what an encoder gave, sample by sample and as it came, for a judge to read.
//!
//! Written by the child that encodes and read by the process that judges; both are one executable.

/// A change of the decoder configuration.
const TAG_CONFIG: u8 = 0;
/// A coded sample.
const TAG_SAMPLE: u8 = 1;
/// Stands for a sample that belongs to no wanted frame.
const NO_FRAME: u64 = u64::MAX;

/// All that an encoder gave for one run of segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Decoder configurations in the order in which they were told; more than one is a change.
    pub(crate) configs: Vec<Vec<u8>>,
    /// Samples in decode order.
    pub(crate) samples: Vec<Sample>,
}

/// A coded sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// The frame of the grid that its time stands for; `None` for pre-roll and post-roll.
    pub(crate) frame: Option<u64>,
    /// Its running time in nanoseconds: 0 is the first picture that the encoder was given.
    pub(crate) time_ns: u64,
    /// Whether the element marks it as a key frame.
    pub(crate) sync: bool,
    /// Its bytes.
    pub(crate) data: Vec<u8>,
}

/// Appends a decoder configuration.
pub(crate) fn write_config(to: &mut Vec<u8>, config: &[u8]) {
    to.push(TAG_CONFIG);
    write_bytes(to, config);
}

/// Appends a sample.
pub(crate) fn write_sample(to: &mut Vec<u8>, frame: Option<u64>, time_ns: u64, sync: bool, data: &[u8]) {
    to.push(TAG_SAMPLE);
    to.extend_from_slice(&frame.unwrap_or(NO_FRAME).to_le_bytes());
    to.extend_from_slice(&time_ns.to_le_bytes());
    to.push(u8::from(sync));
    write_bytes(to, data);
}

fn write_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend_from_slice(bytes);
}

// === impl Record ===

impl Record {
    /// Reads a record; `None` if it is cut short or no record, since the child is not trusted.
    pub(crate) fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut record = Self::default();
        while let Some((&tag, rest)) = bytes.split_first() {
            bytes = rest;
            match tag {
                TAG_CONFIG => record.configs.push(take_bytes(&mut bytes)?.to_vec()),
                TAG_SAMPLE => {
                    let frame = Some(take_u64(&mut bytes)?).filter(|&frame| frame != NO_FRAME);
                    let time_ns = take_u64(&mut bytes)?;
                    let sync = take::<1>(&mut bytes)? != [0];
                    let data = take_bytes(&mut bytes)?.to_vec();
                    record.samples.push(Sample { frame, time_ns, sync, data });
                }
                _ => return None,
            }
        }
        Some(record)
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    take(bytes).map(u64::from_le_bytes)
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(u32::from_le_bytes(take(bytes)?)).ok()?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let mut bytes = Vec::new();
        write_config(&mut bytes, &[1, 2]);
        write_sample(&mut bytes, Some(7), 40, true, &[9; 5]);
        write_sample(&mut bytes, None, 80, false, &[]);
        let record = Record::read(&bytes).unwrap();
        assert_eq!(record.configs, [vec![1, 2]]);
        let samples = [
            Sample { frame: Some(7), time_ns: 40, sync: true, data: vec![9; 5] },
            Sample { frame: None, time_ns: 80, sync: false, data: vec![] },
        ];
        assert_eq!(record.samples, samples);
        let ends = [0, 7, 7 + 27];
        for cut in 0..bytes.len() {
            assert_eq!(Record::read(&bytes[..cut]).is_some(), ends.contains(&cut), "{cut}");
        }
        assert_eq!(Record::read(&[9]), None);
    }
}
