//! Content codings: which one a client wants (RFC 9110 §12.5.3), and the encoding itself. Pure.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};
use http::{HeaderMap, HeaderValue, header};

// Encoded once and sent to many, so that the levels are where more time stops paying: a playlist of 180 KB takes
// zstd, brotli and gzip some milliseconds each and becomes a tenth to a thirtieth.
const ZSTD_LEVEL: i32 = 12;
const BROTLI_QUALITY: i32 = 5;
/// Base-2 logarithm of brotli's window in bytes; 4 MiB hold any document whole.
const BROTLI_WINDOW: i32 = 22;
const GZIP_LEVEL: u32 = 6;

/// How the bytes of a representation are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Zstd,
    Brotli,
    Gzip,
    Identity,
}

/// The codings, those that make the least bytes first.
const PREFERENCE: [Coding; 4] = [Coding::Zstd, Coding::Brotli, Coding::Gzip, Coding::Identity];

// === impl Coding ===

impl Coding {
    /// The value of `Content-Encoding`; none for plain bytes.
    pub(crate) fn header(self) -> Option<HeaderValue> {
        match self {
            Self::Zstd => Some(HeaderValue::from_static("zstd")),
            Self::Brotli => Some(HeaderValue::from_static("br")),
            Self::Gzip => Some(HeaderValue::from_static("gzip")),
            Self::Identity => None,
        }
    }

    /// The bytes in this coding; the same on every node that runs the same release.
    pub(crate) fn encode(self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
            Self::Brotli => {
                let mut encoded = Vec::new();
                let params = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: BROTLI_WINDOW,
                    size_hint: bytes.len(),
                    ..Default::default()
                };
                brotli::BrotliCompress(&mut &*bytes, &mut encoded, &params)?;
                Ok(encoded)
            }
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Identity => Ok(bytes.to_vec()),
        }
    }

    fn is_named(self, name: &str) -> bool {
        match self {
            Self::Zstd => name.eq_ignore_ascii_case("zstd"),
            Self::Brotli => name.eq_ignore_ascii_case("br"),
            // RFC 9110 §8.4.1.3: `x-gzip` is the same.
            Self::Gzip => name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip"),
            Self::Identity => name.eq_ignore_ascii_case("identity"),
        }
    }
}

/// The coding that a client likes best, and of several the one with the least bytes. `None` if it accepts none.
///
/// Ranges are served of plain bytes only: a client that asks for some gets those, unless it forbids them.
pub(crate) fn choose(headers: &HeaderMap) -> Option<Coding> {
    let weights = Weights::read(headers);
    if headers.contains_key(header::RANGE) && weights.of(Coding::Identity) > 0 {
        return Some(Coding::Identity);
    }
    // Of equals `max_by_key` takes the last, which should be the preferred one.
    let best = PREFERENCE.into_iter().rev().max_by_key(|&coding| weights.of(coding))?;
    (weights.of(best) > 0).then_some(best)
}

/// The weights of `Accept-Encoding` in thousandths.
struct Weights {
    named: [Option<u16>; PREFERENCE.len()],
    others: Option<u16>,
}

// === impl Weights ===

impl Weights {
    fn read(headers: &HeaderMap) -> Self {
        let mut weights = Self { named: [None; PREFERENCE.len()], others: None };
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            // What is malformed says nothing.
            let elements = value.to_str().unwrap_or_default().split(',');
            for (name, weight) in elements.filter_map(element) {
                if name == "*" {
                    weights.others.get_or_insert(weight);
                }
                for (coding, held) in PREFERENCE.iter().zip(&mut weights.named) {
                    if coding.is_named(name) {
                        held.get_or_insert(weight);
                    }
                }
            }
        }
        weights
    }

    fn of(&self, coding: Coding) -> u16 {
        let place = PREFERENCE.iter().position(|&held| held == coding);
        let named = place.and_then(|place| self.named.get(place).copied().flatten());
        match (named.or(self.others), coding) {
            (Some(weight), _) => weight,
            // Plain bytes are acceptable unless they are forbidden, and yet less welcome than what is asked for. They
            // are all that a client without the header is sure to understand.
            (None, Coding::Identity) => 1,
            (None, _) => 0,
        }
    }
}

/// Name and weight of an element such as `br;q=0.5`; `None` if it is malformed.
fn element(text: &str) -> Option<(&str, u16)> {
    let (name, parameter) = text.split_once(';').unwrap_or((text, "q=1"));
    let (key, value) = parameter.split_once('=')?;
    let weight = if key.trim().eq_ignore_ascii_case("q") { weight(value.trim())? } else { return None };
    Some((name.trim(), weight))
}

/// `0` to `1` with up to three decimals, in thousandths (RFC 9110 §12.4.2).
fn weight(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_client_chooses_and_of_equals_the_smallest_wins() {
        use Coding::{Brotli, Gzip, Identity, Zstd};
        let cases = [
            (None, Some(Identity)),
            (Some(""), Some(Identity)),
            (Some("gzip"), Some(Gzip)),
            (Some("GZIP"), Some(Gzip)),
            (Some("x-gzip"), Some(Gzip)),
            (Some("gzip, deflate"), Some(Gzip)),
            (Some("gzip, deflate, br"), Some(Brotli)),
            (Some("gzip, deflate, br, zstd"), Some(Zstd)),
            (Some("br;q=0.9, gzip"), Some(Gzip)),
            (Some("br ; q=0.9 , gzip;Q=0.8"), Some(Brotli)),
            (Some("*"), Some(Zstd)),
            (Some("*;q=0.5, gzip"), Some(Gzip)),
            (Some("zstd;q=0, *"), Some(Brotli)),
            (Some("deflate"), Some(Identity)),
            (Some("identity"), Some(Identity)),
            (Some("identity, gzip;q=0.5"), Some(Identity)),
            (Some("gzip;q=0.001"), Some(Gzip)),
            (Some("identity;q=0, gzip"), Some(Gzip)),
            (Some("gzip;q=0"), Some(Identity)),
            (Some("identity;q=0"), None),
            (Some("*;q=0"), None),
            (Some("*;q=0, gzip"), Some(Gzip)),
            (Some("*;q=0, identity;q=0.1"), Some(Identity)),
            (Some("gzip;q=2, br;q=x, zstd;q=0.1234, identity;p=1"), Some(Identity)),
            (Some("gzip;q=1.000"), Some(Gzip)),
            (Some("gzip;q=1.001"), Some(Identity)),
        ];
        for (value, expected) in cases {
            let headers: HeaderMap =
                value.into_iter().map(|value| (header::ACCEPT_ENCODING, value.parse().unwrap())).collect();
            assert_eq!(choose(&headers), expected, "{value:?}");
        }
    }

    #[test]
    fn a_range_is_one_of_plain_bytes() {
        for (value, expected) in [("gzip, br", Some(Coding::Identity)), ("identity;q=0, br", Some(Coding::Brotli))] {
            let headers = [(header::ACCEPT_ENCODING, value), (header::RANGE, "bytes=0-1")];
            let headers: HeaderMap = headers.into_iter().map(|(name, value)| (name, value.parse().unwrap())).collect();
            assert_eq!(choose(&headers), expected, "{value}");
        }
    }

    #[test]
    fn every_coding_gives_the_bytes_back() {
        let text: Vec<u8> = (0..4_000).flat_map(|n| format!("#EXTINF:4.00000,\n{n}.m4s\n").into_bytes()).collect();
        for plain in [&text[..], b"", b"x"] {
            for coding in PREFERENCE {
                let encoded = coding.encode(plain).unwrap();
                let mut decoded = Vec::new();
                match coding {
                    Coding::Zstd => decoded = zstd::bulk::decompress(&encoded, plain.len()).unwrap(),
                    Coding::Brotli => {
                        brotli::Decompressor::new(&encoded[..], 4_096).read_to_end(&mut decoded).map(drop).unwrap();
                    }
                    Coding::Gzip => {
                        flate2::read::GzDecoder::new(&encoded[..]).read_to_end(&mut decoded).map(drop).unwrap();
                    }
                    Coding::Identity => decoded.clone_from(&encoded),
                }
                assert_eq!(decoded, plain, "{coding:?}");
                assert_eq!(coding.encode(plain).unwrap(), encoded, "{coding:?}");
                if plain.len() > 1_000 && coding != Coding::Identity {
                    assert!(encoded.len() * 4 < plain.len(), "{coding:?}: {} of {}", encoded.len(), plain.len());
                }
            }
        }
    }
}
