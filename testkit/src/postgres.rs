//! A real Postgres server for tests: in a temporary folder, on a Unix socket and a free loopback port, gone
//! with the process that started it, however that ends.

use std::{
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Command, Output},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::unistd::{User, geteuid};

use crate::guard::{Guard, free_port};

/// The superuser of the server, who comes in over the socket without a password.
pub const USER: &str = "vidstream";
/// A server that was started answers within this.
const START_WAIT_MAX: Duration = Duration::from_mins(1);
/// How often it is asked, and after how many times it is started anew: one that was killed may leave processes
/// behind that keep its successor away until they are gone.
const ASK_EVERY: Duration = Duration::from_millis(50);
const ASKS_UNTIL_RESTART: u32 = 40;
/// Tests run side by side, each with connections of several pools.
const CONNECTIONS: u32 = 400;
/// Starts, kills, stops and continues the server as it is told.
const GUARD: &str = r#"
trap '' INT TERM HUP
folder=$1
shift
pid() { head -n 1 "$folder/data/postmaster.pid" 2>/dev/null; }
all() { cat "/proc/$(pid)/task/$(pid)/children"; pid; }
while read -r word; do
  case $word in
    start) "$@" >>"$folder/log" 2>&1 & ;;
    kill) kill -KILL "$(pid)" ;;
    pause) kill -STOP "$(pid)" && kill -STOP $(all) ;;
    resume) kill -CONT $(all) ;;
  esac
done
kill -QUIT "$(pid)" 2>/dev/null
kill -CONT $(all) 2>/dev/null
wait
rm -rf "$folder"
"#;
/// The socket is for the test, the port for tests of passwords and TLS.
const ACCESS: &str = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

/// A running server.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    port: u16,
    guard: Guard,
}

/// The server that the tests of this process share.
///
/// # Panics
/// When no server can be started: `scripts/setup.sh test` installs it.
pub fn shared() -> &'static Server {
    static SHARED: OnceLock<Server> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "only tests come here")]
    SHARED.get_or_init(|| Server::start(None).expect("Debian's package postgresql is installed and usable"))
}

// === impl Server ===

impl Server {
    /// Starts a server of its own, with a certificate and its key (PEM) if it is to speak TLS.
    pub fn start(certificate: Option<(&str, &str)>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("vidstream-pg-").tempdir()?.keep();
        let owner = owner()?;
        if let Some(user) = &owner {
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
        let data = folder.join("data");
        let mut initdb = as_owner(owner.as_ref(), "initdb");
        initdb.arg("-D").arg(&data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        succeeded(&initdb.output().context("initdb")?)?;
        std::fs::write(data.join("pg_hba.conf"), ACCESS)?;
        let port = free_port()?;
        let mut settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nmax_connections = {CONNECTIONS}\n\
             fsync = off\nfull_page_writes = off\nautovacuum_naptime = 5s\n",
            folder.display()
        );
        if let Some((certificate, key)) = certificate {
            settings.push_str("ssl = on\n");
            for (name, text) in [("server.crt", certificate), ("server.key", key)] {
                let file = data.join(name);
                std::fs::write(&file, text)?;
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600))?;
                if let Some(user) = &owner {
                    chown(&file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
                }
            }
        }
        std::fs::write(data.join("postgresql.auto.conf"), settings)?;
        let mut postgres = as_owner(owner.as_ref(), "postgres");
        let guard = Guard::start(GUARD, &folder, postgres.arg("-D").arg(&data))?;
        let server = Self { folder, port, guard };
        server.restart()?;
        Ok(server)
    }

    /// Makes an empty database and gives its URL.
    pub fn database(&self) -> Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        self.execute(&self.url("postgres"), &format!("CREATE DATABASE {name}"))?;
        Ok(self.url(&name))
    }

    /// The URL of a database over the socket.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{USER}@{folder}:{}/{database}", self.port)
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs statements in the database of a URL, and gives what they print.
    pub fn execute(&self, url: &str, statements: &str) -> Result<String> {
        let mut psql = Command::new("psql");
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            statements,
            url,
        ]);
        succeeded(&psql.output().context("psql")?)
    }

    /// Kills the server as `kill -9` does, and waits until it is gone.
    pub fn kill(&self) -> Result<()> {
        self.guard.tell("kill")?;
        let url = self.url("postgres");
        while self.execute(&url, "SELECT 1").is_ok() {
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// Stops the server and its sessions in the middle of what they do: connections stay, and nothing answers.
    pub fn pause(&self) -> Result<()> {
        self.guard.tell("pause")
    }

    /// Lets a paused server go on.
    pub fn resume(&self) -> Result<()> {
        self.guard.tell("resume")
    }

    /// Starts the server after it was killed, and waits until it answers.
    pub fn restart(&self) -> Result<()> {
        let deadline = Instant::now() + START_WAIT_MAX;
        let url = self.url("postgres");
        for ask in 0_u32.. {
            if ask % ASKS_UNTIL_RESTART == 0 {
                self.guard.tell("start")?;
            }
            if self.execute(&url, "SELECT 1").is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("the server does not start: {log}");
            }
            std::thread::sleep(ASK_EVERY);
        }
        Ok(())
    }
}

/// The user that the server runs as, if that must be another one: Postgres refuses to run as root.
fn owner() -> Result<Option<User>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let user = User::from_name("postgres")?;
    Ok(Some(user.context("there is no user postgres: scripts/setup.sh test installs it")?))
}

fn as_owner(owner: Option<&User>, program: &str) -> Command {
    let program = binaries().join(program);
    let Some(user) = owner else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={}", user.uid), format!("--regid={}", user.gid)]);
    command.arg("--clear-groups").arg(program).current_dir("/");
    command
}

/// The newest installed version: Debian keeps its programs off the PATH.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())));
    let newest = numbered.filter(|(_, path)| path.join("bin/initdb").exists()).max_by_key(|(version, _)| *version);
    newest.map(|(_, path)| path.join("bin")).unwrap_or_default()
}

fn succeeded(output: &Output) -> Result<String> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
