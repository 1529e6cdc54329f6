//! The service from outside: a real server on a free port with a real ledger, over HTTP, and the
//! real program on its command line. Expected values were computed by hand from
//! docs/specification.md.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod archive;
mod as_of;
mod bodies;
mod catalogue;
mod changes;
mod clients;
mod clocks;
mod closing;
mod command;
mod completeness;
mod crash;
mod declarations;
mod export;
mod faults;
mod fields;
mod geography;
mod health;
mod histories;
mod hostile;
mod idempotency;
mod instances;
mod invalid;
mod languages;
mod measure_choice;
mod not_applicable;
mod pages;
mod posting;
mod processes;
mod prometheus;
mod prometheus_states;
mod quality;
mod ranking;
mod readable_workbooks;
mod reading;
mod receipts;
mod report;
mod reports;
mod round_trips;
mod scorecard;
mod series;
mod spans;
mod steps;
mod units;
mod verify;
mod vintages;
mod workbook;
mod workbook_forms;
mod workbook_inputs;
mod workbooks;

use test_support::{database, harness, home};
