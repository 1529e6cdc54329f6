//! Whole responses as snapshots, so that a change of a body is seen in review:
//! `INSTA_UPDATE=always cargo test --test api bodies` writes them anew.

use regex::Regex;
use serde_json::{Value, json};

use crate::harness::{REPORT, Server, figure};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const CERTIFICATES: &str = "pki.certificates.total";

/// The body as indented JSON, with one word in place of each value that differs from run to run.
fn stable(body: &Value) -> String {
    let mut text = serde_json::to_string_pretty(body).unwrap();
    for (pattern, word) in [
        (r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b", "SUBMISSION"),
        (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME"),
        (r"\b[0-9a-f]{64}\b", "HASH"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, word).into_owned();
    }
    text
}

/// The report of October 2021, a month before it, and a total that its parts contradict.
fn province() -> (Server, Value) {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    server.record("travinh", &[(OUTGOING, "2021-09", 20_000), (SIGNED, "2021-09", 15_000)]);
    let mut figures = vec![figure(CERTIFICATES, "tv.cdc", "2021-10", 10)];
    for (holder, value) in [("organisation", 4), ("individual", 5)] {
        let mut part = figure(CERTIFICATES, "tv.cdc", "2021-10", value);
        part["dimensions"] = json!({ "certificate_holder": holder });
        figures.push(part);
    }
    let receipt = server.post(&json!({ "reason": "late", "observations": figures })).expect(201);
    (server, receipt)
}

#[test]
fn bodies_are_as_in_the_snapshots() {
    let (server, receipt) = province();
    insta::assert_snapshot!("receipt", stable(&receipt));
    let submission = receipt["submission"].as_str().unwrap();
    let certificates =
        format!("observations?unit=tv.cdc&from=2021-10&to=2021-10&indicator={CERTIFICATES}");
    let rate = "measure=ioffice.documents.signed_rate";
    for (name, path) in [
        ("submission", format!("submissions/{submission}")),
        ("findings", "findings?unit=tv.cdc".to_owned()),
        ("observations", certificates),
        ("series", format!("series?{rate}&unit=travinh&from=2021-09&to=2021-10")),
        (
            "series_rows",
            format!(
                "series?{rate}&unit=travinh&from=2021-09&to=2021-10&layout=rows\
                 &fields=value,delta,delta_percent,like_for_like_delta"
            ),
        ),
        ("ranking", format!("ranking?{rate}&parent=travinh&period=2021-10")),
        ("scorecard", "scorecard?unit=travinh&period=2021-10".to_owned()),
        ("completeness", "completeness?period=2021-10&parent=travinh&limit=3".to_owned()),
        ("revisions", "revisions".to_owned()),
    ] {
        insta::assert_snapshot!(name, stable(&server.read(&path)));
    }
}

#[test]
fn problems_are_as_in_the_snapshots() {
    let server = Server::start();
    let wrong = json!({ "observations": [
        figure(OUTGOING, "travin", "2021-10", 1),
        figure("ioffice.documents.outgoin", "travinh", "2021-13", -1),
        figure(SIGNED, "travinh", "2021-10", "1.000"),
    ] });
    for lang in ["en", "vi"] {
        let problem = server.post_bytes(
            &format!("observations?lang={lang}"),
            "application/json",
            wrong.to_string().as_bytes(),
        );
        insta::assert_snapshot!(format!("problem_{lang}"), stable(&problem.problem(422)));
    }
}
