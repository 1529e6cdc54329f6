//! Labels of a series.

use std::sync::Arc;

/// The label that holds a metric's name.
pub const NAME: &str = "__name__";

/// Labels sorted by name; one without a value is not there.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Labels {
    /// Labels in any order.
    #[must_use]
    pub fn new(mut pairs: Vec<(Arc<str>, Arc<str>)>) -> Self {
        pairs.retain(|(_, value)| !value.is_empty());
        pairs.sort();
        Self(pairs)
    }

    /// The value of a label; empty when it is not there.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(label, _)| **label == *name).map_or("", |(_, value)| value)
    }

    /// Names and values, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Only those that are kept.
    #[must_use]
    pub fn kept(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| keep(name)).cloned().collect())
    }

    /// Without the metric's name, as what was computed has none.
    #[must_use]
    pub fn nameless(&self) -> Self {
        self.kept(|name| name != NAME)
    }

    /// With a label set; an empty value takes it away.
    #[must_use]
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut found = self.kept(|label| label != name).0;
        found.push((name.into(), value.into()));
        Self::new(found)
    }
}

impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
