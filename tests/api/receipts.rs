//! Receipts and withdrawals.

use serde_json::{Value, json};

use crate::harness::{REPORT, Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";

fn id(receipt: &Value) -> String {
    receipt["submission"].as_str().unwrap().to_owned()
}

#[test]
fn a_receipt_says_what_was_sent_by_whom_when_and_what_was_found_then() {
    let server = Server::start();
    let body = json!({
        "source": { "kind": "report", "reference": "Báo cáo 10/2021" }, "reason": "late",
        "observations": [
            figure("pki.certificates.total", "travinh", "2021-10", 10),
            {
                "indicator": "pki.certificates.total", "unit": "travinh", "period": "2021-10",
                "value": 4, "dimensions": { "certificate_holder": "organisation" },
            },
            {
                "indicator": "pki.certificates.total", "unit": "travinh", "period": "2021-10",
                "value": 5, "dimensions": { "certificate_holder": "individual" },
            },
        ],
    });
    let posted = server.post(&body);
    let answer = posted.expect(201);
    assert_eq!(posted.header("location"), format!("/api/v1/submissions/{}", id(&answer)));
    let receipt = server.read(posted.header("location"));
    has(
        &receipt,
        &json!({
            "submission": answer["submission"], "revision": answer["revision"],
            "recorded_at": answer["recorded_at"],
        }),
    );
    has(
        &receipt,
        &json!({
            "reason": "late", "withdraws": null,
            "source": { "kind": "report", "reference": "Báo cáo 10/2021" },
        }),
    );
    assert!(receipt["actor"].is_string());
    assert_eq!(receipt["counts"], answer["counts"]);
    assert_eq!(receipt["findings"], answer["findings"]);
    has(&receipt["findings"][0], &json!({ "rule": "parts_total", "stated": 10, "computed": 9 }));
    // After a correction the receipt still has the findings from its time.
    server.record("travinh", &[("pki.certificates.total", "2021-10", 9)]);
    assert_eq!(server.read(posted.header("location")), receipt);
    assert_eq!(server.read("findings")["findings"], json!([]));
}

#[test]
fn a_withdrawal_takes_back_only_what_still_stands() {
    let server = Server::start();
    let first = server.record(
        "travinh",
        &[(OUTGOING, "2021-10", 100), (SIGNED, "2021-10", 50), (OUTGOING, "2021-09", 7)],
    );
    let second = server.record("travinh", &[(OUTGOING, "2021-10", 110)]);
    let path = format!("submissions/{}", id(&first));
    let withdrawn = server.delete(&format!("{path}?reason=wrong%20province")).expect(201);
    has(
        &withdrawn["counts"],
        &json!({ "created": 0, "revised": 0, "unchanged": 0, "withdrawn": 2 }),
    );
    assert_eq!(
        withdrawn["revision"].as_i64(),
        second["revision"].as_i64().map(|revision| revision + 1)
    );
    let standing = server.observations("");
    assert_eq!(standing.len(), 1);
    has(
        &standing[0],
        &json!({ "indicator": OUTGOING, "value": 110, "submission": second["submission"] }),
    );
    has(&server.point(SIGNED, "travinh", "2021-10"), &json!({ "value": null, "coverage": 0.0 }));
    let receipt = server.read(&format!("submissions/{}", id(&withdrawn)));
    has(&receipt, &json!({ "withdraws": first["submission"], "reason": "wrong province" }));
    has(&receipt["counts"], &json!({ "withdrawn": 2 }));
    assert_eq!(server.read(&path)["counts"], first["counts"], "the first receipt stays");
}

#[test]
fn a_second_withdrawal_finds_no_current_figures() {
    let server = Server::start();
    let first = server.record("travinh", &[(OUTGOING, "2021-10", 100)]);
    let path = format!("submissions/{}", id(&first));
    server.delete(&path).expect(201);
    let revision = server.revision();
    let second = server.delete(&path).expect(200);
    has(
        &second,
        &json!({
            "submission": null,
            "counts": { "created": 0, "revised": 0, "unchanged": 0, "withdrawn": 0 },
        }),
    );
    assert_eq!(server.revision(), revision);
    // A withdrawn figure can be sent again and then belongs to the other submission.
    server.record("travinh", &[(OUTGOING, "2021-10", 100)]);
    server.delete(&path).expect(200);
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 100 }));
}

#[test]
fn withdrawing_a_correction_does_not_bring_back_what_it_corrected() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 100)]);
    let correction = server.record("travinh", &[(OUTGOING, "2021-10", 110)]);
    server.delete(&format!("submissions/{}", id(&correction))).expect(201);
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": null }));
    assert_eq!(server.observations(""), Vec::<Value>::new());
    let server = server.restarted();
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": null }));
}

#[test]
fn withdrawing_the_real_report_takes_back_all_of_it_stated_rates_and_findings_too() {
    let server = Server::start();
    let receipt = server.post_csv("observations", REPORT).expect(201);
    let withdrawn = server.delete(&format!("submissions/{}", id(&receipt))).expect(201);
    has(&withdrawn["counts"], &json!({ "withdrawn": 90 }));
    assert_eq!(withdrawn["findings"], json!([]));
    assert_eq!(server.read("findings")["findings"], json!([]));
    has(
        &server.point("ioffice.documents.signed_rate", "travinh", "2021-10"),
        &json!({ "value": null, "stated": null }),
    );
    assert_eq!(server.observations("history=true").len(), 180);
}

#[test]
fn an_unknown_submission_is_not_found() {
    let server = Server::start();
    for path in [
        "submissions/01JB0000000000000000000000",
        "submissions/x",
        "submissions/%20",
        "submissions/%FF",
    ] {
        server.get(path).problem(404);
        server.delete(path).problem(404);
    }
}
