//! Byte streams behind demuxers: parameter sets that are put in, and the order of pictures.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vidstream_packager::fuzz::units(input));
