//! A packager alone, as those meet it who watch it: whether it is well, and what it has done.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use vidstream_testkit::{Clip, Encoding, postgres};

use crate::server::{LOOK_EVERY, Server, VIDSTREAM, after};

const START_WAIT_MAX: Duration = Duration::from_secs(20);
const READY_WAIT_MAX: Duration = Duration::from_mins(2);
/// What changed is seen within this: a connection that is given up, a child that is tried again.
const SEEN_WAIT_MAX: Duration = Duration::from_secs(30);
/// All has ended 5 s after it was told to, and a busy machine may add to that.
const END_WAIT_MAX: Duration = Duration::from_secs(8);

struct Packager {
    child: Child,
    admin: String,
    http: reqwest::Client,
}

// === impl Packager ===

impl Packager {
    /// Starts a packager and waits until it says where it can be asked.
    async fn start(data: &Path, flags: &[&str]) -> Self {
        let address = data.join("packager.addr");
        let _ = fs::remove_file(&address);
        fs::create_dir_all(data).unwrap();
        let log = data.join("packager.log");
        let stderr = fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(VIDSTREAM);
        command.args(["packager", "--data"]).arg(data).args(flags);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        let said = || fs::read_to_string(&log).unwrap_or_default();
        let deadline = Instant::now() + START_WAIT_MAX;
        while !address.exists() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {}", said());
            after(LOOK_EVERY).await;
        }
        let admin = format!("http://{}", fs::read_to_string(&address).unwrap().trim());
        assert!(said().contains(&format!("admin on {admin}")), "{}", said());
        // Plaintext needs no certificates; a provider must be there nonetheless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        Self { child, admin, http }
    }

    async fn ask(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(format!("{}{path}", self.admin)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Asks until it is ready, or is not for this reason.
    async fn until(&self, status: u16, reason: &str) {
        let deadline = Instant::now() + SEEN_WAIT_MAX;
        loop {
            let (found, text) = self.ask("/readyz").await;
            if found == status && text.contains(reason) {
                return;
            }
            assert!(Instant::now() < deadline, "not {status} {reason}: {found} {text}");
            after(LOOK_EVERY).await;
        }
    }
}

impl Drop for Packager {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Beside an origin, which has the same data folder and another admin listener.
#[tokio::test(flavor = "multi_thread")]
async fn a_packager_alone_says_what_it_has_done() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let origin = Server::origin(data, &[]).await;
    let mut packager = Packager::start(data, &[]).await;
    assert_eq!(packager.ask("/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(packager.ask("/readyz").await, (200, "ready\n".to_owned()));
    assert_eq!(packager.ask("/v1/videos").await.0, 404);
    let of_origin = fs::read_to_string(data.join("admin.addr")).unwrap();
    assert!(!packager.admin.ends_with(of_origin.trim()), "{of_origin}");

    let clip = Clip::new((320, 180), 25, 8).cached(&Encoding::default(), "mp4").unwrap();
    let id = origin.upload(&clip).await;
    origin.until(&id, "ready", READY_WAIT_MAX, |video| video["state"] == "ready").await;
    // The last job is counted a moment after its film is ready.
    let counted = [
        r#"vidstream_jobs_started_total{kind="probe"} 1"#,
        r#"vidstream_jobs_ended_total{kind="probe",result="finished"} 1"#,
        r#"vidstream_jobs_ended_total{kind="finalize",result="finished"} 1"#,
        r#"vidstream_jobs_running{kind="encode"} 0"#,
        r#"vidstream_job_seconds{kind="encode",quantile="0.95"} "#,
        "vidstream_children_started_total ",
    ];
    let deadline = Instant::now() + SEEN_WAIT_MAX;
    loop {
        let (status, text) = packager.ask("/metrics").await;
        let missing: Vec<_> =
            counted.iter().filter(|line| !text.lines().any(|found| found.starts_with(**line))).collect();
        if status == 200 && missing.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{status}, {missing:?} in {text}");
        after(LOOK_EVERY).await;
    }

    kill(Pid::from_raw(packager.child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + END_WAIT_MAX;
    let ended = loop {
        if let Some(ended) = packager.child.try_wait().unwrap() {
            break ended;
        }
        assert!(Instant::now() < deadline, "it does not end");
        after(LOOK_EVERY).await;
    };
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packager_that_can_do_no_job_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let origin = Server::origin(data, &[]).await;
    let packager = Packager::start(data, &[]).await;
    packager.until(200, "ready\n").await;

    let (objects, away) = (data.join("objects"), data.join("away"));
    fs::rename(&objects, &away).unwrap();
    packager.until(503, "the store does not answer").await;
    fs::rename(&away, &objects).unwrap();
    packager.until(200, "ready\n").await;

    // No child has a place of its own; one is started when a job has taken that which waited.
    let children = data.join("children");
    fs::rename(&children, &away).unwrap();
    let garbage = data.join("garbage");
    fs::write(&garbage, vec![7; 100_000]).unwrap();
    origin.upload(&garbage).await;
    packager.until(503, "children do not start: worker_start").await;
    fs::rename(&away, &children).unwrap();
    packager.until(200, "ready\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packager_is_not_ready_while_its_database_is_away() {
    let database = postgres::Server::start(None).unwrap();
    let catalog = format!("catalog.url={}", database.database().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let packager = Packager::start(folder.path(), &["--set", &catalog]).await;
    packager.until(200, "ready\n").await;
    database.kill().unwrap();
    packager.until(503, "").await;
    assert_eq!(packager.ask("/healthz").await, (200, "ok\n".to_owned()));
    database.restart().unwrap();
    packager.until(200, "ready\n").await;
}

/// It answers, and is read from: only who claims finds out.
#[tokio::test(flavor = "multi_thread")]
async fn a_packager_is_not_ready_while_its_database_only_reads() {
    let database = postgres::Server::start(None).unwrap();
    let url = database.database().unwrap();
    let name = url.rsplit('/').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let packager = Packager::start(folder.path(), &["--set", &format!("catalog.url={url}")]).await;
    packager.until(200, "ready\n").await;
    let outside = |statement: &str| database.execute(&database.url("postgres"), statement).unwrap();
    outside(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    outside(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"));
    packager.until(503, "read-only").await;
    outside(&format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    packager.until(200, "ready\n").await;
}
