//! Cells with a digit that are listed because they are not taken as figures.

use super::cell::{has_digit, looks_like_figure};
use super::mapping::UnclaimedCell;
use crate::intake::label::split_marker;
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
    keeps.then(|| UnclaimedCell {
        row,
        column,
        printed: cell.text.trim().to_owned(),
        reason: reason.to_owned(),
    })
}
