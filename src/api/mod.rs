//! The HTTP API: one file for each resource, with request and response types beside their handlers.
//! `routes.rs` lists the routes, `query.rs` reads query parameters, `body.rs` reads bodies,
//! `respond.rs` writes responses, and only `problem.rs` converts errors into responses.

pub mod access;
mod audit;
mod body;
mod bounds;
mod catalogue;
mod completeness;
mod constants;
mod context;
mod cors;
mod cursor;
mod declarations;
mod entity_tag;
mod examples;
mod export;
mod fields;
mod findings;
mod headers;
mod health;
mod idempotency;
mod json_text;
mod keys;
mod language;
pub mod limits;
mod measure_params;
mod observations;
mod operations;
mod periods;
mod point_text;
mod problem;
mod prometheus;
mod quality;
mod query;
mod ranking;
mod reports;
mod request_log;
mod request_route;
mod respond;
mod response_format;
mod revisions;
mod routes;
mod scorecard;
mod series;
mod submissions;
mod units;
mod vintages;
mod workbooks;

pub use body::{UploadedFile, upload_form};
pub use constants::{API, MAX_BODY, MAX_FORM};
pub use context::ServiceContext;
pub use cors::{cors, is_origin};
pub use headers::headers;
pub use health::ServiceMetrics;
pub use language::ResponseLanguage;

pub use problem::{HandlerResult, Problem, ShownProblem};
pub use reports::media_of;
pub use request_log::log_request;
pub use routes::{extras, openapi, openapi_text, routes};
