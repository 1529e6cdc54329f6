//! Unusual figures that do not contradict a rule.

use serde_json::{Value, json};

use crate::harness::{Api, REPORT, Server, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const USERS: &str = "ioffice.users.total";
const CREATED: &str = "ioffice.users.created";
const MINUTES: &str = "radio.own_programme.minutes_per_day";

fn forest(units: &Value) -> Server {
    let server = Server::start();
    server.put_units(units);
    server
}

#[track_caller]
fn notices(api: &Api, parameters: &str) -> Vec<Value> {
    api.read(&format!("quality?{parameters}"))["notices"].as_array().unwrap().clone()
}

/// The months from this one on.
fn months(year: i32, month: i32) -> impl Iterator<Item = String> {
    (year * 12 + month - 1..).map(|month| format!("{}-{:02}", month / 12, month % 12 + 1))
}

/// Records figures of consecutive months.
#[track_caller]
fn run(server: &Server, unit: &str, indicator: &str, (year, month): (i32, i32), values: &[i64]) {
    let months: Vec<String> = months(year, month).take(values.len()).collect();
    let figures: Vec<(&str, &str, i64)> = months
        .iter()
        .zip(values)
        .map(|(month, value)| (indicator, month.as_str(), *value))
        .collect();
    server.record(unit, &figures);
}

#[test]
fn the_levels_of_september_follow_from_the_real_report() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let found = server.read("quality");
    has(&found, &json!({ "revision": server.revision(), "next_cursor": null }));
    let found = found["notices"].as_array().unwrap();
    let told: Vec<(&str, i64, i64)> = found
        .iter()
        .map(|notice| {
            (
                notice["measure"].as_str().unwrap(),
                notice["value"].as_i64().unwrap(),
                notice["expected"].as_i64().unwrap(),
            )
        })
        .collect();
    // 7,401 - 92; 2,312 - 10; 7,729 - 9
    assert_eq!(
        told,
        [
            (USERS, 7_401, 7_309),
            ("pki.certificates.total", 2_312, 2_302),
            ("mail.mailboxes.total", 7_729, 7_720)
        ]
    );
    for notice in found {
        has(
            notice,
            &json!({
                "rule": "implied_opening", "unit": "travinh", "period": "2021-10", "score": null,
                "months": null,
            }),
        );
        assert_eq!(notice["method"], "total[t] = total[t-1] + created - closed");
        let expected = notice["expected"].to_string();
        let vietnamese = format!("{}.{}", &expected[..1], &expected[1..]);
        assert!(
            notice["detail"].as_str().unwrap().contains(&expected)
                && notice["detail_vi"].as_str().unwrap().contains(&vietnamese),
            "{notice}"
        );
    }
    // Once September is reported, no opening is implied any more.
    let of = |september: i64| {
        server.record("travinh", &[(USERS, "2021-09", september)]);
        notices(&server, "unit=travinh")
            .into_iter()
            .filter(|notice| notice["measure"] == USERS)
            .collect::<Vec<_>>()
    };
    assert_eq!(of(7_309), Vec::<Value>::new());
    // One of 7,310 may have been closed: 7,300 + 92 are 7,392.
    assert_eq!(of(7_310), Vec::<Value>::new());
    let found = of(7_300);
    assert_eq!(found.len(), 1);
    has(
        &found[0],
        &json!({
            "rule": "unexplained_jump", "period": "2021-10", "value": 7_401, "expected": 7_392,
        }),
    );
    // 9,000 + 92 are 9,092: 1,691 are missing, more than a tenth of 9,000.
    has(&of(9_000)[0], &json!({ "rule": "unexplained_jump", "value": 7_401, "expected": 9_092 }));
}

#[test]
fn an_outlier_is_reported_by_its_modified_z_score() {
    let server = forest(&json!([
        { "code": "u" },
        { "code": "u.high", "parent": "u" },
        { "code": "u.low", "parent": "u" },
        { "code": "u.within", "parent": "u" },
        { "code": "u.few", "parent": "u" },
    ]));
    // Median 200; deviations 100 60 20 20 60 100, their median 60; 14 of 200 are expected by
    // chance.
    let history = [100, 140, 180, 220, 260, 300];
    run(&server, "u.high", OUTGOING, (2021, 1), &[&history[..], &[1_000]].concat());
    // 0.6745 x 300 / 60 = 3.3725
    run(&server, "u.within", OUTGOING, (2021, 1), &[&history[..], &[500]].concat());
    run(&server, "u.few", OUTGOING, (2021, 2), &[&history[..5], &[1_000]].concat());
    run(&server, "u.low", OUTGOING, (2021, 1), &[400, 440, 480, 520, 560, 600, 100]);
    let found = notices(&server, "unit=u&rule=outlier");
    assert_eq!(found.len(), 2, "{found:?}");
    // 0.6745 x (1,000 - 200) / 60 = 8.993333
    has(
        &found[0],
        &json!({
            "rule": "outlier", "measure": OUTGOING, "unit": "u.high", "period": "2021-07",
            "value": 1_000, "expected": 200, "score": 8.993_333, "months": 6,
        }),
    );
    // 0.6745 x (100 - 500) / 60 = - 4.496667
    has(
        &found[1],
        &json!({
            "unit": "u.low", "period": "2021-07", "value": 100, "expected": 500,
            "score": -4.496_667, "months": 6,
        }),
    );
    assert!(
        found[0]["method"]
            .as_str()
            .unwrap()
            .starts_with("modified z-score (Iglewicz and Hoaglin 1993)"),
        "{}",
        found[0]
    );
    assert_eq!(notices(&server, "unit=u.within"), Vec::<Value>::new());
}

#[test]
fn where_most_months_are_alike_the_mean_deviation_takes_the_place_of_the_median_one() {
    let server = forest(&json!([{ "code": "u" }]));
    // Median 1,000, median deviation 0, mean deviation 700 / 7 = 100: (2,000 - 1,000) / (1.253314 x
    // 100)
    run(
        &server,
        "u",
        OUTGOING,
        (2021, 1),
        &[1_000, 1_000, 1_000, 1_000, 1_000, 1_700, 1_000, 2_000],
    );
    let found = notices(&server, "unit=u&rule=outlier&from=2021-08");
    assert_eq!(found.len(), 1, "{found:?}");
    has(
        &found[0],
        &json!({
            "period": "2021-08", "value": 2_000, "expected": 1_000, "score": 7.978_846, "months": 7,
        }),
    );
}

#[test]
fn chance_variation_of_small_counts_is_not_an_outlier() {
    let server = forest(&json!([
        { "code": "u" },
        { "code": "u.a", "parent": "u" },
        { "code": "u.b", "parent": "u" },
    ]));
    // No variation; the square root of 100 is 10: (134 - 100) / 10 = 3.4 and (136 - 100) / 10 = 3.6
    run(&server, "u.a", OUTGOING, (2021, 1), &[100, 100, 100, 100, 100, 100, 134]);
    run(&server, "u.b", OUTGOING, (2021, 1), &[100, 100, 100, 100, 100, 100, 136]);
    let found = notices(&server, "unit=u&rule=outlier");
    assert_eq!(found.len(), 1, "{found:?}");
    has(&found[0], &json!({ "unit": "u.b", "score": 3.6, "expected": 100 }));
}

#[test]
fn before_compares_with_the_three_years_before_and_history_with_all_other_months() {
    let server = forest(&json!([
        { "code": "u" },
        { "code": "u.old", "parent": "u" },
        { "code": "u.new", "parent": "u" },
    ]));
    let history = [100, 140, 180, 220, 260, 300];
    for unit in ["u.old", "u.new"] {
        run(&server, unit, OUTGOING, (2018, 1), &history);
    }
    // January 2018 is 36 months before January 2021, and 37 before February.
    server.record("u.new", &[(OUTGOING, "2021-01", 1_000)]);
    server.record("u.old", &[(OUTGOING, "2021-02", 1_000)]);
    let found = notices(&server, "unit=u&rule=outlier&method=before");
    assert_eq!(found.len(), 1, "{found:?}");
    has(&found[0], &json!({ "unit": "u.new", "period": "2021-01", "months": 6 }));
    assert!(found[0]["detail"].as_str().unwrap().contains("6 months with a figure before"));
    let found = notices(&server, "unit=u&rule=outlier&method=history");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1]["detail"].as_str().unwrap().contains("6 other months with a figure"));
}

#[test]
fn the_first_months_are_judged_by_those_that_came_after_them() {
    let server = forest(&json!([{ "code": "u" }]));
    run(&server, "u", OUTGOING, (2021, 1), &[1_000, 100, 140, 180, 220, 260]);
    assert_eq!(notices(&server, "unit=u"), Vec::<Value>::new(), "five others are too few");
    server.record("u", &[(OUTGOING, "2021-07", 300)]);
    // 0.6745 x (1,000 - 200) / 60, as where it comes last
    let found = notices(&server, "unit=u&to=2021-01");
    assert_eq!(found.len(), 1, "{found:?}");
    has(
        &found[0],
        &json!({ "period": "2021-01", "expected": 200, "score": 8.993_333, "months": 6 }),
    );
    assert_eq!(
        found[0]["detail"],
        "1000 stands out: the median of the 6 other months with a figure is 200, \
         modified z-score 9.0."
    );
    assert_eq!(
        found[0]["detail_vi"],
        "1.000 khác thường: trung vị của 6 tháng khác có số liệu là 200, điểm z hiệu chỉnh 9,0."
    );
    assert_eq!(notices(&server, "unit=u&method=before"), Vec::<Value>::new());
}

#[test]
fn threshold_and_method_are_parameters() {
    let server = forest(&json!([{ "code": "u" }]));
    // 0.6745 x (500 - 200) / 60 = 3.3725; mean 200, squares 10,000 + 3,600 + 400 twice: 28,000 / 5
    run(&server, "u", OUTGOING, (2021, 1), &[100, 140, 180, 220, 260, 300, 500]);
    let scores = |parameters: &str| -> Vec<f64> {
        let found = notices(&server, &format!("unit=u&rule=outlier&{parameters}"));
        found.iter().map(|notice| notice["score"].as_f64().unwrap()).collect()
    };
    assert_eq!(scores(""), Vec::<f64>::new());
    assert_eq!(scores("threshold=3.37"), [3.3725]);
    assert_eq!(scores("threshold=3.38"), Vec::<f64>::new());
    // 300 / the square root of 5,600
    assert_eq!(scores("method=z_score"), [4.008_919]);
    assert_eq!(scores("method=z_score&threshold=4.1"), Vec::<f64>::new());
    let found = notices(&server, "unit=u&method=z_score");
    assert!(found[0]["method"].as_str().unwrap().starts_with("z-score"), "{}", found[0]);
    assert_eq!(
        found[0]["detail"],
        "500 stands out: the mean of the 6 other months with a figure is 200, z-score 4.0."
    );
    for (text, fault) in [
        ("threshold=0.9", "/threshold malformed"),
        ("threshold=101", "/threshold malformed"),
        ("threshold=NaN", "/threshold malformed"),
        ("threshold=high", "/threshold malformed"),
        ("method=median", "/method malformed"),
    ] {
        assert_eq!(server.get(&format!("quality?{text}")).faults(422), [fault], "{text}");
    }
}

#[test]
fn a_flow_is_judged_by_the_same_month_of_other_years_from_three_years_on() {
    let server = forest(&json!([
        { "code": "u" },
        { "code": "u.a", "parent": "u" },
        { "code": "u.b", "parent": "u" },
    ]));
    // Every December is five times the other months; the years differ by 100
    let level = |n: i64| (if n % 12 == 11 { 5_000 } else { 1_000 }) + n / 12 * 100;
    let years: Vec<i64> = (0..48).map(level).collect();
    run(&server, "u.a", OUTGOING, (2020, 1), &years);
    // Of two years no season is known: December stands out
    run(&server, "u.b", OUTGOING, (2020, 1), &years[..24]);
    let told = |parameters: &str| -> Vec<String> {
        let found = notices(&server, &format!("rule=outlier&from=2020-01&to=2023-12&{parameters}"));
        let period = |notice: &Value| notice["period"].as_str().unwrap().to_owned();
        found.iter().map(period).collect()
    };
    let decembers = ["2020-12", "2021-12", "2022-12", "2023-12"];
    assert_eq!(told("unit=u.a"), Vec::<String>::new());
    assert_eq!(told("unit=u.a&method=history"), decembers);
    assert_eq!(told("unit=u.b"), decembers[..2]);
    assert_eq!(told("unit=u.b&method=seasonal"), Vec::<String>::new());
    // With the third year it is
    run(&server, "u.b", OUTGOING, (2022, 1), &years[24..36]);
    assert_eq!(told("unit=u.b"), Vec::<String>::new());
    // A December like any other month
    server.record("u.a", &[(OUTGOING, "2022-12", 1_200)]);
    let found = notices(&server, "unit=u.a&rule=outlier&from=2022-12&to=2022-12");
    assert_eq!(found.len(), 1, "{found:?}");
    // The median of 5,000, 5,100, 5,300. The distances of the other figures from their months: 22
    // of 200, 24 of 100 and one of 300, so that their median is 100: 0.6745 x 3,900 / 100
    has(&found[0], &json!({ "value": 1_200, "expected": 5_100, "score": -26.3055, "months": 3 }));
    assert_eq!(
        found[0]["detail_vi"],
        "1.200 khác thường: trung vị của cùng tháng trong 3 năm khác là 5.100, điểm z hiệu chỉnh \
         -26,3."
    );
    assert_eq!(told("unit=u.a&method=history"), ["2020-12", "2021-12", "2023-12"]);
}

#[test]
fn averages_are_compared_with_their_own_history() {
    let server = forest(&json!([{ "code": "u" }]));
    // Median 22.5, deviations 2.5 1.5 0.5 0.5 1.5 2.5, their median 1.5: 0.6745 x 37.5 / 1.5 =
    // 16.8625
    run(&server, "u", MINUTES, (2021, 1), &[20, 21, 22, 23, 24, 25, 60]);
    let found = notices(&server, "unit=u");
    assert_eq!(found.len(), 1, "{found:?}");
    has(
        &found[0],
        &json!({
            "rule": "outlier", "measure": MINUTES, "value": 60, "expected": 22.5, "score": 16.8625,
        }),
    );
}

#[test]
fn a_step_of_a_stock_is_reported_once() {
    let server = forest(&json!([{ "code": "u" }]));
    // Changes 100 to 600 and 350, median 350, deviations 250 150 50 50 150 250 0, their median 150;
    // and + 1,500.
    run(
        &server,
        "u",
        USERS,
        (2021, 1),
        &[1_000, 1_100, 1_300, 1_600, 2_000, 2_500, 3_100, 4_600, 4_950],
    );
    let found = notices(&server, "unit=u");
    assert_eq!(found.len(), 1, "{found:?}");
    // 0.6745 x (1,500 - 350) / 150 = 5.171167; 3,100 + 350
    has(
        &found[0],
        &json!({
            "rule": "outlier", "period": "2021-08", "value": 4_600,
            "expected": 3_450, "score": 5.171_167, "months": 7,
        }),
    );
}

#[test]
fn a_run_of_unchanged_figures_is_reported_at_its_end() {
    let server = forest(&json!([
        { "code": "u" },
        { "code": "u.six", "parent": "u" },
        { "code": "u.five", "parent": "u" },
        { "code": "u.gap", "parent": "u" },
        { "code": "u.small", "parent": "u" },
        { "code": "u.stock", "parent": "u" },
        { "code": "u.eleven", "parent": "u" },
        { "code": "u.on", "parent": "u" },
    ]));
    run(&server, "u.six", OUTGOING, (2021, 1), &[40, 50, 50, 50, 50, 50, 50, 51]);
    run(&server, "u.five", OUTGOING, (2021, 1), &[50, 50, 50, 50, 50, 51]);
    run(&server, "u.gap", OUTGOING, (2021, 1), &[50, 50, 50]);
    run(&server, "u.gap", OUTGOING, (2021, 5), &[50, 50, 50, 50]);
    run(&server, "u.small", OUTGOING, (2021, 1), &[9; 12]);
    run(&server, "u.stock", USERS, (2020, 11), &[70; 12]);
    run(&server, "u.eleven", USERS, (2021, 1), &[70; 11]);
    run(&server, "u.on", OUTGOING, (2021, 3), &[10; 9]);
    let found = notices(&server, "unit=u&from=2020-12&to=2021-12");
    let told: Vec<(&str, &str, i64, i64)> = found
        .iter()
        .map(|notice| {
            (
                notice["unit"].as_str().unwrap(),
                notice["period"].as_str().unwrap(),
                notice["value"].as_i64().unwrap(),
                notice["months"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [("u.on", "2021-11", 10, 9), ("u.six", "2021-07", 50, 6), ("u.stock", "2021-10", 70, 12)]
    );
    found.iter().for_each(|notice| {
        has(notice, &json!({ "rule": "unchanged", "expected": null, "score": null }))
    });
}

/// Adds a stock with the flows that open and close it.
#[track_caller]
fn with_a_stock(server: &Server) {
    let mut catalogue = server.read("catalogue");
    let indicators = catalogue["indicators"].as_array_mut().unwrap();
    for code in ["x.opened", "x.closed"] {
        indicators.push(json!({ "code": code, "kind": "flow", "unit_of_measure": "count" }));
    }
    indicators.push(json!({
        "code": "x.stock", "kind": "stock", "unit_of_measure": "count",
        "movement": { "opened": "x.opened", "closed": "x.closed" },
    }));
    server.put("catalogue", &catalogue).expect(200);
}

#[test]
fn an_unexplained_jump_is_reported_with_the_value_that_the_flows_imply() {
    let server = forest(
        &json!([{ "code": "u" }, { "code": "u.new", "parent": "u", "valid_from": "2021-09-01" }]),
    );
    with_a_stock(&server);
    let at = |month: &str, stock: i64, opened: Option<i64>, closed: Option<i64>| {
        let flows = [("x.opened", opened), ("x.closed", closed)];
        let figures = flows.iter().filter_map(|(code, value)| Some((*code, month, (*value)?)));
        server.record("u", &figures.chain([("x.stock", month, stock)]).collect::<Vec<_>>());
    };
    at("2021-01", 100, Some(8), Some(3)); // 100 - 8 + 3 = 95 before
    at("2021-02", 103, Some(5), Some(2)); // 100 + 5 - 2
    at("2021-03", 107, Some(5), Some(2)); // 106 is what follows
    at("2021-04", 106, Some(5), Some(2)); // 110 is what follows
    at("2021-05", 120, None, None); // nothing is known
    at("2021-06", 115, Some(7), None); // 127: 12 of 120 may have been closed
    at("2021-07", 110, Some(7), None); // 122: 12 of 115 are more than a tenth
    at("2021-08", 118, Some(7), None); // 117: more than were created
    server.record("u.new", &[("x.stock", "2021-09", 50), ("x.opened", "2021-09", 5)]);
    let found = notices(&server, "unit=u");
    let told: Vec<(&str, &str, i64, i64)> = found
        .iter()
        .map(|notice| {
            (
                notice["rule"].as_str().unwrap(),
                notice["period"].as_str().unwrap(),
                notice["value"].as_i64().unwrap(),
                notice["expected"].as_i64().unwrap(),
            )
        })
        .collect();
    let jump = "unexplained_jump";
    assert_eq!(
        told,
        [
            ("implied_opening", "2021-01", 100, 95),
            (jump, "2021-03", 107, 106),
            (jump, "2021-04", 106, 110),
            (jump, "2021-07", 110, 122),
            (jump, "2021-08", 118, 117)
        ]
    );
    found.iter().for_each(|notice| has(notice, &json!({ "measure": "x.stock", "unit": "u" })));
}

#[test]
fn no_negative_opening_level_is_implied() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record("u", &[(USERS, "2021-10", 5), (CREATED, "2021-10", 6)]);
    assert_eq!(notices(&server, "unit=u"), Vec::<Value>::new());
}

/// Two units with an outlier, an unchanged figure and an opening level each.
fn eventful() -> Server {
    let server = forest(&json!([
        { "code": "u" },
        { "code": "u.a", "parent": "u" },
        { "code": "u.b", "parent": "u" },
    ]));
    for unit in ["u.a", "u.b"] {
        run(&server, unit, OUTGOING, (2021, 1), &[100, 140, 180, 220, 260, 300, 1_000]);
        run(&server, unit, "igate.dossiers.resolved", (2021, 1), &[50; 6]);
        server.record(unit, &[(USERS, "2021-10", 100), (CREATED, "2021-10", 1)]);
    }
    server
}

#[test]
fn notices_are_asked_for_by_unit_rule_and_months_and_page_by_page() {
    let server = eventful();
    let told = |parameters: &str| -> Vec<String> {
        notices(&server, parameters)
            .iter()
            .map(|notice| {
                format!(
                    "{} {} {}",
                    notice["rule"].as_str().unwrap(),
                    notice["unit"].as_str().unwrap(),
                    notice["period"].as_str().unwrap()
                )
            })
            .collect()
    };
    let all = [
        "outlier u.a 2021-07",
        "outlier u.b 2021-07",
        "unchanged u.a 2021-06",
        "unchanged u.b 2021-06",
        "implied_opening u.a 2021-10",
        "implied_opening u.b 2021-10",
    ];
    assert_eq!(told(""), all);
    assert_eq!(told("unit=u"), all);
    assert_eq!(told("unit=u.b"), [all[1], all[3], all[5]]);
    assert_eq!(told("rule=unchanged"), all[2..4]);
    assert_eq!(told("rule=implied_opening&unit=u.a"), all[4..5]);
    assert_eq!(told("rule=unexplained_jump"), Vec::<String>::new());
    assert_eq!(told("from=2021-07&to=2021-09"), all[..2]);
    assert_eq!(told("from=2021-08"), all[4..]);
    // The last twelve months with figures: up to the requested month, otherwise up to the newest.
    assert_eq!(told("to=2022-06"), [&all[..2], &all[4..]].concat());
    assert_eq!(told("to=2022-08"), all[4..]);
    let whole = server.read("quality")["notices"].clone();
    let (mut path, mut pages, mut count) = ("quality?limit=4".to_owned(), Vec::new(), 0);
    loop {
        let reply = server.get(&path);
        pages.extend(reply.expect(200)["notices"].as_array().unwrap().iter().cloned());
        count += 1;
        let Some(next) = reply.next_link() else { break };
        path = next;
    }
    assert_eq!((json!(pages), count), (whole, 2));
    assert_eq!(server.read("quality?limit=6")["next_cursor"], Value::Null);
}

#[test]
fn unknown_malformed_and_excessive_input_is_reported() {
    let server = Server::start();
    server.get("quality?unit=nowhere").problem(404);
    assert_eq!(
        server.get("quality?rule=odd&from=2021&to=x&limit=10001&colour=red&cursor=1").faults(422),
        [
            "/colour unknown_parameter",
            "/cursor malformed",
            "/from malformed",
            "/limit out_of_range",
            "/rule malformed",
            "/to malformed"
        ]
    );
    assert_eq!(server.get("quality?from=2021-11&to=2021-10").faults(422), ["/to dates_reversed"]);
    server.get("quality?from=1971-01&to=2020-12&limit=1000").expect(200);
    // 601 months
    assert_eq!(server.get("quality?from=1970-12&to=2020-12").faults(422), ["/from span_too_long"]);
}

#[test]
fn a_continuing_run_is_reported_for_the_requested_months_and_a_break_restarts_it() {
    let server = Server::start();
    server.put_units(&json!([{ "code": "u" }]));
    let month = |n: usize| format!("{}-{:02}", 2021 + n / 12, n % 12 + 1);
    for n in 0..9 {
        server.record("u", &[(OUTGOING, &month(n), 50)]);
    }
    let found = server.read("quality?unit=u&rule=unchanged&from=2021-01&to=2021-07");
    assert_eq!(
        (found["notices"].as_array().unwrap().len(), &found["notices"][0]["months"]),
        (1, &json!(7))
    );
    // The definition of dossiers changes in August 2022: 3,000 cannot be compared with 100 to 300
    // before.
    for (n, value) in [100, 150, 200, 250, 300, 150, 200, 3_000].into_iter().enumerate() {
        server.record("u", &[("igate.dossiers.received", &month(12 + n), value)]);
    }
    assert_eq!(server.read("quality?unit=u&rule=outlier")["notices"], json!([]));
}

#[test]
fn quality_as_of_a_revision_is_stable_and_cacheable() {
    let server = eventful();
    let (revision, before) = (server.revision(), server.get("quality?to=2021-10"));
    let tag = before.header("etag");
    assert_eq!(
        server.send("GET", "quality?to=2021-10", &[("if-none-match", tag)], None).status,
        304
    );
    server.record("u.a", &[(OUTGOING, "2021-07", 340)]);
    let now = server.send("GET", "quality?to=2021-10", &[("if-none-match", tag)], None).expect(200);
    assert_eq!(now["notices"].as_array().unwrap().len(), 5);
    assert_eq!(server.get(&format!("quality?to=2021-10&as_of={revision}")).text(), before.text());
}

#[test]
fn notices_as_a_table() {
    let server = eventful();
    for reply in [
        server.get("quality?unit=u.a&format=csv"),
        server.send("GET", "quality?unit=u.a", &[("accept", "text/csv")], None),
    ] {
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
        let body = reply.text();
        let mut table = csv::Reader::from_reader(body.as_bytes());
        assert_eq!(
            table.headers().unwrap(),
            vec![
                "rule",
                "measure",
                "unit",
                "period",
                "value",
                "expected",
                "score",
                "months",
                "method",
                "detail",
                "detail_vi"
            ]
        );
        let rows: Vec<Vec<String>> = table
            .records()
            .map(|row| row.unwrap().iter().take(8).map(ToOwned::to_owned).collect())
            .collect();
        assert_eq!(
            rows,
            [
                ["outlier", OUTGOING, "u.a", "2021-07", "1000", "200", "8.993333", "6"],
                ["unchanged", "igate.dossiers.resolved", "u.a", "2021-06", "50", "", "", "6"],
                ["implied_opening", USERS, "u.a", "2021-10", "100", "99", "", ""],
            ]
        );
    }
}
