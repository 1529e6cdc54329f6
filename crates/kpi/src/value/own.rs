//! Own values of units: stated, or summed over the members of a dimension
//! (docs/specification.md#own-value), and the figures that do not apply to them.

use super::ValueSource;
use super::contributions::Availability;
use crate::bit_set::BitSet;
use crate::cube::RevisionStamp;
use crate::number::Statement;
use crate::period::Month;
use crate::program::OwnValuePlan;
use crate::unit::UnitPosition;

/// The own value of a unit, or the reason why there is no such value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OwnState {
    /// The value in units of the last decimal, and whether it was summed from members.
    Value(i64, bool),
    /// Figures do not apply to the unit.
    NotApplicable,
    /// There is no value.
    Missing,
}

impl ValueSource<'_> {
    /// The own value of a unit in units of the last decimal, and whether it was summed from members
    /// (docs/specification.md#own-value).
    #[must_use]
    pub fn own(&self, own: &OwnValuePlan, unit: UnitPosition, month: Month) -> Option<(i64, bool)> {
        match self.own_state(own, unit, month) {
            OwnState::Value(value, summed) => Some((value, summed)),
            OwnState::NotApplicable | OwnState::Missing => None,
        }
    }

    /// Whether figures do not apply to a unit in a month
    /// (docs/specification.md#figures-that-do-not-apply).
    #[must_use]
    pub fn is_not_applicable(&self, own: &OwnValuePlan, unit: UnitPosition, month: Month) -> bool {
        self.own_state(own, unit, month) == OwnState::NotApplicable
    }

    pub(super) fn own_state(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> OwnState {
        if let Some(measure) = own.stated {
            if let Some(value) = self.view.figure(measure, unit, month) {
                return OwnState::Value(value, false);
            }
            if self.view.has_not_applicable(measure)
                && self.view.statement((measure, unit, month), 0) == Some(Statement::NotApplicable)
                && self.units.is_leaf(unit, month)
            {
                return OwnState::NotApplicable;
            }
        }
        let mut no_member_applies = false;
        for parts in &own.splits {
            match self.sum_of_members(parts, unit, month) {
                OwnState::Missing => {}
                OwnState::NotApplicable => no_member_applies = true,
                sum @ OwnState::Value(..) => return sum,
            }
        }
        let in_span = || {
            let spans = own.not_applicable_to(self.units.code(unit));
            spans.iter().any(|span| span.includes(month)) && self.units.is_leaf(unit, month)
        };
        if no_member_applies || in_span() { OwnState::NotApplicable } else { OwnState::Missing }
    }

    /// The sum of the members of a dimension, without those that do not apply and those that are
    /// missing outside their dates.
    fn sum_of_members(&self, parts: &[OwnValuePlan], unit: UnitPosition, month: Month) -> OwnState {
        let (mut sum, mut otherwise) = (None, OwnState::Missing);
        for part in parts {
            match self.own_state(part, unit, month) {
                OwnState::Missing if part.dates.includes(month) => return OwnState::Missing,
                OwnState::Missing => {}
                OwnState::NotApplicable => otherwise = OwnState::NotApplicable,
                OwnState::Value(value, _) => {
                    sum = Some(sum.unwrap_or(0_i64).saturating_add(value));
                }
            }
        }
        sum.map_or(otherwise, |sum| OwnState::Value(sum, true))
    }

    /// Whether a dimension is not summed without a member: the figures of the member apply to the
    /// unit and, where they are missing, its dates include the month.
    #[must_use]
    pub fn is_summand(&self, part: &OwnValuePlan, unit: UnitPosition, month: Month) -> bool {
        match self.own_state(part, unit, month) {
            OwnState::Value(..) => true,
            OwnState::NotApplicable => false,
            OwnState::Missing => part.dates.includes(month),
        }
    }

    /// The leaves below a unit in a month to which figures do not apply.
    pub(super) fn not_applicable_leaves(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> BitSet {
        if !own.may_not_apply(&self.view) {
            return BitSet::default();
        }
        let leaves = self.leaves(unit, month);
        leaves.iter().filter(|leaf| self.is_not_applicable(own, *leaf, month)).collect()
    }

    /// The revision from which a unit has had an own value: from which it was stated, or from which
    /// all of its members were there, whichever is earlier.
    #[must_use]
    pub fn own_since(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> Option<RevisionStamp> {
        let stated = own.stated.and_then(|measure| self.view.cube.since(measure, unit, month));
        let summed = |parts: &Vec<OwnValuePlan>| {
            parts
                .iter()
                .filter(|part| self.is_summand(part, unit, month))
                .map(|part| self.own_since(part, unit, month))
                .collect::<Option<Vec<RevisionStamp>>>()?
                .into_iter()
                .max()
        };
        stated.into_iter().chain(own.splits.iter().filter_map(summed)).min()
    }

    /// Whether figures apply to no leaf below a unit.
    pub(super) fn applies_nowhere(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> bool {
        let left_out = self.not_applicable_leaves(own, unit, month);
        !left_out.is_empty() && self.leaves(unit, month).is_subset(&left_out)
    }

    /// The sum over the children of a unit if all leaves below them are covered. The unit's own
    /// value is ignored.
    #[must_use]
    pub fn children_total(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> Option<i128> {
        let (mut sum, mut any) = (0, false);
        for child in self.units.children(unit).filter(|child| self.units.exists(*child, month)) {
            match self.nearest_contributions(own, false, child, month) {
                Availability::Nowhere => continue,
                Availability::Whole(pieces) => {
                    sum += pieces.iter().map(|(_, amount)| i128::from(*amount)).sum::<i128>()
                }
                Availability::Missing | Availability::Partial => return None,
            }
            any = true;
        }
        any.then_some(sum)
    }

    /// The same sum, where each child's value is computed from the units below it if these are all
    /// there.
    #[must_use]
    pub fn sum_from_below(
        &self,
        own: &OwnValuePlan,
        unit: UnitPosition,
        month: Month,
    ) -> Option<i128> {
        let (mut sum, mut any) = (0, false);
        for child in self.units.children(unit).filter(|child| self.units.exists(*child, month)) {
            if self.applies_nowhere(own, child, month) {
                continue;
            }
            let stated = || self.own(own, child, month).map(|(value, _)| i128::from(value));
            sum += self.sum_from_below(own, child, month).or_else(stated)?;
            any = true;
        }
        any.then_some(sum)
    }
}
