//! A whole country: every query of leaders, inspectors and analysts is answered from the cube,
//! without SQL.
//!
//! `EGOV_KPI_COUNTRY=country cargo test --release --test country -- --nocapture` runs it with 63
//! provinces of 180 units, 20 indicators and 60 months, and prints the time of each response;
//! without the variable a small country is used.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use parking_lot::Mutex;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use egov_kpi::clock::Clock;
use egov_kpi::server::{self, ServerSettings};
use serde_json::{Value, json};
use ureq::Agent;

/// All statements that this process sent to a database.
static STATEMENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl Instrumentation for Listener {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            STATEMENTS.lock().push(query.to_string());
        }
    }
}

/// The statements since the last call, except the frequent query whether another process has
/// written.
fn statements() -> Vec<String> {
    let mut all = std::mem::take(&mut *STATEMENTS.lock());
    all.retain(|statement| !statement.contains("data_version"));
    all
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egov-kpi"));
    command.args(arguments).env_remove("EGOV_KPI_UTC_OFFSET").stdin(Stdio::null());
    command
}

struct Service {
    agent: Agent,
    base: String,
}

impl Service {
    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut answer = self.agent.get(format!("{}/{path}", self.base)).call().unwrap();
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap();
        (answer.status().as_u16(), body)
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    fn put(&self, path: &str, body: &Value) {
        let text = body.to_string();
        let mut answer = self
            .agent
            .put(format!("{}/{path}", self.base))
            .content_type("application/json")
            .send(text.as_bytes())
            .unwrap();
        let told = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status().as_u16(), 200, "{told}");
    }

    /// Declares an expectation, a target and an annotation, so that the responses have content.
    fn declare(&self) {
        let mut catalogue = self.json("catalogue");
        let measures =
            ["ioffice.documents.outgoing", "ioffice.documents.signed", "igate.dossiers.received"];
        let expectation = json!({
            "code": "all", "unit_kinds": ["department", "district", "commune"],
            "measures": measures, "due_day": 5,
        });
        catalogue.get_mut("expectations").and_then(Value::as_array_mut).unwrap().push(expectation);
        self.put("catalogue", &catalogue);
        self.put(
            "targets",
            &json!({ "targets": [{
            "code": "t", "measure": "ioffice.documents.signed_rate", "value": 80,
        }] }),
        );
        self.put(
            "annotations",
            &json!({ "annotations": [{
            "code": "a", "unit": "gen.p01", "from": "2025-01", "to": "2025-12", "text": "merged",
        }] }),
        );
    }
}

/// Generates a country of the size that `EGOV_KPI_COUNTRY` names and imports it; the ledger's
/// address.
fn import_country(folder: &Path) -> String {
    let size = std::env::var("EGOV_KPI_COUNTRY").unwrap_or_else(|_unset| "3x40".to_owned());
    let path = |name: &str| folder.join(name).display().to_string();
    let (figures, units, ledger) =
        (path("figures.csv"), path("units.json"), format!("sqlite://{}", path("country.db")));
    let out = std::fs::File::create(&figures).unwrap();
    assert!(
        program(&["generate", "--size", &size, "--seed", "7", "--units", &units])
            .stdout(out)
            .status()
            .unwrap()
            .success()
    );
    let imported = program(&["import", &units, &figures, "--database", &ledger])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(imported.success());
    ledger
}

/// The statement by which an instance checks for changes of others, and how long it waits between
/// two checks.
const CHECK: &str = "SELECT COUNT(*), max(`revisions`.`revision`) FROM `revisions`";
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

#[test]
fn every_answer_over_the_country_comes_from_the_cube_without_sql() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = import_country(folder.path());
    set_default_instrumentation(|| Some(Box::new(Listener))).unwrap();
    let settings = ServerSettings { workers: Some(2), ..ServerSettings::at("127.0.0.1:0") };
    let running =
        server::start(&settings, move || server::open(&ledger, Clock::default()), |_address| {})
            .unwrap();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(120)));
    let service = Service {
        agent: config.build().new_agent(),
        base: format!("http://{}/api/v1", running.address),
    };
    service.declare();
    assert!(!statements().is_empty(), "statements to the database are recorded");

    let signed = "measure=ioffice.documents.signed_rate";
    let questions = [
        ("the provinces by signed rate", format!("ranking?{signed}&period=2025-12")),
        (
            "a province's units by signed rate",
            format!("ranking?{signed}&parent=gen.p01&period=2025-12"),
        ),
        (
            "the same over a year, in the units of today",
            format!("ranking?{signed}&parent=gen.p02&period=2025&geography=current"),
        ),
        ("a province's scorecard", "scorecard?unit=gen.p01&period=2025-12".to_owned()),
        (
            "a province's scorecard for a quarter",
            "scorecard?unit=gen.p03&period=2025-Q4&geography=current".to_owned(),
        ),
        ("completeness, everywhere", "completeness?period=2025-12".to_owned()),
        (
            "completeness of a province in a year",
            "completeness?period=2025&parent=gen.p01".to_owned(),
        ),
        (
            "the trend of a province",
            format!("series?{signed}&unit=gen.p01&from=2021-01&to=2025-12"),
        ),
        (
            "the trends of a province's units",
            format!("series?{signed}&children_of=gen.p01&last=13"),
        ),
        (
            "the same in the units of today, by year",
            format!(
                "series?{signed}&descendants_of=gen.p01&from=2021&to=2025&step=year&\
                 geography=current"
            ),
        ),
        ("outliers in a province", "quality?unit=gen.p01&from=2025-01&to=2025-12".to_owned()),
        ("outliers anywhere in a month", "quality?from=2025-12&to=2025-12&limit=10".to_owned()),
        ("findings", "findings?from=2025-01".to_owned()),
        ("the targets", "targets".to_owned()),
        ("the annotations", "annotations?unit=gen.p01".to_owned()),
        ("the units", "units?parent=gen.p01".to_owned()),
        ("indicators", "indicators".to_owned()),
        ("kpis", "kpis".to_owned()),
    ];
    let mut table =
        String::from("\nquery                                               ms   KiB\n");
    for (question, path) in questions {
        let began = Instant::now();
        let (status, body) = service.get(&path);
        let took = began.elapsed();
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        // Threads that check for API keys and for other instances' changes send statements now and
        // then. So a request with statements is repeated a few times; one that needs none is
        // handled without any at least once. Where a request takes about as long as the check for
        // changes waits, every try meets one.
        let asked = |took: Duration| -> Vec<String> {
            let checks = |statement: &String| {
                statement.contains("[\"key\", ")
                    || took > CHECK_INTERVAL / 2 && statement.starts_with(CHECK)
            };
            statements().into_iter().filter(|statement| !checks(statement)).collect()
        };
        let mut heard = asked(took);
        for _ in 0..8 {
            if heard.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(60));
            let _beside = statements();
            let again = Instant::now();
            service.get(&path);
            heard = asked(again.elapsed());
        }
        assert_eq!(heard, Vec::<String>::new(), "{path}");
        writeln!(table, "{question:46} {:8.2} {:5}", took.as_secs_f64() * 1e3, body.len() / 1024)
            .unwrap();
    }
    println!("{table}");
    // This request does read the ledger.
    service.json("observations?unit=gen.p01.u001&limit=5");
    assert!(!statements().is_empty());
    running.stop();
}
