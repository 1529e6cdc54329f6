//! The table of routes, and the OpenAPI document that is made of it.

use std::sync::OnceLock;

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::ParameterIn;
use utoipa_actix_web::service_config::ServiceConfig;

use super::access::no_such_route;
use super::bounds::add_bounds;
use super::constants::API;
use super::examples::add_examples;
use super::operations::for_each_operation;
use super::problem::{self, Problem};
use super::query::{MONTH, PERIOD, language_parameter, patterned};
use super::{
    audit, catalogue, completeness, declarations, export, findings, health, keys, observations,
    periods, prometheus, quality, ranking, reports, revisions, scorecard, series, submissions,
    units, vintages, workbooks,
};

/// The OpenAPI document; paths and types come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "egov-kpi",
        description = "Records monthly e-government figures and computes trends, rankings and \
            scorecards from them. A recorded figure is readable as soon as the response of its \
            POST arrives. Errors are problem documents (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers(
        (url = "/", description = "The service that this document was loaded from"),
        (url = "http://127.0.0.1:8080", description = "`egov-kpi demo` on this computer")
    ),
    components(schemas(problem::Problem, problem::FaultView)),
    modifiers(&SecuritySchemes),
    tags(
        (name = "figures", description = "Record figures, and read them as recorded"),
        (name = "questions", description = "Trends, rankings, scorecards, findings, completeness"),
        (name = "declarations", description = "Catalogue, units, targets, annotations and closed \
            months"),
        (name = "service", description = "Health, ledger, access")
    )
)]
struct ApiDescription;

/// Adds the authentication scheme to the OpenAPI document.
struct SecuritySchemes;

impl utoipa::Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{
            HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
        };
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key, or a token of the single sign-on."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("key", SecurityScheme::Http(bearer));
        // The second entry stands for requests without a key: to open areas, and until the first
        // key exists.
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
        .openapi(ApiDescription::openapi());
    let mut document = app.configure(routes).split_for_parts().1;
    set_path_periods(&mut document);
    for_each_operation(&mut document, |_id, operation| {
        operation.parameters.get_or_insert_default().push(RefOr::T(language_parameter()));
    });
    add_bounds(&mut document);
    add_examples(&mut document);
    document
}

/// Gives the periods in paths their patterns.
fn set_path_periods(document: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let pattern = if path.contains("/periods/") { PERIOD } else { MONTH };
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter
                    && parameter.name == "period"
                    && parameter.parameter_in == ParameterIn::Path
                {
                    parameter.schema = Some(patterned(pattern));
                }
            }
        }
    }
}

/// The OpenAPI document in the form of `openapi/openapi.json`.
///
/// # Errors
/// Never for a document of plain types.
pub fn openapi_text() -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string_pretty(&openapi())? + "\n")
}

/// The routes of the OpenAPI document.
pub fn routes(config: &mut ServiceConfig<'_>) {
    config.service(utoipa_actix_web::scope(API).configure(|api: &mut ServiceConfig<'_>| {
        // They are searched in this order, and each path with a parameter costs time: the most
        // frequent requests come first.
        api.service(series::get)
            .service(ranking::get)
            .service(scorecard::get)
            .service(observations::post)
            .service(observations::get)
            .service(workbooks::post)
            .service(workbooks::get_template)
            .service(reports::post)
            .service(reports::get)
            .service(reports::get_text)
            .service(reports::get_written)
            .service(submissions::get)
            .service(submissions::delete)
            .service(export::get)
            .service(findings::get)
            .service(quality::get)
            .service(vintages::get)
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
            .service(revisions::get_revisions)
            .service(revisions::get_ledger)
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

/// The routes outside the OpenAPI document: the document itself, the page to try it, and the
/// Prometheus API.
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
        .default_service(web::to(
            |request: HttpRequest| async move { no_such_route(request.path()) },
        ));
}

async fn description() -> Result<HttpResponse, Problem> {
    static TEXT: OnceLock<Option<String>> = OnceLock::new();
    match TEXT.get_or_init(|| openapi_text().ok()) {
        Some(text) => Ok(HttpResponse::Ok().content_type("application/json").body(text.as_str())),
        None => Err(Problem::internal()),
    }
}
