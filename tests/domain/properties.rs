//! Properties that hold for every world, tested on random units, catalogues and figures of the
//! model.

use std::collections::BTreeMap;

use egov_kpi::app::App;
use egov_kpi::app::read::fields::RequestedFields;
use egov_kpi::app::read::series::{PeriodSelector, SeriesQuery, SeriesView, UnitSelector};
use egov_kpi::app::state::State;
use egov_kpi::app::write::catalogue::NewCatalogue;
use egov_kpi::app::write::receipt::Receipt;
use egov_kpi::app::write::submission::SubmissionInput;
use kpi::catalogue::IndicatorKind;
use kpi::change::{PeriodPoint, ValueReason};
use kpi::cube::{CubeEntry, MeasureId, RevisionStamp};
use kpi::geography::Geography;
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, Statement};
use kpi::period::{Month, Period, Step};
use kpi::rules::{Finding, RuleBook};
use kpi::unit::{Unit, UnitNumber, UnitPosition};
use kpi::value::Origin;
use ledger::{LedgerHead, RevisionNumber, Store, TimestampMicros};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::case::{self, Case, Dice, Figure};
use crate::model;

/// Rules that some figures of every world break.
const RULES: &str = "
    rule order = test.flow.a <= test.flow.b
    rule parts ~1 = test.flow.split{channel=online} == test.flow.a
    rule jump = test.stock.a <= prev(test.stock.a) + 100
    rule either = (test.flow.a ?? test.flow.b) >= 20
    kpi  test.kpi.top = test.flow.a + 0 * test.flow.b
    kpi  test.kpi.bottom = test.flow.b + 0 * test.flow.a
";

/// Rules with a result at one place that depends on figures of other places.
const FAR_RULES: &str = "
    rule above rolled_up = test.flow.a <= test.flow.b
    rule grown rolled_up = test.stock.a <= prev(test.stock.a) + 100
    rule lasts = prev(test.flow.a) <= 200
    rule leaves = test.flow.a >= sum(test.flow.b * 1)
";

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

fn period(step: Step, number: model::Month) -> Period {
    Period::containing(step, case::month(number))
}

/// A random world in the engine.
fn world(seed: u64) -> Case {
    let world = model::random_world(seed);
    let mut found =
        Case::of(case::catalogue(&(case::catalogue_of(&world) + RULES)), case::units_of(&world));
    case::figures_of(&world).iter().for_each(|figure| found.put(figure));
    found
}

/// All measures of indicators that have figures, and the measures of which they are parts.
fn measures(case: &Case) -> Vec<Measure> {
    let all = case.measures.iter().flat_map(|(_, measure)| {
        measure.members.subsets().into_iter().map(|members| Measure { members, ..measure.clone() })
    });
    let mut found: Vec<Measure> =
        all.filter(|measure| case.catalogue.measure_faults(measure).is_empty()).collect();
    found.sort();
    found.dedup();
    found
}

fn kpis(case: &Case) -> Vec<Measure> {
    case.catalogue
        .kpis
        .iter()
        .map(|kpi| Measure { code: kpi.code.clone(), members: Members::none() })
        .collect()
}

fn codes(case: &Case) -> Vec<String> {
    case.units.iter().map(|unit| unit.document.code.clone()).collect()
}

/// The monthly points of a measure at every unit.
fn monthly(case: &Case, measure: &Measure) -> Vec<Vec<PeriodPoint>> {
    codes(case)
        .iter()
        .map(|unit| {
            case.points(
                measure,
                unit,
                period(Step::Month, model::FIRST),
                period(Step::Month, model::LAST),
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(case::random_worlds(6))]

    #[test]
    fn a_roll_up_equals_the_sum_of_its_parts(seed in any::<u64>()) {
        let case = world(seed);
        for measure in measures(&case) {
            if case.catalogue.indicator(&measure.code).unwrap().kind == IndicatorKind::Average {
                continue;
            }
            let points = monthly(&case, &measure);
            for unit in case.units.all() {
                for place in 0..points[unit.index()].len() {
                    check_roll_up(&case, &points, unit, place)
                        .map_err(|text| TestCaseError::fail(format!("{measure}: {text}")))?;
                }
            }
        }
    }

    #[test]
    fn a_sum_over_members_equals_the_members_own_values(seed in any::<u64>()) {
        let case = world(seed);
        for measure in measures(&case) {
            for (unit, points) in codes(&case).iter().zip(monthly(&case, &measure)) {
                for point in points.iter().filter(|point| point.origin == Some(Origin::Summed)) {
                    // Above leaves that state n/a a member has its own value, which is not shown.
                    let position = case.units.position(unit).unwrap();
                    if !case.units.is_leaf(position, point.period.first()) {
                        continue;
                    }
                    let indicator = case.catalogue.indicator(&measure.code).unwrap();
                    let sums = indicator
                        .open(&measure.members)
                        .filter(|dimension| dimension.complete)
                        .map(|dimension| {
                            let parts = dimension.members.iter().map(|member| {
                                let members = measure.members.with(&dimension.code, member);
                                (member, Measure { members, ..measure.clone() })
                            });
                            let own = |(member, part): (&String, Measure)| {
                                let month = point.period.first();
                                let dates = dimension.dates_of(member);
                                let own =
                                    case.points(&part, unit, point.period, point.period).remove(0);
                                (own.value.is_some() || dates.includes(month)).then_some(own)
                            };
                            let applies = |part: &PeriodPoint| {
                                part.value_reason != Some(ValueReason::NotApplicable)
                            };
                            let applying: Vec<PeriodPoint> =
                                parts.filter_map(own).filter(applies).collect();
                            let is_own = |part: &PeriodPoint| {
                                matches!(part.origin, Some(Origin::Stated | Origin::Summed))
                            };
                            let stated = |part: &PeriodPoint| part.value.filter(|_| is_own(part));
                            if applying.is_empty() {
                                None
                            } else {
                                applying.iter().map(stated).sum::<Option<f64>>()
                            }
                        });
                    let first = sums.flatten().next();
                    prop_assert!(
                        first.is_some_and(|sum| near(sum, point.value.unwrap())),
                        "{} of {} in {}: {:?} against {:?}",
                        measure,
                        unit,
                        point.period,
                        point.value,
                        first
                    );
                }
            }
        }
    }

    #[test]
    fn a_rate_is_the_ratio_of_sums(seed in any::<u64>()) {
        let case = world(seed);
        let kpi = |code: &str| Measure { code: code.to_owned(), members: Members::none() };
        for unit in codes(&case) {
            for step in Step::ALL {
                let points = |code: &str| {
                    case.points(
                        &kpi(code),
                        &unit,
                        period(step, model::FIRST),
                        period(step, model::LAST),
                    )
                };
                let (rates, tops, bottoms) =
                    (points("test.kpi.rate"), points("test.kpi.top"), points("test.kpi.bottom"));
                for ((rate, top), bottom) in rates.iter().zip(&tops).zip(&bottoms) {
                    let ratio = top
                        .value
                        .zip(bottom.value)
                        .filter(|(_, bottom)| *bottom != 0.0)
                        .map(|(top, bottom)| top / bottom * 100.0);
                    let same = match (rate.value, ratio) {
                        (Some(rate), Some(ratio)) => near(rate, ratio),
                        (rate, ratio) => rate == ratio,
                    };
                    prop_assert!(
                        same,
                        "{} in {}: {:?} against {:?} / {:?}",
                        unit,
                        rate.period,
                        rate.value,
                        top.value,
                        bottom.value
                    );
                    prop_assert_eq!(rate.coverage, top.coverage);
                }
            }
        }
    }

    #[test]
    fn deltas_telescope_over_stretches_without_gaps(seed in any::<u64>()) {
        let case = world(seed);
        let mut compared = 0;
        for measure in measures(&case).into_iter().chain(kpis(&case)) {
            for (unit, points) in codes(&case).iter().zip(monthly(&case, &measure)) {
                for stretch in points.chunk_by(|_, next| next.delta.is_ok()) {
                    let (first, last) = (stretch.first().unwrap(), stretch.last().unwrap());
                    let sum: f64 = stretch[1..].iter().map(|point| point.delta.unwrap()).sum();
                    let whole =
                        last.value.zip(first.value).map_or(0.0, |(last, first)| last - first);
                    prop_assert!(
                        near(sum, whole),
                        "{} of {} to {}: {} against {}",
                        measure,
                        unit,
                        last.period,
                        sum,
                        whole
                    );
                    compared += stretch.len() - 1;
                }
                for (then, now) in points.iter().zip(&points[12..]) {
                    let year: Option<f64> = points
                        .iter()
                        .filter(|point| then.period < point.period && point.period <= now.period)
                        .map(|point| point.delta.ok())
                        .sum();
                    if let (Some(sum), Ok(year)) = (year, now.year_delta) {
                        prop_assert!(
                            near(sum, year),
                            "{} of {} in {}: twelve deltas {} against {}",
                            measure,
                            unit,
                            now.period,
                            sum,
                            year
                        );
                    }
                }
            }
        }
        prop_assert!(compared > 0);
    }

    #[test]
    fn like_for_like_is_the_delta_where_there_is_one(seed in any::<u64>()) {
        let case = world(seed);
        for measure in measures(&case).into_iter().chain(kpis(&case)) {
            let average = case
                .catalogue
                .indicator(&measure.code)
                .is_some_and(|indicator| indicator.kind == IndicatorKind::Average);
            for point in monthly(&case, &measure)
                .into_iter()
                .flatten()
                .filter(|point| point.delta.is_ok() && !average)
            {
                prop_assert_eq!(
                    (point.like_for_like_delta, point.like_for_like_percent),
                    (point.delta, point.delta_percent)
                );
                prop_assert_eq!(point.like_for_like_coverage, point.coverage);
            }
        }
    }
}

proptest! {
    #![proptest_config(case::random_worlds(3))]

    #[test]
    fn shuffled_input_gives_the_same_cube(seed in any::<u64>(), shuffle in any::<u64>()) {
        let straight = world(seed);
        let (random, mut dice) = (model::random_world(seed), Dice(shuffle));
        let (mut units, mut figures) = (case::units_of(&random), case::figures_of(&random));
        dice.shuffle(&mut units);
        dice.shuffle(&mut figures);
        let mut shuffled = Case::of(case::catalogue(&(case::catalogue_of(&random) + RULES)), units);
        figures.iter().for_each(|figure| shuffled.put(figure));
        prop_assert_eq!(cells(&straight), cells(&shuffled));
        prop_assert_eq!(straight.cube.len(), shuffled.cube.len());
        prop_assert_eq!(straight.found(), shuffled.found());
        for measure in measures(&straight).into_iter().chain(kpis(&straight)) {
            prop_assert_eq!(monthly(&straight, &measure), monthly(&shuffled, &measure));
            let unit = &codes(&straight)[dice.below(straight.units.len())];
            for step in Step::ALL {
                let points = |case: &Case| {
                    case.points(
                        &measure,
                        unit,
                        period(step, model::FIRST),
                        period(step, model::LAST),
                    )
                };
                prop_assert_eq!(points(&straight), points(&shuffled));
            }
        }
    }
}

proptest! {
    #![proptest_config(case::random_worlds(3))]

    #[test]
    fn a_merge_keeps_the_total_over_all_roots(seed in any::<u32>()) {
        let world =
            (u64::from(seed)..).map(model::random_world_of_merges).find(merges_roots).unwrap();
        let (reported, today) = both_geographies(&world);
        let (mut compared, mut merged) = (0, 0);
        for measure in measures(&reported).into_iter().filter(|measure| {
            reported.catalogue.indicator(&measure.code).unwrap().kind != IndicatorKind::Average
        }) {
            for number in model::FIRST..=model::LAST {
                let month = case::month(number);
                let then = total_of_roots(&reported, &measure, number, |unit| unit.exists(month));
                let now = total_of_roots(&today, &measure, number, |unit| {
                    unit.exists(case::month(world.today.unwrap()))
                });
                let same = then.zip(now).map_or(then == now, |(then, now)| near(then, now));
                prop_assert!(
                    same,
                    "{} in {}: {:?} as reported, {:?} in the units of today",
                    measure,
                    month,
                    then,
                    now
                );
                compared += usize::from(then.is_some());
                merged += usize::from(then.is_some() && root_is_new(&world, number));
            }
        }
        prop_assert!(
            compared > 100 && merged > 20,
            "only {compared} totals were compared, {merged} of them before a merge of roots"
        );
    }

    #[test]
    fn no_rate_is_a_mean_of_rates_in_the_units_of_today_either(seed in any::<u32>()) {
        let (mut compared, mut differ) = (0, 0);
        for world in (u64::from(seed)..).map(model::random_world_of_today).take(300) {
            if differ > 20 {
                break;
            }
            let (reported, today) = both_geographies(&world);
            for unit in codes(&today) {
                let monthly = |code: &str| {
                    today.points(
                        &Measure::parse(code).unwrap(),
                        &unit,
                        period(Step::Month, model::FIRST),
                        period(Step::Month, model::LAST),
                    )
                };
                let (rates, tops, bottoms) =
                    (monthly("test.kpi.rate"), monthly("test.flow.a"), monthly("test.flow.b"));
                for ((rate, top), bottom) in
                    rates.iter().zip(&tops).zip(&bottoms).filter(|((rate, top), bottom)| {
                        top.is_whole() && bottom.is_whole() && rate.coverage.is_some()
                    })
                {
                    let ratio = top
                        .value
                        .zip(bottom.value)
                        .filter(|(_, bottom)| *bottom != 0.0)
                        .map(|(top, bottom)| top / bottom * 100.0);
                    let same = rate
                        .value
                        .zip(ratio)
                        .map_or(rate.value == ratio, |(rate, ratio)| near(rate, ratio));
                    prop_assert!(
                        same,
                        "{} in {}: {:?} against {:?} / {:?}",
                        unit,
                        rate.period,
                        rate.value,
                        top.value,
                        bottom.value
                    );
                    let mean = mean_of_rates(&reported, &unit, rate.period);
                    compared += usize::from(mean.is_some());
                    differ += usize::from(
                        mean.zip(ratio).is_some_and(|(mean, ratio)| !near(mean, ratio)),
                    );
                }
            }
        }
        prop_assert!(
            differ > 20,
            "{compared} rates over predecessors, {differ} of them not the mean of their rates"
        );
    }
}

/// A world as reported, and in the units of its day.
fn both_geographies(world: &model::World) -> (Case, Case) {
    let made = |geography: Geography| {
        let mut found =
            Case::of(case::catalogue(&case::catalogue_of(world)), case::units_of(world));
        case::figures_of(world).iter().for_each(|figure| found.put(figure));
        found.geography = geography;
        found
    };
    let today = world.today.map(|today| Geography::Current(case::month(today).last_day()));
    (made(Geography::AsReported), made(today.unwrap()))
}

/// Whether a root of today had not begun in a month, so that its predecessors take its place.
fn root_is_new(world: &model::World, month: model::Month) -> bool {
    world.units.iter().any(|unit| {
        unit.parent.is_none()
            && unit.exists_to.is_none()
            && unit.exists_from.is_some_and(|from| month < from)
    })
}

/// Whether roots merged after the first months.
fn merges_roots(world: &model::World) -> bool {
    root_is_new(world, model::FIRST + 5)
}

/// The sum of a flow or stock over some roots in a month.
fn total_of_roots(
    case: &Case,
    measure: &Measure,
    month: model::Month,
    counts: impl Fn(&Unit) -> bool,
) -> Option<f64> {
    let roots = case.units.iter().filter(|unit| unit.document.parent.is_none() && counts(unit));
    let month = period(Step::Month, month);
    roots
        .filter_map(|unit| case.points(measure, &unit.document.code, month, month)[0].value)
        .reduce(|sum, value| sum + value)
}

/// The mean of the rates of a unit's direct predecessors, if there are several, in a month before
/// the unit began.
fn mean_of_rates(case: &Case, unit: &str, month: Period) -> Option<f64> {
    let position = case.units.position(unit)?;
    let before = case.units.iter().filter(|other| {
        other.exists(month.first()) && other.document.successors.iter().any(|code| code == unit)
    });
    let rate = |other: &Unit| {
        case.points(&Measure::parse("test.kpi.rate").unwrap(), &other.document.code, month, month)
            [0]
        .value
    };
    let rates: Vec<f64> = before
        .filter(|_| !case.units.exists(position, month.first()))
        .map(rate)
        .collect::<Option<_>>()?;
    (rates.len() > 1)
        .then(|| rates.iter().sum::<f64>() / f64::from(u32::try_from(rates.len()).unwrap()))
}

/// Compares a unit's value and coverage with those of its children.
fn check_roll_up(
    case: &Case,
    points: &[Vec<PeriodPoint>],
    unit: UnitPosition,
    place: usize,
) -> Result<(), String> {
    let point = &points[unit.index()][place];
    let month = point.period.first();
    let children: Vec<UnitPosition> =
        case.units.children(unit).filter(|child| case.units.exists(*child, month)).collect();
    let leaves = |unit: UnitPosition| {
        let all = case.units.leaves(unit, month);
        let applying = all.iter().filter(|leaf| points[leaf.index()][place].coverage.is_some());
        f64::from(u32::try_from(applying.count()).unwrap())
    };
    let (sum, covered) = match point.origin {
        _ if !case.units.exists(unit, month) => (None, 0.0),
        Some(Origin::Stated | Origin::Summed) => (point.value, leaves(unit)),
        _ => {
            let parts =
                children.iter().map(|child| (&points[child.index()][place], leaves(*child)));
            let sum =
                parts.clone().filter_map(|(part, _)| part.value).reduce(|sum, value| sum + value);
            (sum, parts.map(|(part, leaves)| part.coverage.unwrap_or(0.0) * leaves).sum::<f64>())
        }
    };
    let coverage = match leaves(unit) {
        _ if !case.units.exists(unit, month) => Some(0.0),
        0.0 => None,
        leaves => Some(covered / leaves),
    };
    let same = match (point.value, sum) {
        (Some(value), Some(sum)) => near(value, sum),
        (value, sum) => value == sum,
    };
    let code = case.units.code(unit);
    let covered = match (point.coverage, coverage) {
        (Some(one), Some(other)) => near(one, other),
        (one, other) => one == other,
    };
    if !same || !covered {
        return Err(format!(
            "{code} in {month}: {:?} with {:?} against {sum:?} with {coverage:?}",
            point.value, point.coverage
        ));
    }
    Ok(())
}

/// All figures of a case, with names instead of numbers.
fn cells(case: &Case) -> BTreeMap<(Measure, String, Month), String> {
    let of = |(id, measure): (MeasureId, &Measure)| {
        let measure = measure.clone();
        case.cube
            .figures_of(id)
            .map(move |(entry, _)| {
                (
                    (measure.clone(), case.units.code(entry.unit).to_owned(), entry.month),
                    entry.written.unwrap().to_string(),
                )
            })
            .collect::<Vec<_>>()
    };
    case.measures.iter().flat_map(of).collect()
}

/// A service with an empty store.
struct Live {
    app: App,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Live {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite://{}", folder.path().join("ledger.db").display());
        let app = App::open(Store::open(&address, true).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { app, runtime, _folder: folder }
    }

    /// A service with a catalogue and units.
    fn of(catalogue: &str, units: Vec<kpi::unit::UnitDocument>) -> Self {
        let live = Self::new();
        live.runtime
            .block_on(live.app.put_catalogue(
                NewCatalogue {
                    document: case::catalogue(catalogue),
                    made_from: None,
                    dry_run: false,
                },
                "test",
                None,
            ))
            .unwrap();
        live.runtime.block_on(live.app.put_units(units, "test", false, None)).unwrap();
        live
    }

    /// Sends a submission as a dry run, then records it, and compares the two receipts.
    fn submit(&self, figures: &[Figure]) -> Receipt {
        let body = body(figures);
        let before = self.app.state().revision;
        let tried = self.app.dry_run(&body, "test").unwrap();
        assert_eq!(self.app.state().revision, before, "a dry run must record nothing");
        let receipt = self.runtime.block_on(self.app.submit(&body, "test")).unwrap();
        assert_eq!(
            (tried.counts, &tried.findings),
            (receipt.counts, &receipt.findings),
            "a dry run must have the same counts and findings as the recording"
        );
        assert_eq!((tried.submission, tried.revision, tried.recorded_at), (None, None, None));
        receipt
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.app.stop();
    }
}

/// Figures as the body of a request.
fn body(figures: &[Figure]) -> SubmissionInput {
    let one = |(measure, unit, month, written): &Figure| {
        let dimensions = case::object(
            measure
                .members
                .iter()
                .map(|(dimension, member)| (dimension.to_owned(), member.to_owned())),
        );
        let value = written.map_or(Value::Null, |written| Value::String(written.to_string()));
        json!({
            "indicator": measure.code, "dimensions": dimensions, "unit": unit,
            "period": month.to_string(), "value": value,
        })
    };
    SubmissionInput::Json(
        serde_json::to_vec(&json!({ "observations": figures.iter().map(one).collect::<Vec<_>>() }))
            .unwrap(),
    )
}

/// The content of a state, with names instead of numbers.
#[derive(PartialEq, Debug)]
struct Said {
    head: (RevisionNumber, TimestampMicros, i64),
    units: Vec<(UnitNumber, String)>,
    measures: Vec<Measure>,
    figures: Vec<(CubeEntry, RevisionStamp)>,
    findings: Vec<Finding>,
    count: (usize, usize),
}

fn said(state: &State) -> Said {
    Said {
        head: (state.revision, state.recorded_at, state.catalogue_version),
        units: state.units.iter().map(|unit| (unit.number, unit.document.code.clone())).collect(),
        measures: state.measures.iter().map(|(_, measure)| measure.clone()).collect(),
        figures: state
            .measures
            .iter()
            .flat_map(|(id, _)| state.cube.figures_of(id))
            .chain(state.cube.all_stated())
            .collect(),
        findings: standing(state),
        count: (state.cube.len(), state.standing().len()),
    }
}

/// The findings that a state has updated.
fn standing(state: &State) -> Vec<Finding> {
    state.standing().within(state.units.all()).cloned().collect()
}

/// The findings of all figures of a state, evaluated at once.
fn from_nothing(state: &State) -> Vec<Finding> {
    let standing = RuleBook::new(&state.catalogue, &state.view()).all(&state.source());
    standing.within(state.units.all()).cloned().collect()
}

/// The response of `/series` for every unit and measure.
fn series(app: &App) -> Vec<SeriesView> {
    let (units, measures) = {
        let state = app.state();
        let mut measures: Vec<Measure> =
            state.measures.iter().map(|(_, measure)| measure.clone()).collect();
        measures.extend(
            state
                .catalogue
                .kpis
                .iter()
                .map(|kpi| Measure { code: kpi.code.clone(), members: Members::none() }),
        );
        measures.sort();
        measures.dedup();
        (
            state
                .units
                .iter()
                .map(|unit| unit.document.code.clone())
                .filter(|code| code.starts_with('u') || code.starts_with("aa"))
                .collect::<Vec<_>>(),
            measures,
        )
    };
    let mut found = Vec::new();
    for (step, last) in
        [(Step::Month, model::FIRST + 7), (Step::Quarter, model::LAST), (Step::Year, model::LAST)]
    {
        let when = PeriodSelector::Span(period(step, model::FIRST), period(step, last));
        let query = SeriesQuery {
            measures: measures.clone(),
            units: UnitSelector::Units(units.clone()),
            when,
            of_today: false,
            fields: RequestedFields::of_point(),
            offset: 0,
            limit: usize::MAX,
        };
        let page = app.now().series(&query).unwrap();
        assert_eq!(page.next_offset, None);
        found.extend(page.series);
    }
    found
}

/// Sends the figures of a random world in random submissions, corrects and withdraws some, and adds
/// units. After each step the updated findings must equal those evaluated at once. At the end a
/// restarted service must have the same content.
fn live_through(seed: u64, rules: &str) {
    let (world, mut dice) = (model::random_world(seed), Dice(seed));
    let live = Live::of(&(case::catalogue_of(&world) + rules), case::units_of(&world));
    let mut pool: Vec<Figure> = case::figures_of(&world)
        .into_iter()
        .filter(|(_, _, month, _)| month.number() < model::FIRST + 8)
        .collect();
    dice.shuffle(&mut pool);
    let (mut sent, mut submissions): (Vec<Figure>, Vec<String>) = (Vec::new(), Vec::new());
    for step in 0..14 {
        let mut figures: Vec<Figure> = Vec::new();
        match if sent.is_empty() { 0 } else { dice.below(10) } {
            0..4 => figures = pool.split_off(pool.len().saturating_sub(1 + dice.below(60))),
            4..6 => {
                // Corrections: other values for recorded figures.
                for _ in 0..=dice.below(12) {
                    let (measure, unit, month, written) = sent[dice.below(sent.len())].clone();
                    let mantissa = i64::try_from(dice.below(400)).unwrap();
                    figures.push((
                        measure,
                        unit,
                        month,
                        written.map(|written| match written {
                            Statement::Number(number) => Decimal64 { mantissa, ..number }.into(),
                            Statement::NotApplicable => Statement::NotApplicable,
                        }),
                    ));
                }
            }
            6 => figures.extend(
                (0..=dice.below(12))
                    .map(|_| sent[dice.below(sent.len())].clone())
                    .map(|(measure, unit, month, _)| (measure, unit, month, None)),
            ),
            7 => {
                // Stated rates, where there are figures.
                for code in [
                    "test.kpi.rate",
                    "test.kpi.online",
                    "test.kpi.online{level=three}",
                    "test.kpi.growth",
                ] {
                    let (_, unit, month, _) = sent[dice.below(sent.len())].clone();
                    let written = Decimal64 {
                        mantissa: i64::try_from(dice.below(2000)).unwrap(),
                        scale: u32::try_from(dice.below(3)).unwrap(),
                    };
                    figures.push((
                        Measure::parse(code).unwrap(),
                        unit,
                        month,
                        Some(written.into()),
                    ));
                }
            }
            8 if !submissions.is_empty() => {
                let id = &submissions[dice.below(submissions.len())];
                live.runtime.block_on(live.app.withdraw(id, None, "test", None)).unwrap();
            }
            _ => {
                // A new unit, which moves the units after it to other positions.
                let parent = world.units[dice.below(world.units.len())].code.clone();
                let mut unit = case::unit(format!("aa{step}"), Some(parent), Vec::new());
                unit.valid_from = Some(case::month(model::FIRST + 4).first_day());
                live.runtime.block_on(live.app.put_units(vec![unit], "test", false, None)).unwrap();
            }
        }
        figures.sort_by_key(|(measure, unit, month, _)| (measure.clone(), unit.clone(), *month));
        figures.dedup_by_key(|(measure, unit, month, _)| (measure.clone(), unit.clone(), *month));
        // Units that were added since may stand below a leaf, which then may not state n/a.
        let state = live.app.state();
        let is_leaf = |unit: &str, month: Month| {
            state.units.position(unit).is_some_and(|unit| state.units.is_leaf(unit, month))
        };
        figures.retain(|(_, unit, month, written)| {
            *written != Some(Statement::NotApplicable) || is_leaf(unit, *month)
        });
        drop(state);
        if !figures.is_empty() {
            let receipt = live.submit(&figures);
            submissions.extend(receipt.submission);
            sent.extend(figures.into_iter().filter(|figure| figure.3.is_some()));
        }
        let state = live.app.state();
        let (kept_up, anew) = (standing(&state), from_nothing(&state));
        let differ: Vec<&Finding> = kept_up
            .iter()
            .filter(|found| !anew.contains(found))
            .chain(anew.iter().filter(|found| !kept_up.contains(found)))
            .collect();
        assert!(
            kept_up == anew,
            "{} findings updated, {} evaluated at once; seed {seed}, step {step}: {:?}",
            kept_up.len(),
            anew.len(),
            &differ[..differ.len().min(3)]
        );
    }
    let loaded = State::load(live.app.store(), live.app.clock().calendar()).unwrap();
    let (now, then) = (said(&live.app.state()), said(&loaded));
    assert_eq!(
        (now.head, now.count, &now.units, &now.measures),
        (then.head, then.count, &then.units, &then.measures),
        "seed {seed}"
    );
    for (now, then) in now.figures.iter().zip(&then.figures) {
        assert_eq!(now, then, "seed {seed}");
    }
    assert!(now == then, "seed {seed}: the findings differ");
    check_earlier_states(&live.app, seed);
    let again = App::open(live.app.store().clone()).unwrap();
    let (now, then) = (series(&live.app), series(&again));
    again.stop();
    assert!(!now.is_empty());
    for (now, then) in now.iter().zip(&then) {
        assert_eq!(now, then, "seed {seed}");
    }
    assert_eq!(now.len(), then.len());
}

/// Every earlier state that is made of the current one must have the content of the one that is
/// read from the ledger.
fn check_earlier_states(app: &App, seed: u64) {
    let state = app.state();
    let mut made = 0;
    for number in (1..=state.revision.get()).map(RevisionNumber::new) {
        let recorded_at = state.time_of(number).unwrap();
        let id = state.id_of(number).unwrap();
        let Some(earlier) = state.rewound(id, recorded_at) else { continue };
        let head = LedgerHead { revision: number, recorded_at };
        let read = State::at(app.store(), head, app.clock().calendar()).unwrap();
        assert_eq!(earlier.id(), read.id(), "seed {seed}, revision {number}");
        let (earlier, read) = (said(&earlier), said(&read));
        assert_eq!(
            (earlier.head, earlier.count, &earlier.measures, &earlier.findings),
            (read.head, read.count, &read.measures, &read.findings),
            "seed {seed}, revision {number}"
        );
        assert!(earlier == read, "seed {seed}, revision {number}");
        made += 1;
    }
    assert!(made > 0, "seed {seed}: at least the state of the current revision");
}

proptest! {
    #![proptest_config(case::random_worlds(3))]

    #[test]
    fn a_state_rebuilt_from_the_ledger_equals_the_live_state(seed in any::<u64>()) {
        live_through(seed, RULES);
    }

    #[test]
    fn findings_that_depend_on_other_units_are_updated(seed in any::<u64>()) {
        live_through(seed, &format!("{RULES}{FAR_RULES}"));
    }
}

#[test]
fn a_refused_submission_does_not_change_the_findings_of_its_batch() {
    let catalogue =
        "flow f\nflow g\nflow split channel*=in_person|online\nrule strict error = g <= 5";
    let wrong = |month: &str| {
        case::figures(&format!(
            "split a {month} 9; split{{channel=in_person}} a {month} 5; split{{channel=online}} a \
             {month} 5"
        ))
    };
    let large = case::figures(&format!("f a 1990-01 {}", "1 ".repeat(360)));
    for _attempt in 0..8 {
        let live = Live::of(catalogue, case::units("a"));
        let (large, first, second) =
            (body(&large), body(&wrong("2021-01")), body(&wrong("2021-02")));
        let refused = body(&case::figures("g a 2021-01 6"));
        // While the large submission is written, the others wait; then they are validated as one
        // batch.
        let answers = live.runtime.block_on(async {
            let submit = |body| live.app.submit(body, "test");
            tokio::join!(submit(&large), submit(&first), submit(&refused), submit(&second))
        });
        assert!(answers.2.is_err(), "a rule with the severity error must refuse the submission");
        assert_eq!(
            (answers.1.unwrap().findings.len(), answers.3.unwrap().findings.len()),
            (1, 1),
            "each receipt must have its own finding"
        );
        let state = live.app.state();
        assert_eq!(state.standing().len(), 2);
        assert_eq!(standing(&state), from_nothing(&state));
        drop(state);
        assert_eq!(
            said(&live.app.state()),
            said(&State::load(live.app.store(), live.app.clock().calendar()).unwrap())
        );
    }
}

#[test]
fn a_dry_run_returns_the_same_as_recording() {
    let live = Live::of(
        "flow f\nflow split channel*=in_person|online\nkpi rate % = split{channel=online} / split",
        case::units("p; a p; b p"),
    );
    let first = live.submit(&case::figures(
        "split a 2021-01 9; split{channel=in_person} a 2021-01 \
         5; split{channel=online} a 2021-01 5; rate a 2021-01 \
         50.0",
    ));
    // 9 instead of 5 + 5; 50.0 instead of 5 / 9
    assert_eq!((first.counts.created, first.findings.len()), (4, 2));
    let again = live.submit(&case::figures("split a 2021-01 9; rate a 2021-01 50.0"));
    assert_eq!((again.counts.unchanged, again.submission, again.findings.len()), (2, None, 2));
    // A stated rate with another digit is revised
    let digits = live.submit(&case::figures("rate a 2021-01 50.00"));
    assert_eq!((digits.counts.revised, digits.findings.len()), (1, 1));
    let mut gone = case::figures("split a 2021-01 9; f b 2021-01 1");
    gone.iter_mut().for_each(|figure| figure.3 = None);
    let withdrawn = live.submit(&gone);
    assert_eq!((withdrawn.counts.withdrawn, withdrawn.counts.unchanged), (1, 1));
    // The total is now the sum of its parts, 10, and the rate is 50
    assert_eq!(live.app.state().standing().len(), 0);
}
