//! Group commit: submissions that wait at the same time share one transaction. Each is recorded
//! whole or not at all, and fails on its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::{
    CONFIRM_TIMEOUT, QueuedSubmission, RACE_TIMEOUT, SubmissionReply, WriterContext, WriterTask,
    hashes_after, origin,
};
use crate::app::state::{State, row_number};
use crate::app::stored::{stored_measure, stored_month, stored_unit};
use crate::app::write::evaluate::{
    Evaluation, Sender, check_closed_withdrawal, evaluate, retain_current_figures,
};
use crate::app::write::idempotency::{IdempotencyKey, Replayable, WriteResponse};
use crate::app::write::receipt::Receipt;
use crate::clock::time_text;
use crate::error::{Error, chain};
use kpi::cube::{MeasureId, Overlay};
use kpi::rules::RuleBook;
use ledger::chain::{self as hash_chain, Hash};
use ledger::{
    AppendOutcome, Commit, DeclarationVersion, IdempotencyRow, KeyName, MeasureRow, ObservationRow,
    REPORT, RevisionId, RevisionNumber, StoreError, SubmissionRow, TimestampMicros,
};

/// Most submissions, and most figures, in one transaction.
const GROUP: usize = 256;
const GROUP_FIGURES: usize = 100_000;

/// A submission that was evaluated, and its result once the group is durable.
enum EvaluatedSubmission {
    /// Recorded by the next commit of the group.
    Recorded(Box<QueuedSubmission>, Evaluation, Receipt),
    Unchanged(Box<QueuedSubmission>, Receipt),
    /// Sent twice within the group; the index of the first in the group.
    Again(Box<QueuedSubmission>, usize),
    /// Refused because of the current state, as far as this instance knows it, or because of an
    /// earlier submission in the group.
    Refused(Box<QueuedSubmission>, Error),
    Answered,
}

/// A batch of submissions that was evaluated.
struct SubmissionBatch {
    evaluated: Vec<EvaluatedSubmission>,
    commits: Vec<Commit>,
    keys: Vec<IdempotencyRow>,
    overlay: Overlay,
    book: Option<RuleBook>,
    /// The revision that the submissions were compared with.
    head: RevisionId,
    /// When that revision was recorded.
    newest: TimestampMicros,
}

impl WriterContext {
    /// Records a submission and those that wait in the queue. Returns the first task that is not a
    /// submission.
    pub(super) fn record_batch(
        &self,
        first: QueuedSubmission,
        waiting: &Receiver<WriterTask>,
    ) -> Option<WriterTask> {
        let (mut figures, mut batch, mut other) =
            (first.submission.figures.len(), vec![first], None);
        while batch.len() < GROUP && figures < GROUP_FIGURES {
            match waiting.try_recv() {
                // A withdrawal takes back current figures, so nothing before it may be pending.
                Ok(WriterTask::Submit(submit)) if submit.withdraws.is_none() => {
                    figures += submit.submission.figures.len();
                    batch.push(*submit);
                }
                Ok(task) => {
                    other = Some(task);
                    break;
                }
                Err(_none_or_closed) => break,
            }
        }
        self.record(batch);
        other
    }

    fn record(&self, mut submits: Vec<QueuedSubmission>) {
        let deadline = Instant::now() + RACE_TIMEOUT;
        while Instant::now() < deadline {
            let mut batch = self.evaluate_batch(std::mem::take(&mut submits));
            let outcome = if batch.writes_nothing() {
                self.head_unchanged(&batch)
            } else {
                self.write(&mut batch)
            };
            match outcome {
                Ok(AppendOutcome::Written(hashes)) => return self.publish(batch, &hashes),
                Ok(AppendOutcome::Behind(_) | AppendOutcome::OtherHistory(_)) => {
                    submits = batch.submits();
                    if let Err(error) = self.catch_up() {
                        return refuse(submits, &error);
                    }
                }
                Err(StoreError::Misplaced) => return refuse(batch.submits(), &Error::Unsettled),
                Err(error) if error.is_transient() => {
                    return match self.confirm_recorded(batch.commits.first()) {
                        Some(true) => {
                            let hashes = hashes_after(&batch.head, &batch.commits);
                            self.publish(batch, &hashes);
                        }
                        Some(false) => self.retry_individually(batch.submits(), error),
                        None => refuse(batch.submits(), &Error::Unsettled),
                    };
                }
                Err(error) => return self.retry_individually(batch.submits(), error),
            }
        }
        refuse(
            submits,
            &Error::Busy("other processes are writing to the ledger; try again.".to_owned()),
        );
    }

    /// Writes a group; it gets its timestamp under the ledger's lock.
    fn write(&self, batch: &mut SubmissionBatch) -> Result<AppendOutcome, StoreError> {
        let (head, newest) = (batch.head, batch.newest);
        self.store.record(head, move |server_time| {
            batch.date(self.clock.date(server_time, newest).map_err(StoreError::Clock)?);
            let batch: &SubmissionBatch = batch;
            Ok((&batch.commits, &batch.keys))
        })
    }

    /// A refusal by the database may be caused by a single submission: the others are retried one
    /// by one, as long as that does not take too long.
    fn retry_individually(&self, submits: Vec<QueuedSubmission>, error: StoreError) {
        let began = Instant::now();
        let everybodys = submits.len() < 2
            || matches!(
                error,
                StoreError::Full(_)
                    | StoreError::ReadOnly(_)
                    | StoreError::Clock(_)
                    | StoreError::Withheld(_)
                    | StoreError::Unsound(_)
            );
        let mut rest = submits.into_iter();
        while !everybodys
            && began.elapsed() < CONFIRM_TIMEOUT
            && let Some(submit) = rest.next()
        {
            self.record(vec![submit]);
        }
        if rest.len() > 0 {
            refuse(rest.collect(), &Error::Store(error));
        }
    }

    /// Whether a group that writes nothing was compared with the ledger's newest revision, number
    /// and hash. Otherwise another instance has written since, or the ledger has another history.
    fn head_unchanged(&self, batch: &SubmissionBatch) -> Result<AppendOutcome, StoreError> {
        if batch
            .evaluated
            .iter()
            .all(|evaluated| matches!(evaluated, EvaluatedSubmission::Answered))
        {
            return Ok(AppendOutcome::Written(Vec::new()));
        }
        let newest = self.store.newest()?;
        Ok(if newest == batch.head {
            AppendOutcome::Written(Vec::new())
        } else {
            AppendOutcome::OtherHistory(newest)
        })
    }

    /// Compares the submissions of a group with the state, one after the other.
    fn evaluate_batch(&self, submits: Vec<QueuedSubmission>) -> SubmissionBatch {
        let (submits, answered) = self.replay_answered(submits);
        let state = self.state.snapshot();
        let (mut revision, newest) = (state.revision, state.recorded_at);
        let (overlay, head) = (Overlay::over(&state.measures), state.id());
        let mut batch = SubmissionBatch {
            evaluated: answered,
            commits: Vec::new(),
            keys: Vec::new(),
            overlay,
            book: None,
            head,
            newest,
        };
        for mut submit in submits {
            let known = batch.overlay.new_measures().len();
            let evaluation = match batch.evaluate(&state, &mut submit) {
                EvaluationOutcome::Evaluated(evaluation) => evaluation,
                EvaluationOutcome::Stale => {
                    let _caller_gone = submit.reply.send(Ok(SubmissionReply::Stale));
                    batch.evaluated.push(EvaluatedSubmission::Answered);
                    continue;
                }
                EvaluationOutcome::Refused(error) => {
                    batch.evaluated.push(EvaluatedSubmission::Refused(Box::new(submit), error));
                    continue;
                }
                EvaluationOutcome::Again(first) => {
                    batch.evaluated.push(EvaluatedSubmission::Again(Box::new(submit), first));
                    continue;
                }
            };
            let receipt = if evaluation.effect.changed.is_empty() {
                Receipt::unchanged(&evaluation, revision)
            } else {
                revision = revision.next();
                let mut commit = commit(&state, &submit, &evaluation, revision, newest);
                commit.new_measures = new_measures(&state, &batch.overlay, known);
                let receipt = Receipt::recorded(&evaluation, &commit);
                batch.commits.push(commit);
                receipt
            };
            let changed = receipt.submission.is_some();
            let submit = Box::new(submit);
            batch.evaluated.push(if changed {
                EvaluatedSubmission::Recorded(submit, evaluation, receipt)
            } else {
                EvaluatedSubmission::Unchanged(submit, receipt)
            });
        }
        batch
    }

    /// Answers submissions of senders that are no longer signed in, and submissions with an
    /// idempotency key that has a stored response; returns the others.
    fn replay_answered(
        &self,
        submits: Vec<QueuedSubmission>,
    ) -> (Vec<QueuedSubmission>, Vec<EvaluatedSubmission>) {
        let (mut fresh, mut answered) = (Vec::with_capacity(submits.len()), Vec::new());
        let mut answer = |submit: QueuedSubmission, answer| {
            let _caller_gone = submit.reply.send(answer);
            answered.push(EvaluatedSubmission::Answered);
        };
        let keys = submits.iter().filter_map(|submit| submit.idempotency.as_ref());
        let names: Vec<KeyName<'_>> = keys.map(IdempotencyKey::name).collect();
        let found = self.store.responses_to(&names);
        let (rows, error) = found.map_or_else(|e| (Vec::new(), Some(e)), |rows| (rows, None));
        let mut unknown = Vec::new();
        for submit in submits {
            // The key may have been revoked or have expired while the request waited.
            if let Err(error) = submit.by.still_valid() {
                answer(submit, Err(error));
                continue;
            }
            let Some(idempotency) = &submit.idempotency else {
                fresh.push(submit);
                continue;
            };
            match rows.iter().find(|row| row.name() == idempotency.name()) {
                _ if error.is_some() => unknown.push(submit),
                None => fresh.push(submit),
                Some(row) => {
                    let given = idempotency.read_replay(row, &self.store);
                    answer(submit, given.map(SubmissionReply::Done));
                }
            }
        }
        if let Some(error) = error {
            // One of them may be the repetition of a request that was recorded.
            tracing::error!(error = %chain(&error), "stored responses cannot be read");
            unknown.into_iter().for_each(|submit| answer(submit, Err(Error::Unsettled)));
        }
        (fresh, answered)
    }

    /// Makes what has become durable visible in the cube, and sends the results.
    fn publish(&self, batch: SubmissionBatch, hashes: &[Hash]) {
        let SubmissionBatch { evaluated, commits, overlay, book, head, .. } = batch;
        let revision = self.state.update(|state| {
            if !commits.is_empty() {
                state.add_measures(overlay.new_measures());
                if let Some(book) = book {
                    state.book = Arc::new(book);
                }
            }
            for ((evaluation, commit), hash) in
                evaluated.iter().filter_map(EvaluatedSubmission::recorded).zip(&commits).zip(hashes)
            {
                state.publish(evaluation, commit, *hash);
            }
            state.revision
        });
        self.announce(revision);
        self.count(&commits);
        let mut receipts = HashMap::new();
        for (place, evaluated) in evaluated.into_iter().enumerate() {
            let (submit, mut receipt, replayed) = match evaluated {
                EvaluatedSubmission::Answered => continue,
                EvaluatedSubmission::Refused(submit, error) => {
                    let _caller_gone = submit.reply.send(Err(error));
                    continue;
                }
                EvaluatedSubmission::Again(submit, first) => match receipts.get(&first) {
                    Some(receipt) => (submit, Receipt::clone(receipt), true),
                    None => continue,
                },
                EvaluatedSubmission::Unchanged(submit, receipt)
                | EvaluatedSubmission::Recorded(submit, _, receipt) => (submit, receipt, false),
            };
            let place_of_hash = receipt.revision.and_then(|revision| {
                usize::try_from(revision.since(head.number)).ok()?.checked_sub(1)
            });
            receipt.set_revision_hash(hash_chain::digits(
                place_of_hash.and_then(|place| hashes.get(place)).unwrap_or(&head.hash),
            ));
            if submit.idempotency.is_some() {
                receipts.insert(place, receipt.clone());
            }
            let _caller_gone = submit
                .reply
                .send(Ok(SubmissionReply::Done(Replayable { answer: receipt, replayed })));
        }
    }
}

/// The evaluation of one submission.
enum EvaluationOutcome {
    Evaluated(Evaluation),
    /// The submission has to be parsed again.
    Stale,
    /// The submission is refused, once the group is durable.
    Refused(Error),
    /// The submission was sent twice; the index of the first in the group.
    Again(usize),
}

impl SubmissionBatch {
    fn evaluate(&mut self, state: &State, submit: &mut QueuedSubmission) -> EvaluationOutcome {
        if let Some(idempotency) = &submit.idempotency {
            let earlier = |evaluated: &EvaluatedSubmission| {
                evaluated
                    .submit()
                    .and_then(|submit| submit.idempotency.as_ref())
                    .filter(|other| other.has_same_key(idempotency))
                    .cloned()
            };
            let found = self
                .evaluated
                .iter()
                .enumerate()
                .find_map(|(place, evaluated)| Some((place, earlier(evaluated)?)));
            if let Some((first, other)) = found {
                return idempotency
                    .check_same_body(other.body_hash())
                    .map_or_else(EvaluationOutcome::Refused, |()| EvaluationOutcome::Again(first));
            }
        }
        if !submit.context.is_current_for(state) {
            return EvaluationOutcome::Stale;
        }
        if let Some(withdrawal) = &submit.withdraws {
            retain_current_figures(state, &mut submit.submission, withdrawal.revision);
            let sender = Sender { by: &submit.by, reason: submit.envelope.reason.as_deref() };
            if let Err(error) = check_closed_withdrawal(state, &submit.submission, sender) {
                return EvaluationOutcome::Refused(error);
            }
        }
        let sender = Sender { by: &submit.by, reason: submit.envelope.reason.as_deref() };
        match evaluate(state, &submit.submission, sender, &mut self.overlay, &mut self.book) {
            Ok(mut evaluation) => {
                evaluation
                    .findings
                    .extend(submit.kept.iter().flat_map(|kept| kept.findings.iter().cloned()));
                EvaluationOutcome::Evaluated(evaluation)
            }
            Err(error) => EvaluationOutcome::Refused(error),
        }
    }

    /// Whether the group stores nothing: no revision, and no response to an idempotency key.
    fn writes_nothing(&self) -> bool {
        self.commits.is_empty()
            && !self
                .evaluated
                .iter()
                .filter_map(EvaluatedSubmission::submit)
                .any(|submit| submit.idempotency.is_some())
    }

    /// Dates the commits and receipts, and makes the rows for idempotency keys.
    fn date(&mut self, time: TimestampMicros) {
        self.commits.iter_mut().for_each(|commit| commit.recorded_at = time);
        self.keys.clear();
        for evaluated in &mut self.evaluated {
            let (submit, receipt) = match evaluated {
                EvaluatedSubmission::Recorded(submit, _, receipt) => {
                    receipt.recorded_at = Some(time_text(time));
                    (submit, receipt)
                }
                EvaluatedSubmission::Unchanged(submit, receipt) => (submit, receipt),
                EvaluatedSubmission::Again(..)
                | EvaluatedSubmission::Refused(..)
                | EvaluatedSubmission::Answered => continue,
            };
            if let Some(Ok(row)) =
                submit.idempotency.as_ref().map(|idempotency| idempotency.to_row(receipt, time))
            {
                self.keys.push(row);
            }
        }
    }

    /// The submissions of the group that have not been answered.
    fn submits(self) -> Vec<QueuedSubmission> {
        self.evaluated.into_iter().filter_map(EvaluatedSubmission::into_submit).collect()
    }
}

impl EvaluatedSubmission {
    fn recorded(&self) -> Option<&Evaluation> {
        match self {
            Self::Recorded(_, evaluation, _) => Some(evaluation),
            Self::Unchanged(..) | Self::Again(..) | Self::Refused(..) | Self::Answered => None,
        }
    }

    fn submit(&self) -> Option<&QueuedSubmission> {
        match self {
            Self::Recorded(submit, ..) | Self::Unchanged(submit, _) => Some(submit),
            Self::Again(..) | Self::Refused(..) | Self::Answered => None,
        }
    }

    fn into_submit(self) -> Option<QueuedSubmission> {
        match self {
            Self::Recorded(submit, ..)
            | Self::Unchanged(submit, _)
            | Self::Again(submit, _)
            | Self::Refused(submit, _) => Some(*submit),
            Self::Answered => None,
        }
    }
}

impl State {
    /// Makes visible what a commit has recorded.
    fn publish(&mut self, evaluation: &Evaluation, commit: &Commit, hash: Hash) {
        let book = Arc::clone(&self.book);
        for (measure, decimals) in &evaluation.effect.measures {
            if let Some(decimals) = decimals {
                self.set_decimals(*measure, *decimals);
            }
        }
        let decimals: ahash::AHashMap<MeasureId, Option<u32>> =
            evaluation.effect.measures.iter().copied().collect();
        for entry in &evaluation.effect.changed {
            self.put(entry, decimals.get(&entry.measure).copied().flatten(), commit.revision);
        }
        for (check, found) in &evaluation.outcomes {
            self.record_finding(&book, check, found.clone());
        }
        self.advance(commit, hash);
    }
}

/// The measures that a submission is the first to name, with their new numbers.
fn new_measures(state: &State, overlay: &Overlay, known: usize) -> Vec<MeasureRow> {
    let numbered =
        (state.measures.len()..).map(MeasureId::new).zip(overlay.new_measures()).skip(known);
    numbered
        .map(|(id, measure)| MeasureRow {
            id: stored_measure(id),
            code: measure.code.clone(),
            members: measure.members.to_string(),
        })
        .collect()
}

/// Logs an error once, and reports to each sender that nothing was recorded, or that this is not
/// known.
fn refuse(submits: Vec<QueuedSubmission>, error: &Error) {
    tracing::error!(
        error = %chain(error),
        submissions = submits.len(),
        "submissions were not recorded"
    );
    for submit in submits {
        let shown = if let Error::Store(StoreError::Clock(fault)) = error {
            Error::Store(StoreError::Clock(*fault))
        } else if matches!(error, Error::Unsettled) {
            Error::Unsettled
        } else {
            Error::Busy(format!("{} Nothing was recorded.", public(error)))
        };
        let _caller_gone = submit.reply.send(Err(shown));
    }
}

/// The text of an error that the sender may see.
fn public(error: &Error) -> String {
    if let Error::Store(error) = error { error.public() } else { error.to_string() }
}

fn commit(
    state: &State,
    submit: &QueuedSubmission,
    evaluation: &Evaluation,
    revision: RevisionNumber,
    recorded_at: TimestampMicros,
) -> Commit {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let counts = evaluation.effect.counts;
    let row = SubmissionRow {
        id: ulid::Ulid::generate().to_string(),
        source_kind: submit.envelope.source_kind.clone().unwrap_or_else(|| "api".to_owned()),
        reference: submit.envelope.reference.clone(),
        created: number(counts.created),
        revised: number(counts.revised),
        unchanged: number(counts.unchanged),
        withdrawn: number(counts.withdrawn),
        findings: serde_json::to_string(&evaluation.findings)
            .unwrap_or_else(|_never| "[]".to_owned()),
        withdraws: submit.withdraws.as_ref().map(|withdrawal| withdrawal.id.clone()),
    };
    let kept = submit.kept.iter().map(|kept| DeclarationVersion {
        kind: REPORT.to_owned(),
        code: row.id.to_lowercase(),
        document: Some(kept.document.clone()),
    });
    let declarations = kept.collect();
    let observations = evaluation.effect.changed.iter().filter_map(|entry| {
        let (mantissa, scale) = row_number(entry.written);
        Some(ObservationRow {
            revision,
            unit: stored_unit(state.units.get(entry.unit)?.number),
            measure: stored_measure(entry.measure),
            month: stored_month(entry.month),
            mantissa,
            scale,
        })
    });
    Commit {
        revision,
        recorded_at,
        kind: if submit.withdraws.is_some() { "withdrawal" } else { "submission" }.to_owned(),
        actor: submit.by.actor.clone(),
        origin: submit.idempotency.as_ref().map_or_else(
            || origin(&submit.by),
            |idempotency| idempotency.mark_origin(origin(&submit.by)),
        ),
        reason: submit.envelope.reason.clone(),
        submission: Some(row),
        declarations,
        observations: observations.collect(),
        ..Commit::default()
    }
}
