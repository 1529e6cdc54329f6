//! `GET /revisions`: everything that happened to the ledger; `GET /ledger`: how far it has come.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Context;
use super::params::{Params, cursor, read_cursor};
use super::problem::{Answer, Problems};
use super::reply::{Cell, Format, json, table};
use crate::app::ledger::{LedgerView, MAX_PAGE, RevisionView};

/// A page of revisions.
#[derive(Serialize, ToSchema)]
struct Revisions {
    /// The revision that it is the state of.
    revision: i64,
    /// The revisions in order.
    revisions: Vec<RevisionView>,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Everything that happened to the ledger, in order: who changed what, when, and why.
#[utoipa::path(
    operation_id = "get_revisions",
    tag = "service",
    params(
        ("after" = Option<i64>, Query, description = "Only those behind this one; 0 when absent"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; 1,000 when absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((Revisions = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/revisions")]
pub async fn get_revisions(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let format = Format::of(&request, &mut params);
    let wanted = params.wanted(&request);
    let mut after = params.parse::<i64>("after").unwrap_or(0);
    let limit = params.limit(format, MAX_PAGE, MAX_PAGE);
    if after < 0 {
        params.fault("after", "out_of_range", "a revision is a whole number from 0");
    }
    if let Some(text) = params.text("cursor") {
        match read_cursor(&text).as_deref() {
            Some([_revision, last]) => after = *last,
            _ => params.fault("cursor", "malformed", "this is no cursor of ours"),
        }
    }
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let (revision, revisions, more) =
        context.compute(move || moment.revisions(after, limit)).await?;
    let stamp = stamp.at(revision);
    let next = revisions.last().filter(|_| more).map(|last| cursor(&[revision, last.revision]));
    match format {
        Format::Json => json(
            &request,
            &stamp,
            next.as_deref(),
            &Revisions { revision, revisions, next_cursor: next.clone() },
        ),
        Format::Csv | Format::Xlsx => {
            table(
                &request,
                &stamp,
                format,
                next.as_deref(),
                &HEADER,
                revisions.into_iter().map(row),
            )
            .await
        }
    }
}

const HEADER: [&str; 15] = [
    "revision",
    "recorded_at",
    "kind",
    "actor",
    "reason",
    "hash",
    "submission",
    "source_kind",
    "reference",
    "created",
    "revised",
    "unchanged",
    "withdrawn",
    "catalogue_version",
    "changed",
];

fn row(revision: RevisionView) -> Vec<Cell> {
    let text = |text: Option<String>| Cell::Text(text.unwrap_or_default());
    let count = |count: Option<u64>| {
        count.map_or(Cell::Text(String::new()), |count| Cell::Number(count.to_string()))
    };
    let counts = revision.counts;
    let (kind, reference) =
        revision.source.map_or((None, None), |source| (Some(source.kind), source.reference));
    vec![
        Cell::Number(revision.revision.to_string()),
        Cell::Text(revision.recorded_at),
        Cell::Text(revision.kind),
        Cell::Text(revision.actor),
        text(revision.reason),
        Cell::Text(revision.hash),
        text(revision.submission),
        text(kind),
        text(reference),
        count(counts.map(|counts| counts.created)),
        count(counts.map(|counts| counts.revised)),
        count(counts.map(|counts| counts.unchanged)),
        count(counts.map(|counts| counts.withdrawn)),
        text(revision.catalogue_version.map(|version| version.to_string())),
        Cell::Text(
            revision
                .units
                .into_iter()
                .chain(revision.periods)
                .chain(revision.declarations)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    ]
}

/// How far the ledger has come, and what of it stands. Equal answers of two instances mean equal figures.
#[utoipa::path(
    operation_id = "get_ledger",
    tag = "service",
    params(
        ("digest" = Option<bool>, Query, description = "Also the hash over every figure that stands; takes a moment on large ledgers"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds")
    ),
    responses((status = 200, description = "The ledger", body = LedgerView), Problems)
)]
#[get("/ledger")]
pub async fn get_ledger(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (digest, wanted) = (params.flag("digest", false), params.wanted(&request));
    params.finish()?;
    let moment = context.when(&wanted).await?;
    let view = context.compute(move || moment.ledger(digest)).await?;
    Ok(HttpResponse::Ok().json(view))
}
