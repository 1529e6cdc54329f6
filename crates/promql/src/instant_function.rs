//! Functions of instant vectors and scalars, such as `abs`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use promql_parser::label::MatchOp;

use super::date_function::DateFunction;
use super::error::QueryError;
use super::math_function::MathFunction;
use super::selector::SeriesSelector;
use super::value::{ExpressionValue, Sample, unique};
use crate::labels::{LabelSet, NAME};
use kpi::number::float;

/// A function of instant vectors and scalars.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InstantFunction {
    /// A function of each number.
    Math(MathFunction),
    /// A function of each number as a time, or of the time of the evaluation.
    Date(DateFunction),
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
    /// `pi`
    Pi,
    /// `timestamp` of anything but a selector: the time of the evaluation
    Timestamp,
}

/// The functions with names of their own.
const NAMED: [(&str, InstantFunction); 12] = [
    ("round", InstantFunction::Round),
    ("clamp", InstantFunction::Clamp),
    ("clamp_min", InstantFunction::ClampMin),
    ("clamp_max", InstantFunction::ClampMax),
    ("sort", InstantFunction::Sort),
    ("sort_desc", InstantFunction::SortDescending),
    ("absent", InstantFunction::Absent),
    ("scalar", InstantFunction::Scalar),
    ("vector", InstantFunction::Vector),
    ("time", InstantFunction::Time),
    ("pi", InstantFunction::Pi),
    ("timestamp", InstantFunction::Timestamp),
];

impl InstantFunction {
    /// Finds a function by its PromQL name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let own = NAMED.iter().find(|(known, _)| *known == name).map(|(_, function)| *function);
        own.or_else(|| MathFunction::named(name).map(Self::Math))
            .or_else(|| DateFunction::named(name).map(Self::Date))
    }

    /// Whether the result depends on the time of the evaluation; `arguments` is the number of its
    /// arguments.
    #[must_use]
    pub fn tells_time(self, arguments: usize) -> bool {
        match self {
            Self::Time | Self::Timestamp => true,
            Self::Date(_) => arguments == 0,
            Self::Math(_)
            | Self::Round
            | Self::Clamp
            | Self::ClampMin
            | Self::ClampMax
            | Self::Sort
            | Self::SortDescending
            | Self::Absent
            | Self::Scalar
            | Self::Vector
            | Self::Pi => false,
        }
    }

    /// Applies the function at `time` (milliseconds since 1970); `selector` is the argument of
    /// `absent` when that is a plain selector.
    ///
    /// # Errors
    /// Two resulting series have the same labels.
    pub fn apply(
        self,
        arguments: Vec<ExpressionValue>,
        time: i64,
        selector: Option<&SeriesSelector>,
    ) -> Result<ExpressionValue, QueryError> {
        let seconds = float(time) / 1e3;
        let mut arguments = arguments.into_iter();
        let first = arguments.next();
        let numbers: Vec<f64> = arguments.filter_map(|argument| argument.scalar()).collect();
        let number = |place: usize| numbers.get(place).copied().unwrap_or(f64::NAN);
        let vector = match first {
            Some(ExpressionValue::Vector(vector)) => vector,
            Some(ExpressionValue::Scalar(value)) if self == Self::Vector => labelless(value),
            Some(ExpressionValue::Scalar(_) | ExpressionValue::Text(_)) => Vec::new(),
            None if matches!(self, Self::Date(_)) => labelless(seconds),
            None => Vec::new(),
        };
        match self {
            Self::Math(function) => each(vector, |value| function.number(value)),
            Self::Date(function) => each(vector, |value| function.number(value)),
            Self::Timestamp => each(vector, |_| seconds),
            Self::Round => {
                let inverse = 1.0 / numbers.first().copied().unwrap_or(1.0);
                each(vector, |value| (value * inverse + 0.5).floor() / inverse)
            }
            Self::Clamp if number(0) > number(1) => Ok(ExpressionValue::Vector(Vec::new())),
            Self::Clamp => each(vector, |value| lesser(number(1), greater(number(0), value))),
            Self::ClampMin => each(vector, |value| greater(number(0), value)),
            Self::ClampMax => each(vector, |value| lesser(number(0), value)),
            Self::Sort => Ok(ExpressionValue::Vector(sorted(vector, false))),
            Self::SortDescending => Ok(ExpressionValue::Vector(sorted(vector, true))),
            Self::Absent if vector.is_empty() => Ok(absent(selector)),
            Self::Absent => Ok(ExpressionValue::Vector(Vec::new())),
            Self::Scalar => Ok(ExpressionValue::Scalar(if let [only] = vector.as_slice() {
                only.value
            } else {
                f64::NAN
            })),
            Self::Vector => Ok(ExpressionValue::Vector(vector)),
            Self::Time => Ok(ExpressionValue::Scalar(seconds)),
            Self::Pi => Ok(ExpressionValue::Scalar(std::f64::consts::PI)),
        }
    }
}

/// A number as a vector of one series without labels.
fn labelless(value: f64) -> Vec<Sample> {
    vec![Sample { labels: Arc::default(), value }]
}

/// The samples by their value; NaN comes last.
fn sorted(mut vector: Vec<Sample>, descending: bool) -> Vec<Sample> {
    vector.sort_by(|one, other| {
        let way = one.value.total_cmp(&other.value);
        let way = if descending { way.reverse() } else { way };
        one.value.is_nan().cmp(&other.value.is_nan()).then(way)
    });
    vector
}

/// The result of `absent` and `absent_over_time` when there are no series.
#[must_use]
pub fn absent(selector: Option<&SeriesSelector>) -> ExpressionValue {
    let labels = Arc::new(absent_labels(selector));
    ExpressionValue::Vector(vec![Sample { labels, value: 1.0 }])
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
