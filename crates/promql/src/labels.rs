//! Labels of a series.

use std::sync::Arc;

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";

/// Labels sorted by name. Labels without a value are left out, as in Prometheus.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LabelSet(Vec<(Arc<str>, Arc<str>)>);

impl LabelSet {
    /// Builds a label set from pairs in any order.
    #[must_use]
    pub fn new(mut pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        pairs.retain(|(_, value)| !value.is_empty());
        pairs.sort();
        Self(pairs)
    }

    /// Returns the value of a label; empty when the label is missing.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(label, _)| **label == *name).map_or("", |(_, value)| value)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the labels with names that satisfy `keep`.
    #[must_use]
    pub fn kept(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// Returns the labels without the metric's name: computed values have none.
    #[must_use]
    pub fn nameless(&self) -> Self {
        self.kept(|name| name != NAME)
    }

    /// Returns the labels with one label set; an empty value removes it.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut found = self.kept(|label| label != name).0;
        if !value.is_empty() {
            let place = found.partition_point(|(label, _)| **label < *name);
            found.insert(place, (name.into(), value.into()));
        }
        Self(found)
    }
}

impl serde::Serialize for LabelSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
