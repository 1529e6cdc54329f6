//! `verify`: detects rows that were changed without the program.

use ledger::{Commit, DeclarationVersion, Store, WriteOutcome};
use rusqlite::Connection;
use serde_json::json;

use crate::harness::{REPORT, run, serve};

const OUTGOING: &str = "ioffice.documents.outgoing";

/// A ledger with every kind of revision, in a SQLite file that can be tampered with.
struct Tampered {
    folder: tempfile::TempDir,
}

impl Tampered {
    fn new() -> Self {
        let tampered = Self { folder: tempfile::tempdir().unwrap() };
        let server = serve(&tampered.address());
        let api = crate::harness::Api::of(&server.address.to_string());
        let report = tampered.folder.path().join("report.csv");
        std::fs::write(&report, REPORT).unwrap();
        run(&[
            "import",
            report.to_str().unwrap(),
            "--reason",
            "monthly",
            "--database",
            &tampered.address(),
        ])
        .expect(0);
        api.put("units", &json!({ "units": [{ "code": "new-unit" }] })).expect(200);
        api.send("POST", "periods/2021-10/close?force=true&reason=reported", &[], None).expect(200);
        api.send(
            "POST",
            "observations?reason=counted+again",
            &[("content-type", "text/csv")],
            Some(
                b"indicator,unit,period,value\n\
                  ioffice.documents.outgoing,travinh,2021-10,23442\n\
                  ioffice.documents.signed,travinh,2021-10,null\n",
            ),
        )
        .expect(201);
        assert_eq!(api.point(OUTGOING, "travinh", "2021-10")["value"], 23442.0);
        server.stop();
        tampered.declare();
        tampered
    }

    /// Revision 7: one target added, one removed.
    fn declare(&self) {
        let store = Store::open(&self.address(), false).unwrap();
        let head = store.head().unwrap();
        let declaration = |code: &str, document: Option<&str>| DeclarationVersion {
            kind: "target".to_owned(),
            code: code.to_owned(),
            document: document.map(ToOwned::to_owned),
        };
        let commit = Commit {
            revision: head.revision.next(),
            recorded_at: head.recorded_at,
            kind: "targets".to_owned(),
            declarations: vec![
                declaration(
                    "kept",
                    Some(
                        "{\"code\":\"kept\",\"measure\":\"ioffice.documents.signed_rate\",\
                         \"value\":\"1\"}",
                    ),
                ),
                declaration("gone", None),
            ],
            ..Commit::default()
        };
        assert_eq!(store.write(head.revision, &[commit], &[]).unwrap(), WriteOutcome::Written);
    }

    fn address(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("ledger.db").display())
    }

    /// Changes tables in ways that the triggers of the ledger refuse.
    fn tamper(&self, statements: &str) {
        let database = Connection::open(self.folder.path().join("ledger.db")).unwrap();
        database.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        let triggers: Vec<(String, String)> = {
            let list = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'";
            let mut found = database.prepare(list).unwrap();
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            found.query_map([], row).unwrap().map(Result::unwrap).collect()
        };
        for (trigger, _) in &triggers {
            database.execute_batch(&format!("DROP TRIGGER {trigger}")).unwrap();
        }
        database.execute_batch(statements).unwrap();
        // Otherwise `verify` reports them too.
        triggers.iter().for_each(|(_, made)| database.execute_batch(made).unwrap());
    }

    #[track_caller]
    fn verified(&self, code: i32, arguments: &[&str]) -> String {
        run(&[&["verify", "--database", &self.address()], arguments].concat()).expect(code)
    }
}

#[test]
fn verifying_a_sound_ledger_reports_the_counts() {
    let ledger = Tampered::new();
    let told = ledger.verified(0, &[]);
    assert!(told.starts_with("revisions 7, rows 92, current figures 89, hash "), "{told}");
    assert!(told.ends_with("no errors found\n"), "{told}");
    let hash = told.split_once("hash ").unwrap().1[..64].to_owned();
    ledger.verified(0, &["--hash", &hash]);
    assert!(
        ledger.verified(1, &["--hash", &"0".repeat(64)]).contains("is not in the ledger's chain")
    );
}

#[test]
fn every_changed_row_is_reported_with_its_revision() {
    for (statement, revision) in [
        (
            "UPDATE observations SET mantissa = mantissa + 1 WHERE revision = 3 AND month = \
             (SELECT max(month) FROM observations) AND measure = 0",
            3,
        ),
        ("DELETE FROM observations WHERE revision = 3 AND measure = 4", 3),
        ("UPDATE revisions SET reason = 'another' WHERE revision = 6", 6),
        ("UPDATE revisions SET actor = 'nobody' WHERE revision = 3", 3),
        ("UPDATE revisions SET recorded_at = recorded_at + 1 WHERE revision = 2", 2),
        ("UPDATE submissions SET unchanged = unchanged + 1 WHERE revision = 3", 3),
        ("UPDATE submissions SET reference = 'another' WHERE revision = 3", 3),
        ("UPDATE submissions SET findings = '[]' WHERE revision = 3", 3),
        (
            "UPDATE unit_versions SET document = replace(document, 'new-unit', 'old-unit') WHERE \
             revision = 4",
            4,
        ),
        ("UPDATE unit_numbers SET code = 'old-unit' WHERE code = 'new-unit'", 4),
        ("UPDATE catalogue_versions SET document = document || ' '", 1),
        ("UPDATE measures SET code = 'ioffice.documents.incoming' WHERE id = 0", 3),
        ("UPDATE closings SET month = month - 1", 5),
        ("UPDATE declarations SET document = replace(document, '1', '2')", 7),
        ("UPDATE declarations SET document = NULL", 7),
        ("UPDATE declarations SET document = '' WHERE document IS NULL", 7),
        ("UPDATE declarations SET code = 'other' WHERE code = 'kept'", 7),
        ("UPDATE declarations SET kind = 'annotation'", 7),
        ("UPDATE declarations SET revision = 6 WHERE code = 'gone'", 6),
        ("DELETE FROM declarations", 7),
        ("INSERT INTO declarations VALUES (2, 'target', 'added', '{}')", 2),
        (
            "UPDATE revisions SET hash = replace(hash, substr(hash, 1, 1), 'f') WHERE revision = 4 \
             AND substr(hash, 1, 1) <> 'f'; UPDATE revisions SET hash = 'e' || substr(hash, 2) \
             WHERE revision = 4 AND substr(hash, 1, 1) = 'f'",
            4,
        ),
        (
            "INSERT INTO observations SELECT 2, unit, measure, month, mantissa, scale FROM \
             observations WHERE revision = 6 AND mantissa IS NOT NULL",
            2,
        ),
        ("DELETE FROM touched_units WHERE revision = 6", 6),
    ] {
        let ledger = Tampered::new();
        ledger.tamper(statement);
        let shown = ledger.verified(1, &[]);
        assert!(shown.contains(&format!("Revision {revision}")), "{statement}: {shown}");
        assert!(!shown.contains("no errors found"), "{shown}");
    }
}

#[test]
fn a_revision_without_a_hash_gets_none_when_the_ledger_is_opened() {
    let planted = "INSERT INTO revisions (revision, recorded_at, kind, actor) VALUES (8, \
                   4000000000000000, 'keys', 'x');
         INSERT INTO declarations VALUES (8, 'key', 'evil000000', '{}')";
    let unhashed = "UPDATE revisions SET hash = NULL WHERE revision = 7";
    for (statements, revision) in [(planted, 8), (unhashed, 7)] {
        let ledger = Tampered::new();
        ledger.tamper(statements);
        let told = format!("Revision {revision} has no hash");
        assert!(ledger.verified(1, &[]).contains(&told));
        let opened = run(&["keys", "list", "--database", &ledger.address()]);
        opened.expect(1);
        assert!(opened.err().contains(&told), "{}", opened.err());
        assert!(ledger.verified(1, &[]).contains(&told));
    }
}

#[test]
fn an_empty_file_is_no_ledger_to_commands_that_create_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("empty.db");
    std::fs::write(&file, []).unwrap();
    let address = format!("sqlite://{}", file.display());
    let listed = run(&["keys", "list", "--database", &address]);
    listed.expect(2);
    assert!(listed.err().contains("is empty: it has no ledger"), "{}", listed.err());
    assert_eq!(file.metadata().unwrap().len(), 0);
}

#[test]
fn a_truncated_ledger_is_detected_by_a_noted_hash() {
    let ledger = Tampered::new();
    let told = ledger.verified(0, &[]);
    let hash = told.split_once("hash ").unwrap().1[..64].to_owned();
    ledger.tamper(
        "DELETE FROM declarations WHERE revision = 7; DELETE FROM revisions WHERE revision = 7",
    );
    ledger.verified(0, &[]);
    ledger.tamper(
        "DELETE FROM observations WHERE revision = 6; DELETE FROM touched_units WHERE \
         revision = 6; DELETE FROM submissions WHERE revision = 6; DELETE FROM revisions \
         WHERE revision = 6",
    );
    ledger.verified(0, &[]);
    assert!(ledger.verified(1, &["--hash", &hash]).contains("is not in the ledger's chain"));
}
