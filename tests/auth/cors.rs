//! Scripts of other web sites read what is open, and only if the settings name their site.

use egov_kpi::api::access::{AccessSettings, RouteArea};
use egov_kpi::auth::role::Role;

use crate::harness::Reply;
use crate::support::Guarded;

const SITE: &str = "https://dashboard.example";
const SERIES: &str = "/api/v1/series?measure=ioffice.documents.outgoing&unit=travinh&last=1";

/// A server with a key, on which the API is open.
fn server(sites: &[&str]) -> Guarded {
    let server = Guarded::with(AccessSettings {
        open: vec![RouteArea::Api],
        cors: sites.iter().map(|site| (*site).to_owned()).collect(),
        ..AccessSettings::default()
    });
    server.issue(Role::Admin, None);
    server
}

fn preflight(server: &Guarded, path: &str, site: &str, method: &str) -> Reply {
    let headers = [
        ("Origin", site),
        ("Access-Control-Request-Method", method),
        ("Access-Control-Request-Headers", "if-none-match"),
    ];
    server.send("OPTIONS", path, &headers, None)
}

/// The origin that a response permits.
fn permitted(reply: &Reply) -> Option<&str> {
    reply.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap())
}

#[test]
fn a_named_site_reads_what_is_open() {
    let server = server(&[SITE, "http://localhost:3000"]);
    let reply = server.send("GET", SERIES, &[("Origin", SITE)], None);
    assert_eq!((reply.status, permitted(&reply)), (200, Some(SITE)));
    assert!(reply.header("access-control-expose-headers").contains("ETag"));
    let varies: Vec<&str> =
        reply.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(varies.join(", ").contains("Origin"), "{varies:?}");
    assert!(!reply.headers.contains_key("access-control-allow-credentials"));
    // Its errors too, so that the script can show them
    let fault = server.send("GET", "/api/v1/series", &[("Origin", "http://localhost:3000")], None);
    assert_eq!((fault.status, permitted(&fault)), (422, Some("http://localhost:3000")));
    // The preflight of a request with If-None-Match
    let reply = preflight(&server, SERIES, SITE, "GET");
    assert_eq!((reply.status, permitted(&reply)), (204, Some(SITE)));
    assert_eq!(reply.header("access-control-allow-methods"), "GET, HEAD");
    assert!(reply.header("access-control-allow-headers").contains("if-none-match"));
    assert!(!reply.header("access-control-allow-headers").contains("authorization"));
}

#[test]
fn nothing_else_is_permitted() {
    let server = server(&[SITE]);
    let other = server.send("GET", SERIES, &[("Origin", "https://other.example")], None);
    assert_eq!((other.status, permitted(&other)), (200, None));
    assert_eq!(permitted(&server.send("GET", SERIES, &[], None)), None);
    // With a key, which a page of another site must not have
    let key = server.issue(Role::Reader, None);
    let bearer = format!("Bearer {}", key.key);
    let keyed = [("Origin", SITE), ("Authorization", bearer.as_str())];
    let keyed = server.send("GET", SERIES, &keyed, None);
    assert_eq!((keyed.status, permitted(&keyed)), (200, None));
    // What is closed, and what changes something
    for path in ["/api/v1/audit", "/api/v1/me", "/metrics", "/overview", "/livez"] {
        let reply = server.send("GET", path, &[("Origin", SITE)], None);
        assert_eq!(permitted(&reply), None, "{path}");
        assert_ne!(preflight(&server, path, SITE, "GET").status, 204, "{path}");
    }
    let reply = server.send("POST", "/api/v1/observations", &[("Origin", SITE)], Some(b"{}"));
    assert_eq!((reply.status, permitted(&reply)), (401, None));
    assert_ne!(preflight(&server, SERIES, "https://other.example", "GET").status, 204);
}

#[test]
fn a_star_stands_for_every_site_and_without_the_setting_there_is_nothing() {
    let all = server(&["*"]);
    let reply = all.send("GET", SERIES, &[("Origin", "https://anybody.example")], None);
    assert_eq!((reply.status, permitted(&reply)), (200, Some("*")));
    let none = server(&[]);
    let reply = none.send("GET", SERIES, &[("Origin", SITE)], None);
    assert_eq!((reply.status, permitted(&reply)), (200, None));
    assert_eq!(preflight(&none, SERIES, SITE, "GET").status, 405);
}
