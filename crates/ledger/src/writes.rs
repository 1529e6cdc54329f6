//! The only way to write to the ledger. One source for all backends, included like `reads.rs`; the
//! backend opens the transaction, because each one has its own way to block other writers.

use std::borrow::Cow;
use std::collections::BTreeSet;

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::super::chain;
use super::super::error::StoreError;
use super::super::numbers::{RevisionNumber, StoredMeasure, StoredUnit, TimestampMicros};
use super::super::outcome::AppendOutcome;
use super::super::revision::{ExpectedHead, RevisionId};
use super::super::rows::{
    ApiKeyUsageRow, Commit, DeclarationRow, DeclarationVersion, DraftRow, IdempotencyRow,
    LedgerHead, MeasureRow, ObservationRow, PageChange, RevisionRow, SubmissionRow,
};
use super::super::schema::{
    catalogue_versions, closings, declarations, drafts, idempotency_keys, key_uses, measures,
    observations, revisions, sessions, submissions, touched_units, unit_numbers, unit_versions,
};
use super::{Db, reads};

/// Rows in one statement, and in one for the remainder.
///
/// Measured with 50,000 figures in a transaction (release, SQLite, rows a second): arrays of 16 and
/// more 850,000 to 950,000, arrays of 8 710,000, single rows 370,000, `Vec`s of 10 270,000 and of
/// 500 530,000. The length of an array is part of its type, so diesel keeps its statement prepared;
/// the statement of a `Vec` is written and parsed each time. Larger arrays are no faster.
const ROWS: usize = 32;
const FEW_ROWS: usize = 4;
/// Measures that are looked up in one statement; SQLite accepts at most 32,766 parameters.
const MEASURES_A_STATEMENT: usize = 10_000;

/// Idempotency keys that are looked up in one statement, and most that are deleted at once.
const KEYS_A_STATEMENT: usize = 1_000;
const FORGET_AT_ONCE: i64 = 10_000;
/// Most drafts of one person.
const DRAFTS_OF_ONE: i64 = 20;

/// A submission to insert. It owns its texts, because diesel keeps only statements over types
/// without lifetimes prepared.
#[derive(Insertable)]
#[diesel(table_name = submissions, treat_none_as_default_value = false)]
struct NewSubmission {
    revision: RevisionNumber,
    #[diesel(embed)]
    row: SubmissionRow,
}

/// An entry of the dictionary of measures to insert.
#[derive(Insertable)]
#[diesel(table_name = measures, treat_none_as_default_value = false)]
struct NewMeasure {
    revision: RevisionNumber,
    #[diesel(embed)]
    row: MeasureRow,
}

/// An entry of the dictionary of units to insert.
#[derive(Insertable)]
#[diesel(table_name = unit_numbers, treat_none_as_default_value = false)]
struct NewUnit {
    number: StoredUnit,
    code: String,
    revision: RevisionNumber,
}

/// A version of a unit to insert.
#[derive(Insertable)]
#[diesel(table_name = unit_versions, treat_none_as_default_value = false)]
struct NewVersion {
    unit: StoredUnit,
    revision: RevisionNumber,
    document: String,
}

/// A unit of which a revision has figures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Insertable)]
#[diesel(table_name = touched_units, treat_none_as_default_value = false)]
struct TouchedRow {
    unit: StoredUnit,
    revision: RevisionNumber,
}

/// Inserts a slice of rows with as few prepared statements as possible.
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

/// Appends commits after `expected`, the newest revision that the caller knows, and stores the
/// responses to idempotency keys. Runs inside the backend's writing transaction.
pub fn append(
    db: &mut Db,
    expected: ExpectedHead,
    commits: &[Commit],
    keys: &[IdempotencyRow],
) -> Result<AppendOutcome, StoreError> {
    let (head, hash) = reads::head_and_hash(db)?;
    let replaced = expected.hash.is_some_and(|known| {
        head.revision < expected.number || (head.revision == expected.number && hash != known)
    });
    if replaced {
        return Ok(AppendOutcome::OtherHistory(RevisionId { number: head.revision, hash }));
    }
    if head.revision != expected.number || any_taken(db, keys)? {
        return Ok(AppendOutcome::Behind(head));
    }
    check_order(head, commits)?;
    if reads::next_is_taken(db, head.revision)? {
        return Err(StoreError::next_is_taken(head.revision));
    }
    insert_all!(db, idempotency_keys::table, keys);
    if commits.is_empty() {
        return Ok(AppendOutcome::Written(Vec::new()));
    }
    let hashes = append_revisions(db, hash, commits)?;
    append_small(db, commits)?;
    let rows = in_order(commits);
    check_measures(db, &rows)?;
    let mut touched: Vec<TouchedRow> =
        rows.iter().map(|row| TouchedRow { unit: row.unit, revision: row.revision }).collect();
    touched.dedup();
    touched.sort_unstable();
    insert_all!(db, touched_units::table, touched);
    insert_all!(db, observations::table, rows);
    if super::SEALED_AFTERWARDS {
        seal(db, commits, &hashes)?;
    }
    Ok(AppendOutcome::Written(hashes))
}

/// Whether one of the keys already has a response, because another instance was faster.
fn any_taken(db: &mut Db, keys: &[IdempotencyRow]) -> QueryResult<bool> {
    for part in keys.chunks(KEYS_A_STATEMENT) {
        let named: Vec<&str> = part.iter().map(|key| key.key.as_str()).collect();
        let found: Vec<IdempotencyRow> = idempotency_keys::table
            .filter(idempotency_keys::key.eq_any(named))
            .select(IdempotencyRow::as_select())
            .load(db)?;
        let same = |one: &IdempotencyRow, other: &IdempotencyRow| {
            (&one.holder, &one.target, &one.key) == (&other.holder, &other.target, &other.key)
        };
        if found.iter().any(|found| part.iter().any(|key| same(found, key))) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Deletes responses to idempotency keys that are older than a time, a limited number at once.
pub fn purge_idempotency(db: &mut Db, before: TimestampMicros) -> QueryResult<usize> {
    let oldest = idempotency_keys::table
        .filter(idempotency_keys::recorded_at.lt(before))
        .order(idempotency_keys::recorded_at);
    let times: Vec<TimestampMicros> =
        oldest.select(idempotency_keys::recorded_at).limit(FORGET_AT_ONCE).load(db)?;
    let Some(last) = times.last() else { return Ok(0) };
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::recorded_at.le(last)))
        .execute(db)
}

/// Records when API keys were last used; a later recorded use is kept.
pub fn record_api_key_usage(db: &mut Db, uses: &[ApiKeyUsageRow]) -> QueryResult<()> {
    for row in uses {
        let found: Option<TimestampMicros> =
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

/// Changes the tables of the web pages, which are not part of the ledger.
pub fn change_pages(db: &mut Db, change: &PageChange) -> QueryResult<()> {
    match change {
        PageChange::BeginSession(row) => {
            diesel::insert_into(sessions::table).values(row).execute(db)?;
        }
        PageChange::UseSession { id, at } => {
            diesel::update(sessions::table.find(id))
                .filter(sessions::last_used_at.lt(*at))
                .set(sessions::last_used_at.eq(*at))
                .execute(db)?;
        }
        PageChange::EndSession(id) => {
            diesel::delete(sessions::table.find(id)).execute(db)?;
        }
        PageChange::SaveDraft(row) => save_draft(db, row)?,
        PageChange::DeleteDraft { holder, code } => {
            diesel::delete(drafts::table.find((holder, code))).execute(db)?;
        }
        PageChange::Purge { unused_since, begun_before, saved_before } => {
            diesel::delete(sessions::table)
                .filter(
                    sessions::last_used_at
                        .lt(*unused_since)
                        .or(sessions::created_at.lt(*begun_before)),
                )
                .execute(db)?;
            diesel::delete(drafts::table.filter(drafts::saved_at.lt(*saved_before))).execute(db)?;
        }
    }
    Ok(())
}

/// Saves a draft. If its holder then has too many, the oldest are deleted.
fn save_draft(db: &mut Db, row: &DraftRow) -> QueryResult<()> {
    diesel::delete(drafts::table.find((&row.holder, &row.code))).execute(db)?;
    let of_holder = drafts::table.filter(drafts::holder.eq(&row.holder));
    let older: Vec<String> = of_holder
        .order(drafts::saved_at.desc())
        .select(drafts::code)
        .offset(DRAFTS_OF_ONE - 1)
        .limit(i64::MAX)
        .load(db)?;
    for code in older {
        diesel::delete(drafts::table.find((&row.holder, code))).execute(db)?;
    }
    diesel::insert_into(drafts::table).values(row).execute(db)?;
    Ok(())
}

/// Whether the ledger has a commit after its writing was interrupted. Runs inside a writing
/// transaction, so it waits for one that may still be in progress.
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

/// Writes the hashes of revisions, after which nothing can be added to these revisions.
fn seal(db: &mut Db, commits: &[Commit], hashes: &[chain::Hash]) -> QueryResult<()> {
    for (commit, hash) in commits.iter().zip(hashes) {
        diesel::update(revisions::table.find(commit.revision))
            .set(revisions::hash.eq(chain::digits(hash)))
            .execute(db)?;
    }
    Ok(())
}

/// Inserts the revisions and their submissions; returns their hashes.
fn append_revisions(
    db: &mut Db,
    mut hash: chain::Hash,
    commits: &[Commit],
) -> QueryResult<Vec<chain::Hash>> {
    let mut rows = Vec::with_capacity(commits.len());
    let mut hashes = Vec::with_capacity(commits.len());
    for commit in commits {
        hash = chain::hash(&hash, commit);
        hashes.push(hash);
        rows.push(RevisionRow {
            revision: commit.revision,
            recorded_at: commit.recorded_at,
            kind: commit.kind.clone(),
            actor: commit.actor.clone(),
            reason: commit.reason.clone(),
            hash: (!super::SEALED_AFTERWARDS).then(|| chain::digits(&hash)),
            origin: commit.origin.clone(),
        });
    }
    insert_all!(db, revisions::table, rows);
    let sent = commits.iter().filter_map(|commit| {
        Some(NewSubmission { revision: commit.revision, row: commit.submission.clone()? })
    });
    let sent: Vec<NewSubmission> = sent.collect();
    insert_all!(db, submissions::table, sent);
    Ok(hashes)
}

/// Checks the order of the ledger: revisions without gaps, times that never decrease, figures that
/// belong to their commit.
fn check_order(head: LedgerHead, commits: &[Commit]) -> Result<(), StoreError> {
    let mut last = head;
    for commit in commits {
        if commit.revision != last.revision.next() {
            return Err(StoreError::Invalid(format!(
                "Revision {} cannot follow revision {}.",
                commit.revision, last.revision
            )));
        }
        if commit.recorded_at < last.recorded_at {
            return Err(StoreError::Invalid(format!(
                "Revision {} is dated before the revision that it follows.",
                commit.revision
            )));
        }
        if commit.observations.iter().any(|row| row.revision != commit.revision) {
            return Err(StoreError::Invalid(format!(
                "Revision {} has figures of another revision.",
                commit.revision
            )));
        }
        last = LedgerHead { revision: commit.revision, recorded_at: commit.recorded_at };
    }
    Ok(())
}

/// Inserts dictionaries, units, declarations, catalogue and closed months. The first two may have
/// 50,000 rows at once and declarations 10,000, and with PostgreSQL each statement waits for a
/// response.
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
            let DeclarationVersion { kind, code, document } = declaration.clone();
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

/// Refuses figures of measures that are not in the dictionary. It replaces a foreign key, which
/// would look up every single row.
fn check_measures(db: &mut Db, rows: &[ObservationRow]) -> Result<(), StoreError> {
    let mut last = None;
    let mut named = BTreeSet::new();
    for row in rows {
        if last.replace(row.measure) != Some(row.measure) {
            named.insert(row.measure);
        }
    }
    let named: Vec<StoredMeasure> = named.into_iter().collect();
    for part in named.chunks(MEASURES_A_STATEMENT) {
        let known: i64 =
            measures::table.filter(measures::id.eq_any(part)).select(count_star()).first(db)?;
        if usize::try_from(known) != Ok(part.len()) {
            return Err(StoreError::Invalid(
                "A figure names a measure that is not in the ledger's dictionary.".to_owned(),
            ));
        }
    }
    Ok(())
}
