//! A document as the reader sees it: its text, and what the stretches of it are.

use std::ops::Range;

/// A document, read from its bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// Its whole text in Unicode NFC, lines ended by `\n`. Of plain text and Markdown it is the file's own text with its markup; of DOCX and
    /// PDF one line for each paragraph and for each row of a table (cells parted by tabs).
    pub text: String,
    /// Its stretches in reading order; they do not overlap.
    pub blocks: Vec<Block>,
}

/// A stretch of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Where it stands: bytes of [`Document::text`], without the markup before and behind it (`#`, `-`, `**`); inside, line breaks of a
    /// paragraph that goes on remain.
    pub range: Range<usize>,
}

/// What a stretch is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BlockKind {
    /// A heading; 1 is the highest level.
    Heading(u8),
    /// A paragraph or an entry of a list.
    Paragraph,
    /// A table: rows of cells, each the bytes it stands at.
    Table(Vec<Vec<Range<usize>>>),
}
