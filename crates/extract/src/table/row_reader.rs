//! The rows of a table, read from the top. In an outline a row may continue the label of a row
//! above: "Trực tuyến" below "Hồ sơ tiếp nhận".

use std::collections::HashSet;
use std::ops::Range;

use super::cell::{
    AllowedNumber, CellContent, DATE, DOES_NOT_APPLY, NO_NUMBER, STRUCK, has_other_unit,
    other_unit, read,
};
use super::column::{TableColumn, WHOLE_YEAR};
use super::facets::{LabelColumnKind, LabelFacets};
use super::label_context::LabelContext;
use super::label_reader::LabelReader;
use super::mapping::{CellFigure, LabelMeaning, LabelUse, TableMapping};
use super::shape::{GridShape, is_numbering, marker_of};
use super::title::TableTitle;
use super::unclaimed::{is_figure, unclaimed, unclaimed_figure, unclaimed_text};
use super::unit_names::{UnitMatch, writes_for_province};
use crate::label::{LabelResolution, MeasureUnitText, RowMarker, split_marker};
use crate::words::table_words;
use documents::table::GridCell;
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;
use kpi::observation::names_not_applicable;
use kpi::period::Month;
use kpi::unit::UnitPosition;
use kpi::vietnamese::folding::unaccented;
use kpi::vietnamese::months::extract_months;
use kpi::word_file::WordList;

/// Why a table has no unit.
pub(crate) const NO_UNIT: &str =
    "no label names the unit, or the title names another unit than the request";
/// Why the figures below a heading are not those of the reporting unit.
pub(crate) const OTHER_UNIT: &str = "the heading names another unit";

/// Most decimals of a stated rate that a sheet computed without a number format.
const MAX_STATED: u32 = 6;

/// A row to which rows below may belong.
struct OutlineLevel {
    marker: RowMarker,
    /// The measure that rows below it with another kind of number continue.
    measure: Option<Measure>,
    /// The measure that rows beside it with only members continue.
    base: Option<Measure>,
    /// The dimensions that rows beside it have named; others are uncertain.
    dimensions: Option<Vec<String>>,
}

/// The reader of rows.
pub(super) struct RowReader<'t, 's> {
    reader: &'t LabelReader<'t>,
    shape: &'s GridShape<'s>,
    columns: &'s [TableColumn],
    title: &'s TableTitle,
    /// Position of the reporting unit, for totals.
    whole: Option<UnitPosition>,
    section: LabelContext,
    /// What a heading gives for the rows below it.
    heading: LabelFacets,
    levels: Vec<OutlineLevel>,
    /// The text of the heading above.
    over: String,
    above: Vec<String>,
}

impl<'t, 's> RowReader<'t, 's> {
    pub(super) fn new(
        reader: &'t LabelReader<'t>,
        shape: &'s GridShape<'s>,
        columns: &'s [TableColumn],
        title: &'s TableTitle,
    ) -> Self {
        let whole = title.around.unit;
        Self {
            reader,
            shape,
            columns,
            title,
            whole,
            section: title.around.clone(),
            heading: LabelFacets::default(),
            levels: Vec::new(),
            over: String::new(),
            above: vec![String::new(); columns.len()],
        }
    }

    /// Reads the rows of the body.
    pub(super) fn read(mut self, body: Range<usize>, mapping: &mut TableMapping) {
        let mut rows: Vec<(usize, LabelFacets, String)> = Vec::new();
        for row in body {
            let texts = self.labels_of(row);
            let text = texts.join(" / ");
            let figures = self.columns.iter().enumerate().any(|(column, kind)| {
                matches!(kind, TableColumn::Figures(_) | TableColumn::Refused(_))
                    && !self.shape.cell(row, column).is_empty()
            });
            let repeated = self.repeats_header(row, mapping);
            if !figures || repeated {
                let meaning = self.head(row, &texts, repeated);
                if !repeated && !matches!(meaning, LabelMeaning::Figures { .. }) {
                    let inside = |column| {
                        unclaimed_text(
                            self.shape.cell(row, column),
                            row,
                            column,
                            "a number within a heading",
                        )
                    };
                    mapping.unclaimed.extend((0..self.shape.width()).filter_map(inside));
                }
                mapping.rows.extend((!text.is_empty()).then_some(LabelUse {
                    place: row,
                    text,
                    meaning,
                }));
                continue;
            }
            let facets = self.row(row, &texts);
            mapping.rows.push(LabelUse {
                place: row,
                text: text.clone(),
                meaning: self.row_meaning(&facets),
            });
            rows.push((row, facets, text));
        }
        let units: HashSet<UnitPosition> =
            rows.iter().filter_map(|(_, facets, _)| facets.unit).collect();
        let across: HashSet<UnitPosition> =
            self.facets_of_columns().filter_map(|facets| facets.unit).collect();
        let named = rows.iter().any(|(_, facets, _)| facets.measure.is_some())
            || self.facets_of_columns().any(|facets| facets.measure.is_some());
        // A total applies to the rows before or after it. A single total at an end of the table
        // applies to all of them.
        let totals: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter(|(_, (_, facets, _))| facets.total)
            .map(|(place, _)| place)
            .collect();
        let sole = matches!(totals.as_slice(), [one] if *one == 0 || one + 1 == rows.len());
        let sole_across = self.facets_of_columns().filter(|facets| facets.total).count() == 1;
        let counts = |facets: &LabelFacets| {
            facets
                .measure
                .as_ref()
                .filter(|measure| self.reader.catalogue.indicator(&measure.code).is_some())
                .cloned()
        };
        let across_counts: Vec<Measure> = self.facets_of_columns().filter_map(counts).collect();
        let inferred = if self.title.measure.is_some()
            || rows.iter().any(|(_, facets, _)| counts(facets).is_some())
        {
            None
        } else {
            let down: Vec<&LabelFacets> = rows.iter().map(|(_, facets, _)| facets).collect();
            let found = self.reader.infer_measure(
                &down,
                &self.facets_of_columns().collect::<Vec<_>>(),
                &self.title.around,
            );
            found.filter(|found| across_counts.iter().all(|measure| measure.code == found.code))
        };
        let members_down = rows.iter().any(|(_, facets, _)| !facets.members.is_empty())
            && rows.iter().all(|(_, facets, _)| facets.measure.is_none());
        let table = TableScope {
            inferred,
            members_down,
            sole,
            sole_across,
            units,
            across,
            named,
            month_rows: rows.iter().any(|(_, facets, _)| facets.month.is_some()),
        };
        for (row, facets, text) in &rows {
            self.cells(*row, facets, text, &table, mapping);
        }
    }

    fn facets_of_columns(&self) -> impl Iterator<Item = &LabelFacets> {
        self.columns.iter().filter_map(|column| match column {
            TableColumn::Figures(facets) => Some(facets.as_ref()),
            TableColumn::Stub(_)
            | TableColumn::Numbers
            | TableColumn::Measured
            | TableColumn::Aside(_)
            | TableColumn::Refused(_) => None,
        })
    }

    fn row_meaning(&self, facets: &LabelFacets) -> LabelMeaning {
        if facets.unknown && facets.refused.is_none() {
            return LabelMeaning::Unclaimed("the row's label is not understood".to_owned());
        }
        self.reader.meaning(facets)
    }

    /// Whether a row repeats the header, as on a new page.
    fn repeats_header(&self, row: usize, mapping: &TableMapping) -> bool {
        let header = mapping.header.start;
        !mapping.header.is_empty()
            && (0..self.shape.width())
                .all(|column| self.shape.text(row, column) == self.shape.text(header, column))
    }

    /// The labels of a row, from left to right. An empty one before another label repeats the one
    /// above.
    fn labels_of(&mut self, row: usize) -> Vec<String> {
        let stubs: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, kind)| matches!(kind, TableColumn::Stub(_)))
            .map(|(column, _)| column)
            .collect();
        let last =
            stubs.iter().rev().find(|column| !self.shape.text(row, **column).is_empty()).copied();
        let mut found = Vec::new();
        for column in stubs {
            let own = self.shape.text(row, column).to_owned();
            let goes_on = own.is_empty()
                && last.is_some_and(|last| column < last)
                && matches!(
                    self.columns.get(column),
                    Some(TableColumn::Stub(LabelColumnKind::Any | LabelColumnKind::Units))
                );
            let text =
                if goes_on { self.above.get(column).cloned().unwrap_or_default() } else { own };
            if let Some(place) = self.above.get_mut(column) {
                place.clone_from(&text);
            }
            if !text.is_empty() {
                found.push(text);
            }
        }
        found
    }

    /// Reads a row without figures, which gives something for the rows below.
    fn head(&mut self, row: usize, texts: &[String], repeated: bool) -> LabelMeaning {
        // A heading may be in any column, as one merged across columns is.
        let own = self.shape.own_texts(row).into_iter().find(|text| !is_numbering(text));
        let Some(text) = texts.first().cloned().or(own).filter(|_| !repeated) else {
            return LabelMeaning::Heading;
        };
        let facets = self.reader.label(&text, &self.title.around);
        let marker = self.marker(row, &text);
        split_marker(&text).1.clone_into(&mut self.over);
        if !self.reader.labels.systems(&text).is_empty() {
            self.section.hint.clone_from(&text);
        }
        if facets.measure.is_some() || !facets.members.is_empty() {
            return match self.place_row(marker, &facets) {
                Ok(_) => self.reader.meaning(&facets),
                Err(why) => LabelMeaning::Unclaimed(why),
            };
        }
        self.levels.clear();
        self.heading = LabelFacets {
            unit: facets.unit,
            month: facets.month,
            refused: facets.refused.clone().filter(|_| facets.measure.is_none()),
            ..LabelFacets::default()
        };
        if has_any(&text, &table_words().row.levels) {
            self.heading.refused = Some(format!(
                "the heading {} distinguishes units that are not named",
                kpi::fault::quoted(&text)
            ));
        }
        if facets.unit.is_some() {
            self.section.hint.clone_from(&self.title.around.hint);
        } else if self.names_another(&text) {
            self.heading.refused.get_or_insert_with(|| OTHER_UNIT.to_owned());
        }
        LabelMeaning::Heading
    }

    /// Whether a heading names a unit, known or not, that is neither the reporting one nor above
    /// it.
    fn names_another(&self, text: &str) -> bool {
        let (month, own) = (self.title.around.month, self.title.around.unit);
        let is_own = |unit: &UnitPosition| {
            own.is_some_and(|own| {
                own == *unit || self.reader.units.ancestors(own).any(|above| above == *unit)
            })
        };
        let writes = |unit: &UnitPosition| {
            self.reader.units.get(*unit).is_some_and(|unit| writes_for_province(&unit.document))
        };
        self.reader.names_whole_of_another(text, own)
            || self.reader.places.find_units_in(text, month, own).iter().any(|named| match named {
                UnitMatch::One(unit) => !is_own(unit) && !writes(unit),
                UnitMatch::Several(units) => !units.iter().any(is_own),
                UnitMatch::Unknown => true,
            })
    }

    /// The number or bullet of a row, from the column of numbers or before its label.
    fn marker(&self, row: usize, text: &str) -> RowMarker {
        let numbers = self.columns.iter().position(|kind| matches!(kind, TableColumn::Numbers));
        let by_column =
            numbers.map_or(RowMarker::None, |column| marker_of(self.shape.text(row, column)));
        if by_column == RowMarker::None { split_marker(text).0 } else { by_column }
    }

    /// What a row with figures gives.
    fn row(&mut self, row: usize, texts: &[String]) -> LabelFacets {
        let mut facets = LabelFacets::default();
        let mut free = Vec::new();
        let mut stubs = texts.iter();
        for (column, kind) in self.columns.iter().enumerate() {
            let TableColumn::Stub(stub) = kind else { continue };
            let above = self.above.get(column).map_or("", String::as_str);
            let text = if self.shape.text(row, column).is_empty() {
                above
            } else {
                self.shape.text(row, column)
            };
            if text.is_empty() {
                continue;
            }
            stubs.next();
            match stub {
                LabelColumnKind::Any => free.push(text.to_owned()),
                LabelColumnKind::Units => {
                    facets = facets.and(self.unit(text), self.reader.catalogue)
                }
                LabelColumnKind::Months => {
                    facets = facets.and(self.month(row, column, text), self.reader.catalogue)
                }
                LabelColumnKind::Years => facets.year = text.parse().ok(),
                LabelColumnKind::Members(dimension) => {
                    facets = facets.and(self.member(dimension, text), self.reader.catalogue)
                }
            }
        }
        if !free.is_empty() {
            let mut found = self.reader.read_labels(&free, &self.section, false);
            // "Cấp mới" below the heading "Chứng thư số".
            if found.measure.is_none()
                && found.members.is_empty()
                && found.unit.is_none()
                && !self.over.is_empty()
            {
                let whole = self.reader.read_labels(
                    &[self.over.clone(), free.join(" ")],
                    &self.section,
                    false,
                );
                if whole.measure.is_some() && whole.refused.is_none() && !whole.unknown {
                    found = whole;
                }
            }
            facets = facets.and(found, self.reader.catalogue);
        }
        if let (None, Some(number)) = (facets.month, facets.of_year) {
            facets.month = self.title.month_of_year(facets.year, number);
            if facets.month.is_none() {
                facets.refused = Some("the year of the month is not known".to_owned());
            }
        } else if facets.year.is_some() && facets.of_year.is_none() && facets.month.is_none() {
            facets.refused = facets.refused.or_else(|| Some(WHOLE_YEAR.to_owned()));
        }
        let marker = self.marker(row, free.first().map_or("", String::as_str));
        let label = free.first().cloned();
        if label.is_some() && facets.refused.is_none() && !facets.unknown {
            match self.place_row(marker, &facets) {
                Ok(Some(measure)) => {
                    facets = LabelFacets { measure: Some(measure), members: Vec::new(), ..facets }
                }
                Ok(None) => {}
                Err(why) => facets.refused = Some(why),
            }
        } else if label.is_some() {
            // Members below a row that is not understood do not belong to an earlier row.
            self.place_row(marker, &LabelFacets { unknown: true, ..LabelFacets::default() }).ok();
        }
        self.set_unit_of_measure(row, &mut facets);
        let heading = self.heading.clone();
        if heading.unit.is_some() && facets.unit.is_some() {
            return facets;
        }
        heading.and(facets, self.reader.catalogue)
    }

    /// Adds the unit of measure from its column.
    fn set_unit_of_measure(&self, row: usize, facets: &mut LabelFacets) {
        let column = self.columns.iter().position(|kind| matches!(kind, TableColumn::Measured));
        let text = column.map_or("", |column| self.shape.text(row, column));
        if let Some(found) = self.reader.labels.unit_of_measure(text) {
            facets.measured = Some(found);
        } else if has_any(text, &table_words().row.multiples) {
            facets.refused =
                Some(format!("the unit of measure {} is not understood", kpi::fault::quoted(text)));
        }
    }

    fn unit(&self, text: &str) -> LabelFacets {
        let facets =
            self.reader.label(text, &LabelContext { hint: String::new(), ..self.section.clone() });
        if facets.total {
            return facets;
        }
        let place = match (facets.unit, self.section.month) {
            (Some(unit), _) => UnitMatch::One(unit),
            (None, Some(month)) => self.reader.places.by_official_code(text, month),
            (None, None) => UnitMatch::Unknown,
        };
        match place {
            UnitMatch::One(unit) => LabelFacets { unit: Some(unit), ..LabelFacets::default() },
            UnitMatch::Several(_) | UnitMatch::Unknown => LabelFacets {
                refused: facets.refused.or_else(|| Some("the unit is not known".to_owned())),
                ..LabelFacets::default()
            },
        }
    }

    fn month(&self, row: usize, column: usize, text: &str) -> LabelFacets {
        if let Some(month) = self.shape.cell(row, column).month {
            return LabelFacets { month: Some(month), ..LabelFacets::default() };
        }
        if let Some(number) = text.parse::<u32>().ok().filter(|number| (1..=12).contains(number)) {
            return LabelFacets { of_year: Some(number), ..LabelFacets::default() };
        }
        let found = self.reader.label(text, &self.section);
        let plain = extract_months(text).rest.is_empty() || found.total;
        let told = found.month.is_some()
            || found.of_year.is_some()
            || found.total
            || found.refused.is_some();
        if plain && told {
            found
        } else {
            LabelFacets {
                refused: Some("the month is not understood".to_owned()),
                ..LabelFacets::default()
            }
        }
    }

    fn member(&self, dimension: &str, text: &str) -> LabelFacets {
        let declared = self
            .reader
            .catalogue
            .document
            .dimensions
            .iter()
            .find(|declared| declared.code == dimension);
        let known = declared
            .and_then(|declared| declared.members.iter().find(|member| member.code == text));
        let ways: Vec<Members> = match (known, self.reader.labels.resolve(text, "")) {
            (Some(member), _) => vec![Members::none().with(dimension, &member.code)],
            (None, LabelResolution::Members(ways)) => ways
                .into_iter()
                .filter(|way| way.len() == 1 && way.get(dimension).is_some())
                .collect(),
            (None, _) => Vec::new(),
        };
        if !ways.is_empty() {
            return LabelFacets { members: ways, ..LabelFacets::default() };
        }
        let total = self.reader.label(text, &LabelContext::default()).total;
        LabelFacets {
            refused: (!total)
                .then(|| format!("{} is not a member of {dimension}", kpi::fault::quoted(text))),
            ..LabelFacets::default()
        }
    }

    /// Adds a row to the outline. Returns its measure, including what it continues from above.
    fn place_row(
        &mut self,
        marker: RowMarker,
        facets: &LabelFacets,
    ) -> Result<Option<Measure>, String> {
        let beside = self.levels.iter().position(|level| level.marker == marker);
        let popped = beside.map(|place| self.levels.drain(place..).next()).unwrap_or_default();
        if let Some(measure) = &facets.measure {
            let found = self.whole_measure(measure, &facets.members);
            let base = found.clone();
            self.levels.push(OutlineLevel {
                marker,
                measure: found.clone(),
                base,
                dimensions: None,
            });
            return if found.is_none() {
                Err("the measure does not have these members".to_owned())
            } else {
                Ok(found)
            };
        }
        if facets.members.is_empty() {
            self.levels.push(OutlineLevel { marker, measure: None, base: None, dimensions: None });
            return Ok(None);
        }
        // The row is below a row with another kind of number, or beside one with the same kind. A
        // row without a number after a list may belong to its last item or to the row above the
        // list.
        let behind_list = marker == RowMarker::None
            && self.levels.last().is_some_and(|above| {
                matches!(
                    above.marker,
                    RowMarker::Dash | RowMarker::Plus | RowMarker::Bullet | RowMarker::Letter
                )
            });
        if behind_list {
            self.levels.push(OutlineLevel { marker, measure: None, base: None, dimensions: None });
            return Err("it is not certain which measure these members belong to".to_owned());
        }
        let (base, dimensions, beside) =
            match (self.levels.last().and_then(|above| above.measure.clone()), popped) {
                (Some(above), _) => (Some(above), None, false),
                (None, Some(OutlineLevel { base: Some(base), dimensions, .. })) => {
                    (Some(base), dimensions, true)
                }
                (None, _) => (None, None, false),
            };
        let Some(base) = base else {
            self.levels.push(OutlineLevel { marker, measure: None, base: None, dimensions: None });
            return Ok(None);
        };
        let found = self.whole_measure(&base, &facets.members);
        let Some(measure) = found else {
            self.levels.push(OutlineLevel { marker, measure: None, base: Some(base), dimensions });
            return Err("it is not certain which measure these members belong to".to_owned());
        };
        let named: Vec<String> = facets
            .members
            .iter()
            .flat_map(|way| way.iter().map(|(dimension, _)| dimension.to_owned()))
            .filter(|dimension| measure.members.get(dimension).is_some())
            .collect();
        let hosted = |dimension: &String| {
            self.reader
                .catalogue
                .indicator(&measure.code)
                .and_then(|indicator| indicator.dimension(dimension))
                .is_some_and(|known| known.within.is_some())
        };
        let other = beside
            && dimensions.as_ref().is_some_and(|known| *known != named)
            && !named.iter().all(hosted);
        let kept = dimensions.or(Some(named));
        let below = if other { None } else { Some(measure.clone()) };
        // A row below continues this row; a row beside it continues the row that this one
        // continues.
        self.levels.push(OutlineLevel {
            marker,
            measure: below,
            base: Some(base),
            dimensions: kept,
        });
        if other {
            return Err(
                "it is not certain whether these members belong to the total or to the row before"
                    .to_owned(),
            );
        }
        Ok(Some(measure))
    }

    /// A measure with members, if there is exactly one reading.
    fn whole_measure(&self, measure: &Measure, ways: &[Members]) -> Option<Measure> {
        if ways.is_empty() {
            return Some(measure.clone());
        }
        let mut found: Vec<Measure> =
            ways.iter().filter_map(|way| self.reader.labels.with_members(measure, way)).collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        }
    }

    fn cells(
        &self,
        row: usize,
        facets: &LabelFacets,
        text: &str,
        table: &TableScope,
        mapping: &mut TableMapping,
    ) {
        for (column, kind) in self.columns.iter().enumerate() {
            let cell = self.shape.cell(row, column);
            let taken = match kind {
                TableColumn::Numbers | TableColumn::Measured => continue,
                TableColumn::Aside(what) => {
                    mapping.unclaimed.extend(unclaimed_text(cell, row, column, what));
                    continue;
                }
                TableColumn::Stub(_)
                    if !is_figure(cell)
                        || is_numbering(&cell.text)
                        || split_marker(&cell.text).0 != RowMarker::None
                        || self.columns.get(column).is_some_and(labels_by_number) =>
                {
                    continue;
                }
                TableColumn::Stub(_) => Err("the number is in a column of labels".to_owned()),
                TableColumn::Refused(why) => Err(why.clone()),
                TableColumn::Figures(of_column) => self
                    .figure(cell, facets, of_column, table)
                    .and_then(|found| self.of_its_unit(row, cell, found)),
            };
            match taken {
                Ok(None) => {}
                Ok(Some(CellValue { measure, unit, month, written, approximate })) => {
                    let head = mapping.columns.get(column).map_or("", |of| of.text.as_str());
                    let label = [text, head]
                        .into_iter()
                        .filter(|part| !part.is_empty())
                        .collect::<Vec<_>>()
                        .join(" / ");
                    mapping.figures.push(CellFigure {
                        row,
                        column,
                        measure,
                        unit,
                        month,
                        printed: cell.text.trim().to_owned(),
                        written,
                        approximate,
                        label,
                    });
                }
                Err(reason) => {
                    // A row with a label that is understood is one of figures. Below a table there
                    // may be a name or a place without a label.
                    let of_figure = matches!(kind, TableColumn::Figures(_))
                        && ([NO_NUMBER, DOES_NOT_APPLY].contains(&reason.as_str())
                            || !(facets.unknown || text.is_empty()));
                    let list = if of_figure { unclaimed_figure } else { unclaimed };
                    mapping.unclaimed.extend(list(cell, row, column, &reason));
                }
            }
        }
    }

    /// The figure, unless its cell or the column of units gives a unit of measure of another kind.
    fn of_its_unit(
        &self,
        row: usize,
        cell: &GridCell,
        found: Option<CellValue>,
    ) -> Result<Option<CellValue>, String> {
        let Some(CellValue { measure, .. }) = &found else { return Ok(found) };
        let expected = self.reader.catalogue.unit_of_measure(&measure.code);
        let measured = self.columns.iter().position(|kind| matches!(kind, TableColumn::Measured));
        let text = measured.map_or("", |column| self.shape.text(row, column));
        let own = if cell.number.is_none() { cell.text.as_str() } else { "" };
        match [text, own].into_iter().find(|text| has_other_unit(text, expected)) {
            Some(text) => Err(other_unit(text)),
            None => Ok(found),
        }
    }

    /// The figure in a cell; `None` when the cell has no value, otherwise the reason why it is not
    /// taken.
    fn figure(
        &self,
        cell: &GridCell,
        row: &LabelFacets,
        column: &LabelFacets,
        table: &TableScope,
    ) -> Result<Option<CellValue>, String> {
        if let Some(fault) = &cell.fault {
            return Err(fault.clone());
        }
        if cell.is_empty() {
            return Ok(None);
        }
        if cell.struck {
            return Err(STRUCK.to_owned());
        }
        if cell.month.is_some() && cell.number.is_none() {
            return Err(DATE.to_owned());
        }
        if row.unknown && row.refused.is_none() {
            return Err("the row's label is not understood".to_owned());
        }
        let totals = (row.total, column.total);
        let both =
            column.clone().and(LabelFacets { plain: false, ..row.clone() }, self.reader.catalogue);
        if let Some(why) = both.refused {
            return Err(why);
        }
        let of_table = || {
            self.title.measure.clone().filter(|_| !table.named).or_else(|| table.inferred.clone())
        };
        let measure = both.measure.or_else(of_table).ok_or("no label names the measure")?;
        let measure = self
            .whole_measure(&measure, &both.members)
            .ok_or("which members are meant is not certain, or the measure does not have them")?;
        // "Cộng" beside "USB Token", which only individuals have.
        let hosted = |dimension: &str| {
            self.reader
                .catalogue
                .indicator(&measure.code)
                .and_then(|indicator| indicator.dimension(dimension))
                .is_some_and(|known| known.within.is_some())
        };
        if (totals.0 || totals.1) && measure.members.iter().any(|(dimension, _)| hosted(dimension))
        {
            return Err("it is not certain what the total includes".to_owned());
        }
        let month = match both.month {
            Some(month) => month,
            None => match &self.title.refused {
                Some(why) => return Err(why.clone()),
                None => self.title.around.month.ok_or("no label names the month")?,
            },
        };
        let unit = self.unit_of(both.unit, totals, table)?;
        if !self.reader.units.exists(unit, month) {
            return Err(format!(
                "{} does not exist on the last day of {month}",
                self.reader.units.code(unit)
            ));
        }
        let percent = self.reader.catalogue.unit_of_measure(&measure.code) == "percent";
        let measured = both
            .measured
            .or(self.title.measured.filter(|unit| unit.power > 0))
            .unwrap_or(MeasureUnitText { percent, power: 0 });
        if measured.percent && !percent {
            return Err(format!("the figures are percentages, but {measure} is a count"));
        }
        let Some((written, approximate)) = self.number(cell, &measure, percent, measured.power)?
        else {
            return Ok(None);
        };
        Ok(Some(CellValue { measure, unit, month, written, approximate }))
    }

    /// The unit of a cell: the one named, that of a total, or the reporting unit.
    fn unit_of(
        &self,
        named: Option<UnitPosition>,
        totals: (bool, bool),
        table: &TableScope,
    ) -> Result<UnitPosition, String> {
        if let Some(unit) = named {
            return Ok(unit);
        }
        if (totals.0 && !table.sole) || (totals.1 && !table.sole_across) {
            return Err("it is not certain what the total includes".to_owned());
        }
        let whole = self.whole.ok_or(NO_UNIT)?;
        let below = |units: &HashSet<UnitPosition>| {
            units.iter().all(|unit| {
                *unit != whole && self.reader.units.ancestors(*unit).any(|above| above == whole)
            })
        };
        let sound = |total: bool, units: &HashSet<UnitPosition>| match (total, units.is_empty()) {
            (true, true) => Err("a total over rows or columns that are not units".to_owned()),
            (true, false) if !below(units) => {
                Err("a total over units that are not below the reporting unit".to_owned())
            }
            (false, false) => Err("the unit is not named".to_owned()),
            (true, false) | (false, true) => Ok(()),
        };
        if !(totals.0 && table.units.is_empty() && table.members_down) {
            sound(totals.0, &table.units)?;
        }
        let splits = self.facets_of_columns().any(|facets| {
            !facets.members.is_empty()
                || facets.measure.as_ref().is_some_and(|measure| !measure.members.is_empty())
        });
        let months = self.facets_of_columns().any(|facets| facets.month.is_some());
        if totals.1 && table.across.is_empty() && splits && !months {
            // A total over members is the figure without them, in rows as well as in columns.
            return Ok(whole);
        }
        sound(totals.1, &table.across)?;
        if table.month_rows && totals.0 {
            return Err("a total over months".to_owned());
        }
        Ok(whole)
    }

    /// The number in a cell in the unit of its measure. `power` is the power of ten in which
    /// figures are given.
    fn number(
        &self,
        cell: &GridCell,
        measure: &Measure,
        percent: bool,
        power: u32,
    ) -> Result<Option<(Decimal64, bool)>, String> {
        let indicator = self.reader.catalogue.indicator(&measure.code);
        let decimals = indicator.map(|indicator| indicator.decimals);
        if let (Some(written), true, false) = (cell.number, percent, cell.percent)
            && written.mantissa != 0
            && written.to_f64().abs() <= 1.0
        {
            return Err("the number may be a fraction or a percentage".to_owned());
        }
        if names_not_applicable(cell.text.trim()) {
            return Err(DOES_NOT_APPLY.to_owned());
        }
        if cell.percent && !percent {
            return Err(format!("the figure is a percentage, but {measure} is a count"));
        }
        let said = match cell.number {
            // A stated rate keeps the digits shown.
            Some(written) if decimals.is_none() => CellContent::Number {
                written: written.rounded(cell.decimals.unwrap_or(MAX_STATED)),
                approximate: false,
            },
            Some(written) => CellContent::Number { written, approximate: false },
            None => read(
                &cell.text,
                AllowedNumber { decimals: decimals.filter(|_| power == 0), percent },
            ),
        };
        let (written, approximate) = match said {
            CellContent::Nothing => return Ok(None),
            CellContent::Words => return Err(NO_NUMBER.to_owned()),
            CellContent::Fault(why) => return Err(why),
            CellContent::Number { written, approximate } => {
                (written.multiplied(power).ok_or("the number is too large")?, approximate)
            }
        };
        if written.mantissa < 0 && indicator.is_some_and(|indicator| !indicator.may_be_negative) {
            return Err("the count is below zero".to_owned());
        }
        if decimals.is_some_and(|decimals| written.at_scale(decimals).is_none()) {
            return Err(
                "the number has more decimals than the indicator, or is too large".to_owned()
            );
        }
        Ok(Some((written, approximate)))
    }
}

/// What the rows and columns of a table name as a whole.
struct TableScope {
    /// The measure of cells with labels that name only members.
    inferred: Option<Measure>,
    /// Whether rows name members and no row names a measure.
    members_down: bool,
    /// Whether there is only one total in rows or columns, which applies to all of them.
    sole: bool,
    sole_across: bool,
    units: HashSet<UnitPosition>,
    across: HashSet<UnitPosition>,
    named: bool,
    month_rows: bool,
}

/// A cell that is a figure.
struct CellValue {
    measure: Measure,
    unit: UnitPosition,
    month: Month,
    written: Decimal64,
    approximate: bool,
}

/// Whether a text has one of some parts, without diacritics.
fn has_any(text: &str, parts: &WordList) -> bool {
    let text = unaccented(text);
    parts.iter().any(|part| text.contains(part))
}

/// Whether the labels of a column may themselves be numbers.
fn labels_by_number(column: &TableColumn) -> bool {
    matches!(
        column,
        TableColumn::Stub(
            LabelColumnKind::Months
                | LabelColumnKind::Years
                | LabelColumnKind::Units
                | LabelColumnKind::Members(_)
        )
    )
}
