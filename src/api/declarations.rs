//! `GET` and `PUT /targets` and `/annotations`: single declarations beside the catalogue.

use actix_web::{HttpRequest, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};

use super::access::identity;
use super::body::{ReceivedBody, read_json};
use super::context::ServiceContext;
use super::cursor::offset_cursor;
use super::idempotency::IdempotencyHeader;
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{
    DryRun, PageLimit, PageOffset, RequestedView, is_dry_run, query_params, read_query,
};
use super::respond::{respond, respond_changed, response_page};
use crate::app::RevisionNumber;
use crate::app::write::declarations::{
    DeclarationKind, DeclarationQuery, DeclarationsChanged, ListedDeclaration, parse,
};
use crate::app::write::idempotency::Replayable;
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::ResponseCell;
use kpi::annotation::AnnotationDocument;
use kpi::catalogue::TargetDocument;
use kpi::period::Month;
use kpi::unit::LocalizedName;

response_page! {
    /// A page of targets.
    struct TargetsPage {
        /// The targets.
        targets: Vec<TargetView>,
    }
    "code measure unit from to value source_vi source_en note_vi note_en set_in",
    TargetView::row,
    SheetPlan::new("targets", "measure unit value:target from to source note")
}

/// A target, and where it is declared.
#[derive(Serialize, ToSchema)]
struct TargetView {
    /// Its code.
    code: String,
    /// The measure that it is set for.
    measure: String,
    /// The unit that it is set for, with the units below it; absent for all units.
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    /// The first month in which it is in force; absent if it has no beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// The last month in which it is in force; absent if it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// The value to be reached, a decimal.
    value: String,
    /// The document that sets the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<LocalizedName>,
    /// A note for readers.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<LocalizedName>,
    /// `catalogue`, or `targets` if it was recorded with `PUT /targets`.
    set_in: &'static str,
}

impl TargetView {
    fn new((target, shipped): ListedDeclaration<TargetDocument>) -> Self {
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

    fn row(self) -> Vec<ResponseCell> {
        let (source, note) = (self.source.unwrap_or_default(), self.note.unwrap_or_default());
        let [unit, from, to] = [self.unit, self.from, self.to].map(Option::unwrap_or_default);
        let mut cells: Vec<ResponseCell> =
            [self.code, self.measure, unit, from, to].map(ResponseCell::Text).into();
        cells.push(ResponseCell::Number(self.value));
        cells.extend(
            [source.vi, source.en, note.vi, note.en, self.set_in.to_owned()]
                .map(ResponseCell::Text),
        );
        cells
    }
}

/// A target to record or to remove, in the form of `GET`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only describes the body in the OpenAPI document")]
struct TargetEntry {
    /// Its code.
    code: String,
    /// The measure that it is set for; may be absent in a removal.
    measure: Option<String>,
    /// The unit that it is set for, with the units below it; absent for all units.
    unit: Option<String>,
    /// The first month in which it is in force; absent if it has no beginning.
    from: Option<String>,
    /// The last month in which it is in force; absent if it has no end.
    to: Option<String>,
    /// The value to be reached: a decimal string, which keeps its digits, or a number; null removes
    /// the target.
    #[schema(required, schema_with = emptied::<true>)]
    value: Option<String>,
    /// The document that sets the target.
    source: Option<LocalizedName>,
    /// A note for readers.
    note: Option<LocalizedName>,
    /// Ignored; it is accepted so that the response of `GET` can be sent back.
    set_in: Option<String>,
}

/// An annotation to record or to remove.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only describes the body in the OpenAPI document")]
struct AnnotationEntry {
    /// Its code.
    code: String,
    /// Code of the indicator or kpi, with or without members, that it is about; absent for all
    /// figures of the unit.
    measure: Option<String>,
    /// Code of the unit; may be absent in a removal.
    unit: Option<String>,
    /// The first month; may be absent in a removal.
    from: Option<String>,
    /// The last month; default: the first month.
    to: Option<String>,
    /// The text, 1 to 1,000 characters; null removes the annotation.
    #[schema(required, schema_with = emptied::<false>)]
    text: Option<String>,
}

/// A schema of a nullable string, or with `NUMBER` of a nullable string or number.
fn emptied<const NUMBER: bool>() -> Object {
    let kinds = if NUMBER {
        vec![Type::String, Type::Number, Type::Null]
    } else {
        vec![Type::String, Type::Null]
    };
    ObjectBuilder::new().schema_type(SchemaType::from_iter(kinds)).build()
}

/// Targets to add, to replace whole by their code, or with the value null to remove.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only describes the body in the OpenAPI document; the body is read entry by entry to \
        report all errors at once"
)]
struct TargetsBody {
    /// The targets.
    #[schema(max_items = 10000)]
    targets: Vec<TargetEntry>,
}

response_page! {
    /// A page of annotations.
    struct AnnotationsPage {
        /// The annotations, ordered by code.
        annotations: Vec<AnnotationDocument>,
    }
    "code measure unit from to text",
    annotation_row,
    SheetPlan::new("annotations", "measure unit from to text")
}

/// Annotations to add, to replace whole by their code, or with the text null to remove.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only describes the body in the OpenAPI document; the body is read entry by entry to \
        report all errors at once"
)]
struct AnnotationsBody {
    /// The annotations.
    #[schema(max_items = 10000)]
    annotations: Vec<AnnotationEntry>,
}

query_params! {
    /// The parameters of `GET /targets` and `GET /annotations`.
    struct DeclarationsParams {
        view: RequestedView,
        measure: Option<String> = "Only those of this measure",
        unit: Option<String> = "Only those for this unit or a unit below it",
        from: Option<Month> = "Only those in force in this month or later",
        to: Option<Month> = "Only those in force in this month or earlier",
        limit: PageLimit<1_000, 10_000> = "Maximum number on the page, 1 to 10,000; default 1,000",
        cursor: Option<PageOffset>,
    }
}

impl DeclarationsParams {
    fn query(&self) -> DeclarationQuery {
        DeclarationQuery {
            measure: self.measure.clone(),
            unit: self.unit.clone(),
            from: self.from,
            to: self.to,
            limit: self.limit.of(self.view.format),
            offset: self.cursor.unwrap_or_default().0,
        }
    }
}

/// List the targets.
///
/// Returns first the targets recorded with `PUT /targets`, then those of the catalogue that are not
/// replaced by them.
#[utoipa::path(
    operation_id = "get_targets",
    tag = "declarations",
    params(DeclarationsParams),
    responses(
        (
            status = 200,
            description = "A page of targets",
            content(
                (TargetsPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/targets")]
pub async fn get_targets(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
) -> HandlerResult {
    let params: DeclarationsParams = read_query(&request)?;
    let query = params.query();
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let (_, listed, more) = snapshot.declarations::<TargetDocument>(&query)?;
        let targets = listed.into_iter().map(TargetView::new).collect();
        Ok(TargetsPage::new(
            stamp,
            targets,
            offset_cursor(stamp, more.then_some(query.offset + query.limit)),
        ))
    })
    .await
}

/// Add, replace or remove targets.
///
/// Each target is identified by its code; the value null removes it. A target with the code of one
/// in the catalogue replaces that one. Errors in the targets get 422.
#[utoipa::path(
    operation_id = "put_targets",
    tag = "declarations",
    params(IdempotencyHeader, DryRun),
    request_body(content((TargetsBody = "application/json"))),
    responses(
        (status = 200, description = "The named targets after the change", body = TargetsChanged),
        ProblemResponses
    )
)]
#[put("/targets")]
pub async fn put_targets(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: ReceivedBody,
) -> HandlerResult {
    let given = put::<TargetDocument>(&request, &context, body).await?;
    Ok(respond_changed(None, given.replayed, &TargetsChanged::from(given.answer)))
}

/// The result of a change of targets.
#[derive(Serialize, ToSchema)]
struct TargetsChanged {
    /// Whether this request, or the one that it repeats, made a revision.
    recorded: bool,
    /// The revision that contains the change.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The named targets that are in the ledger after the change.
    targets: Vec<TargetDocument>,
}

impl From<DeclarationsChanged<TargetDocument>> for TargetsChanged {
    fn from(changed: DeclarationsChanged<TargetDocument>) -> Self {
        let DeclarationsChanged { recorded, revision, revision_hash, declarations } = changed;
        Self { recorded, revision, revision_hash, targets: declarations }
    }
}

/// List the annotations.
///
/// Returns the notes beside figures.
#[utoipa::path(
    operation_id = "get_annotations",
    tag = "declarations",
    params(DeclarationsParams),
    responses(
        (
            status = 200,
            description = "A page of annotations",
            content(
                (AnnotationsPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/annotations")]
pub async fn get_annotations(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
) -> HandlerResult {
    let params: DeclarationsParams = read_query(&request)?;
    let query = params.query();
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let (_, listed, more) = snapshot.declarations::<AnnotationDocument>(&query)?;
        let annotations = listed.into_iter().map(|(annotation, _)| annotation).collect();
        Ok(AnnotationsPage::new(
            stamp,
            annotations,
            offset_cursor(stamp, more.then_some(query.offset + query.limit)),
        ))
    })
    .await
}

fn annotation_row(note: AnnotationDocument) -> Vec<ResponseCell> {
    let to = note.to.unwrap_or_else(|| note.from.clone());
    [note.code, note.measure.unwrap_or_default(), note.unit, note.from, to, note.text]
        .map(ResponseCell::Text)
        .into()
}

/// Add, replace or remove annotations.
///
/// Each annotation is identified by its code; the text null removes it. Errors in the annotations
/// get 422.
#[utoipa::path(
    operation_id = "put_annotations",
    tag = "declarations",
    params(IdempotencyHeader, DryRun),
    request_body(content((AnnotationsBody = "application/json"))),
    responses(
        (
            status = 200,
            description = "The named annotations after the change",
            body = AnnotationsChanged
        ),
        ProblemResponses
    )
)]
#[put("/annotations")]
pub async fn put_annotations(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: ReceivedBody,
) -> HandlerResult {
    let given = put::<AnnotationDocument>(&request, &context, body).await?;
    Ok(respond_changed(None, given.replayed, &AnnotationsChanged::from(given.answer)))
}

/// The result of a change of annotations.
#[derive(Serialize, ToSchema)]
struct AnnotationsChanged {
    /// Whether this request, or the one that it repeats, made a revision.
    recorded: bool,
    /// The revision that contains the change.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The named annotations that are in the ledger after the change.
    annotations: Vec<AnnotationDocument>,
}

impl From<DeclarationsChanged<AnnotationDocument>> for AnnotationsChanged {
    fn from(changed: DeclarationsChanged<AnnotationDocument>) -> Self {
        let DeclarationsChanged { recorded, revision, revision_hash, declarations } = changed;
        Self { recorded, revision, revision_hash, annotations: declarations }
    }
}

async fn put<D: DeclarationKind>(
    request: &HttpRequest,
    context: &ServiceContext,
    body: ReceivedBody,
) -> Result<Replayable<DeclarationsChanged<D>>, Problem> {
    let dry_run = is_dry_run(request)?;
    let (value, key) = read_json(request, body)?;
    let (app, changes) = (context.app()?, parse::<D>(value)?);
    Ok(app.put_declarations(changes, &identity(request)?, dry_run, key).await?)
}
