//! Trends: measures of units over time (`docs/specification.md#series`).

use std::collections::BTreeSet;
use std::sync::Arc;

use ledger::RevisionNumber;
use serde::Serialize;
use serde::ser::SerializeMap;

use super::fields::{Field, FieldSet, NeededMonths, RequestedFields};
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::Kpi;
use kpi::change::{MeasureSeries, PointComputation, UnavailableReason, ValueReason};
use kpi::cube::MeasureId;
use kpi::fault::Fault;
use kpi::geography::Geography;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Rounded};
use kpi::period::{Month, Period, Step};
use kpi::program::Program;
use kpi::unit::{LocalizedName, UnitPosition};
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
    pub units: UnitSelector,
    /// The periods.
    pub when: PeriodSelector,
    /// Whether to use `geography=current` (`docs/specification.md#merged-units`).
    pub of_today: bool,
    /// The fields of each point.
    pub fields: RequestedFields,
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
    /// On request: the name of the unit, in the language of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unit_name: Option<String>,
    /// On request: the name of the measure, in the language of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub measure_name: Option<String>,
    /// The unit of the values, such as `percent`.
    pub unit_of_measure: String,
    /// The width of its periods: `month`, `quarter`, `half`, `9m`, `year`.
    pub step: &'static str,
    /// Exactly one point for each period, in order.
    pub points: Vec<PointView>,
}

/// One period of a series. Without `fields=` it has all fields except those described as “on
/// request”; with `fields=` it has the named ones. A number that cannot be given is null, and
/// `<field>_reason` says why.
#[derive(Clone, PartialEq, Debug, utoipa::ToSchema)]
pub struct PointView {
    /// The fields that are written; the others are not computed.
    #[schema(ignore)]
    pub fields: FieldSet,
    /// The period. Always present in series.
    #[schema(required = false, value_type = String)]
    pub period: Period,
    /// 00:00 UTC on the first day of the period.
    #[schema(required = false, value_type = String)]
    pub time: PeriodTime,
    /// The value.
    #[schema(value_type = Option<f64>)]
    pub value: Option<Rounded>,
    /// Reason code when `value` is null.
    pub value_reason: Option<ValueReason>,
    /// How the value came about.
    pub origin: Option<Origin>,
    /// Share of the leaves that the value covers, 0 to 1. Null if the figures apply to no leaf.
    pub coverage: Option<f64>,
    /// In a wider period: the month from which a stock was taken.
    #[schema(value_type = Option<String>)]
    pub taken_from: Option<Month>,
    /// For a kpi: the stated rate, with the digits as they were printed.
    #[schema(value_type = Option<f64>)]
    pub stated: Option<Decimal64>,
    /// On request: the value of the calendar period before, also where the change is null.
    #[schema(value_type = Option<f64>)]
    pub previous: Option<Rounded>,
    /// Reason code when `previous` is null.
    pub previous_reason: Option<ValueReason>,
    /// On request: the value of the same period one year before, also where the change is null.
    #[schema(value_type = Option<f64>)]
    pub year_before: Option<Rounded>,
    /// Reason code when `year_before` is null.
    pub year_before_reason: Option<ValueReason>,
    /// On request: of a measure with members, the value in percent of the total over all members.
    #[schema(value_type = Option<f64>)]
    pub share: Option<Rounded>,
    /// Reason code when `share` is null.
    pub share_reason: Option<ValueReason>,
    /// On request: the operands of a kpi after aggregation, such as numerator and denominator. Null
    /// for indicators, and when an operand is missing.
    #[schema(value_type = Option<std::collections::HashMap<String, f64>>)]
    pub operands: Option<OperandValues>,
    /// This period minus the calendar period before.
    #[schema(value_type = Option<f64>)]
    pub delta: Option<Rounded>,
    /// Reason code when `delta` is null.
    pub delta_reason: Option<UnavailableReason>,
    /// `delta` in percent of the period before.
    #[schema(value_type = Option<f64>)]
    pub delta_percent: Option<Rounded>,
    /// Reason code when `delta_percent` is null.
    pub delta_percent_reason: Option<UnavailableReason>,
    /// The change over the leaves covered in both periods.
    #[schema(value_type = Option<f64>)]
    pub like_for_like_delta: Option<Rounded>,
    /// Reason code when `like_for_like_delta` is null.
    pub like_for_like_delta_reason: Option<UnavailableReason>,
    /// The like-for-like change in percent.
    #[schema(value_type = Option<f64>)]
    pub like_for_like_percent: Option<Rounded>,
    /// Reason code when `like_for_like_percent` is null.
    pub like_for_like_percent_reason: Option<UnavailableReason>,
    /// Share of this period's leaves that the like-for-like change compares.
    pub like_for_like_coverage: Option<f64>,
    /// This period minus the same period one year before.
    #[schema(value_type = Option<f64>)]
    pub year_delta: Option<Rounded>,
    /// Reason code when `year_delta` is null.
    pub year_delta_reason: Option<UnavailableReason>,
    /// `year_delta` in percent of the period one year before.
    #[schema(value_type = Option<f64>)]
    pub year_delta_percent: Option<Rounded>,
    /// Reason code when `year_delta_percent` is null.
    pub year_delta_percent_reason: Option<UnavailableReason>,
    /// January up to the end of this period.
    #[schema(value_type = Option<f64>)]
    pub year_to_date: Option<Rounded>,
    /// Reason code when `year_to_date` is null.
    pub year_to_date_reason: Option<UnavailableReason>,
    /// On request: `year_to_date` minus that of the same months one year before.
    #[schema(value_type = Option<f64>)]
    pub year_to_date_delta: Option<Rounded>,
    /// Reason code when `year_to_date_delta` is null.
    pub year_to_date_delta_reason: Option<UnavailableReason>,
    /// On request: `year_to_date_delta` in percent of the year to date one year before.
    #[schema(value_type = Option<f64>)]
    pub year_to_date_percent: Option<Rounded>,
    /// Reason code when `year_to_date_percent` is null.
    pub year_to_date_percent_reason: Option<UnavailableReason>,
    /// With `rolling=`: the value over the last months, up to this one.
    #[schema(value_type = Option<f64>)]
    pub rolling: Option<Rounded>,
    /// Reason code when `rolling` is null.
    pub rolling_reason: Option<UnavailableReason>,
    /// Share of the leaves that `rolling` covers, 0 to 1. Null where `rolling` is null.
    pub rolling_coverage: Option<f64>,
    /// Texts of the annotations on this measure, unit and period.
    #[schema(required = false)]
    pub annotations: Vec<String>,
}

/// The first instant of a period, as responses show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeriodTime(Period);

impl Serialize for PeriodTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.time())
    }
}

/// The operands of a kpi after aggregation: each as the formula names it, and its value.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct OperandValues(pub Vec<(Arc<str>, Rounded)>);

impl Serialize for OperandValues {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name.as_ref(), value)))
    }
}

/// Writes the requested fields, in the order of [`Field::ALL`].
impl Serialize for PointView {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        for field in self.fields.iter() {
            self.write(field, field.name(), &mut fields)?;
        }
        fields.end()
    }
}

impl PointView {
    /// A point of a period without any numbers.
    #[must_use]
    pub fn empty(period: Period, fields: FieldSet) -> Self {
        Self {
            fields,
            period,
            time: PeriodTime(period),
            value: None,
            value_reason: None,
            origin: None,
            coverage: None,
            taken_from: None,
            stated: None,
            previous: None,
            previous_reason: None,
            year_before: None,
            year_before_reason: None,
            share: None,
            share_reason: None,
            operands: None,
            delta: None,
            delta_reason: None,
            delta_percent: None,
            delta_percent_reason: None,
            like_for_like_delta: None,
            like_for_like_delta_reason: None,
            like_for_like_percent: None,
            like_for_like_percent_reason: None,
            like_for_like_coverage: None,
            year_delta: None,
            year_delta_reason: None,
            year_delta_percent: None,
            year_delta_percent_reason: None,
            year_to_date: None,
            year_to_date_reason: None,
            year_to_date_delta: None,
            year_to_date_delta_reason: None,
            year_to_date_percent: None,
            year_to_date_percent_reason: None,
            rolling: None,
            rolling_reason: None,
            rolling_coverage: None,
            annotations: Vec::new(),
        }
    }

    /// Writes a field under a name, if it is one of a point.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn write<M: SerializeMap>(
        &self,
        field: Field,
        name: &str,
        to: &mut M,
    ) -> Result<(), M::Error> {
        match field {
            Field::Period => to.serialize_entry(name, &self.period),
            Field::Time => to.serialize_entry(name, &self.time),
            Field::Value => to.serialize_entry(name, &self.value),
            Field::ValueReason => to.serialize_entry(name, &self.value_reason),
            Field::Origin => to.serialize_entry(name, &self.origin),
            Field::Coverage => to.serialize_entry(name, &self.coverage),
            Field::TakenFrom => to.serialize_entry(name, &self.taken_from),
            Field::Stated => to.serialize_entry(name, &self.stated),
            Field::Previous => to.serialize_entry(name, &self.previous),
            Field::PreviousReason => to.serialize_entry(name, &self.previous_reason),
            Field::YearBefore => to.serialize_entry(name, &self.year_before),
            Field::YearBeforeReason => to.serialize_entry(name, &self.year_before_reason),
            Field::Share => to.serialize_entry(name, &self.share),
            Field::ShareReason => to.serialize_entry(name, &self.share_reason),
            Field::Operands => to.serialize_entry(name, &self.operands),
            Field::Delta => to.serialize_entry(name, &self.delta),
            Field::DeltaReason => to.serialize_entry(name, &self.delta_reason),
            Field::DeltaPercent => to.serialize_entry(name, &self.delta_percent),
            Field::DeltaPercentReason => to.serialize_entry(name, &self.delta_percent_reason),
            Field::LikeForLikeDelta => to.serialize_entry(name, &self.like_for_like_delta),
            Field::LikeForLikeDeltaReason => {
                to.serialize_entry(name, &self.like_for_like_delta_reason)
            }
            Field::LikeForLikePercent => to.serialize_entry(name, &self.like_for_like_percent),
            Field::LikeForLikePercentReason => {
                to.serialize_entry(name, &self.like_for_like_percent_reason)
            }
            Field::LikeForLikeCoverage => to.serialize_entry(name, &self.like_for_like_coverage),
            Field::YearDelta => to.serialize_entry(name, &self.year_delta),
            Field::YearDeltaReason => to.serialize_entry(name, &self.year_delta_reason),
            Field::YearDeltaPercent => to.serialize_entry(name, &self.year_delta_percent),
            Field::YearDeltaPercentReason => {
                to.serialize_entry(name, &self.year_delta_percent_reason)
            }
            Field::YearToDate => to.serialize_entry(name, &self.year_to_date),
            Field::YearToDateReason => to.serialize_entry(name, &self.year_to_date_reason),
            Field::YearToDateDelta => to.serialize_entry(name, &self.year_to_date_delta),
            Field::YearToDateDeltaReason => {
                to.serialize_entry(name, &self.year_to_date_delta_reason)
            }
            Field::YearToDatePercent => to.serialize_entry(name, &self.year_to_date_percent),
            Field::YearToDatePercentReason => {
                to.serialize_entry(name, &self.year_to_date_percent_reason)
            }
            Field::Rolling => to.serialize_entry(name, &self.rolling),
            Field::RollingReason => to.serialize_entry(name, &self.rolling_reason),
            Field::RollingCoverage => to.serialize_entry(name, &self.rolling_coverage),
            Field::Annotations => to.serialize_entry(name, &self.annotations),
            Field::Measure
            | Field::Unit
            | Field::Name
            | Field::UnitName
            | Field::MeasureName
            | Field::Group
            | Field::System
            | Field::UnitOfMeasure
            | Field::Step
            | Field::Direction
            | Field::Rank
            | Field::PreviousRank
            | Field::Target
            | Field::TargetCode
            | Field::Attainment
            | Field::Status
            | Field::Provisional
            | Field::Score
            | Field::History => Ok(()),
        }
    }

    /// Computes the requested fields of a point and rounds them for a response.
    fn fill(
        &mut self,
        point: &PointComputation<'_, '_>,
        fields: &RequestedFields,
        operands: &[Arc<str>],
    ) {
        let wants = |wanted: &[Field]| fields.set.intersects(wanted);
        self.value = point.value().and_then(Rounded::new);
        self.value_reason = point.value_reason();
        self.origin = point.origin();
        self.coverage = point.coverage().map(share);
        self.taken_from = point.taken_from();
        if wants(&[
            Field::Delta,
            Field::DeltaReason,
            Field::DeltaPercent,
            Field::DeltaPercentReason,
        ]) {
            let (delta, percent) = point.change();
            (self.delta, self.delta_reason) = number_or_reason(delta);
            (self.delta_percent, self.delta_percent_reason) = number_or_reason(percent);
        }
        if wants(&[
            Field::LikeForLikeDelta,
            Field::LikeForLikeDeltaReason,
            Field::LikeForLikePercent,
            Field::LikeForLikePercentReason,
            Field::LikeForLikeCoverage,
        ]) {
            let (delta, percent, coverage) = point.like_for_like();
            (self.like_for_like_delta, self.like_for_like_delta_reason) = number_or_reason(delta);
            (self.like_for_like_percent, self.like_for_like_percent_reason) =
                number_or_reason(percent);
            self.like_for_like_coverage = coverage.map(share);
        }
        if wants(&[
            Field::YearDelta,
            Field::YearDeltaReason,
            Field::YearDeltaPercent,
            Field::YearDeltaPercentReason,
        ]) {
            let (delta, percent) = point.year_change();
            (self.year_delta, self.year_delta_reason) = number_or_reason(delta);
            (self.year_delta_percent, self.year_delta_percent_reason) = number_or_reason(percent);
        }
        if wants(&[Field::YearToDate, Field::YearToDateReason]) {
            (self.year_to_date, self.year_to_date_reason) = number_or_reason(point.year_to_date());
        }
        self.compare_on_request(point, fields, operands);
    }

    /// Computes the numbers that are only given on request.
    fn compare_on_request(
        &mut self,
        point: &PointComputation<'_, '_>,
        fields: &RequestedFields,
        operands: &[Arc<str>],
    ) {
        let wants = |wanted: &[Field]| fields.set.intersects(wanted);
        if wants(&[Field::Previous, Field::PreviousReason]) {
            (self.previous, self.previous_reason) = number_or_reason(point.previous());
        }
        if wants(&[Field::YearBefore, Field::YearBeforeReason]) {
            (self.year_before, self.year_before_reason) = number_or_reason(point.year_before());
        }
        if wants(&[Field::Operands]) {
            self.operands = point.operands().map(|values| operand_values(operands, &values));
        }
        if fields.needs_years_to_date() {
            let (delta, percent) = point.year_to_date_change();
            (self.year_to_date_delta, self.year_to_date_delta_reason) = number_or_reason(delta);
            (self.year_to_date_percent, self.year_to_date_percent_reason) =
                number_or_reason(percent);
        }
        if let Some(rolling) = fields.rolling {
            let rolling = point.rolling(rolling.months());
            (self.rolling, self.rolling_reason) = number_or_reason(rolling.value);
            self.rolling_coverage = rolling.coverage.map(share);
        }
    }
}

/// A share as a response shows it.
fn share(value: f64) -> f64 {
    kpi::number::rounded(value).unwrap_or(0.0)
}

/// A number as a response shows it, or the reason why it is null.
fn number_or_reason<R>(result: Result<f64, R>) -> (Option<Rounded>, Option<R>) {
    match result {
        Ok(number) => (Rounded::new(number), None),
        Err(reason) => (None, Some(reason)),
    }
}

/// The operands with their values; an operand that a formula names more than once is listed once.
fn operand_values(names: &[Arc<str>], values: &[f64]) -> OperandValues {
    let mut found = OperandValues::default();
    for (name, value) in names.iter().zip(values) {
        if !found.0.iter().any(|(known, _)| known == name) {
            found.0.extend(Rounded::new(*value).map(|value| (Arc::clone(name), value)));
        }
    }
    found
}

/// A measure that is prepared for its series.
pub(in crate::app) struct PreparedSeries<'a> {
    measure: &'a Measure,
    program: &'a Program,
    fields: RequestedFields,
    /// The operands as the formula names them, where they are requested.
    operands: Vec<Arc<str>>,
    /// The share of the total, where it is requested and makes sense.
    share: Option<Program>,
    /// Its number among the measures of the ledger; `None` before its first figure.
    id: Option<MeasureId>,
}

impl<'a> PreparedSeries<'a> {
    /// Prepares a measure with its program.
    pub(in crate::app) fn new(
        state: &State,
        measure: &'a Measure,
        program: &'a Program,
        fields: RequestedFields,
    ) -> Self {
        let kpi = state.catalogue.kpi(&measure.code);
        let names = |kpi: &Kpi| -> Vec<Arc<str>> {
            let operands = kpi.formula.operands().into_iter();
            operands
                .map(|operand| operand.resolve_members(&measure.members).to_string().into())
                .collect()
        };
        let wanted = kpi.filter(|_| fields.set.contains(Field::Operands));
        let share = fields
            .set
            .intersects(&[Field::Share, Field::ShareReason])
            .then(|| Program::of_share(&state.catalogue, &state.view(), measure))
            .flatten();
        let operands = wanted.map(names).unwrap_or_default();
        let id = state.measures.id(measure);
        Self { measure, program, fields, operands, share, id }
    }

    /// Whether the query wants one of these fields.
    pub(in crate::app) fn wants(&self, fields: &[Field]) -> bool {
        self.fields.set.intersects(fields)
    }

    /// The measure.
    pub(in crate::app) fn measure(&self) -> &'a Measure {
        self.measure
    }

    /// The series of a unit from one period to another of the same step.
    pub(in crate::app) fn of_unit(
        &self,
        source: ValueSource<'a>,
        unit: UnitPosition,
        from: Period,
        to: Period,
    ) -> MeasureSeries<'a> {
        let series = MeasureSeries::new(source, self.program, unit, from, to);
        match self.fields.needed_months() {
            NeededMonths::WithoutYearBefore => series.without_year_before(from, to),
            NeededMonths::ComparedPeriods => series.with_compared_periods(from, to),
            NeededMonths::YearBefore => series,
            NeededMonths::YearsToDate => series.with_years_to_date(from, to),
        }
    }

    /// One point of a series, with stated rate and annotations.
    pub(in crate::app) fn point(
        &self,
        state: &State,
        series: &MeasureSeries<'_>,
        period: Period,
    ) -> PointView {
        let mut view = PointView::empty(period, self.fields.set);
        self.fill(state, series, &mut view);
        view
    }

    /// The points of periods, each filled in place: a point is large, and copying takes time.
    fn points(
        &self,
        state: &State,
        series: &MeasureSeries<'_>,
        periods: &[Period],
    ) -> Vec<PointView> {
        let empty = |period: &Period| PointView::empty(*period, self.fields.set);
        let mut points: Vec<PointView> = periods.iter().map(empty).collect();
        points.iter_mut().for_each(|point| self.fill(state, series, point));
        points
    }

    fn fill(&self, state: &State, series: &MeasureSeries<'_>, view: &mut PointView) {
        let (set, unit, period) = (self.fields.set, series.unit(), view.period);
        view.fill(&series.compute(period), &self.fields, &self.operands);
        if set.contains(Field::Stated) && self.program.computed && period.step() == Step::Month {
            let stated = self.id.and_then(|id| state.cube.stated(id, unit, period.first()));
            view.stated = stated.map(|stamped| stamped.written);
        }
        if set.intersects(&[Field::Share, Field::ShareReason]) {
            (view.share, view.share_reason) = number_or_reason(self.share(series, period));
        }
        if set.contains(Field::Annotations) {
            view.annotations = notes(state, series.source(), self.measure, unit, period);
        }
    }

    /// The value in percent of the total over all members (`docs/specification.md#fields`).
    fn share(&self, series: &MeasureSeries<'_>, period: Period) -> Result<f64, ValueReason> {
        let share = self.share.as_ref().ok_or(ValueReason::NotApplicable)?;
        let source = *series.source();
        let series = MeasureSeries::new(source, share, series.unit(), period, period);
        let series = series.only(period);
        let point = series.compute(period);
        point.value().ok_or(point.value_reason().unwrap_or(ValueReason::Missing))
    }

    /// The name of a unit, where it is requested.
    pub(in crate::app) fn unit_name(
        &self,
        state: &State,
        series: &MeasureSeries<'_>,
    ) -> Option<String> {
        self.fields.set.contains(Field::UnitName).then_some(())?;
        let unit = series.unit();
        let name = state.units.get(unit).map(|unit| unit.document.name.clone()).unwrap_or_default();
        Some(self.text_of(name, state.units.code(unit)))
    }

    /// The name of the measure, where it is requested.
    pub(in crate::app) fn measure_name(&self, state: &State) -> Option<String> {
        self.fields.set.contains(Field::MeasureName).then_some(())?;
        Some(self.text_of(state.catalogue.label(self.measure), &self.measure.to_string()))
    }

    /// A name in the language of the response; if it is missing, the name in the other language,
    /// otherwise the code.
    fn text_of(&self, name: LocalizedName, code: &str) -> String {
        let LocalizedName { vi, en } = name;
        let names = if self.fields.in_vietnamese { [vi, en] } else { [en, vi] };
        let found = names.into_iter().find(|name| !name.is_empty());
        found.unwrap_or_else(|| code.to_owned())
    }
}

/// A page of series.
#[derive(Clone, Debug)]
pub struct SeriesPage {
    /// The revision it was computed from.
    pub revision: RevisionNumber,
    /// The periods of each series, in order.
    pub periods: Vec<Period>,
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
        let (units, geography) = (units_of(state, &query.units)?, self.geography(query.of_today));
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
        let prepared: Vec<PreparedSeries<'_>> = programs
            .iter()
            .map(|(measure, program)| PreparedSeries::new(state, measure, program, query.fields))
            .collect();
        let pairs =
            prepared.iter().flat_map(|prepared| units.iter().map(move |unit| (prepared, *unit)));
        let mut pairs = pairs.skip(query.offset);
        let view = |(prepared, unit): (&PreparedSeries<'_>, UnitPosition)| {
            one(state, geography, prepared, unit, &periods)
        };
        let series: Vec<SeriesView> = pairs.by_ref().take(page).map(view).collect();
        let next_offset = pairs.next().map(|_| query.offset + page);
        Ok(SeriesPage { revision: state.revision, periods, next_offset, series })
    }
}

/// The series of one measure of one unit over periods of one step.
pub(in crate::app) fn one(
    state: &State,
    geography: Geography,
    prepared: &PreparedSeries<'_>,
    unit: UnitPosition,
    periods: &[Period],
) -> SeriesView {
    let measure = prepared.measure;
    let mut view = SeriesView {
        measure: measure.to_string(),
        unit: state.units.code(unit).to_owned(),
        unit_name: None,
        measure_name: prepared.measure_name(state),
        unit_of_measure: state.catalogue.unit_of_measure(&measure.code).to_owned(),
        step: Step::Month.name(),
        points: Vec::new(),
    };
    if let (Some(from), Some(to)) = (periods.first(), periods.last()) {
        let source = state.source().with_geography(geography);
        let series = prepared.of_unit(source, unit, *from, *to);
        view.unit_name = prepared.unit_name(state, &series);
        view.step = from.step().name();
        view.points = prepared.points(state, &series, periods);
    }
    view
}

/// The annotations on a point: those of the unit and, with `geography=current`, those of the units
/// that represent it.
fn notes(
    state: &State,
    source: &ValueSource<'_>,
    measure: &Measure,
    unit: UnitPosition,
    period: Period,
) -> Vec<String> {
    if state.annotations.is_empty() {
        return Vec::new();
    }
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

/// The error of a query that names more than [`MAX_NAMED`] measures or units.
pub(super) fn too_many_named() -> Fault {
    let detail = format!("a query names at most {MAX_NAMED} measures and {MAX_NAMED} units");
    Fault::new("/measure", "too_many", detail)
}

fn check(state: &State, query: &SeriesQuery) -> Result<(), Error> {
    let mut faults: Vec<Fault> =
        query.measures.iter().flat_map(|measure| state.measure_faults(measure)).collect();
    if query.measures.is_empty() {
        faults.push(Fault::new("/measure", "missing", "name at least one measure"));
    }
    let named = if let UnitSelector::Units(units) = &query.units { units.len() } else { 1 };
    if named > MAX_NAMED {
        faults.push(too_many_named());
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
    let step = match query.when {
        PeriodSelector::Span(from, _) => from.step(),
        PeriodSelector::Last(step, _) => step,
    };
    faults.extend(query.fields.fault(step));
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults)) }
}

fn units_of(state: &State, selected: &UnitSelector) -> Result<Vec<UnitPosition>, Error> {
    match selected {
        UnitSelector::Units(codes) => codes.iter().map(|code| state.find_unit(code)).collect(),
        UnitSelector::ChildrenOf(code) => {
            Ok(state.units.children(state.find_unit(code)?).collect())
        }
        UnitSelector::DescendantsOf(code) => {
            Ok(state.units.subtree(state.find_unit(code)?).iter().skip(1).collect())
        }
    }
}

/// The newest month with a figure of the measures or their operands, at the units or below; with
/// `geography=current` also at predecessors. Of figures that a kpi counts, the newest of any unit.
fn newest(
    state: &State,
    measures: &[Measure],
    units: &[UnitPosition],
    geography: Geography,
) -> Option<Month> {
    let (mut codes, mut counted): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    for measure in measures {
        codes.push(&measure.code);
        let Some(kpi) = state.catalogue.kpi(&measure.code) else { continue };
        codes.extend(kpi.formula.references().iter().map(|one| one.indicator.as_str()));
        counted.extend(state.catalogue.counted_measures(kpi).map(|one| one.code.as_str()));
    }
    let of_codes = |codes: &[&str]| -> Vec<MeasureId> {
        let all = state.measures.iter();
        all.filter(|(_, measure)| codes.contains(&measure.code.as_str()))
            .map(|(id, _)| id)
            .collect()
    };
    let columns = of_codes(&codes);
    let of_counts = state.view().months_with_figures(&of_codes(&counted));
    let lines = units.iter().flat_map(|unit| {
        if geography == Geography::AsReported { vec![*unit] } else { state.units.lineage(*unit) }
    });
    let below = lines.flat_map(|unit| state.units.subtree(unit));
    below
        .flat_map(|unit| {
            columns.iter().filter_map(move |column| state.cube.row(*column, unit).last())
        })
        .chain(of_counts.map(|(_, last)| last))
        .max()
}
