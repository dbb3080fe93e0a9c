//! What our own streams lack, added to one: subtitles, keys, parts, a second group, an index and more.

use super::{
    bytes::{append, atom, body, children, path, put, u32_at},
    site::Site,
};

pub(crate) const MAIN: [&str; 3] = ["1/240p/index.m3u8", "1/144p/index.m3u8", "1/audio/index.m3u8"];
const RUNGS: [&str; 2] = ["240p", "144p"];

pub(crate) fn bare(_: &mut Site) {}

pub(crate) fn hls_only(site: &mut Site) {
    site.remove("manifest.mpd");
}

pub(crate) fn dash_only(site: &mut Site) {
    site.remove("master.m3u8");
}

/// EXT-X-BITRATE before every segment of the rungs and the audio.
pub(crate) fn bitrates(site: &mut Site) {
    for playlist in MAIN {
        let folder = playlist.trim_end_matches("index.m3u8");
        let sizes: Vec<usize> = (1..=4).map(|n| site.bytes(&format!("{folder}{n}.m4s")).len()).collect();
        let mut sizes = sizes.iter();
        site.edit(playlist, |text| {
            let lines = text.lines().map(|line| {
                let Some(seconds) = line.strip_prefix("#EXTINF:") else { return format!("{line}\n") };
                let seconds: f64 = seconds.trim_end_matches(',').parse().unwrap();
                let bytes = f64::from(u32::try_from(*sizes.next().unwrap()).unwrap());
                format!("#EXT-X-BITRATE:{:.0}\n{line}\n", bytes * 8.0 / 1000.0 / seconds)
            });
            lines.collect()
        });
    }
}

/// The multivariant playlist says that it changes soon.
pub(crate) fn unfinished(site: &mut Site) {
    site.file("master.m3u8").headers.push(("cache-control", "public, max-age=2"));
}

/// A second group with the same audio, which a second listing of the smallest variant refers to.
pub(crate) fn two_groups(site: &mut Site) {
    site.edit("master.m3u8", |text| {
        let media = text.lines().find(|line| line.starts_with("#EXT-X-MEDIA")).unwrap();
        text.replacen(media, &format!("{media}\n{}", media.replace("\"audio\"", "\"more\"")), 1)
    });
}

/// A little more BANDWIDTH for every variant, within what rule 22 allows.
fn raise(site: &mut Site) {
    site.edit("master.m3u8", |text| {
        let raised = |line: &str| match line.strip_prefix("#EXT-X-STREAM-INF:BANDWIDTH=") {
            Some(rest) => {
                let (number, rest) = rest.split_once(',').unwrap();
                format!("#EXT-X-STREAM-INF:BANDWIDTH={},{rest}\n", number.parse::<u64>().unwrap() + 600)
            }
            None => format!("{line}\n"),
        };
        text.lines().map(raised).collect()
    });
}

/// Two `WebVTT` segments with a cue over their border.
pub(crate) fn subtitles(site: &mut Site) {
    let over = "00:03.000 --> 00:05.000\nover the border\n";
    let head = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n";
    site.add("subs/1.vtt", format!("{head}00:01.000 --> 00:02.000\nearly\n\n{over}"));
    site.add("subs/2.vtt", format!("{head}{over}\n00:06.000 --> 00:07.000\nlate\n"));
    let playlist = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                    #EXTINF:4.0,\n1.vtt\n#EXTINF:5.0,\n2.vtt\n#EXT-X-ENDLIST\n";
    site.add("subs/index.m3u8", playlist);
    let media = "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",LANGUAGE=\"en\",NAME=\"English\",DEFAULT=NO,AUTOSELECT=YES,URI=\"subs/index.m3u8\"";
    site.replace("master.m3u8", "#EXT-X-STREAM-INF", &format!("{media}\n#EXT-X-STREAM-INF"));
    site.replace_all("master.m3u8", "AUDIO=\"audio\"", "AUDIO=\"audio\",SUBTITLES=\"subs\"");
    raise(site);
}

/// Audio whose segments are encrypted as a whole, with the same key for the session.
pub(crate) fn sealed(site: &mut Site) {
    hls_only(site);
    for n in 1..=4 {
        let bytes = &mut site.file(&format!("1/audio/{n}.m4s")).bytes;
        bytes.resize(bytes.len().next_multiple_of(16), 0);
    }
    raise(site);
    let key = "KEY:METHOD=AES-128,URI=\"key\"";
    site.replace("1/audio/index.m3u8", "#EXT-X-MAP", &format!("#EXT-X-{key}\n#EXT-X-MAP"));
    site.replace("master.m3u8", "#EXT-X-MEDIA", &format!("#EXT-X-SESSION-{key}\n#EXT-X-MEDIA"));
}

/// Samples encrypted by `cbcs`, as initialisation segments say; the samples themselves stay as they are.
pub(crate) fn cbcs(site: &mut Site) {
    hls_only(site);
    for rung in RUNGS {
        let init = &mut site.file(&format!("1/{rung}/init.mp4")).bytes;
        encrypt(init, "avc1", b"encv", 0x19);
    }
    encrypt(&mut site.file("1/audio/init.mp4").bytes, "mp4a", b"enca", 0);
    for list in MAIN.into_iter().chain(["1/240p/iframes.m3u8", "1/144p/iframes.m3u8"]) {
        let key = "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://key\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n";
        site.replace(list, "#EXT-X-MAP", &format!("{key}#EXT-X-MAP"));
    }
}

/// Calls a sample entry encrypted, in so many blocks and clear ones by turns.
fn encrypt(init: &mut Vec<u8>, format: &str, to: &[u8], pattern: u8) {
    let entry = format!("moov/trak/mdia/minf/stbl/stsd/{format}");
    let mut tenc = vec![1, 0, 0, 0, 0, pattern, 1, 0];
    tenc.extend([7; 16]);
    tenc.extend([16; 17]);
    let scheme = atom(b"schm", &[&[0; 4], b"cbcs".as_slice(), &[0, 1, 0, 0]].concat());
    let information = atom(b"schi", &atom(b"tenc", &tenc));
    let sinf = atom(b"sinf", &[atom(b"frma", format.as_bytes()), scheme, information].concat());
    append(init, &entry, &sinf);
    super::bytes::rename(init, &entry, to);
}

/// The third segment of every main playlist in four parts, as a blocking server lists them.
pub(crate) fn parts(site: &mut Site) {
    site.blocks = true;
    let control = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.3\n";
    for playlist in MAIN {
        let folder = playlist.trim_end_matches("index.m3u8");
        let bytes = site.bytes(&format!("{folder}3.m4s")).len();
        site.edit(playlist, |text| {
            let at = text.match_indices("#EXTINF:").nth(2).unwrap().0;
            let seconds: f64 = text[at + 8..].split(',').next().unwrap().parse().unwrap();
            let quarter = bytes / 4;
            let part = |n: usize| {
                let length = if n == 3 { bytes - 3 * quarter } else { quarter };
                format!(
                    "#EXT-X-PART:DURATION={:.6},URI=\"3.m4s\",BYTERANGE=\"{length}@{}\"\n",
                    seconds / 4.0,
                    n * quarter
                )
            };
            let parts: String = (0..4).map(part).collect();
            let text = format!("{}{parts}{}", &text[..at], &text[at..]);
            text.replacen("#EXT-X-MAP", &format!("#EXT-X-PART-INF:PART-TARGET=1.1\n{control}#EXT-X-MAP"), 1)
        });
    }
    for playlist in ["1/trick/iframes.m3u8", "1/240p/iframes.m3u8", "1/144p/iframes.m3u8"] {
        site.replace(playlist, "#EXT-X-MAP", &format!("{control}#EXT-X-MAP"));
    }
}

/// The trick track called motion JPEG beside what it is.
pub(crate) fn motion_jpeg(site: &mut Site) {
    site.edit("master.m3u8", |text| {
        let line = text.lines().find(|line| line.contains("trick/iframes")).unwrap();
        let changed = line.replace("CODECS=\"", "CODECS=\"mjpg,").replace("trick/iframes", "trick/mjpg");
        text.replacen(line, &format!("{line}\n{changed}"), 1)
    });
    let text = site.text("1/trick/iframes.m3u8");
    site.add("1/trick/mjpg.m3u8", text);
}

/// The audio says how loud it is.
pub(crate) fn loud(site: &mut Site) {
    let init = &mut site.file("1/audio/init.mp4").bytes;
    append(init, "moov/trak", &atom(b"udta", &atom(b"ludt", &[])));
}

/// Captions of the video are declared in the MPD.
pub(crate) fn mpd_captions(site: &mut Site) {
    let one = "<Accessibility schemeIdUri=\"urn:scte:dash:cc:cea-608:2015\" value=\"CC1=eng\"/>";
    site.replace("manifest.mpd", "<Role", &format!("{one}<Role"));
}

/// The rungs in early, chunked segments with the producer's time, in DASH alone.
pub(crate) fn early(site: &mut Site) {
    dash_only(site);
    for rung in RUNGS {
        for n in 1..=4 {
            let bytes = &mut site.file(&format!("1/{rung}/{n}.m4s")).bytes;
            bytes.splice(0..0, atom(b"prft", &[0; 24]));
        }
        site.scale("manifest.mpd", &format!("id=\"{rung}\""), "bandwidth=\"", 200);
    }
    site.replace(
        "manifest.mpd",
        "<SegmentTemplate timescale",
        "<SegmentTemplate availabilityTimeOffset=\"3\" availabilityTimeComplete=\"false\" timescale",
    );
    let clock = "<UTCTiming schemeIdUri=\"urn:mpeg:dash:utc:http-iso:2014\" value=\"time\"/>";
    site.replace("manifest.mpd", "</Period>", &format!("</Period>{clock}"));
}

/// One rung as one file with an index, in DASH alone.
pub(crate) fn on_demand(site: &mut Site) {
    dash_only(site);
    let init = site.bytes("1/240p/init.mp4");
    let timescale = u32_at(&init, body(&init, "moov/trak/mdia/mdhd") + 20);
    let mut sidx = [[0, 0, 0, 0], [0, 0, 0, 1]].concat();
    sidx.extend([timescale.to_be_bytes(), [0; 4], [0; 4], [0, 0, 0, 4]].concat());
    let mut media = Vec::new();
    for n in 1..=4 {
        let bytes = site.bytes(&format!("1/240p/{n}.m4s"));
        let moofs = children(&bytes, 0..bytes.len()).iter().filter(|(kind, _)| kind == b"moof").count();
        let duration: u32 = (0..moofs).map(|moof| duration(&bytes, moof)).sum();
        sidx.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
        sidx.extend(duration.to_be_bytes());
        sidx.extend([0x90, 0, 0, 0]);
        media.extend(bytes);
    }
    let sidx = atom(b"sidx", &sidx);
    let (first, last) = (init.len(), init.len() + sidx.len() - 1);
    site.add("one.mp4", [init, sidx, media].concat());
    let mpd = format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" profiles=\"urn:mpeg:dash:profile:isoff-on-demand:2011\" type=\"static\" \
         mediaPresentationDuration=\"PT9S\" minBufferTime=\"PT2S\"><Period><AdaptationSet id=\"1\" contentType=\"video\" \
         mimeType=\"video/mp4\" subsegmentAlignment=\"true\"><Representation id=\"v\" bandwidth=\"9000000\" codecs=\"{}\" \
         width=\"426\" height=\"240\" frameRate=\"30\" sar=\"1:1\"><BaseURL>one.mp4</BaseURL>\
         <SegmentBase timescale=\"{timescale}\" indexRange=\"{first}-{last}\"><Initialization range=\"0-{}\"/></SegmentBase>\
         </Representation></AdaptationSet></Period></MPD>\n",
        codec(&site.text("manifest.mpd")),
        first - 1,
    );
    site.file("manifest.mpd").bytes = mpd.into_bytes();
}

/// Ticks of the samples of a fragment of constant or listed durations.
fn duration(bytes: &[u8], moof: usize) -> u32 {
    let run = body(bytes, &format!("moof#{moof}/traf/trun"));
    assert_eq!(u32_at(bytes, run) & 0x100, 0, "durations are common");
    let common = u32_at(bytes, body(bytes, &format!("moof#{moof}/traf/tfhd")) + 8);
    u32_at(bytes, run + 4) * common
}

fn codec(mpd: &str) -> &str {
    let from = mpd.find("id=\"240p\"").unwrap();
    mpd[from..].split("codecs=\"").nth(1).unwrap().split('"').next().unwrap()
}

/// Writes over the earliest time of the index.
pub(crate) fn spoil_index(site: &mut Site) {
    let bytes = &mut site.file("one.mp4").bytes;
    let at = path(bytes, "sidx")[0].start + 8 + 12;
    put(bytes, at, &1_u32.to_be_bytes());
}
