//! Closing and reopening months by a check list.

use std::collections::HashSet;

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::{back, mendable, outcome};
use crate::api::access::identity;
use crate::api::{HandlerResult, Problem, ServiceContext};
use crate::app::read::completeness::{CompletenessQuery, CompletenessView, ReportProgressView};
use crate::app::read::findings::FindingQuery;
use crate::app::write::periods::{ClosingChange, ClosingView};
use crate::auth::role::Role;
use crate::error::Error;
use crate::web::layout::{PageSection, WebPage, private, see_other, token_field};
use crate::web::parts::{month_choice, unit_name};
use crate::web::request::{FormFields, PageRequest, address};
use kpi::period::{Month, Period, Step};

/// At most this many reports are searched for units with missing figures.
const MAX_REPORTS: usize = 20_000;
/// Most units that are named.
const MAX_OWING: usize = 20;

/// What a closing is decided by.
struct CheckList {
    reports: CompletenessView,
    findings: usize,
    closings: Vec<ClosingView>,
}

/// The page.
///
/// # Errors
/// 422 for a malformed month.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let month = asked.month("period")?.unwrap_or_else(|| asked.snapshot.month().plus(-1));
    let page = page(&context, &asked, month, None).await?;
    Ok(private(&asked, &page))
}

/// Closes or reopens a month.
///
/// # Errors
/// Those of the form and of the store.
pub async fn post(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let asked = PageRequest::of(&request, &context).await?;
    let month = fields.month("period")?;
    let change = ClosingChange {
        period: Period::containing(Step::Month, month),
        close: fields.text("action") != Some("reopen"),
        reason: fields.text("reason").map(str::to_owned),
        force: fields.is_ticked("force"),
    };
    let done = context.app()?.close(change, identity(&request)?, None).await;
    match mendable(done)? {
        Ok(given) => Ok(see_other(&address(
            "/admin/closing",
            [
                ("period", month.to_string().as_str()),
                ("done", "1"),
                ("min_revision", given.answer.revision.to_string().as_str()),
            ],
        ))),
        Err(problem) => {
            let page = page(&context, &asked, month, Some(&problem)).await?;
            Ok(private(&asked, &page))
        }
    }
}

async fn page(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    month: Month,
    trouble: Option<&Problem>,
) -> Result<WebPage, Problem> {
    let language = asked.language;
    let snapshot = asked.snapshot.clone();
    let list = context
        .compute(move || {
            let reports = snapshot.completeness(&CompletenessQuery {
                period: Period::containing(Step::Month, month),
                parent: None,
                offset: 0,
                limit: MAX_REPORTS,
            })?;
            let (_, findings, _) = snapshot.findings(&FindingQuery {
                from: Some(month),
                to: Some(month),
                limit: usize::MAX,
                ..FindingQuery::default()
            })?;
            let open = findings.iter().filter(|finding| finding.is_open(snapshot.state())).count();
            let closings = snapshot.closings(true)?;
            Ok::<_, Error>(CheckList { reports: reports.0, findings: open, closings: closings.1 })
        })
        .await?;
    let title = language.say("Khóa sổ tháng", "Closing months");
    let body = html! {
        (back(asked))
        div.title { h1 { (title) } (month_choice(asked, month, &[])) }
        (outcome(asked, trouble))
        (checks(asked, month, &list))
        (form(asked, month))
        (history(asked, &list))
    };
    Ok(WebPage::plain(title, PageSection::Admin, body))
}

fn checks(asked: &PageRequest, month: Month, list: &CheckList) -> Markup {
    let (language, total) = (asked.language, &list.reports.total);
    let complete = total.reports_complete == total.reports_expected;
    let over = month < asked.snapshot.month();
    let reporting = address("/reporting", [("period", month.to_string().as_str())]);
    let item = |is_good: bool, text: Markup| {
        html! {
            li {
                span class={ "badge " (if is_good { "good" } else { "fair" }) } {
                    @if is_good { (language.say("xong", "done")) }
                    @else { (language.say("chưa", "open")) }
                }
                " " (text)
            }
        }
    };
    html! {
        section.card.block {
            h2 { (language.month(month)) }
            ul.checks {
                (item(over, html! { (language.say("Tháng đã hết", "The month is over")) }))
                (item(complete, html! {
                    (total.reports_complete) "/" (total.reports_expected)
                    (language.say(" báo cáo đã đủ; ", " reports are complete; "))
                    a href=(reporting) {
                        (language.say("xem ai còn thiếu", "see which are missing"))
                    }
                    (list_owing_units(asked, &list.reports))
                }))
                (item(list.findings == 0, html! {
                    (list.findings)
                    (language.say(
                        " mâu thuẫn chưa trả lời; ",
                        " contradictions without an answer; ",
                    ))
                    a href=(format!("{reporting}#findings")) { (language.say("xem", "see them")) }
                }))
            }
        }
    }
}

/// The first units with a report that is not complete.
fn list_owing_units(asked: &PageRequest, reports: &CompletenessView) -> Markup {
    let owes = |row: &&ReportProgressView| !row.missing.is_empty();
    let mut seen = HashSet::new();
    let owing = reports.rows.iter().filter(owes).map(|row| row.unit.as_str());
    let units: Vec<&str> = owing.filter(|unit| seen.insert(*unit)).collect();
    let (language, rest) = (asked.language, units.len().saturating_sub(MAX_OWING));
    html! {
        @if !units.is_empty() {
            ul {
                @for unit in units.iter().take(MAX_OWING) {
                    li { (unit_name(asked.state(), unit, language)) }
                }
                @if rest > 0 { li { "+" (rest) (language.say(" đơn vị", " units")) } }
            }
        }
    }
}

fn form(asked: &PageRequest, month: Month) -> Markup {
    let language = asked.language;
    let closed = asked.state().closed.contains_key(&month);
    html! {
        @if asked.may(Role::Steward) {
            form.card.block method="post" action="/admin/closing" {
                (token_field(asked))
                input type="hidden" name="period" value=(month);
                label for="reason" { (language.say("Lý do", "Reason")) }
                input #reason type="text" name="reason" maxlength="1000";
                @if closed {
                    button.main name="action" value="reopen" {
                        (language.say("Mở lại ", "Reopen ")) (language.month(month).to_lowercase())
                    }
                } @else {
                    label {
                        input type="checkbox" name="force" value="1";
                        " " (language.say(
                            "vẫn khóa khi còn thiếu báo cáo hoặc không nêu lý do",
                            "close although reports are missing or no reason is given",
                        ))
                    }
                    button.main name="action" value="close" {
                        (language.say("Khóa ", "Close ")) (language.month(month).to_lowercase())
                    }
                }
            }
        }
    }
}

fn history(asked: &PageRequest, list: &CheckList) -> Markup {
    let language = asked.language;
    html! {
        @if !list.closings.is_empty() {
            section.card.block {
                h2 { (language.say("Đã khóa, đã mở", "Closings and reopenings")) }
                div.scroll tabindex="0" {
                    table.figures {
                        tbody {
                            @for one in list.closings.iter().rev().take(60) {
                                tr {
                                    th scope="row" { (one.period.parse::<Month>().map_or_else(
                                        |_| one.period.clone(),
                                        |month| language.month(month),
                                    )) }
                                    td {
                                        @if one.closed { (language.say("khóa", "closed")) }
                                        @else { (language.say("mở lại", "reopened")) }
                                    }
                                    td { (language.time(&one.recorded_at, asked.zone())) }
                                    td { (one.actor) }
                                    td { (one.reason.as_deref().unwrap_or_default()) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
