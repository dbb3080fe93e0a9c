//! What is asked for and kept has bounds: the last that is allowed is taken, and the next is not.

use super::*;

fn place(n: usize) -> Place {
    Place::whole(&format!("http://h/{n}"))
}

fn answer(body: &str) -> Answer {
    Answer { status: 200, body: body.into(), ..Answer::default() }
}

fn is_missing(crawl: &Crawl, n: usize) -> bool {
    matches!(crawl.stream.resources.get(&place(n)), Some(Resource::Missing(_)))
}

#[test]
fn every_ask_says_how_long_its_answer_may_be() {
    let mut crawl = Crawl::new("http://h/master.m3u8", Transport::Files);
    let mut asked = Vec::new();
    while let Some(ask) = crawl.next() {
        let body = match ask.place.url.as_str() {
            "http://h/master.m3u8" => "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na.m3u8\n",
            "http://h/a.m3u8" => "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:1,\n1.m4s\n#EXT-X-ENDLIST\n",
            _ => "x",
        };
        asked.push((ask.place.url.clone(), ask.bytes_max));
        crawl.answer(ask, Ok(answer(body)));
    }
    let first: Vec<(&str, u64)> = asked.iter().take(4).map(|(url, bytes)| (url.as_str(), *bytes)).collect();
    let expected = [
        ("http://h/master.m3u8", DOCUMENT_BYTES_MAX),
        ("http://h/a.m3u8", DOCUMENT_BYTES_MAX),
        ("http://h/i.mp4", INIT_BYTES_MAX),
        ("http://h/1.m4s", SEGMENT_BYTES_MAX),
    ];
    assert_eq!(first, expected);
}

#[test]
fn so_many_resources_are_asked_for_and_not_one_more() {
    let mut crawl = Crawl { asked: (1..RESOURCES_MAX).map(place).collect(), ..Crawl::default() };
    crawl.ask(place(0), 1, Purpose::Init);
    crawl.ask(place(RESOURCES_MAX), 1, Purpose::Init);
    assert_eq!((crawl.asked.len(), crawl.queue.len()), (RESOURCES_MAX, 1));
    assert_eq!([0, RESOURCES_MAX].map(|n| is_missing(&crawl, n)), [false, true]);
}

#[test]
fn so_many_playlists_are_asked_for_and_not_one_more() {
    // Beside the document that names them.
    let mut crawl = Crawl { asked: (0..PLAYLISTS_MAX).map(place).collect(), ..Crawl::default() };
    for n in [PLAYLISTS_MAX, PLAYLISTS_MAX + 1] {
        crawl.document(&place(n).url, Purpose::Playlist(Roles::default()));
    }
    assert_eq!(crawl.queue.len(), 1);
    assert_eq!([PLAYLISTS_MAX, PLAYLISTS_MAX + 1].map(|n| is_missing(&crawl, n)), [false, true]);
}

#[test]
fn so_many_segments_are_listed_and_not_one_more() {
    let mut crawl = Crawl { entries: ENTRIES_MAX - 1, ..Crawl::default() };
    for n in 0..2 {
        crawl.playlist(&place(n), answer("#EXTM3U\n#EXTINF:1,\n1.m4s\n"), Roles::default());
    }
    assert_eq!(crawl.stream.media.len(), 1);
    assert_eq!([0, 1].map(|n| is_missing(&crawl, n)), [false, true]);
}

#[test]
fn so_many_boxes_are_kept_as_facts_and_not_one_more() {
    let mut crawl = Crawl { facts: FACTS_MAX - 1, ..Crawl::default() };
    let segment = || Segment::read(b"\0\0\0\x08free", None);
    assert_eq!([(); 2].map(|()| crawl.within_bounds(segment()).is_ok()), [true, false]);
}
