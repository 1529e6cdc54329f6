//! Trends: measures of units over time (contract section 3, `GET /series`).

use std::collections::BTreeSet;

use serde::Serialize;

use super::findings::position;
use super::moment::Moment;
use super::state::State;
use crate::domain::change::{Change, Point, Reason, Series};
use crate::domain::fault::Fault;
use crate::domain::geography::Geography;
use crate::domain::measure::Measure;
use crate::domain::number::{Shown, Written};
use crate::domain::period::{Month, Period, Step};
use crate::domain::program::Program;
use crate::domain::value::{Origin, Source};
use crate::error::Error;

/// Longest span of a query in months.
pub const MAX_MONTHS: i32 = 600;
/// Most points on a page.
pub const MAX_POINTS: usize = 60_000;
/// Most measures or units named in a query.
pub const MAX_NAMED: usize = 1_000;

/// Which units a query is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whose {
    /// These.
    Units(Vec<String>),
    /// The children of one.
    ChildrenOf(String),
    /// Everything below one.
    DescendantsOf(String),
}

/// Which periods a query is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// From one to another.
    Span(Period, Period),
    /// So many up to the newest month that has a figure of what is asked for.
    Last(Step, i32),
}

/// A query for trends.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// The measures.
    pub measures: Vec<Measure>,
    /// The units.
    pub whose: Whose,
    /// The periods.
    pub when: When,
    /// In the units of today, with the past of those that they go back to.
    pub of_today: bool,
    /// How many series to pass over.
    pub offset: usize,
    /// Most series on the page.
    pub limit: usize,
}

/// One series.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct SeriesView {
    /// The measure.
    pub measure: String,
    /// The unit.
    pub unit: String,
    /// What it is given in.
    pub unit_of_measure: String,
    /// The width of its periods: `month`, `quarter`, `half`, `9m`, `year`.
    pub step: &'static str,
    /// Exactly one for each period, in order.
    pub points: Vec<PointView>,
}

/// One point; what cannot be given is null, and `<field>_reason` says why.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct PointView {
    /// The period.
    pub period: String,
    /// 00:00 UTC on its first day.
    pub time: String,
    /// The value.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Shown>,
    /// Where it comes from.
    #[schema(required)]
    pub origin: Option<Origin>,
    /// Share of the leaves covered, 0 to 1.
    pub coverage: f64,
    /// In a wider period: the month a stock was taken from.
    #[schema(required)]
    pub taken_from: Option<String>,
    /// For a kpi: the figure stated, with the digits printed.
    #[schema(required, value_type = Option<f64>)]
    pub stated: Option<Written>,
    /// This period minus the calendar period before.
    #[schema(required, value_type = Option<f64>)]
    pub delta: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub delta_reason: Option<Reason>,
    /// The same in percent of the one before.
    #[schema(required, value_type = Option<f64>)]
    pub delta_percent: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub delta_percent_reason: Option<Reason>,
    /// The change over the leaves covered in both.
    #[schema(required, value_type = Option<f64>)]
    pub like_for_like_delta: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub like_for_like_delta_reason: Option<Reason>,
    /// The same in percent.
    #[schema(required, value_type = Option<f64>)]
    pub like_for_like_percent: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub like_for_like_percent_reason: Option<Reason>,
    /// The share of this period's leaves that like for like compares.
    #[schema(required)]
    pub like_for_like_coverage: Option<f64>,
    /// Against the same period a year before.
    #[schema(required, value_type = Option<f64>)]
    pub year_delta: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub year_delta_reason: Option<Reason>,
    /// The same in percent.
    #[schema(required, value_type = Option<f64>)]
    pub year_delta_percent: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub year_delta_percent_reason: Option<Reason>,
    /// January to the end of this period.
    #[schema(required, value_type = Option<f64>)]
    pub year_to_date: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub year_to_date_reason: Option<Reason>,
    /// Notes on this measure, unit and period.
    pub annotations: Vec<String>,
}

impl PointView {
    pub(super) fn new(point: &Point, stated: Option<Written>, annotations: Vec<String>) -> Self {
        let given = |change: Change| change.ok().and_then(Shown::new);
        let share = |value: f64| crate::domain::number::rounded(value).unwrap_or(0.0);
        Self {
            period: point.period.to_string(),
            time: point.period.time(),
            value: point.value.and_then(Shown::new),
            origin: point.origin,
            coverage: share(point.coverage),
            taken_from: point.taken_from.map(|month| month.to_string()),
            stated,
            delta: given(point.delta),
            delta_reason: point.delta.err(),
            delta_percent: given(point.delta_percent),
            delta_percent_reason: point.delta_percent.err(),
            like_for_like_delta: given(point.like_for_like_delta),
            like_for_like_delta_reason: point.like_for_like_delta.err(),
            like_for_like_percent: given(point.like_for_like_percent),
            like_for_like_percent_reason: point.like_for_like_percent.err(),
            like_for_like_coverage: point.like_for_like_coverage.map(share),
            year_delta: given(point.year_delta),
            year_delta_reason: point.year_delta.err(),
            year_delta_percent: given(point.year_delta_percent),
            year_delta_percent_reason: point.year_delta_percent.err(),
            year_to_date: given(point.year_to_date),
            year_to_date_reason: point.year_to_date.err(),
            annotations,
        }
    }
}

/// A page of series.
#[derive(Clone, Debug)]
pub struct SeriesPage {
    /// The revision it was computed from.
    pub revision: i64,
    /// How many series to pass over for the next page; none on the last.
    pub next_offset: Option<usize>,
    /// The series.
    pub series: Vec<SeriesView>,
}

impl Moment {
    /// Computes a page of series from one consistent look at the cube.
    ///
    /// # Errors
    /// Undeclared measures, a span beyond the bound; [`Error::NotFound`] for unknown units.
    pub fn series(&self, query: &SeriesQuery) -> Result<SeriesPage, Error> {
        let state = self.look();
        check(&state, query)?;
        let (units, geography) = (units_of(&state, &query.whose)?, self.geography(query.of_today));
        let programs: Vec<(&Measure, Program)> = query
            .measures
            .iter()
            .filter_map(|measure| {
                Some((measure, Program::of_measure(&state.catalogue, &state.view(), measure)?))
            })
            .collect();
        let (from, to) = match query.when {
            When::Span(from, to) => (from, to),
            When::Last(step, count) => {
                let newest = newest(&state, &query.measures, &units, geography)
                    .unwrap_or_else(|| self.month());
                let last = Period::containing(step, newest);
                (last.back(count - 1), last)
            }
        };
        let periods: Vec<Period> = std::iter::successors(Some(from), |period| Some(period.next()))
            .take_while(|period| *period <= to)
            .collect();
        let page = query.limit.min(MAX_POINTS / periods.len().max(1)).max(1);
        let pairs = programs.iter().flat_map(|(measure, program)| {
            units.iter().map(move |unit| (*measure, program, *unit))
        });
        let mut pairs = pairs.skip(query.offset);
        let view =
            |(measure, program, unit)| one(&state, geography, (measure, program), unit, &periods);
        let series: Vec<SeriesView> = pairs.by_ref().take(page).map(view).collect();
        let next_offset = pairs.next().map(|_| query.offset + page);
        Ok(SeriesPage { revision: state.revision, next_offset, series })
    }
}

/// The series of a measure of a unit over periods of one step.
pub(super) fn one(
    state: &State,
    geography: Geography,
    (measure, program): (&Measure, &Program),
    unit: usize,
    periods: &[Period],
) -> SeriesView {
    let (Some(from), Some(to)) = (periods.first(), periods.last()) else {
        return empty(state, measure, unit);
    };
    let series = Series::new(state.source().given_in(geography), program, unit, *from, *to);
    SeriesView {
        step: from.step().name(),
        points: periods
            .iter()
            .map(|period| point(state, &series, (measure, program), unit, *period))
            .collect(),
        ..empty(state, measure, unit)
    }
}

/// One point of a series, with what was stated and noted beside it.
pub(super) fn point(
    state: &State,
    series: &Series<'_>,
    (measure, program): (&Measure, &Program),
    unit: usize,
    period: Period,
) -> PointView {
    let id =
        state.measures.id(measure).filter(|_| program.computed && period.step() == Step::Month);
    let stated = id
        .and_then(|id| state.cube.stated(id, unit, period.first()))
        .map(|stamped| stamped.written);
    PointView::new(
        &series.point(period),
        stated,
        notes(state, series.source(), measure, unit, period),
    )
}

/// The notes beside a point: on the unit, and in the units of today on those that speak for it.
fn notes(
    state: &State,
    source: &Source<'_>,
    measure: &Measure,
    unit: usize,
    period: Period,
) -> Vec<String> {
    let mut units = BTreeSet::from([unit]);
    if source.geography != Geography::AsReported {
        units.extend(
            [period.first(), period.last()]
                .into_iter()
                .flat_map(|month| source.speakers(unit, month)),
        );
    }
    units
        .into_iter()
        .flat_map(|unit| state.annotations.beside(measure, state.units.code(unit), period))
        .map(|note| note.text.clone())
        .collect()
}

fn empty(state: &State, measure: &Measure, unit: usize) -> SeriesView {
    SeriesView {
        measure: measure.to_string(),
        unit: state.units.code(unit).to_owned(),
        unit_of_measure: state.catalogue.unit_of_measure(&measure.code).to_owned(),
        step: Step::Month.name(),
        points: Vec::new(),
    }
}

/// What is wrong with a measure that is asked for.
pub(super) fn measure_faults(state: &State, measure: &Measure) -> impl Iterator<Item = Fault> {
    state
        .catalogue
        .measure_faults(measure)
        .into_iter()
        .map(|(code, detail)| Fault::new("/measure", code, detail))
}

fn check(state: &State, query: &SeriesQuery) -> Result<(), Error> {
    let mut faults: Vec<Fault> =
        query.measures.iter().flat_map(|measure| measure_faults(state, measure)).collect();
    if query.measures.is_empty() {
        faults.push(Fault::new("/measure", "missing", "name at least one measure"));
    }
    let named = if let Whose::Units(units) = &query.whose { units.len() } else { 1 };
    if query.measures.len() > MAX_NAMED || named > MAX_NAMED {
        faults.push(Fault::new(
            "/measure",
            "too_many",
            format!("at most {MAX_NAMED} measures and {MAX_NAMED} units are named in one query"),
        ));
    }
    let months = match query.when {
        When::Span(from, to) if from.step() != to.step() => {
            faults.push(Fault::new(
                "/to",
                "steps_differ",
                "from and to are periods of the same step",
            ));
            1
        }
        When::Span(from, to) if to < from => {
            faults.push(Fault::new("/to", "dates_reversed", "to is before from"));
            1
        }
        When::Span(from, to) => to.last().since(from.first()) + 1,
        When::Last(_, count) if count < 1 => {
            faults.push(Fault::new("/last", "out_of_range", "last is at least 1"));
            1
        }
        When::Last(step, count) => {
            count.saturating_mul(if step == Step::NineMonths { 12 } else { step.months() })
        }
    };
    if months > MAX_MONTHS {
        faults.push(Fault::new(
            "/from",
            "span_too_long",
            format!("{months} months are asked for, {MAX_MONTHS} are the bound"),
        ));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

fn units_of(state: &State, whose: &Whose) -> Result<Vec<usize>, Error> {
    match whose {
        Whose::Units(codes) => codes.iter().map(|code| position(state, code)).collect(),
        Whose::ChildrenOf(code) => Ok(state.units.children(position(state, code)?).collect()),
        Whose::DescendantsOf(code) => {
            Ok(state.units.subtree(position(state, code)?).skip(1).collect())
        }
    }
}

/// The newest month in which anything is recorded that the measures are made of, at the units or below, or at what they go back to.
fn newest(
    state: &State,
    measures: &[Measure],
    units: &[usize],
    geography: Geography,
) -> Option<Month> {
    let mut codes: Vec<&str> = Vec::new();
    for measure in measures {
        codes.push(&measure.code);
        codes.extend(
            state
                .catalogue
                .kpi(&measure.code)
                .into_iter()
                .flat_map(|kpi| kpi.formula.references())
                .map(|reference| reference.indicator.as_str()),
        );
    }
    let columns: Vec<usize> = state
        .measures
        .iter()
        .filter(|(_, measure)| codes.contains(&measure.code.as_str()))
        .map(|(id, _)| id)
        .collect();
    let lines = units.iter().flat_map(|unit| {
        if geography == Geography::AsReported { vec![*unit] } else { state.units.line(*unit) }
    });
    let below = lines.flat_map(|unit| state.units.subtree(unit));
    below
        .flat_map(|unit| {
            columns.iter().filter_map(move |column| state.cube.row(*column, unit).last())
        })
        .max()
}
