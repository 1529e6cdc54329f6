//! Every question to the ledger. One source for all backends: each backend's file includes this one with its own `Db`, the type of
//! its connection (diesel's generics would need a page of bounds to say the same, and its derived enum cannot batch).

use std::collections::HashSet;
use std::ops::Range;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::super::replay::Take;
use super::super::rows::{
    CatalogueVersion, Head, MeasureRow, ObservationKey, ObservationQuery, ObservationRow, RevisionRow, SubmissionRecord, SubmissionRow, UnitRow,
};
use super::super::schema::{catalogue_versions, measures, observations, revisions, submissions, touched_units, unit_numbers, unit_versions};
use super::Db;

/// Lists up to this length are handed to the database; longer ones are looked up here, which has no bound on binds and is no slower:
/// so many units are a good part of the ledger anyway.
const SHORT_LIST: usize = 200;
/// So many rows are read at a time where they are chosen here.
const SCAN: u32 = 4096;
/// So many revisions are asked for in one statement; SQLite takes at most 32,766 values.
const REVISIONS_A_STATEMENT: usize = 10_000;

/// The condition that a figure stands behind a place. A row value, which both SQLite and PostgreSQL turn into one search of the primary
/// key; they do not for the same spelled out with AND and OR. A macro, because the expression's type is too long to be written.
macro_rules! behind {
    ($key:expr) => {
        sql::<Bool>("(observations.revision, observations.unit, observations.measure, observations.month) > (")
            .bind::<BigInt, _>($key.revision)
            .sql(", ")
            .bind::<BigInt, _>($key.unit)
            .sql(", ")
            .bind::<BigInt, _>($key.measure)
            .sql(", ")
            .bind::<BigInt, _>($key.month)
            .sql(")")
    };
}

diesel::alias!(unit_versions as later_versions: LaterVersions);

/// The newest revision.
pub fn head(db: &mut Db) -> QueryResult<Head> {
    let newest = revisions::table.order(revisions::revision.desc()).select((revisions::revision, revisions::recorded_at)).first(db).optional()?;
    Ok(newest.unwrap_or_default())
}

/// The newest revision recorded at that time or before. `recorded_at` never goes back, so halving finds it without an index.
pub fn head_at(db: &mut Db, time: i64) -> QueryResult<Head> {
    let mut found = Head::default();
    let mut too_late = head(db)?;
    if too_late.recorded_at <= time {
        return Ok(too_late);
    }
    while too_late.revision - found.revision > 1 {
        let revision = found.revision.midpoint(too_late.revision);
        let recorded_at = revisions::table.find(revision).select(revisions::recorded_at).first(db)?;
        let middle = Head { revision, recorded_at };
        if recorded_at <= time { found = middle } else { too_late = middle }
    }
    Ok(found)
}

/// The revisions behind one, in order.
pub fn revisions_after(db: &mut Db, after: i64, limit: u32) -> QueryResult<Vec<RevisionRow>> {
    revisions::table.filter(revisions::revision.gt(after)).order(revisions::revision).limit(i64::from(limit)).select(RevisionRow::as_select()).load(db)
}

/// The newest catalogue.
pub fn catalogue(db: &mut Db) -> QueryResult<Option<CatalogueVersion>> {
    catalogue_versions::table.order(catalogue_versions::version.desc()).select(CatalogueVersion::as_select()).first(db).optional()
}

/// One version of the catalogue.
pub fn catalogue_version(db: &mut Db, version: i64) -> QueryResult<Option<CatalogueVersion>> {
    catalogue_versions::table.find(version).select(CatalogueVersion::as_select()).first(db).optional()
}

/// All versions of the catalogue, without their documents: version and revision.
pub fn catalogue_list(db: &mut Db) -> QueryResult<Vec<(i64, i64)>> {
    catalogue_versions::table.order(catalogue_versions::version).select((catalogue_versions::version, catalogue_versions::revision)).load(db)
}

/// The units as they were at a revision: the newest version of each up to it.
pub fn units(db: &mut Db, up_to: i64) -> QueryResult<Vec<UnitRow>> {
    let superseded = later_versions
        .filter(later_versions.field(unit_versions::unit).eq(unit_versions::unit))
        .filter(later_versions.field(unit_versions::revision).gt(unit_versions::revision))
        .filter(later_versions.field(unit_versions::revision).le(up_to));
    unit_versions::table
        .inner_join(unit_numbers::table)
        .filter(unit_versions::revision.le(up_to))
        .filter(not(exists(superseded)))
        .order(unit_numbers::number)
        .select((unit_numbers::number, unit_numbers::code, unit_versions::revision, unit_versions::document))
        .load(db)
}

/// The dictionary of units: number and code.
pub fn unit_numbers(db: &mut Db) -> QueryResult<Vec<(i64, String)>> {
    unit_numbers::table.order(unit_numbers::number).load(db)
}

/// The dictionary of measures.
pub fn measures(db: &mut Db) -> QueryResult<Vec<MeasureRow>> {
    measures::table.order(measures::id).select(MeasureRow::as_select()).load(db)
}

/// Hands over the figures behind a revision up to another, page by page, until there are no more or nobody takes them. One statement:
/// going on behind the last key of each page reads a third slower.
pub fn replay(db: &mut Db, window: Range<i64>, rows_a_page: usize, take: Take<'_>) -> QueryResult<()> {
    let rows = observations::table
        .filter(observations::revision.gt(window.start))
        .filter(observations::revision.le(window.end))
        .order((observations::revision, observations::unit, observations::measure, observations::month))
        .select(ObservationRow::as_select())
        .load_iter::<ObservationRow, DefaultLoadingMode>(db)?;
    let mut page = Vec::new();
    for row in rows {
        page.push(row?);
        if page.len() == rows_a_page && !take(std::mem::replace(&mut page, Vec::with_capacity(rows_a_page))) {
            return Ok(());
        }
    }
    take(page);
    Ok(())
}

/// The figures that a query asks for.
pub fn observations(db: &mut Db, query: &ObservationQuery) -> QueryResult<Vec<ObservationRow>> {
    let far_units: Option<HashSet<i64>> = long(query.units.as_deref());
    let far_measures: Option<HashSet<i64>> = long(query.measures.as_deref());
    let choose_here = far_units.is_some() || far_measures.is_some();
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let size = if choose_here { query.limit.max(SCAN) } else { query.limit };
    let mut after = query.after.unwrap_or(ObservationKey::end_of(query.after_revision.unwrap_or(0)));
    let mut found = Vec::new();
    loop {
        let rows = narrowed_page(db, query, after, size)?;
        let read = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let Some(last) = rows.last() else { break };
        after = last.key();
        found.extend(rows.into_iter().filter(|row| {
            far_units.as_ref().is_none_or(|units| units.contains(&row.unit)) && far_measures.as_ref().is_none_or(|measures| measures.contains(&row.measure))
        }));
        if read < size || found.len() >= wanted {
            break;
        }
    }
    found.truncate(wanted);
    Ok(found)
}

/// One page of a query as far as the database can narrow it: all but the long lists.
fn narrowed_page(db: &mut Db, query: &ObservationQuery, after: ObservationKey, limit: u32) -> QueryResult<Vec<ObservationRow>> {
    // The same restrictions over two sources of rows, which diesel gives two types.
    macro_rules! narrowed {
        ($rows:expr) => {{
            let mut rows = $rows
                .filter(behind!(after))
                .filter(observations::revision.gt(query.after_revision.unwrap_or(0)))
                .filter(observations::revision.le(query.up_to_revision.unwrap_or(i64::MAX)))
                .order((observations::revision, observations::unit, observations::measure, observations::month))
                .limit(i64::from(limit))
                .select(ObservationRow::as_select())
                .into_boxed();
            if let Some(measures) = short(query.measures.as_deref()) {
                rows = rows.filter(observations::measure.eq_any(measures));
            }
            if let Some(month) = query.from_month {
                rows = rows.filter(observations::month.ge(month));
            }
            if let Some(month) = query.to_month {
                rows = rows.filter(observations::month.le(month));
            }
            rows
        }};
    }
    let Some(units) = short(query.units.as_deref()) else {
        return narrowed!(observations::table).load(db);
    };
    let same = touched_units::revision.eq(observations::revision).and(touched_units::unit.eq(observations::unit));
    let touched = touched_units::unit.eq_any(units).and(touched_units::revision.ge(after.revision));
    narrowed!(touched_units::table.inner_join(observations::table.on(same)).filter(touched)).load(db)
}

/// A list that the database is handed.
fn short(list: Option<&[i64]>) -> Option<&[i64]> {
    list.filter(|numbers| numbers.len() <= SHORT_LIST)
}

/// A list that is looked up here.
fn long(list: Option<&[i64]>) -> Option<HashSet<i64>> {
    list.filter(|numbers| numbers.len() > SHORT_LIST).map(|numbers| numbers.iter().copied().collect())
}

/// A submission by its identifier.
pub fn submission(db: &mut Db, id: &str) -> QueryResult<Option<SubmissionRecord>> {
    let record = (RevisionRow::as_select(), SubmissionRow::as_select());
    submissions::table.inner_join(revisions::table).filter(submissions::id.eq(id)).select(record).first(db).optional()
}

/// The submissions of some revisions, in the order of the revisions; revisions that are no submission are left out.
pub fn submissions_of(db: &mut Db, numbers: &[i64]) -> QueryResult<Vec<SubmissionRecord>> {
    let mut found: Vec<SubmissionRecord> = Vec::with_capacity(numbers.len());
    for part in numbers.chunks(REVISIONS_A_STATEMENT) {
        let record = (RevisionRow::as_select(), SubmissionRow::as_select());
        found.extend(submissions::table.inner_join(revisions::table).filter(submissions::revision.eq_any(part)).select(record).load::<SubmissionRecord>(db)?);
    }
    found.sort_unstable_by_key(|record| record.revision.revision);
    found.dedup_by_key(|record| record.revision.revision);
    Ok(found)
}
