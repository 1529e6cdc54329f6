//! Makes a [`Document`] of paragraphs and tables that a reader of DOCX or PDF hands over in reading order.

use std::ops::Range;

use super::grid::{Rows, Size};
use super::lines::{self, Looks, Marker, begins_lower, ends_sentence, marker};
use super::outline::{self, Markup, Number};
use super::text::{bounded, clean};
use super::{Block, BlockKind, Document, Refusal, limits};

/// A cell of a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Cell {
    /// A cell of its own.
    Text(String),
    /// Part of the cell on the left, which is as wide as several.
    Left,
    /// Part of the cell above, which is as high as several.
    Above,
}

/// What a reader knows of a paragraph besides its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Hint {
    /// What its markup says.
    pub(super) markup: Markup,
    /// Whether it is an entry of a list, and the kind of number that is shown before it but stands not in its text.
    pub(super) entry: Option<Option<Number>>,
    /// Whether it is never a heading.
    pub(super) plain: bool,
}

/// Collects the text and the blocks.
#[derive(Default)]
pub(super) struct Builder {
    /// Paragraphs without markup, each on its line: they may be lines of longer ones, or rows of a table.
    plain: String,
    text: String,
    blocks: Vec<Block>,
    looks: Looks,
    size: Size,
}

impl Builder {
    /// Adds a paragraph; a line break within it ends it, unless it stands inside a sentence.
    ///
    /// # Errors
    /// `too_large` beyond the bounds.
    pub(super) fn paragraph(&mut self, text: &str, hint: Hint) -> Result<(), Refusal> {
        let text = clean(text);
        if hint == Hint::default() {
            if self.plain.is_empty() && text.trim().is_empty() {
                return Ok(());
            }
            self.plain.extend([text.as_str(), "\n"]);
            return within(self.text.len() + self.plain.len());
        }
        self.settle_plain()?;
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

    /// Adds the paragraphs without markup that wait.
    fn settle_plain(&mut self) -> Result<(), Refusal> {
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
            self.block(Block { range: moved(block.range), kind })
        })
    }

    fn line(&mut self, line: &str, hint: Hint) -> Result<(), Refusal> {
        let start = self.text.len();
        self.push(line)?;
        let end = self.text.len();
        self.push("\n")?;
        let bullet = marker(line).filter(|(marker, _)| *marker == Marker::Bullet);
        let lead = bullet.map_or(0, |(_, length)| length);
        let bare = line.get(lead..).unwrap_or_default();
        if bare.is_empty() {
            return Ok(());
        }
        let styled = matches!(hint.markup, Markup::Heading(_));
        let may_head = !hint.plain && bullet.is_none();
        let look = match hint.entry {
            Some(number) if !styled => outline::look_numbered(bare, hint.markup, number),
            Some(_) | None => outline::look(bare, hint.markup),
        };
        if let Some(look) = look.filter(|_| may_head) {
            self.looks.push((self.blocks.len(), look));
            return self.block(Block { kind: BlockKind::Heading(1), range: start..end });
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
        self.block(Block { kind: BlockKind::Paragraph, range: start + lead + number..end })
    }

    /// Adds a table. A cell that is several wide or high stands in the text once; where it names something, the cells it covers are the same
    /// bytes, where it states figures they are empty, so that no figure counts twice.
    ///
    /// # Errors
    /// `too_large` and `too_many_rows` beyond the bounds.
    pub(super) fn table(&mut self, rows: &[Vec<Cell>]) -> Result<(), Refusal> {
        self.settle_plain()?;
        let start = self.text.len();
        let mut found = Rows::new();
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
                    Cell::Text(text) => {
                        let text = clean(text);
                        let words: Vec<&str> = text
                            .split(['\n', '\t'])
                            .map(str::trim)
                            .filter(|words| !words.is_empty())
                            .collect();
                        self.push(&words.join(" "))?;
                        None
                    }
                    Cell::Left => ranges.last(),
                    Cell::Above => found.last().and_then(|above| above.get(place)),
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
        self.block(Block { kind: BlockKind::Table(found), range: start..end })
    }

    fn push(&mut self, text: &str) -> Result<(), Refusal> {
        self.text.push_str(text);
        within(self.text.len())
    }

    fn block(&mut self, block: Block) -> Result<(), Refusal> {
        self.blocks.push(block);
        if self.blocks.len() > limits::BLOCKS {
            return Err(Refusal::new(
                "too_large",
                format!("the document has more than {} paragraphs", limits::BLOCKS),
            ));
        }
        Ok(())
    }

    /// The document.
    ///
    /// # Errors
    /// `too_large` beyond the bounds.
    pub(super) fn build(mut self) -> Result<Document, Refusal> {
        self.settle_plain()?;
        outline::settle(&mut self.blocks, &self.looks);
        Ok(Document { text: bounded(self.text)?, blocks: self.blocks })
    }
}

/// Refuses a text that is longer than any that is read, in bytes: a character has at most four, counted exactly at the end.
fn within(bytes: usize) -> Result<(), Refusal> {
    if bytes > 4 * limits::TEXT_CHARS {
        return Err(Refusal::new(
            "too_large",
            format!("the text has more than {} characters", limits::TEXT_CHARS),
        ));
    }
    Ok(())
}
