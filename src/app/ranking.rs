//! Who is ahead and who is behind: the children of a unit by one measure (contract section 3, `GET /ranking`).

use std::collections::HashMap;

use serde::Serialize;

use super::findings::position;
use super::moment::Moment;
use super::series::measure_faults;
use super::state::State;
use crate::domain::catalogue::Direction;
use crate::domain::change::{Point, Reason, Series};
use crate::domain::fault::Fault;
use crate::domain::geography::Geography;
use crate::domain::measure::Measure;
use crate::domain::number::{Shown, Written, rounded};
use crate::domain::period::Period;
use crate::domain::program::Program;
use crate::domain::ranking::places;
use crate::domain::target::{Status, judge};
use crate::domain::unit::Name;
use crate::error::Error;

/// What is to be ranked.
#[derive(Clone, Debug)]
pub struct RankingQuery {
    /// By what.
    pub measure: Measure,
    /// Whose children; the roots of the forest when absent.
    pub parent: Option<String>,
    /// When.
    pub period: Period,
    /// In the units of today, with the past of those that they go back to.
    pub of_today: bool,
}

/// A ranking.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RankingView {
    /// The revision it was computed from.
    pub revision: i64,
    /// The measure.
    pub measure: String,
    /// The unit whose children are ranked; null for the roots.
    #[schema(required)]
    pub parent: Option<String>,
    /// The period.
    pub period: String,
    /// Which way is the good one; neither of an indicator.
    pub direction: Direction,
    /// What the values are given in.
    pub unit_of_measure: String,
    /// The children that exist in the period, best first; those without a value last, by their codes.
    pub rows: Vec<RankingRow>,
}

/// A unit in a ranking.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RankingRow {
    /// The unit.
    pub unit: String,
    /// Its name.
    pub name: Name,
    /// Its value.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Shown>,
    /// Share of its leaves covered, 0 to 1.
    pub coverage: f64,
    /// Against the period before.
    #[schema(required, value_type = Option<f64>)]
    pub delta: Option<Shown>,
    /// Why not.
    #[schema(required)]
    pub delta_reason: Option<Reason>,
    /// Its place; equal values share one (1, 1, 3).
    #[schema(required)]
    pub rank: Option<usize>,
    /// Its place in the ranking of the period before.
    #[schema(required)]
    pub previous_rank: Option<usize>,
    /// The target in force in the period's last month.
    #[schema(required, value_type = Option<f64>)]
    pub target: Option<Written>,
    /// The code of that target.
    #[schema(required)]
    pub target_code: Option<String>,
    /// How far it has come, in percent of the target.
    #[schema(required, value_type = Option<f64>)]
    pub attainment: Option<Shown>,
    /// How it stands against the target.
    #[schema(required)]
    pub status: Option<Status>,
}

impl Moment {
    /// The children of a unit, best first.
    ///
    /// # Errors
    /// Undeclared measures; [`Error::NotFound`] for an unknown unit.
    pub fn ranking(&self, query: &RankingQuery) -> Result<RankingView, Error> {
        let state = self.look();
        let faults: Vec<Fault> = measure_faults(&state, &query.measure).collect();
        let Some(program) = Program::of_measure(&state.catalogue, &state.view(), &query.measure)
            .filter(|_| faults.is_empty())
        else {
            return Err(Error::Invalid(faults));
        };
        let ranking = Ranking {
            state: &state,
            geography: self.geography(query.of_today),
            measure: &query.measure,
            program,
        };
        let units = match &query.parent {
            Some(code) => state.units.children(position(&state, code)?).collect(),
            None => state.units.roots().collect::<Vec<_>>(),
        };
        Ok(RankingView {
            revision: state.revision,
            measure: query.measure.to_string(),
            parent: query.parent.clone(),
            period: query.period.to_string(),
            direction: ranking.direction(),
            unit_of_measure: state.catalogue.unit_of_measure(&query.measure.code).to_owned(),
            rows: ranking.rows(&units, query.period),
        })
    }
}

struct Ranking<'a> {
    state: &'a State,
    geography: Geography,
    measure: &'a Measure,
    program: Program,
}

impl Ranking<'_> {
    fn direction(&self) -> Direction {
        self.state.catalogue.direction(&self.measure.code)
    }

    fn rows(&self, units: &[usize], period: Period) -> Vec<RankingRow> {
        let before = period.previous();
        let series = |unit: usize| {
            Series::new(
                self.state.source().given_in(self.geography),
                &self.program,
                unit,
                before.unwrap_or(period),
                period,
            )
        };
        let all: Vec<(usize, Series<'_>)> =
            units.iter().map(|unit| (*unit, series(*unit))).collect();
        let ranked = |period: Period| {
            let there: Vec<&(usize, Series<'_>)> =
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

    /// Whether a unit is ranked in a period: whether it exists in a month of it, or, in the units of today, today.
    fn takes_part(&self, unit: usize, period: Period) -> bool {
        match self.geography {
            Geography::AsReported => {
                period.months().any(|month| self.state.units.exists(unit, month))
            }
            Geography::Current(_) => {
                self.state.units.get(unit).is_some_and(|unit| !self.geography.leaves_out(unit))
            }
        }
    }

    fn row(
        &self,
        unit: usize,
        point: &Point,
        (rank, previous_rank): (Option<usize>, Option<usize>),
    ) -> RankingRow {
        let target =
            self.state.targets.in_force(&self.state.units, self.measure, unit, point.period.last());
        let target_code = target.map(|target| target.code.clone());
        let target = target.map(|target| target.value);
        let (attainment, status) =
            judge(self.direction(), point.value, target.map(Written::to_f64));
        RankingRow {
            unit: self.state.units.code(unit).to_owned(),
            name: self
                .state
                .units
                .get(unit)
                .map(|unit| unit.document.name.clone())
                .unwrap_or_default(),
            value: point.value.and_then(Shown::new),
            coverage: rounded(point.coverage).unwrap_or(0.0),
            delta: point.delta.ok().and_then(Shown::new),
            delta_reason: point.delta.err(),
            rank,
            previous_rank,
            target,
            target_code,
            attainment: attainment.and_then(Shown::new),
            status,
        }
    }
}
