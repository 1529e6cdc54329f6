//! The tables of a DOCX, cell by cell.

use super::body::{Written, words};
use crate::intake::document::builder::Cell;
use crate::intake::document::limits;

/// How a cell goes on from the one above.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Height {
    /// It is a cell of its own.
    #[default]
    Own,
    /// It is part of the cell above.
    Above,
}

/// A cell as it is written.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) content: Vec<Written>,
    /// Columns that it covers.
    pub(super) span: usize,
    pub(super) height: Height,
}

/// A row as it is written.
#[derive(Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Raw>,
    /// Columns left out before the first cell.
    pub(super) before: usize,
    pub(super) deleted: bool,
}

/// A table, or what stands in it when it has one column: that is a frame, not a table.
pub(super) fn finish(rows: Vec<Row>) -> Vec<Written> {
    let rows: Vec<Row> =
        rows.into_iter().filter(|row| !row.deleted && !row.cells.is_empty()).collect();
    if rows.iter().all(|row| row.cells.len() == 1) {
        return rows.into_iter().flat_map(|row| row.cells).flat_map(|cell| cell.content).collect();
    }
    let finished = rows.into_iter().map(|row| {
        let mut cells: Vec<Cell> =
            std::iter::repeat_n(Cell::Text(String::new()), row.before.min(limits::CELL_SPAN))
                .collect();
        for raw in row.cells {
            cells.push(if raw.height == Height::Above {
                Cell::Above
            } else {
                Cell::Text(words(&raw.content))
            });
            let covered = if raw.height == Height::Above { Cell::Above } else { Cell::Left };
            cells.extend(std::iter::repeat_n(covered, raw.span.clamp(1, limits::CELL_SPAN) - 1));
        }
        cells
    });
    vec![Written::Table(finished.collect())]
}
