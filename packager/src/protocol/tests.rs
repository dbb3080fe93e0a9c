//! Frames and messages: what is written is read back, and no bytes from outside do more than fail.

use proptest::prelude::*;
use vidstream_media::Track;

use super::{
    frame::{self, HEADER_BYTES_MAX, PAYLOAD_BYTES_MAX},
    *,
};

fn messages() -> impl Strategy<Value = ToWorker> {
    let ask = prop_oneof![
        (any::<u64>(), any::<u32>()).prop_map(|(offset, bytes)| Ask::Read { object: Input::Source, offset, bytes }),
        any::<u64>().prop_map(|token| Ask::Size { object: Input::Media { track: Track::Trick, first: 3, token } }),
        (any::<u32>(), any::<u64>()).prop_map(|(id, n)| Ask::Open { id: OutputId(id), output: Output::Sheet { n } }),
        any::<u32>().prop_map(|id| Ask::Write { id: OutputId(id) }),
    ];
    prop_oneof![
        (any::<u64>(), ask).prop_map(|(id, ask)| ToWorker::Request { id, ask }),
        (any::<u64>(), any::<u64>()).prop_map(|(done, total)| ToWorker::Progress(Progress { done, total })),
        ".*".prop_map(|text| ToWorker::Log { level: Level::Warn, text }),
        ".*".prop_map(|text| ToWorker::Done(Err(Failure::retryable("code", "title", text)))),
    ]
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

proptest! {
    #[test]
    fn frames_round_trip_one_after_another(
        all in prop::collection::vec((messages(), prop::collection::vec(any::<u8>(), 0..3000)), 0..8),
    ) {
        let mut bytes = Vec::new();
        for (message, payload) in &all {
            frame::write(&mut bytes, message, payload).unwrap();
        }
        let mut rest = bytes.as_slice();
        for expected in &all {
            prop_assert_eq!(&frame::read::<ToWorker>(&mut rest).unwrap().unwrap(), expected);
        }
        prop_assert!(frame::read::<ToWorker>(&mut rest).unwrap().is_none());
        let mut rest = bytes.as_slice();
        for expected in &all {
            let found = runtime().block_on(frame::read_async::<ToWorker>(&mut rest));
            prop_assert_eq!(&found.unwrap().unwrap(), expected);
        }
    }

    #[test]
    fn hostile_bytes_fail_and_nothing_else(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let blocking = frame::read::<ToWorker>(&mut bytes.as_slice());
        let waiting = runtime().block_on(frame::read_async::<ToWorker>(&mut bytes.as_slice()));
        prop_assert_eq!(blocking.is_err(), waiting.is_err());
        prop_assert!(bytes.is_empty() || blocking.is_err());
    }

    #[test]
    fn a_frame_cut_short_is_broken_and_not_a_message(message in messages(), cut in 1usize..100) {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, &message, b"payload").unwrap();
        bytes.truncate(bytes.len() - cut.min(bytes.len() - 1));
        prop_assert!(matches!(frame::read::<ToWorker>(&mut bytes.as_slice()), Err(frame::Error::Broken(_))));
    }

    #[test]
    fn texts_are_cut_at_a_character(text in ".{0,6000}") {
        let short = cut(text.clone());
        prop_assert!(short.len() <= TEXT_BYTES_MAX && text.starts_with(&short));
        prop_assert!(text.len() > TEXT_BYTES_MAX || short == text);
    }
}

#[test]
fn lengths_beyond_the_bounds_are_refused_before_room_is_made() {
    for (header, payload) in [(HEADER_BYTES_MAX + 1, 0), (0, PAYLOAD_BYTES_MAX + 1), (u32::MAX, u32::MAX)] {
        let mut bytes = header.to_le_bytes().to_vec();
        bytes.extend(payload.to_le_bytes());
        let read = frame::read::<ToWorker>(&mut bytes.as_slice());
        assert!(matches!(read, Err(frame::Error::Violation(_))), "{header} {payload}: {read:?}");
    }
    let long = vec![0; PAYLOAD_BYTES_MAX as usize + 1];
    let written = frame::write(&mut Vec::new(), &ToWorker::Progress(Progress { done: 0, total: 0 }), &long);
    assert!(matches!(written, Err(frame::Error::Violation(_))));
}

#[test]
fn the_longest_header_and_payload_are_read_back() {
    let log = |text: String| ToWorker::Log { level: Level::Warn, text };
    let empty_bytes = serde_json::to_vec(&log(String::new())).unwrap().len();
    let longest = log("x".repeat(HEADER_BYTES_MAX as usize - empty_bytes));
    let mut bytes = Vec::new();
    frame::write(&mut bytes, &longest, &vec![7; PAYLOAD_BYTES_MAX as usize]).unwrap();
    let (header, payload) = frame::read::<ToWorker>(&mut bytes.as_slice()).unwrap().unwrap();
    assert!(header == longest && payload.len() == PAYLOAD_BYTES_MAX as usize);
    let longer = log("x".repeat(HEADER_BYTES_MAX as usize - empty_bytes + 1));
    assert!(matches!(frame::write(&mut Vec::new(), &longer, &[]), Err(frame::Error::Violation(_))));
}

#[test]
fn texts_are_cut_at_their_last_byte_that_fits() {
    for (text, bytes) in [
        ("x".repeat(TEXT_BYTES_MAX), TEXT_BYTES_MAX),
        ("x".repeat(TEXT_BYTES_MAX + 1), TEXT_BYTES_MAX),
        (format!("x{}", "é".repeat(TEXT_BYTES_MAX)), TEXT_BYTES_MAX - 1),
    ] {
        assert_eq!(cut(text).len(), bytes);
    }
}

#[test]
fn refusals_and_failures_keep_their_meaning() {
    let full = Failure::from(std::io::Error::from(RefusalKind::Full.error_kind()));
    assert_eq!((full.code.as_str(), full.retryable), ("storage_full", true));
    let missing = Failure::from(std::io::Error::from(RefusalKind::NotFound.error_kind()));
    assert_eq!(missing.code, "object_missing");
}
