//! Threads for work that takes long: large responses, Excel files, documents, PromQL. They have a
//! lower priority than the other threads, so that short requests are processed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::api::problem::Problem;
use crate::sync::TaskGuard;

/// The niceness of the threads.
const NICE: i32 = 5;

/// Lets other threads go before the calling one, and before those that it starts.
pub fn lower_priority() {
    // On Linux `None` is the calling thread. Without the permission it keeps its priority.
    let _not_permitted = rustix::process::setpriority_process(None, NICE);
}

/// The pool of threads.
pub struct HeavyThreads {
    runtime: Option<Runtime>,
    turns: Arc<Semaphore>,
    count: usize,
}

impl Drop for HeavyThreads {
    fn drop(&mut self) {
        // Running work is not waited for: its client has gone.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl HeavyThreads {
    /// Starts two threads per processor, at least four, so that short work does not wait behind
    /// long work.
    ///
    /// # Errors
    /// When threads cannot be started.
    pub fn start() -> std::io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 32) * 2;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_time()
            .max_blocking_threads(count)
            .thread_name("heavy")
            .on_thread_start(lower_priority)
            .build()?;
        Ok(Self { runtime: Some(runtime), turns: Arc::new(Semaphore::new(count)), count })
    }

    /// The number of threads.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Runs work on one of the threads, once one is free.
    ///
    /// # Errors
    /// 503 when none becomes free in time, 500 when the work panics.
    pub async fn run<T: Send + 'static>(
        &self,
        wait: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || Problem::busy("too many concurrent requests; retry later").of_bound("turn");
        let turn = tokio::time::timeout(wait, Arc::clone(&self.turns).acquire_owned())
            .await
            .map_err(|_elapsed| busy())?
            .map_err(|_closed| busy())?;
        let runtime = self.runtime.as_ref().ok_or_else(Problem::internal)?;
        let name = crate::sync::task();
        let working = runtime.spawn_blocking(move || {
            let _task = name.map(TaskGuard::enter);
            let _turn = turn; // held until the work is done, even if the client has gone
            work()
        });
        working.await.map_err(|_panicked| Problem::internal())
    }
}
