//! The one place where an answer gets its representation: JSON, CSV or a workbook, entity tag, next page.

use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, ETAG, IF_NONE_MATCH, LINK, VARY};
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use chrono::NaiveDate;
use rust_xlsxwriter::{Workbook, XlsxError};
use serde::Serialize;
use serde_json::Value;

use super::Context;
use super::params::Params;
use super::problem::{Answer, Problem};
use crate::app::moment::Moment;

/// The header that names the revision an answer was computed from, as tables have no other place for it.
const REVISION: &str = "Egov-Kpi-Revision";
/// The media type of a workbook.
pub(super) const WORKBOOK: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Most characters that a cell of a workbook holds; what is longer is cut there.
const MAX_CELL: usize = 32_767;

/// How an answer is to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// JSON, the default.
    Json,
    /// CSV.
    Csv,
    /// A workbook (XLSX).
    Xlsx,
}

impl Format {
    /// What `format=` or else `Accept` asks for.
    pub fn of(request: &HttpRequest, params: &mut Params) -> Self {
        if let Some(named) = params.word("format", &["json", "csv", "xlsx"]) {
            return [Self::Csv, Self::Xlsx]
                .into_iter()
                .find(|format| format.name() == named)
                .unwrap_or(Self::Json);
        }
        let accept =
            request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let place = |media: &str| accept.find(media).unwrap_or(usize::MAX);
        let json = place("application/json").min(place("*/*"));
        match (place("text/csv"), place(WORKBOOK)) {
            (csv, workbook) if csv < json && csv < workbook => Self::Csv,
            (_, workbook) if workbook < json => Self::Xlsx,
            _ => Self::Json,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

impl From<Format> for &'static str {
    fn from(format: Format) -> Self {
        format.name()
    }
}

/// What an answer was computed from, as its entity tag tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp {
    revision: i64,
    ledger: String,
    /// The day, where the answer depends on it.
    day: Option<NaiveDate>,
}

impl Stamp {
    /// Of a moment.
    #[must_use]
    pub fn of(moment: &Moment, by_day: bool) -> Self {
        Self {
            revision: moment.look().revision,
            ledger: moment.app().ledger_name().to_owned(),
            day: by_day.then(|| moment.day()),
        }
    }

    /// The same at another revision: the one that the page was computed from in the end.
    #[must_use]
    pub fn at(self, revision: i64) -> Self {
        Self { revision, ..self }
    }
}

/// The weak entity tag of an answer: revision, ledger, build, representation, and the day where it matters.
fn tag(stamp: &Stamp, format: &str) -> String {
    let dated = stamp.day.map(|day| day.to_string()).unwrap_or_default();
    format!(
        "W/\"{}-{}-{}-{}{dated}\"",
        stamp.revision,
        stamp.ledger,
        env!("CARGO_PKG_VERSION"),
        format
    )
}

/// The entity tags that a client has, without their `W/` and quotes.
fn known(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let known = request
        .headers()
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
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
pub fn not_modified(
    request: &HttpRequest,
    stamp: &Stamp,
    format: impl Into<&'static str>,
) -> Option<HttpResponse> {
    let format = format.into();
    let tag = tag(stamp, format);
    let bare = tag.trim_start_matches("W/").trim_matches('"');
    let same = known(request).any(|known| known == bare);
    same.then(|| with_headers(&mut HttpResponse::NotModified(), stamp, format).finish())
}

/// The headers that tell what an answer was computed from; `format` names its representation.
pub fn with_headers<'b>(
    answer: &'b mut HttpResponseBuilder,
    stamp: &Stamp,
    format: impl Into<&'static str>,
) -> &'b mut HttpResponseBuilder {
    let format = format.into();
    answer
        .insert_header((REVISION, stamp.revision))
        .insert_header((ETAG, tag(stamp, format)))
        .insert_header((VARY, "Accept, Accept-Encoding, Authorization"))
}

/// A page of an answer as JSON, with a `Link` to the next.
///
/// # Errors
/// 500 when it cannot be written, which a test would have shown.
pub fn json(
    request: &HttpRequest,
    stamp: &Stamp,
    next: Option<&str>,
    body: &impl Serialize,
) -> Answer {
    let bytes = serde_json::to_vec(body).map_err(|_e| Problem::internal())?;
    let mut answer = HttpResponse::Ok();
    link(&mut answer, request, next);
    Ok(with_headers(&mut answer, stamp, Format::Json).content_type("application/json").body(bytes))
}

/// A cell of a table.
pub enum Cell {
    /// A number, written as it stands.
    Number(String),
    /// A text, which must not become a formula.
    Text(String),
}

/// A workbook (XLSX).
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes an answer")]
pub struct WorkbookFile(Vec<u8>);

/// One more sheet of a workbook; CSV has but the first.
pub struct Sheet {
    /// Its name, at most 31 characters.
    pub name: &'static str,
    /// Its columns.
    pub header: Vec<String>,
    /// Its rows.
    pub rows: Vec<Vec<Cell>>,
}

/// A page of an answer as a table: CSV, or a workbook of one sheet.
///
/// # Errors
/// 500 when it cannot be written.
pub async fn table(
    request: &HttpRequest,
    stamp: &Stamp,
    format: Format,
    next: Option<&str>,
    header: &[&str],
    rows: impl Iterator<Item = Vec<Cell>>,
) -> Answer {
    tables(request, stamp, format, next, header, rows, Vec::new()).await
}

/// The same with more sheets in a workbook.
///
/// # Errors
/// 500 when it cannot be written.
pub async fn tables(
    request: &HttpRequest,
    stamp: &Stamp,
    format: Format,
    next: Option<&str>,
    header: &[&str],
    rows: impl Iterator<Item = Vec<Cell>>,
    more: Vec<Sheet>,
) -> Answer {
    let mut answer = HttpResponse::Ok();
    link(&mut answer, request, next);
    let answer = with_headers(&mut answer, stamp, format);
    if format != Format::Xlsx {
        let bytes = csv(header, rows).map_err(|_e| Problem::internal())?;
        return Ok(answer.content_type("text/csv; charset=utf-8").body(bytes));
    }
    let name = request.path().rsplit('/').next().unwrap_or_default();
    let first = Sheet {
        name: "1",
        header: header.iter().map(|&name| name.to_owned()).collect(),
        rows: rows.collect(),
    };
    let follows =
        next.map(|next| format!("Còn nữa · More rows follow: {}", next_page(request, next)));
    let sheets: Vec<Sheet> = std::iter::once(first).chain(more).collect();
    let written = web::block(move || workbook(&sheets, follows.as_deref()))
        .await
        .map_err(|_stopping| Problem::internal())?;
    // Whose and when it is stands in the file's name: ranking-sample-2021-12.xlsx.
    let asked = Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(Query::into_inner)
        .unwrap_or_default();
    let told = asked
        .iter()
        .filter(|(key, _)| matches!(key.as_str(), "unit" | "parent" | "period"))
        .map(|(_, value)| format!("-{value}"));
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let file: String =
        name.chars().chain(told.collect::<String>().chars()).map(plain).take(100).collect();
    let answer = answer
        .content_type(WORKBOOK)
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{file}.xlsx\"")));
    Ok(answer.body(written.map_err(|_e| Problem::internal())?))
}

fn csv(header: &[&str], rows: impl Iterator<Item = Vec<Cell>>) -> Result<Vec<u8>, csv::Error> {
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

/// Sheets with their headers fixed and filters on them; `follows` stands below the first one's rows. Texts are written as texts, so that
/// none of them is a formula.
fn workbook(sheets: &[Sheet], follows: Option<&str>) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let bold = rust_xlsxwriter::Format::new().set_bold();
    for (number, Sheet { name, header, rows }) in sheets.iter().enumerate() {
        let sheet = workbook.add_worksheet();
        if sheets.len() > 1 {
            sheet.set_name(*name)?;
        }
        for (column, name) in (0..).zip(header) {
            sheet.write_string_with_format(0, column, name, &bold)?;
        }
        for (line, row) in (1..).zip(rows) {
            for (column, cell) in (0..).zip(row) {
                write(sheet, line, column, cell)?;
            }
        }
        sheet.set_freeze_panes(1, 0)?;
        let last = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        if let Some(columns) =
            u16::try_from(header.len()).ok().and_then(|columns| columns.checked_sub(1))
        {
            sheet.autofilter(0, 0, last, columns)?;
        }
        sheet.autofit();
        if let Some(follows) = follows.filter(|_| number == 0) {
            sheet.write_string(last + 1, 0, follows)?;
        }
    }
    workbook.save_to_buffer()
}

fn write(
    sheet: &mut rust_xlsxwriter::Worksheet,
    line: u32,
    column: u16,
    cell: &Cell,
) -> Result<(), XlsxError> {
    match cell {
        Cell::Text(text) if text.is_empty() => {}
        Cell::Text(text) => drop(sheet.write_string(
            line,
            column,
            text.chars().take(MAX_CELL).collect::<String>(),
        )?),
        Cell::Number(number) => match number.parse::<f64>() {
            Ok(number) => drop(sheet.write_number(line, column, number)?),
            Err(_no_number) => drop(sheet.write_string(line, column, number)?),
        },
    }
    Ok(())
}

impl Cell {
    /// A number, where there is one.
    pub fn number(number: Option<impl std::fmt::Display>) -> Self {
        number.map_or_else(|| Self::Text(String::new()), |number| Self::Number(number.to_string()))
    }
}

/// The cell of a value that is written as a word; nothing of null.
#[must_use]
pub fn text(value: &impl Serialize) -> Cell {
    let word = match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(Value::Bool(flag)) => flag.to_string(),
        Ok(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | Err(_) => {
            String::new()
        }
    };
    Cell::Text(word)
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
        Value::Array(list) => Cell::Text(
            list.iter()
                .map(|entry| entry.as_str().map_or_else(|| entry.to_string(), ToOwned::to_owned))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        Value::Object(_) => Cell::Text(value.to_string()),
    };
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields.values().map(cell).collect(),
        _ => Vec::new(),
    }
}

fn link(answer: &mut HttpResponseBuilder, request: &HttpRequest, next: Option<&str>) {
    if let Some(next) = next {
        answer.insert_header((LINK, format!("<{}>; rel=\"next\"", next_page(request, next))));
    }
}

/// The address of the next page.
fn next_page(request: &HttpRequest, next: &str) -> String {
    let kept = request
        .query_string()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query = kept
        .chain(std::iter::once(format!("cursor={next}").as_str()))
        .collect::<Vec<_>>()
        .join("&");
    format!("{}?{query}", request.path())
}
