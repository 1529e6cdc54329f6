//! The tables of an archive: one declaration each, used for both writing and reading.
//!
//! Cells are numbers, texts and the words `true` and `false`. A missing cell is empty. Where a text
//! may be missing (`reason`, `reference`, `withdraws`, a declaration's `document`), a text that is
//! empty or begins with a backslash gets a backslash in front, so that it differs from a missing
//! one.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use ledger::{
    Commit, IdempotencyRow, ObservationRow, RevisionNumber, StoredMeasure, StoredMonth, StoredUnit,
    SubmissionRow, TimestampMicros,
};

/// A row of a table.
pub trait ArchiveRow: Serialize + DeserializeOwned {
    /// The table's file.
    const FILE: &'static str;
    /// The names of its columns, in order.
    const COLUMNS: &'static [&'static str];
}

/// A row that a revision wrote. The rows of a table are in the order of their revisions.
pub trait RevisionedRow: ArchiveRow {
    /// The revision that wrote it.
    fn revision(&self) -> RevisionNumber;
}

/// Declares a table; the fields of its row are its columns.
macro_rules! table {
    (
        $(#[$about:meta])* $name:ident in $file:literal:
        $($(#[$note:meta])* $column:ident: $type:ty),+
    ) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$note])* pub $column: $type,)+
        }

        impl ArchiveRow for $name {
            const FILE: &'static str = $file;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];
        }
    };
}

/// Declares a table of the ledger. Its first column is the revision.
macro_rules! ledger_table {
    ($(#[$about:meta])* $name:ident in $file:literal: $($rest:tt)+) => {
        table! {
            $(#[$about])* $name in $file:
            /** The revision that wrote it. */ revision: RevisionNumber,
            $($rest)+
        }

        impl RevisionedRow for $name {
            fn revision(&self) -> RevisionNumber {
                self.revision
            }
        }
    };
}

ledger_table! {
    /// A revision.
    RevisionRecord in "revisions.csv":
    /// When it was recorded.
    recorded_at: TimestampMicros,
    /// The kind of change.
    kind: String,
    /// The name of the sender.
    actor: String,
    /// The sender's reason.
    #[serde(with = "missing")]
    reason: Option<String>,
    /// The revision's hash.
    hash: String
}

ledger_table! {
    /// A submission.
    SubmissionArchiveRow in "submissions.csv":
    /// The submission's identifier.
    id: String,
    /// The kind of the source.
    source_kind: String,
    /// The sender's own reference.
    #[serde(with = "missing")]
    reference: Option<String>,
    /// Number of figures that did not exist before.
    created: i64,
    /// Number of figures that replaced another value.
    revised: i64,
    /// Number of figures that were there with the same value.
    unchanged: i64,
    /// Number of figures that were withdrawn.
    withdrawn: i64,
    /// The findings at that time, as JSON.
    findings: String,
    /// The submission that this one withdraws.
    #[serde(with = "missing")]
    withdraws: Option<String>
}

ledger_table! {
    /// An entry of the dictionary of measures.
    MeasureRecord in "measures.csv":
    /// The number of the measure.
    id: StoredMeasure,
    /// The indicator's code.
    code: String,
    /// The members.
    members: String
}

ledger_table! {
    /// An entry of the dictionary of units.
    UnitNumberRecord in "unit_numbers.csv":
    /// The number of the unit.
    number: StoredUnit,
    /// The unit's code.
    code: String
}

ledger_table! {
    /// A version of a unit.
    UnitVersionRecord in "unit_versions.csv":
    /// The unit's number.
    unit: StoredUnit,
    /// The unit, as JSON.
    document: String
}

ledger_table! {
    /// A version of the catalogue.
    CatalogueVersionRecord in "catalogue_versions.csv":
    /// The version number.
    version: i64,
    /// The whole document, as JSON.
    document: String
}

ledger_table! {
    /// A month that was closed or reopened.
    ClosingRecord in "closings.csv":
    /// The month's number: 12 times the year plus the month from 0.
    month: StoredMonth,
    /// Whether it is closed from then on.
    closed: bool
}

ledger_table! {
    /// A version of a target or an annotation.
    DeclarationRecord in "declarations.csv":
    /// The kind of the declaration.
    kind: String,
    /// The declaration's code.
    code: String,
    /// The declaration, as JSON; missing when it is removed.
    #[serde(with = "missing")]
    document: Option<String>
}

ledger_table! {
    /// The origin of a revision.
    OriginRecord in "origins.csv":
    /// The origin, as JSON.
    document: String
}

ledger_table! {
    /// A figure, or the withdrawal of one.
    ObservationRecord in "observations.csv":
    /// The unit's number.
    unit: StoredUnit,
    /// The measure's number.
    measure: StoredMeasure,
    /// The month's number: 12 times the year plus the month from 0.
    month: StoredMonth,
    /// The digits of the value as a whole number; missing for a withdrawal.
    mantissa: Option<i64>,
    /// Number of decimals among the digits.
    scale: i64
}

table! {
    /// The first response to a request with an `Idempotency-Key`.
    IdempotencyKeyRecord in "idempotency_keys.csv":
    /// The owner of the key.
    holder: String,
    /// Method and path of the request.
    target: String,
    /// The key.
    key: String,
    /// The hash of the request's body.
    body_hash: String,
    /// When the response was given.
    recorded_at: TimestampMicros,
    /// The response, as JSON.
    answer: String
}

impl SubmissionArchiveRow {
    /// The row of a submission.
    pub fn new(revision: RevisionNumber, row: SubmissionRow) -> Self {
        let SubmissionRow {
            id,
            source_kind,
            reference,
            created,
            revised,
            unchanged,
            withdrawn,
            findings,
            withdraws,
        } = row;
        Self {
            revision,
            id,
            source_kind,
            reference,
            created,
            revised,
            unchanged,
            withdrawn,
            findings,
            withdraws,
        }
    }
}

impl From<SubmissionArchiveRow> for SubmissionRow {
    fn from(line: SubmissionArchiveRow) -> Self {
        let SubmissionArchiveRow {
            revision: _,
            id,
            source_kind,
            reference,
            created,
            revised,
            unchanged,
            withdrawn,
            findings,
            withdraws,
        } = line;
        Self {
            id,
            source_kind,
            reference,
            created,
            revised,
            unchanged,
            withdrawn,
            findings,
            withdraws,
        }
    }
}

impl From<ObservationRow> for ObservationRecord {
    fn from(row: ObservationRow) -> Self {
        let ObservationRow { revision, unit, measure, month, mantissa, scale } = row;
        Self { revision, unit, measure, month, mantissa, scale }
    }
}

impl From<ObservationRecord> for ObservationRow {
    fn from(line: ObservationRecord) -> Self {
        let ObservationRecord { revision, unit, measure, month, mantissa, scale } = line;
        Self { revision, unit, measure, month, mantissa, scale }
    }
}

impl From<IdempotencyRow> for IdempotencyKeyRecord {
    fn from(row: IdempotencyRow) -> Self {
        let IdempotencyRow { holder, target, key, body_hash, recorded_at, answer } = row;
        Self { holder, target, key, body_hash, recorded_at, answer }
    }
}

impl From<IdempotencyKeyRecord> for IdempotencyRow {
    fn from(line: IdempotencyKeyRecord) -> Self {
        let IdempotencyKeyRecord { holder, target, key, body_hash, recorded_at, answer } = line;
        Self { holder, target, key, body_hash, recorded_at, answer }
    }
}

impl From<RevisionRecord> for Commit {
    /// The revision alone, without the rows of other tables.
    fn from(line: RevisionRecord) -> Self {
        let RevisionRecord { revision, recorded_at, kind, actor, reason, hash: _ } = line;
        Self { revision, recorded_at, kind, actor, reason, ..Self::default() }
    }
}

/// Serialises a text that may be missing.
mod missing {
    use serde::{Deserialize, Deserializer, Serializer};

    /// The prefix of an empty text, and of a text that begins with it.
    const BEFORE: char = '\\';

    /// Writes a missing text as an empty cell; the prefix marks an empty text.
    pub fn serialize<S: Serializer>(text: &Option<String>, cell: S) -> Result<S::Ok, S::Error> {
        match text.as_deref() {
            None => cell.serialize_str(""),
            Some(text) if text.is_empty() || text.starts_with(BEFORE) => {
                cell.serialize_str(&format!("{BEFORE}{text}"))
            }
            Some(text) => cell.serialize_str(text),
        }
    }

    /// Reads such a cell.
    pub fn deserialize<'de, D: Deserializer<'de>>(cell: D) -> Result<Option<String>, D::Error> {
        let cell = String::deserialize(cell)?;
        let text = cell.strip_prefix(BEFORE).map(ToOwned::to_owned);
        Ok(if cell.is_empty() { None } else { text.or(Some(cell)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_text_differs_from_an_empty_text() {
        for text in [
            None,
            Some(""),
            Some("\\"),
            Some("\\\\"),
            Some("a"),
            Some("\"\""),
            Some(" "),
            Some("a\r\nb\n\rc,\"d\""),
        ] {
            let line = RevisionRecord {
                revision: RevisionNumber::FIRST,
                recorded_at: TimestampMicros::new(2),
                kind: "k".into(),
                actor: String::new(),
                reason: text.map(Into::into),
                hash: "h".into(),
            };
            let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
            writer.serialize(&line).unwrap();
            let bytes = writer.into_inner().unwrap();
            let mut reader =
                csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
            let found: Vec<RevisionRecord> =
                reader.deserialize().collect::<Result<_, _>>().unwrap();
            assert_eq!(found, [line], "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn the_columns_match_the_struct_fields() {
        let line = ObservationRecord {
            revision: RevisionNumber::FIRST,
            unit: StoredUnit::new(2),
            measure: StoredMeasure::new(3),
            month: StoredMonth::new(4),
            mantissa: None,
            scale: 0,
        };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(&line).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(text, format!("{}\n1,2,3,4,,0\n", ObservationRecord::COLUMNS.join(",")));
    }
}
