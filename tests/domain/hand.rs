//! The arithmetic of docs/specification.md, heading by heading, on cases that are small enough to
//! be computed by hand. The computation is beside each expected value.

use chrono::NaiveDate;
use kpi::geography::Geography;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Rounded};

use crate::case::Case;

const CATALOGUE: &str = "
    flow    f
    flow    g
    flow    h         .1
    flow    n         -
    flow    broken    break@2021-04
    flow    split     channel*=in_person|online level*=three|four
    flow    subset    channel=in_person|online
    flow    dated     way*=counter|online|post~2021-04..|fax~..2021-02
    flow    begun     begin*=post~2021-04..|mail~2021-04..
    average m_dated   way*=counter|online|post~2021-04..|fax~..2021-02
    flow    host      holder=individual|organisation token*=usb|sim@holder:individual
    flow    certs     holder*=individual|organisation token*=usb|sim@holder:individual
    stock   s
    stock   s2
    stock   sb        break@2021-05
    average m         .1
    average share     .1 %
    average m_split   channel*=in_person|online
    kpi     rate      % = f / g
    kpi     plain     = f / g
    kpi     filled    = (f ?? 0) + g
    kpi     other     = f ?? g
    kpi     load      = f / s
    kpi     ratio     % = s / s2
    kpi     either    = (f ?? 0) + (g ?? 0)
    kpi     nested    = (f ?? 0) ?? g
    kpi     hours     = sum((m ?? 0) * 2)
    kpi     growth    = s - prev(s)
    kpi     more      = f - prev(f)
    kpi     more_of_load = f / s - prev(f) / prev(s)
    kpi     at_least  = f - (prev(f) ?? 0)
    kpi     former    = (prev(s) ?? 0) + s
    kpi     since     = sum((f ?? 0)) - (prev(s) ?? 0)
    kpi     weighted  = sum(m * s) / s
    kpi     online    % = split{channel=online,level} / split{level}
    kpi     spread    = max(f, g) - min(f, g) + abs(f - g)
    kpi     broken_rate % = broken / g
    kpi     squared   = f ^ 2 / g
    kpi     root      = n ^ 0.5
    kpi     counter_share % = dated{way=counter} / dated
    kpi     a_day     = f / days()
    kpi     level_a_day = s / days()
    kpi     minutes   = sum(m * days())
    kpi     choice    = if(f < g, f, g * 2)
    kpi     safe      = if(g == 0, 0, f / g)
    kpi     divided   = if(f / g < 1, 1, 2)
    kpi     back2     = f - prev(f, 2)
    kpi     level_back2 = s - prev(s, 2)
    kpi     yearly    = f - year_before(f)
    kpi     level_yearly = s - year_before(s)
    kpi     broken_yearly = broken - year_before(broken)
    kpi     best      % = max(rate, ratio)
    kpi     rate_of_rates = rate / plain
    kpi     gain      % = rate - prev(rate)
    kpi     online_three % = online{level=three}
    kpi     offline   % = 1 - online{level}
";
const ONE: &str = "a";
const TWO: &str = "p; a p; b p";
const THREE: &str = "p; a p; b p; c p";
/// A province, a district with two communes, and a commune beside the district.
const DEEP: &str = "p; d p; a d; b d; c p";

fn case(units: &str, figures: &str) -> Case {
    Case::new(CATALOGUE, units, figures)
}

// docs/specification.md#own-value

#[test]
fn a_stated_figure_is_never_replaced_by_its_parts() {
    let mut case = case(
        ONE,
        "split                    a 2021-01 100
         split{channel=in_person} a 2021-01 3
         split{channel=online}    a 2021-01 4",
    );
    // Stated, although the members add up to 3 + 4 = 7
    case.is("split a 2021-01", "value=100 origin=stated coverage=1");
    let total = |written| {
        (Measure::parse("split").unwrap(), "a".to_owned(), "2021-01".parse().unwrap(), written)
    };
    case.put(&total(Some(Decimal64::parse("0").unwrap().into())));
    // A stated zero counts as stated
    case.is("split a 2021-01", "value=0 origin=stated coverage=1");
    case.put(&total(None));
    // The stated figure was withdrawn: 3 + 4
    case.is("split a 2021-01", "value=7 origin=summed coverage=1");
}

#[test]
fn an_own_value_is_summed_over_the_first_complete_dimension_whose_members_are_all_there() {
    let case = case(
        THREE,
        "split{channel=in_person} a 2021-01 3
         split{channel=online}    a 2021-01 4
         split{level=three}       a 2021-01 7
         split{level=four}        a 2021-01 8
         split{channel=online}    b 2021-01 4
         split{level=three}       b 2021-01 7
         split{level=four}        b 2021-01 8
         split{channel=online}    c 2021-01 4
         split{level=four}        c 2021-01 8",
    );
    // Both dimensions have figures, channel comes first: 3 + 4
    case.is("split a 2021-01", "value=7 origin=summed");
    // In_person is missing, both levels have figures: 7 + 8
    case.is("split b 2021-01", "value=15 origin=summed");
    case.is("split c 2021-01", "value=- origin=- coverage=0"); // neither dimension has all figures
    // 7 + 15, two of three leaves
    case.is("split p 2021-01", "value=22 origin=rolled_up coverage=0.666667");
}

#[test]
fn members_are_own_values_too_and_may_be_summed_from_theirs() {
    let case = case(
        TWO,
        "split{channel=online,level=three} a 2021-01 3
         split{channel=online,level=four}  a 2021-01 4
         split{channel=in_person}          a 2021-01 5
         split{level=three,channel=online} b 2021-01 9",
    );
    case.is("split{channel=online} a 2021-01", "value=7 origin=summed"); // 3 + 4
    case.is("split a 2021-01", "value=12 origin=summed"); // (3 + 4) + 5
    // In_person of level three is missing
    case.is("split{level=three} a 2021-01", "value=- coverage=0");
    // The order of members does not matter
    case.is("split{channel=online,level=three} b 2021-01", "value=9 origin=stated");
}

#[test]
fn members_of_an_incomplete_dimension_never_add_up() {
    let case =
        case(ONE, "subset{channel=in_person} a 2021-01 3; subset{channel=online} a 2021-01 4");
    case.is("subset a 2021-01", "value=- coverage=0");
    case.is("subset{channel=online} a 2021-01", "value=4");
}

// docs/specification.md#members-with-dates

#[test]
fn a_sum_waits_for_a_member_only_in_its_months() {
    let case = case(
        ONE,
        "dated{way=counter} a 2021-02 3 3 3 3; dated{way=online} a 2021-02 4 4 4 4
         dated{way=fax}     a 2021-02 5;       dated{way=post}   a 2021-05 2",
    );
    // Fax until February: 3 + 4 + 5
    case.is("dated a 2021-02", "value=12 origin=summed coverage=1");
    // Fax has ended, post has not begun: 3 + 4
    case.is("dated a 2021-03", "value=7 origin=summed coverage=1 delta=-5");
    // From April on the sum waits for post
    case.is("dated a 2021-04", "value=- origin=- coverage=0");
    case.is("dated a 2021-05", "value=9 origin=summed coverage=1"); // 3 + 4 + 2
    case.is("dated{way=post} a 2021-03", "value=- coverage=0");
    case.is("counter_share a 2021-03", "value=42.857143"); // 3 / 7
    case.is("counter_share a 2021-05", "value=33.333333"); // 3 / 9
    // The months with a value: 12 + 7; 9
    case.is("dated a 2021-Q1", "value=19 coverage=0.666667");
    case.is("dated a 2021-Q2", "value=9 coverage=0.333333");
}

#[test]
fn a_figure_takes_precedence_over_the_dates_of_its_member() {
    let case = case(
        TWO,
        "dated{way=counter} a 2021-03 3; dated{way=online} a 2021-03 4; dated{way=post} a 2021-03 2
         dated{way=counter} b 2021-03 10; dated{way=online} b 2021-03 20",
    );
    case.is("dated a 2021-03", "value=9 origin=summed"); // 3 + 4 + 2
    case.is("dated b 2021-03", "value=30 origin=summed"); // 10 + 20
    case.is("dated p 2021-03", "value=39 origin=rolled_up coverage=1"); // 9 + 30
    case.is("dated{way=post} p 2021-03", "value=2 coverage=0.5");
}

#[test]
fn members_outside_their_months_make_no_sum_by_themselves() {
    let case = case(
        TWO,
        "dated{way=online} a 2021-03 4; dated{way=post} b 2021-03 2
         begun{begin=post} a 2021-03 5 - 6; begun{begin=mail} a 2021-04 - 7",
    );
    case.is("dated a 2021-03", "value=- coverage=0"); // counter is missing
    case.is("dated b 2021-03", "value=- coverage=0"); // counter and online are missing
    // Before both members begin: only the one with a figure
    case.is("begun a 2021-03", "value=5 origin=summed");
    case.is("begun a 2021-02", "value=- coverage=0");
    case.is("begun a 2021-04", "value=- coverage=0");
    case.is("begun a 2021-05", "value=13 origin=summed"); // 6 + 7
}

#[test]
fn members_that_do_not_apply_and_members_outside_their_months_are_left_out_together() {
    let case = case(
        TWO,
        "dated{way=counter} a 2021-03 n/a n/a; dated{way=online} a 2021-03 4 4
         dated{way=counter} b 2021-03 n/a n/a; dated{way=online} b 2021-03 n/a n/a",
    );
    case.is("dated a 2021-03", "value=4 origin=summed");
    case.is("dated a 2021-04", "value=- coverage=0 reason=missing"); // post is missing
    case.is("dated b 2021-03", "value=- coverage=- reason=not_applicable");
    case.is("dated b 2021-04", "value=- coverage=0 reason=missing"); // post is missing
}

#[test]
fn the_dates_of_a_member_are_months_and_in_order() {
    let document =
        crate::case::catalogue("flow f way*=counter~2021-13..|online~2021-04..2021-03|post");
    let faults = kpi::catalogue::Catalogue::new(document).unwrap_err();
    let found: Vec<String> =
        faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect();
    assert_eq!(
        found,
        [
            "/dimensions/0/members/0/from malformed_period",
            "/dimensions/0/members/1/to dates_reversed"
        ]
    );
}

#[test]
fn an_average_never_adds_up_whatever_the_dates_of_its_members() {
    let case = case(ONE, "m_dated{way=counter} a 2021-03 3; m_dated{way=online} a 2021-03 4");
    case.is("m_dated a 2021-03", "value=- coverage=0");
}

#[test]
fn a_dimension_within_a_host_is_open_only_where_its_member_is_named() {
    let case = case(
        TWO,
        "host{holder=individual,token=usb}  a 2021-01 1
         host{holder=individual,token=sim}  a 2021-01 2
         host{holder=organisation}          a 2021-01 9
         certs{holder=individual,token=usb} a 2021-01 1777
         certs{holder=individual,token=sim} a 2021-01 78
         certs{holder=organisation}         a 2021-01 467
         host{holder=individual,token=usb}  b 2021-01 1",
    );
    case.is("host{holder=individual} a 2021-01", "value=3 origin=summed"); // usb 1 + sim 2
    // The holders are a subset, and tokens are not open at the total
    case.is("host a 2021-01", "value=-");
    case.is("certs{holder=individual} a 2021-01", "value=1855 origin=summed"); // 1,777 + 78
    case.is("certs a 2021-01", "value=2322 origin=summed"); // (1,777 + 78) + 467
    case.is("host{holder=individual} b 2021-01", "value=-"); // sim is missing
    let token = Measure::parse("host{token=usb}").unwrap();
    assert_eq!(case.catalogue.measure_faults(&token)[0].0, "dimension_not_open");
}

#[test]
fn an_average_has_stated_values_only() {
    let case = case(
        TWO,
        "m_split{channel=in_person} a 2021-01 3; m_split{channel=online} a 2021-01 4; m a 2021-01 \
         20; m b 2021-01 40",
    );
    case.is("m_split a 2021-01", "value=- coverage=0"); // members of an average do not add up
    case.is("m p 2021-01", "value=- coverage=0"); // and neither do units
    case.is("m b 2021-01", "value=40 origin=stated coverage=1");
}

// docs/specification.md#value

#[test]
fn a_value_is_the_own_one_or_the_sum_of_the_children_that_have_one() {
    let case = case(
        DEEP,
        "f d 2021-01 50
         f a 2021-01 10 10
         f b 2021-01 20 20
         f c 2021-01 5 5
         s a 2021-01 1
         s b 2021-01 2
         s c 2021-01 4",
    );
    // The district states 50, so its communes do not count: 50 + 5
    case.is("f p 2021-01", "value=55 origin=rolled_up");
    case.is("f d 2021-01", "value=50 origin=stated");
    case.is("f p 2021-02", "value=35 origin=rolled_up"); // 10 + 20 + 5
    case.is("f d 2021-02", "value=30 origin=rolled_up"); // 10 + 20
    case.is("s p 2021-01", "value=7 origin=rolled_up"); // stocks add up over units: 1 + 2 + 4
}

#[test]
fn a_unit_exists_in_a_month_when_it_is_valid_on_the_last_day() {
    let case = case(
        "p; a p ..2021-03-30; b p ..2021-03-31; c p 2021-03-31..; d p 2021-04-01..",
        "f a 2021-03 1; f b 2021-03 2; f c 2021-03 4; f d 2021-03 8",
    );
    case.is("f a 2021-03", "value=- coverage=0");
    case.is("f b 2021-03", "value=2 coverage=1");
    case.is("f c 2021-03", "value=4 coverage=1");
    case.is("f d 2021-03", "value=- coverage=0");
    case.is("f p 2021-03", "value=6 coverage=1"); // b and c are the leaves of March: 2 + 4
}

// docs/specification.md#coverage

#[test]
fn an_own_value_covers_every_leaf_below_and_a_sum_what_its_parts_cover() {
    let case = case(
        DEEP,
        "f p 2021-01 99
         f d 2021-02 50
         f a 2021-03 10
         f a 2021-04 10
         f c 2021-04 5",
    );
    case.is("f p 2021-01", "value=99 coverage=1"); // stated above the leaves a, b, c: 3 / 3
    case.is("f a 2021-01", "value=- coverage=0"); // nothing is distributed downwards
    case.is("f p 2021-02", "value=50 coverage=0.666667"); // d covers a and b: 2 / 3
    case.is("f d 2021-03", "value=10 coverage=0.5"); // 1 / 2
    case.is("f p 2021-03", "value=10 coverage=0.333333"); // 1 / 3
    case.is("f p 2021-04", "value=15 coverage=0.666667"); // a and c: 2 / 3
    case.is("f p 2021-05", "value=- origin=- coverage=0"); // missing is not zero
}

#[test]
fn a_zero_counts_as_covered_and_a_gap_does_not() {
    let case = case(TWO, "f a 2021-01 0");
    case.is("f p 2021-01", "value=0 coverage=0.5");
}

#[test]
fn a_child_that_outlives_its_parent_has_no_parent() {
    let case = case("p; d p ..2021-01; a d; c p", "f a 2021-01 10 20; f c 2021-01 1 5");
    case.is("f p 2021-01", "value=11 coverage=1"); // 10 + 1
    // D has ended, so a counts for no unit above: only c
    case.is("f p 2021-02", "value=5 coverage=1");
    case.is("f a 2021-02", "value=20 coverage=1");
    case.is("f d 2021-02", "value=- coverage=0 delta=missing");
    // a was covered in January and does not count now. Like for like over c alone: 5 - 1 = 4, of
    // all leaves of February.
    case.is("f p 2021-02", "delta=coverage_changed like=4 like_percent=400 like_coverage=1");
}

#[test]
fn a_unit_whose_children_have_all_ended_is_a_leaf_itself() {
    let case =
        case("p; a p ..2021-01; b p ..2021-01", "f a 2021-01 1; f b 2021-01 2; f p 2021-02 7");
    case.is("f p 2021-01", "value=3 coverage=1");
    case.is("f p 2021-02", "value=7 origin=stated coverage=1");
    case.is("f p 2021-03", "value=- coverage=0");
}

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

// docs/specification.md#figures-that-do-not-apply

#[test]
fn a_figure_that_does_not_apply_leaves_its_leaf_out() {
    let case = case(THREE, "f a 2021-01 5 6 7; f b 2021-01 1 n/a 3; f c 2021-01 2 4 4");
    case.is("f b 2021-02", "value=- reason=not_applicable coverage=- origin=-");
    case.is("f b 2021-02", "delta=not_applicable percent=not_applicable year=not_applicable");
    case.is("f b 2021-03", "value=3 reason=- delta=not_applicable"); // both ways
    // (6 + 4) - (5 + 2)
    case.is("f p 2021-02", "value=10 coverage=1 delta=coverage_changed like=3");
    case.is("f p 2021-03", "value=14 coverage=1 delta=coverage_changed like=1");
    case.is("f b 2021-Q1", "value=4 coverage=1"); // the month leaves the mean
    case.is("f b 2021-03", "ytd=4"); // and no month is missing
    case.is("f p 2021-Q1", "value=32 coverage=1");
}

#[test]
fn nothing_is_left_where_every_leaf_is_left_out() {
    let case = case(TWO, "f a 2021-01 n/a n/a 3; f b 2021-01 n/a n/a n/a");
    case.is("f p 2021-01", "value=- reason=not_applicable coverage=-");
    case.is("f b 2021-Q1", "value=- reason=not_applicable coverage=- ytd=not_applicable");
    case.is("f p 2021-03", "value=3 coverage=1 delta=not_applicable");
    case.is("f p 2021-04", "value=- reason=missing coverage=0");
}

#[test]
fn a_member_that_does_not_apply_is_left_out_of_the_sum() {
    let case = case(
        ONE,
        "split{channel=in_person} a 2021-01 3 n/a -
         split{channel=online}    a 2021-01 n/a n/a n/a",
    );
    case.is("split a 2021-01", "value=3 origin=summed coverage=1");
    case.is("split a 2021-02", "value=- reason=not_applicable coverage=-");
    case.is("split a 2021-03", "value=- reason=missing coverage=0");
}

#[test]
fn a_total_agrees_with_the_members_that_apply() {
    let case = case(
        ONE,
        "split                    a 2021-01 3 4
         split{channel=in_person} a 2021-01 3 3
         split{channel=online}    a 2021-01 n/a n/a",
    );
    assert_eq!(case.found(), ["parts_total split a 2021-02 4 3"]);
}

#[test]
fn children_that_apply_add_up_to_their_parent() {
    let case =
        case(THREE, "f p 2021-01 3 3; f a 2021-01 1 1; f b 2021-01 2 1; f c 2021-01 n/a n/a");
    assert_eq!(case.found(), ["children_total f p 2021-02 3 2"]);
}

#[test]
fn a_kpi_leaves_out_a_leaf_to_which_a_required_operand_does_not_apply() {
    let case = case(
        THREE,
        "f a 2021-01 1 1; f b 2021-01 n/a n/a; f c 2021-01 3 -
         g a 2021-01 4 4; g b 2021-01 n/a 7; g c 2021-01 4 4",
    );
    case.is("rate b 2021-01", "value=- reason=not_applicable coverage=-");
    case.is("rate p 2021-01", "value=50 coverage=1"); // 4 / 8
    case.is("rate p 2021-02", "value=25 coverage=0.5"); // a alone: 1 / 4; c is missing
    case.is("filled b 2021-02", "value=7 coverage=1"); // f is not required
    case.is("filled b 2021-01", "reason=not_applicable");
    case.is("either b 2021-01", "value=- reason=missing coverage=0");
}

#[test]
fn a_figure_above_is_no_value_of_a_leaf_to_which_it_does_not_apply() {
    let case = case(TWO, "s p 2021-01 100; s b 2021-01 n/a; f a 2021-02 5");
    // b has neither f nor s, so the units below decide: 5 - 0 at a, not 5 - 100
    case.is("since p 2021-02", "value=5 coverage=0.5");
    case.is("since b 2021-02", "value=- reason=missing coverage=0");
}

#[test]
fn a_figure_above_is_kept_with_the_leaves_to_which_it_applies() {
    // f of d is that of a alone; b, which has only g, ends without a successor.
    let case = case(
        "p; d p; a d; b d ..2021-01; c p",
        "f d 2021-01 10 12; f b 2021-01 n/a; f c 2021-01 4 5
         g a 2021-01 1 1; g b 2021-01 2; g c 2021-01 3 3",
    );
    case.is("either p 2021-01", "value=20 coverage=1"); // (10 + 4) + (1 + 2 + 3)
    // Over a and c: (12 + 5) + (1 + 3) - ((10 + 4) + (1 + 3))
    case.is("either p 2021-02", "value=21 delta=coverage_changed like=3 like_coverage=1");
}

#[test]
fn an_earlier_figure_above_is_kept_with_the_leaves_to_which_it_applied() {
    let case =
        case(DEEP, "f a 2021-01 4 - 12; f b 2021-01 n/a n/a n/a; f d 2021-02 10; f c 2021-01 2 5");
    case.is("more p 2021-02", "value=9 coverage=1"); // (10 + 5) - (4 + 2)
    case.is("more p 2021-03", "value=2 coverage=0.5 delta=coverage_changed"); // 12 - 10, without c
    case.is("more p 2021-03", "like=-4 like_coverage=0.5"); // over a: (12 - 10) - (10 - 4)
}

#[test]
fn a_leaf_that_ended_and_did_not_apply_before_leaves_the_leaves_of_today_as_they_are() {
    let units = "p; a p; b p ..2020-12";
    let case = case(units, "s a 2020-12 10 - - 12 - - 15; s b 2020-12 n/a");
    case.is("growth p 2021-Q1", "value=2 coverage=1"); // 12 - 10
    // Both quarters cover a, the only leaf: (15 - 12) - (12 - 10)
    case.is("growth p 2021-Q2", "value=3 coverage=1 delta=1 like=1 like_coverage=1");
}

#[test]
fn a_value_without_a_result_is_undefined() {
    let case = case(ONE, "f a 2021-01 1; g a 2021-01 0");
    case.is("rate a 2021-01", "value=- reason=undefined coverage=1 delta=missing");
    case.is("rate a 2021-02", "value=- reason=missing coverage=0");
}

#[test]
fn a_catalogue_says_for_which_months_figures_do_not_apply() {
    let mut document = crate::case::catalogue(
        "flow split channel*=in_person|online
         flow f
         kpi  rate = split{channel=online} / split",
    );
    document.expectations = serde_json::from_value(serde_json::json!([{
        "code": "dossiers", "unit_kinds": ["agency"], "measures": ["split"], "due_day": 5,
        "not_applicable": [{ "unit": "b", "from": "2021-02", "to": "2021-03" }]
    }]))
    .unwrap();
    let mut case = Case::of(document, crate::case::units(TWO));
    crate::case::figures(
        "split{channel=online} a 2021-01 1 1 1 1; split{channel=in_person} a 2021-01 2 2 2 2
         split b 2021-03 9; f a 2021-02 1",
    )
    .iter()
    .for_each(|figure| case.put(figure));
    case.is("split p 2021-01", "value=3 coverage=0.5");
    case.is("split p 2021-02", "value=3 coverage=1");
    // With members too
    case.is("split{channel=online} b 2021-02", "reason=not_applicable coverage=-");
    case.is("rate p 2021-02", "value=0.333333 coverage=1");
    case.is("split p 2021-03", "value=12 coverage=1"); // a recorded figure beats the span
    case.is("split b 2021-04", "reason=missing");
    case.is("f p 2021-02", "coverage=0.5"); // another indicator
}

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

const MERGE: &str = "p; a p ..2021-01 ab; b p ..2021-01 ab; ab p 2021-02..; c p";

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

// docs/specification.md#stated-rates

#[test]
fn a_stated_rate_is_given_beside_the_computed_one_with_its_printed_digits() {
    let case = case(ONE, "f a 2021-01 18506; g a 2021-01 23441; rate a 2021-01 78.950");
    case.is("rate a 2021-01", "value=78.947144 origin=computed"); // 18,506 / 23,441 = 0.78947143...
    let id = case.measures.id(&Measure::parse("rate").unwrap()).unwrap();
    let unit = case.units.position("a").unwrap();
    let stated = case.cube.stated(id, unit, "2021-01".parse().unwrap()).unwrap();
    assert_eq!(stated.written.to_string(), "78.950");
    let alone = self::case(ONE, "rate a 2021-01 78.950");
    alone.is("rate a 2021-01", "value=- coverage=0"); // a stated rate is not a value
}

// docs/specification.md#numbers

#[test]
fn decimals_are_exact_in_sums_and_differences() {
    let case =
        case(TWO, "h a 2020-02 0.1; h b 2020-02 0; h a 2021-01 0.1 0.3 0.2; h b 2021-01 0.2 0.4");
    // With doubles 0.3 - 0.1 would be 0.19999999999999998 and 0.1 + 0.2 would be
    // 0.30000000000000004.
    let february = case.at("h a 2021-02");
    assert_eq!((february.delta, february.delta_percent), (Ok(0.2), Ok(200.0)));
    assert_eq!((february.like_for_like_delta, february.year_delta), (Ok(0.2), Ok(0.2)));
    assert_eq!(case.at("h p 2021-01").value, Some(0.3)); // 0.1 + 0.2
    // 0.7 - 0.3; doubles give 0.39999999999999997
    assert_eq!(case.at("h p 2021-02").delta, Ok(0.4));
    assert_eq!(case.at("h p 2021-03").like_for_like_delta, Ok(-0.1)); // over a: 0.2 - 0.3
    let quarter = case.at("h a 2021-Q1");
    assert_eq!((quarter.value, quarter.year_to_date), (Some(0.6), Ok(0.6))); // 0.1 + 0.3 + 0.2
}

#[test]
fn figures_are_exact_up_to_the_limit() {
    let case = case(TWO, "f a 2021-01 9007199254740990 9007199254740991; f b 2021-01 1 0");
    assert_eq!(case.at("f a 2021-02").value, Some(9_007_199_254_740_991.0)); // 2^53 - 1
    assert_eq!(case.at("f a 2021-02").delta, Ok(1.0));
    assert_eq!(case.at("f p 2021-02").delta, Ok(0.0)); // 2^53 - 1 in both months
    assert_eq!(
        Decimal64::parse("9007199254740991").unwrap().at_scale(0),
        Some(9_007_199_254_740_991)
    );
    assert_eq!(Decimal64::parse("9007199254740992").unwrap().at_scale(0), None);
    // The limit applies in units of the last decimal
    assert_eq!(Decimal64::parse("900719925474099.2").unwrap().at_scale(1), None);
}

#[test]
fn numbers_are_rounded_only_in_responses() {
    let case = case(ONE, "f a 2021-01 1 2; g a 2021-01 3 3");
    let third = case.at("plain a 2021-01").value.unwrap();
    assert_eq!(third, 1.0 / 3.0);
    assert_eq!(Rounded::new(third).unwrap().to_string(), "0.333333");
    // The difference of the numbers before rounding
    case.is("rate a 2021-02", "value=66.666667 delta=33.333333 ytd=50");
    for (exact, shown) in [
        (0.000_000_5, "0.000001"),
        (-0.000_000_5, "-0.000001"),
        (0.000_000_4, "0"),
        (-0.000_000_4, "0"),
        (2_322.0, "2322"),
    ] {
        assert_eq!(Rounded::new(exact).unwrap().to_string(), shown);
    }
}

#[test]
fn large_numbers_are_rounded_to_six_decimals_too() {
    // 10,000,000,000 dong / 3 decisions = 3,333,333,333.3333333...
    assert_eq!(Rounded::new(1e10 / 3.0).unwrap().to_string(), "3333333333.333333");
}

// docs/specification.md#formulas

#[test]
fn powers_are_applied_to_sums() {
    let case = case(
        TWO,
        "f a 2021-01 3; g a 2021-01 2; f b 2021-01 1; g b 2021-01 2
         n a 2021-01 16; n b 2021-01 -20",
    );
    // 3 x 3 / 2; (3 + 1) x (3 + 1) / (2 + 2)
    case.is("squared a 2021-01", "value=4.5");
    case.is("squared p 2021-01", "value=4 coverage=1");
    // The root of 16, and of -20 and 16 - 20, which have none
    case.is("root a 2021-01", "value=4");
    case.is("root b 2021-01", "value=- reason=undefined");
    case.is("root p 2021-01", "value=- reason=undefined");
}

#[test]
fn days_are_those_of_the_months_that_count() {
    let case = case(
        TWO,
        "f a 2021-01 62; f a 2021-02 56; f a 2020-02 29; f b 2021-02 84
         s a 2021-01 10; s a 2021-02 28; m a 2021-02 2; m b 2021-02 3",
    );
    case.is("a_day a 2021-02", "value=2 origin=computed coverage=1");
    case.is("a_day a 2020-02", "value=1");
    // (56 + 84) / 28: the days count once, however many units there are
    case.is("a_day p 2021-02", "value=5");
    // (62 + 56) / (31 + 28): March is missing
    case.is("a_day a 2021-Q1", "value=2 coverage=0.666667");
    // 28 / 28: the stock and the days are those of February
    case.is("level_a_day a 2021-Q1", "value=1 taken=2021-02");
    // 2 x 28 + 3 x 28
    case.is("minutes p 2021-02", "value=140 coverage=1");
    // Of January only `a` has a figure: 2 a day in both months
    case.is("a_day p 2021-02", "delta=coverage_changed like=0");
}

const COMPLETENESS: &str = "
    flow    f
    stock   s
    flow    split     channel*=in_person|online
    expectation monthly = f s split
    expectation of_d d  = f
    kpi     completeness % = reported(monthly) / expected(monthly)
    kpi     missing   = expected(monthly) - reported(monthly)
    kpi     of_d      % = (reported(of_d) ?? 0) / (expected(of_d) ?? 1)
    kpi     a_report  = f / reported(monthly)
    kpi     only_d    % = reported(of_d) / expected(of_d)
    kpi     a_d       = f / reported(of_d)
    kpi     all       % = reported() / expected()
    expectation of_x x  = f
    kpi     both      % = (reported(of_d) + reported(of_x)) / (expected(of_d) + expected(of_x))
";

#[test]
fn completeness_counts_the_figures_that_units_have_to_report() {
    let case = |figures| Case::new(COMPLETENESS, "p; a p; b p", figures);
    let some = case(
        "f a 2021-01 5; s a 2021-01 0; split{channel=online} a 2021-01 1
         split{channel=in_person} a 2021-01 2; f b 2021-01 7
         f a 2021-03 1; s a 2021-03 n/a; f p 2021-03 4",
    );
    // `split` is there once all its members are; 3 of 3, 1 of 3, and nothing of `p` itself
    some.is("completeness a 2021-01", "value=100 origin=computed coverage=1");
    some.is("completeness b 2021-01", "value=33.333333 coverage=1");
    some.is("completeness p 2021-01", "value=44.444444 operands=4,9 coverage=1");
    some.is("missing p 2021-01", "value=5");
    // Between the first and the last report a month without any is 0, others are missing
    some.is("completeness p 2021-02", "value=0 delta=-44.444444");
    some.is("completeness p 2020-12", "value=- reason=missing coverage=0");
    some.is("completeness p 2021-04", "value=- reason=missing coverage=0");
    // `s` does not apply to `a`: 1 of 2; with `f` of `p` 2 of 8
    some.is("completeness a 2021-03", "value=50");
    some.is("completeness p 2021-03", "value=25");
    // Numbers of figures are summed over months: 4 + 0 + 2 of 9 + 9 + 8
    some.is("completeness p 2021-Q1", "value=23.076923 coverage=1");
    // 12 / 4: the counts of the units at which `f` is there
    some.is("a_report p 2021-01", "value=3");
    some.is("completeness p 2021-01", "delta=no_prior");
    case("").is("completeness p 2021-01", "value=- reason=missing");
}

#[test]
fn completeness_follows_the_units_of_an_expectation_and_their_predecessors() {
    let units = "p; d p; a d ..2021-01 c; b d ..2021-01 c; c d 2021-02..; x p";
    let mut case = Case::new(
        COMPLETENESS,
        units,
        "f a 2021-01 1; f b 2021-01 1; s b 2021-01 1; f c 2021-02 1; f x 2021-01 1",
    );
    // Of `d`, `a`, `b` 2 of 3; nothing is expected of `x`
    case.is("of_d d 2021-01", "value=66.666667");
    case.is("of_d p 2021-01", "value=66.666667");
    case.is("of_d x 2021-01", "value=- reason=missing");
    // Nobody has to report for `x`, which is left out
    case.is("only_d p 2021-01", "value=66.666667 coverage=1");
    case.is("only_d x 2021-01", "value=- reason=not_applicable coverage=-");
    case.is("only_d x 2020-01", "value=- reason=not_applicable coverage=-");
    case.is("only_d p 2020-12", "value=- reason=missing coverage=0");
    case.is("a_d a 2021-01", "value=1");
    case.is("a_d x 2021-01", "value=- reason=not_applicable");
    // 4 of 15, 2 of 3 and 1 of 1
    case.is("all p 2021-01", "value=36.842105 operands=7,19 coverage=1");
    // Of `x` somebody has to report one of the two
    case.is("both p 2021-01", "value=75 coverage=1");
    // 3 figures of `a` and `b`, of 6
    case.is("completeness c 2021-01", "value=- reason=missing");
    case.geography = Geography::Current(NaiveDate::from_ymd_opt(2021, 3, 1).unwrap());
    case.is("completeness c 2021-01", "value=50 coverage=1");
}

#[test]
fn completeness_is_shared_as_figures_are_and_leaves_out_what_does_not_apply() {
    let units = "a - ..2021-01 u:0.6 v:0.4; u - 2021-02..; v - 2021-02..";
    let mut shared = Case::new(COMPLETENESS, units, "f a 2021-01 10");
    shared.geography = Geography::Current(NaiveDate::from_ymd_opt(2021, 3, 1).unwrap());
    // 10 x 0.6 / 0.6, and (3 - 1) x 0.6
    shared.is("a_report u 2021-01", "value=10");
    shared.is("missing u 2021-01", "value=1.2");
    // A unit below one that has ended contributes to no unit above: 1 of 3 of `x`, 0 of 3 of `p`
    let ended =
        Case::new(COMPLETENESS, "p; e p ..2021-01; a e; x p", "f a 2021-02 1; f x 2021-02 1");
    ended.is("completeness p 2021-02", "value=16.666667");
    ended.is("completeness a 2021-02", "value=33.333333");
    // In January no figure applies to `a`: 1 of 6 of `b` and `p`, then 2 of 9
    let silent = Case::new(
        COMPLETENESS,
        "p; a p; b p",
        "f a 2021-01 n/a; s a 2021-01 n/a; split a 2021-01 n/a; f b 2021-01 1
         f a 2021-02 1; f b 2021-02 1",
    );
    silent.is("completeness p 2021-01", "value=16.666667 coverage=1");
    silent.is("completeness a 2021-01", "value=- reason=not_applicable coverage=-");
    silent.is("completeness p 2021-02", "value=22.222222 delta=coverage_changed");
}

#[test]
fn a_condition_chooses_between_two_values() {
    let case = case(
        TWO,
        "f a 2021-01 1; g a 2021-01 2; f b 2021-01 5; g b 2021-01 1
         f a 2021-02 2; g a 2021-02 2; f a 2021-03 7; f a 2021-04 7; g a 2021-04 0",
    );
    case.is("choice a 2021-01", "value=1");
    case.is("choice b 2021-01", "value=2");
    // The condition is applied to the sums: 6 is not below 3
    case.is("choice p 2021-01", "value=6");
    // 2 is not below 2
    case.is("choice a 2021-02", "value=4");
    // All that the formula names is needed, also what is not chosen
    case.is("choice a 2021-03", "value=- reason=missing");
    case.is("safe a 2021-04", "value=0");
    case.is("safe a 2021-01", "value=0.5");
    case.is("divided a 2021-01", "value=1");
    case.is("divided a 2021-04", "value=- reason=undefined");
}

#[test]
fn prev_goes_back_some_periods_of_the_width_of_the_period() {
    let case = case(
        ONE,
        "f a 2021-01 1; f a 2021-02 2; f a 2021-03 4; f a 2021-07 10; f a 2021-08 20; f a 2021-09 40
         s a 2021-02 3; s a 2021-03 5; s a 2021-07 7; s a 2021-09 9",
    );
    case.is("back2 a 2021-03", "value=3");
    case.is("back2 a 2021-02", "value=- reason=missing");
    // (10 - 1) + (20 - 2) + (40 - 4)
    case.is("back2 a 2021-Q3", "value=63 coverage=1");
    // Two halves back is the first half of 2020, which has nothing
    case.is("back2 a 2021-H2", "value=- reason=missing");
    // The stock of March, the last month two quarters before
    case.is("level_back2 a 2021-Q3", "value=4 taken=2021-09");
    case.is("level_back2 a 2021-09", "value=2");
    case.is("back2 a 2021-9M", "value=- reason=missing");
}

#[test]
fn year_before_reads_the_same_month_of_the_year_before_in_every_period() {
    let case = case(
        ONE,
        "f a 2020-01 1; f a 2020-02 2; f a 2021-01 3; f a 2021-02 5; f a 2021-03 9
         s a 2020-02 5; s a 2021-02 7; s a 2021-03 8
         broken a 2020-03 1; broken a 2020-04 1; broken a 2021-03 1; broken a 2021-04 2",
    );
    case.is("yearly a 2021-02", "value=3");
    case.is("yearly a 2021-03", "value=- reason=missing");
    // (3 - 1) + (5 - 2), as year_delta over these months; also where prev() reads nothing
    case.is("yearly a 2021-Q1", "value=5 coverage=0.666667");
    case.is("yearly a 2021-9M", "value=5");
    case.is("yearly a 2021", "value=5");
    case.is("yearly a 2021-01..2021-02", "value=5 coverage=1");
    // Only February has both: 7 - 5
    case.is("level_yearly a 2021-Q1", "value=2 taken=2021-02");
    // The definition changed in April 2021, between the two years that are compared
    case.is("broken_yearly a 2021-04", "value=1 delta=definition_changed");
}

#[test]
fn a_kpi_in_a_formula_is_its_formula() {
    let case = case(
        TWO,
        "f a 2021-01 2; g a 2021-01 4; s a 2021-01 3; s2 a 2021-01 4
         f b 2021-01 4; g b 2021-01 4; s b 2021-01 0; s2 b 2021-01 4
         f a 2021-02 3; g a 2021-02 4
         split{channel=online,level=three} a 2021-01 6; split{level=three} a 2021-01 8
         split{channel=online,level=four} a 2021-01 1; split{level=four} a 2021-01 4",
    );
    // max(2 / 4, 3 / 4) in percent: a percentage in a formula is its fraction
    case.is("best a 2021-01", "value=75 operands=2,4,3,4");
    // Sums first: max(6 / 8, 3 / 8), not the mean of 75 and 100
    case.is("best p 2021-01", "value=75");
    case.is("rate_of_rates a 2021-01", "value=1");
    // 75 % after 50 %
    case.is("gain a 2021-02", "value=25");
    // Members pass through: 6 of 8; 1 - 6 / 8, 1 - 1 / 4
    case.is("online_three a 2021-01", "value=75");
    case.is("offline{level=three} a 2021-01", "value=25");
    case.is("offline{level=four} a 2021-01", "value=75");
}

#[test]
fn formulas_that_contain_themselves_or_unknown_parts_are_refused() {
    let faults = |text: &str| -> Vec<String> {
        let document = crate::case::catalogue(text);
        let faults = kpi::catalogue::Catalogue::new(document).unwrap_err();
        faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    };
    let figures = "flow f\n average m\n flow split level=three|four\n";
    let with = |text: &str| faults(&format!("{figures}{text}"));
    assert_eq!(with("kpi x = x + f"), ["/kpis/0/formula circular_formula"]);
    assert_eq!(
        with("kpi x = y\n kpi y = f + z\n kpi z = x"),
        [
            "/kpis/0/formula circular_formula",
            "/kpis/1/formula circular_formula",
            "/kpis/2/formula circular_formula"
        ]
    );
    assert_eq!(with("kpi x = f\n rule r = x{level} <= 1"), ["/rules/0/check unknown_dimension"]);
    assert_eq!(with("kpi x = prev(f)\n kpi y = prev(x)"), ["/kpis/1/formula malformed_formula"]);
    assert_eq!(with("kpi x = f ?? days()"), ["/kpis/0/formula days_in_alternative"]);
    assert_eq!(with("kpi x = days()"), ["/kpis/0/formula no_operand"]);
    let expecting = |text: &str| with(&format!("expectation e = f\n{text}"));
    assert_eq!(
        expecting("kpi x = reported(e) / expected(o)"),
        ["/kpis/0/formula unknown_expectation"]
    );
    assert_eq!(with("kpi x = expected()"), ["/kpis/0/formula unknown_expectation"]);
    assert_eq!(expecting("kpi x = prev(expected(e))"), ["/kpis/0/formula malformed_formula"]);
    assert_eq!(expecting("rule r = f <= expected(e)"), ["/rules/0/check reports_in_rule"]);
    assert_eq!(expecting("rule r = reported(e) <= 5"), ["/rules/0/check reports_in_rule"]);
    let nine = ["reported(e)"; 9].join(" + ");
    assert_eq!(expecting(&format!("kpi x = {nine}")), ["/kpis/0/formula too_many"]);
    assert_eq!(with("kpi x = m ^ 2"), ["/kpis/0/formula average_outside_sum"]);
    assert_eq!(with("rule r = both_or_none(f, 2)"), ["/rules/0/check no_operand"]);
    assert_eq!(
        with("kpi x = split{level}\n rule r = x <= 1\n rule s = split{level} <= 1"),
        ["/rules/1/check open_dimension"]
    );
    // 4 x 4 x 4 x 4 x 4 indicators
    let doubled: Vec<String> =
        (1..6).map(|n| format!("kpi k{n} = k{0}+k{0}+k{0}+k{0}", n - 1)).collect();
    assert_eq!(with(&format!("kpi k0 = f\n{}", doubled.join("\n"))), ["/kpis/5/formula too_many"]);
}

/// Each of these catalogues is small, and large once kpis are replaced by their formulas.
#[test]
fn formulas_with_kpis_in_them_are_limited_before_they_are_made() {
    let faults = |text: &str| -> Vec<String> {
        let document = crate::case::catalogue(&format!("flow f\n{text}"));
        let faults = kpi::catalogue::Catalogue::new(document).err().unwrap_or_default();
        faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    };
    let chain = |length: usize, first: &str, more: &str| {
        let kpis = (1..length).map(|n| format!("kpi k{n} = k{}{more}", n - 1));
        faults(
            &[format!("kpi k0 = {first}")].into_iter().chain(kpis).collect::<Vec<_>>().join("\n"),
        )
    };
    assert_eq!(chain(16, "f", ""), Vec::<String>::new());
    assert_eq!(chain(17, "f", ""), ["/kpis/16/formula too_many"]);
    // Numbers count too: 1,001 operations and numbers more in each.
    let ones = " + 1".repeat(500);
    assert_eq!(chain(3, "f", &ones), Vec::<String>::new());
    assert_eq!(chain(4, "f", &ones), ["/kpis/3/formula too_many"]);
    assert_eq!(chain(400, "f", &" + 1".repeat(900)).len(), 398);
    let many = |count: usize| {
        let kpis = (1..=count).map(|n| format!("kpi k{n} = k0 + f"));
        let first = format!("kpi k0 = f{}", " + 1".repeat(900));
        faults(&[first].into_iter().chain(kpis).collect::<Vec<_>>().join("\n"))
    };
    assert_eq!(many(138), Vec::<String>::new());
    assert_eq!(many(139), ["/kpis/139/formula too_many"]);
}
