//! A revision is a number and a hash: a reference to a revision of another history is refused, and
//! the server notices when its ledger is restored while it runs.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{Api, Server, eventually, figure, serve};
use crate::home::Home;

const OUTGOING: &str = "ioffice.documents.outgoing";
const FIGURE: &str = "observations?indicator=ioffice.documents.outgoing&unit=travinh";
const SERIES: &str =
    "series?measure=ioffice.documents.outgoing&unit=travinh&from=2021-10&to=2021-10";

/// Responses about figures and declarations.
const READS: [&str; 19] = [
    SERIES,
    "series?measure=ioffice.documents.outgoing&unit=travinh&last=1&layout=rows",
    "ranking?measure=ioffice.documents.outgoing&period=2021-10",
    "scorecard?unit=travinh&period=2021-10",
    "completeness?period=2021-10&parent=travinh",
    FIGURE,
    "findings",
    "quality",
    "vintages",
    "units",
    "catalogue",
    "indicators",
    "kpis",
    "targets",
    "annotations",
    "periods",
    "revisions",
    "ledger",
    "audit",
];

fn with(path: &str, parameter: &str) -> String {
    format!("{path}{}{parameter}", if path.contains('?') { '&' } else { '?' })
}

/// A revision in the format of clients.
fn named(receipt: &Value) -> String {
    format!("{}-{}", receipt["revision"], receipt["revision_hash"].as_str().unwrap())
}

fn value(api: &Api) -> Value {
    api.point(OUTGOING, "travinh", "2021-10")["value"].clone()
}

/// Copies a ledger while it is in use.
fn save(ledger: &Path, copy: &Path) {
    drop(std::fs::remove_file(copy));
    Connection::open(ledger).unwrap().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
}

/// Replaces every row of the ledger by those of a copy, in one transaction, while the ledger is in
/// use.
fn put_back(ledger: &Path, copy: &Path) {
    let database = Connection::open(ledger).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    database.execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()]).unwrap();
    let names = |kind: &str| -> Vec<(String, String)> {
        let mut found = database
            .prepare(
                "SELECT name, sql FROM main.sqlite_schema WHERE type = ?1 \
                 AND name NOT LIKE 'sqlite%'",
            )
            .unwrap();
        found
            .query_map([kind], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    };
    let (triggers, tables) = (names("trigger"), names("table"));
    let mut batch = "BEGIN IMMEDIATE;".to_owned();
    triggers.iter().for_each(|(name, _)| batch.push_str(&format!("DROP TRIGGER {name};")));
    tables.iter().for_each(|(name, _)| {
        batch.push_str(&format!(
            "DELETE FROM main.{name}; INSERT INTO main.{name} SELECT * FROM copy.{name};"
        ))
    });
    triggers.iter().for_each(|(_, sql)| batch.push_str(&format!("{sql};")));
    batch.push_str("COMMIT;");
    database.execute_batch(&batch).unwrap();
}

#[test]
fn every_answer_names_its_revision_and_that_revisions_hash() {
    let server = Server::start();
    let receipt = server.record("travinh", &[(OUTGOING, "2021-10", 1)]);
    let hash = receipt["revision_hash"].as_str().unwrap();
    assert_eq!(hash.len(), 64);
    assert_eq!(
        server.read("revisions")["revisions"].as_array().unwrap().last().unwrap()["hash"],
        hash
    );
    for path in READS {
        let reply = server.get(path);
        let answer = reply.expect(200);
        assert_eq!(
            (&answer["revision"], &answer["revision_hash"]),
            (&receipt["revision"], &json!(hash)),
            "{path}"
        );
        assert_eq!(reply.header("egov-kpi-revision-hash"), hash, "{path}");
        assert_eq!(reply.header("egov-kpi-revision"), receipt["revision"].to_string(), "{path}");
        assert!(
            reply.header("etag").starts_with(&format!(
                "W/\"{}-{}-",
                receipt["revision"],
                &hash[..16]
            )),
            "{path}: {}",
            reply.header("etag")
        );
        for part in ["Accept", "Accept-Encoding", "Accept-Language", "Authorization"] {
            assert!(
                reply.headers.get_all("vary").iter().any(|vary| vary
                    .to_str()
                    .unwrap()
                    .split(", ")
                    .any(|name| name.eq_ignore_ascii_case(part))),
                "{path}"
            );
        }
        assert_eq!(
            server.send("GET", path, &[("if-none-match", reply.header("etag"))], None).status,
            304,
            "{path}"
        );
        assert_eq!(
            server.send("GET", path, &[("if-match", reply.header("etag"))], None).status,
            200,
            "{path}"
        );
        let stale = format!("W/\"1-{hash}-0-en-json\"");
        assert_eq!(
            server.send("GET", path, &[("if-none-match", &stale)], None).status,
            200,
            "{path}"
        );
        assert_eq!(
            server.send("GET", path, &[("if-match", &stale)], None).problem(412)["type"],
            "urn:egov-kpi:precondition-failed",
            "{path}"
        );
        let vietnamese = server.send("GET", path, &[("accept-language", "vi")], None);
        assert_ne!(vietnamese.header("etag"), reply.header("etag"), "{path}");
    }
    for path in [
        "units?format=csv",
        "units?format=xlsx",
        "templates/travinh/2021-10.xlsx",
        "reports/travinh/2021-10",
    ] {
        assert_eq!(server.get(path).header("egov-kpi-revision-hash"), hash, "{path}");
    }
    let past = server.read(&format!("submissions/{}", receipt["submission"].as_str().unwrap()));
    assert_eq!(
        (&past["revision"], &past["revision_hash"]),
        (&receipt["revision"], &receipt["revision_hash"])
    );
}

#[test]
fn every_answer_to_a_write_begins_with_whether_it_made_a_revision() {
    let server = Server::start();
    let body = json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", 5)] }).to_string();
    let json = ("content-type", "application/json");
    let kept = ("idempotency-key", "once");
    let mut catalogue = server.read("catalogue");
    catalogue["indicators"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "code": "x.n", "kind": "flow", "unit_of_measure": "count" }));
    let target = json!({ "targets": [{ "code": "t", "measure": OUTGOING, "value": "5" }] });
    let note = json!({ "annotations": [{
        "code": "n", "unit": "travinh", "from": "2021-10", "text": "x",
    }] });
    let writes = [
        ("POST", "observations", body.clone(), 201),
        ("PUT", "units", json!({ "units": [{ "code": "a" }] }).to_string(), 200),
        ("PUT", "catalogue", catalogue.to_string(), 200),
        ("PUT", "targets", target.to_string(), 200),
        ("PUT", "annotations", note.to_string(), 200),
        ("POST", "periods/2021-09/close?force=true", String::new(), 200),
    ];
    for (method, path, body, status) in &writes {
        let send =
            |headers: &[(&str, &str)]| server.send(method, path, headers, Some(body.as_bytes()));
        let first = send(&[json, kept]);
        let answer = first.expect(*status);
        assert!(first.text().starts_with("{\"recorded\":true,"), "{path}: {}", first.text());
        assert_eq!(answer["revision"], server.revision(), "{path}");
        assert_eq!(answer["revision_hash"], server.read("ledger")["revision_hash"], "{path}");
        // The same request again with its key, also after other changes were recorded.
        server.put_units(&json!([{ "code": format!("u{}", server.revision()) }]));
        let replayed = send(&[json, kept]);
        assert_eq!((replayed.status, replayed.text()), (*status, first.text()), "{path}");
        // Without a key it changes nothing; a catalogue has the version that it was made from.
        let again = send(&[json]);
        if *path != "catalogue" {
            let answer = again.expect(200);
            assert!(again.text().starts_with("{\"recorded\":false,"), "{path}: {}", again.text());
            assert_eq!(answer["revision_hash"], server.read("ledger")["revision_hash"], "{path}");
        }
    }
    let tried = server
        .send("POST", "observations?dry_run=true", &[json], Some(body.as_bytes()))
        .expect(200);
    assert_eq!(
        (&tried["recorded"], &tried["revision"], &tried["revision_hash"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    let tried =
        server.send("PUT", "units?dry_run=true", &[json], Some(br#"{"units":[{"code":"dry"}]}"#));
    assert!(tried.text().starts_with("{\"recorded\":false,"), "{}", tried.text());
    let issued = server.send("POST", "keys", &[json], Some(br#"{"name":"k","role":"admin"}"#));
    assert!(issued.text().starts_with("{\"recorded\":true,"), "{}", issued.text());
}

#[test]
fn a_get_response_can_be_put_back_with_its_hash() {
    let server = Server::start();
    for path in ["units", "catalogue", "annotations"] {
        assert_eq!(server.put(path, &server.read(path)).expect(200)["recorded"], false, "{path}");
    }
}

#[test]
fn a_revision_is_named_by_number_or_with_its_hash_and_one_of_another_history_is_409() {
    let (server, elsewhere) = (Server::start(), Server::start());
    let receipt = server.record("travinh", &[(OUTGOING, "2021-10", 1)]);
    let foreign = elsewhere.record("travinh", &[(OUTGOING, "2021-10", 2)]);
    assert_eq!(receipt["revision"], foreign["revision"]);
    server.record("travinh", &[(OUTGOING, "2021-10", 3)]);
    let own = named(&receipt);
    for parameter in ["min_revision", "as_of"] {
        for path in READS {
            for name in
                [own.as_str(), &own[..own.find('-').unwrap() + 9], &receipt["revision"].to_string()]
            {
                assert_eq!(
                    server.get(&with(path, &format!("{parameter}={name}"))).status,
                    200,
                    "{path} {parameter}={name}"
                );
            }
            let problem =
                server.get(&with(path, &format!("{parameter}={}", named(&foreign)))).problem(409);
            assert_eq!(problem["type"], "urn:egov-kpi:other-history", "{path}");
            for text in ["detail", "detail_vi"] {
                let text = problem[text].as_str().unwrap();
                assert!(text.contains(&named(&foreign)) && text.contains(&own), "{path}: {text}");
            }
        }
        for malformed in ["1-", "1-abc", "1-abcdefg1", "-1", "x", "1-12345678-1"] {
            assert_eq!(
                server.get(&format!("units?{parameter}={malformed}")).faults(422),
                [format!("/{parameter} malformed")],
                "{malformed}"
            );
        }
    }
    for path in ["me", "keys", "templates/travinh/2021-10.xlsx", "reports/travinh/2021-10"] {
        assert_eq!(server.get(&with(path, &format!("min_revision={own}"))).status, 200, "{path}");
        assert_eq!(
            server.get(&with(path, &format!("min_revision={}", named(&foreign)))).status,
            409,
            "{path}"
        );
    }
    let cursor = |api: &Api| api.read("units?limit=1")["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("units?limit=1&cursor={}", cursor(&server))).status, 200);
    assert_eq!(
        server.get(&format!("units?limit=1&cursor={}", cursor(&elsewhere))).problem(409)["type"],
        "urn:egov-kpi:other-history"
    );
}

#[test]
fn a_ledger_restored_under_a_running_server_is_detected_and_lost_revisions_are_reported() {
    let home = Home::sqlite();
    let (ledger, copy) = (home.path().join("ledger.db"), home.path().join("copy.db"));
    let running = [serve(&home.address()), serve(&home.address())];
    let [one, other] = [0, 1].map(|n: usize| Api::of(&running[n].address.to_string()));
    one.record("travinh", &[(OUTGOING, "2021-10", 1)]);
    for round in 0..4_u32 {
        let kept = 1_000 + i64::from(round);
        let base = one.record("travinh", &[(OUTGOING, "2021-10", kept)]);
        save(&ledger, &copy);
        let lost: Vec<Value> = (0..=round)
            .map(|n| one.record("travinh", &[(OUTGOING, "2021-10", i64::from(n) + 1)]))
            .collect();
        let last = lost.last().unwrap();
        let tag = one.get(SERIES).header("etag").to_owned();
        let cursor = one.read("units?limit=1")["next_cursor"].as_str().unwrap().to_owned();
        let past = one.read(&with(SERIES, &format!("as_of={}", named(last))));
        assert_eq!(past["revision"], last["revision"]);
        other.read(&with(SERIES, &format!("min_revision={}", named(last))));
        let changes = [&one, &other].map(|api| api.metric("egov_kpi_history_changes_total"));
        put_back(&ledger, &copy);

        let began = Instant::now();
        // The first write is compared in its transaction; lost figures are new to the ledger.
        if round % 2 == 0 {
            let mut answer = one.post(&json!({ "observations": [
                figure(OUTGOING, "travinh", "2021-10", i64::from(round) + 1),
            ] }));
            if answer.status == 503 {
                eventually("taking figures again", Duration::from_secs(15), || {
                    answer = one.post(&json!({ "observations": [
                        figure(OUTGOING, "travinh", "2021-10", i64::from(round) + 1),
                    ] }));
                    answer.status != 503
                });
            }
            let receipt = answer.expect(201);
            assert_eq!(
                (&receipt["recorded"], receipt["revision"].as_i64()),
                (&json!(true), base["revision"].as_i64().map(|n| n + 1))
            );
        }
        let truth = if round % 2 == 0 { i64::from(round) + 1 } else { kept };
        for (api, before) in [&one, &other].into_iter().zip(changes) {
            eventually("noticed", Duration::from_secs(15), || {
                api.metric("egov_kpi_history_changes_total") > before
                    && api.get("/readyz").status == 200
            });
            eventually("the ledger's", Duration::from_secs(15), || {
                value(api).as_f64().map(|value| value.to_string()) == Some(truth.to_string())
            });
            assert!(api.get("/readyz").text().contains("lost"), "{}", api.get("/readyz").text());
            assert_eq!(api.send("GET", SERIES, &[("if-none-match", &tag)], None).status, 200);
            for receipt in &lost {
                for parameter in ["min_revision", "as_of"] {
                    let asked = with(SERIES, &format!("{parameter}={}", named(receipt)));
                    let problem = api.get(&asked).problem(409);
                    assert!(
                        problem["detail"].as_str().unwrap().contains(&named(receipt)),
                        "{problem}"
                    );
                }
            }
            assert_eq!(api.get(&format!("units?limit=1&cursor={cursor}")).status, 409);
            assert_eq!(
                api.get(&with(SERIES, &format!("min_revision={}", named(&base)))).status,
                200
            );
            // The earlier state with the number of the lost revision is not the cached one.
            let gone = api.get(&with(SERIES, &format!("as_of={}", last["revision"])));
            assert!(
                gone.status == 422 || gone.json()["revision_hash"] != last["revision_hash"],
                "{}",
                gone.text()
            );
        }
        assert!(began.elapsed() < Duration::from_secs(20));
        eventually("the same", Duration::from_secs(15), || {
            one.read("ledger?digest=true") == other.read("ledger?digest=true")
        });
    }
    assert!(one.metric("egov_kpi_lost_revisions_total") >= 10.0);
    for server in running {
        server.stop();
    }
}

#[test]
fn a_figure_that_is_not_yet_durable_is_never_reported_as_unchanged() {
    let home = Home::sqlite();
    let (ledger, copy) = (home.path().join("ledger.db"), home.path().join("copy.db"));
    let running = serve(&home.address());
    let api = Api::of(&running.address.to_string());
    api.record("travinh", &[(OUTGOING, "2021-10", 1)]);
    save(&ledger, &copy);
    for value in 2..8 {
        api.record("travinh", &[(OUTGOING, "2021-10", value)]);
        put_back(&ledger, &copy);
        let body = json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", value)] });
        let mut answer = api.post(&body);
        eventually("answered", Duration::from_secs(15), || {
            answer = if answer.status == 503 { api.post(&body) } else { return true };
            answer.status != 503
        });
        assert_eq!(answer.expect(201)["recorded"], true);
    }
    running.stop();
}
