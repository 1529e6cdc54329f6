//! Figures sent as JSON and CSV: recorded whole, or refused with all errors at once.

use chrono::{Datelike, Utc};
use serde_json::{Value, json};

use crate::harness::{REPORT, Server, figure, has};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const RECEIVED: &str = "igate.dossiers.received";

fn one(observation: &Value) -> Value {
    json!({ "observations": [observation] })
}

/// `line column code` of each error of a CSV.
#[track_caller]
fn csv_faults(server: &Server, body: &str) -> Vec<String> {
    let problem = server.post_csv("observations", body).problem(422);
    let place = |fault: &Value| {
        format!(
            "{} {} {}",
            fault["line"],
            fault["column"].as_str().unwrap_or("-"),
            fault["code"].as_str().unwrap()
        )
    };
    problem["errors"].as_array().unwrap().iter().map(place).collect()
}

#[test]
fn a_figure_is_readable_as_soon_as_its_post_has_returned() {
    let server = Server::start();
    let before = server.revision();
    for number in 1..=20 {
        let receipt = server.record("travinh", &[(OUTGOING, "2021-10", number)]);
        assert_eq!(receipt["revision"], before + number);
        let answer = server
            .series(&[
                ("measure", OUTGOING),
                ("unit", "travinh"),
                ("from", "2021-10"),
                ("to", "2021-10"),
            ])
            .expect(200);
        assert_eq!(answer["revision"], receipt["revision"]);
        has(&answer["series"][0]["points"][0], &json!({ "value": number }));
    }
}

#[test]
fn a_recorded_submission_is_answered_with_its_receipt() {
    let server = Server::start();
    let reply = server.post(&one(&figure(OUTGOING, "travinh", "2021-10", 23441)));
    let receipt = reply.expect(201);
    let mut fields: Vec<&String> = receipt.as_object().unwrap().keys().collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "counts",
            "findings",
            "recorded",
            "recorded_at",
            "revision",
            "revision_hash",
            "submission"
        ]
    );
    assert_eq!(receipt["submission"].as_str().unwrap().len(), 26, "a ULID");
    let recorded =
        chrono::DateTime::parse_from_rfc3339(receipt["recorded_at"].as_str().unwrap()).unwrap();
    assert!((Utc::now().timestamp() - recorded.timestamp()).abs() < 60);
    has(&receipt["counts"], &json!({ "created": 1, "revised": 0, "unchanged": 0, "withdrawn": 0 }));
    assert_eq!(receipt["findings"], json!([]));
}

#[test]
fn the_same_figure_again_is_unchanged_and_another_one_is_a_correction() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 100), (SIGNED, "2021-10", 50)]);
    let revision = server.revision();
    let same = server.post(&one(&figure(OUTGOING, "travinh", "2021-10", "100"))).expect(200);
    has(&same, &json!({ "submission": null, "recorded_at": null, "revision": revision }));
    has(&same["counts"], &json!({ "created": 0, "revised": 0, "unchanged": 1, "withdrawn": 0 }));
    assert_eq!(server.revision(), revision);
    let mixed = json!({ "observations": [
        figure(OUTGOING, "travinh", "2021-10", 101),
        figure(SIGNED, "travinh", "2021-10", 50),
        figure(OUTGOING, "travinh", "2021-11", 1),
    ] });
    let mixed = server.post(&mixed).expect(201);
    has(&mixed["counts"], &json!({ "created": 1, "revised": 1, "unchanged": 1, "withdrawn": 0 }));
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 101 }));
}

#[test]
fn null_withdraws_a_figure_and_a_missing_figure_counts_as_unchanged() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 0)]);
    // Zero is not missing
    has(&server.point(OUTGOING, "travinh", "2021-10"), &json!({ "value": 0, "coverage": 1.0 }));
    let withdrawn =
        server.post(&one(&figure(OUTGOING, "travinh", "2021-10", Value::Null))).expect(201);
    has(
        &withdrawn["counts"],
        &json!({ "created": 0, "revised": 0, "unchanged": 0, "withdrawn": 1 }),
    );
    has(
        &server.point(OUTGOING, "travinh", "2021-10"),
        &json!({ "value": null, "coverage": 0.0, "origin": null }),
    );
    assert_eq!(server.observations(""), Vec::<Value>::new());
    let again = server.post(&one(&figure(OUTGOING, "travinh", "2021-10", Value::Null))).expect(200);
    has(&again["counts"], &json!({ "unchanged": 1, "withdrawn": 0 }));
    let never = server.post(&one(&figure(SIGNED, "travinh", "2021-10", Value::Null))).expect(200);
    has(&never["counts"], &json!({ "unchanged": 1, "withdrawn": 0 }));
}

#[test]
fn the_digits_of_a_stated_rate_are_kept_as_they_were_written() {
    let server = Server::start();
    let digits = |expected: &str| {
        let recorded = server.get("observations?indicator=ioffice.documents.signed_rate").text();
        assert!(recorded.contains(&format!("\"value\":{expected}}}")), "{recorded}");
        let series = server
            .series(&[
                ("measure", RATE),
                ("unit", "travinh"),
                ("from", "2021-10"),
                ("to", "2021-10"),
            ])
            .text();
        assert!(series.contains(&format!("\"stated\":{expected},")), "{series}");
    };
    server.post(&one(&figure(RATE, "travinh", "2021-10", "78.950"))).expect(201);
    digits("78.950");
    let shorter = server.post_bytes(
        "observations",
        "application/json",
        b"{\"observations\":[{\"indicator\":\"ioffice.documents.signed_rate\",\"unit\":\"travinh\",\
          \"period\":\"2021-10\",\"value\":78.95}]}",
    );
    has(&shorter.expect(201)["counts"], &json!({ "revised": 1 }));
    digits("78.95");
    server
        .post_csv(
            "observations",
            "indicator,unit,period,value\nioffice.documents.signed_rate,travinh,2021-10,78.9500\n",
        )
        .expect(201);
    digits("78.9500");
    let server = server.restarted();
    let csv = server.get("observations?format=csv").text();
    assert!(csv.trim_end().ends_with(",78.9500"), "{csv}");
}

#[test]
fn a_duplicate_field_is_an_error() {
    let server = Server::start();
    let body = b"{\"reason\":\"a\",\"reason\":\"b\",\
                 \"observations\":[{\"indicator\":\"ioffice.users.total\",\"unit\":\"travinh\",\
                 \"period\":\"2021-10\",\"value\":7,\"value\":9,\n        \
                 \"dimensions\":{},\"dimensions\":{}}]}";
    let found = server.post_bytes("observations", "application/json", body).faults(422);
    assert_eq!(
        found,
        [
            "/observations/0/dimensions duplicate",
            "/observations/0/value duplicate",
            "/reason duplicate"
        ]
    );
}

#[test]
fn every_fault_of_a_json_body_is_named_at_once_with_its_pointer() {
    let server = Server::start();
    let revision = server.revision();
    let members = |members: Value, indicator: &str| {
        json!({
            "indicator": indicator, "unit": "travinh", "period": "2021-10", "value": 1,
            "dimensions": members,
        })
    };
    let body = json!({
        "colour": "red", "source": 3,
        "observations": [
            figure("no.such", "travinh", "2021-10", 1),
            figure(OUTGOING, "nowhere", "2021-10", 1),
            figure(OUTGOING, "travinh", "2021-13", 1),
            figure(OUTGOING, "travinh", "2021-10", -1),
            figure(OUTGOING, "travinh", "2021-10", 1.5),
            figure(OUTGOING, "travinh", "2021-10", "NaN"),
            { "indicator": OUTGOING, "unit": "travinh", "period": "2021-10" },
            members(json!({ "channel": "by_post" }), RECEIVED),
            members(json!({ "colour": "red" }), RECEIVED),
            members(json!({ "token": "usb" }), "pki.certificates.total"),
            figure(OUTGOING, "travinh", "2021-10", true),
            {
                "indicator": OUTGOING, "unit": "travinh", "period": "2021-10", "value": 1,
                "shade": 1,
            },
            "a text",
            figure(OUTGOING, "travinh", "2021-11", 9_007_199_254_740_992_i64),
            figure(OUTGOING, "travinh", "2199-01", 1),
            figure(OUTGOING, "travinh", "2025-07", 1),
            { "indicator": 7, "unit": null, "period": 202_110, "value": [] },
            members(json!("online"), RECEIVED),
            figure("nothing", "nowhere", "never", "nil"),
        ],
    });
    let mut expected = [
        "/colour unknown_field",
        "/source wrong_type",
        "/observations/0/indicator unknown_indicator",
        "/observations/1/unit unknown_unit",
        "/observations/2/period malformed_period",
        "/observations/3/value negative",
        "/observations/4/value too_many_decimals",
        "/observations/5/value not_a_number",
        "/observations/6/value missing",
        "/observations/7/dimensions/channel unknown_member",
        "/observations/8/dimensions/colour unknown_dimension",
        "/observations/9/dimensions/token dimension_not_open",
        "/observations/10/value wrong_type",
        "/observations/11/shade unknown_field",
        "/observations/12 wrong_type",
        "/observations/13/value out_of_range",
        "/observations/14/period future_month",
        "/observations/15/unit unit_not_valid",
        "/observations/16/indicator wrong_type",
        "/observations/16/unit wrong_type",
        "/observations/16/period wrong_type",
        "/observations/16/value wrong_type",
        "/observations/17/dimensions wrong_type",
        "/observations/18/indicator unknown_indicator",
        "/observations/18/unit unknown_unit",
        "/observations/18/period malformed_period",
        "/observations/18/value not_a_number",
    ];
    expected.sort_unstable();
    assert_eq!(server.post(&body).faults(422), expected);
    assert_eq!(server.revision(), revision);
}

#[test]
fn every_fault_of_a_csv_is_named_at_once_with_line_and_column() {
    let server = Server::start();
    let revision = server.revision();
    let body = "indicator,unit,period,value,channel\n\
        ioffice.documents.outgoing,travinh,2021-10,1,\n\
        no.such,travinh,2021-10,1,\n\
        ioffice.documents.outgoing,nowhere,2021-13,1,\n\
        ioffice.documents.outgoing,travinh,2021-10,abc,\n\
        \n\
        igate.dossiers.received,travinh,2021-10,-4,online\n\
        igate.dossiers.received,travinh,2021-10,4,by_post\n\
        ioffice.documents.outgoing,travinh\n\
        ioffice.documents.outgoing,travinh,2021-10,2,\n\
        ioffice.documents.signed,travinh,2021-10,1.5,\n";
    let expected = [
        "3 indicator unknown_indicator",
        "4 period malformed_period",
        "4 unit unknown_unit",
        "5 value not_a_number",
        "7 value negative",
        "8 channel unknown_member",
        "9 - ragged_row",
        "10 - duplicate",
        "11 value too_many_decimals",
    ];
    assert_eq!(csv_faults(&server, body), expected);
    assert_eq!(server.revision(), revision);
    assert_eq!(server.observations(""), Vec::<Value>::new());
}

#[test]
fn the_faults_of_a_csv_header_are_named() {
    let server = Server::start();
    assert_eq!(
        csv_faults(&server, "indicator,unit,period,colour\n"),
        ["1 - unknown_column", "1 - missing"]
    );
    assert_eq!(csv_faults(&server, "indicator,unit,period,value,value\n"), ["1 - duplicate"]);
    assert_eq!(csv_faults(&server, ""), ["1 - empty"]);
    assert_eq!(
        server.post_csv("observations", "indicator,unit,period,value\n").faults(422),
        ["/observations empty"]
    );
}

#[test]
fn one_error_refuses_the_whole_submission() {
    let server = Server::start();
    let revision = server.revision();
    let mut figures: Vec<Value> = (1..=12)
        .map(|month| figure(OUTGOING, "travinh", &format!("2020-{month:02}"), month))
        .collect();
    figures.push(figure(OUTGOING, "travinh", "2021-01", -1));
    assert_eq!(
        server.post(&json!({ "observations": figures })).faults(422),
        ["/observations/12/value negative"]
    );
    assert_eq!(server.revision(), revision);
    assert_eq!(server.observations("history=true"), Vec::<Value>::new());
    figures.pop();
    server.post(&json!({ "observations": figures })).expect(201);
    assert_eq!(server.observations("").len(), 12);
}

#[test]
fn the_same_figure_twice_in_one_submission_is_a_fault_however_it_is_written() {
    let server = Server::start();
    let official =
        json!([{ "code": "agency-x", "official_codes": [{ "code": "H58.01", "scheme": "eid" }] }]);
    server.put_units(&official);
    let received = |members: Value, value: i64| {
        json!({
            "indicator": RECEIVED, "unit": "travinh", "period": "2021-10", "value": value,
            "dimensions": members,
        })
    };
    let body = json!({ "observations": [
        received(json!({ "channel": "online", "service_level": "4" }), 1),
        received(json!({ "service_level": "4", "channel": "online" }), 1),
        figure(OUTGOING, "agency-x", "2021-10", 1),
        figure(OUTGOING, "H58.01", "2021-10", Value::Null),
        received(json!({ "channel": "online" }), 1),
    ] });
    assert_eq!(
        server.post(&body).faults(422),
        ["/observations/1 duplicate", "/observations/3 duplicate"]
    );
    let twice = b"{\"observations\":[{\"indicator\":\"igate.dossiers.received\",\
                  \"unit\":\"travinh\",\"period\":\"2021-10\",\"value\":1,\
                  \"dimensions\":{\"channel\":\"online\",\"channel\":\"in_person\"}}]}";
    assert_eq!(
        server.post_bytes("observations", "application/json", twice).faults(422),
        ["/observations/0/dimensions/channel duplicate"]
    );
}

#[test]
fn the_current_month_is_accepted_and_the_next_one_is_refused() {
    let server = Server::start();
    let vietnam = (Utc::now() + chrono::Duration::hours(7)).date_naive();
    let this = format!("{:04}-{:02}", vietnam.year(), vietnam.month());
    let (year, month) = if vietnam.month() == 12 {
        (vietnam.year() + 1, 1)
    } else {
        (vietnam.year(), vietnam.month() + 1)
    };
    let next = figure(OUTGOING, "vinhlong-2025", &format!("{year:04}-{month:02}"), 1);
    assert_eq!(server.post(&one(&next)).faults(422), ["/observations/0/period future_month"]);
    server.post(&one(&figure(OUTGOING, "vinhlong-2025", &this, 1))).expect(201);
}

#[test]
fn a_unit_reports_for_the_months_at_whose_last_day_it_is_valid() {
    let server = Server::start();
    let bodies = [
        ("travinh", "2025-06", 201),
        ("travinh", "2025-07", 422),
        ("vinhlong-2025", "2025-06", 422),
        ("vinhlong-2025", "2025-07", 201),
    ];
    for (unit, period, status) in bodies {
        assert_eq!(
            server.post(&one(&figure(OUTGOING, unit, period, 1))).status,
            status,
            "{unit} in {period}"
        );
    }
    // A unit that begins on the 31st exists in that month; one that ends on the 30th of a month
    // with 31 days does not.
    server.put_units(
        &json!([{ "code": "short", "valid_from": "2021-03-31", "valid_to": "2021-05-30" }]),
    );
    for (period, status) in [("2021-02", 422), ("2021-03", 201), ("2021-04", 201), ("2021-05", 422)]
    {
        assert_eq!(
            server.post(&one(&figure(OUTGOING, "short", period, 1))).status,
            status,
            "{period}"
        );
    }
}

#[test]
fn an_official_code_means_the_unit_that_bore_it_in_that_month() {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "old", "official_codes": [{ "code": "84", "valid_to": "2021-06-30" }] },
        {
            "code": "new",
            "official_codes": [
                { "code": "84", "valid_from": "2021-07-01" },
                { "code": "twin", "valid_from": "2021-07-01" },
            ],
        },
        { "code": "other", "official_codes": [{ "code": "twin", "valid_from": "2021-09-01" }] },
    ]));
    let body = json!({ "observations": [
        figure(OUTGOING, "84", "2021-06", 6),
        figure(OUTGOING, "84", "2021-07", 7),
        figure(OUTGOING, "twin", "2021-08", 8),
    ] });
    server.post(&body).expect(201);
    has(&server.point(OUTGOING, "old", "2021-06"), &json!({ "value": 6 }));
    has(&server.point(OUTGOING, "new", "2021-07"), &json!({ "value": 7 }));
    has(&server.point(OUTGOING, "new", "2021-08"), &json!({ "value": 8 }));
    assert_eq!(
        server.post(&one(&figure(OUTGOING, "twin", "2021-06", 1))).faults(422),
        ["/observations/0/unit unknown_unit"]
    );
    assert_eq!(
        server.post(&one(&figure(OUTGOING, "twin", "2021-10", 1))).faults(422),
        ["/observations/0/unit ambiguous_unit"]
    );
    server
        .post_csv(
            "observations",
            "indicator,unit,period,value\nioffice.documents.outgoing,84,2021-05,5\n",
        )
        .expect(201);
    has(&server.point(OUTGOING, "old", "2021-05"), &json!({ "value": 5 }));
}

#[test]
fn a_dry_run_returns_the_real_response_and_records_nothing() {
    let server = Server::start();
    let revision = server.revision();
    let dry = server.post_csv("observations?dry_run=true", REPORT).expect(200);
    has(&dry, &json!({ "submission": null, "revision": null, "recorded_at": null }));
    assert_eq!(dry["findings"].as_array().unwrap().len(), 3);
    assert_eq!(server.revision(), revision);
    assert_eq!(server.observations("history=true"), Vec::<Value>::new());
    assert_eq!(server.read("findings")["findings"], json!([]));
    let real = server.post_csv("observations?dry_run=false", REPORT).expect(201);
    assert_eq!((&real["counts"], &real["findings"]), (&dry["counts"], &dry["findings"]));
    let dry_fault = server.post_csv(
        "observations?dry_run=true",
        "indicator,unit,period,value\nx,travinh,2021-10,1\n",
    );
    assert_eq!(dry_fault.faults(422), ["/observations/0/indicator unknown_indicator"]);
    assert_eq!(
        server.post_csv("observations?dry_run=maybe", REPORT).faults(422),
        ["/dry_run malformed"]
    );
}

#[test]
fn an_unknown_parameter_is_an_error() {
    let server = Server::start();
    assert_eq!(
        server.post_csv("observations?dryrun=true&colour=red", REPORT).faults(422),
        ["/colour unknown_parameter", "/dryrun unknown_parameter"]
    );
    assert_eq!(server.observations(""), Vec::<Value>::new());
}

#[test]
fn media_types_are_understood_or_refused() {
    let server = Server::start();
    let body = one(&figure(OUTGOING, "travinh", "2021-10", 1)).to_string();
    for media in ["text/plain", "application/xml", "multipart/form-data", "application/jsonx", ""] {
        server.post_bytes("observations", media, body.as_bytes()).problem(415);
    }
    server.send("POST", "observations", &[], Some(body.as_bytes())).problem(415);
    server
        .post_bytes("observations", "application/json; charset=utf-8", body.as_bytes())
        .expect(201);
    server
        .post_bytes(
            "observations",
            "text/csv; charset=utf-8; header=present",
            b"indicator,unit,period,value\nioffice.documents.outgoing,travinh,2021-10,1",
        )
        .expect(200);
}

#[test]
fn malformed_json_returns_400() {
    let server = Server::start();
    let deep = "[".repeat(100_000);
    for body in [
        "",
        "{",
        "{\"observations\":[}",
        "{\"observations\":[]} x",
        "nul",
        "{'observations':[]}",
        deep.as_str(),
    ] {
        server.post_bytes("observations", "application/json", body.as_bytes()).problem(400);
    }
    server
        .post_bytes(
            "observations",
            "application/json",
            b"{\"observations\":[],\"reason\":\"\xFF\"}",
        )
        .problem(400);
    for (body, expected) in [
        ("[]", " wrong_type"),
        ("{}", "/observations missing"),
        ("{\"observations\":{}}", "/observations wrong_type"),
        ("{\"observations\":[]}", "/observations empty"),
    ] {
        assert_eq!(
            server.post_bytes("observations", "application/json", body.as_bytes()).faults(422),
            [expected],
            "{body}"
        );
    }
}

#[test]
fn a_body_above_the_limit_returns_413_with_or_without_content_length() {
    let server = Server::start();
    let announced = "POST /api/v1/observations HTTP/1.1\r\n\
                     Host: localhost\r\n\
                     Content-Type: application/json\r\nContent-Length: 40000000\r\n\r\n{";
    let answer = server.raw(announced.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    let mut chunked = b"POST /api/v1/observations HTTP/1.1\r\n\
                        Host: localhost\r\n\
                        Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.resize(chunked.len() + 0x10_0000, b'x');
        chunked.extend_from_slice(b"\r\n");
    }
    let answer = server.raw(&chunked);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn a_csv_written_by_vietnamese_excel_is_read() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-08", 3), (SIGNED, "2021-08", 2)]);
    let sheet = "\u{FEFF}indicator;unit;period;value;channel\r\n\
        ioffice.documents.signed_rate;travinh;2021-10;78,955;\r\n\
        igate.dossiers.received;travinh;2021-10;2180;online\r\n\
        ioffice.documents.outgoing;travinh;2021-08;null;\r\n\
        ioffice.documents.signed;travinh;2021-08;;\r\n\
        ;;;;\r\n";
    let receipt = server
        .post_csv("observations?reason=s%E1%BB%ADa&reference=B%C3%A1o%20c%C3%A1o", sheet)
        .expect(201);
    has(&receipt["counts"], &json!({ "created": 2, "revised": 0, "unchanged": 0, "withdrawn": 1 }));
    has(&server.point(RATE, "travinh", "2021-10"), &json!({ "stated": 78.955 }));
    has(
        &server.point("igate.dossiers.received{channel=online}", "travinh", "2021-10"),
        &json!({ "value": 2180, "origin": "stated" }),
    );
    has(&server.point(OUTGOING, "travinh", "2021-08"), &json!({ "value": null }));
    // An empty cell says nothing
    has(&server.point(SIGNED, "travinh", "2021-08"), &json!({ "value": 2 }));
    let kept = server.read(&format!("submissions/{}", receipt["submission"].as_str().unwrap()));
    has(&kept, &json!({ "reason": "sửa", "source": { "kind": "csv", "reference": "Báo cáo" } }));
}

#[test]
fn figures_up_to_the_limit_are_exact() {
    let server = Server::start();
    let largest = 9_007_199_254_740_991_i64;
    server.record("travinh", &[("inspection.fines.amount", "2021-10", largest)]);
    let recorded = server.get("observations").text();
    assert!(recorded.contains("\"value\":9007199254740991"), "{recorded}");
    let faulty =
        ["9007199254740992", "1e16", "1e400", "-1e400", "1e-30", "123456789012345678901234567890"];
    for digits in faulty {
        let body = format!(
            "{{\"observations\":[{{\"indicator\":\"inspection.fines.amount\",\"unit\":\"travinh\",\
             \"period\":\"2021-10\",\"value\":{digits}}}]}}"
        );
        assert_eq!(
            server
                .post_bytes("observations", "application/json", body.as_bytes())
                .faults(422)
                .len(),
            1,
            "{digits}"
        );
    }
    for digits in ["1e3", "1000.0", "\"1000\"", "1000.000"] {
        let body = format!(
            "{{\"observations\":[{{\"indicator\":\"inspection.fines.amount\",\"unit\":\"travinh\",\
             \"period\":\"2021-10\",\"value\":{digits}}}]}}"
        );
        let status = server.post_bytes("observations", "application/json", body.as_bytes()).status;
        assert!(status == 201 || status == 200, "{digits}: {status}");
        has(
            &server.point("inspection.fines.amount", "travinh", "2021-10"),
            &json!({ "value": 1000 }),
        );
    }
    for digits in [
        "\"\"",
        "\" 1\"",
        "\"1,5\"",
        "\"0x10\"",
        "\"Infinity\"",
        "\"1_000\"",
        "\"--1\"",
        "\".\"",
        "\"\u{0661}\"",
    ] {
        let body = format!(
            "{{\"observations\":[{{\"indicator\":\"inspection.fines.amount\",\"unit\":\"travinh\",\
             \"period\":\"2021-10\",\"value\":{digits}}}]}}"
        );
        assert_eq!(
            server.post_bytes("observations", "application/json", body.as_bytes()).faults(422),
            ["/observations/0/value not_a_number"],
            "{digits}"
        );
    }
}

#[test]
fn ten_thousand_observations_are_one_submission() {
    let server = Server::start();
    let indicators: Vec<String> = server.read("indicators")["indicators"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["kind"] == "flow" && entry["decimals"] == 0)
        .take(20)
        .map(|entry| entry["code"].as_str().unwrap().to_owned())
        .collect();
    let mut rows = vec!["indicator,unit,period,value".to_owned()];
    for (n, indicator) in indicators.iter().enumerate() {
        rows.extend((0..500).map(|month| {
            format!(
                "{indicator},travinh,{}-{:02},{}",
                1970 + month / 12,
                month % 12 + 1,
                n * 1000 + month
            )
        }));
    }
    let revision = server.revision();
    let receipt = server.post_csv("observations", &rows.join("\n")).expect(201);
    has(&receipt["counts"], &json!({ "created": 10_000 }));
    assert_eq!(receipt["revision"], revision + 1);
    assert_eq!(
        server.read("observations?limit=10000")["observations"].as_array().unwrap().len(),
        10_000
    );
    has(&server.point(&indicators[19], "travinh", "2011-08"), &json!({ "value": 19_499 }));
}

#[test]
fn concurrent_submissions_are_recorded_in_one_revision_each() {
    let server = Server::start();
    let before = server.revision();
    let units = ["tv.cdc", "tv.dof", "tv.dic", "tv.inspectorate"];
    let mut revisions: Vec<i64> = std::thread::scope(|scope| {
        let clients: Vec<_> = units
            .iter()
            .map(|unit| {
                let api = (*server).clone();
                scope.spawn(move || {
                    (1..=12)
                        .map(|month| {
                            api.record(unit, &[(OUTGOING, &format!("2020-{month:02}"), month)])
                                    ["revision"]
                                    .as_i64()
                                    .unwrap()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    revisions.sort_unstable();
    assert_eq!(revisions, (before + 1..=before + 48).collect::<Vec<_>>());
    // 4 of 10 leaves
    has(&server.point(OUTGOING, "travinh", "2020-12"), &json!({ "value": 48, "coverage": 0.4 }));
}

#[test]
fn a_body_that_breaks_off_records_nothing() {
    let server = Server::start();
    let revision = server.revision();
    let rows = "indicator,unit,period,value\nioffice.documents.outgoing,travinh,2021-10,4\n";
    for length in ["Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n4a\r\n"] {
        let head = format!(
            "POST /api/v1/observations HTTP/1.1\r\n\
             Host: localhost\r\nContent-Type: text/csv\r\n{length}{rows}"
        );
        let mut stream = std::net::TcpStream::connect(&server.host).unwrap();
        std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
        drop(stream);
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(server.revision(), revision);
    assert_eq!(server.observations("history=true"), Vec::<Value>::new());
}

#[test]
fn a_reason_or_reference_above_the_length_limit_is_an_error() {
    let server = Server::start();
    let long = "đ".repeat(1_001);
    let body = json!({
        "reason": long, "source": { "kind": long, "reference": long },
        "observations": [figure(OUTGOING, "travinh", "2021-10", 1)],
    });
    assert_eq!(
        server.post(&body).faults(422),
        ["/reason too_long", "/source/kind too_long", "/source/reference too_long"]
    );
    let body = json!({
        "reason": "đ".repeat(1_000), "observations": [figure(OUTGOING, "travinh", "2021-10", 1)],
    });
    server.post(&body).expect(201);
}

#[test]
fn a_body_with_a_wrong_content_encoding_returns_400() {
    let server = Server::start();
    let gzip = [("content-type", "text/csv"), ("content-encoding", "gzip")];
    server.send("POST", "observations", &gzip, Some(b"indicator,unit,period,value\n")).problem(400);
    assert_eq!(server.observations("history=true"), Vec::<Value>::new());
}

#[test]
fn a_sheet_s_thousands_are_not_taken_for_decimals() {
    let server = Server::start();
    let sheet = |value: &str, separator: char| {
        let row = ["ioffice.users.total", "travinh", "2021-10", value].join(&separator.to_string());
        let header = "indicator,unit,period,value".replace(',', &separator.to_string());
        server.post_csv("observations?dry_run=true", &format!("{header}\n{row}\n"))
    };
    for value in ["1.000", "12.000", "1.234", "5.000.000", "1,000", "-1.000"] {
        assert_eq!(
            sheet(value, ';').faults(422),
            ["/observations/0/value ambiguous_thousands"],
            "{value}"
        );
    }
    assert_eq!(sheet("1.000", ',').faults(422), ["/observations/0/value ambiguous_thousands"]);
    for value in ["1000", "12.0", "1.00", "0.000"] {
        sheet(value, ';').expect(200);
    }
    // A rate is stated with three decimals.
    let rate = server.post_csv(
        "observations",
        "indicator;unit;period;value\nioffice.documents.signed_rate;travinh;2021-10;78,955\n",
    );
    rate.expect(201);
    assert_eq!(
        server.observations("indicator=ioffice.documents.signed_rate")[0]["value"],
        json!(78.955)
    );
}
