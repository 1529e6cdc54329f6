//! `export` and `import` of a whole ledger, and `export --tidy`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use ledger::{Commit, DeclarationVersion, RevisionNumber, RevisionSpan, Store, WriteOutcome};
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::database::Database;
use crate::harness::{Api, REPORT, Ran, Served, Server, figure, program, run, same, serve};

const OUTGOING: &str = "ioffice.documents.outgoing";
const BODY: &str = concat!(
    r#"{"observations":[{"indicator":"ioffice.documents.outgoing","unit":"new-unit","#,
    r#""period":"2021-11","value":7}]}"#,
);

/// A folder with ledgers and archives.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// The address of a ledger in the folder.
    fn ledger(&self, name: &str) -> String {
        format!("sqlite://{}", self.name(name))
    }

    /// The names of the files in the folder, without those that SQLite keeps beside an open ledger:
    /// a program that ends while its pool opens a connection leaves them there.
    fn files(&self) -> BTreeSet<String> {
        std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with("-shm") && !name.ends_with("-wal"))
            .collect()
    }

    /// Exports a ledger into a new archive and returns its bytes.
    #[track_caller]
    fn export(&self, address: &str, name: &str) -> Vec<u8> {
        run(&["export", &self.name(name), "--database", address]).expect(0);
        std::fs::read(self.path(name)).unwrap()
    }

    #[track_caller]
    fn import(&self, name: &str, address: &str) -> Ran {
        run(&["import", &self.name(name), "--database", address])
    }

    /// An empty ledger in `empty.db`, and its archive.
    fn empty(&self) -> Vec<u8> {
        drop(Store::open(&self.ledger("empty.db"), true).unwrap());
        self.export(&self.ledger("empty.db"), "empty.zip")
    }

    /// A ledger with every kind of change, and with texts that a CSV could corrupt; and its
    /// archive.
    fn eventful(&self) -> String {
        let address = self.ledger("eventful.db");
        let server = serve(&address);
        let api = Api::of(&server.address.to_string());
        api.post_csv("observations?reason=monthly&reference=Report+10", REPORT).expect(201);
        api.put_units(
            &json!([{ "code": "new-unit", "name": { "vi": "Đơn vị mới, \"mới\"\r\n", "en": "" } }]),
        );
        let mut catalogue = api.read("catalogue");
        catalogue["indicators"][0]["name"]["en"] = json!("renamed, \"quoted\"");
        api.put("catalogue", &catalogue).expect(200);
        api.send("POST", "periods/2021-10/close?force=true&reason=reported", &[], None).expect(200);
        let corrected = "indicator,unit,period,value\n\
                         ioffice.documents.outgoing,travinh,2021-10,23442\n\
                         ioffice.documents.signed,travinh,2021-10,null\n";
        api.post_csv("observations?reason=counted+again", corrected).expect(201);
        api.send("POST", "periods/2021-10/reopen?reason=again", &[], None).expect(200);
        api.send(
            "POST",
            "observations",
            &[("content-type", "application/json"), ("idempotency-key", "a key")],
            Some(BODY.as_bytes()),
        )
        .expect(201);
        let withdrawn = api.record("travinh", &[(OUTGOING, "2021-09", 12)]);
        api.delete(&format!("submissions/{}", withdrawn["submission"].as_str().unwrap()))
            .expect(201);
        server.stop();
        let note = |text: &str| {
            json!({ "code": "first", "unit": "travinh", "from": "2021-10", "text": text })
                .to_string()
        };
        let target = |code: &str, note: &str| {
            json!({
                "code": code, "measure": "ioffice.documents.signed_rate", "value": "1",
                "note": { "vi": note },
            })
            .to_string()
        };
        declare(
            &address,
            &[
                ("annotation", "first", Some(&note("Đợt dịch, \"4\"\r\n"))),
                ("target", "b", Some(&target("b", ""))),
                ("target", "a", Some(&target("a", "\\"))),
            ],
        );
        declare(
            &address,
            &[
                ("annotation", "first", Some(&note("."))),
                ("target", "b", None),
                ("target", "first", Some(&target("first", "a,b"))),
            ],
        );
        for reason in [
            None,
            Some(""),
            Some("\\"),
            Some("\\\\ and more"),
            Some("\"\""),
            Some(" a,b\r\nc\rd\n\"e\" "),
        ] {
            append(&Store::open(&address, false).unwrap(), reason);
        }
        self.export(&address, "eventful.zip");
        address
    }
}

/// Writes a revision that only has a reason.
fn append(store: &Store, reason: Option<&str>) {
    let (kind, actor) = ("what comes later".to_owned(), "tester, \\\"\n".to_owned());
    append_commit(
        store,
        Commit { kind, actor, reason: reason.map(ToOwned::to_owned), ..Commit::default() },
    );
}

/// Writes a revision with targets and annotations: kind, code and document.
fn declare(address: &str, declared: &[(&str, &str, Option<&str>)]) {
    let declarations = declared.iter().map(|(kind, code, document)| DeclarationVersion {
        kind: (*kind).to_owned(),
        code: (*code).to_owned(),
        document: document.map(ToOwned::to_owned),
    });
    append_commit(
        &Store::open(address, false).unwrap(),
        Commit {
            kind: "targets".to_owned(),
            declarations: declarations.collect(),
            ..Commit::default()
        },
    );
}

/// Writes a revision after the newest.
fn append_commit(store: &Store, commit: Commit) {
    let head = store.head().unwrap();
    let commit = Commit { revision: head.revision.next(), recorded_at: head.recorded_at, ..commit };
    assert_eq!(store.write(head.revision, &[commit], &[]).unwrap(), WriteOutcome::Written);
}

/// The files of a ZIP in order.
fn unzipped(path: &Path) -> Vec<(String, String)> {
    let mut zip = ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut found = Vec::new();
    for place in 0..zip.len() {
        let (mut file, mut text) = (zip.by_index(place).unwrap(), String::new());
        file.read_to_string(&mut text).unwrap();
        found.push((file.name().unwrap().into_owned(), text));
    }
    found
}

/// One file of a ZIP.
fn unzipped_file(path: &Path, name: &str) -> String {
    let (mut zip, mut text) =
        (ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap(), String::new());
    zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Writes an archive again with some files changed; a file with `None` is left out.
fn changed(from: &Path, to: &Path, change: impl Fn(&str, String) -> Option<String>) {
    let mut zip = ZipWriter::new(std::fs::File::create(to).unwrap());
    for (name, text) in unzipped(from) {
        let Some(text) = change(&name, text) else { continue };
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
}

/// The text with one occurrence of a part replaced; the part must exist.
#[track_caller]
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not there");
    text.replacen(from, to, 1)
}

/// Runs the independent check of the hash chain.
fn chain(archive: &Path) -> Ran {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chain.py");
    Ran(Command::new("python3")
        .arg(script)
        .arg(archive)
        .stdin(Stdio::null())
        .output()
        .expect("this test needs python3"))
}

#[test]
fn a_ledger_goes_into_an_archive_and_comes_out_the_same() {
    let place = Place::new();
    let address = place.eventful();
    let first = std::fs::read(place.path("eventful.zip")).unwrap();
    let manifest: Value =
        serde_json::from_str(&unzipped_file(&place.path("eventful.zip"), "ledger.json")).unwrap();
    for (name, text) in
        unzipped(&place.path("eventful.zip")).iter().filter(|(name, _)| name != "ledger.json")
    {
        let rows = csv::Reader::from_reader(text.as_bytes()).records().count();
        assert!(rows > 0, "{name} is empty: this ledger is not eventful");
        assert_eq!(manifest["rows"][name], rows, "{name}");
    }
    let copy = place.ledger("copy.db");
    let told = place.import("eventful.zip", &copy).expect(0);
    assert!(
        told.contains(manifest["hash"].as_str().unwrap()) && told.contains("1 idempotency key"),
        "{told}"
    );
    assert!(place.export(&copy, "copy.zip") == first, "the copy's archive is another");
    assert!(
        program()
            .args(["export", "--database", &address])
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .stdout
            == first,
        "standard output differs from the file"
    );
    run(&["verify", "--database", &copy]).expect(0);
    // A second import changes nothing.
    let again = place.import("eventful.zip", &copy).expect(0);
    assert!(again.contains("0 revision(s) written"), "{again}");
    // The served data is the same, and a client that repeats a request gets its first response. The
    // holder is the same as before, because idempotency keys belong to a holder.
    let (one, running) = (Served::start(&address), serve(&copy));
    let other = Api::of(&running.address.to_string());
    for path in [
        "observations?history=true&limit=10000",
        "findings",
        "catalogue",
        "units?limit=10000",
        "periods",
        "revisions",
        "ledger?digest=true",
    ] {
        assert_eq!(one.api.read(path), other.read(path), "{path}");
    }
    let headers = [("content-type", "application/json"), ("idempotency-key", "a key")];
    let revision = other.revision();
    other.send("POST", "observations", &headers, Some(BODY.as_bytes())).expect(201);
    assert_eq!(other.revision(), revision);
    other
        .send("POST", "observations", &headers, Some(BODY.replace('7', "8").as_bytes()))
        .problem(422);
}

#[test]
#[ignore = "needs PostgreSQL: ./tests/run"]
fn a_ledger_moves_to_postgresql_and_back() {
    let place = Place::new();
    place.eventful();
    let first = std::fs::read(place.path("eventful.zip")).unwrap();
    let database = Database::create();
    place.import("eventful.zip", &database.address).expect(0);
    assert!(
        place.export(&database.address, "postgres.zip") == first,
        "PostgreSQL's archive is another"
    );
    run(&["verify", "--database", &database.address]).expect(0);
    let back = place.ledger("back.db");
    place.import("postgres.zip", &back).expect(0);
    assert!(place.export(&back, "back.zip") == first, "SQLite's archive is another");
}

#[test]
fn an_empty_ledger_is_an_archive_too() {
    let place = Place::new();
    let first = place.empty();
    drop(Store::open(&place.ledger("copy.db"), true).unwrap());
    place.import("empty.zip", &place.ledger("copy.db")).expect(0);
    assert!(place.export(&place.ledger("copy.db"), "copy.zip") == first);
    run(&["export", "--tidy", &place.name("tidy.zip"), "--database", &place.ledger("empty.db")])
        .expect(0);
    assert_eq!(unzipped_file(&place.path("tidy.zip"), "figures.csv").lines().count(), 1);
}

#[test]
fn an_interrupted_import_can_be_resumed() {
    let place = Place::new();
    let whole = Store::open(&place.eventful(), false).unwrap();
    let first = std::fs::read(place.path("eventful.zip")).unwrap();
    let newest = whole.head().unwrap().revision.get();
    for begun in [1, newest / 2, newest - 1, newest] {
        let address = place.ledger(&format!("begun-{begun}.db"));
        let commits: Vec<Commit> = whole
            .commits(RevisionSpan::first(RevisionNumber::new(begun)))
            .unwrap()
            .into_iter()
            .map(|recorded| recorded.commit)
            .collect();
        assert_eq!(
            Store::open(&address, true)
                .unwrap()
                .write(RevisionNumber::BEGINNING, &commits, &[])
                .unwrap(),
            WriteOutcome::Written
        );
        let told = place.import("eventful.zip", &address).expect(0);
        assert!(
            told.contains(&format!(
                "{} revision(s) written ({begun} were there already)",
                newest - begun
            )),
            "{told}"
        );
        assert!(place.export(&address, &format!("begun-{begun}.zip")) == first);
    }
}

#[test]
fn an_archive_is_refused_by_a_different_ledger() {
    let place = Place::new();
    let address = place.eventful();
    let other = Server::start();
    let held = other.revision();
    let refused = place.import("eventful.zip", &other.address());
    refused.expect(1);
    assert!(refused.err().contains("the ledger has other content"), "{}", refused.err());
    assert_eq!(other.revision(), held);
    // The same ledger after another revision.
    append(&Store::open(&address, false).unwrap(), None);
    let refused = place.import("eventful.zip", &address);
    refused.expect(1);
    assert!(refused.err().contains("can only be loaded into an empty ledger"), "{}", refused.err());
}

/// Imports an archive and expects this error and no recorded revision.
#[track_caller]
fn refused(place: &Place, name: &str, expected: &str) {
    let address = place.ledger("refused.db");
    let refused = place.import(name, &address);
    assert_eq!(refused.expect(1), "");
    assert!(refused.err().contains(expected), "{expected} is not in: {}", refused.err());
    let head = Store::open(&address, true).unwrap().head().unwrap();
    assert_eq!(
        head.revision,
        RevisionNumber::BEGINNING,
        "something was recorded of {name}: {expected}"
    );
}

/// Changed rows: a file, what is replaced in it, by what, and what is reported.
const CHANGED: &[(&str, &str, &str, &str)] = &[
    ("observations.csv", ",23442,", ",23443,", "revision 7 is not as it was written"),
    ("observations.csv", ",23442,0", ",23442,1", "revision 7 is not as it was written"),
    ("submissions.csv", "Report 10", "Report 11", "revision 3 is not as it was written"),
    (
        "measures.csv",
        "ioffice.documents.outgoing",
        "ioffice.documents.outgoinG",
        "revision 3 is not as it was written",
    ),
    ("unit_numbers.csv", "new-unit", "new-units", "revision 4 is not as it was written"),
    ("unit_versions.csv", "new-unit", "new-units", "revision 4 is not as it was written"),
    ("catalogue_versions.csv", "renamed", "Renamed", "revision 5 is not as it was written"),
    (
        "declarations.csv",
        "\"\"value\"\":\"\"1\"\"",
        "\"\"value\"\":\"\"2\"\"",
        "revision 12 is not as it was written",
    ),
    ("declarations.csv", "12,target,a,", "12,target,c,", "revision 12 is not as it was written"),
    ("declarations.csv", "13,annotation,", "13,target,", "revision 13 is not as it was written"),
    ("declarations.csv", "13,target,b,\n", "", "revision 13 is not as it was written"),
    ("origins.csv", "\"\"nobody\"\"", "\"\"key\"\"", "revision 3 is not as it was written"),
    ("closings.csv", "true", "false", "revision 6 is not as it was written"),
    ("revisions.csv", "reported", "reporteD", "revision 6 is not as it was written"),
    (
        "revisions.csv",
        "what comes later,\"tester, \\\"\"\n\",\\,",
        "what comes later,\"tester, \\\"\"\n\",,",
        "revision 15 is not as it was written",
    ),
];

/// Writes the archive of `eventful` as `changed.zip` with one replacement in a file.
fn replaced(place: &Place, file: &str, old: &str, new: &str) {
    changed(&place.path("eventful.zip"), &place.path("changed.zip"), |name, text| {
        Some(if name == file { with(&text, old, new) } else { text })
    });
}

#[test]
fn a_changed_row_is_reported_with_its_revision() {
    let place = Place::new();
    place.eventful();
    for (file, old, new, told) in CHANGED {
        replaced(&place, file, old, new);
        refused(&place, "changed.zip", told);
    }
}

/// Changes of an archive: a file, what is replaced in it, by what, and the error that follows.
const MALFORMED: &[(&str, &str, &str, &str)] = &[
    (
        "observations.csv",
        "\n3,",
        "\nthree,",
        "observations.csv, line 2, column revision: invalid digit",
    ),
    (
        "observations.csv",
        "\n3,1,",
        "\n3,x,",
        "observations.csv, line 2, column unit: invalid digit",
    ),
    ("observations.csv", "\n3,1,", "\n3,1,1,", "observations.csv, line 2: 7 cells, 6 are expected"),
    (
        "observations.csv",
        "\n9,16,",
        "\n6,16,",
        "observations.csv, line 94, column revision: the rows are not in the order",
    ),
    (
        "observations.csv",
        "unit,measure",
        "measure,unit",
        "observations.csv, line 1: the columns are not revision,unit,measure",
    ),
    ("closings.csv", "true", "yes", "closings.csv, line 2, column closed"),
    (
        "catalogue_versions.csv",
        "\n5,2,",
        "\n1,2,",
        "catalogue_versions.csv, line 3, column revision: a second row for the same revision",
    ),
    ("revisions.csv", "\n2,", "\n3,", "revisions.csv: revision 3 does not follow revision 1"),
    ("idempotency_keys.csv", ",a key,", ",a key,,", "idempotency_keys.csv, line 2: 7 cells"),
    (
        "ledger.json",
        "\"version\": 3",
        "\"version\": 4",
        "version 4 of the format, this program reads up to 3",
    ),
    (
        "ledger.json",
        "\"version\": 3",
        "\"version\": 2",
        "ledger.json: the list of tables does not match this format",
    ),
    (
        "ledger.json",
        "\"version\": 3",
        "\"version\": 1",
        "ledger.json: the list of tables does not match this format",
    ),
    (
        "ledger.json",
        "\"declarations.csv\": 6,\n",
        "",
        "ledger.json: the list of tables does not match this format",
    ),
    (
        "ledger.json",
        "\"declarations.csv\": 6",
        "\"declarations.csv\": 5",
        "declarations.csv has 6 rows, ledger.json says 5",
    ),
    (
        "declarations.csv",
        "\n13,",
        "\n11,",
        "declarations.csv, line 5, column revision: the rows are not in the order",
    ),
    ("ledger.json", "egov-kpi ledger", "another", "the format is \"another\""),
    ("ledger.json", "\"revision\"", "\"revisions\"", "ledger.json: unknown field"),
    (
        "ledger.json",
        "\"closings.csv\": 2",
        "\"closings.csv\": 3",
        "closings.csv has 2 rows, ledger.json says 3",
    ),
    ("ledger.json", "\"hash\": \"", "\"hash\": \"0", "ledger.json says that revision"),
    ("ledger.json", "{", "[", "ledger.json: "),
];

/// Writes the archive of `eventful` as `changed.zip` with a month closed in an absent revision.
fn close_in_absent_revision(place: &Place) {
    changed(&place.path("eventful.zip"), &place.path("changed.zip"), |name, text| {
        Some(if name == "closings.csv" { format!("{text}99,24261,true\n") } else { text })
    });
}

#[test]
fn a_malformed_archive_is_reported_with_file_line_and_column() {
    let place = Place::new();
    place.eventful();
    let (from, to) = (place.path("eventful.zip"), place.path("changed.zip"));
    for (file, old, new, told) in MALFORMED {
        replaced(&place, file, old, new);
        refused(&place, "changed.zip", told);
    }
    for file in
        ["ledger.json", "closings.csv", "declarations.csv", "origins.csv", "idempotency_keys.csv"]
    {
        changed(&from, &to, |name, text| (name != file).then_some(text));
        refused(&place, "changed.zip", &format!("{file} is missing"));
    }
    close_in_absent_revision(&place);
    refused(
        &place,
        "changed.zip",
        "closings.csv, line 4, column revision: there is no such revision",
    );
    // An archive without its last revision, and a truncated archive.
    changed(&from, &to, |name, text| {
        let end = text
            .rfind("what comes later")
            .filter(|_| name == "revisions.csv")
            .map_or(text.len(), |end| text[..end].rfind('\n').unwrap() + 1);
        Some(text[..end].to_owned())
    });
    refused(&place, "changed.zip", "ledger.json says that revision");
    let bytes = std::fs::read(&from).unwrap();
    std::fs::write(&to, &bytes[..bytes.len() / 2]).unwrap();
    refused(&place, "changed.zip", "the archive is damaged");
    let mut bytes = bytes;
    bytes[200] ^= 0x55; // within observations.csv
    std::fs::write(&to, &bytes).unwrap();
    refused(&place, "changed.zip", "observations.csv");
}

/// Writes an archive in the format of earlier releases: without origins, or without targets and
/// annotations.
fn of_version(version: u64, from: &Path, to: &Path) {
    let later: &[&str] =
        if version == 1 { &["declarations.csv", "origins.csv"] } else { &["origins.csv"] };
    changed(from, to, |name, text| match name {
        name if later.contains(&name) => None,
        "ledger.json" => {
            let kept = text
                .lines()
                .filter(|line| !later.iter().any(|table| line.contains(table)))
                .map(|line| format!("{line}\n"));
            Some(
                kept.collect::<String>()
                    .replace("\"version\": 3", &format!("\"version\": {version}")),
            )
        }
        _ => Some(text),
    });
}

/// A ledger of the first release, without declarations and origins of revisions.
fn first_ledger(place: &Place) -> String {
    let connection = rusqlite::Connection::open(place.path("first.db")).unwrap();
    connection.execute_batch(include_str!("../store/fixtures/schema-1.sql")).unwrap();
    place.ledger("first.db")
}

#[test]
fn archives_of_the_versions_before_are_still_read() {
    let place = Place::new();
    let first = place.export(&first_ledger(&place), "first.zip");
    for version in [1, 2] {
        let (file, copy) = (format!("version-{version}.zip"), format!("copy-{version}"));
        of_version(version, &place.path("first.zip"), &place.path(&file));
        let address = place.ledger(&format!("{copy}.db"));
        place.import(&file, &address).expect(0);
        run(&["verify", "--database", &address]).expect(0);
        assert!(place.export(&address, &format!("{copy}.zip")) == first);
    }
    // A ledger with data that those releases did not have cannot be in such an archive.
    place.eventful();
    for version in [1, 2] {
        of_version(version, &place.path("eventful.zip"), &place.path("lost.zip"));
        refused(&place, "lost.zip", "revision 1 is not as it was written");
    }
}

#[test]
#[ignore = "needs Python: ./tests/run"]
fn the_independent_check_of_the_chain_accepts_every_unchanged_archive() {
    let place = Place::new();
    place.empty();
    place.eventful();
    place.export(&first_ledger(&place), "first.zip");
    for version in [1, 2] {
        of_version(
            version,
            &place.path("first.zip"),
            &place.path(&format!("version-{version}.zip")),
        );
    }
    for file in ["empty.zip", "eventful.zip", "version-1.zip", "version-2.zip"] {
        chain(&place.path(file)).expect(0);
    }
}

#[test]
#[ignore = "needs Python: ./tests/run"]
fn the_independent_check_of_the_chain_reports_each_change_as_the_import_does() {
    let place = Place::new();
    place.eventful();
    let reported = |name: &str, sentence: &str| {
        let checked = chain(&place.path(name));
        checked.expect(1);
        assert!(checked.err().contains(sentence), "{sentence} is not in: {}", checked.err());
    };
    for (file, old, new, told) in CHANGED {
        replaced(&place, file, old, new);
        reported("changed.zip", told);
    }
    close_in_absent_revision(&place);
    reported("changed.zip", "closings.csv: there is no revision 99");
    for version in [1, 2] {
        of_version(version, &place.path("eventful.zip"), &place.path("lost.zip"));
        reported("lost.zip", "revision 1 is not as it was written");
    }
}

#[test]
fn the_history_names_what_was_declared() {
    let place = Place::new();
    let served = Served::start(&place.eventful());
    let history = served.api.read("revisions?limit=1000");
    let declared: Vec<&Value> = history["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| &revision["declarations"])
        .collect();
    assert_eq!(
        (declared[10], declared[11], declared[12]),
        (&json!([]), &json!(["first", "a", "b"]), &json!(["first", "b", "first"]))
    );
    let text = served.api.get("revisions?format=csv&limit=1000").text();
    assert!(text.contains(",first; a; b\n"), "{text}");
}

#[test]
fn an_archive_is_imported_alone() {
    let place = Place::new();
    place.eventful();
    let (archive, address) = (place.name("eventful.zip"), place.ledger("alone.db"));
    std::fs::write(place.path("report.csv"), REPORT).unwrap();
    run(&["import", &place.name("report.csv"), &archive, "--database", &address]).expect(2);
    run(&["import", &archive, "--reason", "because", "--database", &address]).expect(2);
    run(&["import", &archive, "--from-line", "2", "--database", &address]).expect(2);
    assert!(!place.files().contains("alone.db"));
    // The format is detected from the content, whatever the name of the file.
    std::fs::copy(place.path("eventful.zip"), place.path("ledger.csv")).unwrap();
    place.import("ledger.csv", &address).expect(0);
}

#[test]
fn an_export_overwrites_no_file_and_leaves_no_partial_file() {
    let place = Place::new();
    let address = place.eventful();
    std::fs::write(place.path("there.zip"), "something").unwrap();
    let before = place.files();
    for tidy in [&[][..], &["--tidy"]] {
        let export = |file: &str, address: &str| {
            run(&[&["export", &place.name(file), "--database", address][..], tidy].concat())
        };
        let told = export("there.zip", &address);
        told.expect(3);
        assert!(told.err().contains("there.zip: the file exists already"), "{}", told.err());
        export("new.zip", &place.ledger("no-such.db")).expect(2);
        export("no-such-folder/new.zip", &address).expect(3);
        assert_eq!(place.files(), before);
    }
    assert_eq!(std::fs::read_to_string(place.path("there.zip")).unwrap(), "something");
    // A ledger that was tampered with: its archive could not be imported.
    let ledger = rusqlite::Connection::open(place.path("eventful.db")).unwrap();
    ledger
        .execute_batch(
            "DROP TRIGGER observations_keep; UPDATE observations SET mantissa = 1 \
             WHERE revision = 7 AND mantissa IS NOT NULL",
        )
        .unwrap();
    drop(ledger);
    let before = place.files();
    let told = run(&["export", &place.name("new.zip"), "--database", &address]);
    told.expect(1);
    assert!(told.err().contains("revision 7 is not as it was written"), "{}", told.err());
    assert_eq!(place.files(), before);
}

#[test]
fn an_archive_taken_while_figures_come_in_is_whole() {
    let place = Place::new();
    let server = Server::start();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in (0..).take_while(|_| !stop.load(Ordering::Relaxed)) {
                let body = json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", n)] })
                    .to_string();
                let headers = [
                    ("content-type", "application/json"),
                    ("idempotency-key", &format!("key {n}")[..]),
                ];
                server.send("POST", "observations", &headers, Some(body.as_bytes())).expect(201);
            }
        });
        for n in 0..3 {
            let name = format!("{n}.zip");
            place.export(&server.address(), &name);
            let copy = place.ledger(&format!("{n}.db"));
            place.import(&name, &copy).expect(0);
            // No response is stored for revisions that are not in the archive.
            let newest = Store::open(&copy, false).unwrap().head().unwrap().revision.get();
            let (_, keys) = table(&unzipped_file(&place.path(&name), "idempotency_keys.csv"));
            let revision = |key: &BTreeMap<String, String>| {
                serde_json::from_str::<Value>(&key["answer"]).unwrap()["revision"].as_i64().unwrap()
            };
            assert!(keys.iter().all(|key| revision(key) <= newest));
        }
        stop.store(true, Ordering::Relaxed);
    });
}

/// A table as rows of cells by column.
fn table(text: &str) -> (Vec<String>, Vec<BTreeMap<String, String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(ToOwned::to_owned).collect();
    let rows = reader.records().map(|record| {
        header.iter().cloned().zip(record.unwrap().iter().map(ToOwned::to_owned)).collect()
    });
    let rows = rows.collect();
    (header, rows)
}

/// Whether a cell has the same content as a field of a response.
fn says(cell: &str, value: &Value) -> bool {
    match value {
        Value::Null => cell.is_empty(),
        Value::Number(_) => cell.parse::<f64>().is_ok_and(|number| same(&json!(number), value)),
        Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            value.as_str() == Some(cell)
        }
    }
}

#[test]
fn the_tidy_table_equals_the_series_point_by_point() {
    let place = Place::new();
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    // Some figures of a second month; units with members above them; a rate that is only stated.
    let units = [
        json!({ "code": "p", "kind": "province" }),
        json!({ "code": "p.a", "parent": "p" }),
        json!({ "code": "p.b", "parent": "p" }),
    ];
    server.put_units(&json!(units));
    server.record(
        "p.a",
        &[
            (OUTGOING, "2021-09", 4),
            (OUTGOING, "2021-10", 6),
            ("ioffice.documents.signed", "2021-10", 3),
        ],
    );
    server.record("p.b", &[(OUTGOING, "2021-10", 8), (OUTGOING, "2021-12", 9)]);
    server
        .post(&json!({ "observations": [
        figure("ioffice.documents.signed_rate", "p.b", "2021-11", "78.950"),
    ] }))
        .expect(201);
    run(&["export", "--tidy", &place.name("tidy.zip"), "--database", &server.address()]).expect(0);
    let (header, rows) = table(&unzipped_file(&place.path("tidy.zip"), "figures.csv"));
    let measures: BTreeSet<String> = rows.iter().map(|row| row["measure"].clone()).collect();
    let listed = server.read("indicators").to_string() + &server.read("kpis").to_string();
    assert!(
        measures
            .iter()
            .all(|measure| listed.contains(&format!("\"{}\"", measure.split('{').next().unwrap())))
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let place_of = |row: &BTreeMap<String, String>| {
        ["measure", "unit", "period"].map(|column| row[column].clone())
    };
    let placed: BTreeMap<[String; 3], &BTreeMap<String, String>> =
        rows.iter().map(|row| (place_of(row), row)).collect();
    let known = server.read("units?limit=1000");
    let units: BTreeMap<String, &Value> =
        known["units"].as_array().unwrap().iter().map(|unit| (text(&unit["code"]), unit)).collect();
    let mut seen = 0;
    for measure in &measures {
        let asked = units.keys().map(|unit| ("unit", unit.as_str())).chain([
            ("measure", measure.as_str()),
            ("from", "2021-08"),
            ("to", "2022-01"),
        ]);
        let answer = server.series(&asked.collect::<Vec<_>>()).expect(200);
        assert_eq!(answer["series"].as_array().unwrap().len(), units.len());
        for series in answer["series"].as_array().unwrap() {
            let unit = units[series["unit"].as_str().unwrap()];
            for point in series["points"].as_array().unwrap() {
                let row =
                    placed.get(&[measure.clone(), text(&series["unit"]), text(&point["period"])]);
                let given = !point["value"].is_null() || !point["stated"].is_null();
                assert_eq!(row.is_some(), given, "{measure} {point}");
                let Some(row) = row else { continue };
                for (field, value) in point.as_object().unwrap().iter().filter(|(field, _)| {
                    !["time", "taken_from", "annotations"].contains(&field.as_str())
                }) {
                    assert!(says(&row[field], value), "{field} of {row:?} is {value}");
                }
                assert!(
                    says(&row["parent"], &unit["parent"]) && says(&row["unit_kind"], &unit["kind"]),
                    "{row:?}"
                );
                assert!(says(&row["unit_of_measure"], &series["unit_of_measure"]));
                seen += 1;
            }
        }
    }
    assert_eq!(seen, rows.len());
    // The archive contains every recorded figure with its digits.
    for recorded in server.observations("limit=1000") {
        let members = recorded["dimensions"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, member)| format!("{name}={}", member.as_str().unwrap()));
        let (members, code) =
            (members.collect::<Vec<_>>().join(","), recorded["indicator"].as_str().unwrap());
        let measure =
            if members.is_empty() { code.to_owned() } else { format!("{code}{{{members}}}") };
        let row = placed[&[measure, text(&recorded["unit"]), text(&recorded["period"])]];
        let column = if row["measure_kind"] == "kpi" { "stated" } else { "value" };
        assert!(says(&row[column], &recorded["value"]), "{row:?} {recorded}");
    }
    assert!(
        rows.iter().any(|row| row["stated"] == "78.950" && row["value"].is_empty()),
        "the digits that were printed are kept"
    );
    assert!(
        rows.iter().any(|row| row["unit"] == "p"
            && row["coverage"] == "0.5"
            && row["origin"] == "rolled_up")
    );
    assert!(
        measures.contains("igate.dossiers.online_rate{service_level=4}")
            && measures.contains("igate.dossiers.received{service_level=4}")
    );
    described(&unzipped_file(&place.path("tidy.zip"), "datapackage.json"), &header, &rows);
}

/// Compares the description with the table: every column, its type, its constraints.
fn described(package: &str, header: &[String], rows: &[BTreeMap<String, String>]) {
    let package: Value = serde_json::from_str(package).unwrap();
    assert_eq!(
        (&package["profile"], &package["resources"][0]["path"]),
        (&json!("tabular-data-package"), &json!("figures.csv"))
    );
    assert_eq!(package["resources"][0]["rows"], rows.len());
    let schema = &package["resources"][0]["schema"];
    assert_eq!(
        (&schema["missingValues"], &schema["primaryKey"]),
        (&json!([""]), &json!(["measure", "unit", "period"]))
    );
    let fields = schema["fields"].as_array().unwrap();
    assert_eq!(
        fields.iter().map(|field| field["name"].as_str().unwrap()).collect::<Vec<_>>(),
        header
    );
    let keys: BTreeSet<_> =
        rows.iter().map(|row| (&row["measure"], &row["unit"], &row["period"])).collect();
    assert_eq!(keys.len(), rows.len(), "the primary key is one");
    for field in fields {
        let name = field["name"].as_str().unwrap();
        assert!(field["description"].as_str().is_some_and(|text| text.ends_with('.')), "{field}");
        let constraints = &field["constraints"];
        for cell in rows.iter().map(|row| &row[name]) {
            assert!(!cell.is_empty() || constraints["required"] != true, "{name} is missing");
            if cell.is_empty() {
                continue;
            }
            let number = cell.parse::<f64>();
            match field["type"].as_str().unwrap() {
                "number" => {
                    assert!(
                        number.is_ok_and(|number| constraints["maximum"]
                            .as_f64()
                            .is_none_or(|most| (0.0..=most).contains(&number))),
                        "{name} {cell}"
                    )
                }
                "yearmonth" => {
                    assert!(cell.len() == 7 && cell.as_bytes()[4] == b'-', "{name} {cell}")
                }
                _ => assert!(
                    constraints["enum"].as_array().is_none_or(|words| words.contains(&json!(cell))),
                    "{name} {cell}"
                ),
            }
        }
    }
}
