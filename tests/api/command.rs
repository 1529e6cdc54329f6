//! The command line: output and exit codes.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{Demo, REPORT, Served, has, program, run};
use crate::home::Home;

const CLEAN: &str = "indicator,unit,period,value\n\
                     ioffice.documents.outgoing,travinh,2021-10,4\n\
                     ioffice.documents.signed,travinh,2021-10,3\n";

/// Writes a file into the folder of a test and returns its path.
fn file(home: &Home, name: &str, text: &str) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_demo_prints_the_six_rates_and_the_three_contradictions() {
    let english = run(&["demo", "--no-serve", "--lang", "en"]).expect(0);
    // 2,180 of 13,594 are 16.0364867 %, which is 16.036 in three decimals.
    for rate in [
        "78.947 %", "16.036 %", "2.596 %", "25.465 %", "33.315 %", "50.807 %", "78.955", "33.32",
        "50.81", "25.3",
    ] {
        assert!(english.contains(rate), "{rate} is not in\n{english}");
    }
    let contradictions: Vec<&str> = english
        .split("Contradictions (3):")
        .nth(1)
        .unwrap()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert_eq!(contradictions.len(), 3, "{english}");
    for measure in [
        "pki.certificates.total",
        "ioffice.documents.signed_rate",
        "igate.dossiers.online_rate{service_level=4}",
    ] {
        assert!(
            contradictions.iter().any(|line| line.contains(measure)),
            "{measure} is not in {contradictions:?}"
        );
    }
    let vietnamese = run(&["demo", "--no-serve"]).expect(0);
    for text in [
        "Tỉnh Trà Vinh",
        "78,947 %",
        "16,036 %",
        "2,596 %",
        "25,465 %",
        "33,315 %",
        "50,807 %",
        "Số liệu mâu thuẫn (3):",
        "cộng lại là 2.322, số tổng đã nêu là 2.312",
        "Tỷ lệ đã nêu là 25,3, tính",
    ] {
        assert!(vietnamese.contains(text), "{text} is not in\n{vietnamese}");
    }
}

#[test]
fn the_demo_serves_the_real_figures_and_a_sample_province_on_this_machine_alone() {
    let demo = Demo::start();
    let api = &demo.api;
    has(
        &api.point("ioffice.documents.signed_rate", "travinh", "2021-10"),
        &json!({ "value": 78.947_144, "stated": 78.955 }),
    );
    let points = api.points("ioffice.documents.signed_rate", "sample", "2019-01", "2021-12");
    assert_eq!(points.iter().filter(|point| point["value"].is_number()).count(), 36);
    for invented in
        api.observations("limit=10000").iter().filter(|figure| figure["period"] != "2021-10")
    {
        assert!(invented["unit"].as_str().unwrap().starts_with("sample"), "{invented}");
    }
    assert_eq!(api.read("findings?unit=travinh")["findings"].as_array().unwrap().len(), 3);
    run(&["demo", "--listen", "0.0.0.0:0"]).expect(2);
}

#[test]
fn check_names_faults_and_contradictions_and_records_nothing() {
    let home = Home::new();
    let (report, clean) = (file(&home, "report.csv", REPORT), file(&home, "clean.csv", CLEAN));
    let found = run(&["check", &report, "--lang", "en"]).expect(1);
    assert!(found.trim_end().ends_with("0 error(s), 3 finding(s)"), "{found}");
    assert_eq!(
        found.lines().filter(|line| line.starts_with("warning travinh 2021-10 ")).count(),
        3,
        "{found}"
    );
    run(&["check", &clean]).expect(0);
    let faulty = file(
        &home,
        "faulty.csv",
        "indicator,unit,period,value\n\
         no.such,travinh,2021-10,4\nioffice.documents.outgoing,travinh,2021-13,x\n",
    );
    let found = run(&["check", &faulty, &clean, "--lang", "en"]).expect(1);
    for place in [
        "line 2, column indicator",
        "line 3, column period",
        "line 3, column value",
        "3 error(s), 0 finding(s)",
    ] {
        assert!(found.contains(place), "{place} is not in\n{found}");
    }
    let body = json!({ "observations": [{
        "indicator": "no.such", "unit": "travinh", "period": "2021-10", "value": 1,
    }] });
    let found = run(&["check", &file(&home, "faulty.json", &body.to_string())]).expect(1);
    assert!(found.contains("/observations/0/indicator"), "{found}");
    // With a ledger its figures count, and it is not changed.
    let address = home.address();
    run(&["import", &clean, "--database", &address]).expect(0);
    let more = file(
        &home,
        "more.csv",
        "indicator,unit,period,value\nioffice.documents.signed,travinh,2021-10,5\n",
    );
    let found = run(&["check", &more, "--database", &address, "--lang", "en"]).expect(1);
    assert!(found.contains("ioffice.signed_within_outgoing"), "{found}");
    run(&["check", &more, "--lang", "en"]).expect(0);
    let again = run(&["import", &clean, "--database", &address]).expect(0);
    assert!(again.contains("0 created, 0 revised, 2 unchanged"), "{again}");
}

#[test]
fn import_records_a_file_whole_or_not_at_all_and_counts() {
    let home = Home::new();
    let address = home.address();
    let report = file(&home, "report.csv", REPORT);
    let first = run(&[
        "import",
        &report,
        "--database",
        &address,
        "--reference",
        "10/2021",
        "--reason",
        "first",
    ])
    .expect(0);
    assert!(
        first.contains(
            "90 figures in 1 submission(s): 90 created, 0 revised, 0 unchanged, 0 \
             withdrawn; 3 finding(s)"
        ),
        "{first}"
    );
    let again = run(&["import", &report, "--database", &address]).expect(0);
    assert!(again.contains("in 0 submission(s): 0 created, 0 revised, 90 unchanged"), "{again}");
    let faulty = file(
        &home,
        "faulty.csv",
        &format!("{CLEAN}ioffice.documents.outgoing,nowhere,2021-10,4\n"),
    );
    let told = run(&["import", &faulty, "--database", &address]).expect(1);
    assert!(told.contains("line 4, column unit"), "{told}");
    let served = Served::start(&address);
    assert_eq!(served.api.observations("").len(), 90);
    let figure = &served.api.observations("limit=1000&indicator=ioffice.documents.outgoing")[0];
    has(figure, &json!({ "value": 23441, "reason": "first" }));
    has(
        &served.api.read(&format!("submissions/{}", figure["submission"].as_str().unwrap())),
        &json!({ "source": { "kind": "import", "reference": "10/2021" } }),
    );
}

#[test]
fn a_file_above_the_bound_becomes_consecutive_submissions_and_can_be_resumed() {
    let home = Home::new();
    let address = home.address();
    let units: Vec<_> = (0..100).map(|n| json!({ "code": format!("w{n:03}") })).collect();
    run(&[
        "import",
        &file(&home, "units.json", &json!({ "units": units }).to_string()),
        "--database",
        &address,
    ])
    .expect(0);
    let mut lines = vec!["indicator,unit,period,value".to_owned()];
    for n in 0..50_010 {
        lines.push(format!(
            "ioffice.documents.outgoing,w{:03},{}-{:02},{n}",
            n % 100,
            1970 + n / 1200,
            n / 100 % 12 + 1
        ));
    }
    lines[50_005] = lines[50_005].replace(",w", ",x"); // line 50,006
    let big = file(&home, "big.csv", &lines.join("\n"));
    let broken = run(&["import", &big, "--database", &address, "--reference", "big"]);
    let told = broken.expect(1) + &broken.err();
    assert!(told.contains("line 50006, column unit"), "{told}");
    assert!(told.contains("--from-line 50002"), "{told}");
    lines[50_005] = lines[50_005].replace(",x", ",w");
    let mended = file(&home, "big.csv", &lines.join("\n"));
    let rest = run(&[
        "import",
        &mended,
        "--database",
        &address,
        "--reference",
        "big",
        "--from-line",
        "50002",
    ])
    .expect(0);
    assert!(rest.contains("10 figures in 1 submission(s): 10 created"), "{rest}");
    // An error behind the last figure of a batch is not lost with the batch that has no figure.
    let cut = lines.iter().take(50_001).cloned().collect::<Vec<String>>().join("\n") + "\nioffice";
    let cut = run(&["import", &file(&home, "cut.csv", &cut), "--database", &address]);
    let told = cut.expect(1) + &cut.err();
    assert!(told.contains("line 50002"), "{told}");
    let whole = run(&["import", &mended, "--database", &address]).expect(0);
    assert!(
        whole.contains("50010 figures in 0 submission(s): 0 created, 0 revised, 50010 unchanged"),
        "{whole}"
    );
}

#[test]
fn generated_figures_can_be_imported_as_they_come() {
    let home = Home::new();
    let address = home.address();
    let units = home.path().join("units.json").to_str().unwrap().to_owned();
    let figures = run(&["generate", "--size", "1x3", "--seed", "7", "--units", &units]).expect(0);
    assert_eq!(
        figures,
        run(&["generate", "--size", "1x3", "--seed", "7"]).expect(0),
        "the same seed gives the same figures"
    );
    assert_ne!(figures, run(&["generate", "--size", "1x3", "--seed", "8"]).expect(0));
    let rows = figures.lines().count() - 1;
    let told =
        run(&["import", &units, &file(&home, "figures.csv", &figures), "--database", &address])
            .expect(0);
    assert!(told.contains(&format!("{rows} figures in 1 submission(s): {rows} created")), "{told}");
    run(&["generate", "--size", "many"]).expect(2);
}

#[test]
fn the_catalogue_of_a_ledger_is_compared_and_replaced() {
    let home = Home::new();
    let address = home.address();
    let same = run(&["catalogue", "diff", "--database", &address]);
    assert_eq!(same.expect(0), "");
    assert!(same.err().contains("no difference"));
    let smaller = file(
        &home,
        "small.toml",
        "[[indicators]]\ncode = \"a.b\"\nkind = \"flow\"\nunit_of_measure = \"count\"\n",
    );
    let lines = run(&["catalogue", "diff", &smaller, "--database", &address]).expect(0);
    assert!(
        lines.lines().any(|line| line == "+ indicators a.b")
            && lines.lines().any(|line| line == "- indicators ioffice.users.total"),
        "{lines}"
    );
    let tried = |options: &[&str]| {
        run(&[&["catalogue", "apply", &smaller, "--dry-run", "--database", &address], options]
            .concat())
    };
    assert!(tried(&[]).err().contains("--replace removes them"));
    tried(&["--replace"]).expect(0);
    run(&["import", &file(&home, "clean.csv", CLEAN), "--database", &address]).expect(0);
    let refused = run(&["catalogue", "apply", &smaller, "--database", &address]);
    refused.expect(1);
    assert!(refused.err().contains("--replace removes them"), "{}", refused.err());
    let refused = run(&["catalogue", "apply", &smaller, "--replace", "--database", &address]);
    refused.expect(1);
    assert!(refused.err().contains("ioffice.documents.outgoing"), "{}", refused.err());
    let faulty = file(
        &home,
        "faulty.toml",
        "[[indicators]]\ncode = \"a.b\"\nkind = \"pile\"\nunit_of_measure = \"count\"\n",
    );
    let refused = run(&["catalogue", "diff", &faulty, "--database", &address]);
    refused.expect(1);
    assert!(refused.err().contains("faulty.toml#/indicators/0/kind"), "{}", refused.err());
}

#[test]
fn entries_are_added_to_a_catalogue_and_earlier_versions_come_back() {
    let home = Home::new();
    let address = home.address();
    let catalogue =
        |arguments: &[&str]| run(&[&["catalogue"], arguments, &["--database", &address]].concat());
    let text = r#"[[systems]]
code = "fleet"
name = { vi = "Xe công", en = "Cars" }

[[indicators]]
code = "fleet.cars"
system = "fleet"
kind = "stock"
unit_of_measure = "count"
"#;
    let own = file(&home, "fleet.toml", text);
    let added = catalogue(&["add", &own]).expect(0);
    assert_eq!(added, "+ indicators fleet.cars\n+ systems fleet\n", "nothing else changes");
    assert_eq!(catalogue(&["add", &own]).expect(0), "");
    // The shipped catalogue is taken over without losing what was added.
    assert_eq!(catalogue(&["add"]).expect(0), "");
    let refused = catalogue(&["apply"]);
    assert_eq!(refused.expect(1), "- indicators fleet.cars\n- systems fleet\n");
    catalogue(&["apply", "--replace"]).expect(0);
    let lines = catalogue(&["history"]).expect(0);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.starts_with("version 1, revision "), "{lines}");
    assert_eq!(
        catalogue(&["restore", "2", "--dry-run"]).expect(0),
        "+ indicators fleet.cars\n+ systems fleet\n"
    );
    catalogue(&["restore", "2"]).expect(0);
    assert_eq!(catalogue(&["add", &own]).expect(0), "");
    assert!(catalogue(&["restore", "9"]).err().contains("no version 9"));
    // Errors name the file and the entry, and a code that is declared twice is one.
    let twice = file(&home, "twice.toml", text);
    let refused = catalogue(&["add", &own, &twice]);
    refused.expect(1);
    for place in ["twice.toml#/indicators/0/code", "twice.toml#/systems/0/code"] {
        assert!(refused.err().contains(place), "{place} in {}", refused.err());
    }
    let wrong = file(&home, "wrong.toml", &text.replace("\"fleet\"\nkind", "\"boats\"\nkind"));
    let checked = run(&["check", &file(&home, "c.csv", CLEAN), "--catalogue", &wrong]);
    assert!(checked.err().contains("wrong.toml#/indicators/0/system"), "{}", checked.err());
    // A document that was made from an earlier version does not overwrite a later one.
    let stale = file(&home, "stale.json", "{\"version\": 1}");
    let refused = catalogue(&["apply", &stale, "--replace"]);
    refused.expect(1);
    assert!(refused.err().contains("version"), "{}", refused.err());
}

#[test]
fn a_backup_is_a_whole_ledger_taken_while_it_is_served() {
    let home = Home::sqlite();
    let address = home.address();
    let served = Served::start(&address);
    served.api.post_csv("observations", REPORT).expect(201);
    let copy = home.path().join("copy.db");
    run(&["backup", copy.to_str().unwrap(), "--database", &address]).expect(0);
    let size = std::fs::metadata(&copy).unwrap().len();
    let restored = Served::start(&format!("sqlite://{}", copy.display()));
    assert_eq!(restored.api.read("observations"), served.api.read("observations"));
    assert_eq!(restored.api.read("findings"), served.api.read("findings"));
    drop(restored);
    run(&["backup", copy.to_str().unwrap(), "--database", &address]).expect(3);
    assert!(size > 0 && copy.exists(), "the first copy is left alone");
    let missing = format!("sqlite://{}", home.path().join("nothing.db").display());
    assert_ne!(
        run(&["backup", home.path().join("c.db").to_str().unwrap(), "--database", &missing])
            .0
            .status
            .code(),
        Some(0)
    );
    assert!(!home.path().join("nothing.db").exists(), "a backup makes no new ledger");
}

#[test]
fn wrong_usage_exits_with_2() {
    let home = Home::sqlite();
    let path = home.path().join("ledger.db");
    let bare = path.to_str().unwrap();
    let clean = file(&home, "clean.csv", CLEAN);
    for address in [bare, "ledger.db", "mysql://localhost/x", ""] {
        run(&["serve", "--listen", "127.0.0.1:0", "--database", address]).expect(2);
        run(&["import", &clean, "--database", address]).expect(2);
        run(&["check", &clean, "--database", address]).expect(2);
        run(&["catalogue", "diff", "--database", address]).expect(2);
    }
    assert!(!path.exists());
    let arguments: [&[&str]; 6] = [
        &[],
        &["fly"],
        &["serve", "--colour", "red"],
        &["import"],
        &["demo", "--lang", "fr"],
        &["import", "a", "b", "--from-line", "3"],
    ];
    for wrong in arguments {
        run(wrong).expect(2);
    }
    assert!(!run(&["--version"]).expect(0).is_empty());
    // A secret in a malformed address is not printed.
    let refused =
        run(&["serve", "--listen", "127.0.0.1:0", "--database", "mysql://u:secret@host/x"]);
    assert!(!(refused.expect(2) + &refused.err()).contains("secret"));
}

#[test]
fn an_invalid_listen_address_is_a_usage_error() {
    let home = Home::new();
    for listen in ["nonsense", "127.0.0.1", "127.0.0.1:99999"] {
        run(&["serve", "--listen", listen, "--database", &home.address()]).expect(2);
    }
}

#[test]
fn a_busy_port_exits_with_3() {
    let home = Home::new();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let ended = run(&["serve", "--listen", &address, "--database", &home.address()]);
    assert_eq!(ended.expect(3), "", "nothing says that it listens");
    let shown = ended.err().to_lowercase();
    assert!(
        !shown.contains("database") && (shown.contains("in use") || shown.contains(&address)),
        "the error is about the port: {shown}"
    );
    run(&["demo", "--listen", &address]).expect(3);
}

#[test]
fn a_ledger_of_a_newer_program_exits_with_3_and_is_unchanged() {
    let home = Home::sqlite();
    let address = home.address();
    let clean = file(&home, "clean.csv", CLEAN);
    run(&["import", &clean, "--database", &address]).expect(0);
    let path = home.path().join("ledger.db");
    let mut ledger = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    ledger
        .batch_execute(
            "INSERT INTO __diesel_schema_migrations (version, run_on) VALUES \
             ('20990101000000', CURRENT_TIMESTAMP); PRAGMA wal_checkpoint(TRUNCATE)",
        )
        .unwrap();
    drop(ledger);
    let before = std::fs::read(&path).unwrap();
    let copy = home.path().join("copy.db");
    let commands: [&[&str]; 5] = [
        &["serve", "--listen", "127.0.0.1:0", "--database", &address],
        &["import", &clean, "--database", &address],
        &["check", &clean, "--database", &address],
        &["catalogue", "diff", "--database", &address],
        &["backup", copy.to_str().unwrap(), "--database", &address],
    ];
    for arguments in commands {
        let ended = run(arguments);
        assert_eq!(ended.expect(3), "", "{arguments:?}");
        assert!(ended.err().contains("20990101000000"), "{}", ended.err());
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_ledger_is_left_as_it_is() {
    let home = Home::sqlite();
    let clean = file(&home, "clean.csv", CLEAN);
    let address = format!("sqlite://{clean}");
    let ended = run(&["import", &clean, "--database", &address]);
    assert!([Some(2), Some(3)].contains(&ended.0.status.code()), "{:?}", ended.0);
    assert_eq!(std::fs::read_to_string(Path::new(&clean)).unwrap(), CLEAN);
}

#[test]
fn serve_says_first_where_it_listens_and_ends_with_0_on_a_signal() {
    let home = Home::new();
    let mut served = Served::start(&home.address());
    assert!(
        served.first_line.starts_with("listening on http://127.0.0.1:"),
        "{}",
        served.first_line
    );
    assert!(!served.api.host.ends_with(":0"));
    served.signal(Signal::TERM);
    assert_eq!(served.ended(Duration::from_secs(20)), Some(0));
}

#[test]
fn the_environment_names_the_ledger_and_a_flag_wins() {
    let home = Home::sqlite();
    let clean = file(&home, "clean.csv", CLEAN);
    let (by_name, by_flag) = (home.path().join("name.db"), home.path().join("flag.db"));
    let named = || {
        let mut command = program();
        command
            .args(["import", &clean])
            .env("EGOV_KPI_DATABASE", format!("sqlite://{}", by_name.display()))
            .stdin(Stdio::null());
        command
    };
    assert!(named().output().unwrap().status.success());
    assert!(by_name.exists());
    std::fs::remove_file(&by_name).unwrap();
    assert!(
        named()
            .args(["--database", &format!("sqlite://{}", by_flag.display())])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(by_flag.exists() && !by_name.exists());
}

#[test]
fn openapi_prints_the_document_and_nothing_else() {
    assert_eq!(run(&["openapi"]).expect(0), egov_kpi::api::openapi_text().unwrap());
}

#[test]
fn backup_keeps_the_newest_and_drill_restores_them() {
    let home = Home::sqlite();
    let address = home.address();
    let clean = file(&home, "clean.csv", CLEAN);
    run(&["import", &clean, "--database", &address]).expect(0);
    let folder = home.path().join("backups");
    std::fs::create_dir(&folder).unwrap();
    let old = ["egov-kpi-20200101T000000Z.db", "egov-kpi-20200102T000000Z.zip", "notes.txt"];
    old.iter().for_each(|name| std::fs::write(folder.join(name), "old").unwrap());
    let kept = folder.to_str().unwrap();

    let wrong = run(&["backup", &clean, "--keep", "2", "--database", &address]);
    assert!((wrong.expect(2) + &wrong.err()).contains("is not a folder"));
    run(&["backup", kept, "--keep", "2", "--database", &address]).expect(0);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(names[0], "egov-kpi-20200102T000000Z.zip", "{names:?}");

    let good = run(&["drill", kept, "--database", &address, "--max-age", "1"]).expect(0);
    assert!(good.contains("2 current figures"), "{good}");
    assert!(good.contains("the backup has the newest revision"), "{good}");
    for path in [home.path().join("ledger.db"), folder.join(&names[1])] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
    }
    let more = file(&home, "more.csv", &CLEAN.replace(",4\n", ",5\n"));
    run(&["import", &more, "--database", &address]).expect(0);
    let behind = run(&["drill", kept, "--database", &address, "--lang", "vi"]).expect(0);
    assert!(behind.contains("1 lần sửa đổi mới hơn bản sao lưu"), "{behind}");

    // An archive is restored too; of another ledger it is no backup.
    let archive = home.path().join("ledger.zip");
    run(&["export", archive.to_str().unwrap(), "--database", &address]).expect(0);
    run(&["drill", archive.to_str().unwrap(), "--database", &address]).expect(0);
    let other = Home::sqlite();
    run(&["import", &more, "--database", &other.address()]).expect(0);
    run(&["import", &clean, "--database", &other.address()]).expect(0);
    let foreign =
        run(&["drill", archive.to_str().unwrap(), "--database", &other.address()]).expect(1);
    assert!(foreign.contains("is not in the ledger"), "{foreign}");

    // A damaged copy, and a folder without a backup.
    let copy = folder.join(&names[1]);
    let mut bytes = std::fs::read(&copy).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0);
    std::fs::write(&copy, bytes).unwrap();
    let damaged = run(&["drill", copy.to_str().unwrap()]);
    assert!(matches!(damaged.0.status.code(), Some(1 | 3)), "{}", damaged.err());
    let empty = run(&["drill", home.path().to_str().unwrap()]);
    assert!((empty.expect(1) + &empty.err()).contains("contains no backup"));
}

#[test]
fn doctor_names_what_is_wrong_and_how_to_mend_it() {
    let home = Home::sqlite();
    let address = home.address();
    let fresh = run(&["doctor", "--database", &address, "--listen", "127.0.0.1:0"]).expect(0);
    assert!(fresh.contains("the first `serve` creates it"), "{fresh}");
    assert!(!home.path().join("ledger.db").exists(), "it creates no ledger");

    let clean = file(&home, "clean.csv", CLEAN);
    run(&["import", &clean, "--database", &address]).expect(0);
    let units = json!({ "units": [{ "code": "alone", "kind": "commune" }] }).to_string();
    run(&["import", &file(&home, "units.json", &units), "--database", &address]).expect(0);
    let add = ["keys", "add", "--name", "Thu", "--role", "admin", "--expires", "9d"];
    run(&[&add[..], &["--database", &address]].concat()).expect(0);
    let secret = file(&home, "secret", "0123456789abcdef0123456789abcdef\n");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let found = run(&[
        "doctor",
        "--database",
        &address,
        "--listen",
        &listen,
        "--admin-key-file",
        &secret,
        "--backups",
        home.path().to_str().unwrap(),
        "--rate-limit",
        "10/s",
    ])
    .expect(1);
    for expected in [
        "warning  admin key: other users can read",
        &format!("chmod 600 {secret}"),
        &format!("error    port: another program has {listen}"),
        "ok       triggers: as this program makes them",
        "1 active, 1 of admins",
        "warning  keys: the key",
        "egov-kpi keys rotate",
        "warning  units: alone have no unit above them",
        "1 months with figures are still open, 2021-10 to 2021-10",
        "error    backup: there is no backup in",
    ] {
        assert!(found.contains(expected), "{expected} is not in\n{found}");
    }
    let wrong =
        run(&["doctor", "--database", &address, "--rate-limit", "many", "--lang", "vi"]).expect(1);
    assert!(wrong.contains("lỗi      cài đặt: --rate-limit many"), "{wrong}");
    assert!(wrong.contains("docs/settings.md"), "{wrong}");

    let served = Served::start(&address);
    let port = served.api.host.clone();
    let running = run(&["doctor", "--database", &address, "--listen", &port]).expect(0);
    assert!(running.contains(&format!("egov-kpi responds at {port}")), "{running}");
}

/// The names of the commands that a help text lists, without `help`.
fn listed(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

/// The help of a command and of the commands below it, each behind its command line.
fn help(words: &[&str]) -> String {
    let line = [words, &["--help"]].concat();
    let text = run(&line).expect(0);
    let mut found = format!("$ egov-kpi {}\n{text}", line.join(" "));
    if !words.is_empty() {
        for word in listed(&text) {
            found += "\n";
            found += &help(&[words, &[&word]].concat());
        }
    }
    found
}

#[test]
fn the_help_of_each_command_is_the_recorded_one() {
    for command in [
        "serve",
        "demo",
        "import",
        "export",
        "check",
        "generate",
        "catalogue",
        "units",
        "periods",
        "backup",
        "drill",
        "doctor",
        "verify",
        "witness",
        "keys",
        "dashboards",
        "openapi",
        "completions",
        "man",
    ] {
        insta::assert_snapshot!(format!("help_of_{command}"), help(&[command]));
    }
    // Lists all of them.
    insta::assert_snapshot!("help", help(&[]));
}

/// The names of a command and of those below it, as of man pages: `egov-kpi-keys-add`.
fn names(words: &[&str]) -> Vec<String> {
    let text = run(&[words, &["--help"]].concat()).expect(0);
    let own = [&["egov-kpi"], words].concat().join("-");
    let below = listed(&text).into_iter().flat_map(|word| names(&[words, &[&word]].concat()));
    [own].into_iter().chain(below).collect()
}

#[test]
fn every_command_has_a_man_page_and_completions() {
    let home = Home::sqlite();
    let folder = home.path().join("man1");
    let written = run(&["man", folder.to_str().unwrap(), "--lang", "vi"]);
    written.expect(0);
    let mut pages: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let commands = names(&[]);
    assert!(commands.len() > 20, "{commands:?}");
    let mut expected: Vec<String> = commands.iter().map(|name| format!("{name}.1")).collect();
    expected.sort();
    assert_eq!(pages, expected);
    assert!(
        written.err().contains(&format!("Đã ghi {} trang man", pages.len())),
        "{}",
        written.err()
    );
    for page in &pages {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains("utc\\-offset"), "{page}:\n{text}");
    }
    let page = std::fs::read_to_string(folder.join("egov-kpi-keys-add.1")).unwrap();
    assert!(page.contains("Name of the holder"), "{page}");

    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]).expect(0);
        for word in ["egov-kpi", "scrape-series", "completions"] {
            assert!(script.contains(word), "{word} is not in the completions for {shell}");
        }
        for name in &commands {
            let last = name.rsplit('-').next().unwrap();
            assert!(script.contains(last), "{last} is not in the completions for {shell}");
        }
    }
    run(&["completions", "csh"]).expect(2);
}
