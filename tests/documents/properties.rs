//! Properties that hold for all bytes and all texts. The fuzz targets in `fuzz/` test the same for
//! longer.

use std::time::Instant;

use documents::{BlockKind, Document, MediaType, limits, read};
use egov_kpi::render::docx::{DocxBlock, docx as written};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::build::{at, docx, docx_of, p, pages};

/// Checks that every range of the document is valid, and that its parts are in order and do not
/// overlap.
fn sound(document: &Document) {
    let mut last = 0;
    for block in &document.blocks {
        assert!(
            document.text.get(block.range.clone()).is_some() && block.range.start >= last,
            "{block:?}"
        );
        last = block.range.end;
        if let BlockKind::Table(rows) = &block.kind {
            for cell in rows.iter().flatten() {
                assert!(
                    document.text.get(cell.clone()).is_some()
                        && cell.start >= block.range.start
                        && cell.end <= block.range.end,
                    "{cell:?} of {block:?}"
                );
            }
        }
    }
}

fn read_all(bytes: &[u8]) {
    let began = Instant::now();
    for media in [MediaType::Text, MediaType::Markdown, MediaType::Docx, MediaType::Pdf] {
        if let Ok(document) = read(bytes, media) {
            sound(&document);
        }
    }
    assert!(began.elapsed() < limits::TIME);
}

/// Lines as in reports, and lines with broken structure.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Zđưếộ0-9 .,;:%()/-]{0,60}",
        "(#{1,7} |- |\\+ |[0-9]{1,2}\\. |I{1,3}\\. |a\\) |\\| |> |\\*\\*)[A-ZĐa-z0-9 |*.:]{0,30}",
        "([a-z0-9ê]{0,6}(  |\t|\\|)){1,4}",
        "\\PC{0,20}",
        Just("+---+---+".to_owned()),
        Just("|---|---|".to_owned()),
        Just(String::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        read_all(&bytes);
        for head in [&b"%PDF-1.7\n"[..], b"PK\x03\x04", b"\xff\xfe", b"\xd0\xcf\x11\xe0"] {
            read_all(&[head, &bytes].concat());
        }
    }

    #[test]
    fn any_lines_keep_their_text_and_have_sound_blocks(
        lines in proptest::collection::vec(line(), 0..30),
    ) {
        let text = lines.join("\n");
        for media in [MediaType::Text, MediaType::Markdown] {
            let document = read(text.as_bytes(), media).unwrap();
            sound(&document);
            let same = read(document.text.as_bytes(), media).unwrap();
            prop_assert_eq!(&same, &document);
            // Every letter and digit of plain text is in a part of the document, except the numbers
            // of list items.
            if media == MediaType::Text {
                let held: usize = document
                    .blocks
                    .iter()
                    .map(|block| {
                        document
                            .slice(&block.range)
                            .chars()
                            .filter(|letter| letter.is_alphabetic())
                            .count()
                    })
                    .sum();
                let marks = lines.len() * 4;
                prop_assert!(
                    held + marks
                        >= document.text.chars().filter(|letter| letter.is_alphabetic()).count()
                );
            }
        }
    }

    #[test]
    fn decomposed_text_reads_as_composed(
        lines in proptest::collection::vec("[a-zA-ZđưếộÀẢỹ0-9 .,]{0,40}", 0..10),
    ) {
        let text = lines.join("\r\n");
        let apart: String = text.nfd().collect();
        prop_assert_eq!(
            read(apart.as_bytes(), MediaType::Markdown),
            read(text.as_bytes(), MediaType::Markdown)
        );
    }

    #[test]
    fn any_text_written_as_docx_is_read_back(
        lines in proptest::collection::vec("[A-ZĐ][a-zđưếộ0-9 <>&\"'%,]{0,40}\\.", 0..10),
    ) {
        let blocks: Vec<DocxBlock> = lines.iter().cloned().map(DocxBlock::Paragraph).collect();
        let expected: String = lines.iter().map(|line| format!("{}\n", line.trim())).collect();
        prop_assert_eq!(read(&written(&blocks).unwrap(), MediaType::Docx).unwrap().text, expected);
    }

    #[test]
    fn broken_xml_is_read_or_refused(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("<w:p>".to_owned()), Just("</w:p>".to_owned()), Just("<w:r>".to_owned()),
                Just("</w:r>".to_owned()), Just("<w:t>7</w:t>".to_owned()),
                Just("<w:tbl>".to_owned()), Just("</w:tbl>".to_owned()), Just("<w:tr>".to_owned()),
                Just("</w:tr>".to_owned()), Just("<w:tc>".to_owned()), Just("</w:tc>".to_owned()),
                Just("<w:vMerge/>".to_owned()), Just("<w:gridSpan w:val=\"3\"/>".to_owned()),
                Just("<w:txbxContent>".to_owned()), Just("</w:txbxContent>".to_owned()),
                Just("<w:del>".to_owned()), Just("</w:del>".to_owned()), Just("&#0;".to_owned()),
                "\\PC{0,5}",
            ],
            0..40,
        ),
    ) {
        let body = pieces.concat();
        read_all(&docx(&body));
        read_all(&docx(&format!("{}{body}", p("a"))));
        read_all(&docx_of(&body));
    }

    #[test]
    fn broken_instructions_of_a_page_are_read_or_refused(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("BT".to_owned()), Just("ET".to_owned()), Just("/F1 12 Tf".to_owned()),
                Just("(a) Tj".to_owned()), Just("[(a) 5 <41>] TJ".to_owned()),
                Just("q".to_owned()), Just("Q".to_owned()), Just("1 0 0 1 5 5 cm".to_owned()),
                Just("0 0 0 0 0 0 Tm".to_owned()), Just("1e30 -1e30 Td".to_owned()),
                Just("0 0 9 9 re S".to_owned()), Just("Tf".to_owned()), Just("Do".to_owned()),
                Just("BDC EMC".to_owned()), "\\PC{0,5}",
            ],
            0..40,
        ),
    ) {
        read_all(&pages(&[&pieces.join(" "), &at(50, 700, "b")]));
    }

    #[test]
    fn a_pdf_with_changed_bytes_is_read_or_refused(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = pages(&[&at(50, 700, "Mot cau."), &at(50, 700, "Hai.")]);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read_all(&bytes);
    }
}
