//! The tables of an archive: one declaration each, from which both writing and reading follow.
//!
//! Cells are numbers, texts and the words `true` and `false`. A cell that may be missing is empty then; where a text may be missing
//! (`reason`, `reference`, `withdraws`, a declaration's `document`), a text that is empty or begins with a backslash has a backslash before it, so that it is
//! told from a missing one.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::store::{Commit, KeyRow, ObservationRow, SubmissionRow};

/// A row of a table.
pub trait Line: Serialize + DeserializeOwned {
    /// The table's file.
    const FILE: &'static str;
    /// The names of its columns, in order.
    const COLUMNS: &'static [&'static str];
}

/// A row that a revision wrote. A table's rows stand in the order of their revisions.
pub trait Recorded: Line {
    /// The revision that wrote it.
    fn revision(&self) -> i64;
}

/// Declares a table: the fields of its row are its columns.
macro_rules! table {
    ($(#[$about:meta])* $name:ident in $file:literal: $($(#[$note:meta])* $column:ident: $type:ty),+) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        pub struct $name {
            $($(#[$note])* pub $column: $type,)+
        }

        impl Line for $name {
            const FILE: &'static str = $file;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];
        }
    };
}

/// Declares a table of the ledger, whose first column is the revision.
macro_rules! ledger_table {
    ($(#[$about:meta])* $name:ident in $file:literal: $($rest:tt)+) => {
        table! { $(#[$about])* $name in $file: /** The revision that wrote it. */ revision: i64, $($rest)+ }

        impl Recorded for $name {
            fn revision(&self) -> i64 {
                self.revision
            }
        }
    };
}

ledger_table! {
    /// A revision.
    Revision in "revisions.csv":
    /// When it was recorded, in microseconds since 1970.
    recorded_at: i64,
    /// What happened.
    kind: String,
    /// Who did it.
    actor: String,
    /// Why.
    #[serde(with = "missing")]
    reason: Option<String>,
    /// Its hash in the chain.
    hash: String
}

ledger_table! {
    /// A submission.
    Submission in "submissions.csv":
    /// Its identifier.
    id: String,
    /// What kind of source it came from.
    source_kind: String,
    /// The sender's own reference.
    #[serde(with = "missing")]
    reference: Option<String>,
    /// How many figures were new.
    created: i64,
    /// How many figures replaced another value.
    revised: i64,
    /// How many figures said what the ledger already said.
    unchanged: i64,
    /// How many figures were withdrawn.
    withdrawn: i64,
    /// The findings at that time, as JSON.
    findings: String,
    /// The submission that this one withdraws.
    #[serde(with = "missing")]
    withdraws: Option<String>
}

ledger_table! {
    /// A number of the dictionary of measures.
    Measure in "measures.csv":
    /// The number.
    id: i64,
    /// The indicator's code.
    code: String,
    /// The members.
    members: String
}

ledger_table! {
    /// A number of the dictionary of units.
    UnitNumber in "unit_numbers.csv":
    /// The number.
    number: i64,
    /// The unit's code.
    code: String
}

ledger_table! {
    /// A version of a unit.
    UnitVersion in "unit_versions.csv":
    /// The unit's number.
    unit: i64,
    /// The unit, as JSON.
    document: String
}

ledger_table! {
    /// A version of the catalogue.
    CatalogueVersion in "catalogue_versions.csv":
    /// Its number.
    version: i64,
    /// The whole document, as JSON.
    document: String
}

ledger_table! {
    /// A month that was closed or reopened.
    Closing in "closings.csv":
    /// The month, counted from year 0.
    month: i64,
    /// Whether it is closed from then on.
    closed: bool
}

ledger_table! {
    /// A version of a target or an annotation.
    Declared in "declarations.csv":
    /// What it is.
    kind: String,
    /// Its code.
    code: String,
    /// The declaration, as JSON; missing where it is taken away.
    #[serde(with = "missing")]
    document: Option<String>
}

ledger_table! {
    /// From where a revision came.
    Origin in "origins.csv":
    /// The origin, as JSON.
    document: String
}

ledger_table! {
    /// A figure, or the withdrawal of one.
    Observation in "observations.csv":
    /// The unit's number.
    unit: i64,
    /// The measure's number.
    measure: i64,
    /// The month, counted from year 0.
    month: i64,
    /// The digits; missing in a withdrawal.
    mantissa: Option<i64>,
    /// How many of the digits are decimals.
    scale: i64
}

table! {
    /// The first answer to a request with an `Idempotency-Key`.
    Key in "idempotency_keys.csv":
    /// Who sent it.
    holder: String,
    /// What it was sent to.
    target: String,
    /// The key.
    key: String,
    /// The hash of its body.
    body_hash: String,
    /// When it was answered, in microseconds since 1970.
    recorded_at: i64,
    /// The answer, as JSON.
    answer: String
}

impl Submission {
    /// The row of a submission.
    pub fn new(revision: i64, row: SubmissionRow) -> Self {
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

impl From<Submission> for SubmissionRow {
    fn from(line: Submission) -> Self {
        let Submission {
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

impl From<ObservationRow> for Observation {
    fn from(row: ObservationRow) -> Self {
        let ObservationRow { revision, unit, measure, month, mantissa, scale } = row;
        Self { revision, unit, measure, month, mantissa, scale }
    }
}

impl From<Observation> for ObservationRow {
    fn from(line: Observation) -> Self {
        let Observation { revision, unit, measure, month, mantissa, scale } = line;
        Self { revision, unit, measure, month, mantissa, scale }
    }
}

impl From<KeyRow> for Key {
    fn from(row: KeyRow) -> Self {
        let KeyRow { holder, target, key, body_hash, recorded_at, answer } = row;
        Self { holder, target, key, body_hash, recorded_at, answer }
    }
}

impl From<Key> for KeyRow {
    fn from(line: Key) -> Self {
        let Key { holder, target, key, body_hash, recorded_at, answer } = line;
        Self { holder, target, key, body_hash, recorded_at, answer }
    }
}

impl From<Revision> for Commit {
    /// The revision itself, without what else it wrote.
    fn from(line: Revision) -> Self {
        let Revision { revision, recorded_at, kind, actor, reason, hash: _ } = line;
        Self { revision, recorded_at, kind, actor, reason, ..Self::default() }
    }
}

/// A text that may be missing, in a cell.
mod missing {
    use serde::{Deserialize, Deserializer, Serializer};

    const BEFORE: char = '\\';

    pub fn serialize<S: Serializer>(text: &Option<String>, cell: S) -> Result<S::Ok, S::Error> {
        match text.as_deref() {
            None => cell.serialize_str(""),
            Some(text) if text.is_empty() || text.starts_with(BEFORE) => {
                cell.serialize_str(&format!("{BEFORE}{text}"))
            }
            Some(text) => cell.serialize_str(text),
        }
    }

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
    fn a_missing_text_is_told_from_an_empty_one() {
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
            let line = Revision {
                revision: 1,
                recorded_at: 2,
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
            let found: Vec<Revision> = reader.deserialize().collect::<Result<_, _>>().unwrap();
            assert_eq!(found, [line], "{}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn the_columns_are_the_fields() {
        let line =
            Observation { revision: 1, unit: 2, measure: 3, month: 4, mantissa: None, scale: 0 };
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(&line).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(text, format!("{}\n1,2,3,4,,0\n", Observation::COLUMNS.join(",")));
    }
}
