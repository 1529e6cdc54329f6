//! The ZIP archive of a DOCX: finds the main part and unpacks parts within limits.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::malformed;
use super::xml::{XmlEvent, XmlWalker};
use crate::{DocumentError, limits};

pub(super) struct DocxPackage<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> DocxPackage<'a> {
    /// Opens an archive and checks what it contains.
    ///
    /// # Errors
    /// `zip_bomb`, `macros`, `unsupported_document`, `malformed_document`.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, DocumentError> {
        // The entries are counted first, because the library reads the whole directory into memory.
        if bytes.windows(4).filter(|window| *window == b"PK\x01\x02").count() > limits::ZIP_ENTRIES
        {
            return Err(DocumentError::new(
                "zip_bomb",
                format!("the archive has more than {} entries", limits::ZIP_ENTRIES),
            ));
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(malformed)?;
        let package = Self { archive };
        package.check()?;
        Ok(package)
    }

    fn check(&self) -> Result<(), DocumentError> {
        let names: Vec<String> = self
            .archive
            .file_names_raw()
            .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
            .collect();
        let any = |wanted: &str| {
            names.iter().any(|name| name.trim_start_matches('/').starts_with(wanted))
        };
        let unsupported = |detail: &str, vi: &str| {
            Err(DocumentError::new("unsupported_document", detail).with_vi(vi))
        };
        if names.iter().any(|name| name.ends_with("vbaproject.bin")) {
            return Err(DocumentError::new(
                "macros",
                "the document has macros (.docm); save it as .docx",
            )
            .with_vi("văn bản có macro (.docm); hãy lưu thành .docx"));
        }
        if any("xl/") {
            return unsupported(
                "this is an Excel file (XLSX), not a document; send it to /workbooks",
                "đây là tệp Excel (XLSX), không phải văn bản; hãy gửi đến /workbooks",
            );
        }
        if any("ppt/") {
            return unsupported(
                "this is a presentation (PPTX); send the report as DOCX or PDF",
                "đây là bài trình chiếu (PPTX); hãy gửi báo cáo dạng DOCX hoặc PDF",
            );
        }
        if any("content.xml") {
            return unsupported(
                "this is an OpenDocument file; save it as DOCX",
                "đây là tệp OpenDocument; hãy lưu thành DOCX",
            );
        }
        if !any("[content_types].xml") {
            return unsupported(
                "this is a ZIP archive, but not DOCX; send the document itself",
                "đây là tệp nén ZIP, không phải DOCX; hãy gửi chính văn bản",
            );
        }
        Ok(())
    }

    /// The name of the part that has the document's text.
    ///
    /// # Errors
    /// `macros`, `malformed_document`, `zip_bomb`.
    pub(super) fn main_part(&mut self) -> Result<String, DocumentError> {
        let types = self.part("[Content_Types].xml")?.unwrap_or_default();
        if types.contains("macroEnabled") {
            return Err(DocumentError::new(
                "macros",
                "the document is of a type that can have macros (.docm); save it as .docx",
            ));
        }
        let mut found = None;
        let relations = self.part("_rels/.rels")?.unwrap_or_default();
        let mut walker = XmlWalker::new(&relations);
        loop {
            match walker.next()? {
                XmlEvent::Open(element) if element.local() == "Relationship" => {
                    if element
                        .attribute("Type")
                        .is_some_and(|kind| kind.ends_with("/officeDocument"))
                    {
                        found = element.attribute("Target");
                    }
                }
                XmlEvent::Open(_) | XmlEvent::Close | XmlEvent::Text(_) => {}
                XmlEvent::End => break,
            }
        }
        Ok(found.map_or_else(
            || "word/document.xml".to_owned(),
            |target| target.trim_start_matches('/').to_owned(),
        ))
    }

    /// A part as text; `None` when the archive does not have it.
    ///
    /// # Errors
    /// `zip_bomb` beyond the limits, `encrypted`, `malformed_document`.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, DocumentError> {
        let entry = match self.archive.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(DocumentError::new(
                    "encrypted",
                    "the archive has a password; save it without one",
                ));
            }
            Err(error) => return Err(malformed(error)),
        };
        // The size that the archive states is not trusted.
        let most = limits::PART_BYTES.min(
            limits::RATIO_FROM.max(entry.compressed_size().saturating_mul(limits::PART_RATIO)),
        );
        let mut bytes = Vec::new();
        entry.take(most + 1).read_to_end(&mut bytes).map_err(malformed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
            return Err(DocumentError::new(
                "zip_bomb",
                format!("{name} unpacks to more than {most} bytes"),
            ));
        }
        crate::text::unicode(&bytes).map(Some)
    }
}
