//! Which periods a query names: two edges, a number of them beside one edge, or a name relative to
//! the current month.

use chrono::{DateTime, Utc};
use egov_kpi::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Api, Reply, Server, has, query};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";

/// A server with a clock that is set by hand, and outgoing documents of 2020-11 to 2021-04: 1, 2,
/// 4, 8, 16, 32.
fn at(now: &str) -> (Server, Clock) {
    let clock = Clock::default();
    clock.set(time(now));
    let server = Server::start_by(clock.clone());
    server.put_units(&json!([{ "code": "p" }, { "code": "u", "parent": "p" }]));
    let months = ["2020-11", "2020-12", "2021-01", "2021-02", "2021-03", "2021-04"];
    for (nth, month) in months.iter().enumerate() {
        server.record("u", &[(OUTGOING, month, 1 << nth)]);
    }
    (server, clock)
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn ask(api: &Api, parameters: &[(&str, &str)]) -> Reply {
    api.series(&[&[("measure", OUTGOING), ("unit", "u"), ("fields", "value")], parameters].concat())
}

/// The periods of the points and their values, `-` where a value is missing.
#[track_caller]
fn points(api: &Api, parameters: &[(&str, &str)]) -> String {
    let found = ask(api, parameters).expect(200);
    let shown = |point: &Value| {
        let value = point["value"].as_i64().map_or("-".to_owned(), |value| value.to_string());
        format!("{}:{value}", point["period"].as_str().unwrap())
    };
    let points = found["series"][0]["points"].as_array().unwrap();
    points.iter().map(shown).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_number_of_periods_begins_at_from_or_ends_at_to() {
    let (server, _) = at("2021-05-20T00:00:00Z");
    assert_eq!(
        points(&server, &[("from", "2020-12"), ("last", "3")]),
        "2020-12:2 2021-01:4 2021-02:8"
    );
    assert_eq!(
        points(&server, &[("to", "2021-01"), ("last", "3")]),
        "2020-11:1 2020-12:2 2021-01:4"
    );
    assert_eq!(points(&server, &[("to", "2021-01"), ("last", "1")]), "2021-01:4");
    // 1 + 2; 4 + 8 + 16; April alone
    assert_eq!(
        points(&server, &[("from", "2020-Q4"), ("last", "3")]),
        "2020-Q4:3 2021-Q1:28 2021-Q2:32"
    );
    // A month names the quarter that it lies in; the step of `to` is that of the periods
    assert_eq!(
        points(&server, &[("to", "2021-02"), ("last", "2"), ("step", "quarter")]),
        "2020-Q4:3 2021-Q1:28"
    );
    assert_eq!(points(&server, &[("to", "2021"), ("last", "2")]), "2020:3 2021:60");
    // Of a wider period the first and the last month count
    assert_eq!(
        points(&server, &[("from", "2021"), ("last", "2"), ("step", "month")]),
        "2021-01:4 2021-02:8"
    );
    assert_eq!(points(&server, &[("to", "2021"), ("last", "1"), ("step", "month")]), "2021-12:-");
    assert_eq!(points(&server, &[("to", "2021-9M"), ("last", "2")]), "2020-9M:- 2021-9M:60");
}

#[test]
fn a_period_names_all_periods_of_a_step_within_it() {
    let (server, clock) = at("2021-05-20T00:00:00Z");
    assert_eq!(points(&server, &[("period", "this_year")]), "2021:60");
    assert_eq!(points(&server, &[("period", "last_year")]), "2020:3");
    assert_eq!(points(&server, &[("period", "this_month")]), "2021-05:-");
    assert_eq!(points(&server, &[("period", "last_2_months")]), "2021-03:16 2021-04:32");
    assert_eq!(points(&server, &[("period", "last_2_quarters")]), "2020-Q4:3 2021-Q1:28");
    assert_eq!(
        points(&server, &[("period", "this_half"), ("step", "quarter")]),
        "2021-Q1:28 2021-Q2:32"
    );
    assert_eq!(
        points(&server, &[("period", "last_quarter"), ("step", "month")]),
        "2021-01:4 2021-02:8 2021-03:16"
    );
    assert_eq!(points(&server, &[("period", "2021-Q1")]), "2021-Q1:28");
    assert_eq!(
        points(&server, &[("period", "2021-Q1"), ("step", "month")]),
        "2021-01:4 2021-02:8 2021-03:16"
    );
    let year = points(&server, &[("period", "this_year"), ("step", "month")]);
    assert_eq!(year.split(' ').count(), 12, "{year}");
    assert!(year.starts_with("2021-01:4 ") && year.ends_with(" 2021-12:-"), "{year}");
    // The calendar of the service is that of Vietnam: the year 2022 begins at 17:00 UTC
    clock.set(time("2021-12-31T16:59:59Z"));
    assert_eq!(points(&server, &[("period", "this_month")]), "2021-12:-");
    clock.set(time("2021-12-31T17:00:00Z"));
    assert_eq!(points(&server, &[("period", "this_month")]), "2022-01:-");
    assert_eq!(points(&server, &[("period", "last_12_months")]).split(' ').count(), 12);
    assert_eq!(points(&server, &[("period", "last_year")]), "2021:60");
}

#[test]
fn a_relative_period_is_seen_from_the_day_of_the_requested_state() {
    let (server, clock) = at("2021-05-20T00:00:00Z");
    let before = server.revision().to_string();
    clock.set(time("2021-08-01T00:00:00Z"));
    server.record("u", &[(OUTGOING, "2021-07", 64)]);
    let period = [("period", "last_month")];
    assert_eq!(points(&server, &period), "2021-07:64");
    let past = [period[0], ("as_of", before.as_str())];
    assert_eq!(points(&server, &past), "2021-04:32");
    // An entity tag is of its day, so that no client keeps the answer of another month
    let tag = |period: &str| ask(&server, &[("period", period)]).header("etag").to_owned();
    let (relative, fixed) = (tag("last_month"), tag("2021-07"));
    clock.set(time("2021-09-01T00:00:00Z"));
    assert_ne!(tag("last_month"), relative);
    assert_eq!(tag("2021-07"), fixed);
}

#[test]
fn ranking_scorecard_and_completeness_take_one_relative_period() {
    let (server, _) = at("2021-05-20T00:00:00Z");
    let ranking =
        |period: &str| server.get(&format!("ranking?measure={OUTGOING}&parent=p&period={period}"));
    let found = ranking("last_quarter").expect(200);
    has(&found, &json!({ "period": "2021-Q1" }));
    has(&found["rows"][0], &json!({ "unit": "u", "value": 28 }));
    assert_eq!(ranking("last_1_months").expect(200)["period"], "2021-04");
    for (path, period) in [
        ("scorecard?unit=u&period=last_month", "2021-04"),
        ("completeness?parent=p&period=this_month", "2021-05"),
    ] {
        assert_eq!(server.read(path)["period"], period, "{path}");
    }
    for path in ["scorecard?unit=u&period=", "completeness?period="] {
        let path = format!("{path}last_3_months");
        assert_eq!(server.get(&path).faults(422), ["/period malformed"], "{path}");
    }
    let problem = ranking("last_12_months").problem(422);
    has(
        &problem["errors"][0],
        &json!({
            "detail": "period=\"last_12_months\": one period is expected",
            "detail_vi": "period=\"last_12_months\": cần đúng một kỳ"
        }),
    );
    assert_eq!(ranking("next_year").faults(422), ["/period malformed"]);
}

#[test]
fn parameters_that_do_not_belong_together_are_refused() {
    let (server, _) = at("2021-05-20T00:00:00Z");
    let faults = |text: &str| {
        let path = format!("{}&{text}", query(&[("measure", SIGNED), ("unit", "u")]));
        server.get(&format!("series?{path}")).faults(422)
    };
    for (text, expected) in [
        ("", "/from missing"),
        ("from=2021-01", "/from missing"),
        ("to=2021-01", "/from missing"),
        ("from=2021-01&to=2021-02&last=2", "/last too_many"),
        ("period=this_year&last=2", "/period too_many"),
        ("period=this_year&from=2021-01", "/period too_many"),
        ("period=2021&from=2021-01&to=2021-02&last=2", "/period too_many"),
        ("period=last_quarter&step=year", "/period steps_differ"),
        ("period=this_decade", "/period malformed"),
        ("from=2021-01&last=0", "/last out_of_range"),
        ("to=2021-01&last=-5", "/last out_of_range"),
        ("to=2021-01&last=601", "/from span_too_long"),
        ("from=2021-01&last=601", "/from span_too_long"),
        ("period=last_51_years&step=month", "/from span_too_long"),
        ("from=2199-12&last=2", "/last out_of_range"),
        ("to=1900-01&last=2", "/last out_of_range"),
        ("from=2021-01&last=2147483647", "/last out_of_range"),
        ("from=2021-Q1&last=2147483647", "/last out_of_range"),
        ("from=2021&last=2147483647", "/last out_of_range"),
        ("to=2021&last=2147483647&step=month", "/last out_of_range"),
        ("from=2021-Q1&last=2&step=half", "/from steps_differ"),
        ("to=2021-Q1&last=2&step=year", "/to steps_differ"),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
    let vietnamese = server
        .get(&format!("series?measure={SIGNED}&unit=u&from=2021-01&to=2021-02&last=2&lang=vi"));
    assert_eq!(
        vietnamese.problem(422)["errors"][0]["detail"],
        "from, to và last xác định các kỳ hai lần: hãy bỏ một trong ba"
    );
}

/// The one point of a span, with the fields that are compared.
#[track_caller]
fn span_of(api: &Api, measure: &str, unit: &str, span: &str) -> Value {
    let fields = "value,coverage,taken_from,year_before,year_delta,year_delta_percent,delta,time";
    let asked = [("measure", measure), ("unit", unit), ("span", span), ("fields", fields)];
    let found = api.series(&asked).expect(200);
    assert_eq!(found["series"][0]["step"], "span");
    let points = found["series"][0]["points"].as_array().unwrap();
    assert_eq!(points.len(), 1, "{found}");
    points[0].clone()
}

#[test]
fn a_span_is_summed_and_compared_with_the_same_months_of_the_year_before() {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p" }, { "code": "u", "parent": "p" }, { "code": "v", "parent": "p" },
    ]));
    // Two winters of six months each: 1 + 2 + 3 + 4 + 5 + 6 = 21, and twice as many in the second
    for (nth, month) in ["10", "11", "12", "01", "02", "03"].into_iter().enumerate() {
        let nth = i64::try_from(nth).unwrap();
        for (year, factor) in [(2019, 1), (2020, 2)] {
            let year = year + i64::from(month < "10");
            let month = format!("{year}-{month}");
            let figures =
                [(OUTGOING, month.as_str(), 10 * factor * (nth + 1)), (SIGNED, &month, nth + 1)];
            server.record("u", &figures);
            if year < 2020 || month.as_str() > "2020-09" {
                server.record("v", &[(SIGNED, &month, 100)]);
            }
        }
    }
    let (winter, users) = ("2020-10..2021-03", "ioffice.users.total");
    server.record("u", &[(users, "2020-02", 50), (users, "2021-02", 60), (users, "2021-03", 61)]);
    let point = span_of(&server, OUTGOING, "u", winter);
    has(
        &point,
        &json!({ "period": winter, "time": "2020-10-01T00:00:00Z", "value": 420, "coverage": 1.0,
                 "taken_from": null, "year_before": 210, "year_delta": 210,
                 "year_delta_percent": 100, "delta": null, "delta_reason": "not_applicable" }),
    );
    // Of wider periods the first and the last month count
    assert_eq!(span_of(&server, OUTGOING, "u", "2020-Q4..2021-Q1")["period"], winter);
    assert_eq!(span_of(&server, OUTGOING, "u", "2020-12..2021-01")["value"], 140);
    // A rate is the ratio of the sums: 21 of 420, 21 of 210
    let rate = "ioffice.documents.signed_rate";
    has(
        &span_of(&server, rate, "u", winter),
        &json!({ "value": 5, "year_before": 10, "year_delta": -5, "year_delta_percent": null,
                 "year_delta_percent_reason": "not_applicable" }),
    );
    // A stock has the value of the last month that has one; the same month of the year before has
    // none, and the one before that is at another place
    has(
        &span_of(&server, users, "u", winter),
        &json!({ "value": 61, "taken_from": "2021-03", "year_before": 50, "year_delta": null,
                 "year_delta_reason": "coverage_changed" }),
    );
    has(
        &span_of(&server, users, "u", "2020-11..2021-02"),
        &json!({ "value": 60, "taken_from": "2021-02", "year_before": 50, "year_delta": 10,
                 "year_delta_percent": 20 }),
    );
    // In the first winter `v` has reported three of six months, in the second all of them
    has(
        &span_of(&server, SIGNED, "p", winter),
        &json!({ "value": 621, "coverage": 1.0, "year_before": 321, "year_delta": null,
                 "year_delta_reason": "coverage_changed" }),
    );
    assert_eq!(span_of(&server, SIGNED, "p", "2019-10..2020-03")["coverage"], 0.75);
    has(
        &span_of(&server, SIGNED, "p", "2020-10..2020-12"),
        &json!({ "value": 306, "year_before": 306, "year_delta": 0 }),
    );
    has(
        &span_of(&server, SIGNED, "u", "2022-01..2022-02"),
        &json!({ "value": null, "value_reason": "missing", "coverage": 0.0, "year_before": 9,
                 "year_delta": null, "year_delta_reason": "missing" }),
    );
}

#[test]
fn a_span_in_every_layout_and_as_a_table() {
    let (server, _) = at("2021-05-20T00:00:00Z");
    let asked = [("measure", OUTGOING), ("unit", "u"), ("span", "2020-12..2021-02")];
    let with = |more: &[(&str, &str)]| server.series(&[&asked[..], more].concat());
    // 2 + 4 + 8
    let rows = with(&[("layout", "rows"), ("fields", "value")]).expect(200);
    has(&rows["rows"][0], &json!({ "period": "2020-12..2021-02", "step": "span", "value": 14 }));
    let wide = with(&[("layout", "wide")]).expect(200);
    assert_eq!(wide["rows"][0]["2020-12..2021-02"], 14);
    let csv = with(&[("fields", "value"), ("format", "csv")]).text();
    assert_eq!(
        csv.lines().nth(1),
        Some("ioffice.documents.outgoing,u,count,span,2020-12..2021-02,14,")
    );
    assert_eq!(with(&[("format", "xlsx")]).status, 200);
}

#[test]
fn a_span_stands_alone_and_has_two_ends_in_order() {
    let (server, _) = at("2021-05-20T00:00:00Z");
    let faults = |text: &str| {
        let path = format!("{}&{text}", query(&[("measure", SIGNED), ("unit", "u")]));
        server.get(&format!("series?{path}")).faults(422)
    };
    for (text, expected) in [
        ("span=2020-10..2021-03&from=2020-10", "/span too_many"),
        ("span=2020-10..2021-03&step=month", "/span too_many"),
        ("span=2020-10..2021-03&last=1", "/span too_many"),
        ("span=2020-10", "/span malformed"),
        ("span=2020-10..", "/span malformed"),
        ("span=2021-03..2020-10", "/span malformed"),
        ("span=2020-13..2021-03", "/span malformed"),
        ("span=1970-01..2020-01", "/from span_too_long"),
        ("span=2020-10..2021-03&rolling=3", "/rolling steps_differ"),
        ("from=2020-10..2021-03&last=1", "/from malformed"),
    ] {
        assert_eq!(faults(text), [expected], "{text}");
    }
    let path = format!("series?measure={SIGNED}&unit=u&span=2021-03..2020-10&lang=vi");
    assert_eq!(
        server.get(&path).problem(422)["errors"][0]["detail"],
        "span=\"2021-03..2020-10\": khoảng này kết thúc trước khi bắt đầu"
    );
}
