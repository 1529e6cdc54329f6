//! The figures of Excel files, and the form that the service provides.
//! [`documents::workbook`] reads the cells.

mod figures;
pub mod form;

pub use figures::{MAX_FAULTS, SheetCell, SheetFigure, SheetTable, WorkbookReading, figures};
