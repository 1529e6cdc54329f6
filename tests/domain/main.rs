//! The domain from the outside: the engine against an independent model of the contract's arithmetic, cases
//! computed by hand, properties, findings, the shipped catalogue, and the direction of the crate's imports.

mod against_model;
mod case;
mod direction;
mod hand;
mod model;
mod properties;
mod rules;
mod shipped;
