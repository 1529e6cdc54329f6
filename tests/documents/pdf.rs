//! PDF files made by hand: lines, paragraphs, tables, headers and fonts.

use documents::MediaType;

use super::build::{at, blocks, pages, pdf, stream};

fn shown(contents: &[&str]) -> Vec<String> {
    blocks(&pages(contents), MediaType::Pdf)
}

#[test]
fn lines_become_paragraphs_headings_and_entries() {
    let lines = [
        "I. CONG TAC CHUNG",
        "1. Buu chinh",
        "Trong thang, he thong da tiep nhan va xu ly toan bo cac ho so gui den,",
        "trong do co 12 ho so moi.",
        "- Cap 3 giay phep;",
        "- Thu hoi 1.",
    ];
    let page: String =
        lines.iter().zip(0..).map(|(line, place)| at(60, 780 - 16 * place, line)).collect();
    let paragraph = format!("{} {}", lines[2], lines[3]);
    assert_eq!(
        shown(&[&page]),
        ["2# I. CONG TAC CHUNG", "3# 1. Buu chinh", &paragraph, "Cap 3 giay phep;", "Thu hoi 1."]
    );
}

#[test]
fn a_paragraph_continues_over_pages_without_headers_and_footers() {
    let page = |number: usize, text: &str| {
        format!(
            "{}{}{}",
            at(60, 810, "Bao cao mau"),
            at(60, 700, text),
            at(300, 40, &number.to_string())
        )
    };
    let contents = [page(1, "Hop bo"), page(2, "phieu xet 3 xa."), page(3, "Het.")];
    assert_eq!(
        shown(&[&contents[0], &contents[1], &contents[2]]),
        ["Hop bo phieu xet 3 xa.", "Het."]
    );
}

#[test]
fn letters_placed_one_by_one_form_words() {
    let page = "BT /F1 12 Tf 60 700 Td [(Ta) 20 (o) -300 (m) 10 (oi)] TJ 0 -14 Td 14 TL (12) Tj T* \
                (7.) Tj ET";
    assert_eq!(shown(&[page]), ["Tao moi", "12", "7."]);
}

#[test]
fn ruled_cells_and_wide_gaps_form_tables() {
    let mut page = String::new();
    for (row, cells) in [["Don vi", "So"], ["So mau", "12"], ["Huyen", "7"]].iter().enumerate() {
        let y = 700 - 20 * u32::try_from(row).unwrap();
        page += &format!(
            "60 {} 100 20 re 160 {} 80 20 re S\n{}{}",
            y - 5,
            y - 5,
            at(64, y, cells[0]),
            at(164, y, cells[1])
        );
    }
    page += &at(64, 630, "dai");
    assert_eq!(shown(&[&page]), ["| Don vi | So", "| So mau | 12", "| Huyen | 7", "dai"]);
    let page =
        [at(60, 700, "Don vi"), at(260, 700, "So"), at(60, 680, "So mau"), at(260, 680, "12")]
            .concat();
    assert_eq!(shown(&[&page]), ["| Don vi | So", "| So mau | 12"]);
}

#[test]
fn marked_headers_and_pictures_are_skipped() {
    let page = format!(
        "/Artifact << /Type /Pagination >> BDC {} EMC {} /Im Do BI /W 1 /H 1 /CS /G /BPC 8 ID a EI",
        at(60, 800, "Dau trang"),
        at(60, 700, "Than bai.")
    );
    assert_eq!(shown(&[&page]), ["Than bai."]);
}

#[test]
fn vietnamese_is_decoded_by_the_font_cmap() {
    let map = "begincmap 1 beginbfrange <0001> <0003> <0061> endbfrange 1 beginbfrange <0004> \
               <0005> [<01B0> <01A10301>] endbfrange 1 beginbfchar <0006> <0065030200301> \
               endbfchar";
    let map = map.replace("0065030200301", "006503020301");
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 595 842] >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> \
          /XObject << /Fm 8 0 R >> >> >>"
            .to_vec(),
        stream("", b"BT /F1 12 Tf 60 700 Td <000100020003000400050006> Tj ET /Fm Do"),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H /DescendantFonts [6 0 \
          R] /ToUnicode 7 0 R >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /A /DW 500 /W [1 [500 500] 3 4000000000 \
          500] >>"
            .to_vec(),
        stream("", map.as_bytes()),
        stream(
            "/Type /XObject /Subtype /Form /Matrix [1 0 0 1 0 -100]",
            b"BT /F1 12 Tf 60 700 Td <0006> Tj ET",
        ),
    ];
    assert_eq!(blocks(&pdf(&objects), MediaType::Pdf), ["abcướế ế"]);
}

#[test]
fn repeated_text_with_different_figures_is_kept() {
    let page = |figure: usize| {
        format!("{}{}", at(60, 810, &format!("Cap {figure} giay phep.")), at(60, 790, "Het."))
    };
    let contents = [page(7), page(9), page(30)];
    let found = shown(&[&contents[0], &contents[1], &contents[2]]);
    assert_eq!(
        found.iter().filter(|line| line.starts_with("Cap")).collect::<Vec<_>>(),
        ["Cap 7 giay phep.", "Cap 9 giay phep.", "Cap 30 giay phep."]
    );
}

#[test]
fn composed_letters_are_read_from_actual_text() {
    // As LibreOffice writes a letter that the font does not have: a second shape is drawn after the
    // first and moved back over it.
    let spelt = "BT /F1 10 Tf 60 700 Td (k) Tj /Span <</ActualText<FEFF1EBF>>> BDC (es) Tj EMC 1 0 \
                 0 1 71 700 Tm ( hoach, ) Tj /Span <</ActualText<FEFF>>> BDC (-) Tj EMC (7.) Tj \
                 ET";
    let width = 5.0;
    assert_eq!(shown(&[&spelt.replace("71", &(60.0 + 2.0 * width).to_string())]), ["kế hoach, 7."]);
    // A given text (`ActualText`) for several lines is not put into one line.
    let lines = format!(
        "/Span <</ActualText<FEFF0041>>> BDC {}{} EMC",
        at(60, 700, "Mot 1."),
        at(60, 600, "Hai 2.")
    );
    assert_eq!(shown(&[&lines]), ["Mot 1.", "Hai 2."]);
    // Diacritics that are separate letters in the font.
    let map = "begincmap 1 beginbfchar <0001> <006B> <0002> <00EA> <0003> <0301> <0004> <0020> \
               <0005> <0068> endbfchar";
    let objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 /MediaBox [0 0 595 842] >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_vec(),
        stream("", b"BT /F1 12 Tf 60 700 Td [<000100020003> 602 <000400050002>] TJ ET"),
        b"<< /Type /Font /Subtype /Type0 /BaseFont /A /Encoding /Identity-H /DescendantFonts [6 0 \
          R] /ToUnicode 7 0 R >>"
            .to_vec(),
        b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /A /DW 602 >>".to_vec(),
        stream("", map.as_bytes()),
    ];
    assert_eq!(blocks(&pdf(&objects), MediaType::Pdf), ["kế hê"]);
}
