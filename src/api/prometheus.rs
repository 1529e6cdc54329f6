//! The Prometheus HTTP API over the figures, `/prometheus/api/v1/...`, and the figures for
//! scraping, `/metrics/figures`.
//!
//! Parameters are in the query or, with POST, in a form. Responses and errors have the shape of
//! Prometheus.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use serde::ser::SerializeSeq;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::constants::MAX_FORM;
use super::context::ServiceContext;
use super::limits::account::MemoryAccount;
use super::limits::unsent::ResponsePieces;
use super::problem::ReachedLimit;
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{MinRevision, query_params, read_query};
use crate::app::App;
use crate::app::snapshot::{ReadConsistency, Snapshot};
use crate::app::{MalformedRevision, RevisionRef};
use crate::memory::MemoryKind;
use crate::prometheus::exposition;
use crate::prometheus::info::{INFO_LABELS, MetricCatalogue};
use crate::prometheus::memory::QueryMemory;
use crate::prometheus::metadata::metadata;
use crate::prometheus::names::MetricSubject;
use crate::prometheus::select::{MetricSeries, SeriesRequest, latest, select};
use kpi::metric::{InfoMetric, LABELS, label_name};
use kpi::period::{FIRST_MONTH, LAST_MONTH, Month};
use promql::labels::{LabelSet, NAME};
use promql::{
    MAX_ANSWER_BYTES, MAX_SECONDS, MAX_STEPS, QueryError, QueryOutput, QueryPlan, SeriesSelector,
    evaluate_instant, evaluate_range, format_seconds, format_value, month_of,
};

/// Maximum memory per series of `/metrics/figures`, in bytes, its lines of text included.
const SCRAPED: usize = 1 << 10;
/// Memory that a query reserves when it begins, in bytes; it reserves more as needed.
const QUERY: usize = 1 << 20;
/// Maximum number of selectors in one query of labels or series.
const MAX_MATCHES: usize = 100;
/// The Prometheus version that the responses follow; Grafana reads it.
const PROMETHEUS_VERSION: &str = "2.42.0";

/// Registers the routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let both = |handler: fn(ApiCall) -> ApiResult| {
        move |request: HttpRequest,
              context: web::Data<ServiceContext>,
              body: Result<web::Bytes, actix_web::Error>| {
            answer(request, context, body, handler)
        }
    };
    let asked = |path: &str, handler: fn(ApiCall) -> ApiResult| {
        web::resource(path).get(both(handler)).post(both(handler))
    };
    let scope = web::scope("/prometheus/api/v1")
        .app_data(web::PayloadConfig::new(MAX_FORM))
        .service(asked("/query", query))
        .service(asked("/query_range", query_range))
        .service(asked("/labels", labels))
        .service(asked("/series", series))
        .service(asked("/query_exemplars", nothing))
        .route("/label/{name}/values", web::get().to(both(label_values)))
        .route("/metadata", web::get().to(both(described)))
        .route("/rules", web::get().to(both(rules)))
        .route("/alerts", web::get().to(both(alerts)))
        .route("/status/buildinfo", web::get().to(both(build)));
    config.service(scope);
}

/// What a handler receives.
struct ApiCall {
    snapshot: Snapshot,
    /// The metrics of its catalogue and units.
    catalogue: Arc<MetricCatalogue>,
    path: Vec<String>,
    parameters: Vec<(String, String)>,
    /// The deadline of the response.
    until: Instant,
    /// The memory reserved for the query.
    memory: QueryMemory,
}

/// A complete JSON response.
type ApiResult = Result<ResponsePieces, QueryError>;

async fn answer(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: Result<web::Bytes, actix_web::Error>,
    handler: fn(ApiCall) -> ApiResult,
) -> HttpResponse {
    let Ok(app) = context.app() else {
        return refused(&QueryError::unavailable("the ledger is being loaded"));
    };
    let Ok(body) = body else {
        return form_too_long();
    };
    let form = if request.method() == actix_web::http::Method::POST {
        std::str::from_utf8(&body).map_err(|_binary| ())
    } else {
        Ok("")
    };
    let read = |text: &str| {
        web::Query::<Vec<(String, String)>>::from_query(text).map(web::Query::into_inner)
    };
    let (Ok(mut parameters), Some(more)) =
        (read(request.query_string()), form.ok().and_then(|form| read(form).ok()))
    else {
        return refused(&QueryError::bad("the parameters cannot be read"));
    };
    parameters.extend(more);
    let path = request.match_info().iter().map(|(_, value)| value.to_owned()).collect();
    // Waiting for a permit counts towards the timeout of the query.
    let until = match deadline(&parameters) {
        Ok(until) => until,
        Err(refusal) => return refused(&refusal),
    };
    let snapshot = match snapshot(app, &parameters).await {
        Ok(snapshot) => snapshot,
        Err(answer) => return answer,
    };
    // Memory first, then the permit: a client that waits for its share of memory must not hold a
    // permit.
    let account = MemoryAccount::current();
    let left = until.saturating_duration_since(Instant::now());
    let Ok(permit) = account
        .reserve(MemoryKind::Query, QUERY, left)
        .await
        .and_then(|()| account.work(MemoryKind::Query))
    else {
        return bounded(&QueryError::memory(), "memory");
    };
    // Few queries run at once, so that recording figures does not wait for queries.
    let turn = Arc::clone(&context.queries).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout_at(until.into(), turn).await else {
        return bounded(
            &QueryError {
                message: "too many concurrent queries; retry later".to_owned(),
                ..QueryError::timeout()
            },
            "promql_turn",
        );
    };
    let left = until.saturating_duration_since(Instant::now());
    let catalogue = context.metric_catalogue(&snapshot);
    let memory = QueryMemory::new(permit);
    let call = ApiCall { snapshot, catalogue, path, parameters, until, memory };
    let processed = context.limits.heavy.run(left, move || {
        // The permit is held until the query is processed, even if the client has gone
        let _turn = turn;
        handler(call)
    });
    match processed.await {
        Ok(Ok(pieces)) => {
            HttpResponse::Ok().content_type("application/json").body(pieces.into_body())
        }
        Ok(Err(refusal)) if refusal.bounded => bounded(&refusal, limit_of(&refusal)),
        Ok(Err(refusal)) => refused(&refusal),
        Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() => {
            bounded(&QueryError::timeout(), "promql_turn")
        }
        Err(_stopping) => refused(&QueryError::unavailable("the service is stopping")),
    }
}

/// The limit that a refusal is about, as a label of the metric.
fn limit_of(refusal: &QueryError) -> &'static str {
    match refusal.kind {
        "timeout" => "promql_time",
        "unavailable" => "memory",
        _ => "promql_size",
    }
}

/// The snapshot for a query; with `min_revision` it includes that revision.
async fn snapshot(app: &App, parameters: &[(String, String)]) -> Result<Snapshot, HttpResponse> {
    let named = parameters
        .iter()
        .find(|(key, _)| key == "min_revision")
        .map(|(_, value)| value.parse::<RevisionRef>())
        .transpose();
    let bad = |error: MalformedRevision| {
        refused(&QueryError::bad(format!("invalid parameter \"min_revision\": {error}")))
    };
    let wanted =
        ReadConsistency { min_revision: named.map_err(bad)?, ..ReadConsistency::default() };
    app.snapshot(&wanted).await.map_err(|error| {
        let message = error.to_string();
        match Problem::from(error).status {
            409 => HttpResponse::Conflict()
                .json(json!({ "status": "error", "errorType": "other_history", "error": message })),
            _ => refused(&QueryError::unavailable(message)),
        }
    })
}

fn refused(refusal: &QueryError) -> HttpResponse {
    let status = match refusal.kind {
        "bad_data" => StatusCode::BAD_REQUEST,
        "execution" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    HttpResponse::build(status)
        .json(json!({ "status": "error", "errorType": refusal.kind, "error": refusal.message }))
}

/// A refusal because of a limit, which the metric counts.
fn bounded(refusal: &QueryError, bound: &'static str) -> HttpResponse {
    let mut answer = refused(refusal);
    answer.extensions_mut().insert(ReachedLimit(bound));
    answer
}

/// The response to a form that is too long.
pub fn form_too_long() -> HttpResponse {
    bounded(&QueryError::bad(format!("the form is longer than {MAX_FORM} bytes")), "body")
}

/// The deadline of a response: after `timeout`, at most after the limit.
fn deadline(parameters: &[(String, String)]) -> Result<Instant, QueryError> {
    let most = Duration::from_secs(MAX_SECONDS);
    let asked = parameters
        .iter()
        .find(|(key, value)| key == "timeout" && !value.is_empty())
        .map(|(_, value)| promql::parse_duration(value))
        .transpose();
    let asked = asked
        .map_err(|error| QueryError::bad(format!("invalid parameter \"timeout\": {error}")))?;
    let asked = asked.and_then(|asked| u64::try_from(asked).ok()).map(Duration::from_millis);
    Ok(Instant::now() + asked.unwrap_or(most).min(most))
}

impl ApiCall {
    fn text(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn needed(&self, name: &str) -> Result<&str, QueryError> {
        self.text(name)
            .ok_or_else(|| QueryError::bad(format!("invalid parameter \"{name}\": it is missing")))
    }

    fn time(&self, name: &str) -> Result<Option<i64>, QueryError> {
        let fault =
            |error: String| QueryError::bad(format!("invalid parameter \"{name}\": {error}"));
        self.text(name).map(promql::parse_time).transpose().map_err(fault)
    }

    fn now(&self) -> i64 {
        self.snapshot.clock().now().get() / 1000
    }

    /// The selectors of `match[]`.
    fn matches(&self) -> Result<Vec<SeriesSelector>, QueryError> {
        let named = self.parameters.iter().filter(|(key, _)| key == "match[]");
        let found = named.map(|(_, text)| promql::selector(text)).collect::<Result<Vec<_>, _>>()?;
        if found.len() > MAX_MATCHES {
            Err(QueryError::bad(format!("more than {MAX_MATCHES} match[] parameters")))
        } else {
            Ok(found)
        }
    }

    /// The series that the selectors of `match[]` name between `start` and `end`.
    fn select_matches(
        &mut self,
        selectors: &[SeriesSelector],
    ) -> Result<Vec<MetricSeries>, QueryError> {
        let (start, end) = (self.time("start")?, self.time("end")?);
        let first = start.map_or(FIRST_MONTH, month_of);
        let last = end.map_or(LAST_MONTH, month_of);
        let wanted: Vec<SeriesRequest<'_>> = selectors
            .iter()
            .map(|selector| SeriesRequest {
                name: selector.name.as_deref(),
                matchers: &selector.matchers,
                first,
                last,
            })
            .collect();
        Ok(select(&self.snapshot, &self.catalogue, &wanted, self.until, &mut self.memory)?
            .1
            .into_iter()
            .flatten()
            .collect())
    }

    /// Plans the query and selects its series, for evaluation times from `start` to `end`.
    fn plan_query(
        &mut self,
        start: i64,
        end: i64,
        until: Instant,
    ) -> Result<(QueryPlan, Vec<Vec<MetricSeries>>), QueryError> {
        let plan = promql::plan(self.needed("query")?)?;
        let months: Vec<(Month, Month)> =
            plan.selectors.iter().map(|selector| selector.months(start, end)).collect();
        let wanted: Vec<SeriesRequest<'_>> = plan
            .selectors
            .iter()
            .zip(months)
            .map(|(selector, (first, last))| SeriesRequest {
                name: selector.name.as_deref(),
                matchers: &selector.matchers,
                first,
                last,
            })
            .collect();
        let series = select(&self.snapshot, &self.catalogue, &wanted, until, &mut self.memory)?.1;
        Ok((plan, series))
    }
}

fn query(mut call: ApiCall) -> ApiResult {
    let (time, until) = (call.time("time")?.unwrap_or_else(|| call.now()), call.until);
    let (plan, series) = call.plan_query(time, time, until)?;
    let answer = evaluate_instant(&plan, &series, time, until, &mut call.memory)?;
    drop(series);
    written(call.memory, &answer)
}

fn query_range(mut call: ApiCall) -> ApiResult {
    let until = call.until;
    let time = |name: &str| {
        call.time(name)?
            .ok_or_else(|| QueryError::bad(format!("invalid parameter \"{name}\": it is missing")))
    };
    let (start, end) = (time("start")?, time("end")?);
    if end < start {
        return Err(QueryError::bad(
            "invalid parameter \"end\": end timestamp must not be before start time",
        ));
    }
    let step = promql::parse_duration(call.needed("step")?)
        .map_err(|error| QueryError::bad(format!("invalid parameter \"step\": {error}")))?;
    if step <= 0 {
        return Err(QueryError::bad(
            "invalid parameter \"step\": zero or negative query resolution step widths are not \
             accepted. Try a positive integer",
        ));
    }
    if (end - start) / step > MAX_STEPS {
        return Err(QueryError::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query \
             resolution (?step=XX)",
        ));
    }
    let (plan, series) = call.plan_query(start, end, until)?;
    let answer = evaluate_range(&plan, &series, (start, end, step), until, &mut call.memory)?;
    drop(series);
    written(call.memory, &answer)
}

/// A writer with a limit of bytes.
struct LimitedWriter<'a> {
    pieces: &'a mut ResponsePieces,
    left: usize,
}

impl std::io::Write for LimitedWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.pieces.write(bytes)?;
        self.left = self.left.checked_sub(written).ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn success(memory: QueryMemory, data: &impl Serialize) -> ApiResult {
    #[derive(Serialize)]
    struct SuccessBody<'a, T> {
        status: &'static str,
        data: &'a T,
    }
    let mut pieces = ResponsePieces::new(memory.into_permit());
    let written = serde_json::to_writer(
        LimitedWriter { pieces: &mut pieces, left: MAX_ANSWER_BYTES },
        &SuccessBody { status: "success", data },
    );
    match written {
        Ok(()) => Ok(pieces),
        Err(_short) if pieces.is_exhausted() => Err(QueryError::memory()),
        Err(error) if error.io_error_kind() == Some(std::io::ErrorKind::FileTooLarge) => {
            Err(QueryError::too_much(format!(
                "the response would be longer than {MAX_ANSWER_BYTES} bytes: query fewer series, \
                 or use a longer step"
            )))
        }
        Err(error) => Err(QueryError::execution(error.to_string())),
    }
}

/// The result of a query.
#[derive(Serialize)]
struct QueryData<T> {
    #[serde(rename = "resultType")]
    kind: &'static str,
    result: T,
}

/// A timestamp and a value: `[1633046400, "78.9"]`.
struct SamplePoint(i64, f64);

/// A timestamp in milliseconds, written in seconds.
struct UnixSeconds(i64);

impl Serialize for UnixSeconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 1000 == 0 {
            return serializer.serialize_i64(self.0 / 1000);
        }
        RawValue::from_string(format_seconds(self.0))
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl Serialize for SamplePoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (UnixSeconds(self.0), format_value(self.1)).serialize(serializer)
    }
}

#[derive(Serialize)]
struct InstantSeries<'a> {
    metric: &'a LabelSet,
    value: SamplePoint,
}

#[derive(Serialize)]
struct RangeSeries<'a> {
    metric: &'a LabelSet,
    #[serde(serialize_with = "points")]
    values: &'a [(i64, f64)],
}

/// A value holds for its month, so the points of a range repeat it: its text is made once.
fn points<S: serde::Serializer>(values: &[(i64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(values.len()))?;
    let mut last: Option<(u64, String)> = None;
    for (time, value) in values {
        let bits = value.to_bits();
        let text = match last.take().filter(|(before, _)| *before == bits) {
            Some((_, text)) => text,
            None => format_value(*value),
        };
        list.serialize_element(&(UnixSeconds(*time), &text))?;
        last = Some((bits, text));
    }
    list.end()
}

fn written(memory: QueryMemory, answer: &QueryOutput) -> ApiResult {
    match answer {
        QueryOutput::Scalar(time, value) => {
            success(memory, &QueryData { kind: "scalar", result: SamplePoint(*time, *value) })
        }
        QueryOutput::Text(time, text) => {
            success(memory, &QueryData { kind: "string", result: (UnixSeconds(*time), text) })
        }
        QueryOutput::Vector(time, samples) => {
            let vector: Vec<InstantSeries<'_>> = samples
                .iter()
                .map(|sample| InstantSeries {
                    metric: &sample.labels,
                    value: SamplePoint(*time, sample.value),
                })
                .collect();
            success(memory, &QueryData { kind: "vector", result: vector })
        }
        QueryOutput::Matrix(series) => {
            let matrix: Vec<RangeSeries<'_>> = series
                .iter()
                .map(|(labels, values)| RangeSeries { metric: labels, values })
                .collect();
            success(memory, &QueryData { kind: "matrix", result: matrix })
        }
    }
}

fn labels(mut call: ApiCall) -> ApiResult {
    let selectors = call.matches()?;
    if selectors.is_empty() {
        let state = call.snapshot.state();
        let dimensions =
            state.catalogue.document.dimensions.iter().map(|dimension| label_name(&dimension.code));
        let all: BTreeSet<String> = LABELS
            .iter()
            .chain(&INFO_LABELS)
            .map(|&label| label.to_owned())
            .chain([NAME.to_owned()])
            .chain(dimensions)
            .collect();
        return success(call.memory, &all);
    }
    let found: BTreeSet<String> = call
        .select_matches(&selectors)?
        .iter()
        .flat_map(|series| {
            series.labels.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    success(call.memory, &found)
}

fn label_values(mut call: ApiCall) -> ApiResult {
    let name = call.path.first().cloned().unwrap_or_default();
    let selectors = call.matches()?;
    let found: BTreeSet<String> = if selectors.is_empty() {
        all_values(&call, &name)
    } else {
        call.select_matches(&selectors)?
            .iter()
            .map(|series| series.labels.get(&name).to_owned())
            .collect()
    };
    success(call.memory, &found.iter().filter(|value| !value.is_empty()).collect::<Vec<_>>())
}

/// All possible values of a label.
fn all_values(call: &ApiCall, name: &str) -> BTreeSet<String> {
    let state = call.snapshot.state();
    let of_units = |value: fn(&kpi::unit::Unit) -> String| state.units.iter().map(value).collect();
    match name {
        NAME => recorded(call),
        "unit" => of_units(|unit| unit.document.code.clone()),
        "unit_name" => of_units(|unit| unit.document.shown().to_owned()),
        "unit_kind" => of_units(|unit| unit.document.kind.name().to_owned()),
        "parent" => of_units(|unit| unit.document.parent.clone().unwrap_or_default()),
        "level" => of_units(|unit| unit.depth.to_string()),
        "rule" => {
            state.standing().within(state.units.all()).map(|finding| finding.rule.clone()).collect()
        }
        "severity" => ["warning", "error"].map(ToOwned::to_owned).into(),
        _ => {
            let named = state
                .catalogue
                .document
                .dimensions
                .iter()
                .filter(|dimension| label_name(&dimension.code) == name);
            let infos = InfoMetric::ALL
                .into_iter()
                .filter(|_| INFO_LABELS.contains(&name))
                .flat_map(|info| call.catalogue.info_series(state, info));
            named
                .flat_map(|dimension| dimension.members.iter().map(|member| member.code.clone()))
                .chain(infos.map(|labels| labels.get(name).to_owned()))
                .collect()
        }
    }
}

/// The metrics with recorded figures; a kpi counts if all its operands have any.
fn recorded(call: &ApiCall) -> BTreeSet<String> {
    let state = call.snapshot.state();
    let there = |code: &str| {
        state
            .measures
            .iter()
            .any(|(id, measure)| measure.code == code && state.cube.has_figures(id))
    };
    let mut known: BTreeMap<String, bool> = BTreeMap::new();
    let mut all_there = |code: &str| {
        *known.entry(code.to_owned()).or_insert_with(|| match state.catalogue.kpi(code) {
            Some(kpi) => {
                kpi.formula.references().iter().all(|reference| there(&reference.indicator))
            }
            None => there(code),
        })
    };
    call.catalogue
        .all_names()
        .iter()
        .filter(|(_, subject)| match subject {
            MetricSubject::Measure { code, .. } => all_there(code),
            MetricSubject::Beside(..) | MetricSubject::Info(_) => true,
        })
        .map(|(name, _)| name.clone())
        .collect()
}

fn series(mut call: ApiCall) -> ApiResult {
    let selectors = call.matches()?;
    if selectors.is_empty() {
        return Err(QueryError::bad("no match[] parameter provided"));
    }
    let found: BTreeSet<LabelSet> =
        call.select_matches(&selectors)?.iter().map(|series| (*series.labels).clone()).collect();
    success(call.memory, &found)
}

fn described(call: ApiCall) -> ApiResult {
    let limit = call.text("limit").map_or(Ok(usize::MAX), |text| {
        text.parse().map_err(|_no_number| QueryError::bad("limit must be a number"))
    })?;
    let metric = call.text("metric");
    let all = metadata(call.snapshot.state());
    let entries = all
        .into_iter()
        .filter(|described| metric.is_none_or(|metric| metric == described.metric))
        .take(limit);
    let found: serde_json::Map<String, Value> = entries
        .map(|described| {
            (described.metric, json!([{ "type": "gauge", "help": described.help, "unit": "" }]))
        })
        .collect();
    success(call.memory, &found)
}

fn nothing(call: ApiCall) -> ApiResult {
    success(call.memory, &json!([]))
}

fn rules(call: ApiCall) -> ApiResult {
    success(call.memory, &json!({ "groups": [] }))
}

fn alerts(call: ApiCall) -> ApiResult {
    success(call.memory, &json!({ "alerts": [] }))
}

// Grafana reads this to find out what the server supports. There is no `features` field, because
// Grafana would then treat the service as Mimir.
fn build(call: ApiCall) -> ApiResult {
    success(
        call.memory,
        &json!({
            "version": PROMETHEUS_VERSION,
            "revision": concat!("egov-kpi ", env!("CARGO_PKG_VERSION")),
            "branch": "",
            "buildUser": "",
            "buildDate": "",
            "goVersion": ""
        }),
    )
}

query_params! {
    /// The parameters of `GET /metrics/figures`.
    struct FiguresParams {
        unit: Option<String> = "Only this unit and the units below it",
        measure: Vec<String> = "The code of an indicator or kpi; may be repeated",
        newest: MinRevision,
    }
}

/// Get the newest figures for scraping.
///
/// Returns the newest value of every measure, if at most three months old, and its month, in the
/// text format of Prometheus.
#[utoipa::path(
    operation_id = "scrape_figures",
    tag = "service",
    params(FiguresParams),
    responses(
        (
            status = 200,
            description = "The figures in the text format of Prometheus",
            body = String,
            content_type = "text/plain"
        ),
        ProblemResponses
    )
)]
#[get("/metrics/figures")]
pub async fn figures(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let FiguresParams { unit, measure: measures, newest } = read_query(&request)?;
    let (snapshot, most) = (context.read_snapshot(&newest.consistency()).await?, context.scraped);
    let unit = unit
        .map(|code| {
            snapshot
                .state()
                .units
                .position(&code)
                .ok_or_else(|| Problem::parameter("unit", "unknown_unit", "unknown unit"))
        })
        .transpose()?;
    if let Some(unknown) =
        measures.iter().find(|code| snapshot.state().catalogue.name(code).is_none())
    {
        return Err(Problem::parameter(
            "measure",
            "unknown_measure",
            format!("unknown indicator or kpi {unknown}"),
        ));
    }
    let written = move || {
        let state = snapshot.state();
        let series = latest(state, &measures, unit, (snapshot.month(), snapshot.day()), most)?;
        exposition::text(state, &series).map_err(|error| QueryError::execution(error.to_string()))
    };
    let refused = |refusal: QueryError| {
        Problem::parameter("measure", "too_many", refusal.message).of_bound("scrape")
    };
    let text = context
        .compute_in(most.saturating_mul(SCRAPED), move || written().map_err(refused))
        .await?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
