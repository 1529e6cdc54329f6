//! Functions of instants and of samples over time.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use promql_parser::label::MatchOp;
use regex::Regex;

use super::eval::{Sample, Value, unique};
use super::plan::Node;
use super::{Refusal, plan::Selector};
use crate::domain::number::float;
use crate::prometheus::labels::{Labels, NAME};

/// A function of instants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Function {
    /// `abs`
    Abs,
    /// `ceil`
    Ceil,
    /// `floor`
    Floor,
    /// `round`
    Round,
    /// `clamp`
    Clamp,
    /// `clamp_min`
    ClampMin,
    /// `clamp_max`
    ClampMax,
    /// `sort`
    Sort,
    /// `sort_desc`
    SortDescending,
    /// `label_replace`
    LabelReplace,
    /// `absent`
    Absent,
    /// `scalar`
    Scalar,
    /// `vector`
    Vector,
    /// `time`
    Time,
}

impl Function {
    /// The function of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "abs" => Self::Abs,
            "ceil" => Self::Ceil,
            "floor" => Self::Floor,
            "round" => Self::Round,
            "clamp" => Self::Clamp,
            "clamp_min" => Self::ClampMin,
            "clamp_max" => Self::ClampMax,
            "sort" => Self::Sort,
            "sort_desc" => Self::SortDescending,
            "label_replace" => Self::LabelReplace,
            "absent" => Self::Absent,
            "scalar" => Self::Scalar,
            "vector" => Self::Vector,
            "time" => Self::Time,
            _ => return None,
        })
    }

    /// Checks what can be told before anything is computed.
    ///
    /// # Errors
    /// A regular expression or label that is none.
    pub fn check(self, arguments: &[Node]) -> Result<(), Refusal> {
        if self == Self::LabelReplace {
            Replacement::new(
                &arguments
                    .iter()
                    .skip(1)
                    .map(
                        |argument| {
                            if let Node::Text(text) = argument {
                                text.clone()
                            } else {
                                String::new()
                            }
                        },
                    )
                    .collect::<Vec<_>>(),
            )?;
        }
        Ok(())
    }

    /// Carries it out; `selector` is what `absent` looked for, when that was a plain selector.
    ///
    /// # Errors
    /// Series that can no longer be told apart.
    pub fn apply(
        self,
        arguments: Vec<Value>,
        time: i64,
        selector: Option<&Selector>,
    ) -> Result<Value, Refusal> {
        let mut arguments = arguments.into_iter();
        let first = arguments.next();
        let mut number =
            || if let Some(Value::Scalar(number)) = arguments.next() { Some(number) } else { None };
        let vector =
            || if let Some(Value::Vector(vector)) = first.clone() { vector } else { Vec::new() };
        Ok(match self {
            Self::Abs => each(vector(), f64::abs)?,
            Self::Ceil => each(vector(), f64::ceil)?,
            Self::Floor => each(vector(), f64::floor)?,
            Self::Round => {
                let inverse = 1.0 / number().unwrap_or(1.0);
                each(vector(), |value| (value * inverse + 0.5).floor() / inverse)?
            }
            Self::Clamp => {
                let (least, most) = (number().unwrap_or(f64::NAN), number().unwrap_or(f64::NAN));
                if least > most {
                    Value::Vector(Vec::new())
                } else {
                    each(vector(), |value| lesser(most, greater(least, value)))?
                }
            }
            Self::ClampMin => {
                let least = number().unwrap_or(f64::NAN);
                each(vector(), |value| greater(least, value))?
            }
            Self::ClampMax => {
                let most = number().unwrap_or(f64::NAN);
                each(vector(), |value| lesser(most, value))?
            }
            Self::Sort | Self::SortDescending => {
                let mut sorted = vector();
                sorted.sort_by(|one, other| {
                    let way = one.value.total_cmp(&other.value);
                    one.value.is_nan().cmp(&other.value.is_nan()).then(if self == Self::Sort {
                        way
                    } else {
                        way.reverse()
                    })
                });
                Value::Vector(sorted)
            }
            Self::LabelReplace => {
                let texts: Vec<String> = arguments
                    .filter_map(
                        |argument| if let Value::Text(text) = argument { Some(text) } else { None },
                    )
                    .collect();
                Replacement::new(&texts)?.apply(vector())?
            }
            Self::Absent if vector().is_empty() => {
                Value::Vector(vec![Sample { labels: Arc::new(looked_for(selector)), value: 1.0 }])
            }
            Self::Absent => Value::Vector(Vec::new()),
            Self::Scalar => {
                Value::Scalar(if let [only] = vector().as_slice() { only.value } else { f64::NAN })
            }
            Self::Vector => match first {
                Some(Value::Scalar(value)) => {
                    Value::Vector(vec![Sample { labels: Arc::default(), value }])
                }
                other => other.unwrap_or(Value::Vector(Vec::new())),
            },
            Self::Time => Value::Scalar(float(time) / 1e3),
        })
    }
}

fn each(vector: Vec<Sample>, number: impl Fn(f64) -> f64) -> Result<Value, Refusal> {
    unique(
        vector
            .into_iter()
            .map(|sample| Sample {
                labels: Arc::new(sample.labels.nameless()),
                value: number(sample.value),
            })
            .collect(),
    )
}

/// The greater of two, not a number when one is none.
fn greater(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) }
}

/// The lesser of two, not a number when one is none.
fn lesser(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.min(other) }
}

/// What `absent` answers: the labels that the selector demands. As in Prometheus a label's first demand counts, and any other matcher of it
/// behind that one takes it away.
fn looked_for(selector: Option<&Selector>) -> Labels {
    let (mut demanded, mut found) = (HashSet::new(), BTreeMap::new());
    for matcher in selector
        .iter()
        .flat_map(|selector| &selector.matchers.matchers)
        .filter(|matcher| matcher.name != NAME)
    {
        if matches!(matcher.op, MatchOp::Equal) && demanded.insert(&matcher.name) {
            found.insert(matcher.name.as_str(), matcher.value.as_str());
        } else {
            found.remove(matcher.name.as_str());
        }
    }
    Labels::new(found.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}

/// `label_replace`.
struct Replacement {
    target: String,
    replacement: String,
    source: String,
    regex: Regex,
}

impl Replacement {
    fn new(texts: &[String]) -> Result<Self, Refusal> {
        let [target, replacement, source, regex] = texts else {
            return Err(Refusal::bad("label_replace() takes a vector and four texts"));
        };
        let regex = Regex::new(&format!("^(?s:{regex})$")).map_err(|_invalid| {
            Refusal::bad(format!("invalid regular expression in label_replace(): {regex}"))
        })?;
        let label = target
            .bytes()
            .enumerate()
            .all(|(n, b)| b == b'_' || b.is_ascii_alphabetic() || (n > 0 && b.is_ascii_digit()));
        if target.is_empty() || !label {
            return Err(Refusal::bad(format!(
                "invalid destination label name in label_replace(): {target}"
            )));
        }
        Ok(Self {
            target: target.clone(),
            replacement: replacement.clone(),
            source: source.clone(),
            regex,
        })
    }

    fn apply(&self, vector: Vec<Sample>) -> Result<Value, Refusal> {
        let one = |sample: Sample| {
            let Some(found) = self.regex.captures(sample.labels.get(&self.source)) else {
                return sample;
            };
            let mut value = String::new();
            found.expand(&self.replacement, &mut value);
            let labels = Arc::new(sample.labels.with(&self.target, &value));
            Sample { labels, ..sample }
        };
        unique(vector.into_iter().map(one).collect())
    }
}

/// A function of the samples in a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OverTime {
    /// `avg_over_time`
    Average,
    /// `min_over_time`
    Least,
    /// `max_over_time`
    Most,
    /// `sum_over_time`
    Sum,
    /// `count_over_time`
    Count,
    /// `last_over_time`
    Last,
    /// `present_over_time`
    Present,
    /// `absent_over_time`
    Absent,
    /// `stddev_over_time`
    Deviation,
    /// `stdvar_over_time`
    Variance,
    /// `quantile_over_time`
    Quantile,
    /// `delta`
    Delta,
    /// `changes`
    Changes,
}

impl OverTime {
    /// The function of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "avg_over_time" => Self::Average,
            "min_over_time" => Self::Least,
            "max_over_time" => Self::Most,
            "sum_over_time" => Self::Sum,
            "count_over_time" => Self::Count,
            "last_over_time" => Self::Last,
            "present_over_time" => Self::Present,
            "absent_over_time" => Self::Absent,
            "stddev_over_time" => Self::Deviation,
            "stdvar_over_time" => Self::Variance,
            "quantile_over_time" => Self::Quantile,
            "delta" => Self::Delta,
            "changes" => Self::Changes,
            _ => return None,
        })
    }

    /// Whether the result keeps the metric's name.
    #[must_use]
    pub fn keeps_name(self) -> bool {
        self == Self::Last
    }

    /// The number for the samples of one series, which are at least one.
    #[must_use]
    pub fn number(self, samples: &[f64], param: f64) -> Option<f64> {
        let (first, last) = (*samples.first()?, *samples.last()?);
        let count = float(i64::try_from(samples.len()).unwrap_or(i64::MAX));
        let sum = || samples.iter().sum::<f64>();
        let best = |better: fn(f64, f64) -> bool| {
            samples.iter().copied().fold(first, |best, value| {
                if best.is_nan() || better(value, best) { value } else { best }
            })
        };
        Some(match self {
            Self::Average => sum() / count,
            Self::Least => best(|value, best| value < best),
            Self::Most => best(|value, best| value > best),
            Self::Sum => sum(),
            Self::Count => count,
            Self::Last => last,
            Self::Present => 1.0,
            Self::Absent => return None,
            Self::Deviation => variance(samples).sqrt(),
            Self::Variance => variance(samples),
            Self::Quantile => quantile(param, samples),
            Self::Delta if samples.len() < 2 => return None,
            Self::Delta => last - first,
            Self::Changes => changes(samples),
        })
    }
}

/// The variance as Prometheus computes it, to the last digit: in one pass (Welford 1962) with the errors of its sums carried along (Neumaier
/// 1974), so that what is rounded afterwards is rounded alike.
fn variance(samples: &[f64]) -> f64 {
    let add = |(sum, error): (f64, f64), value: f64| {
        let new = sum + value;
        let lost = if sum.abs() >= value.abs() { (sum - new) + value } else { (value - new) + sum };
        (new, error + lost)
    };
    let (mut count, mut mean, mut squares) = (0.0, (0.0, 0.0), (0.0, 0.0));
    for value in samples {
        count += 1.0;
        let apart = value - (mean.0 + mean.1);
        mean = add(mean, apart / count);
        squares = add(squares, apart * (value - (mean.0 + mean.1)));
    }
    (squares.0 + squares.1) / count
}

/// How often a figure was followed by another one.
#[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
fn changes(samples: &[f64]) -> f64 {
    let changed = samples
        .iter()
        .zip(samples.iter().skip(1))
        .filter(|(one, other)| one != other && !(one.is_nan() && other.is_nan()))
        .count();
    float(i64::try_from(changed).unwrap_or(i64::MAX))
}

fn quantile(q: f64, samples: &[f64]) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if !(0.0..=1.0).contains(&q) {
        return if q < 0.0 { f64::NEG_INFINITY } else { f64::INFINITY };
    }
    let mut sorted = samples.to_vec();
    // What is not a number is the least.
    sorted.sort_by(|one, other| other.is_nan().cmp(&one.is_nan()).then(one.total_cmp(other)));
    let rank = q * float(i64::try_from(sorted.len().saturating_sub(1)).unwrap_or(0));
    let weight = rank - rank.floor();
    let (mut below, mut above) = (f64::NAN, f64::NAN);
    for (n, value) in (0_i64..).zip(&sorted) {
        let place = float(n);
        if place <= rank.floor() {
            below = *value;
        }
        if place <= rank.floor() + 1.0 {
            above = *value;
        }
    }
    below * (1.0 - weight) + above * weight
}
