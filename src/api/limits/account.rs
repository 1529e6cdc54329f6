//! The memory of one request, from its body to the last byte of its response.
//!
//! The guard opens an account for the owner of the request and runs the handler within it
//! ([`MemoryAccount::run`]). Code below the handler finds the account by
//! [`MemoryAccount::current`]. Work on another thread keeps a clone, so that memory stays reserved
//! while that work continues for a client that has gone.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::api::problem::Problem;
use crate::memory::{MemoryBudget, MemoryExhausted, MemoryKind, MemoryOwner, MemoryPermit};
use crate::sync::Mutex;

tokio::task_local! {
    static CURRENT: MemoryAccount;
}

/// The account of one request. Clones share it; its memory is released when the last clone is
/// dropped.
#[derive(Clone)]
pub struct MemoryAccount {
    inner: Arc<AccountInner>,
}

struct AccountInner {
    budget: MemoryBudget,
    owner: MemoryOwner,
    /// The memory of the request body.
    body: Mutex<Option<MemoryPermit>>,
    /// The memory for processing the request.
    work: Mutex<Option<MemoryPermit>>,
}

impl MemoryAccount {
    /// An account without any reserved memory.
    #[must_use]
    pub fn new(budget: &MemoryBudget, owner: MemoryOwner) -> Self {
        Self {
            inner: Arc::new(AccountInner {
                budget: budget.clone(),
                owner,
                body: Mutex::new("memory of a body", None),
                work: Mutex::new("memory of a request", None),
            }),
        }
    }

    /// The account of the current request; outside of a request, an account without a limit.
    #[must_use]
    pub fn current() -> Self {
        static NONE: LazyLock<MemoryBudget> = LazyLock::new(MemoryBudget::unlimited);
        CURRENT
            .try_with(Self::clone)
            .unwrap_or_else(|_outside| Self::new(&NONE, MemoryOwner::Service))
    }

    /// Runs the handling of the request within the account.
    pub async fn run<T>(self, handling: impl Future<Output = T>) -> T {
        CURRENT.scope(self, handling).await
    }

    /// A permit over zero bytes of a kind, which can grow.
    ///
    /// # Errors
    /// 503 in theory; reserving zero bytes does not fail.
    pub fn empty(&self, kind: MemoryKind) -> Result<MemoryPermit, Problem> {
        self.inner.budget.try_take(kind, &self.inner.owner, 0).map_err(short)
    }

    /// Holds the memory of the body until the end of the request.
    pub fn keep_body(&self, permit: MemoryPermit) {
        let before = self.inner.body.lock().replace(permit);
        drop(before); // released outside the lock
    }

    /// Releases the memory for parsing the body, for a document that reserves its own memory; the
    /// bytes of the body stay reserved.
    pub fn release_parsing(&self, length: usize) {
        let Some(mut body) = self.inner.body.lock().take() else { return };
        body.shrink_to(length);
        self.keep_body(body);
    }

    /// Reserves memory for processing the request, before it begins; waits at most `wait`.
    ///
    /// # Errors
    /// 503 when it does not become available in time.
    pub async fn reserve(
        &self,
        kind: MemoryKind,
        bytes: usize,
        wait: Duration,
    ) -> Result<(), Problem> {
        let permit =
            self.inner.budget.take(kind, &self.inner.owner, bytes, wait).await.map_err(short)?;
        let before = self.inner.work.lock().replace(permit);
        drop(before); // released outside the lock
        Ok(())
    }

    /// The memory reserved for processing, in bytes.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.inner.work.lock().as_ref().map_or(0, MemoryPermit::bytes)
    }

    /// Takes over the permit reserved for processing; an empty permit if none was reserved.
    ///
    /// # Errors
    /// As for [`MemoryAccount::empty`].
    pub fn work(&self, kind: MemoryKind) -> Result<MemoryPermit, Problem> {
        let taken = self.inner.work.lock().take();
        taken.map_or_else(|| self.empty(kind), Ok)
    }
}

/// 503 when memory is exhausted.
#[must_use]
pub fn short(_exhausted: MemoryExhausted) -> Problem {
    Problem::memory()
}
