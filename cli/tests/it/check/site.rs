//! A stream in memory that a test may change, and a server that serves it as an origin would.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::Arc,
};

/// One file as it is served.
#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) bytes: Vec<u8>,
    /// What every request but the first gets instead.
    pub(crate) again: Option<Vec<u8>>,
    was_served: bool,
    pub(crate) content_type: &'static str,
    pub(crate) cache_control: Option<&'static str>,
    pub(crate) is_plain: bool,
}

/// The files by path.
#[derive(Clone, Default)]
pub(crate) struct Site(pub(crate) BTreeMap<String, File>);

// === impl Site ===

impl Site {
    /// Reads a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let mut site = Self::default();
        site.read_below(folder, "");
        site
    }

    fn read_below(&mut self, folder: &Path, prefix: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                self.read_below(&path, &format!("{name}/"));
            } else {
                self.add(&name, fs::read(&path).unwrap());
            }
        }
    }

    pub(crate) fn add(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        let is_playlist = Path::new(path).extension().is_some_and(|extension| extension == "m3u8");
        let content_type = if is_playlist { "application/vnd.apple.mpegurl" } else { "video/mp4" };
        self.0.insert(path.to_owned(), File { bytes: bytes.into(), content_type, ..File::default() });
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.0.remove(path).unwrap_or_else(|| panic!("no {path}"));
    }

    pub(crate) fn file(&mut self, path: &str) -> &mut File {
        self.0.get_mut(path).unwrap_or_else(|| panic!("no {path}"))
    }

    pub(crate) fn text(&self, path: &str) -> String {
        let file = self.0.get(path).unwrap_or_else(|| panic!("no {path}"));
        String::from_utf8(file.bytes.clone()).unwrap()
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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let site = Arc::new(std::sync::Mutex::new(self));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let site = Arc::clone(&site);
                // Small answers must not wait for acknowledgements.
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || while answer(&stream, &site).is_some() {});
            }
        });
        url
    }
}

/// Answers one request; `None` when the connection has ended.
fn answer(mut stream: &TcpStream, site: &std::sync::Mutex<Site>) -> Option<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next()?.ok()?;
    let headers: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let header = |name: &str| headers.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let target = request.split(' ').nth(1)?.trim_start_matches('/');
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if query.starts_with("_HLS_") {
        return write!(stream, "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").ok();
    }
    let gzip = header("accept-encoding") == Some("gzip");
    let mut site = site.lock().unwrap();
    let Some(file) = site.0.get_mut(path) else {
        return write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok();
    };
    let is_again = std::mem::replace(&mut file.was_served, true);
    let mut body = file.again.clone().filter(|_| is_again).unwrap_or_else(|| file.bytes.clone());
    let caching = file.cache_control.map_or_else(String::new, |rule| format!("cache-control: {rule}\r\n"));
    let mut head = format!("content-type: {}\r\n{caching}", file.content_type);
    let mut status = "200 OK";
    if let Some(range) = header("range") {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
        body = body.get(first..=last.min(body.len() - 1)).unwrap_or_default().to_vec();
        status = "206 Partial Content";
    } else if gzip && !file.is_plain {
        head += "content-encoding: gzip\r\n";
        body = stored_gzip(&body);
    }
    let mut whole = format!("HTTP/1.1 {status}\r\n{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    whole.extend(body);
    stream.write_all(&whole).ok()
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
