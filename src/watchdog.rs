//! The watchdog: notices stalled threads, logs which thread stalled and where, and lets `/livez`
//! fail.
//!
//! A stall is a request or task that keeps its thread for [`STALL`] without progress, or a thread
//! that waits that long for a lock. Every regular wait (for the database, a permit, a revision or a
//! client) is shorter. A writer thread that has ended while the service runs counts as a stall,
//! too.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::app::App;
use crate::error::Error;
use crate::periodic::{PeriodicThread, Tick};
use crate::sync::{BusyThread, busy_threads};

/// How long a thread may work on one request or task, or wait for a lock, before it counts as
/// stalled.
pub const STALL: Duration = Duration::from_secs(60);
/// How often the watchdog checks the threads.
const INTERVAL: Duration = Duration::from_secs(1);
/// The log names at most this many threads at once.
const NAMED: usize = 20;

/// Whether the service has stalled, as `/livez` reports it. All clones share the state.
#[derive(Clone, Debug, Default)]
pub struct StallHealth {
    stalled: Arc<AtomicBool>,
}

impl StallHealth {
    /// Whether a thread is stalled or the writer has ended.
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        self.stalled.load(Ordering::Relaxed)
    }

    /// Applies the result of one check of the threads, and logs when a stall begins or ends.
    fn observe(&self, busy: &[BusyThread], writer_runs: bool, limit: Duration) {
        let still = busy.iter().any(|thread| thread.since >= limit);
        let stalled = still || !writer_runs;
        if stalled == self.stalled.swap(stalled, Ordering::Relaxed) {
            return;
        }
        if stalled {
            tracing::error!(
                writer_runs,
                threads = %listed(busy),
                "a thread is stalled; /livez fails"
            );
        } else {
            tracing::info!("no thread is stalled any more");
        }
    }
}

/// Describes threads in words for the log, in the given order.
#[must_use]
pub fn listed(busy: &[BusyThread]) -> String {
    let mut text = String::new();
    for thread in busy.iter().take(NAMED) {
        let _infallible = write!(
            text,
            "{}: {} for {} s",
            thread.thread,
            thread.task.as_deref().unwrap_or("no task"),
            thread.since.as_secs()
        );
        if let Some(lock) = thread.awaited {
            let _infallible = write!(text, ", waits for the lock {lock}");
        }
        if let Some(lock) = thread.held {
            let _infallible = write!(text, ", holds the lock {lock}");
        }
        text.push_str("; ");
    }
    text.truncate(text.trim_end_matches("; ").len());
    text
}

/// Starts the thread that watches the other threads and the service's writer until its handle is
/// dropped.
///
/// # Errors
/// [`Error::Environment`] when the thread cannot be started.
pub fn start(app: App, health: StallHealth) -> Result<PeriodicThread, Error> {
    let watch = move |tick| {
        if tick == Tick::Interval {
            health.observe(&busy_threads(), app.writer_runs(), STALL);
        }
    };
    PeriodicThread::start("watchdog", INTERVAL, watch)
        .map_err(Error::environment("the watchdog cannot start"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(seconds: u64) -> BusyThread {
        let since = Duration::from_secs(seconds);
        BusyThread {
            thread: "worker".to_owned(),
            task: Some("GET /api/v1/series".into()),
            awaited: Some("current state"),
            held: None,
            since,
        }
    }

    #[test]
    fn a_stalled_thread_fails_the_health_check_until_it_continues() {
        let health = StallHealth::default();
        health.observe(&[busy(59)], true, STALL);
        assert!(!health.is_stalled());
        health.observe(&[busy(60), busy(1)], true, STALL);
        assert!(health.is_stalled());
        health.observe(&[], true, STALL);
        assert!(!health.is_stalled());
    }

    #[test]
    fn an_ended_writer_fails_the_health_check() {
        let health = StallHealth::default();
        health.observe(&[], false, STALL);
        assert!(health.is_stalled());
    }

    #[test]
    fn a_stall_is_described_by_thread_task_and_lock() {
        assert_eq!(
            listed(&[busy(61)]),
            "worker: GET /api/v1/series for 61 s, waits for the lock current state"
        );
        assert_eq!(listed(&[]), "");
    }
}
