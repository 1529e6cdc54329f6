//! Own values, values and their coverage.

use kpi::measure::Measure;
use kpi::number::Decimal64;

use super::{DEEP, ONE, THREE, TWO, case};

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
