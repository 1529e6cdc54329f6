//! The body of a DOCX: runs into paragraphs, cells into tables.

use super::styles::{Style, Styles};
use super::table::{self, Height, Raw, Row};
use super::xml::{Element, Piece, Space, Walker};
use crate::intake::document::builder::{Builder, Cell, Hint};
use crate::intake::document::outline::Markup;
use crate::intake::document::{Document, Refusal};

/// What a container holds.
pub(super) enum Written {
    Paragraph(String, Hint),
    Table(Vec<Vec<Cell>>),
}

/// The words of a cell in a line, those of a table within it too.
pub(super) fn words(content: &[Written]) -> String {
    let pieces = content.iter().map(|written| match written {
        Written::Paragraph(text, _) => text.clone(),
        Written::Table(rows) => {
            let cells = rows.iter().flatten().filter_map(|cell| match cell {
                Cell::Text(text) => Some(text.as_str()),
                Cell::Left | Cell::Above => None,
            });
            cells.collect::<Vec<_>>().join(" ")
        }
    });
    pieces.filter(|piece| !piece.trim().is_empty()).collect::<Vec<_>>().join(" ")
}

/// A paragraph that is being read.
#[derive(Default)]
struct Paragraph {
    text: String,
    style: Option<String>,
    own: Style,
    /// Whether all letters so far are bold.
    bold: Option<bool>,
    /// Its end was deleted: the next one goes on from it.
    joined: bool,
    /// What stands in its text boxes.
    boxed: Vec<Written>,
}

/// A run of text with one look.
#[derive(Default)]
struct Run {
    style: Option<String>,
    own: Style,
}

/// Which element is open.
enum Frame {
    Other,
    Paragraph,
    /// Properties of a paragraph, those of its mark too.
    ParagraphProperties,
    MarkProperties,
    Run,
    RunProperties,
    Text,
    Table,
    Row,
    Cell,
    Box,
    /// Whether one of the alternatives was taken.
    Alternatives(bool),
}

struct Body<'s> {
    styles: &'s Styles,
    builder: Builder,
    frames: Vec<Frame>,
    paragraphs: Vec<Paragraph>,
    runs: Vec<Run>,
    tables: Vec<Vec<Row>>,
    /// What the open cells and text boxes hold.
    containers: Vec<Vec<Written>>,
    /// The open fields: whether their instruction is being read.
    fields: Vec<bool>,
    /// The next content is a control's placeholder.
    placeholder: bool,
    carried: Option<Paragraph>,
}

/// Reads `document.xml`.
///
/// # Errors
/// Those of XML and of the bounds.
pub(super) fn read(text: &str, styles: &Styles) -> Result<Document, Refusal> {
    let mut body = Body {
        styles,
        builder: Builder::default(),
        frames: Vec::new(),
        paragraphs: Vec::new(),
        runs: Vec::new(),
        tables: Vec::new(),
        containers: Vec::new(),
        fields: Vec::new(),
        placeholder: false,
        carried: None,
    };
    let mut walker = Walker::new(text);
    loop {
        match walker.next()? {
            Piece::Open(element) => match body.open(&element) {
                Some(frame) => body.frames.push(frame),
                None => walker.skip()?,
            },
            Piece::Close => body.close()?,
            Piece::Text(text) => {
                if matches!(body.frames.last(), Some(Frame::Text)) {
                    body.text(&text);
                }
            }
            Piece::End => break,
        }
        debug_assert_eq!(walker.depth(), body.frames.len());
    }
    if let Some(carried) = body.carried.take() {
        body.finish(carried)?;
    }
    body.builder.build()
}

impl Body<'_> {
    /// Takes in the beginning of an element; nothing when all of it is to be passed over.
    fn open(&mut self, element: &Element<'_>) -> Option<Frame> {
        match element.space {
            Space::Word => self.open_word(element),
            Space::Compatibility => self.open_alternative(element),
            Space::Math => Some(if element.local() == "t" { Frame::Text } else { Frame::Other }),
            Space::Other => Some(Frame::Other),
        }
    }

    /// One of several ways to say the same thing: the first that is given is read.
    fn open_alternative(&mut self, element: &Element<'_>) -> Option<Frame> {
        match (element.local(), self.frames.last_mut()) {
            ("AlternateContent", _) => Some(Frame::Alternatives(false)),
            ("Choice" | "Fallback", Some(Frame::Alternatives(taken))) => {
                (!std::mem::replace(taken, true)).then_some(Frame::Other)
            }
            _ => Some(Frame::Other),
        }
    }

    fn open_word(&mut self, element: &Element<'_>) -> Option<Frame> {
        Some(match (element.local(), self.frames.last()) {
            ("del" | "moveFrom", Some(Frame::MarkProperties)) => {
                self.mark(|paragraph| paragraph.joined = true);
                Frame::Other
            }
            ("del", Some(Frame::Row)) => {
                self.tables
                    .last_mut()
                    .and_then(|rows| rows.last_mut())
                    .into_iter()
                    .for_each(|row| row.deleted = true);
                Frame::Other
            }
            // What was deleted, instructions, older properties, the small letters of ruby, headers and footers are not read.
            (
                "del" | "moveFrom" | "delText" | "instrText" | "delInstrText" | "rt" | "pPrChange"
                | "rPrChange" | "tblPrChange" | "tcPrChange",
                _,
            ) => {
                return None;
            }
            ("trPrChange" | "sectPr" | "sectPrChange" | "tblPrEx" | "tblGrid", _) => return None,
            ("showingPlcHdr", _) => {
                self.placeholder = element.on();
                Frame::Other
            }
            ("sdtContent", _) if std::mem::take(&mut self.placeholder) => return None,
            ("p", _) => {
                self.paragraphs.push(Paragraph::default());
                Frame::Paragraph
            }
            ("pPr", Some(Frame::Paragraph)) => Frame::ParagraphProperties,
            ("rPr", Some(Frame::ParagraphProperties)) => Frame::MarkProperties,
            ("rPr", Some(Frame::Run)) => Frame::RunProperties,
            ("r", _) => {
                self.runs.push(Run::default());
                Frame::Run
            }
            ("t", _) => Frame::Text,
            ("txbxContent", _) => {
                self.containers.push(Vec::new());
                Frame::Box
            }
            ("numPr", Some(Frame::ParagraphProperties)) => Frame::ParagraphProperties,
            (_, Some(Frame::ParagraphProperties | Frame::RunProperties)) => {
                self.property(element);
                Frame::Other
            }
            (_, Some(Frame::Run)) => {
                self.sign(element);
                Frame::Other
            }
            _ => self.open_table(element),
        })
    }

    fn open_table(&mut self, element: &Element<'_>) -> Frame {
        let row = self.tables.last_mut().and_then(|rows| rows.last_mut());
        match element.local() {
            "tbl" => {
                self.tables.push(Vec::new());
                return Frame::Table;
            }
            "tr" => {
                if let Some(rows) = self.tables.last_mut() {
                    rows.push(Row::default());
                    return Frame::Row;
                }
            }
            "tc" => {
                if let Some(row) = row {
                    row.cells.push(Raw { span: 1, ..Raw::default() });
                    self.containers.push(Vec::new());
                    return Frame::Cell;
                }
            }
            // Their properties are looked at in the same way as the elements they lie in.
            "trPr" => return Frame::Row,
            "numPr" | "tcPr" => {}
            "gridBefore" => {
                let before = element.number().unwrap_or(0);
                row.into_iter().for_each(|row| row.before = before);
            }
            "gridSpan" => {
                let span = element.number().unwrap_or(1);
                row.and_then(|row| row.cells.last_mut())
                    .into_iter()
                    .for_each(|cell| cell.span = span);
            }
            "vMerge" => {
                let goes_on = element.attribute("val").is_none_or(|value| value == "continue");
                row.and_then(|row| row.cells.last_mut()).into_iter().for_each(|cell| {
                    cell.height = if goes_on { Height::Above } else { Height::Own }
                });
            }
            _ => {}
        }
        Frame::Other
    }

    fn property(&mut self, element: &Element<'_>) {
        let run = matches!(self.frames.last(), Some(Frame::RunProperties));
        match (run, element.local()) {
            (true, "rStyle") => self
                .runs
                .last_mut()
                .into_iter()
                .for_each(|run| run.style = element.attribute("val")),
            (true, _) => self.runs.last_mut().into_iter().for_each(|run| run.own.take(element)),
            (false, "pStyle") => self.mark(|paragraph| paragraph.style = element.attribute("val")),
            (false, _) => self.mark(|paragraph| paragraph.own.take(element)),
        }
    }

    fn mark(&mut self, change: impl FnOnce(&mut Paragraph)) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            change(paragraph);
        }
    }

    /// A sign that has an element of its own.
    fn sign(&mut self, element: &Element<'_>) {
        match element.local() {
            "tab" | "ptab" => self.text("\t"),
            "br" | "cr" => self.text("\n"),
            "noBreakHyphen" => self.text("-"),
            "sym" => self.text(" "),
            "fldChar" => match element.attribute("fldCharType").as_deref() {
                Some("begin") => self.fields.push(true),
                Some("separate") => {
                    self.fields.last_mut().into_iter().for_each(|field| *field = false)
                }
                Some("end") => drop(self.fields.pop()),
                _ => {}
            },
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let run = self.runs.last();
        let look = run.map(|run| self.styles.resolve(run.style.as_deref(), &run.own));
        let hidden = look.is_some_and(|look| look.hidden);
        let (Some(paragraph), false) =
            (self.paragraphs.last_mut(), hidden || self.fields.contains(&true))
        else {
            return;
        };
        if text.chars().any(char::is_alphanumeric) {
            // Without a word of its own a run is as its paragraph's style says.
            let said = run.is_some_and(|run| run.own.bold.is_some() || run.style.is_some());
            let styled = || self.styles.resolve(paragraph.style.as_deref(), &Style::default()).bold;
            let bold = if said { look.is_some_and(|look| look.bold) } else { styled() };
            paragraph.bold = Some(paragraph.bold.unwrap_or(true) && bold);
        }
        paragraph.text.push_str(text);
    }

    fn close(&mut self) -> Result<(), Refusal> {
        match self.frames.pop() {
            Some(Frame::Paragraph) => self.close_paragraph()?,
            Some(Frame::Run) => drop(self.runs.pop()),
            Some(Frame::Cell) => {
                let content = self.containers.pop().unwrap_or_default();
                if let Some(cell) = self
                    .tables
                    .last_mut()
                    .and_then(|rows| rows.last_mut())
                    .and_then(|row| row.cells.last_mut())
                {
                    cell.content = content;
                }
            }
            Some(Frame::Table) => {
                for written in self.tables.pop().map(table::finish).unwrap_or_default() {
                    self.write(written)?;
                }
            }
            Some(Frame::Box) => {
                let content = self.containers.pop().unwrap_or_default();
                match self.paragraphs.last_mut() {
                    Some(paragraph) => paragraph.boxed.extend(content),
                    None => content.into_iter().try_for_each(|written| self.write(written))?,
                }
            }
            Some(
                Frame::Other
                | Frame::ParagraphProperties
                | Frame::MarkProperties
                | Frame::RunProperties
                | Frame::Text
                | Frame::Row,
            ) => {}
            Some(Frame::Alternatives(_)) | None => {}
        }
        Ok(())
    }

    fn close_paragraph(&mut self) -> Result<(), Refusal> {
        let Some(mut paragraph) = self.paragraphs.pop() else { return Ok(()) };
        if let Some(mut before) = self.carried.take() {
            before.text.push_str(&paragraph.text);
            before.boxed.append(&mut paragraph.boxed);
            before.bold =
                before.bold.into_iter().chain(paragraph.bold).reduce(|left, right| left && right);
            before.joined = paragraph.joined;
            paragraph = before;
        }
        if paragraph.joined {
            self.carried = Some(paragraph);
            return Ok(());
        }
        if self.paragraphs.is_empty() {
            // An instruction that never ends hides no text beyond its paragraph.
            self.fields.retain(|instruction| !instruction);
        }
        self.finish(paragraph)
    }

    fn finish(&mut self, paragraph: Paragraph) -> Result<(), Refusal> {
        let resolved = self.styles.resolve(paragraph.style.as_deref(), &paragraph.own);
        let bold = if paragraph.bold == Some(true) { Markup::Bold } else { Markup::Plain };
        let hint = Hint {
            markup: resolved.heading.map_or(bold, Markup::Heading),
            entry: resolved.list.map(|list| self.styles.number(list)),
            plain: resolved.contents,
        };
        let boxed = paragraph.boxed;
        self.write(Written::Paragraph(paragraph.text, hint))?;
        boxed.into_iter().try_for_each(|written| self.write(written))
    }

    fn write(&mut self, written: Written) -> Result<(), Refusal> {
        match (self.containers.last_mut(), written) {
            (Some(container), written) => container.push(written),
            (None, Written::Paragraph(text, hint)) => self.builder.paragraph(&text, hint)?,
            (None, Written::Table(rows)) => self.builder.table(&rows)?,
        }
        Ok(())
    }
}
