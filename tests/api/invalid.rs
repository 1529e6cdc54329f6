//! Invalid bodies of many kinds.

use serde_json::{Value, json};

use crate::harness::{Dice, Reply, Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const HEADER: &str = "indicator,unit,period,value,channel\n";

/// A value of a type that is wrong everywhere in an observation.
fn odd(dice: &mut Dice) -> Value {
    match dice.below(5) {
        0 => json!(dice.below(2) == 0),
        1 => json!([dice.below(100)]),
        2 => json!({ "value": dice.below(100) }),
        3 => (0..dice.below(60) + 1).fold(json!(1), |inner, _| json!([inner])),
        _ => (0..dice.below(60) + 1).fold(json!("x"), |inner, _| json!({ "observations": inner })),
    }
}

fn sound(dice: &mut Dice) -> Value {
    let count = dice.below(4) + 1;
    let figures: Vec<Value> = (0..count)
        .map(|n| figure(OUTGOING, "travinh", &format!("2020-{:02}", n + 1), dice.below(1000)))
        .collect();
    json!({ "source": { "kind": "api", "reference": "r" }, "observations": figures })
}

fn noise(dice: &mut Dice, length: usize) -> Vec<u8> {
    (0..length).map(|_| dice.number().to_le_bytes()[0]).collect()
}

/// A JSON body with at least one error.
fn json_body(dice: &mut Dice) -> Vec<u8> {
    let mut body = sound(dice);
    let count = body["observations"].as_array().unwrap().len();
    let at = dice.below(count);
    let field = *dice.pick(&["indicator", "unit", "period", "value"]);
    match dice.below(14) {
        0 => {
            let text = body.to_string();
            return text.as_bytes()[..dice.below(text.len())].to_vec();
        }
        1 => {
            let mut bytes = body.to_string().into_bytes();
            bytes.insert(dice.below(bytes.len()), 0xFF);
            return bytes;
        }
        2 => body["observations"][at][field] = odd(dice),
        3 => drop(body["observations"][at].as_object_mut().unwrap().remove(field)),
        4 => {
            return ["[", "{\"observations\":"][dice.below(2)]
                .repeat(dice.below(50_000) + 1)
                .into_bytes();
        }
        5 => {
            let depth = dice.below(2_000) + 1;
            return format!("{{\"observations\":{}{}}}", "[".repeat(depth), "]".repeat(depth))
                .into_bytes();
        }
        6 => {
            let digits = [
                format!("1e{}", dice.below(100_000) + 20),
                "9".repeat(dice.below(4_000) + 20),
                format!("-1{}", "0".repeat(30)),
                "1e-30".to_owned(),
                "0.5".to_owned(),
            ];
            return body
                .to_string()
                .replacen("\"value\":", &format!("\"value\":{},\"was\":", dice.pick(&digits)), 1)
                .into_bytes();
        }
        7 => {
            let length = dice.below(400);
            return noise(dice, length);
        }
        8 => body["observations"][at][format!("x{}", dice.below(1000))] = json!(1),
        9 => {
            let twice = body["observations"][at].clone();
            body["observations"].as_array_mut().unwrap().push(twice);
        }
        10 => {
            body["observations"][at]["period"] = json!(dice.pick(&[
                "2021-00",
                "2021-1",
                "21-10",
                "2021-10-01",
                "2021-Q3",
                "",
                "１２",
                "0000-01",
                "9999-12",
                "2199-12",
                "-2021-10"
            ]))
        }
        11 => {
            body["observations"][at]["dimensions"] = json!({
                format!("d{}", dice.below(10)): "x",
                "channel": dice.pick(&["", "none", "ONLINE"]),
            })
        }
        12 => body = odd(dice),
        _ => {
            body["observations"][at][field] =
                json!("\u{0}\u{FFFF}'; DROP TABLE observations; --".repeat(dice.below(20) + 1))
        }
    }
    body.to_string().into_bytes()
}

/// A CSV body with at least one error.
fn csv_body(dice: &mut Dice) -> Vec<u8> {
    let row = format!("{OUTGOING},travinh,2020-0{},{},\n", dice.below(9) + 1, dice.below(1000));
    let text = match dice.below(10) {
        0 => row,
        1 => format!("{}{row}", HEADER.replace("value", "valu")),
        2 => format!("{HEADER}{row}{}", ",".repeat(dice.below(40) + 5)) + "x",
        3 => format!("{HEADER}{row}{row}"),
        4 => format!(
            "{HEADER}{row}{OUTGOING},travinh,2021-10,{},\n",
            dice.pick(&["abc", "1.5", "-1", "1e99", "１", "=1+1", "NaN", "0x1", "1 000", "1,000"])
        ),
        5 => format!("{HEADER}\"{row}{row}"),
        6 => format!("{HEADER}{OUTGOING},travinh,2021-10,{},\n", "9".repeat(dice.below(3000) + 17)),
        7 => {
            let length = dice.below(400);
            return noise(dice, length);
        }
        8 => {
            let mut bytes = format!("{HEADER}{row}{OUTGOING},travinh,2021-10,1,").into_bytes();
            bytes.extend([0xFF, 0x00, 0xFE]);
            return bytes;
        }
        _ => format!(
            "{HEADER}{row}{OUTGOING},{},2021-10,1,\n",
            dice.pick(&["TRAVINH", "nowhere", "travinh\u{0}", "../travinh", "", "vinhlong-2025"])
        ),
    };
    text.into_bytes()
}

/// A body for `PUT /units`, `/catalogue`, `/targets` or `/annotations` with at least one error for
/// each of them.
fn declaration(dice: &mut Dice) -> Vec<u8> {
    let wrong = odd(dice);
    let body = match dice.below(8) {
        0 => json!({ "units": [{ "code": wrong }] }),
        1 => json!({ "units": wrong, "indicators": 1 }),
        2 => json!({ "indicators": [wrong] }),
        5 => {
            json!({
                "targets": [{ "code": wrong, "measure": wrong, "value": wrong }],
                "annotations": [wrong],
            })
        }
        6 => {
            json!({
                "annotations": [{ "code": "a", "unit": wrong, "from": "2021-13", "text": wrong }],
                "targets": wrong,
            })
        }
        3 => {
            json!({
                "units": [{ "code": "a", "parent": "b" }],
                "kpis": [{
                    "code": "k", "formula": "(".repeat(dice.below(3000) + 1),
                    "unit_of_measure": "percent",
                }],
            })
        }
        4 => {
            let length = dice.below(200);
            return noise(dice, length);
        }
        _ => wrong,
    };
    body.to_string().into_bytes()
}

#[test]
fn a_thousand_invalid_bodies_return_4xx_and_record_nothing() {
    let server = Server::start();
    let revision = server.revision();
    let mut dice = Dice(20_211_001);
    let mut seen = std::collections::BTreeMap::new();
    for number in 0..1_000 {
        let (body, reply): (Vec<u8>, Reply) = match number % 10 {
            0..=5 => {
                let body = json_body(&mut dice);
                (body.clone(), server.post_bytes("observations", "application/json", &body))
            }
            6..=8 => {
                let body = csv_body(&mut dice);
                (body.clone(), server.post_bytes("observations", "text/csv", &body))
            }
            _ => {
                let body = declaration(&mut dice);
                let path = *dice.pick(&["units", "catalogue", "targets", "annotations"]);
                (
                    body.clone(),
                    server.send("PUT", path, &[("content-type", "application/json")], Some(&body)),
                )
            }
        };
        let shown = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
        assert!(
            [400, 422].contains(&reply.status),
            "body {number} got {}: {shown}\n{}",
            reply.status,
            reply.text()
        );
        reply.problem(reply.status);
        if reply.status == 422 {
            let problem = reply.json();
            let errors = problem["errors"].as_array().unwrap();
            assert!(
                !errors.is_empty()
                    && errors.iter().all(|fault| fault["pointer"].is_string()
                        && fault["code"].is_string()
                        && fault["detail"].is_string()),
                "{problem}"
            );
        }
        *seen.entry(reply.status).or_insert(0) += 1;
        if number % 100 == 99 {
            assert_eq!(server.revision(), revision, "after body {number}");
        }
    }
    assert!(
        seen.values().all(|count| *count > 100) && seen.len() == 2,
        "both kinds of refusal are met: {seen:?}"
    );
    assert_eq!(server.observations("history=true"), Vec::<Value>::new());
    let figures = server.metric("egov_kpi_figures");
    assert!(figures.abs() < f64::EPSILON);
    // The service has not changed.
    assert_eq!(server.record("travinh", &[(OUTGOING, "2021-10", 4)])["revision"], revision + 1);
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 4 }));
}

#[test]
fn many_faults_are_answered_within_bounds() {
    let server = Server::start();
    let row = "x,y,z,w\n";
    let body = format!("indicator,unit,period,value\n{}", row.repeat(40_000));
    let reply = server.post_csv("observations", &body);
    reply.problem(422);
    let size = reply.body.len();
    assert!(size < 64 << 20, "a response of {size} bytes");
}

#[test]
fn odd_queries_return_4xx() {
    let server = Server::start();
    let mut dice = Dice(7);
    let names = [
        "measure",
        "unit",
        "from",
        "to",
        "last",
        "step",
        "layout",
        "limit",
        "cursor",
        "format",
        "history",
        "indicator",
        "submission",
        "severity",
        "rule",
        "code",
        "parent",
        "%00",
        "a[]",
    ];
    let values = [
        "",
        "0",
        "-1",
        "99999999999999999999",
        "2021-10",
        "2021-Q3",
        "travinh",
        "ioffice.documents.outgoing",
        "{",
        "%FF%FE",
        "%00",
        "true",
        "9223372036854775807",
        "9223372036854775807~1~1~1",
        "'--",
        "%F0%9F%98%80",
        "csv",
        "..%2F..",
        "%",
    ];
    for number in 0..600 {
        let path = *dice.pick(&[
            "observations",
            "series",
            "findings",
            "units",
            "indicators",
            "kpis",
            "catalogue",
            "submissions/x",
        ]);
        let pairs: Vec<String> = (0..dice.below(5) + 1)
            .map(|_| format!("{}={}", dice.pick(&names), dice.pick(&values)))
            .collect();
        let address = format!("{path}?{}", pairs.join("&"));
        let reply = server.get(&address);
        assert!(reply.status < 500, "query {number}, {address}: {}", reply.text());
        if reply.status >= 400 {
            reply.problem(reply.status);
        }
    }
}

#[test]
fn random_bytes_on_a_connection_are_harmless() {
    let server = Server::start();
    let mut dice = Dice(99);
    for _ in 0..20 {
        let length = dice.below(300) + 1;
        let mut bytes = noise(&mut dice, length);
        bytes.extend_from_slice(b"\r\n\r\n");
        let answer = server.raw(&bytes);
        assert!(!answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    assert_eq!(server.get("/readyz").status, 200);
}
