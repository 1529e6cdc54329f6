//! What can go wrong with the ledger. Each variant displays one plain sentence that may be shown to anybody; the cause, which may
//! hold SQL or paths, stands in the source chain and belongs into the log.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// A cause of any type, kept for the log.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A fault of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The address names no database that this program can open; the sentence says what is right.
    #[error("{0}")]
    Address(String),
    /// A newer program has written the database. Nothing in it was touched.
    #[error(
        "The database has format {found}, written by a newer version of this program, which knows formats up to {known}. Use that version."
    )]
    NewerSchema {
        /// The newest format that the database has and this program does not know.
        found: String,
        /// The newest format that this program knows.
        known: String,
    },
    /// The database cannot be reached just now: locked by another process, disk full, no connection. Trying again may help.
    #[error("The database is not available at the moment.")]
    Unavailable(#[source] Cause),
    /// There is no space left. Trying again helps once somebody has made some.
    #[error("The disk of the database is full.")]
    Full(#[source] Cause),
    /// The database can be read, and not written: a read-only file system, or a standby server.
    #[error("The database can only be read at the moment.")]
    ReadOnly(#[source] Cause),
    /// What the database holds cannot be right.
    #[error("{sentence}")]
    Corrupt {
        /// What is wrong, in a sentence.
        sentence: String,
        /// What was noticed below, if anything.
        source: Option<Cause>,
    },
    /// The ledger already holds a row with that key, or a row names something that it does not hold. Nothing was written.
    #[error("The ledger refused an entry that contradicts what it already holds.")]
    Conflict(#[source] Cause),
    /// What was handed over is not a proper continuation of the ledger: a mistake of the caller. Nothing was written.
    #[error("{0}")]
    Invalid(String),
    /// The backup could not be written where it was asked for.
    #[error("{sentence}")]
    Backup {
        /// Why, in a sentence.
        sentence: String,
        /// What was noticed below, if anything.
        source: Option<Cause>,
    },
    /// The database could not be brought to this program's format. It is as it was before.
    #[error("The database could not be brought to this program's format.")]
    Migration(#[source] Cause),
    /// Anything else that the database reported.
    #[error("The database reported an unexpected error.")]
    Backend(#[source] DieselError),
}

/// What SQLite says when waiting, space or permission is what is missing. diesel hands on SQLite's fixed texts, not its codes.
const OUT_OF_REACH: [&str; 6] = [
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "disk I/O error",
    "unable to open database file",
    "locking protocol",
];

/// What SQLite and PostgreSQL say when there is no space.
const NO_SPACE: [&str; 2] = ["database or disk is full", "No space left on device"];
/// What SQLite says when it may not write; PostgreSQL's is known by its kind.
const ONLY_READ: &str = "attempt to write a readonly database";

/// What SQLite says about a file that is damaged or no database.
const DAMAGED: [&str; 3] =
    ["database disk image is malformed", "file is not a database", "malformed database schema"];

impl StoreError {
    /// Whether it lies in the database's surroundings and may pass: the same call may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::ReadOnly(_))
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        if matches!(error, DieselError::DeserializationError(_)) {
            return Self::Corrupt {
                sentence: "The database holds a row that cannot be read.".to_owned(),
                source: Some(error.into()),
            };
        }
        let DieselError::DatabaseError(kind, information) = &error else {
            return Self::Backend(error);
        };
        if matches!(
            kind,
            DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
        ) {
            return Self::Conflict(error.into());
        }
        let message = information.message();
        if NO_SPACE.iter().any(|text| message.contains(text)) {
            return Self::Full(error.into());
        }
        if matches!(kind, DatabaseErrorKind::ReadOnlyTransaction) || message.starts_with(ONLY_READ)
        {
            return Self::ReadOnly(error.into());
        }
        if matches!(
            kind,
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::SerializationFailure
        ) {
            return Self::Unavailable(error.into());
        }
        if OUT_OF_REACH.iter().any(|text| message.starts_with(text)) {
            return Self::Unavailable(error.into());
        }
        if DAMAGED.iter().any(|text| message.starts_with(text)) {
            return Self::Corrupt {
                sentence: "The database file is damaged, or is no database at all. Restore it from a backup.".to_owned(),
                source: Some(error.into()),
            };
        }
        Self::Backend(error)
    }
}

impl From<diesel::ConnectionError> for StoreError {
    fn from(error: diesel::ConnectionError) -> Self {
        Self::Unavailable(error.into())
    }
}
