//! Rules 28 and 30 to 34: renditions and their groups.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    init::Track,
    media::Media,
    multivariant::{Item, Multivariant, Tag},
    report::Findings,
    stream::Stream,
};

const KINDS: [&str; 4] = ["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"];
/// Attributes in which members of equal groups may differ (§4.4.6.1.1).
const FREE: [&str; 7] =
    ["GROUP-ID", "URI", "CHANNELS", "BIT-DEPTH", "STABLE-RENDITION-ID", "INSTREAM-ID", "SAMPLE-RATE"];
/// What subtitles for the deaf say of themselves (Apple 4.5).
const SPOKEN: &str = "public.accessibility.transcribes-spoken-dialog";
const SOUNDS: &str = "public.accessibility.describes-music-and-sound";

/// CHANNELS of Dolby Atmos in E-AC-3 (Apple appendix).
const OBJECTS: &str = "16/JOC";

fn place(stream: &Stream, item: &Item) -> String {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    stream.line(url, item.line)
}

/// Rule 28 (§4.4.6.2; Apple 4.3, 4.4).
pub(super) fn captions(stream: &Stream, findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    let carried = |item: &Item| {
        let media = stream.playlist(item.url.as_deref());
        let segments = media.into_iter().flat_map(|media| &media.segments);
        segments.filter_map(|entry| stream.segment(&entry.place)).any(|segment| segment.captions)
    };
    let nones = multivariant.of(Tag::Variant).filter(|item| item.attributes.get("CLOSED-CAPTIONS") == Some("NONE"));
    let (nones, all) = (nones.count(), multivariant.of(Tag::Variant).count());
    for item in multivariant.of(Tag::Variant) {
        let value = item.attributes.value("CLOSED-CAPTIONS");
        match value {
            None => findings.fail(place(stream, item), "CLOSED-CAPTIONS is missing"),
            Some(value) if !value.quoted && value.text == "NONE" => {
                if nones < all {
                    findings.fail(place(stream, item), "CLOSED-CAPTIONS is NONE here and not on all");
                }
                if carried(item) {
                    findings.fail(place(stream, item), "CLOSED-CAPTIONS is NONE, and the video carries captions");
                }
            }
            Some(_) if multivariant.group(item, "CLOSED-CAPTIONS").next().is_none() => {
                findings.fail(place(stream, item), "CLOSED-CAPTIONS names no group");
            }
            Some(_) if super::multivariant::has_video(stream, item) && !carried(item) => {
                findings.fail(place(stream, item), "captions are declared, and the video carries none");
            }
            Some(_) => {}
        }
    }
    for item in multivariant.renditions("CLOSED-CAPTIONS") {
        let id = item.attributes.get("INSTREAM-ID").unwrap_or_default();
        let number = |prefix: &str| id.strip_prefix(prefix).and_then(|number| number.parse::<u8>().ok());
        let is_known = number("CC").is_some_and(|n| (1..=4).contains(&n))
            || number("SERVICE").is_some_and(|n| (1..=63).contains(&n));
        if !is_known {
            findings.fail(place(stream, item), "INSTREAM-ID is neither CC1 to CC4 nor SERVICE1 to SERVICE63");
        }
        if item.attributes.has("URI") {
            findings.fail(place(stream, item), "captions in the video have no URI");
        }
    }
}

/// The groups of a TYPE with their members.
fn groups_of<'a>(multivariant: &'a Multivariant, kind: &'a str) -> BTreeMap<&'a str, Vec<&'a Item>> {
    let mut groups: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in multivariant.renditions(kind) {
        groups.entry(item.attributes.get("GROUP-ID").unwrap_or_default()).or_default().push(item);
    }
    groups
}

/// Rule 30 (§4.4.6.1.1, §4.4.6.2).
pub(super) fn groups(stream: &Stream, findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    for item in multivariant.of(Tag::Variant) {
        for kind in ["AUDIO", "VIDEO", "SUBTITLES"] {
            let named = item.attributes.get(kind);
            if let Some(group) = named.filter(|_| multivariant.group(item, kind).next().is_none()) {
                findings.fail(place(stream, item), format!("{kind} names {group}, which is no group of that type"));
            }
        }
    }
    for item in multivariant.of(Tag::Rendition) {
        for name in ["TYPE", "GROUP-ID", "NAME"] {
            if !item.attributes.has(name) {
                findings.fail(place(stream, item), format!("EXT-X-MEDIA without {name}"));
            }
        }
        let is = |name: &str, value: &str| item.attributes.get(name) == Some(value);
        if is("DEFAULT", "YES") && is("AUTOSELECT", "NO") {
            findings.fail(place(stream, item), "DEFAULT=YES with AUTOSELECT=NO");
        }
    }
    for kind in KINDS {
        for (group, members) in groups_of(multivariant, kind) {
            let mut names = BTreeSet::new();
            for item in &members {
                let name = item.attributes.get("NAME").unwrap_or_default();
                if !names.insert(name) {
                    findings.fail(place(stream, item), format!("a second rendition named {name} in {group}"));
                }
            }
            let defaults = members.iter().filter(|item| item.attributes.get("DEFAULT") == Some("YES"));
            if let Some(item) = defaults.clone().nth(1) {
                findings.fail(place(stream, item), format!("a second default in {group}"));
            }
        }
    }
}

/// Rule 31 (§4.4.6.1.1).
pub(super) fn same_groups(stream: &Stream, findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    let fixed = |item: &Item| -> BTreeMap<String, String> {
        let kept = item.attributes.iter().filter(|(name, _)| !FREE.contains(name));
        kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    for kind in KINDS {
        let groups = groups_of(multivariant, kind);
        let mut members = groups.iter().map(|(group, items)| {
            let set: BTreeSet<BTreeMap<String, String>> = items.iter().map(|item| fixed(item)).collect();
            (*group, items, set)
        });
        let Some((first, _, expected)) = members.next() else { continue };
        for (group, items, set) in members {
            if let Some(item) = items.first().filter(|_| set != expected) {
                findings.fail(place(stream, item), format!("the members of {group} are not those of {first}"));
            }
        }
    }
}

/// Rule 32 (§4.4.6.1; Apple 8.10).
pub(super) fn language(stream: &Stream, findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    for item in multivariant.of(Tag::Rendition) {
        let is_video = item.attributes.get("TYPE") == Some("VIDEO");
        if !is_video && item.attributes.get("LANGUAGE").is_none_or(str::is_empty) {
            findings.fail(place(stream, item), "LANGUAGE is missing");
        }
    }
    let entry = |item: &Item| stream.track(stream.playlist(item.url.as_deref())?)?.entry.as_ref();
    let channels = |item: &Item| entry(item).map(|entry| (entry.codec.clone(), entry.channels));
    for item in multivariant.renditions("AUDIO") {
        let (Some(declared), Some(entry)) = (item.attributes.get("CHANNELS"), entry(item)) else { continue };
        if entry.has_objects != (declared == OBJECTS) {
            let what = if entry.has_objects { "is Dolby Atmos" } else { "is not" };
            findings.fail(place(stream, item), format!("CHANNELS is {declared}, and the sound {what}"));
        }
    }
    for item in multivariant.renditions("AUDIO").filter(|item| !item.attributes.has("CHANNELS")) {
        let name = item.attributes.get("NAME");
        let own = channels(item);
        let differs =
            multivariant.renditions("AUDIO").filter(|other| other.attributes.get("NAME") == name).any(|other| {
                let other = channels(other);
                own.as_ref().zip(other.as_ref()).is_some_and(|(own, other)| own.0 == other.0 && own.1 != other.1)
            });
        if differs {
            findings.must(place(stream, item), "CHANNELS is missing, and a rendition of its name has others");
        } else {
            findings.should(place(stream, item), "CHANNELS is missing");
        }
    }
}

/// Rule 33 (Apple 2.3, 2.19, 9.5 to 9.7).
pub(super) fn audio(stream: &Stream, findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    let name = stream.name(&multivariant.url);
    let is_audio = |media: &&Media| stream.track(media).is_some_and(Track::is_audio);
    let playlists: Vec<&Media> = stream.main().filter(is_audio).collect();
    let languages: BTreeSet<_> =
        multivariant.renditions("AUDIO").filter_map(|item| item.attributes.get("LANGUAGE")).collect();
    let entries = || playlists.iter().filter_map(|media| stream.track(media)?.entry.as_ref());
    let is_multichannel = stream
        .inits()
        .flat_map(|(_, init)| &init.tracks)
        .any(|track| track.is_audio() && track.entry.as_ref().is_some_and(|entry| entry.channels > 2));
    let muxed = stream
        .inits()
        .any(|(_, init)| init.tracks.iter().any(Track::is_audio) && init.tracks.iter().any(Track::is_video));
    if muxed {
        let reason = "audio lies in the video segments";
        if is_multichannel || languages.len() > 1 {
            findings.must(name, reason);
        } else {
            findings.should(name, reason);
        }
    }
    let is_stereo_aac = entries().any(|entry| entry.codec.starts_with("mp4a.40") && entry.channels == 2);
    if !muxed && !playlists.is_empty() && !is_stereo_aac {
        findings.must(name, "there is no stereo AAC rendition");
    }
    for media in &playlists {
        let map = media.segments.iter().find_map(|entry| entry.map.as_ref());
        if let (Some(map), Some(init)) = (map, stream.init(map))
            && !init.loudness
        {
            findings.should(stream.at(map), "no loudness (ludt)");
        }
    }
}

/// Rule 34 (Apple 4.5, 4.6, 5.5; §4.4.6.1).
pub(super) fn subtitles(stream: &Stream, findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    let longest_us = stream.main().map(Media::duration_us).max().unwrap_or(0);
    for item in multivariant.renditions("SUBTITLES") {
        if item.url.is_none() {
            findings.fail(place(stream, item), "SUBTITLES without a URI");
        }
        let characteristics = item.attributes.get("CHARACTERISTICS").unwrap_or_default();
        let says = |one: &str| characteristics.split(',').any(|part| part.trim() == one);
        if says(SPOKEN) != says(SOUNDS) {
            findings.fail(place(stream, item), "accessibility subtitles say both, what is spoken and what is heard");
        }
        if says(SPOKEN) && item.attributes.get("AUTOSELECT") != Some("YES") {
            findings.fail(place(stream, item), "accessibility subtitles without AUTOSELECT=YES");
        }
        let Some(media) = stream.playlist(item.url.as_deref()) else { continue };
        let allowed_us = media.target_s.unwrap_or(0).saturating_mul(1_000_000);
        if media.ended && media.duration_us().saturating_add(allowed_us) < longest_us {
            findings.fail(stream.name(&media.url), "the subtitles do not span the whole title");
        }
    }
}
