//! How a unit stands: every kpi and headline indicator in one period (contract section 3, `GET /scorecard`).

use std::collections::BTreeSet;

use serde::Serialize;

use super::findings::position;
use super::moment::Moment;
use super::series::{PointView, point};
use super::state::State;
use crate::domain::catalogue::{Direction, ScoreFunction};
use crate::domain::change::Series;
use crate::domain::geography::Geography;
use crate::domain::measure::{Measure, Members};
use crate::domain::number::{Shown, Written};
use crate::domain::period::Period;
use crate::domain::program::Program;
use crate::domain::target::{Status, judge};
use crate::domain::unit::{Name, UnitKind};
use crate::error::Error;

/// How many values a row looks back on, the period's own among them.
pub const HISTORY: usize = 13;

/// Whose scorecard is wanted.
#[derive(Clone, Debug)]
pub struct ScorecardQuery {
    /// The unit.
    pub unit: String,
    /// When.
    pub period: Period,
    /// In the units of today, with the past of those that they go back to.
    pub of_today: bool,
}

/// A scorecard.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ScorecardView {
    /// The revision it was computed from.
    pub revision: i64,
    /// The unit.
    pub unit: String,
    /// Its name.
    pub name: Name,
    /// What sort of organisation it is.
    pub kind: UnitKind,
    /// The period.
    pub period: String,
    /// The points of all kpis that earn some; null when the catalogue scores none.
    #[schema(required)]
    pub score: Option<TotalScore>,
    /// The kpis in catalogue order, each followed by members of it for which a target is in force here; then the headline indicators.
    pub rows: Vec<ScorecardRow>,
}

/// Points added up.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct TotalScore {
    /// Points earned by the kpis that have a value.
    #[schema(value_type = f64)]
    pub earned: Shown,
    /// Points that these could earn.
    #[schema(value_type = f64)]
    pub possible: Shown,
    /// Kpis that could earn points and have no value.
    pub missing: usize,
}

/// One measure on a scorecard.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ScorecardRow {
    /// The measure.
    pub measure: String,
    /// Its name.
    pub name: Name,
    /// `kpi` or `indicator`.
    pub group: &'static str,
    /// The system it belongs to.
    #[schema(required)]
    pub system: Option<String>,
    /// What it is given in.
    pub unit_of_measure: String,
    /// Which way is the good one.
    pub direction: Direction,
    /// The value with all its changes, as in `/series`.
    #[serde(flatten)]
    pub point: PointView,
    /// The target in force in the period's last month.
    #[schema(required, value_type = Option<f64>)]
    pub target: Option<Written>,
    /// The code of that target.
    #[schema(required)]
    pub target_code: Option<String>,
    /// How far the value has come, in percent of the target.
    #[schema(required, value_type = Option<f64>)]
    pub attainment: Option<Shown>,
    /// How it stands against the target.
    #[schema(required)]
    pub status: Option<Status>,
    /// The points that the kpi earns, with what they are computed from.
    #[schema(required)]
    pub score: Option<ScoreView>,
    /// The last 13 values, the period's own at the end.
    pub history: Vec<PastValue>,
}

/// The points of a kpi.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ScoreView {
    /// How they follow from the value.
    pub function: ScoreFunction,
    /// The value that earns all of them.
    #[schema(value_type = f64)]
    pub threshold: Written,
    /// All of them.
    #[schema(value_type = f64)]
    pub points: Written,
    /// Those earned; null without a value.
    #[schema(required, value_type = Option<f64>)]
    pub earned: Option<Shown>,
    /// The document that sets them.
    #[schema(required)]
    pub source: Option<Name>,
}

/// A value of an earlier period.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct PastValue {
    /// The period.
    pub period: String,
    /// The value.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Shown>,
}

impl Moment {
    /// Every kpi and headline indicator of a unit in a period.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit.
    pub fn scorecard(&self, query: &ScorecardQuery) -> Result<ScorecardView, Error> {
        let state = self.look();
        let unit = position(&state, &query.unit)?;
        let geography = self.geography(query.of_today);
        let (rows, points): (Vec<ScorecardRow>, Vec<Option<f64>>) =
            measures(&state, unit, query.period)
                .iter()
                .filter_map(|measure| row(&state, geography, measure, unit, query.period))
                .unzip();
        let document = state.units.get(unit).map(|unit| unit.document.clone());
        let (name, kind) =
            document.map(|document| (document.name, document.kind)).unwrap_or_default();
        Ok(ScorecardView {
            revision: state.revision,
            unit: query.unit.clone(),
            name,
            kind,
            period: query.period.to_string(),
            score: total(&rows, &points),
            rows,
        })
    }
}

/// What stands on a unit's scorecard for a period.
fn measures(state: &State, unit: usize, period: Period) -> Vec<Measure> {
    let catalogue = &state.catalogue;
    let whole = |code: &str| Measure { code: code.to_owned(), members: Members::none() };
    let in_force = |measure: &&Measure| {
        state.targets.in_force(&state.units, measure, unit, period.last()).is_some()
    };
    let targets: BTreeSet<&Measure> =
        state.targets.measures().into_iter().filter(in_force).collect();
    let of_kpi = catalogue.kpis.iter().flat_map(|kpi| {
        let with_members = targets
            .iter()
            .filter(|measure| measure.code == kpi.code && !measure.members.is_empty())
            .map(|measure| (*measure).clone());
        std::iter::once(whole(&kpi.code)).chain(with_members)
    });
    let headlines = catalogue
        .document
        .indicators
        .iter()
        .filter(|indicator| indicator.headline)
        .map(|indicator| whole(&indicator.code));
    of_kpi.chain(headlines).collect()
}

/// A row, and the points earned before they are rounded.
fn row(
    state: &State,
    geography: Geography,
    measure: &Measure,
    unit: usize,
    period: Period,
) -> Option<(ScorecardRow, Option<f64>)> {
    let catalogue = &state.catalogue;
    let program = Program::of_measure(catalogue, &state.view(), measure)?;
    let mut past: Vec<Period> =
        std::iter::successors(Some(period), |period| Some(period.back(1))).take(HISTORY).collect();
    past.reverse();
    let series =
        Series::new(state.source().given_in(geography), &program, unit, *past.first()?, period);
    let shown = point(state, &series, (measure, &program), unit, period);
    let target = state.targets.in_force(&state.units, measure, unit, period.last());
    let target_code = target.map(|target| target.code.clone());
    let target = target.map(|target| target.value);
    let direction = catalogue.direction(&measure.code);
    let value = series.value(period);
    let (attainment, status) = judge(direction, value, target.map(Written::to_f64));
    let kpi = catalogue.kpi(&measure.code);
    let document = catalogue.document.kpis.iter().find(|document| document.code == measure.code);
    let scored = kpi.and_then(|kpi| kpi.score).filter(|_| measure.members.is_empty());
    let earned = scored.zip(value).map(|(score, value)| score.points_of(direction, value));
    let score = scored.map(|score| ScoreView {
        function: score.function,
        threshold: score.threshold,
        points: score.points,
        earned: earned.and_then(Shown::new),
        source: document.and_then(|document| document.score.as_ref()?.source.clone()),
    });
    let of_indicator = || {
        catalogue
            .document
            .indicators
            .iter()
            .find(|document| document.code == measure.code)
            .and_then(|document| document.system.clone())
    };
    let row = ScorecardRow {
        measure: measure.to_string(),
        name: catalogue.label(measure),
        group: if kpi.is_some() { "kpi" } else { "indicator" },
        system: document.map_or_else(of_indicator, |document| document.system.clone()),
        unit_of_measure: catalogue.unit_of_measure(&measure.code).to_owned(),
        direction,
        point: shown,
        target,
        target_code,
        attainment: attainment.and_then(Shown::new),
        status,
        score,
        history: past
            .iter()
            .map(|period| PastValue {
                period: period.to_string(),
                value: series.value(*period).and_then(Shown::new),
            })
            .collect(),
    };
    Some((row, earned))
}

fn total(rows: &[ScorecardRow], points: &[Option<f64>]) -> Option<TotalScore> {
    let scores: Vec<(&ScoreView, Option<f64>)> = rows
        .iter()
        .zip(points)
        .filter_map(|(row, earned)| Some((row.score.as_ref()?, *earned)))
        .collect();
    let there = scores.iter().filter_map(|(score, earned)| Some(((*earned)?, score.points)));
    let (earned, possible) = there.fold((0.0, 0.0), |(earned, possible), (some, all)| {
        (earned + some, possible + all.to_f64())
    });
    let missing = scores.iter().filter(|(_, earned)| earned.is_none()).count();
    (!scores.is_empty()).then_some(())?;
    Some(TotalScore { earned: Shown::new(earned)?, possible: Shown::new(possible)?, missing })
}
