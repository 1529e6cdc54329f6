//! Figures that do not apply to a unit, over HTTP
//! (docs/specification.md#figures-that-do-not-apply).

use serde_json::{Value, json};

use crate::harness::{Server, figure, has, run};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const RECEIVED: &str = "igate.dossiers.received";

/// A province with three districts.
fn province() -> Server {
    let server = Server::start();
    let district = |code| json!({ "code": code, "kind": "district", "parent": "p" });
    server.put_units(&json!([
        { "code": "p", "kind": "province" },
        district("p.a"),
        district("p.b"),
        district("p.c"),
    ]));
    server
}

#[test]
fn a_leaf_says_that_a_figure_does_not_apply_in_json_and_csv() {
    let server = province();
    server.record("p.a", &[(OUTGOING, "2021-10", 10), (OUTGOING, "2021-11", 12)]);
    server.record("p.c", &[(OUTGOING, "2021-10", 1), (OUTGOING, "2021-11", 2)]);
    server.record("p.b", &[(OUTGOING, "2021-10", 5)]);
    let body = json!({ "observations": [figure(OUTGOING, "p.b", "2021-11", "n/a")] });
    let receipt = server.post(&body).expect(201);
    has(&receipt["counts"], &json!({ "created": 1, "revised": 0 }));
    let again = server
        .post_csv(
            "observations",
            &format!("indicator,unit,period,value\n{OUTGOING},p.b,2021-11,Không áp dụng\n"),
        )
        .expect(200);
    has(&again["counts"], &json!({ "unchanged": 1 }));

    let own = server.point(OUTGOING, "p.b", "2021-11");
    has(&own, &json!({ "value": null, "value_reason": "not_applicable", "coverage": null }));
    has(&own, &json!({ "delta": null, "delta_reason": "not_applicable" }));
    let above = server.point(OUTGOING, "p", "2021-11");
    has(&above, &json!({ "value": 14, "value_reason": null, "coverage": 1 }));
    has(&above, &json!({ "delta_reason": "coverage_changed", "like_for_like_delta": 3 }));

    let recorded = server.observations("unit=p.b&from=2021-11");
    has(&recorded[0], &json!({ "value": "n/a", "period": "2021-11" }));
    let csv = server.get("observations?unit=p.b&from=2021-11&format=csv").text();
    assert!(csv.contains(",2021-11,n/a"), "{csv}");

    // A number takes its place, and it the number's; a withdrawal leaves nothing.
    server.record("p.b", &[(OUTGOING, "2021-11", 7)]);
    has(&server.point(OUTGOING, "p", "2021-11"), &json!({ "value": 21, "delta": 5 }));
    has(&server.post(&body).expect(201)["counts"], &json!({ "revised": 1 }));
    let gone = json!({ "observations": [figure(OUTGOING, "p.b", "2021-11", Value::Null)] });
    has(&server.post(&gone).expect(201)["counts"], &json!({ "withdrawn": 1 }));
    has(&server.point(OUTGOING, "p.b", "2021-11"), &json!({ "value_reason": "missing" }));
}

#[test]
fn other_units_kpis_and_words_may_not_say_it() {
    let server = province();
    let faults = |value: &str, indicator: &str, unit: &str| {
        let body = json!({ "observations": [figure(indicator, unit, "2021-10", value)] });
        server.post(&body).faults(422)
    };
    assert_eq!(faults("n/a", OUTGOING, "p"), ["/observations/0/value not_applicable_above"]);
    assert_eq!(faults("N/A", RATE, "p.a"), ["/observations/0/value not_applicable_kpi"]);
    for word in ["na", "-", "none", "n / a", "không"] {
        assert_eq!(faults(word, OUTGOING, "p.a"), ["/observations/0/value not_a_number"]);
    }
    assert!(server.observations("").is_empty());
}

#[test]
fn it_survives_a_restart_and_an_archive() {
    let server = province();
    server.record("p.a", &[(OUTGOING, "2021-10", 10)]);
    let body = json!({ "observations": [figure(OUTGOING, "p.b", "2021-10", "n/a")] });
    server.post(&body).expect(201);
    let before = server.point(OUTGOING, "p", "2021-10");
    has(&before, &json!({ "coverage": 0.5, "value": 10 }));
    let server = server.restarted();
    assert_eq!(server.point(OUTGOING, "p", "2021-10"), before);
    let archive = server.folder().join("archive").display().to_string();
    run(&["export", &archive, "--database", &server.address()]).expect(0);
    run(&["verify", "--database", &server.address()]).expect(0);
}

#[test]
fn nobody_waits_for_figures_that_do_not_apply() {
    let server = province();
    let mut catalogue = server.read("catalogue");
    let expectation = |list: Value| {
        json!([{ "code": "e", "unit_kinds": ["district"], "due_day": 5,
            "measures": [OUTGOING, RECEIVED], "not_applicable": list }])
    };
    for (list, fault) in [
        (json!([{ "unit": "p" }]), "/expectations/0/not_applicable/0/unit not_applicable_above"),
        (json!([{ "unit": "p.x" }]), "/expectations/0/not_applicable/0/unit unknown_unit"),
        (
            json!([{ "unit": "p.c", "from": "2021-13" }]),
            "/expectations/0/not_applicable/0/from malformed_period",
        ),
    ] {
        catalogue["expectations"] = expectation(list);
        assert_eq!(server.put("catalogue", &catalogue).faults(422), [fault]);
    }
    catalogue["expectations"] = expectation(json!([{ "unit": "p.c", "from": "2021-10" }]));
    server.put("catalogue", &catalogue).expect(200);
    let body = json!({ "observations": [
        figure(OUTGOING, "p.a", "2021-10", 1), figure(RECEIVED, "p.a", "2021-10", "n/a"),
        figure(OUTGOING, "p.b", "2021-10", 1), figure(RECEIVED, "p.b", "2021-10", 2),
    ] });
    server.post(&body).expect(201);
    let found = server.read("completeness?period=2021-10&parent=p");
    has(&found["total"], &json!({ "expected": 3, "missing": 0, "reports_expected": 2 }));
    assert_eq!(found["rows"].as_array().unwrap().len(), 2);
    has(&server.point(OUTGOING, "p", "2021-10"), &json!({ "value": 2, "coverage": 1 }));
    has(&server.point(OUTGOING, "p", "2021-09"), &json!({ "coverage": 0 }));
}

#[test]
fn a_status_over_part_of_the_units_is_provisional() {
    let server = province();
    let target = json!({ "targets": [{ "code": "t", "measure": RATE, "value": "50" }] });
    server.put("targets", &target).expect(200);
    server.record("p.a", &[(OUTGOING, "2021-10", 10), (SIGNED, "2021-10", 9)]);
    let row = |unit: &str| {
        let card = server.read(&format!("scorecard?unit={unit}&period=2021-10"));
        let rows = card["rows"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["measure"] == RATE).unwrap()
    };
    has(&row("p"), &json!({ "status": "met", "provisional": true, "coverage": 0.333_333 }));
    has(&row("p.a"), &json!({ "status": "met", "provisional": false }));
    let body = json!({ "observations": [
        figure(OUTGOING, "p.b", "2021-10", "n/a"), figure(OUTGOING, "p.c", "2021-10", "n/a"),
    ] });
    server.post(&body).expect(201);
    has(&row("p"), &json!({ "status": "met", "provisional": false, "coverage": 1 }));
    has(
        &row("p.b"),
        &json!({ "status": null, "provisional": false, "value_reason": "not_applicable" }),
    );
    let ranking = server.read(&format!("ranking?measure={RATE}&parent=p&period=2021-10"));
    let last = ranking["rows"].as_array().unwrap().last().unwrap().clone();
    has(&last, &json!({ "unit": "p.c", "rank": null, "value_reason": "not_applicable" }));
    has(&last, &json!({ "status": null, "provisional": false, "coverage": null }));
}
