//! Fragments and init segments, as they are read back.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| logic::cmaf(input));
