//! What each route needs. A route that does not stand here is refused; `tests/auth/routes.rs` holds every row against every role.

use crate::app::access::Role;

/// A group of routes that is read, and that may be opened to everybody (`--open`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Area {
    /// Reading under `/api/v1`.
    Api,
    /// The figures as Prometheus sees them: `/prometheus/...` and `/metrics/figures`.
    Prometheus,
    /// The web pages.
    Pages,
    /// The description of the interface and the page to try it: `/docs`, `/openapi.json`.
    Docs,
    /// The service's own health: `/metrics`.
    Metrics,
}

impl Area {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Api, Self::Prometheus, Self::Pages, Self::Docs, Self::Metrics];
    /// What shows figures, and the description of how to read them (`--public-reads`).
    pub const FIGURES: [Self; 4] = [Self::Api, Self::Prometheus, Self::Pages, Self::Docs];
}

/// What a request needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// Nothing: it tells nothing but that the service is there.
    Nothing,
    /// The role of a reader, unless the area is open.
    Reading(Area),
    /// At least this role, always.
    Role(Role),
}

const READ: Need = Need::Reading(Area::Api);
const REPORT: Need = Need::Role(Role::Reporter);
const KEEP: Need = Need::Role(Role::Steward);
const ADMIN: Need = Need::Role(Role::Admin);
const ASK: Need = Need::Reading(Area::Prometheus);
const DOCS: Need = Need::Reading(Area::Docs);

/// Method, path as its route is declared, and what it needs. Of a path the methods stand in the order in which `Allow` names them.
pub const ROUTES: &[(&str, &str, Need)] = &[
    ("GET", "/api/v1/observations", READ),
    ("POST", "/api/v1/observations", REPORT),
    ("POST", "/api/v1/workbooks", REPORT),
    ("GET", "/api/v1/templates/{unit}/{period}.xlsx", READ),
    ("POST", "/api/v1/reports", REPORT),
    ("GET", "/api/v1/reports/{submission}", READ),
    ("GET", "/api/v1/reports/{submission}/text", READ),
    ("GET", "/api/v1/reports/{unit}/{period}", READ),
    ("GET", "/api/v1/submissions/{id}", READ),
    ("DELETE", "/api/v1/submissions/{id}", REPORT),
    ("GET", "/api/v1/series", READ),
    ("GET", "/api/v1/ranking", READ),
    ("GET", "/api/v1/scorecard", READ),
    ("GET", "/api/v1/findings", READ),
    ("GET", "/api/v1/quality", READ),
    ("GET", "/api/v1/completeness", READ),
    ("GET", "/api/v1/units", READ),
    ("PUT", "/api/v1/units", KEEP),
    ("GET", "/api/v1/catalogue", READ),
    ("PUT", "/api/v1/catalogue", KEEP),
    ("GET", "/api/v1/indicators", READ),
    ("GET", "/api/v1/kpis", READ),
    ("GET", "/api/v1/targets", READ),
    ("PUT", "/api/v1/targets", KEEP),
    ("GET", "/api/v1/annotations", READ),
    ("PUT", "/api/v1/annotations", KEEP),
    ("GET", "/api/v1/periods", READ),
    ("POST", "/api/v1/periods/{period}/close", KEEP),
    ("POST", "/api/v1/periods/{period}/reopen", KEEP),
    ("GET", "/api/v1/revisions", READ),
    ("GET", "/api/v1/ledger", READ),
    ("GET", "/api/v1/me", Need::Role(Role::Reader)),
    ("GET", "/api/v1/keys", ADMIN),
    ("POST", "/api/v1/keys", ADMIN),
    ("POST", "/api/v1/keys/{id}/rotate", ADMIN),
    ("DELETE", "/api/v1/keys/{id}", ADMIN),
    ("GET", "/api/v1/audit", ADMIN),
    ("GET", "/api/v1/openapi.json", DOCS),
    ("GET", "/openapi.json", DOCS),
    ("GET", "/docs", DOCS),
    ("GET", "/docs/{_:.*}", DOCS),
    ("GET", "/livez", Need::Nothing),
    ("GET", "/readyz", Need::Nothing),
    ("GET", "/metrics", Need::Reading(Area::Metrics)),
    ("GET", "/metrics/figures", ASK),
    ("GET", "/prometheus/api/v1/query", ASK),
    ("POST", "/prometheus/api/v1/query", ASK),
    ("GET", "/prometheus/api/v1/query_range", ASK),
    ("POST", "/prometheus/api/v1/query_range", ASK),
    ("GET", "/prometheus/api/v1/labels", ASK),
    ("POST", "/prometheus/api/v1/labels", ASK),
    ("GET", "/prometheus/api/v1/series", ASK),
    ("POST", "/prometheus/api/v1/series", ASK),
    ("GET", "/prometheus/api/v1/query_exemplars", ASK),
    ("POST", "/prometheus/api/v1/query_exemplars", ASK),
    ("GET", "/prometheus/api/v1/label/{name}/values", ASK),
    ("GET", "/prometheus/api/v1/metadata", ASK),
    ("GET", "/prometheus/api/v1/rules", ASK),
    ("GET", "/prometheus/api/v1/alerts", ASK),
    ("GET", "/prometheus/api/v1/status/buildinfo", ASK),
    ("GET", "/", Need::Reading(Area::Pages)),
];

/// What a route needs; none when nobody has said.
#[must_use]
pub fn need(method: &str, pattern: &str) -> Option<Need> {
    ROUTES.iter().find(|(of, path, _)| *of == method && *path == pattern).map(|(_, _, need)| *need)
}

/// The methods that a path answers.
#[must_use]
pub fn methods(pattern: &str) -> Vec<&'static str> {
    ROUTES.iter().filter(|(_, path, _)| *path == pattern).map(|(method, _, _)| *method).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_stands_once_and_nothing_that_writes_can_be_opened() {
        for (n, (method, path, need)) in ROUTES.iter().enumerate() {
            assert!(
                ROUTES.iter().skip(n + 1).all(|(other, same, _)| (other, same) != (method, path)),
                "{method} {path} stands twice"
            );
            let asks = path.starts_with("/prometheus/");
            assert!(
                *method == "GET"
                    || asks
                    || matches!(need, Need::Role(Role::Reporter | Role::Steward | Role::Admin)),
                "{method} {path} is open"
            );
        }
        assert_eq!(need_of("GET", "/nowhere"), None);
    }

    fn need_of(method: &str, path: &str) -> Option<Need> {
        need(method, path)
    }

    #[test]
    fn every_route_of_the_description_stands_in_the_table() {
        let document = serde_json::to_value(crate::http::openapi()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
                assert!(
                    need(&method, path).is_some(),
                    "{method} {path} is not in the table of who may call what"
                );
            }
        }
    }
}
