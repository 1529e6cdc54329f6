//! `GET /scorecard`: all kpis and headline indicators of a unit in one period.

use actix_web::{HttpRequest, get, web};

use super::context::ServiceContext;
use super::fields::{FieldEndpoint, FieldParams, columns, field_cells};
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{RequestedView, SinglePeriod, UnitsOfToday, query_params, read_query};
use super::respond::{TableContent, respond};
use crate::app::read::fields::{Field, FieldChoice, RequestedFields};
use crate::app::read::scorecard::{ScorecardQuery, ScorecardRow, ScorecardView};
use crate::render::sheet_plan::{SheetPlan, SheetSubject};
use crate::render::table::{ResponseCell, ResponseTable, text};

query_params! {
    /// The parameters of `GET /scorecard`.
    struct ScorecardParams {
        view: RequestedView,
        unit: String = "Code of the unit",
        period: SinglePeriod,
        geography: Option<UnitsOfToday>,
        fields: FieldParams<ScorecardFields>,
    }
}

/// The fields of `GET /scorecard`.
struct ScorecardFields;

impl FieldEndpoint for ScorecardFields {
    const CHOICE: FieldChoice = FieldChoice::SCORECARD;
}

/// Get the scorecard of a unit.
///
/// Returns every kpi and headline indicator of the unit in a period: value, changes, target,
/// attainment, status, points and the last 13 values.
#[utoipa::path(
    operation_id = "get_scorecard",
    tag = "questions",
    params(ScorecardParams),
    responses(
        (
            status = 200,
            description = "The scorecard",
            content(
                (ScorecardView = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/scorecard")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: ScorecardParams = read_query(&request)?;
    respond(&request, &context, &params.view, async |snapshot, _stamp| {
        let query = ScorecardQuery {
            unit: params.unit,
            period: params.period.at(snapshot.month()),
            of_today: params.geography.is_some_and(|UnitsOfToday(today)| today),
            fields: params.fields.requested(),
        };
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
        let past = past.join(" ");
        let plan = plan(&self);
        let fields = self.fields;
        if fields != FieldChoice::SCORECARD.default {
            let names = |field| {
                let score = (field == Field::Score).then(|| SCORE.to_owned());
                score.or_else(|| (field == Field::History).then(|| past.clone()))
            };
            let cells = move |row: ScorecardRow| {
                field_cells(&row, fields, row.point.stated, |field| {
                    let score = (field == Field::Score).then(|| score_cells(&row).into());
                    score.or_else(|| (field == Field::History).then(|| history_cells(&row)))
                })
            };
            let rows = self.rows.into_iter().map(cells);
            return ResponseTable::new(&columns(fields, names), rows)
                .planned(plan.with_all_columns());
        }
        let point = columns(RequestedFields::of_point().set, |_| None);
        let columns = format!(
            "unit measure name_vi name_en group system unit_of_measure direction {point} target \
             attainment status provisional target_code {SCORE} {past}"
        );
        let unit = self.unit;
        ResponseTable::new(&columns, self.rows.into_iter().map(move |of| row(&unit, &of)))
            .planned(plan)
    }
}

/// What an Excel file for people shows.
fn plan(scorecard: &ScorecardView) -> SheetPlan {
    SheetPlan::new(
        "scorecard",
        "measure value unit_of_measure delta year_delta target attainment status points_earned \
         reasons annotations",
    )
    .about(SheetSubject::Unit(scorecard.unit.clone()))
    .about(SheetSubject::Period(scorecard.period.clone()))
}

/// The columns of the points of a kpi.
const SCORE: &str = "score_function score_threshold points points_earned";

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
    let point = RequestedFields::of_point().set;
    found.extend(field_cells(row, point, row.point.stated, |_| None));
    found.extend([
        ResponseCell::number(row.target),
        ResponseCell::number(row.attainment),
        text(&row.status),
        text(&row.provisional),
        text(&row.target_code),
    ]);
    found.extend(score_cells(row));
    found.extend(history_cells(row));
    found
}

fn score_cells(row: &ScorecardRow) -> [ResponseCell; 4] {
    let score = row.score.as_ref();
    [
        text(&score.map(|score| score.function)),
        ResponseCell::number(score.map(|score| score.threshold)),
        ResponseCell::number(score.map(|score| score.points)),
        ResponseCell::number(score.and_then(|score| score.earned)),
    ]
}

fn history_cells(row: &ScorecardRow) -> Vec<ResponseCell> {
    row.history.iter().map(|past| ResponseCell::number(past.value)).collect()
}
