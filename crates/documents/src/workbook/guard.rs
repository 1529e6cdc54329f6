//! Checks of an Excel file before it is read: it must be XLSX, have no macros, and unpack within
//! limits.

use std::io::{BufReader, Cursor, Read};

use quick_xml::events::Event;
use zip::ZipArchive;

use kpi::fault::Fault;

/// Most files in the ZIP archive.
pub const MAX_ENTRIES: usize = 2_000;
/// Most unpacked bytes of one of them.
pub const MAX_PART: u64 = 64 << 20;
/// Most unpacked bytes of all of them.
pub const MAX_UNPACKED: u64 = 128 << 20;
/// Deepest nesting of XML elements.
pub const MAX_DEPTH: usize = 64;
/// How many times larger than its packed size a file may be, if it is not small.
const MAX_RATIO: u64 = 250;
const SMALL: u64 = 1 << 20;
/// First bytes of encrypted files and of Excel files before 2007.
const COMPOUND: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

fn fault(code: &'static str, detail: impl Into<String>) -> Fault {
    Fault::new("", code, detail)
}

/// Checks the bytes of an Excel file.
///
/// # Errors
/// The first error found.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.starts_with(&COMPOUND) {
        return Err(fault(
            "encrypted",
            "the file is encrypted with a password, or of a version before Excel 2007; save it \
             as XLSX without a password",
        )
        .with_vi(
            "tệp có mật khẩu hoặc được lưu bằng phiên bản trước Excel 2007; hãy lưu thành \
         XLSX không có mật khẩu",
        ));
    }
    let no_zip = |_e| other_kind(&[]);
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(no_zip)?;
    if zip.len() > MAX_ENTRIES {
        return Err(fault(
            "too_many",
            format!("an Excel file must contain at most {MAX_ENTRIES} parts"),
        ));
    }
    let names: Vec<String> = zip
        .file_names()
        .map(|name| name.map(|name| name.into_owned()))
        .collect::<Result<_, _>>()
        .map_err(no_zip)?;
    if names.iter().any(|name| {
        name.to_lowercase().ends_with("vbaproject.bin")
            || name.to_lowercase().contains("macrosheets/")
    }) {
        return Err(fault("macros", "the Excel file has macros; save it as XLSX without macros")
            .with_vi("tệp Excel có macro; hãy lưu thành XLSX không có macro"));
    }
    if !names
        .iter()
        .any(|name| name.trim_start_matches('/').eq_ignore_ascii_case("xl/workbook.xml"))
    {
        return Err(other_kind(&names));
    }
    let mut left = MAX_UNPACKED;
    for place in 0..zip.len() {
        let file = zip.by_index(place).map_err(|_e| {
            fault(
                "unreadable",
                "a part of the Excel file cannot be read; encrypted files are not accepted",
            )
        })?;
        let name = file.name().map_err(no_zip)?.to_lowercase();
        let packed = file.compressed_size();
        if name.ends_with(".xml") || name.ends_with(".rels") {
            let mut counted = BoundedReader { inner: file, read: 0, most: MAX_PART.min(left) };
            let types = name == "[content_types].xml";
            let scanned = scan(BufReader::new(&mut counted), types);
            let unpacked = counted.read;
            if unpacked > counted.most || (unpacked > SMALL && unpacked / MAX_RATIO > packed) {
                return Err(fault(
                    "too_large",
                    format!(
                        "the Excel file unpacks to too much: one part may have {MAX_PART} bytes \
                         and {MAX_RATIO} times its packed size, all parts {MAX_UNPACKED} bytes"
                    ),
                ));
            }
            scanned?;
            left -= unpacked;
        }
    }
    Ok(())
}

/// The error of a ZIP archive that is not XLSX: what it is, and what to do.
fn other_kind(names: &[String]) -> Fault {
    let has = |start: &str| {
        names.iter().any(|name| name.trim_start_matches('/').to_lowercase().starts_with(start))
    };
    let (detail, vi) = if has("xl/workbook.bin") {
        (
            "the file is an Excel file of the kind XLSB; save it as XLSX",
            "đây là tệp Excel dạng XLSB; hãy lưu thành XLSX",
        )
    } else if has("content.xml") {
        (
            "the file is of the kind OpenDocument (ODS); save it as XLSX",
            "đây là tệp OpenDocument (ODS); hãy lưu thành XLSX",
        )
    } else if has("word/") {
        (
            "the file is a document (DOCX), not an Excel file; send it to /reports",
            "đây là văn bản DOCX, không phải tệp Excel; hãy gửi đến /reports",
        )
    } else {
        ("the file is not an Excel file (XLSX)", "tệp không phải là tệp Excel (XLSX)")
    };
    fault("not_a_workbook", detail).with_vi(vi)
}

/// A reader that stops one byte after a limit.
struct BoundedReader<R> {
    inner: R,
    read: u64,
    most: u64,
}

impl<R: Read> Read for BoundedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read > self.most {
            return Err(std::io::Error::other("too large"));
        }
        let count = self.inner.read(buffer)?;
        self.read += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

/// Reads a part once and checks that it is well formed, is not nested too deep and has no document
/// type.
fn scan(source: impl std::io::BufRead, types: bool) -> Result<(), Fault> {
    let mut reader = quick_xml::Reader::from_reader(source);
    let (mut buffer, mut depth) = (Vec::new(), 0_usize);
    loop {
        buffer.clear();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|_e| fault("unreadable", "a part of the Excel file is not well-formed XML"))?;
        match event {
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(fault(
                        "too_deep",
                        format!("XML elements must be nested at most {MAX_DEPTH} deep"),
                    ));
                }
                macros(types, &element)?;
            }
            Event::Empty(element) => macros(types, &element)?,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::DocType(_) => {
                return Err(fault(
                    "document_type",
                    "an Excel file with a document type (DOCTYPE) is not accepted",
                ));
            }
            Event::Eof => return Ok(()),
            Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

/// Refuses a file that lists macros among its content types.
fn macros(types: bool, element: &quick_xml::events::BytesStart<'_>) -> Result<(), Fault> {
    let has_macros = types
        && element.attributes().flatten().any(|attribute| {
            String::from_utf8_lossy(attribute.value.as_ref().as_ref()).contains("macroEnabled")
        });
    if has_macros {
        Err(fault("macros", "the Excel file has macros (XLSM); save it as XLSX without macros")
            .with_vi("tệp Excel có macro (XLSM); hãy lưu thành XLSX không có macro"))
    } else {
        Ok(())
    }
}
