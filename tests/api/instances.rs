//! Two servers on one ledger: each sees what the other has recorded.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use egov_kpi::server::RunningServer;
use serde_json::{Value, json};

use crate::harness::{Api, Dice, Server, WITHIN_A_SECOND, eventually, figure, has, run, serve};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";

/// A second server in this process on the ledger of the first.
pub struct Other {
    running: Option<RunningServer>,
    api: Api,
}

impl Other {
    pub fn beside(server: &Server) -> Self {
        let running = serve(&server.address());
        let api = Api::of(&running.address.to_string());
        Self { running: Some(running), api }
    }
}

impl Deref for Other {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

/// Whether a response came at once, not after waiting for something that never happens.
#[track_caller]
fn quickly<T>(ask: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let found = ask();
    assert!(began.elapsed() < Duration::from_secs(4), "it took {:?}", began.elapsed());
    found
}

/// Responses with a revision.
const EVERY: [&str; 12] = [
    "series?measure=ioffice.documents.outgoing&unit=travinh&from=2021-10&to=2021-10",
    "series?measure=ioffice.documents.outgoing&children_of=travinh&last=2",
    "observations",
    "findings",
    "vintages",
    "units",
    "catalogue",
    "indicators",
    "kpis",
    "periods",
    "revisions",
    "ledger",
];

fn with(path: &str, parameter: &str) -> String {
    format!("{path}{}{parameter}", if path.contains('?') { '&' } else { '?' })
}

#[test]
fn min_revision_waits_until_this_server_has_it() {
    let server = Server::start();
    let other = Other::beside(&server);
    for (value, path) in (1..).zip(EVERY.iter().chain(&EVERY)) {
        let revision =
            server.record("travinh", &[(OUTGOING, "2021-10", value)])["revision"].as_i64().unwrap();
        let found = other.read(&with(path, &format!("min_revision={revision}")));
        assert_eq!(found["revision"], revision, "{path}");
    }
    // Without min_revision the last change may not be visible yet; a second later it is.
    let last =
        server.record("travinh", &[(OUTGOING, "2021-10", 100)])["revision"].as_i64().unwrap();
    eventually("heard of", WITHIN_A_SECOND, || other.revision() == last);
    has(&other.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 100 }));
    // A visible revision is not waited for.
    quickly(|| {
        EVERY.iter().for_each(|path| {
            assert_eq!(other.read(&with(path, "min_revision=0"))["revision"], last)
        })
    });
    quickly(|| {
        EVERY.iter().for_each(|path| {
            assert_eq!(other.read(&with(path, &format!("min_revision={last}")))["revision"], last)
        })
    });
}

#[test]
fn min_revision_waits_for_every_kind_of_change() {
    let server = Server::start();
    let other = Other::beside(&server);
    let mut catalogue = server.read("catalogue");
    catalogue["indicators"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "code": "x.n", "kind": "flow", "unit_of_measure": "count" }));
    let units = server
        .put("units", &json!({ "units": [{ "code": "a" }, { "code": "a.b", "parent": "a" }] }))
        .expect(200);
    let found = other.read(&format!("units?code=a.b&min_revision={}", units["revision"]));
    assert_eq!(found["units"][0]["parent"], "a");
    let put = server.put("catalogue", &catalogue).expect(200);
    assert_eq!(other.read(&format!("catalogue?min_revision={}", put["revision"]))["version"], 2);
    let receipt = server.record("a.b", &[("x.n", "2021-10", 5)]);
    let series = other
        .read(&format!("series?measure=x.n&unit=a&last=1&min_revision={}", receipt["revision"]));
    has(
        &series["series"][0]["points"][0],
        &json!({ "period": "2021-10", "value": 5, "origin": "rolled_up" }),
    );
    let closed =
        server.post_bytes("periods/2021-10/close?force=true", "application/json", b"").expect(200);
    assert_eq!(
        other.read(&format!("periods?min_revision={}", closed["revision"]))["periods"][0]["period"],
        "2021-10"
    );
    let withdrawn = server
        .delete(&format!("submissions/{}?reason=x", receipt["submission"].as_str().unwrap()))
        .expect(201);
    let found =
        other.read(&format!("observations?unit=a.b&min_revision={}", withdrawn["revision"]));
    assert_eq!(found["observations"], json!([]));
    assert_eq!(other.read("ledger?digest=true"), server.read("ledger?digest=true"));
}

#[test]
fn waiting_for_a_missing_revision_times_out_after_five_seconds() {
    let server = Server::start();
    let ahead = server.revision() + 1;
    let began = Instant::now();
    std::thread::scope(|scope| {
        for path in EVERY.iter().chain(&[
            "units?as_of=1",
            "series?measure=ioffice.documents.outgoing&unit=travinh&last=1&format=csv",
        ]) {
            let api = Api::of(&server.host);
            scope.spawn(move || {
                let began = Instant::now();
                let reply = api.get(&with(path, &format!("min_revision={ahead}")));
                assert_eq!(reply.problem(503)["type"], "urn:egov-kpi:behind", "{path}");
                assert_eq!(reply.header("retry-after"), "1", "{path}");
                assert!(
                    began.elapsed() > Duration::from_secs(4)
                        && began.elapsed() < Duration::from_secs(15),
                    "{path}: {:?}",
                    began.elapsed()
                );
            });
        }
        // A waiting request does not delay others.
        std::thread::sleep(Duration::from_secs(1));
        quickly(|| {
            (0..20).for_each(|_| assert_eq!(server.read("units?limit=1")["revision"], ahead - 1))
        });
    });
    assert!(
        began.elapsed() < Duration::from_secs(16),
        "all waited at the same time: {:?}",
        began.elapsed()
    );
    // A waiting request gets its response as soon as the revision is visible.
    std::thread::scope(|scope| {
        let api = Api::of(&server.host);
        let waiting = scope.spawn(move || {
            let began = Instant::now();
            (
                api.read(&format!("units?min_revision={ahead}"))["revision"].as_i64().unwrap(),
                began.elapsed(),
            )
        });
        std::thread::sleep(Duration::from_secs(1));
        server.record("travinh", &[(OUTGOING, "2021-10", 1)]);
        let (revision, took) = waiting.join().unwrap();
        assert_eq!(revision, ahead);
        assert!(took < Duration::from_secs(4), "{took:?}");
    });
}

#[test]
fn an_entity_tag_never_gets_an_older_state_from_another_server() {
    let server = Server::start();
    let other = Other::beside(&server);
    for (value, path) in (0..22).zip(EVERY.iter().filter(|path| **path != "ledger").cycle()) {
        let revision =
            server.record("travinh", &[(OUTGOING, "2021-10", value)])["revision"].as_i64().unwrap();
        let newer = server.get(path);
        assert_eq!(newer.json()["revision"], revision);
        let tag = newer.header("etag").to_owned();
        // The client does not go back behind what it has seen here; and as nothing was recorded
        // since, the response is 304.
        let several = [tag.clone(), format!("W/\"x\", {tag}, \"1-2-3\"")];
        let reply = other.send(
            "GET",
            path,
            &[("if-none-match", &several[usize::try_from(value % 2).unwrap()])],
            None,
        );
        assert_eq!(
            (reply.status, reply.header("etag")),
            (304, tag.as_str()),
            "{path}: {}",
            reply.text()
        );
        // The tag of another representation only shows which revision the client has seen.
        let newest =
            server.record("travinh", &[(OUTGOING, "2021-11", value)])["revision"].as_i64().unwrap();
        let tag = server.get(path).header("etag").replace("-json", "-csv");
        let reply = other.send("GET", path, &[("if-none-match", &tag)], None);
        assert_eq!(reply.expect(200)["revision"], newest, "{path}");
    }
}

#[test]
fn a_page_cursor_of_one_server_works_on_the_other_without_older_state() {
    let server = Server::start();
    let other = Other::beside(&server);
    server
        .put_units(&json!((0..6).map(|n| json!({ "code": format!("u{n}") })).collect::<Vec<_>>()));
    let paths = [
        "observations?limit=1".to_owned(),
        "observations?limit=1&history=true".to_owned(),
        "units?limit=1".to_owned(),
        "revisions?limit=1".to_owned(),
        "findings?limit=1".to_owned(),
        format!("series?measure={OUTGOING}&measure={SIGNED}&unit=u1&last=1&limit=1"),
    ];
    for (value, path) in (1..=24).zip(paths.iter().cycle()) {
        // More signed documents than documents: a finding at each unit.
        let figures: Vec<Value> = (0..3)
            .flat_map(|n| {
                [
                    figure(OUTGOING, &format!("u{n}"), "2021-10", value),
                    figure(SIGNED, &format!("u{n}"), "2021-10", value + 1),
                ]
            })
            .collect();
        let revision = server.post(&json!({ "observations": figures })).expect(201)["revision"]
            .as_i64()
            .unwrap();
        let first = server.get(path);
        let next = first
            .next_link()
            .unwrap_or_else(|| panic!("{path} has no second page: {}", first.text()));
        assert_eq!(first.json()["revision"], revision);
        let second = other.get(&next);
        assert_eq!(second.expect(200)["revision"], revision, "{path}");
        assert_eq!(second.text(), server.get(&next).text(), "{path}");
    }
}

#[test]
fn an_unknown_entity_tag_is_ignored_immediately() {
    let (server, elsewhere) = (Server::start(), Server::start());
    (1..=5).for_each(|value| drop(elsewhere.record("travinh", &[(OUTGOING, "2021-10", value)])));
    let foreign = elsewhere.get("units").header("etag").to_owned();
    let own = server.get("units").header("etag").to_owned();
    let revision = server.revision();
    let huge = |number: &str| own.replacen(&revision.to_string(), number, 1);
    let bogus = [
        foreign.as_str(),
        &huge(&(revision + 1).to_string()),
        &huge("4294967296"),
        &huge("9223372036854775807"),
        &huge("9223372036854775808"),
        &huge("-1"),
        &huge(""),
        "W/\"\"",
        "\"-\"",
        "\"9-\"",
        "9999999-",
        "W/",
        ",,,\",",
        "é",
    ];
    for tag in bogus {
        for path in [
            "units",
            "observations",
            "ledger",
            "series?measure=ioffice.documents.outgoing&unit=travinh&last=1",
        ] {
            let reply = quickly(|| server.send("GET", path, &[("if-none-match", tag)], None));
            assert_eq!(reply.expect(200)["revision"], revision, "{path}, {tag}");
        }
    }
    // A valid tag beside an invalid one still counts.
    assert_eq!(
        quickly(|| server.send(
            "GET",
            "units",
            &[("if-none-match", &format!("{}, {own}", huge("77777")))],
            None
        ))
        .status,
        304
    );
}

#[test]
fn a_cursor_of_a_future_revision_is_refused_immediately() {
    let server = Server::start();
    let revision = server.revision();
    let hash = server.read("ledger")["revision_hash"].as_str().unwrap()[..16].to_owned();
    for ahead in [revision + 1, revision + 1_000_000, i64::MAX] {
        for (path, rest) in [
            ("units", "~1"),
            ("findings", "~1"),
            ("observations", "~1~1~1~1"),
            ("revisions", "~1"),
            ("series?measure=ioffice.documents.outgoing&unit=travinh&last=1", "~1"),
        ] {
            let asked = with(path, &format!("cursor={ahead}-{hash}{rest}"));
            assert_eq!(
                quickly(|| server.get(&asked)).problem(409)["type"],
                "urn:egov-kpi:other-history",
                "{asked}"
            );
            let own = with(path, &format!("cursor={revision}-{hash}{rest}"));
            assert_eq!(server.get(&own).status, 200, "{own}");
        }
    }
    for malformed in [
        "",
        "1",
        "~",
        "1~",
        "~1",
        "1~-1",
        "-1~1",
        "1~1~1",
        "x~1",
        "9223372036854775808~1",
        "1~9223372036854775808",
        "1%7E1%20",
        "1~1",
        "1-abc~1",
    ] {
        for path in ["units", "findings", "revisions"] {
            assert_eq!(
                server.get(&format!("{path}?cursor={malformed}")).faults(422),
                ["/cursor malformed"],
                "{path} {malformed}"
            );
        }
    }
    assert_eq!(
        server.read(&format!("units?cursor={revision}-{hash}~99999999"))["units"],
        json!([])
    );
}

#[test]
fn two_servers_and_a_third_that_starts_later_hold_the_same_figures() {
    let server = Server::start();
    let other = Other::beside(&server);
    std::thread::scope(|scope| {
        for (thread, unit) in ["tv.cdc", "tv.dof", "tv.dic", "tv.inspectorate"].iter().enumerate() {
            let api = if thread % 2 == 0 { server.clone() } else { other.clone() };
            scope.spawn(move || {
                let mut dice = Dice(u64::try_from(thread).unwrap());
                for number in 0..25 {
                    let month = format!("2021-{:02}", 1 + dice.below(12));
                    let value =
                        if dice.below(4) == 0 { Value::Null } else { json!(dice.below(50)) };
                    let rate = figure(
                        "ioffice.documents.signed_rate",
                        unit,
                        &month,
                        ["78.9", "78.90", "50"][dice.below(3)],
                    );
                    let split = json!({
                        "indicator": "igate.dossiers.received", "unit": unit, "period": month,
                        "value": dice.below(9), "dimensions": { "channel": "online" },
                    });
                    let reply = api.post(&json!({
                        "reason": "x",
                        "observations": [
                            figure(OUTGOING, unit, &month, value),
                            rate, split,
                            figure(SIGNED, unit, &month, dice.below(30)),
                        ],
                    }));
                    assert!(reply.status < 300, "{}", reply.text());
                    match number {
                        // Units and catalogue change meanwhile, and with them the positions of
                        // units.
                        5 => drop(api.put_units(&json!([{
                            "code": format!("tv.a{thread}"), "parent": "travinh",
                            "valid_to": "2025-06-30",
                        }]))),
                        12 if thread == 0 => {
                            let mut catalogue = api.read("catalogue");
                            catalogue["rules"].as_array_mut().unwrap().push(json!({
                                "code": "x.r", "check": "ioffice.documents.signed >= 20",
                            }));
                            api.put("catalogue", &catalogue).expect(200);
                        }
                        18 => drop(
                            api.post_bytes(
                                &format!("periods/2021-{:02}/close?force=true", thread + 1),
                                "application/json",
                                b"",
                            )
                            .expect(200),
                        ),
                        _ => {}
                    }
                }
            });
        }
    });
    let revision = server.read("ledger")["revision"]
        .as_i64()
        .unwrap()
        .max(other.read("ledger")["revision"].as_i64().unwrap());
    let third = Other::beside(&server);
    let asked = |path: &str| with(path, &format!("min_revision={revision}"));
    let paths = [
        "ledger?digest=true",
        "findings",
        "observations",
        "observations?history=true",
        "units",
        "catalogue",
        "periods?history=true",
        "revisions",
        "series?measure=ioffice.documents.outgoing&measure=ioffice.documents.signed_rate&\
         descendants_of=travinh&from=2020-12&to=2021-12",
    ];
    let first: Vec<String> = paths.iter().map(|path| server.get(&asked(path)).text()).collect();
    assert!(
        first[0].contains("\"digest\":\"")
            && !server.read("findings")["findings"].as_array().unwrap().is_empty()
    );
    for api in [&*other, &*third] {
        paths
            .iter()
            .zip(&first)
            .for_each(|(path, first)| assert_eq!(api.get(&asked(path)).text(), *first, "{path}"));
    }
    drop((other, third));
    let server = server.restarted();
    paths.iter().zip(&first).for_each(|(path, first)| {
        assert_eq!(server.get(path).text(), *first, "{path} after a restart")
    });
    run(&["verify", "--database", &server.address()]).expect(0);
}

#[test]
fn the_digest_differs_for_different_figures() {
    let (one, two) = (Server::start(), Server::start());
    let digest =
        |server: &Server| server.read("ledger?digest=true")["digest"].as_str().unwrap().to_owned();
    assert_eq!(server_without_digest(&one), Value::Null);
    assert_eq!(digest(&one), digest(&two), "neither has a current figure");
    let record = |server: &Server, unit: &str, month: &str, value: i64| {
        drop(server.record(unit, &[(OUTGOING, month, value)]))
    };
    record(&one, "travinh", "2021-10", 1);
    record(&two, "travinh", "2021-10", 1);
    assert_eq!(digest(&one), digest(&two));
    let mut seen = std::collections::BTreeSet::from([digest(&one)]);
    for (unit, month, value) in
        [("travinh", "2021-10", 2), ("travinh", "2021-11", 2), ("tv.cdc", "2021-11", 2)]
    {
        record(&one, unit, month, value);
        assert!(seen.insert(digest(&one)), "{unit} {month} {value} changes the digest");
    }
    one.post(&json!({ "observations": [
        figure("ioffice.documents.signed_rate", "travinh", "2021-10", "50.0"),
    ] }))
    .expect(201);
    assert!(seen.insert(digest(&one)));
    one.post(&json!({ "observations": [
        figure("ioffice.documents.signed_rate", "travinh", "2021-10", "50.00"),
    ] }))
    .expect(201);
    assert!(seen.insert(digest(&one)), "the digits of a stated rate count");
    assert_eq!(digest(&one), digest(&one.restarted()));
}

fn server_without_digest(server: &Server) -> Value {
    let view = server.read("ledger");
    assert_eq!(server.read("ledger?digest=false"), view);
    assert_eq!(server.get("ledger?digest=yes").faults(422), ["/digest malformed"]);
    view["digest"].clone()
}

#[test]
fn a_write_is_readable_at_once_on_its_server_and_within_a_second_on_the_other() {
    let server = Server::start();
    let other = Other::beside(&server);
    let apis = [&*server, &*other];
    for value in 1..=30 {
        let (here, there) = (apis[value % 2], apis[(value + 1) % 2]);
        let revision = here
            .record("travinh", &[(OUTGOING, "2021-10", i64::try_from(value).unwrap())])["revision"]
            .as_i64()
            .unwrap();
        has(&here.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": value }));
        if value % 5 == 0 {
            let began = Instant::now();
            eventually("readable there", WITHIN_A_SECOND, || there.revision() >= revision);
            has(&there.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": value }));
            assert!(began.elapsed() < WITHIN_A_SECOND);
        }
    }
}

#[test]
fn servers_that_write_at_the_same_time_all_get_on() {
    let server = Server::start();
    let other = Other::beside(&server);
    let before = server.revision();
    let refused: Vec<String> = std::thread::scope(|scope| {
        let writing: Vec<_> = ["tv.cdc", "tv.dof", "tv.dic", "tv.inspectorate"]
            .into_iter()
            .enumerate()
            .map(|(thread, unit)| {
                let api = Api::of(if thread == 0 { &server.host } else { &other.host });
                let post = move |value: i64| {
                    api.post(&json!({ "observations": [figure(OUTGOING, unit, "2021-10", value)] }))
                };
                scope.spawn(move || {
                    (0..60)
                        .map(post)
                        .filter(|reply| reply.status != 201)
                        .map(|reply| reply.text())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        writing.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(refused.is_empty(), "{} of 240 were refused: {}", refused.len(), refused[0]);
    assert_eq!(
        server.read(&format!("ledger?min_revision={}", before + 240))["revision"],
        before + 240
    );
}

/// The correction on another server counts, although this one has not seen it yet: restoring the
/// old value is a change.
#[test]
fn a_figure_just_corrected_by_another_process_is_not_reported_as_unchanged() {
    let server = Server::start();
    let other = Other::beside(&server);
    for value in (0..20).step_by(2) {
        let first =
            server.record("travinh", &[(OUTGOING, "2021-10", value)])["revision"].as_i64().unwrap();
        other.read(&format!("units?limit=1&min_revision={first}"));
        server.record("travinh", &[(OUTGOING, "2021-10", value + 1)]);
        // Sent after the response to the correction.
        let back =
            other.post(&json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", value)] }));
        assert_eq!(back.status, 201, "{value} was treated as unchanged: {}", back.text());
        let revision = back.json()["revision"].as_i64().unwrap();
        let stands = server.read(&format!("observations?unit=travinh&min_revision={revision}"));
        assert_eq!(stands["observations"][0]["value"], value, "the value sent last is current");
    }
}

#[test]
fn a_month_just_reopened_by_another_process_can_be_closed() {
    let server = Server::start();
    let other = Other::beside(&server);
    let change = |api: &Api, what: &str| {
        api.post_bytes(&format!("periods/2021-10/{what}"), "application/json", b"").expect(200)
    };
    for round in 0..8 {
        let closed = change(&server, "close?force=true")["revision"].as_i64().unwrap();
        other.read(&format!("periods?min_revision={closed}"));
        let reopened = change(&server, "reopen")["revision"].as_i64().unwrap();
        let answer = change(&other, "close?force=true");
        assert_eq!(
            (&answer["changed"], answer["revision"].as_i64() > Some(reopened)),
            (&json!(["2021-10"]), true),
            "round {round}: {answer}"
        );
        let months = server.read(&format!("periods?min_revision={}", reopened + 1));
        assert_eq!(months["periods"].as_array().unwrap().len(), 1, "round {round}");
    }
}

#[test]
fn a_unit_just_reset_by_another_process_is_changed_again() {
    let server = Server::start();
    let other = Other::beside(&server);
    let put = |api: &Api, kind: &str| {
        api.put(
            "units",
            &json!({ "units": [{
            "code": "u", "kind": kind,
        }] }),
        )
        .expect(200)["revision"]
            .as_i64()
            .unwrap()
    };
    for round in 0..8 {
        let first = put(&server, "commune");
        other.read(&format!("units?code=u&min_revision={first}"));
        let second = put(&server, "district");
        assert!(put(&other, "commune") > second, "round {round}");
        assert_eq!(
            server.read(&format!("units?code=u&min_revision={}", second + 1))["units"][0]["kind"],
            "commune",
            "round {round}"
        );
    }
}

/// Errors, too, are decided by the ledger and not by what this server has seen of it.
#[test]
fn an_error_just_fixed_by_another_process_is_not_reported() {
    let server = Server::start();
    let other = Other::beside(&server);
    for round in 0..6 {
        let (unit, month) = (format!("u{round}"), format!("2021-{:02}", round + 1));
        server.put_units(&json!([{ "code": unit }]));
        let reply = other.post(&json!({ "observations": [figure(OUTGOING, &unit, &month, 1)] }));
        assert_eq!(reply.status, 201, "a unit of a moment ago: {}", reply.text());
        server.put_units(&json!([{ "code": format!("p{round}") }]));
        let reply = other.put(
            "units",
            &json!({ "units": [{ "code": format!("c{round}"), "parent": format!("p{round}") }] }),
        );
        assert_eq!(reply.status, 200, "a parent of a moment ago: {}", reply.text());
        let mut catalogue = server.read("catalogue");
        catalogue["rules"].as_array_mut().unwrap().pop();
        let mut catalogue = server.put("catalogue", &catalogue).expect(200);
        catalogue["rules"].as_array_mut().unwrap().pop();
        let reply = other.put("catalogue", &catalogue);
        assert_eq!(reply.status, 200, "made from a version of a moment ago: {}", reply.text());
        let closed = server
            .post_bytes(&format!("periods/{month}/close?force=true"), "application/json", b"")
            .expect(200)["revision"]
            .as_i64()
            .unwrap();
        other.read(&format!("periods?min_revision={closed}"));
        server.post_bytes(&format!("periods/{month}/reopen"), "application/json", b"").expect(200);
        let reply = other.post(&json!({ "observations": [figure(OUTGOING, &unit, &month, 2)] }));
        assert_eq!(reply.status, 201, "a month reopened a moment ago: {}", reply.text());
    }
}

/// While a server starts, others record; it does not lose what they record between its loading and
/// its first poll.
#[test]
fn a_server_that_starts_while_another_writes_misses_nothing() {
    let server = Server::start();
    // Enough figures that loading takes some time.
    for year in 1990..=2019 {
        let mut csv = "indicator,unit,period,value\n".to_owned();
        for month in 1..=12 {
            for unit in ["travinh", "tv.cdc", "tv.dof", "tv.dic", "tv.inspectorate"] {
                for indicator in [
                    OUTGOING,
                    SIGNED,
                    "ioffice.users.created",
                    "pki.certificates.issued",
                    "igate.dossiers.resolved",
                ] {
                    csv.push_str(&format!("{indicator},{unit},{year}-{month:02},{month}\n"));
                }
            }
        }
        server.post_csv("observations", &csv).expect(201);
    }
    for round in 0..8 {
        let (started, done) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let (server, started, done) = (&server, &started, &done);
            let writing = scope.spawn(move || {
                let mut value = 0;
                while !done.load(Ordering::Relaxed) {
                    value += 1;
                    server.record("tv.cdc", &[(OUTGOING, "2021-10", value + 1_000_000 * round)]);
                    started.store(true, Ordering::Relaxed);
                }
                server.revision()
            });
            eventually("writing", Duration::from_secs(15), || started.load(Ordering::Relaxed));
            // In each round the writing ends at another point of the start.
            let stopping = scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(10 + 25 * u64::try_from(round).unwrap()));
                done.store(true, Ordering::Relaxed);
            });
            let other = Other::beside(server);
            stopping.join().unwrap();
            let last = writing.join().unwrap();
            eventually(&format!("level in round {round}"), WITHIN_A_SECOND, || {
                other.revision() == last
            });
        });
    }
}

/// A withdrawal of nothing names a measure without figures; another transaction names another new
/// measure at the same time. The numbers of measures in the ledger must stay without gaps.
#[test]
fn a_withdrawal_of_nothing_beside_a_first_figure_leaves_the_ledger_sound() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    for number in 0..240 {
        catalogue["indicators"].as_array_mut().unwrap().push(
            json!({ "code": format!("x.n{number}"), "kind": "flow", "unit_of_measure": "count" }),
        );
    }
    server.put("catalogue", &catalogue).expect(200);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let api = Api::of(&server.host);
            scope.spawn(move || {
                for number in (thread..240).step_by(8) {
                    // Even numbers are withdrawn and never reported.
                    let value = if thread % 2 == 0 { Value::Null } else { json!(1) };
                    let reply = api.post(&json!({ "observations": [
                        figure(&format!("x.n{number}"), "travinh", "2021-10", value),
                    ] }));
                    assert_eq!(
                        reply.status,
                        if thread % 2 == 0 { 200 } else { 201 },
                        "{}",
                        reply.text()
                    );
                }
            });
        }
    });
    let digest = server.read("ledger?digest=true");
    run(&["verify", "--database", &server.address()]).expect(0);
    assert_eq!(server.restarted().read("ledger?digest=true"), digest);
}

#[test]
fn a_repeated_request_is_answered_when_its_figures_can_be_read_also_from_another_server() {
    let server = Server::start();
    let other = Other::beside(&server);
    for n in 0..20 {
        let month = format!("{}-{:02}", 2000 + n / 12, n % 12 + 1);
        let body = json!({ "observations": [figure(OUTGOING, "travinh", &month, n)] }).to_string();
        let key = format!("repeated-{n}");
        let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
        let first = server.send("POST", "observations", &headers, Some(body.as_bytes()));
        let again = other.send("POST", "observations", &headers, Some(body.as_bytes()));
        assert_eq!(first.expect(201)["revision"], again.expect(201)["revision"]);
        let found = other.point(OUTGOING, "travinh", &month);
        assert_eq!(found["value"], n, "{month}");
        let unit = format!("u{n:02}");
        let body = json!({ "units": [{ "code": unit }] }).to_string();
        let first = server.send("PUT", "units", &headers, Some(body.as_bytes()));
        let again = other.send("PUT", "units", &headers, Some(body.as_bytes()));
        assert_eq!(first.expect(200)["revision"], again.expect(200)["revision"]);
        assert_eq!(other.get(&format!("scorecard?unit={unit}&period=2021-10")).status, 200);
    }
}
