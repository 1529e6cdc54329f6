//! Notes that people leave beside figures: "merged with", "system down".

use std::collections::BTreeMap;

use super::measure::Measure;
use super::period::{Month, Period};

/// A note, checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Annotation {
    /// Its code.
    pub code: String,
    /// What it is about; everything of the unit when absent.
    pub measure: Option<Measure>,
    /// The unit.
    pub unit: String,
    /// First month.
    pub from: Month,
    /// Last month.
    pub to: Month,
    /// What it says.
    pub text: String,
}

impl Annotation {
    /// Whether it belongs beside a measure: the same one, or one with more members named.
    #[must_use]
    pub fn is_beside(&self, measure: &Measure) -> bool {
        self.measure
            .as_ref()
            .is_none_or(|about| about.code == measure.code && about.members.iter().all(|(dimension, member)| measure.members.get(dimension) == Some(member)))
    }
}

/// Every note, by unit.
#[derive(Clone, Debug, Default)]
pub struct Annotations(BTreeMap<String, Vec<Annotation>>);

impl Annotations {
    /// Puts notes in order: of a unit by their first month and code.
    #[must_use]
    pub fn new(list: Vec<Annotation>) -> Self {
        let mut by_unit: BTreeMap<String, Vec<Annotation>> = BTreeMap::new();
        for annotation in list {
            by_unit.entry(annotation.unit.clone()).or_default().push(annotation);
        }
        by_unit.values_mut().for_each(|list| list.sort_by(|one, other| (one.from, &one.code).cmp(&(other.from, &other.code))));
        Self(by_unit)
    }

    /// The notes of a unit.
    #[must_use]
    pub fn of(&self, unit: &str) -> &[Annotation] {
        self.0.get(unit).map_or(&[], Vec::as_slice)
    }

    /// The notes beside a measure of a unit in a period.
    pub fn beside<'a>(&'a self, measure: &'a Measure, unit: &str, period: Period) -> impl Iterator<Item = &'a Annotation> {
        let (first, last) = (period.first(), period.last());
        self.of(unit).iter().filter(move |note| note.from <= last && first <= note.to && note.is_beside(measure))
    }
}
