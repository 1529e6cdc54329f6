//! The one way into the ledger. One source for all backends, included like `reads.rs`; the backend opens the transaction, because each
//! has its own way to keep other writers out of it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::super::error::StoreError;
use super::super::rows::{Commit, Head, ObservationRow, WriteOutcome};
use super::super::schema::{catalogue_versions, measures, observations, revisions, submissions, touched_units, unit_numbers, unit_versions};
use super::{Db, reads};

/// Rows of one statement, and of one for what is left over.
///
/// Measured with 50,000 figures a transaction (release, SQLite, rows a second): arrays of 16 and more 850,000 to 950,000, arrays of 8
/// 710,000, single rows 370,000, `Vec`s of 10 270,000 and of 500 530,000. An array's length is part of its type, so diesel
/// keeps its statement prepared; a `Vec`'s statement is written and parsed anew each time. Larger arrays gain nothing.
const ROWS: usize = 32;
const FEW_ROWS: usize = 4;
/// So many measures are looked up in one statement; SQLite takes at most 32,766 values.
const MEASURES_A_STATEMENT: usize = 10_000;

/// Which revisions hold figures of a unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Insertable)]
#[diesel(table_name = touched_units, treat_none_as_default_value = false)]
struct TouchedRow {
    unit: i64,
    revision: i64,
}

/// Inserts a slice of rows in as few cached statements as it takes.
macro_rules! insert_all {
    ($db:expr, $table:expr, $rows:expr) => {{
        let (parts, rest) = $rows.as_chunks::<ROWS>();
        for part in parts {
            diesel::insert_into($table).values(part).execute($db)?;
        }
        let (parts, rest) = rest.as_chunks::<FEW_ROWS>();
        for part in parts {
            diesel::insert_into($table).values(part).execute($db)?;
        }
        for row in rest {
            diesel::insert_into($table).values(row).execute($db)?;
        }
    }};
}

/// Appends commits behind `expected`, the head that the caller knows. Runs inside the backend's writing transaction.
pub fn append(db: &mut Db, expected: i64, commits: &[Commit]) -> Result<WriteOutcome, StoreError> {
    let head = reads::head(db)?;
    if head.revision != expected {
        return Ok(WriteOutcome::Behind(head));
    }
    check_order(head, commits)?;
    for commit in commits {
        append_small(db, commit)?;
    }
    let rows = in_order(commits);
    check_measures(db, &rows)?;
    let mut touched: Vec<TouchedRow> = rows.iter().map(|row| TouchedRow { unit: row.unit, revision: row.revision }).collect();
    touched.dedup();
    touched.sort_unstable();
    insert_all!(db, touched_units::table, touched);
    insert_all!(db, observations::table, rows);
    Ok(WriteOutcome::Written)
}

/// A ledger's order: revisions without gaps, times that never go back, figures that belong to their commit.
fn check_order(head: Head, commits: &[Commit]) -> Result<(), StoreError> {
    let mut last = head;
    for commit in commits {
        if commit.revision != last.revision.saturating_add(1) {
            return Err(StoreError::Invalid(format!("Revision {} cannot follow revision {}.", commit.revision, last.revision)));
        }
        if commit.recorded_at < last.recorded_at {
            return Err(StoreError::Invalid(format!("Revision {} is dated before the revision it follows.", commit.revision)));
        }
        if commit.observations.iter().any(|row| row.revision != commit.revision) {
            return Err(StoreError::Invalid(format!("Revision {} brings figures of another revision.", commit.revision)));
        }
        last = Head { revision: commit.revision, recorded_at: commit.recorded_at };
    }
    Ok(())
}

/// Writes everything of a commit but its figures: a few rows each, by statements that stay prepared.
fn append_small(db: &mut Db, commit: &Commit) -> Result<(), StoreError> {
    let revision = commit.revision;
    diesel::insert_into(revisions::table)
        .values((
            revisions::revision.eq(revision),
            revisions::recorded_at.eq(commit.recorded_at),
            revisions::kind.eq(commit.kind.as_str()),
            revisions::actor.eq(commit.actor.as_str()),
            revisions::reason.eq(commit.reason.as_deref()),
        ))
        .execute(db)?;
    if let Some(submission) = &commit.submission {
        diesel::insert_into(submissions::table).values((submission, submissions::revision.eq(revision))).execute(db)?;
    }
    for measure in &commit.new_measures {
        diesel::insert_into(measures::table).values(measure).execute(db)?;
    }
    for (number, code) in &commit.new_units {
        diesel::insert_into(unit_numbers::table).values((unit_numbers::number.eq(number), unit_numbers::code.eq(code.as_str()))).execute(db)?;
    }
    for (unit, document) in &commit.unit_versions {
        let row = (unit_versions::unit.eq(unit), unit_versions::revision.eq(revision), unit_versions::document.eq(document.as_str()));
        diesel::insert_into(unit_versions::table).values(row).execute(db)?;
    }
    if let Some((version, document)) = &commit.catalogue {
        let row = (catalogue_versions::version.eq(version), catalogue_versions::revision.eq(revision), catalogue_versions::document.eq(document.as_str()));
        diesel::insert_into(catalogue_versions::table).values(row).execute(db)?;
    }
    Ok(())
}

/// All figures in the order of their primary key: then each insert lands beside the one before it.
fn in_order(commits: &[Commit]) -> Cow<'_, [ObservationRow]> {
    if let [commit] = commits
        && commit.observations.is_sorted_by_key(ObservationRow::key)
    {
        return Cow::Borrowed(&commit.observations);
    }
    let mut rows: Vec<ObservationRow> = commits.iter().flat_map(|commit| &commit.observations).copied().collect();
    rows.sort_unstable_by_key(ObservationRow::key);
    Cow::Owned(rows)
}

/// Refuses figures of measures that the dictionary does not hold. In place of a foreign key, which would look up every single row.
fn check_measures(db: &mut Db, rows: &[ObservationRow]) -> Result<(), StoreError> {
    let mut last = None;
    let mut named = BTreeSet::new();
    for row in rows {
        if last.replace(row.measure) != Some(row.measure) {
            named.insert(row.measure);
        }
    }
    let named: Vec<i64> = named.into_iter().collect();
    for part in named.chunks(MEASURES_A_STATEMENT) {
        let known: i64 = measures::table.filter(measures::id.eq_any(part)).select(count_star()).first(db)?;
        if usize::try_from(known) != Ok(part.len()) {
            return Err(StoreError::Invalid("A figure names a measure that the ledger does not hold.".to_owned()));
        }
    }
    Ok(())
}
