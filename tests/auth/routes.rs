//! Every route by everybody: what each is answered stands in one table. A route without a row fails the test.

use std::collections::BTreeSet;

use egov_kpi::app::access::Role;
use egov_kpi::app::keys::{Expiry, NewKey};
use egov_kpi::http::access::{Area, ROUTES, Settings as Access};
use serde_json::{Value, json};

use crate::support::{FOREIGN, Guarded, Holder, OWN, PROVINCE, one, sleep_past};

/// Who asks, in the order of the statuses of a row.
const WHO: [&str; 6] = [
    "nobody",
    "a reader",
    "the reporter of the unit",
    "the reporter of another unit",
    "a steward",
    "an admin",
];

/// What they are answered.
type Statuses = [u16; 6];

const READ: Statuses = [401, 200, 200, 200, 200, 200];
const KEEP: Statuses = [401, 403, 403, 403, 200, 200];
const ADMIN: Statuses = [401, 403, 403, 403, 403, 200];
const ADMIN_MAKES: Statuses = [401, 403, 403, 403, 403, 201];
const REPORT: Statuses = [401, 403, 201, 403, 201, 201];
const ALWAYS: Statuses = [200; 6];

/// A route, how it is asked (`{unit}` is the reporter's own), and what each is answered. A body is made anew for each request.
struct Row {
    method: &'static str,
    path: &'static str,
    asked: &'static str,
    statuses: Statuses,
}

const fn row(
    method: &'static str,
    path: &'static str,
    asked: &'static str,
    statuses: Statuses,
) -> Row {
    Row { method, path, asked, statuses }
}

const ROWS: &[Row] = &[
    row("GET", "/api/v1/observations", "/api/v1/observations", READ),
    row("POST", "/api/v1/observations", "/api/v1/observations", REPORT),
    row(
        "POST",
        "/api/v1/reports",
        "/api/v1/reports?unit=tv.dof&period=2021-10&dry_run=false",
        REPORT,
    ),
    row("GET", "/api/v1/reports/{submission}", "/api/v1/reports/{report}", READ),
    row("GET", "/api/v1/reports/{submission}/text", "/api/v1/reports/{report}/text", READ),
    row("GET", "/api/v1/reports/{unit}/{period}", "/api/v1/reports/tv.dof/2021-10", READ),
    row("POST", "/api/v1/workbooks", "/api/v1/workbooks?dry_run=false", REPORT),
    row(
        "GET",
        "/api/v1/templates/{unit}/{period}.xlsx",
        "/api/v1/templates/tv.dof/2021-10.xlsx",
        READ,
    ),
    row("GET", "/api/v1/submissions/{id}", "/api/v1/submissions/{id}", READ),
    row("DELETE", "/api/v1/submissions/{id}", "/api/v1/submissions/{id}", REPORT),
    row(
        "GET",
        "/api/v1/series",
        "/api/v1/series?measure=ioffice.documents.outgoing&unit=tv.dof&last=1",
        READ,
    ),
    row(
        "GET",
        "/api/v1/ranking",
        "/api/v1/ranking?measure=ioffice.documents.outgoing&parent=travinh&period=2021-10",
        READ,
    ),
    row("GET", "/api/v1/scorecard", "/api/v1/scorecard?unit=tv.dof&period=2021-10", READ),
    row("GET", "/api/v1/findings", "/api/v1/findings", READ),
    row("GET", "/api/v1/quality", "/api/v1/quality?unit=tv.dof", READ),
    row("GET", "/api/v1/completeness", "/api/v1/completeness?period=2021-10&parent=travinh", READ),
    row("GET", "/api/v1/units", "/api/v1/units", READ),
    row("PUT", "/api/v1/units", "/api/v1/units", KEEP),
    row("GET", "/api/v1/catalogue", "/api/v1/catalogue", READ),
    row("PUT", "/api/v1/catalogue", "/api/v1/catalogue", KEEP),
    row("GET", "/api/v1/indicators", "/api/v1/indicators", READ),
    row("GET", "/api/v1/kpis", "/api/v1/kpis", READ),
    row("GET", "/api/v1/targets", "/api/v1/targets", READ),
    row("PUT", "/api/v1/targets", "/api/v1/targets", KEEP),
    row("GET", "/api/v1/annotations", "/api/v1/annotations", READ),
    row("PUT", "/api/v1/annotations", "/api/v1/annotations", KEEP),
    row("GET", "/api/v1/periods", "/api/v1/periods", READ),
    row("POST", "/api/v1/periods/{period}/close", "/api/v1/periods/2019-01/close", KEEP),
    row("POST", "/api/v1/periods/{period}/reopen", "/api/v1/periods/2019-01/reopen", KEEP),
    row("GET", "/api/v1/revisions", "/api/v1/revisions", READ),
    row("GET", "/api/v1/ledger", "/api/v1/ledger", READ),
    row("GET", "/api/v1/me", "/api/v1/me", READ),
    row("GET", "/api/v1/keys", "/api/v1/keys", ADMIN),
    row("POST", "/api/v1/keys", "/api/v1/keys", ADMIN_MAKES),
    row("POST", "/api/v1/keys/{id}/rotate", "/api/v1/keys/{key}/rotate", ADMIN_MAKES),
    row("DELETE", "/api/v1/keys/{id}", "/api/v1/keys/{key}", ADMIN),
    row("GET", "/api/v1/audit", "/api/v1/audit", ADMIN),
    row("GET", "/api/v1/openapi.json", "/api/v1/openapi.json", ALWAYS),
    row("GET", "/openapi.json", "/openapi.json", ALWAYS),
    row("GET", "/docs", "/docs", [302; 6]),
    row("GET", "/docs/{_:.*}", "/docs/", ALWAYS),
    row("GET", "/livez", "/livez", ALWAYS),
    row("GET", "/readyz", "/readyz", ALWAYS),
    row("GET", "/metrics", "/metrics", READ),
    row("GET", "/metrics/figures", "/metrics/figures", READ),
    row("GET", "/prometheus/api/v1/query", "/prometheus/api/v1/query?query=1", READ),
    row("POST", "/prometheus/api/v1/query", "/prometheus/api/v1/query?query=1", READ),
    row(
        "GET",
        "/prometheus/api/v1/query_range",
        "/prometheus/api/v1/query_range?query=1&start=1&end=2&step=1",
        READ,
    ),
    row(
        "POST",
        "/prometheus/api/v1/query_range",
        "/prometheus/api/v1/query_range?query=1&start=1&end=2&step=1",
        READ,
    ),
    row("GET", "/prometheus/api/v1/labels", "/prometheus/api/v1/labels", READ),
    row("POST", "/prometheus/api/v1/labels", "/prometheus/api/v1/labels", READ),
    row("GET", "/prometheus/api/v1/series", "/prometheus/api/v1/series?match[]=up", READ),
    row("POST", "/prometheus/api/v1/series", "/prometheus/api/v1/series?match[]=up", READ),
    row("GET", "/prometheus/api/v1/query_exemplars", "/prometheus/api/v1/query_exemplars", READ),
    row("POST", "/prometheus/api/v1/query_exemplars", "/prometheus/api/v1/query_exemplars", READ),
    row(
        "GET",
        "/prometheus/api/v1/label/{name}/values",
        "/prometheus/api/v1/label/unit/values",
        READ,
    ),
    row("GET", "/prometheus/api/v1/metadata", "/prometheus/api/v1/metadata", READ),
    row("GET", "/prometheus/api/v1/rules", "/prometheus/api/v1/rules", READ),
    row("GET", "/prometheus/api/v1/alerts", "/prometheus/api/v1/alerts", READ),
    row("GET", "/prometheus/api/v1/status/buildinfo", "/prometheus/api/v1/status/buildinfo", READ),
    row("GET", "/", "/", READ),
];

const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A report of one figure.
fn report(value: i64) -> Vec<u8> {
    format!("Văn bản đi: {value} văn bản.").into_bytes()
}

/// A workbook of one figure of the reporter's unit.
fn workbook(value: i64) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, (head, cell)) in
        (0..).zip([("indicator", crate::support::OUTGOING), ("unit", OWN), ("period", "2021-10")])
    {
        sheet.write_string(0, column, head).unwrap();
        sheet.write_string(1, column, cell).unwrap();
    }
    sheet.write_string(0, 3, "value").unwrap();
    sheet.write_number(1, 3, value as f64).unwrap();
    book.save_to_buffer().unwrap()
}

/// Fills in what a request needs that has to be there: a submission of the reporter's, a key.
struct Asker<'s> {
    server: &'s Guarded,
    reporter: Holder,
    steward: Holder,
    made: i64,
}

impl Asker<'_> {
    /// Media type and bytes.
    fn body(&mut self, row: &Row) -> Option<(&'static str, Vec<u8>)> {
        self.made += 1;
        match (row.method, row.path) {
            ("POST", "/api/v1/reports") => return Some(("text/plain", report(self.made))),
            ("POST", "/api/v1/workbooks") => return Some((WORKBOOK, workbook(self.made))),
            _ => {}
        }
        self.json(row).map(|body| ("application/json", body.to_string().into_bytes()))
    }

    fn json(&self, row: &Row) -> Option<Value> {
        match (row.method, row.path) {
            ("POST", "/api/v1/observations") => Some(one(OWN, "2021-10", self.made)),
            ("PUT", "/api/v1/units") => {
                Some(json!({ "units": [{ "code": format!("new-{}", self.made) }] }))
            }
            ("PUT", "/api/v1/catalogue") => Some(self.steward.get("catalogue").expect(200)),
            ("PUT", "/api/v1/targets") => Some(
                json!({ "targets": [{ "code": format!("t{}", self.made), "measure": "ioffice.documents.signed_rate", "value": "50" }] }),
            ),
            ("PUT", "/api/v1/annotations") => Some(
                json!({ "annotations": [{ "code": format!("a{}", self.made), "unit": OWN, "from": "2021-10", "text": "x" }] }),
            ),
            ("POST", "/api/v1/keys") => Some(json!({ "name": "made", "role": "reader" })),
            _ => None,
        }
    }

    fn path(&mut self, row: &Row) -> String {
        let mut path = row.asked.to_owned();
        if path.contains("{id}") {
            self.made += 1;
            let receipt = self.reporter.post(OWN, "2021-09", 1_000_000 + self.made).expect(201);
            path = path.replace("{id}", receipt["submission"].as_str().unwrap());
        }
        if path.contains("{report}") {
            self.made += 1;
            let key = format!("Bearer {}", self.reporter.key);
            let headers = [("content-type", "text/plain"), ("authorization", key.as_str())];
            let sent = self.server.send(
                "POST",
                "/api/v1/reports?unit=tv.dof&period=2021-09&dry_run=false",
                &headers,
                Some(&report(self.made)),
            );
            path = path.replace("{report}", sent.expect(201)["submission"].as_str().unwrap());
        }
        if path.contains("{key}") {
            path = path.replace("{key}", &self.server.issue(Role::Reader, None).view.id);
        }
        path
    }

    /// What a request by somebody is answered; by nobody when there is no key.
    fn ask(&mut self, row: &Row, key: Option<&str>) -> u16 {
        let (path, body) = (self.path(row), self.body(row));
        let bearer = key.map(|key| format!("Bearer {key}"));
        let media = body.as_ref().map(|(media, _)| ("content-type", *media));
        let headers: Vec<(&str, &str)> = media
            .into_iter()
            .chain(bearer.as_deref().map(|bearer| ("authorization", bearer)))
            .collect();
        let empty = (row.method != "GET" && row.method != "DELETE").then_some(&[][..]);
        let reply = self.server.send(
            row.method,
            &path,
            &headers,
            body.as_ref().map(|(_, bytes)| bytes.as_slice()).or(empty),
        );
        if reply.status == 401 {
            assert!(
                reply.header("www-authenticate").starts_with("Bearer"),
                "{} {path}",
                row.method
            );
        }
        if matches!(reply.status, 401 | 403) {
            reply.problem(reply.status);
        }
        reply.status
    }
}

#[test]
fn every_route_has_a_row_and_every_row_a_route() {
    let rows: BTreeSet<(&str, &str)> = ROWS.iter().map(|row| (row.method, row.path)).collect();
    let declared: BTreeSet<(&str, &str)> =
        ROUTES.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(rows, declared);
    assert_eq!(ROWS.len(), rows.len());
    let document = serde_json::to_value(egov_kpi::http::openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            assert!(rows.contains(&(method.as_str(), path.as_str())), "{method} {path} has no row");
        }
    }
}

#[test]
fn every_route_answers_everybody_as_the_table_says() {
    let server = Guarded::new();
    let (reporter, steward) =
        (server.holder(Role::Reporter, Some(OWN)), server.holder(Role::Steward, None));
    let soon = Expiry::Time(chrono::Utc::now().timestamp_micros() + 300_000);
    let ended =
        NewKey { name: "ended".to_owned(), role: Role::Admin, unit: None, expires: Some(soon) };
    let ended = server.app().add_key_now(ended, "test").unwrap().key;
    let revoked = server.issue(Role::Admin, None);
    server.app().revoke_key_now(&revoked.view.id, "test").unwrap();
    let keys = [
        None,
        Some(server.issue(Role::Reader, None).key),
        Some(reporter.key.clone()),
        Some(server.issue(Role::Reporter, Some(FOREIGN)).key),
        Some(steward.key.clone()),
        Some(server.issue(Role::Admin, None).key),
    ];
    let mut asker = Asker { server: &server, reporter, steward, made: 0 };
    sleep_past(chrono::Utc::now().timestamp_micros() + 300_000);
    let mut faults = Vec::new();
    for row in ROWS {
        for ((key, who), status) in keys.iter().zip(WHO).zip(row.statuses) {
            let found = asker.ask(row, key.as_deref());
            if found != status {
                faults.push(format!(
                    "{} {} by {who}: {found}, expected {status}",
                    row.method, row.path
                ));
            }
        }
        let needs_none = matches!(row.path, "/livez" | "/readyz");
        for (key, who) in [
            (&ended, "one that has ended"),
            (&revoked.key, "one that was revoked"),
            (&"ek_0123456789_x".to_owned(), "one that is none"),
        ] {
            let found = asker.ask(row, Some(key));
            if found != if needs_none { 200 } else { 401 } {
                faults.push(format!("{} {} by the key of {who}: {found}", row.method, row.path));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn the_reporter_of_a_province_reports_for_what_is_below_it() {
    let server = Guarded::new();
    let above = server.holder(Role::Reporter, Some(PROVINCE));
    for unit in [PROVINCE, OWN, FOREIGN] {
        above.post(unit, "2021-10", 1).expect(201);
    }
    above.post("sample", "2021-10", 1).problem(422); // no such unit here: what is wrong with the figures comes first
    let below = server.holder(Role::Reporter, Some(OWN));
    let refused = below.post(PROVINCE, "2021-10", 2).problem(403);
    assert!(refused["detail"].as_str().unwrap().contains(PROVINCE), "{refused}");
}

/// What is read, by everybody without a key, as an opened area.
#[test]
fn what_is_opened_is_read_without_a_key_and_nothing_is_written() {
    let areas = |path: &str| match path {
        "/metrics" => Some(Area::Metrics),
        "/" => Some(Area::Pages),
        path if path.starts_with("/prometheus/") || path == "/metrics/figures" => {
            Some(Area::Prometheus)
        }
        path if path.starts_with("/docs") || path.ends_with("/openapi.json") => Some(Area::Docs),
        "/api/v1/me" | "/api/v1/keys" | "/api/v1/audit" | "/livez" | "/readyz" => None,
        _ => Some(Area::Api),
    };
    let cases: [&[Area]; 8] = [
        &[],
        &[Area::Api],
        &[Area::Prometheus],
        &[Area::Pages],
        &[Area::Docs],
        &[Area::Metrics],
        &Area::FIGURES,
        &Area::ALL,
    ];
    for open in cases {
        let server = Guarded::with(Access { open: open.to_vec(), ..Access::default() });
        let (reporter, steward) =
            (server.holder(Role::Reporter, Some(OWN)), server.holder(Role::Steward, None));
        let mut asker = Asker { server: &server, reporter, steward, made: 0 };
        for row in ROWS {
            let writes = matches!(row.statuses, KEEP | ADMIN | ADMIN_MAKES | REPORT);
            let is_open = !writes && areas(row.path).is_some_and(|area| open.contains(&area));
            let free = is_open || matches!(row.path, "/livez" | "/readyz");
            let found = asker.ask(row, None);
            assert_eq!(found != 401, free, "{} {} with {open:?}: {found}", row.method, row.path);
            // A key that is none is refused where none would be needed, too.
            if is_open {
                assert_eq!(
                    asker.ask(row, Some("ek_0123456789_x")),
                    401,
                    "{} {} with {open:?}",
                    row.method,
                    row.path
                );
            }
        }
    }
}

#[test]
fn other_methods_of_a_path_are_told_which_there_are() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    for (method, path, allowed) in [
        ("PUT", "observations", "GET, POST"),
        ("DELETE", "/", "GET"),
        ("POST", "/livez", "GET"),
        ("PATCH", "keys", "GET, POST"),
    ] {
        let reply = admin.send(method, path, None);
        reply.problem(405);
        assert_eq!(reply.header("allow"), allowed, "{method} {path}");
    }
    admin.get("nothing").problem(404);
    server.get("nothing").problem(404);
    // The same path, spelled another way, is the same route or none: never one that nobody guards.
    for path in [
        "/api/v1/%6Beys",
        "/api/v1/keys/",
        "//api/v1/keys",
        "/api/v1//keys",
        "/API/v1/keys",
        "/api/v1/keys?x",
        "/api/v1/./keys",
        "/api/v1/x/../keys",
    ] {
        let status = server.get(path).status;
        assert!(matches!(status, 401 | 404), "{path}: {status}");
    }
}
