//! The one writer: a thread that records what comes in, one task after the other, takes in what another process has written, and shows
//! both in the cube only once they are durable.

mod group;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chrono::Utc;
use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};

use super::access::Identity;
use super::keyed::{Given, KEPT, Keyed};
use super::state::{Frame, News, State};
use super::submissions::{Kept, Receipt};
use crate::domain::observation::Submission;
use crate::error::Error;
use crate::intake::Envelope;
use crate::store::{Commit, Store, WriteOutcome};

/// Most tasks waiting for the writer; more are told to come again.
const QUEUE: usize = 1_024;
/// How often the ledger is looked at for what another process has written.
const POLL: Duration = Duration::from_millis(200);
/// How often a commit is tried again because another process was faster.
const ATTEMPTS: usize = 20;
/// How long the writer asks a database that broke off whether it has recorded what it was given, and how often.
const SETTLING: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How often old answers to idempotency keys are deleted.
const FORGET: Duration = Duration::from_secs(600);

/// A submission on its way into the ledger.
pub(super) struct Submit {
    pub submission: Submission,
    /// What it was parsed against; if that is no longer the latest, it is parsed again.
    pub frame: Frame,
    pub envelope: Envelope,
    pub by: Identity,
    pub withdraws: Option<Withdrawal>,
    pub keyed: Option<Keyed>,
    /// What is kept of the report that it was read from.
    pub kept: Option<Arc<Kept>>,
    pub reply: oneshot::Sender<Result<Reply, Error>>,
}

/// The submission that another one takes back.
pub(super) struct Withdrawal {
    pub id: String,
    pub revision: i64,
}

/// What becomes of a submission.
pub(super) enum Reply {
    Done(Given<Receipt>),
    /// The catalogue, the units or the closed months have changed since it was parsed.
    Stale,
}

enum Task {
    Submit(Box<Submit>),
    Exclusive(Box<dyn FnOnce(&Desk) + Send>),
    /// Another process has written.
    Wake,
    Stop,
}

/// What the writer has done since the start.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Submissions recorded.
    pub submissions: AtomicU64,
    /// Figures recorded.
    pub figures: AtomicU64,
    /// Transactions that recorded them.
    pub transactions: AtomicU64,
    /// When the last one ended, in microseconds since 1970; 0 before the first.
    pub last_write: AtomicI64,
}

/// What a task works on. Only the writer's thread has it, so that whoever has it writes alone.
pub(super) struct Desk {
    pub state: Arc<RwLock<State>>,
    pub store: Store,
    statistics: Arc<Statistics>,
    /// Tells readers that wait for a revision.
    reached: watch::Sender<i64>,
}

/// The handle of the writer's thread.
pub(super) struct Writer {
    tasks: Arc<SyncSender<Task>>,
    statistics: Arc<Statistics>,
    revisions: watch::Receiver<i64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub fn start(state: Arc<RwLock<State>>, store: Store) -> Result<Self, Error> {
        let (tasks, waiting) = sync_channel(QUEUE);
        let statistics = Arc::new(Statistics::default());
        let (reached, _) = watch::channel(state.read().revision);
        let revisions = reached.subscribe();
        let tasks = Arc::new(tasks);
        // Weak, so that the store's listening does not keep the writer alive. A full queue needs no waking.
        let wake = Arc::downgrade(&tasks);
        store.on_change(move || drop(wake.upgrade().map(|tasks| tasks.try_send(Task::Wake))));
        let desk = Desk { state, store, statistics: Arc::clone(&statistics), reached };
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || desk.run(&waiting));
        let thread = thread.map_err(Error::surroundings("the writer cannot start"))?;
        Ok(Self { tasks, statistics, revisions, thread: Mutex::new(Some(thread)) })
    }

    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The newest revision that readers see, and its changes.
    pub fn revisions(&self) -> watch::Receiver<i64> {
        self.revisions.clone()
    }

    /// Hands a submission over; the answer comes through its `reply`.
    pub fn submit(&self, submit: Submit) -> Result<(), Error> {
        self.send(Task::Submit(Box::new(submit)))
    }

    /// Runs a change of units or catalogue alone.
    pub fn exclusive<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Desk) -> Result<T, Error> + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        let run = move |desk: &Desk| drop(reply.send(change(desk)));
        Pending { answer: self.send(Task::Exclusive(Box::new(run))).map(|()| answer) }
    }

    pub fn stop(&self) {
        let _gone = self.tasks.send(Task::Stop);
        if let Some(thread) = self.thread.lock().take() {
            let _panicked = thread.join();
        }
    }

    fn send(&self, task: Task) -> Result<(), Error> {
        self.tasks.try_send(task).map_err(|error| {
            Error::Busy(match error {
                TrySendError::Full(_) => "too many submissions are waiting; try again".to_owned(),
                TrySendError::Disconnected(_) => stopping(),
            })
        })
    }
}

/// An answer that the writer will give.
pub struct Pending<T> {
    answer: Result<oneshot::Receiver<Result<T, Error>>, Error>,
}

impl<T> Pending<T> {
    /// Waits for it without holding the thread.
    pub(super) async fn answer(self) -> Result<T, Error> {
        self.answer?.await.unwrap_or_else(|_stopped| Err(Error::Busy(stopping())))
    }

    /// Waits for it; not to be called on an async thread.
    pub(super) fn wait(self) -> Result<T, Error> {
        self.answer?.blocking_recv().unwrap_or_else(|_stopped| Err(Error::Busy(stopping())))
    }
}

pub(super) fn stopping() -> String {
    "the service is stopping; nothing was recorded".to_owned()
}

/// Looks at the ledger now and then for what another process has written.
struct Lookout {
    seen: Option<i64>,
    last: Instant,
    failing: bool,
    forgot: Instant,
}

impl Desk {
    fn run(&self, waiting: &Receiver<Task>) {
        let now = Instant::now();
        // Nothing is taken for seen: others may have written while the ledger was being read.
        let mut lookout = Lookout { seen: None, last: now, failing: false, forgot: now };
        loop {
            let mut next = match waiting.recv_timeout(POLL) {
                Ok(task) => Some(task),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut woken = false;
            while let Some(task) = next.take() {
                match task {
                    Task::Stop => return,
                    Task::Wake => woken = true,
                    Task::Exclusive(run) => run(self),
                    Task::Submit(first) => next = self.group(*first, waiting),
                }
            }
            if woken || lookout.last.elapsed() >= POLL {
                self.look_out(&mut lookout);
            }
        }
    }

    fn look_out(&self, lookout: &mut Lookout) {
        lookout.last = Instant::now();
        let looked = self.store.data_version().map_err(Error::from).and_then(|version| {
            if lookout.seen != Some(version) {
                self.catch_up()?;
                lookout.seen = Some(version);
            }
            Ok(())
        });
        match looked {
            Err(error) if !lookout.failing => {
                tracing::error!(error = %chain(&error), "the ledger cannot be looked at for new revisions; answers are given from memory");
                lookout.failing = true;
            }
            Ok(()) if lookout.failing => {
                tracing::info!("the ledger can be looked at again");
                lookout.failing = false;
            }
            Ok(()) | Err(_) => {}
        }
        if lookout.forgot.elapsed() >= FORGET {
            lookout.forgot = Instant::now();
            if let Err(error) = self.store.forget_keys(Utc::now().timestamp_micros() - KEPT) {
                tracing::warn!(error = %chain(&error), "old answers to idempotency keys were not deleted");
            }
        }
    }

    /// Takes in what another process has written. Reads without holding up anybody, and only then shows it.
    pub fn catch_up(&self) -> Result<(), Error> {
        loop {
            let revision = self.state.read().revision;
            let Some(news) = News::behind(&self.store, revision)? else { return Ok(()) };
            let mut state = self.state.write();
            state.take_in(news)?;
            self.announce(&state);
        }
    }

    /// Says that a state shows a commit.
    pub fn reached(&self, state: &mut State, commit: &Commit) {
        state.advance(commit.revision, commit.recorded_at);
        self.announce(state);
    }

    /// Tells readers that wait for a revision which one the state has reached.
    pub fn announce(&self, state: &State) {
        self.reached.send_replace(state.revision);
    }

    /// Whether a commit is in the ledger whose writing broke off; none when the database does not say in time.
    fn settle(&self, commit: Option<&Commit>) -> Option<bool> {
        let commit = commit?;
        let began = Instant::now();
        loop {
            match self.store.recorded(commit) {
                Ok(found) => return Some(found),
                Err(_unreachable) if began.elapsed() < SETTLING => std::thread::sleep(ASK_AGAIN),
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the database does not say whether a commit was recorded");
                    return None;
                }
            }
        }
    }

    /// Counts what was written.
    pub fn count(&self, commits: &[Commit]) {
        let Some(last) = commits.last() else { return };
        let number = |count: usize| u64::try_from(count).unwrap_or(0);
        let submissions = commits.iter().filter(|commit| commit.submission.is_some()).count();
        self.statistics.submissions.fetch_add(number(submissions), Ordering::Relaxed);
        self.statistics.figures.fetch_add(
            number(commits.iter().map(|commit| commit.observations.len()).sum()),
            Ordering::Relaxed,
        );
        self.statistics.transactions.fetch_add(1, Ordering::Relaxed);
        self.statistics.last_write.store(last.recorded_at, Ordering::Relaxed);
    }

    /// Writes one commit that is no submission, taking in what another process wrote before. `prepare` looks at the latest state and
    /// says what is to be written, or nothing; `answer` makes the answer of what it found, which is kept for a key.
    pub fn change<T, A: Serialize + DeserializeOwned>(
        &self,
        keyed: Option<&Keyed>,
        prepare: impl Fn(&State) -> Result<(T, Option<Commit>), Error>,
        answer: impl Fn(i64, &T) -> A,
    ) -> Result<Change<T, A>, Error> {
        for _attempt in 0..ATTEMPTS {
            if let Some(given) = keyed.map_or(Ok(None), |keyed| keyed.answered(&self.store))? {
                return Ok(Change { given, commit: None, found: None });
            }
            let (head, prepared) = {
                let state = self.state.read();
                (state.revision, prepare(&state))
            };
            // A refusal, and that nothing changes, hold only against the ledger's newest revision.
            if !matches!(prepared, Ok((_, Some(_))))
                && self.store.head().is_ok_and(|newest| newest.revision != head)
            {
                self.catch_up()?;
                continue;
            }
            let (found, commit) = prepared?;
            let answer = answer(commit.as_ref().map_or(head, |commit| commit.revision), &found);
            let now = Utc::now().timestamp_micros();
            let key = keyed.map(|keyed| keyed.keep(&answer, now)).transpose()?;
            let written = Change { given: Given::first(answer), commit, found: Some(found) };
            if written.commit.is_none() && key.is_none() {
                return Ok(written);
            }
            match self.store.write(head, written.commit.as_slice(), key.as_slice()) {
                Ok(WriteOutcome::Written) => {}
                Ok(WriteOutcome::Behind(_)) => {
                    self.catch_up()?;
                    continue;
                }
                Err(error) if error.is_passing() => match self.settle(written.commit.as_ref()) {
                    Some(true) => {}
                    Some(false) => return Err(Error::Store(error)),
                    None => return Err(Error::Unsettled),
                },
                Err(error) => return Err(Error::Store(error)),
            }
            self.count(written.commit.as_slice());
            return Ok(written);
        }
        Err(Error::Busy("other processes are writing to the ledger; try again.".to_owned()))
    }
}

/// What became of a change that is no submission.
pub(super) struct Change<T, A> {
    /// The answer.
    pub given: Given<A>,
    /// What was written, if anything.
    pub commit: Option<Commit>,
    /// What `prepare` found; none when the answer was given before.
    pub found: Option<T>,
}

/// An error with its causes, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string())
        .chain(causes.map(ToString::to_string))
        .collect::<Vec<_>>()
        .join(": ")
}

/// From where a change comes, as the ledger keeps it.
pub(super) fn origin(by: &Identity) -> Option<String> {
    serde_json::to_string(&by.origin).ok()
}

/// An empty commit behind a state.
pub(super) fn empty_commit(state: &State, kind: &str, by: &Identity) -> Commit {
    Commit {
        revision: state.revision + 1,
        recorded_at: state.clock.now().max(state.recorded_at),
        kind: kind.to_owned(),
        actor: by.actor.clone(),
        origin: origin(by),
        ..Commit::default()
    }
}
