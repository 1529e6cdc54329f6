//! Single sign-on with an issuer in the test: its keys, key rotation and downtime.

use std::sync::atomic::Ordering;
use std::time::Duration;

use egov_kpi::api::limits::LimitSettings;
use egov_kpi::api::limits::rates::RateLimit;
use egov_kpi::auth::role::Role;
use serde_json::{Value, json};

use crate::harness::{eventually, has};
use crate::issuer::{Issuer, LONG, SHORT, Signer, b64, with, without};
use crate::support::{FOREIGN, OWN};

#[test]
fn a_token_of_the_issuer_signs_somebody_in_with_role_and_unit() {
    let (issuer, signers) =
        (Issuer::start(), [("rsa", Signer::rsa()), ("ec", Signer::ec()), ("ed", Signer::ed())]);
    // The key set also contains keys for other purposes.
    let mut keys: Vec<Value> =
        vec![json!({ "kty": "oct", "kid": "s", "k": "AQAB" }), json!({ "kty": "unknown" })];
    keys.extend(signers.iter().map(|(id, signer)| signer.public(id)));
    issuer.publish(&keys);
    let server = issuer.server(LONG, LONG);
    server.get("units").problem(401);
    for (id, signer) in &signers {
        let reporter =
            server.by(&signer.token(id, &issuer.claims(&["offline_access", "kpi-reporter"])));
        let me = reporter.me();
        has(
            &me,
            &json!({
                "name": "Trần Bình", "actor": "Trần Bình (oidc:u-7)", "role": "reporter",
                "unit": OWN, "signed_in": "token", "key": null, "units": [OWN],
            }),
        );
        assert!(me["expires_at"].is_string());
        reporter.post(OWN, "2021-10", 1);
        reporter.post(FOREIGN, "2021-10", 1).problem(403);
        reporter.get("keys").problem(403);
    }
    let admin = server.by(&signers[0].1.token("rsa", &issuer.claims(&["kpi-reader", "kpi-admin"])));
    // A person known to the issuer creates the first key of the ledger; afterwards both ways work.
    let made =
        admin.send("POST", "keys", Some(&json!({ "name": "n", "role": "reader" }))).expect(201);
    server.by(made["key"].as_str().unwrap()).me();
    assert_eq!(admin.get("audit?kind=keys").expect(200)["changes"][0]["signed_in"], "token");
    assert_eq!(issuer.asked(), 1, "the keys are fetched once");
    // The sender of a submission can withdraw it, even if the issuer has changed the person's name.
    let of = |name: &str| {
        server.by(&signers[1].1.token("ec", &with(&issuer.claims(&["kpi-reporter"]), "name", name)))
    };
    let sent = of("A").post(OWN, "2021-09", 5).expect(201);
    let other = server
        .by(&signers[1].1.token("ec", &with(&issuer.claims(&["kpi-reporter"]), "sub", "u-8")));
    let path = format!("submissions/{}", sent["submission"].as_str().unwrap());
    other.send("DELETE", &path, None).problem(403);
    of("B").send("DELETE", &path, None).expect(201);
}

#[test]
fn a_foreign_misdirected_or_expired_token_is_refused() {
    let (issuer, rsa, ec) = (Issuer::start(), Signer::rsa(), Signer::ec());
    issuer.publish(&[rsa.public("rsa"), ec.public("ec")]);
    let server = issuer.server(LONG, LONG);
    let (now, good) = (chrono::Utc::now().timestamp(), issuer.claims(&["kpi-admin"]));
    let me = |token: &str| server.by(token).get("me");
    assert_eq!(me(&rsa.token("rsa", &good)).status, 200);
    assert_eq!(
        me(&rsa.token_with(&json!({ "alg": "RS256" }), &good)).status,
        200,
        "the only key of its sort needs no name"
    );
    for (claims, within) in [
        (with(&good, "exp", now - 30), true),
        (with(&good, "exp", now - 90), false),
        (with(&good, "nbf", now + 30), true),
        (with(&good, "nbf", now + 90), false),
        (with(&good, "aud", json!(["other", "egov-kpi"])), true),
        (with(&good, "aud", "other"), false),
        (with(&good, "aud", json!([])), false),
        (with(&good, "iss", "https://evil.example"), false),
        (with(&good, "sub", 7), false),
        (with(&good, "sub", ""), false),
        (with(&good, "exp", "later"), false),
        (with(&good, "exp", now as f64 + 300.5), true),
        (with(&good, "exp", now as f64 - 90.5), false),
        (with(&good, "exp", 9_223_372_036_854_775_808_u64), false),
        (with(&good, "exp", u64::MAX), false),
        (with(&good, "exp", 1e300), false),
        (with(&good, "exp", 253_402_300_800_i64), false),
        (with(&good, "exp", json!([now + 300])), false),
        (with(&good, "iss", json!([issuer.address])), false),
        (with(&good, "iss", json!([issuer.address, "https://evil.example"])), false),
        (with(&good, "iss", json!({})), false),
        (without(&good, "exp"), false),
        (without(&good, "aud"), false),
        (without(&good, "iss"), false),
        (without(&good, "sub"), false),
    ] {
        let reply = me(&rsa.token("rsa", &claims));
        assert_eq!(reply.status, if within { 200 } else { 401 }, "{claims}: {}", reply.text());
    }
    let signed = rsa.token("rsa", &good);
    let parts: Vec<&str> = signed.split('.').collect();
    let payload = b64(with(&good, "sub", "u-1").to_string());
    let secret = ring::hmac::Key::new(
        ring::hmac::HMAC_SHA256,
        issuer.keys.lock()[0]["n"].as_str().unwrap().as_bytes(),
    );
    let by_secret =
        format!("{}.{}", b64(json!({ "alg": "HS256", "kid": "rsa" }).to_string()), parts[1]);
    let by_secret = format!("{by_secret}.{}", b64(ring::hmac::sign(&secret, by_secret.as_bytes())));
    for (what, token) in [
        ("another payload", format!("{}.{payload}.{}", parts[0], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("alg none", format!("{}.{}.", b64(r#"{"alg":"none"}"#), parts[1])),
        ("a shared secret", by_secret),
        ("another's key of that name", Signer::ec().token("ec", &good)),
        (
            "one key's algorithm by another's name",
            rsa.token_with(&json!({ "alg": "RS256", "kid": "ec" }), &good),
        ),
        (
            "an algorithm that is not accepted",
            rsa.token_with(&json!({ "alg": "RS512", "kid": "rsa" }), &good),
        ),
        (
            "a header that asks for more",
            rsa.token_with(
                &json!({ "alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": true }),
                &good,
            ),
        ),
        ("an unknown key", rsa.token("unknown", &good)),
        ("no token", "a.b.c".to_owned()),
        ("a token that is too long", rsa.token("rsa", &with(&good, "padding", "x".repeat(20_000)))),
    ] {
        let reply = me(&token);
        assert_eq!(reply.status, 401, "{what}: {}", reply.text());
        assert!(!reply.text().contains(&token), "{what}");
    }
    for roles in [&["admin"][..], &[]] {
        me(&rsa.token("rsa", &issuer.claims(roles))).problem(403);
    }
    // A reporter without a unit can report for none.
    let nowhere = server.by(&rsa.token("rsa", &without(&issuer.claims(&["kpi-reporter"]), "unit")));
    nowhere.post(OWN, "2021-10", 1).problem(403);
}

#[test]
fn keys_that_the_issuer_changes_are_fetched_and_those_known_are_taken_while_it_is_down() {
    let (issuer, first, second) = (Issuer::start(), Signer::ec(), Signer::ec());
    issuer.publish(&[first.public("1")]);
    let server = issuer.server(LONG, SHORT);
    let me = |signer: &Signer, id: &str| {
        server.by(&signer.token(id, &issuer.claims(&["kpi-reader"]))).get("me").status
    };
    assert_eq!((me(&first, "1"), issuer.asked()), (200, 1));
    // An unknown key makes the service fetch the key set: at once, and later again after a pause.
    std::thread::sleep(SHORT);
    for _ in 0..5 {
        assert_eq!(me(&second, "2"), 401);
    }
    assert!(issuer.asked() <= 3, "{} requests for the key set", issuer.asked());
    issuer.publish(&[first.public("1"), second.public("2")]);
    eventually("accepted", Duration::from_secs(15), || me(&second, "2") == 200);
    assert_eq!(me(&first, "1"), 200);
    let asked = issuer.asked();
    // The issuer is down: known keys are accepted; unknown ones may be known to the issuer by now.
    issuer.down.store(true, Ordering::Relaxed);
    std::thread::sleep(SHORT);
    assert_eq!((me(&first, "1"), me(&second, "2"), me(&Signer::ec(), "3")), (200, 200, 503));
    assert_eq!(issuer.asked(), asked);
}

#[test]
fn a_key_that_the_issuer_takes_back_is_of_no_use_once_the_keys_are_fetched_again() {
    let (issuer, first, second) = (Issuer::start(), Signer::ed(), Signer::rsa());
    issuer.publish(&[first.public("1"), second.public("2")]);
    let server = issuer.server(SHORT, SHORT);
    let me = |signer: &Signer, id: &str| {
        server.by(&signer.token(id, &issuer.claims(&["kpi-reader"]))).get("me").status
    };
    assert_eq!((me(&first, "1"), me(&second, "2")), (200, 200));
    issuer.publish(&[second.public("2")]);
    eventually("refused", Duration::from_secs(15), || me(&first, "1") == 401);
    assert_eq!(me(&second, "2"), 200);
    // While the issuer is down, old keys are still accepted.
    issuer.down.store(true, Ordering::Relaxed);
    std::thread::sleep(SHORT * 3);
    assert_eq!((me(&second, "2"), me(&second, "2")), (200, 200));
}

#[test]
fn a_fractional_token_expiry_is_shown_as_an_expiry() {
    let (issuer, signer) = (Issuer::start(), Signer::ec());
    issuer.publish(&[signer.public("1")]);
    let server = issuer.server(LONG, LONG);
    let end = |exp: Value| {
        let token = signer.token("1", &with(&issuer.claims(&["kpi-reader"]), "exp", exp));
        server.by(&token).me()["expires_at"].clone()
    };
    let day = chrono::DateTime::from_timestamp(4_102_444_800, 0).unwrap();
    assert_eq!(end(json!(day.timestamp())), "2100-01-01T00:00:00.000000Z");
    assert_eq!(end(json!(4_102_444_800.5)), "2100-01-01T00:00:00.500000Z");
    assert_eq!(end(json!(4.102_444_8e9)), "2100-01-01T00:00:00.000000Z");
}

#[test]
fn ended_tokens_and_an_unreachable_issuer_are_not_failed_sign_ins() {
    let (issuer, signer) = (Issuer::start(), Signer::ec());
    issuer.publish(&[signer.public("1")]);
    let few = Some(RateLimit {
        count: std::num::NonZeroU32::new(3).unwrap(),
        period: Duration::from_secs(600),
    });
    let server = issuer.server_within(
        LONG,
        SHORT,
        LimitSettings { sign_in: few, ..LimitSettings::default() },
    );
    let now = chrono::Utc::now().timestamp();
    let token = |sub: &str, exp: i64| {
        signer.token("1", &with(&with(&issuer.claims(&["kpi-reader"]), "sub", sub), "exp", exp))
    };
    let me = |token: &str| server.by(token).get("me").status;
    // A browser with an expired token, one for another service, and one that is not valid yet.
    for n in 0..30 {
        assert_eq!(me(&token("u-1", now - 100 - n)), 401);
    }
    assert_eq!(me(&signer.token("1", &with(&issuer.claims(&["kpi-reader"]), "aud", "other"))), 401);
    assert_eq!(
        me(&signer.token("1", &with(&issuer.claims(&["kpi-reader"]), "nbf", now + 1_000))),
        401
    );
    assert_eq!(me(&token("u-1", now + 300)), 200);
    let reader = server.holder(Role::Reader, None);
    reader.me();
    // The issuer is down, and tokens name unknown keys.
    issuer.down.store(true, Ordering::Relaxed);
    std::thread::sleep(SHORT);
    for n in 0..10 {
        assert_eq!(
            me(&Signer::ec().token(&format!("new-{n}"), &issuer.claims(&["kpi-reader"]))),
            503
        );
    }
    assert_eq!((me(&token("u-2", now + 300)), reader.get("me").status), (200, 200));
    // Forged tokens are guesses; a subject that has signed in from here continues with any of its
    // tokens.
    let forged =
        |sub: &str| Signer::ec().token("1", &with(&issuer.claims(&["kpi-reader"]), "sub", sub));
    assert_eq!((0..5).map(|_| me(&forged("u-9"))).collect::<Vec<_>>(), [401, 401, 401, 429, 429]);
    assert_eq!(
        (me(&token("u-1", now + 301)), me(&token("u-2", now + 302)), reader.get("me").status),
        (200, 200, 200)
    );
    assert_eq!((me(&token("u-3", now + 300)), me(&forged("u-1"))), (429, 429));
    assert_eq!(me(&token("u-1", now + 303)), 200);
}

#[test]
fn an_unreachable_issuer_returns_503_and_is_retried() {
    let (issuer, signer) = (Issuer::start(), Signer::ec());
    issuer.publish(&[signer.public("1")]);
    issuer.down.store(true, Ordering::Relaxed);
    let server = issuer.server(LONG, SHORT);
    let holder = server.by(&signer.token("1", &issuer.claims(&["kpi-reader"])));
    let reply = holder.get("me");
    let refused = reply.problem(503);
    assert!(
        reply.header("retry-after").parse::<u64>().unwrap() >= 1
            && refused["detail_vi"].is_string(),
        "{refused}"
    );
    assert!(
        refused["detail"].as_str().unwrap().contains("are not available at the moment"),
        "{refused}"
    );
    // API keys of the ledger work meanwhile.
    server.holder(Role::Reader, None).me();
    issuer.down.store(false, Ordering::Relaxed);
    eventually("accepted", Duration::from_secs(15), || holder.get("me").status == 200);
}

#[test]
fn a_discovery_document_of_another_issuer_is_not_taken() {
    let (issuer, other, signer) = (Issuer::start(), Issuer::start(), Signer::ec());
    issuer.publish(&[signer.public("1")]);
    // The same server under another name: its issuer differs from the configured one.
    let by_name = Issuer { address: issuer.address.replace("127.0.0.1", "localhost"), ..other };
    let server = by_name.server(LONG, LONG);
    server.by(&signer.token("1", &by_name.claims(&["kpi-admin"]))).get("me").problem(503);
    assert_eq!(issuer.asked(), 0);
}
