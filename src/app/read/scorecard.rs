//! The scorecard: all kpis and headline indicators of a unit in one period
//! (`docs/specification.md#scorecard`).

use std::collections::BTreeSet;

use ledger::RevisionNumber;
use serde::Serialize;
use serde::ser::SerializeMap;

use super::fields::{Field, FieldChoice, FieldSet, RequestedFields};
use super::series::{PointView, PreparedSeries};
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::{Direction, ScoreFunction};
use kpi::geography::Geography;
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, Rounded};
use kpi::period::Period;
use kpi::program::Program;
use kpi::target::{TargetStatus, evaluate_target, is_provisional};
use kpi::unit::{LocalizedName, UnitKind, UnitPosition};

/// Number of values in the history of a row, including that of the period.
pub const HISTORY: usize = 13;

/// The unit and period of a scorecard.
#[derive(Clone, Debug)]
pub struct ScorecardQuery {
    /// The unit.
    pub unit: String,
    /// The period.
    pub period: Period,
    /// Whether to use `geography=current` (`docs/specification.md#merged-units`).
    pub of_today: bool,
    /// The fields of each row; see [`ScorecardQuery::fields`].
    pub fields: RequestedFields,
}

impl ScorecardQuery {
    /// The fields of a row without `fields=`.
    #[must_use]
    pub fn fields() -> RequestedFields {
        RequestedFields::new(FieldChoice::SCORECARD.default)
    }
}

/// A scorecard.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ScorecardView {
    /// The revision it was computed from.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    pub revision_hash: String,
    /// The unit.
    pub unit: String,
    /// The unit's name.
    pub name: LocalizedName,
    /// The kind of the organisation.
    pub kind: UnitKind,
    /// The period.
    pub period: String,
    /// The sum of the points of all kpis; null when no kpi of the catalogue earns points.
    #[schema(required)]
    pub score: Option<TotalScore>,
    /// The kpis in catalogue order, each followed by its members that have a target in force here;
    /// then the headline indicators.
    pub rows: Vec<ScorecardRow>,
    /// The fields of the rows.
    #[serde(skip)]
    pub fields: FieldSet,
}

/// The sum of the points.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct TotalScore {
    /// Points earned by the kpis that have a value.
    #[schema(value_type = f64)]
    pub earned: Rounded,
    /// Points that these kpis could earn.
    #[schema(value_type = f64)]
    pub possible: Rounded,
    /// Number of kpis that could earn points but have no value.
    pub missing: usize,
}

/// One measure on a scorecard. Without `fields=` it has all fields except those described as “on
/// request”; with `fields=` it has the named ones.
#[derive(Clone, PartialEq, Debug, utoipa::ToSchema)]
pub struct ScorecardRow {
    /// The measure. Always present.
    pub measure: String,
    /// The measure's name.
    #[schema(required = false)]
    pub name: LocalizedName,
    /// On request: the unit's name, in the language of the response.
    #[schema(nullable = false)]
    pub unit_name: Option<String>,
    /// On request: the measure's name, in the language of the response.
    #[schema(nullable = false)]
    pub measure_name: Option<String>,
    /// `kpi` or `indicator`.
    #[schema(required = false)]
    pub group: &'static str,
    /// The system that the figures come from.
    pub system: Option<String>,
    /// The unit of the values, such as `percent`.
    #[schema(required = false)]
    pub unit_of_measure: String,
    /// Whether a higher or a lower value is better.
    #[schema(required = false)]
    pub direction: Direction,
    /// The value with its changes, as in `/series`.
    #[serde(flatten)]
    pub point: PointView,
    /// The target in force in the period's last month.
    #[schema(value_type = Option<f64>)]
    pub target: Option<Decimal64>,
    /// The code of that target.
    pub target_code: Option<String>,
    /// How much of the target is reached, in percent.
    #[schema(value_type = Option<f64>)]
    pub attainment: Option<Rounded>,
    /// The value compared with the target.
    pub status: Option<TargetStatus>,
    /// Whether the coverage is below 1, so that the status may still change.
    #[schema(required = false)]
    pub provisional: bool,
    /// The points of the kpi, and how they are computed.
    pub score: Option<ScoreView>,
    /// The last 13 values, the period's own at the end.
    #[schema(required = false)]
    pub history: Vec<PastValue>,
}

/// Writes the requested fields, in the order of [`Field::ALL`].
impl Serialize for ScorecardRow {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are fields of the point")]
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut to = serializer.serialize_map(None)?;
        for field in self.point.fields.iter() {
            let name = field.name();
            match field {
                Field::Measure => to.serialize_entry(name, &self.measure)?,
                Field::Name => to.serialize_entry(name, &self.name)?,
                Field::UnitName => to.serialize_entry(name, &self.unit_name)?,
                Field::MeasureName => to.serialize_entry(name, &self.measure_name)?,
                Field::Group => to.serialize_entry(name, &self.group)?,
                Field::System => to.serialize_entry(name, &self.system)?,
                Field::UnitOfMeasure => to.serialize_entry(name, &self.unit_of_measure)?,
                Field::Direction => to.serialize_entry(name, &self.direction)?,
                Field::Target => to.serialize_entry(name, &self.target)?,
                Field::TargetCode => to.serialize_entry(name, &self.target_code)?,
                Field::Attainment => to.serialize_entry(name, &self.attainment)?,
                Field::Status => to.serialize_entry(name, &self.status)?,
                Field::Provisional => to.serialize_entry(name, &self.provisional)?,
                Field::Score => to.serialize_entry(name, &self.score)?,
                Field::History => to.serialize_entry(name, &self.history)?,
                of_point => self.point.write(of_point, name, &mut to)?,
            }
        }
        to.end()
    }
}

/// The points of a kpi.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ScoreView {
    /// How the points follow from the value.
    pub function: ScoreFunction,
    /// The value that earns all points.
    #[schema(value_type = f64)]
    pub threshold: Decimal64,
    /// The most points possible.
    #[schema(value_type = f64)]
    pub points: Decimal64,
    /// The points earned; null without a value.
    #[schema(required, value_type = Option<f64>)]
    pub earned: Option<Rounded>,
    /// The document that sets the points.
    #[schema(required)]
    pub source: Option<LocalizedName>,
}

/// A value of an earlier period.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct PastValue {
    /// The period.
    pub period: String,
    /// The value.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Rounded>,
}

impl Snapshot {
    /// The scorecard of a unit in a period.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit.
    pub fn scorecard(&self, query: &ScorecardQuery) -> Result<ScorecardView, Error> {
        let state = self.state();
        if let Some(fault) = query.fields.fault(query.period.step()) {
            return Err(Error::Invalid(vec![fault]));
        }
        let unit = state.find_unit(&query.unit)?;
        let geography = self.geography(query.of_today);
        let (rows, points): (Vec<ScorecardRow>, Vec<Option<f64>>) =
            measures(state, unit, query.period)
                .iter()
                .filter_map(|measure| row(state, geography, measure, unit, query))
                .unzip();
        let document = state.units.get(unit).map(|unit| unit.document.clone());
        let (name, kind) =
            document.map(|document| (document.name, document.kind)).unwrap_or_default();
        Ok(ScorecardView {
            revision: state.revision,
            revision_hash: state.revision_hash(),
            unit: query.unit.clone(),
            name,
            kind,
            period: query.period.to_string(),
            score: total(&rows, &points),
            rows,
            fields: query.fields.set,
        })
    }
}

/// The measures on a unit's scorecard for a period.
fn measures(state: &State, unit: UnitPosition, period: Period) -> Vec<Measure> {
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

/// A row, and its unrounded points.
fn row(
    state: &State,
    geography: Geography,
    measure: &Measure,
    unit: UnitPosition,
    query: &ScorecardQuery,
) -> Option<(ScorecardRow, Option<f64>)> {
    let (catalogue, period, fields) = (&state.catalogue, query.period, query.fields);
    let program = Program::of_measure(catalogue, &state.view(), measure)?;
    let length = if fields.set.contains(Field::History) { HISTORY } else { 1 };
    let mut past: Vec<Period> =
        std::iter::successors(Some(period), |period| Some(period.back(1))).take(length).collect();
    past.reverse();
    let prepared = PreparedSeries::new(state, measure, &program, fields);
    let source = state.source().with_geography(geography);
    let series = prepared.of_unit(source, unit, *past.first()?, period);
    let shown = prepared.point(state, &series, period);
    let target = state.targets.in_force(&state.units, measure, unit, period.last());
    let target_code = target.map(|target| target.code.clone());
    let target = target.map(|target| target.value);
    let direction = catalogue.direction(&measure.code);
    let value = series.value(period);
    let (attainment, status) = evaluate_target(direction, value, target.map(Decimal64::to_f64));
    let status = status.filter(|_| shown.coverage.is_some());
    let kpi = catalogue.kpi(&measure.code);
    let document = catalogue.document.kpis.iter().find(|document| document.code == measure.code);
    let scored = kpi.and_then(|kpi| kpi.score).filter(|_| measure.members.is_empty());
    let earned = scored.zip(value).map(|(score, value)| score.points_of(direction, value));
    let score = scored.map(|score| ScoreView {
        function: score.function,
        threshold: score.threshold,
        points: score.points,
        earned: earned.and_then(Rounded::new),
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
        unit_name: prepared.unit_name(state, &series),
        measure_name: prepared.measure_name(state),
        group: if kpi.is_some() { "kpi" } else { "indicator" },
        system: document.map_or_else(of_indicator, |document| document.system.clone()),
        unit_of_measure: catalogue.unit_of_measure(&measure.code).to_owned(),
        direction,
        provisional: is_provisional(status, shown.coverage),
        point: shown,
        target,
        target_code,
        attainment: attainment.and_then(Rounded::new),
        status,
        score,
        history: past
            .iter()
            .map(|period| PastValue {
                period: period.to_string(),
                value: series.value(*period).and_then(Rounded::new),
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
    Some(TotalScore { earned: Rounded::new(earned)?, possible: Rounded::new(possible)?, missing })
}
