//! `GET /quality`: figures worth a second look.

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Context;
use super::params::{Params, offset_cursor};
use super::problem::{Answer, Problems};
use super::reply::{Format, cells, json, table};
use crate::app::quality::{QualityQuery, QualityView, RULES};

/// A page of figures worth a second look.
#[derive(Serialize, ToSchema)]
struct QualityPage {
    /// The revision that they are of.
    revision: i64,
    /// The figures, by measure, unit and month; what has to do with stocks and their flows comes last.
    notices: Vec<QualityView>,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Figures worth a second look: outliers against the unit's own history, figures that never change, stocks that their own flows do not lead to.
#[utoipa::path(
    operation_id = "get_quality",
    tag = "questions",
    params(
        ("unit" = Option<String>, Query, description = "A unit and those below it"),
        ("from" = Option<String>, Query, description = "First month; eleven before the last one when absent"),
        ("to" = Option<String>, Query, description = "Last month; the newest that has a figure there when absent"),
        ("rule" = Option<String>, Query, description = "outlier, unchanged, unexplained_jump or implied_opening"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 10,000; 1,000 when absent", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((QualityPage = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/quality")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, mut wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    wanted.by_day |= !params.has("to"); // the month that has begun, while there is no figure
    let query = QualityQuery {
        unit: params.text("unit"),
        from: params.parse("from"),
        to: params.parse("to"),
        rule: params.word("rule", &RULES),
        limit: params.limit(format, 1_000, 10_000),
        offset: params.offset(),
    };
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let after = query.offset + query.limit;
    let (revision, notices, more) = context.compute(move || moment.quality(&query)).await?;
    let stamp = stamp.at(revision);
    let next = offset_cursor(revision, more.then_some(after));
    match format {
        Format::Json => json(
            &request,
            &stamp,
            next.as_deref(),
            &QualityPage { revision, notices, next_cursor: next.clone() },
        ),
        Format::Csv | Format::Xlsx => {
            let header = [
                "rule",
                "measure",
                "unit",
                "period",
                "value",
                "expected",
                "score",
                "months",
                "method",
                "detail",
                "detail_vi",
            ];
            table(&request, &stamp, format, next.as_deref(), &header, notices.iter().map(cells))
                .await
        }
    }
}
