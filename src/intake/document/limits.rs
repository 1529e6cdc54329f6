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
