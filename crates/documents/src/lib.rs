//! Documents: the text of a file and its parts. [`read`] makes a document from plain text,
//! Markdown, DOCX or PDF. [`limits`] has all limits against hostile files. [`workbook`] reads Excel
//! files as sheets of cells.

mod builder;
mod damage;
mod docx;
mod grid;
pub mod limits;
mod lines;
mod markdown;
mod outline;
mod pdf;
mod sniff;
pub mod table;
mod text;
mod text_line;
pub mod workbook;

use std::fmt;
use std::ops::Range;

/// A document, as read from a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// The whole text in Unicode NFC, with `\n` as line end. For plain text and Markdown it is the
    /// text of the file with its markup, without text that is struck out. For DOCX and PDF it has
    /// one line for each paragraph and for each row of a table. Tabs separate the cells of a row; a
    /// cell with digits in two lines has a line end between them.
    pub text: String,
    /// The parts in reading order; they do not overlap.
    pub blocks: Vec<DocumentBlock>,
}

impl Document {
    /// The text of a range of bytes; empty when the range is not in the text.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

/// A part of a document: a heading, a paragraph or a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DocumentBlock {
    /// What the part is.
    pub kind: BlockKind,
    /// The bytes of [`Document::text`] without the markup before and after (`#`, `-`, `**`). Line
    /// breaks within a paragraph remain. The number of a heading is included, that of a list item
    /// is not.
    pub range: Range<usize>,
}

/// The kinds of parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BlockKind {
    /// A heading; level 1 is the highest.
    Heading(u8),
    /// A paragraph or list item.
    Paragraph,
    /// A table: rows of cells, each given by its bytes in the text.
    Table(Vec<Vec<Range<usize>>>),
}

/// The kinds of files that can be read as documents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MediaType {
    /// Plain text.
    Text,
    /// Markdown with pipe tables.
    Markdown,
    /// Office Open XML, as written by Word and LibreOffice.
    Docx,
    /// PDF with a text layer.
    Pdf,
}

impl MediaType {
    /// The kind for a `Content-Type`; parameters are ignored.
    #[must_use]
    pub fn of_type(content_type: &str) -> Option<Self> {
        let essence =
            content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/plain" => Some(Self::Text),
            "text/markdown" | "text/x-markdown" => Some(Self::Markdown),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => {
                Some(Self::Docx)
            }
            "application/pdf" | "application/x-pdf" => Some(Self::Pdf),
            _ => None,
        }
    }

    /// The kind for the extension of a file name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (_, ending) = name.rsplit_once('.')?;
        match ending.to_ascii_lowercase().as_str() {
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            "docx" => Some(Self::Docx),
            "pdf" => Some(Self::Pdf),
            _ => None,
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "plain text (text/plain)",
            Self::Markdown => "Markdown (text/markdown)",
            Self::Docx => {
                "DOCX (application/vnd.openxmlformats-officedocument.wordprocessingml.document)"
            }
            Self::Pdf => "PDF (application/pdf)",
        })
    }
}

/// Why a file cannot be read as a document.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{detail}")]
pub struct DocumentError {
    /// A stable code for programs.
    pub code: &'static str,
    /// A sentence for people: what is wrong, and what to do instead.
    pub detail: String,
    /// The same sentence in Vietnamese, if it has been translated.
    pub detail_vi: Option<Box<str>>,
}

impl DocumentError {
    /// A refusal with a code and a sentence.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), detail_vi: None }
    }

    /// The refusal as an error of an input.
    #[must_use]
    pub fn to_fault(&self) -> kpi::fault::Fault {
        let fault = kpi::fault::Fault::new("", self.code, self.detail.clone());
        match &self.detail_vi {
            Some(detail) => fault.with_vi(detail.as_ref()),
            None => fault,
        }
    }

    /// The same refusal with a sentence in Vietnamese.
    #[must_use]
    pub fn with_vi(self, detail: impl Into<String>) -> Self {
        Self { detail_vi: Some(detail.into().into_boxed_str()), ..self }
    }
}

/// Reads a document.
///
/// ```
/// use documents::{BlockKind, MediaType, read};
///
/// let text = "## 1. Lĩnh vực\n\n- Tạo mới 12 tài khoản.\n";
/// let document = read(text.as_bytes(), MediaType::Markdown).unwrap();
/// let seen: Vec<_> = document.blocks.iter().map(|block| document.slice(&block.range)).collect();
/// assert_eq!(seen, ["1. Lĩnh vực", "Tạo mới 12 tài khoản."]);
/// assert_eq!(document.blocks[0].kind, BlockKind::Heading(2));
/// assert_eq!(read(b"\xff\xfe\x00", MediaType::Text).unwrap_err().code, "not_utf8");
/// ```
///
/// # Errors
/// A [`DocumentError`] when the bytes are not of the kind `media`, when the file is broken or
/// hostile, or when it exceeds [`limits`].
pub fn read(bytes: &[u8], media: MediaType) -> Result<Document, DocumentError> {
    if bytes.len() > limits::FILE_BYTES {
        return Err(DocumentError::new(
            "too_large",
            format!(
                "the file has {} bytes; at most {} are allowed",
                bytes.len(),
                limits::FILE_BYTES
            ),
        ));
    }
    media.check(bytes)?;
    let document = match media {
        MediaType::Text => lines::read(text::decode(bytes)?, false),
        MediaType::Markdown => lines::read(markdown::without_formats(text::decode(bytes)?), true),
        MediaType::Docx => docx::read(bytes),
        MediaType::Pdf => pdf::read(bytes),
    }?;
    match damage::find_damage(&document.text) {
        Some(word) => Err(damaged(&word)),
        None => Ok(document),
    }
}

/// The refusal of a text that was decoded wrongly and saved again.
fn damaged(word: &damage::DamagedWord) -> DocumentError {
    let (found, was) = (kpi::fault::quoted(&word.found), kpi::fault::quoted(&word.was));
    DocumentError::new(
        "damaged_text",
        format!(
            "the text is damaged: it was UTF-8, was read as Latin-1 or Windows-1252, and was \
         saved again ({found} was {was}); send the original file"
        ),
    )
    .with_vi(format!(
        "văn bản bị hỏng mã: chữ UTF-8 đã bị đọc theo Latin-1 hoặc Windows-1252 rồi \
     lưu lại ({found} vốn là {was}); hãy gửi tệp gốc"
    ))
}
