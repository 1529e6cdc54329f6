//! The ZIP archive of a DOCX: which part is the document, and parts unpacked within bounds.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::malformed;
use super::xml::{Piece, Walker};
use crate::intake::document::{Refusal, limits};

pub(super) struct Package<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
}

impl<'a> Package<'a> {
    /// Opens an archive and looks at what it holds.
    ///
    /// # Errors
    /// `zip_bomb`, `macros`, `unsupported_document`, `malformed_document`.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, Refusal> {
        // The directory is read into memory whole: its entries are counted before.
        if bytes.windows(4).filter(|window| *window == b"PK\x01\x02").count() > limits::ZIP_ENTRIES
        {
            return Err(Refusal::new(
                "zip_bomb",
                format!("the archive has more than {} entries", limits::ZIP_ENTRIES),
            ));
        }
        let archive = ZipArchive::new(Cursor::new(bytes)).map_err(malformed)?;
        let package = Self { archive };
        package.check()?;
        Ok(package)
    }

    fn check(&self) -> Result<(), Refusal> {
        let names: Vec<String> = self
            .archive
            .file_names_raw()
            .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
            .collect();
        let any = |wanted: &str| {
            names.iter().any(|name| name.trim_start_matches('/').starts_with(wanted))
        };
        let unsupported = |detail: &str| Err(Refusal::new("unsupported_document", detail));
        if names.iter().any(|name| name.ends_with("vbaproject.bin")) {
            return Err(Refusal::new(
                "macros",
                "the document has macros (.docm): save it as .docx",
            ));
        }
        if any("xl/") {
            return unsupported("this is a workbook (XLSX): send it as a workbook");
        }
        if any("ppt/") {
            return unsupported("these are slides (PPTX): send the report as DOCX or PDF");
        }
        if any("content.xml") {
            return unsupported("this is an OpenDocument file: save it as DOCX");
        }
        if !any("[content_types].xml") {
            return unsupported("this is a ZIP archive, but no DOCX: send the document itself");
        }
        Ok(())
    }

    /// The name of the part with the document's text.
    ///
    /// # Errors
    /// `macros`, `malformed_document`, `zip_bomb`.
    pub(super) fn main_part(&mut self) -> Result<String, Refusal> {
        let types = self.part("[Content_Types].xml")?.unwrap_or_default();
        if types.contains("macroEnabled") {
            return Err(Refusal::new(
                "macros",
                "the document is of a kind that may have macros (.docm): save it as .docx",
            ));
        }
        let mut found = None;
        let relations = self.part("_rels/.rels")?.unwrap_or_default();
        let mut walker = Walker::new(&relations);
        loop {
            match walker.next()? {
                Piece::Open(element) if element.local() == "Relationship" => {
                    if element
                        .attribute("Type")
                        .is_some_and(|kind| kind.ends_with("/officeDocument"))
                    {
                        found = element.attribute("Target");
                    }
                }
                Piece::Open(_) | Piece::Close | Piece::Text(_) => {}
                Piece::End => break,
            }
        }
        Ok(found.map_or_else(
            || "word/document.xml".to_owned(),
            |target| target.trim_start_matches('/').to_owned(),
        ))
    }

    /// A part as text, where there is one.
    ///
    /// # Errors
    /// `zip_bomb` beyond the bounds, `encrypted`, `malformed_document`.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        let entry = match self.archive.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
                return Err(Refusal::new(
                    "encrypted",
                    "the archive has a password: save it without one",
                ));
            }
            Err(error) => return Err(malformed(error)),
        };
        // What the archive says of sizes is not believed.
        let most = limits::PART_BYTES.min(
            limits::RATIO_FROM.max(entry.compressed_size().saturating_mul(limits::PART_RATIO)),
        );
        let mut bytes = Vec::new();
        entry.take(most + 1).read_to_end(&mut bytes).map_err(malformed)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > most) {
            return Err(Refusal::new(
                "zip_bomb",
                format!("{name} unpacks to more than {most} bytes"),
            ));
        }
        crate::intake::document::text::unicode(&bytes).map(Some)
    }
}
