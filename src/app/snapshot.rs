//! Snapshots: the state from which a whole response is computed, current or past
//! (`docs/specification.md#revisions`, `as_of` and `min_revision`).

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, NaiveDate};
use once_cell::sync::OnceCell;

use super::App;
use super::lookup::{ask, stopping};
use super::state::State;
use crate::clock::{Clock, MAX_JUMP};
use crate::error::Error;
use crate::memory::{MemoryBudget, MemoryKind, MemoryOwner, MemoryPermit};
use crate::sync::Mutex;
use kpi::geography::Geography;
use kpi::period::Month;
use ledger::{
    LedgerHead, RevisionId, RevisionNumber, RevisionRef, Store, StoreError, TimestampMicros, chain,
};

/// How long a read waits for a revision that another instance has written.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Minimum wait before checking again whether a time is settled.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(2);
/// At most this many past states stay loaded; beyond this many bytes of figures, only one does.
const MAX_PAST_STATES: usize = 4;
const MAX_PAST_BYTES: usize = 256 << 20;
/// Bytes that a past state takes besides its figures: units, findings, catalogue.
const PAST_STATE_OVERHEAD: usize = 4 << 20;

/// A position in the ledger's past.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AsOf {
    /// The state right after this revision.
    Revision(RevisionRef),
    /// The state at this time.
    Time(TimestampMicros),
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
        if let Ok(named) = text.parse() {
            return Ok(Self::Revision(named));
        }
        // A plus sign in a query string has been decoded to a space.
        match DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
            Ok(time) => Ok(Self::Time(TimestampMicros::new(time.timestamp_micros()))),
            Err(_malformed) => Err(
                "a revision such as 12, or 12-9f3a5b7c with the beginning of its hash, or a time \
                 such as 2021-11-05T00:00:00Z or 2021-11-05T07:00:00%2B07:00"
                    .to_owned(),
            ),
        }
    }
}

/// The read consistency that a request asks for: an earlier state, or at least a given revision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReadConsistency {
    /// An earlier state instead of the current one.
    pub as_of: Option<AsOf>,
    /// The client has seen this revision, here or on another instance; the request waits until it
    /// is visible here.
    pub min_revision: Option<RevisionRef>,
    /// The revision from which changes are read; treated as `min_revision`.
    pub changed_since: Option<RevisionRef>,
    /// The revision of a cursor; treated as `min_revision`.
    pub cursor: Option<RevisionRef>,
    /// The revision of an entity tag of this ledger; treated as `min_revision`.
    pub tag: Option<RevisionRef>,
    /// The response also depends on the day.
    pub by_day: bool,
}

impl ReadConsistency {
    /// The revisions that the client says it has seen.
    fn seen(&self) -> impl Iterator<Item = &RevisionRef> {
        self.min_revision.iter().chain(&self.changed_since)
    }
}

/// A snapshot: the one state that a whole request is computed from, and the time at which it was
/// taken.
#[derive(Clone)]
pub struct Snapshot {
    app: App,
    state: Arc<State>,
    day: NaiveDate,
    is_past: bool,
}

/// A past state that stays loaded. The first request for it loads it; others wait for that.
pub(super) struct PastState {
    id: RevisionId,
    /// The state, with the permit for its memory.
    state: OnceCell<(Arc<State>, MemoryPermit)>,
}

impl PastState {
    /// Whether a request is loading it or computing from it.
    pub(super) fn is_used(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 1
            || self.state.get().is_none_or(|(state, _)| Arc::strong_count(state) > 1)
    }
}

/// The loaded past states, the most recently used last.
pub(super) type PastStates = Mutex<Vec<Arc<PastState>>>;

impl Snapshot {
    /// The state of the snapshot.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether it is a past state.
    #[must_use]
    pub fn is_past(&self) -> bool {
        self.is_past
    }

    /// The current month of the snapshot, by the service's calendar.
    #[must_use]
    pub fn month(&self) -> Month {
        Month::of(self.day)
    }

    /// The day of the snapshot, by the service's calendar.
    #[must_use]
    pub fn day(&self) -> NaiveDate {
        self.day
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        self.app.clock()
    }

    /// The geography of the response: as reported, or in the units that exist on the snapshot's
    /// day.
    #[must_use]
    pub fn geography(&self, of_today: bool) -> Geography {
        if of_today { Geography::Current(self.day()) } else { Geography::AsReported }
    }

    /// The ledger.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.app.store()
    }

    /// Checks that the ledger still has the state's revision. Called after rows were read from the
    /// ledger, so that no response mixes two histories, and before a revision is called lost,
    /// because this process may be the one that has not noticed the new history yet. Blocks on the
    /// store.
    ///
    /// # Errors
    /// [`Error::Replaced`] when the ledger has another history, or those of the store.
    pub(super) fn confirm(&self) -> Result<(), Error> {
        let id = self.state.id();
        if self.app.id_of(id.number).is_ok_and(|there| there == id) {
            return Ok(());
        }
        // An unreachable database has an error of its own.
        self.store().ping()?;
        self.app.inner.writer.wake();
        Err(Error::Replaced)
    }

    /// The service that the snapshot belongs to.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }
}

impl App {
    /// A snapshot of the current state.
    #[must_use]
    pub fn now(&self) -> Snapshot {
        Snapshot {
            app: self.clone(),
            state: self.state(),
            day: self.clock().today(),
            is_past: false,
        }
    }

    /// The snapshot that a request asks for, as soon as its revision is visible.
    ///
    /// # Errors
    /// [`Error::Behind`] when the revision is not reached in time, [`Error::Invalid`] for a
    /// position that the ledger does not have, [`Error::OtherHistory`] for a revision of another
    /// history, and [`Error::Replaced`] while the ledger is being read again.
    pub async fn snapshot(&self, consistency: &ReadConsistency) -> Result<Snapshot, Error> {
        if self.is_replaced() {
            return Err(Error::Replaced);
        }
        for (named, is_cursor) in [(consistency.cursor, true), (consistency.tag, false)] {
            let Some(named) = named.filter(|named| named.number > self.revision()) else {
                continue;
            };
            let newest = self.newest().await?;
            if newest.revision >= named.number {
                self.wait_for_revision(named.number).await?;
            } else if is_cursor {
                return Err(self.other_history(&named, self.state().id()));
            }
        }
        for named in consistency.seen() {
            if named.number > self.revision() && self.inner.history.find_lost(named).is_some() {
                return Err(self.other_history(named, self.state().id()));
            }
            self.wait_for_revision(named.number).await?;
        }
        let snapshot = self.now();
        for named in consistency.seen().chain(&consistency.cursor) {
            match snapshot.state.id_of(named.number) {
                Some(id) if named.is(&id) => {}
                Some(id) => {
                    let shown = snapshot.clone();
                    ask(self.store(), move |_store| shown.confirm()).await?;
                    return Err(self.other_history(named, id));
                }
                // The ledger got another history during the wait.
                None => return Err(Error::Behind(named.number)),
            }
        }
        let Some(as_of) = consistency.as_of else { return Ok(snapshot) };
        if let AsOf::Time(time) = as_of {
            self.wait_until_settled(time).await?;
        }
        let app = self.clone();
        crate::sync::blocking(move || app.past_snapshot(as_of))
            .await
            .map_err(|_e| Error::Busy(stopping()))?
    }

    fn other_history(&self, named: &RevisionRef, here: RevisionId) -> Error {
        Error::OtherHistory { named: named.to_string(), here: here.to_string() }
    }

    /// Waits until the current state has reached a revision.
    ///
    /// # Errors
    /// [`Error::Behind`] when that takes more than 5 seconds.
    pub async fn wait_for_revision(&self, revision: RevisionNumber) -> Result<(), Error> {
        let mut revisions = self.inner.writer.revisions();
        let reached =
            tokio::time::timeout(WAIT_TIMEOUT, revisions.wait_for(|reached| *reached >= revision))
                .await;
        if matches!(reached, Ok(Ok(_))) { Ok(()) } else { Err(Error::Behind(revision)) }
    }

    /// Waits until the state includes what other instances have written so far. Returns whether
    /// there was anything.
    ///
    /// # Errors
    /// Those of the store, and [`Error::Behind`].
    pub async fn catch_up_with_ledger(&self) -> Result<bool, Error> {
        let (seen, newest) = (self.revision(), self.newest().await?.revision);
        if newest > seen {
            self.wait_for_revision(newest).await?;
        }
        Ok(newest > seen)
    }

    /// Waits until no instance can record a revision dated `time` or earlier any more. A time
    /// that is more than [`MAX_JUMP`] ahead means now, and is not waited for.
    ///
    /// # Errors
    /// [`Error::NotSettled`] when that takes too long, and those of the store.
    pub async fn wait_until_settled(&self, time: TimestampMicros) -> Result<(), Error> {
        let settling = async {
            while !self.is_settled(time) {
                let left = {
                    // One check at a time; the next request usually finds the time settled.
                    let _alone = self.inner.settling.lock().await;
                    let app = self.clone();
                    crate::sync::blocking(move || app.time_until_settled(time))
                        .await
                        .map_err(|_e| Error::Busy(stopping()))??
                };
                match left {
                    None => break,
                    Some(left) if left > WAIT_TIMEOUT => return Err(Error::NotSettled),
                    Some(left) => tokio::time::sleep(left).await,
                }
            }
            Ok(())
        };
        tokio::time::timeout(WAIT_TIMEOUT, settling).await.unwrap_or(Err(Error::NotSettled))
    }

    /// Whether all further revisions are known to be dated later, without a query to the ledger.
    fn is_settled(&self, time: TimestampMicros) -> bool {
        time < self.clock().answered() || time < self.state().recorded_at
    }

    /// How long to wait before checking again whether a time is settled; `None` when it is. Blocks
    /// on the store.
    fn time_until_settled(&self, time: TimestampMicros) -> Result<Option<Duration>, Error> {
        if self.is_settled(time) {
            return Ok(None);
        }
        let left = self.store().settled(|server_time, head| {
            if time < head.recorded_at {
                return Ok(None);
            }
            let now = self.clock().read(server_time)?.time;
            // A time that is only slightly ahead may come from a client with a fast clock.
            let means_now = time.since(now) > MAX_JUMP;
            if time < now || means_now || self.clock().is_set_by_hand() {
                // The newest revision may be dated in the future, and a request may name exactly
                // that date.
                let own_date = time.plus(1);
                self.clock().note_answered(if time == head.recorded_at {
                    now.max(own_date)
                } else {
                    now
                });
                return Ok(None);
            }
            Ok(Some(time.since(now)))
        })?;
        let left = left.map_err(StoreError::Clock)?;
        Ok(left.map(|left| {
            Duration::from_micros(u64::try_from(left).unwrap_or(0)).max(MIN_POLL_INTERVAL)
        }))
    }

    /// The newest revision that is visible to reads.
    #[must_use]
    pub fn revision(&self) -> RevisionNumber {
        *self.inner.writer.revisions().borrow()
    }

    async fn newest(&self) -> Result<LedgerHead, Error> {
        ask(self.store(), |store| Ok(store.head()?)).await
    }

    /// A past state: made of the current one where nothing but figures changed since, otherwise
    /// loaded from the ledger.
    fn state_at(&self, id: RevisionId, recorded_at: TimestampMicros) -> Result<Arc<State>, Error> {
        let current = self.state();
        if current.id() == id {
            return Ok(current);
        }
        if let Some(state) = current.rewound(id, recorded_at) {
            return Ok(Arc::new(state));
        }
        let loaded = State::at(
            self.store(),
            LedgerHead { revision: id.number, recorded_at },
            self.clock().calendar(),
        );
        // Rows that were read while the ledger got another history belong to neither.
        let is_mixed = match &loaded {
            Ok(state) => state.id() != id,
            Err(Error::Store(StoreError::Corrupt { .. } | StoreError::Unsound(_))) => {
                self.stored_id(id.number)? != Some(id)
            }
            Err(_) => false,
        };
        if is_mixed { Err(Error::Replaced) } else { loaded.map(Arc::new) }
    }

    /// Number and hash of a revision as the ledger has it now.
    fn stored_id(&self, number: RevisionNumber) -> Result<Option<RevisionId>, Error> {
        let row = self.store().revision(number)?;
        Ok(row.and_then(|row| chain::read(&row.hash?)).map(|hash| RevisionId { number, hash }))
    }

    /// Loads a past state with memory taken for it beforehand.
    fn load(
        &self,
        id: RevisionId,
        recorded_at: TimestampMicros,
    ) -> Result<(Arc<State>, MemoryPermit), Error> {
        static NONE: LazyLock<MemoryBudget> = LazyLock::new(MemoryBudget::unlimited);
        let memory = self.inner.memory.get().unwrap_or(&NONE);
        let bytes = self.state().bytes_rewound(id.number).saturating_add(PAST_STATE_OVERHEAD);
        let mut permit =
            memory.take_blocking(MemoryKind::Past, &MemoryOwner::Service, bytes, WAIT_TIMEOUT)?;
        let state = self.state_at(id, recorded_at)?;
        permit.shrink_to(state.cube.bytes().saturating_add(PAST_STATE_OVERHEAD));
        Ok((state, permit))
    }

    /// The snapshot of a past state, loaded if necessary. A time is waited for until it is settled.
    /// Blocks on the store.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a revision that does not exist, or those of the store.
    pub fn past_snapshot(&self, as_of: AsOf) -> Result<Snapshot, Error> {
        let (head, time) = match as_of {
            AsOf::Time(time) => (self.store().head_at(time)?, time),
            AsOf::Revision(named) if named.number == RevisionNumber::BEGINNING => {
                (LedgerHead::default(), TimestampMicros::default())
            }
            AsOf::Revision(named) => {
                let Some(row) = self.store().revision(named.number)? else {
                    if let Some(lost) = self.inner.history.find_lost(&named) {
                        return Err(self.other_history(&lost.into(), self.state().id()));
                    }
                    return Err(Error::fault(
                        "/as_of",
                        "unknown_revision",
                        format!("there is no revision {} yet", named.number),
                    ));
                };
                (
                    LedgerHead { revision: row.revision, recorded_at: row.recorded_at },
                    row.recorded_at,
                )
            }
        };
        let id = self.id_of(head.revision)?;
        if let AsOf::Revision(named) = as_of
            && !named.is(&id)
        {
            self.now().confirm()?;
            return Err(self.other_history(&named, id));
        }
        // A time to come means now, so that no month begins early.
        let day = self.clock().day_at(time.min(self.clock().now()));
        let state = self.load_past_state(id, head.recorded_at)?;
        Ok(Snapshot { app: self.clone(), state, day, is_past: true })
    }

    /// Number and hash of a revision of the ledger.
    fn id_of(&self, number: RevisionNumber) -> Result<RevisionId, Error> {
        if number == RevisionNumber::BEGINNING {
            return Ok(RevisionId::beginning());
        }
        let hash = self.store().revision(number)?.and_then(|row| chain::read(&row.hash?));
        hash.map(|hash| RevisionId { number, hash }).ok_or(Error::Replaced)
    }

    /// The state at a revision, from the loaded ones or from the ledger. Concurrent requests load
    /// it once.
    fn load_past_state(
        &self,
        id: RevisionId,
        recorded_at: TimestampMicros,
    ) -> Result<Arc<State>, Error> {
        let past = {
            let mut pasts = self.inner.pasts.lock();
            let found =
                pasts.iter().position(|past| past.id == id).map(|place| pasts.remove(place));
            let past = found.unwrap_or_else(|| Arc::new(PastState { id, state: OnceCell::new() }));
            pasts.push(Arc::clone(&past));
            past
        };
        let state = Arc::clone(&past.state.get_or_try_init(|| self.load(id, recorded_at))?.0);
        let mut pasts = self.inner.pasts.lock();
        let bytes: usize = pasts
            .iter()
            .filter_map(|past| past.state.get())
            .map(|(state, _)| state.cube.bytes())
            .sum();
        let kept = if bytes > MAX_PAST_BYTES { 1 } else { MAX_PAST_STATES };
        let superfluous = pasts.len().saturating_sub(kept);
        let forgotten: Vec<Arc<PastState>> = pasts.drain(..superfluous).collect();
        drop(pasts);
        drop(forgotten); // freed without holding the lock
        Ok(state)
    }
}
