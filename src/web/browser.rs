//! What browsers need around every page: errors as pages (a program gets a problem document), and
//! the cookie of the language that an address names.

use actix_web::HttpRequest;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, SET_COOKIE,
    VARY,
};
use actix_web::middleware::Next;
use maud::{Markup, html};

use super::language::{PageLanguage, sentence};
use super::layout::{NextPage, document};
use super::request::{page_of_form, sign_in_target};
use super::sign_in::{language_cookie, sign_in_form};
use crate::api::{Problem, ShownProblem};

/// The paths that programs ask.
const PROGRAMS: [&str; 6] = ["/api/", "/prometheus/", "/metrics", "/livez", "/readyz", "/docs"];

/// Whether an answer is for a person: not for a program, and not a file.
fn is_for_people(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
        && !PROGRAMS.iter().any(|path| request.path().starts_with(path))
}

/// Makes a page of an error that a browser gets, and lets the browser keep its language.
///
/// # Errors
/// Those of inner middleware.
pub async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = next.call(request).await?.map_into_boxed_body();
    if !is_for_people(answer.request()) {
        return Ok(answer);
    }
    let mut answer = answer;
    if answer.request().query_string().split('&').any(|pair| pair.starts_with("lang=")) {
        let cookie = language_cookie(PageLanguage::of(answer.request()));
        if let Ok(cookie) = HeaderValue::from_str(&cookie.to_string()) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    if !answer.status().is_client_error() && !answer.status().is_server_error() {
        return Ok(answer);
    }
    let shown = answer.response().extensions().get::<ShownProblem>().cloned();
    let Some(ShownProblem(problem)) = shown else { return Ok(answer) };
    let language = PageLanguage::of(answer.request());
    let target = place_of_form(answer.request());
    let has_tried = answer.request().path().starts_with("/sign-in");
    let form = |trouble| sign_in_form(answer.request(), language, &target, trouble);
    let page = page(language, &problem, has_tried, form).into_string();
    let mut answer = answer.map_body(|_, _| BoxBody::new(page));
    let headers = answer.headers_mut();
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Cookie"));
    Ok(answer)
}

/// Where a browser continues after signing in: the page that it asked for, or the page of the form
/// that it sent.
fn place_of_form(request: &HttpRequest) -> String {
    if request.method() == actix_web::http::Method::GET {
        return request.uri().to_string();
    }
    if request.path() == "/sign-in" {
        return sign_in_target(request);
    }
    page_of_form(request)
}

/// The page of an error; for a browser that is not signed in, with the form to sign in.
fn page(
    language: PageLanguage,
    problem: &Problem,
    has_tried: bool,
    form: impl FnOnce(Option<String>) -> Markup,
) -> Markup {
    let signs_in = problem.status == StatusCode::UNAUTHORIZED.as_u16();
    let title = match problem.status {
        401 => language.say("Đăng nhập", "Sign in"),
        403 => language.say("Không có quyền", "Not allowed"),
        404 => language.say("Không tìm thấy trang", "Page not found"),
        413 => language.say("Quá lớn", "Too large"),
        409 => language.say("Không ghi được", "Cannot be recorded"),
        422 => language.say("Yêu cầu chưa đúng", "Something is not right"),
        429 => language.say("Quá nhiều yêu cầu", "Too many requests"),
        503 => language.say("Hãy thử lại sau", "Try again later"),
        _ => language.say("Có lỗi", "Something went wrong"),
    };
    let body = html! {
        h1 { (title) }
        @if signs_in {
            (form(has_tried.then(|| detail(language, problem))))
        } @else {
            p.notice.bad role="alert" { (detail(language, problem)) }
            (faults(language, problem))
            p { a href="/" { (language.say("Về trang đầu", "To the first page")) } }
        }
    };
    let nothing = html! {};
    document(language, title, NextPage::None, &nothing, &body, &nothing)
}

/// What is wrong, as a sentence.
#[must_use]
pub fn detail(language: PageLanguage, problem: &Problem) -> String {
    let shown = problem.clone().in_language(language.of_messages());
    let text = sentence(&shown.detail);
    if text.ends_with(['.', '?', '!']) { text } else { format!("{text}.") }
}

/// The errors of the input, if there are more than the sentence says.
#[must_use]
pub fn faults(language: PageLanguage, problem: &Problem) -> Markup {
    let shown = problem.clone().in_language(language.of_messages());
    html! {
        @if shown.errors.len() > 1 {
            ul.faults { @for fault in &shown.errors { li { (language.fault(fault)) } } }
        }
    }
}
