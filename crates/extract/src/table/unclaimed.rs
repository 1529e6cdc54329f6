//! Cells that are listed because they are not taken as figures: those with a digit, and where a
//! figure is expected those with any text.

use super::cell::{has_digit, looks_like_figure, says_nothing};
use super::mapping::UnclaimedCell;
use crate::label::split_marker;
use documents::table::GridCell;
use kpi::vietnamese::months::extract_months;

/// Whether a cell must be listed when it is not taken.
pub(super) fn is_figure(cell: &GridCell) -> bool {
    cell.number.is_some()
        || cell.fault.is_some()
        || (cell.month.is_none() && looks_like_figure(&cell.text))
}

/// Lists a text with a number that is neither a month nor a row number.
pub(super) fn unclaimed_text(
    cell: &GridCell,
    row: usize,
    column: usize,
    reason: &str,
) -> Option<UnclaimedCell> {
    (cell.month.is_none() && has_digit(&extract_months(split_marker(&cell.text).1).rest))
        .then(|| unclaimed(cell, row, column, reason))
        .flatten()
}

/// Lists a cell that was not taken, if it has a digit.
pub(super) fn unclaimed(
    cell: &GridCell,
    row: usize,
    column: usize,
    reason: &str,
) -> Option<UnclaimedCell> {
    let keeps = has_digit(&cell.text) || cell.number.is_some() || cell.fault.is_some();
    keeps.then(|| listed(cell, row, column, reason))
}

/// Lists a cell where a figure is expected that was not taken, also if it has only letters, which
/// may look like digits (`l` for 1, `O` for 0).
pub(super) fn unclaimed_figure(
    cell: &GridCell,
    row: usize,
    column: usize,
    reason: &str,
) -> Option<UnclaimedCell> {
    let says = cell.number.is_some() || cell.fault.is_some() || !says_nothing(&cell.text);
    says.then(|| listed(cell, row, column, reason))
}

fn listed(cell: &GridCell, row: usize, column: usize, reason: &str) -> UnclaimedCell {
    UnclaimedCell { row, column, printed: cell.text.trim().to_owned(), reason: reason.to_owned() }
}
