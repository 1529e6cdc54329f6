//! Reports: reading the figures of a document with their places, recording them together with the
//! document's text, and writing the report of a month from the ledger (`docs/reports.md`).

mod by_hand;
mod choice;
mod head;
mod lexicons;
mod places;
mod reconcile;
mod stored_report;
mod views;
pub mod written;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::App;
use super::read::findings::FindingView;
use super::read::past_submissions::{counts, find, unknown};
use super::snapshot::Snapshot;
use super::state::ValidationContext;
use super::write::idempotency::IdempotencyKey;
use super::write::receipt::{Receipt, ReportRecord};
use super::write::submission::SubmissionInput;
use crate::auth::identity::Identity;
use crate::clock::time_text;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use crate::messages::translated;
pub use by_hand::{FigureByHand, ReportReadAgain, with_pattern};
pub use choice::{BY_HAND, ReportChoice};
use documents::{Document, DocumentError, MediaType};
use extract::report::lexicon::ReportLexicon;
use extract::report::{
    self, ExtractedFigure, FigureRole, MAX_NUMBERS, ReportContext, ReportExtract, title,
};
use kpi::fault::{Fault, quoted};
use kpi::observation::{FoundObservation, SubmissionCounts};
use kpi::period::{Period, Step};
use kpi::unit::UnitPosition;
use ledger::{RevisionNumber, Store, TimestampMicros, chain};
pub use lexicons::{LexiconCache, usable};
use places::CharacterPlaces;
use stored_report::{StoredFigure, StoredReport, StoredUnclaimed};
pub use views::{MAX_SENTENCE, ReportFault, ReportFigure, ReportNote, ReportUnclaimed, ReportView};

/// A file that is read as a report.
#[derive(Clone, Debug)]
pub struct ReportFile {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// The kind of the document.
    pub media: MediaType,
    /// The file's name, if it has one.
    pub name: Option<String>,
}

/// The parameters of a request about a report.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReportQuery {
    /// The code of the reporting unit, or an official code of it; when absent it is read from the
    /// report's head.
    pub unit: Option<String>,
    /// The period of the report; when absent it is read from its title.
    pub period: Option<Period>,
    /// The figures that are recorded although their reading is not certain.
    pub accept: AcceptedFigures,
}

/// The figures of a report that a request accepts, each by the place of its first digit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AcceptedFigures(Vec<usize>);

impl From<Vec<usize>> for AcceptedFigures {
    fn from(places: Vec<usize>) -> Self {
        Self(places)
    }
}

impl std::str::FromStr for AcceptedFigures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = |text: &str| text.trim().parse::<usize>().ok();
        match text.split(',').map(place).collect::<Option<Vec<usize>>>() {
            Some(places) if places.len() <= MAX_ACCEPTED => Ok(Self(places)),
            Some(_) => Err(format!("at most {MAX_ACCEPTED} figures may be accepted at once")),
            None => Err("give the start positions of the figures, separated by commas, such as \
                 512,733"
                .to_owned()),
        }
    }
}

/// A figure of a report with a lower confidence than this is recorded only when the request accepts
/// it (docs/reports.md#how-certain-a-figure-is).
pub const LEAST_CONFIDENCE: f64 = 0.8;

/// Most figures that a request may accept.
pub const MAX_ACCEPTED: usize = 1_000;

/// Whether a figure is recorded only when the request accepts it.
fn needs_acceptance(found: &ExtractedFigure) -> bool {
    found.role == FigureRole::Figure && (found.approximate || found.confidence < LEAST_CONFIDENCE)
}

/// Why a report could not be read or recorded.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file is not a readable document.
    #[error(transparent)]
    Refused(#[from] DocumentError),
    /// Any other error.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A report that was read, but not yet evaluated.
#[derive(Clone, Debug)]
pub struct ReadReport {
    stored: StoredReport,
    found: Vec<FoundObservation>,
    findings: Vec<FindingView>,
    month: bool,
    closed: bool,
    /// A place that the request accepts and at which no figure begins.
    unknown_acceptance: Option<usize>,
}

impl ReadReport {
    /// The first line of the text with at least 8 characters, as a name for the report.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        let line = self
            .stored
            .text
            .lines()
            .map(|line| {
                line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '#' | '*' | '|'))
            })
            .find(|line| line.chars().count() >= 8)?;
        Some(line.chars().filter(|c| !kpi::text::is_hidden(*c)).take(200).collect())
    }

    /// Leaves out the figures that need acceptance, except those that begin at these places.
    fn accepting(mut self, accepted: &AcceptedFigures) -> Self {
        let AcceptedFigures(accepted) = accepted;
        let figures = &mut self.stored.figures;
        let starts = |place: &&usize| !figures.iter().any(|figure| figure.place.0 == **place);
        self.unknown_acceptance = accepted.iter().find(starts).copied();
        for figure in figures.iter_mut() {
            figure.needs_acceptance &= !accepted.contains(&figure.place.0);
        }
        let left_out = |found: &FoundObservation| {
            let number =
                found.place.strip_prefix("/figures/").and_then(|n| n.parse::<usize>().ok());
            number
                .and_then(|number| self.stored.figures.get(number))
                .is_some_and(|figure| figure.needs_acceptance)
        };
        let found = std::mem::take(&mut self.found);
        self.found = found.into_iter().filter(|found| !left_out(found)).collect();
        self
    }

    fn view(&self, dry_run: bool, receipt: Receipt) -> ReportView {
        let closed = self.closed;
        let Receipt {
            recorded,
            submission,
            revision,
            revision_hash,
            recorded_at,
            counts,
            findings,
        } = receipt;
        ReportView {
            recorded,
            dry_run,
            submission,
            revision,
            revision_hash,
            recorded_at,
            counts,
            closed,
            findings,
            ..self.stored.view()
        }
    }

    fn body(&self, envelope: SubmissionEnvelope) -> Result<SubmissionInput, Error> {
        let document = serde_json::to_string(&self.stored)
            .map_err(|error| Error::Malformed(error.to_string()))?;
        Ok(SubmissionInput::Report(
            self.found.clone(),
            envelope,
            Arc::new(ReportRecord { document, findings: self.findings.clone() }),
        ))
    }

    /// Checks that the report can be recorded, apart from its figures: it is of a month and has
    /// figures.
    fn recordable(&self) -> Result<(), Error> {
        if !self.month {
            let detail = format!(
                "figures are recorded by month, and this report is for the wider period {}: it can \
                 only be read and compared with the ledger (dry_run=true)",
                self.stored.period
            );
            return Err(Error::fault("/period", "wider_period", detail));
        }
        if let Some(place) = &self.unknown_acceptance {
            return Err(Error::fault(
                "/accept",
                "unknown_figure",
                format!("no figure of the report begins at character {place}"),
            ));
        }
        if self.found.is_empty() && self.stored.figures.iter().any(|one| one.needs_acceptance) {
            return Err(Error::fault(
                "/accept",
                "not_certain",
                "the figures of the report are not certain enough to be recorded by themselves; a \
                 dry run lists them, and accept=START names those to record by their start",
            ));
        }
        if self.found.is_empty() {
            return Err(Error::fault(
                "",
                "empty",
                "no figure was found in the report; a dry run lists its numbers with the reasons \
                 why they were skipped",
            ));
        }
        Ok(())
    }
}

/// The media type of a kind of document.
#[must_use]
pub fn media_type(media: MediaType) -> &'static str {
    match media {
        MediaType::Text => "text/plain",
        MediaType::Markdown => "text/markdown",
        MediaType::Docx => {
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        }
        MediaType::Pdf => "application/pdf",
    }
}

impl App {
    /// Reads a report with the current catalogue, units and figures. Blocks, for seconds with a
    /// long document.
    ///
    /// # Errors
    /// [`ReportError::Refused`] when the file is not a readable document; [`ReportError::Failed`]
    /// when its unit or period is neither given nor found, or is unknown.
    pub fn read_report(
        &self,
        file: &ReportFile,
        query: &ReportQuery,
    ) -> Result<ReadReport, ReportError> {
        self.read_report_in(file, query, &self.validation_context())
    }

    /// Explains for each number of a report how it was read, for authors of patterns: the number,
    /// the pattern with the matching phrase, and the result or the reason against it. Blocks.
    ///
    /// # Errors
    /// As for [`App::read_report`].
    pub fn explain_report(
        &self,
        file: &ReportFile,
        query: &ReportQuery,
    ) -> Result<Vec<(String, String, String)>, ReportError> {
        let context = self.validation_context();
        let document = documents::read(&file.bytes, file.media)?;
        let lexicon = self.inner.lexicons.of(&context.catalogue)?;
        let (unit, period) = resolve_unit_and_period(&document, &lexicon, query, &context)?;
        let setting = ReportContext {
            catalogue: &context.catalogue,
            lexicon: &lexicon,
            units: &context.units,
            unit,
            period,
        };
        let (_, considered) = report::explain(&document, &setting);
        Ok(considered
            .into_iter()
            .map(|one| (document.slice(&one.place).to_owned(), one.pattern, one.verdict))
            .collect())
    }

    /// As [`App::read_report`], with another validation context, such as a catalogue that is being
    /// tried.
    ///
    /// # Errors
    /// As for [`App::read_report`].
    pub fn read_report_in(
        &self,
        file: &ReportFile,
        query: &ReportQuery,
        context: &ValidationContext,
    ) -> Result<ReadReport, ReportError> {
        let document = documents::read(&file.bytes, file.media)?;
        let lexicon = self.inner.lexicons.of(&context.catalogue)?;
        let (unit, period) = resolve_unit_and_period(&document, &lexicon, query, context)?;
        let setting = ReportContext {
            catalogue: &context.catalogue,
            lexicon: &lexicon,
            units: &context.units,
            unit,
            period,
        };
        let reading = report::read(&document, &setting);
        if reading.figures.len() + reading.unclaimed.len() > MAX_NUMBERS {
            return Err(
                Error::TooLarge(format!("a report has at most {MAX_NUMBERS} numbers")).into()
            );
        }
        let findings = self.reconcile(&reading, &document.text, context, (unit, period));
        let notes = head::notes(&document, &lexicon, query, context, (unit, period));
        let mut read = finish_reading(file, document, &reading, findings, context, (unit, period));
        read.stored.notes = notes;
        Ok(read.accepting(&query.accept))
    }

    /// Evaluates the figures of a report without recording them. Errors of single figures are
    /// listed, so that the other figures can be seen.
    ///
    /// # Errors
    /// Those of the store.
    pub fn dry_run_report(
        &self,
        report: &ReadReport,
        by: impl Into<Identity>,
    ) -> Result<ReportView, Error> {
        let nothing = Receipt::default;
        let mut faults = Vec::new();
        let mut receipt = if report.month && !report.found.is_empty() {
            // Without a reason a closed month would be an error that hides the figures; the field
            // `closed` reports it instead.
            let envelope = SubmissionEnvelope {
                reason: Some("dry run".to_owned()),
                ..SubmissionEnvelope::default()
            };
            match self.dry_run(&SubmissionInput::Found(report.found.clone(), envelope), by) {
                Ok(receipt) => receipt,
                Err(Error::Invalid(found) | Error::Conflict { obstacles: found, .. }) => {
                    faults = found
                        .into_iter()
                        .map(translated)
                        .map(|fault| ReportFault {
                            pointer: fault.pointer,
                            code: fault.code.to_owned(),
                            detail: fault.detail,
                            detail_vi: fault.detail_vi.map(String::from),
                        })
                        .collect();
                    nothing()
                }
                Err(error) => return Err(error),
            }
        } else {
            nothing()
        };
        receipt.findings.extend(report.findings.iter().cloned());
        Ok(ReportView { faults, ..report.view(true, receipt) })
    }

    /// Records the figures of a report as one submission together with the report's text, once for
    /// its idempotency key. The flag is true when the response is a repeated one.
    ///
    /// # Errors
    /// A period wider than a month, a report without figures, all errors of the figures, or those
    /// of the store.
    pub async fn record_report(
        &self,
        report: &ReadReport,
        envelope: SubmissionEnvelope,
        by: impl Into<Identity>,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<(ReportView, bool), Error> {
        report.recordable()?;
        let given =
            self.submit_idempotent(&report.body(named(report, envelope))?, by, idempotency).await?;
        Ok((report.view(false, given.answer), given.replayed))
    }

    /// The stored response to an idempotency key, if there is one that recorded something.
    ///
    /// # Errors
    /// A key that was used with another body, or those of the store.
    pub async fn replay_report(
        &self,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Option<ReportView>, Error> {
        let Some(given) = self.load_replay(idempotency).await? else { return Ok(None) };
        let (store, Some(id)) = (self.store().clone(), given.answer.submission) else {
            return Ok(None);
        };
        let view =
            crate::sync::blocking(move || RecordedReport::find(&store, &id, RevisionNumber::END))
                .await
                .map_err(|_e| Error::Busy(super::lookup::stopping()))??;
        Ok(Some(view.view()))
    }
}

/// The envelope with the reference by which the report is known.
fn named(report: &ReadReport, envelope: SubmissionEnvelope) -> SubmissionEnvelope {
    let reference =
        envelope.reference.or_else(|| report.stored.file_name.clone()).or_else(|| report.title());
    SubmissionEnvelope {
        source_kind: Some(envelope.source_kind.unwrap_or_else(|| "report".to_owned())),
        reference,
        ..envelope
    }
}

/// The result of reading a report, with places counted in characters.
fn finish_reading(
    file: &ReportFile,
    document: Document,
    reading: &ReportExtract,
    findings: Vec<FindingView>,
    context: &ValidationContext,
    (unit, period): (UnitPosition, Period),
) -> ReadReport {
    let places = CharacterPlaces::new(&document.text);
    let figures: Vec<StoredFigure> = reading
        .figures
        .iter()
        .map(|found| StoredFigure::new(found, needs_acceptance(found), &places, context))
        .collect();
    let unclaimed =
        reading.unclaimed.iter().map(|number| StoredUnclaimed::new(number, &places)).collect();
    let month = period.step() == Step::Month;
    let to_record = reading
        .figures
        .iter()
        .enumerate()
        .filter(|(_, found)| month && found.role == FigureRole::Figure);
    let found = to_record.map(|(n, found)| FoundObservation {
        measure: found.measure.clone(),
        unit: context.units.code(found.unit).to_owned(),
        month: found.period.last(),
        value: Some(found.value.into()),
        place: format!("/figures/{n}"),
    });
    let found = found.collect();
    let stored = StoredReport {
        unit: context.units.code(unit).to_owned(),
        period: period.to_string(),
        media_type: media_type(file.media).to_owned(),
        file_name: file.name.clone(),
        sha256: chain::digits(&Sha256::digest(&file.bytes)),
        figures,
        unclaimed,
        notes: Vec::new(),
        text: document.text,
    };
    ReadReport {
        stored,
        found,
        findings,
        month,
        closed: month && context.closed.contains_key(&period.last()),
        unknown_acceptance: None,
    }
}

/// The unit and the period of a report: the given ones, otherwise those found in its head.
fn resolve_unit_and_period(
    document: &Document,
    lexicon: &ReportLexicon,
    query: &ReportQuery,
    context: &ValidationContext,
) -> Result<(UnitPosition, Period), Error> {
    let mut faults = Vec::new();
    let period = query.period.or_else(|| title::period(document));
    match period {
        None => faults.push(Fault::new(
            "/period",
            "not_found",
            "the period of the report was not found; its title is searched for words such as \
             \"tháng 10 năm 2021\", \"quý III năm 2022\", \"9 tháng đầu năm 2021\"; state it as \
             ?period=2021-10, on the command line --period 2021-10",
        )),
        Some(period) if period.first() > context.clock.this_month() => {
            faults.push(Fault::new(
                "/period",
                "future_month",
                format!("{period} has not begun; this month is {}", context.clock.this_month()),
            ));
        }
        Some(_) => {}
    }
    let month = period.map_or_else(|| context.clock.this_month(), Period::last);
    let unit = match &query.unit {
        Some(code) => context.units.position(code).or_else(|| {
            match context.units.with_official_code(code, month).as_slice() {
                [one] => Some(*one),
                [] | [_, _, ..] => None,
            }
        }),
        None => title::unit(
            document,
            lexicon,
            &context.units,
            period.unwrap_or_else(|| Period::containing(Step::Month, month)),
        ),
    };
    match (unit, &query.unit) {
        (None, Some(code)) => faults.push(Fault::new(
            "/unit",
            "unknown_unit",
            format!("no unit has the code {}, nor the official code in that month", quoted(code)),
        )),
        (None, None) => faults.push(Fault::new(
            "/unit",
            "not_found",
            "the unit of the report was not found; its head is searched for names of units, such \
             as \"tỉnh Trà Vinh\"; state it as ?unit=travinh, on the command line --unit travinh",
        )),
        (Some(unit), _) if !context.units.exists(unit, month) => {
            faults.push(Fault::new(
                "/unit",
                "unit_not_valid",
                format!("{} did not exist at the end of {month}", quoted(context.units.code(unit))),
            ));
        }
        (Some(_), _) => {}
    }
    match (unit, period) {
        (Some(unit), Some(period)) if faults.is_empty() => Ok((unit, period)),
        _ => Err(Error::Invalid(faults)),
    }
}

/// A report as it was recorded.
struct RecordedReport {
    stored: StoredReport,
    submission: String,
    revision: RevisionNumber,
    revision_hash: Option<String>,
    recorded_at: TimestampMicros,
    counts: SubmissionCounts,
    findings: Vec<FindingView>,
}

impl RecordedReport {
    /// The report that a submission was read from, if its revision is at most `up_to`.
    fn find(store: &Store, id: &str, up_to: RevisionNumber) -> Result<Self, Error> {
        let record = find(store, id)?;
        if record.revision.revision > up_to {
            return Err(unknown(id));
        }
        let text = store.report(record.revision.revision, &record.submission.id.to_lowercase())?;
        let Some(text) = text else {
            return Err(Error::NotFound(format!(
                "the submission {} was not read from a report",
                quoted(id)
            )));
        };
        let stored = serde_json::from_str(&text).map_err(|_e| {
            Error::NotFound(
                "the stored text of this report cannot be read by this version of the service"
                    .to_owned(),
            )
        })?;
        Ok(Self {
            stored,
            revision: record.revision.revision,
            revision_hash: record.revision.hash,
            recorded_at: record.revision.recorded_at,
            counts: counts(&record.submission),
            findings: serde_json::from_str(&record.submission.findings).unwrap_or_default(),
            submission: record.submission.id,
        })
    }

    fn view(self) -> ReportView {
        ReportView {
            recorded: true,
            submission: Some(self.submission),
            revision: Some(self.revision),
            revision_hash: self.revision_hash,
            recorded_at: Some(time_text(self.recorded_at)),
            counts: self.counts,
            findings: self.findings,
            ..self.stored.view()
        }
    }
}

impl Snapshot {
    /// A recorded report with its figures. Blocks on the store.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such submission, or when it was not read from a report.
    pub fn report(&self, id: &str) -> Result<ReportView, Error> {
        let found = RecordedReport::find(self.store(), id, self.last_revision())?;
        self.confirm()?;
        Ok(found.view())
    }

    /// The text of a recorded report. Blocks on the store.
    ///
    /// # Errors
    /// As for [`Snapshot::report`].
    pub fn report_text(&self, id: &str) -> Result<String, Error> {
        let found = RecordedReport::find(self.store(), id, self.last_revision())?;
        self.confirm()?;
        Ok(found.stored.text)
    }

    /// The newest revision that the response may use; another instance may have just recorded one.
    fn last_revision(&self) -> RevisionNumber {
        if self.is_past() { self.state().revision } else { RevisionNumber::END }
    }
}
