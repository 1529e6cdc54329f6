//! The first sheet of an Excel file as CSV, for the tables that the service itself exports.

use super::exported_table::ExportedLayout;
use super::workbook::MAX_FAULTS;
use documents::table::GridCell;
use documents::workbook::{WorkbookSheet, fault_at, open};
use extract::table::cell::STRUCK;
use kpi::fault::{Fault, quoted};
use kpi::number::{Decimal64, MAX_DECIMALS};

/// The first sheet of an Excel file.
pub struct FirstSheet {
    /// It as CSV with a line for each row. Line ends in cells become blanks, so that the number of
    /// a line is that of its row.
    pub csv: Vec<u8>,
    /// The column in the sheet of each column of the CSV, where they differ.
    columns: Vec<usize>,
    /// Why it is not certainly a table that the service exported: a cell has an error value or is
    /// struck out, cells are hidden, a row shows other names than those of its codes, or another
    /// sheet has content. The rows with errors are empty in the CSV.
    pub faults: Vec<Fault>,
}

impl FirstSheet {
    /// The table.
    ///
    /// # Errors
    /// All reasons why it is not certain.
    pub fn table(self) -> Result<Vec<u8>, Vec<Fault>> {
        if self.faults.is_empty() { Ok(self.csv) } else { Err(self.faults) }
    }

    /// The column in the sheet of a column of the CSV.
    #[must_use]
    pub fn column(&self, of_csv: usize) -> usize {
        self.columns.get(of_csv).copied().unwrap_or(of_csv)
    }
}

/// The code of the error of a hidden cell.
const HIDDEN: &str = "hidden";

/// What keeps a cell from being read as it is shown.
fn cell_fault(
    (sheet, layout): (&WorkbookSheet, Option<&ExportedLayout>),
    (row, column): (usize, usize),
    cell: &GridCell,
) -> Option<Fault> {
    let at = |code, detail: &str| fault_at(&sheet.name, row, column, code, detail);
    if let Some(fault) = &cell.fault {
        return Some(at("cell_error", fault));
    }
    if cell.text.trim().is_empty() {
        return None;
    }
    if cell.struck {
        return Some(at("struck_out", STRUCK));
    }
    let is_hidden = sheet.hidden_rows.contains(&row) || sheet.hidden_columns.contains(&column);
    let is_ours = layout.is_some_and(|layout| layout.hides(row, column));
    (is_hidden && !is_ours).then(|| at(HIDDEN, "the cell is hidden; show or delete it"))
}

/// The first sheet that is shown.
///
/// # Errors
/// The file cannot be read or exceeds a limit.
pub fn first_sheet(bytes: &[u8]) -> Result<FirstSheet, Fault> {
    let sheets = open(bytes)?;
    let mut shown = sheets.iter().filter(|sheet| !sheet.hidden);
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let (mut faults, mut has_hidden) = (Vec::new(), false);
    let first = shown.next();
    let layout = first.and_then(ExportedLayout::find);
    let rows = first.iter().flat_map(|sheet| sheet.grid.rows.iter().map(move |row| (sheet, row)));
    for (row, (sheet, cells)) in rows.enumerate() {
        let mut line = Vec::with_capacity(cells.len().max(1));
        let mut has_fault = false;
        for (column, cell) in cells.iter().enumerate() {
            let fault = cell_fault((sheet, layout.as_ref()), (row, column), cell);
            // A hidden row or column is one error, not one for each of its cells.
            let is_hidden = fault.as_ref().is_some_and(|fault| fault.code == HIDDEN);
            has_fault |= fault.is_some();
            faults.extend(fault.filter(|_| !(is_hidden && has_hidden)));
            has_hidden |= is_hidden;
            if layout.is_none() {
                line.push(written(cell));
            }
        }
        if has_fault && row > 0 {
            line.clear();
        } else if let Some(layout) = &layout {
            line = exported_line(layout, sheet, row).unwrap_or_else(|fault| {
                faults.push(fault);
                Vec::new()
            });
        }
        if line.is_empty() {
            line.push(String::new());
        }
        writer.write_record(&line).map_err(|error| unwritable(&error))?;
    }
    let filled = |sheet: &&WorkbookSheet| {
        sheet.grid.rows.iter().flatten().any(|cell| !cell.text.trim().is_empty())
    };
    if let Some(other) = shown.find(filled) {
        let detail = format!("the sheet {} has content too; send one sheet", quoted(&other.name));
        faults.push(Fault::new("", "several_sheets", detail));
    }
    let csv = writer.into_inner().map_err(|error| unwritable(error.error()))?;
    let columns = layout.iter().flat_map(|layout| layout.fields.iter().map(|(column, _)| *column));
    faults.truncate(MAX_FAULTS);
    Ok(FirstSheet { csv, columns: columns.collect(), faults })
}

/// A line of an exported table: the names of the fields, or the cells of a row.
fn exported_line(
    layout: &ExportedLayout,
    sheet: &WorkbookSheet,
    row: usize,
) -> Result<Vec<String>, Fault> {
    if row == 0 {
        return Ok(layout.fields.iter().map(|(_, name)| name.clone()).collect());
    }
    let cells = layout.cells(sheet, row)?;
    Ok(cells.into_iter().map(|cell| cell.map(written).unwrap_or_default()).collect())
}

/// A cell as it is written into a CSV.
fn written(cell: &GridCell) -> String {
    digits(cell).unwrap_or_else(|| cell.text.replace(['\n', '\r'], " "))
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
