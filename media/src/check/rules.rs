//! The table of all rules: number, level, what it demands, and what a stream must have for it to apply.

mod cmaf;
mod dash;
mod dash_times;
mod hdr;
mod iframes;
mod low_latency;
mod media;
mod media_times;
mod multivariant;
mod playlists;
mod protection;
mod renditions;
mod text;
mod trick;

use super::{
    needs::Need,
    report::{Findings, Level, Outcome, Report},
    stream::Stream,
};

/// One rule. What only a part of it needs, its function asks for by the same properties.
struct Rule {
    number: u8,
    level: Level,
    title: &'static str,
    needs: &'static [Need],
    check: fn(&Stream, &mut Findings),
}

/// The verdict on every rule.
pub(super) fn judge(stream: &Stream) -> Report {
    let verdict = |rule: &Rule| {
        if let Some(lacking) = rule.needs.iter().find(|need| !need.holds(stream)) {
            return Outcome::not_applicable(rule.number, rule.level, lacking.absence());
        }
        let mut findings = Findings::new(rule.level);
        (rule.check)(stream, &mut findings);
        findings.into_outcome(rule.number)
    };
    Report::new(RULES.iter().map(verdict).collect())
}

/// What a rule demands, in a few words.
pub(super) fn title(number: u8) -> &'static str {
    RULES.iter().find(|rule| rule.number == number).map_or("", |rule| rule.title)
}

const fn rule(
    number: u8,
    level: Level,
    title: &'static str,
    needs: &'static [Need],
    check: fn(&Stream, &mut Findings),
) -> Rule {
    Rule { number, level, title, needs, check }
}

#[rustfmt::skip]
static RULES: [Rule; 76] = {
    use Level::{Critical as C, Must as MUST, Should as SHOULD};
    use Need as N;
    [
        rule(1, MUST, "playlists are UTF-8 text that begins with #EXTM3U", &[N::Hls], playlists::text),
        rule(2, MUST, "EXT-X-VERSION is what the tags need", &[N::Hls], playlists::version),
        rule(3, MUST, "no tag twice or in the wrong kind of playlist", &[N::Hls], playlists::tags),
        rule(4, MUST, "playlists have their content type and are compressed", &[N::Hls, N::Http], playlists::content_type),
        rule(5, MUST, "playlists change atomically or not at all", &[N::Hls], playlists::changes),
        rule(6, MUST, "what is listed can be downloaded", &[], playlists::downloads),
        rule(7, MUST, "no segment is longer than the target duration", &[N::Hls], media::target),
        rule(8, MUST, "audio and video share one target duration", &[N::Hls], media::one_target),
        rule(9, MUST, "EXTINF sums stay within a frame of the media", &[N::Hls, N::Fragments], media_times::sums),
        rule(10, MUST, "EXTINF is the presentation time of the segment", &[N::Hls, N::Fragments], media_times::durations),
        rule(11, MUST, "finished playlists say VOD and have an end", &[N::Hls], media::kind),
        rule(12, MUST, "all playlists start at the same time", &[N::Hls, N::Vod, N::Fragments], media_times::starts),
        rule(13, MUST, "audio and video last equally long", &[N::Hls, N::Vod], media_times::lengths),
        rule(14, MUST, "every fMP4 segment has its EXT-X-MAP", &[N::Hls, N::Fragments], media::map),
        rule(15, MUST, "byte ranges without an offset follow their like", &[N::Hls], media::byte_ranges),
        rule(16, MUST, "discontinuities where something changes, and there in all playlists", &[N::Hls, N::Fragments], media_times::discontinuities),
        rule(17, MUST, "EXT-X-BITRATE is within 10 % of the segment", &[N::Hls, N::Bitrate], media::bitrate),
        rule(18, SHOULD, "segments begin at equal times in all playlists", &[N::Hls, N::Fragments], media_times::boundaries),
        rule(19, MUST, "every video segment begins with an IDR", &[N::Hls, N::HlsVideo, N::Fragments], media_times::independent),
        rule(20, SHOULD, "segments of about six seconds; live windows", &[N::Hls], media::window),
        rule(21, MUST, "BANDWIDTH covers video and audio together", &[N::Hls], multivariant::bandwidth),
        rule(22, C, "BANDWIDTH is the greatest window of about a target duration", &[N::Hls, N::Ready], multivariant::windows),
        rule(23, MUST, "AVERAGE-BANDWIDTH, never above BANDWIDTH", &[N::Hls], multivariant::average),
        rule(24, MUST, "declared rates are within 10 % of the measured ones", &[N::Hls, N::Settled], multivariant::measured),
        rule(25, SHOULD, "before the end BANDWIDTH foresees what comes", &[N::Hls, N::Unfinished], multivariant::foreseen),
        rule(26, MUST, "CODECS names every format of the variant", &[N::Hls], multivariant::codecs),
        rule(27, MUST, "RESOLUTION and FRAME-RATE where they belong", &[N::Hls, N::HlsVideo], multivariant::picture),
        rule(28, MUST, "CLOSED-CAPTIONS says what the video carries", &[N::Hls], renditions::captions),
        rule(29, MUST, "VIDEO-RANGE is that of the video", &[N::Hls, N::HlsVideo], multivariant::range),
        rule(30, MUST, "groups exist and have one default", &[N::Hls], renditions::groups),
        rule(31, MUST, "groups of a type have the same members", &[N::Hls, N::SeveralGroups], renditions::same_groups),
        rule(32, MUST, "renditions have LANGUAGE and CHANNELS", &[N::Hls], renditions::language),
        rule(33, MUST, "audio is separate, stereo AAC among it, with its loudness", &[N::Hls, N::HlsAudio], renditions::audio),
        rule(34, MUST, "subtitles have a URI, a role and the whole length", &[N::Hls, N::Subtitles], renditions::subtitles),
        rule(35, MUST, "several bit rates, a good one first", &[N::Hls, N::HlsVideo], multivariant::ladder),
        rule(36, MUST, "SCORE, steering and pathways are complete", &[N::Hls], multivariant::steering),
        rule(37, MUST, "there is an I-frame playlist, fully described", &[N::Hls, N::HlsVideo], trick::present),
        rule(38, MUST, "I-frame playlists say EXT-X-I-FRAMES-ONLY", &[N::Hls, N::Iframes], trick::only),
        rule(39, C, "EXTINF of an I-frame lasts until the next", &[N::Hls, N::Iframes, N::Fragments], iframes::durations),
        rule(40, MUST, "the target duration covers I-frames", &[N::Hls, N::Iframes], trick::target),
        rule(41, MUST, "I-frame ranges leave the initialisation segment out", &[N::Hls, N::Iframes, N::Fragments], iframes::map),
        rule(42, MUST, "I-frame ranges run from moof to the end of the picture", &[N::Hls, N::Iframes, N::Fragments], iframes::ranges),
        rule(43, C, "one I-frame playlist has whole fragments of one picture", &[N::Hls, N::Iframes, N::Fragments], iframes::whole),
        rule(44, MUST, "encryption leaves offsets and tables true", &[N::Fragments, N::Encryption], protection::tables),
        rule(45, MUST, "BANDWIDTH of I-frame playlists is measured the same way", &[N::Hls, N::Iframes, N::Ready], trick::bandwidth),
        rule(46, SHOULD, "a dense I-frame playlist and several bit rates", &[N::Hls, N::Iframes], trick::dense),
        rule(47, SHOULD, "motion JPEG is one small clear variant", &[N::Hls, N::MotionJpeg], trick::motion_jpeg),
        rule(48, SHOULD, "I-frame playlists have no parts, and block like the others", &[N::Hls, N::Iframes, N::LowLatency], low_latency::iframes),
        rule(49, MUST, "image playlists list whole tile sheets", &[N::Hls, N::ImagePlaylist], trick::images),
        rule(50, MUST, "initialisation segments hold no media", &[N::Fragments], cmaf::init),
        rule(51, MUST, "fragments have tfdt and address themselves", &[N::Fragments], cmaf::fragments),
        rule(52, MUST, "decode times follow each other exactly", &[N::Fragments], cmaf::continuity),
        rule(53, MUST, "CMAF: one track, one traf, one trun, colour and aspect", &[N::Fragments], cmaf::structure),
        rule(54, C, "the first picture is shown at tfdt", &[N::Fragments, N::Video], cmaf::first_picture),
        rule(55, C, "audio begins with the video, edit lists alike", &[N::Fragments, N::Audio], cmaf::priming),
        rule(56, MUST, "sizes and aspect agree with the documents", &[N::Fragments, N::Video], cmaf::sizes),
        rule(57, MUST, "sidx is true", &[N::Fragments, N::Index], cmaf::index),
        rule(58, MUST, "encryption schemes are what HLS asks for", &[N::Hls, N::Encryption], protection::schemes),
        rule(59, MUST, "one way of addressing: duration or timeline, number or time", &[N::Dash], dash::addressing),
        rule(60, MUST, "S@t and S@d are those of the segments", &[N::Dash, N::Fragments], dash_times::timeline),
        rule(61, MUST, "segments of a set are aligned and say so", &[N::Dash], dash_times::alignment),
        rule(62, MUST, "presentationTimeOffset lies at the first segment", &[N::Dash, N::Fragments], dash_times::offset),
        rule(63, C, "nominal durations do not drift", &[N::Dash], dash_times::nominal),
        rule(64, MUST, "every Representation covers the Period", &[N::Dash, N::StaticMpd], dash_times::coverage),
        rule(65, MUST, "on-demand: an index and one file a Representation", &[N::Dash, N::OnDemand], dash::on_demand),
        rule(66, MUST, "pictures and sound are described in full", &[N::Dash], dash::described),
        rule(67, MUST, "@bandwidth suffices with @minBufferTime", &[N::Dash, N::Fragments], dash_times::bandwidth),
        rule(68, MUST, "the trick-mode set is marked, aligned and all intra", &[N::Dash, N::TrickSet], dash::trick_mode),
        rule(69, MUST, "thumbnails are addressed and described as tiles", &[N::Dash, N::Tiles], dash::tiles),
        rule(70, MUST, "protection and captions are declared", &[N::Dash, N::DashProtection], protection::declared),
        rule(71, MUST, "timecodes stay below 2^53", &[N::Dash], dash_times::timecodes),
        rule(72, MUST, "WebVTT segments have header and timestamp map", &[N::Hls, N::Subtitles], text::header),
        rule(73, MUST, "WebVTT segments hold every cue that they overlap", &[N::Hls, N::Subtitles], text::cues),
        rule(74, C, "WebVTT times are those of the media", &[N::Hls, N::Subtitles], text::mapping),
        rule(75, MUST, "LL-HLS parts and blocking reload", &[N::Hls, N::LowLatency], low_latency::hls),
        rule(76, MUST, "LL-DASH announces early availability and time", &[N::Dash, N::LowLatencyDash], low_latency::dash),
    ]
};

#[cfg(test)]
mod tests;
