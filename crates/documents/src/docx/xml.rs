//! A reader of XML that allows limited depth ([`limits::XML_DEPTH`]), no document type and only the
//! five predefined entities.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::malformed;
use crate::{DocumentError, limits};

/// The namespace of an element.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum XmlNamespace {
    /// WordprocessingML.
    Word,
    /// Markup compatibility: alternatives for newer and older programs.
    Compatibility,
    /// Mathematical formulas.
    Math,
    /// Any other namespace.
    Other,
}

/// The start of an element.
pub(super) struct XmlElement<'a> {
    pub(super) space: XmlNamespace,
    start: BytesStart<'a>,
}

impl XmlElement<'_> {
    /// The name without prefix.
    pub(super) fn local(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// The value of an attribute, found by its name without prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut attributes = self.start.attributes();
        let found = attributes
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.local_name().into_inner() == name)?;
        Some(found.value.into_owned())
    }

    /// The value of a switch such as `<w:b/>`: on, unless it has a value that means off.
    pub(super) fn is_on(&self) -> bool {
        !matches!(self.attribute("val").as_deref(), Some("0" | "false" | "off" | "none"))
    }

    /// The value as a number.
    pub(super) fn number(&self) -> Option<usize> {
        self.attribute("val")?.parse().ok()
    }
}

/// A start, an end or a text.
pub(super) enum XmlEvent<'a> {
    Open(XmlElement<'a>),
    Close,
    Text(Cow<'a, str>),
    End,
}

/// Walks through the XML.
pub(super) struct XmlWalker<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    prefixes: Vec<(String, XmlNamespace)>,
}

impl<'a> XmlWalker<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0, prefixes: Vec::new() }
    }

    /// The number of open elements.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The next item.
    ///
    /// # Errors
    /// `malformed_document`, also for a document type or an unknown entity; `too_deep`.
    pub(super) fn next(&mut self) -> Result<XmlEvent<'a>, DocumentError> {
        loop {
            match self.reader.read_event().map_err(malformed)? {
                Event::Start(start) | Event::Empty(start) => {
                    self.depth += 1;
                    if self.depth > limits::XML_DEPTH {
                        return Err(DocumentError::new(
                            "too_deep",
                            format!("elements are nested more than {} deep", limits::XML_DEPTH),
                        ));
                    }
                    if self.depth == 1 {
                        self.prefixes = declared(&start);
                    }
                    let space = self.space(&start);
                    return Ok(XmlEvent::Open(XmlElement { space, start }));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(XmlEvent::Close);
                }
                Event::Text(text) => return Ok(XmlEvent::Text(text.xml10_content())),
                Event::CData(text) => return Ok(XmlEvent::Text(text.xml10_content())),
                Event::GeneralRef(named) => {
                    let letter = match named.resolve_char_ref().map_err(malformed)? {
                        Some(letter) => letter,
                        None => match named.into_inner().as_ref() {
                            "amp" => '&',
                            "lt" => '<',
                            "gt" => '>',
                            "quot" => '"',
                            "apos" => '\'',
                            other => {
                                return Err(malformed(format!(
                                    "it uses the entity {}",
                                    kpi::fault::quoted(other)
                                )));
                            }
                        },
                    };
                    return Ok(XmlEvent::Text(Cow::Owned(letter.to_string())));
                }
                Event::DocType(_) => {
                    return Err(malformed(
                        "it declares a document type, which is not allowed in DOCX",
                    ));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if self.depth > 0 => return Err(malformed("an element has no end")),
                Event::Eof => return Ok(XmlEvent::End),
            }
        }
    }

    /// Skips the rest of the element that was opened last.
    ///
    /// # Errors
    /// As [`XmlWalker::next`].
    pub(super) fn skip(&mut self) -> Result<(), DocumentError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if let XmlEvent::End = self.next()? {
                break;
            }
        }
        Ok(())
    }

    fn space(&self, start: &BytesStart<'_>) -> XmlNamespace {
        let name = start.name();
        let prefix = name.prefix().map_or("", |prefix| prefix.into_inner());
        self.prefixes
            .iter()
            .find(|(known, _)| known == prefix)
            .map_or(XmlNamespace::Other, |(_, space)| *space)
    }
}

/// The namespace prefixes that a root element declares.
fn declared(root: &BytesStart<'_>) -> Vec<(String, XmlNamespace)> {
    let mut attributes = root.attributes();
    let spaces = attributes.with_checks(false).flatten().filter_map(|attribute| {
        let key = attribute.key.into_inner();
        let prefix = if key == "xmlns" { "" } else { key.strip_prefix("xmlns:")? };
        let space = match attribute.value.as_ref() {
            "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
            | "http://purl.oclc.org/ooxml/wordprocessingml/main" => XmlNamespace::Word,
            "http://schemas.openxmlformats.org/markup-compatibility/2006" => {
                XmlNamespace::Compatibility
            }
            "http://schemas.openxmlformats.org/officeDocument/2006/math"
            | "http://purl.oclc.org/ooxml/officeDocument/math" => XmlNamespace::Math,
            _ => return None,
        };
        Some((prefix.to_owned(), space))
    });
    spaces.collect()
}
