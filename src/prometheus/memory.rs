//! The share of the memory budget that a query takes for series, samples, labels and its response.

use crate::memory::{MemoryBudget, MemoryKind, MemoryOwner, MemoryPermit};
use promql::{MAX_LABEL_BYTES, MAX_LABEL_VALUE, MemorySource, QueryError};

/// The memory of one query. Bytes are taken from the pool before they are allocated and are
/// returned after the response.
pub struct QueryMemory {
    permit: MemoryPermit,
    /// Bytes of labels that the query has created.
    labels: usize,
    /// Bytes taken from the pool and not used yet, so that not every label needs a call to the
    /// pool.
    spare: usize,
    /// Bytes used.
    used: usize,
}

/// Least number of bytes that are taken from the pool at once.
const AT_ONCE: usize = 256 << 10;

impl QueryMemory {
    /// Starts with a permit of which nothing is used yet.
    #[must_use]
    pub fn new(permit: MemoryPermit) -> Self {
        let spare = permit.bytes();
        Self { permit, labels: 0, spare, used: 0 }
    }

    /// Memory that only the limits of the query language restrict.
    ///
    /// # Errors
    /// Never.
    pub fn unlimited() -> Result<Self, QueryError> {
        // The pool is dropped here; its permit no longer counts.
        MemoryBudget::unlimited()
            .try_take(MemoryKind::Query, &MemoryOwner::Service, 0)
            .map(Self::new)
            .map_err(|_exhausted| QueryError::memory())
    }

    /// Marks all used bytes as free for reuse by the same query.
    pub fn begin_again(&mut self) {
        self.spare += std::mem::take(&mut self.used);
    }

    /// Returns the permit, for writing the response.
    #[must_use]
    pub fn into_permit(self) -> MemoryPermit {
        self.permit
    }
}

impl MemorySource for QueryMemory {
    fn take(&mut self, bytes: usize) -> Result<(), QueryError> {
        if bytes > self.spare {
            let more = (bytes - self.spare).max(AT_ONCE);
            self.permit.try_grow(more).map_err(|_exhausted| QueryError::memory())?;
            self.spare += more;
        }
        self.spare -= bytes;
        self.used += bytes;
        Ok(())
    }

    fn take_label(&mut self, bytes: usize) -> Result<(), QueryError> {
        if bytes > MAX_LABEL_VALUE {
            return Err(QueryError::too_much(format!(
                "the query would create a label value longer than {MAX_LABEL_VALUE} bytes"
            )));
        }
        self.labels = self.labels.saturating_add(bytes);
        if self.labels > MAX_LABEL_BYTES {
            let message = format!(
                "query processing would load too many bytes of labels into memory in query \
                 execution: more than {MAX_LABEL_BYTES}"
            );
            return Err(QueryError::too_much(message));
        }
        self.take(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::RESERVED;

    #[test]
    fn label_bytes_are_limited_singly_and_in_total() {
        let mut memory = QueryMemory::unlimited().unwrap();
        assert!(memory.take_label(MAX_LABEL_VALUE).is_ok());
        assert_eq!(memory.take_label(MAX_LABEL_VALUE + 1).unwrap_err().kind, "execution");
        let mut all = QueryMemory::unlimited().unwrap();
        let made = (0..1_000_000).take_while(|_| all.take_label(10_000).is_ok()).count();
        assert_eq!(made, MAX_LABEL_BYTES / 10_000);
    }

    #[test]
    fn query_memory_is_taken_from_the_pool() {
        let pool = MemoryBudget::new(RESERVED + (64 << 20));
        let mut memory =
            QueryMemory::new(pool.try_take(MemoryKind::Query, &MemoryOwner::Service, 0).unwrap());
        memory.take(1_000).unwrap();
        memory.begin_again();
        memory.take(AT_ONCE).unwrap();
        assert_eq!(pool.usage().by_kind[4], (MemoryKind::Query, AT_ONCE));
        assert_eq!(memory.take(100 << 20).unwrap_err(), QueryError::memory());
        drop(memory.into_permit());
        assert_eq!(pool.usage().by_kind[4].1, 0);
    }
}
