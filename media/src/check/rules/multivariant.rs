//! Rules 21 to 27, 29, 35 and 36: variants and their rates.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        entry::Entry,
        media::Media,
        multivariant::{Item, Multivariant, Tag},
        needs::{self, Need},
        rates::Rates,
        report::Findings,
        stream::Stream,
    },
    hdr,
};

/// The rate of the first variant and how far from it another may be nearer (Apple 1.32), in bits per second.
const FIRST_VARIANT_BPS: u64 = 2_000_000;
/// Transfer characteristics of PQ (ISO/IEC 23091-2).
const PQ: u16 = 16;
/// What a variant for cellular networks may need at most (Apple 9.21), in bits per second.
const CELLULAR_BPS_MAX: u64 = 192_000;

fn place(stream: &Stream, item: &Item) -> String {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    stream.line(url, item.line)
}

/// Each variant with its declared BANDWIDTH and what was measured.
fn measured_variants(stream: &Stream) -> impl Iterator<Item = (&Item, u64, Rates)> {
    stream
        .items(Tag::Variant)
        .filter_map(|item| Some((item, item.attributes.number("BANDWIDTH")?, stream.variant_rates(item)?)))
}

/// Rule 21 (§4.4.6.2). Before the end there is no sum to hold BANDWIDTH against, and it must be there.
pub(super) fn bandwidth(stream: &Stream, findings: &mut Findings) {
    for item in stream.items(Tag::Variant) {
        if item.attributes.number("BANDWIDTH").is_none_or(|declared| declared == 0) {
            findings.fail(place(stream, item), "BANDWIDTH is missing or no number");
        }
    }
    let is_ready = Need::Ready.holds(stream);
    for (item, declared, rates) in measured_variants(stream).filter(|_| is_ready) {
        // Each rendition's rate may be rounded.
        if declared.saturating_add(4) < rates.peak_bps {
            let reason = format!("BANDWIDTH is {declared}, and its renditions together reach {}", rates.peak_bps);
            findings.fail(place(stream, item), reason);
        }
    }
}

/// Rule 22 (§4.1): neither less, nor more as of a short tail that is taken for a whole second.
pub(super) fn windows(stream: &Stream, findings: &mut Findings) {
    for (item, declared, rates) in measured_variants(stream) {
        if declared.abs_diff(rates.peak_bps) > rates.peak_bps / 100 {
            let reason = format!("BANDWIDTH is {declared}, and the greatest window has {}", rates.peak_bps);
            findings.fail(place(stream, item), reason);
        }
    }
}

/// Rule 23 (Apple 9.14). That I-frame playlists have one is rule 37.
pub(super) fn average(stream: &Stream, findings: &mut Findings) {
    for item in stream.items(Tag::Variant).chain(stream.items(Tag::Iframes)) {
        let peak = item.attributes.number("BANDWIDTH");
        match item.attributes.number("AVERAGE-BANDWIDTH") {
            None if item.tag == Tag::Variant => {
                findings.fail(place(stream, item), "AVERAGE-BANDWIDTH is missing or no number");
            }
            Some(average) if peak.is_some_and(|peak| average > peak) => {
                findings.fail(place(stream, item), "AVERAGE-BANDWIDTH is above BANDWIDTH");
            }
            _ => {}
        }
    }
}

/// Rule 24 (Apple 1.26 to 1.30).
pub(super) fn measured(stream: &Stream, findings: &mut Findings) {
    let is_live = !stream.is_finished();
    for (item, peak, rates) in measured_variants(stream) {
        let average = item.attributes.number("AVERAGE-BANDWIDTH");
        let mut within = |name: &str, declared: u64, real: u64, live_percent: u64| {
            let (declared_100, real_100) = (u128::from(declared) * 100, u128::from(real) * 100);
            let low = u128::from(declared) * 90;
            let high = u128::from(declared) * u128::from(if is_live { live_percent } else { 110 });
            if real_100 > high || !is_live && real_100 < low {
                let percent = declared_100 / u128::from(real.max(1));
                let reason = format!("{name} is {declared}, {percent} % of the measured {real}");
                findings.must(place(stream, item), reason);
            }
        };
        within("BANDWIDTH", peak, rates.peak_bps, 125);
        if let Some(average) = average {
            within("AVERAGE-BANDWIDTH", average, rates.average_bps, 110);
        }
        if rates.peak_bps > rates.average_bps.saturating_mul(2) {
            let reason = format!("its peak {} is more than twice its average {}", rates.peak_bps, rates.average_bps);
            findings.should(place(stream, item), reason);
        }
    }
}

/// Rule 25 (§4.4.6.2).
pub(super) fn foreseen(stream: &Stream, findings: &mut Findings) {
    for (item, declared, rates) in measured_variants(stream) {
        if declared < rates.peak_bps {
            let reason = format!("BANDWIDTH is {declared}, and {} is reached already", rates.peak_bps);
            findings.fail(place(stream, item), reason);
        }
    }
}

/// Rule 26 (§4.4.6.1.1, §6.2.4; Apple 9.1, 9.3).
pub(super) fn codecs(stream: &Stream, findings: &mut Findings) {
    for item in stream.items(Tag::Variant).chain(stream.items(Tag::Iframes)) {
        if !item.attributes.has("CODECS") {
            findings.fail(place(stream, item), "CODECS is missing");
            continue;
        }
        let declared: BTreeSet<&str> = needs::codecs(&item.attributes).collect();
        for name in &declared {
            if ["hev1", "avc3", "dvhe"].iter().any(|outside| name.starts_with(outside)) {
                findings.fail(place(stream, item), format!("{name} keeps its parameter sets in the samples"));
            }
        }
        for (codec, media) in formats(stream, item) {
            if !declared.iter().any(|name| is_named(name, &codec)) {
                let reason = format!("{codec} of {} is not in CODECS", stream.name(&media.url));
                findings.fail(place(stream, item), reason);
            }
        }
    }
}

/// Whether a name in CODECS is that of a format. AV1 and VP9 may say more of their colours than must be there.
pub(super) fn is_named(name: &str, codec: &str) -> bool {
    let says_more = ["av01.", "vp09."].iter().any(|family| codec.starts_with(family));
    match name.split_at_checked(codec.len()) {
        Some((head, rest)) => {
            head.eq_ignore_ascii_case(codec) && (rest.is_empty() || says_more && rest.starts_with('.'))
        }
        None => false,
    }
}

/// The formats of every rendition that a variant refers to, as the bytes say.
fn formats<'a>(stream: &'a Stream, item: &'a Item) -> Vec<(String, &'a Media)> {
    let own = stream.playlist(item.url.as_deref());
    let renditions = stream
        .multivariant
        .iter()
        .flat_map(|multivariant| ["AUDIO", "VIDEO"].into_iter().flat_map(|kind| multivariant.group(item, kind)));
    let others = renditions.filter_map(|rendition| stream.playlist(rendition.url.as_deref()));
    let mut formats = Vec::new();
    for media in own.into_iter().chain(others) {
        let maps: BTreeSet<_> = media.segments.iter().filter_map(|entry| entry.map.as_ref()).collect();
        for init in maps.into_iter().filter_map(|map| stream.init(Some(map))) {
            let entries = init.tracks.iter().filter_map(|track| track.entry.as_ref());
            formats.extend(entries.map(|entry| (entry.codec.clone(), media)));
        }
    }
    formats
}

/// Whether a variant has video, by its playlist, else by what it says.
pub(super) fn has_video(stream: &Stream, item: &Item) -> bool {
    match stream.playlist(item.url.as_deref()).and_then(|media| stream.track(media)) {
        Some(track) => track.is_video(),
        None => item.attributes.has("RESOLUTION"),
    }
}

/// Rule 27 (Apple 9.2, 9.4, 9.15; §4.4.6.3).
pub(super) fn picture(stream: &Stream, findings: &mut Findings) {
    for item in stream.items(Tag::Variant).filter(|item| has_video(stream, item)) {
        if item.attributes.resolution("RESOLUTION").is_none() {
            findings.fail(place(stream, item), "RESOLUTION is missing or no size");
        }
        let rate = item.attributes.get("FRAME-RATE");
        let has_three = rate.is_some_and(|rate| {
            rate.parse::<f64>().is_ok() && rate.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 3)
        });
        if !has_three {
            findings.fail(place(stream, item), "FRAME-RATE is missing or has not three decimals");
        }
    }
    for item in stream.items(Tag::Iframes) {
        if item.attributes.resolution("RESOLUTION").is_none() {
            findings.fail(place(stream, item), "RESOLUTION is missing or no size");
        }
        for name in ["FRAME-RATE", "AUDIO", "SUBTITLES", "CLOSED-CAPTIONS"] {
            if item.attributes.has(name) {
                let reason = format!("{name} is not defined for EXT-X-I-FRAME-STREAM-INF");
                findings.fail(place(stream, item), reason);
            }
        }
    }
}

/// Rule 29 (Apple 9.16, appendix; §4.4.6.2).
pub(super) fn range(stream: &Stream, findings: &mut Findings) {
    let entries = |item: &Item| -> Vec<&Entry> {
        let media = stream.playlist(item.url.as_deref()).into_iter();
        let maps: BTreeSet<_> =
            media.flat_map(|media| &media.segments).filter_map(|entry| entry.map.as_ref()).collect();
        let inits = maps.into_iter().filter_map(|map| stream.init(Some(map)));
        inits.flat_map(|init| &init.tracks).filter_map(|track| track.entry.as_ref()).collect()
    };
    let ranges = |item: &Item| -> BTreeSet<&'static str> {
        entries(item).iter().filter_map(|entry| entry.transfer).map(of_transfer).collect()
    };
    let items: Vec<&Item> = stream.items(Tag::Variant).chain(stream.items(Tag::Iframes)).collect();
    let all_sdr = items.iter().flat_map(|item| ranges(item)).all(|range| range == "SDR");
    for item in items.iter().filter(|item| has_video(stream, item)) {
        let measured = ranges(item);
        let expected = ["PQ", "HLG", "SDR"].into_iter().find(|range| measured.contains(range));
        match (item.attributes.get("VIDEO-RANGE"), expected) {
            (None, _) if !all_sdr => findings.fail(place(stream, item), "VIDEO-RANGE is missing and not all is SDR"),
            (Some(declared), Some(expected)) if declared != expected => {
                findings.fail(place(stream, item), format!("VIDEO-RANGE is {declared}, and the video is {expected}"));
            }
            _ => {}
        }
        if let Some(reason) = hdr::vision(&item.attributes) {
            findings.fail(place(stream, item), reason);
        }
        let is_bare =
            |entry: &&Entry| entry.is_hevc() && entry.transfer == Some(PQ) && !hdr::is_hdr10(&entry.configuration);
        if entries(item).iter().any(is_bare) {
            findings.should(place(stream, item), "PQ without the SEI of HDR10 in hvcC");
        }
    }
}

/// VIDEO-RANGE of CICP transfer characteristics (ISO/IEC 23091-2).
fn of_transfer(transfer: u16) -> &'static str {
    match transfer {
        PQ => "PQ",
        18 => "HLG",
        _ => "SDR",
    }
}

/// Rule 35 (Apple 1.32, 1.33, 9.9, 9.21).
pub(super) fn ladder(stream: &Stream, findings: &mut Findings) {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    let variants: Vec<&Item> = stream.items(Tag::Variant).collect();
    let peak = |item: &Item| item.attributes.number("BANDWIDTH");
    let peaks: BTreeSet<u64> = variants.iter().filter_map(|item| peak(item)).collect();
    if peaks.len() < 2 {
        findings.must(stream.name(url), "there is one bit rate only");
    }
    // That the stream is meant for cellular networks, where this is a MUST, no byte of it says.
    if peaks.first().is_some_and(|least| *least > CELLULAR_BPS_MAX) {
        findings
            .should(stream.name(url), format!("no variant of at most {CELLULAR_BPS_MAX} b/s for cellular networks"));
    }
    let distance = |item: &Item| average_or_peak(item).map(|rate| rate.abs_diff(FIRST_VARIANT_BPS));
    let nearest = variants.iter().filter(|item| has_video(stream, item)).filter_map(|item| distance(item)).min();
    if let (Some(first), Some(nearest)) = (variants.first(), nearest) {
        // Rates are planned in steps; half as far again is as good.
        let is_near = distance(first).is_some_and(|own| own <= nearest.saturating_add(FIRST_VARIANT_BPS / 2));
        if !is_near {
            findings.should(place(stream, first), "another variant is nearer to 2 Mb/s than the first");
        }
    }
    let shape = |item: &&&Item| item.attributes.resolution("RESOLUTION");
    let mut shapes = variants.iter().filter_map(|item| Some((item, shape(&item)?)));
    if let Some((_, first)) = shapes.next() {
        for (item, size) in shapes.filter(|(_, size)| !same_shape(first, *size)) {
            let reason = format!("{}x{} has not the aspect ratio of {}x{}", size.0, size.1, first.0, first.1);
            findings.should(place(stream, item), reason);
        }
    }
}

fn average_or_peak(item: &Item) -> Option<u64> {
    item.attributes.number("AVERAGE-BANDWIDTH").or_else(|| item.attributes.number("BANDWIDTH"))
}

/// Whether two sizes have one aspect ratio, up to the pixel that rounding to even sizes moves.
pub(super) fn same_shape((w1, h1): (u32, u32), (w2, h2): (u32, u32)) -> bool {
    let cross = (u64::from(w1) * u64::from(h2)).abs_diff(u64::from(w2) * u64::from(h1));
    cross <= 2 * u64::from(w1.max(w2).max(h1).max(h2))
}

/// Rule 36 (Apple 9.19; §4.4.6.6, §7).
pub(super) fn steering(stream: &Stream, findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    let name = stream.name(&multivariant.url);
    let scored = multivariant.of(Tag::Variant).filter(|item| item.attributes.has("SCORE")).count();
    if scored > 0 && scored < multivariant.of(Tag::Variant).count() {
        findings.fail(name, "SCORE is on some variants and not on all");
    }
    if let Some((line, _)) = multivariant.text.tags("EXT-X-CONTENT-STEERING").nth(1) {
        findings.fail(stream.line(&multivariant.url, line), "a second EXT-X-CONTENT-STEERING");
    }
    for name in ["STABLE-VARIANT-ID", "STABLE-RENDITION-ID"] {
        let tag = if name == "STABLE-VARIANT-ID" { Tag::Variant } else { Tag::Rendition };
        let with = multivariant.of(tag).filter(|item| item.attributes.has(name)).count();
        if with > 0 && with < multivariant.of(tag).count() {
            findings.fail(stream.name(&multivariant.url), format!("{name} is on some and not on all"));
        }
    }
    pathways(stream, multivariant, findings);
}

fn pathways(stream: &Stream, multivariant: &Multivariant, findings: &mut Findings) {
    if !multivariant.text.has("EXT-X-CONTENT-STEERING") {
        return;
    }
    let mut pathways: BTreeMap<&str, usize> = BTreeMap::new();
    for item in multivariant.of(Tag::Variant) {
        *pathways.entry(item.attributes.get("PATHWAY-ID").unwrap_or(".")).or_default() += 1;
    }
    let most = pathways.values().copied().max().unwrap_or(0);
    for (pathway, count) in pathways.into_iter().filter(|(_, count)| *count < most) {
        let reason = format!("the pathway {pathway} has {count} variants, and another has {most}");
        findings.fail(stream.name(&multivariant.url), reason);
    }
}
