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
/// Pages of a PDF.
pub const PDF_PAGES: usize = 2_000;
/// Objects of a PDF.
pub const PDF_OBJECTS: usize = 500_000;
/// Words and signs of a PDF's own language that are held at once: each takes some hundred bytes of memory.
pub const PDF_TOKENS: usize = 2_500_000;
/// Bytes of one stream of a PDF, unpacked.
pub const PDF_STREAM_BYTES: usize = 64 << 20;
/// Bytes of all streams of a PDF but its pictures, unpacked: they are held at once.
pub const PDF_HELD_BYTES: usize = 128 << 20;
/// Bytes of all streams of a PDF, pictures too, unpacked.
pub const PDF_UNPACKED_BYTES: usize = 1 << 30;
/// Bytes of a PDF's directory of objects, unpacked.
pub const PDF_DIRECTORY_BYTES: usize = 4 << 20;
/// Bytes of a stream packed by LZW, which old programs used for small ones.
pub const PDF_LZW_BYTES: usize = 24 << 10;
/// Bytes of a page's instructions.
pub const PDF_PAGE_BYTES: usize = 16 << 20;
/// How deep forms of a PDF may lie in each other.
pub const PDF_FORM_DEPTH: usize = 12;
/// Letters of a PDF.
pub const PDF_GLYPHS: usize = TEXT_CHARS;
/// Stack of the thread that reads a PDF, in bytes.
pub const PDF_STACK: usize = 64 << 20;
