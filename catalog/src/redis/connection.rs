//! One connection: made, listened to, and asked whether it is still there.

use std::{collections::HashSet, convert::Infallible, time::Duration};

use fred::{
    clients::Client,
    error::{Error as Failure, ErrorKind},
    interfaces::{ClientLike, EventInterface, PubsubInterface},
    types::{Builder, Message},
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc,
    },
    task::JoinHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use super::target::Target;
use crate::{Error, Hint, Result, hints, limits};

/// How long an answer may take.
const ANSWER: Duration = Duration::from_millis(limits::REDIS_ANSWER_MS);

/// An open connection that has subscribed to hints.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Of hints.
    channel: String,
    messages: broadcast::Receiver<Message>,
    /// Drives it; ends when it does.
    driver: JoinHandle<std::result::Result<(), Failure>>,
}

/// Why there is no connection.
pub(super) struct Refusal {
    /// For people.
    pub(super) reason: String,
    /// Whether what is configured must be wrong, since the server is there: it will not help to try again.
    pub(super) is_final: bool,
}

// === impl Connection ===

impl Connection {
    pub(super) async fn open(target: &Target) -> std::result::Result<Self, Refusal> {
        let limit = Duration::from_millis(limits::REDIS_CONNECT_MS);
        let refused = |error: &Failure| Refusal {
            reason: format!("{}: {}", target.place(), sentence(error)),
            is_final: is_final(error),
        };
        let client = client(target, limit).map_err(|error| refused(&error))?;
        let messages = client.message_rx();
        let opening = async {
            let driver = client.init().await?;
            let connection = Self { client, channel: target.channel(), messages, driver };
            connection.client.subscribe(connection.channel.as_str()).await?;
            Ok(connection)
        };
        // What is given up here the driver itself gives up by its own limits.
        match timeout(limit, opening).await {
            Ok(opened) => opened.map_err(|error: Failure| refused(&error)),
            Err(_) => Err(Refusal { reason: format!("{} does not answer", target.place()), is_final: false }),
        }
    }

    /// Passes hints both ways until the connection is lost; gives why.
    pub(super) async fn serve(
        &mut self,
        instance: &str,
        incoming: &broadcast::Sender<Hint>,
        outgoing: &mut mpsc::Receiver<Hint>,
    ) -> Error {
        let client = self.client.clone();
        let outcome = tokio::select! {
            outcome = hear(&mut self.messages, instance, incoming) => outcome,
            outcome = publish(&client, &self.channel, instance, outgoing) => outcome,
            outcome = watch(&client) => outcome,
            ended = &mut self.driver => Err(match ended {
                Ok(Err(error)) => Error::Events(sentence(&error)),
                _ => Error::Events("the server closed the connection".to_owned()),
            }),
        };
        let Err(error) = outcome;
        error
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A client that neither connects nor asks again by itself: both are done here, with jitter and where it is harmless.
fn client(target: &Target, limit: Duration) -> std::result::Result<Client, Failure> {
    let mut builder = Builder::from_config(target.config().clone());
    builder.with_connection_config(|config| {
        config.connection_timeout = limit;
        config.internal_command_timeout = limit;
        config.max_command_attempts = 1;
        config.tcp.nodelay = Some(true);
    });
    builder.with_performance_config(|config| {
        config.default_command_timeout = ANSWER;
        config.broadcast_channel_capacity = limits::HINTS_QUEUED_MAX;
    });
    builder.build()
}

/// Passes on what others publish.
async fn hear(
    messages: &mut broadcast::Receiver<Message>,
    instance: &str,
    incoming: &broadcast::Sender<Hint>,
) -> Result<Infallible> {
    loop {
        let heard = match messages.recv().await {
            Ok(message) => hints::read(instance, &message.value.as_string().unwrap_or_default()),
            // Some were missed, and they may have been about anything.
            Err(RecvError::Lagged(_)) => hints::anything().collect(),
            Err(RecvError::Closed) => return Err(Error::Events("the connection has ended".to_owned())),
        };
        for hint in heard {
            // Nobody listens: a hint may be lost.
            drop(incoming.send(hint));
        }
    }
}

/// Publishes what is told here, as much at a time as has gathered meanwhile.
async fn publish(
    client: &Client,
    channel: &str,
    instance: &str,
    outgoing: &mut mpsc::Receiver<Hint>,
) -> Result<Infallible> {
    let mut batch = Vec::new();
    loop {
        if outgoing.recv_many(&mut batch, limits::HINTS_PUBLISHED_MAX).await == 0 {
            return Err(Error::Events("nobody tells anything any more".to_owned()));
        }
        let mut told = HashSet::new();
        batch.retain(|hint| told.insert(*hint));
        let mut left = batch.as_slice();
        while !left.is_empty() {
            let (text, written) = hints::write(instance, left);
            let _: i64 = client.publish(channel, text).await.map_err(|error| Error::Events(sentence(&error)))?;
            left = left.get(written.max(1)..).unwrap_or_default();
        }
        batch.clear();
    }
}

/// Asks again and again whether the server is still there: one that hangs keeps its connections open.
async fn watch(client: &Client) -> Result<Infallible> {
    let mut tick = interval(Duration::from_millis(limits::REDIS_PING_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let pong: std::result::Result<(), Failure> = client.ping(None).await;
        pong.map_err(|error| Error::Events(sentence(&error)))?;
    }
}

/// How the answers begin, after an `ERR`, of a server that is not ready, or not at the moment.
const NOT_NOW: [&str; 6] = ["LOADING", "MASTERDOWN", "BUSY", "TRYAGAIN", "max number of clients", "Missing response"];

/// Whether a server that is there refuses, and not one that is away or begins.
fn is_final(error: &Failure) -> bool {
    let answer = error.details();
    match error.kind() {
        ErrorKind::Timeout | ErrorKind::Canceled => false,
        // A certificate that is not trusted, or somebody who speaks something else.
        ErrorKind::IO => answer.contains("InvalidData"),
        _ => !NOT_NOW.iter().any(|begin| answer.trim_start_matches("ERR ").starts_with(begin)),
    }
}

/// What the driver says, in one sentence. It has the errors of the system and of TLS as their `Debug` forms.
pub(super) fn sentence(error: &Failure) -> String {
    let reason = error.details();
    let inner = |before: &str, after: &str| Some(reason.split_once(before)?.1.split_once(after)?.0.to_owned());
    match error.kind() {
        ErrorKind::Timeout => "it does not answer in time".to_owned(),
        _ if reason.contains("InvalidCertificate") => {
            let why = inner("InvalidCertificate(", ")").unwrap_or_default();
            format!("its certificate is not trusted ({why}); name its authority by ?sslrootcert=FILE")
        }
        _ => inner("message: \"", "\"").unwrap_or_else(|| reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn what_the_driver_says_becomes_a_sentence_and_a_verdict() {
        let untrusted = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        for (error, text, final_) in [
            (Failure::from(io::Error::from_raw_os_error(111)), "Connection refused", false),
            (
                Failure::from(io::Error::new(io::ErrorKind::InvalidData, untrusted())),
                "not trusted (UnknownIssuer)",
                true,
            ),
            (Failure::from(untrusted()), "not trusted (UnknownIssuer)", true),
            (Failure::new(ErrorKind::Auth, "WRONGPASS no"), "WRONGPASS no", true),
            (Failure::new(ErrorKind::Unknown, "NOPERM no"), "NOPERM no", true),
            (Failure::new(ErrorKind::Unknown, "ERR unknown command 'HELLO'"), "HELLO", true),
            (Failure::new(ErrorKind::Protocol, "Invalid frame type."), "Invalid frame", true),
            (Failure::new(ErrorKind::Unknown, "LOADING the dataset"), "LOADING", false),
            (Failure::new(ErrorKind::Unknown, "ERR max number of clients reached"), "clients", false),
            (Failure::new(ErrorKind::Timeout, "Request timed out."), "does not answer in time", false),
        ] {
            let sentence = sentence(&error);
            assert!(sentence.contains(text) && !sentence.contains('{'), "{sentence}");
            assert_eq!(is_final(&error), final_, "{sentence}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_waited_for_for_five_seconds() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("redis://{}", silent.local_addr().unwrap());
        let began = tokio::time::Instant::now();
        let Err(refusal) = Connection::open(&Target::parse(&url).unwrap()).await else { panic!("it was opened") };
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
        assert!((limits::REDIS_CONNECT_MS..limits::REDIS_CONNECT_MS + 100).contains(&waited), "{waited}");
        assert!(!refusal.is_final && refusal.reason.contains("does not answer"), "{}", refusal.reason);
    }
}
