//! Administration: closing months, units, catalogue, targets, keys, and the audit log.

pub mod catalogue;
pub mod closing;
pub mod keys;
pub mod patterns;
pub mod targets;
pub mod units;

use actix_web::HttpRequest;
use actix_web::web::Data;
use maud::{Markup, html};

use super::layout::{PageSection, WebPage, private};
use super::parts::notice;
use super::request::PageRequest;
use crate::api::{API, HandlerResult, ServiceContext};
use crate::app::RevisionNumber;
use crate::app::read::audit::AuditQuery;
use crate::app::write::catalogue::{difference, shipped};
use crate::auth::role::Role;
use crate::clock::TimestampMicros;
use crate::error::Error;

/// Changes on a page of the audit log.
const AUDITED: usize = 100;

/// The first page of administration: what there is to do, and how the service stands.
///
/// # Errors
/// Those of [`PageRequest::of`].
pub async fn get(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let (language, state) = (asked.language, asked.state());
    let title = language.say("Quản trị", "Administration");
    let news = shipped().map(|shipped| difference(&state.catalogue.document, &shipped).len());
    let links = [
        (
            "/admin/closing",
            language.say("Khóa sổ tháng", "Closing months"),
            language.say(
                "Khóa, mở lại tháng theo danh mục kiểm tra",
                "Close and reopen months by a check list",
            ),
        ),
        (
            "/admin/units",
            language.say("Đơn vị", "Units"),
            language.say(
                "Thêm, sửa, sáp nhập; nhập xuất Excel",
                "Add, change, merge; Excel in and out",
            ),
        ),
        (
            "/admin/catalogue",
            language.say("Danh mục chỉ tiêu", "Catalogue"),
            language.say(
                "Thêm chỉ tiêu, xem và khôi phục phiên bản",
                "Add indicators, see and restore versions",
            ),
        ),
        (
            "/admin/patterns",
            language.say("Số chọn bằng tay", "Figures chosen by hand"),
            language.say(
                "Thêm mẫu câu để lần sau hệ thống tự nhận",
                "Add patterns, so that the service finds them by itself",
            ),
        ),
        (
            "/admin/targets",
            language.say("Mục tiêu, thời hạn", "Targets and deadlines"),
            language.say("Đặt mục tiêu cho chỉ số", "Set targets of measures"),
        ),
        (
            "/reporting",
            language.say("Tình hình báo cáo", "State of reporting"),
            language.say("Ai còn thiếu, mâu thuẫn số liệu", "Missing reports, contradictions"),
        ),
    ];
    let body = html! {
        h1 { (title) }
        @if let Some(trouble) = asked.snapshot.app().trouble() {
            (notice("bad", &html! {
                (language.say(
                    "Hiện không ghi được số liệu: ",
                    "Nothing can be recorded at present: ",
                ))
                (trouble)
            }))
        }
        ul.links.card.block {
            @for (path, name, about) in links {
                li { a href=(path) { (name) } " " span.hint { (about) } }
            }
            @if asked.may(Role::Admin) {
                li {
                    a href="/admin/keys" { (language.say("Khóa truy cập", "Keys")) } " "
                    span.hint { (language.say("Cấp, đổi, thu hồi", "Issue, rotate, revoke")) }
                }
                li {
                    a href="/admin/audit" { (language.say("Nhật ký", "Audit log")) } " "
                    span.hint { (language.say("Ai đã thay đổi gì", "Who changed what")) }
                }
            }
        }
        section.card.block {
            h2 { (language.say("Tình trạng dịch vụ", "State of the service")) }
            dl {
                dt { (language.say("Lần sửa đổi mới nhất", "Newest revision")) }
                dd {
                    (state.revision) ", "
                    (language.time(&crate::clock::time_text(state.recorded_at), asked.zone()))
                }
                dt { (language.say("Đơn vị", "Units")) } dd { (state.units.len()) }
                dt { (language.say("Chỉ tiêu, chỉ số", "Indicators, kpis")) }
                dd { (state.catalogue.indicators.len()) ", " (state.catalogue.kpis.len()) }
                dt { (language.say("Số liệu hiện hành", "Current figures")) }
                dd {
                    (language.number(
                        kpi::number::float(i64::try_from(state.cube.len()).unwrap_or(0)),
                        "count",
                    ))
                }
                dt { (language.say("Tháng đã khóa", "Closed months")) } dd { (state.closed.len()) }
                @if let Ok(news) = news {
                    dt {
                        (language.say(
                            "Khác danh mục kèm theo bản cài",
                            "Differences from the shipped catalogue",
                        ))
                    }
                    dd { a href="/admin/catalogue#shipped" { (news) } }
                }
                dt { (language.say("Sao lưu", "Backups")) }
                dd { (newest_backup(&asked)) }
                @if let Some(free) = asked.snapshot.app().upkeep().disk_free {
                    dt { (language.say("Đĩa còn trống", "Free disk space")) }
                    dd { (free >> 30) " GiB" }
                }
                dt { (language.say("Sức khỏe", "Health")) }
                dd { a href="/readyz" { "/readyz" } ", " a href="/metrics" { "/metrics" } }
            }
        }
    };
    Ok(private(&asked, &WebPage::plain(title, PageSection::Admin, body)))
}

/// When the newest backup was written, or how to write one.
fn newest_backup(asked: &PageRequest) -> Markup {
    let language = asked.language;
    match asked.snapshot.app().upkeep().backup_at {
        Some(0) => html! { (language.say("chưa có bản nào", "no backup yet")) },
        Some(seconds) => html! {
            (language.time(
                &crate::clock::time_text(TimestampMicros::new(seconds.saturating_mul(1_000_000))),
                asked.zone(),
            ))
        },
        None => html! {
            (language.say(
                "chưa khai báo thư mục sao lưu (serve --backups); lệnh: ",
                "no folder of backups is set (serve --backups); command: ",
            ))
            code { "egov-kpi backup FOLDER --keep 30" }
        },
    }
}

/// The audit log, the newest changes first.
///
/// # Errors
/// Those of the store.
pub async fn audit(request: HttpRequest, context: Data<ServiceContext>) -> HandlerResult {
    let asked = PageRequest::of(&request, &context).await?;
    let language = asked.language;
    let newest = asked.state().revision;
    let before = asked.text("before").and_then(|text| text.parse().ok());
    let before = before.map_or(newest.next(), RevisionNumber::new);
    let count = i64::try_from(AUDITED).unwrap_or(i64::MAX);
    let after = before.previous().plus(-count).max(RevisionNumber::BEGINNING);
    let snapshot = asked.snapshot.clone();
    let query = AuditQuery { after, limit: AUDITED, ..AuditQuery::default() };
    let mut changes = context.compute(move || snapshot.audit(&query)).await?.changes;
    changes.retain(|change| change.change.revision < before);
    changes.reverse();
    let title = language.say("Nhật ký", "Audit log");
    let rows = html! {
        @for change in &changes {
            tr {
                td.number { (change.change.revision) }
                td { (language.time(&change.change.recorded_at, asked.zone())) }
                td { (change.change.kind) }
                td { (change.change.actor) }
                td { (change.address.as_deref().unwrap_or_default()) }
                td { (change.change.reason.as_deref().unwrap_or_default()) }
            }
        }
    };
    let heads = [
        language.say("Lần", "Revision"),
        language.say("Lúc", "When"),
        language.say("Loại", "Kind"),
        language.say("Người", "Who"),
        language.say("Địa chỉ", "Address"),
        language.say("Lý do", "Reason"),
    ];
    let body = html! {
        (back(&asked))
        h1 { (title) }
        section.card.block {
            div.scroll tabindex="0" {
                table.figures {
                    thead { tr { @for head in heads { th scope="col" { (head) } } } }
                    tbody { (rows) }
                }
            }
            @if after > RevisionNumber::BEGINNING {
                p { a href=(asked.link(&[("before", after.next().to_string().as_str())])) {
                    (language.say("Cũ hơn", "Older"))
                } }
            }
        }
    };
    let mut page = WebPage::plain(title, PageSection::Admin, body);
    page.sources.push(("JSON", format!("{API}/audit")));
    Ok(private(&asked, &page))
}

/// The way back to the first page of administration.
fn back(asked: &PageRequest) -> Markup {
    html! { nav.path { a href="/admin" { (asked.language.say("Quản trị", "Administration")) } } }
}

/// What was done, or why it was refused.
fn outcome(asked: &PageRequest, trouble: Option<&crate::api::Problem>) -> Markup {
    let language = asked.language;
    html! {
        @if let Some(problem) = trouble {
            (notice("bad", &html! {
                (super::browser::detail(
                    language,
                    problem)) (super::browser::faults(language,
                    problem,
                ))
            }))
        } @else if asked.is("done", "1") {
            (notice("good", &html! { (language.say("Đã ghi.", "Recorded.")) }))
        }
    }
}

/// Turns a refusal that the person can mend into a page, and lets other errors be errors.
fn mendable<T>(
    result: Result<T, Error>,
) -> Result<Result<T, crate::api::Problem>, crate::api::Problem> {
    match result.map_err(crate::api::Problem::from) {
        Ok(done) => Ok(Ok(done)),
        Err(problem) if is_mendable(&problem) => Ok(Err(problem)),
        Err(problem) => Err(problem),
    }
}

/// Whether the person can correct the input: the cause is neither a missing permission nor a
/// failure of the service.
fn is_mendable(problem: &crate::api::Problem) -> bool {
    problem.status < 500 && !matches!(problem.status, 401 | 403)
}
