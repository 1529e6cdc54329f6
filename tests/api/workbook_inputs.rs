//! Excel files that show something else than their cells hold: rich text, hidden rows, formulas
//! without results, forms that were rearranged.

use serde_json::Value;

use crate::harness::{REPORT, Server, run as run_program};
use crate::home::Home;
use crate::workbooks::{edited, filled, input, post, sheet, told};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const SHEET: &str = "xl/worksheets/sheet1.xml";

/// The cells that were left, each with its reason, which is there in Vietnamese too.
fn left(answer: &Value) -> Vec<String> {
    let one = |cell: &Value| {
        assert!(cell["reason_vi"].is_string(), "in both languages: {cell}");
        format!("{} {}", cell["cell"].as_str().unwrap(), cell["reason"].as_str().unwrap())
    };
    answer["unclaimed"].as_array().unwrap().iter().map(one).collect()
}

/// A part of a text in a format.
fn run(format: &str, text: &str) -> String {
    format!("<r><rPr>{format}</rPr><t xml:space=\"preserve\">{text}</t></r>")
}

/// A table in which the cell for outgoing documents is this element.
fn with_cell(cell: &str) -> Vec<u8> {
    let rows: [&[&str]; 3] =
        [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", "77"], &["Hồ sơ tiếp nhận", "12"]];
    edited(&sheet(&rows), SHEET, |xml| {
        assert!(xml.contains("<c r=\"B2\"><v>77</v></c>"), "{xml}");
        xml.replace("<c r=\"B2\"><v>77</v></c>", cell)
    })
}

fn rich(runs: &[(&str, &str)]) -> String {
    let runs: String = runs.iter().map(|(format, text)| run(format, text)).collect();
    format!("<c r=\"B2\" t=\"inlineStr\"><is>{runs}</is></c>")
}

const RAISED: &str = "<vertAlign val=\"superscript\"/>";
const STRUCK: &str = "<strike/>";

#[test]
fn raised_digits_of_a_cell_are_no_part_of_its_number() {
    let server = Server::start();
    for (runs, value) in [
        (vec![("", "316"), (RAISED, "1")], "316"),
        (vec![(RAISED, "(2)"), ("", "1.316")], "1316"),
        (vec![("", "23.441 "), (RAISED, "12"), ("", " văn bản")], ""),
        (vec![("", "316"), ("<vertAlign val=\"subscript\"/>", "3")], "316"),
        (vec![("<b/>", "31"), ("", "6")], "316"),
        (vec![("", "10"), (RAISED, "6")], ""),
        // A cell that is raised as a whole.
        (vec![(RAISED, "316")], "316"),
    ] {
        let answer = post(&server, "?unit=travinh", &with_cell(&rich(&runs))).expect(200);
        let found = told(&answer);
        let expected = format!("{OUTGOING} travinh 2021-10 {value}");
        assert_eq!(found.contains(&expected), !value.is_empty(), "{runs:?}: {answer}");
        assert_eq!(left(&answer).len(), usize::from(value.is_empty()), "{runs:?}: {answer}");
    }
    // The same in the shared texts, where Excel writes it.
    let rows: [&[&str]; 2] = [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", "đây"]];
    let shared = edited(&sheet(&rows), "xl/sharedStrings.xml", |xml| {
        assert!(xml.contains("<t>đây</t>"), "{xml}");
        xml.replace("<t>đây</t>", &format!("{}{}", run("", "7.401"), run(RAISED, "2")))
    });
    let answer = post(&server, "?unit=travinh", &shared).expect(200);
    assert_eq!(told(&answer), [format!("{OUTGOING} travinh 2021-10 7401")]);
}

#[test]
fn struck_out_text_of_a_cell_is_not_read() {
    let server = Server::start();
    for (runs, value) in [
        (vec![(STRUCK, "300"), ("", " 316")], "316"),
        (vec![(STRUCK, "3"), ("", "27 văn bản")], "27"),
        (vec![("", "316"), (STRUCK, "300")], "316"),
        (vec![("", "2"), (STRUCK, "7"), ("", "3")], ""),
        (vec![(STRUCK, "300")], ""),
    ] {
        let answer = post(&server, "?unit=travinh", &with_cell(&rich(&runs))).expect(200);
        let expected = format!("{OUTGOING} travinh 2021-10 {value}");
        assert_eq!(told(&answer).contains(&expected), !value.is_empty(), "{runs:?}: {answer}");
        assert_eq!(left(&answer).len(), usize::from(value.is_empty()), "{runs:?}: {answer}");
    }
    // A number in a cell that is struck out.
    let mut book = rust_xlsxwriter::Workbook::new();
    let page = book.add_worksheet();
    let struck = rust_xlsxwriter::Format::new().set_font_strikethrough();
    page.write_string(0, 0, "Chỉ tiêu").unwrap().write_string(0, 1, "Tháng 10/2021").unwrap();
    page.write_string(1, 0, "Văn bản đi").unwrap();
    page.write_number_with_format(1, 1, 316, &struck).unwrap();
    page.write_string(2, 0, "Hồ sơ tiếp nhận").unwrap().write_number(2, 1, 12).unwrap();
    let answer = post(&server, "?unit=travinh", &book.save_to_buffer().unwrap()).expect(200);
    assert_eq!(told(&answer), ["igate.dossiers.received travinh 2021-10 12"]);
    assert_eq!(left(&answer), ["B2 the cell is struck out"]);
}

#[test]
fn a_line_end_or_tab_within_a_cell_separates_no_thousands() {
    let server = Server::start();
    for text in ["300\n316", "5\n100\n200", "300\t316", "13\n594 văn bản", "1.\n234"] {
        let rows: [&[&str]; 3] =
            [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", text], &["Hồ sơ tiếp nhận", "12"]];
        let answer = post(&server, "?unit=travinh", &sheet(&rows)).expect(200);
        assert_eq!(told(&answer), ["igate.dossiers.received travinh 2021-10 12"], "{text:?}");
        assert!(left(&answer)[0].starts_with("B2 the cell has digits on both sides"), "{answer}");
        let form = form(&server);
        let cell = input(&form, OUTGOING);
        let faults = post(&server, "", &filled(&form, &[(&cell, text)])).faults(422);
        assert_eq!(faults, [format!("Số liệu!{cell} not_a_number")], "{text:?}");
    }
    let unit: [&[&str]; 2] = [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", "316\nvăn bản"]];
    assert_eq!(
        told(&post(&server, "?unit=travinh", &sheet(&unit)).expect(200)),
        [format!("{OUTGOING} travinh 2021-10 316")]
    );
}

#[test]
fn hidden_rows_and_columns_of_a_free_table_are_listed_and_left() {
    let server = Server::start();
    let rows: [&[&str]; 4] = [
        &["Chỉ tiêu", "Tháng 10/2021", "Tháng 9/2021"],
        &["Văn bản đi", "316", "300"],
        &["Văn bản đi được ký số", "999", "888"],
        &["Hồ sơ tiếp nhận", "12", "11"],
    ];
    let whole = sheet(&rows);
    for (row, column) in [
        ("hidden=\"1\"", "hidden=\"1\""),
        ("hidden=\"true\" ht=\"15\"", "width=\"0\" customWidth=\"1\""),
        ("ht=\"0\" customHeight=\"1\"", "hidden=\"true\" width=\"9\""),
    ] {
        let hidden = edited(&whole, SHEET, |xml| {
            let xml = xml.replace("<row r=\"3\"", &format!("<row r=\"3\" {row}"));
            let columns = format!("<cols><col min=\"3\" max=\"3\" {column}/></cols><sheetData>");
            xml.replace("<sheetData>", &columns)
        });
        let answer = post(&server, "?unit=travinh", &hidden).expect(200);
        assert_eq!(
            told(&answer),
            [
                format!("{OUTGOING} travinh 2021-10 316"),
                "igate.dossiers.received travinh 2021-10 12".to_owned()
            ]
        );
        assert_eq!(
            left(&answer),
            [
                "C2 in a hidden column",
                "B3 in a hidden row",
                "C3 in a hidden row",
                "C4 in a hidden column"
            ]
        );
        assert_eq!(answer["figures"][1]["cell"], "B4");
        assert_eq!(answer["mapping"][0]["rows"][1]["at"], "4");
    }
    // The rows of a form are read, folded or filtered.
    let form = form(&server);
    let cell = input(&form, OUTGOING);
    let row = cell.trim_start_matches(char::is_alphabetic).to_owned();
    let folded = edited(&filled(&form, &[(&cell, "316")]), SHEET, |xml| {
        let from = format!("<row r=\"{row}\"");
        assert!(xml.contains(&from), "{xml}");
        xml.replace(&from, &format!("{from} hidden=\"1\""))
    });
    let answer = post(&server, "", &folded).expect(200);
    assert_eq!(told(&answer), [format!("{OUTGOING} travinh 2021-11 316")]);
}

#[test]
fn a_formula_that_was_not_computed_is_refused() {
    let server = Server::start();
    let formula = "<c r=\"B2\"><f>SUM(D1:D2)</f><v>0</v></c>";
    let loaded = |cell: &str, properties: &str| {
        edited(&with_cell(cell), "xl/workbook.xml", |xml| {
            let start = xml.find("<calcPr").unwrap();
            let end = start + xml[start..].find("/>").unwrap() + 2;
            format!("{}<calcPr {properties}/>{}", &xml[..start], &xml[end..])
        })
    };
    for properties in ["fullCalcOnLoad=\"1\"", "calcId=\"191029\" fullCalcOnLoad=\"true\""] {
        let reply = post(&server, "?unit=travinh", &loaded(formula, properties));
        assert_eq!(reply.faults(422), ["Bảng!B2 cell_error"], "{properties}");
        assert!(reply.json()["detail_vi"].as_str().unwrap().contains("lưu lại"));
        // A label may be a formula too.
        let label = "<c r=\"B2\" t=\"str\"><f>D1&amp;D2</f><v></v></c>";
        let reply = post(&server, "?unit=travinh", &loaded(label, properties));
        assert_eq!(reply.faults(422), ["Bảng!B2 cell_error"], "{properties}");
        // Another result was computed.
        let result = "<c r=\"B2\"><f>SUM(D1:D2)</f><v>316</v></c>";
        let answer = post(&server, "?unit=travinh", &loaded(result, properties)).expect(200);
        assert_eq!(told(&answer)[0], format!("{OUTGOING} travinh 2021-10 316"));
    }
    // A file that was saved by a program that computes: 0 is the result.
    let computed = "<c r=\"B2\"><f>SUM(D1:D2)</f><v>0</v></c>";
    let answer = post(&server, "?unit=travinh", &loaded(computed, "calcId=\"191029\"")).expect(200);
    assert_eq!(told(&answer)[0], format!("{OUTGOING} travinh 2021-10 0"));
    // Without formulas nothing has to be computed.
    let plain = loaded("<c r=\"B2\"><v>316</v></c>", "fullCalcOnLoad=\"1\"");
    assert_eq!(told(&post(&server, "?unit=travinh", &plain).expect(200)).len(), 2);
}

#[test]
fn a_table_whose_figures_are_all_unreadable_lists_every_cell_with_a_digit() {
    let server = Server::start();
    let rows: [&[&str]; 6] = [
        &["BẢNG SỐ LIỆU THÁNG 10 NĂM 2021"],
        &["Chỉ tiêu", "Tháng 10/2021"],
        &["Văn bản đi", "VB23441"],
        &["Văn bản đi được ký số", "2,3E+04 bản"],
        &["Hồ sơ tiếp nhận", "31/10/2021"],
        &["Tài khoản", "chưa rõ"],
    ];
    let answer = post(&server, "?unit=travinh", &sheet(&rows)).expect(200);
    assert_eq!(told(&answer), Vec::<String>::new());
    assert_eq!(
        left(&answer),
        [
            "B3 the text is not a number",
            "B4 the cell has more than a number",
            "B5 the cell has a date, a figure is expected",
            "B6 the label may mean ioffice.users.total or mail.mailboxes.total",
        ]
    );
    // A date that Excel stores as such, and digits below the last table.
    let mut book = rust_xlsxwriter::Workbook::new();
    let page = book.add_worksheet();
    let date = rust_xlsxwriter::Format::new().set_num_format("dd/mm/yyyy");
    page.write_string(0, 0, "Chỉ tiêu").unwrap().write_string(0, 1, "Tháng 10/2021").unwrap();
    page.write_string(1, 0, "Văn bản đi").unwrap();
    page.write_number_with_format(1, 1, 44_500, &date).unwrap();
    let answer = post(&server, "?unit=travinh", &book.save_to_buffer().unwrap()).expect(200);
    assert_eq!(left(&answer), ["B2 the cell has a date, a figure is expected"]);
    let below: [&[&str]; 5] =
        [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", "316"], &[], &["Ghi nhận", "số 99a"], &[]];
    let answer = post(&server, "?unit=travinh", &sheet(&below)).expect(200);
    assert_eq!(told(&answer).len(), 1);
    assert!(left(&answer)[0].starts_with("B4 "), "{answer}");
}

#[test]
fn letters_for_digits_are_listed_in_a_table_and_an_error_in_a_form() {
    let server = Server::start();
    let form = form(&server);
    let cell = input(&form, OUTGOING);
    for text in ["l", "O", "lO", "|", "đang rà soát"] {
        let rows: [&[&str]; 3] =
            [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", text], &["Hồ sơ tiếp nhận", "12"]];
        let answer = post(&server, "?unit=travinh", &sheet(&rows)).expect(200);
        assert_eq!(told(&answer), ["igate.dossiers.received travinh 2021-10 12"], "{text:?}");
        assert_eq!(left(&answer), ["B2 the cell has no number, a figure is expected"], "{text:?}");
        let faults = post(&server, "", &filled(&form, &[(&cell, text)])).faults(422);
        assert_eq!(faults, [format!("Số liệu!{cell} not_a_number")], "{text:?}");
    }
    for text in ["-", "—", "...", "…", "/", "x", "null"] {
        let rows: [&[&str]; 3] =
            [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", text], &["Hồ sơ tiếp nhận", "12"]];
        let answer = post(&server, "?unit=travinh", &sheet(&rows)).expect(200);
        assert_eq!(left(&answer), Vec::<String>::new(), "{text:?}");
    }
    // A statement about the unit, which a table without codes cannot make for certain.
    for text in ["n/a", "N/A", "không áp dụng", "Không áp dụng"] {
        let rows: [&[&str]; 3] =
            [&["Chỉ tiêu", "Tháng 10/2021"], &["Văn bản đi", text], &["Hồ sơ tiếp nhận", "12"]];
        let answer = post(&server, "?unit=travinh", &sheet(&rows)).expect(200);
        let why =
            "B2 the cell says that the figure does not apply; say so in the form, CSV or JSON";
        assert_eq!(left(&answer), [why], "{text:?}");
    }
    // No figure is expected where notes are, nor below a table or beside a label that is not
    // understood.
    let rows: [&[&str]; 5] = [
        &["Chỉ tiêu", "Tháng 10/2021", "Ghi chú"],
        &["Văn bản đi", "77", "đủ"],
        &["Hồ sơ tiếp nhận", "O", "thiếu"],
        &["Người lập biểu", "Thủ trưởng đơn vị", ""],
        &["", "Nguyễn Văn A", ""],
    ];
    let answer = post(&server, "?unit=travinh", &sheet(&rows)).expect(200);
    assert_eq!(left(&answer), ["B3 the cell has no number, a figure is expected"]);
}

#[test]
fn damaged_text_in_an_excel_file_is_refused() {
    let server = Server::start();
    let damaged = |text: &str| -> String { text.bytes().map(char::from).collect() };
    let label = damaged("Văn bản đi, hồ sơ tiếp nhận");
    let rows: [&[&str]; 2] = [&["Indicator", "2021-10"], &[&label, "316"]];
    let reply = post(&server, "?unit=travinh", &sheet(&rows));
    assert_eq!(reply.faults(422), [" damaged_text"]);
}

/// The form of Trà Vinh for November 2021.
fn form(server: &Server) -> Vec<u8> {
    // A second time nothing changes.
    assert!(matches!(server.post_csv("observations", REPORT).status, 200 | 201));
    server.get("templates/travinh/2021-11.xlsx").body
}

/// A sheet with its cells at other places.
fn moved(bytes: &[u8], to: impl Fn(usize, usize) -> (usize, usize)) -> Vec<u8> {
    edited(bytes, SHEET, |xml| {
        let mut pieces = xml.split("<c r=\"");
        let mut found = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('"').unwrap();
            let digits = name.find(|letter: char| letter.is_ascii_digit()).unwrap();
            let column = usize::from(name.as_bytes()[0] - b'A');
            assert_eq!(digits, 1);
            let (row, column) = to(name[1..].parse::<usize>().unwrap() - 1, column);
            let name = documents::workbook::cell_name(row, column);
            found.push_str(&format!("<c r=\"{name}\"{rest}"));
        }
        found
    })
}

#[test]
fn the_columns_of_a_form_are_found_by_their_headings() {
    let server = Server::start();
    let form = form(&server);
    let cell = input(&form, OUTGOING);
    let full = filled(&form, &[(&cell, "316")]);
    let row = cell[1..].parse::<usize>().unwrap() - 1;
    for before in [0, 1, 3, 5, 6] {
        // A column is inserted: what is behind it moves.
        let inserted = moved(&full, |row, column| (row, column + usize::from(column >= before)));
        let answer = post(&server, "", &inserted).expect(200);
        assert_eq!(told(&answer), [format!("{OUTGOING} travinh 2021-11 316")], "{before}");
        let column = 5 + usize::from(before <= 5);
        assert_eq!(answer["figures"][0]["cell"], documents::workbook::cell_name(row, column));
    }
    for inserted in [0, 1, 4] {
        let lower = moved(&full, |row, column| (row + usize::from(row >= inserted), column));
        let answer = post(&server, "", &lower).expect(200);
        assert_eq!(told(&answer), [format!("{OUTGOING} travinh 2021-11 316")], "{inserted}");
    }
    // Two columns change their places, with their headings.
    let swap = |column| match column {
        4 => 5,
        5 => 4,
        other => other,
    };
    let answer = post(&server, "", &moved(&full, |row, column| (row, swap(column)))).expect(200);
    assert_eq!(told(&answer), [format!("{OUTGOING} travinh 2021-11 316")]);
    // Without the heading it is not certain which column is meant.
    let texts = "xl/sharedStrings.xml";
    let lost = edited(&full, texts, |xml| xml.replace("Tháng này (11/2021)", "Số liệu"));
    let reply = post(&server, "", &lost);
    assert_eq!(reply.faults(422), ["Số liệu!A5 missing_heading"]);
    let detail = reply.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("2021-11") && detail.contains("\"Số liệu\""), "{detail}");
    let twice = edited(&full, texts, |xml| xml.replace("Tháng trước (10/2021)", "Tháng này"));
    assert_eq!(post(&server, "", &twice).faults(422), ["Số liệu!F5 repeated_heading"]);
}

#[test]
fn a_form_in_thousands_is_refused() {
    let server = Server::start();
    let form = form(&server);
    let full = filled(&form, &[(&input(&form, OUTGOING), "316")]);
    for (from, to) in [
        ("Tháng này (11/2021)", "Tháng này (đơn vị: nghìn)"),
        ("NGHỆ THÔNG TIN HẰNG THÁNG", "NGHỆ THÔNG TIN HẰNG THÁNG (ĐVT: TRIỆU)"),
        (">Văn bản đi<", ">Văn bản đi (nghìn)<"),
    ] {
        let typed = edited(&full, "xl/sharedStrings.xml", |xml| {
            assert!(xml.contains(from), "{from}: {xml}");
            xml.replace(from, to)
        });
        let errors = post(&server, "", &typed).faults(422);
        assert!(errors[0].ends_with(" contradicts_code"), "{to}: {errors:?}");
    }
}

#[test]
fn a_form_whose_head_contradicts_its_codes_is_refused() {
    let server = Server::start();
    let form = form(&server);
    let full = filled(&form, &[(&input(&form, OUTGOING), "316")]);
    for (from, to, cells) in [
        ("Tháng 11 năm 2021", "Tháng 12 năm 2021", &["B3"][..]),
        ("Tháng 11 năm 2021", "Tháng 11 năm 2022", &["B3"]),
        ("Tháng 11 năm 2021", "Quý IV năm 2021", &["B3"]),
        ("Tháng 11 năm 2021", "11 tháng đầu năm 2021", &["B3"]),
        ("Tháng 11 năm 2021", "Năm 2022", &["B3"]),
        ("NGHỆ THÔNG TIN HẰNG THÁNG", "NGHỆ THÔNG TIN QUÝ III NĂM 2021", &["B1"]),
        ("NGHỆ THÔNG TIN HẰNG THÁNG", "NGHỆ THÔNG TIN THÁNG 12 NĂM 2021", &["B1"]),
        ("Tháng này (11/2021)", "Tháng này (12/2021)", &["F5"]),
        ("Tháng này (11/2021)", "Tháng này (lũy kế)", &["F5"]),
        (
            "BIỂU SỐ LIỆU ỨNG DỤNG",
            "BIỂU SỐ LIỆU CỦA SỞ THÔNG TIN VÀ TRUYỀN THÔNG VỀ ỨNG DỤNG",
            &["B1"],
        ),
        ("Đơn vị báo cáo: Trà Vinh (travinh)", "Đơn vị báo cáo: Huyện Càng Long", &["B2"]),
        ("Đơn vị báo cáo: Trà Vinh (travinh)", "Sở Thông tin và Truyền thông (tv.dic)", &["B2"]),
        ("Trà Vinh (travinh)", "Trà Vinh (tv.cang_long)", &["B2"]),
        ("Trà Vinh (travinh)", "Công ty Sao Mai (travinh)", &["B2"]),
    ] {
        let typed = edited(&full, "xl/sharedStrings.xml", |xml| {
            assert!(xml.contains(from), "{from}: {xml}");
            xml.replace(from, to)
        });
        let expected: Vec<String> =
            cells.iter().map(|cell| format!("Số liệu!{cell} contradicts_code")).collect();
        let reply = post(&server, "", &typed);
        assert_eq!(reply.faults(422), expected, "{to}");
        let detail = reply.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("2021-11") || detail.contains("Trà Vinh (travinh)"),
            "both are named: {detail}"
        );
    }
    // What says the same in other words, and a date line, contradict nothing.
    for (from, to) in [
        ("Tháng 11 năm 2021", "Tháng 11/2021"),
        ("Đơn vị báo cáo: Trà Vinh (travinh)", "Đơn vị báo cáo: Tỉnh Trà Vinh"),
        ("Tháng này (11/2021)", "Tháng này"),
    ] {
        let typed = edited(&full, "xl/sharedStrings.xml", |xml| xml.replace(from, to));
        assert_eq!(told(&post(&server, "", &typed).expect(200)).len(), 1, "{to}");
    }
}

#[test]
fn a_form_whose_rows_were_moved_without_their_codes_is_refused() {
    let server = Server::start();
    let form = form(&server);
    let (one, other) = (input(&form, OUTGOING), input(&form, SIGNED));
    let full = filled(&form, &[(&one, "316"), (&other, "300")]);
    let row = |cell: &str| cell[1..].parse::<usize>().unwrap() - 1;
    let (first, second) = (row(&one), row(&other));
    let swap = |row| match row {
        row if row == first => second,
        row if row == second => first,
        row => row,
    };
    // Sorted without column A: the labels and figures change places, the codes do not.
    let sorted = moved(&full, |row, column| (if column == 0 { row } else { swap(row) }, column));
    let mut expected =
        [first, second].map(|row| format!("Số liệu!C{} contradicts_code", row + 1)).to_vec();
    expected.sort();
    let reply = post(&server, "", &sorted);
    assert_eq!(reply.faults(422), expected);
    let detail = reply.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(OUTGOING) && detail.contains(SIGNED), "{detail}");
    // Only the labels were exchanged, and only the codes.
    for columns in [2..3, 0..1] {
        let exchanged = moved(&full, |row, column| {
            (if columns.contains(&column) { swap(row) } else { row }, column)
        });
        assert_eq!(post(&server, "", &exchanged).faults(422), expected, "{columns:?}");
    }
    // Whole rows may change places, and a label may have other words.
    let whole = moved(&full, |row, column| (swap(row), column));
    let figures = |bytes: &[u8]| {
        let mut found = told(&post(&server, "", bytes).expect(200));
        found.sort();
        found
    };
    assert_eq!(figures(&whole), figures(&full));
    let worded = edited(&full, "xl/sharedStrings.xml", |xml| {
        xml.replace("<t>Văn bản đi</t>", "<t>Văn bản phát hành của tỉnh</t>")
    });
    assert_eq!(figures(&worded), figures(&full));
}

#[test]
fn every_fault_of_a_form_is_told_at_once() {
    let server = Server::start();
    let form = form(&server);
    let cells = [OUTGOING, SIGNED, "ioffice.users.total"].map(|measure| input(&form, measure));
    // The last two as texts, as they come from a program that writes texts.
    let faulty = filled(&form, &[(&cells[0], "512.5")]);
    let text = |value: &str, cell: &str| {
        format!("<c r=\"{cell}\" t=\"inlineStr\"><is><t>{value}</t></is></c>")
    };
    let faulty = edited(&faulty, SHEET, |mut xml| {
        for (cell, value) in [(&cells[1], "1.00"), (&cells[2], "1,234")] {
            let start = xml.find(&format!("<c r=\"{cell}\"")).unwrap();
            let end = start + xml[start..].find("/>").unwrap() + 2;
            xml.replace_range(start..end, &text(value, cell));
        }
        xml
    });
    let mut expected = [
        format!("Số liệu!{} too_many_decimals", cells[0]),
        format!("Số liệu!{} not_a_number", cells[1]),
        format!("Số liệu!{} not_a_number", cells[2]),
    ];
    expected.sort();
    assert_eq!(post(&server, "", &faulty).faults(422), expected);
    assert_eq!(post(&server, "?dry_run=false", &faulty).faults(422), expected);
    assert!(server.observations("from=2021-11&to=2021-11").is_empty());
}

/// Writes a file into the folder of a test and returns its path.
fn file(home: &Home, name: &str, bytes: &[u8]) -> String {
    let path = home.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_command_takes_unit_and_period_of_an_excel_file() {
    let home = Home::new();
    let rows: [&[&str]; 2] = [&["Chỉ tiêu", "Số lượng"], &["Văn bản đi", "316"]];
    let bare = file(&home, "bare.xlsx", &sheet(&rows));
    let given = |more: &[&str]| {
        let arguments = [&["check", &bare, "--lang", "en"], more].concat();
        run_program(&arguments)
    };
    let found = given(&["--unit", "travinh", "--period", "2021-10"]).expect(0);
    assert!(found.contains(&format!("Bảng!B2 {OUTGOING} travinh 2021-10 = 316")), "{found}");
    let found = given(&["--unit", "tv.cang_long", "--period", "2021-11"]).expect(0);
    assert!(found.contains(&format!("{OUTGOING} tv.cang_long 2021-11 = 316")), "{found}");
    assert!(!given(&[]).expect(0).contains(" = 316"));
    assert!(given(&["--unit", "nobody"]).expect(1).contains("unknown_unit"));
    let wide = given(&["--unit", "travinh", "--period", "2021-Q3"]).expect(1);
    assert!(wide.contains("2021-Q3 is not a month"), "{wide}");
    // Recording takes them too.
    let address = format!("sqlite://{}", home.path().join("l.db").display());
    let of = ["--unit", "travinh", "--period", "2021-10"];
    run_program(&[&["import", &bare, "--database", &address][..], &of].concat()).expect(0);
    // A second time it finds the figure there.
    let again = run_program(&[&["import", &bare, "--database", &address][..], &of].concat());
    assert!(again.out().contains("1 unchanged") || again.err().contains("1 unchanged"));
}

#[test]
fn files_of_other_kinds_are_refused_with_what_to_do() {
    let home = Home::new();
    for (name, instead, vi) in [
        ("a.doc", "save it as DOCX", "hãy lưu thành DOCX"),
        ("a.odt", "save it as DOCX", "hãy lưu thành DOCX"),
        ("a.RTF", "save it as DOCX", "hãy lưu thành DOCX"),
        ("a.xls", "save it as XLSX", "hãy lưu thành XLSX"),
        ("a.ods", "save it as XLSX", "hãy lưu thành XLSX"),
        ("a.xlsb", "save it as XLSX", "hãy lưu thành XLSX"),
        ("a.pptx", "save it as DOCX or PDF", "hãy lưu thành DOCX hoặc PDF"),
        ("a.jpg", "save it as the document", "hãy lưu thành văn bản gốc"),
    ] {
        let path = file(&home, name, b"indicator,unit,period,value\n");
        let found = run_program(&["check", &path, "--lang", "en"]).expect(1);
        assert!(found.contains(instead) && found.contains("unsupported_file"), "{found}");
        let found = run_program(&["check", &path, "--lang", "vi"]).expect(1);
        assert!(found.contains(vi), "{found}");
        let database = format!("sqlite://{}", home.path().join("n.db").display());
        let imported = run_program(&["import", &path, "--database", &database]);
        imported.expect(1);
        assert!(imported.err().contains(instead), "{}", imported.err());
    }
    // By the bytes, if the name does not show the type.
    let old = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
    for (name, bytes) in [
        ("b.csv", old.to_vec()),
        ("b.txt", b"{\\rtf1 Van ban di: 316}".to_vec()),
        ("c.csv", sheet(&[&["Chỉ tiêu"], &["Văn bản đi"]])),
        ("d.csv", b"%PDF-1.7\n".to_vec()),
    ] {
        let path = file(&home, name, &bytes);
        let found = run_program(&["check", &path, "--lang", "en"]).expect(1);
        assert!(found.contains("unsupported_"), "{name}: {found}");
    }
}

#[test]
fn an_upload_of_another_kind_is_refused_with_what_to_do() {
    let server = Server::start();
    let zip = |name: &str| {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, b"<a/>").unwrap();
        archive.finish().unwrap().into_inner()
    };
    for (bytes, told, vi) in [
        (zip("xl/workbook.bin"), "XLSB; save it as XLSX", "hãy lưu thành XLSX"),
        (zip("content.xml"), "(ODS); save it as XLSX", "hãy lưu thành XLSX"),
        (zip("word/document.xml"), "send it to /reports", "hãy gửi đến /reports"),
        (zip("a.xml"), "not an Excel file", "không phải là tệp Excel"),
        (b"indicator,unit".to_vec(), "not an Excel file", "không phải là tệp Excel"),
    ] {
        let reply = post(&server, "", &bytes);
        assert_eq!(reply.faults(422), [" not_a_workbook"]);
        let fault = &reply.json()["errors"][0];
        assert!(fault["detail"].as_str().unwrap().contains(told), "{fault}");
        assert!(fault["detail_vi"].as_str().unwrap().contains(vi), "{fault}");
    }
}
