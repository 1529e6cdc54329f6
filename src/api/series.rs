//! `GET /series`: trends of measures over time.

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{
    PageLimit, PageOffset, QueryField, QueryReader, QueryValue, RequestedView, UnitsOfToday,
    one_of, parameter, query_params, read_query, words,
};
use super::respond::{TableContent, respond};
use super::response_format::ResponseFormat;
use crate::app::read::series::{
    MAX_MONTHS, MAX_POINTS, PeriodSelector, PointView, SeriesQuery, SeriesView, UnitSelector,
};
use crate::app::snapshot::{ReadConsistency, Snapshot};
use crate::render::table::{ResponseCell, ResponseTable, cells};
use kpi::measure::Measure;
use kpi::period::{Month, Period, Step};
use kpi::unit::UnitForest;

/// Maximum number of series on a page.
const MAX_SERIES: usize = 20_000;
/// Maximum memory per point, in bytes; about half of it is the response.
const POINT_BYTES: usize = 1_408;
/// Queries of at least this many points are computed on the pool, off the threads of the web
/// server.
const HEAVY: usize = 2_000;

/// Trends as a tree of series and their points.
#[derive(Serialize, ToSchema)]
#[schema(as = SeriesPage)]
struct SeriesTree {
    /// The revision that the whole response was computed from.
    revision: i64,
    /// The hash of that revision.
    revision_hash: String,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// The series, each with its points.
    series: Vec<SeriesView>,
}

/// Trends as rows: one flat object for each point.
#[derive(Serialize, ToSchema)]
struct SeriesRows {
    /// The revision that the whole response was computed from.
    revision: i64,
    /// The hash of that revision.
    revision_hash: String,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// The points.
    #[serde(serialize_with = "flat")]
    #[schema(value_type = Vec<SeriesPoint>)]
    rows: Vec<SeriesView>,
}

/// Serializes each point of each series as one row.
fn flat<S: serde::Serializer>(series: &[SeriesView], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(
        series.iter().flat_map(|series| {
            series.points.iter().map(move |point| SeriesPoint::new(series, point))
        }),
    )
}

/// Trends: a tree, or with `layout=rows` one flat object for each point.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum SeriesResponse {
    /// Series with their points.
    Nested(SeriesTree),
    /// One row for each point.
    Rows(SeriesRows),
}

/// One point, with the fields of its series.
#[derive(Serialize, ToSchema)]
struct SeriesPoint<'a> {
    /// The code of the measure, with its members.
    measure: &'a str,
    /// The code of the unit.
    unit: &'a str,
    /// The unit of measure of the values.
    unit_of_measure: &'a str,
    /// The width of the periods: `month`, `quarter`, `half`, `9m` or `year`.
    step: &'static str,
    /// The values of the period.
    #[serde(flatten)]
    point: &'a PointView,
}

query_params! {
    /// The parameters of `GET /series`.
    struct SeriesParams {
        format: ResponseFormat =
            "json, csv or xlsx; overrides Accept. CSV and XLSX always have rows",
        consistency: ReadConsistency,
        layout: Option<RowLayout> =
            "nested (default): series with points; rows: one flat object for each point",
        measure: Vec<Measure> =
            "Code of an indicator or kpi, with or without members; may be repeated",
        units: UnitSelector,
        periods: PeriodSelector,
        limit: PageLimit<1_000, MAX_SERIES> = "Maximum number of series on the page; default 1,000",
        cursor: Option<PageOffset>,
        geography: Option<UnitsOfToday>,
    }
}

/// Whether a JSON response has rows instead of a tree.
struct RowLayout(bool);

impl QueryValue for RowLayout {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        one_of(name, text, &["nested", "rows"]).map(|word| Self(word == "rows"))
    }

    fn value_schema() -> RefOr<Schema> {
        words(&["nested", "rows"])
    }
}

/// Get trends of measures.
///
/// Returns the series of the requested measures and units. Each series has exactly one point for
/// each period, also where there is no figure. Every field is always present; a null number has a
/// reason beside it.
#[utoipa::path(
    operation_id = "get_series",
    tag = "questions",
    params(SeriesParams),
    responses((status = 200, description = "A page of series", content((SeriesResponse = "application/json"), (String = "text/csv"), (crate::api::respond::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "Not modified"), ProblemResponses)
)]
#[get("/series")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: SeriesParams = read_query(&request)?;
    let view = RequestedView { format: params.format, consistency: params.consistency };
    let as_rows = params.layout.is_some_and(|RowLayout(rows)| rows);
    let query = SeriesQuery {
        measures: params.measure,
        whose: params.units,
        when: params.periods,
        of_today: params.geography.is_some_and(|UnitsOfToday(today)| today),
        offset: params.cursor.unwrap_or_default().0,
        limit: params.limit.of(params.format),
    };
    respond(&request, &context, &view, async |snapshot, stamp| {
        let light =
            query.whose.is_light() && query.measures.len() * query.whose.named() * 60 < HEAVY;
        let page = if light {
            snapshot.series(&query)?
        } else {
            let bytes = most_bytes(&query, &snapshot);
            context.compute_in(bytes, move || snapshot.series(&query)).await?
        };
        let (revision, revision_hash, next_cursor) =
            (page.revision, stamp.hash(), offset_cursor(stamp, page.next_offset));
        Ok(if as_rows {
            let rows = page.series;
            SeriesResponse::Rows(SeriesRows { revision, revision_hash, next_cursor, rows })
        } else {
            let series = page.series;
            SeriesResponse::Nested(SeriesTree { revision, revision_hash, next_cursor, series })
        })
    })
    .await
}

impl TableContent for SeriesResponse {
    fn next_cursor(&self) -> Option<&str> {
        let (Self::Nested(SeriesTree { next_cursor, .. })
        | Self::Rows(SeriesRows { next_cursor, .. })) = self;
        next_cursor.as_deref()
    }

    fn bound(&self) -> &'static str {
        " and 60000 points"
    }

    fn into_table(self) -> ResponseTable {
        let (Self::Nested(SeriesTree { series, .. }) | Self::Rows(SeriesRows { rows: series, .. })) =
            self;
        ResponseTable::new(&format!("{SERIES} {POINT}"), series.into_iter().flat_map(table_rows))
    }
}

impl<'a> SeriesPoint<'a> {
    fn new(series: &'a SeriesView, point: &'a PointView) -> Self {
        Self {
            measure: &series.measure,
            unit: &series.unit,
            unit_of_measure: &series.unit_of_measure,
            step: series.step,
            point,
        }
    }
}

/// The rows of a series.
fn table_rows(mut series: SeriesView) -> impl Iterator<Item = Vec<ResponseCell>> {
    let points = std::mem::take(&mut series.points);
    points.into_iter().map(move |point| table_row(&SeriesPoint::new(&series, &point)))
}

fn table_row(row: &SeriesPoint<'_>) -> Vec<ResponseCell> {
    let mut found: Vec<ResponseCell> = [row.measure, row.unit, row.unit_of_measure, row.step]
        .map(|text| ResponseCell::Text(text.to_owned()))
        .into();
    found.extend(point_cells(row.point));
    found
}

/// The cells of a point, in the order of [`POINT`].
pub(super) fn point_cells(point: &PointView) -> Vec<ResponseCell> {
    let mut found = cells(point);
    // A stated rate keeps its digits as reported, including trailing zeros.
    if let (Some(cell), Some(stated)) = (
        POINT
            .split_whitespace()
            .position(|name| name == "stated")
            .and_then(|place| found.get_mut(place)),
        point.stated,
    ) {
        *cell = ResponseCell::Number(stated.to_string());
    }
    found
}

const SERIES: &str = "measure unit unit_of_measure step";

/// The columns of a point, in order.
pub(super) const POINT: &str = "period time value value_reason origin coverage taken_from stated delta \
                                delta_reason delta_percent delta_percent_reason \
                                like_for_like_delta like_for_like_delta_reason \
                                like_for_like_percent like_for_like_percent_reason \
                                like_for_like_coverage year_delta year_delta_reason \
                                year_delta_percent year_delta_percent_reason year_to_date \
                                year_to_date_reason annotations";

/// The maximum memory that a page of this query takes, in bytes.
fn most_bytes(query: &SeriesQuery, snapshot: &Snapshot) -> usize {
    let periods = match query.when {
        PeriodSelector::Span(from, to) => {
            usize::try_from(to.first().since(from.first()) / from.step().months() + 1).unwrap_or(0)
        }
        PeriodSelector::Last(_, count) => usize::try_from(count).unwrap_or(0),
    };
    let state = snapshot.state();
    let below = |code: &str, count: fn(&UnitForest, usize) -> usize| {
        state.units.position(code).map_or(0, |position| count(&state.units, position))
    };
    let units = match &query.whose {
        UnitSelector::Units(units) => units.len(),
        UnitSelector::ChildrenOf(code) => {
            below(code, |units, position| units.children(position).count())
        }
        UnitSelector::DescendantsOf(code) => {
            below(code, |units, position| units.subtree(position).len())
        }
    };
    let series = query.measures.len().saturating_mul(units).min(query.limit);
    // A page ends with the series that reaches the limit of points, so it can exceed it by one
    // series.
    series.saturating_mul(periods).min(MAX_POINTS + periods).saturating_mul(POINT_BYTES)
}

/// The requested measures, at least one.
impl QueryField for Vec<Measure> {
    fn read(reader: &mut QueryReader<'_>, name: &'static str) -> Option<Self> {
        let named = reader.many(name);
        if named.is_empty() {
            reader.fault(name, "missing", "name at least one measure");
        }
        let mut measures = Vec::new();
        for text in named {
            match Measure::parse(&text) {
                Ok(measure) => measures.push(measure),
                Err(detail) => reader.fault(name, "malformed", detail),
            }
        }
        Some(measures)
    }

    fn describe(name: &'static str, description: &str) -> Vec<Parameter> {
        vec![parameter(name, description, Required::True, Vec::<String>::schema())]
    }
}

query_params! {
    /// The parameters of the requested units.
    struct UnitParams {
        unit: Vec<String> = "Code of a unit; may be repeated",
        children_of: Option<String> = "Instead of unit: all children of this unit",
        descendants_of: Option<String> = "Instead of unit: all units below this unit",
    }
}

impl QueryField for UnitSelector {
    fn read(reader: &mut QueryReader<'_>, _group: &'static str) -> Option<Self> {
        let UnitParams { unit: units, children_of, descendants_of } = reader.read()?;
        match (units.is_empty(), children_of, descendants_of) {
            (false, None, None) => Some(Self::Units(units)),
            (true, Some(parent), None) => Some(Self::ChildrenOf(parent)),
            (true, None, Some(parent)) => Some(Self::DescendantsOf(parent)),
            _ => {
                reader.fault("unit", "missing", "name one of unit, children_of and descendants_of");
                None
            }
        }
    }

    fn describe(group: &'static str, description: &str) -> Vec<Parameter> {
        UnitParams::describe(group, description)
    }
}

query_params! {
    /// The parameters of the requested periods.
    struct PeriodParams {
        step: Option<Step> =
            "Width of the periods: month, quarter, half, 9m or year. Default: the width of from, otherwise month",
        from: Option<Period> =
            "First period, of the step; a month means the period that contains it",
        to: Option<Period> = "Last period, like from",
        last: Option<i32> =
            "Instead of from and to: the number of periods, up to the newest one with a figure of the requested measures and units",
    }
}

impl QueryField for PeriodSelector {
    fn read(reader: &mut QueryReader<'_>, _group: &'static str) -> Option<Self> {
        let given = ["from", "to", "last"].map(|name| reader.has(name));
        let PeriodParams { step, from, to, last } = reader.read()?;
        let step = step.or_else(|| from.map(Period::step)).unwrap_or_default();
        match (from, to, last) {
            (Some(from), Some(to), None) => {
                let from = fit(reader, "from", step, (from, from.first()))?;
                let to = fit(reader, "to", step, (to, to.last()))?;
                Some(Self::Span(from, to))
            }
            (None, None, Some(count)) => Some(Self::Last(step, count)),
            _ => {
                if !matches!(given, [true, true, false] | [false, false, true]) {
                    reader.fault(
                        "from",
                        "missing",
                        format!("give from and to, or last; at most {MAX_MONTHS} months"),
                    );
                }
                None
            }
        }
    }

    fn describe(group: &'static str, description: &str) -> Vec<Parameter> {
        PeriodParams::describe(group, description)
    }
}

/// The period of the step that contains the month at the edge of the given one. A month means the
/// period that contains it; a wider period has the width of the step, or is wider than the step.
fn fit(
    reader: &mut QueryReader<'_>,
    name: &str,
    step: Step,
    (period, edge): (Period, Month),
) -> Option<Period> {
    if period.step() == step {
        return Some(period);
    }
    if step.months() > period.step().months() && period.step() != Step::Month {
        reader.fault(name, "steps_differ", format!("{period} is not a {}", step.name()));
        return None;
    }
    Some(Period::containing(step, edge))
}

impl UnitSelector {
    fn is_light(&self) -> bool {
        matches!(self, Self::Units(_))
    }

    fn named(&self) -> usize {
        match self {
            Self::Units(units) => units.len(),
            Self::ChildrenOf(_) | Self::DescendantsOf(_) => 1,
        }
    }
}
