//! The catalogue: reading, checking as a whole, replacing, keeping every version.

use ledger::Store;
use serde_json::{Value, json};

use crate::harness::{Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";

/// The entry with a code in a section.
fn entry<'c>(catalogue: &'c mut Value, section: &str, code: &str) -> &'c mut Value {
    catalogue[section]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|entry| entry["code"] == code)
        .unwrap()
}

fn without(catalogue: &mut Value, section: &str, code: &str) {
    catalogue[section].as_array_mut().unwrap().retain(|entry| entry["code"] != code);
}

fn add(catalogue: &mut Value, section: &str, entry: Value) {
    catalogue[section].as_array_mut().unwrap().push(entry);
}

#[test]
fn the_catalogue_that_get_answers_can_be_put_back_and_changes_nothing() {
    let server = Server::start();
    let catalogue = server.read("catalogue");
    assert_eq!(catalogue["version"], 1);
    for section in ["systems", "dimensions", "indicators", "kpis", "rules", "targets"] {
        assert!(!catalogue[section].as_array().unwrap().is_empty(), "{section}");
    }
    let mut answer = server.put("catalogue", &catalogue).expect(200);
    assert_eq!(answer.as_object_mut().unwrap().shift_remove("recorded"), Some(json!(false)));
    assert_eq!(answer, catalogue);
    assert_eq!(server.read("catalogue"), catalogue);
}

#[test]
fn a_new_indicator_a_kpi_and_a_rule_can_be_used_at_once() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    let revision = server.revision();
    add(
        &mut catalogue,
        "indicators",
        json!({
            "code": "park.benches", "kind": "stock", "unit_of_measure": "count",
            "name": { "vi": "Ghế", "en": "Benches" },
        }),
    );
    add(
        &mut catalogue,
        "indicators",
        json!({
            "code": "park.rain", "kind": "average", "unit_of_measure": "mm", "decimals": 2,
            "may_be_negative": true,
        }),
    );
    add(
        &mut catalogue,
        "kpis",
        json!({
            "code": "park.benches_per_document",
            "formula": "park.benches / ioffice.documents.outgoing", "unit_of_measure": "ratio",
        }),
    );
    add(
        &mut catalogue,
        "rules",
        json!({ "code": "park.few", "check": "park.benches <= ioffice.documents.outgoing" }),
    );
    let answer = server.put("catalogue", &catalogue).expect(200);
    has(&answer, &json!({ "revision": revision + 1, "version": 2 }));
    server.record("travinh", &[(OUTGOING, "2021-10", 4)]);
    let receipt = server
        .post(&json!({ "observations": [
            figure("park.benches", "travinh", "2021-10", 5),
            figure("park.rain", "travinh", "2021-10", "-0.25"),
        ] }))
        .expect(201);
    assert_eq!(receipt["findings"].as_array().unwrap().len(), 1);
    has(
        &receipt["findings"][0],
        &json!({ "rule": "park.few", "severity": "warning", "stated": 5, "computed": 4 }),
    );
    has(
        &server.point("park.benches_per_document", "travinh", "2021-10"),
        &json!({ "value": 1.25, "origin": "computed" }),
    );
    has(&server.point("park.rain", "travinh", "2021-10"), &json!({ "value": -0.25 }));
    let codes = |path: &str, list: &str| {
        server.read(path)[list]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["code"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert!(codes("indicators", "indicators").contains(&"park.benches".to_owned()));
    assert!(codes("kpis", "kpis").contains(&"park.benches_per_document".to_owned()));
    let server = server.restarted();
    assert_eq!(server.read("catalogue")["version"], 2);
    has(
        &server.point("park.benches_per_document", "travinh", "2021-10"),
        &json!({ "value": 1.25 }),
    );
    assert_eq!(server.read("findings")["findings"].as_array().unwrap().len(), 1);
}

#[test]
fn every_version_of_the_catalogue_is_kept() {
    let server = Server::start();
    let shipped = server.read("catalogue");
    for (n, version) in [(1, 2), (2, 3)] {
        let mut catalogue = server.read("catalogue");
        add(
            &mut catalogue,
            "indicators",
            json!({ "code": format!("new.n{n}"), "kind": "flow", "unit_of_measure": "count" }),
        );
        assert_eq!(server.put("catalogue", &catalogue).expect(200)["version"], version);
    }
    let store = Store::open(&server.address(), false).unwrap();
    let versions: Vec<i64> =
        store.catalogue_versions().unwrap().into_iter().map(|(version, _)| version).collect();
    assert_eq!(versions, [1, 2, 3]);
    let first: Value =
        serde_json::from_str(&store.catalogue_version(1).unwrap().unwrap().document).unwrap();
    assert_eq!(first["indicators"], shipped["indicators"]);
}

#[test]
fn a_dry_run_of_a_catalogue_checks_it_and_changes_nothing() {
    let server = Server::start();
    let before = server.read("catalogue");
    let mut catalogue = before.clone();
    add(
        &mut catalogue,
        "indicators",
        json!({ "code": "park.benches", "kind": "stock", "unit_of_measure": "count" }),
    );
    let dry = server.put("catalogue?dry_run=true", &catalogue).expect(200);
    assert_eq!(
        dry["indicators"].as_array().unwrap().len(),
        catalogue["indicators"].as_array().unwrap().len()
    );
    has(
        dry["indicators"].as_array().unwrap().last().unwrap(),
        &json!({ "code": "park.benches", "kind": "stock" }),
    );
    assert_eq!(server.read("catalogue"), before);
    assert_eq!(
        server
            .post(&json!({ "observations": [figure("park.benches", "travinh", "2021-10", 5)] }))
            .faults(422),
        ["/observations/0/indicator unknown_indicator"]
    );
    entry(&mut catalogue, "indicators", "park.benches")["kind"] = json!("pile");
    assert_eq!(server.put("catalogue?dry_run=true", &catalogue).faults(422).len(), 1);
}

#[test]
fn a_catalogue_made_from_an_older_version_is_a_conflict() {
    let server = Server::start();
    let old = server.read("catalogue");
    let (mut one, mut other) = (old.clone(), old);
    add(
        &mut one,
        "indicators",
        json!({ "code": "one", "kind": "flow", "unit_of_measure": "count" }),
    );
    add(
        &mut other,
        "indicators",
        json!({ "code": "other", "kind": "flow", "unit_of_measure": "count" }),
    );
    server.put("catalogue", &one).expect(200);
    assert_eq!(server.put("catalogue", &other).faults(409), ["/version version_changed"]);
    assert_eq!(server.read("catalogue")["version"], 2);
    // A request without a version replaces the whole catalogue.
    other.as_object_mut().unwrap().remove("version");
    assert_eq!(server.put("catalogue", &other).expect(200)["version"], 3);
    assert_eq!(
        server.post(&json!({ "observations": [figure("one", "travinh", "2021-10", 5)] })).status,
        422
    );
}

#[test]
fn a_catalogue_that_would_orphan_figures_is_refused_with_the_list() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 4)]);
    let observation = |indicator: &str, members: Value, value: Value| {
        json!({
            "indicator": indicator, "unit": "travinh", "period": "2021-10", "value": value,
            "dimensions": members,
        })
    };
    let body = json!({ "observations": [
        observation("igate.dossiers.received", json!({ "channel": "online" }), json!(3)),
        observation("radio.own_programme.minutes_per_day", json!({}), json!("27.5")),
        observation("ioffice.documents.signed_rate", json!({}), json!("78.955")),
    ] });
    server.post(&body).expect(201);
    let before = server.read("catalogue");
    let refused =
        |change: &dyn Fn(&mut Value), code: &str, about: &str| {
            let mut catalogue = before.clone();
            change(&mut catalogue);
            let reply = server.put("catalogue", &catalogue);
            let problem = reply.problem(409);
            let errors = problem["errors"].as_array().unwrap();
            assert!(
                errors.iter().any(|fault| fault["code"] == code
                    && fault["detail"].as_str().unwrap().contains(about)),
                "{problem}"
            );
            assert_eq!(server.read("catalogue"), before);
        };
    let drop_outgoing = |catalogue: &mut Value| {
        for (section, code) in [
            ("indicators", OUTGOING),
            ("kpis", "ioffice.documents.signed_rate"),
            ("kpis", "ioffice.documents.electronic_rate"),
            ("rules", "ioffice.signed_within_outgoing"),
            ("rules", "ioffice.electronic_within_outgoing"),
            ("targets", "ioffice.signed_rate_2025"),
            ("targets", "ioffice.electronic_rate_2025"),
            ("expectations", "travinh.monthly"),
        ] {
            without(catalogue, section, code);
        }
    };
    refused(&drop_outgoing, "orphaned_figures", OUTGOING);
    refused(&drop_outgoing, "orphaned_figures", "ioffice.documents.signed_rate");
    let fewer_decimals = |catalogue: &mut Value| {
        entry(catalogue, "indicators", "radio.own_programme.minutes_per_day")["decimals"] = json!(0)
    };
    refused(&fewer_decimals, "decimals_lost", "radio.own_programme.minutes_per_day");
    let without_channel = |catalogue: &mut Value| {
        without(catalogue, "kpis", "igate.dossiers.online_rate");
        without(catalogue, "kpis", "igate.dossiers.full_online_share");
        without(catalogue, "targets", "igate.online_rate_2025");
        entry(catalogue, "indicators", "igate.dossiers.received")["dimensions"] =
            json!([{ "code": "service_level", "complete": false }]);
    };
    refused(&without_channel, "orphaned_figures", "igate.dossiers.received{channel=online}");
    // A dimension can be removed after its figures are withdrawn; an indicator without figures can
    // be removed at once.
    let mut catalogue = before.clone();
    without(&mut catalogue, "indicators", "infosec.drills.attended");
    server.put("catalogue", &catalogue).expect(200);
}

#[test]
fn more_decimals_keep_the_figures_that_are_recorded() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 4)]);
    let mut catalogue = server.read("catalogue");
    entry(&mut catalogue, "indicators", OUTGOING)["decimals"] = json!(2);
    server.put("catalogue", &catalogue).expect(200);
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 4 }));
    server
        .post(&json!({ "observations": [figure(OUTGOING, "travinh", "2021-11", "4.25")] }))
        .expect(201);
    has(
        &server.point(OUTGOING, "travinh", "2021-11"),
        &json!({ "value": 4.25, "delta": 0.25, "delta_percent": 6.25 }),
    );
    let server = server.restarted();
    has(&server.point(OUTGOING, "travinh", "2021-11"), &json!({ "value": 4.25, "delta": 0.25 }));
}

#[test]
fn every_fault_of_a_catalogue_is_named_at_once() {
    let server = Server::start();
    let before = server.read("catalogue");
    let mut malformed = before.clone();
    let place = before["indicators"].as_array().unwrap().len();
    add(&mut malformed, "indicators", json!({ "kind": "flow" }));
    add(&mut malformed, "kpis", json!(7));
    malformed["colours"] = json!([]);
    malformed["rules"] = json!({});
    let found = server.put("catalogue", &malformed).faults(422);
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(
        found.iter().any(|fault| fault.starts_with(&format!("/indicators/{place}"))),
        "{found:?}"
    );

    let mut faulty = before.clone();
    add(
        &mut faulty,
        "indicators",
        json!({ "code": "Bad Code", "kind": "flow", "unit_of_measure": "count" }),
    );
    add(
        &mut faulty,
        "indicators",
        json!({ "code": "x.a", "kind": "pile", "unit_of_measure": "count" }),
    );
    add(
        &mut faulty,
        "indicators",
        json!({ "code": OUTGOING, "kind": "flow", "unit_of_measure": "count" }),
    );
    add(
        &mut faulty,
        "indicators",
        json!({
            "code": "x.b", "kind": "flow", "unit_of_measure": "count",
            "dimensions": [{ "code": "no_such" }],
        }),
    );
    add(
        &mut faulty,
        "kpis",
        json!({
            "code": "x.k", "formula": "ioffice.documents.signed / / 2",
            "unit_of_measure": "percent",
        }),
    );
    add(
        &mut faulty,
        "kpis",
        json!({ "code": "x.l", "formula": "no.such / 2", "unit_of_measure": "percent" }),
    );
    add(&mut faulty, "rules", json!({ "code": "x.r", "check": "ioffice.documents.signed" }));
    add(&mut faulty, "targets", json!({ "code": "x.t", "measure": "no.such", "value": "1" }));
    let found = server.put("catalogue", &faulty).faults(422);
    let (kpis, rules, targets) = (
        before["kpis"].as_array().unwrap().len(),
        before["rules"].as_array().unwrap().len(),
        before["targets"].as_array().unwrap().len(),
    );
    // A unit is looked up once the rest of the document is right
    let mut of_a_unit = before.clone();
    let rule = json!({ "code": "x.u", "check": "5 <= ioffice.users.created", "unit": "no.such" });
    add(&mut of_a_unit, "rules", rule);
    assert_eq!(
        server.put("catalogue", &of_a_unit).faults(422),
        [format!("/rules/{rules}/unit unknown_unit")]
    );
    let places = [
        format!("/indicators/{place}"),
        format!("/indicators/{}", place + 1),
        format!("/indicators/{}", place + 2),
        format!("/indicators/{}", place + 3),
        format!("/kpis/{kpis}"),
        format!("/kpis/{}", kpis + 1),
        format!("/rules/{rules}"),
        format!("/targets/{targets}"),
    ];
    for place in places {
        assert!(
            found.iter().any(|fault| fault.starts_with(&format!("{place}/"))),
            "{place} is not among {found:?}"
        );
    }
    assert_eq!(server.read("catalogue"), before);
}

#[test]
fn a_target_of_an_unknown_unit_is_a_fault() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    add(
        &mut catalogue,
        "targets",
        json!({ "code": "t", "measure": OUTGOING, "unit": "nowhere", "value": "1" }),
    );
    let found = server.put("catalogue", &catalogue).faults(422);
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("/unit unknown_unit"), "{found:?}");
}

#[test]
fn an_error_rule_refuses_the_submission_that_breaks_it() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    entry(&mut catalogue, "rules", "ioffice.signed_within_outgoing")["severity"] = json!("error");
    server.put("catalogue", &catalogue).expect(200);
    server.record("travinh", &[(OUTGOING, "2021-10", 4)]);
    let revision = server.revision();
    let body = json!({ "observations": [
        figure("ioffice.documents.signed", "travinh", "2021-10", 5),
        figure(OUTGOING, "travinh", "2021-09", 1),
    ] });
    let problem = server.post(&body).problem(422);
    assert_eq!(problem["errors"][0]["code"], "rule_broken");
    assert_eq!(server.revision(), revision);
    has(&server.point(OUTGOING, "travinh", "2021-09"), &json!({ "value": null }));
    server.record("travinh", &[("ioffice.documents.signed", "2021-10", 4)]);
    // Lowering the total below its part breaks the rule as well; withdrawing the total does not.
    assert_eq!(
        server
            .post(&json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", 3)] }))
            .problem(422)["errors"][0]["code"],
        "rule_broken"
    );
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 4 }));
    server
        .post(&json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", Value::Null)] }))
        .expect(201);
}

#[test]
fn a_break_in_the_definition_ends_the_comparison() {
    let server = Server::start();
    server.record(
        "travinh",
        &[
            ("igate.dossiers.received", "2022-07", 10),
            ("igate.dossiers.received", "2022-08", 12),
            ("igate.dossiers.received", "2022-09", 15),
        ],
    );
    let points = server.points("igate.dossiers.received", "travinh", "2022-07", "2022-09");
    has(
        &points[1],
        &json!({
            "value": 12, "delta": null, "delta_reason": "definition_changed",
            "like_for_like_delta_reason": "definition_changed",
        }),
    );
    has(
        &points[2],
        &json!({
            "value": 15, "delta": 3, "delta_percent": 25, "year_delta_reason": "definition_changed",
        }),
    );
    server.record(
        "travinh",
        &[("igate.dossiers.resolved", "2022-07", 5), ("igate.dossiers.resolved", "2022-08", 6)],
    );
    has(
        &server.point("igate.dossiers.clearance_rate", "travinh", "2022-08"),
        &json!({ "value": 50, "delta": null, "delta_reason": "definition_changed" }),
    );
    has(&server.point("igate.dossiers.resolved", "travinh", "2022-08"), &json!({ "delta": 1 }));
}

#[test]
fn indicators_and_kpis_are_listed_by_system_and_as_tables() {
    let server = Server::start();
    let radio = server.read("indicators?system=radio");
    let mut codes: Vec<&str> = radio["indicators"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    assert_eq!(
        codes,
        ["radio.own_programme.minutes_per_day", "radio.reports.completed", "radio.stations.total"]
    );
    let kpis = server.read("kpis?system=igate")["kpis"].clone();
    let online = kpis
        .as_array()
        .unwrap()
        .iter()
        .find(|kpi| kpi["code"] == "igate.dossiers.online_rate")
        .unwrap();
    assert_eq!(online["dimensions"][0]["code"], "service_level");
    has(online, &json!({ "direction": "higher", "unit_of_measure": "percent" }));
    let body = server.get("kpis?format=csv&system=ioffice").text();
    let mut table = csv::Reader::from_reader(body.as_bytes());
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let found: Vec<(&str, &str)> = rows.iter().map(|row| (&row[0], &row[3])).collect();
    assert_eq!(
        found,
        [
            (
                "ioffice.documents.signed_rate",
                "ioffice.documents.signed / ioffice.documents.outgoing"
            ),
            ("ioffice.users.net_change", "ioffice.users.total - prev(ioffice.users.total)"),
            (
                "ioffice.documents.electronic_rate",
                "ioffice.documents.electronic / ioffice.documents.outgoing"
            ),
        ]
    );
    assert_eq!(server.get("indicators?systems=radio").faults(422), ["/systems unknown_parameter"]);
}
