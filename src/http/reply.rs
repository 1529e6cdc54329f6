//! The one place where an answer gets its representation: JSON or CSV, entity tag, next page.

use actix_web::http::header::{ACCEPT, ETAG, IF_NONE_MATCH, LINK, VARY};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::params::Params;
use super::problem::{Answer, Problem};
use crate::app::moment::Moment;
use crate::domain::period::Month;

/// How an answer is to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON, the default.
    Json,
    /// CSV.
    Csv,
}

impl Format {
    /// What `format=` or else `Accept` asks for.
    pub fn of(request: &HttpRequest, params: &mut Params) -> Self {
        match params.word("format", &["json", "csv"]) {
            Some("csv") => return Self::Csv,
            Some(_) => return Self::Json,
            None => {}
        }
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let place = |media: &str| accept.find(media).unwrap_or(usize::MAX);
        if place("text/csv") < place("application/json").min(place("*/*")) { Self::Csv } else { Self::Json }
    }
}

/// What an answer was computed from, as its entity tag tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    revision: i64,
    ledger: String,
    month: Month,
}

impl Stamp {
    /// Of a moment.
    #[must_use]
    pub fn of(moment: &Moment) -> Self {
        Self { revision: moment.look().revision, ledger: moment.app().ledger_name().to_owned(), month: moment.month() }
    }

    /// The same at another revision: the one that the page was computed from in the end.
    #[must_use]
    pub fn at(self, revision: i64) -> Self {
        Self { revision, ..self }
    }
}

/// The weak entity tag of an answer: revision, ledger, build, representation, and the month where it matters.
fn tag(request: &HttpRequest, stamp: &Stamp, format: Format) -> String {
    let representation = match format {
        Format::Json => "json",
        Format::Csv => "csv",
    };
    let dated = if request.query_string().contains("last=") { stamp.month.to_string() } else { String::new() };
    format!("W/\"{}-{}-{}-{representation}{dated}\"", stamp.revision, stamp.ledger, env!("CARGO_PKG_VERSION"))
}

/// The entity tags that a client has, without their `W/` and quotes.
fn known(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.split(',').map(|known| known.trim().trim_start_matches("W/").trim_matches('"'))
}

/// The newest revision of this ledger that a client has seen, as far as its entity tags tell.
#[must_use]
pub fn newest_tag(request: &HttpRequest) -> Option<i64> {
    let ledger = request.app_data::<actix_web::web::Data<Context>>()?.app().ok()?.ledger_name();
    let revision = |tag: &str| {
        let (revision, rest) = tag.split_once('-')?;
        revision.parse().ok().filter(|_| rest.split('-').next() == Some(ledger))
    };
    known(request).filter_map(revision).max()
}

/// 304 when the client has the answer already; asked before anything is computed.
#[must_use]
pub fn not_modified(request: &HttpRequest, stamp: &Stamp, format: Format) -> Option<HttpResponse> {
    let tag = tag(request, stamp, format);
    let bare = tag.trim_start_matches("W/").trim_matches('"');
    let same = known(request).any(|known| known == bare);
    same.then(|| with_headers(&mut HttpResponse::NotModified(), request, stamp, format).finish())
}

fn with_headers<'b>(answer: &'b mut HttpResponseBuilder, request: &HttpRequest, stamp: &Stamp, format: Format) -> &'b mut HttpResponseBuilder {
    answer.insert_header((ETAG, tag(request, stamp, format))).insert_header((VARY, "Accept, Accept-Encoding, Authorization"))
}

/// A page of an answer as JSON, with a `Link` to the next.
///
/// # Errors
/// 500 when it cannot be written, which a test would have shown.
pub fn json(request: &HttpRequest, stamp: &Stamp, next: Option<&str>, body: &impl Serialize) -> Answer {
    let bytes = serde_json::to_vec(body).map_err(|_e| Problem::internal())?;
    let mut answer = HttpResponse::Ok();
    link(&mut answer, request, next);
    Ok(with_headers(&mut answer, request, stamp, Format::Json).content_type("application/json").body(bytes))
}

/// A cell of a table.
pub enum Cell {
    /// A number, written as it stands.
    Number(String),
    /// A text, which must not become a formula.
    Text(String),
}

/// A page of an answer as CSV.
///
/// # Errors
/// 500 when it cannot be written.
pub fn csv(request: &HttpRequest, stamp: &Stamp, next: Option<&str>, header: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> Answer {
    let bytes = table(header, rows).map_err(|_e| Problem::internal())?;
    let mut answer = HttpResponse::Ok();
    link(&mut answer, request, next);
    Ok(with_headers(&mut answer, request, stamp, Format::Csv).content_type("text/csv; charset=utf-8").body(bytes))
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row.into_iter().map(|cell| match cell {
            Cell::Number(number) => number,
            Cell::Text(text) => safe(text),
        }))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(std::io::Error::other(error.to_string())))
}

/// A text that no spreadsheet takes for a formula.
fn safe(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// The cells of a flat record, in the order of its fields; numbers as numbers, lists joined.
#[must_use]
pub fn cells(record: &impl Serialize) -> Vec<Cell> {
    let cell = |value: &Value| match value {
        Value::Null => Cell::Text(String::new()),
        Value::Number(number) => Cell::Number(number.to_string()),
        Value::String(text) => Cell::Text(text.clone()),
        Value::Bool(flag) => Cell::Text(flag.to_string()),
        Value::Array(list) => {
            Cell::Text(list.iter().map(|entry| entry.as_str().map_or_else(|| entry.to_string(), ToOwned::to_owned)).collect::<Vec<_>>().join("; "))
        }
        Value::Object(_) => Cell::Text(value.to_string()),
    };
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields.values().map(cell).collect(),
        _ => Vec::new(),
    }
}

fn link(answer: &mut HttpResponseBuilder, request: &HttpRequest, next: Option<&str>) {
    let Some(next) = next else { return };
    let kept = request.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query = kept.chain(std::iter::once(format!("cursor={next}").as_str())).collect::<Vec<_>>().join("&");
    answer.insert_header((LINK, format!("<{}?{query}>; rel=\"next\"", request.path())));
}
