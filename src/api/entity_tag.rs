//! Entity tags: the state that a response was computed from, and the states that a client has seen.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use chrono::NaiveDate;

use super::language::ResponseLanguage;
use super::problem::Problem;
use crate::app::snapshot::Snapshot;
use crate::app::{RevisionId, RevisionRef};

/// The state that a response was computed from; the entity tag is made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ResponseStamp {
    id: RevisionId,
    /// The day, if the response depends on it.
    day: Option<NaiveDate>,
    /// The requested language.
    language: &'static str,
}

impl ResponseStamp {
    /// The stamp of a snapshot, for a response in the language of the current request.
    #[must_use]
    pub fn of(snapshot: &Snapshot, by_day: bool) -> Self {
        Self {
            id: snapshot.state().id(),
            day: by_day.then(|| snapshot.day()),
            language: ResponseLanguage::current().name(),
        }
    }

    /// Sets the language of the response, where it is not that of messages.
    pub fn set_language(&mut self, language: ResponseLanguage) {
        self.language = language.name();
    }

    /// Number and hash of the revision.
    #[must_use]
    pub fn id(&self) -> RevisionId {
        self.id
    }

    /// The hash of the revision, as in responses.
    #[must_use]
    pub fn hash(&self) -> String {
        self.id.digits()
    }
}

/// The weak entity tag of a response: revision and hash, program version, language, format, and the
/// day if the response depends on it.
#[must_use]
pub fn tag(stamp: &ResponseStamp, format: &str) -> String {
    let dated = stamp.day.map(|day| format!("-{day}")).unwrap_or_default();
    format!(
        "W/\"{}-{}-{}-{format}{dated}\"",
        stamp.id.short(),
        env!("CARGO_PKG_VERSION"),
        stamp.language
    )
}

/// The entity tags of a header of the request, without `W/` and quotes.
fn tags(request: &HttpRequest, header: HeaderName) -> impl Iterator<Item = &str> {
    let texts = request.headers().get_all(header).filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|tag| bare(tag.trim()))
}

/// An entity tag without `W/` and quotes.
fn bare(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"')
}

/// The revision at the beginning of an entity tag of this service.
fn revision_of_tag(tag: &str) -> Option<RevisionRef> {
    let mut parts = tag.splitn(3, '-');
    let (number, hash) = (parts.next()?, parts.next()?);
    // The two parts stand side by side in the tag.
    tag.get(..number.len() + 1 + hash.len())?.parse().ok()
}

/// The newest revision in the entity tags of the request, which the client has seen.
#[must_use]
pub fn newest_tag(request: &HttpRequest) -> Option<RevisionRef> {
    tags(request, IF_NONE_MATCH).filter_map(revision_of_tag).max_by_key(|named| named.number)
}

/// Whether the client already has the response with an entity tag.
#[must_use]
pub fn is_known(request: &HttpRequest, tag: &str) -> bool {
    let bare = bare(tag);
    tags(request, IF_NONE_MATCH).any(|known| known == bare || known == "*")
}

/// Refuses a request if its `If-Match` does not contain the entity tag of the response.
///
/// # Errors
/// 412.
pub fn check_if_match(request: &HttpRequest, tag: &str) -> Result<(), Problem> {
    let bare = bare(tag);
    if !request.headers().contains_key(IF_MATCH)
        || tags(request, IF_MATCH).any(|known| known == bare || known == "*")
    {
        return Ok(());
    }
    Err(Problem::precondition_failed())
}
