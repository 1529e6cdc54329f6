//! The catalogue: adding an indicator, what differs from the shipped one, versions.

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::{back, mendable, outcome};
use crate::api::access::identity;
use crate::api::{API, HandlerResult, Problem, ServiceContext};
use crate::app::RevisionNumber;
use crate::app::write::catalogue::{NewCatalogue, difference, shipped};
use crate::auth::role::Role;
use crate::error::Error;
use crate::web::layout::{PageSection, WebPage, private, see_other, token_field};
use crate::web::parts::notice;
use crate::web::request::{FormFields, PageRequest};
use kpi::catalogue::{CatalogueDocument, IndicatorDocument};
use kpi::unit::LocalizedName;

/// Most differences that are listed.
const MAX_LINES: usize = 200;
/// Most versions that are listed.
const MAX_VERSIONS: usize = 50;

/// The page.
///
/// # Errors
/// Those of the store.
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let page = page(&context, &asked, GivenIndicator::default()).await?;
    Ok(private(&asked, &page))
}

/// What a form has said, and what came of it.
#[derive(Default)]
struct GivenIndicator<'g> {
    fields: FormFields,
    preview: Vec<String>,
    trouble: Option<&'g Problem>,
}

/// Adds an indicator: first a preview of what would change, then the change.
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
    let document = with_indicator(&asked.state().catalogue.document, &fields);
    let preview = difference(&asked.state().catalogue.document, &document);
    let sure = fields.text("action") == Some("record");
    let new =
        NewCatalogue { document, made_from: Some(asked.state().catalogue_version), dry_run: !sure };
    let done = context.app()?.put_catalogue(new, identity(&request)?, None).await;
    match mendable(done)? {
        Ok(given) if sure => {
            let revision = given.answer.revision;
            Ok(see_other(&format!("/admin/catalogue?done=1&min_revision={revision}")))
        }
        Ok(_checked) => {
            let page =
                page(&context, &asked, GivenIndicator { fields, preview, trouble: None }).await?;
            Ok(private(&asked, &page))
        }
        Err(problem) => {
            let given = GivenIndicator { fields, preview: Vec::new(), trouble: Some(&problem) };
            let page = page(&context, &asked, given).await?;
            Ok(private(&asked, &page))
        }
    }
}

/// Restores an earlier version.
///
/// # Errors
/// Those of the form and of the store.
pub async fn restore(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let asked = PageRequest::of(&request, &context).await?;
    let version: i64 = fields.text("version").and_then(|text| text.parse().ok()).unwrap_or(0);
    let store = asked.snapshot.store().clone();
    let document = context
        .compute(move || {
            let found = store.catalogue_version(version).map_err(Error::from)?;
            let missing = || Error::NotFound(format!("the catalogue has no version {version}"));
            let value = serde_json::from_str(&found.ok_or_else(missing)?.document)
                .map_err(|error| Error::Malformed(error.to_string()))?;
            CatalogueDocument::from_value(value).map_err(Error::Invalid)
        })
        .await?;
    let new = NewCatalogue { document, made_from: None, dry_run: false };
    let done = context.app()?.put_catalogue(new, identity(&request)?, None).await;
    match mendable(done)? {
        Ok(given) => {
            let revision = given.answer.revision;
            Ok(see_other(&format!("/admin/catalogue?done=1&min_revision={revision}")))
        }
        Err(problem) => {
            let given = GivenIndicator { fields, preview: Vec::new(), trouble: Some(&problem) };
            let page = page(&context, &asked, given).await?;
            Ok(private(&asked, &page))
        }
    }
}

/// The catalogue with the indicator of a form, at the end of its system.
fn with_indicator(catalogue: &CatalogueDocument, fields: &FormFields) -> CatalogueDocument {
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let lines = |name: &str| -> Vec<String> {
        let text = fields.text(name).unwrap_or_default();
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let indicator = IndicatorDocument {
        code: text("code"),
        name: LocalizedName { vi: text("name_vi"), en: text("name_en") },
        labels: lines("labels"),
        kind: text("kind"),
        unit_of_measure: fields.text("unit_of_measure").unwrap_or("count").to_owned(),
        decimals: fields.text("decimals").and_then(|text| text.parse().ok()).unwrap_or(0),
        system: fields.text("system").map(str::to_owned),
        headline: fields.is_ticked("headline"),
        may_be_negative: false,
        dimensions: Vec::new(),
        breaks: Vec::new(),
        movement: None,
        note: None,
    };
    let mut document = catalogue.clone();
    document.indicators.retain(|known| known.code != indicator.code);
    let place = document
        .indicators
        .iter()
        .rposition(|known| known.system == indicator.system)
        .map_or(document.indicators.len(), |last| last + 1);
    document.indicators.insert(place, indicator);
    document
}

async fn page(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    given: GivenIndicator<'_>,
) -> Result<WebPage, Problem> {
    let language = asked.language;
    let store = asked.snapshot.store().clone();
    let versions = context.compute(move || store.catalogue_versions().map_err(Error::from)).await?;
    let news = difference(&asked.state().catalogue.document, &shipped()?);
    let title = language.say("Danh mục chỉ tiêu", "Catalogue");
    let body = html! {
        (back(asked))
        h1 { (title) }
        (outcome(asked, given.trouble))
        @if asked.may(Role::Steward) { (form(asked, &given)) }
        (contents(asked))
        section.card.block #shipped {
            h2 {
                (language.say(
                    "Khác với danh mục kèm theo bản cài",
                    "Differences from the shipped catalogue",
                ))
            }
            (lines(&news))
            p.hint {
                (language.say(
                    "“+” là có trong danh mục kèm theo mà ở đây không có. Lấy về bằng lệnh: ",
                    "“+” is in the shipped catalogue and not here. To take it over: ",
                ))
                code { "egov-kpi catalogue add --database …" }
            }
        }
        (history(asked, &versions))
    };
    let mut page = WebPage::plain(title, PageSection::Admin, body);
    page.sources.push(("JSON", format!("{API}/catalogue")));
    Ok(page)
}

fn lines(lines: &[String]) -> Markup {
    html! {
        @if lines.is_empty() { p.reason { "–" } }
        @else {
            pre tabindex="0" {
                (lines.iter().take(MAX_LINES).map(String::as_str).collect::<Vec<_>>().join("\n"))
            }
            @if lines.len() > MAX_LINES { p.hint { "+" (lines.len() - MAX_LINES) } }
        }
    }
}

fn form(asked: &PageRequest, given: &GivenIndicator<'_>) -> Markup {
    let (language, document) = (asked.language, &asked.state().catalogue.document);
    let value = |name: &str| given.fields.text(name).unwrap_or_default().to_owned();
    let kinds = [
        (
            "flow",
            language
                .say("phát sinh trong tháng, cộng dồn được", "happened during the month, adds up"),
        ),
        ("stock", language.say("số cuối tháng", "level at the end of the month")),
        ("average", language.say("số bình quân", "average")),
    ];
    html! {
        form.card.block method="post" action="/admin/catalogue" {
            (token_field(asked))
            h2 { (language.say("Thêm chỉ tiêu", "Add an indicator")) }
            @if !given.preview.is_empty() {
                (notice("good", &html! {
                    p { (language.say("Sẽ thay đổi:", "Would change:")) }
                    (lines(&given.preview))
                    button.main name="action" value="record" {
                        (language.say("Ghi vào danh mục", "Record"))
                    }
                }))
            }
            div.pair {
                label {
                    (language.say(
                        "Mã ",
                        "Code ",
                    ))
                    input type="text" name="code" required value=(value("code"))
                        placeholder="igate.dossiers.example";
                }
                label {
                    (language.say(
                        "Tên ",
                        "Name in Vietnamese ",
                    ))
                    input type="text" name="name_vi" required value=(value("name_vi"));
                }
                label {
                    (language.say(
                        "Tên tiếng Anh ",
                        "Name in English ",
                    ))
                    input type="text" name="name_en" value=(value("name_en"));
                }
                label {
                    (language.say("Hệ thống ", "System "))
                    select name="system" {
                        option value="" { "–" }
                        @for system in &document.systems {
                            option value=(system.code) selected[value("system") == system.code] {
                                (language.name(&system.name))
                            }
                        }
                    }
                }
                label {
                    (language.say("Loại ", "Kind "))
                    select name="kind" {
                        @for (kind, name) in kinds {
                            option value=(kind) selected[value("kind") == kind] { (name) }
                        }
                    }
                }
                label {
                    (language.say(
                        "Đơn vị tính ",
                        "Unit of measure ",
                    ))
                    input type="text" name="unit_of_measure"
                        value=(given.fields.text("unit_of_measure").unwrap_or("count"));
                }
                label {
                    (language.say(
                        "Số chữ số thập phân ",
                        "Decimals ",
                    ))
                    input type="number" name="decimals" min="0" max="9"
                        value=(given.fields.text("decimals").unwrap_or("0"));
                }
                label {
                    input type="checkbox" name="headline" value="1"
                        checked[given.fields.is_ticked("headline")];
                    " " (language.say("hiện ở trang tổng quan", "on the overview"))
                }
            }
            label for="labels" {
                (language.say(
                    "Tên gọi khác trong báo cáo, mỗi dòng một tên",
                    "Other names in reports, one a line",
                ))
            }
            textarea #labels name="labels" rows="3" { (value("labels")) }
            button name="action" value="preview" { (language.say("Xem trước", "Preview")) }
        }
    }
}

fn contents(asked: &PageRequest) -> Markup {
    let (language, document) = (asked.language, &asked.state().catalogue.document);
    html! {
        section.card.block {
            h2 {
                (document.indicators.len()) (language.say(" chỉ tiêu, ", " indicators, "))
                (document.kpis.len()) (language.say(" chỉ số tự tính", " kpis"))
                " (" (language.say("phiên bản ", "version ")) (asked.state().catalogue_version) ")"
            }
            @for system in &document.systems {
                details {
                    summary { (language.name(&system.name)) }
                    ul {
                        @for one in document.indicators.iter()
                            .filter(|one| one.system.as_ref() == Some(&system.code))
                        {
                            li { (language.name(&one.name)) " " code.hint { (one.code) } }
                        }
                        @for one in document.kpis.iter()
                            .filter(|one| one.system.as_ref() == Some(&system.code))
                        {
                            li { (language.name(&one.name)) " = " code.hint { (one.formula) } }
                        }
                    }
                }
            }
        }
    }
}

fn history(asked: &PageRequest, versions: &[(i64, RevisionNumber)]) -> Markup {
    let (language, state) = (asked.language, asked.state());
    html! {
        section.card.block {
            h2 { (language.say("Các phiên bản", "Versions")) }
            div.scroll tabindex="0" {
                table.figures {
                    tbody {
                        @for (version, revision) in versions.iter().rev().take(MAX_VERSIONS) {
                            tr {
                                th scope="row" {
                                    (language.say("Phiên bản ", "Version ")) (version)
                                }
                                td {
                                    @let time = state.time_of(*revision);
                                    (time.map_or_else(String::new, |time| {
                                        language.time(&crate::clock::time_text(time), asked.zone())
                                    }))
                                }
                                td {
                                    @if *version != state.catalogue_version
                                        && asked.may(Role::Steward) {
                                        form method="post" action="/admin/catalogue/restore" {
                                            (token_field(asked))
                                            button.link name="version" value=(version) {
                                                (language.say("Khôi phục", "Restore"))
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
