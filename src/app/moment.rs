//! What an answer is computed from: the latest state, or the ledger as it was (contract section 3, `as_of`).

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use parking_lot::RwLockReadGuard;

use super::App;
use super::state::State;
use super::writer::stopping;
use crate::domain::geography::Geography;
use crate::domain::period::Month;
use crate::error::Error;
use crate::store::{Head, Store};

/// How long a reader waits for a revision that another instance has written.
const PATIENCE: Duration = Duration::from_secs(5);
/// After so many microseconds no commit dated before is under way any more.
const SETTLED: i64 = 60 * 1_000_000;
/// Most states of the past that are kept loaded, and the bytes of figures after which only one is.
const PASTS: usize = 4;
const PASTS_BYTES: usize = 256 << 20;

/// A moment of the ledger's past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AsOf {
    /// When this revision was the newest.
    Revision(i64),
    /// At this time, in microseconds since 1970.
    Time(i64),
}

impl std::str::FromStr for AsOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return text
                .parse()
                .map(Self::Revision)
                .map_err(|_too_large| "there is no such revision".to_owned());
        }
        // A plus sign in a query is a space by the time it is read.
        match DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
            Ok(time) => Ok(Self::Time(time.timestamp_micros())),
            Err(_malformed) => Err(
                "a revision, or a time such as 2021-11-05T00:00:00Z or 2021-11-05T07:00:00%2B07:00"
                    .to_owned(),
            ),
        }
    }
}

/// What a request says about the state it wants its answer from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// A moment of the past.
    pub as_of: Option<AsOf>,
    /// The client has seen this revision, here or on another instance: it waits for it.
    pub min_revision: Option<i64>,
    /// The same, by a cursor.
    pub cursor: Option<i64>,
    /// The same, by an entity tag of this ledger.
    pub tag: Option<i64>,
    /// The answer depends on the day, too.
    pub by_day: bool,
}

/// What an answer is computed from.
#[derive(Clone)]
pub struct Moment {
    app: App,
    past: Option<(Arc<State>, NaiveDate)>,
}

/// A consistent look at a state. Keep it short: the writer waits for it.
pub enum Look<'a> {
    /// The latest.
    Now(RwLockReadGuard<'a, State>),
    /// One of the past.
    Then(&'a State),
}

impl Deref for Look<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        match self {
            Self::Now(state) => state,
            Self::Then(state) => state,
        }
    }
}

impl Moment {
    /// A consistent look at it.
    #[must_use]
    pub fn look(&self) -> Look<'_> {
        self.past
            .as_ref()
            .map_or_else(|| Look::Now(self.app.state()), |(state, _)| Look::Then(state))
    }

    /// Whether it is one of the past.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.past.is_some()
    }

    /// The month that had begun in Vietnam.
    #[must_use]
    pub fn month(&self) -> Month {
        Month::of(self.day())
    }

    /// The day it was in Vietnam.
    #[must_use]
    pub fn day(&self) -> NaiveDate {
        self.past.as_ref().map_or_else(|| self.app.state().clock.today(), |(_, day)| *day)
    }

    /// In which units its answers are given: as reported, or in those of its day.
    #[must_use]
    pub fn geography(&self, of_today: bool) -> Geography {
        if of_today { Geography::Current(self.day()) } else { Geography::AsReported }
    }

    /// The ledger.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.app.store()
    }

    /// The service.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }
}

impl App {
    /// The latest state.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment { app: self.clone(), past: None }
    }

    /// The state that a request wants, once it is there.
    ///
    /// # Errors
    /// [`Error::Behind`] when the revision is not reached in time, a fault for a moment that the ledger has not had.
    pub async fn moment(&self, wanted: &Wanted) -> Result<Moment, Error> {
        for (name, seen) in [("cursor", wanted.cursor), ("", wanted.tag)] {
            let Some(seen) = seen.filter(|seen| *seen > self.revision()) else { continue };
            if self.newest().await?.revision >= seen {
                self.reach(seen).await?;
            } else if !name.is_empty() {
                return Err(Error::fault(
                    format!("/{name}"),
                    "malformed",
                    "this is a cursor of another ledger",
                ));
            }
        }
        if let Some(revision) = wanted.min_revision {
            self.reach(revision).await?;
        }
        let Some(as_of) = wanted.as_of else { return Ok(self.now()) };
        let app = self.clone();
        tokio::task::spawn_blocking(move || app.past(as_of))
            .await
            .map_err(|_e| Error::Busy(stopping()))?
    }

    /// Waits until the state has reached a revision.
    ///
    /// # Errors
    /// [`Error::Behind`] when that takes too long.
    pub async fn reach(&self, revision: i64) -> Result<(), Error> {
        let mut revisions = self.inner.writer.revisions();
        let reached =
            tokio::time::timeout(PATIENCE, revisions.wait_for(|reached| *reached >= revision))
                .await;
        if matches!(reached, Ok(Ok(_))) { Ok(()) } else { Err(Error::Behind(revision)) }
    }

    /// Waits for what another instance has written already; whether there was anything.
    ///
    /// # Errors
    /// The store's, and [`Error::Behind`].
    pub async fn level(&self) -> Result<bool, Error> {
        let (seen, newest) = (self.revision(), self.newest().await?.revision);
        if newest > seen {
            self.reach(newest).await?;
        }
        Ok(newest > seen)
    }

    /// The newest revision that readers see.
    #[must_use]
    pub fn revision(&self) -> i64 {
        *self.inner.writer.revisions().borrow()
    }

    async fn newest(&self) -> Result<Head, Error> {
        let store = self.store().clone();
        Ok(tokio::task::spawn_blocking(move || store.head())
            .await
            .map_err(|_e| Error::Busy(stopping()))??)
    }

    /// A state of the past: a copy of the latest while that is the one, otherwise read from the ledger.
    fn state_at(&self, head: Head) -> Result<State, Error> {
        let latest = self.state();
        if latest.revision == head.revision {
            return Ok(latest.clone());
        }
        let clock = latest.clock.clone();
        drop(latest);
        Ok(State { clock, ..State::at(self.store(), head)? })
    }

    /// Loads a state of the past, or finds it loaded. Blocks on the store.
    ///
    /// # Errors
    /// A fault for a revision that is not there, or the store's.
    pub fn past(&self, as_of: AsOf) -> Result<Moment, Error> {
        let (head, time) = match as_of {
            AsOf::Time(time) => {
                if time > self.state().clock.now() - SETTLED {
                    // A commit is dated a moment before it can be seen: what is under way is waited for.
                    self.inner.writer.exclusive(|_| Ok(())).wait()?;
                }
                (self.store().head_at(time)?, time)
            }
            AsOf::Revision(0) => (Head::default(), 0),
            AsOf::Revision(number) => {
                let Some(row) = self.store().revision(number)? else {
                    return Err(Error::fault(
                        "/as_of",
                        "unknown_revision",
                        format!("there is no revision {number} yet"),
                    ));
                };
                (Head { revision: row.revision, recorded_at: row.recorded_at }, row.recorded_at)
            }
        };
        // A moment to come is now: no month begins early.
        let clock = self.state().clock.clone();
        let day = clock.day_at(time.min(clock.now()));
        // One load at a time: a second request for the same moment finds it.
        let mut pasts = self.inner.pasts.lock();
        let found = pasts
            .iter()
            .position(|past| past.revision == head.revision)
            .map(|place| pasts.remove(place));
        let past = match found {
            Some(past) => past,
            None => Arc::new(self.state_at(head)?),
        };
        pasts.push(Arc::clone(&past));
        let bytes: usize = pasts.iter().map(|past| past.cube.bytes()).sum();
        let kept = if bytes > PASTS_BYTES { 1 } else { PASTS };
        let superfluous = pasts.len().saturating_sub(kept);
        pasts.drain(..superfluous);
        Ok(Moment { app: self.clone(), past: Some((past, day)) })
    }
}
