//! Access: keys, roles, single sign-on, TLS, security headers and the audit log. From outside,
//! against real servers.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a test fails by panicking"
)]

mod audit;
mod browser;
mod cors;
mod ended;
mod figures;
mod instances;
mod issuer;
mod keys;
mod limits;
mod oidc;
mod opening;
mod owasp;
mod routes;
mod secrets;
mod sessions;
mod sign_on;
mod support;
mod texts;
mod tls;

use test_support::{database, harness, home};
