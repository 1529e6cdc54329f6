//! Scorecard: every kpi and headline indicator of a unit in one period.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{Api, Dice, REPORT, Server, figure, has, query, same};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const USERS: &str = "ioffice.users.total";
const RECEIVED: &str = "igate.dossiers.received";
const RESOLVED: &str = "igate.dossiers.resolved";
const CLEARANCE: &str = "igate.dossiers.clearance_rate";
const LEVEL4: &str = "igate.services.level_share{service_level=4}";

fn forest(units: &Value) -> Server {
    let server = Server::start();
    server.put_units(units);
    server
}

#[track_caller]
fn scorecard(api: &Api, unit: &str, period: &str) -> Value {
    api.read(&format!("scorecard?{}", query(&[("unit", unit), ("period", period)])))
}

#[track_caller]
fn row(scorecard: &Value, measure: &str) -> Value {
    let found: Vec<&Value> = scorecard["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["measure"] == measure)
        .collect();
    assert_eq!(found.len(), 1, "{measure} in {scorecard}");
    found[0].clone()
}

/// Changes kpis of the catalogue.
#[track_caller]
fn with_kpis(server: &Server, change: impl Fn(&str, &mut Value)) {
    let mut catalogue = server.read("catalogue");
    for kpi in catalogue["kpis"].as_array_mut().unwrap() {
        let code = kpi["code"].as_str().unwrap().to_owned();
        change(&code, kpi);
    }
    server.put("catalogue", &catalogue).expect(200);
}

/// The fields of a row that a point of `/series` also has.
const POINT: [&str; 24] = [
    "period",
    "time",
    "value",
    "value_reason",
    "origin",
    "coverage",
    "taken_from",
    "stated",
    "delta",
    "delta_reason",
    "delta_percent",
    "delta_percent_reason",
    "like_for_like_delta",
    "like_for_like_delta_reason",
    "like_for_like_percent",
    "like_for_like_percent_reason",
    "like_for_like_coverage",
    "year_delta",
    "year_delta_reason",
    "year_delta_percent",
    "year_delta_percent_reason",
    "year_to_date",
    "year_to_date_reason",
    "annotations",
];

#[test]
fn a_scorecard_lists_each_kpi_and_headline_indicator_once() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let catalogue = server.read("catalogue");
    let codes = |section: &str, wanted: &dyn Fn(&Value) -> bool| -> Vec<String> {
        let entries = catalogue[section].as_array().unwrap().iter().filter(|entry| wanted(entry));
        entries.map(|entry| entry["code"].as_str().unwrap().to_owned()).collect()
    };
    let kpis = codes("kpis", &|_| true);
    let headlines = codes("indicators", &|indicator| indicator["headline"] == true);
    assert!(kpis.len() > 10 && headlines.len() > 5);
    let found = scorecard(&server, "travinh", "2021-10");
    has(
        &found,
        &json!({
            "revision": server.revision(), "unit": "travinh", "kind": "province",
            "period": "2021-10", "score": null,
        }),
    );
    assert_eq!(found["name"]["en"], "Tra Vinh");
    let rows = found["rows"].as_array().unwrap();
    let measures = |group: &str| -> Vec<&str> {
        rows.iter()
            .filter(|row| row["group"] == group)
            .map(|row| row["measure"].as_str().unwrap())
            .collect()
    };
    let whole: Vec<&str> =
        measures("kpi").into_iter().filter(|measure| !measure.contains('{')).collect();
    assert_eq!(whole, kpis);
    assert_eq!(measures("indicator"), headlines);
    let all: BTreeSet<&str> = rows.iter().map(|row| row["measure"].as_str().unwrap()).collect();
    assert_eq!(all.len(), rows.len(), "no row is repeated");
    // Level 4 has its own target: 944 of 1,858 services, stated as 50.81.
    let level = row(&found, LEVEL4);
    has(
        &level,
        &json!({
            "value": 50.807_320, "stated": 50.81, "target": 100, "attainment": 50.807_320,
            "status": "behind", "direction": "higher", "group": "kpi",
        }),
    );
    // 9,319 of 13,594; the reference target of 100 has no dates.
    has(
        &row(&found, CLEARANCE),
        &json!({
            "value": 68.552_302, "target": 100, "attainment": 68.552_302, "status": "behind",
            "system": "igate",
        }),
    );
    // The targets for December 2025 are not in force yet.
    has(
        &row(&found, RATE),
        &json!({
            "value": 78.947_144, "stated": 78.955, "target": null, "attainment": null,
            "status": null, "unit_of_measure": "percent",
        }),
    );
    has(
        &row(&found, USERS),
        &json!({
            "value": 7401, "direction": "neutral", "status": null, "system": "ioffice",
            "unit_of_measure": "count", "score": null,
        }),
    );
    assert_eq!(row(&found, USERS)["name"]["en"], "Users");
}

#[test]
fn thirteen_values_end_with_the_period() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record(
        "u",
        &[
            (OUTGOING, "2020-09", 1),
            (OUTGOING, "2020-10", 2),
            (OUTGOING, "2021-01", 4),
            (OUTGOING, "2021-10", 8),
            (OUTGOING, "2021-11", 16),
        ],
    );
    server.record(
        "u",
        &[
            (OUTGOING, "2015-03", 32),
            (OUTGOING, "2009-12", 64),
            (OUTGOING, "2009-09", 128),
            (OUTGOING, "2018-10", 256),
        ],
    );
    let history = |period: &str| -> Vec<(String, Option<i64>)> {
        let found =
            row(&scorecard(&server, "u", period), OUTGOING)["history"].as_array().unwrap().clone();
        found
            .iter()
            .map(|past| (past["period"].as_str().unwrap().to_owned(), past["value"].as_i64()))
            .collect()
    };
    let found = history("2021-10");
    let months: Vec<&str> = found.iter().map(|(period, _)| period.as_str()).collect();
    let expected = [
        "2020-10", "2020-11", "2020-12", "2021-01", "2021-02", "2021-03", "2021-04", "2021-05",
        "2021-06", "2021-07", "2021-08", "2021-09", "2021-10",
    ];
    assert_eq!(months, expected);
    let values: Vec<Option<i64>> = found.iter().map(|(_, value)| *value).collect();
    assert_eq!(
        values,
        [Some(2), None, None, Some(4), None, None, None, None, None, None, None, None, Some(8)]
    );
    // Quarters go back to the fourth of 2018, which contains October; halves to the second of 2015,
    // years and nine months to 2009.
    let ends = |period: &str| {
        let found = history(period);
        assert_eq!(found.len(), 13);
        (found[0].clone(), found[12].clone())
    };
    let pair = |period: &str, value: Option<i64>| (period.to_owned(), value);
    assert_eq!(ends("2021-Q4"), (pair("2018-Q4", Some(256)), pair("2021-Q4", Some(24))));
    assert_eq!(ends("2021-H2"), (pair("2015-H2", None), pair("2021-H2", Some(24))));
    assert_eq!(ends("2021-H1"), (pair("2015-H1", Some(32)), pair("2021-H1", Some(4))));
    assert_eq!(ends("2021-9M"), (pair("2009-9M", Some(128)), pair("2021-9M", Some(4))));
    // 64 + 128; 4 + 8 + 16
    assert_eq!(ends("2021"), (pair("2009", Some(192)), pair("2021", Some(28))));
    let all = scorecard(&server, "u", "2021-10");
    assert!(
        all["rows"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["history"].as_array().unwrap().len() == 13
                && row["history"][12]["period"] == "2021-10")
    );
}

/// Every field of every row equals that of `/series`, for three units and five years, with gaps,
/// splits and stated rates above the leaves.
#[test]
fn a_scorecard_and_the_series_agree_in_every_field() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "valid_to": "2020-06-30", "successors": ["p.ab"] },
        { "code": "p.b", "parent": "p", "valid_to": "2020-06-30", "successors": ["p.ab"] },
        { "code": "p.ab", "parent": "p", "valid_from": "2020-07-01" },
        { "code": "p.c", "parent": "p" }
    ]));
    let mut dice = Dice(766);
    let mut figures = Vec::new();
    for year in 2019..=2021 {
        for month in 1..=12 {
            let period = format!("{year}-{month:02}");
            let units: &[&str] = if period.as_str() < "2020-07" {
                &["p.a", "p.b", "p.c", "p"]
            } else {
                &["p.ab", "p.c", "p"]
            };
            for unit in units {
                for indicator in [
                    OUTGOING,
                    SIGNED,
                    USERS,
                    RECEIVED,
                    RESOLVED,
                    "igate.services.provided",
                    "igate.dossiers.backlog",
                ] {
                    let often = if *unit == "p" { 12 } else { 2 };
                    if dice.below(often) == 0 {
                        figures.push(figure(indicator, unit, &period, dice.below(90) + 10));
                    }
                }
                if dice.below(2) == 0 {
                    let mut online = figure(RECEIVED, unit, &period, dice.below(9));
                    online["dimensions"] = json!({ "channel": "online", "service_level": "4" });
                    figures.push(online);
                }
            }
        }
    }
    figures.push(figure(RATE, "p", "2021-10", "78.950"));
    server.post(&json!({ "observations": figures })).expect(201);
    server
        .put(
            "targets",
            &json!({ "targets": [{
        "code": "t", "measure": "igate.dossiers.online_rate{service_level=4}", "value": 80,
    }] }),
        )
        .expect(200);
    server
        .put(
            "annotations",
            &json!({ "annotations": [{
        "code": "n", "unit": "p", "from": "2021-09", "text": "Mất điện",
    }] }),
        )
        .expect(200);
    let mut compared = 0;
    for unit in ["p", "p.ab", "p.a", "p.c"] {
        for period in
            ["2021-10", "2021-09", "2020-07", "2020-06", "2021-Q3", "2020-H2", "2021-9M", "2021"]
        {
            for geography in ["as_reported", "current"] {
                let asked = query(&[("unit", unit), ("period", period), ("geography", geography)]);
                for row in server.read(&format!("scorecard?{asked}"))["rows"].as_array().unwrap() {
                    let asked = query(&[
                        ("measure", row["measure"].as_str().unwrap()),
                        ("unit", unit),
                        ("from", period),
                        ("to", period),
                        ("geography", geography),
                    ]);
                    let series = server.read(&format!("series?{asked}"))["series"][0].clone();
                    let point = &series["points"][0];
                    assert_eq!(point.as_object().unwrap().len(), POINT.len());
                    for field in POINT {
                        assert!(
                            same(&row[field], &point[field]),
                            "{field} of {asked}: {row}\n{point}"
                        );
                    }
                    assert_eq!(row["unit_of_measure"], series["unit_of_measure"]);
                    assert!(same(&row["history"][12]["value"], &point["value"]), "{row}");
                    compared += usize::from(point["value"].is_number());
                }
            }
        }
    }
    assert!(compared > 300, "{compared}");
}

#[test]
fn values_of_a_parent_are_ratios_of_sums_and_targets_are_inherited() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.m", "parent": "p" },
        { "code": "p.n", "parent": "p" },
    ]));
    server.record("p.m", &[(OUTGOING, "2021-10", 100), (SIGNED, "2021-10", 50)]);
    server.record("p.n", &[(OUTGOING, "2021-10", 300), (SIGNED, "2021-10", 270)]);
    let target = |code: &str, unit: Value, value: &str| {
        json!({
            "code": code, "measure": RATE, "unit": unit, "value": value,
        })
    };
    server
        .put(
            "targets",
            &json!({ "targets": [
        target("all", Value::Null, "84"),
        target("n", json!("p.n"), "90"),
    ] }),
        )
        .expect(200);
    // 320 of 400 is 80; 80 / 84 = 0.952381, which is close.
    has(
        &row(&scorecard(&server, "p", "2021-10"), RATE),
        &json!({
            "value": 80, "coverage": 1.0, "target": 84, "attainment": 95.238_095, "status": "close",
        }),
    );
    has(
        &row(&scorecard(&server, "p.m", "2021-10"), RATE),
        &json!({ "value": 50, "target": 84, "attainment": 59.523_81, "status": "behind" }),
    );
    has(
        &row(&scorecard(&server, "p.n", "2021-10"), RATE),
        &json!({ "value": 90, "target": 90, "attainment": 100, "status": "met" }),
    );
    has(
        &row(&scorecard(&server, "p.n", "2021-11"), RATE),
        &json!({ "value": null, "target": 90, "attainment": null, "status": "no_data" }),
    );
}

#[test]
fn points_are_full_at_the_threshold_and_below_it_in_proportion_or_none() {
    let server = forest(&json!([{ "code": "u" }]));
    with_kpis(&server, |code, kpi| match code {
        RATE => {
            kpi["score"] = json!({
                "function": "proportional", "points": "20", "threshold": "80",
                "source": { "en": "Decision 766/QD-TTg (2022)" },
            })
        }
        CLEARANCE => {
            kpi["score"] = json!({ "function": "all_or_nothing", "points": 12.5, "threshold": 100 })
        }
        "igate.dossiers.online_rate" => {
            kpi["score"] = json!({ "function": "proportional", "points": 10, "threshold": 50 })
        }
        _ => {}
    });
    let of = |month: &str| scorecard(&server, "u", month);
    server.record(
        "u",
        &[
            (OUTGOING, "2021-01", 100),
            (SIGNED, "2021-01", 60),
            (RECEIVED, "2021-01", 200),
            (RESOLVED, "2021-01", 199),
        ],
    );
    let found = of("2021-01");
    // 20 x 60 / 80 = 15
    let score = row(&found, RATE)["score"].clone();
    has(
        &score,
        &json!({
            "function": "proportional", "points": 20, "threshold": 80, "earned": 15,
            "source": { "vi": "", "en": "Decision 766/QD-TTg (2022)" },
        }),
    );
    // 99.5 is not 100.
    has(
        &row(&found, CLEARANCE)["score"],
        &json!({
            "function": "all_or_nothing", "points": 12.5, "threshold": 100, "earned": 0,
            "source": null,
        }),
    );
    has(
        &row(&found, "igate.dossiers.online_rate")["score"],
        &json!({ "points": 10, "earned": null }),
    );
    // 15 + 0 of 20 + 12.5; the online rate cannot be computed.
    has(&found["score"], &json!({ "earned": 15, "possible": 32.5, "missing": 1 }));
    assert!(
        found["rows"].as_array().unwrap().iter().filter(|row| !row["score"].is_null()).count() == 3
    );

    server.record(
        "u",
        &[
            (OUTGOING, "2021-02", 100),
            (SIGNED, "2021-02", 80),
            (RECEIVED, "2021-02", 200),
            (RESOLVED, "2021-02", 200),
        ],
    );
    let online = json!({
        "indicator": RECEIVED, "unit": "u", "period": "2021-02", "value": 33,
        "dimensions": { "channel": "online" },
    });
    server.post(&json!({ "observations": [online] })).expect(201);
    let found = of("2021-02");
    has(&row(&found, RATE)["score"], &json!({ "earned": 20 }));
    has(&row(&found, CLEARANCE)["score"], &json!({ "earned": 12.5 }));
    // 33 of 200 is 16.5; 10 x 16.5 / 50 = 3.3
    has(&row(&found, "igate.dossiers.online_rate")["score"], &json!({ "earned": 3.3 }));
    has(&found["score"], &json!({ "earned": 35.8, "possible": 42.5, "missing": 0 }));

    // More than the threshold earns no more points.
    server.record(
        "u",
        &[
            (OUTGOING, "2021-03", 100),
            (SIGNED, "2021-03", 95),
            (RECEIVED, "2021-03", 200),
            (RESOLVED, "2021-03", 500),
        ],
    );
    has(&of("2021-03")["score"], &json!({ "earned": 32.5, "possible": 32.5, "missing": 1 }));
    // Nothing was reported.
    has(&of("2021-04")["score"], &json!({ "earned": 0, "possible": 0, "missing": 3 }));
    // A quarter is scored by its own values: 235 of 300 is 78.333333, 20 x 78.333333 / 80 =
    // 19.583333; 899 of 600 earns all points.
    let found = of("2021-Q1");
    has(&row(&found, RATE)["score"], &json!({ "earned": 19.583_333 }));
    has(&row(&found, CLEARANCE), &json!({ "value": 149.833_333 }));
    // The online rate only has February, which is complete: 3.3 again.
    has(&row(&found, "igate.dossiers.online_rate"), &json!({ "value": 16.5 }));
    has(&found["score"], &json!({ "earned": 35.383_333, "possible": 42.5, "missing": 0 }));
}

#[test]
fn where_less_is_better_points_are_full_up_to_the_threshold() {
    let server = forest(&json!([{ "code": "u" }]));
    let mut catalogue = server.read("catalogue");
    let formula =
        "(ioffice.documents.outgoing - ioffice.documents.signed) / ioffice.documents.outgoing";
    for (code, function) in [("x.some", "proportional"), ("x.all", "all_or_nothing")] {
        let score = json!({ "function": function, "points": 10, "threshold": 20 });
        let kpi = json!({
            "code": code, "formula": formula, "unit_of_measure": "percent", "direction": "lower",
            "score": score,
        });
        catalogue["kpis"].as_array_mut().unwrap().push(kpi);
    }
    server.put("catalogue", &catalogue).expect(200);
    for (month, signed) in [("2021-01", 80), ("2021-02", 75), ("2021-03", 0), ("2021-04", 100)] {
        server.record("u", &[(OUTGOING, month, 100), (SIGNED, month, signed)]);
    }
    // 20 of 20; 10 x 20 / 25 = 8; 10 x 20 / 100 = 2; an attainment cannot be below 0.
    for (month, some, all) in [
        ("2021-01", 10.0, 10.0),
        ("2021-02", 8.0, 0.0),
        ("2021-03", 2.0, 0.0),
        ("2021-04", 10.0, 10.0),
    ] {
        let found = scorecard(&server, "u", month);
        has(&row(&found, "x.some")["score"], &json!({ "earned": some }));
        has(&row(&found, "x.all")["score"], &json!({ "earned": all }));
        has(&found["score"], &json!({ "earned": some + all, "possible": 20, "missing": 0 }));
    }
}

#[test]
fn an_invalid_score_is_a_catalogue_error() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    let kpis = catalogue["kpis"].as_array_mut().unwrap();
    kpis[0]["score"] = json!({ "function": "some", "points": 1, "threshold": 1 });
    kpis[1]["score"] = json!({ "function": "proportional", "points": 0, "threshold": -1 });
    kpis[2]["score"] = json!({ "function": "proportional", "points": "many", "threshold": 1 });
    // The second kpi is neutral and cannot earn points.
    assert_eq!(
        server.put("catalogue", &catalogue).faults(422),
        [
            "/kpis/0/score/function unknown_function",
            "/kpis/1/score no_direction",
            "/kpis/1/score/points malformed_number",
            "/kpis/1/score/threshold malformed_number",
            "/kpis/2/score/points malformed_number",
        ]
    );
}

#[test]
fn unknown_missing_and_malformed_parameters_are_reported_together() {
    let server = Server::start();
    server.get("scorecard?unit=nowhere&period=2021-10").problem(404);
    assert_eq!(server.get("scorecard").faults(422), ["/period missing", "/unit missing"]);
    assert_eq!(
        server.get("scorecard?period=October&geography=&format=pdf&measure=x").faults(422),
        [
            "/format malformed",
            "/geography malformed",
            "/measure unknown_parameter",
            "/period malformed",
            "/unit missing"
        ]
    );
    assert_eq!(
        server.get("scorecard?unit=travinh&unit=bentre&period=2021-10").faults(422),
        ["/unit duplicate"]
    );
}

#[test]
fn a_unit_has_no_values_in_months_in_which_it_does_not_exist() {
    let server = Server::start();
    let found = scorecard(&server, "vinhlong-2025", "2021-10");
    for row in found["rows"].as_array().unwrap() {
        has(row, &json!({ "value": null, "coverage": 0.0, "origin": null, "delta": null }));
        assert!(row["history"].as_array().unwrap().iter().all(|past| past["value"].is_null()));
    }
}

#[test]
fn a_scorecard_as_of_a_revision_is_stable_and_cacheable() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record("u", &[(OUTGOING, "2021-10", 100), (SIGNED, "2021-10", 50)]);
    let path = "scorecard?unit=u&period=2021-10";
    let before = server.get(path);
    let revision = before.expect(200)["revision"].as_i64().unwrap();
    let tag = before.header("etag");
    assert_eq!(server.send("GET", path, &[("if-none-match", tag)], None).status, 304);
    server
        .put("targets", &json!({ "targets": [{ "code": "t", "measure": RATE, "value": 50 }] }))
        .expect(200);
    with_kpis(&server, |code, kpi| {
        if code == RATE {
            kpi["score"] = json!({ "function": "proportional", "points": 20, "threshold": 80 });
        }
    });
    let now = server.send("GET", path, &[("if-none-match", tag)], None).expect(200);
    has(&row(&now, RATE), &json!({ "status": "met", "target": 50 }));
    has(&now["score"], &json!({ "earned": 12.5, "possible": 20 })); // 20 x 50 / 80
    assert_eq!(server.get(&format!("{path}&as_of={revision}")).text(), before.text());
}

#[test]
fn a_scorecard_as_a_table_has_a_column_for_each_of_the_thirteen_periods() {
    let server = forest(&json!([{ "code": "u" }]));
    server.record(
        "u",
        &[
            (OUTGOING, "2021-09", 80),
            (SIGNED, "2021-09", 60),
            (OUTGOING, "2021-10", 100),
            (SIGNED, "2021-10", 50),
        ],
    );
    with_kpis(&server, |code, kpi| {
        if code == RATE {
            kpi["score"] = json!({ "function": "proportional", "points": 20, "threshold": 80 });
        }
    });
    let reply = server.get("scorecard?unit=u&period=2021-10&format=csv");
    assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
    let body = reply.text();
    let mut table = csv::Reader::from_reader(body.as_bytes());
    let header: Vec<String> = table.headers().unwrap().iter().map(ToOwned::to_owned).collect();
    assert_eq!(header[header.len() - 13..][..1], ["2020-10"]);
    assert_eq!(header.last().unwrap(), "2021-10");
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), scorecard(&server, "u", "2021-10")["rows"].as_array().unwrap().len());
    let rate = rows.iter().find(|row| &row[1] == RATE).unwrap();
    let cell = |name: &str| &rate[header.iter().position(|column| column == name).unwrap()];
    let expected = [
        ("unit", "u"),
        ("group", "kpi"),
        ("direction", "higher"),
        ("value", "50"),
        ("delta", "-25"), // 50 - 75
        ("year_delta_reason", "no_prior"),
        ("target", ""),
        ("status", ""),
        ("score_function", "proportional"),
        ("score_threshold", "80"),
        ("points", "20"),
        ("points_earned", "12.5"),
        ("2021-08", ""),
        ("2021-09", "75"),
        ("2021-10", "50"),
    ];
    expected.iter().for_each(|(name, value)| assert_eq!(cell(name), *value, "{name}"));
}

#[test]
fn points_are_added_up_before_they_are_rounded() {
    let server = forest(&json!([{ "code": "p" }]));
    let mut catalogue = server.read("catalogue");
    for n in 0..3 {
        let score = json!({ "function": "proportional", "points": "10", "threshold": "100" });
        let kpi = json!({
            "code": format!("test.third{n}"), "formula": format!("{SIGNED} / {OUTGOING}"),
            "unit_of_measure": "percent", "direction": "higher", "score": score,
        });
        catalogue["kpis"].as_array_mut().unwrap().push(kpi);
    }
    server.put("catalogue", &catalogue).expect(200);
    server.record("p", &[(OUTGOING, "2021-10", 3), (SIGNED, "2021-10", 2)]);
    // 10 x 2 / 3 is rounded to 6.666667; three times the rounded number would be 20.000001.
    assert_eq!(
        scorecard(&server, "p", "2021-10")["score"],
        json!({ "earned": 20, "possible": 30, "missing": 0 })
    );
}
