//! The content of `datapackage.json`: a Frictionless Data Package, version 1, with a description of
//! every column.

use serde::Serialize;
use serde_json::{Value, json};

use super::metadata::{MEASURE_COLUMNS, UNIT_COLUMNS};
use super::{FIGURES, MEASURES, MeasureKind, TidySummary, UNITS};
use kpi::catalogue::Direction;
use kpi::change::{UnavailableReason, ValueReason};
use kpi::unit::UnitKind;
use kpi::value::Origin;

/// The values of a column.
enum ColumnKind {
    /// A number, or nothing.
    Number,
    /// A number from 0 to 1, or nothing.
    ShareOrNothing,
    /// The reason why a number is missing, or nothing.
    Reason,
    /// The code of a measure.
    Measure,
    /// The code of a unit.
    Unit,
    /// The code of a unit, or nothing.
    UnitOrNothing,
    /// A month.
    Month,
    /// A day, or nothing.
    DayOrNothing,
    /// A whole number, or nothing.
    CountOrNothing,
    /// A text, or nothing.
    TextOrNothing,
    /// A text, always present.
    Text,
    /// One of a list of words, always present.
    Word(fn() -> Vec<Value>),
    /// One of a list of words, or nothing.
    WordOrNothing(fn() -> Vec<Value>),
}

/// The columns in order: name, values, and meaning.
const COLUMNS: [(&str, ColumnKind, &str); 27] = [
    (
        "measure",
        ColumnKind::Measure,
        "An indicator or kpi, with dimension members in braces; without them it is the total.",
    ),
    (
        "measure_kind",
        ColumnKind::Word(measure_kinds),
        "flow: happened during the month, months and units add up; stock: level at month end, \
         units add up; average: never adds up; kpi: computed from indicators.",
    ),
    ("unit", ColumnKind::Unit, "The code of the unit."),
    ("unit_kind", ColumnKind::Word(unit_kinds), "The kind of the organisation."),
    (
        "parent",
        ColumnKind::UnitOrNothing,
        "The code of the unit above; empty for a unit without one.",
    ),
    ("period", ColumnKind::Month, "The month."),
    (
        "unit_of_measure",
        ColumnKind::Text,
        "The unit of the value; changes of percentages are in percentage points.",
    ),
    (
        "value",
        ColumnKind::Number,
        "The value, rounded to six decimals; empty for a kpi with only a stated rate.",
    ),
    ("value_reason", ColumnKind::WordOrNothing(value_reasons), "Why value is empty."),
    (
        "origin",
        ColumnKind::WordOrNothing(origins),
        "How the value came about: stated for exactly this measure, summed from members, rolled_up \
         from child units, or computed.",
    ),
    (
        "coverage",
        ColumnKind::ShareOrNothing,
        "Share of the leaf units that the value covers, 0 to 1; empty where no leaf is left to \
         which the figures apply.",
    ),
    (
        "stated",
        ColumnKind::Number,
        "For a kpi: the stated rate, with the digits as they were printed.",
    ),
    ("delta", ColumnKind::Number, "The value minus that of the month before."),
    ("delta_reason", ColumnKind::Reason, "Why delta is empty."),
    ("delta_percent", ColumnKind::Number, "delta in percent of the month before."),
    ("delta_percent_reason", ColumnKind::Reason, "Why delta_percent is empty."),
    (
        "like_for_like_delta",
        ColumnKind::Number,
        "The change over the leaf units that are covered in both months.",
    ),
    ("like_for_like_delta_reason", ColumnKind::Reason, "Why like_for_like_delta is empty."),
    ("like_for_like_percent", ColumnKind::Number, "like_for_like_delta in percent."),
    ("like_for_like_percent_reason", ColumnKind::Reason, "Why like_for_like_percent is empty."),
    (
        "like_for_like_coverage",
        ColumnKind::ShareOrNothing,
        "Share of this month's leaf units that the like-for-like change compares, 0 to 1.",
    ),
    ("year_delta", ColumnKind::Number, "The value minus that of the same month a year before."),
    ("year_delta_reason", ColumnKind::Reason, "Why year_delta is empty."),
    ("year_delta_percent", ColumnKind::Number, "year_delta in percent of the year before."),
    ("year_delta_percent_reason", ColumnKind::Reason, "Why year_delta_percent is empty."),
    (
        "year_to_date",
        ColumnKind::Number,
        "January up to the end of this month, for flows and kpis of flows.",
    ),
    ("year_to_date_reason", ColumnKind::Reason, "Why year_to_date is empty."),
];

/// The columns of `units.csv`, in the order of [`UNIT_COLUMNS`].
const UNIT_KINDS: [(ColumnKind, &str); 8] = [
    (ColumnKind::Unit, "The code of the unit."),
    (ColumnKind::Word(unit_kinds), "The kind of the organisation."),
    (ColumnKind::TextOrNothing, "Its name in Vietnamese."),
    (ColumnKind::TextOrNothing, "Its name in English."),
    (ColumnKind::UnitOrNothing, "The code of the unit above; empty for a unit without one."),
    (ColumnKind::DayOrNothing, "The first day on which the unit exists; empty if open."),
    (ColumnKind::DayOrNothing, "The last day on which the unit exists; empty if open."),
    (ColumnKind::TextOrNothing, "The codes of the units that continue it, separated by \"; \"."),
];

/// The columns of `measures.csv`, in the order of [`MEASURE_COLUMNS`].
const MEASURE_KINDS: [(ColumnKind, &str); 10] = [
    (ColumnKind::Measure, "An indicator or kpi, with dimension members in braces."),
    (ColumnKind::Text, "The code of the indicator or kpi."),
    (ColumnKind::TextOrNothing, "The members: channel=online,service_level=4."),
    (ColumnKind::Word(measure_kinds), "flow, stock, average or kpi."),
    (ColumnKind::TextOrNothing, "Its name in Vietnamese."),
    (ColumnKind::TextOrNothing, "Its name in English."),
    (ColumnKind::Text, "The unit of the values."),
    (ColumnKind::CountOrNothing, "Of an indicator: the number of decimals."),
    (
        ColumnKind::WordOrNothing(directions),
        "Of a kpi: whether a higher or a lower value is better.",
    ),
    (ColumnKind::TextOrNothing, "Of a kpi: its formula."),
];

/// The words that values of a type are serialised as.
fn words(all: &[impl Serialize]) -> Vec<Value> {
    all.iter().filter_map(|word| serde_json::to_value(word).ok()).collect()
}

fn measure_kinds() -> Vec<Value> {
    MeasureKind::ALL.iter().map(|kind| json!(kind.name())).collect()
}

fn unit_kinds() -> Vec<Value> {
    words(&[
        UnitKind::Province,
        UnitKind::Department,
        UnitKind::District,
        UnitKind::Commune,
        UnitKind::Agency,
    ])
}

fn directions() -> Vec<Value> {
    words(&[Direction::Higher, Direction::Lower, Direction::Neutral])
}

fn origins() -> Vec<Value> {
    words(&[Origin::Stated, Origin::Summed, Origin::RolledUp, Origin::Computed])
}

fn value_reasons() -> Vec<Value> {
    words(&[ValueReason::Missing, ValueReason::NotApplicable, ValueReason::Undefined])
}

fn reasons() -> Vec<Value> {
    words(&[
        UnavailableReason::NotApplicable,
        UnavailableReason::Missing,
        UnavailableReason::DefinitionChanged,
        UnavailableReason::NoPrior,
        UnavailableReason::CoverageChanged,
        UnavailableReason::StatedAbove,
        UnavailableReason::PriorZero,
    ])
}

impl ColumnKind {
    /// The column's type and constraints.
    fn describe(&self) -> (&'static str, Value) {
        const UNIT: &str = "[a-z0-9][a-z0-9._-]{0,119}";
        match self {
            Self::ShareOrNothing => ("number", json!({ "minimum": 0, "maximum": 1 })),
            Self::Number => ("number", json!({})),
            Self::Reason => ("string", json!({ "enum": reasons() })),
            Self::Measure => {
                ("string", json!({ "required": true, "pattern": "[a-z][a-z0-9._]*(\\{.+\\})?" }))
            }
            Self::Unit => ("string", json!({ "required": true, "pattern": UNIT })),
            Self::UnitOrNothing => ("string", json!({ "pattern": UNIT })),
            Self::Month => ("yearmonth", json!({ "required": true })),
            Self::DayOrNothing => ("date", json!({})),
            Self::CountOrNothing => ("integer", json!({ "minimum": 0 })),
            Self::TextOrNothing => ("string", json!({})),
            Self::Text => ("string", json!({ "required": true })),
            Self::Word(words) => ("string", json!({ "required": true, "enum": words() })),
            Self::WordOrNothing(words) => ("string", json!({ "enum": words() })),
        }
    }
}

/// The kind of cells that a column has in files with types.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CellType {
    Text,
    Number,
    Month,
}

impl ColumnKind {
    /// The kind of its cells, and whether each row has one.
    fn cells(&self) -> (CellType, bool) {
        match self {
            Self::Number | Self::ShareOrNothing | Self::CountOrNothing => (CellType::Number, false),
            Self::Month => (CellType::Month, true),
            Self::Measure | Self::Unit | Self::Text | Self::Word(_) => (CellType::Text, true),
            Self::Reason
            | Self::UnitOrNothing
            | Self::DayOrNothing
            | Self::TextOrNothing
            | Self::WordOrNothing(_) => (CellType::Text, false),
        }
    }
}

/// The columns of the table: their names, the kind of their cells, and whether each row has one.
pub(super) fn columns() -> impl Iterator<Item = (&'static str, CellType, bool)> {
    COLUMNS.iter().map(|(name, kind, _)| {
        let (cells, required) = kind.cells();
        (*name, cells, required)
    })
}

/// The header line of the table.
pub fn header() -> String {
    format!("{}\n", COLUMNS.map(|(name, ..)| name).join(","))
}

/// A column as the description has it.
fn column(name: &str, holds: &ColumnKind, about: &str) -> Value {
    let (kind, constraints) = holds.describe();
    json!({ "name": name, "type": kind, "description": about, "constraints": constraints })
}

/// A file as the description has it.
fn resource(file: &str, schema: &Value, rows: Option<u64>) -> Value {
    let mut resource = json!({
        "profile": "tabular-data-resource",
        "name": file.trim_end_matches(".csv"),
        "path": file,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "dialect": {
            "delimiter": ",",
            "lineTerminator": "\n",
            "quoteChar": "\"",
            "doubleQuote": true,
            "header": true
        },
        "schema": schema
    });
    if let (Some(rows), Some(fields)) = (rows, resource.as_object_mut()) {
        fields.insert("rows".to_owned(), json!(rows));
    }
    resource
}

/// A key of one file that names a row of another.
fn reference(field: &str, file: &str) -> Value {
    let resource = file.trim_end_matches(".csv");
    json!({ "fields": field, "reference": { "resource": resource, "fields": field } })
}

/// The whole description.
pub fn describe(written: &TidySummary) -> Value {
    let figures: Vec<Value> =
        COLUMNS.iter().map(|(name, holds, about)| column(name, holds, about)).collect();
    let figures = json!({
        "fields": figures,
        "missingValues": [""],
        "primaryKey": ["measure", "unit", "period"],
        "foreignKeys": [reference("unit", UNITS), reference("measure", MEASURES)]
    });
    let names = |columns: &[&str], kinds: &[(ColumnKind, &str)]| {
        let columns = columns.iter().zip(kinds);
        let fields: Vec<Value> =
            columns.map(|(name, (holds, about))| column(name, holds, about)).collect();
        let key = fields.first().map(|first| first["name"].clone());
        json!({ "fields": fields, "missingValues": [""], "primaryKey": key })
    };
    json!({
        "profile": "tabular-data-package",
        "name": "egov-kpi-figures",
        "title": "Monthly e-government figures, their coverage and their changes",
        "description": "One row for each measure, unit and month that has a value, as GET /series \
            of egov-kpi computes it. A number that cannot be given is empty, and the column of the \
            same name with _reason says why.",
        "revision": written.revision,
        "resources": [
            resource(FIGURES, &figures, Some(written.rows)),
            resource(UNITS, &names(&UNIT_COLUMNS, &UNIT_KINDS), None),
            resource(MEASURES, &names(&MEASURE_COLUMNS, &MEASURE_KINDS), None)
        ]
    })
}
