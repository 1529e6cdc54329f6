//! The function `label_replace`.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::error::QueryError;
use super::label_name::check_label_name;
use super::limits::MAX_REGEX_BYTES;
use super::source::MemorySource;
use super::value::{ExpressionValue, Sample, unique};

/// The arguments of `label_replace` after the vector.
#[derive(Clone, Debug)]
pub struct LabelReplacement {
    target: String,
    replacement: String,
    source: String,
    regex: Regex,
}

/// The error for a regular expression that does not compile.
fn not_compiled(error: &regex::Error, regex: &str) -> QueryError {
    if let regex::Error::CompiledTooBig(most) = error {
        return QueryError::long(format!(
            "a regular expression in label_replace() takes more than {most} bytes when compiled"
        ));
    }
    QueryError::bad(format!("invalid regular expression in label_replace(): {regex}"))
}

impl LabelReplacement {
    /// Reads the four texts: new label, replacement, source label, regular expression.
    ///
    /// # Errors
    /// The regular expression or the name of the new label is invalid.
    pub fn new(texts: &[String]) -> Result<Self, QueryError> {
        let [target, replacement, source, regex] = texts else {
            return Err(QueryError::bad("label_replace() takes a vector and four texts"));
        };
        let regex = RegexBuilder::new(&format!("^(?s:{regex})$"))
            .size_limit(MAX_REGEX_BYTES)
            .build()
            .map_err(|error| not_compiled(&error, regex))?;
        check_label_name(target, "destination label name in label_replace()")?;
        Ok(Self {
            target: target.clone(),
            replacement: replacement.clone(),
            source: source.clone(),
            regex,
        })
    }

    /// Sets the label on each sample that the regular expression matches.
    ///
    /// # Errors
    /// Two resulting series have the same labels, or labels grow beyond their limit.
    pub fn apply(
        &self,
        vector: Vec<Sample>,
        memory: &mut dyn MemorySource,
    ) -> Result<ExpressionValue, QueryError> {
        let references = self.replacement.matches('$').count();
        let mut replaced = Vec::with_capacity(vector.len());
        for sample in vector {
            let source = sample.labels.get(&self.source);
            let Some(found) = self.regex.captures(source) else {
                replaced.push(sample);
                continue;
            };
            // A reference expands to at most the whole value.
            memory.take_label(
                self.replacement.len().saturating_add(references.saturating_mul(source.len())),
            )?;
            let mut value = String::new();
            found.expand(&self.replacement, &mut value);
            let labels = Arc::new(sample.labels.with(&self.target, &value));
            replaced.push(Sample { labels, ..sample });
        }
        unique(replaced)
    }
}
