//! Figures read as they were recorded.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Server, figure, has, query};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RECEIVED: &str = "igate.dossiers.received";

/// Two submissions and a correction: 6 current figures, 7 recorded ones.
fn filled() -> (Server, Value, Value) {
    let server = Server::start();
    let received = |members: Value, value: i64| {
        json!({
            "indicator": RECEIVED, "unit": "travinh", "period": "2021-10", "value": value,
            "dimensions": members,
        })
    };
    let first = json!({ "observations": [
        figure(OUTGOING, "travinh", "2021-09", 90),
        figure(OUTGOING, "travinh", "2021-10", 100),
        figure(OUTGOING, "tv.cdc", "2021-10", 7),
        received(json!({ "channel": "online", "service_level": "4" }), 5),
        received(json!({ "channel": "online" }), 6),
    ] });
    let first = server.post(&first).expect(201);
    let second = json!({
        "reason": "recount",
        "observations": [
            figure(OUTGOING, "travinh", "2021-10", 101),
            figure(SIGNED, "travinh", "2021-10", 50),
        ],
    });
    let second = server.post(&second).expect(201);
    (server, first, second)
}

fn values(found: &[Value]) -> Vec<i64> {
    let mut values: Vec<i64> =
        found.iter().map(|figure| figure["value"].as_i64().unwrap()).collect();
    values.sort_unstable();
    values
}

#[test]
fn figures_are_chosen_by_indicator_unit_month_and_submission() {
    let (server, first, second) = filled();
    let chosen = |parameters: &[(&str, &str)]| values(&server.observations(&query(parameters)));
    assert_eq!(chosen(&[]), [5, 6, 7, 50, 90, 101]);
    assert_eq!(chosen(&[("indicator", OUTGOING)]), [7, 90, 101]);
    assert_eq!(chosen(&[("indicator", RECEIVED)]), [5, 6]); // every split of it
    assert_eq!(chosen(&[("indicator", "igate.dossiers.received{service_level=4}")]), [5]);
    assert_eq!(
        chosen(&[("indicator", "igate.dossiers.received{service_level=4, channel=online}")]),
        [5]
    );
    assert_eq!(chosen(&[("indicator", "igate.dossiers.received{channel=in_person}")]), [0; 0]);
    assert_eq!(chosen(&[("unit", "travinh")]), [5, 6, 50, 90, 101]); // not those below it
    assert_eq!(chosen(&[("unit", "tv.cdc")]), [7]);
    assert_eq!(chosen(&[("to", "2021-09")]), [90]);
    assert_eq!(
        chosen(&[
            ("from", "2021-10"),
            ("to", "2021-10"),
            ("unit", "travinh"),
            ("indicator", OUTGOING)
        ]),
        [101]
    );
    // What still stands
    assert_eq!(chosen(&[("submission", first["submission"].as_str().unwrap())]), [5, 6, 7, 90]);
    assert_eq!(chosen(&[("submission", second["submission"].as_str().unwrap())]), [50, 101]);
}

#[test]
fn a_figure_is_returned_with_all_its_fields() {
    let (server, _, second) = filled();
    let page = server.read("observations?indicator=ioffice.documents.signed");
    assert_eq!(page["revision"], second["revision"]);
    assert_eq!(page["next_cursor"], Value::Null);
    let found = &page["observations"][0];
    has(
        found,
        &json!({
            "submission": second["submission"], "revision": second["revision"],
            "recorded_at": second["recorded_at"], "reason": "recount",
        }),
    );
    has(
        found,
        &json!({
            "indicator": SIGNED, "dimensions": {}, "unit": "travinh", "period": "2021-10",
            "value": 50,
        }),
    );
    let split =
        server.read("observations?indicator=igate.dossiers.received%7Bservice_level%3D4%7D");
    has(
        &split["observations"][0],
        &json!({ "dimensions": { "channel": "online", "service_level": "4" } }),
    );
}

#[test]
fn history_gives_every_revision_of_a_figure() {
    let (server, _, _) = filled();
    server
        .post(&json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", Value::Null)] }))
        .expect(201);
    let told: Vec<Value> = server
        .observations("history=true&indicator=ioffice.documents.outgoing&unit=travinh&from=2021-10")
        .iter()
        .map(|figure| figure["value"].clone())
        .collect();
    assert_eq!(told, [json!(100), json!(101), Value::Null]);
    assert_eq!(server.observations("history=true").len(), 8);
    assert_eq!(server.observations("history=false").len(), 5);
}

#[test]
fn an_unknown_measure_or_unit_is_an_error() {
    let (server, _, _) = filled();
    server.get("observations?unit=nowhere").problem(404);
    server.get("observations?submission=01JB0000000000000000000000").problem(404);
    server.get("nothing").problem(404);
    server.get("observations?indicator=no.such").faults(422);
    assert_eq!(server.get("observations?indicator=%7B").faults(422), ["/indicator malformed"]);
    let faults = [
        "/colour unknown_parameter",
        "/cursor malformed",
        "/from malformed",
        "/history malformed",
        "/limit out_of_range",
    ];
    assert_eq!(
        server.get("observations?from=2021&history=yes&limit=0&cursor=%3B&colour=red").faults(422),
        faults
    );
    for limit in ["1", "1000", "10000"] {
        server.read(&format!("observations?limit={limit}"));
    }
    assert_eq!(server.get("observations?limit=10001").faults(422), ["/limit out_of_range"]);
    assert_eq!(server.get("observations?limit=1&limit=2").faults(422), ["/limit duplicate"]);
}

#[test]
fn cursor_pages_equal_the_whole_list_during_writes() {
    let server = Server::start();
    for year in 2018..=2020 {
        let figures: Vec<(&str, String, i64)> = (1..=12)
            .map(|month| (OUTGOING, format!("{year}-{month:02}"), i64::from(year * 100 + month)))
            .collect();
        let figures: Vec<(&str, &str, i64)> = figures
            .iter()
            .map(|(indicator, month, value)| (*indicator, month.as_str(), *value))
            .collect();
        server.record("travinh", &figures);
    }
    let whole = server.read("observations?limit=1000")["observations"].as_array().unwrap().clone();
    assert_eq!(whole.len(), 36);
    let (mut paged, mut cursor, mut posts) = (Vec::new(), String::new(), 0);
    loop {
        let page = server.read(&format!("observations?limit=5{cursor}"));
        let figures = page["observations"].as_array().unwrap();
        assert!(figures.len() <= 5);
        paged.extend(figures.clone());
        let Some(next) = page["next_cursor"].as_str() else { break };
        assert!(
            next.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
            "{next}"
        );
        cursor = format!("&cursor={next}");
        if posts < 6 {
            posts += 1;
            server.record("tv.cdc", &[(OUTGOING, &format!("2021-{posts:02}"), posts)]);
        }
    }
    assert_eq!(paged[..36], whole[..]);
    assert_eq!(values(&paged[36..]), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_link_header_leads_through_all_pages() {
    let (server, _, _) = filled();
    let (mut found, mut next) =
        (Vec::new(), Some("/api/v1/observations?unit=travinh&limit=2&history=true".to_owned()));
    while let Some(address) = next {
        let page = server.get(&address);
        next = page.next_link();
        let body = page.expect(200);
        assert_eq!(next.is_some(), body["next_cursor"].is_string());
        found.extend(body["observations"].as_array().unwrap().clone());
    }
    assert_eq!(found, server.observations("unit=travinh&history=true"));
    assert_eq!(found.len(), 6);
}

#[test]
fn a_figure_that_is_being_corrected_never_vanishes_from_the_list() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 0)]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let api = (*server).clone();
        let done = &done;
        scope.spawn(move || {
            for value in 1..=400 {
                api.record("travinh", &[(OUTGOING, "2021-10", value)]);
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let page = server.read("observations?unit=travinh");
            let figures = page["observations"].as_array().unwrap();
            assert_eq!(figures.len(), 1, "every revision has one current figure: {page}");
            assert!(figures[0]["revision"].as_i64() <= page["revision"].as_i64(), "{page}");
        }
    });
}

#[test]
fn a_table_holds_what_the_json_holds_and_nothing_that_a_spreadsheet_would_run() {
    let server = Server::start();
    let reasons = [
        "=HYPERLINK(\"http://x\")",
        "+1",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "plain, \"quoted\"\nand broken",
        "a=b",
    ];
    for (month, reason) in reasons.iter().enumerate() {
        let observation =
            figure(OUTGOING, "travinh", &format!("2021-{:02}", month + 1), 100 + month);
        server.post(&json!({ "reason": reason, "observations": [observation] })).expect(201);
    }
    for reply in [
        server.get("observations?format=csv"),
        server.send("GET", "observations", &[("accept", "text/csv")], None),
    ] {
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
        let body = reply.text();
        let mut table = csv::Reader::from_reader(body.as_bytes());
        let header: Vec<String> = table.headers().unwrap().iter().map(ToOwned::to_owned).collect();
        let column = |name: &str| header.iter().position(|known| known == name).unwrap();
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        let json = server.observations("");
        assert_eq!(rows.len(), json.len());
        for ((row, figure), reason) in rows.iter().zip(&json).zip(reasons) {
            let dangerous = reason.starts_with(['=', '+', '-', '@', '\t', '\r']);
            assert_eq!(
                row[column("reason")],
                if dangerous { format!("'{reason}") } else { reason.to_owned() }
            );
            assert_eq!(row[column("value")], figure["value"].to_string());
            for name in ["submission", "recorded_at", "indicator", "unit", "period"] {
                assert_eq!(row[column(name)], *figure[name].as_str().unwrap());
            }
        }
    }
}

#[test]
fn a_known_response_returns_304_until_the_next_write() {
    let (server, _, _) = filled();
    for path in [
        "observations",
        "findings",
        "units",
        "catalogue",
        "indicators",
        "kpis",
        "series?measure=ioffice.documents.outgoing&unit=travinh&last=3",
    ] {
        let first = server.get(path);
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{path}: {tag}");
        assert_eq!(
            first.header("vary"),
            "Accept, Accept-Encoding, Accept-Language, Authorization",
            "{path}"
        );
        let again = server.send("GET", path, &[("if-none-match", &tag)], None);
        assert_eq!(
            (again.status, again.body.len(), again.header("etag")),
            (304, 0, tag.as_str()),
            "{path}"
        );
        assert_eq!(
            server
                .send("GET", path, &[("if-none-match", &format!("\"other\", {tag}"))], None)
                .status,
            304,
            "{path}"
        );
        assert_eq!(
            server.send("GET", path, &[("if-none-match", "W/\"other\"")], None).status,
            200,
            "{path}"
        );
        if path != "catalogue" {
            let table = server.send("GET", path, &[("accept", "text/csv")], None);
            assert_ne!(table.header("etag"), tag, "{path}: another representation has another tag");
            assert_eq!(
                server
                    .send("GET", path, &[("accept", "text/csv"), ("if-none-match", &tag)], None)
                    .status,
                200,
                "{path}"
            );
        }
    }
    let tag = server.get("observations").header("etag").to_owned();
    server.record("travinh", &[(OUTGOING, "2021-11", 1)]);
    let after = server.send("GET", "observations", &[("if-none-match", &tag)], None);
    assert_eq!(after.status, 200);
    assert_ne!(after.header("etag"), tag);
}
