//! Files that commands read: what is in them, and figures taken in stretches.

use std::fs::File;
use std::path::Path;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::app::App;
use crate::app::reports::ReportFile;
use crate::app::submissions::{Recording, finish};
use crate::app::workbooks::{WorkbookQuery, WorkbookView};
use crate::domain::observation::{Counts, MAX_OBSERVATIONS};
use crate::domain::unit::UnitDocument;
use crate::error::Error;
use crate::intake::document::Media;
use crate::intake::document::limits::FILE_BYTES;
use crate::intake::{Envelope, Unreadable, csv, json};

/// Largest JSON file in bytes; CSV files have no bound, they are taken in stretches.
const MAX_JSON: u64 = 64 << 20;
/// Largest workbook in bytes.
const MAX_WORKBOOK: u64 = 32 << 20;
/// Bytes of a `.txt` in which the columns of a table are looked for.
const HEAD: u64 = 4_096;
/// Figures in a submission of a file that does not fit into one.
const STRETCH: usize = 20_000;
/// How many submissions are on their way at once.
const ON_THEIR_WAY: usize = 2;

/// What a file holds.
pub enum Content {
    /// Figures as CSV.
    Csv(File),
    /// A submission as JSON.
    Json(Vec<u8>),
    /// Units as JSON.
    Units(Vec<UnitDocument>),
    /// A workbook (XLSX).
    Workbook(Vec<u8>),
    /// A report.
    Report(ReportFile),
}

/// Whether a file is a workbook or a document by its ending: these are ZIPs as well as archives are.
#[must_use]
pub fn is_office(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    matches!(ending.as_str(), "xlsx" | "xlsm" | "docx" | "docm")
}

/// Opens a file and finds out what it holds, by its ending and its first field.
///
/// # Errors
/// It cannot be read, or is none of these.
pub fn open(path: &Path) -> Result<Content, Error> {
    let named =
        |source: std::io::Error| Error::Surroundings { what: path.display().to_string(), source };
    let file = File::open(path).map_err(named)?;
    let ends =
        |wanted: &str| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted));
    if ends("xlsx") || ends("xlsm") || ends("xls") {
        if file.metadata().map_err(named)?.len() > MAX_WORKBOOK {
            return Err(Error::TooLarge(format!(
                "{}: a workbook has at most {MAX_WORKBOOK} bytes",
                path.display()
            )));
        }
        return Ok(Content::Workbook(std::fs::read(path).map_err(named)?));
    }
    if let Some(media) = document_in(path, &file).map_err(named)? {
        if file.metadata().map_err(named)?.len() > u64::try_from(FILE_BYTES).unwrap_or(u64::MAX) {
            return Err(Error::TooLarge(format!(
                "{}: a report has at most {FILE_BYTES} bytes",
                path.display()
            )));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        return Ok(Content::Report(ReportFile {
            bytes: std::fs::read(path).map_err(named)?,
            media,
            name,
        }));
    }
    if !ends("json") {
        return Ok(Content::Csv(file));
    }
    if file.metadata().map_err(named)?.len() > MAX_JSON {
        return Err(Error::TooLarge(format!(
            "{}: a JSON file has at most {MAX_JSON} bytes; figures as CSV have no bound",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(named)?;
    let value: serde_json::Value = serde_json::from_slice(&bytes)
        .map_err(|error| Error::Malformed(format!("{}: {error}", path.display())))?;
    if value.get("units").is_some() {
        crate::app::units::parse(value).map(Content::Units)
    } else {
        Ok(Content::Json(bytes))
    }
}

/// What kind of document a file is, by its name; none for a table of figures, also where that is called `.txt`.
fn document_in(path: &Path, file: &File) -> std::io::Result<Option<Media>> {
    let media = path.file_name().and_then(|name| Media::of_name(&name.to_string_lossy()));
    if media != Some(Media::Text) {
        return Ok(media);
    }
    let mut head = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, HEAD), &mut head)?;
    std::io::Seek::rewind(&mut { file })?;
    let head = String::from_utf8_lossy(&head);
    let first =
        head.lines().next().unwrap_or_default().trim_start_matches('\u{feff}').to_lowercase();
    let columns = first.split([',', ';', '\t']).map(|column| column.trim().trim_matches('"'));
    Ok(media.filter(|_| !columns.into_iter().any(|column| column == "indicator")))
}

/// What taking in figures came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// What the submissions did.
    pub counts: Counts,
    /// How many submissions were recorded.
    pub submissions: u64,
    /// Contradictions that the submissions met.
    pub findings: usize,
}

impl Taken {
    /// How many figures there were.
    #[must_use]
    pub fn figures(&self) -> u64 {
        self.counts.created + self.counts.revised + self.counts.unchanged + self.counts.withdrawn
    }

    /// Of one submission.
    #[must_use]
    pub fn of(counts: Counts, recorded: bool, findings: usize) -> Self {
        Self { counts, submissions: u64::from(recorded), findings }
    }

    fn add(&mut self, recording: Recording) -> Result<bool, Error> {
        let Some(receipt) = recording.wait()? else { return Ok(false) };
        self.counts.created += receipt.counts.created;
        self.counts.revised += receipt.counts.revised;
        self.counts.unchanged += receipt.counts.unchanged;
        self.counts.withdrawn += receipt.counts.withdrawn;
        self.submissions += u64::from(receipt.submission.is_some());
        self.findings += receipt.findings.len();
        Ok(true)
    }
}

/// Records a JSON submission.
///
/// # Errors
/// Its faults, or the store's.
pub fn record_json(app: &App, bytes: &[u8], actor: &str) -> Result<Taken, Error> {
    let frame = app.frame();
    let mut parser = frame.parser();
    let envelope =
        json::read(bytes, &mut parser).map_err(|Unreadable(detail)| Error::Malformed(detail))?;
    let submission = finish(parser, &envelope)?;
    let mut taken = Taken::default();
    if !taken.add(app.submit_parsed(submission, frame.clone(), envelope, actor)?)? {
        return record_json(app, bytes, actor);
    }
    Ok(taken)
}

/// Records the figures of a workbook; what was found is shown.
///
/// # Errors
/// Its faults, or the store's.
pub fn record_workbook(
    app: &App,
    bytes: &[u8],
    envelope: &Envelope,
    actor: &str,
) -> Result<(WorkbookView, Taken), Error> {
    let envelope = Envelope { source_kind: Some("workbook".to_owned()), ..envelope.clone() };
    let view = app.record_workbook_now(bytes, &WorkbookQuery::default(), envelope, actor)?;
    let taken = Taken {
        counts: view.counts,
        submissions: u64::from(view.submission.is_some()),
        findings: view.findings.len(),
    };
    Ok((view, taken))
}

/// Records a CSV: whole when it fits into one submission, else in stretches, the next of which is
/// parsed while the writer records the last.
///
/// # Errors
/// The faults of the first stretch that has any, with the line to go on from; or the store's.
pub fn record_csv(
    app: &App,
    file: File,
    envelope: &Envelope,
    actor: &str,
    from_line: Option<u64>,
) -> Result<Taken, Error> {
    let bar = progress(file.metadata().map_or(0, |data| data.len()));
    let frame = app.frame();
    let mut rows =
        csv::Rows::open(bar.wrap_read(file), &frame.catalogue).map_err(Error::Invalid)?;
    if let Some(line) = from_line {
        rows.pass_over_until(line);
    }
    let (mut taken, mut waiting, mut end) =
        (Taken::default(), std::collections::VecDeque::new(), false);
    let mut most = MAX_OBSERVATIONS;
    while !end {
        let first_line = rows.line() + 1;
        let mut parser = frame.parser();
        let mut index = 0;
        while index < most && !end {
            match rows.next(index, &mut parser) {
                csv::Outcome::Taken => index += 1,
                csv::Outcome::Silent => {}
                csv::Outcome::End => end = true,
            }
        }
        most = STRETCH;
        if index == 0 && end && taken.figures() + u64::try_from(waiting.len()).unwrap_or(0) > 0 {
            break;
        }
        let submission = match finish(parser, envelope) {
            Ok(submission) => submission,
            Err(error) => {
                settle(&mut taken, &mut waiting, 0)?;
                bar.abandon();
                if taken.figures() > 0 {
                    eprintln!(
                        "{} figures before line {first_line} are recorded; go on with --from-line {first_line}",
                        HumanCount(taken.figures())
                    );
                }
                return Err(error);
            }
        };
        waiting.push_back(app.submit_parsed(submission, frame.clone(), envelope.clone(), actor)?);
        settle(&mut taken, &mut waiting, ON_THEIR_WAY)?;
        bar.set_message(format!("{} figures", HumanCount(taken.figures())));
    }
    settle(&mut taken, &mut waiting, 0)?;
    bar.finish_and_clear();
    Ok(taken)
}

/// Waits until at most so many submissions are on their way.
fn settle(
    taken: &mut Taken,
    waiting: &mut std::collections::VecDeque<Recording>,
    most: usize,
) -> Result<(), Error> {
    while waiting.len() > most {
        let Some(recording) = waiting.pop_front() else { break };
        if !taken.add(recording)? {
            return Err(Error::Busy("the catalogue, the units or the closed months changed during the import; run it again".to_owned()));
        }
    }
    Ok(())
}

fn progress(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:30} {percent}% {msg} {elapsed} (about {eta} left)")
    {
        bar.set_style(style);
    }
    bar
}
