//! What a recorded submission leaves: the receipt for its sender, and the report that its figures
//! were read from (`docs/specification.md#receipts`).

use serde::{Deserialize, Serialize};

use super::evaluate::Evaluation;
use super::idempotency::{WriteResponse, recorded_unless_told};
use crate::app::read::findings::FindingView;
use crate::clock::time_text;
use kpi::observation::SubmissionCounts;
use ledger::{Commit, RevisionNumber};

/// The response to a submission (`docs/specification.md#receipts`).
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// Whether this request, or the one that it repeats, made a revision.
    #[serde(default = "recorded_unless_told")]
    #[schema(required)]
    pub recorded: bool,
    /// The submission's identifier; null when nothing was recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// The revision that recorded the submission, or the current one when nothing changed; null on
    /// a dry run.
    #[schema(required, value_type = Option<i64>)]
    pub revision: Option<RevisionNumber>,
    /// That revision's hash; null on a dry run.
    #[serde(default)]
    #[schema(required)]
    pub revision_hash: Option<String>,
    /// When it was recorded; null when nothing was recorded.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// What the figures changed.
    pub counts: SubmissionCounts,
    /// The current findings about the submitted figures, also about figures that did not change.
    pub findings: Vec<FindingView>,
}

impl Receipt {
    /// The receipt when nothing changed; `revision` is the current one.
    pub(super) fn unchanged(evaluation: &Evaluation, revision: RevisionNumber) -> Self {
        Self { recorded: false, revision: Some(revision), ..Self::found(evaluation) }
    }

    /// The receipt of a recorded submission; its hash is set after the commit.
    pub(super) fn recorded(evaluation: &Evaluation, commit: &Commit) -> Self {
        Self {
            recorded: true,
            submission: commit.submission.as_ref().map(|row| row.id.clone()),
            revision: Some(commit.revision),
            recorded_at: Some(time_text(commit.recorded_at)),
            ..Self::found(evaluation)
        }
    }

    /// The receipt of a dry run.
    pub(super) fn found(evaluation: &Evaluation) -> Self {
        Self {
            counts: evaluation.effect.counts,
            findings: evaluation.findings.clone(),
            ..Self::default()
        }
    }
}

impl WriteResponse for Receipt {
    fn revision(&self) -> Option<RevisionNumber> {
        self.revision
    }

    fn set_revision_hash(&mut self, hash: String) {
        self.revision_hash = Some(hash);
        // A stored receipt of an older version has a submission only when something was recorded.
        self.recorded &= self.submission.is_some();
    }
}

/// The part of a report that is stored beside its figures, in the revision that records them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ReportRecord {
    /// The report's text and the places of its figures, as JSON.
    pub document: String,
    /// Findings of reading the report, besides those of the rules.
    pub findings: Vec<FindingView>,
}
