//! A job's reads and writes, through the real protocol and service, against plain files.

use std::{fs, io::Write, thread};

use vidstream_packager::{
    child::ChildIo,
    protocol::{Input, Output, OutputId, Progress, frame::PAYLOAD_BYTES_MAX},
};

#[test]
fn bytes_come_back_as_they_are_and_short_only_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    let bytes: Vec<u8> = (0..PAYLOAD_BYTES_MAX + 1000).map(|n| (n % 251) as u8).collect();
    fs::write(&source, &bytes).unwrap();
    let (io, _local) = ChildIo::local(dir.path(), &source).unwrap();
    assert_eq!(io.size(Input::Source).unwrap(), Some(bytes.len() as u64));
    assert_eq!(io.read(Input::Source, 0, u32::MAX).unwrap(), bytes);
    assert_eq!(io.read(Input::Source, 7, 10).unwrap(), bytes[7..17]);
    assert_eq!(io.read(Input::Source, bytes.len() as u64 - 3, 10).unwrap(), bytes[bytes.len() - 3..]);
    assert_eq!(io.read(Input::Remux, 0, 1).unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn outputs_exist_once_finished_and_are_inputs_of_later_jobs() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    fs::write(&source, b"x").unwrap();
    let (io, local) = ChildIo::local(dir.path(), &source).unwrap();
    let id = io.open_output(Output::Packets).unwrap();
    let large = vec![7; PAYLOAD_BYTES_MAX as usize + 5];
    io.write(id, &large).unwrap();
    assert!(!local.path(Output::Packets).exists());
    assert_eq!(io.finish(id).unwrap(), large.len() as u64);
    assert_eq!(io.read(Input::Packets, 0, u32::MAX).unwrap(), large);
    assert_eq!(io.write(OutputId(99), b"x").unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    io.progress(Progress { done: 1, total: 2 }).unwrap();
    // Messages are taken in order, so an answered request says that the report has arrived.
    io.size(Input::Source).unwrap();
    assert_eq!(local.progress_reports(), [Progress { done: 1, total: 2 }]);
}

#[test]
fn a_read_waits_for_a_growing_source_while_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    let mut file = fs::File::create(&source).unwrap();
    file.write_all(b"head").unwrap();
    let (io, local) = ChildIo::local_growing(dir.path(), &source).unwrap();
    assert_eq!(io.size(Input::Source).unwrap(), None);
    let waiting = io.clone();
    let tail = thread::spawn(move || waiting.read(Input::Source, 4, 10).unwrap());
    assert_eq!(io.read(Input::Source, 0, 4).unwrap(), b"head");
    file.write_all(b"tail").unwrap();
    local.complete_source();
    assert_eq!(tail.join().unwrap(), b"tail");
}
