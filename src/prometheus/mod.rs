//! The service as Prometheus sees it: its own health at `/metrics`, names beginning with `egov_kpi_`; and the figures, names beginning
//! with `egov_`, by the Prometheus HTTP API and for scraping.
//!
//! A query is parsed by the `promql-parser` crate, planned (`promql/plan.rs`: what is not supported says so by name), its series are taken
//! from the cube (`select.rs`), and evaluated at each step (`promql/eval.rs`).

pub mod exposition;
mod health;
pub mod labels;
pub mod metadata;
pub mod names;
pub mod promql;
pub mod select;

pub use health::Metrics;
