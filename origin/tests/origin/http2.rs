//! HTTP/2 from hostile clients, frame by frame: malformed requests end a stream, floods end the connection.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{ANSWER_MAX, get},
    fixture::Site,
    protocols::{Nodes, PROTOCOLS, Protocol},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Kinds and flags of frames (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Why a stream or a connection ends (RFC 9113 §7).
const PROTOCOL_ERROR: u32 = 1;

/// A connection over which frames are sent as they are.
struct Raw<S>(S);

/// A frame that came back.
#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

// === impl Raw ===

impl Raw<TcpStream> {
    async fn open(site: &Site) -> Self {
        Self::over(TcpStream::connect(site.addr).await.unwrap()).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    async fn over(stream: S) -> Self {
        let mut raw = Self(stream);
        raw.send(PREFACE).await.unwrap();
        raw.send(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
        raw
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    async fn read(&mut self) -> Option<Frame> {
        let reading = async {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).await.ok()?;
            Some(Frame { kind: head[3], stream, payload })
        };
        timeout(ANSWER_MAX, reading).await.expect("a frame or the end in time")
    }

    /// The first frame of one of these kinds on a stream; `None` if the connection ends before.
    async fn until(&mut self, kinds: &[u8], stream: u32) -> Option<Frame> {
        loop {
            let frame = self.read().await?;
            if kinds.contains(&frame.kind) && (frame.stream == stream || frame.kind == GO_AWAY) {
                return Some(frame);
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Fields as literals that no table remembers (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = vec![u8::try_from(text.len()).unwrap()];
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

const REQUEST: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

fn request(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&[&REQUEST, more].concat()))
}

#[tokio::test]
async fn a_malformed_request_ends_its_stream_alone() {
    let nodes = Nodes::start().await;
    malformed_requests(async || Raw::open(&nodes.site).await).await;
    malformed_requests(async || Raw::over(nodes.connect_tls(b"h2").await).await).await;
}

async fn malformed_requests<S: AsyncRead + AsyncWrite + Unpin>(open: impl AsyncFn() -> Raw<S>) {
    let bad: [&[(&str, &str)]; 4] =
        [&[("connection", "close")], &[("transfer-encoding", "chunked")], &[("te", "gzip")], &[(":path", "/again")]];
    let mut raw = open().await;
    let mut stream = 1;
    for fields in bad {
        raw.send(&request(stream, fields)).await.unwrap();
        let refused = raw.until(&[RST_STREAM, GO_AWAY], stream).await.unwrap();
        let protocol_error = PROTOCOL_ERROR.to_be_bytes().to_vec();
        assert_eq!((refused.kind, refused.payload), (RST_STREAM, protocol_error), "{fields:?}");
        // The connection goes on.
        raw.send(&request(stream + 2, &[])).await.unwrap();
        let answered = raw.until(&[HEADERS, RST_STREAM, GO_AWAY], stream + 2).await.unwrap();
        assert_eq!(answered.kind, HEADERS, "{fields:?}: {answered:?}");
        stream += 4;
    }
    // A name or value that cannot be one is an error of its stream, too (RFC 9113 §8.2.1), but h2 stops there in the
    // middle of the fields, with a table that all streams share half brought up to date. It may take such an error for
    // one of the connection (§5.4.1), and has to.
    for field in [("X-Upper", "1"), ("x-bad", "a\nb"), (":late", "1")] {
        let mut raw = open().await;
        raw.send(&request(1, &[("x", "1"), field])).await.unwrap();
        let refused = raw.until(&[HEADERS, RST_STREAM, GO_AWAY], 1).await.unwrap();
        assert_eq!(refused.kind, GO_AWAY, "{field:?}: {refused:?}");
        // No stream was at work, so that a client may ask again for all of them; then why it ended (§6.8).
        let told = [0_u32.to_be_bytes(), PROTOCOL_ERROR.to_be_bytes()].concat();
        assert_eq!(refused.payload[..8], told, "{field:?}: {refused:?}");
        assert!(raw.until(&[HEADERS, RST_STREAM], 1).await.is_none(), "{field:?}");
    }
}

#[tokio::test]
async fn a_server_has_one_name() {
    let nodes = Nodes::start().await;
    for protocol in PROTOCOLS {
        let named = nodes.ask(protocol, "GET", "/v1/videos", &[("host", "localhost")]).await;
        assert_eq!(named.status, 200, "{protocol:?}");
    }
    let mut raw = Raw::open(&nodes.site).await;
    let cases: [(&[(&str, &str)], bool); 3] = [(&[("host", "a")], true), (&[("host", "b")], false), (&[], true)];
    for (nth, (fields, is_good)) in (0..).zip(cases) {
        let stream = 1 + 2 * nth;
        raw.send(&request(stream, fields)).await.unwrap();
        let answered = raw.until(&[HEADERS, RST_STREAM], stream).await.unwrap();
        // `:status: 200` has a place in the static table, as has 400 (RFC 7541, appendix A).
        assert_eq!(answered.payload[0], if is_good { 0x88 } else { 0x8c }, "{fields:?}: {answered:?}");
    }
    // The rules for writers hold over HTTP/2 as well.
    let foreign = nodes.send(Protocol::Http2, "PUT", "/v1/videos", &[("host", "videos.example")], b"x").await;
    assert_eq!((foreign.status, foreign.code()), (403, "write_not_allowed".to_owned()));
}

#[tokio::test]
async fn a_body_that_nobody_wants_ends_its_stream_alone() {
    let site = Site::start().await;
    let mut raw = Raw::open(&site).await;
    let post = [(":method", "POST"), (":scheme", "http"), (":path", "/v/x"), (":authority", "a")];
    raw.send(&frame(HEADERS, END_HEADERS, 1, &block(&post))).await.unwrap();
    raw.send(&frame(DATA, 0, 1, b"some of it")).await.unwrap();
    let refused = raw.until(&[HEADERS, RST_STREAM, GO_AWAY], 1).await.unwrap();
    assert_eq!(refused.kind, HEADERS);
    raw.send(&request(3, &[])).await.unwrap();
    assert_eq!(raw.until(&[HEADERS, RST_STREAM, GO_AWAY], 3).await.unwrap().kind, HEADERS);
}

#[tokio::test]
async fn nobody_is_connected_to_anything() {
    let nodes = Nodes::start().await;
    connects(Raw::open(&nodes.site).await).await;
    connects(Raw::over(nodes.connect_tls(b"h2").await).await).await;
}

async fn connects<S: AsyncRead + AsyncWrite + Unpin>(mut raw: Raw<S>) {
    let (method, place) = ((":method", "CONNECT"), (":authority", "a:80"));
    let (scheme, path) = ((":scheme", "http"), (":path", "/v1/ws"));
    // RFC 9113 §8.5: with a scheme and a path it is malformed; RFC 8441 §4: or for a protocol, which is not offered.
    let rows: [(&[(&str, &str)], u8); 3] = [
        (&[method, place], HEADERS),
        (&[method, place, scheme, path], RST_STREAM),
        (&[method, place, scheme, path, (":protocol", "websocket")], RST_STREAM),
    ];
    for (nth, (fields, kind)) in (0..).zip(rows) {
        let stream = 1 + 4 * nth;
        // Its stream stays open, as that of a tunnel would.
        raw.send(&frame(HEADERS, END_HEADERS, stream, &block(fields))).await.unwrap();
        let refused = raw.until(&[HEADERS, RST_STREAM, GO_AWAY], stream).await.unwrap();
        assert_eq!(refused.kind, kind, "{fields:?}: {refused:?}");
        if kind == HEADERS {
            // `:status: 400` in the static table.
            assert_eq!(refused.payload[0], 0x8c, "{fields:?}: {refused:?}");
        }
        // The connection goes on.
        raw.send(&request(stream + 2, &[])).await.unwrap();
        let answered = raw.until(&[HEADERS, RST_STREAM, GO_AWAY], stream + 2).await.unwrap();
        assert_eq!(answered.kind, HEADERS, "{fields:?}: {answered:?}");
    }
}

#[tokio::test]
async fn a_connection_has_so_many_streams_and_not_one_more() {
    // Answers that nobody takes keep their streams open.
    const INITIAL_WINDOW_SIZE: [u8; 6] = [0, 4, 0, 0, 0, 0];
    const REFUSED_STREAM: u32 = 7;
    const CANCEL: u32 = 8;
    let site = Site::start().await;
    let mut raw = Raw::open(&site).await;
    raw.send(&frame(SETTINGS, 0, 0, &INITIAL_WINDOW_SIZE)).await.unwrap();
    let (first, beyond) = (1, 1 + 2 * 128);
    for stream in (first..beyond).step_by(2) {
        raw.send(&request(stream, &[])).await.unwrap();
        assert_eq!(raw.until(&[HEADERS, RST_STREAM, GO_AWAY], stream).await.unwrap().kind, HEADERS, "{stream}");
    }
    raw.send(&request(beyond, &[])).await.unwrap();
    let refused = raw.until(&[HEADERS, RST_STREAM, GO_AWAY], beyond).await.unwrap();
    assert_eq!((refused.kind, refused.payload), (RST_STREAM, REFUSED_STREAM.to_be_bytes().to_vec()));
    // One that is given up makes room.
    raw.send(&frame(RST_STREAM, 0, first, &CANCEL.to_be_bytes())).await.unwrap();
    raw.send(&request(beyond + 2, &[])).await.unwrap();
    assert_eq!(raw.until(&[HEADERS, RST_STREAM, GO_AWAY], beyond + 2).await.unwrap().kind, HEADERS);
}

#[tokio::test]
async fn a_list_of_fields_that_is_too_long_is_refused_before_it_is_a_request() {
    // What a field costs beside its name and value (RFC 9113 §10.5.1).
    const OVERHEAD: usize = 32;
    // The place after the static table (RFC 7541 §2.3.3).
    const FIRST_REMEMBERED: u8 = 62;
    let site = Site::start().await;
    let mut raw = Raw::open(&site).await;
    let path = [(":method", "GET"), (":scheme", "http"), (":path", "/v/x"), (":authority", "a")];
    let cost = |fields: &[(&str, &str)]| -> usize {
        fields.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum()
    };
    let value = "y".repeat(90);
    let wide = [("x-wide", value.as_str())];
    let each = cost(&wide);
    let most = 32 << 10;
    for (stream, bytes, is_request) in [(1, most - 1, true), (3, most, false)] {
        // One field that the table remembers, the same many times more, and one that makes up for the rest.
        let left = bytes - cost(&path) - OVERHEAD - 1;
        let last = "y".repeat(left % each);
        let mut fields = block(&path);
        if stream == 1 {
            fields.push(0x40);
            fields.extend_from_slice(&block(&wide)[1..]);
        } else {
            fields.push(0x80 | FIRST_REMEMBERED);
        }
        fields.resize(fields.len() + left / each - 1, 0x80 | FIRST_REMEMBERED);
        fields.extend(block(&[("x", last.as_str())]));
        raw.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields)).await.unwrap();
        let refused = raw.until(&[HEADERS, RST_STREAM, GO_AWAY], stream).await.unwrap();
        assert_eq!(refused.kind, HEADERS, "{bytes}: {refused:?}");
        // A problem as of every other request has many fields; the protocol itself only says 431.
        assert_eq!(refused.payload.len() > 100, is_request, "{bytes}: {refused:?}");
    }
    // The connection goes on.
    raw.send(&request(5, &[])).await.unwrap();
    assert_eq!(raw.until(&[HEADERS, RST_STREAM, GO_AWAY], 5).await.unwrap().kind, HEADERS);
}

/// What a flood repeats, given the number of its round.
type Flood = fn(u32) -> Vec<u8>;

#[tokio::test]
async fn floods_end_the_connection() {
    let site = Site::start().await;
    let floods: [(&str, Flood); 4] = [
        ("streams that are reset at once", |round| {
            let stream = 1 + 2 * round;
            [request(stream, &[]), frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        }),
        ("headers without end", |round| {
            let more = block(&[("x-more", "0123456789")]);
            if round == 0 { frame(HEADERS, 0, 1, &block(&REQUEST)) } else { frame(CONTINUATION, 0, 1, &more) }
        }),
        ("data for a stream that never was", |_| frame(DATA, 0, 1, b"x")),
        ("streams beyond the table's end", |round| {
            frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * round, &[0xff, 0xff, 0x7f])
        }),
    ];
    for (what, flood) in floods {
        let mut raw = Raw::open(&site).await;
        let (mut reader, mut writer) = raw.0.split();
        // Nobody reads until the server hangs up: its answers must not pile up either.
        let writing = async {
            for round in 0..200_000 {
                if writer.write_all(&flood(round)).await.is_err() {
                    return;
                }
            }
            panic!("{what}: all were taken");
        };
        let reading = async {
            let mut bytes = Vec::new();
            let _ = reader.read_to_end(&mut bytes).await;
        };
        timeout(ANSWER_MAX, async {
            tokio::select! { () = writing => {}, () = reading => {} }
        })
        .await
        .unwrap_or_else(|_| panic!("{what}: the connection is still there"));
        assert_eq!(get(site.addr, "/v1/videos").await.status, 200, "{what}");
    }
    // Pings are answered as long as the answers are read, and hold nothing up.
    let mut raw = Raw::open(&site).await;
    for round in 0..1_000_u64 {
        raw.send(&frame(PING, 0, 0, &round.to_be_bytes())).await.unwrap();
    }
    raw.send(&request(1, &[])).await.unwrap();
    assert_eq!(raw.until(&[HEADERS, GO_AWAY], 1).await.unwrap().kind, HEADERS);
}
