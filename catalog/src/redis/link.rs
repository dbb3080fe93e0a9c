//! What is asked of the server while it is there: who watches, and views that wait for the catalog.

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
};
use crate::{
    Error, Result, Viewer,
    limits::{PRESENT_MS, REDIS_MEMBERS_MAX, VIEWS_GATHERED_MAX, VIEWS_TURN_MS},
};

/// A server that is there, for as long as one connection lasts.
#[derive(Clone)]
pub(crate) struct Link {
    /// Which connection of this process, from 1.
    pub(crate) epoch: u64,
    client: Client,
    target: Arc<Target>,
    /// Views that may wait.
    views_max: u64,
}

/// Views that wait, and the members of the set that they were read from: some may not be ours to understand.
pub(crate) struct Batch {
    pub(crate) members: Vec<String>,
    pub(crate) viewers: Vec<Viewer>,
}

/// A command and its arguments.
struct Command {
    name: &'static str,
    words: Vec<Value>,
}

// === impl Link ===

impl Link {
    pub(super) fn new(connection: &Connection, target: &Arc<Target>, epoch: u64) -> Self {
        let client = connection.client.clone();
        Self { epoch, client, target: Arc::clone(target), views_max: VIEWS_GATHERED_MAX }
    }

    /// Tells who was seen when, and keeps views for the catalog.
    ///
    /// # Errors
    /// `Busy` when too many views wait already, `Events` when it did not answer; then some may have been kept.
    pub(crate) async fn gather(&self, seen: &[(Viewer, i64)], views: &[Viewer], now_ms: i64) -> Result<()> {
        let mut commands = self.presence(seen, now_ms);
        if !views.is_empty() {
            let waiting: u64 = self.ask(Command::new("ZCARD", [self.target.views()])).await?;
            if waiting.saturating_add(views.len() as u64) > self.views_max {
                // Who watches is told all the same.
                self.all::<Value>(commands).await?;
                return Err(Error::Busy);
            }
        }
        for part in views.chunks(REDIS_MEMBERS_MAX) {
            // The first time is the time of a view.
            let mut command = Command::new("ZADD", [self.target.views()]).word("NX");
            for viewer in part {
                command = command.number(now_ms).word(viewer.to_string());
            }
            commands.push(command);
        }
        self.all::<Value>(commands).await.map(drop)
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

    /// Begins to move views into the catalog, if there are any and nobody else does. Views so old that the catalog may
    /// have forgotten that it counted them are dropped before: none is counted twice.
    pub(crate) async fn take_turn(&self, too_old_ms: i64) -> Result<bool> {
        let views = self.target.views();
        let drop_old = Command::new("ZREMRANGEBYSCORE", [views.as_str(), "-inf"]).number(too_old_ms);
        let counts: Vec<u64> = self.all(vec![drop_old, Command::new("ZCARD", [views])]).await?;
        let &[dropped, waiting] = counts.as_slice() else {
            return Err(Error::Events("it answered something else than was asked".to_owned()));
        };
        if dropped > 0 {
            tracing::warn!(dropped, "views waited for the catalog for too long and are not counted");
        }
        if waiting == 0 {
            return Ok(false);
        }
        let turn = Command::new("SET", [self.target.turn()]).word("1").word("NX").word("PX").number(VIEWS_TURN_MS);
        Ok(self.ask::<Option<String>>(turn).await?.is_some())
    }

    /// Lets others move views. If that cannot be said, they find out in a while.
    pub(crate) async fn end_turn(&self) {
        let ended: Result<u64> = self.ask(Command::new("DEL", [self.target.turn()])).await;
        if let Err(error) = ended {
            tracing::debug!(%error, "a turn was not ended; it runs out by itself");
        }
    }

    /// Some views that wait, the longest first.
    pub(crate) async fn gathered(&self, most: usize) -> Result<Batch> {
        let last = i64::try_from(most).unwrap_or(i64::MAX).saturating_sub(1);
        let range = Command::new("ZRANGE", [self.target.views()]).number(0).number(last);
        let members: Vec<String> = self.ask(range).await?;
        let viewers = members.iter().filter_map(|member| member.parse().ok()).collect();
        Ok(Batch { members, viewers })
    }

    /// Removes views that are counted.
    pub(crate) async fn remove(&self, members: Vec<String>) -> Result<()> {
        let command = Command::new("ZREM", [self.target.views()]);
        let command = members.into_iter().fold(command, Command::word);
        self.ask::<u64>(command).await.map(drop)
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
        let connection = Connection::open(&target).await.unwrap();
        let link = Link::new(&connection, &target, 1);
        assert_eq!(link.views_max, VIEWS_GATHERED_MAX);
        let link = Link { views_max: 3, ..link };
        let views = |sessions: &[&str]| -> Vec<Viewer> {
            let viewer = |session: &&str| Viewer { video: VideoId::from_bits(1), session: session.parse().unwrap() };
            sessions.iter().map(viewer).collect()
        };
        let waiting = async || link.gathered(10).await.unwrap().viewers.len();
        link.gather(&[], &views(&["a", "b"]), 1).await.unwrap();
        assert!(matches!(link.gather(&[], &views(&["c", "d"]), 1).await, Err(Error::Busy)));
        assert_eq!(waiting().await, 2, "all of it or nothing");
        link.gather(&[], &views(&["c"]), 1).await.unwrap();
        assert!(matches!(link.gather(&[], &views(&["d"]), 1).await, Err(Error::Busy)));
        let seen: Vec<_> = views(&["d"]).into_iter().map(|viewer| (viewer, 1)).collect();
        assert!(matches!(link.gather(&seen, &views(&["d"]), 1).await, Err(Error::Busy)));
        assert_eq!(link.viewers(&[VideoId::from_bits(1)], 1).await.unwrap(), [1]);
        link.remove(link.gathered(1).await.unwrap().members).await.unwrap();
        link.gather(&[], &views(&["d"]), 1).await.unwrap();
        assert_eq!(waiting().await, 3);
    }
}
