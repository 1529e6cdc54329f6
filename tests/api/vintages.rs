//! `GET /vintages`: figures that were revised after their first release, by size.

use serde_json::{Value, json};

use crate::harness::{Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";

/// Two communes with corrected figures of January, one of them corrected twice.
fn corrected() -> (Server, Vec<Value>) {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p" }, { "code": "p.a", "parent": "p" }, { "code": "p.b", "parent": "p" },
    ]));
    let receipts = vec![
        server.record("p.a", &[(OUTGOING, "2021-01", 100), (SIGNED, "2021-01", 50)]),
        server.record("p.b", &[(OUTGOING, "2021-01", 10), (SIGNED, "2021-01", 0)]),
        // 100 -> 110, then -> 90; 10 -> 15; 0 -> 4; SIGNED of p.a stays
        server.record("p.a", &[(OUTGOING, "2021-01", 110), (OUTGOING, "2021-02", 7)]),
        server.record("p.a", &[(OUTGOING, "2021-01", 90), (SIGNED, "2021-01", 50)]),
        server.record("p.b", &[(OUTGOING, "2021-01", 15), (SIGNED, "2021-01", 4)]),
    ];
    (server, receipts)
}

/// Unit, measure and size of the figures of a response.
#[track_caller]
fn sizes(server: &Server, query: &str) -> Vec<(String, String, Value)> {
    let found = server.read(&format!("vintages?{query}"));
    let row = |row: &Value| {
        let text = |field: &str| row[field].as_str().unwrap().to_owned();
        (text("unit"), text("measure"), row["revised_percent"].clone())
    };
    found["figures"].as_array().unwrap().iter().map(row).collect()
}

fn row(unit: &str, measure: &str, percent: impl Into<Value>) -> (String, String, Value) {
    (unit.to_owned(), measure.to_owned(), percent.into())
}

#[test]
fn the_largest_revision_comes_first_and_is_measured_from_the_first_release() {
    let (server, receipts) = corrected();
    let all =
        [row("p.b", SIGNED, Value::Null), row("p.b", OUTGOING, 50), row("p.a", OUTGOING, -10)];
    assert_eq!(sizes(&server, "unit=p"), all);
    assert_eq!(sizes(&server, "unit=p.a"), all[2..]);
    assert_eq!(sizes(&server, &format!("unit=p&measure={OUTGOING}")), all[1..]);
    assert_eq!(sizes(&server, "unit=p&from=2021-02"), []);
    let found = server.read("vintages?unit=p.a");
    has(
        &found["figures"][0],
        &json!({ "period": "2021-01", "first_value": 100, "value": 90, "revised_by": -10,
                 "first_revision": receipts[0]["revision"], "revision": receipts[3]["revision"],
                 "first_recorded_at": receipts[0]["recorded_at"],
                 "recorded_at": receipts[3]["recorded_at"] }),
    );
    // As it was after the first correction
    let before = receipts[2]["revision"].to_string();
    assert_eq!(sizes(&server, &format!("unit=p&as_of={before}")), [row("p.a", OUTGOING, 10)]);
}

#[test]
fn a_withdrawn_figure_is_released_again_and_one_that_did_not_apply_has_no_size() {
    let (server, _) = corrected();
    server
        .post(&json!({ "observations": [figure(OUTGOING, "p.b", "2021-01", Value::Null)] }))
        .expect(201);
    assert_eq!(sizes(&server, &format!("unit=p.b&measure={OUTGOING}")), []);
    server.record("p.b", &[(OUTGOING, "2021-01", 20)]);
    assert_eq!(sizes(&server, &format!("unit=p.b&measure={OUTGOING}")), []);
    server.record("p.b", &[(OUTGOING, "2021-01", 25)]);
    assert_eq!(sizes(&server, &format!("unit=p.b&measure={OUTGOING}")), [row("p.b", OUTGOING, 25)]);
    server
        .post(&json!({ "observations": [figure(OUTGOING, "p.b", "2021-03", "n/a")] }))
        .expect(201);
    server.record("p.b", &[(OUTGOING, "2021-03", 3)]);
    let found = server.read("vintages?unit=p.b&from=2021-03");
    has(
        &found["figures"][0],
        &json!({ "first_value": "n/a", "value": 3, "revised_by": null, "revised_percent": null }),
    );
}

#[test]
fn revised_figures_by_pages_as_a_table_and_with_errors() {
    let (server, _) = corrected();
    let first = server.read("vintages?unit=p&limit=2");
    assert_eq!(first["figures"].as_array().unwrap().len(), 2);
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(
        sizes(&server, &format!("unit=p&limit=2&cursor={cursor}")),
        [row("p.a", OUTGOING, -10)]
    );
    let csv = server.get("vintages?unit=p.a&format=csv").text();
    let header = "measure,unit,period,first_value,first_revision,first_recorded_at,value,revision,\
                  recorded_at,revised_by,revised_percent";
    assert_eq!(csv.lines().next(), Some(header));
    assert_eq!(server.get("vintages?unit=nowhere").status, 404);
    for (query, expected) in [
        ("measure=none", "/measure unknown_measure"),
        ("measure=ioffice.documents.signed_rate", "/measure not_an_indicator"),
        ("limit=0", "/limit out_of_range"),
    ] {
        assert_eq!(server.get(&format!("vintages?{query}")).faults(422), [expected], "{query}");
    }
}
