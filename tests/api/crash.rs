//! The program is killed or stopped while figures are being recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Api, Dice, Served, figure};
use crate::home::Home;

/// Each client sends figures of its own unit.
const UNITS: [&str; 4] = ["tv.cdc", "tv.dof", "tv.dic", "tv.inspectorate"];

/// Twenty flows without dimensions.
fn flows(api: &Api) -> Vec<String> {
    let indicators = api.read("indicators")["indicators"].clone();
    let whole = |entry: &&Value| entry["kind"] == "flow" && entry["decimals"] == 0;
    let codes: Vec<String> = indicators
        .as_array()
        .unwrap()
        .iter()
        .filter(whole)
        .take(20)
        .map(|entry| entry["code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 20);
    codes
}

/// The month of the submission with this number.
fn month(number: i64) -> String {
    format!("{:04}-{:02}", 1900 + number / 12, number % 12 + 1)
}

/// Sends submissions of twenty figures, one month each, until one gets no response; calls
/// `answered` for each response.
fn stream(api: &Api, flows: &[String], unit: &str, first: i64, answered: &dyn Fn(i64)) {
    for number in first..1_400 {
        let figures: Vec<Value> = flows
            .iter()
            .zip(0..)
            .map(|(flow, nth)| figure(flow, unit, &month(number), number * 100 + nth))
            .collect();
        let body = json!({ "observations": figures }).to_string();
        match api.try_send(
            "POST",
            "observations",
            &[("content-type", "application/json")],
            Some(body.as_bytes()),
        ) {
            Ok(reply) if reply.status == 201 => answered(number),
            Ok(reply) => {
                assert_eq!(reply.status, 503, "{}", reply.text());
                return;
            }
            Err(_gone) => return,
        }
    }
}

/// The number of correct recorded figures by unit and month.
fn recorded(api: &Api, flows: &[String]) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for figure in api.observations("limit=10000") {
        let text = |field: &str| figure[field].as_str().unwrap().to_owned();
        let nth = flows.iter().position(|flow| *flow == text("indicator")).unwrap();
        let value = figure["value"].as_i64().unwrap();
        assert_eq!(
            (month(value / 100), value % 100),
            (text("period"), i64::try_from(nth).unwrap()),
            "{figure}"
        );
        *found.entry((text("unit"), text("period"))).or_insert(0) += 1;
    }
    found
}

#[test]
fn after_kill_9_every_acknowledged_submission_is_recorded_whole() {
    let home = Home::new();
    let address = home.address();
    let mut dice = Dice(9);
    let answered = Mutex::new(BTreeMap::new());
    let next = Mutex::new([0_i64; 4]);
    for round in 0..3 {
        let mut served = Served::start(&address);
        let flows = flows(&served.api);
        let before = answered.lock().len();
        let pause = Duration::from_millis(300 + u64::try_from(dice.below(700)).unwrap());
        std::thread::scope(|scope| {
            for (client, unit) in UNITS.iter().enumerate() {
                let (api, flows, answered, next) = (served.api.clone(), &flows, &answered, &next);
                scope.spawn(move || {
                    let first = next.lock()[client];
                    stream(&api, flows, unit, first, &|number| {
                        answered.lock().insert(((*unit).to_owned(), month(number)), ());
                        next.lock()[client] = number + 1;
                    });
                    next.lock()[client] += 1; // what was not answered may be there or not
                });
            }
            std::thread::sleep(pause);
            served.child.kill().unwrap();
        });
        served.child.wait().unwrap();
        drop(served);
        let served = Served::start(&address);
        let found = recorded(&served.api, &flows);
        let answered = answered.lock();
        assert!(
            answered.len() > before + 4,
            "round {round} was too short: {} responses",
            answered.len() - before
        );
        for submission in answered.keys() {
            assert_eq!(
                found.get(submission),
                Some(&20),
                "not recorded whole despite a response, after round {round}: {submission:?}"
            );
        }
        let half: Vec<_> = found.iter().filter(|(_, count)| **count != 20).collect();
        assert!(half.is_empty(), "half there after round {round}: {half:?}");
        assert!(found.len() <= answered.len() + 4 * (round + 1), "more than was sent");
    }
}

#[test]
fn at_sigterm_a_submission_in_flight_is_answered_or_never_recorded() {
    for (signal, pause) in [(Signal::TERM, 400), (Signal::INT, 250)] {
        let home = Home::new();
        let address = home.address();
        let mut served = Served::start(&address);
        let flows = flows(&served.api);
        let answered = Mutex::new(BTreeMap::new());
        let code = std::thread::scope(|scope| {
            for unit in UNITS {
                let (api, flows, answered) = (served.api.clone(), &flows, &answered);
                scope.spawn(move || {
                    stream(&api, flows, unit, 0, &|number| {
                        answered.lock().insert((unit.to_owned(), month(number)), 20);
                    });
                });
            }
            std::thread::sleep(Duration::from_millis(pause));
            served.signal(signal);
            served.ended(Duration::from_secs(20))
        });
        assert_eq!(code, Some(0), "{signal:?}");
        let answered = answered.into_inner();
        assert!(answered.len() > 4, "the run was too short");
        let again = Served::start(&address);
        assert_eq!(
            recorded(&again.api, &flows),
            answered,
            "the ledger has exactly the submissions with a response, after {signal:?}"
        );
    }
}
