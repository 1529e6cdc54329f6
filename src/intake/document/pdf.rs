//! PDF (ISO 32000) with a text layer: letters with their places, put together into lines, paragraphs and tables. Best effort, as a PDF holds
//! no paragraphs; what cannot be read is refused.

mod font;
mod guard;
mod layout;
mod line;
mod page;
mod scan;

use lopdf::{LoadOptions, Object};

use super::{Document, Refusal, limits};
use guard::Deadline;

/// Share of letters that may be unknown, in percent.
const UNKNOWN_PERCENT: usize = 20;

/// Reads a PDF, on a thread of its own with a deadline.
///
/// # Errors
/// A refusal when it is broken, hostile, encrypted, without a text layer, or beyond [`super::limits`].
pub(super) fn read(bytes: &[u8]) -> Result<Document, Refusal> {
    scan::check(bytes)?;
    let bytes = bytes.to_vec();
    guard::run(move |deadline| inside(&bytes, deadline))
}

fn inside(bytes: &[u8], deadline: Deadline) -> Result<Document, Refusal> {
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
        return Err(Refusal::new(
            "too_large",
            format!("the PDF has more than {} pages", limits::PDF_PAGES),
        ));
    }
    let mut reader = page::Reader::new(&loaded, deadline);
    let mut drawn = Vec::with_capacity(pages.len());
    for id in pages.values() {
        drawn.push(reader.page(*id)?);
    }
    let glyphs: usize = drawn.iter().map(|page| page.glyphs.len()).sum();
    if glyphs == 0 {
        return Err(Refusal::new(
            "no_text_layer",
            "the PDF has no text, it seems to be scanned: send the document that was printed, as DOCX or PDF",
        ));
    }
    if reader.unknown() * 100 > glyphs * UNKNOWN_PERCENT {
        let detail = "the PDF does not say which letters its signs are: save it anew from the program it was written in, or send it as DOCX";
        return Err(Refusal::new("no_text_layer", detail));
    }
    layout::document(drawn, deadline)
}

/// The refusal of a PDF that breaks its own rules.
fn malformed(detail: impl std::fmt::Display) -> Refusal {
    Refusal::new("malformed_document", format!("the PDF cannot be read: {detail}"))
}

fn encrypted() -> Refusal {
    Refusal::new("encrypted", "the PDF is encrypted: save it without a password")
}

/// A number of PDF.
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
