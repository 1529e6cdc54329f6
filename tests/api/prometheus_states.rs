//! Earlier states, alerts, limits and health of the Prometheus HTTP API.

use egov_kpi::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Api, Server, query};
use crate::prometheus::{ask, province, province_by, vector};

const SIGNED: &str = "ioffice.documents.signed";
const METRIC: &str = "egov_ioffice_documents_signed";
const RULE: &str = "ioffice.signed_within_outgoing";

/// The signed documents of p.a in April, with headers and parameters.
fn signed(server: &Server, headers: &[(&str, &str)], parameters: &[(&str, &str)]) -> String {
    let time = [("query", "egov_ioffice_documents_signed{unit=\"p.a\"}")];
    let path = format!(
        "/prometheus/api/v1/query?{}",
        query(&[&time[..], &[("time", "2021-04-20T00:00:00Z")], parameters].concat())
    );
    let answer = server.send("GET", &path, headers, None).expect(200);
    answer["data"]["result"][0]["value"][1].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_query_responds_as_of_an_earlier_state_by_header_or_parameter() {
    let server = province();
    let before = server.revision().to_string();
    let header = [("egov-kpi-as-of", before.as_str())];
    let parameter = [("as_of", before.as_str())];
    server.record("p.a", &[(SIGNED, "2021-04", 31)]);
    assert_eq!(signed(&server, &[], &[]), "31");
    assert_eq!(signed(&server, &header, &[]), "30");
    assert_eq!(signed(&server, &[], &parameter), "30");
    assert_eq!(signed(&server, &[("egov-kpi-as-of", "0")], &parameter), "30", "parameters first");
    assert_eq!(signed(&server, &[("egov-kpi-as-of", "0")], &[]), "", "before any figure");
    assert_eq!(signed(&server, &[("egov-kpi-as-of", "2999-01-01T00:00:00Z")], &[]), "31");
    // Without a time the query is evaluated at the time of the state: 10 June.
    let data = ask(&server, "query", &[("query", "time()"), ("as_of", &before)]);
    assert_eq!(data["result"][1], "1623283200");
    let wrong = server.send("GET", "/prometheus/api/v1/labels", &[("egov-kpi-as-of", "x")], None);
    assert!(wrong.expect(400)["error"].as_str().unwrap().contains("as_of"));
    // A form has the parameter as well.
    let form = query(&[("query", METRIC), ("time", "2021-04-20T00:00:00Z"), parameter[0]]);
    let media = "application/x-www-form-urlencoded";
    let answer = server.post_bytes("/prometheus/api/v1/query", media, form.as_bytes()).expect(200);
    assert!(answer.to_string().contains("\"30\""), "{answer}");
}

#[test]
fn ranges_and_subqueries_are_answered_over_the_figures() {
    let server = province();
    let metric = "egov_ioffice_documents_outgoing{unit=\"p.b\"}";
    let range = ask(
        &server,
        "query",
        &[("query", &format!("{metric}[1y]")), ("time", "2021-04-20T00:00:00Z")],
    );
    assert_eq!(range["resultType"], "matrix");
    assert_eq!(
        range["result"][0]["values"],
        json!([[1_609_459_200, "1"], [1_612_137_600, "2"], [1_617_235_200, "4"]])
    );
    let at = |promql: &str| vector(&server, promql, "2021-04-20T00:00:00Z", "unit");
    // 28 days of February with 2 and 20 days of April, up to midnight of the 20th, with 4.
    assert_eq!(at(&format!("sum_over_time({metric}[78d:1d])")), ["p.b 136"]);
    assert_eq!(at(&format!("idelta({metric}[1y])")), ["p.b 2"]);
    assert_eq!(at(&format!("month(timestamp({metric}))")), ["p.b 4"]);
}

#[test]
fn lists_are_cut_at_their_limit_with_a_warning() {
    let server = province();
    let get = |path: &str, parameters: &[(&str, &str)]| {
        server.get(&format!("/prometheus/api/v1/{path}?{}", query(parameters))).expect(200)
    };
    let selected = ("match[]", "egov_ioffice_documents_outgoing");
    for path in ["labels", "series", "label/unit/values"] {
        let whole = get(path, &[selected]);
        let count = whole["data"].as_array().unwrap().len();
        assert!(count > 2 && whole.get("warnings").is_none(), "{whole}");
        let cut = get(path, &[selected, ("limit", "2")]);
        assert_eq!(cut["data"].as_array().unwrap(), &whole["data"].as_array().unwrap()[..2]);
        assert_eq!(cut["warnings"], json!(["results truncated due to limit"]));
        for limit in ["0", &count.to_string()] {
            assert_eq!(get(path, &[selected, ("limit", limit)]), whole, "{path} {limit}");
        }
    }
}

/// The alerts of a rule, as `unit month state`.
fn alerts_of(rules: &Value, rule: &str) -> Vec<String> {
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let found = rules.iter().find(|found| found["name"] == rule).unwrap();
    let text = |alert: &Value| {
        let label = |name: &str| alert["labels"][name].as_str().unwrap();
        format!("{} {} {}", label("unit"), label("month"), alert["state"].as_str().unwrap())
    };
    found["alerts"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn findings_are_alerts_of_their_rule() {
    let clock = Clock::default();
    let server = province_by(clock.clone());
    let state = |rules: &Value| {
        let rules = rules["groups"][0]["rules"].as_array().unwrap().clone();
        rules.into_iter().find(|rule| rule["name"] == RULE).unwrap()["state"].clone()
    };
    assert_eq!(state(&ask(&server, "rules", &[])), "inactive");
    assert_eq!(ask(&server, "alerts", &[]), json!({ "alerts": [] }));
    // More than were sent, in January and April; the alerts are of February to April.
    server.record("p.a", &[(SIGNED, "2021-04", 50), (SIGNED, "2021-01", 50)]);
    let rules = ask(&server, "rules", &[]);
    assert_eq!(state(&rules), "firing");
    assert_eq!(alerts_of(&rules, RULE), ["p.a 2021-04 firing"]);
    assert_eq!(alerts_of(&rules, "stated_rate"), Vec::<String>::new());
    // Each says what it finds, also those that follow from every catalogue.
    for rule in rules["groups"][0]["rules"].as_array().unwrap() {
        let texts = ["summary", "summary_vi"].map(|name| rule["annotations"][name].as_str());
        assert!(!texts.contains(&Some("")) && texts[0] != texts[1], "{rule}");
    }
    let alerts = ask(&server, "alerts", &[])["alerts"].clone();
    let [alert] = alerts.as_array().unwrap().as_slice() else { panic!("{alerts}") };
    assert_eq!(
        alert["labels"],
        json!({
            "alertname": RULE, "rule": RULE, "severity": "warning", "measure": SIGNED,
            "unit": "p.a", "unit_name": "Xã A", "month": "2021-04",
        })
    );
    assert_eq!(
        (&alert["activeAt"], &alert["value"]),
        (&json!("2021-04-01T00:00:00Z"), &json!("1e+00"))
    );
    let [summary, in_vietnamese] =
        ["summary", "summary_vi"].map(|name| alert["annotations"][name].as_str().unwrap());
    assert!(summary != in_vietnamese && summary.contains("50"), "{alert}");
    // The rule's query counts the same findings.
    let rule = &ask(&server, "rules", &[("rule_name[]", RULE)])["groups"][0]["rules"];
    let promql = rule[0]["query"].as_str().unwrap();
    assert_eq!(rule.as_array().unwrap().len(), 1);
    assert_eq!(vector(&server, promql, "2021-04-20T00:00:00Z", "unit"), ["p 1", "p.a 1"]);
    assert_eq!(ask(&server, "rules", &[("type", "record")]), json!({ "groups": [] }));
    // As of the state before, there was nothing to alert of.
    let before = (server.revision() - 1).to_string();
    assert_eq!(ask(&server, "alerts", &[("as_of", &before)]), json!({ "alerts": [] }));
    // In August the newest figures are four months old: too old for the query and for alerts.
    clock.set("2021-08-20T00:00:00Z".parse().unwrap());
    assert_eq!(ask(&server, "alerts", &[]), json!({ "alerts": [] }));
    assert!(vector(&server, promql, "2021-08-20T00:00:00Z", "unit").is_empty());
}

#[test]
fn an_empty_parameter_leaves_the_header_its_earlier_state() {
    let server = province();
    let before = server.revision().to_string();
    server.record("p.a", &[(SIGNED, "2021-04", 31)]);
    let header = [("egov-kpi-as-of", before.as_str())];
    assert_eq!(signed(&server, &header, &[("as_of", "")]), "30");
}

#[test]
fn prometheus_own_paths_of_health_respond() {
    let server = province();
    let text = |api: &Api, path: &str| {
        let reply = api.get(path);
        assert_eq!(reply.status, 200, "{path}");
        reply.text().to_owned()
    };
    assert_eq!(text(&server, "/prometheus/-/healthy"), "egov-kpi is Healthy.\n");
    assert_eq!(text(&server, "/prometheus/-/ready"), "egov-kpi is Ready.\n");
}
