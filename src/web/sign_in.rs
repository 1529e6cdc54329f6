//! Signing in and out.

use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::language::{LANGUAGE_COOKIE, PageLanguage};
use super::layout::{NextPage, document, see_other};
use super::request::{FormFields, address, own_path, sign_in_target};
use super::sign_on;
use crate::api::access::{
    ended_cookie, identity, session_cookie, sign_in_with_key, started_cookie,
};
use crate::api::{HandlerResult, ServiceContext};
use crate::auth::identity::SignInMethod;

/// The form to sign in, and the link to the single sign-on; afterwards the browser continues with
/// `target`.
#[must_use]
pub fn sign_in_form(
    request: &HttpRequest,
    language: PageLanguage,
    target: &str,
    trouble: Option<String>,
) -> Markup {
    let target = own_path(target);
    let sign_on = sign_on::link(request, &target);
    html! {
        section.card.narrow {
            @if let Some(trouble) = trouble { p.notice.bad role="alert" { (trouble) } }
            @if let Some(place) = &sign_on {
                p {
                    a.button.main href=(place) autofocus {
                        (language.say("Đăng nhập một lần của tỉnh", "Single sign-on"))
                    }
                }
                p { (language.say("Hoặc đăng nhập bằng khóa:", "Or sign in with a key:")) }
            }
            form method="post"
                action=(address("/sign-in", [("target", target.as_str())])) {
                // Password managers want a name beside a password.
                input type="text" name="username" value="egov-kpi" autocomplete="username" hidden;
                label for="key" { (language.say("Khóa truy cập", "Your key")) }
                input #key type="password" name="key" required autocomplete="current-password"
                    autofocus[sign_on.is_none()] aria-describedby="key-hint";
                p.hint #key-hint {
                    (language.say(
                        "Khóa bắt đầu bằng ek_, do quản trị viên của hệ thống cấp.",
                        "The key begins with ek_; the administrator of the service issues it.",
                    ))
                }
                button.main { (language.say("Đăng nhập", "Sign in")) }
            }
        }
    }
}

/// The page to sign in.
pub async fn get(request: HttpRequest) -> HttpResponse {
    page(&request, &sign_in_target(&request))
}

/// Signs in.
///
/// # Errors
/// 403 for a form of another site, 429 above the limits, 503 while the ledger is loaded.
pub async fn post(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::unchecked(&body)?;
    let key = fields.text("key").unwrap_or_default();
    let (_identity, cookie) = sign_in_with_key(&request, &context, key).await?;
    let mut answer = see_other(&own_path(&sign_in_target(&request)));
    // A cookie that cannot be written is an error of the program.
    let _written = answer.add_cookie(&started_cookie(&request, &context, &cookie));
    Ok(answer)
}

/// Signs out.
///
/// # Errors
/// Those of the form and of the store.
pub async fn end(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    FormFields::read(&request, &body)?;
    let is_token = identity(&request)?.origin.how == SignInMethod::Token;
    if let Some(cookie) = session_cookie(request.headers(), &context) {
        context.app()?.end_session(&cookie).await?;
    }
    // The single sign-on still knows the person.
    let mut answer = see_other(if is_token { sign_on::SIGNED_OUT } else { "/sign-in" });
    let _written = answer.add_cookie(&ended_cookie(&request, &context));
    Ok(answer)
}

fn page(request: &HttpRequest, target: &str) -> HttpResponse {
    let language = PageLanguage::of(request);
    let title = language.say("Đăng nhập", "Sign in");
    let body = html! {
        h1 { (title) }
        (sign_on::signed_out(request, language))
        (sign_in_form(request, language, target, None))
    };
    let nothing = html! {};
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "private, no-store"))
        .content_type("text/html; charset=utf-8")
        .body(document(language, title, NextPage::None, &nothing, &body, &nothing).into_string())
}

/// The cookie that keeps a language that the address names.
#[must_use]
pub fn language_cookie(language: PageLanguage) -> actix_web::cookie::Cookie<'static> {
    actix_web::cookie::Cookie::build(LANGUAGE_COOKIE, language.code())
        .path("/")
        .same_site(actix_web::cookie::SameSite::Lax)
        .max_age(actix_web::cookie::time::Duration::days(365))
        .http_only(true)
        .finish()
}
