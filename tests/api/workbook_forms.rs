//! The form of a unit and a month: what it computes and checks, its folded rows, its short labels.

use documents::workbook::{self, WorkbookSheet};
use serde_json::json;

use crate::harness::{REPORT, Server, has};
use crate::workbooks::{edited, filled, input, part, post, told};

const OUTGOING: &str = "ioffice.documents.outgoing";
const SIGNED: &str = "ioffice.documents.signed";
const TYPED_OVER: &str = "the form computes this row; a number typed over its formula is not read";
const RECEIVED: &str = "igate.dossiers.received";
/// The part with the sheet to fill in.
const SHEET: &str = "xl/worksheets/sheet1.xml";

/// A cell of a sheet as XML.
#[track_caller]
fn cell_xml(bytes: &[u8], cell: &str) -> String {
    let xml = part(bytes, SHEET);
    let start = xml.find(&format!("<c r=\"{cell}\"")).unwrap_or_else(|| panic!("no cell {cell}"));
    let rest = &xml[start..];
    let end = rest[2..].find("<c r=").map_or(rest.len(), |end| end + 2);
    rest[..end.min(rest.find("</row>").unwrap_or(end))].to_owned()
}

/// The same cell in another column.
fn beside(cell: &str, column: char) -> String {
    format!("{column}{}", &cell[1..])
}

fn form(server: &Server) -> Vec<u8> {
    server.post_csv("observations", REPORT).expect(201);
    server.get("templates/travinh/2021-11.xlsx").body
}

/// The row of a measure, from 0.
fn row(bytes: &[u8], measure: &str) -> usize {
    input(bytes, measure)[1..].parse::<usize>().unwrap() - 1
}

fn first(bytes: &[u8]) -> WorkbookSheet {
    workbook::open(bytes).unwrap().swap_remove(0)
}

#[test]
fn kpis_are_computed_in_the_form_and_not_read() {
    let server = Server::start();
    let form = form(&server);
    let (outgoing, signed) = (input(&form, OUTGOING), input(&form, SIGNED));
    let rate = input(&form, "=ioffice.documents.signed_rate");
    let written = cell_xml(&form, &rate);
    assert!(written.contains(&format!("IFERROR((({signed}/{outgoing}))*100")), "{written}");
    assert!(written.contains(&format!("COUNT({outgoing},{signed})=2")), "{written}");
    // The figures of this month are not known; those of the month before are.
    assert!(written.contains("<v></v>") || written.contains("<v/>"), "{written}");
    let before = cell_xml(&form, &beside(&rate, 'E'));
    assert!(before.contains("<v>78.94"), "{before}");
    // As a spreadsheet saves it, or a program that computes nothing: the kpi is no figure.
    let full = filled(&form, &[(&outgoing, "200"), (&signed, "100")]);
    let expected =
        [format!("{OUTGOING} travinh 2021-11 200"), format!("{SIGNED} travinh 2021-11 100")];
    for result in ["<v>50</v>", "<v>0</v>", ""] {
        let saved = edited(&full, SHEET, |xml| {
            let start = xml.find(&format!("<c r=\"{rate}\"")).unwrap();
            let value = start + xml[start..].find("</f>").unwrap() + 4;
            let end = start + xml[start..].find("</c>").unwrap();
            let head = xml[..value].to_owned();
            let head = match head[start..].find(" t=\"str\"") {
                Some(place) => format!("{}{}", &head[..start + place], &head[start + place + 8..]),
                None => head,
            };
            format!("{head}{result}{}", &xml[end..])
        });
        let answer = post(&server, "", &saved).expect(200);
        assert_eq!(told(&answer), expected, "{result}");
        assert_eq!(answer["unclaimed"], json!([]), "{result}");
    }
}

#[test]
fn a_formula_without_a_result_is_still_refused_where_a_figure_is_expected() {
    let server = Server::start();
    let form = form(&server);
    let cell = input(&form, OUTGOING);
    let bare = edited(&filled(&form, &[(&cell, "7")]), SHEET, |xml| {
        let start = xml.find(&format!("<c r=\"{cell}\"")).unwrap();
        let open = start + xml[start..].find('>').unwrap() + 1;
        let end = start + xml[start..].find("</c>").unwrap();
        format!("{}<f>1+1</f>{}", &xml[..open], &xml[end..])
    });
    assert_eq!(post(&server, "", &bare).faults(422), [format!("Số liệu!{cell} cell_error")]);
}

#[test]
fn the_column_of_checks_says_in_words_what_does_not_agree() {
    let server = Server::start();
    server.record(
        "travinh",
        &[
            (OUTGOING, "2021-11", 10),
            (SIGNED, "2021-11", 12),
            ("ioffice.users.total", "2021-11", 5),
        ],
    );
    let form = server.get("templates/travinh/2021-11.xlsx").body;
    let signed = input(&form, SIGNED);
    let told = cell_xml(&form, &beside(&signed, 'H'));
    assert!(told.contains("Chưa khớp: "), "{told}");
    let value = told.split("<v>").nth(1).unwrap().split("</v>").next().unwrap();
    assert!(value.starts_with("Chưa khớp: "), "{told}");
    let (outgoing, plain) = (input(&form, OUTGOING), beside(&signed, 'F'));
    assert!(told.contains(&format!("ROUND(({plain})-({outgoing}),6)")), "{told}");
    // The members of a complete dimension, and one that is not filled in yet.
    let parts = cell_xml(&form, &beside(&input(&form, RECEIVED), 'H'));
    let online = input(&form, "igate.dossiers.received{channel=online}");
    assert!(parts.contains(&online) && parts.contains("phải bằng số này"), "{parts}");
    assert!(!parts.contains("<v>Chưa"), "{parts}");
    // A colour beside the words, for the figure as well.
    let xml = part(&form, SHEET);
    assert_eq!(xml.matches("<conditionalFormatting ").count(), 2, "{xml}");
    assert!(xml.contains("LEN($H6)&gt;0"), "{xml}");
    // The checks are not read.
    let answer = post(&server, "", &form).expect(200);
    has(&answer["counts"], &json!({ "unchanged": 3 }));
    assert_eq!(answer["unclaimed"], json!([]));
}

#[test]
fn rows_that_are_not_due_are_folded_and_still_read() {
    let server = Server::start();
    let form = form(&server);
    let sheet = first(&form);
    let folded = "igate.dossiers.received{channel=online,service_level=4}";
    assert!(!sheet.hidden_rows.contains(&row(&form, OUTGOING)));
    assert!(sheet.hidden_rows.contains(&row(&form, folded)));
    // A kpi is folded where one of its rows is.
    let is_hidden = |kpi: &str| sheet.hidden_rows.contains(&row(&form, kpi));
    assert!(!is_hidden("=ioffice.documents.signed_rate"));
    assert!(is_hidden("=igate.services.level_share{service_level=4}"));
    let xml = part(&form, SHEET);
    assert!(xml.contains("outlineLevel=\"1\"") && xml.contains("summaryBelow=\"0\""), "{xml}");
    let answer = post(&server, "", &filled(&form, &[(&input(&form, folded), "7")])).expect(200);
    assert_eq!(
        told(&answer),
        ["igate.dossiers.received{channel=online,service_level=4} travinh 2021-11 7"]
    );
    // Where nothing is due, nothing is folded.
    server.record("tv.cang_long", &[(OUTGOING, "2021-10", 5)]);
    let free = first(&server.get("templates/tv.cang_long/2021-11.xlsx").body);
    assert_eq!(free.hidden_rows.len(), 0);
}

#[test]
fn members_have_no_stem_and_moved_labels_are_still_noticed() {
    let server = Server::start();
    let form = form(&server);
    let sheet = first(&form);
    let label = |measure: &str| sheet.grid.rows[row(&form, measure)][2].text.clone();
    assert_eq!(label(RECEIVED), "Hồ sơ tiếp nhận");
    assert_eq!(label("igate.dossiers.received{channel=online}"), "Trực tuyến");
    assert_eq!(label("igate.dossiers.received{channel=online,service_level=4}"), "Mức độ 4");
    // The reason of the submission has the whole name.
    let level = input(&form, "igate.dossiers.received{channel=online,service_level=4}");
    let noted = filled(&form, &[(&level, "7"), (&beside(&level, 'G'), "đã rà soát")]);
    let recorded = post(&server, "?dry_run=false", &noted).expect(201);
    let receipt = server.read(&format!("submissions/{}", recorded["submission"].as_str().unwrap()));
    assert_eq!(receipt["reason"], "Hồ sơ tiếp nhận: Trực tuyến: Mức độ 4: đã rà soát");
    // Sorted without the hidden codes.
    let other = input(&form, "igate.dossiers.received{channel=online,service_level=3}");
    let cells = [beside(&level, 'C'), beside(&other, 'C')];
    let sorted = filled(&form, &[(&cells[0], "Mức độ 3"), (&cells[1], "Mức độ 4")]);
    let mut expected = cells.map(|cell| format!("Số liệu!{cell} contradicts_code"));
    expected.sort();
    assert_eq!(post(&server, "", &sorted).faults(422), expected);
}

#[test]
fn the_guide_fits_a_page() {
    let server = Server::start();
    let form = form(&server);
    let guide = part(&form, "xl/worksheets/sheet2.xml");
    assert!(guide.contains("<pageSetUpPr fitToPage=\"1\"/>"), "{guide}");
    assert!(guide.contains("orientation=\"portrait\"") && !guide.contains("landscape"), "{guide}");
    assert!(part(&form, "xl/styles.xml").contains("wrapText=\"1\""));
    let width = guide.split("<col ").nth(1).unwrap().split("width=\"").nth(1).unwrap();
    let width: f64 = width.split('"').next().unwrap().parse().unwrap();
    assert!(width < 95.0, "a page in portrait is not wider: {width}");
}

#[test]
fn a_number_typed_over_a_computed_row_is_listed() {
    let server = Server::start();
    let form = form(&server);
    let rate = input(&form, "=ioffice.documents.signed_rate");
    let outgoing = input(&form, OUTGOING);
    for typed in ["55", "55,5", "khoảng 55"] {
        let full = filled(&form, &[(&outgoing, "200"), (&rate, typed)]);
        let answer = post(&server, "", &full).expect(200);
        assert_eq!(told(&answer), [format!("{OUTGOING} travinh 2021-11 200")], "{typed}");
        let left = answer["unclaimed"].as_array().unwrap();
        assert_eq!(left.len(), 1, "{typed}: {left:?}");
        has(&left[0], &json!({ "cell": rate, "reason": TYPED_OVER }));
        assert!(left[0]["reason_vi"].is_string());
    }
}

#[test]
fn labels_and_units_that_contradict_the_code_are_refused() {
    let server = Server::start();
    let form = form(&server);
    let outgoing = input(&form, OUTGOING);
    let label = beside(&outgoing, 'C');
    for text in [
        "Văn bản đi (lũy kế)",
        "Văn bản đi (kế hoạch)",
        "Văn bản đi - kế hoạch năm",
        "Văn bản đi tháng trước",
        "Văn bản đi (ước thực hiện)",
    ] {
        let typed = filled(&form, &[(&outgoing, "200"), (&label, text)]);
        let found = post(&server, "", &typed).faults(422);
        assert_eq!(found, [format!("Số liệu!{label} contradicts_code")], "{text}");
    }
    let unit = beside(&outgoing, 'D');
    for text in ["%", "đồng/người", "phút/ngày"] {
        let typed = filled(&form, &[(&outgoing, "200"), (&unit, text)]);
        let found = post(&server, "", &typed).faults(422);
        assert_eq!(found, [format!("Số liệu!{unit} contradicts_code")], "{text}");
    }
    for (text, code) in [
        ("500 đồng/người", "not_a_number"),
        ("500 đồng", "not_a_number"),
        ("31/10/2021", "not_a_number"),
        ("10/2021", "not_a_number"),
    ] {
        let reply = post(&server, "", &filled(&form, &[(&outgoing, text)]));
        assert_eq!(reply.faults(422), [format!("Số liệu!{outgoing} {code}")], "{text}");
        assert!(reply.json()["errors"][0]["detail_vi"].is_string(), "{text}");
    }
    let kept = filled(&form, &[(&outgoing, "200"), (&unit, "văn bản"), (&label, "Văn bản đi")]);
    assert_eq!(told(&post(&server, "", &kept).expect(200)).len(), 1);
}

#[test]
fn rows_with_equal_labels_that_were_exchanged_without_their_codes_are_noticed() {
    let server = Server::start();
    let form = form(&server);
    let sheet = first(&form);
    let text = |row: usize, column: usize| {
        sheet.grid.rows[row].get(column).map(|cell| cell.text.clone()).unwrap_or_default()
    };
    let measures = [
        "igate.dossiers.received{channel=online}",
        "igate.dossiers.received{channel=online,service_level=4}",
    ];
    let mut seen = 0;
    for measure in measures {
        let own = row(&form, measure);
        let others = (0..sheet.grid.rows.len()).filter(|other| {
            *other != own && text(*other, 2) == text(own, 2) && !text(*other, 0).is_empty()
        });
        for other in others {
            seen += 1;
            // The number of the row moves with the rest of it, the code does not.
            let cell = |row: usize, column: char| format!("{column}{}", row + 1);
            let numbers = (text(own, 1), text(other, 1));
            let exchanged = filled(
                &form,
                &[
                    (&cell(own, 'B'), &numbers.1),
                    (&cell(other, 'B'), &numbers.0),
                    (&cell(own, 'F'), "7"),
                ],
            );
            let found = post(&server, "", &exchanged).faults(422);
            assert!(
                found.contains(&format!("Số liệu!{} contradicts_code", cell(own, 'C'))),
                "{measure} and {}: {found:?}",
                text(other, 0)
            );
        }
    }
    assert!(seen > 0, "the form has rows with equal labels");
}
