//! The `Idempotency-Key` of a request (docs/specification.md#idempotency).

use actix_web::HttpRequest;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::access::identity;
use super::problem::Problem;
use crate::app::write::idempotency::IdempotencyKey;

/// Maximum length of a key, in characters.
const MAX_KEY: usize = 255;

/// The idempotency key of a request, if it has one.
///
/// # Errors
/// 422 for a malformed or repeated key, 403 for a request without an identity.
pub fn idempotency_key(
    request: &HttpRequest,
    body: &[u8],
) -> Result<Option<IdempotencyKey>, Problem> {
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
            format!("give one header with 1 to {MAX_KEY} printable ASCII characters"),
        ));
    };
    let query = request.query_string();
    let target = format!(
        "{} {}{}{query}",
        request.method(),
        request.path(),
        if query.is_empty() { "" } else { "?" }
    );
    Ok(Some(IdempotencyKey::new(&identity(request)?.holder, target, text.to_owned(), body)))
}

/// The header in the OpenAPI document.
pub struct IdempotencyHeader;

impl utoipa::IntoParams for IdempotencyHeader {
    fn into_params(_place: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1))
            .max_length(Some(MAX_KEY))
            .pattern(Some("^[!-~]([ -~]*[!-~])?$"));
        let header = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "Repeating a request with the same key and body returns the first response, which \
                 is stored for 8 days",
            ))
            .required(Required::False)
            .schema(Some(text));
        vec![header.build()]
    }
}
