//! Evaluates a planned query at one time or at each step of a range.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::binary::binary;
use super::error::QueryError;
use super::instant_function::InstantFunction;
use super::limits::{MAX_SAMPLES, MAX_VALUES};
use super::plan::{PlanNode, QueryPlan};
use super::range_function::RangeFunction;
use super::source::{MemorySource, SeriesSource};
use super::value::{ExpressionValue, Sample, unique};
use crate::labels::LabelSet;
use kpi::period::Month;

/// The result of a query.
#[derive(Clone, PartialEq, Debug)]
pub enum QueryOutput {
    /// A number without labels, at a time.
    Scalar(i64, f64),
    /// A text, at a time.
    Text(i64, String),
    /// A number for each series, at a time.
    Vector(i64, Vec<Sample>),
    /// Numbers over time for each series, in order of the labels.
    Matrix(Vec<SampledSeries>),
}

/// A series of a range query: its labels, and times with values.
pub type SampledSeries = (Arc<LabelSet>, Vec<(i64, f64)>);

/// Evaluates a query at one time.
///
/// # Errors
/// Series cannot be matched, or a limit or the time limit is exceeded.
pub fn evaluate_instant<S: SeriesSource>(
    plan: &QueryPlan,
    series: &[Vec<S>],
    time: i64,
    until: Instant,
    memory: &mut dyn MemorySource,
) -> Result<QueryOutput, QueryError> {
    let mut run = QueryEvaluation::new(plan, series, (time, time), until, memory);
    Ok(match run.value(&plan.node, time)? {
        ExpressionValue::Scalar(value) => QueryOutput::Scalar(time, value),
        ExpressionValue::Text(text) => QueryOutput::Text(time, text),
        ExpressionValue::Vector(mut vector) => {
            if !is_ordered(&plan.node) {
                vector.sort_by(|one, other| one.labels.cmp(&other.labels));
            }
            QueryOutput::Vector(time, vector)
        }
    })
}

/// Whether a query orders its result itself (`sort`, `topk`).
fn is_ordered(node: &PlanNode) -> bool {
    match node {
        PlanNode::Call(InstantFunction::Sort | InstantFunction::SortDescending, _) => true,
        PlanNode::Aggregate(_, param, _) => param.is_some(),
        PlanNode::Number(_)
        | PlanNode::Text(_)
        | PlanNode::Select(_)
        | PlanNode::Negate(..)
        | PlanNode::Binary(..)
        | PlanNode::Call(..)
        | PlanNode::LabelReplace(..)
        | PlanNode::OverTime(..) => false,
    }
}

/// Evaluates a query at each step from one time to another.
///
/// # Errors
/// As for [`evaluate_instant`]; also a query that has a text as its value.
pub fn evaluate_range<S: SeriesSource>(
    plan: &QueryPlan,
    series: &[Vec<S>],
    (start, end, step): (i64, i64, i64),
    until: Instant,
    memory: &mut dyn MemorySource,
) -> Result<QueryOutput, QueryError> {
    let mut run = QueryEvaluation::new(plan, series, (start, end), until, memory);
    let mut found = RangeResult::default();
    let (mut time, mut values) = (start, 0);
    // A value holds for its whole month: while all selectors read the same months, the result is
    // the same and is not computed again.
    let mut last: Option<HeldValue> = None;
    while time <= end {
        let months: Vec<(Month, Month)> =
            plan.selectors.iter().map(|selector| selector.window(time, run.span)).collect();
        let same = last.as_ref().is_some_and(|held| held.months == months && !plan.tells_time);
        if !same {
            last.take().iter().for_each(|held| found.add(held));
            let value = run.value(&plan.node, time)?;
            last = Some(HeldValue { months, value, times: Vec::new() });
        }
        let Some(HeldValue { value, times, .. }) = &mut last else { break };
        values += value.series_count();
        if values > MAX_VALUES {
            return Err(QueryError::too_much(format!(
                "the response would have more than {MAX_VALUES} values: query fewer series or use \
                 a longer step"
            )));
        }
        // A growing list may have twice the capacity that it uses.
        run.memory.take(value.series_count().saturating_mul(2 * size_of::<(i64, f64)>()))?;
        match value {
            ExpressionValue::Scalar(_) => {}
            ExpressionValue::Vector(vector) => run.spend(vector.len())?,
            ExpressionValue::Text(_) => {
                return Err(QueryError::bad(
                    "invalid expression type \"string\" for range query, must be Scalar or instant \
                     Vector",
                ));
            }
        }
        times.push(time);
        time += step.max(1);
    }
    last.iter().for_each(|held| found.add(held));
    Ok(QueryOutput::Matrix(found.0.into_iter().collect()))
}

/// The value of a range query at successive times at which all selectors read the same months.
struct HeldValue {
    months: Vec<(Month, Month)>,
    value: ExpressionValue,
    times: Vec<i64>,
}

/// The series of a range query so far.
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

/// The evaluation of one query, with what it has used so far.
struct QueryEvaluation<'a, S> {
    plan: &'a QueryPlan,
    series: &'a [Vec<S>],
    /// First and last time of the query.
    span: (i64, i64),
    until: Instant,
    samples: usize,
    memory: &'a mut dyn MemorySource,
    /// For each negation the series that it had at any time, by their labels without the name.
    negated: Vec<HashMap<Arc<LabelSet>, Arc<LabelSet>>>,
}

impl<'a, S: SeriesSource> QueryEvaluation<'a, S> {
    fn new(
        plan: &'a QueryPlan,
        series: &'a [Vec<S>],
        span: (i64, i64),
        until: Instant,
        memory: &'a mut dyn MemorySource,
    ) -> Self {
        let negated = vec![HashMap::new(); plan.negations];
        Self { plan, series, span, until, samples: 0, memory, negated }
    }

    /// The negated value; a text is kept.
    ///
    /// # Errors
    /// Two series differ only in the name of their metric, be it at different times of the query:
    /// Prometheus negates the series of all times together.
    fn negate(
        &mut self,
        number: usize,
        value: ExpressionValue,
    ) -> Result<ExpressionValue, QueryError> {
        let vector = match value {
            ExpressionValue::Scalar(number) => return Ok(ExpressionValue::Scalar(-number)),
            ExpressionValue::Text(text) => return Ok(ExpressionValue::Text(text)),
            ExpressionValue::Vector(vector) => vector,
        };
        let Some(seen) = self.negated.get_mut(number) else {
            return Ok(ExpressionValue::Vector(vector));
        };
        let mut negated = Vec::with_capacity(vector.len());
        for Sample { labels, value } in vector {
            let nameless = Arc::new(labels.nameless());
            match seen.get(&nameless) {
                Some(known) if *known != labels => return Err(QueryError::same_labels()),
                Some(_) => {}
                None => {
                    let pairs = labels.iter().count() * size_of::<(Arc<str>, Arc<str>)>();
                    let entry = size_of::<(Arc<LabelSet>, Arc<LabelSet>)>();
                    self.memory.take(2 * (entry + pairs))?;
                    seen.insert(Arc::clone(&nameless), labels);
                }
            }
            negated.push(Sample { labels: nameless, value: -value });
        }
        Ok(ExpressionValue::Vector(negated))
    }

    /// Counts samples against the limit and checks the time limit.
    fn spend(&mut self, samples: usize) -> Result<(), QueryError> {
        self.samples += samples;
        if self.samples > MAX_SAMPLES {
            return Err(QueryError::too_much(format!(
                "query processing would load too many samples into memory in query execution: more \
                 than {MAX_SAMPLES}"
            )));
        }
        if Instant::now() > self.until { Err(QueryError::timeout()) } else { Ok(()) }
    }

    /// The value of a node of the plan at one time.
    fn value(&mut self, node: &PlanNode, time: i64) -> Result<ExpressionValue, QueryError> {
        match node {
            PlanNode::Number(number) => Ok(ExpressionValue::Scalar(*number)),
            PlanNode::Text(text) => Ok(ExpressionValue::Text(text.clone())),
            PlanNode::Select(number) => Ok(ExpressionValue::Vector(self.instant(*number, time)?)),
            PlanNode::Negate(number, inner) => {
                let value = self.value(inner, time)?;
                self.negate(*number, value)
            }
            PlanNode::Binary(operator, left, right, matching) => {
                let (left, right) = (self.value(left, time)?, self.value(right, time)?);
                self.spend(left.series_count() + right.series_count())?;
                binary(*operator, left, right, matching)
            }
            PlanNode::Aggregate(aggregation, param, inner) => {
                let param = self.parameter(param.as_deref(), time)?;
                let ExpressionValue::Vector(vector) = self.value(inner, time)? else {
                    return Err(QueryError::bad(
                        "expected type instant vector in aggregation expression",
                    ));
                };
                self.spend(vector.len())?;
                Ok(ExpressionValue::Vector(aggregation.apply(vector, param)))
            }
            PlanNode::Call(function, arguments) => self.call(*function, arguments, time),
            PlanNode::LabelReplace(replacement, inner) => match self.value(inner, time)? {
                ExpressionValue::Vector(vector) => replacement.apply(vector, self.memory),
                other @ (ExpressionValue::Scalar(_) | ExpressionValue::Text(_)) => Ok(other),
            },
            PlanNode::OverTime(function, param, number) => {
                let param = self.parameter(param.as_deref(), time)?.unwrap_or(f64::NAN);
                self.over_time(*function, param, *number, time)
            }
        }
    }

    /// The number of a parameter; none when it is absent or not a number.
    fn parameter(&mut self, node: Option<&PlanNode>, time: i64) -> Result<Option<f64>, QueryError> {
        let value = node.map(|node| self.value(node, time)).transpose()?;
        Ok(if let Some(ExpressionValue::Scalar(number)) = value { Some(number) } else { None })
    }

    fn call(
        &mut self,
        function: InstantFunction,
        arguments: &[PlanNode],
        time: i64,
    ) -> Result<ExpressionValue, QueryError> {
        let selector = if let Some(PlanNode::Select(number)) = arguments.first() {
            self.plan.selectors.get(*number)
        } else {
            None
        };
        let values = arguments
            .iter()
            .map(|argument| self.value(argument, time))
            .collect::<Result<Vec<_>, _>>()?;
        function.apply(values, time, selector)
    }

    /// The values of a selector's series at one time.
    fn instant(&mut self, number: usize, time: i64) -> Result<Vec<Sample>, QueryError> {
        let (Some(selector), Some(series)) =
            (self.plan.selectors.get(number), self.series.get(number))
        else {
            return Ok(Vec::new());
        };
        let (month, _) = selector.window(time, self.span);
        self.spend(series.len() + 1)?;
        Ok(series
            .iter()
            .filter_map(|series| {
                Some(Sample { labels: Arc::clone(series.labels()), value: series.at(month)? })
            })
            .collect())
    }

    /// The values of a function over the samples of a range selector.
    fn over_time(
        &mut self,
        function: RangeFunction,
        param: f64,
        number: usize,
        time: i64,
    ) -> Result<ExpressionValue, QueryError> {
        let (Some(selector), Some(series)) =
            (self.plan.selectors.get(number), self.series.get(number))
        else {
            return Ok(ExpressionValue::Vector(Vec::new()));
        };
        let (first, last) = selector.window(time, self.span);
        let length = usize::try_from(last.since(first) + 1).unwrap_or(0);
        self.spend(series.len().saturating_mul(length.min(1_000)) + 1)?;
        let mut found = Vec::new();
        for series in series {
            let samples: Vec<f64> = series.between(first, last).collect();
            if samples.is_empty() {
                continue;
            }
            if function == RangeFunction::Absent {
                return Ok(ExpressionValue::Vector(Vec::new()));
            }
            if let Some(value) = function.number(&samples, param) {
                found.push(Sample {
                    labels: if function.keeps_name() {
                        Arc::clone(series.labels())
                    } else {
                        Arc::new(series.labels().nameless())
                    },
                    value,
                });
            }
        }
        if function == RangeFunction::Absent {
            return InstantFunction::Absent.apply(
                vec![ExpressionValue::Vector(Vec::new())],
                time,
                Some(selector),
            );
        }
        unique(found)
    }
}
