//! Limits of documents. A file beyond a limit is refused with a sentence that names the limit.

use std::time::Duration;

/// Bytes of a file.
pub const FILE_BYTES: usize = 32 << 20;
/// Characters of a document's text.
pub const TEXT_CHARS: usize = 4_000_000;
/// Parts of a document: paragraphs, list items, headings and tables.
pub const BLOCKS: usize = 200_000;
/// Rows of all tables of a document.
pub const TABLE_ROWS: usize = 20_000;
/// Cells of all tables of a document.
pub const TABLE_CELLS: usize = 400_000;
/// Characters of a heading; a longer line is a paragraph.
pub const HEADING_CHARS: usize = 200;
/// Longest time for reading a file.
pub const TIME: Duration = Duration::from_secs(20);
/// Entries of a ZIP archive.
pub const ZIP_ENTRIES: usize = 5_000;
/// Bytes of one part of a DOCX, unpacked.
pub const PART_BYTES: u64 = 64 << 20;
/// How many times larger than its packed size a part may be, if it is larger than [`RATIO_FROM`].
pub const PART_RATIO: u64 = 300;
/// Size of an unpacked part, in bytes, above which [`PART_RATIO`] applies.
pub const RATIO_FROM: u64 = 4 << 20;
/// Depth of nested XML elements.
pub const XML_DEPTH: usize = 256;
/// Cells that one cell of a table may cover.
pub const CELL_SPAN: usize = 64;
/// Pages of a PDF.
pub const PDF_PAGES: usize = 2_000;
/// Objects of a PDF.
pub const PDF_OBJECTS: usize = 500_000;
/// Tokens of PDF syntax that are held at once; each takes about a hundred bytes of memory.
pub const PDF_TOKENS: usize = 1_000_000;
/// Bytes of one stream of a PDF, unpacked.
pub const PDF_STREAM_BYTES: usize = 64 << 20;
/// Bytes of all unpacked streams of a PDF without pictures; they are held at once.
pub const PDF_HELD_BYTES: usize = 64 << 20;
/// Bytes of all unpacked streams of a PDF with pictures.
pub const PDF_UNPACKED_BYTES: usize = 1 << 30;
/// Bytes of the unpacked cross-reference streams of a PDF.
pub const PDF_DIRECTORY_BYTES: usize = 4 << 20;
/// Bytes of a stream packed with LZW, which only old programs use, for small streams.
pub const PDF_LZW_BYTES: usize = 24 << 10;
/// Bytes of the instructions of a page.
pub const PDF_PAGE_BYTES: usize = 16 << 20;
/// Depth of nested forms of a PDF.
pub const PDF_FORM_DEPTH: usize = 12;
/// Letters of a PDF.
pub const PDF_GLYPHS: usize = 1_000_000;
/// Bytes of a page's instructions that are decoded at once. A single instruction may be longer, up
/// to [`PDF_OPERANDS`].
pub const PDF_INSTRUCTION_BYTES: usize = 16 << 10;
/// Tokens of one instruction of a PDF.
pub const PDF_OPERANDS: usize = 100_000;
/// Bytes of one string that a PDF draws; ISO 32000 allows at most 32,767.
pub const PDF_STRING_BYTES: usize = 64 << 10;
/// Depth of saved graphics states of a page.
pub const PDF_SAVED_STATES: usize = 256;
/// Stack of the thread that reads a PDF, in bytes.
pub const PDF_STACK: usize = 64 << 20;
