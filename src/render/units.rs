//! Units as a table, which `PUT /units` and `units import` read again.

use super::table::{ResponseCell, ResponseTable};
use crate::intake::unit_table::{COLUMNS, labels_cell, official_codes_cell};
use kpi::unit::UnitDocument;

/// The units as a table.
#[must_use]
pub fn unit_table(units: Vec<UnitDocument>) -> ResponseTable {
    ResponseTable::new(&COLUMNS.join(" "), units.into_iter().map(row))
}

/// The cells of a unit, in the order of [`COLUMNS`].
#[must_use]
pub fn row(unit: UnitDocument) -> Vec<ResponseCell> {
    let day = |day: Option<chrono::NaiveDate>| {
        ResponseCell::Text(day.map(|day| day.to_string()).unwrap_or_default())
    };
    let shares: Vec<String> =
        unit.shares.iter().map(|(code, share)| format!("{code}={share}")).collect();
    vec![
        ResponseCell::Text(unit.code),
        ResponseCell::Text(unit.kind.name().to_owned()),
        ResponseCell::Text(unit.name.vi),
        ResponseCell::Text(unit.name.en),
        ResponseCell::Text(unit.parent.unwrap_or_default()),
        day(unit.valid_from),
        day(unit.valid_to),
        ResponseCell::Text(unit.successors.join("; ")),
        ResponseCell::Text(shares.join("; ")),
        ResponseCell::Text(official_codes_cell(&unit.official_codes)),
        ResponseCell::Text(labels_cell(&unit.labels)),
    ]
}
