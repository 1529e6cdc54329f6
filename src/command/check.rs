//! `check`: every fault and contradiction of files, nothing recorded.

use std::path::PathBuf;

use super::files::{Content, open, record_csv, record_json, record_workbook};
use super::import::ACTOR;
use super::report::{self, Asked};
use super::{Outcome, io, print_faults};
use crate::app::App;
use crate::app::catalogue::{NewCatalogue, over};
use crate::app::clock::Clock;
use crate::app::findings::{FindingQuery, FindingView};
use crate::app::workbooks::{WorkbookQuery, WorkbookView};
use crate::config::Language;
use crate::domain::measure::Measure;
use crate::error::Error;
use crate::intake::Envelope;
use crate::store::Store;

/// Most findings printed.
const MOST: usize = 1_000;

/// Reads the files into a temporary ledger: a fresh one, or a copy of the one given.
///
/// # Errors
/// Files or the ledger cannot be had.
pub fn run(
    files: &[PathBuf],
    (database, clock): (Option<&str>, Clock),
    catalogue: &[PathBuf],
    asked: &Asked,
) -> Result<Outcome, Error> {
    let lang = asked.lang;
    let folder = tempfile::tempdir().map_err(io)?;
    let copy = folder.path().join("check.db");
    let store = Store::open(&format!("sqlite://{}", copy.display()), true)?;
    if let Some(address) = database {
        Store::open(address, false)?.copy_into(&store)?;
    }
    let app = App::open_by(store, clock)?;
    if !catalogue.is_empty() {
        let document = over(&app.frame().catalogue.document, &super::catalogue::texts(catalogue)?)?;
        app.put_catalogue_now(NewCatalogue { document, made_from: None, dry_run: false }, ACTOR)?;
    }
    let known = findings(&app)?;
    let (mut faults, mut of_reports) = (0, Vec::new());
    for file in files {
        let outcome = match open(file)? {
            Content::Units(units) => app.put_units_now(units, ACTOR, false).map(drop),
            Content::Json(bytes) => record_json(&app, &bytes, ACTOR).map(drop),
            Content::Csv(csv) => record_csv(&app, csv, &Envelope::default(), ACTOR, None).map(drop),
            Content::Workbook(bytes) => workbook(&app, &bytes),
            Content::Report(read) => {
                report::check(&app, file, &read, asked).map(|(more, found)| {
                    faults += more;
                    of_reports.extend(found);
                })
            }
        };
        match outcome {
            Ok(()) => {}
            Err(Error::Invalid(found) | Error::Conflict { obstacles: found, .. }) => {
                print_faults(file, &found);
                faults += found.len();
            }
            Err(error) => return Err(error),
        }
    }
    let mut found: Vec<FindingView> =
        findings(&app)?.into_iter().filter(|finding| !known.contains(finding)).collect();
    found.extend(of_reports);
    for finding in &found {
        let detail = if lang == Language::Vi { &finding.detail_vi } else { &finding.detail };
        say!(
            "{} {} {} {}: {detail} ({})",
            finding.severity,
            finding.unit,
            finding.period,
            finding.measure,
            finding.rule
        );
    }
    app.stop();
    match lang {
        Language::Vi => say!("{faults} lỗi, {} mâu thuẫn", found.len()),
        Language::En => say!("{faults} fault(s), {} finding(s)", found.len()),
    }
    Ok(if faults == 0 && found.is_empty() { Outcome::Done } else { Outcome::Faults })
}

/// Shows what a workbook was taken for, and takes its figures.
fn workbook(app: &App, bytes: &[u8]) -> Result<(), Error> {
    let view = app.try_workbook(bytes, &WorkbookQuery::default(), Envelope::default(), ACTOR)?;
    print_workbook(&view);
    if view.figures.is_empty() {
        Ok(())
    } else {
        record_workbook(app, bytes, &Envelope::default(), ACTOR).map(drop)
    }
}

/// What a workbook was taken for: its tables, its figures, and the cells that are left.
fn print_workbook(view: &WorkbookView) {
    for table in &view.mapping {
        say!("{} header rows {:?}", table.sheet, table.header_rows);
        for one in table.columns.iter().chain(&table.rows) {
            let told = [&one.measure, &one.unit, &one.period, &one.reason]
                .into_iter()
                .flatten()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ");
            say!("  {} {:?}: {} {told}", one.at, one.text, one.role);
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
        say!("{}!{} {:?} is not taken: {}", cell.sheet, cell.cell, cell.printed, cell.reason);
    }
}

fn findings(app: &App) -> Result<Vec<FindingView>, Error> {
    Ok(app.now().findings(&FindingQuery { limit: MOST, ..FindingQuery::default() })?.1)
}
