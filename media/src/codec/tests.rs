//! Codec strings of configurations that x264, OpenH264-like baseline encoders and AAC encoders write.

use super::*;

fn avc(hex: &str) -> String {
    DecoderConfig::Avc(bytes(hex)).codec_string()
}

fn aac(hex: &str) -> String {
    DecoderConfig::Aac(bytes(hex)).codec_string()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn avc_names_profile_constraints_and_level() {
    let high = "0164001fffe1001a6764001facd9405005bb011000000300100000030300f183196001000668ebe3cb22c0fdf8f800";
    assert_eq!(avc(high), "avc1.64001f");
    let baseline = "0142c00cffe100196742c00cd901419f9f011000000300100000030320f142a48001000568cb83cb20";
    assert_eq!(avc(baseline), "avc1.42c00c");
    let main = "014d400cffe10019674d400ceca0a0cfcf80880000030008000003019078a14cb001000568ebe3cb20";
    assert_eq!(avc(main), "avc1.4d400c");
}

#[test]
fn aac_names_the_audio_object_type() {
    // Low complexity at 48 kHz stereo and 44.1 kHz mono, with the extension that says there is no SBR.
    assert_eq!(aac("119056e500"), "mp4a.40.2");
    assert_eq!(aac("120856e500"), "mp4a.40.2");
    // HE-AAC, announced explicitly.
    assert_eq!(aac("2b11880000"), "mp4a.40.5");
}

#[test]
fn an_object_type_past_30_is_escaped() {
    // 11111 001010: 32 + 10, xHE-AAC.
    assert_eq!(aac("f940"), "mp4a.40.42");
}

#[test]
fn a_truncated_configuration_names_nothing_playable() {
    assert_eq!(avc(""), "avc1.000000");
    assert_eq!(avc("0164"), "avc1.640000");
    assert_eq!(aac(""), "mp4a.40.0");
    assert_eq!(aac("f9"), "mp4a.40.40");
}
