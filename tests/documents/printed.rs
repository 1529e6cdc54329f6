//! Numbers by what is printed: superscripts, struck-out text, lines of a cell, letters that were
//! decoded wrongly.

use documents::MediaType;

use super::build::{at, blocks, docx, docx_with, p, pages, refused};

fn run(format: &str, text: &str) -> String {
    format!("<w:r><w:rPr>{format}</w:rPr><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

fn paragraph(runs: &[(&str, &str)]) -> String {
    let runs: String = runs.iter().map(|(format, text)| run(format, text)).collect();
    format!("<w:p>{runs}</w:p>")
}

fn table(rows: &[&[String]]) -> String {
    let row = |cells: &&[String]| {
        let cells: String = cells.iter().map(|cell| format!("<w:tc>{cell}</w:tc>")).collect();
        format!("<w:tr>{cells}</w:tr>")
    };
    format!("<w:tbl>{}</w:tbl>", rows.iter().map(row).collect::<String>())
}

fn shown(body: &str) -> Vec<String> {
    blocks(&docx(body), MediaType::Docx)
}

const RAISED: &str = "<w:vertAlign w:val=\"superscript\"/>";
const STRUCK: &str = "<w:strike/>";

#[test]
fn raised_and_lowered_text_of_a_docx_is_no_part_of_the_number() {
    for (runs, expected) in [
        (vec![("", "Văn bản đi: 316"), (RAISED, "1")], "Văn bản đi: 316¹"),
        (vec![(RAISED, "1"), ("", "316 văn bản")], "¹316 văn bản"),
        (vec![("", "Đi 316"), ("<w:position w:val=\"6\"/>", "(2)")], "Đi 316⁽²⁾"),
        (vec![("", "Đi 316"), ("<w:vertAlign w:val=\"subscript\"/>", "3")], "Đi 316₃"),
        (vec![("", "Đi 316"), ("<w:position w:val=\"1\"/>", "5")], "Đi 3165"),
        (vec![("", "Đi 316"), ("<w:vertAlign w:val=\"baseline\"/>", "5")], "Đi 3165"),
        // A paragraph that is raised as a whole has no line above which it stands.
        (vec![(RAISED, "Đi 316")], "Đi 316"),
    ] {
        assert_eq!(shown(&paragraph(&runs)), [expected], "{runs:?}");
    }
    let styled = docx_with(
        &paragraph(&[("", "Đi 316"), ("<w:rStyle w:val=\"N\"/>", "1")]),
        "<w:style w:styleId=\"N\"><w:rPr><w:vertAlign w:val=\"superscript\"/></w:rPr></w:style>",
        "",
    );
    assert_eq!(blocks(&styled, MediaType::Docx), ["Đi 316¹"]);
    let cells = [p("Chỉ tiêu"), p("Số")];
    let figures = [p("Văn bản đi"), paragraph(&[("", "316"), (RAISED, "1")])];
    assert_eq!(shown(&table(&[&cells, &figures])), ["| Chỉ tiêu | Số", "| Văn bản đi | 316¹"]);
}

#[test]
fn struck_out_text_of_a_docx_is_not_read() {
    for (runs, expected) in [
        (vec![("", "Đi: "), (STRUCK, "300"), ("", "316")], "Đi: 316"),
        (vec![(STRUCK, "3"), ("", "27 văn bản")], "27 văn bản"),
        (vec![("<w:dstrike/>", "3"), ("", "27 văn bản")], "27 văn bản"),
        (vec![("", "Đi 3"), ("<w:strike w:val=\"0\"/>", "16")], "Đi 316"),
        (
            vec![("", "Đi 3"), ("<w:strike/><w:dstrike w:val=\"0\"/>", "9"), ("", " tệp")],
            "Đi 3 tệp",
        ),
        // Without the figure between them the others are not certainly one number.
        (vec![("", "Đi 2"), (STRUCK, "7"), ("", "3")], "Đi 2 3"),
    ] {
        assert_eq!(shown(&paragraph(&runs)), [expected], "{runs:?}");
    }
    assert!(shown(&paragraph(&[(STRUCK, "Văn bản đi: 300")])).is_empty());
    let styles = "<w:style w:styleId=\"X\"><w:rPr><w:strike/></w:rPr></w:style>";
    let struck = format!("<w:p><w:pPr><w:pStyle w:val=\"X\"/></w:pPr>{}</w:p>", run("", "300"));
    let styled = docx_with(&format!("{struck}{}", p("Đi 316")), styles, "");
    assert_eq!(blocks(&styled, MediaType::Docx), ["Đi 316"]);
}

#[test]
fn digits_in_two_lines_of_a_cell_stay_apart() {
    let tab = "<w:p><w:r><w:t>5</w:t><w:tab/><w:t>100</w:t></w:r></w:p>".to_owned();
    let broken = "<w:p><w:r><w:t>13</w:t><w:br/><w:t>594 hồ sơ</w:t></w:r></w:p>".to_owned();
    let name = "<w:p><w:r><w:t>Văn bản</w:t><w:br/><w:t>đi</w:t></w:r></w:p>".to_owned();
    let rows: [&[String]; 4] = [
        &[p("Chỉ tiêu"), p("Số")],
        &[name, format!("{}{}", p("300"), p("316"))],
        &[p("Đến"), tab],
        &[p("Hồ sơ"), broken],
    ];
    assert_eq!(
        shown(&table(&rows)),
        ["| Chỉ tiêu | Số", "| Văn bản đi | 300\n316", "| Đến | 5\n100", "| Hồ sơ | 13\n594 hồ sơ"]
    );
}

/// The instructions that draw a text in a size at a position.
fn sized(size: u32, x: u32, y: u32, text: &str) -> String {
    format!("BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET\n")
}

/// The instructions that draw a level line.
fn line(from: f64, to: f64, y: f64) -> String {
    format!("{from} {y} m {to} {y} l S\n")
}

fn drawn(contents: &[&str]) -> Vec<String> {
    blocks(&pages(contents), MediaType::Pdf)
}

// The font of these files has letters of half their size.

#[test]
fn raised_digits_of_a_pdf_are_no_part_of_the_number() {
    let raised = format!("{}{}", at(60, 700, "Di: 316"), sized(8, 102, 704, "1"));
    assert_eq!(drawn(&[&raised]), ["Di: 316¹"]);
    let before = format!("{}{}", sized(8, 60, 704, "1"), at(64, 700, "316 van ban"));
    assert_eq!(drawn(&[&before]), ["¹316 van ban"]);
    let rise =
        "BT /F1 12 Tf 60 700 Td (Di: 316) Tj /F1 7 Tf 5 Ts (12) Tj 0 Ts /F1 12 Tf ( tep) Tj ET";
    assert_eq!(drawn(&[rise]), ["Di: 316¹² tep"]);
    let lowered = format!("{}{}", at(60, 700, "Di: 316"), sized(8, 102, 697, "2"));
    assert_eq!(drawn(&[&lowered]), ["Di: 316₂"]);
    // A smaller digit on the same line is one of the number.
    let small = format!("{}{}", at(60, 700, "Di: 31"), sized(10, 96, 700, "6"));
    assert_eq!(drawn(&[&small]), ["Di: 316"]);
}

#[test]
fn letters_of_a_pdf_with_a_line_through_them_are_not_read() {
    let figure = at(60, 700, "Di: 300 316");
    assert_eq!(drawn(&[&format!("{figure}{}", line(84.0, 102.0, 703.0))]), ["Di: 316"]);
    let bar = "84 702.6 18 0.8 re f\n";
    assert_eq!(drawn(&[&format!("{figure}{bar}")]), ["Di: 316"]);
    let part = at(60, 700, "327 van ban");
    assert_eq!(drawn(&[&format!("{part}{}", line(60.0, 66.0, 703.5))]), ["27 van ban"]);
    let inner = at(60, 700, "Di 273");
    assert_eq!(drawn(&[&format!("{inner}{}", line(84.0, 90.0, 703.0))]), ["Di 2 3"]);
    // An underlined figure and one above a rule are read.
    for y in [698.5, 690.0, 712.0] {
        assert_eq!(drawn(&[&format!("{figure}{}", line(84.0, 102.0, y))]), ["Di: 300 316"], "{y}");
    }
}

/// A ruled table of two columns: each row with its height above the page's foot.
fn ruled(rows: &[(u32, &str, &str)]) -> String {
    rows.iter()
        .map(|(y, label, figure)| {
            let boxes = format!("60 {} 100 20 re 160 {} 80 20 re S\n", y - 5, y - 5);
            format!("{boxes}{}{}", at(64, *y, label), at(164, *y, figure))
        })
        .collect()
}

#[test]
fn digits_in_two_lines_of_a_pdf_cell_stay_apart() {
    let mut page = ruled(&[(720, "Chi tieu", "So")]);
    page += &format!("60 675 100 40 re 160 675 80 40 re S\n{}", at(64, 700, "Van ban di"));
    page += &format!("{}{}", at(164, 700, "300"), at(164, 682, "316"));
    assert_eq!(drawn(&[&page]), ["| Chi tieu | So", "| Van ban di | 300\n316"]);
}

#[test]
fn a_pdf_table_goes_on_over_the_page_without_its_heading() {
    let first = ruled(&[(120, "Chi tieu", "So"), (100, "Van ban di", "316")]);
    let second = ruled(&[(780, "Van ban den", "27"), (760, "Ho so", "12")]);
    let third = ruled(&[(780, "Tai khoan", "5")]);
    assert_eq!(
        drawn(&[&first, &second, &third]),
        [
            "| Chi tieu | So",
            "| Van ban di | 316",
            "| Van ban den | 27",
            "| Ho so | 12",
            "| Tai khoan | 5"
        ]
    );
    // Without rules, by the places of the columns.
    let gapped = |rows: &[(u32, &str, &str)]| -> String {
        rows.iter().map(|(y, a, b)| at(60, *y, a) + &at(260, *y, b)).collect()
    };
    let pages = [
        gapped(&[(120, "Chi tieu", "So"), (100, "Van ban di", "316")]),
        gapped(&[(780, "Van ban den", "27"), (760, "Ho so", "12")]),
    ];
    let found = blocks(&super::build::pages(&[&pages[0], &pages[1]]), MediaType::Pdf);
    assert_eq!(found.len(), 4);
    assert_eq!(tables(&[&pages[0], &pages[1]]), 1);
    let one = gapped(&[(780, "Van ban den", "27")]);
    let found =
        blocks(&super::build::pages(&[&pages[0], &one, &one.replace("27", "31")]), MediaType::Pdf);
    assert_eq!(found[2..], ["| Van ban den | 27", "| Van ban den | 31"]);
    assert_eq!(tables(&[&first, &second, &third]), 1);
    // A table with a heading of its own, and one with other columns, are other tables.
    let other = ruled(&[(780, "Don vi", "Thang truoc"), (760, "Ho so", "12")]);
    assert_eq!(tables(&[&first, &other]), 2);
    let moved = second.replace("160 ", "190 ").replace("164 ", "194 ");
    assert_eq!(tables(&[&first, &moved]), 2);
    let text = format!("{}{}", at(60, 820, "Bang so 2 ve viec khac."), second);
    assert_eq!(tables(&[&first, &text]), 2);
}

fn tables(contents: &[&str]) -> usize {
    let document = documents::read(&pages(contents), MediaType::Pdf).unwrap();
    let is_table =
        |block: &&documents::DocumentBlock| matches!(block.kind, documents::BlockKind::Table(_));
    document.blocks.iter().filter(is_table).count()
}

/// A text of which the UTF-8 was read as Latin-1.
fn damaged(text: &str) -> String {
    text.bytes().map(char::from).collect()
}

#[test]
fn text_that_was_decoded_wrongly_is_refused() {
    let text = damaged("Báo cáo tháng 10. Văn bản đi: 316 văn bản.");
    for (bytes, media) in [
        (text.clone().into_bytes(), MediaType::Text),
        (format!("# {text}").into_bytes(), MediaType::Markdown),
        (docx(&p(&damaged("Tiếp nhận 12 hồ sơ"))), MediaType::Docx),
        (
            docx(&table(&[&[p("a"), p(&damaged("Số lượng tài khoản"))], &[p("b"), p("3")]])),
            MediaType::Docx,
        ),
    ] {
        let refusal = refused(&bytes, media);
        assert_eq!(refusal.code, "damaged_text", "{media:?}");
        assert!(refusal.detail.contains("Latin-1") && refusal.detail_vi.is_some());
    }
    let sound = "THỊ XÃ” 12 «lá»” Café: 316 văn bản đi.";
    assert_eq!(blocks(sound.as_bytes(), MediaType::Text).len(), 1);
}

#[test]
fn the_icelandic_eth_is_the_vietnamese_d() {
    for text in ["Văn bản \u{f0}i, \u{d0}iện Biên", "Văn bản \u{256}i, \u{189}iện Biên"]
    {
        let expected = ["Văn bản đi, Điện Biên"];
        assert_eq!(blocks(text.as_bytes(), MediaType::Text), expected);
        assert_eq!(shown(&p(text)), expected);
    }
}
