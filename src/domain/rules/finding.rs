//! A finding, and the set of those that stand.

use std::collections::BTreeMap;

use super::super::catalogue::Severity;
use super::super::measure::Measure;
use super::super::period::Month;

/// A place where figures contradict a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// `parts_total`, `parts_exceed_total`, `children_total`, `stock_movement`, `stated_rate`, or a written rule's code.
    pub rule: String,
    /// How grave.
    pub severity: Severity,
    /// The measure it is about.
    pub measure: Measure,
    /// The unit's position.
    pub unit: usize,
    /// The month.
    pub month: Month,
    /// The figure stated, or a written rule's left side.
    pub stated: f64,
    /// What the other figures give, or a written rule's right side.
    pub computed: f64,
    /// In words: Vietnamese and English.
    pub detail: (String, String),
}

/// The findings that stand, by unit and month.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    by_place: BTreeMap<(usize, Month), Vec<Finding>>,
    count: usize,
}

impl Standing {
    /// Replaces what a check found before by what it finds now.
    pub fn settle(
        &mut self,
        unit: usize,
        month: Month,
        rule: &str,
        measure: &Measure,
        found: Option<Finding>,
    ) {
        if found.is_none() && !self.by_place.contains_key(&(unit, month)) {
            return;
        }
        let list = self.by_place.entry((unit, month)).or_default();
        let before = list.len();
        list.retain(|finding| finding.rule != rule || finding.measure != *measure);
        list.extend(found);
        list.sort_by(|a, b| (&a.rule, &a.measure).cmp(&(&b.rule, &b.measure)));
        self.count = self.count + list.len() - before;
        if list.is_empty() {
            self.by_place.remove(&(unit, month));
        }
    }

    /// How many stand.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether none stands.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether any stands at a unit and month.
    #[must_use]
    pub fn any_at(&self, unit: usize, month: Month) -> bool {
        self.by_place.contains_key(&(unit, month))
    }

    /// The findings of a stretch of units, in order of unit, month, rule and measure.
    pub fn within(&self, units: std::ops::Range<usize>) -> impl Iterator<Item = &Finding> {
        let first = super::super::period::FIRST_MONTH;
        self.by_place.range((units.start, first)..(units.end, first)).flat_map(|(_, list)| list)
    }
}
