//! How SQLite checks and inserts the rows of a batch of commits: statements that diesel keeps
//! prepared, over arrays of rows.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::super::chain;
use super::super::new_rows::NewRows;
use super::super::numbers::{RevisionNumber, StoredMeasure};
use super::super::outcome::BatchChecks;
use super::super::rows::{IdempotencyRow, KeyName};
use super::super::schema::{
    catalogue_versions, closings, declarations, idempotency_keys, measures, observations,
    revisions, submissions, touched_units, unit_numbers, unit_versions,
};
use super::{Db, reads};

/// Rows in one statement, and in one for the remainder.
///
/// Measured with 50,000 figures in a transaction (release, rows a second): arrays of 16 and more
/// 850,000 to 950,000, arrays of 8 710,000, single rows 370,000, `Vec`s of 10 270,000 and of 500
/// 530,000. The length of an array is part of its type, so diesel keeps its statement prepared; the
/// statement of a `Vec` is written and parsed each time. Larger arrays are no faster.
const ROWS: usize = 32;
const FEW_ROWS: usize = 4;
/// Measures that are looked up in one statement; SQLite accepts at most 32,766 parameters.
const MEASURES_A_STATEMENT: usize = 10_000;

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

/// The stored response to a key.
fn response(db: &mut Db, name: KeyName<'_>) -> QueryResult<Option<IdempotencyRow>> {
    idempotency_keys::table
        .find((name.holder, name.target, name.key))
        .select(IdempotencyRow::as_select())
        .first(db)
        .optional()
}

/// The stored responses to keys, in any order.
pub fn responses(db: &mut Db, names: &[KeyName<'_>]) -> QueryResult<Vec<IdempotencyRow>> {
    let mut found = Vec::new();
    for name in names {
        found.extend(response(db, *name)?);
    }
    Ok(found)
}

/// Looks up what could keep a batch from being written after the revision `head`.
pub fn check(
    db: &mut Db,
    head: RevisionNumber,
    keys: &[IdempotencyRow],
    named: &[StoredMeasure],
) -> QueryResult<BatchChecks> {
    let mut is_key_taken = false;
    for key in keys {
        is_key_taken |= response(db, key.name())?.is_some();
    }
    let mut known = 0;
    for part in named.chunks(MEASURES_A_STATEMENT) {
        let found: i64 =
            measures::table.filter(measures::id.eq_any(part)).select(count_star()).first(db)?;
        known += usize::try_from(found).unwrap_or(0);
    }
    let is_next_taken = reads::next_is_taken(db, head)?;
    Ok(BatchChecks { is_key_taken, is_next_taken, measures: known })
}

/// Inserts the rows of a batch, and then the hashes of its revisions, after which nothing can be
/// added to these.
pub fn insert(db: &mut Db, rows: &NewRows<'_>) -> QueryResult<()> {
    insert_all!(db, idempotency_keys::table, rows.keys);
    insert_all!(db, revisions::table, rows.revisions);
    insert_all!(db, submissions::table, rows.submissions);
    insert_all!(db, measures::table, rows.measures);
    insert_all!(db, unit_numbers::table, rows.units);
    insert_all!(db, unit_versions::table, rows.versions);
    insert_all!(db, declarations::table, rows.declarations);
    insert_all!(db, catalogue_versions::table, rows.catalogues);
    insert_all!(db, closings::table, rows.closings);
    insert_all!(db, touched_units::table, rows.touched);
    insert_all!(db, observations::table, rows.observations);
    for (row, hash) in rows.revisions.iter().zip(&rows.hashes) {
        diesel::update(revisions::table.find(row.revision))
            .set(revisions::hash.eq(chain::digits(hash)))
            .execute(db)?;
    }
    Ok(())
}
