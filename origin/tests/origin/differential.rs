//! The same files behind nginx: ranges and conditions get the same answers, but for the differences listed here.

use std::time::Duration;

use vidstream_media::Track;

use crate::{
    client::{Answer, ask},
    fixture::{POSTER_BYTES, Site, ready, segment_bytes},
    nginx::Nginx,
};

/// Requests for each file that are made up, beside those that are listed.
const GENERATED: u64 = 300;

/// What is compared of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    content_range: Option<String>,
    /// How long it says that it is, if that is not a matter of boundaries between parts.
    length: Option<String>,
    has_tag: bool,
    /// The parts of a multipart body, else all of it as one; of errors none, since they are told in other words.
    parts: Vec<(String, Vec<u8>)>,
}

// === impl Seen ===

impl Seen {
    fn new(answer: &Answer) -> Self {
        let is_multipart = answer.header("content-type").is_some_and(|kind| kind.starts_with("multipart/"));
        let parts = match answer.status {
            206 if is_multipart && !answer.body.is_empty() => answer.parts(),
            200 | 206 if !is_multipart => vec![(String::new(), answer.body.clone())],
            _ => Vec::new(),
        };
        // nginx says less of errors, and need not say how long a 304 would be.
        let is_served = matches!(answer.status, 200 | 206);
        let length = answer.header("content-length").filter(|_| is_served && !is_multipart);
        Self {
            status: answer.status,
            content_range: answer.header("content-range").map(str::to_owned),
            length: length.map(str::to_owned),
            has_tag: (is_served || answer.status == 304) && answer.header("etag").is_some(),
            parts,
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<_> = self.parts.iter().map(|(range, bytes)| (range, bytes.len())).collect();
        let Self { status, content_range, length, has_tag, .. } = self;
        write!(f, "{status} {content_range:?} {length:?} {has_tag} {parts:?}")
    }
}

/// A difference that is meant: when it may be, what nginx says then, what is said here, and why.
struct Difference {
    when: fn(&Request) -> bool,
    theirs: &'static [u16],
    ours: &'static [u16],
    reason: &'static str,
}

const DIFFERENCES: [Difference; 7] = [
    Difference {
        when: |request| request.has("range") && request.ranges().is_none(),
        theirs: &[206, 416],
        ours: &[200],
        reason: "RFC 9110 §14.2: a Range that is malformed in any part is ignored; nginx refuses it, or leaves that part out",
    },
    Difference {
        when: |request| request.ranges().is_some_and(|ranges| ranges.is_empty()),
        theirs: &[200],
        ours: &[416],
        reason: "an empty set holds no range that can be had; nginx looks at no header so short",
    },
    Difference {
        when: |request| {
            request.fields.iter().any(|(name, value)| *name == "range" && value.contains("18446744073709551615"))
        },
        theirs: &[416],
        ours: &[200, 206],
        reason: "an end beyond the end is cut to it, however far; nginx counts to 2^63",
    },
    Difference {
        when: |request| request.ranges().is_some_and(|ranges| ranges.len() > 8),
        theirs: &[206],
        ours: &[200],
        reason: "more than eight ranges are ignored here; nginx has no such bound by default",
    },
    Difference {
        when: |request| request.ranges().is_some_and(|ranges| !is_ascending(&ranges)),
        theirs: &[206],
        ours: &[200],
        reason: "RFC 9110 §17.15: ranges that overlap or go back are ignored; nginx serves them up to the file's size",
    },
    Difference {
        when: |request| request.has("if-match") && request.has("if-unmodified-since"),
        theirs: &[412],
        ours: &[200, 206, 304, 416],
        reason: "RFC 9110 §13.1.4: beside If-Match, If-Unmodified-Since is ignored; nginx wants both to hold",
    },
    Difference {
        when: |request| request.has("if-none-match") && request.has("if-modified-since"),
        theirs: &[200, 206, 416],
        ours: &[304],
        reason: "RFC 9110 §13.1.3: beside If-None-Match, If-Modified-Since is ignored; nginx wants both to hold",
    },
];

/// A request, before tags and dates are filled in.
#[derive(Clone, Debug)]
struct Request {
    /// Bytes of the file.
    size: u64,
    method: &'static str,
    fields: Vec<(&'static str, String)>,
}

// === impl Request ===

impl Request {
    fn has(&self, wanted: &str) -> bool {
        self.fields.iter().any(|(name, _)| *name == wanted)
    }

    /// The ranges of a well-formed header, cut to the file; an independent reading of RFC 9110 §14.1.
    fn ranges(&self) -> Option<Vec<std::ops::Range<u64>>> {
        let (_, value) = self.fields.iter().find(|(name, _)| *name == "range")?;
        let set = value.strip_prefix("bytes=")?;
        let size = self.size;
        let mut ranges = Vec::new();
        for spec in set.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
            let (first, last) = spec.split_once('-')?;
            let range = match (first.parse::<u64>(), last.parse::<u64>()) {
                (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1),
                (Ok(first), Err(_)) if last.is_empty() => first..size,
                (Err(_), Ok(length)) if first.is_empty() => size.saturating_sub(length)..size,
                _ => return None,
            };
            ranges.push(range.start.min(size)..range.end.min(size));
        }
        Some(ranges)
    }

    /// The fields with the validators of one server.
    fn filled(&self, whole: &Answer) -> Vec<(&'static str, String)> {
        let modified = httpdate::parse_http_date(whole.header("last-modified").unwrap()).unwrap();
        let hour = Duration::from_hours(1);
        let fill = |text: &str| {
            let text = text.replace("{etag}", whole.header("etag").unwrap());
            let text = text.replace("{modified}", &httpdate::fmt_http_date(modified));
            let text = text.replace("{before}", &httpdate::fmt_http_date(modified - hour));
            text.replace("{after}", &httpdate::fmt_http_date(modified + hour))
        };
        self.fields.iter().map(|(name, value)| (*name, fill(value))).collect()
    }
}

fn is_ascending(ranges: &[std::ops::Range<u64>]) -> bool {
    let there: Vec<_> = ranges.iter().filter(|range| !range.is_empty()).collect();
    there.windows(2).all(|pair| pair[0].end <= pair[1].start)
}

/// Of each kind of range and condition one; `END`, `SIZE` and `BEYOND` stand for the last byte and what follows it.
fn listed(size: u64) -> Vec<Request> {
    let ranges = [
        "bytes=0-0",
        "bytes=0-1",
        "bytes=5-",
        "bytes=-10",
        "bytes=-BEYOND",
        "bytes=17-BEYOND",
        "bytes=END-",
        "bytes=SIZE-",
        "bytes=SIZE-BEYOND",
        "bytes=-0",
        "bytes=",
        "bytes=5-3",
        "bytes=a-",
        "items=0-1",
        "0-1",
        "bytes=0-1,20-21",
        "bytes=0-1,BEYOND-",
        "bytes=4-5,0-1",
        "bytes=0-5,3-9",
        "bytes=0-0,-0",
        "bytes=0-,-1",
        "bytes= 0-1 , 4-5",
        "bytes=18446744073709551616-",
        "bytes=0-18446744073709551615",
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16",
    ];
    let conditions = [
        ("if-none-match", "{etag}"),
        ("if-none-match", "W/{etag}"),
        ("if-none-match", "*"),
        ("if-none-match", "\"x\""),
        ("if-match", "{etag}"),
        ("if-match", "*"),
        ("if-match", "\"x\""),
        ("if-match", "\"x\", {etag}"),
        ("if-modified-since", "{modified}"),
        ("if-modified-since", "{before}"),
        ("if-modified-since", "{after}"),
        ("if-unmodified-since", "{modified}"),
        ("if-unmodified-since", "{before}"),
        ("if-unmodified-since", "{after}"),
    ];
    let range = |text: &str| {
        let text = text.replace("END", &(size - 1).to_string()).replace("SIZE", &size.to_string());
        ("range", text.replace("BEYOND", &(size * 5).to_string()))
    };
    let mut requests: Vec<Request> = Vec::new();
    for method in ["GET", "HEAD"] {
        requests.extend(ranges.map(|text| Request { size, method, fields: vec![range(text)] }));
        requests.extend(conditions.map(|(name, value)| Request {
            size,
            method,
            fields: vec![(name, value.to_owned())],
        }));
    }
    requests
}

/// Requests of ranges and conditions thrown together; the same every time.
fn generated(size: u64) -> Vec<Request> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap() % end
    };
    let numbers = [0, 1, 2, size / 2 - 1, size / 2, size - 2, size - 1, size, size * 5, u64::MAX];
    let mut requests = Vec::new();
    for _ in 0..GENERATED {
        let mut fields = Vec::new();
        if below(4) > 0 {
            let specs: Vec<String> = (0..=below(3))
                .map(|_| {
                    let (first, last) = (numbers[below(10)], numbers[below(10)]);
                    match below(6) {
                        0 => format!("{first}-"),
                        1 => format!("-{last}"),
                        2 => format!("{last}-{first}"),
                        _ => format!("{}-{}", first.min(last), first.max(last)),
                    }
                })
                .collect();
            fields.push(("range", format!("bytes={}", specs.join(","))));
        }
        let values = ["{etag}", "\"x\"", "W/{etag}", "*", "\"x\", {etag}"];
        let dates = ["{modified}", "{before}", "{after}"];
        for name in ["if-match", "if-none-match"] {
            if below(4) == 0 {
                fields.push((name, values[below(5)].to_owned()));
            }
        }
        for name in ["if-unmodified-since", "if-modified-since"] {
            if below(4) == 0 {
                fields.push((name, dates[below(3)].to_owned()));
            }
        }
        if below(3) == 0 {
            let value = if below(2) == 0 { values[below(3)] } else { dates[below(3)] };
            fields.push(("if-range", value.to_owned()));
        }
        requests.push(Request { size, method: if below(4) == 0 { "HEAD" } else { "GET" }, fields });
    }
    requests
}

/// Asks both for a file, and gives what differs and is not meant; counts the differences that are.
async fn compare(origin: &Site, path: &str, met: &mut [usize]) -> Vec<String> {
    let mine = ask(origin.addr, "GET", path, &[]).await;
    let size = mine.body.len() as u64;
    let modified = httpdate::parse_http_date(mine.header("last-modified").unwrap()).unwrap();
    let nginx = Nginx::start(&mine.body, modified).await;
    let reference = nginx.ask("GET", &[]).await;
    assert_eq!(Seen::new(&reference), Seen::new(&mine), "{path}");
    assert_eq!(reference.header("last-modified"), mine.header("last-modified"), "{path}");
    let mut unmeant = Vec::new();
    for request in listed(size).into_iter().chain(generated(size)) {
        let fill = |whole| request.filled(whole);
        let (theirs, ours) = (fill(&reference), fill(&mine));
        let theirs: Vec<_> = theirs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ours: Vec<_> = ours.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let theirs = Seen::new(&nginx.ask(request.method, &theirs).await);
        let ours = Seen::new(&ask(origin.addr, request.method, path, &ours).await);
        if theirs == ours {
            continue;
        }
        let is_meant = |difference: &Difference| {
            (difference.when)(&request)
                && difference.theirs.contains(&theirs.status)
                && difference.ours.contains(&ours.status)
        };
        match DIFFERENCES.iter().position(is_meant) {
            Some(place) => met[place] += 1,
            None => unmeant.push(format!("{path} {request:?}: nginx {theirs}, here {ours}")),
        }
    }
    unmeant
}

#[tokio::test]
async fn ranges_and_conditions_are_those_of_nginx() {
    let site = Site::start().await;
    let id = ready(&site).await;
    // A segment, a document that is rendered, and a file that does not fit into one write of a socket.
    let files = ["1/360p/1.m4s", "1/360p/index.m3u8", "1/poster.jpg"].map(|name| format!("/v/{id}/{name}"));
    let [segment, _, poster] = &files;
    assert_eq!(ask(site.addr, "GET", segment, &[]).await.body, segment_bytes(Track::Rung(360), 1));
    assert_eq!(ask(site.addr, "GET", poster, &[]).await.body.len(), POSTER_BYTES);
    let mut met = [0; DIFFERENCES.len()];
    let mut unmeant = Vec::new();
    for path in &files {
        unmeant.extend(compare(&site, path, &mut met).await);
    }
    assert!(unmeant.is_empty(), "{} differences:\n{}", unmeant.len(), unmeant.join("\n"));
    for (difference, count) in DIFFERENCES.iter().zip(met) {
        assert!(count > 0, "not met, so strike it from the list: {}", difference.reason);
    }
}
