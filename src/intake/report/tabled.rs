//! The tables of a report: what [`crate::intake::table`] finds in them, as figures of the report.

use std::ops::Range;

use super::lexicon::Names;
use super::sentence::{Above, Paragraph};
use super::sequence::mark;
use super::when::{sign_of_month, sign_of_span, sign_of_year};
use super::{Found, Reading, Reason, Role, Setting, Unclaimed};
use crate::domain::period::{Period, Step};
use crate::intake::document::Document;
use crate::intake::numbers::{Piece, pieces};
use crate::intake::table::{Defaults, Grid, Meaning, Tables};

/// How sure a figure of a table is: its labels name it word for word.
const CONFIDENCE: f64 = 0.95;
/// How much less sure a figure is that was read from a label as if that were a sentence.
const LESS: f64 = 0.1;

/// Reads one table. A cell that its labels do not explain word for word is read as a sentence, `label: number`, with the patterns.
#[expect(clippy::too_many_arguments, reason = "what a table is read with and what it adds to")]
pub fn read(document: &Document, rows: &[Vec<Range<usize>>], tables: &Tables<'_>, hint: &str, above: &mut Above, setting: &Setting<'_>, names: &Names, reading: &mut Reading) {
    let planned = above.is_plan();
    let month = (setting.period.step() == Step::Month).then(|| setting.period.last());
    let grid = Grid::of_document(&document.text, rows);
    let mapping = tables.read(&grid, &Defaults { unit: Some(setting.unit), month, hint: hint.to_owned() });
    let cell = |row: usize, column: usize| rows.get(row).and_then(|row| row.get(column)).cloned();
    let line = |row: usize| {
        let cells = rows.get(row).map(Vec::as_slice).unwrap_or_default();
        cells.first().map_or(0, |cell| cell.start)..cells.last().map_or(0, |cell| cell.end)
    };
    for figure in mapping.figures {
        let Some(cell) = cell(figure.row, figure.column) else { continue };
        let (place, approximate) = number(document, &cell);
        let period = Period::containing(Step::Month, figure.month);
        let sentence = line(figure.row);
        let own = Some(figure.month) == month;
        if planned || (!own && figure.month > setting.period.last()) {
            reading.unclaimed.push(Unclaimed { place, sentence, reason: Reason::Plan, measure: Some(figure.measure) });
            continue;
        }
        let approximate = approximate || figure.approximate;
        let kpi = setting.catalogue.indicator(&figure.measure.code).is_none();
        let role = match (own, approximate && kpi) {
            (false, _) => Role::Earlier,
            (true, true) => Role::Rounded,
            (true, false) => Role::Figure,
        };
        reading.figures.push(Found {
            measure: figure.measure,
            target: None,
            unit: figure.unit,
            period,
            value: figure.written,
            approximate,
            role,
            place,
            sentence,
            pattern: format!("table: {}", figure.label),
            confidence: CONFIDENCE,
        });
    }
    let mut said = Reading::default();
    for row in mapping.header.end.max(1)..rows.len() {
        let header = mapping.header.end.checked_sub(1);
        let columns = mapping.columns.iter().filter(|column| matches!(column.meaning, Meaning::Figures { .. } | Meaning::Unclaimed(_)));
        let cells: Vec<(Range<usize>, Range<usize>)> = columns.filter_map(|column| Some((cell(header?, column.index)?, cell(row, column.index)?))).collect();
        let label = mapping.columns.iter().filter(|column| column.meaning == Meaning::Labels).filter_map(|column| cell(row, column.index)).next_back();
        if let Some(label) = label.filter(|_| cells.len() > 1 && !planned) {
            Paragraph::of_row(&document.text, label, &cells, setting, names).read(above, &mut said);
        }
    }
    let own_period = |column: usize| {
        let text = mapping.header.end.checked_sub(1).and_then(|header| cell(header, column)).map(|cell| document.slice(&cell)).unwrap_or_default();
        says_period(text, setting.period)
    };
    for unclaimed in mapping.unclaimed {
        let Some(own) = cell(unclaimed.row, unclaimed.column) else { continue };
        let (place, _) = number(document, &own);
        let this_month = mapping.columns.iter().any(|column| {
            let whole = Meaning::Figures { measure: None, unit: None, month: None };
            let dated = Meaning::Figures { measure: None, unit: None, month };
            column.index == unclaimed.column && (column.meaning == whole || column.meaning == dated || own_period(column.index))
        });
        let label = mapping.columns.iter().filter(|column| column.meaning == Meaning::Labels).filter_map(|column| cell(unclaimed.row, column.index)).next_back();
        if let Some(label) = label.filter(|_| this_month && !planned) {
            let mut said = Reading::default();
            Paragraph::of_cells(&document.text, label, own, setting, names).read(above, &mut said);
            if let [found] = said.figures.as_slice()
                && found.role == Role::Figure
                && said.unclaimed.is_empty()
            {
                let found = Found { sentence: line(unclaimed.row), confidence: (found.confidence - LESS).max(0.0), ..found.clone() };
                reading.figures.push(found);
                continue;
            }
        }
        if let Some(found) = said.figures.iter().find(|found| found.place == place && found.role != Role::Target) {
            reading.figures.push(Found { sentence: line(unclaimed.row), confidence: (found.confidence - LESS).max(0.0), ..found.clone() });
            continue;
        }
        reading.unclaimed.push(Unclaimed { place, sentence: line(unclaimed.row), reason: Reason::NoPattern, measure: None });
    }
}

/// Whether a heading says exactly the report's own period: `Quý III/2022`, `Thực hiện 9 tháng`.
fn says_period(heading: &str, period: Period) -> bool {
    let signs: Vec<char> = pieces(heading)
        .iter()
        .filter_map(|placed| match placed.piece {
            Piece::Month(month, year) => Some(sign_of_month(period, month, year)),
            Piece::Span { last, months, year } => Some(sign_of_span(period, last, months, year)),
            Piece::Year(year) => Some(sign_of_year(period, year)),
            Piece::Number(_) | Piece::Reference | Piece::Word => None,
        })
        .collect();
    signs == [mark::NOW]
}

/// Where the number of a cell stands, and whether it is said to be about so much.
fn number(document: &Document, cell: &Range<usize>) -> (Range<usize>, bool) {
    let found = pieces(document.slice(cell)).into_iter().find_map(|placed| match placed.piece {
        Piece::Number(number) => Some((cell.start + number.range.start..cell.start + number.range.end, number.approximate)),
        Piece::Month(..) | Piece::Year(_) | Piece::Span { .. } | Piece::Reference | Piece::Word => None,
    });
    found.unwrap_or((cell.clone(), false))
}
