//! The cookie of a signed-in browser (`crate::auth::sessions`).

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieDuration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::{COOKIE, HeaderMap};

use super::super::context::ServiceContext;
use super::super::problem::Problem;
use super::table::RouteAccess;
use super::{AccessRefusal, check_anonymous_rate, is_cross_site, log_refusal, sign_in};
use crate::app::App;
use crate::auth::identity::{Identity, SignInMethod};
use crate::auth::sessions::SessionCookie;

/// The name of the cookie.
const NAME: &str = "egov_kpi_session";

/// The session cookie of a request, if it has one.
#[must_use]
pub fn session_cookie(headers: &HeaderMap) -> Option<SessionCookie> {
    let texts = headers.get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    let (_name, value) = pairs.find(|(name, _)| name.trim() == NAME)?;
    SessionCookie::read(value.trim())
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
    let app = context.loaded()?;
    let peer = request.peer_addr().map(|peer| peer.ip());
    let address = context.access.forwarding.address(request.headers(), peer);
    let refused = |refusal: AccessRefusal| {
        log_refusal(context, refusal.reason, "POST", "/sign-in", address, None);
        *refusal.problem
    };
    if is_cross_site(request.headers()) {
        return Err(refused(AccessRefusal::forbidden(
            "cross_site",
            "a page of another site cannot sign anybody in here",
        )));
    }
    let identity = sign_in(context, app, key, address).await.map_err(refused)?;
    if identity.origin.how == SignInMethod::Setup {
        let detail = "the one-time token creates the first key and signs nobody in; \
                      create a key first and sign in with it";
        return Err(Problem::forbidden(detail));
    }
    // Always a new cookie: a cookie that somebody else has put into the browser is worth nothing.
    let cookie = app.begin_session(key).await?;
    Ok((identity, cookie))
}

/// The cookie that begins a session in a browser.
#[must_use]
pub fn started_cookie(
    request: &HttpRequest,
    context: &ServiceContext,
    cookie: &SessionCookie,
) -> Cookie<'static> {
    made(request, context, cookie.text())
}

/// The cookie that ends a session in a browser.
#[must_use]
pub fn ended_cookie(request: &HttpRequest, context: &ServiceContext) -> Cookie<'static> {
    let mut cookie = made(request, context, String::new());
    cookie.set_max_age(CookieDuration::ZERO);
    cookie
}

fn made(request: &HttpRequest, context: &ServiceContext, value: String) -> Cookie<'static> {
    let forwarded = request.headers().get("x-forwarded-proto");
    let behind_tls = forwarded.is_some_and(|scheme| scheme.as_bytes() == b"https");
    Cookie::build(NAME, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(context.tls || behind_tls)
        .finish()
}
