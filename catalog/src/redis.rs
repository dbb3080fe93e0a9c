//! Redis between the processes on one catalog: hints over pub/sub, viewers in sorted sets, copies of views that the catalog
//! does not take.
//!
//! Nobody waits for it. While it is away hints are lost, which costs those who poll a little time, and each process knows
//! its own viewers. One connection carries everything; `keeper` has it and makes it again.

use std::sync::Arc;

use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
};

use self::{connection::Connection, keeper::Keeper, target::Target};
use crate::{Error, Hint, Result, hints, limits};

mod connection;
mod keeper;
mod link;
mod target;
mod trouble;

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
    /// Connects, and stays connected as well as it can: what others publish comes out of `hints`. A server that is away is
    /// no reason not to begin.
    pub(crate) async fn open(url: &str, hints: broadcast::Sender<Hint>) -> Result<Self> {
        let target = Arc::new(Target::parse(url)?);
        let (first, state) = match Connection::open(&target).await {
            Ok(connection) => {
                let link = Link::new(&connection, &target, 1);
                (Some(connection), State::There(link))
            }
            Err(refusal) if refusal.is_final => return Err(Error::Events(refusal.reason)),
            Err(refusal) => {
                tracing::warn!("without hints, and with its own viewers alone, until it is there: {}", refusal.reason);
                (None, State::Away(refusal.reason))
            }
        };
        let (state, seen) = watch::channel(state);
        let (outgoing, queue) = mpsc::channel(limits::HINTS_PUBLISHED_MAX);
        let keeper = Keeper { target, instance: hints::instance(), hints, queue, state };
        Ok(Self { state: seen, outgoing, keeper: tokio::spawn(keeper.run(first)) })
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

    /// Why the server is not there, or does not take what it is given.
    pub(crate) fn trouble(&self) -> Option<String> {
        match &*self.state.borrow() {
            State::There(link) => link.refusal(),
            State::Away(reason) => Some(reason.clone()),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
