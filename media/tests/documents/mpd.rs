//! What holds of every MPD: its times, its shape, and the schema of ISO 23009-1 where it is at hand.

use proptest::prelude::*;
use quick_xml::{Reader, XmlVersion, events::Event};
use vidstream_media::{Presentation, Track, dash};
use vidstream_testkit::Schema;

use super::films::{self, Film};

/// An element and the names of those around it, outermost first.
#[derive(Debug)]
struct Element {
    path: Vec<String>,
    attributes: Vec<(String, String)>,
}

impl Element {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name).map(|value| value.parse().unwrap())
    }

    fn name(&self) -> &str {
        self.path.last().unwrap()
    }
}

fn elements(text: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(text);
    let mut path = Vec::new();
    let mut found = Vec::new();
    loop {
        let event = reader.read_event().unwrap();
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Start(start) | Event::Empty(start) => {
                path.push(start.name().as_ref().to_owned());
                let attributes = start.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = attribute.key.as_ref().to_owned();
                    (key, attribute.normalized_value(XmlVersion::Implicit1_0).unwrap().into_owned())
                });
                found.push(Element { attributes: attributes.collect(), path: path.clone() });
                if is_empty {
                    path.pop();
                }
            }
            Event::End(_) => {
                path.pop();
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

/// The durations in `SegmentTimeline` of the n-th set that has one, and its timescale.
fn timelines(text: &str) -> Vec<(u64, Vec<u64>)> {
    let mut found: Vec<(u64, Vec<u64>)> = Vec::new();
    for element in elements(text) {
        match element.name() {
            "SegmentTemplate" if element.get("duration").is_none() => {
                found.push((element.number("timescale").unwrap(), Vec::new()));
            }
            "S" => {
                let times = &mut found.last_mut().unwrap().1;
                assert_eq!(element.number("t"), times.is_empty().then_some(0));
                let repeats = element.number("r").unwrap_or(0);
                times.extend((0..=repeats).map(|_| element.number("d").unwrap()));
            }
            _ => {}
        }
    }
    found
}

fn check_times(presentation: &Presentation) -> Result<(), TestCaseError> {
    let plan = &presentation.plan;
    let text = dash::mpd(presentation);
    let mut tracks: Vec<Track> = plan.rungs.iter().take(1).map(|rung| rung.track).collect();
    tracks.extend(plan.audio.iter().map(|_| Track::Audio));
    tracks.extend(plan.trick.iter().map(|_| Track::Trick));
    let found = timelines(&text);
    prop_assert_eq!(found.len(), tracks.len());
    for (track, (timescale, durations)) in tracks.into_iter().zip(found) {
        prop_assert_eq!(timescale, u64::from(plan.timescale(track)));
        prop_assert_eq!(durations.len() as u64, plan.segments(track));
        let mut next = 0;
        for (n, duration) in (1..).zip(&durations) {
            prop_assert_eq!(plan.segment_ticks(track, n), Some((next, *duration)));
            next += duration;
        }
        let film = u128::from(plan.timeline.duration_ticks());
        let scale = u128::from(plan.timeline.timescale);
        if let (Track::Audio, Some(grid)) = (track, plan.audio_grid()) {
            let frame = u128::from(grid.frame_samples);
            let rate = u128::from(grid.sample_rate);
            prop_assert!(u128::from(next) * scale >= film * rate);
            prop_assert!((u128::from(next) - frame) * scale < film * rate);
        } else {
            prop_assert_eq!(u128::from(next), film);
        }
    }
    Ok(())
}

#[test]
fn times_are_the_grid_in_every_film() {
    for (_, film) in films::ALL {
        check_times(&films::playable(film)).unwrap();
        check_times(&films::ready(film)).unwrap();
    }
}

#[test]
fn sets_carry_what_players_look_for() {
    let film = films::ready(films::FILM);
    let found = elements(&dash::mpd(&film));
    let sets: Vec<&Element> = found.iter().filter(|element| element.name() == "AdaptationSet").collect();
    let kinds: Vec<Option<&str>> = sets.iter().map(|set| set.get("contentType")).collect();
    assert_eq!(kinds, [Some("video"), Some("audio"), Some("video"), Some("image")]);
    let essential: Vec<&Element> = found.iter().filter(|element| element.name() == "EssentialProperty").collect();
    // The trick set names the main set, on the set; tiles say so on the representation.
    assert_eq!(essential[0].get("value"), sets[0].get("id"));
    assert_eq!(essential[0].path.len(), 4);
    assert_eq!(essential[1].get("value"), Some("6x10"));
    assert_eq!(essential[1].path.len(), 5);
    assert_eq!(sets[2].get("codingDependency"), Some("false"));
    let ids: Vec<&str> = found.iter().filter(|e| e.name() == "Representation").filter_map(|e| e.get("id")).collect();
    assert_eq!(ids, ["720p", "480p", "240p", "audio", "trick", "thumbnails"]);
    let root = &found[0];
    assert_eq!(root.get("mediaPresentationDuration"), Some("PT21.271250S"));
    assert_eq!(root.get("minBufferTime"), Some("PT1.501500S"));
}

#[test]
fn a_representation_without_a_configuration_is_not_listed() {
    let mut film = films::playable(films::FILM);
    film.configs.remove(&Track::Rung(720));
    let text = dash::mpd(&film);
    assert!(!text.contains("720p") && text.contains("maxHeight=\"480\""), "{text}");
    film.configs.clear();
    assert!(!dash::mpd(&film).contains("segmentAlignment"));
}

#[test]
fn outside_text_is_escaped_or_refused() {
    let mut film = films::playable(films::FILM);
    let plan = std::sync::Arc::make_mut(&mut film.plan);
    plan.audio.as_mut().unwrap().language = "\"><S d=\"0\"/>".into();
    assert!(dash::mpd(&film).contains("lang=\"und\""));
}

#[test]
fn another_parser_reads_every_mpd_and_has_no_complaint() {
    for (name, film) in films::ALL {
        for presentation in [films::playable(film), films::ready(film)] {
            let mpd = dash_mpd_core::parse(&dash::mpd(&presentation)).unwrap();
            assert_eq!(dash_mpd_core::check_conformity(&mpd), Vec::<String>::new(), "{name}");
            let sets = &mpd.periods[0].adaptations;
            let representations: usize = sets.iter().map(|set| set.representations.len()).sum();
            let storyboard = usize::from(presentation.plan.storyboard.is_some());
            assert_eq!(representations, presentation.plan.tracks().len() + storyboard, "{name}");
            let duration = mpd.mediaPresentationDuration.unwrap().as_secs_f64();
            assert!((duration - presentation.plan.timeline.duration_s()).abs() < 2e-6, "{name}");
        }
    }
}

#[test]
fn every_mpd_is_valid_by_the_schema() {
    let Some(schema) = Schema::given("every_mpd_is_valid_by_the_schema") else { return };
    for (name, film) in films::ALL {
        for (state, presentation) in [("playable", films::playable(film)), ("ready", films::ready(film))] {
            schema.check(&dash::mpd(&presentation)).unwrap_or_else(|error| panic!("{name} {state}: {error}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn times_are_the_grid_for_any_film(
        (num, den) in films::rates(), frames in 1u64..20_000,
        rate in prop::sample::select(vec![8000u32, 22_050, 44_100, 48_000, 96_000]),
    ) {
        check_times(&films::playable(Film { fps: (num, den), frames, picture: Some((640, 480)), audio: Some((rate, "en")) }))?;
    }
}
