//! The ranking: the children of a unit in order of one measure (`docs/specification.md#ranking`).

use ledger::RevisionNumber;
use serde::Serialize;
use serde::ser::SerializeMap;

use super::fields::{Field, FieldChoice, FieldSet, RequestedFields, TARGET_FIELDS};
use super::series::{PointView, PreparedSeries};
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::Direction;
use kpi::change::MeasureSeries;
use kpi::fault::Fault;
use kpi::geography::Geography;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Rounded};
use kpi::period::Period;
use kpi::program::Program;
use kpi::ranking::places;
use kpi::target::{TargetStatus, evaluate_target, is_provisional};
use kpi::unit::{LocalizedName, UnitPosition};

/// A query for a ranking.
#[derive(Clone, Debug)]
pub struct RankingQuery {
    /// The measure that orders the units.
    pub measure: Measure,
    /// The unit above the ranked units; absent when the units without a parent are ranked.
    pub parent: Option<String>,
    /// The period.
    pub period: Period,
    /// Whether to use `geography=current` (`docs/specification.md#merged-units`).
    pub of_today: bool,
    /// The fields of each row; see [`RankingQuery::fields`].
    pub fields: RequestedFields,
}

impl RankingQuery {
    /// The fields of a row without `fields=`.
    #[must_use]
    pub fn fields() -> RequestedFields {
        RequestedFields::new(FieldChoice::RANKING.default)
    }
}

/// A ranking.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RankingView {
    /// The revision it was computed from.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    pub revision_hash: String,
    /// The measure.
    pub measure: String,
    /// The unit above the ranked units; null when the units without a parent are ranked.
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
    /// The fields of the rows.
    #[serde(skip)]
    pub fields: FieldSet,
}

/// A unit in a ranking. Without `fields=` it has unit, name, value, coverage, delta, ranks, target,
/// attainment and status; with `fields=` it has the named fields.
#[derive(Clone, PartialEq, Debug, utoipa::ToSchema)]
pub struct RankingRow {
    /// The unit. Always present.
    pub unit: String,
    /// The unit's name.
    #[schema(required = false)]
    pub name: LocalizedName,
    /// On request: the unit's name, in the language of the response.
    #[schema(nullable = false)]
    pub unit_name: Option<String>,
    /// On request: the measure's name, in the language of the response.
    #[schema(nullable = false)]
    pub measure_name: Option<String>,
    /// The value with its changes, as in `/series`.
    #[serde(flatten)]
    pub point: PointView,
    /// The rank; equal values share one (1, 1, 3). Null without a value.
    pub rank: Option<usize>,
    /// The rank in the period before.
    pub previous_rank: Option<usize>,
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
}

/// Writes the requested fields, in the order of [`Field::ALL`].
impl Serialize for RankingRow {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are fields of the point")]
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut to = serializer.serialize_map(None)?;
        for field in self.point.fields.iter() {
            let name = field.name();
            match field {
                Field::Unit => to.serialize_entry(name, &self.unit)?,
                Field::Name => to.serialize_entry(name, &self.name)?,
                Field::UnitName => to.serialize_entry(name, &self.unit_name)?,
                Field::MeasureName => to.serialize_entry(name, &self.measure_name)?,
                Field::Rank => to.serialize_entry(name, &self.rank)?,
                Field::PreviousRank => to.serialize_entry(name, &self.previous_rank)?,
                Field::Target => to.serialize_entry(name, &self.target)?,
                Field::TargetCode => to.serialize_entry(name, &self.target_code)?,
                Field::Attainment => to.serialize_entry(name, &self.attainment)?,
                Field::Status => to.serialize_entry(name, &self.status)?,
                Field::Provisional => to.serialize_entry(name, &self.provisional)?,
                of_point => self.point.write(of_point, name, &mut to)?,
            }
        }
        to.end()
    }
}

impl Snapshot {
    /// The children of a unit in order of a measure, best first.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a measure that is not declared; [`Error::NotFound`] for an unknown
    /// unit.
    pub fn ranking(&self, query: &RankingQuery) -> Result<RankingView, Error> {
        let state = self.state();
        let faults: Vec<Fault> = state
            .measure_faults(&query.measure)
            .chain(query.fields.fault(query.period.step()))
            .collect();
        let Some(program) = Program::of_measure(&state.catalogue, &state.view(), &query.measure)
            .filter(|_| faults.is_empty())
        else {
            return Err(Error::Invalid(faults));
        };
        let ranking = RankingComputation {
            state,
            geography: self.geography(query.of_today),
            prepared: PreparedSeries::new(state, &query.measure, &program, query.fields),
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
            fields: query.fields.set,
        })
    }
}

struct RankingComputation<'a> {
    state: &'a State,
    geography: Geography,
    prepared: PreparedSeries<'a>,
}

impl RankingComputation<'_> {
    fn direction(&self) -> Direction {
        self.state.catalogue.direction(&self.prepared.measure().code)
    }

    fn rows(&self, units: &[UnitPosition], period: Period) -> Vec<RankingRow> {
        let wants_past = self.prepared.wants(&[Field::PreviousRank]);
        let before = period.previous().filter(|_| wants_past);
        let series = |unit: UnitPosition| {
            let source = self.state.source().with_geography(self.geography);
            self.prepared.of_unit(source, unit, before.unwrap_or(period), period)
        };
        let all: Vec<(UnitPosition, MeasureSeries<'_>)> =
            units.iter().map(|unit| (*unit, series(*unit))).collect();
        // For each unit that takes part: its rank, if it has a value.
        let ranked = |period: Period| -> Vec<Option<Option<usize>>> {
            let takes_part = |(unit, _): &(UnitPosition, _)| self.takes_part(*unit, period);
            let there = all.iter().filter(|one| takes_part(one));
            let values: Vec<Option<f64>> = there.map(|(_, series)| series.value(period)).collect();
            let mut ranks = places(self.direction(), &values).into_iter();
            all.iter().map(|one| takes_part(one).then(|| ranks.next().flatten())).collect()
        };
        let now = ranked(period);
        let then = before.map(ranked).unwrap_or_default();
        let mut order: Vec<(usize, &str, usize)> = (0..)
            .zip(all.iter().zip(&now))
            .filter_map(|(at, ((unit, _), rank))| {
                Some((rank.as_ref()?.unwrap_or(usize::MAX), self.state.units.code(*unit), at))
            })
            .collect();
        order.sort_unstable();
        let mut rows = Vec::with_capacity(order.len());
        for (_, _, at) in order {
            let Some((unit, series)) = all.get(at) else { continue };
            let rank = |ranks: &[Option<Option<usize>>]| ranks.get(at).copied().flatten().flatten();
            rows.push(self.row(*unit, (series, period), (rank(&now), rank(&then))));
        }
        rows
    }

    /// Whether a unit is ranked in a period: it exists in a month of the period or, with
    /// `geography=current`, today.
    fn takes_part(&self, unit: UnitPosition, period: Period) -> bool {
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
        unit: UnitPosition,
        (series, period): (&MeasureSeries<'_>, Period),
        (rank, previous_rank): (Option<usize>, Option<usize>),
    ) -> RankingRow {
        let (state, prepared) = (self.state, &self.prepared);
        let point = prepared.point(state, series, period);
        let wants_target = prepared.wants(TARGET_FIELDS);
        let target = if wants_target {
            state.targets.in_force(&state.units, prepared.measure(), unit, period.last())
        } else {
            None
        };
        let target_code = target.map(|target| target.code.clone());
        let target = target.map(|target| target.value);
        let (attainment, status) = if wants_target {
            let value = series.value(period);
            evaluate_target(self.direction(), value, target.map(Decimal64::to_f64))
        } else {
            (None, None)
        };
        let status = status.filter(|_| point.coverage.is_some());
        let named = state.units.get(unit).filter(|_| prepared.wants(&[Field::Name]));
        RankingRow {
            unit: state.units.code(unit).to_owned(),
            name: named.map(|unit| unit.document.name.clone()).unwrap_or_default(),
            unit_name: prepared.unit_name(state, series),
            measure_name: prepared.measure_name(state),
            rank,
            previous_rank,
            target,
            target_code,
            attainment: attainment.and_then(Rounded::new),
            status,
            provisional: is_provisional(status, point.coverage),
            point,
        }
    }
}
