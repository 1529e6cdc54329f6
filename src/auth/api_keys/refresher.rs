//! The thread that refreshes the API key cache with other instances' changes, independent of the
//! writer, and records when keys were used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cache::ApiKeyCache;
use crate::error::{Error, chain};
use crate::periodic::{PeriodicThread, Tick};
use ledger::Store;

/// How often the ledger is checked for changes of keys.
const POLL: Duration = Duration::from_millis(250);
/// How often pending uses are recorded.
const WRITE: Duration = Duration::from_secs(5);

/// Starts the thread that refreshes the API key cache until its handle is dropped; pending uses are
/// recorded then.
///
/// # Errors
/// [`Error::Environment`] when the thread cannot be started.
pub fn start(api_keys: Arc<ApiKeyCache>, store: Store) -> Result<PeriodicThread, Error> {
    let (mut failing, mut wrote) = (false, Instant::now());
    let follow = move |tick| {
        if tick == Tick::Last {
            return write_uses(&api_keys, &store, true);
        }
        match api_keys.catch_up(&store) {
            Err(error) if !failing => {
                tracing::error!(error = %chain(&error),
                    "the ledger cannot be checked for changes of keys; the known keys remain \
                     valid");
                failing = true;
            }
            Ok(()) if failing => {
                tracing::info!("the ledger can be checked for changes of keys again");
                failing = false;
            }
            Ok(()) | Err(_) => {}
        }
        if wrote.elapsed() >= WRITE {
            wrote = Instant::now();
            write_uses(&api_keys, &store, false);
        }
    };
    PeriodicThread::start("keys", POLL, follow)
        .map_err(Error::environment("the thread that refreshes the keys cannot start"))
}

fn write_uses(api_keys: &ApiKeyCache, store: &Store, all: bool) {
    let due = api_keys.uses_to_write(all);
    if !due.is_empty()
        && let Err(error) = store.record_api_key_usage(&due)
    {
        tracing::warn!(
            error = %chain(&error),
            keys = due.len(),
            "the last use of keys was not recorded"
        );
    }
}
