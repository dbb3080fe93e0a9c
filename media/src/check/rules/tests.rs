//! Clauses of rules on streams made by hand: those that no change of a served stream of ours breaks.

use super::super::{
    Answer, Crawl, Level, Outcome, Place, Transport, Verdict,
    init::{Init, Track},
    media::{Media, Roles},
    segment::{Fragment, Run, Segment},
    stream::Resource,
};
use super::*;

/// The verdict of a rule on the folder of these files, of which each answer may be kept for so long.
fn outcome(rule: u8, files: &[(&str, &str)], max_age_s: u64) -> Outcome {
    let mut crawl = Crawl::new("http://h/", Transport::Http);
    while let Some(ask) = crawl.next() {
        let file = files.iter().find(|(name, _)| ask.place.url == format!("http://h/{name}"));
        let answer = file.map_or(Answer { status: 404, ..Answer::default() }, |(_, text)| Answer {
            status: 200,
            cache_control: Some(format!("public, max-age={max_age_s}")),
            body: text.as_bytes().to_vec(),
            ..Answer::default()
        });
        crawl.answer(ask, Ok(answer));
    }
    crawl.report().unwrap().rules.swap_remove(usize::from(rule) - 1)
}

/// What a rule tells first of a stream.
fn reason(stream: &Stream, check: fn(&Stream, &mut Findings)) -> Option<String> {
    let mut findings = Findings::new(Level::Must);
    check(stream, &mut findings);
    findings.into_outcome(1).reason
}

fn media(url: &str, roles: Roles, text: &str) -> Media {
    Media { roles, ..Media::read(url, url, text.as_bytes()) }
}

fn place(url: &str) -> Place {
    Place::whole(url)
}

/// So many tracks of video in milliseconds.
fn init(tracks: usize) -> Resource {
    let track = Track { handler: *b"vide", timescale: 1000, ..Track::default() };
    Resource::Init(Init { tracks: vec![track; tracks], ..Init::default() })
}

/// A segment from `start` on of frames that last so long.
fn frames(start: u32, durations: &[u64]) -> Resource {
    let duration: u64 = durations.iter().sum();
    let run = Run {
        samples: u32::try_from(durations.len()).unwrap(),
        duration,
        shortest: *durations.iter().min().unwrap(),
        longest: *durations.iter().max().unwrap(),
        start: i64::from(start),
        end: i64::from(start) + i64::try_from(duration).unwrap(),
        ..Run::default()
    };
    let fragments = vec![Fragment { runs: vec![run], ..Fragment::default() }];
    Resource::Segment(Segment { fragments, ..Segment::default() })
}

#[test]
fn every_rule_is_in_the_table_once_and_in_order() {
    let numbers: Vec<u8> = RULES.iter().map(|rule| rule.number).collect();
    assert_eq!(numbers, (1..=76).collect::<Vec<u8>>());
}

#[test]
fn only_pictures_beside_the_media_may_come_later_and_only_before_the_end() {
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n#EXT-X-IMAGE-STREAM-INF:URI=\"t.m3u8\"\n";
    let list = |uri: &str| format!("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:9,\n{uri}\n#EXT-X-ENDLIST\n");
    let (video, images) = (list("1.m4s"), list("1.jpg"));
    let mpd = "<MPD mediaPresentationDuration='PT9S'><Period><AdaptationSet contentType='image'>\
               <SegmentTemplate media='$Number$.jpg' duration='9'/><Representation id='t'/></AdaptationSet></Period></MPD>";
    let hls = [("master.m3u8", master), ("v.m3u8", video.as_str()), ("t.m3u8", images.as_str())];
    let both = [&hls[..], &[("manifest.mpd", mpd)]].concat();
    let dash = [("manifest.mpd", mpd)];
    let (changes, settled) = (2, 300);
    for (documents, there, max_age_s, verdict) in [
        (&both[..], "1.m4s", changes, Verdict::Pass),
        (&both, "1.m4s", settled, Verdict::Fail),
        (&both, "1.jpg", changes, Verdict::Fail),
        (&dash, "1.m4s", changes, Verdict::Pass),
        (&dash, "1.m4s", settled, Verdict::Fail),
    ] {
        let files = [documents, &[(there, "x")]].concat();
        assert_eq!(outcome(6, &files, max_age_s).verdict, verdict, "{there} {max_age_s}");
    }
}

#[test]
fn a_live_playlist_has_its_window_its_dates_and_no_type() {
    let list = |header: &str, seconds: u8, count: usize| {
        let segment = |n| format!("#EXTINF:{seconds}.0,\n{n}.m4s\n");
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{header}") + &(0..count).map(segment).collect::<String>()
    };
    let date = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n";
    let typed = format!("#EXT-X-PLAYLIST-TYPE:VOD\n{date}");
    for (playlist, reason) in [
        (list(date, 4, 6), None),
        (list("", 4, 6), Some("without EXT-X-PROGRAM-DATE-TIME")),
        (list(&typed, 4, 6), Some("with EXT-X-PLAYLIST-TYPE")),
        (list(date, 4, 5), Some("5 segments")),
        (list(date, 1, 11), Some("less than three target durations")),
    ] {
        let files =
            [("master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8\n"), ("v.m3u8", playlist.as_str())];
        let outcome = outcome(20, &files, 300);
        let told = outcome.reason.as_deref().unwrap_or_default();
        match reason {
            None => assert_eq!(outcome.verdict, Verdict::Pass, "{told}"),
            Some(reason) => assert!(outcome.level == Level::Must && told.contains(reason), "{reason}: {told}"),
        }
    }
}

#[test]
fn subtitles_in_fragments_start_with_the_media() {
    let list = |map: &str, segment: &str| format!("#EXTM3U\n{map}#EXTINF:4,\n{segment}\n#EXT-X-ENDLIST\n");
    let map = "#EXT-X-MAP:URI=\"i\"\n";
    let subtitles = Roles { subtitles: true, ..Roles::default() };
    for (map_of_text, starts, expected) in
        [(map, 0, None), (map, 500, Some("it starts at 500000 us, and http://h/v at 0 us")), ("", 500, None)]
    {
        let video = media("http://h/v", Roles { variant: true, ..Roles::default() }, &list(map, "1"));
        let text = media("http://h/s", subtitles, &list(map_of_text, "2"));
        let resources =
            [("http://h/i", init(1)), ("http://h/1", frames(0, &[40; 100])), ("http://h/2", frames(starts, &[4000]))];
        let resources = resources.into_iter().map(|(url, resource)| (place(url), resource)).collect();
        let stream = Stream { media: vec![video, text], resources, ..Stream::default() };
        assert_eq!(reason(&stream, media_times::starts).as_deref(), expected, "{starts}");
    }
}

#[test]
fn another_frame_rate_and_other_tracks_need_a_discontinuity() {
    let list = "#EXTM3U\n#EXT-X-MAP:URI=\"i\"\n#EXTINF:1,\n1\n#EXT-X-MAP:URI=\"j\"\n#EXTINF:1,\n2\n";
    let told = |second_tracks: usize, first: &[u64], second: &[u64], list: &str| {
        let variant = media("http://h/v", Roles { variant: true, ..Roles::default() }, list);
        let end = u32::try_from(first.iter().sum::<u64>()).unwrap();
        let resources = [
            ("http://h/i", init(1)),
            ("http://h/j", init(second_tracks)),
            ("http://h/1", frames(0, first)),
            ("http://h/2", frames(end, second)),
        ];
        let resources = resources.into_iter().map(|(url, resource)| (place(url), resource)).collect();
        reason(&Stream { media: vec![variant], resources, ..Stream::default() }, media_times::discontinuities)
    };
    let (film, sport, uneven) = ([40; 25], [20; 50], [20, 60, 20, 20]);
    let (rounded, tail) = ([33, 33, 34, 33, 33, 34], [34, 34]);
    let rate = Some("another frame rate without EXT-X-DISCONTINUITY");
    assert_eq!(told(1, &film, &film, list), None);
    assert_eq!(told(1, &film, &sport, list).as_deref(), rate);
    assert_eq!(told(1, &film, &rounded, list).as_deref(), rate);
    assert_eq!(told(1, &film, &uneven, list), None);
    assert_eq!(told(1, &film, &[80], list), None);
    assert_eq!(told(1, &rounded, &tail, list), None);
    let tracks = Some("another number of tracks without EXT-X-DISCONTINUITY");
    assert_eq!(told(2, &film, &film, list).as_deref(), tracks);
    let marked = list.replace("#EXT-X-MAP:URI=\"j\"", "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"j\"");
    assert_eq!(told(2, &film, &sport, &marked), None);
}

#[test]
fn names_of_av1_and_vp9_may_say_more_and_others_not() {
    // A format, names of it, and others.
    let cases: [(&str, &[&str], &[&str]); 4] = [
        ("av01.0.04M.08", &["av01.0.04M.08", "av01.0.04M.08.0.110.01.01.01.0"], &["av01.0.04M.080", "av01.0.05M.08"]),
        ("vp09.02.51.10", &["vp09.02.51.10.01.09.16.09.00"], &["vp09.02.51"]),
        ("avc1.64001f", &["AVC1.64001F"], &["avc1.64001f.1"]),
        ("mp4a.40.2", &["mp4a.40.2"], &["mp4a"]),
    ];
    for (codec, own, others) in cases {
        assert!(own.iter().all(|name| multivariant::is_named(name, codec)), "{codec}");
        assert!(!others.iter().any(|name| multivariant::is_named(name, codec)), "{codec}");
    }
}
