//! MP4 and QuickTime files, as the scan walks them while they are uploaded.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vidstream_packager::fuzz::walk(input));
