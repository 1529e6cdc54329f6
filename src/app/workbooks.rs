//! Workbooks taken back: what is found in one, and its recording.

use serde::Serialize;

use super::App;
use super::access::Identity;
use super::findings::FindingView;
use super::keyed::Keyed;
use super::state::Frame;
use super::submissions::{Body, FoundObservation, Receipt};
use crate::domain::fault::{Fault, quoted};
use crate::domain::measure::Members;
use crate::domain::number::Written;
use crate::domain::observation::Counts;
use crate::domain::period::Month;
use crate::domain::unit::Units;
use crate::error::Error;
use crate::intake::table::{Defaults, Meaning, Tables, Use};
use crate::intake::workbook::{self, SheetTable, WorkbookReading};
use crate::intake::{Envelope, MAX_NOTE};

/// What a request says about a workbook.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WorkbookQuery {
    /// The code of the unit that reports, where the workbook does not say so.
    pub unit: Option<String>,
    /// The month that is reported on, where the workbook does not say so.
    pub period: Option<Month>,
}

/// What was found in a workbook, and what became of it.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct WorkbookView {
    /// The unit that the workbook is of, or that was given.
    #[schema(required)]
    pub unit: Option<String>,
    /// The month that the workbook is of, or that was given.
    #[schema(required)]
    pub period: Option<String>,
    /// Whether nothing was recorded because nobody asked for it.
    pub dry_run: bool,
    /// Whether it is a form that the service has handed out.
    pub template: bool,
    /// The figures found, each once.
    pub figures: Vec<FoundFigure>,
    /// Other cells with digits: nothing is silently lost.
    pub unclaimed: Vec<UnclaimedView>,
    /// How free tables were understood.
    pub mapping: Vec<TableView>,
    /// Contradictions among the figures, as in `POST /observations`.
    pub findings: Vec<FindingView>,
    /// The submission; null when nothing was recorded.
    #[schema(required)]
    pub submission: Option<String>,
    /// Its revision; null on a dry run.
    #[schema(required)]
    pub revision: Option<i64>,
    /// When it was recorded; null when nothing was.
    #[schema(required)]
    pub recorded_at: Option<String>,
    /// What it did, or would do.
    pub counts: Counts,
}

/// A figure found in a cell.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct FoundFigure {
    /// The indicator's or kpi's code.
    pub indicator: String,
    /// Dimension and member.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub dimensions: Members,
    /// The unit.
    pub unit: String,
    /// The month.
    pub period: String,
    /// The number; null withdraws.
    #[schema(required, value_type = Option<f64>)]
    pub value: Option<Written>,
    /// The cell's text.
    pub printed: String,
    /// Whether it is said to be about so much.
    pub approximate: bool,
    /// The sheet.
    pub sheet: String,
    /// The cell.
    pub cell: String,
    /// The label that told the measure.
    pub label: String,
    /// How sure it is, 0 to 1: 1 when the workbook itself says measure, unit and month.
    pub confidence: f64,
}

/// A cell with a digit that was not taken.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct UnclaimedView {
    /// The sheet.
    pub sheet: String,
    /// The cell.
    pub cell: String,
    /// The cell's text.
    pub printed: String,
    /// Why.
    pub reason: String,
}

/// How a table was understood.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct TableView {
    /// The sheet.
    pub sheet: String,
    /// The rows of the header, as the sheet counts them.
    pub header_rows: Vec<usize>,
    /// What each column was taken for.
    pub columns: Vec<UseView>,
    /// What each row was taken for.
    pub rows: Vec<UseView>,
}

/// What a column or a row was taken for.
#[derive(Clone, PartialEq, Debug, Serialize, utoipa::ToSchema)]
pub struct UseView {
    /// The column's letters or the row's number.
    pub at: String,
    /// Its label.
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
    /// Why its figures are not taken, or what it holds.
    #[schema(required)]
    pub reason: Option<String>,
}

impl UseView {
    fn new(units: &Units, at: String, one: &Use) -> Self {
        let mut view = Self {
            at,
            text: one.text.clone(),
            role: String::new(),
            measure: None,
            unit: None,
            period: None,
            reason: None,
        };
        match &one.meaning {
            Meaning::Figures { measure, unit, month } => {
                "figures".clone_into(&mut view.role);
                view.measure.clone_from(measure);
                view.unit = unit.map(|unit| units.code(unit).to_owned());
                view.period = month.map(|month| month.to_string());
            }
            Meaning::Labels => "labels".clone_into(&mut view.role),
            Meaning::Heading => "heading".clone_into(&mut view.role),
            Meaning::Aside(what) => {
                "aside".clone_into(&mut view.role);
                view.reason = Some((*what).to_owned());
            }
            Meaning::Unclaimed(why) => {
                "unclaimed".clone_into(&mut view.role);
                view.reason = Some(why.clone());
            }
        }
        view
    }
}

impl WorkbookView {
    fn new(units: &Units, reading: &WorkbookReading, dry_run: bool) -> Self {
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
        });
        Self {
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
            recorded_at: None,
            counts: Counts::default(),
        }
    }

    fn with(self, receipt: Receipt) -> Self {
        Self {
            findings: receipt.findings,
            submission: receipt.submission,
            revision: receipt.revision,
            recorded_at: receipt.recorded_at,
            counts: receipt.counts,
            ..self
        }
    }
}

fn table_view(units: &Units, table: &SheetTable) -> TableView {
    let letters = |column: usize| workbook::cell_name(0, column).trim_end_matches('1').to_owned();
    let number = |row: usize| (table.first_row + row).to_string();
    TableView {
        sheet: table.sheet.clone(),
        header_rows: table.header_rows.clone(),
        columns: table
            .columns
            .iter()
            .map(|one| UseView::new(units, letters(one.index), one))
            .collect(),
        rows: table.rows.iter().map(|one| UseView::new(units, number(one.index), one)).collect(),
    }
}

impl App {
    /// Reads a workbook and judges its figures without recording them. Blocks.
    ///
    /// # Errors
    /// What makes the workbook unreadable; every fault of its cells and of its figures.
    pub fn try_workbook(
        &self,
        bytes: &[u8],
        query: &WorkbookQuery,
        envelope: Envelope,
        by: impl Into<Identity>,
    ) -> Result<WorkbookView, Error> {
        let (view, found, envelope) = self.read_workbook(bytes, query, envelope, true)?;
        if found.is_empty() {
            return Ok(view);
        }
        Ok(view.with(self.try_out(&Body::Found(found, envelope), by)?))
    }

    /// Reads a workbook and records its figures, once for its key. The flag says whether the answer was given before.
    ///
    /// # Errors
    /// As for [`App::try_workbook`], a workbook without a figure, or that the store could not record it.
    pub async fn record_workbook(
        &self,
        bytes: Vec<u8>,
        query: WorkbookQuery,
        envelope: Envelope,
        by: impl Into<Identity>,
        keyed: Option<&Keyed>,
    ) -> Result<(WorkbookView, bool), Error> {
        let app = self.clone();
        let read = move || app.read_workbook(&bytes, &query, envelope, false);
        let (view, found, envelope) = tokio::task::spawn_blocking(read)
            .await
            .map_err(|_e| Error::Busy(super::writer::stopping()))??;
        let given = self.submit_keyed(&Body::Found(some(found)?, envelope), by, keyed).await?;
        Ok((view.with(given.answer), given.again))
    }

    /// The same for the command line.
    ///
    /// # Errors
    /// As for [`App::record_workbook`].
    pub fn record_workbook_now(
        &self,
        bytes: &[u8],
        query: &WorkbookQuery,
        envelope: Envelope,
        by: impl Into<Identity>,
    ) -> Result<WorkbookView, Error> {
        let by = by.into();
        loop {
            let frame = self.frame();
            let (view, found, envelope) =
                self.read_workbook(bytes, query, envelope.clone(), false)?;
            let (submission, envelope) = Body::Found(some(found)?, envelope).parse(&frame, &by)?;
            if let Some(receipt) =
                self.submit_parsed(submission, frame, envelope, by.clone())?.wait()?
            {
                return Ok(view.with(receipt));
            }
        }
    }

    fn read_workbook(
        &self,
        bytes: &[u8],
        query: &WorkbookQuery,
        envelope: Envelope,
        dry_run: bool,
    ) -> Result<(WorkbookView, Vec<FoundObservation>, Envelope), Error> {
        let frame = self.frame();
        let unit =
            query.unit.as_deref().map(|unit| given_unit(&frame, unit, query.period)).transpose()?;
        let defaults = Defaults { unit, month: query.period, hint: String::new() };
        let tables = Tables::new(&frame.catalogue, &frame.units);
        let mut reading = workbook::figures(bytes, &tables, &frame.catalogue, &defaults)
            .map_err(|fault| Error::Invalid(vec![fault]))?;
        if !reading.faults.is_empty() {
            return Err(Error::Invalid(std::mem::take(&mut reading.faults)));
        }
        let found = reading.figures.iter().map(|figure| FoundObservation {
            measure: figure.measure.clone(),
            unit: frame.units.code(figure.unit).to_owned(),
            month: figure.month,
            value: figure.written,
            place: format!("{}!{}", figure.sheet, figure.cell),
        });
        let noted: String =
            reading.notes.join("; ").chars().filter(|c| !c.is_control()).take(MAX_NOTE).collect();
        let reason = envelope.reason.or_else(|| (!noted.is_empty()).then_some(noted));
        let envelope = Envelope {
            source_kind: envelope.source_kind.or_else(|| Some("workbook".to_owned())),
            reason,
            ..envelope
        };
        Ok((WorkbookView::new(&frame.units, &reading, dry_run), found.collect(), envelope))
    }
}

/// Figures to record, when there are any.
fn some(found: Vec<FoundObservation>) -> Result<Vec<FoundObservation>, Error> {
    if found.is_empty() {
        Err(Error::fault(
            "",
            "empty",
            "no figure was found in the workbook; a dry run tells what it was taken for",
        ))
    } else {
        Ok(found)
    }
}

/// The unit that a request names, by its code or an official one.
fn given_unit(frame: &Frame, unit: &str, month: Option<Month>) -> Result<usize, Error> {
    let official =
        || month.map(|month| frame.units.with_official_code(unit, month)).unwrap_or_default();
    match (frame.units.position(unit), official().as_slice()) {
        (Some(position), _) => Ok(position),
        (None, [position]) => Ok(*position),
        (None, _) => Err(Error::Invalid(vec![Fault::new(
            "/unit",
            "unknown_unit",
            format!("no unit has the code {}", quoted(unit)),
        )])),
    }
}
