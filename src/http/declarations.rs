//! `GET` and `PUT /targets` and `/annotations`: what is declared one by one beside the catalogue.

use actix_web::{HttpRequest, HttpResponse, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::Context;
use super::access::who;
use super::keyed::told;
use super::params::{Params, offset_cursor};
use super::problem::{Answer, Problem, Problems};
use super::reply::{Cell, Format, Stamp, json, table};
use super::units::read_json;
use crate::app::declarations::{DeclarationQuery, Declared, Listed, parse};
use crate::app::keyed::Given;
use crate::domain::annotation::AnnotationDocument;
use crate::domain::catalogue::TargetDocument;
use crate::domain::unit::Name;

/// A page of targets.
#[derive(Serialize, ToSchema)]
struct TargetsPage {
    /// The revision that they are of.
    revision: i64,
    /// The targets.
    targets: Vec<TargetView>,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A target, and who declares it.
#[derive(Serialize, ToSchema)]
struct TargetView {
    /// Its code.
    code: String,
    /// The measure it is set for.
    measure: String,
    /// The unit it holds for, and those below; everywhere when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// First month it holds for.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Last month it holds for.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// What is to be reached, a decimal.
    value: String,
    /// The document that sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Name>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Name>,
    /// `catalogue`, or `targets` when it was put beside it.
    set_in: &'static str,
}

impl TargetView {
    fn new((target, shipped): Listed<TargetDocument>) -> Self {
        let TargetDocument { code, measure, unit, from, to, value, source, note } = target;
        Self {
            code,
            measure,
            unit,
            from,
            to,
            value,
            source,
            note,
            set_in: if shipped { "catalogue" } else { "targets" },
        }
    }
}

/// A target to put; as `GET` answers it, or to be taken away.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it describes the body")]
struct TargetEntry {
    /// Its code.
    code: String,
    /// The measure it is set for; needed unless it is taken away.
    measure: Option<String>,
    /// The unit it holds for, and those below; everywhere when absent.
    unit: Option<String>,
    /// First month it holds for.
    from: Option<String>,
    /// Last month it holds for.
    to: Option<String>,
    /// What is to be reached: a decimal as a text, whose digits are kept, or as a number; null takes the target away.
    #[schema(required, schema_with = emptied::<true>)]
    value: Option<String>,
    /// The document that sets it.
    source: Option<Name>,
    /// For people.
    note: Option<Name>,
    /// As `GET` answers it; it is not looked at.
    set_in: Option<String>,
}

/// An annotation to put; or to be taken away.
#[derive(Deserialize, ToSchema)]
#[expect(dead_code, reason = "it describes the body")]
struct AnnotationEntry {
    /// Its code.
    code: String,
    /// What it is about: an indicator or kpi, with or without members; everything of the unit when absent.
    measure: Option<String>,
    /// The unit; needed unless it is taken away.
    unit: Option<String>,
    /// First month; needed unless it is taken away.
    from: Option<String>,
    /// Last month; the first when absent.
    to: Option<String>,
    /// What it says, 1 to 1,000 characters; null takes the annotation away.
    #[schema(required, schema_with = emptied::<false>)]
    text: Option<String>,
}

/// A text, or a number as well, or null.
fn emptied<const NUMBER: bool>() -> Object {
    let kinds = if NUMBER {
        vec![Type::String, Type::Number, Type::Null]
    } else {
        vec![Type::String, Type::Null]
    };
    ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds)).build()
}

/// Targets to add, to replace (whole, by their code) or, with a value of null, to take away.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "it describes the body; the body is read entry by entry so that every fault is named at once"
)]
struct TargetsBody {
    /// The targets.
    #[schema(max_items = 10000)]
    targets: Vec<TargetEntry>,
}

/// A page of annotations.
#[derive(Serialize, ToSchema)]
struct AnnotationsPage {
    /// The revision that they are of.
    revision: i64,
    /// The annotations by code.
    annotations: Vec<AnnotationDocument>,
    /// The next page's `cursor`; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Annotations to add, to replace (whole, by their code) or, with a text of null, to take away.
#[derive(Deserialize, ToSchema)]
#[expect(
    dead_code,
    reason = "it describes the body; the body is read entry by entry so that every fault is named at once"
)]
struct AnnotationsBody {
    /// The annotations.
    #[schema(max_items = 10000)]
    annotations: Vec<AnnotationEntry>,
}

/// Targets: those put beside the catalogue first, then the catalogue's that none of them replaces.
#[utoipa::path(
    operation_id = "get_targets",
    tag = "declarations",
    params(
        ("measure" = Option<String>, Query, description = "Only those of this measure"),
        ("unit" = Option<String>, Query, description = "Only those set for this unit and those below it"),
        ("from" = Option<String>, Query, description = "Only those that hold in a month from this one on"),
        ("to" = Option<String>, Query, description = "Only those that hold in a month up to this one"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 10,000; 1,000 when absent", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((TargetsPage = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/targets")]
pub async fn get_targets(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let page = match page::<TargetDocument>(&request, &context).await? {
        Ok(page) => page,
        Err(unchanged) => return Ok(unchanged),
    };
    let next = page.next.as_deref();
    if page.format == Format::Json {
        let targets = page.listed.into_iter().map(TargetView::new).collect();
        return json(
            &request,
            &page.stamp,
            next,
            &TargetsPage { revision: page.revision, targets, next_cursor: page.next.clone() },
        );
    }
    let header = [
        "code",
        "measure",
        "unit",
        "from",
        "to",
        "value",
        "source_vi",
        "source_en",
        "note_vi",
        "note_en",
        "set_in",
    ];
    let rows = page.listed.into_iter().map(|listed| {
        let view = TargetView::new(listed);
        let (source, note) = (view.source.unwrap_or_default(), view.note.unwrap_or_default());
        let [unit, from, to] = [view.unit, view.from, view.to].map(Option::unwrap_or_default);
        let mut cells: Vec<Cell> = [view.code, view.measure, unit, from, to].map(Cell::Text).into();
        cells.push(Cell::Number(view.value));
        cells.extend(
            [source.vi, source.en, note.vi, note.en, view.set_in.to_owned()].map(Cell::Text),
        );
        cells
    });
    table(&request, &page.stamp, page.format, next, &header, rows).await
}

/// Adds, replaces or takes away targets, each known by its code. One that has the code of a catalogue's target stands in its place.
#[utoipa::path(
    operation_id = "put_targets",
    tag = "declarations",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days"),
        ("dry_run" = Option<bool>, Query, description = "Check it, change nothing")
    ),
    request_body(content((TargetsBody = "application/json"))),
    responses((status = 200, description = "The targets named, as they are now", body = TargetsChanged), Problems)
)]
#[put("/targets")]
pub async fn put_targets(
    request: HttpRequest,
    context: web::Data<Context>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let given = put::<TargetDocument>(&request, &context, body).await?;
    Ok(told(
        HttpResponse::Ok()
            .json(TargetsChanged { revision: given.answer.0, targets: given.answer.1.clone() }),
        &given,
    ))
}

/// What a change of targets came to.
#[derive(Serialize, ToSchema)]
struct TargetsChanged {
    /// The revision that has it.
    revision: i64,
    /// Those named that hold now.
    targets: Vec<TargetDocument>,
}

/// Annotations: notes beside figures.
#[utoipa::path(
    operation_id = "get_annotations",
    tag = "declarations",
    params(
        ("measure" = Option<String>, Query, description = "Only those about this measure"),
        ("unit" = Option<String>, Query, description = "Only those about this unit and those below it"),
        ("from" = Option<String>, Query, description = "Only those about a month from this one on"),
        ("to" = Option<String>, Query, description = "Only those about a month up to this one"),
        ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"),
        ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"),
        ("limit" = Option<usize>, Query, description = "1 to 10,000; 1,000 when absent", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
        ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")
    ),
    responses((status = 200, description = "A page", content((AnnotationsPage = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/annotations")]
pub async fn get_annotations(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let page = match page::<AnnotationDocument>(&request, &context).await? {
        Ok(page) => page,
        Err(unchanged) => return Ok(unchanged),
    };
    let next = page.next.as_deref();
    let annotations: Vec<AnnotationDocument> =
        page.listed.into_iter().map(|(annotation, _)| annotation).collect();
    if page.format == Format::Json {
        return json(
            &request,
            &page.stamp,
            next,
            &AnnotationsPage {
                revision: page.revision,
                annotations,
                next_cursor: page.next.clone(),
            },
        );
    }
    let rows = annotations.into_iter().map(|note| {
        let to = note.to.unwrap_or_else(|| note.from.clone());
        [note.code, note.measure.unwrap_or_default(), note.unit, note.from, to, note.text]
            .map(Cell::Text)
            .into()
    });
    table(
        &request,
        &page.stamp,
        page.format,
        next,
        &["code", "measure", "unit", "from", "to", "text"],
        rows,
    )
    .await
}

/// Adds, replaces or takes away annotations, each known by its code.
#[utoipa::path(
    operation_id = "put_annotations",
    tag = "declarations",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days"),
        ("dry_run" = Option<bool>, Query, description = "Check it, change nothing")
    ),
    request_body(content((AnnotationsBody = "application/json"))),
    responses((status = 200, description = "The annotations named, as they are now", body = AnnotationsChanged), Problems)
)]
#[put("/annotations")]
pub async fn put_annotations(
    request: HttpRequest,
    context: web::Data<Context>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Answer {
    let given = put::<AnnotationDocument>(&request, &context, body).await?;
    Ok(told(
        HttpResponse::Ok().json(AnnotationsChanged {
            revision: given.answer.0,
            annotations: given.answer.1.clone(),
        }),
        &given,
    ))
}

/// What a change of annotations came to.
#[derive(Serialize, ToSchema)]
struct AnnotationsChanged {
    /// The revision that has it.
    revision: i64,
    /// Those named that stand now.
    annotations: Vec<AnnotationDocument>,
}

/// What a list of declarations is answered from.
struct Page<D> {
    format: Format,
    stamp: Stamp,
    revision: i64,
    listed: Vec<Listed<D>>,
    next: Option<String>,
}

async fn page<D: Declared>(
    request: &HttpRequest,
    context: &Context,
) -> Result<Result<Page<D>, HttpResponse>, Problem> {
    let mut params = Params::of(request)?;
    let (format, wanted) = (Format::of(request, &mut params), params.wanted(request));
    let query = DeclarationQuery {
        measure: params.text("measure"),
        unit: params.text("unit"),
        from: params.parse("from"),
        to: params.parse("to"),
        limit: params.limit(format, 1_000, 10_000),
        offset: params.offset(),
    };
    params.finish()?;
    let (moment, stamp) = match context.moment(request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(Err(unchanged)),
    };
    let (revision, listed, more) = moment.declarations::<D>(&query)?;
    let next = offset_cursor(revision, more.then_some(query.offset + query.limit));
    Ok(Ok(Page { format, stamp: stamp.at(revision), revision, listed, next }))
}

async fn put<D: Declared>(
    request: &HttpRequest,
    context: &Context,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<Given<(i64, Vec<D>)>, Problem> {
    let mut params = Params::of(request)?;
    let dry_run = params.flag("dry_run", false);
    params.finish()?;
    let (value, key) = read_json(request, body)?;
    let given =
        context.app()?.put_declarations(parse::<D>(value)?, &who(request)?, dry_run, key).await?;
    Ok(Given { answer: (given.answer.revision, given.answer.declarations), again: given.again })
}
