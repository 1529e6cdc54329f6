//! `GET /findings`: where figures contradict a rule.

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Context;
use super::params::{Params, offset_cursor};
use super::problem::{Answer, Problems};
use super::reply::{Format, cells, json, table};
use crate::app::findings::{FindingQuery, FindingView};

/// A page of findings.
#[derive(Serialize, ToSchema)]
struct FindingsPage {
    /// The revision that they are of.
    revision: i64,
    /// The findings, by unit, month, rule and measure.
    findings: Vec<FindingView>,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The findings that stand.
#[utoipa::path(
    operation_id = "get_findings",
    tag = "questions",
    params(
        ("unit" = Option<String>, Query, description = "A unit and those below it"),
        ("from" = Option<String>, Query, description = "First month"),
        ("to" = Option<String>, Query, description = "Last month"),
        ("severity" = Option<String>, Query, description = "warning or error"),
        ("rule" = Option<String>, Query, description = "A rule's code"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 10,000; 1,000 when absent", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((FindingsPage = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/findings")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let query = FindingQuery {
        unit: params.text("unit"),
        from: params.parse("from"),
        to: params.parse("to"),
        severity: params.word("severity", &["warning", "error"]).map(ToOwned::to_owned),
        rule: params.text("rule"),
        limit: params.limit(format, 1_000, 10_000),
        offset: params.offset(),
    };
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let (revision, findings, more) = moment.findings(&query)?;
    let stamp = stamp.at(revision);
    let next = offset_cursor(revision, more.then_some(query.offset + query.limit));
    match format {
        Format::Json => json(
            &request,
            &stamp,
            next.as_deref(),
            &FindingsPage { revision, findings, next_cursor: next.clone() },
        ),
        Format::Csv | Format::Xlsx => {
            let header = [
                "rule",
                "severity",
                "measure",
                "unit",
                "period",
                "stated",
                "computed",
                "detail",
                "detail_vi",
            ];
            table(&request, &stamp, format, next.as_deref(), &header, findings.iter().map(cells))
                .await
        }
    }
}
