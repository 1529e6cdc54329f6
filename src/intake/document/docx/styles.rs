//! What the styles and the numbering of a DOCX say of a paragraph: how deep a heading it is, whether it is bold, hidden, numbered.

use std::collections::HashMap;

use super::xml::{Element, Piece, Space, Walker};
use crate::intake::document::Refusal;
use crate::intake::document::outline::Number;

/// How far a style's ancestors are followed.
const ANCESTORS: usize = 20;

/// What is known of a style, or of a paragraph.
#[derive(Clone, Default, Debug)]
pub(super) struct Style {
    name: String,
    based_on: Option<String>,
    /// 0 is the highest; 9 is plain text.
    outline: Option<usize>,
    pub(super) bold: Option<bool>,
    pub(super) hidden: Option<bool>,
    /// The list and the level in it; list 0 is none.
    pub(super) list: Option<(usize, usize)>,
}

#[derive(Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
    /// The kind of number of a list's level.
    numbers: HashMap<(usize, usize), Number>,
}

/// What a paragraph's style comes to.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Resolved {
    /// The level of a heading, 1 the highest.
    pub(super) heading: Option<u8>,
    pub(super) bold: bool,
    pub(super) hidden: bool,
    pub(super) list: Option<(usize, usize)>,
    /// An entry of a table of contents.
    pub(super) contents: bool,
}

impl Styles {
    /// Reads `styles.xml` and `numbering.xml`; each may be empty.
    ///
    /// # Errors
    /// Those of XML.
    pub(super) fn read(styles: &str, numbering: &str) -> Result<Self, Refusal> {
        let mut found = Self::default();
        found.read_styles(styles)?;
        found.read_numbering(numbering)?;
        Ok(found)
    }

    fn read_styles(&mut self, text: &str) -> Result<(), Refusal> {
        let mut walker = Walker::new(text);
        let mut current: Option<(String, Style)> = None;
        loop {
            match walker.next()? {
                Piece::Open(element) if element.space == Space::Word => {
                    match (element.local(), &mut current) {
                        ("style", _) => {
                            self.styles.extend(current.take());
                            current = element.attribute("styleId").map(|id| (id, Style::default()));
                        }
                        ("name", Some((_, style))) => {
                            style.name = element.attribute("val").unwrap_or_default().to_lowercase()
                        }
                        ("basedOn", Some((_, style))) => style.based_on = element.attribute("val"),
                        // What a style says of parts of a table counts not for its text.
                        ("tblStylePr", _) => walker.skip()?,
                        (_, Some((_, style))) => style.take(&element),
                        (_, None) => {}
                    }
                }
                Piece::Open(_) | Piece::Close | Piece::Text(_) => {}
                Piece::End => break,
            }
        }
        self.styles.extend(current);
        Ok(())
    }

    fn read_numbering(&mut self, text: &str) -> Result<(), Refusal> {
        let mut walker = Walker::new(text);
        let mut abstracts: HashMap<(usize, usize), Number> = HashMap::new();
        let (mut list, mut level, mut instance) = (0, 0, 0);
        loop {
            match walker.next()? {
                Piece::Open(element) if element.space == Space::Word => match element.local() {
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
                            Some("upperRoman") => Number::Roman,
                            Some("decimal" | "decimalZero") => Number::Arabic(1),
                            Some("upperLetter") => Number::Part,
                            Some("lowerLetter") => Number::Small,
                            _ => continue,
                        };
                        abstracts.insert((list, level), number);
                    }
                    "lvlText" => {
                        let depth =
                            element.attribute("val").map_or(0, |text| text.matches('%').count());
                        if let Some(Number::Arabic(known)) = abstracts.get_mut(&(list, level)) {
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
                Piece::Open(_) | Piece::Close | Piece::Text(_) => {}
                Piece::End => return Ok(()),
            }
        }
    }

    /// The kind of number that a list shows.
    pub(super) fn number(&self, list: (usize, usize)) -> Option<Number> {
        self.numbers.get(&list).copied()
    }

    /// What a style comes to with its ancestors, and what the paragraph itself says over it.
    pub(super) fn resolve(&self, id: Option<&str>, own: &Style) -> Resolved {
        let chain = std::iter::successors(id.and_then(|id| self.styles.get(id)), |style| {
            self.styles.get(style.based_on.as_deref()?)
        })
        .take(ANCESTORS);
        let chain: Vec<&Style> = std::iter::once(own).chain(chain).collect();
        let outline =
            chain.iter().find_map(|style| style.outline.or_else(|| heading_of(&style.name)));
        // Without styles.xml the name of a style is all there is.
        let named = || {
            id.filter(|id| !self.styles.contains_key(*id))
                .and_then(|id| heading_of(&id.to_lowercase()))
        };
        let level = outline.or_else(named).filter(|level| *level < 9);
        Resolved {
            heading: level.map(|level| u8::try_from(level + 1).unwrap_or(9).min(6)),
            bold: chain.iter().find_map(|style| style.bold).unwrap_or(false),
            hidden: chain.iter().find_map(|style| style.hidden).unwrap_or(false),
            list: chain.iter().find_map(|style| style.list).filter(|(list, _)| *list != 0),
            contents: chain.iter().any(|style| style.name.starts_with("toc ")),
        }
    }
}

impl Style {
    /// Takes in a property.
    pub(super) fn take(&mut self, element: &Element<'_>) {
        match element.local() {
            "outlineLvl" => self.outline = element.number(),
            "b" => self.bold = Some(element.on()),
            "vanish" => self.hidden = Some(element.on()),
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

/// The outline level that a style's name tells: `heading 2`, `tiêu đề 2`, `title`.
fn heading_of(name: &str) -> Option<usize> {
    if matches!(name, "title" | "tiêu đề") {
        return Some(0);
    }
    let rest =
        ["heading", "tiêu đề", "đề mục"].into_iter().find_map(|word| name.strip_prefix(word))?;
    rest.trim().parse::<usize>().ok()?.checked_sub(1)
}
