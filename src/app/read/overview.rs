//! The overview of a unit in a month: its measures, its units by kpis, and what changed most
//! (`docs/pages.md#overview`).

use std::collections::BTreeMap;

use super::completeness::{CompletenessQuery, ReportProgressView, ReportStatus, ReportingTally};
use super::fields::{Field, FieldSet, RequestedFields};
use super::findings::{FindingQuery, FindingView};
use super::ranking::{RankingQuery, RankingRow};
use super::scorecard::{ScorecardQuery, ScorecardRow};
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::error::Error;
use kpi::catalogue::Direction;
use kpi::measure::{Measure, Members};
use kpi::period::{Month, Period, Step};
use kpi::target::TargetStatus;
use kpi::unit::UnitPosition;

/// Most units of the table of units by kpis.
pub const MAX_UNITS: usize = 300;
/// Most changes that are named.
const MOVES: usize = 5;
/// Most units that are named for a change.
const CAUSES: usize = 2;
/// A change is named when it is at least this many times as large as the usual change.
const NOTABLE: f64 = 1.5;
/// A usual change is known from at least this many changes.
const FEWEST: usize = 4;
/// Most reports that the state of reporting is read from.
const MAX_REPORTS: usize = 20_000;
/// Most contradictions that are listed.
const MAX_FINDINGS: usize = 5;

/// The overview.
#[derive(Clone, Debug)]
pub struct UnitOverview {
    /// The scorecard's rows: kpis, then headline indicators.
    pub rows: Vec<ScorecardRow>,
    /// The units below it by kpis, the worst first.
    pub units: Vec<UnitStanding>,
    /// Number of units below it that the table leaves out.
    pub units_left_out: usize,
    /// The kpis of the table.
    pub kpis: Vec<String>,
    /// The changes that are unusually large.
    pub moves: Vec<NotableMove>,
    /// The counts of expected and reported figures.
    pub reporting: ReportingTally,
    /// The reports that are late or not complete.
    pub late: Vec<ReportProgressView>,
    /// The first contradictions that nobody has answered.
    pub findings: Vec<FindingView>,
    /// Number of contradictions that nobody has answered.
    pub findings_count: usize,
    /// For each system of the catalogue the number of its measures, and of those with a value.
    pub systems: Vec<SystemSummary>,
}

/// A unit in the table of units by kpis.
#[derive(Clone, Debug)]
pub struct UnitStanding {
    /// Its code.
    pub unit: String,
    /// The cell of each kpi.
    pub cells: Vec<Option<RankingRow>>,
    /// The worst report of it and of the units below it, if one is expected.
    pub report: Option<ReportStatus>,
    /// Whether its report is overdue.
    pub is_overdue: bool,
}

/// A change that is unusually large.
#[derive(Clone, Debug)]
pub struct NotableMove {
    /// The row of the scorecard.
    pub row: usize,
    /// Its size, as a multiple of the usual change.
    pub times: f64,
    /// The units with the largest part in it: code and change.
    pub causes: Vec<(String, f64)>,
}

/// A system of the catalogue on an overview.
#[derive(Clone, Debug)]
pub struct SystemSummary {
    /// Its code.
    pub system: String,
    /// Number of its indicators and kpis.
    pub measures: usize,
    /// Number of those with a value in the month.
    pub present: usize,
}

impl Snapshot {
    /// The overview of a unit in a month.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit.
    pub fn overview(&self, code: &str, month: Month) -> Result<UnitOverview, Error> {
        let state = self.state();
        let unit = state.find_unit(code)?;
        let period = Period::containing(Step::Month, month);
        let card = |period: Period| {
            self.scorecard(&ScorecardQuery {
                unit: code.to_owned(),
                period,
                of_today: false,
                fields: ScorecardQuery::fields()
                    .with(&[Field::YearToDateDelta, Field::YearToDatePercent]),
            })
        };
        let mut rows = card(period)?.rows;
        rows.retain(|row| {
            let kpi = state.catalogue.kpi(&row.measure);
            !kpi.is_some_and(kpi::catalogue::Kpi::is_share_of_members)
        });
        let reports = self.completeness(&CompletenessQuery {
            period,
            parent: Some(code.to_owned()),
            offset: 0,
            limit: MAX_REPORTS,
        })?;
        let (reporting, reports) = (reports.0.total, reports.0.rows);
        let kpis: Vec<String> = rows
            .iter()
            .filter(|row| row.direction != Direction::Neutral && row.point.value.is_some())
            .map(|row| row.measure.clone())
            .collect();
        let (units, units_left_out) = self.units_by_kpis(unit, period, &kpis, &reports)?;
        let moves = self.notable_moves(unit, period, &rows)?;
        let found = FindingQuery {
            unit: Some(code.to_owned()),
            from: Some(month),
            to: Some(month),
            limit: usize::MAX,
            ..FindingQuery::default()
        };
        let (_, mut findings, _) = self.findings(&found)?;
        findings.retain(|finding| finding.is_open(state));
        let findings_count = findings.len();
        findings.truncate(MAX_FINDINGS);
        let late = reports
            .into_iter()
            .filter(|report| matches!(report.status, ReportStatus::Late) || report.overdue);
        Ok(UnitOverview {
            systems: systems(self, code, period)?,
            late: late.collect(),
            rows,
            units,
            units_left_out,
            kpis,
            moves,
            reporting,
            findings,
            findings_count,
        })
    }

    /// The units below a unit, the one with the most unmet targets first.
    fn units_by_kpis(
        &self,
        unit: UnitPosition,
        period: Period,
        kpis: &[String],
        reports: &[ReportProgressView],
    ) -> Result<(Vec<UnitStanding>, usize), Error> {
        let state = self.state();
        let mut rows: BTreeMap<String, UnitStanding> = state
            .units
            .children(unit)
            .filter(|child| period.months().any(|month| state.units.exists(*child, month)))
            .map(|child| {
                let code = state.units.code(child).to_owned();
                let cells = vec![None; kpis.len()];
                (code.clone(), UnitStanding { unit: code, cells, report: None, is_overdue: false })
            })
            .collect();
        for (n, measure) in kpis.iter().enumerate() {
            for row in self.ranked(unit, measure, period)? {
                if let Some(cell) = rows.get_mut(&row.unit).and_then(|unit| unit.cells.get_mut(n)) {
                    *cell = Some(row);
                }
            }
        }
        for report in reports {
            let Some(row) =
                self.child_above(unit, &report.unit).and_then(|code| rows.get_mut(code))
            else {
                continue;
            };
            row.report = Some(worse(row.report, report.status));
            row.is_overdue |= report.overdue;
        }
        let mut rows: Vec<UnitStanding> = rows.into_values().collect();
        rows.sort_by(|one, other| {
            let (one, other) = (badness(one), badness(other));
            (other.0, other.1).cmp(&(one.0, one.1)).then(other.2.total_cmp(&one.2))
        });
        let left_out = rows.len().saturating_sub(MAX_UNITS);
        rows.truncate(MAX_UNITS);
        Ok((rows, left_out))
    }

    /// The child of a unit that is the unit with the code `below` or is above it.
    fn child_above(&self, unit: UnitPosition, below: &str) -> Option<&str> {
        let units = &self.state().units;
        let below = units.position(below)?;
        let child = std::iter::once(below)
            .chain(units.ancestors(below))
            .find(|place| units.ancestors(*place).next() == Some(unit))?;
        Some(units.code(child))
    }

    fn ranked(
        &self,
        unit: UnitPosition,
        measure: &str,
        period: Period,
    ) -> Result<Vec<RankingRow>, Error> {
        let measure = Measure::parse(measure).map_err(Error::Malformed)?;
        let parent = Some(self.state().units.code(unit).to_owned());
        Ok(self
            .ranking(&RankingQuery {
                measure,
                parent,
                period,
                of_today: false,
                fields: RankingQuery::fields(),
            })?
            .rows)
    }

    /// The changes since the month before that are unusually large for the measure.
    fn notable_moves(
        &self,
        unit: UnitPosition,
        period: Period,
        rows: &[ScorecardRow],
    ) -> Result<Vec<NotableMove>, Error> {
        let mut moves: Vec<NotableMove> = rows
            .iter()
            .enumerate()
            .filter_map(|(row, card)| {
                let delta = card.point.delta?.get();
                let times = delta.abs() / usual_change(card)?;
                (times >= NOTABLE).then_some(NotableMove { row, times, causes: Vec::new() })
            })
            .collect();
        moves.sort_by(|one, other| other.times.total_cmp(&one.times));
        moves.truncate(MOVES);
        for one in &mut moves {
            let Some(card) = rows.get(one.row) else { continue };
            let total = card.point.delta.map_or(0.0, kpi::number::Rounded::get);
            let below = self.ranked(unit, &card.measure, period)?;
            let mut parts: Vec<(String, f64)> = below
                .into_iter()
                .filter_map(|row| Some((row.unit, row.point.delta?.get())))
                .filter(|(_, delta)| *delta != 0.0 && (*delta > 0.0) == (total > 0.0))
                .collect();
            parts.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()));
            parts.truncate(CAUSES);
            one.causes = parts;
        }
        Ok(moves)
    }
}

/// The mean size of the earlier monthly changes of a row; `None` where too few are known, or none
/// was different from zero.
fn usual_change(card: &ScorecardRow) -> Option<f64> {
    let values: Vec<Option<f64>> =
        card.history.iter().map(|past| past.value.map(kpi::number::Rounded::get)).collect();
    let earlier = values.get(..values.len().checked_sub(1)?)?;
    let changes: Vec<f64> = earlier
        .windows(2)
        .filter_map(|pair| Some(((*pair.last()?)? - (*pair.first()?)?).abs()))
        .collect();
    let count = kpi::number::float(i64::try_from(changes.len()).ok()?);
    let mean = changes.iter().sum::<f64>() / count;
    (changes.len() >= FEWEST && mean > 0.0).then_some(mean)
}

/// The worse of two states of a report.
fn worse(known: Option<ReportStatus>, other: ReportStatus) -> ReportStatus {
    let rank = |status: ReportStatus| match status {
        ReportStatus::OnTime => 0,
        ReportStatus::Late => 1,
        ReportStatus::Partial => 2,
        ReportStatus::Missing => 3,
    };
    known.filter(|known| rank(*known) >= rank(other)).unwrap_or(other)
}

/// How far a unit is from its targets: the number of kpis behind, the number of kpis close, and the
/// sum of what the attainments lack to 100 %.
fn badness(row: &UnitStanding) -> (usize, usize, f64) {
    let of = |status: TargetStatus| {
        row.cells.iter().flatten().filter(|cell| cell.status == Some(status)).count()
    };
    let lacking = row.cells.iter().flatten().filter_map(|cell| cell.attainment);
    let lacking = lacking.map(|attained| (100.0 - attained.get()).max(0.0)).sum();
    (of(TargetStatus::Behind), of(TargetStatus::Close), lacking)
}

/// The systems of the catalogue, in its order.
fn systems(snapshot: &Snapshot, unit: &str, period: Period) -> Result<Vec<SystemSummary>, Error> {
    let state = snapshot.state();
    let mut found = Vec::new();
    for system in &state.catalogue.document.systems {
        let measures = measures_of_system(state, &system.code);
        if measures.is_empty() {
            continue;
        }
        let page = snapshot.series(&super::series::SeriesQuery {
            measures: measures.clone(),
            units: super::series::UnitSelector::Units(vec![unit.to_owned()]),
            when: super::series::PeriodSelector::Span(period, period),
            of_today: false,
            offset: 0,
            limit: measures.len(),
            fields: RequestedFields::new(FieldSet::of(&[Field::Value])),
        })?;
        let points = page.series.iter().flat_map(|series| &series.points);
        let present = points.filter(|point| point.value.is_some()).count();
        found.push(SystemSummary {
            system: system.code.clone(),
            measures: measures.len(),
            present,
        });
    }
    Ok(found)
}

/// The indicators and kpis of a system, without members, in the order of the catalogue.
#[must_use]
pub fn measures_of_system(state: &State, system: &str) -> Vec<Measure> {
    let document = &state.catalogue.document;
    let indicators =
        document.indicators.iter().map(|indicator| (&indicator.system, &indicator.code));
    let kpis = document.kpis.iter().map(|kpi| (&kpi.system, &kpi.code));
    indicators
        .chain(kpis)
        .filter(|(of, _)| of.as_deref() == Some(system))
        .map(|(_, code)| Measure { code: code.clone(), members: Members::none() })
        .collect()
}
