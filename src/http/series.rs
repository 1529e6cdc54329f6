//! `GET /series`: trends.

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Context;
use super::params::{Params, offset_cursor};
use super::problem::{Answer, Problem, Problems};
use super::reply::{Cell, Format, Stamp, cells, json, table};
use crate::app::series::{MAX_MONTHS, PointView, SeriesPage, SeriesQuery, SeriesView, When, Whose};
use crate::domain::measure::Measure;
use crate::domain::period::{Period, Step};

/// Most series on a page.
const MAX_SERIES: usize = 20_000;
/// From this many points on, the answer is computed off the web's own threads.
const HEAVY: usize = 2_000;

/// Trends as a tree: series, and their points.
#[derive(Serialize, ToSchema)]
struct Nested<'a> {
    /// The revision that everything was computed from.
    revision: i64,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<&'a str>,
    /// The series.
    series: &'a [SeriesView],
}

/// Trends as rows: one flat object a point.
#[derive(Serialize, ToSchema)]
struct Rows<'a> {
    /// The revision that everything was computed from.
    revision: i64,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<&'a str>,
    /// The points.
    rows: Vec<Row<'a>>,
}

/// Trends as they are asked for: a tree, or with `layout=rows` one flat object a point.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Trends<'a> {
    /// A tree.
    Nested(Nested<'a>),
    /// Rows.
    Rows(Rows<'a>),
}

/// One point with its series' fields.
#[derive(Serialize, ToSchema)]
struct Row<'a> {
    /// The measure.
    measure: &'a str,
    /// The unit.
    unit: &'a str,
    /// What it is given in.
    unit_of_measure: &'a str,
    /// The width of its period.
    step: &'static str,
    /// The point.
    #[serde(flatten)]
    point: &'a PointView,
}

/// Trends: exactly one point for each period, also where there is nothing; every field is always there.
#[utoipa::path(
    operation_id = "get_series",
    tag = "questions",
    params(
        ("measure" = Vec<String>, Query, description = "An indicator or kpi, with or without members; may repeat"),
        ("unit" = Option<Vec<String>>, Query, description = "A unit; may repeat"),
        ("children_of" = Option<String>, Query, description = "Instead: the children of a unit"),
        ("descendants_of" = Option<String>, Query, description = "Instead: everything below a unit"),
        ("from" = Option<String>, Query, description = "First period: a month, or a period of the step"),
        ("to" = Option<String>, Query, description = "Last period"),
        ("last" = Option<i32>, Query, description = "Instead: so many periods up to the newest that has a figure of what is asked for"),
        ("step" = Option<String>, Query, description = "month (default), quarter, half, 9m, year"),
        ("layout" = Option<String>, Query, description = "nested (default) or rows"),
        ("geography" = Option<String>, Query, description = "as_reported (default), or current: in the units of today, which have the past of those they go back to"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "Most series on the page; 1,000 when absent", minimum = 1, maximum = 20000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept; the latter two are always rows")
    ),
    responses((status = 200, description = "A page", content((Trends = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/series")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let rows = params.word("layout", &["nested", "rows"]) == Some("rows");
    let query = query(&mut params, format);
    params.finish()?;
    let query = query.ok_or_else(Problem::internal)?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let light = query.whose.is_light() && query.measures.len() * query.whose.named() * 60 < HEAVY;
    let page = if light {
        moment.series(&query)?
    } else {
        context.compute(move || moment.series(&query)).await?
    };
    answer(&request, &stamp.at(page.revision), format, rows, &page).await
}

async fn answer(
    request: &HttpRequest,
    stamp: &Stamp,
    format: Format,
    rows: bool,
    page: &SeriesPage,
) -> Answer {
    let next = offset_cursor(page.revision, page.next_offset);
    let next = next.as_deref();
    let flat = || {
        page.series.iter().flat_map(|series| {
            series.points.iter().map(move |point| Row {
                measure: &series.measure,
                unit: &series.unit,
                unit_of_measure: &series.unit_of_measure,
                step: series.step,
                point,
            })
        })
    };
    match (format, rows) {
        (Format::Csv | Format::Xlsx, _) => {
            table(
                request,
                stamp,
                format,
                next,
                &[SERIES, POINT].concat(),
                flat().map(|row| table_row(&row)),
            )
            .await
        }
        (Format::Json, true) => json(
            request,
            stamp,
            next,
            &Trends::Rows(Rows {
                revision: page.revision,
                next_cursor: next,
                rows: flat().collect(),
            }),
        ),
        (Format::Json, false) => json(
            request,
            stamp,
            next,
            &Trends::Nested(Nested {
                revision: page.revision,
                next_cursor: next,
                series: &page.series,
            }),
        ),
    }
}

fn table_row(row: &Row<'_>) -> Vec<Cell> {
    let mut found: Vec<Cell> = [row.measure, row.unit, row.unit_of_measure, row.step]
        .map(|text| Cell::Text(text.to_owned()))
        .into();
    found.extend(point_cells(row.point));
    found
}

/// The cells of a point, in the order of [`POINT`].
pub(super) fn point_cells(point: &PointView) -> Vec<Cell> {
    let mut found = cells(point);
    // The digits of a stated rate as they were printed, zeros at the end among them.
    if let (Some(cell), Some(stated)) = (
        POINT.iter().position(|name| *name == "stated").and_then(|place| found.get_mut(place)),
        point.stated,
    ) {
        *cell = Cell::Number(stated.to_string());
    }
    found
}

const SERIES: &[&str] = &["measure", "unit", "unit_of_measure", "step"];

/// The columns of a point.
pub(super) const POINT: &[&str] = &[
    "period",
    "time",
    "value",
    "origin",
    "coverage",
    "taken_from",
    "stated",
    "delta",
    "delta_reason",
    "delta_percent",
    "delta_percent_reason",
    "like_for_like_delta",
    "like_for_like_delta_reason",
    "like_for_like_percent",
    "like_for_like_percent_reason",
    "like_for_like_coverage",
    "year_delta",
    "year_delta_reason",
    "year_delta_percent",
    "year_delta_percent_reason",
    "year_to_date",
    "year_to_date_reason",
    "annotations",
];

/// The query that the parameters ask for; none when they have faults.
fn query(params: &mut Params, format: Format) -> Option<SeriesQuery> {
    let mut measures = Vec::new();
    let named = params.many("measure");
    if named.is_empty() {
        params.fault("measure", "missing", "name at least one measure");
    }
    for text in named {
        match Measure::parse(&text) {
            Ok(measure) => measures.push(measure),
            Err(detail) => params.fault("measure", "malformed", detail),
        }
    }
    let (units, children, descendants) =
        (params.many("unit"), params.text("children_of"), params.text("descendants_of"));
    let whose = match (units.is_empty(), children, descendants) {
        (false, None, None) => Some(Whose::Units(units)),
        (true, Some(parent), None) => Some(Whose::ChildrenOf(parent)),
        (true, None, Some(parent)) => Some(Whose::DescendantsOf(parent)),
        _ => {
            params.fault("unit", "missing", "name one of unit, children_of and descendants_of");
            None
        }
    };
    let when = when(params);
    let (limit, offset, of_today) =
        (params.limit(format, 1_000, MAX_SERIES), params.offset(), params.in_units_of_today());
    Some(SeriesQuery { measures, whose: whose?, when: when?, of_today, offset, limit })
}

fn when(params: &mut Params) -> Option<When> {
    let named = params.parse::<Step>("step");
    let given = ["from", "to", "last"].map(|name| params.has(name));
    let (from, to, last) =
        (params.parse::<Period>("from"), params.parse::<Period>("to"), params.parse::<i32>("last"));
    let step = named.or_else(|| from.map(Period::step)).unwrap_or_default();
    // A month names the period it lies in; a wider period has to be of the step, or wider than a month.
    let mut fit = |name: &str, period: Period, edge: fn(Period) -> crate::domain::period::Month| {
        if period.step() == step {
            return Some(period);
        }
        if step.months() > period.step().months() && period.step() != Step::Month {
            params.fault(
                name,
                "steps_differ",
                format!("{period} is no period of the step {}", step.name()),
            );
            return None;
        }
        Some(Period::containing(step, edge(period)))
    };
    match (from, to, last) {
        (Some(from), Some(to), None) => {
            Some(When::Span(fit("from", from, Period::first)?, fit("to", to, Period::last)?))
        }
        (None, None, Some(count)) => Some(When::Last(step, count)),
        _ => {
            if !matches!(given, [true, true, false] | [false, false, true]) {
                params.fault(
                    "from",
                    "missing",
                    format!("give from and to, or last; at most {MAX_MONTHS} months"),
                );
            }
            None
        }
    }
}

impl Whose {
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
