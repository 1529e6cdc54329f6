//! Clocks that jump, are set back, or differ between instances.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use egov_kpi::clock::Clock;
use egov_kpi::server::RunningServer;
use serde_json::{Value, json};

use crate::harness::{Api, Server, eventually, figure, run, serve_by};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const YEARS: i64 = 74 * 365 * 24 * HOUR;

fn time(text: &Value) -> DateTime<Utc> {
    text.as_str().unwrap().parse().unwrap()
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

fn one(value: i64) -> Value {
    json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", value)] })
}

fn over_postgres(server: &Server) -> bool {
    server.address().starts_with("postgres")
}

/// The newest revision at a time; `None` if that is not certain yet.
fn revision_at(api: &Api, time: &str) -> Option<i64> {
    let reply = api.get(&format!("units?limit=1&as_of={time}"));
    if reply.status == 503 {
        assert_eq!(reply.problem(503)["type"], "urn:egov-kpi:not-settled");
        return None;
    }
    Some(reply.expect(200)["revision"].as_i64().unwrap())
}

#[test]
fn nothing_is_recorded_while_the_clock_is_wrong() {
    let clock = Clock::default();
    let server = Server::start_by(clock.clone());
    server.post(&one(1)).expect(201);
    for (jump, value) in [(YEARS, 2), (HOUR, 3), (-HOUR, 4)] {
        clock.shift(jump);
        if over_postgres(&server) {
            let receipt = server.post(&one(value)).expect(201);
            assert!(
                (time(&receipt["recorded_at"]) - Utc::now()).abs() < TimeDelta::minutes(1),
                "dated by the database: {receipt}"
            );
            assert_eq!(server.get("/readyz").status, 200);
            continue;
        }
        let refused = server.send(
            "POST",
            "observations",
            &[("content-type", "application/json"), ("idempotency-key", "k")],
            Some(one(value).to_string().as_bytes()),
        );
        assert_eq!(refused.problem(503)["type"], "urn:egov-kpi:clock");
        let closed = server.post_bytes("periods/2021-09/close?force=true", "application/json", b"");
        assert_eq!(closed.problem(503)["type"], "urn:egov-kpi:clock");
        assert_eq!(server.get("/readyz").problem(503)["type"], "urn:egov-kpi:clock");
        assert_eq!(server.get("/livez").status, 200);
        assert_eq!(
            server.read("me")["this_month"],
            Clock::default().this_month().to_string(),
            "days do not follow the jump"
        );
        server.read("ledger");
        clock.shift(0);
        server.post(&one(value)).expect(201);
        assert_eq!(server.get("/readyz").status, 200);
    }
    let jumps = server.metric("egov_kpi_clock_jumps_total");
    assert!(
        (jumps - if over_postgres(&server) { 0.0 } else { 3.0 }).abs() < f64::EPSILON,
        "{jumps}"
    );
    let rows = server.read("revisions?limit=1000");
    let dates: Vec<DateTime<Utc>> =
        rows["revisions"].as_array().unwrap().iter().map(|row| time(&row["recorded_at"])).collect();
    assert!(
        dates.is_sorted()
            && dates.iter().all(|date| (*date - Utc::now()).abs() < TimeDelta::minutes(10)),
        "{dates:?}"
    );
}

#[test]
fn a_receipt_and_its_replay_give_the_date_that_was_written() {
    let server = Server::start();
    let send = |value: i64| {
        let headers = [("content-type", "application/json"), ("idempotency-key", "the same")];
        server.send("POST", "observations", &headers, Some(one(value).to_string().as_bytes()))
    };
    let (first, second) = (send(1).expect(201), send(1).expect(201));
    assert_eq!(first, second);
    let submission = server.read(&format!("submissions/{}", first["submission"].as_str().unwrap()));
    assert_eq!(submission["recorded_at"], first["recorded_at"]);
    let rows = server.read("revisions?limit=1000");
    assert_eq!(
        rows["revisions"].as_array().unwrap().last().unwrap()["recorded_at"],
        first["recorded_at"]
    );
    assert_eq!(
        revision_at(&server, first["recorded_at"].as_str().unwrap()),
        first["revision"].as_i64()
    );
}

#[test]
fn a_response_as_of_the_past_is_stable_when_the_clock_is_set_back() {
    let clock = Clock::default();
    let server = Server::start_by(clock.clone());
    let mut asked = Vec::new();
    for (value, shift) in (1..).zip([0, -30 * SECOND, 20 * SECOND, -60 * SECOND, 0]) {
        clock.shift(shift);
        server.post(&one(value)).expect(201);
        for back in [0, 1, 40] {
            // With PostgreSQL the clock of the instance makes no difference.
            let shift = if over_postgres(&server) { 0 } else { shift };
            let when = text(Utc::now() + TimeDelta::microseconds(shift) - TimeDelta::seconds(back));
            asked.push((revision_at(&server, &when), when));
        }
    }
    server.post(&one(100)).expect(201);
    for (revision, when) in &asked {
        assert_eq!(revision_at(&server, when), *revision, "as of {when}");
    }
    assert!(asked.iter().filter(|(revision, _)| revision.is_some()).count() > 10, "{asked:?}");
}

#[test]
fn a_slightly_future_as_of_is_awaited_and_a_later_one_means_now() {
    let server = Server::start();
    let before =
        server.record("travinh", &[(OUTGOING, "2021-10", 1)])["revision"].as_i64().unwrap();
    let soon = Utc::now() + TimeDelta::milliseconds(600);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| revision_at(&server, &text(soon)));
        std::thread::sleep(Duration::from_millis(100));
        server.record("travinh", &[(OUTGOING, "2021-10", 2)]);
        assert_eq!(
            asking.join().unwrap(),
            Some(before + 1),
            "the response contains all changes before that time"
        );
    });
    assert!(Utc::now() > soon);
    server.record("travinh", &[(OUTGOING, "2021-10", 3)]);
    assert_eq!(revision_at(&server, &text(soon)), Some(before + 1));
    assert_eq!(revision_at(&server, "2099-01-01T00:00:00Z"), Some(before + 2));
    // A time shortly ahead, as a fast clock gives it, is accepted.
    assert_eq!(revision_at(&server, &text(Utc::now() + TimeDelta::seconds(60))), None);
}

#[test]
fn a_ledger_dated_in_the_future_is_reported() {
    let clock = Clock::default();
    clock.set(Utc::now() + TimeDelta::days(2));
    let server = Server::start_by(clock.clone());
    let ahead = server.post(&one(1)).expect(201);
    clock.release();
    assert!(server.get("/readyz").text().contains("in the future"));
    assert!((server.metric("egov_kpi_ledger_ahead_seconds") - 172_800.0).abs() < 60.0);
    let next = server.post(&one(2)).expect(201);
    assert!(
        time(&next["recorded_at"]) - time(&ahead["recorded_at"]) <= TimeDelta::microseconds(1),
        "{next}"
    );
    assert!(time(&next["recorded_at"]) >= time(&ahead["recorded_at"]), "{next}");
    let said = run(&["verify", "--database", &server.address()]).expect(0);
    assert!(said.contains("in the future"), "{said}");
}

/// Servers in this process on one ledger, each with its own clock.
struct Apart {
    running: Option<RunningServer>,
    api: Api,
}

impl Apart {
    fn of(address: &str, shift: i64) -> Self {
        let clock = Clock::default();
        clock.shift(shift);
        let running = serve_by(address, clock);
        Self { api: Api::of(&running.address.to_string()), running: Some(running) }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.running.take().unwrap().stop();
    }
}

#[test]
fn instances_with_different_clocks_use_the_databases_clock() {
    let server = Server::start();
    if !over_postgres(&server) {
        return; // over a file there is one machine, and one clock
    }
    let (ahead, behind) =
        (Apart::of(&server.address(), 15 * SECOND), Apart::of(&server.address(), -15 * SECOND));
    let mut asked = Vec::new();
    for value in 1..40 {
        let api = if value % 2 == 0 { &ahead.api } else { &behind.api };
        let receipt = api.post(&one(value)).expect(201);
        assert!(
            (time(&receipt["recorded_at"]) - Utc::now()).abs() < TimeDelta::seconds(5),
            "{receipt}"
        );
        for (other, back) in [(&behind.api, 0), (&ahead.api, 0), (&*server, 5)] {
            let when = text(Utc::now() - TimeDelta::milliseconds(back));
            asked.push((revision_at(other, &when), when));
        }
    }
    for (revision, when) in &asked {
        for api in [&ahead.api, &behind.api, &*server] {
            assert_eq!(revision_at(api, when), *revision, "as of {when}");
        }
    }
    for (api, offset) in [(&ahead.api, 15.0), (&behind.api, -15.0)] {
        eventually("the offset is known", Duration::from_secs(15), || {
            (api.metric("egov_kpi_clock_offset_seconds") - offset).abs() < 2.0
        });
    }
}
