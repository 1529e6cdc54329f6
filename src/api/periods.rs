//! `GET /periods`, `POST /periods/{period}/close` and `.../reopen`.

use actix_web::{HttpRequest, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::identity;
use super::body::{ReceivedBody, read_body, read_json};
use super::context::ServiceContext;
use super::idempotency::{IdempotencyHeader, idempotency_key};
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{QueryNote, QueryReader, RequestedView, query_params, read_query};
use super::respond::{TableContent, respond, respond_changed};
use crate::app::RevisionNumber;
use crate::app::write::periods::{ClosingChange, ClosingView, PeriodsChanged};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::{ResponseTable, cells};
use kpi::period::Period;

/// The closed months.
#[derive(Serialize, ToSchema)]
struct ClosedPeriodList {
    /// The revision of this state.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The closed months, or with `history` every closing and reopening.
    periods: Vec<ClosingView>,
}

/// The reason of a closing or reopening. The parameter `reason` takes precedence.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    /// The reason.
    reason: Option<String>,
    /// As the parameter `force`.
    force: Option<bool>,
}

query_params! {
    /// The parameters of `GET /periods`.
    struct PeriodsParams {
        view: RequestedView,
        history: Option<bool> =
            "true: every closing and reopening, in order of time. Default: false",
    }
}

/// List the closed months.
///
/// Returns since when each month is closed, by whom and why.
#[utoipa::path(
    operation_id = "get_periods",
    tag = "declarations",
    params(PeriodsParams),
    responses(
        (
            status = 200,
            description = "The months",
            content(
                (ClosedPeriodList = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/periods")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let PeriodsParams { view, history } = read_query(&request)?;
    let history = history.unwrap_or(false);
    respond(&request, &context, &view, async |snapshot, stamp| {
        let (revision, periods) = context.compute(move || snapshot.closings(history)).await?;
        Ok(ClosedPeriodList { revision, revision_hash: stamp.hash(), periods })
    })
    .await
}

impl TableContent for ClosedPeriodList {
    fn into_table(self) -> ResponseTable {
        ResponseTable::new(
            "period closed revision recorded_at actor reason",
            self.periods.into_iter().map(|period| cells(&period)),
        )
        .planned(SheetPlan::new("periods", "period closed recorded_at actor reason"))
    }
}

query_params! {
    /// The parameters of a closing or reopening.
    struct ClosingParams {
        reason: QueryNote = "Reason of the change; may be sent in the body instead",
        force: Option<bool> =
            "For closing only. true: close without a reason, the current month, and while reports \
             are missing. Default: false",
    }
}

/// Close the months of a period.
///
/// Afterwards figures of these months change only with a reason. Without `force=true` a closing
/// needs a reason (422), and is refused with 409 while the month is not over or reports are
/// missing; `errors` lists them.
#[utoipa::path(
    operation_id = "close_period",
    tag = "declarations",
    params(
        (
            "period" = String,
            Path,
            description = "A month, or a wider period for all of its months",
            example = "2021-10"
        ),
        ClosingParams,
        IdempotencyHeader
    ),
    request_body(content((Option<ReasonBody> = "application/json"))),
    responses(
        (status = 200, description = "The months that were closed", body = PeriodsChanged),
        ProblemResponses
    )
)]
#[post("/periods/{period}/close")]
pub async fn close(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    period: web::Path<String>,
    body: ReceivedBody,
) -> HandlerResult {
    change(&request, &context, &period, body, true).await
}

/// Reopen the months of a period.
///
/// Afterwards figures of these months change without a reason again.
#[utoipa::path(
    operation_id = "reopen_period",
    tag = "declarations",
    params(
        (
            "period" = String,
            Path,
            description = "A month, or a wider period for all of its months",
            example = "2021-10"
        ),
        ClosingParams,
        IdempotencyHeader
    ),
    request_body(content((Option<ReasonBody> = "application/json"))),
    responses(
        (status = 200, description = "The months that were reopened", body = PeriodsChanged),
        ProblemResponses
    )
)]
#[post("/periods/{period}/reopen")]
pub async fn reopen(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    period: web::Path<String>,
    body: ReceivedBody,
) -> HandlerResult {
    change(&request, &context, &period, body, false).await
}

async fn change(
    request: &HttpRequest,
    context: &ServiceContext,
    period: &str,
    body: ReceivedBody,
    closes: bool,
) -> HandlerResult {
    let app = context.app()?;
    let mut reader = QueryReader::of(request)?;
    let (mut reason, mut force) = reader
        .read()
        .map_or((None, None), |ClosingParams { reason: QueryNote(text), force }| (text, force));
    let period = reader.path_period::<Period>(period);
    let bytes = read_body(body)?;
    if !bytes.is_empty() {
        let (value, _) = read_json(request, Ok(bytes.clone()))?;
        match serde_json::from_value::<Option<ReasonBody>>(value) {
            Ok(sent) => {
                let sent = sent.unwrap_or_default();
                reason = reason.or(sent.reason.and_then(|text| reader.note("reason", text)));
                force = force.or(sent.force);
            }
            Err(_shape) => reader.fault(
                "",
                "malformed",
                "the body must be empty or an object with reason (a text) and force (true or \
                 false)",
            ),
        }
    }
    let period = reader.finish(period)?;
    let given = app
        .close(
            ClosingChange { period, close: closes, reason, force: force.unwrap_or(false) },
            &identity(request)?,
            idempotency_key(request, &bytes)?,
        )
        .await?;
    Ok(respond_changed(None, given.replayed, &given.answer))
}
