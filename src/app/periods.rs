//! Months closed and reopened (contract section 3, `POST /periods/{period}/close`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::access::Identity;
use super::keyed::{Given, Keyed};
use super::moment::Moment;
use super::state::{Closed, State};
use super::writer::{Desk, empty_commit};
use super::{App, time_text};
use crate::domain::period::{Month, Period};
use crate::error::Error;
use crate::store::RevisionRow;

/// What closing or reopening came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PeriodsChanged {
    /// The revision that has it.
    pub revision: i64,
    /// The months named.
    pub periods: Vec<String>,
    /// Whether they are closed now.
    pub closed: bool,
    /// Those of them that changed; none when all were so already.
    pub changed: Vec<String>,
}

/// What is to be done with a period's months.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Closing {
    /// The period: a month, or a wider one for all its months.
    pub period: Period,
    /// Close them, or reopen them.
    pub close: bool,
    /// Why, where somebody said so.
    pub reason: Option<String>,
}

/// When a month was closed or reopened, by whom and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct ClosingView {
    /// The month.
    pub period: String,
    /// Whether it was closed, or reopened.
    pub closed: bool,
    /// The revision that did it.
    pub revision: i64,
    /// When.
    pub recorded_at: String,
    /// Who did it.
    pub actor: String,
    /// Why, where somebody said so.
    #[schema(required)]
    pub reason: Option<String>,
}

impl App {
    /// Closes or reopens the months of a period.
    ///
    /// # Errors
    /// A month that has not begun, or that the store could not record it.
    pub async fn close(
        &self,
        closing: Closing,
        by: impl Into<Identity>,
        keyed: Option<Keyed>,
    ) -> Result<Given<PeriodsChanged>, Error> {
        let by = by.into();
        self.inner
            .writer
            .exclusive(move |desk| change(desk, &closing, &by, keyed.as_ref()))
            .answer()
            .await
    }
}

fn change(
    desk: &Desk,
    closing: &Closing,
    by: &Identity,
    keyed: Option<&Keyed>,
) -> Result<Given<PeriodsChanged>, Error> {
    let months: Vec<Month> = closing.period.months().collect();
    let this_month = desk.state.read().clock.this_month();
    if closing.period.last() > this_month {
        return Err(Error::fault(
            "/period",
            "future_month",
            format!("{} has not ended; this month is {this_month}", closing.period),
        ));
    }
    let prepare = |state: &State| {
        let changed: Vec<Month> = months
            .iter()
            .copied()
            .filter(|month| state.closed.contains_key(month) != closing.close)
            .collect();
        let mut commit =
            empty_commit(state, if closing.close { "closing" } else { "reopening" }, by);
        commit.reason.clone_from(&closing.reason);
        commit.closings =
            changed.iter().map(|month| (i64::from(month.number()), closing.close)).collect();
        let commit = (!changed.is_empty()).then_some(commit);
        Ok((changed, commit))
    };
    let texts = |months: &[Month]| months.iter().map(ToString::to_string).collect();
    let answer = |revision: i64, changed: &Vec<Month>| PeriodsChanged {
        revision,
        periods: texts(&months),
        closed: closing.close,
        changed: texts(changed),
    };
    let written = desk.change(keyed, prepare, answer)?;
    if let (Some(commit), Some(changed)) = (written.commit, written.found) {
        let mut state = desk.state.write();
        let mut closed = Closed::clone(&state.closed);
        for month in changed {
            if closing.close {
                closed.insert(month, commit.revision)
            } else {
                closed.remove(&month)
            };
        }
        state.closed = Arc::new(closed);
        desk.reached(&mut state, &commit);
    }
    Ok(written.given)
}

impl Moment {
    /// The months that are closed, in order; with `history` every closing and reopening instead, in the order in which it happened.
    /// Blocks on the store.
    ///
    /// # Errors
    /// The store's.
    pub fn closings(&self, history: bool) -> Result<(i64, Vec<ClosingView>), Error> {
        let (revision, closed) = {
            let state = self.look();
            (state.revision, Arc::clone(&state.closed))
        };
        let (mut found, mut by) = (Vec::new(), None::<RevisionRow>);
        for row in self.store().closings_at(revision)? {
            let Some(month) = i32::try_from(row.month).ok().and_then(Month::from_number) else {
                continue;
            };
            if !history && closed.get(&month) != Some(&row.revision) {
                continue;
            }
            // The months of a wider period stand side by side: their revision is read once.
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
        Ok((revision, found))
    }
}
