//! Aggregations, such as `sum by (unit)`.

use std::collections::HashMap;
use std::sync::Arc;

use promql_parser::parser::LabelModifier;
use promql_parser::parser::token::{self, TokenType};

use super::error::QueryError;
use super::limits::MAX_LISTED;
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
    Top,
    Bottom,
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
        let kind = match op.id() {
            token::T_SUM => AggregationKind::Sum,
            token::T_AVG => AggregationKind::Average,
            token::T_MIN => AggregationKind::Least,
            token::T_MAX => AggregationKind::Most,
            token::T_COUNT => AggregationKind::Count,
            token::T_TOPK => AggregationKind::Top,
            token::T_BOTTOMK => AggregationKind::Bottom,
            _ => {
                return Err(QueryError::bad(format!(
                    "the aggregation {op} is not supported by this service; docs/prometheus.md \
                     lists the supported ones"
                )));
            }
        };
        let (by, labels) = match modifier {
            None => (true, Vec::new()),
            Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
        };
        check_label_list(&labels)?;
        Ok(Self { kind, by, labels })
    }

    fn group(&self, labels: &LabelSet) -> LabelSet {
        let is_listed = |name: &str| self.labels.iter().any(|label| label == name);
        labels.kept(|name| if self.by { is_listed(name) } else { name != NAME && !is_listed(name) })
    }

    /// Aggregates a vector; `param` is the number of series that `topk` and `bottomk` keep.
    #[must_use]
    pub fn apply(&self, vector: Vec<Sample>, param: Option<f64>) -> Vec<Sample> {
        let mut groups: Vec<(Arc<LabelSet>, Vec<Sample>)> = Vec::new();
        let mut places: HashMap<Arc<LabelSet>, usize> = HashMap::with_capacity(vector.len());
        for sample in vector {
            let group = self.group(&sample.labels);
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
        let mut found = Vec::with_capacity(groups.len());
        for (labels, samples) in groups {
            match self.kind {
                AggregationKind::Top | AggregationKind::Bottom => {
                    found.extend(self.ranked(samples, param.unwrap_or(0.0)))
                }
                AggregationKind::Sum
                | AggregationKind::Average
                | AggregationKind::Least
                | AggregationKind::Most
                | AggregationKind::Count => {
                    let value = self.number(samples.iter().map(|sample| sample.value));
                    found.push(Sample { labels, value });
                }
            }
        }
        found
    }

    fn number(&self, values: impl Iterator<Item = f64>) -> f64 {
        // As in Prometheus, NaN loses to any number.
        let better = |one: f64, other: f64| {
            if one.is_nan()
                || (self.kind == AggregationKind::Least && other < one)
                || (self.kind == AggregationKind::Most && other > one)
            {
                other
            } else {
                one
            }
        };
        match self.kind {
            AggregationKind::Least | AggregationKind::Most => {
                values.reduce(better).unwrap_or(f64::NAN)
            }
            AggregationKind::Sum
            | AggregationKind::Average
            | AggregationKind::Count
            | AggregationKind::Top
            | AggregationKind::Bottom => {
                let (mut sum, mut count) = (0.0, 0.0);
                values.for_each(|value| (sum, count) = (sum + value, count + 1.0));
                match self.kind {
                    AggregationKind::Average => sum / count,
                    AggregationKind::Count => count,
                    AggregationKind::Sum
                    | AggregationKind::Least
                    | AggregationKind::Most
                    | AggregationKind::Top
                    | AggregationKind::Bottom => sum,
                }
            }
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
