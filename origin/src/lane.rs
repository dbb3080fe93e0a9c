//! Which of the threads that serve connections this one is.
//!
//! What every request writes to is kept once for each of them: a counter or a lock that two cores share goes from one
//! to the other with each request, and some twenty of those cost a tenth of an answer from memory.

use std::{cell::Cell, thread};

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(0) };
}

/// How many there are: one for each core.
pub(crate) fn count() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Says that this thread is one of them.
pub(crate) fn enter(number: usize) {
    NUMBER.set(number);
}

/// Which one this thread is, from 0; other threads share what the first has.
pub(crate) fn number() -> usize {
    NUMBER.get()
}
