//! Children as processes: started, served, watched and ended. This test program starts itself again
//! as the child, honest or not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::File,
    io::Read,
    os::{fd::AsFd, unix::net::UnixStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, kill},
        wait::waitpid,
    },
    unistd::Pid,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vidstream_media::ladder;
use vidstream_packager::{
    child::{self, local::Local},
    protocol::{
        EncoderChoice, Encoders, Failure, InspectJob, InspectReport, Isolation, Job, Limits, ProbeJob, Progress,
        Report, ToChild, ToWorker, frame,
    },
    worker::{
        process::{ChildConfig, Ended, Launcher, Start},
        watch::Watch,
    },
};
use vidstream_testkit::{Clip, Content, Encoding, corpus};

/// Which part to play when started again.
const ROLE: &str = "VIDSTREAM_TEST_ROLE";
/// Nothing here takes that long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

const WATCH: Watch =
    Watch { busy: Duration::from_secs(20), silence: Duration::from_secs(10), resident_bytes: 400 << 20 };

fn launcher(role: &str, dir: &Path) -> Launcher {
    let config = ChildConfig {
        program: std::env::current_exe().unwrap(),
        args: ["role", "--exact", "--nocapture", "--test-threads=1"].map(Into::into).to_vec(),
        env: vec![(ROLE.into(), role.into()), ("ROLE_DIR".into(), dir.into())],
        limits: Limits { address_space_bytes: 8 << 30, cpu_s: 60, file_bytes: 1 << 30, open_files: 256 },
        watch: WATCH,
        preload: vec!["avdec_h264".into(), "no-such-element".into()],
    };
    Launcher::new(config, dir, &dir.join("registry.bin")).unwrap()
}

/// Not a test by itself: what the others start again.
#[test]
fn role() {
    match std::env::var(ROLE).as_deref() {
        Ok("real") => assert_eq!(child::main(), child::EXIT_DONE),
        Ok("parent") => parent(),
        Ok("deaf") => forever(),
        Ok(other) => hostile(other),
        Err(_) => {}
    }
}

/// A child that keeps to the protocol until it has its job.
fn hostile(role: &str) {
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    frame::read::<ToChild>(&mut socket).unwrap();
    let ready = ToWorker::Ready { isolation: Isolation::Filter, start_ms: 0 };
    frame::write(&mut socket, &ready, &[]).unwrap();
    frame::read::<ToChild>(&mut socket).unwrap();
    match role {
        "crash" => {
            eprintln!("about to crash");
            std::process::abort();
        }
        "used up" => nix::sys::signal::raise(Signal::SIGXCPU).unwrap(),
        "leak" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 8 << 20]);
                frame::write(&mut socket, &ToWorker::Progress(Progress { done: 1, total: 2 }), &[]).unwrap();
            }
        }
        "long header" => std::io::Write::write_all(&mut socket, &[0xff; 64]).unwrap(),
        "ready twice" => frame::write(&mut socket, &ready, &[]).unwrap(),
        _ => {}
    }
    forever();
}

fn forever() {
    loop {
        std::thread::park();
    }
}

/// A worker that starts a child, tells its number and is then killed.
fn parent() {
    let dir = std::env::var("ROLE_DIR").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let spare = runtime.block_on(launcher("real", Path::new(&dir)).launch(Start::Cold)).unwrap();
    eprintln!("{}", spare.pid().unwrap());
    forever();
}

async fn end_of(role: &str, watch: Watch) -> Failure {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    File::create(&source).unwrap();
    let (_io, local) = vidstream_packager::child::ChildIo::local(dir.path(), &source).unwrap();
    let spare = launcher(role, dir.path()).launch(Start::Cold).await.unwrap();
    let pid = spare.pid().unwrap();
    let ended = timeout(PATIENCE, spare.run(inspect(), 0, watch, local, &CancellationToken::new())).await.unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the process is gone and reaped");
    let Ended::Reported(Err(failure)) = ended else { panic!("{role}: {ended:?}") };
    failure
}

/// What some decoder of each machine takes.
const H264: &str = "video/x-h264, stream-format=(string)avc, alignment=(string)au";

fn inspect() -> Job {
    Job::Inspect(InspectJob {
        elements: vec!["fakesink".into(), "no-such-element".into()],
        decoded: vec![H264.into(), "video/x-of-nobody".into()],
    })
}

fn local(dir: &Path) -> Local {
    let source = dir.join("source");
    File::create(&source).unwrap();
    child::ChildIo::local(dir, &source).unwrap().1
}

#[tokio::test]
async fn a_child_does_its_job_and_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let launcher = launcher("real", dir.path());
    let spare = launcher.launch(Start::Refresh).await.unwrap();
    let pid = spare.pid().unwrap();
    let ended = spare.run(inspect(), 0, WATCH, local(dir.path()), &CancellationToken::new()).await;
    let Ended::Reported(Ok(Report::Inspect(InspectReport { available }))) = ended else { panic!("{ended:?}") };
    assert_eq!(available, ["fakesink", H264]);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("child-")), "{left:?}");
    // The registry is there now: another start is short.
    let started = std::time::Instant::now();
    let spare = launcher.launch(Start::Cold).await.unwrap();
    eprintln!("second start: {:?}, of which main {} ms, {:?}", started.elapsed(), spare.start_ms, spare.isolation);
    let started = std::time::Instant::now();
    let mut spare = launcher.launch(Start::Warm).await.unwrap();
    eprintln!("warm start: {:?}, of which main {} ms", started.elapsed(), spare.start_ms);
    assert!(spare.is_alive());
    spare.discard().await;
}

#[tokio::test]
async fn a_child_holds_its_socket_and_nothing_else_of_the_worker() {
    let dir = tempfile::tempdir().unwrap();
    let _held = File::open("/etc/passwd").unwrap();
    // What the worker was started with itself goes through every exec, unlike what it opened.
    let inherited = File::open("/etc/hostname").unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let spare = launcher("real", dir.path()).launch(Start::Refresh).await.unwrap();
    let folder = format!("/proc/{}/fd", spare.pid().unwrap());
    let mut sockets = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap().to_string_lossy().into_owned();
        sockets += usize::from(target.starts_with("socket:"));
        let own = ["socket:", "pipe:", "anon_inode:", "/dev/null"].iter().any(|kind| target.starts_with(kind));
        assert!(own, "{target}");
    }
    assert_eq!(sockets, 1);
}

#[tokio::test]
async fn many_children_leave_no_descriptor_behind() {
    let dir = tempfile::tempdir().unwrap();
    let launcher = launcher("real", dir.path());
    drop(
        launcher
            .launch(Start::Refresh)
            .await
            .unwrap()
            .run(inspect(), 0, WATCH, local(dir.path()), &CancellationToken::new())
            .await,
    );
    let count = || {
        let entries = std::fs::read_dir("/proc/self/fd").unwrap();
        entries
            .filter(|entry| {
                std::fs::read_link(entry.as_ref().unwrap().path())
                    .is_ok_and(|to| to.to_string_lossy().starts_with("pipe:"))
            })
            .count()
    };
    // Other tests of this program start children too, so a leak shows as growth beyond theirs.
    let before = count();
    for _ in 0..20 {
        let spare = launcher.launch(Start::Cold).await.unwrap();
        drop(spare.run(inspect(), 0, WATCH, local(dir.path()), &CancellationToken::new()).await);
    }
    assert!(count() < before + 15, "{before} descriptors, then {}", count());
}

#[tokio::test]
async fn a_child_that_crashes_fails_its_attempt_with_its_last_words() {
    let failure = end_of("crash", WATCH).await;
    assert_eq!(failure.code, "worker_crash");
    assert!(
        failure.retryable && failure.detail.contains("signal 6") && failure.detail.contains("about to crash"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_child_that_hangs_is_killed() {
    let failure = end_of("hang", Watch { silence: Duration::from_millis(600), ..WATCH }).await;
    assert_eq!(failure.code, "worker_silent");
    let failure = end_of("hang", Watch { busy: Duration::from_millis(600), ..WATCH }).await;
    assert_eq!(failure.code, "worker_slow");
}

#[tokio::test]
async fn a_child_that_used_up_its_processor_time_is_told_from_a_crash() {
    assert_eq!(end_of("used up", WATCH).await.code, "worker_cpu");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_get_ready_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let began = tokio::time::Instant::now();
    let failure = launcher("deaf", dir.path()).launch(Start::Cold).await.unwrap_err();
    assert!(failure.code == "worker_start" && failure.detail.contains("ready in time"), "{failure}");
    assert!(began.elapsed() >= Duration::from_secs(20));
}

#[tokio::test]
async fn a_child_that_leaks_is_killed() {
    let failure = end_of("leak", WATCH).await;
    assert_eq!(failure.code, "worker_oom");
}

/// What a real child makes of these bytes as the source of a film; its process is gone then.
async fn probed(launcher: &Launcher, source: &[u8]) -> Result<Report, Failure> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("source");
    std::fs::write(&path, source).unwrap();
    let (_io, local) = child::ChildIo::local(dir.path(), &path).unwrap();
    let choice =
        |plugin: &str, codec: &str| EncoderChoice { plugin: plugin.into(), version: "1".into(), codec: codec.into() };
    let job = Job::Probe(ProbeJob {
        gop_s: 2.0,
        segment_s: 4.0,
        ladder: ladder::Config::default(),
        encoders: Encoders { video: choice("x264", "h264"), audio: choice("avenc-aac", "aac"), overrides: Vec::new() },
    });
    let spare = launcher.launch(Start::Cold).await.unwrap();
    let pid = spare.pid().unwrap();
    let ended = timeout(PATIENCE, spare.run(job, 0, WATCH, local, &CancellationToken::new())).await.unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "the process is gone and reaped");
    let Ended::Reported(result) = ended else { panic!("{ended:?}") };
    result
}

#[tokio::test]
async fn damaged_films_end_with_a_plan_or_a_code_and_the_next_one_is_read() {
    /// Where containers say what is in them.
    const HEAD_BYTES: usize = 2_048;
    let dir = tempfile::tempdir().unwrap();
    let launcher = launcher("real", dir.path());
    launcher.launch(Start::Refresh).await.unwrap().discard().await;
    let clip = Clip { content: Content::Calm, ..Clip::new((320, 180), 25, 2) };
    let h264 = Encoding::default;
    let vp8 = Encoding {
        video: "libvpx".to_owned(),
        preset: None,
        crf: None,
        audio: "libopus".to_owned(),
        extra: ["-b:v", "200k", "-deadline", "realtime", "-cpu-used", "8"].map(str::to_owned).to_vec(),
        ..h264()
    };
    let mp3 = Encoding { audio: "libmp3lame".to_owned(), ..h264() };
    for (kind, encoding) in [("mkv", h264()), ("webm", vp8), ("avi", mp3), ("ts", h264()), ("flv", h264())] {
        let film = std::fs::read(clip.cached(&encoding, kind).unwrap()).unwrap();
        let (head, rest) = film.split_at(HEAD_BYTES);
        let damaged = [
            corpus::mutation(kind, 1, &film),
            [&corpus::mutation(kind, 2, head)[..], rest].concat(),
            [&corpus::mutation(kind, 3, head)[..], rest].concat(),
        ];
        for (nth, source) in damaged.iter().enumerate() {
            match probed(&launcher, source).await {
                Ok(report) => assert!(matches!(report, Report::Probe(_)), "{kind} {nth}: {report:?}"),
                // A panic would be ours, and not that of a codec.
                Err(failure) => assert!(!matches!(&*failure.code, "" | "internal"), "{kind} {nth}: {failure:?}"),
            }
        }
        let whole = probed(&launcher, &film).await;
        assert!(matches!(whole, Ok(Report::Probe(_))), "{kind}: {whole:?}");
    }
}

#[tokio::test]
async fn a_child_that_breaks_the_protocol_is_killed() {
    for role in ["long header", "ready twice"] {
        let failure = end_of(role, WATCH).await;
        assert_eq!(failure.code, "worker_protocol", "{failure}");
    }
}

#[tokio::test]
async fn a_cancelled_job_ends_its_child_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let spare = launcher("hang", dir.path()).launch(Start::Cold).await.unwrap();
    let pid = spare.pid().unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let ended =
        timeout(Duration::from_secs(2), spare.run(inspect(), 0, WATCH, local(dir.path()), &cancel)).await.unwrap();
    assert!(matches!(ended, Ended::Cancelled));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn no_child_outlives_its_worker() {
    // The orphan becomes this process's child, so that its end can be waited for.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["role", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, "parent")
        .env("ROLE_DIR", dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = String::new();
    let mut byte = [0];
    let mut stderr = parent.stderr.take().unwrap();
    while !text.ends_with('\n') {
        stderr.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    let child = Pid::from_raw(text.trim().parse().unwrap());
    assert!(Path::new(&format!("/proc/{child}")).exists());
    kill(Pid::from_raw(i32::try_from(parent.id()).unwrap()), Signal::SIGKILL).unwrap();
    parent.wait().unwrap();
    let status = waitpid(child, None).unwrap();
    assert!(!Path::new(&format!("/proc/{child}")).exists(), "{status:?}");
}
