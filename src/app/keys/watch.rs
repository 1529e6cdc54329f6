//! The thread that follows the keys: what other instances change is noticed, however busy the writer is, and uses are written down.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Ring;
use crate::app::writer::chain;
use crate::error::Error;
use crate::store::Store;

/// How often the ledger is asked whether keys were changed.
const POLL: Duration = Duration::from_millis(250);
/// How often uses that are due are written down.
const WRITE: Duration = Duration::from_secs(5);

/// Follows the keys until it is dropped; then uses that were not yet are written down.
pub struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(ring: Arc<Ring>, store: Store) -> Result<Self, Error> {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            let (mut failing, mut wrote) = (false, Instant::now());
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(POLL) {
                match ring.catch_up(&store) {
                    Err(error) if !failing => {
                        tracing::error!(error = %chain(&error), "the ledger cannot be asked for changes of keys; those known are taken");
                        failing = true;
                    }
                    Ok(()) if failing => {
                        tracing::info!("the ledger can be asked for changes of keys again");
                        failing = false;
                    }
                    Ok(()) | Err(_) => {}
                }
                if wrote.elapsed() >= WRITE {
                    wrote = Instant::now();
                    note(&ring, &store, false);
                }
            }
            note(&ring, &store, true);
        };
        let thread = std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(run)
            .map_err(Error::surroundings("the keys cannot be followed"))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn note(ring: &Ring, store: &Store, all: bool) {
    let due = ring.due(all);
    if !due.is_empty()
        && let Err(error) = store.note_key_uses(&due)
    {
        tracing::warn!(error = %chain(&error), keys = due.len(), "when keys were last used was not written down");
    }
}
