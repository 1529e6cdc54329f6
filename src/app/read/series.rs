//! Trends: measures of units over time (`docs/specification.md#series`).

use std::collections::BTreeSet;

use serde::Serialize;

use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::change::{ChangeResult, MeasureSeries, PeriodPoint, UnavailableReason, ValueReason};
use kpi::fault::Fault;
use kpi::geography::Geography;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Rounded};
use kpi::period::{Month, Period, Step};
use kpi::program::Program;
use kpi::value::{Origin, ValueSource};

/// Longest span of a query, in months.
pub const MAX_MONTHS: i32 = 600;
/// Most points on a page.
pub const MAX_POINTS: usize = 60_000;
/// Most measures or units named in a query.
pub const MAX_NAMED: usize = 1_000;

/// The units of a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UnitSelector {
    /// The listed units.
    Units(Vec<String>),
    /// The children of a unit.
    ChildrenOf(String),
    /// All units below a unit.
    DescendantsOf(String),
}

/// The periods of a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeriodSelector {
    /// From one period to another, both included.
    Span(Period, Period),
    /// At most this many periods of the step, up to the newest one with a figure of the measures.
    Last(Step, i32),
}

/// A query for trends.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// The measures.
    pub measures: Vec<Measure>,
    /// The units.
    pub whose: UnitSelector,
    /// The periods.
    pub when: PeriodSelector,
    /// Whether to use `geography=current` (`docs/specification.md#merged-units`).
    pub of_today: bool,
    /// How many series to skip.
    pub offset: usize,
    /// Most series on the page.
    pub limit: usize,
}

/// One measure of one unit over time.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct SeriesView {
    /// The measure.
    pub measure: String,
    /// The unit.
    pub unit: String,
    /// The unit of the values, such as `percent`.
    pub unit_of_measure: String,
    /// The width of its periods: `month`, `quarter`, `half`, `9m`, `year`.
    pub step: &'static str,
    /// Exactly one point for each period, in order.
    pub points: Vec<PointView>,
}

/// One period of a series. A number that cannot be given is null, and `<field>_reason` says why.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct PointView {
    /// The period.
    pub period: String,
    /// 00:00 UTC on the first day of the period.
    pub time: String,
    /// The value.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Rounded>,
    /// Reason code when `value` is null.
    #[schema(required)]
    pub value_reason: Option<ValueReason>,
    /// How the value came about.
    #[schema(required)]
    pub origin: Option<Origin>,
    /// Share of the leaves that the value covers, 0 to 1. Null where no leaf is left to which the
    /// figures apply.
    #[schema(required)]
    pub coverage: Option<f64>,
    /// In a wider period: the month from which a stock was taken.
    #[schema(required)]
    pub taken_from: Option<String>,
    /// For a kpi: the stated rate, with the digits as they were printed.
    #[schema(required, value_type = Option<f64>)]
    pub stated: Option<Decimal64>,
    /// This period minus the calendar period before.
    #[schema(required, value_type = Option<f64>)]
    pub delta: Option<Rounded>,
    /// Reason code when `delta` is null.
    #[schema(required)]
    pub delta_reason: Option<UnavailableReason>,
    /// `delta` in percent of the period before.
    #[schema(required, value_type = Option<f64>)]
    pub delta_percent: Option<Rounded>,
    /// Reason code when `delta_percent` is null.
    #[schema(required)]
    pub delta_percent_reason: Option<UnavailableReason>,
    /// The change over the leaves covered in both periods.
    #[schema(required, value_type = Option<f64>)]
    pub like_for_like_delta: Option<Rounded>,
    /// Reason code when `like_for_like_delta` is null.
    #[schema(required)]
    pub like_for_like_delta_reason: Option<UnavailableReason>,
    /// The like-for-like change in percent.
    #[schema(required, value_type = Option<f64>)]
    pub like_for_like_percent: Option<Rounded>,
    /// Reason code when `like_for_like_percent` is null.
    #[schema(required)]
    pub like_for_like_percent_reason: Option<UnavailableReason>,
    /// Share of this period's leaves that the like-for-like change compares.
    #[schema(required)]
    pub like_for_like_coverage: Option<f64>,
    /// This period minus the same period one year before.
    #[schema(required, value_type = Option<f64>)]
    pub year_delta: Option<Rounded>,
    /// Reason code when `year_delta` is null.
    #[schema(required)]
    pub year_delta_reason: Option<UnavailableReason>,
    /// `year_delta` in percent of the period one year before.
    #[schema(required, value_type = Option<f64>)]
    pub year_delta_percent: Option<Rounded>,
    /// Reason code when `year_delta_percent` is null.
    #[schema(required)]
    pub year_delta_percent_reason: Option<UnavailableReason>,
    /// January up to the end of this period.
    #[schema(required, value_type = Option<f64>)]
    pub year_to_date: Option<Rounded>,
    /// Reason code when `year_to_date` is null.
    #[schema(required)]
    pub year_to_date_reason: Option<UnavailableReason>,
    /// Texts of the annotations on this measure, unit and period.
    pub annotations: Vec<String>,
}

impl PointView {
    /// Rounds a computed point for a response.
    pub(in crate::app) fn new(
        point: &PeriodPoint,
        stated: Option<Decimal64>,
        annotations: Vec<String>,
    ) -> Self {
        let given = |change: ChangeResult| change.ok().and_then(Rounded::new);
        let share = |value: f64| kpi::number::rounded(value).unwrap_or(0.0);
        Self {
            period: point.period.to_string(),
            time: point.period.time(),
            value: point.value.and_then(Rounded::new),
            value_reason: point.value_reason,
            origin: point.origin,
            coverage: point.coverage.map(share),
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
    /// How many series to skip for the next page; `None` on the last page.
    pub next_offset: Option<usize>,
    /// The series.
    pub series: Vec<SeriesView>,
}

impl Snapshot {
    /// Computes a page of series from the snapshot.
    ///
    /// # Errors
    /// [`Error::Invalid`] for measures that are not declared and spans beyond the limit;
    /// [`Error::NotFound`] for unknown units.
    pub fn series(&self, query: &SeriesQuery) -> Result<SeriesPage, Error> {
        let state = self.state();
        check(state, query)?;
        let (units, geography) = (units_of(state, &query.whose)?, self.geography(query.of_today));
        let programs: Vec<(&Measure, Program)> = query
            .measures
            .iter()
            .filter_map(|measure| {
                Some((measure, Program::of_measure(&state.catalogue, &state.view(), measure)?))
            })
            .collect();
        let (from, to) = match query.when {
            PeriodSelector::Span(from, to) => (from, to),
            PeriodSelector::Last(step, count) => {
                let newest = newest(state, &query.measures, &units, geography)
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
            |(measure, program, unit)| one(state, geography, (measure, program), unit, &periods);
        let series: Vec<SeriesView> = pairs.by_ref().take(page).map(view).collect();
        let next_offset = pairs.next().map(|_| query.offset + page);
        Ok(SeriesPage { revision: state.revision, next_offset, series })
    }
}

/// The series of one measure of one unit over periods of one step.
pub(in crate::app) fn one(
    state: &State,
    geography: Geography,
    (measure, program): (&Measure, &Program),
    unit: usize,
    periods: &[Period],
) -> SeriesView {
    let (Some(from), Some(to)) = (periods.first(), periods.last()) else {
        return empty(state, measure, unit);
    };
    let series =
        MeasureSeries::new(state.source().with_geography(geography), program, unit, *from, *to);
    SeriesView {
        step: from.step().name(),
        points: periods
            .iter()
            .map(|period| point(state, &series, (measure, program), unit, *period))
            .collect(),
        ..empty(state, measure, unit)
    }
}

/// One point of a series, with stated rate and annotations.
pub(in crate::app) fn point(
    state: &State,
    series: &MeasureSeries<'_>,
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

/// The annotations on a point: those of the unit and, with `geography=current`, those of the units
/// that represent it.
fn notes(
    state: &State,
    source: &ValueSource<'_>,
    measure: &Measure,
    unit: usize,
    period: Period,
) -> Vec<String> {
    let mut units = BTreeSet::from([unit]);
    if source.geography != Geography::AsReported {
        units.extend(
            [period.first(), period.last()]
                .into_iter()
                .flat_map(|month| source.representatives(unit, month)),
        );
    }
    units
        .into_iter()
        .flat_map(|unit| state.annotations.for_measure(measure, state.units.code(unit), period))
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

fn check(state: &State, query: &SeriesQuery) -> Result<(), Error> {
    let mut faults: Vec<Fault> =
        query.measures.iter().flat_map(|measure| state.measure_faults(measure)).collect();
    if query.measures.is_empty() {
        faults.push(Fault::new("/measure", "missing", "name at least one measure"));
    }
    let named = if let UnitSelector::Units(units) = &query.whose { units.len() } else { 1 };
    if query.measures.len() > MAX_NAMED || named > MAX_NAMED {
        faults.push(Fault::new(
            "/measure",
            "too_many",
            format!("a query names at most {MAX_NAMED} measures and {MAX_NAMED} units"),
        ));
    }
    let months = match query.when {
        PeriodSelector::Span(from, to) if from.step() != to.step() => {
            faults.push(Fault::new(
                "/to",
                "steps_differ",
                "from and to must be periods of the same step",
            ));
            1
        }
        PeriodSelector::Span(from, to) if to < from => {
            faults.push(Fault::new("/to", "dates_reversed", "to is before from"));
            1
        }
        PeriodSelector::Span(from, to) => to.last().since(from.first()) + 1,
        PeriodSelector::Last(_, count) if count < 1 => {
            faults.push(Fault::new("/last", "out_of_range", "last must be at least 1"));
            1
        }
        PeriodSelector::Last(step, count) => {
            count.saturating_mul(if step == Step::NineMonths { 12 } else { step.months() })
        }
    };
    if months > MAX_MONTHS {
        faults.push(Fault::new(
            "/from",
            "span_too_long",
            format!("the query spans {months} months; at most {MAX_MONTHS} are possible"),
        ));
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

fn units_of(state: &State, whose: &UnitSelector) -> Result<Vec<usize>, Error> {
    match whose {
        UnitSelector::Units(codes) => codes.iter().map(|code| state.find_unit(code)).collect(),
        UnitSelector::ChildrenOf(code) => {
            Ok(state.units.children(state.find_unit(code)?).collect())
        }
        UnitSelector::DescendantsOf(code) => {
            Ok(state.units.subtree(state.find_unit(code)?).skip(1).collect())
        }
    }
}

/// The newest month with a figure of the measures or their operands, at the units or below; with
/// `geography=current` also at predecessors.
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
        if geography == Geography::AsReported { vec![*unit] } else { state.units.lineage(*unit) }
    });
    let below = lines.flat_map(|unit| state.units.subtree(unit));
    below
        .flat_map(|unit| {
            columns.iter().filter_map(move |column| state.cube.row(*column, unit).last())
        })
        .max()
}
