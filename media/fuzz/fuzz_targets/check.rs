//! Served streams, as `vidstream check` judges them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| logic::check(input));
