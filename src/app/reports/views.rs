//! The response types of reports.

use std::collections::BTreeMap;

use ledger::RevisionNumber;
use serde::Serialize;

use crate::app::read::findings::FindingView;
use extract::report::{FigureRole, SkipReason};
use kpi::number::Decimal64;
use kpi::observation::SubmissionCounts;

/// Most characters of a sentence that are shown around a number; the rest of a longer one is
/// omitted.
pub const MAX_SENTENCE: usize = 600;

/// A figure found in a report. Places count Unicode characters of the text.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportFigure {
    /// Code of the indicator or kpi; for a target its own code.
    pub indicator: String,
    /// The member of each dimension that the measure names.
    pub dimensions: BTreeMap<String, String>,
    /// The measure: code with members.
    pub measure: String,
    /// Code of the stated target; null for other figures.
    #[schema(required)]
    pub target: Option<String>,
    /// The unit.
    pub unit: String,
    /// The period.
    pub period: String,
    /// The number.
    #[schema(value_type = f64)]
    pub value: Decimal64,
    /// The digits as printed in the text.
    pub printed: String,
    /// Whether the text marks the number as approximate.
    pub approximate: bool,
    /// `figure`: of the report's unit and period, recorded; `rounded`: an approximate rate, shown
    /// only; `earlier`: of an earlier period, compared with the ledger; `target`: compared with the
    /// declared target.
    #[schema(value_type = FigureRole)]
    pub role: String,
    /// The sentence around the number, at most 600 characters.
    pub sentence: String,
    /// Start of the sentence.
    pub sentence_start: usize,
    /// End of the sentence.
    pub sentence_end: usize,
    /// Start of the digits.
    pub start: usize,
    /// End of the digits.
    pub end: usize,
    /// The pattern that found it.
    pub pattern: String,
    /// The confidence, from 0 to 1.
    pub confidence: f64,
    /// Whether it is recorded only when `accept` names its `start`, because the text marks it as
    /// approximate or its confidence is below 0.8.
    pub needs_acceptance: bool,
}

/// A number that was not taken as a figure. Places count Unicode characters of the text.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportUnclaimed {
    /// The digits as printed in the text.
    pub printed: String,
    /// The reason why it was skipped.
    #[schema(value_type = SkipReason)]
    pub reason: String,
    /// The reason as a sentence.
    pub reason_detail: String,
    /// The same in Vietnamese.
    pub reason_detail_vi: String,
    /// The measure that a pattern found for it; null when none did.
    #[schema(required)]
    pub measure: Option<String>,
    /// The sentence around the number, at most 600 characters.
    pub sentence: String,
    /// Start of the sentence.
    pub sentence_start: usize,
    /// End of the sentence.
    pub sentence_end: usize,
    /// Start of the digits.
    pub start: usize,
    /// End of the digits.
    pub end: usize,
}

/// An error of a figure that cannot be recorded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportFault {
    /// The figure, such as `/figures/3`.
    pub pointer: String,
    /// A stable code, for programs.
    pub code: String,
    /// A sentence, for people.
    pub detail: String,
    /// The same in Vietnamese.
    pub detail_vi: Option<String>,
}

/// A remark about the report as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportNote {
    /// `contradicts_head`: the head names another unit or period than the request.
    pub code: String,
    /// A sentence, for people.
    pub detail: String,
    /// The same in Vietnamese.
    #[schema(required)]
    pub detail_vi: Option<String>,
}

/// The figures found in a report, and the result of recording them.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ReportReading)]
pub struct ReportView {
    /// Whether this request, or the one that it repeats, made a revision.
    pub recorded: bool,
    /// The unit that reports.
    pub unit: String,
    /// The period of the report.
    pub period: String,
    /// Whether the request was a dry run, so that nothing was recorded.
    pub dry_run: bool,
    /// The submission's identifier; null when nothing was recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// The submission's revision; null on a dry run.
    #[schema(required, value_type = Option<i64>)]
    pub revision: Option<RevisionNumber>,
    /// That revision's hash; null on a dry run.
    #[schema(required)]
    pub revision_hash: Option<String>,
    /// When it was recorded; null when nothing was recorded.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// What recording changed, or would change.
    pub counts: SubmissionCounts,
    /// Whether the month is closed; then recording needs a reason.
    pub closed: bool,
    /// The media type as which the file was read.
    pub media_type: String,
    /// The file's name.
    #[schema(required)]
    pub file_name: Option<String>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// Number of characters of the extracted text.
    pub text_length: usize,
    /// The figures, in the order of the text.
    pub figures: Vec<ReportFigure>,
    /// All numbers that were not taken as figures.
    pub unclaimed: Vec<ReportUnclaimed>,
    /// Where the head of the report contradicts the parameters of the request. The parameters
    /// apply.
    pub notes: Vec<ReportNote>,
    /// Contradictions among the figures, and with the ledger.
    pub findings: Vec<FindingView>,
    /// The errors that prevent recording; empty once recorded.
    pub faults: Vec<ReportFault>,
}
