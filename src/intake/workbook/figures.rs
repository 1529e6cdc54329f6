//! The figures of an Excel file: a form of the service is read by its hidden codes, other sheets as
//! free tables.

use std::collections::HashMap;

use super::form::GUIDE_SHEET;
use super::form_layout::find_mark;
use super::form_reader::FormReader;
use super::reading::{
    SheetCell, SheetFigure, SheetTable, WorkbookReading, cell_fault, refuse_uncomputed,
    unclaimed_cell,
};
use super::visible::VisibleGrid;
use documents::table::{GridCell, NOT_COMPUTED};
use documents::workbook::{WorkbookSheet, cell_name, open};
use extract::label::split_marker;
use extract::table::cell::{AllowedNumber, CellContent, STRUCK, has_digit, read};
use extract::table::{
    LabelMeaning, LabelUse, TableDefaults, TableMapping, TableReader, sheet_tables,
};
use kpi::catalogue::Catalogue;
use kpi::fault::Fault;
use kpi::number::Statement;
use kpi::period::Month;
use kpi::unit::UnitPosition;
use kpi::vietnamese::months::{MonthMention, extract_months};

/// Why a number outside all tables is not taken.
const OUTSIDE: &str = "the cell is not in a table";

/// Most errors that are listed.
pub const MAX_FAULTS: usize = 1_000;

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
    let form = sheets.iter().find_map(|sheet| Some((sheet, find_mark(sheet)?)));
    match form {
        Some((form, mark)) => {
            reading.is_form = true;
            FormReader { tables, catalogue, sheet: form }.read(mark, defaults, &mut reading);
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
                    refuse_uncomputed(sheet, &|_, _| false, &mut reading);
                    read_free_tables(sheet, tables, defaults, &mut reading);
                }
            }
        }
    }
    merge_duplicates(&mut reading);
    reading.faults.truncate(MAX_FAULTS);
    Ok(reading)
}

/// Lists the cells with digits of a sheet that is not read.
fn skip_sheet(sheet: &WorkbookSheet, reason: &str, reading: &mut WorkbookReading) {
    for (row, cells) in sheet.grid.rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| {
            cell.number.is_some() || extract::table::cell::looks_like_figure(&cell.text)
        }) {
            reading.unclaimed.push(unclaimed_cell(sheet, row, column, cell, reason));
        }
    }
}

/// Reads the free tables of a sheet. Hidden rows and columns are listed and left out.
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
    let visible = VisibleGrid::of(sheet);
    for (row, column, reason) in visible.left_out(sheet) {
        let cell = sheet.grid.rows.get(row).and_then(|cells| cells.get(column));
        if let Some(cell) = cell.filter(|cell| is_listed(cell)) {
            reading.unclaimed.push(unclaimed_cell(sheet, row, column, cell, reason));
        }
    }
    let mut read_to = 0;
    for (start, grid) in sheet_tables(&visible.grid) {
        add_numbers_outside_tables(sheet, &visible, read_to..start, reading);
        read_to = start + grid.rows.len();
        let TableMapping { header, columns, rows, figures, unclaimed } = tables.read(&grid, &named);
        let own = |uses: &[LabelUse], of: usize, what: fn(&LabelMeaning) -> bool| {
            uses.iter().any(|one| one.place == of && what(&one.meaning))
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
                written: Some(figure.written.into()),
                printed: figure.printed,
                approximate: figure.approximate,
                sheet: sheet.name.clone(),
                cell: visible.name(start + figure.row, figure.column),
                label: figure.label,
                confidence,
            });
        }
        for one in unclaimed {
            let (row, column) = visible.place(start + one.row, one.column);
            let cell = sheet.grid.rows.get(row).and_then(|cells| cells.get(column));
            match cell.and_then(|cell| cell.fault.as_ref()) {
                // It is an error of its own.
                Some(fault) if fault == NOT_COMPUTED => {}
                Some(fault) if *fault == one.reason => {
                    reading.faults.push(cell_fault(sheet, row, column, fault));
                }
                Some(_) | None => reading.unclaimed.push(SheetCell {
                    sheet: sheet.name.clone(),
                    cell: cell_name(row, column),
                    printed: one.printed,
                    reason: one.reason,
                }),
            }
        }
        let first = visible.place(start, 0).0;
        let shown = |uses: Vec<LabelUse>, place: &dyn Fn(usize) -> usize| {
            uses.into_iter().map(|one| LabelUse { place: place(one.place), ..one }).collect()
        };
        reading.tables.push(SheetTable {
            sheet: sheet.name.clone(),
            header_rows: header.map(|row| visible.place(start + row, 0).0 + 1).collect(),
            first_row: first + 1,
            columns: shown(columns, &|column| visible.place(0, column).1),
            rows: shown(rows, &|row| visible.place(start + row, 0).0 - first),
        });
    }
    add_numbers_outside_tables(sheet, &visible, read_to..visible.grid.rows.len(), reading);
}

/// Whether a cell that is not read is listed: it has a digit that is not that of a month.
fn is_listed(cell: &GridCell) -> bool {
    cell.number.is_some()
        || cell.fault.is_some()
        || has_digit(&extract_months(split_marker(&cell.text).1).rest)
}

/// Lists numbers in rows that do not belong to a table.
fn add_numbers_outside_tables(
    sheet: &WorkbookSheet,
    visible: &VisibleGrid,
    rows: std::ops::Range<usize>,
    reading: &mut WorkbookReading,
) {
    for row in rows {
        for (column, cell) in visible.grid.rows.get(row).into_iter().flatten().enumerate() {
            let (at, place) = visible.place(row, column);
            // A date beside labels is not that of a heading.
            let dated = is_date(cell) && column > 0;
            if (is_listed(cell) || dated) && cell.fault.as_deref() != Some(NOT_COMPUTED) {
                reading.unclaimed.push(unclaimed_cell(sheet, at, place, cell, &outside(cell)));
            }
        }
    }
}

/// Whether a cell has a date and nothing else.
fn is_date(cell: &GridCell) -> bool {
    let said = || extract_months(split_marker(&cell.text).1);
    cell.month.is_some()
        || (has_digit(&cell.text) && {
            let said = said();
            said.rest.trim().is_empty() && matches!(said.when.as_slice(), [MonthMention::Other(_)])
        })
}

/// Why a cell outside of tables is not taken.
fn outside(cell: &GridCell) -> String {
    if cell.struck {
        return STRUCK.to_owned();
    }
    if is_date(cell) {
        return "the cell has a date, a figure is expected".to_owned();
    }
    match (cell.number, read(&cell.text, AllowedNumber { decimals: None, percent: true })) {
        (None, CellContent::Fault(why)) => format!("{OUTSIDE}; {why}"),
        _ => OUTSIDE.to_owned(),
    }
}

/// Keeps each figure once; two values of one figure are an error.
fn merge_duplicates(reading: &mut WorkbookReading) {
    let mut seen: HashMap<(String, UnitPosition, Month), (Option<Statement>, String)> =
        HashMap::new();
    let (mut kept, mut faults) = (Vec::new(), Vec::new());
    for figure in std::mem::take(&mut reading.figures) {
        let place = format!("{}!{}", figure.sheet, figure.cell);
        match seen.get(&(figure.measure.to_string(), figure.unit, figure.month)) {
            Some((value, _)) if is_same(*value, figure.written) => {}
            Some((_, other)) => faults.push(
                Fault::new(
                    &place,
                    "contradiction",
                    format!("{} of {} has another value at {other}", figure.measure, figure.month),
                )
                .with_vi(format!(
                    "{} của {} có giá trị khác ở ô {other}",
                    figure.measure, figure.month
                )),
            ),
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

/// Whether two figures say the same, numbers in any notation.
fn is_same(one: Option<Statement>, other: Option<Statement>) -> bool {
    match (one, other) {
        (Some(Statement::Number(one)), Some(Statement::Number(other))) => {
            let scale = one.scale.max(other.scale);
            one.at_scale(scale) == other.at_scale(scale)
        }
        (one, other) => one == other,
    }
}
