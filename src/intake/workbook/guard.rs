//! What is looked at before a workbook is read: that it is one, that nothing in it runs, and that it does not unpack into more than it should.

use std::io::{BufReader, Cursor, Read};

use quick_xml::events::Event;
use zip::ZipArchive;

use crate::domain::fault::Fault;

/// Most files in a workbook.
pub const MAX_ENTRIES: usize = 2_000;
/// Most bytes that one of them unpacks to.
pub const MAX_PART: u64 = 64 << 20;
/// Most bytes that all of them unpack to.
pub const MAX_UNPACKED: u64 = 128 << 20;
/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 64;
/// How many times larger than packed a file may be, above a size that is small anyway.
const MAX_RATIO: u64 = 250;
const SMALL: u64 = 1 << 20;
/// What encrypted workbooks and those of before 2007 begin with.
const COMPOUND: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];

fn fault(code: &'static str, detail: impl Into<String>) -> Fault {
    Fault::new("", code, detail)
}

/// Checks the bytes of a workbook.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(bytes: &[u8]) -> Result<(), Fault> {
    if bytes.starts_with(&COMPOUND) {
        return Err(fault(
            "encrypted",
            "the workbook is encrypted with a password, or of a version before Excel 2007; save it as XLSX without a password",
        ));
    }
    let no_zip = |_e| fault("not_a_workbook", "the file is no workbook (XLSX)");
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(no_zip)?;
    if zip.len() > MAX_ENTRIES {
        return Err(fault(
            "too_many",
            format!("a workbook has at most {MAX_ENTRIES} files within"),
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
        return Err(fault("macros", "the workbook has macros; save it as XLSX without macros"));
    }
    if !names
        .iter()
        .any(|name| name.trim_start_matches('/').eq_ignore_ascii_case("xl/workbook.xml"))
    {
        return Err(fault("not_a_workbook", "the file is no workbook (XLSX)"));
    }
    let mut left = MAX_UNPACKED;
    for place in 0..zip.len() {
        let file = zip.by_index(place).map_err(|_e| {
            fault(
                "unreadable",
                "a file within the workbook cannot be read; an encrypted one is not accepted",
            )
        })?;
        let name = file.name().map_err(no_zip)?.to_lowercase();
        let packed = file.compressed_size();
        if name.ends_with(".xml") || name.ends_with(".rels") {
            let mut counted = Counted { inner: file, read: 0, most: MAX_PART.min(left) };
            let types = name == "[content_types].xml";
            let scanned = scan(BufReader::new(&mut counted), types);
            let unpacked = counted.read;
            if unpacked > counted.most || (unpacked > SMALL && unpacked / MAX_RATIO > packed) {
                return Err(fault(
                    "too_large",
                    format!(
                        "a file within unpacks to more than {MAX_PART} bytes, all to more than {MAX_UNPACKED}, or to more than {MAX_RATIO} times its size"
                    ),
                ));
            }
            scanned?;
            left -= unpacked;
        }
    }
    Ok(())
}

/// A reader that stops one byte behind a bound.
struct Counted<R> {
    inner: R,
    read: u64,
    most: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.read > self.most {
            return Err(std::io::Error::other("too large"));
        }
        let count = self.inner.read(buffer)?;
        self.read += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

/// Reads a part once: no document type, not too deep, well-formed.
fn scan(source: impl std::io::BufRead, types: bool) -> Result<(), Fault> {
    let mut reader = quick_xml::Reader::from_reader(source);
    let (mut buffer, mut depth) = (Vec::new(), 0_usize);
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer).map_err(|_e| {
            fault("unreadable", "a file within the workbook is no well-formed XML")
        })?;
        match event {
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(fault(
                        "too_deep",
                        format!("elements stand at most {MAX_DEPTH} deep"),
                    ));
                }
                macros(types, &element)?;
            }
            Event::Empty(element) => macros(types, &element)?,
            Event::End(_) => depth = depth.saturating_sub(1),
            Event::DocType(_) => {
                return Err(fault(
                    "document_type",
                    "a workbook with a document type (DOCTYPE) is not accepted",
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

/// Refuses a workbook whose list of types says that it has macros.
fn macros(types: bool, element: &quick_xml::events::BytesStart<'_>) -> Result<(), Fault> {
    let told = types
        && element.attributes().flatten().any(|attribute| {
            String::from_utf8_lossy(attribute.value.as_ref().as_ref()).contains("macroEnabled")
        });
    if told {
        Err(fault("macros", "the workbook has macros (XLSM); save it as XLSX without macros"))
    } else {
        Ok(())
    }
}
