//! Pages of series as JSON text.

use std::io::Write;

use super::{SeriesResponse, SeriesRows, SeriesTree, WideField};
use crate::api::json_text::JsonBuffer;
use crate::api::point_text::{write_fields, write_value};
use crate::app::RevisionNumber;
use crate::app::read::series::SeriesView;

/// Writes a page: the text that `serde_json` would write of it.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(page: &SeriesResponse, out: &mut impl Write) -> std::io::Result<()> {
    let mut text = JsonBuffer::with_room();
    match page {
        SeriesResponse::Nested(tree) => tree.write_to(&mut text, out)?,
        SeriesResponse::Rows(rows) => rows.write_to(&mut text, out)?,
    }
    text.pass(out)
}

impl SeriesTree {
    fn write_to(&self, text: &mut JsonBuffer, out: &mut impl Write) -> std::io::Result<()> {
        let Self { revision, revision_hash, next_cursor, series, fields: _ } = self;
        begin_page(text, *revision, revision_hash, next_cursor.as_deref());
        text.ready(",\"series\":[");
        for one in series {
            text.comma();
            write_head(one, text);
            text.ready(",\"points\":[");
            for point in &one.points {
                text.comma();
                text.ready("{");
                write_fields(point, text);
                text.ready("}");
                text.pass_full(out)?;
            }
            text.ready("]}");
        }
        text.ready("]}");
        Ok(())
    }
}

impl SeriesRows {
    fn write_to(&self, text: &mut JsonBuffer, out: &mut impl Write) -> std::io::Result<()> {
        let Self { revision, revision_hash, next_cursor, rows } = self;
        begin_page(text, *revision, revision_hash, next_cursor.as_deref());
        text.ready(",\"rows\":[");
        let mut head = JsonBuffer::default();
        for one in &rows.series {
            head.clear();
            write_head(one, &mut head);
            if let Some(WideField { field, .. }) = rows.wide {
                text.comma();
                text.part(&head);
                for point in &one.points {
                    text.comma();
                    text.period(point.period);
                    text.ready(":");
                    write_value(point, field, text);
                }
                text.ready("}");
                text.pass_full(out)?;
                continue;
            }
            for point in &one.points {
                text.comma();
                text.part(&head);
                write_fields(point, text);
                text.ready("}");
                text.pass_full(out)?;
            }
        }
        text.ready("]}");
        Ok(())
    }
}

/// Opens a page and writes what precedes its entries.
fn begin_page(
    text: &mut JsonBuffer,
    revision: RevisionNumber,
    hash: &str,
    next_cursor: Option<&str>,
) {
    text.ready("{");
    text.member("revision", &revision);
    text.member("revision_hash", hash);
    text.member("next_cursor", &next_cursor);
}

/// Opens an object and writes the fields of a series.
fn write_head(series: &SeriesView, text: &mut JsonBuffer) {
    text.ready("{");
    text.member("measure", &series.measure);
    text.member("unit", &series.unit);
    for (name, shown) in [("unit_name", &series.unit_name), ("measure_name", &series.measure_name)]
    {
        if let Some(shown) = shown {
            text.member(name, shown);
        }
    }
    text.member("unit_of_measure", &series.unit_of_measure);
    text.member("step", series.step);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::point_text::choices::Choices;
    use crate::api::series::RowList;
    use crate::app::read::fields::{Field, FieldChoice, FieldSet};
    use kpi::period::{Month, Period, Step};

    fn series(choices: &mut Choices, periods: &[Period], fields: FieldSet) -> SeriesView {
        SeriesView {
            measure: choices.text(),
            unit: choices.text(),
            unit_name: choices.some(|_| ()).map(|()| choices.text()),
            measure_name: choices.some(|_| ()).map(|()| choices.text()),
            unit_of_measure: choices.text(),
            step: periods.first().map_or("month", |period| period.step().name()),
            points: periods.iter().map(|period| choices.point(*period, fields)).collect(),
        }
    }

    fn same(page: &SeriesResponse) {
        let mut text = Vec::new();
        write(page, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), serde_json::to_string(page).unwrap());
    }

    proptest! {
        #[test]
        fn pages_have_the_text_of_serde_in_every_layout(
            choices in prop::collection::vec(any::<u64>(), 2_000),
            chosen in any::<u64>(),
            step in 0_usize..5,
            (count, points) in (0_usize..4, 0_i32..5),
        ) {
            let mut choices = Choices(choices);
            let known: Vec<Field> = FieldChoice::SERIES.known.iter().collect();
            let named = known.iter().enumerate().filter(|(n, _)| chosen >> n & 1 == 1);
            let fields = named.fold(FieldSet::of(&[Field::Period]), |set, (_, field)| {
                set.with(*field)
            });
            let first = Period::containing(Step::ALL[step], Month::new(2021, 1).unwrap());
            let periods: Vec<Period> = (0..points).map(|n| first.back(-n)).collect();
            let all = FieldChoice::SERIES.known;
            for fields in [fields, FieldChoice::SERIES.default, all] {
                let list: Vec<SeriesView> =
                    (0..count).map(|_| series(&mut choices, &periods, fields)).collect();
                let (revision, revision_hash) = (RevisionNumber::new(7), "ab".to_owned());
                let next_cursor = choices.some(|_| "c-1".to_owned());
                same(&SeriesResponse::Nested(SeriesTree {
                    revision,
                    revision_hash: revision_hash.clone(),
                    next_cursor: next_cursor.clone(),
                    series: list.clone(),
                    fields,
                }));
                let of_point = known.iter().filter(|field| FieldChoice::POINT.contains(**field));
                let one = of_point.copied().nth(usize::try_from(chosen % 30).unwrap()).unwrap();
                for field in [None, Some(one)] {
                    let wide = field.map(|field| WideField { field, periods: periods.clone() });
                    let rows = RowList { series: list.clone(), fields, wide };
                    let (revision_hash, next_cursor) = (revision_hash.clone(), next_cursor.clone());
                    same(&SeriesResponse::Rows(SeriesRows {
                        revision,
                        revision_hash,
                        next_cursor,
                        rows,
                    }));
                }
            }
        }
    }

    #[test]
    fn a_page_longer_than_the_buffer_is_passed_on_in_parts() {
        let fields = FieldChoice::SERIES.default;
        let first: Period = "2021-01".parse().unwrap();
        let periods: Vec<Period> = (0..40).map(|n| first.back(-n)).collect();
        let mut choices = Choices(Vec::new());
        let series = (0..3).map(|_| series(&mut choices, &periods, fields)).collect();
        same(&SeriesResponse::Nested(SeriesTree {
            revision: RevisionNumber::FIRST,
            revision_hash: String::new(),
            next_cursor: None,
            series,
            fields,
        }));
    }
}
