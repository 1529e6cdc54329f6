//! The rows and columns of a sheet that are shown.

use documents::table::{Grid, MergedCells};
use documents::workbook::{WorkbookSheet, cell_name};

/// A sheet without its hidden rows and columns.
pub(super) struct VisibleGrid {
    /// The cells that are shown.
    pub(super) grid: Grid,
    /// The row and column in the sheet of each that is shown.
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl VisibleGrid {
    /// The grid of a sheet without what is hidden.
    pub(super) fn of(sheet: &WorkbookSheet) -> Self {
        let width = sheet.grid.rows.iter().map(Vec::len).max().unwrap_or(0);
        let rows: Vec<usize> =
            (0..sheet.grid.rows.len()).filter(|row| !sheet.hidden_rows.contains(row)).collect();
        let columns: Vec<usize> =
            (0..width).filter(|column| !sheet.hidden_columns.contains(column)).collect();
        if rows.len() == sheet.grid.rows.len() && columns.len() == width {
            return Self { grid: sheet.grid.clone(), rows, columns };
        }
        let cells = rows
            .iter()
            .filter_map(|row| sheet.grid.rows.get(*row))
            .map(|cells| columns.iter().map_while(|column| cells.get(*column)).cloned().collect());
        let moved = |merge: &MergedCells| {
            let within = |shown: &[usize], range: &std::ops::Range<usize>| {
                shown.partition_point(|place| *place < range.start)
                    ..shown.partition_point(|place| *place < range.end)
            };
            MergedCells {
                rows: within(&rows, &merge.rows),
                columns: within(&columns, &merge.columns),
            }
        };
        let mut merges: Vec<MergedCells> = sheet.grid.merges.iter().map(moved).collect();
        merges.retain(|merge| !merge.rows.is_empty() && !merge.columns.is_empty());
        let mut grid = Grid { rows: cells.collect(), merges, of_sheet: sheet.grid.of_sheet };
        // A merged cell is shown with its text even if its first row or column is hidden.
        for merge in &sheet.grid.merges {
            let MergedCells { rows: in_rows, columns: in_columns } = moved(merge);
            let origin = sheet.grid.rows.get(merge.rows.start);
            let origin = origin.and_then(|cells| cells.get(merge.columns.start));
            if let (Some(text), Some(cell)) = (
                origin.filter(|cell| cell.number.is_none() && cell.fault.is_none()),
                grid.rows
                    .get_mut(in_rows.start)
                    .filter(|_| !in_rows.is_empty() && !in_columns.is_empty())
                    .and_then(|cells| cells.get_mut(in_columns.start)),
            ) {
                *cell = text.clone();
            }
        }
        Self { grid, rows, columns }
    }

    /// The row and column in the sheet of a place in the grid.
    pub(super) fn place(&self, row: usize, column: usize) -> (usize, usize) {
        let of = |shown: &[usize], place: usize| shown.get(place).copied().unwrap_or(place);
        (of(&self.rows, row), of(&self.columns, column))
    }

    /// The name in the sheet of a place in the grid.
    pub(super) fn name(&self, row: usize, column: usize) -> String {
        let (row, column) = self.place(row, column);
        cell_name(row, column)
    }

    /// The cells that are not shown, each with the reason.
    pub(super) fn left_out<'s>(
        &self,
        sheet: &'s WorkbookSheet,
    ) -> impl Iterator<Item = (usize, usize, &'static str)> + use<'s> {
        sheet.grid.rows.iter().enumerate().flat_map(move |(row, cells)| {
            let hidden = sheet.hidden_rows.contains(&row);
            (0..cells.len()).filter_map(move |column| {
                if hidden {
                    Some((row, column, "in a hidden row"))
                } else {
                    sheet.hidden_columns.contains(&column).then_some((
                        row,
                        column,
                        "in a hidden column",
                    ))
                }
            })
        })
    }
}
