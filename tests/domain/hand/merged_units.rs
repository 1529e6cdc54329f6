//! Values in the units of today.

use chrono::NaiveDate;
use kpi::geography::Geography;

use super::{MERGE, case};
use crate::case::Case;

// docs/specification.md#merged-units

/// A case with values in the units of a day.
fn in_units_of(day: &str, units: &str, figures: &str) -> Case {
    let mut case = case(units, figures);
    case.geography = Geography::Current(day.parse::<NaiveDate>().unwrap());
    case
}

/// A case with values in the units of a day long after its figures.
fn of_today(units: &str, figures: &str) -> Case {
    in_units_of("2026-01-15", units, figures)
}

/// Two communes merge into one.
const PAIR: &str = "a - ..2021-01 ab; b - ..2021-01 ab; ab - 2021-02..";
/// Three generations: `a` and `b` become `ab`, `ab` and `c` become `abc`.
const CHAIN: &str = "a - ..2021-01 ab; b - ..2021-01 ab; ab - 2021-02..2021-02 abc; c - ..2021-02 \
                     abc; abc - 2021-03..";

#[test]
fn a_unit_of_today_sums_its_predecessors_before_it_began_without_a_break() {
    let case =
        of_today(MERGE, "f a 2021-01 10; f b 2021-01 20; f c 2021-01 40 50; f ab 2021-02 33");
    case.is("f ab 2021-01", "value=30 coverage=1 origin=rolled_up"); // 10 + 20
    case.is(
        "f ab 2021-02",
        "value=33 origin=stated delta=3 percent=10 like=3 like_percent=10 like_coverage=1",
    ); // 33 - 30; 3 / 30
    case.is("f p 2021-02", "value=83 delta=13"); // (33 + 50) - (10 + 20 + 40), the same as reported
}

#[test]
fn as_reported_a_unit_has_no_value_in_months_in_which_it_does_not_exist() {
    let case = case(MERGE, "f a 2021-01 10; f b 2021-01 20; f ab 2021-02 33");
    case.is("f ab 2021-01", "value=- coverage=0 delta=missing");
    case.is("f ab 2021-02", "value=33 delta=definition_changed");
    case.is("f a 2021-02", "value=- delta=missing ytd=missing");
}

#[test]
fn the_coverage_of_a_past_is_taken_over_the_predecessors_leaves() {
    let units = "d - ..2021-01 n; a d ..2021-01 x; b d ..2021-01 x; e - ..2021-01 n; n - \
                 2021-02..; x n 2021-02..";
    let case = of_today(units, "f a 2021-01 10; f e 2021-01 5");
    // 10 of a, none of b, 5 of e: 2 of 3 leaves
    case.is("f n 2021-01", "value=15 coverage=0.666667");
    case.is("f x 2021-01", "value=10 coverage=0.5"); // only a
    case.is("f n 2020-12", "value=- coverage=0 origin=-"); // missing is not zero
    let above = of_today(units, "f d 2021-01 50; f a 2021-01 10; f e 2021-01 5");
    above.is("f n 2021-01", "value=55 coverage=1"); // stated above a and b: 50 + 5
}

#[test]
fn the_past_of_a_rate_is_the_ratio_of_the_predecessors_sums_and_not_the_mean_of_their_rates() {
    let case = of_today(
        PAIR,
        "f a 2021-01 1; g a 2021-01 2; f b 2021-01 30; g b 2021-01 40; f ab 2021-02 20; g ab \
         2021-02 40",
    );
    // 31 / 42, and not (50 + 75) / 2 = 62.5
    case.is("rate ab 2021-01", "value=73.809524 coverage=1 origin=computed");
    // 50 - 73.809524 points
    case.is("rate ab 2021-02", "value=50 delta=-23.809524 percent=not_applicable");
    // (31 + 20) / (42 + 40); (1 + 1 + 0) / 3
    case.is("rate ab 2021-Q1", "value=62.195122 coverage=0.666667");
}

#[test]
fn an_incomplete_past_rate_uses_predecessors_with_all_operands() {
    let case = of_today(
        PAIR,
        "f a 2021-01 1; g a 2021-01 4; f b 2021-01 50; f ab 2021-02 2; g ab 2021-02 4",
    );
    case.is("rate ab 2021-01", "value=25 coverage=0.5 origin=computed"); // a alone: 1 / 4
    // Ab includes b, which was not covered
    case.is("rate ab 2021-02", "value=50 delta=coverage_changed like=coverage_changed");
    case.is("filled ab 2021-01", "value=5 coverage=0.5"); // (1 ?? 0) + 4 of a; b has no g
}

#[test]
fn averages_have_no_past_before_the_unit_and_weigh_the_predecessors_leaves_inside_a_sum() {
    let case = of_today(
        PAIR,
        "m a 2021-01 20; m b 2021-01 6.5; s a 2021-01 2; s b 2021-01 6; m ab 2021-02 9",
    );
    case.is("m ab 2021-01", "value=- coverage=0 delta=missing");
    case.is("m ab 2021-02", "value=9 delta=no_prior");
    // (20 x 2 + 6.5 x 6) / (2 + 6) = 79 / 8
    case.is("weighted ab 2021-01", "value=9.875 coverage=1");
}

#[test]
fn three_generations_of_a_flow_are_added_up() {
    let case = of_today(
        CHAIN,
        "f a 2021-01 1; f b 2021-01 2; f c 2021-01 4 5; f ab 2021-02 8; f abc 2021-03 20",
    );
    case.is("f abc 2021-01", "value=7 coverage=1 origin=rolled_up delta=no_prior"); // 1 + 2 + 4
    case.is("f abc 2021-02", "value=13 coverage=1 delta=6 ytd=20"); // 8 + 5; 13 - 7; 7 + 13
    case.is("f abc 2021-03", "value=20 origin=stated delta=7 ytd=40"); // 20 - 13; 7 + 13 + 20
    case.is("f abc 2021-Q1", "value=40 coverage=1 origin=rolled_up");
    case.is("f ab 2021-01", "value=- delta=definition_changed"); // ab does not exist today
    let between = in_units_of("2021-02-10", CHAIN, "f a 2021-01 1; f b 2021-01 2; f ab 2021-02 8");
    between.is("f ab 2021-01", "value=3"); // 1 + 2: in February ab existed
    between.is("f ab 2021-02", "value=8 delta=5"); // 8 - 3
}

#[test]
fn a_rate_over_three_generations_uses_units_with_all_operands() {
    let case = of_today(
        CHAIN,
        "f a 2021-01 1;  g a 2021-01 4;  f b 2021-01 50; f c 2021-01 7; g c 2021-01 14 10
         f ab 2021-02 3; g ab 2021-02 6; f abc 2021-03 9; g abc 2021-03 12",
    );
    // A and c: (1 + 7) / (4 + 14) = 8 / 18
    case.is("rate abc 2021-01", "value=44.444444 coverage=0.666667");
    // Ab alone: 3 / 6, c has no f
    case.is("rate abc 2021-02", "value=50 coverage=0.5 delta=coverage_changed");
    // Only a of ab was covered then, and c is not covered now
    case.is("rate abc 2021-02", "like=coverage_changed");
    case.is("rate abc 2021-03", "value=75 coverage=1 delta=coverage_changed"); // 9 / 12
    // (8 + 3 + 9) / (18 + 6 + 12) = 20 / 36; (2/3 + 1/2 + 1) / 3
    case.is("rate abc 2021-Q1", "value=55.555556 coverage=0.722222");
}

#[test]
fn a_stock_is_taken_from_the_predecessors_in_quarters_before_the_boundary() {
    let case = of_today(PAIR, "s a 2020-11 10 11 12; s b 2020-11 20 22 23; s ab 2021-02 40 41");
    case.is("s ab 2020-Q4", "value=33 taken=2020-12 coverage=1 origin=rolled_up"); // 11 + 22
    case.is(
        "s ab 2021-Q1",
        "value=41 taken=2021-03 delta=8 percent=24.242424 like=8 ytd=not_applicable",
    ); // 41 - 33; 8 / 33
    case.is("growth ab 2021-02", "value=5"); // 40 - (12 + 23)
    case.is("growth ab 2021-01", "value=2"); // (12 + 23) - (11 + 22)
    case.is("growth ab 2021-Q1", "value=8"); // 41 - (11 + 22) at the end of the quarter before
}

#[test]
fn a_year_delta_and_a_year_to_date_reach_over_the_boundary() {
    let case = of_today(
        PAIR,
        "f a 2020-02 10; f b 2020-02 20; f a 2021-01 4; f b 2021-01 5; f ab 2021-02 33",
    );
    case.is("f ab 2021-02", "value=33 year=3 year_percent=10"); // 33 - (10 + 20)
    case.is("f ab 2021-02", "ytd=42 delta=24"); // (4 + 5) + 33; 33 - 9
    // March is missing; January 2020 is missing
    case.is("f ab 2021-Q1", "value=42 ytd=missing year=coverage_changed");
}

#[test]
fn like_for_like_over_the_boundary_excludes_successors_of_a_missing_predecessor() {
    let units = "p - ..2021-01 q; a p ..2021-01 ab; b p ..2021-01 ab; c p ..2021-01 c2; q - \
                 2021-02..; ab q 2021-02..; c2 q 2021-02..";
    let case = of_today(units, "f a 2021-01 10; f c 2021-01 40; f ab 2021-02 33; f c2 2021-02 50");
    case.is("f q 2021-01", "value=50 coverage=0.666667"); // 10 + 40 of a, b, c
    // b is missing. Over c, which became c2: 50 - 40 = 10, 10 / 40, one of two leaves.
    case.is(
        "f q 2021-02",
        "value=83 delta=coverage_changed like=10 like_percent=25 like_coverage=0.5",
    );
    let whole = of_today(
        units,
        "f a 2021-01 10; f b 2021-01 20; f c 2021-01 40; f ab 2021-02 33; f c2 2021-02 50",
    );
    whole.is("f q 2021-02", "delta=13 like=13 like_coverage=1"); // 83 - 70
}

#[test]
fn a_unit_that_exists_in_the_month_uses_its_own_value_even_if_its_children_have_merged_since() {
    let case = of_today(
        "p; a p ..2021-01 ab; b p ..2021-01 ab; ab p 2021-02..",
        "f p 2020-12 99; f a 2020-12 10 10; f b 2020-12 20 20; f ab 2021-02 33; g a 2021-01 4",
    );
    case.is("f p 2020-12", "value=99 origin=stated"); // not the 30 of its communes
    // 10 + 20; the own figure of p does not matter
    case.is("f ab 2020-12", "value=30 origin=rolled_up");
    case.is("f p 2021-01", "value=30 origin=rolled_up coverage=1"); // 10 + 20
    case.is("f p 2021-02", "value=33 delta=3"); // 33 - 30
    // (10 ?? 0) + 4 of a; ab, a later child, does not count a again
    case.is("filled p 2021-01", "value=14 coverage=0.5");
}

#[test]
fn a_unit_that_still_exists_keeps_its_own_past() {
    let stays = of_today("p; a p ..2021-01 b; b p", "f a 2021-01 10; f b 2021-01 20 33");
    stays.is("f b 2021-01", "value=20 coverage=1"); // the own value, without the 10 of a
    stays.is("f p 2021-01", "value=30");
    // B includes a now and did not before
    stays.is("f b 2021-02", "value=33 delta=coverage_changed");
}

#[test]
fn a_unit_that_no_longer_exists_gives_null_and_definition_changed() {
    let case = of_today(PAIR, "f a 2021-01 10; g a 2021-01 20; s a 2021-01 5; m a 2021-01 7");
    case.is(
        "f a 2021-01",
        "value=- coverage=0 origin=- delta=definition_changed \
         percent=definition_changed like=definition_changed",
    );
    case.is(
        "f a 2021-01",
        "like_percent=definition_changed like_coverage=- \
         year=definition_changed year_percent=definition_changed \
         ytd=definition_changed",
    );
    case.is("f a 2021-Q1", "value=- delta=definition_changed ytd=definition_changed");
    case.is("f a 2021-02", "value=- delta=definition_changed");
    case.is(
        "rate a 2021-01",
        "value=- delta=definition_changed percent=not_applicable ytd=definition_changed",
    );
    case.is("s a 2021-01", "value=- delta=definition_changed ytd=not_applicable");
    case.is("m a 2021-01", "value=- delta=definition_changed like=not_applicable");
    case.is("f a 2021-9M", "delta=not_applicable year=definition_changed");
    let then = in_units_of("2021-01-31", PAIR, "f a 2021-01 10; f ab 2021-02 33");
    then.is("f a 2021-01", "value=10"); // on its last day a exists,
    then.is("f ab 2021-02", "value=- delta=definition_changed"); // and its successor does not yet
}

#[test]
fn a_predecessor_below_another_one_does_not_count_again() {
    let case = of_today(
        "p - ..2021-01 q; d p ..2021-01 q; e p ..2021-01; q - 2021-02..",
        "f d 2021-01 10; f e 2021-01 5; f p 2020-12 50; f d 2020-12 10",
    );
    case.is("f q 2021-01", "value=15 coverage=1"); // p with d and e below it: 10 + 5, not 25
    case.is("f q 2020-12", "value=50"); // stated for p
}

#[test]
fn the_past_of_a_unit_that_was_split_is_null_unless_shares_are_declared() {
    let case = of_today(
        "a - ..2021-01 a1 a2; a1 - 2021-02..; a2 - 2021-02..",
        "f a 2020-02 9; f a 2021-01 10; f a1 2021-02 4 5; f a2 2021-02 7",
    );
    case.is("f a1 2021-01", "value=- coverage=0 origin=- delta=missing");
    case.is(
        "f a1 2021-02",
        "value=4 delta=definition_changed like=definition_changed \
         year=definition_changed ytd=missing",
    );
    case.is("f a1 2021-03", "delta=1 year=definition_changed"); // 5 - 4
    let together = of_today(
        "a - ..2021-01 a1 a2; a1 - 2021-02..2021-02 z; a2 - 2021-02..2021-02 z; z - 2021-03..",
        "f a 2021-01 10; f a1 2021-02 4; f a2 2021-02 7",
    );
    together.is("f z 2021-01", "value=10 coverage=1"); // all successors of a lead to z
    together.is("f z 2021-02", "value=11 delta=1"); // 4 + 7; 11 - 10
    let lost =
        of_today("a - ..2021-01 a1 a2; a1 - 2021-02..; a2 - 2021-02..2021-02", "f a 2021-01 10");
    lost.is("f a1 2021-01", "value=-"); // a2 ended without a successor, and no shares are declared
}

#[test]
fn a_split_with_shares_gives_each_part_its_share_of_the_past() {
    let units =
        "x - ..2020-12 a; a - 2021-01..2021-01 a1:0.6 a2:0.4; a1 - 2021-02..; a2 - 2021-02..";
    let case = of_today(
        units,
        "f x 2020-12 20; f a 2021-01 10; f a1 2021-02 9; f a2 2021-02 3; g a 2021-01 40; g a1 \
         2021-02 20",
    );
    case.is("f a1 2020-12", "value=12"); // a continues x whole: 20 x 0.6
    case.is("f a1 2021-01", "value=6 coverage=1 origin=rolled_up delta=-6"); // 10 x 0.6; 6 - 12
    case.is("f a2 2021-01", "value=4"); // 10 x 0.4
    // 9 - 6; 6 + 9
    case.is("f a1 2021-02", "value=9 delta=3 percent=50 like=3 like_coverage=1 ytd=15");
    case.is("f a2 2021-02", "value=3 delta=-1 percent=-25"); // 3 - 4
    case.is("rate a1 2021-01", "value=25"); // 6 / 24, the rate of a
    case.is("rate a1 2021-02", "value=45 delta=20"); // 9 / 20; 45 - 25 points
    let again = of_today(
        &units.replace(
            "a2 - 2021-02..",
            "a2 - 2021-02..2021-02 a3:0.25 a4:0.75; a3 - 2021-03..; a4 - 2021-03..",
        ),
        "f a 2021-01 10; f a2 2021-02 8",
    );
    again.is("f a3 2021-01", "value=1"); // 10 x 0.4 x 0.25
    again.is("f a3 2021-02", "value=2 delta=1"); // 8 x 0.25; 2 - 1
}

#[test]
fn other_shares_of_a_split_are_excluded_from_the_comparison() {
    let units = "d - ..2021-01 d1:0.25 d2:0.75; a d ..2021-01 a1; b d ..2021-01 b1; d1 - \
                 2021-02..; a1 d1 2021-02..; d2 - 2021-02..; b1 d2 2021-02..";
    let case = of_today(units, "f a 2021-01 8; f b 2021-01 12; f a1 2021-02 7; f b1 2021-02 13");
    case.is("f d1 2021-01", "value=5 coverage=1"); // (8 + 12) x 0.25
    case.is("f d1 2021-02", "value=7 delta=2 like=2"); // 7 - 5, although b became b1 below d2
    case.is("f d2 2021-02", "value=13 delta=-2"); // 13 - 20 x 0.75
    case.is("f a1 2021-01", "value=8"); // a1 continues a whole
    case.is("f a1 2021-02", "delta=-1"); // 7 - 8
}

#[test]
fn prev_crosses_the_boundary_for_the_units_below_too() {
    let units = "u - ..2021-01 v w; x u ..2021-01 y; v - 2021-02..; w - 2021-02..; y v 2021-02..";
    let unknown = of_today(units, "s x 2021-01 10; s y 2021-02 12");
    unknown.is("s v 2021-01", "value=- coverage=0"); // no shares of u are declared
    unknown.is("growth v 2021-02", "value=2 coverage=1"); // but y below v continues x: 12 - 10
    unknown.is("former w 2021-02", "value=-");
    // (missing ?? 0) + 5
    of_today(units, "s w 2021-02 5").is("former w 2021-02", "value=5 coverage=1");
    let units = "d - ..2021-01 d1:0.25 d2:0.75; a d ..2021-01 a1:0.6 a2:0.4; b d ..2021-01 b1
                 ; d1 - 2021-02..; a1 d1 2021-02..; b1 d1 2021-02..; d2 - 2021-02..; a2 d2 \
                 2021-02..";
    let shared = of_today(units, "s a 2020-12 10 20; s b 2020-12 4 6; s a1 2021-02 15");
    shared.is("growth d1 2021-01", "value=3 coverage=1"); // (26 - 14) x 0.25
    // B1 is missing; a1: 15 - 20 x 0.6
    shared.is("growth d1 2021-02", "value=3 coverage=0.5 delta=coverage_changed");
    // Over a, without a2: 3 - (20 - 10) x 0.25
    shared.is("growth d1 2021-02", "like=0.5 like_coverage=0.5");
}
