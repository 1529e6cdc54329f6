//! The ledger: its revisions, its state, and its verification.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::past_submissions::{SourceView, counts};
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::app::stored::month_of;
use crate::clock::Calendar;
use crate::clock::time_text;
use crate::error::Error;
use kpi::cube::{MeasureId, RevisionStamp};
use kpi::observation::SubmissionCounts;
use kpi::period::Month;
use kpi::unit::UnitPosition;
use ledger::{
    Commit, LedgerHead, RevisionId, RevisionNumber, RevisionRow, RevisionSpan, Store, StoreError,
    SubmissionRecord, TimestampMicros, chain,
};

/// Most revisions on a page.
pub const MAX_PAGE: usize = 1_000;
/// Most units, and most declarations, that are listed for one revision.
const MAX_CODES: usize = 100;
/// Revisions with numbers that differ by at most this are looked up together.
const NEIGHBOURS: i64 = 8;

/// One revision of the ledger (`docs/specification.md#revisions`).
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RevisionView {
    /// The revision number.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// When it was recorded.
    pub recorded_at: String,
    /// `submission`, `withdrawal`, `units`, `catalogue`, `closing`, `reopening`, `targets`,
    /// `annotations`, `keys`.
    pub kind: String,
    /// Name of the sender.
    pub actor: String,
    /// The sender's reason, if given.
    #[schema(required)]
    pub reason: Option<String>,
    /// The hash of everything that the revision wrote and of the hash before it.
    pub hash: String,
    /// The submission that the revision recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// The source of that submission.
    #[schema(required)]
    pub source: Option<SourceView>,
    /// What that submission changed.
    #[schema(required)]
    pub counts: Option<SubmissionCounts>,
    /// The codes of the units that it changed, at most 100.
    pub units: Vec<String>,
    /// The catalogue version that it wrote.
    #[schema(required)]
    pub catalogue_version: Option<i64>,
    /// The months that it closed or reopened.
    pub periods: Vec<String>,
    /// The codes of targets, annotations and keys that it changed or removed, at most 100.
    pub declarations: Vec<String>,
}

/// The state of the ledger.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct LedgerView {
    /// The newest revision.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    pub revision_hash: String,
    /// When the newest revision was recorded; null while the ledger is empty.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// The newest revision's hash; null while the ledger is empty.
    #[schema(required)]
    pub hash: Option<String>,
    /// The catalogue's version.
    pub catalogue_version: i64,
    /// Number of units.
    pub units: usize,
    /// Number of current figures.
    pub figures: usize,
    /// Number of current findings.
    pub findings: usize,
    /// Number of closed months.
    pub closed_periods: usize,
    /// SHA-256 over all current figures with their digits and revisions: equal for equal figures.
    /// Null unless requested.
    #[schema(required)]
    pub digest: Option<String>,
}

impl Snapshot {
    /// The revisions after one, in order: the snapshot's revision, the page, and whether more
    /// follow. Blocks on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub fn revisions(
        &self,
        after: RevisionNumber,
        limit: usize,
    ) -> Result<(RevisionNumber, Vec<RevisionView>, bool), Error> {
        let newest = self.state().revision;
        let limit = limit.clamp(1, MAX_PAGE);
        let mut rows =
            self.store().revisions(after, u32::try_from(limit + 1).unwrap_or(u32::MAX))?;
        rows.retain(|row| row.revision <= newest);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let found = self.revision_views(rows)?;
        self.confirm()?;
        Ok((newest, found, more))
    }

    /// Describes what revisions changed, in their order. Blocks on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub(in crate::app) fn revision_views(
        &self,
        rows: Vec<RevisionRow>,
    ) -> Result<Vec<RevisionView>, Error> {
        let numbers: Vec<RevisionNumber> = rows.iter().map(|row| row.revision).collect();
        let mut sent: HashMap<RevisionNumber, SubmissionRecord> = self
            .store()
            .submissions_of(&numbers)?
            .into_iter()
            .map(|record| (record.revision.revision, record))
            .collect();
        // Revisions with distant numbers are few and looked up one by one; one query serves a range
        // of neighbours.
        let mut brought = HashMap::new();
        for stretch in numbers.chunk_by(|one, next| next.since(*one) <= NEIGHBOURS) {
            if let (Some(first), Some(last)) = (stretch.first(), stretch.last()) {
                let span = RevisionSpan::new(first.previous(), *last);
                brought.extend(self.store().revision_contents(span, MAX_CODES)?);
            }
        }
        let views = rows.into_iter().map(|row| {
            let submission = sent.remove(&row.revision).map(|record| record.submission);
            let other = brought.remove(&row.revision).unwrap_or_default();
            let months = other.months.into_iter().filter_map(month_of);
            let periods = months.map(|month| month.to_string()).collect();
            RevisionView {
                revision: row.revision,
                recorded_at: time_text(row.recorded_at),
                kind: row.kind,
                actor: row.actor,
                reason: row.reason,
                hash: row.hash.unwrap_or_default(),
                submission: submission.as_ref().map(|submission| submission.id.clone()),
                counts: submission.as_ref().map(counts),
                source: submission.map(|submission| SourceView {
                    kind: submission.source_kind,
                    reference: submission.reference,
                }),
                units: other.units,
                catalogue_version: other.catalogue,
                periods,
                declarations: other.declarations,
            }
        });
        Ok(views.collect())
    }

    /// The state of the ledger. The digest takes noticeable time.
    #[must_use]
    pub fn ledger(&self, digest: bool) -> LedgerView {
        let state = self.state();
        LedgerView {
            revision: state.revision,
            revision_hash: state.revision_hash(),
            recorded_at: (state.revision > RevisionNumber::BEGINNING)
                .then(|| time_text(state.recorded_at)),
            hash: (state.revision > RevisionNumber::BEGINNING).then(|| state.revision_hash()),
            catalogue_version: state.catalogue_version,
            units: state.units.len(),
            figures: state.cube.len(),
            findings: state.standing().len(),
            closed_periods: state.closed.len(),
            digest: digest.then(|| fingerprint(state)),
        }
    }
}

/// SHA-256 over all current figures in the order of measures, units and months, as 64 hexadecimal
/// digits.
#[must_use]
pub fn fingerprint(state: &State) -> String {
    let mut hash = Sha256::new();
    let mut line = |measure: MeasureId,
                    unit: UnitPosition,
                    month: Month,
                    written: Option<kpi::number::Statement>,
                    revision: RevisionStamp| {
        let measure = state.measures.get(measure).map(ToString::to_string).unwrap_or_default();
        let written = written.map(|written| written.to_string()).unwrap_or_default();
        hash.update(format!(
            "{measure} {} {month} {written} {}\n",
            state.units.code(unit),
            revision.get()
        ));
    };
    for (measure, _) in state.measures.iter() {
        state.cube.figures_of(measure).for_each(|(entry, revision)| {
            line(measure, entry.unit, entry.month, entry.written, revision)
        });
    }
    state.cube.all_stated().for_each(|(entry, revision)| {
        line(entry.measure, entry.unit, entry.month, entry.written, revision)
    });
    chain::digits(&hash.finalize())
}

/// The result of verifying a ledger.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct VerificationResult {
    /// Revisions read.
    pub revisions: i64,
    /// Ledger rows of figures read.
    pub rows: u64,
    /// Current figures.
    pub figures: usize,
    /// The newest hash.
    pub hash: String,
    /// What is wrong, one sentence each; at most 100.
    pub faults: Vec<String>,
    /// The number of errors found, including those beyond the first 100.
    pub count: usize,
}

impl VerificationResult {
    fn fault(&mut self, sentence: String) {
        self.count += 1;
        if self.faults.len() < 100 {
            self.faults.push(sentence);
        }
    }
}

/// Revisions that are read at a time.
const STRETCH: i64 = 16;

/// Verifies a whole ledger: revision numbers without gaps, times that never decrease, the hash
/// chain, rows of any table that no hash covers, the triggers, the counts of each submission, the
/// lists of touched units, and the cube rebuilt from the figures. `once` is a hash that the ledger
/// had earlier, or the beginning of one, in lower case, and that must still be in the chain.
/// Without it, a chain that was rewritten whole or truncated cannot be detected.
///
/// # Errors
/// Those of the store. What is wrong with the ledger is in the result.
pub fn verify(
    store: &Store,
    once: Option<&str>,
    mut progress: impl FnMut(i64, i64),
) -> Result<VerificationResult, Error> {
    let mut found = VerificationResult::default();
    let (head, newest) = store.gapless_head()?;
    if head == RevisionNumber::BEGINNING {
        found.fault(
            "The ledger has no revision 1: it was never started, or its first revisions are \
             missing. Restore a backup that verifies."
                .to_owned(),
        );
    }
    if newest > head {
        found.fault(format!(
            "Revision {newest} does not follow revision {head}: the revisions between them are \
             missing (table revisions)."
        ));
    }
    let mut last = RevisionId::beginning();
    let mut time = TimestampMicros::default();
    let mut standing = FigurePlaces::new();
    let (mut rest, mut remembered) = (RevisionSpan::first(head), once.is_none());
    while !rest.is_empty() {
        let span = rest.beginning(STRETCH);
        let (commits, strays) = store.commits_and_strays(span)?;
        strays
            .iter()
            .for_each(|stray| found.fault(format!("Rows do not belong to the ledger: {stray}.")));
        for recorded in commits {
            let commit = &recorded.commit;
            if commit.recorded_at < time {
                found.fault(format!(
                    "Revision {} is dated before the one it follows.",
                    commit.revision
                ));
            }
            match last.next(&recorded) {
                Ok(next) => last = next,
                Err(error) => {
                    found.fault(error.to_string());
                    // The chain continues from the recorded hash, so that each wrong place is
                    // reported once.
                    let hash = recorded
                        .hash
                        .as_deref()
                        .and_then(chain::read)
                        .unwrap_or_else(|| chain::hash(&last.hash, commit));
                    last = RevisionId { number: commit.revision, hash };
                }
            }
            remembered |= recorded
                .hash
                .as_deref()
                .zip(once)
                .is_some_and(|(hash, once)| hash.starts_with(once));
            check_counts(commit, &mut standing, &mut found);
            found.rows += u64::try_from(commit.observations.len()).unwrap_or(0);
            found.revisions += 1;
            time = commit.recorded_at;
        }
        for (revision, unit) in store.touched_unit_mismatches(span)? {
            found.fault(format!(
                "Revision {revision}: the list of units touched (table touched_units) is wrong for \
                 unit {unit}."
            ));
        }
        rest.after = span.up_to;
        progress(rest.after.get(), head.get());
    }
    for stray in store.strays(head)? {
        found.fault(format!("Rows do not belong to the ledger: {stray}."));
    }
    for difference in store.trigger_differences()? {
        found.fault(format!("A trigger of the ledger differs from this program's: {difference}."));
    }
    if !remembered {
        found.fault(
            "The earlier hash is not in the ledger's chain: the ledger was rewritten, or truncated."
                .to_owned(),
        );
    }
    found.hash = chain::digits(&last.hash);
    match State::at(store, LedgerHead { revision: head, recorded_at: time }, Calendar::default()) {
        Ok(state) if state.cube.len() == standing.len() => found.figures = state.cube.len(),
        Ok(state) => found.fault(format!(
            "The cube has {} figures, the ledger {}.",
            state.cube.len(),
            standing.len()
        )),
        // Rows that contradict the chain were reported above.
        Err(Error::Store(StoreError::Unsound(_))) if found.count > 0 => {}
        Err(error) => found.fault(format!("The cube cannot be rebuilt: {error}")),
    }
    Ok(found)
}

/// The places with a figure: unit, measure and month.
type FigurePlaces = ahash::AHashSet<(u32, u32, u32)>;

/// Recounts what a submission changed, and compares that with its receipt.
fn check_counts(commit: &Commit, standing: &mut FigurePlaces, found: &mut VerificationResult) {
    let (mut created, mut revised, mut withdrawn) = (0, 0, 0);
    for row in &commit.observations {
        let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let place = (number(row.unit.get()), number(row.measure.get()), number(row.month.get()));
        match row.is_withdrawal() {
            false if standing.insert(place) => created += 1,
            false => revised += 1,
            true if standing.remove(&place) => withdrawn += 1,
            true => found.fault(format!(
                "Revision {} withdraws a figure that was not current.",
                commit.revision
            )),
        }
    }
    if let Some(submission) = &commit.submission
        && (submission.created, submission.revised, submission.withdrawn)
            != (created, revised, withdrawn)
    {
        found.fault(format!(
            "Revision {}: the receipt says {} created, {} revised, {} withdrawn; the figures say \
             {created}, {revised}, {withdrawn}.",
            commit.revision, submission.created, submission.revised, submission.withdrawn
        ));
    }
}
