//! A `vidstream serve` of a test's own, on free ports and a temporary folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use vidstream_testkit::{Clip, Encoding, counters};

/// The executable under test.
pub(crate) const VIDSTREAM: &str = env!("CARGO_BIN_EXE_vidstream");
/// How often a condition is looked at; conditions are bounded by a deadline, never by a count of sleeps.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A short film is made within this, on a busy machine as well.
const MADE_WAIT_MAX: Duration = Duration::from_mins(2);
/// What a broken upload leaves behind is gone within this.
const GONE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Has the log say which child does which job.
const SAY_CHILDREN: [(&str, &str); 1] = [("RUST_LOG", "info,vidstream_packager=debug")];

/// A child that does a job, as the log says. The spare child, which waits for one, is none.
#[derive(Clone, Debug)]
pub(crate) struct Busy {
    pub(crate) pid: u32,
    /// Which attempt of its job it is, from 1.
    pub(crate) attempt: u32,
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) data: PathBuf,
    /// The folder of `serve.log`.
    log: PathBuf,
    pub(crate) http: reqwest::Client,
}

// === impl Server ===

impl Server {
    /// Starts a server on `data` and waits until it answers.
    pub(crate) async fn start(data: &Path) -> Self {
        Self::with(data, &[]).await
    }

    pub(crate) async fn with(data: &Path, flags: &[&str]) -> Self {
        Self::of(Path::new(VIDSTREAM), data, flags).await
    }

    /// Starts the server of that executable.
    pub(crate) async fn of(program: &Path, data: &Path, flags: &[&str]) -> Self {
        Self::on(Command::new(program), "serve", data, flags).await
    }

    /// Starts an origin alone.
    pub(crate) async fn origin(data: &Path, flags: &[&str]) -> Self {
        Self::on(Command::new(VIDSTREAM), "origin", data, flags).await
    }

    /// Starts a server whose children can be told apart by what they do.
    pub(crate) async fn of_known_children(data: &Path, flags: &[&str]) -> Self {
        let variables = SAY_CHILDREN.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::with_variables(data, flags, &variables).await
    }

    /// Starts a server with more environment variables.
    pub(crate) async fn with_variables(data: &Path, flags: &[&str], variables: &[(String, String)]) -> Self {
        let mut command = Command::new(VIDSTREAM);
        command.envs(variables.iter().cloned());
        Self::on(command, "serve", data, flags).await
    }

    /// Starts the server of a configuration file, which names this data folder and free ports, with more environment
    /// variables.
    pub(crate) async fn configured(config: &Path, data: &Path, variables: &[(String, String)]) -> Self {
        fs::create_dir_all(data).unwrap();
        let mut command = Command::new(VIDSTREAM);
        command.args(["serve", "--config"]).arg(config).envs(variables.iter().cloned());
        Self::spawn(command, data, |_| data.to_owned()).await
    }

    async fn on(mut command: Command, word: &str, data: &Path, flags: &[&str]) -> Self {
        let _ = fs::remove_file(data.join("listen.addr"));
        fs::create_dir_all(data).unwrap();
        command.args([word, "--listen", "127.0.0.1:0", "--data"]).arg(data).args(flags);
        Self::spawn(command, data, |_| data.to_owned()).await
    }

    /// Starts a server whose data folder is a file system of its own, of so many bytes, that nobody else sees.
    pub(crate) async fn on_small_disk(folder: &Path, bytes: u64) -> Self {
        let (disk, log) = (folder.join("disk"), folder.join("log"));
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir_all(&log).unwrap();
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = r#"mount -t tmpfs -o size="$1" none "$2" && exec "$3" serve --listen 127.0.0.1:0 --data "$2""#;
        command.args(["sh", "-c", script, "sh", &bytes.to_string()]).arg(&disk).arg(VIDSTREAM);
        // The file system is seen through the process that has it mounted.
        let seen =
            |pid: u32| Path::new("/proc").join(pid.to_string()).join("root").join(disk.strip_prefix("/").unwrap());
        Self::spawn(command, &log, seen).await
    }

    /// Starts the server that `command` is or becomes; `data_of` tells where its data folder is seen.
    async fn spawn(mut command: Command, log: &Path, data_of: impl Fn(u32) -> PathBuf) -> Self {
        let stderr = fs::File::options().create(true).append(true).open(log.join("serve.log")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        let data = data_of(child.id());
        let address = data.join("listen.addr");
        let deadline = Instant::now() + Duration::from_secs(20);
        let url = loop {
            if let Ok(text) = fs::read_to_string(&address)
                && !text.trim().is_empty()
            {
                break format!("http://{}", text.trim());
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("serve ended with {status}: {}", log_tail(log));
            }
            assert!(Instant::now() < deadline, "serve does not listen: {}", log_tail(log));
            after(LOOK_EVERY).await;
        };
        // Plaintext needs no certificates; a provider must be there nonetheless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        Self { child, url, data, log: log.to_owned(), http }
    }

    /// Uploads a file and gives the id of the video.
    pub(crate) async fn upload(&self, file: &Path) -> String {
        let bytes = fs::read(file).unwrap();
        let response = self.http.put(format!("{}/v1/videos?title=test", self.url)).body(bytes).send().await.unwrap();
        let (status, body): (_, Value) = (response.status(), response.json().await.unwrap());
        assert_eq!(status, 202, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// The video object.
    pub(crate) async fn video(&self, id: &str) -> Value {
        self.json(&format!("/v1/videos/{id}")).await
    }

    async fn json(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.url)).send().await.unwrap().json().await.unwrap()
    }

    /// Polls the video until `test` holds or `wait` is over.
    pub(crate) async fn until(&self, id: &str, what: &str, wait: Duration, test: impl Fn(&Value) -> bool) -> Value {
        self.until_at(&format!("/v1/videos/{id}"), what, wait, test).await
    }

    /// Waits until no video is listed: that of a broken upload goes after its bytes.
    pub(crate) async fn until_no_video(&self) {
        self.until_at("/v1/videos", "without a video", GONE_WAIT_MAX, |list| list["data"] == json!([])).await;
    }

    async fn until_at(&self, path: &str, what: &str, wait: Duration, test: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + wait;
        loop {
            let seen = self.json(path).await;
            if test(&seen) {
                return seen;
            }
            assert!(Instant::now() < deadline, "not {what} within {wait:?}: {seen:#} {}", log_tail(&self.log));
            after(LOOK_EVERY).await;
        }
    }

    /// Waits until all of a film is made, its pictures as well.
    pub(crate) async fn until_made(&self, id: &str) {
        let is_made = |video: &Value| video["state"] == "ready" && video["artifacts"]["storyboard"]["state"] == "ready";
        self.until(id, "made", MADE_WAIT_MAX, is_made).await;
    }

    /// What a rung of a film shows is all of its frames, each once and in its order.
    pub(crate) fn assert_unbroken(&self, id: &str, rung: &str, frames: u32) {
        let shown = counters(&["-i", &format!("{}/v/{id}/1/{rung}/index.m3u8", self.url)]).unwrap();
        let is_unbroken = shown == (0..frames).map(Some).collect::<Vec<_>>();
        assert!(is_unbroken, "{rung} of {}: the counters are not unbroken", self.data.display());
    }

    /// The processes that this server has started and that are alive, zombies left out.
    pub(crate) fn children(&self) -> Vec<u32> {
        children_of(self.child.id())
    }

    /// Those of its children that do a job, of a server of known children.
    pub(crate) fn busy(&self) -> Vec<Busy> {
        let alive = self.children();
        let mut busy = self.begun();
        busy.retain(|busy| alive.contains(&busy.pid));
        busy
    }

    /// All children that were given a job so far.
    pub(crate) fn begun(&self) -> Vec<Busy> {
        let log = fs::read_to_string(self.log.join("serve.log")).unwrap();
        // … job{kind="encode" video=vid_… job=7 attempt=1}: a child begins pid=4711
        let begun = log.lines().filter_map(|line| {
            let (job, pid) = line.split_once("}: a child begins pid=")?;
            let (_, attempt) = job.rsplit_once("attempt=")?;
            Some(Busy { pid: pid.trim().parse().ok()?, attempt: attempt.parse().ok()? })
        });
        begun.collect()
    }

    /// `kill -9`, and waits for the end.
    pub(crate) fn kill(mut self) -> Vec<u32> {
        let children = self.children();
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        children
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Four seconds of film that are soon made.
pub(crate) fn small_clip() -> PathBuf {
    Clip::new((320, 180), 25, 4).cached(&Encoding::default(), "mp4").unwrap()
}

/// A number from the environment, if it is there.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Runs a command to its end; gives its exit code, and its output with its errors behind it.
pub(crate) fn ended(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.code(), said)
}

/// Runs a command to its end; gives its exit code, and its errors alone, among which a refusal is said.
pub(crate) fn refused(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A tick after that long: for looking again, and for the random moment of a kill.
pub(crate) async fn after(length: Duration) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + length, length);
    ticks.tick().await;
}

pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Some((ppid, state)) = parent_of(pid)
            && ppid == parent
            && state != 'Z'
        {
            found.push(pid);
        }
    }
    found
}

/// Whether a process is there and no zombie.
pub(crate) fn alive(pid: u32) -> bool {
    parent_of(pid).is_some_and(|(_, state)| state != 'Z')
}

fn parent_of(pid: u32) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let rest = stat.rsplit_once(") ")?.1;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Waits until a condition of processes or files holds.
pub(crate) async fn until(what: &str, wait: Duration, test: impl Fn() -> bool) {
    let deadline = Instant::now() + wait;
    while !test() {
        assert!(Instant::now() < deadline, "not {what} within {wait:?}");
        after(LOOK_EVERY).await;
    }
}

fn log_tail(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(25).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
