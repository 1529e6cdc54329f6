//! The rows that a batch of commits inserts, by table. How they are inserted is the matter of each
//! backend.

use std::borrow::Cow;
use std::collections::BTreeSet;

use diesel::prelude::Insertable;

use super::chain;
use super::numbers::{RevisionNumber, StoredMeasure, StoredMonth, StoredUnit};
use super::rows::{
    Commit, DeclarationRow, DeclarationVersion, IdempotencyRow, MeasureRow, ObservationRow,
    RevisionRow, SubmissionRow,
};
use super::schema::{
    catalogue_versions, closings, measures, submissions, touched_units, unit_numbers, unit_versions,
};

/// A submission to insert. It owns its texts, because diesel keeps only statements over types
/// without lifetimes prepared.
#[derive(Insertable)]
#[diesel(table_name = submissions, treat_none_as_default_value = false)]
pub struct NewSubmission {
    pub revision: RevisionNumber,
    #[diesel(embed)]
    pub row: SubmissionRow,
}

/// An entry of the dictionary of measures to insert.
#[derive(Insertable)]
#[diesel(table_name = measures, treat_none_as_default_value = false)]
pub struct NewMeasure {
    pub revision: RevisionNumber,
    #[diesel(embed)]
    pub row: MeasureRow,
}

/// An entry of the dictionary of units to insert.
#[derive(Insertable)]
#[diesel(table_name = unit_numbers, treat_none_as_default_value = false)]
pub struct NewUnit {
    pub number: StoredUnit,
    pub code: String,
    pub revision: RevisionNumber,
}

/// A version of a unit to insert.
#[derive(Insertable)]
#[diesel(table_name = unit_versions, treat_none_as_default_value = false)]
pub struct NewVersion {
    pub unit: StoredUnit,
    pub revision: RevisionNumber,
    pub document: String,
}

/// A version of the catalogue to insert.
#[derive(Insertable)]
#[diesel(table_name = catalogue_versions, treat_none_as_default_value = false)]
pub struct NewCatalogueVersion {
    pub version: i64,
    pub revision: RevisionNumber,
    pub document: String,
}

/// The closing or reopening of a month to insert.
#[derive(Insertable)]
#[diesel(table_name = closings, treat_none_as_default_value = false)]
pub struct NewClosing {
    pub revision: RevisionNumber,
    pub month: StoredMonth,
    /// 1 for a closing, 0 for a reopening.
    pub closed: i64,
}

/// A unit of which a revision has figures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Insertable)]
#[diesel(table_name = touched_units, treat_none_as_default_value = false)]
pub struct TouchedRow {
    pub unit: StoredUnit,
    pub revision: RevisionNumber,
}

/// All rows of a batch, in the order in which their tables refer to each other.
pub struct NewRows<'b> {
    pub keys: &'b [IdempotencyRow],
    pub revisions: Vec<RevisionRow>,
    pub submissions: Vec<NewSubmission>,
    pub measures: Vec<NewMeasure>,
    pub units: Vec<NewUnit>,
    pub versions: Vec<NewVersion>,
    pub declarations: Vec<DeclarationRow>,
    pub catalogues: Vec<NewCatalogueVersion>,
    pub closings: Vec<NewClosing>,
    pub touched: Vec<TouchedRow>,
    /// In the order of the primary key, so that each insert is next to the one before.
    pub observations: Cow<'b, [ObservationRow]>,
    /// The hashes of the revisions.
    pub hashes: Vec<chain::Hash>,
}

impl<'b> NewRows<'b> {
    /// The rows of commits that follow a revision with the hash `hash`. With `sealed_afterwards`
    /// the rows of revisions have no hash yet.
    pub fn of(
        commits: &'b [Commit],
        keys: &'b [IdempotencyRow],
        mut hash: chain::Hash,
        sealed_afterwards: bool,
    ) -> Self {
        let observations = in_order(commits);
        let mut rows = Self {
            keys,
            revisions: Vec::with_capacity(commits.len()),
            submissions: Vec::with_capacity(commits.len()),
            measures: Vec::new(),
            units: Vec::new(),
            versions: Vec::new(),
            declarations: Vec::new(),
            catalogues: Vec::new(),
            closings: Vec::new(),
            touched: touched(&observations),
            observations,
            hashes: Vec::with_capacity(commits.len()),
        };
        for commit in commits {
            hash = chain::hash(&hash, commit);
            rows.hashes.push(hash);
            rows.add(commit, (!sealed_afterwards).then(|| chain::digits(&hash)));
        }
        rows
    }

    /// Adds everything of a commit but its figures.
    fn add(&mut self, commit: &Commit, hash: Option<String>) {
        let revision = commit.revision;
        self.revisions.push(RevisionRow {
            revision,
            recorded_at: commit.recorded_at,
            kind: commit.kind.clone(),
            actor: commit.actor.clone(),
            reason: commit.reason.clone(),
            hash,
            origin: commit.origin.clone(),
        });
        let submission = commit.submission.clone();
        self.submissions.extend(submission.map(|row| NewSubmission { revision, row }));
        let measures = commit.new_measures.iter().cloned();
        self.measures.extend(measures.map(|row| NewMeasure { revision, row }));
        let units = commit.new_units.iter().cloned();
        self.units.extend(units.map(|(number, code)| NewUnit { number, code, revision }));
        let versions = commit.unit_versions.iter().cloned();
        self.versions.extend(versions.map(|(unit, document)| NewVersion {
            unit,
            revision,
            document,
        }));
        self.declarations.extend(commit.declarations.iter().cloned().map(|declaration| {
            let DeclarationVersion { kind, code, document } = declaration;
            DeclarationRow { revision, kind, code, document }
        }));
        let catalogue = commit.catalogue.clone();
        self.catalogues.extend(catalogue.map(|(version, document)| NewCatalogueVersion {
            version,
            revision,
            document,
        }));
        self.closings.extend(commit.closings.iter().map(|(month, closed)| NewClosing {
            revision,
            month: *month,
            closed: i64::from(*closed),
        }));
    }

    /// The measures of the figures that the batch itself does not number.
    pub fn known_measures(&self) -> Vec<StoredMeasure> {
        let mut last = None;
        let mut named = BTreeSet::new();
        for row in self.observations.iter() {
            if last.replace(row.measure) != Some(row.measure) {
                named.insert(row.measure);
            }
        }
        for new in &self.measures {
            named.remove(&new.row.id);
        }
        named.into_iter().collect()
    }
}

/// The units of figures, each once a revision, in the order of their table's primary key.
fn touched(observations: &[ObservationRow]) -> Vec<TouchedRow> {
    let mut touched: Vec<TouchedRow> = observations
        .iter()
        .map(|row| TouchedRow { unit: row.unit, revision: row.revision })
        .collect();
    touched.dedup();
    touched.sort_unstable();
    touched
}

/// All figures in the order of their primary key, so that each insert is next to the one before.
fn in_order(commits: &[Commit]) -> Cow<'_, [ObservationRow]> {
    if let [commit] = commits
        && commit.observations.is_sorted_by_key(ObservationRow::key)
    {
        return Cow::Borrowed(&commit.observations);
    }
    let mut rows: Vec<ObservationRow> =
        commits.iter().flat_map(|commit| &commit.observations).copied().collect();
    rows.sort_unstable_by_key(ObservationRow::key);
    Cow::Owned(rows)
}
