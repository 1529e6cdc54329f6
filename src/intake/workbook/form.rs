//! Where things stand in the form that the service hands out for one unit and month, so that it is read back by codes and not by labels.

/// What the hidden first cell of a form says, with the version of its layout behind it.
pub const MARK: &str = "egov-kpi-template/";
/// The version of the layout that is written.
pub const VERSION: &str = "1";
/// The hidden column of codes. Below the mark stand the unit's code and the month; then each row has its measure.
pub const CODES: usize = 0;
/// The row of the unit's code.
pub const UNIT_ROW: usize = 1;
/// The row of the month.
pub const MONTH_ROW: usize = 2;
/// The row of the header.
pub const HEADER_ROW: usize = 4;
/// The column of numbers of rows.
pub const NUMBERS: usize = 1;
/// The column of labels.
pub const LABELS: usize = 2;
/// The column of units of measure.
pub const MEASURED: usize = 3;
/// The column of the figures of the month before.
pub const PREVIOUS: usize = 4;
/// The column that is filled in.
pub const INPUT: usize = 5;
/// The column of notes.
pub const NOTES: usize = 6;
/// The sheet's name.
pub const FORM_SHEET: &str = "Số liệu";
/// The name of the sheet that tells how to fill in the form.
pub const GUIDE_SHEET: &str = "Hướng dẫn";
