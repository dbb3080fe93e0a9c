//! What can go wrong in the catalog, by what a caller can do about it.

/// An operation of the catalog did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such video or job, or no longer. A writer drops what it wanted to write.
    #[error("no such video or job")]
    NotFound,
    /// The video is not in a state that allows this, or something else is stored already.
    #[error("conflict: {0}")]
    Conflict(String),
    /// The claim was lost: its lease ran out, or the job was cancelled or given to another worker.
    /// The holder stops at once and leaves what it stored to the sweeper.
    #[error("the claim is stale")]
    Stale,
    /// The video is not as the caller read it: another change came first.
    #[error("the video has changed since it was read")]
    Changed,
    /// The database was locked or its queue full for longer than the wait allows; try again later.
    #[error("the catalog is busy")]
    Busy,
    /// The database cannot be reached, opened or written (disk full, no permission).
    #[error("the catalog is unavailable: {0}")]
    Unavailable(String),
    /// The server where processes meet refuses to be used, or did not answer; what it is for goes on without it.
    #[error("{0}")]
    Events(String),
    /// A stored row cannot be understood; a bug or damage, not something to retry.
    #[error("the catalog is corrupt: {0}")]
    Corrupt(String),
    /// The schema was made by a newer version of vidstream, which may mean other things by its rows.
    #[error("the catalog has schema {found}, made by a newer version of vidstream: update this one")]
    Newer {
        /// The version of the schema.
        found: u64,
    },
    /// The schema was made by an older version of vidstream, and was not to be changed.
    #[error(
        "the catalog has schema {found}, made by an older version of vidstream: `vidstream migrate` brings it up to date"
    )]
    Older {
        /// The version of the schema.
        found: u64,
    },
    /// There is no catalog, and none was to be made.
    #[error("there is no catalog")]
    Absent,
    /// The caller's data breaks the contract of the method; a bug of the caller, not to be retried.
    #[error("invalid: {0}")]
    Invalid(String),
}
