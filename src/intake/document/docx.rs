//! DOCX (ECMA-376, WordprocessingML): the text that a reader of the document sees, in its order. Headers, footers, footnotes and comments
//! are left aside, deleted text and hidden text as well.

mod body;
mod package;
mod styles;
mod table;
mod xml;

use super::{Document, Refusal};

/// Reads a DOCX.
///
/// # Errors
/// A refusal when it is none, is broken or hostile, has macros, or is beyond [`super::limits`].
pub(super) fn read(bytes: &[u8]) -> Result<Document, Refusal> {
    let mut package = package::Package::open(bytes)?;
    let main = package.main_part()?;
    let beside = |name: &str| {
        main.rsplit_once('/').map_or(name.to_owned(), |(folder, _)| format!("{folder}/{name}"))
    };
    let styles = package.part(&beside("styles.xml"))?;
    let numbering = package.part(&beside("numbering.xml"))?;
    let styles = styles::Styles::read(
        styles.as_deref().unwrap_or_default(),
        numbering.as_deref().unwrap_or_default(),
    )?;
    let Some(text) = package.part(&main)? else {
        return Err(Refusal::new("malformed_document", format!("the archive has no {main}")));
    };
    body::read(&text, &styles)
}

/// The refusal of a document that breaks its own rules.
fn malformed(detail: impl std::fmt::Display) -> Refusal {
    Refusal::new("malformed_document", format!("the DOCX cannot be read: {detail}"))
}
