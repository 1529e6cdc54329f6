//! Use cases that only read: each computes its response from one snapshot.

pub mod audit;
pub mod completeness;
mod current_figures;
pub mod fields;
pub mod findings;
pub mod ledger;
pub mod me;
pub mod measure_choice;
pub mod observations;
pub mod overview;
pub mod past_submissions;
pub mod quality;
pub mod ranking;
pub mod scorecard;
pub mod series;
pub mod tried;
pub mod vintages;
