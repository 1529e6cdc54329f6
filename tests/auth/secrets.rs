//! No secret is ever logged, returned or stored: the program runs with all logging on, and
//! everything is searched afterwards.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::harness::{Api, eventually, program, run};
use crate::home::Home;
use crate::issuer::{Issuer, Signer, parameters, with};
use crate::support::Kept;

/// Signs in at the single sign-on; returns all that nobody else may learn.
fn sign_on(api: &Api, issuer: &Issuer, signer: &Signer, client_secret: &str) -> Vec<String> {
    let access = signer.token("1", &issuer.claims(&["kpi-reader"]));
    let claims = with(&issuer.claims(&[]), "aud", "web");
    let (given, signer) = (access.clone(), signer.clone());
    {
        let mut sign_ons = issuer.sign_ons.lock();
        sign_ons.secret = Some(client_secret.to_owned());
        sign_ons.tokens = Some(Box::new(move |nonce| {
            let id = signer.token("1", &with(&claims, "nonce", nonce));
            json!({ "access_token": given, "id_token": id })
        }));
    }
    let cookie_of = |reply: &crate::harness::Reply| {
        reply.header("set-cookie").split(';').next().unwrap().to_owned()
    };
    let begun = api.get("/sign-in/oidc");
    let place = begun.header("location").to_owned();
    let there = Api::of(issuer.address.strip_prefix("http://").unwrap());
    let back = there.get(place.strip_prefix(&issuer.address).unwrap());
    let back = back.header("location").strip_prefix("http://localhost:8080").unwrap().to_owned();
    let attempt = cookie_of(&begun);
    let signed_in = api.send("GET", &back, &[("cookie", &attempt)], None);
    assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    let session = cookie_of(&signed_in);
    assert_eq!(api.send("GET", "/overview", &[("cookie", &session)], None).status, 200);
    let code = parameters(back.split_once('?').unwrap().1.as_bytes())["code"].clone();
    let state = parameters(place.split_once('?').unwrap().1.as_bytes())["state"].clone();
    let bearer = access.rsplit_once('.').unwrap().1.to_owned();
    let basic = STANDARD.encode(format!("web:{client_secret}"));
    let of_cookie = |cookie: &str| cookie.split_once('=').unwrap().1.to_owned();
    let secret = of_cookie(&attempt).split('.').next().unwrap().to_owned();
    vec![access, bearer, code, state, secret, of_cookie(&session), basic]
}

/// Searches the log and the database for secrets.
fn find_none(home: &Home, log: &std::path::Path, secrets: &[String]) {
    let text = std::fs::read_to_string(log).unwrap();
    assert!(
        text.contains("a request was refused")
            && text.contains("request answered")
            && text.contains("DEBUG"),
        "the log does not contain debug lines"
    );
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{secret} is in the log");
    }
    for file in std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().path()) {
        if file.file_name().unwrap().to_str().unwrap().starts_with("ledger.db") {
            let bytes = std::fs::read(&file).unwrap();
            for secret in secrets {
                assert!(
                    !bytes.windows(secret.len()).any(|part| part == secret.as_bytes()),
                    "{secret} is in {}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn no_key_no_password_and_no_token_is_in_the_log_or_in_the_database() {
    let home = Home::sqlite();
    let address = home.address();
    let admin = run(&["keys", "add", "--name", "a", "--role", "admin", "--database", &address])
        .expect(0)
        .trim_end()
        .to_owned();
    let content = "f1le-".repeat(9);
    let file = home.path().join("admin.key");
    std::fs::write(&file, &content).unwrap();
    let log = home.path().join("log");
    let mut command = program();
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--database",
        &address,
        "--log",
        "trace",
        "--admin-key-file",
        file.to_str().unwrap(),
    ]);
    let (issuer, signer) = (Issuer::start(), Signer::ec());
    issuer.publish(&[signer.public("1")]);
    let client_secret = "cl1ent-".repeat(6);
    let client_file = home.path().join("client.secret");
    std::fs::write(&client_file, &client_secret).unwrap();
    command.args([
        "--oidc-issuer",
        &issuer.address,
        "--oidc-audience",
        "egov-kpi",
        "--oidc-roles",
        "kpi-reader=reader",
        "--oidc-role-claim",
        "realm_access.roles",
        "--oidc-client-id",
        "web",
        "--oidc-client-secret-file",
        client_file.to_str().unwrap(),
        "--public-address",
        "http://localhost:8080",
    ]);
    let mut served = Kept::spawn(command.stderr(std::fs::File::create(&log).unwrap()));
    let line = served.line();
    let api = Api::of(line.trim_end().strip_prefix("listening on http://").unwrap());
    eventually("ready", std::time::Duration::from_secs(20), || {
        api.try_send("GET", "/readyz", &[], None).is_ok_and(|reply| reply.status == 200)
    });
    let ask = |authorization: &str| {
        api.send("GET", "me", &[("authorization", authorization)], None).status
    };
    let token = format!(
        "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.{}.c2lnbmF0dXJlLW9mLWEtdG9rZW4",
        "eyJzdWIiOiJzZWNyZXQtc3ViamVjdCJ9"
    );
    let wrong = "ek_0123456789_wr0ngwr0ngwr0ngwr0ngwr0ngwr0ngwr0ngwr0ng";
    assert_eq!((ask(&format!("Bearer {admin}")), ask(&format!("Bearer {content}"))), (200, 200));
    assert_eq!(
        (
            ask(&format!("Bearer {wrong}")),
            ask(&format!("Bearer {token}")),
            ask(&format!("Nonsense {wrong}"))
        ),
        (401, 401, 401)
    );
    let password = STANDARD.encode(format!("user:{admin}"));
    assert_eq!(
        api.send("GET", "units", &[("authorization", &format!("Basic {password}"))], None).status,
        200
    );
    let made = api.send(
        "POST",
        "keys",
        &[
            ("authorization", &format!("Bearer {admin}")),
            ("content-type", "application/json"),
            ("idempotency-key", "k"),
        ],
        Some(json!({ "name": "b", "role": "reader" }).to_string().as_bytes()),
    );
    let made = made.expect(201)["key"].as_str().unwrap().to_owned();
    assert_eq!(ask(&format!("Bearer {made}")), 200);
    let of_sign_on = sign_on(&api, &issuer, &signer, &client_secret);
    // Not even part of a key in a path is logged: the log contains routes, not paths.
    api.send(
        "DELETE",
        &format!("keys/{made}"),
        &[("authorization", &format!("Bearer {admin}"))],
        None,
    )
    .problem(404);
    kill_process(Pid::from_child(&served.0), Signal::TERM).unwrap();
    assert_eq!(served.ended(), Some(0));
    // A secret may contain the character that separates it from the key's public part.
    let secret = |key: &str| key.splitn(3, '_').last().unwrap_or(key).to_owned();
    let secrets = of_sign_on.into_iter().chain([
        client_secret,
        secret(&admin),
        secret(&made),
        secret(wrong),
        content,
        password,
        token.rsplit_once('.').unwrap().1.to_owned(),
        token,
    ]);
    let secrets: Vec<String> = secrets.collect();
    find_none(&home, &log, &secrets);
    let archive = home.path().join("ledger.zip");
    run(&["export", archive.to_str().unwrap(), "--database", &address]).expect(0);
    run(&["verify", "--database", &address]).expect(0);
}
