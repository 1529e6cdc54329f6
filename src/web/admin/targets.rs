//! Targets, and the deadlines of the catalogue.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::{back, mendable, outcome};
use crate::api::access::identity;
use crate::api::{API, HandlerResult, Problem, ServiceContext};
use crate::app::write::declarations::{DeclarationChanges, DeclarationQuery, ListedDeclaration};
use crate::auth::role::Role;
use crate::web::layout::{PageSection, WebPage, private, see_other, token_field};
use crate::web::parts::{measure_name, named_measure, unit_name};
use crate::web::request::{FormFields, PageRequest};
use kpi::catalogue::{Direction, TargetDocument};
use kpi::measure::{Measure, Members};

/// Most targets on the page.
const MAX_LISTED: usize = 500;

/// The page.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let page = page(&asked, None)?;
    Ok(private(&asked, &page))
}

/// Sets or removes a target.
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
    let text = |name: &str| fields.text(name).map(str::to_owned);
    let changes: DeclarationChanges<TargetDocument> = if let Some(code) = text("remove") {
        [(code, (0, None))].into()
    } else {
        let measure = text("measure").unwrap_or_default();
        let unit = text("unit");
        let code = text("code").unwrap_or_else(|| {
            let of = unit.clone().map(|unit| format!(".{unit}")).unwrap_or_default();
            let from = text("from").map(|from| format!(".{from}")).unwrap_or_default();
            let plain =
                |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
            format!("{measure}{of}{from}").chars().map(plain).collect()
        });
        let target = TargetDocument {
            code: code.clone(),
            measure,
            unit,
            from: text("from"),
            to: text("to"),
            value: text("value").unwrap_or_default().replace(',', "."),
            source: None,
            note: None,
        };
        [(code, (0, Some(target)))].into()
    };
    let app = context.app()?;
    let done = app.put_declarations((changes, Vec::new()), identity(&request)?, false, None).await;
    match mendable(done)? {
        Ok(given) => {
            let revision = given.answer.revision;
            Ok(see_other(&format!("/admin/targets?done=1&min_revision={revision}")))
        }
        Err(problem) => {
            let page = page(&asked, Some(&problem))?;
            Ok(private(&asked, &page))
        }
    }
}

fn page(asked: &PageRequest, trouble: Option<&Problem>) -> Result<WebPage, Problem> {
    let language = asked.language;
    let query = DeclarationQuery { limit: MAX_LISTED, ..DeclarationQuery::default() };
    let (_, targets, _) = asked.snapshot.declarations::<TargetDocument>(&query)?;
    let title = language.say("Mục tiêu, thời hạn", "Targets and deadlines");
    let body = html! {
        (back(asked))
        h1 { (title) }
        (outcome(asked, trouble))
        @if asked.may(Role::Steward) { (form(asked)) }
        (list(asked, &targets))
        (deadlines(asked))
    };
    let mut page = WebPage::plain(title, PageSection::Admin, body);
    page.sources.push(("JSON", format!("{API}/targets")));
    Ok(page)
}

fn form(asked: &PageRequest) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let kpis = state.catalogue.kpis.iter().filter(|kpi| kpi.direction != Direction::Neutral);
    html! {
        form.card.block method="post" action="/admin/targets" {
            (token_field(asked))
            h2 { (language.say("Đặt mục tiêu", "Set a target")) }
            div.pair {
                label {
                    (language.say("Chỉ số ", "Measure "))
                    select name="measure" {
                        @for kpi in kpis {
                            @let measure =
                                Measure { code: kpi.code.clone(), members: Members::none() };
                            option value=(measure) { (measure_name(state, &measure, language)) }
                        }
                    }
                }
                label {
                    (language.say("Đơn vị ", "Unit "))
                    select name="unit" {
                        option value="" { (language.say("mọi đơn vị", "every unit")) }
                        @for position in state.units.all().iter()
                            .filter(|unit| state.units.ancestors(*unit).count() < 2).take(300)
                        {
                            @let code = state.units.code(position);
                            option value=(code) { (unit_name(state, code, language)) }
                        }
                    }
                }
                label {
                    (language.say(
                        "Giá trị ",
                        "Value ",
                    ))
                    input type="text" inputmode="decimal" name="value" required;
                }
                label {
                    (language.say(
                        "Từ tháng ",
                        "From ",
                    ))
                    input type="month" name="from" placeholder="2026-01";
                }
                label {
                    (language.say(
                        "Đến tháng ",
                        "To ",
                    ))
                    input type="month" name="to" placeholder="2026-12";
                }
            }
            button.main { (language.say("Ghi", "Record")) }
        }
    }
}

fn list(asked: &PageRequest, targets: &[ListedDeclaration<TargetDocument>]) -> Markup {
    let (language, state) = (asked.language, asked.state());
    html! {
        section.card.block {
            h2 { (language.say("Mục tiêu", "Targets")) }
            div.scroll tabindex="0" {
                table.figures {
                    thead {
                        tr {
                            th scope="col" { (language.say("Chỉ số", "Measure")) }
                            th scope="col" { (language.say("Đơn vị", "Unit")) }
                            th.number scope="col" { (language.say("Giá trị", "Value")) }
                            th scope="col" { (language.say("Từ", "From")) }
                            th scope="col" { (language.say("Đến", "To")) }
                            th scope="col" { span.unseen { (language.say("Bỏ", "Remove")) } }
                        }
                    }
                    tbody {
                        @for (target, of_catalogue) in targets {
                            tr {
                                th scope="row" { (named_measure(state, &target.measure, language)) }
                                td {
                                    (target.unit.as_deref().map_or_else(
                                        || language.say("mọi đơn vị", "every unit").to_owned(),
                                        |unit| unit_name(state, unit, language),
                                    ))
                                }
                                td.number { (target.value) }
                                td { (target.from.as_deref().unwrap_or_default()) }
                                td { (target.to.as_deref().unwrap_or_default()) }
                                td {
                                    @if *of_catalogue {
                                        span.hint {
                                            (language.say("trong danh mục", "of the catalogue"))
                                        }
                                    } @else if asked.may(Role::Steward) {
                                        form method="post" action="/admin/targets" {
                                            (token_field(asked))
                                            button.link name="remove" value=(target.code) {
                                                (language.say("Bỏ", "Remove"))
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn deadlines(asked: &PageRequest) -> Markup {
    let (language, state) = (asked.language, asked.state());
    html! {
        section.card.block {
            h2 { (language.say("Thời hạn báo cáo", "Deadlines of reports")) }
            div.scroll tabindex="0" {
                table.figures {
                    tbody {
                        @for one in &state.catalogue.document.expectations {
                            tr {
                                th scope="row" { (language.name(&one.name)) }
                                td {
                                    @for kind in &one.unit_kinds { (language.kind(*kind)) "; " }
                                }
                                td {
                                    (language.say("ngày ", "day ")) (one.due_day)
                                    (language.say(" tháng sau", " of the next month"))
                                }
                                td { (one.measures.len()) (language.say(" chỉ tiêu", " figures")) }
                            }
                        }
                    }
                }
            }
            p.hint {
                (language.say(
                    "Đơn vị phải báo cáo và thời hạn là một phần của danh mục.",
                    "Who reports what until when is part of the catalogue.",
                ))
                " " a href="/admin/catalogue" { (language.say("Danh mục", "Catalogue")) }
            }
        }
    }
}
