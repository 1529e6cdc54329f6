//! The one place where an error becomes an answer: RFC 9457 problem documents (contract section 3).

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::domain::fault::{Fault, quoted};
use crate::error::Error;
use crate::intake::document::Refusal;
use crate::store::StoreError;

/// What a handler returns.
pub type Answer = Result<HttpResponse, Problem>;

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A problem document.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Stable, for programs: `urn:egov-kpi:invalid` and the like.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title of the type.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, in a sentence.
    pub detail: String,
    /// Every fault of the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FaultView>)]
    pub errors: Vec<Fault>,
    /// Which bound was met, for the metric.
    #[serde(skip)]
    #[schema(ignore)]
    pub bound: Option<&'static str>,
    /// In how many seconds to try again.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after: Option<u32>,
}

/// Which bound an answer says was met; it goes with the answer to where it is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound(pub &'static str);

/// One fault of the input.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Fault)]
pub struct FaultView {
    /// JSON pointer into the body.
    pub pointer: String,
    /// Stable, for programs.
    pub code: String,
    /// For people.
    pub detail: String,
    /// Line in a CSV body, the header being line 1.
    pub line: Option<u64>,
    /// Column name in a CSV body.
    pub column: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:egov-kpi:{kind}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            bound: None,
            retry_after: None,
        }
    }

    /// 422 with every fault.
    #[must_use]
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.detail.clone(),
            many => format!("{} faults; nothing was recorded", many.len()),
        };
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The input has faults", detail)
        }
    }

    /// 422 for one parameter.
    #[must_use]
    pub fn parameter(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Fault::new(format!("/{name}"), code, detail)])
    }

    /// 403 with why.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 401 with why.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in", detail)
    }

    /// 503 until the ledger is loaded.
    #[must_use]
    pub fn loading() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "loading",
            "Not ready yet",
            "the ledger is being loaded; try again in a moment",
        )
    }

    /// 404 for a path.
    #[must_use]
    pub fn no_such_route(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            format!("there is nothing at {}", quoted(path)),
        )
    }

    /// 405 with what the resource answers.
    #[must_use]
    pub fn method(allowed: &str) -> HttpResponse {
        let mut answer = Self::of_status(StatusCode::METHOD_NOT_ALLOWED).error_response();
        if let Ok(allowed) = actix_web::http::header::HeaderValue::from_str(allowed) {
            answer.headers_mut().insert(actix_web::http::header::ALLOW, allowed);
        }
        answer
    }

    /// 415 with what is understood.
    #[must_use]
    pub fn media_type(understood: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "Media type not understood",
            format!("understood is {understood}"),
        )
    }

    /// 413, 415, 422 or 503 for a document that is not read; its `errors` name the code of the refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        let errors = vec![Fault::new("", refusal.code, refusal.detail.clone())];
        let problem = match refusal.code {
            "too_large" | "zip_bomb" | "too_many_rows" | "too_deep" | "too_slow" => {
                Self::too_large(refusal.detail.clone())
            }
            "unsupported_document" | "wrong_media" | "macros" | "not_text" => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Media type not understood",
                refusal.detail.clone(),
            ),
            "too_busy" => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Try again",
                refusal.detail.clone(),
            ),
            _ => Self::invalid(Vec::new()),
        };
        Self { errors, detail: refusal.detail.clone(), ..problem }
    }

    /// 400 for bytes that cannot be read.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// 413 with the bound.
    #[must_use]
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
    }

    /// 408 for a request that does not come in time.
    #[must_use]
    pub fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too-slow", "Too slow", detail)
    }

    /// 414 for a path and query that are too long.
    #[must_use]
    pub fn long_url(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, "too-large", "Too large", detail)
    }

    /// 431 for headers that are too many or too large.
    #[must_use]
    pub fn large_headers(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too-large", "Too large", detail)
    }

    /// 429 with how long to wait.
    #[must_use]
    pub fn too_many(detail: impl Into<String>, wait: std::time::Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        let retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        Self {
            retry_after,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests", detail)
        }
    }

    /// 503 when others are to be answered first.
    #[must_use]
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Try again", detail)
    }

    /// The same because of a bound.
    #[must_use]
    pub fn of_bound(self, bound: &'static str) -> Self {
        Self { bound: Some(bound), ..self }
    }

    /// Which bound it says was met.
    fn met(&self) -> Option<&'static str> {
        let of_fault = |fault: &Fault| match (fault.code, fault.pointer.as_str()) {
            ("span_too_long", _) => Some("span"),
            ("too_many", "/observations") => Some("batch"),
            ("too_many", _) => Some("entries"),
            ("out_of_range", "/limit") => Some("page"),
            _ => None,
        };
        self.bound
            .or_else(|| self.errors.iter().find_map(of_fault))
            .or((self.status == StatusCode::PAYLOAD_TOO_LARGE.as_u16()).then_some("entries"))
    }

    /// 500; the cause is in the log.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The service failed",
            "the service failed; its log says why",
        )
    }

    /// A plain problem for a status that the framework chose.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method",
                "Method not allowed",
                "this resource does not answer this method",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => {
                Self::too_large(format!("a body has at most {} bytes", super::MAX_BODY))
            }
            StatusCode::NOT_FOUND => {
                Self::new(status, "not-found", "Not found", "there is no such resource")
            }
            status if status.is_client_error() => {
                Self { status: status.as_u16(), ..Self::malformed("the request cannot be read") }
            }
            status => Self { status: status.as_u16(), ..Self::internal() },
        }
    }

    fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Malformed(detail) => Self::malformed(detail),
            Error::Invalid(faults) => Self::invalid(faults),
            Error::NotFound(detail) => {
                Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
            }
            Error::Conflict { detail, obstacles } => Self {
                errors: obstacles,
                ..Self::new(
                    StatusCode::CONFLICT,
                    "conflict",
                    "It contradicts what is recorded",
                    detail,
                )
            },
            Error::Forbidden { detail, obstacles } => {
                Self { errors: obstacles, ..Self::forbidden(detail) }
            }
            Error::Usage(detail) => {
                tracing::error!(detail, "a request met a setting that cannot be");
                Self::internal()
            }
            Error::TooLarge(detail) => Self::too_large(detail),
            Error::Busy(detail) => Self::busy(detail).of_bound("writer"),
            Error::Unsettled => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unsettled",
                "Not known whether it was recorded",
                error.to_string(),
            ),
            Error::Behind(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "behind",
                "Not there yet",
                error.to_string(),
            ),
            Error::Surroundings { .. } => {
                tracing::error!(error = %error, "the surroundings failed");
                Self::internal()
            }
            Error::Store(error) => {
                tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "the store failed");
                match error {
                    StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::ReadOnly(_) => {
                        Self::new(
                            StatusCode::SERVICE_UNAVAILABLE,
                            "unavailable",
                            "Try again",
                            error.to_string(),
                        )
                    }
                    StoreError::Address(_)
                    | StoreError::NewerSchema { .. }
                    | StoreError::Corrupt { .. }
                    | StoreError::Conflict(_)
                    | StoreError::Invalid(_)
                    | StoreError::Backup { .. }
                    | StoreError::Migration(_)
                    | StoreError::Backend(_) => Self::internal(),
                }
            }
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.title, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let mut answer = HttpResponse::build(self.status());
        if let Some(seconds) =
            self.retry_after.or((self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1))
        {
            answer.insert_header((RETRY_AFTER, seconds));
        }
        if let Some(bound) = self.met() {
            answer.extensions_mut().insert(Bound(bound));
        }
        answer.content_type(MEDIA_TYPE).body(body)
    }
}

/// The problems that any call may answer, for the OpenAPI document.
pub struct Problems;

impl utoipa::IntoResponses for Problems {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
        let content =
            || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let of = |text: &str| {
            RefOr::T(
                ResponseBuilder::new().description(text).content(MEDIA_TYPE, content()).build(),
            )
        };
        [
            ("4XX".to_owned(), of("The request cannot be carried out; the document says why.")),
            (
                "5XX".to_owned(),
                of("The service cannot answer at the moment; the document says so."),
            ),
        ]
        .into()
    }
}
