//! `GET /periods`, `POST /periods/{period}/close` and `.../reopen`.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::access::who;
use super::keyed::{keyed, told};
use super::observations::read_body;
use super::params::Params;
use super::problem::{Answer, Problem, Problems};
use super::reply::{Format, cells, json, table};
use super::units::read_json;
use crate::app::periods::{Closing, ClosingView, PeriodsChanged};
use crate::domain::period::Period;

/// The months that are closed.
#[derive(Serialize, ToSchema)]
struct Periods {
    /// The revision that they are of.
    revision: i64,
    /// The months closed, or with `history` every closing and reopening.
    periods: Vec<ClosingView>,
}

/// Why months are closed or opened again, in place of the parameter.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    /// Why.
    reason: Option<String>,
}

/// The months that are closed: since when, by whom, why.
#[utoipa::path(
    operation_id = "get_periods",
    tag = "declarations",
    params(
        ("history" = Option<bool>, Query, description = "Every closing and reopening, in the order in which it happened"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "The months", content((Periods = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/periods")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let format = Format::of(&request, &mut params);
    let (history, wanted) = (params.flag("history", false), params.wanted(&request));
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let (revision, periods) = context.compute(move || moment.closings(history)).await?;
    let stamp = stamp.at(revision);
    match format {
        Format::Json => json(&request, &stamp, None, &Periods { revision, periods }),
        Format::Csv | Format::Xlsx => {
            table(
                &request,
                &stamp,
                format,
                None,
                &["period", "closed", "revision", "recorded_at", "actor", "reason"],
                periods.iter().map(cells),
            )
            .await
        }
    }
}

/// Closes the months of a period: from then on their figures change only with a reason.
#[utoipa::path(
    operation_id = "close_period",
    tag = "declarations",
    params(("period" = String, Path, description = "A month, or a wider period for all its months", example = "2021-10"), ("reason" = Option<String>, Query, description = "Why"), ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days")),
    request_body(content((Option<ReasonBody> = "application/json"))),
    responses((status = 200, description = "What changed", body = PeriodsChanged), Problems)
)]
#[post("/periods/{period}/close")]
pub async fn close(
    request: HttpRequest,
    context: web::Data<Context>,
    period: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    change(&request, &context, &period, body, true).await
}

/// Opens the months of a period again.
#[utoipa::path(
    operation_id = "reopen_period",
    tag = "declarations",
    params(("period" = String, Path, description = "A month, or a wider period for all its months", example = "2021-10"), ("reason" = Option<String>, Query, description = "Why"), ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days")),
    request_body(content((Option<ReasonBody> = "application/json"))),
    responses((status = 200, description = "What changed", body = PeriodsChanged), Problems)
)]
#[post("/periods/{period}/reopen")]
pub async fn reopen(
    request: HttpRequest,
    context: web::Data<Context>,
    period: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    change(&request, &context, &period, body, false).await
}

async fn change(
    request: &HttpRequest,
    context: &Context,
    period: &str,
    body: Result<web::Bytes, actix_web::Error>,
    closes: bool,
) -> Answer {
    let app = context.app()?;
    let mut params = Params::of(request)?;
    let mut reason = params.note("reason");
    let period = period
        .parse::<Period>()
        .map_err(|error| params.fault("period", "malformed_period", error.to_string()));
    let bytes = read_body(body)?;
    if !bytes.is_empty() {
        let (value, _) = read_json(request, Ok(bytes.clone()))?;
        match serde_json::from_value::<Option<ReasonBody>>(value) {
            Ok(sent) => {
                reason = reason.or(sent
                    .unwrap_or_default()
                    .reason
                    .and_then(|text| params.noted("reason", text)))
            }
            Err(error) => params.fault(
                "",
                "malformed",
                format!("the body is {{\"reason\": \"...\"}} or nothing: {error}"),
            ),
        }
    }
    params.finish()?;
    let Ok(period) = period else { return Err(Problem::internal()) };
    let given = app
        .close(Closing { period, close: closes, reason }, &who(request)?, keyed(request, &bytes)?)
        .await?;
    Ok(told(HttpResponse::Ok().json(&given.answer), &given))
}
