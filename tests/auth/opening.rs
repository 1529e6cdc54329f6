//! When the service starts, and when it refuses to.

use std::time::Duration;

use egov_kpi::app::access::Role;
use egov_kpi::http::access::Settings as Access;
use egov_kpi::server::{self, Settings};

use crate::harness::{Api, program, run};
use crate::home::Home;
use crate::support::{Guarded, Kept, issue};

/// Starts `serve` where others could reach it; how it ended, or that it served.
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
fn others_are_served_only_when_somebody_has_an_admins_key() {
    let home = Home::new();
    let (code, told) = serve(&home, &[], &[]).unwrap_err();
    assert_eq!(code, Some(2), "{told}");
    for word in ["keys add", "EGOV_KPI_ADMIN_KEY_FILE", "127.0.0.1"] {
        assert!(told.contains(word), "{word} is not in: {told}");
    }
    // A reader is nobody who could let others in, and an admin whose key was revoked is none.
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
    let (code, told) = serve(&home, &[], &named).unwrap_err();
    assert!(code == Some(2) && told.contains("admin.key"), "a file that is not there: {told}");
    for wrong in [
        "",
        "short",
        "two words that are long enough for a key of an admin",
        "ek_0123456789_0123456789012345678901234567890123456789012",
    ] {
        std::fs::write(&file, wrong).unwrap();
        let (code, told) = serve(&home, &[], &named).unwrap_err();
        assert!(code == Some(2) && told.contains("openssl rand -hex 32"), "{wrong}: {told}");
        assert!(wrong.len() < 6 || !told.contains(wrong), "{told}");
    }
    std::fs::write(&file, format!("{}\n", "a1".repeat(32))).unwrap();
    assert!(serve(&home, &[], &named).is_ok());
    let address = home.address();
    let start = || {
        let address = address.clone();
        let settings = Settings { admin_key: Some(file.clone()), ..Settings::at("127.0.0.1:0") };
        server::start(
            &settings,
            move || server::open(&address, egov_kpi::app::clock::Clock::default()),
            |_| {},
        )
        .unwrap()
    };
    let status = |running: &server::Running, key: &str| {
        Api::of(&running.address.to_string())
            .send("GET", "keys", &[("authorization", &format!("Bearer {key}"))], None)
            .status
    };
    let running = start();
    assert_eq!(status(&running, &"a1".repeat(32)), 200);
    let revision = running.app().revision();
    running.stop();
    // The same file says nothing new; another content is another key, and the old one is of no use any more.
    let running = start();
    assert_eq!(running.app().revision(), revision);
    running.stop();
    std::fs::write(&file, "b2".repeat(32)).unwrap();
    let running = start();
    assert_eq!(
        (status(&running, &"a1".repeat(32)), status(&running, &"b2".repeat(32))),
        (401, 200)
    );
    // Revoked it stays so, until there is another content.
    running.app().revoke_key_now("admin-file", "test").unwrap();
    assert!(running.app().rotate_key_now("admin-file", 0, None, "test").is_err());
    running.stop();
    let running = start();
    assert_eq!(status(&running, &"b2".repeat(32)), 401);
    running.stop();
    assert_eq!(serve(&home, &[], &named).unwrap_err().0, Some(2));
    std::fs::write(&file, "c3".repeat(32)).unwrap();
    assert!(serve(&home, &[], &named).is_ok());
}

#[test]
fn settings_that_cannot_be_are_wrong_usage() {
    let home = Home::new();
    let issuer = ["--oidc-issuer", "https://sso.example"];
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
        (&["--tls-cert", "/nothing"], "--tls-key"),
        (&["--rate-limit", "fast"], "--rate-limit fast"),
        (&["--rate-limit-address", "0"], "--rate-limit-address 0"),
        (&["--connections", "1"], "--connections"),
        (&["--tls-cert", "/nothing", "--tls-key", "/nothing"], "/nothing"),
    ] {
        let (code, said) = serve(&home, arguments, &[]).unwrap_err();
        assert_eq!(code, Some(2), "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
    // With a single sign-on others are served without a key in the ledger: its admins are the issuer's.
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
    assert!(refused.err().contains("this machine only"));
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
    assert!(told.contains("this machine only"), "{told}");
}

#[test]
fn on_this_machine_nobody_needs_a_key_before_the_first_and_everybody_after_it() {
    let server = Guarded::new();
    server.record("tv.dof", &[("ioffice.documents.outgoing", "2021-10", 1)]);
    server.read("keys");
    // What came through a proxy is not from this machine.
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        server.send("GET", "units", &[(header, "10.0.0.1")], None).problem(401);
    }
    // A key that is none is refused, though none is needed.
    server.by("ek_0123456789_x").get("units").problem(401);
    let reader = server.holder(Role::Reader, None);
    server.get("units").problem(401);
    server.post_csv("observations", "indicator,unit,period,value\n").problem(401);
    reader.get("units").expect(200);
    // Nor does it open again when the last key has ended.
    let id = reader.me()["key"].as_str().unwrap().to_owned();
    server.app().revoke_key_now(&id, "test").unwrap();
    server.get("units").problem(401);
}

#[test]
fn while_the_ledger_loads_nobody_is_let_in_past_it() {
    let home = Home::new();
    let address = home.address();
    let app = server::open(&address, egov_kpi::app::clock::Clock::default()).unwrap();
    let admin = issue(&app, Role::Admin, None);
    app.stop();
    let (go_on, waits) = std::sync::mpsc::channel::<()>();
    let (announce, announced) = std::sync::mpsc::channel();
    let open = move || {
        waits.recv().unwrap();
        server::open(&address, egov_kpi::app::clock::Clock::default())
    };
    let settings = Settings {
        access: Access { open: Vec::new(), ..Access::default() },
        ..Settings::at("127.0.0.1:0")
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
