//! Signing in at the single sign-on (`crate::auth::oidc`).

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{Data, Query};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use maud::{Markup, html};

use super::language::PageLanguage;
use super::layout::{NextPage, document, see_other};
use super::request::{address, own_path, sign_in_target};
use crate::api::access::{
    attempt_cookie, attempt_ended_cookie, attempt_started_cookies, foreign_sign_in,
    sign_in_with_code, sign_on_address, started_cookie,
};
use crate::api::{HandlerResult, Problem, ServiceContext};
use crate::auth::oidc::{AuthorizationAnswer, BrowserSignOn, SignOnAttempt};

/// Where a browser continues after its session of a token has ended.
pub const SIGNED_OUT: &str = "/sign-in?signed_out=oidc";

/// The address at which signing in begins, where the service offers it: on the address to which the
/// issuer sends browsers back, whatever address the browser has come by.
#[must_use]
pub fn link(request: &HttpRequest, target: &str) -> Option<String> {
    let sign_on = offered(request.app_data::<Data<ServiceContext>>()?).ok()?;
    Some(sign_on.public_address(&address("/sign-in/oidc", [("target", target)])))
}

/// After signing out here: the link to sign out of the single sign-on as well.
#[must_use]
pub fn signed_out(request: &HttpRequest, language: PageLanguage) -> Markup {
    let has_ended = SIGNED_OUT.ends_with(&format!("?{}", request.query_string()));
    let context = request.app_data::<Data<ServiceContext>>().filter(|_| has_ended);
    let sign_on = context.and_then(|context| offered(context).ok());
    html! {
        @if let Some(place) = sign_on.and_then(BrowserSignOn::sign_out_address) {
            p.notice {
                (language.say(
                    "Bạn đã đăng xuất khỏi dịch vụ này, nhưng chưa đăng xuất khỏi hệ thống đăng \
                     nhập một lần. ",
                    "You have signed out of this service, but not of the single sign-on. ",
                ))
                a href=(place) {
                    (language.say("Đăng xuất khỏi hệ thống đó", "Sign out of it"))
                }
            }
        }
    }
}

/// Sends the browser to the issuer. A link leads here, because a form may not lead to another site
/// (`form-action`).
///
/// # Errors
/// 401 without single sign-on on the pages, 503 when the issuer does not respond.
pub async fn begin(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let sign_on = offered(&context)?;
    let attempt = SignOnAttempt::begin(&own_path(&sign_in_target(&request)))?;
    let place = sign_on_address(&request, &context, sign_on, &attempt).await?;
    let mut answer = see_other(&place);
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    for cookie in attempt_started_cookies(&request, &context, &attempt) {
        // A cookie that cannot be written is an error of the program.
        let _written = answer.add_cookie(&cookie);
    }
    Ok(answer)
}

/// Signs in the browser that the issuer has sent back.
///
/// # Errors
/// 401 for a sign-in that another browser has begun.
pub async fn callback(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let sign_on = offered(&context)?;
    let foreign = || foreign_sign_in(&request, &context);
    let answer = Query::<AuthorizationAnswer>::from_query(request.query_string());
    let answer = answer.map_err(|_e| foreign())?;
    let attempt = attempt_cookie(request.headers(), &context, &answer.state)
        .and_then(|text| SignOnAttempt::answered(text, &answer.state))
        .ok_or_else(foreign)?;
    let mut page = match sign_in_with_code(&request, &context, sign_on, &attempt, &answer).await {
        Ok((_identity, cookie)) => {
            let mut page = signed_in(&request, &own_path(attempt.target()));
            let _written = page.add_cookie(&started_cookie(&request, &context, &cookie));
            page
        }
        Err(problem) => problem.error_response(),
    };
    let _written = page.add_cookie(&attempt_ended_cookie(&request, &context, &attempt));
    Ok(page)
}

/// The page that continues by itself. A browser does not send the cookie of the session, which is
/// `SameSite=Strict`, when it follows a redirect that began on the page of the issuer.
fn signed_in(request: &HttpRequest, target: &str) -> HttpResponse {
    let language = PageLanguage::of(request);
    let title = language.say("Đã đăng nhập", "Signed in");
    let body = html! {
        h1 { (title) }
        p { a href=(target) { (language.say("Tiếp tục", "Continue")) } }
    };
    let (nothing, next) = (html! {}, NextPage::At(target));
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "private, no-store"))
        .insert_header(("Referrer-Policy", "no-referrer")) // the address of this page has the code
        .content_type("text/html; charset=utf-8")
        .body(document(language, title, next, &nothing, &body, &nothing).into_string())
}

fn offered(context: &ServiceContext) -> Result<&BrowserSignOn, Problem> {
    let sign_on = context.access.sign_on.as_ref();
    sign_on.ok_or_else(|| Problem::unauthorized("this service has no single sign-on on its pages"))
}
