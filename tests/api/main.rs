//! The service from the outside: a real server on a free port over a real file, asked over HTTP, and the
//! real program on its command line. What is expected was computed by hand from the contract.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod archive;
mod as_of;
mod catalogue;
mod closing;
mod command;
mod completeness;
mod crash;
#[path = "../postgres/database.rs"]
mod database;
mod declarations;
mod faults;
mod geography;
mod harness;
mod health;
mod home;
mod hostile;
mod idempotency;
mod instances;
mod invalid;
mod posting;
mod processes;
mod prometheus;
mod quality;
mod ranking;
mod reading;
mod receipts;
mod report;
mod reports;
mod scorecard;
mod series;
mod steps;
mod units;
mod verify;
mod workbook;
mod workbooks;
