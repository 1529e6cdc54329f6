//! Reads the series that a query selects from the cube, month by month.
//!
//! All series of a query come from one snapshot of the state, so from one revision.

use std::cell::LazyCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;
use promql_parser::label::{MatchOp, Matcher, Matchers};

use super::info::{MetricCatalogue, labels_of_unit};
use super::memory::QueryMemory;
use super::names::{MetricNames, MetricSubject, NEWEST, combinations};
use crate::app::RevisionNumber;
use crate::app::read::completeness::{ReportingTally, tally};
use crate::app::read::findings::severity_name;
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use kpi::catalogue::Direction;
use kpi::change::{MeasureSeries, PointComputation};
use kpi::expectation::Expectation;
use kpi::measure::Measure;
use kpi::metric::{DerivedMetric, InfoMetric, ServiceLevelMetric, label_name, name};
use kpi::number::{Rounded, float, rounded};
use kpi::period::{Month, Period, Step};
use kpi::program::Program;
use kpi::target::{TargetStatus, evaluate_target};
use kpi::unit::UnitPosition;
use promql::labels::{LabelSet, NAME};
use promql::{MemorySource, QueryError, SeriesSource};

/// Most series of a query.
pub const MAX_SERIES: usize = 50_000;
/// Most values of a query (series times months).
pub const MAX_VALUES: usize = 3_000_000;
/// Greatest age in months of a value that still counts as the newest.
pub const LATEST: i32 = 3;
/// Number of months, ending with the newest, in which findings count as the latest.
pub(super) const STANDING: i32 = 3;
/// Number of months before the first one of a query that are needed to determine the latest value.
const BEFORE: i32 = LATEST + STANDING - 1;
/// Most bytes that a series takes besides its values: its labels and those of results derived from
/// it.
const SERIES_BYTES: usize = 2 << 10;
/// Number of units with series in memory at once while the whole history is written.
const UNITS_AT_ONCE: usize = 64;

/// One series, month by month.
#[derive(Clone, PartialEq, Debug)]
pub struct MetricSeries {
    /// Labels with the name of the metric.
    pub labels: Arc<LabelSet>,
    values: SeriesValues,
}

/// The values of a series.
#[derive(Clone, PartialEq, Debug)]
enum SeriesValues {
    /// From a month on, one for each month.
    Monthly(Month, Vec<Option<f64>>),
    /// The same at every instant.
    Constant(f64),
}

impl MetricSeries {
    /// Iterates over the months from `first` to `last` that have a value.
    pub fn months(&self, first: Month, last: Month) -> impl Iterator<Item = (Month, f64)> + '_ {
        let (first, last) = match &self.values {
            SeriesValues::Constant(_) => (first, last),
            SeriesValues::Monthly(from, values) => {
                let count = i32::try_from(values.len()).unwrap_or(i32::MAX);
                (first.max(*from), last.min(from.plus(count - 1)))
            }
        };
        (0..=last.since(first))
            .map(move |months| first.plus(months))
            .filter_map(|month| Some((month, self.at(month)?)))
    }

    /// The value of the last month that has one.
    #[must_use]
    pub fn newest(&self) -> Option<f64> {
        match &self.values {
            SeriesValues::Constant(value) => Some(*value),
            SeriesValues::Monthly(_, values) => values.iter().rev().copied().flatten().next(),
        }
    }
}

impl SeriesSource for MetricSeries {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn at(&self, month: Month) -> Option<f64> {
        match &self.values {
            SeriesValues::Constant(value) => Some(*value),
            SeriesValues::Monthly(first, values) => {
                values.get(usize::try_from(month.since(*first)).ok()?).copied().flatten()
            }
        }
    }

    fn between(&self, first: Month, last: Month) -> impl Iterator<Item = (Month, f64)> {
        self.months(first, last)
    }
}

/// The series and months that a selector reads.
#[derive(Clone, Debug)]
pub struct SeriesRequest<'a> {
    /// The metric, where it is named outside the braces.
    pub name: Option<&'a str>,
    /// What the labels have to be.
    pub matchers: &'a Matchers,
    /// First month.
    pub first: Month,
    /// Last month.
    pub last: Month,
}

/// Series of one unit that are to be computed.
struct SeriesJob {
    /// Index of the selector that they belong to.
    wanted: usize,
    unit: UnitPosition,
    first: Month,
    last: Month,
    what: SeriesSpec,
}

enum SeriesSpec {
    Measure {
        measure: Arc<Measure>,
        program: Arc<Program>,
        outputs: Vec<(Option<DerivedMetric>, Arc<LabelSet>)>,
    },
    Beside {
        beside: ServiceLevelMetric,
        companion: Option<DerivedMetric>,
        labels: LabelSet,
    },
    Info(Arc<LabelSet>),
}

/// Returns the revision and, for each selector in order, its series. Series without any value are
/// left out.
///
/// # Errors
/// Too many series or values, too little memory, or the time is up.
pub fn select(
    snapshot: &Snapshot,
    catalogue: &MetricCatalogue,
    wanted: &[SeriesRequest<'_>],
    until: Instant,
    memory: &mut QueryMemory,
) -> Result<(RevisionNumber, Vec<Vec<MetricSeries>>), QueryError> {
    let (state, today) = (snapshot.state(), snapshot.day());
    let mut found: Vec<Vec<MetricSeries>> = wanted.iter().map(|_| Vec::new()).collect();
    for job in &plan(state, catalogue, snapshot.month(), wanted, memory)? {
        if Instant::now() > until {
            return Err(QueryError::timeout());
        }
        let series = found.get_mut(job.wanted);
        series.into_iter().for_each(|list| take(state, today, job, list));
    }
    Ok((state.revision, found))
}

/// Whether a label's value satisfies all matchers of that label.
fn fits<'m>(matchers: impl Iterator<Item = &'m Matcher>, label: &str, value: &str) -> bool {
    matchers.filter(|matcher| matcher.name == label).all(|matcher| matcher.is_match(value))
}

/// The labels that identify the unit of a series.
fn unit_labels(state: &State, position: UnitPosition) -> Vec<(&'static str, String)> {
    state.units.get(position).map(labels_of_unit).unwrap_or_default()
}

fn plan(
    state: &State,
    catalogue: &MetricCatalogue,
    this_month: Month,
    wanted: &[SeriesRequest<'_>],
    memory: &mut QueryMemory,
) -> Result<Vec<SeriesJob>, QueryError> {
    let mut planner = JobPlanner { memory: Some(memory), ..JobPlanner::new(state, MAX_SERIES) };
    let span = state.months_with_figures();
    for (number, wanted) in wanted.iter().enumerate() {
        let selected = metrics(catalogue, wanted);
        let matchers = &wanted.matchers.matchers;
        planner.infos(number, catalogue, &selected.infos, this_month, |labels| {
            matchers.iter().all(|matcher| matcher.is_match(labels.get(&matcher.name)))
        })?;
        let Some((earliest, latest)) = span else { continue };
        // Reports can be missing after the month of the last figure, too.
        let owed = latest.plus(LATEST).max(this_month);
        let first = wanted.first.max(earliest);
        planner.wanted(
            number,
            selected,
            matchers,
            (first, wanted.last.min(latest.plus(LATEST)), wanted.last.min(owed)),
        )?;
    }
    Ok(planner.jobs)
}

/// The newest values and their months of the given measures (all when the list is empty) at a unit
/// and those below it (all units when absent), as known in a month and on a day; in order of the
/// metrics.
///
/// # Errors
/// More than `most` series.
pub fn latest(
    state: &State,
    codes: &[String],
    unit: Option<UnitPosition>,
    (month, today): (Month, NaiveDate),
    most: usize,
) -> Result<Vec<MetricSeries>, QueryError> {
    let catalogue = MetricCatalogue::new(state, month);
    let units: Vec<UnitLabels> = unit
        .map_or(state.units.all(), |unit| state.units.subtree(unit))
        .iter()
        .map(|unit| (unit, unit_labels(state, unit)))
        .collect();
    let mut found = Vec::new();
    let mut add = |plan: &dyn Fn(&mut JobPlanner<'_>) -> Result<(), QueryError>| {
        let mut planner = JobPlanner::new(state, usize::MAX);
        plan(&mut planner)?;
        planner.jobs.iter().for_each(|job| take(state, today, job, &mut found));
        if found.len() > most {
            return Err(QueryError::too_much(format!(
                "more than {most} series: name a unit or measures, or raise --scrape-series"
            )));
        }
        Ok(())
    };
    for (code, split) in
        catalogue.names.measures().filter(|(code, _)| codes.is_empty() || codes.contains(code))
    {
        for companion in SCRAPED {
            add(&|planner| {
                planner.measures(0, (code, split), &[Some(companion)], &[], &units, (month, month))
            })?;
        }
    }
    for beside in ServiceLevelMetric::ALL.into_iter().filter(|_| codes.is_empty()) {
        for companion in NEWEST {
            add(&|planner| {
                planner.beside(0, (beside, Some(companion)), &[], &units, (month, month))
            })?;
        }
    }
    let shown: HashSet<&str> = units.iter().map(|(unit, _)| state.units.code(*unit)).collect();
    let is_asked = |labels: &LabelSet| {
        let (measure, unit) = (labels.get("measure"), labels.get("unit"));
        (measure.is_empty() || codes.is_empty() || codes.iter().any(|code| code == measure))
            && (unit.is_empty() || shown.contains(unit))
    };
    for info in InfoMetric::ALL {
        add(&|planner| planner.infos(0, &catalogue, &[info], month, is_asked))?;
    }
    Ok(found)
}

/// The numbers derived from a measure that are scraped.
const SCRAPED: [DerivedMetric; 4] = [
    DerivedMetric::Latest,
    DerivedMetric::LatestPeriod,
    DerivedMetric::AttainmentLatest,
    DerivedMetric::DeclineLatest,
];

/// Passes the whole history of every measure to `each`, series by series in order of the metrics.
///
/// # Errors
/// The first error of `each`.
pub fn history<E>(
    state: &State,
    today: NaiveDate,
    mut each: impl FnMut(&MetricSeries) -> Result<(), E>,
) -> Result<(), E> {
    let Some(months) = state.cube.span() else { return Ok(()) };
    let names = MetricNames::of(&state.catalogue);
    let units: Vec<UnitLabels> =
        state.units.all().iter().map(|unit| (unit, unit_labels(state, unit))).collect();
    for (code, split) in names.measures() {
        for units in units.chunks(UNITS_AT_ONCE) {
            let mut planner = JobPlanner::new(state, usize::MAX);
            let _unlimited = planner.measures(0, (code, split), &[None], &[], units, months);
            let mut found = Vec::new();
            planner.jobs.iter().for_each(|job| take(state, today, job, &mut found));
            found.iter().try_for_each(&mut each)?;
        }
    }
    let catalogue = MetricCatalogue::new(state, Month::of(today));
    for info in InfoMetric::ALL {
        let mut planner = JobPlanner::new(state, usize::MAX);
        let _unlimited = planner.infos(0, &catalogue, &[info], Month::of(today), |_| true);
        let mut found = Vec::new();
        planner.jobs.iter().for_each(|job| take(state, today, job, &mut found));
        found.iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// A unit with the labels that identify it.
type UnitLabels = (UnitPosition, Vec<(&'static str, String)>);

/// The metrics that a selector names.
#[derive(Default)]
struct SelectedMetrics {
    /// The measures, each with the derived numbers that are selected.
    measures: BTreeMap<(String, Vec<String>), Vec<Option<DerivedMetric>>>,
    /// The metrics about reporting.
    beside: Vec<(ServiceLevelMetric, Option<DerivedMetric>)>,
    /// The metrics about the catalogue, the months and the units.
    infos: Vec<InfoMetric>,
}

fn metrics(catalogue: &MetricCatalogue, wanted: &SeriesRequest<'_>) -> SelectedMetrics {
    let matchers = || wanted.matchers.matchers.iter().filter(|matcher| matcher.name == NAME);
    let exact = wanted.name.or_else(|| {
        matchers()
            .find(|matcher| matches!(matcher.op, MatchOp::Equal))
            .map(|matcher| matcher.value.as_str())
    });
    let is_asked = |name: &str| matchers().all(|matcher| matcher.is_match(name));
    let subjects: Vec<MetricSubject> = match exact {
        Some(name) => catalogue.names.find(name).filter(|_| is_asked(name)).into_iter().collect(),
        None => {
            let named = catalogue.all_names().iter().filter(|(name, _)| is_asked(name));
            named.map(|(_, subject)| subject.clone()).collect()
        }
    };
    let mut found = SelectedMetrics::default();
    for subject in subjects {
        match subject {
            MetricSubject::Measure { code, split, companion } => {
                found.measures.entry((code, split)).or_default().push(companion)
            }
            MetricSubject::Beside(beside, companion) => found.beside.push((beside, companion)),
            MetricSubject::Info(info) => found.infos.push(info),
        }
    }
    found
}

struct JobPlanner<'a> {
    state: &'a State,
    jobs: Vec<SeriesJob>,
    /// Number of series planned so far, and the most that are allowed.
    series: usize,
    most: usize,
    values: usize,
    /// Where the memory of the series is taken from before they are computed.
    memory: Option<&'a mut QueryMemory>,
}

impl<'a> JobPlanner<'a> {
    fn new(state: &'a State, most: usize) -> Self {
        Self { state, jobs: Vec::new(), series: 0, most, values: 0, memory: None }
    }

    fn wanted(
        &mut self,
        number: usize,
        SelectedMetrics { measures, beside, infos: _ }: SelectedMetrics,
        matchers: &[Matcher],
        (first, last, owed): (Month, Month, Month),
    ) -> Result<(), QueryError> {
        if measures.is_empty() && beside.is_empty() {
            return Ok(());
        }
        let labelled =
            self.units(matchers).into_iter().map(|unit| (unit, unit_labels(self.state, unit)));
        let units: Vec<UnitLabels> = labelled
            .filter(|(_, labels)| {
                labels.iter().all(|(label, value)| fits(matchers.iter(), label, value))
            })
            .collect();
        for ((code, split), companions) in measures {
            // A target holds after the last figure, too.
            let (targets, others): (Vec<_>, Vec<_>) = companions
                .into_iter()
                .partition(|companion| *companion == Some(DerivedMetric::Target));
            for (companions, last) in [(others, last), (targets, owed)] {
                if !companions.is_empty() && first <= last {
                    self.measures(
                        number,
                        (&code, &split),
                        &companions,
                        matchers,
                        &units,
                        (first, last),
                    )?;
                }
            }
        }
        for beside in beside.into_iter().filter(|_| first <= owed) {
            self.beside(number, beside, matchers, &units, (first, owed))?;
        }
        Ok(())
    }

    /// Plans the series of information metrics, which hold at every instant.
    fn infos(
        &mut self,
        wanted: usize,
        catalogue: &MetricCatalogue,
        infos: &[InfoMetric],
        this_month: Month,
        is_asked: impl Fn(&LabelSet) -> bool,
    ) -> Result<(), QueryError> {
        for labels in infos.iter().flat_map(|info| catalogue.info_series(self.state, *info)) {
            if is_asked(&labels) {
                let what = SeriesSpec::Info(labels);
                let (first, last) = (this_month, this_month);
                self.add(
                    SeriesJob { wanted, unit: UnitPosition::default(), first, last, what },
                    1,
                )?;
            }
        }
        Ok(())
    }

    /// The units that can match: the one named by `unit="..."`, or all.
    fn units(&self, matchers: &[Matcher]) -> Vec<UnitPosition> {
        match matchers
            .iter()
            .find(|matcher| matcher.name == "unit" && matches!(matcher.op, MatchOp::Equal))
        {
            Some(matcher) => self.state.units.position(&matcher.value).into_iter().collect(),
            None => self.state.units.all().iter().collect(),
        }
    }

    fn add(&mut self, job: SeriesJob, series: usize) -> Result<(), QueryError> {
        self.series += series;
        let values = series * usize::try_from(job.last.since(job.first) + 1).unwrap_or(0);
        self.values += values;
        if self.series > self.most || (self.most == MAX_SERIES && self.values > MAX_VALUES) {
            return Err(QueryError::too_much(format!(
                "the query selects more than {MAX_SERIES} series or {MAX_VALUES} monthly values; \
                 name a unit, a parent or a level"
            )));
        }
        if let Some(memory) = &mut self.memory {
            memory.take(
                series
                    .saturating_mul(SERIES_BYTES)
                    .saturating_add(values.saturating_mul(size_of::<Option<f64>>())),
            )?;
        }
        self.jobs.push(job);
        Ok(())
    }

    fn measures(
        &mut self,
        wanted: usize,
        (code, split): (&str, &[String]),
        companions: &[Option<DerivedMetric>],
        matchers: &[Matcher],
        units: &[UnitLabels],
        (first, last): (Month, Month),
    ) -> Result<(), QueryError> {
        let state = self.state;
        let dimensions: Vec<(&String, String)> =
            split.iter().map(|dimension| (dimension, label_name(dimension))).collect();
        let known = |name: &str| {
            name == NAME
                || units
                    .first()
                    .is_some_and(|(_, labels)| labels.iter().any(|(label, _)| *label == name))
                || dimensions.iter().any(|(_, label)| label == name)
        };
        if !matchers
            .iter()
            .filter(|matcher| !known(&matcher.name))
            .all(|matcher| matcher.is_match(""))
        {
            return Ok(());
        }
        let metric = name(code, &split.iter().map(String::as_str).collect::<Vec<_>>());
        for members in combinations(&state.catalogue, code, split) {
            if !dimensions.iter().all(|(dimension, label)| {
                fits(matchers.iter(), label, members.get(dimension).unwrap_or_default())
            }) {
                continue;
            }
            let measure = Measure { code: code.to_owned(), members };
            let Some(program) = Program::of_measure(&state.catalogue, &state.view(), &measure)
            else {
                continue;
            };
            let (measure, program) = (Arc::new(measure), Arc::new(program));
            for (unit, labels) in units {
                let of_members = dimensions.iter().map(|(dimension, label)| {
                    (label.as_str(), measure.members.get(dimension).unwrap_or_default())
                });
                let pairs: Vec<(Arc<str>, Arc<str>)> = labels
                    .iter()
                    .map(|(label, value)| (*label, value.as_str()))
                    .chain(of_members)
                    .map(|(label, value)| (label.into(), value.into()))
                    .collect();
                let output = |companion: &Option<DerivedMetric>| {
                    let full = format!("{metric}{}", companion.map_or("", DerivedMetric::suffix));
                    (
                        *companion,
                        Arc::new(LabelSet::new(
                            pairs
                                .iter()
                                .cloned()
                                .chain([(NAME.into(), full.as_str().into())])
                                .collect(),
                        )),
                    )
                };
                let outputs: Vec<_> = companions.iter().map(output).collect();
                let series = outputs.len();
                let what = SeriesSpec::Measure {
                    measure: Arc::clone(&measure),
                    program: Arc::clone(&program),
                    outputs,
                };
                self.add(SeriesJob { wanted, unit: *unit, first, last, what }, series)?;
            }
        }
        Ok(())
    }

    fn beside(
        &mut self,
        wanted: usize,
        (beside, companion): (ServiceLevelMetric, Option<DerivedMetric>),
        matchers: &[Matcher],
        units: &[UnitLabels],
        (first, last): (Month, Month),
    ) -> Result<(), QueryError> {
        let own: &[&str] = if beside == ServiceLevelMetric::Findings {
            &["measure", "rule", "severity"]
        } else {
            &[]
        };
        let known = |name: &str| {
            name == NAME
                || own.contains(&name)
                || ["unit", "unit_name", "unit_kind", "parent", "level"].contains(&name)
        };
        if !matchers
            .iter()
            .filter(|matcher| !known(&matcher.name))
            .all(|matcher| matcher.is_match(""))
        {
            return Ok(());
        }
        let metric = format!("{}{}", beside.name(), companion.map_or("", DerivedMetric::suffix));
        for (unit, labels) in units {
            let pairs =
                labels.iter().map(|(label, value)| ((*label).into(), value.as_str().into()));
            let named =
                LabelSet::new(pairs.chain([(NAME.into(), metric.as_str().into())]).collect());
            if beside != ServiceLevelMetric::Findings {
                self.add(
                    SeriesJob {
                        wanted,
                        unit: *unit,
                        first,
                        last,
                        what: SeriesSpec::Beside { beside, companion, labels: named },
                    },
                    1,
                )?;
                continue;
            }
            let mut kinds: Vec<(&str, &str, &str)> = self
                .state
                .standing()
                .within(self.state.units.subtree(*unit))
                .map(|finding| {
                    let measure = finding.measure.code.as_str();
                    (finding.rule.as_str(), severity_name(finding.severity), measure)
                })
                .collect();
            kinds.sort_unstable();
            kinds.dedup();
            for (rule, severity, measure) in
                kinds.into_iter().filter(|(rule, severity, measure)| {
                    fits(matchers.iter(), "rule", rule)
                        && fits(matchers.iter(), "severity", severity)
                        && fits(matchers.iter(), "measure", measure)
                })
            {
                let labels =
                    named.with("rule", rule).with("severity", severity).with("measure", measure);
                self.add(
                    SeriesJob {
                        wanted,
                        unit: *unit,
                        first,
                        last,
                        what: SeriesSpec::Beside { beside, companion, labels },
                    },
                    1,
                )?;
            }
        }
        Ok(())
    }
}

/// Computes the series of a job.
fn take(state: &State, today: NaiveDate, job: &SeriesJob, found: &mut Vec<MetricSeries>) {
    let mut add = |labels: &Arc<LabelSet>, first: Month, values: Vec<Option<f64>>| {
        if values.iter().any(Option::is_some) {
            let values = SeriesValues::Monthly(first, values);
            found.push(MetricSeries { labels: Arc::clone(labels), values });
        }
    };
    let months = || (0..=job.last.since(job.first)).map(|n| job.first.plus(n));
    match &job.what {
        SeriesSpec::Info(labels) => found
            .push(MetricSeries { labels: Arc::clone(labels), values: SeriesValues::Constant(1.0) }),
        SeriesSpec::Measure { measure, program, outputs } => {
            let period = |month: Month| Period::containing(Step::Month, month);
            let is_to_date =
                |(companion, _): &(_, _)| *companion == Some(DerivedMetric::YearToDatePercent);
            // A target alone needs no values.
            let series = LazyCell::new(|| {
                let (first, last) = (period(job.first.plus(-LATEST)), period(job.last));
                let series = MeasureSeries::new(state.source(), program, job.unit, first, last);
                if outputs.iter().any(is_to_date) {
                    series.with_years_to_date(first, last)
                } else {
                    series
                }
            });
            let value = |month: Month| series.value(period(month)).and_then(rounded);
            let exists = |month: Month| state.units.exists(job.unit, month);
            let newest = |month: Month| {
                (0..=LATEST)
                    .map(|n| month.plus(-n))
                    .find_map(|month| Some((month, value(month)?)))
                    .filter(|_| exists(month))
            };
            let target = |month: Month| {
                state
                    .targets
                    .in_force(&state.units, measure, job.unit, month)
                    .map(|target| target.value.to_f64())
            };
            let direction = state.catalogue.direction(&measure.code);
            let attainment = |month: Month| {
                let target = target(month)?;
                attainment_of(direction, series.value(period(month))?, target)
            };
            let decline = |month: Month| {
                let sign = match direction {
                    Direction::Higher => -1.0,
                    Direction::Lower => 1.0,
                    Direction::Neutral => return None,
                };
                change_in_points_or_percent(program.percent, &series.compute(period(month)))
                    .and_then(|change| rounded(sign * change))
            };
            let id = state.measures.id(measure).filter(|_| program.computed);
            for (companion, labels) in outputs {
                let number = |month: Month| match companion {
                    None => value(month),
                    Some(DerivedMetric::Latest) => newest(month).map(|(_, value)| value),
                    Some(DerivedMetric::LatestPeriod) => {
                        newest(month).map(|(month, _)| float(promql::first_second(month)))
                    }
                    Some(DerivedMetric::Target) => target(month).filter(|_| exists(month)),
                    Some(DerivedMetric::Attainment) => attainment(month),
                    Some(DerivedMetric::AttainmentLatest) => {
                        newest(month).and_then(|(month, _)| attainment(month))
                    }
                    Some(DerivedMetric::DeclineLatest) => {
                        newest(month).and_then(|(month, _)| decline(month))
                    }
                    Some(DerivedMetric::YearBefore) => series
                        .value(period(month).year_before())
                        .and_then(rounded)
                        .filter(|_| exists(month)),
                    Some(DerivedMetric::Stated) => id
                        .and_then(|id| state.cube.stated(id, job.unit, month))
                        .map(|stamped| stamped.written.to_f64()),
                    Some(other) => number_of(*other, &series.compute(period(month))),
                };
                add(labels, job.first, months().map(number).collect());
            }
        }
        SeriesSpec::Beside { beside, companion, labels } => {
            let values = service_level_values(state, today, *beside, labels, job);
            let at = |month: Month| {
                values
                    .get(usize::try_from(month.since(job.first) + BEFORE).ok()?)
                    .copied()
                    .flatten()
            };
            let newest = |month: Month| {
                (0..=LATEST).map(|n| month.plus(-n)).find_map(|month| {
                    at(month).filter(|value| value.settled).map(|value| (month, value))
                })
            };
            let number = |month: Month| match companion {
                None => at(month).map(|value| value.number),
                Some(DerivedMetric::LatestPeriod) => {
                    newest(month).map(|(month, _)| float(promql::first_second(month)))
                }
                // Findings of the last months are added up: a contradiction does not disappear
                // because the first figures of the next month arrive.
                Some(_) if *beside == ServiceLevelMetric::Findings => {
                    newest(month).map(|(month, _)| {
                        (0..STANDING)
                            .filter_map(|n| at(month.plus(-n)))
                            .map(|value| value.number)
                            .sum()
                    })
                }
                Some(_) => newest(month).map(|(_, value)| value.number),
            };
            add(&Arc::new(labels.clone()), job.first, months().map(number).collect());
        }
    }
}

/// The attainment of a target in percent, where a kpi has a direction. A target that a value meets
/// without a proportion (such as a value of 0 where lower is better) is reached to 100 percent, and
/// one that it misses so is not reached at all: an alert must not overlook it.
fn attainment_of(direction: Direction, value: f64, target: f64) -> Option<f64> {
    let (attainment, status) = evaluate_target(direction, Some(value), Some(target));
    match status? {
        TargetStatus::Met => Some(attainment.and_then(rounded).unwrap_or(100.0).max(100.0)),
        TargetStatus::Close | TargetStatus::Behind => {
            Some(attainment.and_then(rounded).unwrap_or(0.0))
        }
        TargetStatus::NoData => None,
    }
}

/// The change from the month before over the units that reported in both, of an average that of the
/// same units: in points for a percentage, else in percent.
fn change_in_points_or_percent(
    is_percentage: bool,
    point: &PointComputation<'_, '_>,
) -> Option<f64> {
    let (alike, alike_percent, _) = point.like_for_like();
    let (plain, plain_percent) = point.change();
    let change = if is_percentage { alike.or(plain) } else { alike_percent.or(plain_percent) };
    change.ok()
}

/// A number about reporting in one month.
#[derive(Clone, Copy)]
struct ServiceLevelValue {
    number: f64,
    /// Whether the month can be evaluated: a report for it is due, or it has a figure.
    settled: bool,
}

/// The numbers of a metric that is not a measure, from [`BEFORE`] months before the job's first
/// month to its last.
fn service_level_values(
    state: &State,
    today: NaiveDate,
    beside: ServiceLevelMetric,
    labels: &LabelSet,
    job: &SeriesJob,
) -> Vec<Option<ServiceLevelValue>> {
    let months = (-BEFORE..=job.last.since(job.first)).map(|n| job.first.plus(n));
    let range = state.units.subtree(job.unit);
    if beside == ServiceLevelMetric::Findings {
        let (rule, severity) = (labels.get("rule"), labels.get("severity"));
        let measure = labels.get("measure");
        let mut counts: BTreeMap<Month, i64> = BTreeMap::new();
        let ours = state
            .standing()
            .within(range)
            .filter(|finding| finding.rule == rule && severity_name(finding.severity) == severity)
            .filter(|finding| finding.measure.code == measure);
        ours.for_each(|finding| *counts.entry(finding.month).or_default() += 1);
        let newest = state.newest(range);
        let number = |month: Month| {
            counts
                .get(&month)
                .copied()
                .or_else(|| state.units.exists(job.unit, month).then_some(0))
                .map(float)
        };
        return months
            .map(|month| {
                number(month).map(|number| ServiceLevelValue {
                    number,
                    settled: newest.is_some_and(|newest| month <= newest),
                })
            })
            .collect();
    }
    let number = |month: Month| {
        let (tally, late): (ReportingTally, usize) = tally(state, job.unit, month, today);
        let ours = |expectation: &Expectation| {
            range.iter().any(|unit| expectation.applies_to(&state.units, unit, month))
        };
        let settled = state
            .catalogue
            .expectations
            .iter()
            .any(|expectation| expectation.deadline(month) < today && ours(expectation));
        let number = if beside == ServiceLevelMetric::Completeness {
            tally.completeness.map(Rounded::get)?
        } else {
            float(i64::try_from(late).ok()?)
        };
        (tally.expected > 0).then_some(ServiceLevelValue { number, settled })
    };
    months.map(number).collect()
}

/// A derived number of a point; none for those that `take` computes itself.
fn number_of(companion: DerivedMetric, point: &PointComputation<'_, '_>) -> Option<f64> {
    let number = match companion {
        DerivedMetric::MomDelta => point.change().0.ok(),
        DerivedMetric::MomPercent => point.change().1.ok(),
        DerivedMetric::MomLikeForLikeDelta => point.like_for_like().0.ok(),
        DerivedMetric::MomLikeForLikePercent => point.like_for_like().1.ok(),
        DerivedMetric::YoyDelta => point.year_change().0.ok(),
        DerivedMetric::YoyPercent => point.year_change().1.ok(),
        DerivedMetric::YearToDate => point.year_to_date().ok(),
        DerivedMetric::YearToDatePercent => point.year_to_date_change().1.ok(),
        DerivedMetric::RollingYear => point.rolling(12).value.ok(),
        DerivedMetric::Coverage => point.coverage().filter(|_| point.value().is_some()),
        DerivedMetric::Target
        | DerivedMetric::Attainment
        | DerivedMetric::Stated
        | DerivedMetric::Latest
        | DerivedMetric::LatestPeriod
        | DerivedMetric::YearBefore
        | DerivedMetric::AttainmentLatest
        | DerivedMetric::DeclineLatest => None,
    };
    number.and_then(rounded)
}
