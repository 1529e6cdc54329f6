//! Signing in and out.

use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};

use super::language::{LANGUAGE_COOKIE, PageLanguage};
use super::layout::{document, see_other};
use super::request::{FormFields, address};
use crate::api::access::{ended_cookie, session_cookie, sign_in_with_key, started_cookie};
use crate::api::{HandlerResult, ServiceContext};

/// The form to sign in; afterwards the browser continues with `target`.
#[must_use]
pub fn sign_in_form(language: PageLanguage, target: &str, trouble: Option<String>) -> Markup {
    html! {
        section.card.narrow {
            @if let Some(trouble) = trouble { p.notice.bad role="alert" { (trouble) } }
            form method="post"
                action=(address("/sign-in", [("target", own_path(target).as_str())])) {
                // Password managers want a name beside a password.
                input type="text" name="username" value="egov-kpi" autocomplete="username" hidden;
                label for="key" { (language.say("Khóa truy cập", "Your key")) }
                input #key type="password" name="key" required autocomplete="current-password"
                    autofocus aria-describedby="key-hint";
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

/// Where the browser continues after signing in, from the address of the form.
#[must_use]
pub fn target(request: &HttpRequest) -> String {
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string());
    let pairs = pairs.map(Query::into_inner).unwrap_or_default();
    let found = pairs.into_iter().find(|(name, _)| name == "target");
    found.map_or_else(|| "/".to_owned(), |(_, target)| target)
}

/// The page to sign in.
pub async fn get(request: HttpRequest) -> HttpResponse {
    page(&request, &target(&request))
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
    let mut answer = see_other(&own_path(&target(&request)));
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
    if let Some(cookie) = session_cookie(request.headers()) {
        context.app()?.end_session(&cookie).await?;
    }
    let mut answer = see_other("/sign-in");
    let _written = answer.add_cookie(&ended_cookie(&request, &context));
    Ok(answer)
}

fn page(request: &HttpRequest, target: &str) -> HttpResponse {
    let language = PageLanguage::of(request);
    let title = language.say("Đăng nhập", "Sign in");
    let body = html! { h1 { (title) } (sign_in_form(language, target, None)) };
    let nothing = html! {};
    HttpResponse::Ok()
        .insert_header(("Cache-Control", "private, no-store"))
        .content_type("text/html; charset=utf-8")
        .body(document(language, title, false, &nothing, &body, &nothing).into_string())
}

/// A path of this service: never another site.
#[must_use]
pub fn own_path(target: &str) -> String {
    let is_own = target.starts_with('/')
        && !target.starts_with("//")
        && !target.contains('\\')
        && !target.starts_with("/sign-")
        && !target.contains(|c: char| c.is_control());
    if is_own { target.to_owned() } else { "/".to_owned() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_a_browser_stays_on_this_site() {
        assert_eq!(own_path("/entry?unit=a"), "/entry?unit=a");
        for other in ["//evil.example", "https://evil.example", "/\\evil", "evil", "", "/sign-out"]
        {
            assert_eq!(own_path(other), "/", "{other}");
        }
    }
}
