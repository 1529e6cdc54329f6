//! `GET /audit`: every change with who, when and from where.

use actix_web::{HttpRequest, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Context;
use super::params::{Params, cursor, read_cursor};
use super::problem::{Answer, Problems};
use super::reply::{Cell, Format, json, table};
use crate::app::audit::{AuditQuery, AuditView, MAX_PAGE};

/// A page of the audit.
#[derive(Serialize, ToSchema)]
struct Audit {
    /// The revision that it is the state of.
    revision: i64,
    /// The changes in order.
    changes: Vec<AuditView>,
    /// The next page's `cursor`; null on the last. A page may hold few changes, or none, where few among many revisions are asked for.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Every change of figures, units, catalogue, months, targets, annotations and keys: who, when, from where, why. For admins.
#[utoipa::path(
    operation_id = "get_audit",
    tag = "service",
    params(
        ("after" = Option<i64>, Query, description = "Only those behind this revision; 0 when absent"),
        ("kind" = Option<String>, Query, description = "Only of this kind: submission, withdrawal, units, catalogue, closing, reopening, targets, annotations, keys"),
        ("actor" = Option<String>, Query, description = "Only by this actor, as the ledger names it"),
        ("key" = Option<String>, Query, description = "Only by the key of this identifier"),
        ("address" = Option<String>, Query, description = "Only from this address"),
        ("from" = Option<String>, Query, description = "Only at this RFC 3339 time or later"),
        ("to" = Option<String>, Query, description = "Only before this RFC 3339 time"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 1,000; 1,000 when absent", minimum = 1, maximum = 1000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((Audit = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/audit")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let format = Format::of(&request, &mut params);
    let wanted = params.wanted(&request);
    let mut query = AuditQuery {
        after: params.parse("after").unwrap_or(0),
        kind: params.text("kind"),
        actor: params.text("actor"),
        key: params.text("key"),
        address: params.text("address"),
        from: params.time("from"),
        to: params.time("to"),
        limit: params.limit(format, MAX_PAGE, MAX_PAGE),
    };
    if query.after < 0 {
        params.fault("after", "out_of_range", "a revision is a whole number from 0");
    }
    if let Some(text) = params.text("cursor") {
        match read_cursor(&text).as_deref() {
            Some([_revision, last]) => query.after = *last,
            _ => params.fault("cursor", "malformed", "this is no cursor of ours"),
        }
    }
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let page = context.compute(move || moment.audit(&query)).await?;
    let (revision, stamp) = (page.revision, stamp.at(page.revision));
    let next = page.next.map(|last| cursor(&[revision, last]));
    match format {
        Format::Json => json(
            &request,
            &stamp,
            next.as_deref(),
            &Audit { revision, changes: page.changes, next_cursor: next.clone() },
        ),
        Format::Csv | Format::Xlsx => {
            table(
                &request,
                &stamp,
                format,
                next.as_deref(),
                &HEADER,
                page.changes.into_iter().map(row),
            )
            .await
        }
    }
}

const HEADER: [&str; 12] = [
    "revision",
    "recorded_at",
    "kind",
    "actor",
    "signed_in",
    "key",
    "address",
    "agent",
    "reason",
    "submission",
    "catalogue_version",
    "changed",
];

fn row(entry: AuditView) -> Vec<Cell> {
    let text = |text: Option<String>| Cell::Text(text.unwrap_or_default());
    let change = entry.change;
    vec![
        Cell::Number(change.revision.to_string()),
        Cell::Text(change.recorded_at),
        Cell::Text(change.kind),
        Cell::Text(change.actor),
        super::reply::text(&entry.signed_in),
        text(entry.key),
        text(entry.address),
        text(entry.agent),
        text(change.reason),
        text(change.submission),
        text(change.catalogue_version.map(|version| version.to_string())),
        Cell::Text(
            change
                .units
                .into_iter()
                .chain(change.periods)
                .chain(change.declarations)
                .collect::<Vec<_>>()
                .join("; "),
        ),
    ]
}
