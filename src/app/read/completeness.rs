//! Completeness: which reports were expected, which have arrived, and when
//! (`docs/specification.md#completeness`).

use std::collections::{BTreeMap, BTreeSet};

use crate::app::stored::revision_of;
use chrono::NaiveDate;
use ledger::{RevisionNumber, TimestampMicros};
use serde::Serialize;

use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::clock::time_text;
use crate::error::Error;
use kpi::expectation::Expectation;
use kpi::measure::Measure;
use kpi::number::{Rounded, share};
use kpi::period::{Month, Period};
use kpi::program::OwnValuePlan;
use kpi::unit::{LocalizedName, UnitDocument, UnitKind, UnitPosition, UnitRange};

/// A query for completeness.
#[derive(Clone, Debug)]
pub struct CompletenessQuery {
    /// A month, or a wider period for all its months.
    pub period: Period,
    /// This unit and those below it; every unit when absent.
    pub parent: Option<String>,
    /// How many rows to skip.
    pub offset: usize,
    /// At most this many rows.
    pub limit: usize,
}

/// Which reports were expected, which have arrived, and when.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct CompletenessView {
    /// The revision it was computed from.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    pub revision_hash: String,
    /// The requested unit; null for all units.
    #[schema(required)]
    pub parent: Option<String>,
    /// The period.
    pub period: String,
    /// The expectations of units there, with their deadlines.
    pub expectations: Vec<ExpectedView>,
    /// The counts of all reports together.
    pub total: ReportingTally,
    /// Counts for each child of the unit, including all units below the child. Without a unit: for
    /// each unit without a parent. Children without expected figures are left out.
    pub rates: Vec<RateView>,
    /// Every report expected for months that have begun: by month, then the units in tree order.
    pub rows: Vec<ReportProgressView>,
}

/// One expectation in one month.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ExpectedView {
    /// The expectation's code.
    pub code: String,
    /// Its name.
    pub name: LocalizedName,
    /// The month.
    pub period: String,
    /// First day of the reporting window.
    pub window_from: NaiveDate,
    /// Last day of the reporting window.
    pub window_to: NaiveDate,
    /// The last day on which a figure is on time.
    pub deadline: NaiveDate,
    /// The measures expected of each unit.
    pub measures: Vec<String>,
}

/// Counts of figures and reports.
#[derive(Clone, PartialEq, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct ReportingTally {
    /// Figures expected.
    pub expected: usize,
    /// Figures reported on time.
    pub on_time: usize,
    /// Figures reported late.
    pub late: usize,
    /// Figures not reported.
    pub missing: usize,
    /// Reports expected: one for each unit, month and expectation.
    pub reports_expected: usize,
    /// Reports with all their figures.
    pub reports_complete: usize,
    /// Reports with all their figures on time.
    pub reports_on_time: usize,
    /// Reports with missing figures after their deadline.
    pub reports_overdue: usize,
    /// Figures reported in percent of those expected; null when none is expected.
    #[schema(required, value_type = Option<f64>)]
    pub completeness: Option<Rounded>,
    /// Figures reported on time in percent of those expected; null when none is expected.
    #[schema(required, value_type = Option<f64>)]
    pub timeliness: Option<Rounded>,
}

/// The counts of a unit and all units below it.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RateView {
    /// The unit.
    pub unit: String,
    /// The unit's name.
    pub name: LocalizedName,
    /// Counts of what was expected and reported.
    #[serde(flatten)]
    pub tally: ReportingTally,
}

/// The status of a report (`docs/specification.md#expectations`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// All figures are there and were on time.
    OnTime,
    /// All figures are there; some were late.
    Late,
    /// Some figures are there.
    Partial,
    /// No figure is there.
    Missing,
}

/// One expected report: a unit in a month.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportProgressView {
    /// The unit.
    pub unit: String,
    /// The unit's name.
    pub name: LocalizedName,
    /// The kind of the organisation.
    pub kind: UnitKind,
    /// The month.
    pub period: String,
    /// The expectation's code.
    pub expectation: String,
    /// The last day on which a figure is on time.
    pub deadline: NaiveDate,
    /// The report's status.
    pub status: ReportStatus,
    /// Whether a figure is missing and the deadline has passed.
    pub overdue: bool,
    /// Figures expected.
    pub expected: usize,
    /// Figures reported on time.
    pub on_time: usize,
    /// Figures reported late.
    pub late: usize,
    /// The figures that were reported.
    pub reported: Vec<FigureView>,
    /// The measures that were not reported.
    pub missing: Vec<String>,
}

/// A reported figure.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct FigureView {
    /// The measure.
    pub measure: String,
    /// When the figure was first recorded; a later correction does not count.
    pub reported_at: String,
    /// Whether the figure was on time.
    pub on_time: bool,
}

/// An expectation prepared for a month.
struct DueExpectation<'a> {
    expectation: &'a Expectation,
    month: Month,
    deadline: NaiveDate,
    /// End of the deadline day, exclusive.
    end: TimestampMicros,
    measures: Vec<(&'a Measure, OwnValuePlan)>,
}

impl Snapshot {
    /// The completeness of reports, and whether more rows follow.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit.
    pub fn completeness(
        &self,
        query: &CompletenessQuery,
    ) -> Result<(CompletenessView, bool), Error> {
        let state = self.state();
        let (range, tops): (UnitRange, Vec<UnitPosition>) = match &query.parent {
            None => (state.units.all(), state.units.roots().collect()),
            Some(code) => {
                let unit = state.find_unit(code)?;
                (state.units.subtree(unit), state.units.children(unit).collect())
            }
        };
        let ready: Vec<DueExpectation<'_>> = query
            .period
            .months()
            .filter(|month| *month <= self.month())
            .flat_map(|month| {
                state.catalogue.expectations.iter().map(move |expectation| (expectation, month))
            })
            .map(|(expectation, month)| ready(state, expectation, month))
            .collect();
        let (mut total, mut rates, mut rows, mut seen) = (
            ReportingTally::default(),
            BTreeMap::<UnitPosition, ReportingTally>::new(),
            Vec::new(),
            0,
        );
        let mut expectations = Vec::new();
        for expected in &ready {
            let before = seen;
            for unit in range
                .iter()
                .filter(|unit| expected.expectation.applies_to(&state.units, *unit, expected.month))
            {
                let Some(report) = ReportProgress::of(state, expected, unit, self.day()) else {
                    continue;
                };
                total.add(&report);
                if let Some(top) =
                    tops.get(tops.partition_point(|top| *top <= unit).wrapping_sub(1))
                {
                    rates.entry(*top).or_default().add(&report);
                }
                if (query.offset..query.offset.saturating_add(query.limit)).contains(&seen) {
                    rows.push(report.view(state, expected, unit));
                }
                seen += 1;
            }
            expectations.extend((seen > before).then(|| expected.view(state)));
        }
        let named = |unit: UnitPosition| {
            state.units.get(unit).map(|unit| unit.document.name.clone()).unwrap_or_default()
        };
        let rate = |(unit, tally): (UnitPosition, ReportingTally)| RateView {
            unit: state.units.code(unit).to_owned(),
            name: named(unit),
            tally: tally.rated(),
        };
        let view = CompletenessView {
            revision: state.revision,
            revision_hash: state.revision_hash(),
            parent: query.parent.clone(),
            period: query.period.to_string(),
            expectations,
            total: total.rated(),
            rates: rates.into_iter().map(rate).collect(),
            rows,
        };
        Ok((view, seen > query.offset.saturating_add(query.limit)))
    }
}

/// Counts what was expected of a unit and all units below it in a month; and how many of these
/// units were late or have missing figures.
#[must_use]
pub fn tally(
    state: &State,
    unit: UnitPosition,
    month: Month,
    today: NaiveDate,
) -> (ReportingTally, usize) {
    let (mut total, mut late) = (ReportingTally::default(), BTreeSet::new());
    for expectation in &state.catalogue.expectations {
        let expected = ready(state, expectation, month);
        for unit in state
            .units
            .subtree(unit)
            .iter()
            .filter(|unit| expectation.applies_to(&state.units, *unit, month))
        {
            let Some(report) = ReportProgress::of(state, &expected, unit, today) else { continue };
            total.add(&report);
            if report.late > 0 || report.overdue {
                late.insert(unit);
            }
        }
    }
    (total.rated(), late.len())
}

/// A report that lacks figures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MissingReport<'a> {
    /// The month.
    pub month: Month,
    /// The unit.
    pub unit: &'a UnitDocument,
    /// The code of the expectation.
    pub expectation: &'a str,
    /// The number of figures that were not reported.
    pub missing: usize,
    /// The number of figures that were expected.
    pub expected: usize,
}

/// The reports of a month that lack figures, by expectation, then the units in tree order.
pub fn missing_reports(
    state: &State,
    month: Month,
    today: NaiveDate,
) -> impl Iterator<Item = MissingReport<'_>> {
    state.catalogue.expectations.iter().flat_map(move |expectation| {
        let due = ready(state, expectation, month);
        state
            .units
            .all()
            .iter()
            .filter(move |unit| expectation.applies_to(&state.units, *unit, month))
            .filter_map(move |unit| {
                let report = ReportProgress::of(state, &due, unit, today)?;
                let (missing, expected) = (report.missing, report.figures.len());
                let expectation = expectation.code.as_str();
                let unit = &state.units.get(unit)?.document;
                (missing > 0).then_some(MissingReport {
                    month,
                    unit,
                    expectation,
                    missing,
                    expected,
                })
            })
    })
}

fn ready<'a>(state: &'a State, expectation: &'a Expectation, month: Month) -> DueExpectation<'a> {
    let deadline = expectation.deadline(month);
    let plan = |measure: &'a Measure| {
        Some((
            measure,
            OwnValuePlan::plan(
                state.catalogue.indicator(&measure.code)?,
                &measure.members,
                &state.view(),
            ),
        ))
    };
    DueExpectation {
        expectation,
        month,
        deadline,
        end: state.calendar.end_of(deadline),
        measures: expectation.measures.iter().filter_map(plan).collect(),
    }
}

impl DueExpectation<'_> {
    fn view(&self, state: &State) -> ExpectedView {
        let (window_from, window_to) = self.expectation.window(self.month);
        let document = state
            .catalogue
            .document
            .expectations
            .iter()
            .find(|document| document.code == self.expectation.code);
        ExpectedView {
            code: self.expectation.code.clone(),
            name: document.map(|document| document.name.clone()).unwrap_or_default(),
            period: self.month.to_string(),
            window_from,
            window_to,
            deadline: self.deadline,
            measures: self.expectation.measures.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The figures of one report: for each measure that applies to the unit when its figure was first
/// recorded.
struct ReportProgress<'a> {
    figures: Vec<(&'a Measure, Option<TimestampMicros>)>,
    on_time: usize,
    late: usize,
    missing: usize,
    overdue: bool,
}

impl<'a> ReportProgress<'a> {
    /// `None` when none of the figures applies to the unit.
    fn of(
        state: &State,
        expected: &DueExpectation<'a>,
        unit: UnitPosition,
        today: NaiveDate,
    ) -> Option<Self> {
        let source = state.source();
        let since = |own: &OwnValuePlan| {
            source
                .own_since(own, unit, expected.month)
                .and_then(|stamp| state.time_of(revision_of(stamp)))
        };
        let applying = expected
            .measures
            .iter()
            .filter(|(_, own)| !source.is_not_applicable(own, unit, expected.month));
        let figures: Vec<(&Measure, Option<TimestampMicros>)> =
            applying.map(|(measure, own)| (*measure, since(own))).collect();
        if figures.is_empty() {
            return None;
        }
        let times = || figures.iter().filter_map(|(_, since)| *since);
        let on_time = times().filter(|time| *time < expected.end).count();
        let late = times().count() - on_time;
        let missing = figures.len() - on_time - late;
        let overdue = missing > 0 && expected.deadline < today;
        Some(Self { on_time, late, missing, overdue, figures })
    }

    fn status(&self) -> ReportStatus {
        match (self.on_time, self.late, self.missing) {
            (0, 0, _) => ReportStatus::Missing,
            (_, 0, 0) => ReportStatus::OnTime,
            (_, _, 0) => ReportStatus::Late,
            _ => ReportStatus::Partial,
        }
    }

    fn view(
        &self,
        state: &State,
        expected: &DueExpectation<'_>,
        unit: UnitPosition,
    ) -> ReportProgressView {
        let reported = self.figures.iter().filter_map(|(measure, since)| {
            since.map(|time| FigureView {
                measure: measure.to_string(),
                reported_at: time_text(time),
                on_time: time < expected.end,
            })
        });
        let document = state.units.get(unit).map(|unit| &unit.document);
        ReportProgressView {
            unit: state.units.code(unit).to_owned(),
            name: document.map(|document| document.name.clone()).unwrap_or_default(),
            kind: document.map(|document| document.kind).unwrap_or_default(),
            period: expected.month.to_string(),
            expectation: expected.expectation.code.clone(),
            deadline: expected.deadline,
            status: self.status(),
            overdue: self.overdue,
            expected: self.figures.len(),
            on_time: self.on_time,
            late: self.late,
            reported: reported.collect(),
            missing: self
                .figures
                .iter()
                .filter(|(_, since)| since.is_none())
                .map(|(measure, _)| measure.to_string())
                .collect(),
        }
    }
}

impl ReportingTally {
    fn add(&mut self, report: &ReportProgress<'_>) {
        let status = report.status();
        self.expected += report.figures.len();
        self.on_time += report.on_time;
        self.late += report.late;
        self.missing += report.missing;
        self.reports_expected += 1;
        self.reports_complete += usize::from(report.missing == 0);
        self.reports_on_time += usize::from(status == ReportStatus::OnTime);
        self.reports_overdue += usize::from(report.overdue);
    }

    fn rated(mut self) -> Self {
        let rate = |part: usize| {
            (self.expected > 0).then(|| Rounded::new(share(part, self.expected) * 100.0)).flatten()
        };
        (self.completeness, self.timeliness) = (rate(self.on_time + self.late), rate(self.on_time));
        self
    }
}
