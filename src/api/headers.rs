//! The security headers of every response.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
    HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};

use super::context::ServiceContext;
use crate::auth::identity::{Identity, SignInMethod};

/// The content security policy of responses that are not pages: they may load nothing.
const NOTHING: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// The content security policy of pages: only resources of this service, no styles or scripts
/// within a page.
const PAGE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                    font-src 'self'; connect-src 'self'; frame-ancestors 'none'; \
                    base-uri 'none'; form-action 'self'";
/// The page to try the API, a vendored library, has styles within the page.
const DOCS: &str = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; \
                    img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                    frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
/// The value of `Content-Encoding` for a body that is not compressed.
const IDENTITY: &str = "identity";
/// Browsers use TLS only for two years, in seconds.
const TLS_ONLY: &str = "max-age=63072000";

/// Adds the headers that a response does not have yet.
///
/// # Errors
/// Those of inner middleware.
pub async fn headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let tls = request.app_data::<web::Data<ServiceContext>>().is_some_and(|context| context.tls);
    let mut answer = next.call(request).await?.map_into_boxed_body();
    let signed_in = answer
        .request()
        .extensions()
        .get::<Identity>()
        .is_some_and(|identity| identity.origin.how != SignInMethod::Nobody);
    let page = answer
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|media| media.as_bytes().starts_with(b"text/html"));
    let is_unchanged = answer.status() == StatusCode::NOT_MODIFIED;
    let is_docs = answer.request().path().starts_with("/docs");
    let headers = answer.headers_mut();
    // It tells the service itself not to compress, and is no encoding of a response (RFC 9110).
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == IDENTITY) {
        headers.remove(CONTENT_ENCODING);
    }
    let mut put = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    put(X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(X_FRAME_OPTIONS, "DENY");
    // A browser replaces the headers that it has kept with the page by those of a 304.
    if !is_unchanged {
        // With no-referrer, browsers name no origin when they send a form either.
        put(REFERRER_POLICY, if page { "same-origin" } else { "no-referrer" });
        let policy = match (page, is_docs) {
            (true, true) => DOCS,
            (true, false) => PAGE,
            (false, _) => NOTHING,
        };
        put(CONTENT_SECURITY_POLICY, policy);
    }
    // Caches always revalidate; responses to signed-in clients are not stored in shared caches.
    put(CACHE_CONTROL, if signed_in { "private, no-cache" } else { "no-cache" });
    if tls {
        put(STRICT_TRANSPORT_SECURITY, TLS_ONLY);
    }
    Ok(answer)
}
