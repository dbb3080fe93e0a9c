//! Everything that the catalog holds, taken out and put into another one.

use futures_util::future::BoxFuture;
use tokio::sync::mpsc::{Receiver, Sender};

use super::Catalog;
use crate::{
    Result,
    sql::archive::{export, import},
};

impl Catalog {
    /// Sends all that is stored as lines of JSON (without their ends), as of one moment, while others go on. Gives
    /// how many rows there were.
    ///
    /// # Errors
    /// `Unavailable` also when the receiver is gone.
    pub fn export(&self, lines: Sender<String>) -> BoxFuture<'_, Result<u64>> {
        self.database.read(move |db| export(db, &lines))
    }

    /// Stores the lines of an export: all or nothing, and only where nothing is. What ran is pending again, and
    /// what was being uploaded is left out. Gives how
    /// many rows there were.
    ///
    /// # Errors
    /// `Conflict` when the catalog is not empty, `Invalid` when the lines are not a whole export of this version.
    pub fn import(&self, mut lines: Receiver<String>) -> BoxFuture<'_, Result<u64>> {
        self.database.write(move |tx| import(tx, &mut lines))
    }
}
