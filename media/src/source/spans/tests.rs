//! Every frame of a segment finds what it is decoded from inside the segment's span.

use proptest::prelude::*;

use super::*;
use crate::{rational::Rational, timeline::Config};

const FRAME_NS: i64 = 40_000_000;

/// 25 fps; each GOP is sync, then P and two leading B-frames alternating, as an encoder orders them.
fn film(gops: u32, gop: u32, open: bool) -> Vec<Packet> {
    let mut packets = Vec::new();
    let mut push = |frame: u32, sync| {
        let offset = packets.len() as u64 * 100;
        packets.push(Packet { offset, bytes: 100, sync, pts_ns: i64::from(frame) * FRAME_NS, duration_ns: 40_000_000 });
    };
    for n in 0..gops {
        let first = n * gop;
        push(first, true);
        if open && n > 0 {
            // The two pictures before the sync picture, decoded after it.
            push(first - 2, false);
            push(first - 1, false);
        }
        let last = if open && n + 1 < gops { gop - 2 } else { gop };
        for at in 1..last {
            push(first + at, false);
        }
    }
    packets
}

fn grid(frames: u64) -> Timeline {
    Timeline::new(Rational::new(25, 1), frames, Config::default())
}

#[test]
fn closed_gops_start_at_the_sync_packet_of_their_first_picture() {
    let packets = film(10, 50, false);
    let shown = Shown::new(&packets);
    assert_eq!(shown.interval(0, None), Some((0, 20_000_000_000)));
    let spans = spans(&grid(500), 0, Some(&shown), None);
    assert_eq!((spans[0].video.clone(), spans[0].video_earlier), (0..52, 0));
    assert_eq!((spans[1].video.clone(), spans[1].video_earlier), (50..102, 0));
    assert_eq!((spans[2].video.clone(), spans[2].video_earlier), (100..202, 50));
    assert_eq!(shown.sync_frames(&grid(500), 0), (0..10).map(|n| n * 50).collect::<Vec<_>>());
}

#[test]
fn leading_pictures_start_one_sync_packet_earlier() {
    let packets = film(10, 48, true);
    let shown = Shown::new(&packets);
    // Segments begin at frames 0, 50, 100: frame 94 and 95 lead the sync picture 96.
    let span = shown.span(&grid(480), 0, &(94..100));
    let start = &packets[span.0.start];
    assert!(start.sync);
    assert_eq!(start.pts_ns, 48 * FRAME_NS);
    assert!(packets[span.0].iter().any(|packet| packet.pts_ns == 99 * FRAME_NS));
}

#[test]
fn a_span_across_an_open_gop_holds_the_pictures_that_decode_after_the_next_sync() {
    let packets = film(10, 48, true);
    let shown = Shown::new(&packets);
    let (span, _) = shown.span(&grid(480), 0, &(50..96));
    let has = |frame: i64| packets[span.clone()].iter().any(|packet| packet.pts_ns == frame * FRAME_NS);
    assert!(has(94) && has(95) && has(48));
}

#[test]
fn edits_cut_the_interval() {
    let packets = film(2, 50, false);
    let shown = Shown::new(&packets);
    assert_eq!(shown.interval(50_000_000, Some(1_000_000_000)), Some((50_000_000, 1_000_000_000)));
    assert_eq!(shown.interval(4_000_000_000, None), None);
    assert_eq!(Shown::new(&[]).interval(0, None), None);
}

#[test]
fn sound_has_preroll_and_postroll_and_comes_after_the_pictures() {
    let packets = film(4, 50, false);
    let shown = Shown::new(&packets);
    let sound: Vec<Packet> = (0..400)
        .map(|n| Packet { offset: 0, bytes: 10, sync: true, pts_ns: n * 21_333_333, duration_ns: 21_333_333 })
        .collect();
    let audio = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };
    let spans = spans(&grid(200), 0, Some(&shown), Some(Sound { packets: &sound, grid: audio }));
    let third = &spans[2].audio;
    // Its first frame is the 188th, at 4.011 s: 2.6 s before it is packet 66.
    assert_eq!(third.start, 200 + 66);
    assert!(third.end > 200 + 376 + 8);
    assert_eq!(spans[0].audio.start, 200);
    assert_eq!(spans.last().unwrap().audio.end, 200 + 385);
}

proptest! {
    #[test]
    fn any_packets_give_spans_that_hold_the_shown_pictures(
        raw in proptest::collection::vec((0i64..20_000, any::<bool>()), 1..300), num in 1u32..60, t0 in 0i64..1000,
    ) {
        let packets: Vec<Packet> = raw
            .iter()
            .map(|&(ms, sync)| Packet { offset: 0, bytes: 1, sync, pts_ns: ms * 1_000_000, duration_ns: 40_000_000 })
            .collect();
        let shown = Shown::new(&packets);
        let timeline = Timeline::new(Rational::new(num, 1), 20 * u64::from(num), Config::default());
        let t0_ns = t0 * 1_000_000;
        let spans = spans(&timeline, t0_ns, Some(&shown), None);
        prop_assert_eq!(spans.len() as u64, timeline.segments());
        for (n, span) in (1..).zip(&spans) {
            prop_assert!(span.video.end <= packets.len() as u64);
            prop_assert!(span.video_earlier <= span.video.start);
            for frame in timeline.segment_frames(n) {
                let place = shown.shown_at(&timeline, t0_ns, frame);
                let index = shown.order[place] as u64;
                prop_assert!(span.video.contains(&index));
            }
        }
        let mut before = None;
        for frame in shown.sync_frames(&timeline, t0_ns) {
            prop_assert!(before < Some(frame));
            before = Some(frame);
        }
    }
}
