//! `GET /catalogue`, `PUT /catalogue`, and its lists `GET /indicators` and `GET /kpis`.

use actix_web::{HttpRequest, get, put, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::identity;
use super::body::{ReceivedBody, read_json};
use super::context::ServiceContext;
use super::idempotency::IdempotencyHeader;
use super::problem::{HandlerResult, ProblemResponses};
use super::query::{DryRun, RequestedView, StateParams, is_dry_run, query_params, read_query};
use super::respond::{ResponseBody, TableContent, respond, respond_changed};
use super::response_format::ResponseFormat;
use crate::app::RevisionNumber;
use crate::app::write::catalogue::{CatalogueChanged, NewCatalogue, parse};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::{ResponseCell, ResponseTable};
use kpi::catalogue::{
    CatalogueDocument, DimensionDocument, DimensionUse, ExpectationDocument, IndicatorDocument,
    Kpi, KpiDocument, PatternDocument, RuleDocument, SentenceDocument, SystemDocument,
    TargetDocument, VocabularyDocument,
};
use kpi::unit::LocalizedName;

/// The catalogue with its version.
#[derive(Serialize, ToSchema)]
struct CatalogueView {
    /// The revision of this state.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The version of the catalogue; send it with a `PUT` to detect changes made meanwhile.
    version: i64,
    /// The information systems that figures come from.
    systems: Vec<SystemDocument>,
    /// The named splits of indicators.
    dimensions: Vec<DimensionDocument>,
    /// The figures that units report.
    indicators: Vec<IndicatorDocument>,
    /// The figures that are computed from indicators.
    kpis: Vec<KpiDocument>,
    /// Conditions that figures should meet.
    rules: Vec<RuleDocument>,
    /// The values to be reached.
    targets: Vec<TargetDocument>,
    /// What units are expected to report, until when.
    expectations: Vec<ExpectationDocument>,
    /// Words that mean the same in patterns.
    vocabulary: Vec<VocabularyDocument>,
    /// The patterns that recognise figures in reports.
    patterns: Vec<PatternDocument>,
    /// The sentences of written reports.
    sentences: Vec<SentenceDocument>,
}

/// The catalogue after a change.
#[derive(Serialize, ToSchema)]
struct CatalogueRecorded {
    /// Whether this request, or the one that it repeats, made a revision.
    recorded: bool,
    /// The new catalogue.
    #[serde(flatten)]
    catalogue: CatalogueView,
}

impl CatalogueView {
    fn new(
        (revision, revision_hash): (RevisionNumber, String),
        version: i64,
        document: CatalogueDocument,
    ) -> Self {
        let CatalogueDocument {
            systems,
            dimensions,
            indicators,
            kpis,
            rules,
            targets,
            expectations,
            vocabulary,
            patterns,
            sentences,
        } = document;
        Self {
            revision,
            revision_hash,
            version,
            systems,
            dimensions,
            indicators,
            kpis,
            rules,
            targets,
            expectations,
            vocabulary,
            patterns,
            sentences,
        }
    }
}

/// The whole catalogue (docs/specification.md#catalogue). An absent section is empty.
// Only describes the body in the OpenAPI document: it is read entry by entry, so that all errors
// are reported at once.
#[derive(Deserialize, Default, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct CatalogueBody {
    /// The version from which this document was made. If the catalogue has another one by now, the
    /// response is 409.
    version: Option<i64>,
    /// The information systems that figures come from.
    systems: Vec<SystemDocument>,
    /// The named splits of indicators.
    dimensions: Vec<DimensionDocument>,
    /// The figures that units report.
    indicators: Vec<IndicatorDocument>,
    /// The figures that are computed from indicators.
    kpis: Vec<KpiDocument>,
    /// Conditions that figures should meet.
    rules: Vec<RuleDocument>,
    /// The values to be reached.
    targets: Vec<TargetDocument>,
    /// Which units are expected to report what.
    expectations: Vec<ExpectationDocument>,
    /// Words that mean the same in patterns.
    vocabulary: Vec<VocabularyDocument>,
    /// How figures are recognised in reports.
    patterns: Vec<PatternDocument>,
    /// The sentences of the report that the service writes from the ledger.
    sentences: Vec<SentenceDocument>,
}

/// The indicators of the catalogue.
#[derive(Serialize, ToSchema)]
struct IndicatorList {
    /// The revision of this state.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The indicators, in the order of the catalogue.
    indicators: Vec<IndicatorDocument>,
}

/// The kpis of the catalogue.
#[derive(Serialize, ToSchema)]
struct KpiList {
    /// The revision of this state.
    #[schema(value_type = i64)]
    revision: RevisionNumber,
    /// The hash of that revision.
    revision_hash: String,
    /// The kpis, in the order of the catalogue.
    kpis: Vec<KpiView>,
}

/// A kpi, with the dimensions by which it can be queried.
#[derive(Serialize, ToSchema)]
struct KpiView {
    /// Its code.
    code: String,
    /// Its name.
    name: LocalizedName,
    /// Its formula (docs/specification.md#formulas).
    formula: String,
    /// The unit of measure of its values.
    unit_of_measure: String,
    /// Which values are better: `higher`, `lower` or `neutral`.
    direction: String,
    /// The information system that it belongs to.
    #[schema(required)]
    system: Option<String>,
    /// A note for readers.
    #[schema(required)]
    note: Option<LocalizedName>,
    /// The dimensions by which it can be queried, each with its members.
    dimensions: Vec<OpenDimension>,
}

/// A dimension by which a kpi can be queried.
#[derive(Serialize, ToSchema)]
struct OpenDimension {
    /// Its code.
    code: String,
    /// Its members.
    members: Vec<String>,
}

/// Get the catalogue.
///
/// Returns all declarations as one document, which can be changed and sent back with `PUT`.
#[utoipa::path(
    operation_id = "get_catalogue",
    tag = "declarations",
    params(StateParams),
    responses(
        (status = 200, description = "The catalogue", body = CatalogueView),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/catalogue")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let view = read_query::<StateParams>(&request)?.in_format(ResponseFormat::Json);
    respond(&request, &context, &view, async |snapshot, stamp| {
        let state = snapshot.state();
        let document = state.catalogue.document.clone();
        let revision = (state.revision, stamp.hash());
        Ok(ResponseBody::json(CatalogueView::new(revision, state.catalogue_version, document)))
    })
    .await
}

/// Replace the catalogue.
///
/// The document is checked whole, also against the ledger. Errors in it get 422; 409 lists figures,
/// targets and notes that would lose their declaration or decimals. If the body has `version` and
/// somebody has changed the catalogue meanwhile, the response is 409. Every earlier version is
/// kept.
#[utoipa::path(
    operation_id = "put_catalogue",
    tag = "declarations",
    params(IdempotencyHeader, DryRun),
    request_body(content((CatalogueBody = "application/json"))),
    responses((status = 200, description = "The new catalogue; unchanged in the ledger on a dry \
        run", body = CatalogueRecorded), ProblemResponses)
)]
#[put("/catalogue")]
pub async fn put(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: ReceivedBody,
) -> HandlerResult {
    let app = context.app()?;
    let dry_run = is_dry_run(&request)?;
    let (value, key) = read_json(&request, body)?;
    let (document, made_from) = parse(value)?;
    let given = app
        .put_catalogue(NewCatalogue { document, made_from, dry_run }, &identity(&request)?, key)
        .await?;
    let CatalogueChanged { recorded, revision, revision_hash, version, document } = given.answer;
    let answer = CatalogueRecorded {
        recorded,
        catalogue: CatalogueView::new((revision, revision_hash), version, document),
    };
    Ok(respond_changed(None, given.replayed, &answer))
}

query_params! {
    /// The parameters of `GET /indicators`.
    struct IndicatorsParams {
        view: RequestedView,
        system: Option<String> = "Only indicators of this system",
    }
}

/// List the indicators.
///
/// Returns the figures that units report, as the catalogue declares them.
#[utoipa::path(
    operation_id = "get_indicators",
    tag = "declarations",
    params(IndicatorsParams),
    responses(
        (
            status = 200,
            description = "The indicators",
            content(
                (IndicatorList = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/indicators")]
pub async fn get_indicators(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
) -> HandlerResult {
    let IndicatorsParams { view, system } = read_query(&request)?;
    respond(&request, &context, &view, async |snapshot, stamp| {
        let state = snapshot.state();
        let all = state
            .catalogue
            .document
            .indicators
            .iter()
            .filter(|indicator| system.is_none() || indicator.system == system);
        let indicators: Vec<IndicatorDocument> = all.cloned().collect();
        Ok(IndicatorList { revision: state.revision, revision_hash: stamp.hash(), indicators })
    })
    .await
}

impl TableContent for IndicatorList {
    fn into_table(self) -> ResponseTable {
        let columns = "code name_vi name_en kind unit_of_measure decimals system dimensions";
        let dimensions = |uses: &[DimensionUse]| {
            uses.iter().map(|used| used.code.clone()).collect::<Vec<_>>().join("; ")
        };
        let rows = self.indicators.into_iter().map(move |indicator| {
            vec![
                ResponseCell::Text(indicator.code),
                ResponseCell::Text(indicator.name.vi),
                ResponseCell::Text(indicator.name.en),
                ResponseCell::Text(indicator.kind),
                ResponseCell::Text(indicator.unit_of_measure),
                ResponseCell::Number(indicator.decimals.to_string()),
                ResponseCell::Text(indicator.system.unwrap_or_default()),
                ResponseCell::Text(dimensions(&indicator.dimensions)),
            ]
        });
        ResponseTable::new(columns, rows).planned(SheetPlan::new(
            "indicators",
            "name system kind:indicator_kind unit_of_measure decimals",
        ))
    }
}

query_params! {
    /// The parameters of `GET /kpis`.
    struct KpisParams {
        view: RequestedView,
        system: Option<String> = "Only kpis of this system",
    }
}

/// List the kpis.
///
/// Returns the figures that are computed from indicators, as the catalogue declares them.
#[utoipa::path(
    operation_id = "get_kpis",
    tag = "declarations",
    params(KpisParams),
    responses(
        (
            status = 200,
            description = "The kpis",
            content(
                (KpiList = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/kpis")]
pub async fn get_kpis(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let KpisParams { view, system } = read_query(&request)?;
    respond(&request, &context, &view, async |snapshot, stamp| {
        let state = snapshot.state();
        let all = state
            .catalogue
            .document
            .kpis
            .iter()
            .zip(&state.catalogue.kpis)
            .filter(|(document, _)| system.is_none() || document.system == system);
        let view = |(document, kpi): (&KpiDocument, &Kpi)| KpiView {
            code: document.code.clone(),
            name: document.name.clone(),
            formula: document.formula.clone(),
            unit_of_measure: document.unit_of_measure.clone(),
            direction: document.direction.clone(),
            system: document.system.clone(),
            note: document.note.clone(),
            dimensions: kpi
                .dimensions
                .iter()
                .map(|(code, members)| OpenDimension {
                    code: code.clone(),
                    members: members.clone(),
                })
                .collect(),
        };
        let kpis: Vec<KpiView> = all.map(view).collect();
        Ok(KpiList { revision: state.revision, revision_hash: stamp.hash(), kpis })
    })
    .await
}

impl TableContent for KpiList {
    fn into_table(self) -> ResponseTable {
        let columns = "code name_vi name_en formula unit_of_measure direction system";
        let rows = self.kpis.into_iter().map(|kpi| {
            let cells = [
                kpi.code,
                kpi.name.vi,
                kpi.name.en,
                kpi.formula,
                kpi.unit_of_measure,
                kpi.direction,
                kpi.system.unwrap_or_default(),
            ];
            cells.map(ResponseCell::Text).into()
        });
        ResponseTable::new(columns, rows)
            .planned(SheetPlan::new("kpis", "name system unit_of_measure direction formula"))
    }
}
