//! `GET /completeness`: who was expected to report, who has, and when.

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Context;
use super::params::{Params, offset_cursor};
use super::problem::{Answer, Problem, Problems};
use super::reply::{Cell, Format, Sheet, json, tables, text};
use crate::app::completeness::{CompletenessQuery, CompletenessView, ReportView, Tally};

/// A page of reports expected, with the rates of all of them.
#[derive(Serialize, ToSchema)]
struct CompletenessPage {
    /// The answer.
    #[serde(flatten)]
    view: CompletenessView,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Who was expected to report, who has reported what, when, and whether that was on time; who is missing what.
#[utoipa::path(
    operation_id = "get_completeness",
    tag = "questions",
    params(
        ("period" = String, Query, description = "A month, or a wider period for each of its months"),
        ("parent" = Option<String>, Query, description = "This unit and those below it; every unit when absent"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "Most reports on the page, 1 to 10,000; 1,000 when absent", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((CompletenessPage = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/completeness")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, mut wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    wanted.by_day = true; // what is overdue depends on it
    let (period, parent, limit, offset) = (
        params.period("period"),
        params.text("parent"),
        params.limit(format, 1_000, 10_000),
        params.offset(),
    );
    params.finish()?;
    let Some(period) = period else { return Err(Problem::internal()) };
    let query = CompletenessQuery { period, parent, offset, limit };
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let (view, more) = context.compute(move || moment.completeness(&query)).await?;
    let stamp = stamp.at(view.revision);
    let next = offset_cursor(view.revision, more.then_some(offset + limit));
    match format {
        Format::Json => json(
            &request,
            &stamp,
            next.as_deref(),
            &CompletenessPage { view, next_cursor: next.clone() },
        ),
        Format::Csv | Format::Xlsx => {
            let rates = rates(&view);
            tables(
                &request,
                &stamp,
                format,
                next.as_deref(),
                &HEADER,
                view.rows.into_iter().map(row),
                vec![rates],
            )
            .await
        }
    }
}

/// The rates as a sheet: all, then each child.
fn rates(view: &CompletenessView) -> Sheet {
    let header = [
        "unit",
        "name_vi",
        "name_en",
        "expected",
        "on_time",
        "late",
        "missing",
        "reports_expected",
        "reports_complete",
        "reports_on_time",
        "reports_overdue",
        "completeness",
        "timeliness",
    ];
    let line = |unit: &str, vi: &str, en: &str, tally: &Tally| {
        let mut cells: Vec<Cell> = [unit, vi, en].map(|text| Cell::Text(text.to_owned())).into();
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
        cells.extend(counts.map(|count| Cell::number(Some(count))));
        cells.extend([tally.completeness, tally.timeliness].map(Cell::number));
        cells
    };
    let total = line(view.parent.as_deref().unwrap_or_default(), "Tất cả", "All", &view.total);
    let children =
        view.rates.iter().map(|rate| line(&rate.unit, &rate.name.vi, &rate.name.en, &rate.tally));
    Sheet {
        name: "Tỷ lệ · Rates",
        header: header.map(ToOwned::to_owned).into(),
        rows: std::iter::once(total).chain(children).collect(),
    }
}

const HEADER: [&str; 14] = [
    "unit",
    "name_vi",
    "name_en",
    "kind",
    "period",
    "expectation",
    "deadline",
    "status",
    "overdue",
    "expected",
    "on_time",
    "late",
    "missing",
    "last_reported_at",
];

fn row(report: ReportView) -> Vec<Cell> {
    let last = report.reported.iter().map(|figure| figure.reported_at.clone()).max();
    vec![
        Cell::Text(report.unit),
        Cell::Text(report.name.vi),
        Cell::Text(report.name.en),
        text(&report.kind),
        Cell::Text(report.period),
        Cell::Text(report.expectation),
        Cell::Text(report.deadline.to_string()),
        text(&report.status),
        text(&report.overdue),
        Cell::number(Some(report.expected)),
        Cell::number(Some(report.on_time)),
        Cell::number(Some(report.late)),
        Cell::Text(report.missing.join("; ")),
        Cell::Text(last.unwrap_or_default()),
    ]
}
