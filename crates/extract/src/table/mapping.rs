//! How a table was understood: the meaning of its columns and rows, its figures, and its other
//! cells that may have one.

use std::ops::Range;

use kpi::measure::Measure;
use kpi::number::Decimal64;
use kpi::period::Month;
use kpi::unit::UnitPosition;

/// The unit, the month and the text that apply if the table itself does not give them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableDefaults {
    /// Position of the reporting unit.
    pub unit: Option<UnitPosition>,
    /// The reporting month.
    pub month: Option<Month>,
    /// The text above the table: caption, heading of the section, name of the sheet.
    pub hint: String,
}

/// How a column or row was understood.
#[derive(Clone, PartialEq, Debug)]
pub struct LabelUse {
    /// Its place among the columns or rows, from 0.
    pub place: usize,
    /// Its label.
    pub text: String,
    /// The meaning.
    pub meaning: LabelMeaning,
}

/// The meaning of a column or row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LabelMeaning {
    /// It has figures. What is `None` here comes from elsewhere.
    Figures {
        /// The measure, or only the members, as text.
        measure: Option<String>,
        /// The unit's position.
        unit: Option<UnitPosition>,
        /// The month.
        month: Option<Month>,
    },
    /// Labels of rows.
    Labels,
    /// It has row numbers, units of measure or notes.
    Aside(&'static str),
    /// It is a heading above the following rows.
    Heading,
    /// It has figures that are not taken, with the reason.
    Unclaimed(String),
}

/// A figure in a cell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CellFigure {
    /// The cell's row.
    pub row: usize,
    /// The cell's column.
    pub column: usize,
    /// The measure.
    pub measure: Measure,
    /// Position of the unit.
    pub unit: UnitPosition,
    /// The month.
    pub month: Month,
    /// The cell's text.
    pub printed: String,
    /// The number.
    pub written: Decimal64,
    /// Whether the number is marked as approximate.
    pub approximate: bool,
    /// The label that named the measure.
    pub label: String,
}

/// A cell with a digit, or with a text where a figure is expected, that is not taken as a figure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnclaimedCell {
    /// The cell's row.
    pub row: usize,
    /// The cell's column.
    pub column: usize,
    /// The cell's text.
    pub printed: String,
    /// The reason.
    pub reason: String,
}

/// How a table was understood.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct TableMapping {
    /// The rows of the header.
    pub header: Range<usize>,
    /// The meaning of each column.
    pub columns: Vec<LabelUse>,
    /// The meaning of each row below the header.
    pub rows: Vec<LabelUse>,
    /// The figures.
    pub figures: Vec<CellFigure>,
    /// The other cells with digits, and texts where a figure is expected, each with the reason.
    /// Labels, dates in titles and row numbers are not listed.
    pub unclaimed: Vec<UnclaimedCell>,
}
