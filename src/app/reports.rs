//! Reports: the figures found in a document, each with the place it came from; their recording; what is kept of the document; and the
//! report written anew from the ledger.

mod kept;
mod lexicons;
mod places;
mod reconcile;
mod views;
pub mod written;

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::access::Identity;
use super::findings::FindingView;
use super::keyed::Keyed;
use super::moment::Moment;
use super::state::Frame;
use super::submissions::{Body, FoundObservation, Kept, Receipt, counts, find, unknown};
use super::{App, time_text};
use crate::domain::fault::{Fault, quoted};
use crate::domain::observation::Counts;
use crate::domain::period::{Period, Step};
use crate::error::Error;
use crate::intake::Envelope;
use crate::intake::document::{self, Document, Media, Refusal};
use crate::intake::report::lexicon::Lexicon;
use crate::intake::report::{self, MAX_NUMBERS, Reading, Role, Setting, title};
use crate::store::{Store, chain};
use kept::{KeptFigure, KeptReport, KeptUnclaimed};
pub use lexicons::{Lexicons, usable};
use places::Places;
pub use views::{MAX_SENTENCE, ReportFault, ReportFigure, ReportUnclaimed, ReportView};

/// A file that is read as a report.
#[derive(Clone, Debug)]
pub struct ReportFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What they are.
    pub media: Media,
    /// Its name, where it has one.
    pub name: Option<String>,
}

/// What a request says about a report.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReportQuery {
    /// The code of the unit that reports, or an official code of it; its head says it when absent.
    pub unit: Option<String>,
    /// The period that is reported on; its title says it when absent.
    pub period: Option<Period>,
}

/// Why a report could not be read or recorded.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file is no document that can be read.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// A report that was read, and not yet judged.
#[derive(Clone, Debug)]
pub struct Report {
    kept: KeptReport,
    found: Vec<FoundObservation>,
    findings: Vec<FindingView>,
    month: bool,
    closed: bool,
}

impl Report {
    /// What its first lines say it is, to name it by.
    #[must_use]
    pub fn title(&self) -> Option<String> {
        let line = self
            .kept
            .text
            .lines()
            .map(|line| {
                line.trim_matches(|c: char| c.is_whitespace() || matches!(c, '#' | '*' | '|'))
            })
            .find(|line| line.chars().count() >= 8)?;
        Some(line.chars().filter(|c| !c.is_control()).take(200).collect())
    }

    fn view(&self, dry_run: bool, receipt: Receipt) -> ReportView {
        let closed = self.closed;
        let Receipt { submission, revision, recorded_at, counts, findings } = receipt;
        ReportView {
            dry_run,
            submission,
            revision,
            recorded_at,
            counts,
            closed,
            findings,
            ..self.kept.view()
        }
    }

    fn body(&self, envelope: Envelope) -> Result<Body, Error> {
        let document = serde_json::to_string(&self.kept)
            .map_err(|error| Error::Malformed(error.to_string()))?;
        Ok(Body::Report(
            self.found.clone(),
            envelope,
            Arc::new(Kept { document, findings: self.findings.clone() }),
        ))
    }

    /// Why it cannot be recorded whatever its figures are.
    fn recordable(&self) -> Result<(), Error> {
        if !self.month {
            let detail = format!(
                "figures are recorded by month, and this report is of {}, which is wider: it can be read and held against the ledger (dry_run=true), not recorded",
                self.kept.period
            );
            return Err(Error::fault("/period", "wider_period", detail));
        }
        if self.found.is_empty() {
            return Err(Error::fault(
                "",
                "empty",
                "no figure was found in the report; a dry run lists the numbers in it and why they are none",
            ));
        }
        Ok(())
    }
}

/// The media type of a kind of document.
#[must_use]
pub fn media_type(media: Media) -> &'static str {
    match media {
        Media::Text => "text/plain",
        Media::Markdown => "text/markdown",
        Media::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Media::Pdf => "application/pdf",
    }
}

impl App {
    /// Reads a report against the latest catalogue, units and figures. Blocks, for seconds with a long document.
    ///
    /// # Errors
    /// The file is no document that can be read; its unit or period is neither given nor found, or unknown.
    pub fn read_report(
        &self,
        file: &ReportFile,
        query: &ReportQuery,
    ) -> Result<Report, ReportError> {
        self.read_report_by(file, query, &self.frame())
    }

    /// What was considered for each number of a report, for those who write patterns: the number, the pattern whose phrase fits, and what
    /// spoke against it or what it would be. Blocks.
    ///
    /// # Errors
    /// As for [`App::read_report`].
    pub fn explain_report(
        &self,
        file: &ReportFile,
        query: &ReportQuery,
    ) -> Result<Vec<(String, String, String)>, ReportError> {
        let frame = self.frame();
        let document = document::read(&file.bytes, file.media)?;
        let lexicon = self.inner.lexicons.of(&frame.catalogue)?;
        let (unit, period) = whose_and_when(&document, &lexicon, query, &frame)?;
        let setting = Setting {
            catalogue: &frame.catalogue,
            lexicon: &lexicon,
            units: &frame.units,
            unit,
            period,
        };
        let (_, considered) = report::explain(&document, &setting);
        Ok(considered
            .into_iter()
            .map(|one| (document.slice(&one.place).to_owned(), one.pattern, one.verdict))
            .collect())
    }

    /// The same by another catalogue than the ledger's: one that is being tried.
    ///
    /// # Errors
    /// As for [`App::read_report`].
    pub fn read_report_by(
        &self,
        file: &ReportFile,
        query: &ReportQuery,
        frame: &Frame,
    ) -> Result<Report, ReportError> {
        let document = document::read(&file.bytes, file.media)?;
        let lexicon = self.inner.lexicons.of(&frame.catalogue)?;
        let (unit, period) = whose_and_when(&document, &lexicon, query, frame)?;
        let setting = Setting {
            catalogue: &frame.catalogue,
            lexicon: &lexicon,
            units: &frame.units,
            unit,
            period,
        };
        let reading = report::read(&document, &setting);
        if reading.figures.len() + reading.unclaimed.len() > MAX_NUMBERS {
            return Err(
                Error::TooLarge(format!("a report has at most {MAX_NUMBERS} numbers")).into()
            );
        }
        let findings = self.reconciled(&reading, &document.text, frame, (unit, period));
        Ok(kept(file, document, &reading, findings, frame, (unit, period)))
    }

    /// Judges the figures of a report without recording them. What speaks against recording them is listed, so that the rest is seen.
    ///
    /// # Errors
    /// Those of the store.
    pub fn try_report(
        &self,
        report: &Report,
        by: impl Into<Identity>,
    ) -> Result<ReportView, Error> {
        let nothing = || Receipt {
            submission: None,
            revision: None,
            recorded_at: None,
            counts: Counts::default(),
            findings: Vec::new(),
        };
        let mut faults = Vec::new();
        let mut receipt = if report.month && !report.found.is_empty() {
            // Without a reason a closed month would hide what was found; `closed` tells it.
            let envelope = Envelope { reason: Some("dry run".to_owned()), ..Envelope::default() };
            match self.try_out(&Body::Found(report.found.clone(), envelope), by) {
                Ok(receipt) => receipt,
                Err(Error::Invalid(found) | Error::Conflict { obstacles: found, .. }) => {
                    faults = found
                        .into_iter()
                        .map(|fault| ReportFault {
                            pointer: fault.pointer,
                            code: fault.code.to_owned(),
                            detail: fault.detail,
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

    /// Records the figures of a report as one submission, with the report itself, once for its key. The flag says whether the answer was
    /// given before.
    ///
    /// # Errors
    /// A period wider than a month, no figure, every fault of the figures, or that the store could not record it.
    pub async fn record_report(
        &self,
        report: &Report,
        envelope: Envelope,
        by: impl Into<Identity>,
        keyed: Option<&Keyed>,
    ) -> Result<(ReportView, bool), Error> {
        report.recordable()?;
        let given = self.submit_keyed(&report.body(named(report, envelope))?, by, keyed).await?;
        Ok((report.view(false, given.answer), given.again))
    }

    /// The same without an async thread.
    ///
    /// # Errors
    /// As for [`App::record_report`].
    pub fn record_report_now(
        &self,
        report: &Report,
        envelope: Envelope,
        by: impl Into<Identity>,
    ) -> Result<ReportView, Error> {
        report.recordable()?;
        Ok(report.view(false, self.submit_now(&report.body(named(report, envelope))?, by)?))
    }

    /// The first answer to a key, when it recorded something.
    ///
    /// # Errors
    /// The key was used for another body, or the store's.
    pub async fn report_again(&self, keyed: Option<&Keyed>) -> Result<Option<ReportView>, Error> {
        let Some(given) = self.answered(keyed).await? else { return Ok(None) };
        let (store, Some(id)) = (self.store().clone(), given.answer.submission) else {
            return Ok(None);
        };
        let view = tokio::task::spawn_blocking(move || Recorded::find(&store, &id, i64::MAX))
            .await
            .map_err(|_e| Error::Busy(super::writer::stopping()))??;
        Ok(Some(view.view()))
    }
}

/// An envelope with the name by which the report is known.
fn named(report: &Report, envelope: Envelope) -> Envelope {
    let reference =
        envelope.reference.or_else(|| report.kept.file_name.clone()).or_else(|| report.title());
    Envelope {
        source_kind: Some(envelope.source_kind.unwrap_or_else(|| "report".to_owned())),
        reference,
        ..envelope
    }
}

/// What a reading comes to, with its places counted in characters.
fn kept(
    file: &ReportFile,
    document: Document,
    reading: &Reading,
    findings: Vec<FindingView>,
    frame: &Frame,
    (unit, period): (usize, Period),
) -> Report {
    let places = Places::new(&document.text);
    let figures: Vec<KeptFigure> =
        reading.figures.iter().map(|found| KeptFigure::new(found, &places, frame)).collect();
    let unclaimed =
        reading.unclaimed.iter().map(|number| KeptUnclaimed::new(number, &places)).collect();
    let month = period.step() == Step::Month;
    let to_record =
        reading.figures.iter().enumerate().filter(|(_, found)| month && found.role == Role::Figure);
    let found = to_record.map(|(n, found)| FoundObservation {
        measure: found.measure.clone(),
        unit: frame.units.code(found.unit).to_owned(),
        month: found.period.last(),
        value: Some(found.value),
        place: format!("/figures/{n}"),
    });
    let found = found.collect();
    let kept = KeptReport {
        unit: frame.units.code(unit).to_owned(),
        period: period.to_string(),
        media_type: media_type(file.media).to_owned(),
        file_name: file.name.clone(),
        sha256: chain::digits(&Sha256::digest(&file.bytes)),
        figures,
        unclaimed,
        text: document.text,
    };
    Report {
        kept,
        found,
        findings,
        month,
        closed: month && frame.closed.contains_key(&period.last()),
    }
}

/// The unit and the period of a report: those given, else those that its head says.
fn whose_and_when(
    document: &Document,
    lexicon: &Lexicon,
    query: &ReportQuery,
    frame: &Frame,
) -> Result<(usize, Period), Error> {
    let mut faults = Vec::new();
    let period = query.period.or_else(|| title::period(document));
    match period {
        None => faults.push(Fault::new(
            "/period",
            "not_found",
            "the report does not say which period it is of; its title is searched for words such as \"tháng 10 năm 2021\", \"quý III năm 2022\", \"9 tháng đầu năm 2021\"; give it: ?period=2021-10",
        )),
        Some(period) if period.first() > frame.clock.this_month() => {
            faults.push(Fault::new("/period", "future_month", format!("{period} has not begun; this month is {}", frame.clock.this_month())));
        }
        Some(_) => {}
    }
    let month = period.map_or_else(|| frame.clock.this_month(), Period::last);
    let unit = match &query.unit {
        Some(code) => frame.units.position(code).or_else(|| {
            match frame.units.with_official_code(code, month).as_slice() {
                [one] => Some(*one),
                [] | [_, _, ..] => None,
            }
        }),
        None => title::unit(
            document,
            lexicon,
            &frame.units,
            period.unwrap_or_else(|| Period::containing(Step::Month, month)),
        ),
    };
    match (unit, &query.unit) {
        (None, Some(code)) => {
            faults.push(Fault::new("/unit", "unknown_unit", format!("no unit has the code {}, nor the official code in that month", quoted(code))))
        }
        (None, None) => faults.push(Fault::new(
            "/unit",
            "not_found",
            "the report does not say which unit it is of; its head is searched for the names of units, such as \"tỉnh Trà Vinh\"; give it: ?unit=travinh",
        )),
        (Some(unit), _) if !frame.units.exists(unit, month) => {
            faults.push(Fault::new("/unit", "unit_not_valid", format!("{} did not exist at the end of {month}", quoted(frame.units.code(unit)))));
        }
        (Some(_), _) => {}
    }
    match (unit, period) {
        (Some(unit), Some(period)) if faults.is_empty() => Ok((unit, period)),
        _ => Err(Error::Invalid(faults)),
    }
}

/// A report as it was recorded.
struct Recorded {
    kept: KeptReport,
    submission: String,
    revision: i64,
    recorded_at: i64,
    counts: Counts,
    findings: Vec<FindingView>,
}

impl Recorded {
    /// The report that a submission was read from, up to a revision.
    fn find(store: &Store, id: &str, up_to: i64) -> Result<Self, Error> {
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
        let kept = serde_json::from_str(&text).map_err(|_e| {
            Error::NotFound(
                "what was kept of this report cannot be read by this version of the service"
                    .to_owned(),
            )
        })?;
        Ok(Self {
            kept,
            revision: record.revision.revision,
            recorded_at: record.revision.recorded_at,
            counts: counts(&record.submission),
            findings: serde_json::from_str(&record.submission.findings).unwrap_or_default(),
            submission: record.submission.id,
        })
    }

    fn view(self) -> ReportView {
        ReportView {
            submission: Some(self.submission),
            revision: Some(self.revision),
            recorded_at: Some(time_text(self.recorded_at)),
            counts: self.counts,
            findings: self.findings,
            ..self.kept.view()
        }
    }
}

impl Moment {
    /// The reading of a report as it was recorded. Blocks on the store.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such submission, or when it was not read from a report.
    pub fn report(&self, id: &str) -> Result<ReportView, Error> {
        Ok(Recorded::find(self.store(), id, self.last_revision())?.view())
    }

    /// The text of a report that was recorded. Blocks on the store.
    ///
    /// # Errors
    /// As for [`Moment::report`].
    pub fn report_text(&self, id: &str) -> Result<String, Error> {
        Ok(Recorded::find(self.store(), id, self.last_revision())?.kept.text)
    }

    /// The newest revision that may be told; another instance may have recorded one a moment ago.
    fn last_revision(&self) -> i64 {
        if self.is_past() { self.look().revision } else { i64::MAX }
    }
}
