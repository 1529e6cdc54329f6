//! Changes, comparable periods and like for like.

use super::{DEEP, MERGE, ONE, THREE, TWO, case};

// docs/specification.md#changes

#[test]
fn a_delta_uses_the_calendar_period_before_even_when_it_is_missing() {
    let case = case(ONE, "f a 2020-12 10 15 - 20");
    case.is("f a 2021-01", "delta=5 percent=50"); // 15 - 10 across the year's end; 5 / 10
    case.is(
        "f a 2021-02",
        "value=- delta=missing percent=missing year=missing \
         year_percent=missing like=missing like_percent=missing \
         like_coverage=-",
    );
    // And not 20 - 15
    case.is("f a 2021-03", "delta=no_prior percent=no_prior like=no_prior like_percent=no_prior");
}

#[test]
fn quarters_halves_and_years_follow_each_other_across_the_years_end() {
    let case = case(
        ONE,
        "f a 2020-01 1 1 1 1 1 1 1 1 1 1 1 1
         f a 2021-01 2 2 2 2 2 2 2 2 2 2 2 2",
    );
    case.is("f a 2021-Q1", "value=6 delta=3 percent=100 year=3 year_percent=100"); // 6 - 3
    case.is("f a 2021-H1", "value=12 delta=6 percent=100 year=6"); // 12 - 6
    case.is("f a 2021-H2", "value=12 delta=0 percent=0 year=6"); // 12 - 12 of the first half
    case.is("f a 2021", "value=24 delta=12 percent=100 year=12 year_percent=100 ytd=24");
    case.is(
        "f a 2021-9M",
        "value=18 delta=not_applicable percent=not_applicable \
         like=not_applicable year=9 year_percent=100 ytd=18",
    );
}

#[test]
fn a_percent_change_is_taken_of_the_magnitude_and_never_of_zero() {
    let case = case(ONE, "f a 2021-01 0 5 0 0; n a 2021-01 -10 5 -20");
    case.is(
        "f a 2021-02",
        "delta=5 percent=prior_zero like=5 like_percent=prior_zero like_coverage=1",
    );
    case.is("f a 2021-03", "delta=-5 percent=-100"); // -5 / 5
    case.is("f a 2021-04", "delta=0 percent=prior_zero");
    case.is("n a 2021-02", "delta=15 percent=150"); // 15 / |-10|
    case.is("n a 2021-03", "delta=-25 percent=-500"); // -25 / 5
}

#[test]
fn percentages_change_by_percentage_points() {
    let case = case(ONE, "f a 2021-01 1 3; g a 2021-01 4 4; share a 2021-01 50.5 51");
    case.is(
        "rate a 2021-02",
        "value=75 delta=50 percent=not_applicable like=50 \
         like_percent=not_applicable year_percent=not_applicable",
    ); // 75 - 25
    // The same, but not a percentage: 0.5 / 0.25
    case.is("plain a 2021-02", "value=0.75 delta=0.5 percent=200");
    // An indicator given in percent
    case.is("share a 2021-02", "value=51 delta=0.5 percent=not_applicable");
}

#[test]
fn a_year_before_is_the_same_period() {
    let case = case(ONE, "f a 2020-02 10 20; f a 2021-02 15; s a 2020-03 8; s a 2021-03 6");
    case.is("f a 2021-02", "year=5 year_percent=50 delta=no_prior"); // 15 - 10
    case.is("f a 2021-03", "year=missing");
    case.is("s a 2021-03", "year=-2 year_percent=-25"); // 6 - 8
    case.is("s a 2021-Q1", "year=-2 year_percent=-25 taken=2021-03");
    // 15 of February compared with 30 of February and March
    case.is("f a 2021-Q1", "value=15 year=coverage_changed");
}

#[test]
fn year_to_date_needs_every_month_since_january() {
    let case = case(
        ONE,
        "f a 2021-01 1 2 3 4 5 6; g a 2021-01 2 2 2 2 2 2; s a 2021-01 1 1 1
         f a 2022-01 7 - 9; f a 2023-02 1",
    );
    case.is("f a 2021-01", "ytd=1");
    case.is("f a 2021-03", "ytd=6"); // 1 + 2 + 3
    case.is("f a 2021-Q2", "value=15 ytd=21"); // 1 + ... + 6
    case.is("f a 2022-01", "ytd=7"); // a new year begins
    case.is("f a 2022-03", "value=9 ytd=missing"); // February is missing
    case.is("f a 2022-02", "value=- ytd=missing");
    case.is("f a 2023-02", "value=1 ytd=missing"); // January is missing
    case.is("rate a 2021-02", "ytd=75"); // (1 + 2) / (2 + 2)
    case.is("s a 2021-02", "ytd=not_applicable");
    case.is("s a 2021-09", "value=- ytd=not_applicable"); // this reason comes before missing
    case.is("load a 2021-02", "value=2 ytd=not_applicable"); // a stock is an operand
}

#[test]
fn not_applicable_comes_before_missing() {
    let case = case(ONE, "");
    case.is(
        "rate a 2021-02",
        "delta=missing percent=not_applicable like=missing like_percent=not_applicable \
         year=missing year_percent=not_applicable ytd=missing",
    );
    case.is(
        "s a 2021-9M",
        "delta=not_applicable percent=not_applicable like=not_applicable \
         like_percent=not_applicable year=missing ytd=not_applicable",
    );
    case.is(
        "m a 2021-02",
        "delta=missing like=not_applicable like_percent=not_applicable ytd=not_applicable",
    );
}

#[test]
fn missing_comes_before_definition_changed_which_comes_before_no_prior() {
    let case = case(
        "a; b - 2021-02..2021-04",
        "broken a 2021-03 5; broken a 2022-04 5; f b 2021-02 1 2 3",
    );
    // Although the definition changes in April
    case.is("broken a 2021-04", "value=- delta=missing");
    case.is("f b 2021-05", "value=- delta=missing"); // although b has ended
    case.is("f b 2021-01", "value=- delta=missing");
    case.is(
        "f b 2021-02",
        "delta=definition_changed percent=definition_changed \
         like=definition_changed year=definition_changed",
    ); // b did not exist before
    case.is("f b 2021-03", "delta=1 year=definition_changed");
    // The break of April 2021 is in the first month, not between the two
    case.is("broken a 2022-04", "delta=no_prior year=no_prior");
    let april = self::case(ONE, "broken a 2021-04 5");
    // Comes before no_prior
    april.is("broken a 2021-04", "delta=definition_changed year=definition_changed");
}

#[test]
fn coverage_changed_comes_before_prior_zero_and_after_not_applicable() {
    let case = case(TWO, "f a 2021-01 0 5; f b 2021-02 3; g a 2021-01 1 1; g b 2021-02 1");
    case.is("f p 2021-02", "value=8 delta=coverage_changed percent=coverage_changed");
    case.is("f p 2021-02", "like=5 like_percent=prior_zero like_coverage=0.5"); // over a: 5 - 0
    case.is(
        "rate p 2021-02",
        "delta=coverage_changed percent=not_applicable like=500 like_percent=not_applicable",
    ); // over a: 5 / 1 - 0 / 1
}

#[test]
fn a_break_makes_the_periods_around_it_incomparable() {
    let case = case(
        ONE,
        "broken a 2021-01 10 10 10 20 25 25 30 30 30 40 40 40
         broken a 2022-01 11 11 11 22
         g      a 2021-01 100 100 100 100 100",
    );
    case.is("broken a 2021-03", "delta=0 percent=0");
    case.is(
        "broken a 2021-04",
        "delta=definition_changed percent=definition_changed like=definition_changed",
    );
    case.is("broken a 2021-05", "delta=5 percent=25"); // 25 - 20
    // March 2021 is before the break
    case.is("broken a 2022-03", "year=definition_changed year_percent=definition_changed");
    case.is("broken a 2022-04", "year=2 year_percent=10"); // 22 - 20
    case.is("broken a 2021-Q2", "delta=definition_changed");
    case.is("broken a 2021-Q3", "delta=20"); // 90 - 70
    // A kpi inherits the break
    case.is("broken_rate a 2021-04", "value=20 delta=definition_changed");
    case.is("broken_rate a 2021-05", "delta=5"); // 25 - 20 points
}

#[test]
fn a_break_counts_for_stocks_only_between_the_months_that_were_taken() {
    let before = case(ONE, "sb a 2021-01 10; sb a 2021-04 12");
    before.is("sb a 2021-Q2", "taken=2021-04 delta=2"); // January and April; the break is in May
    let between = case(ONE, "sb a 2021-01 10 10 10 12 12 12");
    between.is("sb a 2021-Q2", "taken=2021-06 delta=definition_changed"); // March and June
}

// docs/specification.md#comparable

#[test]
fn predecessors_count_as_their_successor() {
    let case = case(MERGE, "f a 2021-01 10; f b 2021-01 20; f c 2021-01 40 50; f ab 2021-02 33");
    // (33 + 50) - (10 + 20 + 40) = 13; 13 / 70.
    case.is("f p 2021-02", "value=83 delta=13 percent=18.571429 like=13 like_coverage=1");
    case.is(
        "f ab 2021-02",
        "delta=definition_changed like=definition_changed year=definition_changed",
    );
    case.is("f a 2021-02", "value=- delta=missing");
}

#[test]
fn a_merger_with_a_predecessor_that_was_left_out_is_not_comparable() {
    let case = case(MERGE, "f a 2021-01 10; f c 2021-01 40 50; f ab 2021-02 33");
    // Like for like over c alone: 50 - 40 = 10, 10 / 40, one of two leaves.
    case.is(
        "f p 2021-02",
        "value=83 delta=coverage_changed like=10 like_percent=25 like_coverage=0.5",
    );
}

#[test]
fn chains_of_merges_are_followed_to_their_end() {
    let chain = "p; a p ..2021-01 ab; b p ..2021-01 ab; ab p 2021-02..2021-02 abc; c p ..2021-02 \
                 abc; abc p 2021-03..";
    let case = case(
        chain,
        "f a 2020-03 1; f b 2020-03 2; f c 2020-03 4
         f a 2021-01 1; f b 2021-01 2; f c 2021-01 4 5; f ab 2021-02 8; f abc 2021-03 20",
    );
    case.is("f p 2021-02", "value=13 delta=6"); // (8 + 5) - (1 + 2 + 4)
    case.is("f p 2021-03", "value=20 delta=7 year=13"); // 20 - 13; 20 - 7 through both mergers
}

#[test]
fn a_merger_into_a_unit_that_stays_is_comparable_too() {
    let case = case("p; a p ..2021-01 b; b p", "f a 2021-01 10; f b 2021-01 20 33");
    case.is("f p 2021-02", "delta=3"); // 33 - (10 + 20)
    // B includes a now and did not before
    case.is("f b 2021-02", "delta=coverage_changed like=coverage_changed");
}

#[test]
fn a_closure_is_comparable_only_when_nothing_covered_was_lost() {
    let closed = "p; a p; b p ..2021-01";
    let lost = case(closed, "f a 2021-01 10 15; f b 2021-01 20");
    // Over a: 15 - 10
    lost.is("f p 2021-02", "delta=coverage_changed like=5 like_percent=50 like_coverage=1");
    let silent = case(closed, "f a 2021-01 10 15");
    silent.is("f p 2021-01", "coverage=0.5");
    // B was never covered, and has no successor
    silent.is("f p 2021-02", "coverage=1 delta=5 percent=50 like=5");
}

#[test]
fn a_split_is_comparable_when_every_part_is_covered() {
    let split = "p; a p ..2021-01 a1 a2; a1 p 2021-02..; a2 p 2021-02..; c p";
    let whole = case(split, "f a 2021-01 10; f c 2021-01 1 1; f a1 2021-02 4; f a2 2021-02 7");
    whole.is("f p 2021-02", "delta=1"); // (4 + 7 + 1) - (10 + 1)
    whole.is("f a1 2021-02", "delta=definition_changed");
    let part = case(split, "f a 2021-01 10; f c 2021-01 1 3; f a1 2021-02 4");
    // Over c: 3 - 1, one of three leaves
    part.is("f p 2021-02", "delta=coverage_changed like=2 like_coverage=0.333333");
}

#[test]
fn a_new_leaf_changes_the_coverage_once_it_reports() {
    let grown = "p; a p; n p 2021-02..";
    let reporting = case(grown, "f a 2021-01 10 12; f n 2021-02 5");
    reporting.is(
        "f p 2021-02",
        "value=17 delta=coverage_changed like=2 like_percent=20 like_coverage=0.5",
    ); // over a: 12 - 10
    let silent = case(grown, "f a 2021-01 10 12");
    // The same leaves are covered
    silent.is("f p 2021-02", "value=12 coverage=0.5 delta=2 like=2 like_coverage=0.5");
}

#[test]
fn a_unit_that_moved_continues_below_another_parent() {
    let case = case(
        "p; q; a p ..2021-01 a2; c p; a2 q 2021-02..; b q",
        "f a 2021-01 10; f c 2021-01 1 2; f a2 2021-02 11; f b 2021-01 5 8",
    );
    // Over c: 2 - 1
    case.is("f p 2021-02", "value=2 delta=coverage_changed like=1 like_coverage=1");
    // Over b: 8 - 5
    case.is("f q 2021-02", "value=19 delta=coverage_changed like=3 like_coverage=0.5");
}

#[test]
fn the_same_number_of_leaves_is_not_the_same_leaves() {
    let case = case(TWO, "f a 2021-01 10; f b 2021-02 20");
    case.is(
        "f p 2021-02",
        "value=20 coverage=0.5 delta=coverage_changed like=coverage_changed \
         like_percent=coverage_changed like_coverage=-",
    );
}

#[test]
fn wider_periods_are_compared_month_by_month_in_the_same_places() {
    let case = case(ONE, "f a 2020-10 1 1 1 2 - 2; f a 2021-04 - 3 3; f a 2021-07 - 5 6");
    // February is compared with November, and one of them is missing. Over the other two months: (2
    // + 2) - (1 + 1).
    case.is(
        "f a 2021-Q1",
        "value=4 delta=coverage_changed like=2 like_percent=100 like_coverage=0.666667",
    );
    // Both quarters have no figure in their first month: (5 + 6) - (3 + 3).
    case.is("f a 2021-Q3", "value=11 delta=5 coverage=0.666667");
    // April has no value but January has; February has none but May has. Only June and March both
    // have one: 3 - 2.
    case.is("f a 2021-Q2", "delta=coverage_changed like=1 like_percent=50 like_coverage=0.333333");
}

#[test]
fn stocks_are_compared_only_when_taken_from_the_same_place() {
    let case = case(ONE, "s a 2020-10 10 11 12 20 21; s a 2021-04 30 32");
    // February and December
    case.is("s a 2021-Q1", "value=21 taken=2021-02 delta=coverage_changed like=coverage_changed");
    case.is("s a 2021-Q2", "value=32 taken=2021-05 delta=11 like=11"); // May and February: 32 - 21
}

// docs/specification.md#like-for-like

#[test]
fn during_reporting_only_the_leaves_that_have_reported_are_compared() {
    let case = case(THREE, "f a 2021-01 10 12; f b 2021-01 20 27; f c 2021-01 30");
    // The fall from 60 to 39 is not a decrease. Over a and b: 39 - 30 = 9, 9 / 30, two of three
    // leaves.
    case.is(
        "f p 2021-02",
        "value=39 coverage=0.666667 delta=coverage_changed \
         percent=coverage_changed like=9 like_percent=30 \
         like_coverage=0.666667",
    );
}

#[test]
fn like_for_like_equals_the_delta_when_months_are_comparable() {
    let case = case(THREE, "f a 2021-01 10 12; f b 2021-01 20 27; m a 2021-01 1 2");
    case.is(
        "f p 2021-02",
        "delta=9 percent=30 like=9 like_percent=30 like_coverage=0.666667 coverage=0.666667",
    );
    case.is(
        "m a 2021-02",
        "delta=1 like=not_applicable like_percent=not_applicable like_coverage=-",
    ); // not applicable to averages
}

#[test]
fn rates_are_restricted_operand_by_operand() {
    let case = case(TWO, "f a 2021-01 1 3; g a 2021-01 4 4; f b 2021-01 5; g b 2021-01 5");
    case.is("rate p 2021-01", "value=66.666667"); // 6 / 9
    case.is(
        "rate p 2021-02",
        "value=75 delta=coverage_changed like=50 like_percent=not_applicable like_coverage=0.5",
    ); // over a: 75 - 25 points
}

#[test]
fn figures_stated_above_the_leaves_cannot_be_restricted() {
    let province = case(TWO, "f p 2021-01 100; f a 2021-02 10");
    province.is(
        "f p 2021-02",
        "value=10 delta=coverage_changed like=stated_above \
         like_percent=stated_above like_coverage=-",
    );
    let district = case(DEEP, "f d 2021-01 50; f c 2021-01 5 8; f a 2021-02 30");
    // A and c are covered in both; the 50 include b
    district.is("f p 2021-02", "delta=coverage_changed like=stated_above");
}

#[test]
fn a_figure_stated_above_is_usable_when_all_or_none_of_its_leaves_are_kept() {
    let none = case(DEEP, "f d 2021-01 50; f c 2021-01 5 8");
    none.is("f p 2021-02", "like=3 like_percent=60 like_coverage=0.333333"); // over c: 8 - 5
    let all = case(DEEP, "f d 2021-01 50 60; f c 2021-01 5");
    // Over a and b: 60 - 50
    all.is("f p 2021-02", "like=10 like_percent=20 like_coverage=0.666667");
    let apart = case(DEEP, "f d 2021-01 50; f a 2021-02 30; f b 2021-02 25; f c 2021-01 5");
    apart.is("f p 2021-02", "like=5 like_percent=10 like_coverage=0.666667"); // (30 + 25) - 50
}
