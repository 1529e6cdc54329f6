//! Responses: entity tag, 304, JSON, CSV or Excel file, headers, link to the next page, memory.
//! Handlers that read the state give the content; only this module writes it.

use actix_web::body::{BodyStream, BoxBody};
use actix_web::http::header::{
    CONTENT_DISPOSITION, ContentEncoding, ETAG, HeaderName, HeaderValue, LINK, LOCATION, VARY,
};
use actix_web::web::{Bytes, Query};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::stream::empty;
use serde::Serialize;

use super::access::WithoutBody;
use super::constants::API;
use super::context::ServiceContext;
use super::entity_tag::{self, ResponseStamp};
use super::language::ResponseLanguage;
use super::limits::RESPONSE;
use super::limits::account::MemoryAccount;
use super::limits::unsent::ResponsePieces;
use super::problem::{HandlerResult, Problem};
use super::query::{PageBound, RequestedView};
use super::response_format::ResponseFormat;
use crate::app::snapshot::{ReadConsistency, Snapshot};
use crate::memory::MemoryKind;
use crate::render::readable::{SheetLanguage, readable_workbook};
use crate::render::table::{ResponseTable, csv, workbook};

/// The header with the revision of the response; tables have no other place for it.
const REVISION: HeaderName = HeaderName::from_static("egov-kpi-revision");
/// The header with the hash of that revision.
const REVISION_HASH: HeaderName = HeaderName::from_static("egov-kpi-revision-hash");
/// The request headers that a response depends on.
const VARIES_BY: &str = "Accept, Accept-Encoding, Accept-Language, Authorization";
/// The content of a response; all of its representations.
pub trait ResponseContent {
    /// The cursor of the next page, if there is one.
    fn next_cursor(&self) -> Option<&str> {
        None
    }

    /// The limits of a page besides the number of its entries, as the end of a sentence.
    fn bound(&self) -> &'static str {
        ""
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

    /// As [`ResponseContent::bound`].
    fn bound(&self) -> &'static str {
        ""
    }

    /// Writes the content as JSON.
    ///
    /// # Errors
    /// Those of the writer, which fails when memory is short.
    fn write_json(&self, pieces: &mut ResponsePieces) -> std::io::Result<()> {
        serde_json::to_writer(pieces, self).map_err(std::io::Error::other)
    }

    /// The same content as a table.
    fn into_table(self) -> ResponseTable;
}

impl<T: TableContent> ResponseContent for T {
    fn next_cursor(&self) -> Option<&str> {
        TableContent::next_cursor(self)
    }

    fn bound(&self) -> &'static str {
        TableContent::bound(self)
    }

    fn into_body(self, format: ResponseFormat) -> ResponseBody {
        if format == ResponseFormat::Json {
            ResponseBody::Json(Box::new(move |pieces| self.write_json(pieces)))
        } else {
            ResponseBody::Table(self.into_table())
        }
    }
}

/// Defines a page of a list: the revision, the entries, the cursor of the next page; as a table,
/// the names of the columns, the function that makes a row of an entry, and what an Excel file for
/// people shows.
macro_rules! response_page {
    ($(#[$meta:meta])* struct $name:ident {
        $(#[$about:meta])* $entries:ident: Vec<$entry:ty>,
    }
    $columns:expr, $row:expr, $plan:expr) => {
        $(#[$meta])*
        #[derive(serde::Serialize, utoipa::ToSchema)]
        struct $name {
            /// The revision of this state.
            #[schema(value_type = i64)]
            revision: $crate::app::RevisionNumber,
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
                stamp: &$crate::api::entity_tag::ResponseStamp,
                $entries: Vec<$entry>,
                next_cursor: Option<String>,
            ) -> Self {
                let (revision, revision_hash) = (stamp.id().number, stamp.hash());
                Self { revision, revision_hash, $entries, next_cursor }
            }
        }

        impl $crate::api::respond::TableContent for $name {
            fn next_cursor(&self) -> Option<&str> {
                self.next_cursor.as_deref()
            }

            fn into_table(self) -> $crate::render::table::ResponseTable {
                let rows = self.$entries.into_iter().map($row);
                $crate::render::table::ResponseTable::new($columns, rows).planned($plan)
            }
        }
    };
}
pub(in crate::api) use response_page;

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
    let mut stamp = ResponseStamp::of(&snapshot, view.consistency.by_day);
    let people = (format == ResponseFormat::Xlsx && !view.is_full()).then(|| {
        let language = ResponseLanguage::of_file(request.query_string(), request.headers());
        stamp.set_language(language);
        SheetLanguage::new(snapshot.clone(), language == ResponseLanguage::Vi)
    });
    let tag = entity_tag::tag(&stamp, format.name());
    entity_tag::check_if_match(request, &tag)?;
    if entity_tag::is_known(request, &tag) {
        return Ok(with_headers(&mut HttpResponse::NotModified(), &stamp, tag).finish());
    }

    let content = compute(snapshot, &stamp).await?;
    if format != ResponseFormat::Json && content.next_cursor().is_some() {
        check_whole(request, content.bound())?;
    }
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
                let file = match people {
                    Some(mut language) => readable_workbook(table, next.as_deref(), &mut language),
                    None => workbook(table, next),
                };
                let file = file.map_err(std::io::Error::other)?;
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

/// A file that is sent while it is written.
#[derive(Clone, Copy)]
pub struct StreamedFile {
    /// The name under which a browser saves it.
    pub name: &'static str,
    /// The name of its format in the entity tag.
    pub format: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its encoding, where the service must not compress it again.
    pub encoding: Option<ContentEncoding>,
}

/// Responds to a GET with a file that is sent while it is written, from the requested snapshot, or
/// with 304 if the client already has it.
///
/// # Errors
/// As for [`respond`]; those of writing cut the response off.
pub async fn respond_streamed(
    request: &HttpRequest,
    context: &ServiceContext,
    consistency: &ReadConsistency,
    file: StreamedFile,
    write: impl AsyncFnOnce(Snapshot) -> Result<BoxBody, Problem>,
) -> HandlerResult {
    let snapshot = context.read_snapshot(consistency).await?;
    let stamp = ResponseStamp::of(&snapshot, consistency.by_day);
    let tag = entity_tag::tag(&stamp, file.format);
    entity_tag::check_if_match(request, &tag)?;
    if entity_tag::is_known(request, &tag) {
        return Ok(with_headers(&mut HttpResponse::NotModified(), &stamp, tag).finish());
    }
    let body = write(snapshot).await?;
    let mut answer = HttpResponse::Ok();
    with_headers(&mut answer, &stamp, tag).content_type(file.media_type);
    attach(&mut answer, file.name);
    if let Some(encoding) = file.encoding {
        answer.insert_header(encoding);
    }
    Ok(answer.body(body))
}

/// The body in place of a file that a HEAD asks about: a whole file would be written for nothing.
/// `None` for a GET.
#[must_use]
pub fn body_of_head(request: &HttpRequest) -> Option<BoxBody> {
    request.extensions().get::<WithoutBody>()?;
    Some(BoxBody::new(BodyStream::new(empty::<Result<Bytes, std::convert::Infallible>>())))
}

/// Refuses a table that does not fit into one response, unless the request has `limit`: its reader
/// would believe that a part is the whole.
fn check_whole(request: &HttpRequest, besides: &str) -> Result<(), Problem> {
    match request.extensions().get::<PageBound>() {
        Some(PageBound { most, is_given: false }) => Err(Problem::parameter(
            "limit",
            "table_too_long",
            format!(
                "the table does not fit into one response, which has at most {most} \
                 entries{besides}; ask for less, or give limit and follow the header Link"
            ),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The response to a change: 201 with the location of the submission if there is one, otherwise
/// 200; `Idempotent-Replayed` if it repeats an earlier response.
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
        .insert_header((REVISION, stamp.id().number.get()))
        .insert_header((REVISION_HASH, stamp.hash()))
        .insert_header((ETAG, tag))
        .insert_header((VARY, HeaderValue::from_static(VARIES_BY)))
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
        // The memory stays reserved until the response is written, even if the client has gone
        let _account = account;
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

/// An Excel file (XLSX).
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only describes a response in the OpenAPI document")]
pub struct WorkbookFile(Vec<u8>);

/// A ZIP file.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only describes a response in the OpenAPI document")]
pub struct ZipFile(Vec<u8>);

/// A Parquet file.
#[derive(utoipa::ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "only describes a response in the OpenAPI document")]
pub struct ParquetFile(Vec<u8>);

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
