//! What the test programs share: servers and clients (`harness`), the ledger of a test (`home`) and
//! PostgreSQL databases (`database`).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

pub mod database;
pub mod harness;
pub mod home;
