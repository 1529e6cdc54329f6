//! Wider periods and changes: deltas, like for like, year on year, year to date, and the reasons why
//! not (contract section 2, *Wider periods* to *Like for like*).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::bits::Bits;
use super::period::{Month, Period, Step};
use super::program::{Program, Window};
use super::unit::Units;
use super::value::{MonthState, Origin, Source, StatedAbove};

/// Why a number cannot be given; the first that applies (contract section 2, *Change*).
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It makes no sense here: percent change of a percentage, year to date of a stock, delta of nine months.
    NotApplicable,
    /// This period has no value.
    Missing,
    /// The unit did not exist in the other period, or a definition changed in between.
    DefinitionChanged,
    /// The other period has no value.
    NoPrior,
    /// The two periods do not cover the same leaves.
    CoverageChanged,
    /// A figure is stated above the leaves and cannot be restricted to those covered in both.
    StatedAbove,
    /// The other value is zero, so there is no percentage.
    PriorZero,
}

/// A number, or why it cannot be given.
pub type Change = Result<f64, Reason>;

/// One point of a series, nothing rounded yet.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// The period.
    pub period: Period,
    /// The value.
    pub value: Option<f64>,
    /// Where it comes from.
    pub origin: Option<Origin>,
    /// Share of the leaves covered, 0 to 1.
    pub coverage: f64,
    /// In a wider period: the month a stock was taken from.
    pub taken_from: Option<Month>,
    /// This period minus the calendar period before.
    pub delta: Change,
    /// The same in percent of the one before.
    pub delta_percent: Change,
    /// The change over the leaves covered in both.
    pub like_for_like_delta: Change,
    /// The same in percent.
    pub like_for_like_percent: Change,
    /// The share of this period's leaves that like for like compares.
    pub like_for_like_coverage: Option<f64>,
    /// Against the same period a year before.
    pub year_delta: Change,
    /// The same in percent.
    pub year_delta_percent: Change,
    /// January to the end of this period.
    pub year_to_date: Change,
}

/// The aggregate of a period.
struct Aggregate<'s> {
    period: Period,
    months: Cow<'s, [Option<MonthState>]>,
    values: Option<Vec<f64>>,
    value: Option<f64>,
    coverage: f64,
    /// The last month that counts, from the period's first.
    taken: Option<usize>,
    origin: Option<Origin>,
}

impl Aggregate<'_> {
    fn window(&self) -> Window {
        self.window_of(self.taken)
    }

    fn window_of(&self, taken: Option<usize>) -> Window {
        let (first, last) = (self.period.first(), self.period.last());
        let taken = taken
            .and_then(|taken| i32::try_from(taken).ok())
            .map_or(last, |taken| first.plus(taken));
        Window { first, last, taken, before: first.plus(-1) }
    }
}

/// A measure of a unit over time.
pub struct Series<'a> {
    source: Source<'a>,
    program: &'a Program,
    unit: usize,
    accumulating: Vec<bool>,
    first: Month,
    states: Vec<Option<MonthState>>,
    /// The answer is given in the units of a day on which this one does not exist.
    left_out: bool,
}

impl<'a> Series<'a> {
    /// Makes ready for points from one period to another of the same step.
    #[must_use]
    pub fn new(
        source: Source<'a>,
        program: &'a Program,
        unit: usize,
        from: Period,
        to: Period,
    ) -> Self {
        let first = from.year_before().first();
        let count = usize::try_from(to.last().since(first) + 1).unwrap_or(0);
        let left_out = source.units.get(unit).is_some_and(|unit| source.geography.leaves_out(unit));
        let states =
            if left_out { vec![None; count] } else { source.states(program, unit, first, count) };
        Self {
            source,
            program,
            unit,
            accumulating: program.accumulating(),
            first,
            states,
            left_out,
        }
    }

    /// What it is computed from.
    #[must_use]
    pub fn source(&self) -> &Source<'a> {
        &self.source
    }

    /// The value of a period within those that were made ready.
    #[must_use]
    pub fn value(&self, period: Period) -> Option<f64> {
        self.aggregate(period).value
    }

    /// The point of a period within those that were made ready.
    #[must_use]
    pub fn point(&self, period: Period) -> Point {
        let now = self.aggregate(period);
        let before = period.previous().map(|period| self.aggregate(period));
        let year_before = self.aggregate(period.year_before());
        let (delta, delta_percent) = self.change(&now, before.as_ref());
        let (like_for_like_delta, like_for_like_percent, like_for_like_coverage) =
            self.like_for_like(&now, before.as_ref());
        let (year_delta, year_delta_percent) = self.change(&now, Some(&year_before));
        Point {
            period,
            value: now.value,
            origin: now.value.and(now.origin),
            coverage: now.coverage,
            taken_from: self.taken_from(&now),
            delta,
            delta_percent,
            like_for_like_delta,
            like_for_like_percent,
            like_for_like_coverage,
            year_delta,
            year_delta_percent,
            year_to_date: self.year_to_date(&now),
        }
    }

    /// Whether no operand adds up over months, so that one month stands for the period.
    fn only_stocks(&self) -> bool {
        self.accumulating.iter().all(|accumulates| !accumulates)
    }

    fn taken_from(&self, now: &Aggregate<'_>) -> Option<Month> {
        let any_stock = self.accumulating.iter().any(|accumulates| !accumulates);
        let taken = now
            .taken
            .filter(|_| any_stock && now.period.step() != Step::Month && now.value.is_some())?;
        Some(now.period.first().plus(i32::try_from(taken).ok()?))
    }

    fn months(&self, period: Period) -> Cow<'_, [Option<MonthState>]> {
        if self.left_out {
            return vec![None; period.months().len()].into();
        }
        if period.step() != Step::Month && self.program.has_previous() {
            let before = period.first().plus(-1);
            return period
                .months()
                .map(|month| self.source.state(self.program, self.unit, month, before))
                .collect();
        }
        let place = usize::try_from(period.first().since(self.first)).ok();
        match place.and_then(|place| self.states.get(place..place + period.months().len())) {
            Some(states) => Cow::Borrowed(states),
            None => period
                .months()
                .map(|month| self.source.state(self.program, self.unit, month, month.plus(-1)))
                .collect(),
        }
    }

    fn aggregate(&self, period: Period) -> Aggregate<'_> {
        let months = self.months(period);
        let taken = months.iter().rposition(Option::is_some);
        if period.step() != Step::Month && self.program.is_average() {
            return Aggregate {
                period,
                months,
                values: None,
                value: None,
                coverage: 0.0,
                taken: None,
                origin: None,
            };
        }
        let Some(last) = taken.and_then(|taken| months.get(taken)?.clone()) else {
            return Aggregate {
                period,
                months,
                values: None,
                value: None,
                coverage: 0.0,
                taken: None,
                origin: None,
            };
        };
        if self.only_stocks() || period.step() == Step::Month {
            let value = self.program.apply(&last.values);
            return Aggregate {
                period,
                months,
                value,
                coverage: last.coverage,
                taken,
                origin: Some(last.origin),
                values: Some(last.values),
            };
        }
        let counted = || months.iter().flatten();
        let values = self.summed(counted(), &last.values);
        let coverage = counted().map(|state| state.coverage).sum::<f64>()
            / super::number::float(i64::from(period.step().months()));
        let origin = counted().map(|state| state.origin).max();
        Aggregate {
            period,
            value: self.program.apply(&values),
            values: Some(values),
            coverage,
            taken,
            origin,
            months,
        }
    }

    /// Operands over months: flows summed, the others as in the last month.
    fn summed<'m>(&self, months: impl Iterator<Item = &'m MonthState>, last: &[f64]) -> Vec<f64> {
        let mut sums: Vec<f64> = last
            .iter()
            .zip(&self.accumulating)
            .map(|(value, accumulates)| if *accumulates { 0.0 } else { *value })
            .collect();
        for month in months {
            for ((sum, value), _) in sums
                .iter_mut()
                .zip(&month.values)
                .zip(&self.accumulating)
                .filter(|(_, accumulates)| **accumulates)
            {
                *sum += value;
            }
        }
        sums
    }

    /// What stands in the way of any comparison, in the contract's order.
    fn obstacle(&self, now: &Aggregate<'_>, then: Option<&Aggregate<'_>>) -> Option<Reason> {
        let Some(then) = then else { return Some(Reason::NotApplicable) };
        if self.left_out {
            return Some(Reason::DefinitionChanged);
        }
        if now.value.is_none() {
            return Some(Reason::Missing);
        }
        let existed = then.period.months().any(|month| self.source.stands(self.unit, month));
        if !existed || self.program.is_broken(&then.window(), &now.window()) {
            return Some(Reason::DefinitionChanged);
        }
        then.value.is_none().then_some(Reason::NoPrior)
    }

    fn change(&self, now: &Aggregate<'_>, then: Option<&Aggregate<'_>>) -> (Change, Change) {
        let delta = match (self.obstacle(now, then), then) {
            (Some(reason), _) => Err(reason),
            (None, Some(then)) if self.comparable(now, then) => {
                self.difference(now.values.as_deref(), then.values.as_deref())
            }
            _ => Err(Reason::CoverageChanged),
        };
        let percent = if self.program.percent {
            Err(Reason::NotApplicable)
        } else {
            delta.and_then(|delta| percent_of(delta, then.and_then(|then| then.value)))
        };
        (delta, percent)
    }

    fn difference(&self, now: Option<&[f64]>, then: Option<&[f64]>) -> Change {
        let now = now.ok_or(Reason::Missing)?;
        let then = then.ok_or(Reason::NoPrior)?;
        self.program.difference(now, then).ok_or(Reason::Missing)
    }

    /// Whether two periods cover the same leaves (contract section 2, *Comparable*).
    fn comparable(&self, now: &Aggregate<'_>, then: &Aggregate<'_>) -> bool {
        let months = |place: usize| (month_at(now, place), month_at(then, place));
        let same = |place: usize, now_state: &MonthState, then_state: &MonthState| {
            let (month, before) = months(place);
            self.comparable_months((month, now_state), (before, then_state))
        };
        if self.only_stocks() {
            return now.taken == then.taken && now.taken.is_some_and(|taken| matches!(state_pair(now, then, taken), (Some(a), Some(b)) if same(taken, a, b)));
        }
        (0..now.months.len()).all(|place| match state_pair(now, then, place) {
            (Some(a), Some(b)) => same(place, a, b),
            (None, None) => true,
            _ => false,
        })
    }

    fn comparable_months(
        &self,
        (now, now_state): (Month, &MonthState),
        (then, then_state): (Month, &MonthState),
    ) -> bool {
        let units = self.source.units;
        if units.same_epoch(now, then) {
            return now_state.cover == then_state.cover;
        }
        let covered_now = self.source.leaves_covered(&now_state.cover, self.unit, now);
        let covered_then = self.source.leaves_covered(&then_state.cover, self.unit, then);
        let mut reached = Bits::default();
        let became = self.became((now, then));
        for leaf in covered_then.iter() {
            if units.became(leaf, now).is_empty() {
                return false; // it ended without a successor
            }
            became(leaf).into_iter().for_each(|unit| reached.insert(unit));
        }
        // A leaf that was left uncovered then must not be part of what is covered now: neither by
        // still being there, nor by having merged into it, from below this unit or from elsewhere.
        let was_uncovered = |leaf: usize| !covered_then.contains(leaf);
        reached == covered_now
            && !covered_now.iter().any(|leaf| units.is_leaf(leaf, then) && was_uncovered(leaf))
            && !units.ended_leaves(then, now).any(|leaf| {
                was_uncovered(leaf)
                    && became(leaf).into_iter().any(|unit| covered_now.contains(unit))
            })
    }

    /// What a leaf of an earlier month became. Where a declared share of it is this unit's, what became of the other shares is
    /// somebody else's.
    fn became(&self, (now, then): (Month, Month)) -> impl Fn(usize) -> Vec<usize> {
        let shared = self.source.shared_leaves(self.unit, then);
        let inside =
            if shared.is_empty() { Bits::default() } else { self.source.leaves(self.unit, now) };
        let units = self.source.units;
        move |leaf| {
            units
                .became(leaf, now)
                .into_iter()
                .filter(|unit| !shared.contains(leaf) || inside.contains(*unit))
                .collect()
        }
    }

    fn like_for_like(
        &self,
        now: &Aggregate<'_>,
        then: Option<&Aggregate<'_>>,
    ) -> (Change, Change, Option<f64>) {
        let none = |reason| {
            (
                Err(reason),
                Err(if self.program.percent { Reason::NotApplicable } else { reason }),
                None,
            )
        };
        if self.program.is_average() {
            return (Err(Reason::NotApplicable), Err(Reason::NotApplicable), None);
        }
        let then = match (self.obstacle(now, then), then) {
            (None, Some(then)) => then,
            (reason, _) => return none(reason.unwrap_or(Reason::NotApplicable)),
        };
        if self.comparable(now, then) {
            let (delta, percent) = self.change(now, Some(then));
            return (delta, percent, Some(now.coverage));
        }
        let restricted = match self.restricted(now, then) {
            Ok(restricted) => restricted,
            Err(reason) => return none(reason),
        };
        let delta = self.difference(Some(&restricted.now), Some(&restricted.then));
        let (value_now, value_then) =
            (self.program.apply(&restricted.now), self.program.apply(&restricted.then));
        let delta = match (value_now, value_then) {
            (None, _) => Err(Reason::Missing),
            (_, None) => Err(Reason::NoPrior),
            _ => delta,
        };
        let percent = if self.program.percent {
            Err(Reason::NotApplicable)
        } else {
            delta.and_then(|delta| percent_of(delta, value_then))
        };
        let coverage = delta.is_ok().then_some(restricted.coverage);
        (delta, percent, coverage)
    }

    /// The operands of two periods over the leaves covered in both, month by month in the same places.
    fn restricted(&self, now: &Aggregate<'_>, then: &Aggregate<'_>) -> Result<Restricted, Reason> {
        let places: Vec<usize> = if self.only_stocks() {
            if now.taken != then.taken {
                return Err(Reason::CoverageChanged);
            }
            now.taken.into_iter().collect()
        } else {
            (0..now.months.len()).collect()
        };
        let width = places.len();
        // From the last month to the first: stocks are needed from the last pair only.
        let (mut pairs, mut taken): (Vec<(MonthState, MonthState)>, Option<usize>) =
            (Vec::new(), None);
        for place in places.into_iter().rev() {
            let (Some(now_state), Some(then_state)) = state_pair(now, then, place) else {
                continue;
            };
            let needed: Vec<bool> = self
                .accumulating
                .iter()
                .map(|accumulates| *accumulates || taken.is_none())
                .collect();
            if let Some(pair) =
                self.restricted_months((now, now_state), (then, then_state), place, &needed)?
            {
                pairs.push(pair);
                taken = taken.or(Some(place));
            }
        }
        let (last, taken) = pairs.first().zip(taken).ok_or(Reason::CoverageChanged)?;
        if self.program.is_broken(&then.window_of(Some(taken)), &now.window_of(Some(taken))) {
            return Err(Reason::DefinitionChanged); // between the months that are paired
        }
        let sides = (
            self.summed(pairs.iter().map(|pair| &pair.0), &last.0.values),
            self.summed(pairs.iter().map(|pair| &pair.1), &last.1.values),
        );
        let coverage = pairs.iter().map(|pair| pair.0.coverage).sum::<f64>()
            / super::number::float(i64::try_from(width).unwrap_or(1));
        Ok(Restricted { now: sides.0, then: sides.1, coverage })
    }

    fn restricted_months(
        &self,
        (now, now_state): (&Aggregate<'_>, &MonthState),
        (then, then_state): (&Aggregate<'_>, &MonthState),
        place: usize,
        needed: &[bool],
    ) -> Result<Option<(MonthState, MonthState)>, Reason> {
        let (month, before) = (month_at(now, place), month_at(then, place));
        let covered = (
            self.source.leaves_covered(&now_state.cover, self.unit, month),
            self.source.leaves_covered(&then_state.cover, self.unit, before),
        );
        let (kept_now, kept_then) = in_both(
            self.source.units,
            self.became((month, before)),
            (month, &covered.0),
            (before, &covered.1),
        );
        if kept_now.is_empty() {
            return Ok(None);
        }
        let side = |period: &Aggregate<'_>, month: Month, state: &MonthState, kept: &Bits| {
            let earlier = if period.period.step() == Step::Month {
                month.plus(-1)
            } else {
                period.period.first().plus(-1)
            };
            let gathered = state.gathered.clone().or_else(|| {
                self.source.gathered(self.program, self.unit, month, earlier).map(Rc::new)
            });
            let restricted = gathered
                .map(|gathered| self.source.restricted(&gathered, month, kept, needed))
                .transpose();
            let restricted = restricted.map_err(|StatedAbove| Reason::StatedAbove)?;
            let coverage =
                super::number::share(kept.len(), self.source.leaves(self.unit, month).len());
            Ok(restricted.map(|kept| MonthState {
                values: kept.values(),
                coverage,
                ..state.clone()
            }))
        };
        Ok(side(now, month, now_state, &kept_now)?.zip(side(then, before, then_state, &kept_then)?))
    }

    fn year_to_date(&self, now: &Aggregate<'_>) -> Change {
        if self.program.is_average() || self.accumulating.iter().any(|accumulates| !accumulates) {
            return Err(Reason::NotApplicable);
        }
        if self.left_out {
            return Err(Reason::DefinitionChanged);
        }
        let january = now.period.first().january();
        let count = now.period.last().since(january) + 1;
        let months: Option<Vec<Cow<'_, MonthState>>> = (0..count)
            .map(|n| {
                let month = january.plus(n);
                match usize::try_from(month.since(self.first))
                    .ok()
                    .and_then(|place| self.states.get(place))
                {
                    Some(state) => state.as_ref().map(Cow::Borrowed),
                    None => self
                        .source
                        .state(self.program, self.unit, month, month.plus(-1))
                        .map(Cow::Owned),
                }
            })
            .collect();
        let months = months.ok_or(Reason::Missing)?;
        let last = months.last().ok_or(Reason::Missing)?;
        let values = self.summed(months.iter().map(AsRef::as_ref), &last.values);
        self.program.apply(&values).ok_or(Reason::Missing)
    }
}

struct Restricted {
    now: Vec<f64>,
    then: Vec<f64>,
    coverage: f64,
}

fn month_at(aggregate: &Aggregate<'_>, place: usize) -> Month {
    aggregate.period.first().plus(i32::try_from(place).unwrap_or(0))
}

fn state_pair<'p>(
    now: &'p Aggregate<'_>,
    then: &'p Aggregate<'_>,
    place: usize,
) -> (Option<&'p MonthState>, Option<&'p MonthState>) {
    let at = |aggregate: &'p Aggregate<'_>| aggregate.months.get(place).and_then(Option::as_ref);
    (at(now), at(then))
}

fn percent_of(delta: f64, then: Option<f64>) -> Change {
    match then {
        Some(then) if then != 0.0 => Ok(delta / then.abs() * 100.0),
        _ => Err(Reason::PriorZero),
    }
}

/// The leaves covered in both of two months, as they are now and as they were then, predecessors as
/// successors. Leaves that belong together (a merger's parts and its result) are kept only together.
fn in_both(
    units: &Units,
    became_now: impl Fn(usize) -> Vec<usize>,
    (now, covered_now): (Month, &Bits),
    (then, covered_then): (Month, &Bits),
) -> (Bits, Bits) {
    if units.same_epoch(now, then) {
        let both = covered_now.intersection(covered_then);
        return (both.clone(), both);
    }
    // A leaf that ended without a successor is out; one whose successors are all somebody else's (a share of it is this unit's) is not.
    let goes_on = covered_then.iter().filter(|leaf| !units.became(*leaf, now).is_empty());
    let mut became: BTreeMap<usize, Vec<usize>> =
        goes_on.map(|leaf| (leaf, became_now(leaf))).collect();
    let mut predecessors: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let others = units.ended_leaves(then, now).map(|leaf| (leaf, became_now(leaf)));
    for (leaf, units_now) in became.clone().into_iter().chain(others) {
        units_now.into_iter().for_each(|unit| {
            predecessors.entry(unit).or_default().insert(leaf);
        });
    }
    for leaf in covered_now.iter().filter(|leaf| units.is_leaf(*leaf, then)) {
        predecessors.entry(leaf).or_default().insert(leaf);
    }
    let mut kept: BTreeSet<usize> =
        covered_now.iter().filter(|leaf| predecessors.contains_key(leaf)).collect();
    loop {
        let size = (kept.len(), became.len());
        became.retain(|_, units_now| units_now.iter().all(|unit| kept.contains(unit)));
        kept.retain(|leaf| {
            predecessors
                .get(leaf)
                .is_some_and(|parts| parts.iter().all(|part| became.contains_key(part)))
        });
        if size == (kept.len(), became.len()) {
            return (kept.into_iter().collect(), became.into_keys().collect());
        }
    }
}
