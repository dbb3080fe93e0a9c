//! What follows a failed attempt.

use crate::{
    job::JobKind,
    limits::{ATTEMPTS_MAX, FILLER_PARTS},
};

/// How long a job rests after its first, second, … failure, in milliseconds; the last is kept from then on.
const BACKOFF_MS: [i64; 5] = [100, 1_000, 10_000, 60_000, 300_000];

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    /// What was tried.
    pub(crate) kind: JobKind,
    /// Failures so far, this one included.
    pub(crate) failures: u32,
    /// Whether another attempt may succeed.
    pub(crate) retryable: bool,
    /// Whether it was to make filler.
    pub(crate) filler: bool,
    /// Whether the chunk has the first segment.
    pub(crate) first_chunk: bool,
    /// Frames that would be filler in the generation if this chunk were.
    pub(crate) filler_frames: u64,
    /// Frames of the generation.
    pub(crate) frames: u64,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another attempt after a rest.
    Retry {
        /// The rest, in milliseconds.
        rest_ms: i64,
    },
    /// The chunk becomes filler.
    Filler,
    /// The video goes on without it, with this warning.
    Warn(&'static str),
    /// The video fails.
    FailVideo,
}

/// Decides what follows a failed attempt, so that nothing is tried for ever but a deletion: its bytes
/// must go before its row does, so it rests longer and longer, up to five minutes.
pub(crate) fn after_failure(attempt: &Attempt) -> Verdict {
    let retry = Verdict::Retry { rest_ms: rest_ms(attempt.failures) };
    if attempt.kind == JobKind::Delete || (attempt.retryable && attempt.failures < ATTEMPTS_MAX) {
        return retry;
    }
    match attempt.kind {
        JobKind::Probe => Verdict::FailVideo,
        JobKind::Encode if attempt.filler || attempt.first_chunk || is_mostly_lost(attempt) => Verdict::FailVideo,
        JobKind::Encode => Verdict::Filler,
        JobKind::Sheet => Verdict::Warn("storyboard"),
        JobKind::Finalize => Verdict::Warn("unverified"),
        JobKind::Delete => retry,
    }
}

fn is_mostly_lost(attempt: &Attempt) -> bool {
    attempt.filler_frames.saturating_mul(FILLER_PARTS) > attempt.frames
}

fn rest_ms(failures: u32) -> i64 {
    let place = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    BACKOFF_MS.get(place).or(BACKOFF_MS.last()).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(kind: JobKind, failures: u32) -> Attempt {
        let rest = Attempt {
            kind,
            failures,
            retryable: true,
            filler: false,
            first_chunk: false,
            filler_frames: 10,
            frames: 100,
        };
        assert_eq!(rest.filler_frames * FILLER_PARTS, rest.frames);
        rest
    }

    #[test]
    fn two_failures_rest_and_the_third_decides() {
        for (kind, end) in [
            (JobKind::Probe, Verdict::FailVideo),
            (JobKind::Encode, Verdict::Filler),
            (JobKind::Sheet, Verdict::Warn("storyboard")),
            (JobKind::Finalize, Verdict::Warn("unverified")),
        ] {
            assert_eq!(after_failure(&attempt(kind, 1)), Verdict::Retry { rest_ms: 100 });
            assert_eq!(after_failure(&attempt(kind, 2)), Verdict::Retry { rest_ms: 1_000 });
            assert_eq!(after_failure(&attempt(kind, 3)), end);
            assert_eq!(after_failure(&Attempt { retryable: false, ..attempt(kind, 1) }), end);
        }
    }

    #[test]
    fn a_first_chunk_filler_or_more_than_a_tenth_lost_ends_the_video() {
        let third = attempt(JobKind::Encode, 3);
        assert_eq!(after_failure(&Attempt { first_chunk: true, ..third }), Verdict::FailVideo);
        assert_eq!(after_failure(&Attempt { filler: true, ..third }), Verdict::FailVideo);
        assert_eq!(after_failure(&Attempt { filler_frames: 11, ..third }), Verdict::FailVideo);
    }

    #[test]
    fn a_deletion_is_tried_for_ever_and_rests_at_most_five_minutes() {
        assert_eq!(after_failure(&attempt(JobKind::Delete, 1_000_000)), Verdict::Retry { rest_ms: 300_000 });
        let last = Attempt { retryable: false, ..attempt(JobKind::Delete, u32::MAX) };
        assert_eq!(after_failure(&last), Verdict::Retry { rest_ms: 300_000 });
    }
}
