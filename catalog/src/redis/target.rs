//! The server that a URL names, how to connect to it, and the names of what is kept there.

use fred::types::{
    RespVersion,
    config::{Config, ServerConfig, TlsConnector},
};
use url::{Host, Url};
use vidstream_media::VideoId;

use crate::{
    Error, Result,
    tls::{self, ROOTS, Roots},
};

/// The parameter of a URL with the beginning of all names, for catalogs that share a server.
const PREFIX: &str = "prefix";
/// The beginning of all names, unless the URL says otherwise.
const PREFIX_DEFAULT: &str = "vidstream";
/// Characters of a prefix.
const PREFIX_BYTES_MAX: usize = 64;

/// A server and how to reach it.
pub(super) struct Target {
    config: Config,
    place: String,
    prefix: String,
    database: u8,
}

// === impl Target ===

impl Target {
    /// Reads a URL. Messages never repeat it, since it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let url = Url::parse(text).map_err(|error| invalid(&format!("it cannot be read ({error})")))?;
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(invalid("it names no host: redis://host:6379/0"));
        };
        let port = url.port().unwrap_or(6379);
        let database = database(url.path())?;
        if url.fragment().is_some() {
            return Err(invalid("a # in a password is written %23"));
        }
        let (mut prefix, mut roots) = (PREFIX_DEFAULT.to_owned(), None);
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                PREFIX if is_prefix(&value) => prefix = value.into_owned(),
                PREFIX => {
                    return Err(invalid(&format!("a prefix is 1 to {PREFIX_BYTES_MAX} letters, digits, -, _ and :")));
                }
                ROOTS if url.scheme() == "rediss" => roots = Some(value.into_owned()),
                ROOTS => return Err(invalid("sslrootcert is for rediss://")),
                other => return Err(invalid(&format!("{other} is not a parameter; {PREFIX} and {ROOTS} are"))),
            }
        }
        let mut config = read(&url)?;
        if let Some(Host::Ipv6(address)) = url.host() {
            config.server = ServerConfig::new_centralized(address.to_string(), port);
        }
        // One connection for commands and messages, which only this version of the protocol allows.
        config.version = RespVersion::RESP3;
        if url.scheme() == "rediss" {
            let roots = roots.as_deref().map_or(Roots::System, Roots::File);
            let tls = tls::client(roots).map_err(|reason| invalid(&reason))?;
            config.tls = Some(TlsConnector::from(tls).into());
        }
        Ok(Self { place: format!("the Redis server at {host}:{port}"), config, prefix, database })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Which server, for people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The channel of hints. Channels are not of a database, so its number is in the name.
    pub(super) fn channel(&self) -> String {
        format!("{}:{}:hints", self.prefix, self.database)
    }

    /// The sorted set of the sessions that watch a video, by when they were seen last.
    pub(super) fn present(&self, video: VideoId) -> String {
        format!("{}:present:{video}", self.prefix)
    }

    /// The sorted set of copies of views that the catalog has not taken in time, by when they were made.
    pub(super) fn views(&self) -> String {
        format!("{}:views", self.prefix)
    }

    /// The key that is written to know whether anything can be.
    pub(super) fn written(&self) -> String {
        format!("{}:written", self.prefix)
    }
}

/// Host, port, database and user, as the driver reads them.
fn read(url: &Url) -> Result<Config> {
    let mut plain = url.clone();
    plain.set_query(None);
    // What is encrypted is set up by us.
    let plain = plain.as_str().replacen("rediss://", "redis://", 1);
    Config::from_url_centralized(&plain).map_err(|error| invalid(&format!("it cannot be read ({})", error.details())))
}

fn database(path: &str) -> Result<u8> {
    match path.strip_prefix('/').unwrap_or(path) {
        "" => Ok(0),
        text => text.parse().map_err(|_| invalid("after the host comes the database, a number from 0 to 255")),
    }
}

fn is_prefix(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':');
    (1..=PREFIX_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

fn invalid(reason: &str) -> Error {
    Error::Invalid(format!("the URL of events: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_urls_are_refused_without_their_password() {
        let longest = "x".repeat(PREFIX_BYTES_MAX);
        assert!(Target::parse(&format!("redis://h?prefix={longest}")).is_ok());
        for (url, reason) in [
            ("redis://", "no host"),
            ("redis://u:hunter2@", "cannot be read"),
            ("redis://u:hunter2@h:port", "cannot be read"),
            ("redis://u:hunter2@h/256", "0 to 255"),
            ("redis://u:hunter2@h/x", "0 to 255"),
            ("redis://u:hunter2@h/0/1", "0 to 255"),
            ("redis://u:hunter2@h?colour=red", "colour"),
            ("redis://u:hunter2@h?prefix=", "a prefix is"),
            ("redis://u:hunter2@h?prefix=a%20b", "a prefix is"),
            (&format!("redis://h?prefix=x{longest}"), "a prefix is"),
            ("redis://u:hunter2@h?sslrootcert=/x.pem", "for rediss://"),
            ("rediss://u:hunter2@h?sslrootcert=/nonexistent.pem", "/nonexistent.pem"),
            ("rediss://u:hunter2@h?sslrootcert=/dev/null", "no certificate"),
            ("redis://u:hun#ter2@h", ""),
        ] {
            let Err(Error::Invalid(text)) = Target::parse(url) else { panic!("{url} was read") };
            assert!(text.contains(reason) && !text.contains("hunter2"), "{url}: {text}");
        }
    }

    #[test]
    fn a_url_says_where_as_whom_and_under_which_names() {
        let target = Target::parse("redis://user:pa%40ss@cache.example:7000/3?prefix=a:b").unwrap();
        let config = target.config();
        assert_eq!((config.username.as_deref(), config.password.as_deref()), (Some("user"), Some("pa@ss")));
        assert_eq!((config.database, target.place()), (Some(3), "the Redis server at cache.example:7000"));
        assert_eq!((target.channel().as_str(), target.views().as_str()), ("a:b:3:hints", "a:b:views"));
        let target = Target::parse("rediss://[::1]").unwrap();
        assert_eq!(target.config().server, ServerConfig::new_centralized("::1", 6379));
        assert_eq!(
            (target.place(), target.channel().as_str()),
            ("the Redis server at [::1]:6379", "vidstream:0:hints")
        );
        assert!(target.config().tls.is_some());
    }
}
