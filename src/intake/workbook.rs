//! The figures of Excel files, and the form that the service provides.
//! [`documents::workbook`] reads the cells.

mod figures;
pub mod form;
mod form_layout;
mod form_order;
mod form_reader;
mod form_words;
pub mod observation_sheet;
mod reading;
mod visible;

pub use figures::{MAX_FAULTS, figures};
pub use reading::{SheetCell, SheetFigure, SheetTable, WorkbookReading};
