//! Group commit: submissions that wait together become one transaction, each whole or not at all, and each fails alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use super::{ATTEMPTS, Desk, Reply, SETTLING, Submit, Task, chain, origin};
use crate::app::keyed::Given;
use crate::app::state::State;
use crate::app::submissions::{Judged, Receipt, judge, keep_standing, standing_in_closed};
use crate::domain::cube::Overlay;
use crate::domain::rules::RuleBook;
use crate::error::Error;
use crate::store::{
    Commit, Declaration, KeyRow, MeasureRow, ObservationRow, REPORT, StoreError, SubmissionRow,
    WriteOutcome,
};

/// Most submissions and figures in one transaction.
const GROUP: usize = 256;
const GROUP_FIGURES: usize = 100_000;

/// A submission that was looked at, and what is to be answered once the group is durable.
enum Looked {
    /// To be recorded by the next of the group's commits.
    Recorded(Box<Submit>, Judged, Receipt),
    Unchanged(Box<Submit>, Receipt),
    /// Sent twice within the group; the number of the first in the group.
    Again(Box<Submit>, usize),
    /// Refused by what stands, as far as this instance has heard, or by what stands before it in the group.
    Refused(Box<Submit>, Error),
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

impl Desk {
    /// Records a submission and those that are waiting behind it; returns the task that is none.
    pub(super) fn group(&self, first: Submit, waiting: &Receiver<Task>) -> Option<Task> {
        let (mut figures, mut group, mut other) =
            (first.submission.figures.len(), vec![first], None);
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
            let outcome = if idle {
                self.still(&group)
            } else {
                self.store.write(group.head, &group.commits, &group.keys)
            };
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
                        Some(false) => self.each_alone(group.submits(), error),
                        None => refuse(group.submits(), &Error::Unsettled),
                    };
                }
                Err(error) => return self.each_alone(group.submits(), error),
            }
        }
        refuse(
            submits,
            &Error::Busy("other processes are writing to the ledger; try again.".to_owned()),
        );
    }

    /// What the database refuses may be one submission's fault: the others are recorded without it, as long as that does not take too long.
    fn each_alone(&self, submits: Vec<Submit>, error: StoreError) {
        let began = Instant::now();
        let everybodys =
            submits.len() < 2 || matches!(error, StoreError::Full(_) | StoreError::ReadOnly(_));
        let mut rest = submits.into_iter();
        while !everybodys
            && began.elapsed() < SETTLING
            && let Some(submit) = rest.next()
        {
            self.record(vec![submit]);
        }
        if rest.len() > 0 {
            refuse(rest.collect(), &Error::Store(error));
        }
    }

    /// Whether a group that writes nothing was compared with the ledger's newest revision; another instance may have written since.
    fn still(&self, group: &Group) -> Result<WriteOutcome, StoreError> {
        if group.looked.iter().all(|looked| matches!(looked, Looked::Answered)) {
            return Ok(WriteOutcome::Written);
        }
        let newest = self.store.head()?;
        Ok(if newest.revision == group.head {
            WriteOutcome::Written
        } else {
            WriteOutcome::Behind(newest)
        })
    }

    /// Compares a group with what stands, one after the other.
    fn look(&self, submits: Vec<Submit>) -> Group {
        let (submits, answered) = self.answered_before(submits);
        let state = self.state.read();
        let (mut revision, now) = (state.revision, state.clock.now().max(state.recorded_at));
        let (overlay, head) = (Overlay::over(&state.measures), state.revision);
        let mut group = Group {
            looked: answered,
            commits: Vec::new(),
            keys: Vec::new(),
            overlay,
            book: None,
            head,
        };
        for mut submit in submits {
            let known = group.overlay.new_measures().len();
            let judged = match group.judge(&state, &mut submit) {
                Verdict::Judged(judged) => judged,
                Verdict::Stale => {
                    let _caller_gone = submit.reply.send(Ok(Reply::Stale));
                    group.looked.push(Looked::Answered);
                    continue;
                }
                Verdict::Refused(error) => {
                    group.looked.push(Looked::Refused(Box::new(submit), error));
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
            group.looked.push(if changed {
                Looked::Recorded(submit, judged, receipt)
            } else {
                Looked::Unchanged(submit, receipt)
            });
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
        let (mut answers, mut receipts, mut written) =
            (Vec::with_capacity(looked.len()), HashMap::new(), commits.iter());
        for (place, looked) in looked.into_iter().enumerate() {
            let (submit, receipt, again) = match looked {
                Looked::Answered => continue,
                Looked::Refused(submit, error) => {
                    let _caller_gone = submit.reply.send(Err(error));
                    continue;
                }
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
}

/// What a look at a submission comes to.
enum Verdict {
    Judged(Judged),
    /// It has to be parsed again.
    Stale,
    /// It is refused, once the group is durable.
    Refused(Error),
    /// It was sent twice; the place of the first in the group.
    Again(usize),
}

impl Group {
    fn judge(&mut self, state: &State, submit: &mut Submit) -> Verdict {
        if let Some(keyed) = &submit.keyed {
            let earlier = |looked: &Looked| {
                looked
                    .submit()
                    .and_then(|submit| submit.keyed.as_ref())
                    .filter(|other| other.clashes(keyed))
                    .cloned()
            };
            let found = self
                .looked
                .iter()
                .enumerate()
                .find_map(|(place, looked)| Some((place, earlier(looked)?)));
            if let Some((first, other)) = found {
                return keyed
                    .same_body(other.body_hash())
                    .map_or_else(Verdict::Refused, |()| Verdict::Again(first));
            }
        }
        if !submit.frame.is_of(state) {
            return Verdict::Stale;
        }
        if let Some(withdrawal) = &submit.withdraws {
            keep_standing(state, &mut submit.submission, withdrawal.revision);
            if let Err(error) =
                standing_in_closed(state, &submit.submission, submit.envelope.reason.as_deref())
            {
                return Verdict::Refused(error);
            }
        }
        match judge(state, &submit.submission, &mut self.overlay, &mut self.book) {
            Ok(mut judged) => {
                judged
                    .findings
                    .extend(submit.kept.iter().flat_map(|kept| kept.findings.iter().cloned()));
                Verdict::Judged(judged)
            }
            Err(error) => Verdict::Refused(error),
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
            Self::Again(..) | Self::Refused(..) | Self::Answered => None,
        }
    }

    fn into_submit(self) -> Option<Submit> {
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
    /// Shows what a commit has recorded.
    fn show(&mut self, judged: &Judged, book: &RuleBook, commit: &Commit) {
        for (measure, decimals) in &judged.effect.measures {
            if let Some(decimals) = decimals {
                self.cube.declare(*measure, *decimals);
            }
        }
        let decimals: ahash::AHashMap<usize, Option<u32>> =
            judged.effect.measures.iter().copied().collect();
        for entry in &judged.effect.changed {
            self.put(entry, decimals.get(&entry.measure).copied().flatten(), commit.revision);
        }
        for (check, found) in &judged.outcomes {
            book.record(check, found.clone(), &mut self.standing);
        }
        self.advance(commit.revision, commit.recorded_at);
    }
}

/// The measures that a submission was the first to name, with the numbers they get.
fn new_measures(state: &State, overlay: &Overlay, known: usize) -> Vec<MeasureRow> {
    let numbered = (state.measures.len()..).zip(overlay.new_measures()).skip(known);
    numbered
        .map(|(id, measure)| MeasureRow {
            id: i64::try_from(id).unwrap_or(i64::MAX),
            code: measure.code.clone(),
            members: measure.members.to_string(),
        })
        .collect()
}

/// Logs an error once and tells each caller that nothing was recorded, or that this is not known.
fn refuse(submits: Vec<Submit>, error: &Error) {
    tracing::error!(error = %chain(error), submissions = submits.len(), "submissions were not recorded");
    for submit in submits {
        let told = if matches!(error, Error::Unsettled) {
            Error::Unsettled
        } else {
            Error::Busy(format!("{error} Nothing was recorded."))
        };
        let _caller_gone = submit.reply.send(Err(told));
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
    let kept = submit.kept.iter().map(|kept| Declaration {
        kind: REPORT.to_owned(),
        code: row.id.to_lowercase(),
        document: Some(kept.document.clone()),
    });
    let declarations = kept.collect();
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
        actor: submit.by.actor.clone(),
        origin: origin(&submit.by),
        reason: submit.envelope.reason.clone(),
        submission: Some(row),
        declarations,
        observations: observations.collect(),
        ..Commit::default()
    }
}
