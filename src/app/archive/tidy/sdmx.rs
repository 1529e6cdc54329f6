//! The values as SDMX-CSV 2.0 (`docs/archive.md#sdmx-csv`): a row for each observation, with a
//! column for each dimension of the catalogue.

use std::collections::HashSet;
use std::io::Write;

use super::{TidySeries, TidyTable, csv_rows};
use crate::app::archive::write_error;
use crate::app::read::fields::{Field, FieldSet, RequestedFields};
use crate::app::read::series::PointView;
use crate::error::Error;
use kpi::change::ValueReason;

/// What `STRUCTURE_ID` names.
const STRUCTURE: &str = "dataflow";
/// The agency, the identifier and the version of the dataflow.
const STRUCTURE_ID: &str = "EGOV_KPI:FIGURES(1.0)";
/// The action of the rows: they inform.
const ACTION: &str = "I";
/// A dimension that the row sums over.
const TOTAL: &str = "_T";
/// A dimension that the indicator does not have.
const NOT_APPLICABLE: &str = "_Z";
/// Monthly figures.
const MONTHLY: &str = "M";

/// The columns before those of the dimensions.
const BEFORE: [&str; 7] =
    ["STRUCTURE", "STRUCTURE_ID", "ACTION", "FREQ", "REF_AREA", "INDICATOR", "TIME_PERIOD"];
/// The columns after those of the dimensions.
const AFTER: [&str; 6] =
    ["OBS_VALUE", "UNIT_MEASURE", "OBS_STATUS", "COVERAGE", "ORIGIN", "STATED_VALUE"];

/// Writes the table with its header, and returns its number of rows.
///
/// # Errors
/// Those of writing.
pub(super) fn write(table: &TidyTable<'_>, out: &mut impl Write) -> Result<u64, Error> {
    let document = &table.state.catalogue.document;
    let dimensions: Vec<&str> =
        document.dimensions.iter().map(|dimension| dimension.code.as_str()).collect();
    let mut rows = csv_rows(out);
    let names = dimension_columns(&dimensions);
    let header = BEFORE.map(str::to_owned).into_iter().chain(names).chain(AFTER.map(str::to_owned));
    rows.write_record(header).map_err(write_error)?;
    let fields = RequestedFields::new(FieldSet::of(&[
        Field::Period,
        Field::Value,
        Field::ValueReason,
        Field::Coverage,
        Field::Origin,
        Field::Stated,
    ]));
    let count = table.write_rows(table.whole(), fields, |series| {
        let mut written = 0;
        for point in series.points() {
            rows.write_record(cells(table, series, point, &dimensions)).map_err(write_error)?;
            written += 1;
        }
        Ok(written)
    })?;
    rows.flush().map_err(write_error)?;
    Ok(count)
}

/// The names of the columns of dimensions, each of which the table has once.
fn dimension_columns(dimensions: &[&str]) -> Vec<String> {
    let mut known: HashSet<String> = BEFORE.iter().chain(&AFTER).map(|&n| n.to_owned()).collect();
    let mut named = Vec::with_capacity(dimensions.len());
    for code in dimensions {
        let mut name = code.to_uppercase();
        while !known.insert(name.clone()) {
            name = format!("D_{name}");
        }
        named.push(name);
    }
    named
}

/// The cells of a row.
fn cells(
    table: &TidyTable<'_>,
    TidySeries { measure, series, .. }: &TidySeries<'_>,
    point: &PointView,
    dimensions: &[&str],
) -> Vec<String> {
    let catalogue = &table.state.catalogue;
    let (of, members) = (&measure.measure.code, &measure.measure.members);
    let has = |dimension: &str| match (catalogue.indicator(of), catalogue.kpi(of)) {
        (Some(indicator), _) => indicator.dimension(dimension).is_some(),
        (None, Some(kpi)) => kpi.dimensions.iter().any(|(code, _)| code == dimension),
        (None, None) => false,
    };
    let member = |dimension: &&str| match members.get(dimension) {
        Some(member) => member.to_owned(),
        None if has(dimension) => TOTAL.to_owned(),
        None => NOT_APPLICABLE.to_owned(),
    };
    let before = [STRUCTURE, STRUCTURE_ID, ACTION, MONTHLY, &series.unit, of];
    let mut cells: Vec<String> = before.map(str::to_owned).into();
    cells.push(point.period.to_string());
    cells.extend(dimensions.iter().map(member));
    cells.extend([
        point.value.map(|value| value.to_string()).unwrap_or_default(),
        measure.unit_of_measure.clone(),
        status(point.value_reason, point.coverage).to_owned(),
        point.coverage.map(|coverage| coverage.to_string()).unwrap_or_default(),
        point.origin.map(|origin| origin.name().to_owned()).unwrap_or_default(),
        point.stated.map(|stated| stated.to_string()).unwrap_or_default(),
    ]);
    cells
}

/// The status of an observation, by the code list `CL_OBS_STATUS`: normal, provisional while not
/// all leaf units have reported, missing, or missing because it cannot exist.
fn status(reason: Option<ValueReason>, coverage: Option<f64>) -> &'static str {
    match reason {
        None if coverage.is_some_and(|coverage| coverage < 1.0) => "P",
        None => "A",
        Some(ValueReason::NotApplicable) => "M",
        Some(ValueReason::Missing | ValueReason::Undefined) => "O",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let named = dimension_columns(&["channel", "origin", "Channel", "d_origin"]);
        assert_eq!(named, ["CHANNEL", "D_ORIGIN", "D_CHANNEL", "D_D_ORIGIN"]);
    }
}
