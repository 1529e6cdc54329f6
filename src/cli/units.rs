//! `units`: reads units from files, and writes them into one.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::actor::ACTOR;
use super::files::{FileContent, open};
use super::{CommandOutcome, io, print_faults, wait};
use crate::app::App;
use crate::clock::Clock;
use crate::config::UnitsAction;
use crate::error::Error;
use crate::render::table::{csv, workbook};
use crate::render::units::unit_table;
use kpi::unit::UnitDocument;
use ledger::Store;

/// Runs an action.
///
/// # Errors
/// Errors in the files, or an unavailable ledger.
pub fn run(action: &UnitsAction, clock: Clock) -> Result<CommandOutcome, Error> {
    match action {
        UnitsAction::Import { files, database, dry_run } => {
            let app = App::open_by(Store::open(&database.address, true)?, clock)?;
            let outcome = import(&app, files, *dry_run);
            app.stop();
            outcome
        }
        UnitsAction::Export { file, database } => {
            let app = App::open_by(Store::open(&database.address, false)?, clock)?;
            let units = app.state().units.iter().map(|unit| unit.document.clone()).collect();
            app.stop();
            export(file.as_deref(), units)?;
            Ok(CommandOutcome::Done)
        }
    }
}

fn import(app: &App, files: &[PathBuf], dry_run: bool) -> Result<CommandOutcome, Error> {
    for file in files {
        let units = match open(file) {
            Ok(FileContent::Units(units)) => units,
            Ok(_) => {
                return Err(Error::Malformed(format!(
                    "{}: these are no units; the first line must name the column code",
                    file.display()
                )));
            }
            Err(Error::Invalid(faults)) => {
                print_faults(file, &faults);
                return Ok(CommandOutcome::Faults);
            }
            Err(error) => return Err(error),
        };
        let changed = wait(app.put_units(units, ACTOR, dry_run, None))?.answer;
        say!(
            "{}: {} units, revision {}{}",
            file.display(),
            changed.units.len(),
            changed.revision,
            if changed.recorded { "" } else { " (nothing recorded)" }
        );
    }
    Ok(CommandOutcome::Done)
}

fn export(file: Option<&Path>, units: Vec<UnitDocument>) -> Result<(), Error> {
    let ending = file.and_then(Path::extension).map(|ending| ending.to_ascii_lowercase());
    let bytes = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("json") => {
            let body = serde_json::json!({ "units": units });
            format!("{body:#}\n").into_bytes()
        }
        Some("xlsx") => {
            workbook(unit_table(units), None).map_err(|error| io(std::io::Error::other(error)))?
        }
        Some("csv") | None => {
            let mut bytes = Vec::new();
            csv(unit_table(units), &mut bytes).map_err(io)?;
            bytes
        }
        Some(_) => {
            return Err(Error::Usage(
                "the name of the file must end in .csv, .xlsx or .json".to_owned(),
            ));
        }
    };
    match file {
        Some(file) => {
            std::fs::write(file, bytes).map_err(Error::environment(file.display().to_string()))
        }
        None => std::io::stdout().lock().write_all(&bytes).map_err(io),
    }
}
