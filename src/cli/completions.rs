//! `completions`: prints the completions of commands and options for a shell.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;

use super::{CommandOutcome, io};
use crate::config::{CompletionShell, Config};
use crate::error::Error;

/// Prints the script of `shell` on standard output.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(shell: CompletionShell) -> Result<CommandOutcome, Error> {
    let generator = match shell {
        CompletionShell::Bash => Shell::Bash,
        CompletionShell::Zsh => Shell::Zsh,
        CompletionShell::Fish => Shell::Fish,
    };
    // Into memory first, because the generator panics at a closed output.
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut Config::command(), "egov-kpi", &mut script);
    std::io::stdout().write_all(&script).map_err(io)?;
    Ok(CommandOutcome::Done)
}
