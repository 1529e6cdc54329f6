//! The body of a DOCX: text runs become paragraphs, cells become tables.

use super::block::BodyBlock;
use super::styles::{ParagraphStyle, StyleSheet};
use super::table::{self, DocxCell, DocxRow, VerticalMerge};
use super::xml::{XmlElement, XmlEvent, XmlNamespace, XmlWalker};
use crate::builder::{DocumentBuilder, ParagraphHint};
use crate::outline::HeadingMarkup;
use crate::text::{TextLevel, at_level, push_after_gap};
use crate::{Document, DocumentError};

/// The paragraph that is being read.
#[derive(Default)]
struct OpenParagraph {
    text: String,
    /// The text as if no letter were raised or lowered.
    flat: String,
    /// Whether any of its letters is neither raised nor lowered.
    on_line: bool,
    /// Whether a struck-out text was left out after its last letter.
    gap: bool,
    style: Option<String>,
    own: ParagraphStyle,
    /// Whether all letters so far are bold; unknown before the first.
    bold: Option<bool>,
    /// Whether its end was deleted, so that the next paragraph continues it.
    joined: bool,
    /// The content of its text boxes.
    boxed: Vec<BodyBlock>,
}

/// A run: a piece of text with one format.
#[derive(Default)]
struct TextRun {
    style: Option<String>,
    own: ParagraphStyle,
}

/// An element that is open.
enum OpenElement {
    Other,
    Paragraph,
    /// Properties of a paragraph or of its end mark.
    ParagraphProperties,
    MarkProperties,
    Run,
    RunProperties,
    Text,
    Table,
    Row,
    Cell,
    Box,
    /// Alternatives of the same content, and whether one was read.
    Alternatives(bool),
}

struct BodyReader<'s> {
    styles: &'s StyleSheet,
    builder: DocumentBuilder,
    frames: Vec<OpenElement>,
    paragraphs: Vec<OpenParagraph>,
    runs: Vec<TextRun>,
    tables: Vec<Vec<DocxRow>>,
    /// The content of the open cells and text boxes.
    containers: Vec<Vec<BodyBlock>>,
    /// The open fields: for each, whether its instruction is being read.
    fields: Vec<bool>,
    /// Whether the next content is the placeholder of a form control.
    placeholder: bool,
    carried: Option<OpenParagraph>,
}

/// Reads `document.xml`.
///
/// # Errors
/// Errors of the XML and of the limits.
pub(super) fn read(text: &str, styles: &StyleSheet) -> Result<Document, DocumentError> {
    let mut body = BodyReader {
        styles,
        builder: DocumentBuilder::default(),
        frames: Vec::new(),
        paragraphs: Vec::new(),
        runs: Vec::new(),
        tables: Vec::new(),
        containers: Vec::new(),
        fields: Vec::new(),
        placeholder: false,
        carried: None,
    };
    let mut walker = XmlWalker::new(text);
    loop {
        match walker.next()? {
            XmlEvent::Open(element) => match body.open(&element) {
                Some(frame) => body.frames.push(frame),
                None => walker.skip()?,
            },
            XmlEvent::Close => body.close()?,
            XmlEvent::Text(text) => {
                if matches!(body.frames.last(), Some(OpenElement::Text)) {
                    body.text(&text);
                }
            }
            XmlEvent::End => break,
        }
        debug_assert_eq!(walker.depth(), body.frames.len());
    }
    if let Some(carried) = body.carried.take() {
        body.finish(carried)?;
    }
    body.builder.build()
}

impl BodyReader<'_> {
    /// Handles the start of an element. `None` when the whole element is to be skipped.
    fn open(&mut self, element: &XmlElement<'_>) -> Option<OpenElement> {
        match element.space {
            XmlNamespace::Word => self.open_word(element),
            XmlNamespace::Compatibility => self.open_alternative(element),
            XmlNamespace::Math => {
                Some(if element.local() == "t" { OpenElement::Text } else { OpenElement::Other })
            }
            XmlNamespace::Other => Some(OpenElement::Other),
        }
    }

    /// Opens one of several alternatives with the same content; only the first one is read.
    fn open_alternative(&mut self, element: &XmlElement<'_>) -> Option<OpenElement> {
        match (element.local(), self.frames.last_mut()) {
            ("AlternateContent", _) => Some(OpenElement::Alternatives(false)),
            ("Choice" | "Fallback", Some(OpenElement::Alternatives(taken))) => {
                (!std::mem::replace(taken, true)).then_some(OpenElement::Other)
            }
            _ => Some(OpenElement::Other),
        }
    }

    fn open_word(&mut self, element: &XmlElement<'_>) -> Option<OpenElement> {
        Some(match (element.local(), self.frames.last()) {
            ("del" | "moveFrom", Some(OpenElement::MarkProperties)) => {
                self.mark(|paragraph| paragraph.joined = true);
                OpenElement::Other
            }
            ("del", Some(OpenElement::Row)) => {
                self.tables
                    .last_mut()
                    .and_then(|rows| rows.last_mut())
                    .into_iter()
                    .for_each(|row| row.deleted = true);
                OpenElement::Other
            }
            // Deleted text, instructions, earlier properties, ruby text, headers and footers are
            // skipped.
            (
                "del" | "moveFrom" | "delText" | "instrText" | "delInstrText" | "rt" | "pPrChange"
                | "rPrChange" | "tblPrChange" | "tcPrChange",
                _,
            ) => {
                return None;
            }
            ("trPrChange" | "sectPr" | "sectPrChange" | "tblPrEx" | "tblGrid", _) => return None,
            ("showingPlcHdr", _) => {
                self.placeholder = element.is_on();
                OpenElement::Other
            }
            ("sdtContent", _) if std::mem::take(&mut self.placeholder) => return None,
            ("p", _) => {
                self.paragraphs.push(OpenParagraph::default());
                OpenElement::Paragraph
            }
            ("pPr", Some(OpenElement::Paragraph)) => OpenElement::ParagraphProperties,
            ("rPr", Some(OpenElement::ParagraphProperties)) => OpenElement::MarkProperties,
            ("rPr", Some(OpenElement::Run)) => OpenElement::RunProperties,
            ("r", _) => {
                self.runs.push(TextRun::default());
                OpenElement::Run
            }
            ("t", _) => OpenElement::Text,
            ("txbxContent", _) => {
                self.containers.push(Vec::new());
                OpenElement::Box
            }
            ("numPr", Some(OpenElement::ParagraphProperties)) => OpenElement::ParagraphProperties,
            (_, Some(OpenElement::ParagraphProperties | OpenElement::RunProperties)) => {
                self.property(element);
                OpenElement::Other
            }
            (_, Some(OpenElement::Run)) => {
                self.add_sign(element);
                OpenElement::Other
            }
            _ => self.open_table(element),
        })
    }

    fn open_table(&mut self, element: &XmlElement<'_>) -> OpenElement {
        let row = self.tables.last_mut().and_then(|rows| rows.last_mut());
        match element.local() {
            "tbl" => {
                self.tables.push(Vec::new());
                return OpenElement::Table;
            }
            "tr" => {
                if let Some(rows) = self.tables.last_mut() {
                    rows.push(DocxRow::default());
                    return OpenElement::Row;
                }
            }
            "tc" => {
                if let Some(row) = row {
                    row.cells.push(DocxCell { span: 1, ..DocxCell::default() });
                    self.containers.push(Vec::new());
                    return OpenElement::Cell;
                }
            }
            // Their properties are read like the elements that contain them.
            "trPr" => return OpenElement::Row,
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
                    cell.height = if goes_on { VerticalMerge::Above } else { VerticalMerge::Own }
                });
            }
            _ => {}
        }
        OpenElement::Other
    }

    fn property(&mut self, element: &XmlElement<'_>) {
        let run = matches!(self.frames.last(), Some(OpenElement::RunProperties));
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

    fn mark(&mut self, change: impl FnOnce(&mut OpenParagraph)) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            change(paragraph);
        }
    }

    /// Adds the text of an element that is a special character.
    fn add_sign(&mut self, element: &XmlElement<'_>) {
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
        let struck = look.and_then(|look| look.struck).or_else(|| {
            let style = paragraph.style.as_deref();
            self.styles.resolve(style, &ParagraphStyle::default()).struck
        });
        if struck == Some(true) {
            paragraph.gap = true;
            return;
        }
        if text.chars().any(char::is_alphanumeric) {
            // A run without a format of its own has the format of the paragraph's style.
            let said = run.is_some_and(|run| run.own.bold.is_some() || run.style.is_some());
            let styled =
                || self.styles.resolve(paragraph.style.as_deref(), &ParagraphStyle::default()).bold;
            let bold = if said { look.is_some_and(|look| look.bold) } else { styled() };
            paragraph.bold = Some(paragraph.bold.unwrap_or(true) && bold);
        }
        let level = look.map_or(TextLevel::Line, |look| look.level);
        paragraph.on_line |= level == TextLevel::Line && text.chars().any(char::is_alphanumeric);
        if std::mem::take(&mut paragraph.gap) {
            push_after_gap(&mut paragraph.flat, text);
            push_after_gap(&mut paragraph.text, &at_level(text, level));
        } else {
            paragraph.flat.push_str(text);
            paragraph.text.push_str(&at_level(text, level));
        }
    }

    fn close(&mut self) -> Result<(), DocumentError> {
        match self.frames.pop() {
            Some(OpenElement::Paragraph) => self.close_paragraph()?,
            Some(OpenElement::Run) => drop(self.runs.pop()),
            Some(OpenElement::Cell) => {
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
            Some(OpenElement::Table) => {
                for written in self.tables.pop().map(table::finish).unwrap_or_default() {
                    self.write(written)?;
                }
            }
            Some(OpenElement::Box) => {
                let content = self.containers.pop().unwrap_or_default();
                match self.paragraphs.last_mut() {
                    Some(paragraph) => paragraph.boxed.extend(content),
                    None => content.into_iter().try_for_each(|written| self.write(written))?,
                }
            }
            Some(
                OpenElement::Other
                | OpenElement::ParagraphProperties
                | OpenElement::MarkProperties
                | OpenElement::RunProperties
                | OpenElement::Text
                | OpenElement::Row,
            ) => {}
            Some(OpenElement::Alternatives(_)) | None => {}
        }
        Ok(())
    }

    fn close_paragraph(&mut self) -> Result<(), DocumentError> {
        let Some(mut paragraph) = self.paragraphs.pop() else { return Ok(()) };
        if let Some(mut before) = self.carried.take() {
            before.text.push_str(&paragraph.text);
            before.flat.push_str(&paragraph.flat);
            before.on_line |= paragraph.on_line;
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
            // An instruction that does not end hides no text after its paragraph.
            self.fields.retain(|instruction| !instruction);
        }
        self.finish(paragraph)
    }

    fn finish(&mut self, paragraph: OpenParagraph) -> Result<(), DocumentError> {
        let resolved = self.styles.resolve(paragraph.style.as_deref(), &paragraph.own);
        let bold =
            if paragraph.bold == Some(true) { HeadingMarkup::Bold } else { HeadingMarkup::Plain };
        let hint = ParagraphHint {
            markup: resolved.heading.map_or(bold, HeadingMarkup::Heading),
            entry: resolved.list.map(|list| self.styles.number(list)),
            plain: resolved.contents,
        };
        let boxed = paragraph.boxed;
        // A paragraph of raised letters only has no line above which they stand.
        let text = if paragraph.on_line { paragraph.text } else { paragraph.flat };
        self.write(BodyBlock::Paragraph(text, hint))?;
        boxed.into_iter().try_for_each(|written| self.write(written))
    }

    fn write(&mut self, written: BodyBlock) -> Result<(), DocumentError> {
        match (self.containers.last_mut(), written) {
            (Some(container), written) => container.push(written),
            (None, BodyBlock::Paragraph(text, hint)) => self.builder.paragraph(&text, hint)?,
            (None, BodyBlock::Table(rows)) => self.builder.table(&rows)?,
        }
        Ok(())
    }
}
