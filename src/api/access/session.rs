//! The cookies of browsers: of a session (`crate::auth::sessions`), and of a sign-in at the single
//! sign-on (`crate::auth::oidc::sign_on`).

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HOST, HeaderMap};

use super::super::context::ServiceContext;
use super::super::problem::Problem;
use super::table::RouteAccess;
use super::{AccessRefusal, check_anonymous_rate, is_cross_site, log_refusal, sign_in};
use crate::app::App;
use crate::auth::identity::{Identity, SignInMethod};
use crate::auth::oidc::{
    AuthorizationAnswer, BrowserSignOn, CALLBACK, MAX_AGE, RETRY, SignOnAttempt, SignOnError,
    TokenRejection,
};
use crate::auth::sessions::SessionCookie;

/// The name of the cookie.
const NAME: &str = "egov_kpi_session";
/// The name of the cookie of a sign-in that has begun.
const ATTEMPT: &str = "egov_kpi_sign_in";

/// The session cookie of a request, if it has one.
#[must_use]
pub fn session_cookie(headers: &HeaderMap) -> Option<SessionCookie> {
    SessionCookie::read(cookie_text(headers, NAME)?)
}

/// The cookie of a sign-in that the browser has begun, if it has one.
#[must_use]
pub fn attempt_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_text(headers, ATTEMPT)
}

fn cookie_text<'h>(headers: &'h HeaderMap, wanted: &str) -> Option<&'h str> {
    let texts = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| name.trim() == wanted).map(|(_, value)| value.trim())
}

/// The key of the session that a request belongs to. Sessions are only for pages and for reading:
/// the browser sends the cookie by itself.
pub(super) async fn key_of_session(
    context: &ServiceContext,
    app: &App,
    request: &ServiceRequest,
    need: RouteAccess,
    address: Option<IpAddr>,
) -> Result<Option<String>, AccessRefusal> {
    let headers = request.headers();
    if !matches!(need, RouteAccess::Reading(_) | RouteAccess::Page(_)) {
        return Ok(None);
    }
    let Some(cookie) = session_cookie(headers) else { return Ok(None) };
    // The cookie is `SameSite=Strict`: a link of another site opens a page without it.
    if *request.method() != Method::GET && is_cross_site(headers) {
        return Err(AccessRefusal::forbidden(
            "cross_site",
            "a page of another site cannot use this session",
        ));
    }
    // A cookie that somebody has made up costs a look into the database.
    if !app.remembers_session(&cookie) {
        check_anonymous_rate(context, address)?;
    }
    app.session_key(&cookie).await.map_err(|error| AccessRefusal {
        reason: "session",
        problem: Box::new(error.into()),
        guess: false,
    })
}

/// Signs in with a key that a person has typed, within the same limits as a request with the key,
/// and begins a session.
///
/// # Errors
/// 401 for a key that is not accepted, 403 for a request of another site, 429 above the limits, and
/// those of the store.
pub async fn sign_in_with_key(
    request: &HttpRequest,
    context: &ServiceContext,
    key: &str,
) -> Result<(Identity, SessionCookie), Problem> {
    let place = ("POST", "/sign-in");
    if is_cross_site(request.headers()) {
        let detail = "a page of another site cannot sign anybody in here";
        let refusal = AccessRefusal::forbidden("cross_site", detail);
        return Err(refused(request, context, place, refusal));
    }
    begin_session(request, context, place, key).await
}

/// The issuer's address to which a sign-in that begins sends the browser.
///
/// # Errors
/// 503 when the issuer does not respond.
pub async fn sign_on_address(
    request: &HttpRequest,
    context: &ServiceContext,
    sign_on: &BrowserSignOn,
    attempt: &SignOnAttempt,
) -> Result<String, Problem> {
    let place = ("GET", "/sign-in/oidc");
    let address = sign_on.authorization_address(attempt).await;
    address.map_err(|error| refused(request, context, place, refusal_of(context, error)))
}

/// Signs in with the code that the issuer has given the browser, and begins a session.
///
/// # Errors
/// 401 when the issuer or this service refuses, 403 for a person without a role, 429 above the
/// limits, 503 when the issuer does not respond, and those of the store.
pub async fn sign_in_with_code(
    request: &HttpRequest,
    context: &ServiceContext,
    sign_on: &BrowserSignOn,
    attempt: &SignOnAttempt,
    answer: &AuthorizationAnswer,
) -> Result<(Identity, SessionCookie), Problem> {
    let place = ("GET", CALLBACK);
    let (rates, address) = (&context.limits.rates, client_address(request, context));
    rates.may_sign_in(address).map_err(|wait| {
        let detail = "too many failed sign-ins from this address";
        refused(request, context, place, AccessRefusal::limited("rate_sign_in", detail, wait))
    })?;
    let token = sign_on.token(attempt, answer).await.map_err(|error| {
        // A code that the issuer refuses may be made up; each one occupies an exchange.
        let is_refused = !matches!(
            error,
            SignOnError::Unreachable(_)
                | SignOnError::Token(TokenRejection::Unreachable | TokenRejection::Unmapped)
        );
        if answer.code.is_some() && is_refused {
            rates.failed(address);
        }
        refused(request, context, place, refusal_of(context, error))
    })?;
    begin_session(request, context, place, &token).await
}

/// The refusal of an answer of the issuer to a sign-in that this browser has not begun.
pub fn foreign_sign_in(request: &HttpRequest, context: &ServiceContext) -> Problem {
    let detail = "this sign-in was not begun in this browser, or was begun more than 10 minutes \
                  ago; begin again";
    let refusal = AccessRefusal::unauthorized("sign_on", detail);
    refused(request, context, ("GET", CALLBACK), refusal)
}

fn refusal_of(context: &ServiceContext, error: SignOnError) -> AccessRefusal {
    if context.limits.lines.may_write() {
        let cause = match &error {
            SignOnError::Unreachable(cause) | SignOnError::Refused(cause) => cause.clone(),
            SignOnError::Token(rejection) => rejection.to_string(),
        };
        tracing::warn!(cause, "a sign-in at the single sign-on has failed");
    }
    let detail = error.to_string();
    match error {
        SignOnError::Unreachable(_) | SignOnError::Token(TokenRejection::Unreachable) => {
            AccessRefusal {
                reason: "issuer",
                problem: Box::new(Problem::issuer_unreachable(detail, RETRY)),
                guess: false,
            }
        }
        SignOnError::Token(TokenRejection::Unmapped) => AccessRefusal::forbidden(
            "unmapped",
            "the single sign-on knows you, but gives you no role in this service; ask its \
             administrator for one",
        ),
        SignOnError::Token(_) => AccessRefusal::unauthorized("token", detail),
        SignOnError::Refused(_) => AccessRefusal::unauthorized("sign_on", detail),
    }
}

/// Begins a session for the holder of a key or token.
async fn begin_session(
    request: &HttpRequest,
    context: &ServiceContext,
    place: (&str, &str),
    key: &str,
) -> Result<(Identity, SessionCookie), Problem> {
    let app = context.loaded()?;
    let signed_in = sign_in(context, app, key, client_address(request, context)).await;
    let identity = signed_in.map_err(|refusal| refused(request, context, place, refusal))?;
    if identity.origin.how == SignInMethod::Setup {
        let detail = "the one-time token creates the first key and signs nobody in; \
                      create a key first and sign in with it";
        return Err(Problem::forbidden(detail));
    }
    // Always a new cookie: a cookie that somebody else has put into the browser is worth nothing.
    let cookie = app.begin_session(key).await?;
    Ok((identity, cookie))
}

fn client_address(request: &HttpRequest, context: &ServiceContext) -> Option<IpAddr> {
    let peer = request.peer_addr().map(|peer| peer.ip());
    context.access.forwarding.address(request.headers(), peer)
}

/// Counts and logs the refusal of a sign-in.
fn refused(
    request: &HttpRequest,
    context: &ServiceContext,
    (method, route): (&str, &str),
    refusal: AccessRefusal,
) -> Problem {
    let address = client_address(request, context);
    log_refusal(context, refusal.reason, method, route, address, None);
    *refusal.problem
}

/// The cookie that begins a session in a browser.
#[must_use]
pub fn started_cookie(
    request: &HttpRequest,
    context: &ServiceContext,
    cookie: &SessionCookie,
) -> Cookie<'static> {
    made(request, context, (NAME, "/"), cookie.text(), SameSite::Strict)
}

/// The cookie that ends a session in a browser.
#[must_use]
pub fn ended_cookie(request: &HttpRequest, context: &ServiceContext) -> Cookie<'static> {
    let mut cookie = made(request, context, (NAME, "/"), String::new(), SameSite::Strict);
    cookie.set_max_age(CookieDuration::ZERO);
    cookie
}

/// The cookie of a sign-in that begins. The page of the issuer leads back to this service, so that
/// it cannot be `SameSite=Strict`.
#[must_use]
pub fn attempt_started_cookie(
    request: &HttpRequest,
    context: &ServiceContext,
    attempt: &SignOnAttempt,
) -> Cookie<'static> {
    let (place, text) = ((ATTEMPT, CALLBACK), attempt.cookie());
    let mut cookie = made(request, context, place, text, SameSite::Lax);
    cookie.set_max_age(CookieDuration::try_from(MAX_AGE).unwrap_or(CookieDuration::ZERO));
    cookie
}

/// The cookie that ends a sign-in that had begun.
#[must_use]
pub fn attempt_ended_cookie(request: &HttpRequest, context: &ServiceContext) -> Cookie<'static> {
    let mut cookie = made(request, context, (ATTEMPT, CALLBACK), String::new(), SameSite::Lax);
    cookie.set_max_age(CookieDuration::ZERO);
    cookie
}

fn made(
    request: &HttpRequest,
    context: &ServiceContext,
    (name, path): (&'static str, &'static str),
    value: String,
    same_site: SameSite,
) -> Cookie<'static> {
    let forwarded = request.headers().get("x-forwarded-proto");
    let behind_tls = forwarded.is_some_and(|scheme| scheme.as_bytes() == b"https");
    // Not every proxy that speaks TLS says so.
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let sign_on = context.access.sign_on.as_ref();
    let is_public = host.zip(sign_on).is_some_and(|(host, sign_on)| sign_on.is_host_with_tls(host));
    Cookie::build(name, value)
        .path(path)
        .http_only(true)
        .same_site(same_site)
        .secure(context.tls || behind_tls || is_public)
        .finish()
}
