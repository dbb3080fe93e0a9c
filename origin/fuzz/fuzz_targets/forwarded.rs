//! The `X-Forwarded-For` of a proxy, trusted and not.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vidstream_origin::fuzz::forwarded(input));
