//! The rows of a catalog in a file, one line each.

use std::{
    io::{BufRead, BufReader, BufWriter, Write},
    path::Path,
};

use tokio::sync::mpsc::{self, Receiver, Sender};
use vidstream_catalog::{Catalog, Error, State};
use vidstream_media::VideoId;

use super::io;
use crate::exit::{Code, Failure};

/// Lines that wait between catalog and file.
const LINES_WAITING_MAX: usize = 256;
/// A line that is longer, with its end, is no row of ours: plans and chunk indexes of the longest films take some hundred
/// KiB.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Writes all rows into a new file; gives how many. `failed` says what a failure of the catalog is.
pub(super) async fn write(catalog: &Catalog, file: &Path, failed: impl Fn(&Error) -> Failure) -> Result<u64, Failure> {
    let (to, from) = mpsc::channel(LINES_WAITING_MAX);
    let path = file.to_owned();
    let written = tokio::task::spawn_blocking(move || drain(from, &path));
    let exported = catalog.export(to).await;
    // When the file fails, the export ends because nobody takes its lines.
    written.await.map_err(|error| Failure::new(Code::Software, error.to_string()))??;
    exported.map_err(|error| failed(&error))
}

fn drain(mut from: Receiver<String>, path: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| io(path, &error);
    let mut file = BufWriter::new(std::fs::File::create(path).map_err(failed)?);
    while let Some(line) = from.blocking_recv() {
        file.write_all(line.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
    }
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)
}

/// Gives all rows of a file to a catalog; gives how many. `failed` is as in [`write()`].
pub(super) async fn read(catalog: &Catalog, file: &Path, failed: impl Fn(&Error) -> Failure) -> Result<u64, Failure> {
    let (to, from) = mpsc::channel(LINES_WAITING_MAX);
    let path = file.to_owned();
    let given = tokio::task::spawn_blocking(move || give(&to, &path));
    let imported = catalog.import(from).await;
    given.await.map_err(|error| Failure::new(Code::Software, error.to_string()))??;
    imported.map_err(|error| failed(&error))
}

fn give(to: &Sender<String>, path: &Path) -> Result<(), Failure> {
    each_line(path, LINE_BYTES_MAX, |line| to.blocking_send(line).is_ok())
}

/// The videos that may have objects worth copying: an upload that is not at its end has none.
pub(super) fn videos(file: &Path) -> Result<Vec<VideoId>, Failure> {
    let mut ids = Vec::new();
    each_line(file, LINE_BYTES_MAX, |line| {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let columns = line.pointer("/row/columns").filter(|_| line.pointer("/row/table") == Some(&"videos".into()));
        let text = |name| columns.and_then(|columns| columns.get(name)).and_then(serde_json::Value::as_str);
        let id = text("id").and_then(|id| id.parse().ok());
        ids.extend(id.filter(|_: &VideoId| text("state") != Some(State::Uploading.as_str())));
        true
    })?;
    Ok(ids)
}

/// Calls with each line until that wants no more.
fn each_line(path: &Path, line_bytes_max: u64, mut take: impl FnMut(String) -> bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| io(path, &error);
    let mut file = BufReader::new(std::fs::File::open(path).map_err(failed)?);
    loop {
        let mut line = String::new();
        // One byte more than there may be tells a line that is too long from the longest.
        let bytes = std::io::Read::take(&mut file, line_bytes_max + 1).read_line(&mut line).map_err(failed)?;
        if bytes as u64 > line_bytes_max {
            return Err(Failure::new(Code::NoInput, format!("{} has a line that is too long", path.display())));
        }
        if bytes == 0 || !take(line) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_be_so_long_with_its_end_and_not_a_byte_longer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows");
        for (text, taken) in [("1\n23456\n7\n", Ok(3)), ("1\n23456\n789012", Ok(3)), ("1\n234567\n8\n", Err(1))] {
            std::fs::write(&file, text).unwrap();
            let mut lines = 0;
            let read = each_line(&file, 6, |_| {
                lines += 1;
                true
            });
            assert_eq!(read.map(|()| lines).map_err(|_| lines), taken, "{text:?}");
        }
    }
}
