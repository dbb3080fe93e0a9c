//! Bytes of any kind are read without a panic and within bounds.

use proptest::prelude::*;

use super::{
    Answer, Crawl, Outcome, Transport, Verdict, init::Init, media::Media, mpd::Mpd, multivariant::Multivariant,
    segment::Segment,
};

/// Bytes that look like boxes now and then, so that a walk goes deep.
fn boxes() -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop::sample::select(vec![
        *b"moov", *b"trak", *b"mdia", *b"minf", *b"stbl", *b"stsd", *b"avc1", *b"mp4a", *b"esds", *b"avcC", *b"hvcC",
        *b"moof", *b"traf", *b"tfhd", *b"tfdt", *b"trun", *b"sidx", *b"senc", *b"saiz", *b"elst", *b"dref", *b"mdat",
    ]);
    let part = (any::<u32>(), 0u32..64, any::<bool>(), kinds, prop::collection::vec(any::<u8>(), 0..48));
    let part = part.prop_map(|(wild, tame, is_wild, kind, body)| {
        let mut bytes = (if is_wild { wild } else { tame }).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(body);
        bytes
    });
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// Lines that look like playlists.
fn lines() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "#EXTM3U",
        "#EXTINF:4.0,",
        "#EXTINF:x",
        "#EXT-X-BYTERANGE:5",
        "#EXT-X-BYTERANGE:5@18446744073709551615",
        "#EXT-X-MAP:URI=\"a\",BYTERANGE=1@",
        "#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"",
        "a.m4s",
        "http://[",
        "#EXT-X-PART:",
        "#EXT-X-MEDIA-SEQUENCE:18446744073709551615",
        "#EXT-X-MEDIA:TYPE=AUDIO,URI=\"b\"",
        "",
    ]);
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.join("\n"))
}

/// The verdict of rule 4 on a playlist, given how it is asked for and which version of it is then served: with gzip always
/// the third.
fn compressed(served: &[(bool, u8)]) -> Outcome {
    let text = |version: u8| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH={version}\nlist.m3u8\n").into_bytes();
    // A header, and the checksum and length of the third version.
    let gzip_of_3 = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x6d, 0x52, 0xc4, 0xdc, 48, 0, 0, 0];
    let mut crawl = Crawl::new("http://h/master.m3u8", Transport::Http);
    let mut served = served.iter();
    while let Some(ask) = crawl.next() {
        let mut answer = Answer { status: 404, ..Answer::default() };
        if ask.place.url.ends_with("master.m3u8") {
            let &(gzip, version) = served.next().expect("it is asked for more often");
            assert_eq!(ask.gzip, gzip);
            answer.status = 200;
            answer.body = if gzip { gzip_of_3.to_vec() } else { text(version) };
            answer.content_encoding = gzip.then(|| "gzip".to_owned());
        }
        crawl.answer(ask, Ok(answer));
    }
    assert_eq!(served.next(), None, "it is asked for less often");
    crawl.report().unwrap().rules.swap_remove(3)
}

#[test]
fn a_playlist_that_changes_while_it_is_asked_for_is_asked_for_once_more() {
    let (plain, gzip) = (false, true);
    let quiet = compressed(&[(plain, 3), (plain, 3), (gzip, 3)]);
    assert_eq!(quiet.verdict, Verdict::Pass);
    let changing = compressed(&[(plain, 1), (plain, 2), (gzip, 3), (plain, 3), (gzip, 3)]);
    assert_eq!(changing.verdict, Verdict::Pass);
    let wrong = compressed(&[(plain, 1), (plain, 1), (gzip, 3), (plain, 1), (gzip, 3)]);
    assert_eq!((wrong.rule, wrong.verdict), (4, Verdict::Fail));
}

#[test]
fn a_cue_may_last_until_the_end_of_numbers() {
    let header = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n";
    // Milliseconds beyond 63 bits, before the ten seconds that the map adds.
    let first = format!("{header}00:00:00.000 --> 1000000000:0:0:0:0.000\nfor ever\n");
    let files = [
        (
            "master.m3u8",
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"s\",URI=\"s.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=1,SUBTITLES=\"s\"\nv.m3u8\n",
        ),
        ("s.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXTINF:20,\n1.vtt\n#EXTINF:20,\n2.vtt\n#EXT-X-ENDLIST\n"),
        ("1.vtt", first.as_str()),
        ("2.vtt", header),
    ];
    let mut crawl = Crawl::new("http://h/master.m3u8", Transport::Files);
    while let Some(ask) = crawl.next() {
        let file = files.iter().find(|(name, _)| ask.place.url == format!("http://h/{name}"));
        let served = file.map(|(_, text)| Answer { status: 200, body: text.as_bytes().to_vec(), ..Answer::default() });
        crawl.answer(ask, served.ok_or_else(|| "there is no such file".to_owned()));
    }
    let cues = crawl.report().unwrap().rules.swap_remove(72);
    assert_eq!((cues.rule, cues.verdict), (73, Verdict::Fail));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn boxes_of_any_kind_are_read(bytes in boxes()) {
        let init = Init::read(&bytes);
        let _ = Segment::read(&bytes, Some(&init)).span();
        let _ = Segment::read(&bytes, None);
    }

    #[test]
    fn bytes_of_any_kind_are_read(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Init::read(&bytes);
        let _ = Segment::read(&bytes, None);
        let _ = Media::read("http://h/a/b.m3u8", "http://h/a/b.m3u8", &bytes);
        let _ = Multivariant::read("http://h/a/b.m3u8", &bytes);
        let _ = Mpd::read("http://h/a/b.mpd", &bytes);
    }

    #[test]
    fn a_stream_of_any_kind_is_judged(
        entry in lines(), playlists in prop::collection::vec(lines(), 1..4), media in prop::collection::vec(boxes(), 1..4),
    ) {
        let entry = format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nlist.m3u8\n{entry}");
        let mut crawl = Crawl::new("http://h/a/master.m3u8", Transport::Http);
        let mut asked = 0;
        while let Some(ask) = crawl.next() {
            let url = ask.place.url.as_str();
            let body = match asked {
                0 => entry.clone().into_bytes(),
                _ if url.ends_with("m3u8") || url.ends_with('b') => {
                    format!("#EXTM3U\n{}", playlists[asked % playlists.len()]).into_bytes()
                }
                _ => media[asked % media.len()].clone(),
            };
            let status = if ask.place.range.is_some() { 206 } else { 200 };
            crawl.answer(ask, Ok(Answer { status, body, ..Answer::default() }));
            asked += 1;
        }
        let report = crawl.report().unwrap();
        prop_assert_eq!(report.rules.len(), 76);
        prop_assert!(report.text().ends_with("that apply\n"));
    }

    #[test]
    fn playlists_of_any_kind_are_read(text in lines()) {
        let _ = Media::read("http://h/a/b.m3u8", "http://h/a/b.m3u8", text.as_bytes());
        let _ = Multivariant::read("http://h/a/b.m3u8", text.as_bytes());
    }
}

proptest! {
    // Each lists as much as the bound allows.
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn timelines_of_any_kind_are_bounded(t in any::<u64>(), d in any::<u64>(), r in any::<i64>(), number in any::<u64>()) {
        let text = format!(
            "<MPD mediaPresentationDuration='PT9999999999S'><Period><AdaptationSet>\
             <SegmentTemplate timescale='1' media='$Number%019d$' startNumber='{number}'>\
             <SegmentTimeline><S t='{t}' d='{d}' r='{r}'/></SegmentTimeline></SegmentTemplate>\
             <Representation id='v'/></AdaptationSet></Period></MPD>"
        );
        let mpd = Mpd::read("http://h/a/b.mpd", text.as_bytes()).unwrap();
        prop_assert!(mpd.sets[0].representations[0].segments.len() <= 1 << 18);
    }
}
