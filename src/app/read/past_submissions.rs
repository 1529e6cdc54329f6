//! Earlier submissions and their receipts (`docs/specification.md#receipts`).

use serde::{Deserialize, Serialize};

use super::findings::FindingView;
use crate::app::snapshot::Snapshot;
use crate::clock::time_text;
use crate::error::Error;
use kpi::fault::quoted;
use kpi::observation::SubmissionCounts;
use ledger::{RevisionNumber, Store, SubmissionRecord, SubmissionRow};

/// The receipt of an earlier submission.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct PastReceipt {
    /// The submission's identifier.
    pub submission: String,
    /// The revision that recorded it.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    pub revision_hash: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// Name of the sender.
    pub actor: String,
    /// The sender's reason, if given.
    #[schema(required)]
    pub reason: Option<String>,
    /// Where the figures came from.
    pub source: SourceView,
    /// The submission that it withdraws.
    #[schema(required)]
    pub withdraws: Option<String>,
    /// What the figures changed.
    pub counts: SubmissionCounts,
    /// The findings at that time.
    pub findings: Vec<FindingView>,
}

/// The source of a submission.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SourceView {
    /// `api`, `csv`, `import` or what the sender stated.
    #[serde(default)]
    #[schema(required)]
    pub kind: String,
    /// The sender's own reference, such as a document number.
    #[serde(default)]
    #[schema(required)]
    pub reference: Option<String>,
}

impl Snapshot {
    /// The receipt of an earlier submission. Blocks on the store.
    ///
    /// # Errors
    /// [`Error::NotFound`], or those of the store.
    pub fn receipt(&self, id: &str) -> Result<PastReceipt, Error> {
        let SubmissionRecord { revision, submission } = find(self.store(), id)?;
        // Another instance may have just recorded it; a past state does not know it.
        if self.is_past() && revision.revision > self.state().revision {
            return Err(unknown(id));
        }
        self.confirm()?;
        let counts = counts(&submission);
        Ok(PastReceipt {
            submission: submission.id,
            revision: revision.revision,
            revision_hash: revision.hash.unwrap_or_default(),
            recorded_at: time_text(revision.recorded_at),
            actor: revision.actor,
            reason: revision.reason,
            source: SourceView { kind: submission.source_kind, reference: submission.reference },
            withdraws: submission.withdraws,
            counts,
            findings: serde_json::from_str(&submission.findings).unwrap_or_default(),
        })
    }
}

/// The counts of an earlier submission.
pub(in crate::app) fn counts(row: &SubmissionRow) -> SubmissionCounts {
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    SubmissionCounts {
        created: number(row.created),
        revised: number(row.revised),
        unchanged: number(row.unchanged),
        withdrawn: number(row.withdrawn),
    }
}

/// A submission by its identifier. An invalid identifier is not looked up, because PostgreSQL
/// accepts no NUL character.
pub(in crate::app) fn find(store: &Store, id: &str) -> Result<SubmissionRecord, Error> {
    let found =
        if id.bytes().all(|b| b.is_ascii_alphanumeric()) { store.submission(id)? } else { None };
    found.ok_or_else(|| unknown(id))
}

/// The error for a submission that does not exist.
pub(in crate::app) fn unknown(id: &str) -> Error {
    Error::NotFound(format!("there is no submission {}", quoted(id)))
}
