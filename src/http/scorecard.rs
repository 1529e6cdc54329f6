//! `GET /scorecard`: how a unit stands.

use actix_web::{HttpRequest, get, web};

use super::Context;
use super::params::Params;
use super::problem::{Answer, Problem, Problems};
use super::reply::{Cell, Format, json, table, text};
use super::series::{POINT, point_cells};
use crate::app::scorecard::{ScorecardQuery, ScorecardRow};

/// Every kpi and headline indicator of a unit in a period: value, changes, target, attainment, status, points and the last 13 values.
#[utoipa::path(
    operation_id = "get_scorecard",
    tag = "questions",
    params(
        ("unit" = String, Query, description = "The unit"),
        ("period" = String, Query, description = "A month or a wider period"),
        ("geography" = Option<String>, Query, description = "as_reported (default), or current: the units of today, which have the past of those they go back to"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "The scorecard", content((crate::app::scorecard::ScorecardView = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/scorecard")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let (unit, period, of_today) =
        (params.needed("unit", "name a unit"), params.period("period"), params.in_units_of_today());
    params.finish()?;
    let (Some(unit), Some(period)) = (unit, period) else { return Err(Problem::internal()) };
    let query = ScorecardQuery { unit, period, of_today };
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let scorecard = context.compute(move || moment.scorecard(&query)).await?;
    let stamp = stamp.at(scorecard.revision);
    if format == Format::Json {
        return json(&request, &stamp, None, &scorecard);
    }
    let past: Vec<&str> = scorecard
        .rows
        .first()
        .into_iter()
        .flat_map(|row| row.history.iter().map(|value| value.period.as_str()))
        .collect();
    let header = [
        &[
            "unit",
            "measure",
            "name_vi",
            "name_en",
            "group",
            "system",
            "unit_of_measure",
            "direction",
        ],
        POINT,
        &[
            "target",
            "attainment",
            "status",
            "target_code",
            "score_function",
            "score_threshold",
            "points",
            "points_earned",
        ],
        &past,
    ]
    .concat();
    table(
        &request,
        &stamp,
        format,
        None,
        &header,
        scorecard.rows.iter().map(|of| row(&scorecard.unit, of)),
    )
    .await
}

fn row(unit: &str, row: &ScorecardRow) -> Vec<Cell> {
    let mut found = vec![
        Cell::Text(unit.to_owned()),
        Cell::Text(row.measure.clone()),
        Cell::Text(row.name.vi.clone()),
        Cell::Text(row.name.en.clone()),
        Cell::Text(row.group.to_owned()),
        Cell::Text(row.system.clone().unwrap_or_default()),
        Cell::Text(row.unit_of_measure.clone()),
        text(&row.direction),
    ];
    found.extend(point_cells(&row.point));
    found.extend([
        Cell::number(row.target),
        Cell::number(row.attainment),
        text(&row.status),
        text(&row.target_code),
        text(&row.score.as_ref().map(|score| score.function)),
        Cell::number(row.score.as_ref().map(|score| score.threshold)),
        Cell::number(row.score.as_ref().map(|score| score.points)),
        Cell::number(row.score.as_ref().and_then(|score| score.earned)),
    ]);
    found.extend(row.history.iter().map(|past| Cell::number(past.value)));
    found
}
