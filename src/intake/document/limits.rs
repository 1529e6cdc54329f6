//! What a document may cost. Beyond any of these the file is refused with a sentence that says so.

use std::time::Duration;

/// Bytes of a file.
pub const FILE_BYTES: usize = 32 << 20;
/// Characters of a document's text.
pub const TEXT_CHARS: usize = 4_000_000;
/// Stretches of a document: paragraphs, entries, headings, tables.
pub const BLOCKS: usize = 200_000;
/// Rows of all tables of a document.
pub const TABLE_ROWS: usize = 20_000;
/// Cells of all tables of a document.
pub const TABLE_CELLS: usize = 400_000;
/// Characters of a heading; a longer line is a paragraph.
pub const HEADING_CHARS: usize = 200;
/// How long a file may be read.
pub const TIME: Duration = Duration::from_secs(20);
/// Entries of a ZIP archive.
pub const ZIP_ENTRIES: usize = 5_000;
/// Bytes of one part of a DOCX, unpacked.
pub const PART_BYTES: u64 = 64 << 20;
/// How many times larger than packed a part may be, beyond [`RATIO_FROM`].
pub const PART_RATIO: u64 = 300;
/// Bytes of an unpacked part from which [`PART_RATIO`] counts.
pub const RATIO_FROM: u64 = 4 << 20;
/// How deep elements of XML may lie in each other.
pub const XML_DEPTH: usize = 256;
/// Cells that one cell of a table may cover.
pub const CELL_SPAN: usize = 64;
