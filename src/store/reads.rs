//! Every question to the ledger. One source for all backends: each backend's file includes this one with its own `Db`, the type of
//! its connection (diesel's generics would need a page of bounds to say the same, and its derived enum cannot batch).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};

use super::super::chain;
use super::super::replay::Take;
use super::super::rows::{
    Brought, CatalogueVersion, ClosingRow, Commit, Declaration, DeclarationRow, Head, KeyRow,
    KeyUseRow, MeasureRow, ObservationKey, ObservationQuery, ObservationRow, REPORT,
    RecordedCommit, RevisionRow, SubmissionRecord, SubmissionRow, UnitRow,
};
use super::super::schema::{
    catalogue_versions, closings, declarations, idempotency_keys, key_uses, measures, observations,
    revisions, submissions, touched_units, unit_numbers, unit_versions,
};
use super::Db;

/// Lists up to this length are handed to the database; longer ones are looked up here, which has no bound on binds and is no slower:
/// so many units are a good part of the ledger anyway.
const SHORT_LIST: usize = 200;
/// So many rows are read at a time where they are chosen here.
const SCAN: u32 = 4096;
/// So many revisions are asked for in one statement; SQLite takes at most 32,766 values.
const REVISIONS_A_STATEMENT: usize = 10_000;
/// So many revisions' times are read in one statement.
const TIMES_A_STATEMENT: i64 = 50_000;

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
diesel::alias!(declarations as later_declarations: LaterDeclarations);

/// The newest revision.
pub fn head(db: &mut Db) -> QueryResult<Head> {
    let newest = revisions::table
        .order(revisions::revision.desc())
        .select((revisions::revision, revisions::recorded_at))
        .first(db)
        .optional()?;
    Ok(newest.unwrap_or_default())
}

/// The newest revision and the hash that the next one follows.
pub fn head_and_hash(db: &mut Db) -> QueryResult<(Head, chain::Hash)> {
    let newest = revisions::table
        .order(revisions::revision.desc())
        .select(RevisionRow::as_select())
        .first(db)
        .optional()?;
    let Some(row) = newest else { return Ok((Head::default(), chain::beginning())) };
    let hash = row
        .hash
        .as_deref()
        .and_then(chain::read)
        .ok_or_else(|| unreadable("a revision without a hash"))?;
    Ok((Head { revision: row.revision, recorded_at: row.recorded_at }, hash))
}

/// One revision.
pub fn revision(db: &mut Db, number: i64) -> QueryResult<Option<RevisionRow>> {
    revisions::table.find(number).select(RevisionRow::as_select()).first(db).optional()
}

fn unreadable(what: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(what.into())
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
        let recorded_at =
            revisions::table.find(revision).select(revisions::recorded_at).first(db)?;
        let middle = Head { revision, recorded_at };
        if recorded_at <= time { found = middle } else { too_late = middle }
    }
    Ok(found)
}

/// The revisions behind one, in order.
pub fn revisions_after(db: &mut Db, after: i64, limit: u32) -> QueryResult<Vec<RevisionRow>> {
    revisions::table
        .filter(revisions::revision.gt(after))
        .order(revisions::revision)
        .limit(i64::from(limit))
        .select(RevisionRow::as_select())
        .load(db)
}

/// Some revisions by their numbers, in order.
pub fn revisions_of(db: &mut Db, numbers: &[i64]) -> QueryResult<Vec<RevisionRow>> {
    let mut found: Vec<RevisionRow> = Vec::with_capacity(numbers.len());
    for part in numbers.chunks(REVISIONS_A_STATEMENT) {
        found.extend(
            revisions::table
                .filter(revisions::revision.eq_any(part))
                .select(RevisionRow::as_select())
                .load::<RevisionRow>(db)?,
        );
    }
    found.sort_unstable_by_key(|row| row.revision);
    Ok(found)
}

/// The catalogue as it was at a revision.
pub fn catalogue(db: &mut Db, up_to: i64) -> QueryResult<Option<CatalogueVersion>> {
    catalogue_versions::table
        .filter(catalogue_versions::revision.le(up_to))
        .order(catalogue_versions::version.desc())
        .select(CatalogueVersion::as_select())
        .first(db)
        .optional()
}

/// One version of the catalogue.
pub fn catalogue_version(db: &mut Db, version: i64) -> QueryResult<Option<CatalogueVersion>> {
    catalogue_versions::table
        .find(version)
        .select(CatalogueVersion::as_select())
        .first(db)
        .optional()
}

/// All versions of the catalogue, without their documents: version and revision.
pub fn catalogue_list(db: &mut Db) -> QueryResult<Vec<(i64, i64)>> {
    catalogue_versions::table
        .order(catalogue_versions::version)
        .select((catalogue_versions::version, catalogue_versions::revision))
        .load(db)
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
        .select((
            unit_numbers::number,
            unit_numbers::code,
            unit_versions::revision,
            unit_versions::document,
        ))
        .load(db)
}

/// The dictionary of units: number and code.
pub fn unit_numbers(db: &mut Db) -> QueryResult<Vec<(i64, String)>> {
    unit_numbers::table
        .order(unit_numbers::number)
        .select((unit_numbers::number, unit_numbers::code))
        .load(db)
}

/// Months closed and reopened up to a revision, in order.
pub fn closings(db: &mut Db, up_to: i64) -> QueryResult<Vec<ClosingRow>> {
    closings_between(db, 0..up_to)
}

/// Months closed and reopened behind a revision up to another.
fn closings_between(db: &mut Db, window: Range<i64>) -> QueryResult<Vec<ClosingRow>> {
    let rows = closings::table
        .filter(closings::revision.gt(window.start))
        .filter(closings::revision.le(window.end));
    let rows: Vec<(i64, i64, i64)> = rows.order((closings::revision, closings::month)).load(db)?;
    Ok(rows
        .into_iter()
        .map(|(revision, month, closed)| ClosingRow { revision, month, closed: closed != 0 })
        .collect())
}

/// Targets and annotations as they were at a revision: the newest version of each up to it, unless it takes it away. What is kept of
/// reports is no such thing.
pub fn declarations(db: &mut Db, up_to: i64) -> QueryResult<Vec<DeclarationRow>> {
    let superseded = later_declarations
        .filter(later_declarations.field(declarations::kind).eq(declarations::kind))
        .filter(later_declarations.field(declarations::code).eq(declarations::code))
        .filter(later_declarations.field(declarations::revision).gt(declarations::revision))
        .filter(later_declarations.field(declarations::revision).le(up_to));
    let newest = declarations::table
        .filter(declarations::revision.le(up_to))
        .filter(declarations::document.is_not_null())
        .filter(declarations::kind.ne(REPORT))
        .filter(not(exists(superseded)));
    let mut rows: Vec<DeclarationRow> = newest.select(DeclarationRow::as_select()).load(db)?;
    rows.sort_unstable_by(|one, other| (&one.kind, &one.code).cmp(&(&other.kind, &other.code))); // here, as in `keys`
    Ok(rows)
}

/// What is kept of the report that a submission was read from.
pub fn report(db: &mut Db, revision: i64, code: &str) -> QueryResult<Option<String>> {
    let row: Option<Option<String>> = declarations::table
        .find((revision, REPORT, code))
        .select(declarations::document)
        .first(db)
        .optional()?;
    Ok(row.flatten())
}

/// The newest version of each declaration of a kind, those taken away left out, by code; and the newest revision that wrote one of the
/// kind, 0 when there is none. Read once, so that both are of one moment.
pub fn declarations_of(db: &mut Db, of: &str) -> QueryResult<(i64, Vec<DeclarationRow>)> {
    let rows: Vec<DeclarationRow> = declarations::table
        .filter(declarations::kind.eq(of))
        .select(DeclarationRow::as_select())
        .load(db)?;
    let newest = rows.iter().map(|row| row.revision).max().unwrap_or(0);
    let mut standing: BTreeMap<String, DeclarationRow> = BTreeMap::new();
    for row in rows {
        if standing.get(&row.code).is_none_or(|known| known.revision < row.revision) {
            standing.insert(row.code.clone(), row);
        }
    }
    Ok((newest, standing.into_values().filter(|row| row.document.is_some()).collect()))
}

/// The newest revision that wrote a declaration of a kind; 0 when there is none.
pub fn declared_last(db: &mut Db, of: &str) -> QueryResult<i64> {
    let newest: Option<i64> = declarations::table
        .filter(declarations::kind.eq(of))
        .select(diesel::dsl::max(declarations::revision))
        .first(db)?;
    Ok(newest.unwrap_or(0))
}

/// When each key was last used, by key.
pub fn key_uses(db: &mut Db) -> QueryResult<Vec<KeyUseRow>> {
    let mut rows: Vec<KeyUseRow> = key_uses::table.select(KeyUseRow::as_select()).load(db)?;
    rows.sort_by(|one, other| one.key.cmp(&other.key)); // here, as in `keys`
    Ok(rows)
}

/// Versions of targets and annotations behind a revision up to another, by revision, kind and code.
fn declarations_between(db: &mut Db, window: Range<i64>) -> QueryResult<Vec<DeclarationRow>> {
    let rows = declarations::table
        .filter(declarations::revision.gt(window.start))
        .filter(declarations::revision.le(window.end));
    let mut rows: Vec<DeclarationRow> = rows.select(DeclarationRow::as_select()).load(db)?;
    rows.sort_unstable_by(|one, other| {
        (one.revision, &one.kind, &one.code).cmp(&(other.revision, &other.kind, &other.code))
    }); // here, as in `keys`
    Ok(rows)
}

/// When each revision up to one was recorded.
pub fn times(db: &mut Db, up_to: i64) -> QueryResult<Vec<i64>> {
    let mut found: Vec<i64> = Vec::new();
    let mut last = 0;
    while last < up_to {
        let rows = revisions::table
            .filter(revisions::revision.gt(last))
            .filter(revisions::revision.le(up_to))
            .order(revisions::revision);
        let rows: Vec<(i64, i64)> = rows
            .select((revisions::revision, revisions::recorded_at))
            .limit(TIMES_A_STATEMENT)
            .load(db)?;
        let before = last;
        for (revision, recorded_at) in rows {
            if revision != last + 1 {
                return Err(unreadable("a revision that does not follow the one before it"));
            }
            found.push(recorded_at);
            last = revision;
        }
        if last - before < TIMES_A_STATEMENT {
            break;
        }
    }
    Ok(found)
}

/// The answer to an idempotency key.
pub fn key(db: &mut Db, holder: &str, target: &str, key: &str) -> QueryResult<Option<KeyRow>> {
    idempotency_keys::table
        .find((holder, target, key))
        .select(KeyRow::as_select())
        .first(db)
        .optional()
}

/// All answers to idempotency keys, by their keys.
pub fn keys(db: &mut Db) -> QueryResult<Vec<KeyRow>> {
    let order = (idempotency_keys::holder, idempotency_keys::target, idempotency_keys::key);
    let mut rows: Vec<KeyRow> =
        idempotency_keys::table.order(order).select(KeyRow::as_select()).load(db)?;
    // Databases order texts each in their own way; this is everybody's.
    rows.sort_by(|one, other| {
        (&one.holder, &one.target, &one.key).cmp(&(&other.holder, &other.target, &other.key))
    });
    Ok(rows)
}

/// What the revisions behind one up to another wrote, whole.
pub fn commits(db: &mut Db, window: Range<i64>) -> QueryResult<Vec<RecordedCommit>> {
    macro_rules! between {
        ($column:expr) => {
            $column.gt(window.start).and($column.le(window.end))
        };
    }
    let rows: Vec<RevisionRow> = revisions::table
        .filter(between!(revisions::revision))
        .order(revisions::revision)
        .select(RevisionRow::as_select())
        .load(db)?;
    let mut found: BTreeMap<i64, RecordedCommit> = BTreeMap::new();
    for row in rows {
        let RevisionRow { revision, recorded_at, kind, actor, reason, hash, origin } = row;
        found.insert(
            revision,
            RecordedCommit {
                commit: Commit {
                    revision,
                    recorded_at,
                    kind,
                    actor,
                    reason,
                    origin,
                    ..Commit::default()
                },
                hash,
            },
        );
    }
    // What names a revision that is not there would be lost on the way; it is told instead.
    let mut put = |revision: i64, add: &mut dyn FnMut(&mut Commit)| match found.get_mut(&revision) {
        Some(recorded) => {
            add(&mut recorded.commit);
            Ok(())
        }
        None => Err(unreadable("a row of a revision that is not there")),
    };
    let sent = submissions::table
        .filter(between!(submissions::revision))
        .select((submissions::revision, SubmissionRow::as_select()));
    for (revision, row) in sent.load::<(i64, SubmissionRow)>(db)? {
        put(revision, &mut |commit| commit.submission = Some(row.clone()))?;
    }
    let named = measures::table
        .filter(between!(measures::revision))
        .order(measures::id)
        .select((measures::revision, MeasureRow::as_select()));
    for (revision, row) in named.load::<(i64, MeasureRow)>(db)? {
        put(revision, &mut |commit| commit.new_measures.push(row.clone()))?;
    }
    let numbered =
        unit_numbers::table.filter(between!(unit_numbers::revision)).order(unit_numbers::number);
    for (number, code, revision) in numbered.load::<(i64, String, i64)>(db)? {
        put(revision, &mut |commit| commit.new_units.push((number, code.clone())))?;
    }
    let versions =
        unit_versions::table.filter(between!(unit_versions::revision)).order(unit_versions::unit);
    for (unit, revision, document) in versions.load::<(i64, i64, String)>(db)? {
        put(revision, &mut |commit| commit.unit_versions.push((unit, document.clone())))?;
    }
    let versions = catalogue_versions::table
        .filter(between!(catalogue_versions::revision))
        .select(CatalogueVersion::as_select());
    for row in versions.load::<CatalogueVersion>(db)? {
        put(row.revision, &mut |commit| {
            commit.catalogue = Some((row.version, row.document.clone()))
        })?;
    }
    for row in closings_between(db, window.clone())? {
        put(row.revision, &mut |commit| commit.closings.push((row.month, row.closed)))?;
    }
    for DeclarationRow { revision, kind, code, document } in
        declarations_between(db, window.clone())?
    {
        put(revision, &mut |commit| {
            commit.declarations.push(Declaration {
                kind: kind.clone(),
                code: code.clone(),
                document: document.clone(),
            })
        })?;
    }
    let figures = observations::table.filter(between!(observations::revision));
    let order =
        (observations::revision, observations::unit, observations::measure, observations::month);
    for row in
        figures.order(order).select(ObservationRow::as_select()).load::<ObservationRow>(db)?
    {
        put(row.revision, &mut |commit| commit.observations.push(row))?;
    }
    Ok(found.into_values().collect())
}

/// What revisions behind one up to another brought besides figures.
pub fn brought(
    db: &mut Db,
    window: Range<i64>,
    most_codes: usize,
) -> QueryResult<HashMap<i64, Brought>> {
    let mut found: HashMap<i64, Brought> = HashMap::new();
    let versions = unit_versions::table
        .inner_join(unit_numbers::table)
        .filter(unit_versions::revision.gt(window.start));
    let versions = versions
        .filter(unit_versions::revision.le(window.end))
        .select((unit_versions::revision, unit_numbers::code));
    let mut rows: Vec<(i64, String)> = versions.load(db)?;
    rows.sort_unstable(); // here, as in `keys`
    for (revision, code) in rows {
        let units = &mut found.entry(revision).or_default().units;
        if units.len() < most_codes {
            units.push(code);
        }
    }
    let versions = catalogue_versions::table
        .filter(catalogue_versions::revision.gt(window.start))
        .filter(catalogue_versions::revision.le(window.end));
    for (revision, version) in versions
        .select((catalogue_versions::revision, catalogue_versions::version))
        .load::<(i64, i64)>(db)?
    {
        found.entry(revision).or_default().catalogue = Some(version);
    }
    for row in closings_between(db, window.clone())? {
        found.entry(row.revision).or_default().months.push(row.month);
    }
    let versions = declarations::table
        .filter(declarations::revision.gt(window.start))
        .filter(declarations::revision.le(window.end));
    let versions = versions.filter(declarations::kind.ne(REPORT));
    let mut rows: Vec<(i64, String, String)> = versions
        .select((declarations::revision, declarations::kind, declarations::code))
        .load(db)?;
    rows.sort_unstable();
    for (revision, _, code) in rows {
        let codes = &mut found.entry(revision).or_default().declarations;
        if codes.len() < most_codes {
            codes.push(code);
        }
    }
    Ok(found)
}

/// Rows that stand beside the revisions and that nothing else covers: which revisions touched which unit, as far as it disagrees with
/// the figures. None in a sound ledger.
pub fn untouched(db: &mut Db, window: Range<i64>) -> QueryResult<Vec<(i64, i64)>> {
    let touched = touched_units::table
        .filter(touched_units::revision.gt(window.start))
        .filter(touched_units::revision.le(window.end));
    let touched: BTreeSet<(i64, i64)> = touched
        .load::<(i64, i64)>(db)?
        .into_iter()
        .map(|(unit, revision)| (revision, unit))
        .collect();
    let figures = observations::table
        .filter(observations::revision.gt(window.start))
        .filter(observations::revision.le(window.end));
    let named: BTreeSet<(i64, i64)> = figures
        .select((observations::revision, observations::unit))
        .distinct()
        .load::<(i64, i64)>(db)?
        .into_iter()
        .collect();
    Ok(touched.symmetric_difference(&named).copied().collect())
}

/// The dictionary of measures as it was at a revision.
pub fn measures(db: &mut Db, up_to: i64) -> QueryResult<Vec<MeasureRow>> {
    measures::table
        .filter(measures::revision.le(up_to))
        .order(measures::id)
        .select(MeasureRow::as_select())
        .load(db)
}

/// Hands over the figures behind a revision up to another, page by page, until there are no more or nobody takes them. One statement:
/// going on behind the last key of each page reads a third slower.
pub fn replay(
    db: &mut Db,
    window: Range<i64>,
    rows_a_page: usize,
    take: Take<'_>,
) -> QueryResult<()> {
    let rows = observations::table
        .filter(observations::revision.gt(window.start))
        .filter(observations::revision.le(window.end))
        .order((
            observations::revision,
            observations::unit,
            observations::measure,
            observations::month,
        ))
        .select(ObservationRow::as_select())
        .load_iter::<ObservationRow, DefaultLoadingMode>(db)?;
    let mut page = Vec::new();
    for row in rows {
        page.push(row?);
        if page.len() == rows_a_page
            && !take(std::mem::replace(&mut page, Vec::with_capacity(rows_a_page)))
        {
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
    let mut after =
        query.after.unwrap_or(ObservationKey::end_of(query.after_revision.unwrap_or(0)));
    let mut found = Vec::new();
    loop {
        let rows = narrowed_page(db, query, after, size)?;
        let read = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let Some(last) = rows.last() else { break };
        after = last.key();
        found.extend(rows.into_iter().filter(|row| {
            far_units.as_ref().is_none_or(|units| units.contains(&row.unit))
                && far_measures.as_ref().is_none_or(|measures| measures.contains(&row.measure))
        }));
        if read < size || found.len() >= wanted {
            break;
        }
    }
    found.truncate(wanted);
    Ok(found)
}

/// One page of a query as far as the database can narrow it: all but the long lists.
fn narrowed_page(
    db: &mut Db,
    query: &ObservationQuery,
    after: ObservationKey,
    limit: u32,
) -> QueryResult<Vec<ObservationRow>> {
    // The same restrictions over two sources of rows, which diesel gives two types.
    macro_rules! narrowed {
        ($rows:expr) => {{
            let mut rows = $rows
                .filter(behind!(after))
                .filter(observations::revision.gt(query.after_revision.unwrap_or(0)))
                .filter(observations::revision.le(query.up_to_revision.unwrap_or(i64::MAX)))
                .order((
                    observations::revision,
                    observations::unit,
                    observations::measure,
                    observations::month,
                ))
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
    let same = touched_units::revision
        .eq(observations::revision)
        .and(touched_units::unit.eq(observations::unit));
    let touched = touched_units::unit.eq_any(units).and(touched_units::revision.ge(after.revision));
    narrowed!(touched_units::table.inner_join(observations::table.on(same)).filter(touched))
        .load(db)
}

/// A list that the database is handed.
fn short(list: Option<&[i64]>) -> Option<&[i64]> {
    list.filter(|numbers| numbers.len() <= SHORT_LIST)
}

/// A list that is looked up here.
fn long(list: Option<&[i64]>) -> Option<HashSet<i64>> {
    list.filter(|numbers| numbers.len() > SHORT_LIST)
        .map(|numbers| numbers.iter().copied().collect())
}

/// A submission by its identifier.
pub fn submission(db: &mut Db, id: &str) -> QueryResult<Option<SubmissionRecord>> {
    let record = (RevisionRow::as_select(), SubmissionRow::as_select());
    submissions::table
        .inner_join(revisions::table)
        .filter(submissions::id.eq(id))
        .select(record)
        .first(db)
        .optional()
}

/// The submissions of some revisions, in the order of the revisions; revisions that are no submission are left out.
pub fn submissions_of(db: &mut Db, numbers: &[i64]) -> QueryResult<Vec<SubmissionRecord>> {
    let mut found: Vec<SubmissionRecord> = Vec::with_capacity(numbers.len());
    for part in numbers.chunks(REVISIONS_A_STATEMENT) {
        let record = (RevisionRow::as_select(), SubmissionRow::as_select());
        found.extend(
            submissions::table
                .inner_join(revisions::table)
                .filter(submissions::revision.eq_any(part))
                .select(record)
                .load::<SubmissionRecord>(db)?,
        );
    }
    found.sort_unstable_by_key(|record| record.revision.revision);
    found.dedup_by_key(|record| record.revision.revision);
    Ok(found)
}
