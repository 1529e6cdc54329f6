//! `POST /observations` records a submission, `GET /observations` returns figures as recorded.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Deserialize;
use serde_json::json;
use tokio::runtime::Handle;
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::access::identity;
use super::body::{ReceivedBody, media_type, read_body, sheet};
use super::context::ServiceContext;
use super::cursor::cursor;
use super::idempotency::{IdempotencyHeader, idempotency_key};
use super::limits::account::MemoryAccount;
use super::limits::{LARGE_BODY, PARSED_FACTOR};
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{
    PageLimit, PageStart, QueryReader, QueryValue, RequestedView, query_params, read_query,
};
use super::respond::{WorkbookFile, respond, respond_changed, response_page};
use super::response_format::WORKBOOK;
use crate::app::RevisionRef;
use crate::app::read::observations::{FigureQuery, MAX_PAGE, ObservationView};
use crate::app::write::idempotency::Replayable;
use crate::app::write::receipt::Receipt;
use crate::app::write::submission::SubmissionInput;
use crate::intake::SubmissionEnvelope;
use crate::intake::sheet_csv::{header, is_of_observations};
use crate::render::sheet_plan::SheetPlan;
use crate::render::table::ResponseCell;
use kpi::fault::quoted;
use kpi::measure::Measure;
use kpi::period::Month;
use ledger::ObservationKey;

/// Maximum memory per figure of a page, in bytes. A reason of up to 2,000 characters could exceed
/// it, but is rare.
const ROW: usize = 1 << 10;

/// A submission as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "only describes the body in the OpenAPI document; the body is read field by field to \
        report all errors at once"
)]
pub struct SubmissionBody {
    /// Where the figures come from.
    source: Option<SourceBody>,
    /// The reason of the change; required for figures of closed months.
    reason: Option<String>,
    /// The figures, 1 to 50,000.
    #[schema(min_items = 1, max_items = 50000)]
    observations: Vec<ObservationBody>,
}

/// The source of a submission.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "see SubmissionBody")]
pub struct SourceBody {
    /// The kind of source, in the sender's words; `api` when absent.
    kind: Option<String>,
    /// The sender's own reference, such as a document number.
    reference: Option<String>,
}

/// A figure as JSON.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "see SubmissionBody")]
pub struct ObservationBody {
    /// Code of an indicator, or of a kpi for a stated rate.
    #[schema(example = "ioffice.documents.outgoing")]
    indicator: String,
    /// Code of a unit, or an official code that one unit has in the month.
    #[schema(example = "travinh")]
    unit: String,
    /// The month of the figure.
    #[schema(example = "2021-10", pattern = r"^(19[0-9]{2}|2[01][0-9]{2})-(0[1-9]|1[0-2])$")]
    period: String,
    /// The member for each dimension of the figure; absent for the total.
    dimensions: Option<std::collections::BTreeMap<String, String>>,
    /// A number, a decimal string (a stated rate keeps its digits), `"n/a"` where the figure does
    /// not apply to the unit, or null to withdraw the figure.
    #[schema(required)]
    value: Option<FigureBody>,
}

/// The value of a figure.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "see SubmissionBody")]
pub enum FigureBody {
    /// A number.
    Number(f64),
    /// A decimal string, or `n/a`.
    Text(String),
}

query_params! {
    /// The parameters of `POST /observations`.
    struct PostObservationsParams {
        dry_run: Option<bool> = "true: check the submission and record nothing. Default: false",
        reason: Option<String> = "For CSV and XLSX only: the reason of the change",
        reference: Option<String> = "For CSV and XLSX only: the sender's name for the submission",
    }
}

/// Record figures.
///
/// Records a submission whole or not at all. The figures are readable as soon as the response
/// arrives. Invalid figures get 422 with all errors; a changed figure of a closed month without a
/// reason gets 409. What `GET /observations` returns can be sent back as it is.
#[utoipa::path(
    operation_id = "post_observations",
    tag = "figures",
    params(IdempotencyHeader, PostObservationsParams),
    request_body(content(
        (SubmissionBody = "application/json"),
        (String = "text/csv", example = "indicator,unit,period,value\nioffice.documents.outgoing,\
            travinh,2021-10,23441\n"),
        (WorkbookFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    )),
    responses(
        (status = 201, description = "The submission was recorded", body = Receipt),
        (
            status = 200,
            description = "Nothing was recorded: no figure changed, or a dry run",
            body = Receipt
        ),
        ProblemResponses
    )
)]
#[post("/observations")]
pub async fn post(
    request: HttpRequest,
    context: web::Data<ServiceContext>,
    body: ReceivedBody,
) -> HandlerResult {
    let app = context.app()?;
    let mut reader = QueryReader::of(&request)?;
    let params: Option<PostObservationsParams> = reader.read();
    let media = media_type(&request).to_ascii_lowercase();
    let is_table = match media.as_str() {
        "application/json" => false,
        "text/csv" | WORKBOOK => true,
        _ => return Err(Problem::media_type(&format!("application/json, text/csv or {WORKBOOK}"))),
    };
    let is_for_csv =
        |params: &PostObservationsParams| params.reason.is_some() || params.reference.is_some();
    if !is_table && params.as_ref().is_some_and(is_for_csv) {
        reader.fault(
            "reason",
            "unknown_parameter",
            "with a JSON body, put the reason into reason and the reference into source.reference",
        );
    }
    let PostObservationsParams { dry_run, reason, reference } = reader.finish(params)?;
    let dry_run = dry_run.unwrap_or(false);
    let identity = identity(&request)?;
    let bytes = read_body(body)?;
    let key = idempotency_key(&request, &bytes)?;
    let bytes =
        if media == WORKBOOK { observation_sheet(&context, bytes).await? } else { bytes.to_vec() };
    let length = bytes.len();
    let body = if is_table {
        let source_kind = if media == WORKBOOK { "workbook" } else { "csv" };
        SubmissionInput::Csv(
            bytes,
            SubmissionEnvelope { source_kind: Some(source_kind.to_owned()), reference, reason },
        )
    } else {
        SubmissionInput::Json(bytes)
    };
    let (app, small) = (app.clone(), length < LARGE_BODY);
    let processed = async move {
        if dry_run {
            app.dry_run(&body, &identity).map(Replayable::first)
        } else {
            app.submit_idempotent(&body, &identity, key.as_ref()).await
        }
    };
    if small {
        return Ok(receipt(&processed.await?));
    }
    // Large submissions are parsed and validated on the pool, so that this thread stays free for
    // other requests.
    let runtime = Handle::current();
    let account = MemoryAccount::current();
    let record = move || {
        // The memory stays reserved until the submission is recorded, even if the client has gone
        let _account = account;
        runtime.block_on(processed)
    };
    let given = context.run(length.saturating_mul(PARSED_FACTOR), record).await??;
    Ok(receipt(&given))
}

/// The observations of an Excel file as CSV.
async fn observation_sheet(
    context: &ServiceContext,
    bytes: web::Bytes,
) -> Result<Vec<u8>, Problem> {
    let csv = sheet(context, bytes).await?;
    if is_of_observations(&header(&csv)) {
        return Ok(csv);
    }
    let detail = "the first row must name the columns indicator, unit, period and value; send \
        forms and other tables to POST /workbooks";
    Err(Problem::parameter("", "missing", detail))
}

/// The response with a receipt: 201 with its location if something was recorded, otherwise 200.
pub(super) fn receipt(given: &Replayable<Receipt>) -> HttpResponse {
    respond_changed(given.answer.submission.as_deref(), given.replayed, &given.answer)
}

response_page! {
    /// A page of figures as recorded.
    struct ObservationsPage {
        /// The figures, in the order in which they were recorded.
        observations: Vec<ObservationView>,
    }
    "submission revision valid_to_revision recorded_at actor reason indicator dimensions unit \
     period value",
    row,
    SheetPlan::new(
        "observations",
        "indicator unit period value:recorded_value reason actor recorded_at",
    )
    .keeping("indicator dimensions unit period value")
}

query_params! {
    /// The parameters of `GET /observations`.
    struct ObservationsParams {
        view: RequestedView,
        unit: Option<String> = "Code of a unit; without the units below it",
        unit_and_below: Option<String> = "Instead of unit: a unit and all units below it",
        from: Option<Month> = "First month",
        to: Option<Month> = "Last month",
        submission: Option<String> = "Only figures of this submission",
        history: Option<bool> =
            "true: every revision, withdrawals included. false (default): current figures only",
        changed_since: Option<RevisionRef> =
            "Only what was recorded after this revision (N, or N-HASH), withdrawals included; \
             waits for it like min_revision",
        value_min: Option<FigureBound> = "Only numbers of at least this value",
        value_max: Option<FigureBound> = "Only numbers of at most this value",
        limit: PageLimit<1_000, MAX_PAGE> =
            "Maximum number of figures on the page, 1 to 10,000; default 1,000",
        indicator: Option<Measure> = "Code of an indicator or kpi; without members, figures of \
            every member are included",
        cursor: Option<PageStart<4>>,
    }
}

impl ObservationsParams {
    /// The query, if its parameters agree.
    fn query(&self) -> Result<FigureQuery, Problem> {
        if self.unit.is_some() && self.unit_and_below.is_some() {
            let detail = "name unit or unit_and_below, not both";
            return Err(Problem::parameter("unit_and_below", "too_many", detail));
        }
        let [value_min, value_max] =
            [&self.value_min, &self.value_max].map(|bound| bound.as_ref().map(|bound| bound.0));
        if value_min.zip(value_max).is_some_and(|(least, most)| most < least) {
            let detail = "value_max is less than value_min";
            return Err(Problem::parameter("value_max", "out_of_range", detail));
        }
        Ok(FigureQuery {
            measure: self.indicator.clone(),
            unit: self.unit.as_ref().or(self.unit_and_below.as_ref()).cloned(),
            with_units_below: self.unit_and_below.is_some(),
            from: self.from,
            to: self.to,
            submission: self.submission.clone(),
            history: self.history.unwrap_or(false),
            with_validity: self.history.unwrap_or(false),
            changed_since: self.changed_since.map(|revision| revision.number),
            value_min,
            value_max,
            limit: self.limit.of(self.view.format),
            after: self.cursor.as_ref().map(|PageStart(places)| ObservationKey::from(*places)),
        })
    }
}

/// A number that values are compared with.
struct FigureBound(f64);

impl QueryValue for FigureBound {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        if has_ambiguous_point(text) {
            return Err(format!(
                "{name}={}: the point may separate thousands or decimals; write 1000 or 1.0",
                quoted(text)
            ));
        }
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.map(Self).ok_or_else(|| format!("{name}={}: not a decimal number", quoted(text)))
    }

    fn value_schema() -> RefOr<Schema> {
        let pattern = r"^-?([0-9]{1,18}(\.([0-9]{1,2}|[0-9]{4,9}))?|(0|[0-9]{4,18})\.[0-9]{3})$";
        let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
        schema.examples([json!("10.5")]).build().into()
    }
}

/// Whether the only point of a number may separate thousands, as in `1.000`: one to three digits
/// before it that do not begin with 0, and three behind it.
fn has_ambiguous_point(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let Some((whole, behind)) = text.split_once('.') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && behind.split('.').all(|group| group.len() == 3)
        && digits(whole)
        && behind.split('.').all(digits)
}

/// List figures as recorded.
///
/// Returns the current figures in the order in which they were recorded, or with `history=true`
/// every revision of them. To follow changes, a client keeps the `revision` of the last page and
/// passes it as `changed_since=`.
#[utoipa::path(
    operation_id = "get_observations",
    tag = "figures",
    params(ObservationsParams),
    responses(
        (
            status = 200,
            description = "A page of figures",
            content(
                (ObservationsPage = "application/json"),
                (String = "text/csv"),
                (crate::api::respond::WorkbookFile =
                    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/observations")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let mut params: ObservationsParams = read_query(&request)?;
    params.view.consistency.changed_since = params.changed_since;
    let query = params.query()?;
    let bytes = query.limit.saturating_mul(ROW);
    respond(&request, &context, &params.view, async |snapshot, stamp| {
        let page = context.compute_in(bytes, move || snapshot.figures(&query)).await?;
        let next = page.next.map(|key| cursor(stamp, &<[i64; 4]>::from(key)));
        Ok(ObservationsPage::new(stamp, page.observations, next))
    })
    .await
}

fn row(figure: ObservationView) -> Vec<ResponseCell> {
    vec![
        ResponseCell::Text(figure.submission),
        ResponseCell::Number(figure.revision.to_string()),
        ResponseCell::number(figure.valid_to_revision),
        ResponseCell::Text(figure.recorded_at),
        ResponseCell::Text(figure.actor),
        ResponseCell::Text(figure.reason.unwrap_or_default()),
        ResponseCell::Text(figure.indicator),
        ResponseCell::Text(figure.dimensions.to_string()),
        ResponseCell::Text(figure.unit),
        ResponseCell::Text(figure.period),
        ResponseCell::Number(
            figure.value.map_or_else(|| "null".to_owned(), |value| value.to_string()),
        ),
    ]
}
