//! The ledger about itself: its revisions, how far it has come, and whether it is sound.

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::moment::Moment;
use super::state::State;
use super::submissions::SourceView;
use super::time_text;
use crate::domain::observation::Counts;
use crate::domain::period::Month;
use crate::error::Error;
use crate::store::{Commit, RecordedCommit, RevisionRow, Store, SubmissionRecord, chain};

/// Most revisions on a page.
pub const MAX_PAGE: usize = 1_000;
/// Most units, and most declarations, of a revision that are named.
const MAX_CODES: usize = 100;
/// Revisions so near to each other are looked up together.
const NEIGHBOURS: i64 = 8;

/// One thing that happened to the ledger.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RevisionView {
    /// Its number.
    pub revision: i64,
    /// When.
    pub recorded_at: String,
    /// `submission`, `withdrawal`, `units`, `catalogue`, `closing`, `reopening`, `targets`, `annotations`, `keys`.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// Why, where somebody said so.
    #[schema(required)]
    pub reason: Option<String>,
    /// The hash of all that it wrote and of the hash before it.
    pub hash: String,
    /// The submission that it recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// Where that came from.
    #[schema(required)]
    pub source: Option<SourceView>,
    /// What that did.
    #[schema(required)]
    pub counts: Option<Counts>,
    /// The units that it changed, the first hundred.
    pub units: Vec<String>,
    /// The version of the catalogue that it brought.
    #[schema(required)]
    pub catalogue_version: Option<i64>,
    /// The months that it closed or reopened.
    pub periods: Vec<String>,
    /// The codes of targets, annotations and keys that it changed or took away, the first hundred.
    pub declarations: Vec<String>,
}

/// How far the ledger has come, and what of it stands.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct LedgerView {
    /// The newest revision.
    pub revision: i64,
    /// When it was recorded; null while the ledger is empty.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// Its hash in the chain; null while the ledger is empty.
    #[schema(required)]
    pub hash: Option<String>,
    /// The catalogue's version.
    pub catalogue_version: i64,
    /// How many units there are.
    pub units: usize,
    /// How many figures stand.
    pub figures: usize,
    /// How many findings stand.
    pub findings: usize,
    /// How many months are closed.
    pub closed_periods: usize,
    /// SHA-256 over every figure that stands, with digits and revision: equal where two cubes are. Null unless asked for.
    #[schema(required)]
    pub digest: Option<String>,
}

impl Moment {
    /// The revisions behind one, in order: the revision they are the state of, the page, and whether more follow. Blocks on the store.
    ///
    /// # Errors
    /// The store's.
    pub fn revisions(
        &self,
        after: i64,
        limit: usize,
    ) -> Result<(i64, Vec<RevisionView>, bool), Error> {
        let newest = self.look().revision;
        let limit = limit.clamp(1, MAX_PAGE);
        let mut rows =
            self.store().revisions(after, u32::try_from(limit + 1).unwrap_or(u32::MAX))?;
        rows.retain(|row| row.revision <= newest);
        let more = rows.len() > limit;
        rows.truncate(limit);
        Ok((newest, self.happened(rows)?, more))
    }

    /// What revisions did, in their order. Blocks on the store.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn happened(&self, rows: Vec<RevisionRow>) -> Result<Vec<RevisionView>, Error> {
        let numbers: Vec<i64> = rows.iter().map(|row| row.revision).collect();
        let mut sent: HashMap<i64, SubmissionRecord> = self
            .store()
            .submissions_of(&numbers)?
            .into_iter()
            .map(|record| (record.revision.revision, record))
            .collect();
        // Revisions far apart have little to say each; between neighbours one question answers for all.
        let mut brought = HashMap::new();
        for stretch in numbers.chunk_by(|one, next| next - one <= NEIGHBOURS) {
            if let (Some(first), Some(last)) = (stretch.first(), stretch.last()) {
                brought.extend(self.store().brought(first - 1, *last, MAX_CODES)?);
            }
        }
        let views = rows.into_iter().map(|row| {
            let submission = sent.remove(&row.revision).map(|record| record.submission);
            let other = brought.remove(&row.revision).unwrap_or_default();
            let month = |month: i64| {
                i32::try_from(month)
                    .ok()
                    .and_then(Month::from_number)
                    .map(|month| month.to_string())
            };
            RevisionView {
                revision: row.revision,
                recorded_at: time_text(row.recorded_at),
                kind: row.kind,
                actor: row.actor,
                reason: row.reason,
                hash: row.hash.unwrap_or_default(),
                submission: submission.as_ref().map(|submission| submission.id.clone()),
                counts: submission.as_ref().map(super::submissions::counts),
                source: submission.map(|submission| SourceView {
                    kind: submission.source_kind,
                    reference: submission.reference,
                }),
                units: other.units,
                catalogue_version: other.catalogue,
                periods: other.months.into_iter().filter_map(month).collect(),
                declarations: other.declarations,
            }
        });
        Ok(views.collect())
    }

    /// How far the ledger has come. Blocks on the store.
    ///
    /// # Errors
    /// The store's.
    pub fn ledger(&self, digest: bool) -> Result<LedgerView, Error> {
        let state = self.look();
        let mut view = LedgerView {
            revision: state.revision,
            recorded_at: (state.revision > 0).then(|| time_text(state.recorded_at)),
            hash: None,
            catalogue_version: state.catalogue_version,
            units: state.units.len(),
            figures: state.cube.len(),
            findings: state.standing.len(),
            closed_periods: state.closed.len(),
            digest: digest.then(|| fingerprint(&state)),
        };
        drop(state);
        view.hash = self.store().revision(view.revision)?.and_then(|row| row.hash);
        Ok(view)
    }
}

/// SHA-256 over every figure that stands, in the order of measures, units and months.
#[must_use]
pub fn fingerprint(state: &State) -> String {
    let mut hash = Sha256::new();
    let mut line = |measure: usize,
                    unit: usize,
                    month: Month,
                    written: Option<crate::domain::number::Written>,
                    revision: u32| {
        let measure = state.measures.get(measure).map(ToString::to_string).unwrap_or_default();
        let written = written.map(|written| written.to_string()).unwrap_or_default();
        hash.update(format!("{measure} {} {month} {written} {revision}\n", state.units.code(unit)));
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

/// What a check of a ledger comes to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Verified {
    /// Revisions read.
    pub revisions: i64,
    /// Ledger rows of figures read.
    pub rows: u64,
    /// Figures that stand.
    pub figures: usize,
    /// The newest hash.
    pub hash: String,
    /// What is wrong, in sentences; the first hundred.
    pub faults: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl Verified {
    fn fault(&mut self, sentence: String) {
        self.count += 1;
        if self.faults.len() < 100 {
            self.faults.push(sentence);
        }
    }
}

/// Revisions read at a time.
const STRETCH: i64 = 16;

/// Checks a whole ledger: revisions without gaps whose time never goes back, the hash chain, each submission's counts by recounting,
/// the list of units touched, and the cube rebuilt from it. `once` is a hash that it had earlier, which has to be in the chain still:
/// without one, a chain that was rewritten whole, or cut off at its end, cannot be told.
///
/// # Errors
/// The store's; what is wrong with the ledger stands in the answer.
pub fn verify(
    store: &Store,
    once: Option<&str>,
    mut progress: impl FnMut(i64, i64),
) -> Result<Verified, Error> {
    let mut found = Verified::default();
    let head = store.head()?;
    let mut hash = chain::beginning();
    let (mut before, mut time) = (0, 0);
    let mut standing = Places::new();
    let (mut after, mut remembered) = (0, once.is_none());
    while after < head.revision {
        let up_to = head.revision.min(after + STRETCH);
        for RecordedCommit { commit, hash: kept } in store.commits(after, up_to)? {
            if commit.revision != before + 1 {
                found.fault(format!(
                    "Revision {} does not follow revision {before}.",
                    commit.revision
                ));
            }
            if commit.recorded_at < time {
                found.fault(format!(
                    "Revision {} is dated before the one it follows.",
                    commit.revision
                ));
            }
            hash = chain::hash(&hash, &commit);
            if kept.as_deref() != Some(chain::digits(&hash).as_str()) {
                found.fault(format!(
                    "Revision {} is not as it was written: its hash differs.",
                    commit.revision
                ));
                // The chain goes on from what is there, so that each place is told once.
                hash = kept.as_deref().and_then(chain::read).unwrap_or(hash);
            }
            remembered |= kept.as_deref() == once;
            recount(&commit, &mut standing, &mut found);
            found.rows += u64::try_from(commit.observations.len()).unwrap_or(0);
            found.revisions += 1;
            (before, time) = (commit.revision, commit.recorded_at);
        }
        for (revision, unit) in store.untouched(after, up_to)? {
            found.fault(format!(
                "Revision {revision}: the list of units touched is wrong about unit {unit}."
            ));
        }
        after = up_to;
        progress(after, head.revision);
    }
    if !remembered {
        found.fault("The hash that the ledger once had is not in its chain: it was rewritten, or cut off at its end.".to_owned());
    }
    found.hash = chain::digits(&hash);
    match State::at(store, head) {
        Ok(state) if state.cube.len() == standing.len() => found.figures = state.cube.len(),
        Ok(state) => found.fault(format!(
            "The cube has {} figures, the ledger {}.",
            state.cube.len(),
            standing.len()
        )),
        Err(error) => found.fault(format!("The cube cannot be rebuilt: {error}")),
    }
    Ok(found)
}

/// The places that have a figure: unit, measure and month.
type Places = ahash::AHashSet<(u32, u32, u32)>;

/// Recounts what a submission did.
fn recount(commit: &Commit, standing: &mut Places, found: &mut Verified) {
    let (mut created, mut revised, mut withdrawn) = (0, 0, 0);
    for row in &commit.observations {
        let number = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let place = (number(row.unit), number(row.measure), number(row.month));
        match row.mantissa {
            Some(_) if standing.insert(place) => created += 1,
            Some(_) => revised += 1,
            None if standing.remove(&place) => withdrawn += 1,
            None => found.fault(format!(
                "Revision {} withdraws a figure that did not stand.",
                commit.revision
            )),
        }
    }
    if let Some(submission) = &commit.submission
        && (submission.created, submission.revised, submission.withdrawn)
            != (created, revised, withdrawn)
    {
        found.fault(format!(
            "Revision {}: the receipt says {} created, {} revised, {} withdrawn; the figures say {created}, {revised}, {withdrawn}.",
            commit.revision, submission.created, submission.revised, submission.withdrawn
        ));
    }
}
