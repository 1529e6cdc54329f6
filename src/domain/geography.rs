//! In which units an answer is given, and what a unit goes back to (contract section 2, *Merged units*).

use std::collections::HashMap;

use chrono::NaiveDate;

use super::period::Month;
use super::unit::{Unit, Units};

/// In which units an answer is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Geography {
    /// A unit has values in the months in which it exists, and no others.
    #[default]
    AsReported,
    /// In the units that exist on a day: before a unit began, what its predecessors reported counts as its own.
    Current(NaiveDate),
}

/// A unit that stood in a month for one that did not exist yet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Predecessor {
    /// Where it stands.
    pub unit: usize,
    /// How much of it went on as the later unit, 0 to 1.
    pub share: f64,
}

/// Who speaks for a unit in a month.
#[derive(Clone, PartialEq, Debug)]
pub enum Stead {
    /// The unit: it exists then.
    Itself,
    /// Those it goes back to.
    Predecessors(Vec<Predecessor>),
    /// Nobody: it does not exist then, and what it goes back to, if anything, was split by shares that nobody has declared.
    Nobody,
}

impl Geography {
    /// Whether answers are given in the units of a day on which this one does not exist.
    #[must_use]
    pub fn leaves_out(self, unit: &Unit) -> bool {
        matches!(self, Self::Current(today) if !unit.exists_on(today))
    }
}

impl Units {
    /// Who speaks for a unit in a month.
    #[must_use]
    pub fn stead(&self, position: usize, month: Month, geography: Geography) -> Stead {
        let Some(unit) = self.get(position) else { return Stead::Nobody };
        match geography {
            _ if unit.exists(month) => Stead::Itself,
            Geography::Current(today) if month < unit.first => {
                match self.predecessors(position, month, today) {
                    Some(found) if !found.is_empty() => Stead::Predecessors(found),
                    _ => Stead::Nobody,
                }
            }
            Geography::Current(_) | Geography::AsReported => Stead::Nobody,
        }
    }

    /// A unit and everything that it goes back to, whether that exists or not; the unit comes first.
    #[must_use]
    pub fn line(&self, position: usize) -> Vec<usize> {
        self.led_here(position, |_| true)
    }

    /// A unit, and the units that lead to it by way of such as `leads` is true of.
    fn led_here(&self, position: usize, leads: impl Fn(&Unit) -> bool) -> Vec<usize> {
        let (mut seen, mut waiting) = (vec![position], vec![position]);
        while let Some(next) = waiting.pop() {
            for before in self.goes_back_to(next) {
                if !seen.contains(before) && self.get(*before).is_some_and(&leads) {
                    seen.push(*before);
                    waiting.push(*before);
                }
            }
        }
        seen
    }

    /// The units existing in a month that lead to a later one, in tree order, with the share of each; none when a share is not known.
    ///
    /// The way leads through units that do not exist today: one that does keeps its past for itself. A unit below another that
    /// leads there as well is part of that one's figures and does not count again.
    fn predecessors(
        &self,
        position: usize,
        month: Month,
        today: NaiveDate,
    ) -> Option<Vec<Predecessor>> {
        let line = self.led_here(position, |unit| !unit.exists_on(today));
        let mut there: Vec<usize> =
            line.into_iter().skip(1).filter(|unit| self.exists(*unit, month)).collect();
        there.sort_unstable();
        let inside = |unit: usize| {
            self.ancestors(unit)
                .take_while(|above| self.exists(*above, month))
                .any(|above| there.binary_search(&above).is_ok())
        };
        let mut shares = Shares { units: self, heir: position, today, known: HashMap::new() };
        let outermost = there.iter().filter(|unit| !inside(**unit));
        outermost.map(|unit| Some(Predecessor { unit: *unit, share: shares.of(*unit)? })).collect()
    }
}

/// How much of units went on as one later unit.
struct Shares<'a> {
    units: &'a Units,
    heir: usize,
    today: NaiveDate,
    known: HashMap<usize, Option<f64>>,
}

impl Shares<'_> {
    /// None when a unit was split and nobody has said how.
    fn of(&mut self, unit: usize) -> Option<f64> {
        if unit == self.heir {
            return Some(1.0);
        }
        if let Some(known) = self.known.get(&unit) {
            return *known;
        }
        let ends = self.units.followed(unit, |position, at| {
            position == self.heir || at.exists_on(self.today) || at.has_no_successor()
        });
        let share = match ends.as_slice() {
            [only] if *only == self.heir => Some(1.0),
            ends if !ends.contains(&self.heir) => Some(0.0),
            _ => {
                self.known.insert(unit, None); // so that a circle ends
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
    use crate::domain::unit::UnitDocument;

    fn units(list: serde_json::Value) -> Units {
        let documents: Vec<UnitDocument> = serde_json::from_value(list).unwrap();
        Units::new((1..).zip(documents).collect()).unwrap()
    }

    fn found(units: &Units, code: &str, month: &str) -> Option<Vec<(String, f64)>> {
        let today = NaiveDate::from_ymd_opt(2026, 1, 15).unwrap();
        match units.stead(
            units.position(code).unwrap(),
            month.parse().unwrap(),
            Geography::Current(today),
        ) {
            Stead::Itself => Some(vec![(code.to_owned(), 1.0)]),
            Stead::Predecessors(list) => {
                Some(list.iter().map(|one| (units.code(one.unit).to_owned(), one.share)).collect())
            }
            Stead::Nobody => None,
        }
    }

    fn pairs(list: &[(&str, f64)]) -> Option<Vec<(String, f64)>> {
        Some(list.iter().map(|(code, share)| ((*code).to_owned(), *share)).collect())
    }

    #[test]
    fn three_generations_are_followed_to_the_ones_that_stood_in_the_month() {
        let units = units(serde_json::json!([
            { "code": "a", "valid_to": "2020-06-30", "successors": ["c"] },
            { "code": "b", "valid_to": "2020-06-30", "successors": ["c"] },
            { "code": "c", "valid_from": "2020-07-01", "valid_to": "2022-12-31", "successors": ["e"] },
            { "code": "d", "valid_to": "2022-12-31", "successors": ["e"] },
            { "code": "e", "valid_from": "2023-01-01" }
        ]));
        assert_eq!(found(&units, "e", "2020-06"), pairs(&[("a", 1.0), ("b", 1.0), ("d", 1.0)]));
        assert_eq!(found(&units, "e", "2020-07"), pairs(&[("c", 1.0), ("d", 1.0)]));
        assert_eq!(found(&units, "e", "2023-01"), pairs(&[("e", 1.0)]));
        assert_eq!(found(&units, "c", "2023-01"), None, "it has ended");
    }

    #[test]
    fn a_split_needs_shares_and_they_multiply_along_the_way() {
        let split = |shares: serde_json::Value| {
            units(serde_json::json!([
                { "code": "x", "valid_to": "2019-12-31", "successors": ["u", "v"], "shares": shares },
                { "code": "u", "valid_from": "2020-01-01" },
                { "code": "v", "valid_from": "2020-01-01", "valid_to": "2021-12-31", "successors": ["w", "u2"], "shares": { "w": "0.25", "u2": 0.75 } },
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
    fn parts_that_come_together_again_are_no_split_and_a_part_that_was_lost_is_one() {
        let units = units(serde_json::json!([
            { "code": "x", "valid_to": "2019-12-31", "successors": ["u", "v"] },
            { "code": "u", "valid_from": "2020-01-01", "valid_to": "2021-12-31", "successors": ["w"] },
            { "code": "v", "valid_from": "2020-01-01", "valid_to": "2021-12-31", "successors": ["w"] },
            { "code": "w", "valid_from": "2022-01-01" },
            { "code": "y", "valid_to": "2019-12-31", "successors": ["z", "gone"] },
            { "code": "z", "valid_from": "2020-01-01" },
            { "code": "gone", "valid_from": "2020-01-01", "valid_to": "2020-12-31" }
        ]));
        assert_eq!(found(&units, "w", "2019-12"), pairs(&[("x", 1.0)]));
        assert_eq!(found(&units, "z", "2019-12"), None);
    }

    #[test]
    fn a_district_that_leads_where_its_province_leads_counts_within_it() {
        let units = units(serde_json::json!([
            { "code": "p", "valid_to": "2025-06-30", "successors": ["q"] },
            { "code": "p.d", "parent": "p", "valid_to": "2025-06-30", "successors": ["q"] },
            { "code": "q", "valid_from": "2025-07-01" }
        ]));
        assert_eq!(found(&units, "q", "2025-06"), pairs(&[("p", 1.0)]));
    }

    #[test]
    fn circles_end() {
        let units = units(serde_json::json!([
            { "code": "a", "valid_to": "2020-06-30", "successors": ["b", "c"], "shares": { "b": 0.5, "c": 0.5 } },
            { "code": "b", "valid_to": "2020-06-30", "successors": ["a"] },
            { "code": "c", "valid_from": "2020-07-01" }
        ]));
        assert_eq!(
            found(&units, "c", "2020-06"),
            pairs(&[("a", 1.0), ("b", 1.0)]),
            "every way out of the circle leads there"
        );
    }
}
