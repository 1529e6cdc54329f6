//! The chart of an Excel file for people. It refers to the cells of the table.

use rust_xlsxwriter::{
    Chart, ChartAxisLabelPosition, ChartDataLabel, ChartEmptyCells, ChartLegendPosition,
    ChartMarker, ChartType,
};

use crate::render::sheet_plan::ChartKind;

/// Most lines of a chart.
const MAX_LINES: usize = 8;
/// Most bars of a chart.
const MAX_BARS: u32 = 30;
/// Width of a chart, in pixels.
const WIDTH: u32 = 900;
/// Height of a chart, in pixels.
const HEIGHT: u32 = 380;
/// Height of a bar with the space around it, in pixels.
const BAR_HEIGHT: u32 = 26;

/// A range of cells: first row, first column, last row, last column.
pub(super) type CellRange = (u32, u16, u32, u16);

/// A line, or all bars.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct ChartSeriesRange {
    pub(super) name: String,
    pub(super) unit_of_measure: String,
    pub(super) categories: CellRange,
    pub(super) values: CellRange,
}

/// The ranges of a chart, as the rows are written.
pub(super) struct ChartRanges {
    kind: ChartKind,
    /// What the newest range is about.
    key: String,
    ranges: Vec<ChartSeriesRange>,
    /// Whether a value is below zero.
    has_negative: bool,
}

impl ChartRanges {
    pub(super) fn new(kind: ChartKind) -> Self {
        Self { kind, key: String::new(), ranges: Vec::new(), has_negative: false }
    }

    /// Adds a row: to the newest range if it is about the same, otherwise as a new one. Lines of
    /// other units of measure than the first are left out, as are lines and bars beyond the limit.
    pub(super) fn add(&mut self, key: &str, value: Option<f64>, range: ChartSeriesRange) {
        let (is_bars, lines) = (self.kind == ChartKind::Bars, self.ranges.len());
        if is_bars && value.is_none() {
            return;
        }
        self.has_negative |= value.is_some_and(|value| value < 0.0);
        match self.ranges.last_mut() {
            Some(last) if is_bars || self.key == key => {
                let is_next = range.values.0 == last.values.2 + 1;
                let is_full = is_bars && last.values.2 - last.values.0 + 1 >= MAX_BARS;
                if is_next && !is_full {
                    (last.categories.2, last.values.2) = (range.categories.2, range.values.2);
                }
            }
            Some(last) if last.unit_of_measure != range.unit_of_measure => {}
            _ if lines < MAX_LINES => {
                key.clone_into(&mut self.key);
                self.ranges.push(range);
            }
            _ => {}
        }
    }

    /// The chart; `None` without a range.
    pub(super) fn chart(&self, sheet: &str, title: &str) -> Option<Chart> {
        let first = self.ranges.first()?;
        let mut chart = Chart::new(match self.kind {
            ChartKind::Lines => ChartType::Line,
            ChartKind::Bars => ChartType::Bar,
        });
        for range in &self.ranges {
            let of = |(row, column, last, end): CellRange| (sheet, row, column, last, end);
            let series = chart.add_series();
            series
                .set_name(range.name.as_str())
                .set_categories(of(range.categories))
                .set_values(of(range.values));
            match self.kind {
                ChartKind::Lines => {
                    series.set_marker(ChartMarker::new().set_automatic());
                }
                ChartKind::Bars => {
                    series.set_gap(40).set_data_label(ChartDataLabel::new().show_value());
                }
            }
        }
        chart.title().set_name(title).set_overlay(false);
        chart.set_width(WIDTH).set_height(HEIGHT).show_empty_cells_as(ChartEmptyCells::Gaps);
        if self.kind == ChartKind::Lines {
            chart.x_axis().set_label_position(ChartAxisLabelPosition::Low);
        } else {
            // The first row is the uppermost bar; the axes of bars are exchanged.
            chart.y_axis().set_reverse().set_label_position(ChartAxisLabelPosition::Low);
            if !self.has_negative {
                chart.x_axis().set_min(0);
            }
            let bars = first.values.2 - first.values.0 + 1;
            chart.set_height((bars * BAR_HEIGHT + 120).max(HEIGHT / 2));
        }
        if self.ranges.len() > 1 {
            chart.legend().set_position(ChartLegendPosition::Bottom);
        } else {
            chart.legend().set_hidden();
        }
        Some(chart)
    }

    /// Rows of usual height that the chart covers.
    pub(super) fn rows(&self) -> u32 {
        let bars = self.ranges.first().map_or(0, |first| first.values.2 - first.values.0 + 1);
        match self.kind {
            ChartKind::Lines => HEIGHT / 20 + 1,
            ChartKind::Bars => (bars * BAR_HEIGHT + 120).max(HEIGHT / 2) / 20 + 1,
        }
    }
}
