//! The frame of every page, and the response that it becomes.

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use actix_web::{HttpRequest, HttpResponse};
use maud::{DOCTYPE, Markup, html};
use sha2::{Digest, Sha256};

use super::assets;
use super::language::PageLanguage;
use super::request::{PageRequest, address};
use crate::auth::role::Role;

/// The parts of the service that the head of a page links to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageSection {
    /// The overview of a unit.
    Overview,
    /// The ranking.
    Ranking,
    /// Entering figures.
    Entry,
    /// Sending a report or a form.
    Send,
    /// The state of reporting.
    Reporting,
    /// The history of a measure.
    History,
    /// Administration.
    Admin,
    /// The guides.
    Guide,
    /// None of them.
    None,
}

/// The content of a page.
pub struct WebPage {
    /// The title.
    pub title: String,
    /// The part of the service that it belongs to.
    pub section: PageSection,
    /// What the page shows.
    pub body: Markup,
    /// The addresses of its figures for programs: name and path of a GET request.
    pub sources: Vec<(&'static str, String)>,
}

impl WebPage {
    /// A page without figures.
    #[must_use]
    pub fn plain(title: impl Into<String>, section: PageSection, body: Markup) -> Self {
        Self { title: title.into(), section, body, sources: Vec::new() }
    }
}

/// Responds with a page that shows figures. A browser that has it already gets 304.
#[must_use]
pub fn shown(request: &HttpRequest, asked: &PageRequest, page: &WebPage) -> HttpResponse {
    let markup = framed(asked, page).into_string();
    let hash = Sha256::digest(&markup);
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let tag = format!("W/\"{hash}\"");
    let known = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let is_known = known.into_iter().any(|text| text.split(',').any(|one| one.trim() == tag));
    let mut answer = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((ETAG, tag)).insert_header((VARY, varies()));
    if is_known {
        return answer.finish();
    }
    answer.content_type("text/html; charset=utf-8").body(markup)
}

/// Responds with a page about one person: her input, a key, a preview. Nobody keeps it.
#[must_use]
pub fn private(asked: &PageRequest, page: &WebPage) -> HttpResponse {
    refused(asked, page, StatusCode::OK)
}

/// As [`private`], with the status of a refusal that the page explains.
#[must_use]
pub fn refused(asked: &PageRequest, page: &WebPage, status: StatusCode) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((VARY, varies()))
        .content_type("text/html; charset=utf-8")
        .body(framed(asked, page).into_string())
}

fn varies() -> HeaderValue {
    HeaderValue::from_static("Accept, Accept-Encoding, Accept-Language, Authorization, Cookie")
}

/// Sends the browser to another page after a form.
#[must_use]
pub fn see_other(place: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header(("Location", place)).finish()
}

fn framed(asked: &PageRequest, page: &WebPage) -> Markup {
    let language = asked.language;
    let head = html! {
        (navigation(asked, page.section))
        div.person {
            (languages(asked))
            @if asked.is_signed_in() {
                span.who title=(asked.identity.role) { (asked.identity.name) }
                @if asked.session.is_some() {
                    form method="post" action="/sign-out" {
                        input type="hidden" name="form_token" value=(asked.form_token());
                        button.link { (language.say("Đăng xuất", "Sign out")) }
                    }
                }
            } @else if !asked.may(Role::Admin) {
                a href="/sign-in" { (language.say("Đăng nhập", "Sign in")) }
            }
        }
    };
    let foot = html! {
        p {
            (language.say("Tính từ lần sửa đổi ", "Computed from revision "))
            a href="/api/v1/revisions" { (asked.state().revision) }
            " (" code title=(asked.state().revision_hash()) {
                (asked.state().revision_hash().chars().take(12).collect::<String>())
            } "). "
            @if !page.sources.is_empty() {
                (language.say("Dữ liệu cho chương trình: ", "For programs: "))
                @for (n, (name, path)) in page.sources.iter().enumerate() {
                    @if n > 0 { ", " }
                    a.source href=(path)
                        data-copy=(language.say("Đã chép địa chỉ", "Address copied")) {
                        (name)
                    }
                }
                "."
            }
        }
    };
    let next = if asked.is_wall { NextPage::Again } else { NextPage::None };
    document(language, &page.title, next, &head, &page.body, &foot)
}

/// What a browser loads next by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextPage<'p> {
    /// Nothing.
    None,
    /// The same page again: it is for a screen on a wall.
    Again,
    /// A path of this service, at once.
    At(&'p str),
}

/// A whole document: also for pages without a person or a ledger.
pub fn document(
    language: PageLanguage,
    title: &str,
    next: NextPage<'_>,
    head: &Markup,
    body: &Markup,
    foot: &Markup,
) -> Markup {
    let product = language.say("Số liệu chính quyền điện tử", "E-government figures");
    html! {
        (DOCTYPE)
        html lang=(language.code()) class=[(next == NextPage::Again).then_some("wall")] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @match next {
                    NextPage::None => {}
                    NextPage::Again => { meta http-equiv="refresh" content="300"; }
                    NextPage::At(path) => { meta http-equiv="refresh" content={ "0;url=" (path) }; }
                }
                title { (title) " – " (product) }
                link rel="icon" href=(assets::ICON.path()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::SCRIPT.path()) defer {}
            }
            body {
                a.skip href="#main" { (language.say("Tới nội dung chính", "Skip to content")) }
                header.top { a.product href="/" { (product) } (head) }
                main #main tabindex="-1" { (body) }
                footer { (foot) }
            }
        }
    }
}

fn navigation(asked: &PageRequest, current: PageSection) -> Markup {
    let language = asked.language;
    // The unit and the month stay when a person goes from page to page.
    let kept = |path: &str| {
        let unit = asked.text("unit").map(|unit| ("unit", unit));
        let month = asked.text("period").or(asked.text("to")).map(|month| ("period", month));
        address(path, unit.into_iter().chain(month))
    };
    let mut links = vec![
        (PageSection::Overview, "/overview", language.say("Tổng quan", "Overview")),
        (PageSection::Ranking, "/ranking", language.say("Xếp hạng", "Ranking")),
    ];
    if asked.may(Role::Reporter) {
        links.push((PageSection::Entry, "/entry", language.say("Nhập số liệu", "Enter figures")));
        links.push((PageSection::Send, "/send", language.say("Gửi báo cáo", "Send a report")));
    }
    links.push((
        PageSection::Reporting,
        "/reporting",
        language.say("Tình hình báo cáo", "Reporting"),
    ));
    links.push((PageSection::History, "/history", language.say("Lịch sử", "History")));
    if asked.may(Role::Steward) {
        links.push((PageSection::Admin, "/admin", language.say("Quản trị", "Administration")));
    }
    links.push((PageSection::Guide, "/guide", language.say("Hướng dẫn", "Guides")));
    html! {
        nav aria-label=(language.say("Các trang", "Pages")) {
            @for (section, path, name) in links {
                a href=(kept(path)) aria-current=[(section == current).then_some("page")] { (name) }
            }
        }
    }
}

fn languages(asked: &PageRequest) -> Markup {
    html! {
        span.languages {
            @for (language, name) in [(PageLanguage::Vi, "VI"), (PageLanguage::En, "EN")] {
                a href=(asked.link(&[("lang", language.code())])) lang=(language.code())
                    hreflang=(language.code())
                    aria-current=[(language == asked.language).then_some("true")] { (name) }
            }
        }
    }
}

/// The hidden field with the token of the session.
#[must_use]
pub fn token_field(asked: &PageRequest) -> Markup {
    html! { input type="hidden" name="form_token" value=(asked.form_token()); }
}
