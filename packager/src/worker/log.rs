//! A child's standard error: bounded lines into the log, and the last ones kept for the reason of a failure.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::ChildStderr,
    task::JoinHandle,
    time::timeout,
};
use tracing::Span;

/// Longer lines are cut.
const LINE_BYTES_MAX: usize = 1024;
/// Lines that one child may put into the log; the rest only counts.
const LINES_MAX: u64 = 500;
/// Last lines that are kept.
const TAIL_LINES: usize = 8;
/// The end of a dead child's output arrives within this time.
const END_WAIT: Duration = Duration::from_millis(500);

/// The last lines of a child.
#[derive(Debug)]
pub(super) struct Tail {
    lines: Arc<Mutex<Kept>>,
    reading: JoinHandle<()>,
}

#[derive(Debug)]
struct Kept {
    last: VecDeque<String>,
    /// What the lines belong to: a spare child gets its job later.
    span: Span,
}

impl Kept {
    fn new() -> Self {
        Self { last: VecDeque::new(), span: Span::none() }
    }
}

/// Cuts a stream of bytes into lines of bounded length.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
}

// === impl Tail ===

impl Tail {
    /// Follows the standard error of a child until it ends.
    pub(super) fn follow(stderr: Option<ChildStderr>) -> Self {
        let lines = Arc::new(Mutex::new(Kept::new()));
        let kept = Arc::clone(&lines);
        let reading = tokio::spawn(async move {
            if let Some(stderr) = stderr {
                read(stderr, &kept).await;
            }
        });
        Self { lines, reading }
    }

    /// Logs further lines as part of a span.
    pub(super) fn attach(&self, span: Span) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).span = span;
    }

    /// The last lines of a child that has ended.
    pub(super) async fn take(mut self) -> String {
        if timeout(END_WAIT, &mut self.reading).await.is_err() {
            self.reading.abort();
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.last.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }
}

async fn read(mut stderr: impl AsyncRead + Unpin, kept: &Mutex<Kept>) {
    let mut lines = Lines::default();
    let mut count = 0_u64;
    let mut buffer = vec![0; 4096];
    // A read error says what an end says: the child is gone.
    while let Ok(bytes @ 1..) = stderr.read(&mut buffer).await {
        for line in lines.push(buffer.get(..bytes).unwrap_or_default()) {
            count += 1;
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if count <= LINES_MAX {
                tracing::debug!(parent: &kept.span, line, "child");
            }
            if kept.last.len() == TAIL_LINES {
                kept.last.pop_front();
            }
            kept.last.push_back(line);
        }
    }
    if count > LINES_MAX {
        tracing::debug!(lines = count - LINES_MAX, "child wrote more lines, not logged");
    }
}

// === impl Lines ===

impl Lines {
    /// The lines that these bytes complete; what exceeds a line's length is dropped.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut done = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                let text = String::from_utf8_lossy(&self.line).trim_end().to_owned();
                self.line.clear();
                if !text.is_empty() {
                    done.push(text);
                }
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(byte);
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_their_bound_and_kept_over_pieces() {
        let mut lines = Lines::default();
        assert!(lines.push(b"one").is_empty());
        assert_eq!(lines.push(b" line\r\n\nnext\nrest"), ["one line", "next"]);
        let long = vec![b'x'; LINE_BYTES_MAX * 3];
        assert!(lines.push(&long).is_empty());
        let cut = lines.push(b"\n");
        assert_eq!(cut[0].len(), LINE_BYTES_MAX);
    }

    #[tokio::test]
    async fn only_the_last_lines_are_kept() {
        let kept = Mutex::new(Kept::new());
        let text = (0..100).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n") + "\n";
        read(text.as_bytes(), &kept).await;
        let kept = kept.into_inner().unwrap().last;
        assert_eq!(kept.len(), TAIL_LINES);
        assert_eq!(kept.back().unwrap(), "line 99");
    }
}
