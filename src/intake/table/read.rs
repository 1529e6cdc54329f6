//! From a grid to its mapping: where the header is, what columns and rows stand for, which cell is which figure.

use std::collections::HashMap;

use super::cell::{has_digit, looks_like_figure};
use super::facets::{Facets, Stub};
use super::month::{When, timed};
use super::place::{Place, Places};
use super::rows::Outline;
use super::shape::Shape;
use super::{CellFigure, Defaults, Grid, Mapping, Meaning, UnclaimedCell, Use};
use crate::domain::catalogue::Catalogue;
use crate::domain::measure::Measure;
use crate::domain::period::Month;
use crate::domain::unit::{UnitKind, Units};
use crate::intake::label::{Labels, Resolution, UnitText, numbered};
use crate::intake::words::folded;

/// Most characters of what stands above a table that are looked at.
const MAX_HINT: usize = 1_000;

/// What is known before a label is read.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Surroundings {
    /// What stands above.
    pub hint: String,
    /// The unit that reports.
    pub unit: Option<usize>,
    /// The month that is reported on.
    pub month: Option<Month>,
}

impl Surroundings {
    /// Whether a text names systems and nothing else.
    pub(super) fn systems_only(&self, labels: &Labels<'_>, text: &str) -> bool {
        !labels.systems(text).is_empty()
    }
}

/// What stands above a table.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Title {
    pub around: Surroundings,
    /// Why the table's time is no month, where the title says so.
    pub refused: Option<String>,
    /// The measure of every figure, where the title names one.
    pub measure: Option<Measure>,
    /// How every figure is measured.
    pub measured: Option<UnitText>,
}

/// A column below the header.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Column {
    /// Labels of rows.
    Stub(Stub),
    /// Numbers of rows.
    Numbers,
    /// Units of measure of rows.
    Measured,
    /// Nothing of interest.
    Aside(&'static str),
    /// Figures.
    Figures(Box<Facets>),
    /// Figures that are not taken.
    Refused(String),
}

/// Reads tables against a catalogue and a forest of units.
#[derive(Debug)]
pub struct Tables<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) units: &'a Units,
    pub(super) labels: Labels<'a>,
    pub(super) places: Places<'a>,
}

impl<'a> Tables<'a> {
    /// Gathers labels and names once; tables are read one by one.
    #[must_use]
    pub fn new(catalogue: &'a Catalogue, units: &'a Units) -> Self {
        Self { catalogue, units, labels: Labels::new(catalogue), places: Places::new(units) }
    }

    /// The units.
    #[must_use]
    pub fn units(&self) -> &'a Units {
        self.units
    }

    /// The labels of the catalogue.
    #[must_use]
    pub fn labels(&self) -> &Labels<'a> {
        &self.labels
    }

    /// The names of the units.
    #[must_use]
    pub fn places(&self) -> &Places<'a> {
        &self.places
    }

    /// Reads a table.
    #[must_use]
    pub fn read(&self, grid: &Grid, defaults: &Defaults) -> Mapping {
        let shape = Shape::new(grid);
        let Some(parts) = shape.parts() else { return Mapping::default() };
        if shape.is_ragged(&parts) {
            let unclaimed = shape.digits(
                parts.body.clone(),
                "the rows have different numbers of cells, so that columns are uncertain",
            );
            return Mapping { header: parts.header, unclaimed, ..Mapping::default() };
        }
        let title = self.title(&shape, &parts.title, defaults);
        let mut columns: Vec<Column> =
            (0..shape.width()).map(|column| self.column(&shape, &parts, column, &title)).collect();
        settle(&mut columns);
        let mut mapping = Mapping { header: parts.header.clone(), ..Mapping::default() };
        mapping.columns = columns
            .iter()
            .enumerate()
            .map(|(index, column)| {
                self.column_use(index, shape.header_texts(&parts, index).join(" / "), column)
            })
            .collect();
        let inside = |(row, column): (usize, usize)| {
            unclaimed_text(
                shape.cell(row, column),
                row,
                column,
                "a number within a text above the table",
            )
        };
        mapping.unclaimed.extend(
            parts
                .title
                .clone()
                .flat_map(|row| (0..shape.width()).map(move |column| (row, column)))
                .filter_map(inside),
        );
        Outline::new(self, &shape, &columns, &title).read(parts.body, &mut mapping);
        self.refuse_other_systems(&mut mapping);
        mapping.unclaimed.sort_by_key(|cell| (cell.row, cell.column));
        mapping
    }

    /// A row that names one system has no figure of another, whatever its column is called.
    fn refuse_other_systems(&self, mapping: &mut Mapping) {
        let named: HashMap<usize, Vec<String>> = mapping
            .rows
            .iter()
            // "Thanh tra tỉnh" is a unit, and no system.
            .filter(|row| !matches!(row.meaning, Meaning::Figures { unit: Some(_), .. }))
            .map(|row| (row.index, self.labels.systems(&row.text)))
            .collect();
        let document = &self.catalogue.document;
        let system = |code: &str| {
            let of_indicator = document
                .indicators
                .iter()
                .find(|indicator| indicator.code == code)
                .map(|indicator| &indicator.system);
            of_indicator
                .or_else(|| {
                    document.kpis.iter().find(|kpi| kpi.code == code).map(|kpi| &kpi.system)
                })
                .cloned()
                .flatten()
        };
        let other = |figure: &CellFigure| {
            let systems = named.get(&figure.row).filter(|systems| !systems.is_empty());
            systems
                .zip(system(&figure.measure.code))
                .is_some_and(|(systems, own)| !systems.contains(&own))
        };
        let (refused, kept): (Vec<CellFigure>, Vec<CellFigure>) =
            std::mem::take(&mut mapping.figures).into_iter().partition(other);
        mapping.figures = kept;
        mapping.unclaimed.extend(refused.into_iter().map(|figure| {
            let reason = format!("the row names another system than {}", figure.measure);
            UnclaimedCell {
                row: figure.row,
                column: figure.column,
                printed: figure.printed,
                reason,
            }
        }));
    }

    /// What the rows above the header and the hint say.
    fn title(
        &self,
        shape: &Shape<'_>,
        rows: &std::ops::Range<usize>,
        defaults: &Defaults,
    ) -> Title {
        let lines: Vec<String> = rows.clone().flat_map(|row| shape.own_texts(row)).collect();
        let hint: String = defaults.hint.chars().take(MAX_HINT).collect();
        let mut title = Title {
            around: Surroundings { hint, unit: defaults.unit, month: defaults.month },
            ..Title::default()
        };
        let told: Vec<When> = lines
            .iter()
            .chain(std::iter::once(&defaults.hint))
            .flat_map(|line| timed(line).when)
            .collect();
        title.time(&told);
        let around = &mut title.around;
        let (mut explicit, mut others) = (None, Vec::new());
        for line in &lines {
            let (head, plain) =
                line.split_once(':').map_or(("", line.as_str()), |(head, behind)| (head, behind));
            if let Some(found) = measure_line(line)
                .and_then(|()| self.labels.unit_of_measure(plain.trim_matches([' ', ')', '('])))
            {
                title.measured = Some(found);
            } else if let Place::One(unit) = self
                .places
                .resolve(plain, around.month, defaults.unit)
                .or_whole(|| self.places.resolve(line, around.month, defaults.unit))
            {
                if folded(head).contains("don vi") {
                    explicit = Some(unit)
                } else {
                    others.push(unit)
                }
            }
            around.hint = format!("{} {line}", around.hint).trim().chars().take(MAX_HINT).collect();
        }
        around.unit = self.title_unit(explicit, &others, defaults.unit);
        title.measure = lines
            .iter()
            .chain(std::iter::once(&defaults.hint))
            .find_map(|line| self.title_measure(line, &title.around));
        title
    }

    /// The unit of a table: the one that a title gives as such; else the one of the request, unless the title names another one. Who has
    /// written a report for a unit above it stands in its head as well: a department or an agency is passed over.
    fn title_unit(
        &self,
        explicit: Option<usize>,
        named: &[usize],
        given: Option<usize>,
    ) -> Option<usize> {
        if explicit.is_some() {
            return explicit;
        }
        let Some(given) = given else {
            return named.last().copied().filter(|last| named.iter().all(|unit| unit == last));
        };
        let writes = |unit: usize| {
            self.units.get(unit).is_some_and(|unit| {
                matches!(unit.document.kind, UnitKind::Department | UnitKind::Agency)
            })
        };
        let above = |unit: usize| self.units.ancestors(given).any(|above| above == unit);
        let strange = named.iter().any(|unit| {
            *unit != given
                && !above(*unit)
                && !(writes(*unit) && self.units.ancestors(*unit).any(|above| above == given))
        });
        (!strange).then_some(given)
    }

    /// The measure that a title names, its common words left out.
    fn title_measure(&self, line: &str, around: &Surroundings) -> Option<Measure> {
        const LEADS: [&str; 16] = [
            "biểu số liệu",
            "bảng số liệu",
            "biểu tổng hợp",
            "bảng tổng hợp",
            "tổng hợp",
            "báo cáo",
            "thống kê",
            "tình hình",
            "kết quả",
            "số liệu",
            "bảng",
            "biểu",
            "theo đơn vị",
            "của các đơn vị",
            "theo tháng",
            "các đơn vị",
        ];
        let mut rest = timed(numbered(line).1).rest.to_lowercase();
        for lead in LEADS {
            rest = rest.replace(lead, " ");
        }
        let rest = rest.trim_start_matches(|c: char| {
            c.is_ascii_digit() || c.is_whitespace() || matches!(c, '.' | ':' | '-')
        });
        match self.labels.resolve(rest, &around.hint) {
            Resolution::One(measure) => Some(measure),
            Resolution::Several(_)
            | Resolution::Members(_)
            | Resolution::Empty
            | Resolution::Nothing => None,
        }
    }

    /// What a column stands for.
    fn column(
        &self,
        shape: &Shape<'_>,
        parts: &super::shape::Parts,
        column: usize,
        title: &Title,
    ) -> Column {
        let texts = shape.header_texts(parts, column);
        let months = shape.header_month(parts, column);
        let body = shape.body_profile(parts, column);
        let mut facets = self.together(&texts, &title.around, true);
        if let Some(month) = months {
            facets = Facets { month: Some(month), unknown: false, ..facets };
        }
        if let (None, Some(number)) = (facets.month, facets.of_year) {
            facets.month = facets
                .year
                .or(title.around.month.map(Month::year))
                .and_then(|year| Month::new(year, number));
            if facets.month.is_none() {
                facets.refused = Some("the year of the month is not known".to_owned());
            }
        }
        let label = folded(texts.last().map_or("", String::as_str));
        if matches!(label.trim(), "don vi" | "unit") {
            return if self.measures_units(shape, parts, column) {
                Column::Measured
            } else {
                Column::Stub(Stub::Units)
            };
        }
        if texts.is_empty() && body.figures + body.texts == 0 {
            return Column::Aside("nothing");
        }
        match &facets {
            Facets { aside: Some("units of measure"), .. } => Column::Measured,
            Facets { aside: Some("numbers of rows"), .. } => Column::Numbers,
            Facets { aside: Some(what), .. } => Column::Aside(what),
            Facets { stub: Some(stub), .. } => Column::Stub(stub.clone()),
            Facets { refused: Some(why), .. } => Column::Refused(why.clone()),
            Facets { unknown: true, .. } | Facets { .. } if body.texts > body.figures => {
                Column::Stub(Stub::Any)
            }
            Facets { unknown: true, .. } => {
                Column::Refused("the column's heading is not understood".to_owned())
            }
            facets if facets.year.is_some() && !facets.tells() => {
                Column::Refused("a whole year, not a month".to_owned())
            }
            facets if facets.is_silent() && body.numbering && column == 0 => Column::Numbers,
            facets if !facets.tells() && !facets.is_silent() && facets.measured.is_none() => {
                Column::Refused("the column's heading is not understood".to_owned())
            }
            facets => Column::Figures(Box::new(Facets {
                plain: facets.plain || !facets.tells(),
                ..facets.clone()
            })),
        }
    }

    /// Whether the cells of a column are units of measure rather than units that report.
    fn measures_units(
        &self,
        shape: &Shape<'_>,
        parts: &super::shape::Parts,
        column: usize,
    ) -> bool {
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

    /// What labels that stand over or beside each other say together.
    pub(super) fn together(&self, texts: &[String], around: &Surroundings, header: bool) -> Facets {
        let read = |text: &str, around: &Surroundings| {
            if header { self.header_label(text, around) } else { self.label(text, around) }
        };
        if let [one] = texts {
            return read(one, around);
        }
        let mut around = around.clone();
        let joined =
            read(&texts.iter().map(|text| numbered(text).1).collect::<Vec<_>>().join(" "), &around);
        if joined.measure.is_some() && joined.refused.is_none() && !joined.unknown {
            return joined;
        }
        let mut found = Facets::default();
        for text in texts {
            let systems = around.systems_only(&self.labels, text);
            let one = read(text, &around);
            if systems {
                around.hint = text.clone();
                if one.is_silent() {
                    continue;
                }
            }
            found = found.and(one, self);
        }
        found
    }

    fn column_use(&self, index: usize, text: String, column: &Column) -> Use {
        let meaning = match column {
            Column::Stub(_) => Meaning::Labels,
            Column::Numbers => Meaning::Aside("numbers of rows"),
            Column::Measured => Meaning::Aside("units of measure"),
            Column::Aside(what) => Meaning::Aside(what),
            Column::Refused(why) => Meaning::Unclaimed(why.clone()),
            Column::Figures(facets) => self.meaning(facets),
        };
        Use { index, text, meaning }
    }

    /// What facets say, for the preview.
    pub(super) fn meaning(&self, facets: &Facets) -> Meaning {
        if let Some(why) = &facets.refused {
            return Meaning::Unclaimed(why.clone());
        }
        let members = match facets.members.as_slice() {
            [one] => Some(format!("{{{one}}}")),
            _ => None,
        };
        Meaning::Figures {
            measure: facets.measure.as_ref().map(ToString::to_string).or(members),
            unit: facets.unit,
            month: facets.month,
        }
    }
}

/// Whether a line of a title says how figures are measured.
fn measure_line(line: &str) -> Option<()> {
    let line = folded(line);
    (line.contains("dvt") || line.contains("don vi tinh")).then_some(())
}

impl Title {
    /// What the times in a title make of the month that the table is of.
    fn time(&mut self, told: &[When]) {
        let (mut months, mut numbers, mut year) = (Vec::new(), Vec::new(), None);
        for when in told {
            match *when {
                When::Month(month) if !months.contains(&month) => months.push(month),
                When::OfYear(number) if !numbers.contains(&number) => numbers.push(number),
                When::Year(found) => year = Some(found),
                When::Other(why)
                    if why.starts_with("year to date") || why.starts_with("a period wider") =>
                {
                    self.refused = Some(why.to_owned())
                }
                When::Month(_) | When::OfYear(_) | When::Relative(_) | When::Other(_) => {}
            }
        }
        let given = self.around.month;
        if let ([], [number]) = (months.as_slice(), numbers.as_slice()) {
            months
                .extend(year.or(given.map(Month::year)).and_then(|year| Month::new(year, *number)));
        }
        self.around.month = match (months.as_slice(), numbers.len()) {
            ([one], 0 | 1) => Some(*one),
            ([], 0) => given.filter(|month| year.is_none_or(|year| month.year() == year)),
            // Of several months the one reported on is meant, when it is among them.
            (months, _) => given.filter(|month| months.contains(month)),
        };
        if matches!(months.as_slice(), [_]) {
            // A title that names its month means that month, whatever else it compares it with.
            self.refused = self.refused.take().filter(|why| why.starts_with("year to date"));
        }
    }
}

impl Place {
    /// This unit, or what a second reading finds.
    fn or_whole(self, second: impl FnOnce() -> Self) -> Self {
        if matches!(self, Self::One(_)) { self } else { second() }
    }
}

/// Of columns without a heading only one may hold figures, and none beside columns that have one.
fn settle(columns: &mut [Column]) {
    let bare = |column: &Column| matches!(column, Column::Figures(facets) if facets.plain && facets.measure.is_none() && facets.month.is_none() && facets.unit.is_none() && facets.members.is_empty());
    let (some, all) = (
        columns.iter().filter(|column| bare(column)).count(),
        columns.iter().filter(|column| matches!(column, Column::Figures(_))).count(),
    );
    if some > 1 || (some == 1 && all > 1) {
        for column in columns.iter_mut().filter(|column| bare(column)) {
            *column = Column::Refused(
                "several columns of figures, and the heading does not say which this is".to_owned(),
            );
        }
    }
}

/// Whether a cell is one that must not be lost silently.
pub(super) fn is_figure(cell: &super::GridCell) -> bool {
    cell.number.is_some()
        || cell.fault.is_some()
        || (cell.month.is_none() && looks_like_figure(&cell.text))
}

/// A text with a number in it that is no month and numbers no row.
pub(super) fn unclaimed_text(
    cell: &super::GridCell,
    row: usize,
    column: usize,
    reason: &str,
) -> Option<UnclaimedCell> {
    (cell.month.is_none() && has_digit(&timed(numbered(&cell.text).1).rest))
        .then(|| unclaimed(cell, row, column, reason))
        .flatten()
}

/// A cell that was not taken, when it has a digit.
pub(super) fn unclaimed(
    cell: &super::GridCell,
    row: usize,
    column: usize,
    reason: &str,
) -> Option<UnclaimedCell> {
    let keeps = has_digit(&cell.text) || cell.number.is_some() || cell.fault.is_some();
    keeps.then(|| UnclaimedCell {
        row,
        column,
        printed: cell.text.trim().to_owned(),
        reason: reason.to_owned(),
    })
}
