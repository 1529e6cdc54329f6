//! A server with keys, and clients that hold them.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};

use egov_kpi::app::App;
use egov_kpi::app::access::Role;
use egov_kpi::app::clock::Clock;
use egov_kpi::app::keys::{Issued, NewKey};
use egov_kpi::http::access::Settings as Access;
use egov_kpi::http::limits::Settings as Limits;
use egov_kpi::server::{self, Running, Settings};
use serde_json::{Value, json};

use crate::harness::{Api, Reply, figure};
use crate::home::Home;

/// An indicator that the seed has.
pub const OUTGOING: &str = "ioffice.documents.outgoing";
/// Units that the seed has: the province, one of its departments, and another.
pub const PROVINCE: &str = "travinh";
pub const OWN: &str = "tv.dof";
pub const FOREIGN: &str = "tv.dic";

/// A server in this process over a ledger of its own.
pub struct Guarded {
    running: Option<Running>,
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
    /// With nothing open but what is by default, and no key yet.
    pub fn new() -> Self {
        Self::with(Access::default())
    }

    pub fn with(access: Access) -> Self {
        Self::over(Home::new(), access)
    }

    pub fn over(home: Home, access: Access) -> Self {
        Self::start(home, access, Limits::default())
    }

    /// With bounds of its own.
    pub fn bounded(access: Access, limits: Limits) -> Self {
        Self::start(Home::new(), access, limits)
    }

    fn start(home: Home, access: Access, limits: Limits) -> Self {
        let running = serve_by(&home.address(), access, limits);
        Self { api: Api::of(&running.address.to_string()), running: Some(running), home }
    }

    pub fn app(&self) -> &App {
        self.running.as_ref().unwrap().app()
    }

    /// A new key; a reporter's is for a unit.
    pub fn issue(&self, role: Role, unit: Option<&str>) -> Issued {
        issue(self.app(), role, unit)
    }

    /// A client that holds a new key.
    pub fn holder(&self, role: Role, unit: Option<&str>) -> Holder {
        self.by(&self.issue(role, unit).key)
    }

    /// A client that holds a key.
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

/// A server over a ledger, to be stopped by the caller.
pub fn serve(address: &str, access: Access) -> Running {
    serve_by(address, access, Limits::default())
}

fn serve_by(address: &str, access: Access, limits: Limits) -> Running {
    let address = address.to_owned();
    let settings = Settings { workers: Some(2), access, limits, ..Settings::at("127.0.0.1:0") };
    server::start(&settings, move || server::open(&address, Clock::default()), |_address| {})
        .unwrap()
}

pub fn issue(app: &App, role: Role, unit: Option<&str>) -> Issued {
    let new = NewKey {
        name: format!("{role} of {}", unit.unwrap_or("all")),
        role,
        unit: unit.map(ToOwned::to_owned),
        expires: None,
    };
    app.add_key_now(new, "test").unwrap()
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

/// Waits until a time of this machine, in microseconds since 1970, is over.
pub fn sleep_past(micros: i64) {
    while chrono::Utc::now().timestamp_micros() <= micros {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// A program that runs; it is killed when this goes, also when a test fails.
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

    /// Its exit code, once it has ended.
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
