//! The map of the crate: a figure is taken in ([`intake`]), judged ([`domain`]), written to the ledger
//! ([`store`]), held in the cube ([`domain::cube`]), asked for ([`app`]) and shown ([`http`], [`pages`],
//! [`prometheus`]). [`server`] wires these together, [`command`] carries out the command line that
//! [`config`] reads, and [`generate`] invents figures for demos and benchmarks.

pub mod app;
pub mod command;
pub mod config;
pub mod domain;
pub mod error;
pub mod generate;
pub mod http;
pub mod intake;
pub mod pages;
pub mod prometheus;
pub mod server;
pub mod store;
