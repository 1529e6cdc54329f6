//! The Prometheus interfaces: the service's own metrics at `/metrics` (names begin with
//! `egov_kpi_`), and the figures (names begin with `egov_`) through the Prometheus HTTP API and for
//! scraping.
//!
//! A query is parsed by the `promql-parser` crate, planned and evaluated by [`promql`]. Its series
//! are taken from the cube (`select.rs`) and the catalogue (`info.rs`), its memory from the budget
//! (`memory.rs`).

pub mod alerts;
pub mod exposition;
mod health;
pub mod info;
pub mod memory;
pub mod metadata;
pub mod names;
pub mod select;

pub use health::ServiceMetrics;
