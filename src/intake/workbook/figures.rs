//! The figures of an Excel file: a form of the service is read by its hidden codes, other sheets as
//! free tables.

use std::collections::HashMap;

use super::form::{
    CODES, GUIDE_SHEET, HEADER_ROW, INPUT, LABELS, MARK, MONTH_ROW, NOTES, UNIT_ROW, VERSION,
};
use crate::intake::label::split_marker;
use crate::intake::table::cell::{AllowedNumber, CellContent, has_digit, read};
use crate::intake::table::{
    LabelMeaning, LabelUse, TableDefaults, TableMapping, TableReader, sheet_tables,
};
use documents::table::GridCell;
use documents::workbook::{WorkbookSheet, cell_name, fault_at, open};
use kpi::catalogue::Catalogue;
use kpi::fault::{Fault, quoted};
use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::period::Month;
use kpi::vietnamese::months::extract_months;

/// Most errors that are listed.
pub const MAX_FAULTS: usize = 1_000;

/// A figure of an Excel file.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetFigure {
    /// The measure.
    pub measure: Measure,
    /// Position of the unit.
    pub unit: usize,
    /// The month.
    pub month: Month,
    /// The number; `None` withdraws the figure.
    pub written: Option<Decimal64>,
    /// The cell's text.
    pub printed: String,
    /// Whether it is marked as approximate.
    pub approximate: bool,
    /// The sheet's name.
    pub sheet: String,
    /// The cell's name.
    pub cell: String,
    /// The label that named the measure.
    pub label: String,
    /// How certain the figure is, 0 to 1: 1 when the file itself gives measure, unit and month.
    pub confidence: f64,
}

/// A cell with a digit that is not taken as a figure.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetCell {
    /// The sheet's name.
    pub sheet: String,
    /// The cell's name.
    pub cell: String,
    /// The cell's text.
    pub printed: String,
    /// The reason.
    pub reason: String,
}

/// How a table of a sheet was understood.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetTable {
    /// The sheet's name.
    pub sheet: String,
    /// The rows of the header, counted from 1.
    pub header_rows: Vec<usize>,
    /// The first row of the table in the sheet.
    pub first_row: usize,
    /// Its columns.
    pub columns: Vec<LabelUse>,
    /// Its rows.
    pub rows: Vec<LabelUse>,
}

/// How an Excel file was understood.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkbookReading {
    /// Position of the unit that the file or the request gives.
    pub unit: Option<usize>,
    /// The month that the file or the request gives.
    pub month: Option<Month>,
    /// Whether it is a form of the service.
    pub is_form: bool,
    /// The figures.
    pub figures: Vec<SheetFigure>,
    /// The other cells with digits.
    pub unclaimed: Vec<SheetCell>,
    /// How free tables were understood.
    pub tables: Vec<SheetTable>,
    /// The texts in the column of notes, each with the label of its row.
    pub notes: Vec<String>,
    /// The errors; pointers are `sheet!cell`.
    pub faults: Vec<Fault>,
}

/// Reads an Excel file. `defaults` give what the file does not say.
///
/// # Errors
/// The file cannot be read or exceeds a limit. Errors of single cells are in the result.
pub fn figures(
    bytes: &[u8],
    tables: &TableReader<'_>,
    catalogue: &Catalogue,
    defaults: &TableDefaults,
) -> Result<WorkbookReading, Fault> {
    let sheets = open(bytes)?;
    let mut reading = WorkbookReading {
        unit: defaults.unit,
        month: defaults.month,
        ..WorkbookReading::default()
    };
    match sheets.iter().find(|sheet| text(sheet, 0, CODES).starts_with(MARK)) {
        Some(form) => {
            reading.is_form = true;
            FormReader { tables, catalogue, sheet: form }.read(defaults, &mut reading);
            for other in
                sheets.iter().filter(|sheet| sheet.name != form.name && sheet.name != GUIDE_SHEET)
            {
                skip_sheet(other, "a sheet beside the form", &mut reading);
            }
        }
        None => {
            for sheet in &sheets {
                if sheet.hidden {
                    skip_sheet(sheet, "a hidden sheet", &mut reading);
                } else {
                    read_free_tables(sheet, tables, defaults, &mut reading);
                }
            }
        }
    }
    merge_duplicates(&mut reading);
    reading.faults.truncate(MAX_FAULTS);
    Ok(reading)
}

fn cell(sheet: &WorkbookSheet, row: usize, column: usize) -> Option<&GridCell> {
    sheet.grid.rows.get(row).and_then(|cells| cells.get(column))
}

fn text(sheet: &WorkbookSheet, row: usize, column: usize) -> &str {
    cell(sheet, row, column).map_or("", |cell| cell.text.trim())
}

/// Lists the cells with digits of a sheet that is not read.
fn skip_sheet(sheet: &WorkbookSheet, reason: &str, reading: &mut WorkbookReading) {
    for (row, cells) in sheet.grid.rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| {
            cell.number.is_some() || crate::intake::table::cell::looks_like_figure(&cell.text)
        }) {
            reading.unclaimed.push(unclaimed_cell(sheet, row, column, cell, reason));
        }
    }
}

fn unclaimed_cell(
    sheet: &WorkbookSheet,
    row: usize,
    column: usize,
    cell: &GridCell,
    reason: &str,
) -> SheetCell {
    SheetCell {
        sheet: sheet.name.clone(),
        cell: cell_name(row, column),
        printed: cell.text.trim().to_owned(),
        reason: reason.to_owned(),
    }
}

/// Reads the free tables of a sheet.
fn read_free_tables(
    sheet: &WorkbookSheet,
    tables: &TableReader<'_>,
    defaults: &TableDefaults,
    reading: &mut WorkbookReading,
) {
    let named = TableDefaults {
        hint: format!("{} {}", defaults.hint, sheet.name).trim().to_owned(),
        ..defaults.clone()
    };
    let mut read_to = 0;
    for (start, grid) in sheet_tables(&sheet.grid) {
        add_numbers_outside_tables(sheet, read_to..start, reading);
        read_to = start + grid.rows.len();
        let mapping = tables.read(&grid, &named);
        let TableMapping { header, columns, rows, figures, unclaimed } = mapping;
        let own = |uses: &[LabelUse], of: usize, what: fn(&LabelMeaning) -> bool| {
            uses.iter().any(|one| one.index == of && what(&one.meaning))
        };
        let has_unit: fn(&LabelMeaning) -> bool =
            |meaning| matches!(meaning, LabelMeaning::Figures { unit: Some(_), .. });
        let has_month: fn(&LabelMeaning) -> bool =
            |meaning| matches!(meaning, LabelMeaning::Figures { month: Some(_), .. });
        for figure in figures {
            let told = |what| own(&columns, figure.column, what) || own(&rows, figure.row, what);
            let unsaid = usize::from(!told(has_unit))
                + usize::from(!told(has_month))
                + usize::from(figure.approximate);
            let confidence = [1.0, 0.95, 0.9, 0.85].get(unsaid).copied().unwrap_or(0.85);
            reading.figures.push(SheetFigure {
                measure: figure.measure,
                unit: figure.unit,
                month: figure.month,
                written: Some(figure.written),
                printed: figure.printed,
                approximate: figure.approximate,
                sheet: sheet.name.clone(),
                cell: cell_name(start + figure.row, figure.column),
                label: figure.label,
                confidence,
            });
        }
        for one in unclaimed {
            let row = start + one.row;
            let fault = cell(sheet, row, one.column)
                .and_then(|cell| cell.fault.clone())
                .filter(|fault| *fault == one.reason);
            match fault {
                Some(fault) => {
                    reading.faults.push(fault_at(&sheet.name, row, one.column, "cell_error", fault))
                }
                None => reading.unclaimed.push(SheetCell {
                    sheet: sheet.name.clone(),
                    cell: cell_name(row, one.column),
                    printed: one.printed,
                    reason: one.reason,
                }),
            }
        }
        reading.tables.push(SheetTable {
            sheet: sheet.name.clone(),
            header_rows: header.map(|row| start + row + 1).collect(),
            first_row: start + 1,
            columns,
            rows,
        });
    }
}

/// Lists numbers in rows that do not belong to a table.
fn add_numbers_outside_tables(
    sheet: &WorkbookSheet,
    rows: std::ops::Range<usize>,
    reading: &mut WorkbookReading,
) {
    for row in rows {
        for (column, cell) in sheet.grid.rows.get(row).into_iter().flatten().enumerate() {
            if cell.number.is_some()
                || cell.fault.is_some()
                || has_digit(&extract_months(split_marker(&cell.text).1).rest)
            {
                reading.unclaimed.push(unclaimed_cell(
                    sheet,
                    row,
                    column,
                    cell,
                    "the cell is not in a table",
                ));
            }
        }
    }
}

/// Keeps each figure once; two values of one figure are an error.
fn merge_duplicates(reading: &mut WorkbookReading) {
    let mut seen: HashMap<(String, usize, Month), (Option<Decimal64>, String)> = HashMap::new();
    let (mut kept, mut faults) = (Vec::new(), Vec::new());
    for figure in std::mem::take(&mut reading.figures) {
        let place = format!("{}!{}", figure.sheet, figure.cell);
        match seen.get(&(figure.measure.to_string(), figure.unit, figure.month)) {
            Some((value, _)) if is_same_number(*value, figure.written) => {}
            Some((_, other)) => faults.push(Fault::new(
                &place,
                "contradiction",
                format!("{} of {} has another value at {other}", figure.measure, figure.month),
            )),
            None => {
                seen.insert(
                    (figure.measure.to_string(), figure.unit, figure.month),
                    (figure.written, place),
                );
                kept.push(figure);
            }
        }
    }
    reading.figures = kept;
    reading.faults.extend(faults);
}

/// Whether two values are the same number.
fn is_same_number(one: Option<Decimal64>, other: Option<Decimal64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            let scale = one.scale.max(other.scale);
            one.at_scale(scale) == other.at_scale(scale)
        }
        (one, other) => one == other,
    }
}

/// The value of an input cell: a number, or `None` for a withdrawal, and whether it is marked as
/// approximate.
type FormValue = (Option<Decimal64>, bool);

/// A sheet with the form of the service.
struct FormReader<'a> {
    tables: &'a TableReader<'a>,
    catalogue: &'a Catalogue,
    sheet: &'a WorkbookSheet,
}

impl FormReader<'_> {
    fn fault(
        &self,
        row: usize,
        column: usize,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Fault {
        fault_at(&self.sheet.name, row, column, code, detail)
    }

    fn read(&self, defaults: &TableDefaults, reading: &mut WorkbookReading) {
        let version = text(self.sheet, 0, CODES).trim_start_matches(MARK);
        if version != VERSION {
            reading.faults.push(self.fault(
                0,
                CODES,
                "unknown_version",
                format!("the form has layout {}; the service knows layout {VERSION}; download a new form", quoted(version)),
            ));
            return;
        }
        let (code, month) = (text(self.sheet, UNIT_ROW, CODES), text(self.sheet, MONTH_ROW, CODES));
        let unit = self.tables.units().position(code);
        if unit.is_none() {
            reading.faults.push(self.fault(
                UNIT_ROW,
                CODES,
                "unknown_unit",
                format!("no unit has the code {}", quoted(code)),
            ));
        }
        let month = month
            .parse::<Month>()
            .map_err(|error| {
                reading.faults.push(self.fault(
                    MONTH_ROW,
                    CODES,
                    "malformed_period",
                    error.to_string(),
                ))
            })
            .ok();
        let contradicts =
            |given: bool| given.then_some("the form has another unit or month than the request");
        for (row, why) in [
            (UNIT_ROW, contradicts(defaults.unit.is_some() && defaults.unit != unit)),
            (MONTH_ROW, contradicts(defaults.month.is_some() && defaults.month != month)),
        ] {
            reading
                .faults
                .extend(why.map(|why| self.fault(row, CODES, "contradicts_request", why)));
        }
        let (Some(unit), Some(month)) = (unit, month) else { return };
        (reading.unit, reading.month) = (Some(unit), Some(month));
        for row in HEADER_ROW + 1..self.sheet.grid.rows.len() {
            self.row(row, unit, month, reading);
        }
    }

    fn row(&self, row: usize, unit: usize, month: Month, reading: &mut WorkbookReading) {
        let code = text(self.sheet, row, CODES);
        for (column, cell) in
            self.sheet.grid.rows.get(row).into_iter().flatten().enumerate().skip(INPUT)
        {
            let strays = column > NOTES || (code.is_empty() && column == INPUT);
            if strays && (cell.number.is_some() || has_digit(&cell.text)) {
                reading.unclaimed.push(unclaimed_cell(
                    self.sheet,
                    row,
                    column,
                    cell,
                    "outside the form",
                ));
            }
        }
        if code.is_empty() {
            return;
        }
        let measure = match Measure::parse(code) {
            Ok(measure) if self.catalogue.measure_faults(&measure).is_empty() => measure,
            _ => {
                reading.faults.push(self.fault(
                    row,
                    CODES,
                    "unknown_measure",
                    format!("the catalogue declares no measure {}", quoted(code)),
                ));
                return;
            }
        };
        let label = text(self.sheet, row, LABELS).to_owned();
        let note = text(self.sheet, row, NOTES);
        if !note.is_empty() {
            reading.notes.push(format!("{label}: {note}"));
        }
        let Some(cell) = cell(self.sheet, row, INPUT).filter(|cell| **cell != GridCell::default())
        else {
            return;
        };
        match self.value(cell, &measure) {
            Ok(None) => {}
            Ok(Some((written, approximate))) => reading.figures.push(SheetFigure {
                measure,
                unit,
                month,
                written,
                printed: cell.text.trim().to_owned(),
                approximate,
                sheet: self.sheet.name.clone(),
                cell: cell_name(row, INPUT),
                label,
                confidence: 1.0,
            }),
            Err((code, why)) => reading.faults.push(self.fault(
                row,
                INPUT,
                code,
                format!("{}: {why}", quoted(cell.text.trim())),
            )),
        }
    }

    /// The value in an input cell: empty, a withdrawal, or a number and whether it is marked as
    /// approximate.
    fn value(
        &self,
        cell: &GridCell,
        measure: &Measure,
    ) -> Result<Option<FormValue>, (&'static str, String)> {
        if let Some(fault) = &cell.fault {
            return Err(("cell_error", fault.clone()));
        }
        if cell.text.trim().eq_ignore_ascii_case("null") {
            return Ok(Some((None, false)));
        }
        let decimals = self.catalogue.indicator(&measure.code).map(|indicator| indicator.decimals);
        let percent = self.catalogue.unit_of_measure(&measure.code) == "percent";
        if cell.percent && !percent {
            return Err((
                "not_a_number",
                "the cell has a percentage, a count is expected".to_owned(),
            ));
        }
        let said = match cell.number {
            Some(written) => CellContent::Number {
                written: if decimals.is_none() { written.rounded(6) } else { written },
                approximate: false,
            },
            None => read(&cell.text, AllowedNumber { decimals, percent }),
        };
        match said {
            CellContent::Nothing => Ok(None),
            CellContent::Words => Err((
                "not_a_number",
                "the cell has words, a figure is expected; write notes in the column for notes"
                    .to_owned(),
            )),
            CellContent::Fault(why) => Err(("not_a_number", why)),
            CellContent::Number { written, approximate } => Ok(Some((Some(written), approximate))),
        }
    }
}
