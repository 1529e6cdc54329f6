//! `/livez`, `/readyz` and `/metrics`.

use actix_web::{HttpResponse, get, web};

use super::Context;
use super::problem::{Answer, Problem, Problems};
pub use crate::prometheus::Metrics;

/// Whether the process runs.
#[utoipa::path(tag = "service", responses((status = 200, description = "It runs", body = String, content_type = "text/plain")))]
#[get("/livez")]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Whether the ledger is loaded and the database answers.
#[utoipa::path(tag = "service", responses((status = 200, description = "It is", body = String, content_type = "text/plain"), Problems))]
#[get("/readyz")]
pub async fn readyz(context: web::Data<Context>) -> Answer {
    let app = context.app()?.clone();
    web::block(move || app.store().ping())
        .await
        .map_err(|_stopping| Problem::loading())?
        .map_err(crate::error::Error::Store)?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ready\n"))
}

/// The service's own health for Prometheus.
#[utoipa::path(tag = "service", responses((status = 200, description = "Prometheus' text format", body = String, content_type = "text/plain"), Problems))]
#[get("/metrics")]
pub async fn metrics(context: web::Data<Context>) -> Answer {
    context.metrics.connected(context.limits.connections.open());
    let text = context.metrics.text(context.app().ok()).map_err(|_e| Problem::internal())?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
