//! Runs of segments: do they cover what they should, exactly once?

use vidstream_media::chunks::Segments;

/// Whether ascending runs cover the segments `1..=count` exactly once.
pub(crate) fn is_partition(runs: &[Segments], count: u64) -> bool {
    let mut next = 1;
    for run in runs {
        if run.first != next || run.last < run.first || run.last > count {
            return false;
        }
        next = run.last + 1;
    }
    next == count + 1
}

/// What ascending runs leave uncovered of the segments `1..=count`; `None` when two of them overlap.
pub(crate) fn gaps(runs: &[Segments], count: u64) -> Option<Vec<Segments>> {
    let mut gaps = Vec::new();
    let mut next = 1;
    for run in runs {
        if run.first < next {
            return None;
        }
        if run.first > next {
            gaps.push(Segments { first: next, last: run.first - 1 });
        }
        next = run.last + 1;
    }
    if next <= count {
        gaps.push(Segments { first: next, last: count });
    }
    Some(gaps)
}

/// Whether ascending runs cover all of `wanted`.
pub(crate) fn covers(runs: &[Segments], wanted: Segments) -> bool {
    let mut next = wanted.first;
    let start = runs.partition_point(|run| run.last < next);
    for run in runs.iter().skip(start) {
        if next > wanted.last || run.first > next {
            break;
        }
        next = run.last + 1;
    }
    next > wanted.last
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(spans: &[(u64, u64)]) -> Vec<Segments> {
        spans.iter().map(|&(first, last)| Segments { first, last }).collect()
    }

    #[test]
    fn a_partition_has_no_gap_overlap_or_excess() {
        assert!(is_partition(&runs(&[(1, 1), (2, 5)]), 5));
        for bad in [&[(1, 1), (3, 5)][..], &[(1, 2), (2, 5)], &[(1, 6)], &[(2, 5)], &[(1, 4)], &[], &[(1, 5), (6, 5)]] {
            assert!(!is_partition(&runs(bad), 5), "{bad:?}");
        }
    }

    #[test]
    fn gaps_are_what_is_missing() {
        assert_eq!(gaps(&runs(&[(2, 3), (6, 6)]), 8), Some(runs(&[(1, 1), (4, 5), (7, 8)])));
        assert_eq!(gaps(&[], 2), Some(runs(&[(1, 2)])));
        assert_eq!(gaps(&runs(&[(1, 3), (3, 4)]), 8), None);
    }

    #[test]
    fn coverage_may_span_runs() {
        let stored = runs(&[(1, 2), (3, 4), (6, 9)]);
        assert!(covers(&stored, Segments { first: 2, last: 4 }));
        assert!(covers(&stored, Segments { first: 7, last: 7 }));
        for missing in [(4, 6), (5, 5), (9, 10), (10, 10)] {
            assert!(!covers(&stored, Segments { first: missing.0, last: missing.1 }), "{missing:?}");
        }
    }
}
