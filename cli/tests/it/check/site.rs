//! What a real server serves of a video, and what a test changes of it on the way to the client.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::proxy::{self, Answer, Asked, IDENTITY, Upstream};
use crate::server::Server;

/// A name that no server has: what is removed is answered as the server answers this one.
const GONE: &str = "gone";

/// One file that is not served as the server has it.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    /// What every request but the first gets instead.
    pub(crate) again: Option<Vec<u8>>,
    /// Headers that say something else, by their names in lower case.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    /// Whether it is never compressed.
    pub(crate) is_plain: bool,
    was_served: bool,
    /// The file of the server whose answers it has but for the bytes, and the bytes of that one if it is the same.
    like: String,
    served: Option<Vec<u8>>,
}

/// A served video: everything is passed on to its server but what is changed.
#[derive(Clone)]
pub(crate) struct Site {
    upstream: Arc<Upstream>,
    /// Changed files by path; `None` is one that is removed.
    changed: BTreeMap<String, Option<File>>,
    /// Whether reloads that may block are understood, and those that make no sense refused.
    pub(crate) blocks: bool,
}

// === impl Site ===

impl Site {
    /// The video `id` of a server, as it is.
    pub(crate) fn of(server: &Server, id: &str) -> Self {
        Self { upstream: Arc::new(Upstream::new(&server.url, id)), changed: BTreeMap::new(), blocks: false }
    }

    /// Adds a file that the server has not; it gets the headers of one of its kind that the server has.
    pub(crate) fn add(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        let like = match Path::new(path).extension().and_then(|extension| extension.to_str()) {
            Some("m3u8") => "1/240p/index.m3u8",
            Some("vtt") => "1/thumbnails.vtt",
            _ => "1/240p/1.m4s",
        };
        self.changed.insert(path.to_owned(), Some(File::new(like, bytes.into(), None)));
    }

    pub(crate) fn remove(&mut self, path: &str) {
        // What is not there cannot be taken away.
        self.bytes(path);
        self.changed.insert(path.to_owned(), None);
    }

    /// A file, to be changed.
    pub(crate) fn file(&mut self, path: &str) -> &mut File {
        let upstream = &self.upstream;
        let as_served = || {
            let bytes = upstream.bytes(path);
            Some(File::new(path, bytes.clone(), Some(bytes)))
        };
        let file = self.changed.entry(path.to_owned()).or_insert_with(as_served);
        file.as_mut().unwrap_or_else(|| panic!("no {path}"))
    }

    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        match self.changed.get(path) {
            Some(file) => file.as_ref().unwrap_or_else(|| panic!("no {path}")).bytes.clone(),
            None => self.upstream.bytes(path),
        }
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    pub(crate) fn edit(&mut self, path: &str, change: impl FnOnce(&str) -> String) {
        let text = self.text(path);
        let changed = change(&text);
        assert_ne!(text, changed, "{path} is as it was");
        self.file(path).bytes = changed.into_bytes();
    }

    /// Replaces the first occurrence.
    pub(crate) fn replace(&mut self, path: &str, from: &str, to: &str) {
        self.edit(path, |text| text.replacen(from, to, 1));
    }

    pub(crate) fn replace_all(&mut self, path: &str, from: &str, to: &str) {
        self.edit(path, |text| text.replace(from, to));
    }

    /// Takes out the lines that begin so, and the URI lines after them if asked.
    pub(crate) fn drop_lines(&mut self, path: &str, start: &str, with_uri: bool) {
        self.edit(path, |text| {
            let mut drops_uri = false;
            let kept = text.lines().filter(|line| {
                let is_dropped = line.starts_with(start) || drops_uri && !line.starts_with('#');
                drops_uri = with_uri && line.starts_with(start);
                !is_dropped
            });
            kept.flat_map(|line| [line, "\n"]).collect()
        });
    }

    /// Multiplies a number after `mark` in the first line that begins so.
    pub(crate) fn scale(&mut self, path: &str, line: &str, mark: &str, percent: u64) {
        self.edit(path, |text| {
            let at = text.find(line).unwrap_or_else(|| panic!("no {line}"));
            let at = at + text[at..].find(mark).unwrap() + mark.len();
            let digits = text[at..].bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = text[at..at + digits].parse().unwrap();
            format!("{}{}{}", &text[..at], number * percent / 100, &text[at + digits..])
        });
    }

    /// Serves it for as long as the test runs; gives the URL of its folder.
    pub(crate) fn serve(self) -> String {
        proxy::serve(self)
    }

    /// The server's answer, changed.
    pub(crate) fn answer(&mut self, asked: &Asked) -> Answer {
        if self.blocks && asked.path.contains("?_HLS_") {
            return Answer { status: "400 Bad Request".to_owned(), headers: Vec::new(), body: Vec::new() };
        }
        match self.changed.get_mut(&asked.path) {
            None => self.upstream.ask(asked),
            Some(None) => self.upstream.ask(&Asked { path: GONE.to_owned(), ..asked.clone() }),
            Some(Some(file)) => file.answer(&self.upstream, asked),
        }
    }
}

// === impl File ===

impl File {
    fn new(like: &str, bytes: Vec<u8>, served: Option<Vec<u8>>) -> Self {
        let (headers, like) = (Vec::new(), like.to_owned());
        Self { bytes, again: None, headers, is_plain: false, was_served: false, like, served }
    }

    fn answer(&mut self, upstream: &Upstream, asked: &Asked) -> Answer {
        let is_again = std::mem::replace(&mut self.was_served, true);
        let bytes = self.again.as_ref().filter(|_| is_again).unwrap_or(&self.bytes);
        let coding = if self.is_plain { IDENTITY } else { asked.coding.as_str() };
        let asked = Asked { path: self.like.clone(), coding: coding.to_owned(), range: asked.range.clone() };
        let is_as_served = self.served.as_ref() == Some(bytes);
        let mut answer = if is_as_served { upstream.ask(&asked) } else { replaced(upstream, &asked, bytes) };
        for (name, value) in &self.headers {
            answer.set(name, value);
        }
        answer
    }
}

/// What the server would answer if it had these bytes.
fn replaced(upstream: &Upstream, asked: &Asked, bytes: &[u8]) -> Answer {
    // The range may lie beyond what the server has; its answer to any is like that to this one.
    let range = asked.range.as_ref().map(|_| "bytes=0-0".to_owned());
    let mut answer = upstream.ask(&Asked { range, ..asked.clone() });
    answer.body = match &asked.range {
        Some(range) => {
            let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            if first >= bytes.len() {
                return Answer { status: "416 Range Not Satisfiable".to_owned(), headers: vec![], body: vec![] };
            }
            let last = last.min(bytes.len() - 1);
            answer.set("content-range", &format!("bytes {first}-{last}/{}", bytes.len()));
            bytes[first..=last].to_vec()
        }
        None if answer.header("content-encoding") == Some("gzip") => stored_gzip(bytes),
        None => bytes.to_vec(),
    };
    answer
}

/// A gzip member of stored blocks (RFC 1951 §3.2.4, RFC 1952).
fn stored_gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks: Vec<&[u8]> = bytes.chunks(0xffff).collect();
    for (n, block) in blocks.iter().enumerate() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(n + 1 == blocks.len()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(*block);
    }
    let crc = !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    });
    out.extend(crc.to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out
}
