//! `witness`: prints a line about the newest revision to store elsewhere, or checks a ledger
//! against such a line.

use super::{CommandOutcome, io};
use crate::app::witness;
use crate::error::Error;
use ledger::Store;

/// Prints the line of the newest revision, or checks a line; `-` reads it from standard input.
///
/// # Errors
/// When the ledger is unavailable, or does not pass `verify`.
pub fn run(database: &str, check: Option<&str>) -> Result<CommandOutcome, Error> {
    let store = Store::open_to_read(database)?;
    let Some(line) = check else {
        say!("{}", witness::line(&store)?);
        return Ok(CommandOutcome::Done);
    };
    let line = if line == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(io)?
    } else {
        line.to_owned()
    };
    if let Some(sentence) = witness::check(&store, &line)? {
        super::print_line(sentence.to_string());
        return Ok(CommandOutcome::Faults);
    }
    super::print_line(
        "the ledger has this revision, and the hash chain up to it is intact".to_owned(),
    );
    Ok(CommandOutcome::Done)
}
