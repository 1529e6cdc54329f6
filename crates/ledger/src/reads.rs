//! All queries to the ledger. One source for all backends: each backend's file includes this one
//! with its own connection type `Db`, because a generic version would need a page of
//! constraints on diesel's types, and diesel's derived enum of connections cannot batch.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use diesel::connection::DefaultLoadingMode;
use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};

use super::super::chain;
use super::super::error::MissingHash;
use super::super::numbers::{
    RevisionNumber, RevisionSpan, StoredMeasure, StoredMonth, StoredUnit, TimestampMicros,
};
use super::super::replay::PartSink;
use super::super::revision::RevisionId;
use super::super::rows::{
    ApiKeyUsageRow, CatalogueVersion, ClosingRow, Commit, DeclarationRow, DeclarationVersion,
    DraftRow, IdempotencyRow, LedgerHead, MeasureRow, ObservationKey, ObservationQuery,
    ObservationRow, REPORT, RecordedCommit, RevisionContents, RevisionRow, SessionRow, StrayRows,
    SubmissionRecord, SubmissionRow, TABLES, UnitRow,
};
use super::super::schema::{
    catalogue_versions, closings, declarations, drafts, idempotency_keys, key_uses, measures,
    observations, revisions, sessions, submissions, touched_units, unit_numbers, unit_versions,
};
use super::super::verified::RevisionPart;
use super::Db;

diesel::define_sql_function! {
    /// Some characters of a text; the first one has the place 1.
    fn substr(text: Text, from: Integer, length: Integer) -> Text;
}

diesel::define_sql_function! {
    /// The bytes of a text.
    fn octet_length(text: Nullable<Text>) -> Nullable<Integer>;
}

/// Lists up to this length are passed to the database. Longer ones are filtered here, which has no
/// limit on parameters and is no slower, because that many units are a large part of the ledger
/// anyway.
const SHORT_LIST: usize = 200;
/// Rows that are read at once where they are filtered here.
const SCAN_ROWS: u32 = 4096;
/// Revisions that are queried in one statement; SQLite accepts at most 32,766 parameters.
const REVISIONS_A_STATEMENT: usize = 10_000;
/// Pairs of a revision and a unit in a statement. The database looks up each of these revisions
/// with each of these units, so that longer lists would cost more than further statements.
const PLACES_A_STATEMENT: usize = 30;
/// The most revisions that one statement reads the times of.
const TIMES_A_STATEMENT: i64 = 50_000;

/// The kinds of revisions that have a submission. A submission row inserted for another kind is not
/// accepted as a receipt.
const SUBMISSIONS: [&str; 2] = ["submission", "withdrawal"];
/// Most rows outside of the chain that are listed for each table.
const STRAYS_A_TABLE: i64 = 100;
/// Most figures and revisions in a window while a whole ledger is read.
const WINDOW_FIGURES: i64 = 32_768;
const WINDOW_REVISIONS: i64 = 256;

/// The condition that a figure comes after a key. It is a row value, because both SQLite and
/// PostgreSQL turn a row value into one search of the primary key, but not the equivalent condition
/// with AND and OR. It is a macro, because the type of the expression is too long to be written.
macro_rules! behind {
    ($key:expr) => {
        sql::<Bool>(
            "(observations.revision, observations.unit, observations.measure, observations.month) \
             > (",
        )
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
pub fn head(db: &mut Db) -> QueryResult<LedgerHead> {
    let newest = revisions::table
        .order(revisions::revision.desc())
        .select((revisions::revision, revisions::recorded_at))
        .first(db)
        .optional()?;
    Ok(newest.unwrap_or_default())
}

/// The newest revision, and the hash that the next one follows.
pub fn head_and_hash(db: &mut Db) -> QueryResult<(LedgerHead, chain::Hash)> {
    let newest = revisions::table
        .order(revisions::revision.desc())
        .select(RevisionRow::as_select())
        .first(db)
        .optional()?;
    let Some(row) = newest else { return Ok((LedgerHead::default(), chain::beginning())) };
    let hash = read_hash(row.revision, row.hash.as_deref())?;
    Ok((LedgerHead { revision: row.revision, recorded_at: row.recorded_at }, hash))
}

/// The newest revision, number and hash.
pub fn newest(db: &mut Db) -> QueryResult<RevisionId> {
    let (head, hash) = head_and_hash(db)?;
    Ok(RevisionId { number: head.revision, hash })
}

/// The hashes of revisions 1 to `up_to`.
pub fn hashes(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Vec<chain::Hash>> {
    let mut found: Vec<chain::Hash> = Vec::new();
    let mut last = RevisionNumber::BEGINNING;
    while last < up_to {
        let rows = revisions::table
            .filter(revisions::revision.gt(last))
            .filter(revisions::revision.le(up_to))
            .order(revisions::revision);
        let rows: Vec<(RevisionNumber, Option<String>)> = rows
            .select((revisions::revision, revisions::hash))
            .limit(TIMES_A_STATEMENT)
            .load(db)?;
        if rows.is_empty() {
            return Err(unreadable("a revision that is missing"));
        }
        for (revision, hash) in rows {
            if revision != last.next() {
                return Err(unreadable("a revision that does not follow the one before it"));
            }
            found.push(read_hash(revision, hash.as_deref())?);
            last = revision;
        }
    }
    Ok(found)
}

/// One revision.
pub fn revision(db: &mut Db, number: RevisionNumber) -> QueryResult<Option<RevisionRow>> {
    revisions::table.find(number).select(RevisionRow::as_select()).first(db).optional()
}

/// The hash of a revision from its digits.
pub fn read_hash(revision: RevisionNumber, digits: Option<&str>) -> QueryResult<chain::Hash> {
    digits
        .and_then(chain::read)
        .ok_or_else(|| diesel::result::Error::DeserializationError(Box::new(MissingHash(revision))))
}

fn unreadable(what: &str) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(what.into())
}

/// The newest revision recorded at `time` or before. `recorded_at` never decreases, so a binary
/// search finds it without an index.
pub fn head_at(db: &mut Db, time: TimestampMicros) -> QueryResult<LedgerHead> {
    let mut found = LedgerHead::default();
    let mut too_late = head(db)?;
    if too_late.recorded_at <= time {
        return Ok(too_late);
    }
    while too_late.revision.since(found.revision) > 1 {
        let revision = RevisionNumber::new(found.revision.get().midpoint(too_late.revision.get()));
        let recorded_at =
            revisions::table.find(revision).select(revisions::recorded_at).first(db)?;
        let middle = LedgerHead { revision, recorded_at };
        if recorded_at <= time { found = middle } else { too_late = middle }
    }
    Ok(found)
}

/// The revisions after one, in order.
pub fn revisions_after(
    db: &mut Db,
    after: RevisionNumber,
    limit: u32,
) -> QueryResult<Vec<RevisionRow>> {
    revisions::table
        .filter(revisions::revision.gt(after))
        .order(revisions::revision)
        .limit(i64::from(limit))
        .select(RevisionRow::as_select())
        .load(db)
}

/// Some revisions by their numbers, in order.
pub fn revisions_of(db: &mut Db, numbers: &[RevisionNumber]) -> QueryResult<Vec<RevisionRow>> {
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

/// The catalogue as of a revision.
pub fn catalogue(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Option<CatalogueVersion>> {
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
pub fn catalogue_list(db: &mut Db) -> QueryResult<Vec<(i64, RevisionNumber)>> {
    catalogue_versions::table
        .order(catalogue_versions::version)
        .select((catalogue_versions::version, catalogue_versions::revision))
        .load(db)
}

/// The units as of a revision: the newest version of each.
pub fn units(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Vec<UnitRow>> {
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
pub fn unit_numbers(db: &mut Db) -> QueryResult<Vec<(StoredUnit, String)>> {
    unit_numbers::table
        .order(unit_numbers::number)
        .select((unit_numbers::number, unit_numbers::code))
        .load(db)
}

/// Closings and reopenings of months up to a revision, in order.
pub fn closings(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Vec<ClosingRow>> {
    closings_between(db, RevisionSpan::first(up_to))
}

/// Closings and reopenings of months in a window of revisions.
fn closings_between(db: &mut Db, window: RevisionSpan) -> QueryResult<Vec<ClosingRow>> {
    let rows = closings::table
        .filter(closings::revision.gt(window.after))
        .filter(closings::revision.le(window.up_to));
    let rows: Vec<(RevisionNumber, StoredMonth, i64)> =
        rows.order((closings::revision, closings::month)).load(db)?;
    Ok(rows
        .into_iter()
        .map(|(revision, month, closed)| ClosingRow { revision, month, closed: closed != 0 })
        .collect())
}

/// Targets and annotations as of a revision: the newest version of each, without removed ones.
/// Stored reports are not among them.
pub fn declarations(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Vec<DeclarationRow>> {
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
    // Sorted here, for the reason given in `keys`
    rows.sort_unstable_by(|one, other| (&one.kind, &one.code).cmp(&(&other.kind, &other.code)));
    Ok(rows)
}

/// The stored part of the report that a submission was read from.
pub fn report(db: &mut Db, revision: RevisionNumber, code: &str) -> QueryResult<Option<String>> {
    let row: Option<Option<String>> = declarations::table
        .find((revision, REPORT, code))
        .select(declarations::document)
        .first(db)
        .optional()?;
    Ok(row.flatten())
}

/// Those of the `count` newest reports that contain a text in their stored part and were not
/// withdrawn, the newest first: their codes and stored parts. One that would make them more than
/// `bytes` together is left out.
pub fn newest_reports(
    db: &mut Db,
    (count, bytes): (i64, i64),
    contained: &str,
) -> QueryResult<Vec<(String, String)>> {
    let newest: Vec<RevisionNumber> = declarations::table
        .filter(declarations::kind.eq(REPORT))
        .order(declarations::revision.desc())
        .limit(count)
        .select(declarations::revision)
        .load(db)?;
    let Some(oldest) = newest.last().copied() else { return Ok(Vec::new()) };
    let withdrawn: Vec<Option<String>> = submissions::table
        .filter(submissions::revision.ge(oldest))
        .filter(submissions::withdraws.is_not_null())
        .select(submissions::withdraws)
        .load(db)?;
    let withdrawn: HashSet<String> =
        withdrawn.into_iter().flatten().map(|id| id.to_lowercase()).collect();
    let found: Vec<(RevisionNumber, String, Option<i32>)> = declarations::table
        .filter(declarations::kind.eq(REPORT))
        .filter(declarations::revision.ge(oldest))
        .filter(declarations::document.like(format!("%{contained}%")))
        .order((declarations::revision.desc(), declarations::code.asc()))
        .select((declarations::revision, declarations::code, octet_length(declarations::document)))
        .load(db)?;
    let mut left = bytes;
    let taken: Vec<RevisionNumber> = found
        .into_iter()
        .filter(|(_, code, _)| !withdrawn.contains(code))
        .filter(|(_, _, length)| {
            let length = i64::from(length.unwrap_or(0));
            let fits = length <= left;
            left -= if fits { length } else { 0 };
            fits
        })
        .map(|(revision, _, _)| revision)
        .collect();
    let rows: Vec<(String, Option<String>)> = declarations::table
        .filter(declarations::kind.eq(REPORT))
        .filter(declarations::revision.eq_any(taken))
        .order((declarations::revision.desc(), declarations::code.asc()))
        .select((declarations::code, declarations::document))
        .load(db)?;
    Ok(rows.into_iter().filter_map(|(code, document)| Some((code, document?))).collect())
}

/// The newest version of each declaration of a kind in order of the codes, without removed ones;
/// and the newest revision that wrote one of that kind, 0 when no revision did. One query, so that
/// both belong to the same point in time.
pub fn declarations_of(
    db: &mut Db,
    of: &str,
) -> QueryResult<(RevisionNumber, Vec<DeclarationRow>)> {
    let rows: Vec<DeclarationRow> = declarations::table
        .filter(declarations::kind.eq(of))
        .select(DeclarationRow::as_select())
        .load(db)?;
    let newest = rows.iter().map(|row| row.revision).max().unwrap_or_default();
    let mut standing: BTreeMap<String, DeclarationRow> = BTreeMap::new();
    for row in rows {
        if standing.get(&row.code).is_none_or(|known| known.revision < row.revision) {
            standing.insert(row.code.clone(), row);
        }
    }
    Ok((newest, standing.into_values().filter(|row| row.document.is_some()).collect()))
}

/// The newest revision that wrote a declaration of a kind; 0 when no revision did.
pub fn last_declaration_revision(db: &mut Db, of: &str) -> QueryResult<RevisionNumber> {
    let newest: Option<RevisionNumber> = declarations::table
        .filter(declarations::kind.eq(of))
        .select(diesel::dsl::max(declarations::revision))
        .first(db)?;
    Ok(newest.unwrap_or_default())
}

/// When each API key was last used, in order of the keys.
pub fn api_key_usage(db: &mut Db) -> QueryResult<Vec<ApiKeyUsageRow>> {
    let mut rows: Vec<ApiKeyUsageRow> =
        key_uses::table.select(ApiKeyUsageRow::as_select()).load(db)?;
    // Sorted here, for the reason given in `keys`
    rows.sort_by(|one, other| one.key.cmp(&other.key));
    Ok(rows)
}

/// The session of a cookie, by the cookie's hash.
pub fn session(db: &mut Db, id: &str) -> QueryResult<Option<SessionRow>> {
    sessions::table.find(id).select(SessionRow::as_select()).first(db).optional()
}

/// A draft of somebody.
pub fn draft(db: &mut Db, holder: &str, code: &str) -> QueryResult<Option<DraftRow>> {
    drafts::table.find((holder, code)).select(DraftRow::as_select()).first(db).optional()
}

/// The drafts of somebody, the newest first: their codes, when they were saved, and the first
/// `length` characters of each.
pub fn drafts_of(
    db: &mut Db,
    holder: &str,
    length: i32,
) -> QueryResult<Vec<(String, TimestampMicros, String)>> {
    drafts::table
        .filter(drafts::holder.eq(holder))
        .order(drafts::saved_at.desc())
        .select((drafts::code, drafts::saved_at, substr(drafts::document, 1, length)))
        .load(db)
}

/// Versions of declarations in a window of revisions, by revision, kind and code.
fn declarations_between(db: &mut Db, window: RevisionSpan) -> QueryResult<Vec<DeclarationRow>> {
    let rows = declarations::table
        .filter(declarations::revision.gt(window.after))
        .filter(declarations::revision.le(window.up_to));
    let mut rows: Vec<DeclarationRow> = rows.select(DeclarationRow::as_select()).load(db)?;
    rows.sort_unstable_by(|one, other| {
        (one.revision, &one.kind, &one.code).cmp(&(other.revision, &other.kind, &other.code))
    }); // sorted here, for the reason given in `keys`
    Ok(rows)
}

/// When revisions 1 to `up_to` were recorded.
pub fn times(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Vec<TimestampMicros>> {
    let mut found: Vec<TimestampMicros> = Vec::new();
    let mut last = RevisionNumber::BEGINNING;
    while last < up_to {
        let rows = revisions::table
            .filter(revisions::revision.gt(last))
            .filter(revisions::revision.le(up_to))
            .order(revisions::revision);
        let rows: Vec<(RevisionNumber, TimestampMicros)> = rows
            .select((revisions::revision, revisions::recorded_at))
            .limit(TIMES_A_STATEMENT)
            .load(db)?;
        let before = last;
        for (revision, recorded_at) in rows {
            if revision != last.next() {
                return Err(unreadable("a revision that does not follow the one before it"));
            }
            found.push(recorded_at);
            last = revision;
        }
        if last.since(before) < TIMES_A_STATEMENT {
            break;
        }
    }
    Ok(found)
}

/// All stored responses to idempotency keys, in order of the keys.
pub fn idempotent_responses(db: &mut Db) -> QueryResult<Vec<IdempotencyRow>> {
    let order = (idempotency_keys::holder, idempotency_keys::target, idempotency_keys::key);
    let mut rows: Vec<IdempotencyRow> =
        idempotency_keys::table.order(order).select(IdempotencyRow::as_select()).load(db)?;
    // Sorted here, because each database has its own order of texts.
    rows.sort_by(|one, other| {
        (&one.holder, &one.target, &one.key).cmp(&(&other.holder, &other.target, &other.key))
    });
    Ok(rows)
}

/// Everything that the revisions of a window wrote.
pub fn commits(db: &mut Db, window: RevisionSpan) -> QueryResult<Vec<RecordedCommit>> {
    let (found, strays) = commits_and_strays(db, window)?;
    // A row of a revision that does not exist must be reported, not dropped.
    if strays.is_empty() {
        Ok(found)
    } else {
        Err(unreadable("a row of a revision that is not there"))
    }
}

/// As [`commits`], with the rows that belong to none of these revisions.
pub fn commits_and_strays(
    db: &mut Db,
    window: RevisionSpan,
) -> QueryResult<(Vec<RecordedCommit>, Vec<StrayRows>)> {
    macro_rules! between {
        ($column:expr) => {
            $column.gt(window.after).and($column.le(window.up_to))
        };
    }
    let rows: Vec<RevisionRow> = revisions::table
        .filter(between!(revisions::revision))
        .order(revisions::revision)
        .select(RevisionRow::as_select())
        .load(db)?;
    let mut found: BTreeMap<RevisionNumber, RecordedCommit> = BTreeMap::new();
    for row in rows {
        found.insert(row.revision, row.into());
    }
    let mut strays: BTreeMap<(&'static str, RevisionNumber), i64> = BTreeMap::new();
    let mut put = |table: &'static str,
                   revision: RevisionNumber,
                   add: &mut dyn FnMut(&mut Commit) -> bool| {
        if !found.get_mut(&revision).is_some_and(|recorded| add(&mut recorded.commit)) {
            *strays.entry((table, revision)).or_default() += 1;
        }
    };
    let sent = submissions::table
        .filter(between!(submissions::revision))
        .select((submissions::revision, SubmissionRow::as_select()));
    for (revision, row) in sent.load::<(RevisionNumber, SubmissionRow)>(db)? {
        put("submissions", revision, &mut |commit| {
            commit.submission.replace(row.clone()).is_none()
        });
    }
    let named = measures::table
        .filter(between!(measures::revision))
        .order(measures::id)
        .select((measures::revision, MeasureRow::as_select()));
    for (revision, row) in named.load::<(RevisionNumber, MeasureRow)>(db)? {
        put("measures", revision, &mut |commit| added(&mut commit.new_measures, row.clone()));
    }
    let numbered =
        unit_numbers::table.filter(between!(unit_numbers::revision)).order(unit_numbers::number);
    for (number, code, revision) in numbered.load::<(StoredUnit, String, RevisionNumber)>(db)? {
        put("unit_numbers", revision, &mut |commit| {
            added(&mut commit.new_units, (number, code.clone()))
        });
    }
    let versions =
        unit_versions::table.filter(between!(unit_versions::revision)).order(unit_versions::unit);
    for (unit, revision, document) in versions.load::<(StoredUnit, RevisionNumber, String)>(db)? {
        put("unit_versions", revision, &mut |commit| {
            added(&mut commit.unit_versions, (unit, document.clone()))
        });
    }
    let versions = catalogue_versions::table
        .filter(between!(catalogue_versions::revision))
        .order(catalogue_versions::version);
    for row in versions.select(CatalogueVersion::as_select()).load::<CatalogueVersion>(db)? {
        // A revision has at most one version; no hash covers a second one.
        put("catalogue_versions", row.revision, &mut |commit| {
            let first = commit.catalogue.is_none();
            commit.catalogue =
                commit.catalogue.take().or_else(|| Some((row.version, row.document.clone())));
            first
        });
    }
    for row in closings_between(db, window)? {
        put("closings", row.revision, &mut |commit| {
            added(&mut commit.closings, (row.month, row.closed))
        });
    }
    for DeclarationRow { revision, kind, code, document } in declarations_between(db, window)? {
        put("declarations", revision, &mut |commit| {
            added(
                &mut commit.declarations,
                DeclarationVersion {
                    kind: kind.clone(),
                    code: code.clone(),
                    document: document.clone(),
                },
            )
        });
    }
    let figures = observations::table.filter(between!(observations::revision));
    let order =
        (observations::revision, observations::unit, observations::measure, observations::month);
    for row in
        figures.order(order).select(ObservationRow::as_select()).load::<ObservationRow>(db)?
    {
        put("observations", row.revision, &mut |commit| added(&mut commit.observations, row));
    }
    let strays = strays
        .into_iter()
        .map(|((table, revision), rows)| StrayRows { table, revision, rows })
        .collect();
    Ok((found.into_values().collect(), strays))
}

/// Adds a row to a list of any length; always succeeds.
fn added<T>(list: &mut Vec<T>, row: T) -> bool {
    list.push(row);
    true
}

/// The last revision before the first gap in 1, 2, 3 ..., and the number of the newest revision.
pub fn gapless_head(db: &mut Db) -> QueryResult<(RevisionNumber, RevisionNumber)> {
    let there = revisions::table.filter(revisions::revision.ge(RevisionNumber::FIRST));
    let (count, newest): (i64, Option<RevisionNumber>) = there
        .select((diesel::dsl::count_star(), diesel::dsl::max(revisions::revision)))
        .first(db)?;
    let newest = newest.unwrap_or_default();
    if newest.since(RevisionNumber::BEGINNING) == count {
        return Ok((newest, newest));
    }
    let mut last = RevisionNumber::BEGINNING;
    loop {
        let rows = revisions::table
            .filter(revisions::revision.gt(last))
            .order(revisions::revision)
            .limit(TIMES_A_STATEMENT);
        let rows: Vec<RevisionNumber> = rows.select(revisions::revision).load(db)?;
        let read = rows.len();
        for revision in rows {
            if revision != last.next() {
                return Ok((last, newest));
            }
            last = revision;
        }
        if read == 0 {
            return Ok((last, newest));
        }
    }
}

/// Rows before the first revision or after `head`, the newest revision of the chain.
pub fn strays(db: &mut Db, head: RevisionNumber) -> QueryResult<Vec<StrayRows>> {
    let mut found = Vec::new();
    for table in TABLES {
        // Two queries, each of which is one search where the revision begins the primary key.
        for outside in ["revision < 1".to_owned(), format!("revision > {head}")] {
            let rows = diesel::sql_query(format!(
                "SELECT revision, count(*) AS row_count FROM {table} WHERE {outside} GROUP BY \
                 revision ORDER BY revision LIMIT {STRAYS_A_TABLE}"
            ));
            for row in rows.load::<RevisionCount>(db)? {
                found.push(StrayRows { table, revision: row.revision, rows: row.row_count });
            }
        }
    }
    Ok(found)
}

/// Whether figures of a later revision keep the next one from being written: where revisions are
/// sealed afterwards, such figures would be taken for its own. One search of the primary key.
pub fn next_is_taken(db: &mut Db, head: RevisionNumber) -> QueryResult<bool> {
    if !super::SEALED_AFTERWARDS {
        return Ok(false);
    }
    diesel::select(exists(observations::table.filter(observations::revision.gt(head))))
        .get_result(db)
}

/// The number of rows of a revision.
#[derive(QueryableByName)]
struct RevisionCount {
    #[diesel(sql_type = BigInt)]
    revision: RevisionNumber,
    #[diesel(sql_type = BigInt)]
    row_count: i64,
}

/// Divides a range of revisions into windows with a limited number of figures. The counts of
/// receipts are used, but only as a hint.
pub fn windows(db: &mut Db, range: RevisionSpan) -> QueryResult<Vec<RevisionSpan>> {
    let rows = submissions::table
        .filter(submissions::revision.gt(range.after))
        .filter(submissions::revision.le(range.up_to));
    let rows = rows.order(submissions::revision).select((
        submissions::revision,
        submissions::created,
        submissions::revised,
        submissions::withdrawn,
    ));
    let rows: Vec<(RevisionNumber, i64, i64, i64)> = rows.load(db)?;
    let mut found = Vec::new();
    let (mut start, mut figures, mut rows) = (range.after, 0_i64, rows.into_iter().peekable());
    while start < range.up_to {
        let mut end = start;
        while end < range.up_to
            && end.since(start) < WINDOW_REVISIONS
            && (end == start || figures < WINDOW_FIGURES)
        {
            end = end.next();
            while let Some((_, created, revised, withdrawn)) = rows.next_if(|row| row.0 <= end) {
                figures = figures
                    .saturating_add(created.max(0))
                    .saturating_add(revised.max(0))
                    .saturating_add(withdrawn.max(0));
            }
        }
        found.push(RevisionSpan::new(start, end));
        (start, figures) = (end, 0);
    }
    Ok(found)
}

/// What the revisions up to one wrote besides submissions, stored reports and figures: the small
/// part, which is needed whole.
pub fn foundation(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Vec<Commit>> {
    let mut found: BTreeMap<RevisionNumber, Commit> = BTreeMap::new();
    macro_rules! of {
        ($revision:expr) => {{
            let revision = $revision;
            found.entry(revision).or_insert_with(|| Commit { revision, ..Commit::default() })
        }};
    }
    macro_rules! within {
        ($table:ident) => {
            $table::table
                .filter($table::revision.ge(RevisionNumber::FIRST))
                .filter($table::revision.le(up_to))
        };
    }
    let rows =
        within!(measures).order(measures::id).select((measures::revision, MeasureRow::as_select()));
    for (revision, row) in rows.load::<(RevisionNumber, MeasureRow)>(db)? {
        of!(revision).new_measures.push(row);
    }
    for (number, code, revision) in
        within!(unit_numbers)
            .order(unit_numbers::number)
            .load::<(StoredUnit, String, RevisionNumber)>(db)?
    {
        of!(revision).new_units.push((number, code));
    }
    for (unit, revision, document) in within!(unit_versions)
        .order((unit_versions::revision, unit_versions::unit))
        .load::<(StoredUnit, RevisionNumber, String)>(db)?
    {
        of!(revision).unit_versions.push((unit, document));
    }
    let rows = within!(catalogue_versions)
        .order(catalogue_versions::version)
        .select(CatalogueVersion::as_select());
    for row in rows.load::<CatalogueVersion>(db)? {
        let commit = of!(row.revision);
        if commit.catalogue.is_some() {
            return Err(unreadable("a second catalogue of a revision"));
        }
        commit.catalogue = Some((row.version, row.document));
    }
    for row in closings_between(db, RevisionSpan::first(up_to))? {
        of!(row.revision).closings.push((row.month, row.closed));
    }
    let rows = within!(declarations)
        .filter(declarations::kind.ne(REPORT))
        .select(DeclarationRow::as_select());
    for DeclarationRow { revision, kind, code, document } in rows.load::<DeclarationRow>(db)? {
        of!(revision).declarations.push(DeclarationVersion { kind, code, document });
    }
    Ok(found.into_values().collect())
}

/// Passes the revisions of a window with what `foundation` leaves out: first their heads with
/// submissions and stored reports, then the figures page by page.
pub fn parts(
    db: &mut Db,
    window: RevisionSpan,
    rows_a_page: usize,
    take: PartSink<'_, RevisionPart>,
) -> QueryResult<()> {
    let rows = revisions::table
        .filter(revisions::revision.gt(window.after))
        .filter(revisions::revision.le(window.up_to));
    let rows: Vec<RevisionRow> =
        rows.order(revisions::revision).select(RevisionRow::as_select()).load(db)?;
    let mut heads: BTreeMap<RevisionNumber, RecordedCommit> =
        rows.into_iter().map(|row| (row.revision, row.into())).collect();
    let sent = submissions::table
        .filter(submissions::revision.gt(window.after))
        .filter(submissions::revision.le(window.up_to));
    for (revision, row) in sent
        .select((submissions::revision, SubmissionRow::as_select()))
        .load::<(RevisionNumber, SubmissionRow)>(db)?
    {
        heads
            .get_mut(&revision)
            .ok_or_else(|| unreadable("a submission of a revision that is not there"))?
            .commit
            .submission = Some(row);
    }
    let kept = declarations::table
        .filter(declarations::kind.eq(REPORT))
        .filter(declarations::revision.gt(window.after));
    for row in kept
        .filter(declarations::revision.le(window.up_to))
        .select(DeclarationRow::as_select())
        .load::<DeclarationRow>(db)?
    {
        let DeclarationRow { revision, kind, code, document } = row;
        let commit = heads
            .get_mut(&revision)
            .ok_or_else(|| unreadable("a report of a revision that is not there"))?;
        commit.commit.declarations.push(DeclarationVersion { kind, code, document });
    }
    if take(RevisionPart::Heads(heads.into_values().collect())) {
        replay(db, window, rows_a_page, &mut |page| take(RevisionPart::Figures(page)))?;
    }
    Ok(())
}

/// The revisions after one that changed API keys, and the last revision before the first gap.
pub fn key_revisions(
    db: &mut Db,
    after: RevisionNumber,
    kind: &str,
) -> QueryResult<(RevisionNumber, Vec<RevisionNumber>)> {
    let later = revisions::table.filter(revisions::revision.gt(after));
    let (count, newest): (i64, Option<RevisionNumber>) = later
        .select((diesel::dsl::count_star(), diesel::dsl::max(revisions::revision)))
        .first(db)?;
    let newest = newest.unwrap_or(after);
    // A gap means an inserted row. What follows it is checked again the next time.
    let reached = if newest.since(after) == count { newest } else { after };
    let changed = if count == 0 {
        Vec::new()
    } else {
        later
            .filter(revisions::kind.eq(kind))
            .order(revisions::revision)
            .select(revisions::revision)
            .load(db)?
    };
    Ok((reached, changed))
}

/// What the revisions of a window wrote besides figures.
pub fn revision_contents(
    db: &mut Db,
    window: RevisionSpan,
    most_codes: usize,
) -> QueryResult<HashMap<RevisionNumber, RevisionContents>> {
    let mut found: HashMap<RevisionNumber, RevisionContents> = HashMap::new();
    let versions = unit_versions::table
        .inner_join(unit_numbers::table)
        .filter(unit_versions::revision.gt(window.after));
    let versions = versions
        .filter(unit_versions::revision.le(window.up_to))
        .select((unit_versions::revision, unit_numbers::code));
    let mut rows: Vec<(RevisionNumber, String)> = versions.load(db)?;
    rows.sort_unstable(); // sorted here, for the reason given in `keys`
    for (revision, code) in rows {
        let units = &mut found.entry(revision).or_default().units;
        if units.len() < most_codes {
            units.push(code);
        }
    }
    let versions = catalogue_versions::table
        .filter(catalogue_versions::revision.gt(window.after))
        .filter(catalogue_versions::revision.le(window.up_to));
    for (revision, version) in versions
        .select((catalogue_versions::revision, catalogue_versions::version))
        .load::<(RevisionNumber, i64)>(db)?
    {
        found.entry(revision).or_default().catalogue = Some(version);
    }
    for row in closings_between(db, window)? {
        found.entry(row.revision).or_default().months.push(row.month);
    }
    let versions = declarations::table
        .filter(declarations::revision.gt(window.after))
        .filter(declarations::revision.le(window.up_to));
    let versions = versions.filter(declarations::kind.ne(REPORT));
    let mut rows: Vec<(RevisionNumber, String, String)> = versions
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

/// Differences between the table of touched units, which no hash covers, and the figures: revision
/// and unit. None in a sound ledger.
pub fn touched_unit_mismatches(
    db: &mut Db,
    window: RevisionSpan,
) -> QueryResult<Vec<(RevisionNumber, StoredUnit)>> {
    let touched = touched_units::table
        .filter(touched_units::revision.gt(window.after))
        .filter(touched_units::revision.le(window.up_to));
    let touched: BTreeSet<(RevisionNumber, StoredUnit)> = touched
        .load::<(StoredUnit, RevisionNumber)>(db)?
        .into_iter()
        .map(|(unit, revision)| (revision, unit))
        .collect();
    let figures = observations::table
        .filter(observations::revision.gt(window.after))
        .filter(observations::revision.le(window.up_to));
    let named: BTreeSet<(RevisionNumber, StoredUnit)> = figures
        .select((observations::revision, observations::unit))
        .distinct()
        .load::<(RevisionNumber, StoredUnit)>(db)?
        .into_iter()
        .collect();
    Ok(touched.symmetric_difference(&named).copied().collect())
}

/// The dictionary of measures as of a revision.
pub fn measures(db: &mut Db, up_to: RevisionNumber) -> QueryResult<Vec<MeasureRow>> {
    measures::table
        .filter(measures::revision.le(up_to))
        .order(measures::id)
        .select(MeasureRow::as_select())
        .load(db)
}

/// Passes the figures of a window of revisions page by page, until there are no more or `take`
/// wants no more. One statement: a new query after the last key of each page is slower by a third.
pub fn replay(
    db: &mut Db,
    window: RevisionSpan,
    rows_a_page: usize,
    take: PartSink<'_, Vec<ObservationRow>>,
) -> QueryResult<()> {
    let rows = observations::table
        .filter(observations::revision.gt(window.after))
        .filter(observations::revision.le(window.up_to))
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

/// The figures that match a query.
pub fn observations(db: &mut Db, query: &ObservationQuery) -> QueryResult<Vec<ObservationRow>> {
    let far_units: Option<HashSet<StoredUnit>> = long(query.units.as_deref());
    let far_measures: Option<HashSet<StoredMeasure>> = long(query.measures.as_deref());
    let choose_here = far_units.is_some() || far_measures.is_some();
    let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let size = if choose_here { query.limit.max(SCAN_ROWS) } else { query.limit };
    let mut after =
        query.after.unwrap_or(ObservationKey::end_of(query.after_revision.unwrap_or_default()));
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

/// The figures with these keys, in the order of keys.
pub fn observations_at(db: &mut Db, keys: &[ObservationKey]) -> QueryResult<Vec<ObservationRow>> {
    let wanted: HashSet<ObservationKey> = keys.iter().copied().collect();
    let mut found: Vec<ObservationRow> = Vec::with_capacity(keys.len());
    // The primary key begins with these two, so that no other revision is read.
    let mut places: Vec<(RevisionNumber, StoredUnit)> =
        keys.iter().map(|key| (key.revision, key.unit)).collect();
    places.sort_unstable();
    places.dedup();
    for part in places.chunks(PLACES_A_STATEMENT) {
        let revisions: Vec<RevisionNumber> = part.iter().map(|(revision, _)| *revision).collect();
        let units: Vec<StoredUnit> = part.iter().map(|(_, unit)| *unit).collect();
        let rows: Vec<ObservationRow> = observations::table
            .filter(observations::revision.eq_any(revisions))
            .filter(observations::unit.eq_any(units))
            .select(ObservationRow::as_select())
            .load(db)?;
        found.extend(rows.into_iter().filter(|row| wanted.contains(&row.key())));
    }
    found.sort_unstable_by_key(ObservationRow::key);
    found.dedup_by_key(|row| row.key());
    Ok(found)
}

/// One page of a query, filtered by the database except for the long lists.
fn narrowed_page(
    db: &mut Db,
    query: &ObservationQuery,
    after: ObservationKey,
    limit: u32,
) -> QueryResult<Vec<ObservationRow>> {
    // The same conditions for two sources of rows, which have two types in diesel.
    macro_rules! narrowed {
        ($rows:expr) => {{
            let mut rows = $rows
                .filter(behind!(after))
                .filter(observations::revision.gt(query.after_revision.unwrap_or_default()))
                .filter(
                    observations::revision.le(query.up_to_revision.unwrap_or(RevisionNumber::END)),
                )
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

/// A list that is passed to the database.
fn short<T>(list: Option<&[T]>) -> Option<&[T]> {
    list.filter(|numbers| numbers.len() <= SHORT_LIST)
}

/// A list that is filtered here.
fn long<T: Copy + Eq + Hash>(list: Option<&[T]>) -> Option<HashSet<T>> {
    list.filter(|numbers| numbers.len() > SHORT_LIST)
        .map(|numbers| numbers.iter().copied().collect())
}

/// A submission by its identifier.
pub fn submission(db: &mut Db, id: &str) -> QueryResult<Option<SubmissionRecord>> {
    let record = (RevisionRow::as_select(), SubmissionRow::as_select());
    let recorded = submissions::table
        .inner_join(revisions::table)
        .filter(submissions::id.eq(id))
        .filter(revisions::kind.eq_any(SUBMISSIONS));
    recorded.select(record).first(db).optional()
}

/// The submissions of some revisions, in the order of the revisions; other revisions are left out.
pub fn submissions_of(
    db: &mut Db,
    numbers: &[RevisionNumber],
) -> QueryResult<Vec<SubmissionRecord>> {
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
