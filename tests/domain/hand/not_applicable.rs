//! Figures that do not apply to units.

use super::{DEEP, ONE, THREE, TWO, case};
use crate::case::Case;

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
