//! Whole films, documents and bytes, before the judge: they pass, and the report reads as it should.

use std::{collections::BTreeMap, sync::Arc};

use vidstream_media::{
    Plan, Presentation, Track, bandwidth,
    check::{Answer, Crawl, Report, Transport, Verdict},
    cmaf, dash, hls,
    index::Fragment,
};

use super::films::{self, Film};

/// Files by path.
type Site = BTreeMap<String, Vec<u8>>;

/// A film whose segments have bytes.
fn made(film: Film) -> (Presentation, Site) {
    let mut presentation = films::ready(film);
    let plan = Arc::clone(&presentation.plan);
    let mut site = Site::new();
    for chunk in presentation.chunks.values_mut() {
        for part in &mut Arc::make_mut(chunk).tracks {
            let mut offset = 0;
            for (n, segment) in (part.first..).zip(&mut part.segments) {
                let (bytes, fragments) = segment_bytes(&plan, part.track, n);
                (segment.offset, segment.fragments) = (offset, fragments);
                offset += bytes.len() as u64;
                site.insert(format!("1/{}/{n}.m4s", part.track), bytes);
            }
        }
    }
    for track in plan.tracks() {
        let bytes = |n| presentation.stored(track, n).unwrap().1.bytes();
        let sizes: Vec<u64> = (1..=plan.segments(track)).map(bytes).collect();
        presentation.measured.insert(track, bandwidth::measure(&plan, track, &sizes));
        let init = cmaf::init(&plan, track, &presentation.configs[&track]).unwrap();
        site.insert(format!("1/{track}/init.mp4"), init);
    }
    documents(&presentation, &mut site);
    (presentation, site)
}

fn documents(presentation: &Presentation, site: &mut Site) {
    site.insert("master.m3u8".into(), hls::multivariant(presentation).into());
    site.insert("manifest.mpd".into(), dash::mpd(presentation).into());
    for track in presentation.plan.tracks() {
        let lists = [("index", hls::media(presentation, track)), ("iframes", hls::iframes(presentation, track))];
        for (name, text) in lists {
            site.extend(text.map(|text| (format!("1/{track}/{name}.m3u8"), text.into_bytes())));
        }
    }
    site.extend(hls::images(presentation).map(|text| ("1/thumbnails.m3u8".to_owned(), text.into_bytes())));
    if let Some(layout) = presentation.plan.storyboard {
        let length = |tile: u32, count: u32| u16::try_from(tile * count).unwrap().to_be_bytes();
        let [h1, h2] = length(layout.tile_height, layout.rows);
        let [w1, w2] = length(layout.tile_width, layout.columns);
        let jpeg = vec![0xff, 0xd8, 0xff, 0xc0, 0, 8, 8, h1, h2, w1, w2, 3];
        site.extend(presentation.sheets.keys().map(|n| (format!("1/thumbnails/{n}.jpg"), jpeg.clone())));
    }
}

/// The taller a rung, the more bytes; an IDR has six times as many as another picture.
fn segment_bytes(plan: &Plan, track: Track, n: u64) -> (Vec<u8>, Vec<Fragment>) {
    let unit = |kind: u8, size: u32| {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.push(kind);
        bytes.resize(4 + size as usize, 0x55);
        bytes
    };
    let mut out = Vec::new();
    let mut fragments = Vec::new();
    for slot in cmaf::slots(plan, track, n).unwrap() {
        let data: Vec<Vec<u8>> = (0..slot.samples)
            .map(|sample| match (track, sample) {
                (Track::Audio, _) => vec![0x21; 340],
                (Track::Trick, _) => unit(0x65, 500),
                (Track::Rung(height), 0) => unit(0x65, 6 * u32::from(height)),
                (Track::Rung(height), _) => unit(0x41, u32::from(height)),
            })
            .collect();
        let samples: Vec<cmaf::Sample<'_>> = data
            .iter()
            .enumerate()
            .map(|(place, data)| cmaf::Sample {
                data,
                duration: slot.sample_duration,
                composition_offset: 0,
                sync: track == Track::Audio || place == 0,
            })
            .collect();
        fragments.push(cmaf::write_fragment(&mut out, slot.fragment, &samples).unwrap());
    }
    (out, fragments)
}

fn judge(site: &Site) -> Report {
    let mut crawl = Crawl::new("file:///", Transport::Files);
    while let Some(ask) = crawl.next() {
        let file = site.get(ask.place.url.strip_prefix("file:///").unwrap());
        let served = file.ok_or_else(|| "there is no such file".to_owned()).map(|bytes| {
            let at = |place: u64| usize::try_from(place).unwrap();
            let range = ask.place.range.map(|(offset, bytes)| at(offset)..at(offset + bytes));
            let status = if range.is_some() { 206 } else { 200 };
            Answer { status, body: bytes[range.unwrap_or(0..bytes.len())].to_vec(), ..Answer::default() }
        });
        crawl.answer(ask, served);
    }
    crawl.report().unwrap()
}

fn failed(report: &Report) -> Vec<u8> {
    report.rules.iter().filter(|outcome| outcome.verdict == Verdict::Fail).map(|outcome| outcome.rule).collect()
}

#[test]
fn films_pass() {
    // No loudness is written.
    let known: [(&str, &[u8]); 5] =
        [("film", &[33]), ("portrait", &[33]), ("audio_only", &[33]), ("slow", &[]), ("joined_tail", &[33])];
    for ((name, film), (known_name, expected)) in films::ALL.into_iter().zip(known) {
        assert_eq!(name, known_name);
        let report = judge(&made(film).1);
        assert_eq!(failed(&report), expected, "{name}\n{}", report.text());
        assert!(report.ok, "{name}");
    }
}

#[test]
fn a_report_of_a_film_that_passes() {
    let report = judge(&made(films::FILM).1);
    insta::assert_snapshot!(report.text());
}

#[test]
fn a_report_of_a_film_that_fails() {
    let (_, mut site) = made(films::FILM);
    site.remove("1/480p/3.m4s");
    let master = String::from_utf8(site["master.m3u8"].clone()).unwrap();
    site.insert("master.m3u8".into(), master.replace(",CLOSED-CAPTIONS=NONE", "").into());
    let report = judge(&site);
    insta::assert_snapshot!("failing_text", report.text());
    insta::assert_snapshot!("failing_json", serde_json::to_string_pretty(&report).unwrap());
}
