//! Styles and numbering of a DOCX: whether a paragraph is a heading and of which level, and whether
//! it is bold, hidden or numbered.

use std::collections::HashMap;

use super::xml::{XmlElement, XmlEvent, XmlNamespace, XmlWalker};
use crate::DocumentError;
use crate::outline::HeadingNumber;
use crate::text::TextLevel;

/// Most ancestors of a style that are followed.
const ANCESTORS: usize = 20;
/// Half points by which a text must be moved up or down to count as raised or lowered.
const RAISED: i32 = 3;

/// The properties of a style or a paragraph.
#[derive(Clone, Default, Debug)]
pub(super) struct ParagraphStyle {
    name: String,
    based_on: Option<String>,
    /// Outline level: 0 is the highest, 9 is body text.
    outline: Option<usize>,
    pub(super) bold: Option<bool>,
    pub(super) hidden: Option<bool>,
    pub(super) struck: Option<bool>,
    pub(super) level: Option<TextLevel>,
    /// The list and the level in it; list 0 means no list.
    pub(super) list: Option<(usize, usize)>,
}

#[derive(Default)]
pub(super) struct StyleSheet {
    styles: HashMap<String, ParagraphStyle>,
    /// The kind of number of each level of each list.
    numbers: HashMap<(usize, usize), HeadingNumber>,
}

/// The properties of a paragraph after its style and the style's ancestors were applied.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct ResolvedStyle {
    /// The level of a heading; 1 is the highest.
    pub(super) heading: Option<u8>,
    pub(super) bold: bool,
    pub(super) hidden: bool,
    /// Whether it is struck out; `None` if the file does not say.
    pub(super) struck: Option<bool>,
    pub(super) level: TextLevel,
    pub(super) list: Option<(usize, usize)>,
    /// Whether it is an entry of a table of contents.
    pub(super) contents: bool,
}

impl StyleSheet {
    /// Reads `styles.xml` and `numbering.xml`; each may be empty.
    ///
    /// # Errors
    /// Errors of the XML.
    pub(super) fn read(styles: &str, numbering: &str) -> Result<Self, DocumentError> {
        let mut found = Self::default();
        found.read_styles(styles)?;
        found.read_numbering(numbering)?;
        Ok(found)
    }

    fn read_styles(&mut self, text: &str) -> Result<(), DocumentError> {
        let mut walker = XmlWalker::new(text);
        let mut current: Option<(String, ParagraphStyle)> = None;
        loop {
            match walker.next()? {
                XmlEvent::Open(element) if element.space == XmlNamespace::Word => {
                    match (element.local(), &mut current) {
                        ("style", _) => {
                            self.styles.extend(current.take());
                            current = element
                                .attribute("styleId")
                                .map(|id| (id, ParagraphStyle::default()));
                        }
                        ("name", Some((_, style))) => {
                            style.name = element.attribute("val").unwrap_or_default().to_lowercase()
                        }
                        ("basedOn", Some((_, style))) => style.based_on = element.attribute("val"),
                        // Formats of a table style for parts of a table do not apply to its
                        // paragraphs.
                        ("tblStylePr", _) => walker.skip()?,
                        (_, Some((_, style))) => style.take(&element),
                        (_, None) => {}
                    }
                }
                XmlEvent::Open(_) | XmlEvent::Close | XmlEvent::Text(_) => {}
                XmlEvent::End => break,
            }
        }
        self.styles.extend(current);
        Ok(())
    }

    fn read_numbering(&mut self, text: &str) -> Result<(), DocumentError> {
        let mut walker = XmlWalker::new(text);
        let mut abstracts: HashMap<(usize, usize), HeadingNumber> = HashMap::new();
        let (mut list, mut level, mut instance) = (0, 0, 0);
        loop {
            match walker.next()? {
                XmlEvent::Open(element) if element.space == XmlNamespace::Word => match element
                    .local()
                {
                    "abstractNum" => {
                        list = element
                            .attribute("abstractNumId")
                            .and_then(|id| id.parse().ok())
                            .unwrap_or(0)
                    }
                    "lvl" => {
                        level =
                            element.attribute("ilvl").and_then(|id| id.parse().ok()).unwrap_or(0)
                    }
                    "numFmt" => {
                        let number = match element.attribute("val").as_deref() {
                            Some("upperRoman") => HeadingNumber::Roman,
                            Some("decimal" | "decimalZero") => HeadingNumber::Arabic(1),
                            Some("upperLetter") => HeadingNumber::Part,
                            Some("lowerLetter") => HeadingNumber::Small,
                            _ => continue,
                        };
                        abstracts.insert((list, level), number);
                    }
                    "lvlText" => {
                        let depth =
                            element.attribute("val").map_or(0, |text| text.matches('%').count());
                        if let Some(HeadingNumber::Arabic(known)) =
                            abstracts.get_mut(&(list, level))
                        {
                            *known = u8::try_from(depth.max(1)).unwrap_or(1);
                        }
                    }
                    "num" => {
                        instance =
                            element.attribute("numId").and_then(|id| id.parse().ok()).unwrap_or(0)
                    }
                    "abstractNumId" => {
                        let of = element.number().unwrap_or(0);
                        let levels: Vec<_> = (0..9)
                            .filter_map(|level| {
                                Some(((instance, level), *abstracts.get(&(of, level))?))
                            })
                            .collect();
                        self.numbers.extend(levels);
                    }
                    _ => {}
                },
                XmlEvent::Open(_) | XmlEvent::Close | XmlEvent::Text(_) => {}
                XmlEvent::End => return Ok(()),
            }
        }
    }

    /// The kind of number that a level of a list shows.
    pub(super) fn number(&self, list: (usize, usize)) -> Option<HeadingNumber> {
        self.numbers.get(&list).copied()
    }

    /// The properties of a paragraph: its own, then those of its style and the style's ancestors.
    pub(super) fn resolve(&self, id: Option<&str>, own: &ParagraphStyle) -> ResolvedStyle {
        let chain = std::iter::successors(id.and_then(|id| self.styles.get(id)), |style| {
            self.styles.get(style.based_on.as_deref()?)
        })
        .take(ANCESTORS);
        let chain: Vec<&ParagraphStyle> = std::iter::once(own).chain(chain).collect();
        let outline =
            chain.iter().find_map(|style| style.outline.or_else(|| heading_of(&style.name)));
        // Without styles.xml only the name of a style is known.
        let named = || {
            id.filter(|id| !self.styles.contains_key(*id))
                .and_then(|id| heading_of(&id.to_lowercase()))
        };
        let level = outline.or_else(named).filter(|level| *level < 9);
        ResolvedStyle {
            heading: level.map(|level| u8::try_from(level + 1).unwrap_or(9).min(6)),
            bold: chain.iter().find_map(|style| style.bold).unwrap_or(false),
            hidden: chain.iter().find_map(|style| style.hidden).unwrap_or(false),
            struck: chain.iter().find_map(|style| style.struck),
            level: chain.iter().find_map(|style| style.level).unwrap_or_default(),
            list: chain.iter().find_map(|style| style.list).filter(|(list, _)| *list != 0),
            contents: chain.iter().any(|style| style.name.starts_with("toc ")),
        }
    }
}

impl ParagraphStyle {
    /// Reads a property.
    pub(super) fn take(&mut self, element: &XmlElement<'_>) {
        match element.local() {
            "outlineLvl" => self.outline = element.number(),
            "b" => self.bold = Some(element.is_on()),
            "vanish" => self.hidden = Some(element.is_on()),
            // One of the two may be switched off where the other is on.
            "strike" | "dstrike" => {
                self.struck = Some(element.is_on() || self.struck == Some(true))
            }
            "vertAlign" => {
                self.level = Some(match element.attribute("val").as_deref() {
                    Some("superscript") => TextLevel::Raised,
                    Some("subscript") => TextLevel::Lowered,
                    Some(_) | None => TextLevel::Line,
                })
            }
            "position" => {
                let half_points: i32 =
                    element.attribute("val").and_then(|val| val.parse().ok()).unwrap_or(0);
                if half_points.abs() >= RAISED {
                    self.level =
                        Some(if half_points > 0 { TextLevel::Raised } else { TextLevel::Lowered });
                }
            }
            "numId" => {
                self.list =
                    Some((element.number().unwrap_or(0), self.list.map_or(0, |(_, level)| level)))
            }
            "ilvl" => {
                self.list =
                    Some((self.list.map_or(0, |(list, _)| list), element.number().unwrap_or(0)))
            }
            _ => {}
        }
    }
}

/// The outline level for the name of a style: `heading 2`, `tiêu đề 2`, `title`.
fn heading_of(name: &str) -> Option<usize> {
    if matches!(name, "title" | "tiêu đề") {
        return Some(0);
    }
    let rest =
        ["heading", "tiêu đề", "đề mục"].into_iter().find_map(|word| name.strip_prefix(word))?;
    rest.trim().parse::<usize>().ok()?.checked_sub(1)
}
