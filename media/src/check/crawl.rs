//! What is asked for and in which order: documents, initialisation segments, segments, and the documents again.
//!
//! No request is made here: the caller fetches what [`Crawl::next`] asks for and hands it back. Segments are
//! reduced to facts as they come, so that memory grows with what is listed and not with its bytes.

use std::collections::{BTreeSet, VecDeque};

use super::{
    gzip,
    image::Image,
    init::Init,
    media::{Media, Roles},
    mpd::{Listed, Mpd},
    multivariant::{Item, Multivariant, Tag},
    place::{Place, folder, resolve},
    playlist::Text,
    report::Report,
    rules,
    segment::{self, Segment},
    stream::{Coding, Document, Resource, Stream, Transport},
    text_track::TextTrack,
};

/// Bytes of a playlist or an MPD.
const DOCUMENT_BYTES_MAX: u64 = 16 << 20;
/// Bytes of an initialisation segment or a segment index.
const INIT_BYTES_MAX: u64 = 4 << 20;
/// Bytes of a media segment; half a minute at 64 Mb/s.
const SEGMENT_BYTES_MAX: u64 = 256 << 20;
/// Playlists of one stream.
const PLAYLISTS_MAX: usize = 512;
/// Segments, parts and initialisation segments of one stream.
const RESOURCES_MAX: usize = 1 << 19;

/// Segments that all playlists together may list.
const ENTRIES_MAX: usize = 1 << 19;
/// Boxes and track runs of all segments that are kept as facts.
const FACTS_MAX: usize = 1 << 21;

/// Something to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What and where.
    pub place: Place,
    /// Whether to say `Accept-Encoding: gzip`; else nothing may be encoded.
    pub gzip: bool,
    /// A longer body is a failure.
    pub bytes_max: u64,
    purpose: Purpose,
}

/// What the server said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status; 200 or 206 for a file.
    pub status: u16,
    /// Where redirections led; `None` if there were none.
    pub url: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// The body, exactly the asked range if there was one.
    pub body: Vec<u8>,
}

/// Nothing could be judged.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// No document could be had.
    #[error("{0}")]
    NoDocument(String),
    /// The document is neither a multivariant playlist nor an MPD.
    #[error("{0} is neither a multivariant playlist nor an MPD")]
    NotAStream(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    Entry,
    Playlist(Roles),
    Init,
    Index,
    Segment(Option<Place>),
    /// Its samples are encrypted as a whole.
    Sealed,
    Text,
    Image,
    Again(usize),
    Gzip(usize),
    Probe,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Documents,
    Inits,
    Segments,
    Again,
}

/// The walk over one stream.
#[derive(Debug, Default)]
pub struct Crawl {
    stream: Stream,
    queue: VecDeque<Ask>,
    asked: BTreeSet<Place>,
    /// Segments listed so far, and facts kept.
    entries: usize,
    facts: usize,
    phase: Phase,
    failure: Option<Error>,
}

// === impl Crawl ===

impl Crawl {
    /// A walk that begins at `url`: a multivariant playlist, an MPD, or, if it ends with a slash, the folder of
    /// `master.m3u8` and `manifest.mpd`.
    pub fn new(url: &str, transport: Transport) -> Self {
        let mut crawl = Self::default();
        crawl.stream.transport = transport;
        crawl.stream.base = folder(url);
        let names: &[&str] = if url.ends_with('/') { &["master.m3u8", "manifest.mpd"] } else { &[""] };
        for name in names {
            let url = if name.is_empty() { Some(url.to_owned()) } else { resolve(url, name) };
            if let Some(url) = url {
                crawl.document(&url, Purpose::Entry);
            }
        }
        crawl
    }

    /// The next thing to fetch; `None` when all is known.
    #[expect(clippy::should_implement_trait, reason = "an answer is due before the next call")]
    pub fn next(&mut self) -> Option<Ask> {
        loop {
            if let Some(ask) = self.queue.pop_front() {
                return Some(ask);
            }
            match self.phase {
                Phase::Documents => self.ask_inits(),
                Phase::Inits => self.ask_segments(),
                Phase::Segments => self.ask_again(),
                Phase::Again => return None,
            }
        }
    }

    /// Takes what came of an ask: the answer, or why there is none.
    pub fn answer(&mut self, ask: Ask, served: Result<Answer, String>) {
        let place = ask.place;
        match ask.purpose {
            Purpose::Entry => self.entry(&place, served),
            Purpose::Playlist(roles) => match body(&place, served) {
                Ok(answer) => self.playlist(&place, answer, roles),
                Err(reason) => self.put(place, Resource::Missing(reason)),
            },
            Purpose::Init => self.resource(place, served, |bytes| Resource::Init(Init::read(bytes))),
            Purpose::Index => self.index(place, served),
            Purpose::Segment(init) => {
                let read =
                    body(&place, served).map(|answer| Segment::read(&answer.body, self.stream.init(init.as_ref())));
                let resource = read.and_then(|segment| self.within_bounds(segment));
                self.put(place, resource.map_or_else(Resource::Missing, Resource::Segment));
            }
            Purpose::Sealed => self.resource(place, served, |bytes| {
                Resource::Segment(Segment { bytes: wide(bytes.len()), ..Segment::default() })
            }),
            Purpose::Text => self.resource(place, served, |bytes| Resource::Text(TextTrack::read(bytes))),
            Purpose::Image => self.resource(place, served, |bytes| Resource::Image(Image::read(bytes))),
            Purpose::Again(document) => {
                if let Some(document) = self.stream.documents.get_mut(document) {
                    document.again = Some(body(&place, served).map(|answer| answer.body));
                }
            }
            Purpose::Gzip(document) => self.encoded(document, served),
            Purpose::Probe => {
                if let Ok(answer) = served {
                    self.stream.probes.push((place.url, answer.status));
                }
            }
        }
    }

    /// The verdicts, once [`next`](Self::next) gave `None`.
    ///
    /// # Errors
    /// If there was no document to judge.
    pub fn report(self) -> Result<Report, Error> {
        if self.stream.multivariant.is_none() && self.stream.mpd.is_none() {
            return Err(self.failure.unwrap_or_else(|| Error::NoDocument("nothing was asked for".to_owned())));
        }
        Ok(rules::judge(&self.stream))
    }

    fn entry(&mut self, place: &Place, served: Result<Answer, String>) {
        let answer = match body(place, served) {
            Ok(answer) => answer,
            Err(reason) => {
                self.failure.get_or_insert(Error::NoDocument(format!("{}: {reason}", place.url)));
                return;
            }
        };
        let place = &Place::whole(answer.url.as_deref().unwrap_or(&place.url));
        let text = Text::read(&answer.body);
        if text.is_playlist() && text.is_multivariant() {
            let multivariant = Multivariant::read(&place.url, &answer.body);
            for item in &multivariant.items {
                if let Some(url) = &item.url {
                    self.document(url, Purpose::Playlist(roles(item)));
                }
            }
            self.stream.multivariant = Some(multivariant);
            self.stream.documents.push(document(place, answer, false));
        } else if let Ok(mpd) = Mpd::read(&place.url, &answer.body) {
            self.stream.mpd = Some(mpd);
            self.stream.documents.push(document(place, answer, true));
        } else {
            self.failure.get_or_insert(Error::NotAStream(place.url.clone()));
        }
    }

    fn playlist(&mut self, place: &Place, answer: Answer, roles: Roles) {
        let base = answer.url.as_deref().unwrap_or(&place.url);
        let media = Media { roles, ..Media::read(&place.url, base, &answer.body) };
        self.entries = self.entries.saturating_add(media.segments.len());
        if self.entries > ENTRIES_MAX {
            let reason = format!("more than {ENTRIES_MAX} segments are not looked at");
            return self.put(place.clone(), Resource::Missing(reason));
        }
        self.stream.media.push(media);
        self.stream.documents.push(document(place, answer, false));
    }

    /// Asks for a document, or gives its playlist one more role if it is asked for already.
    fn document(&mut self, url: &str, purpose: Purpose) {
        let place = Place::whole(url);
        if let Purpose::Playlist(more) = purpose
            && let Some(Ask { purpose: Purpose::Playlist(roles), .. }) =
                self.queue.iter_mut().find(|ask| ask.place == place)
        {
            *roles = roles.and(more);
            return;
        }
        if self.asked.len() > PLAYLISTS_MAX {
            let reason = format!("more than {PLAYLISTS_MAX} playlists are not looked at");
            self.put(place, Resource::Missing(reason));
            return;
        }
        self.ask(place, DOCUMENT_BYTES_MAX, purpose);
    }

    fn ask(&mut self, place: Place, bytes_max: u64, purpose: Purpose) {
        if self.asked.len() >= RESOURCES_MAX {
            let reason = format!("more than {RESOURCES_MAX} resources are not looked at");
            self.put(place, Resource::Missing(reason));
        } else if self.asked.insert(place.clone()) {
            self.queue.push_back(Ask { place, gzip: false, bytes_max, purpose });
        }
    }

    fn ask_inits(&mut self) {
        self.phase = Phase::Inits;
        let mut places = Vec::new();
        for media in &self.stream.media {
            places.extend(media.segments.iter().filter_map(|entry| entry.map.clone()).map(|map| (map, Purpose::Init)));
        }
        for (_, representation) in self.stream.mpd.iter().flat_map(Mpd::representations) {
            places.extend(representation.init.clone().map(|init| (init, Purpose::Init)));
            places.extend(representation.index.clone().map(|index| (index, Purpose::Index)));
        }
        for (place, purpose) in places {
            self.ask(place, INIT_BYTES_MAX, purpose);
        }
    }

    fn ask_segments(&mut self) {
        self.phase = Phase::Segments;
        let mut asks = Vec::new();
        for media in &self.stream.media {
            for entry in media.segments.iter().filter(|entry| !entry.gap) {
                let purpose = match (&entry.map, entry.key.as_deref()) {
                    _ if media.roles.images => Purpose::Image,
                    (_, Some("AES-128" | "AES-256")) => Purpose::Sealed,
                    (None, _) if media.roles.subtitles => Purpose::Text,
                    (map, _) => Purpose::Segment(map.clone()),
                };
                asks.push((entry.place.clone(), purpose));
                for place in entry.parts.iter().filter_map(|part| part.place.clone()) {
                    asks.push((place, Purpose::Segment(entry.map.clone())));
                }
            }
        }
        for (set, representation) in self.stream.mpd.iter().flat_map(Mpd::representations) {
            let is_text = set.inherited(representation, "mimeType").is_some_and(|mime| mime.starts_with("text/"));
            for listed in &representation.segments {
                let purpose = match set.kind() {
                    "image" => Purpose::Image,
                    _ if is_text => Purpose::Text,
                    _ => Purpose::Segment(representation.init.clone()),
                };
                asks.push((listed.place.clone(), purpose));
            }
        }
        for (place, purpose) in asks {
            self.ask(place, SEGMENT_BYTES_MAX, purpose);
        }
    }

    /// The documents once more, plain and encoded, and what a low-latency server must refuse.
    fn ask_again(&mut self) {
        self.phase = Phase::Again;
        let over_http = self.stream.transport == Transport::Http;
        for (n, document) in self.stream.documents.iter().enumerate() {
            self.queue.push_back(whole(&document.url, Purpose::Again(n)));
            if over_http && !document.is_mpd {
                self.queue.push_back(whole(&document.url, Purpose::Gzip(n)));
            }
        }
        let blocking = self.stream.media.iter().filter(|media| media.text.has("EXT-X-PART-INF"));
        for media in blocking.filter(|_| over_http) {
            let next = media.sequence.saturating_add(wide(media.segments.len()));
            for query in ["_HLS_part=0".to_owned(), format!("_HLS_msn={}", next.saturating_add(9))] {
                let mark = if media.url.contains('?') { '&' } else { '?' };
                self.queue.push_back(whole(&format!("{}{mark}{query}", media.url), Purpose::Probe));
            }
        }
    }

    /// What came with gzip accepted. A document that is another one may have changed since it was asked for in plain
    /// bytes: then it is asked for once more, both ways.
    fn encoded(&mut self, number: usize, served: Result<Answer, String>) {
        let (Some(document), Ok(answer)) = (self.stream.documents.get_mut(number), served) else { return };
        let coding = coding(&answer, document);
        let before = document.gzip.replace(coding);
        if coding == Coding::Different && before.is_none() {
            self.queue.push_front(whole(&document.url, Purpose::Gzip(number)));
            self.queue.push_front(whole(&document.url, Purpose::Again(number)));
        }
    }

    /// A `sidx` lists the segments of a Representation that is one file (§5.3.9.2.4).
    fn index(&mut self, place: Place, served: Result<Answer, String>) {
        let answer = match body(&place, served) {
            Ok(answer) => answer,
            Err(reason) => return self.put(place, Resource::Missing(reason)),
        };
        let read = Segment::read(&answer.body, None);
        let sets = self.stream.mpd.iter_mut().flat_map(|mpd| &mut mpd.sets);
        let ours = sets.flat_map(|set| &mut set.representations).filter(|one| one.index.as_ref() == Some(&place));
        for representation in ours {
            if let Some(index) = &read.index {
                representation.timescale = u64::from(index.timescale.max(1));
                representation.segments = references(&place, index);
            }
        }
        self.put(place, Resource::Segment(read));
    }

    /// A segment as long as there is room for its facts.
    fn within_bounds(&mut self, segment: Segment) -> Result<Segment, String> {
        let runs: usize = segment.fragments.iter().map(|fragment| fragment.runs.len()).sum();
        self.facts = self.facts.saturating_add(segment.outer.len()).saturating_add(runs);
        if self.facts > FACTS_MAX {
            return Err(format!("more than {FACTS_MAX} boxes and runs are not looked at"));
        }
        Ok(segment)
    }

    fn resource(&mut self, place: Place, served: Result<Answer, String>, read: impl FnOnce(&[u8]) -> Resource) {
        let resource = match body(&place, served) {
            Ok(answer) => read(&answer.body),
            Err(reason) => Resource::Missing(reason),
        };
        self.put(place, resource);
    }

    fn put(&mut self, place: Place, resource: Resource) {
        self.stream.resources.insert(place, resource);
    }
}

// === impl Roles ===

impl Roles {
    fn and(self, other: Self) -> Self {
        Self {
            variant: self.variant || other.variant,
            audio: self.audio || other.audio,
            subtitles: self.subtitles || other.subtitles,
            iframes: self.iframes || other.iframes,
            images: self.images || other.images,
        }
    }
}

fn roles(item: &Item) -> Roles {
    let mut roles = Roles::default();
    match item.tag {
        Tag::Variant => roles.variant = true,
        Tag::Iframes => roles.iframes = true,
        Tag::Images => roles.images = true,
        Tag::Rendition => match item.attributes.get("TYPE") {
            Some("SUBTITLES") => roles.subtitles = true,
            Some("AUDIO") => roles.audio = true,
            _ => roles.variant = true,
        },
    }
    roles
}

fn references(place: &Place, index: &segment::Index) -> Vec<Listed> {
    let mut offset = place.range.map_or(0, |(offset, _)| offset);
    offset = offset.saturating_add(index.end).saturating_add(index.first_offset);
    let mut time = index.earliest;
    let mut listed = Vec::new();
    for reference in &index.references {
        let place = Place { url: place.url.clone(), range: Some((offset, reference.bytes)) };
        listed.push(Listed { place, time, duration: reference.duration, exact: true });
        offset = offset.saturating_add(reference.bytes);
        time = time.saturating_add(reference.duration);
    }
    listed
}

/// The answer if it is whole: 200, or exactly the asked part.
fn body(place: &Place, served: Result<Answer, String>) -> Result<Answer, String> {
    let answer = served?;
    let expected = if place.range.is_some() { 206 } else { 200 };
    if answer.status != expected {
        return Err(format!("it was answered with {} and not with {expected}", answer.status));
    }
    match place.range {
        Some((_, bytes)) if bytes != wide(answer.body.len()) => {
            Err(format!("{} bytes came, and {bytes} were listed", answer.body.len()))
        }
        _ if answer.body.is_empty() => Err("it is empty".to_owned()),
        _ => Ok(answer),
    }
}

/// A document, all of it.
fn whole(url: &str, purpose: Purpose) -> Ask {
    let gzip = matches!(purpose, Purpose::Gzip(_));
    Ask { place: Place::whole(url), gzip, bytes_max: DOCUMENT_BYTES_MAX, purpose }
}

fn document(place: &Place, answer: Answer, is_mpd: bool) -> Document {
    let max_age = answer
        .cache_control
        .as_deref()
        .and_then(|rules| rules.split(',').find_map(|rule| rule.trim().strip_prefix("max-age=")?.parse::<u64>().ok()));
    Document {
        url: place.url.clone(),
        is_mpd,
        bytes: answer.body,
        content_type: answer.content_type,
        max_age_s: max_age,
        ..Document::default()
    }
}

fn coding(answer: &Answer, document: &Document) -> Coding {
    // A live playlist may have changed since it was first read.
    let again = document.again.as_ref().and_then(|again| again.as_ref().ok());
    let mut plain = [Some(&document.bytes), again].into_iter().flatten();
    match answer.content_encoding.as_deref() {
        None | Some("identity" | "") => Coding::Plain,
        Some("gzip" | "x-gzip") if plain.any(|plain| gzip::is_of(&answer.body, plain)) => Coding::Same,
        Some(_) => Coding::Different,
    }
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
