//! Excel files: reading the figures of a form or table, and recording them (`docs/workbooks.md`).

use ledger::RevisionNumber;
use serde::Serialize;

use super::App;
use super::read::findings::FindingView;
use super::read::observations::RecordedValue;
use super::state::ValidationContext;
use super::write::idempotency::IdempotencyKey;
use super::write::receipt::Receipt;
use super::write::submission::SubmissionInput;
use crate::auth::identity::Identity;
use crate::error::Error;
use crate::intake::workbook::{self, SheetTable, WorkbookReading, observation_sheet};
use crate::intake::{MAX_NOTE, SubmissionEnvelope};
use crate::messages::vietnamese;
use documents::workbook::cell_name;
use extract::table::{LabelMeaning, LabelUse, TableDefaults, TableReader};
use kpi::fault::{Fault, quoted};
use kpi::measure::Members;
use kpi::number::Statement;
use kpi::observation::{FoundObservation, SubmissionCounts};
use kpi::period::Month;
use kpi::unit::{UnitForest, UnitPosition};

/// The parameters of a request about an Excel file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WorkbookQuery {
    /// The code of the reporting unit, where the file does not name it.
    pub unit: Option<String>,
    /// The month of the figures, where the file does not name it.
    pub period: Option<Month>,
}

/// The figures found in an Excel file, and the result of recording them.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct WorkbookView {
    /// Whether this request, or the one that it repeats, made a revision.
    pub recorded: bool,
    /// The unit named by the file or the request.
    #[schema(required)]
    pub unit: Option<String>,
    /// The month named by the file or the request.
    #[schema(required)]
    pub period: Option<String>,
    /// Whether the request was a dry run, so that nothing was recorded.
    pub dry_run: bool,
    /// Whether the file is a form of this service.
    pub template: bool,
    /// The figures found, each once.
    pub figures: Vec<FoundFigure>,
    /// All other cells with digits, and texts where a figure is expected, so that nothing is lost
    /// unnoticed.
    pub unclaimed: Vec<UnclaimedView>,
    /// How the tables of a file that is not a form were understood.
    pub mapping: Vec<TableView>,
    /// Contradictions among the figures, as in `POST /observations`.
    pub findings: Vec<FindingView>,
    /// The submission's identifier; null when nothing was recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// The submission's revision; null on a dry run.
    #[schema(required, value_type = Option<i64>)]
    pub revision: Option<RevisionNumber>,
    /// That revision's hash; null on a dry run.
    #[schema(required)]
    pub revision_hash: Option<String>,
    /// When it was recorded; null when nothing was recorded.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// What recording changed, or would change.
    pub counts: SubmissionCounts,
}

/// A figure found in a cell.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct FoundFigure {
    /// Code of the indicator or kpi.
    pub indicator: String,
    /// The member of each dimension that the measure names.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub dimensions: Members,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The number; null withdraws the figure.
    #[schema(required, value_type = Option<RecordedValue>)]
    pub value: Option<Statement>,
    /// The cell's text.
    pub printed: String,
    /// Whether the cell marks the number as approximate.
    pub approximate: bool,
    /// The sheet.
    pub sheet: String,
    /// The cell.
    pub cell: String,
    /// The label that gave the measure.
    pub label: String,
    /// The confidence, from 0 to 1; 1 when the file itself names measure, unit and month.
    pub confidence: f64,
}

/// A cell with digits, or with a text where a figure is expected, that was not taken as a figure.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct UnclaimedView {
    /// The sheet.
    pub sheet: String,
    /// The cell.
    pub cell: String,
    /// The cell's text.
    pub printed: String,
    /// The reason why it was skipped.
    pub reason: String,
    /// The same reason in Vietnamese.
    #[schema(required)]
    pub reason_vi: Option<String>,
}

/// How a table was understood.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct TableView {
    /// The sheet.
    pub sheet: String,
    /// The rows of the header, numbered as in the sheet.
    pub header_rows: Vec<usize>,
    /// The meaning of each column.
    pub columns: Vec<AxisUseView>,
    /// The meaning of each row.
    pub rows: Vec<AxisUseView>,
}

/// The meaning of a column or a row.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct AxisUseView {
    /// The letters of the column, or the number of the row.
    pub at: String,
    /// The label.
    pub text: String,
    /// `figures`, `labels`, `aside`, `heading` or `unclaimed`.
    pub role: String,
    /// The measure, or members alone in braces.
    #[schema(required)]
    pub measure: Option<String>,
    /// The unit.
    #[schema(required)]
    pub unit: Option<String>,
    /// The month.
    #[schema(required)]
    pub period: Option<String>,
    /// Why the figures are skipped, or what the column or row contains.
    #[schema(required)]
    pub reason: Option<String>,
    /// The same in Vietnamese.
    #[schema(required)]
    pub reason_vi: Option<String>,
}

impl AxisUseView {
    fn new(units: &UnitForest, at: String, one: &LabelUse) -> Self {
        let mut view = Self {
            at,
            text: one.text.clone(),
            role: String::new(),
            measure: None,
            unit: None,
            period: None,
            reason: None,
            reason_vi: None,
        };
        match &one.meaning {
            LabelMeaning::Figures { measure, unit, month } => {
                "figures".clone_into(&mut view.role);
                view.measure.clone_from(measure);
                view.unit = unit.map(|unit| units.code(unit).to_owned());
                view.period = month.map(|month| month.to_string());
            }
            LabelMeaning::Labels => "labels".clone_into(&mut view.role),
            LabelMeaning::Heading => "heading".clone_into(&mut view.role),
            LabelMeaning::Aside(what) => {
                "aside".clone_into(&mut view.role);
                view.reason = Some((*what).to_owned());
            }
            LabelMeaning::Unclaimed(why) => {
                "unclaimed".clone_into(&mut view.role);
                view.reason = Some(why.clone());
            }
        }
        view.reason_vi = view.reason.as_deref().and_then(vietnamese);
        view
    }
}

impl WorkbookView {
    fn new(units: &UnitForest, reading: &WorkbookReading, dry_run: bool) -> Self {
        let figures = reading.figures.iter().map(|figure| FoundFigure {
            indicator: figure.measure.code.clone(),
            dimensions: figure.measure.members.clone(),
            unit: units.code(figure.unit).to_owned(),
            period: figure.month.to_string(),
            value: figure.written,
            printed: figure.printed.clone(),
            approximate: figure.approximate,
            sheet: figure.sheet.clone(),
            cell: figure.cell.clone(),
            label: figure.label.clone(),
            confidence: figure.confidence,
        });
        let unclaimed = reading.unclaimed.iter().map(|cell| UnclaimedView {
            sheet: cell.sheet.clone(),
            cell: cell.cell.clone(),
            printed: cell.printed.clone(),
            reason: cell.reason.clone(),
            reason_vi: vietnamese(&cell.reason),
        });
        Self {
            recorded: false,
            unit: reading.unit.map(|unit| units.code(unit).to_owned()),
            period: reading.month.map(|month| month.to_string()),
            dry_run,
            template: reading.is_form,
            figures: figures.collect(),
            unclaimed: unclaimed.collect(),
            mapping: reading.tables.iter().map(|table| table_view(units, table)).collect(),
            findings: Vec::new(),
            submission: None,
            revision: None,
            revision_hash: None,
            recorded_at: None,
            counts: SubmissionCounts::default(),
        }
    }

    fn with(self, receipt: Receipt) -> Self {
        Self {
            findings: receipt.findings,
            submission: receipt.submission,
            recorded: receipt.recorded,
            revision: receipt.revision,
            revision_hash: receipt.revision_hash,
            recorded_at: receipt.recorded_at,
            counts: receipt.counts,
            ..self
        }
    }
}

fn table_view(units: &UnitForest, table: &SheetTable) -> TableView {
    let letters = |column: usize| cell_name(0, column).trim_end_matches('1').to_owned();
    let number = |row: usize| (table.first_row + row).to_string();
    TableView {
        sheet: table.sheet.clone(),
        header_rows: table.header_rows.clone(),
        columns: table
            .columns
            .iter()
            .map(|one| AxisUseView::new(units, letters(one.place), one))
            .collect(),
        rows: table
            .rows
            .iter()
            .map(|one| AxisUseView::new(units, number(one.place), one))
            .collect(),
    }
}

impl App {
    /// Reads an Excel file and evaluates its figures without recording them. Blocks.
    ///
    /// # Errors
    /// The reason why the file cannot be read, or all errors of its cells and figures.
    pub fn dry_run_workbook(
        &self,
        bytes: &[u8],
        query: &WorkbookQuery,
        envelope: SubmissionEnvelope,
        by: impl Into<Identity>,
    ) -> Result<WorkbookView, Error> {
        let (view, found, envelope) = self.read_workbook(bytes, query, envelope, true)?;
        if found.is_empty() {
            return Ok(view);
        }
        Ok(view.with(self.dry_run(&SubmissionInput::Found(found, envelope), by)?))
    }

    /// Reads an Excel file and records its figures, once for its idempotency key. The flag is true
    /// when the response is a repeated one.
    ///
    /// # Errors
    /// As for [`App::dry_run_workbook`]; a file without figures; or those of the store.
    pub async fn record_workbook(
        &self,
        bytes: Vec<u8>,
        query: WorkbookQuery,
        envelope: SubmissionEnvelope,
        by: impl Into<Identity>,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<(WorkbookView, bool), Error> {
        let app = self.clone();
        let read = move || app.read_workbook(&bytes, &query, envelope, false);
        let (view, found, envelope) = crate::sync::blocking(read)
            .await
            .map_err(|_e| Error::Busy(super::lookup::stopping()))??;
        let given = self
            .submit_idempotent(
                &SubmissionInput::Found(require_figures(found)?, envelope),
                by,
                idempotency,
            )
            .await?;
        Ok((view.with(given.answer), given.replayed))
    }

    fn read_workbook(
        &self,
        bytes: &[u8],
        query: &WorkbookQuery,
        envelope: SubmissionEnvelope,
        dry_run: bool,
    ) -> Result<(WorkbookView, Vec<FoundObservation>, SubmissionEnvelope), Error> {
        let context = self.validation_context();
        let unit = query
            .unit
            .as_deref()
            .map(|unit| find_unit(&context, unit, query.period))
            .transpose()?;
        let defaults = TableDefaults { unit, month: query.period, hint: String::new() };
        let reading = match observation_sheet::read(bytes, &context.catalogue, context.parser()) {
            Some(read) => read.map_err(Error::Invalid)?,
            None => {
                let tables = TableReader::new(&context.catalogue, &context.units);
                workbook::figures(bytes, &tables, &context.catalogue, &defaults)
                    .map_err(|fault| Error::Invalid(vec![fault]))?
            }
        };
        let found = reading.figures.iter().map(|figure| FoundObservation {
            measure: figure.measure.clone(),
            unit: context.units.code(figure.unit).to_owned(),
            month: figure.month,
            value: figure.written,
            place: format!("{}!{}", figure.sheet, figure.cell),
        });
        let found: Vec<FoundObservation> = found.collect();
        if !reading.faults.is_empty() {
            return Err(Error::Invalid(all_faults(&context, reading.faults, &found)));
        }
        let noted: String = reading
            .notes
            .join("; ")
            .chars()
            .filter(|c| !kpi::text::is_hidden(*c))
            .take(MAX_NOTE)
            .collect();
        let reason = envelope.reason.or_else(|| (!noted.is_empty()).then_some(noted));
        let envelope = SubmissionEnvelope {
            source_kind: envelope.source_kind.or_else(|| Some("workbook".to_owned())),
            reason,
            ..envelope
        };
        Ok((WorkbookView::new(&context.units, &reading, dry_run), found, envelope))
    }
}

/// The errors of the cells that cannot be read, and those of the other figures.
fn all_faults(
    context: &ValidationContext,
    mut faults: Vec<Fault>,
    found: &[FoundObservation],
) -> Vec<Fault> {
    if !found.is_empty() {
        let mut parser = context.parser();
        parser.push_found(found);
        faults.extend(parser.finish().err().unwrap_or_default());
    }
    faults.truncate(workbook::MAX_FAULTS);
    faults
}

/// The figures to record, of which there must be at least one.
fn require_figures(found: Vec<FoundObservation>) -> Result<Vec<FoundObservation>, Error> {
    if found.is_empty() {
        Err(Error::Invalid(vec![
            Fault::new(
                "",
                "empty",
                "no figure was found in the Excel file; a dry run shows how it was understood",
            )
            .with_vi(
                "không tìm thấy số liệu nào trong tệp Excel; hãy chạy thử để xem tệp được \
             hiểu thế nào",
            ),
        ]))
    } else {
        Ok(found)
    }
}

/// The unit that a request names by its code or an official code.
fn find_unit(
    context: &ValidationContext,
    unit: &str,
    month: Option<Month>,
) -> Result<UnitPosition, Error> {
    let official =
        || month.map(|month| context.units.with_official_code(unit, month)).unwrap_or_default();
    match (context.units.position(unit), official().as_slice()) {
        (Some(position), _) => Ok(position),
        (None, [position]) => Ok(*position),
        (None, _) => Err(Error::Invalid(vec![Fault::new(
            "/unit",
            "unknown_unit",
            format!("no unit has the code {}", quoted(unit)),
        )])),
    }
}
