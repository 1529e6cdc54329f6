//! What is found in an Excel file.

use documents::table::{GridCell, NOT_COMPUTED};
use documents::workbook::{WorkbookSheet, cell_name, fault_at};
use extract::table::LabelUse;
use kpi::fault::{Fault, quoted};
use kpi::measure::Measure;
use kpi::number::Statement;
use kpi::period::Month;
use kpi::unit::UnitPosition;

/// A figure of an Excel file.
#[derive(Clone, PartialEq, Debug)]
pub struct SheetFigure {
    /// The measure.
    pub measure: Measure,
    /// Position of the unit.
    pub unit: UnitPosition,
    /// The month.
    pub month: Month,
    /// What it says; `None` withdraws the figure.
    pub written: Option<Statement>,
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

/// A cell with a digit, or with a text where a figure is expected, that is not taken as a figure.
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
    pub unit: Option<UnitPosition>,
    /// The month that the file or the request gives.
    pub month: Option<Month>,
    /// Whether it is a form of the service.
    pub is_form: bool,
    /// The figures.
    pub figures: Vec<SheetFigure>,
    /// The other cells with digits, and texts where a figure is expected.
    pub unclaimed: Vec<SheetCell>,
    /// How the tables of a file that is not a form were understood.
    pub tables: Vec<SheetTable>,
    /// The texts in the column of notes, each with the label of its row.
    pub notes: Vec<String>,
    /// The errors; pointers are `sheet!cell`.
    pub faults: Vec<Fault>,
}

/// A cell that is not taken, with the reason.
pub(super) fn unclaimed_cell(
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

/// Refuses formulas without a result wherever they are, because a label may be one too, but in the
/// cells that are not read.
pub(super) fn refuse_uncomputed(
    sheet: &WorkbookSheet,
    is_unread: &dyn Fn(usize, usize) -> bool,
    reading: &mut WorkbookReading,
) {
    for (row, cells) in sheet.grid.rows.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            if cell.fault.as_deref() == Some(NOT_COMPUTED) && !is_unread(row, column) {
                reading.faults.push(cell_fault(sheet, row, column, NOT_COMPUTED));
            }
        }
    }
}

/// The error of a cell.
pub(super) fn cell_fault(sheet: &WorkbookSheet, row: usize, column: usize, fault: &str) -> Fault {
    let vi = if fault == NOT_COMPUTED {
        "công thức chưa có kết quả; hãy mở tệp bằng phần mềm bảng tính rồi lưu lại".to_owned()
    } else {
        format!("ô có lỗi: {}", quoted(fault))
    };
    fault_at(&sheet.name, row, column, "cell_error", fault).with_vi(vi)
}
