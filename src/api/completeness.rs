//! `GET /completeness`: which reports were expected, and what was reported when.

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{PageLimit, PageOffset, RequestedView, SinglePeriod, query_params, read_query};
use super::respond::{TableContent, respond};
use crate::app::read::completeness::{
    CompletenessQuery, CompletenessView, ReportProgressView, ReportingTally,
};
use crate::render::sheet_plan::{SheetPlan, SheetSubject};
use crate::render::table::{ResponseCell, ResponseTable, text};

/// Maximum memory per row of a page, in bytes; about half of it is the response.
const ROW: usize = 1 << 10;

/// A page of expected reports, with the rates over all of them.
#[derive(Serialize, ToSchema)]
struct CompletenessPage {
    /// Rates and reports.
    #[serde(flatten)]
    view: CompletenessView,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

query_params! {
    /// The parameters of `GET /completeness`.
    struct CompletenessParams {
        view: RequestedView,
        period: SinglePeriod =
            "A month, or a wider period for all of its months; or a name relative to the current \
             month, such as last_month",
        parent: Option<String> = "This unit and the units below it; default: all units",
        limit: PageLimit<1_000, 10_000> =
            "Maximum number of reports on the page, 1 to 10,000; default 1,000",
        cursor: Option<PageOffset>,
    }
}

/// Get the completeness of reports.
///
/// Returns the expected reports: which figures have arrived, when, whether they were on time, and
/// which are missing.
#[utoipa::path(
    operation_id = "get_completeness",
    tag = "questions",
    params(CompletenessParams),
    responses(
        (
            status = 200,
            description = "A page of expected reports, with rates",
            content(
                (CompletenessPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/completeness")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let mut params: CompletenessParams = read_query(&request)?;
    params.view.consistency.by_day = true; // whether a report is overdue depends on the day
    let (offset, limit) =
        (params.cursor.unwrap_or_default().0, params.limit.of(params.view.format));
    let (bytes, after) = (limit.saturating_mul(ROW), offset + limit);
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let period = params.period.at(snapshot.month());
        let query = CompletenessQuery { period, parent: params.parent, offset, limit };
        let (view, more) = context.compute_in(bytes, move || snapshot.completeness(&query)).await?;
        Ok(CompletenessPage { view, next_cursor: offset_cursor(stamp, more.then_some(after)) })
    })
    .await
}

impl TableContent for CompletenessPage {
    fn next_cursor(&self) -> Option<&str> {
        self.next_cursor.as_deref()
    }

    fn into_table(self) -> ResponseTable {
        let rates = rates(&self.view);
        let plan = SheetPlan::new(
            "completeness",
            "unit period status:report_status deadline expected on_time late \
             missing:missing_measures last_reported_at",
        );
        let plan = plan.about(SheetSubject::Period(self.view.period.clone()));
        ResponseTable::new(COLUMNS, self.view.rows.into_iter().map(row))
            .planned(plan)
            .with_sheet("Tỷ lệ · Rates", rates)
    }
}

/// The rates as a sheet: the total, then each child.
fn rates(view: &CompletenessView) -> ResponseTable {
    let line = |unit: &str, vi: &str, en: &str, tally: &ReportingTally| {
        let mut cells: Vec<ResponseCell> =
            [unit, vi, en].map(|text| ResponseCell::Text(text.to_owned())).into();
        let counts = [
            tally.expected,
            tally.on_time,
            tally.late,
            tally.missing,
            tally.reports_expected,
            tally.reports_complete,
            tally.reports_on_time,
            tally.reports_overdue,
        ];
        cells.extend(counts.map(|count| ResponseCell::number(Some(count))));
        cells.extend([tally.completeness, tally.timeliness].map(ResponseCell::number));
        cells
    };
    let total = line(view.parent.as_deref().unwrap_or_default(), "Tất cả", "All", &view.total);
    let children =
        view.rates.iter().map(|rate| line(&rate.unit, &rate.name.vi, &rate.name.en, &rate.tally));
    let rows: Vec<Vec<ResponseCell>> = std::iter::once(total).chain(children).collect();
    let plan = SheetPlan::new(
        "rates",
        "name reports_expected reports_complete reports_on_time reports_overdue completeness \
         timeliness",
    );
    let plan = plan.about(SheetSubject::Period(view.period.clone()));
    ResponseTable::new(RATES, rows.into_iter()).planned(plan)
}

const COLUMNS: &str = "unit name_vi name_en kind period expectation deadline status overdue \
                       expected on_time late missing last_reported_at";

const RATES: &str = "unit name_vi name_en expected on_time late missing reports_expected \
                     reports_complete reports_on_time reports_overdue completeness timeliness";

fn row(report: ReportProgressView) -> Vec<ResponseCell> {
    let last = report.reported.iter().map(|figure| figure.reported_at.clone()).max();
    vec![
        ResponseCell::Text(report.unit),
        ResponseCell::Text(report.name.vi),
        ResponseCell::Text(report.name.en),
        text(&report.kind),
        ResponseCell::Text(report.period),
        ResponseCell::Text(report.expectation),
        ResponseCell::Text(report.deadline.to_string()),
        text(&report.status),
        text(&report.overdue),
        ResponseCell::number(Some(report.expected)),
        ResponseCell::number(Some(report.on_time)),
        ResponseCell::number(Some(report.late)),
        ResponseCell::Text(report.missing.join("; ")),
        ResponseCell::Text(last.unwrap_or_default()),
    ]
}
