//! Tables of plain text and Markdown: pipes, boxes drawn of `+---+`, columns parted by tabs or wide gaps.

use std::ops::Range;

use super::lines::{Line, bare};
use super::{Refusal, limits};

/// Rows of cells, each the bytes it stands at.
pub(super) type Rows = Vec<Vec<Range<usize>>>;

/// How much of [`limits::TABLE_ROWS`] and [`limits::TABLE_CELLS`] a document's tables have used.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Size {
    rows: usize,
    cells: usize,
}

impl Size {
    /// Adds a row of so many cells.
    ///
    /// # Errors
    /// `too_many_rows` beyond the bounds.
    pub(super) fn add_row(&mut self, cells: usize) -> Result<(), Refusal> {
        self.rows += 1;
        self.cells += cells;
        if self.rows > limits::TABLE_ROWS || self.cells > limits::TABLE_CELLS {
            let detail = format!(
                "the tables have more than {} rows or {} cells: send such data as CSV or as a workbook",
                limits::TABLE_ROWS,
                limits::TABLE_CELLS
            );
            return Err(Refusal::new("too_many_rows", detail));
        }
        Ok(())
    }

    /// Adds a table.
    ///
    /// # Errors
    /// `too_many_rows` beyond the bounds.
    pub(super) fn add(&mut self, rows: &Rows) -> Result<(), Refusal> {
        rows.iter().try_for_each(|row| self.add_row(row.len()))
    }
}

/// A table ruled by pipes that begins with the first line: its rows and how many lines it takes.
pub(super) fn ruled(lines: &[Line<'_>], markdown: bool) -> Option<(Rows, usize)> {
    let first = lines.first()?;
    let boxed = is_border(first.text);
    let headed = markdown
        && first.text.contains('|')
        && lines.get(1).is_some_and(|line| is_delimiter(line.text));
    let piped = first.text.starts_with('|') && first.text.matches('|').count() >= 2;
    if !(boxed || headed || piped) {
        return None;
    }
    let row = |line: &&Line<'_>| {
        if headed {
            line.text.contains('|')
        } else {
            line.text.starts_with('|') || is_border(line.text)
        }
    };
    let taken = lines.iter().take_while(row).count();
    let mut rows: Rows = lines
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

/// The cells of a row ruled by pipes; `\|` is none.
fn cells(line: &Line<'_>, markdown: bool) -> Vec<Range<usize>> {
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

/// A cell of a line parted by gaps: its bytes in the document, and the columns of characters it covers.
#[derive(Clone, Debug)]
struct Cell {
    range: Range<usize>,
    columns: Range<usize>,
}

/// A table parted by tabs, or by gaps of two spaces or more that align, that begins with the first line and has two lines at least.
pub(super) fn spaced(lines: &[Line<'_>], text: &str) -> Option<(Rows, usize)> {
    let first = gapped(lines.first()?, text)?;
    let second = gapped(lines.get(1)?, text)?;
    // Tabs and spaces between the words of a sentence: what follows goes on in small letters.
    let goes_on = |row: &[Cell]| {
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

/// The cells of a line; nothing when there is one cell, or the mark of a list's entry and a cell.
fn gapped(line: &Line<'_>, text: &str) -> Option<Vec<Cell>> {
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

/// The cells of a line parted by tabs, empty ones too; their columns are their places.
fn tabbed(line: &Line<'_>, lead: &str) -> Vec<Cell> {
    let before = lead.matches('\t').count();
    let mut found: Vec<Cell> = (0..before)
        .map(|place| Cell { range: line.start..line.start, columns: place..place + 1 })
        .collect();
    let mut start = line.start;
    for piece in line.text.split('\t') {
        let place = found.len();
        found.push(Cell { range: bare(piece, start, false), columns: place..place + 1 });
        start += piece.len() + 1;
    }
    found
}

/// The cells of a line parted by gaps of two spaces or more.
fn wide(line: &Line<'_>, indent: usize) -> Vec<Cell> {
    let mut found: Vec<Cell> = Vec::new();
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
            None => found.push(Cell { range: line.start + at..end, columns: column..column + 1 }),
        }
        (open, spaces) = (true, 0);
    }
    found
}

/// The columns of two rows that begin a table.
fn aligned(first: &[Cell], second: &[Cell]) -> Option<Vec<Range<usize>>> {
    let (long, short) = if first.len() >= second.len() { (first, second) } else { (second, first) };
    placed(&long.iter().map(|cell| cell.columns.clone()).collect::<Vec<_>>(), short)
}

/// The columns, widened by a row that fits in them: each cell overlaps one column of its own.
fn placed(columns: &[Range<usize>], row: &[Cell]) -> Option<Vec<Range<usize>>> {
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

fn overlap(cell: &Cell, column: &Range<usize>) -> bool {
    column.start < cell.columns.end && cell.columns.start < column.end
}

/// A row with an empty cell for each column it has nothing in.
fn fill(columns: &[Range<usize>], row: &[Cell]) -> Vec<Range<usize>> {
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
