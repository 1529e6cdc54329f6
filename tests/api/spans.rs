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
