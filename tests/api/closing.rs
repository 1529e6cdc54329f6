//! Closed months: their figures change only with a reason, until they are reopened.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{Datelike, FixedOffset, Utc};
use serde_json::{Value, json};

use crate::harness::{Api, REPORT, Reply, Server, eventually, figure, has, run};
use crate::instances::Other;

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const JSON: &str = "application/json";

fn change(api: &Api, period: &str, what: &str) -> Reply {
    api.post_bytes(&format!("periods/{period}/{what}"), JSON, b"")
}

#[track_caller]
fn close(api: &Api, period: &str) -> Value {
    change(api, period, "close?force=true").expect(200)
}

#[track_caller]
fn reopen(api: &Api, period: &str) -> Value {
    change(api, period, "reopen").expect(200)
}

/// The closed months.
#[track_caller]
fn closed(api: &Api) -> Vec<String> {
    let text = |month: &Value| month["period"].as_str().unwrap().to_owned();
    api.read("periods")["periods"].as_array().unwrap().iter().map(text).collect()
}

fn months(year: i32, months: impl IntoIterator<Item = u32>) -> Vec<String> {
    months.into_iter().map(|month| format!("{year}-{month:02}")).collect()
}

fn body(figures: &[Value], reason: Option<&str>) -> Value {
    let mut body = json!({ "observations": figures });
    if let Some(reason) = reason {
        body["reason"] = json!(reason);
    }
    body
}

/// The current and the next month in Vietnam.
fn this_month_and_next() -> (String, String) {
    let day = Utc::now().with_timezone(&FixedOffset::east_opt(7 * 3600).unwrap()).date_naive();
    let next = if day.month() == 12 { (day.year() + 1, 1) } else { (day.year(), day.month() + 1) };
    (format!("{}-{:02}", day.year(), day.month()), format!("{}-{:02}", next.0, next.1))
}

#[test]
fn a_month_or_the_months_of_a_wider_period_are_closed_and_reopened() {
    let server = Server::start();
    assert_eq!(closed(&server), [""; 0]);
    for (period, all) in [
        ("2021-10", months(2021, [10])),
        ("2021-Q3", months(2021, 7..=9)),
        ("2020-H2", months(2020, 7..=12)),
        ("2019-9M", months(2019, 1..=9)),
        ("2018", months(2018, 1..=12)),
        ("1900-01", months(1900, [1])),
    ] {
        let revision = server.revision();
        let answer = close(&server, period);
        assert_eq!(
            answer,
            json!({
                "recorded": true, "revision": revision + 1, "revision_hash": server.hash(),
                "periods": all, "closed": true, "changed": all,
            }),
            "{period}"
        );
        assert_eq!(closed(&server), all, "{period}");
        let answer = reopen(&server, period);
        assert_eq!(
            answer,
            json!({
                "recorded": true, "revision": revision + 2, "revision_hash": server.hash(),
                "periods": all, "closed": false, "changed": all,
            }),
            "{period}"
        );
        assert_eq!(closed(&server), [""; 0], "{period}");
    }
}

#[test]
fn closing_a_closed_month_changes_nothing() {
    let server = Server::start();
    let first = close(&server, "2021-08");
    let revision = server.revision();
    for _ in 0..2 {
        assert_eq!(
            close(&server, "2021-08"),
            json!({
                "recorded": false, "revision": revision, "revision_hash": server.hash(),
                "periods": ["2021-08"], "closed": true, "changed": [],
            })
        );
    }
    assert_eq!(
        reopen(&server, "2021-07"),
        json!({
            "recorded": false, "revision": revision, "revision_hash": server.hash(),
            "periods": ["2021-07"], "closed": false, "changed": [],
        })
    );
    assert_eq!(server.revision(), revision);
    // Closing the quarter only closes its other months; this month stays closed since the first
    // closing.
    assert_eq!(close(&server, "2021-Q3")["changed"], json!(["2021-07", "2021-09"]));
    let listed = server.read("periods")["periods"].clone();
    let since: Vec<&Value> =
        listed.as_array().unwrap().iter().map(|month| &month["revision"]).collect();
    assert_eq!(since, [&json!(revision + 1), &first["revision"], &json!(revision + 1)]);
    assert_eq!(reopen(&server, "2021-08")["changed"], json!(["2021-08"]));
    assert_eq!(reopen(&server, "2021")["changed"], json!(["2021-07", "2021-09"]));
    assert_eq!(server.revision(), revision + 3);
    let server = server.restarted();
    assert_eq!(closed(&server), [""; 0]);
    close(&server, "2021-08");
    assert_eq!(closed(&server.restarted()), ["2021-08"]);
}

#[test]
fn a_month_that_has_not_begun_is_neither_closed_nor_reopened() {
    let server = Server::start();
    let (this, next) = this_month_and_next();
    let revision = server.revision();
    for what in ["close", "reopen"] {
        for period in [next.as_str(), &next[..4], "2199-12", "2199", "2199-9M"] {
            assert_eq!(
                change(&server, period, what).faults(422),
                ["/period future_month"],
                "{what} {period}"
            );
        }
    }
    assert_eq!(server.revision(), revision);
    assert_eq!(close(&server, &this)["changed"], json!([this]));
}

/// Two units that report the outgoing documents of each month.
fn reporting_units(server: &Server) {
    server.put_units(&json!([
        { "code": "p" },
        { "code": "p.a", "kind": "commune", "name": { "vi": "Xã A" }, "parent": "p" },
        { "code": "p.b", "kind": "commune", "parent": "p" },
    ]));
    let mut catalogue = server.read("catalogue");
    catalogue["expectations"] = json!([{
        "code": "monthly", "measures": [OUTGOING, SIGNED], "unit_kinds": ["commune"], "due_day": 5,
    }]);
    server.put("catalogue", &catalogue).expect(200);
}

#[test]
fn a_closing_is_refused_while_the_month_lasts_reports_are_missing_or_no_reason_is_given() {
    let server = Server::start();
    reporting_units(&server);
    let (this, _) = this_month_and_next();
    server.record("p.a", &[(OUTGOING, "2021-10", 1), (SIGNED, "2021-10", 1)]);
    server.record("p.b", &[(OUTGOING, "2021-10", 1)]);
    let revision = server.revision();
    let missing = change(&server, "2021-10", "close?reason=x").problem(409);
    let missing_reports: Vec<&str> = missing["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["detail"].as_str().unwrap())
        .collect();
    assert_eq!(missing_reports, ["2021-10: p.b (p.b) has not reported 1 of 2 figures of monthly"]);
    assert_eq!(
        change(&server, "2021-10", "close").faults(409),
        ["/period report_missing", "/reason missing"]
    );
    assert_eq!(
        change(&server, "2021-Q4", "close?reason=x").faults(409).len(),
        1 + 2 * 2,
        "one figure of October, and both units in November and December"
    );
    server.record("p.b", &[(SIGNED, "2021-10", 1)]);
    for reason in ["close", "close?reason=", "close?reason=%20"] {
        assert_eq!(change(&server, "2021-10", reason).faults(422), ["/reason missing"]);
    }
    server.record("p.a", &[(OUTGOING, &this, 1), (SIGNED, &this, 1)]);
    server.record("p.b", &[(OUTGOING, &this, 1), (SIGNED, &this, 1)]);
    assert_eq!(change(&server, &this, "close?reason=x").faults(409), ["/period month_under_way"]);
    assert_eq!(closed(&server), [""; 0]);
    assert_eq!(server.revision(), revision + 3);
    change(&server, "2021-10", "close?reason=complete").expect(200);
    // Closed already: nothing is closed, so nothing is checked.
    assert_eq!(change(&server, "2021-10", "close").expect(200)["changed"], json!([]));
    change(&server, &this, "close?force=true").expect(200);
    let body = json!({ "force": true }).to_string();
    server.post_bytes("periods/2021-09/close", JSON, body.as_bytes()).expect(200);
}

#[test]
fn months_are_listed_closed_and_reopened_by_commands_with_the_same_conditions() {
    let server = Server::start();
    reporting_units(&server);
    server.record("p.a", &[(OUTGOING, "2021-10", 1), (SIGNED, "2021-10", 1)]);
    let periods =
        |words: &[&str]| run(&[&["periods"], words, &["--database", &server.address()]].concat());
    let refused = periods(&["close", "2021-10"]);
    refused.expect(1);
    for text in ["p.b", "monthly", "--force", "reason"] {
        let shown = refused.err().replace("force=true", "--force");
        assert!(shown.contains(text), "{text} is not in {shown}");
    }
    let refused = periods(&["close", "2021-10", "--lang", "vi"]);
    assert!(refused.err().contains("chưa báo cáo"), "{}", refused.err());
    periods(&["close", "2021-10", "--reason", "Đã đủ", "--force"]).expect(0);
    periods(&["close", "2021-09", "--force"]).expect(0);
    let listed = periods(&["list"]);
    let lines: Vec<String> = listed.expect(0).lines().map(ToOwned::to_owned).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("2021-09 closed") && lines[1].ends_with(": Đã đủ"), "{lines:?}");
    periods(&["reopen", "2021-10"]).expect(0);
    assert_eq!(periods(&["list", "--history"]).expect(0).lines().count(), 3);
    server.read(&format!("periods?min_revision={}", server.revision()));
    periods(&["close", "2021-13"]).expect(2);
}

#[test]
fn an_invalid_period_or_reason_is_refused() {
    let server = Server::start();
    let revision = server.revision();
    for period in [
        "2021-13",
        "2021-00",
        "2021-Q5",
        "2021-H3",
        "2021-9m",
        "21-10",
        "x",
        "1899-12",
        "2200-01",
        "2021-10-01",
        "2021-1",
        "%20",
        "2021-10%00",
        "%F0%9F%98%80",
    ] {
        assert_eq!(
            change(&server, period, "close").faults(422),
            ["/period malformed_period"],
            "{period}"
        );
    }
    assert_eq!(
        change(&server, "2021-13", "reopen?colour=red&reason=a&reason=b").faults(422),
        ["/colour unknown_parameter", "/period malformed_period", "/reason duplicate"]
    );
    for path in [
        "periods/2021-10/shut",
        "periods/2021-10",
        "periods//close?force=true",
        "periods/2021/10/close?force=true",
    ] {
        assert_eq!(server.post_bytes(path, JSON, b"").status, 404, "{path}");
    }
    for method in ["GET", "PUT", "DELETE"] {
        let refused = server.send(method, "periods/2021-10/close?force=true", &[], None);
        assert_eq!(refused.problem(405)["status"], 405);
    }
    assert_eq!(server.post_bytes("periods", JSON, b"").status, 405);
    let sent = |body: &[u8]| server.post_bytes("periods/2021-10/close?force=true", JSON, body);
    sent(b"{").problem(400);
    sent(b" ").problem(400);
    for wrong in [r#"{"reason":5}"#, r#"{"colour":"red"}"#, "7", r#""because""#] {
        assert_eq!(sent(wrong.as_bytes()).faults(422), [" malformed"], "{wrong}");
    }
    let long = "x".repeat(1_001);
    assert_eq!(
        sent(json!({ "reason": long }).to_string().as_bytes()).faults(422),
        ["/reason too_long"]
    );
    assert_eq!(
        sent(json!({ "reason": "a\u{0}b" }).to_string().as_bytes()).faults(422),
        ["/reason control_character"]
    );
    assert_eq!(
        change(&server, "2021-10", &format!("close?reason={long}")).faults(422),
        ["/reason too_long"]
    );
    assert_eq!(
        change(&server, "2021-10", "close?reason=a%00b").faults(422),
        ["/reason control_character"]
    );
    server.post_bytes("periods/2021-10/close?force=true", "text/plain", b"because").problem(415);
    assert_eq!(server.revision(), revision);
    assert_eq!(sent(json!({ "reason": "ô".repeat(1_000) }).to_string().as_bytes()).status, 200);
}

#[test]
fn a_reason_is_given_in_the_query_or_in_the_body_or_omitted() {
    let server = Server::start();
    let told = |path: &str, body: &str| {
        let revision = server.post_bytes(path, JSON, body.as_bytes()).expect(200)["revision"]
            .as_i64()
            .unwrap();
        let listed = server.read("periods?history=true")["periods"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        assert_eq!(listed["revision"], revision);
        let revisions = server.read(&format!("revisions?after={}", revision - 1));
        assert_eq!(revisions["revisions"][0]["reason"], listed["reason"]);
        has(
            &listed,
            &json!({
                "period": "2021-10", "closed": path.contains("/close"), "actor": "anonymous",
                "recorded_at": revisions["revisions"][0]["recorded_at"],
            }),
        );
        listed["reason"].clone()
    };
    assert_eq!(
        told("periods/2021-10/close?force=true&reason=B%C3%A1o+c%C3%A1o%20%2B%201", ""),
        "Báo cáo + 1"
    );
    assert_eq!(told("periods/2021-10/reopen", r#"{"reason":"Sửa số"}"#), "Sửa số");
    assert_eq!(told("periods/2021-10/close?force=true", r#"{"reason":null}"#), Value::Null);
    assert_eq!(told("periods/2021-10/reopen", "{}"), Value::Null);
    assert_eq!(told("periods/2021-10/close?force=true", "null"), Value::Null);
    assert_eq!(told("periods/2021-10/reopen", ""), Value::Null);
    assert_eq!(told("periods/2021-10/close?force=true&reason=", r#"{"reason":""}"#), Value::Null);
    // A request without a body needs no media type.
    assert_eq!(
        server.send("POST", "periods/2021-10/reopen", &[], Some(b"")).expect(200)["changed"],
        json!(["2021-10"])
    );
}

#[test]
fn every_figure_of_a_closed_month_is_named_and_nothing_is_recorded_without_a_reason() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 100)]);
    close(&server, "2021-Q4");
    let revision = server.revision();
    let figures = [
        figure(OUTGOING, "travinh", "2021-09", 1),
        figure(OUTGOING, "travinh", "2021-10", 2),
        figure(OUTGOING, "travinh", "2022-01", 3),
        figure("ioffice.documents.signed_rate", "travinh", "2021-12", "78.9"),
        figure(OUTGOING, "tv.cdc", "2021-11", Value::Null),
        figure(SIGNED, "travinh", "2021-10", 4),
    ];
    let places = [
        "/observations/1/period month_closed",
        "/observations/3/period month_closed",
        "/observations/5/period month_closed",
    ];
    for path in ["observations", "observations?dry_run=true"] {
        for reason in [None, Some(""), Some(" "), Some("\n\t \u{a0}\u{3000}")] {
            let reply =
                server.post_bytes(path, JSON, body(&figures, reason).to_string().as_bytes());
            assert_eq!(reply.faults(409), places, "{path}, {reason:?}");
            assert_eq!(reply.json()["type"], "urn:egov-kpi:conflict");
        }
        let null = json!({ "reason": null, "observations": figures });
        assert_eq!(server.post_bytes(path, JSON, null.to_string().as_bytes()).faults(409), places);
    }
    let csv = format!(
        "\u{feff}indicator;unit;period;value\r\n\
         {OUTGOING};travinh;2021-09;1\r\n\
         \r\n\
         {OUTGOING};travinh;2021-10;2\r\n\
         {OUTGOING};travinh;2021-11;\r\n{SIGNED};tv.cdc;2021-12;null\r\n"
    );
    for path in [
        "observations",
        "observations?reason=",
        "observations?reason=%20%09",
        "observations?dry_run=true",
        "observations?reference=x",
    ] {
        let problem = server.post_csv(path, &csv).problem(409);
        let place = |fault: &Value| {
            (
                fault["line"].as_u64().unwrap(),
                fault["column"].as_str().unwrap().to_owned(),
                fault["code"].as_str().unwrap().to_owned(),
            )
        };
        let found: Vec<_> = problem["errors"].as_array().unwrap().iter().map(place).collect();
        let closed = |line: u64| (line, "period".to_owned(), "month_closed".to_owned());
        assert_eq!(
            found,
            [closed(4)],
            "{path}: an empty cell says nothing, and nothing is withdrawn"
        );
    }
    // An unchanged figure of a closed month needs none, also beside one that changes.
    let unchanged = figure(OUTGOING, "travinh", "2021-10", 100);
    let receipt = server.post(&body(std::slice::from_ref(&unchanged), None)).expect(200);
    has(&receipt, &json!({ "recorded": false }));
    has(&receipt["counts"], &json!({ "unchanged": 1 }));
    assert_eq!(
        server.post(&body(&[unchanged, figure(SIGNED, "travinh", "2021-10", 1)], None)).faults(409),
        ["/observations/1/period month_closed"]
    );
    let withdrawn = figure(OUTGOING, "tv.cdc", "2021-10", Value::Null);
    server.post(&body(&[withdrawn], None)).expect(200);
    assert_eq!(server.revision(), revision);
    assert_eq!(server.observations("history=true").len(), 1);
}

#[test]
fn with_a_reason_a_figure_of_a_closed_month_changes_and_the_reason_is_kept() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 100)]);
    close(&server, "2021-10");
    let correction = body(
        &[figure(OUTGOING, "travinh", "2021-10", 101), figure(OUTGOING, "travinh", "2021-09", 7)],
        Some(" Đếm lại "),
    );
    let dry =
        server.post_bytes("observations?dry_run=true", JSON, correction.to_string().as_bytes());
    has(&dry.expect(200)["counts"], &json!({ "created": 1, "revised": 1 }));
    let receipt = server.post(&correction).expect(201);
    let csv = format!("indicator,unit,period,value\n{OUTGOING},travinh,2021-10,102\n");
    let second =
        server.post_csv("observations?reason=%C4%90%E1%BA%BFm%20n%E1%BB%AFa", &csv).expect(201);
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 102 }));
    let history = server.observations(&format!("history=true&from=2021-10&indicator={OUTGOING}"));
    let told: Vec<(&Value, &Value)> =
        history.iter().map(|figure| (&figure["value"], &figure["reason"])).collect();
    assert_eq!(
        told,
        [
            (&json!(100), &Value::Null),
            (&json!(101), &json!(" Đếm lại ")),
            (&json!(102), &json!("Đếm nữa"))
        ]
    );
    for (figure, receipt) in history[1..].iter().zip([&receipt, &second]) {
        has(
            figure,
            &json!({
                "actor": "anonymous", "recorded_at": receipt["recorded_at"],
                "revision": receipt["revision"], "submission": receipt["submission"],
            }),
        );
    }
    let before = receipt["revision"].as_i64().unwrap() - 2;
    let revisions = server.read(&format!("revisions?after={before}"))["revisions"].clone();
    let told: Vec<(&Value, &Value)> = revisions
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| (&revision["kind"], &revision["reason"]))
        .collect();
    assert_eq!(
        told,
        [
            (&json!("closing"), &Value::Null),
            (&json!("submission"), &json!(" Đếm lại ")),
            (&json!("submission"), &json!("Đếm nữa"))
        ]
    );
    has(
        &revisions[0],
        &json!({
            "periods": ["2021-10"], "submission": null, "counts": null, "source": null, "units": [],
            "catalogue_version": null,
        }),
    );
    has(&revisions[1], &json!({ "periods": [], "submission": receipt["submission"] }));
    // After reopening, figures are accepted without a reason.
    reopen(&server, "2021-10");
    server.record("travinh", &[(OUTGOING, "2021-10", 103)]);
}

#[test]
fn open_months_need_no_reason() {
    let server = Server::start();
    close(&server, "2021-10");
    close(&server, "2020");
    for month in ["2021-09", "2021-11", "2019-12", "2021-01"] {
        server.record("travinh", &[(OUTGOING, month, 1)]);
    }
    for month in ["2020-01", "2020-12", "2021-10"] {
        assert_eq!(
            server.post(&body(&[figure(OUTGOING, "tv.cdc", month, 1)], None)).faults(409),
            ["/observations/0/period month_closed"],
            "{month}"
        );
    }
}

#[test]
fn withdrawing_figures_of_a_closed_month_needs_a_reason() {
    let server = Server::start();
    let id = |receipt: &Value| receipt["submission"].as_str().unwrap().to_owned();
    let both = id(&server.record(
        "travinh",
        &[(OUTGOING, "2021-09", 1), (OUTGOING, "2021-10", 2), (SIGNED, "2021-10", 1)],
    ));
    let replaced =
        id(&server.record("tv.cdc", &[(OUTGOING, "2021-10", 3), (OUTGOING, "2021-11", 4)]));
    server.record("tv.cdc", &[(OUTGOING, "2021-10", 5)]);
    let open = id(&server.record("tv.dof", &[(OUTGOING, "2021-11", 6)]));
    close(&server, "2021-10");
    let revision = server.revision();
    for path in [
        format!("submissions/{both}"),
        format!("submissions/{both}?reason="),
        format!("submissions/{both}?reason=%20"),
    ] {
        let reply = server.delete(&path);
        assert_eq!(
            reply.faults(409),
            ["/reason month_closed", "/reason month_closed"],
            "{path}: each current figure of a closed month"
        );
        assert!(reply.text().contains("2021-10 of travinh"), "{}", reply.text());
    }
    assert_eq!(server.revision(), revision);
    assert_eq!(server.observations("unit=travinh").len(), 3);
    // Of the first submission only a figure of an open month is current; the second never had a
    // figure of a closed month.
    has(
        &server.delete(&format!("submissions/{replaced}")).expect(201)["counts"],
        &json!({ "withdrawn": 1 }),
    );
    server.delete(&format!("submissions/{open}")).expect(201);
    let withdrawn = server
        .delete(&format!("submissions/{both}?reason=Nh%E1%BA%A7m%20%C4%91%C6%A1n%20v%E1%BB%8B"))
        .expect(201);
    has(&withdrawn["counts"], &json!({ "withdrawn": 3 }));
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 5 })); // the department's
    let last = server.observations("history=true&unit=travinh").pop().unwrap();
    has(&last, &json!({ "value": null, "reason": "Nhầm đơn vị" }));
    // No figure of it is current any more, so no closed month changes.
    server.delete(&format!("submissions/{both}")).expect(200);
    server.delete("submissions/01JB0000000000000000000000").problem(404);
}

#[test]
fn errors_of_figures_are_reported_together_and_before_closed_months() {
    let server = Server::start();
    close(&server, "2021-10");
    let figures = [
        figure(OUTGOING, "travinh", "2021-10", 1),
        figure(OUTGOING, "nowhere", "2021-10", 1),
        figure("no.such", "travinh", "2021-10", 1),
        figure(OUTGOING, "travinh", "2021-13", 1),
        figure(SIGNED, "travinh", "2021-10", -1),
        figure(OUTGOING, "travinh", "2021-10", 2),
    ];
    let expected = [
        "/observations/1/unit unknown_unit",
        "/observations/2/indicator unknown_indicator",
        "/observations/3/period malformed_period",
        "/observations/4/value negative",
        "/observations/5 duplicate",
    ];
    for path in ["observations", "observations?dry_run=true"] {
        for reason in [None, Some("x")] {
            assert_eq!(
                server
                    .post_bytes(path, JSON, body(&figures, reason).to_string().as_bytes())
                    .faults(422),
                expected,
                "{path}"
            );
        }
    }
    let csv = format!(
        "indicator,unit,period,value\n{OUTGOING},travinh,2021-10,1\n{OUTGOING},nowhere,2021-10,1\n"
    );
    let problem = server.post_csv("observations", &csv).problem(422);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 1);
    has(&problem["errors"][0], &json!({ "line": 3, "column": "unit", "code": "unknown_unit" }));
}

#[test]
fn an_import_into_a_closed_month_needs_a_reason_too() {
    let server = Server::start();
    close(&server, "2021-10");
    let write = |name: &str, text: &str| {
        let file = server.folder().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let mixed = format!(
        "indicator,unit,period,value\n\
         {OUTGOING},travinh,2021-09,1\n{OUTGOING},travinh,2021-10,2\n{SIGNED},travinh,2021-10,1\n"
    );
    let (csv, json) = (
        write("mixed.csv", &mixed),
        write("body.json", &body(&[figure(OUTGOING, "travinh", "2021-10", 3)], None).to_string()),
    );
    let revision = server.revision();
    for reason in [&[][..], &["--reason", " "]] {
        let ran = run(&[&["import", &csv, "--database", &server.address()], reason].concat());
        ran.expect(1);
        let shown = ran.out() + &ran.err();
        for place in ["line 3, column period", "line 4, column period", "month_closed", "2021-10"] {
            assert!(shown.contains(place), "{place} is not in {shown}");
        }
        assert!(!shown.contains("line 2"), "{shown}");
    }
    let ran = run(&["import", &json, "--database", &server.address()]);
    ran.expect(1);
    assert!((ran.out() + &ran.err()).contains("/observations/0/period"), "{}", ran.err());
    assert_eq!(server.revision(), revision, "nothing of them was recorded");
    run(&["import", &csv, "--database", &server.address(), "--reason", "Kiểm tra"]).expect(0);
    server.read(&format!("units?code=travinh&min_revision={}", revision + 1));
    let history = server.observations("history=true");
    assert_eq!(history.len(), 3);
    history
        .iter()
        .for_each(|figure| has(figure, &json!({ "reason": "Kiểm tra", "actor": "command line" })));
    // The shipped report of the closed month.
    let report = write("report.csv", REPORT);
    run(&["import", &report, "--database", &server.address()]).expect(1);
    run(&["import", &report, "--database", &server.address(), "--reason", "late"]).expect(0);
}

/// `check` reports what `import` would refuse.
#[test]
fn a_check_against_a_ledger_names_figures_of_its_closed_months() {
    let server = Server::start();
    close(&server, "2021-10");
    let file = server.folder().join("one.csv");
    std::fs::write(&file, format!("indicator,unit,period,value\n{OUTGOING},travinh,2021-10,2\n"))
        .unwrap();
    let ran = run(&["check", file.to_str().unwrap(), "--database", &server.address()]);
    ran.expect(1);
    assert!(ran.out().contains("month_closed"), "{}", ran.out());
}

#[test]
fn a_month_closed_by_another_process_takes_no_later_figures() {
    let server = Server::start();
    let other = Other::beside(&server);
    for (round, month) in months(2019, 1..=8).into_iter().enumerate() {
        let (done, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (answers, closing) = std::thread::scope(|scope| {
            let posting: Vec<_> = ["tv.cdc", "tv.dof", "tv.dic"]
                .into_iter()
                .enumerate()
                .map(|(thread, unit)| {
                    let (api, done, taken, month) = (
                        if thread == 2 { server.clone() } else { other.clone() },
                        &done,
                        &taken,
                        &month,
                    );
                    scope.spawn(move || {
                        let mut found = Vec::new();
                        for value in 0.. {
                            let reply = api.post(&body(
                                &[
                                    figure(OUTGOING, unit, month, value),
                                    figure(SIGNED, unit, "2021-01", value),
                                ],
                                None,
                            ));
                            match reply.status {
                                201 => found.push(reply.json()["revision"].as_i64().unwrap()),
                                409 => return found,
                                503 => {} // the other was faster too often; it says to try again
                                _ => panic!("{}", reply.text()),
                            }
                            taken.fetch_add(1, Ordering::Relaxed);
                            assert!(
                                !done.load(Ordering::Relaxed) || value < 2_000,
                                "it is never refused"
                            );
                        }
                        found
                    })
                })
                .collect();
            eventually("under way", Duration::from_secs(20), || {
                taken.load(Ordering::Relaxed) > 4 + round
            });
            let closing = close(&server, &month)["revision"].as_i64().unwrap();
            done.store(true, Ordering::Relaxed);
            (
                posting.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<i64>>(),
                closing,
            )
        });
        assert!(
            answers.iter().all(|revision| *revision < closing),
            "round {round}: {answers:?} compared with the closing, {closing}"
        );
        // From now on both servers refuse.
        for api in [&*server, &*other] {
            assert_eq!(
                api.post(&body(&[figure(OUTGOING, "tv.cdc", &month, 9_999)], None)).status,
                409,
                "round {round}"
            );
        }
        let behind = server.observations(&format!("history=true&from={month}&to={month}"));
        assert!(
            behind.iter().all(|figure| figure["revision"].as_i64().unwrap() < closing),
            "round {round}"
        );
    }
}

#[test]
fn a_submission_of_a_month_just_closed_by_another_process_cannot_be_withdrawn() {
    let server = Server::start();
    let other = Other::beside(&server);
    for month in months(2020, 1..=6) {
        let id = server.record("travinh", &[(OUTGOING, &month, 1)])["submission"]
            .as_str()
            .unwrap()
            .to_owned();
        close(&server, &month);
        // The other server has not seen either change yet.
        assert_eq!(
            other.delete(&format!("submissions/{id}")).faults(409),
            ["/reason month_closed"],
            "{month}"
        );
        other.delete(&format!("submissions/{id}?reason=x")).expect(201);
    }
}

#[test]
fn the_months_are_listed_as_they_are_and_as_they_came_to_be() {
    let server = Server::start();
    server.post_bytes("periods/2021-11/close?force=true&reason=November", JSON, b"").expect(200);
    server.post_bytes("periods/2021-09/close?force=true", JSON, b"").expect(200);
    server.post_bytes("periods/2021-11/reopen", JSON, br#"{"reason":"=1+1"}"#).expect(200);
    server.post_bytes("periods/2021-11/close?force=true", JSON, b"").expect(200);
    let revision = server.revision();
    let row = |month: &str, closed: bool, revision: i64, reason: Value| {
        json!({
            "period": month, "closed": closed, "revision": revision, "actor": "anonymous",
            "reason": reason,
        })
    };
    let check = |path: &str, expected: &[Value]| {
        let found = server.read(path);
        let list = found["periods"].as_array().unwrap();
        assert_eq!(list.len(), expected.len(), "{path}: {found}");
        list.iter().zip(expected).for_each(|(found, expected)| has(found, expected));
        list.iter()
            .for_each(|found| assert!(found["recorded_at"].as_str().unwrap().ends_with('Z')));
    };
    check(
        "periods",
        &[
            row("2021-09", true, revision - 2, Value::Null),
            row("2021-11", true, revision, Value::Null),
        ],
    );
    let history = [
        row("2021-11", true, revision - 3, json!("November")),
        row("2021-09", true, revision - 2, Value::Null),
        row("2021-11", false, revision - 1, json!("=1+1")),
        row("2021-11", true, revision, Value::Null),
    ];
    check("periods?history=true", &history);
    check(
        "periods?history=false",
        &[
            row("2021-09", true, revision - 2, Value::Null),
            row("2021-11", true, revision, Value::Null),
        ],
    );
    check(
        &format!("periods?as_of={}", revision - 1),
        &[row("2021-09", true, revision - 2, Value::Null)],
    );
    check(
        &format!("periods?as_of={}", revision - 2),
        &[
            row("2021-09", true, revision - 2, Value::Null),
            row("2021-11", true, revision - 3, json!("November")),
        ],
    );
    check(&format!("periods?history=true&as_of={}", revision - 1), &history[..3]);
    check(&format!("periods?history=true&as_of={}", revision - 4), &[]);
    for reply in [
        server.get("periods?history=true&format=csv"),
        server.send("GET", "periods?history=true", &[("accept", "text/csv")], None),
    ] {
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
        let body = reply.text();
        let mut table = csv::Reader::from_reader(body.as_bytes());
        assert_eq!(
            table.headers().unwrap(),
            vec!["period", "closed", "revision", "recorded_at", "actor", "reason"]
        );
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 4);
        assert_eq!((&rows[0][0], &rows[0][1], &rows[0][5]), ("2021-11", "true", "November"));
        assert_eq!(
            (&rows[2][0], &rows[2][1], &rows[2][5]),
            ("2021-11", "false", "'=1+1"),
            "safe against formulas"
        );
    }
    assert_eq!(
        server.get("periods?history=yes&colour=red").faults(422),
        ["/colour unknown_parameter", "/history malformed"]
    );
    assert_eq!(server.read("ledger")["closed_periods"], 2);
    assert_eq!(server.read(&format!("ledger?as_of={}", revision - 1))["closed_periods"], 1);
}

#[test]
fn an_entity_tag_from_before_a_closing_unit_or_catalogue_change_is_stale() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let paths = [
        "series?measure=ioffice.documents.outgoing&unit=travinh&from=2021-10&to=2021-10",
        "series?measure=ioffice.documents.outgoing&unit=travinh&last=1&format=csv",
        "observations",
        "observations?history=true&format=csv",
        "findings",
        "units",
        "units?format=csv",
        "catalogue",
        "indicators",
        "kpis",
        "periods",
        "periods?history=true",
        "revisions",
    ];
    let tags = || paths.map(|path| server.get(path).header("etag").to_owned());
    let ask = |path: &str, tag: &str| server.send("GET", path, &[("if-none-match", tag)], None);
    let mut catalogue = server.read("catalogue");
    catalogue["rules"].as_array_mut().unwrap().pop();
    catalogue.as_object_mut().unwrap().remove("version");
    let changes: [&dyn Fn() -> Reply; 6] = [
        &|| change(&server, "2021-10", "close?force=true"),
        &|| change(&server, "2021-10", "reopen"),
        &|| server.put("units", &json!({ "units": [{ "code": "u" }] })),
        &|| server.put("catalogue", &catalogue),
        &|| server.post(&body(&[figure(OUTGOING, "travinh", "2021-09", 1)], None)),
        &|| {
            server.delete(&format!(
                "submissions/{}",
                server.observations("")[0]["submission"].as_str().unwrap()
            ))
        },
    ];
    for (number, done) in changes.iter().enumerate() {
        let before = tags();
        assert!(
            paths.iter().zip(&before).all(|(path, tag)| ask(path, tag).status == 304),
            "{number}"
        );
        assert!(done().status < 300, "{number}");
        for (path, tag) in paths.iter().zip(&before) {
            let after = ask(path, tag);
            assert_eq!(after.status, 200, "{path} after change {number}");
            assert_ne!(after.header("etag"), tag, "{path} after change {number}");
        }
    }
    // A change without effect leaves every response as it was.
    let before = tags();
    reopen(&server, "2021-10");
    server.put("units", &json!({ "units": [{ "code": "u" }] })).expect(200);
    assert!(paths.iter().zip(&before).all(|(path, tag)| ask(path, tag).status == 304));
}
