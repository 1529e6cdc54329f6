//! Authorization: every request is checked here before its handler runs. A route that
//! `access/table.rs` does not list is refused.
//!
//! | file | contents |
//! |---|---|
//! | `access/table.rs` | the required permission of each route |
//! | `access/settings.rs` | the settings |
//! | `access/proxy.rs` | the address of the client, also behind proxies |
//! | `access/session.rs` | the cookie of a signed-in browser |

mod proxy;
mod session;
pub(super) mod settings;
pub(super) mod table;

use std::net::IpAddr;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    ACCEPT, AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN, USER_AGENT,
    WWW_AUTHENTICATE,
};
use actix_web::http::{ConnectionType, Method, StatusCode, Uri};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

pub use proxy::{IpNetwork, TrustedProxies};
pub use session::{
    attempt_cookie, attempt_ended_cookie, attempt_started_cookies, ended_cookie, foreign_sign_in,
    session_cookie, sign_in_with_code, sign_in_with_key, sign_on_address, started_cookie,
};
pub use settings::{AccessSettings, BeforeFirstKey};
pub use table::{ROUTES, RouteAccess, RouteArea};

use super::constants::{MAX_BODY, MAX_FORM};
use super::context::ServiceContext;
use super::limits::account::MemoryAccount;
use super::limits::known_sign_ins::SignInFingerprint;
use super::limits::rates::network;
use super::limits::{self, body};
use super::problem::Problem;
use super::request_route::RequestRoute;
use crate::app::App;
use crate::auth::api_keys::cache::KeyRejection;
use crate::auth::identity::{Identity, SignInMethod};
use crate::auth::oidc::{RETRY, TokenRejection, TokenVerifier};
use crate::auth::role::Role;
use crate::memory::MemoryOwner;

/// Maximum length of an `Authorization` header, in bytes; longer ones are refused.
const MAX_CREDENTIALS: usize = 16_384;
/// The `WWW-Authenticate` header of a response 401.
const BEARER: &str = "Bearer realm=\"egov-kpi\"";
/// Maximum number of characters that are recorded of a `User-Agent`.
const MAX_AGENT: usize = 200;

/// The refusal of a request.
struct AccessRefusal {
    /// The reason, for the metric and the log.
    reason: &'static str,
    problem: Box<Problem>,
    /// Whether the key or token may have been guessed; only guesses count as failed sign-ins.
    guess: bool,
}

impl AccessRefusal {
    fn unauthorized(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, problem: Box::new(Problem::unauthorized(detail)), guess: false }
    }

    fn limited(bound: &'static str, detail: &str, wait: Duration) -> Self {
        Self {
            reason: bound,
            problem: Box::new(Problem::too_many(detail, wait).of_bound(bound)),
            guess: false,
        }
    }

    fn forbidden(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, problem: Box::new(Problem::forbidden(detail)), guess: false }
    }

    /// Marks the refusal as a possible guess.
    fn into_failed_sign_in(self) -> Self {
        Self { guess: true, ..self }
    }
}

/// The request was a HEAD: the body of its response is dropped.
#[derive(Clone, Copy)]
pub(super) struct WithoutBody;

/// The identity that the guard has established for a handler.
///
/// # Errors
/// 403 when the guard has not run, so that no handler runs unprotected.
pub fn identity(request: &HttpRequest) -> Result<Identity, Problem> {
    request
        .extensions()
        .get::<Identity>()
        .cloned()
        .ok_or_else(|| Problem::forbidden("the request has no identity"))
}

/// Passes a request on if its sender has the permission.
///
/// # Errors
/// Those of inner middleware; a refusal is a response.
pub async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    normalize(&mut request);
    if !body::announces_body(request.headers()) {
        return handle(request, None, next).await;
    }
    let mut payload = request.take_payload();
    let mut answer = handle(request, Some(&mut payload), next).await?;
    if answer.request().extensions().get::<body::BodyRead>().is_some() {
        return Ok(answer);
    }
    // The rest of an unread body is not waited for.
    answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    Ok(answer.map_body(|_, inner| BoxBody::new(body::UnreadBody::new(inner, payload))))
}

/// The response to a request. Its body, if any, has not been read yet.
async fn handle(
    request: ServiceRequest,
    payload: Option<&mut Payload>,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if let Err(problem) = limits::head(&request) {
        return Ok(request.into_response(problem.error_response()));
    }
    let Some(context) = request.app_data::<web::Data<ServiceContext>>().cloned() else {
        return Ok(request.into_response(Problem::internal().error_response()));
    };
    let address = context
        .access
        .forwarding
        .address(request.headers(), request.peer_addr().map(|peer| peer.ip()));
    // Unknown paths get 404 whatever the key. No request without a route is passed on.
    let Some(RequestRoute(pattern)) = RequestRoute::of(&request) else {
        let answer = match check_anonymous_rate(&context, address) {
            Ok(()) => no_such_route(request.path()),
            Err(refusal) => refusal.problem.error_response(),
        };
        return Ok(request.into_response(answer));
    };
    let Some(need) = table::route_access(request.method().as_str(), &pattern) else {
        return Ok(refuse_undeclared(request, &pattern));
    };
    request.extensions_mut().insert(RequestRoute(pattern.clone()));
    if need == RouteAccess::Public {
        let account = MemoryAccount::new(
            &context.limits.memory,
            MemoryOwner::Address(address.map(|address| network(Some(address)))),
        );
        return Ok(account.run(next.call(request)).await?.map_into_boxed_body());
    }
    let mut request = request;
    if need == RouteAccess::SignIn {
        let account = MemoryAccount::new(
            &context.limits.memory,
            MemoryOwner::Address(address.map(|address| network(Some(address)))),
        );
        let read = match check_anonymous_rate(&context, address) {
            Ok(()) => read_body(&mut request, payload, &context, &account, need).await,
            Err(refusal) => Err(*refusal.problem),
        };
        let mut answer = match read {
            Ok(()) => account.run(next.call(request)).await?.map_into_boxed_body(),
            Err(problem) => request.into_response(problem.error_response()),
        };
        if answer.status() == StatusCode::UNAUTHORIZED {
            answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(BEARER));
        }
        return Ok(answer);
    }
    match authorize(&context, &request, need, address).await {
        Ok(identity) => {
            let memory = if need == RouteAccess::Reading(RouteArea::Metrics) {
                &context.limits.metrics
            } else {
                &context.limits.memory
            };
            let account = MemoryAccount::new(memory, memory_owner(&identity, address));
            if let Err(problem) = read_body(&mut request, payload, &context, &account, need).await {
                // PromQL clients expect errors in the shape of Prometheus.
                let asks = need == RouteAccess::Reading(RouteArea::Prometheus)
                    && problem.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16();
                let answer = if asks {
                    super::prometheus::form_too_long()
                } else {
                    problem.error_response()
                };
                return Ok(request.into_response(answer));
            }
            // Reading the body may have taken minutes, in which the key can expire.
            if let Err(error) = identity.still_valid() {
                log_refusal(
                    &context,
                    "ended",
                    request.method().as_str(),
                    &pattern,
                    address,
                    identity.origin.key.as_deref(),
                );
                let refusal = AccessRefusal {
                    reason: "ended",
                    problem: Box::new(error.into()),
                    guess: false,
                };
                let answer = refused(&refusal, need, request.headers());
                return Ok(request.into_response(answer));
            }
            if let (Some(key), Ok(app)) = (&identity.origin.key, context.loaded()) {
                app.api_keys().record_use(key, identity.origin.address.as_deref());
            }
            request.extensions_mut().insert(identity);
            let mut answer = account.run(next.call(request)).await?.map_into_boxed_body();
            report_late_refusal(&context, &mut answer, &pattern, address);
            Ok(answer)
        }
        Err(refusal) => {
            let refused_by_status =
                [StatusCode::UNAUTHORIZED.as_u16(), StatusCode::FORBIDDEN.as_u16()]
                    .contains(&refusal.problem.status);
            if refused_by_status || refusal.reason == "issuer" {
                log_refusal(
                    &context,
                    refusal.reason,
                    request.method().as_str(),
                    &pattern,
                    address,
                    None,
                );
            }
            let answer = refused(&refusal, need, request.headers());
            Ok(request.into_response(answer))
        }
    }
}

/// Completes and logs a response by which a handler or the writer has refused the request after it
/// was authorized.
fn report_late_refusal(
    context: &ServiceContext,
    answer: &mut ServiceResponse<BoxBody>,
    pattern: &str,
    address: Option<IpAddr>,
) {
    let ended = answer.status() == StatusCode::UNAUTHORIZED;
    if ended {
        answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(BEARER));
    }
    if ended || answer.status() == StatusCode::FORBIDDEN {
        let key = answer
            .request()
            .extensions()
            .get::<Identity>()
            .and_then(|identity| identity.origin.key.clone());
        log_refusal(
            context,
            if ended { "ended" } else { "scope" },
            answer.request().method().as_str(),
            pattern,
            address,
            key.as_deref(),
        );
    }
}

/// The required permission of a request, with this method instead of its own.
pub(super) fn access_of(request: &ServiceRequest, method: &str) -> Option<RouteAccess> {
    table::route_access(method, &RequestRoute::of(request)?.0)
}

/// 404, or 405 with `Allow` if the path is that of a route with other methods.
pub(super) fn no_such_route(path: &str) -> HttpResponse {
    let methods = table::methods_of_path(path);
    if methods.is_empty() {
        Problem::no_such_route(path).error_response()
    } else {
        Problem::method(&methods)
    }
}

/// 405 if the path has other methods; 403 if the route is missing from the table.
fn refuse_undeclared(request: ServiceRequest, pattern: &str) -> ServiceResponse<BoxBody> {
    let methods = table::methods(pattern);
    if !methods.is_empty() {
        return request.into_response(Problem::method(&methods));
    }
    tracing::error!(pattern, "a route is missing from the table of permissions; it is refused");
    request.into_response(Problem::forbidden("this path is not available").error_response())
}

/// Reads the body of a request that changes something or sends a form.
async fn read_body(
    request: &mut ServiceRequest,
    payload: Option<&mut Payload>,
    context: &ServiceContext,
    account: &MemoryAccount,
    need: RouteAccess,
) -> Result<(), Problem> {
    let Some(payload) = payload else { return Ok(()) };
    if !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
        return Ok(());
    }
    let large = matches!(need, RouteAccess::Role(_) | RouteAccess::Page(_));
    let most = if large { MAX_BODY } else { MAX_FORM };
    body::read(request, payload, &context.limits, account, most).await
}

/// The owner of the memory that a request takes: the holder of its key or token, otherwise its
/// address.
fn memory_owner(identity: &Identity, address: Option<IpAddr>) -> MemoryOwner {
    if identity.origin.how == SignInMethod::Nobody {
        return MemoryOwner::Address(address.map(|address| network(Some(address))));
    }
    MemoryOwner::Holder(identity.holder.as_str().into())
}

/// Handles HEAD as GET, because the HTTP library drops the body of its response, and a path with
/// doubled slashes or one at its end as the path without them.
fn normalize(request: &mut ServiceRequest) {
    if *request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
        request.extensions_mut().insert(WithoutBody);
    }
    let uri = request.uri();
    let Some(bare) = bare_path(uri.path()) else { return };
    let whole = uri.query().map_or_else(|| bare.clone(), |query| format!("{bare}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = whole.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
}

/// A path without doubled slashes and without one at its end; `None` if it has neither.
fn bare_path(path: &str) -> Option<String> {
    // The files of the API page have paths of their own.
    let of_docs = path.trim_start_matches('/').starts_with("docs/");
    let ends = path.len() > 1 && path.ends_with('/') && !of_docs;
    if !ends && !path.contains("//") {
        return None;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let end = if of_docs && path.ends_with('/') { "/" } else { "" };
    Some(format!("/{}{end}", parts.join("/")))
}

/// Checks the rate limit of requests without a key from one address. It does not apply until the
/// first key exists.
fn check_anonymous_rate(
    context: &ServiceContext,
    address: Option<IpAddr>,
) -> Result<(), AccessRefusal> {
    if context.loaded().is_ok_and(|app| context.access.has_no_key_yet(app)) {
        return Ok(());
    }
    let refused = |wait| {
        AccessRefusal::limited(
            "rate_address",
            "too many requests without a key from this address",
            wait,
        )
    };
    context.limits.rates.address(address).map_err(refused)
}

/// Counts a refusal and logs it within the rate limit of the log. Nothing that the client sent in
/// its body or headers is logged.
fn log_refusal(
    context: &ServiceContext,
    reason: &'static str,
    method: &str,
    route: &str,
    address: Option<IpAddr>,
    key: Option<&str>,
) {
    context.metrics.count_refusal(reason);
    if context.limits.lines.may_write() {
        let address = address.map(|address| address.to_string()).unwrap_or_default();
        let method = super::request_log::shown_method(method);
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

/// The response of a refusal, with the accepted authentication schemes.
fn refused(refusal: &AccessRefusal, need: RouteAccess, headers: &HeaderMap) -> HttpResponse {
    let mut answer = refusal.problem.error_response();
    if answer.status() == StatusCode::UNAUTHORIZED {
        answer.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(BEARER));
        // A browser that opens a table or a file asks its user for a name, which is ignored, and a
        // password, which is the key. The web pages have a page of their own for signing in.
        let browser = headers
            .get(ACCEPT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|accept| accept.contains("text/html"));
        let is_page = need == RouteAccess::Reading(RouteArea::Pages);
        if browser && !is_page && matches!(need, RouteAccess::Reading(_)) {
            answer.headers_mut().append(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"egov-kpi\", charset=\"UTF-8\""),
            );
        }
    }
    answer
}

/// Authenticates the sender of a request and checks its permission.
async fn authorize(
    context: &ServiceContext,
    request: &ServiceRequest,
    need: RouteAccess,
    address: Option<IpAddr>,
) -> Result<Identity, AccessRefusal> {
    let settings = &context.access;
    let headers = request.headers();
    let app = match context.loaded() {
        Ok(app) => app,
        // Until the ledger is loaded it is unknown whether keys exist. Only the progress of loading
        // is shown, on this machine.
        Err(_loading)
            if settings.loopback
                && matches!(
                    need,
                    RouteAccess::Reading(RouteArea::Pages | RouteArea::Metrics | RouteArea::Docs)
                ) =>
        {
            return Ok(Identity::anonymous(Role::Reader));
        }
        Err(problem) => {
            return Err(AccessRefusal {
                reason: "loading",
                problem: Box::new(problem),
                guess: false,
            });
        }
    };
    let from = |identity: Identity| {
        identity.from(address.map(|address| address.to_string()), agent(headers))
    };
    let open = matches!(need, RouteAccess::Reading(area) if settings.open.contains(&area));
    let identity = match read_credential(headers)? {
        Some(PresentedCredential { key, basic }) => {
            // Browsers send Basic credentials automatically, also for requests that another site
            // triggers.
            if basic && !matches!(need, RouteAccess::Reading(_)) {
                return Err(AccessRefusal::unauthorized(
                    "basic_write",
                    "a password in a browser only gives access to pages and figures; everything \
                     else needs Authorization: Bearer",
                ));
            }
            from(sign_in(context, app, &key, address).await?)
        }
        None if settings.has_no_key_yet(app) => {
            from(authorize_before_first_key(settings, app, headers, need)?)
        }
        None => match session::key_of_session(context, app, request, need, address).await? {
            Some(key) => match sign_in_again(context, app, &key, address).await {
                // The session has ended with its key or token. What is open needs none.
                Err(refusal) if open && refusal.problem.status == 401 => {
                    from(Identity::anonymous(Role::Reader))
                }
                signed_in => from(signed_in?),
            },
            None => {
                check_anonymous_rate(context, address)?;
                if !open {
                    let detail = if matches!(need, RouteAccess::Page(_)) {
                        "sign in to use this page"
                    } else {
                        "send a key as Authorization: Bearer KEY"
                    };
                    return Err(AccessRefusal::unauthorized("missing", detail));
                }
                from(Identity::anonymous(Role::Reader))
            }
        },
    };
    let least = match need {
        RouteAccess::Public | RouteAccess::SignIn | RouteAccess::Reading(_) => Role::Reader,
        RouteAccess::Role(least) | RouteAccess::Page(least) => least,
    };
    if identity.role < least {
        return Err(AccessRefusal::forbidden(
            "role",
            format!(
                "this needs the role {least}; {} has the role {}",
                identity.name, identity.role
            ),
        ));
    }
    Ok(identity)
}

/// The identity of a request before the first key exists: its sender is on this machine, or holds
/// the one-time token.
fn authorize_before_first_key(
    settings: &AccessSettings,
    app: &App,
    headers: &HeaderMap,
    need: RouteAccess,
) -> Result<Identity, AccessRefusal> {
    let (proxied, foreign) = (proxy::is_forwarded(headers), is_cross_site(headers));
    if proxied {
        return Err(AccessRefusal::unauthorized(
            "missing",
            "this request came through a proxy; until there is a key, only requests from this \
             machine itself are allowed",
        ));
    }
    // With DNS rebinding a foreign page has the same origin as this service; only the host
    // name reveals it.
    if !names_loopback_host(headers) {
        return Err(AccessRefusal::forbidden(
            "cross_site",
            "until there is a key, the service is only available as localhost, 127.0.0.1 or [::1]",
        ));
    }
    if foreign && !matches!(need, RouteAccess::Reading(_)) {
        return Err(AccessRefusal::forbidden(
            "cross_site",
            "a page of another site cannot change anything here",
        ));
    }
    match settings.before_first_key {
        BeforeFirstKey::Everything => Ok(Identity::before_first_key(Role::Admin, app.api_keys())),
        BeforeFirstKey::Reading(_)
            if matches!(need, RouteAccess::Reading(_) | RouteAccess::Role(Role::Reader)) =>
        {
            Ok(Identity::before_first_key(Role::Reader, app.api_keys()))
        }
        BeforeFirstKey::Reading(_) => {
            let refusal = AccessRefusal::unauthorized(
                "missing",
                "there is no key yet: create one with `egov-kpi keys add --name NAME --role \
                 admin`, or send the one-time token that the service printed when it started, as \
                 Authorization: Bearer TOKEN",
            );
            let vi = "chưa có khóa truy cập: hãy tạo khóa bằng `egov-kpi keys add --name TÊN \
                --role admin`, hoặc gửi mã dùng một lần mà dịch vụ đã in ra khi khởi động, trong \
                Authorization: Bearer MÃ";
            Err(AccessRefusal { problem: Box::new(refusal.problem.in_vietnamese(vi)), ..refusal })
        }
    }
}

/// The identity of a key or token, within the rate limits of its address and its holder.
async fn sign_in(
    context: &ServiceContext,
    app: &App,
    key: &str,
    address: Option<IpAddr>,
) -> Result<Identity, AccessRefusal> {
    let (settings, limits) = (&context.access, &context.limits);
    if let BeforeFirstKey::Reading(token) = &settings.before_first_key
        && token.is(key)
    {
        return if settings.has_no_key_yet(app) {
            Ok(Identity::setup(app.api_keys()))
        } else {
            Err(AccessRefusal::unauthorized(
                "setup",
                "the one-time token is no longer valid, because there is a key",
            ))
        };
    }
    let fingerprint = fingerprint(settings, key);
    let too_many = |wait| {
        AccessRefusal::limited("rate_sign_in", "too many failed sign-ins from this address", wait)
    };
    // Keys that have signed in from this address keep working, whatever other clients behind the
    // same address try. No other key is examined meanwhile.
    let spent = limits.rates.may_sign_in(address).err();
    if let Some(wait) = spent
        && !fingerprint.is_some_and(|fingerprint| limits.known.contains(address, &fingerprint))
    {
        return Err(too_many(wait));
    }
    let identity = match identify(app, settings, key).await {
        Ok(identity) => identity,
        Err(refusal) if refusal.guess => {
            // Without any key there is nothing to guess.
            if !settings.has_no_key_yet(app) {
                limits.rates.failed(address);
            }
            return Err(spent.map_or(refusal, too_many));
        }
        // An expired key or an unreachable issuer is not a guess; it counts like a request without
        // a key.
        Err(refusal) => {
            return Err(check_anonymous_rate(context, address).err().unwrap_or(refusal));
        }
    };
    if let Some(fingerprint) = fingerprint {
        limits.known.insert(address, fingerprint);
    }
    check_key_rate(context, identity)
}

/// Signs in with the key or token of a session. It was accepted when the session began, so it is no
/// guess, whatever has become of it.
async fn sign_in_again(
    context: &ServiceContext,
    app: &App,
    key: &str,
    address: Option<IpAddr>,
) -> Result<Identity, AccessRefusal> {
    match identify(app, &context.access, key).await {
        Ok(identity) => check_key_rate(context, identity),
        Err(refusal) => Err(check_anonymous_rate(context, address).err().unwrap_or(refusal)),
    }
}

fn check_key_rate(context: &ServiceContext, identity: Identity) -> Result<Identity, AccessRefusal> {
    let refused =
        |wait| AccessRefusal::limited("rate_key", "too many requests with this key", wait);
    context.limits.rates.key(&identity.holder).map_err(refused)?;
    Ok(identity)
}

/// The fingerprint by which a sign-in is remembered: of the key itself, or of the subject of a
/// token, because a subject gets a new token every few minutes.
fn fingerprint(settings: &AccessSettings, key: &str) -> Option<SignInFingerprint> {
    let remembered = if settings.tokens.is_some() && TokenVerifier::looks_like_token(key) {
        TokenVerifier::claimed_holder(key)?
    } else {
        key.to_owned()
    };
    Some(Sha256::digest(remembered).into())
}

/// The identity of a key or token.
async fn identify(
    app: &App,
    settings: &AccessSettings,
    key: &str,
) -> Result<Identity, AccessRefusal> {
    if let Some(tokens) = settings.tokens.as_ref().filter(|_| TokenVerifier::looks_like_token(key))
    {
        return tokens.identify(key).await.map_err(|refused| match refused {
            TokenRejection::Unmapped => AccessRefusal::forbidden("unmapped", refused.to_string()),
            TokenRejection::Invalid(_) => {
                AccessRefusal::unauthorized("token", refused.to_string()).into_failed_sign_in()
            }
            TokenRejection::NotValid(_) => {
                AccessRefusal::unauthorized("token", refused.to_string())
            }
            TokenRejection::Unreachable => AccessRefusal {
                reason: "issuer",
                problem: Box::new(Problem::issuer_unreachable(refused.to_string(), RETRY)),
                guess: false,
            },
        });
    }
    Identity::of_key(app.api_keys(), key).map_err(|unrecognised| match unrecognised {
        KeyRejection::Unknown => {
            AccessRefusal::unauthorized("unknown", "unknown key").into_failed_sign_in()
        }
        KeyRejection::Expired => AccessRefusal::unauthorized("expired", "this key has expired"),
        KeyRejection::Revoked => AccessRefusal::unauthorized("revoked", "this key was revoked"),
    })
}

/// The credentials of a request.
struct PresentedCredential {
    key: String,
    /// Whether they were sent as name and password (HTTP Basic), as browsers do.
    basic: bool,
}

fn read_credential(headers: &HeaderMap) -> Result<Option<PresentedCredential>, AccessRefusal> {
    let malformed =
        || AccessRefusal::unauthorized("malformed", "send one header Authorization: Bearer KEY");
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
        return Ok(Some(PresentedCredential { key: rest.to_owned(), basic: false }));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD
            .decode(rest)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(malformed)?;
        let (_user, password) = decoded.split_once(':').ok_or_else(malformed)?;
        return Ok(Some(PresentedCredential { key: password.to_owned(), basic: true }));
    }
    Err(malformed())
}

/// The name of the client program, from its `User-Agent`.
fn agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(USER_AGENT)?.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect())
}

/// Whether a browser sends this request for a page of another site.
fn is_cross_site(headers: &HeaderMap) -> bool {
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

/// Whether the `Host` header is a loopback name, which no DNS server can assign to another machine.
fn names_loopback_host(headers: &HeaderMap) -> bool {
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
    fn a_credential_is_a_bearer_token_or_a_basic_password() {
        let read = |text: &str| {
            read_credential(&headers(&[("authorization", text)]))
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
        assert!(read_credential(&headers(&[])).is_ok_and(|found| found.is_none()));
        assert!(
            read_credential(&headers(&[
                ("authorization", "Bearer a"),
                ("authorization", "Bearer b")
            ]))
            .is_err()
        );
        assert!(read(&format!("Bearer {}", "x".repeat(MAX_CREDENTIALS))).is_err());
    }

    #[test]
    fn a_cross_site_request_is_detected_by_its_origin() {
        let foreign = |pairs: &[(&'static str, &str)]| is_cross_site(&headers(pairs));
        assert!(!foreign(&[("host", "127.0.0.1:8080")]));
        assert!(!foreign(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")]));
        assert!(foreign(&[("host", "127.0.0.1:8080"), ("origin", "http://evil.example")]));
        assert!(foreign(&[("host", "127.0.0.1:8080"), ("origin", "null")]));
        assert!(foreign(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "cross-site")]));
        assert!(!foreign(&[("host", "127.0.0.1:8080"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn loopback_host_names_are_recognised() {
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
            assert_eq!(names_loopback_host(&headers(&[("host", host)])), own, "{host}");
        }
        assert!(names_loopback_host(&headers(&[])));
    }
}
