//! Redis between the processes on one catalog: hints over pub/sub, viewers in sorted sets, views on their way to the catalog.
//!
//! Nobody waits for it. While it is away hints are lost, which costs those who poll a little time, and views go to the
//! catalog directly. One connection carries everything; `keeper` has it and makes it again.

use std::sync::Arc;

use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

use self::{connection::Connection, keeper::Keeper, target::Target};
use crate::{Hint, Result, hints, limits};

mod connection;
mod keeper;
mod link;
mod target;

pub(crate) use link::Link;

/// A server, whether or not it is there at the moment.
pub(crate) struct Redis {
    state: watch::Receiver<State>,
    outgoing: mpsc::Sender<Hint>,
    keeper: JoinHandle<()>,
}

/// Whether the server is there.
enum State {
    There(Link),
    /// And why.
    Away(String),
}

// === impl Redis ===

impl Redis {
    /// Connects, and stays connected as well as it can: what others publish comes out of `hints`.
    pub(crate) async fn open(url: &str, hints: broadcast::Sender<Hint>) -> Result<Self> {
        let target = Arc::new(Target::parse(url)?);
        let connection = Connection::open(&target).await?;
        let (state, seen) = watch::channel(State::There(Link::new(&connection, &target, 1)));
        let (outgoing, queue) = mpsc::channel(limits::HINTS_PUBLISHED_MAX);
        let keeper = Keeper { target, instance: hints::instance(), hints, queue, state };
        Ok(Self { state: seen, outgoing, keeper: tokio::spawn(keeper.run(connection)) })
    }

    /// Tells other processes of hints, soon; what cannot be told at the moment is lost.
    pub(crate) fn publish(&self, hints: &[Hint]) {
        let is_there = matches!(*self.state.borrow(), State::There(_));
        for &hint in hints {
            if !is_there || self.outgoing.try_send(hint).is_err() {
                metrics::counter!("vidstream_hints_lost_total").increment(1);
            }
        }
    }

    /// The server, if it is there.
    pub(crate) fn link(&self) -> Option<Link> {
        match &*self.state.borrow() {
            State::There(link) => Some(link.clone()),
            State::Away(_) => None,
        }
    }

    /// Why the server is not there.
    pub(crate) fn trouble(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::There(_) => None,
            State::Away(reason) => Some(reason.clone()),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
