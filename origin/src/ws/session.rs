//! One WebSocket: what it subscribed to, where in the log it stands, and when it is given up.

use std::{collections::HashSet, net::IpAddr, sync::Arc};

use futures_util::{SinkExt, StreamExt};
use http::Uri;
use hyper_tungstenite::{
    HyperWebsocketStream,
    tungstenite::{
        Error as SocketError, Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    feed::Rendered,
    frames::{self, Said, Topic},
    heartbeat::Heartbeat,
    viewers::Question,
};
use crate::{
    api::views::watch,
    app::App,
    limits::{BAD_FRAMES_MAX, CLOSE_WAIT, HEARTBEAT_S, TOPICS_MAX},
    request::Context,
    respond::{Kind, Problem},
};

/// Why a session ends.
enum End {
    /// The client went away.
    Gone,
    /// Said so to the client.
    Close(CloseCode, &'static str),
}

/// A topic and the place after which its events are wanted.
#[derive(Clone, Copy)]
struct Subscription {
    topic: Topic,
    after: i64,
}

/// A video whose viewers are told.
struct Audience {
    question: Question,
    /// What was said last.
    told: Option<u64>,
}

struct Session<'a> {
    app: &'a Arc<App>,
    stream: HyperWebsocketStream,
    /// Whose views these are, or why it may not tell any.
    teller: Result<IpAddr, Problem>,
    subscriptions: Vec<Subscription>,
    audiences: Vec<Audience>,
    /// Everything up to here was sent or is not wanted.
    cursor: i64,
    bad_frames: u32,
}

/// Runs a session to its end.
pub(super) async fn run(app: &Arc<App>, stream: HyperWebsocketStream, teller: Result<IpAddr, Problem>) {
    metrics::gauge!("vidstream_sockets").increment(1.0);
    let mut session =
        Session { app, stream, teller, subscriptions: Vec::new(), audiences: Vec::new(), cursor: 0, bad_frames: 0 };
    if let Err(End::Close(code, reason)) = session.serve().await {
        let close = session.stream.close(Some(CloseFrame { code, reason: reason.into() }));
        if timeout(CLOSE_WAIT, close).await.is_err() {
            tracing::debug!(reason, "a WebSocket did not take its close frame");
        }
    }
    metrics::gauge!("vidstream_sockets").decrement(1.0);
}

// === impl Session ===

impl Session<'_> {
    async fn serve(&mut self) -> Result<(), End> {
        let mut newest = self.app.feed.watch();
        let mut viewers = self.app.viewers.watch();
        let (_, last) = bounds(self.app).await?;
        self.cursor = last;
        self.send_json(&json!({ "op": "hello", "seq": last, "heartbeat_s": HEARTBEAT_S })).await?;
        let mut heartbeat = Heartbeat::start();
        // Whether there may be events after the cursor.
        let mut behind = false;
        loop {
            tokio::select! {
                () = self.app.shutdown.cancelled() => return Err(End::Close(CloseCode::Away, "the server goes down")),
                message = self.stream.next() => {
                    heartbeat.heard();
                    self.hear(message).await?;
                    behind = true;
                }
                changed = newest.changed() => {
                    behind = true;
                    if changed.is_err() {
                        return Err(End::Close(CloseCode::Away, "the server goes down"));
                    }
                }
                Ok(()) = viewers.changed() => self.send_viewers().await?,
                is_there = heartbeat.beat() => {
                    if !is_there {
                        return Err(End::Gone);
                    }
                    self.send(Message::Ping(Vec::new().into())).await?;
                }
                // One batch at a time, so that the client is heard in between.
                () = std::future::ready(()), if behind => behind = self.send_batch().await?,
            }
        }
    }

    async fn hear(&mut self, message: Option<Result<Message, SocketError>>) -> Result<(), End> {
        match message {
            None | Some(Ok(Message::Close(_))) => Err(End::Gone),
            Some(Ok(Message::Text(text))) => match frames::read(&text) {
                Ok(said) => self.obey(said).await,
                Err(problem) => self.complain(&problem).await,
            },
            Some(Ok(Message::Binary(_))) => self.complain(&Kind::InvalidJson.because("a message is text")).await,
            // Pings are answered below us.
            Some(Ok(_)) => Ok(()),
            Some(Err(SocketError::Capacity(_))) => Err(End::Close(CloseCode::Size, "the message is too large")),
            Some(Err(SocketError::Protocol(_) | SocketError::Utf8(_))) => {
                Err(End::Close(CloseCode::Protocol, "malformed"))
            }
            Some(Err(_)) => Err(End::Gone),
        }
    }

    async fn obey(&mut self, said: Said) -> Result<(), End> {
        match said {
            Said::Ping => self.send_json(&json!({ "op": "pong" })).await,
            Said::View(viewer) => {
                let told = match self.teller.clone() {
                    Ok(client) => watch(self.app, client, viewer).await,
                    Err(refused) => Err(refused),
                };
                match told {
                    Ok(()) => Ok(()),
                    Err(problem) => self.complain(&problem).await,
                }
            }
            Said::Unsubscribe { topics } => {
                self.drop_topics(&topics);
                self.acknowledge("unsubscribed", &topics).await
            }
            Said::Subscribe { topics, after_seq } => {
                let held = self.topics().filter(|topic| !topics.contains(topic)).count();
                if held + topics.len() > TOPICS_MAX {
                    let detail = format!("a WebSocket may have {TOPICS_MAX} topics");
                    return self.complain(&Kind::InvalidParameter.because(detail)).await;
                }
                let Some(audiences) = self.ask_for_viewers(&topics) else {
                    return self.complain(&Kind::Busy.because("too many videos are asked about")).await;
                };
                self.acknowledge("subscribed", &topics).await?;
                self.audiences.retain(|held| !topics.contains(&Topic::Viewers(held.question.video)));
                self.audiences.extend(audiences);
                self.send_viewers().await?;
                self.subscribe(&topics, after_seq).await
            }
        }
    }

    fn topics(&self) -> impl Iterator<Item = Topic> {
        let audiences = self.audiences.iter().map(|audience| Topic::Viewers(audience.question.video));
        self.subscriptions.iter().map(|held| held.topic).chain(audiences)
    }

    fn drop_topics(&mut self, topics: &[Topic]) {
        self.subscriptions.retain(|held| !topics.contains(&held.topic));
        self.audiences.retain(|held| !topics.contains(&Topic::Viewers(held.question.video)));
    }

    /// Asks about the videos that topics name, if there is a place for all of them.
    fn ask_for_viewers(&self, topics: &[Topic]) -> Option<Vec<Audience>> {
        let videos =
            topics.iter().filter_map(|topic| if let Topic::Viewers(video) = topic { Some(*video) } else { None });
        videos.map(|video| Some(Audience { question: self.app.viewers.ask(video)?, told: None })).collect()
    }

    /// Tells of counts that are not as they were told.
    async fn send_viewers(&mut self) -> Result<(), End> {
        let mut news = Vec::new();
        for held in &mut self.audiences {
            let now = held.question.answer();
            if let Some(viewers) = now.filter(|_| now != held.told) {
                held.told = now;
                news.push(json!({ "op": "viewers", "video": held.question.video, "viewers": viewers }));
            }
        }
        for frame in &news {
            self.send_json(frame).await?;
        }
        Ok(())
    }

    async fn subscribe(&mut self, topics: &[Topic], after_seq: Option<i64>) -> Result<(), End> {
        let topics: Vec<Topic> = topics.iter().copied().filter(|topic| !matches!(topic, Topic::Viewers(_))).collect();
        if topics.is_empty() {
            return Ok(());
        }
        let (oldest, last) = bounds(self.app).await?;
        let mut after = after_seq.unwrap_or(last);
        // A place beyond the end is one of another log.
        if after < oldest - 1 || after > last {
            let reason = if after > last { "unknown_seq" } else { "too_old" };
            self.send_json(&json!({ "op": "resync", "reason": reason, "seq": last })).await?;
            after = last;
        }
        // The log is read again from the earlier place; what was sent already is left out.
        let cursor = self.cursor;
        for held in &mut self.subscriptions {
            held.after = held.after.max(cursor);
        }
        self.subscriptions.retain(|held| !topics.contains(&held.topic));
        self.subscriptions.extend(topics.iter().map(|&topic| Subscription { topic, after }));
        let others = self.subscriptions.len() > topics.len();
        self.cursor = if others { cursor.min(after) } else { after };
        Ok(())
    }

    /// Sends events after the cursor; gives whether there may be more.
    async fn send_batch(&mut self) -> Result<bool, End> {
        if self.subscriptions.is_empty() {
            return Ok(false);
        }
        let batch = match self.app.feed.after(self.cursor).await {
            Ok(batch) => batch,
            Err(error) => {
                tracing::warn!(%error, "events for a WebSocket cannot be read");
                return Err(End::Close(CloseCode::Again, "try again later"));
            }
        };
        let Some(last) = batch.last().map(|event| event.seq) else { return Ok(false) };
        for event in worthwhile(&batch) {
            let wants = |held: &Subscription| event.seq > held.after && held.topic.covers(event.video);
            if self.subscriptions.iter().any(wants) {
                self.send(Message::Text(event.text.clone())).await?;
            }
        }
        self.cursor = last;
        Ok(true)
    }

    async fn acknowledge(&mut self, op: &str, topics: &[Topic]) -> Result<(), End> {
        let names: Vec<String> = topics.iter().map(|topic| topic.name()).collect();
        self.send_json(&json!({ "op": op, "topics": names })).await
    }

    async fn complain(&mut self, problem: &Problem) -> Result<(), End> {
        // Nobody is to blame for what the server cannot do.
        self.bad_frames += u32::from(problem.kind.is_of_client());
        if self.bad_frames > BAD_FRAMES_MAX {
            return Err(End::Close(CloseCode::Policy, "too many bad messages"));
        }
        let context = Context::new(([0, 0, 0, 0], 0).into(), [0, 0, 0, 0].into(), Uri::from_static("/v1/ws"));
        let document: Value = serde_json::from_slice(&problem.to_json(&context)).unwrap_or_default();
        self.send_json(&json!({ "op": "error", "problem": document })).await
    }

    async fn send_json(&mut self, value: &Value) -> Result<(), End> {
        self.send(Message::Text(value.to_string().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.app.patience.socket_send, self.stream.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                metrics::counter!("vidstream_sockets_slow_total").increment(1);
                Err(End::Close(CloseCode::Again, "too slow"))
            }
        }
    }
}

/// The places of the oldest event that is kept and of the newest.
async fn bounds(app: &App) -> Result<(i64, i64), End> {
    app.feed.bounds().await.map_err(|error| {
        tracing::warn!(%error, "the event log cannot be read");
        End::Close(CloseCode::Again, "try again later")
    })
}

/// The events that a later one of the batch does not make worthless.
fn worthwhile(batch: &[Arc<Rendered>]) -> Vec<&Arc<Rendered>> {
    let mut told = HashSet::new();
    let mut kept: Vec<&Arc<Rendered>> = Vec::with_capacity(batch.len());
    for event in batch.iter().rev() {
        let newest = told.insert(event.video);
        if newest || !event.is_progress {
            kept.push(event);
        }
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use vidstream_media::VideoId;

    use super::*;

    #[test]
    fn only_the_newest_progress_is_told() {
        let event = |seq, video, is_progress| {
            Arc::new(Rendered { seq, video: VideoId::from_bits(video), is_progress, text: "".into() })
        };
        let batch = [event(1, 1, true), event(2, 1, false), event(3, 2, true), event(4, 1, true), event(6, 1, true)];
        let kept: Vec<i64> = worthwhile(&batch).iter().map(|event| event.seq).collect();
        assert_eq!(kept, [2, 3, 6]);
    }
}
