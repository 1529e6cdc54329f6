//! Lists as Excel files with all columns.

use serde_json::{Value, json};

use crate::harness::{REPORT, Reply, Server, figure, has};
use crate::workbooks::part;

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const MEDIA: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A cell of a sheet.
#[derive(Clone, PartialEq, Debug)]
enum Cell {
    Nothing,
    Text(String),
    Number(f64),
}

use Cell::{Nothing, Number};

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// Each text between two markers.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Vec<&'t str> {
    text.split(from).skip(1).map(|rest| rest.split(to).next().unwrap()).collect()
}

fn plain(xml: &str) -> String {
    let text = xml
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&");
    text.replace("_x000D_", "\r")
}

/// The rows of the only sheet of an Excel file. Any formula fails the test.
#[track_caller]
fn sheet(reply: &Reply) -> Vec<Vec<Cell>> {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("content-type"), MEDIA);
    let xml = part(&reply.body, "xl/worksheets/sheet1.xml");
    assert!(!xml.contains("<f>") && !xml.contains("<f "), "a formula: {xml}");
    let mut rows = Vec::new();
    for row in between(&xml, "<row ", "</row>") {
        let mut cells: Vec<Cell> = Vec::new();
        for cell in between(row, "<c ", "</c>") {
            let attributes = cell.split('>').next().unwrap();
            let column = between(attributes, "r=\"", "\"")[0]
                .bytes()
                .filter(u8::is_ascii_uppercase)
                .fold(0, |column, letter| column * 26 + usize::from(letter - b'@'));
            cells.resize(column - 1, Nothing);
            // Sheets written row by row have their texts in the cells.
            cells.push(if attributes.contains("t=\"inlineStr\"") {
                Cell::Text(
                    between(cell, "<t", "</t>")
                        .iter()
                        .map(|text| plain(text.split_once('>').unwrap().1))
                        .collect(),
                )
            } else {
                Number(between(cell, "<v>", "</v>")[0].parse().unwrap())
            });
        }
        rows.push(cells);
    }
    rows
}

/// The cells of the column with this name.
#[track_caller]
fn column(rows: &[Vec<Cell>], name: &str) -> Vec<Cell> {
    let place = rows[0]
        .iter()
        .position(|cell| *cell == text(name))
        .unwrap_or_else(|| panic!("no column {name} in {:?}", rows[0]));
    rows[1..].iter().map(|row| row.get(place).cloned().unwrap_or(Nothing)).collect()
}

/// Every list, with its parameters.
const LISTS: [&str; 17] = [
    "observations",
    "vintages",
    "series?measure=ioffice.documents.outgoing&unit=travinh&last=2",
    "series?measure=ioffice.documents.signed_rate&unit=travinh&last=2&rolling=3\
     &fields=previous,year_before,operands,year_to_date_percent,stated,unit_name",
    "ranking?measure=ioffice.documents.outgoing&period=2021-10",
    "ranking?measure=ioffice.documents.signed_rate&period=2021-10&fields=name,operands,rank",
    "scorecard?unit=travinh&period=2021-10",
    "scorecard?unit=travinh&period=2021-10&fields=value,operands,score,history",
    "completeness?period=2021-10",
    "quality",
    "findings",
    "units",
    "indicators",
    "kpis",
    "targets",
    "annotations",
    "periods",
];

#[test]
fn every_list_opens_as_a_workbook_with_the_cells_of_its_csv() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    server
        .put(
            "annotations",
            &json!({ "annotations": [{
        "code": "n", "unit": "travinh", "from": "2021-10", "text": "=HYPERLINK(\"x\")",
    }] }),
        )
        .expect(200);
    server.record("travinh", &[(OUTGOING, "2021-10", 23_442)]);
    server.post_bytes("periods/2021-09/close?force=true", "application/json", b"").expect(200);
    for path in LISTS.into_iter().chain(["revisions"]) {
        let with = |format: &str| {
            server.get(&format!(
                "{path}{}format={format}&full=true",
                if path.contains('?') { '&' } else { '?' }
            ))
        };
        let reply = with("xlsx");
        // The name contains unit and period.
        let (name, asked) = path.split_once('?').unwrap_or((path, ""));
        let suffix = asked
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| ["unit", "parent", "period"].contains(key));
        let suffix: String = suffix.map(|(_, value)| format!("-{value}")).collect();
        assert_eq!(
            reply.header("content-disposition"),
            format!("attachment; filename=\"{name}{suffix}.xlsx\"")
        );
        assert_eq!(reply.header("egov-kpi-revision"), server.revision().to_string());
        assert_eq!(reply.header("vary"), "Accept, Accept-Encoding, Accept-Language, Authorization");
        let found = sheet(&reply);
        let csv = with("csv");
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8", "{path}");
        assert_ne!(csv.header("etag"), reply.header("etag"), "{path}");
        let csv = csv.text();
        let lines: Vec<csv::StringRecord> = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(csv.as_bytes())
            .records()
            .map(Result::unwrap)
            .collect();
        assert!(lines.len() > 1, "{path} is empty");
        assert_eq!(found.len(), lines.len(), "{path}");
        for (row, line) in found.iter().zip(&lines) {
            assert!(row.len() <= line.len(), "{path}: {row:?}");
            for (place, written) in line.iter().enumerate() {
                match row.get(place).unwrap_or(&Nothing) {
                    Nothing => assert_eq!(written, "", "{path}"),
                    Cell::Text(text) => {
                        assert_eq!(text, written.strip_prefix('\'').unwrap_or(written), "{path}")
                    }
                    Number(number) => assert!(
                        (number - written.parse::<f64>().unwrap()).abs() < 1e-9,
                        "{path}: {number} is written {written}"
                    ),
                }
            }
        }
    }
}

#[test]
fn the_accept_header_selects_a_format_and_the_format_parameter_overrides_it() {
    let server = Server::start();
    let accept = |path: &str, accept: &str| server.send("GET", path, &[("accept", accept)], None);
    assert_eq!(sheet(&accept("units?full=true", MEDIA))[0][0], text("code"));
    sheet(&accept("units?full=true", &format!("{MEDIA}, application/json")));
    accept("units", &format!("application/json, {MEDIA}")).expect(200);
    accept("units", "*/*").expect(200);
    assert_eq!(
        accept("units", &format!("text/csv, {MEDIA}")).header("content-type"),
        "text/csv; charset=utf-8"
    );
    accept("units?format=json", MEDIA).expect(200);
    sheet(&accept("units?format=xlsx&full=true", "application/json"));
    assert_eq!(server.get("units?format=xls").faults(422), ["/format malformed"]);
    // An error is a problem document, whatever format was requested.
    accept("ranking?measure=ioffice.documents.outgoing&parent=nowhere&period=2021-10", MEDIA)
        .problem(404);
    assert_eq!(accept("ranking?period=2021-10", MEDIA).faults(422), ["/measure missing"]);
    let reply = accept("units", MEDIA);
    let again = server.send(
        "GET",
        "units",
        &[("accept", MEDIA), ("if-none-match", reply.header("etag"))],
        None,
    );
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(
        server.send("GET", "units", &[("if-none-match", reply.header("etag"))], None).status,
        200,
        "JSON is another representation"
    );
}

#[test]
fn texts_that_look_like_formulas_or_numbers_stay_texts() {
    let server = Server::start();
    let names =
        ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "007", "1e3", "<b>&amp;\"'", "Trà Vinh\r\n2"];
    let units = names.iter().enumerate().map(|(n, name)| {
        json!({
            "code": format!("u.{n}"), "kind": "district", "parent": "u",
            "name": { "vi": name, "en": name },
        })
    });
    server.put_units(&std::iter::once(json!({ "code": "u" })).chain(units).collect());
    server
        .put(
            "annotations",
            &json!({ "annotations": [{
        "code": "n", "unit": "u.0", "from": "2021-10", "text": "=2+2",
    }] }),
        )
        .expect(200);
    let expected: Vec<Cell> = names.iter().map(|name| text(name)).collect();
    let found = sheet(&server.get("units?parent=u&format=xlsx&full=true"));
    assert_eq!(column(&found, "name_vi"), expected);
    assert_eq!(column(&found, "name_en"), expected);
    let found =
        sheet(&server.get(&format!(
            "ranking?measure={OUTGOING}&parent=u&period=2021-10&format=xlsx&full=true"
        )));
    assert_eq!(column(&found, "name_vi"), expected);
    let found = sheet(&server.get(&format!(
        "series?measure={OUTGOING}&unit=u.0&from=2021-10&to=2021-10&format=xlsx&full=true"
    )));
    assert_eq!(column(&found, "annotations"), [text("=2+2")]);
    // In CSV a text cannot be distinguished from a formula, so it gets an apostrophe.
    let csv = server
        .get(&format!("ranking?measure={OUTGOING}&parent=u&period=2021-10&format=csv"))
        .text();
    let mut table = csv::Reader::from_reader(csv.as_bytes());
    let written: Vec<String> = table.records().map(|row| row.unwrap()[3].to_owned()).collect();
    assert_eq!(
        written,
        ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "007", "1e3", "<b>&amp;\"'", "Trà Vinh\r\n2"]
    );
    assert!(
        server
            .get(&format!("series?measure={OUTGOING}&unit=u.0&from=2021-10&to=2021-10&format=csv"))
            .text()
            .trim_end()
            .ends_with(",'=2+2")
    );
}

#[test]
fn a_ranking_as_a_workbook() {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p" },
        { "code": "p.a", "parent": "p", "name": { "vi": "Xã A" } },
        { "code": "p.b", "parent": "p" },
        { "code": "p.c", "parent": "p" },
    ]));
    server.record(
        "p.a",
        &[
            (OUTGOING, "2021-09", 4),
            (SIGNED, "2021-09", 1),
            (OUTGOING, "2021-10", 8),
            (SIGNED, "2021-10", 5),
        ],
    );
    server.record("p.b", &[(OUTGOING, "2021-10", 10), (SIGNED, "2021-10", 9)]);
    server
        .put("targets", &json!({ "targets": [{ "code": "t", "measure": RATE, "value": "80.0" }] }))
        .expect(200);
    let found = sheet(
        &server
            .get(&format!("ranking?measure={RATE}&parent=p&period=2021-10&format=xlsx&full=true")),
    );
    assert_eq!(found.len(), 4);
    assert_eq!(column(&found, "unit"), [text("p.b"), text("p.a"), text("p.c")]);
    assert_eq!(column(&found, "rank"), [Number(1.0), Number(2.0), Nothing]);
    assert_eq!(column(&found, "previous_rank"), [Nothing, Number(1.0), Nothing]);
    assert_eq!(column(&found, "name_vi"), [Nothing, text("Xã A"), Nothing]);
    assert_eq!(column(&found, "value"), [Number(90.0), Number(62.5), Nothing]); // 5 / 8
    assert_eq!(column(&found, "delta"), [Nothing, Number(37.5), Nothing]); // 62.5 - 25
    assert_eq!(column(&found, "delta_reason"), [text("no_prior"), Nothing, text("missing")]);
    assert_eq!(column(&found, "target"), [Number(80.0), Number(80.0), Number(80.0)]);
    // 90 / 80, 62.5 / 80
    assert_eq!(column(&found, "attainment"), [Number(112.5), Number(78.125), Nothing]);
    assert_eq!(column(&found, "status"), [text("met"), text("behind"), text("no_data")]);
}

#[test]
fn a_scorecard_as_a_workbook_has_the_values_of_thirteen_months() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let found = sheet(&server.get("scorecard?unit=travinh&period=2021-10&format=xlsx&full=true"));
    let measures = column(&found, "measure");
    let of = |measure: &str, name: &str| {
        column(&found, name)[measures.iter().position(|cell| *cell == text(measure)).unwrap()]
            .clone()
    };
    assert_eq!(of(RATE, "value"), Number(78.947_144));
    assert_eq!(of(RATE, "stated"), Number(78.955));
    assert_eq!(of(RATE, "2021-10"), Number(78.947_144));
    assert_eq!(of(RATE, "2020-10"), Nothing);
    assert_eq!(of("igate.services.level_share{service_level=4}", "status"), text("behind"));
    assert_eq!(of(OUTGOING, "value"), Number(23_441.0));
    assert_eq!(
        found[0].len(),
        found[0].iter().filter(|cell| matches!(cell, Cell::Text(_))).count()
    );
    assert_eq!(
        found.len(),
        server.read("scorecard?unit=travinh&period=2021-10")["rows"].as_array().unwrap().len() + 1
    );
}

#[test]
fn completeness_as_a_workbook_lists_who_is_missing_what() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-10", 1)]);
    let found = sheet(&server.get("completeness?period=2021-10&format=xlsx&full=true"));
    assert_eq!(column(&found, "unit"), [text("travinh")]);
    assert_eq!(column(&found, "status"), [text("partial")]);
    assert_eq!(column(&found, "overdue"), [text("true")]);
    assert_eq!(column(&found, "deadline"), [text("2021-11-05")]);
    assert_eq!(
        (column(&found, "expected"), column(&found, "late")),
        (vec![Number(13.0)], vec![Number(1.0)])
    );
    let Cell::Text(missing) = &column(&found, "missing")[0] else { panic!("{found:?}") };
    assert_eq!(missing.split("; ").count(), 12);
    assert!(missing.contains(SIGNED) && !missing.contains(OUTGOING));
}

#[test]
fn observations_keep_their_values_and_pages() {
    let server = Server::start();
    server.record(
        "travinh",
        &[(OUTGOING, "2021-09", 9_007_199_254_740_991), (OUTGOING, "2021-10", 0)],
    );
    server
        .post(&json!({ "observations": [
                figure(RATE, "travinh", "2021-10", "78.950"),
                figure("radio.own_programme.minutes_per_day", "travinh", "2021-10", 27),
            ] }))
        .expect(201);
    let found = sheet(&server.get("observations?format=xlsx&full=true"));
    assert_eq!(
        column(&found, "value"),
        [text("9007199254740991"), Number(0.0), Number(78.95), Number(27.0)],
        "a spreadsheet keeps 15 digits of a number"
    );
    let page = server.get("observations?format=xlsx&full=true&limit=3");
    assert_eq!(sheet(&page).len(), 5, "a header, three figures, and that more follow");
    let more = |text: &str| text.contains("More rows follow") && text.contains("cursor=");
    assert!(matches!(&sheet(&page)[4][0], Cell::Text(text) if more(text)));
    let next = page.next_link().unwrap();
    assert!(next.contains("format=xlsx&full=true"), "{next}");
    let last = server.get(&next);
    assert_eq!((sheet(&last).len(), last.next_link()), (2, None));
    let history = sheet(&server.get("observations?from=2022-01&to=2022-01&format=xlsx&full=true"));
    assert_eq!(
        (history.len(), &history[0][0]),
        (1, &text("submission")),
        "an empty list has its header"
    );
}

#[test]
fn series_as_a_workbook_have_the_rows_of_the_rows_layout() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-09", 80), (OUTGOING, "2021-10", 100)]);
    let parameters = format!(
        "series?measure={OUTGOING}&measure={RATE}&unit=travinh&unit=bentre&from=2021-09&to=2021-10"
    );
    let found = sheet(&server.get(&format!("{parameters}&format=xlsx&full=true")));
    let rows =
        server.read(&format!("{parameters}&layout=rows"))["rows"].as_array().unwrap().clone();
    assert_eq!(found.len(), rows.len() + 1);
    for (name, value) in rows[1].as_object().unwrap() {
        let cell = column(&found, name)[1].clone();
        match value {
            Value::Number(number) => assert_eq!(cell, Number(number.as_f64().unwrap()), "{name}"),
            Value::String(word) => assert_eq!(cell, text(word), "{name}"),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                assert_eq!(cell, Nothing, "{name}: {value}")
            }
        }
    }
    has(&rows[1], &json!({ "period": "2021-10", "value": 100, "delta": 20, "delta_percent": 25 }));
    assert_eq!(found[0].len(), rows[0].as_object().unwrap().len());
}

#[test]
fn a_long_text_is_cut_where_a_cell_ends() {
    let server = Server::start();
    let notes: Vec<Value> = (0..40).map(|n| json!({
        "code": format!("n{n}"), "unit": "travinh", "from": "2021-10", "text": "ă".repeat(1_000),
    })).collect();
    server.put("annotations", &json!({ "annotations": notes })).expect(200);
    let found = sheet(&server.get(&format!(
        "series?measure={OUTGOING}&unit=travinh&from=2021-10&to=2021-10&format=xlsx&full=true"
    )));
    let Cell::Text(text) = &column(&found, "annotations")[0] else { panic!("{found:?}") };
    // 40 x 1,000 and the marks between them are more than a cell holds
    assert_eq!(text.chars().count(), 32_767);
}

#[test]
fn ten_thousand_rows_come_as_one_workbook() {
    let server = Server::start();
    let units: Vec<Value> = std::iter::once(json!({ "code": "p" }))
        .chain((0..10_000).map(|n| json!({ "code": format!("p.{n}"), "parent": "p" })))
        .collect();
    server.put_units(&json!(units));
    let found =
        sheet(&server.get(&format!(
            "ranking?measure={OUTGOING}&parent=p&period=2021-10&format=xlsx&full=true"
        )));
    assert_eq!(found.len(), 10_001);
    assert_eq!(column(&found, "unit")[9_999], text("p.9999"));
}
