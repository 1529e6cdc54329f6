//! Operators between two sides, and how the series of two vectors find one another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::eval::{Sample, Value};
use super::{Refusal, eval};
use crate::prometheus::labels::{Labels, NAME};

/// What stands between two sides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
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

/// How many series of one side may meet one of the other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Card {
    /// One.
    #[default]
    OneToOne,
    /// Several of the left side (`group_left`), which take labels over from the right.
    ManyToOne(Vec<String>),
    /// Several of the right side (`group_right`).
    OneToMany(Vec<String>),
    /// Sets.
    ManyToMany,
}

/// How series find one another.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Matching {
    /// How many.
    pub card: Card,
    /// By these labels alone; else by all but these.
    pub on: bool,
    /// The labels.
    pub labels: Vec<String>,
    /// A comparison gives 0 or 1 instead of leaving out what it is not true of.
    pub returns_bool: bool,
}

impl Operator {
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

    /// The result for two numbers: of a comparison that leaves out, `keeps` where it is true.
    fn apply(self, (x, y): (f64, f64), returns_bool: bool, keeps: f64) -> Option<f64> {
        if self.is_comparison() && !returns_bool {
            self.holds(x, y).then_some(keeps)
        } else {
            Some(self.number(x, y))
        }
    }
}

/// Carries out an operator.
///
/// # Errors
/// Series that do not find one another uniquely.
pub fn binary(
    operator: Operator,
    left: Value,
    right: Value,
    matching: &Matching,
) -> Result<Value, Refusal> {
    Ok(match (left, right) {
        (Value::Scalar(x), Value::Scalar(y)) => Value::Scalar(operator.number(x, y)),
        (Value::Vector(vector), Value::Scalar(y)) => {
            each(operator, vector, matching.returns_bool, |x| ((x, y), x))?
        }
        (Value::Scalar(x), Value::Vector(vector)) => {
            each(operator, vector, matching.returns_bool, |y| ((x, y), y))?
        }
        (Value::Vector(left), Value::Vector(right)) => Value::Vector(match operator {
            Operator::And | Operator::Or | Operator::Unless => set(operator, left, right, matching),
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Modulo
            | Operator::Power
            | Operator::Equal
            | Operator::NotEqual
            | Operator::Greater
            | Operator::Less
            | Operator::GreaterOrEqual
            | Operator::LessOrEqual => meet(operator, left, right, matching)?,
        }),
        (Value::Text(_), _) | (_, Value::Text(_)) => {
            return Err(Refusal::bad(
                "binary expression must contain only scalar and instant vector types",
            ));
        }
    })
}

fn each(
    operator: Operator,
    vector: Vec<Sample>,
    returns_bool: bool,
    sides: impl Fn(f64) -> ((f64, f64), f64),
) -> Result<Value, Refusal> {
    let named = operator.is_comparison() && !returns_bool;
    let one = |sample: Sample| {
        let (numbers, keeps) = sides(sample.value);
        let value = operator.apply(numbers, returns_bool, keeps)?;
        Some(Sample {
            labels: if named { sample.labels } else { Arc::new(sample.labels.nameless()) },
            value,
        })
    };
    eval::unique(vector.into_iter().filter_map(one).collect())
}

impl Matching {
    /// What series are told apart by.
    fn signature(&self, labels: &Labels) -> Labels {
        let listed = |name: &str| self.labels.iter().any(|label| label == name);
        labels.kept(|name| if self.on { listed(name) } else { name != NAME && !listed(name) })
    }

    /// The labels of a result: those of the side with many series, or what both have in common.
    fn result(&self, many: &Labels, one: &Labels, keeps_name: bool) -> Labels {
        let named = if keeps_name { many.clone() } else { many.nameless() };
        let listed = |name: &str| self.labels.iter().any(|label| label == name);
        match &self.card {
            Card::OneToOne | Card::ManyToMany if self.on => named.kept(listed),
            Card::OneToOne | Card::ManyToMany => named.kept(|name| !listed(name)),
            Card::ManyToOne(include) | Card::OneToMany(include) => {
                include.iter().fold(named, |labels, name| labels.with(name, one.get(name)))
            }
        }
    }
}

fn set(
    operator: Operator,
    left: Vec<Sample>,
    right: Vec<Sample>,
    matching: &Matching,
) -> Vec<Sample> {
    let signatures = |side: &[Sample]| {
        side.iter()
            .map(|sample| matching.signature(&sample.labels))
            .collect::<std::collections::HashSet<Labels>>()
    };
    if operator == Operator::Or {
        let known = signatures(&left);
        let more =
            right.into_iter().filter(|sample| !known.contains(&matching.signature(&sample.labels)));
        return left.into_iter().chain(more).collect();
    }
    let known = signatures(&right);
    left.into_iter()
        .filter(|sample| {
            known.contains(&matching.signature(&sample.labels)) == (operator == Operator::And)
        })
        .collect()
}

fn meet(
    operator: Operator,
    left: Vec<Sample>,
    right: Vec<Sample>,
    matching: &Matching,
) -> Result<Vec<Sample>, Refusal> {
    if left.is_empty() || right.is_empty() {
        return Ok(Vec::new()); // nothing meets, so nothing meets twice
    }
    let swapped = matches!(matching.card, Card::OneToMany(_));
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut partners: HashMap<Labels, &Sample> = HashMap::with_capacity(one.len());
    for sample in &one {
        if let Some(other) = partners.insert(matching.signature(&sample.labels), sample) {
            let side = if swapped { "left" } else { "right" };
            return Err(Refusal::execution(format!(
                "found duplicate series for the match group on the {side} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
                eval::written(&sample.labels),
                eval::written(&other.labels)
            )));
        }
    }
    let keeps_name = operator.is_comparison() && !matching.returns_bool;
    let one_to_one = matches!(matching.card, Card::OneToOne);
    let mut met: HashMap<Labels, Option<Labels>> = HashMap::new();
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
                return Err(Refusal::execution(
                    "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                ));
            }
            Entry::Occupied(_) => {
                return Err(Refusal::execution(
                    "multiple matches for labels: grouping labels must ensure unique matches",
                ));
            }
        };
        found.push(Sample { labels: Arc::new(labels), value });
    }
    Ok(found)
}
