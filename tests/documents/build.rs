//! Builds DOCX and PDF files from parts, including invalid ones.

use std::io::{Cursor, Write};

use documents::{BlockKind, Document, DocumentError, MediaType, read};
use zip::write::SimpleFileOptions;

/// A ZIP archive with these entries.
pub fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

const TYPES: &str =
    r#"<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>"#;
/// The XML namespaces that a document declares.
pub const NAMES: &str = concat!(
    r#"xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" "#,
    r#"xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" "#,
    r#"xmlns:v="urn:schemas-microsoft-com:vml" "#,
    r#"xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape""#
);

/// A DOCX with this body, these styles and this numbering.
pub fn docx_with(body: &str, styles: &str, numbering: &str) -> Vec<u8> {
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <w:document {NAMES}><w:body>{body}</w:body></w:document>"
    );
    let styles = format!("<w:styles {NAMES}>{styles}</w:styles>");
    let numbering = format!("<w:numbering {NAMES}>{numbering}</w:numbering>");
    zip(&[
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("word/document.xml", document.as_bytes()),
        ("word/styles.xml", styles.as_bytes()),
        ("word/numbering.xml", numbering.as_bytes()),
    ])
}

pub fn docx(body: &str) -> Vec<u8> {
    docx_with(body, "", "")
}

/// A DOCX with this text as its whole `document.xml`.
pub fn docx_of(document: &str) -> Vec<u8> {
    zip(&[("[Content_Types].xml", TYPES.as_bytes()), ("word/document.xml", document.as_bytes())])
}

/// A paragraph with plain text.
pub fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r></w:p>")
}

/// The parts of a document as text: `1# heading`, `paragraph`, `| cell | cell`.
pub fn shown(document: &Document) -> Vec<String> {
    let lines = document.blocks.iter().flat_map(|block| match &block.kind {
        BlockKind::Heading(level) => vec![format!("{level}# {}", document.slice(&block.range))],
        BlockKind::Paragraph => vec![document.slice(&block.range).to_owned()],
        BlockKind::Table(rows) => rows
            .iter()
            .map(|row| {
                row.iter()
                    .map(|cell| format!("| {}", document.slice(cell)))
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect(),
    });
    lines.collect()
}

pub fn blocks(bytes: &[u8], media: MediaType) -> Vec<String> {
    shown(&read(bytes, media).unwrap())
}

pub fn refused(bytes: &[u8], media: MediaType) -> DocumentError {
    read(bytes, media).unwrap_err()
}

/// A PDF with these objects, numbered from 1; the first is the catalogue.
pub fn pdf(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut file = b"%PDF-1.7\n".to_vec();
    let mut places = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        places.push(file.len());
        file.extend(format!("{} 0 obj\n", number + 1).bytes());
        file.extend(object);
        file.extend(b"\nendobj\n");
    }
    let start = file.len();
    file.extend(format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1).bytes());
    for place in places {
        file.extend(format!("{place:010} 00000 n \n").bytes());
    }
    file.extend(
        format!(
            "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
            objects.len() + 1
        )
        .bytes(),
    );
    file
}

/// A stream with these entries in its dictionary.
pub fn stream(entries: &str, content: &[u8]) -> Vec<u8> {
    [
        format!("<< {entries} /Length {} >>\nstream\n", content.len()).as_bytes(),
        content,
        b"\nendstream",
    ]
    .concat()
}

pub fn deflated(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A PDF with one page for each text of instructions, in a font of plain Latin letters.
pub fn pages(contents: &[&str]) -> Vec<u8> {
    let kids: Vec<String> =
        (0..contents.len()).map(|page| format!("{} 0 R", 4 + 2 * page)).collect();
    let mut objects = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!(
            "<< /Type /Pages /Kids [{}] /Count {} /MediaBox [0 0 595 842] /Resources << /Font \
             << /F1 3 0 R >> >> >>",
            kids.join(" "),
            kids.len()
        )
        .into_bytes(),
        b"<< /Type /Font /Subtype /TrueType /BaseFont /Times /Encoding /WinAnsiEncoding >>"
            .to_vec(),
    ];
    for (page, content) in contents.iter().enumerate() {
        objects.push(
            format!("<< /Type /Page /Parent 2 0 R /Contents {} 0 R >>", 5 + 2 * page).into_bytes(),
        );
        objects.push(stream("", content.as_bytes()));
    }
    pdf(&objects)
}

/// The instructions that draw a text at a position.
pub fn at(x: u32, y: u32, text: &str) -> String {
    format!("BT /F1 12 Tf {x} {y} Td ({text}) Tj ET\n")
}
