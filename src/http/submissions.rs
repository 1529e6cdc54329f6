//! `GET /submissions/{id}` is the receipt, `DELETE` takes back what still stands of it.

use actix_web::{HttpRequest, HttpResponse, delete, get, web};

use super::Context;
use super::access::who;
use super::keyed::keyed;
use super::observations::receipt;
use super::params::Params;
use super::problem::{Answer, Problems};
use crate::app::submissions::{PastReceipt, Receipt};

/// The receipt of a submission.
#[utoipa::path(
    operation_id = "get_submission",
    tag = "figures",
    params(
        ("id" = String, Path, description = "The submission"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds")
    ),
    responses((status = 200, description = "What was sent, by whom, when, with counts and the findings then", body = PastReceipt), Problems)
)]
#[get("/submissions/{id}")]
pub async fn get(
    request: HttpRequest,
    context: web::Data<Context>,
    id: web::Path<String>,
) -> Answer {
    let mut params = Params::of(&request)?;
    let wanted = params.wanted(&request);
    params.finish()?;
    let moment = context.when(&wanted).await?;
    let receipt = context.compute(move || moment.receipt(&id)).await?;
    Ok(HttpResponse::Ok().json(receipt))
}

/// Withdraws the figures of a submission that still stand, in a new revision.
#[utoipa::path(
    operation_id = "delete_submission",
    tag = "figures",
    params(("id" = String, Path, description = "The submission"), ("reason" = Option<String>, Query, description = "Why; needed for figures of closed months")),
    responses(
        (status = 201, description = "Withdrawn", body = Receipt),
        (status = 200, description = "Nothing of it stood any more", body = Receipt),
        Problems
    )
)]
#[delete("/submissions/{id}")]
pub async fn delete(
    request: HttpRequest,
    context: web::Data<Context>,
    id: web::Path<String>,
) -> Answer {
    let app = context.app()?;
    let mut params = Params::of(&request)?;
    let reason = params.note("reason");
    params.finish()?;
    let given = app.withdraw(&id, reason, &who(&request)?, keyed(&request, &[])?.as_ref()).await?;
    Ok(receipt(&given))
}
