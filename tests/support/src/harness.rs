//! A server for each test, a plain HTTP client, and the program itself.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use egov_kpi::clock::Clock;
use egov_kpi::server::{self, RunningServer, ServerSettings};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

use crate::home::Home;

/// The shipped figures of October 2021.
pub const REPORT: &str = include_str!("../../../catalogue/travinh-2021-10.csv");

/// A response.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it was sent.
    pub body: Vec<u8>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a response is UTF-8")
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// A header, empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The JSON of the response, which must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// A problem document with this status; checks its shape and that it leaks nothing.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field} of {problem}"
            );
        }
        let in_vietnamese =
            |value: &Value| value["detail_vi"].as_str().is_some_and(|text| !text.is_empty());
        assert!(
            in_vietnamese(&problem),
            "no Vietnamese; add the sentence to catalogue/words/messages.toml: {problem}"
        );
        for error in problem["errors"].as_array().into_iter().flatten() {
            assert!(
                in_vietnamese(error),
                "no Vietnamese; add the sentence to catalogue/words/messages.toml: {error}"
            );
        }
        let text = self.text().to_lowercase();
        for leak in [
            "select ",
            "insert into",
            "sqlite",
            "postgres",
            "src/",
            ".rs:",
            "panicked",
            "backtrace",
            "/tmp/",
        ] {
            assert!(!text.contains(leak), "{leak} leaks: {text}");
        }
        problem
    }

    /// The errors of a problem document with this status, as `pointer code`, sorted.
    #[track_caller]
    pub fn faults(&self, status: u16) -> Vec<String> {
        let problem = self.problem(status);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut found: Vec<String> = problem["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .map(|error| format!("{} {}", text(&error["pointer"]), text(&error["code"])))
            .collect();
        found.sort();
        found
    }

    /// The address of the next page, from the header `Link`.
    pub fn next_link(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().unwrap();
        let (address, relation) = link.split_once(';').expect("a link has a relation");
        assert_eq!(relation.trim(), "rel=\"next\"");
        Some(address.trim_matches(['<', '>']).to_owned())
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    /// Host and port.
    pub host: String,
    /// The one-time token of a program that serves a ledger without keys; sent with every write
    /// that has no other credentials.
    pub setup: Option<String>,
}

impl Api {
    /// A client of the server at `host`, without a proxy.
    pub fn of(host: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)));
        Self { agent: config.build().new_agent(), host: host.to_owned(), setup: None }
    }

    /// Sends a request; an error is an error of the connection.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Reply, ureq::Error> {
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/{path}") };
        let mut request =
            Request::builder().method(method).uri(format!("http://{}{path}", self.host));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = self.setup.as_ref().filter(|_| {
            method != "GET" && !headers.iter().any(|(name, _)| *name == "authorization")
        }) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        Ok(Reply { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }

    /// Sends a request; panics on an error of the connection.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Reply {
        self.try_send(method, path, headers, body)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The hash of the newest revision.
    pub fn hash(&self) -> String {
        self.read("ledger")["revision_hash"].as_str().unwrap().to_owned()
    }

    /// Sends a GET.
    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    /// The JSON of a successful GET.
    #[track_caller]
    pub fn read(&self, path: &str) -> Value {
        self.get(path).expect(200)
    }

    /// Sends a DELETE.
    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], None)
    }

    /// Sends a PUT with a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(
            "PUT",
            path,
            &[("content-type", "application/json")],
            Some(body.to_string().as_bytes()),
        )
    }

    /// Sends a POST with a body of any media type.
    pub fn post_bytes(&self, path: &str, media: &str, body: &[u8]) -> Reply {
        self.send("POST", path, &[("content-type", media)], Some(body))
    }

    /// Sends a POST with a CSV body.
    pub fn post_csv(&self, path: &str, body: &str) -> Reply {
        self.post_bytes(path, "text/csv", body.as_bytes())
    }

    /// Sends a JSON body to `/observations`.
    pub fn post(&self, body: &Value) -> Reply {
        self.post_bytes("observations", "application/json", body.to_string().as_bytes())
    }

    /// Records figures of one unit, each an indicator, a month and a number, and returns the
    /// receipt.
    #[track_caller]
    pub fn record(&self, unit: &str, figures: &[(&str, &str, i64)]) -> Value {
        let figures: Vec<Value> = figures
            .iter()
            .map(|(indicator, period, value)| figure(indicator, unit, period, *value))
            .collect();
        self.post(&json!({ "observations": figures })).expect(201)
    }

    /// Puts units and expects success.
    #[track_caller]
    pub fn put_units(&self, units: &Value) -> Value {
        self.put("units", &json!({ "units": units })).expect(200)
    }

    /// The newest revision of the ledger.
    #[track_caller]
    pub fn revision(&self) -> i64 {
        self.read("findings?limit=1")["revision"].as_i64().unwrap()
    }

    /// `/series` with these parameters.
    pub fn series(&self, parameters: &[(&str, &str)]) -> Reply {
        self.get(&format!("series?{}", query(parameters)))
    }

    /// The points of one measure and unit from one period to another.
    #[track_caller]
    pub fn points(&self, measure: &str, unit: &str, from: &str, to: &str) -> Vec<Value> {
        let answer = self
            .series(&[("measure", measure), ("unit", unit), ("from", from), ("to", to)])
            .expect(200);
        answer["series"][0]["points"].as_array().unwrap().clone()
    }

    /// The one point of a measure, a unit and a period.
    #[track_caller]
    pub fn point(&self, measure: &str, unit: &str, period: &str) -> Value {
        let points = self.points(measure, unit, period, period);
        assert_eq!(points.len(), 1);
        points[0].clone()
    }

    /// The current figures, read page by page.
    #[track_caller]
    pub fn observations(&self, parameters: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.read(&format!("observations?{parameters}{cursor}"));
            found.extend(page["observations"].as_array().unwrap().iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return found,
            }
        }
    }

    /// A number from `/metrics`, 0 when it is absent.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
            .unwrap_or(0.0)
    }

    /// Sends raw bytes; returns what the server sends until it closes or is silent for two seconds.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        drop(stream.write_all(bytes)); // a server that refuses early may close meanwhile
        let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            answer.extend_from_slice(&piece[..read]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// A query string.
pub fn query(parameters: &[(&str, &str)]) -> String {
    parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}

/// A text encoded for a query string.
pub fn encoded(text: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// One observation of a body.
pub fn figure(indicator: &str, unit: &str, period: &str, value: impl Into<Value>) -> Value {
    json!({ "indicator": indicator, "unit": unit, "period": period, "value": value.into() })
}

/// Whether two values are equal; `35` equals `35.0`.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => one == other,
    }
}

/// Compares the expected fields of an object; other fields are ignored.
#[track_caller]
pub fn has(found: &Value, expected: &Value) {
    for (field, value) in expected.as_object().unwrap() {
        let is = found.get(field).unwrap_or_else(|| panic!("{field} is absent from {found}"));
        assert!(same(is, value), "{field} is {is}, expected {value}, in {found}");
    }
}

/// A server in this process with its own ledger.
pub struct Server {
    running: Option<RunningServer>,
    api: Api,
    home: Home,
}

impl Deref for Server {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Server {
    /// On a new ledger.
    pub fn start() -> Self {
        Self::start_by(Clock::default())
    }

    /// On a new ledger, with this clock.
    pub fn start_by(clock: Clock) -> Self {
        let home = Home::new();
        let running = serve_by(&home.address(), clock);
        Self { api: Api::of(&running.address.to_string()), running: Some(running), home }
    }

    /// The address of its ledger.
    pub fn address(&self) -> String {
        self.home.address()
    }

    /// The folder of the server.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Stops the server and starts it again on the same ledger.
    pub fn restarted(mut self) -> Self {
        self.running.take().unwrap().stop();
        let running = serve(&self.address());
        self.api = Api::of(&running.address.to_string());
        self.running = Some(running);
        self
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

/// A server on a ledger; the caller stops it.
pub fn serve(address: &str) -> RunningServer {
    serve_by(address, Clock::default())
}

/// A server on a ledger, with this clock.
pub fn serve_by(address: &str, clock: Clock) -> RunningServer {
    let address = address.to_owned();
    let settings = ServerSettings { workers: Some(2), ..ServerSettings::at("127.0.0.1:0") };
    server::start(&settings, move || server::open(&address, clock), |_address| {}).unwrap()
}

/// The program, without the environment settings of the person who runs the tests.
pub fn program() -> Command {
    let path = std::env::var_os("CARGO_BIN_EXE_egov-kpi").expect("cargo runs the tests");
    let mut command = Command::new(path);
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("EGOV_KPI_"))
    {
        command.env_remove(name);
    }
    command
}

/// Runs the program until it exits.
pub fn run(arguments: &[&str]) -> Ran {
    Ran(program().args(arguments).stdin(Stdio::null()).output().unwrap())
}

/// The result of the program.
pub struct Ran(pub Output);

impl Ran {
    /// Its standard output.
    pub fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    /// Its standard error.
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Its standard output; it must have exited with this code.
    #[track_caller]
    pub fn expect(&self, code: i32) -> String {
        assert_eq!(self.0.status.code(), Some(code), "out: {}\nerr: {}", self.out(), self.err());
        self.out()
    }
}

/// The running program; it is killed on drop.
pub struct Served {
    /// The process.
    pub child: Child,
    /// The first line of its standard output.
    pub first_line: String,
    /// A client of it.
    pub api: Api,
    _out: BufReader<ChildStdout>,
}

impl Served {
    /// Serves a ledger on a free port and waits for the first line.
    pub fn start(address: &str) -> Self {
        let told = tempfile::NamedTempFile::new().unwrap();
        let mut child = program()
            .args(["serve", "--listen", "127.0.0.1:0", "--database", address])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(told.reopen().unwrap())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first_line = String::new();
        out.read_line(&mut first_line).unwrap();
        let host = first_line
            .trim_end()
            .strip_prefix("listening on http://")
            .unwrap_or_else(|| panic!("first line: {first_line:?}"))
            .to_owned();
        let mut served = Self { child, first_line, api: Api::of(&host), _out: out };
        eventually("ready", Duration::from_secs(20), || {
            served.api.try_send("GET", "/readyz", &[], None).is_ok_and(|reply| reply.status == 200)
        });
        served.api.setup = setup_token(&std::fs::read_to_string(told.path()).unwrap());
        served
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the exit and returns the exit code.
    pub fn ended(&mut self, within: Duration) -> Option<i32> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(started.elapsed() < within, "it still runs after {within:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The running demo; it is killed on drop.
pub struct Demo {
    child: Child,
    /// A client of it.
    pub api: Api,
    _out: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    /// Starts the demo on a free port and waits until it listens.
    pub fn start() -> Self {
        let mut child = program()
            .args(["demo", "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let host = lines
            .find_map(|line| line.unwrap().strip_prefix("listening on http://").map(String::from))
            .unwrap();
        Self { child, api: Api::of(&host), _out: lines }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The one-time token in the standard error of `serve`.
pub fn setup_token(told: &str) -> Option<String> {
    let word = told.split_whitespace().find(|word| word.starts_with("setup_"))?;
    Some(word.to_owned())
}

/// Blocks until a change of the ledger is recorded.
pub fn wait<T>(change: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(change)
}

/// Maximum time in tests for what is promised within a second: a shared machine may be five times
/// slower.
pub const WITHIN_A_SECOND: Duration = Duration::from_secs(5);

/// Waits until a condition is true.
#[track_caller]
pub fn eventually(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < within, "not {what} within {within:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Random numbers that are the same in every run (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    /// A number of any size.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, not including, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end).unwrap()).unwrap()
    }

    /// An element of a slice.
    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
