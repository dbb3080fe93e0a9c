//! Hints between processes, over LISTEN and NOTIFY. Whatever is lost costs time only: those who wait poll.

use std::{convert::Infallible, future::poll_fn, pin::pin, sync::Arc, time::Duration};

use tokio::sync::{broadcast, oneshot};
use tokio_postgres::{AsyncMessage, Notification};
use vidstream_media::VideoId;

use super::{error, target::Target};
use crate::{Hint, HintKind, Result, limits};

/// The channel of a database's catalog.
pub(super) const CHANNEL: &str = "vidstream";

/// The kinds by their names in a notification.
const KINDS: [(&str, HintKind); 4] = [
    ("job", HintKind::Job),
    ("media", HintKind::Media),
    ("event", HintKind::Event),
    ("cancelled", HintKind::Cancelled),
];

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
        let mut first_try = Some(first_try);
        loop {
            let Err(error) = self.listen(&mut first_try).await;
            tracing::warn!(%error, "no hints from other processes; waits take a little longer");
            drop(first_try.take());
            tokio::time::sleep(Duration::from_millis(limits::LISTEN_AGAIN_MS)).await;
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
        drop(first_try.take());
        Err(messages.await)
    }

    fn forward(&self, notification: &Notification) {
        for hint in read(&self.instance, notification.payload()) {
            // Nobody listens: a hint may be lost.
            drop(self.hints.send(hint));
        }
    }
}

/// The text of a notification: who commits, then a line for each hint, as many as fit.
pub(super) fn write(instance: &str, hints: &[Hint]) -> String {
    let mut text = instance.to_owned();
    for hint in hints {
        let kind = KINDS.iter().find(|(_, kind)| *kind == hint.kind).map_or("", |(name, _)| name);
        let line = hint.video.map_or_else(|| format!("\n{kind}"), |video| format!("\n{kind} {video}"));
        if text.len() + line.len() > limits::NOTIFICATION_BYTES_MAX {
            break;
        }
        text.push_str(&line);
    }
    text
}

/// The hints of a notification, unless it is our own. What is not understood is left out: another version
/// may say more.
fn read(instance: &str, text: &str) -> Vec<Hint> {
    let mut lines = text.lines();
    if lines.next().is_none_or(|from| from == instance) {
        return Vec::new();
    }
    lines.filter_map(line).collect()
}

fn line(line: &str) -> Option<Hint> {
    let (name, video) = line.split_once(' ').map_or((line, None), |(name, video)| (name, Some(video)));
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == name)?;
    let video: Option<VideoId> = match video {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some(Hint { video, kind: *kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_read_what_was_written_and_the_writer_does_not() {
        let video = Some(VideoId::from_bits(7));
        let hints: Vec<Hint> = KINDS.iter().map(|&(_, kind)| Hint { video, kind }).collect();
        let hints = [hints, vec![Hint { video: None, kind: HintKind::Job }]].concat();
        let text = write("a", &hints);
        assert_eq!(read("b", &text), hints);
        assert_eq!(read("a", &text), []);
        for odd in ["", "a", "a\nnews", "a\njob ../../x", "a\n"] {
            assert_eq!(read("b", odd), [], "{odd:?}");
        }
        let many = vec![Hint { video, kind: HintKind::Cancelled }; 1_000];
        assert!(write("a", &many).len() <= limits::NOTIFICATION_BYTES_MAX);
    }
}
