//! XML in pieces: no deeper than [`limits::XML_DEPTH`], no document type, no entity but the five of XML itself.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::malformed;
use crate::intake::document::{Refusal, limits};

/// Where the names of an element come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Space {
    /// WordprocessingML.
    Word,
    /// Markup compatibility: the same thing for newer and older programs.
    Compatibility,
    /// Formulas.
    Math,
    /// Anything else.
    Other,
}

/// The beginning of an element.
pub(super) struct Element<'a> {
    pub(super) space: Space,
    start: BytesStart<'a>,
}

impl Element<'_> {
    /// Its name without prefix.
    pub(super) fn local(&self) -> &str {
        self.start.local_name().into_inner()
    }

    /// An attribute by its name without prefix.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut attributes = self.start.attributes();
        let found = attributes
            .with_checks(false)
            .flatten()
            .find(|attribute| attribute.key.local_name().into_inner() == name)?;
        Some(found.value.into_owned())
    }

    /// A switch such as `<w:b/>`: on, unless its value says off.
    pub(super) fn on(&self) -> bool {
        !matches!(self.attribute("val").as_deref(), Some("0" | "false" | "off" | "none"))
    }

    /// The value as a number.
    pub(super) fn number(&self) -> Option<usize> {
        self.attribute("val")?.parse().ok()
    }
}

/// A piece of XML.
pub(super) enum Piece<'a> {
    Open(Element<'a>),
    Close,
    Text(Cow<'a, str>),
    End,
}

/// Goes through a text of XML.
pub(super) struct Walker<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    prefixes: Vec<(String, Space)>,
}

impl<'a> Walker<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        reader.config_mut().expand_empty_elements = true;
        Self { reader, depth: 0, prefixes: Vec::new() }
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The next piece.
    ///
    /// # Errors
    /// `malformed_document`, also for a document type or an entity; `too_deep`.
    pub(super) fn next(&mut self) -> Result<Piece<'a>, Refusal> {
        loop {
            match self.reader.read_event().map_err(malformed)? {
                Event::Start(start) | Event::Empty(start) => {
                    self.depth += 1;
                    if self.depth > limits::XML_DEPTH {
                        return Err(Refusal::new(
                            "too_deep",
                            format!(
                                "elements lie more than {} deep in each other",
                                limits::XML_DEPTH
                            ),
                        ));
                    }
                    if self.depth == 1 {
                        self.prefixes = declared(&start);
                    }
                    let space = self.space(&start);
                    return Ok(Piece::Open(Element { space, start }));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Piece::Close);
                }
                Event::Text(text) => return Ok(Piece::Text(text.xml10_content())),
                Event::CData(text) => return Ok(Piece::Text(text.xml10_content())),
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
                                    crate::domain::fault::quoted(other)
                                )));
                            }
                        },
                    };
                    return Ok(Piece::Text(Cow::Owned(letter.to_string())));
                }
                Event::DocType(_) => {
                    return Err(malformed("it declares a document type, which no DOCX does"));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
                Event::Eof if self.depth > 0 => return Err(malformed("an element does not end")),
                Event::Eof => return Ok(Piece::End),
            }
        }
    }

    /// Passes over what is left of the element that was opened last.
    ///
    /// # Errors
    /// As [`Walker::next`].
    pub(super) fn skip(&mut self) -> Result<(), Refusal> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            if let Piece::End = self.next()? {
                break;
            }
        }
        Ok(())
    }

    fn space(&self, start: &BytesStart<'_>) -> Space {
        let name = start.name();
        let prefix = name.prefix().map_or("", |prefix| prefix.into_inner());
        self.prefixes
            .iter()
            .find(|(known, _)| known == prefix)
            .map_or(Space::Other, |(_, space)| *space)
    }
}

/// The prefixes that a root element declares.
fn declared(root: &BytesStart<'_>) -> Vec<(String, Space)> {
    let mut attributes = root.attributes();
    let spaces = attributes.with_checks(false).flatten().filter_map(|attribute| {
        let key = attribute.key.into_inner();
        let prefix = if key == "xmlns" { "" } else { key.strip_prefix("xmlns:")? };
        let space = match attribute.value.as_ref() {
            "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
            | "http://purl.oclc.org/ooxml/wordprocessingml/main" => Space::Word,
            "http://schemas.openxmlformats.org/markup-compatibility/2006" => Space::Compatibility,
            "http://schemas.openxmlformats.org/officeDocument/2006/math"
            | "http://purl.oclc.org/ooxml/officeDocument/math" => Space::Math,
            _ => return None,
        };
        Some((prefix.to_owned(), space))
    });
    spaces.collect()
}
