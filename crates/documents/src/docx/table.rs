//! Tables of a DOCX.

use super::block::{BodyBlock, words};
use crate::builder::TableCell;
use crate::limits;

/// Whether a cell continues the one above.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum VerticalMerge {
    /// It does not.
    #[default]
    Own,
    /// It does.
    Above,
}

/// A cell as the file has it.
#[derive(Default)]
pub(super) struct DocxCell {
    pub(super) content: Vec<BodyBlock>,
    /// The number of columns that it spans.
    pub(super) span: usize,
    pub(super) height: VerticalMerge,
}

/// A row as the file has it.
#[derive(Default)]
pub(super) struct DocxRow {
    pub(super) cells: Vec<DocxCell>,
    /// The number of columns left out before the first cell.
    pub(super) before: usize,
    pub(super) deleted: bool,
}

/// A table. A table of one column is layout, so its content is returned instead.
pub(super) fn finish(rows: Vec<DocxRow>) -> Vec<BodyBlock> {
    let rows: Vec<DocxRow> =
        rows.into_iter().filter(|row| !row.deleted && !row.cells.is_empty()).collect();
    if rows.iter().all(|row| row.cells.len() == 1) {
        return rows.into_iter().flat_map(|row| row.cells).flat_map(|cell| cell.content).collect();
    }
    let finished = rows.into_iter().map(|row| {
        let mut cells: Vec<TableCell> =
            std::iter::repeat_n(TableCell::Text(String::new()), row.before.min(limits::CELL_SPAN))
                .collect();
        for raw in row.cells {
            cells.push(if raw.height == VerticalMerge::Above {
                TableCell::Above
            } else {
                TableCell::Text(words(&raw.content))
            });
            let covered =
                if raw.height == VerticalMerge::Above { TableCell::Above } else { TableCell::Left };
            cells.extend(std::iter::repeat_n(covered, raw.span.clamp(1, limits::CELL_SPAN) - 1));
        }
        cells
    });
    vec![BodyBlock::Table(finished.collect())]
}
