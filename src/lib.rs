//! The map of the crate: a figure is read ([`intake`]), validated ([`kpi`]), recorded in the
//! ledger ([`ledger`]), kept in the cube ([`kpi::cube`]), queried ([`app`]) and shown ([`http`],
//! [`pages`], [`prometheus`]). [`server`] wires these together, [`command`] runs the commands that
//! [`config`] parses, and [`generate`] invents figures for demos and benchmarks. [`memory`] is the
//! memory budget of all growing data, and [`logging`] writes the log within limits.

pub mod app;
pub mod command;
pub mod config;
pub mod error;
pub mod generate;
pub mod http;
pub mod intake;
pub mod logging;
pub mod memory;
pub mod pages;
pub mod periodic;
pub mod prometheus;
pub mod server;
pub mod sync;
pub mod watchdog;
