//! Geography: whether values are given in the units as reported or in the units of today
//! (docs/specification.md#merged-units).

use std::collections::HashMap;

use chrono::NaiveDate;

use super::period::Month;
use super::unit::{Unit, UnitForest, UnitPosition};

/// In which units values are given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Geography {
    /// A unit has values only in the months in which it exists.
    #[default]
    AsReported,
    /// Values are given in the units that exist on this day. Before a unit began, its predecessors
    /// take its place.
    Current(NaiveDate),
}

/// A unit that takes the place of a later one in a month.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Predecessor {
    /// Position of the predecessor.
    pub unit: UnitPosition,
    /// The part of its figures that the later unit continues, 0 to 1.
    pub share: f64,
}

/// Which units represent a unit in a month.
#[derive(Clone, PartialEq, Debug)]
pub enum UnitAt {
    /// The unit itself: it exists in the month.
    Itself,
    /// Its predecessors.
    Predecessors(Vec<Predecessor>),
    /// No unit: the unit does not exist in the month, and it has no predecessors, or they were
    /// split without declared shares.
    Unrepresented,
}

impl Geography {
    /// Whether a unit has no values at all because values are given in the units of a day on which
    /// it does not exist.
    #[must_use]
    pub fn excludes(self, unit: &Unit) -> bool {
        matches!(self, Self::Current(today) if !unit.exists_on(today))
    }
}

impl UnitForest {
    /// Which units represent a unit in a month.
    #[must_use]
    pub fn resolve_at(&self, position: UnitPosition, month: Month, geography: Geography) -> UnitAt {
        let Some(unit) = self.get(position) else { return UnitAt::Unrepresented };
        match geography {
            _ if unit.exists(month) => UnitAt::Itself,
            Geography::Current(today) if month < unit.first => {
                match self.predecessors(position, month, today) {
                    Some(found) if !found.is_empty() => UnitAt::Predecessors(found),
                    _ => UnitAt::Unrepresented,
                }
            }
            Geography::Current(_) | Geography::AsReported => UnitAt::Unrepresented,
        }
    }

    /// A unit and all its direct and indirect predecessors, in any month; the unit comes first.
    #[must_use]
    pub fn lineage(&self, position: UnitPosition) -> Vec<UnitPosition> {
        self.lineage_through(position, |_| true)
    }

    /// A unit and the units that lead to it through `successors`, by way of units for which `leads`
    /// is true.
    fn lineage_through(
        &self,
        position: UnitPosition,
        leads: impl Fn(&Unit) -> bool,
    ) -> Vec<UnitPosition> {
        let (mut seen, mut waiting) = (vec![position], vec![position]);
        while let Some(next) = waiting.pop() {
            for before in self.named_predecessors(next) {
                if !seen.contains(before) && self.get(*before).is_some_and(&leads) {
                    seen.push(*before);
                    waiting.push(*before);
                }
            }
        }
        seen
    }

    /// The units of a month that lead to a later unit, in tree order, each with its share. `None`
    /// when a share is not declared.
    ///
    /// The way leads only through units that do not exist today, because a unit that exists today
    /// keeps its own past. A predecessor below another predecessor is left out: its figures are
    /// part of the other's.
    fn predecessors(
        &self,
        position: UnitPosition,
        month: Month,
        today: NaiveDate,
    ) -> Option<Vec<Predecessor>> {
        let line = self.lineage_through(position, |unit| !unit.exists_on(today));
        let mut there: Vec<UnitPosition> =
            line.into_iter().skip(1).filter(|unit| self.exists(*unit, month)).collect();
        there.sort_unstable();
        let inside = |unit: UnitPosition| {
            self.ancestors(unit)
                .take_while(|above| self.exists(*above, month))
                .any(|above| there.binary_search(&above).is_ok())
        };
        let mut shares =
            SuccessorShares { units: self, heir: position, today, known: HashMap::new() };
        let outermost = there.iter().filter(|unit| !inside(**unit));
        outermost.map(|unit| Some(Predecessor { unit: *unit, share: shares.of(*unit)? })).collect()
    }
}

/// The shares of units that one later unit, the heir, continues.
struct SuccessorShares<'a> {
    units: &'a UnitForest,
    heir: UnitPosition,
    today: NaiveDate,
    known: HashMap<UnitPosition, Option<f64>>,
}

impl SuccessorShares<'_> {
    /// The share of a unit. `None` when it was split and its shares are not declared.
    fn of(&mut self, unit: UnitPosition) -> Option<f64> {
        if unit == self.heir {
            return Some(1.0);
        }
        if let Some(known) = self.known.get(&unit) {
            return *known;
        }
        let ends = self.units.follow_successors(unit, |position, at| {
            position == self.heir || at.exists_on(self.today) || at.has_no_successor()
        });
        let share = match ends.as_slice() {
            [only] if *only == self.heir => Some(1.0),
            ends if !ends.contains(&self.heir) => Some(0.0),
            _ => {
                self.known.insert(unit, None); // ends the recursion when successors form a circle
                self.units.shares(unit).and_then(|parts| {
                    parts.iter().map(|(successor, part)| Some(part * self.of(*successor)?)).sum()
                })
            }
        };
        self.known.insert(unit, share);
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::UnitDocument;

    fn units(list: serde_json::Value) -> UnitForest {
        let documents: Vec<UnitDocument> = serde_json::from_value(list).unwrap();
        UnitForest::numbered(documents).unwrap()
    }

    fn found(units: &UnitForest, code: &str, month: &str) -> Option<Vec<(String, f64)>> {
        let today = NaiveDate::from_ymd_opt(2026, 1, 15).unwrap();
        match units.resolve_at(
            units.position(code).unwrap(),
            month.parse().unwrap(),
            Geography::Current(today),
        ) {
            UnitAt::Itself => Some(vec![(code.to_owned(), 1.0)]),
            UnitAt::Predecessors(list) => {
                Some(list.iter().map(|one| (units.code(one.unit).to_owned(), one.share)).collect())
            }
            UnitAt::Unrepresented => None,
        }
    }

    fn pairs(list: &[(&str, f64)]) -> Option<Vec<(String, f64)>> {
        Some(list.iter().map(|(code, share)| ((*code).to_owned(), *share)).collect())
    }

    #[test]
    fn predecessors_are_resolved_over_three_generations() {
        let units = units(serde_json::json!([
            { "code": "a", "valid_to": "2020-06-30", "successors": ["c"] },
            { "code": "b", "valid_to": "2020-06-30", "successors": ["c"] },
            {
                "code": "c",
                "valid_from": "2020-07-01",
                "valid_to": "2022-12-31",
                "successors": ["e"]
            },
            { "code": "d", "valid_to": "2022-12-31", "successors": ["e"] },
            { "code": "e", "valid_from": "2023-01-01" }
        ]));
        assert_eq!(found(&units, "e", "2020-06"), pairs(&[("a", 1.0), ("b", 1.0), ("d", 1.0)]));
        assert_eq!(found(&units, "e", "2020-07"), pairs(&[("c", 1.0), ("d", 1.0)]));
        assert_eq!(found(&units, "e", "2023-01"), pairs(&[("e", 1.0)]));
        assert_eq!(found(&units, "c", "2023-01"), None, "c has ended");
    }

    #[test]
    fn a_split_needs_shares_and_shares_multiply_along_a_chain() {
        let split = |shares: serde_json::Value| {
            units(serde_json::json!([
                {
                    "code": "x",
                    "valid_to": "2019-12-31",
                    "successors": ["u", "v"],
                    "shares": shares
                },
                { "code": "u", "valid_from": "2020-01-01" },
                {
                    "code": "v",
                    "valid_from": "2020-01-01",
                    "valid_to": "2021-12-31",
                    "successors": ["w", "u2"],
                    "shares": { "w": "0.25", "u2": 0.75 }
                },
                { "code": "w", "valid_from": "2022-01-01" },
                { "code": "u2", "valid_from": "2022-01-01" }
            ]))
        };
        let declared = split(serde_json::json!({ "u": 0.6, "v": "0.4" }));
        assert_eq!(found(&declared, "u", "2019-12"), pairs(&[("x", 0.6)]));
        assert_eq!(found(&declared, "w", "2019-12"), pairs(&[("x", 0.1)]));
        assert_eq!(found(&declared, "w", "2020-01"), pairs(&[("v", 0.25)]));
        let silent = split(serde_json::json!({}));
        assert_eq!(found(&silent, "u", "2019-12"), None);
        assert_eq!(found(&silent, "w", "2019-12"), None);
        assert_eq!(found(&silent, "w", "2021-12"), pairs(&[("v", 0.25)]));
    }

    #[test]
    fn parts_that_merge_again_are_not_a_split_and_a_lost_part_is() {
        let units = units(serde_json::json!([
            { "code": "x", "valid_to": "2019-12-31", "successors": ["u", "v"] },
            {
                "code": "u",
                "valid_from": "2020-01-01",
                "valid_to": "2021-12-31",
                "successors": ["w"]
            },
            {
                "code": "v",
                "valid_from": "2020-01-01",
                "valid_to": "2021-12-31",
                "successors": ["w"]
            },
            { "code": "w", "valid_from": "2022-01-01" },
            { "code": "y", "valid_to": "2019-12-31", "successors": ["z", "gone"] },
            { "code": "z", "valid_from": "2020-01-01" },
            { "code": "gone", "valid_from": "2020-01-01", "valid_to": "2020-12-31" }
        ]));
        assert_eq!(found(&units, "w", "2019-12"), pairs(&[("x", 1.0)]));
        assert_eq!(found(&units, "z", "2019-12"), None);
    }

    #[test]
    fn a_district_with_the_successor_of_its_province_is_counted_once() {
        let units = units(serde_json::json!([
            { "code": "p", "valid_to": "2025-06-30", "successors": ["q"] },
            { "code": "p.d", "parent": "p", "valid_to": "2025-06-30", "successors": ["q"] },
            { "code": "q", "valid_from": "2025-07-01" }
        ]));
        assert_eq!(found(&units, "q", "2025-06"), pairs(&[("p", 1.0)]));
    }

    #[test]
    fn successor_cycles_terminate() {
        let units = units(serde_json::json!([
            {
                "code": "a",
                "valid_to": "2020-06-30",
                "successors": ["b", "c"],
                "shares": { "b": 0.5, "c": 0.5 }
            },
            { "code": "b", "valid_to": "2020-06-30", "successors": ["a"] },
            { "code": "c", "valid_from": "2020-07-01" }
        ]));
        assert_eq!(
            found(&units, "c", "2020-06"),
            pairs(&[("a", 1.0), ("b", 1.0)]),
            "every way out of the circle leads to c"
        );
    }
}
