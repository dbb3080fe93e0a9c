//! What the fuzz targets in `origin/fuzz` run: pure readers of what strangers send, and what holds for every input.
//!
//! Compiled for those targets, and for the tests, which replay their corpora.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use crate::{
    client::{FORWARDED_FOR, Proxies},
    delivery::fuzzed::{Coding, Multipart, Validators, Verdict, Wanted, choose, judge, parse},
    route::{Part, Route, Target},
};

/// Fields that conditions, ranges and negotiation read; the first byte of a line says which.
const FIELDS: [(u8, HeaderName); 8] = [
    (b'm', header::IF_MATCH),
    (b'n', header::IF_NONE_MATCH),
    (b's', header::IF_MODIFIED_SINCE),
    (b'u', header::IF_UNMODIFIED_SINCE),
    (b'r', header::RANGE),
    (b'i', header::IF_RANGE),
    (b'e', header::ACCEPT_ENCODING),
    (b'h', header::HOST),
];
/// Bytes of the largest representation whose parts are put together.
const BODY_BYTES_MAX: u64 = 4 << 10;

/// A path names what is delivered only in the one spelling of it.
///
/// # Panics
/// If that does not hold.
pub fn path(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let route = Route::parse(text);
    if let Some(spelled) = spell(route) {
        assert_eq!(spelled, text);
    }
    assert!(!route.label().is_empty());
    assert_eq!(route.is_delivery(), text.starts_with("/v/"));
}

/// A `Range` asks for bytes that are there, in order, none of them twice. The first two bytes are the size.
///
/// # Panics
/// If that does not hold.
pub fn range(input: &[u8]) {
    let Some((size, value)) = input.split_first_chunk() else { return };
    let (Ok(text), size) = (std::str::from_utf8(value), u64::from(u16::from_le_bytes(*size))) else { return };
    let parts = match parse(text, size) {
        Wanted::Part(part) => vec![part],
        Wanted::Parts(parts) => {
            assert!(parts.len() > 1);
            parts
        }
        Wanted::Whole | Wanted::Unsatisfiable => return,
    };
    let mut end = 0;
    for part in &parts {
        assert!(end <= part.start && part.start < part.end && part.end <= size, "{text}: {parts:?} of {size}");
        end = part.end;
    }
    if size <= BODY_BYTES_MAX {
        let multipart = Multipart::new(&parts, size, "video/mp4", "boundary");
        let body = multipart.body(|part| vec![0; usize::try_from(part.end - part.start).unwrap_or_default()].into());
        assert_eq!(multipart.length(), body.len() as u64);
    }
}

/// Conditions lead to an answer that one of them asked for. Each line is a field: a letter for its name, its value.
///
/// # Panics
/// If that does not hold.
pub fn conditional(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n') {
        let Some((letter, value)) = line.split_first() else { continue };
        let name = FIELDS.iter().find(|(held, _)| held == letter).map(|(_, name)| name.clone());
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    let has = |name: HeaderName| headers.contains_key(name);
    let etag = HeaderValue::from_static("\"6c62272e07bb014262b821756295c58d\"");
    for (modified_s, has_ranges) in [(None, true), (Some(1_795_305_601), true), (Some(0), false)] {
        let dated = modified_s.is_some();
        match judge(&headers, Validators { etag: &etag, modified_s, has_ranges }, 1_001) {
            Verdict::Whole => {}
            Verdict::Part(_) | Verdict::Parts(_) | Verdict::Unsatisfiable => {
                assert!(has_ranges && has(header::RANGE));
            }
            Verdict::NotModified => {
                assert!(has(header::IF_NONE_MATCH) || (dated && has(header::IF_MODIFIED_SINCE)));
            }
            Verdict::PreconditionFailed => {
                assert!(has(header::IF_MATCH) || (dated && has(header::IF_UNMODIFIED_SINCE)));
            }
        }
    }
    match choose(&headers) {
        Some(Coding::Identity) => {}
        Some(_) | None => assert!(has(header::ACCEPT_ENCODING)),
    }
}

/// A trusted proxy names the client, a stranger names nobody, and what stands left of the client changes nothing. Each
/// line is an `X-Forwarded-For`.
///
/// # Panics
/// If that does not hold.
pub fn forwarded(input: &[u8]) {
    let networks = [IpNet::new(Ipv4Addr::new(10, 0, 0, 0).into(), 8), IpNet::new(Ipv6Addr::LOCALHOST.into(), 128)];
    let networks: Vec<IpNet> = networks.into_iter().flatten().collect();
    let is_trusted = |address: IpAddr| networks.iter().any(|network| network.contains(&address));
    let lines: Vec<HeaderValue> =
        input.split(|&byte| byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let made_up = HeaderValue::from_static("203.0.113.9");
    let (mut headers, mut longer) = (HeaderMap::new(), HeaderMap::new());
    longer.append(FORWARDED_FOR, made_up);
    for line in lines {
        headers.append(FORWARDED_FOR, line.clone());
        longer.append(FORWARDED_FOR, line);
    }
    let proxies = Proxies::new(networks.clone());
    let stranger = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(proxies.client(stranger, &headers), stranger);
    for proxy in [IpAddr::from(Ipv4Addr::new(10, 0, 0, 1)), Ipv6Addr::LOCALHOST.into()] {
        let client = proxies.client(proxy, &headers);
        assert_eq!(client, client.to_canonical());
        if !is_trusted(client) {
            assert_eq!(proxies.client(proxy, &longer), client);
        }
    }
}

/// The path of what is delivered.
pub(crate) fn spell(route: Route<'_>) -> Option<String> {
    let Route::Delivery(id, target) = route else { return None };
    let rest = match target {
        Target::Master => "master.m3u8".to_owned(),
        Target::Mpd => "manifest.mpd".to_owned(),
        Target::Part(generation, part) => {
            let part = match part {
                Part::Playlist(track) => format!("{track}/index.m3u8"),
                Part::Iframes(track) => format!("{track}/iframes.m3u8"),
                Part::Init(track) => format!("{track}/init.mp4"),
                Part::Segment(track, n) => format!("{track}/{n}.m4s"),
                Part::TilesVtt => "thumbnails.vtt".to_owned(),
                Part::TilesJson => "thumbnails.json".to_owned(),
                Part::TilesPlaylist => "thumbnails.m3u8".to_owned(),
                Part::Sheet(n) => format!("thumbnails/{n}.jpg"),
                Part::Poster => "poster.jpg".to_owned(),
            };
            format!("{generation}/{part}")
        }
    };
    Some(format!("/v/{id}/{rest}"))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use vidstream_testkit::corpus::replay;

    use super::*;

    #[test]
    fn the_corpora_hold() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        replay(&corpus.join("path"), path).unwrap();
        replay(&corpus.join("range"), range).unwrap();
        replay(&corpus.join("conditional"), conditional).unwrap();
        replay(&corpus.join("forwarded"), forwarded).unwrap();
    }
}
