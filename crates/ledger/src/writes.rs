//! The only way to write to the ledger. One source for all backends, included like `reads.rs`; the
//! backend opens the transaction, because each one has its own way to block other writers.

use diesel::prelude::*;

use super::super::chain;
use super::super::error::StoreError;
use super::super::new_rows::NewRows;
use super::super::numbers::TimestampMicros;
use super::super::outcome::AppendOutcome;
use super::super::revision::{ExpectedHead, RevisionId};
use super::super::rows::{
    ApiKeyUsageRow, Commit, DraftRow, IdempotencyRow, LedgerHead, PageChange, RevisionRow,
};
use super::super::schema::{drafts, idempotency_keys, key_uses, revisions, sessions, submissions};
use super::Db;

/// Most responses to idempotency keys that are deleted at once.
const FORGET_AT_ONCE: i64 = 10_000;
/// Most drafts of one person.
const DRAFTS_OF_ONE: i64 = 20;

/// Appends commits after `expected`, the newest revision that the caller knows, and stores the
/// responses to idempotency keys. Runs inside the backend's writing transaction; `newest` is the
/// ledger's newest revision, read in this transaction.
pub fn append(
    db: &mut Db,
    expected: ExpectedHead,
    newest: (LedgerHead, chain::Hash),
    commits: &[Commit],
    keys: &[IdempotencyRow],
) -> Result<AppendOutcome, StoreError> {
    let (head, hash) = newest;
    let replaced = expected.hash.is_some_and(|known| {
        head.revision < expected.number || (head.revision == expected.number && hash != known)
    });
    if replaced {
        return Ok(AppendOutcome::OtherHistory(RevisionId { number: head.revision, hash }));
    }
    if head.revision != expected.number {
        return Ok(AppendOutcome::Behind(head));
    }
    check_order(head, commits)?;
    let rows = NewRows::of(commits, keys, hash, super::SEALED_AFTERWARDS);
    let measures = rows.known_measures();
    let found = super::batch::check(db, head.revision, keys, &measures)?;
    // Another instance was faster.
    if found.is_key_taken {
        return Ok(AppendOutcome::Behind(head));
    }
    if found.is_next_taken {
        return Err(StoreError::next_is_taken(head.revision));
    }
    // This replaces a foreign key, which would look up every single figure.
    if found.measures != measures.len() {
        return Err(StoreError::Invalid(
            "A figure names a measure that is not in the ledger's dictionary.".to_owned(),
        ));
    }
    super::batch::insert(db, &rows)?;
    Ok(AppendOutcome::Written(rows.hashes))
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
