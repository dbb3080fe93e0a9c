//! Manifests are found, checked and ranked; knobs become settings.

use std::{fs, path::Path};

use vidstream_plugins::{Error, Kind, Knobs, Plugin, Registry};

const MINE: &str =
    "name = \"mine\"\nversion = \"2\"\nkind = \"video_encoder\"\ncodec = \"h264\"\nelement = \"mineenc\"\nrank = 200\n";

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
