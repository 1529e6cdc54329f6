//! The commands of the command line, one a file.

/// Prints a line on standard output. A reader that has gone, as `| head` does, is no fault of the command.
macro_rules! say {
    ($($told:tt)*) => {
        std::io::Write::write_fmt(&mut std::io::stdout().lock(), format_args!("{}\n", format_args!($($told)*))).unwrap_or_default()
    };
}

mod catalogue;
mod check;
mod demo;
mod export;
mod files;
mod import;
mod keys;
mod report;
mod serve;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use crate::app::clock::Clock;
use crate::config::{Command, Config};
use crate::domain::fault::Fault;
use crate::error::Error;
use crate::intake::Envelope;
use crate::server::Settings;
use crate::{generate, http};

/// How a command ended (contract section 5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// 0: done.
    Done,
    /// 1: the input or the figures have faults.
    Faults,
    /// 2: wrong usage.
    Usage,
    /// 3: the surroundings failed: database, disk, port, a newer schema.
    Surroundings,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(match outcome {
            Outcome::Done => 0,
            Outcome::Faults => 1,
            Outcome::Usage => 2,
            Outcome::Surroundings => 3,
        })
    }
}

/// Carries out a command; what went wrong is told on standard error.
#[must_use]
pub fn run(config: Config) -> Outcome {
    let clock = Clock::new(config.utc_offset);
    let outcome = match config.command {
        Command::Serve { listen, database, workers, scrape_series, access, limits } => {
            serve::settings(&listen.address, *access, &limits).and_then(|settings| {
                let settings = Settings {
                    workers,
                    scraped: usize::try_from(scrape_series).unwrap_or(usize::MAX),
                    ..settings
                };
                serve::run(&settings, &database.address, clock)
            })
        }
        Command::Demo { listen, no_serve, lang } => {
            demo::run(&listen.address, no_serve, lang, &clock)
        }
        Command::Import { files, database, reference, reason, from_line, of } => import::run(
            &files,
            (&database.address, clock),
            Envelope { source_kind: None, reference, reason },
            from_line,
            &of.query(),
        ),
        Command::Export { file, database, tidy, openmetrics } => {
            let what = if openmetrics {
                export::What::OpenMetrics
            } else if tidy {
                export::What::Tidy
            } else {
                export::What::Ledger
            };
            export::run(file.as_deref(), what, &database.address)
        }
        Command::Check { files, database, lang, of, explain, catalogue } => check::run(
            &files,
            (database.as_deref(), clock),
            &catalogue,
            &report::Asked { query: of.query(), explain, lang },
        ),
        Command::Generate { size, seed, units } => generate_csv(size, seed, units.as_deref()),
        Command::Catalogue { action } => catalogue::run(&action),
        Command::Backup { file, database } => backup(&file, &database.address),
        Command::Verify { database, hash } => verify::run(&database.address, hash.as_deref()),
        Command::Keys { action } => keys::run(action, clock),
        Command::Openapi => print_openapi(),
    };
    outcome.unwrap_or_else(|error| tell(&error))
}

/// Tells an error on standard error and says how the command ended.
fn tell(error: &Error) -> Outcome {
    match error {
        Error::Invalid(faults)
        | Error::Conflict { obstacles: faults, .. }
        | Error::Forbidden { obstacles: faults, .. } => {
            eprintln!("egov-kpi: {error}");
            faults.iter().for_each(|fault| eprintln!("  {fault}"));
            Outcome::Faults
        }
        Error::Malformed(_) | Error::NotFound(_) | Error::TooLarge(_) => {
            eprintln!("egov-kpi: {error}");
            Outcome::Faults
        }
        Error::Store(crate::store::StoreError::Address(sentence)) | Error::Usage(sentence) => {
            eprintln!("egov-kpi: {sentence}");
            Outcome::Usage
        }
        Error::Surroundings { .. } => {
            eprintln!("egov-kpi: {error}");
            Outcome::Surroundings
        }
        Error::Busy(_) | Error::Unsettled | Error::Behind(_) | Error::Store(_) => {
            eprintln!("egov-kpi: {error}");
            let causes =
                std::iter::successors(std::error::Error::source(error), |cause| cause.source());
            causes.for_each(|cause| eprintln!("  {cause}"));
            Outcome::Surroundings
        }
    }
}

impl crate::config::ReportOf {
    fn query(&self) -> crate::app::reports::ReportQuery {
        crate::app::reports::ReportQuery { unit: self.unit.clone(), period: self.period }
    }
}

fn io(source: std::io::Error) -> Error {
    Error::surroundings("a file cannot be read or written")(source)
}

fn generate_csv(
    size: generate::Size,
    seed: u64,
    units: Option<&std::path::Path>,
) -> Result<Outcome, Error> {
    if let Some(file) = units {
        let body = serde_json::json!({ "units": generate::units(size) });
        std::fs::write(file, format!("{body:#}\n")).map_err(io)?;
    }
    let mut out = std::io::BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    generate::write_csv(size, seed, &mut out).and_then(|()| out.flush()).map_err(io)?;
    Ok(Outcome::Done)
}

fn backup(file: &std::path::Path, address: &str) -> Result<Outcome, Error> {
    crate::store::Store::open(address, false)?.backup(file)?;
    eprintln!("{} written", file.display());
    Ok(Outcome::Done)
}

fn print_openapi() -> Result<Outcome, Error> {
    let text = http::openapi_text().map_err(|error| Error::Malformed(error.to_string()))?;
    std::io::stdout().write_all(text.as_bytes()).map_err(io)?;
    Ok(Outcome::Done)
}

/// Prints faults with the file they are in.
fn print_faults(file: &std::path::Path, faults: &[Fault]) {
    faults.iter().for_each(|fault| say!("{}: {fault}", file.display()));
}
