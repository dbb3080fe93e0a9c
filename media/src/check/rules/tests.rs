//! Clauses of rules on streams made by hand: those that no change of a served stream of ours breaks.

use super::super::{Answer, Crawl, Level, Outcome, Transport, Verdict};
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
