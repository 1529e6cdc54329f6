//! Aggregations: many series to few.

use std::collections::HashMap;
use std::sync::Arc;

use promql_parser::parser::LabelModifier;
use promql_parser::parser::token::{self, TokenType};

use super::Refusal;
use super::eval::Sample;
use crate::prometheus::labels::{Labels, NAME};

/// Which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Sum,
    Average,
    Least,
    Most,
    Count,
    Top,
    Bottom,
}

/// An aggregation, and by which labels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Aggregation {
    kind: Kind,
    /// By these labels; else by all but these.
    by: bool,
    labels: Vec<String>,
}

impl Aggregation {
    /// From what was parsed.
    ///
    /// # Errors
    /// It is not supported.
    pub fn new(op: &TokenType, modifier: Option<&LabelModifier>) -> Result<Self, Refusal> {
        let kind = match op.id() {
            token::T_SUM => Kind::Sum,
            token::T_AVG => Kind::Average,
            token::T_MIN => Kind::Least,
            token::T_MAX => Kind::Most,
            token::T_COUNT => Kind::Count,
            token::T_TOPK => Kind::Top,
            token::T_BOTTOMK => Kind::Bottom,
            _ => {
                return Err(Refusal::bad(format!(
                    "the aggregation {op}: not supported by this service; docs/prometheus.md lists what is"
                )));
            }
        };
        let (by, labels) = match modifier {
            None => (true, Vec::new()),
            Some(LabelModifier::Include(labels)) => (true, labels.labels.clone()),
            Some(LabelModifier::Exclude(labels)) => (false, labels.labels.clone()),
        };
        Ok(Self { kind, by, labels })
    }

    fn group(&self, labels: &Labels) -> Labels {
        let listed = |name: &str| self.labels.iter().any(|label| label == name);
        labels.kept(|name| if self.by { listed(name) } else { name != NAME && !listed(name) })
    }

    /// Carries it out; `param` is how many `topk` and `bottomk` keep.
    #[must_use]
    pub fn apply(&self, vector: Vec<Sample>, param: Option<f64>) -> Vec<Sample> {
        let mut order: Vec<Labels> = Vec::new();
        let mut groups: HashMap<Labels, Vec<Sample>> = HashMap::new();
        for sample in vector {
            let group = self.group(&sample.labels);
            groups
                .entry(group.clone())
                .or_insert_with(|| {
                    order.push(group);
                    Vec::new()
                })
                .push(sample);
        }
        let mut found = Vec::new();
        for labels in order {
            let Some(samples) = groups.remove(&labels) else { continue };
            match self.kind {
                Kind::Top | Kind::Bottom => {
                    found.extend(self.ranked(samples, param.unwrap_or(0.0)))
                }
                Kind::Sum | Kind::Average | Kind::Least | Kind::Most | Kind::Count => {
                    let value = self.number(samples.iter().map(|sample| sample.value));
                    found.push(Sample { labels: Arc::new(labels), value });
                }
            }
        }
        found
    }

    fn number(&self, values: impl Iterator<Item = f64>) -> f64 {
        // What is not a number gives way to what is.
        let better = |one: f64, other: f64| {
            if one.is_nan()
                || (self.kind == Kind::Least && other < one)
                || (self.kind == Kind::Most && other > one)
            {
                other
            } else {
                one
            }
        };
        match self.kind {
            Kind::Least | Kind::Most => values.reduce(better).unwrap_or(f64::NAN),
            Kind::Sum | Kind::Average | Kind::Count | Kind::Top | Kind::Bottom => {
                let (mut sum, mut count) = (0.0, 0.0);
                values.for_each(|value| (sum, count) = (sum + value, count + 1.0));
                match self.kind {
                    Kind::Average => sum / count,
                    Kind::Count => count,
                    Kind::Sum | Kind::Least | Kind::Most | Kind::Top | Kind::Bottom => sum,
                }
            }
        }
    }

    /// The best of a group, best first; what is not a number comes last.
    fn ranked(&self, mut samples: Vec<Sample>, count: f64) -> Vec<Sample> {
        let rank = |sample: &Sample| {
            if sample.value.is_nan() {
                f64::NEG_INFINITY
            } else if self.kind == Kind::Top {
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

/// How many `topk` keeps: the number without its fraction, none below one.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is clamped to a small range"
)]
fn whole(count: f64) -> usize {
    if count.is_nan() { 0 } else { count.clamp(0.0, 1e9) as usize }
}
