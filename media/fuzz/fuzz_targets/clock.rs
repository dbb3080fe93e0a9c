//! FLV files and transport streams, as their headers are read beside the demuxer.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| logic::clock(input));
