//! Declared and measured rates of whole films.

use std::sync::Arc;

use proptest::prelude::*;
use vidstream_media::{
    Track,
    bandwidth::{self, Rates},
    dash, hls,
};

use super::films::{self, Film};

#[test]
fn before_the_end_the_peak_is_the_cap_and_two_buffers_in_the_shortest_window() {
    let film = films::playable(films::FILM);
    let declared = bandwidth::declared(&film, Track::Rung(720)).unwrap();
    // The first ramp segment, 2.002 s, is the shortest window at a target duration of 4 s.
    let coded = 3_000_000.0 * (1.0 + 2.0 * 0.5 / 2.002);
    let container = films::float(declared.peak_bps) - coded;
    assert!((0.0..5000.0).contains(&container), "{container}");
}

#[test]
fn before_the_end_the_average_is_that_of_what_is_made() {
    let mut film = films::playable(films::FILM);
    let track = Track::Rung(720);
    let (_, first) = film.stored(track, 1).unwrap();
    let expected = (first.bytes() * 8_000_000).div_ceil(2_002_000);
    assert_eq!(bandwidth::declared(&film, track).unwrap().average_bps, expected);
    film.chunks.clear();
    let nothing = bandwidth::declared(&film, track).unwrap();
    assert!((2_200_000..2_205_000).contains(&nothing.average_bps), "{nothing:?}");
}

#[test]
fn the_declared_peak_is_never_below_a_measured_one() {
    let mut film = films::presentation(films::FILM, 2);
    let track = Track::Rung(240);
    let first = Arc::make_mut(film.chunks.get_mut(&1).unwrap());
    let part = first.tracks.iter_mut().find(|part| part.track == track).unwrap();
    part.segments[0].fragments[0].bytes = 10_000_000;
    let peak = (10_000_000_u64 * 8_000_000).div_ceil(2_002_000);
    assert_eq!(bandwidth::declared(&film, track).unwrap().peak_bps, peak);
    assert_eq!(bandwidth::under_buffer(&film, track), Some(peak));
}

#[test]
fn ready_means_measured() {
    let mut film = films::ready(films::FILM);
    let odd = Rates { peak_bps: 100, average_bps: 90 };
    film.measured.insert(Track::Rung(720), odd);
    assert_eq!(bandwidth::declared(&film, Track::Rung(720)), Some(odd));
    // What is measured while chunks are still missing is not the whole truth.
    film.ready = false;
    assert!(bandwidth::declared(&film, Track::Rung(720)).unwrap().peak_bps > 1_000_000);
    assert_eq!(bandwidth::declared(&film, Track::Rung(1080)), None);
}

#[test]
fn a_variant_is_its_video_and_the_audio() {
    let film = films::ready(films::FILM);
    let (video, audio) = (film.measured[&Track::Rung(720)], film.measured[&Track::Audio]);
    let both = video + audio;
    let expected = format!("BANDWIDTH={},AVERAGE-BANDWIDTH={},", both.peak_bps, both.average_bps);
    assert!(hls::multivariant(&film).contains(&expected));
    // DASH counts a representation at a time.
    let alone = bandwidth::under_buffer(&film, Track::Rung(720)).unwrap();
    assert!(dash::mpd(&film).contains(&format!("id=\"720p\" bandwidth=\"{alone}\"")));
}

#[test]
fn the_i_frame_list_of_a_rung_is_measured_over_its_ranges() {
    let film = films::ready(films::FILM);
    let text = hls::multivariant(&film);
    let line = text.lines().find(|line| line.contains("720p/iframes.m3u8")).unwrap();
    let value = line.split("BANDWIDTH=").nth(1).unwrap().split(',').next().unwrap();
    let peak: u64 = value.parse().unwrap();
    // A fifth of each GOP is its I-frame in these films.
    let whole = film.measured[&Track::Rung(720)].peak_bps;
    assert!((whole / 6..whole / 3).contains(&peak), "{peak} of {whole}");
}

#[test]
fn the_mpd_raises_a_rate_that_would_run_dry() {
    let mut film = films::ready(films::FILM);
    let track = Track::Rung(720);
    let steady = bandwidth::under_buffer(&film, track).unwrap();
    assert_eq!(steady, film.measured[&track].peak_bps);
    // All bytes of the last segment in the first picture of its first GOP.
    let last = Arc::make_mut(film.chunks.values_mut().next_back().unwrap());
    let part = last.tracks.iter_mut().find(|part| part.track == track).unwrap();
    let fragment = &mut part.segments.last_mut().unwrap().fragments[0];
    (fragment.bytes, fragment.first_sample_end) = (1_500_000, 1_500_000);
    let raised = bandwidth::under_buffer(&film, track).unwrap();
    // 12 megabits are needed at once, and 1.5015 s are buffered.
    let floor = 12_000_000 * 10_000 / 15_015;
    assert!(raised >= floor, "{raised}");
    assert!(raised < floor + 1_500_000, "{raised}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn averages_stay_below_peaks_whatever_is_made(
        frames in 1u64..9000, made in 0usize..20, spike in 0u32..3_000_000,
    ) {
        let film = Film { frames, ..films::FILM };
        let mut presentation = films::presentation(film, made);
        if let Some(chunk) = presentation.chunks.values_mut().next_back() {
            for part in &mut Arc::make_mut(chunk).tracks {
                part.segments.last_mut().unwrap().fragments[0].bytes += spike;
            }
        }
        for track in presentation.plan.tracks() {
            let rates = bandwidth::declared(&presentation, track).unwrap();
            prop_assert!(rates.average_bps <= rates.peak_bps);
            prop_assert!(bandwidth::under_buffer(&presentation, track).unwrap() >= rates.peak_bps);
        }
    }
}
