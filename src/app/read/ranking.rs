//! The ranking: the children of a unit in order of one measure (`docs/specification.md#ranking`).

use std::collections::HashMap;

use serde::Serialize;

use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::Direction;
use kpi::change::{MeasureSeries, PeriodPoint, UnavailableReason, ValueReason};
use kpi::fault::Fault;
use kpi::geography::Geography;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Rounded, rounded};
use kpi::period::Period;
use kpi::program::Program;
use kpi::ranking::places;
use kpi::target::{TargetStatus, evaluate_target, is_provisional};
use kpi::unit::LocalizedName;

/// A query for a ranking.
#[derive(Clone, Debug)]
pub struct RankingQuery {
    /// The measure that orders the units.
    pub measure: Measure,
    /// The unit whose children are ranked; absent for the units without a parent.
    pub parent: Option<String>,
    /// The period.
    pub period: Period,
    /// Whether to use `geography=current` (`docs/specification.md#merged-units`).
    pub of_today: bool,
}

/// A ranking.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RankingView {
    /// The revision it was computed from.
    pub revision: i64,
    /// That revision's hash.
    pub revision_hash: String,
    /// The measure.
    pub measure: String,
    /// The unit whose children are ranked; null for the units without a parent.
    #[schema(required)]
    pub parent: Option<String>,
    /// The period.
    pub period: String,
    /// Whether a higher or a lower value is better; `neutral` for an indicator.
    pub direction: Direction,
    /// The unit of the values, such as `percent`.
    pub unit_of_measure: String,
    /// The children that exist in the period, best first; those without a value come last, in order
    /// of their codes.
    pub rows: Vec<RankingRow>,
}

/// A unit in a ranking.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RankingRow {
    /// The unit.
    pub unit: String,
    /// The unit's name.
    pub name: LocalizedName,
    /// The unit's value.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Rounded>,
    /// Reason code when `value` is null.
    #[schema(required)]
    pub value_reason: Option<ValueReason>,
    /// Share of the leaves that the value covers, 0 to 1. Null where no leaf is left to which the
    /// figures apply.
    #[schema(required)]
    pub coverage: Option<f64>,
    /// This period minus the period before.
    #[schema(required, value_type = Option<f64>)]
    pub delta: Option<Rounded>,
    /// Reason code when `delta` is null.
    #[schema(required)]
    pub delta_reason: Option<UnavailableReason>,
    /// The rank; equal values share one (1, 1, 3). Null without a value.
    #[schema(required)]
    pub rank: Option<usize>,
    /// The rank in the period before.
    #[schema(required)]
    pub previous_rank: Option<usize>,
    /// The target in force in the period's last month.
    #[schema(required, value_type = Option<f64>)]
    pub target: Option<Decimal64>,
    /// The code of that target.
    #[schema(required)]
    pub target_code: Option<String>,
    /// How much of the target is reached, in percent.
    #[schema(required, value_type = Option<f64>)]
    pub attainment: Option<Rounded>,
    /// The value compared with the target.
    #[schema(required)]
    pub status: Option<TargetStatus>,
    /// Whether the status is over a coverage below 1, so that it may still change.
    pub provisional: bool,
}

impl Snapshot {
    /// The children of a unit in order of a measure, best first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a measure that is not declared; [`Error::NotFound`] for an unknown
    /// unit.
    pub fn ranking(&self, query: &RankingQuery) -> Result<RankingView, Error> {
        let state = self.state();
        let faults: Vec<Fault> = state.measure_faults(&query.measure).collect();
        let Some(program) = Program::of_measure(&state.catalogue, &state.view(), &query.measure)
            .filter(|_| faults.is_empty())
        else {
            return Err(Error::Invalid(faults));
        };
        let ranking = RankingComputation {
            state,
            geography: self.geography(query.of_today),
            measure: &query.measure,
            program,
        };
        let units = match &query.parent {
            Some(code) => state.units.children(state.find_unit(code)?).collect(),
            None => state.units.roots().collect::<Vec<_>>(),
        };
        Ok(RankingView {
            revision: state.revision,
            revision_hash: state.revision_hash(),
            measure: query.measure.to_string(),
            parent: query.parent.clone(),
            period: query.period.to_string(),
            direction: ranking.direction(),
            unit_of_measure: state.catalogue.unit_of_measure(&query.measure.code).to_owned(),
            rows: ranking.rows(&units, query.period),
        })
    }
}

struct RankingComputation<'a> {
    state: &'a State,
    geography: Geography,
    measure: &'a Measure,
    program: Program,
}

impl RankingComputation<'_> {
    fn direction(&self) -> Direction {
        self.state.catalogue.direction(&self.measure.code)
    }

    fn rows(&self, units: &[usize], period: Period) -> Vec<RankingRow> {
        let before = period.previous();
        let series = |unit: usize| {
            MeasureSeries::new(
                self.state.source().with_geography(self.geography),
                &self.program,
                unit,
                before.unwrap_or(period),
                period,
            )
        };
        let all: Vec<(usize, MeasureSeries<'_>)> =
            units.iter().map(|unit| (*unit, series(*unit))).collect();
        let ranked = |period: Period| {
            let there: Vec<&(usize, MeasureSeries<'_>)> =
                all.iter().filter(|(unit, _)| self.takes_part(*unit, period)).collect();
            let values: Vec<Option<f64>> =
                there.iter().map(|(_, series)| series.value(period)).collect();
            there
                .into_iter()
                .map(|(unit, _)| *unit)
                .zip(places(self.direction(), &values))
                .collect::<HashMap<usize, Option<usize>>>()
        };
        let (now, then) = (ranked(period), before.map(ranked).unwrap_or_default());
        let mut rows: Vec<RankingRow> = all
            .iter()
            .filter_map(|(unit, series)| {
                let places = (*now.get(unit)?, then.get(unit).copied().flatten());
                Some(self.row(*unit, &series.point(period), places))
            })
            .collect();
        rows.sort_by(|one, other| {
            (one.rank.unwrap_or(usize::MAX), &one.unit)
                .cmp(&(other.rank.unwrap_or(usize::MAX), &other.unit))
        });
        rows
    }

    /// Whether a unit is ranked in a period: it exists in a month of the period or, with
    /// `geography=current`, today.
    fn takes_part(&self, unit: usize, period: Period) -> bool {
        match self.geography {
            Geography::AsReported => {
                period.months().any(|month| self.state.units.exists(unit, month))
            }
            Geography::Current(_) => {
                self.state.units.get(unit).is_some_and(|unit| !self.geography.excludes(unit))
            }
        }
    }

    fn row(
        &self,
        unit: usize,
        point: &PeriodPoint,
        (rank, previous_rank): (Option<usize>, Option<usize>),
    ) -> RankingRow {
        let target =
            self.state.targets.in_force(&self.state.units, self.measure, unit, point.period.last());
        let target_code = target.map(|target| target.code.clone());
        let target = target.map(|target| target.value);
        let (attainment, status) =
            evaluate_target(self.direction(), point.value, target.map(Decimal64::to_f64));
        let status = status.filter(|_| point.coverage.is_some());
        RankingRow {
            unit: self.state.units.code(unit).to_owned(),
            name: self
                .state
                .units
                .get(unit)
                .map(|unit| unit.document.name.clone())
                .unwrap_or_default(),
            value: point.value.and_then(Rounded::new),
            value_reason: point.value_reason,
            coverage: point.coverage.and_then(rounded),
            delta: point.delta.ok().and_then(Rounded::new),
            delta_reason: point.delta.err(),
            rank,
            previous_rank,
            target,
            target_code,
            attainment: attainment.and_then(Rounded::new),
            status,
            provisional: is_provisional(status, point.coverage),
        }
    }
}
