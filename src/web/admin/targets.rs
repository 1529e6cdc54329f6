//! Targets, and the deadlines of the catalogue.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::catalogue::{version_field, version_seen};
use super::{back, mendable, outcome};
use crate::api::access::identity;
use crate::api::{API, HandlerResult, Problem, ServiceContext};
use crate::app::write::catalogue::NewCatalogue;
use crate::app::write::declarations::{DeclarationChanges, DeclarationQuery, ListedDeclaration};
use crate::auth::role::Role;
use crate::error::Error;
use crate::web::entry::number::{FieldKind, needed};
use crate::web::layout::{PageSection, WebPage, private, see_other, token_field};
use crate::web::parts::{measure_name, named_measure, unit_name};
use crate::web::request::{FormFields, PageRequest};
use kpi::catalogue::{CatalogueDocument, Direction, ExpectationDocument, TargetDocument};
use kpi::fault::quoted;
use kpi::measure::{Measure, Members};
use kpi::number::Decimal64;

/// Most targets on the page.
const MAX_LISTED: usize = 500;

/// The page.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let page = page(&asked, &FormFields::default(), None)?;
    Ok(private(&asked, &page))
}

/// Sets or removes a target, or changes a deadline.
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
    let (app, by) = (context.app()?, identity(&request)?);
    let done = if let Some(code) = fields.text("deadline") {
        match with_deadline(&asked.state().catalogue.document, code, &fields) {
            Ok(document) => {
                let made_from = Some(version_seen(&asked, &fields));
                let new = NewCatalogue { document, made_from, dry_run: false };
                app.put_catalogue(new, by, None).await.map(|given| given.answer.revision)
            }
            Err(error) => Err(error),
        }
    } else {
        match changes(&asked, &fields) {
            Ok(changes) => app
                .put_declarations((changes, Vec::new()), by, false, None)
                .await
                .map(|given| given.answer.revision),
            Err(error) => Err(error),
        }
    };
    match mendable(done)? {
        Ok(revision) => Ok(see_other(&format!("/admin/targets?done=1&min_revision={revision}"))),
        Err(problem) => {
            let page = page(&asked, &fields, Some(&problem))?;
            Ok(private(&asked, &page))
        }
    }
}

/// The target that a form sets or removes.
fn changes(
    asked: &PageRequest,
    fields: &FormFields,
) -> Result<DeclarationChanges<TargetDocument>, Error> {
    let text = |name: &str| fields.text(name).map(str::to_owned);
    if let Some(code) = text("remove") {
        return Ok([(code, (0, None))].into());
    }
    let (measure, unit) = (text("measure").unwrap_or_default(), text("unit"));
    let code = text("code").unwrap_or_else(|| {
        let of = unit.clone().map(|unit| format!(".{unit}")).unwrap_or_default();
        let from = text("from").map(|from| format!(".{from}")).unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
        format!("{measure}{of}{from}").chars().map(plain).collect()
    });
    let whole = measure.split('{').next().unwrap_or_default();
    let is_percent = asked.state().catalogue.unit_of_measure(whole) == "percent";
    let kind = FieldKind { decimals: None, is_percent };
    let value = needed("value", fields.text("value").unwrap_or_default(), kind, asked.language)?;
    let target = TargetDocument {
        code: code.clone(),
        measure,
        unit,
        from: text("from"),
        to: text("to"),
        value: value.to_string(),
        source: None,
        note: None,
    };
    Ok([(code, (0, Some(target)))].into())
}

/// The catalogue with another deadline of an expectation.
fn with_deadline(
    catalogue: &CatalogueDocument,
    code: &str,
    fields: &FormFields,
) -> Result<CatalogueDocument, Error> {
    let mut document = catalogue.clone();
    let day = fields.text("due_day").and_then(|text| text.parse().ok());
    let day = day.filter(|day| (1..=31).contains(day)).ok_or_else(|| {
        Error::fault("/due_day", "malformed", "the deadline is a day of the next month, 1 to 31")
    })?;
    let known = document.expectations.iter_mut().find(|known| known.code == code);
    let known = known
        .ok_or_else(|| Error::NotFound(format!("there is no expectation {}", quoted(code))))?;
    known.due_day = day;
    Ok(document)
}

fn page(
    asked: &PageRequest,
    typed: &FormFields,
    trouble: Option<&Problem>,
) -> Result<WebPage, Problem> {
    let language = asked.language;
    let query = DeclarationQuery { limit: MAX_LISTED, ..DeclarationQuery::default() };
    let (_, targets, _) = asked.snapshot.declarations::<TargetDocument>(&query)?;
    let title = language.say("Mục tiêu, thời hạn", "Targets and deadlines");
    let body = html! {
        (back(asked))
        h1 { (title) }
        (outcome(asked, trouble))
        @if asked.may(Role::Steward) { (form(asked, typed)) }
        (list(asked, &targets))
        (deadlines(asked))
    };
    let mut page = WebPage::plain(title, PageSection::Admin, body);
    page.sources.push(("JSON", format!("{API}/targets")));
    Ok(page)
}

fn form(asked: &PageRequest, typed: &FormFields) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let value = |name: &str| typed.text(name).unwrap_or_default().to_owned();
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
                            option value=(measure)
                                selected[value("measure") == measure.to_string()] {
                                (measure_name(state, &measure, language))
                            }
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
                            option value=(code) selected[value("unit") == code] {
                                (unit_name(state, code, language))
                            }
                        }
                    }
                }
                label {
                    (language.say(
                        "Giá trị ",
                        "Value ",
                    ))
                    input type="text" inputmode="decimal" name="value" required
                        value=(value("value"));
                }
                label {
                    (language.say(
                        "Từ tháng ",
                        "From ",
                    ))
                    input type="month" name="from" placeholder="2026-01"
                        value=(value("from"));
                }
                label {
                    (language.say(
                        "Đến tháng ",
                        "To ",
                    ))
                    input type="month" name="to" placeholder="2026-12" value=(value("to"));
                }
            }
            button.main { (language.say("Ghi", "Record")) }
        }
    }
}

fn list(asked: &PageRequest, targets: &[ListedDeclaration<TargetDocument>]) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let value = |target: &TargetDocument| {
        let whole = target.measure.split('{').next().unwrap_or_default();
        let measured = language.measured(state.catalogue.unit_of_measure(whole));
        Decimal64::parse(&target.value).map_or_else(
            |_malformed| target.value.clone(),
            |number| format!("{}{measured}", language.decimal(number)),
        )
    };
    let month = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or_default();
        text.parse().map_or_else(|_| text.to_owned(), |month| language.short_month(month))
    };
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
                                td.number { (value(target)) }
                                td { (month(&target.from)) }
                                td { (month(&target.to)) }
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

/// The deadline of an expectation; a steward can change it.
fn deadline(asked: &PageRequest, one: &ExpectationDocument) -> Markup {
    let language = asked.language;
    let (day, of_month) =
        (language.say("ngày ", "day "), language.say(" tháng sau", " of the next month"));
    if !asked.may(Role::Steward) {
        return html! { (day) (one.due_day) (of_month) };
    }
    html! {
        form.inline method="post" action="/admin/targets" {
            (token_field(asked))
            (version_field(asked))
            label {
                (day)
                input type="number" name="due_day" min="1" max="31" required value=(one.due_day);
                (of_month)
            }
            button name="deadline" value=(one.code) { (language.say("Đổi hạn", "Change")) }
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
                                td { (deadline(asked, one)) }
                                td { (one.measures.len()) (language.say(" chỉ tiêu", " figures")) }
                            }
                        }
                    }
                }
            }
            p.hint {
                (language.say(
                    "Đơn vị nào phải báo cáo chỉ tiêu nào là một phần của danh mục.",
                    "Who reports what is part of the catalogue.",
                ))
                " " a href="/admin/catalogue" { (language.say("Danh mục", "Catalogue")) }
            }
        }
    }
}
