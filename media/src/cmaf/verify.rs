//! What `finalize` asks of a stored object: is it what the grid and the index promised?

use super::{
    Slot,
    nal::{self, Picture},
    read::{ReadFragment, ReadSample, read_fragments},
    slots,
};
use crate::{index::TrackChunk, plan::Plan, track::Track};

/// Findings of one object; one broken object repeats itself.
const FINDINGS_MAX: usize = 20;

/// Something about a stored object that is not as promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The packaging rule that it breaks.
    pub rule: u16,
    /// What to do about it.
    pub severity: Severity,
    /// What was found, for people.
    pub text: String,
}

/// What to do about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The bytes are not those that were indexed, or cannot be decoded: the chunk is made anew.
    Damaged,
    /// The bytes are whole but break a rule: making them anew would break it again.
    Nonconforming,
}

/// Rules of packaging that are judged here.
mod rule {
    /// I-frame ranges: moof to the end of a first sample that is an IDR picture.
    pub(super) const I_FRAME: u16 = 42;
    /// Readable fragments, one traf and one trun, addressed from the moof.
    pub(super) const FRAGMENT: u16 = 51;
    /// Decode times follow on each other and on the grid, sequence numbers increase.
    pub(super) const TIMES: u16 = 52;
    /// Presentation times cover the fragment exactly.
    pub(super) const PRESENTATION: u16 = 54;
}

/// Findings so far, up to the bound.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

/// Compares the object of one track and chunk with the index and the grid; empty means flawless.
///
/// `bytes` is the whole object. Never more than a fixed number of findings.
pub fn verify(plan: &Plan, part: &TrackChunk, bytes: &[u8]) -> Vec<Finding> {
    let mut findings = Findings::default();
    let fragments = match read_fragments(bytes) {
        Ok(fragments) => fragments,
        Err(error) => {
            findings.damaged(rule::FRAGMENT, format!("{} {}: {error}", part.track, part.first));
            return findings.0;
        }
    };
    let stored = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if stored != part.bytes() {
        let text = format!("{} {}: {stored} bytes stored, {} indexed", part.track, part.first, part.bytes());
        findings.damaged(rule::FRAGMENT, text);
    }
    check_sums(&mut findings, part, bytes);
    let mut rest = fragments.iter();
    let mut offset = 0;
    for (n, segment) in (part.first..=u64::MAX).zip(&part.segments) {
        let Some(slots) = slots(plan, part.track, n) else {
            findings.damaged(rule::TIMES, format!("{} {n}: not on the grid", part.track));
            return findings.0;
        };
        if segment.offset != offset || segment.fragments.len() != slots.len() {
            findings.damaged(rule::FRAGMENT, format!("{} {n}: the index entry is not one of this grid", part.track));
            return findings.0;
        }
        for (slot, indexed) in slots.iter().zip(&segment.fragments) {
            let Some(read) = rest.next() else {
                findings.damaged(rule::FRAGMENT, format!("{} {n}: a fragment is missing", part.track));
                return findings.0;
            };
            let name = format!("{} {n} at byte {}", part.track, read.offset);
            if read.offset != offset || read.bytes != u64::from(indexed.bytes) {
                findings.damaged(rule::FRAGMENT, format!("{name}: not where or as large as indexed"));
                return findings.0;
            }
            check_first_sample(&mut findings, &name, read, indexed.first_sample_end);
            check_times(&mut findings, &name, read, slot);
            if part.track.is_video() && plan.video(part.track).is_some_and(|video| video.encoder.codec == "h264") {
                check_pictures(&mut findings, &name, part.track, read, bytes);
            }
            offset += read.bytes;
        }
    }
    if rest.next().is_some() {
        findings.damaged(rule::FRAGMENT, format!("{}: more fragments stored than indexed", part.track));
    }
    findings.0
}

// === impl Findings ===

impl Findings {
    fn damaged(&mut self, rule: u16, text: String) {
        self.push(Finding { rule, severity: Severity::Damaged, text });
    }

    fn broken_rule(&mut self, rule: u16, text: String) {
        self.push(Finding { rule, severity: Severity::Nonconforming, text });
    }

    fn push(&mut self, finding: Finding) {
        if self.0.len() < FINDINGS_MAX {
            self.0.push(finding);
        }
    }
}

fn check_sums(findings: &mut Findings, part: &TrackChunk, bytes: &[u8]) {
    for (n, segment) in (part.first..=u64::MAX).zip(&part.segments) {
        let start = usize::try_from(segment.offset).ok();
        let end = usize::try_from(segment.offset.saturating_add(segment.bytes())).ok();
        let stored = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
        if stored.is_some_and(|stored| !segment.matches(stored)) {
            findings.damaged(rule::FRAGMENT, format!("{} {n}: its bytes have another checksum", part.track));
        }
    }
}

fn check_first_sample(findings: &mut Findings, name: &str, read: &ReadFragment, first_sample_end: u32) {
    let Some(first) = read.samples.first() else { return };
    let end = u64::try_from(first.data.end).unwrap_or(u64::MAX).saturating_sub(read.offset);
    if end != u64::from(first_sample_end) || first.data.start != read.mdat.start {
        let text = format!("{name}: the first sample ends at {end}, {first_sample_end} is indexed");
        findings.damaged(rule::I_FRAME, text);
    }
    if !first.sync || !first.independent {
        findings.broken_rule(rule::I_FRAME, format!("{name}: the first sample is not marked as sync"));
    }
    if read.samples.last().is_some_and(|last| last.data.end != read.mdat.end) {
        findings.broken_rule(rule::FRAGMENT, format!("{name}: the mdat holds bytes of no sample"));
    }
}

fn check_times(findings: &mut Findings, name: &str, read: &ReadFragment, slot: &Slot) {
    let expected = slot.fragment;
    if read.track_id != super::TRACK_ID || read.sequence != expected.sequence {
        let text = format!("{name}: track {}, sequence {}, want {}", read.track_id, read.sequence, expected.sequence);
        findings.broken_rule(rule::TIMES, text);
    }
    if read.base_decode_time != expected.base_decode_time {
        let text = format!("{name}: tfdt {}, the grid says {}", read.base_decode_time, expected.base_decode_time);
        findings.broken_rule(rule::TIMES, text);
    }
    let count = u64::try_from(read.samples.len()).unwrap_or(u64::MAX);
    if count != slot.samples {
        findings.broken_rule(rule::TIMES, format!("{name}: {count} samples, the grid says {}", slot.samples));
        return;
    }
    if let Some(other) = read.samples.iter().find(|sample| sample.duration != slot.sample_duration) {
        let text = format!("{name}: a sample lasts {} ticks, the grid says {}", other.duration, slot.sample_duration);
        findings.broken_rule(rule::TIMES, text);
        return;
    }
    if !presentation_is_whole(&read.samples, slot.sample_duration) {
        findings.broken_rule(rule::PRESENTATION, format!("{name}: presentation times are not one each frame"));
    }
}

/// Whether presentation times, counted from the `tfdt`, are 0, 1, 2, … sample durations in some order.
fn presentation_is_whole(samples: &[ReadSample], duration: u32) -> bool {
    let duration = i64::from(duration.max(1));
    let mut seen = vec![false; samples.len()];
    let mut decode_time = 0;
    for sample in samples {
        let shown = decode_time + i64::from(sample.composition_offset);
        let place = usize::try_from(shown / duration).ok().and_then(|index| seen.get_mut(index));
        match place {
            Some(place) if shown >= 0 && shown % duration == 0 && !*place => *place = true,
            _ => return false,
        }
        decode_time += i64::from(sample.duration);
    }
    true
}

fn check_pictures(findings: &mut Findings, name: &str, track: Track, read: &ReadFragment, bytes: &[u8]) {
    for (position, sample) in read.samples.iter().enumerate() {
        let data = bytes.get(sample.data.clone()).unwrap_or_default();
        match nal::picture(data) {
            Picture::Broken => {
                findings.damaged(
                    rule::FRAGMENT,
                    format!("{name}: sample {position} is not a run of NAL units with a slice"),
                );
            }
            Picture::Other if position == 0 || track == Track::Trick => {
                findings.broken_rule(rule::I_FRAME, format!("{name}: sample {position} is not an IDR picture"));
            }
            Picture::Idr | Picture::Other => {}
        }
    }
}
