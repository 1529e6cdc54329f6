//! The one writer: a thread that puts all submissions that are waiting into one transaction (group
//! commit), each whole or not at all, and shows them in the cube only once they are durable.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use chrono::Utc;
use parking_lot::{Mutex, RwLock};
use tokio::sync::oneshot;

use super::state::State;
use super::submissions::{Judged, Receipt, judge, keep_standing};
use crate::domain::catalogue::Catalogue;
use crate::domain::cube::Overlay;
use crate::domain::observation::Submission;
use crate::domain::rules::RuleBook;
use crate::domain::unit::Units;
use crate::error::Error;
use crate::intake::Envelope;
use crate::store::{Commit, MeasureRow, ObservationRow, Store, SubmissionRow, WriteOutcome};

/// Most tasks waiting for the writer; more are told to come again.
const QUEUE: usize = 1_024;
/// Most submissions and figures in one transaction.
const GROUP: usize = 256;
const GROUP_FIGURES: usize = 100_000;
/// How often the ledger is looked at for what another process has written.
const POLL: Duration = Duration::from_millis(200);
/// How often a commit is tried again because another process was faster.
const ATTEMPTS: usize = 20;

/// A submission on its way into the ledger.
pub(super) struct Submit {
    pub submission: Submission,
    /// The units and the catalogue it was parsed against; if they are no longer the latest, it is parsed again.
    pub units: Arc<Units>,
    pub catalogue: Arc<Catalogue>,
    pub envelope: Envelope,
    pub actor: String,
    pub withdraws: Option<Withdrawal>,
    pub reply: oneshot::Sender<Result<Reply, Error>>,
}

/// The submission that another one takes back.
pub(super) struct Withdrawal {
    pub id: String,
    pub revision: i64,
}

/// What becomes of a submission.
pub(super) enum Reply {
    Done(Receipt),
    /// The catalogue or the units have changed since it was parsed.
    Stale,
}

enum Task {
    Submit(Box<Submit>),
    Exclusive(Box<dyn FnOnce(&Desk) + Send>),
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
}

/// The handle of the writer's thread.
pub(super) struct Writer {
    tasks: SyncSender<Task>,
    statistics: Arc<Statistics>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub fn start(state: Arc<RwLock<State>>, store: Store) -> Result<Self, Error> {
        let (tasks, waiting) = sync_channel(QUEUE);
        let statistics = Arc::new(Statistics::default());
        let desk = Desk { state, store, statistics: Arc::clone(&statistics) };
        let thread = std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(move || desk.run(&waiting));
        let thread = thread.map_err(Error::surroundings("the writer cannot start"))?;
        Ok(Self { tasks, statistics, thread: Mutex::new(Some(thread)) })
    }

    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Hands a submission over; the answer comes through its `reply`.
    pub fn submit(&self, submit: Submit) -> Result<(), Error> {
        self.send(Task::Submit(Box::new(submit)))
    }

    /// Runs a change of units or catalogue alone.
    pub fn exclusive<T: Send + 'static>(&self, change: impl FnOnce(&Desk) -> Result<T, Error> + Send + 'static) -> Pending<T> {
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

/// A submission that was looked at, and what is to be answered once the group is durable.
enum Looked {
    /// To be recorded by the next of the group's commits.
    Recorded(Box<Submit>, Judged),
    Unchanged(Box<Submit>, Judged),
    Answered,
}

impl Desk {
    fn run(&self, waiting: &Receiver<Task>) {
        let mut seen = self.store.data_version().ok();
        loop {
            let task = match waiting.recv_timeout(POLL) {
                Ok(task) => task,
                Err(RecvTimeoutError::Timeout) => {
                    let now = self.store.data_version().ok();
                    if now != seen {
                        seen = now;
                        if let Err(error) = self.state.write().catch_up(&self.store) {
                            tracing::error!(error = %chain(&error), "the ledger's new revisions cannot be taken in");
                        }
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut next = Some(task);
            while let Some(task) = next.take() {
                match task {
                    Task::Stop => return,
                    Task::Exclusive(run) => run(self),
                    Task::Submit(first) => next = self.group(*first, waiting),
                }
            }
        }
    }

    /// Records a submission and those that are waiting behind it; returns the task that is none.
    fn group(&self, first: Submit, waiting: &Receiver<Task>) -> Option<Task> {
        let (mut figures, mut group, mut other) = (first.submission.figures.len(), vec![first], None);
        while group.len() < GROUP && figures < GROUP_FIGURES {
            match waiting.try_recv() {
                // A withdrawal takes back what stands, so nothing may be pending before it.
                Ok(Task::Submit(submit)) if submit.withdraws.is_none() => {
                    figures += submit.submission.figures.len();
                    group.push(*submit);
                }
                Ok(task) => {
                    other = Some(task);
                    break;
                }
                Err(_none_or_closed) => break,
            }
        }
        self.record(group);
        other
    }

    fn record(&self, mut group: Vec<Submit>) {
        for _attempt in 0..ATTEMPTS {
            let (looked, commits, overlay, book, head) = self.look(std::mem::take(&mut group));
            let outcome = if commits.is_empty() { Ok(WriteOutcome::Written) } else { self.store.write(head, &commits) };
            match outcome {
                Ok(WriteOutcome::Written) => return self.show(looked, &overlay, book, &commits),
                Ok(WriteOutcome::Behind(_)) => {
                    group = looked.into_iter().filter_map(Looked::submit).collect();
                    if let Err(error) = self.state.write().catch_up(&self.store) {
                        return refuse(group, &error);
                    }
                }
                Err(error) => return refuse(looked.into_iter().filter_map(Looked::submit).collect(), &Error::Store(error)),
            }
        }
        refuse(group, &Error::Busy("other processes are writing to the ledger; try again".to_owned()));
    }

    /// Compares a group with what stands, one after the other.
    fn look(&self, group: Vec<Submit>) -> (Vec<Looked>, Vec<Commit>, Overlay, Option<RuleBook>, i64) {
        let state = self.state.read();
        let (mut overlay, mut book) = (Overlay::over(&state.measures), None);
        let (mut revision, now) = (state.revision, Utc::now().timestamp_micros().max(state.recorded_at));
        let (mut looked, mut commits) = (Vec::with_capacity(group.len()), Vec::new());
        for mut submit in group {
            if !Arc::ptr_eq(&submit.units, &state.units) || !Arc::ptr_eq(&submit.catalogue, &state.catalogue) {
                let _caller_gone = submit.reply.send(Ok(Reply::Stale));
                looked.push(Looked::Answered);
                continue;
            }
            if let Some(withdrawal) = &submit.withdraws {
                keep_standing(&state, &mut submit.submission, withdrawal.revision);
            }
            let judged = match judge(&state, &submit.submission, &mut overlay, &mut book) {
                Ok(judged) => judged,
                Err(error) => {
                    let _caller_gone = submit.reply.send(Err(error));
                    looked.push(Looked::Answered);
                    continue;
                }
            };
            if judged.effect.changed.is_empty() {
                looked.push(Looked::Unchanged(Box::new(submit), judged));
                continue;
            }
            revision += 1;
            commits.push(commit(&state, &submit, &judged, revision, now));
            looked.push(Looked::Recorded(Box::new(submit), judged));
        }
        // New measures of the group go into the ledger with its first commit.
        if let Some(first) = commits.first_mut() {
            first.new_measures = (state.measures.len()..)
                .zip(overlay.new_measures())
                .map(|(id, measure)| MeasureRow { id: i64::try_from(id).unwrap_or(i64::MAX), code: measure.code.clone(), members: measure.members.to_string() })
                .collect();
        }
        (looked, commits, overlay, book, state.revision)
    }

    /// Shows what has become durable in the cube, and answers.
    fn show(&self, looked: Vec<Looked>, overlay: &Overlay, book: Option<RuleBook>, commits: &[Commit]) {
        let mut state = self.state.write();
        if !commits.is_empty() {
            for measure in overlay.new_measures() {
                state.measures.intern(measure);
            }
            if let Some(book) = book {
                state.book = Arc::new(book);
            }
        }
        let book = Arc::clone(&state.book);
        let (mut answers, mut written) = (Vec::with_capacity(looked.len()), commits.iter());
        for looked in looked {
            match looked {
                Looked::Answered => {}
                Looked::Unchanged(submit, judged) => answers.push((submit.reply, Receipt::unchanged(judged, state.revision))),
                Looked::Recorded(submit, judged) => {
                    let Some(commit) = written.next() else { continue };
                    for (measure, decimals) in &judged.effect.measures {
                        if let Some(decimals) = decimals {
                            state.cube.declare(*measure, *decimals);
                        }
                    }
                    let decimals: ahash::AHashMap<usize, Option<u32>> = judged.effect.measures.iter().copied().collect();
                    for entry in &judged.effect.changed {
                        state.put(entry, decimals.get(&entry.measure).copied().flatten(), commit.revision);
                    }
                    for (check, found) in &judged.outcomes {
                        book.record(check, found.clone(), &mut state.standing);
                    }
                    (state.revision, state.recorded_at) = (commit.revision, commit.recorded_at);
                    answers.push((submit.reply, Receipt::recorded(judged, commit)));
                }
            }
        }
        drop(state);
        self.count(commits);
        for (reply, receipt) in answers {
            let _caller_gone = reply.send(Ok(Reply::Done(receipt)));
        }
    }

    /// Counts what was written.
    pub fn count(&self, commits: &[Commit]) {
        let Some(last) = commits.last() else { return };
        let number = |count: usize| u64::try_from(count).unwrap_or(0);
        let submissions = commits.iter().filter(|commit| commit.submission.is_some()).count();
        self.statistics.submissions.fetch_add(number(submissions), Ordering::Relaxed);
        self.statistics.figures.fetch_add(number(commits.iter().map(|commit| commit.observations.len()).sum()), Ordering::Relaxed);
        self.statistics.transactions.fetch_add(1, Ordering::Relaxed);
        self.statistics.last_write.store(last.recorded_at, Ordering::Relaxed);
    }

    /// Writes one commit that is no submission, taking in what another process wrote before; `prepare`
    /// looks at the latest state and says what is to be written, or nothing.
    pub fn change<T>(&self, prepare: impl Fn(&State) -> Result<(T, Option<Commit>), Error>) -> Result<(T, Option<Commit>), Error> {
        for _attempt in 0..ATTEMPTS {
            let (head, prepared) = {
                let state = self.state.read();
                (state.revision, prepare(&state)?)
            };
            let (found, Some(commit)) = prepared else { return Ok((prepared.0, None)) };
            match self.store.write(head, std::slice::from_ref(&commit))? {
                WriteOutcome::Written => {
                    self.count(std::slice::from_ref(&commit));
                    return Ok((found, Some(commit)));
                }
                WriteOutcome::Behind(_) => self.state.write().catch_up(&self.store)?,
            }
        }
        Err(Error::Busy("other processes are writing to the ledger; try again".to_owned()))
    }
}

impl Looked {
    fn submit(self) -> Option<Submit> {
        match self {
            Self::Recorded(submit, ..) | Self::Unchanged(submit, _) => Some(*submit),
            Self::Answered => None,
        }
    }
}

/// Logs an error of the store once and tells each caller that nothing was recorded.
fn refuse(group: Vec<Submit>, error: &Error) {
    tracing::error!(error = %chain(error), submissions = group.len(), "submissions were not recorded");
    for submit in group {
        let _caller_gone = submit.reply.send(Err(Error::Busy(format!("{error} Nothing was recorded."))));
    }
}

/// An error with its causes, for the log.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

/// An empty commit behind a state.
pub(super) fn empty_commit(state: &State, kind: &str, actor: &str) -> Commit {
    Commit {
        revision: state.revision + 1,
        recorded_at: Utc::now().timestamp_micros().max(state.recorded_at),
        kind: kind.to_owned(),
        actor: actor.to_owned(),
        ..Commit::default()
    }
}

fn commit(state: &State, submit: &Submit, judged: &Judged, revision: i64, now: i64) -> Commit {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let index = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
    let counts = judged.effect.counts;
    let row = SubmissionRow {
        id: ulid::Ulid::generate().to_string(),
        source_kind: submit.envelope.source_kind.clone().unwrap_or_else(|| "api".to_owned()),
        reference: submit.envelope.reference.clone(),
        created: number(counts.created),
        revised: number(counts.revised),
        unchanged: number(counts.unchanged),
        withdrawn: number(counts.withdrawn),
        findings: serde_json::to_string(&judged.findings).unwrap_or_else(|_never| "[]".to_owned()),
        withdraws: submit.withdraws.as_ref().map(|withdrawal| withdrawal.id.clone()),
    };
    let observations = judged.effect.changed.iter().filter_map(|entry| {
        Some(ObservationRow {
            revision,
            unit: state.units.get(entry.unit)?.number,
            measure: index(entry.measure),
            month: i64::from(entry.month.number()),
            mantissa: entry.written.map(|written| written.mantissa),
            scale: i64::from(entry.written.map_or(0, |written| written.scale)),
        })
    });
    Commit {
        revision,
        recorded_at: now,
        kind: if submit.withdraws.is_some() { "withdrawal" } else { "submission" }.to_owned(),
        actor: submit.actor.clone(),
        reason: submit.envelope.reason.clone(),
        submission: Some(row),
        observations: observations.collect(),
        ..Commit::default()
    }
}
