//! The audit log: every change with sender, time and address, covered by the hash chain.

use egov_kpi::api::access::{AccessSettings, TrustedProxies};
use egov_kpi::auth::role::Role;
use serde_json::{Value, json};

use crate::harness::{has, run};
use crate::support::{Guarded, OWN, one};

fn changes(reply: &Value) -> Vec<Value> {
    reply["changes"].as_array().unwrap().clone()
}

#[test]
fn every_sort_of_change_says_who_when_and_from_where() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    let issued = server.issue(Role::Steward, None);
    let steward = server.by(&issued.key);
    let agent = [("user-agent", "ledger-test/1")];
    let sent = steward
        .send_with("POST", "observations", &agent, Some(&one(OWN, "2021-10", 1)))
        .expect(201);
    steward
        .send_with(
            "DELETE",
            &format!("submissions/{}", sent["submission"].as_str().unwrap()),
            &agent,
            None,
        )
        .expect(201);
    steward
        .send_with("PUT", "units", &agent, Some(&json!({ "units": [{ "code": "u" }] })))
        .expect(200);
    let mut catalogue = steward.get("catalogue").expect(200);
    catalogue["indicators"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "code": "x.n", "kind": "flow", "unit_of_measure": "count" }));
    steward.send_with("PUT", "catalogue", &agent, Some(&catalogue)).expect(200);
    steward
        .send_with(
            "PUT",
            "targets",
            &agent,
            Some(&json!({ "targets": [{ "code": "t", "measure": "x.n", "value": "5" }] })),
        )
        .expect(200);
    steward
        .send_with(
            "PUT",
            "annotations",
            &agent,
            Some(&json!({ "annotations": [{
            "code": "a", "unit": OWN, "from": "2021-10", "text": "x",
        }] })),
        )
        .expect(200);
    steward
        .send_with("POST", "periods/2021-09/close?force=true&reason=reported", &agent, None)
        .expect(200);
    steward.send_with("POST", "periods/2021-09/reopen", &agent, None).expect(200);
    admin.send("DELETE", &format!("keys/{}", issued.view.id), None).expect(200);
    let all = admin.get("audit").expect(200);
    let kinds: Vec<String> =
        changes(&all).iter().map(|change| change["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        kinds,
        [
            "catalogue",
            "units",
            "keys",
            "keys",
            "submission",
            "withdrawal",
            "units",
            "catalogue",
            "targets",
            "annotations",
            "closing",
            "reopening",
            "keys"
        ]
    );
    let id = &issued.view.id;
    for change in &changes(&all)[4..12] {
        has(
            change,
            &json!({
                "actor": format!("steward of all ({id})"), "key": id, "signed_in": "key",
                "address": "127.0.0.1", "agent": "ledger-test/1",
            }),
        );
        assert!(change["recorded_at"].is_string() && change["hash"].as_str().unwrap().len() == 64);
    }
    has(
        &changes(&all)[0],
        &json!({ "actor": "seed", "signed_in": "command", "address": null, "key": null }),
    );
    has(
        &changes(&all)[12],
        &json!({ "declarations": [id], "signed_in": "key", "reason": format!("revoked {id}") }),
    );
    has(
        &changes(&all)[3],
        &json!({ "declarations": [id], "reason": format!("issued {id}: steward") }),
    );
    has(&changes(&all)[10], &json!({ "reason": "reported", "periods": ["2021-09"] }));
    has(&changes(&all)[6], &json!({ "units": ["u"] }));
    // The history that readers see contains no addresses.
    let revisions = admin.get("revisions").text();
    assert!(!revisions.contains("127.0.0.1") && !revisions.contains("ledger-test"), "{revisions}");
    let home = server.stop();
    run(&["verify", "--database", &home.address()]).expect(0);
}

#[test]
fn the_audit_is_narrowed_paged_and_written_as_a_table() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    let issued = server.issue(Role::Reporter, Some(OWN));
    let reporter = server.by(&issued.key);
    for value in 0..5 {
        reporter.post(OWN, "2021-10", value).expect(201);
        server.issue(Role::Reader, None);
    }
    let of = |query: &str| changes(&admin.get(&format!("audit?{query}")).expect(200));
    assert_eq!(of("kind=submission").len(), 5);
    assert_eq!(of("kind=keys").len(), 7);
    assert_eq!(of(&format!("key={}", issued.view.id)).len(), 5);
    assert_eq!(of("address=127.0.0.1").len(), 5);
    assert_eq!(of("address=127.0.0.2").len(), 0);
    assert_eq!(of("actor=test").len(), 7);
    let all = of("");
    assert_eq!(of("after=4").len(), all.len() - 4);
    // By time: from one change, and up to it.
    let middle = &all[6];
    let time = middle["recorded_at"].as_str().unwrap();
    assert_eq!(of(&format!("from={time}"))[0], *middle);
    assert_eq!(of(&format!("to={time}")).len(), 6);
    assert_eq!(of(&format!("from={time}&to={time}")).len(), 0);
    // Page by page, with a filter that skips many changes.
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("audit?kind=submission&limit=2{cursor}")).expect(200);
        found.extend(changes(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(found, of("kind=submission"));
    let table = admin.get("audit?format=csv&kind=submission").text();
    let mut lines = table.lines();
    assert_eq!(
        lines.next().unwrap(),
        "revision,recorded_at,kind,actor,signed_in,key,address,agent,reason,submission,\
         catalogue_version,changed"
    );
    assert_eq!(lines.count(), 5);
    assert_eq!(admin.get("audit?format=xlsx").status, 200);
    assert_eq!(admin.get("audit?as_of=4").expect(200)["changes"].as_array().unwrap().len(), 4);
    assert_eq!(
        admin.get("audit?from=yesterday&after=-1&more=1").faults(422),
        ["/after out_of_range", "/from malformed", "/more unknown_parameter"]
    );
}

#[test]
fn the_address_is_the_clients_behind_a_proxy_that_is_trusted_and_the_proxys_otherwise() {
    let forwarded = |server: &Guarded, value: &str| {
        let admin = server.holder(Role::Admin, None);
        admin
            .send_with(
                "PUT",
                "units",
                &[("x-forwarded-for", value)],
                Some(&json!({ "units": [{ "code": "u" }] })),
            )
            .expect(200);
        changes(&admin.get("audit?kind=units").expect(200)).pop().unwrap()["address"].clone()
    };
    assert_eq!(forwarded(&Guarded::new(), "192.0.2.7"), "127.0.0.1");
    let trusting = AccessSettings {
        forwarding: TrustedProxies {
            proxies: vec!["127.0.0.1".parse().unwrap()],
            by_forwarded: false,
        },
        ..AccessSettings::default()
    };
    assert_eq!(forwarded(&Guarded::with(trusting), "1.1.1.1, 192.0.2.7"), "192.0.2.7");
}

#[test]
fn a_refusal_is_counted_and_leaves_nothing_in_the_ledger() {
    let server = Guarded::new();
    let (admin, reporter) =
        (server.holder(Role::Admin, None), server.holder(Role::Reporter, Some(OWN)));
    let revision = admin.get("ledger").expect(200)["revision"].clone();
    let metrics = || admin.get("/metrics").text();
    let count = |reason: &str| {
        let line = format!("egov_kpi_auth_failures_total{{reason=\"{reason}\"}} ");
        metrics()
            .lines()
            .find_map(|text| text.strip_prefix(&line)?.parse::<u64>().ok())
            .unwrap_or(0)
    };
    server.get("units").problem(401);
    server.by("ek_0123456789_x").get("units").problem(401);
    server.send("GET", "units", &[("authorization", "nonsense")], None).problem(401);
    reporter.get("keys").problem(403);
    reporter.post("tv.dic", "2021-10", 1).problem(403);
    for reason in ["missing", "unknown", "malformed", "role", "scope"] {
        assert_eq!(count(reason), 1, "{reason}: {}", metrics());
    }
    assert_eq!(admin.get("ledger").expect(200)["revision"], revision);
}
