//! The memory budget: one pool of bytes from which everything that can grow takes a permit before
//! it allocates.
//!
//! Request bodies, parsed documents, computed responses, responses that wait to be sent, PromQL
//! queries and loaded past states each hold a [`MemoryPermit`]. A permit is taken before the memory
//! is allocated, and dropping it returns the bytes. A request for bytes that are not available
//! waits for a limited time, or fails at once where waiting is impossible
//! ([`MemoryPermit::try_grow`]).
//!
//! Three rules keep the pool fair:
//!
//! - An owner (the holder of an API key or token, or the address of a client without one) holds at
//!   most half of the pool, and all permits of one [`MemoryKind`] together hold at most five
//!   eighths. So one owner always leaves memory of each kind to others.
//! - The last eighth of the pool is reserved for newcomers: owners that hold less than a
//!   thirty-second of the pool. A pool that has become smaller than what others hold does not shut
//!   them out either.
//! - Of the waiting requests, the one of the owner with the fewest bytes is granted first.

pub mod system;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::periodic::PeriodicThread;
use crate::sync::Mutex;

/// Bytes for the program itself, its threads and idle connections; never part of the pool. What the
/// process takes beyond them makes the pool smaller ([`MemoryBudget::observe_resident`]).
pub const RESERVED: usize = 64 << 20;
/// Smallest memory limit that the service accepts, in bytes.
pub const SMALLEST_LIMIT: usize = 192 << 20;
/// An owner holds at most the pool divided by this.
const OWNER_SHARE: usize = 2;
/// A kind holds at most this share of the pool (numerator, denominator).
const KIND_SHARE: (usize, usize) = (5, 8);
/// The reserve for newcomers: the pool divided by this.
const NEWCOMER_RESERVE: usize = 8;
/// An owner is a newcomer while it holds less than the pool divided by this.
const NEWCOMER: usize = 32;
/// A single permit is at most this share of the pool (numerator, denominator), so that its owner
/// can hold further permits.
const PERMIT_SHARE: (usize, usize) = (3, 8);
/// Interval of reading the memory of the process.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// Most requests that wait at once: in all, and of one owner.
const MAX_WAITING: usize = 1_024;
const MAX_WAITING_PER_OWNER: usize = 256;

/// What the memory is used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MemoryKind {
    /// Request bodies: the bytes as they arrive, and what is parsed from them.
    Body,
    /// Reports and Excel files that are being read.
    Document,
    /// Responses that are being computed and written.
    Response,
    /// Responses that wait for their client to read them.
    Unsent,
    /// PromQL queries: labels, samples and responses.
    Query,
    /// Past states that are loaded.
    Past,
}

impl MemoryKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Body, Self::Document, Self::Response, Self::Unsent, Self::Query, Self::Past];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Document => "document",
            Self::Response => "response",
            Self::Unsent => "unsent",
            Self::Query => "query",
            Self::Past => "past",
        }
    }
}

/// Who uses the memory.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum MemoryOwner {
    /// The holder of an API key or token.
    Holder(Arc<str>),
    /// A client without key or token, by its address (IPv6: its /64 network).
    Address(Option<IpAddr>),
    /// The service itself.
    Service,
}

/// The memory is not available, or was not in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too much memory is in use; retry later")]
pub struct MemoryExhausted;

/// The pool of bytes. All clones share it.
#[derive(Clone)]
pub struct MemoryBudget {
    shared: Arc<BudgetInner>,
}

/// A function that drops cached data to free memory.
type CacheRelease = Arc<dyn Fn() + Send + Sync>;

struct BudgetInner {
    limit: usize,
    pool: Mutex<MemoryPool>,
    /// Functions that drop cached data. They are called without the lock on the pool, when a
    /// request has to wait.
    caches: Mutex<Vec<CacheRelease>>,
}

#[derive(Default)]
struct MemoryPool {
    capacity: usize,
    /// The capacity while the process takes no more than expected.
    expected_capacity: usize,
    /// Bytes of the current figures.
    figures: usize,
    /// Bytes of the process besides its figures and the permits, when its memory was last read.
    overhead: usize,
    used: usize,
    highest: usize,
    by_kind: HashMap<MemoryKind, usize>,
    by_owner: HashMap<MemoryOwner, usize>,
    waiting: Vec<WaitingRequest>,
    next: u64,
    refused: u64,
}

/// A request for memory that waits.
struct WaitingRequest {
    number: u64,
    kind: MemoryKind,
    owner: MemoryOwner,
    bytes: usize,
    granted: oneshot::Sender<MemoryPermit>,
}

/// Why a request for memory cannot be granted now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum GrantObstacle {
    /// The pool has too few free bytes.
    Full,
    /// The owner or the kind has reached its share.
    Share,
}

/// The use of the pool at one point in time, for metrics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryUsage {
    /// The configured limit in bytes.
    pub limit: usize,
    /// Size of the pool in bytes: the limit less what the program and the current figures take.
    pub capacity: usize,
    /// Bytes taken, by kind.
    pub by_kind: Vec<(MemoryKind, usize)>,
    /// The most bytes that were ever taken at once.
    pub highest: usize,
    /// Requests for memory that wait.
    pub waiting: usize,
    /// Requests for memory that failed.
    pub refused: u64,
}

/// Bytes taken from the pool; dropping the permit returns them.
pub struct MemoryPermit {
    shared: Weak<BudgetInner>,
    kind: MemoryKind,
    owner: MemoryOwner,
    bytes: usize,
}

impl MemoryPool {
    /// Sets the capacity in bytes: the limit less what the program and the figures take, but at
    /// least a quarter of the limit.
    fn resize(&mut self, limit: usize) {
        let least = limit / 4;
        let beyond = |taken: usize| limit.saturating_sub(taken).saturating_sub(self.figures);
        self.expected_capacity = beyond(RESERVED).max(least);
        self.capacity = beyond(RESERVED.max(self.overhead)).max(least);
    }

    /// The most bytes that one permit can have.
    fn largest(&self) -> usize {
        self.capacity / PERMIT_SHARE.1 * PERMIT_SHARE.0
    }

    fn of(&self, kind: MemoryKind, owner: &MemoryOwner) -> (usize, usize) {
        (
            self.by_kind.get(&kind).copied().unwrap_or(0),
            self.by_owner.get(owner).copied().unwrap_or(0),
        )
    }

    /// Checks whether `bytes` can be taken now.
    fn check(
        &self,
        kind: MemoryKind,
        owner: &MemoryOwner,
        bytes: usize,
    ) -> Result<(), GrantObstacle> {
        let (of_kind, of_owner) = self.of(kind, owner);
        let newcomer = of_owner.saturating_add(bytes) <= self.capacity / NEWCOMER;
        // Newcomers do not wait for what others took before the pool became smaller.
        let capacity = if newcomer {
            let kept = self.expected_capacity - self.expected_capacity / NEWCOMER_RESERVE;
            self.capacity.max(kept)
        } else {
            self.capacity
        };
        let (owner_share, kind_share) =
            (capacity / OWNER_SHARE, capacity / KIND_SHARE.1 * KIND_SHARE.0);
        let reserve = capacity / NEWCOMER_RESERVE;
        let extra = if newcomer { reserve } else { 0 };
        if of_kind.saturating_add(bytes) > kind_share + extra
            || (*owner != MemoryOwner::Service && of_owner.saturating_add(bytes) > owner_share)
        {
            return Err(GrantObstacle::Share);
        }
        if self.used.saturating_add(bytes) > capacity - reserve + extra {
            Err(GrantObstacle::Full)
        } else {
            Ok(())
        }
    }

    fn take(&mut self, kind: MemoryKind, owner: &MemoryOwner, bytes: usize) {
        self.used += bytes;
        self.highest = self.highest.max(self.used);
        *self.by_kind.entry(kind).or_default() += bytes;
        *self.by_owner.entry(owner.clone()).or_default() += bytes;
    }

    fn give_back(&mut self, kind: MemoryKind, owner: &MemoryOwner, bytes: usize) {
        self.used = self.used.saturating_sub(bytes);
        if let Some(of_kind) = self.by_kind.get_mut(&kind) {
            *of_kind = of_kind.saturating_sub(bytes);
        }
        if let Some(of_owner) = self.by_owner.get_mut(owner) {
            *of_owner = of_owner.saturating_sub(bytes);
            if *of_owner == 0 {
                self.by_owner.remove(owner);
            }
        }
    }

    /// The index of the waiting request to grant next, or `None` when no request can be granted
    /// now.
    fn next_to_grant(&mut self) -> Option<usize> {
        self.waiting.retain(|waiting| !waiting.granted.is_closed());
        let mut order: Vec<usize> = (0..self.waiting.len()).collect();
        let rank = |place: &usize| {
            self.waiting
                .get(*place)
                .map(|waiting| (self.of(waiting.kind, &waiting.owner).1, waiting.number))
        };
        order.sort_by_key(rank);
        let largest = self.largest();
        for place in order {
            let waiting = self.waiting.get_mut(place)?;
            // The pool may have shrunk since the request came.
            waiting.bytes = waiting.bytes.min(largest);
            let waiting = self.waiting.get(place)?;
            match self.check(waiting.kind, &waiting.owner, waiting.bytes) {
                Ok(()) => return Some(place),
                // Smaller requests wait as well; otherwise a large one might never be granted.
                Err(GrantObstacle::Full) => return None,
                Err(GrantObstacle::Share) => {}
            }
        }
        None
    }
}

impl MemoryBudget {
    /// A pool for a process that may take at most `limit` bytes in all.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let mut pool = MemoryPool::default();
        pool.resize(limit);
        let pool = Mutex::new("memory pool", pool);
        Self {
            shared: Arc::new(BudgetInner { limit, pool, caches: Mutex::new("caches", Vec::new()) }),
        }
    }

    /// A pool of `bytes` for one purpose, beside the pool of the process.
    #[must_use]
    pub fn separate(bytes: usize) -> Self {
        let budget = Self::new(bytes);
        let mut pool = budget.shared.pool.lock();
        (pool.capacity, pool.expected_capacity) = (bytes, bytes);
        drop(pool);
        budget
    }

    /// A pool without a limit in practice, for commands and tests.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(usize::MAX / 4)
    }

    /// Sets how many bytes the current figures take; the pool shrinks by them.
    pub fn set_figures(&self, bytes: usize) {
        let mut pool = self.shared.pool.lock();
        pool.figures = bytes;
        pool.resize(self.shared.limit);
        drop(pool);
        BudgetInner::grant(&self.shared);
    }

    /// Adapts the pool to the `resident` bytes of the process. Bytes beyond its figures and the
    /// permits (estimates that were too low, pages that the allocator keeps) make the pool smaller
    /// until they are released.
    pub fn observe_resident(&self, resident: usize) {
        let mut pool = self.shared.pool.lock();
        pool.overhead = resident.saturating_sub(pool.figures).saturating_sub(pool.used);
        pool.resize(self.shared.limit);
        drop(pool);
        BudgetInner::grant(&self.shared);
    }

    /// Adds a function that drops cached data; it is called when a request has to wait for memory.
    pub fn add_cache(&self, give_back: impl Fn() + Send + Sync + 'static) {
        self.shared.caches.lock().push(Arc::new(give_back));
    }

    /// Takes `bytes` without waiting.
    ///
    /// # Errors
    /// [`MemoryExhausted`] when the bytes are not available now.
    pub fn try_take(
        &self,
        kind: MemoryKind,
        owner: &MemoryOwner,
        bytes: usize,
    ) -> Result<MemoryPermit, MemoryExhausted> {
        self.taken(kind, owner, bytes).or_else(|_obstacle| {
            self.shared.drop_caches();
            self.taken(kind, owner, bytes).map_err(|_obstacle| self.refused())
        })
    }

    fn taken(
        &self,
        kind: MemoryKind,
        owner: &MemoryOwner,
        bytes: usize,
    ) -> Result<MemoryPermit, GrantObstacle> {
        let mut pool = self.shared.pool.lock();
        pool.check(kind, owner, bytes)?;
        pool.take(kind, owner, bytes);
        Ok(self.permit(kind, owner, bytes))
    }

    fn permit(&self, kind: MemoryKind, owner: &MemoryOwner, bytes: usize) -> MemoryPermit {
        MemoryPermit { shared: Arc::downgrade(&self.shared), kind, owner: owner.clone(), bytes }
    }

    fn refused(&self) -> MemoryExhausted {
        self.shared.pool.lock().refused += 1;
        MemoryExhausted
    }

    /// The most bytes that one permit can have. A larger request is reduced to this size.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.shared.pool.lock().largest()
    }

    /// Takes `bytes`, waiting at most `wait`. More than [`MemoryBudget::largest`] is reduced to
    /// that.
    ///
    /// # Errors
    /// [`MemoryExhausted`] when the bytes did not become available in time, or too many requests
    /// wait already.
    pub async fn take(
        &self,
        kind: MemoryKind,
        owner: &MemoryOwner,
        bytes: usize,
        wait: Duration,
    ) -> Result<MemoryPermit, MemoryExhausted> {
        let bytes = bytes.min(self.largest());
        if let Some(permit) = self.take_now(kind, owner, bytes) {
            return Ok(permit);
        }
        self.shared.drop_caches();
        let (granted, receiver) = oneshot::channel();
        {
            let mut pool = self.shared.pool.lock();
            let of_owner = pool.waiting.iter().filter(|waiting| waiting.owner == *owner).count();
            if pool.waiting.len() >= MAX_WAITING || of_owner >= MAX_WAITING_PER_OWNER {
                pool.refused += 1;
                return Err(MemoryExhausted);
            }
            let number = pool.next;
            pool.next += 1;
            pool.waiting.push(WaitingRequest {
                number,
                kind,
                owner: owner.clone(),
                bytes,
                granted,
            });
        }
        BudgetInner::grant(&self.shared);
        match tokio::time::timeout(wait, receiver).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(self.refused()),
        }
    }

    /// Takes `bytes` when they are free and no other request comes first.
    fn take_now(
        &self,
        kind: MemoryKind,
        owner: &MemoryOwner,
        bytes: usize,
    ) -> Option<MemoryPermit> {
        let mut pool = self.shared.pool.lock();
        let newcomer = pool.of(kind, owner).1.saturating_add(bytes) <= pool.capacity / NEWCOMER;
        if (!pool.waiting.is_empty() && !newcomer) || pool.check(kind, owner, bytes).is_err() {
            return None;
        }
        pool.take(kind, owner, bytes);
        Some(self.permit(kind, owner, bytes))
    }

    /// The current use of the pool.
    #[must_use]
    pub fn usage(&self) -> MemoryUsage {
        let pool = self.shared.pool.lock();
        MemoryUsage {
            limit: self.shared.limit,
            capacity: pool.capacity,
            by_kind: MemoryKind::ALL
                .map(|kind| (kind, pool.by_kind.get(&kind).copied().unwrap_or(0)))
                .to_vec(),
            highest: pool.highest,
            waiting: pool.waiting.len(),
            refused: pool.refused,
        }
    }

    /// As [`MemoryBudget::take`], for blocking code on a thread of a runtime. On any other thread
    /// it does not wait.
    ///
    /// # Errors
    /// As for [`MemoryBudget::take`].
    pub fn take_blocking(
        &self,
        kind: MemoryKind,
        owner: &MemoryOwner,
        bytes: usize,
        wait: Duration,
    ) -> Result<MemoryPermit, MemoryExhausted> {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.block_on(self.take(kind, owner, bytes, wait)),
            Err(_no_runtime) => self.try_take(kind, owner, bytes.min(self.largest())),
        }
    }
}

/// Starts the thread that adapts a pool to the memory of the process, until its handle is dropped.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch(pool: MemoryBudget) -> std::io::Result<PeriodicThread> {
    let observe = move |_tick| {
        if let Some(bytes) = system::resident() {
            pool.observe_resident(bytes);
        }
    };
    PeriodicThread::start("memory", WATCH_INTERVAL, observe)
}

impl BudgetInner {
    fn drop_caches(&self) {
        let caches = self.caches.lock().clone();
        caches.iter().for_each(|give_back| give_back());
    }

    /// Grants the waiting requests that fit now, in their order.
    fn grant(shared: &Arc<Self>) {
        loop {
            let mut pool = shared.pool.lock();
            let Some(place) = pool.next_to_grant() else { return };
            let waiting = pool.waiting.swap_remove(place);
            pool.take(waiting.kind, &waiting.owner, waiting.bytes);
            let permit = MemoryPermit {
                shared: Arc::downgrade(shared),
                kind: waiting.kind,
                owner: waiting.owner,
                bytes: waiting.bytes,
            };
            drop(pool);
            // When the waiting request has been cancelled, the permit is returned here and dropped
            // without the lock.
            drop(waiting.granted.send(permit));
        }
    }
}

impl MemoryPermit {
    /// The size of the permit in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` further bytes without waiting.
    ///
    /// # Errors
    /// [`MemoryExhausted`] when the bytes are not available now.
    pub fn try_grow(&mut self, more: usize) -> Result<(), MemoryExhausted> {
        let Some(shared) = self.shared.upgrade() else { return Ok(()) };
        let grown = |kind, owner: &MemoryOwner| {
            let mut pool = shared.pool.lock();
            pool.check(kind, owner, more)?;
            pool.take(kind, owner, more);
            Ok::<_, GrantObstacle>(())
        };
        if grown(self.kind, &self.owner).is_err() {
            shared.drop_caches();
            if grown(self.kind, &self.owner).is_err() {
                shared.pool.lock().refused += 1;
                return Err(MemoryExhausted);
            }
        }
        self.bytes += more;
        Ok(())
    }

    /// Grows the permit to `bytes`, waiting at most `wait`. The total is reduced to
    /// [`MemoryBudget::largest`].
    ///
    /// # Errors
    /// As for [`MemoryBudget::take`].
    pub async fn grow_to(&mut self, bytes: usize, wait: Duration) -> Result<(), MemoryExhausted> {
        let Some(shared) = self.shared.upgrade() else { return Ok(()) };
        let budget = MemoryBudget { shared };
        let more = bytes.min(budget.largest()).saturating_sub(self.bytes);
        if more > 0 {
            let mut more = budget.take(self.kind, &self.owner, more, wait).await?;
            self.bytes += std::mem::take(&mut more.bytes);
        }
        Ok(())
    }

    /// Moves at most `bytes` of this permit to a new permit, which it returns.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            shared: Weak::clone(&self.shared),
            kind: self.kind,
            owner: self.owner.clone(),
            bytes,
        }
    }

    /// Returns everything beyond `bytes` to the pool.
    pub fn shrink_to(&mut self, bytes: usize) {
        let less = self.bytes.saturating_sub(bytes);
        if less > 0 {
            self.bytes -= less;
            self.give_back(less);
        }
    }

    /// Counts the permit as another kind from now on.
    pub fn set_kind(&mut self, kind: MemoryKind) {
        if let Some(shared) = self.shared.upgrade() {
            let mut pool = shared.pool.lock();
            pool.give_back(self.kind, &self.owner, self.bytes);
            pool.take(kind, &self.owner, self.bytes);
        }
        self.kind = kind;
    }

    fn give_back(&self, bytes: usize) {
        if let Some(shared) = self.shared.upgrade() {
            shared.pool.lock().give_back(self.kind, &self.owner, bytes);
            BudgetInner::grant(&shared);
        }
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.give_back(self.bytes);
        }
    }
}

impl std::fmt::Debug for MemoryPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Permit")
            .field("kind", &self.kind)
            .field("owner", &self.owner)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    /// A pool of exactly 64 MiB.
    fn pool() -> MemoryBudget {
        MemoryBudget::new(RESERVED + 64 * MIB)
    }

    fn holder(name: &str) -> MemoryOwner {
        MemoryOwner::Holder(name.into())
    }

    fn run<T>(future: impl std::future::Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn dropping_a_permit_returns_its_memory() {
        let pool = pool();
        let mut permit = pool.try_take(MemoryKind::Body, &holder("a"), 10 * MIB).unwrap();
        permit.try_grow(5 * MIB).unwrap();
        assert_eq!(
            (permit.bytes(), pool.usage().by_kind[0]),
            (15 * MIB, (MemoryKind::Body, 15 * MIB))
        );
        permit.set_kind(MemoryKind::Unsent);
        permit.shrink_to(MIB);
        assert_eq!(
            (pool.usage().by_kind[0].1, pool.usage().by_kind[3].1, pool.usage().highest),
            (0, MIB, 15 * MIB)
        );
        drop(permit);
        assert!(pool.usage().by_kind.iter().all(|(_, bytes)| *bytes == 0));
        assert!(pool.shared.pool.lock().by_owner.is_empty());
    }

    #[test]
    fn one_owner_holds_at_most_half_and_one_kind_five_eighths() {
        let pool = pool();
        let first = pool.try_take(MemoryKind::Body, &holder("a"), 16 * MIB).unwrap();
        let second = pool.try_take(MemoryKind::Unsent, &holder("a"), 16 * MIB).unwrap();
        assert_eq!(pool.try_take(MemoryKind::Query, &holder("a"), 1).err(), Some(MemoryExhausted));
        drop(second);
        let other = pool.try_take(MemoryKind::Body, &holder("b"), 24 * MIB).unwrap();
        assert!(
            pool.try_take(MemoryKind::Body, &holder("c"), 3 * MIB).is_err(),
            "all bodies together have their share"
        );
        assert!(
            pool.try_take(MemoryKind::Body, &holder("c"), 2 * MIB).is_ok(),
            "a newcomer has the reserve"
        );
        assert!(pool.try_take(MemoryKind::Response, &holder("c"), 3 * MIB).is_ok());
        drop((first, other));
    }

    #[test]
    fn the_last_eighth_is_for_newcomers() {
        let pool = pool();
        let _a = pool.try_take(MemoryKind::Body, &holder("a"), 32 * MIB).unwrap();
        let _b = pool.try_take(MemoryKind::Unsent, &holder("b"), 24 * MIB).unwrap();
        assert!(pool.try_take(MemoryKind::Unsent, &holder("b"), MIB).is_err());
        let newcomers: Vec<_> = (0..8)
            .map_while(|n| pool.try_take(MemoryKind::Response, &holder(&format!("n{n}")), MIB).ok())
            .collect();
        assert_eq!(newcomers.len(), 8);
        assert!(
            pool.try_take(MemoryKind::Response, &holder("z"), MIB).is_err(),
            "64 MiB are 64 MiB"
        );
        assert_eq!(pool.usage().refused, 2);
    }

    #[test]
    fn waiting_ends_when_memory_is_returned_or_at_the_timeout() {
        let pool = pool();
        run(async {
            let held = pool.try_take(MemoryKind::Body, &holder("a"), 32 * MIB).unwrap();
            let late = pool
                .take(MemoryKind::Body, &holder("b"), 20 * MIB, Duration::from_millis(20))
                .await;
            assert_eq!(late.err(), Some(MemoryExhausted));
            let b = holder("b");
            let waiting = pool.take(MemoryKind::Body, &b, 20 * MIB, Duration::from_secs(10));
            let release = async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                drop(held);
            };
            let (permit, ()) = tokio::join!(waiting, release);
            assert_eq!(permit.unwrap().bytes(), 20 * MIB);
            assert_eq!(pool.usage().waiting, 0);
        });
    }

    #[test]
    fn the_waiting_owner_with_the_least_memory_is_served_first() {
        let pool = pool();
        run(async {
            let _greedy = pool.try_take(MemoryKind::Response, &holder("greedy"), 16 * MIB).unwrap();
            let held = pool.try_take(MemoryKind::Unsent, &holder("a"), 32 * MIB).unwrap();
            let order = Mutex::new("order", Vec::new());
            let wait = async |name: &'static str, bytes: usize| {
                let permit = pool
                    .take(MemoryKind::Response, &holder(name), bytes, Duration::from_secs(10))
                    .await
                    .unwrap();
                order.lock().push(name);
                drop(permit);
            };
            let release = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                drop(held);
            };
            tokio::join!(wait("greedy", 14 * MIB), wait("modest", 14 * MIB), release);
            assert_eq!(*order.lock(), ["modest", "greedy"]);
        });
    }

    #[test]
    fn a_cancelled_request_is_removed_from_the_queue() {
        let pool = pool();
        run(async {
            let held = pool.try_take(MemoryKind::Body, &holder("a"), 32 * MIB).unwrap();
            let gone = tokio::time::timeout(
                Duration::from_millis(10),
                pool.take(MemoryKind::Body, &holder("b"), 24 * MIB, Duration::from_secs(60)),
            )
            .await;
            assert!(gone.is_err());
            drop(held);
            assert!(
                pool.take(MemoryKind::Body, &holder("c"), 24 * MIB, Duration::from_secs(1))
                    .await
                    .is_ok()
            );
        });
    }

    #[test]
    fn an_estimate_above_the_permit_limit_is_cut_and_runs_alone() {
        let pool = pool();
        run(async {
            let permit = pool
                .take(MemoryKind::Document, &holder("a"), 10_000 * MIB, Duration::ZERO)
                .await
                .unwrap();
            assert_eq!(permit.bytes(), 24 * MIB);
            let mut body = pool.try_take(MemoryKind::Body, &holder("b"), MIB).unwrap();
            body.grow_to(10_000 * MIB, Duration::ZERO).await.unwrap();
            assert_eq!(body.bytes(), 24 * MIB);
        });
    }

    #[test]
    fn figures_shrink_the_pool_and_caches_are_released_first() {
        let pool = MemoryBudget::new(RESERVED + 416 * MIB);
        assert_eq!(pool.usage().capacity, 416 * MIB);
        pool.set_figures(200 * MIB);
        assert_eq!(pool.usage().capacity, 216 * MIB);
        pool.set_figures(10_000 * MIB);
        assert_eq!(pool.usage().capacity, (RESERVED + 416 * MIB) / 4);
        let cached = Arc::new(Mutex::new(
            "cached",
            Some(pool.try_take(MemoryKind::Past, &MemoryOwner::Service, 64 * MIB).unwrap()),
        ));
        let given = Arc::clone(&cached);
        pool.add_cache(move || {
            let taken = given.lock().take();
            drop(taken);
        });
        assert!(pool.try_take(MemoryKind::Past, &MemoryOwner::Service, 64 * MIB).is_ok());
        assert!(cached.lock().is_none());
    }

    #[test]
    fn what_the_process_takes_beyond_the_pool_makes_the_pool_smaller_until_it_is_given_back() {
        let pool = MemoryBudget::new(RESERVED + 448 * MIB);
        pool.set_figures(48 * MIB);
        let taken = pool.try_take(MemoryKind::Document, &holder("a"), 100 * MIB).unwrap();
        pool.observe_resident(RESERVED + (48 + 100 + 36) * MIB);
        assert_eq!(pool.usage().capacity, 364 * MIB);
        pool.observe_resident(10_000 * MIB);
        assert_eq!(pool.usage().capacity, 128 * MIB);
        assert_eq!(
            pool.try_take(MemoryKind::Body, &holder("b"), 20 * MIB).unwrap_err(),
            MemoryExhausted
        );
        pool.observe_resident(60 * MIB);
        assert_eq!(pool.usage().capacity, 400 * MIB);
        assert!(pool.try_take(MemoryKind::Body, &holder("b"), 20 * MIB).is_ok());
        drop(taken);
    }

    #[test]
    fn a_pool_smaller_than_what_others_hold_still_serves_newcomers() {
        let pool = MemoryBudget::new(RESERVED + 448 * MIB);
        let unread = pool.try_take(MemoryKind::Unsent, &holder("a"), 200 * MIB).unwrap();
        pool.observe_resident(10_000 * MIB);
        assert_eq!(pool.usage().capacity, 128 * MIB);
        let take = |name: &str, bytes| pool.try_take(MemoryKind::Unsent, &holder(name), bytes);
        assert!(take("b", 20 * MIB).is_err());
        assert!(take("a", MIB).is_err());
        let newcomers: Vec<_> = (0..60).map(|number| take(&number.to_string(), 4 * MIB)).collect();
        let served = newcomers.iter().filter(|permit| permit.is_ok()).count();
        // Together they have a limit, too: the share of a kind and the reserve (six eighths) of
        // seven eighths of the pool as it was.
        assert_eq!(served, (392 * 6 / 8 - 200) / 4);
        drop(unread);
    }

    #[test]
    fn a_request_that_waits_is_cut_to_a_pool_that_has_become_smaller() {
        let pool = MemoryBudget::new(RESERVED + 448 * MIB);
        run(async {
            let held = pool.try_take(MemoryKind::Past, &MemoryOwner::Service, 250 * MIB).unwrap();
            let owner = holder("a");
            let waiting =
                pool.take(MemoryKind::Document, &owner, 160 * MIB, Duration::from_secs(5));
            let shrunk = async {
                tokio::task::yield_now().await;
                pool.observe_resident(10_000 * MIB);
                drop(held);
            };
            let (permit, ()) = tokio::join!(waiting, shrunk);
            assert_eq!(permit.unwrap().bytes(), 48 * MIB);
        });
    }

    #[test]
    fn concurrent_permits_of_many_threads_are_all_returned() {
        let pool = pool();
        std::thread::scope(|scope| {
            for n in 0..16 {
                let pool = pool.clone();
                scope.spawn(move || {
                    run(async {
                        for round in 0..200 {
                            let bytes = (n * 37 + round * 101) % 20 * MIB + 1;
                            if let Ok(mut permit) = pool
                                .take(
                                    MemoryKind::ALL[n % 6],
                                    &holder(&format!("{}", n % 5)),
                                    bytes,
                                    Duration::from_millis(3),
                                )
                                .await
                            {
                                let _full = permit.try_grow(MIB);
                                tokio::task::yield_now().await;
                            }
                        }
                    });
                });
            }
        });
        let usage = pool.usage();
        assert!(
            usage.by_kind.iter().all(|(_, bytes)| *bytes == 0) && usage.waiting == 0,
            "{usage:?}"
        );
        assert!(usage.highest <= 64 * MIB);
    }
}
