//! Excel files as input: the form of a unit and a month, free tables, and files that must be
//! refused.

use std::io::{Cursor, Read, Write};

use documents::workbook;
use rust_xlsxwriter::{Formula, Workbook};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::harness::{REPORT, Reply, Server, figure, has, run};

const MEDIA: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A part of an Excel file as text.
#[track_caller]
pub fn part(bytes: &[u8], name: &str) -> String {
    let (mut zip, mut text) =
        (ZipArchive::new(Cursor::new(bytes)).expect("a workbook is a ZIP"), String::new());
    zip.by_name(name)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// An Excel file with another text in one of its parts.
pub fn edited(bytes: &[u8], name: &str, edit: impl Fn(String) -> String) -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut out = ZipWriter::new(Cursor::new(Vec::new()));
    let mut seen = false;
    for place in 0..zip.len() {
        let mut file = zip.by_index(place).unwrap();
        let called = file.name().unwrap().into_owned();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        if called == name {
            seen = true;
            content = edit(String::from_utf8(content).unwrap()).into_bytes();
        }
        out.start_file(called.as_str(), SimpleFileOptions::default()).unwrap();
        out.write_all(&content).unwrap();
    }
    assert!(seen, "there is no {name}");
    out.finish().unwrap().into_inner()
}

/// A form with cells filled in as spreadsheets do it: numbers as numbers, texts within the cell.
pub fn filled(bytes: &[u8], cells: &[(&str, &str)]) -> Vec<u8> {
    edited(bytes, "xl/worksheets/sheet1.xml", |mut xml| {
        for (cell, value) in cells {
            let start =
                xml.find(&format!("<c r=\"{cell}\"")).unwrap_or_else(|| panic!("no cell {cell}"));
            let open = start + xml[start..].find('>').unwrap();
            let end = if xml[..open].ends_with('/') {
                open + 1
            } else {
                start + xml[start..].find("</c>").unwrap() + 4
            };
            let style = xml[start..open]
                .split("s=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned();
            let written = if value.parse::<f64>().is_ok() {
                format!("<c r=\"{cell}\" s=\"{style}\"><v>{value}</v></c>")
            } else {
                format!("<c r=\"{cell}\" s=\"{style}\" t=\"inlineStr\"><is><t>{value}</t></is></c>")
            };
            xml.replace_range(start..end, &written);
        }
        xml
    })
}

/// The input cell of a measure in a form.
pub fn input(bytes: &[u8], measure: &str) -> String {
    let sheets = workbook::open(bytes).unwrap();
    let row = sheets[0]
        .grid
        .rows
        .iter()
        .position(|cells| cells.first().is_some_and(|cell| cell.text == measure));
    workbook::cell_name(row.unwrap_or_else(|| panic!("no row {measure}")), 5)
}

pub fn post(server: &Server, query: &str, bytes: &[u8]) -> Reply {
    server.post_bytes(&format!("workbooks{query}"), MEDIA, bytes)
}

/// An Excel file with one sheet; numbers are written as numbers.
pub fn sheet(rows: &[&[&str]]) -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("Bảng").unwrap();
    for (row, cells) in (0..).zip(rows) {
        for (column, text) in (0..).zip(*cells) {
            match text.parse::<f64>() {
                Ok(number) => sheet.write_number(row, column, number).unwrap(),
                Err(_) => sheet.write_string(row, column, *text).unwrap(),
            };
        }
    }
    book.save_to_buffer().unwrap()
}

pub fn told(answer: &Value) -> Vec<String> {
    let one = |figure: &Value| {
        let members: Vec<String> = figure["dimensions"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(d, m)| format!("{d}={}", m.as_str().unwrap()))
            .collect();
        let members =
            if members.is_empty() { String::new() } else { format!("{{{}}}", members.join(",")) };
        format!(
            "{}{members} {} {} {}",
            figure["indicator"].as_str().unwrap(),
            figure["unit"].as_str().unwrap(),
            figure["period"].as_str().unwrap(),
            figure["value"]
        )
    };
    answer["figures"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn a_downloaded_form_is_filled_in_and_imported_by_its_codes() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let reply = server.get("templates/travinh/2021-11.xlsx");
    assert_eq!((reply.status, reply.header("content-type")), (200, MEDIA));
    assert_eq!(
        reply.header("content-disposition"),
        "attachment; filename=\"travinh-2021-11.xlsx\""
    );
    let sheets = workbook::open(&reply.body).unwrap();
    assert_eq!(
        sheets.iter().map(|sheet| sheet.name.as_str()).collect::<Vec<_>>(),
        ["Số liệu", "Hướng dẫn"]
    );
    // The figures of the previous month are shown, and nothing is filled in.
    let outgoing = input(&reply.body, "ioffice.documents.outgoing");
    let row = sheets[0]
        .grid
        .rows
        .iter()
        .find(|cells| cells.first().is_some_and(|cell| cell.text == "ioffice.documents.outgoing"))
        .unwrap();
    assert_eq!(
        row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>()[2..5],
        ["Văn bản đi", "số lượng", "23441"]
    );
    assert_eq!(told(&post(&server, "", &reply.body).expect(200)), Vec::<String>::new());
    // Measures that were reported with members have rows with members.
    let level4 = input(&reply.body, "igate.dossiers.received{channel=online,service_level=4}");
    let signed = input(&reply.body, "ioffice.documents.signed");
    let rate = input(&reply.body, "ioffice.documents.signed_rate");
    let body = filled(
        &reply.body,
        &[
            (&outgoing, "24000"),
            (&level4, "2.100 hồ sơ"),
            (&signed, "25000"),
            (&rate, "78.95"),
            (&signed.replace('F', "G"), "Số mới rà soát"),
        ],
    );
    let tried = post(&server, "", &body).expect(200);
    has(
        &tried,
        &json!({
            "unit": "travinh", "period": "2021-11", "dry_run": true, "template": true,
            "submission": null, "revision": null,
        }),
    );
    let expected = [
        "ioffice.documents.outgoing travinh 2021-11 24000",
        "ioffice.documents.signed travinh 2021-11 25000",
        "igate.dossiers.received{channel=online,service_level=4} travinh 2021-11 2100",
        "ioffice.documents.signed_rate travinh 2021-11 78.95",
    ];
    let (mut found, mut wanted) = (told(&tried), expected.map(str::to_owned).to_vec());
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
    assert!(
        tried["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|finding| finding["rule"] == "ioffice.signed_within_outgoing"),
        "{tried}"
    );
    assert_eq!(server.observations("from=2021-11&to=2021-11"), Vec::<Value>::new());
    // After recording: the notes are the reason, and the same key gets the same response.
    let headers = [("content-type", MEDIA), ("idempotency-key", "k1")];
    let recorded = server.send("POST", "workbooks?dry_run=false", &headers, Some(&body));
    let answer = recorded.expect(201);
    has(&answer["counts"], &json!({ "created": 4, "revised": 0, "unchanged": 0, "withdrawn": 0 }));
    assert_eq!(
        recorded.header("location"),
        format!("/api/v1/submissions/{}", answer["submission"].as_str().unwrap())
    );
    let again = server.send("POST", "workbooks?dry_run=false", &headers, Some(&body));
    assert_eq!(
        (again.expect(201)["submission"].clone(), again.header("idempotent-replayed")),
        (answer["submission"].clone(), "true")
    );
    let receipt = server.read(&format!("submissions/{}", answer["submission"].as_str().unwrap()));
    has(&receipt["source"], &json!({ "kind": "workbook" }));
    assert_eq!(receipt["reason"], "Văn bản đi được ký số: Số mới rà soát");
    // The next form has them filled in; sent back unchanged it changes nothing, and `null`
    // withdraws a figure.
    let next = server.get("templates/travinh/2021-11.xlsx");
    assert_eq!(post(&server, "?dry_run=false", &next.body).expect(200)["counts"]["unchanged"], 4);
    let back =
        post(&server, "?dry_run=false", &filled(&next.body, &[(&level4, "null")])).expect(201);
    has(&back["counts"], &json!({ "unchanged": 3, "withdrawn": 1 }));
}

#[test]
fn every_fault_of_a_form_names_its_sheet_and_cell() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let form = server.get("templates/travinh/2021-11.xlsx").body;
    let at = |measure: &str| input(&form, measure);
    let cells = [
        at("ioffice.documents.outgoing"),
        at("ioffice.documents.signed"),
        at("ioffice.users.total"),
        at("igate.dossiers.backlog"),
    ];
    let faulty = filled(
        &form,
        &[(&cells[0], "7.40"), (&cells[1], "-5"), (&cells[2], "nhiều"), (&cells[3], "12,5")],
    );
    // To a spreadsheet 7.40 is a number; words and texts that are not whole numbers are not.
    let mut expected = [
        format!("Số liệu!{} too_many_decimals", cells[0]),
        format!("Số liệu!{} negative", cells[1]),
        format!("Số liệu!{} not_a_number", cells[2]),
        format!("Số liệu!{} not_a_number", cells[3]),
    ];
    expected.sort();
    assert_eq!(post(&server, "", &faulty).faults(422), expected);
    assert_eq!(
        post(&server, "?period=2021-10", &form).faults(422),
        ["Số liệu!A3 contradicts_request"]
    );
    assert_eq!(server.get("templates/nobody/2021-11.xlsx").status, 404);
    assert_eq!(
        server.get("templates/travinh/2021-13.xlsx").faults(422),
        ["/period malformed_period"]
    );
    assert_eq!(server.get("templates/travinh/2199-01.xlsx").faults(422), ["/period future_month"]);
    assert_eq!(server.get("templates/travinh/2025-07.xlsx").faults(422), ["/unit unit_not_valid"]);
}

#[test]
fn a_unit_that_has_reported_nothing_gets_what_units_beside_it_report() {
    let server = Server::start();
    server.record("tv.cang_long", &[("ioffice.documents.outgoing", "2021-10", 5)]);
    let codes = |path: &str| -> Vec<String> {
        let sheets = workbook::open(&server.get(path).body).unwrap();
        sheets[0]
            .grid
            .rows
            .iter()
            .skip(5)
            .filter_map(|cells| cells.first().map(|cell| cell.text.clone()))
            .filter(|text| !text.is_empty())
            .collect()
    };
    assert_eq!(codes("templates/tv.cau_ngang/2021-10.xlsx"), ["ioffice.documents.outgoing"]);
    // Without expectations: every indicator.
    let all = codes("templates/tv.dic/2021-10.xlsx");
    for code in
        ["radio.stations.total", "pki.certificates.total{certificate_holder=individual,token=usb}"]
    {
        assert!(all.iter().any(|found| found == code), "{code} is not in {all:?}");
    }
}

#[test]
fn free_tables_are_read_by_their_headers_and_unclaimed_cells_are_reported() {
    let server = Server::start();
    let body = sheet(&[
        &["TÌNH HÌNH XỬ LÝ VĂN BẢN THÁNG 10 NĂM 2021"],
        &[],
        &["STT", "Đơn vị", "Văn bản đi", "Ký số văn bản", "Văn bản mật"],
        &["1", "Huyện Càng Long", "1200", "1000", "44"],
        &["2", "Huyện Cầu Ngang", "800", "", "55"],
        &["", "Tổng cộng", "2000", "1000", "99"],
    ]);
    let answer = post(&server, "?unit=travinh", &body).expect(200);
    assert_eq!(
        told(&answer),
        [
            "ioffice.documents.outgoing tv.cang_long 2021-10 1200",
            "ioffice.documents.signed tv.cang_long 2021-10 1000",
            "ioffice.documents.outgoing tv.cau_ngang 2021-10 800",
            "ioffice.documents.outgoing travinh 2021-10 2000",
            "ioffice.documents.signed travinh 2021-10 1000",
        ]
    );
    has(
        &answer["figures"][0],
        &json!({ "sheet": "Bảng", "cell": "C4", "printed": "1200", "approximate": false }),
    );
    let left: Vec<&str> = answer["unclaimed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell["cell"].as_str().unwrap())
        .collect();
    assert_eq!(left, ["E4", "E5", "E6"]);
    assert_eq!(answer["mapping"][0]["header_rows"], json!([3]));
    has(
        &answer["mapping"][0]["columns"][2],
        &json!({ "at": "C", "role": "figures", "measure": "ioffice.documents.outgoing" }),
    );
    has(&answer["mapping"][0]["columns"][4], &json!({ "at": "E", "role": "unclaimed" }));
    let recorded =
        post(&server, "?unit=travinh&dry_run=false&reference=Bi%E1%BB%83u%2001", &body).expect(201);
    assert_eq!(recorded["counts"]["created"], 5);
    assert_eq!(server.observations("unit=tv.cang_long").len(), 2);
    // Without a unit the rows that name one are certain, the total is not.
    assert_eq!(told(&post(&server, "", &body).expect(200)).len(), 3);
}

#[test]
fn a_figure_with_two_values_is_refused_and_with_one_value_twice_taken_once() {
    let server = Server::start();
    let table = |second: &str| {
        sheet(&[
            &["Chỉ tiêu", "Tháng 10/2021"],
            &["Văn bản đi", "5"],
            &["Tổng số văn bản đi", second],
        ])
    };
    assert_eq!(post(&server, "?unit=travinh", &table("6")).faults(422), ["Bảng!B3 contradiction"]);
    assert_eq!(
        told(&post(&server, "?unit=travinh", &table("5")).expect(200)),
        ["ioffice.documents.outgoing travinh 2021-10 5"]
    );
    assert_eq!(
        post(&server, "?unit=travinh&dry_run=false", &sheet(&[&["a", "b"]])).faults(422),
        [" empty"]
    );
}

#[test]
fn formula_cells_use_their_results_and_error_cells_are_reported() {
    let server = Server::start();
    let book = |result: &str| {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.set_name("Bảng").unwrap();
        sheet.write_string(0, 0, "Chỉ tiêu").unwrap();
        sheet.write_string(0, 1, "Tháng 10/2021").unwrap();
        sheet.write_string(1, 0, "Văn bản đi").unwrap();
        sheet.write_formula(1, 1, Formula::new("=SUM(D1:D9)").set_result(result)).unwrap();
        book.save_to_buffer().unwrap()
    };
    assert_eq!(
        told(&post(&server, "?unit=travinh", &book("41")).expect(200)),
        ["ioffice.documents.outgoing travinh 2021-10 41"]
    );
    assert_eq!(post(&server, "?unit=travinh", &book("#REF!")).faults(422), ["Bảng!B2 cell_error"]);
    let without =
        edited(&book("41"), "xl/worksheets/sheet1.xml", |xml| xml.replace("<v>41</v>", ""));
    assert_eq!(post(&server, "?unit=travinh", &without).faults(422), ["Bảng!B2 cell_error"]);
}

#[test]
fn a_web_form_sends_the_file_in_its_field() {
    let server = Server::start();
    let body = sheet(&[&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", "5"]]);
    let form = |parts: &[(&str, &[u8])]| {
        let mut form = Vec::new();
        for (name, bytes) in parts {
            form.extend_from_slice(
                format!(
                    "--b\r\n\
                     Content-Disposition: form-data; name=\"{name}\"; \
                     filename=\"bieu.xlsx\"\r\nContent-Type: {MEDIA}\r\n\r\n"
                )
                .as_bytes(),
            );
            form.extend_from_slice(bytes);
            form.extend_from_slice(b"\r\n");
        }
        form.extend_from_slice(b"--b--\r\n");
        server.post_bytes("workbooks?unit=travinh", "multipart/form-data; boundary=b", &form)
    };
    assert_eq!(
        told(&form(&[("file", &body)]).expect(200)),
        ["ioffice.documents.outgoing travinh 2021-10 5"]
    );
    assert_eq!(form(&[("file", &body), ("file", &body)]).faults(422), ["/file duplicate"]);
    assert_eq!(form(&[("other", &body)]).faults(422), ["/other unknown_field"]);
    assert_eq!(form(&[]).faults(422), ["/file missing"]);
    assert_eq!(
        server.post_bytes("workbooks", "text/plain", b"x").problem(415)["title"],
        "Media type not supported"
    );
    assert_eq!(
        server.post_bytes("workbooks", "multipart/form-data; boundary=b", b"--b\r\nx").status,
        400
    );
}

#[test]
fn invalid_and_oversized_excel_files_are_refused_by_type() {
    let server = Server::start();
    let good = sheet(&[&["a", "1"]]);
    let code = |bytes: &[u8]| post(&server, "", bytes).faults(422)[0].clone();
    assert_eq!(code(b"no workbook"), " not_a_workbook");
    assert_eq!(code(b""), " not_a_workbook");
    assert_eq!(code(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0, 0]), " encrypted");
    assert_eq!(
        code(&edited(&good, "[Content_Types].xml", |xml| xml
            .replace("sheet.main+xml", "sheet.macroEnabled.main+xml")
            .replace(
                "openxmlformats-officedocument.spreadsheetml.sheet.macroEnabled",
                "ms-excel.sheet.macroEnabled"
            ))),
        " macros"
    );
    assert_eq!(
        code(&edited(&good, "xl/worksheets/sheet1.xml", |xml| xml
            .replace("?>\n", "?>\n<!DOCTYPE x [<!ENTITY a \"b\">]>\n"))),
        " document_type"
    );
    assert_eq!(
        code(&edited(&good, "xl/worksheets/sheet1.xml", |xml| xml
            .replace("<sheetData>", &format!("{}<sheetData>", "<x>".repeat(100))))),
        " too_deep"
    );
    assert_eq!(
        code(&edited(&good, "xl/worksheets/sheet1.xml", |xml| xml
            .replace("<sheetData>", &format!("{}<sheetData>", " ".repeat(80 << 20))))),
        " too_large"
    );
    let far = edited(&good, "xl/worksheets/sheet1.xml", |xml| {
        xml.replace("A1:B1", "A1:XFD1048576").replace(
            "</sheetData>",
            "<row r=\"1048576\"><c r=\"XFD1048576\"><v>1</v></c></row></sheetData>",
        )
    });
    assert_eq!(code(&far), "Bảng!XFD1048576 too_large");
    // The size that a sheet declares is not trusted.
    let claims =
        edited(&good, "xl/worksheets/sheet1.xml", |xml| xml.replace("A1:B1", "A1:XFD1048576"));
    post(&server, "", &claims).expect(200);
}

#[test]
fn the_command_line_shows_what_a_workbook_is_taken_for_and_records_it() {
    let server = Server::start();
    let path = server.folder().join("bieu.xlsx");
    std::fs::write(
        &path,
        sheet(&[
            &["Đơn vị: Trà Vinh"],
            &["Chỉ tiêu", "Tháng 10/2021", "Lũy kế"],
            &["Văn bản đi", "5", "50"],
        ]),
    )
    .unwrap();
    let file = path.to_str().unwrap();
    let shown = run(&["check", file, "--lang", "en"]).expect(0);
    assert!(shown.contains("Bảng!B3 ioffice.documents.outgoing travinh 2021-10 = 5"), "{shown}");
    assert!(shown.contains("Bảng!C3 \"50\" skipped: year to date"), "{shown}");
    let address = format!("sqlite://{}", server.folder().join("other.db").display());
    let shown = run(&["import", file, "--database", &address]).expect(0);
    assert!(shown.contains("1 created"), "{shown}");
    server
        .post(&json!({ "observations": [
        figure("ioffice.documents.outgoing", "travinh", "2021-10", 5),
    ] }))
        .expect(201);
}
