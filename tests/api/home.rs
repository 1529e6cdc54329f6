//! Where a test's ledger is: in a file, or in a PostgreSQL database of its own when the tests run over PostgreSQL.

use std::path::Path;

use tempfile::TempDir;

use crate::database::Database;

/// Names the backend of a run: `sqlite`, also when absent, or `postgres`.
const BACKEND: &str = "EGOV_KPI_TEST_BACKEND";

/// A folder for a test's files, and the address of a new ledger. Both are gone at the end.
pub struct Home {
    folder: TempDir,
    database: Option<Database>,
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

    /// With a ledger in the file `ledger.db`, whatever the backend of this run: for tests that are about that file.
    pub fn sqlite() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), database: None }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The address of its ledger.
    pub fn address(&self) -> String {
        match &self.database {
            Some(database) => database.address.clone(),
            None => format!("sqlite://{}", self.path().join("ledger.db").display()),
        }
    }
}
