//! `GET /scorecard`: all kpis and headline indicators of a unit in one period.

use actix_web::{HttpRequest, get, web};

use super::context::ServiceContext;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{RequestedView, UnitsOfToday, query_params, read_query};
use super::respond::{TableContent, respond};
use super::series::{POINT, point_cells};
use crate::app::read::scorecard::{ScorecardQuery, ScorecardRow, ScorecardView};
use crate::render::table::{ResponseCell, ResponseTable, text};
use kpi::period::Period;

query_params! {
    /// The parameters of `GET /scorecard`.
    struct ScorecardParams {
        view: RequestedView,
        unit: String = "Code of the unit",
        period: Period = "A month or a wider period",
        geography: Option<UnitsOfToday>,
    }
}

/// Get the scorecard of a unit.
///
/// Returns every kpi and headline indicator of the unit in a period: value, changes, target,
/// attainment, status, points and the last 13 values.
#[utoipa::path(
    operation_id = "get_scorecard",
    tag = "questions",
    params(ScorecardParams),
    responses((status = 200, description = "The scorecard", content((ScorecardView = "application/json"), (String = "text/csv"), (crate::api::respond::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "Not modified"), ProblemResponses)
)]
#[get("/scorecard")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: ScorecardParams = read_query(&request)?;
    let query = ScorecardQuery {
        unit: params.unit,
        period: params.period,
        of_today: params.geography.is_some_and(|UnitsOfToday(today)| today),
    };
    respond(&request, &context, &params.view, async |snapshot, _stamp| {
        context.compute(move || snapshot.scorecard(&query)).await
    })
    .await
}

impl TableContent for ScorecardView {
    fn into_table(self) -> ResponseTable {
        let past: Vec<&str> = self
            .rows
            .first()
            .into_iter()
            .flat_map(|row| row.history.iter().map(|value| value.period.as_str()))
            .collect();
        let columns = format!(
            "unit measure name_vi name_en group system unit_of_measure direction {POINT} target \
             attainment status provisional target_code score_function score_threshold points points_earned {}",
            past.join(" ")
        );
        let unit = self.unit;
        ResponseTable::new(&columns, self.rows.into_iter().map(move |of| row(&unit, &of)))
    }
}

fn row(unit: &str, row: &ScorecardRow) -> Vec<ResponseCell> {
    let mut found = vec![
        ResponseCell::Text(unit.to_owned()),
        ResponseCell::Text(row.measure.clone()),
        ResponseCell::Text(row.name.vi.clone()),
        ResponseCell::Text(row.name.en.clone()),
        ResponseCell::Text(row.group.to_owned()),
        ResponseCell::Text(row.system.clone().unwrap_or_default()),
        ResponseCell::Text(row.unit_of_measure.clone()),
        text(&row.direction),
    ];
    found.extend(point_cells(&row.point));
    found.extend([
        ResponseCell::number(row.target),
        ResponseCell::number(row.attainment),
        text(&row.status),
        text(&row.provisional),
        text(&row.target_code),
        text(&row.score.as_ref().map(|score| score.function)),
        ResponseCell::number(row.score.as_ref().map(|score| score.threshold)),
        ResponseCell::number(row.score.as_ref().map(|score| score.points)),
        ResponseCell::number(row.score.as_ref().and_then(|score| score.earned)),
    ]);
    found.extend(row.history.iter().map(|past| ResponseCell::number(past.value)));
    found
}
