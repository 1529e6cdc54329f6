//! `verify`: whether a ledger is as it was written.

use indicatif::ProgressBar;

use super::Outcome;
use crate::app::ledger::verify;
use crate::error::Error;
use crate::store::Store;

/// Checks a ledger and prints what it counted, or what is wrong.
///
/// # Errors
/// The ledger cannot be had.
pub fn run(database: &str, hash: Option<&str>) -> Result<Outcome, Error> {
    let store = Store::open(database, false)?;
    let bar = ProgressBar::new(0);
    let found = verify(&store, hash, |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(0));
        bar.set_position(u64::try_from(done).unwrap_or(0));
    })?;
    bar.finish_and_clear();
    say!(
        "revisions {}, rows {}, figures that stand {}, hash {}",
        found.revisions,
        found.rows,
        found.figures,
        found.hash
    );
    found.faults.iter().for_each(|fault| say!("{fault}"));
    if found.count == 0 {
        say!("the ledger is sound");
        return Ok(Outcome::Done);
    }
    say!("{} fault(s)", found.count);
    Ok(Outcome::Faults)
}
