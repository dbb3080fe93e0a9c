//! The table of films: its axes, which pairs of their values cannot be, and that all others are there.

use std::{collections::BTreeSet, fmt};

/// Every property of a film and its values.
pub(crate) const AXES: [(&str, &[&str]); 8] = [
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

/// Two hours, which take minutes to make.
pub(crate) const LONG: &str = "7200";

/// An axis and some values, another axis and some of its values, and why they do not go together.
type Impossible = (&'static str, &'static [&'static str], &'static str, &'static [&'static str], &'static str);

/// Pairs that cannot be: values of one axis, values of another, and why.
const IMPOSSIBLE: [Impossible; 11] = [
    ("gop", &["open"], "b", &["none"], "what makes a GOP open are B-frames that lead its key picture"),
    ("container", &["webm"], "gop", &["open"], "every key picture of VP9 starts anew"),
    ("container", &["webm"], "b", &["some"], "VP9 has no B-frames"),
    ("container", &["avi"], "rate", &["vfr"], "AVI has one rate; what it can do is leave pictures out"),
    ("rate", &["hole"], "seconds", &["0.5", "3", "10"], "the hole alone is longer"),
    ("channels", &["none"], "hertz", &["44100", "48000"], "no sound has no rate"),
    ("channels", &["none"], "extent", &["whole", "silent", "late", "short", "long"], "no sound has no extent"),
    ("channels", &["mono", "stereo", "5.1"], "hertz", &["-"], "sound has a rate"),
    ("channels", &["mono", "stereo", "5.1"], "extent", &["-"], "sound has an extent"),
    ("hertz", &["44100", "48000"], "extent", &["-"], "sound has an extent"),
    ("hertz", &["-"], "extent", &["whole", "silent", "late", "short", "long"], "no sound has no extent"),
];

/// One film.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) is_core: bool,
    values: Vec<&'static str>,
}

/// A value of an axis.
type Value = (&'static str, &'static str);

/// The rows of the table.
pub(crate) fn rows() -> Vec<Row> {
    let lines = include_str!("films.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let is_core = match words.next() {
                Some("core") => true,
                Some("long") => false,
                other => panic!("a film is run in `core` or `long`, not in {other:?}"),
            };
            let row = Row { is_core, values: words.collect() };
            assert_eq!(row.values.len(), AXES.len(), "{line}");
            row
        })
        .collect()
}

// === impl Row ===

impl Row {
    /// The film's value of an axis.
    pub(crate) fn get(&self, axis: &str) -> &'static str {
        let place = AXES.iter().position(|(name, _)| *name == axis).unwrap();
        self.values[place]
    }

    /// Seconds that its pictures last.
    pub(crate) fn seconds(&self) -> f64 {
        self.get("seconds").parse().unwrap()
    }

    /// Whether `TEST_FILMS` asks for it: `core`, `short` (all but those of two hours), `all`, or parts of
    /// lines with commas between.
    pub(crate) fn is_wanted(&self, wanted: &str) -> bool {
        match wanted {
            "core" => self.is_core,
            "short" => self.get("seconds") != LONG,
            "all" => true,
            texts => texts.split(',').any(|text| self.to_string().contains(text)),
        }
    }

    fn pairs(&self) -> BTreeSet<(Value, Value)> {
        let values = || AXES.iter().map(|(axis, _)| *axis).zip(self.values.iter().copied());
        let pairs = values().enumerate().flat_map(|(at, one)| values().skip(at + 1).map(move |other| (one, other)));
        pairs.collect()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.values.join(" "))
    }
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
    let found =
        IMPOSSIBLE.iter().find(|(axis, values, with, others, _)| has(one, axis, values) && has(other, with, others));
    found.map(|(.., why)| *why)
}

#[test]
fn every_pair_of_values_that_can_be_has_a_film() {
    let mut missing = all_pairs();
    for row in rows() {
        for pair in row.pairs() {
            assert!(all_pairs().contains(&pair), "{row}: {pair:?} is not in the axes");
            assert_eq!(impossible(&pair), None, "{row}: {pair:?}");
            missing.remove(&pair);
        }
    }
    missing.retain(|pair| impossible(pair).is_none());
    assert!(missing.is_empty(), "no film has {missing:?}");
}

#[test]
fn the_core_has_every_value_but_two_hours() {
    let rows = rows();
    for (axis, values) in AXES {
        for value in values {
            let found = rows.iter().any(|row| row.is_core && row.get(axis) == *value);
            assert_eq!(found, *value != LONG, "{axis} {value}");
        }
    }
}
