//! Elements and attributes over the XML writer.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, Event},
};

/// No attributes.
pub(super) const NONE: &[(&str, &str)] = &[];

/// An XML document being written to memory, indented by two spaces.
pub(super) struct Xml(Writer<Vec<u8>>);

// === impl Xml ===

impl Xml {
    pub(super) fn new() -> io::Result<Self> {
        let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        Ok(Self(writer))
    }

    /// Starts an element that has children; values are escaped.
    pub(super) fn open<V: AsRef<str>>(&mut self, name: &str, attributes: &[(&str, V)]) -> io::Result<()> {
        let attributes = attributes.iter().map(|(name, value)| (*name, value.as_ref()));
        let start = BytesStart::new(name).with_attributes(attributes);
        self.0.write_event(Event::Start(start))
    }

    pub(super) fn close(&mut self, name: &str) -> io::Result<()> {
        self.0.write_event(Event::End(BytesEnd::new(name)))
    }

    /// An element without children.
    pub(super) fn empty<V: AsRef<str>>(&mut self, name: &str, attributes: &[(&str, V)]) -> io::Result<()> {
        let attributes = attributes.iter().map(|(name, value)| (*name, value.as_ref()));
        let start = BytesStart::new(name).with_attributes(attributes);
        self.0.write_event(Event::Empty(start))
    }

    /// A descriptor: `EssentialProperty`, `Role`, …
    pub(super) fn descriptor(&mut self, name: &str, scheme: &str, value: &str) -> io::Result<()> {
        self.empty(name, &[("schemeIdUri", scheme), ("value", value)])
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut bytes = self.0.into_inner();
        bytes.push(b'\n');
        bytes
    }
}
