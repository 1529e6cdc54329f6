//! A key that is revoked or expires while its request is in progress records nothing: not while the
//! body arrives, not while the writer is busy, not on another instance.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use egov_kpi::api::access::{AccessSettings, BeforeFirstKey};
use egov_kpi::app::api_keys::{KeyExpiry, NewKey};
use egov_kpi::app::write::catalogue::{NewCatalogue, shipped};
use egov_kpi::app::write::declarations::{self};
use egov_kpi::app::write::periods::ClosingChange;
use egov_kpi::app::write::submission::SubmissionInput;
use egov_kpi::auth::identity::{Identity, SignInCredential};
use egov_kpi::auth::role::Role;
use egov_kpi::clock::TimestampMicros;
use egov_kpi::error::Error;
use egov_kpi::server;
use kpi::annotation::AnnotationDocument;
use serde_json::{Value, json};

use crate::harness::{Api, wait};
use crate::home::Home;
use crate::support::{Guarded, OWN, issue, one, serve, sleep_past};

/// A request before its last byte is sent.
struct Begun {
    stream: TcpStream,
    last: u8,
}

impl Begun {
    fn send(
        host: &str,
        (method, path, media): (&str, &str, &str),
        key: Option<&str>,
        body: &[u8],
    ) -> Self {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let bearer = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
        let head = format!(
            "{method} /api/v1/{path} HTTP/1.1\r\n\
             host: 127.0.0.1\r\n\
             connection: close\r\n{bearer}content-type: {media}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let (last, begun) = body.split_last().unwrap();
        stream.write_all(begun).unwrap();
        // Waits until the service has read the head and accepted the sender.
        std::thread::sleep(Duration::from_millis(300));
        Self { stream, last: *last }
    }

    /// Sends the last byte; returns the status and the response.
    fn end(mut self) -> (u16, String) {
        self.stream.write_all(&[self.last]).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }
}

fn refused((status, answer): (u16, String), word: &str) {
    assert_eq!(status, 401, "{answer}");
    assert!(
        answer.to_lowercase().contains("www-authenticate: bearer")
            && answer.contains(word)
            && answer.contains("\"detail_vi\""),
        "{answer}"
    );
}

#[test]
fn a_key_revoked_while_the_body_comes_changes_nothing_by_any_route() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    let other = server.issue(Role::Reader, None);
    let catalogue = admin.get("catalogue").expect(200);
    let rotation = format!("keys/{}/rotate", other.view.id);
    let json = |value: Value| value.to_string().into_bytes();
    let routes: Vec<(&str, &str, &str, Vec<u8>)> = vec![
        ("POST", "observations", "application/json", json(one(OWN, "2021-10", 1))),
        (
            "POST",
            "observations",
            "text/csv",
            format!("indicator,unit,period,value\nioffice.documents.outgoing,{OWN},2021-10,2\n")
                .into_bytes(),
        ),
        ("POST", "observations?dry_run=true", "application/json", json(one(OWN, "2021-10", 1))),
        (
            "POST",
            "reports?unit=tv.dof&period=2021-10&dry_run=false",
            "text/plain",
            "Văn bản đi: 7 văn bản.".as_bytes().to_vec(),
        ),
        ("PUT", "units", "application/json", json(json!({ "units": [{ "code": "new" }] }))),
        ("PUT", "catalogue", "application/json", json(catalogue)),
        (
            "PUT",
            "targets",
            "application/json",
            json(json!({ "targets": [{
                    "code": "t", "measure": "ioffice.documents.signed_rate", "value": "50",
                }] })),
        ),
        (
            "PUT",
            "annotations",
            "application/json",
            json(json!({ "annotations": [{
                    "code": "a", "unit": OWN, "from": "2021-10", "text": "x",
                }] })),
        ),
        (
            "POST",
            "periods/2019-01/close?force=true",
            "application/json",
            json(json!({ "reason": "x" })),
        ),
        ("POST", "periods/2019-01/reopen", "application/json", json(json!({ "reason": "x" }))),
        ("POST", "keys", "application/json", json(json!({ "name": "n", "role": "admin" }))),
        ("POST", &rotation, "application/json", json(json!({ "overlap_days": 1 }))),
    ];
    let doomed = server.issue(Role::Admin, None);
    let begun: Vec<Begun> = routes
        .iter()
        .map(|(method, path, media, body)| {
            Begun::send(&server.host, (method, path, media), Some(&doomed.key), body)
        })
        .collect();
    wait(server.app().revoke_key(&doomed.view.id, "test")).unwrap();
    let revision = server.app().revision();
    for (begun, (method, path, ..)) in begun.into_iter().zip(&routes) {
        let answer = begun.end();
        assert_eq!(answer.0, 401, "{method} {path}: {}", answer.1);
        refused(answer, "revoked");
    }
    assert_eq!(server.app().revision(), revision);
    // The second check does not delay a request with a key that stays valid.
    let begun = Begun::send(
        &server.host,
        ("POST", "observations", "application/json"),
        Some(&admin.key),
        &json(one(OWN, "2021-10", 1)),
    );
    assert_eq!(begun.end().0, 201);
}

#[test]
fn a_key_that_ends_while_the_body_comes_changes_nothing() {
    let server = Guarded::new();
    let soon = chrono::Utc::now().timestamp_micros() + 1_200_000;
    let new = NewKey {
        name: "soon".to_owned(),
        role: Role::Steward,
        unit: None,
        expires: Some(KeyExpiry::Time(TimestampMicros::new(soon))),
    };
    let key = wait(server.app().add_key(new, "test")).unwrap().key;
    let begun = Begun::send(
        &server.host,
        ("POST", "observations", "application/json"),
        Some(&key),
        one(OWN, "2021-10", 1).to_string().as_bytes(),
    );
    let revision = server.app().revision();
    sleep_past(soon);
    refused(begun.end(), "expired while");
    assert_eq!(server.app().revision(), revision);
}

#[test]
fn a_request_begun_before_the_first_key_needs_a_key_afterwards() {
    let (token, text) = egov_kpi::auth::api_keys::SetupToken::new().unwrap();
    let server = Guarded::with(AccessSettings {
        before_first_key: BeforeFirstKey::Reading(token),
        ..AccessSettings::default()
    });
    let body = one(OWN, "2021-10", 1).to_string();
    let post = ("POST", "observations", "application/json");
    assert_eq!(Begun::send(&server.host, post, Some(&text), body.as_bytes()).end().0, 201);
    let begun =
        Begun::send(&server.host, post, Some(&text), one(OWN, "2021-10", 2).to_string().as_bytes());
    server.issue(Role::Admin, None);
    let revision = server.app().revision();
    refused(begun.end(), "first key was created");
    assert_eq!(server.app().revision(), revision);
    // As in the demo, where no key is needed.
    let open = Guarded::new();
    let begun = Begun::send(&open.host, post, None, body.as_bytes());
    open.issue(Role::Admin, None);
    refused(begun.end(), "first key was created");
}

/// Every kind of change, by a sender that has signed in before.
async fn every_change(
    app: &egov_kpi::app::App,
    by: &Identity,
    other: &str,
    round: i64,
) -> Vec<(&'static str, Result<(), Error>)> {
    let body =
        |value: i64| SubmissionInput::Json(one(OWN, "2021-10", value).to_string().into_bytes());
    let catalogue = NewCatalogue { document: shipped().unwrap(), made_from: None, dry_run: false };
    let units =
        egov_kpi::app::write::units::parse(json!({ "units": [{ "code": "new" }] })).unwrap();
    let note =
        json!({ "annotations": [{ "code": "a", "unit": OWN, "from": "2021-10", "text": "x" }] });
    let notes = declarations::parse::<AnnotationDocument>(note).unwrap();
    let closing = |close: bool| ClosingChange {
        period: "2019-01".parse().unwrap(),
        close,
        reason: None,
        force: true,
    };
    let key = NewKey { name: "n".to_owned(), role: Role::Admin, unit: None, expires: None };
    let sent = app.submit(&body(10 * round), "test").await.unwrap().submission.unwrap();
    vec![
        ("figures", app.submit(&body(10 * round + 1), by).await.map(drop)),
        (
            "what changes nothing",
            app.submit(&body(10 * round + i64::from(by.credential.still_valid().is_ok())), by)
                .await
                .map(drop),
        ),
        ("a withdrawal", app.withdraw(&sent, None, by, None).await.map(drop)),
        ("units", app.put_units(units, by, false, None).await.map(drop)),
        ("a catalogue", app.put_catalogue(catalogue, by, None).await.map(drop)),
        ("annotations", app.put_declarations(notes, by, false, None).await.map(drop)),
        ("a closing", app.close(closing(true), by, None).await.map(drop)),
        ("a reopening", app.close(closing(false), by, None).await.map(drop)),
        ("a new key", app.add_key(key, by).await.map(drop)),
        ("a rotation", app.rotate_key(other, 1, None, by).await.map(drop)),
        ("a revocation", app.revoke_key(other, by).await.map(drop)),
    ]
}

#[test]
fn the_writer_checks_the_key_again_before_every_write() {
    let home = Home::new();
    let app = server::open(&home.address(), egov_kpi::clock::Clock::default()).unwrap();
    let (other, doomed) = (issue(&app, Role::Reader, None), issue(&app, Role::Admin, None));
    let who = Identity::of_key(app.api_keys(), &doomed.key).unwrap();
    who.still_valid().unwrap();
    wait(app.revoke_key(&doomed.view.id, "test")).unwrap();
    let over = SignInCredential::Token {
        ends_at: TimestampMicros::new(chrono::Utc::now().timestamp_micros()),
    };
    let token = Identity { credential: over, ..Identity::command("token") };
    let before = Identity::before_first_key(Role::Admin, app.api_keys());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (round, who) in (1..).zip([&who, &token, &before, &Identity::setup(app.api_keys())]) {
        for (what, outcome) in runtime.block_on(every_change(&app, who, &other.view.id, round)) {
            assert!(
                matches!(outcome, Err(Error::Unauthorized { .. })),
                "{what} by {}: {outcome:?}",
                who.name
            );
        }
    }
    // All of it is accepted from a sender that stays signed in.
    let admin = issue(&app, Role::Admin, None);
    let who = Identity::of_key(app.api_keys(), &admin.key).unwrap();
    for (what, outcome) in runtime.block_on(every_change(&app, &who, &other.view.id, 9)) {
        assert!(outcome.is_ok(), "{what}: {outcome:?}");
    }
    app.stop();
}

#[test]
fn a_key_revoked_on_one_instance_records_nothing_on_another_from_that_revision_on() {
    let home = Home::new();
    let (one_instance, other) = (
        serve(&home.address(), AccessSettings::default()),
        serve(&home.address(), AccessSettings::default()),
    );
    let api = Api::of(&other.address.to_string());
    for value in 1..=20 {
        let doomed = issue(one_instance.app(), Role::Steward, None);
        crate::harness::eventually("known", Duration::from_secs(15), || {
            other.app().api_keys().accept(&doomed.key).is_ok()
        });
        let revoked = {
            wait(one_instance.app().revoke_key(&doomed.view.id, "test")).unwrap();
            one_instance.app().revision()
        };
        let bearer = format!("Bearer {}", doomed.key);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        // At once, when the other instance may not have seen it yet.
        let reply = api.send(
            "POST",
            "observations",
            &headers,
            Some(one(OWN, "2021-10", value).to_string().as_bytes()),
        );
        assert_eq!(reply.status, 401, "{} after revision {revoked}: {}", value, reply.text());
    }
    one_instance.stop();
    other.stop();
}
