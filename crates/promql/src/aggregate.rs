//! Aggregations, such as `sum by (unit)`.

use std::collections::HashMap;
use std::sync::Arc;

use promql_parser::parser::LabelModifier;
use promql_parser::parser::token::{self, TokenType};

use super::error::QueryError;
use super::label_name::check_label_name;
use super::limits::MAX_LISTED;
use super::source::MemorySource;
use super::statistics::{best, count, mean, quantile, variance};
use super::time::format_value;
use super::value::Sample;
use crate::labels::{LabelSet, NAME};

/// The aggregation operator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AggregationKind {
    Sum,
    Average,
    Least,
    Most,
    Count,
    Group,
    Deviation,
    Variance,
    Quantile,
    CountValues,
    Top,
    Bottom,
    Limit,
}

impl AggregationKind {
    /// Finds the operator of a parsed one.
    fn of(op: &TokenType) -> Option<Self> {
        Some(match op.id() {
            token::T_SUM => Self::Sum,
            token::T_AVG => Self::Average,
            token::T_MIN => Self::Least,
            token::T_MAX => Self::Most,
            token::T_COUNT => Self::Count,
            token::T_GROUP => Self::Group,
            token::T_STDDEV => Self::Deviation,
            token::T_STDVAR => Self::Variance,
            token::T_QUANTILE => Self::Quantile,
            token::T_COUNT_VALUES => Self::CountValues,
            token::T_TOPK => Self::Top,
            token::T_BOTTOMK => Self::Bottom,
            token::T_LIMITK => Self::Limit,
            _ => return None,
        })
    }
}

/// The parameter of an aggregation.
#[derive(Clone, PartialEq, Debug)]
pub enum AggregationParam {
    /// It has none.
    Absent,
    /// The number of series that `topk`, `bottomk` and `limitk` keep, or the quantile.
    Number(f64),
    /// The label that `count_values` sets.
    Label(String),
}

/// An aggregation operator with its grouping labels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Aggregation {
    kind: AggregationKind,
    /// Whether series are grouped `by` the labels; otherwise `without` them.
    by: bool,
    labels: Vec<String>,
}

impl Aggregation {
    /// Builds the aggregation from the parsed operator and modifier.
    ///
    /// # Errors
    /// The operator is not supported, or the list of labels is too long.
    pub fn new(op: &TokenType, modifier: Option<&LabelModifier>) -> Result<Self, QueryError> {
        let kind = AggregationKind::of(op).ok_or_else(|| {
            QueryError::bad(format!(
                "the aggregation {op} is not supported by this service; docs/prometheus.md lists \
                 the supported ones"
            ))
        })?;
        let (by, labels) = match modifier {
            None => (true, Vec::new()),
            Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
        };
        check_label_list(&labels)?;
        Ok(Self { kind, by, labels })
    }

    /// Whether the order of the result has a meaning (`topk`, `bottomk`).
    #[must_use]
    pub fn is_ranking(&self) -> bool {
        matches!(self.kind, AggregationKind::Top | AggregationKind::Bottom)
    }

    /// The labels of a sample's group; `counted` is the label of `count_values`.
    fn group(&self, labels: &LabelSet, counted: &str) -> LabelSet {
        let is_listed = |name: &str| self.labels.iter().any(|label| label == name);
        if self.by {
            labels.kept(|name| is_listed(name) || name == counted)
        } else {
            labels.kept(|name| name != NAME && !is_listed(name))
        }
    }

    /// Aggregates a vector.
    ///
    /// # Errors
    /// The label of `count_values` is invalid, or labels grow beyond their limit.
    pub fn apply(
        &self,
        vector: Vec<Sample>,
        param: &AggregationParam,
        memory: &mut dyn MemorySource,
    ) -> Result<Vec<Sample>, QueryError> {
        let (counted, vector) = match param {
            AggregationParam::Label(label) => {
                check_label_name(label, "label name in count_values()")?;
                (label.as_str(), with_value_label(vector, label, memory)?)
            }
            AggregationParam::Absent | AggregationParam::Number(_) => ("", vector),
        };
        let param = if let AggregationParam::Number(number) = param { *number } else { 0.0 };
        let mut found = Vec::new();
        for (labels, samples) in self.groups(vector, counted) {
            match self.kind {
                AggregationKind::Top | AggregationKind::Bottom => {
                    found.extend(self.ranked(samples, param))
                }
                AggregationKind::Limit => found.extend(first_of(samples, param)),
                AggregationKind::Sum
                | AggregationKind::Average
                | AggregationKind::Least
                | AggregationKind::Most
                | AggregationKind::Count
                | AggregationKind::Group
                | AggregationKind::Deviation
                | AggregationKind::Variance
                | AggregationKind::Quantile
                | AggregationKind::CountValues => {
                    let value = self.number(samples.iter().map(|sample| sample.value), param);
                    found.push(Sample { labels, value });
                }
            }
        }
        Ok(found)
    }

    /// The samples of each group, in the order in which the groups occur.
    fn groups(&self, vector: Vec<Sample>, counted: &str) -> Vec<(Arc<LabelSet>, Vec<Sample>)> {
        let mut groups: Vec<(Arc<LabelSet>, Vec<Sample>)> = Vec::new();
        let mut places: HashMap<Arc<LabelSet>, usize> = HashMap::with_capacity(vector.len());
        for sample in vector {
            let group = self.group(&sample.labels, counted);
            let place = places.get(&group).copied().unwrap_or_else(|| {
                let labels = Arc::new(group);
                places.insert(Arc::clone(&labels), groups.len());
                groups.push((labels, Vec::with_capacity(1)));
                groups.len() - 1
            });
            if let Some((_, samples)) = groups.get_mut(place) {
                samples.push(sample);
            }
        }
        groups
    }

    /// The number of a group that gives one.
    fn number(&self, values: impl ExactSizeIterator<Item = f64>, param: f64) -> f64 {
        match self.kind {
            AggregationKind::Least => best(values, |value, best| value < best),
            AggregationKind::Most => best(values, |value, best| value > best),
            AggregationKind::Average => mean(values),
            AggregationKind::Group => 1.0,
            AggregationKind::Deviation => variance(values).sqrt(),
            AggregationKind::Variance => variance(values),
            AggregationKind::Quantile => quantile(param, values),
            AggregationKind::Count | AggregationKind::CountValues => count(values.len()),
            AggregationKind::Sum
            | AggregationKind::Top
            | AggregationKind::Bottom
            | AggregationKind::Limit => values.sum(),
        }
    }

    /// Returns the best `count` samples of a group, best first; NaN comes last.
    fn ranked(&self, mut samples: Vec<Sample>, count: f64) -> Vec<Sample> {
        let rank = |sample: &Sample| {
            if sample.value.is_nan() {
                f64::NEG_INFINITY
            } else if self.kind == AggregationKind::Top {
                sample.value
            } else {
                -sample.value
            }
        };
        samples.sort_by(|one, other| {
            other
                .value
                .is_nan()
                .cmp(&one.value.is_nan())
                .reverse()
                .then(rank(other).total_cmp(&rank(one)))
        });
        samples.truncate(whole(count));
        samples
    }
}

/// Refuses a list of labels that is too long: it is searched once for each label of each series.
pub(super) fn check_label_list(labels: &[String]) -> Result<(), QueryError> {
    if labels.len() > MAX_LISTED {
        Err(QueryError::long(format!("more than {MAX_LISTED} labels in one list")))
    } else {
        Ok(())
    }
}

/// The samples with their value as a label.
///
/// # Errors
/// Labels grow beyond their limit.
fn with_value_label(
    vector: Vec<Sample>,
    label: &str,
    memory: &mut dyn MemorySource,
) -> Result<Vec<Sample>, QueryError> {
    let mut labelled = Vec::with_capacity(vector.len());
    for sample in vector {
        let value = format_value(sample.value);
        memory.take_label(value.len())?;
        let labels = Arc::new(sample.labels.with(label, &value));
        labelled.push(Sample { labels, ..sample });
    }
    Ok(labelled)
}

/// The first samples of a group, in order of their labels.
fn first_of(mut samples: Vec<Sample>, count: f64) -> Vec<Sample> {
    samples.sort_by(|one, other| one.labels.cmp(&other.labels));
    samples.truncate(whole(count));
    samples
}

/// The number of series that `topk` keeps: the integer part of its parameter, at least 0.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is clamped to a small range"
)]
fn whole(count: f64) -> usize {
    if count.is_nan() { 0 } else { count.clamp(0.0, 1e9) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::PlanNode;
    use crate::plan::plan;

    struct Unlimited;

    impl MemorySource for Unlimited {
        fn take(&mut self, _bytes: usize) -> Result<(), QueryError> {
            Ok(())
        }

        fn take_label(&mut self, _bytes: usize) -> Result<(), QueryError> {
            Ok(())
        }
    }

    fn sample(unit: &str, parent: &str, value: f64) -> Sample {
        let pairs = [(NAME, "m"), ("unit", unit), ("parent", parent)];
        let labels = pairs.map(|(name, value)| (name.into(), value.into()));
        Sample { labels: Arc::new(LabelSet::new(labels.into())), value }
    }

    /// The result of an aggregation over four samples, as `labels value`.
    fn aggregated(query: &str, param: AggregationParam) -> Vec<String> {
        let PlanNode::Aggregate(aggregation, ..) = plan(query).unwrap().whole.node else {
            panic!("{query}");
        };
        let vector = vec![
            sample("a", "p", 2.0),
            sample("b", "p", 4.0),
            sample("c", "p", 4.0),
            sample("d", "q", 1.0),
        ];
        let found = aggregation.apply(vector, &param, &mut Unlimited).unwrap();
        let text = |sample: &Sample| {
            let labels: Vec<&str> = sample.labels.iter().map(|(_, value)| value).collect();
            format!("{} {}", labels.join(","), sample.value)
        };
        found.iter().map(text).collect()
    }

    #[test]
    fn aggregations_give_the_numbers_computed_by_hand() {
        let none = || AggregationParam::Absent;
        for (query, param, expected) in [
            ("sum by (parent) (m)", none(), ["p 10", "q 1"]),
            ("count by (parent) (m)", none(), ["p 3", "q 1"]),
            ("min by (parent) (m)", none(), ["p 2", "q 1"]),
            ("max by (parent) (m)", none(), ["p 4", "q 1"]),
            ("group by (parent) (m)", none(), ["p 1", "q 1"]),
            // Mean 10/3; squares 16/9, 4/9, 4/9: sum 24/9 of 3.
            ("stdvar by (parent) (m)", none(), ["p 0.8888888888888888", "q 0"]),
            ("quantile by (parent) (0.25, m)", AggregationParam::Number(0.25), ["p 3", "q 1"]),
            ("topk by (parent) (1, m)", AggregationParam::Number(1.0), ["m,p,b 4", "m,q,d 1"]),
            ("limitk by (parent) (1, m)", AggregationParam::Number(1.0), ["m,p,a 2", "m,q,d 1"]),
        ] {
            assert_eq!(aggregated(query, param), expected, "{query}");
        }
        let deviation = aggregated("stddev(m)", none());
        // Mean 2.75; squares 0.5625, 1.5625, 1.5625, 3.0625: sum 6.75 of 4.
        assert_eq!(deviation, [format!(" {}", 1.6875_f64.sqrt())]);
    }

    #[test]
    fn values_are_counted_under_a_label_of_their_own() {
        let label = |name: &str| AggregationParam::Label(name.to_owned());
        assert_eq!(aggregated("count_values(\"v\", m)", label("v")), ["2 1", "4 2", "1 1"]);
        assert_eq!(
            aggregated("count_values by (parent) (\"v\", m)", label("v")),
            ["p,2 1", "p,4 2", "q,1 1"]
        );
        assert_eq!(
            aggregated("count_values without (unit, parent) (\"v\", m)", label("v")),
            ["2 1", "4 2", "1 1"]
        );
        let PlanNode::Aggregate(aggregation, ..) =
            plan("count_values(\"v\", m)").unwrap().whole.node
        else {
            panic!();
        };
        let refusal = aggregation.apply(Vec::new(), &label("1x"), &mut Unlimited).unwrap_err();
        assert!(refusal.message.contains("count_values()"), "{refusal:?}");
    }
}
