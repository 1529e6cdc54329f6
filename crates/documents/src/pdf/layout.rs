//! Joins lines and table cells of all pages to paragraphs and tables. Running headers, footers and
//! page numbers are left out.

use std::collections::HashMap;

use super::guard::ReadDeadline;
use super::line::{GlyphLine, append, cell_lines, lines};
use super::page::{Glyph, PageContent, RuledLine};
use crate::builder::{DocumentBuilder, ParagraphHint, TableCell};
use crate::lines::{ListMarker, begins_lower, ends_sentence, marker, open_bracket};
use crate::outline::{HeadingMarkup, capitals};
use crate::{Document, DocumentError, limits};

/// Largest distance at which two rules count as one, in points.
const SAME_LINE_POINTS: f64 = 2.5;
/// Largest distance at which the columns of two tables are the same, in points.
const SAME_COLUMN_POINTS: f64 = 6.0;
/// Heights of a line through a letter above its base line, relative to the letter size.
const STRUCK: (f64, f64) = (0.15, 0.5);
/// Most letters of a page that are compared with lines through them.
const STRIKE_TESTS: usize = 20_000_000;
/// Number of lines at the top and at the bottom of a page that may be header or footer.
const EDGE_LINES: usize = 2;
/// Smallest indent of a paragraph's first line, relative to the letter size.
const INDENT: f64 = 0.8;
/// Distance of lines, relative to the letter size, above which a new paragraph begins after the end
/// of a sentence.
const PARAGRAPH_DISTANCE: f64 = 1.9;
/// Difference in letter size, in points, that separates paragraphs.
const SIZE_DIFFERENCE: f64 = 1.0;
/// Part of the line width from which a line within a sentence counts as full.
const FULL_LINE_SHARE: f64 = 0.85;
/// Smallest line width at which text can be wrapped, in points. A page with only short lines does
/// not show the width.
const MEASURE: f64 = 350.0;

/// Rows of cells.
type PdfTableRows = Vec<Vec<TableCell>>;

/// A line or a table of a page.
enum PageElement {
    Line(GlyphLine),
    Table(PdfTable),
}

/// A table of a page.
struct PdfTable {
    rows: PdfTableRows,
    /// Whether lines divide its columns.
    ruled: bool,
    /// The left and right ends of the cells of its first and its last row.
    first: Vec<(f64, f64)>,
    last: Vec<(f64, f64)>,
}

/// Joins pages to a document.
///
/// # Errors
/// Errors of the limits.
pub(super) fn document(
    pages: Vec<PageContent>,
    deadline: ReadDeadline,
) -> Result<Document, DocumentError> {
    let mut all = Vec::with_capacity(pages.len());
    for page in pages {
        deadline.check()?;
        all.push(elements(page));
    }
    drop_edges(&mut all);
    join_tables(&mut all);
    let mut builder = DocumentBuilder::default();
    let mut open: Option<ParagraphLines> = None;
    for page in all {
        deadline.check()?;
        let lines = || page.iter().filter_map(as_line);
        let left = lines().map(|line| line.x).fold(f64::INFINITY, f64::min);
        let right = lines().map(|line| line.end).fold(left + MEASURE, f64::max);
        for element in page {
            match element {
                PageElement::Table(table) => {
                    open.take().map_or(Ok(()), |open| open.write(&mut builder))?;
                    builder.table(&table.rows)?;
                }
                PageElement::Line(line) => match &mut open {
                    Some(before) if before.continues_with(&line) => before.add(line, right),
                    Some(_) | None => {
                        open.take().map_or(Ok(()), |open| open.write(&mut builder))?;
                        open = Some(ParagraphLines::new(line, right));
                    }
                },
            }
        }
    }
    open.map_or(Ok(()), |open| open.write(&mut builder))?;
    builder.build()
}

fn as_line(element: &PageElement) -> Option<&GlyphLine> {
    match element {
        PageElement::Line(line) => Some(line),
        PageElement::Table(_) => None,
    }
}

/// A paragraph that may continue.
struct ParagraphLines {
    text: String,
    first: GlyphLine,
    last: GlyphLine,
    right: f64,
    bold: bool,
}

impl ParagraphLines {
    fn new(line: GlyphLine, right: f64) -> Self {
        Self { text: line.text(), first: line.clone(), bold: line.bold, last: line, right }
    }

    fn add(&mut self, line: GlyphLine, right: f64) {
        append(&mut self.text, &line.text());
        self.bold &= line.bold;
        self.right = right;
        self.last = line;
    }

    /// Whether a line continues the paragraph.
    fn continues_with(&self, next: &GlyphLine) -> bool {
        let text = next.text();
        let ended = ends_sentence(&self.text);
        let lower = begins_lower(&text);
        if (next.size - self.last.size).abs() > SIZE_DIFFERENCE
            || (capitals(&self.text) && !capitals(&text))
        {
            return false;
        }
        if self.last.bold != next.bold && (ended || !lower) {
            return false;
        }
        let letters = text.chars().count().max(1);
        let word = text.split_whitespace().next().map_or(0, |word| word.chars().count());
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "a few letters of a line"
        )]
        let needed = (next.end - next.x) * (word as f64 + 0.5) / letters as f64;
        let left = self.first.x.min(self.last.x);
        let full = self.last.end - left > FULL_LINE_SHARE * (self.right - left);
        let forced = self.last.end + needed > self.right || (full && !ended);
        if let Some((kind, length)) = marker(&text) {
            let inner = text.get(length..).is_some_and(begins_lower);
            return !ended
                && (open_bracket(&self.text) || (forced && inner && kind == ListMarker::Bullet));
        }
        if lower && !ended {
            return true;
        }
        let below = self.last.y - next.y;
        let apart = below > PARAGRAPH_DISTANCE * next.size || below < 0.0;
        let set_in =
            next.x > self.last.x + INDENT * next.size && next.x > self.first.x - INDENT * next.size;
        forced && !(ended && (apart || set_in))
    }

    fn write(self, builder: &mut DocumentBuilder) -> Result<(), DocumentError> {
        let markup = if self.bold { HeadingMarkup::Bold } else { HeadingMarkup::Plain };
        builder.paragraph(&self.text, ParagraphHint { markup, ..ParagraphHint::default() })
    }
}

/// Removes running headers and footers: lines at the edges of half of the pages, at the same height
/// and with the same words, apart from the page number. Page numbers alone in a line there are
/// removed too.
fn drop_edges(pages: &mut [Vec<PageElement>]) {
    let edge = |at: usize, page: &[PageElement]| -> Vec<(usize, [String; 2])> {
        let count = page.len();
        let places = (0..count.min(EDGE_LINES))
            .chain(count.saturating_sub(EDGE_LINES).max(EDGE_LINES)..count);
        places.filter_map(|place| Some((place, keys(as_line(page.get(place)?)?, at)))).collect()
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (at, page) in pages.iter().enumerate() {
        let mut keys: Vec<String> = edge(at, page).into_iter().flat_map(|(_, keys)| keys).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().for_each(|key| *seen.entry(key).or_default() += 1);
    }
    let count = pages.len();
    for (at, page) in pages.iter_mut().enumerate() {
        let alone = |text: &str| {
            text.trim_matches(['-', '–', ' ']).parse::<usize>().is_ok_and(|number| number == at + 1)
        };
        let running = |keys: &[String; 2]| {
            keys.iter().filter_map(|key| seen.get(key)).any(|seen| *seen >= 2 && seen * 2 >= count)
        };
        let dropped: Vec<usize> = edge(at, page)
            .into_iter()
            .filter(|(place, keys)| {
                page.get(*place).and_then(as_line).is_some_and(|line| alone(&line.text()))
                    || running(keys)
            })
            .map(|(place, _)| place)
            .collect();
        let mut place = 0;
        page.retain(|_| {
            place += 1;
            !dropped.contains(&(place - 1))
        });
    }
}

/// Joins a table with its continuation on the next page, which does not repeat the heading: it is
/// the first part of that page, has the same columns, and begins with a row of figures.
fn join_tables(pages: &mut [Vec<PageElement>]) {
    let mut open: Option<usize> = None;
    for at in 0..pages.len() {
        let (before, from) = pages.split_at_mut(at);
        let Some(page) = from.first_mut() else { break };
        if page.is_empty() {
            continue;
        }
        let above = open.and_then(|above| before.get_mut(above)?.last_mut());
        if let Some(PageElement::Table(above)) = above {
            match page.remove(0) {
                PageElement::Table(below) if above.continues_with(&below) => above.append(below),
                // A single line with gaps is not a table by itself.
                PageElement::Line(line)
                    if line.pieces.len() > 1
                        && above.continues_with(&PdfTable::of_lines(vec![line.clone()])) =>
                {
                    above.append(PdfTable::of_lines(vec![line]));
                }
                other @ (PageElement::Line(_) | PageElement::Table(_)) => page.insert(0, other),
            }
        }
        if !page.is_empty() {
            open = Some(at);
        }
    }
}

impl PdfTable {
    /// A table without rules, of lines with gaps.
    fn of_lines(lines: Vec<GlyphLine>) -> Self {
        let ends = |line: Option<&GlyphLine>| {
            line.into_iter()
                .flat_map(|line| line.pieces.iter().map(|piece| (piece.x, piece.end)))
                .collect()
        };
        let (first, last) = (ends(lines.first()), ends(lines.last()));
        let row = |line: GlyphLine| {
            line.pieces.into_iter().map(|piece| TableCell::Text(piece.text)).collect()
        };
        Self { rows: lines.into_iter().map(row).collect(), ruled: false, first, last }
    }

    fn append(&mut self, mut below: Self) {
        self.rows.append(&mut below.rows);
        self.last = below.last;
    }

    fn continues_with(&self, below: &Self) -> bool {
        let pairs = || self.last.iter().zip(&below.first);
        let same = self.ruled == below.ruled
            && self.last.len() == below.first.len()
            && if self.ruled {
                pairs().all(|(above, below)| {
                    (above.0 - below.0).abs() <= SAME_COLUMN_POINTS
                        && (above.1 - below.1).abs() <= SAME_COLUMN_POINTS
                })
            } else {
                pairs().all(|(above, below)| above.0 < below.1 && below.0 < above.1)
            };
        let mut rows = below.rows.iter();
        same && match (rows.next(), rows.next()) {
            (Some(first), _) if has_number(first) => true,
            // A heading of some rows before their figures.
            (Some(first), Some(second)) => texts(first).count() == 1 && has_number(second),
            (_, None) | (None, Some(_)) => false,
        }
    }
}

/// The cells of a row that have a text.
fn texts(row: &[TableCell]) -> impl Iterator<Item = (usize, &str)> {
    row.iter().enumerate().filter_map(|(place, cell)| match cell {
        TableCell::Text(text) if !text.trim().is_empty() => Some((place, text.trim())),
        TableCell::Text(_) | TableCell::Left | TableCell::Above => None,
    })
}

/// Whether a row has a number alone in a cell behind the first.
fn has_number(row: &[TableCell]) -> bool {
    texts(row).any(|(place, text)| {
        place > 0
            && text.chars().any(|letter| letter.is_ascii_digit())
            && text.chars().all(|letter| {
                letter.is_ascii_digit() || matches!(letter, '.' | ',' | '%' | '-' | ' ' | '\u{a0}')
            })
    })
}

/// Marks the letters through which a line is drawn. Such a line is not one of a table.
fn mark_struck(page: &mut PageContent) {
    let glyphs = &mut page.glyphs;
    if glyphs.is_empty() || page.level.is_empty() {
        return;
    }
    glyphs.sort_by(|left, right| left.y.total_cmp(&right.y));
    let tallest = glyphs.iter().map(|glyph| glyph.size).fold(0.0, f64::max);
    let mut left = STRIKE_TESTS;
    page.level.retain(|rule| {
        let from = glyphs.partition_point(|glyph| glyph.y < rule.at - STRUCK.1 * tallest);
        let mut strikes = false;
        for glyph in glyphs.iter_mut().skip(from) {
            if glyph.y > rule.at || left == 0 {
                break;
            }
            left -= 1;
            let middle = glyph.x + glyph.width / 2.0;
            let height = (rule.at - glyph.y) / glyph.size;
            if middle > rule.from
                && middle < rule.to
                && height > STRUCK.0
                && height < STRUCK.1
                && !glyph.text.trim().is_empty()
            {
                glyph.struck = true;
                strikes = true;
            }
        }
        !strikes
    });
}

/// Keys by which lines at page edges are compared: height and words, and the same with the first
/// number counted from the page.
fn keys(line: &GlyphLine, page: usize) -> [String; 2] {
    let text = line.text();
    let height = (line.y / 4.0).round();
    let digits = |text: &str| text.find(|letter: char| letter.is_ascii_digit());
    let start = digits(&text).unwrap_or(text.len());
    let (before, from) = text.split_at(start);
    let (number, behind) =
        from.split_at(from.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(from.len()));
    let counted = number.parse::<usize>().ok().and_then(|number| number.checked_sub(page));
    let counted = counted.map_or_else(|| number.to_owned(), |number| format!("#{number}"));
    [format!("{height} {text}"), format!("{height} {before}{counted}{behind}")]
}

/// The lines and tables of a page, from top to bottom.
fn elements(mut page: PageContent) -> Vec<PageElement> {
    mark_struck(&mut page);
    let mut glyphs = page.glyphs;
    let mut placed: Vec<(f64, PageElement)> = Vec::new();
    for region in regions(page.upright) {
        let Some((top, table)) = region.table(&page.level, &mut glyphs) else { continue };
        placed.push((top, PageElement::Table(table)));
    }
    placed.extend(lines(glyphs).into_iter().map(|line| (line.y, PageElement::Line(line))));
    placed.sort_by(|left, right| right.0.total_cmp(&left.0));
    gapped(placed.into_iter().map(|(_, element)| element).collect())
}

/// An area of a page that vertical lines divide into columns.
struct TableRegion {
    bottom: f64,
    top: f64,
    upright: Vec<RuledLine>,
}

/// The areas of tables: vertical lines side by side.
fn regions(mut upright: Vec<RuledLine>) -> Vec<TableRegion> {
    upright.sort_by(|left, right| right.to.total_cmp(&left.to));
    let mut found: Vec<TableRegion> = Vec::new();
    for rule in upright {
        match found.last_mut() {
            Some(region) if rule.to >= region.bottom - SAME_LINE_POINTS => {
                region.bottom = region.bottom.min(rule.from);
                region.upright.push(rule);
            }
            Some(_) | None => {
                found.push(TableRegion { bottom: rule.from, top: rule.to, upright: vec![rule] })
            }
        }
    }
    found
}

/// Values with those near each other merged, ascending.
fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let mut found: Vec<f64> = Vec::new();
    for value in all {
        if found.last().is_none_or(|last| value - last > SAME_LINE_POINTS) {
            found.push(value);
        }
    }
    found
}

impl TableRegion {
    /// The table of an area; its letters are removed from those of the page. `None`
    /// when there is only one column.
    fn table(&self, level: &[RuledLine], glyphs: &mut Vec<Glyph>) -> Option<(f64, PdfTable)> {
        let columns = distinct(self.upright.iter().map(|rule| rule.at));
        let inside = |y: f64| y > self.bottom - SAME_LINE_POINTS && y < self.top + SAME_LINE_POINTS;
        let across: Vec<&RuledLine> = level.iter().filter(|rule| inside(rule.at)).collect();
        let mut edges = distinct(across.iter().map(|rule| rule.at).chain([self.bottom, self.top]));
        let (Some(left), Some(right)) = (columns.first().copied(), columns.last().copied()) else {
            return None;
        };
        if columns.len() < 3 || columns.len() * edges.len() > limits::TABLE_CELLS {
            return None;
        }
        let middle = |glyph: &Glyph| (glyph.x + glyph.width / 2.0, glyph.y + glyph.size * 0.3);
        let (taken, kept): (Vec<Glyph>, Vec<Glyph>) =
            std::mem::take(glyphs).into_iter().partition(|glyph| {
                let (x, y) = middle(glyph);
                x > left && x < right && y > self.bottom && y < self.top
            });
        *glyphs = kept;
        if edges.len() <= 2 {
            // Without horizontal lines each line of text is a row.
            edges = distinct(
                lines(taken.clone())
                    .iter()
                    .map(|line| line.y - line.size * 0.25)
                    .chain([self.bottom, self.top]),
            );
        }
        let place = |values: &[f64], value: f64| {
            values.partition_point(|edge| *edge < value).checked_sub(1)
        };
        let mut cells: HashMap<(usize, usize), Vec<Glyph>> = HashMap::new();
        for glyph in taken {
            let (x, y) = middle(&glyph);
            if let (Some(column), Some(row)) = (place(&columns, x), place(&edges, y)) {
                cells.entry((row, column)).or_default().push(glyph);
            }
        }
        let mid = |values: &[f64], at: usize| {
            f64::midpoint(
                values.get(at).copied().unwrap_or(0.0),
                values.get(at + 1).copied().unwrap_or(0.0),
            )
        };
        let mut rows = Vec::new();
        for row in (0..edges.len().saturating_sub(1)).rev() {
            let y = mid(&edges, row);
            let parted = |at: f64| {
                self.upright.iter().any(|rule| {
                    (rule.at - at).abs() <= SAME_LINE_POINTS && rule.from <= y && rule.to >= y
                })
            };
            let lies = |at: f64, x: f64| {
                across.iter().any(|rule| {
                    (rule.at - at).abs() <= SAME_LINE_POINTS && rule.from <= x && rule.to >= x
                })
            };
            let mut found: Vec<(TableCell, Vec<Glyph>)> = Vec::new();
            for column in 0..columns.len() - 1 {
                let own = cells.remove(&(row, column)).unwrap_or_default();
                let merged_left = column > 0 && !columns.get(column).is_some_and(|at| parted(*at));
                let below_line =
                    edges.get(row + 1).is_none_or(|at| lies(*at, mid(&columns, column)))
                        || across.is_empty()
                        || rows.is_empty();
                if merged_left {
                    // The letters of a wide cell belong to its first column.
                    let host = found.iter_mut().rev().find(|(cell, _)| *cell != TableCell::Left);
                    host.into_iter().for_each(|(_, glyphs)| glyphs.extend(own.iter().cloned()));
                    found.push((TableCell::Left, Vec::new()));
                } else if !below_line && own.is_empty() {
                    found.push((TableCell::Above, Vec::new()));
                } else {
                    found.push((TableCell::Text(String::new()), own));
                }
            }
            let finished = found.into_iter().map(|(cell, glyphs)| match cell {
                TableCell::Text(_) => TableCell::Text(cell_lines(&lines(glyphs))),
                TableCell::Left | TableCell::Above => cell,
            });
            rows.push(finished.collect::<Vec<_>>());
        }
        rows.retain(|row| {
            row.iter().any(|cell| matches!(cell, TableCell::Text(text) if !text.is_empty()))
        });
        let ends: Vec<(f64, f64)> =
            columns.iter().copied().zip(columns.iter().copied().skip(1)).collect();
        let table = PdfTable { rows, ruled: true, first: ends.clone(), last: ends };
        (!table.rows.is_empty()).then_some((self.top, table))
    }
}

/// Tables without rules: at least two lines with wide gaps at the same positions.
fn gapped(elements: Vec<PageElement>) -> Vec<PageElement> {
    let mut found = Vec::with_capacity(elements.len());
    let mut run: Vec<GlyphLine> = Vec::new();
    for element in elements {
        match element {
            PageElement::Line(line)
                if line.pieces.len() >= 2 && run.last().is_none_or(|last| aligned(last, &line)) =>
            {
                run.push(line)
            }
            PageElement::Line(line) => {
                close(&mut run, &mut found);
                if line.pieces.len() >= 2 {
                    run.push(line)
                } else {
                    found.push(PageElement::Line(line))
                }
            }
            table @ PageElement::Table(_) => {
                close(&mut run, &mut found);
                found.push(table);
            }
        }
    }
    close(&mut run, &mut found);
    found
}

fn close(run: &mut Vec<GlyphLine>, found: &mut Vec<PageElement>) {
    if run.len() < 2 {
        found.extend(run.drain(..).map(PageElement::Line));
        return;
    }
    found.push(PageElement::Table(PdfTable::of_lines(std::mem::take(run))));
}

fn aligned(above: &GlyphLine, below: &GlyphLine) -> bool {
    let overlap = above
        .pieces
        .iter()
        .zip(&below.pieces)
        .all(|(above, below)| above.x < below.end && below.x < above.end);
    overlap && above.pieces.len() == below.pieces.len()
}
