//! Cases computed by hand, for the model itself.

use std::collections::BTreeMap;

use super::worlds::{some_indicators, some_kpis};
use super::*;

/// January 2021, from which the months of cases computed by hand are counted.
const JANUARY: Month = 2021 * 12;
/// A province `p` with the communes `a`, `b` and `c`.
const THREE: &str = "p; a p; b p; c p";
/// Indicators of the cases computed by hand.
const FLOW: &str = "test.flow.a";
const STOCK: &str = "test.stock.a";

/// Members from a text `channel=online,level=three`, with or without braces.
fn named(text: &str) -> Members {
    let pairs = text.trim_matches(['{', '}']).split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(dimension, member)| (dimension.to_owned(), member.to_owned())).collect()
}

/// A world for a case computed by hand. Units: `code parent from..to successors`; figures:
/// `measure unit month figure`, with further pairs `month figure`. Months count from January 2021.
fn case(units: &str, figures: &str) -> World {
    let month = |text: &str| text.parse().ok().map(|month: Month| JANUARY + month);
    let mut world = World {
        units: vec![],
        indicators: some_indicators(),
        kpis: some_kpis(),
        figures: BTreeMap::new(),
        not_applicable: BTreeMap::new(),
        today: None,
    };
    for line in units.split(';') {
        let mut words = line.split_whitespace();
        let code = words.next().expect("a code").to_owned();
        let parent = words.next().filter(|parent| *parent != "-").map(str::to_owned);
        let (from, to) = words.next().and_then(|range| range.split_once("..")).unwrap_or_default();
        let successors = words.map(str::to_owned).collect();
        world.units.push(Unit {
            code,
            parent,
            exists_from: month(from),
            exists_to: month(to),
            successors,
            shares: BTreeMap::new(),
        });
    }
    for line in figures.split(';') {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (measure, members) = words[0].split_at(words[0].find('{').unwrap_or(words[0].len()));
        for pair in words[2..].chunks(2) {
            let key = (
                measure.to_owned(),
                named(members),
                words[1].to_owned(),
                month(pair[0]).expect("a month"),
            );
            if pair[1] == "n/a" {
                world.put_not_applicable(key);
            } else {
                world.figures.insert(key, pair[1].parse().expect("a figure"));
            }
        }
    }
    world
}

/// A point of a measure without members.
fn at(world: &World, measure: &str, unit: &str, step: Step, month: Month) -> Point {
    world.point(measure, &Members::new(), unit, step, JANUARY + month, None)
}

/// A partly covered sum, its missing change, and its like-for-like change.
#[test]
fn a_leaders_dashboard_in_the_middle_of_reporting() {
    let figures = "test.flow.a a -1 10 0 12; test.flow.a b -1 20 0 27; test.flow.a c -1 30";
    let world = case(THREE, figures);
    let point = at(&world, FLOW, "p", Step::Month, 0);
    assert_eq!((point.value, point.coverage), (Some(39.0), Some(2.0 / 3.0)));
    assert_eq!((point.origin, point.taken_from), (Some(Origin::RolledUp), None));
    assert_eq!(point.delta, Err(Reason::CoverageChanged));
    assert_eq!(point.delta_percent, Err(Reason::CoverageChanged));
    assert_eq!(point.like_for_like_delta, Ok(9.0));
    assert_eq!(point.like_for_like_percent, Ok(30.0));
    assert_eq!(point.like_for_like_coverage, Some(2.0 / 3.0));
    assert_eq!(point.year_delta, Err(Reason::NoPrior));
    assert_eq!(point.year_delta_percent, Err(Reason::NoPrior));
    assert_eq!(point.year_to_date, Ok(39.0));
    let missing = at(&world, FLOW, "c", Step::Month, 0);
    assert_eq!((missing.value, missing.coverage), (None, Some(0.0)));
    assert_eq!(missing.delta, Err(Reason::Missing));
    // The quarter: 39, with the mean of 2/3, 0 and 0. No month has a value in both quarters at the
    // same place.
    let quarter = at(&world, FLOW, "p", Step::Quarter, 0);
    assert_eq!((quarter.value, quarter.coverage), (Some(39.0), Some(2.0 / 9.0)));
    assert_eq!(quarter.delta, Err(Reason::CoverageChanged));
    assert_eq!(quarter.like_for_like_delta, Err(Reason::CoverageChanged));
}

/// Members that add up, members that do not, and a total that contradicts them.
#[test]
fn own_values_of_dimensions() {
    let world = case(
        THREE,
        "test.flow.split{channel=online,level=three} a 0 3; \
         test.flow.split{channel=online,level=four} a 0 4; \
         test.flow.split{channel=in_person} a 0 5; \
         test.flow.split{channel=online,level=three} b 0 3; test.flow.split b 0 100; \
         test.flow.split{channel=online,level=three} c 0 6; \
         test.flow.split{level=three} c 0 7; test.flow.split{level=four} c 0 8; \
         test.flow.subset{holder=individual,token=usb} a 0 1; \
         test.flow.subset{holder=individual,token=sim} a 0 2; \
         test.flow.subset{holder=organisation} a 0 9",
    );
    let value = |measure: &str, members: &str, unit: &str| {
        let point = world.point(measure, &named(members), unit, Step::Month, JANUARY, None);
        (point.value, point.origin)
    };
    let (stated, summed) = (Some(Origin::Stated), Some(Origin::Summed));
    let (rolled_up, computed) = (Some(Origin::RolledUp), Some(Origin::Computed));
    assert_eq!(value("test.flow.split", "", "a"), (Some(12.0), summed));
    assert_eq!(value("test.flow.split", "level=three", "a"), (None, None));
    assert_eq!(value("test.flow.split", "", "b"), (Some(100.0), stated));
    assert_eq!(value("test.flow.split", "", "c"), (Some(15.0), summed));
    assert_eq!(value("test.flow.split", "", "p"), (Some(127.0), rolled_up));
    assert_eq!(value("test.flow.subset", "holder=individual", "a"), (Some(3.0), summed));
    assert_eq!(value("test.flow.subset", "", "a"), (None, None));
    // The kpi takes the level of the query: a has no in-person figure of level three.
    assert_eq!(value("test.kpi.online", "", "a"), (Some(700.0 / 12.0), computed));
    assert_eq!(value("test.kpi.online", "level=three", "c"), (Some(600.0 / 7.0), computed));
    assert_eq!(value("test.kpi.online", "level=three", "p"), (Some(600.0 / 7.0), computed));
}

/// A rate is the ratio of sums over the units at which all operands are available; operands with
/// `??` are not required.
#[test]
fn kpis_take_operands_together() {
    let figures =
        "test.flow.a a 0 1 1 3; test.flow.b a 0 4 1 0; test.flow.a b 0 50; test.flow.b c 0 16";
    let world = case(THREE, figures);
    let rate = at(&world, "test.kpi.rate", "p", Step::Month, 0);
    assert_eq!((rate.value, rate.coverage), (Some(25.0), Some(1.0 / 3.0)));
    // (1 ?? 0) + 4 at a, (missing ?? 0) + 16 at c, nothing at b, where the operand is missing.
    let filled = at(&world, "test.kpi.filled", "p", Step::Month, 0);
    assert_eq!((filled.value, filled.coverage), (Some(21.0), Some(2.0 / 3.0)));
    // February divides by zero; the quarter does not: (1 + 3) / (4 + 0).
    let february = at(&world, "test.kpi.rate", "a", Step::Month, 1);
    assert_eq!((february.value, february.coverage, february.origin), (None, Some(1.0), None));
    assert_eq!(february.delta, Err(Reason::Missing));
    assert_eq!(february.delta_percent, Err(Reason::NotApplicable));
    assert_eq!(february.year_to_date, Ok(100.0));
    let quarter = at(&world, "test.kpi.rate", "a", Step::Quarter, 0);
    assert_eq!((quarter.value, quarter.coverage), (Some(100.0), Some(2.0 / 3.0)));
    // Stated only at the province, with the other operand missing everywhere, so its alternative is
    // taken at the province.
    let above = case(THREE, "test.flow.b p 0 8");
    assert_eq!(at(&above, "test.kpi.filled", "p", Step::Month, 0).value, Some(8.0));
}

/// Stocks over wider periods, `prev()`, and averages weighted at the leaves.
#[test]
fn levels_over_wider_periods() {
    let world = case(
        "p; a p; b p",
        "test.stock.a a -1 10 1 11; test.stock.a b -1 20 1 29; \
         test.average a 1 5; test.average b 1 1; test.average p 1 3",
    );
    let quarter = at(&world, STOCK, "p", Step::Quarter, 0);
    assert_eq!((quarter.value, quarter.coverage), (Some(40.0), Some(1.0)));
    assert_eq!(quarter.taken_from, Some(JANUARY + 1));
    // December is the third month of its quarter, February the second of its own.
    assert_eq!(quarter.delta, Err(Reason::CoverageChanged));
    assert_eq!(quarter.year_to_date, Err(Reason::NotApplicable));
    // 40 - 30: prev() of a stock is December, the end of the quarter before. For February the month
    // before, January, is missing.
    assert_eq!(at(&world, "test.kpi.growth", "p", Step::Quarter, 0).value, Some(10.0));
    assert_eq!(at(&world, "test.kpi.growth", "p", Step::Month, 1).value, None);
    // (11 * 5 + 29 * 1) / 40 = 84 / 40.
    assert_eq!(at(&world, "test.kpi.weighted", "p", Step::Month, 1).value, Some(2.1));
    let average = at(&world, "test.average", "p", Step::Month, 1);
    assert_eq!((average.value, average.coverage), (Some(3.0), Some(1.0)));
    assert_eq!(average.like_for_like_delta, Err(Reason::NotApplicable));
    assert_eq!(at(&world, "test.average", "p", Step::Quarter, 0).value, None);
    let nine = at(&world, STOCK, "p", Step::NineMonths, 0);
    assert_eq!((nine.value, nine.delta), (Some(40.0), Err(Reason::NotApplicable)));
    assert_eq!(nine.year_delta, Err(Reason::NoPrior));
}

/// Merged units are comparable when all predecessors were covered, and dropped when one was not.
#[test]
fn predecessors_count_as_their_successors() {
    let units = "p; a p ..-1 ab; b p ..-1 ab; ab p 0..; c p";
    let all =
        "test.flow.a a -1 10; test.flow.a b -1 20; test.flow.a c -1 40 0 50; test.flow.a ab 0 33";
    let changes = |units: &str, figures: &str| {
        let point = at(&case(units, figures), FLOW, "p", Step::Month, 0);
        (point.delta, point.like_for_like_delta, point.like_for_like_coverage)
    };
    assert_eq!(changes(units, all), (Ok(13.0), Ok(13.0), Some(1.0)));
    let new = at(&case(units, all), FLOW, "ab", Step::Month, 0);
    assert_eq!((new.delta, new.year_to_date), (Err(Reason::DefinitionChanged), Ok(33.0)));
    // b did not report in December. So ab cannot be compared, only c, which is one of two leaves.
    let apart = (Err(Reason::CoverageChanged), Ok(10.0), Some(0.5));
    assert_eq!(changes(units, &all.replace("test.flow.a b -1 20;", "")), apart);
    // Predecessors of two parents: the figure of b was not part of p.
    assert_eq!(changes(&units.replace("b p ..-1", "b - ..-1"), all), apart);
    // c has ended without a successor: only ab.
    let closed = (Err(Reason::CoverageChanged), Ok(3.0), Some(1.0));
    assert_eq!(changes(&units.replace("c p", "c p ..-1"), &all.replace(" 0 50", "")), closed);
}

/// Successors are followed transitively; a split unit is continued by all its successors.
#[test]
fn chains_of_merges_and_splits() {
    let units = "p; a p ..-1 ab; b p ..-1 ab; ab p 0..5 abc; c p ..5 abc; abc p 6..; \
                 d p ..3 e f; e p 4..; f p 4..";
    let figures = "test.stock.a a -1 10; test.stock.a b -1 20; test.stock.a c -1 40; test.stock.a \
                   d -1 5; test.stock.a abc 11 100; test.stock.a e 11 3; test.stock.a f 11 4";
    let mut world = case(units, figures);
    let point = at(&world, STOCK, "p", Step::Month, 11);
    assert_eq!((point.value, point.year_delta), (Some(107.0), Ok(32.0)));
    let year = at(&world, STOCK, "p", Step::Year, 0);
    assert_eq!((year.delta, year.taken_from), (Ok(32.0), Some(JANUARY + 11)));
    // One half of the split unit has not reported, so like for like drops the other half too.
    world.figures.retain(|(_, _, unit, _), _| unit != "f");
    let year = at(&world, STOCK, "p", Step::Year, 0);
    assert_eq!((year.value, year.delta), (Some(103.0), Err(Reason::CoverageChanged)));
    assert_eq!(
        (year.like_for_like_delta, year.like_for_like_coverage),
        (Ok(30.0), Some(1.0 / 3.0))
    );
}

/// Figures stated above the leaves, breaks, zero denominators.
#[test]
fn reasons() {
    let figures = "test.flow.a a 0 0 1 5; test.flow.a b 0 7 1 8; test.flow.a c -1 0 0 4";
    let mut world = case("p; a p; b p; c p; d a; e a 1..", figures);
    // a is stated above d in January and above d and the new e in February, so it cannot be
    // restricted.
    let point = at(&world, FLOW, "p", Step::Month, 1);
    assert_eq!((point.value, point.coverage), (Some(13.0), Some(0.75)));
    assert_eq!(point.delta, Err(Reason::CoverageChanged));
    assert_eq!(point.like_for_like_delta, Err(Reason::StatedAbove));
    assert_eq!(point.like_for_like_coverage, None);
    let point = at(&world, FLOW, "c", Step::Month, 0);
    assert_eq!((point.delta, point.delta_percent), (Ok(4.0), Err(Reason::PriorZero)));
    assert_eq!(point.like_for_like_percent, Err(Reason::PriorZero));
    world.indicators[0].breaks = vec![JANUARY];
    assert_eq!(at(&world, FLOW, "c", Step::Month, 0).delta, Err(Reason::DefinitionChanged));
    assert_eq!(at(&world, FLOW, "b", Step::Month, 1).delta, Ok(1.0));
    assert_eq!(at(&world, FLOW, "c", Step::Half, 0).delta, Err(Reason::DefinitionChanged));
}

/// Like for like over a quarter pairs the months in the same place.
#[test]
fn like_for_like_over_a_quarter() {
    let world = case("p; a p; b p", "test.flow.a a -3 1 -2 4 0 5 1 6; test.flow.a b -3 2 1 7 2 9");
    let point = at(&world, FLOW, "p", Step::Quarter, 0);
    assert_eq!((point.value, point.coverage), (Some(27.0), Some(2.0 / 3.0)));
    assert_eq!(point.delta, Err(Reason::CoverageChanged));
    // (5 - 1) + (6 - 4), in percent of the earlier 1 + 4; the coverages are 1/2, 1/2 and 0.
    assert_eq!((point.like_for_like_delta, point.like_for_like_percent), (Ok(6.0), Ok(120.0)));
    assert_eq!(point.like_for_like_coverage, Some(1.0 / 3.0));
}

/// Every operator of formulas once.
#[test]
fn formulas() {
    let number = |number: f64| Box::new(Expr::Number(number));
    let kpi = |code: &str| some_kpis().into_iter().find(|kpi| kpi.code == code).unwrap().formula;
    let least = Expr::Min(vec![Expr::Neg(number(2.5)), *number(3.0)]);
    let formula = Expr::Add(Box::new(Expr::Mul(Box::new(least), number(4.0))), number(0.5));
    assert_eq!(apply(&formula, &|_| None).map(Exact::to_f64), Some(-9.5));
    assert_eq!(formula.text(), "((min((-2.5), 3) * 4) + 0.5)");
    assert_eq!(
        kpi("test.kpi.online").text(),
        "(test.flow.split{channel=online, level} / test.flow.split{level})"
    );
    assert_eq!(kpi("test.kpi.growth").text(), "(test.stock.a - prev(test.stock.a))");
}

/// Properties that hold for every point of random worlds, of as many as the engine is compared in.
#[test]
fn random_worlds_are_consistent() {
    let worlds = std::env::var("EGOV_KPI_MODEL_WORLDS").ok().and_then(|text| text.parse().ok());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..worlds.unwrap_or(8) {
        let world = random_world(seed);
        assert_eq!(world, random_world(seed));
        let codes =
            world.indicators.iter().map(|i| &i.code).chain(world.kpis.iter().map(|k| &k.code));
        for (measure, unit) in
            codes.flat_map(|code| world.units.iter().map(move |unit| (code, unit)))
        {
            for month in (FIRST..=LAST).step_by(5) {
                for step in [Step::Month, Step::Quarter, Step::Year] {
                    let start = match step {
                        Step::Year => month - month.rem_euclid(12),
                        Step::Quarter => month - month.rem_euclid(3),
                        _ => month,
                    };
                    let point =
                        world.point(measure, &Members::new(), &unit.code, step, start, None);
                    assert!(point.coverage.is_none_or(|coverage| (0.0..=1.0).contains(&coverage)));
                    assert_eq!(point.coverage.is_none(), point.not_applicable);
                    assert_eq!(point.value.is_some(), point.origin.is_some());
                    assert!(point.delta.is_err() || point.value.is_some());
                    if point.delta.is_ok() && measure != "test.average" {
                        assert_eq!(point.delta, point.like_for_like_delta);
                        assert_eq!(point.like_for_like_coverage, point.coverage);
                    }
                    let kind = |result: Result<f64, Reason>| {
                        result.map_or_else(|r| format!("{r:?}"), |_| "given".to_owned())
                    };
                    *seen.entry(format!("delta {}", kind(point.delta))).or_default() += 1;
                    *seen
                        .entry(format!("like for like {}", kind(point.like_for_like_delta)))
                        .or_default() += 1;
                }
            }
        }
    }
    for outcome in
        ["given", "Missing", "DefinitionChanged", "NoPrior", "CoverageChanged", "StatedAbove"]
    {
        assert!(seen.contains_key(&format!("like for like {outcome}")), "{outcome}: {seen:?}");
    }
}
