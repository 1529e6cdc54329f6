//! The `Idempotency-Key` of a request, and the header that tells an answer given again (contract section 3).

use actix_web::{HttpRequest, HttpResponse};

use super::access::who;
use super::problem::Problem;
use crate::app::keyed::{Given, Keyed};

/// Longest key in characters.
const MAX_KEY: usize = 255;

/// The key of a request, when it has one.
///
/// # Errors
/// 422 for one that cannot be kept, 403 when nobody has said who asks.
pub fn keyed(request: &HttpRequest, body: &[u8]) -> Result<Option<Keyed>, Problem> {
    let mut headers = request.headers().get_all("Idempotency-Key");
    let Some(header) = headers.next() else { return Ok(None) };
    let text = header
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|text| headers.next().is_none() && (1..=MAX_KEY).contains(&text.len()));
    let Some(text) = text.filter(|text| text.bytes().all(|b| b.is_ascii_graphic() || b == b' '))
    else {
        return Err(Problem::parameter(
            "Idempotency-Key",
            "malformed",
            format!("one header of 1 to {MAX_KEY} printable ASCII characters"),
        ));
    };
    let query = request.query_string();
    let target = format!(
        "{} {}{}{query}",
        request.method(),
        request.path(),
        if query.is_empty() { "" } else { "?" }
    );
    Ok(Some(Keyed::new(&who(request)?.holder, target, text.to_owned(), body)))
}

/// Says of an answer whether it was given before.
pub fn told<T>(mut answer: HttpResponse, given: &Given<T>) -> HttpResponse {
    if given.again {
        answer.headers_mut().insert(
            actix_web::http::header::HeaderName::from_static("idempotent-replayed"),
            actix_web::http::header::HeaderValue::from_static("true"),
        );
    }
    answer
}
