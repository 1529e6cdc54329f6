//! Browsers: a key as password gives access to reads, a page of another site changes nothing, and
//! every response has its security headers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use egov_kpi::auth::role::Role;
use serde_json::json;

use crate::harness::REPORT;
use crate::support::{Guarded, OWN, one};

fn basic(user: &str, key: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{key}")))
}

#[test]
fn a_browser_signs_in_by_a_password_to_read_and_never_to_write() {
    let server = Guarded::new();
    let steward = server.issue(Role::Steward, None);
    // The web pages have a page to sign in; tables and files have none.
    let page = server.send("GET", "/", &[("accept", "text/html,*/*;q=0.8")], None);
    assert_eq!((page.status, page.headers.get_all("www-authenticate").iter().count()), (401, 1));
    assert!(page.text().contains("action=\"/sign-in?target=%2F\""), "{}", page.text());
    let page = server.send("GET", "units", &[("accept", "text/html,*/*;q=0.8")], None);
    page.problem(401);
    let asked: Vec<&str> = page
        .headers
        .get_all("www-authenticate")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert!(
        asked.len() == 2 && asked[0].starts_with("Bearer") && asked[1].starts_with("Basic"),
        "{asked:?}"
    );
    // Programs are not asked for a password, and neither are browsers where a password would not
    // help.
    assert!(!server.get("/").header("www-authenticate").starts_with("Basic"));
    assert_eq!(
        server
            .send("GET", "keys", &[("accept", "text/html")], None)
            .headers
            .get_all("www-authenticate")
            .iter()
            .count(),
        1
    );
    let password = basic("whoever", &steward.key);
    for path in [
        "/overview",
        "units",
        "/metrics",
        "/prometheus/api/v1/labels",
        "scorecard?unit=tv.dof&period=2021-10&format=xlsx",
    ] {
        assert_eq!(
            server.send("GET", path, &[("authorization", &password)], None).status,
            200,
            "{path}"
        );
    }
    // Grafana reads with POST, also with a password.
    assert_eq!(
        server
            .send(
                "POST",
                "/prometheus/api/v1/query?query=1",
                &[("authorization", &password)],
                Some(b"")
            )
            .status,
        200
    );
    let body = one(OWN, "2021-10", 1).to_string();
    for (method, path, body) in [
        ("POST", "observations", body.as_str()),
        ("POST", "periods/2021-10/close?force=true", ""),
        ("PUT", "units", "{\"units\":[]}"),
        ("DELETE", "keys/x", ""),
    ] {
        let refused = server.send(
            method,
            path,
            &[("authorization", &password), ("content-type", "application/json")],
            Some(body.as_bytes()),
        );
        assert!(
            refused.problem(401)["detail"].as_str().unwrap().contains("Bearer"),
            "{method} {path}"
        );
    }
    server
        .send("GET", "units", &[("authorization", &basic("x", "ek_0123456789_x"))], None)
        .problem(401);
    server.send("GET", "units", &[("authorization", "Basic !")], None).problem(401);
    server
        .send(
            "GET",
            "units",
            &[("authorization", &format!("Bearer {}", steward.key)), ("authorization", "Bearer x")],
            None,
        )
        .problem(401);
}

#[test]
fn a_cross_site_request_cannot_write_on_loopback() {
    let server = Guarded::new();
    for headers in [
        &[("origin", "http://evil.example")][..],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
    ] {
        server.send("POST", "periods/2021-09/close?force=true", headers, Some(b"")).problem(403);
        let csv: Vec<(&str, &str)> = [headers, &[("content-type", "text/csv")]].concat();
        server.send("POST", "observations", &csv, Some(REPORT.as_bytes())).problem(403);
    }
    assert_eq!(server.read("periods")["periods"], json!([]));
    // The page of the API description can send every request.
    let own = format!("http://{}", server.host);
    assert_eq!(
        server
            .send(
                "POST",
                "periods/2021-09/close?force=true",
                &[("origin", &own), ("sec-fetch-site", "same-origin")],
                Some(b"")
            )
            .status,
        200
    );
    // No CORS header ever permits a page of another site.
    let asked = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    let reply = server.send("OPTIONS", "observations", &asked, None);
    assert_eq!(reply.status, 405);
    for reply in [reply, server.send("GET", "units", &asked[..1], None)] {
        assert!(
            reply.headers.keys().all(|name| !name.as_str().starts_with("access-control-")),
            "{:?}",
            reply.headers
        );
    }
}

#[test]
fn every_response_has_browser_security_headers() {
    let server = Guarded::new();
    let reader = server.holder(Role::Reader, None);
    let replies = [
        ("/livez", server.get("/livez")),
        ("units by a key", reader.get("units")),
        ("a problem", server.get("units")),
        ("nothing there", server.get("/nothing")),
        ("the page", reader.get("/")),
        ("the description", server.get("/docs/")),
        ("its script", server.get("/docs/swagger-ui-bundle.js")),
        ("metrics", reader.get("/metrics")),
        ("a wrong method", server.send("PATCH", "units", &[], None)),
    ];
    for (what, reply) in &replies {
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(reply.header("x-frame-options"), "DENY", "{what}");
        let html = reply.header("content-type").starts_with("text/html");
        let referrer = if html { "same-origin" } else { "no-referrer" };
        assert_eq!(reply.header("referrer-policy"), referrer, "{what}");
        let policy = reply.header("content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{what}: {policy}"
        );
        assert!(
            !policy.contains("unsafe-eval")
                && !policy.contains("script-src 'self' 'unsafe-inline'")
                && !policy.contains("http"),
            "{what}: {policy}"
        );
        assert_ne!(reply.header("cache-control"), "", "{what}");
        assert_eq!(reply.header("strict-transport-security"), "", "{what}: not without TLS");
        let page = reply.header("content-type").starts_with("text/html");
        assert_eq!(policy.contains("style-src"), page, "{what}: {policy}");
    }
    // Responses to signed-in clients stay in private caches; revalidation costs a 304.
    let units = reader.get("units");
    assert_eq!(units.header("cache-control"), "private, no-cache");
    assert!(
        units.header("vary").to_lowercase().contains("authorization"),
        "{}",
        units.header("vary")
    );
    let again = reader.send_with("GET", "units", &[("if-none-match", units.header("etag"))], None);
    assert_eq!((again.status, again.header("cache-control")), (304, "private, no-cache"));
    // An entity tag alone gives no access.
    assert_eq!(
        server.send("GET", "units", &[("if-none-match", units.header("etag"))], None).status,
        401
    );
    assert_eq!(reader.get("me").header("cache-control"), "no-store");
}
