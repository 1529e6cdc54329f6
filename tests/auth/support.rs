//! A server with keys, and clients with keys.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};

use egov_kpi::api::access::AccessSettings;
use egov_kpi::api::limits::LimitSettings;
use egov_kpi::app::App;
use egov_kpi::app::api_keys::{IssuedKey, NewKey};
use egov_kpi::auth::role::Role;
use egov_kpi::clock::Clock;
use egov_kpi::server::{self, RunningServer, ServerSettings};
use serde_json::{Value, json};

use crate::harness::{Api, Reply, figure, wait};
use crate::home::Home;

/// An indicator of the shipped catalogue.
pub const OUTGOING: &str = "ioffice.documents.outgoing";
/// Shipped units: the province, one of its departments, and another one.
pub const PROVINCE: &str = "travinh";
pub const OWN: &str = "tv.dof";
pub const FOREIGN: &str = "tv.dic";

/// A server in this process with its own ledger.
pub struct Guarded {
    running: Option<RunningServer>,
    pub home: Home,
    api: Api,
}

impl Deref for Guarded {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Guarded {
    /// With default access settings and no key yet.
    pub fn new() -> Self {
        Self::with(AccessSettings::default())
    }

    pub fn with(access: AccessSettings) -> Self {
        Self::over(Home::new(), access)
    }

    pub fn over(home: Home, access: AccessSettings) -> Self {
        Self::start(home, access, LimitSettings::default())
    }

    /// With other limits.
    pub fn bounded(access: AccessSettings, limits: LimitSettings) -> Self {
        Self::start(Home::new(), access, limits)
    }

    /// On an existing ledger.
    pub fn start_again(home: Home, access: AccessSettings, limits: LimitSettings) -> Self {
        Self::start(home, access, limits)
    }

    fn start(home: Home, access: AccessSettings, limits: LimitSettings) -> Self {
        let running = serve_by(&home.address(), access, limits);
        Self { api: Api::of(&running.address.to_string()), running: Some(running), home }
    }

    pub fn app(&self) -> &App {
        self.running.as_ref().unwrap().app()
    }

    /// Creates a key; that of a reporter is for a unit.
    pub fn issue(&self, role: Role, unit: Option<&str>) -> IssuedKey {
        issue(self.app(), role, unit)
    }

    /// A client with a new key.
    pub fn holder(&self, role: Role, unit: Option<&str>) -> Holder {
        self.by(&self.issue(role, unit).key)
    }

    /// A client with a key.
    pub fn by(&self, key: &str) -> Holder {
        Holder { api: self.api.clone(), key: key.to_owned() }
    }

    pub fn stop(mut self) -> Home {
        self.running.take().unwrap().stop();
        std::mem::replace(&mut self.home, Home::sqlite())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

/// A server on a ledger; the caller stops it.
pub fn serve(address: &str, access: AccessSettings) -> RunningServer {
    serve_by(address, access, LimitSettings::default())
}

fn serve_by(address: &str, access: AccessSettings, limits: LimitSettings) -> RunningServer {
    let address = address.to_owned();
    let settings =
        ServerSettings { workers: Some(2), access, limits, ..ServerSettings::at("127.0.0.1:0") };
    server::start(&settings, move || server::open(&address, Clock::default()), |_address| {})
        .unwrap()
}

pub fn issue(app: &App, role: Role, unit: Option<&str>) -> IssuedKey {
    let new = NewKey {
        name: format!("{role} of {}", unit.unwrap_or("all")),
        role,
        unit: unit.map(ToOwned::to_owned),
        expires: None,
    };
    wait(app.add_key(new, "test")).unwrap()
}

/// A client that signs in with every request.
#[derive(Clone)]
pub struct Holder {
    pub api: Api,
    pub key: String,
}

impl Holder {
    /// Sends a request with the key and a JSON body.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.send_with(method, path, &[], body)
    }

    pub fn send_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Reply {
        let bearer = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        let text = body.map(ToString::to_string);
        if text.is_some() {
            all.push(("content-type", "application/json"));
        }
        let bytes = text
            .as_ref()
            .map(String::as_bytes)
            .or((method == "POST" || method == "PUT").then_some(&[][..]));
        self.api.send(method, path, &all, bytes)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, None)
    }

    /// Posts one figure of a unit.
    pub fn post(&self, unit: &str, period: &str, value: i64) -> Reply {
        self.send("POST", "observations", Some(&one(unit, period, value)))
    }

    #[track_caller]
    pub fn me(&self) -> Value {
        self.get("me").expect(200)
    }
}

/// A body with one figure.
pub fn one(unit: &str, period: &str, value: i64) -> Value {
    json!({ "observations": [figure(OUTGOING, unit, period, value)] })
}

/// Waits until a time of this machine, in microseconds since 1970, has passed.
pub fn sleep_past(micros: i64) {
    while chrono::Utc::now().timestamp_micros() <= micros {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A running program; it is killed on drop, also when a test fails.
pub struct Kept(pub Child);

impl Kept {
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Its next line on standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        BufReader::new(self.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        line
    }

    /// Its exit code after it has exited.
    pub fn ended(&mut self) -> Option<i32> {
        self.0.wait().unwrap().code()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
