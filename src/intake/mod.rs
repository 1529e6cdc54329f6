//! Bytes in, observations out; pure, like the domain. A reader places every observation and hands it to
//! the one parser that judges it ([`crate::domain::observation::Parser`]).

pub mod csv;
pub mod document;
pub mod json;
pub mod label;
pub mod numbers;
pub mod report;
pub mod table;
pub mod words;
pub mod workbook;

use crate::domain::fault::Fault;

/// What a submission says about itself besides its figures.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// What kind of source it came from: `api`, `csv`, `import`, or what the sender says.
    pub source_kind: Option<String>,
    /// The sender's own name for it, such as a report's number.
    pub reference: Option<String>,
    /// Why, above all for figures of a closed month.
    pub reason: Option<String>,
}

/// Longest source kind, reference or reason in characters.
pub const MAX_NOTE: usize = 1_000;

impl Envelope {
    /// The faults of texts that cannot be kept.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let fields = [
            ("/source/kind", &self.source_kind),
            ("/source/reference", &self.reference),
            ("/reason", &self.reason),
        ];
        let faulty = fields
            .into_iter()
            .filter_map(|(pointer, text)| Some((pointer, note_fault(text.as_ref()?)?)));
        faulty.map(|(pointer, (code, detail))| Fault::new(pointer, code, detail)).collect()
    }
}

/// What is wrong with a note: a source's kind or reference, or a reason. Line breaks are welcome, other control characters are not:
/// PostgreSQL keeps no NUL, and nobody can read the others.
#[must_use]
pub fn note_fault(text: &str) -> Option<(&'static str, String)> {
    if text.chars().count() > MAX_NOTE {
        return Some(("too_long", format!("at most {MAX_NOTE} characters")));
    }
    let control = text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    control
        .then(|| ("control_character", "no control characters but line breaks and tabs".to_owned()))
}

/// The bytes cannot be read at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);
