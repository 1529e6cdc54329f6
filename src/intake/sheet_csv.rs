//! The first sheet of an Excel file as CSV, for the tables that the service itself exports.

use documents::table::GridCell;
use documents::workbook::open;
use kpi::fault::Fault;
use kpi::number::{Decimal64, MAX_DECIMALS};

/// The first sheet that is shown, as CSV with a line for each row. Line ends in cells become
/// blanks, so that the number of a line is that of its row.
///
/// # Errors
/// The file cannot be read or exceeds a limit, or a cell has an error value.
pub fn first_sheet(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let sheets = open(bytes)?;
    let empty = Vec::new();
    let (name, rows) = sheets
        .iter()
        .find(|sheet| !sheet.hidden)
        .map_or(("", &empty), |sheet| (sheet.name.as_str(), &sheet.grid.rows));
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for (row, cells) in rows.iter().enumerate() {
        let mut line = Vec::with_capacity(cells.len().max(1));
        for (column, cell) in cells.iter().enumerate() {
            if let Some(fault) = &cell.fault {
                let fault = documents::workbook::fault_at(name, row, column, "cell_error", fault);
                return Err(fault);
            }
            line.push(digits(cell).unwrap_or_else(|| cell.text.replace(['\n', '\r'], " ")));
        }
        if line.is_empty() {
            line.push(String::new());
        }
        writer.write_record(&line).map_err(|error| unwritable(&error))?;
    }
    writer.into_inner().map_err(|error| unwritable(error.error()))
}

/// A number with the decimals that the cell shows; its text may have a decimal comma.
fn digits(cell: &GridCell) -> Option<String> {
    let number = cell.number.filter(|_| !cell.percent)?;
    let shown = cell.decimals.filter(|shown| *shown > number.scale && *shown <= MAX_DECIMALS);
    let scaled =
        shown.and_then(|scale| Some(Decimal64 { mantissa: number.at_scale(scale)?, scale }));
    Some(scaled.unwrap_or(number).to_string())
}

fn unwritable(error: &dyn std::error::Error) -> Fault {
    Fault::new("", "unreadable", format!("the sheet cannot be read as a table: {error}"))
}

/// The names of the first row of a CSV, in lower case.
#[must_use]
pub fn header(csv: &[u8]) -> Vec<String> {
    let line = csv.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line).to_lowercase();
    let names = line.trim_start_matches('\u{feff}').split([',', ';', '\t']);
    names.map(|name| name.trim().trim_matches('"').to_owned()).collect()
}

/// Whether a header is that of observations: it names indicator, unit, period and value.
#[must_use]
pub fn is_of_observations(header: &[String]) -> bool {
    ["indicator", "unit", "period", "value"]
        .iter()
        .all(|wanted| header.iter().any(|name| name == wanted))
}

/// Whether a header is that of units, as `GET /units` writes it.
#[must_use]
pub fn is_of_units(header: &[String]) -> bool {
    let has = |wanted: &str| header.iter().any(|name| name == wanted);
    has("code") && !has("indicator") && ["kind", "parent", "name_vi"].into_iter().any(has)
}
