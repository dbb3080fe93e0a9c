//! MP4 and QuickTime files, as the scan walks them.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| logic::file(input));
