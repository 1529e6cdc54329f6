//! `GET /units` and `PUT /units`.

use actix_web::{HttpRequest, HttpResponse, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Context;
use super::access::who;
use super::keyed::{keyed, told};
use super::observations::read_body;
use super::params::{Params, offset_cursor};
use super::problem::{Answer, Problem, Problems};
use super::reply::{Cell, Format, json, table};
use crate::app::keyed::Keyed;
use crate::app::units::{UnitsChanged, parse};
use crate::domain::fault::quoted;
use crate::domain::unit::{UnitDocument, Units};
use crate::error::Error;

/// Most units on a page.
const MAX_PAGE: usize = 20_000;

/// Units.
#[derive(Serialize, ToSchema)]
struct UnitsPage {
    /// The revision that they are of.
    revision: i64,
    /// The units, parents before children.
    units: Vec<UnitDocument>,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Units to add or to replace.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "it describes the body; the body is read unit by unit so that every fault is named at once"
)]
pub struct UnitsBody {
    /// The units, whole: a field left out takes its default.
    #[schema(max_items = 50000)]
    units: Vec<UnitDocument>,
}

/// The units, parents before children.
#[utoipa::path(
    operation_id = "get_units",
    tag = "declarations",
    params(
        ("code" = Option<Vec<String>>, Query, description = "Only these; may repeat"),
        ("parent" = Option<String>, Query, description = "Only the children of this one"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 20,000; 10,000 when absent", minimum = 1, maximum = 20000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((UnitsPage = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/units")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let (codes, parent) = (params.many("code"), params.text("parent"));
    let (limit, offset) = (params.limit(format, 10_000, MAX_PAGE), params.offset());
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let state = moment.look();
    let wanted = positions(&state.units, &codes, parent.as_deref())?;
    let mut rest = wanted.into_iter().skip(offset);
    let units: Vec<UnitDocument> = rest
        .by_ref()
        .take(limit)
        .filter_map(|position| state.units.get(position))
        .map(|unit| unit.document.clone())
        .collect();
    let revision = state.revision;
    let next = offset_cursor(revision, rest.next().map(|_| offset + limit));
    let stamp = stamp.at(revision);
    drop(state);
    match format {
        Format::Json => json(
            &request,
            &stamp,
            next.as_deref(),
            &UnitsPage { revision, units, next_cursor: next.clone() },
        ),
        Format::Csv | Format::Xlsx => {
            let header = [
                "code",
                "kind",
                "name_vi",
                "name_en",
                "parent",
                "valid_from",
                "valid_to",
                "successors",
                "shares",
                "official_codes",
            ];
            table(&request, &stamp, format, next.as_deref(), &header, units.into_iter().map(row))
                .await
        }
    }
}

fn positions(units: &Units, codes: &[String], parent: Option<&str>) -> Result<Vec<usize>, Error> {
    let find = |code: &str| {
        units
            .position(code)
            .ok_or_else(|| Error::NotFound(format!("there is no unit {}", quoted(code))))
    };
    let mut found: Vec<usize> = match parent {
        Some(parent) => units.children(find(parent)?).collect(),
        None => (0..units.len()).collect(),
    };
    if !codes.is_empty() {
        let wanted = codes
            .iter()
            .map(|code| find(code))
            .collect::<Result<std::collections::HashSet<_>, _>>()?;
        found.retain(|position| wanted.contains(position));
    }
    Ok(found)
}

fn row(unit: UnitDocument) -> Vec<Cell> {
    let kind = serde_json::to_value(unit.kind)
        .ok()
        .and_then(|kind| kind.as_str().map(ToOwned::to_owned))
        .unwrap_or_default();
    let day = |day: Option<chrono::NaiveDate>| {
        Cell::Text(day.map(|day| day.to_string()).unwrap_or_default())
    };
    let official = unit
        .official_codes
        .iter()
        .map(|official| official.code.clone())
        .collect::<Vec<_>>()
        .join("; ");
    vec![
        Cell::Text(unit.code),
        Cell::Text(kind),
        Cell::Text(unit.name.vi),
        Cell::Text(unit.name.en),
        Cell::Text(unit.parent.unwrap_or_default()),
        day(unit.valid_from),
        day(unit.valid_to),
        Cell::Text(unit.successors.join("; ")),
        Cell::Text(
            unit.shares
                .iter()
                .map(|(code, share)| format!("{code}={share}"))
                .collect::<Vec<_>>()
                .join("; "),
        ),
        Cell::Text(official),
    ]
}

/// Adds or replaces the listed units whole, in any order, and leaves others alone.
#[utoipa::path(
    operation_id = "put_units",
    tag = "declarations",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days"),
        ("dry_run" = Option<bool>, Query, description = "Check it, change nothing")
    ),
    request_body(content((UnitsBody = "application/json"))),
    responses((status = 200, description = "The listed units as they are now", body = UnitsPage), Problems)
)]
#[put("/units")]
pub async fn put(
    request: HttpRequest,
    context: web::Data<Context>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let app = context.app()?;
    let mut params = Params::of(&request)?;
    let dry_run = params.flag("dry_run", false);
    params.finish()?;
    let (value, key) = read_json(&request, body)?;
    let given = app.put_units(parse(value)?, &who(&request)?, dry_run, key).await?;
    let UnitsChanged { revision, units } = given.answer.clone();
    Ok(told(HttpResponse::Ok().json(UnitsPage { revision, units, next_cursor: None }), &given))
}

/// Most values of a JSON document that is read whole, counted by what stands between them.
const MAX_VALUES: usize = 2_000_000;

/// A body that has to be JSON, and the request's key.
pub(super) fn read_json(
    request: &HttpRequest,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<(serde_json::Value, Option<Keyed>), Problem> {
    let media = request
        .headers()
        .get(actix_web::http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if media.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Problem::media_type("application/json"));
    }
    let bytes = read_body(body)?;
    // Each value takes far more memory than the one byte that may stand for it.
    if bytes.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count() > MAX_VALUES {
        return Err(Problem::too_large(format!("a document has at most {MAX_VALUES} values"))
            .of_bound("values"));
    }
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::malformed(format!("the body is no JSON: {error}")))?;
    Ok((value, keyed(request, &bytes)?))
}
