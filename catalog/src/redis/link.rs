//! What is asked of the server while it is there: who watches, and copies of views that wait for the catalog.

use std::{collections::BTreeMap, sync::Arc};

use fred::{
    clients::Client,
    interfaces::ClientLike,
    types::{ClusterHash, CustomCommand, FromValue, Value},
};
use vidstream_media::VideoId;

use super::{
    connection::{Connection, sentence},
    target::Target,
    trouble::Trouble,
};
use crate::{
    Error, Result, Viewer,
    limits::{PRESENT_MS, REDIS_MEMBERS_MAX, VIEWS_COUNTED_MAX, VIEWS_GATHERED_MAX},
};

/// A server that is there, for as long as one connection lasts.
#[derive(Clone)]
pub(crate) struct Link {
    /// Which connection of this process, from 1.
    pub(crate) number: u64,
    client: Client,
    target: Arc<Target>,
    /// Why the server did not take what it was given last.
    refusal: Arc<Trouble>,
    /// The same of each step of a copy of a view.
    copies: Arc<Copies>,
    /// Copies of views that may wait.
    views_max: u64,
}

/// What goes wrong with copies of views: keeping them, looking at them, removing them.
struct Copies {
    keeping: Step,
    looking: Step,
    removing: Step,
}

/// One of those.
struct Step {
    /// Its name in metrics.
    name: &'static str,
    trouble: Trouble,
}

/// A command and its arguments.
struct Command {
    name: &'static str,
    words: Vec<Value>,
}

// === impl Link ===

impl Link {
    pub(super) fn new(connection: &Connection, target: &Arc<Target>, number: u64) -> Self {
        let (client, target) = (connection.client.clone(), Arc::clone(target));
        let copies = Copies {
            keeping: Step::new("keep", "views wait in memory alone", "views that wait are copied to Redis again"),
            looking: Step::new("look", "copies of views are not looked at", "copies of views are looked at again"),
            removing: Step::new("remove", "copies of views that are counted stay", "copies of views are removed again"),
        };
        let refusal = Trouble::new("viewers cannot be told, and each origin knows its own", "viewers are told again");
        let (refusal, copies) = (Arc::new(refusal), Arc::new(copies));
        Self { number, client, target, refusal, copies, views_max: VIEWS_GATHERED_MAX }
    }

    /// Why the server, though it is there, does not take what it is given: it is full, or only reads.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.refusal.reason()
    }

    /// Tells who was seen when. Something is written also if that was nobody, to know whether it can be.
    ///
    /// # Errors
    /// `Events` when it did not answer, or refused; then some may have been told.
    pub(crate) async fn tell(&self, seen: &[(Viewer, i64)], now_ms: i64) -> Result<()> {
        let mut commands =
            vec![Command::new("SET", [self.target.written()]).number(now_ms).word("PX").number(PRESENT_MS)];
        commands.extend(self.presence(seen, now_ms));
        let outcome = self.all::<Value>(commands).await.map(drop);
        let reason = outcome.as_ref().err().map(|error| format!("{}: {error}", self.target.place()));
        self.refusal.note(reason);
        outcome
    }

    fn presence(&self, seen: &[(Viewer, i64)], now_ms: i64) -> Vec<Command> {
        let mut videos: BTreeMap<VideoId, Vec<(&Viewer, i64)>> = BTreeMap::new();
        for (viewer, at_ms) in seen {
            videos.entry(viewer.video).or_default().push((viewer, *at_ms));
        }
        let gone_ms = now_ms.saturating_sub(PRESENT_MS);
        let mut commands = Vec::new();
        for (video, viewers) in videos {
            let key = self.target.present(video);
            for part in viewers.chunks(REDIS_MEMBERS_MAX) {
                let mut command = Command::new("ZADD", [key.as_str()]);
                for (viewer, at_ms) in part {
                    command = command.number(*at_ms).word(viewer.session.as_str());
                }
                commands.push(command);
            }
            commands.push(Command::new("ZREMRANGEBYSCORE", [key.as_str(), "-inf"]).number(gone_ms));
            commands.push(Command::new("PEXPIRE", [key.as_str()]).number(PRESENT_MS));
        }
        commands
    }

    /// How many sessions watch each of these videos, in their order.
    pub(crate) async fn viewers(&self, videos: &[VideoId], now_ms: i64) -> Result<Vec<u64>> {
        let since = format!("({}", now_ms.saturating_sub(PRESENT_MS));
        let mut counts = Vec::with_capacity(videos.len());
        for part in videos.chunks(REDIS_MEMBERS_MAX) {
            let count = |&video: &VideoId| {
                Command::new("ZCOUNT", [self.target.present(video), since.clone(), "+inf".to_owned()])
            };
            counts.extend(self.all::<u64>(part.iter().map(count).collect()).await?);
        }
        Ok(counts)
    }

    /// Keeps copies of views for whichever process can hand them to the catalog.
    ///
    /// # Errors
    /// `Busy` when too many wait already, `Events` when it did not answer or refused; then some may have been kept.
    pub(crate) async fn keep(&self, views: &[Viewer], now_ms: i64) -> Result<()> {
        let outcome = self.keep_all(views, now_ms).await;
        self.copies.keeping.noted(outcome, |error| match error {
            Error::Busy => format!("{} copies wait already, or would", self.views_max),
            other => other.to_string(),
        })
    }

    async fn keep_all(&self, views: &[Viewer], now_ms: i64) -> Result<()> {
        let waiting: u64 = self.ask(Command::new("ZCARD", [self.target.views()])).await?;
        if waiting.saturating_add(views.len() as u64) > self.views_max {
            return Err(Error::Busy);
        }
        let copy = |part: &[Viewer]| {
            // The first time is the time of a view.
            let command = Command::new("ZADD", [self.target.views()]).word("NX");
            part.iter().fold(command, |command, viewer| command.number(now_ms).word(viewer.to_string()))
        };
        self.all::<Value>(views.chunks(REDIS_MEMBERS_MAX).map(copy).collect()).await.map(drop)
    }

    /// Copies of views that wait, the longest first, [`VIEWS_COUNTED_MAX`] at most; some may not be ours to understand. Those
    /// so old that the catalog may have forgotten that it counted them are dropped before: none is counted twice.
    ///
    /// # Errors
    /// `Events` when it did not answer, or refused.
    pub(crate) async fn kept(&self, too_old_ms: i64) -> Result<Vec<String>> {
        let outcome = self.look(too_old_ms).await;
        self.copies.looking.noted(outcome, ToString::to_string)
    }

    async fn look(&self, too_old_ms: i64) -> Result<Vec<String>> {
        let views = self.target.views();
        let drop_old = Command::new("ZREMRANGEBYSCORE", [views.as_str(), "-inf"]).number(too_old_ms);
        let dropped: u64 = self.ask(drop_old).await?;
        if dropped > 0 {
            tracing::warn!(dropped, "views waited for the catalog for too long and are not counted");
        }
        let last = i64::try_from(VIEWS_COUNTED_MAX).unwrap_or(i64::MAX).saturating_sub(1);
        self.ask(Command::new("ZRANGE", [views]).number(0).number(last)).await
    }

    /// Removes views that are counted.
    ///
    /// # Errors
    /// `Events` when it did not answer, or refused.
    pub(crate) async fn remove(&self, members: Vec<String>) -> Result<()> {
        let command = Command::new("ZREM", [self.target.views()]);
        let command = members.into_iter().fold(command, Command::word);
        let outcome = self.ask::<u64>(command).await.map(drop);
        self.copies.removing.noted(outcome, ToString::to_string)
    }

    async fn ask<T: FromValue>(&self, command: Command) -> Result<T> {
        let Command { name, words } = command;
        self.client.custom(custom(name), words).await.map_err(|error| Error::Events(sentence(&error)))
    }

    /// Sends commands together and gives their answers.
    async fn all<T: FromValue>(&self, commands: Vec<Command>) -> Result<Vec<T>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let pipeline = self.client.pipeline();
        let answers = async {
            for Command { name, words } in commands {
                // The answers come below.
                let () = pipeline.custom(custom(name), words).await?;
            }
            pipeline.all().await
        };
        answers.await.map_err(|error: fred::error::Error| Error::Events(sentence(&error)))
    }
}

// === impl Step ===

impl Step {
    fn new(name: &'static str, begins: &'static str, is_over: &'static str) -> Self {
        Self { name, trouble: Trouble::new(begins, is_over) }
    }

    /// Takes note of how it went, and passes that on.
    fn noted<T>(&self, outcome: Result<T>, says: impl FnOnce(&Error) -> String) -> Result<T> {
        if outcome.is_err() {
            metrics::counter!("vidstream_view_copies_failed_total", "step" => self.name).increment(1);
        }
        self.trouble.note(outcome.as_ref().err().map(says));
        outcome
    }
}

// === impl Command ===

impl Command {
    fn new<W: Into<String>>(name: &'static str, words: impl IntoIterator<Item = W>) -> Self {
        Self { name, words: words.into_iter().map(|word| Value::from(word.into())).collect() }
    }

    fn word(mut self, word: impl Into<String>) -> Self {
        self.words.push(Value::from(word.into()));
        self
    }

    fn number(mut self, number: i64) -> Self {
        self.words.push(Value::from(number));
        self
    }
}

fn custom(name: &'static str) -> CustomCommand {
    CustomCommand::new_static(name, ClusterHash::FirstKey, false)
}

#[cfg(test)]
mod tests {
    use vidstream_testkit::redis;

    use super::*;

    #[tokio::test]
    async fn so_many_views_wait_and_not_one_more() {
        let target = Arc::new(Target::parse(&redis::shared().url()).unwrap());
        let connection = Connection::open(&target).await.unwrap_or_else(|refusal| panic!("{}", refusal.reason));
        let link = Link::new(&connection, &target, 1);
        assert_eq!(link.views_max, VIEWS_GATHERED_MAX);
        let link = Link { views_max: 3, ..link };
        let views = |sessions: &[&str]| -> Vec<Viewer> {
            let viewer = |session: &&str| Viewer { video: VideoId::from_bits(1), session: session.parse().unwrap() };
            sessions.iter().map(viewer).collect()
        };
        let waiting = async || link.kept(0).await.unwrap().len();
        link.keep(&views(&["a", "b"]), 1).await.unwrap();
        assert!(matches!(link.keep(&views(&["c", "d"]), 1).await, Err(Error::Busy)));
        assert_eq!(link.copies.keeping.trouble.reason().as_deref(), Some("3 copies wait already, or would"));
        assert_eq!(waiting().await, 2, "all of it or nothing");
        link.keep(&views(&["c"]), 1).await.unwrap();
        assert_eq!(link.copies.keeping.trouble.reason(), None);
        assert!(matches!(link.keep(&views(&["d"]), 1).await, Err(Error::Busy)));
        // Who watches is told all the same.
        let seen: Vec<_> = views(&["d"]).into_iter().map(|viewer| (viewer, 1)).collect();
        link.tell(&seen, 1).await.unwrap();
        assert_eq!(link.viewers(&[VideoId::from_bits(1)], 1).await.unwrap(), [1]);
        link.remove(vec![views(&["a"])[0].to_string()]).await.unwrap();
        link.keep(&views(&["d"]), 1).await.unwrap();
        assert_eq!(waiting().await, 3);
    }

    #[tokio::test]
    async fn what_goes_wrong_with_copies_is_known_until_it_goes_well() {
        let (server, target) = (redis::shared(), Arc::new(Target::parse(&redis::shared().url()).unwrap()));
        let connection = Connection::open(&target).await.unwrap_or_else(|refusal| panic!("{}", refusal.reason));
        let link = Link::new(&connection, &target, 1);
        let copies = Arc::clone(&link.copies);
        let reasons = || [&copies.looking, &copies.removing].map(|step| step.trouble.reason());
        // No sorted set.
        server.command(&["SET", &target.views(), "x"]).unwrap();
        assert!(link.kept(0).await.is_err() && link.remove(vec!["x".to_owned()]).await.is_err());
        for reason in reasons() {
            assert!(reason.as_deref().is_some_and(|reason| reason.contains("WRONGTYPE")), "{reason:?}");
        }
        server.command(&["DEL", &target.views()]).unwrap();
        link.kept(0).await.unwrap();
        link.remove(vec!["x".to_owned()]).await.unwrap();
        assert_eq!(reasons(), [None, None]);
    }
}
