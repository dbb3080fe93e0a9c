//! Layers, unknown keys, faults and the sample files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use vidstream_config::{Config, Error, KEYS, Layers, parse_bytes, parse_duration, parse_network};

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
        ("origin.trusted_proxies", "10.0.0.0/33"),
        ("origin.trusted_proxies", "127.0.0.1,proxy.example"),
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

#[test]
fn trusted_proxies_are_networks_and_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.toml");
    fs::write(&path, "[origin]\ntrusted_proxies = [\"10.0.0.0/8\", \"127.0.0.1\"]\n").unwrap();
    let given = |layers: &Layers| {
        let networks = Config::new(layers).unwrap().trusted_proxies;
        networks.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut layers = Layers::default();
    assert_eq!(given(&layers), [] as [&str; 0]);
    layers.file(&path).unwrap();
    assert_eq!(given(&layers), ["10.0.0.0/8", "127.0.0.1/32"]);
    layers.environment(env(&[("VIDSTREAM_ORIGIN_TRUSTED_PROXIES", "2001:db8::/32, ::1")])).unwrap();
    assert_eq!(given(&layers), ["2001:db8::/32", "::1/128"]);
    layers.set("origin.trusted_proxies", "192.0.2.10/31".into(), "--set").unwrap();
    assert_eq!(given(&layers), ["192.0.2.10/31"]);
    layers.set("origin.trusted_proxies", "10.0.0.1/8".into(), "--set").unwrap();
    let text = Config::new(&layers).unwrap_err().to_string();
    assert_eq!(
        text,
        "origin.trusted_proxies = \"10.0.0.1/8\": this must be a network or an address, such as 10.0.0.0/8 or 127.0.0.1"
    );
}

#[test]
fn a_network_has_one_spelling_and_no_bits_behind_its_own() {
    let read = |text| parse_network(text).map(|network| network.to_string());
    for (text, network) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.0.0.1", "10.0.0.1/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::1", "::1/128"),
        ("2001:DB8:0::/48", "2001:db8::/48"),
        ("::ffff:10.0.0.1", "10.0.0.1/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ] {
        assert_eq!(read(text).as_deref(), Some(network), "{text}");
    }
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "/8",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.1/8",
        "10.0.0/8",
        "010.0.0.0/8",
        "10.0.0.0/8/8",
        "2001:db8::/129",
        "2001:db8::1/64",
        "::ffff:10.0.0.0/95",
        "::ffff:10.0.0.1/104",
        "[::1]",
        "127.0.0.1:80",
        "localhost",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
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
    assert!(server.trusted_proxies.is_empty());

    let cluster = sample("cluster.toml");
    assert!(!cluster.listen.ip().is_loopback() && cluster.token_file.is_some());
    assert_eq!(cluster.trusted_proxies.len(), 1);
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
