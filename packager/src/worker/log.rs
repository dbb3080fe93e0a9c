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
    lines: Arc<Mutex<VecDeque<String>>>,
    reading: JoinHandle<()>,
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
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        let span = tracing::Span::current();
        let reading = tokio::spawn(async move {
            if let Some(stderr) = stderr {
                tracing::Instrument::instrument(read(stderr, &kept), span).await;
            }
        });
        Self { lines, reading }
    }

    /// The last lines of a child that has ended.
    pub(super) async fn take(mut self) -> String {
        if timeout(END_WAIT, &mut self.reading).await.is_err() {
            self.reading.abort();
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }
}

async fn read(mut stderr: impl AsyncRead + Unpin, kept: &Mutex<VecDeque<String>>) {
    let mut lines = Lines::default();
    let mut count = 0_u64;
    let mut buffer = vec![0; 4096];
    // A read error says what an end says: the child is gone.
    while let Ok(bytes @ 1..) = stderr.read(&mut buffer).await {
        for line in lines.push(buffer.get(..bytes).unwrap_or_default()) {
            count += 1;
            if count <= LINES_MAX {
                tracing::debug!(line, "child");
            }
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() == TAIL_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
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
        let kept = Mutex::default();
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        read(text.as_bytes(), &kept).await;
        let kept = kept.into_inner().unwrap();
        assert_eq!(kept.len(), TAIL_LINES);
        assert_eq!(kept.back().unwrap(), "line 99");
    }
}
