//! Files of a few units, read in pieces of every size.

use super::*;

/// A unit of a test file: stream, times in milliseconds, payload.
type Told = (u16, i64, i64, Vec<u8>);

const VIDEO_PID: u16 = 0x100;
const AUDIO_PID: u16 = 0x101;

fn flv(units: &[Told]) -> Vec<u8> {
    let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
    for (stream, pts_ms, dts_ms, payload) in units {
        let later = u32::try_from(pts_ms - dts_ms).unwrap().to_be_bytes();
        let mut data = if *stream == FLV_VIDEO { vec![0x27, 1, later[1], later[2], later[3]] } else { vec![0xaf, 1] };
        data.extend_from_slice(payload);
        let (size, at) =
            (u32::try_from(data.len()).unwrap().to_be_bytes(), u32::try_from(*dts_ms).unwrap().to_be_bytes());
        file.push(u8::try_from(*stream).unwrap());
        file.extend_from_slice(&size[1..]);
        file.extend_from_slice(&[at[1], at[2], at[3], at[0], 0, 0, 0]);
        file.extend_from_slice(&data);
        file.extend_from_slice(&u32::try_from(data.len() + 11).unwrap().to_be_bytes());
    }
    file
}

fn timestamp(mark: u8, ms: i64) -> [u8; 5] {
    let ticks = (ms * 90) & ((1 << 33) - 1);
    let byte = |value: i64| u8::try_from(value & 0xff).unwrap();
    [
        mark << 4 | byte(ticks >> 29 & 0x0e) | 1,
        byte(ticks >> 22),
        byte(ticks >> 14 & 0xfe) | 1,
        byte(ticks >> 7),
        byte(ticks << 1 & 0xfe) | 1,
    ]
}

/// Packets `stride` bytes apart, each filled up with an adaptation field.
fn ts(units: &[Told], stride: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for (pid, pts_ms, dts_ms, payload) in units {
        let mut pes = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 10];
        pes.extend_from_slice(&timestamp(3, *pts_ms));
        pes.extend_from_slice(&timestamp(1, *dts_ms));
        pes.extend_from_slice(payload);
        for (n, part) in pes.chunks(150).enumerate() {
            let first = if n == 0 { 0x40 } else { 0 };
            let stuffing = 183 - part.len();
            let [high, low] = pid.to_be_bytes();
            file.extend_from_slice(&[0x47, first | high, low, 0x30, u8::try_from(stuffing).unwrap()]);
            file.extend(std::iter::repeat_n(0xff, stuffing));
            file.extend_from_slice(part);
            file.extend(std::iter::repeat_n(0, stride - 188));
        }
    }
    file
}

/// Reads a file in pieces of so many bytes and recognizes every unit; the times in milliseconds.
fn read(container: &str, file: &[u8], piece: usize, units: &[Told]) -> Vec<Option<(i64, i64)>> {
    let mut clock = Clock::of(container).unwrap();
    file.chunks(piece).for_each(|part| clock.read(part));
    let ms =
        |times: Times| ((times.pts_ns + 500_000).div_euclid(1_000_000), (times.dts_ns + 500_000).div_euclid(1_000_000));
    units.iter().map(|(stream, _, _, payload)| clock.take(*stream, payload).map(ms)).collect()
}

/// Pictures every 40 ms and sound every 20 ms in these stretches of milliseconds, no payload like another.
fn film(video: u16, audio: u16, stretches: &[(i64, i64)]) -> Vec<Told> {
    let mut units: Vec<(i64, Told)> = Vec::new();
    for (order, (begin, end)) in (0_i64..).zip(stretches) {
        for at in (*begin..*end).step_by(20) {
            let payload = |kind: u8| {
                [vec![kind; 1 + usize::from(at.to_le_bytes()[0])], (at + order).to_le_bytes().to_vec()].concat()
            };
            if (at - begin) % 40 == 0 {
                units.push((order, (video, at + 80, at, payload(1))));
            }
            units.push((order, (audio, at, at, payload(2))));
        }
    }
    units.into_iter().map(|(_, told)| told).collect()
}

fn told(units: &[Told]) -> Vec<Option<(i64, i64)>> {
    units.iter().map(|(_, pts_ms, dts_ms, _)| Some((*pts_ms, *dts_ms))).collect()
}

#[test]
fn times_are_those_of_the_headers_however_the_file_comes() {
    let units = film(FLV_VIDEO, FLV_AUDIO, &[(0, 2000)]);
    for piece in [1, 2, 7, 188, 4096, usize::MAX] {
        assert_eq!(read("flv", &flv(&units), piece, &units), told(&units), "{piece}");
    }
    let units = film(VIDEO_PID, AUDIO_PID, &[(1000, 3000)]);
    for stride in [188, 192, 204] {
        for piece in [1, 100, 188, 4096, usize::MAX] {
            // The strides of M2TS have their four bytes before the packet.
            let file = [&vec![0; stride - 188], ts(&units, stride).as_slice()].concat();
            assert_eq!(read("mpegts", &file, piece, &units), told(&units), "{stride} {piece}");
        }
    }
}

/// A regression: demuxers took the hole in the pictures of a screen recording for another programme.
#[test]
fn a_hole_in_one_stream_stays_a_hole_while_the_other_goes_on() {
    let is_hole = |told: &Told| told.0 == FLV_VIDEO && (5200..17_200).contains(&told.2);
    let units: Vec<Told> =
        film(FLV_VIDEO, FLV_AUDIO, &[(0, 20_000)]).into_iter().filter(|told| !is_hole(told)).collect();
    assert_eq!(read("flv", &flv(&units), 4096, &units), told(&units));
    // A film without sound has nobody to ask.
    let pictures: Vec<Told> = units.into_iter().filter(|told| told.0 == FLV_VIDEO).collect();
    assert_eq!(read("flv", &flv(&pictures), 4096, &pictures), told(&pictures));
}

#[test]
fn another_recording_behind_the_first_goes_on_where_that_one_ends() {
    for second in [0, 500_000] {
        let units = film(VIDEO_PID, AUDIO_PID, &[(50_000, 54_000), (second, second + 2000)]);
        let moved = |dts_ms: i64, ms: i64| if (50_000..54_000).contains(&dts_ms) { ms } else { ms - second + 54_020 };
        let wanted: Vec<_> = units
            .iter()
            .map(|(_, pts_ms, dts_ms, _)| Some((moved(*dts_ms, *pts_ms), moved(*dts_ms, *dts_ms))))
            .collect();
        assert_eq!(read("mpegts", &ts(&units, 188), 4096, &units), wanted, "{second}");
    }
}

#[test]
fn a_clock_that_wraps_goes_on() {
    let wrap_ms = (1_i64 << 33) / 90;
    let units = film(VIDEO_PID, AUDIO_PID, &[(wrap_ms - 1000, wrap_ms + 1000)]);
    let read = read("mpegts", &ts(&units, 188), 4096, &units);
    let base_ms = read[0].unwrap().1 - units[0].2;
    assert!([0, -1, 1].contains(&base_ms), "{base_ms}");
    let steps = |times: &[Option<(i64, i64)>]| -> Vec<i64> {
        times.windows(2).map(|two| two[1].unwrap().1 - two[0].unwrap().1).collect()
    };
    assert_eq!(steps(&read), steps(&told(&units)));
}

#[test]
fn what_a_demuxer_leaves_out_does_not_move_the_others() {
    let units = film(FLV_VIDEO, FLV_AUDIO, &[(0, 1000)]);
    let mut clock = Clock::of("flv").unwrap();
    clock.read(&flv(&units));
    assert_eq!(clock.take(FLV_VIDEO, b"never there"), None);
    let (stream, pts_ms, _, payload) = &units[units.len() - 2];
    assert_eq!(clock.take(*stream, payload).unwrap().pts_ns, pts_ms * 1_000_000);
    // Those before it are forgotten.
    assert_eq!(clock.take(units[1].0, &units[1].3), None);
    assert!(Clock::of("matroska").is_none());
}

#[test]
fn so_many_units_wait_of_so_many_streams_and_the_oldest_are_forgotten() {
    let mut ledger = Ledger::default();
    let note = |ledger: &mut Ledger, stream: u16, n: usize| ledger.begin(stream, None, &n.to_le_bytes(), n);
    for n in 0..=UNITS_MAX {
        note(&mut ledger, 0, n);
    }
    let waiting = |ledger: &Ledger| ledger.streams[&0].iter().map(|unit| unit.bytes).collect::<Vec<_>>();
    assert_eq!(waiting(&ledger), (1..=UNITS_MAX).collect::<Vec<_>>());
    for stream in 0..=u16::try_from(STREAMS_MAX).unwrap() {
        note(&mut ledger, stream, 7);
    }
    assert_eq!(ledger.streams.len(), STREAMS_MAX);
    // Those that are followed stay so.
    assert_eq!(waiting(&ledger).last(), Some(&7));
}

#[test]
fn a_jump_is_believed_up_to_twelve_seconds_beside_another_stream_and_an_hour_alone() {
    let (second, hour) = (1_000_000_000, 3_600_000_000_000);
    for (is_alone, jump_ns, is_believed) in [
        (false, 12 * second, true),
        (false, 12 * second + 1, false),
        (true, hour, true),
        (true, hour + 1, false),
        (false, -2 * second, true),
        (false, -2 * second - 1, false),
        (true, i64::MAX - 20 * second, false),
    ] {
        let mut epochs = Epochs::default();
        let begin_ns = 20 * second;
        if !is_alone {
            epochs.shift_ns(1, begin_ns);
        }
        assert_eq!(epochs.shift_ns(0, begin_ns), 0);
        assert_eq!(epochs.shift_ns(0, begin_ns + jump_ns) == 0, is_believed, "{jump_ns}");
    }
}
