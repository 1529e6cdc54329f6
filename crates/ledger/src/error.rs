//! The errors of the ledger. Each variant displays one plain sentence that any user may see. The
//! cause, which may contain SQL or paths, is in the source chain and is meant for the log.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use super::numbers::RevisionNumber;

/// A cause of any type, for the log.
type BoxedCause = Box<dyn std::error::Error + Send + Sync>;

/// Why revisions cannot be dated at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ClockFault {
    /// The clock jumped forward or back by this many seconds while the service ran.
    #[error(
        "the clock that dates changes jumped by {0} seconds; nothing is recorded until it is right \
         again or an operator restarts the service"
    )]
    Jumped(i64),
    /// The clock shows a year in which this program cannot be running.
    #[error(
        "the clock that dates changes shows the year {0}, which cannot be right; nothing is \
         recorded until it is right again"
    )]
    Implausible(i32),
}

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address names no database that this program can open; the sentence says what is
    /// expected.
    #[error("{0}")]
    Address(String),
    /// A newer program has written the database. Nothing in it was changed.
    #[error(
        "The database has format {found}, written by a newer version of this program, which knows \
         formats up to {known}. Use that version."
    )]
    NewerSchema {
        /// The newest format of the database, unknown to this program.
        found: String,
        /// The newest format that this program knows.
        known: String,
    },
    /// The database cannot be reached at present: locked by another process, or no connection. A
    /// retry may succeed.
    #[error("The database is not available at the moment.")]
    Unavailable(#[source] BoxedCause),
    /// The disk of the database is full. A retry succeeds once there is space.
    #[error("The disk of the database is full.")]
    Full(#[source] BoxedCause),
    /// The database can be read but not written: a read-only file system, or a standby server.
    #[error("The database can only be read at the moment.")]
    ReadOnly(#[source] BoxedCause),
    /// The content of the database is inconsistent.
    #[error("{sentence}")]
    Corrupt {
        /// What is wrong, in one sentence.
        sentence: String,
        /// The underlying error, if any.
        source: Option<BoxedCause>,
    },
    /// The ledger has rows that its hash chain does not cover, or no first revision. Nothing was
    /// applied or written.
    #[error("{0}")]
    Unsound(String),
    /// The file at the ledger's path is no longer the one that this process has open, or another
    /// session holds the writer lock; one sentence for users. Nothing was written.
    #[error("{0}")]
    Withheld(&'static str),
    /// The ledger's file was removed or replaced during a commit. The commit is in the file that
    /// was open, wherever that is now.
    #[error("The ledger's file was removed or replaced while this was being recorded.")]
    Misplaced,
    /// The database has an older format than a read-only call can use.
    #[error(
        "The database has an older format; `serve` or `import` of this program upgrades it, after \
         which `verify` can read it. Make a backup first."
    )]
    OlderSchema,
    /// The ledger already has a row with that key, or a row names something that the ledger does
    /// not have. Nothing was written.
    #[error("The ledger refused an entry that contradicts its content.")]
    Conflict(#[source] BoxedCause),
    /// The commits do not continue the ledger correctly, which is a mistake of the caller. Nothing
    /// was written.
    #[error("{0}")]
    Invalid(String),
    /// The clock that dates revisions is not reliable at present. Nothing was written.
    #[error("{0}")]
    Clock(ClockFault),
    /// The backup could not be written.
    #[error("{sentence}")]
    Backup {
        /// Why, in one sentence.
        sentence: String,
        /// The underlying error, if any.
        source: Option<BoxedCause>,
    },
    /// The database could not be upgraded to this program's format. It is unchanged.
    #[error("The database could not be upgraded to this program's format.")]
    Migration(#[source] BoxedCause),
    /// Any other error of the database.
    #[error("The database reported an unexpected error.")]
    Backend(#[source] DieselError),
}

/// SQLite's texts for a locked, unreadable or unreachable file. diesel passes on SQLite's fixed
/// texts, not its codes.
const SQLITE_UNAVAILABLE: [&str; 6] = [
    "database is locked",
    "database table is locked",
    "database schema is locked",
    "disk I/O error",
    "unable to open database file",
    "locking protocol",
];

/// Texts of SQLite and PostgreSQL for a full disk.
const NO_SPACE: [&str; 2] = ["database or disk is full", "No space left on device"];
/// SQLite's text for a read-only database; PostgreSQL's error is recognised by its kind.
const ONLY_READ: &str = "attempt to write a readonly database";

/// SQLite's texts for a file that is damaged or not a database.
const DAMAGED: [&str; 3] =
    ["database disk image is malformed", "file is not a database", "malformed database schema"];

/// A revision without a hash; within diesel's errors, until it becomes a [`StoreError`].
#[derive(Debug, thiserror::Error)]
#[error("Revision {0} has no hash: it was not written by this program (table revisions).")]
pub(super) struct MissingHash(pub RevisionNumber);

impl StoreError {
    /// A sentence that any user of the service may see.
    #[must_use]
    pub fn public(&self) -> String {
        if let Self::Unsound(_) = self {
            return "The ledger has rows that its hash chain does not cover. Reads use the verified \
                rows only; nothing is recorded. The log names the rows."
                .to_owned();
        }
        self.to_string()
    }

    /// Figures of a later revision than `head` prevent the next revision from being written.
    #[must_use]
    pub fn next_is_taken(head: RevisionNumber) -> Self {
        Self::Unsound(format!(
            "Table observations has a row of a revision after {head}, which does not exist."
        ))
    }

    /// Whether the cause is outside of the ledger and may pass, so that the same call may succeed
    /// later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::ReadOnly(_))
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        if let DieselError::DeserializationError(cause) = &error {
            if let Some(missing) = cause.downcast_ref::<MissingHash>() {
                return Self::Unsound(missing.to_string());
            }
            return Self::Corrupt {
                sentence: "The database has a row that cannot be read.".to_owned(),
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
        if SQLITE_UNAVAILABLE.iter().any(|text| message.starts_with(text)) {
            return Self::Unavailable(error.into());
        }
        if DAMAGED.iter().any(|text| message.starts_with(text)) {
            return Self::Corrupt {
                sentence:
                    "The database file is damaged, or is not a database. Restore it from a backup."
                        .to_owned(),
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
