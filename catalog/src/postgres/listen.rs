//! Hints between processes, over LISTEN and NOTIFY. Whatever is lost costs time only: those who wait poll.

use std::{convert::Infallible, future::poll_fn, pin::pin, sync::Arc};

use tokio::{
    sync::{broadcast, oneshot},
    time::{Instant, sleep},
};
use tokio_postgres::{AsyncMessage, Notification};

use super::{error, target::Target};
use crate::{Hint, Result, hints, pauses::Pauses};

/// The channel of a database's catalog.
pub(super) const CHANNEL: &str = "vidstream";

/// Who hears of what other processes commit.
pub(super) struct Listener {
    pub(super) target: Target,
    /// This process, which has its own hints already.
    pub(super) instance: Arc<str>,
    pub(super) hints: broadcast::Sender<Hint>,
}

// === impl Listener ===

impl Listener {
    /// Listens for ever, over a connection of its own; `first_try` is dropped when it listens or cannot yet.
    pub(super) async fn run(self, first_try: oneshot::Sender<Infallible>) {
        let (mut first_try, mut pauses) = (Some(first_try), Pauses::default());
        loop {
            let began = Instant::now();
            let Err(error) = self.listen(&mut first_try).await;
            tracing::warn!(%error, "no hints from other processes; waits take a little longer");
            drop(first_try.take());
            sleep(pauses.after(began.elapsed())).await;
        }
    }

    async fn listen(&self, first_try: &mut Option<oneshot::Sender<Infallible>>) -> Result<Infallible> {
        let (client, mut connection) = self.target.connect().await?;
        let mut messages = pin!(async {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(notification))) => self.forward(&notification),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return error::from_driver(&error),
                    None => return crate::Error::Unavailable("the server closed the connection".to_owned()),
                }
            }
        });
        let listen = format!("LISTEN {CHANNEL}");
        tokio::select! {
            error = &mut messages => return Err(error),
            listening = client.batch_execute(&listen) => listening.map_err(|error| error::from_driver(&error))?,
        }
        if first_try.take().is_none() {
            // Whatever happened meanwhile was not heard of.
            for hint in hints::anything() {
                drop(self.hints.send(hint));
            }
        }
        Err(messages.await)
    }

    fn forward(&self, notification: &Notification) {
        for hint in hints::read(&self.instance, notification.payload()) {
            // Nobody listens: a hint may be lost.
            drop(self.hints.send(hint));
        }
    }
}
