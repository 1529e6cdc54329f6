//! CSV files as tables of cells, and what is done to them.

use std::collections::{BTreeMap, BTreeSet};

use super::rewriting::{edited, rewritten};
use super::written::{month, spoken};
use super::{GoodFigure, Mutant, Sayings, World, sayings};
use crate::case::Dice;
use kpi::measure::{Measure, Members};

/// Headings and rows, and how they are written.
#[derive(Clone)]
pub struct CellTable {
    pub heads: Vec<String>,
    pub rows: Vec<Vec<String>>,
    delimiter: char,
    line_end: &'static str,
    /// Whether all cells have quotes, and not only those that need them.
    quoted: bool,
    ends: bool,
}

/// Where a cell is in a written file.
struct Span {
    row: usize,
    column: usize,
    start: usize,
    end: usize,
    quoted: bool,
}

impl CellTable {
    pub fn of(figures: &[GoodFigure], dice: &mut Dice) -> Self {
        let mut heads: Vec<String> =
            ["indicator", "unit", "period", "value"].map(str::to_owned).to_vec();
        let dimensions: BTreeSet<&str> = figures
            .iter()
            .flat_map(|figure| figure.measure.members.iter().map(|(dimension, _)| dimension))
            .collect();
        heads.extend(dimensions.into_iter().map(str::to_owned));
        dice.shuffle(&mut heads);
        let cell = |figure: &GoodFigure, head: &String| match head.as_str() {
            "indicator" => figure.measure.code.clone(),
            "unit" => figure.unit.clone(),
            "period" => figure.month.clone(),
            "value" => figure.digits.clone(),
            dimension => figure.measure.members.get(dimension).unwrap_or_default().to_owned(),
        };
        let rows = figures
            .iter()
            .map(|figure| heads.iter().map(|head| cell(figure, head)).collect())
            .collect();
        Self {
            heads,
            rows,
            delimiter: [',', ';', '\t'][dice.below(3)],
            line_end: ["\n", "\r\n"][dice.below(2)],
            quoted: dice.below(3) == 0,
            ends: dice.below(2) == 0,
        }
    }

    pub fn column(&self, head: &str) -> usize {
        self.heads.iter().position(|other| other == head).unwrap()
    }

    /// What the table says, row by row: its headings name what the cells are. The number of a cell
    /// in `numbers` is known from its rewriting, that of other cells is read.
    fn says(&self, world: &World, numbers: &BTreeMap<usize, BTreeSet<String>>) -> Sayings {
        let mut found = Sayings::new();
        for (row, cells) in self.rows.iter().enumerate() {
            let beyond = cells.iter().skip(self.heads.len()).any(|cell| !cell.trim().is_empty());
            let at = |head: &str| {
                let column = self.heads.iter().position(|other| other == head)?;
                cells.get(column).map(|cell| cell.trim().to_owned())
            };
            let members: Vec<(String, String)> = self
                .heads
                .iter()
                .zip(cells)
                .filter(|(head, cell)| {
                    !["indicator", "unit", "period", "value"].contains(&head.as_str())
                        && !cell.trim().is_empty()
                })
                .map(|(head, cell)| (head.clone(), cell.trim().to_owned()))
                .collect();
            let parts = (at("indicator"), at("unit"), at("period").and_then(|cell| month(&cell)));
            let (Some(code), Some(unit), Some(month)) = parts else { continue };
            let Some(decimals) = world.allowed(&code).filter(|_| !beyond) else { continue };
            let numbers = numbers
                .get(&row)
                .cloned()
                .unwrap_or_else(|| spoken(&at("value").unwrap_or_default(), decimals));
            let measure = Measure { code, members: Members::new(members).unwrap_or_default() };
            found
                .entry((measure.to_string(), unit, month))
                .and_modify(|others: &mut BTreeSet<String>| {
                    others.retain(|number| numbers.contains(number));
                })
                .or_insert(numbers);
        }
        found
    }

    fn written(&self, dice: &mut Dice) -> (String, Vec<Span>) {
        let (mut text, mut spans) = (String::new(), Vec::new());
        let last = self.rows.len();
        for (row, cells) in std::iter::once(&self.heads).chain(&self.rows).enumerate() {
            for (column, cell) in cells.iter().enumerate() {
                if column > 0 {
                    text.push(self.delimiter);
                }
                let quoted = self.quoted || cell.contains([self.delimiter, '"', '\n', '\r']);
                if quoted {
                    text.push('"');
                }
                let start = text.len();
                text += &if quoted { cell.replace('"', "\"\"") } else { cell.clone() };
                spans.push(Span { row, column, start, end: text.len(), quoted });
                if quoted {
                    text.push('"');
                }
            }
            if row < last || self.ends {
                text += self.line_end;
            }
            if row > 0 && dice.below(12) == 0 && row < last {
                text += self.line_end;
            }
        }
        (text, spans)
    }

    /// A number as cells of this table write it: with a decimal comma, when a comma separates none.
    fn in_notation(&mut self, dice: &mut Dice) {
        let value = self.column("value");
        if self.delimiter != ',' && dice.below(2) == 0 {
            for row in &mut self.rows {
                row[value] = row[value].replace('.', ",");
            }
        }
    }
}

/// UTF-16 with a mark or without one.
fn in_utf16(text: &str, big: bool, mark: bool) -> Vec<u8> {
    let mark = if mark { "\u{feff}" } else { "" };
    let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
    format!("{mark}{text}").encode_utf16().flat_map(bytes).collect()
}

/// A mutated CSV, and what it said before.
pub fn mutant(world: &World, dice: &mut Dice) -> (Sayings, Mutant) {
    let count = 1 + dice.below(5);
    let figures = world.figures(count, dice);
    let before = sayings(&figures);
    let mut table = CellTable::of(&figures, dice);
    let (value, row) = (table.column("value"), dice.below(figures.len()));
    let whole = |kind, text: String, says: &Sayings| Mutant {
        kind,
        bytes: text.into_bytes(),
        says: says.clone(),
    };
    let mutant = match dice.below(22) {
        0 => {
            table.in_notation(dice);
            whole("unchanged", table.written(dice).0, &before)
        }
        1..=8 => {
            let decimals = world.decimals(&figures[row].measure.code);
            let rewriting = rewritten(&figures[row].digits, decimals, dice);
            table.rows[row][value] = rewriting.text;
            let says = table.says(world, &BTreeMap::from([(row, rewriting.says)]));
            whole(rewriting.kind, table.written(dice).0, &says)
        }
        9 => {
            let column = dice.below(table.heads.len());
            table.rows[row][column] = edited(&table.rows[row][column], dice);
            let says = table.says(world, &BTreeMap::new());
            whole("another cell changed", table.written(dice).0, &says)
        }
        10 => {
            let mut order: Vec<usize> = (0..table.heads.len()).collect();
            dice.shuffle(&mut order);
            for cells in table.rows.iter_mut().chain([&mut table.heads]) {
                *cells = order.iter().map(|at| cells[*at].clone()).collect();
            }
            dice.shuffle(&mut table.rows);
            whole("columns moved with their headings", table.written(dice).0, &before)
        }
        11 => {
            let (one, other) = (dice.below(table.heads.len()), dice.below(table.heads.len()));
            table.heads.swap(one, other);
            let says = table.says(world, &BTreeMap::new());
            whole("headings exchanged", table.written(dice).0, &says)
        }
        12 => {
            let (one, other) = (dice.below(table.heads.len()), dice.below(table.heads.len()));
            table.rows[row].swap(one, other);
            let says = table.says(world, &BTreeMap::new());
            whole("cells of a row exchanged", table.written(dice).0, &says)
        }
        13 => {
            let column = dice.below(table.heads.len());
            let kind = if dice.below(2) == 0 {
                table.rows[row].remove(column);
                "a cell removed"
            } else {
                let cell = ["", "0", "12", "online"][dice.below(4)];
                table.rows[row].insert(column, cell.to_owned());
                "a cell added"
            };
            let says = table.says(world, &BTreeMap::new());
            whole(kind, table.written(dice).0, &says)
        }
        14 => {
            let cells = table.rows[row].clone();
            table.rows.push(cells);
            let digits = world.digits(&figures[row].measure.code, dice);
            table.rows[figures.len()][value] = digits;
            let says = table.says(world, &BTreeMap::new());
            whole("a row repeated with another number", table.written(dice).0, &says)
        }
        15 => recoded(&table, &before, dice),
        16 | 17 => cut_off(world, &table, dice),
        18 => split_cell(world, &mut table, dice),
        19 => {
            // One row with other separators than the header.
            let (text, spans) = table.written(dice);
            let other = if table.delimiter == ',' { ';' } else { ',' };
            let of_row = || spans.iter().filter(|span| span.row == row + 1);
            let (start, end) = (of_row().next().unwrap().start, of_row().next_back().unwrap().end);
            let changed = text[start..end].replace(table.delimiter, &other.to_string());
            let mutated = format!("{}{changed}{}", &text[..start], &text[end..]);
            let mut says = before.clone();
            says.insert(figures[row].key(), BTreeSet::new());
            whole("other separators in one row", mutated, &says)
        }
        20 => {
            let (mut text, _) = table.written(dice);
            let mut places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            dice.shuffle(&mut places);
            for place in places.iter().take(1 + dice.below(2)) {
                text.insert(text.floor_char_boundary(*place), '"');
            }
            // A quote never makes another number: it ends the cell, or the file is refused.
            let says = before.iter().map(|(key, numbers)| (key.clone(), numbers.clone())).collect();
            whole("quotes at random", text, &says)
        }
        _ => {
            let extra: String = std::iter::repeat_n(table.delimiter, 1 + dice.below(4)).collect();
            let (text, _) = table.written(dice);
            let lines: Vec<String> = text
                .split(table.line_end)
                .map(|line| if line.is_empty() { String::new() } else { format!("{line}{extra}") })
                .collect();
            whole("separators behind each row", lines.join(table.line_end), &before)
        }
    };
    (before, mutant)
}

/// The same table in another encoding, or with other line ends.
fn recoded(table: &CellTable, before: &Sayings, dice: &mut Dice) -> Mutant {
    let mut table = table.clone();
    table.in_notation(dice);
    table.line_end = ["\n", "\r\n", "\r"][dice.below(3)];
    let (text, _) = table.written(dice);
    let bytes = match dice.below(7) {
        0 => format!("\u{feff}{text}").into_bytes(),
        1 => format!("sep={}{}{text}", table.delimiter, table.line_end).into_bytes(),
        2 => in_utf16(&text, true, true),
        3 => in_utf16(&text, false, true),
        4 => in_utf16(&text, dice.below(2) == 0, false),
        5 => format!("{}{text}", table.line_end.repeat(2)).into_bytes(),
        _ => {
            let bytes = in_utf16(&text, dice.below(2) == 0, true);
            let end = bytes.len() - 1;
            bytes[..end].to_vec()
        }
    };
    Mutant { kind: "another encoding", bytes, says: before.clone() }
}

/// A file that ends early. What is whole before the cut is said, and of the last row what its cells
/// say, unless cells that had something are missing.
fn cut_off(world: &World, table: &CellTable, dice: &mut Dice) -> Mutant {
    let (text, spans) = table.written(dice);
    let at = text.floor_char_boundary(dice.below(text.len()));
    let mut left = table.clone();
    left.rows.clear();
    for (row, cells) in table.rows.iter().enumerate() {
        let of_row: Vec<&Span> = spans.iter().filter(|span| span.row == row + 1).collect();
        if of_row.first().is_none_or(|span| span.start > at) {
            break;
        }
        let mut kept = Vec::new();
        let mut sound = true;
        for (span, cell) in of_row.iter().zip(cells) {
            let quote = usize::from(span.quoted);
            let (start, end) = (span.start - quote, span.end + quote);
            if end <= at {
                kept.push(cell.clone());
            } else if span.quoted && start < at {
                sound = false;
            } else if start <= at {
                // A number or name that is shorter now. A row that ends directly behind its last
                // separator is whole in its form: its last cell is empty.
                kept.push(text[start..at].to_owned());
                sound &= cells.iter().skip(span.column + 1).all(String::is_empty);
            } else {
                sound &= cell.is_empty();
            }
        }
        if sound {
            left.rows.push(kept);
        }
    }
    // A member that was cut from the end of a row leaves its total, which nobody wrote.
    let says = left.says(world, &BTreeMap::new());
    Mutant { kind: "cut off", bytes: text.as_bytes()[..at].to_vec(), says }
}

/// A separator or line end within a cell without quotes, which makes two cells of it.
fn split_cell(world: &World, table: &mut CellTable, dice: &mut Dice) -> Mutant {
    let (row, column) = (dice.below(table.rows.len()), dice.below(table.heads.len()));
    table.quoted = false;
    let cell = table.rows[row][column].clone();
    let place = cell.floor_char_boundary(dice.below(cell.len() + 1));
    let (first, second) = (cell[..place].to_owned(), cell[place..].to_owned());
    let kind = if dice.below(2) == 0 {
        table.rows[row].splice(column..=column, [first, second]);
        "a separator within a cell"
    } else {
        let mut rest = table.rows[row].split_off(column);
        rest[0] = second;
        table.rows[row].push(first);
        table.rows.insert(row + 1, rest);
        "a line end within a row"
    };
    let says = table.says(world, &BTreeMap::new());
    Mutant { kind, bytes: table.written(dice).0.into_bytes(), says }
}
