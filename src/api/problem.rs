//! Converts errors into responses: RFC 9457 problem documents (docs/specification.md#errors). No
//! other module does that.

use std::borrow::Cow;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::language::ResponseLanguage;
use crate::clock::ClockFault;
use crate::error::Error;
use crate::messages::{translated, vietnamese};
use documents::DocumentError;
use kpi::fault::{Fault, quoted};
use kpi::number::Decimal64;
use kpi::number_format::format_vietnamese;
use ledger::StoreError;

/// The result of a handler.
pub type HandlerResult = Result<HttpResponse, Problem>;

/// The media type of problem documents.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The sentence about a wrong clock, in Vietnamese.
fn clock_in_vietnamese(fault: ClockFault) -> String {
    match fault {
        ClockFault::Jumped(seconds) => {
            format!(
                "đồng hồ dùng để ghi thời điểm thay đổi đã nhảy {} giây; hệ thống chưa ghi nhận gì \
                 cho đến khi đồng hồ đúng trở lại hoặc quản trị viên khởi động lại dịch vụ",
                format_vietnamese(Decimal64 { mantissa: seconds, scale: 0 })
            )
        }
        ClockFault::Implausible(year) => {
            format!(
                "đồng hồ dùng để ghi thời điểm thay đổi chỉ năm {year}, chắc chắn là sai; hệ thống \
                 chưa ghi nhận gì cho đến khi đồng hồ đúng trở lại"
            )
        }
    }
}

/// A problem document.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// The type of the problem, for programs, such as `urn:egov-kpi:invalid`. It never changes.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// A short title of the type, in the language of the response.
    #[schema(value_type = String)]
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, in a sentence in the language of the response.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// The same in Vietnamese.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub detail_vi: Option<Box<str>>,
    /// All errors of the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<FaultView>)]
    pub errors: Vec<Fault>,
    /// The exceeded limit, for the metric.
    #[serde(skip)]
    #[schema(ignore)]
    pub bound: Option<&'static str>,
    /// Seconds after which to retry, for `Retry-After`.
    #[serde(skip)]
    #[schema(ignore)]
    pub retry_after: Option<u16>,
}

/// The exceeded limit, attached to a response so that `request_log.rs` can count it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReachedLimit(pub &'static str);

/// The problem that a response reports, for browsers: with at most [`MAX_SHOWN`] errors.
#[derive(Clone, Debug)]
pub struct ShownProblem(pub Problem);

/// Most errors that a page shows.
const MAX_SHOWN: usize = 100;

/// One error of the input.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Fault)]
pub struct FaultView {
    /// JSON pointer into the body, or `/name` of a query parameter or header.
    pub pointer: String,
    /// The code of the error, for programs. It never changes.
    pub code: String,
    /// What is wrong, in a sentence in the language of the response.
    pub detail: String,
    /// The same in Vietnamese.
    pub detail_vi: Option<String>,
    /// The line in a CSV body; the header is line 1.
    pub line: Option<u64>,
    /// The name of the column in a CSV body.
    pub column: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, kind: &str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:egov-kpi:{kind}").into_boxed_str(),
            title: Cow::Borrowed(title),
            status: status.as_u16(),
            detail: detail.into().into_boxed_str(),
            detail_vi: None,
            errors: Vec::new(),
            bound: None,
            retry_after: None,
        }
    }

    /// 422 with all errors.
    #[must_use]
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] => one.detail.clone(),
            many => format!("{} errors; nothing was recorded", many.len()),
        };
        let detail_vi = match errors.as_slice() {
            [one] => one.detail_vi.clone(),
            _ => None,
        };
        Self {
            errors,
            detail_vi,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The input is invalid", detail)
        }
    }

    /// 422 for one parameter.
    #[must_use]
    pub fn parameter(name: &str, code: &'static str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![Fault::new(format!("/{name}"), code, detail)])
    }

    /// 403 with the reason.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Not allowed", detail)
    }

    /// 401 with the reason.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in", detail)
    }

    /// 503 while the issuer of tokens cannot be reached.
    #[must_use]
    pub fn issuer_unreachable(detail: impl Into<String>, wait: std::time::Duration) -> Self {
        let retry_after = u16::try_from(wait.as_secs().max(1)).ok();
        let problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "issuer-unreachable", "Try again", detail);
        Self { retry_after, ..problem }
    }

    /// 503 until the ledger is loaded.
    #[must_use]
    pub fn loading() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "loading",
            "Not ready yet",
            "the ledger is being loaded; retry later",
        )
    }

    /// 503 while the system clock is wrong, so that changes cannot get a time.
    #[must_use]
    pub fn clock(fault: ClockFault) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "clock", "The clock is wrong", fault.to_string())
            .in_vietnamese(clock_in_vietnamese(fault))
    }

    /// 503 while a thread is stalled.
    #[must_use]
    pub fn stalled() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "stalled",
            "Stalled",
            "a thread of the service makes no progress; the log names it",
        )
    }

    /// 404 for an unknown path.
    #[must_use]
    pub fn no_such_route(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "Not found",
            format!("unknown path {}", quoted(path)),
        )
    }

    /// 405 with the methods of the path in `Allow`; every path with GET also has HEAD.
    #[must_use]
    pub fn method(methods: &[&str]) -> HttpResponse {
        let mut answer = Self::of_status(StatusCode::METHOD_NOT_ALLOWED).error_response();
        let allowed = methods.join(", ").replace("GET", "GET, HEAD");
        if let Ok(allowed) = actix_web::http::header::HeaderValue::from_str(&allowed) {
            answer.headers_mut().insert(actix_web::http::header::ALLOW, allowed);
        }
        answer
    }

    /// 415 with the supported media types.
    #[must_use]
    pub fn media_type(understood: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "media-type",
            "Media type not supported",
            format!("supported: {understood}"),
        )
    }

    /// 413, 415, 422 or 503 for a document that cannot be read; `errors` contains the code of the
    /// refusal.
    #[must_use]
    pub fn refused(refusal: &DocumentError) -> Self {
        let errors = vec![refusal.to_fault()];
        let problem = match refusal.code {
            "too_large" | "zip_bomb" | "too_many_rows" | "too_deep" | "too_slow" => {
                Self::too_large(refusal.detail.clone())
            }
            "unsupported_document" | "wrong_media" | "macros" | "not_text" => Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "media-type",
                "Media type not supported",
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
        let detail_vi = refusal.detail_vi.as_deref().map(Into::into);
        Self { errors, detail: refusal.detail.as_str().into(), detail_vi, ..problem }
    }

    /// 400 for bytes that cannot be read.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be read", detail)
    }

    /// 413 with the limit.
    #[must_use]
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Too large", detail)
    }

    /// 408 for a request that does not arrive in time.
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

    /// 429 with the time to wait.
    #[must_use]
    pub fn too_many(detail: impl Into<String>, wait: std::time::Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        let retry_after = Some(u16::try_from(seconds).unwrap_or(u16::MAX));
        Self {
            retry_after,
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests", detail)
        }
    }

    /// 503 while too many other requests are being processed.
    #[must_use]
    pub fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Try again", detail)
    }

    /// 503 while other requests use the memory.
    #[must_use]
    pub fn memory() -> Self {
        let detail = "too much memory is in use; retry later, or request less data at once";
        let problem =
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "memory", "Memory is short", detail)
                .of_bound("memory");
        let problem = problem.in_vietnamese(
            "máy chủ đang dùng quá nhiều bộ nhớ; hãy thử lại sau, hoặc yêu cầu ít dữ liệu hơn mỗi \
             lần",
        );
        Self { retry_after: Some(2), ..problem }
    }

    /// 503 while the ledger contains data that its hash chain does not cover, or its file has been
    /// moved.
    #[must_use]
    pub fn unsound(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unsound", "The ledger needs attention", detail)
    }

    /// 503 while the ledger is read again because its history has changed.
    #[must_use]
    pub fn replaced() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "other-history",
            "The ledger is being read again",
            Error::Replaced.to_string(),
        )
        .in_vietnamese(
            "sổ cái có lịch sử khác trước và đang được đọc lại; hãy thử lại sau giây lát",
        )
    }

    /// 412 when `If-Match` does not have the entity tag of the response.
    #[must_use]
    pub fn precondition_failed() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "precondition-failed",
            "Changed meanwhile",
            "the entity tag in If-Match is not the current one; read again",
        )
        .in_vietnamese("nhãn phiên bản trong If-Match không phải là nhãn hiện tại; hãy đọc lại")
    }

    /// Adds the detail in Vietnamese.
    #[must_use]
    pub fn in_vietnamese(self, detail: impl Into<String>) -> Self {
        Self { detail_vi: Some(detail.into().into_boxed_str()), ..self }
    }

    /// Adds the exceeded limit.
    #[must_use]
    pub fn of_bound(self, bound: &'static str) -> Self {
        Self { bound: Some(bound), ..self }
    }

    /// The exceeded limit, for the metric.
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
            "the service failed; its log has the cause",
        )
    }

    /// A problem document for a status that the framework set.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method",
                "Method not allowed",
                "this path does not have this method",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(format!(
                "the body is longer than {} bytes",
                super::constants::MAX_BODY
            )),
            StatusCode::NOT_FOUND => Self::new(status, "not-found", "Not found", "unknown path"),
            status if status.is_client_error() => {
                Self { status: status.as_u16(), ..Self::malformed("the request cannot be read") }
            }
            status => Self { status: status.as_u16(), ..Self::internal() },
        }
    }

    /// The problem with its sentences in Vietnamese; in a request in Vietnamese these take the
    /// place of the English ones.
    fn localized(self) -> Self {
        self.in_language(ResponseLanguage::current())
    }

    /// The problem with its texts in a language.
    #[must_use]
    pub fn in_language(mut self, language: ResponseLanguage) -> Self {
        self.errors = self.errors.into_iter().map(translated).collect();
        if self.detail_vi.is_none() {
            self.detail_vi = vietnamese(&self.detail).map(String::into_boxed_str);
        }
        if language == ResponseLanguage::Vi {
            if let Some(title) = vietnamese(&self.title) {
                self.title = Cow::Owned(title);
            }
            if let Some(detail) = &self.detail_vi {
                self.detail.clone_from(detail);
            }
            for fault in &mut self.errors {
                if let Some(detail) = &fault.detail_vi {
                    fault.detail = detail.to_string();
                }
            }
        }
        self
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
                ..Self::new(StatusCode::CONFLICT, "conflict", "Conflict with recorded data", detail)
            },
            Error::Unauthorized { detail, detail_vi } => {
                Self::unauthorized(detail).in_vietnamese(detail_vi)
            }
            Error::Forbidden { detail, obstacles } => {
                Self { errors: obstacles, ..Self::forbidden(detail) }
            }
            Error::Usage(detail) => {
                tracing::error!(detail, "a request failed because of an invalid setting");
                Self::internal()
            }
            Error::TooLarge(detail) => Self::too_large(detail),
            Error::Busy(detail) => Self::busy(detail).of_bound("writer"),
            Error::Memory(_) => Self::memory(),
            Error::Unsettled => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unsettled",
                "Not known whether the change was recorded",
                error.to_string(),
            ),
            Error::NotSettled => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "not-settled",
                "Not certain yet",
                error.to_string(),
            )
            .in_vietnamese("chưa xác định được dữ liệu đã ghi đến thời điểm đó; hãy thử lại"),
            Error::Behind(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "behind",
                "Revision not visible yet",
                error.to_string(),
            ),
            Error::OtherHistory { ref named, ref here } => Self::new(
                StatusCode::CONFLICT,
                "other-history",
                "Another history",
                error.to_string(),
            )
            .in_vietnamese(format!(
                "lần sửa đổi {named} thuộc một lịch sử khác của sổ cái, ở đây là {here}: sổ cái đã \
                 được khôi phục, hoặc máy chủ cơ sở dữ liệu đã mất một số lần sửa đổi; hãy đọc lại \
                 và gửi lại dữ liệu còn thiếu"
            )),
            Error::Replaced => Self::replaced(),
            Error::Environment { .. } => {
                tracing::error!(error = %error, "environment error");
                Self::internal()
            }
            Error::Store(StoreError::Clock(fault)) => Self::clock(fault),
            Error::Store(error) => {
                tracing::error!(
                    error = %error,
                    cause = ?std::error::Error::source(&error),
                    "ledger error"
                );
                match error {
                    StoreError::Unavailable(_) | StoreError::Full(_) | StoreError::ReadOnly(_) => {
                        Self::new(
                            StatusCode::SERVICE_UNAVAILABLE,
                            "unavailable",
                            "Try again",
                            error.to_string(),
                        )
                    }
                    StoreError::Withheld(_) => Self::new(
                        StatusCode::SERVICE_UNAVAILABLE,
                        "unavailable",
                        "Try again",
                        error.to_string(),
                    ),
                    StoreError::Unsound(_) => Self::unsound(error.public()),
                    StoreError::Misplaced => Self::from(Error::Unsettled),
                    StoreError::Address(_)
                    | StoreError::OlderSchema
                    | StoreError::NewerSchema { .. }
                    | StoreError::Corrupt { .. }
                    | StoreError::Conflict(_)
                    | StoreError::Invalid(_)
                    | StoreError::Backup { .. }
                    | StoreError::Clock(_)
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
        let body = serde_json::to_vec(&self.clone().localized()).unwrap_or_default();
        let mut answer = HttpResponse::build(self.status());
        if let Some(seconds) =
            self.retry_after.or((self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1))
        {
            answer.insert_header((RETRY_AFTER, usize::from(seconds)));
        }
        if let Some(bound) = self.met() {
            answer.extensions_mut().insert(ReachedLimit(bound));
        }
        let mut shown = self.clone();
        shown.errors.truncate(MAX_SHOWN);
        answer.extensions_mut().insert(ShownProblem(shown));
        answer.content_type(MEDIA_TYPE).body(body)
    }
}

/// The problem documents that any operation may return, for the OpenAPI document.
pub struct ProblemResponses;

impl utoipa::IntoResponses for ProblemResponses {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Response>> {
        let content =
            || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let of = |text: &str| {
            RefOr::T(
                ResponseBuilder::new().description(text).content(MEDIA_TYPE, content()).build(),
            )
        };
        [
            (
                "4XX".to_owned(),
                of(
                    "The request was not processed; `type`, `detail` and `errors` describe what is \
                     wrong with it.",
                ),
            ),
            (
                "5XX".to_owned(),
                of("The service cannot process the request now; `type` and `detail` give the \
                    cause. With 503, retry after `Retry-After` seconds."),
            ),
        ]
        .into()
    }
}
