//! The one writer: a thread that puts all submissions that are waiting into one transaction (group
//! commit), each whole or not at all, and shows them in the cube only once they are durable.

use std::collections::HashMap;
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

use super::keyed::{Given, KEPT, Keyed};
use super::state::{Frame, News, State};
use super::submissions::{Judged, Receipt, judge, keep_standing, standing_in_closed};
use crate::domain::cube::Overlay;
use crate::domain::observation::Submission;
use crate::domain::rules::RuleBook;
use crate::error::Error;
use crate::intake::Envelope;
use crate::store::{Commit, KeyRow, MeasureRow, ObservationRow, Store, SubmissionRow, WriteOutcome};

/// Most tasks waiting for the writer; more are told to come again.
const QUEUE: usize = 1_024;
/// Most submissions and figures in one transaction.
const GROUP: usize = 256;
const GROUP_FIGURES: usize = 100_000;
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
    pub actor: String,
    pub withdraws: Option<Withdrawal>,
    pub keyed: Option<Keyed>,
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
    tasks: SyncSender<Task>,
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
        let wake = tasks.clone();
        // A full queue needs no waking.
        store.on_change(move || drop(wake.try_send(Task::Wake)));
        let desk = Desk { state, store, statistics: Arc::clone(&statistics), reached };
        let thread = std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(move || desk.run(&waiting));
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
    Recorded(Box<Submit>, Judged, Receipt),
    Unchanged(Box<Submit>, Receipt),
    /// Sent twice within the group; the number of the first in the group.
    Again(Box<Submit>, usize),
    Answered,
}

/// A group that was looked at.
struct Group {
    looked: Vec<Looked>,
    commits: Vec<Commit>,
    keys: Vec<KeyRow>,
    overlay: Overlay,
    book: Option<RuleBook>,
    head: i64,
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
        let mut lookout = Lookout { seen: self.store.data_version().ok(), last: now, failing: false, forgot: now };
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
        (state.revision, state.recorded_at) = (commit.revision, commit.recorded_at);
        self.announce(state);
    }

    /// Tells readers that wait for a revision which one the state has reached.
    pub fn announce(&self, state: &State) {
        self.reached.send_replace(state.revision);
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

    fn record(&self, mut submits: Vec<Submit>) {
        for _attempt in 0..ATTEMPTS {
            let group = self.look(std::mem::take(&mut submits));
            let idle = group.commits.is_empty() && group.keys.is_empty();
            let outcome = if idle { Ok(WriteOutcome::Written) } else { self.store.write(group.head, &group.commits, &group.keys) };
            match outcome {
                Ok(WriteOutcome::Written) => return self.show(group),
                Ok(WriteOutcome::Behind(_)) => {
                    submits = group.submits();
                    if let Err(error) = self.catch_up() {
                        return refuse(submits, &error);
                    }
                }
                Err(error) if error.is_passing() => {
                    return match self.settle(group.commits.first()) {
                        Some(true) => self.show(group),
                        Some(false) => refuse(group.submits(), &Error::Store(error)),
                        None => refuse(group.submits(), &Error::Unsettled),
                    };
                }
                // What the database refuses is one submission's fault: the others are recorded without it.
                Err(error) => {
                    let mut submits = group.submits();
                    if submits.len() < 2 {
                        return refuse(submits, &Error::Store(error));
                    }
                    return submits.drain(..).for_each(|submit| self.record(vec![submit]));
                }
            }
        }
        refuse(submits, &Error::Busy("other processes are writing to the ledger; try again".to_owned()));
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

    /// Compares a group with what stands, one after the other.
    fn look(&self, submits: Vec<Submit>) -> Group {
        let (submits, answered) = self.answered_before(submits);
        let state = self.state.read();
        let (mut revision, now) = (state.revision, Utc::now().timestamp_micros().max(state.recorded_at));
        let (overlay, head) = (Overlay::over(&state.measures), state.revision);
        let mut group = Group { looked: answered, commits: Vec::new(), keys: Vec::new(), overlay, book: None, head };
        for mut submit in submits {
            let known = group.overlay.new_measures().len();
            let judged = match group.judge(&state, &mut submit) {
                Verdict::Judged(judged) => judged,
                Verdict::Answer(answer) => {
                    let _caller_gone = submit.reply.send(answer);
                    group.looked.push(Looked::Answered);
                    continue;
                }
                Verdict::Again(first) => {
                    group.looked.push(Looked::Again(Box::new(submit), first));
                    continue;
                }
            };
            let receipt = if judged.effect.changed.is_empty() {
                Receipt::unchanged(&judged, revision)
            } else {
                revision += 1;
                let mut commit = commit(&state, &submit, &judged, revision, now);
                commit.new_measures = new_measures(&state, &group.overlay, known);
                let receipt = Receipt::recorded(&judged, &commit);
                group.commits.push(commit);
                receipt
            };
            if let Some(Ok(row)) = submit.keyed.as_ref().map(|keyed| keyed.keep(&receipt, now)) {
                group.keys.push(row);
            }
            let changed = receipt.submission.is_some();
            let submit = Box::new(submit);
            group.looked.push(if changed { Looked::Recorded(submit, judged, receipt) } else { Looked::Unchanged(submit, receipt) });
        }
        group
    }

    /// Answers those whose key was answered before; the others go on.
    fn answered_before(&self, submits: Vec<Submit>) -> (Vec<Submit>, Vec<Looked>) {
        let (mut fresh, mut answered) = (Vec::with_capacity(submits.len()), Vec::new());
        for submit in submits {
            let found = submit.keyed.as_ref().map_or(Ok(None), |keyed| keyed.answered(&self.store));
            match found.transpose() {
                None => fresh.push(submit),
                Some(given) => {
                    let _caller_gone = submit.reply.send(given.map(Reply::Done));
                    answered.push(Looked::Answered);
                }
            }
        }
        (fresh, answered)
    }

    /// Shows what has become durable in the cube, and answers.
    fn show(&self, group: Group) {
        let Group { looked, commits, overlay, book, .. } = group;
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
        let (mut answers, mut receipts, mut written) = (Vec::with_capacity(looked.len()), HashMap::new(), commits.iter());
        for (place, looked) in looked.into_iter().enumerate() {
            let (submit, receipt, again) = match looked {
                Looked::Answered => continue,
                Looked::Again(submit, first) => match receipts.get(&first) {
                    Some(receipt) => (submit, Receipt::clone(receipt), true),
                    None => continue,
                },
                Looked::Unchanged(submit, receipt) => (submit, receipt, false),
                Looked::Recorded(submit, judged, receipt) => {
                    let Some(commit) = written.next() else { continue };
                    state.show(&judged, &book, commit);
                    (submit, receipt, false)
                }
            };
            if submit.keyed.is_some() {
                receipts.insert(place, receipt.clone());
            }
            answers.push((submit.reply, Given { answer: receipt, again }));
        }
        self.announce(&state);
        drop(state);
        self.count(&commits);
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
            let (head, (found, commit)) = {
                let state = self.state.read();
                (state.revision, prepare(&state)?)
            };
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
        Err(Error::Busy("other processes are writing to the ledger; try again".to_owned()))
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

/// What a look at a submission comes to.
enum Verdict {
    Judged(Judged),
    /// It is answered at once.
    Answer(Result<Reply, Error>),
    /// It was sent twice; the place of the first in the group.
    Again(usize),
}

impl Group {
    fn judge(&mut self, state: &State, submit: &mut Submit) -> Verdict {
        if let Some(keyed) = &submit.keyed {
            let earlier = |looked: &Looked| looked.submit().and_then(|submit| submit.keyed.as_ref()).filter(|other| other.clashes(keyed)).cloned();
            let found = self.looked.iter().enumerate().find_map(|(place, looked)| Some((place, earlier(looked)?)));
            if let Some((first, other)) = found {
                return keyed.same_body(other.body_hash()).map_or_else(|error| Verdict::Answer(Err(error)), |()| Verdict::Again(first));
            }
        }
        if !submit.frame.is_of(state) {
            return Verdict::Answer(Ok(Reply::Stale));
        }
        if let Some(withdrawal) = &submit.withdraws {
            keep_standing(state, &mut submit.submission, withdrawal.revision);
            if let Err(error) = standing_in_closed(state, &submit.submission, submit.envelope.reason.as_deref()) {
                return Verdict::Answer(Err(error));
            }
        }
        match judge(state, &submit.submission, &mut self.overlay, &mut self.book) {
            Ok(judged) => Verdict::Judged(judged),
            Err(error) => Verdict::Answer(Err(error)),
        }
    }

    /// The submissions of it that have not been answered.
    fn submits(self) -> Vec<Submit> {
        self.looked.into_iter().filter_map(Looked::into_submit).collect()
    }
}

impl Looked {
    fn submit(&self) -> Option<&Submit> {
        match self {
            Self::Recorded(submit, ..) | Self::Unchanged(submit, _) => Some(submit),
            Self::Again(..) | Self::Answered => None,
        }
    }

    fn into_submit(self) -> Option<Submit> {
        match self {
            Self::Recorded(submit, ..) | Self::Unchanged(submit, _) | Self::Again(submit, _) => Some(*submit),
            Self::Answered => None,
        }
    }
}

impl State {
    /// Shows what a commit has recorded.
    fn show(&mut self, judged: &Judged, book: &RuleBook, commit: &Commit) {
        for (measure, decimals) in &judged.effect.measures {
            if let Some(decimals) = decimals {
                self.cube.declare(*measure, *decimals);
            }
        }
        let decimals: ahash::AHashMap<usize, Option<u32>> = judged.effect.measures.iter().copied().collect();
        for entry in &judged.effect.changed {
            self.put(entry, decimals.get(&entry.measure).copied().flatten(), commit.revision);
        }
        for (check, found) in &judged.outcomes {
            book.record(check, found.clone(), &mut self.standing);
        }
        (self.revision, self.recorded_at) = (commit.revision, commit.recorded_at);
    }
}

/// The measures that a submission was the first to name, with the numbers they get.
fn new_measures(state: &State, overlay: &Overlay, known: usize) -> Vec<MeasureRow> {
    let numbered = (state.measures.len()..).zip(overlay.new_measures()).skip(known);
    numbered
        .map(|(id, measure)| MeasureRow { id: i64::try_from(id).unwrap_or(i64::MAX), code: measure.code.clone(), members: measure.members.to_string() })
        .collect()
}

/// Logs an error once and tells each caller that nothing was recorded, or that this is not known.
fn refuse(submits: Vec<Submit>, error: &Error) {
    tracing::error!(error = %chain(error), submissions = submits.len(), "submissions were not recorded");
    for submit in submits {
        let told = if matches!(error, Error::Unsettled) { Error::Unsettled } else { Error::Busy(format!("{error} Nothing was recorded.")) };
        let _caller_gone = submit.reply.send(Err(told));
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
