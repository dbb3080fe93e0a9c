//! What a rule is about: a property of the stream without which the rule does not apply.

use super::{
    init::{Init, Track},
    media::Media,
    mpd::{Mpd, Set},
    multivariant::{Item, Tag},
    playlist::Attributes,
    stream::{Resource, Stream, Transport},
    xml::Element,
};

/// A multivariant playlist, or an MPD, that must be asked for again within this time announces that it changes.
const SETTLED_AGE_S_MIN: u64 = 60;

/// `EssentialProperty` of a trick-mode set (DASH-IF IOP).
pub(super) const TRICK_MODE: &str = "http://dashif.org/guidelines/trickmode";
/// `EssentialProperty` of tiled thumbnails (DASH-IF IOP).
pub(super) const THUMBNAIL_TILE: &str = "http://dashif.org/guidelines/thumbnail_tile";
/// `ContentProtection` that says what is encrypted how (ISO/IEC 23001-7).
pub(super) const MP4_PROTECTION: &str = "urn:mpeg:dash:mp4protection:2011";

/// A property of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Hls,
    Dash,
    Http,
    /// The document of the stream does not announce that it changes, and what may grow has its end.
    Settled,
    /// Every playlist has its end, and the document of the stream does not announce that it changes.
    Ready,
    /// The document of the stream announces that it changes, or a playlist that may grow has no end yet.
    Unfinished,
    Vod,
    Audio,
    Video,
    HlsVideo,
    HlsAudio,
    Fragments,
    Iframes,
    MotionJpeg,
    ImagePlaylist,
    Bitrate,
    SeveralGroups,
    Subtitles,
    Encryption,
    DashProtection,
    LowLatency,
    LowLatencyDash,
    Index,
    OnDemand,
    StaticMpd,
    TrickSet,
    Tiles,
}

// === impl Need ===

impl Need {
    /// Why a rule that needs this does not apply.
    pub(super) fn absence(self) -> &'static str {
        match self {
            Self::Hls => "no multivariant playlist",
            Self::Dash => "no MPD",
            Self::Http => "files, not a server",
            Self::Ready | Self::Settled => "not finished",
            Self::Unfinished => "finished",
            Self::Vod => "live",
            Self::Audio | Self::HlsAudio => "no audio",
            Self::Video | Self::HlsVideo => "no video",
            Self::Fragments => "no fMP4",
            Self::Iframes => "no I-frame playlist",
            Self::MotionJpeg => "no motion JPEG",
            Self::ImagePlaylist => "no image playlist",
            Self::Bitrate => "no EXT-X-BITRATE",
            Self::SeveralGroups => "no second group of a type",
            Self::Subtitles => "no subtitles",
            Self::Encryption => "no encryption",
            Self::DashProtection => "no encryption and no captions in the MPD",
            Self::LowLatency => "no parts",
            Self::LowLatencyDash => "no low-latency segments",
            Self::Index => "no segment index",
            Self::OnDemand => "no on-demand addressing",
            Self::StaticMpd => "a dynamic MPD",
            Self::TrickSet => "no trick-mode set",
            Self::Tiles => "no tiled thumbnails",
        }
    }

    pub(super) fn holds(self, stream: &Stream) -> bool {
        match self {
            Self::Hls => stream.multivariant.is_some(),
            Self::Dash => stream.mpd.is_some(),
            Self::Http => stream.transport == Transport::Http,
            Self::Settled => !is_unfinished(stream),
            Self::Ready => !is_unfinished(stream) && stream.is_finished(),
            Self::Unfinished => is_unfinished(stream),
            Self::Vod => stream.is_finished(),
            Self::Audio => stream.inits().any(|(_, init)| init.tracks.iter().any(Track::is_audio)),
            Self::Video => stream.inits().any(|(_, init)| init.tracks.iter().any(Track::is_video)),
            Self::HlsVideo => has_hls_video(stream),
            Self::HlsAudio => has_hls_audio(stream),
            Self::Fragments => {
                let fragmented = stream.segments().any(|(_, segment)| !segment.fragments.is_empty());
                fragmented || stream.resources.values().any(|resource| matches!(resource, Resource::Init(_)))
            }
            Self::Iframes => stream.iframes().next().is_some(),
            Self::MotionJpeg => {
                stream.items(Tag::Iframes).any(|item| codecs(&item.attributes).any(|one| one == "mjpg"))
            }
            Self::ImagePlaylist => stream.items(Tag::Images).next().is_some(),
            Self::Bitrate => stream.media.iter().any(|media| media.text.has("EXT-X-BITRATE")),
            Self::SeveralGroups => has_several_groups(stream),
            Self::Subtitles => {
                stream.items(Tag::Rendition).any(|item| item.attributes.get("TYPE") == Some("SUBTITLES"))
            }
            Self::Encryption => has_encryption(stream),
            Self::DashProtection => has_dash_protection(stream),
            Self::LowLatency => {
                let has_parts = |media: &Media| ["EXT-X-PART-INF", "EXT-X-PART"].iter().any(|tag| media.text.has(tag));
                stream.media.iter().any(has_parts)
            }
            Self::LowLatencyDash => stream.mpd.iter().flat_map(Mpd::representations).any(|(_, one)| {
                one.address("availabilityTimeOffset").is_some() || one.address("availabilityTimeComplete").is_some()
            }),
            Self::Index => stream.segments().any(|(_, segment)| segment.index.is_some()),
            Self::OnDemand => is_on_demand(stream),
            Self::StaticMpd => stream.mpd.as_ref().is_some_and(|mpd| mpd.is_static),
            Self::TrickSet => has_set(stream, TRICK_MODE),
            Self::Tiles => stream.mpd.iter().flat_map(|mpd| &mpd.sets).any(|set| set.kind() == "image"),
        }
    }
}

/// The codecs of a CODECS attribute.
pub(super) fn codecs(attributes: &Attributes) -> impl Iterator<Item = &str> {
    attributes.get("CODECS").into_iter().flat_map(|list| list.split(',')).map(str::trim)
}

/// The document of the stream is its multivariant playlist, or the MPD of one that has none.
fn is_unfinished(stream: &Stream) -> bool {
    let growing = stream.main().any(|media| !media.ended && media.kind.as_deref() == Some("EVENT"));
    let multivariant = stream.multivariant.as_ref().map(|multivariant| multivariant.url.as_str());
    let url = multivariant.or(stream.mpd.as_ref().map(|mpd| mpd.url.as_str()));
    let announced = stream.documents.iter().any(|document| {
        Some(document.url.as_str()) == url && document.max_age_s.is_some_and(|age| age < SETTLED_AGE_S_MIN)
    });
    growing || announced
}

fn has_hls_video(stream: &Stream) -> bool {
    stream.items(Tag::Variant).any(|item| item.attributes.has("RESOLUTION")) || stream.main_video().next().is_some()
}

fn has_hls_audio(stream: &Stream) -> bool {
    let named = |item: &Item| item.attributes.get("TYPE") == Some("AUDIO");
    stream.items(Tag::Rendition).any(named)
        || stream.main().any(|media| stream.track(media).is_some_and(Track::is_audio))
}

fn has_several_groups(stream: &Stream) -> bool {
    let Some(multivariant) = &stream.multivariant else { return false };
    ["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"].iter().any(|kind| {
        let groups: Vec<_> = multivariant.renditions(kind).filter_map(|item| item.attributes.get("GROUP-ID")).collect();
        groups.iter().any(|group| *group != groups.first().copied().unwrap_or_default())
    })
}

fn has_encryption(stream: &Stream) -> bool {
    let keyed = stream.media.iter().any(|media| media.text.has("EXT-X-KEY"));
    let session = stream.multivariant.as_ref().is_some_and(|multivariant| multivariant.text.has("EXT-X-SESSION-KEY"));
    let protected = |track: &Track| track.entry.as_ref().is_some_and(|entry| entry.encrypted.is_some());
    keyed || session || stream.inits().any(|(_, init)| init.tracks.iter().any(protected))
}

fn has_dash_protection(stream: &Stream) -> bool {
    let Some(mpd) = &stream.mpd else { return false };
    let in_set = |set: &Set| {
        let any = |element: &Element| {
            element.all("ContentProtection").next().is_some()
                || element
                    .all("Accessibility")
                    .any(|one| one.get("schemeIdUri").is_some_and(|uri| uri.contains("cea-")))
        };
        any(&set.element) || set.representations.iter().any(|one| any(&one.element))
    };
    let encrypted = mpd.representations().any(|(_, one)| {
        let track = stream.init(one.init.as_ref()).and_then(Init::track);
        track.and_then(|track| track.entry.as_ref()).is_some_and(|entry| entry.encrypted.is_some())
    });
    encrypted || mpd.sets.iter().any(in_set)
}

fn is_on_demand(stream: &Stream) -> bool {
    let Some(mpd) = &stream.mpd else { return false };
    let profile = mpd.root.get("profiles").is_some_and(|profiles| profiles.contains("isoff-on-demand"));
    profile || mpd.representations().any(|(_, one)| one.is_addressed_by("SegmentBase"))
}

fn has_set(stream: &Stream, scheme: &str) -> bool {
    stream.mpd.iter().flat_map(|mpd| &mpd.sets).any(|set| {
        set.property("EssentialProperty", scheme).is_some() || set.property("SupplementalProperty", scheme).is_some()
    })
}
