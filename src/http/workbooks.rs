//! `POST /workbooks` takes figures from a workbook, `GET /templates/{unit}/{period}.xlsx` hands out the form to fill in.

use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use utoipa::ToSchema;

use super::Context;
use super::access::who;
use super::keyed::keyed;
use super::params::Params;
use super::problem::{Answer, Problem, Problems};
use super::reply::{Format, WORKBOOK, WorkbookFile, with_headers};
use super::template::written;
use super::upload::upload;
use crate::app::workbooks::{WorkbookQuery, WorkbookView};
use crate::domain::period::Month;
use crate::intake::Envelope;

/// A form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the body")]
pub struct FileForm {
    /// The file.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Finds the figures of a workbook: a form of the service by its codes, anything else as tables whose headers name indicators, units and
/// months. Without `dry_run=false` nothing is recorded.
#[utoipa::path(
    operation_id = "post_workbooks",
    tag = "figures",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days"),
        ("dry_run" = Option<bool>, Query, description = "true (the default): tell what is found, record nothing"),
        ("unit" = Option<String>, Query, description = "The unit that reports, where the workbook does not say so"),
        ("period" = Option<String>, Query, description = "The month that is reported on, where the workbook does not say so"),
        ("reason" = Option<String>, Query, description = "Why; without it the notes of a form"),
        ("reference" = Option<String>, Query, description = "The sender's own name for it; without it the file's name")
    ),
    request_body(content(
        (WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (FileForm = "multipart/form-data")
    )),
    responses(
        (status = 201, description = "Recorded", body = WorkbookView),
        (status = 200, description = "What was found, or nothing changed", body = WorkbookView),
        Problems
    )
)]
#[post("/workbooks")]
pub async fn post(
    request: HttpRequest,
    context: web::Data<Context>,
    payload: web::Payload,
) -> Answer {
    let app = context.app()?.clone();
    let who = who(&request)?;
    let mut params = Params::of(&request)?;
    let dry_run = params.flag("dry_run", true);
    let query =
        WorkbookQuery { unit: params.text("unit"), period: params.parse::<Month>("period") };
    let (reason, reference) = (params.note("reason"), params.note("reference"));
    params.finish()?;
    let sent = upload(&request, payload).await?;
    if !matches!(sent.media.as_str(), WORKBOOK | "application/octet-stream" | "")
        || (sent.name.is_none() && sent.media != WORKBOOK)
    {
        return Err(Problem::media_type(&format!(
            "{WORKBOOK}, or multipart/form-data with such a file in the field file"
        )));
    }
    let key = keyed(&request, &sent.bytes)?;
    let envelope = Envelope {
        source_kind: Some("workbook".to_owned()),
        reference: reference.or(sent.name),
        reason,
    };
    let turn = context.limits.document_turn().await?;
    if dry_run {
        let tried = web::block(move || {
            let _turn = turn; // until it is read, also when nobody waits for the answer any more
            app.try_workbook(&sent.bytes, &query, envelope, who)
        });
        let view = tried.await.map_err(|_stopping| Problem::internal())??;
        return Ok(HttpResponse::Ok().json(view));
    }
    let (view, again) = app.record_workbook(sent.bytes, query, envelope, who, key.as_ref()).await?;
    drop(turn);
    let mut answer =
        if view.submission.is_some() { HttpResponse::Created() } else { HttpResponse::Ok() };
    if let Some(id) = &view.submission {
        answer.insert_header(("Location", format!("{}/submissions/{id}", super::API)));
    }
    if again {
        answer.insert_header(("Idempotent-Replayed", "true"));
    }
    Ok(answer.json(view))
}

/// A workbook to fill in for a unit and a month, and to send back to `POST /workbooks`.
#[utoipa::path(
    operation_id = "get_template",
    tag = "figures",
    params(
        ("unit" = String, Path, description = "The unit"),
        ("period" = String, Path, description = "The month", example = "2021-10"),
        ("as_of" = Option<String>, Query, description = "With the figures as they were: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds")
    ),
    responses(
        (status = 200, description = "The form", content((WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 304, description = "As you have it"),
        Problems
    )
)]
#[get("/templates/{unit}/{period}.xlsx")]
pub async fn get_template(
    request: HttpRequest,
    context: web::Data<Context>,
    path: web::Path<(String, String)>,
) -> Answer {
    let mut params = Params::of(&request)?;
    let wanted = params.wanted(&request);
    let (unit, period) = path.into_inner();
    let month = period
        .parse::<Month>()
        .map_err(|error| params.fault("period", "malformed_period", error.to_string()))
        .ok();
    params.finish()?;
    let Some(month) = month else { return Err(Problem::internal()) };
    let (moment, stamp) = match context.moment(&request, &wanted, Format::Xlsx).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let name: String = format!("{unit}-{month}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .take(150)
        .collect();
    let made = context
        .compute(move || moment.form(&unit, month).map(|form| (form.revision, written(&form))))
        .await?;
    let bytes = made.1.map_err(|error| {
        tracing::error!(error = %error, "a form could not be written");
        Problem::internal()
    })?;
    let mut answer = HttpResponse::Ok();
    let answer = with_headers(&mut answer, &stamp.at(made.0), Format::Xlsx);
    Ok(answer
        .content_type(WORKBOOK)
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.xlsx\"")))
        .body(bytes))
}
