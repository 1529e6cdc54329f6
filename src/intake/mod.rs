//! Bytes in, observations out; pure, like the domain. A reader places every observation and hands it to
//! the one parser that judges it ([`crate::domain::observation::Parser`]).

pub mod csv;
pub mod json;

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
    /// The faults of texts that are too long.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let fields = [("/source/kind", &self.source_kind), ("/source/reference", &self.reference), ("/reason", &self.reason)];
        let long = fields.into_iter().filter(|(_, text)| text.as_ref().is_some_and(|text| text.chars().count() > MAX_NOTE));
        long.map(|(pointer, _)| Fault::new(pointer, "too_long", format!("at most {MAX_NOTE} characters"))).collect()
    }
}

/// The bytes cannot be read at all.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);
