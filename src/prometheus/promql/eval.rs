//! A planned query, evaluated at one time or at each step of a range.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::binary::binary;
use super::functions::{Function, OverTime};
use super::plan::{At, Node, Plan, Selector};
use super::time::{first_instant, month_of};
use super::{MAX_SAMPLES, MAX_VALUES, Refusal};
use crate::domain::period::Month;
use crate::prometheus::labels::Labels;
use crate::prometheus::select::Series;

/// A value with its labels.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The labels.
    pub labels: Arc<Labels>,
    /// The value.
    pub value: f64,
}

/// What an expression gives at a time.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A number without labels.
    Scalar(f64),
    /// A number for each series.
    Vector(Vec<Sample>),
    /// A text.
    Text(String),
}

/// What a query gives.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// A number without labels, at a time.
    Scalar(i64, f64),
    /// A text, at a time.
    Text(i64, String),
    /// A number for each series, at a time.
    Vector(i64, Vec<Sample>),
    /// Numbers over time for each series, in order of the labels.
    Matrix(Vec<OverTimes>),
}

/// A series of a range query: its labels, and times with values.
pub type OverTimes = (Arc<Labels>, Vec<(i64, f64)>);

/// A label set as messages name it.
#[must_use]
pub fn written(labels: &Labels) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A vector, when all its series can be told apart.
///
/// # Errors
/// Two have the same labels.
pub fn unique(vector: Vec<Sample>) -> Result<Value, Refusal> {
    let mut seen = HashSet::with_capacity(vector.len());
    if vector.iter().all(|sample| seen.insert(&sample.labels)) {
        return Ok(Value::Vector(vector));
    }
    Err(Refusal::execution("vector cannot contain metrics with the same labelset"))
}

/// Evaluates a query at one time.
///
/// # Errors
/// Series that do not find one another, or the time is up.
pub fn evaluate_instant(
    plan: &Plan,
    series: &[Vec<Series>],
    time: i64,
    until: Instant,
) -> Result<Answer, Refusal> {
    let mut run = Run { plan, series, start: time, end: time, until, samples: 0 };
    Ok(match run.value(&plan.node, time)? {
        Value::Scalar(value) => Answer::Scalar(time, value),
        Value::Text(text) => Answer::Text(time, text),
        Value::Vector(mut vector) => {
            if !is_ordered(&plan.node) {
                vector.sort_by(|one, other| one.labels.cmp(&other.labels));
            }
            Answer::Vector(time, vector)
        }
    })
}

/// Whether a query asks for an order of its own.
fn is_ordered(node: &Node) -> bool {
    match node {
        Node::Call(Function::Sort | Function::SortDescending, _) => true,
        Node::Aggregate(_, param, _) => param.is_some(),
        Node::Number(_)
        | Node::Text(_)
        | Node::Select(_)
        | Node::Negate(_)
        | Node::Binary(..)
        | Node::Call(..)
        | Node::OverTime(..) => false,
    }
}

/// Evaluates a query at each step from one time to another.
///
/// # Errors
/// As for [`evaluate_instant`], and a query for a text.
pub fn evaluate_range(
    plan: &Plan,
    series: &[Vec<Series>],
    (start, end, step): (i64, i64, i64),
    until: Instant,
) -> Result<Answer, Refusal> {
    let mut run = Run { plan, series, start, end, until, samples: 0 };
    let mut found: BTreeMap<Arc<Labels>, Vec<(i64, f64)>> = BTreeMap::new();
    let (mut time, mut values) = (start, 0);
    // A month's value holds for all of it: while every selector looks at the same months, the answer stays the same.
    let mut last: Option<(Vec<(Month, Month)>, Value)> = None;
    while time <= end {
        let months: Vec<(Month, Month)> =
            plan.selectors.iter().map(|selector| run.window(selector, time)).collect();
        let value = match last.take().filter(|(before, _)| *before == months && !plan.tells_time) {
            Some((_, value)) => value,
            None => run.value(&plan.node, time)?,
        };
        values += if let Value::Vector(vector) = &value { vector.len() } else { 1 };
        if values > MAX_VALUES {
            return Err(Refusal::too_much(format!(
                "the answer would have more than {MAX_VALUES} values: ask for fewer series, or a longer step"
            )));
        }
        match &value {
            Value::Scalar(number) => found.entry(Arc::default()).or_default().push((time, *number)),
            Value::Vector(vector) => {
                run.spend(vector.len())?;
                vector.iter().for_each(|sample| {
                    found.entry(Arc::clone(&sample.labels)).or_default().push((time, sample.value))
                });
            }
            Value::Text(_) => {
                return Err(Refusal::bad(
                    "invalid expression type \"string\" for range query, must be Scalar or instant Vector",
                ));
            }
        }
        last = Some((months, value));
        time += step.max(1);
    }
    Ok(Answer::Matrix(found.into_iter().collect()))
}

/// One evaluation.
struct Run<'a> {
    plan: &'a Plan,
    series: &'a [Vec<Series>],
    start: i64,
    end: i64,
    until: Instant,
    samples: usize,
}

impl Run<'_> {
    /// Counts what is computed with, and looks at the clock.
    fn spend(&mut self, samples: usize) -> Result<(), Refusal> {
        self.samples += samples;
        if self.samples > MAX_SAMPLES {
            return Err(Refusal::too_much(format!(
                "query processing would load too many samples into memory in query execution: more than {MAX_SAMPLES}"
            )));
        }
        if Instant::now() > self.until { Err(Refusal::timeout()) } else { Ok(()) }
    }

    fn value(&mut self, node: &Node, time: i64) -> Result<Value, Refusal> {
        Ok(match node {
            Node::Number(number) => Value::Scalar(*number),
            Node::Text(text) => Value::Text(text.clone()),
            Node::Select(number) => Value::Vector(self.instant(*number, time)?),
            Node::Negate(inner) => match self.value(inner, time)? {
                Value::Scalar(number) => Value::Scalar(-number),
                Value::Vector(vector) => unique(
                    vector
                        .into_iter()
                        .map(|sample| Sample {
                            labels: Arc::new(sample.labels.nameless()),
                            value: -sample.value,
                        })
                        .collect(),
                )?,
                Value::Text(text) => Value::Text(text),
            },
            Node::Binary(operator, left, right, matching) => {
                let (left, right) = (self.value(left, time)?, self.value(right, time)?);
                let size = |value: &Value| {
                    if let Value::Vector(vector) = value { vector.len() } else { 1 }
                };
                self.spend(size(&left) + size(&right))?;
                binary(*operator, left, right, matching)?
            }
            Node::Aggregate(aggregation, param, inner) => {
                let param = param.as_ref().map(|param| self.value(param, time)).transpose()?;
                let number =
                    if let Some(Value::Scalar(number)) = param { Some(number) } else { None };
                match self.value(inner, time)? {
                    Value::Vector(vector) => {
                        self.spend(vector.len())?;
                        Value::Vector(aggregation.apply(vector, number))
                    }
                    Value::Scalar(_) | Value::Text(_) => {
                        return Err(Refusal::bad(
                            "expected type instant vector in aggregation expression",
                        ));
                    }
                }
            }
            Node::Call(function, arguments) => {
                let selector = if let Some(Node::Select(number)) = arguments.first() {
                    self.plan.selectors.get(*number)
                } else {
                    None
                };
                let values = arguments
                    .iter()
                    .map(|argument| self.value(argument, time))
                    .collect::<Result<Vec<_>, _>>()?;
                function.apply(values, time, selector)?
            }
            Node::OverTime(function, param, number) => {
                let param = param.as_ref().map(|param| self.value(param, time)).transpose()?;
                let param = if let Some(Value::Scalar(param)) = param { param } else { f64::NAN };
                self.over_time(*function, param, *number, time)?
            }
        })
    }

    /// When a selector looks, at a time.
    fn moment(&self, selector: &Selector, time: i64) -> i64 {
        let time = match selector.at {
            None => time,
            Some(At::Start) => self.start,
            Some(At::End) => self.end,
            Some(At::Time(time)) => time,
        };
        time - selector.offset
    }

    /// The months whose samples a selector looks at, at a time: the one it lies in, or those whose first instant is in the range.
    fn window(&self, selector: &Selector, time: i64) -> (Month, Month) {
        let until = self.moment(selector, time);
        let last = month_of(until);
        if selector.range == 0 {
            return (last, last);
        }
        let since = until - selector.range;
        let month = month_of(since);
        (if first_instant(month) < since { month.plus(1) } else { month }, last)
    }

    fn instant(&mut self, number: usize, time: i64) -> Result<Vec<Sample>, Refusal> {
        let (Some(selector), Some(series)) =
            (self.plan.selectors.get(number), self.series.get(number))
        else {
            return Ok(Vec::new());
        };
        let (month, _) = self.window(selector, time);
        self.spend(series.len() + 1)?;
        Ok(series
            .iter()
            .filter_map(|series| {
                Some(Sample { labels: Arc::clone(&series.labels), value: series.at(month)? })
            })
            .collect())
    }

    fn over_time(
        &mut self,
        function: OverTime,
        param: f64,
        number: usize,
        time: i64,
    ) -> Result<Value, Refusal> {
        let (Some(selector), Some(series)) =
            (self.plan.selectors.get(number), self.series.get(number))
        else {
            return Ok(Value::Vector(Vec::new()));
        };
        let (first, last) = self.window(selector, time);
        let length = usize::try_from(last.since(first) + 1).unwrap_or(0);
        self.spend(series.len().saturating_mul(length.min(1_000)) + 1)?;
        let mut found = Vec::new();
        for series in series {
            let samples: Vec<f64> = series.between(first, last).collect();
            if samples.is_empty() {
                continue;
            }
            if function == OverTime::Absent {
                return Ok(Value::Vector(Vec::new()));
            }
            if let Some(value) = function.number(&samples, param) {
                found.push(Sample {
                    labels: if function.keeps_name() {
                        Arc::clone(&series.labels)
                    } else {
                        Arc::new(series.labels.nameless())
                    },
                    value,
                });
            }
        }
        if function == OverTime::Absent {
            return Function::Absent.apply(vec![Value::Vector(Vec::new())], time, Some(selector));
        }
        unique(found)
    }
}
