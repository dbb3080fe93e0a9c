//! Layers, unknown keys, faults and the sample files.

use std::{fs, path::Path};

use vidstream_config::{Config, Error, KEYS, Layers, parse_bytes, parse_duration};

fn env(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>().into_iter()
}

#[test]
fn flags_beat_environment_beats_file_beats_defaults() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.toml");
    fs::write(
        &path,
        "listen = \"127.0.0.1:1\"\nadmin_listen = \"127.0.0.1:1\"\ndata = \"/one\"\n[ladder]\nheights = [360, 720]\n",
    )
    .unwrap();
    let mut layers = Layers::default();
    layers.file(&path).unwrap();
    layers.environment(env(&[("VIDSTREAM_LISTEN", "127.0.0.1:2"), ("VIDSTREAM_DATA", "/two"), ("HOME", "/")])).unwrap();
    layers.set("listen", "127.0.0.1:3".into(), "--listen").unwrap();
    let config = Config::new(&layers).unwrap();
    assert_eq!(config.listen.port(), 3);
    assert_eq!(config.admin_listen.port(), 1);
    assert_eq!(config.catalog_url, "sqlite:///two/catalog.sqlite");
    assert_eq!(config.store_url, "file:///two");
    assert_eq!(config.ladder_heights, [720, 360]);
    assert_eq!(config.cache_bytes, 256 << 20);
}

#[test]
fn unknown_keys_are_errors_that_name_the_nearest() {
    let mut layers = Layers::default();
    let error = layers.environment(env(&[("VIDSTREAM_CATALOG_URI", "x")])).unwrap_err();
    assert!(error.to_string().contains("did you mean catalog.url?"), "{error}");
    assert!(matches!(layers.set("lissten", String::new(), "f"), Err(Error::Unknown { nearest: "listen", .. })));
}

#[test]
fn a_url_may_lie_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (full, empty) = (folder.path().join("full"), folder.path().join("empty"));
    fs::write(&full, "redis://u:hunter2@h\n").unwrap();
    fs::write(&empty, "\n").unwrap();
    let config = |pairs: &[(&str, &str)]| {
        let mut layers = Layers::default();
        layers.environment(env(pairs)).unwrap();
        Config::new(&layers)
    };
    let (full, empty) = (full.to_str().unwrap(), empty.to_str().unwrap());
    let url = "redis://u:hunter2@h";
    assert_eq!(config(&[("VIDSTREAM_EVENTS_URL_FILE", full)]).unwrap().events_url, url);
    assert_eq!(config(&[("VIDSTREAM_CATALOG_URL_FILE", full)]).unwrap().catalog_url, url);
    assert_eq!(config(&[("VIDSTREAM_EVENTS_URL_FILE", ""), ("VIDSTREAM_EVENTS_URL", url)]).unwrap().events_url, url);
    for (pairs, reason) in [
        ([("VIDSTREAM_EVENTS_URL_FILE", full), ("VIDSTREAM_EVENTS_URL", "local:")], "are both set"),
        ([("VIDSTREAM_CATALOG_URL_FILE", full), ("VIDSTREAM_CATALOG_URL", url)], "are both set"),
        ([("VIDSTREAM_CATALOG_URL_FILE", empty), ("HOME", "/")], "it is empty"),
        ([("VIDSTREAM_CATALOG_URL_FILE", "/nonexistent"), ("HOME", "/")], "catalog.url_file names /nonexistent"),
    ] {
        let text = config(&pairs).unwrap_err().to_string();
        assert!(text.contains(reason) && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    for (key, value) in [
        ("listen", "8080"),
        ("ladder.heights", "720,x"),
        ("ladder.heights", "5"),
        ("ladder.gop_s", "0"),
        ("origin.cache_bytes", "lots"),
        ("worker.slots", "0"),
        ("origin.read_only", "maybe"),
        ("tls.cert_file", "/cert.pem"),
        ("tls.key_file", "/key.pem"),
        ("plugins.tracks", "720p"),
    ] {
        let mut layers = Layers::default();
        layers.set(key, value.into(), "test").unwrap();
        assert!(matches!(Config::new(&layers), Err(Error::Value { .. })), "{key}={value}");
    }
}

#[test]
fn numbers_are_taken_up_to_their_bounds_and_no_further() {
    let rungs = |count: u16| (1..=count).map(|n| (n * 100).to_string()).collect::<Vec<_>>().join(",");
    let (most, more) = (rungs(10), rungs(11));
    for (key, good, bad) in [
        ("ladder.heights", ["16", "4320"], ["15", "4321"]),
        ("ladder.heights", [most.as_str(), "720,720"], [more.as_str(), ""]),
        ("ladder.gop_s", ["0.5", "20"], ["0.499", "20.001"]),
        ("ladder.segment_s", ["0.5", "20"], ["0.499", "20.001"]),
        ("worker.slots", ["1", "256"], ["0", "257"]),
        ("retention.expire_after", ["60 s", "36500 days"], ["59 s", "36501 days"]),
        ("retention.orphans_after", ["24 h", "876000h"], ["1439 min", "30"]),
        ("origin.cache_bytes", ["1", "18446744073709551615"], ["0", "18446744073709551616"]),
    ] {
        let config = |value: &str| {
            let mut layers = Layers::default();
            layers.set(key, value.into(), "test").unwrap();
            Config::new(&layers)
        };
        for value in good {
            assert!(config(value).is_ok(), "{key}={value}");
        }
        for value in bad {
            assert!(matches!(config(value), Err(Error::Value { .. })), "{key}={value}");
        }
    }
}

#[test]
fn tracks_name_their_plugins() {
    let mut layers = Layers::default();
    layers.set("plugins.tracks", "720p = x264, trick=openh264".into(), "test").unwrap();
    let pair = |track: &str, plugin: &str| (track.to_owned(), plugin.to_owned());
    assert_eq!(Config::new(&layers).unwrap().plugin_overrides, [pair("720p", "x264"), pair("trick", "openh264")]);
}

fn sample(name: &str) -> Config {
    let mut layers = Layers::default();
    layers.file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("samples").join(name)).unwrap();
    Config::new(&layers).unwrap()
}

#[test]
fn there_is_a_sample_for_each_size() {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["cluster.toml", "embedded.toml", "server.toml"]);
    assert!(names.iter().all(|name| sample(name).admin_listen.to_string() == "127.0.0.1:9090"));

    let embedded = sample("embedded.toml");
    assert!(embedded.listen.ip().is_loopback() && embedded.token_file.is_none() && embedded.tls_files.is_none());
    assert_eq!(embedded.store_url, "file:///var/lib/vidstream");

    let server = sample("server.toml");
    assert!(!server.listen.ip().is_loopback() && server.token_file.is_some() && server.tls_files.is_some());
    assert_eq!(server.catalog_url, "sqlite:///srv/vidstream/catalog.sqlite");

    let cluster = sample("cluster.toml");
    assert!(!cluster.listen.ip().is_loopback() && cluster.token_file.is_some());
    let urls = [cluster.catalog_url, cluster.events_url, cluster.store_url];
    assert!(urls.iter().zip(["postgres://", "rediss://", "s3://"]).all(|(url, scheme)| url.starts_with(scheme)));
}

#[test]
fn defaults_are_valid_and_sizes_have_units() {
    assert!(Config::new(&Layers::default()).is_ok());
    assert!(KEYS.iter().all(|key| !key.help.is_empty()));
    assert_eq!(parse_bytes("64 KiB"), Some(65_536));
    assert_eq!(parse_bytes("12"), Some(12));
    let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
    for (text, s) in [("90 s", 90), ("15min", 900), ("12 h", 43_200), ("1 day", 86_400), ("7 d", 604_800)] {
        assert_eq!(seconds(text), Some(s), "{text}");
    }
    for text in ["", "7", "days", "-1 h", "1.5 h", "1 week", "213503982334602 d"] {
        assert_eq!(seconds(text), None, "{text}");
    }
    let never = Config::new(&Layers::default()).unwrap();
    assert_eq!((never.expire_after, never.orphans_after.unwrap().as_secs()), (None, 604_800));
    let mut layers = Layers::default();
    layers.set("retention.orphans_after", String::new(), "test").unwrap();
    assert_eq!(Config::new(&layers).unwrap().orphans_after, None);
    assert_eq!((parse_bytes("x"), parse_bytes("9999999999999 TiB")), (None, None));
}
