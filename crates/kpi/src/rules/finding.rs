//! Findings, and the set of current findings.

use imbl::OrdMap;

use super::super::catalogue::Severity;
use super::super::measure::Measure;
use super::super::period::Month;
use super::super::unit::{UnitPosition, UnitRange};

/// A place where figures contradict a rule (docs/specification.md#findings).
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// `parts_total`, `parts_exceed_total`, `children_total`, `stock_movement`, `stated_rate`, or a
    /// written rule's code.
    pub rule: String,
    /// How serious the finding is.
    pub severity: Severity,
    /// The measure; for a written rule the first that it names.
    pub measure: Measure,
    /// The unit's position.
    pub unit: UnitPosition,
    /// The month.
    pub month: Month,
    /// The stated figure, or the left side of a written rule.
    pub stated: f64,
    /// The value that follows from the other figures, or the right side of a written rule.
    pub computed: f64,
    /// A sentence in Vietnamese and in English.
    pub detail: (String, String),
}

/// The current findings, by unit and month.
#[derive(Clone, Debug, Default)]
pub struct CurrentFindings {
    by_place: OrdMap<(UnitPosition, Month), Vec<Finding>>,
    count: usize,
}

impl CurrentFindings {
    /// Replaces the finding of one rule and measure at a unit and month; `None` removes it.
    pub fn replace(
        &mut self,
        unit: UnitPosition,
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

    /// The number of findings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no findings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether there are findings at a unit and month.
    #[must_use]
    pub fn has_any_at(&self, unit: UnitPosition, month: Month) -> bool {
        self.by_place.contains_key(&(unit, month))
    }

    /// The findings of a range of positions, in order of unit, month, rule and measure.
    pub fn within(&self, units: UnitRange) -> impl Iterator<Item = &Finding> {
        let first = super::super::period::FIRST_MONTH;
        self.by_place.range((units.start, first)..(units.end, first)).flat_map(|(_, list)| list)
    }
}
