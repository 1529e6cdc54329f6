//! Who may do what: keys, roles, single sign-on, TLS, what browsers are told, and the audit. From the outside, against real servers.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

#[path = "../postgres/database.rs"]
mod database;
#[path = "../api/harness.rs"]
#[expect(dead_code, reason = "shared with the tests of the API, which use all of it")]
mod harness;
#[path = "../api/home.rs"]
mod home;
mod support;

mod audit;
mod browser;
mod figures;
mod instances;
mod keys;
mod limits;
mod oidc;
mod opening;
mod owasp;
mod routes;
mod secrets;
mod tls;
