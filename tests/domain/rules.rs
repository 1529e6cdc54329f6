//! Findings: each rule gives a finding, gives none at its limit, and one cause gives one finding.
//! Each case is evaluated at once and figure by figure, in both orders; all must give the same
//! findings.

use egov_kpi::app::App;
use egov_kpi::app::write::submission::SubmissionInput;
use egov_kpi::intake::SubmissionEnvelope;
use kpi::rules::CurrentFindings;
use ledger::Store;

use crate::case::{self, Case, Figure};

const ONE: &str = "a";
const TWO: &str = "p; a p; b p";
/// A province, a district with two communes, and a commune beside the district.
const DEEP: &str = "p; d p; a d; b d; c p";

const CATALOGUE: &str = "
    flow    f
    flow    g
    flow    h         .1
    flow    split     channel*=in_person|online level*=three|four
    flow    one_split channel*=in_person|online
    flow    dated     way*=counter|online|post~2021-04..
    flow    subset    level=three|four
    flow    subsets   level=three|four channel=in_person|online
    flow    mixed     channel*=in_person|online level=three|four
    flow    certs     holder*=individual|organisation token*=usb|sim@holder:individual
    average m         channel*=in_person|online
    flow    created
    flow    ended
    stock   level     opened@created closed@ended
    stock   open      opened@created
    stock   held      opened@created closed@ended channel*=in_person|online
    kpi     rate      % = f / g
    kpi     ratio     = f / g
";

/// The findings of a case, evaluated at once, and again figure by figure in the order of the table
/// and in reverse.
#[track_caller]
fn found(rules: &str, units: &str, figures: &str) -> Vec<String> {
    let text = format!("{CATALOGUE}\n{rules}");
    let at_once = Case::new(&text, units, figures).found();
    let table = case::figures(figures);
    assert_eq!(
        one_by_one(&text, units, &table),
        at_once,
        "figure by figure in order must give the same findings as all at once"
    );
    let backwards: Vec<Figure> = table.iter().rev().cloned().collect();
    assert_eq!(
        one_by_one(&text, units, &backwards),
        at_once,
        "figure by figure in reverse must give the same findings as all at once"
    );
    at_once
}

/// Records figures one after the other and updates the findings as the writer does.
fn one_by_one(catalogue: &str, units: &str, figures: &[Figure]) -> Vec<String> {
    let mut case = Case::new(catalogue, units, "");
    let mut standing = CurrentFindings::default();
    for figure in figures {
        // Fill the dictionary first, because rules are prepared for its measures
        case.entry(figure);
    }
    let book = case.book();
    for figure in figures {
        case.put(figure);
        let (entry, mut checks) = (case.entry(figure), Vec::new());
        book.collect_affected_checks(&case.source(), &entry, &mut checks);
        checks.sort_unstable();
        checks.dedup();
        let outcomes: Vec<_> = checks
            .into_iter()
            .map(|check| (check, book.evaluate(&case.source(), &check)))
            .collect();
        outcomes
            .into_iter()
            .for_each(|(check, outcome)| book.record(&check, outcome, &mut standing));
    }
    case.all_worded(&standing)
}

#[track_caller]
fn finds(rules: &str, units: &str, figures: &str, expected: &[&str]) {
    assert_eq!(found(rules, units, figures), expected);
}

// parts_total

#[test]
fn complete_members_add_up_to_the_total() {
    let parts =
        "one_split{channel=in_person} a 2021-01 11414; one_split{channel=online} a 2021-01 2180";
    finds("", ONE, &format!("one_split a 2021-01 13594; {parts}"), &[]); // 11,414 + 2,180
    finds(
        "",
        ONE,
        &format!("one_split a 2021-01 13593; {parts}"),
        &["parts_total one_split a 2021-01 13593 13594"],
    );
    finds(
        "",
        ONE,
        &format!("one_split a 2021-01 13595; {parts}"),
        &["parts_total one_split a 2021-01 13595 13594"],
    );
    // A member is missing
    finds("", ONE, "one_split a 2021-01 1; one_split{channel=online} a 2021-01 2180", &[]);
    finds("", ONE, parts, &[]); // no total is stated
}

#[test]
fn members_within_a_host_add_up_to_the_host() {
    let figures = "certs a 2021-01 2312; certs{holder=organisation} a 2021-01 467; \
                   certs{holder=individual} a 2021-01 1855
                   certs{holder=individual,token=usb} a 2021-01 1777; \
                   certs{holder=individual,token=sim} a 2021-01 78";
    // 467 + 1,855; 1,777 + 78 = 1,855 agrees
    finds("", ONE, figures, &["parts_total certs a 2021-01 2312 2322"]);
}

#[test]
fn a_member_with_dates_is_a_part_in_its_months_and_where_it_has_a_figure() {
    // Post begins in April: 3 + 4 = 7
    let two = "dated{way=counter} a 2021-03 3 3; dated{way=online} a 2021-03 4 4";
    finds("", ONE, &format!("dated a 2021-03 7 7; {two}"), &[]);
    let wrong = format!("dated a 2021-03 8 8; {two}");
    // From April on post is missing, and nothing is said about the total
    finds("", ONE, &wrong, &["parts_total dated a 2021-03 8 7"]);
    let three = format!("{wrong}; dated{{way=post}} a 2021-03 1 2");
    finds("", ONE, &three, &["parts_total dated a 2021-04 8 9"]); // 3 + 4 + 1; 3 + 4 + 2
}

#[test]
fn averages_have_no_parts() {
    finds(
        "",
        TWO,
        "m a 2021-01 5; m{channel=online} a 2021-01 1; m{channel=in_person} a 2021-01 1; m p \
         2021-01 9; m b 2021-01 1",
        &[],
    );
}

#[test]
fn a_wrong_member_is_one_finding_at_the_member() {
    // Online is 3 + 4 = 7, stated as 8; the total of 12 agrees with 7 + 5 and not with 8 + 5.
    let figures =
        "split a 2021-01 12; split{channel=in_person} a 2021-01 5; split{channel=online} \
                   a 2021-01 8
                   split{channel=online,level=three} a 2021-01 3; split{channel=online,level=four} \
                   a 2021-01 4";
    finds("", ONE, figures, &["parts_total split{channel=online} a 2021-01 8 7"]);
}

#[test]
fn a_total_that_contradicts_two_dimensions_is_one_finding() {
    let figures =
        "split a 2021-01 13; split{channel=in_person} a 2021-01 5; split{channel=online} \
                   a 2021-01 7
                   split{level=three} a 2021-01 4; split{level=four} a 2021-01 8";
    finds("", ONE, figures, &["parts_total split a 2021-01 13 12"]); // 5 + 7, and 4 + 8
}

#[test]
fn a_second_dimension_is_checked_where_the_first_agrees() {
    let figures =
        "split a 2021-01 12; split{channel=in_person} a 2021-01 5; split{channel=online} \
                   a 2021-01 7
                   split{level=three} a 2021-01 4; split{level=four} a 2021-01 9";
    // 5 + 7 = 12 agrees, 4 + 9 does not
    finds("", ONE, figures, &["parts_total split a 2021-01 12 13"]);
}

// parts_exceed_total

#[test]
fn members_of_a_subset_do_not_exceed_the_total() {
    finds(
        "",
        ONE,
        "subset a 2021-01 10; subset{level=three} a 2021-01 4; subset{level=four} a 2021-01 6",
        &[],
    ); // 10 is not more than 10
    finds(
        "",
        ONE,
        "subset a 2021-01 10; subset{level=three} a 2021-01 4; subset{level=four} a 2021-01 7",
        &["parts_exceed_total subset a 2021-01 10 11"],
    );
    finds(
        "",
        ONE,
        "subset a 2021-01 10; subset{level=four} a 2021-01 11",
        &["parts_exceed_total subset a 2021-01 10 11"],
    ); // one member is enough
    // No total
    finds("", ONE, "subset{level=three} a 2021-01 4; subset{level=four} a 2021-01 7", &[]);
}

#[test]
fn a_subset_is_compared_with_a_summed_total_as_well() {
    let figures = "mixed{channel=in_person} a 2021-01 3; mixed{channel=online} a 2021-01 4; \
                   mixed{level=four} a 2021-01 8";
    finds("", ONE, figures, &["parts_exceed_total mixed a 2021-01 7 8"]); // 3 + 4
}

#[test]
fn of_two_subsets_the_one_that_exceeds_is_found() {
    let total = "subsets a 2021-01 10; subsets{level=three} a 2021-01 1; subsets{channel=online} a \
                 2021-01 1";
    let second = format!("{total}; subsets{{channel=in_person}} a 2021-01 10");
    finds("", ONE, &second, &["parts_exceed_total subsets a 2021-01 10 11"]);
    let first = format!("{total}; subsets{{level=four}} a 2021-01 11");
    finds("", ONE, &first, &["parts_exceed_total subsets a 2021-01 10 12"]);
    let both = format!(
        "{total}; subsets{{level=four}} a 2021-01 11; subsets{{channel=in_person}} a 2021-01 10"
    );
    assert_eq!(found("", ONE, &both).len(), 1, "one total must give one finding");
}

#[test]
fn a_wrong_member_of_a_subset_is_one_finding_at_the_member() {
    // Level four is 20 + 20 = 40, stated as 90. With 40 the levels add up to 80, less than the
    // total of 100.
    let figures = "mixed a 2021-01 100; mixed{level=three} a 2021-01 40; mixed{level=four} a \
                   2021-01 90
                   mixed{channel=in_person,level=four} a 2021-01 20; \
                   mixed{channel=online,level=four} a 2021-01 20";
    finds("", ONE, figures, &["parts_total mixed{level=four} a 2021-01 90 40"]);
}

// children_total

#[test]
fn a_stated_figure_equals_the_sum_of_the_children_when_all_have_reported() {
    finds("", TWO, "f p 2021-01 30; f a 2021-01 10; f b 2021-01 20", &[]);
    finds(
        "",
        TWO,
        "f p 2021-01 31; f a 2021-01 10; f b 2021-01 20",
        &["children_total f p 2021-01 31 30"],
    );
    finds(
        "",
        TWO,
        "f p 2021-01 29; f a 2021-01 10; f b 2021-01 20",
        &["children_total f p 2021-01 29 30"],
    );
    finds("", TWO, "f p 2021-01 31; f a 2021-01 10", &[]); // b has not reported
    finds(
        "",
        TWO,
        "level p 2021-01 31; level a 2021-01 10; level b 2021-01 20",
        &["children_total level p 2021-01 31 30"],
    ); // stocks too
    finds("", TWO, "h p 2021-01 0.3; h a 2021-01 0.1; h b 2021-01 0.2", &[]); // exact decimals
    finds(
        "",
        TWO,
        "h p 2021-01 0.3; h a 2021-01 0.1; h b 2021-01 0.3",
        &["children_total h p 2021-01 0.3 0.4"],
    );
}

#[test]
fn all_have_reported_when_every_leaf_below_is_covered() {
    finds(
        "",
        DEEP,
        "f p 2021-01 99; f a 2021-01 10; f b 2021-01 20; f c 2021-01 5",
        &["children_total f p 2021-01 99 35"],
    ); // (10 + 20) + 5
    finds("", DEEP, "f p 2021-01 99; f a 2021-01 10; f c 2021-01 5", &[]); // b has not reported
    finds(
        "",
        DEEP,
        "f p 2021-01 99; f d 2021-01 50; f c 2021-01 5",
        &["children_total f p 2021-01 99 55"],
    ); // the figure of d covers a and b
}

#[test]
fn children_that_do_not_exist_are_not_required() {
    let units = "p; a p; b p ..2021-01; c p 2021-02..";
    finds(
        "",
        units,
        "f p 2021-01 30 50; f a 2021-01 10 20; f b 2021-01 20; f c 2021-02 31",
        &["children_total f p 2021-02 50 51"],
    ); // 20 + 31
}

#[test]
fn members_are_compared_with_the_children_as_well() {
    let figures = "one_split{channel=online} p 2021-01 9; one_split{channel=online} a 2021-01 4; \
                   one_split{channel=online} b 2021-01 4";
    finds("", TWO, figures, &["children_total one_split{channel=online} p 2021-01 9 8"]);
}

#[test]
fn a_province_total_wrong_against_parts_and_children_is_one_finding() {
    // 14 stated; its members 5 + 8 = 13, its children 6 + 7 = 13.
    let figures = "one_split p 2021-01 14; one_split{channel=in_person} p 2021-01 5; \
                   one_split{channel=online} p 2021-01 8
                   one_split{channel=in_person} a 2021-01 2; one_split{channel=online} a 2021-01 4
                   one_split{channel=in_person} b 2021-01 3; one_split{channel=online} b 2021-01 4";
    finds("", TWO, figures, &["parts_total one_split p 2021-01 14 13"]);
}

#[test]
fn a_province_member_wrong_against_total_and_children_is_one_finding() {
    // Online is stated as 9 and is 8 by the total (13 - 5) and by the children (4 + 4).
    let figures = "one_split p 2021-01 13; one_split{channel=in_person} p 2021-01 5; \
                   one_split{channel=online} p 2021-01 9
                   one_split{channel=in_person} a 2021-01 2; one_split{channel=online} a 2021-01 4
                   one_split{channel=in_person} b 2021-01 3; one_split{channel=online} b 2021-01 4";
    assert_eq!(found("", TWO, figures).len(), 1, "{:?}", found("", TWO, figures));
}

#[test]
fn a_wrong_district_between_right_communes_and_a_right_province_is_one_finding() {
    // The district states 31, its communes add up to 10 + 20 = 30. The province states 35, which is
    // 30 + 5.
    let figures = "f p 2021-01 35; f d 2021-01 31; f a 2021-01 10; f b 2021-01 20; f c 2021-01 5";
    finds("", DEEP, figures, &["children_total f d 2021-01 31 30"]);
}

#[test]
fn a_wrong_total_whose_members_are_wrong_by_as_much_is_named_at_the_members() {
    // Online is stated as 9, the children have 4 + 4, and the total is stated as 14. The members
    // add up (5 + 9), the children to 13.
    let figures = "one_split p 2021-01 14; one_split{channel=in_person} p 2021-01 5; \
                   one_split{channel=online} p 2021-01 9
                   one_split{channel=in_person} a 2021-01 2; one_split{channel=online} a 2021-01 4
                   one_split{channel=in_person} b 2021-01 3; one_split{channel=online} b 2021-01 4";
    finds("", TWO, figures, &["children_total one_split{channel=online} p 2021-01 9 8"]);
}

// stock_movement

#[test]
fn a_stock_is_the_one_before_and_what_was_created_less_what_was_closed() {
    let moved = "created a 2021-01 10; ended a 2021-01 4";
    // 100 + 10 - 4, across the year's end
    finds("", ONE, &format!("level a 2020-12 100 106; {moved}"), &[]);
    finds(
        "",
        ONE,
        &format!("level a 2020-12 100 107; {moved}"),
        &["stock_movement level a 2021-01 107 106"],
    );
    finds(
        "",
        ONE,
        &format!("level a 2020-12 100 105; {moved}"),
        &["stock_movement level a 2021-01 105 106"],
    );
    // The month before is missing
    finds("", ONE, &format!("level a 2020-11 100 - 107; {moved}"), &[]);
    // The opening flow is missing
    finds("", ONE, "level a 2020-12 100 200; ended a 2021-01 4", &[]);
}

#[test]
fn without_reported_closures_a_stock_may_only_be_lower() {
    finds("", ONE, "open a 2020-12 100 110; created a 2021-01 10", &[]);
    finds("", ONE, "open a 2020-12 100 95; created a 2021-01 10", &[]); // 15 may have been closed
    finds(
        "",
        ONE,
        "open a 2020-12 100 111; created a 2021-01 10",
        &["stock_movement open a 2021-01 111 110"],
    );
}

#[test]
fn a_stock_total_wrong_against_its_members_and_its_movement_is_one_finding() {
    // 120 stated; its members 70 + 40 = 110, and 100 + 10 - 0 = 110.
    let figures = "held a 2020-12 100 120; held{channel=in_person} a 2020-12 60 70; \
                   held{channel=online} a 2020-12 40 40; created a 2021-01 10; ended a 2021-01 0";
    assert_eq!(found("", ONE, figures).len(), 1, "{:?}", found("", ONE, figures));
}

// stated_rate

#[test]
fn a_stated_rate_may_differ_by_half_a_unit_of_its_last_printed_digit() {
    // 1,579 / 2,000 = 78.95 %: halfway between 78.9 and 79.0.
    let figures = "f a 2021-01 1579; g a 2021-01 2000";
    for within in ["78.95", "78.950", "78.9", "79.0", "79"] {
        finds("", ONE, &format!("{figures}; rate a 2021-01 {within}"), &[]);
    }
    finds(
        "",
        ONE,
        &format!("{figures}; rate a 2021-01 78.8"),
        &["stated_rate rate a 2021-01 78.8 78.95"],
    );
    finds(
        "",
        ONE,
        &format!("{figures}; rate a 2021-01 79.1"),
        &["stated_rate rate a 2021-01 79.1 78.95"],
    );
    finds(
        "",
        ONE,
        &format!("{figures}; rate a 2021-01 78.951"),
        &["stated_rate rate a 2021-01 78.951 78.95"],
    );
    finds(
        "",
        ONE,
        &format!("{figures}; rate a 2021-01 79.00"),
        &["stated_rate rate a 2021-01 79 78.95"],
    ); // two decimals are printed, so half of 0.01 is allowed
    finds(
        "",
        ONE,
        &format!("{figures}; rate a 2021-01 78"),
        &["stated_rate rate a 2021-01 78 78.95"],
    );
}

#[test]
fn the_last_printed_digit_decides_at_the_boundary() {
    // 7,895,001 / 10,000,000 = 78.95001 %, which is 0.00001 beyond the limit of 78.9.
    let figures = "f a 2021-01 7895001; g a 2021-01 10000000";
    finds("", ONE, &format!("{figures}; rate a 2021-01 79.0"), &[]);
    finds(
        "",
        ONE,
        &format!("{figures}; rate a 2021-01 78.9"),
        &["stated_rate rate a 2021-01 78.9 78.95001"],
    );
}

#[test]
fn a_stated_rate_is_compared_with_what_is_computed_from_the_children() {
    let figures =
        "f a 2021-01 1; g a 2021-01 2; f b 2021-01 30; g b 2021-01 40; rate p 2021-01 62.5";
    // 31 / 42, not the mean of 50 and 75
    finds("", TWO, figures, &["stated_rate rate p 2021-01 62.5 73.809524"]);
    finds("", TWO, "rate p 2021-01 62.5; f p 2021-01 5", &[]); // there is no computed rate
    // No computed rate: division by zero
    finds("", TWO, "rate a 2021-01 62.5; f a 2021-01 5; g a 2021-01 0", &[]);
    finds(
        "",
        ONE,
        "ratio a 2021-01 0.5; f a 2021-01 1; g a 2021-01 4",
        &["stated_rate ratio a 2021-01 0.5 0.25"],
    ); // also for kpis that are not percentages
}

// Written rules.

const LIMIT: &str = "rule limit = f <= g";

#[test]
fn a_declared_rule_fires_beyond_its_limit() {
    finds(LIMIT, ONE, "f a 2021-01 5; g a 2021-01 5", &[]);
    finds(LIMIT, ONE, "f a 2021-01 6; g a 2021-01 5", &["limit f a 2021-01 6 5"]);
    finds("rule floor = f >= g + 1", ONE, "f a 2021-01 6; g a 2021-01 5", &[]);
    finds(
        "rule floor = f >= g + 1",
        ONE,
        "f a 2021-01 5; g a 2021-01 5",
        &["floor f a 2021-01 5 6"],
    );
    finds("rule same = f == g * 2", ONE, "f a 2021-01 10; g a 2021-01 5", &[]);
    finds(
        "rule same = f == g * 2",
        ONE,
        "f a 2021-01 9; g a 2021-01 5",
        &["same f a 2021-01 9 10"],
    );
}

#[test]
fn a_difference_equal_to_the_tolerance_is_accepted() {
    let rule = "rule near ~0.5 = h == f";
    finds(rule, ONE, "h a 2021-01 5.5; f a 2021-01 5", &[]);
    finds(rule, ONE, "h a 2021-01 4.5; f a 2021-01 5", &[]);
    finds(rule, ONE, "h a 2021-01 5.6; f a 2021-01 5", &["near h a 2021-01 5.6 5"]);
    // 0.3 and 0.2 differ by no more than 0.1
    finds("rule tenth ~0.1 = h <= h + 0 - 0.1", ONE, "h a 2021-01 0.3", &[]);
    finds("rule limit ~2 = f <= g", ONE, "f a 2021-01 7; g a 2021-01 5", &[]);
    finds(
        "rule limit ~2 = f <= g",
        ONE,
        "f a 2021-01 8; g a 2021-01 5",
        &["limit f a 2021-01 8 5"],
    );
}

#[test]
fn a_rule_with_a_missing_operand_is_not_evaluated() {
    finds(LIMIT, TWO, "f a 2021-01 6; g b 2021-01 5", &[]);
    finds(
        "rule limit = f <= (g ?? 3)",
        TWO,
        "f a 2021-01 6; f b 2021-01 3",
        &["limit f a 2021-01 6 3"],
    );
    // A division by zero is not evaluated
    finds("rule ratio = f / g <= 1", ONE, "f a 2021-01 6; g a 2021-01 0", &[]);
}

#[test]
fn rules_use_own_values_unless_they_are_rolled_up() {
    let figures = "f a 2021-01 6; g a 2021-01 9; f b 2021-01 6; g b 2021-01 2";
    // The province has no own values, so the rule is not evaluated there
    finds(LIMIT, TWO, figures, &["limit f b 2021-01 6 2"]);
    let stated_above = "f p 2021-01 13; g p 2021-01 12";
    finds(LIMIT, TWO, stated_above, &["limit f p 2021-01 13 12"]);
}

#[test]
fn a_rolled_up_rule_is_evaluated_above_the_figures_too() {
    // At a 6 <= 9 holds; at b 6 <= 2 does not, and at p 12 <= 11 does not.
    let figures = "f a 2021-01 6; g a 2021-01 9; f b 2021-01 6; g b 2021-01 2";
    finds(
        "rule limit rolled_up = f <= g",
        TWO,
        figures,
        &["limit f p 2021-01 12 11", "limit f b 2021-01 6 2"],
    );
    finds("rule limit rolled_up = f <= g", TWO, "f a 2021-01 6; g a 2021-01 9", &[]);
}

#[test]
fn a_rule_may_use_the_month_before() {
    let rule = "rule jump = f <= prev(f) * 10";
    finds(rule, ONE, "f a 2020-12 5 50", &[]);
    finds(rule, ONE, "f a 2020-12 5 51", &["jump f a 2021-01 51 50"]); // across the year's end
    finds(rule, ONE, "f a 2020-11 5 - 51", &[]);
}

#[test]
fn a_rule_with_figures_only_in_the_month_before_is_found_on_full_evaluation() {
    // In February only the other side has a figure; a number always has a value.
    finds(
        "rule after = g <= prev(f)",
        ONE,
        "f a 2021-01 5; g a 2021-02 6",
        &["after g a 2021-02 6 5"],
    );
    let text = format!("{CATALOGUE}\nrule lasts = prev(f) <= 5");
    let at_once = Case::new(&text, ONE, "f a 2021-01 6").found();
    assert_eq!(
        one_by_one(&text, ONE, &case::figures("f a 2021-01 6")),
        at_once,
        "figure by figure must give the same findings as all at once"
    );
}

#[test]
fn a_rule_over_the_leaves_is_reevaluated_when_a_leaf_changes() {
    // sum() reads the leaves below p. With 2 and 3 the stated 5 agrees; with 2 and 4 it does not.
    let rule = "rule leaves = f == sum(g * 1)";
    finds(rule, TWO, "f p 2021-01 5; g a 2021-01 2; g b 2021-01 3", &[]);
    finds(rule, TWO, "f p 2021-01 5; g a 2021-01 2; g b 2021-01 4", &["leaves f p 2021-01 5 6"]);
}

#[test]
fn a_rule_uses_the_members_it_names() {
    let rule = "rule online = one_split{channel=online} <= f";
    finds(
        rule,
        ONE,
        "one_split{channel=online} a 2021-01 6; f a 2021-01 5",
        &["online one_split{channel=online} a 2021-01 6 5"],
    );
    finds(rule, ONE, "one_split{channel=in_person} a 2021-01 6; f a 2021-01 5", &[]);
}

// The report of Tra Vinh, October 2021.

#[test]
fn the_real_report_contradicts_itself_in_exactly_three_places() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("sqlite://{}", folder.path().join("ledger.db").display());
    let app = App::open(Store::open(&address, true).unwrap()).unwrap();
    let csv = include_bytes!("../../catalogue/travinh-2021-10.csv").to_vec();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let body = SubmissionInput::Csv(csv, SubmissionEnvelope::default());
    let tried = app.dry_run(&body, "test").unwrap();
    let receipt = runtime.block_on(app.submit(&body, "test")).unwrap();
    assert_eq!((tried.counts, &tried.findings), (receipt.counts, &receipt.findings));
    let words: Vec<String> = receipt
        .findings
        .iter()
        .map(|found| {
            format!(
                "{} {} {} {} {} {}",
                found.rule, found.measure, found.unit, found.period, found.stated, found.computed
            )
        })
        .collect();
    let expected = [
        "parts_total pki.certificates.total travinh 2021-10 2312 2322", // 467 + 1,855
        // 2,067 / 8,117
        "stated_rate igate.dossiers.online_rate{service_level=4} travinh 2021-10 25.3 25.465073",
        // 18,506 / 23,441
        "stated_rate ioffice.documents.signed_rate travinh 2021-10 78.955 78.947144",
    ];
    let mut sorted = words.clone();
    sorted.sort();
    assert_eq!(sorted, expected);
    let state = app.state();
    let standing = |standing: &CurrentFindings| {
        standing
            .within(state.units.all())
            .map(|found| (found.rule.clone(), found.measure.to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(state.standing().len(), 3);
    let scratch = state.book.all(&state.source());
    assert_eq!(standing(state.standing()), standing(&scratch));
    drop(state);
    app.stop();
}

#[test]
fn sides_may_be_strictly_smaller_or_different() {
    let at = |figures: &str| format!("f a 2021-01 {figures}; g a 2021-01 5");
    finds("rule less = f < g", ONE, &at("4"), &[]);
    finds("rule less = f < g", ONE, &at("5"), &["less f a 2021-01 5 5"]);
    finds("rule more = f > g", ONE, &at("6"), &[]);
    finds("rule more = f > g", ONE, &at("5"), &["more f a 2021-01 5 5"]);
    finds("rule other = f != g", ONE, &at("6"), &[]);
    finds("rule other = f != g", ONE, &at("5"), &["other f a 2021-01 5 5"]);
    // 0.1 x 3 is not above 0.3
    finds("rule more = h * 3 > 0.3", ONE, "h a 2021-01 0.1", &["more h a 2021-01 0.3 0.3"]);
}

#[test]
fn figures_that_belong_together_are_all_there_or_none() {
    let rule = "rule pair = both_or_none(f, g)";
    finds(rule, ONE, "f a 2021-01 1; g a 2021-01 0", &[]);
    finds(rule, ONE, "h a 2021-01 1", &[]);
    // One of two
    finds(rule, ONE, "f a 2021-01 1", &["pair f a 2021-01 1 2"]);
    finds(rule, ONE, "g a 2021-01 0", &["pair f a 2021-01 1 2"]);
    // In another month or unit is not together
    finds(
        rule,
        TWO,
        "f a 2021-01 1; g b 2021-01 1; g a 2021-02 1",
        &["pair f a 2021-01 1 2", "pair f a 2021-02 1 2", "pair f b 2021-01 1 2"],
    );
    // A figure that does not apply is not waited for
    finds(rule, ONE, "f a 2021-01 1; g a 2021-01 n/a", &[]);
    let three = "rule all = both_or_none(f, g, h * 2)";
    finds(three, ONE, "f a 2021-01 1; h a 2021-01 1", &["all f a 2021-01 2 3"]);
    // The month a year later has not come; where it has, the year before may be missing.
    let yearly = "rule yearly = both_or_none(f, year_before(f))";
    finds(yearly, ONE, "f a 2020-01 1; f a 2021-01 1", &["yearly f a 2020-01 1 2"]);
    // Above the leaves
    let above = "rule pair rolled_up = both_or_none(f, g)";
    finds(above, TWO, "f a 2021-01 1; g a 2021-01 1; f p 2021-01 1", &[]);
    finds(
        above,
        TWO,
        "f a 2021-01 1; f p 2021-01 1; g b 2021-01 1",
        &["pair f a 2021-01 1 2", "pair f b 2021-01 1 2"],
    );
}

#[test]
fn of_figures_that_exclude_each_other_one_is_there() {
    let rule = "rule one = one_of(f, g, h)";
    finds(rule, ONE, "f a 2021-01 1", &[]);
    finds(rule, ONE, "f a 2021-01 1; h a 2021-01 2", &["one f a 2021-01 2 1"]);
    finds(rule, TWO, "f a 2021-01 1; h b 2021-01 2", &[]);
}

#[test]
fn a_rule_may_be_one_of_a_unit_and_those_below() {
    let rule = "rule least unit@d = 5 <= f\n rule most unit@d = f <= 10";
    let figures = "f a 2021-01 4; f b 2021-01 11; f c 2021-01 99; f d 2021-01 7; f p 2021-01 1";
    finds(
        rule,
        DEEP,
        figures,
        &[
            "children_total f p 2021-01 1 106",
            "children_total f d 2021-01 7 15",
            "least f a 2021-01 5 4",
            "most f b 2021-01 11 10",
        ],
    );
    finds("rule nowhere unit@none = f <= 1", ONE, "f a 2021-01 4", &[]);
}

#[test]
fn rules_read_some_months_or_a_year_before() {
    let rule = "rule slow = f <= prev(f, 2) * 2";
    let figures = "f a 2021-01 10; f a 2021-02 90; f a 2021-03 21";
    finds(rule, ONE, figures, &["slow f a 2021-03 21 20"]);
    let yearly = "rule season = f <= year_before(f) * 2";
    finds(
        yearly,
        ONE,
        "f a 2020-02 10; f a 2021-02 21; f a 2021-03 5",
        &["season f a 2021-02 21 20"],
    );
}
