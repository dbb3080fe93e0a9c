-- When a video is deleted by itself; most never are.
ALTER TABLE videos ADD COLUMN expires_at_ms BIGINT;
CREATE INDEX videos_by_expiry ON videos (expires_at_ms) WHERE expires_at_ms IS NOT NULL AND state <> 'deleting';

-- What one process at a time does now and then, a part each time: when the last part began, and where it ended.
CREATE TABLE turns (
    name        TEXT COLLATE "C" PRIMARY KEY,
    began_at_ms BIGINT NOT NULL,
    place       TEXT NOT NULL
);
