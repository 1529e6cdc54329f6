//! `POST /observations` records a submission, `GET /observations` reads figures as recorded.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use utoipa::ToSchema;

use super::Context;
use super::access::who;
use super::keyed::{keyed, told};
use super::limits::LARGE_BODY;
use super::params::{Params, cursor, read_cursor};
use super::problem::{Answer, Problem, Problems};
use super::reply::{Cell, Format, json, table};
use crate::app::keyed::Given;
use crate::app::observations::{FigureQuery, MAX_PAGE, ObservationView};
use crate::app::submissions::{Body, Receipt, SourceView};
use crate::domain::measure::Measure;
use crate::intake::Envelope;
use crate::store::ObservationKey;

/// A submission as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "it describes the body; the body is read field by field so that every fault is named at once"
)]
pub struct SubmissionBody {
    /// Where the figures come from.
    source: Option<SourceView>,
    /// Why; needed for figures of a closed month.
    reason: Option<String>,
    /// The figures, 1 to 50,000.
    #[schema(min_items = 1, max_items = 50000)]
    observations: Vec<ObservationBody>,
}

/// A figure as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "see SubmissionBody")]
pub struct ObservationBody {
    /// An indicator's code, or a kpi's for a stated rate.
    #[schema(example = "ioffice.documents.outgoing")]
    indicator: String,
    /// A unit's code, or an official code valid in the month.
    #[schema(example = "travinh")]
    unit: String,
    /// The month.
    #[schema(example = "2021-10", pattern = r"^\d{4}-\d{2}$")]
    period: String,
    /// Dimension and member.
    dimensions: Option<std::collections::BTreeMap<String, String>>,
    /// A number, a decimal string (its digits are kept as written), or null to withdraw.
    #[schema(required)]
    value: Option<FigureBody>,
}

/// A value.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "see SubmissionBody")]
pub enum FigureBody {
    /// A number.
    Number(f64),
    /// A decimal string.
    Text(String),
}

/// Records a submission whole or not at all. What it brought is readable when this answers.
#[utoipa::path(
    operation_id = "post_observations",
    tag = "figures",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days"),
        ("dry_run" = Option<bool>, Query, description = "Judge it, record nothing"),
        ("reason" = Option<String>, Query, description = "CSV only: why"),
        ("reference" = Option<String>, Query, description = "CSV only: the sender's own name for it")
    ),
    request_body(content(
        (SubmissionBody = "application/json"),
        (String = "text/csv", example = "indicator,unit,period,value\nioffice.documents.outgoing,travinh,2021-10,23441\n")
    )),
    responses(
        (status = 201, description = "Recorded", body = Receipt),
        (status = 200, description = "Nothing changed, or a dry run", body = Receipt),
        Problems
    )
)]
#[post("/observations")]
pub async fn post(
    request: HttpRequest,
    context: web::Data<Context>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let app = context.app()?;
    let mut params = Params::of(&request)?;
    let dry_run = params.flag("dry_run", false);
    let (reason, reference) = (params.text("reason"), params.text("reference"));
    let media = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_csv = match media.split(';').next().map(str::trim).unwrap_or_default() {
        "application/json" => false,
        "text/csv" => true,
        _ => return Err(Problem::media_type("application/json or text/csv")),
    };
    if !is_csv && (reason.is_some() || reference.is_some()) {
        params.fault(
            "reason",
            "unknown_parameter",
            "with JSON, reason and source.reference stand in the body",
        );
    }
    params.finish()?;
    let who = who(&request)?;
    let bytes = read_body(body)?.to_vec();
    let length = bytes.len();
    let key = keyed(&request, &bytes)?;
    let body = if is_csv {
        Body::Csv(bytes, Envelope { source_kind: Some("csv".to_owned()), reference, reason })
    } else {
        Body::Json(bytes)
    };
    let (app, small) = (app.clone(), length < LARGE_BODY);
    let carried_out = async move {
        if dry_run {
            app.try_out(&body, &who).map(Given::first)
        } else {
            app.submit_keyed(&body, &who, key.as_ref()).await
        }
    };
    if small {
        return Ok(receipt(&carried_out.await?));
    }
    // A large one is read and judged on a thread of its own, so that this one goes on answering.
    let runtime = Handle::current();
    let given = web::block(move || runtime.block_on(carried_out))
        .await
        .map_err(|_stopping| Problem::internal())??;
    Ok(receipt(&given))
}

/// A receipt: 201 when something was recorded, with where to find it.
pub(super) fn receipt(given: &Given<Receipt>) -> HttpResponse {
    let mut answer = if given.answer.submission.is_some() {
        HttpResponse::Created()
    } else {
        HttpResponse::Ok()
    };
    if let Some(id) = &given.answer.submission {
        answer.insert_header(("Location", format!("{}/submissions/{id}", super::API)));
    }
    told(answer.json(&given.answer), given)
}

/// The bytes of a body, which were read and decompressed before (`limits/body.rs`), or why they cannot be had.
pub(super) fn read_body(body: Result<web::Bytes, actix_web::Error>) -> Result<web::Bytes, Problem> {
    body.map_err(|_unread| Problem::malformed("the body cannot be read"))
}

/// A page of figures as recorded.
#[derive(Serialize, ToSchema)]
struct ObservationsPage {
    /// The revision that it is the state of.
    revision: i64,
    /// The figures, in the order they were recorded.
    observations: Vec<ObservationView>,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Reads figures as they were recorded, in the order they came: what stands, or every revision.
#[utoipa::path(
    operation_id = "get_observations",
    tag = "figures",
    params(
        ("indicator" = Option<String>, Query, description = "A measure; without members every split of it"),
        ("unit" = Option<String>, Query, description = "A unit"),
        ("from" = Option<String>, Query, description = "First month"),
        ("to" = Option<String>, Query, description = "Last month"),
        ("submission" = Option<String>, Query, description = "Those of one submission"),
        ("history" = Option<bool>, Query, description = "Every revision instead of what stands"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 10,000; 1,000 when absent", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((ObservationsPage = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/observations")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let mut query = FigureQuery {
        unit: params.text("unit"),
        from: params.parse("from"),
        to: params.parse("to"),
        submission: params.text("submission"),
        history: params.flag("history", false),
        limit: params.limit(format, 1_000, MAX_PAGE),
        ..FigureQuery::default()
    };
    if let Some(text) = params.text("indicator") {
        query.measure = Measure::parse(&text)
            .map_err(|detail| params.fault("indicator", "malformed", detail))
            .ok();
    }
    if let Some(text) = params.text("cursor") {
        query.after = key(&text);
        if query.after.is_none() {
            params.fault("cursor", "malformed", "this is no cursor of ours");
        }
    }
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let page = context.compute(move || moment.figures(&query)).await?;
    let stamp = stamp.at(page.revision);
    let next = page
        .next
        .map(|key| cursor(&[page.revision, key.revision, key.unit, key.measure, key.month]));
    match format {
        Format::Json => json(
            &request,
            &stamp,
            next.as_deref(),
            &ObservationsPage {
                revision: page.revision,
                observations: page.observations,
                next_cursor: next.clone(),
            },
        ),
        Format::Csv | Format::Xlsx => {
            table(
                &request,
                &stamp,
                format,
                next.as_deref(),
                &HEADER,
                page.observations.into_iter().map(row),
            )
            .await
        }
    }
}

fn key(text: &str) -> Option<ObservationKey> {
    match read_cursor(text)?.as_slice() {
        [_page, revision, unit, measure, month] => Some(ObservationKey {
            revision: *revision,
            unit: *unit,
            measure: *measure,
            month: *month,
        }),
        _ => None,
    }
}

const HEADER: [&str; 10] = [
    "submission",
    "revision",
    "recorded_at",
    "actor",
    "reason",
    "indicator",
    "dimensions",
    "unit",
    "period",
    "value",
];

fn row(figure: ObservationView) -> Vec<Cell> {
    vec![
        Cell::Text(figure.submission),
        Cell::Number(figure.revision.to_string()),
        Cell::Text(figure.recorded_at),
        Cell::Text(figure.actor),
        Cell::Text(figure.reason.unwrap_or_default()),
        Cell::Text(figure.indicator),
        Cell::Text(figure.dimensions.to_string()),
        Cell::Text(figure.unit),
        Cell::Text(figure.period),
        Cell::Number(figure.value.map_or_else(|| "null".to_owned(), |value| value.to_string())),
    ]
}
