//! Who may write: holders of the token or, without one, this machine alone.

use std::{
    hint::black_box,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use http::{HeaderMap, header, uri::Authority};
use vidstream_config::read_secret;

use crate::{
    Error,
    limits::TOKEN_BYTES_MAX,
    respond::{Kind, Problem},
};

/// Headers that say the request came through a proxy, so that its peer says nothing about who asks.
const FORWARDED: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-real-ip",
];

/// The rule for writes.
pub(crate) enum Guard {
    /// Nobody writes.
    ReadOnly,
    /// Who has the token.
    Token(Box<[u8]>),
    /// Programs and pages of this machine.
    Loopback,
}

// === impl Guard ===

impl Guard {
    /// Reads the token file, if there is one.
    pub(crate) fn new(read_only: bool, token_file: Option<&Path>) -> Result<Self, Error> {
        if read_only {
            return Ok(Self::ReadOnly);
        }
        let Some(path) = token_file else { return Ok(Self::Loopback) };
        let refused = |reason: String| Error::Token { path: path.to_owned(), reason };
        let text = read_secret(path).map_err(|error| refused(error.to_string()))?;
        let token = text.trim();
        let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !visible {
            return Err(refused(format!("it must hold one token of 1 to {TOKEN_BYTES_MAX} visible ASCII characters")));
        }
        Ok(Self::Token(token.as_bytes().into()))
    }

    /// Whether this origin may listen on an address.
    pub(crate) fn allows_listening(&self, addr: SocketAddr) -> bool {
        !matches!(self, Self::Loopback) || addr.ip().is_loopback()
    }

    /// Whether a request may tell who watches. That is no edit: whoever may watch may say so, with no token and through a
    /// proxy. But a page of another website may not have its visitors count, nor, where there is no token and thus no name
    /// but this machine's own, one whose DNS points here.
    pub(crate) fn check_view(&self, headers: &HeaderMap) -> Result<(), Problem> {
        if is_foreign(headers) {
            return Err(Kind::WriteNotAllowed.because("a page of another website may not count views"));
        }
        match self {
            Self::ReadOnly => Err(Kind::ReadOnly.because("this origin only reads")),
            Self::Loopback if !names_this_machine(headers) => {
                Err(Kind::WriteNotAllowed
                    .because("without a token views must be told to localhost; set auth.token_file"))
            }
            Self::Token(_) | Self::Loopback => Ok(()),
        }
    }

    /// Whether a request may write.
    pub(crate) fn check_write(&self, peer: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::ReadOnly => Err(Kind::ReadOnly.because("this origin only reads")),
            Self::Token(token) if carries(headers, token) => Ok(()),
            Self::Token(_) => {
                Err(Kind::Unauthorized.because("send Authorization: Bearer with the token of this server"))
            }
            Self::Loopback => check_local(peer, headers),
        }
    }
}

/// Whether a request that a browser made comes from a page of another website. Without an `Origin` it does not.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let place = origin.to_str().ok().and_then(|text| text.strip_prefix("http://").or(text.strip_prefix("https://")));
    let same = place.zip(host).is_some_and(|(place, host)| place.eq_ignore_ascii_case(host));
    !same || origins.next().is_some()
}

fn check_local(peer: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |detail: &'static str| Err(Kind::WriteNotAllowed.because(detail));
    if !peer.to_canonical().is_loopback() {
        return refused("without a token only this machine may write");
    }
    if FORWARDED.iter().any(|name| headers.contains_key(*name)) {
        return refused("without a token a forwarded request may not write; set auth.token_file");
    }
    if !names_this_machine(headers) {
        return refused("without a token writes must be addressed to localhost; set auth.token_file");
    }
    if is_foreign(headers) {
        return refused("a page of another website may not write");
    }
    Ok(())
}

/// Whether a request is addressed to this machine: a name that a stranger's DNS points here is not its name.
fn names_this_machine(headers: &HeaderMap) -> bool {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).is_some_and(is_loopback_host)
}

fn is_loopback_host(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn carries(headers: &HeaderMap, token: &[u8]) -> bool {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Some((scheme, given)) = value.as_bytes().split_at_checked(7) else { return false };
    scheme.eq_ignore_ascii_case(b"bearer ") && is_equal(given.trim_ascii(), token)
}

/// Compares in a time that depends on the lengths alone.
fn is_equal(given: &[u8], token: &[u8]) -> bool {
    let mut difference = u8::from(given.len() != token.len());
    for (place, byte) in token.iter().enumerate() {
        difference = black_box(difference | (byte ^ given.get(place).copied().unwrap_or(!byte)));
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn without_a_token_only_this_machine_writes() {
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        let allowed: [&[(&str, &str)]; 5] = [
            &[("host", "127.0.0.1:8080")],
            &[("host", "localhost")],
            &[("host", "[::1]:8080")],
            &[("host", "LocalHost:80"), ("origin", "http://localhost:80")],
            &[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")],
        ];
        for list in allowed {
            assert!(Guard::Loopback.check_write(here, &headers(list)).is_ok(), "{list:?}");
        }
        let refused: [&[(&str, &str)]; 9] = [
            &[],
            &[("host", "videos.example")],
            &[("host", "127.0.0.1.evil.example:8080")],
            &[("host", "localhost"), ("forwarded", "for=1.2.3.4")],
            &[("host", "localhost"), ("x-forwarded-for", "127.0.0.1")],
            &[("host", "localhost"), ("x-forwarded-proto", "https")],
            &[("host", "localhost"), ("origin", "null")],
            &[("host", "localhost"), ("origin", "http://evil.example")],
            &[("host", "localhost:8080"), ("origin", "http://localhost:9090")],
        ];
        for list in refused {
            let problem = Guard::Loopback.check_write(here, &headers(list)).unwrap_err();
            assert_eq!(problem.kind, Kind::WriteNotAllowed, "{list:?}");
        }
        let list = headers(&[("host", "localhost")]);
        assert!(Guard::Loopback.check_write(Ipv4Addr::new(10, 0, 0, 1).into(), &list).is_err());
        assert!(Guard::Loopback.check_write(Ipv6Addr::LOCALHOST.into(), &list).is_ok());
        assert!(Guard::Loopback.check_write(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), &list).is_ok());
    }

    #[test]
    fn views_come_from_whoever_may_watch_and_not_from_other_websites() {
        let through_a_proxy = [("x-forwarded-for", "192.0.2.1"), ("host", "127.0.0.1:8080")];
        let public = [("host", "videos.example"), ("origin", "https://videos.example")];
        let foreign = [("host", "127.0.0.1:8080"), ("origin", "https://evil.example")];
        let token = Guard::Token((*b"x").into());
        for (guard, list, refused) in [
            (&Guard::Loopback, &through_a_proxy[..], None),
            // As a page is addressed whose DNS points here.
            (&Guard::Loopback, &public[..], Some(Kind::WriteNotAllowed)),
            (&Guard::Loopback, &foreign[..], Some(Kind::WriteNotAllowed)),
            (&Guard::Loopback, &[], Some(Kind::WriteNotAllowed)),
            (&token, &through_a_proxy[..], None),
            (&token, &public[..], None),
            (&token, &foreign[..], Some(Kind::WriteNotAllowed)),
            (&Guard::ReadOnly, &public[..], Some(Kind::ReadOnly)),
        ] {
            let kind = guard.check_view(&headers(list)).err().map(|problem| problem.kind);
            assert_eq!(kind, refused, "{list:?}");
        }
    }

    #[test]
    fn a_token_has_one_visible_character_or_more_up_to_a_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let longest = "x".repeat(TOKEN_BYTES_MAX);
        for (text, good) in [
            (String::new(), false),
            ("x\n".to_owned(), true),
            (longest.clone() + "\n", true),
            (longest + "x", false),
            ("two words".to_owned(), false),
        ] {
            std::fs::write(file.path(), &text).unwrap();
            assert_eq!(Guard::new(false, Some(file.path())).is_ok(), good, "{text:.20}");
        }
    }

    #[test]
    fn with_a_token_only_its_holder_writes() {
        let guard = Guard::Token((*b"secret").into());
        let far = IpAddr::from(Ipv4Addr::new(10, 0, 0, 1));
        for good in ["Bearer secret", "bearer secret", "BEARER  secret "] {
            assert!(guard.check_write(far, &headers(&[("authorization", good)])).is_ok(), "{good}");
        }
        for bad in ["", "Bearer", "Bearer ", "Bearer secre", "Bearer secrets", "Basic secret", "secret"] {
            let problem = guard.check_write(far, &headers(&[("authorization", bad)])).unwrap_err();
            assert_eq!(problem.kind, Kind::Unauthorized, "{bad}");
        }
        let mut twice = headers(&[("authorization", "Bearer secret")]);
        twice.append("authorization", "Bearer other".parse().unwrap());
        assert!(guard.check_write(far, &twice).is_err());
    }

    #[test]
    fn listening_anywhere_needs_a_token_or_no_writes() {
        let anywhere: SocketAddr = "0.0.0.0:80".parse().unwrap();
        assert!(!Guard::Loopback.allows_listening(anywhere));
        assert!(Guard::ReadOnly.allows_listening(anywhere));
        assert!(Guard::Token((*b"x").into()).allows_listening(anywhere));
        assert!(Guard::Loopback.allows_listening("127.0.0.1:80".parse().unwrap()));
    }
}
