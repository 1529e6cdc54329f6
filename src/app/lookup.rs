//! Queries to the store on behalf of async code, which must not block.

use std::time::Duration;

use crate::error::Error;
use ledger::{Store, StoreError};

/// How long a request waits for a query to the database. A write waits as well for the writer
/// afterwards; the sum is the longest that it waits for a database that does not respond
/// (`docs/limits.md`).
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs a query on the store on a blocking thread, and waits at most [`LOOKUP_TIMEOUT`].
pub(super) async fn ask<T: Send + 'static>(
    store: &Store,
    question: impl FnOnce(&Store) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let store = store.clone();
    let asked = crate::sync::blocking(move || question(&store));
    match tokio::time::timeout(LOOKUP_TIMEOUT, asked).await {
        Ok(answered) => answered.map_err(|_e| Error::Busy(stopping()))?,
        Err(_elapsed) => {
            Err(Error::Store(StoreError::Unavailable("it did not respond in time".into())))
        }
    }
}

/// The message for tasks that arrive while the service is stopping.
pub(super) fn stopping() -> String {
    "the service is stopping; nothing was recorded".to_owned()
}
