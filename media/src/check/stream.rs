//! Everything that is known of a served stream: its documents, and what each resource that they name is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    image::Image,
    init::{Init, Track},
    media::{Entry, Media},
    mpd::{Mpd, Representation},
    multivariant::{Item, Multivariant, Tag},
    place::{Place, short},
    rates::{self, Rates},
    segment::Segment,
    text_track::TextTrack,
};

/// How the bytes came here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// From a server, with headers.
    #[default]
    Http,
    /// From files: there is no content type and no content coding.
    Files,
}

/// A resource that a document names.
#[derive(Clone, Debug)]
pub(super) enum Resource {
    Init(Init),
    Segment(Segment),
    Text(TextTrack),
    Image(Image),
    /// It is listed and cannot be had.
    Missing(String),
}

/// A playlist or an MPD as it was served.
#[derive(Clone, Debug, Default)]
pub(super) struct Document {
    pub(super) url: String,
    pub(super) is_mpd: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: Option<String>,
    /// How long the answer may be kept, if it says so.
    pub(super) max_age_s: Option<u64>,
    /// The same, asked for a second time at the end.
    pub(super) again: Option<Result<Vec<u8>, String>>,
    /// What came of asking for it with gzip.
    pub(super) gzip: Option<Coding>,
}

/// How a request that accepts gzip was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Not encoded.
    Plain,
    /// Encoded, and the same text.
    Same,
    /// Encoded, and another text, or no gzip at all.
    Different,
}

/// The facts of a stream.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) transport: Transport,
    /// The folder of the document that was checked.
    pub(super) base: String,
    pub(super) documents: Vec<Document>,
    pub(super) multivariant: Option<Multivariant>,
    pub(super) media: Vec<Media>,
    pub(super) mpd: Option<Mpd>,
    pub(super) resources: BTreeMap<Place, Resource>,
    /// Status of requests that a low-latency server must refuse, with what was asked.
    pub(super) probes: Vec<(String, u16)>,
}

/// When a segment is presented, the edit list applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) timescale: u32,
    /// The longest sample, in ticks.
    pub(super) frame: u64,
}

// === impl Times ===

impl Times {
    pub(super) fn start_us(&self) -> i64 {
        scaled_us(self.start, self.timescale)
    }

    pub(super) fn end_us(&self) -> i64 {
        scaled_us(self.end, self.timescale)
    }

    pub(super) fn frame_us(&self) -> i64 {
        scaled_us(i64::try_from(self.frame).unwrap_or(i64::MAX), self.timescale)
    }
}

/// Times beyond this are taken for it, so that sums and differences of times stay in their type.
const TIME_US_MAX: i64 = 1 << 60;

/// Ticks as microseconds, rounded.
pub(super) fn scaled_us(ticks: i64, timescale: u32) -> i64 {
    let scale = i128::from(timescale.max(1));
    let us = (i128::from(ticks) * 2_000_000 + scale).div_euclid(scale * 2);
    let most = i128::from(TIME_US_MAX);
    i64::try_from(us.clamp(-most, most)).unwrap_or(TIME_US_MAX)
}

/// Microseconds as signed.
pub(super) fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(TIME_US_MAX).min(TIME_US_MAX)
}

// === impl Stream ===

impl Stream {
    /// A line of a document, for a finding.
    pub(super) fn line(&self, url: &str, line: usize) -> String {
        let name = short(url, &self.base);
        if line == 0 { name.to_owned() } else { format!("{name}:{line}") }
    }

    /// A document or resource, for a finding.
    pub(super) fn name<'a>(&self, url: &'a str) -> &'a str {
        short(url, &self.base)
    }

    pub(super) fn at(&self, place: &Place) -> String {
        place.short(&self.base)
    }

    pub(super) fn init(&self, place: Option<&Place>) -> Option<&Init> {
        match self.resources.get(place?) {
            Some(Resource::Init(init)) => Some(init),
            _ => None,
        }
    }

    pub(super) fn segment(&self, place: &Place) -> Option<&Segment> {
        match self.resources.get(place) {
            Some(Resource::Segment(segment)) => Some(segment),
            _ => None,
        }
    }

    pub(super) fn text(&self, place: &Place) -> Option<&TextTrack> {
        match self.resources.get(place) {
            Some(Resource::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub(super) fn image(&self, place: &Place) -> Option<&Image> {
        match self.resources.get(place) {
            Some(Resource::Image(image)) => Some(image),
            _ => None,
        }
    }

    /// Bytes of a listed segment.
    pub(super) fn bytes(&self, place: &Place) -> Option<u64> {
        Some(match self.resources.get(place)? {
            Resource::Init(init) => init.bytes,
            Resource::Segment(segment) => segment.bytes,
            Resource::Text(text) => text.bytes,
            Resource::Image(image) => image.bytes,
            Resource::Missing(_) => return None,
        })
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = (&Place, &Segment)> {
        self.resources.iter().filter_map(|(place, resource)| match resource {
            Resource::Segment(segment) => Some((place, segment)),
            _ => None,
        })
    }

    pub(super) fn inits(&self) -> impl Iterator<Item = (&Place, &Init)> {
        self.resources.iter().filter_map(|(place, resource)| match resource {
            Resource::Init(init) => Some((place, init)),
            _ => None,
        })
    }

    /// The tags of the multivariant playlist of this kind.
    pub(super) fn items(&self, tag: Tag) -> impl Iterator<Item = &Item> {
        self.multivariant.iter().flat_map(move |multivariant| multivariant.of(tag))
    }

    pub(super) fn playlist(&self, url: Option<&str>) -> Option<&Media> {
        let url = url?;
        self.media.iter().find(|media| media.url == url)
    }

    /// The first track of a playlist's first segment that has an initialisation segment.
    pub(super) fn track(&self, media: &Media) -> Option<&Track> {
        let map = media.segments.iter().find_map(|entry| entry.map.as_ref());
        self.init(map)?.track()
    }

    pub(super) fn is_video(&self, media: &Media) -> bool {
        self.track(media).is_some_and(Track::is_video)
    }

    /// Playlists of media for normal play.
    pub(super) fn main(&self) -> impl Iterator<Item = &Media> {
        self.media.iter().filter(|media| media.is_main())
    }

    pub(super) fn main_video(&self) -> impl Iterator<Item = &Media> {
        self.main().filter(|media| self.is_video(media))
    }

    pub(super) fn iframes(&self) -> impl Iterator<Item = &Media> {
        self.media.iter().filter(|media| media.roles.iframes)
    }

    pub(super) fn subtitles(&self) -> impl Iterator<Item = &Media> {
        self.media.iter().filter(|media| media.roles.subtitles)
    }

    /// When an entry is presented; `None` if its bytes or their initialisation segment cannot be read.
    pub(super) fn times(&self, entry: &Entry) -> Option<Times> {
        self.segment_times(&entry.place, entry.map.as_ref())
    }

    pub(super) fn segment_times(&self, place: &Place, init: Option<&Place>) -> Option<Times> {
        let track = self.init(init)?.track()?;
        let segment = self.segment(place)?;
        let (start, end) = segment.span()?;
        let shift = track.edit_shift();
        let frame = segment.runs().map(|run| run.longest).max().unwrap_or(0);
        let start = start.saturating_sub(shift);
        Some(Times {
            // What lies before the edit, such as the priming of AAC, is decoded and not presented.
            start: if track.edits.is_empty() { start } else { start.max(0) },
            end: end.saturating_sub(shift),
            timescale: track.timescale,
            frame,
        })
    }

    /// The times of a playlist's segments; `None` unless all are known, which other rules see to.
    pub(super) fn all_times(&self, media: &Media) -> Option<Vec<Times>> {
        media.segments.iter().map(|entry| self.times(entry)).collect()
    }

    /// The times of what a Representation lists.
    pub(super) fn listed_times(&self, representation: &Representation) -> Option<Vec<Times>> {
        let init = representation.init.as_ref();
        representation.segments.iter().map(|listed| self.segment_times(&listed.place, init)).collect()
    }

    /// Peak and average of a playlist by its bytes and EXTINF; `None` unless all are known.
    pub(super) fn rates(&self, media: &Media) -> Option<Rates> {
        let sizes = |entry: &Entry| Some((entry.duration_us?, self.bytes(&entry.place)?));
        let spans: Vec<(u64, u64)> = media.segments.iter().map(sizes).collect::<Option<_>>()?;
        rates::of(&spans, media.target_s.unwrap_or(0))
    }

    /// What a variant's renditions need together: its own playlist and the costliest of each group.
    pub(super) fn variant_rates(&self, variant: &Item) -> Option<Rates> {
        let multivariant = self.multivariant.as_ref()?;
        let own = self.playlist(variant.url.as_deref())?;
        let mut sum = self.rates(own)?;
        for kind in ["AUDIO", "VIDEO", "SUBTITLES"] {
            let mut costliest: Option<Rates> = None;
            for rendition in multivariant.group(variant, kind) {
                let Some(media) = self.playlist(rendition.url.as_deref()) else { continue };
                let rates = self.rates(media)?;
                costliest = Some(costliest.map_or(rates, |most| most.max(rates)));
            }
            // An audio-only variant plays its rendition instead of, not beside, its own playlist.
            let replaces = kind == "AUDIO" && !self.is_video(own) || kind == "VIDEO";
            sum = match costliest {
                Some(rates) if replaces => sum.max(rates),
                Some(rates) => sum.plus(rates),
                None => sum,
            };
        }
        Some(sum)
    }

    /// What image playlists and image sets list.
    pub(super) fn pictures(&self) -> BTreeSet<&Place> {
        let images = self.media.iter().filter(|media| media.roles.images).flat_map(|media| &media.segments);
        let tiles = self.mpd.iter().flat_map(Mpd::representations).filter(|(set, _)| set.kind() == "image");
        let listed = tiles.flat_map(|(_, one)| &one.segments).map(|listed| &listed.place);
        images.map(|entry| &entry.place).chain(listed).collect()
    }

    /// Whether every media playlist for normal play has its end.
    pub(super) fn is_finished(&self) -> bool {
        self.main().all(|media| media.ended) && self.mpd.as_ref().is_none_or(|mpd| mpd.is_static)
    }

    /// The latest end of all video segments, else of all, in microseconds.
    pub(super) fn end_us(&self) -> Option<i64> {
        let end = |media: &Media| media.segments.iter().filter_map(|entry| self.times(entry)).map(|t| t.end_us()).max();
        self.main_video().filter_map(end).max().or_else(|| self.main().filter_map(end).max())
    }
}
