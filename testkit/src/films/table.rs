//! The table of films, and that it has every pair of properties that can be.

use std::fmt;

/// The length of films of two hours, which take minutes to make.
const LONG: &str = "7200";

/// One film: a line of `films.txt`.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Whether every run of the tests makes it.
    pub is_core: bool,
    /// The container, with what is particular in it: `mp4-edits` begins with an edit list, `mkv-live` has no index.
    pub container: &'static str,
    /// Whether GOPs are `open`, so that B-frames lead every key picture but the first, or `closed`.
    pub gop: &'static str,
    /// Whether there are B-frames: `some` or `none`.
    pub b: &'static str,
    /// Pictures per second; `vfr` where they are uneven, `hole` where there are none for twelve seconds besides.
    pub rate: &'static str,
    /// `mono`, `stereo`, `5.1`, or `none`.
    pub channels: &'static str,
    /// Samples per second, or `-`.
    pub hertz: &'static str,
    /// Whether the sound is as long as the pictures, `silent`, `late`, `short` or `long`, or `-`.
    pub extent: &'static str,
    /// Seconds that the pictures last.
    pub seconds: &'static str,
}

/// The rows of the table.
pub fn rows() -> Vec<Row> {
    lines().filter_map(Row::read).collect()
}

fn lines() -> impl Iterator<Item = &'static str> {
    include_str!("films.txt").lines().filter(|line| !line.starts_with('#'))
}

// === impl Row ===

impl Row {
    /// A line of the table; `None` if it is none.
    pub fn read(line: &'static str) -> Option<Self> {
        let words: Vec<&'static str> = line.split_whitespace().collect();
        let &[run, container, gop, b, rate, channels, hertz, extent, seconds] = words.as_slice() else { return None };
        let is_core = match run {
            "core" => true,
            "long" => false,
            _ => return None,
        };
        Some(Self { is_core, container, gop, b, rate, channels, hertz, extent, seconds })
    }

    /// Whether a text such as that of `TEST_FILMS` asks for it: `core`, `short` (all but those of two hours), `all`,
    /// or parts of lines with commas between.
    pub fn is_wanted(&self, wanted: &str) -> bool {
        match wanted {
            "core" => self.is_core,
            "short" => self.seconds != LONG,
            "all" => true,
            texts => texts.split(',').any(|text| self.to_string().contains(text)),
        }
    }
}

impl fmt::Display for Row {
    /// The line without its first word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, gop, b, rate, channels, hertz, extent, seconds, .. } = self;
        write!(f, "{container} {gop} {b} {rate} {channels} {hertz} {extent} {seconds}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every property of a film and its values.
    const AXES: [(&str, &[&str]); 8] = [
        (
            "container",
            &["mp4", "mp4-first", "mp4-fragments", "mp4-edits", "mov", "mkv", "mkv-live", "webm", "ts", "flv", "avi"],
        ),
        ("gop", &["closed", "open"]),
        ("b", &["none", "some"]),
        ("rate", &["23.976", "24", "25", "29.97", "30", "50", "59.94", "60", "12.5", "vfr", "hole"]),
        ("channels", &["mono", "stereo", "5.1", "none"]),
        ("hertz", &["44100", "48000", "-"]),
        ("extent", &["whole", "silent", "late", "short", "long", "-"]),
        ("seconds", &["0.5", "3", "10", "40", LONG]),
    ];

    /// An axis and some values, another axis and some of its values, and why they do not go together.
    type Impossible = (&'static str, &'static [&'static str], &'static str, &'static [&'static str], &'static str);

    /// Pairs that cannot be: values of one axis, values of another, and why.
    const IMPOSSIBLE: [Impossible; 12] = [
        ("gop", &["open"], "b", &["none"], "what makes a GOP open are B-frames that lead its key picture"),
        ("container", &["webm"], "gop", &["open"], "every key picture of VP9 starts anew"),
        ("container", &["webm"], "b", &["some"], "VP9 has no B-frames"),
        ("container", &["avi"], "rate", &["vfr"], "AVI has one rate; what it can do is leave pictures out"),
        ("container", &["avi"], "extent", &["late"], "all streams of an AVI that ffmpeg writes start at once"),
        ("rate", &["hole"], "seconds", &["0.5", "3", "10"], "the hole alone is longer"),
        ("channels", &["none"], "hertz", &["44100", "48000"], "no sound has no rate"),
        ("channels", &["none"], "extent", &["whole", "silent", "late", "short", "long"], "no sound has no extent"),
        ("channels", &["mono", "stereo", "5.1"], "hertz", &["-"], "sound has a rate"),
        ("channels", &["mono", "stereo", "5.1"], "extent", &["-"], "sound has an extent"),
        ("hertz", &["44100", "48000"], "extent", &["-"], "sound has an extent"),
        ("hertz", &["-"], "extent", &["whole", "silent", "late", "short", "long"], "no sound has no extent"),
    ];

    /// A value of an axis.
    type Value = (&'static str, &'static str);

    fn values(row: &Row) -> Vec<Value> {
        let of = [row.container, row.gop, row.b, row.rate, row.channels, row.hertz, row.extent, row.seconds];
        AXES.iter().map(|(axis, _)| *axis).zip(of).collect()
    }

    fn pairs(row: &Row) -> BTreeSet<(Value, Value)> {
        let values = values(row);
        let with_later = |(at, &one): (usize, &Value)| values[at + 1..].iter().map(move |&other| (one, other));
        values.iter().enumerate().flat_map(with_later).collect()
    }

    /// Every pair of values of two axes.
    fn all_pairs() -> BTreeSet<(Value, Value)> {
        let mut pairs = BTreeSet::new();
        for (at, (one, values)) in AXES.iter().enumerate() {
            for (other, others) in AXES.iter().skip(at + 1) {
                pairs.extend(
                    values.iter().flat_map(|value| others.iter().map(move |with| ((*one, *value), (*other, *with)))),
                );
            }
        }
        pairs
    }

    fn impossible((one, other): &(Value, Value)) -> Option<&'static str> {
        let has = |value: &Value, axis: &str, values: &[&str]| value.0 == axis && values.contains(&value.1);
        let found = IMPOSSIBLE
            .iter()
            .find(|(axis, values, with, others, _)| has(one, axis, values) && has(other, with, others));
        found.map(|(.., why)| *why)
    }

    #[test]
    fn every_line_is_a_film_of_its_own() {
        for line in lines() {
            assert!(Row::read(line).is_some(), "{line}");
        }
        let texts: BTreeSet<String> = rows().iter().map(Row::to_string).collect();
        assert_eq!(texts.len(), lines().count());
    }

    #[test]
    fn every_pair_of_values_that_can_be_has_a_film() {
        let all = all_pairs();
        let mut missing = all.clone();
        for row in rows() {
            for pair in pairs(&row) {
                assert!(all.contains(&pair), "{row}: {pair:?} is not in the axes");
                assert_eq!(impossible(&pair), None, "{row}: {pair:?}");
                missing.remove(&pair);
            }
        }
        missing.retain(|pair| impossible(pair).is_none());
        assert!(missing.is_empty(), "no film has {missing:?}");
    }

    #[test]
    fn the_core_has_every_value_but_two_hours() {
        let core: BTreeSet<Value> = rows().iter().filter(|row| row.is_core).flat_map(values).collect();
        for (axis, values) in AXES {
            for &value in values {
                assert_eq!(core.contains(&(axis, value)), value != LONG, "{axis} {value}");
            }
        }
    }

    #[test]
    fn films_are_wanted_by_a_word_or_by_parts_of_their_lines() {
        let count = |wanted: &str| rows().iter().filter(|row| row.is_wanted(wanted)).count();
        let long = rows().iter().filter(|row| row.seconds == LONG).count();
        assert_eq!(count("all"), rows().len());
        assert_eq!(count("short"), rows().len() - long);
        assert_eq!(count("core"), rows().iter().filter(|row| row.is_core).count());
        assert_eq!(count("mp4-edits,mov "), count("mp4-edits") + count("mov "));
        assert_eq!(count("no film has this"), 0);
    }
}
