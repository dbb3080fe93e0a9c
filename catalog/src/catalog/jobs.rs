//! The queue: claims, results, failures, raises and the sweeper.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use vidstream_media::{VideoId, presentation::Sheet};

use super::Catalog;
use crate::{
    Audit, Claim, Failure, Finalized, Probed, Published, Requeued, Result, Swept, Wanted, Worker, limits::ORPHANS_MS,
    sql,
};

/// The turn of whoever looks for objects that no row names.
const ORPHANS: &str = "orphans";

impl Catalog {
    /// Gives the most wanted job that the worker can do, for [`crate::limits::LEASE_MS`]; none if
    /// there is none.
    ///
    /// The order: a chunk that somebody waits for (earliest deadline), probes, the next two chunks
    /// after a viewer's last request, first chunks, deletions, finalizing, sheets, other chunks
    /// (the video with the fewest running chunks, then the oldest). A waited-for chunk is split where
    /// somebody waits. If the caller stops waiting for the answer, the claim is released.
    pub fn claim(&self, worker: &Worker, wanted: Wanted) -> BoxFuture<'_, Result<Option<Claim>>> {
        let worker = worker.clone();
        Arc::clone(&self.database).claim(worker, wanted)
    }

    /// Holds a claim for another [`crate::limits::LEASE_MS`].
    ///
    /// # Errors
    /// `Stale` when it was lost or cancelled: the worker stops the job.
    pub fn renew(&self, claim: &Claim) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::leases::renew(tx, held))
    }

    /// Gives a claim back; the attempt does not count. A claim that is lost already is no error.
    pub fn release(&self, claim: &Claim) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::leases::release(tx, held))
    }

    /// Gives back all claims of a worker, which calls this when it starts. Gives how many there were.
    pub fn release_worker(&self, worker: &str) -> BoxFuture<'_, Result<u64>> {
        let worker = worker.to_owned();
        self.database.write(move |tx| sql::leases::release_worker(tx, &worker))
    }

    /// Stores facts and plan, and queues the chunks. Saying it again is harmless.
    ///
    /// # Errors
    /// `Stale`; `Conflict` while the upload is not finished; `Invalid` when the plan's chunks do not
    /// cover its segments.
    pub fn finish_probe(&self, claim: &Claim, probed: Probed) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::probe::finish(tx, held, &probed))
    }

    /// Makes a stored chunk visible. Saying it again is harmless.
    ///
    /// # Errors
    /// `Stale`; `Conflict` when a decoder configuration differs from the one of earlier chunks;
    /// `Invalid` when the index does not match the job and the plan.
    pub fn publish(&self, claim: &Claim, published: Published) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::publish::publish(tx, held, &published))
    }

    /// Makes a stored tile sheet visible. Saying it again is harmless.
    ///
    /// # Errors
    /// `Stale`; `Invalid` when the sheet's token is not the claim's.
    pub fn finish_sheet(&self, claim: &Claim, sheet: Sheet) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::finish::sheet(tx, held, sheet))
    }

    /// Stores what was measured; the video is `ready`. Saying it again is harmless.
    ///
    /// # Errors
    /// `Stale`.
    pub fn finish_finalize(&self, claim: &Claim, finalized: Finalized) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::finish::finalize(tx, held, &finalized))
    }

    /// Queues chunks again whose stored bytes `finalize` could not use, each once in a generation.
    ///
    /// # Errors
    /// `Stale`.
    pub fn requeue_chunks(&self, claim: &Claim, first_segments: Vec<u64>) -> BoxFuture<'_, Result<Requeued>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::finish::requeue(tx, held, &first_segments))
    }

    /// Says that every object of the video is gone: the id becomes a tombstone for 7 days.
    ///
    /// # Errors
    /// `Stale`.
    pub fn finish_delete(&self, claim: &Claim) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::finish::delete(tx, held))
    }

    /// Says that the attempt failed. What follows depends on the kind: another attempt, filler, a
    /// warning, or the end of the video. Saying it again is harmless.
    ///
    /// # Errors
    /// `Stale`.
    pub fn fail(&self, claim: &Claim, failure: Failure) -> BoxFuture<'_, Result<()>> {
        let held = sql::Held::of(claim);
        self.database.write(move |tx| sql::fail::fail(tx, held, &failure))
    }

    /// Says that a request waits until `deadline_ms` for a segment of the grid: its chunk comes to
    /// the front and the next two chunks follow. Of a segment that is stored, only the chunks after
    /// it are brought forward. Harmless to repeat: a live earlier deadline stays.
    ///
    /// # Errors
    /// `NotFound` when there is no such video, generation or segment.
    pub fn raise(&self, id: VideoId, generation: u32, segment: u64, deadline_ms: i64) -> BoxFuture<'_, Result<()>> {
        self.database.raise(sql::raise::Wait { id, generation, segment, deadline_ms })
    }

    /// Ends what nobody holds any more and repairs what has no job. Call it every few seconds from
    /// any process.
    pub fn sweep(&self) -> BoxFuture<'_, Result<Swept>> {
        self.database.write(sql::sweep::sweep)
    }

    /// Begins to look for objects that no row names, if nobody did so within [`crate::limits::ORPHANS_MS`]. Gives where
    /// to go on, as [`Self::end_orphans`] was told; empty at the beginning.
    pub fn begin_orphans(&self) -> BoxFuture<'_, Result<Option<String>>> {
        self.database.write(|tx| sql::turns::begin(tx, ORPHANS, ORPHANS_MS))
    }

    /// Says where the next look for such objects is to go on.
    pub fn end_orphans(&self, place: String) -> BoxFuture<'_, Result<()>> {
        self.database.write(move |tx| sql::turns::end(tx, ORPHANS, &place))
    }

    /// Looks for videos that nothing would ever move on, and for chunks that do not cover their
    /// segments exactly once. Empty is the proof that nothing is stuck.
    pub fn audit(&self) -> BoxFuture<'_, Result<Vec<Audit>>> {
        self.database.read(sql::audit::audit)
    }
}
