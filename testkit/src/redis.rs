//! A real Redis server for tests: in a temporary folder, on free loopback ports, gone with the process that started it,
//! however that ends. It can be killed, paused and started again.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::guard::{Guard, free_port};

/// A server that was started answers within this.
const START_WAIT_MAX: Duration = Duration::from_mins(1);
/// How often it is asked.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Does to the server what it is told.
const GUARD: &str = r#"
trap '' INT TERM HUP
folder=$1
shift
pid=
while read -r word; do
  case $word in
    start) "$@" >>"$folder/log" 2>&1 & pid=$!; echo "$pid" >"$folder/pid" ;;
    kill) kill -KILL "$pid"; wait "$pid" ;;
    pause) kill -STOP "$pid" ;;
    resume) kill -CONT "$pid" ;;
  esac
done
kill -KILL "$pid"
wait
rm -rf "$folder"
"#;

/// What a server is like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// Certificate and key (PEM), if it is to speak TLS on a second port.
    pub certificate: Option<(&'a str, &'a str)>,
    /// The password of its clients.
    pub password: Option<&'a str>,
    /// Whether each write is on the disk before it is answered; else a kill loses everything.
    pub durable: bool,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    tls_port: u16,
    password: Option<String>,
    guard: Guard,
}

/// The server that the tests of this process share.
///
/// # Panics
/// When no server can be started: `scripts/setup.sh test` installs it.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "only tests come here")]
    SHARED.get_or_init(|| Server::start(Settings::default()).expect("Debian's package redis-server is installed"))
}

// === impl Server ===

impl Server {
    /// Starts a server of its own.
    pub fn start(settings: Settings<'_>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vidstream-redis-").tempdir()?.keep();
        let (port, tls_port) = (free_port()?, free_port()?);
        let mut redis = Command::new("redis-server");
        let mut set = |name: &str, value: &str| {
            redis.args([name, value]);
        };
        set("--bind", "127.0.0.1");
        set("--save", "");
        set("--port", &port.to_string());
        set("--dir", &folder.display().to_string());
        if settings.durable {
            set("--appendonly", "yes");
            set("--appendfsync", "always");
        }
        if let Some(password) = settings.password {
            set("--requirepass", password);
        }
        if let Some((certificate, key)) = settings.certificate {
            let file = |name: &str, text: &str| {
                let path = folder.join(name);
                std::fs::write(&path, text).map(|()| path.display().to_string())
            };
            let certificate = file("server.crt", certificate)?;
            set("--tls-port", &tls_port.to_string());
            set("--tls-ca-cert-file", &certificate);
            set("--tls-cert-file", &certificate);
            set("--tls-key-file", &file("server.key", key)?);
            set("--tls-auth-clients", "no");
        }
        let guard = Guard::start(GUARD, &folder, &redis)?;
        let password = settings.password.map(str::to_owned);
        let server = Self { folder, port, tls_port, password, guard };
        server.restart()?;
        Ok(server)
    }

    /// A URL for a test's own keys and channel on this server.
    pub fn url(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let next = NEXT.fetch_add(1, Ordering::SeqCst);
        format!("redis://{}127.0.0.1:{}/0?prefix=test-{}-{next}", self.user(), self.port, std::process::id())
    }

    /// The same over TLS, by this certificate's file.
    pub fn tls_url(&self, roots: &Path) -> String {
        format!("rediss://{}localhost:{}/0?sslrootcert={}", self.user(), self.tls_port, roots.display())
    }

    fn user(&self) -> String {
        self.password.as_ref().map_or_else(String::new, |password| format!("default:{password}@"))
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives a command and gives what it prints.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        let mut cli = Command::new("redis-cli");
        cli.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "--no-auth-warning"]);
        if let Some(password) = &self.password {
            cli.args(["-a", password]);
        }
        let output = cli.args(words).output().context("redis-cli")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }

    /// Kills the server as `kill -9` does, and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        self.guard.tell("kill")?;
        while self.command(&["PING"]).is_ok() {
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Starts the server after it was killed, and waits until it answers.
    pub fn restart(&self) -> Result<()> {
        self.guard.tell("start")?;
        let deadline = Instant::now() + START_WAIT_MAX;
        while self.command(&["PING"]).ok().as_deref() != Some("PONG") {
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("the server does not start: {log}");
            }
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Stops the server in the middle of what it does: its connections stay, and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.guard.tell("pause")?;
        self.until(|state| state == "T")
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<()> {
        self.guard.tell("resume")?;
        self.until(|state| state != "T")
    }

    /// Waits until the server's process is in a state, as proc(5) has it.
    fn until(&self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let pid = std::fs::read_to_string(self.folder.join("pid"))?;
        let status = format!("/proc/{}/stat", pid.trim());
        loop {
            let text = std::fs::read_to_string(&status).context("the server has ended")?;
            let state = text.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default();
            if wanted(state) {
                return Ok(());
            }
            std::thread::sleep(ASK_EVERY);
        }
    }
}
