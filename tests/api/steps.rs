//! Wider periods: quarters, halves, nine months, years.

use serde_json::{Value, json};

use crate::harness::{Server, has};

const FLOW: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const STOCK: &str = "ioffice.users.total";
const AVERAGE: &str = "radio.own_programme.minutes_per_day";

/// Two whole years at one unit. Flow: 10 to 120 in 2020, 15 to 125 in 2021. Stock: 1001 to 1012,
/// 2001 to 2012.
fn two_years() -> Server {
    let server = Server::start();
    server.put_units(&json!([{ "code": "u" }]));
    let mut rows = vec!["indicator,unit,period,value".to_owned()];
    for month in 1..=12 {
        rows.push(format!("{FLOW},u,2020-{month:02},{}", month * 10));
        rows.push(format!("{FLOW},u,2021-{month:02},{}", month * 10 + 5));
        rows.push(format!("{STOCK},u,2020-{month:02},{}", 1000 + month));
        rows.push(format!("{STOCK},u,2021-{month:02},{}", 2000 + month));
        rows.push(format!("{AVERAGE},u,2021-{month:02},30"));
    }
    server.post_csv("observations", &rows.join("\n")).expect(201);
    server
}

#[test]
fn quarters_of_a_flow_are_sums() {
    let server = two_years();
    let points = server.points(FLOW, "u", "2020-Q1", "2021-Q4");
    let values: Vec<i64> = points.iter().map(|point| point["value"].as_i64().unwrap()).collect();
    assert_eq!(values, [60, 150, 240, 330, 75, 165, 255, 345]);
    let periods: Vec<&str> = points.iter().map(|point| point["period"].as_str().unwrap()).collect();
    assert_eq!(
        periods,
        ["2020-Q1", "2020-Q2", "2020-Q3", "2020-Q4", "2021-Q1", "2021-Q2", "2021-Q3", "2021-Q4"]
    );
    // Across the end of the year: 75 - 330; against the year before 75 - 60.
    has(
        &points[4],
        &json!({
            "time": "2021-01-01T00:00:00Z", "origin": "stated", "coverage": 1.0, "taken_from": null,
            "delta": -255, "delta_percent": -77.272_727, "like_for_like_delta": -255,
            "like_for_like_coverage": 1.0, "year_delta": 15, "year_delta_percent": 25,
            "year_to_date": 75,
        }),
    );
    has(
        &points[5],
        &json!({
            "time": "2021-04-01T00:00:00Z", "delta": 90, "delta_percent": 120, "year_to_date": 240,
        }),
    );
    has(
        &points[0],
        &json!({ "delta_reason": "no_prior", "year_delta_reason": "no_prior", "year_to_date": 60 }),
    );
}

#[test]
fn halves_nine_months_and_years_of_a_flow_are_sums() {
    let server = two_years();
    let halves = server.points(FLOW, "u", "2020-H1", "2021-H2");
    assert_eq!(
        halves.iter().map(|point| point["value"].as_i64().unwrap()).collect::<Vec<_>>(),
        [210, 570, 240, 600]
    );
    has(
        &halves[2],
        &json!({
            "period": "2021-H1", "delta": -330, "delta_percent": -57.894_737, "year_delta": 30,
            "year_delta_percent": 14.285_714, "year_to_date": 240,
        }),
    );
    has(
        &halves[3],
        &json!({
            "period": "2021-H2", "time": "2021-07-01T00:00:00Z", "delta": 360, "delta_percent": 150,
            "year_to_date": 840,
        }),
    );
    let nine = server.points(FLOW, "u", "2020-9M", "2021-9M");
    assert_eq!(nine.len(), 2);
    has(
        &nine[1],
        &json!({
            "period": "2021-9M", "time": "2021-01-01T00:00:00Z", "value": 495, "delta": null,
            "delta_reason": "not_applicable", "delta_percent_reason": "not_applicable",
            "like_for_like_delta_reason": "not_applicable", "year_delta": 45,
            "year_delta_percent": 10, "year_to_date": 495,
        }),
    );
    let years = server.points(FLOW, "u", "2020", "2021");
    has(&years[0], &json!({ "period": "2020", "value": 780, "delta_reason": "no_prior" }));
    has(
        &years[1],
        &json!({
            "period": "2021", "value": 840, "delta": 60, "delta_percent": 7.692_308,
            "year_delta": 60, "year_delta_percent": 7.692_308, "year_to_date": 840,
        }),
    );
}

#[test]
fn a_stock_is_that_of_the_last_month_that_has_one() {
    let server = two_years();
    server.record("u", &[(STOCK, "2022-01", 3001), (STOCK, "2022-02", 3002)]);
    let quarters = server.points(STOCK, "u", "2021-Q1", "2022-Q2");
    has(
        &quarters[0],
        &json!({
            "value": 2003, "taken_from": "2021-03", "delta": 991, "delta_percent": 97.924_901,
            "year_delta": 1000, "year_to_date": null, "year_to_date_reason": "not_applicable",
        }),
    );
    has(
        &quarters[3],
        &json!({ "value": 2012, "taken_from": "2021-12", "delta": 3, "coverage": 1.0 }),
    );
    // Taken from the second month here and from the third there: not comparable.
    has(
        &quarters[4],
        &json!({
            "period": "2022-Q1", "value": 3002, "taken_from": "2022-02", "coverage": 1.0,
            "delta": null, "delta_reason": "coverage_changed",
            "year_delta_reason": "coverage_changed",
        }),
    );
    has(
        &quarters[5],
        &json!({
            "period": "2022-Q2", "value": null, "taken_from": null, "coverage": 0.0,
            "delta_reason": "missing",
        }),
    );
    has(
        &server.point(STOCK, "u", "2021-9M"),
        &json!({ "value": 2009, "taken_from": "2021-09", "year_delta": 1000 }),
    );
    has(
        &server.point(STOCK, "u", "2021"),
        &json!({ "value": 2012, "taken_from": "2021-12", "delta": 1000 }),
    );
    has(&server.point(STOCK, "u", "2021-05"), &json!({ "value": 2005, "taken_from": null }));
}

#[test]
fn an_average_is_missing_in_wider_periods() {
    let server = two_years();
    for period in ["2021-Q1", "2021-H1", "2021"] {
        has(
            &server.point(AVERAGE, "u", period),
            &json!({
                "value": null, "delta_reason": "missing", "year_delta_reason": "missing",
                "year_to_date_reason": "not_applicable",
            }),
        );
    }
    has(
        &server.point(AVERAGE, "u", "2021-9M"),
        &json!({ "value": null, "delta_reason": "not_applicable" }),
    );
}

#[test]
fn a_flow_with_a_missing_month_is_the_sum_of_the_others_with_their_share_of_coverage() {
    let server = Server::start();
    server.put_units(&json!([{ "code": "u" }]));
    server.record(
        "u",
        &[
            (FLOW, "2021-01", 10),
            (FLOW, "2021-02", 20),
            (FLOW, "2021-04", 10),
            (FLOW, "2021-05", 20),
            (FLOW, "2021-06", 30),
            (FLOW, "2021-07", 1),
            (FLOW, "2021-08", 2),
        ],
    );
    let quarters = server.points(FLOW, "u", "2021-Q1", "2021-Q3");
    has(
        &quarters[0],
        &json!({
            "value": 30, "coverage": 0.666_667, "year_to_date": null,
            "year_to_date_reason": "missing",
        }),
    );
    // June has no March to compare with; April and May are compared like for like with January and
    // February.
    has(
        &quarters[1],
        &json!({
            "value": 60, "coverage": 1.0, "delta": null, "delta_reason": "coverage_changed",
            "like_for_like_delta": 0, "like_for_like_percent": 0,
            "like_for_like_coverage": 0.666_667,
        }),
    );
    has(
        &quarters[2],
        &json!({
            "value": 3, "delta_reason": "coverage_changed", "like_for_like_delta": -27,
            "like_for_like_percent": -90,
        }),
    );
}

#[test]
fn a_rate_of_a_wider_period_counts_the_months_that_have_all_of_it() {
    let server = two_years();
    // January 5 of 10, February 10 of 20, March unknown: 15 of 30.
    server.record("u", &[(SIGNED, "2020-01", 5), (SIGNED, "2020-02", 10)]);
    has(
        &server.point("ioffice.documents.signed_rate", "u", "2020-Q1"),
        &json!({ "value": 50, "coverage": 0.666_667, "taken_from": null, "origin": "computed" }),
    );
    server.record("u", &[(SIGNED, "2020-03", 0)]);
    has(
        &server.point("ioffice.documents.signed_rate", "u", "2020-Q1"),
        &json!({ "value": 25, "coverage": 1.0, "year_to_date": 25 }),
    );
}

#[test]
fn the_previous_month_means_the_previous_period_in_wider_steps() {
    let server = two_years();
    let net = "ioffice.users.net_change";
    has(&server.point(net, "u", "2021-02"), &json!({ "value": 1 }));
    has(&server.point(net, "u", "2021-01"), &json!({ "value": 989 })); // 2001 - 1012
    has(&server.point(net, "u", "2021-Q1"), &json!({ "value": 991 })); // 2003 - 1012
    has(&server.point(net, "u", "2021"), &json!({ "value": 1000 })); // 2012 - 1012
    has(&server.point(net, "u", "2020-Q1"), &json!({ "value": null, "delta_reason": "missing" }));
}

#[test]
fn a_step_widens_the_months_that_are_given() {
    let server = two_years();
    let ask = |from: &str, to: &str, step: &str| -> Vec<Value> {
        let answer = server
            .series(&[("measure", FLOW), ("unit", "u"), ("from", from), ("to", to), ("step", step)])
            .expect(200);
        assert_eq!(answer["series"][0]["step"], step);
        answer["series"][0]["points"].as_array().unwrap().clone()
    };
    let periods = |points: &[Value]| {
        points.iter().map(|point| point["period"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(periods(&ask("2020-11", "2021-05", "month")).len(), 7);
    assert_eq!(periods(&ask("2020-11", "2021-05", "quarter")), ["2020-Q4", "2021-Q1", "2021-Q2"]);
    assert_eq!(periods(&ask("2020-11", "2021-05", "half")), ["2020-H2", "2021-H1"]);
    assert_eq!(periods(&ask("2020-01", "2021-09", "9m")), ["2020-9M", "2021-9M"]);
    assert_eq!(periods(&ask("2020-11", "2021-05", "year")), ["2020", "2021"]);
    assert_eq!(
        periods(&ask("2020", "2020", "quarter")),
        ["2020-Q1", "2020-Q2", "2020-Q3", "2020-Q4"]
    );
}

#[test]
fn years_of_a_merged_province_are_comparable_month_by_month() {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2021-03-31", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2021-03-31", "successors": ["p.ab"] },
        { "code": "p.ab", "parent": "p", "valid_from": "2021-04-01" },
    ]));
    let mut rows = vec!["indicator,unit,period,value".to_owned()];
    for month in 1..=12 {
        for year in [2020, 2021] {
            let units: &[(&str, i32)] =
                if year == 2021 && month > 3 { &[("p.ab", 5)] } else { &[("p.a", 1), ("p.b", 2)] };
            rows.extend(
                units
                    .iter()
                    .map(|(unit, value)| format!("{FLOW},{unit},{year}-{month:02},{value}")),
            );
        }
    }
    server.post_csv("observations", &rows.join("\n")).expect(201);
    // 2020: 12 x 3; 2021: 3 x 3 + 9 x 5.
    has(
        &server.point(FLOW, "p", "2021"),
        &json!({
            "value": 54, "coverage": 1.0, "delta": 18, "delta_percent": 50,
            "like_for_like_delta": 18, "year_to_date": 54,
        }),
    );
    has(
        &server.point(FLOW, "p", "2021-Q2"),
        &json!({ "value": 15, "delta": 6, "year_delta": 6, "year_to_date": 24 }),
    );
    has(
        &server.point(FLOW, "p.ab", "2021-Q3"),
        &json!({
            "value": 15, "delta": 0, "delta_percent": 0, "year_delta": null,
            "year_delta_reason": "definition_changed",
        }),
    );
}
