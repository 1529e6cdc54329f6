//! `GET /ranking`: who is ahead and who is behind.

use actix_web::{HttpRequest, get, web};

use super::Context;
use super::params::Params;
use super::problem::{Answer, Problem, Problems};
use super::reply::{Cell, Format, json, table, text};
use crate::app::ranking::{RankingQuery, RankingRow, RankingView};

/// The children of a unit by one measure, best first by its direction. Equal values share a rank (1, 1, 3); units without a figure come last.
#[utoipa::path(
    operation_id = "get_ranking",
    tag = "questions",
    params(
        ("measure" = String, Query, description = "An indicator or kpi, with or without members"),
        ("parent" = Option<String>, Query, description = "Whose children; the roots of the forest when absent"),
        ("period" = String, Query, description = "A month or a wider period"),
        ("geography" = Option<String>, Query, description = "as_reported (default), or current: the units of today, which have the past of those they go back to"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "The ranking", content((RankingView = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/ranking")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let (measure, parent, period, of_today) = (
        params.measure("measure"),
        params.text("parent"),
        params.period("period"),
        params.in_units_of_today(),
    );
    params.finish()?;
    let (Some(measure), Some(period)) = (measure, period) else { return Err(Problem::internal()) };
    let query = RankingQuery { measure, parent, period, of_today };
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let ranking = context.compute(move || moment.ranking(&query)).await?;
    let stamp = stamp.at(ranking.revision);
    if format == Format::Json {
        return json(&request, &stamp, None, &ranking);
    }
    let header = [
        "rank",
        "previous_rank",
        "unit",
        "name_vi",
        "name_en",
        "value",
        "unit_of_measure",
        "coverage",
        "delta",
        "delta_reason",
        "target",
        "attainment",
        "status",
        "measure",
        "period",
    ];
    table(
        &request,
        &stamp,
        format,
        None,
        &header,
        ranking.rows.iter().map(|row| cells(&ranking, row)),
    )
    .await
}

fn cells(ranking: &RankingView, row: &RankingRow) -> Vec<Cell> {
    vec![
        Cell::number(row.rank),
        Cell::number(row.previous_rank),
        Cell::Text(row.unit.clone()),
        Cell::Text(row.name.vi.clone()),
        Cell::Text(row.name.en.clone()),
        Cell::number(row.value),
        Cell::Text(ranking.unit_of_measure.clone()),
        Cell::Number(row.coverage.to_string()),
        Cell::number(row.delta),
        text(&row.delta_reason),
        Cell::number(row.target),
        Cell::number(row.attainment),
        text(&row.status),
        Cell::Text(ranking.measure.clone()),
        Cell::Text(ranking.period.clone()),
    ]
}
