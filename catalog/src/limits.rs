//! Every bound of the catalog, by name and unit.

use std::ops::RangeInclusive;

/// How long a claim or an upload is held without a renewal, in milliseconds.
pub const LEASE_MS: i64 = 15_000;
/// How often a holder should renew, in milliseconds.
pub const RENEW_MS: i64 = 5_000;
/// How far ahead a paused upload can be held, in milliseconds.
pub const HOLD_MS_MAX: i64 = 30 * 24 * 3_600_000;
/// How long a deleted id is remembered as deleted, in milliseconds.
pub const TOMBSTONE_MS: i64 = 7 * 24 * 3_600_000;
/// Attempts of a job before it counts as not makeable.
pub const ATTEMPTS_MAX: u32 = 3;
/// How long the chunks after a viewer's last request stay ahead of the background, in milliseconds.
pub const AHEAD_MS: i64 = 60_000;
/// How many chunks after a viewer's last request are preferred.
pub const AHEAD_CHUNKS: u64 = 2;
/// A wait may lie this far ahead at most, in milliseconds; later deadlines are cut to it.
pub const DEADLINE_AHEAD_MS_MAX: i64 = 60_000;
/// How long the done job of a deletion is remembered, so that finishing it twice is harmless, in milliseconds.
pub const DELETED_JOB_MS: i64 = 24 * 3_600_000;
/// A generation fails when more than one part in this many of its frames would be filler.
pub const FILLER_PARTS: u64 = 10;
/// Warnings kept for a video; later ones are dropped.
pub const WARNINGS_MAX: usize = 100;
/// Bytes of a title.
pub const TITLE_BYTES_MAX: usize = 4_096;
/// Strings of a publisher's own that a video has.
pub const META_KEYS_MAX: usize = 50;
/// Bytes of the name of one of them.
pub const META_KEY_BYTES_MAX: usize = 64;
/// Bytes of all of them with their names: each event of the video has them too.
pub const META_BYTES_MAX: usize = 4_096;
/// Bytes of any other text that is kept: failure details, warning details, worker ids.
pub const TEXT_BYTES_MAX: usize = 2_000;
/// Videos of one page of a list.
pub const PAGE_MAX: u32 = 100;
/// Events of one read.
pub const EVENTS_READ_MAX: u32 = 1_000;
/// Events kept in the log.
pub const EVENTS_MAX: i64 = 250_000;
/// How long events are kept, in milliseconds.
pub const EVENTS_MS: i64 = 30 * 24 * 3_600_000;
/// Rows that one sweep removes or repairs of a kind; the rest is for the next sweep.
pub const SWEEP_ROWS_MAX: u32 = 1_000;
/// Videos whose time is over that one sweep begins to delete; the rest is for the next sweep.
pub const EXPIRED_MAX: u32 = 100;
/// How often one of all processes looks for objects that no row names, in milliseconds.
pub const ORPHANS_MS: i64 = 3_600_000;
/// How often the sweeper restores the jobs of one generation before it gives the video up.
pub const REPAIRS_MAX: u32 = 3;
/// How often a worker that claims is noted as present, in milliseconds.
pub const WORKER_NOTED_MS: i64 = 10_000;
/// How long a worker may be away before its encoders count as gone, in milliseconds.
pub const WORKER_AWAY_MS: i64 = 600_000;
/// Generations that a video may have because encoders went away; then it fails.
pub const GENERATIONS_MAX: u32 = 10;
/// How long a viewing session is remembered, so that it counts once, in milliseconds.
pub const VIEW_SESSION_MS: i64 = 24 * 3_600_000;
/// Bytes of a playback session's id.
pub const SESSION_BYTES_MAX: usize = 64;
/// How long a session counts as present after it was seen, in milliseconds.
pub const PRESENT_MS: i64 = 30_000;
/// Sessions that a process knows; while there are so many, further ones are refused. 5,000 new ones a second are 150,000
/// that are present at once.
pub const VIEWERS_MAX: usize = 262_144;
/// Views that one transaction counts, fewer than the sessions that one forgets.
pub const VIEWS_COUNTED_MAX: usize = 256;
/// How long a view waits for the catalog before Redis gets a copy of it, in milliseconds.
pub const VIEWS_LATE_MS: i64 = 2_000;
/// Copies of views that wait with Redis; further views wait in the memory of their process alone.
pub const VIEWS_GATHERED_MAX: u64 = 1_000_000;
/// How often views of a video that somebody is changing are tried again at the end, in milliseconds.
pub const VIEWS_AGAIN_MS: u64 = 20;
/// Writes that may wait for the writer thread of a process.
pub const WRITES_QUEUED_MAX: usize = 256;
/// Reads that may wait for a reader thread of a process, or for one of its connections to a server.
pub const READS_QUEUED_MAX: usize = 1_024;
/// Reader threads of a process.
pub const READERS: usize = 2;
/// How long a call waits for the queue of this process, in milliseconds.
pub const QUEUE_WAIT_MS: u64 = 10_000;
/// How long a statement waits for a lock that another process holds, in milliseconds.
pub const LOCK_WAIT_MS: u64 = 5_000;
/// Connections that a process has to a database server, unless it is told otherwise.
pub const CONNECTIONS: usize = 10;
/// How long a new connection to a database server may take, in milliseconds.
pub const CONNECT_MS: u64 = 5_000;
/// How long a server may work on one statement, in milliseconds.
pub const STATEMENT_MS: u64 = 10_000;
/// How long a server waits for the next statement of a transaction, whose locks others may wait for, in milliseconds.
pub const IDLE_TRANSACTION_MS: u64 = 10_000;
/// How long a process waits for a server's answer before it gives the connection up, in milliseconds; longer than any
/// statement may take. The last statements of a transaction and its commit are one answer.
pub const ANSWER_MS: u64 = 15_000;
/// How long `migrate` waits for another process that migrates, in milliseconds.
pub const MIGRATE_WAIT_MS: u64 = 60_000;
/// How often a claim waits for a video that somebody else is changing, before it is tried later.
pub const CLAIM_TRIES: u32 = 8;
/// The pauses before Redis, or Postgres for its hints, is connected to again, the first and the longest, in milliseconds;
/// each is cut by up to half, so that processes that lost it together do not come back together.
pub const RECONNECT_MS: RangeInclusive<u64> = 100..=5_000;
/// How long a connection must have lasted for the pauses to begin anew, in milliseconds.
pub const STABLE_MS: u64 = 30_000;
/// How long a connection to Redis may take to be of use, in milliseconds.
pub const REDIS_CONNECT_MS: u64 = 5_000;
/// How long Redis may take to answer before its connection is given up, in milliseconds.
pub const REDIS_ANSWER_MS: u64 = 2_000;
/// How long who asks for the number of viewers waits for Redis before this process answers alone, in milliseconds.
pub const VIEWERS_ANSWER_MS: u64 = 500;
/// How often a connection to Redis is asked whether it is still there, in milliseconds.
pub const REDIS_PING_MS: u64 = 1_000;
/// Members of a set that one command gives to Redis, or videos of which one request asks.
pub const REDIS_MEMBERS_MAX: usize = 512;
/// Hints that may wait to be published; further ones are lost.
pub const HINTS_PUBLISHED_MAX: usize = 1_024;
/// Bytes of one message with hints, a notification of Postgres or a publication of Redis.
pub const NOTIFICATION_BYTES_MAX: usize = 7_900;
/// Hints that a slow receiver may fall behind before it is told that it lagged.
pub const HINTS_QUEUED_MAX: usize = 1_024;
/// Chunks whose index is read by one statement.
pub const CHUNKS_READ_MAX: usize = 256;
/// Generations whose plan and chunk index are kept parsed.
pub const GENERATIONS_CACHED_MAX: usize = 64;
