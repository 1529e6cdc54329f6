//! The shape of a grid: title, header, body and merged cells.

use std::collections::HashMap;
use std::ops::Range;

use super::mapping::UnclaimedCell;
use super::unclaimed::{is_figure, unclaimed};
use crate::label::{RowMarker, split_marker};
use documents::table::{Grid, GridCell, MAX_COLUMNS, MAX_ROWS};
use kpi::period::Month;
use kpi::vietnamese::folding::unaccented;

/// Most rows of a header.
const MAX_HEADER: usize = 5;
/// Most cells in merged ranges; cells beyond are read as if they were not merged.
const MAX_MERGED: usize = 200_000;

/// The parts of a table, as ranges of rows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TableParts {
    pub title: Range<usize>,
    pub header: Range<usize>,
    pub body: Range<usize>,
}

/// What the cells of a column below the header contain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ColumnProfile {
    pub figures: usize,
    pub texts: usize,
    /// Whether they are row numbers, such as 1, 2, 3.
    pub numbering: bool,
}

/// A grid with its merged cells resolved.
pub(super) struct GridShape<'g> {
    grid: &'g Grid,
    width: usize,
    height: usize,
    /// For each merged cell the first cell of its range.
    origins: HashMap<(usize, usize), (usize, usize)>,
    empty: GridCell,
}

impl<'g> GridShape<'g> {
    pub(super) fn new(grid: &'g Grid) -> Self {
        let height = grid.rows.len().min(MAX_ROWS);
        let width = grid.rows.iter().take(height).map(Vec::len).max().unwrap_or(0).min(MAX_COLUMNS);
        let (mut origins, mut left) = (HashMap::new(), MAX_MERGED);
        for merge in &grid.merges {
            let (rows, columns) = (
                merge.rows.start..merge.rows.end.min(height),
                merge.columns.start..merge.columns.end.min(width),
            );
            let area = rows.len().saturating_mul(columns.len());
            if area > left {
                continue;
            }
            left -= area;
            for row in rows.clone() {
                for column in columns.clone() {
                    origins.insert((row, column), (rows.start, columns.start));
                }
            }
        }
        Self { grid, width, height, origins, empty: GridCell::default() }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The cell itself.
    pub(super) fn cell(&self, row: usize, column: usize) -> &GridCell {
        self.grid.rows.get(row).and_then(|cells| cells.get(column)).unwrap_or(&self.empty)
    }

    fn origin(&self, row: usize, column: usize) -> (usize, usize) {
        self.origins.get(&(row, column)).copied().unwrap_or((row, column))
    }

    /// The text shown at a place; for a merged cell that of its range. A struck-out text says
    /// nothing.
    pub(super) fn text(&self, row: usize, column: usize) -> &str {
        let (row, column) = self.origin(row, column);
        let cell = self.cell(row, column);
        if cell.struck { "" } else { cell.text.trim() }
    }

    /// The texts of a row, each merged range once.
    pub(super) fn own_texts(&self, row: usize) -> Vec<String> {
        let places = (0..self.width).filter(|column| self.origin(row, *column) == (row, *column));
        places
            .map(|column| self.text(row, column).to_owned())
            .filter(|text| !text.is_empty())
            .collect()
    }

    /// Columns of a row with content of their own. A merged range and equal adjacent texts count
    /// once.
    fn shown(&self, row: usize) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        for column in 0..self.width {
            let text = self.text(row, column);
            let says = text.chars().any(char::is_alphanumeric);
            let again = found.last().is_some_and(|last| {
                self.text(row, *last) == text
                    && self.origin(row, *last).1 == self.origin(row, column).1
            });
            if says && !again {
                found.push(column);
            }
        }
        found
    }

    /// Whether a row has column numbers: (1), (2), (3)=(2)/(1), or A, B, 1, 2.
    fn numbers_columns(&self, row: usize) -> bool {
        let texts = self.own_texts(row);
        let plain = |text: &str| {
            let core = text
                .split('=')
                .next()
                .unwrap_or_default()
                .trim_matches(|c: char| matches!(c, '(' | ')' | '[' | ']' | ' '));
            (core.len() <= 2 && core.bytes().all(|b| b.is_ascii_digit()) && !core.is_empty())
                .then(|| core.parse::<u32>().ok())
                .flatten()
                .or_else(|| {
                    (core.chars().count() == 1 && core.chars().all(|c| c.is_ascii_alphabetic()))
                        .then_some(0)
                })
        };
        let Some(numbers) = texts.iter().map(|text| plain(text)).collect::<Option<Vec<u32>>>()
        else {
            return false;
        };
        let counted: Vec<u32> = numbers.into_iter().filter(|number| *number > 0).collect();
        texts.len() >= 2
            && counted.len() >= 2
            && counted.windows(2).all(|pair| matches!(pair, [one, next] if *next == one + 1))
            && counted.first().is_some_and(|first| *first <= 3)
    }

    /// Whether a row has years, or numbers of months below a heading that says so.
    fn is_calendar(&self, row: usize) -> bool {
        let numbers: Vec<(usize, u32)> = (0..self.width)
            .filter(|column| is_figure(self.cell(row, *column)))
            .filter_map(|column| Some((column, self.text(row, column).parse().ok()?)))
            .collect();
        let figures = (0..self.width).filter(|column| is_figure(self.cell(row, *column))).count();
        if numbers.is_empty() || numbers.len() != figures {
            return false;
        }
        let years = numbers.iter().all(|(_, number)| (1990..=2100).contains(number))
            && self.shown(row).len() > 1
            && numbers.len() > 1;
        let below_months = |column: usize| {
            (row.saturating_sub(MAX_HEADER)..row).any(|above| {
                unaccented(self.text(above, column)).starts_with("thang")
                    && self.cell(above, column).number.is_none()
            })
        };
        years
            || numbers.iter().all(|(column, number)| {
                (1..=12).contains(number)
                    && below_months(*column)
                    && self.text(row, 0) == self.text(row.saturating_sub(1), 0)
            })
    }

    fn has_figures(&self, row: usize) -> bool {
        let figures = (0..self.width).filter(|column| is_figure(self.cell(row, *column)));
        let told: Vec<usize> = figures.collect();
        let numbered_only = told.as_slice() == [0] && self.shown(row).len() == 2;
        !told.is_empty() && !numbered_only && !self.numbers_columns(row) && !self.is_calendar(row)
    }

    /// Title, header and body; `None` when no row has figures.
    pub(super) fn parts(&self) -> Option<TableParts> {
        let first = (0..self.height).find(|row| self.has_figures(*row))?;
        let words = |row: usize| self.shown(row).len();
        let section = |row: usize| {
            let shown = self.shown(row);
            shown.len() <= 1
                || (shown.len() == 2
                    && shown.first().is_some_and(|column| is_numbering(self.text(row, *column))))
        };
        // Headings of sections are between the header and the first figures.
        let mut bottom = first;
        while bottom > 0 && section(bottom - 1) && words(bottom - 1) > 0 {
            bottom -= 1;
        }
        let headed = bottom > 0 && words(bottom - 1) >= 2;
        if !headed {
            // The rows above are a title and not a header.
            return Some(TableParts {
                title: 0..first,
                header: first..first,
                body: first..self.height,
            });
        }
        let mut top = bottom;
        while top > 0 && bottom - top < MAX_HEADER && words(top - 1) >= 2 {
            top -= 1;
        }
        let stub = self.shown(top).first().copied().unwrap_or(0);
        // A row with its own label below the header's first label belongs to the body, even without
        // a figure.
        let end = (top + 1..bottom).find(|row| {
            let below = !self.text(*row, stub).is_empty()
                && self.text(*row, stub) != self.text(*row - 1, stub)
                && self.origin(*row, stub).0 == *row;
            below && !self.numbers_columns(*row)
        });
        let body = end.unwrap_or(bottom);
        Some(TableParts { title: 0..top, header: top..body, body: body..self.height })
    }

    /// Whether rows of a table without merged cells differ in length, so that columns are
    /// uncertain.
    pub(super) fn is_ragged(&self, parts: &TableParts) -> bool {
        if self.grid.of_sheet || !self.grid.merges.is_empty() {
            return false;
        }
        let length = |row: usize| self.grid.rows.get(row).map_or(0, Vec::len);
        // Rows of a sheet are as wide as the sheet; rows of a document have the cells that were
        // written.
        let rows: Vec<usize> = parts
            .header
            .clone()
            .chain(parts.body.clone().filter(|row| self.has_figures(*row)))
            .map(length)
            .collect();
        rows.iter().any(|length| Some(length) != rows.first())
    }

    /// The labels above a column, from the top, each once.
    pub(super) fn header_texts(&self, parts: &TableParts, column: usize) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for row in parts.header.clone().filter(|row| !self.numbers_columns(*row)) {
            let mut text = self.text(row, column);
            // A label in an upper row applies to the columns to its right that have a label below
            // and none of their own.
            let lower = (row + 1..parts.header.end)
                .any(|below| !self.text(below, column).is_empty() && !self.numbers_columns(below));
            if text.is_empty() && lower {
                let left = (0..column).rev().find(|left| !self.text(row, *left).is_empty());
                text = left
                    .filter(|left| !self.origins.contains_key(&(row, *left)))
                    .map_or("", |left| self.text(row, left));
            }
            if !text.is_empty() && found.last().is_none_or(|last| last != text) {
                found.push(text.to_owned());
            }
        }
        found
    }

    /// The month of a date in the header of a column.
    pub(super) fn header_month(&self, parts: &TableParts, column: usize) -> Option<Month> {
        let found = |row| {
            let (row, column) = self.origin(row, column);
            self.cell(row, column).month
        };
        parts.header.clone().find_map(found)
    }

    pub(super) fn body_profile(&self, parts: &TableParts, column: usize) -> ColumnProfile {
        let (mut profile, mut numbered_rows) = (ColumnProfile::default(), 0);
        for row in parts.body.clone() {
            let cell = self.cell(row, column);
            if is_figure(cell) {
                profile.figures += 1;
                numbered_rows += usize::from(is_numbering(&cell.text));
            } else if cell.text.chars().any(char::is_alphanumeric) {
                profile.texts += 1;
                numbered_rows += usize::from(is_numbering(&cell.text));
            }
        }
        let counted: Vec<u32> = parts
            .body
            .clone()
            .filter_map(|row| self.text(row, column).trim_end_matches('.').parse().ok())
            .collect();
        let all = profile.figures + profile.texts;
        profile.numbering = all > 0
            && numbered_rows == all
            && counted.first() == Some(&1)
            && counted
                .windows(2)
                .all(|pair| matches!(pair, [one, next] if *next == one + 1 || *next == 1));
        profile
    }

    /// Lists every cell with a digit in some rows.
    pub(super) fn digits(&self, rows: Range<usize>, reason: &str) -> Vec<UnclaimedCell> {
        let places = rows.flat_map(|row| (0..self.width).map(move |column| (row, column)));
        places
            .filter(|(row, column)| is_figure(self.cell(*row, *column)))
            .filter_map(|(row, column)| unclaimed(self.cell(row, column), row, column, reason))
            .collect()
    }
}

/// Whether a text is a row number: `1`, `1.`, `II`, `a)`, `1.2`, `-`.
pub(super) fn is_numbering(text: &str) -> bool {
    let text = text.trim();
    let bare = text.trim_matches(['(', ')', '.', ' ']);
    let short = !bare.is_empty() && bare.chars().count() <= 5;
    let number = bare
        .split('.')
        .all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()));
    let roman = bare.chars().all(|c| matches!(c, 'I' | 'V' | 'X'));
    let letter = bare.chars().count() == 1 && bare.chars().all(char::is_alphabetic);
    matches!(text, "-" | "+" | "*" | "•") || (short && (number || roman || letter))
}

/// The kind of a row number.
pub(super) fn marker_of(text: &str) -> RowMarker {
    let text = text.trim().trim_end_matches(['.', ')']);
    if text.is_empty() { RowMarker::None } else { split_marker(&format!("{text}. x")).0 }
}
