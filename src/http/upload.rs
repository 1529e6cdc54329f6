//! A file as the body of a request: as it is, or as the field `file` of a form (`multipart/form-data`).

use actix_multipart::{Multipart, MultipartError};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::StreamExt;

use super::MAX_BODY;
use super::observations::read_body;
use super::problem::Problem;

/// The field of a form that holds the file.
const FIELD: &str = "file";
/// Longest name of a file that is kept, in characters.
const MAX_NAME: usize = 255;

/// A file that was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Upload {
    /// Its bytes, at most [`MAX_BODY`].
    pub bytes: Vec<u8>,
    /// Its name, where the form says it; control characters left out.
    pub name: Option<String>,
    /// Its media type without parameters in lower case; empty when nobody says it.
    pub media: String,
}

/// The media type of a header without its parameters.
fn media_of(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads the file that a request sends.
///
/// # Errors
/// 413 above the bound, 400 for a body that cannot be read, 422 for a form without the field, or with another one.
pub(super) async fn upload(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Upload, Problem> {
    let media = media_of(
        request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default(),
    );
    let mut inner = payload.into_inner();
    if media != "multipart/form-data" {
        let bytes = web::Bytes::from_request(request, &mut inner).await;
        return Ok(Upload { bytes: read_body(bytes)?.to_vec(), name: None, media });
    }
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Problem::media_type("a form without Content-Encoding"));
    }
    let mut form = Multipart::from_request(request, &mut inner)
        .await
        .map_err(|_e| Problem::malformed("the form cannot be read"))?;
    let mut found: Option<Upload> = None;
    while let Some(field) = form.next().await {
        let mut field = field.map_err(|error| unreadable(&error))?;
        let name = field.name().unwrap_or_default().to_owned();
        if name != FIELD {
            let name: String = name.chars().take(60).collect();
            return Err(Problem::parameter(
                &name,
                "unknown_field",
                format!("a form has the field {FIELD} alone"),
            ));
        }
        if found.is_some() {
            return Err(Problem::parameter(
                FIELD,
                "duplicate",
                format!("the field {FIELD} may stand once"),
            ));
        }
        let called = field
            .content_disposition()
            .and_then(|disposition| disposition.get_filename())
            .map(|name| name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect());
        let media = field.content_type().map(|media| media_of(media.as_ref())).unwrap_or_default();
        let bytes = match field.bytes(MAX_BODY).await {
            Ok(Ok(bytes)) => bytes.to_vec(),
            Ok(Err(error)) => return Err(unreadable(&error)),
            Err(_too_large) => {
                return Err(Problem::too_large(format!("a file has at most {MAX_BODY} bytes")));
            }
        };
        found = Some(Upload { bytes, name: called, media });
    }
    found.ok_or_else(|| {
        Problem::parameter(FIELD, "missing", format!("send the file in the field {FIELD}"))
    })
}

fn unreadable(_error: &MultipartError) -> Problem {
    Problem::malformed("the form cannot be read")
}
