//! The command line: parses it and calls the library.

use std::process::ExitCode;

use egov_kpi::config::{Config, LogFormat};
use egov_kpi::logging::{self, LogSink};

/// Figures are allocated and freed in blocks of megabytes; this allocator keeps their pages for
/// reuse.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = Config::read();
    let (log, _last_lines) = match LogSink::start(std::io::stderr()) {
        Ok(started) => started,
        Err(error) => {
            eprintln!("egov-kpi: cannot start the log: {error}");
            return ExitCode::from(3);
        }
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(logging::filter(&config.log))
        .with_writer(log)
        .with_target(false);
    match config.log_format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Text => {
            logs.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init()
        }
    }
    egov_kpi::cli::run(config).into()
}
