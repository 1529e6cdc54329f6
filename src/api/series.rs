//! `GET /series`: trends of measures over time.

mod text;

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use serde::ser::SerializeMap;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::Schema;

use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::fields::{FieldEndpoint, FieldParams, columns, field_cells};
use super::limits::unsent::ResponsePieces;
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{
    FullColumns, PageLimit, PageOffset, QueryField, QueryReader, QueryValue, RequestedView,
    UnitsOfToday, one_of, patterned, query_params, read_query, words,
};
use super::respond::{TableContent, respond};
use super::response_format::ResponseFormat;
use crate::app::RevisionNumber;
use crate::app::read::fields::{Field, FieldChoice, FieldSet};
use crate::app::read::measure_choice::MeasureChoice;
use crate::app::read::series::{
    MAX_MONTHS, MAX_POINTS, PeriodSelector, PointView, SeriesQuery, SeriesView, UnitSelector,
};
use crate::app::snapshot::{ReadConsistency, Snapshot};
use crate::render::sheet_plan::{ChartKind, SheetPlan, SheetSubject};
use crate::render::table::{ResponseCell, ResponseTable};
use kpi::fault::quoted;
use kpi::measure::Measure;
use kpi::period::{FIRST_MONTH, LAST_MONTH, Month, Period, PeriodName, Step};
use kpi::unit::{UnitForest, UnitPosition};

/// Maximum number of series on a page.
const MAX_SERIES: usize = 20_000;
/// Maximum memory per point, in bytes; about half of it is the response.
const POINT_BYTES: usize = 1_536;
/// Maximum memory per point for the names of unit and measure, in bytes.
const NAME_BYTES: usize = 1_024;
/// Maximum memory per operand of a point besides the text that names it, in bytes.
const OPERAND_BYTES: usize = 128;
/// Queries of at least this many points are computed on the pool, off the threads of the web
/// server.
pub(super) const HEAVY: usize = 2_000;

/// Trends as a tree of series and their points.
#[derive(Serialize, ToSchema)]
#[schema(as = SeriesPage)]
struct SeriesTree {
    /// The revision that the whole response was computed from.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// The series, each with its points.
    series: Vec<SeriesView>,
    /// The fields of the points.
    #[serde(skip)]
    fields: FieldSet,
}

/// Trends as rows: one flat object for each point.
#[derive(Serialize, ToSchema)]
struct SeriesRows {
    /// The revision that the whole response was computed from.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The `cursor` of the next page; null on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
    /// The points; with `layout=wide` one row for each series, with a field for each period.
    #[schema(value_type = Vec<SeriesPoint>)]
    rows: RowList,
}

/// The rows of series.
struct RowList {
    series: Vec<SeriesView>,
    /// The fields of the points.
    fields: FieldSet,
    /// With one row for each series: the field that it has for each period.
    wide: Option<WideField>,
}

/// The one field of `layout=wide`, and the periods.
struct WideField {
    field: Field,
    periods: Vec<Period>,
}

impl Serialize for RowList {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(WideField { field, .. }) = self.wide {
            return serializer.collect_seq(self.series.iter().map(|row| WideRow { row, field }));
        }
        serializer.collect_seq(self.series.iter().flat_map(|series| {
            series.points.iter().map(move |point| SeriesPoint::new(series, point))
        }))
    }
}

/// A series as one row: its own fields, and one field of each of its points.
struct WideRow<'a> {
    row: &'a SeriesView,
    field: Field,
}

impl Serialize for WideRow<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut to = serializer.serialize_map(None)?;
        to.serialize_entry("measure", &self.row.measure)?;
        to.serialize_entry("unit", &self.row.unit)?;
        for (name, text) in
            [("unit_name", &self.row.unit_name), ("measure_name", &self.row.measure_name)]
        {
            text.iter().try_for_each(|text| to.serialize_entry(name, text))?;
        }
        to.serialize_entry("unit_of_measure", &self.row.unit_of_measure)?;
        to.serialize_entry("step", &self.row.step)?;
        for point in &self.row.points {
            point.write(self.field, &point.period.to_string(), &mut to)?;
        }
        to.end()
    }
}

/// Trends: a tree, or with `layout=rows` one flat object for each point.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum SeriesResponse {
    // No doc comments: beside a reference, generators of TypeScript clients do not understand them.
    Nested(SeriesTree),
    Rows(SeriesRows),
}

/// One point, with the fields of its series.
#[derive(Serialize, ToSchema)]
struct SeriesPoint<'a> {
    /// The code of the measure, with its members.
    measure: &'a str,
    /// The code of the unit.
    unit: &'a str,
    /// On request: the name of the unit, in the language of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unit_name: Option<&'a str>,
    /// On request: the name of the measure, in the language of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    measure_name: Option<&'a str>,
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
        full: Option<FullColumns>,
        consistency: ReadConsistency,
        layout: Option<SeriesLayout> =
            "nested (default): series with points; rows: an object for each point; wide: an object \
             for each series, with a field for each period",
        measures: MeasureChoice,
        units: UnitSelector,
        periods: RequestedPeriods,
        limit: PageLimit<1_000, MAX_SERIES> = "Maximum number of series on the page; default 1,000",
        cursor: Option<PageOffset>,
        geography: Option<UnitsOfToday>,
        fields: FieldParams<SeriesFields>,
    }
}

/// The fields of `GET /series`.
struct SeriesFields;

impl FieldEndpoint for SeriesFields {
    const CHOICE: FieldChoice = FieldChoice::SERIES;
}

/// The shape of a response.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SeriesLayout {
    /// A tree of series and their points.
    Nested,
    /// One row for each point.
    Rows,
    /// One row for each series.
    Wide,
}

impl QueryValue for SeriesLayout {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        Ok(match one_of(name, text, &["nested", "rows", "wide"])? {
            "rows" => Self::Rows,
            "wide" => Self::Wide,
            _ => Self::Nested,
        })
    }

    fn value_schema() -> RefOr<Schema> {
        words(&["nested", "rows", "wide"])
    }
}

/// The one field of `layout=wide`, and the names beside it. Without `fields=` the field is `value`,
/// or `rolling` with `rolling=`.
fn wide_fields(params: &FieldParams<SeriesFields>) -> Result<(Field, FieldSet), Problem> {
    let rolling = params.requested().rolling.is_some();
    let default = if rolling { Field::Rolling } else { Field::Value };
    let named = params.named().unwrap_or(FieldSet::of(&[default]));
    let beside = SERIES.union(FieldChoice::NAMES);
    let mut numbers = named.iter().filter(|field| !beside.contains(*field));
    match (numbers.next(), numbers.next()) {
        (Some(field), None) => Ok((field, named.intersection(beside).with(field))),
        _ => {
            let detail = "layout=wide has one field, besides unit_name and measure_name";
            Err(Problem::parameter("fields", "too_many", detail))
        }
    }
}

/// Get trends of measures.
///
/// Returns the series of the requested measures and units. Each series has exactly one point for
/// each period, also where there is no figure. Without `fields=` a point has all fields except
/// those described as “on request”. A null number has a reason beside it.
#[utoipa::path(
    operation_id = "get_series",
    tag = "questions",
    params(SeriesParams),
    responses(
        (
            status = 200,
            description = "A page of series",
            content(
                (SeriesResponse = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/series")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: SeriesParams = read_query(&request)?;
    let view =
        RequestedView { format: params.format, full: params.full, consistency: params.consistency };
    let layout = params.layout.unwrap_or(SeriesLayout::Nested);
    let mut requested = params.fields.requested();
    let mut wide_field = None;
    if layout == SeriesLayout::Wide {
        let (field, fields) = wide_fields(&params.fields)?;
        (wide_field, requested.set) = (Some(field), fields);
    }
    let fields = requested.set;
    let (periods, limit) = (params.periods, params.limit.of(params.format));
    let choice = params.measures;
    let query = |current: Month, measures: Vec<Measure>| SeriesQuery {
        measures,
        units: params.units,
        when: periods.at(current),
        of_today: params.geography.is_some_and(|UnitsOfToday(today)| today),
        fields: requested,
        offset: params.cursor.unwrap_or_default().0,
        limit,
    };
    respond(&request, &context, &view, async |snapshot, stamp| {
        let query = query(snapshot.month(), choice.measures(snapshot.state())?);
        let light =
            query.units.is_light() && query.measures.len() * query.units.named() * 60 < HEAVY;
        let catalogue = &snapshot.state().catalogue;
        let light = light && !query.measures.iter().any(|one| catalogue.counts_reports(one));
        let page = if light {
            snapshot.series(&query)?
        } else {
            let bytes = most_bytes(&query, &snapshot);
            context.compute_in(bytes, move || snapshot.series(&query)).await?
        };
        let (revision, revision_hash, next_cursor) =
            (page.revision, stamp.hash(), offset_cursor(stamp, page.next_offset));
        let series = page.series;
        Ok(if layout == SeriesLayout::Nested {
            SeriesResponse::Nested(SeriesTree {
                revision,
                revision_hash,
                next_cursor,
                series,
                fields,
            })
        } else {
            let periods = page.periods;
            let wide = wide_field.map(|field| WideField { field, periods });
            let rows = RowList { series, fields, wide };
            SeriesResponse::Rows(SeriesRows { revision, revision_hash, next_cursor, rows })
        })
    })
    .await
}

impl TableContent for SeriesResponse {
    fn write_json(&self, pieces: &mut ResponsePieces) -> std::io::Result<()> {
        text::write(self, pieces)
    }

    fn next_cursor(&self) -> Option<&str> {
        let (Self::Nested(SeriesTree { next_cursor, .. })
        | Self::Rows(SeriesRows { next_cursor, .. })) = self;
        next_cursor.as_deref()
    }

    fn bound(&self) -> &'static str {
        " and 60000 points"
    }

    fn into_table(self) -> ResponseTable {
        let (series, fields, wide) = match self {
            Self::Nested(SeriesTree { series, fields, .. }) => (series, fields, None),
            Self::Rows(SeriesRows { rows: RowList { series, fields, wide }, .. }) => {
                (series, fields, wide)
            }
        };
        let plan = plan(&series);
        let Some(WideField { field, periods }) = wide else {
            let is_default = fields == FieldChoice::SERIES.default;
            let plan = if is_default { plan } else { plan.with_all_columns() };
            let fields = SERIES.union(fields);
            let rows = series.into_iter().flat_map(move |series| table_rows(series, fields));
            return ResponseTable::new(&columns(fields, |_| None), rows).planned(plan);
        };
        let head = SERIES.union(fields.intersection(FieldChoice::NAMES));
        let periods: Vec<String> = periods.iter().map(ToString::to_string).collect();
        let columns = format!("{} {}", columns(head, |_| None), periods.join(" "));
        let row = move |series: SeriesView| {
            let mut cells = field_cells(&WideRow { row: &series, field }, head, None, |_| None);
            let one = FieldSet::of(&[field]);
            let point = |point: &PointView| field_cells(point, one, point.stated, |_| None);
            cells.extend(series.points.iter().flat_map(point));
            cells
        };
        ResponseTable::new(&columns, series.into_iter().map(row))
            .planned(plan.with_all_columns().of_field(field.name()))
    }
}

/// The columns from which an Excel file for people shows those with content.
const SHOWN: &str = "measure unit period value unit_of_measure delta delta_percent year_delta \
                     year_delta_percent coverage reasons annotations";

/// What an Excel file for people shows.
fn plan(series: &[SeriesView]) -> SheetPlan {
    let Some(first) = series.first() else { return SheetPlan::new("series", SHOWN) };
    let is_of_one_measure = series.iter().all(|one| one.measure == first.measure);
    let is_of_one_unit = series.iter().all(|one| one.unit == first.unit);
    // What the title says is no column; a percentage has no change in percent.
    let is_percentage = series.iter().all(|one| one.unit_of_measure == "percent");
    let left_out = |column: &&str| {
        (is_of_one_measure && matches!(*column, "measure" | "unit_of_measure"))
            || (is_percentage && matches!(*column, "delta_percent" | "year_delta_percent"))
            || (!is_percentage && *column == "year_delta")
    };
    let shown: Vec<&str> = SHOWN.split_whitespace().filter(|column| !left_out(column)).collect();
    let plan = SheetPlan::new("series", &shown.join(" ")).with_chart(ChartKind::Lines);
    let plan = if is_of_one_measure {
        plan.about(SheetSubject::Measure(first.measure.clone()))
    } else {
        plan
    };
    if is_of_one_unit { plan.about(SheetSubject::Unit(first.unit.clone())) } else { plan }
}

impl<'a> SeriesPoint<'a> {
    fn new(series: &'a SeriesView, point: &'a PointView) -> Self {
        Self {
            measure: &series.measure,
            unit: &series.unit,
            unit_name: series.unit_name.as_deref(),
            measure_name: series.measure_name.as_deref(),
            unit_of_measure: &series.unit_of_measure,
            step: series.step,
            point,
        }
    }
}

/// The rows of a series.
fn table_rows(mut series: SeriesView, fields: FieldSet) -> impl Iterator<Item = Vec<ResponseCell>> {
    let points = std::mem::take(&mut series.points);
    points.into_iter().map(move |point| {
        let row = SeriesPoint::new(&series, &point);
        field_cells(&row, fields, point.stated, |_| None)
    })
}

/// The fields of a series, which every row has.
const SERIES: FieldSet =
    FieldSet::of(&[Field::Measure, Field::Unit, Field::UnitOfMeasure, Field::Step]);

/// The maximum memory that a page of this query takes, in bytes.
fn most_bytes(query: &SeriesQuery, snapshot: &Snapshot) -> usize {
    let periods = match query.when {
        PeriodSelector::Span(from, to) => {
            usize::try_from(to.first().since(from.first()) / from.step().months() + 1).unwrap_or(0)
        }
        PeriodSelector::Last(_, count) => usize::try_from(count).unwrap_or(0),
    };
    let state = snapshot.state();
    let below = |code: &str, count: fn(&UnitForest, UnitPosition) -> usize| {
        state.units.position(code).map_or(0, |position| count(&state.units, position))
    };
    let units = match &query.units {
        UnitSelector::Units(units) => units.len(),
        UnitSelector::ChildrenOf(code) => {
            below(code, |units, position| units.children(position).count())
        }
        UnitSelector::DescendantsOf(code) => {
            below(code, |units, position| units.subtree(position).len())
        }
    };
    let series = query.measures.len().saturating_mul(units).min(query.limit);
    let fields = query.fields.set;
    let mut bytes = POINT_BYTES;
    if fields.intersection(FieldChoice::NAMES) != FieldSet::NONE {
        bytes += NAME_BYTES;
    }
    if fields.contains(Field::Operands) {
        let operands = |measure: &Measure| {
            let formula = &state.catalogue.kpi(&measure.code)?.formula;
            let each = measure.to_string().len() + OPERAND_BYTES;
            Some(formula.to_string().len() + formula.references().len() * each)
        };
        bytes += query.measures.iter().filter_map(operands).max().unwrap_or(0);
    }
    // A page ends with the series that reaches the limit of points, so it can exceed it by one
    // series.
    series.saturating_mul(periods).min(MAX_POINTS + periods).saturating_mul(bytes)
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
            "Width of the periods: month, quarter, half, 9m or year. Default: the width of from, \
             of to or of period, otherwise month",
        from: Option<Period> =
            "First period, of the step; a month means the period that contains it",
        to: Option<Period> = "Last period, like from",
        last: Option<i32> =
            "The number of periods. With from: beginning with that period. With to: ending with \
             that period. Alone: ending with the newest period that has a figure of the requested \
             measures and units",
        period: Option<PeriodName> =
            "Instead of from, to and last: a period, such as 2021, or a name relative to the \
             current month: this_month, last_quarter, this_year, last_12_months",
        span: Option<MonthsOfSpan> =
            "Instead of from, to, last, period and step: the months from one to another, such as \
             2020-10..2021-03, as a single period. It is compared with the same months of the year \
             before",
    }
}

/// A span of months as one period: `2020-10..2021-03`. Of a wider period its first or last month
/// counts.
struct MonthsOfSpan(Period);

impl QueryValue for MonthsOfSpan {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let fault =
            || format!("{name}={}: a span of months is expected: 2020-10..2021-03", quoted(text));
        let (first, last) = text.split_once("..").ok_or_else(fault)?;
        let (first, last): (Period, Period) =
            (first.parse().map_err(|_e| fault())?, last.parse().map_err(|_e| fault())?);
        let span = Period::span(first.first(), last.last());
        span.map(Self).ok_or_else(|| format!("{name}={}: it ends before it begins", quoted(text)))
    }

    fn value_schema() -> RefOr<Schema> {
        patterned(SPAN)
    }
}

/// The regular expression of a span.
const SPAN: &str = "^(19[0-9]{2}|2[01][0-9]{2})(-(0[1-9]|1[0-2])|-Q[1-4]|-H[12]|-9M)?\\.\\.\
    (19[0-9]{2}|2[01][0-9]{2})(-(0[1-9]|1[0-2])|-Q[1-4]|-H[12]|-9M)?$";

/// The periods of a query, which may depend on the current month.
#[derive(Clone, Copy)]
enum RequestedPeriods {
    /// The same at any time.
    Fixed(PeriodSelector),
    /// Periods of a step within named ones.
    Named(Step, PeriodName),
}

impl RequestedPeriods {
    /// The periods, seen from the current month.
    fn at(self, current: Month) -> PeriodSelector {
        match self {
            Self::Fixed(periods) => periods,
            Self::Named(step, name) => {
                let (from, to) = name.at(current);
                let (first, last) = (from.first(), to.last());
                PeriodSelector::Span(
                    Period::containing(step, first),
                    Period::containing(step, last),
                )
            }
        }
    }
}

impl PeriodParams {
    /// The step: as it is named, otherwise that of the first period that is.
    fn step(&self) -> Step {
        let periods = [self.from, self.to].into_iter().flatten().map(Period::step);
        let named = periods.chain(self.period.map(PeriodName::step)).next();
        self.step.or(named).unwrap_or_default()
    }
}

impl QueryField for RequestedPeriods {
    fn read(reader: &mut QueryReader<'_>, _group: &'static str) -> Option<Self> {
        let given = ["from", "to", "last", "period"].map(|name| reader.has(name));
        let is_span = reader.has("span");
        let params: PeriodParams = reader.read()?;
        if is_span && (given.contains(&true) || reader.has("step")) {
            let detail = "span sets the months: leave from, to, last, period and step out";
            reader.fault("span", "too_many", detail);
            return None;
        }
        if is_span {
            return params
                .span
                .map(|MonthsOfSpan(span)| Self::Fixed(PeriodSelector::Span(span, span)));
        }
        let step = params.step();
        match (params.from, params.to, params.last, params.period) {
            (Some(from), Some(to), None, None) => {
                let from = fit(reader, "from", step, (from, from.first()))?;
                let to = fit(reader, "to", step, (to, to.last()))?;
                Some(Self::Fixed(PeriodSelector::Span(from, to)))
            }
            (Some(from), None, Some(count), None) => {
                let from = fit(reader, "from", step, (from, from.first()))?;
                window(reader, count, |others| (from, from.back(-others)))
            }
            (None, Some(to), Some(count), None) => {
                let to = fit(reader, "to", step, (to, to.last()))?;
                window(reader, count, |others| (to.back(others), to))
            }
            (None, None, Some(count), None) => Some(Self::Fixed(PeriodSelector::Last(step, count))),
            (None, None, None, Some(name)) => {
                check_step(reader, "period", step, (name.step(), &name.step().name()))?;
                Some(Self::Named(step, name))
            }
            _ => {
                report_combination(reader, given);
                None
            }
        }
    }

    fn describe(group: &'static str, description: &str) -> Vec<Parameter> {
        PeriodParams::describe(group, description)
    }
}

/// Reports which of `from`, `to`, `last` and `period` are missing or too many. If the combination
/// is right, one of them could not be read, which was reported.
fn report_combination(reader: &mut QueryReader<'_>, given: [bool; 4]) {
    let (name, code, detail) = match given {
        [true, true, true, false] => {
            let detail = "from, to and last set the periods twice: leave one of them out";
            ("last", "too_many", detail.to_owned())
        }
        [false, false, false, false]
        | [true, false, false, false]
        | [false, true, false, false] => {
            let detail = format!(
                "give period, span, last, or two of from, to and last; at most {MAX_MONTHS} months"
            );
            ("from", "missing", detail)
        }
        [from, to, last, true] if from || to || last => {
            let detail = "period sets all periods: leave from, to and last out";
            ("period", "too_many", detail.to_owned())
        }
        _ => return,
    };
    reader.fault(name, code, detail);
}

/// This number of periods, of which the given one is the first or the last.
fn window(
    reader: &mut QueryReader<'_>,
    count: i32,
    span: impl FnOnce(i32) -> (Period, Period),
) -> Option<RequestedPeriods> {
    if count < 1 {
        reader.fault("last", "out_of_range", "last must be at least 1");
        return None;
    }
    // More periods than there are months would overflow.
    let months = LAST_MONTH.since(FIRST_MONTH);
    let (from, to) = span((count - 1).min(months));
    if count - 1 > months || from.first() < FIRST_MONTH || to.last() > LAST_MONTH {
        let detail = format!("the months must lie between {FIRST_MONTH} and {LAST_MONTH}");
        reader.fault("last", "out_of_range", detail);
        return None;
    }
    Some(RequestedPeriods::Fixed(PeriodSelector::Span(from, to)))
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
    check_step(reader, name, step, (period.step(), &period))?;
    Some(Period::containing(step, edge))
}

/// Checks that periods of the step lie in the named period, or contain it if it is a month.
fn check_step(
    reader: &mut QueryReader<'_>,
    name: &str,
    step: Step,
    (named, text): (Step, &dyn std::fmt::Display),
) -> Option<()> {
    let is_narrow = step.months() > named.months() && named != Step::Month;
    if is_narrow {
        reader.fault(name, "steps_differ", format!("{text} is not a {}", step.name()));
    }
    (!is_narrow).then_some(())
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
