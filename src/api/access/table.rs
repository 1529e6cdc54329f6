//! The required permission of each route. A route that is not listed is refused;
//! `tests/auth/routes.rs` tests every row with every role.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::api::constants::API;
use crate::auth::role::Role;

/// A group of read routes that can be opened to everybody (`--open`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RouteArea {
    /// Reads below `/api/v1`.
    Api,
    /// The figures for Prometheus: `/prometheus/...` and `/metrics/figures`.
    Prometheus,
    /// The web pages.
    Pages,
    /// The description of the API and the page to try it: `/docs`, `/openapi.json`.
    Docs,
    /// The health of the service: `/metrics`.
    Metrics,
}

impl RouteArea {
    /// All areas.
    pub const ALL: [Self; 5] =
        [Self::Api, Self::Prometheus, Self::Pages, Self::Docs, Self::Metrics];
    /// The areas with figures, and the description of the API (`--public-reads`).
    pub const FIGURES: [Self; 4] = [Self::Api, Self::Prometheus, Self::Pages, Self::Docs];
}

/// The required permission of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteAccess {
    /// None: the response only shows that the service is running.
    Public,
    /// The role reader, unless the area is open.
    Reading(RouteArea),
    /// At least this role, even if areas are open.
    Role(Role),
    /// A web page, or a form on one, that needs at least this role. The form of a signed-in browser
    /// must carry the token of its session (`src/web/request.rs`).
    Page(Role),
    /// Signing in: everybody, within the limits of requests without a key.
    SignIn,
}

const READ: RouteAccess = RouteAccess::Reading(RouteArea::Api);
const REPORTER: RouteAccess = RouteAccess::Role(Role::Reporter);
const STEWARD: RouteAccess = RouteAccess::Role(Role::Steward);
const ADMIN: RouteAccess = RouteAccess::Role(Role::Admin);
const READ_PROMETHEUS: RouteAccess = RouteAccess::Reading(RouteArea::Prometheus);
const PAGE: RouteAccess = RouteAccess::Reading(RouteArea::Pages);
const REPORTER_FORM: RouteAccess = RouteAccess::Page(Role::Reporter);
const STEWARD_PAGE: RouteAccess = RouteAccess::Page(Role::Steward);
const DOCS: RouteAccess = RouteAccess::Reading(RouteArea::Docs);

/// Method, path in the syntax of the router, and required permission.
type RouteRow = (&'static str, &'static str, RouteAccess);

/// All routes. The methods of a path are in
/// the order of its `Allow` header.
pub const ROUTES: &[RouteRow] = &[
    ("GET", "/api/v1/observations", READ),
    ("POST", "/api/v1/observations", REPORTER),
    ("POST", "/api/v1/workbooks", REPORTER),
    ("GET", "/api/v1/templates/{unit}/{period}.xlsx", READ),
    ("POST", "/api/v1/reports", REPORTER),
    ("GET", "/api/v1/reports/{submission}", READ),
    ("GET", "/api/v1/reports/{submission}/text", READ),
    ("GET", "/api/v1/reports/{unit}/{period}", READ),
    ("GET", "/api/v1/submissions/{id}", READ),
    ("DELETE", "/api/v1/submissions/{id}", REPORTER),
    ("GET", "/api/v1/series", READ),
    ("GET", "/api/v1/export", READ),
    ("GET", "/api/v1/ranking", READ),
    ("GET", "/api/v1/scorecard", READ),
    ("GET", "/api/v1/findings", READ),
    ("GET", "/api/v1/quality", READ),
    ("GET", "/api/v1/vintages", READ),
    ("GET", "/api/v1/completeness", READ),
    ("GET", "/api/v1/units", READ),
    ("PUT", "/api/v1/units", STEWARD),
    ("GET", "/api/v1/catalogue", READ),
    ("PUT", "/api/v1/catalogue", STEWARD),
    ("GET", "/api/v1/indicators", READ),
    ("GET", "/api/v1/kpis", READ),
    ("GET", "/api/v1/targets", READ),
    ("PUT", "/api/v1/targets", STEWARD),
    ("GET", "/api/v1/annotations", READ),
    ("PUT", "/api/v1/annotations", STEWARD),
    ("GET", "/api/v1/periods", READ),
    ("POST", "/api/v1/periods/{period}/close", STEWARD),
    ("POST", "/api/v1/periods/{period}/reopen", STEWARD),
    ("GET", "/api/v1/revisions", READ),
    ("GET", "/api/v1/ledger", READ),
    ("GET", "/api/v1/me", RouteAccess::Role(Role::Reader)),
    ("GET", "/api/v1/keys", ADMIN),
    ("POST", "/api/v1/keys", ADMIN),
    ("POST", "/api/v1/keys/{id}/rotate", ADMIN),
    ("DELETE", "/api/v1/keys/{id}", ADMIN),
    ("GET", "/api/v1/audit", ADMIN),
    ("GET", "/api/v1/openapi.json", DOCS),
    ("GET", "/openapi.json", DOCS),
    ("GET", "/docs", DOCS),
    ("GET", "/docs/{_:.*}", DOCS),
    ("GET", "/livez", RouteAccess::Public),
    ("GET", "/readyz", RouteAccess::Public),
    ("GET", "/metrics", RouteAccess::Reading(RouteArea::Metrics)),
    ("GET", "/metrics/figures", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/query", READ_PROMETHEUS),
    ("POST", "/prometheus/api/v1/query", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/query_range", READ_PROMETHEUS),
    ("POST", "/prometheus/api/v1/query_range", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/format_query", READ_PROMETHEUS),
    ("POST", "/prometheus/api/v1/format_query", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/labels", READ_PROMETHEUS),
    ("POST", "/prometheus/api/v1/labels", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/series", READ_PROMETHEUS),
    ("POST", "/prometheus/api/v1/series", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/query_exemplars", READ_PROMETHEUS),
    ("POST", "/prometheus/api/v1/query_exemplars", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/label/{name}/values", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/metadata", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/rules", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/alerts", READ_PROMETHEUS),
    ("GET", "/prometheus/api/v1/status/buildinfo", READ_PROMETHEUS),
    ("GET", "/prometheus/-/healthy", RouteAccess::Public),
    ("GET", "/prometheus/-/ready", RouteAccess::Public),
    ("GET", "/", PAGE),
    ("GET", "/assets/{name}", RouteAccess::Public),
    ("GET", "/favicon.ico", RouteAccess::Public),
    ("GET", "/sign-in", RouteAccess::Public),
    ("POST", "/sign-in", RouteAccess::SignIn),
    ("GET", "/sign-in/oidc", RouteAccess::SignIn),
    ("GET", "/sign-in/oidc/callback", RouteAccess::SignIn),
    ("POST", "/sign-out", RouteAccess::Page(Role::Reader)),
    ("GET", "/overview", PAGE),
    ("GET", "/units", PAGE),
    ("GET", "/systems/{system}", PAGE),
    ("GET", "/ranking", PAGE),
    ("GET", "/history", PAGE),
    ("GET", "/history.svg", PAGE),
    ("GET", "/reporting", PAGE),
    ("POST", "/reporting/remarks", STEWARD_PAGE),
    ("GET", "/entry", PAGE),
    ("POST", "/entry", REPORTER_FORM),
    ("POST", "/entry/check", REPORTER_FORM),
    ("POST", "/entry/send", REPORTER_FORM),
    ("POST", "/entry/reopening", REPORTER_FORM),
    ("GET", "/send", PAGE),
    ("POST", "/send", REPORTER_FORM),
    ("GET", "/send/{draft}", PAGE),
    ("POST", "/send/{draft}", REPORTER_FORM),
    ("GET", "/receipts/{submission}", PAGE),
    ("POST", "/receipts/{submission}", REPORTER_FORM),
    ("GET", "/admin", STEWARD_PAGE),
    ("GET", "/admin/closing", STEWARD_PAGE),
    ("POST", "/admin/closing", STEWARD_PAGE),
    ("GET", "/admin/units", STEWARD_PAGE),
    ("POST", "/admin/units", STEWARD_PAGE),
    ("POST", "/admin/units/merge", STEWARD_PAGE),
    ("GET", "/admin/catalogue", STEWARD_PAGE),
    ("POST", "/admin/catalogue", STEWARD_PAGE),
    ("POST", "/admin/catalogue/restore", STEWARD_PAGE),
    ("GET", "/admin/patterns", STEWARD_PAGE),
    ("POST", "/admin/patterns", STEWARD_PAGE),
    ("GET", "/admin/targets", STEWARD_PAGE),
    ("POST", "/admin/targets", STEWARD_PAGE),
    ("GET", "/admin/keys", RouteAccess::Page(Role::Admin)),
    ("POST", "/admin/keys", RouteAccess::Page(Role::Admin)),
    ("GET", "/admin/audit", RouteAccess::Page(Role::Admin)),
    ("GET", "/guide", PAGE),
    ("GET", "/guide/{name}", PAGE),
];

/// The rows of each path, by the path.
static BY_PATH: LazyLock<HashMap<&str, Vec<&RouteRow>>> = LazyLock::new(|| {
    let mut found: HashMap<&str, Vec<_>> = HashMap::new();
    for row in ROUTES {
        found.entry(row.1).or_default().push(row);
    }
    found
});

/// The required permission of a route; `None` if it is not listed.
#[must_use]
pub fn route_access(method: &str, pattern: &str) -> Option<RouteAccess> {
    let rows = BY_PATH.get(pattern)?;
    rows.iter().find(|(of, _, _)| *of == method).map(|(_, _, need)| *need)
}

/// The path of a request as the table has it, if it is one without parameters.
#[must_use]
pub fn fixed_path(path: &str) -> Option<&'static str> {
    let (listed, _) = BY_PATH.get_key_value(path)?;
    (!listed.contains('{')).then_some(*listed)
}

/// The methods of a path.
#[must_use]
pub fn methods(pattern: &str) -> Vec<&'static str> {
    BY_PATH.get(pattern).into_iter().flatten().map(|(method, _, _)| *method).collect()
}

/// The methods of the API at the path of a request, which may have parameters.
#[must_use]
pub fn methods_of_path(path: &str) -> Vec<&'static str> {
    let found = ROUTES.iter().find(|(_, of, _)| of.starts_with(API) && matches(of, path));
    found.map(|(_, of, _)| methods(of)).unwrap_or_default()
}

/// Whether a path is one of a route, which may have parameters.
fn matches(route: &str, path: &str) -> bool {
    let (parts, asked) = (route.split('/'), path.split('/'));
    let fits = |(part, asked): (&str, &str)| {
        if part.starts_with('{') { !asked.is_empty() } else { part == asked }
    };
    parts.clone().count() == asked.clone().count() && parts.zip(asked).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_is_listed_once_and_no_writing_route_can_be_public() {
        for (n, (method, path, need)) in ROUTES.iter().enumerate() {
            assert!(
                ROUTES.iter().skip(n + 1).all(|(other, same, _)| (other, same) != (method, path)),
                "{method} {path} is listed twice"
            );
            let asks = path.starts_with("/prometheus/");
            assert!(
                *method == "GET"
                    || asks
                    || matches!(
                        need,
                        RouteAccess::Role(Role::Reporter | Role::Steward | Role::Admin)
                            | RouteAccess::Page(_)
                            | RouteAccess::SignIn
                    ),
                "{method} {path} can be opened"
            );
        }
        assert_eq!(need_of("GET", "/nowhere"), None);
    }

    fn need_of(method: &str, path: &str) -> Option<RouteAccess> {
        route_access(method, path)
    }

    #[test]
    fn a_path_without_parameters_is_that_of_no_other_route() {
        for (_, fixed, _) in ROUTES {
            if let Some(fixed) = fixed_path(fixed) {
                let others = ROUTES.iter().filter(|(_, other, _)| *other != fixed);
                assert!(!others.clone().any(|(_, other, _)| matches(other, fixed)), "{fixed}");
            }
        }
        assert_eq!(fixed_path("/api/v1/series"), Some("/api/v1/series"));
        assert_eq!(fixed_path("/api/v1/submissions/{id}"), None);
    }

    #[test]
    fn every_documented_route_is_in_the_access_table() {
        let document = serde_json::to_value(crate::api::openapi()).unwrap();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().map(|method| method.to_uppercase()) {
                assert!(
                    route_access(&method, path).is_some(),
                    "{method} {path} is missing from the table of permissions"
                );
            }
        }
    }
}
