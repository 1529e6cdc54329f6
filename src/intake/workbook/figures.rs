//! The figures of a workbook: of a form of ours by its hidden codes, of anything else as free tables.

use std::collections::HashMap;

use super::form::{
    CODES, GUIDE_SHEET, HEADER_ROW, INPUT, LABELS, MARK, MONTH_ROW, NOTES, UNIT_ROW, VERSION,
};
use super::{Sheet, at, cell_name, open};
use crate::domain::catalogue::Catalogue;
use crate::domain::fault::{Fault, quoted};
use crate::domain::measure::Measure;
use crate::domain::number::Written;
use crate::domain::period::Month;
use crate::intake::label::numbered;
use crate::intake::table::cell::{Allowed, Said, has_digit, read, rounded};
use crate::intake::table::month::timed;
use crate::intake::table::{Defaults, GridCell, Mapping, Meaning, Tables, Use};

/// Most faults that are listed.
pub const MAX_FAULTS: usize = 1_000;

/// A figure of a workbook.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetFigure {
    /// Its measure.
    pub measure: Measure,
    /// Its unit's position.
    pub unit: usize,
    /// Its month.
    pub month: Month,
    /// The number; none to withdraw.
    pub written: Option<Written>,
    /// The cell's text.
    pub printed: String,
    /// Whether it is said to be about so much.
    pub approximate: bool,
    /// The sheet's name.
    pub sheet: String,
    /// The cell's name.
    pub cell: String,
    /// The label that told the measure.
    pub label: String,
    /// How sure it is, 0 to 1: 1 when the workbook itself says measure, unit and month.
    pub confidence: f64,
}

/// A cell with a digit that was not taken.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetCell {
    /// The sheet's name.
    pub sheet: String,
    /// The cell's name.
    pub cell: String,
    /// The cell's text.
    pub printed: String,
    /// Why.
    pub reason: String,
}

/// How a table of a sheet was understood.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetTable {
    /// The sheet's name.
    pub sheet: String,
    /// The rows of the header, counted from 1.
    pub header_rows: Vec<usize>,
    /// The row that the table's rows are counted from.
    pub first_row: usize,
    /// Its columns.
    pub columns: Vec<Use>,
    /// Its rows.
    pub rows: Vec<Use>,
}

/// A workbook, understood as far as it can be.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct WorkbookReading {
    /// The unit that it says it is of, or that was given.
    pub unit: Option<usize>,
    /// The month that it says it is of, or that was given.
    pub month: Option<Month>,
    /// It is a form of ours.
    pub is_form: bool,
    /// The figures.
    pub figures: Vec<SheetFigure>,
    /// The other cells with digits.
    pub unclaimed: Vec<SheetCell>,
    /// How free tables were understood.
    pub tables: Vec<SheetTable>,
    /// What was written into the column of notes, with the label of its row.
    pub notes: Vec<String>,
    /// What is wrong with it; pointers are `sheet!cell`.
    pub faults: Vec<Fault>,
}

/// Reads a workbook; `defaults` say what it does not.
///
/// # Errors
/// The workbook cannot be read, or passes a bound; faults of single cells are in the reading.
pub fn figures(
    bytes: &[u8],
    tables: &Tables<'_>,
    catalogue: &Catalogue,
    defaults: &Defaults,
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
            Form { tables, catalogue, sheet: form }.read(defaults, &mut reading);
            for other in
                sheets.iter().filter(|sheet| sheet.name != form.name && sheet.name != GUIDE_SHEET)
            {
                beside(other, "a sheet beside the form", &mut reading);
            }
        }
        None => {
            for sheet in &sheets {
                if sheet.hidden {
                    beside(sheet, "a sheet that is not shown", &mut reading);
                } else {
                    free(sheet, tables, defaults, &mut reading);
                }
            }
        }
    }
    once(&mut reading);
    reading.faults.truncate(MAX_FAULTS);
    Ok(reading)
}

fn cell(sheet: &Sheet, row: usize, column: usize) -> Option<&GridCell> {
    sheet.grid.rows.get(row).and_then(|cells| cells.get(column))
}

fn text(sheet: &Sheet, row: usize, column: usize) -> &str {
    cell(sheet, row, column).map_or("", |cell| cell.text.trim())
}

/// The cells with digits of a sheet that is not read.
fn beside(sheet: &Sheet, reason: &str, reading: &mut WorkbookReading) {
    for (row, cells) in sheet.grid.rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| {
            cell.number.is_some() || crate::intake::table::cell::looks_like_figure(&cell.text)
        }) {
            reading.unclaimed.push(left(sheet, row, column, cell, reason));
        }
    }
}

fn left(sheet: &Sheet, row: usize, column: usize, cell: &GridCell, reason: &str) -> SheetCell {
    SheetCell {
        sheet: sheet.name.clone(),
        cell: cell_name(row, column),
        printed: cell.text.trim().to_owned(),
        reason: reason.to_owned(),
    }
}

/// Reads the free tables of a sheet.
fn free(sheet: &Sheet, tables: &Tables<'_>, defaults: &Defaults, reading: &mut WorkbookReading) {
    let named = Defaults {
        hint: format!("{} {}", defaults.hint, sheet.name).trim().to_owned(),
        ..defaults.clone()
    };
    let mut read_to = 0;
    for (start, grid) in sheet.grid.tables() {
        outside(sheet, read_to..start, reading);
        read_to = start + grid.rows.len();
        let mapping = tables.read(&grid, &named);
        let Mapping { header, columns, rows, figures, unclaimed } = mapping;
        let own = |uses: &[Use], of: usize, what: fn(&Meaning) -> bool| {
            uses.iter().any(|one| one.index == of && what(&one.meaning))
        };
        let has_unit: fn(&Meaning) -> bool =
            |meaning| matches!(meaning, Meaning::Figures { unit: Some(_), .. });
        let has_month: fn(&Meaning) -> bool =
            |meaning| matches!(meaning, Meaning::Figures { month: Some(_), .. });
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
                    reading.faults.push(at(&sheet.name, row, one.column, "cell_error", fault))
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

/// Numbers in rows that belong to no table.
fn outside(sheet: &Sheet, rows: std::ops::Range<usize>, reading: &mut WorkbookReading) {
    for row in rows {
        for (column, cell) in sheet.grid.rows.get(row).into_iter().flatten().enumerate() {
            if cell.number.is_some()
                || cell.fault.is_some()
                || has_digit(&timed(numbered(&cell.text).1).rest)
            {
                reading.unclaimed.push(left(sheet, row, column, cell, "it stands in no table"));
            }
        }
    }
}

/// Leaves each figure once; two values of one figure are a fault.
fn once(reading: &mut WorkbookReading) {
    let mut seen: HashMap<(String, usize, Month), (Option<Written>, String)> = HashMap::new();
    let (mut kept, mut faults) = (Vec::new(), Vec::new());
    for figure in std::mem::take(&mut reading.figures) {
        let place = format!("{}!{}", figure.sheet, figure.cell);
        match seen.get(&(figure.measure.to_string(), figure.unit, figure.month)) {
            Some((value, _)) if same(*value, figure.written) => {}
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
fn same(one: Option<Written>, other: Option<Written>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            let scale = one.scale.max(other.scale);
            one.at_scale(scale) == other.at_scale(scale)
        }
        (one, other) => one == other,
    }
}

/// What a cell of a form says: a number or a withdrawal, and whether it is about so much.
type FilledIn = (Option<Written>, bool);

/// A form of ours.
struct Form<'a> {
    tables: &'a Tables<'a>,
    catalogue: &'a Catalogue,
    sheet: &'a Sheet,
}

impl Form<'_> {
    fn fault(
        &self,
        row: usize,
        column: usize,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Fault {
        at(&self.sheet.name, row, column, code, detail)
    }

    fn read(&self, defaults: &Defaults, reading: &mut WorkbookReading) {
        let version = text(self.sheet, 0, CODES).trim_start_matches(MARK);
        if version != VERSION {
            reading.faults.push(self.fault(
                0,
                CODES,
                "unknown_version",
                format!(
                    "the form has the layout {}, known is {VERSION}; take a new one",
                    quoted(version)
                ),
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
            |given: bool| given.then_some("the form is of another one than the request names");
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
                reading.unclaimed.push(left(self.sheet, row, column, cell, "outside of the form"));
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

    /// The value filled in: nothing, a withdrawal, or a number and whether it is about so much.
    fn value(
        &self,
        cell: &GridCell,
        measure: &Measure,
    ) -> Result<Option<FilledIn>, (&'static str, String)> {
        if let Some(fault) = &cell.fault {
            return Err(("cell_error", fault.clone()));
        }
        if cell.text.trim().eq_ignore_ascii_case("null") {
            return Ok(Some((None, false)));
        }
        let decimals = self.catalogue.indicator(&measure.code).map(|indicator| indicator.decimals);
        let percent = self.catalogue.unit_of_measure(&measure.code) == "percent";
        if cell.percent && !percent {
            return Err(("not_a_number", "a percentage where a count is expected".to_owned()));
        }
        let said = match cell.number {
            Some(written) => Said::Number {
                written: if decimals.is_none() { rounded(written, 6) } else { written },
                approximate: false,
            },
            None => read(&cell.text, Allowed { decimals, percent }),
        };
        match said {
            Said::Nothing => Ok(None),
            Said::Words => Err((
                "not_a_number",
                "words where a figure is expected; notes belong into the column beside".to_owned(),
            )),
            Said::Fault(why) => Err(("not_a_number", why)),
            Said::Number { written, approximate } => Ok(Some((Some(written), approximate))),
        }
    }
}
