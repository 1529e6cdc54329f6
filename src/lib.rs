//! Placeholder.
pub mod app;
pub mod domain;
pub mod error;
pub mod http;
pub mod intake;
pub mod prometheus;
pub mod store;
