//! Builds a [`Document`] from the paragraphs and tables that the DOCX and PDF readers find, in
//! reading order.

use std::ops::Range;

use super::grid::{CellRanges, TableBudget};
use super::lines::{self, HeadingStyles, ListMarker, begins_lower, ends_sentence, marker};
use super::outline::{self, HeadingMarkup, HeadingNumber};
use super::text::{bounded, cell_text, clean};
use super::{BlockKind, Document, DocumentBlock, DocumentError, limits};

/// A cell of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TableCell {
    /// A cell with its text.
    Text(String),
    /// A part of the cell to the left, which spans several columns.
    Left,
    /// A part of the cell above, which spans several rows.
    Above,
}

/// What the reader of a file knows about a paragraph besides its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ParagraphHint {
    /// Its markup.
    pub(super) markup: HeadingMarkup,
    /// Whether it is a list item, and the kind of number that is shown before it but is not part of
    /// the text.
    pub(super) entry: Option<Option<HeadingNumber>>,
    /// Whether it is certainly not a heading.
    pub(super) plain: bool,
}

/// Collects the text and the parts of a document.
#[derive(Default)]
pub(super) struct DocumentBuilder {
    /// Paragraphs without markup, one on each line. They are held back because they may be lines of
    /// longer paragraphs, or rows of a table.
    plain: String,
    text: String,
    blocks: Vec<DocumentBlock>,
    looks: HeadingStyles,
    size: TableBudget,
}

impl DocumentBuilder {
    /// Adds a paragraph. A line break within it ends the paragraph, unless the line break is inside
    /// a sentence.
    ///
    /// # Errors
    /// `too_large` beyond the limits.
    pub(super) fn paragraph(
        &mut self,
        text: &str,
        hint: ParagraphHint,
    ) -> Result<(), DocumentError> {
        let text = clean(text);
        if hint == ParagraphHint::default() {
            if self.plain.is_empty() && text.trim().is_empty() {
                return Ok(());
            }
            self.plain.extend([text.as_str(), "\n"]);
            return within(self.text.len() + self.plain.len());
        }
        self.flush_plain()?;
        let mut joined: Vec<String> = Vec::new();
        for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty()) {
            match joined.last_mut() {
                Some(last) if begins_lower(line) && !ends_sentence(last) => {
                    last.extend([" ", line])
                }
                Some(_) | None => joined.push(line.to_owned()),
            }
        }
        joined.iter().try_for_each(|line| self.line(line, hint))
    }

    /// Adds the paragraphs without markup that were held back.
    fn flush_plain(&mut self) -> Result<(), DocumentError> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.plain);
        let (start, before) = (self.text.len(), self.blocks.len());
        let (blocks, looks) = lines::paragraphs(&text, &mut self.size)?;
        self.push(&text)?;
        self.looks.extend(looks.into_iter().map(|(place, look)| (before + place, look)));
        let moved = |range: Range<usize>| range.start + start..range.end + start;
        blocks.into_iter().try_for_each(|block| {
            let kind = match block.kind {
                BlockKind::Table(rows) => BlockKind::Table(
                    rows.into_iter().map(|row| row.into_iter().map(moved).collect()).collect(),
                ),
                kind @ (BlockKind::Heading(_) | BlockKind::Paragraph) => kind,
            };
            self.block(DocumentBlock { range: moved(block.range), kind })
        })
    }

    fn line(&mut self, line: &str, hint: ParagraphHint) -> Result<(), DocumentError> {
        let start = self.text.len();
        self.push(line)?;
        let end = self.text.len();
        self.push("\n")?;
        let bullet = marker(line).filter(|(marker, _)| *marker == ListMarker::Bullet);
        let lead = bullet.map_or(0, |(_, length)| length);
        let bare = line.get(lead..).unwrap_or_default();
        if bare.is_empty() {
            return Ok(());
        }
        let styled = matches!(hint.markup, HeadingMarkup::Heading(_));
        let may_head = !hint.plain && bullet.is_none();
        let look = match hint.entry {
            Some(number) if !styled => outline::numbered_heading_style(bare, hint.markup, number),
            Some(_) | None => outline::heading_style(bare, hint.markup),
        };
        if let Some(look) = look.filter(|_| may_head) {
            self.looks.push((self.blocks.len(), look));
            return self.block(DocumentBlock { kind: BlockKind::Heading(1), range: start..end });
        }
        let goes_on = bullet.is_none()
            && hint.entry.is_none()
            && begins_lower(bare)
            && marker(bare).is_none();
        if let Some(last) =
            self.blocks.last_mut().filter(|last| goes_on && last.kind == BlockKind::Paragraph)
        {
            let before = self.text.get(last.range.clone()).unwrap_or_default();
            if !ends_sentence(before) && last.range.end + 1 == start {
                last.range.end = end;
                return Ok(());
            }
        }
        let number = marker(bare).map_or(0, |(_, length)| length);
        self.block(DocumentBlock { kind: BlockKind::Paragraph, range: start + lead + number..end })
    }

    /// Adds a table. A cell that spans columns or rows is in the text once. If it holds a name, the
    /// other cells refer to the same bytes. If it holds figures, they are empty, so that no figure
    /// is counted twice.
    ///
    /// # Errors
    /// `too_large` and `too_many_rows` beyond the limits.
    pub(super) fn table(&mut self, rows: &[Vec<TableCell>]) -> Result<(), DocumentError> {
        self.flush_plain()?;
        let start = self.text.len();
        let mut found = CellRanges::new();
        let mut end = start;
        for row in rows.iter().filter(|row| !row.is_empty()) {
            self.size.add_row(row.len())?;
            let mut ranges: Vec<Range<usize>> = Vec::with_capacity(row.len());
            for (place, cell) in row.iter().enumerate() {
                if place > 0 {
                    self.push("\t")?;
                }
                let at = self.text.len();
                let covering = match cell {
                    TableCell::Text(text) => {
                        let text = clean(text);
                        self.push(&cell_text(&text))?;
                        None
                    }
                    TableCell::Left => ranges.last(),
                    TableCell::Above => found.last().and_then(|above| above.get(place)),
                };
                let named = covering.filter(|range| {
                    self.text.get((*range).clone()).is_some_and(|text| !outline::says_figures(text))
                });
                let range = named.cloned().unwrap_or(at..self.text.len());
                end = self.text.len();
                ranges.push(range);
            }
            found.push(ranges);
            self.push("\n")?;
        }
        if found.is_empty() {
            return Ok(());
        }
        self.block(DocumentBlock { kind: BlockKind::Table(found), range: start..end })
    }

    fn push(&mut self, text: &str) -> Result<(), DocumentError> {
        self.text.push_str(text);
        within(self.text.len())
    }

    fn block(&mut self, block: DocumentBlock) -> Result<(), DocumentError> {
        self.blocks.push(block);
        if self.blocks.len() > limits::BLOCKS {
            return Err(DocumentError::new(
                "too_large",
                format!("the document has more than {} paragraphs", limits::BLOCKS),
            ));
        }
        Ok(())
    }

    /// The finished document.
    ///
    /// # Errors
    /// `too_large` beyond the limits.
    pub(super) fn build(mut self) -> Result<Document, DocumentError> {
        self.flush_plain()?;
        outline::assign_levels(&mut self.blocks, &self.looks);
        Ok(Document { text: bounded(self.text)?, blocks: self.blocks })
    }
}

/// Refuses a text that must be longer than the limit, by its bytes: a character has at most four.
/// The exact number is checked at the end.
fn within(bytes: usize) -> Result<(), DocumentError> {
    if bytes > 4 * limits::TEXT_CHARS {
        return Err(DocumentError::new(
            "too_large",
            format!("the text has more than {} characters", limits::TEXT_CHARS),
        ));
    }
    Ok(())
}
