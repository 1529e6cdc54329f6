//! Units: declaring, replacing and reading them.

use serde_json::{Value, json};

use crate::harness::{Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";

fn codes(page: &Value) -> Vec<String> {
    page["units"]
        .as_array()
        .unwrap()
        .iter()
        .map(|unit| unit["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn units_may_be_put_in_any_order_and_can_be_used_at_once() {
    let server = Server::start();
    let before = codes(&server.read("units")).len();
    let revision = server.revision();
    let answer = server.put_units(&json!([
        { "code": "p.a.x", "parent": "p.a" },
        { "code": "p.a", "parent": "p" },
        { "code": "p", "kind": "province" },
    ]));
    assert_eq!(codes(&answer), ["p.a.x", "p.a", "p"]);
    assert_eq!(answer["revision"], revision + 1);
    let all = codes(&server.read("units"));
    assert_eq!(all.len(), before + 3, "others are left alone");
    let place = |code: &str| all.iter().position(|known| known == code).unwrap();
    assert!(
        place("p") < place("p.a") && place("p.a") < place("p.a.x"),
        "parents come first: {all:?}"
    );
    assert_eq!(server.record("p.a.x", &[(OUTGOING, "2021-10", 5)])["revision"], revision + 2);
    has(
        &server.point(OUTGOING, "p", "2021-10"),
        &json!({ "value": 5, "origin": "rolled_up", "coverage": 1.0 }),
    );
}

#[test]
fn a_unit_is_answered_whole_with_its_defaults() {
    let server = Server::start();
    let full = json!({
        "code": "full", "kind": "commune", "name": { "vi": "Xã", "en": "Commune" },
        "parent": "travinh", "valid_from": "2020-01-01", "valid_to": "2021-12-31",
        "successors": ["vinhlong-2025"],
        "official_codes": [{
            "code": "29236", "scheme": "gso", "valid_from": "2020-01-01", "valid_to": null,
        }],
    });
    server.put_units(&json!([full, { "code": "bare" }]));
    let page = server.read("units?code=full&code=bare");
    let bare = json!({
        "code": "bare", "kind": "agency", "name": { "vi": "", "en": "" }, "parent": null,
        "valid_from": null, "valid_to": null, "successors": [], "official_codes": [],
    });
    assert_eq!(page["units"], json!([bare, full]));
    // Replaced whole: an absent field takes its default.
    server.put_units(&json!([{ "code": "full", "parent": "travinh" }]));
    has(
        &server.read("units?code=full")["units"][0],
        &json!({
            "kind": "agency", "name": { "vi": "", "en": "" }, "valid_to": null, "successors": [],
            "official_codes": [],
        }),
    );
}

#[test]
fn putting_back_a_get_response_changes_nothing() {
    let server = Server::start();
    let page = server.read("units");
    has(
        &page["units"]
            .as_array()
            .unwrap()
            .iter()
            .find(|unit| unit["code"] == "travinh")
            .unwrap()
            .clone(),
        &json!({
            "kind": "province", "name": { "vi": "Trà Vinh", "en": "Tra Vinh" }, "parent": null,
            "valid_from": null, "valid_to": "2025-06-30", "successors": ["vinhlong-2025"],
        }),
    );
    let answer = server.put("units", &page).expect(200);
    assert_eq!(
        (&answer["revision"], answer["units"].as_array().unwrap().len()),
        (&page["revision"], page["units"].as_array().unwrap().len())
    );
    assert_eq!(server.read("units"), page);
}

#[test]
fn every_fault_of_units_is_named_at_once() {
    let server = Server::start();
    let revision = server.revision();
    let body = json!({ "units": [
        { "code": "Not A Code" },
        { "code": "orphan", "parent": "nowhere" },
        { "code": "back", "valid_from": "2021-02-01", "valid_to": "2021-01-31" },
        { "code": "twice" }, { "code": "twice" },
        { "code": "goes-on", "valid_to": "2021-01-31", "successors": ["nobody"] },
    ] });
    let expected = [
        "/units/0/code malformed_code",
        "/units/1/parent unknown_unit",
        "/units/2/valid_to dates_reversed",
        "/units/4/code duplicate",
        "/units/5/successors/0 unknown_unit",
    ];
    assert_eq!(server.put("units", &body).faults(422), expected);
    let malformed = json!({
        "units": [
            { "code": 7 },
            { "kind": "province" },
            { "code": "a", "kind": "kingdom" },
            { "code": "b", "colour": "red" },
            { "code": "c", "valid_from": "2021-02-30" },
            3,
        ],
        "more": 1,
    });
    let found = server.put("units", &malformed).faults(422);
    assert_eq!(found.len(), 7, "{found:?}");
    for (n, place) in
        ["/more", "/units/0", "/units/1", "/units/2", "/units/3", "/units/4", "/units/5"]
            .iter()
            .enumerate()
    {
        assert!(found[n].starts_with(place), "{found:?}");
    }
    assert_eq!(server.put("units", &json!({})).faults(422), ["/units missing"]);
    assert_eq!(server.put("units", &json!({ "units": {} })).faults(422).len(), 1);
    assert_eq!(server.revision(), revision);
}

#[test]
fn a_cycle_of_units_is_refused() {
    let server = Server::start();
    let body = json!({ "units": [
        { "code": "a", "parent": "c" },
        { "code": "b", "parent": "a" },
        { "code": "c", "parent": "b" },
        { "code": "alone" },
    ] });
    assert_eq!(
        server.put("units", &body).faults(422),
        ["/units/0/parent circle", "/units/1/parent circle", "/units/2/parent circle"]
    );
    assert_eq!(
        server
            .put("units", &json!({ "units": [{ "code": "self", "parent": "self" }] }))
            .faults(422),
        ["/units/0/parent circle"]
    );
    server.get("units?code=alone").problem(404);
}

#[test]
fn a_change_of_parent_is_a_conflict_that_lists_each() {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p" },
        { "code": "q" },
        { "code": "p.a", "parent": "p" },
        { "code": "p.b", "parent": "p" },
    ]));
    let revision = server.revision();
    let body = json!({ "units": [
        { "code": "p.a", "parent": "q" },
        { "code": "p.b", "parent": null },
        { "code": "q", "parent": "p" },
        { "code": "p" },
    ] });
    let reply = server.put("units", &body);
    assert_eq!(
        reply.faults(409),
        [
            "/units/0/parent parent_changed",
            "/units/1/parent parent_changed",
            "/units/2/parent parent_changed"
        ]
    );
    assert_eq!(server.revision(), revision);
    assert_eq!(codes(&server.read("units?parent=p")), ["p.a", "p.b"]);
    // An absent parent takes its default, which differs.
    assert_eq!(
        server.put("units", &json!({ "units": [{ "code": "p.a" }] })).faults(409),
        ["/units/0/parent parent_changed"]
    );
}

#[test]
fn a_validity_that_would_leave_figures_outside_is_a_conflict() {
    let server = Server::start();
    server.put_units(&json!([{ "code": "u" }, { "code": "v" }]));
    server.record("u", &[(OUTGOING, "2021-03", 1), (OUTGOING, "2021-10", 2)]);
    server.record("v", &[("ioffice.documents.signed_rate", "2021-10", 78)]);
    let revision = server.revision();
    for (from, to) in
        [("2021-04-01", "2021-12-31"), ("2021-01-01", "2021-10-30"), ("2022-01-01", "2022-12-31")]
    {
        let body = json!({ "units": [
            { "code": "v", "valid_from": "2021-10-31" },
            { "code": "u", "valid_from": from, "valid_to": to },
        ] });
        let reply = server.put("units", &body);
        assert_eq!(reply.faults(409), ["/units/1 figures_outside"], "{from} to {to}");
    }
    // A stated rate counts as a figure as well.
    assert_eq!(
        server
            .put("units", &json!({ "units": [{ "code": "v", "valid_to": "2021-10-30" }] }))
            .faults(409),
        ["/units/0 figures_outside"]
    );
    assert_eq!(server.revision(), revision);
    server
        .put_units(&json!([{ "code": "u", "valid_from": "2021-03-31", "valid_to": "2021-10-31" }]));
    assert_eq!(server.revision(), revision + 1);
    // A withdrawn figure does not prevent the change.
    server
        .post(&json!({ "observations": [figure(OUTGOING, "u", "2021-10", Value::Null)] }))
        .expect(201);
    server
        .put_units(&json!([{ "code": "u", "valid_from": "2021-03-31", "valid_to": "2021-03-31" }]));
    has(&server.point(OUTGOING, "u", "2021-03"), &json!({ "value": 1 }));
}

#[test]
fn figures_keep_their_units_when_units_are_inserted_before_them() {
    let server = Server::start();
    server.put_units(&json!([{ "code": "m" }, { "code": "m.m", "parent": "m" }, { "code": "n" }]));
    server.record("m.m", &[(OUTGOING, "2021-10", 1)]);
    server
        .record("n", &[(OUTGOING, "2021-10", 2), ("ioffice.documents.signed_rate", "2021-10", 50)]);
    server.put_units(&json!([
        { "code": "a" },
        { "code": "a.a", "parent": "a" },
        { "code": "m.a", "parent": "m" },
        { "code": "mm" },
    ]));
    let check = |server: &Server| {
        has(&server.point(OUTGOING, "m.m", "2021-10"), &json!({ "value": 1 }));
        has(&server.point(OUTGOING, "m", "2021-10"), &json!({ "value": 1, "coverage": 0.5 }));
        has(&server.point(OUTGOING, "n", "2021-10"), &json!({ "value": 2 }));
        has(
            &server.point("ioffice.documents.signed_rate", "n", "2021-10"),
            &json!({ "stated": 50 }),
        );
        for empty in ["a", "a.a", "m.a", "mm"] {
            has(
                &server.point(OUTGOING, empty, "2021-10"),
                &json!({ "value": null, "coverage": 0.0 }),
            );
        }
        assert_eq!(server.observations("unit=n").len(), 2);
    };
    check(&server);
    check(&server.restarted());
}

#[test]
fn a_dry_run_of_units_checks_and_changes_nothing() {
    let server = Server::start();
    let (revision, all) = (server.revision(), server.read("units"));
    let body = json!({ "units": [{ "code": "p" }, { "code": "p.a", "parent": "p" }] });
    let dry = server.put("units?dry_run=true", &body).expect(200);
    assert_eq!(dry["units"].as_array().unwrap().len(), 2);
    assert_eq!(server.revision(), revision);
    assert_eq!(server.read("units"), all);
    assert_eq!(
        server
            .put("units?dry_run=true", &json!({ "units": [{ "code": "p", "parent": "x" }] }))
            .faults(422),
        ["/units/0/parent unknown_unit"]
    );
    assert_eq!(
        server
            .put(
                "units?dry_run=true",
                &json!({ "units": [{
            "code": "travinh", "parent": "bentre", "valid_to": "2025-06-30",
        }] })
            )
            .faults(409)
            .len(),
        1
    );
}

#[test]
fn units_are_read_in_pages_by_code_and_by_parent_and_as_a_table() {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p", "name": { "vi": "=1+1", "en": "Comma, \"quoted\"" } },
        { "code": "p.b", "parent": "p" },
        { "code": "p.a", "parent": "p" },
        { "code": "p.a.x", "parent": "p.a" },
    ]));
    assert_eq!(codes(&server.read("units?parent=p")), ["p.a", "p.b"]);
    assert_eq!(codes(&server.read("units?code=p.b&code=p")), ["p", "p.b"]);
    server.get("units?parent=nowhere").problem(404);
    server.get("units?code=p&code=nowhere").problem(404);
    let whole = codes(&server.read("units"));
    let (mut paged, mut next) = (Vec::new(), Some("/api/v1/units?limit=4".to_owned()));
    while let Some(address) = next {
        let reply = server.get(&address);
        next = reply.next_link();
        paged.extend(codes(&reply.expect(200)));
    }
    assert_eq!(paged, whole);
    let body = server.get("units?format=csv&code=p&code=p.a").text();
    let mut table = csv::Reader::from_reader(body.as_bytes());
    let rows: Vec<Vec<String>> =
        table.records().map(|row| row.unwrap().iter().map(ToOwned::to_owned).collect()).collect();
    assert_eq!(rows[0], ["p", "agency", "'=1+1", "Comma, \"quoted\"", "", "", "", "", "", "", ""]);
    assert_eq!(rows[1][4], "p");
}

#[test]
fn units_must_be_json_or_a_table() {
    let server = Server::start();
    server.send("PUT", "units", &[("content-type", "text/plain")], Some(b"code\nx\n")).problem(415);
    server.send("PUT", "units", &[("content-type", "application/json")], Some(b"{")).problem(400);
    server.send("PUT", "catalogue", &[("content-type", "text/plain")], Some(b"{}")).problem(415);
    server
        .send("PUT", "catalogue", &[("content-type", "application/json")], Some(b"\xFF"))
        .problem(400);
    for (method, path) in [
        ("POST", "units"),
        ("DELETE", "units"),
        ("PUT", "observations"),
        ("POST", "series"),
        ("PATCH", "catalogue"),
    ] {
        server.send(method, path, &[], None).problem(405);
    }
}
