//! Every route with every role: one table has all expected statuses. A route without a row fails
//! the test.

use std::collections::BTreeSet;

use egov_kpi::api::access::{AccessSettings, ROUTES, RouteArea};
use egov_kpi::api::limits::LimitSettings;
use egov_kpi::app::api_keys::{KeyExpiry, NewKey};
use egov_kpi::app::write::periods::ClosingChange;
use egov_kpi::auth::role::Role;
use egov_kpi::clock::TimestampMicros;
use serde_json::{Value, json};

use crate::harness::wait;
use crate::support::{FOREIGN, Guarded, Holder, OUTGOING, OWN, PROVINCE, one, sleep_past};

/// The callers, in the order of the statuses of a row.
const WHO: [&str; 6] = [
    "nobody",
    "a reader",
    "the reporter of the unit",
    "the reporter of another unit",
    "a steward",
    "an admin",
];

/// The expected statuses.
type Statuses = [u16; 6];

const READ: Statuses = [401, 200, 200, 200, 200, 200];
const KEEP: Statuses = [401, 403, 403, 403, 200, 200];
const ADMIN: Statuses = [401, 403, 403, 403, 403, 200];
const ADMIN_MAKES: Statuses = [401, 403, 403, 403, 403, 201];
const REPORT: Statuses = [401, 403, 201, 403, 201, 201];
const ALWAYS: Statuses = [200; 6];
// A form sends the browser on to a page.
const SIGNED_IN_GOES_ON: Statuses = [401, 303, 303, 303, 303, 303];
const REPORTERS_GO_ON: Statuses = [401, 403, 303, 303, 303, 303];
const REPORT_GOES_ON: Statuses = [401, 403, 303, 403, 303, 303];
const KEEP_GOES_ON: Statuses = [401, 403, 403, 403, 303, 303];

/// A route, its request (`{unit}` is the unit of the reporter), and the expected statuses. Each
/// request gets a new body.
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
    row("GET", "/api/v1/export", "/api/v1/export?unit=tv.dof&format=csv", READ),
    row(
        "GET",
        "/api/v1/ranking",
        "/api/v1/ranking?measure=ioffice.documents.outgoing&parent=travinh&period=2021-10",
        READ,
    ),
    row("GET", "/api/v1/scorecard", "/api/v1/scorecard?unit=tv.dof&period=2021-10", READ),
    row("GET", "/api/v1/findings", "/api/v1/findings", READ),
    row("GET", "/api/v1/quality", "/api/v1/quality?unit=tv.dof", READ),
    row("GET", "/api/v1/vintages", "/api/v1/vintages?unit=tv.dof", READ),
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
    row("POST", "/api/v1/periods/{period}/close", "/api/v1/periods/2019-01/close?force=true", KEEP),
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
    row("GET", "/prometheus/api/v1/format_query", "/prometheus/api/v1/format_query?query=1", READ),
    row("POST", "/prometheus/api/v1/format_query", "/prometheus/api/v1/format_query?query=1", READ),
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
    row("GET", "/prometheus/-/healthy", "/prometheus/-/healthy", ALWAYS),
    row("GET", "/prometheus/-/ready", "/prometheus/-/ready", ALWAYS),
    row("GET", "/", "/", READ),
    row("GET", "/assets/{name}", "/assets/style-x.css", ALWAYS),
    row("GET", "/favicon.ico", "/favicon.ico", ALWAYS),
    row("GET", "/sign-in", "/sign-in", ALWAYS),
    row("POST", "/sign-in", "/sign-in", [401; 6]),
    // Without a single sign-on nobody is signed in by it.
    row("GET", "/sign-in/oidc", "/sign-in/oidc", [401; 6]),
    row("GET", "/sign-in/oidc/callback", "/sign-in/oidc/callback", [401; 6]),
    row("POST", "/sign-out", "/sign-out", SIGNED_IN_GOES_ON),
    row("GET", "/overview", "/overview?unit=tv.dof", READ),
    row("GET", "/units", "/units", READ),
    row("GET", "/systems/{system}", "/systems/ioffice?unit=tv.dof", READ),
    row("GET", "/ranking", "/ranking?unit=travinh", READ),
    row("GET", "/history", "/history?unit=tv.dof", READ),
    row("GET", "/history.svg", "/history.svg?unit=tv.dof", READ),
    row("GET", "/reporting", "/reporting?unit=travinh", READ),
    row("POST", "/reporting/remarks", "/reporting/remarks", KEEP_GOES_ON),
    row("GET", "/entry", "/entry?unit=tv.dof&period=2021-10", READ),
    row("POST", "/entry", "/entry", REPORTERS_GO_ON),
    row("POST", "/entry/check", "/entry/check", [401, 403, 200, 200, 200, 200]),
    row("POST", "/entry/send", "/entry/send", REPORT_GOES_ON),
    row("POST", "/entry/reopening", "/entry/reopening", REPORT_GOES_ON),
    row("GET", "/send", "/send", READ),
    row("POST", "/send", "/send", REPORTERS_GO_ON),
    row("GET", "/send/{draft}", "/send/nothing", [401, 404, 404, 404, 404, 404]),
    row("POST", "/send/{draft}", "/send/nothing", [401, 403, 404, 404, 404, 404]),
    row("GET", "/receipts/{submission}", "/receipts/{id}", READ),
    row("POST", "/receipts/{submission}", "/receipts/{id}", REPORT_GOES_ON),
    row("GET", "/admin", "/admin", KEEP),
    row("GET", "/admin/closing", "/admin/closing", KEEP),
    row("POST", "/admin/closing", "/admin/closing", KEEP_GOES_ON),
    row("GET", "/admin/units", "/admin/units", KEEP),
    row("POST", "/admin/units", "/admin/units", KEEP_GOES_ON),
    row("POST", "/admin/units/merge", "/admin/units/merge", KEEP_GOES_ON),
    row("GET", "/admin/catalogue", "/admin/catalogue", KEEP),
    row("POST", "/admin/catalogue", "/admin/catalogue", KEEP),
    row("POST", "/admin/catalogue/restore", "/admin/catalogue/restore", KEEP_GOES_ON),
    row("GET", "/admin/patterns", "/admin/patterns", KEEP),
    // Nobody has chosen a figure by hand.
    row("POST", "/admin/patterns", "/admin/patterns", [401, 403, 403, 403, 404, 404]),
    row("GET", "/admin/targets", "/admin/targets", KEEP),
    row("POST", "/admin/targets", "/admin/targets", KEEP_GOES_ON),
    row("GET", "/admin/keys", "/admin/keys", ADMIN),
    row("POST", "/admin/keys", "/admin/keys", ADMIN),
    row("GET", "/admin/audit", "/admin/audit", ADMIN),
    row("GET", "/guide", "/guide", READ),
    row("GET", "/guide/{name}", "/guide/officer", READ),
];

/// Whether a path is that of the description of the API, which can be opened.
fn is_docs(path: &str) -> bool {
    path.starts_with("/docs") || path.ends_with("/openapi.json")
}

/// The boundary of the forms with files.
const BOUNDARY: &str = "multipart/form-data; boundary=b";

/// A form with a file.
fn file_form(name: &str, content: &str) -> Vec<u8> {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n\
         {content}\r\n--b--\r\n"
    )
    .into_bytes()
}

/// A month that is closed from the beginning.
const CLOSED: &str = "2018-12";

/// The fields of the form of a page.
fn page_form(path: &str, made: i64) -> Option<String> {
    // A month of its own for each sending: nothing was recorded there before.
    let month = format!("{}-{:02}", 1950 + made / 12, made % 12 + 1);
    let figures = format!("unit={OWN}&period={month}&figure:{OUTGOING}={made}");
    Some(match path {
        "/sign-in" => "key=ek_0123456789_wrong".to_owned(),
        "/sign-out" => String::new(),
        "/reporting/remarks" => {
            let of = format!("unit={OWN}&period=2021-10&measure={OUTGOING}");
            format!("{of}&rule=x&stated=1&computed=2&text=checked")
        }
        "/entry" | "/entry/check" | "/entry/send" => figures,
        "/entry/reopening" => format!("unit={OWN}&period={CLOSED}&text=please-{made}"),
        "/send/{draft}" => "action=discard".to_owned(),
        "/receipts/{submission}" => "sure=1".to_owned(),
        "/admin/closing" => "period=2019-01&force=1".to_owned(),
        "/admin/units/merge" => format!("code=page-{made}&name_vi=Trang&kind=agency"),
        "/admin/catalogue" => {
            format!("code=page.x{made}&name_vi=Trang&kind=flow&action=preview")
        }
        "/admin/catalogue/restore" => "version=1".to_owned(),
        "/admin/patterns" => "submission=x&start=1&measure=a&phrase=b".to_owned(),
        "/admin/targets" => format!("measure=ioffice.documents.signed_rate&value=5&code=p{made}"),
        "/admin/keys" => "name=page&role=reader".to_owned(),
        _ => return None,
    })
}

const WORKBOOK: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A report of one figure.
fn report(value: i64) -> Vec<u8> {
    format!("Văn bản đi: {value} văn bản.").into_bytes()
}

/// An Excel file with one figure of the unit of the reporter.
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

/// Creates what a request needs: a submission of the reporter, a key.
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
            ("POST", "/send") => {
                let text = format!("Văn bản đi: {} văn bản.", self.made);
                return Some((BOUNDARY, file_form("report.txt", &text)));
            }
            ("POST", "/admin/units") => {
                let table = format!("code,name_vi\nfile-{},Trang\n", self.made);
                return Some((BOUNDARY, file_form("units.csv", &table)));
            }
            ("POST", path) => {
                if let Some(form) = page_form(path, self.made) {
                    return Some(("application/x-www-form-urlencoded", form.into_bytes()));
                }
            }
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
            ("PUT", "/api/v1/targets") => Some(json!({ "targets": [{
                    "code": format!("t{}", self.made), "measure": "ioffice.documents.signed_rate",
                    "value": "50",
                }] })),
            ("PUT", "/api/v1/annotations") => Some(json!({ "annotations": [{
                    "code": format!("a{}", self.made), "unit": OWN, "from": "2021-10", "text": "x",
                }] })),
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

    /// The status of a request by a caller, or without a key.
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
    let lacking = |some: &BTreeSet<_>, others| some.difference(others).copied().collect::<Vec<_>>();
    assert_eq!(lacking(&declared, &rows), [], "no row in ROWS of tests/auth/routes.rs");
    assert_eq!(lacking(&rows, &declared), [], "no row in ROUTES of src/api/access/table.rs");
    assert_eq!(ROWS.len(), rows.len());
    let document = serde_json::to_value(egov_kpi::api::openapi()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
            assert!(rows.contains(&(method.as_str(), path.as_str())), "{method} {path} has no row");
        }
    }
}

#[test]
fn every_route_follows_the_access_table_for_every_role() {
    // Each row is tried with three keys that are refused.
    let limits = LimitSettings { sign_in: None, ..LimitSettings::default() };
    let server = Guarded::bounded(AccessSettings::default(), limits);
    let (reporter, steward) =
        (server.holder(Role::Reporter, Some(OWN)), server.holder(Role::Steward, None));
    let soon = chrono::Utc::now().timestamp_micros() + 300_000;
    let soon = KeyExpiry::Time(TimestampMicros::new(soon));
    let ended =
        NewKey { name: "ended".to_owned(), role: Role::Admin, unit: None, expires: Some(soon) };
    let ended = wait(server.app().add_key(ended, "test")).unwrap().key;
    let revoked = server.issue(Role::Admin, None);
    wait(server.app().revoke_key(&revoked.view.id, "test")).unwrap();
    let keys = [
        None,
        Some(server.issue(Role::Reader, None).key),
        Some(reporter.key.clone()),
        Some(server.issue(Role::Reporter, Some(FOREIGN)).key),
        Some(steward.key.clone()),
        Some(server.issue(Role::Admin, None).key),
    ];
    let period = CLOSED.parse().unwrap();
    let closing = ClosingChange { period, close: true, reason: None, force: true };
    wait(server.app().close(closing, "test", None)).unwrap();
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
        let needs_none = row.statuses == ALWAYS && !is_docs(row.path);
        for (key, who) in [
            (&ended, "an expired key"),
            (&revoked.key, "a revoked key"),
            (&"ek_0123456789_x".to_owned(), "an invalid key"),
        ] {
            let found = asker.ask(row, Some(key));
            if found != if needs_none { 200 } else { 401 } {
                faults.push(format!("{} {} with {who}: {found}", row.method, row.path));
            }
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn head_mirrors_get_and_a_trailing_slash_is_ignored() {
    let server = Guarded::new();
    let (reporter, steward) =
        (server.holder(Role::Reporter, Some(OWN)), server.holder(Role::Steward, None));
    let admin = server.holder(Role::Admin, None);
    let period = CLOSED.parse().unwrap();
    let closing = ClosingChange { period, close: true, reason: None, force: true };
    wait(server.app().close(closing, "test", None)).unwrap();
    let mut asker = Asker { server: &server, reporter, steward, made: 0 };
    for row in ROWS {
        let path = asker.path(row);
        let (bare, query) = path
            .split_once('?')
            .map_or((path.as_str(), String::new()), |(bare, query)| (bare, format!("?{query}")));
        let slashed = format!("{bare}/{query}");
        let own = bare == "/" || bare.starts_with("/docs");
        if row.method != "GET" {
            // Without a key both are the same route: 401 and not 404.
            if !own {
                assert_eq!(
                    server.send(row.method, &slashed, &[], Some(b"{}")).status,
                    row.statuses[0],
                    "{} {slashed}",
                    row.method
                );
            }
            continue;
        }
        let (get, head) = (admin.get(&path), admin.send("HEAD", &path, None));
        assert_eq!(
            (head.status, head.header("content-type"), head.body.len()),
            (get.status, get.header("content-type"), 0),
            "HEAD {path}"
        );
        assert_eq!(
            server.send("HEAD", &path, &[], None).status,
            server.get(&path).status,
            "HEAD {path} without a key"
        );
        if !own {
            let found = admin.get(&slashed);
            assert_eq!(
                (found.status, found.header("content-type")),
                (get.status, get.header("content-type")),
                "GET {slashed}"
            );
            assert_eq!(
                server.get(&slashed).status,
                server.get(&path).status,
                "GET {slashed} without a key"
            );
        }
    }
    // Both spellings are the same request for an Idempotency-Key.
    let post = |path: &str| {
        let headers = [("idempotency-key", "k1")];
        admin.send_with("POST", path, &headers, Some(&one(OWN, "2021-10", 77)))
    };
    assert_eq!(
        post("observations").expect(201)["revision"],
        post("observations/").expect(201)["revision"]
    );
    server.get("nothing/").problem(404);
    assert_eq!(admin.get("/api/v1/units//").status, 200);
}

#[test]
fn the_reporter_of_a_province_reports_for_what_is_below_it() {
    let server = Guarded::new();
    let above = server.holder(Role::Reporter, Some(PROVINCE));
    for unit in [PROVINCE, OWN, FOREIGN] {
        above.post(unit, "2021-10", 1).expect(201);
    }
    // No such unit here: what is wrong with the figures comes first
    above.post("sample", "2021-10", 1).problem(422);
    let below = server.holder(Role::Reporter, Some(OWN));
    let refused = below.post(PROVINCE, "2021-10", 2).problem(403);
    assert!(refused["detail"].as_str().unwrap().contains(PROVINCE), "{refused}");
}

/// The reads that everybody can make without a key in an opened area.
#[test]
fn public_areas_are_readable_without_a_key_and_never_writable() {
    let areas = |path: &str| match path {
        "/metrics" => Some(RouteArea::Metrics),
        path if path.starts_with("/prometheus/-/") => None,
        path if path.starts_with("/prometheus/") || path == "/metrics/figures" => {
            Some(RouteArea::Prometheus)
        }
        path if path.starts_with("/docs") || path.ends_with("/openapi.json") => {
            Some(RouteArea::Docs)
        }
        "/api/v1/me" | "/api/v1/keys" | "/api/v1/audit" | "/livez" | "/readyz" => None,
        "/admin/keys" | "/admin/audit" | "/assets/{name}" | "/favicon.ico" => None,
        path if path.starts_with("/sign-in") => None,
        path if path.starts_with("/api/") => Some(RouteArea::Api),
        _ => Some(RouteArea::Pages),
    };
    let cases: [&[RouteArea]; 8] = [
        &[],
        &[RouteArea::Api],
        &[RouteArea::Prometheus],
        &[RouteArea::Pages],
        &[RouteArea::Docs],
        &[RouteArea::Metrics],
        &RouteArea::FIGURES,
        &RouteArea::ALL,
    ];
    for open in cases {
        let server =
            Guarded::with(AccessSettings { open: open.to_vec(), ..AccessSettings::default() });
        let (reporter, steward) =
            (server.holder(Role::Reporter, Some(OWN)), server.holder(Role::Steward, None));
        let period = CLOSED.parse().unwrap();
        let closing = ClosingChange { period, close: true, reason: None, force: true };
        wait(server.app().close(closing, "test", None)).unwrap();
        let mut asker = Asker { server: &server, reporter, steward, made: 0 };
        for row in ROWS {
            let writes = matches!(row.statuses, KEEP | ADMIN | ADMIN_MAKES | REPORT)
                || (row.method == "POST" && !row.path.starts_with("/prometheus/"));
            let is_open = !writes && areas(row.path).is_some_and(|area| open.contains(&area));
            let free =
                is_open || row.method == "GET" && row.statuses == ALWAYS && !is_docs(row.path);
            let found = asker.ask(row, None);
            assert_eq!(found != 401, free, "{} {} with {open:?}: {found}", row.method, row.path);
            // An invalid key is refused even where no key is needed.
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
fn an_unsupported_method_returns_405_with_allow() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    for (method, path, allowed) in [
        ("PUT", "observations", "GET, HEAD, POST"),
        ("DELETE", "/", "GET, HEAD"),
        ("POST", "/livez", "GET, HEAD"),
        ("PATCH", "keys", "GET, HEAD, POST"),
        ("HEAD", "/api/v1/keys/x/rotate", "POST"),
    ] {
        let reply = admin.send(method, path, None);
        assert_eq!(reply.status, 405, "{method} {path}");
        if method != "HEAD" {
            reply.problem(405);
        }
        assert_eq!(reply.header("allow"), allowed, "{method} {path}");
    }
    admin.get("nothing").problem(404);
    server.get("nothing").problem(404);
    let long = "X".repeat(60_000);
    let answer =
        server.raw(format!("{long} /api/v1/units HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes());
    assert!(
        ["HTTP/1.1 400", "HTTP/1.1 405", "HTTP/1.1 501"].contains(&&answer[..12]),
        "{}",
        &answer[..100]
    );
    // The same path in another spelling is the same route or unknown, never an unprotected route.
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
