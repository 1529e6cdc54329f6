//! The web: one file a resource, request and answer types beside their handlers. `problem.rs` is the one
//! place where an error becomes an answer, `reply.rs` the one where an answer gets its representation.

pub mod access;
mod audit;
mod catalogue;
mod completeness;
mod declarations;
mod docx;
mod findings;
mod headers;
mod health;
mod keyed;
mod keys;
mod ledger;
pub mod limits;
mod observations;
mod params;
mod periods;
mod problem;
mod prometheus;
mod quality;
mod ranking;
mod reply;
mod reports;
mod scorecard;
mod series;
mod submissions;
mod template;
mod units;
mod upload;
mod watch;
mod workbooks;

use std::sync::{Arc, OnceLock};

use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use tokio::sync::Semaphore;
use utoipa::OpenApi;
use utoipa_actix_web::service_config::ServiceConfig;

pub use docx::{Written, docx};
pub use headers::headers;
pub use health::Metrics;
pub use problem::{Answer, Problem};
pub use reports::{blocks, markdown};
pub use watch::watch;

use crate::app::App;
use crate::app::moment::{Moment, Wanted};

/// Largest request body in bytes, after decompression.
pub const MAX_BODY: usize = 32 << 20;

/// Largest form that asks in PromQL, in bytes.
pub const MAX_FORM: usize = 1 << 20;

/// How many PromQL queries are carried out at once; others wait for their turn within their time.
pub const QUERIES: usize = 2;

/// Where routes under `/api/v1` stand.
pub const API: &str = "/api/v1";

/// What every handler sees.
#[derive(Clone)]
pub struct Context {
    app: Arc<OnceLock<App>>,
    /// The service's own health.
    pub metrics: Arc<Metrics>,
    /// Most series at `/metrics/figures`.
    pub scraped: usize,
    /// Turns of those that ask in PromQL.
    pub queries: Arc<Semaphore>,
    /// What is open, and how it is told who somebody is.
    pub access: Arc<access::Settings>,
    /// What anybody may cost the service, and what counts towards it.
    pub limits: Arc<limits::Limits>,
    /// Whether the service speaks TLS itself.
    pub tls: bool,
}

impl Context {
    /// A context whose cube is not loaded yet.
    ///
    /// # Errors
    /// When the metrics contradict each other, which a test would have shown.
    pub fn new(
        scraped: usize,
        access: access::Settings,
        limits: &limits::Settings,
        tls: bool,
    ) -> Result<Self, ::prometheus::Error> {
        let forwarding = access.forwarding.clone();
        let limits = limits::Limits::new(limits, move |address| forwarding.is_proxy(address));
        Ok(Self {
            limits: Arc::new(limits),
            app: Arc::new(OnceLock::new()),
            metrics: Arc::new(Metrics::new()?),
            scraped,
            queries: Arc::new(Semaphore::new(QUERIES)),
            access: Arc::new(access),
            tls,
        })
    }

    /// The state that a request wants, with what its entity tag tells; or that the client has the answer already.
    ///
    /// # Errors
    /// 503 until the ledger is loaded, or when the revision is not reached in time; 422 for a moment that the ledger has not had.
    pub async fn moment(
        &self,
        request: &HttpRequest,
        wanted: &Wanted,
        format: impl Into<&'static str>,
    ) -> Result<Result<(Moment, reply::Stamp), HttpResponse>, Problem> {
        let moment = self.when(wanted).await?;
        let stamp = reply::Stamp::of(&moment, wanted.by_day);
        Ok(match reply::not_modified(request, &stamp, format) {
            Some(answer) => Err(answer),
            None => Ok((moment, stamp)),
        })
    }

    /// The state that a request wants; one of the past in its turn, as it may have to be loaded.
    ///
    /// # Errors
    /// As for [`Context::moment`]; 503 when its turn does not come.
    pub async fn when(&self, wanted: &Wanted) -> Result<Moment, Problem> {
        let _turn =
            if wanted.as_of.is_some() { Some(self.limits.past_turn().await?) } else { None };
        Ok(self.app()?.moment(wanted).await?)
    }

    /// Computes what takes its time on another thread, in its turn.
    ///
    /// # Errors
    /// What the computing gives; 503 when its turn does not come or the service is stopping.
    pub async fn compute<T: Send + 'static, E: Send + 'static>(
        &self,
        compute: impl FnOnce() -> Result<T, E> + Send + 'static,
    ) -> Result<T, Problem>
    where
        Problem: From<E>,
    {
        let turn = self.limits.turn().await?;
        let computed = web::block(move || {
            let _turn = turn; // until it is computed, also when nobody waits for it any more
            compute()
        });
        Ok(computed.await.map_err(|_stopping| Problem::internal())??)
    }

    /// Makes the service ready.
    pub fn ready(&self, app: App) {
        let _already = self.app.set(app);
    }

    /// The service, once it is ready.
    ///
    /// # Errors
    /// 503 until the ledger is loaded.
    pub fn app(&self) -> Result<&App, Problem> {
        self.app.get().ok_or_else(Problem::loading)
    }
}

/// The description of the whole interface; paths and types come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "egov-kpi",
        description = "Monthly e-government figures in, trends people can trust out. Every figure is readable the moment its POST has answered.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    components(schemas(problem::Problem, problem::FaultView)),
    modifiers(&SignIn),
    tags(
        (name = "figures", description = "Recording and reading figures"),
        (name = "questions", description = "Trends, rankings, scorecards, findings, completeness"),
        (name = "declarations", description = "The catalogue, the units, targets and annotations"),
        (name = "service", description = "The service itself")
    )
)]
struct Description;

/// How clients sign in, for the description.
struct SignIn;

impl utoipa::Modify for SignIn {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        };
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A key, or a token of the single sign-on."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("key", SecurityScheme::Http(bearer));
        // Either is enough: what is open, and everything before there is a first key, needs none.
        document.security = Some(vec![
            SecurityRequirement::new("key", Vec::<String>::new()),
            SecurityRequirement::default(),
        ]);
    }
}

/// The OpenAPI document of this build.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let app = utoipa_actix_web::AppExt::into_utoipa_app(actix_web::App::new())
        .openapi(Description::openapi());
    app.configure(routes).split_for_parts().1
}

/// The OpenAPI document as it is checked in.
///
/// # Errors
/// Never for a document made of plain types.
pub fn openapi_text() -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&openapi())? + "\n")
}

/// Every route that stands in the OpenAPI document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(utoipa_actix_web::scope(API).configure(|api: &mut ServiceConfig<'_>| {
        api.service(observations::post)
            .service(observations::get)
            .service(workbooks::post)
            .service(workbooks::get_template)
            .service(reports::post)
            .service(reports::get)
            .service(reports::get_text)
            .service(reports::get_written)
            .service(submissions::get)
            .service(submissions::delete)
            .service(series::get)
            .service(ranking::get)
            .service(scorecard::get)
            .service(findings::get)
            .service(quality::get)
            .service(completeness::get)
            .service(units::get)
            .service(units::put)
            .service(catalogue::get)
            .service(catalogue::put)
            .service(catalogue::get_indicators)
            .service(catalogue::get_kpis)
            .service(declarations::get_targets)
            .service(declarations::put_targets)
            .service(declarations::get_annotations)
            .service(declarations::put_annotations)
            .service(periods::get)
            .service(periods::close)
            .service(periods::reopen)
            .service(ledger::get_revisions)
            .service(ledger::get_ledger)
            .service(keys::me)
            .service(keys::list)
            .service(keys::add)
            .service(keys::rotate)
            .service(keys::revoke)
            .service(audit::get)
            .route("/openapi.json", web::get().to(description));
    }));
    config
        .service(health::livez)
        .service(health::readyz)
        .service(health::metrics)
        .service(prometheus::figures);
}

/// The routes that are not part of the interface that is described: the description itself, and its page.
pub fn extras(config: &mut web::ServiceConfig) {
    config
        .configure(prometheus::routes)
        .route("/openapi.json", web::get().to(description))
        .route(
            "/docs",
            web::get().to(|| async {
                HttpResponse::Found().insert_header(("Location", "/docs/")).finish()
            }),
        )
        .service(
            utoipa_swagger_ui::SwaggerUi::new("/docs/{_:.*}").config(
                utoipa_swagger_ui::Config::new(["/api/v1/openapi.json"]).validator_url("none"),
            ),
        )
        .default_service(web::to(|request: HttpRequest| async move { no_such_route(&request) }));
}

/// 404, or 405 with `Allow` where the path answers other methods.
fn no_such_route(request: &HttpRequest) -> HttpResponse {
    static PATHS: OnceLock<Vec<(Vec<String>, Vec<String>)>> = OnceLock::new();
    let paths = PATHS.get_or_init(|| {
        let document = serde_json::to_value(openapi()).unwrap_or_default();
        let paths = document
            .get("paths")
            .and_then(serde_json::Value::as_object)
            .cloned()
            .unwrap_or_default();
        let parts = |path: &str| path.split('/').map(ToOwned::to_owned).collect();
        paths
            .iter()
            .map(|(path, item)| {
                (
                    parts(path),
                    item.as_object()
                        .into_iter()
                        .flat_map(|item| item.keys().map(|method| method.to_uppercase()))
                        .collect(),
                )
            })
            .collect()
    });
    let asked: Vec<&str> = request.path().split('/').collect();
    let fits = |part: &str, asked: &str| {
        if part.starts_with('{') { !asked.is_empty() } else { part == asked }
    };
    let matches = |template: &[String]| {
        template.len() == asked.len()
            && template.iter().zip(&asked).all(|(part, asked)| fits(part, asked))
    };
    match paths.iter().find(|(template, _)| matches(template)) {
        Some((_, methods)) => Problem::method(&methods.join(", ")),
        None => Problem::no_such_route(request.path()).error_response(),
    }
}

async fn description() -> Result<HttpResponse, Problem> {
    static TEXT: OnceLock<Option<String>> = OnceLock::new();
    match TEXT.get_or_init(|| openapi_text().ok()) {
        Some(text) => Ok(HttpResponse::Ok().content_type("application/json").body(text.as_str())),
        None => Err(Problem::internal()),
    }
}
