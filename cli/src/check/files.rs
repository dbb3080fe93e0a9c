//! The files of a static tree, under URLs whose root is the tree: nothing outside of it can be named.

use std::{
    fs,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use reqwest::Url;
use vidstream_media::check::{Answer, Ask, Place};

use crate::exit::{Code, Failure};

/// The URL of the tree's root.
const ROOT: &str = "file:///";

pub(super) struct Tree {
    root: PathBuf,
}

// === impl Tree ===

impl Tree {
    /// A tree, and the URL to begin at: its root for a folder, else the file.
    pub(super) fn open(path: &Path) -> Result<(Self, String), Failure> {
        let no_input =
            |reason: String| Failure::new(Code::NoInput, format!("cannot read {}: {reason}", path.display()));
        let meta = fs::metadata(path).map_err(|error| no_input(error.to_string()))?;
        if meta.is_dir() {
            return Ok((Self { root: path.to_owned() }, ROOT.to_owned()));
        }
        let name =
            path.file_name().and_then(|name| name.to_str()).ok_or_else(|| no_input("a strange name".to_owned()))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut url = Url::parse(ROOT).map_err(|error| no_input(error.to_string()))?;
        url.set_path(name);
        Ok((Self { root: parent.to_owned() }, url.into()))
    }

    pub(super) fn fetch(&self, ask: &Ask) -> Result<Answer, String> {
        let path = self.path(&ask.place)?;
        let body = read(&path, ask).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "there is no such file".to_owned(),
            io::ErrorKind::UnexpectedEof => "the file ends before the listed range".to_owned(),
            _ => error.to_string(),
        })?;
        Ok(Answer { status: if ask.place.range.is_some() { 206 } else { 200 }, body, ..Answer::default() })
    }

    /// The file of a URL of the tree.
    fn path(&self, place: &Place) -> Result<PathBuf, String> {
        let url = Url::parse(&place.url).map_err(|error| error.to_string())?;
        let parts = url.path_segments().filter(|_| url.scheme() == "file" && url.host().is_none());
        let parts = parts.ok_or_else(|| "it is not in the folder".to_owned())?;
        let mut path = self.root.clone();
        for part in parts {
            let name =
                decoded(part).filter(|name| !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']));
            path.push(name.ok_or_else(|| "it is not in the folder".to_owned())?);
        }
        Ok(path)
    }
}

fn read(path: &Path, ask: &Ask) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let size = file.metadata()?.len();
    let (offset, bytes) = ask.place.range.unwrap_or((0, size));
    if bytes > ask.bytes_max {
        return Err(io::Error::other(format!("it has more than {} bytes", ask.bytes_max)));
    }
    if offset.saturating_add(bytes) > size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut body = Vec::new();
    file.take(bytes).read_to_end(&mut body)?;
    Ok(body)
}

/// A part of a path with its `%`-escapes replaced; `None` if that is no UTF-8.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escape = after.first_chunk::<2>().filter(|_| byte == b'%');
        let code = escape.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { after.get(2..)? } else { after };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use vidstream_media::check::{Crawl, Transport};

    use super::*;

    #[test]
    fn a_file_may_be_as_long_as_was_asked_for_and_not_a_byte_longer() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree { root: folder.path().to_owned() };
        let ask = Crawl::new("file:///a.m3u8", Transport::Files).next().unwrap();
        let file = fs::File::create(folder.path().join("a.m3u8")).unwrap();
        let fetched = |bytes: u64| {
            file.set_len(bytes).unwrap();
            tree.fetch(&ask).map(|answer| answer.body.len() as u64)
        };
        assert_eq!(fetched(ask.bytes_max), Ok(ask.bytes_max));
        assert_eq!(fetched(ask.bytes_max + 1), Err(format!("it has more than {} bytes", ask.bytes_max)));
    }

    #[test]
    fn no_url_leads_out_of_the_tree() {
        let tree = Tree { root: PathBuf::from("/tree") };
        let path = |url: &str| tree.path(&Place { url: url.to_owned(), range: None });
        assert_eq!(path("file:///1/a%20b.m4s").unwrap(), Path::new("/tree/1/a b.m4s"));
        assert_eq!(path("file:///../../etc/passwd").unwrap(), Path::new("/tree/etc/passwd"));
        for url in
            ["file:///%2e%2e%2fetc", "file:///..%2f..%2fetc", "http://h/a", "file://h/a", "file:///a%00", "data:,x"]
        {
            assert!(path(url).is_err(), "{url}");
        }
    }
}
