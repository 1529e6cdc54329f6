//! Functions of instant vectors and scalars, such as `abs`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use promql_parser::label::MatchOp;

use super::error::QueryError;
use super::selector::SeriesSelector;
use super::value::{ExpressionValue, Sample, unique};
use crate::labels::{LabelSet, NAME};
use kpi::number::float;

/// A function of instant vectors and scalars.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstantFunction {
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
    /// `absent`
    Absent,
    /// `scalar`
    Scalar,
    /// `vector`
    Vector,
    /// `time`
    Time,
}

impl InstantFunction {
    /// Finds a function by its PromQL name.
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
            "absent" => Self::Absent,
            "scalar" => Self::Scalar,
            "vector" => Self::Vector,
            "time" => Self::Time,
            _ => return None,
        })
    }

    /// Applies the function; `selector` is the argument of `absent` when that is a plain selector.
    ///
    /// # Errors
    /// Two resulting series have the same labels.
    pub fn apply(
        self,
        arguments: Vec<ExpressionValue>,
        time: i64,
        selector: Option<&SeriesSelector>,
    ) -> Result<ExpressionValue, QueryError> {
        let mut arguments = arguments.into_iter();
        let mut first = arguments.next();
        let mut number = || {
            if let Some(ExpressionValue::Scalar(number)) = arguments.next() {
                Some(number)
            } else {
                None
            }
        };
        let mut vector = || match &mut first {
            Some(ExpressionValue::Vector(vector)) => std::mem::take(vector),
            _ => Vec::new(),
        };
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
                    ExpressionValue::Vector(Vec::new())
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
                ExpressionValue::Vector(sorted)
            }
            Self::Absent if vector().is_empty() => ExpressionValue::Vector(vec![Sample {
                labels: Arc::new(absent_labels(selector)),
                value: 1.0,
            }]),
            Self::Absent => ExpressionValue::Vector(Vec::new()),
            Self::Scalar => ExpressionValue::Scalar(if let [only] = vector().as_slice() {
                only.value
            } else {
                f64::NAN
            }),
            Self::Vector => match first {
                Some(ExpressionValue::Scalar(value)) => {
                    ExpressionValue::Vector(vec![Sample { labels: Arc::default(), value }])
                }
                other => other.unwrap_or(ExpressionValue::Vector(Vec::new())),
            },
            Self::Time => ExpressionValue::Scalar(float(time) / 1e3),
        })
    }
}

fn each(vector: Vec<Sample>, number: impl Fn(f64) -> f64) -> Result<ExpressionValue, QueryError> {
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

/// The greater of two numbers; NaN when either is NaN.
fn greater(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) }
}

/// The lesser of two numbers; NaN when either is NaN.
fn lesser(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.min(other) }
}

/// The labels of the result of `absent`: those that the selector requires by `=`. As in Prometheus,
/// a further matcher of the same label removes it.
fn absent_labels(selector: Option<&SeriesSelector>) -> LabelSet {
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
    LabelSet::new(found.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
}
