//! Evaluates the nodes of a planned query at one time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::aggregate::AggregationParam;
use super::binary::binary;
use super::error::QueryError;
use super::instant_function::InstantFunction;
use super::limits::MAX_SAMPLES;
use super::node::{NameRemoval, PlanNode};
use super::plan::QueryPlan;
use super::source::{MemorySource, SeriesSource};
use super::time::first_second;
use super::value::{ExpressionValue, Sample, SampledSeries, unique};
use crate::labels::LabelSet;
use kpi::number::float;

/// The evaluation of one query, with what it has used so far.
pub(super) struct QueryEvaluation<'a, S> {
    pub(super) plan: &'a QueryPlan,
    pub(super) series: &'a [Vec<S>],
    /// First and last time of the query.
    pub(super) span: (i64, i64),
    /// First and last time of what is evaluated at present: the query or a subquery.
    pub(super) bounds: (i64, i64),
    until: Instant,
    samples: usize,
    /// Steps of subqueries.
    pub(super) steps: i64,
    pub(super) memory: &'a mut dyn MemorySource,
    /// For each node that removes names, the series that it had at any time, by their labels
    /// without the name.
    unnamed: Vec<HashMap<Arc<LabelSet>, Arc<LabelSet>>>,
    /// The series of each subquery, once it has been evaluated.
    pub(super) subqueries: Vec<Option<Arc<Vec<SampledSeries>>>>,
}

impl<'a, S: SeriesSource> QueryEvaluation<'a, S> {
    pub(super) fn new(
        plan: &'a QueryPlan,
        series: &'a [Vec<S>],
        span: (i64, i64),
        until: Instant,
        memory: &'a mut dyn MemorySource,
    ) -> Self {
        Self {
            plan,
            series,
            span,
            bounds: span,
            until,
            samples: 0,
            steps: 0,
            memory,
            unnamed: vec![HashMap::new(); plan.unnamed],
            subqueries: vec![None; plan.subqueries.len()],
        }
    }

    /// The labels without the name, at a node that removes names.
    ///
    /// # Errors
    /// Another series of this node differs only in the name of its metric, be it at another time
    /// of the query: Prometheus computes the series of all times together.
    pub(super) fn unname(
        &mut self,
        removal: NameRemoval,
        labels: &Arc<LabelSet>,
    ) -> Result<Arc<LabelSet>, QueryError> {
        let nameless = Arc::new(labels.nameless());
        let Some(seen) = self.unnamed.get_mut(removal.0) else { return Ok(nameless) };
        match seen.get_key_value(&nameless) {
            Some((_, known)) if known != labels => Err(QueryError::same_labels()),
            Some((nameless, _)) => Ok(Arc::clone(nameless)),
            None => {
                let pairs = labels.iter().count() * size_of::<(Arc<str>, Arc<str>)>();
                let entry = size_of::<(Arc<LabelSet>, Arc<LabelSet>)>();
                self.memory.take(2 * (entry + pairs))?;
                seen.insert(Arc::clone(&nameless), Arc::clone(labels));
                Ok(nameless)
            }
        }
    }

    /// The negated value; a text is kept.
    ///
    /// # Errors
    /// Two series differ only in the name of their metric.
    fn negate(
        &mut self,
        removal: NameRemoval,
        value: ExpressionValue,
    ) -> Result<ExpressionValue, QueryError> {
        let vector = match value {
            ExpressionValue::Scalar(number) => return Ok(ExpressionValue::Scalar(-number)),
            ExpressionValue::Text(text) => return Ok(ExpressionValue::Text(text)),
            ExpressionValue::Vector(vector) => vector,
        };
        let mut negated = Vec::with_capacity(vector.len());
        for Sample { labels, value } in vector {
            negated.push(Sample { labels: self.unname(removal, &labels)?, value: -value });
        }
        Ok(ExpressionValue::Vector(negated))
    }

    /// Counts samples against the limit and checks the time limit.
    pub(super) fn spend(&mut self, samples: usize) -> Result<(), QueryError> {
        self.samples = self.samples.saturating_add(samples);
        if self.samples > MAX_SAMPLES {
            return Err(QueryError::too_much(format!(
                "query processing would load too many samples into memory in query execution: more \
                 than {MAX_SAMPLES}"
            )));
        }
        if Instant::now() > self.until { Err(QueryError::timeout()) } else { Ok(()) }
    }

    /// The value of a node of the plan at one time.
    pub(super) fn value(
        &mut self,
        node: &PlanNode,
        time: i64,
    ) -> Result<ExpressionValue, QueryError> {
        match node {
            PlanNode::Number(number) => Ok(ExpressionValue::Scalar(*number)),
            PlanNode::Text(text) => Ok(ExpressionValue::Text(text.clone())),
            PlanNode::Select(number) => self.instant(*number, time, false),
            PlanNode::Timestamps(number) => self.instant(*number, time, true),
            PlanNode::Range(_) => Err(QueryError::bad(
                "a range of samples is allowed only inside a function over time",
            )),
            PlanNode::Negate(removal, inner) => {
                let value = self.value(inner, time)?;
                self.negate(*removal, value)
            }
            PlanNode::Binary(operator, left, right, matching) => {
                let (left, right) = (self.value(left, time)?, self.value(right, time)?);
                self.spend(left.series_count() + right.series_count())?;
                binary(*operator, left, right, matching)
            }
            PlanNode::Aggregate(aggregation, param, inner) => {
                let param = self.parameter(param.as_deref(), time)?;
                let vector = self.vector(inner, time)?;
                self.spend(vector.len())?;
                Ok(ExpressionValue::Vector(aggregation.apply(vector, &param, self.memory)?))
            }
            PlanNode::Call(function, arguments) => self.call(*function, arguments, time),
            PlanNode::LabelReplace(replacement, inner) => {
                let vector = self.vector(inner, time)?;
                replacement.apply(vector, self.memory)
            }
            PlanNode::LabelJoin(join, inner) => {
                let vector = self.vector(inner, time)?;
                join.apply(vector, self.memory)
            }
            PlanNode::OverTime(call) => self.over_time(call, time),
        }
    }

    /// The series of a node that has an instant vector as its value.
    fn vector(&mut self, node: &PlanNode, time: i64) -> Result<Vec<Sample>, QueryError> {
        match self.value(node, time)? {
            ExpressionValue::Vector(vector) => Ok(vector),
            ExpressionValue::Scalar(_) | ExpressionValue::Text(_) => {
                Err(QueryError::bad("expected type instant vector"))
            }
        }
    }

    /// The parameter of an aggregation.
    fn parameter(
        &mut self,
        node: Option<&PlanNode>,
        time: i64,
    ) -> Result<AggregationParam, QueryError> {
        let Some(node) = node else { return Ok(AggregationParam::Absent) };
        Ok(match self.value(node, time)? {
            ExpressionValue::Scalar(number) => AggregationParam::Number(number),
            ExpressionValue::Text(text) => AggregationParam::Label(text),
            ExpressionValue::Vector(_) => AggregationParam::Absent,
        })
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

    /// The values of a selector's series at one time, or the times of these samples in seconds.
    fn instant(
        &mut self,
        number: usize,
        time: i64,
        is_time: bool,
    ) -> Result<ExpressionValue, QueryError> {
        let (Some(selector), Some(series)) =
            (self.plan.selectors.get(number), self.series.get(number))
        else {
            return Ok(ExpressionValue::Vector(Vec::new()));
        };
        let (month, _) = selector.window(time, self.span);
        self.spend(series.len() + 1)?;
        let samples = series.iter().filter_map(|series| {
            Some(Sample { labels: Arc::clone(series.labels()), value: series.at(month)? })
        });
        if !is_time {
            return Ok(ExpressionValue::Vector(samples.collect()));
        }
        let value = float(first_second(month));
        let nameless = |sample: Sample| Arc::new(sample.labels.nameless());
        unique(samples.map(|sample| Sample { labels: nameless(sample), value }).collect())
    }
}
