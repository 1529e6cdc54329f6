//! The web pages as a browser without scripts gets them: their limits, their addresses, and the way
//! of figures from a form into the ledger.

use crate::harness::{Reply, Server};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn post(server: &Server, path: &str, body: &str) -> Reply {
    server.send("POST", path, &[FORM], Some(body.as_bytes()))
}

#[test]
fn a_form_has_at_most_6000_fields() {
    let server = Server::start();
    let head = "unit=tv.dof&period=2021-10".to_owned();
    let fields = |count: usize| {
        let more = (2..count).map(|n| format!("&figure:x{n}="));
        head.clone() + &more.collect::<String>()
    };
    assert_eq!(post(&server, "/entry/check", &fields(6_000)).status, 200);
    post(&server, "/entry/check", &fields(6_001)).problem(413);
}

#[test]
fn a_chart_has_at_most_8_lines() {
    let server = Server::start();
    let page = |lines: usize| {
        let units = ["tv.dof", "tv.dic", "tv.cdc"].into_iter().cycle().take(lines);
        let units: String = units.map(|unit| format!("&unit={unit}")).collect();
        server.get(&format!("/history?measure=ioffice.documents.outgoing{units}"))
    };
    assert_eq!(page(8).status, 200);
    page(9).problem(422);
}

#[test]
fn figures_of_a_form_are_recorded_once_and_shown_on_the_receipt() {
    let server = Server::start();
    let fields = "unit=tv.dof&period=2021-10&request=one&reference=12%2FBC\
                  &figure:ioffice.documents.outgoing=1.234&figure:ioffice.documents.signed=n%2Fa";
    let sent = post(&server, "/entry/send", fields);
    assert_eq!(sent.status, 303);
    let receipt = sent.header("location").to_owned();
    assert!(receipt.starts_with("/receipts/"), "{receipt}");
    assert_eq!(post(&server, "/entry/send", fields).status, 303);
    let stands = server.read("observations?unit=tv.dof");
    let values: Vec<String> = stands["observations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row["indicator"], row["value"]))
        .collect();
    assert_eq!(
        values,
        ["\"ioffice.documents.outgoing\" 1234", "\"ioffice.documents.signed\" \"n/a\""]
    );
    let page = server.get(&receipt).text();
    for text in ["1.234", "không áp dụng", "12/BC", "2 số mới"] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

#[test]
fn a_form_with_an_error_records_nothing_and_says_where() {
    let server = Server::start();
    let sent = post(
        &server,
        "/entry/send",
        "unit=tv.dof&period=2021-10&figure:ioffice.documents.outgoing=1,234\
         &figure:ioffice.users.total=-5",
    );
    assert_eq!(sent.status, 422);
    let page = sent.text();
    assert!(page.contains("1,234: nghìn hay thập phân? Nhập 1234 hoặc 1.234."), "{page}");
    assert!(server.read("observations?unit=tv.dof")["observations"].as_array().unwrap().is_empty());
}

/// An emptied field says nothing; only a tick takes a recorded figure back.
#[test]
fn an_emptied_field_keeps_the_recorded_figure() {
    let server = Server::start();
    let form = |value: &str, more: &str| {
        let fields =
            format!("unit=tv.dof&period=2021-10&figure:ioffice.documents.outgoing={value}{more}");
        post(&server, "/entry/send", &fields).status
    };
    assert_eq!(form("7", ""), 303);
    assert_eq!(form("", "&shown:ioffice.documents.outgoing=7"), 303);
    assert_eq!(server.read("observations?unit=tv.dof")["observations"][0]["value"], 7);
    let shown = "&shown:ioffice.documents.outgoing=7";
    assert_eq!(form("", &format!("{shown}&withdraw:ioffice.documents.outgoing=1")), 303);
    assert!(server.read("observations?unit=tv.dof")["observations"].as_array().unwrap().is_empty());
}

#[test]
fn a_page_is_not_sent_again_while_nothing_changed() {
    let server = Server::start();
    let path = "/overview?unit=travinh&period=2021-10";
    let first = server.get(path);
    let tag = first.header("etag").to_owned();
    assert!(first.header("vary").contains("Cookie"), "{}", first.header("vary"));
    let again = server.send("GET", path, &[("if-none-match", &tag)], None);
    assert_eq!(again.status, 304);
    // It would take the place of the policy that the browser has kept with the page.
    assert_eq!(again.header("content-security-policy"), "");
    server.record("tv.dof", &[("ioffice.documents.outgoing", "2021-10", 5)]);
    assert_eq!(server.send("GET", path, &[("if-none-match", &tag)], None).status, 200);
}

#[test]
fn the_words_follow_the_address_then_the_cookie_then_vietnamese() {
    let server = Server::start();
    let title = |path: &str, headers: &[(&str, &str)]| {
        let text = server.send("GET", path, headers, None).text();
        text.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap().to_owned()
    };
    assert_eq!(title("/guide", &[("accept-language", "en")]), "Hướng dẫn");
    assert_eq!(title("/guide", &[("cookie", "egov_kpi_lang=en")]), "Guides");
    assert_eq!(title("/guide?lang=vi", &[("cookie", "egov_kpi_lang=en")]), "Hướng dẫn");
    let chosen = server.send("GET", "/guide?lang=en", &[("accept", "text/html")], None);
    assert!(chosen.header("set-cookie").starts_with("egov_kpi_lang=en"));
}

/// What somebody else recorded in the meantime is not overwritten unseen.
#[test]
fn a_figure_that_changed_while_it_was_entered_is_shown_first() {
    let server = Server::start();
    let send = |value: &str, shown: &str| {
        let of = "unit=tv.dof&period=2021-10";
        let measure = "ioffice.documents.outgoing";
        let fields = format!("{of}&figure:{measure}={value}&shown:{measure}={shown}");
        post(&server, "/entry/send", &fields).status
    };
    let recorded =
        || server.read("observations?unit=tv.dof")["observations"][0]["value"].as_i64().unwrap();
    assert_eq!(send("7", ""), 303);
    assert_eq!(send("9", ""), 422);
    assert_eq!(recorded(), 7);
    assert_eq!(send("9", "7"), 303);
    assert_eq!(recorded(), 9);
}

/// Records figures by the form.
fn record(server: &Server, unit: &str, period: &str, figures: &str) {
    let sent = post(server, "/entry/send", &format!("unit={unit}&period={period}{figures}"));
    assert_eq!(sent.status, 303, "{}", sent.text());
}

const BOTH: &str = "&figure:ioffice.documents.outgoing=200&figure:ioffice.documents.signed=50";

#[test]
fn an_addition_to_the_catalogue_is_tried_on_the_newest_month() {
    let server = Server::start();
    record(&server, "tv.dof", "2021-10", BOTH);
    let version = || server.read("catalogue")["version"].as_i64().unwrap();
    let before = version();
    let kpi = "code=page.rate&name_vi=Trang&system=ioffice&unit_of_measure=percent&direction=higher\
               &formula=ioffice.documents.signed%20/%20ioffice.documents.outgoing";
    let page = post(&server, "/admin/catalogue", &format!("{kpi}&action=preview")).text();
    let tried = page.split("id=\"tried\"").nth(1).unwrap();
    assert!(tried.contains("25,0\u{a0}%"), "{tried}");
    assert!(page.contains("page.rate"), "{page}");
    assert_eq!(version(), before, "a preview records nothing");

    // What somebody else has changed meanwhile is not overwritten.
    let record_of = |made_from: i64| format!("{kpi}&action=record&made_from={made_from}");
    let stale = post(&server, "/admin/catalogue", &record_of(before - 1));
    assert_eq!((stale.status, version()), (200, before), "{}", stale.text());
    assert!(stale.text().contains("notice bad"));
    assert_eq!(post(&server, "/admin/catalogue", &record_of(before)).status, 303);
    assert_eq!(version(), before + 1);
    let restore = |made_from: i64| {
        let form = format!("version={before}&made_from={made_from}");
        post(&server, "/admin/catalogue/restore", &form)
    };
    assert_eq!((restore(before).status, version()), (200, before + 1));
    assert_eq!((restore(before + 1).status, version()), (303, before + 2));

    // A form adds; it replaces nothing.
    let known = "code=ioffice.documents.outgoing&name_vi=Khác&kind=flow&action=record";
    let page = post(&server, "/admin/catalogue", known).text();
    assert!(page.contains("Danh mục đã có mã"), "{page}");
    assert!(page.contains("value=\"Khác\""), "what was typed stays");
    assert_eq!(version(), before + 2);
}

/// Uploads a report on the page, and returns the path of its draft.
fn upload(server: &Server, text: &str) -> String {
    let field = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = format!(
        "{}{}--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"bao cao.txt\"\r\n\
         \r\n{text}\r\n--b--\r\n",
        field("unit", "tv.dof"),
        field("period", "2021-10"),
    );
    let kind = ("content-type", "multipart/form-data; boundary=b");
    let sent = server.send("POST", "/send", &[kind], Some(body.as_bytes()));
    assert_eq!(sent.status, 303, "{}", sent.text());
    sent.header("location").to_owned()
}

#[test]
fn a_number_that_was_given_its_measure_by_hand_becomes_a_pattern() {
    let server = Server::start();
    let text = "Đơn vị đã bàn giao 37 chữ ký dùng thử cho nhân viên.";
    let draft = upload(&server, text);
    // The draft is listed until it is sent.
    let entry = server.get("/entry?unit=tv.dof&period=2021-10").text();
    assert!(entry.contains("Bản nháp chưa gửi: 1") && entry.contains("bao cao.txt"), "{entry}");
    let page = server.get(&draft).text();
    let start = page.split("name=\"give:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let given = format!("action=record&give:{start}=ioffice.users.created");
    let sent = post(&server, &draft, &given);
    assert!(sent.header("location").starts_with("/receipts/"), "{}", sent.text());
    assert!(!server.get("/entry?unit=tv.dof&period=2021-10").text().contains("bao cao.txt"));

    let page = server.get("/admin/patterns").text();
    let phrase = "vị đã bàn giao {value} chữ ký dùng";
    assert!(page.contains(&format!("value=\"{phrase}\"")), "{page}");
    let submission = page.split("name=\"submission\" value=\"").nth(1).unwrap();
    let submission = submission.split('"').next().unwrap();
    let form = |phrase: &str, action: &str| {
        let of = format!("submission={submission}&start={start}&measure=ioffice.users.created");
        post(&server, "/admin/patterns", &format!("{of}&phrase={phrase}&action={action}"))
    };
    let wrong = form("tiếp nhận {value} hồ sơ", "preview").text();
    assert!(wrong.contains("Mẫu này chưa nhận được số trên"), "{wrong}");
    assert!(wrong.contains("value=\"tiếp nhận {value} hồ sơ\""), "what was typed stays");
    let good = form("bàn giao {value} chữ ký", "preview").text();
    assert!(good.contains("Mẫu này nhận đúng số trên."), "{good}");
    assert!(good.contains("không lấy → "), "{good}");
    assert_eq!(form("bàn giao {value} chữ ký", "record").status, 303);
    assert!(server.get("/admin/patterns").text().contains("đã thành mẫu câu"));

    let place = "/api/v1/reports?unit=tv.dof&period=2021-11";
    let headers = [("content-type", "text/plain")];
    let next = text.replace("37", "41");
    let read = server.send("POST", place, &headers, Some(next.as_bytes())).expect(200);
    let figure = &read["figures"][0];
    assert_eq!(
        (&figure["measure"], &figure["value"]),
        (&"ioffice.users.created".into(), &41.into())
    );
    assert!(figure["pattern"].as_str().unwrap().starts_with("by_hand."), "{figure}");
}

#[test]
fn forms_of_the_administration_keep_what_was_typed_until_it_is_accepted() {
    let server = Server::start();
    for (path, form, kept, sentence) in [
        ("/admin/keys", "name=May+nhap&role=reporter&expires=2030-01-31", "May nhap", "notice bad"),
        (
            "/admin/targets",
            "measure=ioffice.documents.signed_rate&value=a%20lot",
            "a lot",
            "không phải là số",
        ),
        ("/admin/targets", "deadline=x&due_day=32", "", "từ 1 đến 31"),
        (
            "/admin/units/merge",
            "code=new&name_vi=Moi&merged=tv.dof&from=x",
            "Moi",
            "ngày được viết như",
        ),
        (
            "/admin/units/merge",
            "code=new&name_vi=Moi&merged=tv.dof&from=2026-01-01&share=60",
            "60",
            "phần còn lại",
        ),
        (
            "/admin/units/merge",
            "code=new&name_vi=Moi&merged=tv.dof&from=2026-01-01&share=60&rest=tv.nowhere",
            "tv.nowhere",
            "không có đơn vị",
        ),
        (
            "/admin/units/merge",
            "code=new&name_vi=Moi&merged=tv.dof&from=2026-01-01&share=0",
            "Moi",
            "lớn hơn 0",
        ),
    ] {
        let sent = post(&server, path, form);
        assert_eq!(sent.status, 200, "{path} {form}");
        let page = sent.text().to_lowercase();
        assert!(page.contains(&sentence.to_lowercase()), "{sentence} is not in {page}");
        let value = format!("value=\"{}\"", kept.to_lowercase());
        assert!(page.contains(&value), "{value} is not in {page}");
    }
}

#[test]
fn targets_deadlines_and_mergers_in_part_are_recorded_from_their_forms() {
    let server = Server::start();
    let target = "measure=ioffice.documents.signed_rate&code=page&value=82,5";
    assert_eq!(post(&server, "/admin/targets", target).status, 303);
    let targets = server.read("targets");
    let found = targets["targets"].as_array().unwrap().iter().find(|one| one["code"] == "page");
    assert_eq!(found.unwrap()["value"], "82.5");
    assert!(server.get("/admin/targets").text().contains("82,5\u{a0}%"));

    let code = server.read("catalogue")["expectations"][0]["code"].as_str().unwrap().to_owned();
    let form = format!("deadline={code}&due_day=9");
    assert_eq!(post(&server, "/admin/targets", &form).status, 303);
    assert_eq!(server.read("catalogue")["expectations"][0]["due_day"], 9);

    let merger = "code=tv.new&name_vi=Moi&kind=department&from=2022-01-01\
                  &merged=tv.dof&share=62,5&rest=tv.dic";
    let sent = post(&server, "/admin/units/merge", merger);
    assert_eq!(sent.status, 303, "{}", sent.text());
    let unit = &server.read("units?code=tv.dof")["units"][0];
    assert_eq!(unit["successors"], serde_json::json!(["tv.new", "tv.dic"]));
    assert_eq!(unit["shares"], serde_json::json!({ "tv.dic": 0.375, "tv.new": 0.625 }));
    assert_eq!(unit["valid_to"], "2021-12-31");
    let ended = "code=tv.other&name_vi=Khac&merged=tv.dic&from=2023-01-01&share=50&rest=tv.dof";
    let sent = post(&server, "/admin/units/merge", ended);
    assert!(sent.text().contains("không tồn tại vào ngày đó"), "{}", sent.text());
}

#[test]
fn a_status_over_a_part_of_the_units_says_how_many_they_are() {
    let server = Server::start();
    record(&server, "tv.dof", "2021-10", BOTH);
    let target = "measure=ioffice.documents.signed_rate&value=80";
    assert_eq!(post(&server, "/admin/targets", target).status, 303);
    let page = |path: &str| server.get(path).text();
    let overview = page("/overview?unit=travinh&period=2021-10");
    let named = overview.split("tạm, ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let (covered, all) = named.split_once('/').unwrap();
    assert_eq!(covered, "1");
    assert!(all.parse::<usize>().unwrap() > 5, "{named}");
    let english = page("/overview?unit=travinh&period=2021-10&lang=en");
    assert!(english.contains(&format!("so far, {named} units")), "{english}");
    assert!(!page("/overview?unit=tv.dof&period=2021-10").contains("tạm, "));
    for path in ["overview", "ranking", "history", "reporting", "systems/ioffice"] {
        let page = page(&format!("/{path}?unit=travinh&period=2021-10"));
        for offered in ["Báo cáo Word", "Excel", "CSV", "data-print", "Chép địa chỉ API"] {
            assert!(page.contains(offered), "{path} does not offer {offered}");
        }
    }
}
