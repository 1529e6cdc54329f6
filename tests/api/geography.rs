//! Values in the units of today: a merged unit has the history of its predecessors.

use chrono::{DateTime, Utc};
use egov_kpi::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Api, Dice, REPORT, Server, figure, has, query, same};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const USERS: &str = "ioffice.users.total";
const MINUTES: &str = "radio.own_programme.minutes_per_day";

/// Two districts of a province that merged on 1 July 2021, and one beside them.
fn merger() -> Value {
    json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.ab", "parent": "p", "valid_from": "2021-07-01" },
        { "code": "p.c", "parent": "p" }
    ])
}

/// A server with a clock that starts early, set by hand.
fn by_hand(units: &Value) -> (Server, Clock) {
    let clock = Clock::default();
    clock.set(time("2019-01-02T00:00:00Z"));
    let server = Server::start_by(clock.clone());
    server.put_units(units);
    (server, clock)
}

fn forest(units: &Value) -> Server {
    let server = Server::start();
    server.put_units(units);
    server
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The points in the units of today; `when` is `from` and `to`, or more parameters.
#[track_caller]
fn today(api: &Api, measure: &str, unit: &str, from: &str, to: &str) -> Vec<Value> {
    let asked = query(&[
        ("measure", measure),
        ("unit", unit),
        ("from", from),
        ("to", to),
        ("geography", "current"),
    ]);
    api.read(&format!("series?{asked}"))["series"][0]["points"].as_array().unwrap().clone()
}

#[track_caller]
fn value(api: &Api, measure: &str, unit: &str, month: &str) -> Value {
    today(api, measure, unit, month, month)[0]["value"].clone()
}

/// Unit, rank and value of the rows of a ranking.
#[track_caller]
fn ranked(api: &Api, parameters: &[(&str, &str)]) -> Vec<(String, Option<i64>, Option<f64>)> {
    let found = api.read(&format!("ranking?{}", query(parameters)));
    found["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["unit"].as_str().unwrap().to_owned(), row["rank"].as_i64(), row["value"].as_f64())
        })
        .collect()
}

#[test]
fn a_merged_unit_has_the_sum_of_its_parts_and_no_break_at_the_boundary() {
    let server = forest(&merger());
    server.record(
        "p.a",
        &[(OUTGOING, "2021-05", 8), (OUTGOING, "2021-06", 10), (OUTGOING, "2020-07", 7)],
    );
    server.record(
        "p.b",
        &[(OUTGOING, "2021-05", 12), (OUTGOING, "2021-06", 20), (OUTGOING, "2020-07", 13)],
    );
    server.record("p.ab", &[(OUTGOING, "2021-07", 40)]);
    let points = today(&server, OUTGOING, "p.ab", "2021-05", "2021-07");
    has(
        &points[0],
        &json!({
            "value": 20, "coverage": 1.0, "origin": "rolled_up", "delta": null,
            "delta_reason": "no_prior",
        }),
    );
    has(
        &points[1],
        &json!({
            "value": 30, "coverage": 1.0, "delta": 10, "delta_percent": 50,
            "like_for_like_delta": 10, "like_for_like_coverage": 1.0,
        }),
    );
    // 40 - 30; 40 - 20 a year before.
    let july = json!({
        "value": 40, "coverage": 1.0, "origin": "stated", "delta": 10, "delta_reason": null,
        "delta_percent": 33.333_333, "like_for_like_delta": 10, "like_for_like_coverage": 1.0,
        "year_delta": 20, "year_delta_percent": 100,
    });
    has(&points[2], &july);
    // As reported, the unit begins in July and its predecessors end.
    has(&server.point(OUTGOING, "p.ab", "2021-06"), &json!({ "value": null, "coverage": 0.0 }));
    has(
        &server.point(OUTGOING, "p.ab", "2021-07"),
        &json!({ "value": 40, "delta": null, "delta_reason": "definition_changed" }),
    );
    let asked =
        query(&[("measure", OUTGOING), ("unit", "p.ab"), ("from", "2021-06"), ("to", "2021-07")]);
    assert_eq!(
        server.read(&format!("series?{asked}&geography=as_reported")),
        server.read(&format!("series?{asked}"))
    );
    // A quarter across the merger and year to date: 8 + 12 + 10 + 20, and July.
    has(
        &today(&server, OUTGOING, "p.ab", "2021-Q2", "2021-Q3")[1],
        &json!({ "value": 40, "coverage": 0.333_333 }),
    );
    has(
        &today(&server, OUTGOING, "p.ab", "2021-H1", "2021-H1")[0],
        &json!({ "value": 50, "coverage": 0.333_333 }),
    );
    // The parent has the same values with both geographies.
    for month in ["2021-06", "2021-07"] {
        assert_eq!(
            today(&server, OUTGOING, "p", month, month)[0],
            server.point(OUTGOING, "p", month)
        );
    }
}

#[test]
fn a_year_to_date_runs_over_the_boundary() {
    let server = forest(&merger());
    for (n, month) in (1..=6).map(|n| (n, format!("2021-0{n}"))) {
        server.record("p.a", &[(OUTGOING, &month, n), (SIGNED, &month, n)]);
        server.record("p.b", &[(OUTGOING, &month, 10), (SIGNED, &month, 0)]);
    }
    server.record("p.ab", &[(OUTGOING, "2021-07", 19), (SIGNED, "2021-07", 19)]);
    // 1 + ... + 6 = 21, 6 x 10 = 60, and 19: 100; signed 21 + 19 = 40.
    has(
        &today(&server, OUTGOING, "p.ab", "2021-07", "2021-07")[0],
        &json!({ "year_to_date": 100, "year_to_date_reason": null }),
    );
    has(
        &today(&server, RATE, "p.ab", "2021-07", "2021-07")[0],
        &json!({ "value": 100, "year_to_date": 40 }),
    );
}

#[test]
fn a_kpi_of_a_merged_unit_is_a_ratio_of_sums() {
    let server = forest(&merger());
    server.record(
        "p.a",
        &[(OUTGOING, "2021-06", 100), (SIGNED, "2021-06", 50), (USERS, "2021-06", 10)],
    );
    server.record(
        "p.b",
        &[(OUTGOING, "2021-06", 300), (SIGNED, "2021-06", 270), (USERS, "2021-06", 20)],
    );
    server.record(
        "p.ab",
        &[(OUTGOING, "2021-07", 100), (SIGNED, "2021-07", 90), (USERS, "2021-07", 33)],
    );
    let points = today(&server, RATE, "p.ab", "2021-06", "2021-07");
    // 320 of 400, not the mean of 50 and 90.
    has(&points[0], &json!({ "value": 80, "origin": "computed", "coverage": 1.0 }));
    has(
        &points[1],
        &json!({
            "value": 90, "delta": 10, "delta_percent_reason": "not_applicable",
            "like_for_like_delta": 10,
        }),
    );
    // The month before is known: 33 - (10 + 20).
    has(
        &today(&server, "ioffice.users.net_change", "p.ab", "2021-07", "2021-07")[0],
        &json!({ "value": 3 }),
    );
    assert_eq!(server.point("ioffice.users.net_change", "p.ab", "2021-07")["value"], Value::Null);
}

#[test]
fn a_part_without_a_figure_is_missing_from_the_coverage() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.a.x", "parent": "p.a", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.a.y", "parent": "p.a", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.ab"] },
        { "code": "p.ab", "parent": "p", "valid_from": "2021-07-01" }
    ]));
    server.record(
        "p.a.x",
        &[(OUTGOING, "2021-05", 3), (OUTGOING, "2021-06", 4), (SIGNED, "2021-06", 1)],
    );
    server.record("p.b", &[(OUTGOING, "2021-06", 5), (SIGNED, "2021-05", 9)]);
    server.record("p.ab", &[(OUTGOING, "2021-07", 30), (SIGNED, "2021-07", 20)]);
    // The leaves are x, y and b; x counts once, within a.
    let points = today(&server, OUTGOING, "p.ab", "2021-04", "2021-07");
    has(&points[0], &json!({ "value": null, "coverage": 0.0, "delta_reason": "missing" }));
    has(&points[1], &json!({ "value": 3, "coverage": 0.333_333 }));
    has(
        &points[2],
        &json!({
            "value": 9, "coverage": 0.666_667, "delta": null, "delta_reason": "coverage_changed",
            "like_for_like_delta": 1,
        }),
    );
    has(
        &points[3],
        &json!({ "value": 30, "coverage": 1.0, "delta": null, "delta_reason": "coverage_changed" }),
    );
    // Only x has both operands: 1 of 4.
    has(
        &today(&server, RATE, "p.ab", "2021-06", "2021-06")[0],
        &json!({ "value": 25, "coverage": 0.333_333 }),
    );
}

#[test]
fn an_average_never_adds_up() {
    let server = forest(&merger());
    server.record("p.a", &[(MINUTES, "2021-06", 20)]);
    server.record("p.b", &[(MINUTES, "2021-06", 30)]);
    server.record("p.ab", &[(MINUTES, "2021-07", 27)]);
    let points = today(&server, MINUTES, "p.ab", "2021-06", "2021-07");
    has(&points[0], &json!({ "value": null }));
    has(&points[1], &json!({ "value": 27, "origin": "stated", "delta": null }));
}

#[test]
fn mergers_over_three_generations_are_followed() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2019-12-31", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2019-12-31", "successors": ["p.ab"] },
        {
            "code": "p.ab", "parent": "p", "valid_from": "2020-01-01", "valid_to": "2021-06-30",
            "successors": ["q.abc"],
        },
        { "code": "p.c", "parent": "p", "valid_to": "2021-06-30", "successors": ["q.abc"] },
        { "code": "q" },
        { "code": "q.abc", "parent": "q", "valid_from": "2021-07-01" },
    ]));
    server.record("p.a", &[(OUTGOING, "2019-12", 1)]);
    server.record("p.b", &[(OUTGOING, "2019-12", 2)]);
    server.record(
        "p.c",
        &[(OUTGOING, "2019-12", 4), (OUTGOING, "2020-01", 8), (OUTGOING, "2021-06", 16)],
    );
    server.record("p.ab", &[(OUTGOING, "2020-01", 32), (OUTGOING, "2021-06", 64)]);
    server.record("q.abc", &[(OUTGOING, "2021-07", 128)]);
    let points = today(&server, OUTGOING, "q.abc", "2019-12", "2021-07");
    has(&points[0], &json!({ "value": 7, "coverage": 1.0 })); // 1 + 2 + 4
    has(&points[1], &json!({ "value": 40, "coverage": 1.0, "delta": 33 })); // 32 + 8
    has(&points[18], &json!({ "period": "2021-06", "value": 80 })); // 64 + 16
    has(&points[19], &json!({ "value": 128, "delta": 48, "delta_percent": 60 }));
    // A unit of the second generation ended; its predecessors are no longer its history.
    for point in today(&server, OUTGOING, "p.ab", "2019-12", "2021-07") {
        has(&point, &json!({ "value": null, "delta": null, "delta_reason": "definition_changed" }));
    }
    // For both units together, each month counts once.
    assert_eq!(value(&server, OUTGOING, "q.abc", "2020-01"), 40);
    assert_eq!(
        ranked(
            &server,
            &[
                ("measure", OUTGOING),
                ("parent", "p"),
                ("period", "2020-01"),
                ("geography", "current")
            ]
        ),
        []
    );
}

#[test]
fn an_ended_unit_has_no_values() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.x", "parent": "p", "valid_to": "2021-06-30" },
        { "code": "p.y", "parent": "p" },
    ]));
    server.record(
        "p.x",
        &[(OUTGOING, "2021-05", 5), (OUTGOING, "2021-06", 6), (SIGNED, "2021-06", 6)],
    );
    server.record("p.y", &[(OUTGOING, "2021-06", 7), (SIGNED, "2021-06", 1)]);
    let expected = json!({
        "value": null, "origin": null, "coverage": 0.0, "delta": null,
        "delta_reason": "definition_changed", "like_for_like_delta_reason": "definition_changed",
        "year_delta_reason": "definition_changed", "year_to_date": null,
        "year_to_date_reason": "definition_changed",
    });
    has(&today(&server, OUTGOING, "p.x", "2021-06", "2021-06")[0], &expected);
    has(&server.point(OUTGOING, "p.x", "2021-06"), &json!({ "value": 6, "delta": 1 }));
    // What is not applicable stays so.
    has(
        &today(&server, RATE, "p.x", "2021-06", "2021-06")[0],
        &json!({
            "value": null, "delta_reason": "definition_changed",
            "delta_percent_reason": "not_applicable",
        }),
    );
    has(
        &today(&server, USERS, "p.x", "2021-06", "2021-06")[0],
        &json!({ "year_to_date_reason": "not_applicable" }),
    );
    // Its parent existed and had the figure.
    assert_eq!(value(&server, OUTGOING, "p", "2021-06"), 13);
    assert_eq!(
        ranked(
            &server,
            &[
                ("measure", OUTGOING),
                ("parent", "p"),
                ("period", "2021-06"),
                ("geography", "current")
            ]
        ),
        [("p.y".to_owned(), Some(1), Some(7.0))]
    );
    let scorecard = server.read("scorecard?unit=p.x&period=2021-06&geography=current");
    for row in scorecard["rows"].as_array().unwrap() {
        has(row, &json!({ "value": null, "delta_reason": "definition_changed" }));
    }
}

#[test]
fn a_unit_that_exists_in_the_month_uses_its_own_value() {
    let server = forest(&json!([
        { "code": "d" },
        { "code": "d.x", "parent": "d", "valid_to": "2021-06-30", "successors": ["d.xy"] },
        { "code": "d.y", "parent": "d", "valid_to": "2021-06-30", "successors": ["d.xy"] },
        { "code": "d.xy", "parent": "d", "valid_from": "2021-07-01" }
    ]));
    server.record("d.x", &[(OUTGOING, "2021-06", 3), (OUTGOING, "2021-05", 1)]);
    server.record("d.y", &[(OUTGOING, "2021-06", 4), (OUTGOING, "2021-05", 1)]);
    server.record("d", &[(OUTGOING, "2021-06", 9)]);
    server.record("d.xy", &[(OUTGOING, "2021-07", 10)]);
    let points = today(&server, OUTGOING, "d", "2021-05", "2021-07");
    has(&points[0], &json!({ "value": 2, "coverage": 1.0, "origin": "rolled_up" }));
    has(&points[1], &json!({ "value": 9, "coverage": 1.0, "origin": "stated" }));
    has(&points[2], &json!({ "value": 10, "delta": 1 }));
    assert_eq!(value(&server, OUTGOING, "d.xy", "2021-06"), 7);
}

#[test]
fn merging_into_an_existing_unit_leaves_its_past_unchanged() {
    let server = forest(&json!([
        { "code": "small", "valid_to": "2021-06-30", "successors": ["big"] },
        { "code": "big" },
    ]));
    server.record("small", &[(OUTGOING, "2021-06", 3)]);
    server.record("big", &[(OUTGOING, "2021-06", 10), (OUTGOING, "2021-07", 14)]);
    // It existed in June and has its own value.
    assert_eq!(value(&server, OUTGOING, "big", "2021-06"), 10);
    // It absorbed other units: not the same leaves.
    has(
        &today(&server, OUTGOING, "big", "2021-07", "2021-07")[0],
        &json!({ "value": 14, "delta": null, "delta_reason": "coverage_changed" }),
    );
}

fn split(shares: Value) -> Value {
    json!([
        { "code": "p" },
        {
            "code": "p.x", "parent": "p", "valid_to": "2021-06-30", "successors": ["p.u", "p.v"],
            "shares": shares,
        },
        { "code": "p.u", "parent": "p", "valid_from": "2021-07-01" },
        { "code": "p.v", "parent": "p", "valid_from": "2021-07-01" },
        { "code": "p.w", "parent": "p" },
    ])
}

fn split_figures(server: &Server) {
    server.record(
        "p.x",
        &[(OUTGOING, "2021-05", 100), (OUTGOING, "2021-06", 200), (SIGNED, "2021-06", 50)],
    );
    server.record("p.u", &[(OUTGOING, "2021-07", 130), (SIGNED, "2021-07", 65)]);
    server.record("p.v", &[(OUTGOING, "2021-07", 90)]);
}

#[test]
fn the_past_of_what_was_split_is_nobodys_unless_shares_are_declared() {
    let server = forest(&split(json!({})));
    split_figures(&server);
    for unit in ["p.u", "p.v"] {
        let points = today(&server, OUTGOING, unit, "2021-06", "2021-07");
        has(&points[0], &json!({ "value": null, "coverage": 0.0, "delta_reason": "missing" }));
        has(&points[1], &json!({ "delta": null, "delta_reason": "definition_changed" }));
    }
    // Shares that are declared later apply to the whole past.
    server.put_units(&split(json!({ "p.u": 0.6, "p.v": "0.4" })));
    // 60, 120 and 40, 80.
    let points = today(&server, OUTGOING, "p.u", "2021-05", "2021-07");
    has(&points[0], &json!({ "value": 60, "coverage": 1.0 }));
    has(&points[1], &json!({ "value": 120, "coverage": 1.0, "delta": 60, "delta_percent": 100 }));
    has(
        &points[2],
        &json!({
            "value": 130, "delta": 10, "delta_percent": 8.333_333, "like_for_like_delta": 10,
        }),
    );
    let points = today(&server, OUTGOING, "p.v", "2021-05", "2021-07");
    has(&points[1], &json!({ "value": 80 }));
    has(&points[2], &json!({ "value": 90, "delta": 10, "delta_percent": 12.5 }));
    // Taking a share of both operands does not change a rate: 30 of 120.
    has(
        &today(&server, RATE, "p.u", "2021-06", "2021-07")[0],
        &json!({ "value": 25, "coverage": 1.0 }),
    );
    has(
        &today(&server, RATE, "p.u", "2021-06", "2021-07")[1],
        &json!({ "value": 50, "delta": 25 }),
    );
    assert_eq!(value(&server, OUTGOING, "p", "2021-06"), 200);
    // GET returns the shares, and they can be sent back.
    let read = server.read("units?code=p.x");
    has(&read["units"][0]["shares"], &json!({ "p.u": 0.6, "p.v": 0.4 }));
    let revision = server.revision();
    server.put("units", &read).expect(200);
    assert_eq!(server.revision(), revision);
}

#[test]
fn invalid_shares_are_refused() {
    let server = Server::start();
    for shares in [
        json!({ "p.u": 0.6 }),
        json!({ "p.u": 0.6, "p.v": 0.5 }),
        json!({ "p.u": 1.5, "p.v": -0.5 }),
        json!({ "p.u": 0.5, "p.v": 0.25, "p.w": 0.25 }),
    ] {
        let found = server.put("units", &json!({ "units": split(shares) })).faults(422);
        assert_eq!(found, ["/units/1/shares malformed_shares"]);
    }
    assert_eq!(
        server
            .put("units", &json!({ "units": split(json!({ "p.u": "half", "p.v": 0.5 })) }))
            .faults(422)
            .len(),
        1
    );
    // Thirds add up to 1 within the given digits.
    server.put_units(&split(json!({ "p.u": "0.333333333", "p.v": "0.666666667" })));
}

#[test]
fn shares_multiply_along_the_way_and_meet_again() {
    let server = forest(&json!([
        {
            "code": "x", "valid_to": "2019-12-31", "successors": ["u", "v"],
            "shares": { "u": 0.25, "v": 0.75 },
        },
        { "code": "u", "valid_from": "2020-01-01", "valid_to": "2020-12-31", "successors": ["w"] },
        {
            "code": "v", "valid_from": "2020-01-01", "valid_to": "2020-12-31",
            "successors": ["w", "z"], "shares": { "w": 0.2, "z": 0.8 },
        },
        { "code": "w", "valid_from": "2021-01-01" },
        { "code": "z", "valid_from": "2021-01-01" },
    ]));
    server.record("x", &[(OUTGOING, "2019-12", 1000)]);
    server.record("u", &[(OUTGOING, "2020-12", 40)]);
    server.record("v", &[(OUTGOING, "2020-12", 100)]);
    assert_eq!(value(&server, OUTGOING, "w", "2020-12"), 60); // 40 + 0.2 x 100
    assert_eq!(value(&server, OUTGOING, "z", "2020-12"), 80); // 0.8 x 100
    assert_eq!(value(&server, OUTGOING, "w", "2019-12"), 400); // (0.25 + 0.75 x 0.2) x 1000
    assert_eq!(value(&server, OUTGOING, "z", "2019-12"), 600); // 0.75 x 0.8 x 1000
}

#[test]
fn rankings_are_of_todays_children_and_their_past() {
    let server = forest(&merger());
    server.record("p.a", &[(OUTGOING, "2021-05", 1), (OUTGOING, "2021-06", 10)]);
    server.record("p.b", &[(OUTGOING, "2021-05", 2), (OUTGOING, "2021-06", 20)]);
    server.record("p.c", &[(OUTGOING, "2021-05", 25), (OUTGOING, "2021-06", 25)]);
    let row = |unit: &str, rank: i64, value: f64| (unit.to_owned(), Some(rank), Some(value));
    let of = |period: &str, geography: &str| {
        ranked(
            &server,
            &[("measure", OUTGOING), ("parent", "p"), ("period", period), ("geography", geography)],
        )
    };
    assert_eq!(
        of("2021-06", "as_reported"),
        [row("p.c", 1, 25.0), row("p.b", 2, 20.0), row("p.a", 3, 10.0)]
    );
    assert_eq!(of("2021-06", "current"), [row("p.ab", 1, 30.0), row("p.c", 2, 25.0)]);
    assert_eq!(of("2021-05", "current"), [row("p.c", 1, 25.0), row("p.ab", 2, 3.0)]);
    assert_eq!(of("2021-Q2", "current"), [row("p.c", 1, 50.0), row("p.ab", 2, 33.0)]);
    let found = server
        .read(&format!("ranking?measure={OUTGOING}&parent=p&period=2021-06&geography=current"));
    has(
        &found["rows"][0],
        &json!({ "previous_rank": 2, "delta": 27, "delta_reason": null, "coverage": 1.0 }),
    );
    has(&found["rows"][1], &json!({ "previous_rank": 1, "delta": 0 }));
    assert_eq!(
        server.get("ranking?measure=x&period=2021-06&geography=today").faults(422),
        ["/geography malformed"]
    );
}

#[test]
fn the_reform_of_2025_has_a_past_over_the_real_report() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    server.record("bentre", &[(OUTGOING, "2021-10", 6_559), (SIGNED, "2021-10", 6_494)]);
    // travinh has 23,441 and 18,506; with bentre 30,000 and 25,000. Of 12 leaves, 10 of them of
    // travinh, vinhlong has not reported.
    has(
        &today(&server, OUTGOING, "vinhlong-2025", "2021-10", "2021-10")[0],
        &json!({ "value": 30_000, "origin": "rolled_up", "coverage": 0.916_667 }),
    );
    has(
        &today(&server, RATE, "vinhlong-2025", "2021-10", "2021-10")[0],
        &json!({ "value": 83.333_333, "stated": null }),
    );
    let scorecard = server.read("scorecard?unit=vinhlong-2025&period=2021-10&geography=current");
    let row = |measure: &str| {
        scorecard["rows"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["measure"] == measure)
            .unwrap()
            .clone()
    };
    has(&row(RATE), &json!({ "value": 83.333_333 }));
    has(&row(OUTGOING), &json!({ "value": 30_000 }));
    assert_eq!(row(OUTGOING)["history"][12], json!({ "period": "2021-10", "value": 30_000 }));
    has(
        &server.read("scorecard?unit=vinhlong-2025&period=2021-10")["rows"][0],
        &json!({ "value": null }),
    );
    assert_eq!(
        ranked(&server, &[("measure", OUTGOING), ("period", "2021-10"), ("geography", "current")]),
        [("vinhlong-2025".to_owned(), Some(1), Some(30_000.0))]
    );
}

#[test]
fn as_of_responses_use_the_units_of_that_day() {
    let (server, clock) = by_hand(&merger());
    clock.set(time("2021-06-10T00:00:00Z"));
    server.record("p.a", &[(OUTGOING, "2021-05", 10)]);
    server.record("p.b", &[(OUTGOING, "2021-05", 20)]);
    let revision = server.revision();
    let ask = |unit: &str, as_of: &str| {
        let asked = query(&[
            ("measure", OUTGOING),
            ("unit", unit),
            ("from", "2021-05"),
            ("to", "2021-05"),
            ("geography", "current"),
        ]);
        server.read(&format!("series?{asked}{as_of}"))["series"][0]["points"][0]["value"].clone()
    };
    // In June the predecessors exist, and the successor does not yet.
    assert_eq!(
        (ask("p.a", ""), ask("p.b", ""), ask("p.ab", "")),
        (json!(10), json!(20), Value::Null)
    );
    // 30 June ends in Vietnam at 17:00 UTC.
    clock.set(time("2021-06-30T16:59:59Z"));
    assert_eq!((ask("p.a", ""), ask("p.ab", "")), (json!(10), Value::Null));
    clock.set(time("2021-06-30T17:00:00Z"));
    assert_eq!(
        (ask("p.a", ""), ask("p.b", ""), ask("p.ab", "")),
        (Value::Null, Value::Null, json!(30))
    );
    clock.set(time("2021-08-01T00:00:00Z"));
    server.record("p.c", &[(OUTGOING, "2021-05", 1)]);
    let as_of = format!("&as_of={revision}");
    assert_eq!((ask("p.a", &as_of), ask("p.ab", &as_of)), (json!(10), Value::Null));
    assert_eq!(
        (ask("p.a", "&as_of=2021-06-30T16:59:59Z"), ask("p.ab", "&as_of=2021-06-30T16:59:59Z")),
        (json!(10), Value::Null)
    );
    assert_eq!(
        (ask("p.a", "&as_of=2021-06-30T17:00:00Z"), ask("p.ab", "&as_of=2021-06-30T17:00:00Z")),
        (Value::Null, json!(30))
    );
    // A future time means now.
    assert_eq!(ask("p.ab", "&as_of=2031-01-01T00:00:00Z"), 30);
    let units = |as_of: &str| -> Vec<String> {
        let found = ranked(
            &server,
            &[
                ("measure", OUTGOING),
                ("parent", "p"),
                ("period", "2021-05"),
                ("geography", "current"),
                ("as_of", as_of),
            ],
        );
        found.into_iter().map(|(unit, ..)| unit).collect()
    };
    assert_eq!(units(&revision.to_string()), ["p.b", "p.a", "p.c"]);
    assert_eq!(units("2021-07-15T00:00:00Z"), ["p.ab", "p.c"]);
    let scorecard = |as_of: &str| {
        let found = server
            .read(&format!("scorecard?unit=p.ab&period=2021-05&geography=current&as_of={as_of}"));
        let mut rows = found["rows"].as_array().unwrap().iter();
        rows.find(|row| row["measure"] == OUTGOING).unwrap()["value"].clone()
    };
    assert_eq!(
        (scorecard(&revision.to_string()), scorecard("2021-07-15T00:00:00Z")),
        (Value::Null, json!(30))
    );
}

#[test]
fn the_last_months_reach_back_to_those_of_the_predecessors() {
    let server = forest(&merger());
    server.record("p.a", &[(OUTGOING, "2021-05", 10)]);
    server.record("p.b", &[(OUTGOING, "2021-06", 20), (SIGNED, "2021-06", 20)]);
    let ask = |measure: &str, geography: &str| -> Vec<(String, Option<i64>)> {
        let asked = query(&[
            ("measure", measure),
            ("unit", "p.ab"),
            ("last", "3"),
            ("geography", geography),
        ]);
        let points = server.read(&format!("series?{asked}"))["series"][0]["points"]
            .as_array()
            .unwrap()
            .clone();
        points
            .iter()
            .map(|point| (point["period"].as_str().unwrap().to_owned(), point["value"].as_i64()))
            .collect()
    };
    let pair = |month: &str, value: Option<i64>| (month.to_owned(), value);
    assert_eq!(
        ask(OUTGOING, "current"),
        [pair("2021-04", None), pair("2021-05", Some(10)), pair("2021-06", Some(20))]
    );
    // As reported it has no figure: the series ends with the month that has begun.
    let reported = ask(OUTGOING, "as_reported");
    assert!(
        reported.iter().all(|(month, value)| month.as_str() > "2025" && value.is_none()),
        "{reported:?}"
    );
    let csv = server
        .get(&format!("series?measure={OUTGOING}&unit=p.ab&last=1&geography=current&format=csv"))
        .text();
    assert!(
        csv.lines().nth(1).unwrap().starts_with(&format!(
            "{OUTGOING},p.ab,count,month,2021-06,2021-06-01T00:00:00Z,20,,rolled_up,0.5,"
        )),
        "{csv}"
    );
}

#[test]
fn entity_tags_differ_by_representation_and_day() {
    let (server, clock) = by_hand(&merger());
    clock.set(time("2021-06-29T17:00:00Z"));
    server.record("p.a", &[(OUTGOING, "2021-05", 10)]);
    server.record("p.b", &[(OUTGOING, "2021-05", 20)]);
    let series = format!("series?measure={OUTGOING}&unit=p.ab&from=2021-05&to=2021-05");
    let paths = [
        series.clone(),
        format!("ranking?measure={OUTGOING}&parent=p&period=2021-05"),
        "scorecard?unit=p.ab&period=2021-05".to_owned(),
    ];
    for path in &paths {
        let path = format!("{path}&geography=current");
        let tags: Vec<String> = ["json", "csv", "xlsx"]
            .map(|format| server.get(&format!("{path}&format={format}")).header("etag").to_owned())
            .into();
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2], "{tags:?}");
        for (format, tag) in ["json", "csv", "xlsx"].iter().zip(&tags) {
            assert!(tag.starts_with("W/\""), "{tag}");
            let again = server.send(
                "GET",
                &format!("{path}&format={format}"),
                &[("if-none-match", tag)],
                None,
            );
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {format}");
        }
        // The responses of the two geographies are not confused.
        assert_eq!(
            server
                .send("GET", &format!("{path}&format=csv"), &[("if-none-match", &tags[0])], None)
                .status,
            200
        );
    }
    // The units change with the day, even if nothing is recorded.
    let tags = paths
        .clone()
        .map(|path| server.get(&format!("{path}&geography=current")).header("etag").to_owned());
    let reported = paths.clone().map(|path| server.get(&path).header("etag").to_owned());
    clock.set(time("2021-06-30T17:00:00Z"));
    for ((path, tag), reported) in paths.iter().zip(&tags).zip(&reported) {
        assert_eq!(
            server
                .send("GET", &format!("{path}&geography=current"), &[("if-none-match", tag)], None)
                .status,
            200,
            "{path}"
        );
        assert_eq!(
            server.send("GET", path, &[("if-none-match", reported)], None).status,
            304,
            "{path}: as reported, the response does not depend on the day"
        );
    }
    // A time in the past always has its own day.
    let past = format!("{series}&geography=current&as_of={}", server.revision());
    let tag = server.get(&past).header("etag").to_owned();
    clock.set(time("2022-01-01T00:00:00Z"));
    assert_eq!(server.send("GET", &past, &[("if-none-match", &tag)], None).status, 304);
}

#[test]
fn children_and_descendants_of_today_are_all_named() {
    let server = forest(&merger());
    server.record("p.a", &[(OUTGOING, "2021-06", 10)]);
    server.record("p.b", &[(OUTGOING, "2021-06", 20)]);
    let found = server.read(&format!(
        "series?measure={OUTGOING}&children_of=p&from=2021-06&\
         to=2021-06&geography=current&layout=rows"
    ));
    let rows: Vec<(&str, &Value)> = found["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["unit"].as_str().unwrap(), &row["value"]))
        .collect();
    assert_eq!(
        rows,
        [("p.a", &Value::Null), ("p.ab", &json!(30)), ("p.b", &Value::Null), ("p.c", &Value::Null)]
    );
    has(&found["rows"][0], &json!({ "delta_reason": "definition_changed" }));
    has(&found["rows"][3], &json!({ "delta_reason": "missing" }));
}

/// A province that only consists of merged units, over three generations: as reported it has the
/// trend that the last of them has in the units of today.
#[test]
fn the_last_of_a_line_has_the_trend_of_the_whole_that_it_became() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2020-03-31", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2020-03-31", "successors": ["p.ab"] },
        {
            "code": "p.ab", "parent": "p", "valid_from": "2020-04-01", "valid_to": "2021-02-28",
            "successors": ["p.abc"],
        },
        { "code": "p.c", "parent": "p", "valid_to": "2021-02-28", "successors": ["p.abc"] },
        { "code": "p.abc", "parent": "p", "valid_from": "2021-03-01" },
    ]));
    let mut dice = Dice(2025);
    let mut figures = Vec::new();
    for month in (0..36).map(|n| format!("{}-{:02}", 2019 + n / 12, n % 12 + 1)) {
        let merged = ["2020-04", "2021-03"].iter().filter(|from| month.as_str() >= **from).count();
        let units: &[&str] = [&["p.a", "p.b", "p.c"][..], &["p.ab", "p.c"], &["p.abc"]][merged];
        for unit in units {
            for indicator in [OUTGOING, SIGNED, USERS] {
                if dice.below(8) > 0 {
                    figures.push(figure(indicator, unit, &month, dice.below(50) + 1));
                }
            }
        }
    }
    server.post(&json!({ "observations": figures })).expect(201);
    let mut compared = 0;
    for (from, to) in [
        ("2019-01", "2021-12"),
        ("2019-Q1", "2021-Q4"),
        ("2019-H1", "2021-H2"),
        ("2019-9M", "2021-9M"),
        ("2019", "2021"),
    ] {
        for measure in [OUTGOING, USERS, RATE, "ioffice.users.net_change"] {
            let whole = server.points(measure, "p", from, to);
            let last = today(&server, measure, "p.abc", from, to);
            for (whole, last) in whole.iter().zip(&last) {
                for (field, value) in whole.as_object().unwrap() {
                    assert!(
                        field == "origin" || same(value, &last[field]),
                        "{field} of {measure}: {whole}\n{last}"
                    );
                }
                compared += usize::from(!whole["delta"].is_null());
            }
            assert_eq!(whole.len(), last.len());
        }
    }
    assert!(compared > 80, "{compared}");
}

/// Before a split a part has its share of every value and change, even if other units have not
/// reported.
#[test]
fn a_part_of_what_was_split_has_its_share_of_every_figure_and_change() {
    let unit = |code: &str, rest: Value| {
        let mut unit = json!({ "code": code, "parent": "p" });
        rest.as_object().unwrap().iter().for_each(|(field, value)| unit[field] = value.clone());
        unit
    };
    let shares = json!({ "p.u": "0.25", "p.v": "0.75" });
    let server = forest(&json!([
        { "code": "p" },
        unit("p.x", json!({
            "valid_to": "2021-12-31", "successors": ["p.u", "p.v"], "shares": shares,
        })),
        unit("p.x.a", json!({ "parent": "p.x", "valid_to": "2021-12-31" })),
        unit("p.x.b", json!({ "parent": "p.x", "valid_to": "2021-12-31" })),
        unit("p.u", json!({ "valid_from": "2022-01-01" })),
        unit("p.v", json!({ "valid_from": "2022-01-01" })),
    ]));
    let mut dice = Dice(42);
    let mut figures = Vec::new();
    for month in (0..24).map(|n| format!("{}-{:02}", 2020 + n / 12, n % 12 + 1)) {
        for unit in ["p.x.a", "p.x.b"] {
            for indicator in [OUTGOING, SIGNED, USERS] {
                if dice.below(12) > 0 {
                    // A quarter of it is whole
                    figures.push(figure(indicator, unit, &month, 4 * (dice.below(50) + 1)));
                }
            }
        }
    }
    server.post(&json!({ "observations": figures })).expect(201);
    let mut compared = 0;
    for (from, to) in [("2021-01", "2021-12"), ("2021-Q1", "2021-Q4"), ("2021", "2021")] {
        for (measure, is_share) in [(OUTGOING, true), (USERS, true), (RATE, false)] {
            let whole = server.points(measure, "p.x", from, to);
            for (unit, share) in [("p.u", 0.25), ("p.v", 0.75)] {
                let part = today(&server, measure, unit, from, to);
                for (whole, part) in whole.iter().zip(&part) {
                    for (field, value) in whole.as_object().unwrap() {
                        let shared = is_share
                            && matches!(
                                field.as_str(),
                                "value"
                                    | "delta"
                                    | "like_for_like_delta"
                                    | "year_delta"
                                    | "year_to_date"
                            );
                        let expected = if shared && !value.is_null() {
                            json!(value.as_f64().unwrap() * share)
                        } else {
                            value.clone()
                        };
                        assert!(
                            field == "origin" || same(&expected, &part[field]),
                            "{field} of {measure} of {unit}: {whole}\n{part}"
                        );
                    }
                    compared += usize::from(!whole["delta"].is_null());
                }
            }
        }
    }
    assert!(compared > 30, "{compared}");
}

#[test]
fn annotations_of_predecessors_appear_in_a_units_past() {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "a", "valid_to": "2021-06-30", "successors": ["ab"] },
        { "code": "b", "valid_to": "2021-06-30", "successors": ["ab"] },
        { "code": "ab", "valid_from": "2021-07-01" }
    ]));
    server.record("a", &[("ioffice.documents.outgoing", "2021-06", 4)]);
    let note = |code: &str, unit: &str, from: &str, text: &str| {
        json!({
            "code": code, "unit": unit, "from": from, "text": text,
        })
    };
    let notes = json!({ "annotations": [
        note("n", "a", "2021-06", "system down"),
        note("m", "ab", "2021-07", "merged"),
        note("later", "a", "2021-07", "gone"),
    ] });
    server.put("annotations", &notes).expect(200);
    let beside = |geography: &str| {
        let found = server.read(&format!(
            "series?measure=ioffice.documents.outgoing&unit=ab&\
             from=2021-06&to=2021-07&geography={geography}"
        ));
        found["series"][0]["points"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["annotations"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(beside("current"), [json!(["system down"]), json!(["merged"])]);
    assert_eq!(beside("as_reported"), [json!([]), json!(["merged"])]);
}
