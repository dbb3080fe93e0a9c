//! Manifests are found, checked and ranked; knobs become settings.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use vidstream_plugins::{Error, Kind, Knobs, Plugin, Registry};

const MINE: &str = "\
name = \"mine\"
version = \"2\"
kind = \"video_encoder\"
codec = \"h264\"
element = \"mineenc\"
rank = 200
promises = { idr_on_grid = true, closed_gop = true, exact_frames = true, true_times = true, same_decoder_config = true, clean_joins = true }
";

fn folder_with(manifest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/plugin.toml"), manifest).unwrap();
    folder
}

#[test]
fn the_best_available_encoder_comes_first() {
    let folder = folder_with(MINE);
    let registry = Registry::load(&[folder.path().to_owned()]).unwrap();
    let names = |exists: &dyn Fn(&str) -> bool| -> Vec<String> {
        let found = registry.candidates(Kind::VideoEncoder, "h264", exists);
        found.iter().map(|plugin| plugin.name.clone()).collect()
    };
    assert_eq!(names(&|_| true), ["mine", "x264", "openh264"]);
    assert_eq!(names(&|element| element == "openh264enc"), ["openh264"]);
    assert_eq!(registry.candidates(Kind::AudioEncoder, "aac", |_| true).len(), 1);
}

#[test]
fn an_encoder_that_does_not_promise_what_a_plan_needs_is_not_chosen() {
    for promise in ["idr_on_grid", "clean_joins", "same_decoder_config"] {
        let folder = folder_with(&MINE.replace(&format!("{promise} = true"), &format!("{promise} = false")));
        let registry = Registry::load(&[folder.path().to_owned()]).unwrap();
        let chosen = registry.candidates(Kind::VideoEncoder, "h264", |_| true);
        assert_eq!(chosen[0].name, "x264", "{promise}");
        assert_eq!(registry.get("mine").unwrap().lacks().unwrap().name(), promise);
    }
}

#[test]
fn names_that_one_may_have_meant() {
    let registry = Registry::load(&[]).unwrap();
    assert_eq!(registry.nearest("x246"), ["x264"]);
    assert_eq!(registry.nearest("264"), ["x264", "openh264"]);
    assert_eq!(registry.nearest("aac"), ["avenc-aac"]);
    assert_eq!(registry.nearest("something-else"), [""; 0]);
}

#[test]
fn knobs_fill_the_settings_and_threads_stay_open() {
    let registry = Registry::load(&[]).unwrap();
    let x264 = registry.get("x264").unwrap();
    let settings = x264.settings(&Knobs { cap_bps: 1_500_999, gop_frames: 48, ..Knobs::default() });
    assert_eq!(settings["bitrate"], "1500");
    assert_eq!(settings["key-int-max"], "96");
    assert_eq!(settings["threads"], "{threads}");
    let intra = x264.settings(&Knobs { intra: true, ..Knobs::default() });
    assert_eq!(intra["key-int-max"], "1");
    assert!(
        settings.values().chain(intra.values()).filter(|value| *value != "{threads}").all(|value| !value.contains('{'))
    );
}

#[test]
fn faulty_manifests_are_refused_with_a_sentence() {
    let faults = [
        (MINE.replace("mineenc", "mine ! enc"), "GStreamer element"),
        (MINE.replace("codec = \"h264\"", "codec = \"\""), "name its codec"),
        (format!("{MINE}colour = \"blue\"\n"), "unknown field"),
        (format!("{MINE}library = \"../evil.so\"\n"), "own folder"),
        (MINE.replace("idr_on_grid", "never_fails"), "unknown variant"),
        (MINE.replace("video_encoder", "filter"), "not a promise for its kind"),
        (MINE.replace("video_encoder", "audio_encoder"), "not a promise for its kind"),
        (format!("{MINE}[settings]\nbitrate = \"{{speed}}\"\n"), "is not a knob"),
    ];
    for (manifest, part) in faults {
        let error = Plugin::parse(&manifest, Path::new("m").to_owned()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let twice = folder_with(&MINE.replace("\"mine\"", "\"x264\""));
    assert!(matches!(Registry::load(&[twice.path().to_owned()]), Err(Error::Duplicate { .. })));
    assert!(matches!(Registry::load(&[Path::new("/nowhere").to_owned()]), Err(Error::Read { .. })));
}
