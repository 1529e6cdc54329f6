//! `serve`: the service over a ledger.

use std::io::Write;

use super::Outcome;
use crate::app::clock::Clock;
use crate::error::Error;
use crate::server::{self, Settings};

/// Runs until a signal.
///
/// # Errors
/// The address or the ledger cannot be had.
pub fn run(settings: &Settings, database: &str, clock: Clock) -> Result<Outcome, Error> {
    let database = database.to_owned();
    let running = server::start(settings, move || server::open(&database, clock), announce)?;
    running.until_signal()?;
    Ok(Outcome::Done)
}

/// The line that scripts wait for.
pub fn announce(address: std::net::SocketAddr) {
    let mut out = std::io::stdout().lock();
    let _closed = writeln!(out, "listening on http://{address}").and_then(|()| out.flush());
}
