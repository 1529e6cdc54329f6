//! What goes into the ledger and comes out of it, as plain data.

use diesel::prelude::{Insertable, Queryable, Selectable};

use super::schema::{
    catalogue_versions, declarations, idempotency_keys, key_uses, measures, observations,
    revisions, submissions,
};

/// How far the ledger has come: its newest revision and when it was recorded; both 0 while it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Queryable)]
pub struct Head {
    /// The newest revision.
    pub revision: i64,
    /// When it was recorded, in microseconds since 1970.
    pub recorded_at: i64,
}

/// One revision: one thing that happened to the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = revisions, treat_none_as_default_value = false)]
pub struct RevisionRow {
    /// Its number; they run 1, 2, 3 ... without gaps.
    pub revision: i64,
    /// When it was recorded, in microseconds since 1970.
    pub recorded_at: i64,
    /// `submission`, `withdrawal`, `units`, `catalogue`, `closing`, `reopening`, `targets`, `annotations`, `keys` and whatever comes later.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// The hash of all that it wrote and of the hash before it (`chain.rs`), in hexadecimal digits. None only while a ledger of the
    /// first format is being brought to this one.
    pub hash: Option<String>,
    /// From where it came, as JSON; none of a revision of a program that did not keep it.
    pub origin: Option<String>,
}

/// A number of the dictionary of measures: an indicator with or without dimension members.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = measures, treat_none_as_default_value = false)]
pub struct MeasureRow {
    /// The number by which figures name it.
    pub id: i64,
    /// The indicator's code.
    pub code: String,
    /// The members in their canonical spelling, `a=b,c=d`; empty for the total.
    pub members: String,
}

/// The newest version of a unit.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct UnitRow {
    /// The number by which figures name it.
    pub number: i64,
    /// Its code, never reused.
    pub code: String,
    /// The revision that wrote this version.
    pub revision: i64,
    /// The unit itself, as JSON.
    pub document: String,
}

/// A version of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = catalogue_versions)]
pub struct CatalogueVersion {
    /// Its number.
    pub version: i64,
    /// The revision that wrote it.
    pub revision: i64,
    /// The whole document, as JSON.
    pub document: String,
}

/// A figure's place in the ledger; figures are always read in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObservationKey {
    /// The revision that recorded it.
    pub revision: i64,
    /// The unit's number.
    pub unit: i64,
    /// The measure's number.
    pub measure: i64,
    /// The month, counted from year 0.
    pub month: i64,
}

impl ObservationKey {
    /// The last place that a revision can have: what comes after it belongs to later revisions.
    #[must_use]
    pub fn end_of(revision: i64) -> Self {
        Self { revision, unit: i64::MAX, measure: i64::MAX, month: i64::MAX }
    }
}

/// One figure as it was recorded: `mantissa` / 10^`scale`, or a withdrawal when there is no mantissa.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = observations, treat_none_as_default_value = false)]
pub struct ObservationRow {
    /// The revision that recorded it.
    pub revision: i64,
    /// The unit's number.
    pub unit: i64,
    /// The measure's number.
    pub measure: i64,
    /// The month, counted from year 0.
    pub month: i64,
    /// The digits; `None` withdraws the figure.
    pub mantissa: Option<i64>,
    /// How many of the digits are decimals.
    pub scale: i64,
}

impl ObservationRow {
    /// Its place in the ledger.
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

/// What is to be remembered of a submission, besides its figures.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = submissions, treat_none_as_default_value = false)]
pub struct SubmissionRow {
    /// Its identifier (a ULID).
    pub id: String,
    /// What kind of source it came from, such as `api` or `csv`.
    pub source_kind: String,
    /// The sender's own reference.
    pub reference: Option<String>,
    /// How many figures were new.
    pub created: i64,
    /// How many figures replaced another value.
    pub revised: i64,
    /// How many figures said what the ledger already said.
    pub unchanged: i64,
    /// How many figures were withdrawn.
    pub withdrawn: i64,
    /// The findings at that time, as JSON.
    pub findings: String,
    /// The submission that this one withdraws.
    pub withdraws: Option<String>,
}

/// A submission together with its revision.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct SubmissionRecord {
    /// Who recorded it, when and why.
    pub revision: RevisionRow,
    /// The submission itself.
    pub submission: SubmissionRow,
}

/// A month that was closed or reopened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosingRow {
    /// The revision that did it.
    pub revision: i64,
    /// The month, counted from year 0.
    pub month: i64,
    /// Whether it is closed from then on.
    pub closed: bool,
}

/// The kind of declaration that holds what a submission was read from: a document's text and where its figures stand. It is read when
/// somebody asks for it, and is neither a target nor an annotation.
pub const REPORT: &str = "report";

/// A version of a target or an annotation, or what is kept of a report.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = declarations, treat_none_as_default_value = false)]
pub struct DeclarationRow {
    /// The revision that wrote it.
    pub revision: i64,
    /// What it is: `target`, `annotation`, `key`, [`REPORT`]. The store takes any.
    pub kind: String,
    /// Its code, by which the versions of one declaration belong together; each kind has codes of its own.
    pub code: String,
    /// The declaration itself, as JSON; `None` takes it away.
    pub document: Option<String>,
}

/// What a revision brought besides figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// The codes of units that it changed, the first of them.
    pub units: Vec<String>,
    /// The version of the catalogue that it brought.
    pub catalogue: Option<i64>,
    /// The months that it closed or reopened.
    pub months: Vec<i64>,
    /// The codes of targets and annotations that it changed or took away, the first of them by kind and code.
    pub declarations: Vec<String>,
}

/// The first answer to a request with an `Idempotency-Key` (contract section 3).
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = idempotency_keys, treat_none_as_default_value = false)]
pub struct KeyRow {
    /// Who sent it.
    pub holder: String,
    /// What it was sent to: method and path with query.
    pub target: String,
    /// The key.
    pub key: String,
    /// The hash of its body.
    pub body_hash: String,
    /// When it was answered, in microseconds since 1970.
    pub recorded_at: i64,
    /// The answer, as JSON.
    pub answer: String,
}

/// When a key was last used; no part of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = key_uses, treat_none_as_default_value = false)]
pub struct KeyUseRow {
    /// The key's identifier.
    pub key: String,
    /// When, in microseconds since 1970.
    pub last_used_at: i64,
    /// From which address.
    pub address: Option<String>,
}

/// A revision as the ledger has it: what it wrote, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedCommit {
    /// What it wrote.
    pub commit: Commit,
    /// Its hash in the ledger.
    pub hash: Option<String>,
}

/// A target or an annotation that a revision declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// What it is: `target`, `annotation`, `key`. The store takes any.
    pub kind: String,
    /// Its code; each kind has codes of its own.
    pub code: String,
    /// The declaration itself, as JSON; `None` takes it away.
    pub document: Option<String>,
}

/// Everything that one revision writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commit {
    /// Its number: one more than the revision before it.
    pub revision: i64,
    /// When, in microseconds since 1970; never before the revision before it.
    pub recorded_at: i64,
    /// `submission`, `withdrawal`, `units`, `catalogue`, `closing`, `reopening`, `targets`, `annotations`, `keys` and whatever comes later.
    pub kind: String,
    /// Who does it.
    pub actor: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// From where it comes, as JSON.
    pub origin: Option<String>,
    /// The submission that this revision records.
    pub submission: Option<SubmissionRow>,
    /// New numbers of the dictionary of measures.
    pub new_measures: Vec<MeasureRow>,
    /// New numbers of the dictionary of units: number and code.
    pub new_units: Vec<(i64, String)>,
    /// New versions of units: number and JSON document.
    pub unit_versions: Vec<(i64, String)>,
    /// A new version of the catalogue: its number and JSON document.
    pub catalogue: Option<(i64, String)>,
    /// Months closed (true) and reopened (false), each once.
    pub closings: Vec<(i64, bool)>,
    /// New versions of targets and annotations, in any order, each kind and code once.
    pub declarations: Vec<Declaration>,
    /// The figures, in any order, all with this commit's revision.
    pub observations: Vec<ObservationRow>,
}

/// What became of a call to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Everything is in the ledger, and on the disk.
    Written,
    /// Nothing was written: somebody else has written first, a revision or one of the idempotency keys, and the ledger's head is now
    /// this. Catch up and try again.
    Behind(Head),
}

/// Which figures to read; what is `None` does not restrict.
#[derive(Clone, Debug)]
pub struct ObservationQuery {
    /// Only of these units.
    pub units: Option<Vec<i64>>,
    /// Only of these measures.
    pub measures: Option<Vec<i64>>,
    /// From this month on.
    pub from_month: Option<i64>,
    /// Up to this month, inclusive.
    pub to_month: Option<i64>,
    /// Only revisions later than this one; a submission's own figures are those with `after_revision` one less than its revision and `up_to_revision` equal to it.
    pub after_revision: Option<i64>,
    /// Only revisions up to this one, inclusive.
    pub up_to_revision: Option<i64>,
    /// Only figures behind this place: the last one of the page before.
    pub after: Option<ObservationKey>,
    /// At most so many.
    pub limit: u32,
}

impl ObservationQuery {
    /// Narrows the query to what one revision recorded.
    #[must_use]
    pub fn of_revision(self, revision: i64) -> Self {
        Self {
            after_revision: Some(revision.saturating_sub(1)),
            up_to_revision: Some(revision),
            ..self
        }
    }
}

impl Default for ObservationQuery {
    /// Everything, a thousand at a time.
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
