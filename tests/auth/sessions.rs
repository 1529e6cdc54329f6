//! Sessions of the web pages: a session may do what its key may and nothing else, for as long as
//! the key may, and only by the pages.

use std::time::Duration;

use egov_kpi::auth::role::Role;
use serde_json::json;

use crate::harness::{Reply, eventually};
use crate::home::Home;
use crate::support::{FOREIGN, Guarded, OUTGOING, OWN, one};
use egov_kpi::api::access::AccessSettings;

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A browser that is signed in.
struct Browser<'s> {
    server: &'s Guarded,
    cookie: String,
}

impl<'s> Browser<'s> {
    fn sign_in(server: &'s Guarded, key: &str) -> Self {
        let reply = sign_in(server, key, &[]);
        assert_eq!(reply.status, 303, "{}", reply.text());
        let set = reply.header("set-cookie").to_owned();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
            assert!(set.contains(part), "{set}");
        }
        Self { server, cookie: set.split(';').next().unwrap().to_owned() }
    }

    fn get(&self, path: &str) -> Reply {
        self.server.send("GET", path, &[("cookie", &self.cookie)], None)
    }

    /// The token of the forms.
    fn token(&self) -> String {
        let page = self.get("/overview?unit=tv.dof").text();
        let field = page.split("name=\"form_token\" value=\"").nth(1).unwrap();
        field.split('"').next().unwrap().to_owned()
    }

    fn post(&self, path: &str, fields: &str, headers: &[(&str, &str)]) -> Reply {
        let body = format!("form_token={}&{fields}", self.token());
        self.post_raw(path, &body, headers)
    }

    fn post_raw(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
        let all = [&[("cookie", self.cookie.as_str()), FORM], headers].concat();
        self.server.send("POST", path, &all, Some(body.as_bytes()))
    }
}

fn sign_in(server: &Guarded, key: &str, headers: &[(&str, &str)]) -> Reply {
    let all = [&[FORM], headers].concat();
    server.send("POST", "/sign-in", &all, Some(format!("key={key}").as_bytes()))
}

/// Changes the file of the ledger as somebody with access to it might.
fn database(home: &Home) -> rusqlite::Connection {
    let file = rusqlite::Connection::open(home.address().replace("sqlite://", "")).unwrap();
    file.busy_timeout(Duration::from_secs(5)).unwrap();
    file
}

fn run_sql(home: &Home, statement: &str) {
    database(home).execute_batch(statement).unwrap();
}

fn figures(unit: &str, value: i64) -> String {
    format!("unit={unit}&period=2021-10&figure:{OUTGOING}={value}")
}

#[test]
fn a_session_may_do_what_its_key_may() {
    let server = Guarded::new();
    let reporter = server.issue(Role::Reporter, Some(OWN));
    let browser = Browser::sign_in(&server, &reporter.key);
    assert_eq!(browser.post("/entry/send", &figures(OWN, 7), &[]).status, 303);
    assert_eq!(browser.post("/entry/send", &figures(FOREIGN, 7), &[]).status, 403);
    assert_eq!(browser.post("/admin/closing", "period=2019-01&force=1", &[]).status, 403);
    assert_eq!(browser.get("/admin/keys").status, 403);
    // Tables and files of the pages are read with the session, too.
    assert_eq!(browser.get("units?format=csv").status, 200);
    let reader = Browser::sign_in(&server, &server.issue(Role::Reader, None).key);
    assert_eq!(reader.post("/entry/send", &figures(OWN, 8), &[]).status, 403);
    // The actor of the figures is the holder of the key.
    let steward = server.holder(Role::Steward, None);
    let rows = steward.get("observations?unit=tv.dof").expect(200);
    assert_eq!(rows["observations"][0]["value"], 7);
    let actor = rows["observations"][0]["actor"].as_str().unwrap();
    assert!(actor.contains(&reporter.view.id), "{actor}");
}

#[test]
fn a_session_is_no_way_around_the_pages() {
    let server = Guarded::new();
    let steward = Browser::sign_in(&server, &server.issue(Role::Steward, None).key);
    let cookie = ("cookie", steward.cookie.as_str());
    let body = one(OWN, "2021-10", 1).to_string();
    let json = ("content-type", "application/json");
    let direct = server.send("POST", "observations", &[cookie, json], Some(body.as_bytes()));
    direct.problem(401);
    server.send("PUT", "units", &[cookie, json], Some(b"{\"units\":[]}")).problem(401);
    server.send("GET", "me", &[cookie], None).problem(401);
}

#[test]
fn a_form_of_another_site_or_session_changes_nothing() {
    let server = Guarded::new();
    let key = server.issue(Role::Reporter, Some(OWN)).key;
    let (browser, other) = (Browser::sign_in(&server, &key), Browser::sign_in(&server, &key));
    let fields = figures(OWN, 9);
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(browser.post("/entry/send", &fields, headers).status, 403, "{headers:?}");
    }
    for body in [
        fields.clone(),
        format!("form_token=&{fields}"),
        format!("form_token={}&{fields}", other.token()),
    ] {
        assert_eq!(browser.post_raw("/entry/send", &body, &[]).status, 403, "{body}");
    }
    // Nobody is signed in by a form of another site either.
    assert_eq!(sign_in(&server, &key, &[("origin", "http://evil.example")]).status, 403);
    let steward = server.holder(Role::Steward, None);
    assert_eq!(steward.get("observations?unit=tv.dof").expect(200)["observations"], json!([]));
    assert_eq!(browser.post("/entry/send", &fields, &[]).status, 303);
}

#[test]
fn a_cookie_that_was_there_before_is_worth_nothing() {
    let server = Guarded::new();
    let key = server.issue(Role::Reporter, Some(OWN)).key;
    let planted = format!("egov_kpi_session={}", "A".repeat(43));
    let reply = sign_in(&server, &key, &[("cookie", &planted)]);
    assert_eq!(reply.status, 303);
    assert!(!reply.header("set-cookie").contains(&planted), "a new cookie each time");
    assert_eq!(server.send("GET", "/overview", &[("cookie", &planted)], None).status, 401);
    let first = Browser::sign_in(&server, &key);
    let second = Browser::sign_in(&server, &key);
    assert_ne!(first.cookie, second.cookie);
}

#[test]
fn signing_out_and_a_revoked_key_end_a_session() {
    let server = Guarded::new();
    let issued = server.issue(Role::Reporter, Some(OWN));
    let (left, stolen) =
        (Browser::sign_in(&server, &issued.key), Browser::sign_in(&server, &issued.key));
    let out = left.post("/sign-out", "", &[]);
    assert_eq!((out.status, out.header("location")), (303, "/sign-in"));
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    assert_eq!(left.get("/overview").status, 401);
    assert_eq!(stolen.get("/overview?unit=tv.dof").status, 200, "the other session continues");
    let admin = server.holder(Role::Admin, None);
    admin.send("DELETE", &format!("keys/{}", issued.view.id), None).expect(200);
    assert_eq!(stolen.get("/overview").status, 401);
    let token = "x";
    let body = format!("form_token={token}&{}", figures(OWN, 1));
    assert_eq!(stolen.post_raw("/entry/send", &body, &[]).status, 401);
}

#[test]
fn a_session_ends_when_it_is_not_used_or_too_old() {
    let server = Guarded::over(Home::sqlite(), AccessSettings::default());
    let key = server.issue(Role::Reader, None).key;
    let hour = 3_600_000_000_i64;
    for (column, hours) in [("last_used_at", 8), ("created_at", 7 * 24)] {
        let browser = Browser::sign_in(&server, &key);
        let age = |more: i64| {
            let past = chrono::Utc::now().timestamp_micros() - hours * hour + more;
            run_sql(&server.home, &format!("UPDATE sessions SET {column} = {past}"));
            // An instance believes what it has read for a second.
            std::thread::sleep(Duration::from_millis(1_100));
            browser.get("/overview").status
        };
        assert_eq!(age(hour), 200, "{column}");
        // The service records this use after its response; it must not do so after the next change.
        eventually("the use is recorded", Duration::from_secs(60), || {
            let sql = "SELECT max(last_used_at) FROM sessions";
            let used: i64 = database(&server.home).query_row(sql, [], |row| row.get(0)).unwrap();
            chrono::Utc::now().timestamp_micros() - used < hour
        });
        assert_eq!(age(-1_000_000), 401, "{column}");
    }
}

/// A row of the table gives nobody access: the key in it can be read with the cookie alone, and
/// whoever plants a row has no key to put into it.
#[test]
fn a_planted_session_signs_nobody_in() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use sha2::Digest;

    let server = Guarded::over(Home::sqlite(), AccessSettings::default());
    let admin = server.issue(Role::Admin, None);
    let victim = Browser::sign_in(&server, &admin.key);
    let secret = [7_u8; 32];
    let id: String =
        sha2::Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
    let now = chrono::Utc::now().timestamp_micros();
    // With what another session has sealed, and with what the attacker can make herself.
    for sealed in ["(SELECT sealed FROM sessions LIMIT 1)", "'AAAA'", "''"] {
        run_sql(
            &server.home,
            &format!(
                "INSERT OR REPLACE INTO sessions (id, sealed, created_at, last_used_at) \
             VALUES ('{id}', {sealed}, {now}, {now})"
            ),
        );
        let cookie = format!("egov_kpi_session={}", URL_SAFE_NO_PAD.encode(secret));
        std::thread::sleep(Duration::from_millis(1_100));
        assert_eq!(server.send("GET", "/overview", &[("cookie", &cookie)], None).status, 401);
    }
    assert_eq!(victim.get("/overview").status, 200);
    // The key stands nowhere in the file.
    let secret = admin.key.splitn(3, '_').last().unwrap();
    for file in std::fs::read_dir(server.home.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn a_browser_gets_pages_for_errors_and_a_program_documents() {
    let server = Guarded::new();
    let browser = Browser::sign_in(&server, &server.issue(Role::Reader, None).key);
    let html = ("accept", "text/html");
    let cookie = ("cookie", browser.cookie.as_str());
    for (path, status) in [
        ("/nowhere", 404),
        ("/overview?unit=nothing", 404),
        ("/overview?unit=tv.dof&period=soon", 422),
        ("/admin/keys", 403),
    ] {
        let page = server.send("GET", path, &[cookie, html], None);
        assert_eq!(page.status, status, "{path}");
        assert!(page.text().starts_with("<!DOCTYPE html><html lang=\"vi\""), "{path}");
        let english = format!("{path}{}lang=en", if path.contains('?') { '&' } else { '?' });
        let page = server.send("GET", &english, &[cookie, html], None);
        assert!(page.text().contains("<html lang=\"en\""), "{path}");
        server.send("GET", path, &[cookie], None).problem(status);
    }
    let wrong = server.send("POST", "/sign-in", &[FORM, html], Some(b"key=ek_0123456789_wrong"));
    assert_eq!(wrong.status, 401);
    assert!(wrong.text().contains("id=\"key\""), "the form to try again");
}
