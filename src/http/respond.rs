//! Responses: entity tag, 304, JSON, CSV or Excel file, headers, link to the next page, memory.
//! Handlers that read the state give the content; only this module writes it.

use actix_web::http::header::{CONTENT_DISPOSITION, ETAG, LINK, LOCATION, VARY};
use actix_web::web::Query;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use rust_xlsxwriter::{Workbook, XlsxError};
use serde::Serialize;
use serde_json::Value;

use super::constants::API;
use super::context::ServiceContext;
use super::entity_tag::{self, ResponseStamp};
use super::limits::RESPONSE;
use super::limits::account::MemoryAccount;
use super::limits::unsent::ResponsePieces;
use super::problem::{HandlerResult, Problem};
use super::query::RequestedView;
use super::response_format::ResponseFormat;
use crate::app::snapshot::Snapshot;
use crate::memory::MemoryKind;

/// The header with the revision of the response; tables have no other place for it.
const REVISION: &str = "Egov-Kpi-Revision";
/// The header with the hash of that revision.
const REVISION_HASH: &str = "Egov-Kpi-Revision-Hash";
/// The request headers that a response depends on.
const VARIES_BY: &str = "Accept, Accept-Encoding, Accept-Language, Authorization";
/// Maximum number of characters in a cell of an Excel file; longer texts are cut.
const MAX_CELL: usize = 32_767;
/// The name of the first sheet of an Excel file with several sheets.
const FIRST_SHEET: &str = "1";
/// Maximum width of a column, in characters, as measured by the Excel writer.
const WIDEST: usize = 60;

/// The content of a response; all of its representations.
pub trait ResponseContent {
    /// The cursor of the next page, if there is one.
    fn next_cursor(&self) -> Option<&str> {
        None
    }

    /// The representation in a format.
    fn into_body(self, format: ResponseFormat) -> ResponseBody;
}

/// The body of a response, before it is written.
pub enum ResponseBody {
    /// A JSON document.
    Json(PieceWriter),
    /// A table, as CSV or Excel file.
    Table(ResponseTable),
    /// A file that has been written already.
    File {
        /// The name under which a browser saves it; without one it is shown.
        name: Option<String>,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// Writes a body in pieces.
type PieceWriter = Box<dyn FnOnce(&mut ResponsePieces) -> std::io::Result<()> + Send>;

impl ResponseBody {
    /// A JSON document.
    #[must_use]
    pub fn json(body: impl Serialize + Send + 'static) -> Self {
        Self::Json(Box::new(move |pieces| {
            serde_json::to_writer(pieces, &body).map_err(std::io::Error::other)
        }))
    }
}

/// The content of an endpoint with one format.
impl ResponseContent for ResponseBody {
    fn into_body(self, _format: ResponseFormat) -> ResponseBody {
        self
    }
}

/// A content that is JSON or a table.
pub trait TableContent: Serialize + Send + Sized + 'static {
    /// The cursor of the next page, if there is one.
    fn next_cursor(&self) -> Option<&str> {
        None
    }

    /// The same content as a table.
    fn into_table(self) -> ResponseTable;
}

impl<T: TableContent> ResponseContent for T {
    fn next_cursor(&self) -> Option<&str> {
        TableContent::next_cursor(self)
    }

    fn into_body(self, format: ResponseFormat) -> ResponseBody {
        if format == ResponseFormat::Json {
            ResponseBody::json(self)
        } else {
            ResponseBody::Table(self.into_table())
        }
    }
}

/// Defines a page of a list: the revision, the entries, the cursor of the next page; as a table, the
/// names of the columns, and the function that makes a row of an entry.
macro_rules! response_page {
    ($(#[$meta:meta])* struct $name:ident {
        $(#[$about:meta])* $entries:ident: Vec<$entry:ty>,
    }
    $columns:expr, $row:expr) => {
        $(#[$meta])*
        #[derive(serde::Serialize, utoipa::ToSchema)]
        struct $name {
            /// The revision of this state.
            revision: i64,
            /// The hash of that revision.
            revision_hash: String,
            $(#[$about])*
            $entries: Vec<$entry>,
            /// The `cursor` of the next page; null on the last page.
            #[schema(required)]
            next_cursor: Option<String>,
        }

        impl $name {
            fn new(
                stamp: &$crate::http::entity_tag::ResponseStamp,
                $entries: Vec<$entry>,
                next_cursor: Option<String>,
            ) -> Self {
                let (revision, revision_hash) = (stamp.id().number, stamp.hash());
                Self { revision, revision_hash, $entries, next_cursor }
            }
        }

        impl $crate::http::respond::TableContent for $name {
            fn next_cursor(&self) -> Option<&str> {
                self.next_cursor.as_deref()
            }

            fn into_table(self) -> $crate::http::respond::ResponseTable {
                let rows = self.$entries.into_iter().map($row);
                $crate::http::respond::ResponseTable::new($columns, rows)
            }
        }
    };
}
pub(in crate::http) use response_page;

/// Responds to a GET with the content that is computed from the requested snapshot, or with 304 if
/// the client already has it, which is checked before anything is computed.
///
/// # Errors
/// Those of the computation; 412 when `If-Match` names another state; 422 for a state that the
/// ledger has never had; 503 until the ledger is loaded, when the revision is not reached in time,
/// and when memory is short; 500 when serialization fails, which a test excludes.
pub async fn respond<C: ResponseContent>(
    request: &HttpRequest,
    context: &ServiceContext,
    view: &RequestedView,
    compute: impl AsyncFnOnce(Snapshot, &ResponseStamp) -> Result<C, Problem>,
) -> HandlerResult {
    let format = view.format;
    let snapshot = context.read_snapshot(&view.consistency).await?;
    let stamp = ResponseStamp::of(request, &snapshot, view.consistency.by_day);
    let tag = entity_tag::tag(&stamp, format.name());
    entity_tag::check_if_match(request, &tag)?;
    if entity_tag::is_known(request, &tag) {
        return Ok(with_headers(&mut HttpResponse::NotModified(), &stamp, tag).finish());
    }

    let content = compute(snapshot, &stamp).await?;
    let mut answer = HttpResponse::Ok();
    with_headers(&mut answer, &stamp, tag).content_type(format.media_type());
    let next = content.next_cursor().map(|cursor| next_page(request, cursor));
    if let Some(next) = &next {
        answer.insert_header((LINK, format!("<{next}>; rel=\"next\"")));
    }

    let write: PieceWriter = match content.into_body(format) {
        ResponseBody::Json(write) => write,
        ResponseBody::Table(table) if format == ResponseFormat::Xlsx => {
            attach(&mut answer, &format!("{}.xlsx", table_file_name(request)));
            Box::new(move |pieces| {
                let file = workbook(table, next).map_err(std::io::Error::other)?;
                std::io::Write::write_all(pieces, &file)
            })
        }
        ResponseBody::Table(table) => Box::new(move |pieces| csv(table, pieces)),
        ResponseBody::File { name, bytes } => {
            if let Some(name) = name {
                attach(&mut answer, &name);
            }
            return Ok(answer.body(bytes));
        }
    };
    let pieces = write_pieces(context, write).await?;
    Ok(answer.body(pieces.into_body()))
}

/// The response to a change: 201 with the location of the submission if there is one, otherwise 200;
/// `Idempotent-Replayed` if it repeats an earlier response.
#[must_use]
pub fn respond_changed(
    submission: Option<&str>,
    replayed: bool,
    body: &impl Serialize,
) -> HttpResponse {
    let mut answer =
        if submission.is_some() { HttpResponse::Created() } else { HttpResponse::Ok() };
    if let Some(id) = submission {
        answer.insert_header((LOCATION, format!("{API}/submissions/{id}")));
    }
    if replayed {
        answer.insert_header(("Idempotent-Replayed", "true"));
    }
    answer.json(body)
}

/// Adds the headers about the state that the response was computed from.
fn with_headers<'b>(
    answer: &'b mut HttpResponseBuilder,
    stamp: &ResponseStamp,
    tag: String,
) -> &'b mut HttpResponseBuilder {
    answer
        .insert_header((REVISION, stamp.id().number))
        .insert_header((REVISION_HASH, stamp.hash()))
        .insert_header((ETAG, tag))
        .insert_header((VARY, VARIES_BY))
}

/// Tells browsers to save the response as a file.
fn attach(answer: &mut HttpResponseBuilder, name: &str) {
    answer.insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
}

/// A text as a part of a file name: all but plain characters are replaced.
#[must_use]
pub fn file_name(text: &str, longest: usize) -> String {
    let plain =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    text.chars().map(plain).take(longest).collect()
}

/// The file name of a table contains unit and period: ranking-sample-2021-12.
fn table_file_name(request: &HttpRequest) -> String {
    let mut name = request.path().rsplit('/').next().unwrap_or_default().to_owned();
    let asked = Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map(Query::into_inner)
        .unwrap_or_default();
    for (key, value) in asked {
        if matches!(key.as_str(), "unit" | "parent" | "period") {
            name += &format!("-{value}");
        }
    }
    file_name(&name, 100)
}

/// Writes a response in pieces within the memory budget; a large one on a thread for heavy work.
async fn write_pieces(
    context: &ServiceContext,
    write: PieceWriter,
) -> Result<ResponsePieces, Problem> {
    let account = MemoryAccount::current();
    let reserved = account.reserved();
    // Half of the reserved memory is for the computed data, half for the written response.
    let mut pieces = ResponsePieces::with_spare(account.work(MemoryKind::Response)?, reserved / 2);
    let work = move || {
        let _account = account; // the memory stays reserved until the response is written, even if the client has gone
        let written = write(&mut pieces);
        (pieces, written)
    };
    let (pieces, written) =
        if reserved > RESPONSE { context.run(reserved, work).await? } else { work() };
    match written {
        Ok(()) => Ok(pieces),
        Err(_short) if pieces.is_exhausted() => Err(Problem::memory()),
        Err(error) => {
            tracing::error!(%error, "cannot write a response");
            Err(Problem::internal())
        }
    }
}

/// A cell of a table.
pub enum ResponseCell {
    /// A number, written as it is.
    Number(String),
    /// A text, which must not become a formula.
    Text(String),
}

/// An Excel file (XLSX).
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only describes a response in the OpenAPI document")]
pub struct WorkbookFile(Vec<u8>);

/// The rows of a table; they are made while they are written.
type TableRows = Box<dyn Iterator<Item = Vec<ResponseCell>> + Send>;

/// A response as a table: CSV, or an Excel file.
pub struct ResponseTable {
    columns: Vec<String>,
    rows: TableRows,
    /// Further sheets of an Excel file with their names, which have at most 31 characters.
    sheets: Vec<(&'static str, ResponseTable)>,
}

impl ResponseTable {
    /// A table with the names of its columns, separated by spaces, and its rows.
    #[must_use]
    pub fn new(
        columns: &str,
        rows: impl Iterator<Item = Vec<ResponseCell>> + Send + 'static,
    ) -> Self {
        let columns = columns.split_whitespace().map(ToOwned::to_owned).collect();
        Self { columns, rows: Box::new(rows), sheets: Vec::new() }
    }

    /// Adds a further sheet to an Excel file.
    #[must_use]
    pub fn with_sheet(mut self, name: &'static str, sheet: Self) -> Self {
        self.sheets.push((name, sheet));
        self
    }
}

fn csv(table: ResponseTable, out: &mut ResponsePieces) -> std::io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(&table.columns)?;
    for row in table.rows {
        writer.write_record(row.into_iter().map(|cell| match cell {
            ResponseCell::Number(number) => number,
            ResponseCell::Text(text) => escape_formula(text),
        }))?;
    }
    writer.flush()
}

/// Sheets with fixed headers and filters; the address of the next page is below the rows of the first.
/// Texts are written as text cells, so that none is evaluated as a formula. The writer keeps rows
/// in a temporary file, so only one row at a time is in memory.
fn workbook(table: ResponseTable, next: Option<String>) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    let first = workbook.add_worksheet_with_constant_memory()?;
    if !table.sheets.is_empty() {
        first.set_name(FIRST_SHEET)?;
    }
    let last = sheet(first, &table.columns, table.rows)?;
    if let Some(next) = next {
        let follows = format!("Còn dữ liệu ở trang sau · More rows follow: {next}");
        first.write_string(last + 1, 0, follows)?;
    }
    for (name, table) in table.sheets {
        let further = workbook.add_worksheet_with_constant_memory()?;
        further.set_name(name)?;
        sheet(further, &table.columns, table.rows)?;
    }
    workbook.save_to_buffer()
}

/// Writes a sheet and returns the number of its last row.
fn sheet(
    sheet: &mut rust_xlsxwriter::Worksheet,
    header: &[String],
    rows: impl Iterator<Item = Vec<ResponseCell>>,
) -> Result<u32, XlsxError> {
    let bold = rust_xlsxwriter::Format::new().set_bold();
    // Room for the filter button beside the name.
    let mut widths: Vec<usize> = header.iter().map(|name| name.chars().count() + 3).collect();
    for (column, name) in (0..).zip(header) {
        sheet.write_string_with_format(0, column, name, &bold)?;
    }
    let mut last = 0;
    for (line, row) in (1..).zip(rows) {
        for ((column, cell), width) in (0..).zip(&row).zip(&mut widths) {
            write(sheet, line, column, cell)?;
            *width = cell.as_str().chars().count().max(*width);
        }
        last = line;
    }
    sheet.set_freeze_panes(1, 0)?;
    if let Some(columns) =
        u16::try_from(header.len()).ok().and_then(|columns| columns.checked_sub(1))
    {
        sheet.autofilter(0, 0, last, columns)?;
    }
    for (column, width) in (0..).zip(widths) {
        let width = u16::try_from(width.min(WIDEST)).unwrap_or(0);
        sheet.set_column_width(column, f64::from(width) + 1.0)?;
    }
    Ok(last)
}

fn write(
    sheet: &mut rust_xlsxwriter::Worksheet,
    line: u32,
    column: u16,
    cell: &ResponseCell,
) -> Result<(), XlsxError> {
    match cell {
        ResponseCell::Text(text) if text.is_empty() => {}
        ResponseCell::Text(text) => drop(sheet.write_string(
            line,
            column,
            text.chars().take(MAX_CELL).collect::<String>(),
        )?),
        ResponseCell::Number(number) => match number.parse::<f64>() {
            Ok(number) => drop(sheet.write_number(line, column, number)?),
            Err(_no_number) => drop(sheet.write_string(line, column, number)?),
        },
    }
    Ok(())
}

impl ResponseCell {
    /// The content of the cell.
    fn as_str(&self) -> &str {
        match self {
            Self::Number(text) | Self::Text(text) => text,
        }
    }

    /// A number; an empty cell if there is none.
    pub fn number(number: Option<impl std::fmt::Display>) -> Self {
        number.map_or_else(|| Self::Text(String::new()), |number| Self::Number(number.to_string()))
    }
}

/// The cell of a value that serializes to a string or boolean; otherwise an empty cell.
#[must_use]
pub fn text(value: &impl Serialize) -> ResponseCell {
    let word = match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(Value::Bool(flag)) => flag.to_string(),
        Ok(Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_)) | Err(_) => {
            String::new()
        }
    };
    ResponseCell::Text(word)
}

/// A text that no spreadsheet evaluates as a formula.
fn escape_formula(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

/// The cells of a flat record, in the order of its fields: numbers as numbers, lists joined by
/// semicolons.
#[must_use]
pub fn cells(record: &impl Serialize) -> Vec<ResponseCell> {
    let cell = |value: &Value| match value {
        Value::Null => ResponseCell::Text(String::new()),
        Value::Number(number) => ResponseCell::Number(number.to_string()),
        Value::String(text) => ResponseCell::Text(text.clone()),
        Value::Bool(flag) => ResponseCell::Text(flag.to_string()),
        Value::Array(list) => ResponseCell::Text(
            list.iter()
                .map(|entry| entry.as_str().map_or_else(|| entry.to_string(), ToOwned::to_owned))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        Value::Object(_) => ResponseCell::Text(value.to_string()),
    };
    match serde_json::to_value(record) {
        Ok(Value::Object(fields)) => fields.values().map(cell).collect(),
        _ => Vec::new(),
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
