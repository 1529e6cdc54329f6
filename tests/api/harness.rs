//! A server of its own for each test, a client that hides nothing, and the program itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use egov_kpi::app::clock::Clock;
use egov_kpi::server::{self, Running, Settings};
use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

use crate::home::Home;

/// The figures of October 2021 as they are committed.
pub const REPORT: &str = include_str!("../../catalogue/travinh-2021-10.csv");

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("an answer is UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// A header, empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The answer's JSON, when it has this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// A problem document of this status, checked for its shape and for leaks.
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

    /// The faults of a problem of this status as `pointer code`, sorted.
    #[track_caller]
    pub fn faults(&self, status: u16) -> Vec<String> {
        let problem = self.problem(status);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut found: Vec<String> = problem["errors"]
            .as_array()
            .expect("errors")
            .iter()
            .map(|fault| format!("{} {}", text(&fault["pointer"]), text(&fault["code"])))
            .collect();
        found.sort();
        found
    }

    /// The address in `Link` of the next page.
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
    pub host: String,
}

impl Api {
    pub fn of(host: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .timeout_global(Some(Duration::from_secs(60)));
        Self { agent: config.build().new_agent(), host: host.to_owned() }
    }

    /// Sends anything; an error is one of the connection.
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
        let answer = match body {
            Some(body) => self.agent.run(request.body(body).unwrap()),
            None => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer?;
        let body = answer.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        Ok(Reply { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
    }

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

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None)
    }

    /// The JSON of a GET that succeeds.
    #[track_caller]
    pub fn read(&self, path: &str) -> Value {
        self.get(path).expect(200)
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], None)
    }

    pub fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(
            "PUT",
            path,
            &[("content-type", "application/json")],
            Some(body.to_string().as_bytes()),
        )
    }

    pub fn post_bytes(&self, path: &str, media: &str, body: &[u8]) -> Reply {
        self.send("POST", path, &[("content-type", media)], Some(body))
    }

    pub fn post_csv(&self, path: &str, body: &str) -> Reply {
        self.post_bytes(path, "text/csv", body.as_bytes())
    }

    pub fn post(&self, body: &Value) -> Reply {
        self.post_bytes("observations", "application/json", body.to_string().as_bytes())
    }

    /// Records figures of one unit, each an indicator, a month and a number; the receipt.
    #[track_caller]
    pub fn record(&self, unit: &str, figures: &[(&str, &str, i64)]) -> Value {
        let figures: Vec<Value> = figures
            .iter()
            .map(|(indicator, period, value)| figure(indicator, unit, period, *value))
            .collect();
        self.post(&json!({ "observations": figures })).expect(201)
    }

    /// Puts units and expects them to be taken.
    #[track_caller]
    pub fn put_units(&self, units: &Value) -> Value {
        self.put("units", &json!({ "units": units })).expect(200)
    }

    /// The ledger's newest revision.
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

    /// The figures that stand, page by page.
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

    /// Bytes sent as they are; what came back until the server closed or two seconds passed in silence.
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

/// A text as it may stand in a query.
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

/// Whether two values are the same, `35` and `35.0` among them.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() < 1e-9,
        _ => one == other,
    }
}

/// Holds an object against the fields that are expected of it; the others are left alone.
#[track_caller]
pub fn has(found: &Value, expected: &Value) {
    for (field, value) in expected.as_object().unwrap() {
        let is = found.get(field).unwrap_or_else(|| panic!("{field} is absent from {found}"));
        assert!(same(is, value), "{field} is {is}, expected {value}, in {found}");
    }
}

/// A server in this process with a ledger of its own.
pub struct Server {
    running: Option<Running>,
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
    /// Over a new ledger.
    pub fn start() -> Self {
        Self::start_by(Clock::default())
    }

    /// The same by a clock.
    pub fn start_by(clock: Clock) -> Self {
        let home = Home::new();
        let running = serve_by(&home.address(), clock);
        Self { api: Api::of(&running.address.to_string()), running: Some(running), home }
    }

    /// The address of its ledger.
    pub fn address(&self) -> String {
        self.home.address()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// Stopped and started again over the same ledger.
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

/// A server over a ledger, to be stopped by the caller.
pub fn serve(address: &str) -> Running {
    serve_by(address, Clock::default())
}

/// The same by a clock.
pub fn serve_by(address: &str, clock: Clock) -> Running {
    let address = address.to_owned();
    let settings = Settings { workers: Some(2), ..Settings::at("127.0.0.1:0") };
    server::start(&settings, move || server::open(&address, clock), |_address| {}).unwrap()
}

/// The program, without the settings of whoever runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_egov-kpi"));
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("EGOV_KPI_"))
    {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Ran {
    Ran(program().args(arguments).stdin(Stdio::null()).output().unwrap())
}

/// How the program ended.
pub struct Ran(pub Output);

impl Ran {
    pub fn out(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Its standard output, when it ended with this code.
    #[track_caller]
    pub fn expect(&self, code: i32) -> String {
        assert_eq!(self.0.status.code(), Some(code), "out: {}\nerr: {}", self.out(), self.err());
        self.out()
    }
}

/// The program while it serves. It is killed when this goes.
pub struct Served {
    pub child: Child,
    pub first_line: String,
    pub api: Api,
    _out: BufReader<ChildStdout>,
}

impl Served {
    /// Serves a ledger on a free port, once its first line is there.
    pub fn start(address: &str) -> Self {
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--database", address];
        let mut child = program()
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
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
        let served = Self { child, first_line, api: Api::of(&host), _out: out };
        eventually("ready", Duration::from_secs(20), || {
            served.api.try_send("GET", "/readyz", &[], None).is_ok_and(|reply| reply.status == 200)
        });
        served
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end and returns its exit code.
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

/// Waits until something holds.
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
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of 0, 1, ... below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}
