//! `GET /units` and `PUT /units`.

use actix_web::{HttpRequest, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::identity;
use super::body::{ReceivedBody, media_type, read_body, read_json, sheet};
use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::idempotency::{IdempotencyHeader, idempotency_key};
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{
    DryRun, PageLimit, PageOffset, RequestedView, is_dry_run, query_params, read_query,
};
use super::respond::{WorkbookFile, respond, respond_changed, response_page};
use super::response_format::WORKBOOK;
use crate::app::RevisionNumber;
use crate::app::write::units::{UnitsChanged, limited, parse};
use crate::error::Error;
use crate::intake::unit_table::{self, COLUMNS};
use crate::render::sheet_plan::SheetPlan;
use crate::render::units::row;
use kpi::fault::quoted;
use kpi::unit::{UnitDocument, UnitForest, UnitPosition};

/// Maximum memory per row of a page, in bytes; about half of it is the response.
const ROW: usize = 1 << 10;

/// Maximum number of units on a page.
const MAX_PAGE: usize = 20_000;

response_page! {
    /// A page of units.
    struct UnitsPage {
        /// The units, parents before children.
        units: Vec<UnitDocument>,
    }
    &COLUMNS.join(" "),
    row,
    SheetPlan::new("units", "name_vi name_en kind parent valid_from valid_to successors").keeping(
        "code kind name_vi name_en parent valid_from valid_to successors shares official_codes \
         labels"
    )
}

/// The listed units after a change.
#[derive(Serialize, ToSchema)]
struct UnitsRecorded {
    /// Whether this request, or the one that it repeats, made a revision.
    recorded: bool,
    /// The revision of this state.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The listed units after the change.
    units: Vec<UnitDocument>,
    /// Always null: the response is one page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Units to add or replace.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only describes the body in the OpenAPI document; the body is read unit by unit to \
        report all errors at once"
)]
pub struct UnitsBody {
    /// The units, each whole: an absent field takes its default.
    #[schema(max_items = 50000)]
    units: Vec<UnitDocument>,
}

query_params! {
    /// The parameters of `GET /units`.
    struct UnitsParams {
        view: RequestedView,
        code: Vec<String> = "Only the units with these codes; may be repeated",
        parent: Option<String> = "Only the children of this unit",
        limit: PageLimit<10_000, MAX_PAGE> =
            "Maximum number of units on the page, 1 to 20,000; default 10,000",
        cursor: Option<PageOffset>,
    }
}

/// List the units.
///
/// Returns units with parents before children. The response can be sent back with `PUT`.
#[utoipa::path(
    operation_id = "get_units",
    tag = "declarations",
    params(UnitsParams),
    responses(
        (
            status = 200,
            description = "A page of units",
            content(
                (UnitsPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/units")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let UnitsParams { view, code: codes, parent, limit, cursor } = read_query(&request)?;
    let (limit, offset) = (limit.of(view.format), cursor.unwrap_or_default().0);
    respond(&request, &context, &view, async |snapshot, stamp| {
        let page = move || {
            let state = snapshot.state();
            let consistency = positions(&state.units, &codes, parent.as_deref())?;
            let mut rest = consistency.into_iter().skip(offset);
            let units: Vec<UnitDocument> = rest
                .by_ref()
                .take(limit)
                .filter_map(|position| state.units.get(position))
                .map(|unit| unit.document.clone())
                .collect();
            Ok::<_, Error>((units, rest.next().is_some()))
        };
        let (units, more) = context.compute_in(limit.saturating_mul(ROW), page).await?;
        let next = offset_cursor(stamp, more.then_some(offset + limit));
        Ok(UnitsPage::new(stamp, units, next))
    })
    .await
}

fn positions(
    units: &UnitForest,
    codes: &[String],
    parent: Option<&str>,
) -> Result<Vec<UnitPosition>, Error> {
    let find = |code: &str| {
        units
            .position(code)
            .ok_or_else(|| Error::NotFound(format!("there is no unit {}", quoted(code))))
    };
    let mut found: Vec<UnitPosition> = match parent {
        Some(parent) => units.children(find(parent)?).collect(),
        None => units.all().iter().collect(),
    };
    if !codes.is_empty() {
        let consistency = codes
            .iter()
            .map(|code| find(code))
            .collect::<Result<std::collections::HashSet<_>, _>>()?;
        found.retain(|position| consistency.contains(position));
    }
    Ok(found)
}

/// Add or replace units.
///
/// Replaces the listed units whole, in any order; other units stay as they are. Errors in the units
/// get 422. The response is 409 if a parent changes, or if recorded figures would fall outside the
/// validity of a unit. The tables that `GET /units` returns can be sent back as they are.
#[utoipa::path(
    operation_id = "put_units",
    tag = "declarations",
    params(IdempotencyHeader, DryRun),
    request_body(content(
        (UnitsBody = "application/json"),
        (String = "text/csv", example = "code,kind,name_vi,parent\ntv.doh,department,Sở Y \
            tế,travinh\n"),
        (WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    )),
    responses(
        (status = 200, description = "The listed units after the change", body = UnitsRecorded),
        ProblemResponses
    )
)]
#[put("/units")]
pub async fn put(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: ReceivedBody,
) -> HandlerResult {
    let app = context.app()?;
    let dry_run = is_dry_run(&request)?;
    let media = media_type(&request).to_ascii_lowercase();
    let (units, key) = if media == "text/csv" || media == WORKBOOK {
        let bytes = read_body(body)?;
        let key = idempotency_key(&request, &bytes)?;
        let table = if media == WORKBOOK { sheet(&context, bytes).await? } else { bytes.to_vec() };
        (unit_table::read(table.as_slice()).map_err(Error::Invalid)?, key)
    } else {
        let (value, key) = read_json(&request, body)?;
        (parse(value)?, key)
    };
    let given = app.put_units(limited(units)?, &identity(&request)?, dry_run, key).await?;
    let UnitsChanged { recorded, revision, revision_hash, units } = given.answer;
    let body = UnitsRecorded { recorded, revision, revision_hash, units, next_cursor: None };
    Ok(respond_changed(None, given.replayed, &body))
}
