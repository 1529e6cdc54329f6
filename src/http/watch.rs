//! What happens around every request: its number, its metrics, its line in the log, and a problem
//! document in the place of a bare error of the framework.

use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{ResponseError, web};

use super::Context;
use super::problem::{Bound, MEDIA_TYPE, Problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Watches a request from its first byte to its answer.
///
/// # Errors
/// Those of inner middleware; handlers' errors are answers by now.
pub async fn watch(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let context = request.app_data::<web::Data<Context>>().cloned();
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = given
        .filter(|id| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic()))
        .map_or_else(|| ulid::Ulid::generate().to_string(), ToOwned::to_owned);
    let method = request.method().as_str().to_owned();
    let mut answer = next.call(request).await?.map_into_boxed_body();
    if answer.status().is_client_error() || answer.status().is_server_error() {
        // The Prometheus API has a shape of its own for errors.
        let own = answer.request().path().starts_with("/prometheus/");
        let told = answer
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|media| media == MEDIA_TYPE || (own && media == "application/json"));
        if !told {
            let status = answer.status();
            let allow = answer.headers().get(actix_web::http::header::ALLOW).cloned();
            let mut problem = Problem::of_status(status).error_response();
            if let Some(allow) = allow {
                problem.headers_mut().insert(actix_web::http::header::ALLOW, allow);
            }
            answer = answer.into_response(problem);
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        answer.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, took) = (answer.status(), started.elapsed());
    let route = answer.request().match_pattern().unwrap_or_else(|| "none".to_owned());
    let bound = answer.response().extensions().get::<Bound>().copied();
    let mut told = true;
    if let Some(context) = context {
        context.metrics.answered(&route, &method, status.as_u16(), took);
        if let Some(Bound(reason)) = bound {
            context.metrics.bounded(reason);
        }
        // Whoever is refused again and again does not fill the log.
        told = !status.is_client_error() || context.limits.lines.may_write();
    }
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // A probe that asks again and again whether the ledger is loaded is no failure.
    let expected = status == StatusCode::SERVICE_UNAVAILABLE;
    if status.is_server_error() && !expected {
        tracing::error!(request_id = %id, method, route, status = status.as_u16(), took_micros = micros, "request failed");
    } else if method == "GET" && (expected || !status.is_client_error()) {
        tracing::debug!(request_id = %id, method, route, status = status.as_u16(), took_micros = micros, "request answered");
    } else if told {
        tracing::info!(request_id = %id, method, route, status = status.as_u16(), took_micros = micros, "request answered");
    }
    Ok(answer)
}
