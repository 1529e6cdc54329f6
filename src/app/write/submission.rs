//! Submissions: parsing, recording and withdrawing them
//! (`docs/specification.md#recording-figures`).

use std::sync::Arc;

use tokio::sync::oneshot;

use super::evaluate::{Sender, evaluate};
use super::idempotency::{IdempotencyKey, Replayable, WriteResponse};
use super::receipt::{Receipt, ReportRecord};
use super::writer::{PendingResponse, QueuedSubmission, SubmissionReply, WithdrawnSubmission};
use crate::app::App;
use crate::app::lookup::ask;
use crate::app::read::past_submissions::find;
use crate::app::state::ValidationContext;
use crate::app::stored::{measure_of, month_of, unit_of};
use crate::auth::identity::Identity;
use crate::auth::role::Role;
use crate::error::Error;
use crate::intake::{SubmissionEnvelope, UnreadableBody, csv, json};
use kpi::cube::{MeasureId, Overlay};
use kpi::observation::{FoundObservation, ObservationParser, Submission};
use kpi::period::Month;
use kpi::unit::UnitNumber;
use ledger::{ObservationQuery, RevisionNumber, RevisionRow, Store};

/// The bytes or figures of a submission, and how to parse them.
#[derive(Clone, Debug)]
pub enum SubmissionInput {
    /// A JSON document.
    Json(Vec<u8>),
    /// A CSV file, with what the query states beside it.
    Csv(Vec<u8>, SubmissionEnvelope),
    /// Figures found in a document or an Excel file.
    Found(Vec<FoundObservation>, SubmissionEnvelope),
    /// Figures read from a report, with the part of the report that is stored.
    Report(Vec<FoundObservation>, SubmissionEnvelope, Arc<ReportRecord>),
}

impl SubmissionInput {
    /// Parses and validates the body for the sender `by`.
    pub(in crate::app) fn parse(
        &self,
        context: &ValidationContext,
        by: &Identity,
    ) -> Result<(Submission, SubmissionEnvelope), Error> {
        let mut parser = context.parser();
        let envelope = match self {
            Self::Json(bytes) => json::read(bytes, &mut parser)
                .map_err(|UnreadableBody(detail)| Error::Malformed(detail))?,
            Self::Csv(bytes, envelope) => {
                csv::read(bytes, &context.catalogue, &mut parser);
                envelope.faults().into_iter().for_each(|fault| parser.fault(fault));
                envelope.clone()
            }
            Self::Found(found, envelope) | Self::Report(found, envelope, _) => {
                parser.push_found(found);
                envelope.faults().into_iter().for_each(|fault| parser.fault(fault));
                envelope.clone()
            }
        };
        let submission = finish(parser)?;
        by.may_record(&context.units, |month| context.closed.contains_key(&month), &submission)?;
        Ok((submission, envelope))
    }

    /// The part that is stored beside the figures.
    fn kept(&self) -> Option<Arc<ReportRecord>> {
        match self {
            Self::Report(_, _, kept) => Some(Arc::clone(kept)),
            Self::Json(_) | Self::Csv(..) | Self::Found(..) => None,
        }
    }
}

impl ValidationContext {
    /// A parser of figures in this context.
    pub(crate) fn parser(&self) -> ObservationParser<'_> {
        ObservationParser::new(&self.catalogue, &self.units, self.clock.this_month())
            .with_closed(|month| self.closed.contains_key(&month))
    }
}

/// The parsed submission.
///
/// # Errors
/// All its errors.
pub(crate) fn finish(parser: ObservationParser<'_>) -> Result<Submission, Error> {
    parser.finish().map_err(Error::Invalid)
}

impl App {
    /// Evaluates a submission without recording it (`dry_run=true`).
    ///
    /// # Errors
    /// All errors of the submission, figures that its sender may not write, and figures of closed
    /// months that change without a reason.
    pub fn dry_run(
        &self,
        body: &SubmissionInput,
        by: impl Into<Identity>,
    ) -> Result<Receipt, Error> {
        let by = by.into();
        loop {
            let context = self.validation_context();
            let (submission, envelope) = body.parse(&context, &by)?;
            let state = self.state();
            if context.is_current_for(&state) {
                let sender = Sender { by: &by, reason: envelope.reason.as_deref() };
                let mut overlay = Overlay::over(&state.measures);
                let evaluation = evaluate(&state, &submission, sender, &mut overlay, &mut None)?;
                return Ok(Receipt::found(&evaluation));
            }
        }
    }

    /// Records a submission; its figures are durable and readable when this returns.
    ///
    /// # Errors
    /// All errors of the submission, a broken rule of severity `error`, or those of the store.
    pub async fn submit(
        &self,
        body: &SubmissionInput,
        by: impl Into<Identity>,
    ) -> Result<Receipt, Error> {
        Ok(self.submit_idempotent(body, by, None).await?.answer)
    }

    /// Records a submission once for its idempotency key.
    ///
    /// # Errors
    /// As for [`App::submit`], and a key that was used with another body.
    pub async fn submit_idempotent(
        &self,
        body: &SubmissionInput,
        by: impl Into<Identity>,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Replayable<Receipt>, Error> {
        let by = by.into();
        let mut fresh = false;
        loop {
            // The stored response comes first, even if the body would be invalid by now.
            if let Some(given) = self.load_replay(idempotency).await? {
                return Ok(given);
            }
            let context = self.validation_context();
            let (submission, envelope) = match body.parse(&context, &by) {
                // Another instance may just have changed what the errors depend on; the submission
                // is parsed once more.
                Err(error) if fresh || !self.catch_up_with_ledger().await.unwrap_or(false) => {
                    return Err(error);
                }
                Err(_outdated) => {
                    fresh = true;
                    continue;
                }
                Ok(parsed) => parsed,
            };
            let answer = self.enqueue(SubmissionHandover {
                kept: body.kept(),
                submission,
                context,
                envelope,
                by: &by,
                withdraws: None,
                idempotency: idempotency.cloned(),
            })?;
            match answer.result().await? {
                SubmissionReply::Done(given) => return self.when_readable(given).await,
                SubmissionReply::Stale => {}
            }
        }
    }

    /// The stored response to an idempotency key, read on a blocking thread. Another instance may
    /// have made it: it is given when its figures can be read here.
    pub(in crate::app) async fn load_replay(
        &self,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Option<Replayable<Receipt>>, Error> {
        let Some(idempotency) = idempotency.cloned() else { return Ok(None) };
        let given = ask(self.store(), move |store| idempotency.load_replay(store)).await?;
        match given {
            Some(given) => self.when_readable(given).await.map(Some),
            None => Ok(None),
        }
    }

    /// A response, once the state has reached its revision.
    async fn when_readable(
        &self,
        given: Replayable<Receipt>,
    ) -> Result<Replayable<Receipt>, Error> {
        if let Some(revision) = given.answer.revision() {
            self.wait_for_revision(revision).await?;
        }
        Ok(given)
    }

    /// Hands a parsed submission to the writer and returns the pending result; for imports, which
    /// parse the next part meanwhile.
    pub(crate) fn submit_parsed(
        &self,
        submission: Submission,
        context: ValidationContext,
        envelope: SubmissionEnvelope,
        by: impl Into<Identity>,
    ) -> Result<PendingReceipt, Error> {
        Ok(PendingReceipt(self.enqueue(SubmissionHandover {
            submission,
            context,
            envelope,
            by: &by.into(),
            withdraws: None,
            idempotency: None,
            kept: None,
        })?))
    }

    /// The current validation context of submissions.
    #[must_use]
    pub fn validation_context(&self) -> ValidationContext {
        self.state().validation_context(self.clock())
    }

    /// The only way to the writer, so that nothing is recorded without the sender's permission. The
    /// writer returns the submission as stale when units or closed months have changed since.
    fn enqueue(
        &self,
        handed: SubmissionHandover<'_>,
    ) -> Result<PendingResponse<SubmissionReply>, Error> {
        let (reply, answer) = oneshot::channel();
        let SubmissionHandover { submission, context, envelope, by, withdraws, idempotency, kept } =
            handed;
        by.may_record(&context.units, |month| context.closed.contains_key(&month), &submission)?;
        let envelope = envelope.without_blanks();
        let queued = QueuedSubmission {
            submission,
            context,
            envelope,
            by: by.clone(),
            withdraws,
            idempotency,
            kept,
            reply,
        };
        Ok(self.inner.writer.submit(queued, answer))
    }

    /// Whether `by` may withdraw the submission of `actor`: its own, sent with this key or one that
    /// this key replaces, or any submission when it may write for every unit.
    fn may_withdraw(&self, by: &Identity, actor: &str) -> bool {
        let mark =
            actor.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")).map(|(_, mark)| mark);
        let of_its_keys = mark
            .and_then(|id| self.api_keys().holder(id))
            .is_some_and(|holder| by.holder == format!("key:{holder}"));
        by.role >= Role::Steward || mark == Some(by.holder.as_str()) || of_its_keys
    }

    /// Withdraws those figures of a submission that are still current, in a new revision
    /// (`docs/specification.md#receipts`).
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`], [`Error::Conflict`] for figures of closed months
    /// without a reason, or those of the store.
    pub async fn withdraw(
        &self,
        id: &str,
        reason: Option<String>,
        by: impl Into<Identity>,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Replayable<Receipt>, Error> {
        let by = by.into();
        loop {
            if let Some(given) = self.load_replay(idempotency).await? {
                return Ok(given);
            }
            let key = id.to_owned();
            let brought = ask(self.store(), move |store| figures_of(store, &key)).await?;
            if !self.may_withdraw(&by, &brought.2) {
                return Err(Error::Forbidden {
                    detail: format!(
                        "a reporter can withdraw only its own submissions; this one was sent by {}",
                        brought.2
                    ),
                    obstacles: Vec::new(),
                });
            }
            // Another instance may have just recorded it.
            self.wait_for_revision(brought.0).await?;
            let (submission, context) = {
                let state = self.state();
                let name = |measure: MeasureId| {
                    Some((state.measures.get(measure)?.clone(), state.decimals(measure)))
                };
                let figures = brought.1.iter().filter_map(|(measure, unit, month)| {
                    Some((*measure, state.units.position_of_number(*unit)?, *month))
                });
                (Submission::withdrawing(figures, name), state.validation_context(self.clock()))
            };
            let envelope = SubmissionEnvelope {
                source_kind: Some("withdrawal".to_owned()),
                reference: Some(id.to_owned()),
                reason: reason.clone(),
            };
            let withdraws = Some(WithdrawnSubmission { id: id.to_owned(), revision: brought.0 });
            let answer = self.enqueue(SubmissionHandover {
                submission,
                context,
                envelope,
                by: &by,
                withdraws,
                idempotency: idempotency.cloned(),
                kept: None,
            })?;
            match answer.result().await? {
                SubmissionReply::Done(given) => return self.when_readable(given).await,
                SubmissionReply::Stale => {}
            }
        }
    }
}

/// A submission to hand to the writer.
struct SubmissionHandover<'a> {
    submission: Submission,
    context: ValidationContext,
    envelope: SubmissionEnvelope,
    by: &'a Identity,
    withdraws: Option<WithdrawnSubmission>,
    idempotency: Option<IdempotencyKey>,
    kept: Option<Arc<ReportRecord>>,
}

/// A submission that waits for its result.
pub(crate) struct PendingReceipt(PendingResponse<SubmissionReply>);

impl PendingReceipt {
    /// Waits for the result; `None` when the submission has to be parsed again. Not to be called on
    /// an async thread.
    pub(crate) fn wait(self) -> Result<Option<Receipt>, Error> {
        match self.0.wait()? {
            SubmissionReply::Done(given) => Ok(Some(given.answer)),
            SubmissionReply::Stale => Ok(None),
        }
    }
}

/// A figure of a submission: measure, number of the unit, month.
type BroughtFigure = (MeasureId, UnitNumber, Month);

/// The revision of a submission, its figures, and its sender.
fn figures_of(
    store: &Store,
    id: &str,
) -> Result<(RevisionNumber, Vec<BroughtFigure>, String), Error> {
    let RevisionRow { revision, actor, .. } = find(store, id)?.revision;
    let query =
        ObservationQuery { limit: u32::MAX, ..ObservationQuery::default() }.of_revision(revision);
    let rows = store.observations(&query)?.into_iter().filter(|row| !row.is_withdrawal());
    let brought = rows.filter_map(|row| {
        Some((measure_of(row.measure)?, unit_of(row.unit), month_of(row.month)?))
    });
    Ok((revision, brought.collect(), actor))
}
