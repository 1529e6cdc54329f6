//! Series from the cube: what the selectors of a query mean, as values month by month.
//!
//! All series of a query are of one revision. The cube is looked at for a few series at a time, so that the writer need not wait for a
//! long query; when a revision comes in between, everything is taken anew, and the last time in one look when that is short.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::NaiveDate;
use promql_parser::label::{MatchOp, Matcher, Matchers};

use super::labels::{Labels, NAME};
use super::names::{Metric, NEWEST, Names};
use super::promql::Refusal;
use crate::app::completeness::{Tally, tally};
use crate::app::findings::severity_name;
use crate::app::moment::Moment;
use crate::app::state::State;
use crate::domain::catalogue::Catalogue;
use crate::domain::change::{Point, Series as Trend};
use crate::domain::expectation::Expectation;
use crate::domain::measure::{Measure, Members};
use crate::domain::metric::{Beside, Companion, label, name};
use crate::domain::number::{Shown, float, rounded};
use crate::domain::period::{Month, Period, Step};
use crate::domain::program::Program;

/// Most series of a query.
pub const MAX_SERIES: usize = 50_000;
/// Most values of a query: series times months.
pub const MAX_VALUES: usize = 3_000_000;
/// How many months old the newest value may be.
pub const LATEST: i32 = 3;
/// Of how many months up to the newest one the latest findings are.
const STANDING: i32 = 3;
/// How many months before the first one that is asked for are needed to tell the latest.
const BEFORE: i32 = LATEST + STANDING - 1;
/// Series that are taken in one look.
const IN_ONE_LOOK: usize = 64;
/// How often a query is begun, when revisions come in between.
const ATTEMPTS: usize = 5;
/// Most series that the last attempt takes in one look, for which the writer waits.
const IN_THE_LAST_LOOK: usize = 1_000;

/// One series, month by month.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// Its labels.
    pub labels: Arc<Labels>,
    first: Month,
    values: Vec<Option<f64>>,
}

impl Series {
    /// The value of a month.
    #[must_use]
    pub fn at(&self, month: Month) -> Option<f64> {
        self.values.get(usize::try_from(month.since(self.first)).ok()?).copied().flatten()
    }

    /// The values of months from one to another, where there are any.
    pub fn between(&self, first: Month, last: Month) -> impl Iterator<Item = f64> + '_ {
        let from = usize::try_from(first.since(self.first)).unwrap_or(0);
        let to = usize::try_from(last.since(self.first) + 1).unwrap_or(0).min(self.values.len());
        self.values.get(from.min(to)..to).unwrap_or_default().iter().copied().flatten()
    }

    /// Months and values, where there are any.
    pub fn iter(&self) -> impl Iterator<Item = (Month, f64)> + '_ {
        (0..).zip(&self.values).filter_map(|(n, value)| Some((self.first.plus(n), (*value)?)))
    }
}

/// Which series are wanted, and of which months.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The metric, where it is named outside the braces.
    pub name: Option<&'a str>,
    /// What the labels have to be.
    pub matchers: &'a Matchers,
    /// First month.
    pub first: Month,
    /// Last month.
    pub last: Month,
}

/// Series to be taken.
struct Job {
    /// Whose they are.
    wanted: usize,
    unit: usize,
    first: Month,
    last: Month,
    what: What,
}

enum What {
    Measure {
        measure: Arc<Measure>,
        program: Arc<Program>,
        outputs: Vec<(Option<Companion>, Arc<Labels>)>,
    },
    Beside {
        beside: Beside,
        companion: Option<Companion>,
        labels: Labels,
    },
}

/// The series that are wanted, in the same order, and the revision that they are of. Series without a value are left out.
///
/// # Errors
/// Too many, or the time is up.
pub fn select(
    moment: &Moment,
    wanted: &[Wanted<'_>],
    until: Instant,
) -> Result<(i64, Vec<Vec<Series>>), Refusal> {
    let today = moment.day();
    for attempt in 1..=ATTEMPTS {
        let state = moment.look();
        let revision = state.revision;
        let jobs = plan(&state, wanted)?;
        let mut look = Some(state);
        let mut found: Vec<Vec<Series>> = wanted.iter().map(|_| Vec::new()).collect();
        let mut whole = true;
        for some in jobs.chunks(IN_ONE_LOOK) {
            let state = look.take().unwrap_or_else(|| moment.look());
            if state.revision != revision {
                whole = false;
                break;
            }
            for job in some {
                if Instant::now() > until {
                    return Err(Refusal::timeout());
                }
                let series = found.get_mut(job.wanted);
                series.into_iter().for_each(|list| take(&state, today, job, list));
            }
            look = (attempt == ATTEMPTS && jobs.len() <= IN_THE_LAST_LOOK).then_some(state);
        }
        if whole {
            return Ok((revision, found));
        }
    }
    Err(Refusal::unavailable("figures came in faster than the query was read"))
}

/// Whether matchers of a label are true of a value.
fn fits<'m>(matchers: impl Iterator<Item = &'m Matcher>, label: &str, value: &str) -> bool {
    matchers.filter(|matcher| matcher.name == label).all(|matcher| matcher.is_match(value))
}

/// The labels that say which unit a series is of.
fn unit_labels(state: &State, position: usize) -> Vec<(&'static str, String)> {
    let Some(unit) = state.units.get(position) else { return Vec::new() };
    let document = &unit.document;
    vec![
        ("unit", document.code.clone()),
        ("unit_name", document.shown().to_owned()),
        ("unit_kind", document.kind.name().to_owned()),
        ("parent", document.parent.clone().unwrap_or_default()),
        ("level", unit.depth.to_string()),
    ]
}

fn plan(state: &State, wanted: &[Wanted<'_>]) -> Result<Vec<Job>, Refusal> {
    let names = Names::of(&state.catalogue);
    let mut planner = Planner::new(state, MAX_SERIES);
    let Some((earliest, latest)) = state.cube.span() else { return Ok(Vec::new()) };
    for (number, wanted) in wanted.iter().enumerate() {
        // What is owed goes on after the last figure.
        let owed = latest.plus(LATEST).max(state.clock.this_month());
        let first = wanted.first.max(earliest);
        planner.wanted(
            number,
            &names,
            wanted,
            (first, wanted.last.min(latest.plus(LATEST)), wanted.last.min(owed)),
        )?;
    }
    Ok(planner.jobs)
}

/// The newest values of measures at a unit and below (of all measures, everywhere when absent) with their months, as they are in a month;
/// in order of the metrics.
///
/// # Errors
/// More than `most` series.
pub fn latest(
    state: &State,
    codes: &[String],
    unit: Option<usize>,
    month: Month,
    most: usize,
) -> Result<Vec<Series>, Refusal> {
    let (names, today) = (Names::of(&state.catalogue), state.clock.today());
    let units: Vec<UnitLabels> = unit
        .map_or(0..state.units.len(), |unit| state.units.subtree(unit))
        .map(|unit| (unit, unit_labels(state, unit)))
        .collect();
    let mut found = Vec::new();
    let mut add = |plan: &dyn Fn(&mut Planner<'_>) -> Result<(), Refusal>| {
        let mut planner = Planner::new(state, usize::MAX);
        plan(&mut planner)?;
        planner.jobs.iter().for_each(|job| take(state, today, job, &mut found));
        if found.len() > most {
            return Err(Refusal::too_much(format!(
                "more than {most} series: name a unit or measures, or raise --scrape-series"
            )));
        }
        Ok(())
    };
    for (code, split) in
        names.measures().filter(|(code, _)| codes.is_empty() || codes.contains(code))
    {
        for companion in NEWEST {
            add(&|planner| {
                planner.measures(0, (code, split), &[Some(companion)], &[], &units, (month, month))
            })?;
        }
    }
    for beside in Beside::ALL.into_iter().filter(|_| codes.is_empty()) {
        for companion in NEWEST {
            add(&|planner| {
                planner.beside(0, (beside, Some(companion)), &[], &units, (month, month))
            })?;
        }
    }
    Ok(found)
}

/// The whole history of every measure, series by series in order of the metrics.
///
/// # Errors
/// What `each` refuses.
pub fn history<E>(state: &State, mut each: impl FnMut(&Series) -> Result<(), E>) -> Result<(), E> {
    let today = state.clock.today();
    let Some(months) = state.cube.span() else { return Ok(()) };
    let names = Names::of(&state.catalogue);
    let units: Vec<UnitLabels> =
        (0..state.units.len()).map(|unit| (unit, unit_labels(state, unit))).collect();
    for (code, split) in names.measures() {
        for units in units.chunks(IN_ONE_LOOK) {
            let mut planner = Planner::new(state, usize::MAX);
            let _unlimited = planner.measures(0, (code, split), &[None], &[], units, months);
            let mut found = Vec::new();
            planner.jobs.iter().for_each(|job| take(state, today, job, &mut found));
            found.iter().try_for_each(&mut each)?;
        }
    }
    Ok(())
}

/// A unit and the labels that say which it is.
type UnitLabels = (usize, Vec<(&'static str, String)>);

/// The measures that a selector names, each with the numbers wanted of it; and the metrics that are no measures.
type Named =
    (BTreeMap<(String, Vec<String>), Vec<Option<Companion>>>, Vec<(Beside, Option<Companion>)>);

fn metrics(names: &Names, wanted: &Wanted<'_>) -> Named {
    let matchers = || wanted.matchers.matchers.iter().filter(|matcher| matcher.name == NAME);
    let exact = wanted.name.or_else(|| {
        matchers()
            .find(|matcher| matches!(matcher.op, MatchOp::Equal))
            .map(|matcher| matcher.value.as_str())
    });
    let candidates: Vec<String> =
        exact.map_or_else(|| names.all().collect(), |name| vec![name.to_owned()]);
    let mut found = Named::default();
    for metric in candidates
        .iter()
        .filter(|name| matchers().all(|matcher| matcher.is_match(name)))
        .filter_map(|name| names.find(name))
    {
        match metric {
            Metric::Measure { code, split, companion } => {
                found.0.entry((code, split)).or_default().push(companion)
            }
            Metric::Beside(beside, companion) => found.1.push((beside, companion)),
        }
    }
    found
}

struct Planner<'a> {
    state: &'a State,
    jobs: Vec<Job>,
    /// Series planned, and how many may be.
    series: usize,
    most: usize,
    values: usize,
}

impl<'a> Planner<'a> {
    fn new(state: &'a State, most: usize) -> Self {
        Self { state, jobs: Vec::new(), series: 0, most, values: 0 }
    }

    fn wanted(
        &mut self,
        number: usize,
        names: &Names,
        wanted: &Wanted<'_>,
        (first, last, owed): (Month, Month, Month),
    ) -> Result<(), Refusal> {
        let (measures, beside) = metrics(names, wanted);
        let matchers = &wanted.matchers.matchers;
        let labelled =
            self.units(matchers).into_iter().map(|unit| (unit, unit_labels(self.state, unit)));
        let units: Vec<UnitLabels> = labelled
            .filter(|(_, labels)| {
                labels.iter().all(|(label, value)| fits(matchers.iter(), label, value))
            })
            .collect();
        for ((code, split), companions) in measures {
            // A target holds on after the last figure.
            let (targets, others): (Vec<_>, Vec<_>) =
                companions.into_iter().partition(|companion| *companion == Some(Companion::Target));
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

    /// The units that may be meant: the one that is named, or all.
    fn units(&self, matchers: &[Matcher]) -> Vec<usize> {
        match matchers
            .iter()
            .find(|matcher| matcher.name == "unit" && matches!(matcher.op, MatchOp::Equal))
        {
            Some(matcher) => self.state.units.position(&matcher.value).into_iter().collect(),
            None => (0..self.state.units.len()).collect(),
        }
    }

    fn add(&mut self, job: Job, series: usize) -> Result<(), Refusal> {
        self.series += series;
        self.values += series * usize::try_from(job.last.since(job.first) + 1).unwrap_or(0);
        if self.series > self.most || (self.most == MAX_SERIES && self.values > MAX_VALUES) {
            return Err(Refusal::too_much(format!(
                "the query is about more than {MAX_SERIES} series or {MAX_VALUES} monthly values; name a unit, a parent or a level"
            )));
        }
        self.jobs.push(job);
        Ok(())
    }

    fn measures(
        &mut self,
        wanted: usize,
        (code, split): (&str, &[String]),
        companions: &[Option<Companion>],
        matchers: &[Matcher],
        units: &[UnitLabels],
        (first, last): (Month, Month),
    ) -> Result<(), Refusal> {
        let state = self.state;
        let dimensions: Vec<(&String, String)> =
            split.iter().map(|dimension| (dimension, label(dimension))).collect();
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
                let output = |companion: &Option<Companion>| {
                    let full = format!("{metric}{}", companion.map_or("", Companion::suffix));
                    (
                        *companion,
                        Arc::new(Labels::new(
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
                let what = What::Measure {
                    measure: Arc::clone(&measure),
                    program: Arc::clone(&program),
                    outputs,
                };
                self.add(Job { wanted, unit: *unit, first, last, what }, series)?;
            }
        }
        Ok(())
    }

    fn beside(
        &mut self,
        wanted: usize,
        (beside, companion): (Beside, Option<Companion>),
        matchers: &[Matcher],
        units: &[UnitLabels],
        (first, last): (Month, Month),
    ) -> Result<(), Refusal> {
        let own: &[&str] = if beside == Beside::Findings { &["rule", "severity"] } else { &[] };
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
        let metric = format!("{}{}", beside.name(), companion.map_or("", Companion::suffix));
        for (unit, labels) in units {
            let pairs =
                labels.iter().map(|(label, value)| ((*label).into(), value.as_str().into()));
            let named = Labels::new(pairs.chain([(NAME.into(), metric.as_str().into())]).collect());
            if beside != Beside::Findings {
                self.add(
                    Job {
                        wanted,
                        unit: *unit,
                        first,
                        last,
                        what: What::Beside { beside, companion, labels: named },
                    },
                    1,
                )?;
                continue;
            }
            let mut kinds: Vec<(&str, &str)> = self
                .state
                .standing
                .within(self.state.units.subtree(*unit))
                .map(|finding| (finding.rule.as_str(), severity_name(finding.severity)))
                .collect();
            kinds.sort_unstable();
            kinds.dedup();
            for (rule, severity) in kinds.into_iter().filter(|(rule, severity)| {
                fits(matchers.iter(), "rule", rule) && fits(matchers.iter(), "severity", severity)
            }) {
                let labels = named.with("rule", rule).with("severity", severity);
                self.add(
                    Job {
                        wanted,
                        unit: *unit,
                        first,
                        last,
                        what: What::Beside { beside, companion, labels },
                    },
                    1,
                )?;
            }
        }
        Ok(())
    }
}

/// The choices of members for a split; a dimension within a host only with its host's member.
fn combinations(catalogue: &Catalogue, code: &str, split: &[String]) -> Vec<Members> {
    let indicator = catalogue.indicator(code);
    let of_kpi = |dimension: &str| {
        catalogue
            .kpi(code)
            .and_then(|kpi| kpi.dimensions.iter().find(|(known, _)| known == dimension))
            .map(|(_, members)| members.as_slice())
    };
    let mut found = vec![Members::none()];
    for dimension in split {
        let members = indicator
            .and_then(|indicator| indicator.dimension(dimension))
            .map(|dimension| dimension.members.as_slice())
            .or_else(|| of_kpi(dimension))
            .unwrap_or_default();
        found = found
            .iter()
            .flat_map(|chosen| members.iter().map(|member| chosen.with(dimension, member)))
            .collect();
    }
    found.retain(|members| {
        indicator.is_none_or(|indicator| indicator.member_faults(members).is_empty())
    });
    found
}

/// Takes the series of a job.
fn take(state: &State, today: NaiveDate, job: &Job, found: &mut Vec<Series>) {
    let mut add = |labels: &Arc<Labels>, first: Month, values: Vec<Option<f64>>| {
        if values.iter().any(Option::is_some) {
            found.push(Series { labels: Arc::clone(labels), first, values });
        }
    };
    let months = || (0..=job.last.since(job.first)).map(|n| job.first.plus(n));
    match &job.what {
        What::Measure { measure, program, outputs } => {
            let period = |month: Month| Period::containing(Step::Month, month);
            let trend = Trend::new(
                state.source(),
                program,
                job.unit,
                period(job.first.plus(-LATEST)),
                period(job.last),
            );
            let value = |month: Month| trend.value(period(month)).and_then(rounded);
            let exists = |month: Month| state.units.exists(job.unit, month);
            let newest = |month: Month| {
                (0..=LATEST)
                    .map(|n| month.plus(-n))
                    .find_map(|month| Some((month, value(month)?)))
                    .filter(|_| exists(month))
            };
            for (companion, labels) in outputs {
                let number = |month: Month| match companion {
                    None => value(month),
                    Some(Companion::Latest) => newest(month).map(|(_, value)| value),
                    Some(Companion::LatestPeriod) => {
                        newest(month).map(|(month, _)| float(super::promql::first_second(month)))
                    }
                    Some(Companion::Target) if exists(month) => state
                        .targets
                        .in_force(&state.units, measure, job.unit, month)
                        .map(|target| target.value.to_f64()),
                    Some(Companion::Target) => None,
                    Some(other) => number_of(*other, &trend.point(period(month))),
                };
                add(labels, job.first, months().map(number).collect());
            }
        }
        What::Beside { beside, companion, labels } => {
            let values = besides(state, today, *beside, labels, job);
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
                Some(Companion::LatestPeriod) => {
                    newest(month).map(|(month, _)| float(super::promql::first_second(month)))
                }
                // A contradiction is not gone because the next month has begun to come in.
                Some(_) if *beside == Beside::Findings => newest(month).map(|(month, _)| {
                    (0..STANDING).filter_map(|n| at(month.plus(-n))).map(|value| value.number).sum()
                }),
                Some(_) => newest(month).map(|(_, value)| value.number),
            };
            add(&Arc::new(labels.clone()), job.first, months().map(number).collect());
        }
    }
}

/// A number of a month that is no measure's.
#[derive(Clone, Copy)]
struct BesideValue {
    number: f64,
    /// Whether the month is one that can be judged: a report for it is due, or a figure of it is there.
    settled: bool,
}

/// The numbers of a metric that is no measure, from [`BEFORE`] months before the job's first month to its last.
fn besides(
    state: &State,
    today: NaiveDate,
    beside: Beside,
    labels: &Labels,
    job: &Job,
) -> Vec<Option<BesideValue>> {
    let months = (-BEFORE..=job.last.since(job.first)).map(|n| job.first.plus(n));
    let range = state.units.subtree(job.unit);
    if beside == Beside::Findings {
        let (rule, severity) = (labels.get("rule"), labels.get("severity"));
        let mut counts: BTreeMap<Month, i64> = BTreeMap::new();
        let ours = state
            .standing
            .within(range.clone())
            .filter(|finding| finding.rule == rule && severity_name(finding.severity) == severity);
        ours.for_each(|finding| *counts.entry(finding.month).or_default() += 1);
        let newest = state.newest(range.clone());
        let number = |month: Month| {
            counts
                .get(&month)
                .copied()
                .or_else(|| state.units.exists(job.unit, month).then_some(0))
                .map(float)
        };
        return months
            .map(|month| {
                number(month).map(|number| BesideValue {
                    number,
                    settled: newest.is_some_and(|newest| month <= newest),
                })
            })
            .collect();
    }
    let number = |month: Month| {
        let (tally, late): (Tally, usize) = tally(state, job.unit, month, today);
        let ours = |expectation: &Expectation| {
            range.clone().any(|unit| expectation.is_of(&state.units, unit, month))
        };
        let settled = state
            .catalogue
            .expectations
            .iter()
            .any(|expectation| expectation.deadline(month) < today && ours(expectation));
        let number = if beside == Beside::Completeness {
            tally.completeness.map(Shown::get)?
        } else {
            float(i64::try_from(late).ok()?)
        };
        (tally.expected > 0).then_some(BesideValue { number, settled })
    };
    months.map(number).collect()
}

/// A number of a point; those that `take` finds by itself are none here.
fn number_of(companion: Companion, point: &Point) -> Option<f64> {
    let number = match companion {
        Companion::MomDelta => point.delta.ok(),
        Companion::MomPercent => point.delta_percent.ok(),
        Companion::MomLikeForLikeDelta => point.like_for_like_delta.ok(),
        Companion::MomLikeForLikePercent => point.like_for_like_percent.ok(),
        Companion::YoyDelta => point.year_delta.ok(),
        Companion::YoyPercent => point.year_delta_percent.ok(),
        Companion::YearToDate => point.year_to_date.ok(),
        Companion::Coverage => point.value.map(|_| point.coverage),
        Companion::Target | Companion::Latest | Companion::LatestPeriod => None,
    };
    number.and_then(rounded)
}
