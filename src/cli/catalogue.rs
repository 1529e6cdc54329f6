//! `catalogue`: compares, changes and lists the catalogue of a ledger.

use std::path::PathBuf;

use super::actor::ACTOR;
use super::{CommandOutcome, wait};
use crate::app::App;
use crate::app::write::catalogue::{
    CatalogueFile, NewCatalogue, add, difference, from_files_over, parse, shipped, shipped_files,
};
use crate::clock::time_text;
use crate::config::CatalogueAction;
use crate::error::Error;
use ledger::Store;

/// Runs an action.
///
/// # Errors
/// Errors in the files, figures that would lose their declaration, or an unavailable ledger.
pub fn run(action: &CatalogueAction) -> Result<CommandOutcome, Error> {
    match action {
        CatalogueAction::Diff { files, database } => {
            let files = read(files)?;
            with(&database.address, true, |app| {
                let offered = whole(app, &files)?;
                let lines = difference(&app.state().catalogue.document, &offered.document);
                lines.iter().for_each(|line| say!("{line}"));
                if lines.is_empty() {
                    eprintln!("no difference");
                }
                Ok(CommandOutcome::Done)
            })
        }
        CatalogueAction::Add { files, database, dry_run } => {
            let files = read_or_shipped(files)?;
            with(&database.address, true, |app| {
                let document = add(&app.state().catalogue.document, &files)?;
                put(app, NewCatalogue { document, made_from: None, dry_run: *dry_run }, true)
            })
        }
        CatalogueAction::Apply { files, database, dry_run, replace } => {
            let files = read(files)?;
            with(&database.address, true, |app| {
                let offered = NewCatalogue { dry_run: *dry_run, ..whole(app, &files)? };
                put(app, offered, *replace)
            })
        }
        CatalogueAction::History { database } => with(&database.address, false, history),
        CatalogueAction::Restore { version, database, dry_run } => {
            with(&database.address, false, |app| {
                let missing = || Error::NotFound(format!("the catalogue has no version {version}"));
                let earlier = app.store().catalogue_version(*version)?.ok_or_else(missing)?;
                let value = serde_json::from_str(&earlier.document)
                    .map_err(|error| Error::Malformed(error.to_string()))?;
                let (document, _) = parse(value)?;
                put(app, NewCatalogue { document, made_from: None, dry_run: *dry_run }, true)
            })
        }
    }
}

/// Opens the ledger, which is created and filled if it is absent and `may_create`.
fn with(
    address: &str,
    may_create: bool,
    act: impl FnOnce(&App) -> Result<CommandOutcome, Error>,
) -> Result<CommandOutcome, Error> {
    let app = App::open(Store::open(address, may_create)?)?;
    let outcome = act(&app);
    app.stop();
    outcome
}

/// Lists what a new catalogue changes, and records it. Entries are removed only if `may_remove`.
fn put(app: &App, new: NewCatalogue, may_remove: bool) -> Result<CommandOutcome, Error> {
    let lines = difference(&app.state().catalogue.document, &new.document);
    lines.iter().for_each(|line| say!("{line}"));
    let removed = lines.iter().filter(|line| line.starts_with('-')).count();
    if removed > 0 && !may_remove {
        eprintln!(
            "nothing recorded: {removed} entries of the catalogue (-) are not in the files; \
             --replace removes them, `catalogue add` keeps them"
        );
        return Ok(CommandOutcome::Faults);
    }
    let dry_run = new.dry_run;
    let changed = wait(app.put_catalogue(new, ACTOR, None))?.answer;
    eprintln!(
        "version {}, revision {}{}",
        changed.version,
        changed.revision,
        if dry_run { " (dry run, not applied)" } else { "" }
    );
    Ok(CommandOutcome::Done)
}

/// Lists the versions of the catalogue.
fn history(app: &App) -> Result<CommandOutcome, Error> {
    for (version, revision) in app.store().catalogue_versions()? {
        let missing = || Error::NotFound(format!("the ledger has no revision {revision}"));
        let row = app.store().revision(revision)?.ok_or_else(missing)?;
        let reason = row.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let at = time_text(row.recorded_at);
        say!("version {version}, revision {revision}, {at}, {}{reason}", row.actor);
    }
    Ok(CommandOutcome::Done)
}

/// The whole catalogue of files, or the shipped one. A file that `GET /catalogue` returned says
/// from which version it was made; that must still be the ledger's.
fn whole(app: &App, files: &[CatalogueFile]) -> Result<NewCatalogue, Error> {
    if files.is_empty() {
        return Ok(NewCatalogue { document: shipped()?, made_from: None, dry_run: false });
    }
    let made_from = files.iter().find_map(CatalogueFile::version);
    let document = from_files_over(&app.state().catalogue.document, files)?;
    Ok(NewCatalogue { document, made_from, dry_run: false })
}

fn read_or_shipped(files: &[PathBuf]) -> Result<Vec<CatalogueFile>, Error> {
    if files.is_empty() { Ok(shipped_files()) } else { read(files) }
}

/// Reads the files of a catalogue.
///
/// # Errors
/// [`Error::Environment`] names the file that cannot be read.
pub fn read(files: &[PathBuf]) -> Result<Vec<CatalogueFile>, Error> {
    // The folder of the shipped catalogue also contains the shipped units, which are not part of
    // the catalogue.
    let files =
        files.iter().filter(|file| file.file_name().is_none_or(|name| name != "units.toml"));
    files
        .map(|file| {
            let name = file.display().to_string();
            match std::fs::read_to_string(file) {
                Ok(text) => {
                    Ok(CatalogueFile { name, text: text.trim_start_matches('\u{feff}').to_owned() })
                }
                Err(source) => Err(Error::Environment { what: name, source }),
            }
        })
        .collect()
}
