//! `GET /findings`: where figures contradict a rule.

use actix_web::{HttpRequest, get, web};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{
    PageLimit, PageOffset, QueryValue, RequestedView, one_of, query_params, read_query, words,
};
use super::respond::{respond, response_page};
use crate::app::read::findings::{FindingQuery, FindingView};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::cells;
use kpi::period::Month;

/// Maximum memory per row of a page, in bytes; about half of it is the response.
const ROW: usize = 1 << 10;

response_page! {
    /// A page of findings.
    struct FindingsPage {
        /// The findings, ordered by unit, month, rule and measure.
        findings: Vec<FindingView>,
    }
    "rule severity measure unit period stated computed detail detail_vi",
    |finding| cells(&finding),
    SheetPlan::new(
        "findings",
        "unit measure period severity detail stated:reported computed",
    )
}

query_params! {
    /// The parameters of `GET /findings`.
    struct FindingsParams {
        view: RequestedView,
        unit: Option<String> = "Only this unit and the units below it",
        from: Option<Month> = "First month",
        to: Option<Month> = "Last month",
        severity: Option<SeverityWord> = "warning or error",
        rule: Option<String> = "Code of a rule",
        limit: PageLimit<1_000, 10_000> =
            "Maximum number of findings on the page, 1 to 10,000; default 1,000",
        cursor: Option<PageOffset>,
    }
}

/// The severity of a finding.
struct SeverityWord(&'static str);

impl SeverityWord {
    const WORDS: [&'static str; 2] = ["warning", "error"];
}

impl QueryValue for SeverityWord {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        one_of(name, text, &Self::WORDS).map(Self)
    }

    fn value_schema() -> RefOr<Schema> {
        words(&Self::WORDS)
    }
}

/// List the current findings.
///
/// Returns the places where current figures contradict a rule, for all units or for one unit and
/// those below it.
#[utoipa::path(
    operation_id = "get_findings",
    tag = "questions",
    params(FindingsParams),
    responses(
        (
            status = 200,
            description = "A page of findings",
            content(
                (FindingsPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/findings")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: FindingsParams = read_query(&request)?;
    let query = FindingQuery {
        unit: params.unit,
        from: params.from,
        to: params.to,
        severity: params.severity.map(|SeverityWord(word)| word.to_owned()),
        rule: params.rule,
        limit: params.limit.of(params.view.format),
        offset: params.cursor.unwrap_or_default().0,
    };
    let (bytes, after) = (query.limit.saturating_mul(ROW), query.offset + query.limit);
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let (_, findings, more) =
            context.compute_in(bytes, move || snapshot.findings(&query)).await?;
        Ok(FindingsPage::new(stamp, findings, offset_cursor(stamp, more.then_some(after))))
    })
    .await
}
