//! PostgreSQL with a server of its own: encryption, passwords, durability, a server that stops and
//! comes back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use ledger::{Store, StoreError};
use tempfile::TempDir;

use crate::database::{Database, ask};
use crate::ledger::{bare, replayed, time_at, write};
use crate::postgres::hides;

/// A PostgreSQL server of its own, removed at the end.
struct Server {
    folder: TempDir,
    options: &'static [&'static str],
    /// The superuser's address.
    address: String,
}

impl Server {
    fn start(options: &'static [&'static str]) -> Self {
        let folder = tempfile::Builder::new().prefix("egov-kpi-store-").tempdir_in("/tmp").unwrap();
        let mut server = Self { folder, options, address: String::new() };
        server.address = server.command("start");
        server
    }

    /// The output of `cluster.py`.
    fn command(&self, action: &str) -> String {
        let done = Command::new("tests/postgres/cluster.py")
            .arg(action)
            .arg(self.folder.path())
            .args(self.options)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    fn ask(&self, statement: &str) -> Vec<String> {
        ask(&self.address, statement).unwrap()
    }

    fn database(&self) -> Database {
        Database::create_on(&self.address)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(
            Command::new("tests/postgres/cluster.py")
                .arg("remove")
                .arg(self.folder.path())
                .output(),
        );
    }
}

/// The certificate of another authority, in a folder.
fn another_root(folder: &Path) -> PathBuf {
    let (key, root) = (folder.join("other.key"), folder.join("other.crt"));
    let mut command = Command::new("openssl");
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=Another root",
    ]);
    let done = command.arg("-keyout").arg(&key).arg("-out").arg(&root).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    root
}

/// Whether each session of the program is encrypted, according to the server.
fn encrypted(address: &str) -> Vec<String> {
    let sessions = "SELECT DISTINCT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)";
    ask(
        address,
        &format!("{sessions} WHERE datname = current_database() AND application_name = 'egov-kpi'"),
    )
    .unwrap()
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn sessions_are_encrypted_and_the_servers_name_is_checked_as_the_address_says() {
    let server = Server::start(&["--fast", "--tls"]);
    let database = server.database();
    let (root, other) = (
        server.file("root.crt").display().to_string(),
        another_root(server.folder.path()).display().to_string(),
    );
    let open = |address: &str, options: &str| Store::open(&format!("{address}?{options}"), true);
    let (here, named) =
        (database.address.as_str(), database.address.replace("127.0.0.1", "localhost"));
    // Connects to this machine under a name that the certificate does not contain.
    let misnamed = |options: &str| {
        open(
            &database.address.replace("127.0.0.1", "ledger.example"),
            &format!("hostaddr=127.0.0.1&{options}"),
        )
    };
    for (options, is) in [
        ("sslmode=disable", "false"),
        ("sslmode=require", "true"),
        ("sslmode=prefer", "true"),
        ("", "true"),
    ] {
        let store = open(here, options).unwrap();
        let (sender, told) = channel();
        store.on_change(move || sender.send(()).unwrap_or_default());
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        write(&store, &[bare(store.head().unwrap().revision.get() + 1)]);
        assert_eq!(encrypted(here), [is], "{options}");
        drop(store);
        gone(here);
    }
    let checked = |root: &str| format!("sslmode=verify-full&sslrootcert={root}");
    for address in [here, &named] {
        let store = open(address, &checked(&root)).unwrap();
        store.ping().unwrap();
        assert_eq!(encrypted(here), ["true"]);
        drop(store);
        gone(here);
    }
    open(here, &checked(&root.replace('/', "%2F"))).unwrap();
    misnamed("sslmode=require").unwrap();
    for refused in [
        open(here, &checked(&other)),
        open(here, &checked("system")),
        open(here, "sslmode=verify-full"),
        misnamed(&checked(&root)),
    ] {
        let error = refused.err().unwrap();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let cause =
            std::iter::successors(std::error::Error::source(&error), |cause| cause.source())
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": ");
        assert!(cause.contains("certificate"), "{cause}");
    }
}

/// Waits until the server has noticed the end of the program's sessions.
fn gone(address: &str) {
    let started = Instant::now();
    while !encrypted(address).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "the sessions have not ended");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_server_without_encryption_is_refused_where_it_was_asked_for() {
    let server = Server::start(&["--fast"]);
    let database = server.database();
    for options in ["sslmode=require", "sslmode=verify-full"] {
        let error = Store::open(&format!("{}?{options}", database.address), true).err().unwrap();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    for options in ["", "?sslmode=prefer", "?sslmode=disable"] {
        Store::open(&format!("{}{options}", database.address), true).unwrap().ping().unwrap();
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_password_is_sent_encrypted_and_never_shown() {
    let server = Server::start(&["--fast", "--tls"]);
    server.ask("CREATE ROLE clerk LOGIN PASSWORD 'se@cret/?'");
    server.ask("CREATE DATABASE held OWNER clerk");
    let rules = server.file("data/pg_hba.conf");
    fs::write(
        &rules,
        format!("host all clerk all scram-sha-256\n{}", fs::read_to_string(&rules).unwrap()),
    )
    .unwrap();
    server.ask("SELECT pg_reload_conf()::text");
    let host = server.address.rsplit_once('@').unwrap().1.rsplit_once('/').unwrap().0;
    for options in ["sslmode=require", "sslmode=disable"] {
        let started = Instant::now();
        let address = |password: &str| format!("postgres://clerk{password}@{host}/held?{options}");
        while Store::open(&address(":secret"), true).is_ok() {
            assert!(started.elapsed() < Duration::from_secs(10), "a wrong password is accepted");
            thread::sleep(Duration::from_millis(20)); // the server has not reloaded its rules yet
        }
        for wrong in [":secret", ":", ""] {
            let error = Store::open(&address(wrong), true).err().unwrap();
            assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
            hides(&error);
        }
        Store::open(&address(":se%40cret%2F%3F"), true).unwrap().ping().unwrap();
    }
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_store_recovers_when_its_server_returns() {
    let server = Server::start(&["--fast"]);
    let database = server.database();
    let store = Store::open(&database.address, true).unwrap();
    let (sender, told) = channel();
    store.on_change(move || sender.send(()).unwrap_or_default());
    write(&store, &[bare(1)]);
    for round in 0..2 {
        let head = store.head().unwrap().revision;
        server.command("stop");
        for error in [
            store.write(head, &[bare(head.get() + 1)], &[]).err(),
            store.head().err(),
            store.recorded(&bare(head.get() + 1)).err(),
            store.purge_idempotency(time_at(0)).err(),
        ] {
            assert!(matches!(error, Some(StoreError::Unavailable(_))), "{error:?}");
        }
        server.command("start");
        // Writing comes first in one round, reading in the other.
        if round == 0 {
            write(&store, &[bare(head.get() + 1)]);
        }
        assert_eq!(store.head().unwrap().revision, head.plus(1 - round));
        assert!(replayed(&store, 0, i64::MAX).is_empty());
        while told.try_recv().is_ok() {}
        let other = Store::open(&database.address, false).unwrap();
        let head = other.head().unwrap().revision;
        write(&other, &[bare(head.get() + 1)]);
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_eq!(store.head().unwrap().revision, head.next());
    }
}

/// A required standby that does not exist shows who waits for it: only sessions with commits that
/// have to be durable.
#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_commit_is_durable_even_where_the_server_would_not_wait_for_its_disk() {
    let server = Server::start(&["--fast"]);
    let database = server.database();
    let waiting = || {
        ask(
            &server.address,
            "SELECT application_name FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
        )
        .unwrap()
    };
    for setting in ["off", "local"] {
        ask(
            &server.address,
            &format!(
                "ALTER DATABASE {} SET synchronous_commit = {setting}",
                database.address.rsplit_once('/').unwrap().1
            ),
        )
        .unwrap();
        assert_eq!(
            ask(&database.address, "SELECT current_setting('synchronous_commit')").unwrap(),
            [setting]
        );
        let store = Store::open(&database.address, true).unwrap();
        let head = store.head().unwrap().revision;
        let await_standby = |names: &str| {
            ask(&server.address, &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"))
                .map(|_| server.ask("SELECT pg_reload_conf()::text"))
        };
        await_standby("nobody").unwrap();
        thread::sleep(Duration::from_millis(200));
        thread::scope(|scope| {
            let writing = scope.spawn(|| write(&store, &[bare(head.get() + 1)]));
            let started = Instant::now();
            while waiting() != ["egov-kpi"] {
                assert!(
                    started.elapsed() < Duration::from_secs(10) && !writing.is_finished(),
                    "{setting}: nobody waits"
                );
                thread::sleep(Duration::from_millis(10));
            }
            await_standby("").unwrap();
            writing.join().unwrap();
        });
        assert_eq!(store.head().unwrap().revision, head.next());
    }
}
