//! `POST /reports` takes figures from a report, `GET /reports/{submission}` and its `/text` tell what was kept of one, and
//! `GET /reports/{unit}/{period}` writes one from the ledger.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, VARY};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use utoipa::ToSchema;

use super::access::who;
use super::docx::{Written, docx};
use super::keyed::keyed;
use super::params::Params;
use super::problem::{Answer, Problem, Problems};
use super::reply::with_headers;
use super::upload::{Upload, upload};
use super::{API, Context};
use crate::app::reports::written::WrittenReport;
use crate::app::reports::{ReportError, ReportFile, ReportQuery, ReportView, media_type};
use crate::domain::period::{Month, Period};
use crate::intake::Envelope;
use crate::intake::document::Media;

/// What is understood.
const UNDERSTOOD: &str = "text/plain, text/markdown, application/pdf, the DOCX type, or multipart/form-data with such a file in the field file";

/// A document as bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes a body")]
pub struct DocumentFile(Vec<u8>);

/// A form with a document.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes the body")]
pub struct ReportForm {
    /// The document.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Finds the figures of a monthly report, each with the sentence it stands in, and lists the numbers that are none. Without
/// `dry_run=false` nothing is recorded.
#[utoipa::path(
    operation_id = "post_reports",
    tag = "figures",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days"),
        ("dry_run" = Option<bool>, Query, description = "true (the default): tell what is found, record nothing"),
        ("unit" = Option<String>, Query, description = "The unit that reports, where the report's head does not say so"),
        ("period" = Option<String>, Query, description = "The period that is reported on, where the title does not say so; wider than a month only on a dry run"),
        ("reason" = Option<String>, Query, description = "Why; needed for a closed month"),
        ("reference" = Option<String>, Query, description = "The sender's own name for it; without it the file's name or the title")
    ),
    request_body(content(
        (String = "text/plain"),
        (String = "text/markdown"),
        (DocumentFile = "application/pdf"),
        (DocumentFile = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (ReportForm = "multipart/form-data")
    )),
    responses(
        (status = 201, description = "Recorded", body = ReportView),
        (status = 200, description = "What was found, or nothing changed", body = ReportView),
        Problems
    )
)]
#[post("/reports")]
pub async fn post(
    request: HttpRequest,
    context: web::Data<Context>,
    payload: web::Payload,
) -> Answer {
    let app = context.app()?.clone();
    let who = who(&request)?;
    let mut params = Params::of(&request)?;
    let dry_run = params.flag("dry_run", true);
    let query = ReportQuery { unit: params.text("unit"), period: params.parse::<Period>("period") };
    let (reason, reference) = (params.note("reason"), params.note("reference"));
    params.finish()?;
    let sent = upload(&request, payload).await?;
    let key = if dry_run { None } else { keyed(&request, &sent.bytes)? };
    let media = media_of(&sent)?;
    if let Some(view) = app.report_again(key.as_ref()).await? {
        return Ok(answer(&view, true));
    }
    let file = ReportFile { bytes: sent.bytes, media, name: sent.name };
    let turn = context.limits.document_turn().await?;
    let (reader, by) = (app.clone(), who.clone());
    let read = web::block(move || {
        let _turn = turn; // until it is read, also when nobody waits for the answer any more
        let report = reader.read_report(&file, &query)?;
        let tried = dry_run.then(|| reader.try_report(&report, by)).transpose()?;
        Ok::<_, ReportError>((report, tried))
    });
    let (report, tried) = read.await.map_err(|_stopping| Problem::internal())??;
    if let Some(view) = tried {
        return Ok(HttpResponse::Ok().json(view));
    }
    let envelope = Envelope { source_kind: Some("report".to_owned()), reference, reason };
    let (view, again) = app.record_report(&report, envelope, who, key.as_ref()).await?;
    Ok(answer(&view, again))
}

fn answer(view: &ReportView, again: bool) -> HttpResponse {
    let mut answer =
        if view.submission.is_some() { HttpResponse::Created() } else { HttpResponse::Ok() };
    if let Some(id) = &view.submission {
        answer.insert_header(("Location", format!("{API}/submissions/{id}")));
    }
    if again {
        answer.insert_header(("Idempotent-Replayed", "true"));
    }
    answer.json(view)
}

/// What kind of document was sent: by its media type, in a form also by the file's name and by its bytes.
fn media_of(sent: &Upload) -> Result<Media, Problem> {
    let (of_type, of_name) =
        (Media::of_type(&sent.media), sent.name.as_deref().and_then(Media::of_name));
    match (of_type, of_name) {
        // A browser sends Markdown as plain text.
        (Some(Media::Text) | None, Some(media)) | (Some(media), _) => Ok(media),
        (None, None)
            if sent.name.is_some()
                && matches!(sent.media.as_str(), "" | "application/octet-stream") =>
        {
            Media::sniff(&sent.bytes).map_err(|refusal| Problem::refused(&refusal))
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

/// The reading of a report as it was recorded.
#[utoipa::path(
    operation_id = "get_report",
    tag = "figures",
    params(
        ("submission" = String, Path, description = "The submission"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds")
    ),
    responses((status = 200, description = "What was found in it, and the findings then", body = ReportView), Problems)
)]
#[get("/reports/{submission}")]
pub async fn get(
    request: HttpRequest,
    context: web::Data<Context>,
    id: web::Path<String>,
) -> Answer {
    let mut params = Params::of(&request)?;
    let wanted = params.wanted(&request);
    params.finish()?;
    let moment = context.app()?.moment(&wanted).await?;
    let view = context.compute(move || moment.report(&id)).await?;
    Ok(HttpResponse::Ok().json(view))
}

/// The text of a report that was recorded: what the places of its figures are counted in.
#[utoipa::path(
    operation_id = "get_report_text",
    tag = "figures",
    params(
        ("submission" = String, Path, description = "The submission"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds")
    ),
    responses((status = 200, description = "The text", body = String, content_type = "text/plain; charset=utf-8"), Problems)
)]
#[get("/reports/{submission}/text")]
pub async fn get_text(
    request: HttpRequest,
    context: web::Data<Context>,
    id: web::Path<String>,
) -> Answer {
    let mut params = Params::of(&request)?;
    let wanted = params.wanted(&request);
    params.finish()?;
    let moment = context.app()?.moment(&wanted).await?;
    let text = context.compute(move || moment.report_text(&id)).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header((VARY, "Accept, Accept-Encoding, Authorization"))
        .body(text))
}

/// The report of a unit and a month, written from the ledger by the sentences of the catalogue, in Vietnamese, with an annex of all its
/// figures. Read again, it gives the same figures.
#[utoipa::path(
    operation_id = "get_written_report",
    tag = "questions",
    params(
        ("unit" = String, Path, description = "The unit"),
        ("period" = String, Path, description = "The month", example = "2021-10"),
        ("format" = Option<String>, Query, description = "md (the default) or docx; else by Accept"),
        ("as_of" = Option<String>, Query, description = "With the figures as they were: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds")
    ),
    responses(
        (status = 200, description = "The report", content(
            (String = "text/markdown"),
            (DocumentFile = "application/vnd.openxmlformats-officedocument.wordprocessingml.document")
        )),
        (status = 304, description = "As you have it"),
        Problems
    )
)]
#[get("/reports/{unit}/{period}")]
pub async fn get_written(
    request: HttpRequest,
    context: web::Data<Context>,
    path: web::Path<(String, String)>,
) -> Answer {
    let mut params = Params::of(&request)?;
    let wanted = params.wanted(&request);
    let accept =
        request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let place = |media: &str| accept.find(media).unwrap_or(usize::MAX);
    let others = place("text/markdown").min(place("*/*")).min(place("text/*"));
    let as_docx = match params.word("format", &["md", "docx"]) {
        Some(format) => format == "docx",
        None => place(media_type(Media::Docx)) < others,
    };
    let (unit, period) = path.into_inner();
    let month = period
        .parse::<Month>()
        .map_err(|error| params.fault("period", "malformed_period", error.to_string()))
        .ok();
    params.finish()?;
    let Some(month) = month else { return Err(Problem::internal()) };
    let format = if as_docx { "docx" } else { "md" };
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let name: String = format!("{unit}-{month}")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .take(150)
        .collect();
    let made = context.compute(move || {
        let report = moment.written_report(&unit, month)?;
        let blocks = blocks(&report);
        let bytes = if as_docx { docx(&blocks) } else { Ok(markdown(&blocks).into_bytes()) };
        Ok::<_, crate::error::Error>((report.revision, bytes))
    });
    let (revision, bytes) = made.await?;
    let bytes = bytes.map_err(|error| {
        tracing::error!(error = %error, "a report could not be written");
        Problem::internal()
    })?;
    let mut answer = HttpResponse::Ok();
    let answer = with_headers(&mut answer, &stamp.at(revision), format);
    if as_docx {
        answer.content_type(media_type(Media::Docx)).insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"report-{name}.docx\""),
        ));
    } else {
        answer.content_type("text/markdown; charset=utf-8");
    }
    Ok(answer.body(bytes))
}

/// A report as pieces of a document.
#[must_use]
pub fn blocks(report: &WrittenReport) -> Vec<Written> {
    let mut blocks = vec![Written::Title(format!("{}\n{}", report.title, report.subject))];
    for (heading, sentences) in &report.sections {
        blocks.push(Written::Heading(2, heading.clone()));
        blocks.extend(sentences.iter().map(|sentence| Written::Item(sentence.clone())));
    }
    if report.sections.is_empty() {
        blocks.push(Written::Paragraph("Chưa có số liệu để viết thành câu.".to_owned()));
    }
    blocks.push(Written::Heading(1, "Phụ lục".to_owned()));
    blocks.push(Written::Heading(2, "Bảng số liệu".to_owned()));
    if report.rows.is_empty() {
        blocks.push(Written::Paragraph("Chưa có số liệu.".to_owned()));
    } else {
        blocks.push(Written::Table { header: report.header.clone(), rows: report.rows.clone() });
    }
    blocks.push(Written::Heading(2, "Mâu thuẫn số liệu".to_owned()));
    if report.findings.is_empty() {
        blocks.push(Written::Paragraph("Không phát hiện mâu thuẫn giữa các số liệu.".to_owned()));
    } else {
        let header = ["Đơn vị", "Chỉ tiêu", "Nội dung"].map(str::to_owned).to_vec();
        blocks.push(Written::Table {
            header,
            rows: report.findings.iter().map(|finding| finding.to_vec()).collect(),
        });
    }
    if report.left_out > 0 {
        blocks.push(Written::Paragraph(
            "Phụ lục quá dài nên không liệt kê hết; xem đầy đủ trên hệ thống.".to_owned(),
        ));
    }
    blocks
}

/// Pieces of a document as Markdown.
#[must_use]
pub fn markdown(blocks: &[Written]) -> String {
    let mut text = String::new();
    for block in blocks {
        match block {
            Written::Title(title) => {
                for (n, line) in title.lines().enumerate() {
                    text.push_str(&format!(
                        "{} {}\n\n",
                        if n == 0 { "#" } else { "##" },
                        if n == 0 { line.to_uppercase() } else { line.to_owned() }
                    ));
                }
            }
            Written::Heading(level, heading) => {
                text.push_str(&format!("{} {heading}\n\n", "#".repeat(usize::from(*level) + 1)))
            }
            Written::Paragraph(paragraph) => text.push_str(&format!("{paragraph}\n\n")),
            Written::Item(item) => text.push_str(&format!("- {item}\n\n")),
            Written::Table { header, rows } => {
                let line = |cells: &[String]| {
                    format!(
                        "| {} |\n",
                        cells
                            .iter()
                            .map(|cell| cell.replace('|', "\\|"))
                            .collect::<Vec<_>>()
                            .join(" | ")
                    )
                };
                text.push_str(&line(header));
                text.push_str(&line(&vec!["---".to_owned(); header.len()]));
                rows.iter().for_each(|row| text.push_str(&line(row)));
                text.push('\n');
            }
        }
    }
    text
}
