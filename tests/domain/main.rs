//! The domain from the outside: the engine against an independent model of the contract's arithmetic, cases
//! computed by hand, properties, findings, the shipped catalogue, and the direction of the crate's imports.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and the model is written for the reader"
)]

mod against_model;
mod case;
mod direction;
mod hand;
mod model;
mod properties;
mod rules;
mod shipped;
