//! The real report of October 2021 of Trà Vinh.

use serde_json::{Value, json};

use crate::harness::{Api, REPORT, Server, has};

/// Rule, measure, stated and computed value of each finding.
fn contradictions(findings: &Value) -> Vec<(String, String, f64, f64)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            has(finding, &json!({ "unit": "travinh", "period": "2021-10", "severity": "warning" }));
            assert!(!text(&finding["detail"]).is_empty());
            (
                text(&finding["rule"]),
                text(&finding["measure"]),
                finding["stated"].as_f64().unwrap(),
                finding["computed"].as_f64().unwrap(),
            )
        })
        .collect();
    found.sort_by(|one, other| one.1.cmp(&other.1));
    found
}

#[track_caller]
fn the_three(findings: &Value) {
    let expected = [
        ("stated_rate", "igate.dossiers.online_rate{service_level=4}", 25.3, 25.465_073),
        ("stated_rate", "ioffice.documents.signed_rate", 78.955, 78.947_144),
        ("parts_total", "pki.certificates.total", 2312.0, 2322.0),
    ];
    let found = contradictions(findings);
    assert_eq!(found.len(), 3, "{findings}");
    for ((rule, measure, stated, computed), expected) in found.iter().zip(expected) {
        assert_eq!((rule.as_str(), measure.as_str()), (expected.0, expected.1));
        assert!(
            (stated - expected.2).abs() < 1e-9 && (computed - expected.3).abs() < 1e-6,
            "{measure}: {stated} against {computed}"
        );
    }
}

fn posted() -> (Server, Value) {
    let server = Server::start();
    let receipt = server.post_csv("observations?reference=10%2F2021", REPORT).expect(201);
    (server, receipt)
}

#[track_caller]
fn rate(api: &Api, measure: &str, value: f64, stated: Option<f64>) {
    let point = api.point(measure, "travinh", "2021-10");
    has(
        &point,
        &json!({ "value": value, "stated": stated, "origin": "computed", "coverage": 1.0 }),
    );
}

#[test]
fn the_real_report_gives_the_six_rates_with_the_stated_ones_beside_them() {
    let (server, receipt) = posted();
    has(
        &receipt["counts"],
        &json!({ "created": 90, "revised": 0, "unchanged": 0, "withdrawn": 0 }),
    );
    rate(&server, "ioffice.documents.signed_rate", 78.947_144, Some(78.955)); // 18,506 of 23,441
    rate(&server, "igate.dossiers.online_rate", 16.036_487, None); // 2,180 of 13,594
    // 113 of 4,353
    rate(&server, "igate.dossiers.online_rate{service_level=3}", 2.595_911, Some(2.6));
    // 2,067 of 8,117
    rate(&server, "igate.dossiers.online_rate{service_level=4}", 25.465_073, Some(25.3));
    // 619 of 1,858
    rate(&server, "igate.services.level_share{service_level=3}", 33.315_393, Some(33.32));
    // 944 of 1,858
    rate(&server, "igate.services.level_share{service_level=4}", 50.807_320, Some(50.81));
}

#[test]
fn the_real_report_holds_exactly_three_contradictions_in_the_answer_and_afterwards() {
    let (server, receipt) = posted();
    the_three(&receipt["findings"]);
    let standing = server.read("findings?unit=travinh");
    the_three(&standing["findings"]);
    the_three(&server.read("findings")["findings"]);
    assert_eq!(contradictions(&standing["findings"]), contradictions(&receipt["findings"]));
    assert_eq!(standing["next_cursor"], Value::Null);
}

#[test]
fn findings_are_chosen_by_unit_month_rule_and_severity() {
    let (server, _) = posted();
    let count = |parameters: &str| {
        server.read(&format!("findings?{parameters}"))["findings"].as_array().unwrap().len()
    };
    assert_eq!(count("rule=stated_rate"), 2);
    assert_eq!(count("rule=parts_total"), 1);
    assert_eq!(count("severity=error"), 0);
    assert_eq!(count("severity=warning&from=2021-10&to=2021-10"), 3);
    assert_eq!((count("from=2021-11"), count("to=2021-09")), (0, 0));
    assert_eq!((count("unit=tv.cdc"), count("unit=vinhlong")), (0, 0));
    server.get("findings?unit=nowhere").problem(404);
    assert_eq!(server.get("findings?severity=fatal").faults(422), ["/severity malformed"]);
    assert_eq!(server.get("findings?rule=no_such_rule").faults(422), ["/rule malformed"]);
    let found = &server.read("findings?rule=parts_total")["findings"][0];
    assert_eq!(
        (&found["detail"], &found["detail_vi"]),
        (
            &json!("The parts add up to 2322, the total stated is 2312."),
            &json!("Các thành phần cộng lại là 2.322, số tổng đã nêu là 2.312.")
        )
    );
    let first = server.read("findings?limit=2");
    let rest =
        server.read(&format!("findings?limit=2&cursor={}", first["next_cursor"].as_str().unwrap()));
    let both = [
        first["findings"].as_array().unwrap().clone(),
        rest["findings"].as_array().unwrap().clone(),
    ]
    .concat();
    the_three(&Value::Array(both));
}

#[test]
fn the_same_report_again_changes_nothing_and_names_the_same_contradictions() {
    let (server, first) = posted();
    let again = server.post_csv("observations", REPORT).expect(200);
    has(&again["counts"], &json!({ "created": 0, "revised": 0, "unchanged": 90, "withdrawn": 0 }));
    assert_eq!(again["submission"], Value::Null);
    assert_eq!(again["revision"], first["revision"]);
    the_three(&again["findings"]);
}

#[test]
fn a_correction_ends_a_contradiction_and_a_restart_finds_the_same_ones() {
    let (server, _) = posted();
    let corrected = json!({
        "indicator": "pki.certificates.total", "unit": "travinh", "period": "2021-10",
        "value": 2322,
    });
    let receipt = server.post(&json!({ "observations": [corrected] })).expect(201);
    assert_eq!(receipt["findings"], json!([]));
    let standing = server.read("findings")["findings"].clone();
    assert_eq!(standing.as_array().unwrap().len(), 2);
    let server = server.restarted();
    assert_eq!(server.read("findings")["findings"], standing);
}

#[test]
fn kpis_of_units_below_are_summed_over_those_that_reported() {
    let (server, _) = posted();
    // 28x10 + 25x30 + 5x2 + 1x50 + 7x2 + 3x16 + 1x8, in 7 of the 10 leaves.
    has(
        &server.point("conference.jitsi.endpoint_sessions", "travinh", "2021-10"),
        &json!({ "value": 1160, "coverage": 0.7, "origin": "computed" }),
    );
    has(
        &server.point("conference.jitsi.sessions", "travinh", "2021-10"),
        &json!({ "value": 70, "coverage": 0.7, "origin": "rolled_up" }),
    );
    // 9,319 of 13,594
    has(
        &server.point("igate.dossiers.clearance_rate", "travinh", "2021-10"),
        &json!({ "value": 68.552_302, "coverage": 1.0 }),
    );
    has(
        &server.point("petitions.answer_rate", "travinh", "2021-10"),
        &json!({ "value": 100, "delta_reason": "no_prior" }),
    );
    // there is no figure for the month before
    has(
        &server.point("ioffice.users.net_change", "travinh", "2021-10"),
        &json!({ "value": null, "coverage": 0.0, "delta_reason": "missing" }),
    );
}
