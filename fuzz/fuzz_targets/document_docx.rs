//! Any bytes as the body of a DOCX in a valid archive, and as a whole DOCX.
#![no_main]

use std::io::{Cursor, Write};

use documents::{MediaType, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let names = concat!(
        r#"<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main""#,
        r#" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">"#,
    );
    for (name, parts) in [
        ("[Content_Types].xml", [&b""[..], b"<a/>", b""]),
        ("word/document.xml", [names.as_bytes(), bytes, b"</w:document>"]),
    ] {
        archive.start_file(name, options).unwrap();
        parts.iter().for_each(|part| archive.write_all(part).unwrap());
    }
    let archive = archive.finish().unwrap().into_inner();
    for file in [archive.as_slice(), bytes] {
        if let Ok(document) = read(file, MediaType::Docx) {
            assert!(
                document
                    .blocks
                    .iter()
                    .all(|block| document.text.get(block.range.clone()).is_some())
            );
        }
    }
});
