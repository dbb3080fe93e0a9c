//! Tiles: the layout of sheets, and cues that cover the film.

use proptest::prelude::*;
use vidstream_media::{Rational, Timeline, hls, storyboard, timeline::Config};

use super::films::{self, Film, float};

fn grid(num: u32, den: u32, frames: u64) -> Timeline {
    Timeline::new(Rational::new(num, den), frames, Config::default())
}

#[test]
fn sheets_are_six_by_ten_and_a_minute_long() {
    let layout = storyboard::layout(&grid(24_000, 1001, 14_400), 320, 180);
    assert_eq!((layout.columns, layout.rows, layout.tricks_per_tile), (6, 10, 1));
    assert_eq!((layout.tile_width, layout.tile_height), (160, 90));
    let portrait = storyboard::layout(&grid(30, 1, 9000), 180, 320);
    assert_eq!((portrait.tile_width, portrait.tile_height), (90, 160));
    assert_eq!((portrait.columns, portrait.rows), (10, 6));
}

#[test]
fn sixty_tiles_of_a_second_are_a_sheet_and_of_less_are_not() {
    // A trick picture each 24 frames: every second, and a little sooner.
    for (num, den, rows) in [(24, 1, 10), (121, 5, 11)] {
        let grid = grid(num, den, 24 * 660);
        assert_eq!(grid.trick_frames, 24);
        let layout = storyboard::layout(&grid, 320, 180);
        assert_eq!((layout.columns, layout.rows), (6, rows), "{num}/{den}");
    }
}

#[test]
fn a_tile_more_than_there_may_be_makes_each_stand_for_two() {
    let tricks = |count: u64| storyboard::layout(&grid(24, 1, 24 * count), 320, 180).tricks_per_tile;
    assert_eq!([1800, 1801].map(tricks), [1, 2]);
}

#[test]
fn tiles_of_a_long_film_stay_few() {
    let five_hours = grid(24_000, 1001, 5 * 3600 * 24);
    let layout = storyboard::layout(&five_hours, 320, 180);
    assert_eq!(layout.tricks_per_tile, 10);
    assert!(layout.tiles(&five_hours) <= 1800);
}

#[test]
fn a_full_last_sheet_has_room_for_a_joined_tail() {
    // 60 trick pictures fill six by ten tiles, and a tail of 14 frames follows.
    let tail = grid(30, 1, 60 * 30 + 14);
    assert_eq!(storyboard::layout(&tail, 320, 180).rows, 11);
    assert_eq!(storyboard::layout(&grid(30, 1, 60 * 30), 320, 180).rows, 10);
}

#[test]
fn films_without_a_picture_have_no_storyboard() {
    let audio = films::ready(films::AUDIO_ONLY);
    assert_eq!((storyboard::vtt(&audio), storyboard::json(&audio)), (None, None));
}

fn stamp_ms(text: &str) -> u64 {
    let parts: Vec<u64> = text.split([':', '.']).map(|part| part.parse().unwrap()).collect();
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn cues_and_sheets_cover_any_film(
        (num, den) in films::rates(), frames in 1u64..40_000, wide in 16u32..4000, high in 16u32..4000,
    ) {
        let film = films::playable(Film { fps: (num, den), frames, picture: Some((wide, high)), audio: None });
        let layout = film.plan.storyboard.unwrap();
        let timeline = &film.plan.timeline;
        let vtt = storyboard::vtt(&film).unwrap();
        let mut next = 0;
        let mut cues = 0;
        for line in vtt.lines().filter(|line| line.contains("-->")) {
            let (start, end) = line.split_once(" --> ").unwrap();
            prop_assert_eq!(stamp_ms(start), next);
            next = stamp_ms(end);
            prop_assert!(next > stamp_ms(start));
            cues += 1;
        }
        let duration_ms = timeline.duration_s() * 1000.0;
        prop_assert!((duration_ms - 0.001..duration_ms + 1.0).contains(&float(next)));
        prop_assert_eq!(cues, layout.tiles(timeline));
        // Every place is inside its sheet, and no sheet is listed that has no tile.
        let json: serde_json::Value = serde_json::from_str(&storyboard::json(&film).unwrap()).unwrap();
        let tiles = json["tiles"].as_array().unwrap();
        prop_assert_eq!(tiles.len() as u64, cues);
        let last = format!("thumbnails/{}.jpg", layout.sheets(timeline));
        prop_assert_eq!(tiles.last().unwrap()["url"].as_str().unwrap(), last.as_str());
        for tile in tiles {
            prop_assert!(tile["x"].as_u64().unwrap() + u64::from(layout.tile_width) <= u64::from(layout.columns * layout.tile_width));
            prop_assert!(tile["y"].as_u64().unwrap() + u64::from(layout.tile_height) <= u64::from(layout.rows * layout.tile_height));
        }
        // A sheet spans a minute, and none is missing for a player that counts by duration.
        let sheet_frames = layout.tiles_per_sheet() * u64::from(layout.tricks_per_tile) * u64::from(timeline.trick_frames);
        prop_assert!(float(sheet_frames) * f64::from(den) / f64::from(num) >= 60.0 - 1e-6);
        prop_assert!(layout.sheets(timeline) * sheet_frames >= frames);
        prop_assert!((layout.sheets(timeline) - 1) * sheet_frames < frames);
        let listed = hls::images(&film).unwrap().lines().filter(|line| line.starts_with("thumbnails/")).count();
        prop_assert_eq!(listed as u64, layout.sheets(timeline));
    }
}
