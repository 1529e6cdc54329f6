//! The nodes of a planned query.

use std::ops::Range;
use std::sync::Arc;

use super::aggregate::Aggregation;
use super::binary::{BinaryOperator, VectorMatching};
use super::instant_function::InstantFunction;
use super::label_join::LabelJoin;
use super::label_replace::LabelReplacement;
use super::range_function::RangeFunction;
use super::selector::ReadRange;

/// A planned expression. Selectors are given by their index in the plan's list.
#[derive(Clone, Debug)]
pub enum PlanNode {
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// The series of a selector.
    Select(usize),
    /// The times of the samples of a selector (`timestamp`).
    Timestamps(usize),
    /// A range of samples: the result of an instant query, never part of another node.
    Range(RangeArgument),
    /// A negation.
    Negate(NameRemoval, Box<PlanNode>),
    /// A binary operator with its two sides.
    Binary(BinaryOperator, Box<PlanNode>, Box<PlanNode>, VectorMatching),
    /// An aggregation with its parameter.
    Aggregate(Aggregation, Option<Box<PlanNode>>, Box<PlanNode>),
    /// A function.
    Call(InstantFunction, Vec<PlanNode>),
    /// `label_replace`, its regular expression compiled once for all times of a range.
    LabelReplace(Arc<LabelReplacement>, Box<PlanNode>),
    /// `label_join`.
    LabelJoin(Arc<LabelJoin>, Box<PlanNode>),
    /// A function of a range of samples.
    OverTime(RangeCall),
}

/// A function of a range of samples with its arguments.
#[derive(Clone, Debug)]
pub struct RangeCall {
    /// The function.
    pub function: RangeFunction,
    /// Its parameters beside the range.
    pub params: Vec<PlanNode>,
    /// Where the samples come from.
    pub range: RangeArgument,
    /// Its place among the nodes that remove names.
    pub removal: NameRemoval,
}

/// The place of a node among those of a query that remove the names of series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NameRemoval(pub usize);

/// The place of a subquery among those of a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubqueryIndex(pub usize);

/// Where a range of samples comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeArgument {
    /// A selector with a range.
    Selector(usize),
    /// A subquery.
    Subquery(SubqueryIndex),
}

/// A part of a query that is evaluated at steps of its own: the whole query or a subquery.
#[derive(Clone, Debug)]
pub struct SteppedExpression {
    /// The expression.
    pub node: PlanNode,
    /// The selectors in it, by their index.
    pub selectors: Range<usize>,
    /// Whether its value depends on the time itself (`time()`, `rate`) and not only on the months
    /// that its selectors read.
    pub tells_time: bool,
}

/// A planned subquery.
#[derive(Clone, Debug)]
pub struct Subquery {
    /// What it evaluates.
    pub expression: SteppedExpression,
    /// Over which time.
    pub range: ReadRange,
    /// Distance of its steps in milliseconds. They are multiples of it since 1970.
    pub step: i64,
}

/// The first multiple of a step at or after a time.
#[must_use]
pub fn first_step(time: i64, step: i64) -> i64 {
    let before = time.div_euclid(step) * step;
    if before < time { before + step } else { before }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_multiples_since_1970() {
        let found = [72, 80, 81, 0, -5, -10].map(|time| first_step(time, 10));
        assert_eq!(found, [80, 80, 90, 0, 0, -10]);
    }
}
