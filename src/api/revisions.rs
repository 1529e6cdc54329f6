//! `GET /revisions`: the recorded changes; `GET /ledger`: the current state of the ledger.

use actix_web::{HttpRequest, get, web};

use super::context::ServiceContext;
use super::cursor::cursor;
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{
    AfterRevision, PageLimit, PageStart, RequestedView, StateParams, query_params, read_query,
};
use super::respond::{ResponseBody, respond, response_page};
use super::response_format::ResponseFormat;
use crate::app::read::ledger::{LedgerView, MAX_PAGE, RevisionView};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::ResponseCell;

response_page! {
    /// A page of revisions.
    struct RevisionsPage {
        /// The revisions, in order.
        revisions: Vec<RevisionView>,
    }
    "revision recorded_at kind actor reason hash submission source_kind reference created \
     revised unchanged withdrawn catalogue_version changed",
    row,
    SheetPlan::new(
        "revisions",
        "revision recorded_at kind:revision_kind actor reason created revised withdrawn reference",
    )
}

query_params! {
    /// The parameters of `GET /revisions`.
    struct RevisionsParams {
        view: RequestedView,
        after: AfterRevision = "Only revisions after this one; default 0",
        limit: PageLimit<MAX_PAGE, MAX_PAGE> =
            "Maximum number of revisions on the page, 1 to 1,000; default 1,000",
        cursor: Option<PageStart<1>>,
    }
}

/// List the revisions of the ledger.
///
/// Returns every recorded change in order: number, hash, time, kind, sender and reason.
#[utoipa::path(
    operation_id = "get_revisions",
    tag = "service",
    params(RevisionsParams),
    responses(
        (
            status = 200,
            description = "A page of revisions",
            content(
                (RevisionsPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/revisions")]
pub async fn get_revisions(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
) -> HandlerResult {
    let params: RevisionsParams = read_query(&request)?;
    let limit = params.limit.of(params.view.format);
    let after = params.cursor.map_or(params.after.0, PageStart::revision);
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let (_, revisions, more) =
            context.compute(move || snapshot.revisions(after, limit)).await?;
        let last = revisions.last().filter(|_| more);
        let next_cursor = last.map(|last| cursor(stamp, &[last.revision.get()]));
        Ok(RevisionsPage::new(stamp, revisions, next_cursor))
    })
    .await
}

fn row(revision: RevisionView) -> Vec<ResponseCell> {
    let text = |text: Option<String>| ResponseCell::Text(text.unwrap_or_default());
    let count = |count: Option<u64>| {
        count.map_or(ResponseCell::Text(String::new()), |count| {
            ResponseCell::Number(count.to_string())
        })
    };
    let counts = revision.counts;
    let (kind, reference) =
        revision.source.map_or((None, None), |source| (Some(source.kind), source.reference));
    vec![
        ResponseCell::Number(revision.revision.to_string()),
        ResponseCell::Text(revision.recorded_at),
        ResponseCell::Text(revision.kind),
        ResponseCell::Text(revision.actor),
        text(revision.reason),
        ResponseCell::Text(revision.hash),
        text(revision.submission),
        text(kind),
        text(reference),
        count(counts.map(|counts| counts.created)),
        count(counts.map(|counts| counts.revised)),
        count(counts.map(|counts| counts.unchanged)),
        count(counts.map(|counts| counts.withdrawn)),
        text(revision.catalogue_version.map(|version| version.to_string())),
        ResponseCell::Text(
            revision
                .units
                .into_iter()
                .chain(revision.periods)
                .chain(revision.declarations)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    ]
}

query_params! {
    /// The parameters of `GET /ledger`.
    struct LedgerParams {
        digest: Option<bool> =
            "true: also the hash over all current figures, which takes longer on large ledgers. \
             Default: false",
        state: StateParams,
    }
}

/// Get the state of the ledger.
///
/// Returns the newest revision and counts of figures. Two instances with equal responses have equal
/// figures.
#[utoipa::path(
    operation_id = "get_ledger",
    tag = "service",
    params(LedgerParams),
    responses(
        (status = 200, description = "The state of the ledger", body = LedgerView),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/ledger")]
pub async fn get_ledger(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: LedgerParams = read_query(&request)?;
    let digest = params.digest.unwrap_or(false);
    let view = params.state.in_format(ResponseFormat::Json);
    respond(&request, &context, &view, async |snapshot, _stamp| {
        let ledger = context.compute(move || Ok::<_, Problem>(snapshot.ledger(digest)));
        Ok(ResponseBody::json(ledger.await?))
    })
    .await
}
