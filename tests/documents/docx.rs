//! Unusual constructs in DOCX files.

use documents::{MediaType, read};

use super::build::{blocks, docx, docx_of, docx_with, p};

fn shown(body: &str) -> Vec<String> {
    blocks(&docx(body), MediaType::Docx)
}

fn r(text: &str) -> String {
    format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

#[test]
fn deleted_and_hidden_text_is_left_out_and_inserted_text_is_kept() {
    let body = format!(
        "<w:p>{}<w:del><w:r><w:delText>99</w:delText></w:r></w:del><w:ins>{}</w:ins><w:moveFrom>\
         {}</w:moveFrom><w:moveTo>{}</w:moveTo><w:r><w:rPr><w:vanish/></w:rPr><w:t>ẩn</w:t></w:r>\
         <w:r><w:rPr><w:vanish w:val=\"0\"/></w:rPr><w:t>.</w:t></w:r></w:p>",
        r("Tạo mới "),
        r("12"),
        r("cũ"),
        r(" tài khoản")
    );
    assert_eq!(shown(&body), ["Tạo mới 12 tài khoản."]);
    let styled = docx_with(
        "<w:p><w:r><w:rPr><w:rStyle \
         w:val=\"H\"/></w:rPr><w:t>ẩn</w:t></w:r><w:r><w:t>hiện.</w:t></w:r></w:p>",
        "<w:style w:styleId=\"B\"><w:rPr><w:vanish/></w:rPr></w:style><w:style \
         w:styleId=\"H\"><w:basedOn w:val=\"B\"/></w:style>",
        "",
    );
    assert_eq!(blocks(&styled, MediaType::Docx), ["hiện."]);
    let mark = "<w:pPr><w:rPr><w:del/></w:rPr></w:pPr>";
    assert_eq!(
        shown(&format!("<w:p>{mark}{}</w:p>{}", r("Tiếp nhận 5 "), p("hồ sơ."))),
        ["Tiếp nhận 5 hồ sơ."]
    );
}

#[test]
fn a_text_box_is_read_once() {
    let text = |words: &str| format!("<w:txbxContent>{}</w:txbxContent>", p(words));
    let body = format!(
        "<w:p>{}<w:r><mc:AlternateContent><mc:Choice \
         Requires=\"wps\"><w:drawing><wps:txbx>{}</wps:txbx></w:drawing></mc:Choice><mc:Fallback>\
         <w:pict><v:textbox>{}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>{}</w:\
         p>",
        r("Ngoài "),
        text("Trong khung 7."),
        text("Trong khung 7."),
        r("khung.")
    );
    assert_eq!(shown(&body), ["Ngoài khung.", "Trong khung 7."]);
    let only = format!(
        "<w:p><w:r><mc:AlternateContent><mc:Fallback><w:pict><v:textbox>{}</v:textbox></w:pict></\
         mc:Fallback></mc:AlternateContent></w:r></w:p>",
        text("Cũ.")
    );
    assert_eq!(shown(&only), ["Cũ."]);
}

#[test]
fn only_the_result_of_a_field_is_read() {
    let sign = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    let field = |inner: &str, result: &str| {
        format!(
            "{}<w:r><w:instrText>PAGE 3</w:instrText></w:r>{inner}{}{}{}",
            sign("begin"),
            sign("separate"),
            r(result),
            sign("end")
        )
    };
    assert_eq!(
        shown(&format!(
            "<w:p>{}{}{}</w:p>",
            r("Tổng "),
            field(&field("", "99"), "12"),
            r(" văn bản.")
        )),
        ["Tổng 12 văn bản."]
    );
    assert_eq!(
        shown(&format!("<w:p>{}{}</w:p>{}", r("Mở."), sign("begin"), p("Sau 5."))),
        ["Mở.", "Sau 5."]
    );
}

#[test]
fn symbols_are_read_as_their_characters() {
    let body = "<w:p><w:pPr><w:tabs><w:tab \
                w:val=\"left\"/></w:tabs></w:pPr><w:r><w:t>Covid</w:t><w:noBreakHyphen/><w:t>19:</\
                w:t><w:tab/><w:t>5 a&amp;b &#x111;ơn \
                th</w:t><w:softHyphen/><w:t>ư</w:t><w:br/><w:t>và</w:t><w:br/><w:t>Mới: \
                3</w:t></w:r></w:p>";
    assert_eq!(shown(body), ["Covid-19:\t5 a&b đơn thư\nvà", "Mới: 3"]);
}

#[test]
fn links_and_controls_are_read_and_placeholders_are_not() {
    let control = |flag: &str, text: &str| {
        format!("<w:sdt><w:sdtPr>{flag}</w:sdtPr><w:sdtContent>{}</w:sdtContent></w:sdt>", r(text))
    };
    let body = format!(
        "<w:p><w:hyperlink>{}</w:hyperlink>{}{}</w:p>",
        r("mail.mau.gov.vn "),
        control("", "7 hộp."),
        control("<w:showingPlcHdr/>", "Nhập")
    );
    assert_eq!(shown(&body), ["mail.mau.gov.vn 7 hộp."]);
}

#[test]
fn headings_come_from_styles_levels_and_formatting() {
    let styles = "<w:style w:styleId=\"a1\"><w:name w:val=\"heading 1\"/></w:style><w:style \
                  w:styleId=\"b\"><w:name w:val=\"Tiêu đề 2\"/></w:style><w:style \
                  w:styleId=\"c\"><w:name w:val=\"Mục\"/><w:basedOn \
                  w:val=\"a1\"/></w:style><w:style w:styleId=\"t\"><w:name w:val=\"toc \
                  1\"/></w:style>";
    let styled = |style: &str, text: &str| {
        format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr>{}</w:p>", r(text))
    };
    let body = [
        styled("t", "1. Bưu chính\t3"),
        styled("a1", "Kết quả"),
        styled("b", "Bưu chính"),
        styled("c", "Nhiệm vụ"),
        format!("<w:p><w:pPr><w:outlineLvl w:val=\"2\"/></w:pPr>{}</w:p>", r("Thư")),
        styled("b", "Trong tháng tạo mới 12 tài khoản."),
        "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Viễn thông</w:t></w:r></w:p>".to_owned(),
    ];
    let found = blocks(&docx_with(&body.concat(), styles, ""), MediaType::Docx);
    assert_eq!(
        found,
        [
            "Bưu chính\t3",
            "1# Kết quả",
            "2# Bưu chính",
            "1# Nhiệm vụ",
            "3# Thư",
            "Trong tháng tạo mới 12 tài khoản.",
            "4# Viễn thông"
        ]
    );
    assert_eq!(
        shown(
            &[p("I. TÌNH HÌNH"), p("1. Bưu chính"), p("1. Tiếp tục làm;"), p("- Một dòng")]
                .concat()
        ),
        ["2# I. TÌNH HÌNH", "3# 1. Bưu chính", "Tiếp tục làm;", "Một dòng"]
    );
}

#[test]
fn numbers_that_word_shows_make_bold_lines_headings_and_others_entries() {
    let numbering = "<w:abstractNum w:abstractNumId=\"4\"><w:lvl w:ilvl=\"0\"><w:numFmt \
                     w:val=\"upperRoman\"/><w:lvlText w:val=\"%1.\"/></w:lvl><w:lvl \
                     w:ilvl=\"1\"><w:numFmt w:val=\"decimal\"/><w:lvlText \
                     w:val=\"%2.\"/></w:lvl></w:abstractNum><w:num w:numId=\"1\"><w:abstractNumId \
                     w:val=\"4\"/></w:num>";
    let entry = |level: usize, bold: &str, text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId \
             w:val=\"1\"/></w:numPr></w:pPr><w:r><w:rPr>{bold}</w:rPr><w:t>{text}</w:t></w:r></w:\
             p>"
        )
    };
    let body = [
        entry(0, "", "TÌNH HÌNH"),
        entry(1, "<w:b/>", "Bưu chính"),
        entry(1, "", "Sở mẫu"),
        entry(1, "<w:b/>", "Tạo mới 12 tài khoản"),
    ];
    assert_eq!(
        blocks(&docx_with(&body.concat(), "", numbering), MediaType::Docx),
        ["2# TÌNH HÌNH", "3# Bưu chính", "Sở mẫu", "Tạo mới 12 tài khoản"]
    );
}

fn tc(properties: &str, content: &str) -> String {
    format!("<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>")
}

#[test]
fn merged_cells_repeat_names_but_never_figures() {
    let row = |cells: &[String]| format!("<w:tr>{}</w:tr>", cells.concat());
    let body = format!(
        "<w:tbl>{}{}{}<w:tr><w:trPr><w:del/></w:trPr>{}{}</w:tr></w:tbl>",
        row(&[tc("", &p("Đơn vị")), tc("<w:gridSpan w:val=\"2\"/>", &p("Hồ sơ"))]),
        row(&[
            tc("<w:vMerge w:val=\"restart\"/>", &p("Sở mẫu")),
            tc("", &p("1")),
            tc("<w:vMerge w:val=\"restart\"/>", &p("1.200"))
        ]),
        row(&[
            tc("<w:vMerge/>", &p("")),
            tc("", &[p("2"), p("và 3")].concat()),
            tc("<w:vMerge/>", &p(""))
        ]),
        tc("", &p("x")),
        tc("", &p("y"))
    );
    assert_eq!(
        shown(&body),
        ["| Đơn vị | Hồ sơ | Hồ sơ", "| Sở mẫu | 1 | 1.200", "| Sở mẫu | 2 và 3 | "]
    );
    assert_eq!(
        read(&docx(&body), MediaType::Docx).unwrap().text,
        "Đơn vị\tHồ sơ\t\nSở mẫu\t1\t1.200\n\t2 và 3\t\n"
    );
}

#[test]
fn a_nested_table_is_read_as_text_and_a_one_column_table_as_paragraphs() {
    let inner = format!("<w:tbl><w:tr>{}{}</w:tr></w:tbl>", tc("", &p("a")), tc("", &p("b")));
    assert_eq!(
        shown(&format!(
            "<w:tbl><w:tr>{}{}</w:tr></w:tbl>",
            tc("", &[p("Trong"), inner].concat()),
            tc("", &p("7"))
        )),
        ["| Trong a b | 7"]
    );
    assert_eq!(
        shown(&format!(
            "<w:tbl><w:tr>{}</w:tr></w:tbl>",
            tc("", &[p("I. TÌNH HÌNH"), p("Một câu.")].concat())
        )),
        ["2# I. TÌNH HÌNH", "Một câu."]
    );
}

#[test]
fn a_sentence_continues_over_paragraphs() {
    assert_eq!(
        shown(&[p("Họp bỏ"), p("phiếu xét 3 xã."), p("sau đó")].concat()),
        ["Họp bỏ\nphiếu xét 3 xã.", "sau đó"]
    );
}

#[test]
fn any_namespace_prefix_and_the_strict_schema_are_read() {
    let strict = "<x:document \
                  xmlns:x=\"http://purl.oclc.org/ooxml/wordprocessingml/main\"><x:body><x:p><x:r>\
                  <x:t>Một.</x:t></x:r></x:p></x:body></x:document>";
    assert_eq!(blocks(&docx_of(strict), MediaType::Docx), ["Một."]);
    let bare = "<document \
                xmlns=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"><body><p><r>\
                <t>Hai.</t></r></p></body></document>";
    assert_eq!(blocks(&docx_of(bare), MediaType::Docx), ["Hai."]);
}

#[test]
fn lines_of_a_text_that_was_pasted_into_a_document_are_paragraphs_again() {
    let wrapped = [
        "Trong tháng, hệ thống quản lý văn bản đã chuyển đi 7.401 văn bản, trong",
        "đó có 5.230 văn bản được ký số, đạt",
        "70,67%; phần mềm hoạt động ổn định trên địa bàn toàn tỉnh Trà",
        "Vinh. Số liệu được chốt vào ngày cuối cùng của tháng báo cáo, do Trung",
        "tâm Công nghệ thông tin và Truyền thông thuộc Sở Thông tin và Truyền",
        "Thông cung cấp cho các phòng chuyên môn, và được đối chiếu theo từng",
        "Tuần.",
    ];
    let one = wrapped.join("\n");
    let paragraphs: String = wrapped.iter().map(|line| p(line)).collect();
    assert_eq!(shown(&paragraphs), [one.as_str()]);
    assert_eq!(
        shown(&format!("<w:p>{}</w:p>", wrapped.map(r).join("<w:r><w:br/></w:r>"))),
        [one.as_str()]
    );
    // Short paragraphs of a document are not joined.
    let entries = ["Tạo mới 12 tài khoản", "Cấp 3 chứng thư số", "Thu hồi 1 hộp thư"];
    assert_eq!(shown(&entries.map(p).concat()), entries);
}

#[test]
fn paragraphs_that_tabs_part_into_columns_are_a_table() {
    let row = |cells: &[&str]| {
        format!(
            "<w:p>{}</w:p>",
            cells.iter().map(|cell| r(cell)).collect::<Vec<_>>().join("<w:r><w:tab/></w:r>")
        )
    };
    let body = [
        p("Bảng:"),
        row(&["Mức độ", "Tiếp nhận", "Trực tuyến"]),
        row(&["Mức độ 3", "7", "5"]),
        p("Hết  rồi."),
        p("Còn  nữa."),
    ];
    assert_eq!(
        shown(&body.concat()),
        [
            "Bảng:",
            "| Mức độ | Tiếp nhận | Trực tuyến",
            "| Mức độ 3 | 7 | 5",
            "Hết  rồi.",
            "Còn  nữa."
        ]
    );
}
