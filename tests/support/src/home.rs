//! The ledger of a test: in a file, or in its own PostgreSQL database when the tests run with
//! PostgreSQL.

use std::path::Path;

use tempfile::TempDir;

use crate::database::Database;

/// The environment variable with the backend: `sqlite` (default) or `postgres`.
const BACKEND: &str = "EGOV_KPI_TEST_BACKEND";

/// A folder for the files of a test, and the address of a new ledger. Both are deleted at the end.
pub struct Home {
    folder: TempDir,
    database: Option<Database>,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// With a ledger on the backend of this run.
    pub fn new() -> Self {
        let database = match std::env::var(BACKEND).as_deref() {
            Err(_) | Ok("sqlite") => None,
            Ok("postgres") => Some(Database::create()),
            Ok(other) => panic!("{BACKEND} is sqlite or postgres, not {other}"),
        };
        Self { database, ..Self::sqlite() }
    }

    /// With a ledger in the file `ledger.db` on any backend, for tests about that file.
    pub fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: None }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The address of the ledger.
    pub fn address(&self) -> String {
        match &self.database {
            Some(database) => database.address.clone(),
            None => format!("sqlite://{}", self.path().join("ledger.db").display()),
        }
    }
}
