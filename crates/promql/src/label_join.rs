//! The function `label_join`.

use std::sync::Arc;

use super::error::QueryError;
use super::label_name::check_label_name;
use super::limits::MAX_LISTED;
use super::source::MemorySource;
use super::value::{ExpressionValue, Sample, unique};
use crate::labels::LabelSet;

/// The arguments of `label_join` after the vector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LabelJoin {
    target: String,
    separator: String,
    sources: Vec<String>,
}

impl LabelJoin {
    /// Reads the texts: new label, separator, source labels.
    ///
    /// # Errors
    /// A name is invalid, or there are too many.
    pub fn new(texts: &[String]) -> Result<Self, QueryError> {
        let [target, separator, sources @ ..] = texts else {
            return Err(QueryError::bad("label_join() takes a vector and at least two texts"));
        };
        check_label_name(target, "destination label name in label_join()")?;
        for source in sources {
            check_label_name(source, "source label name in label_join()")?;
        }
        if sources.len() > MAX_LISTED {
            return Err(QueryError::long(format!(
                "more than {MAX_LISTED} source labels in label_join()"
            )));
        }
        Ok(Self { target: target.clone(), separator: separator.clone(), sources: sources.to_vec() })
    }

    /// Sets the label on each sample; an empty value removes it.
    ///
    /// # Errors
    /// Two resulting series have the same labels, or labels grow beyond their limit.
    pub fn apply(
        &self,
        vector: Vec<Sample>,
        memory: &mut dyn MemorySource,
    ) -> Result<ExpressionValue, QueryError> {
        let mut joined = Vec::with_capacity(vector.len());
        for sample in vector {
            memory.take_label(self.length(&sample.labels))?;
            let values: Vec<&str> =
                self.sources.iter().map(|source| sample.labels.get(source)).collect();
            let value = values.join(&self.separator);
            let labels = Arc::new(sample.labels.with(&self.target, &value));
            joined.push(Sample { labels, ..sample });
        }
        unique(joined)
    }

    /// The length of the joined value in bytes.
    fn length(&self, labels: &LabelSet) -> usize {
        let values: usize = self.sources.iter().map(|source| labels.get(source).len()).sum();
        values + self.separator.len().saturating_mul(self.sources.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::NAME;

    /// Memory of at most this many bytes.
    struct Limited(usize);

    impl MemorySource for Limited {
        fn take(&mut self, bytes: usize) -> Result<(), QueryError> {
            self.0 = self.0.checked_sub(bytes).ok_or_else(QueryError::memory)?;
            Ok(())
        }

        fn take_label(&mut self, bytes: usize) -> Result<(), QueryError> {
            self.take(bytes)
        }
    }

    fn sample(unit: &str, parent: &str) -> Sample {
        let pairs = [(NAME, "m"), ("unit", unit), ("parent", parent)];
        let labels = pairs.map(|(name, value)| (name.into(), value.into()));
        Sample { labels: Arc::new(LabelSet::new(labels.into())), value: 1.0 }
    }

    fn join(texts: &[&str]) -> Result<LabelJoin, QueryError> {
        LabelJoin::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn labels_are_joined_in_their_order() {
        let place = join(&["place", "/", "parent", "unit", "nothing"]).unwrap();
        let found = place.apply(vec![sample("a", "p")], &mut Limited(4)).unwrap();
        let ExpressionValue::Vector(vector) = found else { panic!("{found:?}") };
        assert_eq!(vector[0].labels.get("place"), "p/a/");
        let refused = place.apply(vec![sample("a", "p")], &mut Limited(3));
        assert_eq!(refused, Err(QueryError::memory()));
        let removed = join(&["unit", "-"]).unwrap();
        let twins = vec![sample("a", "p"), sample("b", "p")];
        assert_eq!(removed.apply(twins, &mut Limited(0)), Err(QueryError::same_labels()));
    }

    #[test]
    fn invalid_names_are_refused_with_the_function() {
        for texts in [&["1x", "", "unit"][..], &["x", "", "a b"], &["", ""], &["x"]] {
            let refusal = join(texts).unwrap_err();
            assert!(refusal.message.contains("label_join()"), "{texts:?}: {refusal:?}");
        }
        let many: Vec<&str> = ["x", ""].into_iter().chain(vec!["unit"; MAX_LISTED + 1]).collect();
        assert!(join(&many).unwrap_err().bounded);
    }
}
