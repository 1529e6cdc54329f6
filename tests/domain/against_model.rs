//! Compares the engine with the reference model: every point of random worlds, for every measure,
//! unit and step. The model was written from docs/specification.md alone.

use std::fmt::Write as _;

use kpi::catalogue::{Catalogue, CatalogueDocument};
use kpi::change::{
    self, ChangeResult, MeasureSeries, PointComputation, RollingValue, UnavailableReason,
    ValueReason,
};
use kpi::cube::{Cube, CubeEntry, CubeView, MeasureDictionary, RevisionStamp};
use kpi::geography::Geography;
use kpi::measure::{Measure, Members};
use kpi::number::{Decimal64, Statement};
use kpi::period::{Month, Period, Step};
use kpi::program::Program;
use kpi::roll_up::RollUps;
use kpi::unit::{UnitDocument, UnitForest};
use kpi::value::{Origin, ValueSource};

use crate::case;
use crate::model::{self, World};

/// A world as the engine holds it.
struct Engine {
    catalogue: Catalogue,
    units: UnitForest,
    measures: MeasureDictionary,
    cube: Cube,
}

fn month(number: model::Month) -> Month {
    Month::from_number(number).expect("the month is known")
}

fn engine(world: &World) -> Engine {
    let catalogue = Catalogue::new(catalogue_document(world)).expect("the catalogue is valid");
    let documents = world.units.iter().map(|unit| UnitDocument {
        code: unit.code.clone(),
        parent: unit.parent.clone(),
        valid_from: unit.exists_from.map(|from| month(from).first_day()),
        valid_to: unit.exists_to.map(|to| month(to).last_day()),
        successors: unit.successors.clone(),
        kind: kpi::unit::UnitKind::Agency,
        name: Default::default(),
        official_codes: Vec::new(),
        labels: Vec::new(),
        shares: unit
            .shares
            .iter()
            .map(|(code, part)| (code.clone(), Decimal64 { mantissa: *part, scale: 2 }))
            .collect(),
    });
    let units = UnitForest::numbered(documents).expect("the units are valid");
    let (mut measures, mut cube) = (MeasureDictionary::default(), Cube::default());
    for ((indicator, members, unit, at), value) in world.stated() {
        let members =
            Members::new(members.into_iter().collect()).expect("each dimension is named once");
        let id = measures.intern(&Measure { code: indicator.clone(), members });
        let decimals = catalogue.indicator(&indicator).expect("declared").decimals;
        assert!(cube.set_decimals(id, decimals));
        let number = |mantissa| Statement::Number(Decimal64 { mantissa, scale: decimals });
        let written = Some(value.map_or(Statement::NotApplicable, number));
        cube.set(
            &CubeEntry {
                measure: id,
                unit: units.position(&unit).expect("known"),
                month: month(at),
                written,
            },
            RevisionStamp::new(1),
        );
    }
    Engine { catalogue, units, measures, cube }
}

fn catalogue_document(world: &World) -> CatalogueDocument {
    let mut dimensions = serde_json::Map::new();
    for dimension in world.indicators.iter().flat_map(|indicator| &indicator.dimensions) {
        let member = |code: &String| {
            let (from, to) = dimension.dates.get(code).copied().unwrap_or_default();
            let text = |at: Option<model::Month>| at.map(|at| month(at).to_string());
            serde_json::json!({ "code": code, "from": text(from), "to": text(to) })
        };
        let members: Vec<_> = dimension.members.iter().map(member).collect();
        dimensions.insert(
            dimension.code.clone(),
            serde_json::json!({ "code": dimension.code, "members": members }),
        );
    }
    let indicators: Vec<_> = world
        .indicators
        .iter()
        .map(|indicator| {
            let uses: Vec<_> = indicator
                .dimensions
                .iter()
                .map(|dimension| {
                    let mut used = serde_json::json!({
                        "code": dimension.code, "complete": dimension.complete,
                        "members": dimension.members,
                    });
                    if let Some((host, member)) = &dimension.within {
                        used["within"] = serde_json::json!({ host.clone(): member });
                    }
                    used
                })
                .collect();
            serde_json::json!({
                "code": indicator.code, "kind": format!("{:?}", indicator.kind).to_lowercase(),
                "unit_of_measure": if indicator.percent { "percent" } else { "count" },
                "decimals": indicator.decimals, "dimensions": uses,
                "breaks": indicator.breaks.iter().map(|from| serde_json::json!({
                    "from": month(*from).to_string(),
                })).collect::<Vec<_>>(),
            })
        })
        .collect();
    let kpis: Vec<_> = world
        .kpis
        .iter()
        .map(|kpi| {
            serde_json::json!({
                "code": kpi.code, "formula": kpi.formula.text(),
                "unit_of_measure": if kpi.percent { "percent" } else { "count" },
            })
        })
        .collect();
    let document = serde_json::json!({
        "dimensions": dimensions.values().collect::<Vec<_>>(), "indicators": indicators,
        "kpis": kpis,
    });
    CatalogueDocument::from_value(document).expect("the catalogue is well formed")
}

fn reason(reason: model::Reason) -> change::UnavailableReason {
    match reason {
        model::Reason::NotApplicable => change::UnavailableReason::NotApplicable,
        model::Reason::Missing => change::UnavailableReason::Missing,
        model::Reason::DefinitionChanged => change::UnavailableReason::DefinitionChanged,
        model::Reason::NoPrior => change::UnavailableReason::NoPrior,
        model::Reason::CoverageChanged => change::UnavailableReason::CoverageChanged,
        model::Reason::PriorZero => change::UnavailableReason::PriorZero,
        model::Reason::StatedAbove => change::UnavailableReason::StatedAbove,
    }
}

fn origin(origin: model::Origin) -> Origin {
    match origin {
        model::Origin::Stated => Origin::Stated,
        model::Origin::Summed => Origin::Summed,
        model::Origin::RolledUp => Origin::RolledUp,
        model::Origin::Computed => Origin::Computed,
    }
}

fn reason_of_value(point: &model::Point) -> Option<ValueReason> {
    match point {
        model::Point { value: Some(_), .. } => None,
        model::Point { not_applicable: true, .. } => Some(ValueReason::NotApplicable),
        model::Point { undefined: true, .. } => Some(ValueReason::Undefined),
        _ => Some(ValueReason::Missing),
    }
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs()).max(1.0)
}

fn same(one: &ChangeResult, other: &Result<f64, model::Reason>) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => near(*one, *other),
        (Err(one), Err(other)) => *one == reason(*other),
        _ => false,
    }
}

/// The value over the last months with its coverage, as the model gives it.
fn rolling(point: &PointComputation<'_, '_>, months: i32) -> Result<(f64, f64), UnavailableReason> {
    let RollingValue { value, coverage } = point.rolling(months);
    assert_eq!(value.is_ok(), coverage.is_some());
    value.map(|value| (value, coverage.unwrap_or_default()))
}

/// The fields in which the engine and the model differ.
fn differences(
    one: &change::PeriodPoint,
    computed: &PointComputation<'_, '_>,
    other: &model::Point,
    on_request: Option<i32>,
) -> Vec<&'static str> {
    let mut found = plain_differences(one, other);
    if let Some(months) = on_request {
        found.extend(differences_on_request(computed, other, months));
    }
    found
}

/// The fields that are given on request in which the engine and the model differ.
fn differences_on_request(
    computed: &PointComputation<'_, '_>,
    other: &model::Point,
    months: i32,
) -> Vec<&'static str> {
    let (to_date_delta, to_date_percent) = computed.year_to_date_change();
    let operands = match (computed.operands(), &other.operands) {
        (Some(one), Some(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| near(*one, *other))
        }
        (one, other) => one.is_none() && other.is_none(),
    };
    let rolling = match (rolling(computed, months), &other.rolling) {
        (Ok(one), Ok(other)) => near(one.0, other.0) && near(one.1, other.1),
        (Err(one), Err(other)) => one == reason(*other),
        _ => false,
    };
    let fields = [
        ("previous", maybe(computed.previous().ok(), other.previous)),
        ("year_before", maybe(computed.year_before().ok(), other.year_before)),
        ("operands", operands),
        ("year_to_date_delta", same(&to_date_delta, &other.year_to_date_delta)),
        ("year_to_date_percent", same(&to_date_percent, &other.year_to_date_percent)),
        ("rolling", rolling),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

fn maybe(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => near(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// The fields of every point in which the engine and the model differ.
fn plain_differences(one: &change::PeriodPoint, other: &model::Point) -> Vec<&'static str> {
    let fields = [
        ("value", maybe(one.value, other.value)),
        ("value_reason", one.value_reason == reason_of_value(other)),
        ("coverage", maybe(one.coverage, other.coverage)),
        ("origin", one.origin == other.origin.map(origin)),
        ("taken_from", one.taken_from == other.taken_from.map(month)),
        ("delta", same(&one.delta, &other.delta)),
        ("delta_percent", same(&one.delta_percent, &other.delta_percent)),
        ("like_for_like_delta", same(&one.like_for_like_delta, &other.like_for_like_delta)),
        ("like_for_like_percent", same(&one.like_for_like_percent, &other.like_for_like_percent)),
        ("like_for_like_coverage", maybe(one.like_for_like_coverage, other.like_for_like_coverage)),
        ("year_delta", same(&one.year_delta, &other.year_delta)),
        ("year_delta_percent", same(&one.year_delta_percent, &other.year_delta_percent)),
        ("year_to_date", same(&one.year_to_date, &other.year_to_date)),
    ];
    fields.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}

fn step(step: Step) -> model::Step {
    match step {
        Step::Month => model::Step::Month,
        Step::Quarter => model::Step::Quarter,
        Step::Half => model::Step::Half,
        Step::NineMonths => model::Step::NineMonths,
        Step::Year => model::Step::Year,
        Step::Span(months) => model::Step::Span(i32::from(months)),
    }
}

/// Two widths of spans for the points of a unit and measure: from one month to two years.
fn spans(pairs: usize) -> [Step; 2] {
    let months = |of: usize| Step::Span(u16::try_from(1 + of % 24).unwrap_or(1));
    [months(pairs / 7), months(pairs / 7 * 5 + 11)]
}

/// All measures of a world: indicators with each set of members that has figures, and kpis with
/// each member of their open dimension.
fn asked(world: &World, engine: &Engine) -> Vec<Measure> {
    let mut found: Vec<Measure> = engine
        .measures
        .iter()
        .flat_map(|(_, measure)| {
            measure
                .members
                .subsets()
                .into_iter()
                .map(|members| Measure { code: measure.code.clone(), members })
        })
        .filter(|measure| engine.catalogue.measure_faults(measure).is_empty())
        .collect();
    for kpi in &world.kpis {
        found.push(Measure { code: kpi.code.clone(), members: Members::none() });
        for (dimension, members) in &engine.catalogue.kpi(&kpi.code).expect("declared").dimensions {
            found.extend(members.iter().map(|member| Measure {
                code: kpi.code.clone(),
                members: Members::none().with(dimension, member),
            }));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Numbers of compared points.
#[derive(Clone, Copy, Default)]
struct Counted {
    points: usize,
    /// With a value from before the unit began.
    past: usize,
    /// With a change of the year to date.
    to_date: usize,
    /// With a value over the last months.
    rolling: usize,
    /// Spans with a change from the year before.
    spans: usize,
}

/// Compares the points of a world for every `stride`-th pair of unit and measure.
fn compare(world: &World, seed: u64, stride: usize, counted: &mut Counted) -> Result<(), String> {
    let engine = engine(world);
    let view = CubeView { measures: &engine.measures, cube: &engine.cube, overlay: None };
    let geography = world
        .today
        .map_or(Geography::AsReported, |today| Geography::Current(month(today).last_day()));
    let mut kept = RollUps::default();
    kept.extend_to(engine.measures.len());
    let source =
        ValueSource::new(&engine.units, view).with_geography(geography).with_roll_ups(&kept);
    let mut pairs = usize::try_from(seed).unwrap_or(0);
    for measure in asked(world, &engine) {
        let program = Program::of_measure(&engine.catalogue, &view, &measure).expect("declared");
        let members: model::Members =
            measure.members.iter().map(|(d, m)| (d.to_owned(), m.to_owned())).collect();
        for unit in &world.units {
            pairs += 1;
            if !pairs.is_multiple_of(stride) {
                continue;
            }
            for width in Step::ALL.into_iter().chain(spans(pairs)) {
                let is_span = matches!(width, Step::Span(_));
                let from = Period::containing(width, month(model::FIRST));
                let to = Period::containing(width, month(model::LAST)).next();
                let series = |from, to| {
                    let unit = engine.units.position(&unit.code).expect("known");
                    let series = MeasureSeries::new(source, &program, unit, from, to);
                    match pairs % 3 {
                        0 => series.with_years_to_date(from, to),
                        1 => series.with_compared_periods(from, to),
                        _ => series,
                    }
                };
                let all = (!is_span).then(|| series(from, to));
                let mut period = from;
                while period <= to {
                    // The comparisons on request cost the model as much as all others.
                    let on_request = match (counted.points + counted.past) % 9 {
                        0 => Some(3),
                        3 => Some(6),
                        6 => Some(12),
                        _ => None,
                    };
                    let of_span = is_span.then(|| series(period, period));
                    let series = of_span.as_ref().or(all.as_ref()).expect("one of them");
                    let ours = series.point(period);
                    let theirs = world.point(
                        &measure.code,
                        &members,
                        &unit.code,
                        step(width),
                        period.first().number(),
                        on_request,
                    );
                    let fields = differences(&ours, &series.compute(period), &theirs, on_request);
                    counted.to_date += usize::from(theirs.year_to_date_delta.is_ok());
                    counted.rolling += usize::from(theirs.rolling.is_ok());
                    counted.spans += usize::from(is_span && theirs.year_delta.is_ok());
                    if !fields.is_empty() {
                        let mut text = format!(
                            "seed {seed}, {measure} of {} in {period}: {fields:?}\n engine \
                             {ours:?}\n model  {theirs:?}\n",
                            unit.code
                        );
                        if let Some(kpi) = world.kpis.iter().find(|kpi| kpi.code == measure.code) {
                            writeln!(text, " formula {}", kpi.formula.text())
                                .expect("a string accepts text");
                        }
                        if let Some(today) = world.today {
                            writeln!(text, " in the units of {}", month(today))
                                .expect("a string accepts text");
                        }
                        return Err(text);
                    }
                    counted.points += 1;
                    counted.past += usize::from(
                        ours.value.is_some()
                            && unit.exists_from.is_some_and(|from| period.last().number() < from),
                    );
                    // Spans begin in any month.
                    period = if is_span {
                        Period::containing(width, period.first().plus(5))
                    } else {
                        period.next()
                    };
                }
            }
        }
    }
    Ok(())
}

/// Compares at least `least` worlds, or as many as the environment names. `None` for fewer: their
/// points say nothing about all worlds.
fn compare_worlds(world: fn(u64) -> World, least: u64, stride: usize) -> Option<Counted> {
    let (first, worlds) =
        (case::setting("EGOV_KPI_MODEL_SEED", 1), case::setting("EGOV_KPI_MODEL_WORLDS", least));
    let (mut counted, mut seeds, mut faults) = (Counted::default(), Vec::new(), Vec::new());
    for seed in first..first + worlds {
        if let Err(fault) = compare(&world(seed), seed, stride, &mut counted) {
            seeds.push(seed);
            faults.push(fault);
        }
    }
    let shown = usize::try_from(case::setting("EGOV_KPI_MODEL_SHOWN", 4)).unwrap_or(usize::MAX);
    faults.truncate(shown);
    assert!(
        seeds.is_empty(),
        "{} of {worlds} worlds differ, with the seeds {seeds:?}; the first:\n{}",
        seeds.len(),
        faults.concat()
    );
    let Counted { points, past, to_date, rolling, spans } = counted;
    println!(
        "{points} points of {worlds} worlds compared, {past} of them with a value from before the \
         unit began, {to_date} with a change of the year to date, {rolling} with a value over the \
         last months, {spans} spans with a change from the year before"
    );
    if worlds < least {
        return None;
    }
    assert!(points > 5_000, "only {points} points were compared");
    assert!(to_date > 30, "only {to_date} points have a change of the year to date");
    assert!(rolling > 100, "only {rolling} points have a value over the last months");
    assert!(spans > 50, "only {spans} spans have a change from the year before");
    Some(counted)
}

#[test]
fn the_engine_agrees_with_the_independent_model_on_random_worlds() {
    let counted = compare_worlds(model::random_world, 10, 7);
    let past = counted.map_or(0, |counted| counted.past);
    assert_eq!(past, 0, "as reported a unit has no values before it begins");
}

#[test]
fn the_engine_agrees_with_the_independent_model_in_the_units_of_today() {
    if let Some(Counted { past, .. }) = compare_worlds(model::random_world_of_today, 12, 11) {
        assert!(past > 1_000, "only {past} points have a value from before the unit began");
    }
}
