//! Every bound of the origin, by name and unit. Times that a test shortens are in [`crate::Patience`].

use std::{ops::RangeInclusive, time::Duration};

/// Connections that are served at once; further ones wait in the listen queue.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
/// Connections of the admin listener that are served at once.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 32;
/// Connections that the kernel queues before they are accepted.
pub(crate) const LISTEN_BACKLOG: u32 = 4_096;
/// The first pause after a failed accept; it doubles up to [`ACCEPT_PAUSE_MAX`].
pub(crate) const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
/// The longest pause after a failed accept.
pub(crate) const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Header fields of one request, in bytes; beyond it 431.
pub(crate) const FIELDS_BYTES_MAX: usize = 16 << 10;
/// Request line and headers of one HTTP/1 request, in bytes; beyond it a bare 431 and the end of the connection.
pub(crate) const HEADER_BYTES_MAX: usize = 32 << 10;
/// Path and query of one request, in bytes; beyond it 414.
pub(crate) const URI_BYTES_MAX: usize = 8 << 10;
/// What hyper may gather of one connection in each direction, in bytes.
pub(crate) const CONNECTION_BUFFER_BYTES_MAX: usize = 128 << 10;
/// Requests that one HTTP/2 connection may have open at once.
pub(crate) const H2_STREAMS_MAX: u32 = 128;
/// Header fields of one HTTP/2 request, in bytes as RFC 9113 §6.5.2 counts them; beyond it a bare 431.
pub(crate) const H2_HEADER_LIST_BYTES_MAX: u32 = 32 << 10;
/// Streams that a client may have reset before they were accepted; beyond it the connection is closed.
pub(crate) const H2_PENDING_RESETS_MAX: usize = 20;
/// Streams that the server may have to reset because of a client's errors; beyond it the connection is closed.
pub(crate) const H2_ERROR_RESETS_MAX: usize = 1_024;
/// Of one HTTP/2 response, this many bytes may wait for the client's window.
pub(crate) const H2_SEND_BUFFER_BYTES_MAX: usize = 400 << 10;
/// An HTTP/2 response is handed over in pieces of this many bytes; what is taken is noted by the piece.
pub(crate) const H2_PIECE_BYTES: usize = 64 << 10;
/// How often a silent HTTP/2 client is asked whether it is still there.
pub(crate) const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to say so.
pub(crate) const H2_PING_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes of a certificate or key file; a longer one is refused.
pub(crate) const TLS_FILE_BYTES_MAX: u64 = 1 << 20;
/// A blocked reader must take at least this many bytes in each [`crate::Patience::write_stall`].
pub(crate) const WRITE_PROGRESS_BYTES_MIN: u64 = 64 << 10;
/// Of a body that nobody wants, this many bytes are read so that the client sees the answer.
pub(crate) const DRAIN_BYTES_MAX: u64 = 16 << 20;
/// A body that nobody wants is read for this long at most.
pub(crate) const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// A client that sends nothing of it for this long has seen its answer or never will.
pub(crate) const DRAIN_IDLE_MAX: Duration = Duration::from_secs(1);
/// Bodies that nobody wants are read for this many clients at once.
pub(crate) const DRAINS_MAX: usize = 64;

/// Entries of `X-Forwarded-For` that are read, from the right; what stands further left is not looked at.
pub(crate) const FORWARDED_MAX: usize = 16;

/// Requests of one client that may wait for pending segments.
pub(crate) const WAITING_PER_CLIENT_MAX: u32 = 4;
/// Requests for one video that may wait for pending segments.
pub(crate) const WAITING_PER_VIDEO_MAX: u32 = 256;
/// How often one who waits looks for what other processes committed.
pub(crate) const WAIT_POLL: Duration = Duration::from_millis(200);
/// Chunks for which a viewer's place was told to the queue are remembered for this long.
pub(crate) const AHEAD_REMEMBERED: Duration = Duration::from_secs(20);
/// How many of them are remembered.
pub(crate) const AHEAD_REMEMBERED_MAX: u64 = 10_000;
/// Notices of viewers' places that may be on their way to the catalog.
pub(crate) const AHEAD_NOTICES_MAX: usize = 16;

/// A view of a video that is older than this is read again.
pub(crate) const VIEW_AGE_MAX: Duration = Duration::from_secs(1);
/// While the catalog does not answer, views up to this age are served.
pub(crate) const VIEW_STALE_MAX: Duration = Duration::from_hours(1);
/// How long the age of such a view is shown after it was served: longer than a minute, which is how far apart scrapes of
/// `/metrics` lie unless they are told otherwise.
pub(crate) const VIEW_STALE_SHOWN: Duration = Duration::from_secs(90);
/// How long one read of the catalog may take on the way to a response.
pub(crate) const CATALOG_WAIT_MAX: Duration = Duration::from_secs(3);
/// Views that are kept, by their estimated bytes.
pub(crate) const VIEW_BYTES_MAX: u64 = 128 << 20;
/// Locks and counters that the videos share.
pub(crate) const STRIPES: usize = 256;
/// Rendered documents that are kept, in bytes.
pub(crate) const DOCUMENT_BYTES_MAX: u64 = 64 << 20;
/// Paths of which whole answers are kept.
pub(crate) const ANSWERS_MAX: usize = 4_096;
/// Answers of each path, for different lists of codings: there are few kinds of clients.
pub(crate) const ANSWERS_EACH_MAX: usize = 4;
/// Bytes of the bodies of whole answers that are kept; most of them are those of the hot cache, not others.
pub(crate) const ANSWERS_BYTES_MAX: usize = 64 << 20;

/// A value larger than one part in this many of the hot cache is served but not kept.
pub(crate) const CACHE_SHARES: u64 = 8;
/// Hot bytes of these sizes lie in memory files: smaller ones are as quickly copied.
pub(crate) const MEMORY_FILE_BYTES: RangeInclusive<usize> = 64 << 10..=32 << 20;
/// Memory files, each of which is an open descriptor.
pub(crate) const MEMORY_FILES_MAX: usize = 512;
/// Bytes that may be on their way from the store at once.
pub(crate) const LOAD_BYTES_MAX: u64 = 256 << 20;
/// Different objects that may be on their way from the store at once.
pub(crate) const LOADS_MAX: usize = 1_024;
/// How long a read from the store may take.
pub(crate) const LOAD_WAIT_MAX: Duration = Duration::from_secs(10);

/// Uploads at once.
pub(crate) const UPLOADS_MAX: usize = 64;
/// Characters of a title.
pub(crate) const TITLE_CHARS_MAX: usize = 500;
/// Bytes of a JSON request body.
pub(crate) const JSON_BYTES_MAX: usize = 64 << 10;
/// How often an upload is renewed in the catalog.
pub(crate) const UPLOAD_RENEW: Duration = Duration::from_secs(5);
/// How often what arrived slowly is handed to the file, where the probe reads it.
pub(crate) const UPLOAD_FLUSH: Duration = Duration::from_millis(500);
/// How often the end of an upload is told to a busy catalog.
pub(crate) const FINISH_TRIES_MAX: u32 = 3;
/// The pause between those tries.
pub(crate) const FINISH_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of a write token.
pub(crate) const TOKEN_BYTES_MAX: usize = 4_096;
/// Videos of a page of the list when the caller does not say.
pub(crate) const PAGE_DEFAULT: u32 = 50;
/// Events of a page when the caller does not say.
pub(crate) const EVENTS_DEFAULT: u32 = 100;

/// A session that was not there before counts among those of so long.
pub(crate) const NEWCOMERS_EVERY: Duration = Duration::from_secs(1);
/// Such sessions of one client, in [`NEWCOMERS_EVERY`]; many viewers may have one address. Who is refused comes again.
pub(crate) const NEWCOMERS_PER_CLIENT_MAX: u32 = 500;
/// Such sessions of all clients, in [`NEWCOMERS_EVERY`]: twice what the bench of views sends.
pub(crate) const NEWCOMERS_MAX: u32 = 10_000;

/// Open sockets of `/v1/ws` at once.
pub(crate) const SOCKETS_MAX: usize = 1_024;
/// How often viewers are counted and told.
pub(crate) const VIEWERS_EVERY: Duration = Duration::from_secs(1);
/// Bytes of a client's WebSocket message.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Videos of which all sockets of `/v1/ws` together may ask how many watch them.
pub(crate) const VIDEOS_ASKED_MAX: usize = 4_096;
/// Topics of one WebSocket.
pub(crate) const TOPICS_MAX: usize = 100;
/// Frames of one WebSocket that may be wrong before it is closed.
pub(crate) const BAD_FRAMES_MAX: u32 = 100;
/// Events that are read or queued for one WebSocket at once.
pub(crate) const BATCH_EVENTS: u32 = 256;
/// Rendered events that all sockets share.
pub(crate) const RECENT_EVENTS_MAX: usize = 1_024;
/// Seconds between two pings of the server.
pub(crate) const HEARTBEAT_S: u64 = 20;
/// Heartbeats without a sign of the client before it is given up.
pub(crate) const HEARTBEATS_MISSED_MAX: u32 = 2;
/// How long a closing WebSocket may take to say so.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(5);
