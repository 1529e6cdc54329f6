//! The names beside the table: units and measures, one in each row.

use std::io::Write;

use serde::Serialize;

use super::{TidyTable, csv_rows, escape_formula};
use crate::app::archive::write_error;
use crate::error::Error;
use kpi::catalogue::Direction;
use kpi::unit::UnitKind;

/// A row of `units.csv`.
#[derive(Serialize)]
struct ExportedUnit<'a> {
    unit: &'a str,
    unit_kind: UnitKind,
    name_vi: String,
    name_en: String,
    parent: Option<&'a str>,
    valid_from: Option<String>,
    valid_to: Option<String>,
    successors: String,
}

/// The columns of `units.csv`, with the names of the fields of [`ExportedUnit`].
pub(super) const UNIT_COLUMNS: [&str; 8] =
    ["unit", "unit_kind", "name_vi", "name_en", "parent", "valid_from", "valid_to", "successors"];

/// Writes the units of the table.
///
/// # Errors
/// Those of writing.
pub(super) fn write_units(table: &TidyTable<'_>, out: &mut impl Write) -> Result<(), Error> {
    let mut rows = csv_rows(out);
    rows.write_record(UNIT_COLUMNS).map_err(write_error)?;
    for unit in table.units {
        let Some(unit) = table.state.units.get(unit) else { continue };
        let document = &unit.document;
        let row = ExportedUnit {
            unit: &document.code,
            unit_kind: document.kind,
            name_vi: escape_formula(&document.name.vi),
            name_en: escape_formula(&document.name.en),
            parent: document.parent.as_deref(),
            valid_from: document.valid_from.map(|day| day.to_string()),
            valid_to: document.valid_to.map(|day| day.to_string()),
            successors: document.successors.join("; "),
        };
        rows.serialize(row).map_err(write_error)?;
    }
    rows.flush().map_err(write_error)
}

/// A row of `measures.csv`.
#[derive(Serialize)]
struct ExportedMeasure<'a> {
    measure: String,
    code: &'a str,
    members: String,
    measure_kind: &'a str,
    name_vi: String,
    name_en: String,
    unit_of_measure: &'a str,
    decimals: Option<u32>,
    direction: Option<Direction>,
    formula: String,
}

/// The columns of `measures.csv`, with the names of the fields of [`ExportedMeasure`].
pub(super) const MEASURE_COLUMNS: [&str; 10] = [
    "measure",
    "code",
    "members",
    "measure_kind",
    "name_vi",
    "name_en",
    "unit_of_measure",
    "decimals",
    "direction",
    "formula",
];

/// Writes the measures of the table.
///
/// # Errors
/// Those of writing.
pub(super) fn write_measures(table: &TidyTable<'_>, out: &mut impl Write) -> Result<(), Error> {
    let catalogue = &table.state.catalogue;
    let mut rows = csv_rows(out);
    rows.write_record(MEASURE_COLUMNS).map_err(write_error)?;
    for asked in &table.measures {
        let measure = &asked.measure;
        let name = catalogue.label(measure);
        let kpi = catalogue.kpi(&measure.code);
        let mut documents = catalogue.document.kpis.iter();
        let written = documents.find(|document| document.code == measure.code);
        let row = ExportedMeasure {
            measure: measure.to_string(),
            code: &measure.code,
            members: measure.members.to_string(),
            measure_kind: asked.kind.name(),
            name_vi: escape_formula(&name.vi),
            name_en: escape_formula(&name.en),
            unit_of_measure: &asked.unit_of_measure,
            decimals: catalogue.indicator(&measure.code).map(|indicator| indicator.decimals),
            direction: kpi.map(|kpi| kpi.direction),
            formula: written.map(|kpi| escape_formula(&kpi.formula)).unwrap_or_default(),
        };
        rows.serialize(row).map_err(write_error)?;
    }
    rows.flush().map_err(write_error)
}
