//! Readers of input: CSV, JSON, Excel files and documents become observations. Like the domain they
//! do no I/O. Each reader locates the observations and passes them to the one parser that validates
//! them ([`kpi::observation::ObservationParser`]).

pub mod csv;
pub mod exported_table;
pub mod json;
pub mod sheet_csv;
pub mod unit_table;
pub mod utf16;
pub mod workbook;

use kpi::fault::Fault;
use kpi::text;

/// The fields of a submission besides its observations.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubmissionEnvelope {
    /// The kind of source: `api`, `csv`, `import`, or a text of the sender.
    pub source_kind: Option<String>,
    /// The sender's name for the source, such as the number of a report.
    pub reference: Option<String>,
    /// The reason, which figures of a closed month require.
    pub reason: Option<String>,
}

/// Longest source kind, reference or reason in characters.
pub const MAX_NOTE: usize = 1_000;

impl SubmissionEnvelope {
    /// The errors of texts that cannot be recorded.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let fields = [
            ("/source/kind", &self.source_kind),
            ("/source/reference", &self.reference),
            ("/reason", &self.reason),
        ];
        fields
            .into_iter()
            .filter_map(|(pointer, text)| {
                note_fault(pointer, text.as_deref().filter(|text| !text::is_blank(text))?)
            })
            .collect()
    }

    /// The same fields, where texts that show nothing are removed.
    #[must_use]
    pub fn without_blanks(self) -> Self {
        let Self { source_kind, reference, reason } = self;
        Self {
            source_kind: text::none_if_blank(source_kind),
            reference: text::none_if_blank(reference),
            reason: text::none_if_blank(reason),
        }
    }
}

/// The error of a source kind, reference or reason, if there is one. Line breaks and tabs are
/// allowed, other invisible characters are not.
#[must_use]
pub fn note_fault(pointer: &str, note: &str) -> Option<Fault> {
    if note.chars().count() > MAX_NOTE {
        return Some(
            Fault::new(pointer, "too_long", format!("at most {MAX_NOTE} characters"))
                .with_vi(format!("tối đa {MAX_NOTE} ký tự")),
        );
    }
    text::hidden_fault(pointer, note, text::LineBreaks::Many)
}

/// The error of a body that cannot be read at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnreadableBody(pub String);
