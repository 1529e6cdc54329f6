//! `GET /vintages`: how much figures were revised after their first release.

use actix_web::{HttpRequest, get, web};

use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{PageLimit, PageOffset, RequestedView, query_params, read_query};
use super::respond::{respond, response_page};
use crate::app::read::vintages::{VintageQuery, VintageView};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::cells;
use kpi::measure::Measure;
use kpi::period::Month;

/// Maximum memory per revised figure, in bytes.
const ROW: usize = 1 << 10;

response_page! {
    /// A page of revised figures.
    struct VintagesPage {
        /// The figures, the largest revision first.
        figures: Vec<VintageView>,
    }
    "measure unit period first_value first_revision first_recorded_at value revision recorded_at \
     revised_by revised_percent",
    |figure| cells(&figure),
    SheetPlan::new(
        "vintages",
        "unit measure period first_value value:recorded_value revised_by revised_percent \
         first_recorded_at recorded_at",
    )
}

query_params! {
    /// The parameters of `GET /vintages`.
    struct VintageParams {
        view: RequestedView,
        measure: Option<Measure> = "Only this indicator; without members all its splits",
        unit: Option<String> = "Only this unit and the units below it",
        from: Option<Month> = "First month",
        to: Option<Month> = "Last month",
        limit: PageLimit<1_000, 10_000> =
            "Maximum number of figures on the page, 1 to 10,000; default 1,000",
        cursor: Option<PageOffset>,
    }
}

/// List revised figures.
///
/// Returns the figures that were revised after their first release, with the first and the current
/// value, the largest revision first: by the percentage, and before them those that were first 0 or
/// did not apply.
#[utoipa::path(
    operation_id = "get_vintages",
    tag = "questions",
    params(VintageParams),
    responses(
        (
            status = 200,
            description = "A page of revised figures",
            content(
                (VintagesPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/vintages")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: VintageParams = read_query(&request)?;
    let query = VintageQuery {
        measure: params.measure,
        unit: params.unit,
        from: params.from,
        to: params.to,
        offset: params.cursor.unwrap_or_default().0,
        limit: params.limit.of(params.view.format),
    };
    let after = query.offset.saturating_add(query.limit);
    let bytes = crate::app::read::vintages::MAX_REVISED * ROW;
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let page = context.compute_in(bytes, move || snapshot.vintages(&query)).await?;
        let next = offset_cursor(stamp, page.more.then_some(after));
        Ok(VintagesPage::new(stamp, page.figures, next))
    })
    .await
}
