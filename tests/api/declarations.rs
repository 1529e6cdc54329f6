//! Targets and annotations: added, replaced, removed, read as of earlier revisions.

use serde_json::{Value, json};

use crate::harness::{Api, Reply, Server, encoded, has, query, run};
use crate::instances::Other;

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const RECEIVED: &str = "igate.dossiers.received";
const CLEARANCE: &str = "igate.dossiers.clearance_rate";
const JSON: &str = "application/json";

fn targets(api: &Api, list: &Value) -> Reply {
    api.put("targets", &json!({ "targets": list }))
}

fn notes(api: &Api, list: &Value) -> Reply {
    api.put("annotations", &json!({ "annotations": list }))
}

fn note(code: &str, unit: &str, from: &str, text: &str) -> Value {
    json!({ "code": code, "unit": unit, "from": from, "text": text })
}

#[track_caller]
fn codes(api: &Api, path: &str) -> Vec<String> {
    let found = api.read(path);
    let list = if path.starts_with("targets") { "targets" } else { "annotations" };
    found[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["code"].as_str().unwrap().to_owned())
        .collect()
}

/// The target of a measure, unit and month, from the scorecard.
#[track_caller]
fn in_force(api: &Api, measure: &str, unit: &str, month: &str) -> Value {
    let found = api.read(&format!("scorecard?unit={unit}&period={month}"));
    let mut rows = found["rows"].as_array().unwrap().iter();
    rows.find(|row| row["measure"] == measure).unwrap()["target"].clone()
}

#[test]
fn putting_back_a_get_response_changes_nothing() {
    let server = Server::start();
    let put = json!([
        {
            "code": "b", "measure": "igate.dossiers.online_rate{ service_level = 4 }",
            "unit": "travinh", "from": "2021-01", "to": "2021-12", "value": "80.50",
            "source": { "vi": "Kế hoạch", "en": "" }, "note": { "en": "A \"note\"" },
        },
        { "code": "a", "measure": RATE, "value": 95 },
    ]);
    let revision = server.revision();
    let answer = targets(&server, &put).expect(200);
    assert_eq!(answer["revision"], revision + 1);
    assert_eq!(answer["targets"].as_array().unwrap().len(), 2);
    let read = server.read("targets");
    assert_eq!((&read["revision"], &read["next_cursor"]), (&json!(revision + 1), &Value::Null));
    has(
        &read["targets"][0],
        &json!({ "code": "a", "measure": RATE, "value": "95", "set_in": "targets" }),
    );
    has(
        &read["targets"][1],
        &json!({
            "code": "b", "unit": "travinh", "from": "2021-01", "to": "2021-12", "value": "80.50",
            "source": { "vi": "Kế hoạch", "en": "" }, "note": { "vi": "", "en": "A \"note\"" },
            "set_in": "targets",
        }),
    );
    // The targets of the catalogue follow, in its order.
    let catalogue = server.read("catalogue");
    let declared: Vec<&Value> = catalogue["targets"].as_array().unwrap().iter().collect();
    let shipped = &read["targets"].as_array().unwrap()[2..];
    assert_eq!(shipped.len(), declared.len());
    for (one, other) in shipped.iter().zip(declared) {
        has(one, other);
        assert_eq!(one["set_in"], "catalogue");
    }
    let texts = json!([
        {
            "code": "n", "measure": OUTGOING, "unit": "travinh", "from": "2021-09", "to": "2021-10",
            "text": "Mất điện\r\n\"hai\" ngày",
        },
        note("m", "tv.cdc", "2021-10", "x"),
    ]);
    has(&notes(&server, &texts).expect(200), &json!({ "revision": revision + 2 }));
    let read_notes = server.read("annotations");
    assert_eq!(read_notes["annotations"], json!([texts[1], texts[0]]), "by code");
    for (path, read) in [("targets", &read), ("annotations", &read_notes)] {
        let again = server.put(path, read).expect(200);
        assert_eq!(again["revision"], revision + 2, "{path}");
        assert_eq!(again[path].as_array().unwrap().len(), read[path].as_array().unwrap().len());
    }
    assert_eq!(server.revision(), revision + 2);
    assert_eq!(server.read("targets")["targets"], read["targets"]);
    assert_eq!(server.read("annotations"), read_notes);
    // An empty list changes nothing either.
    assert_eq!(
        targets(&server, &json!([])).expect(200),
        json!({
            "recorded": false, "revision": revision + 2, "revision_hash": server.hash(),
            "targets": [],
        })
    );
}

#[test]
fn a_declaration_is_replaced_or_removed_by_its_code() {
    let server = Server::start();
    targets(
        &server,
        &json!([{
            "code": "t", "measure": RATE, "unit": "travinh", "from": "2021-01", "value": "90",
            "note": { "en": "first" },
        }]),
    )
    .expect(200);
    assert_eq!(in_force(&server, RATE, "travinh", "2020-12"), Value::Null);
    assert_eq!(in_force(&server, RATE, "travinh", "2021-10"), 90);
    targets(&server, &json!([{ "code": "t", "measure": RATE, "value": 85.5 }])).expect(200);
    assert_eq!(in_force(&server, RATE, "travinh", "2020-12"), 85.5);
    let found = server.read("targets?limit=1")["targets"][0].clone();
    assert_eq!(
        found,
        json!({ "code": "t", "measure": RATE, "value": "85.5", "set_in": "targets" }),
        "absent fields are removed"
    );
    let revision = server.revision();
    let answer = targets(&server, &json!([{ "code": "t", "value": null }])).expect(200);
    assert_eq!(
        answer,
        json!({
            "recorded": true, "revision": revision + 1, "revision_hash": server.hash(),
            "targets": [],
        })
    );
    assert_eq!(in_force(&server, RATE, "travinh", "2021-10"), Value::Null);
    assert!(!codes(&server, "targets").contains(&"t".to_owned()));
    // It is gone.
    assert_eq!(
        targets(&server, &json!([{ "code": "t", "value": null }])).faults(422),
        ["/targets/0/code unknown_code"]
    );
    notes(
        &server,
        &json!([note("n", "travinh", "2021-10", "one"), note("o", "travinh", "2021-10", "other")]),
    )
    .expect(200);
    notes(
        &server,
        &json!([{ "code": "n", "text": null }, note("o", "tv.cdc", "2021-09", "another")]),
    )
    .expect(200);
    assert_eq!(
        server.read("annotations")["annotations"],
        json!([note("o", "tv.cdc", "2021-09", "another")])
    );
    assert_eq!(
        notes(&server, &json!([{ "code": "n", "text": null }])).faults(422),
        ["/annotations/0/code unknown_code"]
    );
}

#[test]
fn a_declaration_with_a_catalogue_code_overrides_it_until_removed() {
    let server = Server::start();
    let shipped = server.read("targets");
    assert_eq!(in_force(&server, CLEARANCE, "travinh", "2021-10"), 100);
    // The replacement may cover fewer units and months; the target of the catalogue then does not
    // apply elsewhere either.
    targets(
        &server,
        &json!([{
            "code": "igate.clearance_rate_100", "measure": CLEARANCE, "unit": "travinh",
            "from": "2021-10", "value": 70,
        }]),
    )
    .expect(200);
    assert_eq!(in_force(&server, CLEARANCE, "travinh", "2021-10"), 70);
    assert_eq!(in_force(&server, CLEARANCE, "travinh", "2021-09"), Value::Null);
    assert_eq!(in_force(&server, CLEARANCE, "bentre", "2021-10"), Value::Null);
    let found = codes(&server, "targets");
    assert_eq!(found.len(), shipped["targets"].as_array().unwrap().len(), "{found:?}");
    assert_eq!(found[0], "igate.clearance_rate_100");
    targets(&server, &json!([{ "code": "igate.clearance_rate_100", "value": null }])).expect(200);
    assert_eq!(in_force(&server, CLEARANCE, "bentre", "2021-10"), 100);
    assert_eq!(server.read("targets")["targets"], shipped["targets"]);
    // A target of the catalogue is removed by changing the catalogue.
    assert_eq!(
        targets(&server, &json!([{ "code": "igate.clearance_rate_100", "value": null }]))
            .faults(422),
        ["/targets/0/code unknown_code"]
    );
    // A target set for every unit comes before another one of the catalogue.
    targets(&server, &json!([{ "code": "mine", "measure": CLEARANCE, "value": 60 }])).expect(200);
    assert_eq!(in_force(&server, CLEARANCE, "travinh", "2021-10"), 60);
}

#[test]
fn every_fault_is_named_at_once_and_nothing_is_changed() {
    let server = Server::start();
    let revision = server.revision();
    let found = targets(
        &server,
        &json!([
            { "code": "ok", "measure": RATE, "value": 1 },
            { "code": "Bad Code", "measure": RATE, "value": 1 },
            { "code": "unit", "measure": RATE, "unit": "nowhere", "value": 1 },
            { "code": "measure", "measure": "no.such", "value": 1 },
            {
                "code": "member", "measure": "igate.dossiers.online_rate{service_level=9}",
                "value": 1,
            },
            { "code": "months", "measure": RATE, "from": "2021-12", "to": "2021-11", "value": 1 },
            {
                "code": "many", "measure": "no.such", "unit": "nowhere", "from": "2021-13",
                "to": "x", "value": "much",
            },
            { "code": "gone", "value": null },
        ]),
    )
    .faults(422);
    let expected = [
        "/targets/1/code malformed_code",
        "/targets/2/unit unknown_unit",
        "/targets/3/measure unknown_measure",
        "/targets/4/measure unknown_member",
        "/targets/5/to dates_reversed",
        "/targets/6/from malformed_period",
        "/targets/6/measure unknown_measure",
        "/targets/6/to malformed_period",
        "/targets/6/unit unknown_unit",
        "/targets/6/value malformed_number",
        "/targets/7/code unknown_code",
    ];
    assert_eq!(found, expected);
    let found = notes(
        &server,
        &json!([
            note("ok", "travinh", "2021-10", "x"),
            {
                "code": "Bad Code", "measure": "no.such", "unit": "nowhere", "from": "2021-13",
                "to": "x", "text": " ",
            },
            note("long", "travinh", "2021-10", &"ă".repeat(1_001)),
            {
                "code": "months", "unit": "travinh", "from": "2021-12", "to": "2021-11",
                "text": "x",
            },
            { "code": "gone", "text": null },
        ]),
    )
    .faults(422);
    let expected = [
        "/annotations/1/code malformed_code",
        "/annotations/1/from malformed_period",
        "/annotations/1/measure unknown_measure",
        "/annotations/1/text malformed_text",
        "/annotations/1/to malformed_period",
        "/annotations/1/unit unknown_unit",
        "/annotations/2/text malformed_text",
        "/annotations/3/to dates_reversed",
        "/annotations/4/code unknown_code",
    ];
    assert_eq!(found, expected);
    notes(&server, &json!([note("long", "travinh", "2021-10", &"ă".repeat(1_000))])).expect(200);
    assert_eq!(server.revision(), revision + 1);
}

#[test]
fn entries_of_the_wrong_shape_are_named_each_in_its_place() {
    let server = Server::start();
    let found = server
        .put(
            "targets",
            &json!({
                "targets": [
                    { "code": "a", "measure": RATE, "value": 1 },
                    7,
                    { "code": "b", "value": 1 },
                    { "code": "a", "measure": RATE, "value": 2 },
                    { "code": "c", "measure": RATE, "value": 1, "colour": "red" },
                    { "code": "d", "measure": RATE, "value": [] },
                ],
                "colours": 1,
            }),
        )
        .faults(422);
    let expected = [
        "/colours unknown_field",
        "/targets/1 malformed",
        "/targets/2 malformed",
        "/targets/3/code duplicate",
        "/targets/4/colour malformed",
        "/targets/5/value malformed",
    ];
    assert_eq!(found, expected);
    assert_eq!(server.put("targets", &json!([])).faults(422).len(), 1);
    assert_eq!(server.put("annotations", &json!({})).faults(422), ["/annotations missing"]);
    assert_eq!(server.put("annotations", &json!({ "annotations": {} })).faults(422).len(), 1);
    server.send("PUT", "targets", &[("content-type", JSON)], Some(b"{")).problem(400);
    server.send("PUT", "targets", &[("content-type", "text/csv")], Some(b"code")).problem(415);
    assert_eq!(
        server.put("targets?dry=true", &json!({ "targets": [] })).faults(422),
        ["/dry unknown_parameter"]
    );
    assert_eq!(server.delete("targets").status, 405);
    let many: Vec<Value> =
        (0..10_001).map(|n| note(&format!("n{n}"), "travinh", "2021-10", "x")).collect();
    notes(&server, &json!(many)).problem(413);
    notes(&server, &json!(many[1..])).expect(200);
}

#[test]
fn a_dry_run_checks_everything_and_changes_nothing() {
    let server = Server::start();
    let (revision, before) = (server.revision(), server.read("targets"));
    let one = json!({ "targets": [{ "code": "t", "measure": RATE, "value": 1 }] });
    let answer = server.put("targets?dry_run=true", &one).expect(200);
    assert_eq!(
        answer,
        json!({
            "recorded": false, "revision": revision, "revision_hash": server.hash(),
            "targets": [{ "code": "t", "measure": RATE, "value": "1" }],
        })
    );
    assert_eq!(
        server
            .put(
                "targets?dry_run=true",
                &json!({ "targets": [{ "code": "t", "measure": "x", "value": 1 }] })
            )
            .faults(422),
        ["/targets/0/measure unknown_measure"]
    );
    let one = json!({ "annotations": [note("n", "travinh", "2021-10", "x")] });
    assert_eq!(
        server.put("annotations?dry_run=true", &one).expect(200)["annotations"],
        one["annotations"]
    );
    assert_eq!(
        (
            server.revision(),
            server.read("targets"),
            server.read("annotations")["annotations"].clone()
        ),
        (revision, before, json!([]))
    );
    server.put("annotations?dry_run=false", &one).expect(200);
    assert_eq!(server.revision(), revision + 1);
}

#[test]
fn an_idempotency_key_replays_the_first_response() {
    let server = Server::start();
    let send = |path: &str, body: &Value| {
        server.send(
            "PUT",
            path,
            &[("content-type", JSON), ("idempotency-key", "k")],
            Some(body.to_string().as_bytes()),
        )
    };
    let target =
        |value: i64| json!({ "targets": [{ "code": "t", "measure": RATE, "value": value }] });
    // A dry run and a refused request do not use up the idempotency key.
    send("targets?dry_run=true", &target(1)).expect(200);
    send("targets", &json!({ "targets": [{ "code": "t", "measure": "x", "value": 1 }] }))
        .problem(422);
    let first = send("targets", &target(1));
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, ""));
    let revision = server.revision();
    targets(&server, &target(2)["targets"]).expect(200);
    let again = send("targets", &target(1));
    assert_eq!(
        (again.status, again.header("idempotent-replayed"), again.text()),
        (200, "true", first.text())
    );
    assert_eq!(server.revision(), revision + 1);
    assert_eq!(in_force(&server, RATE, "travinh", "2021-10"), 2);
    assert_eq!(send("targets", &target(3)).faults(422), ["/Idempotency-Key key_reused"]);
    // Another path is another scope of keys.
    let first =
        send("annotations", &json!({ "annotations": [note("n", "travinh", "2021-10", "x")] }));
    assert_eq!((first.status, first.header("idempotent-replayed")), (200, ""));
    let server = server.restarted();
    let again = server.send(
        "PUT",
        "targets",
        &[("content-type", JSON), ("idempotency-key", "k")],
        Some(target(1).to_string().as_bytes()),
    );
    assert_eq!(again.header("idempotent-replayed"), "true");
}

#[test]
fn every_version_can_be_read_and_the_revisions_name_them() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 100), (SIGNED, "2021-10", 80)]);
    let base = server.revision();
    targets(
        &server,
        &json!([
            { "code": "t", "measure": RATE, "value": 80 },
            { "code": "s", "measure": RATE, "unit": "tv.cdc", "value": 1 },
        ]),
    )
    .expect(200);
    notes(&server, &json!([note("n", "travinh", "2021-10", "first")])).expect(200);
    targets(
        &server,
        &json!([
            { "code": "t", "measure": RATE, "value": 90 },
            { "code": "s", "measure": RATE, "unit": "tv.cdc", "value": 1 },
        ]),
    )
    .expect(200);
    notes(&server, &json!([note("n", "travinh", "2021-10", "second")])).expect(200);
    targets(&server, &json!([{ "code": "t", "value": null }])).expect(200);
    notes(&server, &json!([{ "code": "n", "text": null }])).expect(200);
    assert_eq!(server.revision(), base + 6);
    let expected = [
        (0, None, None),
        (1, Some(80), None),
        (2, Some(80), Some("first")),
        (3, Some(90), Some("first")),
        (4, Some(90), Some("second")),
        (5, None, Some("second")),
        (6, None, None),
    ];
    for (n, target, text) in expected {
        let as_of = format!("as_of={}", base + n);
        let row = server.read(&format!("ranking?measure={RATE}&period=2021-10&{as_of}"))["rows"][0]
            .clone();
        assert_eq!(
            (row["unit"].as_str(), row["target"].as_i64()),
            (Some("travinh"), target),
            "{n}"
        );
        // 80 / 90 = 0.889
        let status = target.map(|target| if target == 80 { "met" } else { "behind" });
        assert_eq!(row["status"].as_str(), status);
        let point =
            server.read(&format!(
                "series?measure={RATE}&unit=travinh&from=2021-10&to=2021-10&{as_of}"
            ))["series"][0]["points"][0]
                .clone();
        assert_eq!(point["annotations"], text.map_or(json!([]), |text| json!([text])), "{n}");
        assert_eq!(
            server.read(&format!("annotations?{as_of}"))["annotations"].as_array().unwrap().len(),
            usize::from(text.is_some())
        );
        assert_eq!(
            codes(&server, &format!("targets?{as_of}")).contains(&"t".to_owned()),
            target.is_some()
        );
    }
    let found = server.read(&format!("revisions?after={base}"));
    let told: Vec<(&str, Value)> = found["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| (revision["kind"].as_str().unwrap(), revision["declarations"].clone()))
        .collect();
    let (t, n) = (json!(["t"]), json!(["n"]));
    assert_eq!(
        told,
        [
            ("targets", json!(["s", "t"])),
            ("annotations", n.clone()),
            ("targets", t.clone()),
            ("annotations", n.clone()),
            ("targets", t),
            ("annotations", n)
        ]
    );
    found["revisions"].as_array().unwrap().iter().for_each(|revision| {
        has(
            revision,
            &json!({ "actor": "anonymous", "submission": null, "units": [], "periods": [] }),
        )
    });
}

#[test]
fn an_entity_tag_from_before_a_change_is_stale() {
    let server = Server::start();
    let paths = [
        "targets".to_owned(),
        "annotations".to_owned(),
        format!("ranking?measure={RATE}&period=2021-10"),
        "scorecard?unit=travinh&period=2021-10".to_owned(),
    ];
    for put in [
        targets(&server, &json!([])),
        targets(&server, &json!([{ "code": "t", "measure": RATE, "value": 1 }])),
        notes(&server, &json!([note("n", "travinh", "2021-10", "x")])),
    ] {
        put.expect(200);
        for path in &paths {
            let reply = server.get(path);
            assert_eq!(
                reply.header("vary"),
                "Accept, Accept-Encoding, Accept-Language, Authorization"
            );
            assert_eq!(
                server.send("GET", path, &[("if-none-match", reply.header("etag"))], None).status,
                304,
                "{path}"
            );
            assert_ne!(
                server
                    .get(&format!("{path}{}format=csv", if path.contains('?') { '&' } else { '?' }))
                    .header("etag"),
                reply.header("etag"),
                "{path}"
            );
        }
    }
    let tag = server.get("targets").header("etag").to_owned();
    targets(&server, &json!([{ "code": "t", "measure": RATE, "value": 2 }])).expect(200);
    assert_eq!(server.send("GET", "targets", &[("if-none-match", &tag)], None).status, 200);
}

#[test]
fn declarations_are_found_by_measure_unit_and_months_and_page_by_page() {
    let server = Server::start();
    let target = |code: &str, measure: &str, unit: Value, from: Value, to: Value| {
        json!({
            "code": code, "measure": measure, "unit": unit, "from": from, "to": to, "value": 1,
        })
    };
    let list = json!([
        target("a", RATE, Value::Null, Value::Null, Value::Null),
        target("b", RATE, json!("travinh"), json!("2021-03"), json!("2021-05")),
        target(
            "c",
            "igate.dossiers.online_rate{service_level=4}",
            json!("tv.dost.metrology_centre"),
            json!("2021-05"),
            Value::Null
        ),
        target("d", CLEARANCE, json!("bentre"), Value::Null, json!("2021-04")),
    ]);
    targets(&server, &list).expect(200);
    let texts = json!([
        note("a", "travinh", "2021-03", "x"),
        {
            "code": "b", "measure": RATE, "unit": "tv.dost", "from": "2021-04", "to": "2021-06",
            "text": "x",
        },
        {
            "code": "c", "measure": "igate.dossiers.online_rate{service_level=4}", "unit": "bentre",
            "from": "2021-05", "text": "x",
        },
    ]);
    notes(&server, &texts).expect(200);
    let found = |path: &str, parameters: &[(&str, &str)]| {
        let all = codes(&server, &format!("{path}?{}", query(parameters)));
        all.into_iter().filter(|code| code.len() == 1).collect::<String>()
    };
    assert_eq!(found("targets", &[]), "abcd");
    assert_eq!(found("targets", &[("measure", RATE)]), "ab");
    assert_eq!(
        found("targets", &[("measure", "igate.dossiers.online_rate{ service_level=4 }")]),
        "c"
    );
    assert_eq!(found("targets", &[("unit", "travinh")]), "bc");
    assert_eq!(found("targets", &[("unit", "tv.dost")]), "c");
    assert_eq!(found("targets", &[("from", "2021-06")]), "ac");
    assert_eq!(found("targets", &[("to", "2021-02")]), "ad");
    assert_eq!(found("targets", &[("from", "2021-05"), ("to", "2021-05")]), "abc");
    assert_eq!(found("annotations", &[]), "abc");
    assert_eq!(found("annotations", &[("unit", "travinh")]), "ab");
    assert_eq!(found("annotations", &[("measure", RATE)]), "b");
    assert_eq!(found("annotations", &[("from", "2021-04")]), "bc");
    assert_eq!(found("annotations", &[("to", "2021-04")]), "ab");
    server.get("targets?unit=nowhere").problem(404);
    server.get("annotations?unit=nowhere").problem(404);
    assert_eq!(
        server.get("targets?from=2021&to=x&limit=0&colour=red").faults(422),
        ["/colour unknown_parameter", "/from malformed", "/limit out_of_range", "/to malformed"]
    );
    let all = server.read("targets")["targets"].clone();
    let (mut path, mut pages) = ("targets?limit=3".to_owned(), Vec::new());
    loop {
        let reply = server.get(&path);
        pages.extend(reply.expect(200)["targets"].as_array().unwrap().iter().cloned());
        let Some(next) = reply.next_link() else { break };
        path = next;
    }
    assert_eq!(json!(pages), all);
}

#[test]
fn an_annotation_is_listed_at_the_points_of_its_measure_unit_and_months() {
    let server = Server::start();
    server.put_units(&json!([{ "code": "p" }, { "code": "p.a", "parent": "p" }]));
    let texts = json!([
        { "code": "z", "unit": "p", "from": "2021-09", "to": "2021-10", "text": "everything" },
        { "code": "y", "measure": RECEIVED, "unit": "p", "from": "2021-10", "text": "received" },
        {
            "code": "x", "measure": "igate.dossiers.received{channel=online}", "unit": "p",
            "from": "2021-10", "text": "online",
        },
        {
            "code": "w", "measure": "igate.dossiers.online_rate", "unit": "p", "from": "2021-10",
            "to": "2021-11", "text": "rate",
        },
    ]);
    notes(&server, &texts).expect(200);
    let beside = |measure: &str, unit: &str, from: &str, to: &str| -> Vec<Value> {
        server
            .points(measure, unit, from, to)
            .iter()
            .map(|point| point["annotations"].clone())
            .collect()
    };
    assert_eq!(
        beside(OUTGOING, "p", "2021-08", "2021-11"),
        [json!([]), json!(["everything"]), json!(["everything"]), json!([])]
    );
    // Annotations of a unit are ordered by first month and code.
    assert_eq!(
        beside(RECEIVED, "p", "2021-10", "2021-11"),
        [json!(["everything", "received"]), json!([])]
    );
    assert_eq!(
        beside(
            "igate.dossiers.received{service_level=4,channel=online}",
            "p",
            "2021-10",
            "2021-10"
        ),
        [json!(["everything", "online", "received"])]
    );
    assert_eq!(
        beside("igate.dossiers.received{channel=in_person}", "p", "2021-10", "2021-10"),
        [json!(["everything", "received"])]
    );
    assert_eq!(
        beside("igate.dossiers.online_rate", "p", "2021-10", "2021-11"),
        [json!(["everything", "rate"]), json!(["rate"])]
    );
    assert_eq!(
        beside("igate.dossiers.online_rate{service_level=4}", "p", "2021-11", "2021-11"),
        [json!(["rate"])]
    );
    assert_eq!(
        beside(OUTGOING, "p.a", "2021-09", "2021-10"),
        [json!([]), json!([])],
        "not beside those of the units below"
    );
    // A wider period has the annotations of its months.
    assert_eq!(
        beside(OUTGOING, "p", "2021-Q3", "2021-Q4"),
        [json!(["everything"]), json!(["everything"])]
    );
    assert_eq!(
        beside("igate.dossiers.online_rate", "p", "2021-H1", "2021-H2"),
        [json!([]), json!(["everything", "rate"])]
    );
    let rows = server
        .read(&format!("series?measure={RECEIVED}&unit=p&from=2021-10&to=2021-10&layout=rows"));
    assert_eq!(rows["rows"][0]["annotations"], json!(["everything", "received"]));
    let csv = server
        .get(&format!("series?measure={RECEIVED}&unit=p&from=2021-10&to=2021-10&format=csv"))
        .text();
    assert!(csv.trim_end().ends_with(",everything; received"), "{csv}");
}

#[test]
fn tables_are_safe_against_formulas() {
    let server = Server::start();
    targets(
        &server,
        &json!([{
            "code": "t", "measure": RATE, "unit": "travinh", "from": "2021-01", "value": "-1.50",
            "source": { "vi": "=1+1", "en": "+1" },
        }]),
    )
    .expect(200);
    notes(&server, &json!([note("n", "travinh", "2021-10", "@SUM(A1), \"x\"\nand more")]))
        .expect(200);
    for reply in [
        server.get("targets?unit=travinh&measure=ioffice.documents.signed_rate&format=csv"),
        server.send("GET", "targets?limit=1", &[("accept", "text/csv")], None),
    ] {
        let body = reply.text();
        let mut table = csv::Reader::from_reader(body.as_bytes());
        assert_eq!(
            table.headers().unwrap(),
            vec![
                "code",
                "measure",
                "unit",
                "from",
                "to",
                "value",
                "source_vi",
                "source_en",
                "note_vi",
                "note_en",
                "set_in"
            ]
        );
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(
            rows,
            [vec!["t", RATE, "travinh", "2021-01", "", "-1.50", "'=1+1", "'+1", "", "", "targets"]],
            "a number below zero is no formula"
        );
    }
    let body = server.get("annotations?format=csv").text();
    let mut table = csv::Reader::from_reader(body.as_bytes());
    assert_eq!(table.headers().unwrap(), vec!["code", "measure", "unit", "from", "to", "text"]);
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(
        rows,
        [vec!["n", "", "travinh", "2021-10", "2021-10", "'@SUM(A1), \"x\"\nand more"]]
    );
}

#[test]
fn declarations_survive_a_restart_and_are_in_the_chain_and_the_archive() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 100), (SIGNED, "2021-10", 80)]);
    targets(
        &server,
        &json!([
            { "code": "t", "measure": RATE, "value": 80 },
            { "code": "igate.clearance_rate_100", "measure": CLEARANCE, "value": 50 },
        ]),
    )
    .expect(200);
    targets(&server, &json!([{ "code": "t", "value": null }])).expect(200);
    targets(
        &server,
        &json!([{
            "code": "t", "measure": RATE, "value": "85.50", "note": { "vi": "\"Ghi chú\",\r\n=1" },
        }]),
    )
    .expect(200);
    notes(
        &server,
        &json!([
            note("n", "travinh", "2021-10", "Mất điện,\n\"hai\" ngày"),
            note("m", "travinh", "2021-10", "x")
        ]),
    )
    .expect(200);
    notes(&server, &json!([{ "code": "m", "text": null }])).expect(200);
    let paths = [
        "targets",
        "annotations",
        "targets?as_of=3",
        "scorecard?unit=travinh&period=2021-10",
        "revisions",
        "ledger?digest=true",
    ];
    let before = paths.map(|path| server.read(path));
    let server = server.restarted();
    assert_eq!(paths.map(|path| server.read(path)), before);
    let told = run(&["verify", "--database", &server.address()]).expect(0);
    assert!(told.ends_with("no errors found\n"), "{told}");
    let archive = server.folder().join("ledger.zip");
    let archive = archive.to_str().unwrap();
    run(&["export", archive, "--database", &server.address()]).expect(0);
    let copy = format!("sqlite://{}", server.folder().join("copy.db").display());
    run(&["import", archive, "--database", &copy]).expect(0);
    run(&["verify", "--database", &copy]).expect(0);
    let other = crate::harness::Served::start(&copy);
    assert_eq!(paths.map(|path| other.api.read(path)), before);
}

#[test]
fn two_instances_see_each_others_declarations() {
    let server = Server::start();
    let other = Other::beside(&server);
    for round in 0..5 {
        let one = targets(
            &server,
            &json!([{ "code": format!("one{round}"), "measure": RATE, "value": round }]),
        )
        .expect(200);
        // The other server may not have seen it yet and still keeps it.
        let two = notes(&other, &json!([note(&format!("two{round}"), "travinh", "2021-10", "x")]))
            .expect(200);
        let three = targets(
            &other,
            &json!([{
                "code": format!("three{round}"), "measure": RATE, "unit": "travinh", "value": round,
            }]),
        )
        .expect(200);
        assert_eq!(
            (two["revision"].as_i64(), three["revision"].as_i64()),
            (one["revision"].as_i64().map(|n| n + 1), one["revision"].as_i64().map(|n| n + 2))
        );
        let read = server.read(&format!("targets?min_revision={}", three["revision"]));
        assert_eq!(read["revision"], three["revision"]);
        assert_eq!(
            in_force(&server, RATE, "travinh", "2021-10"),
            0,
            "the unit's own, the first of equal ones by its code"
        );
        assert_eq!(codes(&server, "annotations").len(), round + 1);
    }
    let last = server.revision();
    for path in ["targets", "annotations"] {
        assert_eq!(other.read(&format!("{path}?min_revision={last}")), server.read(path));
    }
    // After the removal here it is gone there, and a second removal is an error.
    targets(&server, &json!([{ "code": "one0", "value": null }])).expect(200);
    assert_eq!(
        targets(&other, &json!([{ "code": "one0", "value": null }])).faults(422),
        ["/targets/0/code unknown_code"]
    );
    assert_eq!(
        codes(&server, "targets")
            .iter()
            .filter(|code| code.starts_with("one") || code.starts_with("three"))
            .count(),
        9
    );
}

#[test]
fn a_measure_is_recognised_in_every_notation() {
    let server = Server::start();
    let measure = "igate.dossiers.received{ service_level = 4 , channel = online }";
    notes(
        &server,
        &json!([{
            "code": "n", "measure": measure, "unit": "travinh", "from": "2021-10", "text": "x",
        }]),
    )
    .expect(200);
    for written in [measure, "igate.dossiers.received{channel=online,service_level=4}"] {
        assert_eq!(codes(&server, &format!("annotations?measure={}", encoded(written))), ["n"]);
    }
    assert_eq!(
        server.point(
            "igate.dossiers.received{channel=online,service_level=4}",
            "travinh",
            "2021-10"
        )["annotations"],
        json!(["x"])
    );
}

#[test]
fn a_catalogue_that_would_orphan_a_target_or_a_note_is_refused() {
    let server = Server::start();
    targets(
        &server,
        &json!([{ "code": "t", "measure": CLEARANCE, "unit": "travinh", "value": 90 }]),
    )
    .expect(200);
    notes(&server, &json!([{
        "code": "n", "measure": CLEARANCE, "unit": "travinh", "from": "2021-10", "text": "moved",
    }])).expect(200);
    let mut catalogue = server.read("catalogue");
    for section in ["kpis", "targets"] {
        catalogue[section]
            .as_array_mut()
            .unwrap()
            .retain(|entry| entry["code"] != CLEARANCE && entry["measure"] != CLEARANCE);
    }
    assert_eq!(
        server.put("catalogue", &catalogue).faults(409),
        [" orphaned_declaration", " orphaned_declaration"]
    );
    targets(&server, &json!([{ "code": "t", "value": null }])).expect(200);
    notes(&server, &json!([{ "code": "n", "text": null }])).expect(200);
    server.put("catalogue", &catalogue).expect(200);
}

#[test]
fn filtering_by_an_undeclared_measure_is_an_error() {
    let server = Server::start();
    assert_eq!(server.get("targets?measure=no.such").faults(422), ["/measure unknown_measure"]);
    assert_eq!(server.get("annotations?measure=%7B%7B").faults(422), ["/measure malformed"]);
}

#[test]
fn malformed_entries_do_not_hide_errors_of_other_entries() {
    let server = Server::start();
    let body = json!([
        { "code": "a", "measure": "no.such", "unit": "nowhere", "value": "x" },
        { "code": "b", "measure": CLEARANCE },
        { "code": "a", "measure": CLEARANCE, "value": 1 },
    ]);
    let found = targets(&server, &body).faults(422);
    let expected = [
        "/targets/0/measure unknown_measure",
        "/targets/0/unit unknown_unit",
        "/targets/0/value malformed_number",
        "/targets/1 malformed",
        "/targets/2/code duplicate",
    ];
    assert_eq!(found, expected);
}
