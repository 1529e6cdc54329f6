//! `GET /audit`: every change with sender, time and address.

use actix_web::{HttpRequest, get, web};

use super::context::ServiceContext;
use super::cursor::cursor;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{
    AfterRevision, PageLimit, PageStart, QueryTime, RequestedView, query_params, read_query,
};
use super::respond::{respond, response_page};
use crate::app::read::audit::{AuditQuery, AuditView, MAX_PAGE};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::ResponseCell;

response_page! {
    /// A page of the audit log.
    struct AuditLogPage {
        /// The changes, in order of revisions. With filters a page may hold few changes or none and
        /// still have a next page.
        changes: Vec<AuditView>,
    }
    "revision recorded_at kind actor signed_in key address agent reason submission \
     catalogue_version changed",
    row,
    SheetPlan::new(
        "audit",
        "revision recorded_at kind:revision_kind actor signed_in address reason changed",
    )
}

query_params! {
    /// The parameters of `GET /audit`.
    struct AuditParams {
        view: RequestedView,
        after: AfterRevision = "Only changes after this revision; default 0",
        kind: Option<String> =
            "Only changes of this kind: submission, withdrawal, units, catalogue, closing, \
             reopening, targets, annotations, keys",
        actor: Option<String> = "Only changes by this actor, as named in the ledger",
        key: Option<String> = "Only changes made with the key of this identifier",
        address: Option<String> = "Only changes from this address",
        from: Option<QueryTime> = "Only changes at this RFC 3339 time or later",
        to: Option<QueryTime> = "Only changes before this RFC 3339 time",
        limit: PageLimit<MAX_PAGE, MAX_PAGE> =
            "Maximum number of changes on the page, 1 to 1,000; default 1,000",
        cursor: Option<PageStart<1>>,
    }
}

/// List changes with their sender.
///
/// Returns every change of figures, units, catalogue, months, targets, annotations and keys: who
/// made it, when, from which address and why. Needs the role admin.
#[utoipa::path(
    operation_id = "get_audit",
    tag = "service",
    params(AuditParams),
    responses(
        (
            status = 200,
            description = "A page of changes",
            content(
                (AuditLogPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/audit")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: AuditParams = read_query(&request)?;
    let query = AuditQuery {
        after: params.cursor.map_or(params.after.0, PageStart::revision),
        kind: params.kind,
        actor: params.actor,
        key: params.key,
        address: params.address,
        from: params.from.map(|QueryTime(micros)| micros),
        to: params.to.map(|QueryTime(micros)| micros),
        limit: params.limit.of(params.view.format),
    };
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let page = context.compute(move || snapshot.audit(&query)).await?;
        let next = page.next.map(|last| cursor(stamp, &[last.get()]));
        Ok(AuditLogPage::new(stamp, page.changes, next))
    })
    .await
}

fn row(entry: AuditView) -> Vec<ResponseCell> {
    let text = |text: Option<String>| ResponseCell::Text(text.unwrap_or_default());
    let change = entry.change;
    vec![
        ResponseCell::Number(change.revision.to_string()),
        ResponseCell::Text(change.recorded_at),
        ResponseCell::Text(change.kind),
        ResponseCell::Text(change.actor),
        crate::render::table::text(&entry.signed_in),
        text(entry.key),
        text(entry.address),
        text(entry.agent),
        text(change.reason),
        text(change.submission),
        text(change.catalogue_version.map(|version| version.to_string())),
        ResponseCell::Text(
            change
                .units
                .into_iter()
                .chain(change.periods)
                .chain(change.declarations)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    ]
}
