//! Whether what is seen and what is heard stay together: the way from a flash to its beep.

/// A beep belongs to a flash that is no further away than this in the source.
const PAIR_S: f64 = 0.5;

/// A flash, in seconds from the first picture.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "units come last")]
pub(crate) struct Flash {
    /// When the source shows it.
    pub(crate) source_s: f64,
    /// When the rule wants it shown: at the start of a frame.
    pub(crate) ruled_s: f64,
    /// When what was made shows it.
    pub(crate) shown_s: f64,
}

/// The places of lit pictures that follow a dark one, or none.
pub(crate) fn onsets(lit: impl IntoIterator<Item = bool>) -> Vec<usize> {
    let mut before = false;
    let begins = lit.into_iter().enumerate().filter(|&(_, lit)| !std::mem::replace(&mut before, lit) && lit);
    begins.map(|(place, _)| place).collect()
}

/// How many seconds later after its flash a beep is heard than in the source. What the rule moves the flash by is taken
/// out. `None` if the source has no flash near the beep.
pub(crate) fn drift_s(flashes: &[Flash], source_beep_s: f64, beep_s: f64) -> Option<f64> {
    let away_s = |flash: &Flash| (flash.source_s - source_beep_s).abs();
    let nearest = flashes.iter().min_by(|a, b| away_s(a).total_cmp(&away_s(b)));
    let flash = nearest.filter(|flash| away_s(flash) <= PAIR_S)?;
    let rule_s = flash.ruled_s - flash.source_s;
    Some((beep_s - flash.shown_s) - (source_beep_s - flash.source_s) + rule_s)
}

#[test]
fn flashes_begin_where_it_gets_light() {
    assert_eq!(onsets([true, true, false, false, true, false, true]), [0, 4, 6]);
    assert_eq!(onsets([false; 3]), Vec::<usize>::new());
}

#[test]
fn a_flash_or_a_beep_at_another_time_is_seen() {
    // The source flashes 8 ms before the frame that shows it, and beeps with that frame.
    let flash = |shown_s| Flash { source_s: 1.992, ruled_s: 2.0, shown_s };
    let cases = [
        ("as it must be", 2.0, 2.0, 0.0),
        ("the picture is a frame late", 2.04, 2.0, -0.04),
        ("the picture is a frame early", 1.96, 2.0, 0.04),
        ("the beep is late", 2.0, 2.02, 0.02),
        ("both are late, together", 2.04, 2.04, 0.0),
    ];
    for (what, shown_s, beep_s, expected) in cases {
        let found = drift_s(&[flash(shown_s)], 2.0, beep_s).unwrap();
        assert!((found - expected).abs() < 1e-9, "{what}: {found}");
    }
    assert_eq!(drift_s(&[flash(2.0)], 3.0, 3.0), None);
}
