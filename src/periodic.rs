//! A thread that repeats a task at an interval until its handle is dropped.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Why the task runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tick {
    /// The interval has passed.
    Interval,
    /// The handle was dropped; the task does not run again.
    Last,
}

/// The handle of the thread. Dropping it runs the task once more, with [`Tick::Last`], and waits
/// for the thread to end.
pub struct PeriodicThread {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl PeriodicThread {
    /// Starts the thread; the task runs for the first time when the interval has passed.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        name: &str,
        interval: Duration,
        mut task: impl FnMut(Tick) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                task(Tick::Interval);
            }
            task(Tick::Last);
        };
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for PeriodicThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn the_task_runs_until_the_handle_is_dropped_and_then_once_more() {
        let (sender, ticks) = channel();
        let thread = PeriodicThread::start("test", Duration::from_millis(1), move |tick| {
            sender.send(tick).unwrap()
        })
        .unwrap();
        assert_eq!(ticks.recv().unwrap(), Tick::Interval);
        drop(thread);
        let rest: Vec<Tick> = ticks.iter().collect();
        assert_eq!(rest.last(), Some(&Tick::Last));
        assert_eq!(rest.iter().filter(|tick| **tick == Tick::Last).count(), 1);
    }
}
