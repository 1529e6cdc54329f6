//! The meaning of the columns of a table, from the header and the cells below it.

use super::facets::{LabelColumnKind, LabelFacets};
use super::label_reader::LabelReader;
use super::mapping::LabelMeaning;
use super::shape::{GridShape, TableParts};
use super::title::TableTitle;
use crate::words::table_words;
use kpi::vietnamese::folding::unaccented;
use kpi::vietnamese::months::extract_months;

/// Why the figures of a year are not taken.
pub(crate) const WHOLE_YEAR: &str = "a whole year, not a month";

/// The meaning of a column below the header.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum TableColumn {
    /// Labels of rows.
    Stub(LabelColumnKind),
    /// Row numbers.
    Numbers,
    /// Units of measure of the rows.
    Measured,
    /// Other content.
    Aside(&'static str),
    /// Figures.
    Figures(Box<LabelFacets>),
    /// Figures that are not taken, with the reason.
    Refused(String),
}

impl LabelReader<'_> {
    /// The meaning of a column.
    pub(super) fn column(
        &self,
        shape: &GridShape<'_>,
        parts: &TableParts,
        column: usize,
        title: &TableTitle,
    ) -> TableColumn {
        let texts = shape.header_texts(parts, column);
        let months = shape.header_month(parts, column);
        let body = shape.body_profile(parts, column);
        let mut facets = self.read_labels(&texts, &title.around, true);
        if let Some(month) = months {
            facets = LabelFacets { month: Some(month), unknown: false, ..facets };
        }
        if let (None, Some(number)) = (facets.month, facets.of_year) {
            facets.month = title.month_of_year(facets.year, number);
            if facets.month.is_none() {
                facets.refused = Some("the year of the month is not known".to_owned());
            }
        }
        let label = unaccented(texts.last().map_or("", String::as_str));
        if table_words().heading.units_or_measures.contains(label.trim()) {
            return if self.measures_units(shape, parts, column) {
                TableColumn::Measured
            } else {
                TableColumn::Stub(LabelColumnKind::Units)
            };
        }
        if texts.is_empty() && body.figures + body.texts == 0 {
            return TableColumn::Aside("nothing");
        }
        match &facets {
            LabelFacets { aside: Some("units of measure"), .. } => TableColumn::Measured,
            LabelFacets { aside: Some("row numbers"), .. } => TableColumn::Numbers,
            LabelFacets { aside: Some(what), .. } => TableColumn::Aside(what),
            LabelFacets { stub: Some(stub), .. } => TableColumn::Stub(stub.clone()),
            LabelFacets { refused: Some(why), .. } => TableColumn::Refused(why.clone()),
            LabelFacets { unknown: true, .. } | LabelFacets { .. }
                if body.texts > body.figures && !(column > 0 && heads_figures(&facets, &label)) =>
            {
                TableColumn::Stub(LabelColumnKind::Any)
            }
            LabelFacets { unknown: true, .. } => {
                TableColumn::Refused("the column's heading is not understood".to_owned())
            }
            facets if facets.year.is_some() && !facets.identifies_figures() => {
                TableColumn::Refused(WHOLE_YEAR.to_owned())
            }
            facets if facets.says_nothing() && body.numbering && column == 0 => {
                TableColumn::Numbers
            }
            facets
                if !facets.identifies_figures()
                    && !facets.says_nothing()
                    && facets.measured.is_none() =>
            {
                TableColumn::Refused("the column's heading is not understood".to_owned())
            }
            facets => TableColumn::Figures(Box::new(LabelFacets {
                plain: facets.plain || !facets.identifies_figures(),
                ..facets.clone()
            })),
        }
    }

    /// Whether the cells of a column are units of measure and not reporting units.
    fn measures_units(&self, shape: &GridShape<'_>, parts: &TableParts, column: usize) -> bool {
        let texts: Vec<&str> = parts
            .body
            .clone()
            .map(|row| shape.text(row, column))
            .filter(|text| !text.trim().is_empty())
            .take(50)
            .collect();
        let measured =
            texts.iter().filter(|text| self.labels.unit_of_measure(text).is_some()).count();
        measured * 2 > texts.len()
    }

    /// The meaning of a column, for the preview.
    pub(super) fn column_meaning(&self, column: &TableColumn) -> LabelMeaning {
        match column {
            TableColumn::Stub(_) => LabelMeaning::Labels,
            TableColumn::Numbers => LabelMeaning::Aside("row numbers"),
            TableColumn::Measured => LabelMeaning::Aside("units of measure"),
            TableColumn::Aside(what) => LabelMeaning::Aside(what),
            TableColumn::Refused(why) => LabelMeaning::Unclaimed(why.clone()),
            TableColumn::Figures(facets) => self.meaning(facets),
        }
    }
}

/// Whether a heading is that of figures whatever is below it: it names a measure or nothing but a
/// month. Cells below it that are not numbers are listed and are not labels.
fn heads_figures(facets: &LabelFacets, label: &str) -> bool {
    let only_month =
        || facets.month.is_some() && !extract_months(label).rest.contains(char::is_alphabetic);
    !facets.unknown && (facets.measure.is_some() || only_month())
}

/// Of columns without a heading only one may have figures, and none beside columns with a heading.
pub(super) fn keep_one_value_column(columns: &mut [TableColumn]) {
    let bare = |column: &TableColumn| {
        matches!(column, TableColumn::Figures(facets)
            if facets.plain
                && facets.measure.is_none()
                && facets.month.is_none()
                && facets.unit.is_none()
                && facets.members.is_empty())
    };
    let (some, all) = (
        columns.iter().filter(|column| bare(column)).count(),
        columns.iter().filter(|column| matches!(column, TableColumn::Figures(_))).count(),
    );
    if some > 1 || (some == 1 && all > 1) {
        for column in columns.iter_mut().filter(|column| bare(column)) {
            *column = TableColumn::Refused(
                "there are several columns of figures, and the heading does not show which one \
                 this is"
                    .to_owned(),
            );
        }
    }
}
