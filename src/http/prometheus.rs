//! The Prometheus HTTP API over the figures, `/prometheus/api/v1/...`, and the figures for scraping, `/metrics/figures`.
//!
//! Parameters stand in the query or, with POST, in a form. Answers and errors have Prometheus' own shape.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::params::Params;
use super::problem::Bound;
use super::problem::{Answer as Answered, Problem, Problems};
use super::{Context, MAX_FORM};
use crate::app::moment::Moment;
use crate::app::state::State;
use crate::domain::metric::{LABELS, label};
use crate::domain::period::{FIRST_MONTH, LAST_MONTH, Month};
use crate::prometheus::exposition;
use crate::prometheus::labels::{Labels, NAME};
use crate::prometheus::metadata::metadata;
use crate::prometheus::names::{Metric, Names};
use crate::prometheus::promql::{
    self, Answer, MAX_SECONDS, MAX_STEPS, Plan, Refusal, Selector, evaluate_instant,
    evaluate_range, format_seconds, format_value, month_of,
};
use crate::prometheus::select::{Series, Wanted, latest, select};

/// Most selectors in one question about labels or series.
const MAX_MATCHES: usize = 100;
/// The version whose answers these are like; Grafana asks for it.
const LIKE: &str = "2.42.0";

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    let both = |handler: fn(Call) -> Reply| {
        move |request: HttpRequest,
              context: web::Data<Context>,
              body: Result<web::Bytes, actix_web::Error>| {
            answer(request, context, body, handler)
        }
    };
    let asked = |path: &str, handler: fn(Call) -> Reply| {
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

/// What a handler gets.
struct Call {
    moment: Moment,
    path: Vec<String>,
    parameters: Vec<(String, String)>,
    /// When the answer has to be there.
    until: Instant,
}

/// A whole answer as JSON.
type Reply = Result<Vec<u8>, Refusal>;

async fn answer(
    request: HttpRequest,
    context: web::Data<Context>,
    body: Result<web::Bytes, actix_web::Error>,
    handler: fn(Call) -> Reply,
) -> HttpResponse {
    let Ok(app) = context.app() else {
        return refused(&Refusal::unavailable("the ledger is being loaded"));
    };
    let Ok(body) = body else {
        return long_form();
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
        return refused(&Refusal::bad("the parameters cannot be read"));
    };
    parameters.extend(more);
    let path = request.match_info().iter().map(|(_, value)| value.to_owned()).collect();
    // Waiting for a turn is part of the time that a query may take.
    let until = match deadline(&parameters) {
        Ok(until) => until,
        Err(refusal) => return refused(&refusal),
    };
    let call = Call { moment: app.now(), path, parameters, until };
    // A few at a time, so that whoever posts figures need not wait for whoever asks.
    let turn = Arc::clone(&context.queries).acquire_owned();
    let Ok(Ok(turn)) = tokio::time::timeout_at(until.into(), turn).await else {
        return bounded(
            &Refusal {
                message: "other queries are being answered; try again".to_owned(),
                ..Refusal::timeout()
            },
            "promql_turn",
        );
    };
    let carried_out = web::block(move || {
        let _turn = turn; // until it is carried out, also when nobody waits for the answer any more
        handler(call)
    });
    match carried_out.await {
        Ok(Ok(body)) => HttpResponse::Ok().content_type("application/json").body(body),
        Ok(Err(refusal)) if refusal.bounded => {
            bounded(&refusal, if refusal.kind == "timeout" { "promql_time" } else { "promql_size" })
        }
        Ok(Err(refusal)) => refused(&refusal),
        Err(_stopping) => refused(&Refusal::unavailable("the service is stopping")),
    }
}

fn refused(refusal: &Refusal) -> HttpResponse {
    let status = match refusal.kind {
        "bad_data" => StatusCode::BAD_REQUEST,
        "execution" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    HttpResponse::build(status)
        .json(json!({ "status": "error", "errorType": refusal.kind, "error": refusal.message }))
}

/// The same because of a bound.
fn bounded(refusal: &Refusal, bound: &'static str) -> HttpResponse {
    let mut answer = refused(refusal);
    answer.extensions_mut().insert(Bound(bound));
    answer
}

/// The answer to a form that is too long.
pub fn long_form() -> HttpResponse {
    bounded(&Refusal::bad(format!("a form has at most {MAX_FORM} bytes")), "body")
}

/// When the answer to a request has to be there: within `timeout`, and never later than the bound.
fn deadline(parameters: &[(String, String)]) -> Result<Instant, Refusal> {
    let most = Duration::from_secs(MAX_SECONDS);
    let asked = parameters
        .iter()
        .find(|(key, value)| key == "timeout" && !value.is_empty())
        .map(|(_, value)| promql::parse_duration(value))
        .transpose();
    let asked =
        asked.map_err(|error| Refusal::bad(format!("invalid parameter \"timeout\": {error}")))?;
    let asked = asked.and_then(|asked| u64::try_from(asked).ok()).map(Duration::from_millis);
    Ok(Instant::now() + asked.unwrap_or(most).min(most))
}

impl Call {
    fn text(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.text(name)
            .ok_or_else(|| Refusal::bad(format!("invalid parameter \"{name}\": it is missing")))
    }

    fn time(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let fault = |error: String| Refusal::bad(format!("invalid parameter \"{name}\": {error}"));
        self.text(name).map(promql::parse_time).transpose().map_err(fault)
    }

    fn now(&self) -> i64 {
        self.moment.look().clock.now() / 1000
    }

    /// The selectors of `match[]`.
    fn matches(&self) -> Result<Vec<Selector>, Refusal> {
        let named = self.parameters.iter().filter(|(key, _)| key == "match[]");
        let found = named.map(|(_, text)| promql::selector(text)).collect::<Result<Vec<_>, _>>()?;
        if found.len() > MAX_MATCHES {
            Err(Refusal::bad(format!("at most {MAX_MATCHES} match[]")))
        } else {
            Ok(found)
        }
    }

    /// The series that the selectors of `match[]` name between `start` and `end`.
    fn matched(&self, selectors: &[Selector]) -> Result<Vec<Series>, Refusal> {
        let (start, end) = (self.time("start")?, self.time("end")?);
        let first = start.map_or(FIRST_MONTH, month_of);
        let last = end.map_or(LAST_MONTH, month_of);
        let wanted: Vec<Wanted<'_>> = selectors
            .iter()
            .map(|selector| Wanted {
                name: selector.name.as_deref(),
                matchers: &selector.matchers,
                first,
                last,
            })
            .collect();
        Ok(select(&self.moment, &wanted, self.until)?.1.into_iter().flatten().collect())
    }

    /// A query and the series that it is computed from, for times from one to another.
    fn planned(
        &self,
        start: i64,
        end: i64,
        until: Instant,
    ) -> Result<(Plan, Vec<Vec<Series>>), Refusal> {
        let plan = promql::plan(self.needed("query")?)?;
        let months: Vec<(Month, Month)> =
            plan.selectors.iter().map(|selector| selector.months(start, end)).collect();
        let wanted: Vec<Wanted<'_>> = plan
            .selectors
            .iter()
            .zip(months)
            .map(|(selector, (first, last))| Wanted {
                name: selector.name.as_deref(),
                matchers: &selector.matchers,
                first,
                last,
            })
            .collect();
        let series = select(&self.moment, &wanted, until)?.1;
        Ok((plan, series))
    }
}

fn query(call: Call) -> Reply {
    let (time, until) = (call.time("time")?.unwrap_or_else(|| call.now()), call.until);
    let (plan, series) = call.planned(time, time, until)?;
    written(&evaluate_instant(&plan, &series, time, until)?)
}

fn query_range(call: Call) -> Reply {
    let until = call.until;
    let time = |name: &str| {
        call.time(name)?
            .ok_or_else(|| Refusal::bad(format!("invalid parameter \"{name}\": it is missing")))
    };
    let (start, end) = (time("start")?, time("end")?);
    if end < start {
        return Err(Refusal::bad(
            "invalid parameter \"end\": end timestamp must not be before start time",
        ));
    }
    let step = promql::parse_duration(call.needed("step")?)
        .map_err(|error| Refusal::bad(format!("invalid parameter \"step\": {error}")))?;
    if step <= 0 {
        return Err(Refusal::bad(
            "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end - start) / step > MAX_STEPS {
        return Err(Refusal::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let (plan, series) = call.planned(start, end, until)?;
    written(&evaluate_range(&plan, &series, (start, end, step), until)?)
}

fn success(data: &impl Serialize) -> Reply {
    #[derive(Serialize)]
    struct Success<'a, T> {
        status: &'static str,
        data: &'a T,
    }
    serde_json::to_vec(&Success { status: "success", data })
        .map_err(|error| Refusal::execution(error.to_string()))
}

/// What a query gives.
#[derive(Serialize)]
struct Data<T> {
    #[serde(rename = "resultType")]
    kind: &'static str,
    result: T,
}

/// A time and a value: `[1633046400, "78.9"]`.
struct Point(i64, f64);

/// A time in seconds.
struct Seconds(i64);

impl Serialize for Seconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(format_seconds(self.0))
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl Serialize for Point {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (Seconds(self.0), format_value(self.1)).serialize(serializer)
    }
}

#[derive(Serialize)]
struct OneValue<'a> {
    metric: &'a Labels,
    value: Point,
}

#[derive(Serialize)]
struct ManyValues<'a> {
    metric: &'a Labels,
    values: Vec<Point>,
}

fn written(answer: &Answer) -> Reply {
    match answer {
        Answer::Scalar(time, value) => {
            success(&Data { kind: "scalar", result: Point(*time, *value) })
        }
        Answer::Text(time, text) => {
            success(&Data { kind: "string", result: (Seconds(*time), text) })
        }
        Answer::Vector(time, samples) => {
            let vector: Vec<OneValue<'_>> = samples
                .iter()
                .map(|sample| OneValue {
                    metric: &sample.labels,
                    value: Point(*time, sample.value),
                })
                .collect();
            success(&Data { kind: "vector", result: vector })
        }
        Answer::Matrix(series) => {
            let points = |values: &[(i64, f64)]| {
                values.iter().map(|(time, value)| Point(*time, *value)).collect()
            };
            let matrix: Vec<ManyValues<'_>> = series
                .iter()
                .map(|(labels, values)| ManyValues { metric: labels, values: points(values) })
                .collect();
            success(&Data { kind: "matrix", result: matrix })
        }
    }
}

fn labels(call: Call) -> Reply {
    let selectors = call.matches()?;
    if selectors.is_empty() {
        let state = call.moment.look();
        let dimensions =
            state.catalogue.document.dimensions.iter().map(|dimension| label(&dimension.code));
        let all: BTreeSet<String> = LABELS
            .iter()
            .map(|&label| label.to_owned())
            .chain([NAME.to_owned()])
            .chain(dimensions)
            .collect();
        return success(&all);
    }
    let found: BTreeSet<String> = call
        .matched(&selectors)?
        .iter()
        .flat_map(|series| {
            series.labels.iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        })
        .collect();
    success(&found)
}

fn label_values(call: Call) -> Reply {
    let name = call.path.first().cloned().unwrap_or_default();
    let selectors = call.matches()?;
    let found: BTreeSet<String> = if selectors.is_empty() {
        all_values(&call.moment.look(), &name)
    } else {
        call.matched(&selectors)?.iter().map(|series| series.labels.get(&name).to_owned()).collect()
    };
    success(&found.iter().filter(|value| !value.is_empty()).collect::<Vec<_>>())
}

/// Every value that a label may have.
fn all_values(state: &State, name: &str) -> BTreeSet<String> {
    let of_units =
        |value: fn(&crate::domain::unit::Unit) -> String| state.units.iter().map(value).collect();
    match name {
        NAME => recorded(state),
        "unit" => of_units(|unit| unit.document.code.clone()),
        "unit_name" => of_units(|unit| unit.document.shown().to_owned()),
        "unit_kind" => of_units(|unit| unit.document.kind.name().to_owned()),
        "parent" => of_units(|unit| unit.document.parent.clone().unwrap_or_default()),
        "level" => of_units(|unit| unit.depth.to_string()),
        "rule" => state
            .standing
            .within(0..state.units.len())
            .map(|finding| finding.rule.clone())
            .collect(),
        "severity" => ["warning", "error"].map(ToOwned::to_owned).into(),
        _ => {
            let named = state
                .catalogue
                .document
                .dimensions
                .iter()
                .filter(|dimension| label(&dimension.code) == name);
            named
                .flat_map(|dimension| dimension.members.iter().map(|member| member.code.clone()))
                .collect()
        }
    }
}

/// The metrics whose figures, or whose operands' figures, were ever recorded.
fn recorded(state: &State) -> BTreeSet<String> {
    let names = Names::of(&state.catalogue);
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
    names
        .all()
        .filter(|name| match names.find(name) {
            Some(Metric::Measure { code, .. }) => all_there(&code),
            Some(Metric::Beside(..)) => true,
            None => false,
        })
        .collect()
}

fn series(call: Call) -> Reply {
    let selectors = call.matches()?;
    if selectors.is_empty() {
        return Err(Refusal::bad("no match[] parameter provided"));
    }
    let found: BTreeSet<Labels> =
        call.matched(&selectors)?.iter().map(|series| (*series.labels).clone()).collect();
    success(&found)
}

fn described(call: Call) -> Reply {
    let limit = call.text("limit").map_or(Ok(usize::MAX), |text| {
        text.parse().map_err(|_no_number| Refusal::bad("limit must be a number"))
    })?;
    let metric = call.text("metric");
    let all = metadata(&call.moment.look());
    let entries = all
        .into_iter()
        .filter(|described| metric.is_none_or(|metric| metric == described.metric))
        .take(limit);
    let found: serde_json::Map<String, Value> = entries
        .map(|described| {
            (described.metric, json!([{ "type": "gauge", "help": described.help, "unit": "" }]))
        })
        .collect();
    success(&found)
}

fn nothing(_call: Call) -> Reply {
    success(&json!([]))
}

fn rules(_call: Call) -> Reply {
    success(&json!({ "groups": [] }))
}

fn alerts(_call: Call) -> Reply {
    success(&json!({ "alerts": [] }))
}

/// What Grafana asks for to know what it may ask for. Without `features`: with it, it would take this for Mimir.
fn build(_call: Call) -> Reply {
    success(
        &json!({ "version": LIKE, "revision": concat!("egov-kpi ", env!("CARGO_PKG_VERSION")), "branch": "", "buildUser": "", "buildDate": "", "goVersion": "" }),
    )
}

/// The newest figures for scraping, in Prometheus' text format: of every measure its newest value, at most three months old, and its month.
#[utoipa::path(
    operation_id = "scrape_figures",
    tag = "service",
    params(
        ("unit" = Option<String>, Query, description = "A unit and those below it"),
        ("measure" = Option<Vec<String>>, Query, description = "The code of an indicator or kpi; may repeat")
    ),
    responses((status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain"), Problems)
)]
#[get("/metrics/figures")]
pub async fn figures(request: HttpRequest, context: web::Data<Context>) -> Answered {
    let mut params = Params::of(&request)?;
    let (unit, measures) = (params.text("unit"), params.many("measure"));
    params.finish()?;
    let (moment, most) = (context.app()?.now(), context.scraped);
    let unit = unit
        .map(|code| {
            moment
                .look()
                .units
                .position(&code)
                .ok_or_else(|| Problem::parameter("unit", "unknown_unit", "there is no such unit"))
        })
        .transpose()?;
    if let Some(unknown) = measures.iter().find(|code| moment.look().catalogue.name(code).is_none())
    {
        return Err(Problem::parameter(
            "measure",
            "unknown_measure",
            format!("there is no indicator or kpi {unknown}"),
        ));
    }
    let written = web::block(move || {
        let state = moment.look();
        let series = latest(&state, &measures, unit, state.clock.this_month(), most)?;
        exposition::text(&state, &series).map_err(|error| Refusal::execution(error.to_string()))
    });
    let text = written.await.map_err(|_stopping| Problem::internal())?.map_err(|refusal| {
        Problem::parameter("measure", "too_many", refusal.message).of_bound("scrape")
    })?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
