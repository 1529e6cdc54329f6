//! The tables of a sheet, one below the other.

use std::ops::Range;

use super::shape::GridShape;
use documents::table::{Grid, GridCell, MAX_ROWS};

/// The tables of a sheet, one below the other, each with its first row. After an empty row a new
/// table begins if it has a header. Rows of text only are the title of the next table.
#[must_use]
pub fn sheet_tables(sheet: &Grid) -> Vec<(usize, Grid)> {
    let empty =
        |row: usize| sheet.rows.get(row).is_none_or(|cells| cells.iter().all(GridCell::is_empty));
    let (mut blocks, mut start): (Vec<Range<usize>>, Option<usize>) = (Vec::new(), None);
    for row in 0..=sheet.rows.len().min(MAX_ROWS) {
        match (empty(row), start) {
            (false, None) => start = Some(row),
            (true, Some(from)) => {
                blocks.push(from..row);
                start = None;
            }
            _ => {}
        }
    }
    let (mut found, mut title): (Vec<Range<usize>>, Option<usize>) = (Vec::new(), None);
    for block in blocks {
        let part = sheet.rows_of(&block);
        let from = title.take().unwrap_or(block.start);
        match (GridShape::new(&part).parts(), found.last_mut()) {
            (None, _) => title = Some(from),
            (Some(parts), Some(above)) if parts.header.is_empty() && from == block.start => {
                above.end = block.end
            }
            (Some(_), _) => found.push(from..block.end),
        }
    }
    found.into_iter().map(|rows| (rows.start, sheet.rows_of(&rows))).collect()
}
