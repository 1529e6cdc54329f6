//! The health of the service, its OpenAPI document and its pages.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Api, Server, serve};
use crate::home::Home;
use egov_kpi::clock::Clock;

const OUTGOING: &str = "ioffice.documents.outgoing";

#[test]
fn livez_and_readyz_return_200() {
    let server = Server::start();
    assert_eq!((server.get("/livez").status, server.get("/readyz").status), (200, 200));
}

#[test]
fn while_the_ledger_loads_requests_return_503_with_retry_after() {
    let home = Home::new();
    let address = home.address();
    let (announce, announced) = std::sync::mpsc::channel();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let settings = egov_kpi::server::ServerSettings {
        workers: Some(2),
        ..egov_kpi::server::ServerSettings::at("127.0.0.1:0")
    };
    let open = move || {
        waits.recv().unwrap();
        egov_kpi::server::open(&address, Clock::default())
    };
    let starting = std::thread::spawn(move || {
        egov_kpi::server::start(&settings, open, |address| announce.send(address).unwrap())
    });
    let api = Api::of(&announced.recv_timeout(Duration::from_secs(20)).unwrap().to_string());
    assert_eq!(
        (api.get("/livez").status, api.get("/").status, api.get("/metrics").status),
        (200, 503, 200)
    );
    assert!(api.metric("egov_kpi_ready").abs() < f64::EPSILON);
    for path in ["/readyz", "units", "findings", "observations", "series?measure=x&unit=y&last=1"] {
        let reply = api.get(path);
        reply.problem(503);
        assert_ne!(reply.header("retry-after"), "", "{path}");
    }
    api.post_csv("observations", crate::harness::REPORT).problem(503);
    go_on.send(()).unwrap();
    let running = starting.join().unwrap().unwrap();
    assert_eq!(api.get("/readyz").status, 200);
    assert!((api.metric("egov_kpi_ready") - 1.0).abs() < f64::EPSILON);
    drop(api);
    running.stop();
}

#[test]
fn every_metric_has_the_service_prefix_and_changes_with_a_figure() {
    let server = Server::start();
    let recorded =
        |what: &str| server.metric(&format!("egov_kpi_recorded_total{{what=\"{what}\"}}"));
    let posts = || {
        server.metric(
            "egov_kpi_http_requests_total{method=\"POST\",route=\"/api/v1/observations\",\
             status=\"201\"}",
        )
    };
    let before = (
        recorded("submissions"),
        recorded("figures"),
        posts(),
        server.metric("egov_kpi_figures"),
        server.metric("egov_kpi_ledger_revision"),
    );
    server
        .record("travinh", &[(OUTGOING, "2021-10", 4), ("ioffice.documents.signed", "2021-10", 5)]);
    let after = (
        recorded("submissions"),
        recorded("figures"),
        posts(),
        server.metric("egov_kpi_figures"),
        server.metric("egov_kpi_ledger_revision"),
    );
    assert_eq!(
        after,
        (before.0 + 1.0, before.1 + 2.0, before.2 + 1.0, before.3 + 2.0, before.4 + 1.0)
    );
    assert!(
        (server.metric("egov_kpi_findings") - 1.0).abs() < f64::EPSILON,
        "5 signed of 4 outgoing"
    );
    assert!(server.metric("egov_kpi_cube_bytes") > 0.0);
    let now = f64::from(u32::try_from(chrono::Utc::now().timestamp()).unwrap());
    assert!((server.metric("egov_kpi_last_write_timestamp_seconds") - now).abs() < 60.0);
    let text = server.get("/metrics").text();
    for line in text.lines() {
        let name =
            line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).unwrap_or(line);
        assert!(name.starts_with("egov_kpi_"), "{line}");
    }
    assert!(text.contains("egov_kpi_http_request_seconds_bucket"));
}

#[test]
fn metrics_name_routes_and_never_what_a_client_made_up() {
    let server = Server::start();
    server.get("submissions/madeup1").problem(404);
    server.get("/madeup2/path").problem(404);
    server.get("madeup3").problem(404);
    server.raw(b"MADEUP4 /api/v1/units HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let text = server.get("/metrics").text();
    assert!(text.contains("route=\"/api/v1/submissions/{id}\""), "{text}");
    for made_up in ["madeup1", "madeup2", "madeup3", "MADEUP4"] {
        assert!(!text.contains(made_up), "{made_up} is a label: the number of labels is unlimited");
    }
}

#[test]
fn every_answer_has_the_number_of_its_request() {
    let server = Server::start();
    let given = server.send("GET", "units", &[("x-request-id", "trace-7")], None);
    assert_eq!(given.header("x-request-id"), "trace-7");
    let (one, other) = (server.get("units"), server.get("nothing"));
    assert_eq!((one.header("x-request-id").len(), other.header("x-request-id").len()), (26, 26));
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

#[test]
fn the_openapi_document_is_the_one_that_is_checked_in() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi/openapi.json");
    let renew = "renew it: target/debug/egov-kpi openapi > openapi/openapi.json";
    let checked_in =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}; {renew}"));
    let built = egov_kpi::api::openapi_text().unwrap();
    if let Some((line, (old, new))) =
        checked_in.lines().zip(built.lines()).enumerate().find(|(_, (old, new))| old != new)
    {
        panic!(
            "openapi/openapi.json differs from line {}: {old:?}, built is {new:?}; {renew}",
            line + 1
        );
    }
    assert_eq!(checked_in.len(), built.len(), "one is longer; {renew}");
}

#[test]
fn the_openapi_document_is_served_and_names_every_route() {
    let server = Server::start();
    let reply = server.get("openapi.json");
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.text(), egov_kpi::api::openapi_text().unwrap());
    let document = reply.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let calls = [
        ("/api/v1/observations", "post"),
        ("/api/v1/observations", "get"),
        ("/api/v1/submissions/{id}", "get"),
        ("/api/v1/submissions/{id}", "delete"),
        ("/api/v1/series", "get"),
        ("/api/v1/findings", "get"),
        ("/api/v1/units", "get"),
        ("/api/v1/units", "put"),
        ("/api/v1/catalogue", "get"),
        ("/api/v1/catalogue", "put"),
        ("/api/v1/indicators", "get"),
        ("/api/v1/kpis", "get"),
        ("/livez", "get"),
        ("/readyz", "get"),
        ("/metrics", "get"),
    ];
    for (path, method) in calls {
        assert_ne!(document["paths"][path][method], Value::Null, "{method} {path}");
    }
}

#[test]
fn every_operation_of_the_openapi_document_has_examples_and_described_parameters() {
    let document = serde_json::to_value(egov_kpi::api::openapi()).unwrap();
    assert_eq!(document["servers"][0]["url"], "/");
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|item| item.as_object().unwrap().values());
    let mut count = 0;
    for operation in operations {
        let name = operation["operationId"].as_str().unwrap();
        let has_example =
            |content: &Value| content.get("example").is_some() || content.get("examples").is_some();
        for parameter in operation["parameters"].as_array().unwrap() {
            let text = |field: &str| parameter[field].as_str().unwrap_or_default();
            assert!(!text("description").is_empty(), "{name}: {} is not described", text("name"));
            assert!(parameter.get("schema").is_some(), "{name}: {} has no schema", text("name"));
            let is_required = parameter["required"] == true;
            let is_shown = has_example(parameter) || !is_required;
            assert!(is_shown, "{name}: {} is required and has no example", text("name"));
        }
        for (media, content) in
            operation["requestBody"]["content"].as_object().into_iter().flatten()
        {
            assert!(has_example(content), "{name}: the body {media} has no example");
        }
        let responses = operation["responses"].as_object().unwrap().iter();
        let mut bodies = responses
            .filter(|(status, _)| status.starts_with('2'))
            .filter_map(|(_, response)| response["content"].as_object())
            .flat_map(|content| content.values());
        assert!(bodies.any(has_example), "{name}: no response has an example");
        count += 1;
    }
    assert!(count > 40);
}

/// The addresses in a page that a browser would load or link to.
fn addresses(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in ["src=\"", "href=\"", "url(", "@import "] {
        found.extend(
            page.split(attribute)
                .skip(1)
                .map(|rest| rest.split(['"', ')', ' ', '>']).next().unwrap_or_default().to_owned()),
        );
    }
    found
}

#[test]
fn the_pages_name_no_other_host_and_their_links_lead_somewhere() {
    let server = Server::start();
    assert_eq!(server.get("/docs").header("location"), "/docs/");
    let pages = [
        "/",
        "/docs/",
        "/ranking?unit=travinh",
        "/history?unit=travinh",
        "/systems/ioffice?unit=travinh",
        "/reporting?unit=travinh",
        "/units",
        "/entry?unit=travinh&period=2021-10",
        "/send",
        "/admin",
        "/admin/closing",
        "/admin/units",
        "/admin/catalogue",
        "/admin/patterns",
        "/admin/targets",
        "/admin/keys",
        "/admin/audit",
        "/guide",
        "/guide/officer",
        "/guide/api",
        "/sign-in",
    ];
    for page in pages {
        let reply = server.get(page);
        assert_eq!(reply.status, 200, "{page}");
        let found = addresses(&reply.text());
        assert!(!found.is_empty(), "{page} has links");
        for address in found {
            assert!(
                !address.starts_with("//") && !address.contains("://"),
                "{page} names {address}"
            );
            if address.starts_with("data:") || address.starts_with('#') {
                continue;
            }
            let address = address.replace("&amp;", "&");
            let path = if address.starts_with('/') {
                address.clone()
            } else {
                format!("{page}{}", address.trim_start_matches("./"))
            };
            assert_eq!(server.get(&path).status, 200, "{page} leads to {address}");
        }
    }
}

#[test]
fn the_page_to_try_the_interface_asks_no_outside_validator() {
    let server = Server::start();
    let settings = server.get("/docs/swagger-initializer.js");
    assert_eq!(settings.status, 200);
    let settings = settings.text();
    assert!(!settings.contains("http://") && !settings.contains("https://"), "{settings}");
    // Without this setting Swagger UI calls validator.swagger.io unless it is on localhost.
    assert!(settings.contains("validatorUrl"), "no validatorUrl: \"none\" in {settings}");
}

#[test]
fn a_stop_does_not_wait_for_clients_that_keep_their_connection_open() {
    let home = Home::new();
    let running = serve(&home.address());
    let api = Api::of(&running.address.to_string());
    api.read("units"); // the connection stays in the client's pool
    let started = Instant::now();
    running.stop();
    assert!(started.elapsed() < Duration::from_secs(5), "it took {:?}", started.elapsed());
    drop(api);
}
