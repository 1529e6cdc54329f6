//! Targets: which one is in force, whether it is reached, and the points that a kpi earns.

use std::collections::HashMap;

use super::catalogue::{Direction, Score, ScoreFunction, Target};
use super::measure::Measure;
use super::number::rounded;
use super::period::Month;
use super::unit::Units;

/// From this attainment on, in percent, a target that is not met is nearly met.
pub const CLOSE: f64 = 95.0;

/// How a value stands against its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The target is reached.
    Met,
    /// It is not, but 95 percent of the way are done.
    Close,
    /// It is further away than that.
    Behind,
    /// There is a target and no value.
    NoData,
}

/// How far a value has come towards a target, in percent, and what that means. Neither without a target or a good direction.
///
/// Where more is better the attainment is value / target, where less is better target / value; it may exceed 100. It cannot be
/// given where that divides by zero or a side is negative; the status can: it asks first whether the target is reached.
#[must_use]
pub fn judge(
    direction: Direction,
    value: Option<f64>,
    target: Option<f64>,
) -> (Option<f64>, Option<Status>) {
    let Some(target) = target.filter(|_| direction != Direction::Neutral) else {
        return (None, None);
    };
    let Some(value) = value else { return (None, Some(Status::NoData)) };
    let (part, whole) =
        if direction == Direction::Lower { (target, value) } else { (value, target) };
    let attainment = (part >= 0.0 && whole > 0.0).then(|| part / whole * 100.0);
    let status = match attainment.and_then(rounded) {
        _ if reaches(direction, value, target) => Status::Met,
        Some(attainment) if attainment >= CLOSE => Status::Close,
        _ => Status::Behind,
    };
    (attainment, Some(status))
}

/// Whether a value reaches a mark, both as they are shown: with six decimals.
fn reaches(direction: Direction, value: f64, mark: f64) -> bool {
    let (value, mark) = (rounded(value).unwrap_or(value), rounded(mark).unwrap_or(mark));
    if direction == Direction::Lower { value <= mark } else { value >= mark }
}

impl Score {
    /// The points a value earns: all of them from the threshold on (where less is better: up to it), below in proportion or none.
    #[must_use]
    pub fn points_of(&self, direction: Direction, value: f64) -> f64 {
        let (points, threshold) = (self.points.to_f64(), self.threshold.to_f64());
        let part =
            if direction == Direction::Lower { threshold / value } else { value / threshold };
        match self.function {
            _ if reaches(direction, value, threshold) => points,
            ScoreFunction::Proportional => points * part.clamp(0.0, 1.0),
            ScoreFunction::AllOrNothing => 0.0,
        }
    }
}

/// Every target, ready to be looked up.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    by_measure: HashMap<Measure, Vec<Target>>,
}

impl Targets {
    /// The catalogue's targets and those that were set beside it. One set beside it takes the place of the catalogue's of the same
    /// code, and comes before others of the catalogue at the same unit; else the one that began last counts.
    #[must_use]
    pub fn new(of_catalogue: &[Target], given: Vec<Target>) -> Self {
        let replaced = |target: &&Target| given.iter().all(|other| other.code != target.code);
        let mut all: Vec<(bool, Target)> =
            of_catalogue.iter().filter(replaced).map(|target| (false, target.clone())).collect();
        all.extend(given.iter().map(|target| (true, target.clone())));
        all.sort_by(|(beside, one), (other_beside, other)| {
            other_beside
                .cmp(beside)
                .then_with(|| other.from.cmp(&one.from))
                .then_with(|| one.code.cmp(&other.code))
        });
        let mut by_measure: HashMap<Measure, Vec<Target>> = HashMap::new();
        for (_, target) in all {
            by_measure.entry(target.measure.clone()).or_default().push(target);
        }
        Self { by_measure }
    }

    /// The target in force for a measure of a unit in a month: the unit's own, else the nearest above it, else one for every unit.
    #[must_use]
    pub fn in_force(
        &self,
        units: &Units,
        measure: &Measure,
        unit: usize,
        month: Month,
    ) -> Option<&Target> {
        let list = self.by_measure.get(measure)?;
        let holds = |target: &&Target| {
            target.from.is_none_or(|from| from <= month) && target.to.is_none_or(|to| month <= to)
        };
        let of = |code: Option<&str>| {
            list.iter().filter(holds).find(|target| target.unit.as_deref() == code)
        };
        std::iter::once(unit)
            .chain(units.ancestors(unit))
            .find_map(|place| of(Some(units.code(place))))
            .or_else(|| of(None))
    }

    /// The measures that have a target anywhere, in order.
    #[must_use]
    pub fn measures(&self) -> Vec<&Measure> {
        let mut found: Vec<&Measure> = self.by_measure.keys().collect();
        found.sort();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::number::Written;

    fn written(text: &str) -> Written {
        Written::parse(text).unwrap()
    }

    #[test]
    fn attainment_follows_the_direction() {
        let judged = |direction, value, target| judge(direction, Some(value), Some(target));
        assert_eq!(judged(Direction::Higher, 90.0, 100.0), (Some(90.0), Some(Status::Behind)));
        assert_eq!(judged(Direction::Higher, 95.0, 100.0), (Some(95.0), Some(Status::Close)));
        assert_eq!(judged(Direction::Higher, 120.0, 100.0), (Some(120.0), Some(Status::Met)));
        assert_eq!(judged(Direction::Lower, 20.0, 10.0), (Some(50.0), Some(Status::Behind)));
        assert_eq!(judged(Direction::Lower, 10.0, 10.0), (Some(100.0), Some(Status::Met)));
        assert_eq!(judged(Direction::Lower, 0.0, 10.0), (None, Some(Status::Met))); // nothing is as little as can be
        assert_eq!(judged(Direction::Higher, 0.0, 0.0), (None, Some(Status::Met)));
        assert_eq!(judged(Direction::Higher, -5.0, 10.0), (None, Some(Status::Behind)));
        assert_eq!(judged(Direction::Neutral, 90.0, 100.0), (None, None));
        assert_eq!(judge(Direction::Higher, None, Some(1.0)), (None, Some(Status::NoData)));
        assert_eq!(judge(Direction::Higher, Some(1.0), None), (None, None));
    }

    #[test]
    fn a_value_that_is_shown_as_the_target_meets_it() {
        assert_eq!(judge(Direction::Higher, Some(79.999_999_9), Some(80.0)).1, Some(Status::Met));
        assert_eq!(judge(Direction::Higher, Some(79.999_999), Some(80.0)).1, Some(Status::Close));
        assert_eq!(judge(Direction::Higher, Some(7.885), Some(8.3)).1, Some(Status::Close)); // exactly 95 %, in binary a little less
    }

    #[test]
    fn attainment_is_computed_from_the_value_before_it_is_rounded() {
        let (attainment, _) = judge(Direction::Higher, Some(200.0 / 3.0), Some(80.0));
        assert_eq!(attainment.and_then(rounded), Some(83.333_333));
    }

    #[test]
    fn points_are_full_at_the_threshold_and_proportional_or_none_below() {
        let score = |function| Score { function, points: written("20"), threshold: written("50") };
        let (proportional, all) =
            (score(ScoreFunction::Proportional), score(ScoreFunction::AllOrNothing));
        assert_eq!(proportional.points_of(Direction::Higher, 50.0), 20.0);
        assert_eq!(proportional.points_of(Direction::Higher, 80.0), 20.0);
        assert_eq!(proportional.points_of(Direction::Higher, 12.5), 5.0); // 20 x 12.5 / 50
        assert_eq!(proportional.points_of(Direction::Lower, 200.0), 5.0); // 20 x 50 / 200
        assert_eq!(proportional.points_of(Direction::Lower, 0.0), 20.0);
        assert_eq!(
            (all.points_of(Direction::Higher, 49.9), all.points_of(Direction::Higher, 50.0)),
            (0.0, 20.0)
        );
    }
}
