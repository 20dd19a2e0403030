//! Writes XML for the editors: elements with text and attributes, indented by two spaces.
//!
//! Invariant: whatever a text holds, the document is well-formed XML 1.0. Markup is escaped, line breaks in attributes stay line
//! breaks, and a character that XML can't hold in any form becomes U+FFFD.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::escape::partial_escape;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

/// A document that is being written.
pub(super) struct XmlWriter<'w> {
    writer: Writer<&'w mut dyn Write>,
    open: Vec<&'static str>,
}

/// The start of an element, with its attributes.
pub(super) struct Tag {
    name: &'static str,
    start: BytesStart<'static>,
}

/// The start of an element.
pub(super) fn tag(name: &'static str) -> Tag {
    Tag { name, start: BytesStart::new(name) }
}

impl Tag {
    /// Adds an attribute.
    pub(super) fn with(mut self, key: &str, value: impl Display) -> Self {
        self.start.push_attribute((key, &*replace_forbidden(&value.to_string())));
        self
    }

    /// Adds an attribute, if there is a value.
    pub(super) fn with_some(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

impl<'w> XmlWriter<'w> {
    /// Begins a document, whose type is named like its root.
    pub(super) fn new(to: &'w mut dyn Write, root: Tag) -> io::Result<Self> {
        let mut xml = Self { writer: Writer::new_with_indent(to, b' ', 2), open: Vec::new() };
        xml.writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        xml.writer.write_event(Event::DocType(BytesText::from_escaped(root.name)))?;
        xml.open(root)?;
        Ok(xml)
    }

    /// Begins an element that contains others.
    pub(super) fn open(&mut self, tag: Tag) -> io::Result<()> {
        self.open.push(tag.name);
        self.writer.write_event(Event::Start(tag.start))
    }

    /// Ends the innermost open element.
    pub(super) fn close(&mut self) -> io::Result<()> {
        match self.open.pop() {
            Some(name) => self.writer.write_event(Event::End(BytesEnd::new(name))),
            None => Ok(()),
        }
    }

    /// Writes an element without content.
    pub(super) fn empty(&mut self, tag: Tag) -> io::Result<()> {
        self.writer.write_event(Event::Empty(tag.start))
    }

    /// Writes an element that contains a text.
    pub(super) fn text(&mut self, name: &'static str, text: impl Display) -> io::Result<()> {
        self.open(tag(name))?;
        let text = text.to_string();
        self.writer.write_event(Event::Text(BytesText::from_escaped(partial_escape(replace_forbidden(&text)))))?;
        self.close()
    }

    /// Ends all elements, and the last line.
    pub(super) fn finish(mut self) -> io::Result<()> {
        while !self.open.is_empty() {
            self.close()?;
        }
        self.writer.get_mut().write_all(b"\n")
    }
}

/// `text` without the characters that XML 1.0 forbids, escaped or not.
fn replace_forbidden(text: &str) -> Cow<'_, str> {
    let is_forbidden = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    match text.contains(is_forbidden) {
        true => Cow::Owned(text.replace(is_forbidden, "\u{fffd}")),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_forbidden_characters_never_reach_the_document() {
        let hostile = "</a>\"' & ]]> <!-- \r\n\t\0\u{1b}\u{fffe}\u{85} é 😀";
        let mut bytes = Vec::new();
        let mut xml = XmlWriter::new(&mut bytes, tag("root").with("version", 5)).unwrap();
        xml.open(tag("a").with("x", hostile).with_some("y", None::<u8>).with_some("z", Some(1))).unwrap();
        xml.empty(tag("b")).unwrap();
        xml.text("c", hostile).unwrap();
        xml.finish().unwrap();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE root>
<root version=\"5\">
  <a x=\"&lt;/a&gt;&quot;&apos; &amp; ]]&gt; &lt;!-- &#13;&#10;&#9;\u{fffd}\u{fffd}\u{fffd}\u{85} é 😀\" z=\"1\">
    <b/>
    <c>&lt;/a&gt;\"' &amp; ]]&gt; &lt;!-- &#13;
\t\u{fffd}\u{fffd}\u{fffd}\u{85} é 😀</c>
  </a>
</root>
";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
