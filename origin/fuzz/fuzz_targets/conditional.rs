//! Conditional and negotiating headers.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vidstream_origin::fuzz::conditional(input));
