//! The corpora of the fuzz targets hold, and so do mutations of them.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]

use std::path::Path;

use vidstream_testkit::corpus::replay;

#[path = "../fuzz/logic.rs"]
pub mod logic;

fn check(name: &str, target: impl Fn(&[u8])) {
    replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name), target).expect("a corpus");
}

#[test]
fn files() {
    check("file", logic::file);
}

#[test]
fn cmaf() {
    check("cmaf", logic::cmaf);
}

#[test]
fn packets() {
    check("packets", logic::packets);
}

#[test]
fn clock() {
    check("clock", logic::clock);
}

#[test]
fn streams() {
    check("check", logic::check);
}
