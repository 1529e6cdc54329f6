//! Wraps every request: its identifier, its metrics, its line in the log, and a problem document in
//! place of a bare error of the framework.

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};

use super::context::ServiceContext;
use super::language::ResponseLanguage;
use super::problem::{MEDIA_TYPE, Problem, ReachedLimit};
use super::request_route::RequestRoute;
use crate::sync::TaskGuard;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of a method in the log, in bytes; the methods of HTTP are shorter.
const MAX_METHOD: usize = 32;

/// A method for the log: shortened, because a client can invent one.
pub(super) fn shown_method(method: &str) -> String {
    if method.len() <= MAX_METHOD {
        method.to_owned()
    } else {
        format!("{}… ({} bytes)", method.chars().take(MAX_METHOD).collect::<String>(), method.len())
    }
}

/// The first 100 characters of a text from a client, to limit the memory that it takes.
fn cut(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(end, _)| text.get(..end).unwrap_or(text))
}

/// Handles a request from its first byte to its response, and logs it.
///
/// # Errors
/// Those of inner middleware; errors of handlers are responses already.
pub async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let language = ResponseLanguage::of(request.query_string(), request.headers());
    language.run(handle(request, next)).await
}

async fn handle(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let context = request.app_data::<web::Data<ServiceContext>>().cloned();
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let id = given
        .filter(|id| id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic()))
        .map_or_else(|| ulid::Ulid::generate().to_string(), ToOwned::to_owned);
    let method = shown_method(request.method().as_str());
    // The thread board shows this name while a thread works on the request.
    let name: Arc<str> = format!("{} {}", method, cut(request.path())).into();
    let mut answering = pin!(next.call(request));
    let answered = poll_fn(|context| {
        let _task = TaskGuard::enter(Arc::clone(&name));
        answering.as_mut().poll(context)
    });
    let mut answer = answered.await?.map_into_boxed_body();
    if answer.status().is_client_error() || answer.status().is_server_error() {
        // Errors of the Prometheus API have their own shape.
        let own = answer.request().path().starts_with("/prometheus/");
        let told = answer.headers().get(CONTENT_TYPE).is_some_and(|media| {
            media == MEDIA_TYPE
                    || (own && media == "application/json")
                    // The pages have error pages of their own.
                    || media.as_bytes().starts_with(b"text/html")
        });
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
    let found = answer.request().extensions().get::<RequestRoute>().cloned();
    let route = found.map(|RequestRoute(route)| route);
    let route = route.or_else(|| answer.request().match_pattern().map(Cow::from));
    let route = route.as_deref().unwrap_or("none");
    let bound = answer.response().extensions().get::<ReachedLimit>().copied();
    let mut told = true;
    if let Some(context) = context {
        context.metrics.count_response(route, &method, status.as_u16(), took);
        if let Some(ReachedLimit(reason)) = bound {
            context.metrics.count_limit(reason);
        }
        // Limits the lines that repeated refusals write to the log.
        told = !(status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE)
            || context.limits.lines.may_write();
    }
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    // 503 is expected while the ledger is being loaded; a polling probe must not fill the log.
    let expected = status == StatusCode::SERVICE_UNAVAILABLE;
    if status.is_server_error() && !expected {
        tracing::error!(
            request_id = %id,
            method,
            route,
            status = status.as_u16(),
            took_micros = micros,
            "request failed"
        );
    } else if method == "GET" && (expected || !status.is_client_error()) {
        tracing::debug!(
            request_id = %id,
            method,
            route,
            status = status.as_u16(),
            took_micros = micros,
            "request answered"
        );
    } else if told {
        tracing::info!(
            request_id = %id,
            method,
            route,
            status = status.as_u16(),
            took_micros = micros,
            "request answered"
        );
    }
    Ok(answer)
}
