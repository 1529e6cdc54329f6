//! The one way into the ledger. One source for all backends, included like `reads.rs`; the backend opens the transaction, because each
//! has its own way to keep other writers out of it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::super::chain;
use super::super::error::StoreError;
use super::super::rows::{
    Commit, Declaration, DeclarationRow, Head, KeyRow, KeyUseRow, MeasureRow, ObservationRow,
    RecordedCommit, RevisionRow, SubmissionRow, WriteOutcome,
};
use super::super::schema::{
    catalogue_versions, closings, declarations, idempotency_keys, key_uses, measures, observations,
    revisions, submissions, touched_units, unit_numbers, unit_versions,
};
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

/// So many idempotency keys are looked up in one statement, and so many forgotten at once.
const KEYS_A_STATEMENT: usize = 1_000;
const FORGET_AT_ONCE: i64 = 10_000;
/// So many revisions are read at a time where the chain is computed.
const COMMITS_AT_ONCE: i64 = 16;

/// A submission to write. Its own texts: diesel keeps prepared only statements over types without lifetimes.
#[derive(Insertable)]
#[diesel(table_name = submissions, treat_none_as_default_value = false)]
struct NewSubmission {
    revision: i64,
    #[diesel(embed)]
    row: SubmissionRow,
}

/// A measure's number to write.
#[derive(Insertable)]
#[diesel(table_name = measures, treat_none_as_default_value = false)]
struct NewMeasure {
    revision: i64,
    #[diesel(embed)]
    row: MeasureRow,
}

/// A unit's number to write.
#[derive(Insertable)]
#[diesel(table_name = unit_numbers, treat_none_as_default_value = false)]
struct NewUnit {
    number: i64,
    code: String,
    revision: i64,
}

/// A unit's version to write.
#[derive(Insertable)]
#[diesel(table_name = unit_versions, treat_none_as_default_value = false)]
struct NewVersion {
    unit: i64,
    revision: i64,
    document: String,
}

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

/// Appends commits behind `expected`, the head that the caller knows, and keeps the answers to idempotency keys. Runs inside the
/// backend's writing transaction.
pub fn append(
    db: &mut Db,
    expected: i64,
    commits: &[Commit],
    keys: &[KeyRow],
) -> Result<WriteOutcome, StoreError> {
    let (head, hash) = reads::head_and_hash(db)?;
    if head.revision != expected || any_taken(db, keys)? {
        return Ok(WriteOutcome::Behind(head));
    }
    check_order(head, commits)?;
    insert_all!(db, idempotency_keys::table, keys);
    if commits.is_empty() {
        return Ok(WriteOutcome::Written);
    }
    append_revisions(db, hash, commits)?;
    append_small(db, commits)?;
    let rows = in_order(commits);
    check_measures(db, &rows)?;
    let mut touched: Vec<TouchedRow> =
        rows.iter().map(|row| TouchedRow { unit: row.unit, revision: row.revision }).collect();
    touched.dedup();
    touched.sort_unstable();
    insert_all!(db, touched_units::table, touched);
    insert_all!(db, observations::table, rows);
    Ok(WriteOutcome::Written)
}

/// Whether one of the keys has been answered already: another instance was faster.
fn any_taken(db: &mut Db, keys: &[KeyRow]) -> QueryResult<bool> {
    for part in keys.chunks(KEYS_A_STATEMENT) {
        let named: Vec<&str> = part.iter().map(|key| key.key.as_str()).collect();
        let found: Vec<KeyRow> = idempotency_keys::table
            .filter(idempotency_keys::key.eq_any(named))
            .select(KeyRow::as_select())
            .load(db)?;
        let same = |one: &KeyRow, other: &KeyRow| {
            (&one.holder, &one.target, &one.key) == (&other.holder, &other.target, &other.key)
        };
        if found.iter().any(|found| part.iter().any(|key| same(found, key))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes answers to idempotency keys that are older than a time, a bounded number at once.
pub fn forget_keys(db: &mut Db, before: i64) -> QueryResult<usize> {
    let oldest = idempotency_keys::table
        .filter(idempotency_keys::recorded_at.lt(before))
        .order(idempotency_keys::recorded_at);
    let times: Vec<i64> =
        oldest.select(idempotency_keys::recorded_at).limit(FORGET_AT_ONCE).load(db)?;
    let Some(last) = times.last() else { return Ok(0) };
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::recorded_at.le(last)))
        .execute(db)
}

/// Keeps when keys were last used; what is known to be later stays.
pub fn note_key_uses(db: &mut Db, uses: &[KeyUseRow]) -> QueryResult<()> {
    for row in uses {
        let found: Option<i64> =
            key_uses::table.find(&row.key).select(key_uses::last_used_at).first(db).optional()?;
        if found.is_some_and(|known| known >= row.last_used_at) {
            continue;
        }
        let set = (key_uses::last_used_at.eq(row.last_used_at), key_uses::address.eq(&row.address));
        diesel::insert_into(key_uses::table)
            .values(row)
            .on_conflict(key_uses::key)
            .do_update()
            .set(set)
            .execute(db)?;
    }
    Ok(())
}

/// Whether a commit whose writing ended without an answer is in the ledger. Runs inside a writing transaction, which waits for one
/// that may still be under way.
pub fn recorded(db: &mut Db, commit: &Commit) -> QueryResult<bool> {
    let found = revisions::table
        .find(commit.revision)
        .select(RevisionRow::as_select())
        .first(db)
        .optional()?;
    let same = |row: &RevisionRow| {
        (row.recorded_at, &row.kind, &row.actor, &row.reason, &row.origin)
            == (commit.recorded_at, &commit.kind, &commit.actor, &commit.reason, &commit.origin)
    };
    if !found.is_some_and(|row| same(&row)) {
        return Ok(false);
    }
    let id: Option<String> =
        submissions::table.find(commit.revision).select(submissions::id).first(db).optional()?;
    Ok(id.as_deref() == commit.submission.as_ref().map(|submission| submission.id.as_str()))
}

/// Gives the revisions of a ledger of the first format their hashes.
pub fn fill_hashes(db: &mut Db) -> Result<(), StoreError> {
    let missing: i64 =
        revisions::table.filter(revisions::hash.is_null()).select(count_star()).first(db)?;
    if missing == 0 {
        return Ok(());
    }
    tracing::info!(revisions = missing, "computing the hash chain of a ledger of the first format");
    let newest = reads::head(db)?.revision;
    let (mut last, mut hash) = (0, chain::beginning());
    while last < newest {
        let commits = reads::commits(db, last..newest.min(last.saturating_add(COMMITS_AT_ONCE)))?;
        for RecordedCommit { commit, .. } in &commits {
            hash = chain::hash(&hash, commit);
            let row = revisions::table.find(commit.revision);
            diesel::update(row).set(revisions::hash.eq(chain::digits(&hash))).execute(db)?;
            last = commit.revision;
        }
    }
    Ok(())
}

/// Writes the revisions and what they say of submissions.
fn append_revisions(db: &mut Db, mut hash: chain::Hash, commits: &[Commit]) -> QueryResult<()> {
    let mut rows = Vec::with_capacity(commits.len());
    for commit in commits {
        hash = chain::hash(&hash, commit);
        rows.push(RevisionRow {
            revision: commit.revision,
            recorded_at: commit.recorded_at,
            kind: commit.kind.clone(),
            actor: commit.actor.clone(),
            reason: commit.reason.clone(),
            hash: Some(chain::digits(&hash)),
            origin: commit.origin.clone(),
        });
    }
    insert_all!(db, revisions::table, rows);
    let sent = commits.iter().filter_map(|commit| {
        Some(NewSubmission { revision: commit.revision, row: commit.submission.clone()? })
    });
    let sent: Vec<NewSubmission> = sent.collect();
    insert_all!(db, submissions::table, sent);
    Ok(())
}

/// A ledger's order: revisions without gaps, times that never go back, figures that belong to their commit.
fn check_order(head: Head, commits: &[Commit]) -> Result<(), StoreError> {
    let mut last = head;
    for commit in commits {
        if commit.revision != last.revision.saturating_add(1) {
            return Err(StoreError::Invalid(format!(
                "Revision {} cannot follow revision {}.",
                commit.revision, last.revision
            )));
        }
        if commit.recorded_at < last.recorded_at {
            return Err(StoreError::Invalid(format!(
                "Revision {} is dated before the revision it follows.",
                commit.revision
            )));
        }
        if commit.observations.iter().any(|row| row.revision != commit.revision) {
            return Err(StoreError::Invalid(format!(
                "Revision {} brings figures of another revision.",
                commit.revision
            )));
        }
        last = Head { revision: commit.revision, recorded_at: commit.recorded_at };
    }
    Ok(())
}

/// Writes what commits say of dictionaries, units, declarations, catalogue and closed months. Of the first two there may be 50,000 at
/// once, of declarations 10,000, and with PostgreSQL each statement waits for an answer.
fn append_small(db: &mut Db, commits: &[Commit]) -> QueryResult<()> {
    let (mut named, mut numbered, mut versions, mut declared) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for commit in commits {
        let revision = commit.revision;
        named.extend(
            commit.new_measures.iter().map(|row| NewMeasure { revision, row: row.clone() }),
        );
        numbered.extend(commit.new_units.iter().map(|(number, code)| NewUnit {
            number: *number,
            code: code.clone(),
            revision,
        }));
        versions.extend(commit.unit_versions.iter().map(|(unit, document)| NewVersion {
            unit: *unit,
            revision,
            document: document.clone(),
        }));
        declared.extend(commit.declarations.iter().map(|declaration| {
            let Declaration { kind, code, document } = declaration.clone();
            DeclarationRow { revision, kind, code, document }
        }));
    }
    insert_all!(db, measures::table, named);
    insert_all!(db, unit_numbers::table, numbered);
    insert_all!(db, unit_versions::table, versions);
    insert_all!(db, declarations::table, declared);
    for commit in commits {
        let revision = commit.revision;
        if let Some((version, document)) = &commit.catalogue {
            let row = (
                catalogue_versions::version.eq(version),
                catalogue_versions::revision.eq(revision),
                catalogue_versions::document.eq(document.as_str()),
            );
            diesel::insert_into(catalogue_versions::table).values(row).execute(db)?;
        }
        for (month, closed) in &commit.closings {
            let row = (
                closings::revision.eq(revision),
                closings::month.eq(month),
                closings::closed.eq(i64::from(*closed)),
            );
            diesel::insert_into(closings::table).values(row).execute(db)?;
        }
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
    let mut rows: Vec<ObservationRow> =
        commits.iter().flat_map(|commit| &commit.observations).copied().collect();
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
        let known: i64 =
            measures::table.filter(measures::id.eq_any(part)).select(count_star()).first(db)?;
        if usize::try_from(known) != Ok(part.len()) {
            return Err(StoreError::Invalid(
                "A figure names a measure that the ledger does not hold.".to_owned(),
            ));
        }
    }
    Ok(())
}
