//! `GET /quality`: figures that are unusual for their unit.

use actix_web::{HttpRequest, get, web};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{
    PageLimit, PageOffset, QueryValue, RequestedView, one_of, query_params, read_query, words,
};
use super::respond::{respond, response_page};
use crate::app::read::quality::{OutlierSettings, QualityQuery, QualityView, RULES};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::cells;
use kpi::outlier::{OutlierMethod, THRESHOLD};
use kpi::period::Month;

/// Maximum memory per row of a page, in bytes; about half of it is the response.
const ROW: usize = 1 << 10;

response_page! {
    /// A page of unusual figures.
    struct QualityPage {
        /// The figures, ordered by measure, unit and month; checks of stocks against their flows
        /// come last.
        notices: Vec<QualityView>,
    }
    "rule measure unit period value expected score months method detail detail_vi",
    |notice| cells(&notice),
    SheetPlan::new(
        "quality",
        "unit measure period rule:quality_rule value expected:expected_value detail",
    )
}

query_params! {
    /// The parameters of `GET /quality`.
    struct QualityParams {
        view: RequestedView,
        unit: Option<String> = "Only this unit and the units below it",
        from: Option<Month> = "First month; default: eleven months before the last",
        to: Option<Month> = "Last month; default: the newest with a figure of these units",
        rule: Option<QualityRule> = "outlier, unchanged, unexplained_jump or implied_opening",
        method: Option<OutlierMethod> =
            "What a figure is compared with. history: all other months. seasonal: for a flow, the \
             same month of other years. before: the 36 months before. z_score: mean and standard \
             deviation of all other months. auto (default): seasonal for a flow with the same \
             month of at least three other years; with two such years, the smaller score of \
             seasonal and history; otherwise history",
        threshold: Option<OutlierThreshold> =
            "The score from which a figure is an outlier, 1 to 100; default 3.5",
        limit: PageLimit<1_000, 10_000> =
            "Maximum number of figures on the page, 1 to 10,000; default 1,000",
        cursor: Option<PageOffset>,
    }
}

/// A rule that finds unusual figures.
struct QualityRule(&'static str);

impl QueryValue for QualityRule {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        one_of(name, text, &RULES).map(Self)
    }

    fn value_schema() -> RefOr<Schema> {
        words(&RULES)
    }
}

impl QueryValue for OutlierMethod {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        one_of(name, text, &Self::names()).map(|name| Self::named(name).unwrap_or_default())
    }

    fn value_schema() -> RefOr<Schema> {
        words(&Self::names())
    }
}

/// A score from which a figure is an outlier.
struct OutlierThreshold(f64);

impl OutlierThreshold {
    const LEAST: f64 = 1.0;
    const MOST: f64 = 100.0;
}

impl QueryValue for OutlierThreshold {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let number = text.parse().ok();
        number
            .filter(|number| (Self::LEAST..=Self::MOST).contains(number))
            .map(Self)
            .ok_or_else(|| format!("{name} must be {} to {}", Self::LEAST, Self::MOST))
    }

    fn value_schema() -> RefOr<Schema> {
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(Self::LEAST))
            .maximum(Some(Self::MOST));
        Schema::Object(number.build()).into()
    }
}

/// List unusual figures.
///
/// Returns figures far from the history of their unit, figures that stay the same for months, and
/// stocks that do not follow from their flows.
#[utoipa::path(
    operation_id = "get_quality",
    tag = "questions",
    params(QualityParams),
    responses(
        (
            status = 200,
            description = "A page of unusual figures",
            content(
                (QualityPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/quality")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let mut params: QualityParams = read_query(&request)?;
    // Without any figure the default is the month that has begun
    params.view.consistency.by_day |= params.to.is_none();
    let query = QualityQuery {
        unit: params.unit,
        from: params.from,
        to: params.to,
        rule: params.rule.map(|QualityRule(rule)| rule),
        outliers: OutlierSettings {
            method: params.method.unwrap_or_default(),
            threshold: params.threshold.map_or(THRESHOLD, |OutlierThreshold(threshold)| threshold),
        },
        limit: params.limit.of(params.view.format),
        offset: params.cursor.unwrap_or_default().0,
    };
    let (bytes, after) = (query.limit.saturating_mul(ROW), query.offset + query.limit);
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let (_, notices, more) =
            context.compute_in(bytes, move || snapshot.quality(&query)).await?;
        Ok(QualityPage::new(stamp, notices, offset_cursor(stamp, more.then_some(after))))
    })
    .await
}
