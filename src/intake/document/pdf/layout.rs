//! Lines and ruled cells of all pages into paragraphs and tables; running headers, footers and page numbers are left out.

use std::collections::HashMap;

use super::guard::Deadline;
use super::line::{Line, append, joined, lines};
use super::page::{Glyph, Page, Rule};
use crate::intake::document::builder::{Builder, Cell, Hint};
use crate::intake::document::lines::{Marker, begins_lower, ends_sentence, marker, open_bracket};
use crate::intake::document::outline::{Markup, capitals};
use crate::intake::document::{Document, Refusal, limits};

/// How far apart lines may be that are one, in points.
const NEAR: f64 = 2.5;
/// Lines at the top and at the bottom of a page that may be its header or footer.
const EDGE: usize = 2;
/// How far the first line of a paragraph is set in at least, in sizes of its letters.
const INDENT: f64 = 0.8;
/// Distance of lines, in sizes of their letters, beyond which a new paragraph begins after a sentence's end.
const APART: f64 = 1.9;
/// Difference in size between lines, in points, that parts paragraphs.
const RESIZED: f64 = 1.0;
/// Share of the measure from which a line whose sentence goes on is full.
const FULL: f64 = 0.85;
/// Narrowest measure that lines are taken to be broken for, in points: a page with short lines alone does not show it.
const MEASURE: f64 = 350.0;

/// Rows of cells.
type Rows = Vec<Vec<Cell>>;

/// What stands on a page.
enum Element {
    Line(Line),
    Table(Rows),
}

/// Puts pages together.
///
/// # Errors
/// Those of the bounds.
pub(super) fn document(pages: Vec<Page>, deadline: Deadline) -> Result<Document, Refusal> {
    let mut all = Vec::with_capacity(pages.len());
    for page in pages {
        deadline.check()?;
        all.push(elements(page));
    }
    drop_edges(&mut all);
    let mut builder = Builder::default();
    let mut open: Option<Open> = None;
    for page in all {
        deadline.check()?;
        let lines = || page.iter().filter_map(as_line);
        let left = lines().map(|line| line.x).fold(f64::INFINITY, f64::min);
        let right = lines().map(|line| line.end).fold(left + MEASURE, f64::max);
        for element in page {
            match element {
                Element::Table(rows) => {
                    open.take().map_or(Ok(()), |open| open.write(&mut builder))?;
                    builder.table(&rows)?;
                }
                Element::Line(line) => match &mut open {
                    Some(before) if before.goes_on(&line) => before.add(line, right),
                    Some(_) | None => {
                        open.take().map_or(Ok(()), |open| open.write(&mut builder))?;
                        open = Some(Open::new(line, right));
                    }
                },
            }
        }
    }
    open.map_or(Ok(()), |open| open.write(&mut builder))?;
    builder.build()
}

fn as_line(element: &Element) -> Option<&Line> {
    match element {
        Element::Line(line) => Some(line),
        Element::Table(_) => None,
    }
}

/// A paragraph that may go on.
struct Open {
    text: String,
    first: Line,
    last: Line,
    right: f64,
    bold: bool,
}

impl Open {
    fn new(line: Line, right: f64) -> Self {
        Self { text: line.text(), first: line.clone(), bold: line.bold, last: line, right }
    }

    fn add(&mut self, line: Line, right: f64) {
        append(&mut self.text, &line.text());
        self.bold &= line.bold;
        self.right = right;
        self.last = line;
    }

    /// Whether a line carries the paragraph on.
    fn goes_on(&self, next: &Line) -> bool {
        let text = next.text();
        let ended = ends_sentence(&self.text);
        let lower = begins_lower(&text);
        if (next.size - self.last.size).abs() > RESIZED
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
        let full = self.last.end - left > FULL * (self.right - left);
        let forced = self.last.end + needed > self.right || (full && !ended);
        if let Some((kind, length)) = marker(&text) {
            let inner = text.get(length..).is_some_and(begins_lower);
            return !ended
                && (open_bracket(&self.text) || (forced && inner && kind == Marker::Bullet));
        }
        if lower && !ended {
            return true;
        }
        let below = self.last.y - next.y;
        let apart = below > APART * next.size || below < 0.0;
        let set_in =
            next.x > self.last.x + INDENT * next.size && next.x > self.first.x - INDENT * next.size;
        forced && !(ended && (apart || set_in))
    }

    fn write(self, builder: &mut Builder) -> Result<(), Refusal> {
        let markup = if self.bold { Markup::Bold } else { Markup::Plain };
        builder.paragraph(&self.text, Hint { markup, ..Hint::default() })
    }
}

/// Leaves out running headers and footers: lines that stand at the edge of half of the pages at the same height with the same words, the
/// page's number aside; and numbers of pages that stand alone there.
fn drop_edges(pages: &mut [Vec<Element>]) {
    let edge = |at: usize, page: &[Element]| -> Vec<(usize, [String; 2])> {
        let count = page.len();
        let places = (0..count.min(EDGE)).chain(count.saturating_sub(EDGE).max(EDGE)..count);
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

/// What a line at the edge of a page has in common with others: its height and its words; the same with its first number counted from the page.
fn keys(line: &Line, page: usize) -> [String; 2] {
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

/// What stands on a page, from top to bottom.
fn elements(page: Page) -> Vec<Element> {
    let mut glyphs = page.glyphs;
    let mut placed: Vec<(f64, Element)> = Vec::new();
    for region in regions(page.upright) {
        let Some((top, rows)) = region.rows(&page.level, &mut glyphs) else { continue };
        placed.push((top, Element::Table(rows)));
    }
    placed.extend(lines(glyphs).into_iter().map(|line| (line.y, Element::Line(line))));
    placed.sort_by(|left, right| right.0.total_cmp(&left.0));
    gapped(placed.into_iter().map(|(_, element)| element).collect())
}

/// A stretch of a page that upright lines part into columns.
struct Region {
    bottom: f64,
    top: f64,
    upright: Vec<Rule>,
}

/// The regions of tables: upright lines that stand beside each other.
fn regions(mut upright: Vec<Rule>) -> Vec<Region> {
    upright.sort_by(|left, right| right.to.total_cmp(&left.to));
    let mut found: Vec<Region> = Vec::new();
    for rule in upright {
        match found.last_mut() {
            Some(region) if rule.to >= region.bottom - NEAR => {
                region.bottom = region.bottom.min(rule.from);
                region.upright.push(rule);
            }
            Some(_) | None => {
                found.push(Region { bottom: rule.from, top: rule.to, upright: vec![rule] })
            }
        }
    }
    found
}

/// Values that are not near each other, ascending.
fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = values.collect();
    all.sort_by(f64::total_cmp);
    let mut found: Vec<f64> = Vec::new();
    for value in all {
        if found.last().is_none_or(|last| value - last > NEAR) {
            found.push(value);
        }
    }
    found
}

impl Region {
    /// The cells of the region, whose letters are taken from those of the page; nothing when it has a single column.
    fn rows(&self, level: &[Rule], glyphs: &mut Vec<Glyph>) -> Option<(f64, Rows)> {
        let columns = distinct(self.upright.iter().map(|rule| rule.at));
        let inside = |y: f64| y > self.bottom - NEAR && y < self.top + NEAR;
        let across: Vec<&Rule> = level.iter().filter(|rule| inside(rule.at)).collect();
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
            // Without level lines each line of text is a row.
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
                self.upright
                    .iter()
                    .any(|rule| (rule.at - at).abs() <= NEAR && rule.from <= y && rule.to >= y)
            };
            let lies = |at: f64, x: f64| {
                across
                    .iter()
                    .any(|rule| (rule.at - at).abs() <= NEAR && rule.from <= x && rule.to >= x)
            };
            let mut found: Vec<(Cell, Vec<Glyph>)> = Vec::new();
            for column in 0..columns.len() - 1 {
                let own = cells.remove(&(row, column)).unwrap_or_default();
                let merged_left = column > 0 && !columns.get(column).is_some_and(|at| parted(*at));
                let below_line =
                    edges.get(row + 1).is_none_or(|at| lies(*at, mid(&columns, column)))
                        || across.is_empty()
                        || rows.is_empty();
                if merged_left {
                    // The letters of a wide cell belong to its first column.
                    let host = found.iter_mut().rev().find(|(cell, _)| *cell != Cell::Left);
                    host.into_iter().for_each(|(_, glyphs)| glyphs.extend(own.iter().cloned()));
                    found.push((Cell::Left, Vec::new()));
                } else if !below_line && own.is_empty() {
                    found.push((Cell::Above, Vec::new()));
                } else {
                    found.push((Cell::Text(String::new()), own));
                }
            }
            let finished = found.into_iter().map(|(cell, glyphs)| match cell {
                Cell::Text(_) => Cell::Text(joined(&lines(glyphs))),
                Cell::Left | Cell::Above => cell,
            });
            rows.push(finished.collect::<Vec<_>>());
        }
        rows.retain(|row| {
            row.iter().any(|cell| matches!(cell, Cell::Text(text) if !text.is_empty()))
        });
        (!rows.is_empty()).then_some((self.top, rows))
    }
}

/// Tables without lines: two lines or more, parted by wide gaps at the same places.
fn gapped(elements: Vec<Element>) -> Vec<Element> {
    let mut found = Vec::with_capacity(elements.len());
    let mut run: Vec<Line> = Vec::new();
    for element in elements {
        match element {
            Element::Line(line)
                if line.pieces.len() >= 2 && run.last().is_none_or(|last| aligned(last, &line)) =>
            {
                run.push(line)
            }
            Element::Line(line) => {
                close(&mut run, &mut found);
                if line.pieces.len() >= 2 {
                    run.push(line)
                } else {
                    found.push(Element::Line(line))
                }
            }
            table @ Element::Table(_) => {
                close(&mut run, &mut found);
                found.push(table);
            }
        }
    }
    close(&mut run, &mut found);
    found
}

fn close(run: &mut Vec<Line>, found: &mut Vec<Element>) {
    if run.len() < 2 {
        found.extend(run.drain(..).map(Element::Line));
        return;
    }
    let row = |line: Line| line.pieces.into_iter().map(|piece| Cell::Text(piece.text)).collect();
    found.push(Element::Table(run.drain(..).map(row).collect()));
}

fn aligned(above: &Line, below: &Line) -> bool {
    let overlap = above
        .pieces
        .iter()
        .zip(&below.pieces)
        .all(|(above, below)| above.x < below.end && below.x < above.end);
    overlap && above.pieces.len() == below.pieces.len()
}
