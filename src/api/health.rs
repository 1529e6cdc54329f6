//! `/livez`, `/readyz` and `/metrics`.

use actix_web::{HttpResponse, get, web};

use super::context::ServiceContext;
use super::problem::{HandlerResult, Problem, ProblemResponses};
use crate::clock::MAX_JUMP;
pub use crate::prometheus::ServiceMetrics;

/// Check that the process runs.
///
/// Responds with 503 if a thread has made no progress for a minute.
#[utoipa::path(
    tag = "service",
    responses(
        (
            status = 200,
            description = "The process runs",
            body = String,
            content_type = "text/plain"
        ),
        ProblemResponses
    )
)]
#[get("/livez")]
pub async fn livez(context: web::Data<ServiceContext>) -> HandlerResult {
    check_threads(&context)?;
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n"))
}

/// Checks that every thread has made progress.
///
/// # Errors
/// 503 if a thread has made no progress for a minute.
pub fn check_threads(context: &ServiceContext) -> Result<(), Problem> {
    if context.health.is_stalled() { Err(Problem::stalled()) } else { Ok(()) }
}

/// Checks that the ledger is loaded, the database responds and the system clock is right.
///
/// # Errors
/// 503 if not.
pub async fn check_ready(context: &ServiceContext) -> Result<(), Problem> {
    let app = context.app()?.clone();
    if let Some(sentence) = app.trouble() {
        return Err(Problem::unsound(sentence));
    }
    let clock = app.clock().clone();
    crate::sync::blocking(move || app.store().ping())
        .await
        .map_err(|_stopping| Problem::loading())?
        .map_err(crate::error::Error::Store)?;
    clock.fault().map_or(Ok(()), |fault| Err(Problem::clock(fault)))
}

/// Check that the service is ready.
///
/// Responds with 200 when the ledger is loaded, the database responds and the system clock is
/// right, otherwise with 503.
///
/// A further line warns when the newest revision has a timestamp in the future.
#[utoipa::path(
    tag = "service",
    responses(
        (
            status = 200,
            description = "The service is ready",
            body = String,
            content_type = "text/plain"
        ),
        ProblemResponses
    )
)]
#[get("/readyz")]
pub async fn readyz(context: web::Data<ServiceContext>) -> HandlerResult {
    check_ready(&context).await?;
    let app = context.app()?;
    let (clock, newest) = (app.clock(), app.state().recorded_at);
    let mut text = "ready\n".to_owned();
    if clock.ahead(newest) > MAX_JUMP {
        text += "warning: the timestamp of the newest revision is in the future; new revisions get \
            the same timestamp until the clock has passed it\n";
    }
    let changes = app.history_changes();
    if changes.changes > 0 {
        text += &format!(
            "the history of the ledger has been replaced {} time(s) since this instance started; \
             {} known revision(s) were lost, the log lists them\n",
            changes.changes, changes.lost_revisions
        );
    }
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text))
}

/// Get the health metrics of the service.
///
/// Returns metrics with names beginning with `egov_kpi_`, in the text format of Prometheus.
#[utoipa::path(
    tag = "service",
    responses(
        (
            status = 200,
            description = "The metrics in the text format of Prometheus",
            body = String,
            content_type = "text/plain"
        ),
        ProblemResponses
    )
)]
#[get("/metrics")]
pub async fn metrics(context: web::Data<ServiceContext>) -> HandlerResult {
    context.metrics.set_connections(context.limits.connections.open());
    if let Ok(app) = context.loaded() {
        context.limits.memory.set_figures(app.state().cube.bytes());
    }
    context.metrics.set_memory_usage(&context.limits.memory.usage());
    let text = context.metrics.text(context.loaded().ok()).map_err(|_e| Problem::internal())?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
