//! Lists as Excel files for people: names, few columns, a chart, and hidden codes by which they can
//! be sent back.

use documents::workbook::{self, WorkbookSheet};
use serde_json::json;

use crate::harness::{REPORT, Server, figure, has};
use crate::workbooks::{edited, filled, part};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const RATE: &str = "ioffice.documents.signed_rate";
const MEDIA: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// The row of the headings, from 0.
const HEADINGS: usize = 4;
/// The part with the first sheet.
const SHEET: &str = "xl/worksheets/sheet1.xml";

#[track_caller]
fn sheets(server: &Server, path: &str) -> Vec<WorkbookSheet> {
    let reply = server.get(path);
    assert_eq!(reply.status, 200, "{path}: {}", String::from_utf8_lossy(&reply.body));
    workbook::open(&reply.body).unwrap()
}

/// The shown cells of a row.
fn shown(sheet: &WorkbookSheet, row: usize) -> Vec<&str> {
    let cells = sheet.grid.rows[row].iter().enumerate();
    let shown = cells.filter(|(column, _)| !sheet.hidden_columns.contains(column));
    shown.map(|(_, cell)| cell.text.as_str()).collect()
}

/// The shown cell of a row below a heading.
#[track_caller]
fn cell<'s>(sheet: &'s WorkbookSheet, row: usize, heading: &str) -> &'s str {
    let headings = shown(sheet, HEADINGS);
    let place = headings.iter().position(|text| *text == heading);
    let place = place.unwrap_or_else(|| panic!("no {heading} in {headings:?}"));
    shown(sheet, HEADINGS + row).get(place).copied().unwrap_or_default()
}

/// Two communes with a rate, a third one without figures, and a target.
fn ranked() -> Server {
    let server = Server::start();
    server.put_units(&json!([
        { "code": "p", "name": { "vi": "Tỉnh P" } },
        { "code": "p.a", "parent": "p", "name": { "vi": "Xã A", "en": "Commune A" } },
        { "code": "p.b", "parent": "p", "name": { "vi": "Xã B" } },
        { "code": "p.c", "parent": "p", "name": { "vi": "Xã C" } }
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
    server
}

#[test]
fn a_ranking_is_a_page_with_names_words_and_bars() {
    let server = ranked();
    let path = format!("ranking?measure={RATE}&parent=p&period=2021-10&format=xlsx");
    let found = &sheets(&server, &path)[0];
    assert_eq!(found.name, "Xếp hạng");
    assert_eq!(shown(found, 1)[0], "Xếp hạng: Tỷ lệ văn bản đi được ký số");
    assert!(shown(found, 2)[0].starts_with("Tháng 10/2021 · Đơn vị tính: %"));
    assert_eq!(
        shown(found, HEADINGS),
        [
            "Đơn vị",
            "Hạng",
            "Hạng kỳ trước",
            "Giá trị",
            "So kỳ trước",
            "Mục tiêu",
            "Đạt so mục tiêu",
            "Đánh giá",
            "Tỷ lệ đơn vị có số",
            "Lý do không có số"
        ]
    );
    let names: Vec<&str> = (1..4).map(|row| cell(found, row, "Đơn vị")).collect();
    assert_eq!(names, ["Xã B", "Xã A", "Xã C"]);
    assert_eq!(cell(found, 1, "Đánh giá"), "Đạt");
    assert_eq!(cell(found, 2, "Đánh giá"), "Chưa đạt");
    // A missing number is an empty cell, and the reason stands beside it.
    assert_eq!(cell(found, 3, "Giá trị"), "");
    assert_eq!(cell(found, 3, "Lý do không có số"), "chưa có số liệu");
    assert_eq!(cell(found, 1, "Lý do không có số"), "So kỳ trước: kỳ so sánh không có số liệu");
    let bytes = server.get(&path).body;
    let xml = part(&bytes, SHEET);
    for layout in ["<pane ", "orientation=\"landscape\"", "fitToHeight=\"0\"", "<autoFilter "] {
        assert!(xml.contains(layout), "{layout}: {xml}");
    }
    let book = part(&bytes, "xl/workbook.xml");
    assert!(book.contains("_xlnm.Print_Area") && book.contains("_xlnm.Print_Titles"), "{book}");
    let styles = part(&bytes, "xl/styles.xml");
    assert!(styles.contains("#,##0.0&quot; %&quot;"), "{styles}");
    let chart = part(&bytes, "xl/charts/chart1.xml");
    assert!(chart.contains("<c:barChart>"), "{chart}");
    assert!(chart.contains("<c:orientation val=\"maxMin\"/>"), "the best is on top: {chart}");
    assert!(chart.contains("<c:min val=\"0\"/>"), "bars begin at 0: {chart}");
    // Both units with a value; the third one has no bar.
    assert!(chart.contains("'Xếp hạng'!$E$6:$E$7"), "{chart}");
}

#[test]
fn the_language_of_a_file_is_that_of_the_request() {
    let server = ranked();
    let path = format!("ranking?measure={RATE}&parent=p&period=2021-10&format=xlsx");
    let found = &sheets(&server, &format!("{path}&lang=en"))[0];
    assert_eq!(found.name, "Ranking");
    assert_eq!(cell(found, 2, "Unit"), "Commune A");
    assert_eq!(cell(found, 1, "Status"), "Met");
    assert_eq!(cell(found, 3, "Why a number is missing"), "no figures yet");
    let by_header = server.send("GET", &path, &[("accept-language", "en-GB")], None);
    assert_eq!(workbook::open(&by_header.body).unwrap()[0].name, "Ranking");
    let plain = server.get(&path);
    assert_ne!(plain.header("etag"), by_header.header("etag"));
    let again = server.send("GET", &path, &[("if-none-match", plain.header("etag"))], None);
    assert_eq!(again.status, 304);
}

#[test]
fn series_are_rows_with_a_line_for_each_and_gaps_where_nothing_is_reported() {
    let server = ranked();
    let months = "from=2021-08&to=2021-10&format=xlsx";
    let path = format!("series?measure={RATE}&unit=p.a&unit=p.b&{months}");
    let found = &sheets(&server, &path)[0];
    assert_eq!(found.name, "Diễn biến");
    let row = |row| ["Đơn vị", "Kỳ", "Giá trị"].map(|heading| cell(found, row, heading));
    assert_eq!(
        shown(found, HEADINGS),
        [
            "Đơn vị",
            "Kỳ",
            "Giá trị",
            "So kỳ trước",
            "So cùng kỳ năm trước",
            "Tỷ lệ đơn vị có số",
            "Lý do không có số",
            "Ghi chú"
        ]
    );
    assert_eq!(row(1), ["Xã A", "08/2021", ""]);
    assert_eq!(row(3), ["Xã A", "10/2021", "62,5%"]);
    assert_eq!(cell(found, 1, "Lý do không có số"), "chưa có số liệu");
    let chart = part(&server.get(&path).body, "xl/charts/chart1.xml");
    assert!(chart.contains("<c:lineChart>"), "{chart}");
    assert_eq!(chart.matches("<c:ser>").count(), 2);
    assert!(chart.contains("$D$6:$D$8") && chart.contains("$D$9:$D$11"), "{chart}");
    assert!(!chart.contains("<c:dispBlanksAs val=\"zero\"/>"), "{chart}");
    let wide = &sheets(&server, &format!("{path}&layout=wide"))[0];
    assert_eq!(cell(wide, 1, "10/2021"), "62,5%");
    assert_eq!(cell(wide, 1, "08/2021"), "");
    // Named fields are all shown.
    let named = &sheets(&server, &format!("{path}&fields=delta_percent,coverage"))[0];
    assert_eq!(cell(named, 3, "Kỳ"), "10/2021");
    cell(named, 3, "So kỳ trước (%)");
    cell(named, 3, "Tỷ lệ đơn vị có số");
}

#[test]
fn every_list_has_words_for_its_headings_and_all_columns_with_full() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let note = json!({ "code": "n", "unit": "travinh", "from": "2021-10", "text": "x" });
    server.put("annotations", &json!({ "annotations": [note] })).expect(200);
    server.post_bytes("periods/2021-09/close?force=true", "application/json", b"").expect(200);
    server.record("travinh", &[("ioffice.documents.outgoing", "2021-10", 23_442)]);
    for path in [
        "observations?",
        "vintages?",
        "series?measure=ioffice.documents.outgoing&unit=travinh&last=2",
        "ranking?measure=ioffice.documents.outgoing&period=2021-10",
        "scorecard?unit=travinh&period=2021-10",
        "completeness?period=2021-10",
        "quality?",
        "findings?",
        "units?",
        "indicators?",
        "kpis?",
        "targets?",
        "annotations?",
        "periods?",
        "revisions?",
    ] {
        let few = sheets(&server, &format!("{path}&format=xlsx"));
        let headings = shown(&few[0], HEADINGS);
        assert!((4..=12).contains(&headings.len()), "{path}: {headings:?}");
        let is_field = |heading: &&&str| heading.contains('_') || heading.is_empty();
        assert_eq!(headings.iter().find(is_field), None, "{path}");
        assert!(few[0].grid.rows.len() > HEADINGS + 1, "{path} is empty");
        assert!(!shown(&few[0], 1)[0].is_empty(), "{path} has no title");
        assert!(shown(&few[0], 2)[0].contains("sửa đổi"), "{path} has no revision");
        let all = sheets(&server, &format!("{path}&format=xlsx&full=true"));
        let csv = server.get(&format!("{path}&format=csv")).text();
        let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
        assert_eq!(shown(&all[0], 0), names, "{path}");
    }
    assert_eq!(server.get("units?format=xlsx&full=yes").faults(422), ["/full malformed"]);
}

#[test]
fn a_scorecard_and_completeness_speak_in_names() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let found = &sheets(&server, "scorecard?unit=travinh&period=2021-10&format=xlsx")[0];
    let row = (1..).find(|row| cell(found, *row, "Chỉ tiêu") == "Tỷ lệ văn bản đi được ký số");
    let row = row.unwrap();
    assert_eq!(cell(found, row, "Giá trị"), "78,9%");
    assert_eq!(cell(found, row, "Đơn vị tính"), "%");
    let other = Server::start();
    other.record("travinh", &[(OUTGOING, "2021-10", 1)]);
    let found = sheets(&other, "completeness?period=2021-10&format=xlsx");
    assert_eq!(cell(&found[0], 1, "Tình trạng"), "thiếu, quá hạn");
    assert_eq!(cell(&found[0], 1, "Hạn nộp"), "05/11/2021");
    assert!(cell(&found[0], 1, "Còn thiếu").contains("Văn bản đi được ký số"));
    assert_eq!(found[1].name, "Tỷ lệ");
}

#[test]
fn a_figure_that_is_changed_in_an_exported_table_is_taken_by_its_hidden_code() {
    let server = Server::start();
    server.record("travinh", &[(OUTGOING, "2021-09", 80), (OUTGOING, "2021-10", 100)]);
    let exported = server.get("observations?format=xlsx").body;
    let sheet = &workbook::open(&exported).unwrap()[0];
    assert_eq!(
        ["Chỉ tiêu", "Đơn vị", "Kỳ", "Số đã ghi"].map(|heading| cell(sheet, 2, heading)),
        ["Văn bản đi", "Trà Vinh", "10/2021", "100"]
    );
    let changed = filled(&exported, &[("E7", "120")]);
    for path in ["observations?dry_run=true", "workbooks"] {
        let answer = server.post_bytes(path, MEDIA, &changed).expect(200);
        has(&answer["counts"], &json!({ "revised": 1, "unchanged": 1 }));
    }
    let found = server.post_bytes("workbooks", MEDIA, &changed).expect(200);
    assert_eq!(found["figures"][1]["cell"], "E7", "{found}");
    // A name that is not that of the hidden code: rows were moved, or somebody chose another one.
    let moved = filled(&exported, &[("D7", "09/2021")]);
    for path in ["observations", "workbooks"] {
        let problem = server.post_bytes(path, MEDIA, &moved).problem(422);
        assert_eq!(problem["errors"][0]["code"], "contradicts_code", "{problem}");
    }
    // A page ends with a line that is no row.
    let page = server.get("observations?format=xlsx&limit=1").body;
    let answer = server.post_bytes("observations", MEDIA, &page).expect(200);
    has(&answer["counts"], &json!({ "revised": 0, "unchanged": 1 }));
    // Rows that a filter hides are not silently left out.
    let hidden =
        edited(&exported, SHEET, |xml| xml.replace("<row r=\"7\"", "<row r=\"7\" hidden=\"1\""));
    let problem = server.post_bytes("observations", MEDIA, &hidden).problem(422);
    assert_eq!(problem["errors"][0]["code"], "hidden", "{problem}");
}

#[test]
fn a_wide_table_shows_its_field_as_what_it_is() {
    let server = ranked();
    let path = format!("series?measure={RATE}&unit=p&from=2021-10&to=2021-10&layout=wide");
    let found = sheets(&server, &format!("{path}&fields=coverage&format=xlsx"));
    assert_eq!(cell(&found[0], 1, "10/2021"), "67%", "2 of 3 units");
    assert!(shown(&found[0], 2)[0].starts_with("Tỷ lệ đơn vị có số"), "{:?}", shown(&found[0], 2));
}

#[test]
fn figures_with_members_and_stated_rates_keep_their_digits() {
    let server = Server::start();
    let mut online = figure("igate.dossiers.received", "travinh", "2021-10", 7);
    online["dimensions"] = json!({ "channel": "online" });
    let stated = figure(RATE, "travinh", "2021-10", "78.950");
    let zero = figure("radio.own_programme.minutes_per_day", "travinh", "2021-10", 0);
    server.post(&json!({ "observations": [online, stated, zero] })).expect(201);
    let exported = server.get("observations?format=xlsx").body;
    let answer = server.post_bytes("observations", MEDIA, &exported).expect(200);
    has(&answer, &json!({ "recorded": false }));
    has(&answer["counts"], &json!({ "created": 0, "revised": 0, "unchanged": 3 }));
}
