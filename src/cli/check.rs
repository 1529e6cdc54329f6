//! `check`: reports all errors and findings of files and records nothing.

use std::path::PathBuf;

use super::actor::ACTOR;
use super::files::{FileContent, open, record_csv, record_json, record_workbook, workbook_query};
use super::report::{self, ReportOptions};
use super::{CommandOutcome, io, print_faults, print_finding, wait};
use crate::app::App;
use crate::app::read::findings::{FindingQuery, FindingView};
use crate::app::workbooks::{WorkbookQuery, WorkbookView};
use crate::app::write::catalogue::{NewCatalogue, add};
use crate::clock::Clock;
use crate::config::Language;
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use kpi::measure::Measure;
use ledger::Store;

/// Maximum number of findings that are printed.
const MOST: usize = 1_000;

/// Reads the files into a temporary ledger: an empty one, or a copy of the given one.
///
/// # Errors
/// When files or the ledger are unavailable.
pub fn run(
    files: &[PathBuf],
    (database, clock): (Option<&str>, Clock),
    catalogue: &[PathBuf],
    asked: &ReportOptions,
) -> Result<CommandOutcome, Error> {
    let lang = asked.lang;
    let folder = tempfile::tempdir().map_err(io)?;
    let copy = folder.path().join("check.db");
    let store = Store::open(&format!("sqlite://{}", copy.display()), true)?;
    if let Some(address) = database {
        Store::open(address, false)?.copy_into(&store)?;
    }
    let app = App::open_by(store, clock)?;
    if !catalogue.is_empty() {
        let document =
            add(&app.validation_context().catalogue.document, &super::catalogue::read(catalogue)?)?;
        let new = NewCatalogue { document, made_from: None, dry_run: false };
        wait(app.put_catalogue(new, ACTOR, None))?;
    }
    let known = findings(&app)?;
    let (mut errors, mut of_reports) = (0, Vec::new());
    for file in files {
        let content = match open(file) {
            Err(Error::Invalid(found)) => {
                print_faults(file, &found);
                errors += found.len();
                continue;
            }
            content => content?,
        };
        let outcome = match content {
            FileContent::Units(units) => wait(app.put_units(units, ACTOR, false, None)).map(drop),
            FileContent::Json(bytes) => record_json(&app, &bytes, ACTOR).map(drop),
            FileContent::Csv(csv) => {
                record_csv(&app, csv, &SubmissionEnvelope::default(), ACTOR, None).map(drop)
            }
            FileContent::Workbook(bytes) => {
                workbook_query(&asked.query).and_then(|query| workbook(&app, &bytes, &query, lang))
            }
            FileContent::Report(read) => {
                report::check(&app, file, &read, asked).map(|(more, found)| {
                    errors += more;
                    of_reports.extend(found);
                })
            }
        };
        match outcome {
            Ok(()) => {}
            Err(Error::Invalid(found) | Error::Conflict { obstacles: found, .. }) => {
                print_faults(file, &found);
                errors += found.len();
            }
            Err(error) => return Err(error),
        }
    }
    let mut found: Vec<FindingView> =
        findings(&app)?.into_iter().filter(|finding| !known.contains(finding)).collect();
    found.extend(of_reports);
    for finding in &found {
        print_finding(finding, lang);
    }
    app.stop();
    match lang {
        Language::Vi => say!("{errors} lỗi, {} mâu thuẫn", found.len()),
        Language::En => say!("{errors} error(s), {} finding(s)", found.len()),
    }
    Ok(if errors == 0 && found.is_empty() { CommandOutcome::Done } else { CommandOutcome::Faults })
}

/// Prints how an Excel file was read, and records its figures.
fn workbook(app: &App, bytes: &[u8], query: &WorkbookQuery, lang: Language) -> Result<(), Error> {
    let view = app.dry_run_workbook(bytes, query, SubmissionEnvelope::default(), ACTOR)?;
    print_workbook(&view, lang);
    if view.figures.is_empty() {
        Ok(())
    } else {
        record_workbook(app, bytes, query, &SubmissionEnvelope::default(), ACTOR).map(drop)
    }
}

/// Prints how an Excel file was read: its tables, its figures, and the skipped cells.
fn print_workbook(view: &WorkbookView, lang: Language) {
    let vi = lang == Language::Vi;
    for table in &view.mapping {
        let header = if vi { "dòng tiêu đề" } else { "header rows" };
        say!("{} {header} {:?}", table.sheet, table.header_rows);
        for one in table.columns.iter().chain(&table.rows) {
            let reason = if vi {
                one.reason_vi.as_ref().or(one.reason.as_ref())
            } else {
                one.reason.as_ref()
            };
            let details = [one.measure.as_ref(), one.unit.as_ref(), one.period.as_ref(), reason]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ");
            let role = if vi { role_vi(&one.role) } else { &one.role };
            say!("  {} {:?}: {role} {details}", one.at, one.text);
        }
    }
    for figure in &view.figures {
        let value = figure.value.map_or_else(|| "null".to_owned(), |value| value.to_string());
        let measure =
            Measure { code: figure.indicator.clone(), members: figure.dimensions.clone() };
        say!(
            "{}!{} {measure} {} {} = {value} ({})",
            figure.sheet,
            figure.cell,
            figure.unit,
            figure.period,
            figure.label
        );
    }
    for cell in &view.unclaimed {
        let reason = cell.reason_vi.as_ref().filter(|_| vi).unwrap_or(&cell.reason);
        let skipped = if vi { "bị bỏ qua" } else { "skipped" };
        say!("{}!{} {:?} {skipped}: {reason}", cell.sheet, cell.cell, cell.printed);
    }
}

/// The role of a column or row in Vietnamese.
fn role_vi(role: &str) -> &str {
    match role {
        "figures" => "số liệu",
        "labels" => "nhãn",
        "aside" => "không phải số liệu",
        "heading" => "tiêu đề",
        "unclaimed" => "bị bỏ qua",
        other => other,
    }
}

fn findings(app: &App) -> Result<Vec<FindingView>, Error> {
    Ok(app.now().findings(&FindingQuery { limit: MOST, ..FindingQuery::default() })?.1)
}
