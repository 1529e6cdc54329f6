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
use crate::intake::table::{CellFigure, Defaults, Grid, Mapping, Meaning, Tables};

/// How sure a figure of a table is: its labels name it word for word.
const CONFIDENCE: f64 = 0.95;
/// How much less sure a figure is that was read from a label as if that were a sentence.
const LESS: f64 = 0.1;

/// A table of a report.
pub struct Tabled<'a> {
    /// The document it stands in.
    pub document: &'a Document,
    /// Its rows of cells.
    pub rows: &'a [Vec<Range<usize>>],
    /// What is read against.
    pub setting: &'a Setting<'a>,
    /// The units' names.
    pub names: &'a Names,
}

impl Tabled<'_> {
    /// Reads it. A cell that its labels do not explain word for word is read as a sentence, `label: number`, with the patterns.
    pub fn read(&self, tables: &Tables<'_>, hint: &str, above: &mut Above, reading: &mut Reading) {
        let planned = above.is_plan();
        let month = (self.setting.period.step() == Step::Month).then(|| self.setting.period.last());
        let grid = Grid::of_document(&self.document.text, self.rows);
        let mapping = tables
            .read(&grid, &Defaults { unit: Some(self.setting.unit), month, hint: hint.to_owned() });
        mapping.figures.iter().for_each(|figure| self.figure(figure, planned, reading));
        let said =
            if planned { Reading::default() } else { self.rows_as_sentences(&mapping, above) };
        for unclaimed in &mapping.unclaimed {
            let Some(own) = self.cell(unclaimed.row, unclaimed.column) else { continue };
            let (place, _) = number(self.document, &own);
            let sentence = self.line(unclaimed.row);
            let label =
                label(&mapping, unclaimed.row).and_then(|(row, column)| self.cell(row, column));
            let of_label = label
                .filter(|_| !planned && self.is_of_period(&mapping, unclaimed.column))
                .and_then(|label| self.cell_as_sentence(label, own, above));
            let found = of_label.or_else(|| {
                said.figures
                    .iter()
                    .find(|found| found.place == place && found.role != Role::Target)
                    .cloned()
            });
            match found {
                Some(found) => reading.figures.push(Found {
                    sentence,
                    confidence: (found.confidence - LESS).max(0.0),
                    ..found
                }),
                None => reading.unclaimed.push(Unclaimed {
                    place,
                    sentence,
                    reason: Reason::NoPattern,
                    measure: None,
                }),
            }
        }
    }

    fn cell(&self, row: usize, column: usize) -> Option<Range<usize>> {
        self.rows.get(row)?.get(column).cloned()
    }

    fn line(&self, row: usize) -> Range<usize> {
        let cells = self.rows.get(row).map(Vec::as_slice).unwrap_or_default();
        cells.first().map_or(0, |cell| cell.start)..cells.last().map_or(0, |cell| cell.end)
    }

    /// A figure whose labels say what it is.
    fn figure(&self, figure: &CellFigure, planned: bool, reading: &mut Reading) {
        let Some(cell) = self.cell(figure.row, figure.column) else { return };
        let (place, approximate) = number(self.document, &cell);
        let (period, sentence, report) = (
            Period::containing(Step::Month, figure.month),
            self.line(figure.row),
            self.setting.period,
        );
        if planned || figure.month > report.last() {
            reading.unclaimed.push(Unclaimed {
                place,
                sentence,
                reason: Reason::Plan,
                measure: Some(figure.measure.clone()),
            });
            return;
        }
        // "Huyện Châu Thành" of one province is not that of another, and what the country has is not the report's to say.
        if !self.setting.units.subtree(self.setting.unit).contains(&figure.unit) {
            reading.unclaimed.push(Unclaimed {
                place,
                sentence,
                reason: Reason::OtherUnit,
                measure: Some(figure.measure.clone()),
            });
            return;
        }
        let approximate = approximate || figure.approximate;
        let kpi = self.setting.catalogue.indicator(&figure.measure.code).is_none();
        let role = match (period == report, approximate && kpi) {
            (false, _) => Role::Earlier,
            (true, true) => Role::Rounded,
            (true, false) => Role::Figure,
        };
        reading.figures.push(Found {
            measure: figure.measure.clone(),
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

    /// What the rows say, each as a sentence.
    fn rows_as_sentences(&self, mapping: &Mapping, above: &mut Above) -> Reading {
        let mut said = Reading::default();
        let Some(header) = mapping.header.end.checked_sub(1) else { return said };
        for row in mapping.header.end..self.rows.len() {
            let columns = mapping.columns.iter().filter(|column| {
                matches!(column.meaning, Meaning::Figures { .. } | Meaning::Unclaimed(_))
            });
            let cells = columns.filter(|column| !other_time(&column.text)).filter_map(|column| {
                Some((self.cell(header, column.index)?, self.cell(row, column.index)?))
            });
            let cells: Vec<(Range<usize>, Range<usize>)> = cells.collect();
            let label = label(mapping, row).and_then(|(row, column)| self.cell(row, column));
            if let Some(label) = label.filter(|label| cells.len() > 1 && !self.is_of_another(label))
            {
                let unknown = mapping
                    .rows
                    .iter()
                    .any(|one| one.index == row && matches!(one.meaning, Meaning::Unclaimed(_)));
                self.row_as_sentence(label, &cells, unknown, above, &mut said);
            }
        }
        said
    }

    /// What a row says as a sentence. Of a label that is not understood only those figures are taken that it has a word in: a row "Cung cấp
    /// thông tin" among levels of service has no figure of all levels.
    fn row_as_sentence(
        &self,
        label: Range<usize>,
        cells: &[(Range<usize>, Range<usize>)],
        unknown: bool,
        above: &mut Above,
        said: &mut Reading,
    ) {
        let read = |label: Range<usize>, above: &mut Above| {
            let mut said = Reading::default();
            Paragraph::of_row(&self.document.text, label, cells, self.setting, self.names)
                .read(above, &mut said);
            said
        };
        let mut whole = read(label.clone(), above);
        if unknown {
            let bare = read(label.end..label.end, above);
            whole.figures.retain(|found| {
                !bare
                    .figures
                    .iter()
                    .any(|other| other.place == found.place && other.measure == found.measure)
            });
        }
        said.figures.append(&mut whole.figures);
    }

    /// The one figure that a label and a cell say together.
    fn cell_as_sentence(
        &self,
        label: Range<usize>,
        cell: Range<usize>,
        above: &mut Above,
    ) -> Option<Found> {
        if self.is_of_another(&label) {
            return None;
        }
        let mut said = Reading::default();
        Paragraph::of_cells(&self.document.text, label, cell, self.setting, self.names)
            .read(above, &mut said);
        match said.figures.as_slice() {
            [found] if found.role == Role::Figure && said.unclaimed.is_empty() => {
                Some(found.clone())
            }
            [..] => None,
        }
    }

    /// Whether a label names another unit than the report's, known or not.
    fn is_of_another(&self, label: &Range<usize>) -> bool {
        let paragraph =
            Paragraph::new(&self.document.text, label.clone(), self.setting, self.names);
        paragraph.begins_with_unit_of_another()
    }

    /// Whether a column has figures of the report's own period.
    fn is_of_period(&self, mapping: &Mapping, column: usize) -> bool {
        let Some(column) = mapping.columns.iter().find(|one| one.index == column) else {
            return false;
        };
        let period = self.setting.period;
        let month = (period.step() == Step::Month).then(|| period.last());
        let undated = column.meaning == Meaning::Figures { measure: None, unit: None, month: None };
        let dated = column.meaning == Meaning::Figures { measure: None, unit: None, month };
        let heading =
            mapping.header.end.checked_sub(1).and_then(|header| self.cell(header, column.index));
        undated
            || dated
            || heading.is_some_and(|heading| says_period(self.document.slice(&heading), period))
    }
}

/// Whether a heading speaks of another time, of a plan or of a comparison.
fn other_time(heading: &str) -> bool {
    let words = crate::domain::wording::words(heading).join(" ");
    [
        "lũy kế",
        "kế hoạch",
        "chỉ tiêu",
        "mục tiêu",
        "so sánh",
        "so với",
        "tăng",
        "giảm",
        "cùng kỳ",
        "trước",
        "năm",
        "từ đầu",
    ]
    .iter()
    .any(|other| words.contains(other))
}

/// The cell with the label of a row: the last one, where there are several.
fn label(mapping: &Mapping, row: usize) -> Option<(usize, usize)> {
    mapping
        .columns
        .iter()
        .rfind(|column| column.meaning == Meaning::Labels)
        .map(|column| (row, column.index))
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
        Piece::Number(number) => Some((
            cell.start + number.range.start..cell.start + number.range.end,
            number.approximate,
        )),
        Piece::Month(..) | Piece::Year(_) | Piece::Span { .. } | Piece::Reference | Piece::Word => {
            None
        }
    });
    found.unwrap_or((cell.clone(), false))
}
