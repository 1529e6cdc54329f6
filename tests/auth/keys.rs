//! Keys from creation to revocation: on the command line and through the API.

use egov_kpi::auth::role::Role;
use serde_json::{Value, json};

use crate::harness::{Served, WITHIN_A_SECOND, eventually, has, run};
use crate::home::Home;
use crate::support::{FOREIGN, Guarded, OWN, one, sleep_past};

fn is_key(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(3, '_').collect();
    parts.len() == 3 && parts[0] == "ek" && parts[1].len() == 10 && parts[2].len() == 43
}

#[test]
fn the_command_line_makes_lists_replaces_and_revokes_keys() {
    let home = Home::new();
    let address = home.address();
    let keys =
        |arguments: &[&str]| run(&[&["keys"], arguments, &["--database", &address]].concat());
    let made = keys(&["add", "--name", "Quản trị", "--role", "admin"]);
    let admin = made.expect(0).trim_end().to_owned();
    assert!(is_key(&admin), "only the key is on standard output: {admin:?}");
    assert!(made.err().contains("Quản trị") && !made.err().contains(&admin));
    let reporter = keys(&[
        "add",
        "--name",
        "Finance",
        "--role",
        "reporter",
        "--unit",
        OWN,
        "--expires",
        "30d",
    ])
    .expect(0)
    .trim_end()
    .to_owned();
    let id = reporter.split('_').nth(1).unwrap().to_owned();
    let listed = keys(&["list"]).expect(0);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(
        listed.contains("Quản trị")
            && listed.contains(OWN)
            && listed.contains(&id)
            && !listed.contains(&reporter),
        "{listed}"
    );
    let served = Served::start(&address);
    let send = |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        served
            .api
            .send(
                "POST",
                "observations",
                &headers,
                Some(one(OWN, "2021-10", 7).to_string().as_bytes()),
            )
            .status
    };
    assert_eq!((send(&admin), send(&reporter)), (201, 200));
    // While the server runs.
    let fresh = keys(&["rotate", &id, "--overlap", "1d"]).expect(0).trim_end().to_owned();
    eventually("accepted", WITHIN_A_SECOND, || send(&fresh) == 200);
    assert_eq!(send(&reporter), 200, "the old key stays valid");
    keys(&["revoke", &id]).expect(0);
    eventually("revoked", WITHIN_A_SECOND, || send(&reporter) == 401);
    assert_eq!(send(&fresh), 200);
    assert!(
        keys(&["list"])
            .expect(0)
            .lines()
            .any(|line| line.contains(&id) && line.contains("revoked"))
    );
    // A lost admin key is replaced here.
    let found =
        keys(&["add", "--name", "again", "--role", "admin"]).expect(0).trim_end().to_owned();
    eventually("accepted", WITHIN_A_SECOND, || send(&found) == 200);
    drop(served);
    run(&["verify", "--database", &address]).expect(0);
}

#[test]
fn invalid_key_options_are_reported_on_the_command_line() {
    let home = Home::new();
    let address = home.address();
    let keys =
        |arguments: &[&str]| run(&[&["keys"], arguments, &["--database", &address]].concat());
    keys(&["add", "--name", "x", "--role", "admin"]).expect(0);
    for (arguments, code, expected) in [
        (&["add", "--name", "x", "--role", "boss"][..], 2, "boss"),
        (&["add", "--name", "x", "--role", "reporter"], 1, "a reporter needs a unit"),
        (&["add", "--name", "x", "--role", "reporter", "--unit", "nowhere"], 1, "there is no unit"),
        (
            &["add", "--name", "x", "--role", "admin", "--unit", OWN],
            1,
            "only a reporter has a unit",
        ),
        (&["add", "--name", "", "--role", "admin"], 1, "the name must have 1 to 100 characters"),
        (&["add", "--name", "x", "--role", "admin", "--expires", "2020-01-01"], 1, "in the future"),
        (&["add", "--name", "x", "--role", "admin", "--expires", "soon"], 2, "--expires soon"),
        (&["revoke", "nothing"], 1, "there is no key"),
        (&["rotate", "nothing"], 1, "there is no key"),
        (&["rotate", "nothing", "--overlap", "long"], 2, "--overlap long"),
    ] {
        let ran = keys(arguments);
        assert_eq!(ran.expect(code), "", "{arguments:?}");
        assert!(ran.err().contains(expected), "{expected} is not in: {}", ran.err());
    }
    run(&["keys", "list", "--database", &format!("sqlite://{}/nothing.db", home.path().display())])
        .expect(2);
}

#[test]
fn the_api_makes_a_key_and_shows_it_once() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    let made = admin.send(
        "POST",
        "keys",
        Some(&json!({
            "name": "Văn phòng", "role": "reporter", "unit": OWN, "expires_at": "2100-01-01",
        })),
    );
    assert_eq!(
        made.faults(422),
        ["/expires_at out_of_range"],
        "no key lives longer than ten years"
    );
    let made = admin.send(
        "POST",
        "keys",
        Some(&json!({ "name": "Văn phòng", "role": "reporter", "unit": OWN, "expires_at": "90d" })),
    );
    assert_eq!(
        (made.header("cache-control"), made.header("location")),
        ("no-store", "/api/v1/keys")
    );
    let made = made.expect(201);
    let key = made["key"].as_str().unwrap().to_owned();
    assert!(is_key(&key));
    has(
        &made,
        &json!({
            "name": "Văn phòng", "role": "reporter", "unit": OWN, "state": "active",
            "revoked_at": null, "replaces": null, "last_used_at": null,
        }),
    );
    let listed = admin.get("keys");
    assert!(
        !listed.text().contains(&key) && !listed.text().contains("\"hash\""),
        "{}",
        listed.text()
    );
    let of = |listed: &Value, id: &str| {
        listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == id).cloned().unwrap()
    };
    let id = made["id"].as_str().unwrap();
    assert_eq!(of(&listed.expect(200), id)["last_used_at"], Value::Null);
    let holder = server.by(&key);
    holder.post(OWN, "2021-10", 3).expect(201);
    let used = of(&admin.get("keys").expect(200), id);
    assert!(used["last_used_at"].is_string() && used["last_used_from"] == "127.0.0.1", "{used}");
    // A repeated request does not get the first response: the secret would have to be stored for
    // that.
    let twice = || {
        admin
            .send_with(
                "POST",
                "keys",
                &[("idempotency-key", "one")],
                Some(&json!({ "name": "x", "role": "reader" })),
            )
            .expect(201)["key"]
            .clone()
    };
    assert_ne!(twice(), twice());
    let faults = admin.send(
        "POST",
        "keys",
        Some(&json!({
            "name": "x\u{7}", "role": "admin", "unit": OWN, "expires_at": "2020-01-01T00:00:00Z",
        })),
    );
    assert_eq!(
        faults.faults(422),
        ["/expires_at out_of_range", "/name malformed", "/unit not_applicable"]
    );
    for (body, fault) in [
        (json!({ "name": "x", "role": "boss" }), "/role malformed"),
        (json!({ "name": "x" }), " malformed"),
        (json!({ "name": "x", "role": "reader", "more": 1 }), "/more malformed"),
        (json!({ "name": "x", "role": "reader", "expires_at": "soon" }), "/expires_at malformed"),
        (json!({ "name": "x", "role": "reporter", "unit": "nowhere" }), "/unit unknown_unit"),
        (json!({ "name": "x", "role": "reporter" }), "/unit missing"),
    ] {
        assert_eq!(admin.send("POST", "keys", Some(&body)).faults(422), [fault], "{body}");
    }
}

#[test]
fn a_key_is_replaced_with_an_overlap_and_its_holder_stays_the_same() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    let old = server.issue(Role::Reporter, Some(OWN));
    let holder = server.by(&old.key);
    let body = one(OWN, "2021-10", 5);
    let sent = |holder: &crate::support::Holder| {
        holder.send_with("POST", "observations", &[("idempotency-key", "once")], Some(&body))
    };
    let first = sent(&holder).expect(201);
    let made = admin
        .send("POST", &format!("keys/{}/rotate", old.view.id), Some(&json!({ "overlap_days": 1 })))
        .expect(201);
    has(
        &made,
        &json!({ "role": "reporter", "unit": OWN, "replaces": old.view.id, "name": old.view.name }),
    );
    let fresh = server.by(made["key"].as_str().unwrap());
    // The same holder gets its first response again with either key, and can withdraw with one key
    // what it sent with the other.
    assert_eq!(
        (sent(&fresh).expect(201), sent(&holder).expect(201)),
        (first.clone(), first.clone())
    );
    fresh
        .send("DELETE", &format!("submissions/{}", first["submission"].as_str().unwrap()), None)
        .expect(201);
    // Only once, so that no replaced key stays valid beyond the overlap.
    let id = made["id"].as_str().unwrap();
    let again = admin.send("POST", &format!("keys/{}/rotate", old.view.id), None).problem(409);
    assert!(again["detail"].as_str().unwrap().contains(id), "{again}");
    // With an overlap of 0, at once.
    let last = admin
        .send("POST", &format!("keys/{id}/rotate"), Some(&json!({ "overlap_days": 0 })))
        .expect(201);
    assert_eq!(fresh.get("me").problem(401)["detail"], "this key has expired");
    server.by(last["key"].as_str().unwrap()).me();
    // An expired key cannot be replaced.
    admin.send("POST", &format!("keys/{id}/rotate"), None).problem(409);
    admin.send("POST", "keys/nothing/rotate", None).problem(404);
    assert_eq!(
        admin
            .send("POST", &format!("keys/{id}/rotate"), Some(&json!({ "overlap_days": 4000 })))
            .faults(422),
        ["/overlap_days out_of_range"]
    );
}

#[test]
fn a_key_ends_at_its_expiry_and_when_revoked() {
    let server = Guarded::new();
    let admin = server.holder(Role::Admin, None);
    let end = chrono::Utc::now() + chrono::Duration::milliseconds(700);
    let made = admin
        .send(
            "POST",
            "keys",
            Some(&json!({ "name": "short", "role": "reader", "expires_at": end.to_rfc3339() })),
        )
        .expect(201);
    let short = server.by(made["key"].as_str().unwrap());
    assert_eq!(short.me()["expires_at"], made["expires_at"]);
    sleep_past(end.timestamp_micros());
    assert_eq!(short.get("me").problem(401)["detail"], "this key has expired");
    let other = server.issue(Role::Reader, None);
    has(
        &admin.send("DELETE", &format!("keys/{}", other.view.id), None).expect(200),
        &json!({ "state": "revoked", "id": other.view.id }),
    );
    assert_eq!(server.by(&other.key).get("me").problem(401)["detail"], "this key was revoked");
    // A second revocation changes nothing.
    let revision = admin.get("keys").expect(200)["revision"].clone();
    admin.send("DELETE", &format!("keys/{}", other.view.id), None).expect(200);
    assert_eq!(admin.get("keys").expect(200)["revision"], revision);
    admin.send("DELETE", "keys/nothing", None).problem(404);
    // Without the whole key a client learns nothing about it.
    let cut = &other.key[..other.key.len() - 1];
    assert_eq!(server.by(cut).get("me").problem(401)["detail"], "unknown key");
    let id = &other.view.id;
    assert_eq!(server.by(&format!("ek_{id}_")).get("me").problem(401)["detail"], "unknown key");
}

#[test]
fn me_returns_identity_and_write_permissions() {
    let server = Guarded::new();
    // Until the first key exists everybody on this machine has all permissions, and `/me` says so.
    let me = server.read("me");
    has(
        &me,
        &json!({
            "name": "anonymous", "role": "admin", "signed_in": "nobody", "key": null,
            "writes_every_unit": true,
        }),
    );
    assert!(me["notice"].as_str().unwrap().contains("keys add"));
    let steward = server.holder(Role::Steward, None);
    server.get("me").problem(401);
    steward.send("POST", "periods/2021-09/close?force=true", None).expect(200);
    let issued = server.issue(Role::Reporter, Some("travinh"));
    let me = server.by(&issued.key).me();
    has(
        &me,
        &json!({
            "name": "reporter of travinh",
            "actor": format!("reporter of travinh ({})", issued.view.id), "role": "reporter",
            "signed_in": "key", "key": issued.view.id, "unit": "travinh",
            "writes_every_unit": false, "writes_closed_periods": false,
            "closed_periods": ["2021-09"], "notice": null,
        }),
    );
    let units: Vec<&str> =
        me["units"].as_array().unwrap().iter().map(|unit| unit.as_str().unwrap()).collect();
    assert!(units[0] == "travinh" && units.contains(&OWN) && units.contains(&FOREIGN), "{units:?}");
    assert_eq!(server.holder(Role::Reporter, Some(OWN)).me()["units"], json!([OWN]));
    has(
        &steward.me(),
        &json!({
            "role": "steward", "units": [], "writes_every_unit": true,
            "writes_closed_periods": true,
        }),
    );
    has(
        &server.holder(Role::Reader, None).me(),
        &json!({
            "role": "reader", "units": [], "writes_every_unit": false,
            "writes_closed_periods": false,
        }),
    );
}

#[test]
fn key_usage_survives_a_restart() {
    let server = Guarded::new();
    let (admin, reader) = (server.issue(Role::Admin, None), server.issue(Role::Reader, None));
    server.by(&reader.key).me();
    let home = server.stop();
    let server = Guarded::over(home, egov_kpi::api::access::AccessSettings::default());
    let listed = server.by(&admin.key).get("keys").expect(200);
    let used =
        listed["keys"].as_array().unwrap().iter().find(|key| key["id"] == reader.view.id).unwrap();
    assert!(used["last_used_at"].is_string(), "{used}");
}
