//! Messages in Vietnamese: of the API, of the commands, and none left out.

use serde_json::{Value, json};

use crate::harness::{Reply, Server, figure, run};

const OUTGOING: &str = "ioffice.documents.outgoing";

#[test]
fn title_and_details_are_in_the_language_that_is_asked_for() {
    let server = Server::start();
    let asked = |path: &str, accepted: &str| {
        server.send("GET", path, &[("accept-language", accepted)], None).problem(422)
    };
    for (path, accepted, vietnamese) in [
        ("series?x=1", "", false),
        ("series?x=1", "vi", true),
        ("series?x=1", "en-US,en;q=0.9,vi;q=0.8", false),
        ("series?x=1", "fr, vi-VN;q=0.5, en;q=0.4", true),
        ("series?x=1&lang=vi", "en", true),
        ("series?x=1&lang=en", "vi", false),
    ] {
        let problem = asked(path, accepted);
        assert_eq!(problem["title"] == "Dữ liệu gửi lên không hợp lệ", vietnamese, "{problem}");
        for fault in problem["errors"].as_array().unwrap() {
            assert_eq!(fault["detail"] == fault["detail_vi"], vietnamese, "{fault}");
        }
        assert_eq!(problem["detail"] == problem["detail_vi"], vietnamese, "{problem}");
    }
    assert_eq!(server.get("units?lang=fr").faults(422), ["/lang malformed"]);
    assert_eq!(server.get("units?lang=vi&lang=vi").faults(422), ["/lang duplicate"]);
    for path in ["nowhere", "submissions/x", "units/a/b"] {
        let problem = server.get(&format!("{path}?lang=vi")).problem(404);
        assert_eq!(problem["title"], "Không tìm thấy");
    }
}

#[test]
fn every_route_has_the_parameter_and_the_entity_tag_has_its_language() {
    let server = Server::start();
    let document = server.read("openapi.json");
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().unwrap();
            let lang = parameters.iter().filter(|parameter| parameter["name"] == "lang");
            let lang: Vec<&Value> = lang.collect();
            assert_eq!(lang.len(), 1, "{method} {path}");
            assert_eq!(lang[0]["schema"]["enum"], json!(["vi", "en"]), "{method} {path}");
        }
    }
    let tag = |query: &str| server.get(&format!("units{query}")).header("etag").to_owned();
    assert_ne!(tag("?lang=vi"), tag("?lang=en"));
    assert_eq!(tag(""), tag("?lang=en"));
    for path in ["units", "catalogue", "kpis", "me", "periods", "ledger", "findings", "revisions"] {
        assert_eq!(server.get(&format!("{path}?lang=vi")).status, 200, "{path}");
    }
    for path in
        ["/livez?lang=vi", "/readyz?lang=vi", "/?lang=vi", "/prometheus/api/v1/labels?lang=vi"]
    {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn numbers_in_vietnamese_sentences_are_written_the_vietnamese_way() {
    let server = Server::start();
    let told =
        |reply: &Reply| reply.problem(422)["errors"][0]["detail_vi"].as_str().unwrap().to_owned();
    let post = |value: Value| {
        server.post(&json!({ "observations": [figure(OUTGOING, "travinh", "2021-10", value)] }))
    };
    assert_eq!(told(&post(json!(-1234.5))), "-1.234,5 nhỏ hơn 0");
    assert_eq!(told(&post(json!("7401.25"))), "7.401,25 có hơn 0 chữ số thập phân");
    assert_eq!(told(&server.get("units?limit=20001")), "limit phải từ 1 đến 20.000");
}

#[test]
fn a_wrong_shape_is_named_without_words_of_the_program() {
    let server = Server::start();
    let unit = |unit: Value| {
        let reply = server.put("units", &json!({ "units": [unit] }));
        reply.problem(422)["errors"][0]["detail"].as_str().unwrap().to_owned()
    };
    for (body, said) in [
        (json!({ "code": "a", "name": "x" }), "an object is expected, not the text \"x\""),
        (json!({ "code": "a", "successors": "b" }), "a list is expected, not the text \"b\""),
        (json!({ "code": ["a"] }), "a text is expected, not a list"),
        (json!({ "code": "a", "valid_from": "2021" }), "a day such as 2021-10-31 is expected"),
        (json!({ "name": {} }), "code is missing"),
        (json!([1]), "an object is expected, not a list"),
    ] {
        let found = unit(body.clone());
        assert!(found == said || found.contains("expected"), "{body}: {found}");
        for word in ["struct", "enum", "invalid type", "u64", "serde", "`", "Option", "::"] {
            assert!(!found.contains(word), "{body}: {found}");
        }
    }
    let mut catalogue = server.read("catalogue");
    catalogue["kpis"][0]["name"] = json!("x");
    catalogue["indicators"][0]["decimals"] = json!("two");
    catalogue["rules"][0] = json!(7);
    let problem = server.put("catalogue", &catalogue).problem(422);
    for fault in problem["errors"].as_array().unwrap() {
        assert!(!fault["detail"].as_str().unwrap().contains("struct"), "{fault}");
    }
}

#[test]
fn every_reason_of_a_skipped_number_is_explained_in_the_answer_and_in_the_documentation() {
    use extract::report::SkipReason;
    let english = include_str!("../../docs/reports.md");
    let vietnamese = include_str!("../../docs/guides/officer.vi.md");
    for reason in SkipReason::ALL {
        let code = serde_json::to_value(reason).unwrap();
        assert_eq!(code, reason.code());
        let row = format!("| `{}` |", reason.code());
        assert!(english.contains(&row) && vietnamese.contains(&row), "{row} is not documented");
        let (en, vi) = reason.sentences();
        assert!(en.ends_with('.') && vi.ends_with('.') && en != vi);
    }
    let server = Server::start();
    let text = "Trong tháng, có 17 con trâu. Kế hoạch năm là 5-7 việc.";
    let view =
        server.post_bytes("reports?unit=travinh&period=2021-10", "text/plain", text.as_bytes());
    let view = view.expect(200);
    let unclaimed = view["unclaimed"].as_array().unwrap();
    assert!(!unclaimed.is_empty(), "{view}");
    for number in unclaimed {
        let reason = SkipReason::ALL.into_iter().find(|reason| number["reason"] == reason.code());
        let (en, vi) = reason.unwrap().sentences();
        assert_eq!(
            (&number["reason_detail"], &number["reason_detail_vi"]),
            (&json!(en), &json!(vi))
        );
    }
}

#[test]
fn the_demo_writes_numbers_the_vietnamese_way() {
    let shown = run(&["demo", "--no-serve", "--lang", "vi"]).expect(0);
    for number in [
        " 1.160 ",
        "5.000.000 đồng",
        " 100 %",
        "25,3 ",
        "25,465 %",
        "78,955",
        "2.322",
        "tính từ số liệu là 25,465",
    ] {
        assert!(shown.contains(number), "{number} is not in\n{shown}");
    }
    for number in ["1160", "5000000", "100,000", "25.3", "25,465073"] {
        assert!(!shown.contains(number), "{number} is in\n{shown}");
    }
}

#[test]
fn commands_speak_vietnamese() {
    let server = Server::start();
    let file = server.folder().join("wrong.csv");
    std::fs::write(&file, "indicator,unit,period,value\nno.such,travinh,2021-10,1\n").unwrap();
    let name = file.to_str().unwrap();
    let ran = run(&["import", name, "--database", &server.address(), "--lang", "vi"]);
    ran.expect(1);
    let told = ran.out() + &ran.err();
    assert!(told.contains("dòng 2, cột indicator: danh mục không có"), "{told}");
    let vietnamese = |arguments: &[&str]| {
        let address = server.address();
        let all = [arguments, &["--database", &address, "--lang", "vi"]].concat();
        let ran = run(&all);
        ran.expect(0);
        ran.out() + &ran.err()
    };
    let right = server.folder().join("right.csv");
    std::fs::write(
        &right,
        "indicator,unit,period,value\nioffice.documents.outgoing,travinh,2021-10,1\n",
    )
    .unwrap();
    for (arguments, expected) in [
        (vec!["verify"], "số liệu hiện hành"),
        (vec!["verify"], "không có lỗi"),
        (vec!["import", right.to_str().unwrap()], "số liệu trong 1 lần gửi: 1 số mới"),
        (vec!["keys", "add", "--name", "x", "--role", "reader"], "Khóa không được hiển thị lại"),
        (vec!["keys", "list"], "TRẠNG THÁI"),
        (vec!["keys", "list"], "còn hiệu lực"),
        (vec!["periods", "close", "2021-10", "--reason", "xong", "--force"], "đã khóa sổ 2021-10"),
        (vec!["periods", "list"], "đã khóa sổ 2021-10"),
        (vec!["periods", "reopen", "2021-10", "--reason", "sai"], "đã mở lại 2021-10"),
    ] {
        let shown = vietnamese(&arguments);
        assert!(shown.contains(expected), "{arguments:?}: {shown}");
    }
    let ran = run(&["import", name, "--database", &server.address()]);
    assert!((ran.out() + &ran.err()).contains("line 2, column indicator"), "{}", ran.out());
}
