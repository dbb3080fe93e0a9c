//! What an MPD promises (ISO/IEC 23009-1 §5.3): its representations, and every segment that they list.

use std::{fmt::Write as _, sync::Arc};

use super::{
    place::{Place, resolve},
    xml::{self, Element},
};

/// Segments that all representations together may list.
const SEGMENTS_MAX: usize = 1 << 18;

/// An MPD as far as it could be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Mpd {
    pub(super) url: String,
    pub(super) root: Element,
    pub(super) is_static: bool,
    pub(super) min_buffer_us: Option<u64>,
    pub(super) sets: Vec<Set>,
}

/// An `AdaptationSet`.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    pub(super) element: Element,
    /// How long its Period lasts, if that is known.
    pub(super) period_us: Option<u64>,
    pub(super) representations: Vec<Representation>,
}

/// A `Representation` with what it inherits.
#[derive(Clone, Debug, Default)]
pub(super) struct Representation {
    pub(super) element: Element,
    pub(super) id: String,
    /// `SegmentTemplate`, `SegmentList` or `SegmentBase` of every level, the nearest first.
    pub(super) addressing: Vec<Arc<Element>>,
    pub(super) base_url: String,
    pub(super) timescale: u64,
    /// `@presentationTimeOffset`, in ticks.
    pub(super) offset: u64,
    pub(super) init: Option<Place>,
    /// Where the `sidx` of a `SegmentBase` lies.
    pub(super) index: Option<Place>,
    pub(super) segments: Vec<Listed>,
}

/// One segment as the MPD lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) place: Place,
    /// Start on the media timeline and duration, in ticks.
    pub(super) time: u64,
    pub(super) duration: u64,
    /// Whether `S@t` or `S@d` say so, rather than `@duration`, which is only nominal.
    pub(super) exact: bool,
}

// === impl Mpd ===

impl Mpd {
    pub(super) fn read(url: &str, bytes: &[u8]) -> Result<Self, xml::Fault> {
        let root = xml::read(bytes)?;
        if root.name != "MPD" {
            return Err(xml::Fault::NotXml);
        }
        let mut mpd = Self {
            url: url.to_owned(),
            is_static: root.get("type").is_none_or(|kind| kind == "static"),
            min_buffer_us: root.get("minBufferTime").and_then(duration_us),
            ..Self::default()
        };
        let total_us = root.get("mediaPresentationDuration").and_then(duration_us);
        let base = base_url(url, &root);
        let mut left = SEGMENTS_MAX;
        let periods: Vec<&Element> = root.all("Period").collect();
        for (n, period) in periods.iter().enumerate() {
            let start_us = period.get("start").and_then(duration_us).unwrap_or(0);
            let next_us = periods.get(n + 1).and_then(|next| next.get("start")).and_then(duration_us);
            let until_end = next_us.or(total_us).and_then(|end| end.checked_sub(start_us));
            let period_us = period.get("duration").and_then(duration_us).or(until_end);
            let base = base_url(&base, period);
            let shared = addressing(period);
            for set in period.all("AdaptationSet") {
                mpd.sets.push(read_set(set, &base, &shared, period_us, &mut left));
            }
        }
        mpd.root = root;
        Ok(mpd)
    }

    /// Every Representation with its set.
    pub(super) fn representations(&self) -> impl Iterator<Item = (&Set, &Representation)> {
        self.sets.iter().flat_map(|set| set.representations.iter().map(move |representation| (set, representation)))
    }
}

/// The elements by which segments are addressed at one level.
fn addressing(level: &Element) -> Vec<Arc<Element>> {
    let names = ["SegmentTemplate", "SegmentList", "SegmentBase"];
    names.iter().filter_map(|name| level.first(name)).map(|element| Arc::new(element.clone())).collect()
}

/// Reads a set; `room` is how many segments may still be listed.
fn read_set(set: &Element, base: &str, period: &[Arc<Element>], period_us: Option<u64>, room: &mut usize) -> Set {
    let base = base_url(base, set);
    let shared = addressing(set);
    let mut representations = Vec::new();
    for element in set.all("Representation") {
        let levels = [addressing(element), shared.clone(), period.to_vec()].concat();
        let kind = ["SegmentTemplate", "SegmentList", "SegmentBase"]
            .into_iter()
            .find(|name| levels.iter().any(|level| level.name == *name));
        let mut read = Representation {
            element: element.without(&["SegmentTemplate", "SegmentList"]),
            id: element.get("id").unwrap_or_default().to_owned(),
            base_url: base_url(&base, element),
            addressing: levels.into_iter().filter(|level| Some(level.name.as_str()) == kind).collect(),
            ..Representation::default()
        };
        read.list(period_us, *room);
        *room -= read.segments.len().min(*room);
        representations.push(read);
    }
    Set { element: set.without(&["Representation", "SegmentTemplate", "SegmentList"]), period_us, representations }
}

// === impl Set ===

impl Set {
    /// The value of an attribute that a Representation may inherit from its set.
    pub(super) fn inherited<'a>(&'a self, representation: &'a Representation, name: &str) -> Option<&'a str> {
        representation.element.get(name).or(self.element.get(name))
    }

    /// `video`, `audio`, `image` or `text`, by content type or media type.
    pub(super) fn kind(&self) -> &str {
        let first = self.representations.first();
        let mime = first.and_then(|first| self.inherited(first, "mimeType")).or(self.element.get("mimeType"));
        let by_mime = mime.and_then(|mime| mime.split('/').next());
        self.element.get("contentType").or(by_mime).unwrap_or_default()
    }

    /// A descriptor on the set or on its first Representation.
    pub(super) fn property<'a>(&'a self, name: &'a str, scheme: &'a str) -> Option<&'a str> {
        let own = self.element.descriptors(name, scheme).next();
        let first = || self.representations.first().and_then(|first| first.element.descriptors(name, scheme).next());
        own.or_else(first)?.get("value")
    }
}

// === impl Representation ===

impl Representation {
    /// An attribute of the addressing, of the nearest level that has it.
    pub(super) fn address(&self, name: &str) -> Option<&str> {
        self.addressing.iter().find_map(|level| level.get(name))
    }

    /// A child of the addressing, of the nearest level that has it.
    pub(super) fn address_child(&self, name: &str) -> Option<&Element> {
        self.addressing.iter().find_map(|level| level.first(name))
    }

    pub(super) fn is_addressed_by(&self, name: &str) -> bool {
        self.addressing.first().is_some_and(|level| level.name == name)
    }

    fn list(&mut self, period_us: Option<u64>, room: usize) {
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok());
        self.timescale = number(self.address("timescale")).unwrap_or(1).max(1);
        self.offset = number(self.address("presentationTimeOffset")).unwrap_or(0);
        if self.addressing.is_empty() {
            return;
        }
        if self.is_addressed_by("SegmentTemplate") {
            let init = self.address("initialization").and_then(|template| self.fill(template, 0, 0));
            self.init = init.map(|url| Place::whole(&url));
            self.segments = self.template(period_us, room);
        } else {
            self.init = self.address_child("Initialization").and_then(|init| self.part(init, "sourceURL", "range"));
            if let Some(range) = self.address("indexRange").and_then(inclusive) {
                self.index = Some(Place { url: self.base_url.clone(), range: Some(range) });
            }
            self.segments = self.segment_list(period_us, room);
        }
    }

    fn part(&self, element: &Element, source: &str, range: &str) -> Option<Place> {
        let url = match element.get(source) {
            Some(source) => resolve(&self.base_url, source)?,
            None => self.base_url.clone(),
        };
        Some(Place { url, range: element.get(range).and_then(inclusive) })
    }

    fn template(&self, period_us: Option<u64>, room: usize) -> Vec<Listed> {
        let Some(media) = self.address("media") else { return Vec::new() };
        let first = self.address("startNumber").and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
        let mut segments = Vec::new();
        for (place, (time, duration, exact)) in (0..).zip(self.times(period_us, room)) {
            let Some(url) = self.fill(media, first.saturating_add(place), time) else { break };
            segments.push(Listed { place: Place::whole(&url), time, duration, exact });
        }
        segments
    }

    fn segment_list(&self, period_us: Option<u64>, room: usize) -> Vec<Listed> {
        let urls = self.addressing.iter().flat_map(|level| level.all("SegmentURL"));
        let place = |url: &Element| self.part(url, "media", "mediaRange");
        let times = self.times(period_us, room);
        urls.filter_map(place)
            .zip(times)
            .map(|(place, (time, duration, exact))| Listed { place, time, duration, exact })
            .collect()
    }

    /// Start and duration of every segment: of the `SegmentTimeline`, else by the nominal `@duration`.
    fn times(&self, period_us: Option<u64>, room: usize) -> Vec<(u64, u64, bool)> {
        let period = period_us.map(|us| ticks(us, self.timescale));
        if let Some(timeline) = self.address_child("SegmentTimeline") {
            return timeline_times(timeline, period.map(|ticks| ticks.saturating_add(self.offset)), room);
        }
        let Some(duration) = self.address("duration").and_then(|text| text.parse::<u64>().ok()) else {
            return Vec::new();
        };
        let count = period.map_or(0, |period| period.div_ceil(duration.max(1)));
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(room);
        (0..)
            .take(count)
            .map(|n: u64| (self.offset.saturating_add(n.saturating_mul(duration)), duration, false))
            .collect()
    }

    /// A template with its identifiers replaced (§5.3.9.4.4); `None` if it has another one.
    fn fill(&self, template: &str, number: u64, time: u64) -> Option<String> {
        let mut text = String::new();
        for (place, part) in template.split('$').enumerate() {
            if place % 2 == 0 {
                text.push_str(part);
                continue;
            }
            let (name, format) = part.split_once('%').unwrap_or((part, "01d"));
            let width: usize = format.strip_prefix('0')?.strip_suffix('d')?.parse().ok()?;
            let width = width.min(20);
            match name {
                "" => text.push('$'),
                "RepresentationID" => text.push_str(&self.id),
                "Number" => write!(text, "{number:0width$}").ok()?,
                "Time" => write!(text, "{time:0width$}").ok()?,
                "Bandwidth" => text.push_str(self.element.get("bandwidth")?),
                _ => return None,
            }
        }
        resolve(&self.base_url, &text)
    }
}

fn timeline_times(timeline: &Element, period_end: Option<u64>, room: usize) -> Vec<(u64, u64, bool)> {
    let mut times: Vec<(u64, u64, bool)> = Vec::new();
    let mut next: u64 = 0;
    let entries: Vec<&Element> = timeline.all("S").collect();
    for (n, entry) in entries.iter().enumerate() {
        next = entry.number("t").unwrap_or(next);
        let duration = entry.number("d").unwrap_or(0);
        let repeats = match entry.get("r").and_then(|text| text.trim().parse::<i64>().ok()).unwrap_or(0) {
            // A negative count repeats until the next S, or the end of the Period.
            ..0 => {
                let until = entries.get(n + 1).and_then(|entry| entry.number("t")).or(period_end).unwrap_or(next);
                until.saturating_sub(next).div_ceil(duration.max(1)).saturating_sub(1)
            }
            count => count.unsigned_abs(),
        };
        for _ in 0..=repeats {
            if times.len() == room {
                return times;
            }
            times.push((next, duration, true));
            next = next.saturating_add(duration);
        }
    }
    times
}

fn base_url(base: &str, element: &Element) -> String {
    element
        .first("BaseURL")
        .and_then(|url| url.get(xml::TEXT))
        .and_then(|text| resolve(base, text))
        .unwrap_or_else(|| base.to_owned())
}

/// `first-last` as offset and length.
fn inclusive(range: &str) -> Option<(u64, u64)> {
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    Some((first, last.checked_sub(first)?.checked_add(1)?))
}

fn ticks(us: u64, timescale: u64) -> u64 {
    u64::try_from(u128::from(us) * u128::from(timescale) / 1_000_000).unwrap_or(u64::MAX)
}

/// An `xs:duration` without years and months, in microseconds.
pub(super) fn duration_us(text: &str) -> Option<u64> {
    let rest = text.trim().strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut us: u64 = 0;
    let mut parts = |text: &str, units: &[(char, u64)]| -> Option<()> {
        let mut rest = text;
        for &(unit, seconds) in units {
            if let Some((number, after)) = rest.split_once(unit) {
                let part = super::playlist::micros(number)?.checked_mul(seconds)?;
                us = us.checked_add(part)?;
                rest = after;
            }
        }
        rest.is_empty().then_some(())
    };
    parts(days, &[('D', 86_400)])?;
    parts(time, &[('H', 3600), ('M', 60), ('S', 1)])?;
    Some(us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(mpd: &str) -> Representation {
        let mpd = Mpd::read("http://h/v/m.mpd", mpd.as_bytes()).unwrap();
        mpd.sets[0].representations[0].clone()
    }

    #[test]
    fn durations_are_read() {
        let cases = [
            ("PT1.5S", Some(1_500_000)),
            ("PT1H2M3S", Some(3_723_000_000)),
            ("P1DT1S", Some(86_401_000_000)),
            ("1S", None),
            ("PT1X", None),
        ];
        for (text, us) in cases {
            assert_eq!(duration_us(text), us, "{text}");
        }
    }

    #[test]
    fn templates_are_expanded_with_repeats_and_formats() {
        let of = only(
            "<MPD mediaPresentationDuration='PT10S'><Period><AdaptationSet>\
             <SegmentTemplate timescale='10' media='$RepresentationID$/$Number%03d$-$Time$.m4s' initialization='i-$RepresentationID$.mp4' startNumber='5'>\
             <SegmentTimeline><S t='0' d='40' r='1'/><S d='20' r='-1'/></SegmentTimeline></SegmentTemplate>\
             <Representation id='v'/></AdaptationSet></Period></MPD>",
        );
        let urls: Vec<&str> = of.segments.iter().map(|segment| segment.place.url.as_str()).collect();
        assert_eq!(urls, ["http://h/v/v/005-0.m4s", "http://h/v/v/006-40.m4s", "http://h/v/v/007-80.m4s"]);
        assert_eq!(of.init.unwrap().url, "http://h/v/i-v.mp4");
    }

    #[test]
    fn a_file_with_an_index_is_addressed_by_ranges() {
        let of = only(
            "<MPD><Period><AdaptationSet><Representation id='v'><BaseURL>a/v.mp4</BaseURL>\
             <SegmentBase indexRange='800-899' timescale='10'><Initialization range='0-799'/></SegmentBase>\
             </Representation></AdaptationSet></Period></MPD>",
        );
        assert_eq!(of.init, Some(Place { url: "http://h/v/a/v.mp4".into(), range: Some((0, 800)) }));
        assert_eq!(of.index, Some(Place { url: "http://h/v/a/v.mp4".into(), range: Some((800, 100)) }));
    }
}
