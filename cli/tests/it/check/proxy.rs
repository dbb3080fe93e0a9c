//! HTTP of the proxy that stands before a real server: what is asked, what is answered, and both on sockets.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::site::Site;

/// A server answers within this, or the test says so.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The coding of bytes as they are.
pub(crate) const IDENTITY: &str = "identity";

/// A request, by what its answer depends on.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Below the folder of the video, with the query.
    pub(crate) path: String,
    /// `Accept-Encoding`.
    pub(crate) coding: String,
    pub(crate) range: Option<String>,
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Such as `200 OK`.
    pub(crate) status: String,
    /// Names in lower case; the length of the body and what concerns the connection are left out.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// A video as a server serves it.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Host and port.
    address: String,
    /// The path of its folder, with the slash at the end.
    folder: String,
}

// === impl Answer ===

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}

// === impl Upstream ===

impl Upstream {
    /// The video `id` of the server at `url`.
    pub(crate) fn new(url: &str, id: &str) -> Self {
        Self { address: url.trim_start_matches("http://").to_owned(), folder: format!("/v/{id}/") }
    }

    /// What the server answers.
    pub(crate) fn ask(&self, asked: &Asked) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        let range = asked.range.as_ref().map_or_else(String::new, |range| format!("range: {range}\r\n"));
        let request = format!(
            "GET {}{} HTTP/1.1\r\nhost: {}\r\naccept-encoding: {}\r\n{range}connection: close\r\n\r\n",
            self.folder, asked.path, self.address, asked.coding
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let lines = head(&mut reader).unwrap_or_else(|| panic!("no answer to {asked:?}"));
        let (first, rest) = lines.split_first().unwrap();
        let mut answer =
            Answer { status: first.split_once(' ').unwrap().1.to_owned(), headers: fields(rest), body: Vec::new() };
        let length = answer.header("content-length").unwrap_or_else(|| panic!("no length of {asked:?}"));
        answer.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut answer.body).unwrap();
        answer.headers.retain(|(name, _)| name != "content-length" && name != "connection");
        answer
    }

    /// The bytes of a file.
    pub(crate) fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.ask(&Asked { path: path.to_owned(), coding: IDENTITY.to_owned(), range: None });
        assert_eq!(answer.status, "200 OK", "{path}");
        answer.body
    }
}

/// Serves it for as long as the test runs; gives the URL of its folder.
pub(crate) fn serve(site: Site) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let site = Arc::new(Mutex::new(site));
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

/// Answers one request; `None` when the connection has ended.
fn answer(mut stream: &TcpStream, site: &Mutex<Site>) -> Option<()> {
    let lines = head(&mut BufReader::new(stream))?;
    let (request, rest) = lines.split_first()?;
    let headers = fields(rest);
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let asked = Asked {
        path: request.split(' ').nth(1)?.trim_start_matches('/').to_owned(),
        coding: header("accept-encoding").unwrap_or_else(|| IDENTITY.to_owned()),
        range: header("range"),
    };
    let answer = site.lock().unwrap().answer(&asked);
    let line = |(name, value): &(String, String)| format!("{name}: {value}\r\n");
    let headers: String = answer.headers.iter().map(line).collect();
    let head = format!("HTTP/1.1 {}\r\n{headers}content-length: {}\r\n\r\n", answer.status, answer.body.len());
    stream.write_all(&[head.into_bytes(), answer.body].concat()).ok()
}

/// The lines before the empty one; `None` when the connection has ended.
fn head(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let lines: Vec<String> = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    Some(lines).filter(|lines| !lines.is_empty())
}

/// Names and values of header lines.
fn fields(lines: &[String]) -> Vec<(String, String)> {
    let fields = lines.iter().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect()
}
