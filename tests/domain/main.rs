//! The core from the outside: the engine compared with an independent model of the
//! specification's arithmetic, cases computed by hand, properties, findings, the shipped catalogue,
//! and the direction of imports.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod against_model;
mod case;
mod comparisons;
mod dashboards;
mod direction;
mod hand;
mod mutations;
mod properties;
mod roll_ups;
mod rules;
mod shipped;

use independent_model as model;
