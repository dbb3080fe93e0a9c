//! Runs ffmpeg with a deadline and a bounded memory of what it complained about.

use std::{
    collections::VecDeque,
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    os::fd::AsFd,
    process::{Child, ChildStderr, Command, Stdio},
    thread::JoinHandle,
};

use anyhow::{Context as _, Result, anyhow, bail};

/// No run of ffmpeg may take longer; seconds, as `timeout` reads it. The longest film, of two hours with 5.1 sound,
/// takes more than 13 minutes on two cores beside another film.
const DEADLINE_S: &str = "3600";
/// Last lines of its complaints that an error shows.
const LINES_MAX: usize = 12;
/// Bytes of a pipe to or from ffmpeg: several rows of work instead of Linux's 64 KiB.
const PIPE_BYTES: i32 = 1 << 20;

/// A running ffmpeg; standard output and input are piped.
pub(crate) struct Ffmpeg {
    pub(crate) child: Child,
    errors: JoinHandle<Errors>,
}

/// What ffmpeg wrote on standard error.
#[derive(Default)]
pub(crate) struct Errors {
    /// Time of each picture that a `showinfo` filter saw, seconds.
    pub(crate) pts_s: Vec<f64>,
    /// Seconds of a tick of that filter; it says so before the first picture.
    tick_s: Option<f64>,
    /// Time in samples, and samples, of each block of sound that an `ashowinfo` filter saw.
    pub(crate) blocks: Vec<(i64, usize)>,
    lines: VecDeque<String>,
}

// === impl Ffmpeg ===

impl Ffmpeg {
    /// Starts ffmpeg quietly; `level` is its log level.
    pub(crate) fn start<S: AsRef<OsStr>>(level: &str, args: &[S]) -> Result<Self> {
        let mut child = command("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-nostats", "-y", "-v", level])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start ffmpeg: is it installed?")?;
        let stderr = child.stderr.take().context("ffmpeg without standard error")?;
        Ok(Self { child, errors: std::thread::spawn(move || Errors::read(stderr)) })
    }

    /// Waits for the end; an error carries ffmpeg's last lines.
    pub(crate) fn finish(mut self) -> Result<Errors> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        let errors = self.errors.join().map_err(|_| anyhow!("reading ffmpeg's messages failed"))?;
        if !status.success() {
            bail!("ffmpeg ended with {status}: {}", errors.lines.iter().cloned().collect::<Vec<_>>().join(" | "));
        }
        Ok(errors)
    }
}

// === impl Errors ===

impl Errors {
    fn read(stderr: ChildStderr) -> Self {
        let mut errors = Self::default();
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(samples) = field(&line, " nb_samples:") {
                errors.blocks.extend(field(&line, " pts:").zip(usize::try_from(samples).ok()));
                continue;
            }
            if let Some((_, base)) = line.split_once(" config in time_base: ") {
                errors.tick_s = base.split([',', ' ']).next().and_then(seconds);
                continue;
            }
            // Not its `pts_time`, which is printed with six digits: of a film of some hours, to a hundredth of a second.
            if line.contains(" pts_time:") {
                #[expect(clippy::cast_precision_loss, reason = "ticks of a day stay below 2^53")]
                let ticks = field(&line, " pts:").map(|pts| pts as f64);
                errors.pts_s.extend(ticks.zip(errors.tick_s).map(|(ticks, tick_s)| ticks * tick_s));
                continue;
            }
            if errors.lines.len() == LINES_MAX {
                errors.lines.pop_front();
            }
            errors.lines.push_back(line);
        }
        errors
    }
}

/// The whole number after `name` in a line.
fn field(line: &str, name: &str) -> Option<i64> {
    line.split_once(name)?.1.split_whitespace().next()?.parse().ok()
}

/// A fraction such as `1/90000`.
fn seconds(fraction: &str) -> Option<f64> {
    let (num, den) = fraction.split_once('/')?;
    Some(num.parse::<f64>().ok()? / den.parse::<f64>().ok()?)
}

/// A command that `timeout` ends at the deadline.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=5", DEADLINE_S, program]);
    command
}

/// Runs ffmpeg to its end.
pub(crate) fn run<S: AsRef<OsStr>>(args: &[S]) -> Result<()> {
    Ffmpeg::start("error", args)?.finish().map(drop)
}

/// Makes a pipe as large as an unprivileged process may; a smaller one is only slower.
pub(crate) fn widen(pipe: impl AsFd) {
    let wanted = nix::fcntl::FcntlArg::F_SETPIPE_SZ(PIPE_BYTES);
    if nix::fcntl::fcntl(pipe, wanted).is_err() {
        // The default size works too.
    }
}
