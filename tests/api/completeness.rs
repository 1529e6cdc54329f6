//! Completeness: which reports were expected, on time, late or missing.

use egov_kpi::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RECEIVED: &str = "igate.dossiers.received";

/// A server with a clock set by hand and with other expectations than the shipped ones.
struct Office {
    server: Server,
    clock: Clock,
}

impl std::ops::Deref for Office {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Office {
    fn new(units: &Value, expectations: Value) -> Self {
        let clock = Clock::default();
        clock.set("2020-01-02T00:00:00Z".parse().unwrap());
        Self::by(clock, units, expectations)
    }

    fn by(clock: Clock, units: &Value, expectations: Value) -> Self {
        let office = Self { server: Server::start_by(clock.clone()), clock };
        office.put_units(units);
        let mut catalogue = office.read("catalogue");
        catalogue["expectations"] = expectations;
        office.put("catalogue", &catalogue).expect(200);
        office
    }

    /// Districts of a province that report two figures until the 5th.
    fn districts(letters: &str) -> Self {
        let districts = letters.chars().map(
            |letter| json!({ "code": format!("p.{letter}"), "kind": "district", "parent": "p" }),
        );
        let units =
            std::iter::once(json!({ "code": "p", "kind": "province" })).chain(districts).collect();
        Self::new(
            &units,
            json!([{
                "code": "e", "unit_kinds": ["district"], "unit": "p",
                "measures": [OUTGOING, SIGNED], "due_day": 5,
            }]),
        )
    }

    fn at(&self, time: &str) -> &Self {
        self.clock.set(time.parse().unwrap());
        self
    }

    /// Reports both figures of a district at a time.
    #[track_caller]
    fn both(&self, time: &str, unit: &str, month: &str) {
        self.at(time).record(unit, &[(OUTGOING, month, 10), (SIGNED, month, 5)]);
    }

    #[track_caller]
    fn asked(&self, parameters: &str) -> Value {
        self.read(&format!("completeness?{parameters}"))
    }

    /// The row of a unit and month.
    #[track_caller]
    fn row(&self, unit: &str, month: &str) -> Value {
        let found = self.asked(&format!("period={month}&parent={unit}"));
        let rows = found["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{found}");
        rows[0].clone()
    }
}

fn units(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["unit"].as_str().unwrap()).collect()
}

#[test]
fn a_figure_is_on_time_until_the_day_ends_in_vietnam() {
    let office = Office::districts("abcd");
    // The 5th of November ends in Vietnam at 17:00 UTC.
    office.both("2021-11-03T02:00:00Z", "p.a", "2021-10");
    office.both("2021-11-05T16:59:59.999999Z", "p.b", "2021-10");
    office.both("2021-11-05T17:00:00Z", "p.c", "2021-10");
    let found = office.asked("period=2021-10&parent=p");
    has(
        &found,
        &json!({
            "revision": office.revision(), "parent": "p", "period": "2021-10", "next_cursor": null,
        }),
    );
    assert_eq!(units(&found["rows"]), ["p.a", "p.b", "p.c", "p.d"]);
    let common = json!({
        "kind": "district", "period": "2021-10", "expectation": "e", "deadline": "2021-11-05",
        "expected": 2,
    });
    found["rows"].as_array().unwrap().iter().for_each(|row| has(row, &common));
    let of = |n: usize| &found["rows"][n];
    let reported = |time: &str, on_time: bool| {
        json!([
            { "measure": OUTGOING, "reported_at": time, "on_time": on_time },
            { "measure": SIGNED, "reported_at": time, "on_time": on_time },
        ])
    };
    has(
        of(0),
        &json!({ "status": "on_time", "overdue": false, "on_time": 2, "late": 0, "missing": [] }),
    );
    assert_eq!(of(0)["reported"], reported("2021-11-03T02:00:00.000000Z", true));
    has(
        of(1),
        &json!({ "status": "on_time", "overdue": false, "on_time": 2, "late": 0, "missing": [] }),
    );
    assert_eq!(of(1)["reported"], reported("2021-11-05T16:59:59.999999Z", true));
    has(
        of(2),
        &json!({ "status": "late", "overdue": false, "on_time": 0, "late": 2, "missing": [] }),
    );
    assert_eq!(of(2)["reported"], reported("2021-11-05T17:00:00.000000Z", false));
    has(
        of(3),
        &json!({
            "status": "missing", "overdue": true, "on_time": 0, "late": 0,
            "missing": [OUTGOING, SIGNED], "reported": [],
        }),
    );
    // 4 x 2 figures: 4 on time, 2 late, 2 missing; 6 of 8 are 75 %, 4 of 8 are 50 %.
    let total = json!({
        "expected": 8, "on_time": 4, "late": 2, "missing": 2, "completeness": 75, "timeliness": 50,
        "reports_expected": 4, "reports_complete": 3, "reports_on_time": 2, "reports_overdue": 1
    });
    has(&found["total"], &total);
    let expectation = json!({
        "code": "e", "period": "2021-10", "window_from": "2021-10-01", "window_to": "2021-10-31",
        "deadline": "2021-11-05",
    });
    assert_eq!(found["expectations"].as_array().unwrap().len(), 1);
    has(&found["expectations"][0], &expectation);
    assert_eq!(found["expectations"][0]["measures"], json!([OUTGOING, SIGNED]));
}

#[test]
fn days_end_at_the_configured_utc_offset() {
    let clock = Clock::new("-05:00".parse().unwrap());
    clock.set("2020-01-02T00:00:00Z".parse().unwrap());
    let office = Office::by(
        clock,
        &json!([{ "code": "p" }, { "code": "p.a", "kind": "district", "parent": "p" }]),
        json!([{
            "code": "e", "unit_kinds": ["district"], "unit": "p", "measures": [OUTGOING],
            "due_day": 5,
        }]),
    );
    office.at("2021-11-06T04:59:59.999999Z").record("p.a", &[(OUTGOING, "2021-10", 1)]);
    office.at("2021-12-06T05:00:00Z").record("p.a", &[(OUTGOING, "2021-11", 1)]);
    has(&office.row("p.a", "2021-10"), &json!({ "status": "on_time" }));
    has(&office.row("p.a", "2021-11"), &json!({ "status": "late" }));
    office.at("2022-01-06T05:00:00Z").record("p.a", &[(OUTGOING, "2021-09", 1)]);
    // With `as_of` as well.
    let overdue = |time: &str| {
        office.asked(&format!("period=2021-12&parent=p.a&as_of={time}"))["rows"][0]["overdue"]
            .clone()
    };
    assert_eq!(
        (overdue("2022-01-06T04:59:59Z"), overdue("2022-01-06T05:00:00Z")),
        (json!(false), json!(true))
    );
    let as_of = office.revision() - 1;
    has(
        &office.asked(&format!("period=2021-Q4&parent=p.a&as_of={as_of}"))["total"],
        &json!({ "on_time": 1, "late": 1, "missing": 1 }),
    );
}

#[test]
fn a_missing_figure_is_overdue_after_its_deadline() {
    let office = Office::districts("a");
    let overdue = |time: &str| office.at(time).row("p.a", "2021-10")["overdue"].clone();
    assert_eq!(overdue("2021-10-31T00:00:00Z"), false);
    assert_eq!(overdue("2021-11-05T16:59:59Z"), false);
    assert_eq!(overdue("2021-11-05T17:00:00Z"), true);
    // The response for the day before is not used for today.
    let path = "completeness?period=2021-10&parent=p";
    office.at("2021-11-05T16:59:59Z");
    let before = office.get(path);
    let tag = before.header("etag");
    assert_eq!(office.send("GET", path, &[("if-none-match", tag)], None).status, 304);
    office.at("2021-11-05T17:00:00Z");
    let changed = office.send("GET", path, &[("if-none-match", tag)], None).expect(200);
    assert_eq!(changed["total"]["reports_overdue"], 1);
}

#[test]
fn a_report_may_be_partial_and_partly_late() {
    let office = Office::districts("ab");
    office.at("2021-11-02T00:00:00Z").record("p.a", &[(OUTGOING, "2021-10", 10)]);
    has(
        &office.row("p.a", "2021-10"),
        &json!({
            "status": "partial", "overdue": false, "on_time": 1, "late": 0, "missing": [SIGNED],
        }),
    );
    office.at("2021-11-07T00:00:00Z").record("p.b", &[(SIGNED, "2021-10", 10)]);
    has(&office.row("p.a", "2021-10"), &json!({ "status": "partial", "overdue": true }));
    has(
        &office.row("p.b", "2021-10"),
        &json!({
            "status": "partial", "overdue": true, "on_time": 0, "late": 1, "missing": [OUTGOING],
        }),
    );
    office.record("p.a", &[(SIGNED, "2021-10", 5)]);
    let row = office.row("p.a", "2021-10");
    has(
        &row,
        &json!({ "status": "late", "overdue": false, "on_time": 1, "late": 1, "missing": [] }),
    );
    has(
        &row["reported"][0],
        &json!({
            "measure": OUTGOING, "reported_at": "2021-11-02T00:00:00.000000Z", "on_time": true,
        }),
    );
    has(
        &row["reported"][1],
        &json!({
            "measure": SIGNED, "reported_at": "2021-11-07T00:00:00.000000Z", "on_time": false,
        }),
    );
    let expected = json!({
        "expected": 4, "on_time": 1, "late": 2, "missing": 1, "reports_expected": 2,
        "reports_complete": 1, "reports_on_time": 0, "reports_overdue": 1,
    });
    has(&office.asked("period=2021-10&parent=p")["total"], &expected);
}

#[test]
fn a_correction_does_not_make_a_figure_late() {
    let office = Office::districts("a");
    office.both("2021-11-03T00:00:00Z", "p.a", "2021-10");
    office.at("2021-11-20T00:00:00Z").record("p.a", &[(OUTGOING, "2021-10", 11)]);
    office.at("2021-12-20T00:00:00Z").record("p.a", &[(OUTGOING, "2021-10", 12)]);
    let row = office.row("p.a", "2021-10");
    has(&row, &json!({ "status": "on_time", "on_time": 2 }));
    assert_eq!(row["reported"][0]["reported_at"], "2021-11-03T00:00:00.000000Z");
    // A restart from the ledger gives the same response.
    let other = crate::instances::Other::beside(&office);
    assert_eq!(other.read("completeness?period=2021-10&parent=p.a")["rows"][0], row);
}

#[test]
fn a_figure_withdrawn_and_reported_again_counts_from_then() {
    let office = Office::districts("a");
    let withdraw = |time: &str| {
        office
            .at(time)
            .post(&json!({ "observations": [figure(OUTGOING, "p.a", "2021-10", Value::Null)] }))
            .expect(201)
    };
    office.both("2021-11-01T00:00:00Z", "p.a", "2021-10");
    withdraw("2021-11-02T00:00:00Z");
    has(
        &office.row("p.a", "2021-10"),
        &json!({ "status": "partial", "on_time": 1, "missing": [OUTGOING] }),
    );
    office.at("2021-11-04T00:00:00Z").record("p.a", &[(OUTGOING, "2021-10", 10)]);
    let row = office.row("p.a", "2021-10");
    has(&row, &json!({ "status": "on_time", "missing": [] }));
    assert_eq!(row["reported"][0]["reported_at"], "2021-11-04T00:00:00.000000Z");
    withdraw("2021-11-05T00:00:00Z");
    let again = office.at("2021-11-06T00:00:00Z").record("p.a", &[(OUTGOING, "2021-10", 10)]);
    let row = office.row("p.a", "2021-10");
    has(&row, &json!({ "status": "late", "on_time": 1, "late": 1 }));
    has(
        &row["reported"][0],
        &json!({ "reported_at": "2021-11-06T00:00:00.000000Z", "on_time": false }),
    );
    // An instance that reads the whole ledger at once gives the same response; so does this one
    // after units were reordered.
    let other = crate::instances::Other::beside(&office);
    assert_eq!(other.read("completeness?period=2021-10&parent=p.a")["rows"][0], row);
    office.put_units(&json!([{ "code": "a" }, { "code": "a.b", "parent": "a" }]));
    assert_eq!(office.row("p.a", "2021-10"), row);
    // Withdrawing a submission also withdraws its report.
    office.delete(&format!("submissions/{}", again["submission"].as_str().unwrap())).expect(201);
    has(
        &office.row("p.a", "2021-10"),
        &json!({ "status": "partial", "overdue": true, "missing": [OUTGOING] }),
    );
}

#[test]
fn a_value_summed_from_members_is_there_when_the_last_of_them_is() {
    let office = Office::new(
        &json!([{ "code": "u", "kind": "district" }]),
        json!([{
            "code": "e", "unit_kinds": ["district"], "unit": "u", "measures": [RECEIVED],
            "due_day": 5,
        }]),
    );
    let member = |time: &str, month: &str, channel: &str| {
        let observation = json!({
            "indicator": RECEIVED, "unit": "u", "period": month, "value": 3,
            "dimensions": { "channel": channel },
        });
        office.at(time).post(&json!({ "observations": [observation] })).expect(201)
    };
    member("2021-11-01T00:00:00Z", "2021-10", "online");
    has(&office.row("u", "2021-10"), &json!({ "status": "missing", "missing": [RECEIVED] }));
    member("2021-11-04T00:00:00Z", "2021-10", "in_person");
    let row = office.row("u", "2021-10");
    has(&row, &json!({ "status": "on_time", "missing": [] }));
    assert_eq!(
        row["reported"],
        json!([{
            "measure": RECEIVED, "reported_at": "2021-11-04T00:00:00.000000Z", "on_time": true,
        }])
    );
    member("2021-12-01T00:00:00Z", "2021-11", "online");
    member("2021-12-06T00:00:00Z", "2021-11", "in_person");
    let row = office.row("u", "2021-11");
    has(&row, &json!({ "status": "late" }));
    assert_eq!(row["reported"][0]["reported_at"], "2021-12-06T00:00:00.000000Z");
    // Members of a dimension that is not complete do not make a total.
    let level = json!({
        "indicator": RECEIVED, "unit": "u", "period": "2021-09", "value": 3,
        "dimensions": { "service_level": "4" },
    });
    office.post(&json!({ "observations": [level] })).expect(201);
    has(&office.row("u", "2021-09"), &json!({ "status": "missing" }));
}

#[test]
fn a_member_may_be_expected_and_what_units_below_report_is_not_the_units_own() {
    let measures = json!(["igate.dossiers.received{ channel = online }", OUTGOING]);
    let office = Office::new(
        &json!([
            { "code": "p", "kind": "province" },
            { "code": "p.a", "kind": "district", "parent": "p" },
        ]),
        json!([{
            "code": "e", "unit_kinds": ["province"], "unit": "p", "measures": measures,
            "due_day": 5,
        }]),
    );
    let online = |unit: &str| {
        json!({
            "indicator": RECEIVED, "unit": unit, "period": "2021-10", "value": 3,
            "dimensions": { "channel": "online" },
        })
    };
    office
        .at("2021-11-01T00:00:00Z")
        .post(&json!({ "observations": [online("p"), figure(OUTGOING, "p.a", "2021-10", 1)] }))
        .expect(201);
    let found = office.asked("period=2021-10&parent=p");
    assert_eq!(units(&found["rows"]), ["p"]);
    has(&found["rows"][0], &json!({ "status": "partial", "missing": [OUTGOING] }));
    assert_eq!(
        found["rows"][0]["reported"][0]["measure"],
        "igate.dossiers.received{channel=online}"
    );
    assert_eq!(found["rates"], json!([]), "nothing is expected of a child");
}

#[test]
fn completeness_rates_are_reported_for_each_child_with_all_units_below() {
    let commune =
        |code: &str, parent: &str| json!({ "code": code, "kind": "commune", "parent": parent });
    let office = Office::new(
        &json!([
            { "code": "p", "kind": "province" },
            { "code": "p.d", "kind": "district", "parent": "p", "name": { "vi": "Huyện D" } },
            { "code": "p.e", "kind": "district", "parent": "p" },
            { "code": "p.f", "kind": "department", "parent": "p" },
            commune("p.d.x", "p.d"),
            commune("p.d.y", "p.d"),
            commune("p.e.z", "p.e"),
            { "code": "q", "kind": "province" },
            commune("q.w", "q"),
        ]),
        json!([
            {
                "code": "communes", "unit_kinds": ["commune"], "measures": [OUTGOING], "due_day": 5,
                "name": { "en": "Communes" },
            },
            {
                "code": "districts", "unit_kinds": ["district", "province"], "unit": "p",
                "measures": [OUTGOING, SIGNED], "due_day": 10,
            },
        ]),
    );
    office.at("2021-11-06T00:00:00Z");
    // On time until the 10th
    office.record("p.d", &[(OUTGOING, "2021-10", 1), (SIGNED, "2021-10", 1)]);
    office.record("p.d.x", &[(OUTGOING, "2021-10", 1)]); // late since the 5th
    office.record("p.e", &[(SIGNED, "2021-10", 1)]);
    let found = office.asked("period=2021-10&parent=p");
    // Ordered by expectation and by the tree of units.
    let rows: Vec<(&str, &str, &str)> = found["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["expectation"].as_str().unwrap(),
                row["unit"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("communes", "p.d.x", "late"),
        ("communes", "p.d.y", "missing"),
        ("communes", "p.e.z", "missing"),
        ("districts", "p", "missing"),
        ("districts", "p.d", "on_time"),
        ("districts", "p.e", "partial"),
    ];
    assert_eq!(rows, expected);
    assert_eq!(units(&found["rates"]), ["p.d", "p.e"], "nothing is expected of the department");
    // d: 2 + 1 + 1 figures, 2 on time, 1 late; e: 2 + 1 figures, 1 on time.
    let d = json!({
        "expected": 4, "on_time": 2, "late": 1, "missing": 1, "completeness": 75, "timeliness": 50,
        "reports_expected": 3, "reports_complete": 2, "reports_on_time": 1, "reports_overdue": 1,
    });
    has(&found["rates"][0], &d);
    assert_eq!(found["rates"][0]["name"]["vi"], "Huyện D");
    let e = json!({
        "expected": 3, "on_time": 1, "late": 0, "missing": 2, "completeness": 33.333_333,
        "timeliness": 33.333_333, "reports_expected": 2, "reports_complete": 0,
        "reports_on_time": 0, "reports_overdue": 1,
    });
    has(&found["rates"][1], &e);
    // The province's own two figures belong to no child.
    has(
        &found["total"],
        &json!({
            "expected": 9, "on_time": 3, "late": 1, "missing": 5, "completeness": 44.444_444,
            "timeliness": 33.333_333, "reports_expected": 6,
        }),
    );
    let codes: Vec<&str> = found["expectations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|expected| expected["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["communes", "districts"]);
    has(&found["expectations"][1], &json!({ "deadline": "2021-11-10" }));
    assert_eq!(found["expectations"][0]["name"]["en"], "Communes");
    // Without a parent all roots count; the other province only has one expectation.
    let all = office.asked("period=2021-10");
    assert_eq!(all["parent"], Value::Null);
    assert_eq!(units(&all["rates"]), ["p", "q"]);
    has(&all["rates"][0], &json!({ "expected": 9 }));
    has(
        &all["rates"][1],
        &json!({ "expected": 1, "missing": 1, "completeness": 0, "timeliness": 0 }),
    );
    has(&all["total"], &json!({ "expected": 10, "on_time": 3, "late": 1 }));
    // For one unit.
    let one = office.asked("period=2021-10&parent=p.d.x");
    assert_eq!((units(&one["rows"]), one["rates"].clone()), (vec!["p.d.x"], json!([])));
}

#[test]
fn nothing_is_expected_of_units_that_do_not_exist_of_other_kinds_and_in_other_months() {
    let district = |code: &str, from: Value, to: Value| {
        json!({
            "code": code, "kind": "district", "parent": "p", "valid_from": from, "valid_to": to,
        })
    };
    let office = Office::new(
        &json!([
            { "code": "p" },
            district("p.ended", Value::Null, json!("2021-10-30")),
            district("p.last", Value::Null, json!("2021-10-31")),
            district("p.new", json!("2021-11-01"), Value::Null),
            district("p.begun", json!("2021-10-31"), Value::Null),
            { "code": "p.agency", "parent": "p" },
            { "code": "q", "kind": "district" },
        ]),
        json!([{
            "code": "e", "unit_kinds": ["district"], "unit": "p", "measures": [OUTGOING],
            "due_day": 5, "from": "2021-09", "to": "2021-11",
        }]),
    );
    office.at("2022-03-01T00:00:00Z");
    let of = |period: &str| -> Vec<String> {
        units(&office.asked(&format!("period={period}"))["rows"])
            .iter()
            .map(|unit| (*unit).to_owned())
            .collect()
    };
    assert_eq!(of("2021-09"), ["p.ended", "p.last"]);
    assert_eq!(of("2021-10"), ["p.begun", "p.last"]);
    assert_eq!(of("2021-11"), ["p.begun", "p.new"]);
    for period in ["2021-08", "2021-12", "2021-Q2"] {
        let found = office.asked(&format!("period={period}&parent=p"));
        has(
            &found["total"],
            &json!({
                "expected": 0, "reports_expected": 0, "completeness": null, "timeliness": null,
            }),
        );
        assert_eq!(
            (&found["rows"], &found["rates"], &found["expectations"]),
            (&json!([]), &json!([]), &json!([])),
            "{period}"
        );
    }
}

#[test]
fn a_wider_period_is_asked_about_month_by_month() {
    let office = Office::districts("ab");
    office.both("2021-08-05T00:00:00Z", "p.a", "2021-07");
    office.both("2021-09-06T00:00:00Z", "p.a", "2021-08");
    office.both("2021-10-01T00:00:00Z", "p.b", "2021-09");
    office.at("2021-10-05T00:00:00Z");
    let found = office.asked("period=2021-Q3&parent=p");
    let rows: Vec<(&str, &str, &str, &str)> = found["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["period"].as_str().unwrap(),
                row["unit"].as_str().unwrap(),
                row["deadline"].as_str().unwrap(),
                row["status"].as_str().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("2021-07", "p.a", "2021-08-05", "on_time"),
        ("2021-07", "p.b", "2021-08-05", "missing"),
        ("2021-08", "p.a", "2021-09-05", "late"),
        ("2021-08", "p.b", "2021-09-05", "missing"),
        ("2021-09", "p.a", "2021-10-05", "missing"),
        ("2021-09", "p.b", "2021-10-05", "on_time"),
    ];
    assert_eq!(rows, expected);
    // The report of September is due until the end of 5 October.
    has(
        &found["total"],
        &json!({
            "expected": 12, "on_time": 4, "late": 2, "missing": 6, "reports_overdue": 2,
            "completeness": 50, "timeliness": 33.333_333,
        }),
    );
    has(
        &found["rates"][0],
        &json!({ "unit": "p.a", "expected": 6, "on_time": 2, "late": 2, "reports_overdue": 0 }),
    );
    has(
        &found["rates"][1],
        &json!({ "unit": "p.b", "expected": 6, "on_time": 2, "late": 0, "reports_overdue": 2 }),
    );
    let months: Vec<&str> = found["expectations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|expected| expected["period"].as_str().unwrap())
        .collect();
    assert_eq!(months, ["2021-07", "2021-08", "2021-09"]);
}

#[test]
fn the_window_may_run_from_the_15th_to_the_14th_and_a_short_month_ends_early() {
    let expectation = |code: &str, from: u32, due: u32| {
        json!({
            "code": code, "unit_kinds": ["district"], "unit": "p", "measures": [OUTGOING],
            "window_from_day": from, "due_day": due,
        })
    };
    let office = Office::new(
        &json!([{ "code": "p" }, { "code": "p.a", "kind": "district", "parent": "p" }]),
        json!([
            expectation("early", 15, 20),
            expectation("last", 1, 31),
            expectation("thirtieth", 28, 30)
        ]),
    );
    let of = |month: &str| -> Vec<String> {
        let found = office.asked(&format!("period={month}&parent=p"));
        let text = |expected: &Value| {
            format!(
                "{} {} {}",
                expected["window_from"].as_str().unwrap(),
                expected["window_to"].as_str().unwrap(),
                expected["deadline"].as_str().unwrap()
            )
        };
        found["expectations"].as_array().unwrap().iter().map(text).collect()
    };
    // The last day of February is the deadline; the day ends in Vietnam.
    office.at("2021-02-28T16:59:59Z").record("p.a", &[(OUTGOING, "2021-01", 1)]);
    let statuses = |month: &str| {
        office.asked(&format!("period={month}&parent=p"))["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["status"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses("2021-01"), ["late", "on_time", "on_time"]);
    office.at("2024-02-10T00:00:00Z");
    assert_eq!(
        of("2021-10"),
        [
            "2021-09-15 2021-10-14 2021-11-20",
            "2021-10-01 2021-10-31 2021-11-30",
            "2021-09-28 2021-10-27 2021-11-30"
        ]
    );
    assert_eq!(
        of("2021-01"),
        [
            "2020-12-15 2021-01-14 2021-02-20",
            "2021-01-01 2021-01-31 2021-02-28",
            "2020-12-28 2021-01-27 2021-02-28"
        ]
    );
    assert_eq!(
        of("2024-01"),
        [
            "2023-12-15 2024-01-14 2024-02-20",
            "2024-01-01 2024-01-31 2024-02-29",
            "2023-12-28 2024-01-27 2024-02-29"
        ]
    );
    assert_eq!(
        of("2021-12"),
        [
            "2021-11-15 2021-12-14 2022-01-20",
            "2021-12-01 2021-12-31 2022-01-31",
            "2021-11-28 2021-12-27 2022-01-30"
        ]
    );
    assert_eq!(of("2024-03"), Vec::<String>::new(), "nothing is expected of a month to come");
}

#[test]
fn the_shipped_expectation_counts_from_the_15th_and_is_answered_by_the_real_report() {
    let clock = Clock::default();
    clock.set("2021-11-03T02:00:00Z".parse().unwrap());
    let server = Server::start_by(clock.clone());
    server.post_csv("observations", crate::harness::REPORT).expect(201);
    let found = server.read("completeness?period=2021-10");
    assert_eq!(units(&found["rows"]), ["travinh"]);
    // Mailboxes are reported by domain; for a complete dimension with one member, this member is
    // the total.
    has(&found["rows"][0], &json!({ "status": "on_time", "missing": [], "late": 0 }));
    has(&found["total"], &json!({ "completeness": 100, "timeliness": 100, "reports_complete": 1 }));
    has(
        &found["expectations"][0],
        &json!({ "window_from": "2021-09-15", "window_to": "2021-10-14" }),
    );
    has(
        &server.read("completeness?period=2021-09")["rows"][0],
        &json!({ "status": "missing", "overdue": true }),
    );
    assert_eq!(
        server.read("completeness?period=2025-07")["rows"],
        json!([]),
        "the province has ended"
    );
}

#[test]
fn reports_come_page_by_page_with_the_rates_of_all_of_them() {
    let office = Office::districts("abcde");
    office.both("2021-11-03T00:00:00Z", "p.b", "2021-10");
    let whole = office.asked("period=2021-10&parent=p");
    let mut path = "completeness?period=2021-10&parent=p&limit=2".to_owned();
    let (mut rows, mut pages) = (Vec::new(), 0);
    loop {
        let reply = office.get(&path);
        let page = reply.expect(200);
        for field in ["revision", "total", "rates", "expectations"] {
            assert_eq!(page[field], whole[field], "{field}");
        }
        rows.extend(page["rows"].as_array().unwrap().iter().cloned());
        pages += 1;
        match (page["next_cursor"].as_str(), reply.next_link()) {
            (Some(cursor), Some(link)) => {
                assert!(link.contains(&format!("cursor={cursor}")), "{link}");
                path = link;
            }
            (None, None) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((json!(rows), pages), (whole["rows"].clone(), 3));
    assert_eq!(office.asked("period=2021-10&parent=p&limit=5")["next_cursor"], Value::Null);
}

#[test]
fn completeness_as_of_a_revision_is_stable() {
    let office = Office::districts("ab");
    office.both("2021-11-03T00:00:00Z", "p.a", "2021-10");
    let (revision, then) = (office.revision(), office.asked("period=2021-10&parent=p"));
    office.both("2021-11-08T00:00:00Z", "p.b", "2021-10");
    office.at("2021-12-01T00:00:00Z");
    has(
        &office.asked("period=2021-10&parent=p")["total"],
        &json!({ "on_time": 2, "late": 2, "missing": 0 }),
    );
    // The second district was not overdue on the day of that revision.
    assert_eq!(office.asked(&format!("period=2021-10&parent=p&as_of={revision}")), then);
    let at = |time: &str| {
        office.asked(&format!("period=2021-10&parent=p&as_of={time}"))["total"].clone()
    };
    has(
        &at("2021-11-05T16:59:59Z"),
        &json!({ "on_time": 2, "late": 0, "missing": 2, "reports_overdue": 0 }),
    );
    has(
        &at("2021-11-06T00:00:00Z"),
        &json!({ "on_time": 2, "late": 0, "missing": 2, "reports_overdue": 1 }),
    );
    has(
        &at("2021-11-08T00:00:00Z"),
        &json!({ "on_time": 2, "late": 2, "missing": 0, "reports_overdue": 0 }),
    );
}

#[test]
fn completeness_as_a_table() {
    let office = Office::districts("ab");
    office.at("2021-11-03T00:00:00Z").record("p.a", &[(OUTGOING, "2021-10", 10)]);
    office.at("2021-11-06T00:00:00Z").record("p.a", &[(SIGNED, "2021-10", 10)]);
    office.put_units(&json!([{
        "code": "p.b", "kind": "district", "parent": "p", "name": { "vi": "@b", "en": "-b" },
    }]));
    for reply in [
        office.get("completeness?period=2021-10&parent=p&format=csv"),
        office.send("GET", "completeness?period=2021-10&parent=p", &[("accept", "text/csv")], None),
    ] {
        assert_eq!(reply.header("content-type"), "text/csv; charset=utf-8");
        let body = reply.text();
        let mut table = csv::Reader::from_reader(body.as_bytes());
        let header = [
            "unit",
            "name_vi",
            "name_en",
            "kind",
            "period",
            "expectation",
            "deadline",
            "status",
            "overdue",
            "expected",
            "on_time",
            "late",
            "missing",
            "last_reported_at",
        ];
        assert_eq!(table.headers().unwrap(), &csv::StringRecord::from(header.to_vec()));
        let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        assert_eq!(
            rows[0],
            vec![
                "p.a",
                "",
                "",
                "district",
                "2021-10",
                "e",
                "2021-11-05",
                "late",
                "false",
                "2",
                "1",
                "1",
                "",
                "2021-11-06T00:00:00.000000Z"
            ]
        );
        let missing = format!("{OUTGOING}; {SIGNED}");
        assert_eq!(
            rows[1],
            vec![
                "p.b",
                "'@b",
                "'-b",
                "district",
                "2021-10",
                "e",
                "2021-11-05",
                "missing",
                "true",
                "2",
                "0",
                "0",
                missing.as_str(),
                ""
            ]
        );
        assert_eq!(rows.len(), 2);
    }
}

#[test]
fn unknown_missing_and_malformed_parameters_are_reported_together() {
    let server = Server::start();
    server.get("completeness?period=2021-10&parent=nowhere").problem(404);
    assert_eq!(server.get("completeness").faults(422), ["/period missing"]);
    assert_eq!(
        server
            .get("completeness?period=2021-Q5&limit=0&cursor=x&colour=red&as_of=yesterday")
            .faults(422),
        [
            "/as_of malformed",
            "/colour unknown_parameter",
            "/cursor malformed",
            "/limit out_of_range",
            "/period malformed"
        ]
    );
    assert_eq!(
        server.get("completeness?period=2021-10&limit=10001").faults(422),
        ["/limit out_of_range"]
    );
    server.get("completeness?period=2021-10&limit=1000").expect(200);
}

#[test]
fn an_invalid_expectation_is_a_catalogue_error() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    let of = |code: &str, changed: &[(&str, Value)]| {
        let mut expectation = json!({
            "code": code, "unit_kinds": ["commune"], "measures": [OUTGOING], "due_day": 5,
        });
        changed.iter().for_each(|(field, value)| expectation[field] = value.clone());
        expectation
    };
    catalogue["expectations"] = json!([
        of("days", &[("due_day", json!(32)), ("window_from_day", json!(29))]),
        of("none", &[("unit_kinds", json!([])), ("measures", json!([]))]),
        of(
            "measures",
            &[(
                "measures",
                json!(["no.such", "ioffice.documents.signed_rate", OUTGOING, OUTGOING, "a{"])
            )]
        ),
        of("months", &[("from", json!("2021-12")), ("to", json!("2021-11"))]),
        of("days", &[]),
    ]);
    let found = server.put("catalogue", &catalogue).faults(422);
    let expected = [
        "/expectations/0/due_day out_of_range",
        "/expectations/0/window_from_day out_of_range",
        "/expectations/1/measures too_many",
        "/expectations/1/unit_kinds missing",
        "/expectations/2/measures/0 unknown_measure",
        "/expectations/2/measures/1 not_an_indicator",
        "/expectations/2/measures/3 duplicate",
        "/expectations/2/measures/4 malformed_measure",
        "/expectations/3/to dates_reversed",
        "/expectations/4/code duplicate",
    ];
    assert_eq!(found, expected);
    catalogue["expectations"] = json!([of("where", &[("unit", json!("nowhere"))])]);
    assert_eq!(
        server.put("catalogue", &catalogue).faults(422),
        ["/expectations/0/unit unknown_unit"]
    );
}

#[test]
fn a_total_stated_after_its_members_does_not_make_them_late() {
    let office = Office::new(
        &json!([{ "code": "p" }, { "code": "p.a", "kind": "district", "parent": "p" }]),
        json!([{
            "code": "e", "unit_kinds": ["district"], "unit": "p",
            "measures": ["igate.dossiers.received"], "due_day": 5,
        }]),
    );
    let member = |channel: &str| {
        json!({
            "indicator": "igate.dossiers.received", "unit": "p.a", "period": "2021-10", "value": 3,
            "dimensions": { "channel": channel },
        })
    };
    office
        .at("2021-11-02T02:00:00Z")
        .post(&json!({ "observations": [member("online"), member("in_person")] }))
        .expect(201);
    let report = || office.asked("period=2021-10&parent=p")["rows"][0].clone();
    has(&report(), &json!({ "status": "on_time" }));
    office.at("2021-11-20T02:00:00Z").record("p.a", &[("igate.dossiers.received", "2021-10", 6)]);
    has(&report(), &json!({ "status": "on_time" }));
    assert_eq!(report()["reported"][0]["reported_at"], "2021-11-02T02:00:00.000000Z");
}

#[test]
fn future_months_are_not_expected_yet() {
    let office = Office::new(
        &json!([{ "code": "p" }, { "code": "p.a", "kind": "district", "parent": "p" }]),
        json!([{
            "code": "e", "unit_kinds": ["district"], "unit": "p", "measures": [OUTGOING],
            "due_day": 5,
        }]),
    );
    office
        .at("2021-03-10T02:00:00Z")
        .record("p.a", &[(OUTGOING, "2021-01", 1), (OUTGOING, "2021-02", 1)]);
    has(
        &office.asked("period=2021&parent=p")["total"],
        &json!({ "expected": 3, "missing": 1, "completeness": 66.666_667 }),
    );
    has(
        &office.asked("period=2030&parent=p")["total"],
        &json!({ "expected": 0, "completeness": null }),
    );
}

#[test]
fn completeness_is_a_kpi_with_a_trend_a_ranking_a_target_and_a_past() {
    let office = Office::districts("abc");
    let mut catalogue = office.read("catalogue");
    catalogue["kpis"].as_array_mut().unwrap().push(json!({
        "code": "reports.completeness", "name": { "vi": "Mức đầy đủ", "en": "Completeness" },
        "formula": "reported() / expected()", "unit_of_measure": "percent",
        "direction": "higher",
    }));
    let target = json!({ "code": "all", "measure": "reports.completeness", "value": "100" });
    catalogue["targets"].as_array_mut().unwrap().push(target);
    office.put("catalogue", &catalogue).expect(200);
    office.both("2021-11-03T02:00:00Z", "p.b", "2021-09");
    office.both("2021-11-03T02:00:00Z", "p.a", "2021-10");
    office.record("p.b", &[(OUTGOING, "2021-10", 10)]);
    let before = office.revision();
    office.both("2021-11-20T02:00:00Z", "p.c", "2021-10");
    // 2 of 6; then 5 of 6 as in the list of reports, and 3 of 6 as of the revision before
    let series = "series?measure=reports.completeness&unit=p&from=2021-08&to=2021-11\
                  &fields=value,delta";
    let values = |query: &str| -> Value {
        let found = office.read(query);
        let points = found["series"][0]["points"].as_array().unwrap();
        points.iter().map(|point| point["value"].clone()).collect()
    };
    assert_eq!(values(series), json!([null, 33.333_333, 83.333_333, null]));
    assert_eq!(values(&format!("{series}&as_of={before}")), json!([null, 33.333_333, 50, null]));
    // Without `from` and `to` the series ends with the newest report
    assert_eq!(
        values("series?measure=reports.completeness&unit=p&last=2&fields=value"),
        json!([33.333_333, 83.333_333])
    );
    for month in ["2021-09", "2021-10"] {
        let listed = office.asked(&format!("period={month}&parent=p"))["total"].clone();
        let scorecard = office.read(&format!("scorecard?unit=p&period={month}"));
        let kpis = scorecard["rows"].as_array().unwrap();
        let kpi = kpis.iter().find(|kpi| kpi["measure"] == "reports.completeness").unwrap();
        assert_eq!(kpi["value"], listed["completeness"], "{month}");
    }
    let ranking = office.read("ranking?measure=reports.completeness&parent=p&period=2021-10");
    let row = |n: usize| &ranking["rows"][n];
    has(row(0), &json!({ "unit": "p.a", "value": 100, "rank": 1, "status": "met" }));
    has(row(1), &json!({ "unit": "p.c", "value": 100, "rank": 1, "target": 100 }));
    has(
        row(2),
        &json!({ "unit": "p.b", "value": 50, "rank": 3, "delta": -50, "status": "behind" }),
    );
    // A rate that is stated for it is not compared, neither now nor when figures arrive later
    let stated = [("reports.completeness", "2021-10", 50)];
    assert_eq!(office.record("p", &stated)["findings"], json!([]));
    office.record("p.b", &[(SIGNED, "2021-10", 5)]);
    assert_eq!(office.read("findings?unit=p")["findings"], json!([]));
    let series = "series?measure=reports.completeness&unit=p&from=2021-10&to=2021-10";
    let point = office.read(series)["series"][0]["points"][0].clone();
    has(&point, &json!({ "value": 100, "stated": 50, "coverage": 1 }));
}
