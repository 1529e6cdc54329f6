//! `POST /reports` reads figures from a report, `GET /reports/{submission}` and its `/text` return
//! what was recorded of it, `GET /reports/{unit}/{period}` writes a report from the ledger.

use actix_web::http::header::ACCEPT;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::access::identity;
use super::body::{UploadedFile, upload};
use super::context::ServiceContext;
use super::idempotency::{IdempotencyHeader, idempotency_key};
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{
    QueryNote, QueryReader, QueryValue, StateParams, one_of, query_params, read_query, words,
};
use super::respond::{ResponseBody, file_name, respond, respond_changed};
use super::response_format::ResponseFormat;
use crate::app::reports::{AcceptedFigures, ReportError, ReportFile, ReportQuery, ReportView};
use crate::intake::SubmissionEnvelope;
use crate::render::docx::docx;
use crate::render::report::{blocks, markdown};
use documents::MediaType;
use kpi::period::{Month, Period};

/// The accepted media types, for the error message.
const UNDERSTOOD: &str = "text/plain, text/markdown, application/pdf, the DOCX type, or \
    multipart/form-data with such a file in the field file";

/// A document, as bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only describes a body in the OpenAPI document")]
pub struct DocumentFile(Vec<u8>);

/// A form with a document.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only describes the body in the OpenAPI document")]
pub struct ReportForm {
    /// The document.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

query_params! {
    /// The parameters of `POST /reports`.
    struct PostReportsParams {
        dry_run: Option<bool> = "true (default): return what was found and record nothing",
        unit: Option<String> =
            "The reporting unit, needed if the heading of the report does not name it",
        period: Option<Period> =
            "The reported period, needed if the title does not name it; wider than a month only \
             for a dry run",
        accept: Option<AcceptedFigures> =
            "With dry_run=false: the uncertain figures (needs_acceptance) that should be recorded, \
             each by its start, separated by commas",
        reason: QueryNote = "Reason of the change; required for a closed month",
        reference: QueryNote =
            "The sender's name for the submission; default: the name of the file or the title",
    }
}

impl QueryValue for AcceptedFigures {
    fn parse(_name: &str, text: &str) -> Result<Self, String> {
        text.parse()
    }
}

/// Read figures from a report.
///
/// Send a monthly report as text, Markdown, DOCX or PDF. By default nothing is saved. The response
/// lists each figure with its sentence, and every other number with the reason it was skipped. With
/// `dry_run=false` the figures are recorded. A report that cannot be read or has invalid
/// figures gets 422, a closed month without a reason 409.
#[utoipa::path(
    operation_id = "post_reports",
    tag = "figures",
    params(IdempotencyHeader, PostReportsParams),
    request_body(content(
        (String = "text/plain"),
        (String = "text/markdown"),
        (DocumentFile = "application/pdf"),
        (DocumentFile = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (ReportForm = "multipart/form-data")
    )),
    responses(
        (status = 201, description = "The figures were recorded", body = ReportView),
        (
            status = 200,
            description = "Nothing was recorded: a dry run, or no figure changed",
            body = ReportView
        ),
        ProblemResponses
    )
)]
#[post("/reports")]
pub async fn post(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    payload: web::Payload,
) -> HandlerResult {
    let app = context.app()?.clone();
    let identity = identity(&request)?;
    let params: PostReportsParams = read_query(&request)?;
    let dry_run = params.dry_run.unwrap_or(true);
    let query = ReportQuery {
        unit: params.unit,
        period: params.period,
        accept: params.accept.unwrap_or_default(),
    };
    let sent = upload(&request, payload).await?;
    let key = if dry_run { None } else { idempotency_key(&request, &sent.bytes)? };
    let media = media_of(&sent)?;
    if let Some(view) = app.replay_report(key.as_ref()).await? {
        return Ok(answer(&view, true));
    }
    let file = ReportFile { bytes: sent.bytes, media, name: sent.name };
    let account = context.reserve_document(file.bytes.len(), media == MediaType::Pdf).await?;
    let (reader, by, takes) = (app.clone(), identity.clone(), account.reserved());
    let read = context.run(takes, move || {
        // The memory stays reserved until the document is read, even if the client has gone
        let _account = account;
        let report = reader.read_report(&file, &query)?;
        let tried = dry_run.then(|| reader.dry_run_report(&report, by)).transpose()?;
        Ok::<_, ReportError>((report, tried))
    });
    let (report, tried) = read.await??;
    if let Some(view) = tried {
        return Ok(HttpResponse::Ok().json(view));
    }
    let envelope = SubmissionEnvelope {
        source_kind: Some("report".to_owned()),
        reference: params.reference.0,
        reason: params.reason.0,
    };
    let (view, replayed) = app.record_report(&report, envelope, identity, key.as_ref()).await?;
    Ok(answer(&view, replayed))
}

fn answer(view: &ReportView, replayed: bool) -> HttpResponse {
    respond_changed(view.submission.as_deref(), replayed, view)
}

/// The kind of a document: from its media type, in a form also from the name of the file and its
/// bytes.
pub fn media_of(sent: &UploadedFile) -> Result<MediaType, Problem> {
    let (of_type, of_name) =
        (MediaType::of_type(&sent.media), sent.name.as_deref().and_then(MediaType::of_name));
    match (of_type, of_name) {
        // Browsers send Markdown as text/plain, so the name of the file decides.
        (Some(MediaType::Text) | None, Some(media)) | (Some(media), _) => Ok(media),
        (None, None)
            if sent.name.is_some()
                && matches!(sent.media.as_str(), "" | "application/octet-stream") =>
        {
            MediaType::sniff(&sent.bytes).map_err(|refusal| Problem::refused(&refusal))
        }
        (None, None) => Err(Problem::media_type(UNDERSTOOD)),
    }
}

impl From<ReportError> for Problem {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Refused(refusal) => Self::refused(&refusal),
            ReportError::Failed(error) => error.into(),
        }
    }
}

/// Get what was read from a recorded report.
///
/// Returns the figures with their sentences, the skipped numbers and the findings as of the
/// recording.
#[utoipa::path(
    operation_id = "get_report",
    tag = "figures",
    params(
        ("submission" = String, Path, description = "Identifier of the submission"),
        StateParams
    ),
    responses(
        (
            status = 200,
            description = "The figures and skipped numbers of the report, with the findings at \
                that time",
            body = ReportView
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/reports/{submission}")]
pub async fn get(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    id: web::Path<String>,
) -> HandlerResult {
    let view = read_query::<StateParams>(&request)?.in_format(ResponseFormat::Json);
    respond(&request, &context, &view, async |snapshot, _stamp| {
        Ok(ResponseBody::json(context.compute(move || snapshot.report(&id)).await?))
    })
    .await
}

/// Get the text of a recorded report.
///
/// Returns the text in which the positions of its figures are counted.
#[utoipa::path(
    operation_id = "get_report_text",
    tag = "figures",
    params(
        ("submission" = String, Path, description = "Identifier of the submission"),
        StateParams
    ),
    responses(
        (
            status = 200,
            description = "The text of the report",
            body = String,
            content_type = "text/plain; charset=utf-8"
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/reports/{submission}/text")]
pub async fn get_text(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    id: web::Path<String>,
) -> HandlerResult {
    let view = read_query::<StateParams>(&request)?.in_format(ResponseFormat::Text);
    respond(&request, &context, &view, async |snapshot, _stamp| {
        let text = context.compute(move || snapshot.report_text(&id)).await?;
        Ok(ResponseBody::File { name: None, bytes: text.into() })
    })
    .await
}

query_params! {
    /// The parameters of `GET /reports/{unit}/{period}`.
    struct WrittenReportParams {
        state: StateParams,
        format: Option<DocumentFormat> = "md or docx; overrides Accept. Default: md",
    }
}

/// A format of written reports.
struct DocumentFormat(ResponseFormat);

impl QueryValue for DocumentFormat {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let word = one_of(name, text, &Self::WORDS)?;
        Ok(Self(if word == "docx" { ResponseFormat::Docx } else { ResponseFormat::Markdown }))
    }

    fn value_schema() -> RefOr<Schema> {
        words(&Self::WORDS)
    }
}

impl DocumentFormat {
    const WORDS: [&'static str; 2] = ["md", "docx"];

    /// The format that an `Accept` header prefers.
    fn of_accept(request: &HttpRequest) -> Self {
        let accept =
            request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let place = |media: &str| accept.find(media).unwrap_or(usize::MAX);
        let others = place("text/markdown").min(place("*/*")).min(place("text/*"));
        Self(if place(ResponseFormat::Docx.media_type()) < others {
            ResponseFormat::Docx
        } else {
            ResponseFormat::Markdown
        })
    }
}

/// Write a report from the ledger.
///
/// Returns the report of a unit and a month in Vietnamese: the sentences of the catalogue, and an
/// annex of all its figures. The service reads the same figures from it again.
#[utoipa::path(
    operation_id = "get_written_report",
    tag = "questions",
    params(
        ("unit" = String, Path, description = "Code of the unit"),
        ("period" = String, Path, description = "The month", example = "2021-10"),
        WrittenReportParams
    ),
    responses(
        (status = 200, description = "The report", content(
            (String = "text/markdown"),
            (DocumentFile =
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
        )),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/reports/{unit}/{period}")]
pub async fn get_written(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    path: web::Path<(String, String)>,
) -> HandlerResult {
    let mut reader = QueryReader::of(&request)?;
    let params: Option<WrittenReportParams> = reader.read();
    let (unit, period) = path.into_inner();
    let month = reader.path_period::<Month>(&period);
    let (params, month) = reader.finish(params.zip(month))?;
    let DocumentFormat(format) =
        params.format.unwrap_or_else(|| DocumentFormat::of_accept(&request));
    respond(&request, &context, &params.state.in_format(format), async |snapshot, _stamp| {
        let is_docx = format == ResponseFormat::Docx;
        let name =
            is_docx.then(|| format!("report-{}.docx", file_name(&format!("{unit}-{month}"), 150)));
        let made = context.compute(move || {
            let blocks = blocks(&snapshot.written_report(&unit, month)?);
            let bytes = if is_docx { docx(&blocks) } else { Ok(markdown(&blocks).into_bytes()) };
            Ok::<_, crate::error::Error>(bytes)
        });
        let bytes = made.await?.map_err(|error| {
            tracing::error!(error = %error, "cannot write a report");
            Problem::internal()
        })?;
        Ok(ResponseBody::File { name, bytes })
    })
    .await
}
