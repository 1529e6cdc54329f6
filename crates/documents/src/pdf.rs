//! Reading of PDF (ISO 32000) with a text layer. Letters with their positions are joined to lines,
//! paragraphs and tables. PDF does not store paragraphs, so the result is an estimate. A file that
//! cannot be read is refused.

mod font;
mod guard;
mod instructions;
mod layout;
mod line;
mod page;
mod scan;

use lopdf::{LoadOptions, Object};

use super::{Document, DocumentError, limits};
use guard::ReadDeadline;

/// Highest percentage of letters that may be unknown.
const UNKNOWN_PERCENT: usize = 20;

/// Reads a PDF file in a separate thread with a deadline.
///
/// # Errors
/// A refusal when the file is broken, hostile, encrypted, without a text layer, or exceeds
/// [`super::limits`].
pub(super) fn read(bytes: &[u8]) -> Result<Document, DocumentError> {
    scan::check(bytes)?;
    let bytes = bytes.to_vec();
    guard::run(move |deadline| inside(&bytes, deadline))
}

fn inside(bytes: &[u8], deadline: ReadDeadline) -> Result<Document, DocumentError> {
    scan::begin(deadline);
    let mut loaded =
        lopdf::Document::load_mem_with_options(bytes, LoadOptions::with_filter(scan::unpack))
            .map_err(malformed)?;
    scan::finish(&mut loaded)?;
    if loaded.is_encrypted() || loaded.was_encrypted() {
        return Err(encrypted());
    }
    let pages = loaded.get_pages();
    if pages.is_empty() {
        return Err(malformed("it has no pages"));
    }
    if pages.len() > limits::PDF_PAGES {
        return Err(DocumentError::new(
            "too_large",
            format!("the PDF has more than {} pages", limits::PDF_PAGES),
        ));
    }
    let mut reader = page::PageReader::new(&loaded, deadline);
    let mut drawn = Vec::with_capacity(pages.len());
    for id in pages.values() {
        drawn.push(reader.page(*id)?);
    }
    let glyphs: usize = drawn.iter().map(|page| page.glyphs.len()).sum();
    if glyphs == 0 {
        return Err(DocumentError::new(
            "no_text_layer",
            "the PDF has no text and seems to be a scan; send the original document as DOCX or PDF",
        ));
    }
    if reader.unknown() * 100 > glyphs * UNKNOWN_PERCENT {
        let detail = "the PDF does not define the letters of its fonts; export it again from the \
            program in which it was written, or send it as DOCX";
        return Err(DocumentError::new("no_text_layer", detail));
    }
    layout::document(drawn, deadline)
}

/// The refusal of a file that does not follow the PDF format.
fn malformed(detail: impl std::fmt::Display) -> DocumentError {
    DocumentError::new("malformed_document", format!("the PDF cannot be read: {detail}"))
}

fn encrypted() -> DocumentError {
    DocumentError::new("encrypted", "the PDF is encrypted; save it without a password")
}

/// The value of a number object.
fn number(object: &Object) -> Option<f64> {
    match object {
        #[expect(clippy::as_conversions, reason = "positions on a page need no more digits")]
        Object::Integer(value) => Some(*value as f64),
        Object::Real(value) => Some(f64::from(*value)),
        Object::Null
        | Object::Boolean(_)
        | Object::Name(_)
        | Object::String(..)
        | Object::Array(_) => None,
        Object::Dictionary(_) | Object::Stream(_) | Object::Reference(_) => None,
    }
}
