//! The comparisons that a point gives on request, on cases that are small enough to be computed by
//! hand (docs/specification.md#comparisons-on-request). The computation is beside each expected
//! value.

use chrono::NaiveDate;
use kpi::geography::Geography;

use crate::case::Case;

const CATALOGUE: &str = "
    flow    f
    flow    g         .1
    flow    broken    break@2021-02
    flow    split     channel*=in_person|online level=three|four
    stock   s
    average m         .1
    kpi     rate      % = f / g
    kpi     plain     = f / g
    kpi     load      = f / s
    kpi     growth    = s - prev(s)
    kpi     more      = f - prev(f)
    kpi     at_least  = f - (prev(f) ?? 0)
    kpi     twice     = f / (f + g)
    kpi     weighted  = sum(m * s) / s
    kpi     online    % = split{channel=online,level} / split{level}
";
const ONE: &str = "a";
const TWO: &str = "p; a p; b p";
/// Two units that merged after January 2021.
const MERGED: &str = "p; a p ..2021-01 ab; b p ..2021-01 ab; ab p 2021-02..";

fn case(units: &str, figures: &str) -> Case {
    Case::new(CATALOGUE, units, figures)
}

fn of_today(units: &str, figures: &str) -> Case {
    let today = NaiveDate::from_ymd_opt(2030, 1, 1).unwrap();
    Case { geography: Geography::Current(today), ..case(units, figures) }
}

#[test]
fn the_values_compared_with_are_given_also_where_the_change_is_null() {
    let case =
        case(TWO, "f a 2020-02 7; f b 2020-02 8; f a 2021-01 10; f b 2021-01 20; f a 2021-02 12");
    // 10 + 20; 7 + 8, although b has not reported
    case.is("f p 2021-02", "value=12 delta=coverage_changed previous=30 year_before=15");
    // Without a value of the month itself
    case.is("f p 2021-03", "value=- delta=missing previous=12 year_before=missing");
    case.is("f p 2021-04", "previous=missing");
    case.is("f p 2021-Q1", "value=42 previous=missing year_before=15");
    case.is("f p 2021", "previous=15 year_before=15"); // the year before is both
    case.is("f p 2021-9M", "previous=not_applicable year_before=15"); // nothing comes before 9M
}

#[test]
fn the_value_compared_with_says_why_it_is_null() {
    let case = case(ONE, "f a 2021-01 5 n/a 6; g a 2021-01 0 2 3");
    case.is("f a 2021-03", "value=6 previous=not_applicable");
    case.is("plain a 2021-02", "previous=undefined"); // 5 / 0
    case.is("plain a 2021-01", "previous=missing");
}

#[test]
fn the_operands_of_a_kpi_are_numerator_and_denominator_after_aggregation() {
    let case = case(
        TWO,
        "f a 2021-01 1 3; f b 2021-01 5 7; g a 2021-01 2.5 4; g b 2021-01 7.5 0
         s a 2021-01 2 4; s b 2021-01 6",
    );
    case.is("rate p 2021-01", "value=60 operands=6,10"); // 1 + 5; 2.5 + 7.5; not times 100
    case.is("rate p 2021-Q1", "value=114.285714 operands=16,14"); // 6 + 3 + 7; 10 + 4 + 0
    case.is("load p 2021-02", "value=0.75 operands=3,4"); // b has no s, so it is left out
    case.is("load a 2021-Q1", "value=1 operands=4,4 taken=2021-02"); // 1 + 3; of February
    case.is("rate b 2021-02", "value=- reason=undefined operands=7,0");
    case.is("rate a 2021-03", "value=- operands=-"); // no operand is there
    case.is("f p 2021-01", "operands=-"); // an indicator has none
}

#[test]
fn prev_and_sum_are_operands_as_a_whole() {
    let case = case(
        TWO,
        "s a 2020-12 4 6; s b 2020-12 1 2; m a 2021-01 10; m b 2021-01 2.5
         f a 2021-01 3; g a 2021-01 1",
    );
    case.is("growth p 2021-01", "value=3 operands=8,5"); // 6 + 2; 4 + 1
    case.is("weighted p 2021-01", "value=8.125 operands=65,8"); // 10 x 6 + 2.5 x 2; 6 + 2
    case.is("twice a 2021-01", "value=0.75 operands=3,3,1");
    case.is("at_least a 2021-01", "value=3 operands=3,0"); // December has no f: the alternative
}

#[test]
fn a_year_to_date_is_compared_with_the_same_months_of_the_year_before() {
    let case = case(
        ONE,
        "f a 2020-01 10 20 30 40; f a 2021-01 11 22 33 44; g a 2020-01 100 100; g a 2021-01 50 50",
    );
    case.is("f a 2021-01", "ytd=11 ytd_delta=1 ytd_percent=10"); // 11 - 10
    case.is("f a 2021-03", "ytd=66 ytd_delta=6 ytd_percent=10"); // 66 - (10 + 20 + 30)
    case.is("f a 2021-Q1", "ytd=66 ytd_delta=6 ytd_percent=10");
    // (11 + 22) / 100 - (10 + 20) / 200, in points
    case.is("rate a 2021-02", "ytd=33 ytd_delta=18 ytd_percent=not_applicable");
    case.is("plain a 2021-02", "ytd=0.33 ytd_delta=0.18 ytd_percent=120"); // 0.18 / 0.15
    case.is("f a 2021-05", "ytd=missing ytd_delta=missing ytd_percent=missing");
    case.is("f a 2020-02", "ytd=30 ytd_delta=no_prior ytd_percent=no_prior");
    case.is("s a 2021-02", "ytd_delta=not_applicable ytd_percent=not_applicable");
    case.is("load a 2021-02", "ytd_delta=not_applicable");
    case.is("m a 2021-02", "ytd_delta=not_applicable");
}

#[test]
fn a_year_to_date_is_not_compared_with_a_year_in_which_a_month_is_missing() {
    let case = case(ONE, "f a 2020-01 10 - 30; f a 2021-01 11 22 33; f a 2019-01 0; f a 2022-01 4");
    case.is("f a 2021-01", "ytd_delta=1");
    case.is("f a 2021-02", "ytd=33 ytd_delta=no_prior");
    case.is("f a 2021-03", "ytd=66 ytd_delta=no_prior"); // February 2020 is missing
    case.is("f a 2020-01", "ytd_delta=10 ytd_percent=prior_zero");
    case.is("f a 2022-02", "ytd_delta=missing"); // of this year, before the other
}

#[test]
fn years_to_date_are_compared_over_the_same_leaves_in_each_month() {
    let case = case(
        TWO,
        "f a 2020-01 1 2 3; f b 2020-01 10 20 30; f a 2021-01 4 5 6; f b 2021-01 40 - 60",
    );
    case.is("f p 2021-01", "ytd=44 ytd_delta=33"); // 44 - 11
    case.is("f p 2021-02", "ytd=49 ytd_delta=coverage_changed"); // b is missing in February
    case.is("f p 2021-03", "ytd=115 ytd_delta=coverage_changed"); // and stays so
    case.is("f a 2021-03", "ytd=15 ytd_delta=9 ytd_percent=150"); // 15 - 6
}

#[test]
fn a_break_lies_between_two_years_to_date() {
    let case = case(ONE, "broken a 2020-01 1 1 1 1 1 1 1 1 1 1 1 1 2 2 2 2 2 2 2 2 2 2 2 2 3 3 3");
    // The break of February 2021 lies after January 2020 and not after the last month
    case.is("broken a 2021-02", "ytd=4 ytd_delta=definition_changed");
    case.is("broken a 2021-01", "ytd=2 ytd_delta=1"); // it lies after January 2021
    case.is("broken a 2022-01", "ytd=3 ytd_delta=definition_changed"); // after January 2021
    case.is("broken a 2020-02", "ytd_delta=no_prior"); // no figures of 2019
}

#[test]
fn a_month_that_does_not_apply_is_not_waited_for() {
    let case = case(ONE, "f a 2020-01 1 2 4; f a 2021-01 5 n/a 7; f a 2022-01 n/a; f a 2023-01 3");
    case.is("f a 2021-03", "ytd=12 ytd_delta=coverage_changed"); // February applied a year before
    case.is("f a 2021-03", "rolling3=12 rolling3_coverage=1"); // 5 + 7
    case.is("f a 2022-01", "ytd=not_applicable ytd_delta=not_applicable");
    case.is("f a 2023-01", "ytd=3 ytd_delta=not_applicable");
}

#[test]
fn years_to_date_reach_over_a_merger() {
    let figures =
        "f a 2020-01 1 2; f b 2020-01 10 20; f a 2021-01 3; f b 2021-01 30; f ab 2021-02 44";
    let reported = case(MERGED, figures);
    reported.is("f ab 2021-02", "ytd=missing ytd_delta=missing");
    // The predecessors count as their successor: (33 + 44) - (11 + 22)
    reported.is("f p 2021-02", "ytd=77 ytd_delta=44");
    let today = of_today(MERGED, figures);
    today.is(
        "f ab 2021-02",
        "ytd=77 ytd_delta=44 ytd_percent=133.333333 previous=33 year_before=22",
    );
    today.is(
        "f a 2021-01",
        "previous=missing ytd_delta=definition_changed rolling3=definition_changed",
    );
    today.is("s a 2021-01", "ytd_delta=not_applicable");
}

#[test]
fn the_last_months_are_given_when_all_are_there() {
    let case = case(
        ONE,
        "f a 2020-10 1 2 4 8 16 32; g a 2020-10 1 1 2 4 4 2; s a 2020-12 5 6 7; m a 2020-12 5 6 7",
    );
    case.is("f a 2021-03", "rolling3=56 rolling3_coverage=1"); // 8 + 16 + 32
    case.is("f a 2021-03", "rolling6=63 rolling12=missing rolling12_coverage=-"); // 1 + ... + 32
    case.is("f a 2020-12", "rolling3=7"); // 1 + 2 + 4
    case.is("f a 2021-01", "rolling3=14"); // 2 + 4 + 8
    case.is("f a 2020-11", "rolling3=missing"); // September is missing
    case.is("f a 2021-04", "rolling3=missing"); // so is April
    case.is("s a 2021-02", "rolling3=7 rolling6=missing"); // of February
    case.is("rate a 2021-03", "rolling3=560"); // 56 / 10
    case.is("load a 2021-02", "rolling3=4"); // (4 + 8 + 16) / 7
    case.is("m a 2021-02", "rolling3=not_applicable"); // an average never adds up
    case.is("f a 2021-Q1", "rolling3=not_applicable"); // for months only
}

#[test]
fn the_last_months_have_the_mean_coverage_and_a_stock_that_of_its_month() {
    let case = case(TWO, "f a 2021-01 1 2 3; f b 2021-01 10; s a 2021-01 5 6 7; s b 2021-01 1 1");
    case.is("f p 2021-03", "rolling3=16 rolling3_coverage=0.666667"); // (1 + 0.5 + 0.5) / 3
    case.is("s p 2021-03", "rolling3=7 rolling3_coverage=0.5");
}

#[test]
fn prev_reads_no_month_in_the_last_months_and_in_a_year_to_date() {
    let case = case(ONE, "f a 2020-10 1 2 3 4 5 6; s a 2020-10 1 2 3 4 5 6");
    case.is("more a 2021-02", "value=1 rolling3=missing ytd_delta=missing");
    case.is("growth a 2021-02", "value=1 rolling3=missing");
    case.is("at_least a 2021-02", "rolling3=12"); // 3 + 4 + 5, with the alternative 0
}

#[test]
fn a_formula_without_a_result_has_no_value_over_the_last_months() {
    let case = case(ONE, "f a 2021-01 1 2 3; g a 2021-01 0 0 0");
    case.is("plain a 2021-03", "operands=3,0 rolling3=missing ytd=missing ytd_delta=missing");
}

#[test]
fn operands_have_the_members_that_the_query_names() {
    let case = case(
        ONE,
        "split{channel=online,level=three} a 2021-01 6
         split{channel=in_person,level=three} a 2021-01 2",
    );
    case.is("online{level=three} a 2021-01", "value=75 operands=6,8");
}
