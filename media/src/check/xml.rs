//! An MPD as a tree of elements, read with bounds: names without prefixes, attributes, children in order.

use quick_xml::{
    Reader, XmlVersion,
    events::{BytesStart, Event},
};

/// Elements of one document; a film of ten hours has some ten thousand.
const ELEMENTS_MAX: usize = 1 << 16;
/// Elements within each other.
const DEPTH_MAX: usize = 32;

/// The key under which the text of an element is found among its attributes; no attribute can have this name.
pub(super) const TEXT: &str = "";

/// An element with what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name without a prefix.
    pub(super) name: String,
    /// Names as they are written, values with their entities replaced.
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Element>,
}

/// Why a document cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NotUtf8,
    NotXml,
    TooLarge,
}

pub(super) fn read(bytes: &[u8]) -> Result<Element, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut count = 0;
    loop {
        match reader.read_event().map_err(|_| Fault::NotXml)? {
            Event::Start(start) => {
                count += 1;
                if count > ELEMENTS_MAX || open.len() == DEPTH_MAX {
                    return Err(Fault::TooLarge);
                }
                open.push(element(&start)?);
            }
            Event::Empty(start) => {
                count += 1;
                if count > ELEMENTS_MAX {
                    return Err(Fault::TooLarge);
                }
                close(element(&start)?, &mut open, &mut root);
            }
            Event::End(_) => {
                let Some(done) = open.pop() else { return Err(Fault::NotXml) };
                close(done, &mut open, &mut root);
            }
            Event::Text(text) => append(&mut open, &text.xml10_content()),
            Event::GeneralRef(name) => append(&mut open, entity(name.as_ref())),
            Event::Eof if open.is_empty() => return root.ok_or(Fault::NotXml),
            Event::Eof => return Err(Fault::NotXml),
            _ => {}
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, Fault> {
    let mut element = Element { name: start.local_name().as_ref().to_owned(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| Fault::NotXml)?;
        let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| Fault::NotXml)?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

fn close(done: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(done),
        None => {
            root.get_or_insert(done);
        }
    }
}

fn append(open: &mut [Element], text: &str) {
    let Some(parent) = open.last_mut().filter(|parent| parent.children.is_empty()) else { return };
    match parent.attributes.iter_mut().find(|(name, _)| name == TEXT) {
        Some((_, value)) => value.push_str(text),
        None => parent.attributes.push((TEXT.to_owned(), text.to_owned())),
    }
}

/// The entities that every XML document has.
fn entity(name: &str) -> &'static str {
    match name {
        "amp" => "&",
        "lt" => "<",
        "gt" => ">",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

// === impl Element ===

impl Element {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A copy that leaves some children out.
    pub(super) fn without(&self, names: &[&str]) -> Self {
        let kept = self.children.iter().filter(|child| !names.contains(&child.name.as_str()));
        Self { name: self.name.clone(), attributes: self.attributes.clone(), children: kept.cloned().collect() }
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(super) fn first(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The descriptors of this name and scheme.
    pub(super) fn descriptors<'a>(&'a self, name: &'a str, scheme: &'a str) -> impl Iterator<Item = &'a Self> {
        self.all(name).filter(move |child| child.get("schemeIdUri") == Some(scheme))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_and_broken_ones_refused() {
        let root = read(b"<?xml version=\"1.0\"?><a:M x='1'><P y=\"&lt;\"/><P/></a:M>").unwrap();
        assert_eq!((root.name.as_str(), root.number("x"), root.all("P").count()), ("M", Some(1), 2));
        assert_eq!(root.first("P").unwrap().get("y"), Some("<"));
        let deep = "<a>".repeat(DEPTH_MAX + 1);
        for (text, fault) in [("<a>", Fault::NotXml), ("words", Fault::NotXml), (deep.as_str(), Fault::TooLarge)] {
            assert_eq!(read(text.as_bytes()), Err(fault), "{text}");
        }
        assert_eq!(read(b"\xff"), Err(Fault::NotUtf8));
    }

    #[test]
    fn a_tree_is_so_deep_and_so_large_and_not_more() {
        let deep = |depth: usize| read(("<a>".repeat(depth) + &"</a>".repeat(depth)).as_bytes()).is_ok();
        assert_eq!([DEPTH_MAX, DEPTH_MAX + 1].map(deep), [true, false]);
        let large = |count: usize| read(format!("<a>{}</a>", "<b/>".repeat(count - 1)).as_bytes()).is_ok();
        assert_eq!([ELEMENTS_MAX, ELEMENTS_MAX + 1].map(large), [true, false]);
    }
}
