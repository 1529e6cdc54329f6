//! Files that commands read: detecting their content, and recording figures in batches.

use std::fs::File;
use std::path::Path;

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::wait;
use crate::app::App;
use crate::app::read::findings::FindingView;
use crate::app::reports::{ReportFile, ReportQuery};
use crate::app::workbooks::{WorkbookQuery, WorkbookView};
use crate::app::write::submission::{PendingReceipt, finish};
use crate::error::Error;
use crate::intake::sheet_csv::{first_sheet, header, is_of_units};
use crate::intake::unit_table;
use crate::intake::utf16::{Utf8Source, without_mark};
use crate::intake::{SubmissionEnvelope, UnreadableBody, csv, json};
use documents::MediaType;
use documents::limits::FILE_BYTES;
use kpi::fault::Fault;
use kpi::observation::{MAX_OBSERVATIONS, ObservationIndex, SubmissionCounts};
use kpi::period::Step;
use kpi::unit::UnitDocument;

/// Maximum length of a JSON file, in bytes. CSV files have no limit because they are recorded in
/// batches.
const MAX_JSON: u64 = 64 << 20;
/// Maximum length of an Excel file, in bytes.
const MAX_WORKBOOK: u64 = 32 << 20;
/// Number of bytes at the start of a `.txt` in which the columns of a table are searched.
const HEAD: u64 = 4_096;
/// Figures per submission of a file that does not fit into one submission.
const STRETCH: usize = 20_000;
/// Maximum number of submissions that wait for the writer.
const MAX_PENDING: usize = 2;

/// The content of a file.
pub enum FileContent {
    /// Figures as CSV.
    Csv(File),
    /// A submission as JSON.
    Json(Vec<u8>),
    /// Units as JSON, CSV or XLSX.
    Units(Vec<UnitDocument>),
    /// An Excel file (XLSX).
    Workbook(Vec<u8>),
    /// A report.
    Report(ReportFile),
}

/// Whether a file is an Excel file or a document, by its extension: these are ZIPs like archives of
/// a ledger.
#[must_use]
pub fn is_office(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    matches!(ending.as_str(), "xlsx" | "xlsm" | "docx" | "docm")
}

/// Opens a file and detects its content, from its extension and its first field.
///
/// # Errors
/// When the file cannot be read or has none of these contents.
pub fn open(path: &Path) -> Result<FileContent, Error> {
    let named =
        |source: std::io::Error| Error::Environment { what: path.display().to_string(), source };
    let file = File::open(path).map_err(named)?;
    let ends =
        |wanted: &str| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted));
    if let Some(fault) = unsupported(path, &file).map_err(named)? {
        return Err(Error::Invalid(vec![fault]));
    }
    if ends("xlsx") || ends("xlsm") {
        if file.metadata().map_err(named)?.len() > MAX_WORKBOOK {
            return Err(Error::TooLarge(format!(
                "{}: the Excel file is longer than {MAX_WORKBOOK} bytes",
                path.display()
            )));
        }
        let bytes = std::fs::read(path).map_err(named)?;
        return match first_sheet(&bytes) {
            Ok(sheet) if is_of_units(&header(&sheet.csv)) => {
                units(sheet.table().map_err(Error::Invalid)?.as_slice())
            }
            _ => Ok(FileContent::Workbook(bytes)),
        };
    }
    if let Some(media) = document_in(path, &file).map_err(named)? {
        if file.metadata().map_err(named)?.len() > u64::try_from(FILE_BYTES).unwrap_or(u64::MAX) {
            return Err(Error::TooLarge(format!(
                "{}: the report is longer than {FILE_BYTES} bytes",
                path.display()
            )));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        return Ok(FileContent::Report(ReportFile {
            bytes: std::fs::read(path).map_err(named)?,
            media,
            name,
        }));
    }
    if !ends("json") {
        let start = start_of(&file).map_err(named)?;
        return if is_of_units(&header(&start)) { units(file) } else { Ok(FileContent::Csv(file)) };
    }
    if file.metadata().map_err(named)?.len() > MAX_JSON {
        return Err(Error::TooLarge(format!(
            "{}: the JSON file is longer than {MAX_JSON} bytes; CSV files have no limit",
            path.display()
        )));
    }
    let bytes = std::fs::read(path).map_err(named)?;
    let value: serde_json::Value = serde_json::from_slice(without_mark(&bytes))
        .map_err(|error| Error::Malformed(format!("{}: {error}", path.display())))?;
    if value.get("units").is_some() {
        crate::app::write::units::parse(value).map(FileContent::Units)
    } else {
        Ok(FileContent::Json(bytes))
    }
}

/// Kinds of files that are not read: their extensions, and what to save them as.
const UNSUPPORTED: [(&[&str], &str, &str); 6] = [
    (&["xls", "xlt", "xlsb", "ods", "fods", "ots", "et", "numbers"], "a spreadsheet", "XLSX"),
    (&["doc", "dot", "odt", "fodt", "ott", "rtf", "wps", "pages"], "a document", "DOCX"),
    (&["ppt", "pptx", "pps", "ppsx", "odp", "key"], "a presentation", "DOCX or PDF"),
    (
        &["htm", "html", "mht", "mhtml", "xml", "eml", "msg"],
        "a web page or message",
        "DOCX, PDF or plain text",
    ),
    (&["zip", "rar", "7z", "gz", "tgz", "tar"], "an archive", "its own files: unpack it"),
    (
        &["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "heic", "webp"],
        "a picture",
        "the document from which it was made",
    ),
];

/// The error of a file of a kind that is not read, by its extension or its first bytes.
fn unsupported(path: &Path, file: &File) -> std::io::Result<Option<Fault>> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if let Some((_, kind, instead)) =
        UNSUPPORTED.iter().find(|(endings, ..)| endings.contains(&ending.as_str()))
    {
        let kind_vi = match *kind {
            "a spreadsheet" => "bảng tính",
            "a document" => "văn bản",
            "a presentation" => "bài trình chiếu",
            "a web page or message" => "trang web hoặc thư",
            "an archive" => "tệp nén",
            _ => "ảnh",
        };
        let instead_vi = match *instead {
            "XLSX" => "XLSX",
            "DOCX" => "DOCX",
            "DOCX or PDF" => "DOCX hoặc PDF",
            "DOCX, PDF or plain text" => "DOCX, PDF hoặc văn bản thuần",
            "its own files: unpack it" => "các tệp bên trong sau khi giải nén",
            _ => "văn bản gốc",
        };
        return Ok(Some(
            Fault::new(
                "",
                "unsupported_file",
                format!(
                    "this is {kind} of a kind that cannot be read (.{ending}); save it as {instead}"
                ),
            )
            .with_vi(format!(
                "không đọc được {kind_vi} dạng .{ending}; hãy lưu thành {instead_vi}"
            )),
        ));
    }
    if matches!(ending.as_str(), "xlsx" | "xlsm" | "docx" | "docm" | "pdf" | "json") {
        return Ok(None);
    }
    // A document under the name of a text or table.
    let mut head = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(file, HEAD), &mut head)?;
    std::io::Seek::rewind(&mut { file })?;
    Ok(match MediaType::sniff(&head) {
        Err(refusal) => Some(refusal.to_fault()),
        Ok(MediaType::Pdf) => Some(misnamed(&ending, ("PDF", "PDF"), (".pdf", ".pdf"))),
        Ok(MediaType::Docx) => {
            let kind = ("DOCX, XLSX or another ZIP archive", "DOCX, XLSX hoặc tệp nén ZIP");
            Some(misnamed(&ending, kind, (".docx or .xlsx", ".docx hoặc .xlsx")))
        }
        Ok(MediaType::Text | MediaType::Markdown) => None,
    })
}

/// The error of a file with the name of another kind. Texts are in English and Vietnamese.
fn misnamed(ending: &str, kind: (&str, &str), instead: (&str, &str)) -> Fault {
    Fault::new(
        "",
        "unsupported_file",
        format!("the name ends in .{ending}, but the file is {}; name it {}", kind.0, instead.0),
    )
    .with_vi(format!(
        "tên tệp kết thúc bằng .{ending}, nhưng nội dung là {}; hãy đổi đuôi tên tệp thành {}",
        kind.1, instead.1
    ))
}

/// The kind of a document, from its name; `None` for a table of figures, even if it is named
/// `.txt`.
fn document_in(path: &Path, file: &File) -> std::io::Result<Option<MediaType>> {
    let media = path.file_name().and_then(|name| MediaType::of_name(&name.to_string_lossy()));
    if media != Some(MediaType::Text) {
        return Ok(media);
    }
    let columns = header(&start_of(file)?);
    let is_table = columns.iter().any(|column| column == "indicator") || is_of_units(&columns);
    Ok(media.filter(|_| !is_table))
}

/// The start of a file as UTF-8.
fn start_of(file: &File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    let part = std::io::Read::take(file, HEAD);
    // Excel saves "Unicode text" as UTF-16; the end of the part may be half of a character.
    let _cut = std::io::Read::read_to_end(&mut Utf8Source::new(part), &mut start);
    std::io::Seek::rewind(&mut { file })?;
    Ok(start)
}

/// The units of a table.
fn units(csv: impl std::io::Read) -> Result<FileContent, Error> {
    unit_table::read(csv).map(FileContent::Units).map_err(Error::Invalid)
}

/// Maximum number of findings of an import that are printed.
const PRINTED_FINDINGS: usize = 20;

/// The result of recording figures.
#[derive(Clone, Debug, Default)]
pub struct ImportTotals {
    /// The counts of all submissions.
    pub counts: SubmissionCounts,
    /// The number of recorded submissions.
    pub submissions: u64,
    /// The number of findings of the submissions.
    pub findings: usize,
    /// The first [`PRINTED_FINDINGS`] of them.
    pub first_findings: Vec<FindingView>,
}

impl ImportTotals {
    /// The number of figures.
    #[must_use]
    pub fn figures(&self) -> u64 {
        self.counts.created + self.counts.revised + self.counts.unchanged + self.counts.withdrawn
    }

    /// The result of one submission.
    #[must_use]
    pub fn of(counts: SubmissionCounts, recorded: bool, findings: &[FindingView]) -> Self {
        let mut totals = Self { counts, submissions: u64::from(recorded), ..Self::default() };
        totals.add_findings(findings);
        totals
    }

    fn add_findings(&mut self, findings: &[FindingView]) {
        self.findings += findings.len();
        let room = PRINTED_FINDINGS - self.first_findings.len();
        self.first_findings.extend(findings.iter().take(room).cloned());
    }

    fn add(&mut self, recording: PendingReceipt) -> Result<bool, Error> {
        let Some(receipt) = recording.wait()? else { return Ok(false) };
        self.counts.created += receipt.counts.created;
        self.counts.revised += receipt.counts.revised;
        self.counts.unchanged += receipt.counts.unchanged;
        self.counts.withdrawn += receipt.counts.withdrawn;
        self.submissions += u64::from(receipt.submission.is_some());
        self.add_findings(&receipt.findings);
        Ok(true)
    }
}

/// Records a JSON submission.
///
/// # Errors
/// Errors in the submission, or of the store.
pub fn record_json(app: &App, bytes: &[u8], actor: &str) -> Result<ImportTotals, Error> {
    let context = app.validation_context();
    let mut parser = context.parser();
    let envelope = json::read(bytes, &mut parser)
        .map_err(|UnreadableBody(detail)| Error::Malformed(detail))?;
    let submission = finish(parser)?;
    let mut taken = ImportTotals::default();
    if !taken.add(app.submit_parsed(submission, context.clone(), envelope, actor)?)? {
        return record_json(app, bytes, actor);
    }
    Ok(taken)
}

/// The parameters of an Excel file, from those of the command.
///
/// # Errors
/// The period is not a month.
pub fn workbook_query(query: &ReportQuery) -> Result<WorkbookQuery, Error> {
    let period = match query.period {
        Some(period) if period.step() != Step::Month => {
            return Err(Error::Invalid(vec![
                Fault::new(
                    "/period",
                    "malformed_period",
                    format!(
                        "{period} is not a month; an Excel file has the figures of a month, \
                     such as 2021-10"
                    ),
                )
                .with_vi(format!(
                    "{period} không phải là một tháng; tệp Excel chứa số liệu của \
                 một tháng, ví dụ 2021-10"
                )),
            ]));
        }
        period => period.map(|period| period.last()),
    };
    Ok(WorkbookQuery { unit: query.unit.clone(), period })
}

/// Records the figures of an Excel file, and returns how it was read.
///
/// # Errors
/// Errors in the file, or of the store.
pub fn record_workbook(
    app: &App,
    bytes: &[u8],
    query: &WorkbookQuery,
    envelope: &SubmissionEnvelope,
    actor: &str,
) -> Result<(WorkbookView, ImportTotals), Error> {
    let envelope =
        SubmissionEnvelope { source_kind: Some("workbook".to_owned()), ..envelope.clone() };
    let (view, _) =
        wait(app.record_workbook(bytes.to_vec(), query.clone(), envelope, actor, None))?;
    let taken = ImportTotals::of(view.counts, view.submission.is_some(), &view.findings);
    Ok((view, taken))
}

/// Records a CSV file: whole if it fits into one submission, otherwise in batches. The next batch
/// is parsed while the writer records the previous one.
///
/// # Errors
/// The errors of the first batch that has any, with the line from which to resume; or those of the
/// store.
pub fn record_csv(
    app: &App,
    file: File,
    envelope: &SubmissionEnvelope,
    actor: &str,
    from_line: Option<u64>,
) -> Result<ImportTotals, Error> {
    let bar = progress(file.metadata().map_or(0, |data| data.len()));
    let context = app.validation_context();
    let mut rows =
        csv::CsvRows::open(bar.wrap_read(file), &context.catalogue).map_err(Error::Invalid)?;
    if let Some(line) = from_line {
        rows.skip_to_line(line);
    }
    let (mut taken, mut waiting, mut end) =
        (ImportTotals::default(), std::collections::VecDeque::new(), false);
    let mut most = MAX_OBSERVATIONS;
    while !end {
        let first_line = rows.line() + 1;
        let mut parser = context.parser();
        let mut read = 0;
        while read < most && !end {
            match rows.next(ObservationIndex::new(read), &mut parser) {
                csv::RowOutcome::Taken => read += 1,
                csv::RowOutcome::Silent => {}
                csv::RowOutcome::End => end = true,
            }
        }
        most = STRETCH;
        let any_before = taken.figures() > 0 || !waiting.is_empty();
        if read == 0 && end && any_before && !parser.has_faults() {
            break;
        }
        let submission = match finish(parser) {
            Ok(submission) => submission,
            Err(error) => {
                wait_for_pending(&mut taken, &mut waiting, 0)?;
                bar.abandon();
                if taken.figures() > 0 {
                    super::print_note(format!(
                        "{} figures before line {first_line} are recorded; resume with \
                         --from-line {first_line}",
                        HumanCount(taken.figures())
                    ));
                }
                return Err(error);
            }
        };
        waiting.push_back(app.submit_parsed(
            submission,
            context.clone(),
            envelope.clone(),
            actor,
        )?);
        wait_for_pending(&mut taken, &mut waiting, MAX_PENDING)?;
        bar.set_message(format!("{} figures", HumanCount(taken.figures())));
    }
    wait_for_pending(&mut taken, &mut waiting, 0)?;
    bar.finish_and_clear();
    Ok(taken)
}

/// Waits until at most `most` submissions are in progress.
fn wait_for_pending(
    taken: &mut ImportTotals,
    waiting: &mut std::collections::VecDeque<PendingReceipt>,
    most: usize,
) -> Result<(), Error> {
    while waiting.len() > most {
        let Some(recording) = waiting.pop_front() else { break };
        if !taken.add(recording)? {
            return Err(Error::Busy(
                "the catalogue, the units or the closed months changed during \
             the import; run it again"
                    .to_owned(),
            ));
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
