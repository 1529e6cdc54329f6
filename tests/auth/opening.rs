//! When the service starts, and when it refuses to start.

use std::time::Duration;

use egov_kpi::api::access::AccessSettings;
use egov_kpi::auth::role::Role;
use egov_kpi::server::{self, ServerSettings};

use crate::harness::{Api, program, run, setup_token, wait};
use crate::home::Home;
use crate::support::{Guarded, Kept, issue};

/// Starts `serve` where other machines could reach it; returns how it ended, or that it served.
fn serve(
    home: &Home,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<String, (Option<i32>, String)> {
    let mut command = program();
    command
        .args(["serve", "--listen", "0.0.0.0:0", "--database", &home.address()])
        .args(arguments)
        .envs(environment.iter().copied());
    let told = home.path().join("told");
    let mut served = Kept::spawn(command.stderr(std::fs::File::create(&told).unwrap()));
    let line = served.line();
    if line.is_empty() {
        return Err((served.ended(), std::fs::read_to_string(&told).unwrap()));
    }
    Ok(line)
}

#[test]
fn serving_other_machines_requires_an_admin_key() {
    let home = Home::new();
    let (code, shown) = serve(&home, &[], &[]).unwrap_err();
    assert_eq!(code, Some(2), "{shown}");
    for word in ["keys add", "EGOV_KPI_ADMIN_KEY_FILE", "127.0.0.1"] {
        assert!(shown.contains(word), "{word} is not in: {shown}");
    }
    // A reader cannot create keys for others, and a revoked admin key does not count.
    run(&["keys", "add", "--name", "r", "--role", "reader", "--database", &home.address()])
        .expect(0);
    let admin =
        run(&["keys", "add", "--name", "a", "--role", "admin", "--database", &home.address()])
            .expect(0);
    run(&["keys", "revoke", admin.split('_').nth(1).unwrap(), "--database", &home.address()])
        .expect(0);
    assert_eq!(serve(&home, &[], &[]).unwrap_err().0, Some(2));
    run(&[
        "keys",
        "add",
        "--name",
        "a",
        "--role",
        "admin",
        "--expires",
        "1d",
        "--database",
        &home.address(),
    ])
    .expect(0);
    assert!(serve(&home, &[], &[]).unwrap().starts_with("listening on http://0.0.0.0:"));
}

#[test]
fn the_first_admins_key_can_come_from_a_file() {
    let home = Home::new();
    let file = home.path().join("admin.key");
    let named = [("EGOV_KPI_ADMIN_KEY_FILE", file.to_str().unwrap())];
    let (code, shown) = serve(&home, &[], &named).unwrap_err();
    assert!(code == Some(2) && shown.contains("admin.key"), "a missing file: {shown}");
    for wrong in [
        "",
        "short",
        "two words that are long enough for a key of an admin",
        "ek_0123456789_0123456789012345678901234567890123456789012",
    ] {
        std::fs::write(&file, wrong).unwrap();
        let (code, shown) = serve(&home, &[], &named).unwrap_err();
        assert!(code == Some(2) && shown.contains("openssl rand -hex 32"), "{wrong}: {shown}");
        assert!(wrong.len() < 6 || !shown.contains(wrong), "{shown}");
    }
    std::fs::write(&file, format!("{}\n", "a1".repeat(32))).unwrap();
    assert!(serve(&home, &[], &named).is_ok());
    let address = home.address();
    let start = || {
        let address = address.clone();
        let settings =
            ServerSettings { admin_key: Some(file.clone()), ..ServerSettings::at("127.0.0.1:0") };
        server::start(
            &settings,
            move || server::open(&address, egov_kpi::clock::Clock::default()),
            |_| {},
        )
        .unwrap()
    };
    let status = |running: &server::RunningServer, key: &str| {
        Api::of(&running.address.to_string())
            .send("GET", "keys", &[("authorization", &format!("Bearer {key}"))], None)
            .status
    };
    let running = start();
    assert_eq!(status(&running, &"a1".repeat(32)), 200);
    let revision = running.app().revision();
    running.stop();
    // The same file changes nothing; other content is another key, and the old one is rejected.
    let running = start();
    assert_eq!(running.app().revision(), revision);
    running.stop();
    std::fs::write(&file, "b2".repeat(32)).unwrap();
    let running = start();
    assert_eq!(
        (status(&running, &"a1".repeat(32)), status(&running, &"b2".repeat(32))),
        (401, 200)
    );
    // A revoked key stays revoked until the file has other content.
    wait(running.app().revoke_key("admin-file", "test")).unwrap();
    assert!(wait(running.app().rotate_key("admin-file", 0, None, "test")).is_err());
    running.stop();
    let running = start();
    assert_eq!(status(&running, &"b2".repeat(32)), 401);
    running.stop();
    assert_eq!(serve(&home, &[], &named).unwrap_err().0, Some(2));
    std::fs::write(&file, "c3".repeat(32)).unwrap();
    assert!(serve(&home, &[], &named).is_ok());
}

#[test]
fn invalid_settings_are_usage_errors() {
    let home = Home::new();
    let issuer = ["--oidc-issuer", "https://sso.example"];
    let own = "https://kpi.example";
    let web = |address: &[&'static str]| {
        let before = [issuer[0], issuer[1], "--oidc-audience", "x", "--oidc-roles", "a=admin"];
        [&before[..], &["--oidc-client-id", "web", "--public-address"], address].concat()
    };
    for (arguments, told) in [
        (&["--trusted-proxies", "proxy"][..], "--trusted-proxies proxy"),
        (&["--open", "everything"], "everything"),
        (&["--oidc-audience", "x"], "--oidc-issuer"),
        (&[issuer[0], issuer[1]], "--oidc-audience"),
        (&[issuer[0], issuer[1], "--oidc-audience", "x"], "--oidc-roles"),
        (&[issuer[0], issuer[1], "--oidc-audience", "x", "--oidc-roles", "a=boss"], "a=boss"),
        (
            &[issuer[0], "http://sso.example", "--oidc-audience", "x", "--oidc-roles", "a=admin"],
            "https",
        ),
        (
            &[
                issuer[0],
                issuer[1],
                "--oidc-audience",
                "x",
                "--oidc-roles",
                "a=admin",
                "--oidc-ca",
                "/nothing",
            ],
            "--oidc-ca",
        ),
        (&["--oidc-client-id", "web"], "--oidc-issuer"),
        (&[issuer[0], issuer[1], "--oidc-client-id", "web"], "--public-address"),
        (&["--oidc-client-secret-file", "/nothing"], "--oidc-client-id"),
        (&web(&["http://kpi.example"]), "--public-address must be the https address"),
        (&web(&["https://kpi.example/kpi"]), "without a path"),
        (&web(&[own, "--oidc-scope", "profile"]), "--oidc-scope must contain openid"),
        (&web(&[own, "--oidc-client-secret-file", "/nothing"]), "client secret file /nothing"),
        (&web(&[own, "--oidc-client-secret-file", "/dev/null"]), "one line of printable"),
        (&["--tls-cert", "/nothing"], "--tls-key"),
        (&["--cors", "dashboard.example"], "--cors dashboard.example"),
        (&["--cors", "https://a.example,https://b.example/path"], "--cors https://b.example/path"),
        (&["--rate-limit", "fast"], "--rate-limit fast"),
        (&["--rate-limit-address", "0"], "--rate-limit-address 0"),
        (&["--connections", "1"], "--connections"),
        (&["--tls-cert", "/nothing", "--tls-key", "/nothing"], "/nothing"),
    ] {
        let (code, said) = serve(&home, arguments, &[]).unwrap_err();
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
    // With single sign-on the service starts without a key in the ledger: the issuer has the
    // admins.
    let arguments = [issuer[0], issuer[1], "--oidc-audience", "x", "--oidc-roles", "a=admin"];
    assert!(
        serve(&home, &arguments, &[("EGOV_KPI_OPEN", "none"), ("EGOV_KPI_PUBLIC_READS", "true")])
            .is_ok()
    );
}

#[test]
fn the_demo_listens_on_this_machine_only_and_says_so() {
    let refused = run(&["demo", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.expect(2), "");
    assert!(refused.err().contains("only listens on this machine"));
    let home = Home::sqlite();
    let told = home.path().join("told");
    let mut command = program();
    let mut shown = Kept::spawn(
        command
            .args(["demo", "--listen", "127.0.0.1:0", "--lang", "en"])
            .stderr(std::fs::File::create(&told).unwrap()),
    );
    let lines = std::io::BufRead::lines(std::io::BufReader::new(shown.0.stdout.as_mut().unwrap()));
    assert!(
        lines.map(Result::unwrap).any(|line| line.starts_with("listening on http://127.0.0.1:"))
    );
    let told = std::fs::read_to_string(&told).unwrap();
    assert!(told.contains("only listens on this machine"), "{told}");
}

#[test]
fn on_this_machine_nobody_needs_a_key_before_the_first_and_everybody_after_it() {
    let server = Guarded::new();
    server.record("tv.dof", &[("ioffice.documents.outgoing", "2021-10", 1)]);
    server.read("keys");
    // A request through a proxy does not come from this machine.
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        server.send("GET", "units", &[(header, "10.0.0.1")], None).problem(401);
    }
    // An invalid key is refused even where no key is needed.
    server.by("ek_0123456789_x").get("units").problem(401);
    let reader = server.holder(Role::Reader, None);
    server.get("units").problem(401);
    server.post_csv("observations", "indicator,unit,period,value\n").problem(401);
    reader.get("units").expect(200);
    // Reads stay closed when the last key has expired.
    let id = reader.me()["key"].as_str().unwrap().to_owned();
    wait(server.app().revoke_key(&id, "test")).unwrap();
    server.get("units").problem(401);
}

/// `serve` on this machine, with its standard error.
fn on_this_machine(home: &Home, arguments: &[&str]) -> (Kept, Api, String) {
    let told = home.path().join("told");
    let mut command = program();
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--database", &home.address()])
        .args(arguments);
    let mut served = Kept::spawn(command.stderr(std::fs::File::create(&told).unwrap()));
    let api = Api::of(served.line().trim_end().strip_prefix("listening on http://").unwrap());
    crate::harness::eventually("ready", Duration::from_secs(20), || {
        api.get("/readyz").status == 200
    });
    (served, api, std::fs::read_to_string(&told).unwrap())
}

#[test]
fn before_the_first_key_reads_are_public_and_writes_need_the_setup_token() {
    let home = Home::new();
    let (served, api, told) = on_this_machine(&home, &[]);
    let token = setup_token(&told).unwrap();
    assert!(token.len() >= 48 && told.matches(&token).count() == 1, "{told}");
    // The request that nginx sends by default: the host is rewritten, and no header shows the
    // client.
    let nginx = [("host", api.host.as_str()), ("connection", "close")];
    let status = |method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>| {
        api.send(method, path, headers, body).status
    };
    for path in [
        "units",
        "catalogue",
        "observations",
        "me",
        "/",
        "/metrics",
        "/docs",
        "/prometheus/api/v1/labels",
    ] {
        assert!([200, 302].contains(&status("GET", path, &nginx, None)), "{path}");
    }
    crate::harness::has(
        &api.read("me"),
        &serde_json::json!({ "name": "anonymous", "role": "reader", "signed_in": "nobody" }),
    );
    assert!(api.read("me")["notice"].as_str().unwrap().contains("one-time token"));
    let body = crate::support::one("tv.dof", "2021-10", 1).to_string();
    let json = ("content-type", "application/json");
    for (method, path) in [
        ("POST", "observations"),
        ("POST", "observations?dry_run=true"),
        ("PUT", "units"),
        ("PUT", "catalogue"),
        ("PUT", "targets"),
        ("PUT", "annotations"),
        ("POST", "reports"),
        ("POST", "workbooks"),
        ("POST", "periods/2019-01/close?force=true"),
        ("POST", "keys"),
        ("POST", "keys/x/rotate"),
        ("DELETE", "keys/x"),
        ("DELETE", "submissions/x"),
        ("GET", "keys"),
        ("GET", "audit"),
    ] {
        let reply = api.send(
            method,
            path,
            &[json],
            (method != "GET" && method != "DELETE").then_some(body.as_bytes()),
        );
        let problem = reply.problem(401);
        assert!(
            problem["detail"].as_str().unwrap().contains("one-time token")
                && problem["detail_vi"].is_string(),
            "{method} {path}: {problem}"
        );
        assert!(!reply.text().contains(&token), "{method} {path}");
    }
    let by = |token: &str| {
        [
            ("authorization", format!("Bearer {token}")),
            ("content-type", "application/json".to_owned()),
        ]
    };
    let send = |token: &str, path: &str, body: &str| {
        let headers = by(token);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        api.send("POST", path, &headers, Some(body.as_bytes()))
    };
    // A similar token is refused; the right one keeps working, however many wrong ones come from
    // this address.
    for wrong in [
        "setup_",
        "setup_x",
        &token[..token.len() - 1],
        &token.to_uppercase(),
        &format!("{token}x"),
    ] {
        send(wrong, "observations", &body).problem(401);
    }
    (0..80).for_each(|_| assert_eq!(send("setup_x", "observations", &body).status, 401));
    assert_eq!(send(&token, "observations", &body).status, 201);
    assert_eq!(
        api.read("revisions?limit=100")["revisions"].as_array().unwrap().last().unwrap()["actor"],
        "setup"
    );
    // The first key invalidates it; from then on reading needs a key as well.
    let made = send(&token, "keys", r#"{"name":"first","role":"admin"}"#).expect(201);
    assert_eq!(api.get("units").status, 401);
    for path in ["observations", "keys"] {
        send(&token, path, &body).problem(401);
    }
    let key = made["key"].as_str().unwrap();
    send(key, "observations", &crate::support::one("tv.dof", "2021-10", 2).to_string()).expect(201);
    let bearer = format!("Bearer {key}");
    let audit = api.send("GET", "audit?kind=keys", &[("authorization", &bearer)], None).expect(200);
    crate::harness::has(
        &audit["changes"][0],
        &serde_json::json!({ "signed_in": "setup", "actor": "setup" }),
    );
    drop(served);
    // Each start prints another token, and none if there is or was a key.
    let (_served, api, told) = on_this_machine(&home, &[]);
    assert_eq!(setup_token(&told), None, "{told}");
    api.get("units").problem(401);
    let other = Home::new();
    let (served, _api, told) = on_this_machine(&other, &["--open", "all"]);
    let second = setup_token(&told).unwrap();
    drop(served);
    let (_served, api, told) = on_this_machine(&other, &[]);
    assert_ne!(setup_token(&told).unwrap(), second);
    assert_eq!(
        api.send(
            "POST",
            "observations",
            &[json, ("authorization", &format!("Bearer {second}"))],
            Some(body.as_bytes())
        )
        .status,
        401
    );
}

#[test]
fn while_the_ledger_loads_no_request_is_authorized() {
    let home = Home::new();
    let address = home.address();
    let app = server::open(&address, egov_kpi::clock::Clock::default()).unwrap();
    let admin = issue(&app, Role::Admin, None);
    app.stop();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let (announce, announced) = std::sync::mpsc::channel();
    let open = move || {
        waits.recv().unwrap();
        server::open(&address, egov_kpi::clock::Clock::default())
    };
    let settings = ServerSettings {
        access: AccessSettings { open: Vec::new(), ..AccessSettings::default() },
        ..ServerSettings::at("127.0.0.1:0")
    };
    let starting = std::thread::spawn(move || {
        server::start(&settings, open, |address| announce.send(address).unwrap())
    });
    let api = Api::of(&announced.recv_timeout(Duration::from_secs(20)).unwrap().to_string());
    let bearer = format!("Bearer {}", admin.key);
    for path in ["units", "keys", "me", "audit", "/prometheus/api/v1/labels"] {
        api.get(path).problem(503);
        api.send("GET", path, &[("authorization", &bearer)], None).problem(503);
    }
    go_on.send(()).unwrap();
    let running = starting.join().unwrap().unwrap();
    assert_eq!(
        (
            api.get("keys").status,
            api.send("GET", "keys", &[("authorization", &bearer)], None).status
        ),
        (401, 200)
    );
    drop(api);
    running.stop();
}
