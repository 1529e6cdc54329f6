//! Every measure (`measure=*`), every member of a split (`dimensions=channel:*`), and the share of
//! a member in the total.

use serde_json::{Value, json};

use crate::harness::{Api, Server, figure};

const RECEIVED: &str = "igate.dossiers.received";
const LEVEL: &str = "service_level";

/// A province with two communes. In February `p.b` has stated its total without its members.
fn province() -> Server {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p" }, { "code": "p.a", "parent": "p" }, { "code": "p.b", "parent": "p" },
    ]));
    let split = |unit: &str, month: &str, dimensions: Value, value: i64| {
        json!({ "indicator": RECEIVED, "unit": unit, "period": month, "dimensions": dimensions,
                "value": value })
    };
    let online = json!({ "channel": "online" });
    let in_person = json!({ "channel": "in_person" });
    let level = json!({ LEVEL: "4" });
    let figures = [
        split("p.a", "2021-01", online.clone(), 3),
        split("p.a", "2021-01", in_person.clone(), 1),
        split("p.b", "2021-01", online.clone(), 2),
        split("p.b", "2021-01", in_person, 14),
        split("p.a", "2021-02", online, 5),
        figure(RECEIVED, "p.a", "2021-02", 8),
        figure(RECEIVED, "p.b", "2021-02", 100),
        split("p.a", "2021-02", level, 6),
    ];
    server.post(&json!({ "observations": figures })).expect(201);
    server
}

/// The measures of a page, in order.
#[track_caller]
fn measures(server: &Api, parameters: &[(&str, &str)]) -> Vec<String> {
    let month = [("unit", "p"), ("from", "2021-01"), ("to", "2021-01"), ("fields", "value")];
    let found = server.series(&[parameters, &month].concat()).expect(200);
    let of = |one: &Value| one["measure"].as_str().unwrap().to_owned();
    found["series"].as_array().unwrap().iter().map(of).collect()
}

fn with(member: &str) -> String {
    format!("{RECEIVED}{{{member}}}")
}

#[test]
fn a_star_stands_for_every_member_of_a_dimension() {
    let server = province();
    let channels = ["in_person", "online", "post"].map(|member| with(&format!("channel={member}")));
    assert_eq!(measures(&server, &[("measure", &with("channel=*"))]), channels);
    let split = [("measure", RECEIVED), ("dimensions", "channel:*")];
    assert_eq!(measures(&server, &split), channels);
    // The total beside its parts; what is chosen twice is given once
    let both = [("measure", RECEIVED), ("measure", &channels[1]), ("measure", &with("channel=*"))];
    let [in_person, online, post] = channels.clone();
    let expected = [RECEIVED.to_owned(), online, in_person, post];
    assert_eq!(measures(&server, &both), expected);
    // A named member beside it, and one that the measure names itself
    let levels = measures(
        &server,
        &[("measure", RECEIVED), ("dimensions", "channel:online,service_level:*")],
    );
    assert_eq!(levels.len(), 6);
    assert_eq!(levels[3], with("channel=online,service_level=4"));
    let own = [("measure", channels[1].as_str()), ("dimensions", "channel:*")];
    assert_eq!(measures(&server, &own), [channels[1].clone()]);
    // Two splits: every combination
    let all =
        measures(&server, &[("measure", RECEIVED), ("dimensions", "channel:*,service_level:*")]);
    assert_eq!(all.len(), 18);
}

#[test]
fn a_dimension_within_another_is_split_where_it_is_open() {
    let server = province();
    let all = measures(
        &server,
        &[("measure", "pki.certificates.total"), ("dimensions", "certificate_holder:*,token:*")],
    );
    let open = |token: &str| {
        format!("pki.certificates.total{{certificate_holder=individual,token={token}}}")
    };
    assert_eq!(all, [open("usb"), open("sim_pki")]);
}

#[test]
fn a_star_stands_for_every_measure_of_the_catalogue() {
    let server = province();
    let catalogue = server.read("catalogue");
    let codes = |list: &str| -> Vec<String> {
        let of = |one: &Value| one["code"].as_str().unwrap().to_owned();
        catalogue[list].as_array().unwrap().iter().map(of).collect()
    };
    let every = [codes("indicators"), codes("kpis")].concat();
    assert_eq!(measures(&server, &[("measure", "*"), ("limit", "1000")]), every);
    // Only those that have the dimension
    let split = measures(&server, &[("measure", "*"), ("dimensions", "channel:online")]);
    assert!(split.len() > 1 && split.len() < every.len(), "{split:?}");
    assert!(split.iter().all(|measure| measure.contains("channel=online")), "{split:?}");
    // Pages continue through them
    let first = [("measure", "*"), ("unit", "p"), ("last", "1"), ("limit", "3")];
    let page = server.series(&first).expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let second = server.series(&[&first[..], &[("cursor", cursor)]].concat()).expect(200);
    assert_eq!(second["series"][0]["measure"], every[3].as_str());
}

#[test]
fn what_no_measure_has_is_an_error() {
    let server = province();
    let month = [("unit", "p"), ("last", "1")];
    let faults =
        |parameters: &[(&str, &str)]| server.series(&[parameters, &month].concat()).faults(422);
    assert_eq!(
        faults(&[("measure", "*"), ("dimensions", "nothing:*")]),
        ["/measure unknown_member"]
    );
    assert_eq!(
        faults(&[("measure", RECEIVED), ("dimensions", "nothing:*")]),
        ["/measure unknown_dimension"]
    );
    assert_eq!(faults(&[("measure", "none{channel=*}")]), ["/measure unknown_measure"]);
    assert_eq!(
        faults(&[("measure", RECEIVED), ("dimensions", "channel=online")]),
        ["/dimensions malformed"]
    );
    assert_eq!(
        faults(&[("measure", RECEIVED), ("dimensions", "channel:*,channel:online")]),
        ["/dimensions malformed"]
    );
    let problem = server
        .series(&[("measure", "*"), ("dimensions", "nothing:*"), ("unit", "p"), ("last", "1")])
        .problem(422);
    assert_eq!(problem["errors"][0]["detail"], "no measure has the members nothing=*");
    assert_eq!(problem["errors"][0]["detail_vi"], "không chỉ tiêu nào có các thành phần nothing=*");
}

#[test]
fn a_share_is_the_ratio_of_sums_in_percent() {
    let server = province();
    let share = |measure: &str, unit: &str, period: &str| {
        let asked = [("measure", measure), ("unit", unit), ("from", period), ("to", period)];
        let found = server.series(&[&asked[..], &[("fields", "share")]].concat()).expect(200);
        let point = &found["series"][0]["points"][0];
        (point["share"].clone(), point["share_reason"].clone())
    };
    let is = |number: f64| (json!(number), Value::Null);
    let none = |reason: &str| (Value::Null, json!(reason));
    let online = with("channel=online");
    // 3 of 4; 2 of 16; (3 + 2) of (4 + 16), not the mean of the two
    assert_eq!(share(&online, "p.a", "2021-01"), (json!(75), Value::Null));
    assert_eq!(share(&online, "p.b", "2021-01"), is(12.5));
    assert_eq!(share(&online, "p", "2021-01"), (json!(25), Value::Null));
    // In February only `p.a` has the member: 5 of its 8, not 5 of 108
    assert_eq!(share(&online, "p", "2021-02"), is(62.5));
    assert_eq!(share(&with("service_level=4"), "p.a", "2021-02"), (json!(75), Value::Null));
    assert_eq!(share(&online, "p.b", "2021-02"), none("missing"));
    // Two months: (3 + 5) of (4 + 8)
    assert_eq!(share(&online, "p.a", "2021-Q1"), is(66.666_667));
    // The total, a kpi and an average have no share
    assert_eq!(share(RECEIVED, "p.a", "2021-01"), none("not_applicable"));
    assert_eq!(share("igate.dossiers.online_rate", "p.a", "2021-01"), none("not_applicable"));
    let average = "radio.own_programme.minutes_per_day";
    assert_eq!(share(average, "p.a", "2021-01"), none("not_applicable"));
}

#[test]
fn shares_of_a_split_as_a_table() {
    let server = province();
    let asked = [
        ("measure", RECEIVED),
        ("dimensions", "channel:*"),
        ("unit", "p"),
        ("from", "2021-01"),
        ("to", "2021-01"),
        ("fields", "value,share"),
        ("format", "csv"),
    ];
    let text = server.series(&asked).text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "measure,unit,unit_of_measure,step,period,value,value_reason,share,share_reason",
            "igate.dossiers.received{channel=in_person},p,count,month,2021-01,15,,75,",
            "igate.dossiers.received{channel=online},p,count,month,2021-01,5,,25,",
            "igate.dossiers.received{channel=post},p,count,month,2021-01,,missing,,missing",
        ]
    );
}
