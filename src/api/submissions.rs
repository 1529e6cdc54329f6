//! `GET /submissions/{id}` returns the receipt, `DELETE` withdraws its current figures.

use actix_web::{HttpRequest, delete, get, web};

use super::access::identity;
use super::context::ServiceContext;
use super::idempotency::idempotency_key;
use super::observations::receipt;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{QueryNote, StateParams, query_params, read_query};
use super::respond::{ResponseBody, respond};
use super::response_format::ResponseFormat;
use crate::app::read::past_submissions::PastReceipt;
use crate::app::write::receipt::Receipt;

/// Get the receipt of a submission.
///
/// Returns counts and findings as of the recording, with sender, time, source and reason.
#[utoipa::path(
    operation_id = "get_submission",
    tag = "figures",
    params(
        ("id" = String, Path, description = "Identifier of the submission"),
        StateParams
    ),
    responses(
        (
            status = 200,
            description = "The receipt, with sender, time, source and reason",
            body = PastReceipt
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/submissions/{id}")]
pub async fn get(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    id: web::Path<String>,
) -> HandlerResult {
    let view = read_query::<StateParams>(&request)?.in_format(ResponseFormat::Json);
    respond(&request, &context, &view, async |snapshot, _stamp| {
        Ok(ResponseBody::json(context.compute(move || snapshot.receipt(&id)).await?))
    })
    .await
}

query_params! {
    /// The parameters of `DELETE /submissions/{id}`.
    struct WithdrawalParams {
        reason: QueryNote = "Reason of the withdrawal; required for figures of closed months",
    }
}

/// Withdraw the figures of a submission.
///
/// Withdraws those figures that are still current, in a new revision. Figures that they had
/// replaced are not restored. A closed month without a reason gets 409.
#[utoipa::path(
    operation_id = "delete_submission",
    tag = "figures",
    params(
        ("id" = String, Path, description = "Identifier of the submission"),
        WithdrawalParams
    ),
    responses(
        (status = 201, description = "The figures were withdrawn", body = Receipt),
        (
            status = 200,
            description = "No figure of the submission was current; nothing changed",
            body = Receipt
        ),
        ProblemResponses
    )
)]
#[delete("/submissions/{id}")]
pub async fn delete(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    id: web::Path<String>,
) -> HandlerResult {
    let app = context.app()?;
    let WithdrawalParams { reason: QueryNote(reason) } = read_query(&request)?;
    let given = app
        .withdraw(&id, reason, &identity(&request)?, idempotency_key(&request, &[])?.as_ref())
        .await?;
    Ok(receipt(&given))
}
