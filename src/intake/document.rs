//! A document as the reader sees it: its text, and what the stretches of it are. [`read`] makes one from the bytes of plain text,
//! Markdown, DOCX or PDF; every bound on hostile files stands in [`limits`].

mod builder;
mod docx;
mod grid;
pub mod limits;
mod lines;
mod outline;
mod pdf;
mod sniff;
mod text;

use std::fmt;
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

impl Document {
    /// The text of a range, empty where there is none.
    #[must_use]
    pub fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }
}

/// A stretch of a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Where it stands: bytes of [`Document::text`], without the markup before and behind it (`#`, `-`, `**`); inside, line breaks of a
    /// paragraph that goes on remain. The number of a heading belongs to it, that of a list's entry does not.
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

/// A kind of file that can be read as a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Media {
    /// Plain text.
    Text,
    /// Markdown with pipe tables.
    Markdown,
    /// Office Open XML, as Word and LibreOffice write it.
    Docx,
    /// PDF with a text layer.
    Pdf,
}

impl Media {
    /// The media type that a `Content-Type` names, parameters aside.
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

    /// The media type that the ending of a file's name tells.
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

impl fmt::Display for Media {
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
pub struct Refusal {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people: what is wrong, and what to do instead.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its code and sentence.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// Reads a document.
///
/// ```
/// use egov_kpi::intake::document::{BlockKind, Media, read};
///
/// let document = read("## 1. Lĩnh vực\n\n- Tạo mới 12 tài khoản.\n".as_bytes(), Media::Markdown).unwrap();
/// let seen: Vec<_> = document.blocks.iter().map(|block| document.slice(&block.range)).collect();
/// assert_eq!(seen, ["1. Lĩnh vực", "Tạo mới 12 tài khoản."]);
/// assert_eq!(document.blocks[0].kind, BlockKind::Heading(2));
/// assert_eq!(read(b"\xff\xfe\x00", Media::Text).unwrap_err().code, "not_utf8");
/// ```
///
/// # Errors
/// A [`Refusal`] when the bytes are not what `media` says, are broken, hostile, or larger than [`limits`] allows.
pub fn read(bytes: &[u8], media: Media) -> Result<Document, Refusal> {
    if bytes.len() > limits::FILE_BYTES {
        return Err(Refusal::new(
            "too_large",
            format!("the file has {} bytes, at most {} are read", bytes.len(), limits::FILE_BYTES),
        ));
    }
    media.check(bytes)?;
    match media {
        Media::Text | Media::Markdown => {
            let text = text::decode(bytes)?;
            lines::read(text, media == Media::Markdown)
        }
        Media::Docx => docx::read(bytes),
        Media::Pdf => pdf::read(bytes),
    }
}
