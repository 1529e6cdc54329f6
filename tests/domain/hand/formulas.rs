//! Stated rates, numbers, formulas and completeness as a kpi.

use chrono::NaiveDate;
use kpi::geography::Geography;
use kpi::measure::Measure;
use kpi::number::{Decimal64, Rounded};

use super::{ONE, TWO, case};
use crate::case::Case;

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
