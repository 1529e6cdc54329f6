//! The command line: parses, calls the library, nothing else.

use std::process::ExitCode;

use egov_kpi::config::{Config, LogFormat};
use tracing_subscriber::EnvFilter;

/// Groups of figures are taken in and let go by the megabyte; this allocator keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = Config::read();
    let filter =
        EnvFilter::try_new(&config.log).unwrap_or_else(|_malformed| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match config.log_format {
        LogFormat::Json => logs.json().flatten_event(true).init(),
        LogFormat::Text => logs.init(),
    }
    egov_kpi::command::run(config).into()
}
