//! What `datapackage.json` says of the table: a Frictionless Data Package, version 1, whose every column is described.

use serde::Serialize;
use serde_json::{Value, json};

use super::{FIGURES, MeasureKind, Tidied};
use crate::domain::change::Reason;
use crate::domain::unit::UnitKind;
use crate::domain::value::Origin;

/// What a column holds.
enum Holds {
    /// A number that is always there, 0 to 1.
    Share,
    /// A number, where it can be given.
    Number,
    /// A share, where it can be given.
    ShareOrNothing,
    /// Why a number cannot be given.
    Reason,
    /// A code of a measure.
    Measure,
    /// A code of a unit.
    Unit,
    /// A code of a unit, or nothing.
    UnitOrNothing,
    /// A month.
    Month,
    /// A text that is always there.
    Text,
    /// One of some words, always there.
    Word(fn() -> Vec<Value>),
    /// One of some words, or nothing.
    WordOrNothing(fn() -> Vec<Value>),
}

/// The columns in order: name, what they hold, and what that means.
const COLUMNS: [(&str, Holds, &str); 26] = [
    (
        "measure",
        Holds::Measure,
        "An indicator or kpi, with dimension members in braces; without them it is the total.",
    ),
    (
        "measure_kind",
        Holds::Word(measure_kinds),
        "flow: happened during the month, months and units add up; stock: level at month end, units add up; average: never adds up; kpi: computed from indicators.",
    ),
    ("unit", Holds::Unit, "The code of the unit."),
    ("unit_kind", Holds::Word(unit_kinds), "What sort of organisation the unit is."),
    ("parent", Holds::UnitOrNothing, "The code of the unit that it belongs to; empty at the top."),
    ("period", Holds::Month, "The month."),
    (
        "unit_of_measure",
        Holds::Text,
        "What the value is given in; changes of percent are percentage points.",
    ),
    (
        "value",
        Holds::Number,
        "The value, rounded to six decimals; empty where a kpi is only stated.",
    ),
    (
        "origin",
        Holds::WordOrNothing(origins),
        "Where the value comes from: stated for exactly this, summed from dimension members, rolled_up from child units, or computed.",
    ),
    ("coverage", Holds::Share, "Share of the leaf units that the value covers, 0 to 1."),
    (
        "stated",
        Holds::Number,
        "Of a kpi: the figure that was stated, with the digits that were printed.",
    ),
    ("delta", Holds::Number, "The value minus that of the month before."),
    ("delta_reason", Holds::Reason, "Why delta is empty."),
    ("delta_percent", Holds::Number, "delta in percent of the month before."),
    ("delta_percent_reason", Holds::Reason, "Why delta_percent is empty."),
    (
        "like_for_like_delta",
        Holds::Number,
        "The change over the leaf units that are covered in both months.",
    ),
    ("like_for_like_delta_reason", Holds::Reason, "Why like_for_like_delta is empty."),
    ("like_for_like_percent", Holds::Number, "like_for_like_delta in percent."),
    ("like_for_like_percent_reason", Holds::Reason, "Why like_for_like_percent is empty."),
    (
        "like_for_like_coverage",
        Holds::ShareOrNothing,
        "Share of this month's leaf units that like for like compares, 0 to 1.",
    ),
    ("year_delta", Holds::Number, "The value minus that of the same month a year before."),
    ("year_delta_reason", Holds::Reason, "Why year_delta is empty."),
    ("year_delta_percent", Holds::Number, "year_delta in percent of the year before."),
    ("year_delta_percent_reason", Holds::Reason, "Why year_delta_percent is empty."),
    ("year_to_date", Holds::Number, "January to this month, of flows and kpis of flows."),
    ("year_to_date_reason", Holds::Reason, "Why year_to_date is empty."),
];

/// The words that a type is written as.
fn words(all: &[impl Serialize]) -> Vec<Value> {
    all.iter().filter_map(|word| serde_json::to_value(word).ok()).collect()
}

fn measure_kinds() -> Vec<Value> {
    words(&[MeasureKind::Flow, MeasureKind::Stock, MeasureKind::Average, MeasureKind::Kpi])
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

fn origins() -> Vec<Value> {
    words(&[Origin::Stated, Origin::Summed, Origin::RolledUp, Origin::Computed])
}

fn reasons() -> Vec<Value> {
    words(&[
        Reason::NotApplicable,
        Reason::Missing,
        Reason::DefinitionChanged,
        Reason::NoPrior,
        Reason::CoverageChanged,
        Reason::StatedAbove,
        Reason::PriorZero,
    ])
}

impl Holds {
    /// Its type and its constraints.
    fn describe(&self) -> (&'static str, Value) {
        const UNIT: &str = "[a-z0-9][a-z0-9._-]{0,119}";
        match self {
            Self::Share => ("number", json!({ "required": true, "minimum": 0, "maximum": 1 })),
            Self::ShareOrNothing => ("number", json!({ "minimum": 0, "maximum": 1 })),
            Self::Number => ("number", json!({})),
            Self::Reason => ("string", json!({ "enum": reasons() })),
            Self::Measure => {
                ("string", json!({ "required": true, "pattern": "[a-z][a-z0-9._]*(\\{.+\\})?" }))
            }
            Self::Unit => ("string", json!({ "required": true, "pattern": UNIT })),
            Self::UnitOrNothing => ("string", json!({ "pattern": UNIT })),
            Self::Month => ("yearmonth", json!({ "required": true })),
            Self::Text => ("string", json!({ "required": true })),
            Self::Word(words) => ("string", json!({ "required": true, "enum": words() })),
            Self::WordOrNothing(words) => ("string", json!({ "enum": words() })),
        }
    }
}

/// The table's first line.
pub fn header() -> String {
    format!("{}\n", COLUMNS.map(|(name, ..)| name).join(","))
}

/// The whole description.
pub fn describe(written: &Tidied) -> Value {
    let fields = COLUMNS.iter().map(|(name, holds, about)| {
        let (kind, constraints) = holds.describe();
        json!({ "name": name, "type": kind, "description": about, "constraints": constraints })
    });
    json!({
        "profile": "tabular-data-package",
        "name": "egov-kpi-figures",
        "title": "Monthly e-government figures, their coverage and their changes",
        "description": "One row for each measure, unit and month that has a value, as GET /series of egov-kpi computes it. What cannot be given is empty, and the column of the same name with _reason says why.",
        "revision": written.revision,
        "resources": [{
            "profile": "tabular-data-resource",
            "name": "figures",
            "path": FIGURES,
            "format": "csv",
            "mediatype": "text/csv",
            "encoding": "utf-8",
            "rows": written.rows,
            "dialect": { "delimiter": ",", "lineTerminator": "\n", "quoteChar": "\"", "doubleQuote": true, "header": true },
            "schema": { "fields": fields.collect::<Vec<_>>(), "missingValues": [""], "primaryKey": ["measure", "unit", "period"] }
        }]
    })
}
