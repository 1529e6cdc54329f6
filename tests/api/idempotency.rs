//! Requests repeated with an `Idempotency-Key`: processed once, with the same response.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Api, Dice, Reply, Served, Server, figure, has, run};
use crate::instances::Other;

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const JSON: &str = "application/json";

/// Sends a body with an idempotency key.
fn send(api: &Api, method: &str, path: &str, media: &str, key: &str, body: &[u8]) -> Reply {
    api.send(method, path, &[("content-type", media), ("idempotency-key", key)], Some(body))
}

fn post(api: &Api, key: &str, body: &Value) -> Reply {
    send(api, "POST", "observations", JSON, key, body.to_string().as_bytes())
}

/// The same when the server may be gone.
fn try_post(api: &Api, key: &str, body: &Value) -> Result<Reply, ureq::Error> {
    api.try_send(
        "POST",
        "observations",
        &[("content-type", JSON), ("idempotency-key", key)],
        Some(body.to_string().as_bytes()),
    )
}

fn put(api: &Api, path: &str, key: &str, body: &Value) -> Reply {
    send(api, "PUT", path, JSON, key, body.to_string().as_bytes())
}

fn delete(api: &Api, path: &str, key: &str) -> Reply {
    api.send("DELETE", path, &[("idempotency-key", key)], None)
}

/// A submission of one figure.
fn one(unit: &str, month: &str, value: impl Into<Value>) -> Value {
    json!({ "observations": [figure(OUTGOING, unit, month, value)] })
}

/// Whether a response is marked as replayed.
#[track_caller]
fn replayed(reply: &Reply) -> bool {
    match reply.header("idempotent-replayed") {
        "" => false,
        "true" => true,
        other => panic!("Idempotent-Replayed: {other}"),
    }
}

/// Compares a replayed response with the first one.
#[track_caller]
fn again(first: &Reply, second: &Reply) {
    assert!(matches!(first.status, 200 | 201), "{}", first.text());
    assert!(!replayed(first), "the first is no replay");
    assert_eq!((second.status, second.text()), (first.status, first.text()));
    for name in ["location", "content-type"] {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
    assert!(replayed(second), "the second says that it is one");
}

#[test]
fn a_submission_sent_again_with_its_key_is_recorded_once_and_answered_as_the_first_time() {
    let server = Server::start();
    let revision = server.revision();
    let body = json!({
        "reason": "x",
        "observations": [
            figure(OUTGOING, "travinh", "2021-10", 100),
            figure(SIGNED, "travinh", "2021-10", 200),
        ],
    });
    let first = post(&server, "one", &body);
    let receipt = first.expect(201);
    assert_eq!(receipt["findings"].as_array().unwrap().len(), 1);
    assert_eq!(
        first.header("location"),
        format!("/api/v1/submissions/{}", receipt["submission"].as_str().unwrap())
    );
    (0..3).for_each(|_| again(&first, &post(&server, "one", &body)));
    assert_eq!(server.revision(), revision + 1);
    let csv = b"indicator;unit;period;value\nioffice.documents.outgoing;travinh;2021-11;7\n";
    let path = "observations?reason=r%C3%B5%20r%C3%A0ng&reference=B%C3%A1o%20c%C3%A1o";
    let first = send(&server, "POST", path, "text/csv", "one", csv);
    assert_eq!(first.expect(201)["revision"], revision + 2);
    (0..3).for_each(|_| {
        again(&first, &send(&server, "POST", path, "text/csv; charset=utf-8", "one", csv))
    });
    assert_eq!(server.revision(), revision + 2);
    let server = server.restarted();
    again(&first, &send(&server, "POST", path, "text/csv", "one", csv));
    assert_eq!(server.observations("history=true").len(), 3);
}

#[test]
fn without_an_idempotency_key_the_same_body_is_evaluated_again() {
    let server = Server::start();
    let body = one("travinh", "2021-10", 1);
    assert!(!replayed(&server.post(&body)));
    let second = server.post(&body);
    has(&second.expect(200), &json!({ "submission": null }));
    assert!(!replayed(&second));
    has(&post(&server, "key", &body).expect(200), &json!({ "submission": null }));
}

#[test]
fn an_idempotency_key_reused_for_another_body_is_refused() {
    let server = Server::start();
    let (body, other) = (one("travinh", "2021-10", 1), one("travinh", "2021-10", 2));
    let first = post(&server, "key", &body);
    let revision = server.revision();
    for _ in 0..2 {
        assert_eq!(post(&server, "key", &other).faults(422), ["/Idempotency-Key key_reused"]);
    }
    // Other bytes are another body, even with the same meaning.
    let spaced = format!(" {body}");
    assert_eq!(
        send(&server, "POST", "observations", JSON, "key", spaced.as_bytes()).faults(422),
        ["/Idempotency-Key key_reused"]
    );
    // Even an unreadable body.
    assert_eq!(
        send(&server, "POST", "observations", JSON, "key", b"{").faults(422),
        ["/Idempotency-Key key_reused"]
    );
    assert_eq!(server.revision(), revision);
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 1 }));
    again(&first, &post(&server, "key", &body));
    post(&server, "other key", &other).expect(201);
}

#[test]
fn method_path_and_query_are_the_scope_of_a_key() {
    let server = Server::start();
    let csv =
        |value: i64| format!("indicator,unit,period,value\n{OUTGOING},travinh,2021-10,{value}\n");
    let paths = [
        "observations",
        "observations?reference=a",
        "observations?reference=b",
        "observations?reference=a&reason=c",
        "observations?reason=c&reference=a",
    ];
    for (path, value) in paths.iter().zip(1..) {
        let first = send(&server, "POST", path, "text/csv", "key", csv(value).as_bytes());
        assert_eq!(first.status, 201, "{path}");
        assert!(!replayed(&first), "{path}");
    }
    for (path, value) in paths.iter().zip(1..) {
        assert!(
            replayed(&send(&server, "POST", path, "text/csv", "key", csv(value).as_bytes())),
            "{path}"
        );
    }
    let units = json!({ "units": [{ "code": "u" }] });
    assert!(!replayed(&put(&server, "units", "key", &units)));
    assert!(!replayed(&send(
        &server,
        "POST",
        "periods/2021-01/close?force=true",
        JSON,
        "key",
        b""
    )));
    assert!(!replayed(&send(
        &server,
        "POST",
        "periods/2021-02/close?force=true",
        JSON,
        "key",
        b""
    )));
    let reopened = send(&server, "POST", "periods/2021-01/reopen", JSON, "key", b"");
    assert_eq!(reopened.expect(200)["changed"], json!(["2021-01"]));
    // Another key is another request.
    assert!(!replayed(&put(&server, "units", "KEY", &units)));
}

#[test]
fn a_refused_request_leaves_its_idempotency_key_unused() {
    let server = Server::start();
    assert_eq!(post(&server, "key", &one("nowhere", "2021-10", 1)).status, 422);
    assert_eq!(send(&server, "POST", "observations", JSON, "key", b"{").status, 400);
    assert_eq!(send(&server, "POST", "observations", "text/plain", "key", b"1").status, 415);
    server.post_bytes("periods/2021-10/close?force=true", JSON, b"").expect(200);
    assert_eq!(post(&server, "key", &one("travinh", "2021-10", 1)).status, 409);
    let mut body = one("travinh", "2021-10", 1);
    body["reason"] = json!("forgotten");
    let first = post(&server, "key", &body);
    assert_eq!(first.expect(201)["counts"]["created"], 1);
    again(&first, &post(&server, "key", &body));
    assert_eq!(post(&server, "key", &one("travinh", "2021-09", 1)).status, 422);

    assert_eq!(
        put(&server, "units", "key", &json!({ "units": [{ "code": "a", "parent": "nowhere" }] }))
            .status,
        422
    );
    assert_eq!(
        put(&server, "units", "key", &json!({ "units": [{ "code": "tv.cdc", "parent": null }] }))
            .status,
        409
    );
    let units = json!({ "units": [{ "code": "a" }] });
    again(&put(&server, "units", "key", &units), &put(&server, "units", "key", &units));

    let mut catalogue = server.read("catalogue");
    catalogue["version"] = json!(7);
    assert_eq!(put(&server, "catalogue", "key", &catalogue).status, 409);
    catalogue["version"] = json!(1);
    catalogue["rules"].as_array_mut().unwrap().pop();
    again(
        &put(&server, "catalogue", "key", &catalogue),
        &put(&server, "catalogue", "key", &catalogue),
    );

    let id = server.record(
        "travinh",
        &[(SIGNED, "2021-10", 0)].map(|(indicator, _, value)| (indicator, "2021-09", value)),
    )["submission"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(delete(&server, "submissions/01JB0000000000000000000000", "key").status, 404);
    server.post_bytes("periods/2021-09/close?force=true", JSON, b"").expect(200);
    let path = format!("submissions/{id}");
    assert_eq!(delete(&server, &path, "key").status, 409);
    server.post_bytes("periods/2021-09/reopen", JSON, b"").expect(200);
    again(&delete(&server, &path, "key"), &delete(&server, &path, "key"));
    assert_eq!(
        send(&server, "POST", "periods/2199-01/close?force=true", JSON, "key", b"").status,
        422
    );
}

#[test]
fn an_unchanged_response_is_replayed_too() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 1)]);
    let body = one("travinh", "2021-10", 1);
    let first = post(&server, "key", &body);
    has(&first.expect(200), &json!({ "submission": null, "recorded_at": null }));
    assert_eq!(first.header("location"), "");
    server.record("travinh", &[(OUTGOING, "2021-10", 2)]);
    // Processed again, it would set the figure back.
    again(&first, &post(&server, "key", &body));
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 2 }));
    assert_eq!(
        post(&server, "key", &one("travinh", "2021-10", 3)).faults(422),
        ["/Idempotency-Key key_reused"]
    );

    let units = json!({ "units": [{ "code": "u" }] });
    server.put_units(&units["units"]);
    let first = put(&server, "units", "key", &units);
    server.put_units(&json!([{ "code": "u", "kind": "commune" }]));
    again(&first, &put(&server, "units", "key", &units));
    assert_eq!(server.read("units?code=u")["units"][0]["kind"], "commune");

    let catalogue = server.read("catalogue");
    let first = put(&server, "catalogue", "key", &catalogue);
    again(&first, &put(&server, "catalogue", "key", &catalogue));

    let first = send(&server, "POST", "periods/2021-01/reopen", JSON, "key", b"");
    assert_eq!(first.expect(200)["changed"], json!([]));
    server.post_bytes("periods/2021-01/close?force=true", JSON, b"").expect(200);
    again(&first, &send(&server, "POST", "periods/2021-01/reopen", JSON, "key", b""));
    assert_eq!(server.read("periods")["periods"].as_array().unwrap().len(), 1);
}

#[test]
fn a_dry_run_ignores_idempotency_keys() {
    let server = Server::start();
    let revision = server.revision();
    for value in [1, 2, 1] {
        let dry = send(
            &server,
            "POST",
            "observations?dry_run=true",
            JSON,
            "key",
            one("travinh", "2021-10", value).to_string().as_bytes(),
        );
        has(&dry.expect(200), &json!({ "submission": null, "revision": null }));
        assert!(!replayed(&dry));
        let units = put(
            &server,
            "units?dry_run=true",
            "key",
            &json!({ "units": [{ "code": format!("u{value}") }] }),
        );
        assert!(units.status == 200 && !replayed(&units));
        let mut catalogue = server.read("catalogue");
        catalogue["rules"].as_array_mut().unwrap().truncate(value);
        let catalogue = put(&server, "catalogue?dry_run=true", "key", &catalogue);
        assert!(catalogue.status == 200 && !replayed(&catalogue));
    }
    assert_eq!(server.revision(), revision);
    assert!(!replayed(&post(&server, "key", &one("travinh", "2021-10", 3))));
}

#[test]
fn every_change_accepts_an_idempotency_key() {
    let server = Server::start();
    let id = server.record("travinh", &[(OUTGOING, "2021-10", 1)])["submission"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut catalogue = server.read("catalogue");
    catalogue["indicators"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "code": "x.n", "kind": "flow", "unit_of_measure": "count" }));
    let bodies = [
        (
            "PUT",
            "units".to_owned(),
            json!({ "units": [
            { "code": "u", "name": { "vi": "Đơn vị" } },
            { "code": "u.a", "parent": "u" },
        ] })
            .to_string(),
        ),
        ("PUT", "catalogue".to_owned(), catalogue.to_string()),
        ("POST", "periods/2021-Q1/close?force=true&reason=done".to_owned(), String::new()),
        ("POST", "periods/2021-02/reopen".to_owned(), json!({ "reason": "late" }).to_string()),
        ("DELETE", format!("submissions/{id}?reason=wrong"), String::new()),
    ];
    let mut firsts = Vec::new();
    for (method, path, body) in &bodies {
        let revision = server.revision();
        let ask = |server: &Server| match *method {
            "DELETE" => delete(server, path, "key"),
            _ => send(server, method, path, JSON, "key", body.as_bytes()),
        };
        let first = ask(&server);
        again(&first, &ask(&server));
        assert_eq!(server.revision(), revision + 1, "{method} {path}: done once");
        assert_eq!(first.json()["revision"], revision + 1, "{method} {path}");
        firsts.push(first);
    }
    let (revision, server) = (server.revision(), server.restarted());
    for ((method, path, body), first) in bodies.iter().zip(&firsts) {
        again(
            first,
            &if *method == "DELETE" {
                delete(&server, path, "key")
            } else {
                send(&server, method, path, JSON, "key", body.as_bytes())
            },
        );
    }
    assert_eq!(server.revision(), revision);
    for (method, path, body) in bodies.iter().filter(|(_, _, body)| !body.is_empty()) {
        let other = format!("{} ", body.trim_end());
        assert_eq!(
            send(&server, method, path, JSON, "key", other.as_bytes()).faults(422),
            ["/Idempotency-Key key_reused"],
            "{method} {path}"
        );
    }
    let revision = server.revision();
    let reclose = send(
        &server,
        "POST",
        "periods/2021-Q1/close?force=true&reason=done",
        JSON,
        "key",
        b"{\"reason\":\"other\"}",
    );
    assert_eq!((reclose.status, server.revision()), (422, revision));
}

#[test]
fn a_replay_returns_the_first_response_even_if_it_would_fail_now() {
    let server = Server::start();
    let body = one("travinh", "2021-10", 1);
    let recorded = post(&server, "recorded", &body);
    let id = recorded.json()["submission"].as_str().unwrap().to_owned();
    // An indicator without figures can be removed; the withdrawal of nothing was valid before.
    let nothing = json!({ "observations": [
        figure("infosec.drills.attended", "travinh", "2021-10", Value::Null),
    ] });
    let unchanged = post(&server, "unchanged", &nothing);
    let units = json!({ "units": [{ "code": "u" }] });
    let unit = put(&server, "units", "unit", &units);
    let old = server.read("catalogue");
    let mut new = old.clone();
    new["indicators"]
        .as_array_mut()
        .unwrap()
        .retain(|indicator| indicator["code"] != "infosec.drills.attended");
    let catalogue = put(&server, "catalogue", "catalogue", &new);
    let closed = send(&server, "POST", "periods/2021-09/close?force=true", JSON, "closed", b"");
    // Withdrawn, closed, changed, ended.
    let withdrawn = delete(&server, &format!("submissions/{id}"), "withdrawn");
    server.post_bytes("periods/2021-10/close?force=true", JSON, b"").expect(200);
    server.post_bytes("periods/2021-09/reopen", JSON, b"").expect(200);
    let mut newer = server.read("catalogue");
    newer["rules"].as_array_mut().unwrap().pop();
    server.put("catalogue", &newer).expect(200);
    server.put_units(&json!([{ "code": "u", "valid_to": "2020-12-31" }]));
    let revision = server.revision();
    assert_eq!(server.post(&body).status, 409, "without its key it would be refused");
    assert_eq!(server.post(&nothing).status, 422);
    assert_eq!(server.put("catalogue", &new).status, 409);
    for _ in 0..2 {
        again(&recorded, &post(&server, "recorded", &body));
        again(&unchanged, &post(&server, "unchanged", &nothing));
        again(&unit, &put(&server, "units", "unit", &units));
        again(&catalogue, &put(&server, "catalogue", "catalogue", &new));
        again(
            &closed,
            &send(&server, "POST", "periods/2021-09/close?force=true", JSON, "closed", b""),
        );
        again(&withdrawn, &delete(&server, &format!("submissions/{id}"), "withdrawn"));
    }
    assert_eq!(server.revision(), revision);
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": null }));
    assert_eq!(server.read("units?code=u")["units"][0]["valid_to"], "2020-12-31");
}

#[test]
fn after_kill_9_the_first_response_is_replayed() {
    let server = Server::start();
    let mut served = Served::start(&server.address());
    let body = one("travinh", "2021-10", 1);
    let first = post(&served.api, "key", &body);
    let unchanged = post(&served.api, "unchanged", &body);
    has(&unchanged.expect(200), &json!({ "submission": null }));
    let closed = send(&served.api, "POST", "periods/2021-09/close?force=true", JSON, "key", b"");
    served.child.kill().unwrap();
    served.child.wait().unwrap();
    let (served, other) = (Served::start(&server.address()), Served::start(&server.address()));
    for api in [&served.api, &other.api] {
        again(&first, &post(api, "key", &body));
        again(&unchanged, &post(api, "unchanged", &body));
        again(&closed, &send(api, "POST", "periods/2021-09/close?force=true", JSON, "key", b""));
    }
    let revision = closed.json()["revision"].as_i64().unwrap();
    assert_eq!(server.observations(&format!("history=true&min_revision={revision}")).len(), 1);
}

#[test]
fn resending_everything_after_kill_9_records_nothing_twice() {
    let server = Server::start();
    let units = ["tv.cdc", "tv.dof", "tv.dic"];
    // Each client corrects one figure repeatedly; an earlier submission without a key would restore
    // an old value.
    let mut sent: Vec<Vec<Option<String>>> = vec![Vec::new(); units.len()];
    let key = |unit: &str, value: usize| format!("{unit} {value}");
    for round in 0..3 {
        let mut served = Served::start(&server.address());
        let confirmed = units.map(|_| AtomicUsize::new(0));
        sent = std::thread::scope(|scope| {
            let clients: Vec<_> = units
                .into_iter()
                .zip(sent)
                .zip(&confirmed)
                .map(|((unit, mut sent), confirmed)| {
                    let api = served.api.clone();
                    scope.spawn(move || {
                        // Repeats all earlier submissions in order: those with a response get the
                        // same one, the others are processed now.
                        for (value, before) in sent.iter_mut().enumerate() {
                            let Ok(reply) =
                                try_post(&api, &key(unit, value), &one(unit, "2021-10", value))
                            else {
                                return sent;
                            };
                            assert_eq!(reply.status, 201, "{}", reply.text());
                            if let Some(before) = before {
                                assert!(
                                    replayed(&reply) && reply.text() == *before,
                                    "{before}, then {}",
                                    reply.text()
                                );
                            }
                            *before = Some(reply.text());
                        }
                        loop {
                            let value = sent.len();
                            match try_post(&api, &key(unit, value), &one(unit, "2021-10", value)) {
                                Ok(reply) => {
                                    confirmed.fetch_add(
                                        usize::from(reply.status == 201),
                                        Ordering::Relaxed,
                                    );
                                    sent.push(Some(reply.text()));
                                }
                                Err(_gone) => {
                                    sent.push(None);
                                    return sent;
                                }
                            }
                        }
                    })
                })
                .collect();
            // The clients end only when the service does, so nothing may panic before.
            let deadline = Instant::now() + Duration::from_secs(60);
            let is_enough = |count: &AtomicUsize| count.load(Ordering::Relaxed) >= 3;
            while !confirmed.iter().all(is_enough) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            // So that the kills hit different moments of a request.
            std::thread::sleep(Duration::from_millis(13 * round));
            served.child.kill().unwrap();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });
        served.child.wait().unwrap();
    }
    let served = Served::start(&server.address());
    for (unit, sent) in units.into_iter().zip(&sent) {
        assert!(sent.len() >= 12, "too few requests: {}", sent.len());
        let mut newest = 0;
        for value in 0..sent.len() {
            let receipt =
                post(&served.api, &key(unit, value), &one(unit, "2021-10", value)).expect(201);
            newest = receipt["revision"].as_i64().unwrap();
        }
        let history = format!("history=true&unit={unit}&min_revision={newest}");
        let recorded: Vec<Value> =
            server.observations(&history).iter().map(|figure| figure["value"].clone()).collect();
        assert_eq!(
            recorded,
            (0..sent.len()).map(|value| json!(value)).collect::<Vec<_>>(),
            "{unit}: each once, in its order"
        );
    }
    run(&["verify", "--database", &server.address()]).expect(0);
}

/// Sends requests from this many threads at once, each to its client in turn; the responses in the
/// order of the threads.
fn at_once(apis: &[Api], threads: usize, ask: impl Fn(usize, &Api) -> Reply + Sync) -> Vec<Reply> {
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..threads)
            .map(|thread| {
                let (ask, barrier) = (&ask, &barrier);
                let api = apis[thread % apis.len()].clone();
                scope.spawn(move || {
                    // Each thread opens its connection before the start.
                    let api = Api::of(&api.host);
                    api.get("/livez");
                    barrier.wait();
                    ask(thread, &api)
                })
            })
            .collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The request of a thread, from its number and its client.
type Ask<'a> = dyn Fn(usize, &Api) -> Reply + Sync + 'a;

/// Sixteen threads send the same body with the same key: one submission and equal responses, one of
/// which is the first.
fn sixteen_alike(apis: &[Api], rounds: i64) {
    for round in 1..=rounds {
        let revision = apis[0].revision();
        let body = one("travinh", "2021-10", round);
        let answers = at_once(apis, 16, |_, api| post(api, &format!("round {round}"), &body));
        let texts: BTreeSet<(u16, String, String)> = answers
            .iter()
            .map(|reply| (reply.status, reply.text(), reply.header("location").to_owned()))
            .collect();
        assert_eq!(texts.len(), 1, "round {round}: {texts:?}");
        assert_eq!(answers[0].status, 201, "{}", answers[0].text());
        assert_eq!(
            answers.iter().filter(|reply| !replayed(reply)).count(),
            1,
            "round {round}: exactly one request was processed, the others were replayed"
        );
        assert_eq!(
            apis[0].read(&format!("ledger?min_revision={}", revision + 1))["revision"],
            revision + 1,
            "round {round}"
        );
    }
}

#[test]
fn sixteen_who_send_the_same_at_once_record_it_once() {
    let server = Server::start();
    sixteen_alike(std::slice::from_ref(&server), 8);
}

#[test]
fn sixteen_who_send_the_same_at_once_to_two_servers_record_it_once() {
    let server = Server::start();
    let other = Other::beside(&server);
    sixteen_alike(&[server.clone(), other.clone()], 8);
}

/// Sixteen threads send two bodies with one key: one body is recorded and its senders get the
/// receipt; the others get the error that the key is used.
fn sixteen_of_two_sorts(apis: &[Api], rounds: i64) {
    for round in 1..=rounds {
        let revision = apis[0].revision();
        // Both servers get both bodies.
        let value = |thread: usize| 1_000 * round + i64::from(thread % 4 >= 2);
        let answers = at_once(apis, 16, |thread, api| {
            post(api, &format!("round {round}"), &one("travinh", "2021-10", value(thread)))
        });
        let recorded = apis[0].read(&format!("ledger?min_revision={}", revision + 1))["revision"]
            .as_i64()
            .unwrap();
        assert_eq!(recorded, revision + 1, "round {round}: one submission");
        let winner = apis[0].point(OUTGOING, "travinh", "2021-10")["value"].as_i64().unwrap();
        let mut first = 0;
        for (thread, reply) in answers.iter().enumerate() {
            if value(thread) == winner {
                assert_eq!(
                    reply.expect(201)["revision"],
                    revision + 1,
                    "round {round}, thread {thread}: a sender of the recorded body gets the receipt"
                );
                first += i32::from(!replayed(reply));
            } else {
                assert_eq!(
                    reply.faults(422),
                    ["/Idempotency-Key key_reused"],
                    "round {round}, thread {thread}"
                );
            }
        }
        assert_eq!(first, 1, "round {round}");
    }
}

#[test]
fn of_two_bodies_with_one_key_only_one_is_recorded() {
    let server = Server::start();
    sixteen_of_two_sorts(std::slice::from_ref(&server), 10);
}

#[test]
fn of_two_bodies_with_one_key_on_two_servers_only_one_is_recorded() {
    let server = Server::start();
    let other = Other::beside(&server);
    sixteen_of_two_sorts(&[server.clone(), other.clone()], 20);
}

#[test]
fn sixteen_changes_of_other_sorts_at_once_on_two_servers_are_each_made_once() {
    let server = Server::start();
    let other = Other::beside(&server);
    let apis = [server.clone(), other.clone()];
    let id = server.record("travinh", &[(OUTGOING, "2021-10", 1)])["submission"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut catalogue = server.read("catalogue");
    catalogue["rules"].as_array_mut().unwrap().pop();
    let units = json!({ "units": [{ "code": "u" }] });
    let asks: [&Ask<'_>; 5] = [
        &|_, api| put(api, "units", "key", &units),
        &|_, api| put(api, "catalogue", "key", &catalogue),
        &|_, api| send(api, "POST", "periods/2021-10/close?force=true", JSON, "key", b""),
        &|_, api| delete(api, &format!("submissions/{id}?reason=x"), "key"),
        &|_, api| send(api, "POST", "periods/2021-10/reopen", JSON, "key", b""),
    ];
    for (number, ask) in asks.iter().enumerate() {
        let revision = server.revision();
        let answers = at_once(&apis, 16, ask);
        let texts: BTreeSet<(u16, String)> =
            answers.iter().map(|reply| (reply.status, reply.text())).collect();
        assert_eq!(texts.len(), 1, "{number}: {texts:?}");
        assert!(matches!(answers[0].status, 200 | 201), "{texts:?}");
        assert_eq!(answers.iter().filter(|reply| !replayed(reply)).count(), 1, "{number}");
        assert_eq!(
            server.read(&format!("ledger?min_revision={}", revision + 1))["revision"],
            revision + 1,
            "{number}"
        );
    }
}

#[test]
fn a_repeated_key_waits_for_the_request_in_progress() {
    let server = Server::start();
    // Large enough that the second request arrives while the first is being processed.
    let mut csv = "indicator,unit,period,value\n".to_owned();
    for year in 1900..=2019 {
        for month in 1..=12 {
            for unit in ["travinh", "tv.cdc", "tv.dof"] {
                csv.push_str(&format!(
                    "{OUTGOING},{unit},{year}-{month:02},{month}\n\
                     {SIGNED},{unit},{year}-{month:02},{month}\n"
                ));
            }
        }
    }
    let mut first_took = std::time::Duration::ZERO;
    let answers = std::thread::scope(|scope| {
        let (api, body) = (server.clone(), csv.as_bytes());
        let first = scope.spawn(move || {
            let began = std::time::Instant::now();
            (send(&api, "POST", "observations", "text/csv", "key", body), began.elapsed())
        });
        std::thread::sleep(std::time::Duration::from_millis(30));
        let second = send(&server, "POST", "observations", "text/csv", "key", body);
        let (first, took) = first.join().unwrap();
        first_took = took;
        [first, second]
    });
    assert!(
        first_took > std::time::Duration::from_millis(40),
        "too fast for the test: {first_took:?}"
    );
    // Whichever request the writer took first, it was processed once.
    assert_eq!(answers[0].text(), answers[1].text());
    assert_eq!(answers[0].expect(201)["counts"]["created"], 120 * 12 * 6);
    assert_eq!(
        (answers[1].status, answers.iter().filter(|reply| replayed(reply)).count()),
        (201, 1)
    );
}

#[test]
fn an_invalid_idempotency_key_is_refused_and_nothing_is_recorded() {
    let server = Server::start();
    let revision = server.revision();
    let body = one("travinh", "2021-10", 1).to_string();
    let ask = |headers: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> =
            [("content-type", JSON)].iter().chain(headers).copied().collect();
        server.send("POST", "observations", &headers, Some(body.as_bytes()))
    };
    let malformed = ["/Idempotency-Key malformed"];
    assert_eq!(ask(&[("idempotency-key", &"k".repeat(256))]).faults(422), malformed);
    assert_eq!(ask(&[("idempotency-key", "")]).faults(422), malformed);
    assert_eq!(ask(&[("idempotency-key", "khóa")]).faults(422), malformed);
    assert_eq!(ask(&[("idempotency-key", "a\tb")]).faults(422), malformed);
    assert_eq!(ask(&[("idempotency-key", "a"), ("idempotency-key", "a")]).faults(422), malformed);
    assert_eq!(ask(&[("idempotency-key", "a"), ("Idempotency-Key", "b")]).faults(422), malformed);
    let raw = |key: &[u8]| {
        let head = format!(
            "POST /api/v1/observations HTTP/1.1\r\n\
             Host: localhost\r\n\
             Content-Type: {JSON}\r\nContent-Length: {}\r\nConnection: close\r\nIdempotency-Key: ",
            body.len()
        );
        server.raw(&[head.as_bytes(), key, b"\r\n\r\n", body.as_bytes()].concat())
    };
    for key in [&b"   "[..], b"\xff\xfe"] {
        let answer = raw(key);
        assert!(
            answer.starts_with("HTTP/1.1 422 ") && answer.contains("/Idempotency-Key"),
            "{answer}"
        );
    }
    for (method, path, sent) in [
        ("PUT", "units", r#"{"units":[{"code":"u"}]}"#),
        ("POST", "periods/2021-10/close?force=true", ""),
        ("POST", "periods/2021-10/close?force=true", r#"{"reason":"x"}"#),
        ("POST", "periods/2021-10/reopen", ""),
    ] {
        assert_eq!(
            send(&server, method, path, JSON, &"k".repeat(256), sent.as_bytes()).faults(422),
            malformed,
            "{method} {path}"
        );
    }
    let catalogue = server.read("catalogue");
    assert_eq!(put(&server, "catalogue", &"k".repeat(256), &catalogue).faults(422), malformed);
    assert_eq!(
        delete(&server, "submissions/01JB0000000000000000000000", &"k".repeat(256)).faults(422),
        malformed
    );
    assert_eq!(server.revision(), revision);
    // The longest and most unusual keys.
    for key in [
        "k".repeat(255).as_str(),
        " !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ 0",
        "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
    ] {
        assert_ne!(ask(&[("idempotency-key", key)]).status, 422, "{key}");
        assert!(replayed(&ask(&[("idempotency-key", key)])), "{key}");
    }
}

#[test]
fn an_idempotency_key_is_kept_for_a_request_with_a_long_reason() {
    let server = Server::start();
    // The longest reason and reference, in characters that no database compresses well.
    let mut dice = Dice(5);
    let mut note =
        || (0..1_000).map(|_| format!("%E1%BA%{:02X}", 0xA0 + dice.below(32))).collect::<String>();
    let path = format!("observations?reason={}&reference={}", note(), note());
    let csv = format!("indicator,unit,period,value\n{OUTGOING},travinh,2021-10,1\n");
    let first = send(&server, "POST", &path, "text/csv", "key", csv.as_bytes());
    again(&first, &send(&server, "POST", &path, "text/csv", "key", csv.as_bytes()));
    // The last character distinguishes the requests.
    let other = format!("{}A0", &path[..path.len() - 2]);
    if other != path {
        assert!(!replayed(&send(&server, "POST", &other, "text/csv", "key", csv.as_bytes())));
    }
    let reason = format!("periods/2021-09/close?force=true&reason={}", note());
    again(
        &send(&server, "POST", &reason, JSON, "key", b""),
        &send(&server, "POST", &reason, JSON, "key", b""),
    );
}

#[test]
fn a_replayed_response_keeps_every_digit_of_its_findings() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    for code in ["x.a", "x.b"] {
        catalogue["indicators"]
            .as_array_mut()
            .unwrap()
            .push(json!({ "code": code, "kind": "flow", "unit_of_measure": "count" }));
    }
    catalogue["kpis"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "code": "x.k", "formula": "x.a / x.b", "unit_of_measure": "ratio" }));
    server.put("catalogue", &catalogue).expect(200);
    let (mut dice, mut figures) = (Dice(3), Vec::new());
    for month in (0..240).map(|month| format!("{}-{:02}", 2000 + month / 12, month % 12 + 1)) {
        let large = i64::try_from(dice.number() >> 11).unwrap();
        figures.push(figure("x.a", "travinh", &month, large));
        figures.push(figure("x.b", "travinh", &month, 3 + dice.below(1_000)));
        figures.push(figure("x.k", "travinh", &month, "0.5"));
    }
    let body = json!({ "observations": figures });
    let first = post(&server, "key", &body);
    assert_eq!(first.expect(201)["findings"].as_array().unwrap().len(), 240);
    let second = post(&server, "key", &body);
    let numbers = |reply: &Reply| {
        reply
            .text()
            .split("\"computed\":")
            .skip(1)
            .map(|rest| rest.split(',').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let differing: Vec<(String, String)> = numbers(&first)
        .into_iter()
        .zip(numbers(&second))
        .filter(|(one, other)| one != other)
        .collect();
    assert!(
        differing.is_empty(),
        "{} of 240 numbers differ, such as {:?}",
        differing.len(),
        differing[0]
    );
    again(&first, &second);
    // The receipt has the same text.
    let receipt =
        server.get(&format!("submissions/{}", first.json()["submission"].as_str().unwrap()));
    assert_eq!(numbers(&receipt), numbers(&first));
}
