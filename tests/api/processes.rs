//! Several processes on one ledger.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Api, REPORT, Server, WITHIN_A_SECOND, eventually, figure, has, run, serve};

const OUTGOING: &str = "ioffice.documents.outgoing";

#[test]
fn an_import_of_another_process_is_visible_within_a_second() {
    let server = Server::start();
    let revision = server.revision();
    let tag = server.get("observations").header("etag").to_owned();
    let file = server.folder().join("report.csv");
    std::fs::write(&file, REPORT).unwrap();
    run(&["import", file.to_str().unwrap(), "--database", &server.address()]).expect(0);
    let ended = Instant::now();
    eventually("seen", WITHIN_A_SECOND, || server.revision() == revision + 1);
    assert!(ended.elapsed() < WITHIN_A_SECOND);
    has(
        &server.point("ioffice.documents.signed_rate", "travinh", "2021-10"),
        &json!({ "value": 78.947_144, "stated": 78.955 }),
    );
    assert_eq!(server.read("findings")["findings"].as_array().unwrap().len(), 3);
    assert_eq!(server.observations("").len(), 90);
    assert_eq!(server.send("GET", "observations", &[("if-none-match", &tag)], None).status, 200);
    let receipt = &server.observations("")[0];
    has(
        &server.read(&format!("submissions/{}", receipt["submission"].as_str().unwrap())),
        &json!({ "source": { "kind": "import", "reference": "report.csv" } }),
    );
}

#[test]
fn units_and_catalogue_of_another_process_are_seen_too() {
    let server = Server::start();
    let units = server.folder().join("units.json");
    std::fs::write(&units, json!({ "units": [{ "code": "new-unit" }] }).to_string()).unwrap();
    run(&["import", units.to_str().unwrap(), "--database", &server.address()]).expect(0);
    eventually("seen", WITHIN_A_SECOND, || server.get("units?code=new-unit").status == 200);
    server.record("new-unit", &[(OUTGOING, "2021-10", 1)]);
    let catalogue = server.folder().join("catalogue.json");
    let mut document = server.read("catalogue");
    document["indicators"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "code": "new.indicator", "kind": "flow", "unit_of_measure": "count" }));
    std::fs::write(&catalogue, document.to_string()).unwrap();
    let told =
        run(&["catalogue", "apply", catalogue.to_str().unwrap(), "--database", &server.address()])
            .expect(0);
    assert_eq!(told.trim_end(), "+ indicators new.indicator");
    eventually("seen", WITHIN_A_SECOND, || server.read("catalogue")["version"] == 2);
    server.record("new-unit", &[("new.indicator", "2021-10", 1)]);
}

#[test]
fn two_servers_on_one_ledger_record_side_by_side_and_see_each_other() {
    let server = Server::start();
    let other = serve(&server.address());
    let other_api = Api::of(&other.address.to_string());
    let before = server.revision();
    assert_eq!(other_api.revision(), before);
    let mut revisions: Vec<i64> = std::thread::scope(|scope| {
        let clients = [
            ("tv.cdc", (*server).clone()),
            ("tv.dof", other_api.clone()),
            ("tv.dic", (*server).clone()),
            ("tv.inspectorate", other_api.clone()),
        ];
        let clients = clients.map(|(unit, api)| {
            scope.spawn(move || {
                let post = |month: i64| {
                    let receipt =
                        api.record(unit, &[(OUTGOING, &format!("2020-{month:02}"), month)]);
                    // A write is visible on the server that responded.
                    has(
                        &api.point(OUTGOING, unit, &format!("2020-{month:02}")),
                        &json!({ "value": month }),
                    );
                    receipt["revision"].as_i64().unwrap()
                };
                (1..=12).map(post).collect::<Vec<_>>()
            })
        });
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    revisions.sort_unstable();
    assert_eq!(
        revisions,
        (before + 1..=before + 48).collect::<Vec<_>>(),
        "each submission has a revision of its own, without a gap"
    );
    for api in [&*server, &other_api] {
        eventually("level", WITHIN_A_SECOND, || api.revision() == before + 48);
        has(&api.point(OUTGOING, "travinh", "2020-12"), &json!({ "value": 48, "coverage": 0.4 }));
        assert_eq!(api.observations("").len(), 48);
    }
    drop(other_api);
    other.stop();
}

#[test]
fn a_conflict_with_a_recent_write_of_another_process_is_detected() {
    let server = Server::start();
    let other = serve(&server.address());
    let other_api = Api::of(&other.address.to_string());
    // The other server has not polled yet; the ledger decides.
    server.put_units(&json!([{ "code": "u" }, { "code": "v" }]));
    server.record("u", &[(OUTGOING, "2021-10", 1)]);
    let ends_before = json!({ "units": [{ "code": "u", "valid_to": "2021-09-30" }] });
    assert_eq!(other_api.put("units", &ends_before).status, 409);
    let mut catalogue = server.read("catalogue");
    catalogue["indicators"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "code": "one", "kind": "flow", "unit_of_measure": "count" }));
    server.put("catalogue", &catalogue).expect(200);
    assert_eq!(
        other_api.put("catalogue", &catalogue).status,
        409,
        "made from version 1, which is no longer the latest"
    );
    // A unit that ended here accepts no figure there.
    eventually("level", WITHIN_A_SECOND, || other_api.revision() == server.revision());
    server.put_units(&json!([{ "code": "v", "valid_to": "2021-09-30" }]));
    let late = other_api.post(&json!({ "observations": [figure(OUTGOING, "v", "2021-10", 1)] }));
    assert_eq!(late.status, 422, "{}", late.text());
    let standing: Vec<Value> = server.observations("unit=v");
    assert_eq!(standing, Vec::<Value>::new());
    drop(other_api);
    other.stop();
}
