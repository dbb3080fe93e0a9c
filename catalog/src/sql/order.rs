//! The order of the queue: one statement for each class. Each names its index, so that with `SQLite` a
//! statement that would read the whole queue is an error and not slow. With Postgres each locks the job
//! that it finds and passes over those that others are just claiming.

use super::{
    Db, Engine, jobs,
    rows::{Row, params},
};
use crate::{JobKind, Result, Wanted, limits};

/// A part of the queue, which one index has in the order in which its jobs are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Chunks that somebody waits for, the earliest deadline that has not passed before the others.
    WaitedFor,
    /// What viewers will want next, the latest viewer first. These chunks are long: in the slot that is kept for those who
    /// wait, they would be what a seek waits for.
    Ahead,
    /// First chunks, so that every video becomes playable soon.
    First,
    /// All of a kind, the oldest first.
    Kind(JobKind),
}

/// The parts of the queue that hold jobs, of any worker's: so that those without are not asked one by one.
pub(super) struct Pending(Vec<Part>);

// === impl Part ===

impl Part {
    const ALL: [Self; 8] = [
        Self::WaitedFor,
        Self::Ahead,
        Self::First,
        Self::Kind(JobKind::Probe),
        Self::Kind(JobKind::Encode),
        Self::Kind(JobKind::Sheet),
        Self::Kind(JobKind::Finalize),
        Self::Kind(JobKind::Delete),
    ];

    fn kind(self) -> JobKind {
        if let Self::Kind(kind) = self { kind } else { JobKind::Encode }
    }

    fn name(self) -> &'static str {
        match self {
            Self::WaitedFor => "waited_for",
            Self::Ahead => "ahead",
            Self::First => "first",
            Self::Kind(kind) => kind.as_str(),
        }
    }

    /// What selects its first job for which a condition holds, too; ?1 is the time.
    fn first_where(self, condition: &str) -> String {
        let viewed =
            format!(" AND ahead_at_ms IS NOT NULL AND ahead_at_ms > CAST(?1 AS BIGINT) - {}", limits::AHEAD_MS);
        let (index, own, order) = match self {
            Self::WaitedFor => {
                ("jobs_waited_for", " AND deadline_ms IS NOT NULL AND deadline_ms > ?1", "deadline_ms, id")
            }
            Self::Ahead => ("jobs_ahead", viewed.as_str(), "ahead_at_ms DESC, first"),
            Self::First => ("jobs_first", " AND first = 1", "id"),
            Self::Kind(_) => ("jobs_pending", "", "kind, id"),
        };
        // The kind stands in the text: of one that is a parameter a planner does not know how rare it is.
        let kind = self.kind().as_str();
        format!(
            "FROM jobs INDEXED BY {index} WHERE state = 'pending' AND kind = '{kind}'{own}{condition} ORDER BY {order} LIMIT 1"
        )
    }
}

// === impl Pending ===

impl Pending {
    /// The columns that [`Self::read`] reads. Each asks for the first job: for any one Postgres would rather read the table,
    /// in which all that is done lies before what waits.
    pub(super) fn columns() -> String {
        Part::ALL
            .map(|part| format!("(SELECT 1 {}) IS NOT NULL AS \"{}\"", part.first_where(""), part.name()))
            .join(", ")
    }

    pub(super) fn read(row: &Row) -> Result<Self> {
        let mut parts = Vec::new();
        for part in Part::ALL {
            if row.get(part.name())? {
                parts.push(part);
            }
        }
        Ok(Self(parts))
    }

    /// Whether there is any job.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// The job to give next: the classes in the order of the design. Short jobs that end a wait or free
/// room (probes, deletions, finalizing, sheets) come before the long background.
///
/// `encoders` is a JSON array of the encoder sets that the worker fulfils.
pub(super) fn next(db: &Db<'_>, wanted: Wanted, pending: &Pending, encoders: &str) -> Result<Option<jobs::Job>> {
    let Wanted { probe, urgent, background } = wanted;
    let classes = [
        (urgent, Part::WaitedFor),
        (probe, Part::Kind(JobKind::Probe)),
        (background, Part::Ahead),
        (urgent, Part::First),
        (probe || urgent || background, Part::Kind(JobKind::Delete)),
        (background, Part::Kind(JobKind::Finalize)),
        (background, Part::Kind(JobKind::Sheet)),
        (background, Part::Kind(JobKind::Encode)),
    ];
    for (_, part) in classes.into_iter().filter(|(asked, part)| *asked && pending.0.contains(part)) {
        let found = match part {
            Part::Kind(JobKind::Encode) => of_some_video(db, encoders)?,
            _ => of_part(db, part, encoders)?,
        };
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The first job of a part that may be given now, to a worker that can do it.
fn of_part(db: &Db<'_>, part: Part, encoders: &str) -> Result<Option<jobs::Job>> {
    let lock = db.engine().pick("", " FOR UPDATE SKIP LOCKED");
    let find = |condition: &str| format!("SELECT * {}{lock}", part.first_where(condition));
    match part.kind() {
        JobKind::Encode => {
            let sql = find(" AND not_before_ms <= ?1 AND encoders IN (SELECT value FROM json_each(?2))");
            db.first(&sql, params![db.now_ms, encoders], jobs::job)
        }
        // Every worker can do it.
        _ => db.first(&find(" AND not_before_ms <= ?1"), params![db.now_ms], jobs::job),
    }
}

/// Of the oldest video that nobody works for; when every video with work is worked for, of the one with the
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
