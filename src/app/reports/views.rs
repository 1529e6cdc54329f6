//! What is told of a report.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::findings::FindingView;
use crate::domain::number::Written;
use crate::domain::observation::Counts;
use crate::intake::report::{Reason, Role};

/// Most characters of a sentence that are shown around a number; of a longer one the rest is left out.
pub const MAX_SENTENCE: usize = 600;

/// A figure found in a report. Places count Unicode characters of its text.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportFigure {
    /// The indicator's or kpi's code; of a target its own code.
    pub indicator: String,
    /// Dimension and member.
    pub dimensions: BTreeMap<String, String>,
    /// The measure: code and members.
    pub measure: String,
    /// The target that is stated.
    #[schema(required)]
    pub target: Option<String>,
    /// The unit.
    pub unit: String,
    /// The period.
    pub period: String,
    /// The number.
    #[schema(value_type = f64)]
    pub value: Written,
    /// Its digits as they stand in the text.
    pub printed: String,
    /// Whether the text says that it is not exact.
    pub approximate: bool,
    /// `figure`: of the report's unit and period, recorded; `rounded`: a rate that is not exact, shown only; `earlier`: of an earlier
    /// period, held against the ledger; `target`: held against the target declared.
    #[schema(value_type = Role)]
    pub role: String,
    /// The sentence around it, at most 600 characters of it.
    pub sentence: String,
    /// Where the sentence begins.
    pub sentence_start: usize,
    /// Where it ends.
    pub sentence_end: usize,
    /// Where the digits begin.
    pub start: usize,
    /// Where they end.
    pub end: usize,
    /// The pattern that found it.
    pub pattern: String,
    /// How sure it is, 0 to 1.
    pub confidence: f64,
}

/// A number that is no figure. Places count Unicode characters of the text.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportUnclaimed {
    /// Its digits as they stand in the text.
    pub printed: String,
    /// Why it is none.
    #[schema(value_type = Reason)]
    pub reason: String,
    /// The measure that it would be of, where a pattern found it.
    #[schema(required)]
    pub measure: Option<String>,
    /// The sentence around it, at most 600 characters of it.
    pub sentence: String,
    /// Where the sentence begins.
    pub sentence_start: usize,
    /// Where it ends.
    pub sentence_end: usize,
    /// Where the digits begin.
    pub start: usize,
    /// Where they end.
    pub end: usize,
}

/// A figure of a report that cannot be recorded as it stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportFault {
    /// Which figure: `/figures/3`.
    pub pointer: String,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// What was found in a report, and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ReportReading)]
pub struct ReportView {
    /// The unit that it is of.
    pub unit: String,
    /// The period that it is of.
    pub period: String,
    /// Whether nothing was recorded because nobody asked for it.
    pub dry_run: bool,
    /// The submission; null when nothing was recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// Its revision; null on a dry run.
    #[schema(required)]
    pub revision: Option<i64>,
    /// When it was recorded; null when nothing was.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// What recording it did, or would do.
    pub counts: Counts,
    /// Whether the month is closed: then recording needs a reason.
    pub closed: bool,
    /// The media type that it was read as.
    pub media_type: String,
    /// The file's name.
    #[schema(required)]
    pub file_name: Option<String>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Characters of the text that was extracted.
    pub text_length: usize,
    /// The figures, in the order of the text.
    pub figures: Vec<ReportFigure>,
    /// All other numbers.
    pub unclaimed: Vec<ReportUnclaimed>,
    /// Contradictions among the figures, and with what the ledger holds.
    pub findings: Vec<FindingView>,
    /// What speaks against recording its figures; empty once recorded.
    pub faults: Vec<ReportFault>,
}
