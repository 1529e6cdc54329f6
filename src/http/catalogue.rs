//! `GET /catalogue`, `PUT /catalogue`, and the lists `GET /indicators` and `GET /kpis` from it.

use actix_web::{HttpRequest, HttpResponse, get, put, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::Context;
use super::access::who;
use super::keyed::told;
use super::params::Params;
use super::problem::{Answer, Problems};
use super::reply::{Cell, Format, json, table};
use super::units::read_json;
use crate::app::catalogue::{CatalogueChanged, NewCatalogue, parse};
use crate::domain::catalogue::{
    CatalogueDocument, DimensionDocument, DimensionUse, ExpectationDocument, IndicatorDocument,
    Kpi, KpiDocument, PatternDocument, RuleDocument, SentenceDocument, SystemDocument,
    TargetDocument, VocabularyDocument,
};
use crate::domain::unit::Name;

/// The catalogue with its version.
#[derive(Serialize, ToSchema)]
struct CatalogueView {
    /// The revision that it is of.
    revision: i64,
    /// Its version.
    version: i64,
    /// Systems that figures come from.
    systems: Vec<SystemDocument>,
    /// Named splits.
    dimensions: Vec<DimensionDocument>,
    /// Figures that are reported.
    indicators: Vec<IndicatorDocument>,
    /// Figures that are computed.
    kpis: Vec<KpiDocument>,
    /// Written rules.
    rules: Vec<RuleDocument>,
    /// Targets.
    targets: Vec<TargetDocument>,
    /// What units are expected to report.
    expectations: Vec<ExpectationDocument>,
    /// Words that mean the same in patterns.
    vocabulary: Vec<VocabularyDocument>,
    /// How figures are recognised in reports.
    patterns: Vec<PatternDocument>,
    /// The sentences of the report that is written from the ledger.
    sentences: Vec<SentenceDocument>,
}

impl CatalogueView {
    fn new(revision: i64, version: i64, document: CatalogueDocument) -> Self {
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

/// The indicators of the catalogue.
#[derive(Serialize, ToSchema)]
struct Indicators {
    /// The revision that they are of.
    revision: i64,
    /// The indicators in order.
    indicators: Vec<IndicatorDocument>,
}

/// The kpis of the catalogue.
#[derive(Serialize, ToSchema)]
struct Kpis {
    /// The revision that they are of.
    revision: i64,
    /// The kpis in order.
    kpis: Vec<KpiView>,
}

/// A kpi with the dimensions it can be asked for.
#[derive(Serialize, ToSchema)]
struct KpiView {
    /// Its code.
    code: String,
    /// Its name.
    name: Name,
    /// How it is computed (contract section 4).
    formula: String,
    /// What it is given in.
    unit_of_measure: String,
    /// `higher`, `lower` or `neutral`.
    direction: String,
    /// The system it belongs to.
    #[schema(required)]
    system: Option<String>,
    /// For people.
    #[schema(required)]
    note: Option<Name>,
    /// The dimensions it can be asked for, and the members of each.
    dimensions: Vec<OpenDimension>,
}

/// A dimension a kpi can be asked for.
#[derive(Serialize, ToSchema)]
struct OpenDimension {
    /// Its code.
    code: String,
    /// Its members.
    members: Vec<String>,
}

/// The catalogue as one document.
#[utoipa::path(operation_id = "get_catalogue", tag = "declarations", params(("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"), ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds")), responses((status = 200, description = "The catalogue", body = CatalogueView), (status = 304, description = "As you have it"), Problems))]
#[get("/catalogue")]
pub async fn get(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let wanted = params.wanted(&request);
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, Format::Json).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let state = moment.look();
    let (revision, version, catalogue) =
        (state.revision, state.catalogue_version, std::sync::Arc::clone(&state.catalogue));
    drop(state);
    json(
        &request,
        &stamp.at(revision),
        None,
        &CatalogueView::new(revision, version, catalogue.document.clone()),
    )
}

/// Replaces the catalogue, after checking it whole against what is recorded. Every earlier version is kept.
#[utoipa::path(
    operation_id = "put_catalogue",
    tag = "declarations",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again with the same key and body, the first answer is given again; kept for 8 days"),
        ("dry_run" = Option<bool>, Query, description = "Check it, change nothing")
    ),
    request_body(content((CatalogueDocument = "application/json"))),
    responses((status = 200, description = "The catalogue as it is now", body = CatalogueView), Problems)
)]
#[put("/catalogue")]
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
    let (document, made_from) = parse(value)?;
    let given = app
        .put_catalogue(NewCatalogue { document, made_from, dry_run }, &who(&request)?, key)
        .await?;
    let CatalogueChanged { revision, version, document } = given.answer.clone();
    Ok(told(HttpResponse::Ok().json(CatalogueView::new(revision, version, document)), &given))
}

/// The figures that are reported.
#[utoipa::path(
    operation_id = "get_indicators",
    tag = "declarations",
    params(("system" = Option<String>, Query, description = "Only those of a system"), ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"), ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"), ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")),
    responses((status = 200, description = "The indicators", content((Indicators = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/indicators")]
pub async fn get_indicators(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let system = params.text("system");
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let state = moment.look();
    let all = state
        .catalogue
        .document
        .indicators
        .iter()
        .filter(|indicator| system.is_none() || indicator.system == system);
    let (revision, indicators): (i64, Vec<IndicatorDocument>) =
        (state.revision, all.cloned().collect());
    drop(state);
    let stamp = stamp.at(revision);
    if format == Format::Json {
        return json(&request, &stamp, None, &Indicators { revision, indicators });
    }
    let header = [
        "code",
        "name_vi",
        "name_en",
        "kind",
        "unit_of_measure",
        "decimals",
        "system",
        "dimensions",
    ];
    let dimensions = |uses: &[DimensionUse]| {
        uses.iter().map(|used| used.code.clone()).collect::<Vec<_>>().join("; ")
    };
    let rows = indicators.into_iter().map(|indicator| {
        vec![
            Cell::Text(indicator.code),
            Cell::Text(indicator.name.vi),
            Cell::Text(indicator.name.en),
            Cell::Text(indicator.kind),
            Cell::Text(indicator.unit_of_measure),
            Cell::Number(indicator.decimals.to_string()),
            Cell::Text(indicator.system.unwrap_or_default()),
            Cell::Text(dimensions(&indicator.dimensions)),
        ]
    });
    table(&request, &stamp, format, None, &header, rows).await
}

/// The figures that are computed.
#[utoipa::path(
    operation_id = "get_kpis",
    tag = "declarations",
    params(("system" = Option<String>, Query, description = "Only those of a system"), ("as_of" = Option<String>, Query, description = "As it was: a revision, or an RFC 3339 time"), ("min_revision" = Option<i64>, Query, description = "Wait for this revision, up to 5 seconds"), ("format" = Option<String>, Query, description = "json, csv or xlsx, instead of Accept")),
    responses((status = 200, description = "The kpis", content((Kpis = "application/json"), (String = "text/csv"), (crate::http::reply::WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 304, description = "As you have it"), Problems)
)]
#[get("/kpis")]
pub async fn get_kpis(request: HttpRequest, context: web::Data<Context>) -> Answer {
    let mut params = Params::of(&request)?;
    let (format, wanted) = (Format::of(&request, &mut params), params.wanted(&request));
    let system = params.text("system");
    params.finish()?;
    let (moment, stamp) = match context.moment(&request, &wanted, format).await? {
        Ok(found) => found,
        Err(unchanged) => return Ok(unchanged),
    };
    let state = moment.look();
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
            .map(|(code, members)| OpenDimension { code: code.clone(), members: members.clone() })
            .collect(),
    };
    let (revision, kpis): (i64, Vec<KpiView>) = (state.revision, all.map(view).collect());
    drop(state);
    let stamp = stamp.at(revision);
    if format == Format::Json {
        return json(&request, &stamp, None, &Kpis { revision, kpis });
    }
    let header =
        ["code", "name_vi", "name_en", "formula", "unit_of_measure", "direction", "system"];
    let rows = kpis.into_iter().map(|kpi| {
        let cells = [
            kpi.code,
            kpi.name.vi,
            kpi.name.en,
            kpi.formula,
            kpi.unit_of_measure,
            kpi.direction,
            kpi.system.unwrap_or_default(),
        ];
        cells.map(Cell::Text).into()
    });
    table(&request, &stamp, format, None, &header, rows).await
}
