//! Choosing a unit: the tree of units, and a search by name.

use actix_web::HttpRequest;
use actix_web::web::{Data, Query};
use maud::{Markup, html};

use super::layout::{PageSection, WebPage, shown};
use super::parts::unit_name;
use super::request::{PageRequest, address, own_path};
use crate::api::{HandlerResult, ServiceContext};
use kpi::unit::UnitPosition;
use kpi::vietnamese::folding::unaccented;

/// Most units that the page lists.
const MAX_LISTED: usize = 300;

/// The page.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let language = asked.language;
    let title = language.say("Chọn đơn vị", "Choose a unit");
    let searched = asked.text("q").unwrap_or_default();
    let from = own_path(asked.text("from").unwrap_or("/overview"));
    let from = if from == "/" { "/overview" } else { from.as_str() };
    let body = html! {
        h1 { (title) }
        form.choice method="get" action="/units" role="search" {
            input type="hidden" name="from" value=(from);
            label for="q" { (language.say("Tên đơn vị", "Name of the unit")) }
            input #q type="search" name="q" value=(searched);
            button { (language.say("Tìm", "Search")) }
        }
        section.card.block { (list(&asked, searched, from)) }
    };
    Ok(shown(&request, &asked, &WebPage::plain(title, PageSection::None, body)))
}

fn list(asked: &PageRequest, searched: &str, from: &str) -> Markup {
    let (state, language) = (asked.state(), asked.language);
    let wanted = unaccented(&searched.to_lowercase());
    let day = asked.snapshot.day();
    let fits = |unit: UnitPosition| {
        let code = state.units.code(unit);
        let name = unaccented(&unit_name(state, code, language).to_lowercase());
        let exists = state.units.get(unit).is_some_and(|unit| unit.exists_on(day));
        if wanted.is_empty() {
            state.units.ancestors(unit).count() < 2 && (exists || state.units.len() <= MAX_LISTED)
        } else {
            name.contains(&wanted) || code.contains(&wanted)
        }
    };
    let mut found: Vec<UnitPosition> =
        state.units.all().iter().filter(|unit| fits(*unit)).collect();
    let left_out = found.len().saturating_sub(MAX_LISTED);
    found.truncate(MAX_LISTED);
    let (path, query) = from.split_once('?').unwrap_or((from, ""));
    let kept = Query::<Vec<(String, String)>>::from_query(query).map(Query::into_inner);
    let kept = kept.unwrap_or_default();
    let to = |code: &str| {
        let kept = kept.iter().filter(|(name, _)| name != "unit");
        let kept = kept.map(|(name, value)| (name.as_str(), value.as_str()));
        address(path, kept.chain([("unit", code)]))
    };
    html! {
        @if found.is_empty() {
            p.reason {
                (language.say("Không có đơn vị nào có tên như vậy.", "No unit has such a name."))
            }
        }
        ul.tree {
            @for unit in found {
                @let code = state.units.code(unit);
                @let ended = state.units.get(unit).is_some_and(|unit| !unit.exists_on(day));
                li class={ "depth" (state.units.ancestors(unit).count().min(3)) } {
                    a href=(to(code)) { (unit_name(state, code, language)) }
                    @if let Some(unit) = state.units.get(unit) {
                        span.hint { " " (language.kind(unit.document.kind)) }
                    }
                    @if ended { span.hint { (language.say(", đã kết thúc", ", ended")) } }
                }
            }
        }
        @if left_out > 0 {
            p.hint {
                "+" (left_out)
                (language.say(
                    " đơn vị khác; hãy tìm theo tên",
                    " further units; search by name",
                ))
            }
        }
    }
}
