//! `POST /workbooks` reads figures from an Excel file, `GET /templates/{unit}/{period}.xlsx`
//! returns the form to fill in.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;
use tokio::runtime::Handle;
use utoipa::ToSchema;

use super::access::identity;
use super::body::upload;
use super::context::ServiceContext;
use super::idempotency::{IdempotencyHeader, idempotency_key};
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{QueryNote, QueryReader, StateParams, query_params, read_query};
use super::respond::{ResponseBody, WorkbookFile, file_name, respond, respond_changed};
use super::response_format::{ResponseFormat, WORKBOOK};
use crate::app::workbooks::{WorkbookQuery, WorkbookView};
use crate::intake::SubmissionEnvelope;
use crate::render::form::write_form;
use kpi::period::Month;

/// A form with a file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only describes the body in the OpenAPI document")]
pub struct FileForm {
    /// The Excel file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

query_params! {
    /// The parameters of `POST /workbooks`.
    struct PostWorkbooksParams {
        dry_run: Option<bool> = "true (default): return what was found and record nothing",
        unit: Option<String> = "The reporting unit, needed if the file does not name it",
        period: Option<Month> = "The reported month, needed if the file does not name it",
        reason: QueryNote = "Reason of the change; default: the notes of a form",
        reference: QueryNote =
            "The sender's name for the submission; default: the name of the file",
    }
}

/// Read figures from an Excel file.
///
/// A form of the service is read by its codes, any other file as tables with the names of
/// indicators, units and months in their headers. By default nothing is saved; with `dry_run=false`
/// the figures are recorded. Invalid figures get 422, a closed month without a reason 409.
#[utoipa::path(
    operation_id = "post_workbooks",
    tag = "figures",
    params(IdempotencyHeader, PostWorkbooksParams),
    request_body(content(
        (WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (FileForm = "multipart/form-data")
    )),
    responses(
        (status = 201, description = "The figures were recorded", body = WorkbookView),
        (
            status = 200,
            description = "Nothing was recorded: a dry run, or no figure changed",
            body = WorkbookView
        ),
        ProblemResponses
    )
)]
#[post("/workbooks")]
pub async fn post(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    payload: web::Payload,
) -> HandlerResult {
    let app = context.app()?.clone();
    let identity = identity(&request)?;
    let params: PostWorkbooksParams = read_query(&request)?;
    let dry_run = params.dry_run.unwrap_or(true);
    let query = WorkbookQuery { unit: params.unit, period: params.period };
    let sent = upload(&request, payload).await?;
    if !matches!(sent.media.as_str(), WORKBOOK | "application/octet-stream" | "")
        || (sent.name.is_none() && sent.media != WORKBOOK)
    {
        return Err(Problem::media_type(&format!(
            "{WORKBOOK}, or multipart/form-data with such a file in the field file"
        )));
    }
    let key = idempotency_key(&request, &sent.bytes)?;
    let envelope = SubmissionEnvelope {
        source_kind: Some("workbook".to_owned()),
        reference: params.reference.0.or(sent.name),
        reason: params.reason.0,
    };
    let account = context.reserve_document(sent.bytes.len(), false).await?;
    let (takes, runtime) = (account.reserved(), Handle::current());
    let read = context.run(takes, move || {
        // The memory stays reserved until the file is read, even if the client has gone
        let _account = account;
        if dry_run {
            return app
                .dry_run_workbook(&sent.bytes, &query, envelope, identity)
                .map(|view| (view, None));
        }
        runtime
            .block_on(app.record_workbook(sent.bytes, query, envelope, identity, key.as_ref()))
            .map(|(view, replayed)| (view, Some(replayed)))
    });
    let (view, recorded) = read.await??;
    let Some(replayed) = recorded else { return Ok(HttpResponse::Ok().json(view)) };
    Ok(respond_changed(view.submission.as_deref(), replayed, &view))
}

/// Get an Excel form.
///
/// Returns the form of a unit and a month, to fill in and send back with `POST /workbooks`.
#[utoipa::path(
    operation_id = "get_template",
    tag = "figures",
    params(
        ("unit" = String, Path, description = "Code of the unit"),
        ("period" = String, Path, description = "The month", example = "2021-10"),
        StateParams
    ),
    responses(
        (
            status = 200,
            description = "The form",
            content((WorkbookFile =
                "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/templates/{unit}/{period}.xlsx")]
pub async fn get_template(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    path: web::Path<(String, String)>,
) -> HandlerResult {
    let mut reader = QueryReader::of(&request)?;
    let params: Option<StateParams> = reader.read();
    let (unit, period) = path.into_inner();
    let month = reader.path_period::<Month>(&period);
    let (params, month) = reader.finish(params.zip(month))?;
    let view = params.in_format(ResponseFormat::Xlsx);
    respond(&request, &context, &view, async |snapshot, _stamp| {
        let name = format!("{}.xlsx", file_name(&format!("{unit}-{month}"), 150));
        let made = context
            .compute(move || snapshot.form(&unit, month).map(|form| write_form(&form)))
            .await?;
        let bytes = made.map_err(|error| {
            tracing::error!(error = %error, "cannot write a form");
            Problem::internal()
        })?;
        Ok(ResponseBody::File { name: Some(name), bytes })
    })
    .await
}
