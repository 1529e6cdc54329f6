//! What the service exports can be sent back as it is.

use serde_json::{Value, json};

use crate::harness::{REPORT, Server, figure, has, run};

const CSV: &str = "text/csv";
const JSON: &str = "application/json";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A text as Excel saves it as "Unicode text".
fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(to_bytes).collect()
}

#[test]
fn exported_figures_are_unchanged_when_they_are_sent_back_also_in_closed_months() {
    let server = Server::start();
    let count = server.post_csv("observations", REPORT).expect(201)["counts"]["created"].clone();
    let rate = figure("ioffice.documents.signed_rate", "travinh", "2021-09", "78.950");
    server
        .post(&json!({
            "reason": "=x\n\"y\"",
            "observations": [rate, figure("ioffice.documents.outgoing", "travinh", "2021-09", 9)],
        }))
        .expect(201);
    let count = count.as_i64().unwrap() + 2;
    for closed in [false, true] {
        if closed {
            server.post_bytes("periods/2021-10/close?force=true", JSON, b"").expect(200);
            server.post_bytes("periods/2021-09/close?force=true", JSON, b"").expect(200);
        }
        let revision = server.revision();
        let formats = [("csv", CSV), ("json", JSON), ("xlsx", XLSX), ("xlsx&full=true", XLSX)];
        for (format, media) in formats {
            let exported = server.get(&format!("observations?format={format}")).body;
            let receipt = server.post_bytes("observations", media, &exported).expect(200);
            has(
                &receipt,
                &json!({
                    "recorded": false,
                    "counts": { "created": 0, "revised": 0, "unchanged": count, "withdrawn": 0 },
                }),
            );
        }
        for columns in ["", "&full=true", "&lang=en"] {
            let exported = server.get(&format!("observations?format=xlsx{columns}")).body;
            let view = server.post_bytes("workbooks?dry_run=false", XLSX, &exported).expect(200);
            has(&view, &json!({ "recorded": false }));
            has(&view["counts"], &json!({ "unchanged": count }));
        }
        let csv = server.get("observations?format=csv").text();
        for bytes in [utf16(&csv, u16::to_le_bytes), utf16(&csv, u16::to_be_bytes)] {
            has(
                &server.post_bytes("observations", CSV, &bytes).expect(200)["counts"],
                &json!({ "unchanged": count }),
            );
        }
        assert_eq!(server.revision(), revision);
    }
    // A changed figure is a change.
    let changed = server
        .get("observations?format=csv")
        .text()
        .replace("travinh,2021-09,9\n", "travinh,2021-09,10\n");
    assert_eq!(
        server.post_csv("observations", &changed).problem(409)["errors"].as_array().unwrap().len(),
        1
    );
    has(
        &server.post_csv("observations?reason=x", &changed).expect(201)["counts"],
        &json!({ "revised": 1 }),
    );
}

#[test]
fn fields_that_no_export_has_are_still_errors() {
    let server = Server::start();
    let observation = |field: &str| {
        let mut observation = figure("ioffice.documents.outgoing", "travinh", "2021-10", 1);
        observation[field] = json!("x");
        server.post(&json!({ "observations": [observation] }))
    };
    for field in ["stated", "reason", "coverage"] {
        assert_eq!(
            observation(field).faults(422),
            [format!("/observations/0/{field} unknown_field")]
        );
    }
    let with = |column: &str| {
        server.post_csv(
            "observations",
            &format!(
                "indicator,unit,period,value,{column}\n\
                 ioffice.documents.outgoing,travinh,2021-10,1,\
                 x\n"
            ),
        )
    };
    for column in ["stated", "reason", "hash"] {
        assert_eq!(with(column).faults(422), [" unknown_column"], "{column}");
    }
    let sheet = server.get("units?format=xlsx").body;
    server.post_bytes("observations", XLSX, &sheet).problem(422);
    server.post_bytes("observations", XLSX, b"PK").problem(422);
}

#[test]
fn a_csv_of_another_encoding_is_named() {
    let server = Server::start();
    let text = "indicator,unit,period,value\nioffice.documents.outgoing,travinh,2021-10,1\n";
    let without_mark: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = b"indicator,unit,period,value\nioffice.documents.outgoing,tr\xe0 vinh,2021-10,1\n";
    let header = b"indicator,unit,period,value,\xe0\nx,y,2021-10,1\n";
    for bytes in [&without_mark[..], latin, header] {
        let problem = server.post_bytes("observations", CSV, bytes).problem(422);
        assert_eq!(problem["errors"][0]["code"], "not_utf8", "{problem}");
    }
    let tabbed = text.replace(',', "\t");
    let files =
        [("a.txt", utf16(&tabbed, u16::to_le_bytes)), ("b.csv", utf16(&tabbed, u16::to_be_bytes))];
    for (name, bytes) in files {
        let file = server.folder().join(name);
        std::fs::write(&file, bytes).unwrap();
        let name = file.to_str().unwrap();
        run(&["check", name]).expect(0);
        run(&["import", name, "--database", &server.address()]).expect(0);
    }
}

#[test]
fn exported_units_are_unchanged_when_they_are_put_back_or_imported() {
    let server = Server::start();
    server.put_units(&json!([
        {
            "code": "x", "kind": "commune", "name": { "vi": "Xã \"X\"; số 1", "en": "-X" },
            "parent": "travinh", "valid_from": "2020-01-01", "valid_to": "2025-06-30",
            "successors": ["y", "z"], "shares": { "y": 0.25, "z": 0.75 }, "labels": ["=xã; x", "X"],
            "official_codes": [
                { "code": "29236", "scheme": "gso", "valid_from": "2020-01-01", "valid_to": null },
                { "code": "a;b", "scheme": "", "valid_from": null, "valid_to": null },
            ],
        },
        { "code": "y" },
        {
            "code": "z",
            "official_codes": [{ "code": "7", "scheme": "", "valid_from": null, "valid_to": null }],
        },
    ]));
    let revision = server.revision();
    let units = server.read("units")["units"].clone();
    let all = server.get("units?format=xlsx&full=true").body;
    let answer = server.send("PUT", "units", &[("content-type", XLSX)], Some(&all)).expect(200);
    has(&answer, &json!({ "recorded": false, "revision": revision }));
    for (format, media) in [("csv", CSV), ("xlsx", XLSX), ("json", JSON)] {
        let exported = server.get(&format!("units?format={format}")).body;
        let answer =
            server.send("PUT", "units", &[("content-type", media)], Some(&exported)).expect(200);
        has(&answer, &json!({ "recorded": false, "revision": revision }));
        let file = server.folder().join(format!("units.{format}"));
        let name = file.to_str().unwrap();
        std::fs::write(&file, &exported).unwrap();
        run(&["units", "import", name, "--database", &server.address()]).expect(0);
        run(&["import", name, "--database", &server.address()]).expect(0);
        run(&["check", name, "--database", &server.address()]).expect(0);
        let file = server.folder().join(format!("exported.{format}"));
        let name = file.to_str().unwrap();
        run(&["units", "export", name, "--database", &server.address()]).expect(0);
        run(&["units", "import", name, "--database", &server.address()]).expect(0);
    }
    assert_eq!(server.revision(), revision);
    assert_eq!(server.read("units")["units"], units);
    // In an empty ledger they make the same units.
    let (other, file) = (Server::start(), server.folder().join("exported.csv"));
    let before = other.revision();
    run(&["units", "import", file.to_str().unwrap(), "--database", &other.address()]).expect(0);
    other.read(&format!("units?min_revision={}", before + 1));
    assert_eq!(
        other.read("units?code=x&code=y&code=z")["units"],
        server.read("units?code=x&code=y&code=z")["units"]
    );
}

#[test]
fn json_may_begin_with_a_byte_order_mark() {
    let server = Server::start();
    let body = |text: Value| format!("\u{feff}{text}").into_bytes();
    let observations = body(
        json!({ "observations": [figure("ioffice.documents.outgoing", "travinh", "2021-10", 1)] }),
    );
    server.post_bytes("observations", JSON, &observations).expect(201);
    let put = |path: &str, text: Value| {
        server.send("PUT", path, &[("content-type", JSON)], Some(&body(text)))
    };
    put("units", json!({ "units": [{ "code": "u" }] })).expect(200);
    put("annotations", json!({ "annotations": [] })).expect(200);
    let file = server.folder().join("marked.json");
    std::fs::write(&file, &observations).unwrap();
    run(&["import", file.to_str().unwrap(), "--database", &server.address()]).expect(0);
}

#[test]
fn paths_with_doubled_slashes_are_those_without_and_every_get_has_a_head() {
    let server = Server::start();
    for path in [
        "/api/v1/units/",
        "/api/v1//units",
        "//api/v1/units",
        "/api//v1///units//",
        "/prometheus//api/v1/labels",
        "/livez/",
        "//readyz",
        "/docs/",
        "//docs/",
        "/metrics/",
        "/",
    ] {
        let (got, head) = (server.get(path), server.send("HEAD", path, &[], None));
        assert_eq!((got.status, head.status), (200, 200), "{path}");
        assert!(head.body.is_empty() && !got.body.is_empty(), "{path}");
    }
    assert_eq!(server.get("/api/v1/units//x").status, 404);
    assert_eq!(server.send("HEAD", "/api/v1/nowhere", &[], None).status, 404);
    server
        .send("POST", "/api/v1//observations/", &[("content-type", CSV)], Some(REPORT.as_bytes()))
        .expect(201);
}

#[test]
fn a_file_with_only_an_encoded_name_is_read() {
    let server = Server::start();
    let form = server.get("templates/travinh/2021-10.xlsx").body;
    for name in [
        "filename*=UTF-8''b%C3%A1o%20c%C3%A1o.xlsx",
        "filename=\"a.xlsx\"; filename*=UTF-8''b.xlsx",
        "filename=\"a.xlsx\"",
    ] {
        let mut body = format!(
            "--B\r\n\
             Content-Disposition: form-data; name=\"file\"; {name}\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend(&form);
        body.extend(b"\r\n--B--\r\n");
        let view =
            server.post_bytes("workbooks", "multipart/form-data; boundary=B", &body).expect(200);
        assert_eq!(view["template"], true, "{name}");
    }
}

#[test]
fn a_table_is_whole_or_refused_unless_a_limit_is_given() {
    let server = Server::start();
    server.post_csv("observations", REPORT).expect(201);
    let units: Vec<Value> =
        (0..120).map(|n| json!({ "code": format!("u{n}"), "parent": "travinh" })).collect();
    server.put_units(&json!(units));
    // 121 units of 600 months are more than 60,000 points.
    let path =
        "series?measure=ioffice.documents.outgoing&descendants_of=travinh&from=1975-01&to=2024-12";
    for format in ["csv", "xlsx"] {
        let reply = server.get(&format!("{path}&format={format}"));
        assert_eq!(reply.faults(422), ["/limit table_too_long"]);
        assert!(reply.text().contains("60000"), "{}", reply.text());
        assert!(reply.text().contains("60.000"), "{}", reply.text());
        let part = server.get(&format!("{path}&format={format}&limit=3"));
        assert_eq!(part.status, 200);
        assert!(part.next_link().is_some());
    }
    let csv = server.get(&format!("{path}&format=csv&limit=3")).text();
    assert_eq!(csv.lines().count(), 1 + 3 * 600);
    server.read(path);
    let whole = server.get(
        "series?measure=ioffice.documents.outgoing&descendants_of=travinh&\
         from=2021-10&to=2021-10&format=csv",
    );
    assert!(whole.next_link().is_none());
}

#[test]
fn every_answer_to_a_write_begins_with_recorded() {
    let server = Server::start();
    let first = |text: String| assert!(text.starts_with("{\"recorded\":"), "{text}");
    let receipt = server.post_csv("observations", REPORT);
    first(receipt.text());
    let id = receipt.json()["submission"].as_str().unwrap().to_owned();
    for path in ["observations?dry_run=true", "observations"] {
        first(server.post_csv(path, REPORT).text());
    }
    first(server.delete(&format!("submissions/{id}")).text());
    first(server.put("units", &json!({ "units": [{ "code": "u" }] })).text());
    first(server.put("units?dry_run=true", &json!({ "units": [{ "code": "v" }] })).text());
    first(server.put("catalogue", &server.read("catalogue")).text());
    first(server.put("targets", &json!({ "targets": [] })).text());
    first(server.put("annotations", &json!({ "annotations": [] })).text());
    for what in ["close?force=true", "reopen"] {
        first(server.post_bytes(&format!("periods/2021-10/{what}"), JSON, b"").text());
    }
    let form = server.get("templates/travinh/2021-10.xlsx").body;
    first(server.post_bytes("workbooks", XLSX, &form).text());
    first(
        server
            .post_bytes(
                "reports?unit=travinh&period=2021-10",
                "text/plain",
                "Văn bản đi: 12 văn bản.".as_bytes(),
            )
            .text(),
    );
    let key = server.post_bytes(
        "keys",
        JSON,
        json!({ "name": "a", "role": "reader" }).to_string().as_bytes(),
    );
    first(key.text());
}

/// An Excel file with the columns of observations and two figures, after changes.
fn observations(change: impl Fn(&mut rust_xlsxwriter::Workbook)) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0..).zip(["indicator", "unit", "period", "value"]) {
        sheet.write_string(0, column, name).unwrap();
    }
    for (row, period) in (1..).zip(["2021-05", "2021-06"]) {
        let cells = ["ioffice.documents.outgoing", "travinh", period];
        for (column, text) in (0..).zip(cells) {
            sheet.write_string(row, column, text).unwrap();
        }
        sheet.write_number(row, 3, 7.0).unwrap();
    }
    change(&mut book);
    book.save_to_buffer().unwrap()
}

#[test]
fn an_excel_table_of_figures_is_refused_where_it_shows_something_else() {
    let server = Server::start();
    let struck = |book: &mut rust_xlsxwriter::Workbook| {
        let format = rust_xlsxwriter::Format::new().set_font_strikethrough();
        let sheet = book.worksheet_from_index(0).unwrap();
        sheet.write_number_with_format(2, 3, 7.0, &format).unwrap();
    };
    let hidden_row = |book: &mut rust_xlsxwriter::Workbook| {
        book.worksheet_from_index(0).unwrap().set_row_hidden(2).unwrap();
    };
    let hidden_column = |book: &mut rust_xlsxwriter::Workbook| {
        book.worksheet_from_index(0).unwrap().set_column_hidden(3).unwrap();
    };
    let second = |book: &mut rust_xlsxwriter::Workbook| {
        book.add_worksheet().write_string(0, 0, "12").unwrap();
    };
    for (bytes, code) in [
        (observations(struck), "struck_out"),
        (observations(hidden_row), "hidden"),
        (observations(hidden_column), "hidden"),
        (observations(second), "several_sheets"),
    ] {
        for path in ["observations", "workbooks?dry_run=false"] {
            let problem = server.post_bytes(path, XLSX, &bytes).problem(422);
            assert_eq!(problem["errors"][0]["code"], code, "{path}");
        }
    }
    // Every error at once.
    let both = |book: &mut rust_xlsxwriter::Workbook| {
        struck(book);
        second(book);
        let format = rust_xlsxwriter::Format::new().set_font_strikethrough();
        let sheet = book.worksheet_from_index(0).unwrap();
        sheet.write_number_with_format(1, 3, 8.0, &format).unwrap();
    };
    for path in ["observations", "workbooks?dry_run=false"] {
        let problem = server.post_bytes(path, XLSX, &observations(both)).problem(422);
        let errors = problem["errors"].as_array().unwrap();
        let codes: Vec<&str> = errors.iter().map(|one| one["code"].as_str().unwrap()).collect();
        assert_eq!(codes, ["struck_out", "struck_out", "several_sheets"], "{path}");
    }
    assert!(server.observations("").is_empty());
    let recorded = server.post_bytes("observations", XLSX, &observations(|_| {})).expect(201);
    has(&recorded["counts"], &json!({ "created": 2 }));
}

#[test]
fn a_table_of_units_that_was_cut_off_changes_nothing() {
    let server = Server::start();
    server.put_units(
        &json!([{ "code": "p" }, { "code": "p.a", "parent": "p", "valid_to": "2030-12-31" }]),
    );
    let before = server.get("units?format=csv").text();
    let revision = server.revision();
    let table = "code,name_vi,parent,valid_to\np.a,Xã A,p,2030-12-31\n";
    for cut in [
        "code,name_vi,parent,valid_to\np.a,Xã A,p",
        "code,name_vi,parent,valid_to\np.a,\"Xã A,p,2030-12-31\n",
    ] {
        assert_eq!(
            server.send("PUT", "units", &[("content-type", CSV)], Some(cut.as_bytes())).status,
            422
        );
    }
    assert_eq!((server.get("units?format=csv").text(), server.revision()), (before, revision));
    assert_eq!(
        server.send("PUT", "units", &[("content-type", CSV)], Some(table.as_bytes())).status,
        200
    );
}
