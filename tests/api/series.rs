//! Trends over HTTP: parameters, layouts, and changes between months.

use serde_json::{Value, json};

use crate::harness::{REPORT, Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const USERS: &str = "ioffice.users.total";

/// A separate province, so that no figures of other units interfere.
fn forest(units: &Value) -> Server {
    let server = Server::start();
    server.put_units(units);
    server
}

#[test]
fn a_point_has_every_field_always() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let points = server.points(RATE, "travinh", "2021-09", "2021-10");
    let expected = json!({
        "period": "2021-10", "time": "2021-10-01T00:00:00Z", "value": 78.947_144,
        "value_reason": null, "origin": "computed", "coverage": 1.0, "taken_from": null,
        "stated": 78.955, "delta": null, "delta_reason": "no_prior", "delta_percent": null,
        "delta_percent_reason": "not_applicable", "like_for_like_delta": null,
        "like_for_like_delta_reason": "no_prior", "like_for_like_percent": null,
        "like_for_like_percent_reason": "not_applicable", "like_for_like_coverage": null,
        "year_delta": null, "year_delta_reason": "no_prior", "year_delta_percent": null,
        "year_delta_percent_reason": "not_applicable", "year_to_date": null,
        "year_to_date_reason": "missing", "annotations": [],
    });
    has(&points[1], &expected);
    let keys = |point: &Value| point.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&points[1]), keys(&expected));
    assert_eq!(keys(&points[0]), keys(&expected));
    has(
        &points[0],
        &json!({
            "period": "2021-09", "time": "2021-09-01T00:00:00Z", "value": null,
            "value_reason": "missing", "origin": null, "coverage": 0.0, "taken_from": null,
            "stated": null, "delta": null, "delta_reason": "missing",
            "delta_percent_reason": "not_applicable", "like_for_like_delta_reason": "missing",
            "like_for_like_coverage": null, "year_delta_reason": "missing",
            "year_delta_percent_reason": "not_applicable", "year_to_date": null,
            "year_to_date_reason": "missing",
        }),
    );
}

#[test]
fn a_response_repeats_measure_unit_and_step_for_each_series() {
    let server = Server::start();
    let parameters = [
        ("measure", OUTGOING),
        ("measure", "igate.dossiers.received{service_level=4, channel=online}"),
        ("unit", "travinh"),
        ("unit", "tv.cdc"),
        ("from", "2021-10"),
        ("to", "2021-11"),
    ];
    let answer = server.series(&parameters).expect(200);
    assert_eq!(answer["revision"], server.revision());
    assert_eq!(answer["next_cursor"], Value::Null);
    let named: Vec<(&str, &str)> = answer["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| (series["measure"].as_str().unwrap(), series["unit"].as_str().unwrap()))
        .collect();
    let split = "igate.dossiers.received{channel=online,service_level=4}";
    assert_eq!(
        named,
        [(OUTGOING, "travinh"), (OUTGOING, "tv.cdc"), (split, "travinh"), (split, "tv.cdc")]
    );
    for series in answer["series"].as_array().unwrap() {
        has(series, &json!({ "unit_of_measure": "count", "step": "month" }));
        let periods: Vec<&str> = series["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["period"].as_str().unwrap())
            .collect();
        assert_eq!(periods, ["2021-10", "2021-11"]);
    }
}

#[test]
fn children_and_descendants_are_asked_for_by_their_parent() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p" },
        { "code": "p.a.x", "parent": "p.a" },
        { "code": "p.b", "parent": "p" },
    ]));
    let units = |name: &str| -> Vec<String> {
        let answer = server
            .series(&[("measure", OUTGOING), (name, "p"), ("from", "2021-10"), ("to", "2021-10")])
            .expect(200);
        answer["series"]
            .as_array()
            .unwrap()
            .iter()
            .map(|series| series["unit"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(units("children_of"), ["p.a", "p.b"]);
    assert_eq!(units("descendants_of"), ["p.a", "p.a.x", "p.b"]);
}

#[test]
fn gaps_stay_gaps_and_changes_compare_adjacent_periods_only() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record(
        "u",
        &[
            (OUTGOING, "2020-03", 160),
            (OUTGOING, "2020-12", 100),
            (OUTGOING, "2021-01", 150),
            (OUTGOING, "2021-03", 200),
            (OUTGOING, "2021-12", 120),
        ],
    );
    server.record(
        "u",
        &[(OUTGOING, "2022-01", 10), (OUTGOING, "2022-02", 20), (OUTGOING, "2022-03", 30)],
    );
    let points = server.points(OUTGOING, "u", "2020-12", "2022-03");
    assert_eq!(points.len(), 16);
    has(
        &points[0],
        &json!({
            "period": "2020-12", "value": 100, "delta_reason": "no_prior",
            "year_delta_reason": "no_prior", "year_to_date_reason": "missing",
        }),
    );
    // Across the end of the year.
    has(
        &points[1],
        &json!({
            "period": "2021-01", "value": 150, "delta": 50, "delta_reason": null,
            "delta_percent": 50, "like_for_like_delta": 50, "like_for_like_percent": 50,
            "like_for_like_coverage": 1.0, "year_to_date": 150, "year_delta_reason": "no_prior",
        }),
    );
    has(
        &points[2],
        &json!({
            "period": "2021-02", "value": null, "coverage": 0.0, "origin": null,
            "delta_reason": "missing", "year_to_date": null, "year_to_date_reason": "missing",
        }),
    );
    has(
        &points[3],
        &json!({
            "period": "2021-03", "value": 200, "delta": null, "delta_reason": "no_prior",
            "delta_percent_reason": "no_prior", "year_delta": 40, "year_delta_percent": 25,
            "year_to_date_reason": "missing",
        }),
    );
    has(
        &points[12],
        &json!({
            "period": "2021-12", "year_delta": 20, "year_delta_percent": 20,
            "delta_reason": "no_prior",
        }),
    );
    has(
        &points[13],
        &json!({
            "period": "2022-01", "delta": -110, "delta_percent": -91.666_667, "year_delta": -140,
            "year_delta_percent": -93.333_333, "year_to_date": 10,
        }),
    );
    has(
        &points[15],
        &json!({
            "period": "2022-03", "delta": 10, "delta_percent": 50, "year_delta": -170,
            "year_delta_percent": -85, "year_to_date": 60, "year_to_date_reason": null,
        }),
    );
}

#[test]
fn a_rate_changes_in_points_and_its_year_to_date_is_a_ratio_of_sums() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record(
        "u",
        &[
            (OUTGOING, "2021-01", 100),
            (SIGNED, "2021-01", 50),
            (OUTGOING, "2021-02", 300),
            (SIGNED, "2021-02", 270),
        ],
    );
    let points = server.points(RATE, "u", "2021-01", "2021-02");
    has(&points[0], &json!({ "value": 50, "year_to_date": 50 }));
    has(
        &points[1],
        &json!({
            "value": 90, "delta": 40, "delta_percent": null,
            "delta_percent_reason": "not_applicable", "year_to_date": 80, "origin": "computed",
        }),
    );
}

#[test]
fn division_by_zero_is_a_missing_value_and_a_change_from_zero_has_no_percentage() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record(
        "u",
        &[
            (OUTGOING, "2021-01", 0),
            (SIGNED, "2021-01", 0),
            (OUTGOING, "2021-02", 5),
            (SIGNED, "2021-02", 4),
        ],
    );
    let rates = server.points(RATE, "u", "2021-01", "2021-02");
    has(
        &rates[0],
        &json!({
            "value": null, "origin": null, "delta": null, "delta_reason": "missing",
            "year_to_date": null, "year_to_date_reason": "missing",
        }),
    );
    has(
        &rates[1],
        &json!({ "value": 80, "delta": null, "delta_reason": "no_prior", "year_to_date": 80 }),
    );
    let flows = server.points(OUTGOING, "u", "2021-01", "2021-02");
    has(&flows[0], &json!({ "value": 0, "coverage": 1.0, "origin": "stated" }));
    has(
        &flows[1],
        &json!({
            "delta": 5, "delta_percent": null, "delta_percent_reason": "prior_zero",
            "like_for_like_percent_reason": "prior_zero",
        }),
    );
}

#[test]
fn a_rate_of_a_parent_is_the_ratio_of_sums_over_the_children_that_have_all_of_it() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.m", "parent": "p" },
        { "code": "p.n", "parent": "p" },
    ]));
    server.record(
        "p.m",
        &[
            (OUTGOING, "2021-01", 100),
            (SIGNED, "2021-01", 50),
            (OUTGOING, "2021-02", 100),
            (SIGNED, "2021-02", 50),
        ],
    );
    server.record(
        "p.n",
        &[(OUTGOING, "2021-01", 300), (OUTGOING, "2021-02", 300), (SIGNED, "2021-02", 270)],
    );
    let points = server.points(RATE, "p", "2021-01", "2021-02");
    // n has no signed documents in January: 50 of 100, not 50 of 400.
    has(&points[0], &json!({ "value": 50, "coverage": 0.5 }));
    // 320 of 400, not the mean of 50 and 90; like for like m stayed at 50.
    has(
        &points[1],
        &json!({
            "value": 80, "coverage": 1.0, "delta": null, "delta_reason": "coverage_changed",
            "like_for_like_delta": 0, "like_for_like_coverage": 0.5,
            "like_for_like_percent_reason": "not_applicable",
        }),
    );
}

#[test]
fn a_merger_is_comparable_seen_from_the_parent() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.ab", "parent": "p", "valid_from": "2021-07-01" },
        { "code": "p.c", "parent": "p" },
    ]));
    server.record("p.a", &[(OUTGOING, "2021-06", 10)]);
    server.record("p.b", &[(OUTGOING, "2021-06", 20)]);
    server.record("p.c", &[(OUTGOING, "2021-06", 5), (OUTGOING, "2021-07", 6)]);
    server.record("p.ab", &[(OUTGOING, "2021-07", 40)]);
    let points = server.points(OUTGOING, "p", "2021-06", "2021-07");
    has(&points[0], &json!({ "value": 35, "coverage": 1.0, "origin": "rolled_up" }));
    has(
        &points[1],
        &json!({
            "value": 46, "coverage": 1.0, "delta": 11, "delta_reason": null,
            "delta_percent": 31.428_571, "like_for_like_delta": 11, "like_for_like_coverage": 1.0,
        }),
    );
    has(
        &server.point(OUTGOING, "p.ab", "2021-07"),
        &json!({
            "value": 40, "delta": null, "delta_reason": "definition_changed",
            "year_delta_reason": "definition_changed",
        }),
    );
    has(&server.point(OUTGOING, "p.ab", "2021-06"), &json!({ "value": null, "coverage": 0.0 }));
    has(
        &server.point(OUTGOING, "p.a", "2021-07"),
        &json!({ "value": null, "coverage": 0.0, "delta_reason": "missing" }),
    );
}

#[test]
fn a_merger_of_which_one_part_had_not_reported_is_not_comparable() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.ab", "parent": "p", "valid_from": "2021-07-01" },
        { "code": "p.c", "parent": "p" },
    ]));
    server.record("p.a", &[(OUTGOING, "2021-06", 10)]);
    server.record("p.c", &[(OUTGOING, "2021-06", 5), (OUTGOING, "2021-07", 6)]);
    server.record("p.ab", &[(OUTGOING, "2021-07", 40)]);
    // Like for like is c alone, one of the two leaves of July.
    has(
        &server.point(OUTGOING, "p", "2021-07"),
        &json!({
            "value": 46, "coverage": 1.0, "delta": null, "delta_reason": "coverage_changed",
            "like_for_like_delta": 1, "like_for_like_percent": 20, "like_for_like_coverage": 0.5,
        }),
    );
    has(&server.point(OUTGOING, "p", "2021-06"), &json!({ "value": 15, "coverage": 0.666_667 }));
}

#[test]
fn like_for_like_compares_the_remaining_units_after_a_closure() {
    let server = forest(&json!([
        { "code": "q" },
        { "code": "q.x", "parent": "q", "valid_to": "2021-06-30" },
        { "code": "q.y", "parent": "q" },
    ]));
    server.record("q.x", &[(OUTGOING, "2021-06", 10)]);
    server.record("q.y", &[(OUTGOING, "2021-06", 20), (OUTGOING, "2021-07", 25)]);
    has(&server.point(OUTGOING, "q", "2021-06"), &json!({ "value": 30, "coverage": 1.0 }));
    has(
        &server.point(OUTGOING, "q", "2021-07"),
        &json!({
            "value": 25, "coverage": 1.0, "delta": null, "delta_reason": "coverage_changed",
            "delta_percent": null, "delta_percent_reason": "coverage_changed",
            "like_for_like_delta": 5, "like_for_like_delta_reason": null,
            "like_for_like_percent": 25, "like_for_like_coverage": 1.0,
        }),
    );
}

#[test]
fn partial_reporting_shows_its_coverage() {
    let server = forest(&json!([
        { "code": "r" },
        { "code": "r.m", "parent": "r" },
        { "code": "r.n", "parent": "r" },
    ]));
    server.record("r.m", &[(OUTGOING, "2021-09", 10), (OUTGOING, "2021-10", 15)]);
    server.record("r.n", &[(OUTGOING, "2021-09", 20)]);
    has(
        &server.point(OUTGOING, "r", "2021-10"),
        &json!({
            "value": 15, "coverage": 0.5, "delta": null, "delta_reason": "coverage_changed",
            "like_for_like_delta": 5, "like_for_like_percent": 50, "like_for_like_coverage": 0.5,
        }),
    );
    server.record("r.n", &[(OUTGOING, "2021-10", 19)]);
    has(
        &server.point(OUTGOING, "r", "2021-10"),
        &json!({
            "value": 34, "coverage": 1.0, "delta": 4, "delta_percent": 13.333_333,
            "like_for_like_delta": 4,
        }),
    );
}

#[test]
fn a_figure_stated_above_the_leaves_covers_them_all_and_cannot_be_restricted() {
    let server = forest(&json!([
        { "code": "r" },
        { "code": "r.m", "parent": "r" },
        { "code": "r.n", "parent": "r" },
    ]));
    server.record("r.m", &[(OUTGOING, "2021-09", 10), (OUTGOING, "2021-10", 15)]);
    server.record("r", &[(OUTGOING, "2021-10", 100), (OUTGOING, "2021-11", 90)]);
    let points = server.points(OUTGOING, "r", "2021-09", "2021-11");
    has(&points[0], &json!({ "value": 10, "coverage": 0.5, "origin": "rolled_up" }));
    has(
        &points[1],
        &json!({
            "value": 100, "coverage": 1.0, "origin": "stated", "delta_reason": "coverage_changed",
            "like_for_like_delta": null, "like_for_like_delta_reason": "stated_above",
            "like_for_like_percent_reason": "stated_above", "like_for_like_coverage": null,
        }),
    );
    has(
        &points[2],
        &json!({ "value": 90, "delta": -10, "delta_percent": -10, "like_for_like_delta": -10 }),
    );
}

#[test]
fn members_of_a_complete_dimension_add_up_and_a_stated_total_is_never_replaced() {
    let server = forest(&json!([{ "code": "u" }]));
    let received = |period: &str, members: Value, value: i64| {
        json!({
            "indicator": "igate.dossiers.received", "unit": "u", "period": period, "value": value,
            "dimensions": members,
        })
    };
    let body = json!({ "observations": [
        received("2021-01", json!({ "channel": "online" }), 3),
        received("2021-01", json!({ "channel": "in_person" }), 4),
        received("2021-02", json!({ "channel": "online" }), 3),
        received("2021-02", json!({ "channel": "in_person" }), 4),
        received("2021-02", json!({}), 8),
        received("2021-03", json!({ "channel": "online" }), 3),
        received("2021-04", json!({ "service_level": "3" }), 3),
        received("2021-04", json!({ "service_level": "4" }), 3),
    ] });
    let receipt = server.post(&body).expect(201);
    assert_eq!(receipt["findings"].as_array().unwrap().len(), 1);
    has(
        &receipt["findings"][0],
        &json!({ "rule": "parts_total", "period": "2021-02", "stated": 8, "computed": 7 }),
    );
    let points = server.points("igate.dossiers.received", "u", "2021-01", "2021-04");
    has(&points[0], &json!({ "value": 7, "origin": "summed", "coverage": 1.0 }));
    has(&points[1], &json!({ "value": 8, "origin": "stated", "delta": 1 }));
    has(&points[2], &json!({ "value": null })); // one member of two
    has(&points[3], &json!({ "value": null })); // members that do not add up to the total
}

#[test]
fn an_average_has_own_values_only() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.m", "parent": "p" },
        { "code": "p.n", "parent": "p" },
    ]));
    let minutes = "radio.own_programme.minutes_per_day";
    let stations = "radio.stations.total";
    server.record(
        "p.m",
        &[(minutes, "2021-09", 20), (minutes, "2021-10", 30), (stations, "2021-10", 1)],
    );
    server.record("p.n", &[(minutes, "2021-10", 10), (stations, "2021-10", 3)]);
    has(&server.point(minutes, "p", "2021-10"), &json!({ "value": null, "coverage": 0.0 }));
    has(
        &server.point(minutes, "p.m", "2021-10"),
        &json!({
            "value": 30, "delta": 10, "delta_percent": 50, "year_to_date_reason": "not_applicable",
        }),
    );
    // (30x1 + 10x3) / 4, not the mean of 30 and 10.
    has(
        &server.point("radio.own_programme.weighted_minutes_per_day", "p", "2021-10"),
        &json!({ "value": 15, "coverage": 1.0, "origin": "computed" }),
    );
}

#[test]
fn last_counts_back_from_the_newest_month_that_has_a_figure_of_what_is_asked_for() {
    let server =
        forest(&json!([{ "code": "u" }, { "code": "u.a", "parent": "u" }, { "code": "v" }]));
    server.record("u.a", &[(OUTGOING, "2021-05", 5), (USERS, "2021-12", 1)]);
    server.record("v", &[(OUTGOING, "2022-02", 5)]);
    let ends = |parameters: &[(&str, &str)]| {
        let answer = server.series(parameters).expect(200);
        let points = answer["series"][0]["points"].as_array().unwrap().clone();
        (
            points.len(),
            points[0]["period"].as_str().unwrap().to_owned(),
            points.last().unwrap()["period"].as_str().unwrap().to_owned(),
        )
    };
    let text = |count: usize, from: &str, to: &str| (count, from.to_owned(), to.to_owned());
    assert_eq!(
        ends(&[("measure", OUTGOING), ("unit", "u"), ("last", "13")]),
        text(13, "2020-05", "2021-05")
    );
    assert_eq!(
        ends(&[("measure", RATE), ("unit", "u"), ("last", "13")]),
        text(13, "2020-05", "2021-05")
    );
    assert_eq!(
        ends(&[("measure", OUTGOING), ("unit", "v"), ("last", "1")]),
        text(1, "2022-02", "2022-02")
    );
    assert_eq!(
        ends(&[("measure", OUTGOING), ("unit", "u"), ("last", "5"), ("step", "quarter")]),
        text(5, "2020-Q2", "2021-Q2")
    );
    assert_eq!(
        ends(&[("measure", OUTGOING), ("unit", "u"), ("last", "2"), ("step", "year")]),
        text(2, "2020", "2021")
    );
}

#[test]
fn a_span_of_600_months_is_answered_and_one_of_601_is_refused() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record("u", &[(OUTGOING, "1971-11", 1), (OUTGOING, "2021-10", 5)]);
    let ask = |parameters: &[(&str, &str)]| {
        server.series(&[&[("measure", OUTGOING), ("unit", "u")], parameters].concat())
    };
    let points = ask(&[("from", "1971-11"), ("to", "2021-10")]).expect(200)["series"][0]["points"]
        .as_array()
        .unwrap()
        .clone();
    assert_eq!(points.len(), 600);
    has(&points[0], &json!({ "period": "1971-11", "value": 1 }));
    has(&points[599], &json!({ "period": "2021-10", "value": 5 }));
    assert_eq!(ask(&[("from", "1971-10"), ("to", "2021-10")]).faults(422), ["/from span_too_long"]);
    assert_eq!(
        ask(&[("last", "600")]).expect(200)["series"][0]["points"].as_array().unwrap().len(),
        600
    );
    assert_eq!(ask(&[("last", "601")]).faults(422), ["/from span_too_long"]);
    assert_eq!(
        ask(&[("last", "50"), ("step", "year")]).expect(200)["series"][0]["points"]
            .as_array()
            .unwrap()
            .len(),
        50
    );
    assert_eq!(ask(&[("last", "51"), ("step", "year")]).faults(422), ["/from span_too_long"]);
    assert_eq!(
        ask(&[("last", "2147483647"), ("step", "year")]).faults(422),
        ["/from span_too_long"]
    );
    for (from, to) in [("1900-01", "1949-12"), ("2150-01", "2199-12")] {
        assert_eq!(
            ask(&[("from", from), ("to", to)]).expect(200)["series"][0]["points"]
                .as_array()
                .unwrap()
                .len(),
            600
        );
    }
}

#[test]
fn an_invalid_query_returns_every_error() {
    let server = Server::start();
    let ask = |parameters: &[(&str, &str)]| server.series(parameters);
    let when = [("from", "2021-10"), ("to", "2021-10")];
    let with = |parameters: &[(&'static str, &'static str)]| ask(&[parameters, &when].concat());
    assert_eq!(
        with(&[("measure", "no.such"), ("unit", "travinh")]).faults(422),
        ["/measure unknown_measure"]
    );
    assert_eq!(
        with(&[("measure", "igate.dossiers.received{channel=by_post}"), ("unit", "travinh")])
            .faults(422),
        ["/measure unknown_member"]
    );
    assert_eq!(
        with(&[("measure", "pki.certificates.total{token=usb}"), ("unit", "travinh")]).faults(422),
        ["/measure dimension_not_open"]
    );
    let unclosed = with(&[("measure", "igate.dossiers.received{channel"), ("unit", "travinh")]);
    assert_eq!(unclosed.faults(422), ["/measure malformed"], "it is malformed, not missing");
    with(&[("measure", OUTGOING), ("unit", "nowhere")]).problem(404);
    with(&[("measure", OUTGOING), ("children_of", "nowhere")]).problem(404);
    assert_eq!(
        with(&[("measure", OUTGOING), ("unit", "travinh"), ("colour", "red"), ("form", "csv")])
            .faults(422),
        ["/colour unknown_parameter", "/form unknown_parameter"]
    );
    assert_eq!(with(&[("unit", "travinh")]).faults(422), ["/measure missing"]);
    assert_eq!(with(&[("measure", OUTGOING)]).faults(422), ["/unit missing"]);
    assert_eq!(
        with(&[("measure", OUTGOING), ("unit", "travinh"), ("children_of", "travinh")]).faults(422),
        ["/unit missing"]
    );
    assert_eq!(ask(&[("measure", OUTGOING), ("unit", "travinh")]).faults(422), ["/from missing"]);
    assert_eq!(
        ask(&[("measure", OUTGOING), ("unit", "travinh"), ("from", "2021-10")]).faults(422),
        ["/from missing"]
    );
    assert_eq!(
        ask(&[("measure", OUTGOING), ("unit", "travinh"), ("from", "2021-11"), ("to", "2021-10")])
            .faults(422),
        ["/to dates_reversed"]
    );
    for last in ["0", "-1", "-2147483648"] {
        assert_eq!(
            ask(&[("measure", OUTGOING), ("unit", "travinh"), ("last", last)]).faults(422),
            ["/last out_of_range"],
            "{last}"
        );
    }
    let malformed =
        [("measure", OUTGOING), ("unit", "travinh"), ("from", "2021-13"), ("to", "2021-10")];
    assert_eq!(ask(&malformed).faults(422), ["/from malformed"], "it is malformed, not missing");
    let many = ask(&[
        ("measure", "{"),
        ("unit", "travinh"),
        ("from", "2021-13"),
        ("to", "never"),
        ("step", "week"),
        ("layout", "tall"),
        ("limit", "x"),
        ("cursor", "?"),
    ])
    .faults(422);
    for name in ["/measure ", "/from ", "/to ", "/step ", "/layout ", "/limit ", "/cursor "] {
        assert!(many.iter().any(|fault| fault.starts_with(name)), "{name} is not among {many:?}");
    }
    assert_eq!(
        ask(&[
            ("measure", OUTGOING),
            ("unit", "travinh"),
            ("from", "2021-Q1"),
            ("to", "2021-Q2"),
            ("step", "half")
        ])
        .status,
        422
    );
}

#[test]
fn rows_and_tables_hold_what_the_nested_answer_holds() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    server.record("travinh", &[(OUTGOING, "2021-09", 20_000), (SIGNED, "2021-09", 10_000)]);
    let parameters = [
        ("measure", RATE),
        ("measure", OUTGOING),
        ("unit", "travinh"),
        ("unit", "tv.cdc"),
        ("from", "2021-08"),
        ("to", "2021-10"),
    ];
    let nested = server.series(&parameters).expect(200);
    let mut expected = Vec::new();
    for series in nested["series"].as_array().unwrap() {
        for point in series["points"].as_array().unwrap() {
            let mut row = series.as_object().unwrap().clone();
            row.remove("points");
            row.extend(point.as_object().unwrap().clone());
            expected.push(Value::Object(row));
        }
    }
    assert_eq!(expected.len(), 12);
    let rows = server.series(&[&parameters[..], &[("layout", "rows")]].concat()).expect(200);
    assert_eq!(rows["rows"].as_array().unwrap(), &expected);
    assert_eq!(
        (&rows["revision"], &rows["next_cursor"]),
        (&nested["revision"], &nested["next_cursor"])
    );
    let reply = server.series(&[&parameters[..], &[("format", "csv")]].concat());
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
    let body = reply.text();
    let mut table = csv::Reader::from_reader(body.as_bytes());
    let header: Vec<String> = table.headers().unwrap().iter().map(ToOwned::to_owned).collect();
    let fields: Vec<String> = expected[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(header, fields);
    let cells: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(cells.len(), expected.len());
    for (cells, row) in cells.iter().zip(&expected) {
        for (cell, (field, value)) in cells.iter().zip(row.as_object().unwrap()) {
            match value {
                Value::String(text) => assert_eq!(cell, text),
                Value::Number(_) => assert_eq!(cell.parse::<f64>().ok(), value.as_f64(), "{field}"),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                    assert_eq!(cell, "", "{field}")
                }
            }
        }
    }
}

#[test]
fn pages_of_series_hold_every_series_once() {
    let server = Server::start();
    let parameters = [
        ("measure", OUTGOING),
        ("measure", SIGNED),
        ("descendants_of", "travinh"),
        ("from", "2021-10"),
        ("to", "2021-10"),
    ];
    let whole = server.series(&parameters).expect(200)["series"].as_array().unwrap().clone();
    assert_eq!(whole.len(), 22);
    let first = server.series(&[&parameters[..], &[("limit", "5")]].concat());
    let (mut paged, mut next, mut pages) =
        (first.expect(200)["series"].as_array().unwrap().clone(), first.next_link(), 1);
    while let Some(address) = next {
        let reply = server.get(&address);
        next = reply.next_link();
        paged.extend(reply.expect(200)["series"].as_array().unwrap().clone());
        pages += 1;
    }
    assert_eq!((paged, pages), (whole, 5));
}

#[test]
fn an_entity_tag_is_valid_until_the_next_write() {
    let server = Server::start();
    let address = "series?measure=ioffice.documents.outgoing&unit=travinh&from=2021-10&to=2021-10";
    let tag = server.get(address).header("etag").to_owned();
    assert_eq!(server.send("GET", address, &[("if-none-match", &tag)], None).status, 304);
    // A change without effect keeps the entity tag, a recorded change changes it.
    server
        .post(&json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", Value::Null)] }))
        .expect(200);
    assert_eq!(server.send("GET", address, &[("if-none-match", &tag)], None).status, 304);
    server.record("travinh", &[(OUTGOING, "2021-10", 5)]);
    let after = server.send("GET", address, &[("if-none-match", &tag)], None);
    assert_eq!(after.status, 200);
    has(&after.json()["series"][0]["points"][0], &json!({ "value": 5 }));
    assert_ne!(after.header("etag"), tag);
}
