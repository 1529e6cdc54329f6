//! Values of wider periods and changes: deltas, like for like, year on year and year to date, and
//! the reasons why a number is null (docs/specification.md#wider-periods,
//! docs/specification.md#changes, docs/specification.md#like-for-like).

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use smallvec::{SmallVec, smallvec};

use super::bit_set::BitSet;
use super::period::{Month, MonthSpan, Period, Step};
use super::program::{PriorMonths, Program, SourceMonths};
use super::unit::{UnitForest, UnitPosition};
use super::value::{MonthState, OperandSums, Origin, StatedAbove, ValueSource};

/// Why a number is null. Where several reasons apply, the first of them is given
/// (docs/specification.md#changes).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum UnavailableReason {
    /// The change makes no sense here, such as the percent change of a percentage, the year to date
    /// of a stock or the delta of nine months.
    NotApplicable,
    /// This period has no value.
    Missing,
    /// The unit did not exist in the other period, or the definition changed between the two
    /// periods.
    DefinitionChanged,
    /// The other period has no value.
    NoPrior,
    /// The two periods do not cover the same leaves.
    CoverageChanged,
    /// A figure is stated above the leaves and cannot be restricted to the leaves covered in both
    /// periods.
    StatedAbove,
    /// The other value is zero, so there is no percentage.
    PriorZero,
}

impl UnavailableReason {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotApplicable => "not_applicable",
            Self::Missing => "missing",
            Self::DefinitionChanged => "definition_changed",
            Self::NoPrior => "no_prior",
            Self::CoverageChanged => "coverage_changed",
            Self::StatedAbove => "stated_above",
            Self::PriorZero => "prior_zero",
        }
    }
}

/// Why a value is null (docs/specification.md#figures-that-do-not-apply).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ValueReason {
    /// There is no figure.
    Missing,
    /// The figures do not apply to the unit, or to any unit below it.
    NotApplicable,
    /// The formula has no result, as after a division by zero.
    Undefined,
}

impl ValueReason {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::NotApplicable => "not_applicable",
            Self::Undefined => "undefined",
        }
    }
}

/// A change, or the reason why it is null.
pub type ChangeResult = Result<f64, UnavailableReason>;

/// One point of a series, before rounding.
#[derive(Clone, PartialEq, Debug)]
pub struct PeriodPoint {
    /// The period.
    pub period: Period,
    /// The value.
    pub value: Option<f64>,
    /// Why the value is null.
    pub value_reason: Option<ValueReason>,
    /// How the value came about.
    pub origin: Option<Origin>,
    /// Share of the leaves that the value covers, 0 to 1. `None` where no leaf is left to which the
    /// figures apply.
    pub coverage: Option<f64>,
    /// In a wider period: the month from which a stock was taken.
    pub taken_from: Option<Month>,
    /// This period minus the calendar period before.
    pub delta: ChangeResult,
    /// The delta in percent of the value of the period before.
    pub delta_percent: ChangeResult,
    /// The change over the leaves covered in both periods.
    pub like_for_like_delta: ChangeResult,
    /// The same in percent.
    pub like_for_like_percent: ChangeResult,
    /// Share of this period's leaves that like for like compares, 0 to 1.
    pub like_for_like_coverage: Option<f64>,
    /// This period minus the same period one year before.
    pub year_delta: ChangeResult,
    /// The same in percent.
    pub year_delta_percent: ChangeResult,
    /// January up to the end of this period.
    pub year_to_date: ChangeResult,
}

impl PeriodPoint {
    /// Whether the value covers all leaves to which the figures apply.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.coverage.is_some_and(|coverage| coverage >= 1.0)
    }
}

/// The value of a measure over a span of months, with the months it comes from.
struct SpanAggregate<'s> {
    span: MonthSpan,
    months: Cow<'s, [Option<MonthState>]>,
    values: Option<Cow<'s, [f64]>>,
    value: Option<f64>,
    /// `None` where the figures apply to no leaf in any month.
    coverage: Option<f64>,
    /// Place of the last month that counts, from the span's first month.
    taken: Option<usize>,
    origin: Option<Origin>,
}

impl SpanAggregate<'_> {
    fn is_not_applicable(&self) -> bool {
        self.coverage.is_none()
    }

    fn value_reason(&self) -> Option<ValueReason> {
        match (self.value, &self.values) {
            (Some(_), _) => None,
            _ if self.is_not_applicable() => Some(ValueReason::NotApplicable),
            (None, Some(_)) => Some(ValueReason::Undefined),
            (None, None) => Some(ValueReason::Missing),
        }
    }

    fn window(&self) -> SourceMonths {
        self.window_of(self.taken)
    }

    fn window_of(&self, taken: Option<usize>) -> SourceMonths {
        let taken = taken
            .and_then(|taken| i32::try_from(taken).ok())
            .map_or(self.span.last(), |taken| self.span.first().plus(taken));
        SourceMonths { span: self.span, taken }
    }
}

/// A value, or the reason why it is null.
pub type ValueResult = Result<f64, ValueReason>;

/// The value over the last months (docs/specification.md#comparisons-on-request).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RollingValue {
    /// The value.
    pub value: ChangeResult,
    /// Share of the leaves that it covers, 0 to 1. `None` without a value.
    pub coverage: Option<f64>,
}

/// A point of a series while it is computed: each number is computed when it is requested.
pub struct PointComputation<'s, 'a> {
    series: &'s MeasureSeries<'a>,
    period: Period,
    now: SpanAggregate<'s>,
    before: OnceCell<Option<SpanAggregate<'s>>>,
    year_before: OnceCell<SpanAggregate<'s>>,
}

impl<'s> PointComputation<'s, '_> {
    fn before(&self) -> Option<&SpanAggregate<'s>> {
        let previous = || self.period.previous().map(|period| self.series.aggregate(period.into()));
        self.before.get_or_init(previous).as_ref()
    }

    fn at_year_before(&self) -> &SpanAggregate<'s> {
        self.year_before.get_or_init(|| self.series.aggregate(self.period.year_before().into()))
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.now.value
    }

    /// Why the value is null.
    #[must_use]
    pub fn value_reason(&self) -> Option<ValueReason> {
        self.now.value_reason()
    }

    /// How the value came about.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.now.value.and(self.now.origin)
    }

    /// Share of the leaves that the value covers, 0 to 1. `None` where no leaf is left to which the
    /// figures apply.
    #[must_use]
    pub fn coverage(&self) -> Option<f64> {
        self.now.coverage
    }

    /// In a wider period: the month from which a stock was taken.
    #[must_use]
    pub fn taken_from(&self) -> Option<Month> {
        self.series.source_month(&self.now)
    }

    /// The value of the calendar period before, also where the change is null.
    ///
    /// # Errors
    /// The reason why it is missing; nine months have no period before.
    pub fn previous(&self) -> ValueResult {
        let before = self.before().ok_or(ValueReason::NotApplicable)?;
        before.value.ok_or(before.value_reason().unwrap_or(ValueReason::Missing))
    }

    /// The value of the same period one year before, also where the change is null.
    ///
    /// # Errors
    /// The reason why it is missing.
    pub fn year_before(&self) -> ValueResult {
        let before = self.at_year_before();
        before.value.ok_or(before.value_reason().unwrap_or(ValueReason::Missing))
    }

    /// The operands of a kpi after aggregation, in the order of its formula
    /// ([`Expression::operands`](super::formula::Expression::operands)). `None` for an indicator,
    /// and where the operands are not all there.
    #[must_use]
    pub fn operands(&self) -> Option<Vec<f64>> {
        let values = self.now.values.as_deref().filter(|_| self.series.program.computed)?;
        Some(self.series.program.scale_operands(values))
    }

    /// This period minus the calendar period before, and the same in percent.
    pub fn change(&self) -> (ChangeResult, ChangeResult) {
        self.series.change(&self.now, self.before())
    }

    /// The change over the leaves covered in both periods, the same in percent, and the share of
    /// this period's leaves that it compares.
    pub fn like_for_like(&self) -> (ChangeResult, ChangeResult, Option<f64>) {
        self.series.like_for_like(&self.now, self.before())
    }

    /// This period minus the same period one year before, and the same in percent.
    pub fn year_change(&self) -> (ChangeResult, ChangeResult) {
        self.series.change(&self.now, Some(self.at_year_before()))
    }

    /// January up to the end of this period.
    ///
    /// # Errors
    /// The reason why it is missing.
    pub fn year_to_date(&self) -> ChangeResult {
        self.series.year_to_date(self.period)
    }

    /// The year to date minus that of the same months one year before, and the same in percent
    /// (docs/specification.md#changes). Series of
    /// [`MeasureSeries::with_years_to_date`] have the months of the year before at hand.
    pub fn year_to_date_change(&self) -> (ChangeResult, ChangeResult) {
        self.series.year_to_date_change(self.period)
    }

    /// The value over the last `months` months, up to this one; `not_applicable` to wider periods.
    #[must_use]
    pub fn rolling(&self, months: i32) -> RollingValue {
        self.series.rolling(self.period, months)
    }
}

/// Neighbouring months that are computed at once, when the first of them is needed.
struct MonthWindow {
    first: Month,
    last: Month,
    states: OnceCell<Vec<Option<MonthState>>>,
}

impl MonthWindow {
    fn new(first: Month, last: Month) -> Self {
        Self { first, last, states: OnceCell::new() }
    }

    fn len(&self) -> usize {
        usize::try_from(self.last.since(self.first) + 1).unwrap_or(0)
    }

    /// The place of a span in the window, if the whole of it is inside.
    fn place_of(&self, span: MonthSpan) -> Option<usize> {
        let is_inside = self.first <= span.first() && span.last() <= self.last;
        usize::try_from(span.first().since(self.first)).ok().filter(|_| is_inside)
    }
}

/// A measure of one unit over time.
pub struct MeasureSeries<'a> {
    source: ValueSource<'a>,
    program: &'a Program,
    unit: UnitPosition,
    accumulating: SmallVec<[bool; 4]>,
    windows: SmallVec<[MonthWindow; 2]>,
    /// With the units of today: this unit does not exist today, so all its values are null.
    left_out: bool,
    /// Whether there may be units to which something that the program requires does not apply.
    may_not_apply: OnceCell<bool>,
    /// Whether the program contains `prev()`.
    reads_prior: bool,
}

impl<'a> MeasureSeries<'a> {
    /// The series of the periods `from` to `to`, which have the same step, with the months that
    /// they and their changes need.
    #[must_use]
    pub fn new(
        source: ValueSource<'a>,
        program: &'a Program,
        unit: UnitPosition,
        from: Period,
        to: Period,
    ) -> Self {
        Self {
            source,
            program,
            unit,
            accumulating: program.accumulating_operands(),
            windows: smallvec![MonthWindow::new(from.year_before().first(), to.last())],
            left_out: source.units.get(unit).is_some_and(|unit| source.geography.excludes(unit)),
            may_not_apply: OnceCell::new(),
            reads_prior: program.reads_prior(),
        }
    }

    /// The same series for a query that compares no period with the year before. It prepares the
    /// months from the one before the period `from`; earlier months are computed one by one.
    #[must_use]
    pub fn without_year_before(self, from: Period, to: Period) -> Self {
        self.with_windows([MonthWindow::new(from.previous().unwrap_or(from).first(), to.last())])
    }

    /// The same series for a query that compares each period with the one before and with that of
    /// the year before, and needs no months between. It prepares only these; others are computed
    /// one by one.
    #[must_use]
    pub fn with_compared_periods(self, from: Period, to: Period) -> Self {
        let past = MonthWindow::new(from.year_before().first(), to.year_before().last());
        let first = from.previous().unwrap_or(from).first();
        if past.last.plus(1) >= first {
            return self;
        }
        self.with_windows([past, MonthWindow::new(first, to.last())])
    }

    /// The same series for a query of one period that is compared with no other.
    #[must_use]
    pub fn only(self, period: Period) -> Self {
        self.with_windows([MonthWindow::new(period.first(), period.last())])
    }

    /// The same series, prepared also for changes of the year to date: with all months from January
    /// of the year before `from`, up to the period `to`.
    #[must_use]
    pub fn with_years_to_date(self, from: Period, to: Period) -> Self {
        self.with_windows([MonthWindow::new(from.year_before().first().january(), to.last())])
    }

    fn with_windows(self, windows: impl IntoIterator<Item = MonthWindow>) -> Self {
        Self { windows: windows.into_iter().collect(), ..self }
    }

    /// The months of a window.
    fn states<'s>(&'s self, window: &'s MonthWindow) -> &'s [Option<MonthState>] {
        window.states.get_or_init(|| {
            if self.left_out {
                return vec![None; window.len()];
            }
            self.source.states(self.program, self.unit, window.first, window.len())
        })
    }

    /// The position of the unit.
    #[must_use]
    pub fn unit(&self) -> UnitPosition {
        self.unit
    }

    /// The units and figures that the series is computed from.
    #[must_use]
    pub fn source(&self) -> &ValueSource<'a> {
        &self.source
    }

    /// The value of a period between `from` and `to`.
    #[must_use]
    pub fn value(&self, period: Period) -> Option<f64> {
        self.aggregate(period.into()).value
    }

    /// The point of a period between `from` and `to`; its numbers are computed one by one.
    #[must_use]
    pub fn compute(&self, period: Period) -> PointComputation<'_, 'a> {
        PointComputation {
            series: self,
            period,
            now: self.aggregate(period.into()),
            before: OnceCell::new(),
            year_before: OnceCell::new(),
        }
    }

    /// The point of a period between `from` and `to`.
    #[must_use]
    pub fn point(&self, period: Period) -> PeriodPoint {
        let point = self.compute(period);
        let (delta, delta_percent) = point.change();
        let (like_for_like_delta, like_for_like_percent, like_for_like_coverage) =
            point.like_for_like();
        let (year_delta, year_delta_percent) = point.year_change();
        PeriodPoint {
            period,
            value: point.value(),
            value_reason: point.value_reason(),
            origin: point.origin(),
            coverage: point.coverage(),
            taken_from: point.taken_from(),
            delta,
            delta_percent,
            like_for_like_delta,
            like_for_like_percent,
            like_for_like_coverage,
            year_delta,
            year_delta_percent,
            year_to_date: point.year_to_date(),
        }
    }

    /// Whether no operand adds up over months, so that the period takes its value from one month.
    fn has_only_stocks(&self) -> bool {
        self.accumulating.iter().all(|accumulates| !accumulates)
    }

    fn source_month(&self, now: &SpanAggregate<'_>) -> Option<Month> {
        let any_stock = self.accumulating.iter().any(|accumulates| !accumulates);
        let taken =
            now.taken.filter(|_| any_stock && !now.span.is_month() && now.value.is_some())?;
        Some(now.span.first().plus(i32::try_from(taken).ok()?))
    }

    fn months(&self, span: MonthSpan) -> Cow<'_, [Option<MonthState>]> {
        if self.left_out {
            return vec![None; span.months().len()].into();
        }
        match self.known_months(span) {
            Some(states) => Cow::Borrowed(states),
            None => span.months().map(|month| self.state(span, month)).collect(),
        }
    }

    /// The months of a span, if they are among those computed at first. These are computed as
    /// single months, so `prev()` reads the month before each.
    fn known_months(&self, span: MonthSpan) -> Option<&[Option<MonthState>]> {
        if self.reads_prior && !(span.is_month() && span.has_prior()) {
            return None;
        }
        let found = self.windows.iter().find_map(|window| Some((window, window.place_of(span)?)));
        let (window, place) = found?;
        self.states(window).get(place..place + span.months().len())
    }

    /// The state of a month in a span.
    fn state(&self, span: MonthSpan, month: Month) -> Option<MonthState> {
        self.source.state(self.program, self.unit, month, PriorMonths::in_span(month, span))
    }

    fn aggregate(&self, span: MonthSpan) -> SpanAggregate<'_> {
        self.aggregate_months(span, self.months(span))
    }

    /// The value over a span in which no month is missing; `None` if one is. A month in which the
    /// figures do not apply is not missing.
    fn aggregate_whole(&self, span: MonthSpan) -> Option<SpanAggregate<'_>> {
        let is_there = |(month, state): (Month, Option<&MonthState>)| {
            state.is_some() || self.is_not_applicable(span, month, state)
        };
        let months = match self.known_months(span) {
            Some(known) => {
                let mut all = span.months().zip(known.iter().map(Option::as_ref));
                all.all(is_there).then_some(Cow::Borrowed(known))?
            }
            None => {
                let mut found = Vec::with_capacity(span.months().len());
                for month in span.months() {
                    let state = self.state(span, month);
                    is_there((month, state.as_ref())).then_some(())?;
                    found.push(state);
                }
                found.into()
            }
        };
        Some(self.aggregate_months(span, months))
    }

    fn aggregate_months<'s>(
        &'s self,
        span: MonthSpan,
        months: Cow<'s, [Option<MonthState>]>,
    ) -> SpanAggregate<'s> {
        // A single month that is prepared, as most are.
        if let (true, Cow::Borrowed([Some(state)])) = (span.is_month(), &months) {
            return SpanAggregate {
                span,
                months,
                values: Some(Cow::Borrowed(&state.values)),
                value: self.program.apply(&state.values),
                coverage: Some(state.coverage),
                taken: Some(0),
                origin: Some(state.origin),
            };
        }
        let taken = months.iter().rposition(Option::is_some);
        // Operands of prepared months are not copied.
        let last = match &months {
            Cow::Borrowed(known) => last_month(known, taken)
                .map(|last| (Cow::Borrowed(last.values.as_slice()), last.coverage, last.origin)),
            Cow::Owned(found) => last_month(found, taken)
                .map(|last| (Cow::Owned(last.values.to_vec()), last.coverage, last.origin)),
        };
        let is_average = !span.is_month() && self.program.is_average();
        let Some((last, coverage, origin)) = last.filter(|_| !is_average) else {
            let mut all = span.months().zip(months.iter());
            let applies =
                !all.all(|(month, state)| self.is_not_applicable(span, month, state.as_ref()));
            return SpanAggregate {
                span,
                months,
                values: None,
                value: None,
                coverage: applies.then_some(0.0),
                taken: None,
                origin: None,
            };
        };
        if self.has_only_stocks() || span.is_month() {
            return SpanAggregate {
                span,
                months,
                value: self.program.apply(&last),
                coverage: Some(coverage),
                taken,
                origin: Some(origin),
                values: Some(last),
            };
        }
        let counted = || months.iter().flatten();
        let values = self.summed(counted(), &last);
        let applying = span.months().zip(months.iter());
        let applying = applying
            .filter(|(month, state)| !self.is_not_applicable(span, *month, state.as_ref()))
            .count();
        let coverage = counted().map(|state| state.coverage).sum::<f64>()
            / super::number::float(i64::try_from(applying).unwrap_or(1));
        let origin = counted().map(|state| state.origin).max();
        SpanAggregate {
            span,
            value: self.program.apply(&values),
            values: Some(Cow::Owned(values.into_vec())),
            coverage: Some(coverage),
            taken,
            origin,
            months,
        }
    }

    /// Whether a month of a span has no value because the figures apply to no leaf.
    fn is_not_applicable(&self, span: MonthSpan, month: Month, state: Option<&MonthState>) -> bool {
        let prior = PriorMonths::in_span(month, span);
        state.is_none() && !self.left_out && self.applies_nowhere(month, prior)
    }

    /// Whether the figures apply to no leaf below the unit in a month.
    fn applies_nowhere(&self, month: Month, prior: Option<PriorMonths>) -> bool {
        if !*self.may_not_apply.get_or_init(|| self.program.may_not_apply(&self.source.view)) {
            return false;
        }
        let applying = self.source.applying_leaves(self.program, self.unit, month, prior);
        applying.is_empty() && !self.source.leaves(self.unit, month).is_empty()
    }

    /// The operands over several months: flows are summed, the others have the values of the last
    /// month. An operand that like for like left without a contribution (NaN) adds nothing.
    fn summed<'m>(
        &self,
        months: impl Iterator<Item = &'m MonthState>,
        last: &[f64],
    ) -> OperandSums {
        let mut sums: OperandSums = last
            .iter()
            .zip(&self.accumulating)
            .map(|(value, accumulates)| if *accumulates { f64::NAN } else { *value })
            .collect();
        for month in months {
            for ((sum, value), _) in sums
                .iter_mut()
                .zip(&month.values)
                .zip(&self.accumulating)
                .filter(|((_, value), accumulates)| **accumulates && !value.is_nan())
            {
                *sum = if sum.is_nan() { *value } else { *sum + value };
            }
        }
        sums
    }

    /// The first reason for which no change can be given, in the order of
    /// docs/specification.md#changes.
    fn find_obstacle(
        &self,
        now: &SpanAggregate<'_>,
        then: Option<&SpanAggregate<'_>>,
    ) -> Option<UnavailableReason> {
        let Some(then) = then else { return Some(UnavailableReason::NotApplicable) };
        if now.is_not_applicable() || then.is_not_applicable() {
            return Some(UnavailableReason::NotApplicable);
        }
        if self.left_out {
            return Some(UnavailableReason::DefinitionChanged);
        }
        if now.value.is_none() {
            return Some(UnavailableReason::Missing);
        }
        let existed = then.span.months().any(|month| self.source.is_represented(self.unit, month));
        if !existed || self.program.is_broken(&then.window(), &now.window()) {
            return Some(UnavailableReason::DefinitionChanged);
        }
        then.value.is_none().then_some(UnavailableReason::NoPrior)
    }

    fn change(
        &self,
        now: &SpanAggregate<'_>,
        then: Option<&SpanAggregate<'_>>,
    ) -> (ChangeResult, ChangeResult) {
        let delta = match (self.find_obstacle(now, then), then) {
            (Some(reason), _) => Err(reason),
            (None, Some(then)) if self.are_comparable(now, then) => {
                if self.program.computed {
                    let values = now.value.zip(then.value).ok_or(UnavailableReason::Missing);
                    values.map(|(now, then)| now - then)
                } else {
                    self.difference(now.values.as_deref(), then.values.as_deref())
                }
            }
            _ => Err(UnavailableReason::CoverageChanged),
        };
        let percent = if self.program.percent {
            Err(UnavailableReason::NotApplicable)
        } else {
            delta.and_then(|delta| percent_of(delta, then.and_then(|then| then.value)))
        };
        (delta, percent)
    }

    fn difference(&self, now: Option<&[f64]>, then: Option<&[f64]>) -> ChangeResult {
        let now = now.ok_or(UnavailableReason::Missing)?;
        let then = then.ok_or(UnavailableReason::NoPrior)?;
        self.program.difference(now, then).ok_or(UnavailableReason::Missing)
    }

    /// Whether two periods cover the same leaves (docs/specification.md#comparable).
    fn are_comparable(&self, now: &SpanAggregate<'_>, then: &SpanAggregate<'_>) -> bool {
        let months = |place: usize| (month_at(now, place), month_at(then, place));
        let same = |place: usize, now_state: &MonthState, then_state: &MonthState| {
            let (month, before) = months(place);
            self.are_months_comparable((month, now_state), (before, then_state))
        };
        if let ([Some(now_state)], [Some(then_state)]) = (&*now.months, &*then.months) {
            return same(0, now_state, then_state);
        }
        if self.has_only_stocks() {
            let same_stock = |taken| match state_pair(now, then, taken) {
                (Some(a), Some(b)) => same(taken, a, b),
                _ => false,
            };
            return now.taken == then.taken && now.taken.is_some_and(same_stock);
        }
        (0..now.months.len()).all(|place| match state_pair(now, then, place) {
            (Some(a), Some(b)) => same(place, a, b),
            (None, None) => true,
            _ => false,
        })
    }

    /// Whether the unit has the same leaves in two months, and none of them was another one.
    fn is_unchanged(&self, now: Month, then: Month) -> bool {
        let units = self.source.units;
        units.same_epoch(now, then)
            || (units.exists(self.unit, now) && units.is_unchanged(self.unit, then, now))
    }

    fn are_months_comparable(
        &self,
        (now, now_state): (Month, &MonthState),
        (then, then_state): (Month, &MonthState),
    ) -> bool {
        let units = self.source.units;
        if self.is_unchanged(now, then) {
            return now_state.cover == then_state.cover;
        }
        let covered_now = self.source.leaves_covered(&now_state.cover, self.unit, now);
        let covered_then = self.source.leaves_covered(&then_state.cover, self.unit, then);
        let mut reached = BitSet::default();
        let became = self.successors_at((now, then));
        for leaf in covered_then.iter() {
            if units.successors_at(leaf, now).is_empty() {
                return false; // it ended without a successor
            }
            became(leaf).into_iter().for_each(|unit| reached.insert(unit));
        }
        // A leaf that was not covered then must not be part of what is covered now. It would be if
        // it still existed, or if it had merged into a covered leaf, from below this unit or from
        // elsewhere.
        let was_uncovered = |leaf: UnitPosition| !covered_then.contains(leaf);
        reached == covered_now
            && !covered_now.iter().any(|leaf| units.is_leaf(leaf, then) && was_uncovered(leaf))
            && !units.ended_leaves(then, now).any(|leaf| {
                was_uncovered(leaf)
                    && became(leaf).into_iter().any(|unit| covered_now.contains(unit))
            })
    }

    /// The leaves that a leaf of an earlier month became. Where this unit has a declared share of
    /// the leaf, what became of the other shares is left out (docs/specification.md#merged-units).
    fn successors_at(
        &self,
        (now, then): (Month, Month),
    ) -> impl Fn(UnitPosition) -> Vec<UnitPosition> {
        let shared = self.source.shared_leaves(self.unit, then);
        let inside =
            if shared.is_empty() { BitSet::default() } else { self.source.leaves(self.unit, now) };
        let units = self.source.units;
        move |leaf| {
            units
                .successors_at(leaf, now)
                .into_iter()
                .filter(|unit| !shared.contains(leaf) || inside.contains(*unit))
                .collect()
        }
    }

    fn like_for_like(
        &self,
        now: &SpanAggregate<'_>,
        then: Option<&SpanAggregate<'_>>,
    ) -> (ChangeResult, ChangeResult, Option<f64>) {
        let none = |reason| {
            (
                Err(reason),
                Err(if self.program.percent { UnavailableReason::NotApplicable } else { reason }),
                None,
            )
        };
        if self.program.is_average() {
            return (
                Err(UnavailableReason::NotApplicable),
                Err(UnavailableReason::NotApplicable),
                None,
            );
        }
        let then = match (self.find_obstacle(now, then), then) {
            (None, Some(then)) => then,
            (reason, _) => return none(reason.unwrap_or(UnavailableReason::NotApplicable)),
        };
        if self.are_comparable(now, then) {
            let (delta, percent) = self.change(now, Some(then));
            return (delta, percent, now.coverage);
        }
        let restricted = match self.restrict(now, then) {
            Ok(restricted) => restricted,
            Err(reason) => return none(reason),
        };
        let delta = self.difference(Some(&restricted.now), Some(&restricted.then));
        let (value_now, value_then) =
            (self.program.apply(&restricted.now), self.program.apply(&restricted.then));
        let delta = match (value_now, value_then) {
            (None, _) => Err(UnavailableReason::Missing),
            (_, None) => Err(UnavailableReason::NoPrior),
            _ => delta,
        };
        let percent = if self.program.percent {
            Err(UnavailableReason::NotApplicable)
        } else {
            delta.and_then(|delta| percent_of(delta, value_then))
        };
        let coverage = delta.is_ok().then_some(restricted.coverage);
        (delta, percent, coverage)
    }

    /// The operands of two periods over the leaves covered in both, month by month
    /// (docs/specification.md#like-for-like).
    fn restrict(
        &self,
        now: &SpanAggregate<'_>,
        then: &SpanAggregate<'_>,
    ) -> Result<CommonLeafOperands, UnavailableReason> {
        let places: Vec<usize> = if self.has_only_stocks() {
            if now.taken != then.taken {
                return Err(UnavailableReason::CoverageChanged);
            }
            now.taken.into_iter().collect()
        } else {
            (0..now.months.len()).collect()
        };
        let width = places
            .iter()
            .filter(|place| {
                let state = now.months.get(**place).and_then(Option::as_ref);
                !self.is_not_applicable(now.span, month_at(now, **place), state)
            })
            .count();
        // From the last month to the first, because stocks are taken from the last pair only.
        let (mut pairs, mut taken): (Vec<(MonthState, MonthState)>, Option<usize>) =
            (Vec::new(), None);
        for place in places.into_iter().rev() {
            let (Some(now_state), Some(then_state)) = state_pair(now, then, place) else {
                continue;
            };
            let needed: Vec<bool> = self
                .accumulating
                .iter()
                .map(|accumulates| *accumulates || taken.is_none())
                .collect();
            if let Some(pair) =
                self.restricted_months((now, now_state), (then, then_state), place, &needed)?
            {
                pairs.push(pair);
                taken = taken.or(Some(place));
            }
        }
        let (last, taken) = pairs.first().zip(taken).ok_or(UnavailableReason::CoverageChanged)?;
        if self.program.is_broken(&then.window_of(Some(taken)), &now.window_of(Some(taken))) {
            // A break between the two months of a pair
            return Err(UnavailableReason::DefinitionChanged);
        }
        let sides = (
            self.summed(pairs.iter().map(|pair| &pair.0), &last.0.values),
            self.summed(pairs.iter().map(|pair| &pair.1), &last.1.values),
        );
        let coverage = pairs.iter().map(|pair| pair.0.coverage).sum::<f64>()
            / super::number::float(i64::try_from(width).unwrap_or(1));
        Ok(CommonLeafOperands { now: sides.0, then: sides.1, coverage })
    }

    fn restricted_months(
        &self,
        (now, now_state): (&SpanAggregate<'_>, &MonthState),
        (then, then_state): (&SpanAggregate<'_>, &MonthState),
        place: usize,
        needed: &[bool],
    ) -> Result<Option<(MonthState, MonthState)>, UnavailableReason> {
        let (month, before) = (month_at(now, place), month_at(then, place));
        if self.are_months_comparable((month, now_state), (before, then_state)) {
            return Ok(Some((now_state.clone(), then_state.clone())));
        }
        let covered = (
            self.source.leaves_covered(&now_state.cover, self.unit, month),
            self.source.leaves_covered(&then_state.cover, self.unit, before),
        );
        let (kept_now, kept_then) = if self.is_unchanged(month, before) {
            let both = covered.0.intersection(&covered.1);
            (both.clone(), both)
        } else {
            leaves_in_both(
                self.source.units,
                self.successors_at((month, before)),
                (month, &covered.0),
                (before, &covered.1),
            )
        };
        if kept_now.is_empty() {
            return Ok(None);
        }
        let side = |side: &SpanAggregate<'_>, month: Month, state: &MonthState, kept: &BitSet| {
            let prior = PriorMonths::in_span(month, side.span);
            let gathered = state
                .gathered
                .clone()
                .or_else(|| self.source.gather(self.program, self.unit, month, prior).map(Rc::new));
            let restricted = gathered
                .map(|gathered| self.source.restrict(&gathered, month, kept, needed))
                .transpose();
            let restricted = restricted.map_err(|StatedAbove| UnavailableReason::StatedAbove)?;
            let applying = self.source.applying_leaves(self.program, self.unit, month, prior);
            let coverage = super::number::share(kept.len(), applying.len());
            Ok(restricted.map(|kept| {
                let mut values = kept.values();
                values.extend(self.program.days_of(month));
                MonthState { values, coverage, ..state.clone() }
            }))
        };
        Ok(side(now, month, now_state, &kept_now)?.zip(side(then, before, then_state, &kept_then)?))
    }

    /// Why there is no year to date, regardless of the figures.
    fn year_to_date_obstacle(&self) -> Option<UnavailableReason> {
        if self.program.is_average() || self.accumulating.iter().any(|accumulates| !accumulates) {
            return Some(UnavailableReason::NotApplicable);
        }
        self.left_out.then_some(UnavailableReason::DefinitionChanged)
    }

    fn year_to_date(&self, period: Period) -> ChangeResult {
        if let Some(reason) = self.year_to_date_obstacle() {
            return Err(reason);
        }
        whole_value(self.aggregate_whole(MonthSpan::year_to(period.last())).as_ref())
    }

    fn year_to_date_change(&self, period: Period) -> (ChangeResult, ChangeResult) {
        let none = |reason| {
            let percent =
                if self.program.percent { UnavailableReason::NotApplicable } else { reason };
            (Err(reason), Err(percent))
        };
        if let Some(reason) = self.year_to_date_obstacle() {
            return none(reason);
        }
        let span = MonthSpan::year_to(period.last());
        let now = self.aggregate_whole(span).unwrap_or_else(|| self.missing(span));
        let then = self.aggregate_whole(span.year_before());
        self.change(&now, Some(&then.unwrap_or_else(|| self.missing(span.year_before()))))
    }

    /// A span without a value.
    fn missing(&self, span: MonthSpan) -> SpanAggregate<'_> {
        SpanAggregate {
            span,
            months: Cow::Borrowed(&[]),
            values: None,
            value: None,
            coverage: Some(0.0),
            taken: None,
            origin: None,
        }
    }

    fn rolling(&self, period: Period, months: i32) -> RollingValue {
        let none = |reason| RollingValue { value: Err(reason), coverage: None };
        if self.program.is_average() || period.step() != Step::Month {
            return none(UnavailableReason::NotApplicable);
        }
        if self.left_out {
            return none(UnavailableReason::DefinitionChanged);
        }
        let found = self.aggregate_whole(MonthSpan::ending(period.last(), months));
        let value = whole_value(found.as_ref());
        let coverage = found.filter(|_| value.is_ok()).and_then(|found| found.coverage);
        RollingValue { value, coverage }
    }
}

/// The value of a span in which no month is missing, or the reason why it is null.
fn whole_value(found: Option<&SpanAggregate<'_>>) -> ChangeResult {
    let found = found.ok_or(UnavailableReason::Missing)?;
    if found.is_not_applicable() {
        return Err(UnavailableReason::NotApplicable);
    }
    found.value.ok_or(UnavailableReason::Missing)
}

struct CommonLeafOperands {
    now: OperandSums,
    then: OperandSums,
    coverage: f64,
}

fn last_month(months: &[Option<MonthState>], taken: Option<usize>) -> Option<&MonthState> {
    months.get(taken?)?.as_ref()
}

fn month_at(aggregate: &SpanAggregate<'_>, place: usize) -> Month {
    aggregate.span.first().plus(i32::try_from(place).unwrap_or(0))
}

fn state_pair<'p>(
    now: &'p SpanAggregate<'_>,
    then: &'p SpanAggregate<'_>,
    place: usize,
) -> (Option<&'p MonthState>, Option<&'p MonthState>) {
    let at =
        |aggregate: &'p SpanAggregate<'_>| aggregate.months.get(place).and_then(Option::as_ref);
    (at(now), at(then))
}

fn percent_of(delta: f64, then: Option<f64>) -> ChangeResult {
    match then {
        Some(then) if then != 0.0 => Ok(delta / then.abs() * 100.0),
        _ => Err(UnavailableReason::PriorZero),
    }
}

/// The leaves covered in both months, as leaves of `now` and as leaves of `then`, with predecessors
/// counted as their successors. Leaves that merged are kept or dropped together
/// (docs/specification.md#like-for-like).
fn leaves_in_both(
    units: &UnitForest,
    became_now: impl Fn(UnitPosition) -> Vec<UnitPosition>,
    (now, covered_now): (Month, &BitSet),
    (then, covered_then): (Month, &BitSet),
) -> (BitSet, BitSet) {
    // A leaf that ended without a successor is dropped. A leaf is kept when all its successors lie
    // outside this unit, which has a share of it.
    let continued = covered_then.iter().filter(|leaf| !units.successors_at(*leaf, now).is_empty());
    let mut became: BTreeMap<UnitPosition, Vec<UnitPosition>> =
        continued.map(|leaf| (leaf, became_now(leaf))).collect();
    let mut predecessors: BTreeMap<UnitPosition, BTreeSet<UnitPosition>> = BTreeMap::new();
    let others = units.ended_leaves(then, now).map(|leaf| (leaf, became_now(leaf)));
    for (leaf, units_now) in became.clone().into_iter().chain(others) {
        units_now.into_iter().for_each(|unit| {
            predecessors.entry(unit).or_default().insert(leaf);
        });
    }
    for leaf in covered_now.iter().filter(|leaf| units.is_leaf(*leaf, then)) {
        predecessors.entry(leaf).or_default().insert(leaf);
    }
    let mut kept: BTreeSet<UnitPosition> =
        covered_now.iter().filter(|leaf| predecessors.contains_key(leaf)).collect();
    loop {
        let size = (kept.len(), became.len());
        became.retain(|_, units_now| units_now.iter().all(|unit| kept.contains(unit)));
        kept.retain(|leaf| {
            predecessors
                .get(leaf)
                .is_some_and(|parts| parts.iter().all(|part| became.contains_key(part)))
        });
        if size == (kept.len(), became.len()) {
            return (kept.into_iter().collect(), became.into_keys().collect());
        }
    }
}
