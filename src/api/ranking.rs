//! `GET /ranking`: the children of a unit in order of one measure.

use actix_web::{HttpRequest, get, web};

use super::context::ServiceContext;
use super::fields::{FieldEndpoint, FieldParams, columns, field_cells};
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{RequestedView, SinglePeriod, UnitsOfToday, query_params, read_query};
use super::respond::{TableContent, respond};
use crate::app::read::fields::FieldChoice;
use crate::app::read::ranking::{RankingQuery, RankingRow, RankingView};
use crate::render::sheet_plan::{ChartKind, SheetPlan, SheetSubject};
use crate::render::table::{ResponseCell, ResponseTable, text};
use kpi::measure::Measure;

query_params! {
    /// The parameters of `GET /ranking`.
    struct RankingParams {
        view: RequestedView,
        measure: Measure = "An indicator or kpi, with or without members",
        parent: Option<String> =
            "Rank the children of this unit; default: rank the units without a parent",
        period: SinglePeriod,
        geography: Option<UnitsOfToday>,
        fields: FieldParams<RankingFields>,
    }
}

/// The fields of `GET /ranking`.
struct RankingFields;

impl FieldEndpoint for RankingFields {
    const CHOICE: FieldChoice = FieldChoice::RANKING;
}

/// Rank the children of a unit.
///
/// Returns the children in order of one measure, the best first by the direction of the measure.
/// Equal values share a rank (1, 1, 3); units without a value come last, without a rank.
#[utoipa::path(
    operation_id = "get_ranking",
    tag = "questions",
    params(RankingParams),
    responses(
        (
            status = 200,
            description = "The ranking",
            content(
                (RankingView = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/ranking")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: RankingParams = read_query(&request)?;
    respond(&request, &context, &params.view, async |snapshot, _stamp| {
        let query = RankingQuery {
            measure: params.measure,
            parent: params.parent,
            period: params.period.at(snapshot.month()),
            of_today: params.geography.is_some_and(|UnitsOfToday(today)| today),
            fields: params.fields.requested(),
        };
        context.compute(move || snapshot.ranking(&query)).await
    })
    .await
}

impl TableContent for RankingView {
    fn into_table(mut self) -> ResponseTable {
        let rows = std::mem::take(&mut self.rows).into_iter();
        let (fields, plan) = (self.fields, plan(&self));
        if fields == FieldChoice::RANKING.default {
            return ResponseTable::new(COLUMNS, rows.map(move |row| cells(&self, &row)))
                .planned(plan);
        }
        let cells = move |row: RankingRow| field_cells(&row, fields, row.point.stated, |_| None);
        ResponseTable::new(&columns(fields, |_| None), rows.map(cells))
            .planned(plan.with_all_columns())
    }
}

/// What an Excel file for people shows.
fn plan(ranking: &RankingView) -> SheetPlan {
    SheetPlan::new(
        "ranking",
        "unit rank previous_rank value delta target attainment status coverage reasons",
    )
    .about(SheetSubject::Measure(ranking.measure.clone()))
    .about(SheetSubject::Period(ranking.period.clone()))
    .with_chart(ChartKind::Bars)
}

const COLUMNS: &str = "rank previous_rank unit name_vi name_en value value_reason unit_of_measure \
                       coverage delta delta_reason target attainment status provisional measure \
                       period";

fn cells(ranking: &RankingView, row: &RankingRow) -> Vec<ResponseCell> {
    vec![
        ResponseCell::number(row.rank),
        ResponseCell::number(row.previous_rank),
        ResponseCell::Text(row.unit.clone()),
        ResponseCell::Text(row.name.vi.clone()),
        ResponseCell::Text(row.name.en.clone()),
        ResponseCell::number(row.point.value),
        text(&row.point.value_reason),
        ResponseCell::Text(ranking.unit_of_measure.clone()),
        ResponseCell::number(row.point.coverage),
        ResponseCell::number(row.point.delta),
        text(&row.point.delta_reason),
        ResponseCell::number(row.target),
        ResponseCell::number(row.attainment),
        text(&row.status),
        text(&row.provisional),
        ResponseCell::Text(ranking.measure.clone()),
        ResponseCell::Text(ranking.period.clone()),
    ]
}
