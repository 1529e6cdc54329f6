//! Targets: which one is in force, whether it is reached, and the points that a kpi earns
//! (docs/specification.md#targets).

use std::collections::HashMap;

use super::catalogue::{Direction, KpiScore, ScoreFunction, Target};
use super::measure::Measure;
use super::number::rounded;
use super::period::Month;
use super::unit::{UnitForest, UnitPosition};

/// Attainment in percent from which a target that is not met counts as close.
pub const CLOSE_ATTAINMENT: f64 = 95.0;

/// How a value compares with its target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TargetStatus {
    /// The target is reached.
    Met,
    /// The target is not reached, but the attainment is at least 95 percent.
    Close,
    /// The attainment is lower.
    Behind,
    /// There is a target and no value.
    NoData,
}

impl TargetStatus {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Close => "close",
            Self::Behind => "behind",
            Self::NoData => "no_data",
        }
    }
}

/// The attainment in percent and the status of a value. Both are `None` without a target or with a
/// neutral direction.
///
/// The attainment is value / target where higher is better and target / value where lower is
/// better; it may exceed 100. It is `None` after a division by zero or with a negative number. The
/// status needs no attainment when the target is reached.
#[must_use]
pub fn evaluate_target(
    direction: Direction,
    value: Option<f64>,
    target: Option<f64>,
) -> (Option<f64>, Option<TargetStatus>) {
    let Some(target) = target.filter(|_| direction != Direction::Neutral) else {
        return (None, None);
    };
    let Some(value) = value else { return (None, Some(TargetStatus::NoData)) };
    let (part, whole) =
        if direction == Direction::Lower { (target, value) } else { (value, target) };
    let attainment = (part >= 0.0 && whole > 0.0).then(|| part / whole * 100.0);
    let status = match attainment.and_then(rounded) {
        _ if reaches(direction, value, target) => TargetStatus::Met,
        Some(attainment) if attainment >= CLOSE_ATTAINMENT => TargetStatus::Close,
        _ => TargetStatus::Behind,
    };
    (attainment, Some(status))
}

/// Whether a status is over a coverage below 1, so that it may still change
/// (docs/specification.md#targets).
#[must_use]
pub fn is_provisional(status: Option<TargetStatus>, coverage: Option<f64>) -> bool {
    status.is_some() && coverage.is_some_and(|coverage| coverage < 1.0)
}

/// Whether a value reaches a limit when both are rounded to 6 decimals as in responses.
fn reaches(direction: Direction, value: f64, mark: f64) -> bool {
    let (value, mark) = (rounded(value).unwrap_or(value), rounded(mark).unwrap_or(mark));
    if direction == Direction::Lower { value <= mark } else { value >= mark }
}

impl KpiScore {
    /// The points that a value earns: all of them from the threshold on (up to it where lower is
    /// better), otherwise a proportion or none.
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

/// All targets, ordered for look-up.
#[derive(Clone, Debug, Default)]
pub struct TargetIndex {
    by_measure: HashMap<Measure, Vec<Target>>,
}

impl TargetIndex {
    /// Joins the targets of the catalogue with those set beside it. A target set beside the
    /// catalogue replaces the catalogue's target with the same code and comes before its other
    /// targets at the same unit. Of several such targets, the one that began last comes first.
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

    /// The target in force for a measure at a unit and month: the unit's own, otherwise that of the
    /// nearest unit above, otherwise the one without a unit.
    #[must_use]
    pub fn in_force(
        &self,
        units: &UnitForest,
        measure: &Measure,
        unit: UnitPosition,
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

    /// The measures that have a target, in order.
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
    use crate::number::Decimal64;

    fn written(text: &str) -> Decimal64 {
        Decimal64::parse(text).unwrap()
    }

    #[test]
    fn attainment_follows_the_direction() {
        let judged =
            |direction, value, target| evaluate_target(direction, Some(value), Some(target));
        assert_eq!(
            judged(Direction::Higher, 90.0, 100.0),
            (Some(90.0), Some(TargetStatus::Behind))
        );
        assert_eq!(judged(Direction::Higher, 95.0, 100.0), (Some(95.0), Some(TargetStatus::Close)));
        assert_eq!(judged(Direction::Higher, 120.0, 100.0), (Some(120.0), Some(TargetStatus::Met)));
        assert_eq!(judged(Direction::Lower, 20.0, 10.0), (Some(50.0), Some(TargetStatus::Behind)));
        assert_eq!(judged(Direction::Lower, 10.0, 10.0), (Some(100.0), Some(TargetStatus::Met)));
        // 0 is the best possible value
        assert_eq!(judged(Direction::Lower, 0.0, 10.0), (None, Some(TargetStatus::Met)));
        assert_eq!(judged(Direction::Higher, 0.0, 0.0), (None, Some(TargetStatus::Met)));
        assert_eq!(judged(Direction::Higher, -5.0, 10.0), (None, Some(TargetStatus::Behind)));
        assert_eq!(judged(Direction::Neutral, 90.0, 100.0), (None, None));
        assert_eq!(
            evaluate_target(Direction::Higher, None, Some(1.0)),
            (None, Some(TargetStatus::NoData))
        );
        assert_eq!(evaluate_target(Direction::Higher, Some(1.0), None), (None, None));
    }

    #[test]
    fn a_value_that_rounds_to_the_target_meets_it() {
        assert_eq!(
            evaluate_target(Direction::Higher, Some(79.999_999_9), Some(80.0)).1,
            Some(TargetStatus::Met)
        );
        assert_eq!(
            evaluate_target(Direction::Higher, Some(79.999_999), Some(80.0)).1,
            Some(TargetStatus::Close)
        );
        assert_eq!(
            evaluate_target(Direction::Higher, Some(7.885), Some(8.3)).1,
            Some(TargetStatus::Close)
        ); // exactly 95 %, slightly less as a double
    }

    #[test]
    fn attainment_is_computed_from_the_value_before_it_is_rounded() {
        let (attainment, _) = evaluate_target(Direction::Higher, Some(200.0 / 3.0), Some(80.0));
        assert_eq!(attainment.and_then(rounded), Some(83.333_333));
    }

    #[test]
    fn points_are_full_at_the_threshold_and_proportional_or_none_below() {
        let score =
            |function| KpiScore { function, points: written("20"), threshold: written("50") };
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
