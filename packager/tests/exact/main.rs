//! Films of every kind through scan, plan and chunks: exact to the frame and the sample.
//!
//! The test kit has a table of films, one a line (`testkit/src/films/films.txt`). By default those marked `core` are
//! made; `TEST_FILMS=short` makes all but those of two hours, `all` makes all, and `mkv open,hole` those whose line has
//! one of the texts. Of most films of two hours only some chunks are made, but for `TEST_WHOLE=all`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking and says what it measured, and its numbers are small"
)]

mod boxes;
mod joins;
mod judge;
mod kind;
mod layout;
mod made;
mod signals;
mod sync;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    time::Instant,
};

use vidstream_testkit::films::{self, Film, Row};

/// Films that are made at once; each has several threads that mostly wait for one another.
const AT_ONCE: usize = 2;

#[test]
fn films_are_exact_to_the_frame_and_the_sample() {
    gst::init().unwrap();
    let wanted = std::env::var("TEST_FILMS").unwrap_or_else(|_| "core".to_owned());
    let queue = Mutex::new(films::rows().into_iter().filter(|row| row.is_wanted(&wanted)).collect::<Vec<_>>());
    let (count, findings) = (queue.lock().unwrap().len(), Mutex::new(Vec::new()));
    assert!(count > 0, "no film has `{wanted}` in its line");
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let next = || queue.lock().unwrap().pop();
                while let Some(row) = next() {
                    // Found before the lock is taken: the other thread goes on meanwhile.
                    let found = findings_of(&row);
                    findings.lock().unwrap().extend(found);
                }
            });
        }
    });
    let findings = findings.into_inner().unwrap();
    assert!(findings.is_empty(), "{count} films:\n{}", findings.join("\n"));
}

/// What is wrong with a film, each with the film's line before it.
fn findings_of(row: &Row) -> Vec<String> {
    let begin = Instant::now();
    let found = catch_unwind(AssertUnwindSafe(|| {
        let folder = tempfile::tempdir().unwrap();
        let film = Film::make(row, folder.path()).unwrap();
        let made = made::make(row, &film, folder.path());
        judge::findings(row, &film, &made)
    }));
    let found = found.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        vec![text.unwrap_or("it panicked").to_owned()]
    });
    // Said at once: the last film may be made hours later.
    println!("{:6.1} s  {}  {row}", begin.elapsed().as_secs_f64(), if found.is_empty() { "exact" } else { "WRONG" });
    for finding in &found {
        println!("          {finding}");
    }
    found.into_iter().map(|finding| format!("{row}: {finding}")).collect()
}
