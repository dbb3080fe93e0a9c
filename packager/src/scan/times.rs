//! Order in the times of demuxed packets: some missing, some equal, most without a duration.

use vidstream_media::source::Packet;

/// A demuxed packet whose times are as the demuxer told them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw {
    pub(super) offset: u64,
    pub(super) bytes: u32,
    pub(super) sync: bool,
    pub(super) pts_ns: Option<i64>,
    pub(super) dts_ns: Option<i64>,
    pub(super) duration_ns: Option<u64>,
    /// The place in the display order that the bitstream tells, for streams that tell no PTS.
    pub(super) display: Option<i64>,
}

/// How long a picture lasts of which nothing is known: 25 a second.
const FRAME_NS: u64 = 40_000_000;
/// A told duration is believed when it is not so many times longer or shorter than usual: some streams
/// tell the ticks of their clock instead.
const TOLD_PARTS_MAX: u64 = 10;
/// A picture before a longer hole than this ends after its usual time.
const HOLD_NS_MAX: u64 = 3_600_000_000_000;

/// Pictures with a time and a duration each, in decode order.
pub(super) fn pictures(raw: &[Raw]) -> Vec<Packet> {
    let mut packets = with_times(raw);
    let mut order: Vec<usize> = (0..packets.len()).collect();
    order.sort_by_key(|&at| packets.get(at).map(|packet| packet.pts_ns));
    let times: Vec<i64> = order.iter().filter_map(|&at| packets.get(at)).map(|packet| packet.pts_ns).collect();
    let usual = usual_interval(&times);
    for (place, &at) in order.iter().enumerate() {
        let now = times.get(place).copied().unwrap_or(0);
        let gap = times.get(place + 1).map(|next| next.abs_diff(now)).filter(|&gap| gap <= HOLD_NS_MAX);
        let plausible = usual / TOLD_PARTS_MAX..=usual.saturating_mul(TOLD_PARTS_MAX);
        let told = raw.get(at).and_then(|raw| raw.duration_ns).filter(|told| *told > 0 && plausible.contains(told));
        if let Some(packet) = packets.get_mut(at) {
            packet.duration_ns = gap.or(told).unwrap_or(usual);
        }
    }
    packets
}

/// Sound with a time and a duration each, by time.
pub(super) fn sounds(raw: &[Raw]) -> Vec<Packet> {
    let mut packets = with_times(raw);
    packets.sort_by_key(|packet| packet.pts_ns);
    let times: Vec<i64> = packets.iter().map(|packet| packet.pts_ns).collect();
    let usual = usual_interval(&times);
    for (packet, next) in packets.iter_mut().zip(times.iter().skip(1).map(Some).chain([None])) {
        if packet.duration_ns == 0 {
            let gap =
                next.map(|next| next.abs_diff(packet.pts_ns)).filter(|gap| (1..=usual.saturating_mul(4)).contains(gap));
            packet.duration_ns = gap.unwrap_or(usual);
        }
    }
    packets
}

/// Gives every packet a presentation time: the told one, else one guessed from the decode times.
fn with_times(raw: &[Raw]) -> Vec<Packet> {
    let complete = raw.iter().all(|packet| packet.pts_ns.is_some());
    let guessed = if complete { Vec::new() } else { displayed(raw) };
    // What is told of sync pictures alone is no more than their decode time.
    let trusted = complete || raw.iter().any(|packet| packet.pts_ns.is_some() && !packet.sync);
    let delay = if trusted { reorder_delay(raw, &guessed) } else { 0 };
    raw.iter()
        .enumerate()
        .map(|(at, packet)| {
            let guess = guessed.get(at).map(|time| time.saturating_add(delay));
            let told = packet.pts_ns.filter(|_| trusted);
            let pts_ns = told.or(guess).unwrap_or(0);
            let duration_ns = packet.duration_ns.unwrap_or(0);
            Packet { offset: packet.offset, bytes: packet.bytes, sync: packet.sync, pts_ns, duration_ns }
        })
        .collect()
}

/// How much later pictures are shown than the decode times that were given out to them.
fn reorder_delay(raw: &[Raw], guessed: &[i64]) -> i64 {
    let pairs = raw.iter().zip(guessed);
    let mut delays: Vec<i64> =
        pairs.filter_map(|(packet, guess)| Some(packet.pts_ns?.saturating_sub(*guess))).collect();
    let middle = delays.len() / 2;
    if delays.is_empty() { 0 } else { *delays.select_nth_unstable(middle).1 }
}

/// Presentation times of packets that have only decode times: those times given out in display order,
/// or in decode order if the bitstream does not tell another.
fn displayed(raw: &[Raw]) -> Vec<i64> {
    let mut next = 0_i64;
    let mut times: Vec<i64> = raw
        .iter()
        .map(|packet| {
            let time = packet.dts_ns.or(packet.pts_ns).unwrap_or(next);
            next = time.saturating_add_unsigned(packet.duration_ns.filter(|&told| told > 0).unwrap_or(FRAME_NS));
            time
        })
        .collect();
    let keys: Option<Vec<i64>> = raw.iter().map(|packet| packet.display).collect();
    let Some(keys) = keys else { return times };
    let mut order: Vec<usize> = (0..raw.len()).collect();
    order.sort_by_key(|&at| keys.get(at));
    times.sort_unstable();
    let mut shown = vec![0; raw.len()];
    for (&at, &time) in order.iter().zip(&times) {
        if let Some(to) = shown.get_mut(at) {
            *to = time;
        }
    }
    shown
}

fn usual_interval(times: &[i64]) -> u64 {
    let mut gaps: Vec<u64> = times
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.abs_diff(*pair.first()?)))
        .filter(|&gap| gap > 0)
        .collect();
    let middle = gaps.len() / 2;
    if gaps.is_empty() {
        return FRAME_NS;
    }
    *gaps.select_nth_unstable(middle).1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: i64 = 1_000_000;

    /// Packets of a place each, with times as they come, or as a stream would have them.
    fn told() -> impl Strategy<Value = Vec<Raw>> {
        let time = || prop_oneof![4 => 0..20_000 * MS, 1 => any::<i64>()];
        let duration = prop_oneof![4 => 0..100_000_000_u64, 1 => any::<u64>()];
        let row = (
            any::<bool>(),
            prop::option::weighted(0.8, time()),
            prop::option::of(time()),
            prop::option::of(duration),
            prop::option::weighted(0.9, prop_oneof![0..50_i64, any::<i64>()]),
        );
        prop::collection::vec(row, 0..60).prop_map(|rows| {
            let raw = |(place, (sync, pts_ns, dts_ns, duration_ns, display))| Raw {
                offset: place,
                bytes: 1,
                sync,
                pts_ns,
                dts_ns,
                duration_ns,
                display,
            };
            (0..).zip(rows).map(raw).collect()
        })
    }

    proptest! {
        #[test]
        fn whatever_times_are_told_every_packet_stays_and_sound_lasts(raw in told()) {
            let of = |packet: &Packet| (packet.offset, packet.bytes, packet.sync);
            let expected: Vec<_> = raw.iter().map(|raw| (raw.offset, raw.bytes, raw.sync)).collect();
            let shown = pictures(&raw);
            prop_assert_eq!(shown.iter().map(of).collect::<Vec<_>>(), expected.clone());
            if raw.iter().all(|raw| raw.pts_ns.is_some()) {
                prop_assert!(shown.iter().zip(&raw).all(|(packet, raw)| Some(packet.pts_ns) == raw.pts_ns));
            }
            let heard = sounds(&raw);
            prop_assert!(heard.is_sorted_by_key(|packet| packet.pts_ns));
            prop_assert!(heard.iter().all(|packet| packet.duration_ns > 0));
            let mut places: Vec<_> = heard.iter().map(of).collect();
            places.sort_unstable();
            prop_assert_eq!(places, expected);
        }
    }

    fn raw(pts_ms: Option<i64>, dts_ms: Option<i64>, sync: bool, display: Option<i64>) -> Raw {
        let ns = |ms: i64| ms * MS;
        Raw { offset: 0, bytes: 1, sync, pts_ns: pts_ms.map(ns), dts_ns: dts_ms.map(ns), duration_ns: None, display }
    }

    fn times_ms(packets: &[Packet]) -> Vec<i64> {
        packets.iter().map(|packet| packet.pts_ns / MS).collect()
    }

    #[test]
    fn durations_reach_to_the_next_picture_shown() {
        let packets = pictures(&[
            raw(Some(0), None, true, None),
            raw(Some(120), None, false, None),
            raw(Some(40), None, false, None),
            raw(Some(80), None, false, None),
        ]);
        let durations: Vec<u64> = packets.iter().map(|packet| packet.duration_ns / 1_000_000).collect();
        assert_eq!(durations, [40, 40, 40, 40]);
    }

    #[test]
    fn a_last_picture_that_lasts_one_tick_lasts_as_long_as_usual() {
        let row = |pts_ms, duration_ns| Raw { duration_ns: Some(duration_ns), ..raw(Some(pts_ms), None, true, None) };
        let last = |told| pictures(&[row(0, told), row(40, told), row(80, told)])[2].duration_ns;
        assert_eq!(
            [11_111, 4_000_000, 400_000_000, 400_000_001].map(last),
            [40_000_000, 4_000_000, 400_000_000, 40_000_000]
        );
    }

    #[test]
    fn a_missing_time_follows_the_one_before() {
        let packets =
            pictures(&[raw(Some(0), None, true, None), raw(None, None, false, None), raw(Some(80), None, false, None)]);
        assert_eq!(times_ms(&packets), [0, 40, 80]);
    }

    #[test]
    fn decode_times_are_given_out_in_display_order() {
        let gop = |start: i64| {
            [(0, 0), (1, 3), (2, 1), (3, 2)]
                .map(|(decode, display)| raw(None, Some(start + decode * 40), decode == 0, Some(start + display)))
        };
        let both = [gop(0), gop(160)].concat();
        assert_eq!(times_ms(&pictures(&both)), [0, 120, 40, 80, 160, 280, 200, 240]);
    }

    #[test]
    fn times_told_to_some_correct_the_guesses_of_the_others() {
        let row = |pts_ms, dts_ms, display| raw(pts_ms, Some(dts_ms), dts_ms == 0, Some(display));
        let packets = pictures(&[
            row(Some(40), 0, 0),
            row(Some(160), 40, 3),
            row(Some(80), 80, 1),
            row(None, 120, 2),
            row(None, 160, 4),
        ]);
        assert_eq!(times_ms(&packets), [40, 160, 80, 120, 200]);
    }

    #[test]
    fn sound_keeps_its_durations_and_is_sorted() {
        let mut late = raw(Some(20), None, true, None);
        late.duration_ns = Some(20_000_000);
        let packets = sounds(&[late, raw(Some(0), None, true, None), raw(Some(40), None, true, None)]);
        assert_eq!(times_ms(&packets), [0, 20, 40]);
        assert!(packets.iter().all(|packet| packet.duration_ns == 20_000_000));
    }
}
