//! A PostgreSQL database of its own for a test, on the server that `EGOV_KPI_TEST_POSTGRES` names.

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// The environment's name for the server: a superuser's address, such as
/// `postgres://postgres@127.0.0.1:7433/postgres`.
const SERVER: &str = "EGOV_KPI_TEST_POSTGRES";

/// A new database, dropped at the end whoever still uses it.
pub struct Database {
    /// Its address, as for `--database`.
    pub address: String,
    server: String,
    name: String,
}

impl Database {
    /// On the server that the environment names.
    pub fn create() -> Self {
        match std::env::var(SERVER) {
            Ok(server) => Self::create_on(&server),
            Err(_) => panic!(
                "this test needs PostgreSQL: run ./tests/run, or start one by \
                 `tests/postgres/cluster.py start DIR --fast` and set {SERVER} to the address it \
                 prints"
            ),
        }
    }

    /// On a server. It orders texts as Vietnamese does, unlike SQLite, so that nothing may rely on
    /// how a database orders them.
    pub fn create_on(server: &str) -> Self {
        let name = format!("test_{}", ulid::Ulid::generate().to_string().to_lowercase());
        ask(
            server,
            &format!(
                "CREATE DATABASE {name} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'vi-VN'"
            ),
        )
        .unwrap();
        let (host, _) = server.rsplit_once('/').unwrap();
        Self { address: format!("{host}/{name}"), server: server.to_owned(), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop(ask(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)));
    }
}

/// Runs statements in one transaction; the first column of all they bring, or what the server says
/// against them.
pub fn ask(address: &str, statements: &str) -> Result<Vec<String>, String> {
    let told = |error: tokio_postgres::Error| {
        error.as_db_error().map_or_else(|| error.to_string(), |told| told.message().to_owned())
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await.map_err(told)?;
        tokio::spawn(connection);
        let mut found = Vec::new();
        for message in client.simple_query(statements).await.map_err(told)? {
            if let SimpleQueryMessage::Row(row) = message {
                found.push(row.get(0).unwrap_or_default().to_owned());
            }
        }
        Ok(found)
    })
}
