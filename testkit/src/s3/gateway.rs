//! versitygw, an S3-compatible server of another hand: a process that tests kill and start again.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::{ACCESS_KEY, BUCKET, REGION, SECRET_KEY, files};

/// A server that was started answers within this.
const START_WAIT_MAX: Duration = Duration::from_secs(20);
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Where it keeps the parts of uploads, in each bucket.
const PARTS: &str = ".sgwtmp/multipart";

/// A server, until it is dropped.
#[derive(Debug)]
pub struct Gateway {
    program: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    process: Mutex<Option<Child>>,
}

// === impl Gateway ===

impl Gateway {
    /// Starts a server with one empty bucket.
    ///
    /// # Errors
    /// When `program` is no versitygw, or does not answer.
    pub fn start(program: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("buckets").join(BUCKET))?;
        fs::create_dir(folder.path().join("attributes"))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let gateway = Self { program: program.to_owned(), folder, address, process: Mutex::default() };
        gateway.come_back()?;
        Ok(gateway)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills the server as `kill -9` does.
    pub fn go_away(&self) -> Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = process.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts the server after it was killed, and waits until it answers.
    pub fn come_back(&self) -> Result<()> {
        let folder = self.folder.path();
        let log = fs::File::options().create(true).append(true).open(folder.join("log"))?;
        // It ends with the thread that started it, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(&self.program).arg("posix").arg(folder.join("buckets"));
        command.env_clear().envs([
            ("VGW_PORT", self.address.to_string().as_str()),
            ("VGW_REGION", REGION),
            ("ROOT_ACCESS_KEY_ID", ACCESS_KEY),
            ("ROOT_SECRET_ACCESS_KEY", SECRET_KEY),
        ]);
        // Not every file system has attributes.
        command.env("PATH", "/usr/bin:/bin").env("VGW_META_SIDECAR", folder.join("attributes"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("setpriv")?;
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let child = process.insert(child);
        let deadline = Instant::now() + START_WAIT_MAX;
        while TcpStream::connect(self.address).is_err() {
            let ended = child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                bail!("versitygw does not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
            }
            thread::sleep(ASK_EVERY);
        }
        Ok(())
    }

    /// The names of all objects of the bucket, sorted, and of the parts of uploads that were not completed.
    pub fn left(&self) -> Vec<String> {
        let buckets = self.folder.path().join("buckets");
        let bucket = buckets.join(BUCKET);
        let objects = files(&bucket, &buckets).into_iter().filter(|name| !name.contains("/.sgwtmp/"));
        let mut names: Vec<String> = objects.chain(files(&bucket.join(PARTS), &buckets)).collect();
        names.sort();
        names
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.go_away();
    }
}
