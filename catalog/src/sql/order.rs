//! The order of the queue: one statement for each class. Each names its index, so that with `SQLite` a
//! statement that would read the whole queue is an error and not slow. With Postgres each locks the job
//! that it finds and passes over those that others are just claiming.

use super::{
    Db, Engine, jobs,
    rows::{Row, Value, params},
};
use crate::{JobKind, Result, Wanted, limits};

/// The parts of the queue: the name of each, and the index, the condition and the order in which it is read.
pub(super) const PARTS: [(&str, &str, &str, &str); 8] = [
    (
        "waited_for",
        "jobs_waited_for",
        "kind = 'encode' AND deadline_ms IS NOT NULL AND deadline_ms > ?1",
        "deadline_ms, id",
    ),
    (
        "ahead",
        "jobs_ahead",
        "kind = 'encode' AND ahead_at_ms IS NOT NULL AND ahead_at_ms > ?5",
        "ahead_at_ms DESC, first",
    ),
    ("first", "jobs_first", "kind = 'encode' AND first = 1", "id"),
    ("probe", "jobs_pending", "kind = 'probe'", "kind, id"),
    ("encode", "jobs_pending", "kind = 'encode'", "kind, id"),
    ("sheet", "jobs_pending", "kind = 'sheet'", "kind, id"),
    ("finalize", "jobs_pending", "kind = 'finalize'", "kind, id"),
    ("delete", "jobs_pending", "kind = 'delete'", "kind, id"),
];

/// Looks for the first job of a class.
type Find<'a> = dyn Fn() -> Result<Option<jobs::Job>> + 'a;

/// Which parts of the queue hold jobs, of any worker's: so that those without are not asked one by one.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each stands for a part of the queue")]
pub(crate) struct Pending {
    waited_for: bool,
    ahead: bool,
    first: bool,
    probe: bool,
    encode: bool,
    sheet: bool,
    finalize: bool,
    delete: bool,
}

// === impl Pending ===

impl Pending {
    pub(super) fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            waited_for: row.get("waited_for")?,
            ahead: row.get("ahead")?,
            first: row.get("first")?,
            probe: row.get("probe")?,
            encode: row.get("encode")?,
            sheet: row.get("sheet")?,
            finalize: row.get("finalize")?,
            delete: row.get("delete")?,
        })
    }

    /// Whether there is any job.
    pub(crate) fn any(self) -> bool {
        self.probe || self.encode || self.sheet || self.finalize || self.delete
    }
}

/// The job to give next: the classes in the order of the design. Short jobs that end a wait or free
/// room (probes, deletions, finalizing, sheets) come before the long background.
///
/// `encoders` is a JSON array of the encoder sets that the worker fulfils.
pub(super) fn next(db: &Db<'_>, wanted: Wanted, pending: Pending, encoders: &str) -> Result<Option<jobs::Job>> {
    let any = wanted.probe || wanted.urgent || wanted.background;
    let classes: [(bool, &Find<'_>); 8] = [
        (wanted.urgent && pending.waited_for, &|| waited_for(db, encoders)),
        (wanted.probe && pending.probe, &|| plain(db, JobKind::Probe)),
        (wanted.background && pending.ahead, &|| ahead(db, encoders)),
        (wanted.urgent && pending.first, &|| first(db, encoders)),
        (any && pending.delete, &|| plain(db, JobKind::Delete)),
        (wanted.background && pending.finalize, &|| plain(db, JobKind::Finalize)),
        (wanted.background && pending.sheet, &|| plain(db, JobKind::Sheet)),
        (wanted.background && pending.encode, &|| of_some_video(db, encoders)),
    ];
    for (_, find) in classes.iter().filter(|(asked, _)| *asked) {
        if let Some(job) = find()? {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// Class 1: the earliest deadline that has not passed.
fn waited_for(db: &Db<'_>, encoders: &str) -> Result<Option<jobs::Job>> {
    let sql = "SELECT * FROM jobs INDEXED BY jobs_waited_for WHERE state = 'pending' AND kind = 'encode' AND deadline_ms IS NOT NULL AND deadline_ms > ?1
         AND not_before_ms <= ?1 AND encoders IN (SELECT value FROM json_each(?2)) ORDER BY deadline_ms, id LIMIT 1";
    one(db, sql, params![db.now_ms, encoders])
}

/// Class 2: what viewers will want next, the latest viewer first. These chunks are long: in the slot
/// that is kept for those who wait, they would be what a seek waits for.
fn ahead(db: &Db<'_>, encoders: &str) -> Result<Option<jobs::Job>> {
    let sql = "SELECT * FROM jobs INDEXED BY jobs_ahead WHERE state = 'pending' AND kind = 'encode' AND ahead_at_ms IS NOT NULL AND ahead_at_ms > ?3
         AND not_before_ms <= ?1 AND encoders IN (SELECT value FROM json_each(?2)) ORDER BY ahead_at_ms DESC, first LIMIT 1";
    one(db, sql, params![db.now_ms, encoders, db.now_ms.saturating_sub(limits::AHEAD_MS)])
}

/// Class 3: first chunks, so that every video becomes playable soon.
fn first(db: &Db<'_>, encoders: &str) -> Result<Option<jobs::Job>> {
    let sql = "SELECT * FROM jobs INDEXED BY jobs_first WHERE state = 'pending' AND kind = 'encode' AND first = 1
         AND not_before_ms <= ?1 AND encoders IN (SELECT value FROM json_each(?2)) ORDER BY id LIMIT 1";
    one(db, sql, params![db.now_ms, encoders])
}

/// Class 4: of the oldest video that nobody works for; when every video with work is worked for, of the one with the
/// fewest running chunks, then the oldest.
fn of_some_video(db: &Db<'_>, encoders: &str) -> Result<Option<jobs::Job>> {
    match db.engine() {
        Engine::Sqlite => match of_videos(db, encoders, SQLITE_IDLE)? {
            None => of_videos(db, encoders, SQLITE_BUSY),
            job => Ok(job),
        },
        Engine::Postgres => {
            let idle = first_free(POSTGRES_IDLE, &["created_at_ms", "id"]);
            let busy = first_free(POSTGRES_BUSY, &["running", "created_at_ms", "id"]);
            // The second part is not run when the first gives a job.
            let sql = format!("({idle}) UNION ALL ({busy}) LIMIT 1");
            db.first(&sql, params![db.now_ms, encoders], jobs::job)
        }
    }
}

const SQLITE_IDLE: &str = "SELECT id, generation FROM videos WHERE state = 'processing'
     AND NOT EXISTS (SELECT 1 FROM jobs AS busy WHERE busy.video = videos.id AND busy.generation = videos.generation
         AND busy.kind = 'encode' AND busy.state = 'running')
     AND EXISTS (SELECT 1 FROM jobs AS free WHERE free.video = videos.id AND free.generation = videos.generation
         AND free.kind = 'encode' AND free.state = 'pending' AND free.not_before_ms <= ?1
         AND free.encoders IN (SELECT value FROM json_each(?2)))
     ORDER BY created_at_ms, id LIMIT 1";

const SQLITE_BUSY: &str = "SELECT busy.video AS id, busy.generation AS generation FROM jobs AS busy INDEXED BY jobs_running JOIN videos ON videos.id = busy.video
     WHERE busy.state = 'running' AND busy.kind = 'encode'
     GROUP BY busy.video, busy.generation, videos.created_at_ms
     HAVING EXISTS (SELECT 1 FROM jobs AS free WHERE free.video = busy.video AND free.generation = busy.generation AND free.kind = 'encode' AND free.state = 'pending'
         AND free.not_before_ms <= ?1 AND free.encoders IN (SELECT value FROM json_each(?2)))
     ORDER BY count(*), videos.created_at_ms, busy.video";

/// OFFSET keeps the planner from reading all that runs to tell whether the first video is idle.
const POSTGRES_IDLE: &str = "SELECT id, generation, created_at_ms FROM videos WHERE state = 'processing'
     AND NOT EXISTS (SELECT 1 FROM jobs AS busy WHERE busy.video = videos.id AND busy.generation = videos.generation
         AND busy.kind = 'encode' AND busy.state = 'running' OFFSET 0)";

const POSTGRES_BUSY: &str = "SELECT videos.id, busy.generation, busy.running, videos.created_at_ms
     FROM (SELECT video, generation, count(*) AS running FROM jobs WHERE state = 'running' AND kind = 'encode' GROUP BY video, generation) AS busy
     JOIN videos ON videos.id = busy.video";

/// The first free chunk of the first video that has one, for Postgres. A video whose free chunks are all being claimed is
/// passed over. The videos are in order before their chunks are looked for, so that the first chunk found is the only one
/// locked: hence both orders, by the same columns.
fn first_free(videos: &str, columns: &[&str]) -> String {
    let order = columns.join(", ");
    let same_order = columns.join(", own.");
    format!(
        "SELECT free.* FROM ({videos} ORDER BY {order}) AS own
         JOIN LATERAL (SELECT * FROM jobs WHERE jobs.video = own.id AND jobs.generation = own.generation
             AND jobs.kind = 'encode' AND jobs.state = 'pending' AND jobs.not_before_ms <= ?1 AND jobs.encoders IN (SELECT value FROM json_each(?2))
             ORDER BY first LIMIT 1 FOR UPDATE SKIP LOCKED) AS free ON TRUE
         ORDER BY own.{same_order} LIMIT 1"
    )
}

/// The first free chunk of the first video that has one, of those that a statement gives, for `SQLite`.
fn of_videos(db: &Db<'_>, encoders: &str, sql: &str) -> Result<Option<jobs::Job>> {
    for row in db.query(sql, params![db.now_ms, encoders])? {
        let (video, generation): (String, u32) = (row.get("id")?, row.get("generation")?);
        let sql = "SELECT * FROM jobs INDEXED BY jobs_by_video WHERE video = ?3 AND generation = ?4 AND kind = 'encode' AND state = 'pending'
             AND not_before_ms <= ?1 AND encoders IN (SELECT value FROM json_each(?2)) ORDER BY first LIMIT 1";
        if let Some(job) = db.first(sql, params![db.now_ms, encoders, video, generation], jobs::job)? {
            return Ok(Some(job));
        }
    }
    Ok(None)
}

/// The oldest job of a kind that every worker can do.
fn plain(db: &Db<'_>, kind: JobKind) -> Result<Option<jobs::Job>> {
    // The kind stands in the text: of one that is a parameter a planner does not know how rare it is.
    let sql = format!(
        "SELECT * FROM jobs INDEXED BY jobs_pending WHERE state = 'pending' AND kind = '{}' AND not_before_ms <= ?1 ORDER BY id LIMIT 1",
        kind.as_str()
    );
    one(db, &sql, params![db.now_ms])
}

fn one(db: &Db<'_>, sql: &str, key: &[Value]) -> Result<Option<jobs::Job>> {
    match db.engine() {
        Engine::Sqlite => db.first(sql, key, jobs::job),
        Engine::Postgres => db.first(&format!("{sql} FOR UPDATE SKIP LOCKED"), key, jobs::job),
    }
}
