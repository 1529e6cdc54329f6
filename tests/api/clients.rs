//! The programs and requests of docs/clients.md and docs/coming-from.md do what they say there.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Demo, Server, has};

const CLIENTS: &str = include_str!("../../docs/clients.md");
const COMING_FROM: &str = include_str!("../../docs/coming-from.md");
const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";

/// The program in a language: the first code block of it.
fn program_in(language: &str) -> &'static str {
    let (_, after) = CLIENTS.split_once(&format!("```{language}\n")).unwrap();
    after.split_once("\n```").unwrap().0
}

/// Runs a program with an interpreter.
fn run_with(interpreter: &str, file: &Path, host: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(interpreter);
    command.arg(file).args(arguments).env("EGOV_KPI_API", format!("http://{host}/api/v1"));
    command.env_remove("EGOV_KPI_KEY").env("NO_PROXY", "127.0.0.1").output().unwrap()
}

/// A proxy in front of a host that answers the first connection with 503, loses the request of the
/// second and the response of the third, and forwards all others.
fn lossy_proxy(host: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, host) = (listener.local_addr().unwrap().to_string(), host.to_owned());
    std::thread::spawn(move || {
        for (nth, client) in listener.incoming().enumerate() {
            let (mut client, host) = (client.unwrap(), host.clone());
            std::thread::spawn(move || match nth {
                0 => {
                    received(&mut client);
                    let busy = b"HTTP/1.1 503 Busy\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n";
                    client.write_all(busy).unwrap();
                }
                1 => drop(received(&mut client)),
                2 => {
                    let mut upstream = TcpStream::connect(host).unwrap();
                    upstream.write_all(&received(&mut client)).unwrap();
                    // As soon as the response begins, the submission is recorded
                    upstream.read_exact(&mut [0]).unwrap();
                }
                _ => forward(client, TcpStream::connect(host).unwrap()),
            });
        }
    });
    address
}

/// The request that a client has sent so far, when it waits for the response.
fn received(client: &mut TcpStream) -> Vec<u8> {
    client.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = client.read(&mut piece) {
        request.extend_from_slice(&piece[..count]);
    }
    request
}

fn forward(mut client: TcpStream, mut upstream: TcpStream) {
    let (mut requests, mut responses) =
        (client.try_clone().unwrap(), upstream.try_clone().unwrap());
    std::thread::spawn(move || {
        drop(std::io::copy(&mut requests, &mut upstream));
        drop(upstream.shutdown(Shutdown::Write));
    });
    drop(std::io::copy(&mut responses, &mut client));
}

/// A program sends a month through the proxy; returns what it prints.
#[track_caller]
fn sends_once(interpreter: &str, language: &str) -> String {
    let server = Server::start();
    server.put_units(&json!([{ "code": "u" }]));
    server.record("u", &[(OUTGOING, "2021-12", 400)]);
    let file = server.folder().join("month");
    std::fs::write(&file, program_in(language)).unwrap();
    let (outgoing, signed) = (format!("{OUTGOING}=500"), format!("{SIGNED}=510"));

    let before = server.revision();
    let arguments = ["u", "2022-01", &outgoing, &signed];
    let sent = run_with(interpreter, &file, &lossy_proxy(&server.host), &arguments);
    let errors = String::from_utf8_lossy(&sent.stderr);
    assert!(sent.status.success(), "{errors}");
    assert_eq!(server.revision(), before + 1, "it was recorded once");
    has(&server.point(OUTGOING, "u", "2022-01"), &json!({ "value": 500 }));
    has(&server.point(SIGNED, "u", "2022-01"), &json!({ "value": 510 }));

    let wrong = ["u", "2022-02", "ioffice.documents.outgoing=many"];
    let refused = run_with(interpreter, &file, &server.host, &wrong);
    assert_eq!(refused.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&refused.stderr);
    assert!(errors.contains("not a decimal number"), "{errors}");
    assert_eq!(server.revision(), before + 1);
    String::from_utf8(sent.stdout).unwrap()
}

#[test]
#[ignore = "needs Python: ./tests/run"]
fn the_python_client_records_a_month_once_though_requests_and_responses_are_lost() {
    let printed = sends_once("python3", "python");
    let lines: Vec<&str> = printed.lines().collect();
    let [receipt, finding, trend @ ..] = lines.as_slice() else { panic!("{printed}") };
    assert!(receipt.contains("'created': 2,"), "{receipt}");
    assert!(finding.starts_with("warning Against the rule"), "{finding}");
    assert_eq!(trend, ["2021-11 None None", "2021-12 400 None", "2022-01 500 100"]);
}

#[test]
#[ignore = "needs curl: ./tests/run"]
fn the_bash_client_records_a_month_once_though_requests_and_responses_are_lost() {
    let printed = sends_once("bash", "bash");
    let (receipt, trend) = printed.split_once('\n').unwrap();
    let receipt: Value = serde_json::from_str(receipt).unwrap();
    has(&receipt["counts"], &json!({ "created": 2 }));
    let mut table = csv::Reader::from_reader(trend.as_bytes());
    let columns = table.headers().unwrap().clone();
    let place = |name: &str| columns.iter().position(|column| column == name).unwrap();
    let (period, value, delta) = (place("period"), place("value"), place("delta"));
    let rows: Vec<String> = table
        .records()
        .map(|row| row.map(|row| [&row[period], &row[value], &row[delta]].join(" ")).unwrap())
        .collect();
    assert_eq!(rows, ["2021-11  ", "2021-12 400 ", "2022-01 500 100"]);
}

#[test]
#[ignore = "needs R: ./tests/run --all"]
fn the_r_client_records_a_month_once_though_requests_and_responses_are_lost() {
    let printed = sends_once("Rscript", "r");
    let lines: Vec<Vec<&str>> =
        printed.lines().map(|line| line.split_whitespace().collect()).collect();
    let [receipt, finding, names, trend @ ..] = lines.as_slice() else { panic!("{printed}") };
    assert_eq!(receipt[0], "revision");
    assert_eq!(finding[..3], ["warning", "Against", "the"], "{printed}");
    assert_eq!(*names, ["period", "value", "delta"]);
    // The first column numbers the rows; a missing number is NA
    let trend: Vec<&[&str]> = trend.iter().map(|row| &row[1..]).collect();
    let expected = [["2021-11", "NA", "NA"], ["2021-12", "400", "NA"], ["2022-01", "500", "100"]];
    assert_eq!(trend, expected);
}

/// The requests in a text: code that begins with a path of the API.
fn requests(text: &str) -> Vec<&str> {
    let code = text.split('`').skip(1).step_by(2);
    code.filter(|code| code.starts_with('/') && !code.starts_with("/data/")).collect()
}

#[test]
fn every_request_for_people_of_other_systems_works_with_the_demo() {
    let demo = Demo::start();
    let asked = requests(COMING_FROM);
    assert!(asked.len() > 30, "{asked:?}");
    for request in asked {
        let path = request[1..].replace('{', "%7B").replace('}', "%7D");
        let reply = demo.api.get(&path);
        assert_eq!(reply.status, 200, "{request}: {}", reply.text());
        if path.contains("format=csv") {
            assert!(reply.text().lines().count() > 1, "{request} is empty");
            continue;
        }
        let answer = reply.json();
        let lists = answer.as_object().unwrap().values().filter_map(Value::as_array);
        assert!(lists.into_iter().any(|list| !list.is_empty()), "{request} is empty");
    }
}
