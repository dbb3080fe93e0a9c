-- Times are milliseconds since the Unix epoch. Flags are 0 or 1. JSON is stored as text.

CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters (name, value) VALUES ('token', 0);

CREATE TABLE videos (
    id                TEXT PRIMARY KEY,
    title             TEXT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('uploading', 'queued', 'probing', 'processing', 'ready', 'failed', 'deleting')),
    playable          INTEGER NOT NULL DEFAULT 0,
    generation        INTEGER NOT NULL DEFAULT 1,
    row_version       INTEGER NOT NULL DEFAULT 1,
    bytes             INTEGER,
    uploaded          INTEGER NOT NULL DEFAULT 0,
    upload_until_ms   INTEGER,
    facts             TEXT,
    warnings          TEXT NOT NULL DEFAULT '[]',
    error             TEXT,
    views             INTEGER NOT NULL DEFAULT 0,
    -- Of the current generation.
    tracks            TEXT NOT NULL DEFAULT '[]',
    frames            INTEGER NOT NULL DEFAULT 0,
    frames_best       INTEGER NOT NULL DEFAULT 0,
    chunks            INTEGER NOT NULL DEFAULT 0,
    chunks_done       INTEGER NOT NULL DEFAULT 0,
    sheets            INTEGER NOT NULL DEFAULT 0,
    sheets_done       INTEGER NOT NULL DEFAULT 0,
    sheets_failed     INTEGER NOT NULL DEFAULT 0,
    since_ms          INTEGER NOT NULL DEFAULT 0,
    committed_at_ms   INTEGER NOT NULL DEFAULT 0,
    repairs           INTEGER NOT NULL DEFAULT 0,
    created_at_ms     INTEGER NOT NULL,
    updated_at_ms     INTEGER NOT NULL
);
CREATE INDEX videos_by_age ON videos (created_at_ms, id);
CREATE INDEX videos_by_state ON videos (state, created_at_ms, id);

CREATE TABLE tombstones (
    id            TEXT PRIMARY KEY,
    deleted_at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tombstones_by_age ON tombstones (deleted_at_ms);

CREATE TABLE generations (
    video      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    plan       TEXT NOT NULL,
    finalized  INTEGER NOT NULL DEFAULT 0,
    measured   TEXT NOT NULL DEFAULT '{}',
    poster     INTEGER,
    PRIMARY KEY (video, generation)
) WITHOUT ROWID;

CREATE TABLE configs (
    video      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    track      TEXT NOT NULL,
    config     TEXT NOT NULL,
    PRIMARY KEY (video, generation, track)
) WITHOUT ROWID;

CREATE TABLE chunks (
    video      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    first      INTEGER NOT NULL,
    last       INTEGER NOT NULL,
    token      INTEGER NOT NULL,
    frames     INTEGER NOT NULL,
    filler     INTEGER NOT NULL,
    requeued   INTEGER NOT NULL,
    tracks     TEXT NOT NULL,
    UNIQUE (video, generation, first)
);
-- Counting, covering and cache checks never touch the rows with the index data.
CREATE INDEX chunks_by_place ON chunks (video, generation, first, last, token, frames, filler);

CREATE TABLE sheets (
    video      TEXT NOT NULL,
    generation INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    token      INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    PRIMARY KEY (video, generation, n)
) WITHOUT ROWID;

-- What a worker must have to make the chunks of a plan: a JSON array of [plugin, version].
CREATE TABLE encoder_sets (
    id       INTEGER PRIMARY KEY,
    encoders TEXT NOT NULL UNIQUE
);

-- Who claims, and what they have: a JSON array of [plugin, version].
CREATE TABLE workers (
    id         TEXT PRIMARY KEY,
    encoders   TEXT NOT NULL,
    seen_at_ms INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE jobs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    video          TEXT NOT NULL,
    generation     INTEGER NOT NULL,
    kind           TEXT NOT NULL CHECK (kind IN ('probe', 'encode', 'sheet', 'finalize', 'delete')),
    state          TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'failed')),
    -- Segments of an encode job; the number of a sheet, twice; else 0.
    first          INTEGER NOT NULL DEFAULT 0,
    last           INTEGER NOT NULL DEFAULT 0,
    encoders       INTEGER,
    failures       INTEGER NOT NULL DEFAULT 0,
    filler         INTEGER NOT NULL DEFAULT 0,
    requeued       INTEGER NOT NULL DEFAULT 0,
    not_before_ms  INTEGER NOT NULL DEFAULT 0,
    -- The segment that somebody waits for, until when, and when a viewer was last near.
    wanted         INTEGER,
    deadline_ms    INTEGER,
    ahead_at_ms    INTEGER,
    worker         TEXT,
    token          INTEGER,
    lease_until_ms INTEGER,
    ended_token    INTEGER,
    ended_at_ms    INTEGER
);
CREATE UNIQUE INDEX jobs_open ON jobs (video, generation, kind, first) WHERE state IN ('pending', 'running');
CREATE INDEX jobs_by_video ON jobs (video, generation, kind, state, first, last);
CREATE INDEX jobs_pending ON jobs (kind, id) WHERE state = 'pending';
CREATE INDEX jobs_waited_for ON jobs (deadline_ms, id) WHERE state = 'pending' AND kind = 'encode' AND deadline_ms IS NOT NULL;
CREATE INDEX jobs_ahead ON jobs (ahead_at_ms DESC, first) WHERE state = 'pending' AND kind = 'encode' AND ahead_at_ms IS NOT NULL;
CREATE INDEX jobs_first ON jobs (id) WHERE state = 'pending' AND kind = 'encode' AND first = 1;
CREATE INDEX jobs_by_encoders ON jobs (encoders) WHERE state = 'pending' AND encoders IS NOT NULL;
CREATE INDEX jobs_running ON jobs (lease_until_ms) WHERE state = 'running';
CREATE INDEX jobs_deleted ON jobs (ended_at_ms) WHERE state = 'done' AND kind = 'delete';

CREATE TABLE waits (
    video       TEXT NOT NULL,
    generation  INTEGER NOT NULL,
    segment     INTEGER NOT NULL,
    deadline_ms INTEGER NOT NULL,
    PRIMARY KEY (video, generation, segment)
) WITHOUT ROWID;
CREATE INDEX waits_by_deadline ON waits (deadline_ms);

CREATE TABLE view_sessions (
    video   TEXT NOT NULL,
    session TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (video, session)
) WITHOUT ROWID;
CREATE INDEX view_sessions_by_age ON view_sessions (at_ms);

-- AUTOINCREMENT: a number is never given twice, not even after the newest rows were removed.
CREATE TABLE events (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            TEXT NOT NULL,
    kind          TEXT NOT NULL,
    of_job        INTEGER NOT NULL,
    video         TEXT NOT NULL,
    attempt       INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    data          TEXT NOT NULL
);
CREATE INDEX events_of_video ON events (video, seq);
CREATE INDEX events_of_videos ON events (seq) WHERE of_job = 0;
