//! Named locks, and a record of what each thread is doing.
//!
//! No thread takes one of these locks while it holds another: debug builds and tests panic where
//! one does, so two of these locks cannot deadlock. For each thread the board records the request
//! or task it works on and the lock it holds or waits for; the watchdog reads the board when a
//! thread stalls.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What one thread is doing.
#[derive(Clone, Debug, Default)]
struct ThreadActivity {
    /// The request or task, and when it began.
    task: Option<(Arc<str>, Instant)>,
    /// The lock it waits for, and when the wait began.
    awaited: Option<(&'static str, Instant)>,
    /// The lock it holds.
    held: Option<&'static str>,
}

/// A thread's entry on the board.
#[derive(Debug)]
struct BoardSlot {
    thread: String,
    activity: parking_lot::Mutex<ThreadActivity>,
}

/// The entries of all running threads that have had a task or taken a lock.
static BOARD: parking_lot::Mutex<Vec<Weak<BoardSlot>>> = parking_lot::Mutex::new(Vec::new());

thread_local! {
    static SLOT: Arc<BoardSlot> = new_slot();
    static TASK: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

fn new_slot() -> Arc<BoardSlot> {
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let slot = Arc::new(BoardSlot { thread, activity: parking_lot::Mutex::default() });
    let mut board = BOARD.lock();
    board.retain(|slot| slot.strong_count() > 0);
    board.push(Arc::downgrade(&slot));
    slot
}

/// Changes this thread's entry. Does nothing while the thread is ending.
fn note(change: impl FnOnce(&mut ThreadActivity)) {
    let _ending = SLOT.try_with(|slot| change(&mut slot.activity.lock()));
}

/// Guard: this thread works on the named task until the guard is dropped.
pub struct TaskGuard {
    before: Option<Arc<str>>,
}

impl TaskGuard {
    /// Enters a task on the board; dropping the guard restores the task of before.
    #[must_use]
    pub fn enter(name: Arc<str>) -> Self {
        let entered = Some(Arc::clone(&name));
        let before = TASK.try_with(|task| task.replace(entered)).ok().flatten();
        note(|activity| activity.task = Some((name, Instant::now())));
        Self { before }
    }
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ending = TASK.try_with(|task| task.replace(before.clone()));
        note(|activity| activity.task = before.map(|name| (name, Instant::now())));
    }
}

/// The name of the task that this thread works on.
#[must_use]
pub fn task() -> Option<Arc<str>> {
    TASK.try_with(|task| task.borrow().clone()).ok().flatten()
}

/// Runs blocking work on the pool of blocking threads, under the name of the calling task.
///
/// # Errors
/// When the work panicked, or the runtime is shutting down.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let name = task();
    tokio::task::spawn_blocking(move || {
        let _task = name.map(TaskGuard::enter);
        work()
    })
    .await
}

/// What a thread has been doing, and for how long.
#[derive(Clone, Debug)]
pub struct BusyThread {
    /// The thread's name.
    pub thread: String,
    /// The request or task it works on.
    pub task: Option<Arc<str>>,
    /// The lock it waits for.
    pub awaited: Option<&'static str>,
    /// The lock it holds.
    pub held: Option<&'static str>,
    /// How long it has worked on the task or waited for the lock.
    pub since: Duration,
}

/// All threads that work on a task, or wait for or hold a lock, longest first.
#[must_use]
pub fn busy_threads() -> Vec<BusyThread> {
    let slots: Vec<Arc<BoardSlot>> = BOARD.lock().iter().filter_map(Weak::upgrade).collect();
    let mut found = Vec::new();
    for slot in slots {
        let activity = slot.activity.lock().clone();
        let since = activity
            .awaited
            .map(|(_, since)| since)
            .into_iter()
            .chain(activity.task.as_ref().map(|(_, since)| *since))
            .min();
        if since.is_some() || activity.held.is_some() {
            found.push(BusyThread {
                thread: slot.thread.clone(),
                task: activity.task.map(|(name, _)| name),
                awaited: activity.awaited.map(|(lock, _)| lock),
                held: activity.held,
                since: since.map_or(Duration::ZERO, |since| since.elapsed()),
            });
        }
    }
    found.sort_by_key(|stalled| std::cmp::Reverse(stalled.since));
    found
}

/// Takes a lock, and records on the board that this thread waits for it and then that it holds it.
fn acquire<G>(
    name: &'static str,
    at_once: impl FnOnce() -> Option<G>,
    waiting: impl FnOnce() -> G,
) -> G {
    note(|activity| {
        debug_assert!(
            activity.held.is_none(),
            "the lock {name} is taken while {:?} is held",
            activity.held
        )
    });
    let guard = at_once().unwrap_or_else(|| {
        note(|activity| activity.awaited = Some((name, Instant::now())));
        waiting()
    });
    note(|activity| (activity.awaited, activity.held) = (None, Some(name)));
    guard
}

/// Clears the held lock on the board when dropped. The guards drop it after the lock itself.
struct HeldLock;

impl Drop for HeldLock {
    fn drop(&mut self) {
        note(|activity| activity.held = None);
    }
}

/// A mutex with a name.
#[derive(Debug)]
pub struct Mutex<T> {
    name: &'static str,
    inner: parking_lot::Mutex<T>,
}

impl<T> Mutex<T> {
    /// Creates a mutex around a value; `name` appears in logs and panics.
    pub const fn new(name: &'static str, value: T) -> Self {
        Self { name, inner: parking_lot::Mutex::new(value) }
    }

    /// Waits for the lock. A panic of the thread that held it does not poison it.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard {
            guard: acquire(self.name, || self.inner.try_lock(), || self.inner.lock()),
            _held: HeldLock,
        }
    }
}
impl<T: Default> Default for Mutex<T> {
    /// Named after the type that it protects.
    fn default() -> Self {
        Self::new(std::any::type_name::<T>(), T::default())
    }
}

/// Access to the value of a locked [`Mutex`].
pub struct MutexGuard<'a, T> {
    guard: parking_lot::MutexGuard<'a, T>,
    _held: HeldLock,
}

/// A lock for one writer or several readers, with a name.
#[derive(Debug)]
pub struct RwLock<T> {
    name: &'static str,
    inner: parking_lot::RwLock<T>,
}

impl<T> RwLock<T> {
    /// Creates a lock around a value; `name` appears in logs and panics.
    pub const fn new(name: &'static str, value: T) -> Self {
        Self { name, inner: parking_lot::RwLock::new(value) }
    }

    /// Waits for read access.
    pub fn read(&self) -> ReadGuard<'_, T> {
        ReadGuard {
            guard: acquire(self.name, || self.inner.try_read(), || self.inner.read()),
            _held: HeldLock,
        }
    }

    /// Waits for write access.
    pub fn write(&self) -> WriteGuard<'_, T> {
        WriteGuard {
            guard: acquire(self.name, || self.inner.try_write(), || self.inner.write()),
            _held: HeldLock,
        }
    }
}
impl<T: Default> Default for RwLock<T> {
    /// Named after the type that it protects.
    fn default() -> Self {
        Self::new(std::any::type_name::<T>(), T::default())
    }
}

/// Read access to the value of a locked [`RwLock`].
pub struct ReadGuard<'a, T> {
    guard: parking_lot::RwLockReadGuard<'a, T>,
    _held: HeldLock,
}

/// Write access to the value of a locked [`RwLock`].
pub struct WriteGuard<'a, T> {
    guard: parking_lot::RwLockWriteGuard<'a, T>,
    _held: HeldLock,
}

macro_rules! deref {
    ($($guard:ident),*) => {$(
        impl<T> Deref for $guard<'_, T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.guard
            }
        }
    )*};
}

deref!(MutexGuard, ReadGuard, WriteGuard);

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Checks for deadlocks every 100 ms; logs the backtraces of the threads and aborts the process
/// when there is one. Only with the feature `deadlock-detection`, which is on in all tests.
#[cfg(feature = "deadlock-detection")]
pub fn detect_deadlocks() {
    static STARTED: std::sync::Once = std::sync::Once::new();
    STARTED.call_once(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(100));
                let deadlocks = parking_lot::deadlock::check_deadlock();
                for thread in deadlocks.iter().flatten() {
                    tracing::error!(
                        thread = ?thread.thread_id(),
                        backtrace = ?thread.backtrace(),
                        "deadlock"
                    );
                }
                if !deadlocks.is_empty() {
                    std::process::abort();
                }
            }
        });
    });
}

/// Does nothing without the feature `deadlock-detection`.
#[cfg(not(feature = "deadlock-detection"))]
pub const fn detect_deadlocks() {}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn of_thread(name: &str) -> Option<BusyThread> {
        busy_threads().into_iter().find(|stalled| stalled.thread == name)
    }

    #[test]
    fn the_board_shows_the_task_and_locks_of_a_waiting_thread() {
        static LOCK: Mutex<()> = Mutex::new("a lock", ());
        let guard = LOCK.lock();
        let (ended, wait) = channel();
        let thread =
            std::thread::Builder::new().name("waiting for a lock".to_owned()).spawn(move || {
                let _task = TaskGuard::enter("GET /somewhere".into());
                drop(LOCK.lock());
                ended.send(()).unwrap();
            });
        let stalled = loop {
            match of_thread("waiting for a lock") {
                Some(stalled) if stalled.awaited.is_some() => break stalled,
                _ => std::thread::yield_now(),
            }
        };
        assert_eq!(
            (stalled.task.as_deref(), stalled.awaited, stalled.held),
            (Some("GET /somewhere"), Some("a lock"), None)
        );
        drop(guard);
        wait.recv().unwrap();
        thread.unwrap().join().unwrap();
        assert!(of_thread("waiting for a lock").is_none());
    }

    #[test]
    #[should_panic(expected = "the lock second is taken while Some(\"first\") is held")]
    fn taking_a_lock_while_holding_another_panics() {
        let (first, second) = (Mutex::new("first", ()), RwLock::new("second", ()));
        let _held = first.lock();
        drop(second.read());
    }

    #[test]
    fn ending_a_nested_task_restores_the_outer_task_name() {
        let outer = TaskGuard::enter("outer".into());
        drop(TaskGuard::enter("inner".into()));
        assert_eq!(task().as_deref(), Some("outer"));
        drop(outer);
        assert_eq!(task(), None);
    }
}
