//! The map of the crate: a figure is read ([`intake`]), validated ([`kpi`]), recorded in the
//! ledger ([`ledger`]), kept in the cube ([`kpi::cube`]), queried ([`app`]) and shown ([`api`],
//! [`web`], [`prometheus`]). [`server`] wires these together, [`cli`] runs the commands that
//! [`config`] parses, [`auth`] says who sends a request, [`dashboards`] makes Grafana's dashboards,
//! and [`generate`] invents figures for demos and benchmarks. [`memory`] is the memory budget of
//! all growing data, and [`logging`] writes the log within limits.

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboards;
pub mod error;
pub mod generate;
pub mod intake;
pub mod logging;
pub mod memory;
pub mod messages;
pub mod periodic;
pub mod prometheus;
pub mod render;
pub mod server;
pub mod sync;
pub mod watchdog;
pub mod web;
