//! Hostile files, and files of another kind than stated.

use std::time::Instant;

use documents::{MediaType, limits, read};

use super::build::{NAMES, at, deflated, docx, docx_of, p, pages, pdf, refused, stream, zip};

#[test]
fn a_file_of_another_type_is_refused_with_its_name() {
    let ole = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [&[0xD0, 0xCF, 0x11, 0xE0][..], &[0; 600], &wide, &[0; 100]].concat()
    };
    let cases: [(Vec<u8>, MediaType, &str, &str); 13] = [
        (docx(&p("a")), MediaType::Text, "wrong_media", "DOCX"),
        (pages(&[&at(50, 700, "a")]), MediaType::Markdown, "wrong_media", "PDF"),
        (b"text".to_vec(), MediaType::Pdf, "wrong_media", "neither"),
        (pages(&[&at(50, 700, "a")]), MediaType::Docx, "wrong_media", "PDF"),
        (ole("WordDocument"), MediaType::Docx, "unsupported_document", ".doc"),
        (ole("EncryptedPackage"), MediaType::Docx, "encrypted", "password"),
        (ole("Workbook"), MediaType::Docx, "unsupported_document", ".xls"),
        (b"{\\rtf1 a}".to_vec(), MediaType::Text, "unsupported_document", "RTF"),
        (
            zip(&[("[Content_Types].xml", b"<a/>"), ("xl/workbook.xml", b"<a/>")]),
            MediaType::Docx,
            "unsupported_document",
            "/workbooks",
        ),
        (
            zip(&[("mimetype", b"a"), ("content.xml", b"<a/>")]),
            MediaType::Docx,
            "unsupported_document",
            "OpenDocument",
        ),
        (zip(&[("a.txt", b"a")]), MediaType::Docx, "unsupported_document", "ZIP"),
        (
            zip(&[("[Content_Types].xml", b"<a/>"), ("word/vbaProject.bin", b"a")]),
            MediaType::Docx,
            "macros",
            ".docm",
        ),
        (
            zip(&[(
                "[Content_Types].xml",
                b"<a b='application/vnd.ms-word.document.macroEnabled.main+xml'/>",
            )]),
            MediaType::Docx,
            "macros",
            ".docm",
        ),
    ];
    for (bytes, media, code, word) in cases {
        let refusal = refused(&bytes, media);
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.detail.contains(word), "{refusal}");
    }
    assert_eq!(refused(&vec![b'a'; limits::FILE_BYTES + 1], MediaType::Text).code, "too_large");
}

#[test]
fn a_docx_that_unpacks_to_too_much_is_refused() {
    let spaces = " ".repeat(40 << 20);
    assert_eq!(
        refused(&docx_of(&format!("<w:document {NAMES}>{spaces}</w:document>")), MediaType::Docx)
            .code,
        "zip_bomb"
    );
    let many: Vec<(String, &[u8])> =
        (0..=limits::ZIP_ENTRIES).map(|number| (number.to_string(), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> =
        many.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    assert_eq!(refused(&zip(&many), MediaType::Docx).code, "zip_bomb");
}

#[test]
fn xml_that_is_deep_or_declares_entities_is_refused() {
    let deep = |depth: usize| {
        format!(
            "<w:document {NAMES}>{}{}</w:document>",
            "<w:p>".repeat(depth - 1),
            "</w:p>".repeat(depth - 1)
        )
    };
    assert!(read(&docx_of(&deep(limits::XML_DEPTH)), MediaType::Docx).is_ok());
    assert_eq!(refused(&docx_of(&deep(limits::XML_DEPTH + 1)), MediaType::Docx).code, "too_deep");
    assert_eq!(refused(&docx_of(&deep(1_000_000)), MediaType::Docx).code, "too_deep");
    let entities = format!("<!DOCTYPE a [<!ENTITY b \"c\">]><w:document {NAMES}>&b;</w:document>");
    assert_eq!(refused(&docx_of(&entities), MediaType::Docx).code, "malformed_document");
    assert_eq!(refused(&docx(&p("&b;")), MediaType::Docx).code, "malformed_document");
    assert_eq!(refused(&docx_of("<w:document"), MediaType::Docx).code, "malformed_document");
    assert_eq!(
        refused(&zip(&[("[Content_Types].xml", b"<a/>")]), MediaType::Docx).code,
        "malformed_document"
    );
}

#[test]
fn a_docx_with_too_large_tables_is_refused() {
    let row = "<w:tr><w:tc><w:p/></w:tc><w:tc><w:p/></w:tc></w:tr>";
    assert!(
        read(&docx(&format!("<w:tbl>{}</w:tbl>", row.repeat(limits::TABLE_ROWS))), MediaType::Docx)
            .is_ok()
    );
    assert_eq!(
        refused(
            &docx(&format!("<w:tbl>{}</w:tbl>", row.repeat(limits::TABLE_ROWS + 1))),
            MediaType::Docx
        )
        .code,
        "too_many_rows"
    );
    let wide = "<w:tr><w:tc><w:tcPr><w:gridSpan \
                w:val=\"99999999\"/></w:tcPr><w:p/></w:tc><w:tc><w:p/></w:tc></w:tr>";
    assert_eq!(
        refused(
            &docx(&format!("<w:tbl>{}</w:tbl>", wide.repeat(limits::TABLE_ROWS / 2))),
            MediaType::Docx
        )
        .code,
        "too_many_rows"
    );
}

/// A PDF with a page of these instructions and with further objects from number 6 on.
fn page_with(resources: &str, content: Vec<u8>, more: &[Vec<u8>]) -> Vec<u8> {
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [4 0 R] /Count 1 /MediaBox [0 0 595 842] >>".to_vec(),
        b"<< /Type /Font /Subtype /TrueType /BaseFont /Times /Encoding /WinAnsiEncoding >>"
            .to_vec(),
        format!(
            "<< /Type /Page /Parent 2 0 R /Contents 5 0 R /Resources << /Font << /F1 3 0 R >> \
             {resources} >> >>"
        )
        .into_bytes(),
        content,
    ];
    objects.extend(more.iter().cloned());
    pdf(&objects)
}

#[test]
fn a_pdf_that_unpacks_to_too_much_is_refused() {
    let began = Instant::now();
    let once = deflated(&vec![b' '; limits::PDF_STREAM_BYTES + 1]);
    assert_eq!(
        refused(&page_with("", stream("/Filter /FlateDecode", &once), &[]), MediaType::Pdf).code,
        "zip_bomb"
    );
    let twice = deflated(&once);
    assert_eq!(
        refused(
            &page_with("", stream("/Filter [/FlateDecode /FlateDecode]", &twice), &[]),
            MediaType::Pdf
        )
        .code,
        "zip_bomb"
    );
    let part = deflated(&vec![b' '; limits::PDF_STREAM_BYTES / 2]);
    let many: Vec<Vec<u8>> = (0..5).map(|_| stream("/Filter /FlateDecode", &part)).collect();
    assert_eq!(refused(&page_with("", stream("", b" "), &many), MediaType::Pdf).code, "zip_bomb");
    assert!(began.elapsed() < limits::TIME * 3);
}

#[test]
fn a_pdf_whose_directory_never_ends_is_refused() {
    let directory = |entries: &str, content: &[u8]| {
        let object = stream(&format!("/Type /XRef {entries}"), content);
        [b"%PDF-1.7\n1 0 obj\n".as_slice(), &object, b"\nendobj\nstartxref\n9\n%%EOF\n"].concat()
    };
    let cases: [(&str, Vec<u8>); 6] = [
        ("/Size 9 /W [0 0 0] /Index [0 4000000000]", b"aaaa".to_vec()),
        ("/Size 9 /#57 [0 0 0] /Index [0 4000000000]", b"aaaa".to_vec()),
        ("/Size 9 /W [1 999999999999 1]", b"aaaa".to_vec()),
        (
            "/Size 9 /W [1 2 1] /Filter /FlateDecode",
            deflated(&vec![1; limits::PDF_DIRECTORY_BYTES + 1]),
        ),
        ("/Size 9 /W [1 2 1] /Filter [/FlateDecode /FlateDecode]", deflated(&deflated(b"aaaa"))),
        (
            "/Size 9 /W [1 2 1] /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns \
             999999999 >>",
            deflated(b"aaaa"),
        ),
    ];
    for (entries, content) in cases {
        let refusal = refused(&directory(entries, &content), MediaType::Pdf);
        assert!(matches!(refusal.code, "malformed_document" | "zip_bomb"), "{refusal}");
    }
}

/// A form of a PDF that may draw the objects of its resources.
fn form(resources: &str, content: &str) -> Vec<u8> {
    let entries =
        format!("/Type /XObject /Subtype /Form /Resources << /XObject << {resources} >> >>");
    stream(&entries, content.as_bytes())
}

#[test]
fn a_pdf_whose_form_draws_itself_is_refused() {
    let own = form("/A 6 0 R", "/A Do");
    let page = page_with("/XObject << /A 6 0 R >>", stream("", b"/A Do"), &[own]);
    assert_eq!(refused(&page, MediaType::Pdf).code, "too_deep");
}

#[test]
#[ignore = "takes all the time that a PDF may take: ./tests/run"]
fn a_pdf_whose_forms_draw_others_many_times_is_refused_after_a_time() {
    let each = |number: usize| form(&format!("/A {} 0 R", number + 1), &"/A Do ".repeat(60));
    let chain: Vec<Vec<u8>> = (6..6 + limits::PDF_FORM_DEPTH - 1).map(each).collect();
    let page = page_with("/XObject << /A 6 0 R >>", stream("", b"/A Do"), &chain);
    let began = Instant::now();
    assert_eq!(refused(&page, MediaType::Pdf).code, "too_slow");
    assert!(began.elapsed() < limits::TIME * 2);
}

#[test]
fn a_pdf_with_too_much_in_it_is_refused() {
    let words =
        vec![b' '; 0].into_iter().chain(b"1 ".repeat(limits::PDF_TOKENS + 1)).collect::<Vec<u8>>();
    assert_eq!(refused(&page_with("", stream("", &words), &[]), MediaType::Pdf).code, "too_large");
    let packed = stream("/Filter /FlateDecode", &deflated(&words));
    assert_eq!(refused(&page_with("", packed, &[]), MediaType::Pdf).code, "too_large");
    let many: Vec<String> = (0..=limits::PDF_PAGES).map(|_| at(50, 700, "a")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(refused(&pages(&many), MediaType::Pdf).code, "too_large");
    assert!(read(&pages(&many[..limits::PDF_PAGES]), MediaType::Pdf).is_ok());
}

#[test]
fn a_pdf_without_text_or_with_a_password_is_refused() {
    assert_eq!(refused(&pages(&["0 0 100 100 re f"]), MediaType::Pdf).code, "no_text_layer");
    let unknown = page_with("", stream("", b"BT /F1 12 Tf (abc) Tj ET"), &[]);
    let (known, wide) = (
        "/Subtype /TrueType /BaseFont /Times /Encoding /WinAnsiEncoding",
        "/Subtype /Type0 /BaseFont /Times /Encoding /Identity-H",
    );
    let unknown = String::from_utf8(unknown)
        .unwrap()
        .replace(known, &format!("{wide:<width$}", width = known.len()));
    assert_eq!(refused(unknown.as_bytes(), MediaType::Pdf).code, "no_text_layer");
    for name in ["/Encrypt", "/#45ncrypt"] {
        let locked = String::from_utf8(pages(&[&at(50, 700, "a")]))
            .unwrap()
            .replace("/Root", &format!("{name} << /Filter /Standard /V 1 >> /Root"));
        assert_eq!(refused(locked.as_bytes(), MediaType::Pdf).code, "encrypted", "{name}");
    }
    for broken in [
        &b"%PDF-1.7"[..],
        b"%PDF-1.7\nstartxref\n99999\n%%EOF",
        b"%PDF-1.7\ntrailer <<>>\nstartxref\n9\n%%EOF",
    ] {
        assert_eq!(refused(broken, MediaType::Pdf).code, "malformed_document");
    }
}
