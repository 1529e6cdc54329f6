//! Tables in a report: the figures that [`crate::table`] finds become figures of the
//! report.

use std::ops::Range;

use super::context::ReportContext;
use super::extract::{ExtractedFigure, FigureRole, ReportExtract, SkipReason, UnclaimedNumber};
use super::heading_context::HeadingContext;
use super::lexicon::NameIndex;
use super::paragraph::ReportParagraph;
use super::period_sign::{mark, sign_of_month, sign_of_span, sign_of_year};
use super::words::words;
use crate::table::cell::{has_digit, parts_digits};
use crate::table::{CellFigure, LabelMeaning, TableDefaults, TableMapping, TableReader};
use crate::table::{NO_UNIT, OTHER_MONTH, OTHER_UNIT, OTHER_WHOLE, WHOLE_YEAR};
use documents::Document;
use documents::table::Grid;
use kpi::period::{Period, Step};
use kpi::unit::UnitPosition;
use kpi::vietnamese::folding;
use kpi::vietnamese::months::{COMPARED, PLAN, TO_DATE, WIDER};
use kpi::vietnamese::numbers::{NumberFlaw, NumericToken, find_tokens};

/// Confidence of a figure in a table: its labels name it word for word.
const TABLE_CONFIDENCE: f64 = 0.95;
/// Most words of a cell that is listed in a table without a readable figure.
const MAX_UNREAD: usize = 4;
/// Reduction of the confidence for a figure that was read from a label as from a sentence.
const SENTENCE_PENALTY: f64 = 0.1;

/// A table of a report.
pub struct ReportTable<'a> {
    /// The document that has the table.
    pub document: &'a Document,
    /// The rows of cells.
    pub rows: &'a [Vec<Range<usize>>],
    /// What the report is read with.
    pub setting: &'a ReportContext<'a>,
    /// The names of the units.
    pub names: &'a NameIndex<UnitPosition>,
}

impl ReportTable<'_> {
    /// Reads the table. If the labels of a cell are not understood word for word, the cell is read
    /// with the patterns, as the sentence `label: number`.
    pub fn read(
        &self,
        tables: &TableReader<'_>,
        hint: &str,
        above: &mut HeadingContext,
        reading: &mut ReportExtract,
    ) {
        let planned = above.is_plan();
        let month = (self.setting.period.step() == Step::Month).then(|| self.setting.period.last());
        let grid = Grid::of_document(&self.document.text, self.rows);
        let mapping = tables.read(
            &grid,
            &TableDefaults { unit: Some(self.setting.unit), month, hint: hint.to_owned() },
        );
        if mapping == TableMapping::default() {
            self.list_unread(reading);
        }
        let of = (planned, above.is_of_another());
        mapping.figures.iter().for_each(|figure| self.figure(figure, of, reading));
        let said = if planned {
            ReportExtract::default()
        } else {
            self.rows_as_sentences(&mapping, above)
        };
        // Words where a figure is expected are listed for sheets, not for reports.
        for unclaimed in mapping.unclaimed.iter().filter(|cell| has_digit(&cell.printed)) {
            let Some(own) = self.cell(unclaimed.row, unclaimed.column) else { continue };
            let (place, _) = number(self.document, &own);
            let sentence = self.line(unclaimed.row);
            if parts_digits(self.document.slice(&own)) {
                reading.unclaimed.push(UnclaimedNumber {
                    place,
                    sentence,
                    reason: SkipReason::Ambiguous,
                    measure: None,
                });
                continue;
            }
            let label =
                label(&mapping, unclaimed.row).and_then(|(row, column)| self.cell(row, column));
            let of_label = label
                .filter(|_| !planned && self.is_of_period(&mapping, unclaimed.column))
                .and_then(|label| self.cell_as_sentence(label, own.clone(), above));
            let found = of_label.or_else(|| {
                said.figures
                    .iter()
                    .find(|found| found.place == place && found.role != FigureRole::Target)
                    .cloned()
            });
            match found {
                Some(found) => reading.figures.push(ExtractedFigure {
                    sentence,
                    confidence: (found.confidence - SENTENCE_PENALTY).max(0.0),
                    ..found
                }),
                None => reading.unclaimed.push(UnclaimedNumber {
                    place,
                    sentence,
                    reason: self.reason_of(&own, &unclaimed.reason, planned),
                    measure: None,
                }),
            }
        }
    }

    /// Why the number of a cell is not taken.
    fn reason_of(&self, cell: &Range<usize>, said: &str, planned: bool) -> SkipReason {
        let flaw = flaw_of(self.document.slice(cell));
        if flaw != SkipReason::NoPattern {
            return flaw;
        }
        if planned { SkipReason::Plan } else { reason_of_label(said) }
    }

    /// Lists the numbers of a table without a readable figure: cells beside a label that are
    /// neither a date nor the number of a document.
    fn list_unread(&self, reading: &mut ReportExtract) {
        for (row, cells) in self.rows.iter().enumerate() {
            for cell in cells.iter().skip(1) {
                let text = self.document.slice(cell);
                let tokens = find_tokens(text);
                let listed = tokens.iter().all(|placed| {
                    matches!(placed.piece, NumericToken::Number(_) | NumericToken::Word)
                });
                if has_digit(text) && listed && text.split_whitespace().count() <= MAX_UNREAD {
                    reading.unclaimed.push(UnclaimedNumber {
                        place: number(self.document, cell).0,
                        sentence: self.line(row),
                        reason: SkipReason::MalformedNumber,
                        measure: None,
                    });
                }
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

    /// Adds the figure of a cell with understood labels.
    fn figure(
        &self,
        figure: &CellFigure,
        (planned, is_of_another): (bool, bool),
        reading: &mut ReportExtract,
    ) {
        let Some(cell) = self.cell(figure.row, figure.column) else { return };
        let (place, approximate) = number(self.document, &cell);
        let (period, sentence, report) = (
            Period::containing(Step::Month, figure.month),
            self.line(figure.row),
            self.setting.period,
        );
        if planned || figure.month > report.last() {
            reading.unclaimed.push(UnclaimedNumber {
                place,
                sentence,
                reason: SkipReason::Plan,
                measure: Some(figure.measure.clone()),
            });
            return;
        }
        // A "Huyện Châu Thành" of another province is another unit, and figures of the country are
        // not part of the report.
        let is_foreign = figure.unit == self.setting.unit && is_of_another;
        if is_foreign || !self.setting.units.subtree(self.setting.unit).contains(figure.unit) {
            reading.unclaimed.push(UnclaimedNumber {
                place,
                sentence,
                reason: SkipReason::OtherUnit,
                measure: Some(figure.measure.clone()),
            });
            return;
        }
        let approximate = approximate || figure.approximate;
        let kpi = self.setting.catalogue.indicator(&figure.measure.code).is_none();
        let role = match (period == report, approximate && kpi) {
            (false, _) => FigureRole::Earlier,
            (true, true) => FigureRole::Rounded,
            (true, false) => FigureRole::Figure,
        };
        reading.figures.push(ExtractedFigure {
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
            partial: false,
            confidence: TABLE_CONFIDENCE,
        });
    }

    /// The figures of rows that are read as sentences.
    fn rows_as_sentences(
        &self,
        mapping: &TableMapping,
        above: &mut HeadingContext,
    ) -> ReportExtract {
        let mut said = ReportExtract::default();
        let Some(header) = mapping.header.end.checked_sub(1) else { return said };
        for row in mapping.header.end..self.rows.len() {
            let columns = mapping.columns.iter().filter(|column| {
                matches!(column.meaning, LabelMeaning::Figures { .. } | LabelMeaning::Unclaimed(_))
            });
            let cells = columns.filter(|column| !other_time(&column.text)).filter_map(|column| {
                Some((self.cell(header, column.place)?, self.cell(row, column.place)?))
            });
            let cells: Vec<(Range<usize>, Range<usize>)> = cells.collect();
            let label = label(mapping, row).and_then(|(row, column)| self.cell(row, column));
            if let Some(label) = label.filter(|label| cells.len() > 1 && !self.is_of_another(label))
            {
                let unknown = mapping.rows.iter().any(|one| {
                    one.place == row && matches!(one.meaning, LabelMeaning::Unclaimed(_))
                });
                self.row_as_sentence(label, &cells, unknown, above, &mut said);
            }
        }
        said
    }

    /// The figures of a row read as a sentence. When the label is not understood, a figure is taken
    /// only if its pattern has a word of the label: a row "Cung cấp thông tin" among levels
    /// of service has no figure for all levels.
    fn row_as_sentence(
        &self,
        label: Range<usize>,
        cells: &[(Range<usize>, Range<usize>)],
        unknown: bool,
        above: &mut HeadingContext,
        said: &mut ReportExtract,
    ) {
        let read = |label: Range<usize>, above: &mut HeadingContext| {
            let mut said = ReportExtract::default();
            ReportParagraph::of_row(&self.document.text, label, cells, self.setting, self.names)
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

    /// The figure of a label and a cell read as a sentence, if there is exactly one.
    fn cell_as_sentence(
        &self,
        label: Range<usize>,
        cell: Range<usize>,
        above: &mut HeadingContext,
    ) -> Option<ExtractedFigure> {
        if self.is_of_another(&label) {
            return None;
        }
        let mut said = ReportExtract::default();
        ReportParagraph::of_cells(&self.document.text, label, cell, self.setting, self.names)
            .read(above, &mut said);
        match said.figures.as_slice() {
            [found] if found.role == FigureRole::Figure && said.unclaimed.is_empty() => {
                Some(found.clone())
            }
            [..] => None,
        }
    }

    /// Whether a label names another unit than the report's, known or not.
    fn is_of_another(&self, label: &Range<usize>) -> bool {
        let paragraph =
            ReportParagraph::new(&self.document.text, label.clone(), self.setting, self.names);
        paragraph.begins_with_unit_of_another()
    }

    /// Whether a column has figures of the report's own period.
    fn is_of_period(&self, mapping: &TableMapping, column: usize) -> bool {
        let Some(column) = mapping.columns.iter().find(|one| one.place == column) else {
            return false;
        };
        let period = self.setting.period;
        let month = (period.step() == Step::Month).then(|| period.last());
        let undated =
            column.meaning == LabelMeaning::Figures { measure: None, unit: None, month: None };
        let dated = column.meaning == LabelMeaning::Figures { measure: None, unit: None, month };
        let heading =
            mapping.header.end.checked_sub(1).and_then(|header| self.cell(header, column.place));
        undated
            || dated
            || heading.is_some_and(|heading| says_period(self.document.slice(&heading), period))
    }
}

/// Why the number of a cell is not taken, of what its labels or the title say.
fn reason_of_label(said: &str) -> SkipReason {
    match said {
        TO_DATE | WIDER | WHOLE_YEAR => SkipReason::WiderPeriod,
        PLAN => SkipReason::Plan,
        COMPARED => SkipReason::Comparison,
        OTHER_MONTH => SkipReason::EarlierPeriod,
        NO_UNIT | OTHER_UNIT | OTHER_WHOLE => SkipReason::OtherUnit,
        _ => SkipReason::NoPattern,
    }
}

/// Why the number of a cell is not taken, as far as the cell itself shows it.
fn flaw_of(text: &str) -> SkipReason {
    let mut flaws =
        find_tokens(text).into_iter().filter_map(|placed| placed.piece.number()?.value.err());
    match flaws.next_back() {
        Some(NumberFlaw::Range) => SkipReason::Range,
        Some(NumberFlaw::Malformed | NumberFlaw::Spaces | NumberFlaw::TooLarge) => {
            SkipReason::MalformedNumber
        }
        None => SkipReason::NoPattern,
    }
}

/// Whether a heading is about another time, a plan or a comparison.
fn other_time(heading: &str) -> bool {
    let heading = folding::words(heading).join(" ");
    words().table.other_time.iter().any(|other| heading.contains(other))
}

/// The cell with the label of a row; the last one if there are several.
fn label(mapping: &TableMapping, row: usize) -> Option<(usize, usize)> {
    mapping
        .columns
        .iter()
        .rfind(|column| column.meaning == LabelMeaning::Labels)
        .map(|column| (row, column.place))
}

/// Whether a heading names exactly the report's own period: `Quý III/2022`, `Thực hiện 9 tháng`.
fn says_period(heading: &str, period: Period) -> bool {
    let signs: Vec<char> = find_tokens(heading)
        .iter()
        .filter_map(|placed| match placed.piece {
            NumericToken::Month(month, year) => Some(sign_of_month(period, month, year)),
            NumericToken::Span { last, months, year } => {
                Some(sign_of_span(period, last, months, year))
            }
            NumericToken::Year(year) => Some(sign_of_year(period, year)),
            NumericToken::Number(_)
            | NumericToken::Day { .. }
            | NumericToken::Reference
            | NumericToken::Word => None,
        })
        .collect();
    signs == [mark::NOW]
}

/// The bytes of the number in a cell, and whether it is marked as approximate.
fn number(document: &Document, cell: &Range<usize>) -> (Range<usize>, bool) {
    let tokens = find_tokens(document.slice(cell));
    match tokens.into_iter().find_map(|placed| placed.piece.number()) {
        Some(number) => {
            let place = cell.start + number.range.start..cell.start + number.range.end;
            (place, number.approximate)
        }
        None => (cell.clone(), false),
    }
}
