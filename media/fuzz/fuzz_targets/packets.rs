//! Packet files and what is planned from them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| logic::packets(input));
