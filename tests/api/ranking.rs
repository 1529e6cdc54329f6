//! Ranking: the children of a unit in order of one measure.

use serde_json::{Value, json};

use crate::harness::{Dice, REPORT, Server, encoded, figure, has, query};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const USERS: &str = "ioffice.users.total";

fn forest(units: &Value) -> Server {
    let server = Server::start();
    server.put_units(units);
    server
}

/// A province with one child for each letter.
fn province(letters: &str) -> Server {
    let children = letters.chars().map(|letter| {
        json!({
            "code": format!("p.{letter}"), "parent": "p", "name": { "vi": format!("Xã {letter}") },
        })
    });
    forest(&std::iter::once(json!({ "code": "p" })).chain(children).collect())
}

fn path(measure: &str, parent: &str, period: &str) -> String {
    format!("ranking?{}", query(&[("measure", measure), ("parent", parent), ("period", period)]))
}

#[track_caller]
fn rows(server: &Server, measure: &str, parent: &str, period: &str) -> Vec<Value> {
    server.read(&path(measure, parent, period))["rows"].as_array().unwrap().clone()
}

/// Unit and rank of each row.
fn order(rows: &[Value]) -> Vec<(&str, Option<i64>)> {
    rows.iter().map(|row| (row["unit"].as_str().unwrap(), row["rank"].as_i64())).collect()
}

/// Reports a signed rate of this many percent.
#[track_caller]
fn rate(server: &Server, unit: &str, month: &str, percent: i64) {
    server.record(unit, &[(OUTGOING, month, 100), (SIGNED, month, percent)]);
}

/// A target: code, measure, unit, first and last month, value.
type Target<'t> = (&'t str, &'t str, Option<&'t str>, Option<&'t str>, Option<&'t str>, &'t str);

#[track_caller]
fn targets(server: &Server, list: &[Target<'_>]) {
    let target = |(code, measure, unit, from, to, value): &Target<'_>| {
        let mut target = json!({ "code": code, "measure": measure, "value": value });
        for (field, given) in [("unit", unit), ("from", from), ("to", to)] {
            given.iter().for_each(|given| target[field] = json!(given));
        }
        target
    };
    server
        .put("targets", &json!({ "targets": list.iter().map(target).collect::<Vec<_>>() }))
        .expect(200);
}

/// Adds a kpi where lower is better: the share of unsigned documents, in percent.
#[track_caller]
fn with_a_kpi_of_less(server: &Server) {
    let mut catalogue = server.read("catalogue");
    let formula =
        "(ioffice.documents.outgoing - ioffice.documents.signed) / ioffice.documents.outgoing";
    catalogue["kpis"].as_array_mut().unwrap().push(json!({
        "code": "x.unsigned_rate", "formula": formula, "unit_of_measure": "percent",
        "direction": "lower",
    }));
    server.put("catalogue", &catalogue).expect(200);
}

#[test]
fn the_example_of_the_specification() {
    let server = province("a");
    rate(&server, "p.a", "2025-06", 90);
    targets(&server, &[("t", RATE, Some("p"), None, None, "100.0")]);
    let found = server.read(&path(RATE, "p", "2025-06"));
    has(
        &found,
        &json!({
            "revision": server.revision(), "measure": RATE, "parent": "p", "period": "2025-06",
            "direction": "higher",
        }),
    );
    // 90 / 100 x 100 = 90, below 95.
    let expected = json!({
        "unit": "p.a", "value": 90.0, "delta": null, "delta_reason": "no_prior", "rank": 1,
        "previous_rank": null, "target": 100.0, "attainment": 90.0, "status": "behind",
    });
    has(&found["rows"][0], &expected);
    assert_eq!(found["rows"].as_array().unwrap().len(), 1);
}

#[test]
fn equal_values_share_a_rank_and_the_next_one_counts_them() {
    let server = province("abcd");
    for (unit, percent) in [("p.a", 70), ("p.d", 90), ("p.b", 90), ("p.c", 60)] {
        rate(&server, unit, "2021-10", percent);
    }
    let found = rows(&server, RATE, "p", "2021-10");
    assert_eq!(
        order(&found),
        [("p.b", Some(1)), ("p.d", Some(1)), ("p.a", Some(3)), ("p.c", Some(4))]
    );
    has(
        &found[0],
        &json!({
            "name": { "vi": "Xã b", "en": "" }, "value": 90, "coverage": 1.0, "target": null,
            "attainment": null, "status": null,
        }),
    );
}

/// 1/3 and 33.3333333 are equal when rounded to six decimals.
#[test]
fn values_that_are_shown_the_same_share_a_rank() {
    let server = province("ab");
    server.record("p.a", &[(OUTGOING, "2021-10", 3), (SIGNED, "2021-10", 1)]);
    server.record("p.b", &[(OUTGOING, "2021-10", 1_000_000_000), (SIGNED, "2021-10", 333_333_333)]);
    assert_eq!(order(&rows(&server, RATE, "p", "2021-10")), [("p.a", Some(1)), ("p.b", Some(1))]);
}

#[test]
fn indicators_and_neutral_kpis_are_ranked_largest_first_and_have_no_status() {
    let server = province("abc");
    for (unit, before, now) in [("p.a", 10, 25), ("p.b", 50, 55), ("p.c", 7, 40)] {
        server.record(unit, &[(USERS, "2021-09", before), (USERS, "2021-10", now)]);
    }
    targets(
        &server,
        &[
            ("t", USERS, None, None, None, "50"),
            ("n", "ioffice.users.net_change", None, None, None, "20"),
        ],
    );
    let found = server.read(&path(USERS, "p", "2021-10"));
    assert_eq!(found["direction"], "neutral");
    let found = found["rows"].as_array().unwrap();
    assert_eq!(order(found), [("p.b", Some(1)), ("p.c", Some(2)), ("p.a", Some(3))]);
    found
        .iter()
        .for_each(|row| has(row, &json!({ "target": 50, "attainment": null, "status": null })));
    // + 15, + 5, + 33
    let found = server.read(&path("ioffice.users.net_change", "p", "2021-10"));
    has(&found, &json!({ "direction": "neutral", "unit_of_measure": "count" }));
    let found = found["rows"].as_array().unwrap();
    assert_eq!(order(found), [("p.c", Some(1)), ("p.a", Some(2)), ("p.b", Some(3))]);
    has(&found[0], &json!({ "value": 33, "attainment": null, "status": null }));
}

#[test]
fn where_less_is_better_the_smallest_is_first_and_the_attainment_turns_round() {
    let server = province("abcde");
    with_a_kpi_of_less(&server);
    server.record("p.a", &[(OUTGOING, "2021-10", 1000), (SIGNED, "2021-10", 800)]);
    server.record("p.b", &[(OUTGOING, "2021-10", 1000), (SIGNED, "2021-10", 900)]);
    server.record("p.c", &[(OUTGOING, "2021-10", 1000), (SIGNED, "2021-10", 896)]);
    server.record("p.d", &[(OUTGOING, "2021-10", 1000), (SIGNED, "2021-10", 920)]);
    server.record("p.e", &[(OUTGOING, "2021-10", 1000), (SIGNED, "2021-10", 1000)]);
    targets(&server, &[("t", "x.unsigned_rate", Some("p"), None, None, "10")]);
    let found = server.read(&path("x.unsigned_rate", "p", "2021-10"));
    assert_eq!(found["direction"], "lower");
    let found = found["rows"].as_array().unwrap();
    assert_eq!(
        order(found),
        [("p.e", Some(1)), ("p.d", Some(2)), ("p.b", Some(3)), ("p.c", Some(4)), ("p.a", Some(5))]
    );
    // Nothing is divided by 0, and an attainment cannot be below 0.
    has(&found[0], &json!({ "value": 0, "attainment": null, "status": "met" }));
    // 10 / 8
    has(&found[1], &json!({ "value": 8, "target": 10, "attainment": 125, "status": "met" }));
    has(&found[2], &json!({ "value": 10, "attainment": 100, "status": "met" }));
    // 10 / 10.4
    has(&found[3], &json!({ "value": 10.4, "attainment": 96.153_846, "status": "close" }));
    has(&found[4], &json!({ "value": 20, "attainment": 50, "status": "behind" })); // 10 / 20
}

#[test]
fn a_target_is_met_close_from_95_percent_on_or_behind() {
    let server = province("abcd");
    targets(&server, &[("t", RATE, None, None, None, "80")]);
    for (unit, signed) in [("p.a", 8000), ("p.b", 7600), ("p.c", 7599), ("p.d", 9600)] {
        server.record(unit, &[(OUTGOING, "2021-10", 10_000), (SIGNED, "2021-10", signed)]);
    }
    let found = rows(&server, RATE, "p", "2021-10");
    assert_eq!(
        order(&found),
        [("p.d", Some(1)), ("p.a", Some(2)), ("p.b", Some(3)), ("p.c", Some(4))]
    );
    has(&found[0], &json!({ "value": 96, "attainment": 120, "status": "met" })); // 96 / 80
    has(&found[1], &json!({ "value": 80, "attainment": 100, "status": "met" }));
    has(&found[2], &json!({ "value": 76, "attainment": 95, "status": "close" })); // 76 / 80
    // 75.99 / 80
    has(&found[3], &json!({ "value": 75.99, "attainment": 94.9875, "status": "behind" }));
}

#[test]
fn units_without_a_figure_come_last_without_a_rank() {
    let server = province("abcd");
    targets(&server, &[("t", RATE, None, None, None, "80")]);
    rate(&server, "p.c", "2021-10", 40);
    server.record("p.b", &[(OUTGOING, "2021-10", 100)]); // half of a rate
    server.record("p.a", &[(OUTGOING, "2021-10", 0), (SIGNED, "2021-10", 0)]); // a division by zero
    let found = rows(&server, RATE, "p", "2021-10");
    assert_eq!(order(&found), [("p.c", Some(1)), ("p.a", None), ("p.b", None), ("p.d", None)]);
    for row in &found[1..] {
        has(
            row,
            &json!({
                "value": null, "delta": null, "delta_reason": "missing", "previous_rank": null,
                "target": 80, "attainment": null, "status": "no_data",
            }),
        );
    }
    has(&found[3], &json!({ "coverage": 0.0 }));
    // Zero is a figure.
    assert_eq!(
        order(&rows(&server, OUTGOING, "p", "2021-10")),
        [("p.b", Some(1)), ("p.c", Some(1)), ("p.a", Some(3)), ("p.d", None)]
    );
}

#[test]
fn a_ranking_reports_the_previous_rank_and_the_change() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p" },
        { "code": "p.b", "parent": "p" },
        { "code": "p.c", "parent": "p" },
        { "code": "p.d", "parent": "p", "valid_from": "2021-10-01" },
        { "code": "p.e", "parent": "p", "valid_to": "2021-09-30" },
    ]));
    for (unit, before, now) in [
        ("p.a", Some(50), Some(60)),
        ("p.b", Some(80), Some(70)),
        ("p.c", None, Some(65)),
        ("p.d", None, Some(10)),
        ("p.e", Some(99), None),
    ] {
        before.into_iter().for_each(|before| rate(&server, unit, "2021-09", before));
        now.into_iter().for_each(|now| rate(&server, unit, "2021-10", now));
    }
    // In September e was first, b second, a third.
    let found = rows(&server, RATE, "p", "2021-10");
    assert_eq!(
        order(&found),
        [("p.b", Some(1)), ("p.c", Some(2)), ("p.a", Some(3)), ("p.d", Some(4))]
    );
    has(&found[0], &json!({ "previous_rank": 2, "delta": -10, "delta_reason": null }));
    has(&found[1], &json!({ "previous_rank": null, "delta": null, "delta_reason": "no_prior" }));
    has(&found[2], &json!({ "previous_rank": 3, "delta": 10, "delta_reason": null }));
    has(
        &found[3],
        &json!({ "previous_rank": null, "delta": null, "delta_reason": "definition_changed" }),
    );
}

#[test]
fn children_that_do_not_exist_in_the_period_are_left_out() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.ended", "parent": "p", "valid_to": "2021-06-30" },
        { "code": "p.short", "parent": "p", "valid_from": "2021-07-02", "valid_to": "2021-08-30" },
        { "code": "p.never", "parent": "p", "valid_from": "2021-08-02", "valid_to": "2021-08-30" },
        { "code": "p.new", "parent": "p", "valid_from": "2021-08-31" },
        { "code": "p.new.below", "parent": "p.new" }
    ]));
    let of = |period: &str| {
        let mut units: Vec<String> = rows(&server, OUTGOING, "p", period)
            .iter()
            .map(|row| row["unit"].as_str().unwrap().to_owned())
            .collect();
        units.sort();
        units
    };
    // A unit exists in a month when it is valid on its last day; in a wider period when it exists
    // in one of its months.
    assert_eq!(of("2021-06"), ["p.ended"]);
    assert_eq!(of("2021-07"), ["p.short"]);
    assert_eq!(of("2021-08"), ["p.new"]);
    assert_eq!(of("2021-Q3"), ["p.new", "p.short"]);
    assert_eq!(of("2021-H1"), ["p.ended"]);
    assert_eq!(of("2021-9M"), ["p.ended", "p.new", "p.short"]);
    assert_eq!(of("2021"), ["p.ended", "p.new", "p.short"]);
    assert_eq!(of("2022"), ["p.new"]);
    // A leaf has no children.
    assert_eq!(server.read(&path(OUTGOING, "p.new.below", "2022"))["rows"], json!([]));
}

#[test]
fn wider_periods_are_ranked_by_their_own_values() {
    let server = province("ab");
    // a: 50 of 100 and 90 of 300 in the third quarter, 30 of 100 in the second. b: 40 of 100 in
    // each month.
    server.record(
        "p.a",
        &[
            (OUTGOING, "2021-04", 100),
            (SIGNED, "2021-04", 30),
            (OUTGOING, "2021-07", 100),
            (SIGNED, "2021-07", 50),
            (OUTGOING, "2021-09", 300),
            (SIGNED, "2021-09", 90),
        ],
    );
    for month in ["2021-04", "2021-07", "2021-08", "2021-09"] {
        rate(&server, "p.b", month, 40);
    }
    // 140 of 400 is 35, 120 of 300 is 40; the mean of a's months would be 40 as well.
    let found = rows(&server, RATE, "p", "2021-Q3");
    assert_eq!(order(&found), [("p.b", Some(1)), ("p.a", Some(2))]);
    has(
        &found[0],
        &json!({
            "value": 40, "coverage": 1.0, "previous_rank": 1, "delta": null,
            "delta_reason": "coverage_changed",
        }),
    );
    has(&found[1], &json!({ "value": 35, "coverage": 0.666_667, "previous_rank": 2 }));
    // 400 and 300 documents; in the second quarter both had 100.
    let found = rows(&server, OUTGOING, "p", "2021-Q3");
    assert_eq!(order(&found), [("p.a", Some(1)), ("p.b", Some(2))]);
    found.iter().for_each(|row| has(row, &json!({ "previous_rank": 1 })));
    // There is not a period before a period of nine months.
    let found = rows(&server, OUTGOING, "p", "2021-9M");
    has(
        &found[0],
        &json!({
            "unit": "p.a", "value": 500, "rank": 1, "previous_rank": null, "delta": null,
            "delta_reason": "not_applicable",
        }),
    );
    has(
        &found[1],
        &json!({
            "unit": "p.b", "value": 400, "rank": 2, "previous_rank": null, "delta": null,
            "delta_reason": "not_applicable",
        }),
    );
    has(
        &rows(&server, OUTGOING, "p", "2021")[0],
        &json!({ "value": 500, "previous_rank": null, "delta_reason": "no_prior" }),
    );
}

#[test]
fn a_target_is_inherited_down_the_tree_overridden_and_dated() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p" },
        { "code": "p.a.x", "parent": "p.a" },
        { "code": "p.a.y", "parent": "p.a" },
        { "code": "p.b", "parent": "p" },
        { "code": "q" },
        { "code": "q.c", "parent": "q" },
    ]));
    targets(
        &server,
        &[
            ("all", RATE, None, None, None, "50"),
            ("p", RATE, Some("p"), Some("2021-03"), None, "60"),
            ("a", RATE, Some("p.a"), Some("2021-05"), Some("2021-08"), "70"),
            ("later", RATE, Some("p.a"), Some("2021-07"), Some("2021-07"), "75"),
            ("x", RATE, Some("p.a.x"), Some("2021-06"), Some("2021-06"), "0.5"),
        ],
    );
    let target = |parent: &str, unit: &str, period: &str| {
        let found = rows(&server, RATE, parent, period);
        found.iter().find(|row| row["unit"] == unit).unwrap()["target"].as_f64().unwrap()
    };
    for (period, expected) in [
        ("2021-02", 50.0),
        ("2021-03", 60.0),
        ("2021-04", 60.0),
        ("2021-05", 70.0),
        ("2021-06", 0.5),
        ("2021-07", 75.0),
        ("2021-08", 70.0),
        ("2021-09", 60.0),
    ] {
        assert_eq!(target("p.a", "p.a.x", period), expected, "{period}");
    }
    assert_eq!(target("p.a", "p.a.y", "2021-06"), 70.0);
    assert_eq!(target("p", "p.a", "2021-06"), 70.0);
    assert_eq!(target("p", "p.b", "2021-06"), 60.0);
    assert_eq!(target("q", "q.c", "2021-06"), 50.0);
    // A wider period has the target of its last month.
    assert_eq!(target("p.a", "p.a.x", "2021-Q2"), 0.5);
    assert_eq!(target("p.a", "p.a.x", "2021-Q3"), 60.0);
    assert_eq!(target("p.a", "p.a.x", "2021-H1"), 0.5);
}

#[test]
fn a_target_of_one_member_is_not_the_target_of_another_or_of_the_whole() {
    let server = province("a");
    targets(
        &server,
        &[("t", "igate.dossiers.online_rate{service_level=4}", Some("p"), None, None, "80")],
    );
    let target = |measure: &str| rows(&server, measure, "p", "2021-10")[0]["target"].clone();
    assert_eq!(target("igate.dossiers.online_rate{service_level=4}"), 80);
    assert_eq!(target("igate.dossiers.online_rate{ service_level = 4 }"), 80);
    assert_eq!(target("igate.dossiers.online_rate{service_level=3}"), Value::Null);
    assert_eq!(target("igate.dossiers.online_rate"), Value::Null);
}

#[test]
fn without_a_parent_the_roots_are_ranked() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let of = |period: &str| {
        server.read(&format!("ranking?{}", query(&[("measure", OUTGOING), ("period", period)])))
    };
    let found = of("2021-10");
    assert_eq!(found["parent"], Value::Null);
    assert_eq!(
        order(found["rows"].as_array().unwrap()),
        [("travinh", Some(1)), ("bentre", None), ("vinhlong", None)]
    );
    assert_eq!(found["rows"][0]["value"], 23_441);
    assert_eq!(order(of("2025-07")["rows"].as_array().unwrap()), [("vinhlong-2025", None)]);
}

#[test]
fn unknown_missing_and_malformed_parameters_are_reported_together() {
    let server = Server::start();
    server.get(&path(OUTGOING, "nowhere", "2021-10")).problem(404);
    assert_eq!(server.get("ranking").faults(422), ["/measure missing", "/period missing"]);
    assert_eq!(
        server
            .get("ranking?colour=red&period=2021-13&geography=old&format=pdf&measure=a%7B")
            .faults(422),
        [
            "/colour unknown_parameter",
            "/format malformed",
            "/geography malformed",
            "/measure malformed",
            "/period malformed"
        ]
    );
    assert_eq!(
        server.get(&path("no.such", "travinh", "2021-10")).faults(422),
        ["/measure unknown_measure"]
    );
    assert_eq!(
        server
            .get(&path("igate.dossiers.received{channel=pigeon,colour=red}", "travinh", "2021-10"))
            .faults(422),
        ["/measure unknown_dimension", "/measure unknown_member"]
    );
    assert_eq!(
        server
            .get(&path("igate.dossiers.online_rate{channel=online}", "travinh", "2021-10"))
            .faults(422),
        ["/measure unknown_dimension"]
    );
    assert_eq!(
        server
            .get(&format!("{}&measure={OUTGOING}", path(OUTGOING, "travinh", "2021-10")))
            .faults(422),
        ["/measure duplicate"]
    );
    assert_eq!(
        server.get(&format!("{}&as_of=999", path(OUTGOING, "travinh", "2021-10"))).faults(422),
        ["/as_of unknown_revision"]
    );
    assert_eq!(
        server.send("POST", "ranking", &[("content-type", "application/json")], Some(b"{}")).status,
        405
    );
}

#[test]
fn a_ranking_as_of_a_revision_is_stable_and_cacheable() {
    let server = province("ab");
    rate(&server, "p.a", "2021-10", 40);
    let path = path(RATE, "p", "2021-10");
    let before = server.get(&path);
    let (revision, tag) =
        (before.json()["revision"].as_i64().unwrap(), before.header("etag").to_owned());
    assert_eq!(before.header("vary"), "Accept, Accept-Encoding, Accept-Language, Authorization");
    assert!(tag.starts_with("W/\""), "{tag}");
    let again = server.send("GET", &path, &[("if-none-match", &tag)], None);
    assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, &*tag));
    rate(&server, "p.b", "2021-10", 50);
    targets(&server, &[("t", RATE, None, None, None, "50")]);
    let now = server.send("GET", &path, &[("if-none-match", &tag)], None);
    assert_eq!(
        order(now.expect(200)["rows"].as_array().unwrap()),
        [("p.b", Some(1)), ("p.a", Some(2))]
    );
    assert_eq!(now.json()["rows"][0]["status"], "met");
    let then = server.get(&format!("{path}&as_of={revision}"));
    assert_eq!((then.status, then.text()), (200, before.text()));
    assert_eq!(then.header("etag"), tag);
}

#[test]
fn a_ranking_as_a_table() {
    let server = forest(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "name": { "vi": "=1+1", "en": "A, \"b\"" } },
        { "code": "p.b", "parent": "p" },
    ]));
    rate(&server, "p.a", "2021-09", 10);
    rate(&server, "p.a", "2021-10", 40);
    targets(&server, &[("t", RATE, None, None, None, "80.0")]);
    for reply in [
        server.get(&format!("{}&format=csv", path(RATE, "p", "2021-10"))),
        server.send("GET", &path(RATE, "p", "2021-10"), &[("accept", "text/csv")], None),
    ] {
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
        let body = reply.text();
        let mut table = csv::Reader::from_reader(body.as_bytes());
        let header = [
            "rank",
            "previous_rank",
            "unit",
            "name_vi",
            "name_en",
            "value",
            "value_reason",
            "unit_of_measure",
            "coverage",
            "delta",
            "delta_reason",
            "target",
            "attainment",
            "status",
            "provisional",
            "measure",
            "period",
        ];
        assert_eq!(table.headers().unwrap(), &csv::StringRecord::from(header.to_vec()));
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(
            rows,
            [
                vec![
                    "1", "1", "p.a", "'=1+1", "A, \"b\"", "40", "", "percent", "1", "30", "",
                    "80.0", "50", "behind", "false", RATE, "2021-10"
                ],
                vec![
                    "", "", "p.b", "", "", "", "missing", "percent", "0", "", "missing", "80.0",
                    "", "no_data", "true", RATE, "2021-10"
                ],
            ]
        );
    }
}

/// A row of a ranking by docs/specification.md#ranking, from the point of the same unit in
/// `/series`.
struct Expected {
    unit: String,
    value: Option<f64>,
    before: Option<f64>,
}

/// The rank of a value: one more than the number of better values.
fn place(value: Option<f64>, all: &[Option<f64>], smallest_first: bool) -> Option<i64> {
    let value = value?;
    let better = all
        .iter()
        .flatten()
        .filter(|other| if smallest_first { **other < value } else { **other > value })
        .count();
    i64::try_from(better + 1).ok()
}

#[test]
fn a_ranking_is_a_permutation_of_the_children_that_exist() {
    let server = Server::start();
    with_a_kpi_of_less(&server);
    let mut dice = Dice(2021);
    for round in 0..6 {
        let province = format!("z{round}");
        let mut units = vec![json!({ "code": province })];
        let (mut alive, mut figures) = (Vec::new(), Vec::new());
        for n in 0..dice.below(25) {
            let code = format!("{province}.{n}");
            let mut unit = json!({ "code": code, "parent": province });
            match dice.below(6) {
                0 => unit["valid_to"] = json!("2021-09-30"),
                1 => unit["valid_from"] = json!("2021-11-01"),
                2 => unit["valid_from"] = json!("2021-10-01"),
                _ => {}
            }
            let (ended, begun) = (
                unit["valid_to"].is_string(),
                unit["valid_from"].as_str().unwrap_or("").to_owned(),
            );
            if !ended && begun != "2021-11-01" {
                alive.push(code.clone());
            }
            for (month, there) in
                [("2021-09", begun.is_empty()), ("2021-10", !ended && begun != "2021-11-01")]
            {
                if there && dice.below(5) > 0 {
                    // Few values, so that many are equal and some rates divide by zero
                    let outgoing = dice.below(6);
                    figures.push(figure(OUTGOING, &code, month, outgoing));
                    figures.push(figure(SIGNED, &code, month, dice.below(outgoing + 1)));
                }
            }
            units.push(unit);
        }
        server.put_units(&json!(units));
        if !figures.is_empty() {
            server.post(&json!({ "observations": figures })).expect(201);
        }
        for measure in [OUTGOING, RATE, "x.unsigned_rate"] {
            check(&server, measure, &province, alive.clone());
        }
    }
}

#[track_caller]
fn check(server: &Server, measure: &str, province: &str, mut alive: Vec<String>) {
    let found = rows(server, measure, province, "2021-10");
    let mut named: Vec<String> =
        found.iter().map(|row| row["unit"].as_str().unwrap().to_owned()).collect();
    named.sort();
    alive.sort();
    assert_eq!(named, alive, "every child that exists, once");
    let points = server.read(&format!(
        "series?measure={}&children_of={province}&from=2021-09&to=2021-10",
        encoded(measure)
    ));
    let all: Vec<Expected> = points["series"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| Expected {
            unit: series["unit"].as_str().unwrap().to_owned(),
            before: series["points"][0]["value"].as_f64(),
            value: series["points"][1]["value"].as_f64(),
        })
        .collect();
    let lower = measure == "x.unsigned_rate";
    let (now, then): (Vec<Option<f64>>, Vec<Option<f64>>) =
        all.iter().map(|one| (one.value, one.before)).unzip();
    for row in &found {
        let one = all.iter().find(|one| row["unit"] == *one.unit).unwrap();
        assert_eq!(row["value"].as_f64(), one.value, "{row}");
        assert_eq!(row["rank"].as_i64(), place(one.value, &now, lower), "{row}");
        assert_eq!(row["previous_rank"].as_i64(), place(one.before, &then, lower), "{row}");
    }
    let order: Vec<i64> =
        found.iter().map(|row| row["rank"].as_i64().unwrap_or(i64::MAX)).collect();
    assert!(order.is_sorted(), "{order:?}");
}
