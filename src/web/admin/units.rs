//! Units: the list, a table in and out, adding one, and merging some.

use std::collections::{BTreeMap, HashSet};

use actix_web::HttpRequest;
use actix_web::web::{Bytes, Data, Payload};
use chrono::NaiveDate;
use maud::{Markup, html};

use super::{back, mendable, outcome};
use crate::api::{API, HandlerResult, Problem, ServiceContext, upload_form};
use crate::app::write::units::limited;
use crate::auth::role::Role;
use crate::error::Error;
use crate::intake::sheet_csv::first_sheet;
use crate::intake::unit_table;
use crate::web::entry::number::{FieldKind, needed};
use crate::web::layout::{PageSection, WebPage, private, see_other, token_field};
use crate::web::parts::{unit_list, unit_name};
use crate::web::request::{FormFields, PageRequest, check_token};
use kpi::fault::{Fault, quoted};
use kpi::number::Decimal64;
use kpi::unit::{LocalizedName, UnitDocument, UnitKind, UnitRange};

/// The kinds of units, as forms offer them.
const KINDS: [UnitKind; 5] = [
    UnitKind::Department,
    UnitKind::Commune,
    UnitKind::District,
    UnitKind::Province,
    UnitKind::Agency,
];
/// Most units that the page lists.
const MAX_LISTED: usize = 500;

/// The page.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    Ok(private(&asked, &page(&asked, &FormFields::default(), None)))
}

/// Takes units from a table (CSV, Excel) or JSON.
///
/// # Errors
/// Those of the form and of the store.
pub async fn post(
    request: HttpRequest,
    context: Data<ServiceContext>,
    payload: Payload,
) -> HandlerResult {
    let (file, fields) = upload_form(&request, payload, &["form_token"]).await?;
    check_token(&request, fields.get("form_token").map(String::as_str).unwrap_or_default())?;
    let asked = PageRequest::of(&request, &context).await?;
    let name = file.name.as_deref().unwrap_or_default().to_lowercase();
    let account = context.reserve_document(file.bytes.len(), false).await?;
    let takes = account.reserved();
    let read = context.run(takes, move || {
        let _account = account;
        units_of_file(&name, &file.bytes)
    });
    let read = read.await?;
    change(&request, &context, (&asked, &FormFields::default()), read).await
}

fn units_of_file(name: &str, bytes: &[u8]) -> Result<Vec<UnitDocument>, Error> {
    let units = if name.ends_with(".xlsx") {
        let invalid = |fault: Fault| Error::Invalid(vec![fault]);
        let table = first_sheet(bytes).map_err(invalid)?.table().map_err(Error::Invalid)?;
        unit_table::read(table.as_slice()).map_err(Error::Invalid)?
    } else if name.ends_with(".json") {
        let value = serde_json::from_slice(bytes)
            .map_err(|error| Error::Malformed(format!("the file is not JSON: {error}")))?;
        crate::app::write::units::parse(value)?
    } else {
        unit_table::read(bytes).map_err(Error::Invalid)?
    };
    limited(units)
}

async fn change(
    request: &HttpRequest,
    context: &Data<ServiceContext>,
    (asked, typed): (&PageRequest, &FormFields),
    units: Result<Vec<UnitDocument>, Error>,
) -> HandlerResult {
    let by = crate::api::access::identity(request)?;
    let done = match units {
        Ok(units) => context.app()?.put_units(units, by, false, None).await,
        Err(error) => Err(error),
    };
    match mendable(done)? {
        Ok(given) => {
            let revision = given.answer.revision;
            Ok(see_other(&format!("/admin/units?done=1&min_revision={revision}")))
        }
        Err(problem) => Ok(private(asked, &page(asked, typed, Some(&problem)))),
    }
}

/// Adds a unit, or merges units into a new one.
///
/// # Errors
/// Those of the form and of the store.
pub async fn merge(
    request: HttpRequest,
    context: Data<ServiceContext>,
    body: Bytes,
) -> HandlerResult {
    let fields = FormFields::read(&request, &body)?;
    let asked = PageRequest::of(&request, &context).await?;
    let units = merged(&asked, &fields);
    change(&request, &context, (&asked, &fields), units).await
}

/// The units that a form describes: the new one, and its predecessors with their ends.
fn merged(asked: &PageRequest, fields: &FormFields) -> Result<Vec<UnitDocument>, Error> {
    let state = asked.state();
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let from = fields.text("from").map(str::parse::<NaiveDate>).transpose();
    let from = from.map_err(|_malformed| {
        Error::fault("/from", "malformed_date", "a date is written as 2025-07-01")
    })?;
    let kind = KINDS.into_iter().find(|kind| kind.name() == text("kind")).unwrap_or_default();
    let code = text("code");
    if state.units.position(&code).is_some() {
        let detail = format!("there already is a unit with the code {}", quoted(&code));
        return Err(Error::fault("/code", "known", detail));
    }
    let (successors, shares) = successors(asked, fields, (&code, from))?;
    let mut units = Vec::new();
    for predecessor in fields.texts("merged") {
        let unit = state.find_unit(predecessor)?;
        let Some(unit) = state.units.get(unit) else { continue };
        let Some(end) = from.and_then(|from| from.pred_opt()) else {
            return Err(Error::fault("/from", "missing", "a merger needs its first day"));
        };
        units.push(UnitDocument {
            valid_to: Some(end),
            successors: successors.clone(),
            shares: shares.clone(),
            ..unit.document.clone()
        });
    }
    units.push(UnitDocument {
        code,
        kind,
        name: LocalizedName { vi: text("name_vi"), en: text("name_en") },
        parent: fields.text("parent").map(str::to_owned),
        valid_from: from,
        valid_to: None,
        successors: Vec::new(),
        shares: BTreeMap::new(),
        official_codes: Vec::new(),
        labels: Vec::new(),
    });
    Ok(units)
}

/// What continues the merged units: the new one; where only a share of them goes into it, also the
/// unit that takes the rest, which must exist on the first day of the new one.
fn successors(
    asked: &PageRequest,
    fields: &FormFields,
    (code, first): (&str, Option<NaiveDate>),
) -> Result<(Vec<String>, BTreeMap<String, Decimal64>), Error> {
    let Some(text) = fields.text("share") else {
        return Ok((vec![code.to_owned()], BTreeMap::new()));
    };
    let kind = FieldKind { decimals: None, is_percent: true };
    let percent = needed("share", text, kind, asked.language)?;
    let whole = 10_i64.checked_pow(percent.scale + 2).unwrap_or(i64::MAX);
    if percent.mantissa <= 0 || percent.mantissa > whole {
        let detail = "the share is a percentage, more than 0 and at most 100";
        return Err(Error::fault("/share", "malformed_share", detail));
    }
    if percent.mantissa == whole {
        return Ok((vec![code.to_owned()], BTreeMap::new()));
    }
    let rest = fields.text("rest").ok_or_else(|| {
        Error::fault("/rest", "missing", "name the unit that takes the rest of the merged units")
    })?;
    let state = asked.state();
    let unit = state.find_unit(rest)?;
    let first = first.unwrap_or_else(|| asked.snapshot.day());
    if !state.units.get(unit).is_some_and(|unit| unit.exists_on(first)) {
        let detail = format!("the unit {} does not exist on that day", quoted(rest));
        return Err(Error::fault("/rest", "unit_ended", detail));
    }
    let share = |mantissa: i64| Decimal64 { mantissa, scale: percent.scale + 2 };
    let shares = [
        (code.to_owned(), share(percent.mantissa)),
        (rest.to_owned(), share(whole - percent.mantissa)),
    ];
    Ok((vec![code.to_owned(), rest.to_owned()], shares.into()))
}

fn page(asked: &PageRequest, typed: &FormFields, trouble: Option<&Problem>) -> WebPage {
    let language = asked.language;
    let title = language.say("Đơn vị", "Units");
    let body = html! {
        (back(asked))
        div.title {
            h1 { (title) }
            div.actions {
                a.button href=(format!("{API}/units?format=xlsx&full=true")) download { "Excel" }
                a.button href=(format!("{API}/units?format=csv")) download { "CSV" }
            }
        }
        (outcome(asked, trouble))
        @if asked.may(Role::Steward) {
            details.card.block {
                summary { (language.say("Nhập từ bảng", "Take from a table")) }
                form method="post" action="/admin/units" enctype="multipart/form-data" {
                    (token_field(asked))
                    label for="file" {
                        (language.say(
                            "Tệp Excel, CSV hoặc JSON như bảng tải về; đơn vị không có trong \
                             tệp giữ nguyên",
                            "An Excel, CSV or JSON file like the downloaded table; units that \
                             it leaves out stay",
                        ))
                    }
                    input #file type="file" name="file" required accept=".xlsx,.csv,.json";
                    button { (language.say("Nhập", "Take")) }
                }
            }
        }
        form method="post" action="/admin/units/merge" {
            (token_field(asked))
            (list(asked, typed))
            @if asked.may(Role::Steward) { (new_unit(asked, typed)) }
        }
    };
    WebPage::plain(title, PageSection::Admin, body)
}

fn list(asked: &PageRequest, typed: &FormFields) -> Markup {
    let (language, state) = (asked.language, asked.state());
    let day = asked.snapshot.day();
    let may = asked.may(Role::Steward);
    let ticked: HashSet<&str> = typed.texts("merged").collect();
    let shown = state.units.len().min(MAX_LISTED);
    html! {
        section.card.block {
            div.scroll tabindex="0" {
                table.figures {
                    thead {
                        tr {
                            @if may { th scope="col" { (language.say("Sáp nhập", "Merge")) } }
                            th scope="col" { (language.say("Đơn vị", "Unit")) }
                            th scope="col" { (language.say("Loại", "Kind")) }
                            th scope="col" { (language.say("Mã", "Code")) }
                            th scope="col" { (language.say("Từ", "From")) }
                            th scope="col" { (language.say("Đến", "To")) }
                            th scope="col" { (language.say("Đơn vị kế tiếp", "Successors")) }
                        }
                    }
                    tbody {
                        @for position in UnitRange::of_first(shown) {
                            @if let Some(unit) = state.units.get(position) {
                                @let document = &unit.document;
                                tr class={ "depth" (unit.depth.min(3)) } {
                                    @if may {
                                        td {
                                            @if unit.exists_on(day) {
                                                @let name =
                                                    unit_name(state, &document.code, language);
                                                input type="checkbox" name="merged"
                                                    value=(document.code) aria-label=(name)
                                                    checked[ticked.contains(&*document.code)];
                                            }
                                        }
                                    }
                                    th scope="row" { (unit_name(state, &document.code, language)) }
                                    td { (language.kind(document.kind)) }
                                    td { code { (document.code) } }
                                    td {
                                        @if let Some(day) = document.valid_from {
                                            (language.day(day))
                                        }
                                    }
                                    td {
                                        @if let Some(day) = document.valid_to {
                                            (language.day(day))
                                        }
                                    }
                                    td {
                                        @for successor in &document.successors {
                                            (unit_name(state, successor, language)) " "
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @if state.units.len() > shown {
                p.hint {
                    "+" (state.units.len() - shown)
                    (language.say(
                        " đơn vị khác, xem trong tệp Excel",
                        " further units, see the Excel file",
                    ))
                }
            }
        }
    }
}

fn new_unit(asked: &PageRequest, typed: &FormFields) -> Markup {
    let language = asked.language;
    let value = |name: &str| typed.text(name).unwrap_or_default().to_owned();
    html! {
        section.card.block {
            h2 { (language.say("Đơn vị mới", "New unit")) }
            p.hint {
                (language.say(
                    "Tích các đơn vị ở bảng trên để sáp nhập chúng vào đơn vị mới từ ngày ghi \
                     ở dưới; không tích để chỉ thêm đơn vị.",
                    "Tick units in the table above to merge them into the new one from the day \
                     below; tick none to add a unit.",
                ))
            }
            div.pair {
                label {
                    (language.say(
                        "Mã ",
                        "Code ",
                    ))
                    input type="text" name="code" required pattern="[a-z0-9._\\-]+"
                        value=(value("code"));
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
                    (language.say("Loại ", "Kind "))
                    select name="kind" {
                        @for kind in KINDS {
                            option value=(kind.name()) selected[value("kind") == kind.name()] {
                                (language.kind(kind))
                            }
                        }
                    }
                }
                label {
                    (language.say("Thuộc ", "Below "))
                    input type="text" name="parent" list="units" value=(value("parent"));
                }
                label {
                    (language.say("Từ ngày ", "First day "))
                    input type="date" name="from" value=(value("from"));
                }
            }
            details open[typed.text("share").is_some()] {
                summary {
                    (language.say(
                        "Chỉ một phần của các đơn vị đã tích nhập vào đơn vị mới",
                        "Only a share of the ticked units goes into the new one",
                    ))
                }
                div.pair {
                    label {
                        (language.say("Tỷ lệ vào đơn vị mới, % ", "Share for the new unit, % "))
                        input type="text" inputmode="decimal" name="share" value=(value("share"));
                    }
                    label {
                        (language.say("Phần còn lại thuộc ", "The rest goes to "))
                        input type="text" name="rest" list="units" value=(value("rest"));
                    }
                }
            }
            (unit_list(asked))
            button.main { (language.say("Ghi", "Record")) }
        }
    }
}
