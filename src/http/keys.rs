//! `GET /me`, and keys: `GET` and `POST /keys`, `POST /keys/{id}/rotate`, `DELETE /keys/{id}`.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::access::who;
use super::observations::read_body;
use super::params::Params;
use super::problem::{Answer, Problem, Problems};
use super::units::read_json;
use crate::app::access::{Me, Role};
use crate::app::keys::{Expiry, Issued, KeyView, MAX_DAYS, NewKey, OVERLAP_DAYS};
use crate::domain::fault::Fault;

/// The keys.
#[derive(Serialize, ToSchema)]
struct Keys {
    /// The newest revision that changed one; 0 when there are none.
    revision: i64,
    /// The keys, the newest last.
    keys: Vec<KeyView>,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewKeyBody {
    /// Whose it is, for people: 1 to 100 characters.
    name: String,
    /// What it lets its holder do.
    role: Role,
    /// The unit that a reporter reports for, and those below; the other roles have none.
    unit: Option<String>,
    /// When it ends: a day (its end), an RFC 3339 time, or a number of days such as `90d`; never when absent.
    expires_at: Option<String>,
}

/// How a key is replaced.
#[derive(Deserialize, Default, ToSchema)]
#[serde(deny_unknown_fields)]
struct RotationBody {
    /// For how many days the old key lives on; 7 when absent, 0 ends it at once.
    #[schema(minimum = 0, maximum = 3660)]
    overlap_days: Option<i64>,
    /// When the new key ends; when absent, it lives as long as the old one was to live.
    expires_at: Option<String>,
}

/// Who you are to the service, and what you may do: role, unit, units and months whose figures you may write.
#[utoipa::path(operation_id = "get_me", tag = "service", responses((status = 200, description = "You", body = Me), Problems))]
#[get("/me")]
pub async fn me(request: HttpRequest, context: web::Data<Context>) -> Answer {
    Params::of(&request)?.finish()?;
    let me = context.app()?.me(&who(&request)?);
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(me))
}

/// Every key, also those that have ended, without the keys themselves. For admins.
#[utoipa::path(operation_id = "get_keys", tag = "service", responses((status = 200, description = "The keys", body = Keys), Problems))]
#[get("/keys")]
pub async fn list(request: HttpRequest, context: web::Data<Context>) -> Answer {
    Params::of(&request)?.finish()?;
    let app = context.app()?.clone();
    let (revision, keys) = context.compute(move || app.keys()).await?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(Keys { revision, keys }))
}

/// Makes a key. It is in this answer and nowhere else: only its hash is kept. For admins.
#[utoipa::path(
    operation_id = "post_key",
    tag = "service",
    request_body(content((NewKeyBody = "application/json"))),
    responses((status = 201, description = "The key", body = Issued), Problems)
)]
#[post("/keys")]
pub async fn add(
    request: HttpRequest,
    context: web::Data<Context>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let app = context.app()?;
    Params::of(&request)?.finish()?;
    let (value, _) = read_json(&request, body)?;
    let NewKeyBody { name, role, unit, expires_at } = read(value)?;
    let new = NewKey { name, role, unit, expires: expiry(expires_at)? };
    issued(&app.add_key(new, &who(&request)?).await?)
}

/// Makes a key of the same holder, role and unit; the old one lives on for some days. For admins.
#[utoipa::path(
    operation_id = "rotate_key",
    tag = "service",
    params(("id" = String, Path, description = "The key's identifier")),
    request_body(content((Option<RotationBody> = "application/json"))),
    responses((status = 201, description = "The new key", body = Issued), Problems)
)]
#[post("/keys/{id}/rotate")]
pub async fn rotate(
    request: HttpRequest,
    context: web::Data<Context>,
    id: web::Path<String>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let app = context.app()?;
    Params::of(&request)?.finish()?;
    let bytes = read_body(body)?;
    let sent = if bytes.is_empty() {
        RotationBody::default()
    } else {
        read::<Option<RotationBody>>(read_json(&request, Ok(bytes))?.0)?.unwrap_or_default()
    };
    let overlap = sent.overlap_days.unwrap_or(OVERLAP_DAYS);
    if !(0..=MAX_DAYS).contains(&overlap) {
        return Err(Problem::parameter(
            "overlap_days",
            "out_of_range",
            format!("0 to {MAX_DAYS} days"),
        ));
    }
    issued(&app.rotate_key(&id, overlap, expiry(sent.expires_at)?, &who(&request)?).await?)
}

/// Revokes a key: within a second it is of no use on any instance. For admins.
#[utoipa::path(
    operation_id = "revoke_key",
    tag = "service",
    params(("id" = String, Path, description = "The key's identifier")),
    responses((status = 200, description = "The key, revoked", body = KeyView), Problems)
)]
#[delete("/keys/{id}")]
pub async fn revoke(
    request: HttpRequest,
    context: web::Data<Context>,
    id: web::Path<String>,
) -> Answer {
    Params::of(&request)?.finish()?;
    let view = context.app()?.revoke_key(&id, &who(&request)?).await?;
    Ok(HttpResponse::Ok().json(view))
}

fn issued(issued: &Issued) -> Answer {
    let place = format!("{}/keys", super::API);
    Ok(HttpResponse::Created()
        .insert_header(("Location", place))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(issued))
}

fn expiry(text: Option<String>) -> Result<Option<Expiry>, Problem> {
    text.map(|text| {
        text.parse().map_err(|detail: String| Problem::parameter("expires_at", "malformed", detail))
    })
    .transpose()
}

/// A body of a fixed shape; what is wrong is told with its place.
fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        let pointer =
            if place == "." { String::new() } else { format!("/{}", place.replace('.', "/")) };
        Problem::invalid(vec![Fault::new(pointer, "malformed", error.inner().to_string())])
    })
}
