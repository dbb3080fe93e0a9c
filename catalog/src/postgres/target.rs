//! The database that a URL names, and how to connect to it.

use std::time::Duration;

use tokio_postgres::{
    Client, Config, Connection, Socket,
    config::{Host, SslMode},
    error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error;
use crate::{
    Error, Result, limits,
    tls::{self, ROOTS, Roots},
};

/// What an idle connection over TCP waits before it asks whether the server is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What to do about a password.
const PASSWORD: &str = "; give this user's password in catalog.url, or in the file that catalog.url_file names";

/// The stream of an encrypted connection.
type TlsStream = <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream;

/// A database and how to reach it.
#[derive(Clone)]
pub(super) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

// === impl Target ===

impl Target {
    /// Reads a URL. Messages never repeat it, since it may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let (url, roots) = extract_roots(url)?;
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            invalid(&format!("it cannot be read as postgres://user@host/database ({})", error::sentence(&error)))
        })?;
        if config.get_hosts().is_empty() {
            return Err(invalid("it names no host: postgres://user@host/database"));
        }
        if config.get_dbname().is_none() {
            return Err(invalid("it names no database: postgres://user@host/database"));
        }
        let tls = tls(&config, roots.as_deref())?;
        set_bounds(&mut config);
        Ok(Self { config, tls })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// Opens a connection; it lives as long as somebody polls it.
    pub(super) async fn connect(&self) -> Result<(Client, Connection<Socket, TlsStream>)> {
        let limit = Duration::from_millis(limits::CONNECT_MS);
        let connected = tokio::time::timeout(limit, self.config.connect(self.tls.clone())).await;
        let connected = connected.map_err(|_| Error::Unavailable(format!("{} does not answer", self.place())))?;
        connected.map_err(|error| self.refused(&error))
    }

    fn refused(&self, error: &tokio_postgres::Error) -> Error {
        let reason = error::sentence(error);
        let hint = match error.code() {
            Some(&SqlState::TOO_MANY_CONNECTIONS) => "; raise its max_connections or lower catalog.connections",
            Some(&SqlState::INVALID_CATALOG_NAME) => "; make it, as by createdb, or name another one in catalog.url",
            Some(&SqlState::INVALID_PASSWORD) => PASSWORD,
            None if reason.contains("password missing") => PASSWORD,
            None if reason.contains("certificate") => {
                "; name its authority by ?sslrootcert=FILE, or say ?sslmode=disable where nobody can listen"
            }
            _ => "",
        };
        Error::Unavailable(format!("{}: {reason}{hint}", self.place()))
    }

    /// Which server, for people.
    fn place(&self) -> String {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => format!("the Postgres server at {host}:{port}"),
            Some(Host::Unix(folder)) => format!("the Postgres server in {} (port {port})", folder.display()),
            None => "the Postgres server".to_owned(),
        }
    }
}

/// Takes the parameter out of the URL that the driver does not know, and gives it; and its `verify-…` modes
/// become what they mean here: whatever is encrypted is verified.
fn extract_roots(url: &str) -> Result<(String, Option<String>)> {
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let mut roots = None;
    let mut kept = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some((ROOTS, file)) if file.contains('%') => {
                return Err(invalid("the file of sslrootcert is given as it is, without %"));
            }
            Some((ROOTS, file)) => roots = Some(file.to_owned()),
            Some(("sslmode", "verify-full" | "verify-ca")) => kept.push("sslmode=require"),
            _ => kept.push(parameter),
        }
    }
    Ok((format!("{base}?{}", kept.join("&")), roots))
}

/// Bounds for what the URL leaves open. Its own `options` come last, so they win.
///
/// Each statement is planned once a connection, not five times and then once more: each goes through an index that is there
/// for it, whatever its parameters are, and the plans of a claim cost more than the claim.
fn set_bounds(config: &mut Config) {
    let bounds = format!(
        "-c statement_timeout={} -c lock_timeout={} -c idle_in_transaction_session_timeout={} -c plan_cache_mode=force_generic_plan",
        limits::STATEMENT_MS,
        limits::LOCK_WAIT_MS,
        limits::IDLE_TRANSACTION_MS
    );
    let options = config.get_options().map_or_else(|| bounds.clone(), |own| format!("{bounds} {own}"));
    config.options(options);
    if config.get_application_name().is_none() {
        config.application_name("vidstream");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_millis(limits::CONNECT_MS));
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_millis(limits::ANSWER_MS));
    }
    config.keepalives_idle(KEEPALIVE);
}

fn tls(config: &Config, roots: Option<&str>) -> Result<MakeRustlsConnect> {
    let over_network = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    let roots = match roots {
        Some(file) => Roots::File(file),
        None if over_network && config.get_ssl_mode() != SslMode::Disable => Roots::System,
        None => Roots::None,
    };
    tls::client(roots).map(MakeRustlsConnect::new).map_err(|reason| invalid(&reason))
}

fn invalid(reason: &str) -> Error {
    Error::Invalid(format!("the catalog's URL: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(url: &str) -> String {
        match Target::parse(url) {
            Err(Error::Invalid(reason)) => reason,
            Err(other) => panic!("{url}: {other}"),
            Ok(_) => panic!("{url} was read"),
        }
    }

    #[test]
    fn wrong_urls_are_refused_without_their_password() {
        for (url, reason) in [
            ("postgres://", "no host"),
            ("postgres://u:hunter2@h", "no database"),
            ("postgres:///db?user=u&password=hunter2", "no host"),
            ("postgres://u:hunter2@h:port/db", "cannot be read"),
            ("postgres://u:hunter2@h/db?sslmode=maybe", "cannot be read"),
            ("postgres://u:hunter2@h/db?colour=red", "cannot be read"),
            ("postgres://u:hunter2@h/db?sslrootcert=/nonexistent.pem", "/nonexistent.pem"),
            ("postgres://u:hunter2@h/db?sslrootcert=/dev/null", "no certificate"),
        ] {
            let text = refusal(url);
            assert!(text.contains(reason) && !text.contains("hunter2"), "{url}: {text}");
        }
    }

    #[test]
    fn bounds_are_set_and_the_url_has_the_last_word() {
        let target = Target::parse("postgresql://u@h/db?sslmode=disable&options=-c%20lock_timeout%3D7").unwrap();
        let options = target.config().get_options().unwrap();
        let bounds = ["statement_timeout=10000", "lock_timeout=5000", "idle_in_transaction_session_timeout=10000"];
        assert!(options.starts_with(&bounds.map(|bound| format!("-c {bound} ")).concat()), "{options}");
        assert!(options.ends_with(" -c plan_cache_mode=force_generic_plan -c lock_timeout=7"), "{options}");
        assert_eq!(target.config().get_application_name(), Some("vidstream"));
        let verified = Target::parse("postgres://u@%2Ftmp/db?sslmode=verify-full").unwrap();
        assert_eq!(verified.config().get_ssl_mode(), SslMode::Require);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_waited_for_for_five_seconds() {
        // It takes connections and never says a word.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://u@{}/d?sslmode=disable", silent.local_addr().unwrap());
        let began = tokio::time::Instant::now();
        let Err(refusal) = Target::parse(&url).unwrap().connect().await else { panic!("it was opened") };
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap();
        assert!((limits::CONNECT_MS..limits::CONNECT_MS + 100).contains(&waited), "{waited}");
        assert!(refusal.to_string().ends_with("does not answer"), "{refusal}");
    }
}
