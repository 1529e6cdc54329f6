//! The rows of a table, read from the top: an outline in which a row may go on with what stands above it ("Trực tuyến" below "Hồ sơ tiếp nhận").

use std::collections::HashSet;
use std::ops::Range;

use super::cell::{Allowed, Said, multiplied, read, rounded};
use super::facets::{Facets, Stub};
use super::month::timed;
use super::place::Place;
use super::read::{Column, Surroundings, Tables, Title, is_figure, unclaimed, unclaimed_text};
use super::shape::{Shape, is_numbering, marker_of};
use super::{CellFigure, GridCell, Mapping, Meaning, Use};
use crate::domain::measure::{Measure, Members};
use crate::domain::number::Written;
use crate::domain::period::Month;
use crate::intake::label::{Marker, Resolution, UnitText, numbered};
use crate::intake::words::folded;

/// Most decimals kept of a stated rate that a sheet has computed and does not say how to show.
const MAX_STATED: u32 = 6;

/// A row that rows below may belong to.
struct Level {
    marker: Marker,
    /// What rows that are marked otherwise, and so stand below it, go on with.
    measure: Option<Measure>,
    /// What rows beside it that name members alone go on with.
    base: Option<Measure>,
    /// The dimensions that rows beside it have named; others are uncertain.
    dimensions: Option<Vec<String>>,
}

/// The reader of rows.
pub(super) struct Outline<'t, 's> {
    tables: &'t Tables<'t>,
    shape: &'s Shape<'s>,
    columns: &'s [Column],
    title: &'s Title,
    /// The unit that reports, for totals.
    whole: Option<usize>,
    section: Surroundings,
    /// What a heading says of the rows below it.
    heading: Facets,
    levels: Vec<Level>,
    /// The text of the heading above.
    over: String,
    above: Vec<String>,
}

impl<'t, 's> Outline<'t, 's> {
    pub(super) fn new(
        tables: &'t Tables<'t>,
        shape: &'s Shape<'s>,
        columns: &'s [Column],
        title: &'s Title,
    ) -> Self {
        let whole = title.around.unit;
        Self {
            tables,
            shape,
            columns,
            title,
            whole,
            section: title.around.clone(),
            heading: Facets::default(),
            levels: Vec::new(),
            over: String::new(),
            above: vec![String::new(); columns.len()],
        }
    }

    /// Reads the rows of the body.
    pub(super) fn read(mut self, body: Range<usize>, mapping: &mut Mapping) {
        let mut rows: Vec<(usize, Facets, String)> = Vec::new();
        for row in body {
            let texts = self.labels_of(row);
            let text = texts.join(" / ");
            let figures = self.columns.iter().enumerate().any(|(column, kind)| {
                matches!(kind, Column::Figures(_) | Column::Refused(_))
                    && !self.shape.cell(row, column).is_empty()
            });
            let repeated = self.repeats_header(row, mapping);
            if !figures || repeated {
                let meaning = self.head(row, &texts, repeated);
                if !repeated && !matches!(meaning, Meaning::Figures { .. }) {
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
                mapping.rows.extend((!text.is_empty()).then_some(Use {
                    index: row,
                    text,
                    meaning,
                }));
                continue;
            }
            let facets = self.row(row, &texts);
            mapping.rows.push(Use {
                index: row,
                text: text.clone(),
                meaning: self.row_meaning(&facets),
            });
            rows.push((row, facets, text));
        }
        let units: HashSet<usize> = rows.iter().filter_map(|(_, facets, _)| facets.unit).collect();
        let across: HashSet<usize> =
            self.facets_of_columns().filter_map(|facets| facets.unit).collect();
        let named = rows.iter().any(|(_, facets, _)| facets.measure.is_some())
            || self.facets_of_columns().any(|facets| facets.measure.is_some());
        // A total is over the rows before it or behind it: one alone, at an end of the table, is over all of them.
        let totals: Vec<usize> = rows
            .iter()
            .enumerate()
            .filter(|(_, (_, facets, _))| facets.total)
            .map(|(place, _)| place)
            .collect();
        let sole = matches!(totals.as_slice(), [one] if *one == 0 || one + 1 == rows.len());
        let sole_across = self.facets_of_columns().filter(|facets| facets.total).count() == 1;
        let counts = |facets: &Facets| {
            facets
                .measure
                .as_ref()
                .filter(|measure| self.tables.catalogue.indicator(&measure.code).is_some())
                .cloned()
        };
        let across_counts: Vec<Measure> = self.facets_of_columns().filter_map(counts).collect();
        let inferred = if self.title.measure.is_some()
            || rows.iter().any(|(_, facets, _)| counts(facets).is_some())
        {
            None
        } else {
            let down: Vec<&Facets> = rows.iter().map(|(_, facets, _)| facets).collect();
            let found = self.tables.inferred(
                &down,
                &self.facets_of_columns().collect::<Vec<_>>(),
                &self.title.around,
            );
            found.filter(|found| across_counts.iter().all(|measure| measure.code == found.code))
        };
        let members_down = rows.iter().any(|(_, facets, _)| !facets.members.is_empty())
            && rows.iter().all(|(_, facets, _)| facets.measure.is_none());
        let table = Table {
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

    fn facets_of_columns(&self) -> impl Iterator<Item = &Facets> {
        self.columns.iter().filter_map(|column| match column {
            Column::Figures(facets) => Some(facets.as_ref()),
            Column::Stub(_)
            | Column::Numbers
            | Column::Measured
            | Column::Aside(_)
            | Column::Refused(_) => None,
        })
    }

    fn row_meaning(&self, facets: &Facets) -> Meaning {
        if facets.unknown && facets.refused.is_none() {
            return Meaning::Unclaimed("the row's label is not understood".to_owned());
        }
        self.tables.meaning(facets)
    }

    /// Whether a row is the header again, as on a new page.
    fn repeats_header(&self, row: usize, mapping: &Mapping) -> bool {
        let header = mapping.header.start;
        !mapping.header.is_empty()
            && (0..self.shape.width())
                .all(|column| self.shape.text(row, column) == self.shape.text(header, column))
    }

    /// The labels of a row, from left to right; one that stands empty before another goes on from above.
    fn labels_of(&mut self, row: usize) -> Vec<String> {
        let stubs: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .filter(|(_, kind)| matches!(kind, Column::Stub(_)))
            .map(|(column, _)| column)
            .collect();
        let last =
            stubs.iter().rev().find(|column| !self.shape.text(row, **column).is_empty()).copied();
        let mut found = Vec::new();
        for column in stubs {
            let own = self.shape.text(row, column).to_owned();
            let goes_on = own.is_empty()
                && last.is_some_and(|last| column < last)
                && matches!(self.columns.get(column), Some(Column::Stub(Stub::Any | Stub::Units)));
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

    /// A row without figures: what it says of the rows below.
    fn head(&mut self, row: usize, texts: &[String], repeated: bool) -> Meaning {
        // A heading may stand in any column, as one that is merged across does.
        let own = self.shape.own_texts(row).into_iter().find(|text| !is_numbering(text));
        let Some(text) = texts.first().cloned().or(own).filter(|_| !repeated) else {
            return Meaning::Heading;
        };
        let facets = self.tables.label(&text, &self.title.around);
        let marker = self.marker(row, &text);
        numbered(&text).1.clone_into(&mut self.over);
        if !self.tables.labels.systems(&text).is_empty() {
            self.section.hint.clone_from(&text);
        }
        let levels = |text: &str| {
            ["cap xa", "cap huyen", "cap tinh", "khoi "]
                .iter()
                .any(|word| folded(text).contains(word))
        };
        if facets.measure.is_some() || !facets.members.is_empty() {
            return match self.placed(marker, &facets) {
                Ok(_) => self.tables.meaning(&facets),
                Err(why) => Meaning::Unclaimed(why),
            };
        }
        self.levels.clear();
        self.heading = Facets {
            unit: facets.unit,
            month: facets.month,
            refused: facets.refused.clone().filter(|_| facets.measure.is_none()),
            ..Facets::default()
        };
        if levels(&text) {
            self.heading.refused = Some(format!(
                "the heading {} tells units apart that are not named",
                crate::domain::fault::quoted(&text)
            ));
        }
        if facets.unit.is_some() {
            self.section.hint.clone_from(&self.title.around.hint);
        }
        Meaning::Heading
    }

    /// How a row is marked: by the column of numbers, or before its label.
    fn marker(&self, row: usize, text: &str) -> Marker {
        let numbers = self.columns.iter().position(|kind| matches!(kind, Column::Numbers));
        let by_column =
            numbers.map_or(Marker::None, |column| marker_of(self.shape.text(row, column)));
        if by_column == Marker::None { numbered(text).0 } else { by_column }
    }

    /// What a row with figures says.
    fn row(&mut self, row: usize, texts: &[String]) -> Facets {
        let mut facets = Facets::default();
        let mut free = Vec::new();
        let mut stubs = texts.iter();
        for (column, kind) in self.columns.iter().enumerate() {
            let Column::Stub(stub) = kind else { continue };
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
                Stub::Any => free.push(text.to_owned()),
                Stub::Units => facets = facets.and(self.unit(text), self.tables),
                Stub::Months => facets = facets.and(self.month(row, column, text), self.tables),
                Stub::Years => facets.year = text.parse().ok(),
                Stub::Members(dimension) => {
                    facets = facets.and(self.member(dimension, text), self.tables)
                }
            }
        }
        if !free.is_empty() {
            let mut found = self.tables.together(&free, &self.section, false);
            // "Cấp mới" below the heading "Chứng thư số".
            if found.measure.is_none()
                && found.members.is_empty()
                && found.unit.is_none()
                && !self.over.is_empty()
            {
                let whole = self.tables.together(
                    &[self.over.clone(), free.join(" ")],
                    &self.section,
                    false,
                );
                if whole.measure.is_some() && whole.refused.is_none() && !whole.unknown {
                    found = whole;
                }
            }
            facets = facets.and(found, self.tables);
        }
        if let (None, Some(number)) = (facets.month, facets.of_year) {
            facets.month = facets
                .year
                .or(self.title.around.month.map(Month::year))
                .and_then(|year| Month::new(year, number));
            if facets.month.is_none() {
                facets.refused = Some("the year of the month is not known".to_owned());
            }
        } else if facets.year.is_some() && facets.of_year.is_none() && facets.month.is_none() {
            facets.refused =
                facets.refused.or_else(|| Some("a whole year, not a month".to_owned()));
        }
        let marker = self.marker(row, free.first().map_or("", String::as_str));
        let label = free.first().cloned();
        if label.is_some() && facets.refused.is_none() && !facets.unknown {
            match self.placed(marker, &facets) {
                Ok(Some(measure)) => {
                    facets = Facets { measure: Some(measure), members: Vec::new(), ..facets }
                }
                Ok(None) => {}
                Err(why) => facets.refused = Some(why),
            }
        } else if label.is_some() {
            // Members below a row that is not understood are not those of a row before it.
            self.placed(marker, &Facets { unknown: true, ..Facets::default() }).ok();
        }
        self.measured(row, &mut facets);
        let heading = self.heading.clone();
        if heading.unit.is_some() && facets.unit.is_some() {
            return facets;
        }
        heading.and(facets, self.tables)
    }

    /// The unit of measure in its column.
    fn measured(&self, row: usize, facets: &mut Facets) {
        let column = self.columns.iter().position(|kind| matches!(kind, Column::Measured));
        let text = column.map_or("", |column| self.shape.text(row, column));
        if let Some(found) = self.tables.labels.unit_of_measure(text) {
            facets.measured = Some(found);
        } else if ["nghin", "ngan", "trieu", "ty ", "tram", "1000", "1.000", "%"]
            .iter()
            .any(|word| folded(text).contains(word))
        {
            facets.refused = Some(format!(
                "the unit of measure {} is not understood",
                crate::domain::fault::quoted(text)
            ));
        }
    }

    fn unit(&self, text: &str) -> Facets {
        let facets =
            self.tables.label(text, &Surroundings { hint: String::new(), ..self.section.clone() });
        if facets.total {
            return facets;
        }
        let place = match (facets.unit, self.section.month) {
            (Some(unit), _) => Place::One(unit),
            (None, Some(month)) => self.tables.places.by_official_code(text, month),
            (None, None) => Place::Unknown,
        };
        match place {
            Place::One(unit) => Facets { unit: Some(unit), ..Facets::default() },
            Place::Several(_) | Place::Unknown => Facets {
                refused: facets.refused.or_else(|| Some("the unit is not known".to_owned())),
                ..Facets::default()
            },
        }
    }

    fn month(&self, row: usize, column: usize, text: &str) -> Facets {
        if let Some(month) = self.shape.cell(row, column).month {
            return Facets { month: Some(month), ..Facets::default() };
        }
        if let Some(number) = text.parse::<u32>().ok().filter(|number| (1..=12).contains(number)) {
            return Facets { of_year: Some(number), ..Facets::default() };
        }
        let found = self.tables.label(text, &self.section);
        let plain = timed(text).rest.is_empty() || found.total;
        let told = found.month.is_some()
            || found.of_year.is_some()
            || found.total
            || found.refused.is_some();
        if plain && told {
            found
        } else {
            Facets { refused: Some("the month is not understood".to_owned()), ..Facets::default() }
        }
    }

    fn member(&self, dimension: &str, text: &str) -> Facets {
        let declared = self
            .tables
            .catalogue
            .document
            .dimensions
            .iter()
            .find(|declared| declared.code == dimension);
        let known = declared
            .and_then(|declared| declared.members.iter().find(|member| member.code == text));
        let ways: Vec<Members> = match (known, self.tables.labels.resolve(text, "")) {
            (Some(member), _) => vec![Members::none().with(dimension, &member.code)],
            (None, Resolution::Members(ways)) => ways
                .into_iter()
                .filter(|way| way.len() == 1 && way.get(dimension).is_some())
                .collect(),
            (None, _) => Vec::new(),
        };
        if !ways.is_empty() {
            return Facets { members: ways, ..Facets::default() };
        }
        let total = self.tables.label(text, &Surroundings::default()).total;
        Facets {
            refused: (!total).then(|| {
                format!("{} is no member of {dimension}", crate::domain::fault::quoted(text))
            }),
            ..Facets::default()
        }
    }

    /// Puts a row into the outline: the measure it has with what stands above it.
    fn placed(&mut self, marker: Marker, facets: &Facets) -> Result<Option<Measure>, String> {
        let beside = self.levels.iter().position(|level| level.marker == marker);
        let popped = beside.map(|place| self.levels.drain(place..).next()).unwrap_or_default();
        if let Some(measure) = &facets.measure {
            let found = self.whole_measure(measure, &facets.members);
            let base = found.clone();
            self.levels.push(Level { marker, measure: found.clone(), base, dimensions: None });
            return if found.is_none() {
                Err("the measure does not have these members".to_owned())
            } else {
                Ok(found)
            };
        }
        if facets.members.is_empty() {
            self.levels.push(Level { marker, measure: None, base: None, dimensions: None });
            return Ok(None);
        }
        // Below a row that is marked otherwise, or beside one that has the same marker.
        // A row without a marker behind a list may belong to its last entry or to what the list belongs to.
        let behind_list = marker == Marker::None
            && self.levels.last().is_some_and(|above| {
                matches!(
                    above.marker,
                    Marker::Dash | Marker::Plus | Marker::Bullet | Marker::Letter
                )
            });
        if behind_list {
            self.levels.push(Level { marker, measure: None, base: None, dimensions: None });
            return Err("which measure these members are of is not certain".to_owned());
        }
        let (base, dimensions, beside) =
            match (self.levels.last().and_then(|above| above.measure.clone()), popped) {
                (Some(above), _) => (Some(above), None, false),
                (None, Some(Level { base: Some(base), dimensions, .. })) => {
                    (Some(base), dimensions, true)
                }
                (None, _) => (None, None, false),
            };
        let Some(base) = base else {
            self.levels.push(Level { marker, measure: None, base: None, dimensions: None });
            return Ok(None);
        };
        let found = self.whole_measure(&base, &facets.members);
        let Some(measure) = found else {
            self.levels.push(Level { marker, measure: None, base: Some(base), dimensions });
            return Err("which measure these members are of is not certain".to_owned());
        };
        let named: Vec<String> = facets
            .members
            .iter()
            .flat_map(|way| way.iter().map(|(dimension, _)| dimension.to_owned()))
            .filter(|dimension| measure.members.get(dimension).is_some())
            .collect();
        let hosted = |dimension: &String| {
            self.tables
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
        // A row below goes on from its own row; rows beside it from where it went on from itself.
        self.levels.push(Level { marker, measure: below, base: Some(base), dimensions: kept });
        if other {
            return Err(
                "whether these members are of the total or of the row before is not certain"
                    .to_owned(),
            );
        }
        Ok(Some(measure))
    }

    /// A measure with members, when there is exactly one way.
    fn whole_measure(&self, measure: &Measure, ways: &[Members]) -> Option<Measure> {
        if ways.is_empty() {
            return Some(measure.clone());
        }
        let mut found: Vec<Measure> =
            ways.iter().filter_map(|way| self.tables.labels.with_members(measure, way)).collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        }
    }

    fn cells(&self, row: usize, facets: &Facets, text: &str, table: &Table, mapping: &mut Mapping) {
        for (column, kind) in self.columns.iter().enumerate() {
            let cell = self.shape.cell(row, column);
            let taken = match kind {
                Column::Numbers | Column::Measured => continue,
                Column::Aside(what) => {
                    mapping.unclaimed.extend(unclaimed_text(cell, row, column, what));
                    continue;
                }
                Column::Stub(_)
                    if !is_figure(cell)
                        || is_numbering(&cell.text)
                        || numbered(&cell.text).0 != Marker::None
                        || self.columns.get(column).is_some_and(labels_by_number) =>
                {
                    continue;
                }
                Column::Stub(_) => Err("it stands in a column of labels".to_owned()),
                Column::Refused(why) => Err(why.clone()),
                Column::Figures(of_column) => self.figure(cell, facets, of_column, table),
            };
            match taken {
                Ok(None) => {}
                Ok(Some(Taken { measure, unit, month, written, approximate })) => {
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
                Err(reason) => mapping.unclaimed.extend(unclaimed(cell, row, column, &reason)),
            }
        }
    }

    /// The figure in a cell; nothing when the cell says nothing, or why it is not taken.
    fn figure(
        &self,
        cell: &GridCell,
        row: &Facets,
        column: &Facets,
        table: &Table,
    ) -> Result<Option<Taken>, String> {
        if let Some(fault) = &cell.fault {
            return Err(fault.clone());
        }
        if cell.is_empty() {
            return Ok(None);
        }
        if row.unknown && row.refused.is_none() {
            return Err("the row's label is not understood".to_owned());
        }
        let totals = (row.total, column.total);
        let both = column.clone().and(Facets { plain: false, ..row.clone() }, self.tables);
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
            self.tables
                .catalogue
                .indicator(&measure.code)
                .and_then(|indicator| indicator.dimension(dimension))
                .is_some_and(|known| known.within.is_some())
        };
        if (totals.0 || totals.1) && measure.members.iter().any(|(dimension, _)| hosted(dimension))
        {
            return Err("what the total is over is not certain".to_owned());
        }
        let month = match both.month {
            Some(month) => month,
            None => match &self.title.refused {
                Some(why) => return Err(why.clone()),
                None => self.title.around.month.ok_or("no label names the month")?,
            },
        };
        let unit = self.unit_of(both.unit, totals, table)?;
        if !self.tables.units.exists(unit, month) {
            return Err(format!(
                "{} did not exist at the end of {month}",
                self.tables.units.code(unit)
            ));
        }
        let percent = self.tables.catalogue.unit_of_measure(&measure.code) == "percent";
        let measured = both
            .measured
            .or(self.title.measured.filter(|unit| unit.power > 0))
            .unwrap_or(UnitText { percent, power: 0 });
        if measured.percent && !percent {
            return Err(format!("percentages where {measure} is a count"));
        }
        let Some((written, approximate)) = self.number(cell, &measure, percent, measured.power)?
        else {
            return Ok(None);
        };
        Ok(Some(Taken { measure, unit, month, written, approximate }))
    }

    /// The unit of a cell: the one named, that of a total, or the one that reports.
    fn unit_of(
        &self,
        named: Option<usize>,
        totals: (bool, bool),
        table: &Table,
    ) -> Result<usize, String> {
        if let Some(unit) = named {
            return Ok(unit);
        }
        if (totals.0 && !table.sole) || (totals.1 && !table.sole_across) {
            return Err("what the total is over is not certain".to_owned());
        }
        let whole = self
            .whole
            .ok_or("no label names the unit, or the title names another one than the request")?;
        let below = |units: &HashSet<usize>| {
            units.iter().all(|unit| {
                *unit != whole && self.tables.units.ancestors(*unit).any(|above| above == whole)
            })
        };
        let sound = |total: bool, units: &HashSet<usize>| match (total, units.is_empty()) {
            (true, true) => Err("a total over rows or columns that are not units".to_owned()),
            (true, false) if !below(units) => {
                Err("a total over units that are not below the one that reports".to_owned())
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
            return Ok(whole); // A total over members is the figure without them, down the rows as well.
        }
        sound(totals.1, &table.across)?;
        if table.month_rows && totals.0 {
            return Err("a total over months".to_owned());
        }
        Ok(whole)
    }

    /// The number in a cell, in units of its measure; `power` is the power of ten that figures are given in.
    fn number(
        &self,
        cell: &GridCell,
        measure: &Measure,
        percent: bool,
        power: u32,
    ) -> Result<Option<(Written, bool)>, String> {
        let indicator = self.tables.catalogue.indicator(&measure.code);
        let decimals = indicator.map(|indicator| indicator.decimals);
        if let (Some(written), true, false) = (cell.number, percent, cell.percent)
            && written.mantissa != 0
            && written.to_f64().abs() <= 1.0
        {
            return Err("it may be a share of one or a percentage".to_owned());
        }
        if cell.percent && !percent {
            return Err(format!("a percentage where {measure} is a count"));
        }
        let said = match cell.number {
            // A stated rate keeps the digits that are shown.
            Some(written) if decimals.is_none() => Said::Number {
                written: rounded(written, cell.decimals.unwrap_or(MAX_STATED)),
                approximate: false,
            },
            Some(written) => Said::Number { written, approximate: false },
            None => {
                read(&cell.text, Allowed { decimals: decimals.filter(|_| power == 0), percent })
            }
        };
        let (written, approximate) = match said {
            Said::Nothing | Said::Words => return Ok(None),
            Said::Fault(why) => return Err(why),
            Said::Number { written, approximate } => {
                (multiplied(written, power).ok_or("the number is too large")?, approximate)
            }
        };
        if written.mantissa < 0 && indicator.is_some_and(|indicator| !indicator.may_be_negative) {
            return Err("a count below zero".to_owned());
        }
        if decimals.is_some_and(|decimals| written.at_scale(decimals).is_none()) {
            return Err("more decimals than the indicator has, or too large a number".to_owned());
        }
        Ok(Some((written, approximate)))
    }
}

/// What the rows and columns of a table name as a whole.
struct Table {
    /// The measure of cells whose labels name members alone.
    inferred: Option<Measure>,
    /// Whether rows name members, and none a measure.
    members_down: bool,
    /// Whether the only total of the rows, or of the columns, is over all of them.
    sole: bool,
    sole_across: bool,
    units: HashSet<usize>,
    across: HashSet<usize>,
    named: bool,
    month_rows: bool,
}

/// A cell that is a figure.
struct Taken {
    measure: Measure,
    unit: usize,
    month: Month,
    written: Written,
    approximate: bool,
}

/// Whether the labels of a column may be numbers themselves.
fn labels_by_number(column: &Column) -> bool {
    matches!(column, Column::Stub(Stub::Months | Stub::Years | Stub::Units | Stub::Members(_)))
}
