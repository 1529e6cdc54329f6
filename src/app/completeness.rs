//! Who was expected to report, who has, and when (contract section 3, `GET /completeness`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::NaiveDate;
use serde::Serialize;

use super::findings::position;
use super::moment::Moment;
use super::state::State;
use super::time_text;
use crate::domain::expectation::Expectation;
use crate::domain::measure::Measure;
use crate::domain::number::{Shown, share};
use crate::domain::period::{Month, Period};
use crate::domain::program::Own;
use crate::domain::unit::{Name, UnitKind};
use crate::error::Error;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CompletenessQuery {
    /// A month, or a wider period for each of its months.
    pub period: Period,
    /// This unit and those below it; every unit when absent.
    pub parent: Option<String>,
    /// How many rows to pass over.
    pub offset: usize,
    /// At most so many.
    pub limit: usize,
}

/// Who was expected to report, who has, and when.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct CompletenessView {
    /// The revision it was computed from.
    pub revision: i64,
    /// The unit that was asked about; null for all.
    #[schema(required)]
    pub parent: Option<String>,
    /// The period.
    pub period: String,
    /// What was expected of units there, and until when.
    pub expectations: Vec<ExpectedView>,
    /// All of it.
    pub total: Tally,
    /// The same for each child of the unit (each root without one) that anything was expected of, with all below it.
    pub rates: Vec<RateView>,
    /// Every expected report of months that have begun: by month, then the units in tree order.
    pub rows: Vec<ReportView>,
}

/// What was expected for a month.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ExpectedView {
    /// The expectation's code.
    pub code: String,
    /// Its name.
    pub name: Name,
    /// The month.
    pub period: String,
    /// First day of what is counted.
    pub window_from: NaiveDate,
    /// Last day of what is counted.
    pub window_to: NaiveDate,
    /// The last day on which a figure is on time.
    pub deadline: NaiveDate,
    /// The measures expected of each unit.
    pub measures: Vec<String>,
}

/// Figures and reports counted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Tally {
    /// Figures expected.
    pub expected: usize,
    /// Figures reported on time.
    pub on_time: usize,
    /// Figures reported later.
    pub late: usize,
    /// Figures not reported.
    pub missing: usize,
    /// Reports (all that is expected of a unit for a month) expected.
    pub reports_expected: usize,
    /// Reports of which every figure is there.
    pub reports_complete: usize,
    /// Reports of which every figure was on time.
    pub reports_on_time: usize,
    /// Reports of which a figure is missing whose day has passed.
    pub reports_overdue: usize,
    /// Figures reported, in percent of those expected; null when none is.
    #[schema(required, value_type = Option<f64>)]
    pub completeness: Option<Shown>,
    /// Figures reported on time, in percent of those expected; null when none is.
    #[schema(required, value_type = Option<f64>)]
    pub timeliness: Option<Shown>,
}

/// The rate of a unit with all below it.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct RateView {
    /// The unit.
    pub unit: String,
    /// Its name.
    pub name: Name,
    /// What was expected there, and what came.
    #[serde(flatten)]
    pub tally: Tally,
}

/// How far a report has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    /// Every figure is there and was on time.
    OnTime,
    /// Every figure is there; some came later than they should.
    Late,
    /// Some figures are there.
    Partial,
    /// None is.
    Missing,
}

/// What was expected of a unit for a month, and what came.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct ReportView {
    /// The unit.
    pub unit: String,
    /// Its name.
    pub name: Name,
    /// What sort of organisation it is.
    pub kind: UnitKind,
    /// The month.
    pub period: String,
    /// The expectation's code.
    pub expectation: String,
    /// The last day on which a figure is on time.
    pub deadline: NaiveDate,
    /// How far it has come.
    pub status: ReportStatus,
    /// A figure is missing and its day has passed.
    pub overdue: bool,
    /// Figures expected.
    pub expected: usize,
    /// Figures reported on time.
    pub on_time: usize,
    /// Figures reported later.
    pub late: usize,
    /// The figures reported.
    pub reported: Vec<FigureView>,
    /// The measures that are missing.
    pub missing: Vec<String>,
}

/// A figure that was reported.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct FigureView {
    /// The measure.
    pub measure: String,
    /// Since when it has been there; a correction does not count.
    pub reported_at: String,
    /// Whether that was on time.
    pub on_time: bool,
}

/// An expectation for a month, made ready.
struct Ready<'a> {
    expectation: &'a Expectation,
    month: Month,
    deadline: NaiveDate,
    /// The moment after the last one that is on time, in microseconds since 1970.
    end: i64,
    measures: Vec<(&'a Measure, Own)>,
}

impl Moment {
    /// Who was expected to report, who has, and when: the answer, and whether more rows follow.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown unit.
    pub fn completeness(
        &self,
        query: &CompletenessQuery,
    ) -> Result<(CompletenessView, bool), Error> {
        let state = self.look();
        let (range, tops): (Range<usize>, Vec<usize>) = match &query.parent {
            None => (0..state.units.len(), state.units.roots().collect()),
            Some(code) => {
                let unit = position(&state, code)?;
                (state.units.subtree(unit), state.units.children(unit).collect())
            }
        };
        let ready: Vec<Ready<'_>> = query
            .period
            .months()
            .filter(|month| *month <= self.month())
            .flat_map(|month| {
                state.catalogue.expectations.iter().map(move |expectation| (expectation, month))
            })
            .map(|(expectation, month)| ready(&state, expectation, month))
            .collect();
        let (mut total, mut rates, mut rows, mut seen) =
            (Tally::default(), BTreeMap::<usize, Tally>::new(), Vec::new(), 0);
        let mut expectations = Vec::new();
        for expected in &ready {
            let before = seen;
            for unit in range
                .clone()
                .filter(|unit| expected.expectation.is_of(&state.units, *unit, expected.month))
            {
                let report = Report::of(&state, expected, unit, self.day());
                total.add(&report);
                if let Some(top) =
                    tops.get(tops.partition_point(|top| *top <= unit).wrapping_sub(1))
                {
                    rates.entry(*top).or_default().add(&report);
                }
                if (query.offset..query.offset.saturating_add(query.limit)).contains(&seen) {
                    rows.push(report.view(&state, expected, unit));
                }
                seen += 1;
            }
            expectations.extend((seen > before).then(|| expected.view(&state)));
        }
        let named = |unit: usize| {
            state.units.get(unit).map(|unit| unit.document.name.clone()).unwrap_or_default()
        };
        let rate = |(unit, tally): (usize, Tally)| RateView {
            unit: state.units.code(unit).to_owned(),
            name: named(unit),
            tally: tally.rated(),
        };
        let view = CompletenessView {
            revision: state.revision,
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

/// What was expected of a unit and all below it for a month and what came; and how many units were late or owe something.
#[must_use]
pub fn tally(state: &State, unit: usize, month: Month, today: NaiveDate) -> (Tally, usize) {
    let (mut total, mut late) = (Tally::default(), BTreeSet::new());
    for expectation in &state.catalogue.expectations {
        let expected = ready(state, expectation, month);
        for unit in
            state.units.subtree(unit).filter(|unit| expectation.is_of(&state.units, *unit, month))
        {
            let report = Report::of(state, &expected, unit, today);
            total.add(&report);
            if report.late > 0 || report.overdue {
                late.insert(unit);
            }
        }
    }
    (total.rated(), late.len())
}

fn ready<'a>(state: &'a State, expectation: &'a Expectation, month: Month) -> Ready<'a> {
    let deadline = expectation.deadline(month);
    let plan = |measure: &'a Measure| {
        Some((
            measure,
            Own::plan(state.catalogue.indicator(&measure.code)?, &measure.members, &state.view()),
        ))
    };
    Ready {
        expectation,
        month,
        deadline,
        end: state.clock.end_of(deadline),
        measures: expectation.measures.iter().filter_map(plan).collect(),
    }
}

impl Ready<'_> {
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

/// What came of a report: for each measure since when its figure has been there, in microseconds since 1970.
struct Report {
    since: Vec<Option<i64>>,
    on_time: usize,
    late: usize,
    missing: usize,
    overdue: bool,
}

impl Report {
    fn of(state: &State, expected: &Ready<'_>, unit: usize, today: NaiveDate) -> Self {
        let source = state.source();
        let since = |own: &Own| {
            source.own_since(own, unit, expected.month).and_then(|revision| state.time_of(revision))
        };
        let since: Vec<Option<i64>> = expected.measures.iter().map(|(_, own)| since(own)).collect();
        let on_time = since.iter().flatten().filter(|time| **time < expected.end).count();
        let late = since.iter().flatten().count() - on_time;
        let missing = since.len() - on_time - late;
        Self { on_time, late, missing, overdue: missing > 0 && expected.deadline < today, since }
    }

    fn status(&self) -> ReportStatus {
        match (self.on_time, self.late, self.missing) {
            (0, 0, _) => ReportStatus::Missing,
            (_, 0, 0) => ReportStatus::OnTime,
            (_, _, 0) => ReportStatus::Late,
            _ => ReportStatus::Partial,
        }
    }

    fn view(&self, state: &State, expected: &Ready<'_>, unit: usize) -> ReportView {
        let figures = || expected.measures.iter().zip(&self.since);
        let reported = figures().filter_map(|((measure, _), since)| {
            since.map(|time| FigureView {
                measure: measure.to_string(),
                reported_at: time_text(time),
                on_time: time < expected.end,
            })
        });
        let document = state.units.get(unit).map(|unit| &unit.document);
        ReportView {
            unit: state.units.code(unit).to_owned(),
            name: document.map(|document| document.name.clone()).unwrap_or_default(),
            kind: document.map(|document| document.kind).unwrap_or_default(),
            period: expected.month.to_string(),
            expectation: expected.expectation.code.clone(),
            deadline: expected.deadline,
            status: self.status(),
            overdue: self.overdue,
            expected: self.since.len(),
            on_time: self.on_time,
            late: self.late,
            reported: reported.collect(),
            missing: figures()
                .filter(|(_, since)| since.is_none())
                .map(|((measure, _), _)| measure.to_string())
                .collect(),
        }
    }
}

impl Tally {
    fn add(&mut self, report: &Report) {
        let status = report.status();
        self.expected += report.since.len();
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
            (self.expected > 0).then(|| Shown::new(share(part, self.expected) * 100.0)).flatten()
        };
        (self.completeness, self.timeliness) = (rate(self.on_time + self.late), rate(self.on_time));
        self
    }
}
