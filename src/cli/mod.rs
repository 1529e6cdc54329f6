//! The commands of the command line, one in each file.

/// Prints a line on standard output. A closed output, as after `| head`, is not an error of the
/// command.
macro_rules! say {
    ($($told:tt)*) => {
        std::io::Write::write_fmt(
            &mut std::io::stdout().lock(),
            format_args!("{}\n", format_args!($($told)*))
        ).unwrap_or_default()
    };
}

mod actor;
mod backup;
mod catalogue;
mod check;
mod completions;
mod dashboards;
mod demo;
mod doctor;
mod drill;
mod export;
mod files;
mod import;
mod keys;
mod man;
mod periods;
mod report;
mod serve;
mod units;
mod verify;
mod witness;

use std::io::Write;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use crate::app::read::findings::FindingView;
use crate::clock::Clock;
use crate::config::{Command, Config, Language};
use crate::error::Error;
use crate::intake::SubmissionEnvelope;
use crate::messages::{translated, vietnamese};
use crate::server::ServerSettings;
use crate::{api, generate};
use kpi::fault::Fault;

/// Blocks until a change of the ledger is recorded; commands have no async threads.
fn wait<T>(change: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.map_err(Error::environment("the command cannot start"))?.block_on(change)
}

/// Whether messages are in Vietnamese: `--lang vi`.
static IN_VIETNAMESE: OnceLock<bool> = OnceLock::new();

/// The language of the command.
fn language() -> Language {
    if IN_VIETNAMESE.get().copied().unwrap_or(false) { Language::Vi } else { Language::En }
}

/// A message in the language of the command.
fn localised(message: String) -> String {
    if language() == Language::Vi { vietnamese(&message).unwrap_or(message) } else { message }
}

/// Prints a line on standard output in the language of the command.
fn print_line(line: String) {
    say!("{}", localised(line));
}

/// Prints a line on standard error in the language of the command.
fn print_note(line: String) {
    eprintln!("{}", localised(line));
}

/// An error of an input in the language of the command.
fn told_fault(fault: &Fault) -> String {
    let Some(detail) = translated(fault.clone()).detail_vi.filter(|_| language() == Language::Vi)
    else {
        return fault.to_string();
    };
    let place = match (fault.line, &fault.column) {
        (Some(line), Some(column)) => format!("dòng {line}, cột {column}: "),
        (Some(line), None) => format!("dòng {line}: "),
        _ if fault.pointer.is_empty() => String::new(),
        _ => format!("{}: ", fault.pointer),
    };
    format!("{place}{detail} ({})", fault.code)
}

/// The result of a command (docs/specification.md#exit-codes).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandOutcome {
    /// 0: done.
    Done,
    /// 1: errors in the input, or findings.
    Faults,
    /// 2: wrong usage.
    Usage,
    /// 3: environment error: database, disk, port, newer ledger.
    Environment,
}

impl CommandOutcome {
    /// The exit code of the process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Faults => 1,
            Self::Usage => 2,
            Self::Environment => 3,
        }
    }
}

impl From<CommandOutcome> for ExitCode {
    fn from(outcome: CommandOutcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Runs a command; errors are printed on standard error.
#[must_use]
pub fn run(config: Config) -> CommandOutcome {
    let clock = Clock::new(config.utc_offset);
    let shown = config.lang.unwrap_or(Language::Vi);
    let is_for_readers = matches!(config.command, Command::Check { .. } | Command::Demo { .. });
    let in_vietnamese =
        config.lang == Some(Language::Vi) || is_for_readers && shown == Language::Vi;
    let _set_once = IN_VIETNAMESE.set(in_vietnamese);
    let outcome = match config.command {
        Command::Serve {
            listen,
            database,
            workers,
            scrape_series,
            witness_file,
            backups,
            access,
            limits,
        } => {
            let secret = access.key_secret_file.clone();
            if let Some(path) = &access.oidc_client_secret_file {
                crate::server::warn_of_mode(path, "client secret file");
            }
            serve::settings(&listen.address, *access, &limits).and_then(|settings| {
                let settings = ServerSettings {
                    workers,
                    scraped: usize::try_from(scrape_series).unwrap_or(usize::MAX),
                    witness_file,
                    backups,
                    ..settings
                };
                serve::run(&settings, &database.address, clock, secret.as_deref())
            })
        }
        Command::Demo { listen, no_serve } => demo::run(&listen.address, no_serve, shown, &clock),
        Command::Import { files, database, reference, reason, from_line, of } => import::run(
            &files,
            (&database.address, clock),
            SubmissionEnvelope { source_kind: None, reference, reason },
            from_line,
            &of.query(),
        ),
        Command::Export { file, database, tidy, openmetrics } => {
            let what = if openmetrics {
                export::ExportFormat::OpenMetrics
            } else if tidy {
                export::ExportFormat::Tidy
            } else {
                export::ExportFormat::Ledger
            };
            export::run(file.as_deref(), what, &database.address)
        }
        Command::Check { files, database, of, explain, catalogue } => check::run(
            &files,
            (database.as_deref(), clock),
            &catalogue,
            &report::ReportOptions { query: of.query(), explain, lang: shown },
        ),
        Command::Generate { size, seed, units } => generate_csv(size, seed, units.as_deref()),
        Command::Catalogue { action } => catalogue::run(&action),
        Command::Units { action } => units::run(&action, clock),
        Command::Periods { action } => periods::run(action, clock),
        Command::Backup { file, keep, database } => {
            let keep = keep.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX));
            backup::run(&file, keep, &database.address)
        }
        Command::Drill { backup, database, max_age } => {
            let max_age = max_age.map(|hours| Duration::from_secs(u64::from(hours) * 3_600));
            drill::run(&backup, database.as_deref(), max_age)
        }
        Command::Doctor { listen, database, access, limits, backups } => {
            let (listen, database) = (listen.address, database.address);
            doctor::run(doctor::Installation { listen, database, access, limits, backups }, &clock)
        }
        Command::Verify { database, hash, key_secret_file } => {
            verify::run(&database.address, hash.as_deref(), key_secret_file.as_deref())
        }
        Command::Witness { database, check } => witness::run(&database.address, check.as_deref()),
        Command::Keys { key_secret_file, action } => {
            keys::run(action, clock, key_secret_file.as_deref())
        }
        Command::Dashboards { prometheus_uid, infinity, folder } => {
            dashboards::run(shown, prometheus_uid, infinity, &folder)
        }
        Command::Openapi => print_openapi(),
        Command::Completions { shell } => completions::run(shell),
        Command::Man { folder } => man::run(&folder),
    };
    outcome.unwrap_or_else(|error| print_error(&error))
}

/// Prints an error on standard error, and returns the result of the command.
fn print_error(error: &Error) -> CommandOutcome {
    match error {
        Error::Invalid(faults)
        | Error::Conflict { obstacles: faults, .. }
        | Error::Forbidden { obstacles: faults, .. } => {
            eprintln!("egov-kpi: {}", localised(error.to_string()));
            faults.iter().for_each(|fault| eprintln!("  {}", told_fault(fault)));
            CommandOutcome::Faults
        }
        Error::Malformed(_)
        | Error::NotFound(_)
        | Error::TooLarge(_)
        | Error::Unauthorized { .. } => {
            eprintln!("egov-kpi: {}", localised(error.to_string()));
            CommandOutcome::Faults
        }
        Error::Store(ledger::StoreError::Address(sentence)) | Error::Usage(sentence) => {
            eprintln!("egov-kpi: {}", localised(sentence.clone()));
            CommandOutcome::Usage
        }
        Error::Store(ledger::StoreError::Unsound(_)) => {
            eprintln!(
                "egov-kpi: {error}\n  The ledger was not changed. `egov-kpi verify` lists what \
                 differs; restore a backup that passes `verify`."
            );
            CommandOutcome::Faults
        }
        Error::Environment { .. } => {
            eprintln!("egov-kpi: {}", localised(error.to_string()));
            CommandOutcome::Environment
        }
        Error::Busy(_)
        | Error::Memory(_)
        | Error::Unsettled
        | Error::NotSettled
        | Error::Behind(_)
        | Error::OtherHistory { .. }
        | Error::Replaced
        | Error::Store(_) => {
            eprintln!("egov-kpi: {}", localised(error.to_string()));
            let causes =
                std::iter::successors(std::error::Error::source(error), |cause| cause.source());
            causes.for_each(|cause| eprintln!("  {cause}"));
            CommandOutcome::Environment
        }
    }
}

impl crate::config::ReportTarget {
    fn query(&self) -> crate::app::reports::ReportQuery {
        crate::app::reports::ReportQuery {
            unit: self.unit.clone(),
            period: self.period,
            accept: self.accept.clone().into(),
        }
    }
}

fn io(source: std::io::Error) -> Error {
    Error::environment("cannot read or write a file")(source)
}

fn generate_csv(
    size: generate::DatasetSize,
    seed: u64,
    units: Option<&std::path::Path>,
) -> Result<CommandOutcome, Error> {
    if let Some(file) = units {
        let body = serde_json::json!({ "units": generate::units(size) });
        std::fs::write(file, format!("{body:#}\n")).map_err(io)?;
    }
    let mut out = std::io::BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    generate::write_csv(size, seed, &mut out).and_then(|()| out.flush()).map_err(io)?;
    Ok(CommandOutcome::Done)
}

fn print_openapi() -> Result<CommandOutcome, Error> {
    let text = api::openapi_text().map_err(|error| Error::Malformed(error.to_string()))?;
    std::io::stdout().write_all(text.as_bytes()).map_err(io)?;
    Ok(CommandOutcome::Done)
}

/// Prints errors with the name of their file.
fn print_faults(file: &std::path::Path, faults: &[Fault]) {
    faults.iter().for_each(|fault| say!("{}: {}", file.display(), told_fault(fault)));
}

/// Prints a finding in one line.
fn print_finding(finding: &FindingView, lang: Language) {
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
