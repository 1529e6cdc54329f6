//! `GET /me`, and API keys: `GET` and `POST /keys`, `POST /keys/{id}/rotate`, `DELETE /keys/{id}`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::identity;
use super::body::{ReceivedBody, of_shape, read_body, read_json};
use super::context::ServiceContext;
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{MinRevision, read_query, refuse_query};
use crate::app::RevisionNumber;
use crate::app::api_keys::{
    IssuedKey, KeyExpiry, KeyView, MAX_DAYS, NewKey, OVERLAP_DAYS, RevokedKey,
};
use crate::app::read::me::IdentityView;
use crate::auth::role::Role;

/// The API keys.
#[derive(Serialize, ToSchema)]
struct KeyList {
    /// The newest revision that changed an API key; 0 if no revision did.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The API keys, in order of creation.
    keys: Vec<KeyView>,
}

/// An API key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    /// The name of the holder, for people: 1 to 100 characters.
    name: String,
    /// The role, which determines the permissions.
    role: Role,
    /// The unit of a reporter, who reports for it and the units below it; absent for the other
    /// roles.
    unit: Option<String>,
    /// When the key expires: a day (at its end), an RFC 3339 time, or a number of days such as
    /// `90d`; never if absent.
    expires_at: Option<String>,
}

/// How an API key is replaced.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotationBody {
    /// The number of days for which the old key stays valid; default 7. 0 ends it at once.
    #[schema(minimum = 0, maximum = 3660)]
    overlap_days: Option<i64>,
    /// When the new key expires; default: the expiry of the old key.
    expires_at: Option<String>,
}

/// Get your identity and permissions.
///
/// Returns role and unit of the caller, and the units and months for which the caller may record
/// figures.
#[utoipa::path(
    operation_id = "get_me",
    tag = "service",
    params(MinRevision),
    responses(
        (status = 200, description = "The identity of the caller", body = IdentityView),
        ProblemResponses
    )
)]
#[get("/me")]
pub async fn me(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let consistency = read_query::<MinRevision>(&request)?.consistency();
    let me = context.read_snapshot(&consistency).await?.app().me(&identity(&request)?);
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(me))
}

/// List the API keys.
///
/// Returns all API keys with their state, also expired and revoked ones, without their secrets.
/// Needs the role admin.
#[utoipa::path(
    operation_id = "get_keys",
    tag = "service",
    params(MinRevision),
    responses((status = 200, description = "The API keys", body = KeyList), ProblemResponses)
)]
#[get("/keys")]
pub async fn list(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let consistency = read_query::<MinRevision>(&request)?.consistency();
    let app = context.read_snapshot(&consistency).await?.app().clone();
    let (revision, keys) = context.compute(move || app.keys()).await?;
    let page = KeyList { revision: revision.number, revision_hash: revision.digits(), keys };
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(page))
}

/// Create an API key.
///
/// Only this response contains the secret; the service stores its hash. Needs the role admin.
#[utoipa::path(
    operation_id = "post_key",
    tag = "service",
    request_body(content((NewKeyBody = "application/json"))),
    responses(
        (status = 201, description = "The new API key with its secret", body = IssuedKey),
        ProblemResponses
    )
)]
#[post("/keys")]
pub async fn add(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: ReceivedBody,
) -> HandlerResult {
    let app = context.app()?;
    refuse_query(&request)?;
    let (value, _) = read_json(&request, body)?;
    let NewKeyBody { name, role, unit, expires_at } = of_shape(value)?;
    let new = NewKey { name, role, unit, expires: expiry(expires_at)? };
    issued(&app.add_key(new, &identity(&request)?).await?)
}

/// Replace an API key.
///
/// Creates a key with the same holder, role and unit; the old key stays valid for some days. Only
/// this response contains the secret. Needs the role admin.
#[utoipa::path(
    operation_id = "rotate_key",
    tag = "service",
    params(("id" = String, Path, description = "Identifier of the API key")),
    request_body(content((Option<RotationBody> = "application/json"))),
    responses(
        (status = 201, description = "The new API key with its secret", body = IssuedKey),
        ProblemResponses
    )
)]
#[post("/keys/{id}/rotate")]
pub async fn rotate(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    id: web::Path<String>,
    body: ReceivedBody,
) -> HandlerResult {
    let app = context.app()?;
    refuse_query(&request)?;
    let bytes = read_body(body)?;
    let sent = if bytes.is_empty() {
        RotationBody::default()
    } else {
        of_shape::<Option<RotationBody>>(read_json(&request, Ok(bytes))?.0)?.unwrap_or_default()
    };
    let overlap = sent.overlap_days.unwrap_or(OVERLAP_DAYS);
    if !(0..=MAX_DAYS).contains(&overlap) {
        return Err(Problem::parameter(
            "overlap_days",
            "out_of_range",
            format!("must be 0 to {MAX_DAYS} days"),
        ));
    }
    issued(&app.rotate_key(&id, overlap, expiry(sent.expires_at)?, &identity(&request)?).await?)
}

/// Revoke an API key.
///
/// Every instance of the service rejects the key within a second. Needs the role admin.
#[utoipa::path(
    operation_id = "revoke_key",
    tag = "service",
    params(("id" = String, Path, description = "Identifier of the API key")),
    responses(
        (status = 200, description = "The revoked API key", body = RevokedKey),
        ProblemResponses
    )
)]
#[delete("/keys/{id}")]
pub async fn revoke(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    id: web::Path<String>,
) -> HandlerResult {
    refuse_query(&request)?;
    let view = context.app()?.revoke_key(&id, &identity(&request)?).await?;
    Ok(HttpResponse::Ok().json(view))
}

fn issued(issued: &IssuedKey) -> HandlerResult {
    let place = format!("{}/keys", super::constants::API);
    Ok(HttpResponse::Created()
        .insert_header(("Location", place))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(issued))
}

fn expiry(text: Option<String>) -> Result<Option<KeyExpiry>, Problem> {
    text.map(|text| {
        text.parse().map_err(|detail: String| Problem::parameter("expires_at", "malformed", detail))
    })
    .transpose()
}
