//! The formats of responses.

/// The media type of Excel files.
pub const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// The format of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResponseFormat {
    /// JSON, the default.
    Json,
    /// CSV.
    Csv,
    /// An Excel file (XLSX).
    Xlsx,
    /// A document as DOCX.
    Docx,
    /// A document as Markdown.
    Markdown,
    /// A document as plain text.
    Text,
}

impl ResponseFormat {
    /// The format of a table that an `Accept` header prefers; JSON when it names none.
    #[must_use]
    pub fn of_accept(accept: &str) -> Self {
        let place = |media: &str| accept.find(media).unwrap_or(usize::MAX);
        let json = place("application/json").min(place("*/*"));
        match (place("text/csv"), place(WORKBOOK)) {
            (csv, workbook) if csv < json && csv < workbook => Self::Csv,
            (_, workbook) if workbook < json => Self::Xlsx,
            _ => Self::Json,
        }
    }

    /// The name in `format=` and in entity tags.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Docx => "docx",
            Self::Markdown => "md",
            Self::Text => "txt",
        }
    }

    /// The media type, for `Content-Type`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => WORKBOOK,
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            Self::Markdown => "text/markdown; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}
