//! Systems that follow along: what has changed since a revision, when a figure was current, and
//! figures by their value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const MINUTES: &str = "radio.own_programme.minutes_per_day";

fn server() -> Server {
    let server = Server::start();
    let units =
        json!([{ "code": "u" }, { "code": "a", "parent": "u" }, { "code": "b", "parent": "a" }]);
    server.put_units(&units);
    server
}

/// Records values of one indicator; returns the revision.
#[track_caller]
fn post(server: &Server, indicator: &str, values: &[(&str, &str, Value)]) -> i64 {
    let figures: Vec<Value> = values
        .iter()
        .map(|(unit, month, value)| figure(indicator, unit, month, value.clone()))
        .collect();
    let receipt = server.post(&json!({ "observations": figures }));
    receipt.json()["revision"].as_i64().unwrap_or_else(|| panic!("{}", receipt.text()))
}

/// Each figure as `unit month value`.
fn told(found: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or(value.to_string(), ToOwned::to_owned);
    let line =
        |figure: &Value| [&figure["unit"], &figure["period"], &figure["value"]].map(text).join(" ");
    found.iter().map(line).collect()
}

#[test]
fn what_was_recorded_since_a_revision_is_listed_with_withdrawals() {
    let server = server();
    let first = post(
        &server,
        OUTGOING,
        &[("u", "2021-01", json!(1)), ("a", "2021-01", json!(2)), ("b", "2021-01", json!(3))],
    );
    let second =
        post(&server, OUTGOING, &[("a", "2021-01", json!(20)), ("b", "2021-02", json!(4))]);
    let third =
        post(&server, OUTGOING, &[("b", "2021-01", Value::Null), ("b", "2021-02", json!(5))]);
    let since = |revision: i64, more: &str| {
        told(&server.observations(&format!("changed_since={revision}{more}")))
    };
    assert_eq!(since(third, ""), Vec::<String>::new());
    assert_eq!(since(second, ""), ["b 2021-01 null", "b 2021-02 5"]);
    assert_eq!(since(first, ""), ["a 2021-01 20", "b 2021-01 null", "b 2021-02 5"]);
    assert_eq!(since(0, "").len(), 4);
    // Every revision since then; the first one is not among them
    assert_eq!(
        since(first, "&history=true"),
        ["a 2021-01 20", "b 2021-02 4", "b 2021-01 null", "b 2021-02 5"]
    );
    // As it was after the second one
    assert_eq!(since(first, &format!("&as_of={second}")), ["a 2021-01 20", "b 2021-02 4"]);
    assert_eq!(since(third, &format!("&as_of={second}")), Vec::<String>::new());
    assert_eq!(since(first, "&unit=a"), ["a 2021-01 20"]);
    assert_eq!(since(first, "&unit_and_below=a"), since(first, ""));
    assert_eq!(since(first, "&unit_and_below=b"), ["b 2021-01 null", "b 2021-02 5"]);
    assert_eq!(since(0, "&unit_and_below=u").len(), 4);
    // Without it a withdrawn figure is not there
    assert_eq!(told(&server.observations("unit_and_below=b")), ["b 2021-02 5"]);
    let csv = server.get(&format!("observations?changed_since={second}&format=csv")).text();
    assert!(csv.contains(",b,2021-01,null\n"), "{csv}");
}

#[test]
fn a_withdrawn_stated_rate_is_a_change_too() {
    let server = server();
    let first = post(&server, RATE, &[("u", "2021-01", json!("78.950"))]);
    post(&server, RATE, &[("u", "2021-01", Value::Null)]);
    let found = told(&server.observations(&format!("changed_since={first}")));
    assert_eq!(found, ["u 2021-01 null"]);
    let history = server.observations("history=true");
    assert_eq!(history[0]["valid_to_revision"], first);
    assert_eq!(history[1]["valid_to_revision"], Value::Null);
}

#[test]
fn a_copy_that_follows_along_equals_the_ledger_after_every_round() {
    let server = server();
    let mut copy: BTreeMap<String, Value> = BTreeMap::new();
    let mut seen = 0;
    for round in 0_usize..12 {
        for nth in 0..3 {
            let place = round * 7 + nth * 5;
            let unit = ["u", "a", "b"][place % 3];
            let month = format!("2021-{:02}", place % 4 + 1);
            let value = if place % 5 == 0 { Value::Null } else { json!(place) };
            post(&server, OUTGOING, &[(unit, &month, value)]);
        }
        let mut path = format!("observations?changed_since={seen}&limit=2");
        loop {
            let reply = server.get(&path);
            let page = reply.expect(200);
            for figure in page["observations"].as_array().unwrap() {
                let key = format!("{} {}", figure["unit"], figure["period"]);
                if figure["value"].is_null() {
                    copy.remove(&key);
                } else {
                    copy.insert(key, figure["value"].clone());
                }
            }
            seen = page["revision"].as_i64().unwrap();
            let Some(next) = reply.next_link() else { break };
            path = next;
        }
        let key = |figure: &Value| format!("{} {}", figure["unit"], figure["period"]);
        let current = server.observations("");
        let current: BTreeMap<String, Value> =
            current.iter().map(|figure| (key(figure), figure["value"].clone())).collect();
        assert_eq!(copy, current, "round {round}");
    }
    assert!(copy.len() > 3, "{copy:?}");
}

#[test]
fn changes_since_a_revision_of_another_history_are_refused() {
    let server = server();
    let revision = post(&server, OUTGOING, &[("u", "2021-01", json!(1))]);
    let hash = server.hash();
    let ask = |named: &str| server.get(&format!("observations?changed_since={named}"));
    ask(&format!("{revision}-{}", &hash[..8])).expect(200);
    let other = if hash.starts_with('0') { "11111111" } else { "00000000" };
    let problem = ask(&format!("{revision}-{other}")).problem(409);
    assert_eq!(problem["type"], "urn:egov-kpi:other-history");
    for named in ["-1", "x", "2021-10-01T00:00:00Z"] {
        assert_eq!(ask(named).faults(422), ["/changed_since malformed"], "{named}");
    }
    assert_eq!(
        server.get("observations?unit=u&unit_and_below=a").faults(422),
        ["/unit_and_below too_many"]
    );
    server.get("observations?unit_and_below=nowhere").problem(404);
}

#[test]
fn a_history_says_up_to_which_revision_each_figure_was_current() {
    let server = server();
    let first = post(&server, OUTGOING, &[("u", "2021-01", json!(1)), ("u", "2021-02", json!(7))]);
    let second = post(&server, OUTGOING, &[("u", "2021-01", json!(2))]);
    let third = post(&server, OUTGOING, &[("u", "2021-01", Value::Null)]);
    let fourth = post(&server, OUTGOING, &[("u", "2021-01", json!(3))]);
    let ends = |more: &str| -> Vec<(i64, Value)> {
        let found = server.observations(&format!("history=true&from=2021-01&to=2021-01{more}"));
        found
            .iter()
            .map(|figure| {
                (figure["revision"].as_i64().unwrap(), figure["valid_to_revision"].clone())
            })
            .collect()
    };
    let all = [
        (first, json!(second - 1)),
        (second, json!(third - 1)),
        (third, json!(fourth - 1)),
        (fourth, Value::Null),
    ];
    assert_eq!(ends(""), all);
    assert_eq!(ends("&limit=1"), all, "on pages of one");
    assert_eq!(ends("&limit=2"), all, "on pages of two");
    // The withdrawal is not listed, but ends what it withdrew
    let numbers = [all[0].clone(), all[1].clone(), all[3].clone()];
    assert_eq!(ends("&value_min=1"), numbers);
    assert_eq!(ends("&value_min=1&limit=1"), numbers);
    assert_eq!(ends("&value_min=2&value_max=2"), all[1..2]);
    // As of the second revision nothing had replaced it
    assert_eq!(ends(&format!("&as_of={second}")), [all[0].clone(), (second, Value::Null)]);
    // In each revision the history and the state of then agree
    for (revision, end) in &all {
        let last = end.as_i64().unwrap_or_else(|| server.revision());
        for as_of in [*revision, last] {
            let then = server.observations(&format!("to=2021-01&as_of={as_of}"));
            let recorded: Vec<&Value> = then.iter().map(|figure| &figure["revision"]).collect();
            let expected = json!(revision);
            let expected = if *revision == third { vec![] } else { vec![&expected] };
            assert_eq!(recorded, expected, "as of {as_of}");
        }
    }
    // A current figure has no end
    has(&server.observations("")[0], &json!({ "valid_to_revision": null }));
    let csv = server.get("observations?history=true&to=2021-01&format=csv").text();
    let row = csv.lines().nth(1).unwrap();
    assert!(csv.starts_with("submission,revision,valid_to_revision,recorded_at,"), "{csv}");
    assert!(row.contains(&format!(",{first},{},", second - 1)), "{row}");
    // What it gives can be sent back
    let current = server.get("observations").body;
    let receipt = server.post_bytes("observations", "application/json", &current).expect(200);
    has(&receipt["counts"], &json!({ "revised": 0, "unchanged": 2 }));
}

/// With a unit the current figures are found in memory; without one the ledger is searched.
#[test]
fn the_figures_of_a_unit_are_those_of_the_whole_list() {
    let server = server();
    let month = |n: usize| ["2021-01", "2021-02", "2021-03"][n % 3];
    let mut states = Vec::new();
    for round in 0..4 {
        for (n, unit) in ["u", "a", "b"].into_iter().enumerate() {
            let value = |k: usize| match (round + n + k) % 5 {
                0 if round > 0 => Value::Null,
                1 if unit == "b" => json!("n/a"),
                _ => json!(round * 10 + n + k),
            };
            post(&server, OUTGOING, &[(unit, month(n), value(0)), (unit, month(n + 1), value(1))]);
            post(&server, MINUTES, &[(unit, month(round), json!(format!("{round}{n}.5")))]);
            let rate = if round == 3 { Value::Null } else { json!(format!("7{round}.9{n}0")) };
            post(&server, RATE, &[(unit, "2021-01", rate)]);
        }
        states.push(server.revision());
    }
    let all = |as_of: &str| server.observations(&format!("full=true{as_of}"));
    let asked = states.iter().map(|revision| format!("&as_of={revision}"));
    for as_of in asked.chain([String::new()]) {
        for unit in ["u", "a", "b"] {
            let expected = |keep: &dyn Fn(&Value) -> bool| -> Vec<Value> {
                let found = all(&as_of).into_iter().filter(|figure| figure["unit"] == unit);
                found.filter(|figure| keep(figure)).collect()
            };
            let found =
                |more: &str| server.observations(&format!("full=true&unit={unit}{more}{as_of}"));
            assert!(!found("").is_empty(), "{unit}{as_of}");
            assert_eq!(found(""), expected(&|_| true), "{unit}{as_of}");
            assert_eq!(found("&limit=1"), expected(&|_| true), "{unit}{as_of} on pages of one");
            assert_eq!(
                found("&from=2021-02&to=2021-03"),
                expected(&|figure| figure["period"] != "2021-01")
            );
            assert_eq!(
                found(&format!("&indicator={RATE}")),
                expected(&|figure| figure["indicator"] == RATE)
            );
            assert_eq!(
                found("&value_min=2&value_max=30"),
                expected(&|figure| figure["value"]
                    .as_f64()
                    .is_some_and(|n| (2.0..=30.0).contains(&n)))
            );
        }
        let below: Vec<Value> =
            all(&as_of).into_iter().filter(|figure| figure["unit"] != "u").collect();
        let found = server.observations(&format!("full=true&unit_and_below=a&limit=2{as_of}"));
        assert_eq!(found, below, "{as_of}");
    }
}

#[test]
fn ends_of_validity_are_given_for_many_units_and_stated_rates() {
    let server = Server::start();
    let codes: Vec<String> = (0..201).map(|n| format!("m{n:03}")).collect();
    let units: Vec<Value> = codes.iter().map(|code| json!({ "code": code })).collect();
    server.put_units(&json!(units));
    let of_all = |value: i64| -> Vec<(&str, &str, Value)> {
        codes.iter().map(|code| (code.as_str(), "2021-01", json!(value))).collect()
    };
    post(&server, OUTGOING, &of_all(1));
    post(&server, RATE, &[("m000", "2021-01", json!("78.95"))]);
    let second = post(&server, OUTGOING, &[("m007", "2021-01", json!(2))]);
    let third =
        post(&server, OUTGOING, &[("m007", "2021-01", json!(3)), ("m200", "2021-01", json!(4))]);
    let withdrawn = post(&server, RATE, &[("m000", "2021-01", Value::Null)]);
    let ended = |parameters: &str| -> Vec<(String, Value)> {
        let found = server.observations(&format!("history=true{parameters}"));
        let ended = found.iter().filter(|figure| !figure["valid_to_revision"].is_null());
        ended
            .map(|figure| {
                let of = format!("{} {}", figure["unit"].as_str().unwrap(), figure["value"]);
                (of, figure["valid_to_revision"].clone())
            })
            .collect()
    };
    let expected =
        [("m007 1", second), ("m200 1", third), ("m000 78.95", withdrawn), ("m007 2", third)]
            .map(|(of, end)| (of.to_owned(), json!(end - 1)));
    for parameters in ["", "&limit=1", "&limit=100", "&limit=1000"] {
        assert_eq!(ended(parameters), expected, "{parameters}");
    }
    assert_eq!(ended("&unit=m007"), [expected[0].clone(), expected[3].clone()]);
    assert_eq!(ended(&format!("&as_of={second}")), [expected[0].clone()]);
}

#[test]
fn figures_are_chosen_by_their_value() {
    let server = server();
    post(
        &server,
        OUTGOING,
        &[("u", "2021-01", json!(10)), ("u", "2021-02", json!(11)), ("b", "2021-01", json!("n/a"))],
    );
    post(&server, MINUTES, &[("u", "2021-01", json!("10.5")), ("u", "2021-02", json!(0))]);
    post(&server, SIGNED, &[("u", "2021-01", json!(9))]);
    let chosen = |parameters: &str| -> Vec<String> {
        let found = server.observations(parameters);
        found.iter().map(|figure| figure["value"].to_string()).collect()
    };
    assert_eq!(chosen("").len(), 6);
    assert_eq!(chosen("value_min=10"), ["10", "11", "10.5"]);
    assert_eq!(chosen("value_max=10"), ["10", "0", "9"]);
    assert_eq!(chosen("value_min=10.5&value_max=10.50"), ["10.5"]);
    assert_eq!(
        chosen("value_min=10&value_max=11&indicator=ioffice.documents.outgoing"),
        ["10", "11"]
    );
    assert_eq!(chosen("value_min=-1&limit=1").len(), 5, "n/a is no number");
    assert_eq!(chosen("value_min=12"), Vec::<String>::new());
    assert_eq!(chosen("value_min=10.0&value_max=0010.5000").len(), 2);
    assert_eq!(chosen("value_max=0.125"), ["0"]);
    assert_eq!(chosen("value_min=1234.500"), Vec::<String>::new());
    for (text, fault) in [
        ("value_min=2&value_max=1", "/value_max out_of_range"),
        ("value_min=x", "/value_min malformed"),
        ("value_max=1,5", "/value_max malformed"),
        ("value_min=1.000", "/value_min malformed"),
        ("value_max=-12.500", "/value_max malformed"),
        ("value_min=1.234.567", "/value_min malformed"),
        ("value_max=NaN", "/value_max malformed"),
    ] {
        assert_eq!(server.get(&format!("observations?{text}")).faults(422), [fault], "{text}");
    }
}
