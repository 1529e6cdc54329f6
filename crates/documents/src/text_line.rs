//! A line of a text, and the range of a text without its edges.

use std::ops::Range;

/// A line without the spaces around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextLine<'a> {
    /// Its first byte in the document's text.
    pub(super) start: usize,
    /// Its text.
    pub(super) text: &'a str,
    /// Its width in characters.
    pub(super) width: usize,
}

impl TextLine<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The range of a text that begins at byte `start`, without surrounding spaces and, in Markdown,
/// without marks of emphasis around the whole text.
pub(super) fn bare(text: &str, start: usize, markdown: bool) -> Range<usize> {
    let (mut text, mut start) = (text, start);
    loop {
        start += text.len() - text.trim_start().len();
        text = text.trim();
        let within = |mark: &str| {
            text.strip_prefix(mark)?
                .strip_suffix(mark)
                .filter(|inner| !inner.is_empty() && !inner.contains(mark))
        };
        let Some(inner) =
            ["**", "__", "*", "_", "`"].into_iter().find_map(within).filter(|_| markdown)
        else {
            return start..start + text.len();
        };
        start += (text.len() - inner.len()) / 2;
        text = inner;
    }
}
