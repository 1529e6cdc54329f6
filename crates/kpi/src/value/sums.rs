//! Sums of a figure over a subtree, for many months at once (docs/specification.md#value).

use std::sync::Arc;

use super::{LeafCover, Origin, ValueSource};
use crate::catalogue::IndicatorKind;
use crate::cube::MeasureId;
use crate::number::{float, share};
use crate::period::Month;
use crate::program::FigureOperand;
use crate::roll_up::{MonthRollUp, RollUps};
use crate::unit::{UnitPosition, UnitRange};

/// The value of one figure in one month, summed over a subtree.
#[derive(Clone, Debug, Default)]
pub(super) struct RollUp {
    pub(super) sum: i128,
    pub(super) cover: LeafCover,
    pub(super) coverage: f64,
    pub(super) origin: Option<Origin>,
}

impl ValueSource<'_> {
    /// The value of a figure in `count` months from `first`: the unit's own value, or the sum of
    /// the nearest own values below it.
    ///
    /// Units are in tree order, so one pass is enough: where a unit has an own value or does not
    /// exist, all units below it are skipped for that month.
    pub(super) fn roll_up(
        &self,
        figure: &FigureOperand,
        unit: UnitPosition,
        first: Month,
        count: usize,
    ) -> Vec<RollUp> {
        let Some(top) = self.units.get(unit) else { return vec![RollUp::default(); count] };
        if figure.own.may_not_apply(&self.view) {
            let months = (0..).map(|n| first.plus(n)).take(count);
            return months.map(|month| self.roll_up_applying(figure, unit, month)).collect();
        }
        let end = if figure.kind == IndicatorKind::Average { unit.next() } else { top.end };
        let plain = figure.own.splits.is_empty() && self.view.is_plain();
        if let Some(measure) = figure.own.stated.filter(|_| plain) {
            if end == unit.next() && top.end == end {
                return self.roll_up_leaf(measure, unit, first, count);
            }
            if let Some(kept) = self.kept.filter(|_| end > unit.next())
                && let Some(found) = self.roll_up_kept(kept, (measure, unit), first, count)
            {
                return found;
            }
        }
        let mut months: Vec<RollUpWalk> = (0..)
            .map(|n| RollUpWalk {
                month: first.plus(n),
                passed: unit,
                sum: 0,
                parts: 0,
                origin: None,
            })
            .take(count)
            .collect();
        for position in UnitRange::new(unit, end) {
            let Some(here) = self.units.get(position) else { break };
            let row = figure
                .own
                .stated
                .filter(|_| plain)
                .map(|measure| self.view.cube.row(measure, position))
                .unwrap_or_default();
            for walk in months.iter_mut().filter(|walk| walk.passed <= position) {
                if !here.exists(walk.month) {
                    walk.passed = here.end;
                    continue;
                }
                let own = if plain {
                    row.at(walk.month).map(|value| (value, false))
                } else {
                    self.own(&figure.own, position, walk.month)
                };
                let Some((value, summed)) = own else { continue };
                walk.passed = here.end;
                walk.sum += i128::from(value);
                walk.parts += self.units.leaf_count(self.units.subtree(position), walk.month);
                if position == unit {
                    walk.origin = Some(if summed { Origin::Summed } else { Origin::Stated });
                }
            }
        }
        let mut known: Option<(Month, usize)> = None;
        months
            .into_iter()
            .map(|walk| {
                let leaves = match known {
                    Some((month, leaves)) if self.units.same_epoch(month, walk.month) => leaves,
                    _ => self.units.leaf_count(self.units.subtree(unit), walk.month),
                };
                known = Some((walk.month, leaves));
                let cover = match walk.parts {
                    0 => LeafCover::Nothing,
                    all if all == leaves => LeafCover::All,
                    _ => LeafCover::Some(Arc::new(self.covered_leaves(figure, unit, walk.month))),
                };
                RollUp {
                    sum: walk.sum,
                    cover,
                    coverage: share(walk.parts, leaves),
                    origin: walk.origin,
                }
            })
            .collect()
    }

    /// The value of a figure at a unit that has no units below it: for programs of which other
    /// operands keep [`Self::leaf_states`] from answering, and for units of today.
    fn roll_up_leaf(
        &self,
        measure: MeasureId,
        unit: UnitPosition,
        first: Month,
        count: usize,
    ) -> Vec<RollUp> {
        let row = self.view.cube.row(measure, unit);
        let value = |month: Month| row.at(month).filter(|_| self.units.exists(unit, month));
        let state = |month: Month| {
            value(month).map_or_else(RollUp::default, |value| RollUp {
                sum: i128::from(value),
                cover: LeafCover::All,
                coverage: 1.0,
                origin: Some(Origin::Stated),
            })
        };
        (0..).map(|n| state(first.plus(n))).take(count).collect()
    }

    /// The value of a figure at a unit with units below it, from cached sums.
    fn roll_up_kept(
        &self,
        kept: &RollUps,
        (measure, unit): (MeasureId, UnitPosition),
        first: Month,
        count: usize,
    ) -> Option<Vec<RollUp>> {
        let own = self.view.cube.row(measure, unit);
        let state = |month: Month, sums: &MonthRollUp| RollUp {
            sum: sums.sum,
            coverage: share(sums.covered, sums.leaves),
            cover: match (sums.covered, &sums.cover) {
                (0, _) => LeafCover::Nothing,
                (_, Some(some)) => LeafCover::Some(Arc::clone(some)),
                (_, None) => LeafCover::All,
            },
            origin: (sums.covered > 0 && own.at(month).is_some()).then_some(Origin::Stated),
        };
        kept.months((self.units, self.view.cube), (measure, unit), (first, count), state)
    }

    /// The value of a figure in a month, where it may not apply to some leaves.
    fn roll_up_applying(&self, figure: &FigureOperand, unit: UnitPosition, month: Month) -> RollUp {
        let left_out = self.not_applicable_leaves(&figure.own, unit, month);
        let leaves = self.units.leaves(unit, month).without(&left_out);
        let covered = self.covered_leaves(figure, unit, month);
        if covered.is_empty() {
            return RollUp::default();
        }
        let average = figure.kind == IndicatorKind::Average;
        let nearest = self.nearest_values(&figure.own, average, unit, month);
        RollUp {
            sum: nearest.iter().map(|(_, value)| i128::from(*value)).sum(),
            coverage: share(covered.len(), leaves.len()),
            cover: if left_out.is_empty() && covered == leaves {
                LeafCover::All
            } else {
                LeafCover::Some(Arc::new(covered))
            },
            origin: self
                .own(&figure.own, unit, month)
                .map(|(_, summed)| if summed { Origin::Summed } else { Origin::Stated }),
        }
    }
}

/// The state of one month while a roll-up walks through a subtree.
struct RollUpWalk {
    month: Month,
    /// The first position that is not skipped.
    passed: UnitPosition,
    sum: i128,
    parts: usize,
    origin: Option<Origin>,
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "i128 has no From into f64; sums are exact below 2^53 and rounded once above"
)]
pub(super) fn wide_float(sum: i128) -> f64 {
    // The conversion from 64 bits is one instruction.
    i64::try_from(sum).map_or_else(|_wide| sum as f64, float)
}
