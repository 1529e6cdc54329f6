//! `verify`: detects tampering and corruption of a ledger.

use std::path::Path;

use indicatif::ProgressBar;

use super::{CommandOutcome, print_line};
use crate::app::read::ledger::{VerificationResult, verify};
use crate::auth::api_keys::{KeySecret, unauthenticated_keys};
use crate::clock::time_text;
use crate::clock::{Clock, MAX_JUMP};
use crate::error::Error;
use ledger::Store;

/// Checks a ledger, and prints counts and errors.
///
/// # Errors
/// When the ledger is unavailable.
pub fn run(
    database: &str,
    hash: Option<&str>,
    key_secret: Option<&Path>,
) -> Result<CommandOutcome, Error> {
    let secret = key_secret.map(KeySecret::read).transpose()?;
    let hash = hash.map(parse_hash).transpose()?;
    // Opened for reading only, so that a ledger of an older format is not migrated.
    let store = Store::open_to_read(database)?;
    let bar = ProgressBar::new(0);
    let mut found = verify(&store, hash.as_deref(), |done, all| {
        bar.set_length(u64::try_from(all).unwrap_or(0));
        bar.set_position(u64::try_from(done).unwrap_or(0));
    })?;
    bar.finish_and_clear();
    print_line(format!(
        "revisions {}, rows {}, current figures {}, hash {}",
        found.revisions, found.rows, found.figures, found.hash
    ));
    warn_of_dates(&store)?;
    if let Some(secret) = secret {
        check_keys(&store, &mut found, secret)?;
    }
    found.faults.into_iter().for_each(print_line);
    if found.count == 0 {
        print_line("no errors found".to_owned());
        return Ok(CommandOutcome::Done);
    }
    print_line(format!("{} error(s)", found.count));
    Ok(CommandOutcome::Faults)
}

/// An earlier hash, or its beginning, as small letters.
fn parse_hash(text: &str) -> Result<String, Error> {
    let hash = text.trim().to_ascii_lowercase();
    let sound = (8..=64).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if sound {
        return Ok(hash);
    }
    let expected = "a hash of the ledger has 64 hexadecimal digits; its first 8 are sufficient";
    Err(Error::Usage(format!("--hash {text}: {expected}")))
}

/// Reports the keys with rows that the secret does not authenticate.
fn check_keys(
    store: &Store,
    found: &mut VerificationResult,
    secret: KeySecret,
) -> Result<(), Error> {
    let strangers = unauthenticated_keys(store, secret)?;
    found.count += strangers.len();
    found.faults.extend(strangers.into_iter().map(|id| {
        format!(
            "The key {id} was not written by an instance with the key secret (table declarations)."
        )
    }));
    Ok(())
}

/// Warns when the timestamp of the newest revision is in the future. That is not an error, but
/// later revisions get the same timestamp.
fn warn_of_dates(store: &Store) -> Result<(), Error> {
    let (clock, newest) = (Clock::default(), store.head()?.recorded_at);
    let now = store.server_time()?.unwrap_or_else(|| clock.machine_time());
    if newest.since(now) > MAX_JUMP {
        print_line(format!(
            "warning: the timestamp of the newest revision, {}, is in the future; new revisions \
             get the same timestamp until the clock has passed it",
            time_text(newest)
        ));
    }
    Ok(())
}
