//! The guides, written in Markdown, served by the service itself.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use maud::{PreEscaped, html};
use pulldown_cmark::{Options, Parser};

use super::language::PageLanguage;
use super::layout::{PageSection, WebPage, shown};
use super::request::PageRequest;
use crate::api::{HandlerResult, ServiceContext};
use crate::error::Error;

/// A guide: its name in the address, its titles, and its texts in Vietnamese and English.
struct GuideText {
    name: &'static str,
    title: (&'static str, &'static str),
    text: (&'static str, &'static str),
}

/// All guides.
const GUIDES: [GuideText; 4] = [
    GuideText {
        name: "officer",
        title: ("Cho cán bộ nhập số liệu", "For officers who enter figures"),
        text: (
            include_str!("../../docs/guides/pages/officer.vi.md"),
            include_str!("../../docs/guides/pages/officer.en.md"),
        ),
    },
    GuideText {
        name: "leader",
        title: ("Cho lãnh đạo", "For leaders"),
        text: (
            include_str!("../../docs/guides/pages/leader.vi.md"),
            include_str!("../../docs/guides/pages/leader.en.md"),
        ),
    },
    GuideText {
        name: "api",
        title: ("Cho hệ thống gửi số liệu qua API", "For systems that post by API"),
        text: (
            include_str!("../../docs/guides/pages/api.vi.md"),
            include_str!("../../docs/guides/pages/api.en.md"),
        ),
    },
    GuideText {
        name: "analyst",
        title: ("Cho người phân tích", "For analysts"),
        text: (
            include_str!("../../docs/guides/pages/analyst.vi.md"),
            include_str!("../../docs/guides/pages/analyst.en.md"),
        ),
    },
];

/// The list of guides.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn list(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let language = asked.language;
    let title = language.say("Hướng dẫn", "Guides");
    let body = html! {
        h1 { (title) }
        ul.links.card.block {
            @for guide in &GUIDES {
                li {
                    a href=(format!("/guide/{}", guide.name)) {
                        (language.say(guide.title.0, guide.title.1))
                    }
                }
            }
            li { a href="/docs/" { (language.say("Thử API ngay trên trang", "Try the API")) } }
        }
    };
    Ok(shown(&request, &asked, &WebPage::plain(title, PageSection::Guide, body)))
}

/// One guide.
///
/// # Errors
/// 404 for an unknown name.
pub async fn get(
    request: HttpRequest,
    context: Data<ServiceContext>,
    name: Path<String>,
) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let language = asked.language;
    let missing = || Error::NotFound(format!("there is no guide {}", kpi::fault::quoted(&name)));
    let guide = GUIDES.iter().find(|guide| guide.name == *name).ok_or_else(missing)?;
    let title = language.say(guide.title.0, guide.title.1);
    let body = html! {
        h1 { (title) }
        article.card.block.prose { (PreEscaped(rendered(guide, language))) }
    };
    Ok(shown(&request, &asked, &WebPage::plain(title, PageSection::Guide, body)))
}

/// The text of a guide as HTML. The texts are part of the program, so they are not escaped.
fn rendered(guide: &GuideText, language: PageLanguage) -> String {
    let text = language.say(guide.text.0, guide.text.1);
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(text, Options::ENABLE_TABLES));
    // Wide examples scroll, also by keyboard.
    html.replace("<pre>", "<pre tabindex=\"0\">")
}
