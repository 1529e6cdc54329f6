//! The domain from the outside: the engine against an independent model of the contract's arithmetic.

mod against_model;
mod case;
mod hand;
mod model;
mod properties;
mod rules;
