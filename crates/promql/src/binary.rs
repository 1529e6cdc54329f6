//! Binary operators, and the matching of the series of two vectors.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::error::QueryError;
use super::value::{ExpressionValue, Sample, format_labels, unique};
use crate::labels::{LabelSet, NAME};

/// A binary operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BinaryOperator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Modulo,
    /// `^`
    Power,
    /// `atan2`
    Arctangent,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    GreaterOrEqual,
    /// `<=`
    LessOrEqual,
    /// `and`
    And,
    /// `or`
    Or,
    /// `unless`
    Unless,
}

/// How many series of one side may match one series of the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum MatchCardinality {
    /// One series on each side.
    #[default]
    OneToOne,
    /// Several of the left side (`group_left`); the listed labels are copied from the right side.
    ManyToOne(Vec<String>),
    /// Several of the right side (`group_right`); the listed labels are copied from the left side.
    OneToMany(Vec<String>),
    /// Set operators (`and`, `or`, `unless`).
    ManyToMany,
}

/// How the series of two vectors are matched.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VectorMatching {
    /// Cardinality of the match.
    pub card: MatchCardinality,
    /// Whether series match `on` these labels; otherwise on all labels except (`ignoring`) these.
    pub on: bool,
    /// The labels.
    pub labels: Vec<String>,
    /// Whether a comparison gives 0 or 1 (`bool`) instead of filtering.
    pub returns_bool: bool,
}

impl BinaryOperator {
    fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Greater
                | Self::Less
                | Self::GreaterOrEqual
                | Self::LessOrEqual
        )
    }

    /// Whether a result keeps the name of its metric: a filtering comparison, and `atan2` as in
    /// Prometheus 2.42.
    fn keeps_name(self, returns_bool: bool) -> bool {
        !returns_bool && (self.is_comparison() || self == Self::Arctangent)
    }

    #[expect(clippy::float_cmp, reason = "PromQL compares exactly")]
    fn holds(self, x: f64, y: f64) -> bool {
        match self {
            Self::Equal => x == y,
            Self::NotEqual => x != y,
            Self::Greater => x > y,
            Self::Less => x < y,
            Self::GreaterOrEqual => x >= y,
            Self::LessOrEqual => x <= y,
            Self::Add
            | Self::Subtract
            | Self::Multiply
            | Self::Divide
            | Self::Modulo
            | Self::Power
            | Self::Arctangent
            | Self::And
            | Self::Or
            | Self::Unless => false,
        }
    }

    fn number(self, x: f64, y: f64) -> f64 {
        match self {
            Self::Add => x + y,
            Self::Subtract => x - y,
            Self::Multiply => x * y,
            Self::Divide => x / y,
            Self::Modulo => x % y,
            Self::Power => x.powf(y),
            Self::Arctangent => x.atan2(y),
            Self::Equal
            | Self::NotEqual
            | Self::Greater
            | Self::Less
            | Self::GreaterOrEqual
            | Self::LessOrEqual
            | Self::And
            | Self::Or
            | Self::Unless => f64::from(u8::from(self.holds(x, y))),
        }
    }

    /// Returns the result for two numbers; a filtering comparison gives `keeps` when it is true.
    fn apply(self, (x, y): (f64, f64), returns_bool: bool, keeps: f64) -> Option<f64> {
        if self.is_comparison() && !returns_bool {
            self.holds(x, y).then_some(keeps)
        } else {
            Some(self.number(x, y))
        }
    }
}

/// Applies an operator to two values.
///
/// # Errors
/// The match is not unique, or a side is a text.
pub fn binary(
    operator: BinaryOperator,
    left: ExpressionValue,
    right: ExpressionValue,
    matching: &VectorMatching,
) -> Result<ExpressionValue, QueryError> {
    Ok(match (left, right) {
        (ExpressionValue::Scalar(x), ExpressionValue::Scalar(y)) => {
            ExpressionValue::Scalar(operator.number(x, y))
        }
        (ExpressionValue::Vector(vector), ExpressionValue::Scalar(y)) => {
            each(operator, vector, matching.returns_bool, |x| ((x, y), x))?
        }
        (ExpressionValue::Scalar(x), ExpressionValue::Vector(vector)) => {
            each(operator, vector, matching.returns_bool, |y| ((x, y), y))?
        }
        (ExpressionValue::Vector(left), ExpressionValue::Vector(right)) => {
            ExpressionValue::Vector(match operator {
                BinaryOperator::And | BinaryOperator::Or | BinaryOperator::Unless => {
                    set(operator, left, right, matching)
                }
                BinaryOperator::Add
                | BinaryOperator::Subtract
                | BinaryOperator::Multiply
                | BinaryOperator::Divide
                | BinaryOperator::Modulo
                | BinaryOperator::Power
                | BinaryOperator::Arctangent
                | BinaryOperator::Equal
                | BinaryOperator::NotEqual
                | BinaryOperator::Greater
                | BinaryOperator::Less
                | BinaryOperator::GreaterOrEqual
                | BinaryOperator::LessOrEqual => join_vectors(operator, left, right, matching)?,
            })
        }
        (ExpressionValue::Text(_), _) | (_, ExpressionValue::Text(_)) => {
            return Err(QueryError::bad(
                "binary expression must contain only scalar and instant vector types",
            ));
        }
    })
}

fn each(
    operator: BinaryOperator,
    vector: Vec<Sample>,
    returns_bool: bool,
    sides: impl Fn(f64) -> ((f64, f64), f64),
) -> Result<ExpressionValue, QueryError> {
    let named = operator.keeps_name(returns_bool);
    let one = |sample: Sample| {
        let (numbers, keeps) = sides(sample.value);
        let value = operator.apply(numbers, returns_bool, keeps)?;
        Some(Sample {
            labels: if named { sample.labels } else { Arc::new(sample.labels.nameless()) },
            value,
        })
    };
    unique(vector.into_iter().filter_map(one).collect())
}

impl VectorMatching {
    /// The labels that decide which series match.
    fn signature(&self, labels: &LabelSet) -> LabelSet {
        let is_listed = |name: &str| self.labels.iter().any(|label| label == name);
        labels.kept(|name| if self.on { is_listed(name) } else { name != NAME && !is_listed(name) })
    }

    /// The labels of a result: those of the "many" side, or the labels that both sides were matched
    /// on.
    fn result(&self, many: &LabelSet, one: &LabelSet, keeps_name: bool) -> LabelSet {
        let named = if keeps_name { many.clone() } else { many.nameless() };
        let is_listed = |name: &str| self.labels.iter().any(|label| label == name);
        match &self.card {
            MatchCardinality::OneToOne | MatchCardinality::ManyToMany if self.on => {
                named.kept(is_listed)
            }
            MatchCardinality::OneToOne | MatchCardinality::ManyToMany => {
                named.kept(|name| !is_listed(name))
            }
            MatchCardinality::ManyToOne(include) | MatchCardinality::OneToMany(include) => {
                include.iter().fold(named, |labels, name| labels.with(name, one.get(name)))
            }
        }
    }
}

fn set(
    operator: BinaryOperator,
    left: Vec<Sample>,
    right: Vec<Sample>,
    matching: &VectorMatching,
) -> Vec<Sample> {
    let signatures = |side: &[Sample]| {
        side.iter()
            .map(|sample| matching.signature(&sample.labels))
            .collect::<std::collections::HashSet<LabelSet>>()
    };
    if operator == BinaryOperator::Or {
        let known = signatures(&left);
        let more =
            right.into_iter().filter(|sample| !known.contains(&matching.signature(&sample.labels)));
        return left.into_iter().chain(more).collect();
    }
    let known = signatures(&right);
    left.into_iter()
        .filter(|sample| {
            known.contains(&matching.signature(&sample.labels)) == (operator == BinaryOperator::And)
        })
        .collect()
}

fn join_vectors(
    operator: BinaryOperator,
    left: Vec<Sample>,
    right: Vec<Sample>,
    matching: &VectorMatching,
) -> Result<Vec<Sample>, QueryError> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new()); // without matches there are no ambiguous ones
    }
    let swapped = matches!(matching.card, MatchCardinality::OneToMany(_));
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut partners: HashMap<LabelSet, &Sample> = HashMap::with_capacity(one.len());
    for sample in &one {
        if let Some(other) = partners.insert(matching.signature(&sample.labels), sample) {
            let side = if swapped { "left" } else { "right" };
            return Err(QueryError::execution(format!(
                "found duplicate series for the match group on the {side} hand-side of the \
                 operation: [{}, {}];many-to-many matching not allowed: matching labels must be \
                 unique on one side",
                format_labels(&sample.labels),
                format_labels(&other.labels)
            )));
        }
    }
    let keeps_name = operator.keeps_name(matching.returns_bool);
    let one_to_one = matches!(matching.card, MatchCardinality::OneToOne);
    let mut met: HashMap<LabelSet, Option<LabelSet>> = HashMap::new();
    let mut found = Vec::new();
    for sample in &many {
        let signature = matching.signature(&sample.labels);
        let Some(partner) = partners.get(&signature) else { continue };
        let numbers =
            if swapped { (partner.value, sample.value) } else { (sample.value, partner.value) };
        let Some(value) = operator.apply(numbers, matching.returns_bool, numbers.0) else {
            continue;
        };
        let labels = matching.result(&sample.labels, &partner.labels, keeps_name);
        let key = if one_to_one { signature } else { labels.clone() };
        match met.entry(key) {
            Entry::Vacant(slot) => slot.insert(None),
            Entry::Occupied(_) if one_to_one => {
                return Err(QueryError::execution(
                    "multiple matches for labels: many-to-one matching must be explicit \
                     (group_left/group_right)",
                ));
            }
            Entry::Occupied(_) => {
                return Err(QueryError::execution(
                    "multiple matches for labels: grouping labels must ensure unique matches",
                ));
            }
        };
        found.push(Sample { labels: Arc::new(labels), value });
    }
    Ok(found)
}
