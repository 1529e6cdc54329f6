//! Closing and reopening months (`docs/specification.md#closed-months`).

use std::sync::Arc;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::idempotency::{IdempotencyKey, Replayable, WriteResponse, recorded_unless_told};
use super::writer::{WriterContext, empty_commit};
use crate::app::App;
use crate::app::read::completeness::{MissingReport, missing_reports};
use crate::app::snapshot::Snapshot;
use crate::app::state::State;
use crate::app::stored::{month_of, stored_month};
use crate::auth::identity::Identity;
use crate::clock::time_text;
use crate::error::Error;
use kpi::fault::Fault;
use kpi::period::{Month, Period};
use ledger::{RevisionNumber, RevisionRow};

/// The result of closing or reopening months.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PeriodsChanged {
    /// Whether this request, or the one that it repeats, made a revision.
    #[serde(default = "recorded_unless_told")]
    pub recorded: bool,
    /// The revision that contains the change, or the current one when nothing changed.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// That revision's hash.
    #[serde(default)]
    pub revision_hash: String,
    /// The months of the period.
    pub periods: Vec<String>,
    /// Whether these months are closed now.
    pub closed: bool,
    /// The months that changed; empty when all were in this state already.
    pub changed: Vec<String>,
}

impl WriteResponse for PeriodsChanged {
    fn revision(&self) -> Option<RevisionNumber> {
        Some(self.revision)
    }

    fn set_revision_hash(&mut self, hash: String) {
        self.revision_hash = hash;
    }
}

/// A request to close or reopen the months of a period.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClosingChange {
    /// A month, or a wider period for all its months.
    pub period: Period,
    /// `true` closes the months, `false` reopens them.
    pub close: bool,
    /// The sender's reason, if given.
    pub reason: Option<String>,
    /// Close even the current month, without a reason, and while reports are missing.
    pub force: bool,
}

/// Most missing reports that a refusal lists.
const MAX_MISSING: usize = 1_000;

/// One closing or reopening of a month.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ClosingView {
    /// The month.
    pub period: String,
    /// `true` for a closing, `false` for a reopening.
    pub closed: bool,
    /// The revision that recorded it.
    #[schema(value_type = i64)]
    pub revision: RevisionNumber,
    /// When it was recorded.
    pub recorded_at: String,
    /// Name of the sender.
    pub actor: String,
    /// The sender's reason, if given.
    #[schema(required)]
    pub reason: Option<String>,
}

impl App {
    /// Closes or reopens the months of a period.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a month that has not begun, or for a closing without a reason;
    /// [`Error::Conflict`] for the current month and for missing reports; or those of the store.
    pub async fn close(
        &self,
        closing: ClosingChange,
        by: impl Into<Identity>,
        idempotency: Option<IdempotencyKey>,
    ) -> Result<Replayable<PeriodsChanged>, Error> {
        let by = by.into();
        self.inner
            .writer
            .exclusive(move |writer| change(writer, &closing, &by, idempotency.as_ref()))
            .result()
            .await
    }
}

fn change(
    writer: &WriterContext,
    closing: &ClosingChange,
    by: &Identity,
    idempotency: Option<&IdempotencyKey>,
) -> Result<Replayable<PeriodsChanged>, Error> {
    let months: Vec<Month> = closing.period.months().collect();
    let this_month = writer.clock.this_month();
    if closing.period.last() > this_month {
        return Err(Error::fault(
            "/period",
            "future_month",
            format!("{} has not begun; this month is {this_month}", closing.period),
        ));
    }
    let today = writer.state.snapshot().calendar.day_at(writer.clock.now());
    let prepare = |state: &State| {
        let changed: Vec<Month> = months
            .iter()
            .copied()
            .filter(|month| state.closed.contains_key(month) != closing.close)
            .collect();
        if closing.close && !closing.force && !changed.is_empty() {
            check(state, closing, &changed, today)?;
        }
        let mut commit =
            empty_commit(state, if closing.close { "closing" } else { "reopening" }, by);
        commit.reason.clone_from(&closing.reason);
        commit.closings =
            changed.iter().map(|month| (stored_month(*month), closing.close)).collect();
        let commit = (!changed.is_empty()).then_some(commit);
        Ok((changed, commit))
    };
    let texts = |months: &[Month]| months.iter().map(ToString::to_string).collect();
    let answer = |revision: RevisionNumber, recorded: bool, changed: &Vec<Month>| PeriodsChanged {
        recorded,
        revision,
        revision_hash: String::new(),
        periods: texts(&months),
        closed: closing.close,
        changed: texts(changed),
    };
    let written = writer.change(by, idempotency, prepare, answer)?;
    if let (Some(commit), Some(changed)) = (written.commit, written.found) {
        writer.publish_commit(&commit, |state| {
            let closed = Arc::make_mut(&mut state.closed);
            for month in changed {
                if closing.close {
                    closed.insert(month, commit.revision)
                } else {
                    closed.remove(&month)
                };
            }
            Ok(())
        })?;
    }
    Ok(written.given)
}

/// Refuses to close a month that is not over, for which reports are missing, or without a reason;
/// all obstacles at once.
fn check(
    state: &State,
    closing: &ClosingChange,
    months: &[Month],
    today: NaiveDate,
) -> Result<(), Error> {
    let mut obstacles: Vec<Fault> = Vec::new();
    let this_month = Month::of(today);
    if let Some(month) = months.iter().find(|month| **month >= this_month) {
        obstacles.push(Fault::new(
            "/period",
            "month_under_way",
            format!("{month} is not over; force=true closes it anyway"),
        ));
    }
    let missing = months.iter().flat_map(|month| missing_reports(state, *month, today));
    let mut missing = missing.map(|report| {
        let MissingReport { month, unit, expectation, missing, expected } = report;
        let (code, name) = (&unit.code, unit.shown());
        let detail = if missing == expected {
            format!("{month}: {code} ({name}) has not reported {expectation}")
        } else {
            format!(
                "{month}: {code} ({name}) has not reported {missing} of {expected} figures of \
                 {expectation}"
            )
        };
        Fault::new("/period", "report_missing", detail)
    });
    obstacles.extend(missing.by_ref().take(MAX_MISSING));
    let more = missing.count();
    if more > 0 {
        let detail = format!("{more} more reports are missing; GET /completeness lists them");
        obstacles.push(Fault::new("/period", "report_missing", detail));
    }
    let needs_reason = closing.reason.as_deref().is_none_or(kpi::text::is_blank);
    let reason = needs_reason
        .then(|| Fault::new("/reason", "missing", "closing a month needs a reason, or force=true"));
    if obstacles.is_empty() {
        return reason.map_or(Ok(()), |fault| Err(Error::Invalid(vec![fault])));
    }
    obstacles.extend(reason);
    Err(Error::Conflict {
        detail: format!("{} cannot be closed yet; force=true closes it anyway", closing.period),
        obstacles,
    })
}

impl Snapshot {
    /// The closed months in order; with `history` all closings and reopenings in the order in which
    /// they were recorded. Blocks on the store.
    ///
    /// # Errors
    /// Those of the store.
    pub fn closings(&self, history: bool) -> Result<(RevisionNumber, Vec<ClosingView>), Error> {
        let (revision, closed) = {
            let state = self.state();
            (state.revision, Arc::clone(&state.closed))
        };
        let (mut found, mut by) = (Vec::new(), None::<RevisionRow>);
        for row in self.store().closings_at(revision)? {
            let Some(month) = month_of(row.month) else {
                continue;
            };
            if !history && closed.get(&month) != Some(&row.revision) {
                continue;
            }
            // The months of a wider period follow each other, so their common revision is read
            // once.
            if by.as_ref().is_none_or(|by| by.revision != row.revision) {
                by = self.store().revision(row.revision)?;
            }
            let Some(by) = &by else { continue };
            found.push(ClosingView {
                period: month.to_string(),
                closed: row.closed,
                revision: row.revision,
                recorded_at: time_text(by.recorded_at),
                actor: by.actor.clone(),
                reason: by.reason.clone(),
            });
        }
        if !history {
            found.sort_by(|one, other| one.period.cmp(&other.period));
        }
        self.confirm()?;
        Ok((revision, found))
    }
}
