//! The values that expressions have at one time.

use std::collections::HashSet;
use std::sync::Arc;

use super::error::QueryError;
use crate::labels::LabelSet;

/// A value with its labels.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The labels.
    pub labels: Arc<LabelSet>,
    /// The value.
    pub value: f64,
}

/// A series over time: its labels, and times (milliseconds since 1970) with values.
pub type SampledSeries = (Arc<LabelSet>, Vec<(i64, f64)>);

/// The value of an expression at one time.
#[derive(Clone, PartialEq, Debug)]
pub enum ExpressionValue {
    /// A number without labels.
    Scalar(f64),
    /// A number for each series.
    Vector(Vec<Sample>),
    /// A text.
    Text(String),
}

impl ExpressionValue {
    /// The number without labels; none for anything else.
    #[must_use]
    pub fn scalar(&self) -> Option<f64> {
        if let Self::Scalar(number) = self { Some(*number) } else { None }
    }

    /// The number of its series; 1 without labels.
    #[must_use]
    pub fn series_count(&self) -> usize {
        if let Self::Vector(vector) = self { vector.len() } else { 1 }
    }
}

/// Formats a label set for error messages.
#[must_use]
pub fn format_labels(labels: &LabelSet) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// Wraps samples as a vector after checking that no two have the same labels.
///
/// # Errors
/// Two samples have the same labels.
pub fn unique(vector: Vec<Sample>) -> Result<ExpressionValue, QueryError> {
    let mut seen = HashSet::with_capacity(vector.len());
    if vector.iter().all(|sample| seen.insert(&sample.labels)) {
        return Ok(ExpressionValue::Vector(vector));
    }
    Err(QueryError::same_labels())
}
