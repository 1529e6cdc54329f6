//! The headers that keep browsers from doing what nobody meant, on every answer.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};

use super::Context;
use crate::app::access::{Identity, SignedIn};

/// What an answer that is no page may do in a browser: nothing.
const NOTHING: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// What a page may do: show what this service sends. Styles stand in the pages, scripts never do.
const PAGE: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                    frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
/// For two years a browser comes by TLS only.
const TLS_ONLY: &str = "max-age=63072000";

/// Adds the headers that an answer does not have.
///
/// # Errors
/// Those of inner middleware.
pub async fn headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let tls = request.app_data::<web::Data<Context>>().is_some_and(|context| context.tls);
    let mut answer = next.call(request).await?.map_into_boxed_body();
    let signed_in = answer
        .request()
        .extensions()
        .get::<Identity>()
        .is_some_and(|identity| identity.origin.how != SignedIn::Nobody);
    let page = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"text/html"));
    let headers = answer.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(X_FRAME_OPTIONS, "DENY");
    put(REFERRER_POLICY, "no-referrer");
    put(CONTENT_SECURITY_POLICY, if page { PAGE } else { NOTHING });
    // Kept nowhere without asking again, and what somebody signed in for not by others at all.
    put(CACHE_CONTROL, if signed_in { "private, no-cache" } else { "no-cache" });
    if tls {
        put(STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
    Ok(answer)
}
