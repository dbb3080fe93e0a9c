//! What holds of every HLS playlist, read again by another parser and line by line.

use m3u8_rs::{MasterPlaylist, MediaPlaylist, Playlist};
use proptest::prelude::*;
use vidstream_media::{Presentation, Track, hls};

use super::films::{self, Film, float};

fn master(presentation: &Presentation) -> MasterPlaylist {
    let text = hls::multivariant(presentation);
    match m3u8_rs::parse_playlist_res(text.as_bytes()) {
        Ok(Playlist::MasterPlaylist(master)) => master,
        other => panic!("not a multivariant playlist: {other:?}\n{text}"),
    }
}

fn media(text: &str) -> MediaPlaylist {
    match m3u8_rs::parse_playlist_res(text.as_bytes()) {
        Ok(Playlist::MediaPlaylist(media)) => media,
        other => panic!("not a media playlist: {other:?}\n{text}"),
    }
}

/// EXTINF in microseconds, exactly as printed.
fn extinf_us(text: &str) -> Vec<u64> {
    let durations = text.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','));
    let us = |value: &str| {
        let (whole, decimals) = value.split_once('.').unwrap();
        assert_eq!(decimals.len(), 6, "{value}");
        whole.parse::<u64>().unwrap() * 1_000_000 + decimals.parse::<u64>().unwrap()
    };
    durations.map(us).collect()
}

fn target_duration_s(text: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix("#EXT-X-TARGETDURATION:"));
    value.unwrap().parse().unwrap()
}

fn rounded_s(us: u64) -> u64 {
    (us + 500_000) / 1_000_000
}

#[test]
fn media_playlists_do_not_change_from_playable_to_ready() {
    for (_, film) in films::ALL {
        let (early, late) = (films::playable(film), films::ready(film));
        for track in early.plan.tracks() {
            assert_eq!(hls::media(&early, track), hls::media(&late, track));
        }
        assert_eq!(hls::iframes(&early, Track::Trick), hls::iframes(&late, Track::Trick));
        assert_eq!(hls::images(&early), hls::images(&late));
    }
}

#[test]
fn a_rung_lists_its_i_frames_only_when_ready() {
    let track = Track::Rung(480);
    assert_eq!(hls::iframes(&films::playable(films::FILM), track), None);
    let late = films::ready(films::FILM);
    let text = hls::iframes(&late, track).unwrap();
    let list = media(&text);
    assert!(list.i_frames_only);
    let gops: usize = (1..=late.plan.timeline.segments()).map(|n| late.plan.timeline.segment_gops(n).len()).sum();
    assert_eq!(list.segments.len(), gops);
    for entry in &list.segments {
        let n: u64 = entry.uri.strip_suffix(".m4s").unwrap().parse().unwrap();
        let (_, stored) = late.stored(track, n).unwrap();
        let range = entry.byte_range.as_ref().unwrap();
        let mut starts = stored.fragments.iter().scan(0, |next, fragment| {
            let start = *next;
            *next += u64::from(fragment.bytes);
            Some((start, u64::from(fragment.first_sample_end)))
        });
        assert!(starts.any(|place| place == (range.offset.unwrap(), range.length)), "{range:?} is no I-frame of {n}");
    }
}

#[test]
fn an_index_that_does_not_match_the_grid_lists_no_i_frames() {
    let mut broken = films::ready(films::FILM);
    let first = std::sync::Arc::make_mut(broken.chunks.get_mut(&1).unwrap());
    first.tracks[0].segments[0].fragments.clear();
    assert_eq!(hls::iframes(&broken, first_rung(&broken)), None);
    assert!(!hls::multivariant(&broken).contains("720p/iframes.m3u8"));
}

fn first_rung(presentation: &Presentation) -> Track {
    presentation.plan.rungs[0].track
}

#[test]
fn tracks_that_are_not_there_have_no_playlist() {
    let film = films::ready(films::SLOW);
    assert_eq!(hls::media(&film, Track::Audio), None);
    assert_eq!(hls::media(&film, Track::Rung(1080)), None);
    assert_eq!(hls::media(&film, Track::Trick), None);
    assert_eq!(hls::iframes(&film, Track::Audio), None);
    let audio = films::ready(films::AUDIO_ONLY);
    assert_eq!(hls::iframes(&audio, Track::Trick), None);
    assert_eq!(hls::images(&audio), None);
}

#[test]
fn the_variant_near_two_megabits_is_first_and_the_rest_descend() {
    let variants = master(&films::playable(films::FILM)).variants;
    let names: Vec<&str> = variants.iter().filter(|v| !v.is_i_frame).map(|v| v.uri.as_str()).collect();
    assert_eq!(names, ["1/720p/index.m3u8", "1/480p/index.m3u8", "1/240p/index.m3u8", "1/audio/index.m3u8"]);
    let mut film = films::playable(films::FILM);
    let plan = std::sync::Arc::make_mut(&mut film.plan);
    plan.rungs[0].target_bps = 5_000_000;
    plan.rungs[1].target_bps = 1_900_000;
    let variants = master(&film).variants;
    let names: Vec<&str> = variants.iter().filter(|v| !v.is_i_frame).map(|v| v.uri.as_str()).collect();
    assert_eq!(names, ["1/480p/index.m3u8", "1/720p/index.m3u8", "1/240p/index.m3u8", "1/audio/index.m3u8"]);
}

#[test]
fn tags_carry_their_attributes_and_no_others() {
    for (name, film) in films::ALL {
        for presentation in [films::playable(film), films::ready(film)] {
            let master = master(&presentation);
            assert!(master.independent_segments, "{name}");
            for variant in &master.variants {
                let peak = variant.bandwidth;
                assert!(variant.average_bandwidth.unwrap() <= peak, "{name}: {variant:?}");
                assert!(!variant.codecs.as_ref().unwrap().is_empty());
                assert_eq!(variant.is_i_frame, variant.uri.ends_with("/iframes.m3u8"));
                let video = !variant.uri.ends_with("audio/index.m3u8");
                assert_eq!(variant.resolution.is_some(), video);
                assert_eq!(variant.frame_rate.is_some(), video && !variant.is_i_frame);
                assert_eq!(variant.closed_captions.is_some(), !variant.is_i_frame);
                let grouped = film.picture.is_some() && film.audio.is_some() && !variant.is_i_frame;
                assert_eq!(variant.audio.as_deref(), grouped.then_some("audio"));
                assert_eq!(grouped && video, variant.codecs.as_ref().unwrap().contains(','));
            }
            let has_iframes = master.variants.iter().any(|variant| variant.is_i_frame);
            assert_eq!(has_iframes, film.picture.is_some(), "{name}");
        }
    }
}

#[test]
fn a_track_without_a_configuration_is_not_listed() {
    let mut film = films::playable(films::FILM);
    film.configs.remove(&Track::Rung(480));
    let text = hls::multivariant(&film);
    assert!(!text.contains("480p") && !text.contains("\n1/audio/index.m3u8"), "{text}");
    film.configs.clear();
    let text = hls::multivariant(&film);
    assert!(!text.contains("STREAM-INF:BANDWIDTH=0") && !text.contains("index.m3u8"), "{text}");
}

#[test]
fn a_hostile_language_stays_inside_its_quotes() {
    let mut film = films::playable(films::FILM);
    let plan = std::sync::Arc::make_mut(&mut film.plan);
    plan.audio.as_mut().unwrap().language = "e\"n\r\n#EXT-X-ENDLIST".into();
    let text = hls::multivariant(&film);
    assert!(text.contains("LANGUAGE=\"und\",NAME=\"Audio\""), "{text}");
    assert!(!text.contains("ENDLIST"));
}

/// Rules 7 to 13 and 40 of every playlist of a film.
fn check_times(presentation: &Presentation) -> Result<(), TestCaseError> {
    let plan = &presentation.plan;
    let timeline = &plan.timeline;
    let exact_us = |ticks: u64, scale: u32| float(ticks) * 1e6 / f64::from(scale);
    let film_us = exact_us(timeline.duration_ticks(), timeline.timescale);
    let mut texts = Vec::new();
    for track in plan.tracks() {
        texts.extend(hls::media(presentation, track).map(|text| (track, text, true)));
        texts.extend(hls::iframes(presentation, track).map(|text| (track, text, false)));
    }
    for (track, text, shares_target) in &texts {
        let durations = extinf_us(text);
        let target = target_duration_s(text);
        prop_assert!(durations.iter().all(|&us| us > 0 && rounded_s(us) <= target));
        if *shares_target {
            prop_assert_eq!(target, plan.target_duration_s);
        }
        let total = float(durations.iter().sum());
        if *track == Track::Audio {
            // Audio never ends before video, and overhangs by less than one of its frames.
            let grid = plan.audio_grid().unwrap();
            let frame_us = exact_us(u64::from(grid.frame_samples), grid.sample_rate);
            prop_assert!(total >= film_us - 1.0 && total < film_us + frame_us + 1.0);
        } else {
            prop_assert!((total - film_us).abs() <= 1.0);
        }
        // Any run that starts at the head is exact to a microsecond, so any run at all is to two.
        if *shares_target {
            let mut sum = 0;
            for (n, us) in (1..).zip(&durations) {
                sum += us;
                let (start, ticks) = plan.segment_ticks(*track, n).unwrap();
                let end = exact_us(start + ticks, plan.timescale(*track));
                prop_assert!((float(sum) - end).abs() <= 1.0, "{} ends at {} and not {}", n, sum, end);
            }
        }
    }
    Ok(())
}

#[test]
fn playlists_are_read_by_another_parser() {
    for (_, film) in films::ALL {
        let presentation = films::ready(film);
        check_times(&presentation).unwrap();
        for track in presentation.plan.tracks() {
            let lists = [hls::media(&presentation, track), hls::iframes(&presentation, track)];
            for text in lists.iter().flatten() {
                let list = media(text);
                let iframes = text.contains("#EXT-X-I-FRAMES-ONLY");
                assert_eq!(list.version, Some(if iframes { 5 } else { 6 }));
                assert!(list.end_list);
                assert_eq!(list.segments[0].map.as_ref().unwrap().uri, "init.mp4");
                assert_eq!(list.playlist_type, Some(m3u8_rs::MediaPlaylistType::Vod));
            }
        }
        if let Some(text) = hls::images(&presentation) {
            assert_eq!(media(&text).segments.len(), presentation.sheets.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn times_are_exact_for_any_film(
        (num, den) in films::rates(), frames in 1u64..20_000,
        rate in prop::sample::select(vec![8000u32, 22_050, 44_100, 48_000, 96_000]),
    ) {
        // At most 4000 s, so that the playlist stays small.
        let frames = frames.min(4000 * u64::from(num) / u64::from(den)).max(1);
        let film = Film { fps: (num, den), frames, picture: Some((640, 480)), audio: Some((rate, "en")) };
        check_times(&films::ready(film))?;
    }
}
