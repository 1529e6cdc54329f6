//! The Prometheus HTTP API over the figures, and the figures for scraping.

use std::time::{Duration, Instant};

use egov_kpi::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Api, Dice, Server, query, run};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "egov_ioffice_documents_signed_rate";
const DOCUMENTS: &str = "egov_ioffice_documents_outgoing";

/// A province of two communes. February has 28 days, and `b` has not reported for March.
pub fn province() -> Server {
    province_by(Clock::default())
}

/// The same with the clock of the test.
pub fn province_by(clock: Clock) -> Server {
    clock.set("2021-06-10T00:00:00Z".parse().unwrap());
    let server = Server::start_by(clock);
    let name = |vi: &str| json!({ "vi": vi, "en": "" });
    server.put_units(&json!([
        { "code": "p", "kind": "province", "name": name("Tỉnh \"P\"") },
        { "code": "p.a", "kind": "commune", "name": name("Xã A"), "parent": "p" },
        { "code": "p.b", "kind": "commune", "parent": "p" },
    ]));
    server.record(
        "p.a",
        &[
            (OUTGOING, "2021-01", 10),
            (OUTGOING, "2021-02", 20),
            (OUTGOING, "2021-03", 30),
            (OUTGOING, "2021-04", 40),
        ],
    );
    server.record(
        "p.a",
        &[
            (SIGNED, "2021-01", 5),
            (SIGNED, "2021-02", 10),
            (SIGNED, "2021-03", 15),
            (SIGNED, "2021-04", 30),
        ],
    );
    server.record(
        "p.b",
        &[(OUTGOING, "2021-01", 1), (OUTGOING, "2021-02", 2), (OUTGOING, "2021-04", 4)],
    );
    server
}

/// The data of a successful response.
pub fn ask(api: &Api, path: &str, parameters: &[(&str, &str)]) -> Value {
    let answer = api.get(&format!("/prometheus/api/v1/{path}?{}", query(parameters))).expect(200);
    assert_eq!(answer["status"], "success");
    answer["data"].clone()
}

/// An instant vector as `label=value number`, in the order of the response.
pub fn vector(api: &Api, promql: &str, time: &str, label: &str) -> Vec<String> {
    let data = ask(api, "query", &[("query", promql), ("time", time)]);
    let one = |series: &Value| {
        format!(
            "{} {}",
            series["metric"][label].as_str().unwrap_or("-"),
            series["value"][1].as_str().unwrap()
        )
    };
    data["result"].as_array().unwrap().iter().map(one).collect()
}

/// As Prometheus, which negates the series of all times of a range together.
#[test]
fn a_negation_of_two_metrics_is_an_error_also_where_they_are_at_different_times() {
    let server = province();
    // In March `p.b` has no outgoing documents, but signed ones.
    server.record("p.b", &[(SIGNED, "2021-03", 7)]);
    let signed = "egov_ioffice_documents_signed";
    let negated = format!("-({DOCUMENTS}{{unit=\"p.b\"}} or {signed}{{unit=\"p.b\"}})");
    let times = [("start", "2021-01-15T00:00:00Z"), ("end", "2021-03-15T00:00:00Z")];
    let parameters = [&[("query", negated.as_str()), ("step", "28d")][..], &times].concat();
    let reply = server.get(&format!("/prometheus/api/v1/query_range?{}", query(&parameters)));
    let error = reply.json()["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(error, "vector cannot contain metrics with the same labelset");
    assert_eq!(vector(&server, &negated, "2021-01-15T00:00:00Z", "unit"), ["p.b -1"]);
    assert_eq!(vector(&server, &negated, "2021-03-15T00:00:00Z", "unit"), ["p.b -7"]);
}

#[test]
fn a_monthly_value_holds_until_the_month_ends_and_a_missing_month_is_a_gap() {
    let server = province();
    let at = |time: &str| vector(&server, &format!("{DOCUMENTS}{{unit=\"p.b\"}}"), time, "unit");
    assert_eq!(at("2020-12-31T23:59:59.999Z"), Vec::<String>::new());
    assert_eq!(
        (at("2021-01-01T00:00:00Z"), at("2021-01-31T23:59:59.999Z")),
        (vec!["p.b 1".to_owned()], vec!["p.b 1".to_owned()])
    );
    assert_eq!(
        (at("2021-02-01T00:00:00Z"), at("2021-02-28T23:59:59Z")),
        (vec!["p.b 2".to_owned()], vec!["p.b 2".to_owned()])
    );
    assert_eq!((at("2021-03-01T00:00:00Z"), at("2021-03-03T12:00:00Z")), (Vec::new(), Vec::new()));
    let data = ask(
        &server,
        "query_range",
        &[
            ("query", &format!("{DOCUMENTS}{{unit=\"p.b\"}}")),
            ("start", "2021-02-27T00:00:00Z"),
            ("end", "2021-04-02T00:00:00Z"),
            ("step", "1d"),
        ],
    );
    let values: Vec<(i64, &str)> = data["result"][0]["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (pair[0].as_i64().unwrap(), pair[1].as_str().unwrap()))
        .collect();
    assert_eq!(
        values,
        [(1_614_384_000, "2"), (1_614_470_400, "2"), (1_617_235_200, "4"), (1_617_321_600, "4")]
    ); // 27 and 28 February, 1 and 2 April
}

#[test]
fn series_have_the_labels_of_their_unit_and_every_level_its_own() {
    let server = province();
    let data = ask(&server, "query", &[("query", DOCUMENTS), ("time", "2021-03-15T00:00:00Z")]);
    let of =
        |unit: &str, name: &str, kind: &str, level: &str, parent: Option<&str>, value: &str| {
            let mut metric = json!({
                "__name__": DOCUMENTS, "level": level, "unit": unit, "unit_kind": kind,
                "unit_name": name,
            });
            parent.into_iter().for_each(|parent| metric["parent"] = json!(parent));
            json!({ "metric": metric, "value": [1_615_766_400, value] })
        };
    assert_eq!(
        data,
        json!({
            "resultType": "vector",
            "result": [
                of("p", "Tỉnh \"P\"", "province", "0", None, "30"),
                of("p.a", "Xã A", "commune", "1", Some("p"), "30"),
            ],
        })
    );
    assert_eq!(
        vector(
            &server,
            &format!("{DOCUMENTS}{{level=\"1\"}}"),
            "2021-04-15T00:00:00Z",
            "unit_name"
        ),
        ["Xã A 40", "p.b 4"],
        "without a name its code"
    );
    assert_eq!(
        vector(
            &server,
            &format!("sum({DOCUMENTS}{{parent=\"p\"}})"),
            "2021-04-15T00:00:00Z",
            "unit"
        ),
        ["- 44"]
    );
}

#[test]
fn companions_are_the_fields_of_the_series() {
    let server = province();
    server
        .put(
            "targets",
            &json!({ "targets": [{
            "code": "t", "measure": "ioffice.documents.signed_rate", "unit": "p", "from": "2021-03",
            "value": "80.5",
        }] }),
        )
        .expect(200);
    let fields = [
        ("_mom_delta", "delta"),
        ("_mom_percent", "delta_percent"),
        ("_mom_like_for_like_delta", "like_for_like_delta"),
        ("_mom_like_for_like_percent", "like_for_like_percent"),
        ("_yoy_delta", "year_delta"),
        ("_yoy_percent", "year_delta_percent"),
        ("_ytd", "year_to_date"),
        ("", "value"),
    ];
    let mut given = 0;
    for (measure, metric) in [(OUTGOING, DOCUMENTS), ("ioffice.documents.signed_rate", RATE)] {
        for unit in ["p", "p.a", "p.b"] {
            for month in ["2021-01", "2021-02", "2021-03", "2021-04"] {
                let point = server.point(measure, unit, month);
                for (suffix, field) in fields {
                    let found = vector(
                        &server,
                        &format!("{metric}{suffix}{{unit=\"{unit}\"}}"),
                        &format!("{month}-20T00:00:00Z"),
                        "unit",
                    );
                    let expected: Vec<String> = point[field]
                        .as_f64()
                        .map(|number| format!("{unit} {number}"))
                        .into_iter()
                        .collect();
                    assert_eq!(found, expected, "{metric}{suffix} {unit} {month}");
                    given += found.len();
                }
                let coverage = point["value"]
                    .as_f64()
                    .map(|_| format!("{unit} {}", point["coverage"].as_f64().unwrap()));
                assert_eq!(
                    vector(
                        &server,
                        &format!("{metric}_coverage{{unit=\"{unit}\"}}"),
                        &format!("{month}-20T00:00:00Z"),
                        "unit"
                    ),
                    coverage.into_iter().collect::<Vec<_>>()
                );
            }
        }
    }
    assert!(given > 60, "{given} numbers were compared");
    let target = |month: &str| {
        vector(&server, &format!("{RATE}_target"), &format!("{month}-20T00:00:00Z"), "unit")
    };
    assert_eq!(
        (target("2021-02"), target("2021-03")),
        (Vec::new(), ["p 80.5", "p.a 80.5", "p.b 80.5"].map(ToOwned::to_owned).to_vec())
    );
}

#[test]
fn the_latest_is_at_most_three_months_old_and_names_its_month() {
    let server = province();
    let latest = |time: &str| {
        let of = |suffix: &str| {
            vector(&server, &format!("{DOCUMENTS}_latest{suffix}{{unit=\"p.b\"}}"), time, "unit")
                .pop()
        };
        (of(""), of("_period_timestamp_seconds"))
    };
    let told =
        |value: &str, month: &str| (Some(format!("p.b {value}")), Some(format!("p.b {month}")));
    assert_eq!(latest("2021-03-15T00:00:00Z"), told("2", "1612137600")); // February
    assert_eq!(latest("2021-04-15T00:00:00Z"), told("4", "1617235200")); // April
    assert_eq!(latest("2021-07-31T00:00:00Z"), told("4", "1617235200"));
    assert_eq!(latest("2021-08-01T00:00:00Z"), (None, None));
    server.put_units(
        &json!([{ "code": "p.b", "kind": "commune", "parent": "p", "valid_to": "2021-05-31" }]),
    );
    assert_eq!(
        (latest("2021-05-15T00:00:00Z"), latest("2021-06-15T00:00:00Z")),
        (told("4", "1617235200"), (None, None))
    );
}

#[test]
fn splits_have_names_of_their_own_and_reserved_endings_are_hidden() {
    let server = province();
    let figure = |channel: &str, level: Option<&str>, value: i64| {
        let mut dimensions = json!({ "channel": channel });
        level.into_iter().for_each(|level| dimensions["service_level"] = json!(level));
        json!({
            "indicator": "igate.dossiers.received", "unit": "p.a", "period": "2021-04",
            "value": value, "dimensions": dimensions,
        })
    };
    server
        .post(&json!({ "observations": [
        figure("online", None, 7),
        figure("in_person", None, 5),
        figure("online", Some("4"), 3),
    ] }))
        .expect(201);
    server.record("p.a", &[("ioffice.users.total", "2021-04", 9)]);
    let at = |promql: &str, label: &str| vector(&server, promql, "2021-04-20T00:00:00Z", label);
    assert_eq!(at("egov_igate_dossiers_received{unit=\"p.a\"}", "channel"), ["- 12"]);
    assert_eq!(
        at("egov_igate_dossiers_received_by_channel{unit=\"p.a\"}", "channel"),
        ["in_person 5", "online 7"]
    );
    assert_eq!(
        at(
            "egov_igate_dossiers_received_by_channel_service_level{unit=\"p.a\",\
             channel=\"online\"}",
            "service_level"
        ),
        ["4 3"]
    );
    assert_eq!(at("egov_ioffice_users_total_figure{unit=\"p.a\"}", "unit"), ["p.a 9"]);
    assert_eq!(at("egov_ioffice_users_total{unit=\"p.a\"}", "unit"), Vec::<String>::new());
    let names = ask(&server, "label/__name__/values", &[]);
    let names: Vec<&str> =
        names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(
        names.contains(&"egov_igate_dossiers_received_by_channel_service_level_latest")
            && !names.contains(&"egov_petitions_received")
    );
}

#[test]
fn the_catalogue_refuses_two_measures_of_one_name() {
    let server = Server::start();
    let mut catalogue = server.read("catalogue");
    let indicators = catalogue["indicators"].as_array_mut().unwrap();
    indicators.push(json!({
        "code": "ioffice.documents.outgoing.ytd", "kind": "flow", "unit_of_measure": "count",
    }));
    indicators.push(
        json!({ "code": "ioffice_documents.outgoing", "kind": "flow", "unit_of_measure": "count" }),
    );
    let last = indicators.len() - 1;
    let clash = |n: usize| format!("/indicators/{n}/code metric_clash");
    assert_eq!(server.put("catalogue", &catalogue).faults(422), [clash(last - 1), clash(last)]);
}

#[test]
fn completeness_late_units_and_findings_are_metrics_too() {
    let server = province();
    let mut catalogue = server.read("catalogue");
    let expectation = json!({
        "code": "e", "unit_kinds": ["commune"], "unit": "p", "measures": [OUTGOING, SIGNED],
        "due_day": 5,
    });
    catalogue["expectations"].as_array_mut().unwrap().push(expectation);
    server.put("catalogue", &catalogue).expect(200);
    server.record("p.a", &[(SIGNED, "2021-04", 50)]); // more than were sent
    let at = |metric: &str, time: &str| vector(&server, metric, time, "unit");
    // Recorded on 10 June, so everything is late. p.b has not reported the signed documents of
    // April.
    assert_eq!(
        at("egov_completeness_percent{unit=~\"p.*\"}", "2021-04-20T00:00:00Z"),
        ["p 75", "p.a 100", "p.b 50"]
    );
    assert_eq!(
        at("egov_late_units{unit=~\"p.*\"}", "2021-04-20T00:00:00Z"),
        ["p 2", "p.a 1", "p.b 1"]
    );
    assert_eq!(
        at(
            "egov_findings{rule=\"ioffice.signed_within_outgoing\",severity=\"warning\"}",
            "2021-04-20T00:00:00Z"
        ),
        ["p 1", "p.a 1"]
    );
    assert_eq!(at("egov_findings", "2021-03-20T00:00:00Z"), ["p 0", "p.a 0"]);
    // On 10 June the report of May is due, and nothing of it was reported; the newest figures are
    // of April.
    assert_eq!(at("egov_completeness_percent_latest{unit=\"p\"}", "2021-06-10T00:00:00Z"), ["p 0"]);
    assert_eq!(
        at("egov_late_units_latest_period_timestamp_seconds{unit=\"p\"}", "2021-06-10T00:00:00Z"),
        ["p 1619827200"]
    ); // 1 May
    assert_eq!(at("egov_findings_latest{unit=\"p\"}", "2021-06-10T00:00:00Z"), ["p 1"]);
    server.record("p.a", &[(OUTGOING, "2021-05", 60), (SIGNED, "2021-05", 30)]);
    assert_eq!(at("egov_findings{unit=\"p\"}", "2021-05-20T00:00:00Z"), ["p 0"]);
    assert_eq!(
        at("egov_findings_latest{unit=\"p\"}", "2021-06-10T00:00:00Z"),
        ["p 1"],
        "April's contradiction stands"
    );
}

#[test]
fn the_catalogue_the_months_and_the_units_are_metrics_that_hold_at_every_instant() {
    let server = province();
    let of = |promql: &str, time: &str, label: &str| vector(&server, promql, time, label);
    for time in ["1990-01-15T00:00:00Z", "2021-02-15T00:00:00Z", "2099-01-15T00:00:00Z"] {
        assert_eq!(
            of("egov_month_info", time, "month"),
            ["2021-01 1", "2021-02 1", "2021-03 1", "2021-04 1"]
        );
        assert_eq!(of("egov_unit_info{parent=\"p\"}", time, "unit"), ["p.a 1", "p.b 1"]);
        let rate =
            of("egov_measure_info{measure=\"ioffice.documents.signed_rate\"}", time, "metric");
        assert_eq!(rate, [format!("{RATE} 1")]);
    }
    assert_eq!(
        of(
            "sum_over_time(egov_month_info{month=\"2021-02\"}[365d])",
            "2021-02-15T00:00:00Z",
            "time"
        ),
        ["1612137600 12"]
    );
    // The catalogue's order is the order of the series and that of the texts.
    let shipped = ask(&server, "series", &[("match[]", "egov_measure_info{system=\"ioffice\"}")]);
    let mut orders: Vec<(&str, &str)> = shipped
        .as_array()
        .unwrap()
        .iter()
        .map(|labels| (labels["order"].as_str().unwrap(), labels["measure"].as_str().unwrap()))
        .collect();
    orders.sort_unstable();
    let codes: Vec<&str> = orders.iter().map(|(_, code)| *code).collect();
    assert_eq!(
        codes,
        [
            "ioffice.users.created",
            "ioffice.users.total",
            "ioffice.documents.outgoing",
            "ioffice.documents.signed",
            "ioffice.documents.incoming",
            "ioffice.documents.electronic",
            "ioffice.documents.signed_rate",
            "ioffice.users.net_change",
            "ioffice.documents.electronic_rate",
        ]
    );
    let listed = of(
        "max by (order, title) (label_replace(egov_measure_info{system=\"ioffice\"}, \
        \"title\", \"$1\", \"measure\", \"(.+)\"))",
        "2021-02-15T00:00:00Z",
        "title",
    );
    assert_eq!(listed, codes.iter().map(|code| format!("{code} 1")).collect::<Vec<_>>());
    // What a variable of Grafana asks.
    let values =
        ask(&server, "label/measure/values", &[("match[]", "egov_measure_info{system=\"mail\"}")]);
    assert!(values.as_array().unwrap().contains(&json!("mail.mailboxes.total")), "{values}");
    assert!(ask(&server, "label/system/values", &[]).as_array().unwrap().contains(&json!("mail")));
    // A value with the name of its measure.
    let named = "label_replace({__name__=~\"egov_ioffice_documents_(outgoing|signed)\",\
        unit=\"p\"}, \"metric\", \"$1\", \"__name__\", \"(.+)\") \
        * on (metric) group_left (name_en, order, headline) egov_measure_info";
    assert_eq!(
        of(named, "2021-02-15T00:00:00Z", "name_en"),
        ["Outgoing documents digitally signed 10", "Outgoing documents 22"]
    );
    // A catalogue with one measure less.
    let mut catalogue = server.read("catalogue");
    catalogue["kpis"]
        .as_array_mut()
        .unwrap()
        .retain(|kpi| kpi["code"] != "ioffice.users.net_change");
    server.put("catalogue", &catalogue).expect(200);
    let left = of("egov_measure_info{system=\"ioffice\"}", "2021-02-15T00:00:00Z", "measure");
    assert_eq!(left.len(), codes.len() - 1, "{left:?}");
    let text = server.get("/metrics/figures").text();
    for info in ["egov_measure_info", "egov_split_info", "egov_month_info", "egov_unit_info"] {
        assert!(text.contains(&format!("# TYPE {info} gauge\n{info}{{")), "{info}");
    }
    let history = run(&["export", "--openmetrics", "--database", &server.address()]).expect(0);
    let months =
        history.lines().filter(|line| line.starts_with("egov_month_info{month=\"2021-04\""));
    assert_eq!(months.count(), 12, "in every month of the history");
}

#[test]
fn the_attainment_follows_the_direction_of_the_kpi() {
    let server = province();
    let mut catalogue = server.read("catalogue");
    let kpis = catalogue["kpis"].as_array_mut().unwrap();
    let formula = format!("({OUTGOING} - {SIGNED}) / {OUTGOING}");
    let unsigned = json!({ "code": "unsigned_rate", "formula": formula });
    kpis.push(unsigned);
    let last = kpis.last_mut().unwrap();
    last["unit_of_measure"] = json!("percent");
    last["direction"] = json!("lower");
    let targets = catalogue["targets"].as_array_mut().unwrap();
    targets.retain(|target| target["measure"] != "ioffice.documents.signed_rate");
    targets.push(json!({ "code": "s", "measure": "ioffice.documents.signed_rate", "value": "80" }));
    targets.push(json!({ "code": "u", "measure": "unsigned_rate", "value": "25" }));
    server.put("catalogue", &catalogue).expect(200);
    let at = |metric: &str, time: &str| {
        vector(&server, &format!("{metric}{{unit=\"p.a\"}}"), time, "unit")
    };
    assert_eq!(at(&format!("{RATE}_attainment"), "2021-03-15T00:00:00Z"), ["p.a 62.5"]);
    assert_eq!(at("egov_unsigned_rate_attainment", "2021-03-15T00:00:00Z"), ["p.a 50"]);
    assert_eq!(at("egov_unsigned_rate_attainment", "2021-04-15T00:00:00Z"), ["p.a 100"]);
    assert_eq!(at("egov_unsigned_rate_attainment_latest", "2021-05-15T00:00:00Z"), ["p.a 100"]);
    assert_eq!(at("egov_unsigned_rate_attainment", "2021-05-15T00:00:00Z"), Vec::<String>::new());
    server.record("p.a", &[(SIGNED, "2021-04", 40)]);
    // Nothing is unsigned: the best value there is, though no proportion can be computed.
    assert_eq!(at("egov_unsigned_rate_attainment", "2021-04-15T00:00:00Z"), ["p.a 100"]);
    let text = server.get("/metrics/figures").text();
    assert!(text.contains("\negov_unsigned_rate_attainment_latest{"), "{text}");
}

#[test]
fn the_decline_of_the_newest_month_follows_the_direction_of_the_kpi() {
    let server = province();
    let mut catalogue = server.read("catalogue");
    let kpis = catalogue["kpis"].as_array_mut().unwrap();
    kpis.retain(|kpi| kpi["code"] == "ioffice.documents.signed_rate");
    for (code, formula, unit, direction) in [
        ("unsigned_rate", format!("({OUTGOING} - {SIGNED}) / {OUTGOING}"), "percent", "lower"),
        ("signed_each", format!("{SIGNED} / 2"), "count", "higher"),
        ("outgoing_each", format!("{OUTGOING} / 2"), "count", "neutral"),
    ] {
        kpis.push(json!({
            "code": code, "formula": formula, "unit_of_measure": unit, "direction": direction,
        }));
    }
    for section in ["targets", "patterns", "sentences"] {
        catalogue[section] = json!([]);
    }
    server.put("catalogue", &catalogue).expect(200);
    let at = |metric: &str| {
        let promql = format!("{metric}_decline_latest{{unit=\"p.a\"}}");
        vector(&server, &promql, "2021-05-15T00:00:00Z", "unit")
    };
    // Of 40 documents 30 are signed, of 30 before 15: better by 25 points, and by 100 percent.
    assert_eq!(at(RATE), ["p.a -25"]);
    assert_eq!(at("egov_unsigned_rate"), ["p.a -25"]);
    assert_eq!(at("egov_signed_each"), ["p.a -100"]);
    server.record("p.a", &[(SIGNED, "2021-04", 6)]);
    assert_eq!(at(RATE), ["p.a 35"]);
    assert_eq!(at("egov_unsigned_rate"), ["p.a 35"]);
    assert_eq!(at("egov_signed_each"), ["p.a 60"]);
    // Without a direction nothing is better or worse.
    assert_eq!(at("egov_outgoing_each"), Vec::<String>::new());
    assert_eq!(at(DOCUMENTS), Vec::<String>::new());
    let text = server.get("/metrics/figures").text();
    assert!(text.contains("\negov_unsigned_rate_decline_latest{"), "{text}");
    assert!(!text.contains("outgoing_decline_latest"), "{text}");
}

#[test]
fn the_value_of_the_year_before_holds_in_the_same_month() {
    let server = province();
    server.record("p.a", &[(OUTGOING, "2020-03", 7), (OUTGOING, "2020-06", 9)]);
    server.record("p.b", &[(OUTGOING, "2020-03", 2)]);
    let at = |time: &str| vector(&server, &format!("{DOCUMENTS}_year_before"), time, "unit");
    assert_eq!(at("2021-02-28T23:59:59Z"), Vec::<String>::new());
    // Also where the figure of this year, as that of `p.b`, is missing.
    assert_eq!(at("2021-03-01T00:00:00Z"), ["p 9", "p.a 7", "p.b 2"]);
    assert_eq!(at("2021-04-15T00:00:00Z"), Vec::<String>::new());
    assert_eq!(at("2021-06-15T00:00:00Z"), ["p 9", "p.a 9"]);
}

#[test]
fn years_to_date_are_compared_and_the_last_twelve_months_are_added_up() {
    let server = province();
    let months = (1..=12).map(|month| format!("2020-{month:02}")).collect::<Vec<_>>();
    let figures: Vec<_> = months.iter().map(|month| (OUTGOING, month.as_str(), 5)).collect();
    server.record("p.a", &figures);
    let at =
        |suffix: &str, time: &str| vector(&server, &format!("{DOCUMENTS}{suffix}"), time, "unit");
    // 10 + 20 against 5 + 5; in p the units of the two years are not the same
    assert_eq!(at("_year_to_date_percent", "2021-02-15T00:00:00Z"), ["p.a 200"]);
    // Ten months of 2020, then 10 + 20 of p.a, and 1 + 2 of p.b
    assert_eq!(at("_rolling12", "2021-02-15T00:00:00Z"), ["p 83", "p.a 80"]);
    assert_eq!(at("_rolling12", "2021-03-15T00:00:00Z"), ["p 108", "p.a 105"]);
    assert_eq!(at("_rolling12", "2020-12-15T00:00:00Z"), ["p 60", "p.a 60"]);
    assert_eq!(at("_rolling12", "2020-11-15T00:00:00Z"), Vec::<String>::new());
    assert_eq!(at("_year_to_date_percent", "2020-12-15T00:00:00Z"), Vec::<String>::new());
    let of_rate = format!("{RATE}_year_to_date_percent");
    assert!(vector(&server, &of_rate, "2021-02-15T00:00:00Z", "unit").is_empty());
}

#[test]
fn the_members_of_splits_have_names_in_both_languages() {
    let server = province();
    let mut catalogue = server.read("catalogue");
    let name = |vi: &str, en: &str| json!({ "vi": vi, "en": en });
    catalogue["dimensions"].as_array_mut().unwrap().extend([
        json!({ "code": "name", "name": name("Tên", "Name"), "members": [
            { "code": "a", "name": name("Loại A", "Kind A") },
            { "code": "x", "name": name("Khác", "") },
        ] }),
        json!({ "code": "place", "name": name("Nơi", "Place"), "members": [
            { "code": "x", "name": name("Khác", "Other") }, { "code": "y" },
        ] }),
    ]);
    catalogue["indicators"].as_array_mut().unwrap().push(json!({
        "code": "courses", "kind": "flow", "unit_of_measure": "count",
        "dimensions": [{ "code": "name" }, { "code": "place" }],
    }));
    server.put("catalogue", &catalogue).expect(200);
    let of = |split: &str, label: &str| {
        let promql = format!("egov_split_info{{metric=\"egov_courses_by_{split}\"}}");
        vector(&server, &promql, "2021-02-15T00:00:00Z", label)
    };
    // Two members have the same name, so their dimensions are added.
    assert_eq!(of("name", "name"), ["Loại A 1", "Khác (Tên) 1"]);
    assert_eq!(of("name", "name_en"), ["Kind A 1", "Khác 1"]);
    assert_eq!(of("name", "dimension_name"), ["a 1", "x 1"]);
    assert_eq!(of("place", "name"), ["Khác (Nơi) 1", "y 1"]);
    assert_eq!(of("place", "place"), ["x 1", "y 1"]);
    assert_eq!(
        of("name_place", "name_en"),
        ["Kind A, Other 1", "Kind A, y 1", "Khác, Other 1", "Khác, y 1"]
    );
    // What a panel of a dashboard asks: figures with the names of their members.
    server
        .post(&json!({ "observations": [
                { "indicator": "courses", "unit": "p.a", "period": "2021-02", "value": 5,
                  "dimensions": { "name": "a" } },
                { "indicator": "courses", "unit": "p.a", "period": "2021-02", "value": 4,
                  "dimensions": { "name": "a", "place": "y" } },
            ] }))
        .expect(201);
    let named = "label_replace({__name__=~\"egov_courses_by_.+\",__name__!~\".+_(mom|yoy|year|ytd|\
        target|attainment|stated|coverage|latest|decline).*\",unit=\"p.a\"}, \"metric\", \"$1\", \
        \"__name__\", \"(.+)\") * ignoring (measure, name, name_en, unit, unit_name, unit_kind, \
        parent, level) group_left (name) egov_split_info";
    assert_eq!(vector(&server, named, "2021-02-15T00:00:00Z", "name"), ["Loại A 5", "Loại A, y 4"]);
}

#[test]
fn labels_series_and_metadata_are_answered() {
    let server = province();
    assert_eq!(
        ask(&server, "labels", &[("match[]", RATE)]),
        json!(["__name__", "level", "parent", "unit", "unit_kind", "unit_name"])
    );
    let all = ask(&server, "labels", &[]);
    assert!(
        ["__name__", "channel", "service_level", "unit", "rule"]
            .iter()
            .all(|label| all.as_array().unwrap().contains(&json!(label))),
        "{all}"
    );
    assert_eq!(ask(&server, "label/unit/values", &[("match[]", RATE)]), json!(["p", "p.a"]));
    assert_eq!(
        ask(
            &server,
            "label/unit/values",
            &[
                ("match[]", DOCUMENTS),
                ("start", "2021-03-01T00:00:00Z"),
                ("end", "2021-03-31T00:00:00Z")
            ]
        ),
        json!(["p", "p.a"])
    );
    assert_eq!(ask(&server, "label/channel/values", &[]), json!(["in_person", "online", "post"]));
    assert_eq!(ask(&server, "label/nothing/values", &[]), json!([]));
    let series = ask(
        &server,
        "series",
        &[("match[]", "egov_ioffice_documents_signed{level=\"1\"}"), ("match[]", RATE)],
    );
    let names: Vec<&str> = series
        .as_array()
        .unwrap()
        .iter()
        .map(|labels| labels["__name__"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["egov_ioffice_documents_signed", RATE, RATE]);
    let metadata = ask(&server, "metadata", &[("metric", RATE)]);
    assert_eq!(
        metadata,
        json!({ RATE: [{
            "type": "gauge",
            "help": "Tỷ lệ văn bản đi được ký số / Digital signing rate (percent, month)",
            "unit": "",
        }] })
    );
    assert_eq!(ask(&server, "metadata", &[("limit", "3")]).as_object().unwrap().len(), 3);
    assert_eq!(
        ask(&server, "format_query", &[("query", "sum by(unit)(rate(m[1y]))/2")]),
        "sum by (unit) (rate(m[1y])) / 2"
    );
    assert_eq!(ask(&server, "status/buildinfo", &[])["version"], "2.42.0");
    assert!(
        ask(&server, "status/buildinfo", &[]).get("features").is_none(),
        "with it Grafana would take this for Mimir"
    );
    assert_eq!(ask(&server, "query_exemplars", &[("query", RATE)]), json!([]));
}

#[test]
fn grafana_s_save_and_test_and_its_forms_are_answered() {
    let server = province();
    let form = |path: &str, body: &str| {
        server
            .post_bytes(
                &format!("/prometheus/api/v1/{path}"),
                "application/x-www-form-urlencoded",
                body.as_bytes(),
            )
            .expect(200)
    };
    assert_eq!(
        form("query", "query=1%2B1&time=4"),
        json!({ "status": "success", "data": { "resultType": "scalar", "result": [4, "2"] } })
    );
    let range = form(
        "query_range",
        &query(&[
            ("query", RATE),
            ("start", "1617235200.5"),
            ("end", "1617408000.5"),
            ("step", "86400.0"),
        ]),
    );
    // April, of p and of p.a: 30 of 40
    assert_eq!(range["data"]["result"][0]["values"][0], json!([1_617_235_200.5, "75"]));
    assert_eq!(form("series", &query(&[("match[]", RATE)]))["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        ask(&server, "query", &[("query", "\"text\""), ("time", "1")]),
        json!({ "resultType": "string", "result": [1, "text"] })
    );
}

#[test]
fn errors_have_prometheus_own_format() {
    let server = province();
    let wrong = |path: &str, parameters: &[(&str, &str)], status: u16, kind: &str, part: &str| {
        let reply = server.get(&format!("/prometheus/api/v1/{path}?{}", query(parameters)));
        let answer = reply.expect(status);
        assert_eq!(
            (&answer["status"], &answer["errorType"]),
            (&json!("error"), &json!(kind)),
            "{answer}"
        );
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    };
    wrong("query", &[], 400, "bad_data", "query");
    wrong("query", &[("query", "egov_x{")], 400, "bad_data", "query");
    wrong("query", &[("query", "mad_over_time(egov_x[5m])")], 400, "bad_data", "mad_over_time()");
    wrong("query", &[("query", "avg_over_time(m[9y:1m])")], 422, "execution", "subqueries");
    wrong("format_query", &[("query", "sum(")], 400, "bad_data", "query");
    wrong("labels", &[("limit", "-1")], 400, "bad_data", "limit");
    wrong("rules", &[("type", "other")], 400, "bad_data", "type");
    wrong("query", &[("query", "1"), ("as_of", "then")], 400, "bad_data", "as_of");
    wrong("query", &[("query", "1"), ("as_of", "9999")], 400, "bad_data", "no revision 9999");
    wrong("query", &[("query", "1"), ("time", "yesterday")], 400, "bad_data", "time");
    wrong(
        "query_range",
        &[("query", "1"), ("start", "0"), ("end", "11001"), ("step", "1")],
        400,
        "bad_data",
        "11,000",
    );
    wrong(
        "query_range",
        &[("query", "1"), ("start", "10"), ("end", "1"), ("step", "1")],
        400,
        "bad_data",
        "start",
    );
    wrong(
        "query_range",
        &[("query", "1"), ("start", "0"), ("end", "1"), ("step", "0")],
        400,
        "bad_data",
        "step",
    );
    wrong(
        "query_range",
        &[("query", "\"x\""), ("start", "0"), ("end", "1"), ("step", "1")],
        400,
        "bad_data",
        "string",
    );
    wrong(
        "query_range",
        &[("query", "m[1y]"), ("start", "0"), ("end", "1"), ("step", "1")],
        400,
        "bad_data",
        "range vector",
    );
    wrong("series", &[], 400, "bad_data", "match[]");
    wrong("series", &[("match[]", "1+1")], 400, "bad_data", "match[]");
    wrong(
        "query",
        &[
            ("query", &format!("{DOCUMENTS} * on(level) {DOCUMENTS}")),
            ("time", "2021-04-20T00:00:00Z"),
        ],
        422,
        "execution",
        "many-to-many",
    );
    wrong("query", &[("query", RATE), ("timeout", "0")], 503, "timeout", "timed out");
    assert_eq!(server.get("/prometheus/api/v1/nothing").status, 404);
}

#[test]
fn the_deepest_allowed_query_is_computed_and_a_deeper_one_refused() {
    let server = province();
    let status = |promql: &str| {
        server.get(&format!("/prometheus/api/v1/query?{}", query(&[("query", promql)]))).status
    };
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let replace = ("label_replace(", ", \"x\", \"$1\", \"unit\", \"(.*)\")");
    for (open, close) in [("abs(", ")"), ("sum(", ")"), ("-(", ")"), ("(", ")"), replace] {
        let deepest = (1..100)
            .rev()
            .find(|times| status(&nested(open, DOCUMENTS, close, *times)) == 200)
            .unwrap();
        assert!((30..=64).contains(&deepest), "{open} {deepest}");
        assert_eq!(status(&nested(open, DOCUMENTS, close, 240)), 400, "{open}");
    }
    assert_eq!(
        (status(&vec!["1"; 60].join(" + ")), status(&vec!["1"; 200].join(" + "))),
        (200, 400)
    );
    assert_eq!(
        (status(&vec![DOCUMENTS; 60].join(" or ")), status(&vec![DOCUMENTS; 200].join(" or "))),
        (200, 400)
    );
}

#[test]
fn too_large_responses_and_forms_are_refused_in_prometheus_format() {
    let server = province();
    for indicator in [
        "ioffice.users.total",
        "ioffice.users.created",
        "petitions.received",
        "petitions.answered",
        "igate.dossiers.resolved",
        "igate.dossiers.backlog",
    ] {
        for unit in ["p.a", "p.b"] {
            server.record(
                unit,
                &["2021-01", "2021-02", "2021-03", "2021-04"].map(|month| (indicator, month, 5)),
            );
        }
    }
    let wide = [
        ("query", "{__name__=~\"egov_.+\",unit=~\"p.*\"}"),
        ("start", "2021-01-01T00:00:00Z"),
        ("end", "2021-04-30T00:00:00Z"),
        ("step", "950"),
    ];
    let reply = server.get(&format!("/prometheus/api/v1/query_range?{}", query(&wide)));
    assert!(
        reply.status == 422 && reply.text().contains("1000000 values"),
        "{} and {} bytes",
        reply.status,
        reply.body.len()
    );
    let form = vec![b'x'; 2 << 20];
    let refused = server
        .post_bytes("/prometheus/api/v1/query", "application/x-www-form-urlencoded", &form)
        .expect(400);
    assert_eq!(refused["errorType"], "bad_data");
    let binary = server
        .post_bytes("/prometheus/api/v1/query", "application/x-www-form-urlencoded", b"query=1\xff")
        .expect(400);
    assert!(binary["error"].as_str().unwrap().contains("cannot be read"), "{binary}");
}

#[test]
fn writes_do_not_wait_for_reads() {
    let server = province();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let wide = query(&[
        ("query", "count by (unit) ({__name__=~\"egov_.+\"})"),
        ("time", "2021-04-15T00:00:00Z"),
    ]);
    let slowest =
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        assert!([200, 422, 503].contains(
                            &server.get(&format!("/prometheus/api/v1/query?{wide}")).status
                        ));
                    }
                });
            }
            let one = |value: i64| {
                let began = Instant::now();
                server.record("p.a", &[(OUTGOING, "2021-05", value)]);
                began.elapsed()
            };
            let slowest = (1..=20).map(one).max().unwrap();
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            slowest
        });
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

#[test]
fn a_target_holds_on_after_the_last_figure() {
    let server = province();
    server
        .put(
            "targets",
            &json!({ "targets": [{
        "code": "t", "measure": "ioffice.documents.signed_rate", "unit": "p", "value": 80,
    }] }),
        )
        .expect(200);
    assert_eq!(
        vector(&server, &format!("{RATE}_target{{unit=\"p\"}}"), "2021-06-09T00:00:00Z", "unit"),
        ["p 80"]
    );
}

#[test]
fn a_query_uses_the_current_figures() {
    let server = province();
    let now =
        || vector(&server, &format!("{DOCUMENTS}{{unit=\"p.b\"}}"), "2021-05-20T00:00:00Z", "unit");
    assert_eq!(now(), Vec::<String>::new());
    server.record("p.b", &[(OUTGOING, "2021-05", 77)]);
    assert_eq!(now(), ["p.b 77"]);
}

#[test]
fn figures_are_scraped_as_they_are_now() {
    let server = province();
    let text = server.get("/metrics/figures").text();
    assert!(text.contains("# TYPE egov_ioffice_documents_outgoing_latest gauge\n"), "{text}");
    let line = |begin: &str| {
        text.lines().find(|line| line.starts_with(begin)).unwrap_or_default().to_owned()
    };
    assert_eq!(
        line(&format!("{DOCUMENTS}_latest{{level=\"0\"")),
        format!(
            "{DOCUMENTS}_latest{{level=\"0\",unit=\"p\",unit_kind=\"province\",unit_name=\"Tỉnh \
             \\\"P\\\"\"}} 44"
        )
    );
    assert!(
        line(&format!("{DOCUMENTS}_latest_period_timestamp_seconds{{level=\"0\""))
            .ends_with(" 1617235200"),
        "April"
    );
    assert_eq!(
        text.lines().filter(|line| line.starts_with("# TYPE")).count(),
        text.lines()
            .filter(|line| line.starts_with("# TYPE"))
            .collect::<std::collections::BTreeSet<_>>()
            .len()
    );
    let lines =
        |path: &str| server.get(path).text().lines().filter(|line| !line.starts_with('#')).count();
    // A line for the measure, one for each unit and one for each of four months are about the
    // catalogue, the units and the months.
    assert_eq!(lines("/metrics/figures?unit=p.b&measure=ioffice.documents.outgoing"), 2 + 6);
    assert_eq!(lines("/metrics/figures?unit=p&measure=ioffice.documents.outgoing"), 6 + 8);
    assert_eq!(server.get("/metrics/figures?unit=nowhere").faults(422), ["/unit unknown_unit"]);
    assert_eq!(
        server.get("/metrics/figures?measure=nothing").faults(422),
        ["/measure unknown_measure"]
    );
}

#[test]
fn more_series_than_are_allowed_are_not_scraped() {
    let home = crate::home::Home::new();
    let settings = egov_kpi::server::ServerSettings {
        scraped: 5,
        ..egov_kpi::server::ServerSettings::at("127.0.0.1:0")
    };
    let address = home.address();
    let running = egov_kpi::server::start(
        &settings,
        move || egov_kpi::server::open(&address, Clock::default()),
        |_address| {},
    )
    .unwrap();
    let api = Api::of(&running.address.to_string());
    let month = chrono::Utc::now().format("%Y-%m").to_string();
    api.put_units(&json!([{ "code": "p" }, { "code": "p.a", "parent": "p" }]));
    api.record("p.a", &[(OUTGOING, &month, 1)]);
    assert_eq!(api.get("/metrics/figures?unit=p.a&measure=ioffice.documents.outgoing").status, 200);
    assert_eq!(
        api.get("/metrics/figures?unit=p&measure=ioffice.documents.outgoing").faults(422),
        ["/measure too_many"]
    );
    running.stop();
}

#[test]
fn the_history_is_exported_as_openmetrics() {
    let server = province();
    let text = run(&["export", "--openmetrics", "--database", &server.address()]).expect(0);
    let of: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with(&format!("{DOCUMENTS}{{")) && line.contains("unit=\"p.b\""))
        .collect();
    let line = |value: &str, time: &str| {
        format!(
            "{DOCUMENTS}{{level=\"1\",parent=\"p\",unit=\"p.b\",unit_kind=\"commune\",\
             unit_name=\"p.b\"}} {value} {time}"
        )
    };
    assert_eq!(of, [line("1", "1609459200"), line("2", "1612137600"), line("4", "1617235200")]);
    assert!(text.ends_with("\n# EOF\n"));
}

/// A random selector or constant: three quarters of them are valid.
fn random_selector(dice: &mut Dice) -> String {
    if dice.below(4) > 0 {
        let sound = [
            DOCUMENTS,
            RATE,
            "egov_findings",
            "egov_late_units{unit=\"p\"}",
            "1",
            "time()",
            "{unit=\"p\",__name__=~\"egov_io.*\"}",
        ];
        let function = *dice.pick(&["sum_over_time", "rate", "deriv", "idelta", "resets"]);
        let range = *dice.pick(&["[1y]", "[1y:1w]", "[92d:]"]);
        let over_time = format!("{function}({DOCUMENTS}{range})");
        return if dice.below(4) == 0 { over_time } else { (*dice.pick(&sound)).to_owned() };
    }
    let range = *dice.pick(&["", "[1y]", "[31d]", "[1ms]", "[300y]", "[1y:1d]", "[99y:1s]"]);
    let metric = *dice.pick(&[
        DOCUMENTS,
        RATE,
        "egov_findings",
        "egov_late_units",
        "{__name__=~\"egov.*\"}",
        "{unit=\"p\"}",
        "x",
        "",
        "1",
        "-1e308",
        "NaN",
        "\"t\"",
    ]);
    let matchers = *dice.pick(&[
        "",
        "{unit=\"p\"}",
        "{unit=~\"p|.*\"}",
        "{unit!~\"(\"}",
        "{level!=\"0\",parent=\"\"}",
        "{__name__=\"x\"}",
        "{",
    ]);
    let moved =
        *dice.pick(&["", " offset 1y", " offset -300y", " @ 0", " @ end()", " @ 1e300", " offset"]);
    format!("{metric}{matchers}{range}{moved}")
}

/// A random query: half of them are valid, the others are fragments.
fn random_query(dice: &mut Dice, depth: usize) -> String {
    if depth == 0 {
        return random_selector(dice);
    }
    let (x, y) = (random_query(dice, depth - 1), random_query(dice, depth - 1));
    match dice.below(9) {
        0 => format!(
            "{}({x})",
            dice.pick(&[
                "sum",
                "avg by (unit)",
                "max without (level)",
                "count_values",
                "topk",
                "absent",
                "scalar",
                "vector",
                "-",
                "rate",
                "increase",
                "deriv",
                "delta",
                "changes",
                "stddev",
                "group by (parent)",
                "timestamp",
                "month",
                "ln",
                "nothing"
            ])
        ),
        1 => format!(
            "{}(1, {x})",
            dice.pick(&["topk", "limitk", "quantile_over_time", "predict_linear", "quantile"])
        ),
        2 => format!(
            "({x}) {} ({y})",
            dice.pick(&[
                "+",
                "/",
                "%",
                "^",
                "==",
                "> bool",
                "and",
                "unless on()",
                "* on (unit) group_left",
                "- ignoring (unit) group_right (level)",
                "atan2"
            ])
        ),
        3 => format!(
            "{}({x})",
            dice.pick(&["avg_over_time", "stddev_over_time", "absent_over_time", "last_over_time"])
        ),
        4 => format!(
            "label_replace({x}, \"{}\", \"$1\", \"unit\", \"{}\")",
            dice.pick(&["unit", "1", "", "__name__"]),
            dice.pick(&["(.*)", "(", "\\\\", ""])
        ),
        5 => format!("clamp({x}, {}, 1)", dice.pick(&["1", "NaN", "-Inf", "time()"])),
        6 => format!("-{x}"),
        7 => x.chars().rev().collect(),
        _ => {
            let mut text: Vec<char> = x.chars().collect();
            if !text.is_empty() {
                let place = dice.below(text.len());
                text[place] = *dice.pick(&['(', ')', '"', '[', '}', '\u{0}', 'đ', '@', '\\']);
            }
            text.into_iter().collect()
        }
    }
}

#[test]
fn random_queries_are_answered_or_refused_in_time() {
    let server = province();
    let mut dice = Dice(20_211_005);
    let (mut answered, mut refused) = (0, 0);
    // Half of the leaves are valid; deeper queries are rarely valid as a whole.
    for number in 0..1_500 {
        let depth = dice.below(4);
        let promql = random_query(&mut dice, depth);
        let mut parameters = vec![("query", promql.as_str())];
        let path = if number % 2 == 0 {
            parameters.push((
                "time",
                *dice.pick(&["2021-04-15T00:00:00Z", "0", "-7258118400", "7258118400", "1e15"]),
            ));
            "query"
        } else {
            parameters.extend([
                ("start", "2020-12-01T00:00:00Z"),
                ("end", *dice.pick(&["2021-07-01T00:00:00Z", "2199-12-31T00:00:00Z"])),
                ("step", *dice.pick(&["1d", "30d", "60d"])),
            ]);
            "query_range"
        };
        let began = Instant::now();
        let reply = server.get(&format!("/prometheus/api/v1/{path}?{}", query(&parameters)));
        assert!(
            reply.status < 500 && began.elapsed() < Duration::from_secs(12),
            "{promql}: {} after {:?}",
            reply.status,
            began.elapsed()
        );
        let answer = reply.json();
        match answer["status"].as_str() {
            Some("success") => answered += 1,
            _ => {
                assert!(
                    answer["errorType"].is_string() && answer["error"].is_string(),
                    "{promql}: {answer}"
                );
                refused += 1;
            }
        }
    }
    assert!(answered > 200 && refused > 200, "{answered} answered, {refused} refused");
}
