//! A multivariant playlist as rules see it: its variants, renditions, I-frame and image playlists.

use super::{
    place::resolve,
    playlist::{Attributes, Kind, Text},
};

/// What kind of entry it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Variant,
    Rendition,
    Iframes,
    Images,
}

/// One tag that stands for a playlist, or for a rendition within variants.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) tag: Tag,
    pub(super) line: usize,
    pub(super) attributes: Attributes,
    /// The absolute URL of its playlist.
    pub(super) url: Option<String>,
}

/// A multivariant playlist.
#[derive(Clone, Debug, Default)]
pub(super) struct Multivariant {
    pub(super) url: String,
    pub(super) text: Text,
    pub(super) items: Vec<Item>,
}

// === impl Multivariant ===

impl Multivariant {
    pub(super) fn read(url: &str, bytes: &[u8]) -> Self {
        let text = Text::read(bytes);
        let mut items: Vec<Item> = Vec::new();
        let mut awaits_uri = false;
        for line in &text.lines {
            match &line.kind {
                Kind::Tag { name, value } => {
                    let Some(tag) = tag(name) else { continue };
                    let attributes = Attributes::read(value);
                    let uri = attributes.get("URI").and_then(|uri| resolve(url, uri));
                    awaits_uri = tag == Tag::Variant;
                    items.push(Item { tag, line: line.number, attributes, url: uri });
                }
                Kind::Uri(uri) if awaits_uri => {
                    if let Some(last) = items.last_mut() {
                        last.url = resolve(url, uri);
                    }
                    awaits_uri = false;
                }
                Kind::Uri(_) => {}
            }
        }
        Self { url: url.to_owned(), text, items }
    }

    pub(super) fn of(&self, tag: Tag) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(move |item| item.tag == tag)
    }

    /// The renditions of this TYPE.
    pub(super) fn renditions<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Item> {
        self.of(Tag::Rendition).filter(move |item| item.attributes.get("TYPE") == Some(kind))
    }

    /// The renditions that a variant refers to by AUDIO, VIDEO, SUBTITLES or CLOSED-CAPTIONS.
    pub(super) fn group<'a>(&'a self, variant: &'a Item, kind: &'a str) -> impl Iterator<Item = &'a Item> {
        let group = variant.attributes.get(kind);
        self.renditions(kind).filter(move |item| group.is_some() && item.attributes.get("GROUP-ID") == group)
    }
}

fn tag(name: &str) -> Option<Tag> {
    Some(match name {
        "EXT-X-STREAM-INF" => Tag::Variant,
        "EXT-X-MEDIA" => Tag::Rendition,
        "EXT-X-I-FRAME-STREAM-INF" => Tag::Iframes,
        "EXT-X-IMAGE-STREAM-INF" => Tag::Images,
        _ => return None,
    })
}
