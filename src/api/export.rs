//! `GET /export`: the values with their names, as files that analysts' tools open.

use actix_web::body::BoxBody;
use actix_web::http::header::ContentEncoding;
use actix_web::{HttpRequest, get, web};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::schema::Schema;

use super::context::ServiceContext;
use super::limits::account::MemoryAccount;
use super::limits::heavy::lower_priority;
use super::limits::streamed::{STREAM_BYTES, StreamWriter, streamed};
use super::problem::{HandlerResult, Problem, ProblemResponses};
use super::query::{QueryField, QueryReader, QueryValue, one_of, query_params, read_query, words};
use super::respond::{StreamedFile, body_of_head, respond_streamed};
use crate::app::archive::{TidyFormat, TidySelection, write_selection};
use crate::app::read::measure_choice::MeasureChoice;
use crate::app::snapshot::{ReadConsistency, Snapshot};
use crate::memory::MemoryKind;
use kpi::fault::Fault;
use kpi::period::Period;

query_params! {
    /// The parameters of `GET /export`.
    struct ExportParams {
        format: Option<ExportedFormat> =
            "zip (default): figures.csv, units.csv, measures.csv and datapackage.json; csv: \
             figures.csv alone; parquet: the same columns as Parquet; sdmx-csv: the values as \
             SDMX-CSV 2.0",
        measures: ChosenMeasures,
        unit: Option<String> = "Only this unit and the units below it",
        from: Option<Period> = "First month; of a wider period its first month",
        to: Option<Period> = "Last month; of a wider period its last month",
        consistency: ReadConsistency,
    }
}

/// The format of an export.
#[derive(Clone, Copy)]
struct ExportedFormat(TidyFormat);

impl ExportedFormat {
    const NAMES: [&'static str; 4] = ["zip", "csv", "parquet", "sdmx-csv"];
}

impl QueryValue for ExportedFormat {
    fn parse(name: &str, text: &str) -> Result<Self, String> {
        Ok(Self(match one_of(name, text, &Self::NAMES)? {
            "csv" => TidyFormat::Table,
            "parquet" => TidyFormat::Parquet,
            "sdmx-csv" => TidyFormat::Sdmx,
            _ => TidyFormat::Package,
        }))
    }

    fn value_schema() -> RefOr<Schema> {
        words(&Self::NAMES)
    }
}

/// The measures of an export; `None` for all with figures, and every kpi.
struct ChosenMeasures(Option<MeasureChoice>);

impl QueryField for ChosenMeasures {
    fn read(reader: &mut QueryReader<'_>, group: &'static str) -> Option<Self> {
        let is_named = reader.has("measure") || reader.has("dimensions");
        let choice = if is_named { Some(MeasureChoice::read(reader, group)?) } else { None };
        Some(Self(choice))
    }

    fn describe(group: &'static str, description: &str) -> Vec<Parameter> {
        let mut parameters = MeasureChoice::describe(group, description);
        for parameter in &mut parameters {
            parameter.required = utoipa::openapi::Required::False;
        }
        parameters
    }
}

/// Export values for analysis.
///
/// Returns the values of all units, measures and months with figures, or of those that are chosen,
/// with coverage and changes as in `GET /series`, from one revision. The file is sent while it is
/// written; a response that ends without its last chunk is incomplete.
#[utoipa::path(
    operation_id = "export_figures",
    tag = "figures",
    params(ExportParams),
    responses(
        (
            status = 200,
            description = "The file",
            content(
                (crate::api::respond::ZipFile = "application/zip"),
                (String = "text/csv"),
                (crate::api::respond::ParquetFile = "application/vnd.apache.parquet"),
                (String = "application/vnd.sdmx.data+csv")
            )
        ),
        (status = 304, description = "Not modified"),
        ProblemResponses
    )
)]
#[get("/export")]
pub async fn get(request: HttpRequest, context: web::Data<ServiceContext>) -> HandlerResult {
    let params: ExportParams = read_query(&request)?;
    let ExportedFormat(format) = params.format.unwrap_or(ExportedFormat(TidyFormat::Package));
    let (from, to) = (params.from.map(Period::first), params.to.map(Period::last));
    if from.zip(to).is_some_and(|(from, to)| to < from) {
        let fault = Fault::new("/to", "dates_reversed", "to is before from");
        return Err(Problem::invalid(vec![fault]));
    }
    let ChosenMeasures(choice) = params.measures;
    respond_streamed(&request, &context, &params.consistency, file(format), async |snapshot| {
        let state = snapshot.state();
        let selection = TidySelection {
            unit: params.unit.map(|code| state.find_unit(&code)).transpose()?,
            from,
            to,
            measures: choice.map(|choice| choice.declared(state)).transpose()?,
            abandoned: None,
        };
        match body_of_head(&request) {
            Some(body) => Ok(body),
            None => write(&context, snapshot, selection, format).await,
        }
    })
    .await
}

/// How clients see a format.
fn file(format: TidyFormat) -> StreamedFile {
    match format {
        TidyFormat::Package => StreamedFile {
            name: "figures.zip",
            format: "zip",
            media_type: "application/zip",
            // It is compressed already.
            encoding: Some(ContentEncoding::Identity),
        },
        TidyFormat::Table => StreamedFile {
            name: "figures.csv",
            format: "csv",
            media_type: "text/csv; charset=utf-8",
            encoding: None,
        },
        TidyFormat::Parquet => StreamedFile {
            name: "figures.parquet",
            format: "parquet",
            media_type: "application/vnd.apache.parquet",
            // It is compressed already.
            encoding: Some(ContentEncoding::Identity),
        },
        TidyFormat::Sdmx => StreamedFile {
            name: "figures.sdmx.csv",
            format: "sdmx-csv",
            media_type: "application/vnd.sdmx.data+csv; version=2.0.0; charset=utf-8",
            encoding: None,
        },
    }
}

/// Starts to write an export on threads of its own.
async fn write(
    context: &ServiceContext,
    snapshot: Snapshot,
    selection: TidySelection,
    format: TidyFormat,
) -> Result<BoxBody, Problem> {
    let account = MemoryAccount::current();
    let bytes = STREAM_BYTES + format.bytes();
    account.reserve(MemoryKind::Response, bytes, context.limits.wait).await?;
    let turn = context.limits.export_permit().await?;
    let (mut writer, body) = streamed();
    let selection = TidySelection { abandoned: Some(writer.abandoned()), ..selection };
    let work = move || {
        // Both are held until the export is written, or its client has gone.
        let (_turn, _account) = (turn, account);
        lower_priority();
        let written = write_selection(snapshot.state(), &selection, format, &mut writer);
        match written {
            Ok(_) => drop::<std::io::Result<()>>(StreamWriter::end(writer)),
            Err(error) => tracing::info!(%error, "an export was not written to its end"),
        }
    };
    std::thread::Builder::new().name("export".to_owned()).spawn(work).map_err(|error| {
        tracing::error!(%error, "cannot start a thread for an export");
        Problem::internal()
    })?;
    Ok(body)
}
