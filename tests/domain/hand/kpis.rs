//! Kpis, and values of wider periods.

use super::{ONE, THREE, TWO, case};
use crate::case::Case;

// docs/specification.md#kpis

#[test]
fn a_rate_is_the_ratio_of_sums_and_not_the_mean_of_rates() {
    let case = case(TWO, "f a 2021-01 1; g a 2021-01 2; f b 2021-01 30; g b 2021-01 40");
    case.is("rate a 2021-01", "value=50 origin=computed"); // 1 / 2
    case.is("rate b 2021-01", "value=75"); // 30 / 40
    // 31 / 42, and not (50 + 75) / 2 = 62.5
    case.is("rate p 2021-01", "value=73.809524 coverage=1");
    // The same, but not a percentage: not multiplied by 100
    case.is("plain p 2021-01", "value=0.738095");
}

#[test]
fn with_an_incomplete_operand_only_children_with_all_operands_count() {
    let case = case(THREE, "f a 2021-01 1; f b 2021-01 50; g a 2021-01 4; g c 2021-01 16");
    case.is("rate p 2021-01", "value=25 coverage=0.333333"); // a alone: 1 / 4; not 51 / 20
    case.is("rate b 2021-01", "value=- coverage=0"); // at a leaf an operand is there or not
}

#[test]
fn the_same_rule_holds_at_each_child() {
    let case = case(
        "p; d p; a d; b d; e p; c e",
        "f a 2021-01 1; f b 2021-01 50; f e 2021-01 7
         g a 2021-01 4; g e 2021-01 14",
    );
    case.is("rate d 2021-01", "value=25 coverage=0.5"); // a alone: 1 / 4
    case.is("rate e 2021-01", "value=50 coverage=1"); // stated above c: 7 / 14
    case.is("rate p 2021-01", "value=44.444444 coverage=0.666667"); // (1 + 7) / (4 + 14) = 8 / 18
}

#[test]
fn operands_stated_above_count_when_every_operand_is_complete_there() {
    let complete = case(THREE, "f p 2021-01 100; g a 2021-01 1; g b 2021-01 2; g c 2021-01 5");
    complete.is("rate p 2021-01", "value=1250 coverage=1"); // 100 / (1 + 2 + 5)
    let partial = case(THREE, "f p 2021-01 100; g a 2021-01 1; g b 2021-01 2");
    partial.is("rate p 2021-01", "value=- coverage=0"); // no child has f, and not every child has g
}

#[test]
fn an_operand_under_a_choice_is_not_required() {
    let case = case(THREE, "f a 2021-01 1; g a 2021-01 4; f b 2021-01 50; g c 2021-01 16");
    // a: (1 ?? 0) + 4 = 5; c: (missing ?? 0) + 16 = 16; b has no g. 5 + 16.
    case.is("filled p 2021-01", "value=21 coverage=0.666667");
    case.is("filled c 2021-01", "value=16 coverage=1");
    case.is("filled b 2021-01", "value=- coverage=0");
    // The choice is made for each child before summing. a: 1 (4 is there but not needed), b: 50, c:
    // 16.
    case.is("other p 2021-01", "value=67 coverage=1");
}

#[test]
fn division_by_zero_gives_a_missing_value() {
    let case = case(TWO, "f a 2021-01 5 5; g a 2021-01 0 2; f b 2021-01 1; g b 2021-01 4");
    case.is("rate a 2021-01", "value=- origin=- delta=missing percent=not_applicable");
    case.is("plain a 2021-01", "value=- delta=missing percent=missing year=missing ytd=missing");
    // 5 / 2; (5 + 5) / (0 + 2)
    case.is("plain a 2021-02", "value=2.5 delta=no_prior percent=no_prior ytd=5");
    case.is("rate p 2021-01", "value=150 coverage=1"); // operands first: (5 + 1) / (0 + 4)
}

#[test]
fn a_kpi_uses_the_requested_member_or_the_total() {
    let case = case(
        ONE,
        "split{channel=online,level=three}    a 2021-01 6
         split{channel=in_person,level=three} a 2021-01 2
         split{channel=online,level=four}     a 2021-01 1
         split{channel=in_person,level=four}  a 2021-01 1",
    );
    case.is("online{level=three} a 2021-01", "value=75"); // 6 / (6 + 2)
    case.is("online{level=four} a 2021-01", "value=50"); // 1 / (1 + 1)
    case.is("online a 2021-01", "value=70"); // (6 + 1) / 10
}

#[test]
fn averages_are_weighted_inside_a_sum_over_the_leaves() {
    let case = case(TWO, "m a 2021-01 20 20; m b 2021-01 6.5; s a 2021-01 2 2; s b 2021-01 6 6");
    // (20 x 2 + 6.5 x 6) / (2 + 6) = 79 / 8
    case.is("weighted p 2021-01", "value=9.875 coverage=1");
    case.is("weighted p 2021-02", "value=20 coverage=0.5"); // b has no average: a alone, 40 / 2
}

#[test]
fn functions_are_applied_to_the_sums() {
    let case = case(TWO, "f a 2021-01 3; g a 2021-01 8; f b 2021-01 10; g b 2021-01 1");
    case.is("spread a 2021-01", "value=10"); // 8 - 3 + |3 - 8|
    case.is("spread p 2021-01", "value=8"); // of 13 and 9: 13 - 9 + 4; not 10 + 18
}

// docs/specification.md#wider-periods

#[test]
fn a_flow_is_summed_over_the_months_that_have_a_value() {
    let case = case(TWO, "f a 2021-01 10 - 20; f a 2021-04 1 2; f b 2021-04 4");
    // 10 + 20; (1 + 0 + 1) / 3
    case.is("f a 2021-Q1", "value=30 coverage=0.666667 taken=- origin=stated");
    // April 5 with 2 / 2 leaves, May 2 with 1 / 2, June nothing: 7, and (1 + 0.5 + 0) / 3.
    case.is("f p 2021-Q2", "value=7 coverage=0.5 origin=rolled_up");
    case.is("f p 2021-Q3", "value=- coverage=0 origin=- taken=-");
}

#[test]
fn halves_nine_months_and_years_are_sums_of_their_own_months() {
    let case = case(ONE, "f a 2021-01 1 1 1 1 1 1 1 1 1 50");
    case.is("f a 2021-H1", "value=6 coverage=1");
    case.is("f a 2021-H2", "value=53 coverage=0.666667"); // 1 + 1 + 1 + 50; 4 / 6
    case.is("f a 2021-9M", "value=9 coverage=1");
    case.is("f a 2021", "value=59 coverage=0.833333"); // 10 / 12
}

#[test]
fn a_stock_is_taken_from_the_last_month_that_has_a_value() {
    let case = case(TWO, "s a 2021-01 10 11; s b 2021-01 20");
    case.is("s a 2021-Q1", "value=11 taken=2021-02 coverage=1");
    // The stock and the coverage of February, not the mean
    case.is("s p 2021-Q1", "value=11 taken=2021-02 coverage=0.5");
    case.is("s p 2021", "value=11 taken=2021-02 coverage=0.5");
    case.is("s p 2021-01", "value=30 taken=- coverage=1"); // for a month taken_from is null
    case.is("s p 2021-Q2", "value=- taken=- coverage=0");
}

#[test]
fn an_average_is_missing_in_wider_periods() {
    let case = case(ONE, "m a 2021-01 5 6 7");
    case.is(
        "m a 2021-Q1",
        "value=- coverage=0 delta=missing percent=missing ytd=not_applicable like=not_applicable",
    );
    case.is(
        "m a 2021-03",
        "value=7 delta=1 percent=16.666667 like=not_applicable ytd=not_applicable",
    ); // 7 - 6; 1 / 6
}

#[test]
fn a_kpi_uses_only_months_with_all_operands() {
    let case = case(
        ONE,
        "f  a 2021-01 1 2 4;   g  a 2021-01 10 - 20
         f  a 2021-04 10 20 30; s  a 2021-04 5 10
         s  a 2021-07 1 2 3;   s2 a 2021-07 2 4",
    );
    case.is("rate a 2021-Q1", "value=16.666667 coverage=0.666667 taken=-"); // (1 + 4) / (10 + 20)
    // June has no stock: the flows of April and May and the stock of May count. (10 + 20) / 10;
    // coverage (1 + 1 + 0) / 3.
    case.is("load a 2021-Q2", "value=3 coverage=0.666667 taken=2021-05");
    // Only stocks are operands: August, 2 / 4, with the coverage of August.
    case.is("ratio a 2021-Q3", "value=50 coverage=1 taken=2021-08");
}

#[test]
fn prev_is_the_end_of_the_period_before() {
    let case = case(ONE, "s a 2020-12 10 12 20 25");
    case.is("growth a 2021-01", "value=2"); // 12 - 10, across the year's end
    case.is("growth a 2021-02", "value=8"); // 20 - 12
    case.is("growth a 2021-Q1", "value=15 taken=2021-03 coverage=1"); // 25 - 10 of December
    case.is("growth a 2021-H1", "value=15 taken=2021-03"); // taken from the last month with a value
    case.is("growth a 2021", "value=15 taken=2021-03");
    case.is("growth a 2020-12", "value=-"); // November is missing
    case.is("growth a 2021-04", "value=-"); // April is missing
    case.is("growth a 2021-Q2", "value=-");
}

#[test]
fn prev_does_not_look_further_back_than_the_end_of_the_period_before() {
    let case = case(ONE, "s a 2020-11 10; s a 2021-01 12 20 25");
    case.is("growth a 2021-Q1", "value=- coverage=0"); // December is missing
    case.is("growth a 2021-02", "value=8");
}

#[test]
fn prev_of_a_flow_is_as_many_months_earlier_as_the_period_has() {
    let case = case(ONE, "f a 2020-10 1 2 4 10 20 30");
    case.is("more a 2021-01", "value=6"); // 10 - 4
    case.is("more a 2021-Q1", "value=53 coverage=1 taken=-"); // (10 - 1) + (20 - 2) + (30 - 4)
    case.is("f a 2021-Q1", "delta=53"); // 60 - 7, the same
    case.is("more a 2021-H1", "value=- coverage=0"); // July to September are missing
    // Nothing stands before nine months
    case.is("more a 2021-9M", "value=- coverage=0 delta=not_applicable");
    case.is("at_least a 2021-9M", "value=60"); // so the alternative is taken
    case.is("more a 2021-03", "ytd=missing"); // nor before a year to date
    case.is("growth a 2021-03", "ytd=not_applicable");
}

#[test]
fn a_month_of_a_wider_period_counts_when_it_and_its_earlier_month_are_there() {
    let case = case(ONE, "f a 2020-12 4 10 20 30");
    case.is("more a 2021-Q1", "value=26 coverage=0.333333"); // 30 - 4 alone
    case.is("at_least a 2021-Q1", "value=56 coverage=1"); // 10 + 20 + (30 - 4)
}

#[test]
fn prev_of_flow_and_stock_in_one_formula() {
    let case = case(ONE, "f a 2020-10 1 2 4 10 20 30; s a 2020-12 7 5 6 10");
    // The flows month by month, the stocks at the end: 60 / 10 - 7 / 7.
    case.is("more_of_load a 2021-Q1", "value=5 coverage=1 taken=2021-03");
}

#[test]
fn a_break_between_a_flow_and_its_earlier_month_separates_the_periods() {
    let case = Case::new(
        "flow f break@2021-02
         kpi  more = f - prev(f)",
        ONE,
        "f a 2020-07 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
    );
    case.is("more a 2021-Q1", "value=0 delta=definition_changed");
    case.is("more a 2021-Q2", "value=0 delta=definition_changed"); // it reads January to June
    // And the quarter before from January
    case.is("more a 2021-Q3", "value=0 delta=definition_changed");
    case.is("more a 2021-05", "delta=0"); // March to May
}

#[test]
fn numbers_alone_make_no_value() {
    let case = case(THREE, "f a 2021-01 5; g b 2021-01 7; m a 2021-01 1.5");
    case.is("either a 2021-01", "value=5 coverage=1");
    case.is("either b 2021-01", "value=7 coverage=1");
    case.is("either c 2021-01", "value=- coverage=0 delta=missing");
    case.is("either p 2021-01", "value=12 coverage=0.666667"); // 5 + 7, without c
    case.is("either p 2021-02", "value=- coverage=0"); // nobody reported
    // G is there, although the choice takes the number
    case.is("nested b 2021-01", "value=0 coverage=1");
    case.is("nested c 2021-01", "value=- coverage=0");
    case.is("hours p 2021-01", "value=3 coverage=0.333333"); // a alone
}

#[test]
fn a_figure_stated_above_the_leaves_is_a_value_at_each_of_them() {
    let case = case(TWO, "f p 2021-01 5; g a 2021-01 7");
    // f covers a and b; g covers a alone, so the choice is made below, where f is unknown.
    case.is("either p 2021-01", "value=7 coverage=0.5");
    case.is("filled p 2021-01", "value=7 coverage=0.5");
    case.is("hours p 2021-01", "value=- coverage=0");
}
