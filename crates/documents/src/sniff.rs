//! Detection of the kind of a file from its bytes.

use super::{DocumentError, MediaType};

/// Bytes within which `%PDF-` must begin: PDF readers accept other bytes before it.
const PDF_HEADER_WITHIN: usize = 1_024;
/// Bytes that are searched for the names in an OLE2 container.
const OLE_NAMES_WITHIN: usize = 64 << 10;

impl MediaType {
    /// The kind of a file: [`MediaType::Text`] unless another kind is detected. Markdown
    /// cannot be distinguished from plain text.
    ///
    /// ```
    /// use documents::MediaType;
    ///
    /// assert_eq!(MediaType::sniff(b"%PDF-1.7"), Ok(MediaType::Pdf));
    /// assert_eq!(MediaType::sniff("Báo cáo".as_bytes()), Ok(MediaType::Text));
    /// assert_eq!(MediaType::sniff(b"{\\rtf1 }").unwrap_err().code, "unsupported_document");
    /// ```
    ///
    /// # Errors
    /// `unsupported_document` for a known kind of file that cannot be read, `encrypted` for a DOCX
    /// with a password.
    pub fn sniff(bytes: &[u8]) -> Result<Self, DocumentError> {
        let unsupported = |detail: &str, vi: &str| {
            Err(DocumentError::new("unsupported_document", detail).with_vi(vi))
        };
        let head = bytes.get(..PDF_HEADER_WITHIN).unwrap_or(bytes);
        match bytes {
            [0xD0, 0xCF, 0x11, 0xE0, ..] => ole(bytes),
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Ok(Self::Docx),
            [b'{', b'\\', b'r', b't', b'f', ..] => {
                unsupported("this is RTF; save it as DOCX", "đây là tệp RTF; hãy lưu thành DOCX")
            }
            [0x89, b'P', b'N', b'G', ..]
            | [0xFF, 0xD8, 0xFF, ..]
            | [b'G', b'I', b'F', b'8', ..]
            | [b'I', b'I', 42, 0, ..]
            | [b'M', b'M', 0, 42, ..] => unsupported(
                "this is a picture, which cannot be read; send the document itself",
                "đây là ảnh nên không đọc được; hãy gửi văn bản gốc",
            ),
            [0x1F, 0x8B, ..] | [b'R', b'a', b'r', b'!', ..] | [b'7', b'z', 0xBC, 0xAF, ..] => {
                unsupported(
                    "this is an archive; send the document itself",
                    "đây là tệp nén; hãy gửi văn bản bên trong",
                )
            }
            _ if head.windows(5).any(|window| window == b"%PDF-") => Ok(Self::Pdf),
            _ => Ok(Self::Text),
        }
    }

    /// Checks that the bytes are of the kind that the sender states.
    ///
    /// # Errors
    /// Those of [`MediaType::sniff`], and `wrong_media` when the bytes are of another kind.
    pub(super) fn check(self, bytes: &[u8]) -> Result<(), DocumentError> {
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
        Err(DocumentError::new(
            "wrong_media",
            format!("the file was sent as {self}, but it is {seen}"),
        ))
    }
}

/// Detects the file in an OLE2 container: Word 97, Excel 97 or an encrypted DOCX.
fn ole(bytes: &[u8]) -> Result<MediaType, DocumentError> {
    let names = |name: &str| {
        let wide: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let ends = [
            bytes.get(..OLE_NAMES_WITHIN).unwrap_or(bytes),
            bytes.get(bytes.len().saturating_sub(OLE_NAMES_WITHIN)..).unwrap_or(bytes),
        ];
        ends.iter().any(|part| part.windows(wide.len()).any(|window| window == wide))
    };
    Err(if names("EncryptedPackage") {
        DocumentError::new("encrypted", "the document has a password; save it without one")
            .with_vi("văn bản có mật khẩu; hãy lưu lại không có mật khẩu")
    } else if names("Workbook") {
        DocumentError::new(
            "unsupported_document",
            "this is an Excel 97-2003 file (.xls); save it as .xlsx and send it to /workbooks",
        )
        .with_vi("đây là tệp Excel 97-2003 (.xls); hãy lưu thành .xlsx rồi gửi đến /workbooks")
    } else {
        DocumentError::new(
            "unsupported_document",
            "this is a Word 97-2003 document (.doc); save it as .docx",
        )
        .with_vi("đây là văn bản Word 97-2003 (.doc); hãy lưu thành .docx")
    })
}
