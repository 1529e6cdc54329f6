//! The rows that the ledger writes and reads, as plain data.

use diesel::prelude::{Insertable, Queryable, Selectable};

use super::numbers::{RevisionNumber, StoredMeasure, StoredMonth, StoredUnit, TimestampMicros};
use super::schema::{
    catalogue_versions, declarations, drafts, idempotency_keys, key_uses, measures, observations,
    revisions, sessions, submissions,
};

/// The newest revision of the ledger and its time; both 0 for an empty ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Queryable)]
pub struct LedgerHead {
    /// The newest revision.
    pub revision: RevisionNumber,
    /// When it was recorded.
    pub recorded_at: TimestampMicros,
}

/// One revision: one recorded change.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = revisions, treat_none_as_default_value = false)]
pub struct RevisionRow {
    /// The revision's number: 1, 2, 3 ... without gaps.
    pub revision: RevisionNumber,
    /// When it was recorded.
    pub recorded_at: TimestampMicros,
    /// `submission`, `withdrawal`, `units`, `catalogue`, `closing`, `reopening`, `targets`,
    /// `annotations`, `keys`, or a later kind.
    pub kind: String,
    /// The name of the sender.
    pub actor: String,
    /// The sender's reason, if given.
    pub reason: Option<String>,
    /// The hash of everything that the revision wrote and of the hash before it (`chain.rs`), in
    /// hexadecimal digits. `None` only while a ledger of the first format is being upgraded.
    pub hash: Option<String>,
    /// Where the change came from, as JSON; `None` for a revision of a program that did not record
    /// it.
    pub origin: Option<String>,
}

/// An entry of the dictionary of measures: an indicator or kpi, with or without members.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = measures, treat_none_as_default_value = false)]
pub struct MeasureRow {
    /// The number by which figures name the measure.
    pub id: StoredMeasure,
    /// The indicator's code.
    pub code: String,
    /// The members in their canonical spelling, `a=b,c=d`; empty for the total.
    pub members: String,
}

/// The newest version of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct UnitRow {
    /// The number by which figures name the unit.
    pub number: StoredUnit,
    /// The unit's code, never reused.
    pub code: String,
    /// The revision that wrote this version.
    pub revision: RevisionNumber,
    /// The unit itself, as JSON.
    pub document: String,
}

/// A version of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = catalogue_versions)]
pub struct CatalogueVersion {
    /// The version number.
    pub version: i64,
    /// The revision that wrote it.
    pub revision: RevisionNumber,
    /// The whole document, as JSON.
    pub document: String,
}

/// The key of a figure in the ledger; figures are always read in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationKey {
    /// The revision that recorded the figure.
    pub revision: RevisionNumber,
    /// The unit's number.
    pub unit: StoredUnit,
    /// The measure's number.
    pub measure: StoredMeasure,
    /// The month's number: months since year 0.
    pub month: StoredMonth,
}

impl ObservationKey {
    /// The last possible key of a revision; greater keys belong to later revisions.
    #[must_use]
    pub fn end_of(revision: RevisionNumber) -> Self {
        Self {
            revision,
            unit: StoredUnit::new(i64::MAX),
            measure: StoredMeasure::new(i64::MAX),
            month: StoredMonth::new(i64::MAX),
        }
    }
}

impl From<[i64; 4]> for ObservationKey {
    fn from([revision, unit, measure, month]: [i64; 4]) -> Self {
        Self {
            revision: RevisionNumber::new(revision),
            unit: StoredUnit::new(unit),
            measure: StoredMeasure::new(measure),
            month: StoredMonth::new(month),
        }
    }
}

impl From<ObservationKey> for [i64; 4] {
    fn from(key: ObservationKey) -> Self {
        [key.revision.get(), key.unit.get(), key.measure.get(), key.month.get()]
    }
}

/// The scale of a figure that does not apply to its unit.
const NOT_APPLICABLE_SCALE: i64 = -1;

/// One recorded figure: `mantissa` / 10^`scale`; without a mantissa a withdrawal or, with the scale
/// -1, a figure that does not apply to its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = observations, treat_none_as_default_value = false)]
pub struct ObservationRow {
    /// The revision that recorded the figure.
    pub revision: RevisionNumber,
    /// The unit's number.
    pub unit: StoredUnit,
    /// The measure's number.
    pub measure: StoredMeasure,
    /// The month's number: months since year 0.
    pub month: StoredMonth,
    /// The digits as a whole number, if the figure is a number.
    pub mantissa: Option<i64>,
    /// Number of decimals among the digits; 0 for a withdrawal, -1 for a figure that does not
    /// apply.
    pub scale: i64,
}

impl ObservationRow {
    /// The mantissa and scale of a figure that does not apply to its unit.
    pub const NOT_APPLICABLE: (Option<i64>, i64) = (None, NOT_APPLICABLE_SCALE);

    /// Whether the row says that the figure does not apply to its unit.
    #[must_use]
    pub fn is_not_applicable(&self) -> bool {
        (self.mantissa, self.scale) == Self::NOT_APPLICABLE
    }

    /// Whether the row withdraws a figure.
    #[must_use]
    pub fn is_withdrawal(&self) -> bool {
        self.mantissa.is_none() && !self.is_not_applicable()
    }

    /// The key of the figure.
    #[must_use]
    pub fn key(&self) -> ObservationKey {
        ObservationKey {
            revision: self.revision,
            unit: self.unit,
            measure: self.measure,
            month: self.month,
        }
    }
}

/// The properties of a submission besides its figures.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = submissions, treat_none_as_default_value = false)]
pub struct SubmissionRow {
    /// The submission's identifier (a ULID).
    pub id: String,
    /// The kind of the source, such as `api` or `csv`.
    pub source_kind: String,
    /// The sender's own reference.
    pub reference: Option<String>,
    /// Number of figures that did not exist before.
    pub created: i64,
    /// Number of figures that replaced another value.
    pub revised: i64,
    /// Number of figures that were there with the same value.
    pub unchanged: i64,
    /// Number of figures that were withdrawn.
    pub withdrawn: i64,
    /// The findings at that time, as JSON.
    pub findings: String,
    /// The submission that this one withdraws.
    pub withdraws: Option<String>,
}

/// A submission together with its revision.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct SubmissionRecord {
    /// The revision, with sender, time and reason.
    pub revision: RevisionRow,
    /// The submission itself.
    pub submission: SubmissionRow,
}

/// A month that was closed or reopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingRow {
    /// The revision that closed or reopened it.
    pub revision: RevisionNumber,
    /// The month's number: months since year 0.
    pub month: StoredMonth,
    /// `true` for a closing, `false` for a reopening.
    pub closed: bool,
}

/// The kind of declaration that stores the report a submission was read from: the document's text
/// and the places of its figures. It is read only on request, and is neither a target nor an
/// annotation.
pub const REPORT: &str = "report";

/// A version of a target, annotation or API key, or a stored report.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = declarations, treat_none_as_default_value = false)]
pub struct DeclarationRow {
    /// The revision that wrote it.
    pub revision: RevisionNumber,
    /// The kind: `target`, `annotation`, `key`, [`REPORT`]. The store accepts any.
    pub kind: String,
    /// The code that all versions of one declaration share; each kind has its own codes.
    pub code: String,
    /// The declaration itself, as JSON; `None` removes it.
    pub document: Option<String>,
}

/// What a revision wrote besides figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RevisionContents {
    /// The codes of the units that it changed, up to a limit.
    pub units: Vec<String>,
    /// The catalogue version that it wrote.
    pub catalogue: Option<i64>,
    /// The months that it closed or reopened.
    pub months: Vec<StoredMonth>,
    /// The codes of the declarations that it changed or removed, by kind and code, up to a limit.
    pub declarations: Vec<String>,
}

/// The first response to a request with an `Idempotency-Key` (`docs/specification.md#idempotency`).
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
pub struct IdempotencyRow {
    /// The owner of the key.
    pub holder: String,
    /// The target of the request: method and path with query.
    pub target: String,
    /// The idempotency key.
    pub key: String,
    /// The hash of the request's body.
    pub body_hash: String,
    /// When the response was given.
    pub recorded_at: TimestampMicros,
    /// The response, as JSON.
    pub answer: String,
}

/// What names an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyName<'k> {
    /// The owner of the key.
    pub holder: &'k str,
    /// The target of the request: method and path with query.
    pub target: &'k str,
    /// The idempotency key.
    pub key: &'k str,
}

impl IdempotencyRow {
    /// The name of the key.
    #[must_use]
    pub fn name(&self) -> KeyName<'_> {
        KeyName { holder: &self.holder, target: &self.target, key: &self.key }
    }
}

/// The last use of an API key; not part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = key_uses, treat_none_as_default_value = false)]
pub struct ApiKeyUsageRow {
    /// The key's identifier.
    pub key: String,
    /// When it was used.
    pub last_used_at: TimestampMicros,
    /// The address from which it was used.
    pub address: Option<String>,
}

/// A browser that is signed in to the web pages; not part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub struct SessionRow {
    /// The hash of the cookie.
    pub id: String,
    /// The key or token of the person who signed in, encrypted with the cookie.
    pub sealed: String,
    /// When it began.
    pub created_at: TimestampMicros,
    /// When it was last used.
    pub last_used_at: TimestampMicros,
}

/// A draft: what a person has entered or uploaded but not sent yet. Not part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = drafts, treat_none_as_default_value = false)]
pub struct DraftRow {
    /// The person that it belongs to, as in the origin of revisions.
    pub holder: String,
    /// The form or file that it is a draft of.
    pub code: String,
    /// When it was saved.
    pub saved_at: TimestampMicros,
    /// The content, as JSON.
    pub document: String,
}

/// A change of the tables of the web pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageChange {
    /// Begins a session.
    BeginSession(SessionRow),
    /// Records that a session was used.
    UseSession {
        /// The hash of the cookie.
        id: String,
        /// When it was used.
        at: TimestampMicros,
    },
    /// Ends a session.
    EndSession(String),
    /// Saves a draft, which replaces the one with its code.
    SaveDraft(DraftRow),
    /// Deletes a draft.
    DeleteDraft {
        /// The person that it belongs to.
        holder: String,
        /// Its code.
        code: String,
    },
    /// Deletes sessions and drafts that are too old.
    Purge {
        /// Sessions that were last used before.
        unused_since: TimestampMicros,
        /// Sessions that began before.
        begun_before: TimestampMicros,
        /// Drafts that were saved before.
        saved_before: TimestampMicros,
    },
}

/// A revision as stored in the ledger: what it wrote, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCommit {
    /// What the revision wrote.
    pub commit: Commit,
    /// The stored hash, in hexadecimal digits.
    pub hash: Option<String>,
}

impl From<RevisionRow> for RecordedCommit {
    /// The revision alone, without the rows of other tables.
    fn from(row: RevisionRow) -> Self {
        let RevisionRow { revision, recorded_at, kind, actor, reason, hash, origin } = row;
        Self {
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
        }
    }
}

/// The tables in which each row belongs to a revision.
pub const TABLES: [&str; 10] = [
    "revisions",
    "submissions",
    "measures",
    "unit_numbers",
    "unit_versions",
    "catalogue_versions",
    "closings",
    "declarations",
    "touched_units",
    "observations",
];

/// Rows that belong to no revision of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayRows {
    /// The table that contains them.
    pub table: &'static str,
    /// The revision that they name.
    pub revision: RevisionNumber,
    /// Number of rows.
    pub rows: i64,
}

impl std::fmt::Display for StrayRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "table {}: {} row(s) of revision {}, which no hash of the chain covers",
            self.table, self.rows, self.revision
        )
    }
}

/// A target, annotation or API key that a revision declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclarationVersion {
    /// The kind: `target`, `annotation`, `key`. The store accepts any.
    pub kind: String,
    /// The code; each kind has its own codes.
    pub code: String,
    /// The declaration itself, as JSON; `None` removes it.
    pub document: Option<String>,
}

/// Everything that one revision writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// The revision's number: one more than the revision before.
    pub revision: RevisionNumber,
    /// When it is recorded; never before the revision before.
    pub recorded_at: TimestampMicros,
    /// `submission`, `withdrawal`, `units`, `catalogue`, `closing`, `reopening`, `targets`,
    /// `annotations`, `keys`, or a later kind.
    pub kind: String,
    /// The name of the sender.
    pub actor: String,
    /// The sender's reason, if given.
    pub reason: Option<String>,
    /// Where the change comes from, as JSON.
    pub origin: Option<String>,
    /// The submission that this revision records.
    pub submission: Option<SubmissionRow>,
    /// New entries of the dictionary of measures.
    pub new_measures: Vec<MeasureRow>,
    /// New entries of the dictionary of units: number and code.
    pub new_units: Vec<(StoredUnit, String)>,
    /// New versions of units: number and JSON document.
    pub unit_versions: Vec<(StoredUnit, String)>,
    /// A new version of the catalogue: its number and JSON document.
    pub catalogue: Option<(i64, String)>,
    /// Months closed (true) or reopened (false), by number, each once.
    pub closings: Vec<(StoredMonth, bool)>,
    /// New versions of declarations, in any order, each kind and code once.
    pub declarations: Vec<DeclarationVersion>,
    /// The figures, in any order, all with this commit's revision.
    pub observations: Vec<ObservationRow>,
}

/// A query for figures; `None` does not restrict.
#[derive(Clone, Debug)]
pub struct ObservationQuery {
    /// Only of these units.
    pub units: Option<Vec<StoredUnit>>,
    /// Only of these measures.
    pub measures: Option<Vec<StoredMeasure>>,
    /// First month, by number.
    pub from_month: Option<StoredMonth>,
    /// Last month, by number.
    pub to_month: Option<StoredMonth>,
    /// Only later revisions than this one. The figures of one submission have `after_revision` one
    /// less than its revision and `up_to_revision` equal to it.
    pub after_revision: Option<RevisionNumber>,
    /// Only revisions up to this one, inclusive.
    pub up_to_revision: Option<RevisionNumber>,
    /// Only figures after this key, the last one of the page before.
    pub after: Option<ObservationKey>,
    /// At most this many figures.
    pub limit: u32,
}

impl ObservationQuery {
    /// Restricts the query to the figures of one revision.
    #[must_use]
    pub fn of_revision(self, revision: RevisionNumber) -> Self {
        Self { after_revision: Some(revision.previous()), up_to_revision: Some(revision), ..self }
    }
}

impl Default for ObservationQuery {
    /// All figures, a thousand at a time.
    fn default() -> Self {
        Self {
            units: None,
            measures: None,
            from_month: None,
            to_month: None,
            after_revision: None,
            up_to_revision: None,
            after: None,
            limit: 1000,
        }
    }
}
