//! TLS with files that are replaced while the service runs.

use std::time::Duration;

use egov_kpi::clock::Clock;
use egov_kpi::server::{self, RunningServer, ServerSettings, TlsFiles};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::harness::{eventually, program};
use crate::home::Home;
use crate::support::Kept;

const FIRST: (&str, &str) =
    (include_str!("fixtures/first.cert.pem"), include_str!("fixtures/first.key.pem"));
const SECOND: (&str, &str) =
    (include_str!("fixtures/second.cert.pem"), include_str!("fixtures/second.key.pem"));

fn put(home: &Home, (certificate, key): (&str, &str)) -> TlsFiles {
    let files =
        TlsFiles { certificate: home.path().join("cert.pem"), key: home.path().join("key.pem") };
    std::fs::write(&files.certificate, certificate).unwrap();
    std::fs::write(&files.key, key).unwrap();
    files
}

fn serve(home: &Home, files: TlsFiles) -> RunningServer {
    let address = home.address();
    let settings =
        ServerSettings { workers: Some(1), tls: Some(files), ..ServerSettings::at("127.0.0.1:0") };
    server::start(&settings, move || server::open(&address, Clock::default()), |_| {}).unwrap()
}

/// Status and a header for a client that trusts one certificate; `None` when it does not trust that
/// of the server.
fn get(port: u16, trusted: &str, header: &str) -> Option<(u16, String)> {
    let certificate =
        Certificate::from_der(&CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap())
            .to_owned();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(provider)
        .root_certs(RootCerts::new_with_certs(&[certificate]))
        .build();
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .tls_config(tls)
        .timeout_global(Some(Duration::from_secs(10)));
    let answer =
        config.build().new_agent().get(format!("https://localhost:{port}/livez")).call().ok()?;
    let found = answer.headers().get(header).map_or("", |value| value.to_str().unwrap()).to_owned();
    Some((answer.status().as_u16(), found))
}

#[test]
fn a_certificate_is_replaced_while_the_service_runs_and_a_broken_one_is_not_taken() {
    let home = Home::new();
    let running = serve(&home, put(&home, FIRST));
    let port = running.address.port();
    let hsts = get(port, FIRST.0, "strict-transport-security").unwrap();
    assert_eq!(hsts.0, 200);
    assert!(hsts.1.starts_with("max-age="), "{hsts:?}");
    assert_eq!(get(port, SECOND.0, "x"), None);
    // A key that does not match the certificate, and a file without a certificate: the old ones
    // stay in use.
    for broken in [(SECOND.0, FIRST.1), ("nothing", FIRST.1), ("", "")] {
        put(&home, broken);
        std::thread::sleep(Duration::from_millis(2_300));
        assert!(get(port, FIRST.0, "x").is_some(), "{broken:?}");
    }
    put(&home, SECOND);
    eventually("replaced", Duration::from_secs(10), || get(port, SECOND.0, "x").is_some());
    assert_eq!(get(port, FIRST.0, "x"), None);
    // Without TLS there is no response.
    assert!(ureq::get(format!("http://127.0.0.1:{port}/livez")).call().is_err());
    running.stop();
}

#[test]
fn the_command_line_says_that_it_speaks_tls() {
    let home = Home::new();
    let files = put(&home, FIRST);
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--database", &home.address()]);
    command.args([
        "--tls-cert",
        files.certificate.to_str().unwrap(),
        "--tls-key",
        files.key.to_str().unwrap(),
    ]);
    let mut served = Kept::spawn(command.stderr(std::process::Stdio::null()));
    let line = served.line();
    let port =
        line.trim_end().strip_prefix("listening on https://127.0.0.1:").unwrap().parse().unwrap();
    assert_eq!(get(port, FIRST.0, "x").unwrap().0, 200);
}
