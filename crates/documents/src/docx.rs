//! Reading of DOCX (ECMA-376, WordprocessingML): the visible text in its order. Headers, footers,
//! footnotes, comments, deleted and hidden text are left out.

mod block;
mod body;
mod package;
mod styles;
mod table;
mod xml;

use super::{Document, DocumentError};

/// Reads a DOCX file.
///
/// # Errors
/// A refusal when the file is not DOCX, is broken or hostile, has macros, or exceeds
/// [`super::limits`].
pub(super) fn read(bytes: &[u8]) -> Result<Document, DocumentError> {
    let mut package = package::DocxPackage::open(bytes)?;
    let main = package.main_part()?;
    let beside = |name: &str| {
        main.rsplit_once('/').map_or(name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
    };
    let styles = package.part(&beside("styles.xml"))?;
    let numbering = package.part(&beside("numbering.xml"))?;
    let styles = styles::StyleSheet::read(
        styles.as_deref().unwrap_or_default(),
        numbering.as_deref().unwrap_or_default(),
    )?;
    let Some(text) = package.part(&main)? else {
        return Err(DocumentError::new("malformed_document", format!("the archive has no {main}")));
    };
    body::read(&text, &styles)
}

/// The refusal of a file that does not follow the DOCX format.
fn malformed(detail: impl std::fmt::Display) -> DocumentError {
    DocumentError::new("malformed_document", format!("the DOCX cannot be read: {detail}"))
}
