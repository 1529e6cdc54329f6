//! Tables in plain text and Markdown: with pipes, with borders of `+---+`, or with columns
//! separated by tabs or wide gaps.

use std::ops::Range;

use super::text_line::{TextLine, bare};
use super::{DocumentError, limits};

/// Rows of cells, each given by its bytes in the text.
pub(super) type CellRanges = Vec<Vec<Range<usize>>>;

/// How much of [`limits::TABLE_ROWS`] and [`limits::TABLE_CELLS`] the tables of a document have
/// used.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct TableBudget {
    rows: usize,
    cells: usize,
}

impl TableBudget {
    /// Counts a row with this number of cells.
    ///
    /// # Errors
    /// `too_many_rows` beyond the limits.
    pub(super) fn add_row(&mut self, cells: usize) -> Result<(), DocumentError> {
        self.rows += 1;
        self.cells += cells;
        if self.rows > limits::TABLE_ROWS || self.cells > limits::TABLE_CELLS {
            let detail = format!(
                "the tables have more than {} rows or {} cells; send such data as CSV or as an \
                 Excel file",
                limits::TABLE_ROWS,
                limits::TABLE_CELLS
            );
            return Err(DocumentError::new("too_many_rows", detail));
        }
        Ok(())
    }

    /// Counts a table.
    ///
    /// # Errors
    /// `too_many_rows` beyond the limits.
    pub(super) fn add(&mut self, rows: &CellRanges) -> Result<(), DocumentError> {
        rows.iter().try_for_each(|row| self.add_row(row.len()))
    }
}

/// Reads a table with pipes that begins with the first line: its rows and its number of lines.
pub(super) fn read_pipe_table(
    lines: &[TextLine<'_>],
    markdown: bool,
) -> Option<(CellRanges, usize)> {
    let first = lines.first()?;
    let boxed = is_border(first.text);
    let headed = markdown
        && first.text.contains('|')
        && lines.get(1).is_some_and(|line| is_delimiter(line.text));
    let piped = first.text.starts_with('|') && first.text.matches('|').count() >= 2;
    if !(boxed || headed || piped) {
        return None;
    }
    let row = |line: &&TextLine<'_>| {
        if headed {
            line.text.contains('|')
        } else {
            line.text.starts_with('|') || is_border(line.text)
        }
    };
    let taken = lines.iter().take_while(row).count();
    let mut rows: CellRanges = lines
        .iter()
        .take(taken)
        .filter(|line| !is_delimiter(line.text) && !is_border(line.text))
        .map(|line| cells(line, markdown))
        .collect();
    rows.retain(|row| !row.is_empty());
    (taken >= 2).then_some((rows, taken))
}

/// `+-----+-----+`
fn is_border(line: &str) -> bool {
    line.starts_with('+')
        && line.len() >= 3
        && line.ends_with('+')
        && line.chars().all(|sign| matches!(sign, '+' | '-' | '=' | ':'))
}

/// `|---|:---:|`
fn is_delimiter(line: &str) -> bool {
    line.contains('-')
        && line.contains('|')
        && line.chars().all(|sign| matches!(sign, '|' | '-' | ':' | ' ' | '\t'))
}

/// The cells of a row with pipes; `\|` does not separate cells.
fn cells(line: &TextLine<'_>, markdown: bool) -> Vec<Range<usize>> {
    let open = line.text.strip_prefix('|').unwrap_or(line.text);
    let inner = open.strip_suffix('|').filter(|inner| !inner.ends_with('\\')).unwrap_or(open);
    let mut found = Vec::new();
    let (mut start, mut escaped) = (0, false);
    let offset = line.start + (line.text.len() - open.len());
    let cell = |range: Range<usize>| {
        bare(inner.get(range.clone()).unwrap_or_default(), offset + range.start, markdown)
    };
    for (at, sign) in inner.char_indices() {
        if sign == '|' && !escaped {
            found.push(cell(start..at));
            start = at + 1;
        }
        escaped = sign == '\\' && !escaped;
    }
    found.push(cell(start..inner.len()));
    found
}

/// A cell of a line separated by gaps: its bytes in the text, and the columns of characters that it
/// covers.
#[derive(Clone, Debug)]
struct LineCell {
    range: Range<usize>,
    columns: Range<usize>,
}

/// Reads a table with cells separated by tabs, or by aligned gaps of at least two spaces. It begins
/// with the first line and has at least two lines.
pub(super) fn read_spaced_table(lines: &[TextLine<'_>], text: &str) -> Option<(CellRanges, usize)> {
    let first = gapped(lines.first()?, text)?;
    let second = gapped(lines.get(1)?, text)?;
    // In a sentence with stray tabs or wide spaces, the text after a gap begins with a small
    // letter.
    let goes_on = |row: &[LineCell]| {
        row.iter().skip(1).all(|cell| {
            text.get(cell.range.clone()).is_some_and(|text| text.starts_with(char::is_lowercase))
        })
    };
    if goes_on(&first) || goes_on(&second) {
        return None;
    }
    let mut columns = aligned(&first, &second)?;
    let mut rows = vec![first, second];
    let mut rest = lines.iter().skip(2);
    while let Some(next) = rest.next().and_then(|line| gapped(line, text)) {
        let Some(found) = placed(&columns, &next) else { break };
        columns = found;
        rows.push(next);
    }
    let taken = rows.len();
    let rows = rows.iter().map(|row| fill(&columns, row)).collect();
    Some((rows, taken))
}

/// The cells of a line. `None` when there is only one cell, or only the mark of a list item and one
/// cell.
fn gapped(line: &TextLine<'_>, text: &str) -> Option<Vec<LineCell>> {
    let lead = text.get(..line.start)?.rsplit('\n').next()?;
    let found = if line.text.contains('\t') {
        tabbed(line, lead)
    } else {
        wide(line, lead.chars().count())
    };
    let mut filled = found.iter().filter(|cell| !cell.range.is_empty());
    let first = text.get(filled.next()?.range.clone())?;
    let more = filled.count();
    let marked = !first.chars().any(char::is_alphanumeric) || first.ends_with(['.', ')']);
    (more >= 2 || (more == 1 && !marked)).then_some(found)
}

/// The cells of a line separated by tabs, including empty ones; their places are their columns.
fn tabbed(line: &TextLine<'_>, lead: &str) -> Vec<LineCell> {
    let before = lead.matches('\t').count();
    let mut found: Vec<LineCell> = (0..before)
        .map(|place| LineCell { range: line.start..line.start, columns: place..place + 1 })
        .collect();
    let mut start = line.start;
    for piece in line.text.split('\t') {
        let place = found.len();
        found.push(LineCell { range: bare(piece, start, false), columns: place..place + 1 });
        start += piece.len() + 1;
    }
    found
}

/// The cells of a line separated by gaps of at least two spaces.
fn wide(line: &TextLine<'_>, indent: usize) -> Vec<LineCell> {
    let mut found: Vec<LineCell> = Vec::new();
    let (mut open, mut spaces) = (false, 2);
    for (column, (at, sign)) in line.text.char_indices().enumerate() {
        if sign.is_whitespace() {
            spaces += 1;
            open = open && spaces < 2;
            continue;
        }
        let (end, column) = (line.start + at + sign.len_utf8(), indent + column);
        match found.last_mut().filter(|_| open) {
            Some(cell) => (cell.range.end, cell.columns.end) = (end, column + 1),
            None => {
                found.push(LineCell { range: line.start + at..end, columns: column..column + 1 })
            }
        }
        (open, spaces) = (true, 0);
    }
    found
}

/// The columns of the first two rows of a table, if they align.
fn aligned(first: &[LineCell], second: &[LineCell]) -> Option<Vec<Range<usize>>> {
    let (long, short) = if first.len() >= second.len() { (first, second) } else { (second, first) };
    placed(&long.iter().map(|cell| cell.columns.clone()).collect::<Vec<_>>(), short)
}

/// The columns, widened by a row that fits: each of its cells must overlap exactly one column.
fn placed(columns: &[Range<usize>], row: &[LineCell]) -> Option<Vec<Range<usize>>> {
    let mut wider = columns.to_vec();
    let mut last = None;
    for cell in row {
        let mut overlapped = columns.iter().enumerate().filter(|(_, column)| overlap(cell, column));
        let (place, column) = overlapped.next()?;
        if overlapped.next().is_some() || last.is_some_and(|last| last >= place) {
            return None;
        }
        last = Some(place);
        *wider.get_mut(place)? =
            column.start.min(cell.columns.start)..column.end.max(cell.columns.end);
    }
    let apart = wider.iter().zip(wider.iter().skip(1)).all(|(left, right)| left.end <= right.start);
    apart.then_some(wider)
}

fn overlap(cell: &LineCell, column: &Range<usize>) -> bool {
    column.start < cell.columns.end && cell.columns.start < column.end
}

/// A row with an empty cell for each column in which it has nothing.
fn fill(columns: &[Range<usize>], row: &[LineCell]) -> Vec<Range<usize>> {
    let mut cells = row.iter().peekable();
    let mut at = row.first().map_or(0, |cell| cell.range.start);
    let fill = |column| match cells.next_if(|cell| overlap(cell, column)) {
        Some(cell) => {
            at = cell.range.end;
            cell.range.clone()
        }
        None => at..at,
    };
    columns.iter().map(fill).collect()
}
