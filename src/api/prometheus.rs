//! The Prometheus HTTP API over the figures, `/prometheus/api/v1/...`, and the figures for
//! scraping, `/metrics/figures`.
//!
//! Parameters are in the query or, with POST, in a form. Responses and errors have the shape of
//! Prometheus.

mod alerts;
mod call;
mod query;
mod response;
mod series;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde_json::{Value, json};

use self::call::ApiCall;
use self::response::{ApiResult, success};
use super::constants::MAX_FORM;
use super::context::ServiceContext;
use super::health;
use super::limits::account::MemoryAccount;
use super::problem::ReachedLimit;
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{MinRevision, query_params, read_query};
use crate::app::RevisionRef;
use crate::app::snapshot::{AsOf, ReadConsistency, Snapshot};
use crate::memory::MemoryKind;
use crate::prometheus::exposition;
use crate::prometheus::memory::QueryMemory;
use crate::prometheus::metadata::metadata;
use crate::prometheus::select::latest;
use promql::{MAX_SECONDS, QueryError};

/// Maximum memory per series of `/metrics/figures`, in bytes, its lines of text included.
const SCRAPED: usize = 1 << 10;
/// Memory that a query reserves when it begins, in bytes; it reserves more as needed.
const QUERY: usize = 1 << 20;
/// The header that names an earlier state, as the parameter `as_of` does: a dashboard's data source
/// sends it with each query.
const AS_OF_HEADER: &str = "egov-kpi-as-of";
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
        .service(asked("/query", query::query))
        .service(asked("/query_range", query::query_range))
        .service(asked("/format_query", query::format_query))
        .service(asked("/labels", series::labels))
        .service(asked("/series", series::series))
        .service(asked("/query_exemplars", nothing))
        .route("/label/{name}/values", web::get().to(both(series::label_values)))
        .route("/metadata", web::get().to(both(described)))
        .route("/rules", web::get().to(both(alerts::rules)))
        .route("/alerts", web::get().to(both(alerts::alerts)))
        .route("/status/buildinfo", web::get().to(both(build)));
    config
        .service(scope)
        .route("/prometheus/-/healthy", web::get().to(healthy))
        .route("/prometheus/-/ready", web::get().to(ready));
}

async fn answer(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: Result<web::Bytes, actix_web::Error>,
    handler: fn(ApiCall) -> ApiResult,
) -> HttpResponse {
    if context.app().is_err() {
        return refused(&QueryError::unavailable("the ledger is being loaded"));
    }
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
    let wanted = match consistency(&request, &parameters) {
        Ok(wanted) => wanted,
        Err(refusal) => return refused(&refusal),
    };
    let read = tokio::time::timeout_at(until.into(), context.read_snapshot(&wanted));
    let snapshot = match read.await {
        Ok(Ok(snapshot)) => snapshot,
        Ok(Err(problem)) => return no_snapshot(problem),
        Err(_elapsed) => return bounded(&QueryError::timeout(), "promql_time"),
    };
    let past = past_time(&wanted, &snapshot);
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
    let call = ApiCall { snapshot, past, catalogue, path, parameters, until, memory };
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

/// The requested state: `as_of`, also as a header, and `min_revision`.
fn consistency(
    request: &HttpRequest,
    parameters: &[(String, String)],
) -> Result<ReadConsistency, QueryError> {
    let given = |name: &str| {
        parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    };
    let bad = |name: &str, error: String| {
        QueryError::bad(format!("invalid parameter \"{name}\": {error}"))
    };
    let header = match request.headers().get(AS_OF_HEADER).map(|value| value.to_str()) {
        Some(Ok(text)) => Some(text.trim()),
        Some(Err(_binary)) => return Err(bad("as_of", "not a text".to_owned())),
        None => None,
    };
    let stated = |text: &&str| !text.is_empty();
    let as_of = given("as_of").filter(stated).or(header.filter(stated));
    let as_of = as_of.map(str::parse::<AsOf>).transpose().map_err(|error| bad("as_of", error))?;
    let min_revision = given("min_revision").map(str::parse::<RevisionRef>).transpose();
    let min_revision = min_revision.map_err(|error| bad("min_revision", error.to_string()))?;
    Ok(ReadConsistency { as_of, min_revision, ..ReadConsistency::default() })
}

/// The time of the earlier state that was asked for, in milliseconds since 1970.
fn past_time(wanted: &ReadConsistency, snapshot: &Snapshot) -> Option<i64> {
    let time = match wanted.as_of? {
        AsOf::Time(time) => time,
        AsOf::Revision(_) => snapshot.state().recorded_at,
    };
    Some(time.get() / 1000)
}

/// The response when the requested state cannot be read, in the form of Prometheus.
fn no_snapshot(problem: Problem) -> HttpResponse {
    let message = problem.detail.clone().into_string();
    match (problem.status, problem.bound) {
        (409, _) => HttpResponse::Conflict()
            .json(json!({ "status": "error", "errorType": "other_history", "error": message })),
        (422, _) => refused(&QueryError::bad(format!("invalid parameter \"as_of\": {message}"))),
        (_, Some(bound)) => bounded(&QueryError::unavailable(message), bound),
        (_, None) => refused(&QueryError::unavailable(message)),
    }
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

fn described(call: ApiCall) -> ApiResult {
    let limit = call.limit()?;
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

/// Whether the process runs, as `/livez`.
async fn healthy(context: web::Data<ServiceContext>) -> HandlerResult {
    health::check_threads(&context)?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("egov-kpi is Healthy.\n"))
}

/// Whether the service is ready, as `/readyz`.
async fn ready(context: web::Data<ServiceContext>) -> HandlerResult {
    health::check_ready(&context).await?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("egov-kpi is Ready.\n"))
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
