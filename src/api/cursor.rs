//! Cursors: the position of the next page of a list.

use super::entity_tag::ResponseStamp;
use crate::app::RevisionRef;

/// The start of the next page.
pub struct PageCursor {
    /// The revision of the previous page.
    pub revision: RevisionRef,
    /// The position after the previous page; its meaning depends on the list.
    pub places: Vec<i64>,
}

/// A URL-safe cursor: the revision of the page, with its hash, and the position of the next page.
#[must_use]
pub fn cursor(stamp: &ResponseStamp, places: &[i64]) -> String {
    let places = places.iter().map(ToString::to_string);
    std::iter::once(stamp.id().short()).chain(places).collect::<Vec<_>>().join("~")
}

/// The cursor of the page that follows `offset` entries.
#[must_use]
pub fn offset_cursor(stamp: &ResponseStamp, offset: Option<usize>) -> Option<String> {
    Some(cursor(stamp, &[i64::try_from(offset?).ok()?]))
}

/// Parses a cursor.
#[must_use]
pub fn read_cursor(text: &str) -> Option<PageCursor> {
    let (revision, places) = text.split_once('~')?;
    let revision: RevisionRef = revision.parse().ok()?;
    let places = places
        .split('~')
        .map(|number| number.parse().ok().filter(|number| *number >= 0))
        .collect::<Option<_>>()?;
    revision.names_hash().then_some(PageCursor { revision, places })
}
