//! Submissions: parsed, judged, recorded, looked up, withdrawn.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::access::{Identity, Role};
use super::findings::FindingView;
use super::keyed::{Given, Keyed};
use super::moment::Moment;
use super::state::{Frame, State};
use super::writer::{Reply, Submit, Withdrawal, stopping};
use super::{App, time_text};
use crate::domain::catalogue::Severity;
use crate::domain::cube::{Overlay, View};
use crate::domain::fault::Fault;
use crate::domain::measure::Measure;
use crate::domain::number::Written;
use crate::domain::observation::{
    Counts, Effect, NewFigure, Parser, Place, RawNumber, RawObservation, RawText, Submission,
};
use crate::domain::period::Month;
use crate::domain::rules::{CheckAt, Finding, RuleBook};
use crate::domain::value::Source;
use crate::error::Error;
use crate::intake::{Envelope, Unreadable, csv, json};
use crate::store::{Commit, ObservationQuery, RevisionRow, SubmissionRecord, SubmissionRow};

/// A submission against what stands.
pub(super) struct Judged {
    pub effect: Effect,
    pub findings: Vec<FindingView>,
    pub outcomes: Vec<(CheckAt, Option<Finding>)>,
}

/// Compares a submission with what stands and evaluates the rules its figures touch; its changes stay
/// laid over. `book` is made anew when the submission names measures the state's has not seen.
///
/// # Errors
/// The `error` rules it breaks; then nothing of it stays.
pub(super) fn judge(
    state: &State,
    submission: &Submission,
    overlay: &mut Overlay,
    book: &mut Option<RuleBook>,
) -> Result<Judged, Error> {
    let strict = state.catalogue.rules.iter().any(|rule| rule.severity == Severity::Error);
    let before = strict.then(|| overlay.clone());
    let known = overlay.new_measures().len();
    let effect = submission.lay_over(&state.view(), overlay);
    let grown = overlay.new_measures().len() > known;
    let view = View { overlay: Some(overlay), ..state.view() };
    let fresh = grown.then(|| RuleBook::new(&state.catalogue, &view));
    let rules = fresh.as_ref().or(book.as_ref()).unwrap_or(&state.book);
    let source = Source::new(&state.units, view);
    let mut checks = Vec::new();
    effect.named.iter().for_each(|entry| rules.touched_by(&source, entry, &mut checks));
    checks.sort_unstable();
    checks.dedup();
    let outcomes: Vec<(CheckAt, Option<Finding>)> =
        checks.into_iter().map(|check| (check, rules.evaluate(&source, &check))).collect();
    let findings: Vec<FindingView> = outcomes
        .iter()
        .filter_map(|(_, found)| Some(FindingView::new(found.as_ref()?, &state.units)))
        .collect();
    if let Some(before) = before {
        let broken: Vec<Fault> = outcomes
            .iter()
            .filter_map(|(_, found)| {
                found.as_ref().filter(|finding| finding.severity == Severity::Error)
            })
            .map(|finding| {
                Fault::new(
                    "/observations",
                    "rule_broken",
                    format!(
                        "{} of {} in {}: {}",
                        finding.rule,
                        state.units.code(finding.unit),
                        finding.month,
                        finding.detail.1
                    ),
                )
            })
            .collect();
        if !broken.is_empty() {
            *overlay = before;
            return Err(Error::Invalid(broken));
        }
    }
    if effect.changed.is_empty() {
        // What it names and nobody has reported gets no number for that: nothing of it will be in the ledger.
        overlay.forget_measures(known);
    } else if fresh.is_some() {
        *book = fresh;
    }
    Ok(Judged { effect, findings, outcomes })
}

/// The answer to a submission (contract section 3).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Receipt {
    /// Its identifier; null when nothing was recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// The revision that recorded it, or the one it agrees with; null on a dry run.
    #[schema(required)]
    pub revision: Option<i64>,
    /// When it was recorded; null when nothing was.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// What it did.
    pub counts: Counts,
    /// Contradictions among the figures it names.
    pub findings: Vec<FindingView>,
}

impl Receipt {
    pub(super) fn unchanged(judged: &Judged, revision: i64) -> Self {
        Self {
            submission: None,
            revision: Some(revision),
            recorded_at: None,
            counts: judged.effect.counts,
            findings: judged.findings.clone(),
        }
    }

    pub(super) fn recorded(judged: &Judged, commit: &Commit) -> Self {
        Self {
            submission: commit.submission.as_ref().map(|row| row.id.clone()),
            revision: Some(commit.revision),
            recorded_at: Some(time_text(commit.recorded_at)),
            counts: judged.effect.counts,
            findings: judged.findings.clone(),
        }
    }
}

/// The receipt of a submission of the past.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct PastReceipt {
    /// Its identifier.
    pub submission: String,
    /// The revision that recorded it.
    pub revision: i64,
    /// When.
    pub recorded_at: String,
    /// Who sent it.
    pub actor: String,
    /// Why, where the sender said so.
    #[schema(required)]
    pub reason: Option<String>,
    /// From what.
    pub source: SourceView,
    /// The submission that it withdraws.
    #[schema(required)]
    pub withdraws: Option<String>,
    /// What it did.
    pub counts: Counts,
    /// The findings then.
    pub findings: Vec<FindingView>,
}

/// Where a submission came from.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SourceView {
    /// `api`, `csv`, `import` or what the sender said.
    #[serde(default)]
    pub kind: String,
    /// The sender's own name for it.
    #[serde(default)]
    #[schema(required)]
    pub reference: Option<String>,
}

/// The bytes of a submission and how to read them.
#[derive(Clone, Debug)]
pub enum Body {
    /// JSON.
    Json(Vec<u8>),
    /// CSV with what its request said beside it.
    Csv(Vec<u8>, Envelope),
    /// Figures that were found in a document or a workbook.
    Found(Vec<FoundObservation>, Envelope),
    /// Figures that were read from a report, and what is kept of it.
    Report(Vec<FoundObservation>, Envelope, Arc<Kept>),
}

/// What is kept of a report beside its figures, in the revision that records them.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Kept {
    /// Its text and the places of its figures, as JSON.
    pub document: String,
    /// What reading it has found besides what the rules find.
    pub findings: Vec<FindingView>,
}

/// A figure that was found in a document or a workbook.
#[derive(Clone, PartialEq, Debug)]
pub struct FoundObservation {
    /// Its measure.
    pub measure: Measure,
    /// Its unit's code.
    pub unit: String,
    /// Its month.
    pub month: Month,
    /// The number; none to withdraw.
    pub value: Option<Written>,
    /// Where it stands, for faults: `sheet!cell`, or a JSON pointer.
    pub place: String,
}

impl FoundObservation {
    fn raw(&self, index: usize) -> RawObservation<'_> {
        let text = |text: &str| RawText::Text(Cow::Owned(text.to_owned()));
        RawObservation {
            place: Place { index, line: None },
            indicator: text(&self.measure.code),
            unit: text(&self.unit),
            period: text(&self.month.to_string()),
            dimensions: self
                .measure
                .members
                .iter()
                .map(|(dimension, member)| (Cow::Owned(dimension.to_owned()), text(member)))
                .collect(),
            value: self
                .value
                .map_or(RawNumber::Null, |value| RawNumber::Digits(Cow::Owned(value.to_string()))),
        }
    }
}

/// Faults of observations, told by where these were found.
fn at_their_places(error: Error, found: &[FoundObservation]) -> Error {
    let placed = |faults: Vec<Fault>| {
        let place = |fault: Fault| {
            let rest = fault
                .pointer
                .strip_prefix("/observations/")
                .map(|rest| rest.split('/').next().unwrap_or_default());
            let place = rest
                .and_then(|number| number.parse::<usize>().ok())
                .and_then(|number| found.get(number))
                .map(|found| found.place.clone());
            place.map_or_else(|| fault.clone(), |pointer| Fault { pointer, ..fault.clone() })
        };
        faults.into_iter().map(place).collect()
    };
    match error {
        Error::Invalid(faults) => Error::Invalid(placed(faults)),
        Error::Conflict { detail, obstacles } => {
            Error::Conflict { detail, obstacles: placed(obstacles) }
        }
        Error::Forbidden { detail, obstacles } => {
            Error::Forbidden { detail, obstacles: placed(obstacles) }
        }
        other @ (Error::Malformed(_)
        | Error::NotFound(_)
        | Error::TooLarge(_)
        | Error::Busy(_)
        | Error::Unsettled
        | Error::Usage(_)
        | Error::Behind(_)
        | Error::Surroundings { .. }
        | Error::Store(_)) => other,
    }
}

impl Body {
    pub(super) fn parse(
        &self,
        frame: &Frame,
        by: &Identity,
    ) -> Result<(Submission, Envelope), Error> {
        let mut parser = frame.parser();
        let envelope = match self {
            Self::Json(bytes) => json::read(bytes, &mut parser)
                .map_err(|Unreadable(detail)| Error::Malformed(detail))?,
            Self::Csv(bytes, envelope) => {
                csv::read(bytes, &frame.catalogue, &mut parser);
                envelope.faults().into_iter().for_each(|fault| parser.fault(fault));
                envelope.clone()
            }
            Self::Found(found, envelope) | Self::Report(found, envelope, _) => {
                found.iter().enumerate().for_each(|(index, found)| parser.push(&found.raw(index)));
                envelope.faults().into_iter().for_each(|fault| parser.fault(fault));
                let submission = finish_by(parser, envelope, Some((by, frame)))
                    .map_err(|error| at_their_places(error, found))?;
                return Ok((submission, envelope.clone()));
            }
        };
        Ok((finish_by(parser, &envelope, Some((by, frame)))?, envelope))
    }

    /// What is kept of it beside its figures.
    fn kept(&self) -> Option<Arc<Kept>> {
        match self {
            Self::Report(_, _, kept) => Some(Arc::clone(kept)),
            Self::Json(_) | Self::Csv(..) | Self::Found(..) => None,
        }
    }
}

impl Frame {
    /// A parser of figures against it.
    pub(crate) fn parser(&self) -> Parser<'_> {
        Parser::new(&self.catalogue, &self.units, self.clock.this_month()).with_closed(&self.closed)
    }
}

/// The submission that was parsed, or all its faults; without a reason figures of closed months stand against it.
pub(crate) fn finish(parser: Parser<'_>, envelope: &Envelope) -> Result<Submission, Error> {
    finish_by(parser, envelope, None)
}

/// The same by somebody: one who may not change a month that is closed is not asked for a reason.
fn finish_by(
    mut parser: Parser<'_>,
    envelope: &Envelope,
    by: Option<(&Identity, &Frame)>,
) -> Result<Submission, Error> {
    let in_closed = parser.in_closed();
    let submission = parser.finish().map_err(Error::Invalid)?;
    if let Some((by, frame)) = by {
        by.may_record(frame, &submission)?;
    }
    without_reason(in_closed, envelope.reason.as_deref())?;
    Ok(submission)
}

/// Refuses figures of closed months without a reason (contract section 3).
fn without_reason(in_closed: Vec<Fault>, reason: Option<&str>) -> Result<(), Error> {
    if in_closed.is_empty() || reason.is_some_and(|reason| !reason.trim().is_empty()) {
        return Ok(());
    }
    Err(Error::Conflict {
        detail: "figures of closed months change only with a reason; nothing was recorded"
            .to_owned(),
        obstacles: in_closed,
    })
}

/// Refuses a withdrawal of figures of closed months without a reason.
pub(super) fn standing_in_closed(
    state: &State,
    submission: &Submission,
    reason: Option<&str>,
) -> Result<(), Error> {
    let closed =
        submission.figures.iter().filter(|figure| state.closed.contains_key(&figure.month));
    let fault = |figure: &NewFigure| {
        let detail = format!(
            "{} of {} is closed; withdrawing a figure of it needs a reason",
            figure.month,
            state.units.code(figure.unit)
        );
        Fault::new("/reason", "month_closed", detail)
    };
    without_reason(closed.map(fault).collect(), reason)
}

impl App {
    /// Judges a body without recording it.
    ///
    /// # Errors
    /// Every fault of it, and figures that its sender may not write.
    pub fn try_out(&self, body: &Body, by: impl Into<Identity>) -> Result<Receipt, Error> {
        let by = by.into();
        loop {
            let frame = self.frame();
            let (submission, _) = body.parse(&frame, &by)?;
            let state = self.state();
            if frame.is_of(&state) {
                let judged =
                    judge(&state, &submission, &mut Overlay::over(&state.measures), &mut None)?;
                return Ok(Receipt {
                    submission: None,
                    revision: None,
                    recorded_at: None,
                    counts: judged.effect.counts,
                    findings: judged.findings,
                });
            }
        }
    }

    /// Records a body; it is durable and readable when this returns.
    ///
    /// # Errors
    /// Every fault of it, a broken `error` rule, or that the store could not record it.
    pub async fn submit(&self, body: &Body, by: impl Into<Identity>) -> Result<Receipt, Error> {
        Ok(self.submit_keyed(body, by, None).await?.answer)
    }

    /// Records a body, once for its key.
    ///
    /// # Errors
    /// As for [`App::submit`], and a key that was used for another body.
    pub async fn submit_keyed(
        &self,
        body: &Body,
        by: impl Into<Identity>,
        keyed: Option<&Keyed>,
    ) -> Result<Given<Receipt>, Error> {
        let by = by.into();
        let mut fresh = false;
        loop {
            // The first answer counts, whatever would be wrong with the body by now.
            if let Some(given) = self.answered(keyed).await? {
                return Ok(given);
            }
            let frame = self.frame();
            let (submission, envelope) = match body.parse(&frame, &by) {
                // Another instance may have changed a moment ago what stands against it; it is parsed once more.
                Err(error) if fresh || !self.level().await.unwrap_or(false) => return Err(error),
                Err(_judged_too_early) => {
                    fresh = true;
                    continue;
                }
                Ok(parsed) => parsed,
            };
            let answer = self.hand_over(Handed {
                kept: body.kept(),
                submission,
                frame,
                envelope,
                by: &by,
                withdraws: None,
                keyed: keyed.cloned(),
            })?;
            match answer.await.unwrap_or_else(|_stopped| Err(Error::Busy(stopping())))? {
                Reply::Done(given) => return Ok(given),
                Reply::Stale => {}
            }
        }
    }

    /// The first answer to a key, read off the async threads.
    pub(super) async fn answered(
        &self,
        keyed: Option<&Keyed>,
    ) -> Result<Option<Given<Receipt>>, Error> {
        let Some(keyed) = keyed.cloned() else { return Ok(None) };
        let store = self.store().clone();
        tokio::task::spawn_blocking(move || keyed.answered(&store))
            .await
            .map_err(|_e| Error::Busy(stopping()))?
    }

    /// Hands a submission that was parsed already to the writer and returns the waiting answer; for
    /// imports, which parse the next stretch meanwhile.
    pub(crate) fn submit_parsed(
        &self,
        submission: Submission,
        frame: Frame,
        envelope: Envelope,
        by: impl Into<Identity>,
    ) -> Result<Recording, Error> {
        Ok(Recording(self.hand_over(Handed {
            submission,
            frame,
            envelope,
            by: &by.into(),
            withdraws: None,
            keyed: None,
            kept: None,
        })?))
    }

    /// Records a body without an async thread.
    pub(crate) fn submit_now(
        &self,
        body: &Body,
        by: impl Into<Identity>,
    ) -> Result<Receipt, Error> {
        let by = by.into();
        loop {
            let frame = self.frame();
            let (submission, envelope) = body.parse(&frame, &by)?;
            let handed = Handed {
                submission,
                frame,
                envelope,
                by: &by,
                withdraws: None,
                keyed: None,
                kept: body.kept(),
            };
            if let Some(receipt) = Recording(self.hand_over(handed)?).wait()? {
                return Ok(receipt);
            }
        }
    }

    /// What a submission is parsed against now.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.state().frame()
    }

    /// The one way to the writer: nothing gets there that its sender may not record. Units and closed months that have changed since
    /// make the writer hand it back.
    fn hand_over(
        &self,
        handed: Handed<'_>,
    ) -> Result<oneshot::Receiver<Result<Reply, Error>>, Error> {
        let (reply, answer) = oneshot::channel();
        let Handed { submission, frame, envelope, by, withdraws, keyed, kept } = handed;
        by.may_record(&frame, &submission)?;
        self.inner.writer.submit(Submit {
            submission,
            frame,
            envelope,
            by: by.clone(),
            withdraws,
            keyed,
            kept,
            reply,
        })?;
        Ok(answer)
    }

    /// Whether a submission's sender is somebody who may withdraw it: itself, by this key or one that it continues, or anybody for whom
    /// every unit is its own.
    fn owns(&self, by: &Identity, actor: &str) -> bool {
        let mark =
            actor.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")).map(|(_, mark)| mark);
        let of_its_keys = mark
            .and_then(|id| self.ring().holder(id))
            .is_some_and(|holder| by.holder == format!("key:{holder}"));
        by.role >= Role::Steward || mark == Some(by.holder.as_str()) || of_its_keys
    }

    /// Withdraws the figures of a submission that still stand, in a new revision.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], figures of closed months without a reason, or that the store could not record it.
    pub async fn withdraw(
        &self,
        id: &str,
        reason: Option<String>,
        by: impl Into<Identity>,
        keyed: Option<&Keyed>,
    ) -> Result<Given<Receipt>, Error> {
        let by = by.into();
        loop {
            if let Some(given) = self.answered(keyed).await? {
                return Ok(given);
            }
            let store = self.store().clone();
            let key = id.to_owned();
            let brought = tokio::task::spawn_blocking(move || figures_of(&store, &key))
                .await
                .map_err(|_e| Error::Busy(stopping()))??;
            if !self.owns(&by, &brought.2) {
                return Err(Error::Forbidden {
                    detail: format!(
                        "a reporter withdraws its own submissions; this one is of {}",
                        brought.2
                    ),
                    obstacles: Vec::new(),
                });
            }
            // Another instance may have recorded it a moment ago.
            self.reach(brought.0).await?;
            let (submission, frame) = {
                let state = self.state();
                let name = |measure: usize| {
                    Some((state.measures.get(measure)?.clone(), state.decimals(measure)))
                };
                let figures = brought.1.iter().filter_map(|(measure, unit, month)| {
                    Some((*measure, state.units.position_of_number(*unit)?, *month))
                });
                (Submission::withdrawing(figures, name), state.frame())
            };
            let envelope = Envelope {
                source_kind: Some("withdrawal".to_owned()),
                reference: Some(id.to_owned()),
                reason: reason.clone(),
            };
            let withdraws = Some(Withdrawal { id: id.to_owned(), revision: brought.0 });
            let answer = self.hand_over(Handed {
                submission,
                frame,
                envelope,
                by: &by,
                withdraws,
                keyed: keyed.cloned(),
                kept: None,
            })?;
            match answer.await.unwrap_or_else(|_stopped| Err(Error::Busy(stopping())))? {
                Reply::Done(given) => return Ok(given),
                Reply::Stale => {}
            }
        }
    }
}

impl Moment {
    /// The receipt of a submission. Blocks on the store.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn receipt(&self, id: &str) -> Result<PastReceipt, Error> {
        let SubmissionRecord { revision, submission } = find(self.store(), id)?;
        // Another instance may have recorded it a moment ago; a moment of the past does not know it yet.
        if self.is_past() && revision.revision > self.look().revision {
            return Err(unknown(id));
        }
        let counts = counts(&submission);
        Ok(PastReceipt {
            submission: submission.id,
            revision: revision.revision,
            recorded_at: time_text(revision.recorded_at),
            actor: revision.actor,
            reason: revision.reason,
            source: SourceView { kind: submission.source_kind, reference: submission.reference },
            withdraws: submission.withdraws,
            counts,
            findings: serde_json::from_str(&submission.findings).unwrap_or_default(),
        })
    }
}

/// A submission to hand over to the writer.
struct Handed<'a> {
    submission: Submission,
    frame: Frame,
    envelope: Envelope,
    by: &'a Identity,
    withdraws: Option<Withdrawal>,
    keyed: Option<Keyed>,
    kept: Option<Arc<Kept>>,
}

/// A submission on its way.
pub(crate) struct Recording(oneshot::Receiver<Result<Reply, Error>>);

impl Recording {
    /// Waits for it; none when it has to be parsed again. Not to be called on an async thread.
    pub(crate) fn wait(self) -> Result<Option<Receipt>, Error> {
        match self.0.blocking_recv().unwrap_or_else(|_stopped| Err(Error::Busy(stopping())))? {
            Reply::Done(given) => Ok(Some(given.answer)),
            Reply::Stale => Ok(None),
        }
    }
}

/// What a submission of the past did.
pub(super) fn counts(row: &SubmissionRow) -> Counts {
    let number = |count: i64| u64::try_from(count).unwrap_or(0);
    Counts {
        created: number(row.created),
        revised: number(row.revised),
        unchanged: number(row.unchanged),
        withdrawn: number(row.withdrawn),
    }
}

/// A submission by its identifier; what cannot be one is not asked for (PostgreSQL takes no NUL).
pub(super) fn find(store: &crate::store::Store, id: &str) -> Result<SubmissionRecord, Error> {
    let found =
        if id.bytes().all(|b| b.is_ascii_alphanumeric()) { store.submission(id)? } else { None };
    found.ok_or_else(|| unknown(id))
}

pub(super) fn unknown(id: &str) -> Error {
    Error::NotFound(format!("there is no submission {}", crate::domain::fault::quoted(id)))
}

/// A figure that a submission brought: measure, unit's number, month.
type Brought = (usize, i64, crate::domain::period::Month);

/// The revision of a submission, the figures it brought, and who sent it.
fn figures_of(store: &crate::store::Store, id: &str) -> Result<(i64, Vec<Brought>, String), Error> {
    let RevisionRow { revision, actor, .. } = find(store, id)?.revision;
    let query =
        ObservationQuery { limit: u32::MAX, ..ObservationQuery::default() }.of_revision(revision);
    let rows = store.observations(&query)?.into_iter().filter(|row| row.mantissa.is_some());
    let brought = rows.filter_map(|row| {
        let month = crate::domain::period::Month::from_number(i32::try_from(row.month).ok()?)?;
        Some((usize::try_from(row.measure).ok()?, row.unit, month))
    });
    Ok((revision, brought.collect(), actor))
}

/// Leaves of a withdrawal only the figures that its revision brought and no later one has replaced.
pub(super) fn keep_standing(state: &State, submission: &mut Submission, revision: i64) {
    let ids: Vec<_> = submission
        .measures
        .iter()
        .map(|named| (state.measures.id(&named.measure), named.decimals))
        .collect();
    submission.figures.retain(|figure| {
        let stamp = match ids.get(figure.measure) {
            Some((Some(id), Some(_))) => {
                state.cube.cell(*id, figure.unit, figure.month).map(|(_, stamp)| stamp)
            }
            Some((Some(id), None)) => {
                state.cube.stated(*id, figure.unit, figure.month).map(|stamped| stamped.revision)
            }
            _ => None,
        };
        stamp.is_some_and(|stamp| i64::from(stamp) == revision)
    });
}
