//! `man`: writes a man page for each command into a folder.

use std::path::Path;

use clap::{Command, CommandFactory};

use super::CommandOutcome;
use crate::config::Config;
use crate::error::Error;

/// Writes `egov-kpi.1`, and `egov-kpi-COMMAND.1` for each command and the commands below it.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn run(folder: &Path) -> Result<CommandOutcome, Error> {
    let at = |source| Error::Environment { what: folder.display().to_string(), source };
    std::fs::create_dir_all(folder).map_err(at)?;
    let mut command = Config::command().disable_help_subcommand(true);
    command.build();
    let pages = write_pages(&command, folder).map_err(at)?;
    super::print_note(format!("{pages} man pages written to {}", folder.display()));
    Ok(CommandOutcome::Done)
}

/// Writes the pages of a command and of the commands below it; returns their number.
fn write_pages(command: &Command, folder: &Path) -> std::io::Result<usize> {
    clap_mangen::Man::new(command.clone()).generate_to(folder)?;
    command.get_subcommands().try_fold(1, |pages, below| Ok(pages + write_pages(below, folder)?))
}
