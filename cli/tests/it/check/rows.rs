//! The table: which change of what is served breaks which rule, and which others with it.

use super::{
    bytes::{self, atom, body, put},
    fixtures::{self as with, MAIN},
    site::Site,
};

/// What is done to a stream on its way from the server.
pub(crate) type Change = fn(&mut Site);

/// One change and what it breaks.
pub(crate) struct Row {
    pub(crate) rule: u64,
    /// At which level the rule is broken, as a report names it.
    pub(crate) level: &'static str,
    pub(crate) what: &'static str,
    /// What is added to a stream of ours first, so that the rule applies.
    pub(crate) base: Change,
    pub(crate) change: Change,
    /// Rules that cannot hold either, and why.
    pub(crate) with: &'static [Companion],
}

/// A rule that breaks together with another, and why.
pub(crate) type Companion = (u64, &'static str);

/// A change that breaks a rule where it is a MUST.
const fn must(rule: u64, what: &'static str, base: Change, change: Change, with: &'static [Companion]) -> Row {
    Row { rule, level: "MUST", what, base, change, with }
}

/// The same where no sentence says MUST, and players go wrong without it.
const fn critical(rule: u64, what: &'static str, base: Change, change: Change, with: &'static [Companion]) -> Row {
    Row { level: "C", ..must(rule, what, base, change, with) }
}

/// The same where it is a recommendation.
const fn should(rule: u64, what: &'static str, base: Change, change: Change, with: &'static [Companion]) -> Row {
    Row { level: "SHOULD", ..must(rule, what, base, change, with) }
}

const MASTER: &str = "master.m3u8";
const MPD: &str = "manifest.mpd";
const VIDEO: &str = "1/240p/index.m3u8";
const AUDIO: &str = "1/audio/index.m3u8";
const IFRAMES: &str = "1/240p/iframes.m3u8";
const TRICK: &str = "1/trick/iframes.m3u8";

#[rustfmt::skip]
pub(crate) const ALL: &[Row] = &[
    must(1, "a byte order mark", with::bare, |site| site.edit(MASTER, |text| format!("\u{feff}{text}")), &[]),
    must(1, "a control character", with::bare, |site| site.replace(VIDEO, "#EXTINF:4.000000,", "#EXTINF:4.000000,\u{7}"), &[]),
    must(2, "a version below the tags", with::bare, |site| site.replace(VIDEO, "VERSION:6", "VERSION:3"), &[]),
    should(2, "a version above the tags", with::bare, |site| site.replace(VIDEO, "VERSION:6", "VERSION:7"), &[]),
    must(3, "a tag twice", with::bare, |site| site.replace(VIDEO, "#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP"), &[]),
    must(3, "a media tag among variants", with::bare, |site| site.replace(MASTER, "#EXT-X-MEDIA", "#EXT-X-ENDLIST\n#EXT-X-MEDIA"), &[]),
    must(4, "plain text", with::bare, |site| site.file(MASTER).headers.push(("content-type", "text/plain")), &[]),
    should(4, "no gzip", with::bare, |site| site.file(VIDEO).is_plain = true, &[]),
    must(5, "another target duration the second time", with::bare, change_later, &[]),
    must(6, "a segment that is not there", with::bare, |site| site.remove("1/144p/2.m4s"), &[]),
    must(6, "a sheet that is not there", with::bare, |site| site.remove("1/thumbnails/1.jpg"), &[]),
    must(6, "a range beyond the end", with::bare, |site| site.edit(IFRAMES, |text| text.replacen("#EXT-X-BYTERANGE:", "#EXT-X-BYTERANGE:9", 1)), &[]),
    must(7, "a target duration too short", with::bare, |site| MAIN.iter().for_each(|list| site.replace(list, "DURATION:4", "DURATION:3")), &[(20, "three seconds are not about six")]),
    must(8, "a target duration of its own", with::bare, |site| site.replace(AUDIO, "DURATION:4", "DURATION:5"), &[(22, "windows are measured by the target duration, and in those of the audio the peak is another")]),
    must(9, "each segment a little too long", with::bare, |site| stretch(site, 15_000, 4), &[]),
    must(10, "one segment too long", with::bare, |site| stretch(site, 25_000, 1), &[]),
    must(11, "no type", with::bare, |site| site.drop_lines(AUDIO, "#EXT-X-PLAYLIST-TYPE", false), &[]),
    must(12, "audio a little late", with::hls_only, |site| delay_audio(site, 200), &[]),
    must(13, "audio ends early", with::hls_only, |site| site.edit(AUDIO, |text| format!("{}#EXT-X-ENDLIST\n", &text[..text.match_indices("#EXTINF").nth(2).unwrap().0])), &[(18, "it has half as many segments as the video")]),
    must(14, "a map without quotes", with::bare, |site| map_range(site, ""), &[]),
    must(14, "no map", with::hls_only, |site| site.drop_lines(AUDIO, "#EXT-X-MAP", false), &[(2, "without the map its tags need version 3 only")]),
    must(15, "no offset", with::bare, |site| site.replace(IFRAMES, "@0\n", "\n"), &[]),
    must(16, "a discontinuity in one playlist", with::bare, |site| site.edit(AUDIO, break_last), &[]),
    must(17, "a bit rate too low", with::bitrates, |site| site.scale(VIDEO, "#EXT-X-BITRATE:", ":", 80), &[]),
    should(18, "two segments in one", with::hls_only, join_audio, &[(22, "the greatest window was one of the two alone")]),
    must(19, "no picture is said to be independent", with::bare, |site| site.drop_lines(MASTER, "#EXT-X-INDEPENDENT", false), &[]),
    must(19, "a segment begins with another picture", with::bare, |site| bytes::spoil_idr(&mut site.file("1/144p/3.m4s").bytes), &[(42, "the I-frame playlist lists the same picture")]),
    should(20, "a target duration of nine seconds", with::bare, |site| MAIN.iter().for_each(|list| site.replace(list, "DURATION:4", "DURATION:9")), &[(22, "windows are as long as the target duration asks, and the greatest of those has less")]),
    must(21, "BANDWIDTH a little low", with::bare, |site| site.scale(MASTER, "#EXT-X-STREAM-INF", ":BANDWIDTH=", 98), &[(22, "it is not the greatest window either")]),
    must(21, "no BANDWIDTH before the end", with::unfinished, |site| site.edit(MASTER, |text| text.replacen(":BANDWIDTH=", ":X=", 1)), &[]),
    critical(22, "BANDWIDTH a little high", with::bare, |site| site.scale(MASTER, "#EXT-X-STREAM-INF", ":BANDWIDTH=", 105), &[]),
    must(23, "no average", with::bare, |site| site.edit(MASTER, |text| text.replacen(",AVERAGE-BANDWIDTH=", ",X=", 1)), &[]),
    must(24, "an average too low", with::bare, |site| site.scale(MASTER, "#EXT-X-STREAM-INF", "AVERAGE-BANDWIDTH=", 80), &[]),
    should(25, "less than there is already", with::unfinished, |site| site.scale(MASTER, "#EXT-X-STREAM-INF", ":BANDWIDTH=", 98), &[]),
    must(26, "the audio is not named", with::bare, |site| site.replace(MASTER, ",mp4a.40.2", ""), &[]),
    must(27, "no decimals", with::bare, |site| site.replace(MASTER, "FRAME-RATE=30.000", "FRAME-RATE=30"), &[]),
    must(27, "a frame rate of I-frames", with::bare, |site| site.replace(MASTER, "#EXT-X-I-FRAME-STREAM-INF:", "#EXT-X-I-FRAME-STREAM-INF:FRAME-RATE=1.000,"), &[]),
    must(28, "no word on captions", with::bare, |site| site.replace(MASTER, ",CLOSED-CAPTIONS=NONE", ""), &[]),
    must(29, "PQ", with::bare, |site| site.replace(MASTER, ",CLOSED-CAPTIONS", ",VIDEO-RANGE=PQ,CLOSED-CAPTIONS"), &[]),
    must(29, "Dolby Vision over a base that is not there", with::bare, |site| site.replace(MASTER, ",CLOSED-CAPTIONS", ",SUPPLEMENTAL-CODECS=\"dvh1.08.07/db1p\",CLOSED-CAPTIONS"), &[]),
    must(30, "a default that is not selected", with::bare, |site| site.replace(MASTER, "AUTOSELECT=YES", "AUTOSELECT=NO"), &[]),
    must(30, "a group that is not there", with::bare, |site| site.replace(MASTER, ",AUDIO=\"audio\"", ",AUDIO=\"none\""), &[(22, "without a group the audio is not counted"), (24, "nor is it in the measured rates")]),
    must(31, "a member of another name", with::two_groups, |site| site.replace(MASTER, "GROUP-ID=\"more\",LANGUAGE=\"und\",NAME=\"Audio\"", "GROUP-ID=\"more\",LANGUAGE=\"und\",NAME=\"Sound\""), &[]),
    should(32, "no channels", with::bare, |site| site.replace(MASTER, "CHANNELS=\"2\",", ""), &[]),
    must(32, "no channels where they differ", with::two_groups, mono_in_second, &[]),
    must(32, "Atmos that is none", with::bare, |site| site.replace(MASTER, "CHANNELS=\"2\"", "CHANNELS=\"16/JOC\""), &[]),
    must(32, "no language", with::bare, |site| site.replace(MASTER, "LANGUAGE=\"und\",", ""), &[]),
    should(33, "no loudness", with::loud, |site| bytes::rename(&mut site.file("1/audio/init.mp4").bytes, "moov/trak/udta/ludt", b"free"), &[]),
    must(33, "mono alone", with::loud, |site| bytes::set_channels(&mut site.file("1/audio/init.mp4").bytes, 1), &[]),
    must(33, "5.1 in the video segments", with::loud, surround_in_video, &[(26, "the I-frame playlist has the same initialisation segment, and names no sound"), (53, "CMAF has one track")]),
    must(34, "no URI", with::subtitles, |site| site.replace(MASTER, ",URI=\"subs/index.m3u8\"", ""), &[]),
    must(35, "one variant", with::bare, |site| site.edit(MASTER, one_variant), &[]),
    must(36, "a score on one", with::bare, |site| site.replace(MASTER, ",CLOSED-CAPTIONS", ",SCORE=1,CLOSED-CAPTIONS"), &[]),
    must(37, "no I-frames", with::bare, |site| site.drop_lines(MASTER, "#EXT-X-I-FRAME-STREAM-INF", false), &[]),
    must(38, "no mark", with::bare, |site| site.drop_lines(TRICK, "#EXT-X-I-FRAMES-ONLY", false), &[(2, "EXT-X-MAP needs version 6 where EXT-X-I-FRAMES-ONLY is not")]),
    critical(39, "a picture too long", with::bare, |site| site.replace(IFRAMES, "#EXTINF:2.0", "#EXTINF:2.1"), &[]),
    must(40, "a target duration too short", with::bare, |site| site.replace(IFRAMES, "DURATION:2", "DURATION:1"), &[(7, "an I-frame is a segment as others are")]),
    must(41, "a range that holds the initialisation", with::bare, range_over_init, &[(42, "it does not begin with the moof")]),
    must(42, "a range one byte short", with::bare, |site| shorten_range(site, 1), &[]),
    critical(43, "no trick track", with::bare, |site| site.edit(MASTER, |text| without(text, "trick/iframes")), &[(46, "it is the one with a picture a second")]),
    must(44, "half a block", with::sealed, |site| site.file("1/audio/2.m4s").bytes.push(0), &[]),
    must(45, "BANDWIDTH too low", with::bare, lower_iframes, &[]),
    should(46, "one bit rate", with::bare, |site| site.edit(MASTER, |text| without(&without(text, "240p/iframes"), "144p/iframes")), &[(45, "the one that is left needs more at eight pictures a second than any variant")]),
    should(46, "none of a resolution", with::bare, |site| site.edit(MASTER, |text| without(text, "240p/iframes")), &[]),
    should(47, "too wide", with::motion_jpeg, |site| site.edit(MASTER, wide_jpeg), &[(56, "the pictures themselves are no wider than before")]),
    should(48, "no blocking", with::parts, |site| site.drop_lines(IFRAMES, "#EXT-X-SERVER-CONTROL", false), &[]),
    must(49, "no mark", with::bare, |site| site.drop_lines("1/thumbnails.m3u8", "#EXT-X-IMAGES-ONLY", false), &[]),
    must(49, "a sheet that ends early", with::bare, |site| site.replace("1/thumbnails.m3u8", "#EXTINF:9.0", "#EXTINF:7.0"), &[]),
    must(49, "a sheet with places to spare before the next", with::bare, sheet_in_two, &[]),
    must(49, "another format", with::hls_only, |site| site.file("1/thumbnails/1.jpg").bytes[0] = 0, &[]),
    must(50, "a duration in mvhd", with::bare, |site| patch(site, "1/240p/init.mp4", "moov/mvhd", 28, &[0, 0, 0, 1]), &[]),
    must(51, "offsets from elsewhere", with::bare, |site| patch(site, "1/audio/2.m4s", "moof/traf/tfhd", 1, &[0]), &[]),
    must(52, "a sequence number again", with::bare, |site| patch(site, "1/audio/3.m4s", "moof/mfhd", 4, &[0, 0, 0, 1]), &[]),
    must(52, "a fragment a tick late", with::hls_only, |site| bytes::delay(&mut site.file("1/audio/3.m4s").bytes, 1), &[]),
    must(53, "no colour", with::bare, |site| bytes::rename(&mut site.file("1/240p/init.mp4").bytes, "moov/trak/mdia/minf/stbl/stsd/avc1/colr", b"free"), &[]),
    critical(54, "all pictures shown late", with::dash_only, delay_pictures, &[(55, "the audio is not late with them"), (60, "S@t is the time of the first picture"), (62, "the offset is 0, and the first segment begins later"), (68, "the trick-mode set is not late with them")]),
    critical(55, "audio late by two frames", with::hls_only, |site| delay_audio(site, 2048), &[(12, "its playlist begins after that of the video"), (18, "each of its segments is more than a frame away from that of the video")]),
    must(55, "edit lists that differ", with::bare, one_edit_list, &[(53, "cmf2 allows none"), (61, "it asks for the same")]),
    must(56, "another size", with::bare, |site| site.replace(MASTER, "RESOLUTION=426x240", "RESOLUTION=428x240"), &[(46, "no I-frame playlist has that size")]),
    must(57, "an index that begins late", with::on_demand, with::spoil_index, &[]),
    must(58, "another key for the session", with::sealed, |site| site.replace(MASTER, "URI=\"key\"", "URI=\"key\",KEYFORMAT=\"other\""), &[]),
    must(58, "another pattern", with::cbcs, |site| patch(site, "1/240p/init.mp4", "moov/trak/mdia/minf/stbl/stsd/encv/sinf/schi/tenc", 5, &[0x55]), &[]),
    must(58, "a pattern on the sound", with::cbcs, |site| patch(site, "1/audio/init.mp4", "moov/trak/mdia/minf/stbl/stsd/enca/sinf/schi/tenc", 5, &[0x19]), &[]),
    must(59, "a duration beside the timeline", with::bare, |site| site.replace(MPD, "<SegmentTemplate timescale=\"48000\"", "<SegmentTemplate duration=\"96000\" timescale=\"48000\""), &[]),
    must(60, "a segment a tick longer", with::bare, |site| site.scale(MPD, "<S t=\"0\" d=\"96256\"", " d=\"", 101), &[]),
    must(61, "not said to be aligned", with::bare, |site| site.replace(MPD, "segmentAlignment=\"true\"", "segmentAlignment=\"false\""), &[]),
    must(61, "edit lists that differ", with::dash_only, one_edit_list, &[(53, "cmf2 allows none"), (55, "it asks for the same")]),
    must(62, "an offset past the first segment", with::bare, |site| site.replace(MPD, "<SegmentTemplate timescale=\"48000\"", "<SegmentTemplate presentationTimeOffset=\"100000\" timescale=\"48000\""), &[(64, "the last segment ends before the Period, which begins at the offset")]),
    critical(63, "nominal durations that drift", with::bare, nominal_audio, &[(64, "the third of its segments, which is the last listed, ends a second before the Period")]),
    must(64, "a longer Period", with::bare, |site| site.replace(MPD, "=\"PT9.000000S\"", "=\"PT20S\""), &[]),
    must(65, "one file twice", with::on_demand, |site| site.edit(MPD, twice), &[]),
    must(66, "no sampling rate", with::bare, |site| site.replace(MPD, " audioSamplingRate=\"48000\"", ""), &[]),
    must(67, "half of what it needs", with::bare, |site| site.scale(MPD, "id=\"240p\"", "bandwidth=\"", 50), &[]),
    must(68, "only a hint", with::bare, |site| site.replace(MPD, "<EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/trickmode\"", "<SupplementalProperty schemeIdUri=\"http://dashif.org/guidelines/trickmode\""), &[]),
    must(69, "no grid", with::bare, |site| site.replace(MPD, "thumbnail_tile\" value=\"6x10\"", "thumbnail_tile\" value=\"60\""), &[]),
    must(70, "captions without a channel", with::mpd_captions, |site| site.replace(MPD, "CC1=eng", "eng"), &[]),
    must(71, "a time beyond 2^53", with::bare, |site| site.replace(MPD, "<S t=\"0\" d=\"96256\"", "<S t=\"9007199254740993\" d=\"96256\""), &[(60, "the segment begins at 0"), (64, "a Representation that begins so late does not cover its Period")]),
    must(72, "no timestamp map", with::subtitles, |site| site.drop_lines("subs/2.vtt", "X-TIMESTAMP-MAP", false), &[]),
    must(73, "a cue is missing in one", with::subtitles, |site| site.edit("subs/2.vtt", |text| text.replace("00:03.000 --> 00:05.000\nover the border\n", "")), &[]),
    critical(74, "ten seconds off", with::subtitles, |site| ["subs/1.vtt", "subs/2.vtt"].iter().for_each(|vtt| site.replace(vtt, "MPEGTS:0", "MPEGTS:900000")), &[]),
    must(75, "too little held back", with::parts, |site| MAIN.iter().for_each(|list| site.replace(list, "PART-HOLD-BACK=3.3", "PART-HOLD-BACK=2.0")), &[]),
    must(76, "no clock", with::early, |site| site.edit(MPD, |text| text.replace("<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>", "")), &[]),
];

fn change_later(site: &mut Site) {
    let text = site.text(AUDIO).replace("DURATION:4", "DURATION:5");
    site.file(AUDIO).again = Some(text.into_bytes());
}

/// Adds so many microseconds to the first `count` segments of a rung.
fn stretch(site: &mut Site, us: u64, count: usize) {
    site.edit(VIDEO, |text| {
        let mut left = count;
        let lines = text.lines().map(|line| {
            let seconds = line.strip_prefix("#EXTINF:").filter(|_| left > 0);
            let Some((whole, fraction)) = seconds.and_then(|line| line.trim_end_matches(',').split_once('.')) else {
                return format!("{line}\n");
            };
            left -= 1;
            let total = whole.parse::<u64>().unwrap() * 1_000_000 + fraction.parse::<u64>().unwrap() + us;
            format!("#EXTINF:{}.{:06},\n", total / 1_000_000, total % 1_000_000)
        });
        lines.collect()
    });
}

fn delay_audio(site: &mut Site, ticks: u64) {
    for n in 1..=4 {
        bytes::delay(&mut site.file(&format!("1/audio/{n}.m4s")).bytes, ticks);
    }
}

/// Every picture of the rungs a frame later than its decode time allows.
fn delay_pictures(site: &mut Site) {
    for rung in ["240p", "144p"] {
        for n in 1..=4 {
            bytes::delay_composition(&mut site.file(&format!("1/{rung}/{n}.m4s")).bytes, 1000);
        }
    }
}

/// An edit list in one rung, which moves nothing.
fn one_edit_list(site: &mut Site) {
    let one = [[0; 4], [0, 0, 0, 1], [0; 4], [0; 4], [0, 1, 0, 0]].concat();
    let edits = atom(b"edts", &atom(b"elst", &one));
    bytes::append(&mut site.file("1/144p/init.mp4").bytes, "moov/trak", &edits);
}

/// The sheet listed once for each half of its time.
fn sheet_in_two(site: &mut Site) {
    site.edit("1/thumbnails.m3u8", |text| {
        let (head, rest) = text.split_once("#EXTINF:9.000000,\n").unwrap();
        let (sheet, tail) = rest.split_once(".jpg\n").unwrap();
        let half = format!("#EXTINF:4.500000,\n{sheet}.jpg\n");
        format!("{head}{half}{half}{tail}")
    });
}

fn map_range(site: &mut Site, quote: &str) {
    let bytes = site.bytes("1/240p/init.mp4").len();
    let map = format!("URI=\"init.mp4\",BYTERANGE={quote}{bytes}@0{quote}");
    site.replace(VIDEO, "URI=\"init.mp4\"", &map);
}

/// The first two segments of the audio in one.
fn join_audio(site: &mut Site) {
    let joined = [site.bytes("1/audio/1.m4s"), site.bytes("1/audio/2.m4s")].concat();
    site.add("1/audio/12.m4s", joined);
    site.edit(AUDIO, |text| {
        let (head, rest) = text.split_once("#EXTINF:").unwrap();
        let (first, rest) = rest.split_once(",\n1.m4s\n#EXTINF:").unwrap();
        let (second, rest) = rest.split_once(",\n2.m4s\n").unwrap();
        let sum: f64 = first.parse::<f64>().unwrap() + second.parse::<f64>().unwrap();
        format!("{head}#EXTINF:{sum:.6},\n12.m4s\n{rest}")
    });
}

fn break_last(text: &str) -> String {
    let last = text.rfind("#EXTINF").unwrap();
    format!("{}#EXT-X-DISCONTINUITY\n{}", &text[..last], &text[last..])
}

/// The second group has the sound in mono, and does not say so.
fn mono_in_second(site: &mut Site) {
    let mut init = site.bytes("1/audio/init.mp4");
    bytes::set_channels(&mut init, 1);
    site.add("1/audio/mono.mp4", init);
    let list = site.text(AUDIO).replace("init.mp4", "mono.mp4");
    site.add("1/audio/mono.m3u8", list);
    site.edit(MASTER, |text| {
        let media = text.lines().find(|line| line.contains("GROUP-ID=\"more\"")).unwrap();
        text.replace(media, &media.replace("CHANNELS=\"2\",", "").replace("audio/index", "audio/mono"))
    });
}

/// The initialisation segment of a rung has a second track, of six channels.
fn surround_in_video(site: &mut Site) {
    let mut audio = site.bytes("1/audio/init.mp4");
    bytes::set_channels(&mut audio, 6);
    let track = bytes::path(&audio, "moov/trak").pop().unwrap();
    bytes::append(&mut site.file("1/240p/init.mp4").bytes, "moov", &audio[track]);
}

fn one_variant(text: &str) -> String {
    let second = text.match_indices("#EXT-X-STREAM-INF").nth(1).unwrap().0;
    let after = second + text[second..].find("#EXT-X-I-FRAME").unwrap();
    format!("{}{}", &text[..second], &text[after..])
}

fn without(text: &str, part: &str) -> String {
    text.lines().filter(|line| !line.contains(part)).flat_map(|line| [line, "\n"]).collect()
}

fn wide_jpeg(text: &str) -> String {
    let change = |line: &str| {
        if line.contains("mjpg,") { line.replace("RESOLUTION=320x180", "RESOLUTION=640x360") } else { line.to_owned() }
    };
    text.lines().map(|line| change(line) + "\n").collect()
}

/// Less BANDWIDTH, and no more on average.
fn lower_iframes(site: &mut Site) {
    site.scale(MASTER, "#EXT-X-I-FRAME-STREAM-INF", "AVERAGE-BANDWIDTH=", 50);
    site.scale(MASTER, "#EXT-X-I-FRAME-STREAM-INF", ":BANDWIDTH=", 80);
}

/// The first I-frame of a rung from a file that begins with the initialisation segment.
fn range_over_init(site: &mut Site) {
    let init = site.bytes("1/240p/init.mp4");
    let segment = site.bytes("1/240p/1.m4s");
    let length = init.len();
    site.add("1/240p/whole.mp4", [init, segment].concat());
    site.edit(IFRAMES, |text| {
        let at = text.find("#EXT-X-BYTERANGE:").unwrap() + 17;
        let (range, rest) = text[at..].split_once("\n1.m4s").unwrap();
        let bytes: usize = range.split('@').next().unwrap().parse().unwrap();
        format!("{}{}@0\nwhole.mp4{rest}", &text[..at], bytes + length)
    });
}

fn shorten_range(site: &mut Site, by: usize) {
    site.edit(IFRAMES, |text| {
        let at = text.find("#EXT-X-BYTERANGE:").unwrap() + 17;
        let (bytes, rest) = text[at..].split_once('@').unwrap();
        format!("{}{}@{rest}", &text[..at], bytes.parse::<usize>().unwrap() - by)
    });
}

fn patch(site: &mut Site, file: &str, names: &str, offset: usize, new: &[u8]) {
    let bytes = &mut site.file(file).bytes;
    let at = body(bytes, names) + offset;
    put(bytes, at, new);
}

/// The audio by a nominal duration of three seconds.
fn nominal_audio(site: &mut Site) {
    site.edit(MPD, |text| {
        let template = text.find("<SegmentTemplate timescale=\"48000\"").unwrap();
        let start = template + text[template..].find('>').unwrap();
        let end = template + text[template..].find("</SegmentTemplate>").unwrap();
        format!("{} duration=\"144000\">{}", &text[..start], &text[end..])
    });
}

fn twice(text: &str) -> String {
    let start = text.find("<Representation").unwrap();
    let end = text.find("</AdaptationSet>").unwrap();
    let second = text[start..end].replace("id=\"v\"", "id=\"w\"");
    format!("{}{second}{}", &text[..end], &text[end..])
}
