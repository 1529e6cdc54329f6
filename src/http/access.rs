//! Who may call what: every request passes here before its handler sees it. What is not declared (`access/table.rs`) is refused.
//!
//! | file | holds |
//! |---|---|
//! | `access/table.rs` | what each route needs |
//! | `access/proxy.rs` | the address that a request comes from, behind proxies too |

mod proxy;
mod table;

use std::net::IpAddr;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, USER_AGENT,
    WWW_AUTHENTICATE,
};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use proxy::{Forwarding, Network};
pub use table::{Area, Need, ROUTES};

use super::Context;
use super::limits::{self, body};
use super::problem::Problem;
use crate::app::App;
use crate::app::access::{Identity, Role};
use crate::app::keys::Unrecognised;
use crate::app::tokens::{Refused, Tokens};

/// Longest `Authorization` header that is looked at, in bytes.
const MAX_CREDENTIALS: usize = 16_384;
/// Most characters that are kept of what a client's program calls itself.
const MAX_AGENT: usize = 200;

/// What is open, and how it is told who somebody is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What needs no key, though there are some.
    pub open: Vec<Area>,
    /// Whether only this machine reaches the service. Then it needs no key before there is a first one.
    pub loopback: bool,
    /// The proxies that are believed, and the header by which.
    pub forwarding: Forwarding,
    /// The single sign-on.
    pub tokens: Option<Tokens>,
}

impl Default for Settings {
    /// On this machine: nothing but the description of the interface is open once there are keys.
    fn default() -> Self {
        Self {
            open: vec![Area::Docs],
            loopback: true,
            forwarding: Forwarding::default(),
            tokens: None,
        }
    }
}

impl Settings {
    /// Whether nobody needs a key as yet.
    fn needs_none(&self, app: &App) -> bool {
        self.loopback && self.tokens.is_none() && app.ring().is_empty()
    }
}

/// Why a request is refused.
struct Refusal {
    /// For the metric and the log.
    reason: &'static str,
    problem: Box<Problem>,
}

impl Refusal {
    fn unauthorized(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, problem: Box::new(Problem::unauthorized(detail)) }
    }

    fn limited(bound: &'static str, detail: &str, wait: Duration) -> Self {
        Self { reason: bound, problem: Box::new(Problem::too_many(detail, wait).of_bound(bound)) }
    }

    fn forbidden(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, problem: Box::new(Problem::forbidden(detail)) }
    }
}

/// Who asks; told by the guard to the handler.
///
/// # Errors
/// 403 when nobody has looked: a handler is never reached past the guard.
pub fn who(request: &HttpRequest) -> Result<Identity, Problem> {
    request
        .extensions()
        .get::<Identity>()
        .cloned()
        .ok_or_else(|| Problem::forbidden("nobody has said who you are"))
}

/// Lets a request through when whoever sends it may.
///
/// # Errors
/// Those of inner middleware; a refusal is an answer.
pub async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !body::announced(request.headers()) {
        return admitted(request, None, next).await;
    }
    let mut payload = request.take_payload();
    let mut answer = admitted(request, Some(&mut payload), next).await?;
    if answer.request().extensions().get::<body::Read>().is_some() {
        return Ok(answer);
    }
    // What was not read of a body is not waited for.
    answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    Ok(answer.map_body(|_, inner| BoxBody::new(body::Unread::new(inner, payload))))
}

/// The answer to a request whose body, if it has one, is still to be read.
async fn admitted(
    request: ServiceRequest,
    payload: Option<&mut Payload>,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Err(problem) = limits::head(&request) {
        return Ok(request.into_response(problem.error_response()));
    }
    let Some(context) = request.app_data::<web::Data<Context>>().cloned() else {
        return Ok(request.into_response(Problem::internal().error_response()));
    };
    let address = context
        .access
        .forwarding
        .address(request.headers(), request.peer_addr().map(|peer| peer.ip()));
    // No route at all: that there is nothing is said to everybody. Nothing is handed on that was not looked up here.
    let Some(pattern) = pattern(&request) else {
        let answer = match anonymous(&context, address) {
            Ok(()) => super::no_such_route(request.request()),
            Err(refusal) => refusal.problem.error_response(),
        };
        return Ok(request.into_response(answer));
    };
    let Some(need) = table::need(request.method().as_str(), &pattern) else {
        return Ok(undeclared(request, &pattern));
    };
    if need == Need::Nothing {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let mut request = request;
    match admit(&context, &request, need, address).await {
        Ok(identity) => {
            if let Err(problem) = body(&mut request, payload, &context, need).await {
                // Who asks in PromQL is told in Prometheus' own shape.
                let asks = need == Need::Reading(Area::Prometheus)
                    && problem.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16();
                let answer =
                    if asks { super::prometheus::long_form() } else { problem.error_response() };
                return Ok(request.into_response(answer));
            }
            if let (Some(key), Ok(app)) = (&identity.origin.key, context.app()) {
                app.ring().used(key, identity.origin.address.as_deref());
            }
            request.extensions_mut().insert(identity);
            let answer = next.call(request).await?.map_into_boxed_body();
            if answer.status() == StatusCode::FORBIDDEN {
                let key = answer
                    .request()
                    .extensions()
                    .get::<Identity>()
                    .and_then(|identity| identity.origin.key.clone());
                tell(
                    &context,
                    "scope",
                    answer.request().method().as_str(),
                    &pattern,
                    address,
                    key.as_deref(),
                );
            }
            Ok(answer)
        }
        Err(refusal) => {
            if refusal.problem.status == StatusCode::UNAUTHORIZED.as_u16()
                || refusal.problem.status == StatusCode::FORBIDDEN.as_u16()
            {
                tell(&context, refusal.reason, request.method().as_str(), &pattern, address, None);
            }
            let answer = refused(&refusal, need, request.headers());
            Ok(request.into_response(answer))
        }
    }
}

/// The route that a path stands for. The router decodes what is percent-encoded first: a path that is another route once decoded, or only
/// then one, is none.
fn pattern(request: &ServiceRequest) -> Option<String> {
    let pattern = request.match_pattern()?;
    (request.resource_map().match_pattern(request.match_info().as_str()).as_ref() == Some(&pattern))
        .then_some(pattern)
}

/// 405 where the path answers other methods, 403 where somebody forgot to say who may call it.
fn undeclared(request: ServiceRequest, pattern: &str) -> ServiceResponse<BoxBody> {
    let methods = table::methods(pattern);
    if !methods.is_empty() {
        return request.into_response(Problem::method(&methods.join(", ")));
    }
    tracing::error!(pattern, "a route is not in the table of who may call what; it is refused");
    request.into_response(Problem::forbidden("nobody may call this").error_response())
}

/// Reads the body of what changes something, or asks by a form.
async fn body(
    request: &mut ServiceRequest,
    payload: Option<&mut Payload>,
    context: &Context,
    need: Need,
) -> Result<(), Problem> {
    let Some(payload) = payload else { return Ok(()) };
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        return Ok(());
    }
    let most = if matches!(need, Need::Role(_)) { super::MAX_BODY } else { super::MAX_FORM };
    body::read(request, payload, &context.limits, most).await
}

/// A request without a key: there may be only so many from an address. Before there is a first key nobody has one, and nothing is counted.
fn anonymous(context: &Context, address: Option<IpAddr>) -> Result<(), Refusal> {
    if context.app().is_ok_and(|app| context.access.needs_none(app)) {
        return Ok(());
    }
    let refused = |wait| {
        Refusal::limited(
            "rate_address",
            "too many requests without a key come from this address",
            wait,
        )
    };
    context.limits.rates.address(address).map_err(refused)
}

/// A line in the log, as far as there may be one more, and a count; never a word of what was sent.
fn tell(
    context: &Context,
    reason: &'static str,
    method: &str,
    route: &str,
    address: Option<IpAddr>,
    key: Option<&str>,
) {
    context.metrics.refused(reason);
    if context.limits.lines.may_write() {
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        tracing::warn!(
            reason,
            method,
            route,
            address,
            key = key.unwrap_or_default(),
            "a request was refused"
        );
    }
}

/// A refusal with how to sign in.
fn refused(refusal: &Refusal, need: Need, headers: &HeaderMap) -> HttpResponse {
    let mut answer = refusal.problem.error_response();
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer
            .headers_mut()
            .append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"egov-kpi\""));
        // A browser that opens a page asks its user for a name, which does not matter, and a password, the key.
        let page = headers
            .get(ACCEPT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        if page && matches!(need, Need::Reading(_)) {
            answer.headers_mut().append(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"egov-kpi\", charset=\"UTF-8\""),
            );
        }
    }
    answer
}

/// Who sends a request, when it may call what it calls.
async fn admit(
    context: &Context,
    request: &ServiceRequest,
    need: Need,
    address: Option<IpAddr>,
) -> Result<Identity, Refusal> {
    let settings = &context.access;
    let headers = request.headers();
    let app = match context.app() {
        Ok(app) => app,
        // Nothing of the ledger is known yet, whether there are keys neither; how far it is may be seen on this machine.
        Err(_loading)
            if settings.loopback
                && matches!(need, Need::Reading(Area::Pages | Area::Metrics | Area::Docs)) =>
        {
            return Ok(Identity::anonymous(Role::Reader));
        }
        Err(problem) => return Err(Refusal { reason: "loading", problem: Box::new(problem) }),
    };
    let from = |identity: Identity| {
        identity.from(address.map(|address| address.to_string()), agent(headers))
    };
    let open = matches!(need, Need::Reading(area) if settings.open.contains(&area));
    let identity = match credentials(headers)? {
        Some(Credentials { key, basic }) => {
            // A browser sends these by itself, also where a page of somebody else's makes it.
            if basic && !matches!(need, Need::Reading(_)) {
                return Err(Refusal::unauthorized(
                    "basic_write",
                    "a password opens pages and figures to a browser; everything else takes Authorization: Bearer",
                ));
            }
            from(signed_in(context, app, &key, address).await?)
        }
        None if settings.needs_none(app) => {
            let (proxied, foreign) = (proxy::is_forwarded(headers), cross_site(headers));
            if proxied {
                return Err(Refusal::unauthorized(
                    "missing",
                    "this request came through a proxy; without a key only this machine itself is served",
                ));
            }
            // A page whose name was made to lead here (DNS rebinding) is of one origin with this service, and would be let in.
            if !names_this_machine(headers) {
                return Err(Refusal::forbidden(
                    "cross_site",
                    "without a key this machine is served under localhost, 127.0.0.1 or [::1] only",
                ));
            }
            if foreign && !matches!(need, Need::Reading(_)) {
                return Err(Refusal::forbidden(
                    "cross_site",
                    "a page from elsewhere may not write here",
                ));
            }
            from(Identity::anonymous(Role::Admin))
        }
        None => {
            anonymous(context, address)?;
            if !open {
                return Err(Refusal::unauthorized(
                    "missing",
                    "send a key as Authorization: Bearer KEY",
                ));
            }
            from(Identity::anonymous(Role::Reader))
        }
    };
    let least = match need {
        Need::Nothing | Need::Reading(_) => Role::Reader,
        Need::Role(least) => least,
    };
    if identity.role < least {
        return Err(Refusal::forbidden(
            "role",
            format!(
                "this takes the role {least}; {} has the role {}",
                identity.name, identity.role
            ),
        ));
    }
    Ok(identity)
}

/// Who holds a key or a token, when this address may try, and its holder ask once more.
async fn signed_in(
    context: &Context,
    app: &App,
    key: &str,
    address: Option<IpAddr>,
) -> Result<Identity, Refusal> {
    let rates = &context.limits.rates;
    if let Err(wait) = rates.may_sign_in(address) {
        // Whoever has signed in from here already goes on, whatever others behind the same address try: nothing is told by that,
        // as the key is looked at all the same.
        let known = address.is_some_and(|address| {
            app.ring().was_used_from(app.ring().named(key), &address.to_string())
        });
        if !known {
            return Err(Refusal::limited(
                "rate_sign_in",
                "too many sign-ins from this address have failed",
                wait,
            ));
        }
    }
    let identity = recognise(app, &context.access, key).await.inspect_err(|refusal| {
        // A key that has ended is no guess.
        if matches!(refusal.reason, "unknown" | "token") {
            rates.failed(address);
        }
    })?;
    let refused = |wait| Refusal::limited("rate_key", "too many requests come with this key", wait);
    rates.key(&identity.holder).map_err(refused)?;
    Ok(identity)
}

/// Who holds a key or a token.
async fn recognise(app: &App, settings: &Settings, key: &str) -> Result<Identity, Refusal> {
    if let Some(tokens) = settings.tokens.as_ref().filter(|_| Tokens::looks_like_one(key)) {
        return tokens.recognise(key).await.map_err(|refused| match refused {
            Refused::Unmapped => Refusal::forbidden("unmapped", refused.to_string()),
            Refused::Invalid(_) | Refused::Unreachable => {
                Refusal::unauthorized("token", refused.to_string())
            }
        });
    }
    app.ring().recognise(key).map_err(|unrecognised| match unrecognised {
        Unrecognised::Unknown => Refusal::unauthorized("unknown", "this key is not known here"),
        Unrecognised::Expired => Refusal::unauthorized("expired", "this key has ended"),
        Unrecognised::Revoked => Refusal::unauthorized("revoked", "this key was revoked"),
    })
}

/// What a request signs in with.
struct Credentials {
    key: String,
    /// By name and password, as browsers do.
    basic: bool,
}

fn credentials(headers: &HeaderMap) -> Result<Option<Credentials>, Refusal> {
    let malformed =
        || Refusal::unauthorized("malformed", "the header is Authorization: Bearer KEY, once");
    let mut sent = headers.get_all(AUTHORIZATION);
    let Some(first) = sent.next() else { return Ok(None) };
    let text = first
        .to_str()
        .ok()
        .filter(|text| sent.next().is_none() && text.len() <= MAX_CREDENTIALS)
        .ok_or_else(malformed)?;
    let (scheme, rest) = text.trim().split_once(' ').ok_or_else(malformed)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer")
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic())
    {
        return Ok(Some(Credentials { key: rest.to_owned(), basic: false }));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD
            .decode(rest)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(malformed)?;
        let (_user, password) = decoded.split_once(':').ok_or_else(malformed)?;
        return Ok(Some(Credentials { key: password.to_owned(), basic: true }));
    }
    Err(malformed())
}

/// What a client's program calls itself.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect())
}

/// Whether a browser sends this for a page from elsewhere.
fn cross_site(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    match (text(ORIGIN), text(HOST)) {
        (Some(origin), Some(host)) => {
            origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host))
        }
        (Some(_), None) => true,
        (None, _) => text(HeaderName::from_static("sec-fetch-site"))
            .is_some_and(|site| !matches!(site, "same-origin" | "none")),
    }
}

/// Whether a request asks for this machine by a name that nobody else can give to another one.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn credentials_are_a_bearer_or_a_password() {
        let read = |text: &str| {
            credentials(&headers(&[("authorization", text)]))
                .map(|found| found.map(|found| (found.key, found.basic)))
                .map_err(|refusal| refusal.reason)
        };
        assert_eq!(read("Bearer ek_a_b"), Ok(Some(("ek_a_b".to_owned(), false))));
        assert_eq!(read("bearer  x "), Ok(Some(("x".to_owned(), false))));
        assert_eq!(read("Basic YW5hOmVrX2E6Yg=="), Ok(Some(("ek_a:b".to_owned(), true))));
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer a b", "Basic !", "Basic YW5h", "Digest x", "ek_a_b"]
        {
            assert_eq!(read(wrong), Err("malformed"), "{wrong}");
        }
        assert!(credentials(&headers(&[])).is_ok_and(|found| found.is_none()));
        assert!(
            credentials(&headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]))
                .is_err()
        );
        assert!(read(&format!("Bearer {}", "x".repeat(MAX_CREDENTIALS))).is_err());
    }

    #[test]
    fn a_page_from_elsewhere_is_told_by_its_origin() {
        let foreign = |pairs: &[(&'static str, &str)]| cross_site(&headers(pairs));
        assert!(!foreign(&[("host", "127.0.0.1:8080")]));
        assert!(!foreign(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")]));
        assert!(foreign(&[("host", "127.0.0.1:8080"), ("origin", "http://evil.example")]));
        assert!(foreign(&[("host", "127.0.0.1:8080"), ("origin", "null")]));
        assert!(foreign(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")]));
        assert!(!foreign(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn this_machine_has_names_that_nobody_else_can_give() {
        for (host, own) in [
            ("127.0.0.1:8080", true),
            ("127.0.0.1", true),
            ("[::1]:8080", true),
            ("LOCALHOST:8080", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("10.0.0.7:8080", false),
            ("", false),
        ] {
            assert_eq!(names_this_machine(&headers(&[("host", host)])), own, "{host}");
        }
        assert!(names_this_machine(&headers(&[])));
    }
}
