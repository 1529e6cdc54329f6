//! Bodies of requests: JSON, and files, sent as the body itself or as the field `file` of a form
//! (`multipart/form-data`). `limits/body.rs` has read and decompressed the bytes.

use std::collections::BTreeMap;

use actix_multipart::{Multipart, MultipartError};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, ContentDisposition};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;

use super::constants::MAX_BODY;
use super::context::ServiceContext;
use super::idempotency::idempotency_key;
use super::problem::Problem;
use crate::app::write::idempotency::IdempotencyKey;
use crate::intake::sheet_csv::first_sheet;
use crate::intake::utf16::without_mark;
use kpi::fault::Fault;

/// Maximum number of values of a JSON document that is parsed as a whole, counted by separators and
/// opening brackets.
const MAX_VALUES: usize = 2_000_000;

/// The form field of the file.
const FIELD: &str = "file";
/// Maximum length of a file name, in characters; longer names are cut.
const MAX_NAME: usize = 255;
/// Maximum length of a text field beside a file, in bytes.
const MAX_FIELD: usize = 16 << 10;

/// A body as the web server passes it to a handler.
pub(super) type ReceivedBody = Result<web::Bytes, actix_web::Error>;

/// The media type of the body, without parameters; empty if the request names none.
pub(super) fn media_type(request: &HttpRequest) -> &str {
    let text = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    text.and_then(|text| text.split(';').next()).unwrap_or_default().trim()
}

/// The bytes of a body.
///
/// # Errors
/// 400 for a body that could not be read.
pub(super) fn read_body(body: ReceivedBody) -> Result<web::Bytes, Problem> {
    body.map_err(|_unread| Problem::malformed("the body cannot be read"))
}

/// Parses a JSON body, and reads the idempotency key of the request.
///
/// # Errors
/// 415 for another media type, 400 for a body that is not JSON, 413 above the limit of values, and
/// those of [`idempotency_key`].
pub(super) fn read_json(
    request: &HttpRequest,
    body: ReceivedBody,
) -> Result<(serde_json::Value, Option<IdempotencyKey>), Problem> {
    if !media_type(request).eq_ignore_ascii_case("application/json") {
        return Err(Problem::media_type("application/json"));
    }
    let bytes = read_body(body)?;
    // In memory a parsed value takes far more than its one byte in the body.
    if bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > MAX_VALUES {
        return Err(Problem::too_large(format!("the document has more than {MAX_VALUES} values"))
            .of_bound("values"));
    }
    let value = serde_json::from_slice(without_mark(&bytes))
        .map_err(|error| Problem::malformed(format!("the body is not JSON: {error}")))?;
    Ok((value, idempotency_key(request, &bytes)?))
}

/// The first sheet of an Excel file as CSV.
///
/// # Errors
/// The reason why the file cannot be read; 503 when memory is short.
pub(super) async fn sheet(context: &ServiceContext, bytes: web::Bytes) -> Result<Vec<u8>, Problem> {
    let account = context.reserve_document(bytes.len(), false).await?;
    let read = context.run(account.reserved(), move || {
        // The memory stays reserved until the file is read, even if the client has gone
        let _account = account;
        first_sheet(&bytes).map_err(|fault| vec![fault])?.table()
    });
    read.await?.map_err(Problem::invalid)
}

/// Converts a JSON document of a fixed shape.
///
/// # Errors
/// 422 with the JSON pointer of the first wrong place.
pub(super) fn of_shape<T: serde::de::DeserializeOwned>(
    value: serde_json::Value,
) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| Problem::invalid(vec![Fault::of_shape("", &error)]))
}

/// An uploaded file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadedFile {
    /// Its bytes, at most [`MAX_BODY`].
    pub bytes: Vec<u8>,
    /// Its name from the form, without control characters.
    pub name: Option<String>,
    /// Its media type in lower case without parameters; empty if the request names none.
    pub media: String,
}

/// Reads the uploaded file of a request.
///
/// # Errors
/// 413 above the limit, 400 for an unreadable body, 422 for a form without the field or with
/// another field.
pub(super) async fn upload(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<UploadedFile, Problem> {
    upload_form(request, payload, &[]).await.map(|(file, _no_fields)| file)
}

/// As [`upload`], from a form that may also have the named text fields, each of at most
/// [`MAX_FIELD`] bytes.
///
/// # Errors
/// As for [`upload`].
pub async fn upload_form(
    request: &HttpRequest,
    payload: web::Payload,
    texts: &[&str],
) -> Result<(UploadedFile, BTreeMap<String, String>), Problem> {
    let mut fields = BTreeMap::new();
    let media = media_type(request).to_ascii_lowercase();
    let mut inner = payload.into_inner();
    if media != "multipart/form-data" {
        let bytes = web::Bytes::from_request(request, &mut inner).await;
        let file = UploadedFile { bytes: read_body(bytes)?.to_vec(), name: None, media };
        return Ok((file, fields));
    }
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Problem::media_type("a form (multipart/form-data) without Content-Encoding"));
    }
    let mut form = Multipart::from_request(request, &mut inner)
        .await
        .map_err(|_e| Problem::malformed("the form cannot be read"))?;
    let mut found: Option<UploadedFile> = None;
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|error| unreadable(&error))?;
        let name = field.name().unwrap_or_default().to_owned();
        if texts.contains(&name.as_str()) {
            let bytes = match field.bytes(MAX_FIELD).await {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => return Err(unreadable(&error)),
                Err(_too_large) => {
                    return Err(Problem::too_large(format!(
                        "a field of the form has at most {MAX_FIELD} bytes"
                    )));
                }
            };
            fields.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            continue;
        }
        if name != FIELD {
            let name: String = name.chars().take(60).collect();
            return Err(Problem::parameter(
                &name,
                "unknown_field",
                format!("unknown field; the form has only the field {FIELD}"),
            ));
        }
        if found.is_some() {
            return Err(Problem::parameter(
                FIELD,
                "duplicate",
                format!("the field {FIELD} is repeated"),
            ));
        }
        let called = field.content_disposition().and_then(file_name);
        let media = field
            .content_type()
            .map(|media| media.essence_str().to_ascii_lowercase())
            .unwrap_or_default();
        let bytes = match field.bytes(MAX_BODY).await {
            Ok(Ok(bytes)) => bytes.to_vec(),
            Ok(Err(error)) => return Err(unreadable(&error)),
            Err(_too_large) => {
                return Err(Problem::too_large(format!(
                    "the file is longer than {MAX_BODY} bytes"
                )));
            }
        };
        found = Some(UploadedFile { bytes, name: called, media });
    }
    let file = found.ok_or_else(|| {
        Problem::parameter(FIELD, "missing", format!("send the file in the field {FIELD}"))
    })?;
    Ok((file, fields))
}

/// The name of a file: from `filename*`, which may have any letters, otherwise from `filename`.
fn file_name(disposition: &ContentDisposition) -> Option<String> {
    let extended = disposition
        .get_filename_ext()
        .map(|name| String::from_utf8_lossy(&name.value).into_owned());
    let name = extended.or_else(|| disposition.get_filename().map(ToOwned::to_owned))?;
    Some(name.chars().filter(|c| !kpi::text::is_hidden(*c)).take(MAX_NAME).collect())
}

fn unreadable(_error: &MultipartError) -> Problem {
    Problem::malformed("the form cannot be read")
}
