//! Evaluates functions of ranges, and subqueries.

use std::sync::Arc;

use super::error::QueryError;
use super::eval::QueryEvaluation;
use super::instant_function::absent;
use super::limits::MAX_SUBQUERY_STEPS;
use super::node::{RangeArgument, RangeCall, SubqueryIndex, first_step};
use super::range_function::RangeFunction;
use super::source::SeriesSource;
use super::steps::StepTimes;
use super::time::first_instant;
use super::value::{ExpressionValue, Sample, SampledSeries};
use super::window::SampleWindow;
use crate::labels::LabelSet;
use kpi::period::Month;

/// This many samples of a subquery count as one each time that a function reads them: they were
/// computed and counted before.
const READ_AGAIN: usize = 8;

impl<S: SeriesSource> QueryEvaluation<'_, S> {
    /// The values of a function over the samples of a range.
    pub(super) fn over_time(
        &mut self,
        call: &RangeCall,
        time: i64,
    ) -> Result<ExpressionValue, QueryError> {
        let mut param = f64::NAN;
        for node in &call.params {
            param = self.value(node, time)?.scalar().unwrap_or(f64::NAN);
        }
        let mut found = RangeCallResult { call, param, time, samples: Vec::new(), is_empty: true };
        match call.range {
            RangeArgument::Selector(number) => self.over_selected(number, &mut found)?,
            RangeArgument::Subquery(index) => self.over_subquery(index, &mut found)?,
        }
        if call.function == RangeFunction::Absent {
            let selector = match call.range {
                RangeArgument::Selector(number) => self.plan.selectors.get(number),
                RangeArgument::Subquery(_) => None,
            };
            let none = ExpressionValue::Vector(Vec::new());
            return Ok(if found.is_empty { absent(selector) } else { none });
        }
        Ok(ExpressionValue::Vector(found.samples))
    }

    /// Applies a function to the samples of a selector's series.
    fn over_selected(
        &mut self,
        number: usize,
        found: &mut RangeCallResult<'_>,
    ) -> Result<(), QueryError> {
        let (Some(selector), Some(series)) =
            (self.plan.selectors.get(number), self.series.get(number))
        else {
            return Ok(());
        };
        let edges = selector.range.window(found.time, self.span);
        let window = selector.window(found.time, self.span);
        let length = usize::try_from(window.1.since(window.0) + 1).unwrap_or(0);
        self.spend(series.len().saturating_mul(length.min(1_000)) + 1)?;
        let instants = MonthInstants::new(window);
        for series in series {
            let points: Vec<(i64, f64)> = series
                .between(window.0, window.1)
                .filter_map(|(month, value)| Some((instants.get(month)?, value)))
                .collect();
            self.add(found, series.labels(), &points, edges)?;
        }
        Ok(())
    }

    /// Applies a function to the samples of a subquery's series.
    fn over_subquery(
        &mut self,
        index: SubqueryIndex,
        found: &mut RangeCallResult<'_>,
    ) -> Result<(), QueryError> {
        let Some(subquery) = self.plan.subqueries.get(index.0) else { return Ok(()) };
        let (start, end) = subquery.range.window(found.time, self.span);
        let series = self.subquery(index)?;
        for (labels, points) in series.iter() {
            let from = points.partition_point(|(time, _)| *time < start);
            let to = points.partition_point(|(time, _)| *time <= end);
            let points = points.get(from..to).unwrap_or_default();
            self.spend(points.len() / READ_AGAIN + 1)?;
            self.add(found, labels, points, (start, end))?;
        }
        Ok(())
    }

    /// Adds the result for one series.
    fn add(
        &mut self,
        found: &mut RangeCallResult<'_>,
        labels: &Arc<LabelSet>,
        points: &[(i64, f64)],
        (start, end): (i64, i64),
    ) -> Result<(), QueryError> {
        if points.is_empty() {
            return Ok(());
        }
        found.is_empty = false;
        let window = SampleWindow { points, start, end, time: found.time };
        let RangeCall { function, removal, .. } = found.call;
        if let Some(value) = function.number(&window, found.param) {
            let labels = if function.keeps_name() {
                Arc::clone(labels)
            } else {
                self.unname(*removal, labels)?
            };
            found.samples.push(Sample { labels, value });
        }
        Ok(())
    }

    /// The series of a subquery over all times at which it is needed: it is evaluated once.
    pub(super) fn subquery(
        &mut self,
        index: SubqueryIndex,
    ) -> Result<Arc<Vec<SampledSeries>>, QueryError> {
        let (Some(subquery), Some(known)) =
            (self.plan.subqueries.get(index.0), self.subqueries.get(index.0))
        else {
            return Ok(Arc::default());
        };
        if let Some(known) = known {
            return Ok(Arc::clone(known));
        }
        let (first, last) = self.bounds;
        let start = subquery.range.window(first, self.span).0;
        let end = subquery.range.window(last, self.span).1;
        let times = StepTimes { start: first_step(start, subquery.step), end, step: subquery.step };
        self.steps = self.steps.saturating_add(times.count());
        if self.steps > MAX_SUBQUERY_STEPS {
            return Err(QueryError::too_much(format!(
                "the subqueries have more than {MAX_SUBQUERY_STEPS} steps: use a longer step, such \
                 as [1y:30d]"
            )));
        }
        let series = Arc::new(self.values_at(&subquery.expression, times, None)?);
        if let Some(slot) = self.subqueries.get_mut(index.0) {
            *slot = Some(Arc::clone(&series));
        }
        Ok(series)
    }

    /// A range of samples as it is, at one time: the result of an instant query.
    pub(super) fn samples_of(
        &mut self,
        range: RangeArgument,
        time: i64,
    ) -> Result<Vec<SampledSeries>, QueryError> {
        let number = match range {
            RangeArgument::Selector(number) => number,
            RangeArgument::Subquery(index) => {
                let series = self.subquery(index)?;
                self.subqueries.clear();
                return Ok(Arc::unwrap_or_clone(series));
            }
        };
        let (Some(selector), Some(series)) =
            (self.plan.selectors.get(number), self.series.get(number))
        else {
            return Ok(Vec::new());
        };
        let (first, last) = selector.window(time, self.span);
        let instants = MonthInstants::new((first, last));
        let mut found = Vec::new();
        for series in series {
            let length = usize::try_from(last.since(first) + 1).unwrap_or(0);
            self.spend(1)?;
            self.memory.take(length.saturating_mul(size_of::<(i64, f64)>()))?;
            let points: Vec<(i64, f64)> = series
                .between(first, last)
                .filter_map(|(month, value)| Some((instants.get(month)?, value)))
                .collect();
            self.spend(points.len())?;
            if !points.is_empty() {
                found.push((Arc::clone(series.labels()), points));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }
}

/// The result of a function of ranges so far.
struct RangeCallResult<'a> {
    call: &'a RangeCall,
    param: f64,
    time: i64,
    samples: Vec<Sample>,
    /// Whether no series had a sample.
    is_empty: bool,
}

/// The first instants of successive months.
struct MonthInstants {
    first: Month,
    instants: Vec<i64>,
}

impl MonthInstants {
    fn new((first, last): (Month, Month)) -> Self {
        let months = (0..=last.since(first)).map(|n| first_instant(first.plus(n)));
        Self { first, instants: months.collect() }
    }

    fn get(&self, month: Month) -> Option<i64> {
        self.instants.get(usize::try_from(month.since(self.first)).ok()?).copied()
    }
}
