//! The rows of the table: the cells of a point, and their text as CSV.

use super::{BUFFER, TidySeries};
use crate::app::read::series::PointView;
use crate::app::state::State;
use kpi::change::{UnavailableReason, ValueReason};
use kpi::number::{Decimal64, Rounded, write_double};
use kpi::value::Origin;

/// Takes the cells of a row that come from its point, in the order of the columns.
pub(super) trait PointCells {
    /// A computed number.
    fn number(&mut self, number: Option<Rounded>);
    /// A share from 0 to 1.
    fn share(&mut self, share: Option<f64>);
    /// A stated rate.
    fn stated(&mut self, stated: Option<Decimal64>);
    /// A word that needs no quotes.
    fn word(&mut self, word: Option<&'static str>);

    /// A change, and the reason why it is missing.
    fn change(&mut self, change: Option<Rounded>, reason: Option<UnavailableReason>) {
        self.number(change);
        self.word(reason.map(UnavailableReason::name));
    }
}

/// Passes on the cells of a point: all columns from `value` on.
pub(super) fn cells(point: &PointView, to: &mut impl PointCells) {
    to.number(point.value);
    to.word(point.value_reason.map(ValueReason::name));
    to.word(point.origin.map(Origin::name));
    to.share(point.coverage);
    to.stated(point.stated);
    to.change(point.delta, point.delta_reason);
    to.change(point.delta_percent, point.delta_percent_reason);
    to.change(point.like_for_like_delta, point.like_for_like_delta_reason);
    to.change(point.like_for_like_percent, point.like_for_like_percent_reason);
    to.share(point.like_for_like_coverage);
    to.change(point.year_delta, point.year_delta_reason);
    to.change(point.year_delta_percent, point.year_delta_percent_reason);
    to.change(point.year_to_date, point.year_to_date_reason);
}

/// Rows as CSV, written straight from the numbers.
#[derive(Default)]
pub(super) struct RowText {
    text: Vec<u8>,
}

impl RowText {
    /// Adds the rows of a series, and returns their number.
    pub(super) fn add(&mut self, state: &State, of: &TidySeries<'_>) -> u64 {
        let document = state.units.get(of.unit).map(|unit| &unit.document);
        let before = record(&[
            &of.series.measure,
            of.measure.kind.name(),
            &of.series.unit,
            document.map(|document| document.kind).unwrap_or_default().name(),
            document.and_then(|document| document.parent.as_deref()).unwrap_or_default(),
            "",
        ]);
        let after = record(&["", &of.measure.unit_of_measure]);
        let mut rows = 0;
        for point in of.points() {
            self.text.extend_from_slice(&before);
            point.period.write_to(&mut self.text);
            self.text.extend_from_slice(&after);
            cells(point, self);
            self.text.push(b'\n');
            rows += 1;
        }
        rows
    }

    /// The first [`BUFFER`] bytes of the text, if it is that long.
    pub(super) fn take_full(&mut self) -> Option<Vec<u8>> {
        (self.text.len() >= BUFFER).then(|| self.text.drain(..BUFFER).collect())
    }

    /// The text that was not taken.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.text.shrink_to_fit();
        self.text
    }
}

impl PointCells for RowText {
    fn number(&mut self, number: Option<Rounded>) {
        self.text.push(b',');
        if let Some(number) = number {
            number.write_to(&mut self.text);
        }
    }

    fn share(&mut self, share: Option<f64>) {
        self.text.push(b',');
        if let Some(share) = share {
            write_double(share, &mut self.text);
        }
    }

    fn stated(&mut self, stated: Option<Decimal64>) {
        self.text.push(b',');
        if let Some(stated) = stated {
            self.text.extend_from_slice(stated.to_string().as_bytes());
        }
    }

    fn word(&mut self, word: Option<&'static str>) {
        self.text.push(b',');
        self.text.extend_from_slice(word.unwrap_or_default().as_bytes());
    }
}

/// Cells as CSV, with quotes where they need any, without the end of the line.
fn record(cells: &[&str]) -> Vec<u8> {
    // For a few short cells, not for a file.
    let mut writer = csv::WriterBuilder::new().buffer_capacity(256).from_writer(Vec::new());
    let written = writer.write_record(cells);
    debug_assert!(written.is_ok(), "{written:?}");
    let mut text = writer.into_inner().unwrap_or_default();
    text.pop();
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{csv_rows, package};
    use super::*;
    use crate::app::read::fields::FieldSet;

    /// The cells of a point as CSV.
    fn text(point: &PointView) -> String {
        let mut row = RowText::default();
        cells(point, &mut row);
        String::from_utf8(row.text).unwrap()
    }

    #[test]
    fn the_cells_follow_the_columns() {
        let point = PointView {
            value: Rounded::new(12_345_678_901.25),
            origin: Some(Origin::RolledUp),
            coverage: Some(1.0),
            stated: Decimal64::parse("78.950").ok(),
            delta: Rounded::new(-2.0),
            delta_percent_reason: Some(UnavailableReason::NotApplicable),
            year_to_date_reason: Some(UnavailableReason::Missing),
            ..PointView::empty("2021-10".parse().unwrap(), FieldSet::NONE)
        };
        let line = text(&point);
        assert_eq!(
            line,
            ",12345678901.25,,rolled_up,1.0,78.950,-2,,,not_applicable,,,,,,,,,,,missing"
        );
        let names: Vec<String> =
            package::header().trim_end().split(',').map(str::to_owned).collect();
        let from_value = names.iter().skip_while(|name| *name != "value");
        let cells: Vec<(&String, &str)> = from_value.zip(line.split(',').skip(1)).collect();
        let filled: Vec<_> = cells.iter().filter(|(_, cell)| !cell.is_empty()).collect();
        let expected = [
            ("value", "12345678901.25"),
            ("origin", "rolled_up"),
            ("coverage", "1.0"),
            ("stated", "78.950"),
            ("delta", "-2"),
            ("delta_percent_reason", "not_applicable"),
            ("year_to_date_reason", "missing"),
        ];
        let filled: Vec<(&str, &str)> =
            filled.iter().map(|(name, cell)| (name.as_str(), *cell)).collect();
        assert_eq!(filled, expected);
        assert_eq!(names.len(), 7 + line.matches(',').count());
    }

    #[test]
    fn codes_with_commas_are_quoted() {
        assert_eq!(record(&["m{a=b,c=d}", "", "="]), b"\"m{a=b,c=d}\",,=");
        assert_eq!(record(&["", "count"]), b",count");
    }

    proptest! {
        #[test]
        fn numbers_have_the_text_of_the_csv_library(
            number in prop_oneof![
                -1e10_f64..1e10,
                (-10_000_000_i32..10_000_000).prop_map(|n| f64::from(n) / 1e6),
                (-2_000_i32..2_000).prop_map(f64::from),
            ],
            share in (0_u32..1_000, 1_u32..1_000),
        ) {
            let (part, whole) = share;
            let share = f64::from(part) / f64::from(part + whole);
            let (rounded, mut row) = (Rounded::new(number), RowText::default());
            row.number(rounded);
            row.share(Some(share));
            let mut writer = csv_rows(Vec::new());
            writer.serialize(("", rounded, share)).unwrap();
            row.text.push(b'\n');
            prop_assert_eq!(row.text, writer.into_inner().unwrap());
        }
    }
}
