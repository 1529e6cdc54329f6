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
use crate::clock::TimestampMicros;

/// The name of the cookie.
const NAME: &str = "egov_kpi_session";
/// The beginning of the names of the cookies of sign-ins that have begun; the attempt follows.
const ATTEMPT: &str = "egov_kpi_sign_in.";
/// What the names of cookies begin with where browsers use TLS: a browser takes such a cookie from
/// this host alone, not from a neighbour in the same domain, nor over an open connection.
const HOST_PREFIX: &str = "__Host-";
/// The path of the single sign-on, of the cookies of its attempts without TLS.
const SIGN_ON: &str = "/sign-in/oidc";
/// Most sign-ins that a browser has begun at once; a further one replaces the oldest.
const MAX_ATTEMPTS: usize = 4;

/// The session cookie of a request, if it has one.
#[must_use]
pub fn session_cookie(headers: &HeaderMap, context: &ServiceContext) -> Option<SessionCookie> {
    let wanted = name_of_cookie(is_secure(headers, context), NAME);
    let mut found = cookies(headers).filter(|(name, _)| *name == wanted);
    found.next().and_then(|(_, text)| SessionCookie::read(text))
}

/// The cookie of the sign-in with this `state` that the browser has begun, if it has one.
#[must_use]
pub fn attempt_cookie<'h>(
    headers: &'h HeaderMap,
    context: &ServiceContext,
    state: &str,
) -> Option<&'h str> {
    let of_attempt = format!("{ATTEMPT}{}", SignOnAttempt::name_of(state)?);
    let wanted = name_of_cookie(is_secure(headers, context), &of_attempt);
    cookies(headers).find(|(name, _)| *name == wanted).map(|(_, text)| text)
}

/// The cookies of a request: names and values.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let texts = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim(), value.trim()))
}

fn name_of_cookie(is_secure: bool, name: &str) -> String {
    if is_secure { format!("{HOST_PREFIX}{name}") } else { name.to_owned() }
}

/// Whether the browser has reached this service by TLS.
fn is_secure(headers: &HeaderMap, context: &ServiceContext) -> bool {
    let forwarded = headers.get("x-forwarded-proto");
    let behind_tls = forwarded.is_some_and(|scheme| scheme.as_bytes() == b"https");
    // Not every proxy that speaks TLS says so.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let sign_on = context.access.sign_on.as_ref();
    let is_public = host.zip(sign_on).is_some_and(|(host, sign_on)| sign_on.is_host_with_tls(host));
    context.tls || behind_tls || is_public
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
    let Some(cookie) = session_cookie(headers, context) else { return Ok(None) };
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
    let is_secure = is_secure(request.headers(), context);
    let name = name_of_cookie(is_secure, NAME);
    made((name, "/"), cookie.text(), SameSite::Strict, is_secure)
}

/// The cookie that ends a session in a browser.
#[must_use]
pub fn ended_cookie(request: &HttpRequest, context: &ServiceContext) -> Cookie<'static> {
    let is_secure = is_secure(request.headers(), context);
    ended((name_of_cookie(is_secure, NAME), "/"), SameSite::Strict, is_secure)
}

/// The cookies of a sign-in that begins: its own, and the ends of the oldest ones where the browser
/// has too many, such as one for each of its tabs. The page of the issuer leads back to this
/// service, so that they cannot be `SameSite=Strict`.
#[must_use]
pub fn attempt_started_cookies(
    request: &HttpRequest,
    context: &ServiceContext,
    attempt: &SignOnAttempt,
) -> Vec<Cookie<'static>> {
    let is_secure = is_secure(request.headers(), context);
    let prefix = name_of_cookie(is_secure, ATTEMPT);
    let mut begun: Vec<(TimestampMicros, &str)> = cookies(request.headers())
        .filter(|(name, _)| name.starts_with(&prefix))
        .map(|(name, text)| (SignOnAttempt::begun_at(text).unwrap_or_default(), name))
        .collect();
    begun.sort_unstable();
    let too_many = begun.len().saturating_sub(MAX_ATTEMPTS - 1);
    let path = attempt_path(is_secure);
    let ends = begun.into_iter().take(too_many);
    let mut found: Vec<Cookie<'static>> =
        ends.map(|(_, name)| ended((name.to_owned(), path), SameSite::Lax, is_secure)).collect();
    let name = format!("{prefix}{}", attempt.name());
    let mut own = made((name, path), attempt.cookie(), SameSite::Lax, is_secure);
    own.set_max_age(CookieDuration::try_from(MAX_AGE).unwrap_or(CookieDuration::ZERO));
    found.push(own);
    found
}

/// The cookie that ends a sign-in that had begun.
#[must_use]
pub fn attempt_ended_cookie(
    request: &HttpRequest,
    context: &ServiceContext,
    attempt: &SignOnAttempt,
) -> Cookie<'static> {
    let is_secure = is_secure(request.headers(), context);
    let name = name_of_cookie(is_secure, &format!("{ATTEMPT}{}", attempt.name()));
    ended((name, attempt_path(is_secure)), SameSite::Lax, is_secure)
}

/// A cookie of a host (`__Host-`) has no other path than `/`.
fn attempt_path(is_secure: bool) -> &'static str {
    if is_secure { "/" } else { SIGN_ON }
}

fn ended(place: (String, &'static str), same_site: SameSite, is_secure: bool) -> Cookie<'static> {
    let mut cookie = made(place, String::new(), same_site, is_secure);
    cookie.set_max_age(CookieDuration::ZERO);
    cookie
}

fn made(
    (name, path): (String, &'static str),
    value: String,
    same_site: SameSite,
    is_secure: bool,
) -> Cookie<'static> {
    Cookie::build(name, value)
        .path(path)
        .http_only(true)
        .same_site(same_site)
        .secure(is_secure)
        .finish()
}
