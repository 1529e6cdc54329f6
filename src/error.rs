//! The application's error type, independent of transport. `src/api` turns it into a response in
//! one place.

use crate::memory::MemoryExhausted;
use kpi::fault::Fault;
use ledger::{RevisionNumber, StoreError};

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes cannot be parsed.
    #[error("{0}")]
    Malformed(String),
    /// The input has errors; all of them are listed.
    #[error("the input has {} error(s)", .0.len())]
    Invalid(Vec<Fault>),
    /// The thing that the request names does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The change contradicts what is recorded; see `docs/specification.md#errors`.
    #[error("{detail}")]
    Conflict {
        /// What is wrong, in one sentence.
        detail: String,
        /// Each obstacle, with a pointer.
        obstacles: Vec<Fault>,
    },
    /// The key or token is not valid, or no longer valid.
    #[error("{detail}")]
    Unauthorized {
        /// What is wrong, in one sentence.
        detail: String,
        /// The same in Vietnamese.
        detail_vi: String,
    },
    /// The role, the unit or the month is not permitted.
    #[error("{detail}")]
    Forbidden {
        /// What is wrong, in one sentence.
        detail: String,
        /// Each part of the request that is not permitted.
        obstacles: Vec<Fault>,
    },
    /// The command line or the settings are wrong.
    #[error("{0}")]
    Usage(String),
    /// The input is larger than a documented limit.
    #[error("{0}")]
    TooLarge(String),
    /// The service is stopping, or its queue is full.
    #[error("{0}")]
    Busy(String),
    /// The connection to the database broke during a commit, and the database did not say whether
    /// the commit was recorded.
    #[error(
        "the connection to the database broke, and it is not known whether the change was \
         recorded; send the request again with the same Idempotency-Key, or check whether it was \
         recorded"
    )]
    Unsettled,
    /// The requested revision has not been reached in time.
    #[error("revision {0} has not been reached yet; try again")]
    Behind(RevisionNumber),
    /// The memory budget is exhausted.
    #[error(transparent)]
    Memory(#[from] MemoryExhausted),
    /// A change dated before the requested time may still be in progress.
    #[error("it is not certain yet what was recorded at that time; try again")]
    NotSettled,
    /// A revision, cursor or tag of the request belongs to another history of the ledger; see
    /// `docs/specification.md#revisions`.
    #[error(
        "revision {named} belongs to another history of the ledger; this ledger has {here}: it was \
         restored, or its server lost revisions; read again, and resend what is missing"
    )]
    OtherHistory {
        /// The revision that the client names.
        named: String,
        /// The ledger's revision with that number, or its newest one.
        here: String,
    },
    /// The state in memory belongs to a history that the ledger no longer has.
    #[error("the ledger has another history than before and is being read again; try again")]
    Replaced,
    /// A file, an address or a thread is not available.
    #[error("{what}: {source}")]
    Environment {
        /// What is not available.
        what: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// Returns a function that turns an I/O error into an [`Error::Environment`]; `what` says what
    /// is not available.
    pub fn environment(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Environment { what: what.into(), source }
    }

    /// An [`Error::Invalid`] with one error: JSON pointer, code and sentence.
    pub fn fault(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![Fault::new(pointer, code, detail)])
    }
}

/// Formats an error with its causes, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string())
        .chain(causes.map(ToString::to_string))
        .collect::<Vec<_>>()
        .join(": ")
}
