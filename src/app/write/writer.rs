//! The single writer: a thread that records tasks one after the other, applies what other processes
//! have written, and makes both visible only once they are durable.

mod batch;
mod history;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};

use super::idempotency::{IdempotencyKey, RETENTION, Replayable, WriteResponse};
use super::receipt::{Receipt, ReportRecord};
use crate::app::current::CurrentState;
use crate::app::history::LedgerHistory;
use crate::app::lookup::stopping;
use crate::app::snapshot::PastStates;
use crate::app::state::{ExternalChanges, State, ValidationContext};
use crate::auth::api_keys::cache::ApiKeyCache;
use crate::auth::identity::Identity;
use crate::clock::Clock;
use crate::error::{Error, chain};
use crate::intake::SubmissionEnvelope;
use crate::sync::{Mutex, TaskGuard};
use kpi::observation::Submission;
use ledger::RevisionNumber;
use ledger::chain::Hash;
use ledger::{AppendOutcome, Commit, RevisionId, Store, StoreError, chain as hash_chain};

/// Length of the writer's queue; further tasks are refused and may be retried.
const QUEUE: usize = 1_024;
/// How often the ledger is checked for revisions of other processes.
const POLL: Duration = Duration::from_millis(200);
/// How long a commit is tried again when another process was faster each time. The limit is a time
/// and not a number of attempts, because of two busy processes one can lose many short races in a
/// row.
const RACE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the writer asks the database, after the connection broke, whether a commit was
/// recorded, and how often.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
const CONFIRM_INTERVAL: Duration = Duration::from_millis(250);
/// How often the clocks are compared.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// How often expired responses to idempotency keys are deleted.
const PURGE_INTERVAL: Duration = Duration::from_secs(600);

/// A validated submission on its way into the ledger.
pub(in crate::app) struct QueuedSubmission {
    pub submission: Submission,
    /// The validation context that it was parsed in; when it is no longer current, the submission
    /// is parsed again.
    pub context: ValidationContext,
    pub envelope: SubmissionEnvelope,
    pub by: Identity,
    pub withdraws: Option<WithdrawnSubmission>,
    pub idempotency: Option<IdempotencyKey>,
    /// The stored part of the report that the figures were read from.
    pub kept: Option<Arc<ReportRecord>>,
    pub reply: oneshot::Sender<Result<SubmissionReply, Error>>,
}

/// The submission to withdraw the figures of.
pub(in crate::app) struct WithdrawnSubmission {
    pub id: String,
    pub revision: RevisionNumber,
}

/// The writer's reply to a submission.
pub(in crate::app) enum SubmissionReply {
    Done(Replayable<Receipt>),
    /// The validation context has changed since the submission was parsed.
    Stale,
}

enum WriterTask {
    Submit(Box<QueuedSubmission>),
    Exclusive(Box<dyn FnOnce(&WriterContext) + Send>),
    /// Another process has written to the ledger.
    Wake,
    Stop,
}

/// Counters of the writer since the start of the process.
#[derive(Debug, Default)]
pub struct WriterStatistics {
    /// Submissions recorded.
    pub submissions: AtomicU64,
    /// Figures recorded.
    pub figures: AtomicU64,
    /// Transactions that recorded submissions.
    pub transactions: AtomicU64,
    /// When the last transaction ended, in microseconds since 1970; 0 before the first.
    pub last_write: AtomicI64,
}

/// The context of a task. Only the writer's thread has it, so its holder is the only one that
/// writes.
pub(in crate::app) struct WriterContext {
    pub state: Arc<CurrentState>,
    pub store: Store,
    pub clock: Clock,
    statistics: Arc<WriterStatistics>,
    /// Notifies readers that wait for a revision.
    reached: watch::Sender<RevisionNumber>,
    trouble: WriteTrouble,
    api_keys: Arc<ApiKeyCache>,
    pasts: Arc<PastStates>,
    history: Arc<LedgerHistory>,
    /// When reading a ledger with another history last failed.
    adoption_failed: Mutex<Option<Instant>>,
}

/// The parts of the ledger that are kept in memory.
pub(in crate::app) struct InMemoryState {
    pub state: Arc<CurrentState>,
    pub api_keys: Arc<ApiKeyCache>,
    pub pasts: Arc<PastStates>,
    pub history: Arc<LedgerHistory>,
}

/// Why nothing can be recorded at present.
type WriteTrouble = Arc<Mutex<Option<String>>>;

/// The handle of the writer's thread.
pub(in crate::app) struct WriterHandle {
    tasks: Arc<SyncSender<WriterTask>>,
    statistics: Arc<WriterStatistics>,
    revisions: watch::Receiver<RevisionNumber>,
    trouble: WriteTrouble,
    /// How long a result is awaited; without end in commands.
    timeout: OnceLock<Duration>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl WriterHandle {
    /// Starts the writer's thread.
    pub fn start(memory: InMemoryState, store: Store, clock: Clock) -> Result<Self, Error> {
        let InMemoryState { state, api_keys, pasts, history } = memory;
        let (tasks, waiting) = sync_channel(QUEUE);
        let statistics = Arc::new(WriterStatistics::default());
        let (reached, _) = watch::channel(state.snapshot().revision);
        let revisions = reached.subscribe();
        let tasks = Arc::new(tasks);
        // Weak, so that the store's listener does not keep the writer alive. A full queue needs no
        // wake-up.
        let wake = Arc::downgrade(&tasks);
        store.on_change(move || drop(wake.upgrade().map(|tasks| tasks.try_send(WriterTask::Wake))));
        let trouble = WriteTrouble::default();
        let adoption_failed = Mutex::new("failed reading of another history", None);
        let writer = WriterContext {
            state,
            store,
            clock,
            statistics: Arc::clone(&statistics),
            reached,
            trouble: Arc::clone(&trouble),
            api_keys,
            pasts,
            history,
            adoption_failed,
        };
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || writer.run(&waiting));
        let thread = thread.map_err(Error::environment("the writer cannot start"))?;
        Ok(Self {
            tasks,
            statistics,
            revisions,
            trouble,
            timeout: OnceLock::new(),
            thread: Mutex::new("writer thread", Some(thread)),
        })
    }

    /// Counters of the writer since the start of the process.
    pub fn statistics(&self) -> &WriterStatistics {
        &self.statistics
    }

    /// Why nothing can be recorded at present; `None` when recording works.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    /// Ends the wait for each result after a time, so that no request waits forever for a database
    /// that does not respond. Only the first call counts.
    pub fn limit_wait(&self, timeout: Duration) {
        self.timeout.get_or_init(|| timeout);
    }

    /// A receiver for the newest visible revision.
    pub fn revisions(&self) -> watch::Receiver<RevisionNumber> {
        self.revisions.clone()
    }

    /// Queues a submission; `answer` is the other end of its `reply`.
    pub fn submit(
        &self,
        submit: QueuedSubmission,
        answer: oneshot::Receiver<Result<SubmissionReply, Error>>,
    ) -> PendingResponse<SubmissionReply> {
        self.pending(self.send(WriterTask::Submit(Box::new(submit))), answer)
    }

    /// Queues a change of units, catalogue or other documents, which runs alone.
    pub fn exclusive<T: Send + 'static>(
        &self,
        change: impl FnOnce(&WriterContext) -> Result<T, Error> + Send + 'static,
    ) -> PendingResponse<T> {
        let (reply, answer) = oneshot::channel();
        let run = move |writer: &WriterContext| drop(reply.send(change(writer)));
        self.pending(self.send(WriterTask::Exclusive(Box::new(run))), answer)
    }

    fn pending<T>(
        &self,
        sent: Result<(), Error>,
        answer: oneshot::Receiver<Result<T, Error>>,
    ) -> PendingResponse<T> {
        PendingResponse { answer: sent.map(|()| answer), timeout: self.timeout.get().copied() }
    }

    /// Makes the writer check the ledger soon.
    pub fn wake(&self) {
        // With a full queue the writer checks the ledger after processing it.
        let _full = self.tasks.try_send(WriterTask::Wake);
    }

    /// Whether the writer's thread runs.
    pub fn is_running(&self) -> bool {
        self.thread.lock().as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Lets the writer finish the queue, and waits for its thread to end.
    pub fn stop(&self) {
        let _gone = self.tasks.send(WriterTask::Stop);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            let _panicked = thread.join();
        }
    }

    fn send(&self, task: WriterTask) -> Result<(), Error> {
        self.tasks.try_send(task).map_err(|error| {
            Error::Busy(match error {
                TrySendError::Full(_) => "too many submissions are waiting; try again".to_owned(),
                TrySendError::Disconnected(_) => stopping(),
            })
        })
    }
}

/// A result that the writer will deliver.
pub struct PendingResponse<T> {
    answer: Result<oneshot::Receiver<Result<T, Error>>, Error>,
    timeout: Option<Duration>,
}

impl<T> PendingResponse<T> {
    /// Waits for the result without blocking the thread. After the time limit of the handle it is
    /// unknown whether the change was recorded.
    pub(in crate::app) async fn result(self) -> Result<T, Error> {
        let answer = self.answer?;
        let answered = match self.timeout {
            None => answer.await,
            Some(timeout) => match tokio::time::timeout(timeout, answer).await {
                Ok(answered) => answered,
                Err(_elapsed) => {
                    tracing::warn!(
                        seconds = timeout.as_secs(),
                        "the writer did not respond in time; it is not known whether the request \
                         was recorded"
                    );
                    return Err(Error::Unsettled);
                }
            },
        };
        answered.unwrap_or_else(|_stopped| Err(Error::Busy(stopping())))
    }

    /// Blocks until the result is there; not to be called on an async thread.
    pub(in crate::app) fn wait(self) -> Result<T, Error> {
        self.answer?.blocking_recv().unwrap_or_else(|_stopped| Err(Error::Busy(stopping())))
    }
}

/// The poller that regularly checks the ledger for external changes, and the database's clock.
struct ExternalChangePoller {
    /// When the clocks were last compared.
    compared: Instant,
    /// The data version at the last check, and the newest revision known then.
    seen: Option<(i64, RevisionId)>,
    last: Instant,
    failing: bool,
    forgot: Instant,
}

impl WriterContext {
    fn run(&self, waiting: &Receiver<WriterTask>) {
        let now = Instant::now();
        // Nothing counts as already checked: other processes may have written while the ledger was
        // being read.
        let task: Arc<str> = "writing to the ledger".into();
        let mut poller = ExternalChangePoller {
            compared: now,
            seen: None,
            last: now,
            failing: false,
            forgot: now,
        };
        loop {
            let mut next = match waiting.recv_timeout(POLL) {
                Ok(task) => Some(task),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let _task = TaskGuard::enter(Arc::clone(&task));
            let mut woken = false;
            while let Some(task) = next.take() {
                match task {
                    WriterTask::Stop => return,
                    WriterTask::Wake => woken = true,
                    WriterTask::Exclusive(run) => run(self),
                    WriterTask::Submit(first) => next = self.record_batch(*first, waiting),
                }
            }
            if woken || poller.last.elapsed() >= POLL {
                self.poll_external_changes(&mut poller);
            }
        }
    }

    fn poll_external_changes(&self, poller: &mut ExternalChangePoller) {
        poller.last = Instant::now();
        let looked = self.store.data_version().map_err(Error::from).and_then(|version| {
            // Checked even when only this instance has written since: its revision may be gone
            // again because the database was reset.
            if poller.seen != Some((version, self.state.snapshot().id())) {
                self.catch_up()?;
                self.check_next_revision()?;
                poller.seen = Some((version, self.state.snapshot().id()));
            }
            Ok(())
        });
        let trouble =
            if let Err(Error::Store(error @ (StoreError::Unsound(_) | StoreError::Withheld(_)))) =
                &looked
            {
                Some(error.public())
            } else {
                None
            };
        *self.trouble.lock() = trouble;
        match looked {
            Err(error) if !poller.failing => {
                tracing::error!(error = %chain(&error),
                    "the ledger cannot be checked for new revisions; responses come from memory");
                poller.failing = true;
            }
            Ok(()) if poller.failing => {
                tracing::info!("the ledger can be checked again");
                poller.failing = false;
            }
            Ok(()) | Err(_) => {}
        }
        if poller.compared.elapsed() >= CLOCK_INTERVAL {
            poller.compared = Instant::now();
            self.compare_clocks();
        }
        // With a clock that jumped, every response might look expired.
        if poller.forgot.elapsed() >= PURGE_INTERVAL && self.clock.fault().is_none() {
            poller.forgot = Instant::now();
            if let Err(error) = self.store.purge_idempotency(self.clock.now().plus(-RETENTION)) {
                tracing::warn!(error = %chain(&error),
                    "expired responses to idempotency keys were not deleted");
            }
        }
    }

    /// Checks that no figures of a later revision keep the next one from being written.
    ///
    /// # Errors
    /// [`StoreError::Unsound`] when there are some, or those of the store.
    fn check_next_revision(&self) -> Result<(), Error> {
        let known = self.state.snapshot().revision;
        if !self.store.next_is_taken(known)? {
            return Ok(());
        }
        // Another process may have written a revision since.
        self.catch_up()?;
        if self.state.snapshot().revision > known || !self.store.next_is_taken(known)? {
            return Ok(());
        }
        Err(StoreError::next_is_taken(known).into())
    }

    /// Compares the clock with the database's. A difference is logged, counted in the metrics and
    /// reported by `/readyz`.
    pub fn compare_clocks(&self) {
        let asked = self.clock.machine_time();
        match self.store.server_time() {
            Ok(server_time) => {
                let _logged = self.clock.compare(asked, server_time);
            }
            Err(error) => {
                tracing::debug!(
                    error = %chain(&error),
                    "the database server does not report its time"
                )
            }
        }
    }

    /// Applies what other processes have written. Reading blocks nobody; the changed state becomes
    /// visible afterwards. When the ledger has another history than before, that history is
    /// adopted.
    pub fn catch_up(&self) -> Result<(), Error> {
        loop {
            let state = self.state.snapshot();
            let (known, documents) = (state.id(), Arc::clone(&state.documents));
            drop(state);
            if !self.follows_ledger(known)? {
                self.adopt_history()?;
                continue;
            }
            self.history.resume();
            let Some(news) = ExternalChanges::behind(&self.store, known, &documents)? else {
                return Ok(());
            };
            // Before anything is written after these revisions: they may have revoked the sender's
            // key.
            self.api_keys.catch_up(&self.store)?;
            self.announce(self.state.try_replace(|state| {
                state.apply(news)?;
                Ok(state.revision)
            })?);
        }
    }

    /// Makes a durable commit visible: `change` applies the documents that it declares. Readers
    /// continue with the previous state meanwhile.
    ///
    /// # Errors
    /// Those of `change`; nothing becomes visible then.
    pub fn publish_commit(
        &self,
        commit: &Commit,
        change: impl FnOnce(&mut State) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.state.try_replace(|state| {
            change(state)?;
            state.advance(commit, hash_chain::hash(&state.id().hash, commit));
            Ok(())
        })?;
        self.announce(commit.revision);
        Ok(())
    }

    /// Notifies waiting readers of the revision that the state has reached.
    pub fn announce(&self, revision: RevisionNumber) {
        self.reached.send_replace(revision);
    }

    /// Whether the ledger has a commit after its writing was interrupted; `None` when the database
    /// does not respond in time.
    fn confirm_recorded(&self, commit: Option<&Commit>) -> Option<bool> {
        let commit = commit?;
        let began = Instant::now();
        loop {
            match self.store.recorded(commit) {
                Ok(found) => return Some(found),
                Err(_unreachable) if began.elapsed() < CONFIRM_TIMEOUT => {
                    std::thread::sleep(CONFIRM_INTERVAL)
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error),
                        "the database does not say whether a commit was recorded");
                    return None;
                }
            }
        }
    }

    /// Counts written commits in the statistics.
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
        self.statistics.last_write.store(last.recorded_at.get(), Ordering::Relaxed);
    }

    /// Writes one commit that is not a submission, after applying what other processes wrote.
    /// `prepare` reads the current state and returns the commit, or `None` when there is nothing to
    /// write. `answer` makes the response from the revision, whether it is new, and what `prepare`
    /// found. With an idempotency key the response is stored. The permissions of `by` are checked
    /// again before each attempt.
    pub fn change<T, A: Serialize + DeserializeOwned + WriteResponse>(
        &self,
        by: &Identity,
        idempotency: Option<&IdempotencyKey>,
        prepare: impl Fn(&State) -> Result<(T, Option<Commit>), Error>,
        answer: impl Fn(RevisionNumber, bool, &T) -> A,
    ) -> Result<ChangeOutcome<T, A>, Error> {
        let deadline = Instant::now() + RACE_TIMEOUT;
        while Instant::now() < deadline {
            by.still_valid()?;
            if let Some(given) =
                idempotency.map_or(Ok(None), |idempotency| idempotency.load_replay(&self.store))?
            {
                // Another instance may have made it: it is given when its change is seen here.
                self.catch_up()?;
                return Ok(ChangeOutcome { given, commit: None, found: None });
            }
            let state = self.state.snapshot();
            let (head, newest, prepared) = (state.id(), state.recorded_at, prepare(&state));
            drop(state);
            // A refusal, or the result that nothing changes, is valid only if it was computed from
            // the ledger's newest revision.
            if !matches!(prepared, Ok((_, Some(_))))
                && self.store.newest().is_ok_and(|newest| newest != head)
            {
                self.catch_up()?;
                continue;
            }
            let (found, commit) = prepared?;
            let mut answer = answer(
                commit.as_ref().map_or(head.number, |commit| commit.revision),
                commit.is_some(),
                &found,
            );
            let mut commit = commit;
            if let Some((idempotency, commit)) = idempotency.zip(commit.as_mut()) {
                commit.origin = idempotency.mark_origin(commit.origin.take());
            }
            let mut key =
                idempotency.map(|idempotency| idempotency.to_row(&answer, newest)).transpose()?;
            let outcome = if commit.is_none() && key.is_none() {
                Ok(AppendOutcome::Written(Vec::new()))
            } else {
                self.store.record(head, |server_time| {
                    let date = self.clock.date(server_time, newest).map_err(StoreError::Clock)?;
                    commit.iter_mut().for_each(|commit| commit.recorded_at = date);
                    key.iter_mut().for_each(|key| key.recorded_at = date);
                    Ok((commit.as_slice(), key.as_slice()))
                })
            };
            let hashes = match outcome {
                Ok(AppendOutcome::Written(hashes)) => hashes,
                Ok(AppendOutcome::Behind(_) | AppendOutcome::OtherHistory(_)) => {
                    self.catch_up()?;
                    continue;
                }
                Err(error) if error.is_transient() => {
                    match self.confirm_recorded(commit.as_ref()) {
                        Some(true) => hashes_after(&head, commit.as_slice()),
                        Some(false) => return Err(Error::Store(error)),
                        None => return Err(Error::Unsettled),
                    }
                }
                Err(StoreError::Misplaced) => return Err(Error::Unsettled),
                Err(error) => return Err(Error::Store(error)),
            };
            answer.set_revision_hash(hash_chain::digits(hashes.last().unwrap_or(&head.hash)));
            self.count(commit.as_slice());
            return Ok(ChangeOutcome {
                given: Replayable::first(answer),
                commit,
                found: Some(found),
            });
        }
        Err(Error::Busy("other processes are writing to the ledger; try again.".to_owned()))
    }
}

/// The result of a change that is not a submission.
pub(in crate::app) struct ChangeOutcome<T, A> {
    /// The response.
    pub given: Replayable<A>,
    /// The commit that was written, if any.
    pub commit: Option<Commit>,
    /// What `prepare` found; `None` when the response is a repeated one.
    pub found: Option<T>,
}

/// The hashes of commits that follow the revision `head`.
fn hashes_after(head: &RevisionId, commits: &[Commit]) -> Vec<Hash> {
    let mut last = head.hash;
    let mut hashes = Vec::with_capacity(commits.len());
    for commit in commits {
        last = hash_chain::hash(&last, commit);
        hashes.push(last);
    }
    hashes
}

/// Where a change comes from, as JSON text for the ledger.
pub(in crate::app) fn origin(by: &Identity) -> Option<String> {
    serde_json::to_string(&by.origin).ok()
}

/// An empty commit that follows `state`. It gets its timestamp when it is written.
pub(in crate::app) fn empty_commit(state: &State, kind: &str, by: &Identity) -> Commit {
    Commit {
        revision: state.revision.next(),
        recorded_at: state.recorded_at,
        kind: kind.to_owned(),
        actor: by.actor.clone(),
        origin: origin(by),
        ..Commit::default()
    }
}
