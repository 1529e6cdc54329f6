//! A fault of the input: where it is, a stable code, and a plain sentence.

use std::fmt;

/// One fault, placed by a JSON pointer (contract section 3); a CSV fault has line and column as well.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Fault {
    /// JSON pointer into the body, or `file#entry` for catalogue files.
    pub pointer: String,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// Line in a CSV body, the header being line 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column name in a CSV body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl Fault {
    /// A fault at a place.
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into(), line: None, column: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, &self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column {column}: {} ({})", self.detail, self.code),
            (Some(line), None) => write!(f, "line {line}: {} ({})", self.detail, self.code),
            _ => write!(f, "{}: {} ({})", self.pointer, self.detail, self.code),
        }
    }
}

/// Text from a client, cut for an error message.
#[must_use]
pub fn quoted(text: &str) -> String {
    let cut: String = text.chars().take(60).collect();
    format!("\"{cut}{}\"", if cut.len() < text.len() { "…" } else { "" })
}

/// What a code of ours is.
pub const CODE: &str = "1 to 120 of a-z 0-9 . _ -, first a letter or digit";

/// Whether a text can be a code of ours: 1 to 120 characters of `a-z 0-9 . _ -`, first a letter or digit.
#[must_use]
pub fn is_code(text: &str) -> bool {
    text.len() <= 120
        && text.as_bytes().first().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
}
