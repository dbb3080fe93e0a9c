//! Streams of unusual sources: no rule is broken but a SHOULD here and there, each of which is told why.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use vidstream_testkit::{Audio, Clip, Encoding, odd};

use super::{failed, verdicts, with_verdict};
use crate::server::VIDSTREAM;

/// Rungs of small sources: two, since without sound there is no other variant, and one bit rate is not enough.
const SMALL: &[&str] = &["--set", "ladder.heights=144,90"];
/// Leaves every fifth picture out, and those of twelve seconds.
const HOLE: &str = "select='not(eq(mod(n,5),3))*(lt(n,60)+gte(n,420))'";

/// A rule of which a stream breaks a SHOULD, and why.
type Lapse = (u64, &'static str);

const LOUDNESS: Lapse = (33, "the sound of none of our streams says how loud it is");
const SHORT: Lapse = (20, "it is longer than four seconds, and none of its segments is");
const PICTURES: Lapse = (45, "at eight a second its smallest I-frames need about as much as its largest variant");

/// What it is, its file, how that is packaged, what it breaks, and what it breaks or does not, as the encoder spends its
/// bits.
type Unusual = (&'static str, PathBuf, &'static [&'static str], &'static [Lapse], &'static [Lapse]);

fn unusual(folder: &Path) -> [Unusual; 8] {
    let file = |clip: &Clip| clip.cached(&Encoding::default(), "mp4").unwrap();
    let small = |seconds| Clip::new((256, 144), 30, seconds);
    let sound = |rate, channels| Some(Audio { rate, channels, ..Audio::default() });
    let alone = folder.join("alone.m4a");
    odd::audio_only(&small(3), &alone).unwrap();
    let extra = ["-vf", HOLE, "-fps_mode", "passthrough"].map(str::to_owned).to_vec();
    let hole = small(16).cached(&Encoding { extra, ..Encoding::default() }, "mp4").unwrap();
    [
        (
            "mono",
            file(&Clip { audio: sound(44_100, 1), ..Clip::new((426, 240), 25, 5) }),
            &[],
            &[SHORT, LOUDNESS],
            &[PICTURES],
        ),
        ("one rung", file(&small(3)), &[], &[LOUDNESS], &[PICTURES]),
        (
            "film rate",
            file(&Clip { fps: (24_000, 1001), frames: 211, ..Clip::new((426, 240), 24, 1) }),
            &[],
            &[LOUDNESS],
            &[PICTURES],
        ),
        ("sound alone", alone, &[], &[LOUDNESS], &[]),
        (
            "portrait without sound",
            file(&Clip { audio: None, ..Clip::new((144, 256), 30, 3) }),
            SMALL,
            &[],
            &[PICTURES],
        ),
        // The last 15 of these frames are less than half a GOP.
        (
            "5.1 and a tail that joins",
            file(&Clip { frames: 135, audio: sound(48_000, 6), ..small(1) }),
            SMALL,
            &[SHORT, LOUDNESS],
            &[],
        ),
        ("uneven pictures with a hole", hole, SMALL, &[LOUDNESS], &[]),
        ("half a second", file(&Clip { frames: 15, ..small(1) }), SMALL, &[LOUDNESS], &[]),
    ]
}

#[test]
fn what_is_made_of_unusual_sources_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (n, (what, file, flags, breaks, may_break)) in unusual(folder.path()).into_iter().enumerate() {
        let out = folder.path().join(format!("tree{n}"));
        let mut package = Command::new(VIDSTREAM);
        let output = package.arg("package").arg(file).arg("--out").arg(&out).args(flags).output().unwrap();
        assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
        let rules = verdicts(out.to_str().unwrap());
        let broken = with_verdict(&rules, "fail");
        let numbers = |lapses: &[Lapse]| -> BTreeSet<u64> { lapses.iter().map(|(rule, _)| *rule).collect() };
        let (least, most) = (numbers(breaks), &numbers(breaks) | &numbers(may_break));
        let are_shoulds = failed(&rules).iter().all(|rule| rule["level"] == "SHOULD");
        if !are_shoulds || !least.is_subset(&broken) || !broken.is_subset(&most) {
            let found = failed(&rules);
            wrong.push(format!("{what}: expected {breaks:?} and maybe {may_break:?}, found {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
