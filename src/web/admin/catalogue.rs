//! The catalogue: adding an indicator, what differs from the shipped one, versions.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data};
use maud::{Markup, html};

use super::{back, mendable, outcome};
use crate::api::access::identity;
use crate::api::{API, HandlerResult, Problem, ServiceContext};
use crate::app::RevisionNumber;
use crate::app::read::tried::TriedValue;
use crate::app::write::catalogue::{NewCatalogue, difference, shipped};
use crate::auth::role::Role;
use crate::error::Error;
use crate::web::layout::{PageSection, WebPage, private, see_other, token_field};
use crate::web::parts::{notice, unit_name};
use crate::web::request::{FormFields, PageRequest};
use kpi::catalogue::{Catalogue, CatalogueDocument, Direction, IndicatorDocument, KpiDocument};
use kpi::fault::quoted;
use kpi::measure::{Measure, Members};
use kpi::number::Rounded;
use kpi::period::Month;
use kpi::unit::LocalizedName;

/// Most differences that are listed.
const MAX_LINES: usize = 200;
/// Most versions that are listed.
const MAX_VERSIONS: usize = 50;
/// Most units, or numbers of reports, of a preview.
const MAX_TRIED: usize = 50;
/// Which values of a kpi are better.
const DIRECTIONS: [Direction; 3] = [Direction::Higher, Direction::Lower, Direction::Neutral];

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
    preview: Option<CataloguePreview>,
    trouble: Option<&'g Problem>,
}

/// What an addition would change, and what it would give from the figures of the newest month.
struct CataloguePreview {
    differences: Vec<String>,
    month: Month,
    unit_of_measure: String,
    is_kpi: bool,
    values: Vec<TriedValue>,
    /// The numbers in the reports of the month that would be its figures: unit, number, sentence.
    in_reports: Vec<(String, String, String)>,
}

/// Adds an indicator or a kpi: first a preview of what would change, then the change.
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
    let standing = &asked.state().catalogue.document;
    let sure = fields.text("action") == Some("record");
    let done = match with_measure(standing, &fields) {
        Ok(document) => {
            let made_from = Some(version_seen(&asked, &fields));
            let new = NewCatalogue { document, made_from, dry_run: !sure };
            context.app()?.put_catalogue(new, identity(&request)?, None).await
        }
        Err(error) => Err(error),
    };
    let given = match mendable(done)? {
        Ok(given) if sure => {
            let revision = given.answer.revision;
            return Ok(see_other(&format!("/admin/catalogue?done=1&min_revision={revision}")));
        }
        Ok(checked) => preview(&context, &asked, &fields, checked.answer.document).await,
        Err(problem) => Err(problem),
    };
    let (preview, problem) = match given {
        Ok(preview) => (Some(preview), None),
        Err(problem) if super::is_mendable(&problem) => (None, Some(problem)),
        Err(problem) => return Err(problem),
    };
    let given = GivenIndicator { fields, preview, trouble: problem.as_ref() };
    let page = page(&context, &asked, given).await?;
    Ok(private(&asked, &page))
}

/// The version of the catalogue that the page showed on which a form was filled in; or the version
/// that this instance knows, from which the document is made, if that is an earlier one. Either way
/// a document that lacks a later change is refused.
pub fn version_seen(asked: &PageRequest, fields: &FormFields) -> i64 {
    let (seen, known) = (fields.text("made_from"), asked.state().catalogue_version);
    seen.and_then(|text| text.parse().ok()).map_or(known, |seen: i64| seen.min(known))
}

/// The hidden field with the version that a page shows.
pub fn version_field(asked: &PageRequest) -> Markup {
    html! { input type="hidden" name="made_from" value=(asked.state().catalogue_version); }
}

async fn preview(
    context: &Data<ServiceContext>,
    asked: &PageRequest,
    fields: &FormFields,
    document: CatalogueDocument,
) -> Result<CataloguePreview, Problem> {
    let unit = asked.state().units.code(asked.unit()?).to_owned();
    let month = asked.month_of(&unit)?;
    let code = fields.text("code").unwrap_or_default().to_owned();
    let measure = Measure { code, members: Members::none() };
    let (app, snapshot, is_kpi) =
        (context.app()?.clone(), asked.snapshot.clone(), fields.text("formula").is_some());
    let preview = context
        .compute(move || {
            let differences = difference(&snapshot.state().catalogue.document, &document);
            let catalogue = Arc::new(Catalogue::new(document).map_err(Error::Invalid)?);
            let of = (unit.as_str(), month);
            let values = snapshot.tried_values(&catalogue, &measure, of, MAX_TRIED)?;
            let mut in_reports = Vec::new();
            if !is_kpi {
                for report in app.read_again(&snapshot, &catalogue, &month.to_string(), None)? {
                    let found = report.figures.into_iter();
                    let found = found.filter(|figure| figure.indicator == measure.code);
                    in_reports
                        .extend(found.map(|figure| (figure.unit, figure.printed, figure.sentence)));
                }
            }
            let unit_of_measure = catalogue.unit_of_measure(&measure.code).to_owned();
            Ok::<_, Error>(CataloguePreview {
                differences,
                month,
                unit_of_measure,
                is_kpi,
                values,
                in_reports,
            })
        })
        .await?;
    Ok(preview)
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
    // Of a version that was recorded meanwhile the person has not seen what would be undone.
    let made_from = Some(version_seen(&asked, &fields));
    let new = NewCatalogue { document, made_from, dry_run: false };
    let done = context.app()?.put_catalogue(new, identity(&request)?, None).await;
    match mendable(done)? {
        Ok(given) => {
            let revision = given.answer.revision;
            Ok(see_other(&format!("/admin/catalogue?done=1&min_revision={revision}")))
        }
        Err(problem) => {
            let trouble = Some(&problem);
            let given = GivenIndicator { trouble, ..GivenIndicator::default() };
            let page = page(&context, &asked, given).await?;
            Ok(private(&asked, &page))
        }
    }
}

/// The catalogue with the indicator or kpi of a form, at the end of its system.
///
/// # Errors
/// [`Error::Invalid`] for a code that the catalogue has already.
fn with_measure(
    catalogue: &CatalogueDocument,
    fields: &FormFields,
) -> Result<CatalogueDocument, Error> {
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let labels = text("labels");
    let labels = labels.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    let (code, labels) = (text("code"), labels.collect());
    let name = LocalizedName { vi: text("name_vi"), en: text("name_en") };
    let system = fields.text("system").map(str::to_owned);
    let unit_of_measure = fields.text("unit_of_measure").unwrap_or("count").to_owned();
    let is_known = catalogue.indicators.iter().any(|known| known.code == code)
        || catalogue.kpis.iter().any(|known| known.code == code);
    if is_known {
        let detail = format!("the catalogue already has the code {}", quoted(&code));
        return Err(Error::fault("/code", "known", detail));
    }
    let mut document = catalogue.clone();
    if let Some(formula) = fields.text("formula") {
        let kpi = KpiDocument {
            code,
            name,
            labels,
            formula: formula.to_owned(),
            unit_of_measure,
            direction: fields.text("direction").unwrap_or("neutral").to_owned(),
            system,
            score: None,
            note: None,
        };
        let last = document.kpis.iter().rposition(|known| known.system == kpi.system);
        document.kpis.insert(last.map_or(document.kpis.len(), |last| last + 1), kpi);
        return Ok(document);
    }
    let indicator = IndicatorDocument {
        code,
        name,
        labels,
        kind: text("kind"),
        unit_of_measure,
        decimals: fields.text("decimals").and_then(|text| text.parse().ok()).unwrap_or(0),
        system,
        headline: fields.is_ticked("headline"),
        may_be_negative: false,
        dimensions: Vec::new(),
        breaks: Vec::new(),
        movement: None,
        note: None,
    };
    let last = document.indicators.iter().rposition(|known| known.system == indicator.system);
    document.indicators.insert(last.map_or(document.indicators.len(), |last| last + 1), indicator);
    Ok(document)
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
            h2 { (language.say("Thêm chỉ tiêu, chỉ số", "Add an indicator or a kpi")) }
            (version_field(asked))
            @if let Some(preview) = &given.preview { (previewed(asked, preview)) }
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
                    (language.say("Công thức, nếu là chỉ số tự tính ", "Formula, of a kpi "))
                    input type="text" name="formula" value=(value("formula")) list="operands"
                        placeholder="igate.dossiers.resolved / igate.dossiers.received";
                }
                label {
                    (language.say("Chiều tốt của chỉ số tự tính ", "Better values of a kpi "))
                    select name="direction" {
                        @for direction in DIRECTIONS {
                            @let code = direction.name();
                            option value=(code) selected[value("direction") == code] {
                                (language.direction(direction))
                            }
                        }
                    }
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
            datalist #operands {
                @for indicator in &document.indicators {
                    option value=(indicator.code) { (language.name(&indicator.name)) }
                }
            }
            button name="action" value="preview" { (language.say("Xem trước", "Preview")) }
        }
    }
}

/// What would change, and the button that records it.
fn previewed(asked: &PageRequest, preview: &CataloguePreview) -> Markup {
    let language = asked.language;
    notice(
        "good",
        &html! {
            p { (language.say("Sẽ thay đổi:", "Would change:")) }
            (lines(&preview.differences))
            (tried(asked, preview))
            button.main name="action" value="record" {
                (language.say("Ghi vào danh mục", "Record"))
            }
        },
    )
}

/// What the addition gives from the figures of the newest month.
fn tried(asked: &PageRequest, preview: &CataloguePreview) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let written = |value: Option<Rounded>| {
        value.map(|value| language.quantity(value.get(), &preview.unit_of_measure))
    };
    let month = language.month(preview.month).to_lowercase();
    html! {
        @if preview.is_kpi {
            p {
                (language.say("Tính thử trên số liệu ", "From the figures of ")) (month) ":"
            }
            div.scroll tabindex="0" {
                table.figures #tried {
                    thead {
                        tr {
                            th scope="col" { (language.say("Đơn vị", "Unit")) }
                            th.number scope="col" {
                                (language.month(preview.month.plus(-1)))
                            }
                            th.number scope="col" { (language.month(preview.month)) }
                        }
                    }
                    tbody {
                        @for one in &preview.values {
                            tr {
                                th scope="row" { (unit_name(state, &one.unit, language)) }
                                td.number {
                                    (written(one.previous).unwrap_or_else(|| "–".to_owned()))
                                }
                                td.number {
                                    @if let Some(value) = written(one.value) { (value) }
                                    @else {
                                        span.reason { (language.value_reason(one.value_reason)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        } @else if preview.in_reports.is_empty() {
            p #tried {
                (language.say(
                    format!(
                        "Thử trên các báo cáo {month}: chưa số nào thuộc chỉ tiêu này; số liệu \
                         sẽ do đơn vị nhập.",
                    ),
                    format!(
                        "In the reports of {month} no number belongs to this indicator; units \
                         will enter its figures.",
                    ),
                ))
            }
        } @else {
            p {
                (language.say(
                    format!("Thử trên các báo cáo {month}, các số sau thuộc chỉ tiêu này:"),
                    format!("In the reports of {month} these numbers belong to this indicator:"),
                ))
            }
            ul #tried {
                @for (unit, printed, sentence) in preview.in_reports.iter().take(MAX_TRIED) {
                    li {
                        (unit_name(state, unit, language)) ": " strong { (printed) } " "
                        q.hint { (sentence) }
                    }
                }
            }
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
                                            (version_field(asked))
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
