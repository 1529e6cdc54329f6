//! Layout of the form that the service provides for one unit and month. It is read by its hidden
//! codes and not by labels.

/// Text of the hidden first cell of a form; the version of the layout follows it.
pub const MARK: &str = "egov-kpi-template/";
/// The version of the layout that the service writes.
pub const VERSION: &str = "1";
/// The hidden column of codes. Below [`MARK`] it has the code of the unit and the month, then the
/// measure of each row.
pub const CODES: usize = 0;
/// The row with the code of the unit.
pub const UNIT_ROW: usize = 1;
/// The row with the month.
pub const MONTH_ROW: usize = 2;
/// The row of the header.
pub const HEADER_ROW: usize = 4;
/// The column of row numbers.
pub const NUMBERS: usize = 1;
/// The column of labels.
pub const LABELS: usize = 2;
/// The column of units of measure.
pub const MEASURED: usize = 3;
/// The column of the figures of the month before.
pub const PREVIOUS: usize = 4;
/// The column to fill in.
pub const INPUT: usize = 5;
/// The column of notes.
pub const NOTES: usize = 6;
/// The column that says which checks fail.
pub const CHECKS: usize = 7;
/// Begins the hidden code of a row that the form computes. It is not read.
pub const COMPUTED: &str = "=";
/// The name of the sheet to fill in.
pub const FORM_SHEET: &str = "Số liệu";
/// The name of the sheet with instructions.
pub const GUIDE_SHEET: &str = "Hướng dẫn";
