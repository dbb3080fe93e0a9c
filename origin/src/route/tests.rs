//! Every path has one spelling, and no other text names anything.

use proptest::prelude::*;

use super::*;
use crate::fuzz::spell;

const ID: &str = "vid_00000000000000000000000001";

#[test]
fn names_everything_that_is_delivered() {
    let id: VideoId = ID.parse().unwrap();
    let cases = [
        ("master.m3u8", Target::Master),
        ("manifest.mpd", Target::Mpd),
        ("1/720p/index.m3u8", Target::Part(1, Part::Playlist(Track::Rung(720)))),
        ("1/trick/iframes.m3u8", Target::Part(1, Part::Iframes(Track::Trick))),
        ("2/audio/init.mp4", Target::Part(2, Part::Init(Track::Audio))),
        ("1/360p/17.m4s", Target::Part(1, Part::Segment(Track::Rung(360), 17))),
        ("1/thumbnails.vtt", Target::Part(1, Part::TilesVtt)),
        ("1/thumbnails.json", Target::Part(1, Part::TilesJson)),
        ("1/thumbnails.m3u8", Target::Part(1, Part::TilesPlaylist)),
        ("1/thumbnails/3.jpg", Target::Part(1, Part::Sheet(3))),
        ("1/poster.jpg", Target::Part(1, Part::Poster)),
    ];
    for (rest, target) in cases {
        assert_eq!(Route::parse(&format!("/v/{ID}/{rest}")), Route::Delivery(id, target), "{rest}");
    }
    assert_eq!(Route::parse("/v1/videos"), Route::Api(Api::Videos));
    assert_eq!(Route::parse(&format!("/v1/videos/{ID}")), Route::Api(Api::Video(id)));
    assert_eq!(Route::parse(&format!("/v1/videos/{ID}/events")), Route::Api(Api::Events(id)));
    assert_eq!(Route::parse(&format!("/v1/videos/{ID}/views")), Route::Api(Api::Views(id)));
    assert_eq!(Route::parse("/v1/ws"), Route::Api(Api::Socket));
    assert_eq!(Route::parse("/"), Route::Index);
    assert_eq!(Route::parse("/assets/app.js"), Route::Asset("app.js"));
    let named = |bytes| matches!(Route::parse(&format!("/assets/{}", "x".repeat(bytes))), Route::Asset(_));
    assert_eq!([PATH_BYTES_MAX, PATH_BYTES_MAX + 1].map(named), [true, false]);
}

#[test]
fn knows_no_second_spelling() {
    let spellings = [
        "master.m3u8/",
        "/master.m3u8",
        "./master.m3u8",
        "x/../master.m3u8",
        "master%2em3u8",
        "MASTER.m3u8",
        "master.m3u8%00",
        "01/720p/1.m4s",
        "+1/720p/1.m4s",
        "1/0720p/1.m4s",
        "1/720p/01.m4s",
        "1/720p/0.m4s",
        "1/720p/-1.m4s",
        "1/720p/1.M4S",
        "1/720p//1.m4s",
        "1/720p/1.m4s/",
        "1/720p/%31.m4s",
        "0/720p/1.m4s",
        "4294967296/720p/1.m4s",
        "1/70000p/1.m4s",
        "1/720p/18446744073709551616.m4s",
        "1/trick/../audio/1.m4s",
        "1/thumbnails/0.jpg",
        "1/thumbnails/1.jpg.jpg",
        "1/",
        "1",
        "",
    ];
    for rest in spellings {
        assert_eq!(Route::parse(&format!("/v/{ID}/{rest}")), Route::UnknownDelivery, "{rest}");
    }
    let others = [
        "",
        "//",
        "/v",
        "/v1",
        "/V/",
        "/assets",
        "/assets/%2e%2e/x",
        "/assets/a b",
        "/index.html",
        "*",
        "/v%2f",
        "/v1x/videos",
    ];
    for path in others {
        assert_eq!(Route::parse(path), Route::Unknown, "{path}");
    }
    for rest in
        ["", "videos/", "videos/x", "videos//events", "Videos", "ws/", "videos/%76id_00000000000000000000000001"]
    {
        assert_eq!(Route::parse(&format!("/v1/{rest}")), Route::Api(Api::Unknown), "{rest}");
    }
}

proptest! {
    #[test]
    fn what_is_delivered_has_exactly_one_path(text in "/v/vid_[0-7][0-9a-z]{25}/([0-9./%a-z]{0,20}|[1-9]{1,3}/(720p|audio|trick|thumbnails)/[0-9]{1,4}\\.(m4s|jpg))") {
        if let Some(spelled) = spell(Route::parse(&text)) {
            prop_assert_eq!(spelled, text);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,300}") {
        let route = Route::parse(&text);
        if let Some(spelled) = spell(route) {
            prop_assert_eq!(spelled, text);
        }
    }
}
