//! Scripts of other web sites (CORS): they may read what is open to everybody, if the settings name
//! their site, and nothing else. Keys and cookies are never accepted from them: the responses have
//! no `Access-Control-Allow-Credentials`, and a preflight does not permit `Authorization`.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, web};

use super::access::{RouteAccess, access_of};
use super::context::ServiceContext;

/// The methods that scripts of other sites may use.
const METHODS: &str = "GET, HEAD";
/// The request headers that they may send.
const REQUEST_HEADERS: &str = "accept, accept-language, if-none-match, if-match";
/// The response headers that they may read.
const RESPONSE_HEADERS: &str = "ETag, Link, Egov-Kpi-Revision, Egov-Kpi-Revision-Hash, \
                                X-Request-Id, Retry-After, Content-Disposition";
/// How long a browser may remember a preflight, in seconds.
const MAX_AGE: &str = "600";
/// The origin that stands for all.
const ANY: &str = "*";

/// Answers preflights, and permits scripts of the named sites to read what is open.
///
/// # Errors
/// Those of inner middleware.
pub async fn cors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let Some(context) = request.app_data::<web::Data<ServiceContext>>().cloned() else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let settings = &context.access;
    if settings.cors.is_empty() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let is_preflight = request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let is_read = is_preflight || [Method::GET, Method::HEAD].contains(request.method());
    let is_open = is_read
        && matches!(access_of(&request, "GET"), Some(RouteAccess::Reading(area))
            if settings.open.contains(&area));
    let has_credentials =
        [AUTHORIZATION, COOKIE].iter().any(|credential| request.headers().contains_key(credential));
    let allowed = allowed_origin(&settings.cors, request.headers());
    let allowed = allowed.filter(|_| is_open && !has_credentials);
    if is_preflight && let Some(origin) = &allowed {
        let mut answer = HttpResponse::NoContent();
        answer
            .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()))
            .insert_header((ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
            .insert_header((ACCESS_CONTROL_MAX_AGE, MAX_AGE))
            .insert_header((VARY, "Origin"));
        return Ok(request.into_response(answer.finish()));
    }
    let mut answer = next.call(request).await?.map_into_boxed_body();
    let headers = answer.headers_mut();
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
    }
    if is_open {
        // With and without Origin the headers differ, which caches must know.
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    Ok(answer)
}

/// The value of `Access-Control-Allow-Origin` for a request, if its site may read.
fn allowed_origin(named: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    if named.iter().any(|name| name == ANY) {
        return Some(HeaderValue::from_static(ANY));
    }
    let text = origin.to_str().ok()?;
    named.iter().any(|name| name.eq_ignore_ascii_case(text)).then(|| origin.clone())
}

/// Whether a text is an origin as browsers send it: scheme, host and port without a path; or `*`.
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
    };
    text == ANY || host.is_some_and(is_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_path() {
        for text in ["*", "https://a.example", "http://localhost:3000", "https://[::1]:8443"] {
            assert!(is_origin(text), "{text}");
        }
        for text in
            ["", "a.example", "https://", "https://a.example/", "ftp://a", "null", "https://a b"]
        {
            assert!(!is_origin(text), "{text}");
        }
    }
}
