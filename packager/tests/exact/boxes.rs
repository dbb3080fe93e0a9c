//! Times as the boxes of our output have them, read by another parser than our own.

use mp4_atom::{Any, DecodeMaybe};

/// A fragment.
pub(crate) struct Fragment {
    /// Decode time of its first sample, in ticks.
    pub(crate) start: u64,
    /// When its samples are shown, ascending, in ticks.
    pub(crate) shown: Vec<i64>,
    /// Ticks that all samples last together.
    pub(crate) ticks: u64,
}

/// The fragments of an init segment and what is behind it.
pub(crate) fn fragments(mut bytes: &[u8]) -> Vec<Fragment> {
    let mut fragments = Vec::new();
    while let Some(found) = Any::decode_maybe(&mut bytes).unwrap() {
        match found {
            Any::Moof(moof) => fragments.push(fragment(&moof)),
            Any::Moov(moov) => {
                let edits = moov.trak.iter().filter(|trak| trak.edts.is_some()).count();
                assert_eq!(edits, 0, "no track needs an edit list");
            }
            _ => {}
        }
    }
    fragments
}

fn fragment(moof: &mp4_atom::Moof) -> Fragment {
    let [traf] = &moof.traf[..] else { panic!("{} tracks in a fragment", moof.traf.len()) };
    let start = traf.tfdt.as_ref().unwrap().base_media_decode_time;
    let [trun] = &traf.trun[..] else { panic!("{} runs in a fragment", traf.trun.len()) };
    let (mut at, mut shown) = (start, Vec::new());
    for sample in &trun.samples {
        shown.push(at.cast_signed() + sample.cts.unwrap_or(0));
        at += u64::from(sample.duration.or(traf.tfhd.default_sample_duration).unwrap());
    }
    shown.sort_unstable();
    Fragment { start, shown, ticks: at - start }
}
