//! The catalog: videos, plans, the chunk index, jobs with leases and fencing tokens, views and the
//! ordered event log. It is the truth; whatever else tells of a change is a hint.
//!
//! [`Catalog`] is the one handle. Types that cross it are plain data in [`video`], [`job`] and
//! [`event`]. Decisions (legal transitions, retries, percent, coverage) are pure modules; SQL is below
//! `sql` and nowhere else, run by the adapter `sqlite` or `postgres`. [`Events`] is how processes tell each other
//! what happened and who watches.
//!
//! Methods give boxed futures: what they do is then compiled here, and not again in every crate that awaits it.

mod audience;
mod catalog;
mod check;
mod coverage;
mod cursor;
mod database;
pub mod error;
pub mod event;
mod events;
mod hints;
pub mod job;
pub mod limits;
mod pauses;
mod policy;
mod postgres;
mod progress;
mod redis;
mod sql;
mod sqlite;
mod tls;
mod transition;
pub mod upkeep;
pub mod video;
mod viewer;

use futures_util::future::BoxFuture;

pub use catalog::{Catalog, Clock, Options};
pub use error::Error;
pub use event::{Event, Hint, HintKind};
pub use events::Events;
pub use job::{Claim, Failure, Finalized, JobKind, Probed, Published, Requeued, Wanted, Work, Worker};
pub use upkeep::{Audit, Swept};
pub use video::{
    Artifact, ArtifactState, Deletion, Edit, Expiry, ListQuery, Lookup, MetaEdit, NewUpload, Page, Progress, Snapshot,
    State, Step, Video, VideoError, Warning,
};
pub use viewer::{ParseSessionError, Session, Viewer};

/// Brings the catalog of a URL up to date and gives the version of its schema.
///
/// # Errors
/// As [`Catalog::open`].
pub fn migrate(url: &str) -> BoxFuture<'_, Result<u64>> {
    Box::pin(async move {
        if is_server(url) {
            return postgres::migrate(url).await;
        }
        Catalog::open(url, Options::default()).await?;
        Ok(sqlite::VERSION)
    })
}

/// Whether the URL names a server and not a file.
pub fn is_server(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// What the methods of the catalog give.
pub type Result<T> = std::result::Result<T, Error>;
