//! What a file is by its bytes, whatever its sender says.

use super::{Media, Refusal};

/// Where `%PDF-` may begin, in bytes: readers of PDF allow for rubbish before it.
const PDF_HEADER_WITHIN: usize = 1_024;
/// Bytes of a file that are looked at for the names of an OLE2 folder.
const OLE_NAMES_WITHIN: usize = 64 << 10;

impl Media {
    /// What the bytes are: [`Media::Text`] when they are none of the others (Markdown cannot be told from text).
    ///
    /// ```
    /// use egov_kpi::intake::document::Media;
    ///
    /// assert_eq!(Media::sniff(b"%PDF-1.7"), Ok(Media::Pdf));
    /// assert_eq!(Media::sniff("Báo cáo".as_bytes()), Ok(Media::Text));
    /// assert_eq!(Media::sniff(b"{\\rtf1 }").unwrap_err().code, "unsupported_document");
    /// ```
    ///
    /// # Errors
    /// `unsupported_document` for a kind of file that is known and not read, `encrypted` for a DOCX with a password.
    pub fn sniff(bytes: &[u8]) -> Result<Self, Refusal> {
        let unsupported = |detail: &str| Err(Refusal::new("unsupported_document", detail));
        let head = bytes.get(..PDF_HEADER_WITHIN).unwrap_or(bytes);
        match bytes {
            [0xD0, 0xCF, 0x11, 0xE0, ..] => ole(bytes),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Docx),
            [b'{', b'\\', b'r', b't', b'f', ..] => unsupported("this is RTF: save it as DOCX"),
            [0x89, b'P', b'N', b'G', ..]
            | [0xFF, 0xD8, 0xFF, ..]
            | [b'G', b'I', b'F', b'8', ..]
            | [b'I', b'I', 42, 0, ..]
            | [b'M', b'M', 0, 42, ..] => {
                unsupported("this is a picture: send the document itself, pictures are not read")
            }
            [0x1F, 0x8B, ..] | [b'R', b'a', b'r', b'!', ..] | [b'7', b'z', 0xBC, 0xAF, ..] => {
                unsupported("this is an archive: send the document itself")
            }
            _ if head.windows(5).any(|window| window == b"%PDF-") => Ok(Self::Pdf),
            _ => Ok(Self::Text),
        }
    }

    /// Whether bytes are what their sender says.
    ///
    /// # Errors
    /// Those of [`Media::sniff`], and `wrong_media` where it says something else.
    pub(super) fn check(self, bytes: &[u8]) -> Result<(), Refusal> {
        let found = Self::sniff(bytes)?;
        let textual = |media| matches!(media, Self::Text | Self::Markdown);
        if found == self || (textual(found) && textual(self)) {
            return Ok(());
        }
        let seen = if textual(found) {
            "neither a ZIP archive nor a PDF".to_owned()
        } else {
            found.to_string()
        };
        Err(Refusal::new("wrong_media", format!("the file is sent as {self}, but it is {seen}")))
    }
}

/// The old container of Microsoft: Word 97, or an encrypted DOCX.
fn ole(bytes: &[u8]) -> Result<Media, Refusal> {
    let names = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let ends = [
            bytes.get(..OLE_NAMES_WITHIN).unwrap_or(bytes),
            bytes.get(bytes.len().saturating_sub(OLE_NAMES_WITHIN)..).unwrap_or(bytes),
        ];
        ends.iter().any(|part| part.windows(wide.len()).any(|window| window == wide))
    };
    Err(if names("EncryptedPackage") {
        Refusal::new("encrypted", "the document has a password: save it without one")
    } else if names("Workbook") {
        Refusal::new(
            "unsupported_document",
            "this is an Excel 97-2003 workbook (.xls): save it as .xlsx and send it as a workbook",
        )
    } else {
        Refusal::new(
            "unsupported_document",
            "this is a Word 97-2003 document (.doc): save it as .docx",
        )
    })
}
