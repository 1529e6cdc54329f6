//! `catalogue diff` and `catalogue apply`.

use std::path::PathBuf;

use super::import::ACTOR;
use super::{Outcome, io};
use crate::app::App;
use crate::app::catalogue::{NewCatalogue, difference, from_files, shipped};
use crate::config::CatalogueAction;
use crate::domain::catalogue::CatalogueDocument;
use crate::error::Error;
use crate::store::Store;

/// Compares or replaces the ledger's catalogue.
///
/// # Errors
/// Faults of the files, figures that would be orphaned, or the ledger cannot be had.
pub fn run(action: &CatalogueAction) -> Result<Outcome, Error> {
    let (CatalogueAction::Diff { files, database }
    | CatalogueAction::Apply { files, database, .. }) = action;
    let offered = offered(files)?;
    let app = App::open(Store::open(&database.address, true)?)?;
    let lines = difference(&app.state().catalogue.document, &offered);
    lines.iter().for_each(|line| say!("{line}"));
    if let CatalogueAction::Apply { dry_run, .. } = action {
        let changed = app.put_catalogue_now(
            NewCatalogue { document: offered, made_from: None, dry_run: *dry_run },
            ACTOR,
        )?;
        eprintln!(
            "version {}, revision {}{}",
            changed.version,
            changed.revision,
            if *dry_run { " (not applied)" } else { "" }
        );
    } else if lines.is_empty() {
        eprintln!("no difference");
    }
    app.stop();
    Ok(Outcome::Done)
}

fn offered(files: &[PathBuf]) -> Result<CatalogueDocument, Error> {
    if files.is_empty() {
        return shipped();
    }
    from_files(texts(files)?.into_iter())
}

/// The names and texts of files of a catalogue.
pub fn texts(files: &[PathBuf]) -> Result<Vec<(String, String)>, Error> {
    // Beside the shipped catalogue stand the shipped units, which are no part of it.
    let files =
        files.iter().filter(|file| file.file_name().is_none_or(|name| name != "units.toml"));
    files
        .map(|file| Ok((file.display().to_string(), std::fs::read_to_string(file).map_err(io)?)))
        .collect()
}
