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
