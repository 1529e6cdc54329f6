//! One error for every use case, neutral of how it is told; the web turns it into an answer in one place.

use crate::domain::fault::Fault;
use crate::store::StoreError;

/// Why a use case could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// The input has faults; all of them.
    #[error("the input has {} fault(s)", .0.len())]
    Invalid(Vec<Fault>),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// What is recorded stands against it; each obstacle.
    #[error("{detail}")]
    Conflict {
        /// The sentence.
        detail: String,
        /// What stands against it.
        obstacles: Vec<Fault>,
    },
    /// Whoever asks may not.
    #[error("{detail}")]
    Forbidden {
        /// The sentence.
        detail: String,
        /// What it may not touch.
        obstacles: Vec<Fault>,
    },
    /// The command line or the settings ask for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// It is larger than a documented bound.
    #[error("{0}")]
    TooLarge(String),
    /// The service is stopping, or too much is waiting.
    #[error("{0}")]
    Busy(String),
    /// The database broke off while it was recording, and could not be asked what it has recorded.
    #[error(
        "the database broke off, and it is not known whether this was recorded; send it again with the same Idempotency-Key, or look for it"
    )]
    Unsettled,
    /// The state does not have the revision yet that was asked for.
    #[error("revision {0} has not been reached yet; try again")]
    Behind(i64),
    /// A file, an address or a thread cannot be had.
    #[error("{what}: {source}")]
    Surroundings {
        /// What cannot be had.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// A file, an address or a thread that cannot be had.
    pub fn surroundings(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Surroundings { what: what.into(), source }
    }

    /// A fault of one place.
    pub fn fault(
        pointer: impl Into<String>,
        code: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self::Invalid(vec![Fault::new(pointer, code, detail)])
    }
}
