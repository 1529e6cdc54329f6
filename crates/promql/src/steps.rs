//! Evaluates an expression at each step of a time span.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::QueryError;
use super::eval::QueryEvaluation;
use super::limits::MAX_VALUES;
use super::node::SteppedExpression;
use super::source::SeriesSource;
use super::value::{ExpressionValue, SampledSeries};
use crate::labels::LabelSet;
use kpi::period::Month;

/// The times of an evaluation in milliseconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct StepTimes {
    /// First step.
    pub(super) start: i64,
    /// End; the last step is not after it.
    pub(super) end: i64,
    /// Distance of the steps; at least 1.
    pub(super) step: i64,
}

impl StepTimes {
    /// The number of steps.
    pub(super) fn count(self) -> i64 {
        (self.end - self.start).div_euclid(self.step.max(1)).saturating_add(1).max(0)
    }
}

impl<S: SeriesSource> QueryEvaluation<'_, S> {
    /// The series of an expression over time, in order of their labels; at most `most` values.
    pub(super) fn values_at(
        &mut self,
        expression: &SteppedExpression,
        times: StepTimes,
        most: Option<usize>,
    ) -> Result<Vec<SampledSeries>, QueryError> {
        let around = std::mem::replace(&mut self.bounds, (times.start, times.end));
        let found = self.values_in_bounds(expression, times, most);
        self.bounds = around;
        found
    }

    fn values_in_bounds(
        &mut self,
        expression: &SteppedExpression,
        StepTimes { start, end, step }: StepTimes,
        most: Option<usize>,
    ) -> Result<Vec<SampledSeries>, QueryError> {
        let mut found = RangeResult::default();
        let (mut time, mut values) = (start, 0);
        // A value holds for its whole month: while all selectors read the same months, the result
        // is the same and is not computed again.
        let mut last: Option<HeldValue> = None;
        while time <= end {
            let months = self.months_read(expression, time);
            let same =
                last.as_ref().is_some_and(|held| held.months == months && !expression.tells_time);
            if !same {
                last.take().iter().for_each(|held| found.add(held));
                let value = self.value(&expression.node, time)?;
                last = Some(HeldValue { months, value, times: Vec::new() });
            }
            let Some(HeldValue { value, times, .. }) = &mut last else { break };
            values += value.series_count();
            if most.is_some_and(|most| values > most) {
                return Err(too_many_values());
            }
            // A growing list may have twice the capacity that it uses.
            let bytes = value.series_count().saturating_mul(2 * size_of::<(i64, f64)>());
            self.memory.take(bytes)?;
            self.spend(value.series_count())?;
            times.push(time);
            time += step.max(1);
        }
        last.iter().for_each(|held| found.add(held));
        Ok(found.0.into_iter().collect())
    }

    /// The months that the selectors of an expression read at a time.
    fn months_read(&self, expression: &SteppedExpression, time: i64) -> Vec<(Month, Month)> {
        let selectors = self.plan.selectors.get(expression.selectors.clone()).unwrap_or_default();
        selectors.iter().map(|selector| selector.window(time, self.span)).collect()
    }
}

/// The error of a response with too many values.
pub(super) fn too_many_values() -> QueryError {
    QueryError::too_much(format!(
        "the response would have more than {MAX_VALUES} values: query fewer series or use a longer \
         step"
    ))
}

/// The value of an expression at successive times at which all selectors read the same months.
struct HeldValue {
    months: Vec<(Month, Month)>,
    value: ExpressionValue,
    times: Vec<i64>,
}

/// The series so far.
#[derive(Default)]
struct RangeResult(BTreeMap<Arc<LabelSet>, Vec<(i64, f64)>>);

impl RangeResult {
    /// Adds a value at all of its times.
    fn add(&mut self, HeldValue { value, times, .. }: &HeldValue) {
        let mut extend = |labels: &Arc<LabelSet>, number: f64| {
            let points = self.0.entry(Arc::clone(labels)).or_default();
            points.extend(times.iter().map(|time| (*time, number)));
        };
        match value {
            ExpressionValue::Scalar(number) => extend(&Arc::default(), *number),
            ExpressionValue::Vector(vector) => {
                vector.iter().for_each(|sample| extend(&sample.labels, sample.value))
            }
            ExpressionValue::Text(_) => {}
        }
    }
}
