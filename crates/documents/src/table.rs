//! A table as a grid of cells, from a sheet or a document.

use std::ops::Range;

use kpi::number::Decimal64;
use kpi::period::Month;

/// Most rows of a grid that are read.
pub const MAX_ROWS: usize = 100_000;
/// Most columns of a grid that are read.
pub const MAX_COLUMNS: usize = 1_000;

/// The error of a formula that was not computed.
pub const NOT_COMPUTED: &str =
    "a formula without its result; open the file in a spreadsheet program and save it";

/// A cell of a grid.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct GridCell {
    /// The text as shown.
    pub text: String,
    /// The number, if the file stores one.
    pub number: Option<Decimal64>,
    /// The month of the date, if the file stores a date.
    pub month: Option<Month>,
    /// Whether the number is shown as a percentage; [`GridCell::number`] is then in percent.
    pub percent: bool,
    /// The number of decimals shown, if the file has it.
    pub decimals: Option<u32>,
    /// The error of the cell: an error value, or a formula without a result.
    pub fault: Option<String>,
    /// Whether all of it is struck out, so that it counts as empty.
    pub struck: bool,
    /// Whether the file has a formula for it.
    pub formula: bool,
}

impl GridCell {
    /// A cell of text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Whether it has no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// A range of cells that is shown as one cell; its first cell has the text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergedCells {
    /// Its rows.
    pub rows: Range<usize>,
    /// Its columns.
    pub columns: Range<usize>,
}

/// A table: rows of cells, which may differ in length.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Grid {
    /// The rows.
    pub rows: Vec<Vec<GridCell>>,
    /// The merged cells.
    pub merges: Vec<MergedCells>,
    /// Whether the grid is from a spreadsheet, where the column of a cell is certain. In a
    /// document's table a shorter row leaves it uncertain.
    pub of_sheet: bool,
}

impl Grid {
    /// A grid of texts.
    #[must_use]
    pub fn of_texts<T: AsRef<str>>(rows: &[Vec<T>]) -> Self {
        let cells = |row: &Vec<T>| row.iter().map(|text| GridCell::text(text.as_ref())).collect();
        Self { rows: rows.iter().map(cells).collect(), merges: Vec::new(), of_sheet: false }
    }

    /// A grid of the cells of a document's table, given by their bytes in the text.
    #[must_use]
    pub fn of_document(text: &str, rows: &[Vec<Range<usize>>]) -> Self {
        let cells = |row: &Vec<Range<usize>>| {
            row.iter()
                .map(|range| GridCell::text(text.get(range.clone()).unwrap_or_default()))
                .collect()
        };
        Self { rows: rows.iter().map(cells).collect(), merges: Vec::new(), of_sheet: false }
    }

    /// A range of rows as a grid.
    #[must_use]
    pub fn rows_of(&self, rows: &Range<usize>) -> Self {
        let within = |merge: &&MergedCells| {
            merge.rows.start >= rows.start
                && merge.rows.start < rows.end
                && merge.rows.start < merge.rows.end
        };
        let moved = |merge: &MergedCells| MergedCells {
            rows: merge.rows.start - rows.start..merge.rows.end.min(rows.end) - rows.start,
            columns: merge.columns.clone(),
        };
        Self {
            rows: self.rows.get(rows.clone()).unwrap_or_default().to_vec(),
            merges: self.merges.iter().filter(within).map(moved).collect(),
            of_sheet: self.of_sheet,
        }
    }
}
