//! Reports: reading, recording and writing them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::{Api, REPORT, Server, figure, has, run};

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

/// A short report of an invented month.
const TEXT: &str = "# BÁO CÁO\n\
                    \n\
                    ## Kết quả công tác tháng 3 năm 2021 của tỉnh Trà Vinh\n\
                    \n\
                    ### 1. Ứng dụng công nghệ thông tin\n\
                    \n\
                    - Hệ thống quản lý văn bản và điều hành (VNPT-iOffice): trong tháng tạo mới 15 \
                    tài khoản, tổng số người dùng là 6.120. Tổng số văn bản đi trong tháng: 20.500 \
                    văn bản, trong đó ký số 16.400 văn bản (tỷ lệ 81,2%).\n\
                    \n- Đã tổ chức 999 chuyến tham quan.\n";

fn send(api: &Api, parameters: &str, text: &str) -> crate::harness::Reply {
    api.post_bytes(&format!("reports{parameters}"), "text/markdown", text.as_bytes())
}

/// Measure, unit and value of each figure with a role.
fn figures(answer: &Value, role: &str) -> BTreeMap<(String, String), String> {
    let all = answer["figures"].as_array().unwrap().iter().filter(|figure| figure["role"] == role);
    all.map(|figure| {
        (
            (
                figure["measure"].as_str().unwrap().to_owned(),
                figure["unit"].as_str().unwrap().to_owned(),
            ),
            figure["value"].to_string(),
        )
    })
    .collect()
}

fn value<'v>(found: &'v BTreeMap<(String, String), String>, measure: &str) -> Option<&'v str> {
    found.get(&(measure.to_owned(), "travinh".to_owned())).map(String::as_str)
}

fn rules(answer: &Value) -> Vec<String> {
    let mut rules: Vec<String> = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["rule"].as_str().unwrap().to_owned())
        .collect();
    rules.sort();
    rules
}

#[track_caller]
fn places_hold(answer: &Value, text: &str) {
    let characters: Vec<char> = text.chars().collect();
    assert_eq!(answer["text_length"], characters.len());
    for entry in
        answer["figures"].as_array().unwrap().iter().chain(answer["unclaimed"].as_array().unwrap())
    {
        let at = |field: &str| usize::try_from(entry[field].as_u64().unwrap()).unwrap();
        let printed: String = characters[at("start")..at("end")].iter().collect();
        assert_eq!(entry["printed"], printed);
        let sentence: String =
            characters[at("sentence_start")..at("sentence_end")].iter().collect();
        assert_eq!(entry["sentence"], sentence);
        assert!(at("sentence_start") <= at("start") && at("end") <= at("sentence_end"));
    }
}

#[test]
fn a_dry_run_reports_every_number_with_its_position_and_records_nothing() {
    let server = Server::start();
    let revision = server.revision();
    let answer = send(&server, "", TEXT).expect(200);
    has(
        &answer,
        &json!({
            "unit": "travinh", "period": "2021-03", "dry_run": true, "submission": null,
            "revision": null, "faults": [], "closed": false, "media_type": "text/markdown",
        }),
    );
    let found = figures(&answer, "figure");
    assert_eq!(value(&found, "ioffice.users.created"), Some("15"));
    assert_eq!(value(&found, "ioffice.users.total"), Some("6120"));
    assert_eq!(value(&found, "ioffice.documents.outgoing"), Some("20500"));
    assert_eq!(value(&found, "ioffice.documents.signed_rate"), Some("81.2"));
    places_hold(&answer, TEXT);
    let lost = answer["unclaimed"]
        .as_array()
        .unwrap()
        .iter()
        .find(|number| number["printed"] == "999")
        .unwrap();
    has(lost, &json!({ "reason": "no_pattern", "measure": null }));
    // 16,400 of 20,500 are 80 percent.
    assert_eq!(rules(&answer), ["stated_rate"]);
    assert_eq!(answer["counts"]["created"], found.len());
    assert_eq!(server.revision(), revision);
}

#[test]
fn a_report_is_recorded_once_with_its_text_and_the_places_of_its_figures() {
    let server = Server::start();
    let headers = [("content-type", "text/markdown"), ("idempotency-key", "march")];
    let path = "reports?dry_run=false&reference=B%C3%A1o%20c%C3%A1o%20s%E1%BB%91%203";
    let reply = server.send("POST", path, &headers, Some(TEXT.as_bytes()));
    let answer = reply.expect(201);
    let id = answer["submission"].as_str().unwrap().to_owned();
    assert_eq!(reply.header("location"), format!("/api/v1/submissions/{id}"));
    let receipt = server.read(&format!("submissions/{id}"));
    has(
        &receipt,
        &json!({
            "source": { "kind": "report", "reference": "Báo cáo số 3" }, "counts": answer["counts"],
            "findings": answer["findings"],
        }),
    );
    has(&server.point("ioffice.users.total", "travinh", "2021-03"), &json!({ "value": 6120 }));
    has(
        &server.point("ioffice.documents.signed_rate", "travinh", "2021-03"),
        &json!({ "value": 80, "stated": 81.2 }),
    );

    let text = server.get(&format!("reports/{id}/text"));
    assert_eq!((text.status, text.header("content-type")), (200, "text/plain; charset=utf-8"));
    assert_eq!(text.text(), TEXT);
    let kept = server.read(&format!("reports/{id}"));
    assert_eq!(kept, answer);
    places_hold(&kept, TEXT);

    let again = server.send("POST", path, &headers, Some(TEXT.as_bytes()));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.expect(201), answer);
    // The stored report is neither a target nor an annotation, and a restart does not need it.
    assert!(server.read("annotations")["annotations"].as_array().unwrap().is_empty());
    let revisions = server.read("revisions?limit=1000");
    assert_eq!(
        revisions["revisions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|revision| revision["declarations"]
                .as_array()
                .is_some_and(|list| !list.is_empty()))
            .count(),
        0,
        "{revisions}"
    );
    let server = server.restarted();
    assert_eq!(server.read(&format!("reports/{id}")), answer);
    run(&["verify", "--database", &server.address()]).expect(0);
    // The same figures again change nothing.
    has(
        &send(&server, "?dry_run=false", TEXT).expect(200),
        &json!({ "submission": null, "revision": answer["revision"] }),
    );
    server.get("reports/01JB/text").problem(404);
    let other = server.record("travinh", &[("ioffice.users.total", "2021-02", 6000)]);
    server.get(&format!("reports/{}", other["submission"].as_str().unwrap())).problem(404);
    server.get(&format!("reports/{id}?as_of=1")).problem(404);
}

#[test]
fn recorded_reports_are_copied_by_the_archive() {
    let server = Server::start();
    let answer = send(&server, "?dry_run=false", TEXT).expect(201);
    let id = answer["submission"].as_str().unwrap();
    let archive = server.folder().join("ledger.zip");
    run(&["export", archive.to_str().unwrap(), "--database", &server.address()]).expect(0);
    let copy = format!("sqlite://{}", server.folder().join("copy.db").display());
    run(&["import", archive.to_str().unwrap(), "--database", &copy]).expect(0);
    run(&["verify", "--database", &copy]).expect(0);
    let other = crate::harness::serve(&copy);
    let api = Api::of(&other.address.to_string());
    assert_eq!(api.read(&format!("reports/{id}")), answer);
    assert_eq!(api.get(&format!("reports/{id}/text")).text(), TEXT);
}

#[test]
fn a_report_is_compared_with_the_ledger_and_with_itself() {
    let server = Server::start();
    server.record(
        "travinh",
        &[
            ("ioffice.users.total", "2021-02", 6000),
            ("ioffice.documents.outgoing", "2021-02", 19_000),
        ],
    );
    let text = "BÁO CÁO\n\
                \n\
                Kết quả công tác tháng 3 năm 2021 của tỉnh Trà Vinh\n\
                \n\
                Hệ thống VNPT-iOffice: tổng số người dùng là 6.120 (tháng trước 6.105). Tổng số \
                văn bản đi trong tháng: 20.500 văn bản.\n\
                \n\
                Chứng thư số: trong tháng cấp mới 12 chứng thư số.\n\
                \nChứng thư số: trong tháng cấp mới 13 chứng thư số.\n";
    let answer = server.post_bytes("reports", "text/plain", text.as_bytes()).expect(200);
    let earlier = figures(&answer, "earlier");
    assert_eq!(value(&earlier, "ioffice.users.total"), Some("6105"), "{answer}");
    let finding = |rule: &str| {
        answer["findings"]
            .as_array()
            .unwrap()
            .iter()
            .find(|finding| finding["rule"] == rule)
            .cloned()
            .unwrap_or_else(|| panic!("{rule}: {answer}"))
    };
    has(
        &finding("stated_earlier"),
        &json!({
            "severity": "warning", "measure": "ioffice.users.total", "unit": "travinh",
            "period": "2021-02", "stated": 6105, "computed": 6000,
        }),
    );
    has(
        &finding("stated_twice"),
        &json!({
            "measure": "pki.certificates.issued", "unit": "travinh", "period": "2021-03",
            "stated": 12, "computed": 13,
        }),
    );
    // After recording, the findings are those of the receipt.
    let recorded =
        server.post_bytes("reports?dry_run=false", "text/plain", text.as_bytes()).expect(201);
    assert_eq!(rules(&recorded), rules(&answer));
    let receipt = server.read(&format!("submissions/{}", recorded["submission"].as_str().unwrap()));
    assert_eq!(receipt["findings"], recorded["findings"]);
}

#[test]
fn a_quarter_is_read_and_held_against_its_months_but_not_recorded() {
    let server = Server::start();
    server.record(
        "travinh",
        &[
            ("ioffice.documents.outgoing", "2021-01", 100),
            ("ioffice.documents.outgoing", "2021-02", 200),
            ("ioffice.documents.outgoing", "2021-03", 300),
        ],
    );
    let text = "BÁO CÁO\n\
                \n\
                Kết quả công tác quý I năm 2021 của tỉnh Trà Vinh\n\
                \nHệ thống VNPT-iOffice: tổng số văn bản đi trong quý: 650 văn bản.\n";
    let answer = server.post_bytes("reports", "text/plain", text.as_bytes()).expect(200);
    assert_eq!(answer["period"], "2021-Q1");
    has(
        &answer["findings"][0],
        &json!({ "rule": "stated_period", "period": "2021-Q1", "stated": 650, "computed": 600 }),
    );
    assert_eq!(
        server.post_bytes("reports?dry_run=false", "text/plain", text.as_bytes()).faults(422),
        ["/period wider_period"]
    );
}

#[test]
fn unit_and_period_parameters_complete_a_report_without_them() {
    let server = Server::start();
    let text = "Trong tháng, hệ thống VNPT-iOffice tạo mới 15 tài khoản.";
    let post = |parameters: &str| {
        server.post_bytes(&format!("reports{parameters}"), "text/plain", text.as_bytes())
    };
    assert_eq!(post("").faults(422), ["/period not_found", "/unit not_found"]);
    assert_eq!(post("?unit=nowhere&period=2021-03").faults(422), ["/unit unknown_unit"]);
    assert_eq!(post("?unit=travinh&period=2021-13").faults(422), ["/period malformed"]);
    assert_eq!(
        post("?unit=travinh&period=2090-01").faults(422).len(),
        2,
        "it has not begun, and the unit has ended"
    );
    assert_eq!(post("?unit=travinh&period=2025-12").faults(422), ["/unit unit_not_valid"]);
    let answer = post("?unit=tv.cdc&period=2021-03").expect(200);
    has(&answer, &json!({ "unit": "tv.cdc", "period": "2021-03" }));
    assert_eq!(post("?wrong=1").faults(422), ["/wrong unknown_parameter"]);
}

#[test]
fn unrecordable_figures_are_reported_and_nothing_is_recorded() {
    let server = Server::start();
    let revision = server.revision();
    assert_eq!(
        server
            .post_bytes(
                "reports?dry_run=false&unit=travinh&period=2021-03",
                "text/plain",
                "Không có gì.".as_bytes()
            )
            .faults(422),
        [" empty"]
    );
    let text =
        "Hệ thống VNPT-iOffice: trong tháng tạo mới 15,5 tài khoản, tổng số người dùng là 6.120.";
    let path = "reports?unit=travinh&period=2021-03";
    let answer = server.post_bytes(path, "text/plain", text.as_bytes()).expect(200);
    if !answer["faults"].as_array().unwrap().is_empty() {
        assert_eq!(
            server
                .post_bytes(&format!("{path}&dry_run=false"), "text/plain", text.as_bytes())
                .faults(422),
            ["/figures/0 too_many_decimals"]
        );
        assert_eq!(server.revision(), revision);
    }
}

#[test]
fn a_closed_month_is_read_and_recorded_only_with_a_reason() {
    let server = Server::start();
    server.send("POST", "periods/2021-03/close?force=true", &[], None).expect(200);
    let answer = send(&server, "", TEXT).expect(200);
    assert_eq!((&answer["closed"], &answer["faults"]), (&json!(true), &json!([])));
    let refused = send(&server, "?dry_run=false", TEXT).faults(409);
    assert!(
        refused
            .iter()
            .all(|fault| fault.starts_with("/figures/") && fault.ends_with("month_closed")),
        "{refused:?}"
    );
    send(&server, "?dry_run=false&reason=sent%20late", TEXT).expect(201);
}

#[test]
fn files_that_are_not_documents_are_refused_by_type() {
    let server = Server::start();
    let post = |media: &str, body: &[u8]| server.post_bytes("reports", media, body);
    post("application/json", b"{}").problem(415);
    assert_eq!(post("application/pdf", b"hello").faults(415), [" wrong_media"]);
    assert_eq!(
        post(DOCX, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1").faults(415),
        [" unsupported_document"]
    );
    assert_eq!(post("text/plain", b"\xff\xfe\x00").faults(422), [" not_utf8"]);
}

#[test]
fn a_multipart_form_provides_the_file_name() {
    let server = Server::start();
    let form = |field: &str, name: &str, media: &str, content: &str| {
        let body = format!(
            "--x\r\n\
             Content-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: {media}\r\n\r\n{content}\r\n--x--\r\n"
        );
        server.post_bytes(
            "reports?dry_run=false",
            "multipart/form-data; boundary=x",
            body.as_bytes(),
        )
    };
    assert_eq!(
        form("document", "a.md", "text/plain", TEXT).faults(422),
        ["/document unknown_field"]
    );
    let answer = form("file", "thang3.md", "application/octet-stream", TEXT).expect(201);
    has(&answer, &json!({ "file_name": "thang3.md", "media_type": "text/markdown" }));
    let receipt = server.read(&format!("submissions/{}", answer["submission"].as_str().unwrap()));
    assert_eq!(receipt["source"]["reference"], "thang3.md");
}

/// Reads figures back from a written report: none may be wrong, and those in its sentences must be
/// found.
#[track_caller]
fn reads_back(server: &Server, unit: &str, period: &str, least: usize) {
    for (format, media) in [("md", "text/markdown"), ("docx", DOCX)] {
        let written = server.get(&format!("reports/{unit}/{period}?format={format}"));
        assert_eq!(written.status, 200, "{}", String::from_utf8_lossy(&written.body));
        assert!(written.header("content-type").starts_with(media));
        let read =
            server.post_bytes(&format!("reports?unit={unit}"), media, &written.body).expect(200);
        has(&read, &json!({ "unit": unit, "period": period }));
        let mut wrong = Vec::new();
        for found in read["figures"].as_array().unwrap() {
            let (measure, owner) =
                (found["measure"].as_str().unwrap(), found["unit"].as_str().unwrap());
            let point = server.point(measure, owner, found["period"].as_str().unwrap());
            let (value, read) = (point["value"].as_f64(), found["value"].as_f64().unwrap());
            let right = value.is_some_and(|value| (value - read).abs() < 0.005_000_1)
                || point["stated"].as_f64() == Some(read);
            if !right {
                wrong.push(format!(
                    "{measure} of {owner}: {read} is read, {value:?} is there: {}",
                    found["sentence"]
                ));
            }
        }
        assert!(wrong.is_empty(), "{format}: {}", wrong.join("\n"));
        let found = figures(&read, "figure");
        let missed: Vec<String> = read["unclaimed"]
            .as_array()
            .unwrap()
            .iter()
            // The names of generated units contain numbers.
            .filter(|number| {
                number["reason"] != "comparison"
                    && !number["sentence"].as_str().unwrap().contains("mẫu")
            })
            // The annex repeats the figures, with changes and coverage.
            .filter(|number| !number["sentence"].as_str().unwrap().contains(['|', '\t']))
            .map(|number| {
                format!(
                    "{} {} {}: {}",
                    number["printed"], number["reason"], number["measure"], number["sentence"]
                )
            })
            .collect();
        assert!(
            found.len() >= least,
            "{format}: {} of {least}\n{}",
            found.len(),
            missed.join("\n")
        );
        assert!(missed.is_empty(), "{format}: {}", missed.join("\n"));
    }
}

#[test]
fn the_real_figures_written_as_a_report_are_read_back() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    server.record(
        "travinh",
        &[
            ("ioffice.users.total", "2021-09", 7309),
            ("ioffice.documents.outgoing", "2021-09", 23_000),
            ("igate.dossiers.received", "2021-09", 14_000),
        ],
    );
    reads_back(&server, "travinh", "2021-10", 55);
    let text = server.get("reports/travinh/2021-10").text();
    for part in [
        "23.441 văn bản",
        "(tỷ lệ 78,955%)",
        "tăng 92 (1,3%) so với tháng 9",
        "giảm 406 (2,9%) so với tháng 9",
        "## Phụ lục",
        "tháng 10 năm 2021 của tỉnh Trà Vinh",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.contains("| 2.312 |"), "{text}");
}

#[test]
fn the_command_line_checks_tries_patterns_on_and_imports_a_report() {
    let server = Server::start();
    let folder = server.folder().to_owned();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let file = write("thang3.md", TEXT);
    let shown = run(&["check", &file]).expect(1);
    for part in [
        "đơn vị travinh, kỳ 2021-03",
        "ioffice.documents.signed_rate",
        "16.400",
        "999 no_pattern",
        "(stated_rate)",
        "0 lỗi, 1 mâu thuẫn",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let english =
        run(&["check", &file, "--lang", "en", "--period", "2021-04", "--unit", "travinh"])
            .expect(1);
    assert!(english.contains("unit travinh, period 2021-04"), "{english}");
    // Another pattern over the shipped catalogue.
    let pattern = "[[indicators]]\n\
                   code = \"visits.made\"\n\
                   kind = \"flow\"\n\
                   unit_of_measure = \"count\"\n\
                   \n\
                   [[patterns]]\n\
                   code = \"visits.made\"\n\
                   measure = \"visits.made\"\nphrases = [ \"{value} chuyến tham quan\" ]\n";
    let tried = run(&["check", &file, "--explain", "--catalogue", &write("visits.toml", pattern)])
        .expect(1);
    assert!(tried.contains("visits.made: Đã tổ chức 999 chuyến tham quan."), "{tried}");
    let faulty = run(&[
        "check",
        &file,
        "--catalogue",
        &write("faulty.toml", &pattern.replace("{value} ", "")),
    ]);
    faulty.expect(1);
    assert!(faulty.err().contains("no_value"), "{}", faulty.err());
    // `import` records the same as POST.
    run(&["import", &file, "--database", &server.address()]).expect(0);
    let server = server.restarted();
    has(&server.point("ioffice.users.total", "travinh", "2021-03"), &json!({ "value": 6120 }));
    let id = server.observations("")[0]["submission"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("reports/{id}/text")).text(), TEXT);
    has(
        &server.read(&format!("submissions/{id}")),
        &json!({ "source": { "kind": "report", "reference": "thang3.md" } }),
    );
    // A table is recognised even if its file is named .txt.
    run(&[
        "import",
        &write(
            "figures.txt",
            "indicator,unit,period,value\nioffice.users.total,travinh,2021-04,1\n",
        ),
        "--database",
        &server.address(),
    ])
    .expect(0);
}

#[test]
fn a_member_of_one_word_is_read_after_a_word_of_the_phrase_and_not_as_the_end_of_a_name() {
    let server = Server::start();
    let write = |name: &str, text: &str| {
        let path = server.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let catalogue = write(
        "incoming.toml",
        r#"[[dimensions]]
code = "delivery"
name = { vi = "Hình thức gửi", en = "Delivery" }
members = [
  { code = "paper", name = { vi = "Giấy" } },
  { code = "electronic", name = { vi = "Điện tử" } },
]

[[indicators]]
code = "ioffice.documents.incoming"
name = { vi = "Văn bản đến", en = "Incoming documents" }
system = "ioffice"
kind = "flow"
unit_of_measure = "count"
dimensions = [{ code = "delivery" }]

[[patterns]]
code = "incoming"
measure = "ioffice.documents.incoming"
phrases = [ "{value} [văn bản] {delivery}", "{value} .. {delivery}" ]
"#,
    );
    let report = write(
        "thang10.md",
        "# BÁO CÁO tháng 10 năm 2021\n\nUBND tỉnh Trà Vinh\n\n\
         Trong tháng có 21.900 văn bản điện tử, 1.912 văn bản giấy. Có 45 tờ hóa giấy.\n",
    );
    let printed =
        run(&["check", &report, "--lang", "en", "--explain", "--catalogue", &catalogue]).expect(0);
    for part in
        ["{delivery=electronic}", "{delivery=paper}", "1.912 1.00", "45 incoming: LongerName"]
    {
        assert!(printed.contains(part), "{part} in {printed}");
    }
}

#[test]
fn generated_months_written_as_reports_are_read_back() {
    let server = Server::start();
    let csv = run(&[
        "generate",
        "--size",
        "1x4",
        "--seed",
        "7",
        "--units",
        server.folder().join("units.json").to_str().unwrap(),
    ])
    .expect(0);
    let figures = server.folder().join("figures.csv");
    std::fs::write(&figures, csv).unwrap();
    run(&[
        "import",
        server.folder().join("units.json").to_str().unwrap(),
        figures.to_str().unwrap(),
        "--database",
        &server.address(),
    ])
    .expect(0);
    let server = server.restarted();
    for month in ["2021-02", "2023-07", "2025-12"] {
        reads_back(&server, "gen.p01", month, 15);
        reads_back(&server, "gen.p01.u003", month, 15);
    }
}

#[test]
fn a_written_report_keeps_to_the_revision_and_the_format_that_are_asked_for() {
    let server = Server::start();
    let empty = server.get("reports/travinh/2021-10");
    assert!(empty.text().contains("Chưa có số liệu"), "{}", empty.text());
    let before = server.revision();
    server
        .post(
            &json!({ "observations": [figure("ioffice.users.created", "travinh", "2021-10", 7)] }),
        )
        .expect(201);
    let written = server.get("reports/travinh/2021-10");
    assert!(written.text().contains("tạo mới 07 tài khoản"), "{}", written.text());
    assert_eq!(
        server
            .send(
                "GET",
                "reports/travinh/2021-10",
                &[("if-none-match", written.header("etag"))],
                None
            )
            .status,
        304
    );
    assert_eq!(server.get(&format!("reports/travinh/2021-10?as_of={before}")).text(), empty.text());
    let docx = server.send("GET", "reports/travinh/2021-10", &[("accept", DOCX)], None);
    assert_eq!(
        (docx.status, docx.header("content-type"), docx.header("content-disposition")),
        (200, DOCX, "attachment; filename=\"report-travinh-2021-10.docx\"")
    );
    assert_ne!(docx.header("etag"), written.header("etag"));
    server.get("reports/nowhere/2021-10").problem(404);
    server.get("reports/travinh/2025-12").problem(404);
    assert_eq!(server.get("reports/travinh/2021").faults(422), ["/period malformed_period"]);
    assert_eq!(server.get("reports/travinh/2021-10?format=pdf").faults(422), ["/format malformed"]);
}

#[test]
fn figures_that_are_not_certain_are_recorded_only_when_they_are_accepted() {
    let text = TEXT
        .replace("tạo mới 15 tài khoản", "tạo mới gần 15 tài khoản")
        .replace("là 6.120", "là khoảng 6.120");
    let server = Server::start();
    let preview = send(&server, "", &text).expect(200);
    let uncertain: Vec<(&Value, bool)> = preview["figures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|figure| (&figure["start"], figure["needs_acceptance"].as_bool().unwrap()))
        .collect();
    let starts: Vec<&Value> =
        uncertain.iter().filter(|(_, held)| *held).map(|(start, _)| *start).collect();
    assert_eq!(starts.len(), 2, "{preview}");

    let held = send(&server, "?dry_run=false", &text).expect(201);
    let all = u64::try_from(uncertain.len()).unwrap();
    assert_eq!(held["counts"]["created"], all - 2);
    assert!(server.observations("indicator=ioffice.users.created").is_empty());
    assert!(server.observations("indicator=ioffice.users.total").is_empty());

    let accepted =
        send(&server, &format!("?dry_run=false&accept={}", starts[0]), &text).expect(201);
    assert_eq!(accepted["counts"]["created"], 1);
    let left = accepted["figures"].as_array().unwrap();
    assert_eq!(left.iter().filter(|figure| figure["needs_acceptance"] == true).count(), 1);
    let both = format!("?dry_run=false&accept={},{}", starts[0], starts[1]);
    assert_eq!(send(&server, &both, &text).expect(201)["counts"]["created"], 1);
    let id = held["submission"].as_str().unwrap();
    let stored = server.read(&format!("reports/{id}"));
    let kept = stored["figures"].as_array().unwrap();
    assert_eq!(kept.iter().filter(|figure| figure["needs_acceptance"] == true).count(), 2);

    for (wrong, fault) in [
        ("1", "/accept unknown_figure"),
        ("x", "/accept malformed"),
        ("12,,13", "/accept malformed"),
    ] {
        let refused = send(&server, &format!("?dry_run=false&accept={wrong}"), &text);
        assert_eq!(refused.faults(422), [fault], "{wrong}");
    }
}

#[test]
fn a_report_of_uncertain_figures_alone_says_how_they_are_recorded() {
    let server = Server::start();
    let text = "# BÁO CÁO\n\
                \n\
                Kết quả tháng 3 năm 2021 của tỉnh Trà Vinh\n\
                \nTổng số văn bản đi trong tháng khoảng 20.500 văn bản.\n";
    assert_eq!(send(&server, "?dry_run=false", text).faults(422), ["/accept not_certain"]);
    let preview = send(&server, "", text).expect(200);
    let start = &preview["figures"][0]["start"];
    let receipt = send(&server, &format!("?dry_run=false&accept={start}"), text).expect(201);
    assert_eq!(receipt["counts"]["created"], 1);
}

#[test]
fn a_head_that_contradicts_the_request_is_named() {
    let server = Server::start();
    let codes = |view: &Value| -> Vec<String> {
        let note = |note: &Value| {
            assert!(note["detail_vi"].as_str().unwrap().contains("báo cáo"), "{note}");
            assert_eq!(note["code"], "contradicts_head");
            note["detail"].as_str().unwrap().to_owned()
        };
        view["notes"].as_array().unwrap().iter().map(note).collect()
    };
    for (query, head, expected) in [
        ("?unit=travinh&period=2021-03", "tháng 3 năm 2021 của tỉnh Trà Vinh", vec![]),
        ("", "tháng 3 năm 2021 của tỉnh Trà Vinh", vec![]),
        ("?period=2021-04", "tháng 3 năm 2021 của tỉnh Trà Vinh", vec!["period 2021-03"]),
        ("?unit=bentre", "tháng 3 năm 2021 của tỉnh Trà Vinh", vec!["unit travinh"]),
        (
            "?unit=vinhlong&period=2021-05",
            "tháng 3 năm 2021 của tỉnh Trà Vinh",
            vec!["period 2021-03", "unit travinh"],
        ),
    ] {
        let text = TEXT.replace("tháng 3 năm 2021 của tỉnh Trà Vinh", head);
        let found = codes(&send(&server, query, &text).expect(200));
        assert_eq!(found.len(), expected.len(), "{query} {head}: {found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }
    for (author, expected) in [
        ("# SỞ Y TẾ TỈNH SÓC TRĂNG\n\n", 1),
        ("# ỦY BAN NHÂN DÂN TỈNH SÓC TRĂNG\n\n", 1),
        ("# SỞ TÀI CHÍNH TỈNH TRÀ VINH\n\n", 1),
        ("# SỞ THÔNG TIN VÀ TRUYỀN THÔNG TỈNH TRÀ VINH\n\n", 0),
    ] {
        let text = format!("{author}{}", TEXT.replace(" của tỉnh Trà Vinh", ""));
        let found = codes(&send(&server, "?unit=travinh&period=2021-03", &text).expect(200));
        assert_eq!(found.len(), expected, "{author} {found:?}");
    }
    // The stored reading says so too.
    let recorded = send(&server, "?dry_run=false&period=2021-04", TEXT).expect(201);
    let id = recorded["submission"].as_str().unwrap();
    assert_eq!(codes(&server.read(&format!("reports/{id}"))).len(), 1);
}
